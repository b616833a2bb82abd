/*
 * aws-chunked bodies. Input: mode, piece size, decoded length (2 bytes, big-endian), body. Cutting the body differently
 * must give the same data and the same verdict, and only the declared length may come out as complete.
 */
#include "aws_chunked.h"
#include "fuzz_check.h"

struct outcome {
    uint64_t data_bytes;
    uint32_t digest;
    unsigned ends;
    unsigned trailers;
    enum aws_chunked_error error;
};

/* The seeds of the signed modes are signed with this. */
static void make_signer(struct sigv4_chunk_signer *signer)
{
    struct sigv4_auth auth = {.scope = bytes_of("20130524/us-east-1/s3/aws4_request", 34)};
    struct sigv4_signing_key key;
    memset(&key, 7, sizeof key);
    memcpy(auth.amz_date, "20130524T000000Z", 17);
    CHECK(sigv4_chunk_signer_init(signer, &auth, &key) == DOL_OK);
}

static struct outcome run(enum sigv4_payload mode, uint64_t decoded, const uint8_t *data, size_t size, size_t step)
{
    static struct aws_chunked c;
    static const char announced[] = "x-amz-checksum-crc32, x-b";
    struct outcome o = {0};
    struct sigv4_chunk_signer signer;
    make_signer(&signer);
    CHECK(aws_chunked_init(&c, mode, &signer, decoded, bytes_of(announced, sizeof announced - 1)) == DOL_OK);
    bool failed = false;
    for (size_t at = 0; at < size && !failed; at += step) {
        size_t n = size - at < step ? size - at : step, used = 0;
        enum aws_chunked_event ev;
        do {
            size_t consumed;
            struct bytes span = {0};
            ev = aws_chunked_feed(&c, data + at + used, n - used, &consumed, &span);
            CHECK(consumed <= n - used);
            used += consumed;
            if (ev == AWS_CHUNKED_EV_DATA) {
                CHECK(span.len > 0 && span.len <= consumed);
                o.data_bytes += span.len;
                o.digest = crc32c(o.digest, span.data, span.len);
            }
            o.ends += ev == AWS_CHUNKED_EV_END;
            failed = ev == AWS_CHUNKED_EV_ERROR;
        } while (ev != AWS_CHUNKED_EV_MORE && !failed);
        CHECK(failed || used == n);
        CHECK(o.data_bytes <= decoded);
    }
    o.error = aws_chunked_finish(&c);
    o.trailers = c.trailer_count;
    for (unsigned i = 0; i < c.trailer_count; i++)
        o.digest = crc32c(o.digest, c.trailers[i].value.data, c.trailers[i].value.len);
    CHECK(o.error != AWS_CHUNKED_ERR_NONE || o.data_bytes == decoded);
    CHECK(o.ends <= 1);
    aws_chunked_fini(&c);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum sigv4_payload modes[] = {SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, SIGV4_PAYLOAD_STREAM_SIGNED,
                                               SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER};
    if (size < 4)
        return 0;
    enum sigv4_payload mode = modes[data[0] % 3];
    uint64_t decoded = (uint64_t)data[2] << 8 | data[3];
    struct outcome whole = run(mode, decoded, data + 4, size - 4, size);
    struct outcome pieces = run(mode, decoded, data + 4, size - 4, 1 + data[1] % 32);
    CHECK(whole.error == pieces.error && whole.ends == pieces.ends && whole.trailers == pieces.trailers);
    CHECK(whole.error != AWS_CHUNKED_ERR_NONE || whole.digest == pieces.digest);
    return 0;
}
