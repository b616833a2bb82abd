/* The in-memory client: request text, signature, exchange, answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

#include "hash.h"
#include "http_date.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (64u << 10)

struct text {
    char at[TEXT_BYTES_MAX];
    size_t len;
};

static void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(t->at + t->len, sizeof t->at - t->len, format, args);
    va_end(args);
    assert_true(len >= 0 && (size_t)len < sizeof t->at - t->len);
    t->len += (size_t)len;
}

/* ---- signing ---- */

static int pointer_strcmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sign_query(struct text *canonical, char *query)
{
    char *pieces[64];
    size_t count = 0;
    char *save = NULL;
    for (char *p = strtok_r(query, "&", &save); p != NULL; p = strtok_r(NULL, "&", &save)) {
        assert_true(count < 64);
        pieces[count++] = p;
    }
    qsort(pieces, count, sizeof pieces[0], pointer_strcmp);
    for (size_t i = 0; i < count; i++)
        text_add(canonical, "%s%s%s", i > 0 ? "&" : "", pieces[i], strchr(pieces[i], '=') != NULL ? "" : "=");
    text_add(canonical, "\n");
}

static int header_compare(const void *a, const void *b)
{
    return strcmp(((const struct client_header *)a)->name, ((const struct client_header *)b)->name);
}

static void sign_headers(struct text *canonical, struct text *names, const struct client_header *headers,
                         unsigned count)
{
    struct client_header sorted[CLIENT_HEADERS_MAX];
    memcpy(sorted, headers, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], header_compare);
    for (unsigned i = 0; i < count; i++) {
        text_add(canonical, "%s:%s", sorted[i].name, sorted[i].value);
        text_add(names, "%s%s", i > 0 ? ";" : "", sorted[i].name);
        for (; i + 1 < count && strcmp(sorted[i].name, sorted[i + 1].name) == 0; i++)
            text_add(canonical, ",%s", sorted[i + 1].value);
        text_add(canonical, "\n");
    }
}

