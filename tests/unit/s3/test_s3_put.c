/* PutObject: what is stored, what is verified, what is refused. After every refusal nothing has changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

#include <stdio.h>
#include <stdlib.h>

#define HELLO_MD5       "XUFAKrxLKna5cZ2REBfFkg=="
#define HELLO_CRC32     "NhCmhg=="
#define HELLO_CRC32C    "mnG7TA=="
#define HELLO_CRC64NVME "M3eFcAZSQlc="
#define HELLO_SHA1      "qvTGHdzF6KLavt4PO0gs2a6pQ00="
#define HELLO_SHA256    "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
#define HELLO_ETAG      "\"5d41402abc4b2a76b9719d911017c592\""

static int setup(void **state)
{
    static struct client c;
    client_init(&c, NULL, NULL);
    assert_int_equal(client_do(&c, "PUT", "/bucket", NULL), 200);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

/* The call is refused with the code, and the store is as before. */
#define expect_refused(c, call, status, code)                                                                          \
    do {                                                                                                               \
        unsigned changes_ = fake_store_changes((c)->store);                                                            \
        client_expect(c, call, status, code);                                                                          \
        assert_int_equal(fake_store_changes((c)->store), changes_);                                                    \
    } while (0)

static void test_put_and_get(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket/a%20b/%C3%A9+", "hello"), 200);
    assert_string_equal(client_header(c, "ETag"), HELLO_ETAG);
    assert_string_equal(client_header(c, "x-amz-checksum-crc64nvme"), HELLO_CRC64NVME);
    assert_string_equal(client_header(c, "x-amz-checksum-type"), "FULL_OBJECT");
    assert_null(client_header(c, "x-amz-version-id"));
    assert_int_equal(c->answer.content_length, 0);
    assert_int_equal(client_do(c, "GET", "/bucket/a%20b/%C3%A9+", NULL), 200);
    assert_string_equal(c->answer.body, "hello");
    assert_string_equal(client_header(c, "Content-Type"), "binary/octet-stream");
    assert_string_equal(client_header(c, "Last-Modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_string_equal(client_header(c, "Accept-Ranges"), "bytes");
    assert_null(client_header(c, "x-amz-checksum-crc64nvme"));
    client_expect_do(c, "PUT", "/missing/key", "hello", 404, "NoSuchBucket");
}

static void test_empty_object(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket/empty", ""), 200);
    assert_string_equal(client_header(c, "ETag"), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    assert_int_equal(client_do(c, "GET", "/bucket/empty", NULL), 200);
    assert_int_equal(c->answer.content_length, 0);
    client_expect(c, (&(struct client_call){"GET", "/bucket/empty", .headers = {{"range", "bytes=0-"}}}), 416,
                  "InvalidRange");
}

static void test_sizes_and_pieces(void **state)
{
    struct client *c = *state;
    static const size_t sizes[] = {1, 6, 7, 8, 13, 14, 15, 4096, 12287};
    char body[12288];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t piece = 1; piece <= 8; piece += 7) {
            assert_int_equal(
                client_call(c, &(struct client_call){"PUT", "/bucket/key", body, sizes[i], .piece_bytes = piece}), 200);
            assert_int_equal(client_do(c, "GET", "/bucket/key", NULL), 200);
            assert_int_equal(c->answer.body_len, sizes[i]);
            assert_memory_equal(c->answer.body, body, sizes[i]);
        }
    }
}

static void test_payload_hash(void **state)
{
    struct client *c = *state;
    expect_refused(
        c,
        (&(struct client_call){"PUT", "/bucket/key", "hello",
                               .payload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}),
        400, "XAmzContentSHA256Mismatch");
    assert_string_equal(client_element(c, "S3ComputedContentSHA256"),
                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_int_equal(
        client_call(c, &(struct client_call){"PUT", "/bucket/key", "hello", .payload = "UNSIGNED-PAYLOAD"}), 200);
}

static void test_content_md5(void **state)
{
    struct client *c = *state;
    assert_int_equal(
        client_call(c, &(struct client_call){"PUT", "/bucket/key", "hello", .headers = {{"content-md5", HELLO_MD5}}}),
        200);
    static const char *const invalid[] = {"", "nonsense", "XUFAKrxLKna5cZ2REBfFkg=", "XUFAKrxLKna5cZ2REBfFkgAA",
                                          HELLO_SHA1};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        expect_refused(c,
                       (&(struct client_call){"PUT", "/bucket/key", "hello", .headers = {{"content-md5", invalid[i]}}}),
                       400, "InvalidDigest");
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "hellO", .headers = {{"content-md5", HELLO_MD5}}}),
                   400, "BadDigest");
}

