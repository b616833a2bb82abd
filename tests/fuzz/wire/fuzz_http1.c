/*
 * HTTP/1.1 requests. The first byte chooses a piece size. Whatever the input, cutting it differently must give the same
 * events, and every slice must lie in the head buffer. Requests may follow one another in the input (pipelining): what
 * comes after the first must read as it would on a connection of its own.
 */
#include "fuzz_check.h"
#include "hash.h"
#include "http1.h"

#define HEAD_BYTES 4096 /* small, so that the limit is met */

struct outcome {
    unsigned heads;
    unsigned ends;
    uint64_t body_bytes;
    uint32_t digest; /* of heads and bodies */
    size_t consumed;
    /* The same at the end of the first request, and the digest of what follows it. */
    size_t first_consumed;
    uint64_t first_body_bytes;
    uint32_t rest_digest;
    enum http1_error error;
    bool idle;
};

static void check_slice(struct bytes slice, const char *buf)
{
    const char *s = slice.data;
    CHECK(slice.len == 0 || (s >= buf && s + slice.len <= buf + HEAD_BYTES));
}

static void add_digest(struct outcome *o, const void *data, size_t len)
{
    o->digest = crc32c(o->digest, data, len);
    if (o->ends > 0)
        o->rest_digest = crc32c(o->rest_digest, data, len);
}

static void take_end(struct outcome *o)
{
    if (o->ends++ > 0)
        return;
    o->first_consumed = o->consumed;
    o->first_body_bytes = o->body_bytes;
}

static void take_head(struct outcome *o, const struct http1_head *h, const char *buf)
{
    CHECK(h->header_count <= HTTP1_HEADERS_MAX);
    CHECK(h->target.len > 0 && h->target.len <= HTTP1_TARGET_BYTES_MAX);
    CHECK(!(h->chunked && h->has_content_length));
    CHECK(h->has_content_length || h->content_length == 0);
    check_slice(h->target, buf);
    check_slice(h->host, buf);
    add_digest(o, h->target.data, h->target.len);
    for (unsigned i = 0; i < h->header_count; i++) {
        check_slice(h->headers[i].name, buf);
        check_slice(h->headers[i].value, buf);
        CHECK(h->headers[i].name.len > 0);
        CHECK(h->headers[i].value.len == 0 || memchr(h->headers[i].value.data, '\n', h->headers[i].value.len) == NULL);
        add_digest(o, h->headers[i].name.data, h->headers[i].name.len);
        add_digest(o, h->headers[i].value.data, h->headers[i].value.len);
    }
    o->heads++;
}

static struct outcome run(const uint8_t *data, size_t size, size_t step)
{
    static struct http1_parser p;
    struct outcome o = {0};
    char *buf = malloc(HEAD_BYTES);
    CHECK(buf != NULL);
    http1_init(&p, buf, HEAD_BYTES);
    bool failed = false;
    for (size_t at = 0; at < size && !failed; at += step) {
        size_t n = size - at < step ? size - at : step, used = 0;
        enum http1_event ev;
        do {
            size_t consumed;
            struct bytes body = {0};
            ev = http1_feed(&p, data + at + used, n - used, &consumed, &body);
            CHECK(consumed <= n - used);
            used += consumed;
            o.consumed += consumed;
            if (ev == HTTP1_EV_HEAD)
                take_head(&o, &p.head, buf);
            if (ev == HTTP1_EV_BODY) {
                CHECK(body.len > 0 && (const uint8_t *)body.data >= data && body.len <= consumed);
                o.body_bytes += body.len;
                add_digest(&o, body.data, body.len);
            }
            if (ev == HTTP1_EV_END)
                take_end(&o);
            failed = ev == HTTP1_EV_ERROR;
        } while (ev != HTTP1_EV_MORE && !failed);
        CHECK(failed || used == n);
    }
    o.error = p.error;
    o.idle = http1_is_idle(&p);
    free(buf);
    return o;
}

/* Nothing of the first request is left in the reader when the next begins. */
static void check_pipelining(const struct outcome *whole, const uint8_t *data, size_t size)
{
    if (whole->ends == 0 || whole->first_consumed == size)
        return;
    struct outcome rest = run(data + whole->first_consumed, size - whole->first_consumed, size);
    CHECK(rest.heads == whole->heads - 1 && rest.ends == whole->ends - 1);
    CHECK(rest.body_bytes == whole->body_bytes - whole->first_body_bytes && rest.digest == whole->rest_digest);
    CHECK(rest.error == whole->error && rest.idle == whole->idle);
    CHECK(rest.consumed == whole->consumed - whole->first_consumed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct outcome whole = run(data + 1, size - 1, size);
    struct outcome pieces = run(data + 1, size - 1, 1 + data[0] % 32);
    CHECK(whole.heads == pieces.heads && whole.ends == pieces.ends);
    CHECK(whole.body_bytes == pieces.body_bytes && whole.digest == pieces.digest);
    CHECK((whole.error == HTTP1_ERR_NONE) == (pieces.error == HTTP1_ERR_NONE));
    CHECK(whole.idle == pieces.idle);
    check_pipelining(&whole, data + 1, size - 1);
    /* What llhttp reads otherwise than our line reader must have been refused by name before they are compared. */
    CHECK(whole.error != HTTP1_ERR_AMBIGUOUS);
    CHECK(whole.error != HTTP1_ERR_NONE || whole.consumed == size - 1);
    return 0;
}