static void sign(const struct client_call *call, const char *target, const struct client_header *headers,
                 unsigned count, const char *amz_date, const char *payload, struct text *names, char signature[65])
{
    static struct text canonical, to_sign;
    char path[TEXT_BYTES_MAX], hex[65];
    uint8_t key[32], next[32];
    const char *region = call->region != NULL ? call->region : "us-east-1";
    const char *secret = call->secret_key != NULL ? call->secret_key : CLIENT_SECRET_KEY;
    canonical.len = to_sign.len = names->len = 0;
    snprintf(path, sizeof path, "%s", target);
    char *query = strchr(path, '?');
    if (query != NULL)
        *query++ = '\0';
    text_add(&canonical, "%s\n%s\n", call->method, path);
    sign_query(&canonical, query != NULL ? query : path + strlen(path));
    sign_headers(&canonical, names, headers, count);
    text_add(&canonical, "\n%s\n%s", names->at, payload);
    struct sha256 digest = sha256_of(canonical.at, canonical.len);
    hex_encode(digest.b, 32, hex);
    text_add(&to_sign, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/s3/aws4_request\n%s", amz_date, amz_date, region, hex);
    int len = snprintf(path, sizeof path, "AWS4%s", secret);
    hmac_sha256(bytes_of(path, (size_t)len), bytes_of(amz_date, 8), key);
    hmac_sha256(bytes_of(key, 32), bytes_of(region, strlen(region)), next);
    hmac_sha256(bytes_of(next, 32), bytes_of("s3", 2), key);
    hmac_sha256(bytes_of(key, 32), bytes_of("aws4_request", 12), next);
    hmac_sha256(bytes_of(next, 32), bytes_of(to_sign.at, to_sign.len), key);
    hex_encode(key, 32, signature);
}

/* ---- request text ---- */

static void request_body(const struct client_call *call, struct text *out)
{
    size_t len = call->body == NULL ? 0 : call->body_len > 0 ? call->body_len : strlen(call->body);
    assert_true(len < sizeof out->at / 4);
    out->len = 0;
    for (size_t at = 0; call->http_chunked && at < len; at += 5) {
        size_t piece = len - at < 5 ? len - at : 5;
        text_add(out, "%zx\r\n%.*s\r\n", piece, (int)piece, call->body + at);
    }
    if (call->http_chunked) {
        text_add(out, "0\r\n\r\n");
        return;
    }
    if (len > 0)
        memcpy(out->at, call->body, len);
    out->len = len;
}

static void request_payload(const struct client_call *call, char payload[128])
{
    size_t len = call->body == NULL ? 0 : call->body_len > 0 ? call->body_len : strlen(call->body);
    struct sha256 digest = sha256_of(call->body != NULL ? call->body : "", len);
    hex_encode(digest.b, 32, payload);
    if (call->payload != NULL)
        snprintf(payload, 128, "%s", call->payload);
}

static void request_presign(const struct client_call *call, const char *amz_date, const struct client_header *headers,
                            unsigned count, char *target, size_t target_bytes)
{
    static struct text names;
    char signature[65];
    snprintf(target, target_bytes,
             "%s%cX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s%%2F%.8s%%2F%s%%2Fs3%%2Faws4_request"
             "&X-Amz-Date=%s&X-Amz-Expires=60&X-Amz-SignedHeaders=host",
             call->target, strchr(call->target, '?') != NULL ? '&' : '?',
             call->access_key != NULL ? call->access_key : CLIENT_ACCESS_KEY, amz_date,
             call->region != NULL ? call->region : "us-east-1", amz_date);
    sign(call, target, headers, count, amz_date, "UNSIGNED-PAYLOAD", &names, signature);
    assert_string_equal(names.at, "host");
    strncat(target, "&X-Amz-Signature=", target_bytes - strlen(target) - 1);
    strncat(target, signature, target_bytes - strlen(target) - 1);
}

static void request_text(const struct client_call *call, struct text *out, size_t *head_len)
{
    static struct text body, names;
    char amz_date[HTTP_DATE_TEXT_MAX], payload[128], signature[65], length[24], target[TEXT_BYTES_MAX];
    struct client_header headers[CLIENT_HEADERS_MAX];
    unsigned count = 0;
    request_body(call, &body);
    request_payload(call, payload);
    http_date_format_basic(clock_realtime_ns() / 1000000000 + call->time_offset_s, amz_date);
    snprintf(target, sizeof target, "%s", call->target);
    snprintf(length, sizeof length, "%zu", body.len);
    headers[count++] = (struct client_header){"host", call->host != NULL ? call->host : "localhost:9000"};
    if (call->auth == CLIENT_PRESIGNED) {
        request_presign(call, amz_date, headers, count, target, sizeof target);
    } else if (call->auth == CLIENT_SIGNED) {
        headers[count++] = (struct client_header){"x-amz-date", amz_date};
        if (!call->no_content_sha256)
            headers[count++] = (struct client_header){"x-amz-content-sha256", payload};
    }
    for (unsigned i = 0; i < CLIENT_HEADERS_MAX && call->headers[i].name != NULL; i++) {
        assert_true(count < CLIENT_HEADERS_MAX);
        headers[count++] = call->headers[i];
    }
    out->len = 0;
    text_add(out, "%s %s HTTP/1.1\r\n", call->method, target);
    for (unsigned i = 0; i < count; i++)
        text_add(out, "%s: %s\r\n", headers[i].name, headers[i].value);
    if (call->auth == CLIENT_SIGNED) {
        sign(call, target, headers, count, amz_date, payload, &names, signature);
        text_add(
            out,
            "authorization: AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/s3/aws4_request, SignedHeaders=%s, Signature=%s\r\n",
            call->access_key != NULL ? call->access_key : CLIENT_ACCESS_KEY, amz_date,
            call->region != NULL ? call->region : "us-east-1", names.at, signature);
    }
    if (call->http_chunked)
        text_add(out, "transfer-encoding: chunked\r\n");
    else if (call->body != NULL && !call->no_content_length)
        text_add(out, "content-length: %s\r\n", call->content_length != NULL ? call->content_length : length);
    text_add(out, "\r\n");
    *head_len = out->len;
    assert_true(out->len + body.len <= sizeof out->at);
    memcpy(out->at + out->len, body.at, body.len);
    out->len += call->body_sent_bytes > 0 && call->body_sent_bytes < body.len ? call->body_sent_bytes : body.len;
}

/* ---- exchange ---- */

struct memory_exchange {
    struct exchange x;
    struct http1_parser parser;
    const struct client_call *call;
    struct client_answer *answer;
    const char *input;
    size_t input_len;
    size_t at;
    bool ended;
    char *piece; /* handed out; fresh each time */
    uint64_t left;
};

static enum dol_err memory_body_read(struct exchange *x, struct bytes *out)
{
    struct memory_exchange *m = (struct memory_exchange *)(void *)x;
    free(m->piece);
    m->piece = NULL;
    *out = bytes_of(NULL, 0);
    while (!m->ended) {
        size_t limit = m->call->piece_bytes > 0 ? m->call->piece_bytes : m->input_len;
        size_t len = m->input_len - m->at < limit ? m->input_len - m->at : limit;
        size_t consumed = 0;
        struct bytes span;
        enum http1_event ev = http1_feed(&m->parser, m->input + m->at, len, &consumed, &span);
        m->at += consumed;
        if (ev == HTTP1_EV_ERROR)
            return DOL_ESYNTAX;
        if (ev == HTTP1_EV_END) {
            m->ended = true;
        } else if (ev == HTTP1_EV_BODY && span.len > 0) {
            m->piece = malloc(span.len);
            memcpy(m->piece, span.data, span.len);
            *out = bytes_of(m->piece, span.len);
            return DOL_OK;
        } else if (ev == HTTP1_EV_MORE && m->at == m->input_len) {
            return DOL_ELENGTH;
        }
    }
    return DOL_OK;
}

static enum dol_err memory_begin(struct exchange *x, unsigned status, const struct exchange_header *headers,
                                 unsigned header_count, uint64_t content_length)
{
    struct memory_exchange *m = (struct memory_exchange *)(void *)x;
    struct client_answer *a = m->answer;
    assert_false(x->response_begun);
    x->response_begun = true;
    /* as the server does */
    if (!x->request->keep_alive)
        x->must_close = true;
    x->status = a->status = status;
    a->content_length = content_length;
    m->left = content_length == UINT64_MAX || x->request->method == HTTP1_METHOD_HEAD ? 0 : content_length;
    assert_true(header_count <= sizeof a->headers / sizeof a->headers[0]);
    for (unsigned i = 0; i < header_count; i++) {
        assert_null(strpbrk(headers[i].name, "\r\n: "));
        assert_null(strpbrk(headers[i].value, "\r\n"));
        a->headers[a->header_count++] = (struct client_header){strdup(headers[i].name), strdup(headers[i].value)};
    }
    return DOL_OK;
}

static enum dol_err memory_write(struct exchange *x, const void *data, size_t len)
{
    struct memory_exchange *m = (struct memory_exchange *)(void *)x;
    struct client_answer *a = m->answer;
    assert_true(x->response_begun);
    assert_true(len <= m->left);
    if (m->call->write_fails_after_bytes > 0 && a->body_len + len > m->call->write_fails_after_bytes)
        return DOL_EPEER;
    a->body = realloc(a->body, a->body_len + len + 1);
    memcpy(a->body + a->body_len, data, len);
    a->body_len += len;
    a->body[a->body_len] = '\0';
    m->left -= len;
    x->bytes_out += len;
    return DOL_OK;
}

static const struct exchange_ops memory_ops = {memory_body_read, memory_begin, memory_write};

static void answer_clear(struct client_answer *a)
{
    for (unsigned i = 0; i < a->header_count; i++) {
        free((void *)(uintptr_t)a->headers[i].name);
        free((void *)(uintptr_t)a->headers[i].value);
    }
    free(a->body);
    memset(a, 0, sizeof *a);
}

unsigned client_call(struct client *c, const struct client_call *call)
{
    static struct text request;
    static char head[HTTP1_HEAD_BYTES_MAX];
    struct memory_exchange m = {.x = {.magic = EXCHANGE_MAGIC, .ops = &memory_ops, .peer = "127.0.0.1:1"}};
    struct arena arena;
    size_t head_len, consumed;
    struct bytes span;
    answer_clear(&c->answer);
    request_text(call, &request, &head_len);
    http1_init(&m.parser, head, sizeof head);
    enum http1_event ev = http1_feed(&m.parser, request.at, head_len, &consumed, &span);
    if (ev != HTTP1_EV_HEAD)
        fail_msg("not a request: %s\n%s", http1_error_text(m.parser.error), request.at);
    arena_init(&arena, call->arena_bytes > 0 ? call->arena_bytes : 4u << 20);
    m.x.request = &m.parser.head;
    m.x.arena = &arena;
    snprintf(m.x.request_id, sizeof m.x.request_id, "0123456789ABCDEF");
    m.call = call;
    m.answer = &c->answer;
    m.input = request.at;
    m.input_len = request.len;
    m.at = consumed;
    s3_handle(c->s3, &m.x);
    assert_true(m.x.response_begun || m.x.must_close);
    assert_true(m.left == 0 || m.x.must_close);
    c->answer.cut = !m.x.response_begun || m.left > 0;
    snprintf(c->answer.operation, sizeof c->answer.operation, "%s", m.x.operation != NULL ? m.x.operation : "");
    snprintf(c->answer.error_code, sizeof c->answer.error_code, "%s", m.x.error_code != NULL ? m.x.error_code : "");
    snprintf(c->answer.user, sizeof c->answer.user, "%s", m.x.user != NULL ? m.x.user : "");
    free(m.piece);
    arena_fini(&arena);
    assert_int_equal(fake_store_open_handles(c->store), 0);
    return c->answer.status;
}

unsigned client_do(struct client *c, const char *method, const char *target, const char *body)
{
    return client_call(c, &(struct client_call){.method = method, .target = target, .body = body});
}

const char *client_header(const struct client *c, const char *name)
{
    for (unsigned i = 0; i < c->answer.header_count; i++)
        if (strcasecmp(c->answer.headers[i].name, name) == 0)
            return c->answer.headers[i].value;
    return NULL;
}

const char *client_element(struct client *c, const char *name)
{
    static char value[TEXT_BYTES_MAX];
    char open[128], close[128];
    snprintf(open, sizeof open, "<%s", name);
    snprintf(close, sizeof close, "</%s>", name);
    for (const char *at = c->answer.body; at != NULL && (at = strstr(at, open)) != NULL; at++) {
        const char *end = at + strlen(open);
        if (*end == '/')
            return "";
        if (*end != '>' && *end != ' ')
            continue;
        const char *from = strchr(end, '>');
        const char *to = from != NULL ? strstr(from, close) : NULL;
        assert_non_null(to);
        snprintf(value, sizeof value, "%.*s", (int)(to - from - 1), from + 1);
        return value;
    }
    return NULL;
}

unsigned client_count(const struct client *c, const char *text)
{
    unsigned count = 0;
    for (const char *at = c->answer.body; at != NULL && (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

void client_expect_at(struct client *c, const struct client_call *call, unsigned status, const char *code,
                      const char *file, int line)
{
    unsigned got = client_call(c, call);
    const char *got_code = c->answer.error_code;
    if (got != status || strcmp(got_code, code) != 0) {
        print_error("%s:%d: %s %s gave %u %s, not %u %s\n%s\n", file, line, call->method, call->target, got, got_code,
                    status, code, c->answer.body != NULL ? c->answer.body : "");
        fail();
    }
    if (status < 300 || code[0] == '\0')
        return;
    if (strcmp(call->method, "HEAD") == 0)
        assert_int_equal(c->answer.body_len, 0);
    else
        assert_string_equal(client_element(c, "Code"), code);
}

/* ---- setting up ---- */

void client_init(struct client *c, const char *region, const char *domain)
{
    char path[] = "/tmp/test_s3_credentials_XXXXXX";
    memset(c, 0, sizeof *c);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "access_key=" CLIENT_ACCESS_KEY "\nsecret_key=" CLIENT_SECRET_KEY "\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(iam_open(path, &c->iam), DOL_OK);
    unlink(path);
    c->store = fake_store_new();
    struct s3_config config = {c->store, c->iam, region != NULL ? region : "us-east-1", domain, 86400};
    assert_int_equal(s3_new(&config, &c->s3), DOL_OK);
}

void client_fini(struct client *c)
{
    answer_clear(&c->answer);
    s3_free(c->s3);
    iam_close(c->iam);
    fake_store_free(c->store);
}
