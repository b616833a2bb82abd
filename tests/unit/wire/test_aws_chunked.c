/* aws-chunked bodies: AWS's signed examples exactly, what clients send, and what must be refused. */
#include "aws_chunked.h"
#include "wire_test.h"

#define SECRET       "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define CREDENTIAL   "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
#define UNSIGNED     SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER
#define EXAMPLE_SIZE 66560

struct run {
    struct aws_chunked decoder;
    size_t data_bytes;
    uint32_t data_crc;
    unsigned ends;
    enum aws_chunked_error error; /* of the end */
};

/* Feeds all in pieces of `step`, then ends the body. The decoder is left open for looking at. */
static void run(struct run *r, enum sigv4_payload payload, const struct sigv4_chunk_signer *signer, uint64_t decoded,
                const char *announced, struct bytes body, size_t step)
{
    bool failed = false;
    r->data_bytes = r->data_crc = r->ends = 0;
    assert_int_equal(aws_chunked_init(&r->decoder, payload, signer, decoded, str(announced)), DOL_OK);
    for (size_t at = 0; at < body.len && !failed;) {
        size_t n = body.len - at < step ? body.len - at : step;
        char *piece = exact_copy((const char *)body.data + at, n);
        size_t used = 0;
        enum aws_chunked_event ev;
        do {
            size_t consumed;
            struct bytes span;
            ev = aws_chunked_feed(&r->decoder, piece + used, n - used, &consumed, &span);
            assert_true(consumed <= n - used);
            used += consumed;
            if (ev == AWS_CHUNKED_EV_DATA) {
                r->data_bytes += span.len;
                r->data_crc = crc32c(r->data_crc, span.data, span.len);
            }
            r->ends += ev == AWS_CHUNKED_EV_END;
            failed = ev == AWS_CHUNKED_EV_ERROR;
        } while (ev != AWS_CHUNKED_EV_MORE && !failed);
        assert_true(failed || used == n);
        free(piece);
        at += n;
    }
    r->error = aws_chunked_finish(&r->decoder);
}

static const size_t steps[] = {1, 2, 3, 17, 1000, 1u << 20};
#define STEPS (sizeof steps / sizeof steps[0])

static void gives(enum sigv4_payload payload, const struct sigv4_chunk_signer *signer, uint64_t decoded,
                  const char *announced, struct bytes body, enum aws_chunked_error error)
{
    static struct run r;
    for (size_t i = 0; i < STEPS; i++) {
        if (body.len / steps[i] > 10000) /* small bodies show what single bytes do */
            continue;
        run(&r, payload, signer, decoded, announced, body, steps[i]);
        if (r.error != error)
            fail_msg("%s at step %zu", aws_chunked_error_text(r.error), steps[i]);
        if (error == AWS_CHUNKED_ERR_NONE)
            assert_int_equal(r.data_bytes, decoded);
        aws_chunked_fini(&r.decoder);
    }
}

static void unsigned_gives(const char *body, uint64_t decoded, enum aws_chunked_error error)
{
    gives(UNSIGNED, NULL, decoded, "x-amz-checksum-crc32", str(body), error);
}

/* ---- unsigned ---- */

static void test_unsigned(void **state)
{
    (void)state;
    static struct run r;
    struct bytes body = str("5\r\nhello\r\n6\r\n world\r\n0\r\nX-Amz-Checksum-CRC32:  DUoRhQ== \r\n\r\n");
    for (size_t i = 0; i < STEPS; i++) {
        run(&r, UNSIGNED, NULL, 11, " X-Amz-Checksum-Crc32 ", body, steps[i]);
        assert_int_equal(r.error, AWS_CHUNKED_ERR_NONE);
        assert_int_equal(r.ends, 1);
        assert_int_equal(r.data_bytes, 11);
        assert_int_equal(r.data_crc, crc32c(0, "hello world", 11));
        assert_int_equal(r.decoder.trailer_count, 1);
        assert_bytes(r.decoder.trailers[0].name, "x-amz-checksum-crc32");
        assert_bytes(r.decoder.trailers[0].value, "DUoRhQ==");
        aws_chunked_fini(&r.decoder);
    }
}