static const struct {
    const char *header;
    const char *algorithm;
    const char *value;
} checksums[] = {
    {"x-amz-checksum-crc32", "CRC32", HELLO_CRC32},
    {"x-amz-checksum-crc32c", "CRC32C", HELLO_CRC32C},
    {"x-amz-checksum-crc64nvme", "CRC64NVME", HELLO_CRC64NVME},
    {"x-amz-checksum-sha1", "SHA1", HELLO_SHA1},
    {"x-amz-checksum-sha256", "SHA256", HELLO_SHA256},
};
#define CHECKSUM_CASES (sizeof checksums / sizeof checksums[0])

static void test_checksum_header(void **state)
{
    struct client *c = *state;
    for (size_t i = 0; i < CHECKSUM_CASES; i++) {
        const char *header = checksums[i].header, *value = checksums[i].value;
        struct client_call call = {
            "PUT", "/bucket/key", "hello",
            .headers = {{header, value}, {"x-amz-sdk-checksum-algorithm", checksums[i].algorithm}}};
        assert_int_equal(client_call(c, &call), 200);
        assert_string_equal(client_header(c, header), value);
        struct client_call get = {"GET", "/bucket/key", .headers = {{"x-amz-checksum-mode", "ENABLED"}}};
        assert_int_equal(client_call(c, &get), 200);
        assert_string_equal(client_header(c, header), value);
        assert_string_equal(client_header(c, "x-amz-checksum-type"), "FULL_OBJECT");
        get.headers[1] = (struct client_header){"range", "bytes=0-4"};
        assert_int_equal(client_call(c, &get), 206);
        assert_null(client_header(c, header));
        call.body = "hellO";
        expect_refused(c, &call, 400, "BadDigest");
        call.headers[0].value = "AAAA";
        expect_refused(c, &call, 400, "InvalidRequest");
    }
}

static void test_checksum_header_rules(void **state)
{
    struct client *c = *state;
    expect_refused(c,
                   (&(struct client_call){
                       "PUT", "/bucket/key", "hello",
                       .headers = {{"x-amz-checksum-crc32", HELLO_CRC32}, {"x-amz-checksum-sha1", HELLO_SHA1}}}),
                   400, "InvalidRequest");
    expect_refused(
        c, (&(struct client_call){"PUT", "/bucket/key", "hello", .headers = {{"x-amz-checksum-md4", HELLO_CRC32}}}),
        400, "InvalidRequest");
    expect_refused(
        c,
        (&(struct client_call){"PUT", "/bucket/key", "hello", .headers = {{"x-amz-sdk-checksum-algorithm", "CRC32"}}}),
        400, "InvalidRequest");
    expect_refused(c,
                   (&(struct client_call){
                       "PUT", "/bucket/key", "hello",
                       .headers = {{"x-amz-checksum-crc32", HELLO_CRC32}, {"x-amz-sdk-checksum-algorithm", "SHA1"}}}),
                   400, "InvalidRequest");
    expect_refused(
        c,
        (&(struct client_call){"PUT", "/bucket/key", "hello", .headers = {{"x-amz-trailer", "x-amz-checksum-crc32"}}}),
        400, "InvalidRequest");
}

/* As newest SDKs send streams: HTTP chunks outside, aws-chunked inside, the checksum in the trailer. */
static struct client_call trailer_call(const char *body, const char *trailer, const char *decoded_length)
{
    struct client_call call = {"PUT", "/bucket/key", body, .payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                               .headers = {{"content-encoding", "aws-chunked"},
                                           {"x-amz-decoded-content-length", decoded_length},
                                           {trailer != NULL ? "x-amz-trailer" : NULL, trailer}}};
    return call;
}

