/*
 * Fuzz target: the input is what a client sends on one connection. Each request runs twice: as it came (so mostly
 * refused by authentication), and with a signature that is right for whatever its head says, so that everything behind
 * authentication is reached.
 *
 * Held against every answer: there is exactly one, or the connection is cut; its body is as long as announced, or the
 * connection is cut; no header value carries CR, LF or NUL. The fake store asserts that ranges lie within objects and
 * that no handle leaks.
 */
#include "fake_store.h"
#include "s3.h"

#include "dol_assert.h"
#include "hash.h"
#include "http_date.h"
#include "sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUESTS_MAX 8u
#define ACCESS_KEY   "AKIDEXAMPLE"
#define SECRET_KEY   "secret"
#define REGION       "us-east-1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_exchange {
    struct exchange x;
    struct http1_parser *parser;
    const uint8_t *data;
    size_t len;
    size_t at;
    bool ended;
    uint64_t left;
};

static enum dol_err fuzz_body_read(struct exchange *x, struct bytes *out)
{
    struct fuzz_exchange *f = (struct fuzz_exchange *)(void *)x;
    *out = bytes_of(NULL, 0);
    while (!f->ended) {
        size_t consumed = 0;
        struct bytes span;
        enum http1_event ev = http1_feed(f->parser, f->data + f->at, f->len - f->at, &consumed, &span);
        f->at += consumed;
        if (ev == HTTP1_EV_ERROR)
            return DOL_ESYNTAX;
        if (ev == HTTP1_EV_MORE && f->at == f->len)
            return DOL_ELENGTH;
        f->ended = ev == HTTP1_EV_END;
        if (ev == HTTP1_EV_BODY && span.len > 0) {
            *out = span;
            break;
        }
    }
    return DOL_OK;
}

static enum dol_err fuzz_begin(struct exchange *x, unsigned status, const struct exchange_header *headers,
                               unsigned count, uint64_t content_length)
{
    struct fuzz_exchange *f = (struct fuzz_exchange *)(void *)x;
    dol_assert(!x->response_begun && status >= 200 && status < 600);
    x->response_begun = true;
    x->status = status;
    f->left = content_length == UINT64_MAX || x->request->method == HTTP1_METHOD_HEAD ? 0 : content_length;
    for (unsigned i = 0; i < count; i++)
        dol_assert(strpbrk(headers[i].name, "\r\n: ") == NULL && strpbrk(headers[i].value, "\r\n") == NULL);
    return DOL_OK;
}

static enum dol_err fuzz_write(struct exchange *x, const void *data, size_t len)
{
    struct fuzz_exchange *f = (struct fuzz_exchange *)(void *)x;
    (void)data;
    dol_assert(x->response_begun && len <= f->left);
    f->left -= len;
    return DOL_OK;
}

static const struct exchange_ops fuzz_ops = {fuzz_body_read, fuzz_begin, fuzz_write};

static struct iam *open_iam(void)
{
    static struct iam *iam;
    static const char text[] = "access_key=" ACCESS_KEY "\nsecret_key=" SECRET_KEY "\n";
    char path[] = "/tmp/fuzz_request_XXXXXX";
    if (iam != NULL)
        return iam;
    int fd = mkstemp(path);
    dol_assert(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1));
    close(fd);
    enum dol_err err = iam_open(path, &iam);
    dol_assert(err == DOL_OK);
    unlink(path);
    return iam;
}

/* ---- signing whatever came ---- */

static bool add_header(struct http1_head *head, const char *name, const char *value)
{
    if (http1_header(head, name) != NULL || head->header_count == HTTP1_HEADERS_MAX)
        return http1_header(head, name) != NULL;
    head->headers[head->header_count++] =
        (struct wire_header){bytes_of(name, strlen(name)), bytes_of(value, strlen(value))};
    return true;
}

/* "host;x-amz-date;...": every name once. */
static char *signed_names(const struct http1_head *head, struct arena *a)
{
    size_t len = 0;
    char *names = arena_alloc(a, HTTP1_HEAD_BYTES_MAX + HTTP1_HEADERS_MAX);
    for (unsigned i = 0; i < head->header_count; i++) {
        struct bytes name = head->headers[i].name;
        bool seen = false;
        for (unsigned j = 0; j < i && !seen; j++)
            seen = bytes_equal(head->headers[j].name, name);
        if (seen)
            continue;
        if (len > 0)
            names[len++] = ';';
        memcpy(names + len, name.data, name.len);
        len += name.len;
    }
    return names;
}