static void test_unsigned_forms(void **state)
{
    (void)state;
#define TRAILER "x-amz-checksum-crc32:AAAAAA=="
    unsigned_gives("0\r\n" TRAILER "\r\n\r\n", 0, AWS_CHUNKED_ERR_NONE);
    unsigned_gives("1\r\na\r\n0\r\n" TRAILER "\n\r\n\r\n", 1, AWS_CHUNKED_ERR_NONE); /* minio-go */
    unsigned_gives("1\r\na\r\n0\r\n\r\n" TRAILER "\r\n\r\n", 1, AWS_CHUNKED_ERR_NONE);
    unsigned_gives("0001\r\na\r\n00\r\n" TRAILER "\r\n\r\n", 1, AWS_CHUNKED_ERR_NONE);
    unsigned_gives("A\r\n0123456789\r\n0\r\n" TRAILER "\r\n\r\n", 10, AWS_CHUNKED_ERR_NONE);
    gives(UNSIGNED, NULL, 1, "", str("1\r\na\r\n0\r\n\r\n"), AWS_CHUNKED_ERR_NONE);
    gives(UNSIGNED, NULL, 1, "", str("1\r\na\r\n0\r\n"), AWS_CHUNKED_ERR_NONE);
    gives(UNSIGNED, NULL, 1, ",a, b,", str("1\r\na\r\n0\r\nb:2\r\na:1\r\n\r\n"), AWS_CHUNKED_ERR_NONE);
    gives(UNSIGNED, NULL, 1, "a", str("1\r\na\r\n0\r\na:\r\n\r\n"), AWS_CHUNKED_ERR_NONE);
}