static void test_trailer(void **state)
{
    struct client *c = *state;
    for (size_t i = 0; i < CHECKSUM_CASES; i++) {
        char body[256];
        snprintf(body, sizeof body, "2\r\nhe\r\n3\r\nllo\r\n0\r\n%s:%s\r\n\r\n", checksums[i].header,
                 checksums[i].value);
        for (unsigned way = 0; way < 4; way++) {
            struct client_call call = trailer_call(body, checksums[i].header, "5");
            call.http_chunked = way & 1;
            call.piece_bytes = way & 2 ? 1 : 0;
            assert_int_equal(client_call(c, &call), 200);
            assert_string_equal(client_header(c, checksums[i].header), checksums[i].value);
            assert_string_equal(client_header(c, "ETag"), HELLO_ETAG);
        }
        assert_int_equal(client_do(c, "GET", "/bucket/key", NULL), 200);
        assert_string_equal(c->answer.body, "hello");
        assert_null(client_header(c, "Content-Encoding"));
        body[3] = 'H';
        struct client_call wrong = trailer_call(body, checksums[i].header, "5");
        expect_refused(c, &wrong, 400, "BadDigest");
    }
}

static void test_trailer_refusals(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *body;
        const char *trailer;
        const char *decoded_length;
        unsigned status;
        const char *code;
    } cases[] = {
        /* the trailer announced doesn't come, comes without a name, under another name, or unannounced */
        {"5\r\nhello\r\n0\r\n\r\n", "x-amz-checksum-crc64nvme", "5", 400, "MalformedTrailerError"},
        {"5\r\nhello\r\n0\r\n:M3eFcAZSQlc=\r\n\r\n", "x-amz-checksum-crc64nvme", "5", 400, "MalformedTrailerError"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc64nvme", "5", 400,
         "MalformedTrailerError"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc64nvme:M3eFcAZSQlc=\r\n\r\n", NULL, "5", 400, "MalformedTrailerError"},
        /* its value is no checksum, or is of other bytes */
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc64nvme:nonsense\r\n\r\n", "x-amz-checksum-crc64nvme", "5", 400,
         "InvalidRequest"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc64nvme:QFRKMGE3tuw=\r\n\r\n", "x-amz-checksum-crc64nvme", "5", 400,
         "BadDigest"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-md4:QFRKMGE3tuw=\r\n\r\n", "x-amz-checksum-md4", "5", 400,
         "InvalidRequest"},
        /* lengths */
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "4", 400,
         "IncompleteBody"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "6", 400,
         "IncompleteBody"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "abc", 411,
         "MissingContentLength"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "", 411,
         "MissingContentLength"},
        {"0\r\n\r\n", NULL, "5368709121", 400, "EntityTooLarge"},
        /* framing */
        {"5\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "5", 400, "IncompleteBody"},
        {"5\r\nhello0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "5", 400, "IncompleteBody"},
        {"5\r\nhello\r\n", "x-amz-checksum-crc32", "5", 400, "IncompleteBody"},
        {"5\r\nhel", "x-amz-checksum-crc32", "5", 400, "IncompleteBody"},
        {"xyz\r\nhello\r\n", "x-amz-checksum-crc32", "5", 400, "IncompleteBody"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\nmore", "x-amz-checksum-crc32", "5", 400,
         "IncompleteBody"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client_call call = trailer_call(cases[i].body, cases[i].trailer, cases[i].decoded_length);
        expect_refused(c, &call, cases[i].status, cases[i].code);
    }
    struct client_call both =
        trailer_call("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "5");
    both.headers[3] = (struct client_header){"x-amz-checksum-crc32", HELLO_CRC32};
    expect_refused(c, &both, 400, "InvalidRequest");
}

static void test_streaming_without_trailer(void **state)
{
    struct client *c = *state;
    struct client_call call = trailer_call("5\r\nhello\r\n0\r\n\r\n", NULL, "5");
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(client_header(c, "x-amz-checksum-crc64nvme"), HELLO_CRC64NVME);
    call.headers[2] = (struct client_header){"x-amz-checksum-sha1", HELLO_SHA1};
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(client_header(c, "x-amz-checksum-sha1"), HELLO_SHA1);
}

static void test_lengths(void **state)
{
    struct client *c = *state;
    expect_refused(c, (&(struct client_call){.method = "PUT", .target = "/bucket/key"}), 411, "MissingContentLength");
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "hello", .http_chunked = true}), 501,
                   "NotImplemented");
    assert_string_equal(client_element(c, "Header"), "Transfer-Encoding");
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "hello", .content_length = "9"}), 400,
                   "IncompleteBody");
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "hello", .body_sent_bytes = 4}), 400,
                   "IncompleteBody");
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "hello", .content_length = "5368709121"}), 400,
                   "EntityTooLarge");
    assert_string_equal(client_element(c, "ProposedSize"), "5368709121");
}