/* false: no signature could be right for it. */
static bool sign(struct http1_head *head, struct arena *a)
{
    char date[HTTP_DATE_TEXT_MAX], hex[65];
    struct sigv4_signing_key key;
    struct sigv4_auth auth;
    struct uri_query query;
    struct bytes path, raw_query;
    uint8_t mac[32];
    http_date_format_basic(clock_realtime_ns() / 1000000000, date);
    if (http1_header(head, "authorization") != NULL || http1_header(head, "x-amz-date") != NULL ||
        !add_header(head, "x-amz-content-sha256", "UNSIGNED-PAYLOAD") ||
        !add_header(head, "x-amz-date", arena_strndup(a, date, 16)))
        return false;
    const char *names = signed_names(head, a);
    const char *format =
        "AWS4-HMAC-SHA256 Credential=" ACCESS_KEY "/%.8s/" REGION "/s3/aws4_request, SignedHeaders=%s, Signature=%s";
    if (!add_header(head, "authorization", arena_printf(a, format, date, names, "")))
        return false;
    uri_split(head->target, &path, &raw_query);
    if (uri_query_parse(raw_query, a, &query) != DOL_OK)
        return false;
    struct sigv4_request req = {head->method_name, path, &query, head->headers, head->header_count};
    if (sigv4_parse(&req, &auth) != SIGV4_OK)
        return false;
    sigv4_derive_key(bytes_of(SECRET_KEY, strlen(SECRET_KEY)), auth.date, auth.region, auth.service, &key);
    if (sigv4_verify(&req, &auth, &key, a) == SIGV4_NO_MEMORY || auth.string_to_sign.data == NULL)
        return false;
    hmac_sha256(bytes_of(key.b, sizeof key.b), auth.string_to_sign, mac);
    hex_encode(mac, sizeof mac, hex);
    const char *value = arena_printf(a, format, date, names, hex);
    head->headers[head->header_count - 1].value = bytes_of(value, strlen(value));
    return true;
}

/* ---- running ---- */

enum fuzz_way { FUZZ_AS_IT_CAME, FUZZ_SIGNED };

/* Bytes consumed; 0: nothing more can be read from this connection. */
static size_t run_one(struct s3 *s3, const uint8_t *data, size_t size, enum fuzz_way way)
{
    static char buf[HTTP1_HEAD_BYTES_MAX];
    struct http1_parser parser;
    struct arena arena;
    struct bytes span;
    size_t consumed = 0;
    http1_init(&parser, buf, sizeof buf);
    if (http1_feed(&parser, data, size, &consumed, &span) != HTTP1_EV_HEAD)
        return 0;
    arena_init(&arena, 4u << 20);
    bool runs = way == FUZZ_AS_IT_CAME || sign(&parser.head, &arena);
    struct fuzz_exchange f = {
        .x = {.magic = EXCHANGE_MAGIC,
              .ops = &fuzz_ops,
              .request = &parser.head,
              .arena = &arena,
              .peer = "127.0.0.1:1"},
        .parser = &parser,
        .data = data,
        .len = size,
        .at = consumed,
    };
    if (runs) {
        s3_handle(s3, &f.x);
        dol_assert(f.x.response_begun || f.x.must_close);
        dol_assert(f.left == 0 || f.x.must_close);
    }
    struct bytes rest;
    while (!f.ended && fuzz_body_read(&f.x, &rest) == DOL_OK)
        ;
    bool goes_on = f.ended && !f.x.must_close;
    arena_fini(&arena);
    return goes_on ? f.at : 0;
}

static void put_object(struct store *store, const char *key)
{
    struct put *put;
    struct put_result result;
    struct bytes bucket = bytes_of("bucket", 6);
    struct put_request req = {.bucket = bucket, .key = bytes_of(key, strlen(key)), .owner = bucket};
    struct put_finish fin = {.expected_size = UINT64_MAX};
    enum dol_err err = store_put_begin(store, &req, &put);
    dol_assert(err == DOL_OK);
    err = store_put_write(put, "0123456789", 10);
    dol_assert(err == DOL_OK);
    err = store_put_finish(put, &fin, &result);
    dol_assert(err == DOL_OK);
}

/* Its id is always ab000000000000000000000000000000; part 1 is there. */
static void begin_upload(struct store *store)
{
    struct put *put;
    struct part_info part;
    struct bytes bucket = bytes_of("bucket", 6);
    struct put_request req = {.bucket = bucket, .key = bytes_of("key", 3), .owner = bucket};
    struct put_finish fin = {.expected_size = UINT64_MAX, .checksum = {CHECKSUM_CRC32, CHECKSUM_FULL_OBJECT, 4, {0}}};
    struct upload_ref ref = {.bucket = bucket, .key = req.key};
    enum dol_err err = store_upload_create(store, &req, CHECKSUM_CRC32, CHECKSUM_FULL_OBJECT, &ref.id);
    dol_assert(err == DOL_OK && ref.id.b[0] == 0xab);
    err = store_part_begin(store, &ref, 1, UINT64_MAX, &put);
    dol_assert(err == DOL_OK);
    err = store_put_write(put, "hello", 5);
    dol_assert(err == DOL_OK);
    err = store_part_finish(put, &fin, &part);
    dol_assert(err == DOL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3 *s3;
    struct bucket_info bucket;
    struct store *store = fake_store_new();
    struct s3_config config = {store, open_iam(), REGION, "example.org", 86400};
    struct bucket_create create = {
        .name = bytes_of("bucket", 6), .owner = bytes_of("owner", 5), .region = bytes_of(REGION, strlen(REGION))};
    enum dol_err err = store_bucket_create(store, &create, &bucket);
    dol_assert(err == DOL_OK);
    put_object(store, "key");
    put_object(store, "a/b");
    begin_upload(store);
    err = s3_new(&config, &s3);
    dol_assert(err == DOL_OK);
    for (enum fuzz_way way = FUZZ_AS_IT_CAME; way <= FUZZ_SIGNED; way++) {
        size_t at = 0;
        for (unsigned i = 0; i < REQUESTS_MAX && at < size; i++) {
            size_t used = run_one(s3, data + at, size - at, way);
            if (used == 0)
                break;
            at += used;
        }
    }
    s3_free(s3);
    fake_store_free(store);
    return 0;
}