static void test_unsigned_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum aws_chunked_error error;
    } cases[] = {
        {"", AWS_CHUNKED_ERR_INCOMPLETE},
        {"5", AWS_CHUNKED_ERR_INCOMPLETE},
        {"5\r\nhell", AWS_CHUNKED_ERR_INCOMPLETE},
        {"5\r\nhello", AWS_CHUNKED_ERR_INCOMPLETE},
        {"5\r\nhello\r\n", AWS_CHUNKED_ERR_INCOMPLETE},
        {"4\r\nhell\r\n0\r\n" TRAILER "\r\n\r\n", AWS_CHUNKED_ERR_INCOMPLETE},
        {"6\r\nhello!\r\n0\r\n" TRAILER "\r\n\r\n", AWS_CHUNKED_ERR_INCOMPLETE},
        {"5\r\nhello\r\n1\r\n!\r\n0\r\n" TRAILER "\r\n\r\n", AWS_CHUNKED_ERR_INCOMPLETE},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:A", AWS_CHUNKED_ERR_INCOMPLETE},
        {"ffffffffffffffff\r\nhello", AWS_CHUNKED_ERR_INCOMPLETE},
        {"00000000000000005\r\nhello", AWS_CHUNKED_ERR_MALFORMED},
        {"\r\n", AWS_CHUNKED_ERR_MALFORMED},
        {"5\nhello", AWS_CHUNKED_ERR_MALFORMED},
        {"5 \r\nhello", AWS_CHUNKED_ERR_MALFORMED},
        {"-5\r\nhello", AWS_CHUNKED_ERR_MALFORMED},
        {"0x5\r\nhello", AWS_CHUNKED_ERR_MALFORMED},
        {"5;chunk-signature=0\r\nhello", AWS_CHUNKED_ERR_MALFORMED},
        {"5\r\nhelloX", AWS_CHUNKED_ERR_MALFORMED},
        {"5\r\nhello\n0\r\n", AWS_CHUNKED_ERR_MALFORMED},
        {"5\r\nhello\r\n0\r\n\r\n", AWS_CHUNKED_ERR_TRAILER}, /* what was announced is missing */
        {"5\r\nhello\r\n0\r\n\r\n\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-sha1:A\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\n" TRAILER "\r\n" TRAILER "\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\n" TRAILER "\r\nx-other:1\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\n:A\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32 :A\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:\x01\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\n" TRAILER "\r\nx-amz-trailer-signature:00\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"5\r\nhello\r\n0\r\n" TRAILER "\r\n\r\n\r\n\r\n", AWS_CHUNKED_ERR_MALFORMED},
        {"5\r\nhello\r\n0\r\n" TRAILER "\r\n\r\nX", AWS_CHUNKED_ERR_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        unsigned_gives(cases[i].body, 5, cases[i].error);
    static const char nul[] = "0\r\n" TRAILER "\r\n\r\n\r\n\0";
    gives(UNSIGNED, NULL, 0, "x-amz-checksum-crc32", bytes_of(nul, sizeof nul - 1), AWS_CHUNKED_ERR_MALFORMED);
}

static void test_bounds(void **state)
{
    (void)state;
    static char body[2 * AWS_CHUNKED_TRAILER_BYTES_MAX];
    for (size_t over = 0; over <= 1; over++) {
        char *at = stpcpy(body, "0\r\na:");
        memset(at, 'x', AWS_CHUNKED_TRAILER_BYTES_MAX - 6 + over);
        stpcpy(at + AWS_CHUNKED_TRAILER_BYTES_MAX - 6 + over, "\r\n\r\n");
        gives(UNSIGNED, NULL, 0, "a", str(body), over ? AWS_CHUNKED_ERR_TRAILER : AWS_CHUNKED_ERR_NONE);
        at = stpcpy(body, "0\r\n");
        for (size_t i = 0; i < AWS_CHUNKED_TRAILERS_MAX + over; i++)
            at += snprintf(at, 16, "t%zu:v\r\n", i);
        stpcpy(at, "\r\n");
        gives(UNSIGNED, NULL, 0, over ? "t0,t1,t2,t3,t4,t5,t6,t7,t8" : "t0,t1,t2,t3,t4,t5,t6,t7", str(body),
              over ? AWS_CHUNKED_ERR_TRAILER : AWS_CHUNKED_ERR_NONE);
    }
    memset(body, '0', sizeof body - 1);
    gives(UNSIGNED, NULL, 0, "", bytes_of(body, AWS_CHUNKED_LINE_BYTES_MAX + 1), AWS_CHUNKED_ERR_MALFORMED);
}

/* ---- signed: AWS's two examples ---- */

/* https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html */
static const char *const signed_sigs[4] = {"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                                           "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                                           "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                                           "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};
/* https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html */
static const char *const trailer_sigs[5] = {"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
                                            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                                            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                                            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                                            "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"};

/* Verifies the request of the example and makes the signer its chunks hang on. */
static void example_signer(bool trailer, struct sigv4_chunk_signer *signer)
{
    char authorization[512];
    snprintf(authorization, sizeof authorization,
             "AWS4-HMAC-SHA256 Credential=" CREDENTIAL
             ",SignedHeaders=content-encoding;%shost;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
             "x-amz-storage-class%s,Signature=%s",
             trailer ? "" : "content-length;", trailer ? ";x-amz-trailer" : "",
             trailer ? trailer_sigs[0] : signed_sigs[0]);
    const struct wire_header headers[] = {
        {str("host"), str("s3.amazonaws.com")},
        {str("x-amz-date"), str("20130524T000000Z")},
        {str("x-amz-storage-class"), str("REDUCED_REDUNDANCY")},
        {str("authorization"), str(authorization)},
        {str("x-amz-content-sha256"),
         str(trailer ? "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" : "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")},
        {str("content-encoding"), str("aws-chunked")},
        {str("x-amz-decoded-content-length"), str("66560")},
        {str("content-length"), str("66824")},
        {str("x-amz-trailer"), str("x-amz-checksum-crc32c")},
    };
    struct uri_query query = {0};
    struct sigv4_request req = {.method = str("PUT"),
                                .path = str("/examplebucket/chunkObject.txt"),
                                .query = &query,
                                .headers = headers,
                                .header_count = trailer ? 9 : 8};
    struct sigv4_auth auth;
    struct sigv4_signing_key key;
    struct arena arena;
    arena_init(&arena, 65536);
    assert_int_equal(sigv4_parse(&req, &auth), SIGV4_OK);
    assert_int_equal(sigv4_check(&req, &auth, str("us-east-1"), 1369353600), SIGV4_OK);
    sigv4_derive_key(str(SECRET), auth.date, auth.region, auth.service, &key);
    assert_int_equal(sigv4_verify(&req, &auth, &key, &arena), SIGV4_OK);
    assert_int_equal(sigv4_chunk_signer_init(signer, &auth, &key), DOL_OK);
    arena_fini(&arena);
}

static char example[EXAMPLE_SIZE + 2048];

/* The body of the example up to and including the line of the empty chunk. */
static char *example_body(const char *const sigs[])
{
    char *at = example + snprintf(example, 128, "10000;chunk-signature=%s\r\n", sigs[1]);
    memset(at, 'a', 65536);
    at += 65536;
    at += snprintf(at, 128, "\r\n400;chunk-signature=%s\r\n", sigs[2]);
    memset(at, 'a', 1024);
    at += 1024;
    at += snprintf(at, 128, "\r\n0;chunk-signature=%s\r\n", sigs[3]);
    return at;
}

static void test_aws_signed(void **state)
{
    (void)state;
    struct sigv4_chunk_signer signer;
    example_signer(false, &signer);
    char *end = stpcpy(example_body(signed_sigs), "\r\n");
    assert_int_equal(end - example, 66824); /* as AWS computes it */
    struct bytes body = bytes_of(example, (size_t)(end - example));
    gives(SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE, "", body, AWS_CHUNKED_ERR_NONE);
    body.len -= 2;
    gives(SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE, "", body, AWS_CHUNKED_ERR_NONE);
    body.len -= 1;
    gives(SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE, "", body, AWS_CHUNKED_ERR_INCOMPLETE);
    gives(SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE + 1, "", bytes_of(example, body.len + 3),
          AWS_CHUNKED_ERR_INCOMPLETE);
}

static void test_aws_signed_trailer(void **state)
{
    (void)state;
    struct sigv4_chunk_signer signer;
    const enum sigv4_payload mode = SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
    example_signer(true, &signer);
    static const struct {
        const char *format;
        enum aws_chunked_error error;
    } cases[] = {
        {"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%s\r\n\r\n", AWS_CHUNKED_ERR_NONE},
        {"x-amz-checksum-crc32c: sOO8/Q==\r\nX-Amz-Trailer-Signature: %s\r\n\r\n", AWS_CHUNKED_ERR_NONE},
        {"x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:%s\r\n\r\n", AWS_CHUNKED_ERR_NONE}, /* minio-go */
        {"\r\nx-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%s\r\n\r\n", AWS_CHUNKED_ERR_NONE},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%s\r\n", AWS_CHUNKED_ERR_NONE},
        {"x-amz-checksum-crc32c:sOO8/q==\r\nx-amz-trailer-signature:%s\r\n\r\n", AWS_CHUNKED_ERR_SIGNATURE},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%.63s0\r\n\r\n", AWS_CHUNKED_ERR_SIGNATURE},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%.63s\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"x-amz-trailer-signature:%s\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
        {"x-amz-trailer-signature:%s\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", AWS_CHUNKED_ERR_TRAILER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *end = example_body(trailer_sigs);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        end += snprintf(end, 512, cases[i].format, trailer_sigs[4]);
#pragma GCC diagnostic pop
        struct bytes body = bytes_of(example, (size_t)(end - example));
        gives(mode, &signer, EXAMPLE_SIZE, "x-amz-checksum-crc32c", body, cases[i].error);
    }
}

/* One character changed anywhere that is signed. */
static void test_signed_tampering(void **state)
{
    (void)state;
    struct sigv4_chunk_signer signer;
    static struct run r;
    example_signer(false, &signer);
    char *end = stpcpy(example_body(signed_sigs), "\r\n");
    struct bytes body = bytes_of(example, (size_t)(end - example));
    char *second = strstr(example + 65600, "400;");
    char *last = strstr(example + 65600, "0;chunk-signature=b6");
    char *const places[] = {example + 30, example + 100, example + 100 + 65000, second + 30, second + 600, last + 40};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char was = *places[i];
        *places[i] = was == 'a' ? 'b' : 'a'; /* a hex digit, too */
        run(&r, SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE, "", body, 4096);
        assert_int_equal(r.error, AWS_CHUNKED_ERR_SIGNATURE);
        assert_int_equal(r.ends, 0);
        aws_chunked_fini(&r.decoder);
        *places[i] = was;
    }
    gives(SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE, "", body, AWS_CHUNKED_ERR_NONE);
    signer.key.b[0] ^= 1;
    gives(SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE, "", body, AWS_CHUNKED_ERR_SIGNATURE);
    static const char *const lines[] = {"10000\r\n", "10000;chunk-signature=00\r\n", "10000;chunk-Signature=%064d\r\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        gives(SIGV4_PAYLOAD_STREAM_SIGNED, &signer, EXAMPLE_SIZE, "", str(lines[i]), AWS_CHUNKED_ERR_MALFORMED);
}

/* Appends a chunk of `len` bytes, signed after the one before. */
static char *put_chunk(char *at, struct sigv4_chunk_signer *s, size_t len)
{
    char data[8192], text[512], hex[65];
    uint8_t mac[32];
    struct sha256 digest;
    memset(data, 'b', len);
    digest = sha256_of(data, len);
    hex_encode(digest.b, 32, hex);
    int n = snprintf(text, sizeof text,
                     "AWS4-HMAC-SHA256-PAYLOAD\n%s\n%s\n%s\n"
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n%s",
                     s->amz_date, s->scope, s->previous, hex);
    hmac_sha256(bytes_of(s->key.b, 32), bytes_of(text, (size_t)n), mac);
    hex_encode(mac, 32, s->previous);
    at += snprintf(at, 128, "%zx;chunk-signature=%s\r\n", len, s->previous);
    memcpy(at, data, len);
    return len > 0 ? stpcpy(at + len, "\r\n") : at;
}

static void test_chunk_size_rule(void **state)
{
    (void)state;
    static const struct {
        size_t sizes[4];
        enum aws_chunked_error error;
    } cases[] = {
        {{8192, 8192, 1, 0}, AWS_CHUNKED_ERR_NONE},
        {{1, 0}, AWS_CHUNKED_ERR_NONE},
        {{0}, AWS_CHUNKED_ERR_NONE},
        {{8191, 0}, AWS_CHUNKED_ERR_NONE},
        {{8191, 1, 0}, AWS_CHUNKED_ERR_CHUNK_SIZE},
        {{8192, 8191, 8192, 0}, AWS_CHUNKED_ERR_CHUNK_SIZE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sigv4_chunk_signer signer, seed;
        uint64_t total = 0;
        char *at = example;
        example_signer(false, &seed);
        signer = seed;
        for (size_t j = 0;; j++) {
            at = put_chunk(at, &signer, cases[i].sizes[j]);
            total += cases[i].sizes[j];
            if (cases[i].sizes[j] == 0)
                break;
        }
        at = stpcpy(at, "\r\n");
        gives(SIGV4_PAYLOAD_STREAM_SIGNED, &seed, total, "", bytes_of(example, (size_t)(at - example)), cases[i].error);
    }
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(aws_chunked_error_code(AWS_CHUNKED_ERR_TRAILER), "MalformedTrailerError");
    assert_string_equal(aws_chunked_error_code(AWS_CHUNKED_ERR_INCOMPLETE), "IncompleteBody");
    assert_int_equal(aws_chunked_error_status(AWS_CHUNKED_ERR_SIGNATURE), 403);
    assert_int_equal(aws_chunked_error_status(AWS_CHUNKED_ERR_MALFORMED), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_unsigned_forms),
        cmocka_unit_test(test_unsigned_refusals),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_aws_signed),
        cmocka_unit_test(test_aws_signed_trailer),
        cmocka_unit_test(test_signed_tampering),
        cmocka_unit_test(test_chunk_size_rule),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