static void test_metadata(void **state)
{
    struct client *c = *state;
    struct client_call put = {"PUT", "/bucket/key", "hello",
                              .headers = {{"content-type", "application/dicom"},
                                          {"cache-control", "max-age=1"},
                                          {"content-disposition", "attachment"},
                                          {"content-encoding", "aws-chunked,gzip"},
                                          {"content-language", "fr"},
                                          {"expires", "Thu, 01 Jan 2032 00:00:00 GMT"},
                                          {"x-amz-website-redirect-location", "/other"},
                                          {"x-amz-meta-one", "1"},
                                          {"x-amz-meta-two", "2"},
                                          {"x-amz-meta-two", "zwei"},
                                          {"x-amz-meta-name", "Andr\xc3\xa9"},
                                          {"x-amz-meta-empty", ""},
                                          {"x-amz-storage-class", "STANDARD"},
                                          {"x-amz-acl", "private"}}};
    assert_int_equal(client_call(c, &put), 200);
    assert_int_equal(client_do(c, "HEAD", "/bucket/key", NULL), 200);
    assert_int_equal(c->answer.content_length, 5);
    assert_int_equal(c->answer.body_len, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_string_equal(client_header(c, put.headers[i].name), put.headers[i].value);
    assert_string_equal(client_header(c, "content-encoding"), "gzip");
    assert_string_equal(client_header(c, "content-language"), "fr");
    assert_string_equal(client_header(c, "expires"), "Thu, 01 Jan 2032 00:00:00 GMT");
    assert_string_equal(client_header(c, "x-amz-website-redirect-location"), "/other");
    assert_string_equal(client_header(c, "x-amz-meta-one"), "1");
    assert_string_equal(client_header(c, "x-amz-meta-two"), "2,zwei");
    assert_string_equal(client_header(c, "x-amz-meta-name"), "Andr\xc3\xa9");
    assert_string_equal(client_header(c, "x-amz-meta-empty"), "");
    assert_null(client_header(c, "x-amz-storage-class"));
}

static void test_metadata_limits(void **state)
{
    struct client *c = *state;
    char value[2050];
    memset(value, 'v', sizeof value);
    value[2048 - 4] = '\0'; /* with the name "size": 2048 */
    assert_int_equal(
        client_call(c, &(struct client_call){"PUT", "/bucket/key", "x", .headers = {{"x-amz-meta-size", value}}}), 200);
    value[2048 - 4] = 'v';
    value[2048 - 3] = '\0';
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "x", .headers = {{"x-amz-meta-size", value}}}), 400,
                   "MetadataTooLarge");
    value[2048 - 3] = 'v';
    value[2049] = '\0';
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "x", .headers = {{"cache-control", value}}}), 400,
                   "MetadataTooLarge");
    expect_refused(c, (&(struct client_call){"PUT", "/bucket/key", "x", .headers = {{"x-amz-meta-", "v"}}}), 400,
                   "InvalidArgument");
    expect_refused(
        c,
        (&(struct client_call){"PUT", "/bucket/key", "x", .headers = {{"x-amz-website-redirect-location", "other"}}}),
        400, "InvalidArgument");
}

static void test_keys(void **state)
{
    struct client *c = *state;
    char target[1100] = "/bucket/";
    memset(target + 8, 'k', 1024);
    assert_int_equal(client_do(c, "PUT", target, "x"), 200);
    memset(target + 8, 'k', 1025);
    client_expect_do(c, "PUT", target, "x", 400, "KeyTooLongError");
    client_expect_do(c, "GET", target, NULL, 400, "KeyTooLongError");
    client_expect_do(c, "PUT", "/bucket/%FF%FE", "x", 400, "InvalidURI");
    assert_int_equal(client_do(c, "PUT", "/bucket//a/../b/./", "x"), 200);
    assert_int_equal(client_do(c, "GET", "/bucket//a/../b/./", NULL), 200);
    client_expect_do(c, "GET", "/bucket/b", NULL, 404, "NoSuchKey");
    assert_string_equal(client_element(c, "Key"), "b");
}

static void test_refused_headers(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *name;
        const char *value;
        unsigned status;
        const char *code;
    } cases[] = {
        {"x-amz-acl", "public-read", 501, "NotImplemented"},
        {"x-amz-acl", "nonsense", 400, "InvalidArgument"},
        {"x-amz-grant-read", "id=1", 501, "NotImplemented"},
        {"x-amz-storage-class", "GLACIER", 400, "InvalidStorageClass"},
        {"x-amz-tagging", "a=%zz", 400, "InvalidArgument"},
        {"x-amz-tagging", "a=b&a=c", 400, "InvalidTag"},
        {"x-amz-tagging", "=b", 400, "InvalidTag"},
        {"x-amz-tagging", "aws:a=b", 400, "InvalidTag"},
        {"x-amz-tagging", "a=%ff", 400, "InvalidTag"},
        {"x-amz-tagging", "a&b&c&d&e&f&g&h&i&j&k", 400, "InvalidTag"},
        {"x-amz-server-side-encryption", "aws:kms", 501, "NotImplemented"},
        {"x-amz-server-side-encryption", "AES", 400, "InvalidArgument"},
        {"x-amz-server-side-encryption-customer-algorithm", "AES256", 501, "NotImplemented"},
        {"x-amz-object-lock-mode", "COMPLIANCE", 400, "InvalidArgument"},
        {"x-amz-object-lock-retain-until-date", "2140-01-01T00:00:00Z", 400, "InvalidArgument"},
        {"x-amz-object-lock-legal-hold", "ON", 400, "InvalidRequest"},
        {"x-amz-object-lock-legal-hold", "on", 400, "InvalidArgument"},
        {"x-amz-bypass-governance-retention", "yes", 400, "InvalidArgument"},
        {"x-amz-storage-class", "DEEP_ARCHIVE", 400, "InvalidStorageClass"},
        {"x-amz-storage-class", "OUTPOSTS", 400, "InvalidStorageClass"},
        {"if-none-match", HELLO_ETAG, 501, "NotImplemented"},
        {"x-amz-write-offset-bytes", "5", 501, "NotImplemented"},
        {"x-amz-copy-source-range", "bytes=0-1", 501, "NotImplemented"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(c,
                       (&(struct client_call){"PUT", "/bucket/key", "x", .headers = {{cases[i].name, cases[i].value}}}),
                       cases[i].status, cases[i].code);
    assert_int_equal(client_call(c, &(struct client_call){"PUT", "/bucket/key", "x",
                                                          .headers = {{"x-amz-acl", "bucket-owner-full-control"}}}),
                     200);
}

static void test_store_errors(void **state)
{
    struct client *c = *state;
    static const struct {
        enum dol_err err;
        unsigned status;
        const char *code;
    } cases[] = {
        {DOL_EFULL, 507, "StorageFull"},
        {DOL_EREADONLY, 503, "ServiceUnavailable"},
        {DOL_EBUSY, 503, "SlowDown"},
        {DOL_EINCOMPLETE, 500, "InternalError"},
        {DOL_ESTOPPED, 503, "ServiceUnavailable"},
        {DOL_ERETAINED, 403, "AccessDenied"},
    };
    static const enum fake_call calls[] = {FAKE_CALL_PUT_BEGIN, FAKE_CALL_PUT_WRITE, FAKE_CALL_PUT_FINISH};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t j = 0; j < sizeof calls / sizeof calls[0]; j++) {
            fake_store_fail(c->store, calls[j], 1, cases[i].err);
            expect_refused(c, (&(struct client_call){.method = "PUT", .target = "/bucket/key", .body = "hello"}),
                           cases[i].status, cases[i].code);
            assert_int_equal(client_header(c, "Retry-After") != NULL, strcmp(cases[i].code, "SlowDown") == 0);
        }
    }
}

static void test_small_arena(void **state)
{
    struct client *c = *state;
    for (size_t bytes = 1; bytes < 40 << 10; bytes += 131) {
        struct client_call call =
            trailer_call("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", "5");
        call.headers[3] = (struct client_header){"x-amz-meta-a", "b"};
        call.arena_bytes = bytes;
        unsigned status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_get, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes_and_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_payload_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content_md5, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksum_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksum_header_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trailer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trailer_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streaming_without_trailer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metadata_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_arena, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
