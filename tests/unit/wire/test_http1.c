/* The HTTP/1.1 reader: what it takes, what it refuses and as what, at every way of cutting the input. */
#include "http1.h"
#include "wire_test.h"

#define GET_HEAD "GET /bucket/key?versions HTTP/1.1\r\nHost: s3.example\r\n"

struct run {
    struct http1_parser parser;
    char head[HTTP1_HEAD_BYTES_MAX];
    char body[4096];
    size_t body_len;
    unsigned heads;
    unsigned ends;
    bool failed;
};

/* Feeds `input` in pieces of `step` bytes; stops at the first error. */
static void run(struct run *r, const char *input, size_t len, size_t step)
{
    http1_init(&r->parser, r->head, sizeof r->head);
    r->body_len = 0;
    r->heads = r->ends = 0;
    r->failed = false;
    for (size_t at = 0; at < len && !r->failed;) {
        size_t n = len - at < step ? len - at : step;
        char *piece = exact_copy(input + at, n);
        size_t used = 0;
        enum http1_event ev;
        do {
            size_t consumed;
            struct bytes body;
            ev = http1_feed(&r->parser, piece + used, n - used, &consumed, &body);
            assert_true(consumed <= n - used);
            used += consumed;
            r->heads += ev == HTTP1_EV_HEAD;
            r->ends += ev == HTTP1_EV_END;
            r->failed = ev == HTTP1_EV_ERROR;
            if (ev == HTTP1_EV_BODY) {
                assert_true(body.len > 0 && r->body_len + body.len <= sizeof r->body);
                memcpy(r->body + r->body_len, body.data, body.len);
                r->body_len += body.len;
            }
        } while (ev != HTTP1_EV_MORE && ev != HTTP1_EV_ERROR);
        if (ev == HTTP1_EV_MORE)
            assert_int_equal(used, n);
        free(piece);
        at += n;
    }
}

static const size_t steps[] = {1, 2, 3, 7, 64, 1u << 20};

/* One request, fed in every step size, is refused for `error`. */
static void refused(const char *input, size_t len, enum http1_error error)
{
    static struct run r;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        run(&r, input, len, steps[i]);
        assert_true(r.failed);
        assert_int_equal(r.parser.error, error);
        size_t consumed;
        struct bytes body;
        assert_int_equal(http1_feed(&r.parser, "G", 1, &consumed, &body), HTTP1_EV_ERROR);
    }
}

/* For literals, which may contain NUL. */
#define REFUSED(literal, error) refused(literal, sizeof(literal) - 1, error)

/* Its header lines, each with CR LF, are refused after a good request line and Host. */
static void refused_headers(const char *lines, enum http1_error error)
{
    char input[2048];
    int n = snprintf(input, sizeof input, GET_HEAD "%s\r\n", lines);
    refused(input, (size_t)n, error);
}

static void accepted(const char *input, unsigned requests, const char *body)
{
    static struct run r;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        run(&r, input, strlen(input), steps[i]);
        if (r.failed)
            fail_msg("refused: %s", http1_error_text(r.parser.error));
        assert_int_equal(r.heads, requests);
        assert_int_equal(r.ends, requests);
        assert_bytes(bytes_of(r.body, r.body_len), body);
        assert_true(http1_is_idle(&r.parser));
    }
}

static void test_head_fields(void **state)
{
    (void)state;
    static struct run r;
    const char *input = "PUT /b/k%20x?a=b HTTP/1.1\r\nHost: s3.example:9000\r\nX-Amz-Meta-Name:  some value\t \r\n"
                        "Content-Length: 3\r\nExpect: 100-Continue\r\nempty:\r\n\r\nabcGET";
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        run(&r, input, strlen(input) - 3, steps[i]);
        const struct http1_head *h = &r.parser.head;
        assert_false(r.failed);
        assert_int_equal(h->method, HTTP1_METHOD_PUT);
        assert_bytes(h->method_name, "PUT");
        assert_bytes(h->target, "/b/k%20x?a=b");
        assert_bytes(h->host, "s3.example:9000");
        assert_int_equal(h->minor_version, 1);
        assert_int_equal(h->header_count, 5);
        assert_bytes(h->headers[1].name, "x-amz-meta-name");
        assert_bytes(h->headers[1].value, "some value");
        assert_bytes(*http1_header(h, "empty"), "");
        assert_null(http1_header(h, "X-Amz-Meta-Name"));
        assert_null(http1_header(h, "absent"));
        assert_true(h->keep_alive && h->expect_continue && h->has_content_length && !h->chunked);
        assert_int_equal(h->content_length, 3);
        assert_bytes(bytes_of(r.body, r.body_len), "abc");
    }
}

/* Bytes of the next request are not consumed by the one before. */
static void test_pipelining(void **state)
{
    (void)state;
    struct http1_parser p;
    static char buf[HTTP1_HEAD_BYTES_MAX];
    const char *two = GET_HEAD "\r\nPUT /second HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    size_t consumed, first = strlen(GET_HEAD "\r\n");
    struct bytes body;
    http1_init(&p, buf, sizeof buf);
    assert_true(http1_is_idle(&p));
    assert_int_equal(http1_feed(&p, two, strlen(two), &consumed, &body), HTTP1_EV_HEAD);
    assert_int_equal(consumed, first);
    assert_false(http1_is_idle(&p));
    assert_int_equal(http1_feed(&p, two + first, strlen(two) - first, &consumed, &body), HTTP1_EV_END);
    assert_int_equal(consumed, 0);
    assert_true(http1_is_idle(&p));
    assert_bytes(p.head.target, "/bucket/key?versions"); /* still valid */
    assert_int_equal(http1_feed(&p, two + first, strlen(two) - first, &consumed, &body), HTTP1_EV_HEAD);
    assert_bytes(p.head.target, "/second");
    assert_int_equal(p.head.header_count, 2);
    assert_int_equal(http1_feed(&p, "hi", 2, &consumed, &body), HTTP1_EV_BODY);
    assert_int_equal(http1_feed(&p, NULL, 0, &consumed, &body), HTTP1_EV_END);
    assert_int_equal(http1_feed(&p, NULL, 0, &consumed, &body), HTTP1_EV_MORE);
}

static void test_accepted(void **state)
{
    (void)state;
    accepted(GET_HEAD "\r\n", 1, "");
    accepted(GET_HEAD "\r\n" GET_HEAD "\r\n" GET_HEAD "\r\n", 3, "");
    accepted("\r\n\r\n" GET_HEAD "\r\n", 1, "");
    accepted(GET_HEAD "\r\n\r\n\r\n" GET_HEAD "\r\n", 2, "");
    accepted("GET / HTTP/1.0\r\n\r\n", 1, "");
    accepted("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 1, "");
    accepted("GET / HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n", 1, "");
    accepted("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 1, "");
    accepted("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length:  005\r\n\r\nhello", 1, "hello");
    accepted("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 1, "");
    accepted(
        "PUT / HTTP/1.1\r\nHost: h\r\ntransfer-encoding:chunked\r\n\r\n5\r\nhello\r\n00A;x=\"y z\"\r\n0123456789\r\n"
        "0000\r\nX-Trailer: v\r\n\r\n" GET_HEAD "\r\n",
        2, "hello0123456789");
    accepted("GET / HTTP/1.1\r\nHost: h\r\nX-Meta: caf\xc3\xa9\r\n\r\n", 1, "");
    accepted("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 1, "");
}

/* Every visible character but '#' may stand in a target, and llhttp sees it the same way. */
static void test_target_characters(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char input[64];
        snprintf(input, sizeof input, "GET /a%cb?c%cd HTTP/1.1\r\nHost: h\r\n\r\n", c, c);
        if (c > 0x20 && c < 0x7f && c != '#')
            accepted(input, 1, "");
        else if (c == '\r' || c == '\n')
            refused(input, strlen(input), HTTP1_ERR_LINE_ENDING);
        else
            refused(input, strlen(input), c == ' ' ? HTTP1_ERR_REQUEST_LINE : HTTP1_ERR_TARGET);
    }
}

/* llhttp must agree about every name and value character, too. */
static void test_header_characters(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char input[64];
        snprintf(input, sizeof input, "GET / HTTP/1.1\r\nHost: h\r\nx: a%cb\r\n\r\n", c);
        if (c == '\t' || (c >= 0x20 && c != 0x7f))
            accepted(input, 1, "");
        else if (c == '\r' || c == '\n')
            refused(input, strlen(input), HTTP1_ERR_LINE_ENDING);
        else
            refused(input, strlen(input), HTTP1_ERR_HEADER_VALUE);

        snprintf(input, sizeof input, "GET / HTTP/1.1\r\nHost: h\r\na%cb: v\r\n\r\n", c);
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80);
        if (alnum || strchr("!#$%&'*+-.^_`|~:", c) != NULL)
            accepted(input, 1, "");
        else
            refused(input, strlen(input), c == '\r' || c == '\n' ? HTTP1_ERR_LINE_ENDING : HTTP1_ERR_HEADER_NAME);
    }
}

static void test_connection(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        const char *connection;
        bool keep_alive;
    } cases[] = {
        {"1.1", "", true},
        {"1.1", "Connection: close\r\n", false},
        {"1.1", "Connection: keep-alive\r\n", true},
        {"1.1", "Connection: x , CLOSE\r\n", false},
        {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
        {"1.1", "Connection: closed\r\n", true},
        {"1.0", "", false},
        {"1.0", "Connection: Keep-Alive\r\n", true},
        {"1.0", "Connection: keep-alive, close\r\n", false},
    };
    static struct run r;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char input[256];
        snprintf(input, sizeof input, "GET / HTTP/%s\r\nHost: h\r\n%s\r\n", cases[i].version, cases[i].connection);
        run(&r, input, strlen(input), 1000);
        assert_false(r.failed);
        assert_int_equal(r.parser.head.keep_alive, cases[i].keep_alive);
    }
}

static void test_request_line_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum http1_error error;
    } cases[] = {
        {"GET /", HTTP1_ERR_VERSION}, /* HTTP/0.9 */
        {"PRI * HTTP/2.0", HTTP1_ERR_VERSION},
        {"GET / HTTP/1.2", HTTP1_ERR_VERSION},
        {"GET / HTTP/0.9", HTTP1_ERR_VERSION},
        {"GET / HTTP/1.10", HTTP1_ERR_REQUEST_LINE},
        {"GET / http/1.1", HTTP1_ERR_REQUEST_LINE},
        {"GET / HTTP/1.1 ", HTTP1_ERR_REQUEST_LINE},
        {"GET  / HTTP/1.1", HTTP1_ERR_REQUEST_LINE},
        {"GET /  HTTP/1.1", HTTP1_ERR_REQUEST_LINE},
        {"GET\t/ HTTP/1.1", HTTP1_ERR_REQUEST_LINE},
        {"GET /\tHTTP/1.1", HTTP1_ERR_VERSION},
        {"G(T / HTTP/1.1", HTTP1_ERR_REQUEST_LINE},
        {"get / HTTP/1.1", HTTP1_ERR_REQUEST_LINE},
        {"GEt / HTTP/1.1", HTTP1_ERR_METHOD},
        {"PATCH / HTTP/1.1", HTTP1_ERR_METHOD},
        {"CONNECT h:443 HTTP/1.1", HTTP1_ERR_METHOD},
        {"GET", HTTP1_ERR_REQUEST_LINE},
        {"GET /a#b HTTP/1.1", HTTP1_ERR_TARGET},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char input[256];
        int n = snprintf(input, sizeof input, "%s\r\nHost: h\r\n\r\n", cases[i].line);
        refused(input, (size_t)n, cases[i].error);
    }
    REFUSED("\x16\x03\x01\x02", HTTP1_ERR_REQUEST_LINE); /* a TLS hello */
    REFUSED("\r\n\r\n\r\n", HTTP1_ERR_REQUEST_LINE);
    REFUSED("\n", HTTP1_ERR_LINE_ENDING);
    REFUSED("GET / HTTP/1.1\nHost: h\n\n", HTTP1_ERR_LINE_ENDING);
}

static void test_absolute_form(void **state)
{
    (void)state;
    static struct run r;
    const char *good = "GET http://S3.example:80/b/k?x HTTP/1.1\r\nHost: s3.Example:80\r\n\r\n";
    run(&r, good, strlen(good), 1000);
    assert_false(r.failed);
    assert_bytes(r.parser.head.target, "/b/k?x");
    REFUSED("GET http://h/b HTTP/1.1\r\nHost: hh\r\n\r\n", HTTP1_ERR_HOST);
    static const struct {
        const char *target;
        enum http1_error error;
    } cases[] = {
        {"http://other/b", HTTP1_ERR_HOST},
        {"https://h.evil/", HTTP1_ERR_HOST},
        {"http:///b", HTTP1_ERR_HOST},
        {"http://h", HTTP1_ERR_TARGET},
        {"ftp://h/b", HTTP1_ERR_TARGET},
        {"b/k", HTTP1_ERR_TARGET},
        {"*", HTTP1_ERR_TARGET},
        {"http://h?x/", HTTP1_ERR_HOST},
        {"http://u@h/b", HTTP1_ERR_HOST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char input[256];
        int n = snprintf(input, sizeof input, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].target);
        refused(input, (size_t)n, cases[i].error);
    }
}

static void test_header_refusals(void **state)
{
    (void)state;
    refused_headers("Name : v\r\n", HTTP1_ERR_HEADER_NAME);
    refused_headers("Name\t: v\r\n", HTTP1_ERR_HEADER_NAME);
    refused_headers(": v\r\n", HTTP1_ERR_HEADER_NAME);
    refused_headers("name\r\n", HTTP1_ERR_HEADER_NAME);
    refused_headers("a: b\r\n folded\r\n", HTTP1_ERR_OBS_FOLD);
    refused_headers("a: b\r\n\tfolded\r\n", HTTP1_ERR_OBS_FOLD);
    refused_headers("a: b\rc: d\r\n", HTTP1_ERR_LINE_ENDING);
    refused_headers("a: b\nc: d\r\n", HTTP1_ERR_LINE_ENDING);
    refused_headers("a: b\r\r\n", HTTP1_ERR_LINE_ENDING);
    REFUSED("GET / HTTP/1.1\r\n folded: x\r\nHost: h\r\n\r\n", HTTP1_ERR_OBS_FOLD);
    REFUSED("GET / HTTP/1.1\r\nHost: h\r\na: \0\r\n\r\n", HTTP1_ERR_HEADER_VALUE);
    REFUSED("GET / HTTP/1.1\r\nHost: h\r\na\0: b\r\n\r\n", HTTP1_ERR_HEADER_NAME);
    REFUSED("GET / HTTP/1.1\r\nHost: h\r\n\n", HTTP1_ERR_LINE_ENDING);
}

static void test_framing_refusals(void **state)
{
    (void)state;
    static const char *const lengths[] = {
        "+5", "5 ", "5\t", "-1", "5 5", "5,5", "0x5", "", "5a", "18446744073709551616", "1e3", "٥"};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "Content-Length: %s\r\n", lengths[i]);
        refused_headers(line, HTTP1_ERR_CONTENT_LENGTH);
    }
    refused_headers("Content-Length: 5\r\nContent-Length: 5\r\n", HTTP1_ERR_CONTENT_LENGTH);
    refused_headers("Content-Length: 5\r\ncontent-length: 6\r\n", HTTP1_ERR_CONTENT_LENGTH);
    refused_headers("Content-Length: 18446744073709551615\r\n", HTTP1_ERR_CONTENT_LENGTH);
    refused_headers("Content-Length: 1125899906842625\r\n", HTTP1_ERR_BODY_TOO_LARGE);
    refused_headers("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HTTP1_ERR_FRAMING);
    refused_headers("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", HTTP1_ERR_FRAMING);
    refused_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HTTP1_ERR_FRAMING);
    REFUSED("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_ERR_FRAMING);
    static const char *const codings[] = {
        "gzip, chunked", "chunked, identity", "identity",  "xchunked",  "chunked,", "\"chunked\"",
        "chunked;q=1",   "chunked ",          "chunked\t", "chunked x", ""};
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "Transfer-Encoding: %s\r\n", codings[i]);
        refused_headers(line, HTTP1_ERR_TRANSFER_ENCODING);
    }
    refused_headers("Transfer-Encoding: \x0b"
                    "chunked\r\n",
                    HTTP1_ERR_HEADER_VALUE);
    refused_headers("Expect: 200-ok\r\n", HTTP1_ERR_EXPECTATION);
    refused_headers("Host: s3.example\r\n", HTTP1_ERR_HOST);
    REFUSED("GET / HTTP/1.1\r\n\r\n", HTTP1_ERR_HOST);
    REFUSED("GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP1_ERR_HOST);
    REFUSED("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HTTP1_ERR_HOST);
    REFUSED("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HTTP1_ERR_HOST);
    REFUSED("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", HTTP1_ERR_HOST);
}

static void test_chunk_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum http1_error error;
    } cases[] = {
        {"\r\n", HTTP1_ERR_CHUNK},
        {"x\r\n", HTTP1_ERR_CHUNK},
        {"0x5\r\nhello\r\n", HTTP1_ERR_CHUNK},
        {"-1\r\n", HTTP1_ERR_CHUNK},
        {"+1\r\n", HTTP1_ERR_CHUNK},
        {" 5\r\n", HTTP1_ERR_CHUNK},
        {"5 \r\nhello\r\n", HTTP1_ERR_CHUNK},
        {"5\nhello\r\n", HTTP1_ERR_CHUNK},
        {"5\r\nhello\n0\r\n\r\n", HTTP1_ERR_CHUNK},
        {"5\r\nhelloX", HTTP1_ERR_CHUNK},
        {"5\r\nhello0\r\n\r\n", HTTP1_ERR_CHUNK},
        {"5;a=\rb\r\n", HTTP1_ERR_CHUNK},
        {"00000000000000005\r\n", HTTP1_ERR_CHUNK}, /* 17 digits */
        {"ffffffffffffffff\r\n", HTTP1_ERR_BODY_TOO_LARGE},
        {"4000000000001\r\n", HTTP1_ERR_BODY_TOO_LARGE},
        {"1\r\na\r\n4000000000000\r\n", HTTP1_ERR_BODY_TOO_LARGE},
        {"0\r\nno colon\r\n", HTTP1_ERR_TRAILER},
        {"0\r\nnocolon\r\n", HTTP1_ERR_TRAILER},
        {"0\r\n: v\r\n", HTTP1_ERR_TRAILER},
        {"0\r\n folded: v\r\n", HTTP1_ERR_TRAILER},
        {"0\r\na: b\n\r\n", HTTP1_ERR_TRAILER},
        {"0\r\na: b\rc\r\n", HTTP1_ERR_TRAILER},
        {"0\r\n\rX", HTTP1_ERR_TRAILER},
        {"0\r\n\n", HTTP1_ERR_TRAILER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char input[512];
        int n = snprintf(input, sizeof input, "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                         cases[i].body);
        refused(input, (size_t)n, cases[i].error);
    }
}

/* ---- limits: just inside and just beyond ---- */

static size_t build(char *out, const char *prefix, char fill, size_t count, const char *suffix)
{
    char *at = stpcpy(out, prefix);
    memset(at, fill, count);
    return (size_t)(stpcpy(at + count, suffix) - out);
}

static void check_limit(char *input, size_t len, bool fits, enum http1_error error)
{
    if (!fits) {
        refused(input, len, error);
        return;
    }
    static struct run r;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        run(&r, input, len, steps[i]);
        assert_false(r.failed);
        assert_int_equal(r.ends, 1);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static char in[2 * HTTP1_HEAD_BYTES_MAX];
    const char *tail = " HTTP/1.1\r\nHost: h\r\n\r\n";
    for (int over = 0; over <= 1; over++) {
        size_t extra = (size_t)over;
        size_t len = build(in, "GET /", 'a', HTTP1_TARGET_BYTES_MAX - 1 + extra, tail);
        check_limit(in, len, over == 0, HTTP1_ERR_TARGET_TOO_LONG);

        size_t fixed = strlen("GET / HTTP/1.1\r\nHost: h\r\na: \r\n\r\n");
        len = build(in, "GET / HTTP/1.1\r\nHost: h\r\na: ", 'x', HTTP1_HEAD_BYTES_MAX - fixed + extra, "\r\n\r\n");
        check_limit(in, len, over == 0, HTTP1_ERR_HEAD_TOO_LARGE);

        char *at = stpcpy(in, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (size_t i = 1; i < HTTP1_HEADERS_MAX + extra; i++)
            at = stpcpy(at, "n: v\r\n");
        at = stpcpy(at, "\r\n");
        check_limit(in, (size_t)(at - in), over == 0, HTTP1_ERR_TOO_MANY_HEADERS);

        const char *chunked = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        char prefix[256];
        snprintf(prefix, sizeof prefix, "%s0;", chunked);
        len = build(in, prefix, 'e', HTTP1_CHUNK_LINE_BYTES_MAX - 4 + extra, "\r\n\r\n");
        check_limit(in, len, over == 0, HTTP1_ERR_CHUNK_LINE_TOO_LONG);

        snprintf(prefix, sizeof prefix, "%s0\r\nt:", chunked);
        len = build(in, prefix, 't', HTTP1_TRAILER_BYTES_MAX - 6 + extra, "\r\n\r\n");
        check_limit(in, len, over == 0, HTTP1_ERR_TRAILER_TOO_LARGE);

        at = stpcpy(stpcpy(in, chunked), "0\r\n");
        for (size_t i = 0; i < HTTP1_TRAILERS_MAX + extra; i++)
            at = stpcpy(at, "n: v\r\n");
        at = stpcpy(at, "\r\n");
        check_limit(in, (size_t)(at - in), over == 0, HTTP1_ERR_TRAILER_TOO_LARGE);
    }
    /* a target without end is refused while it is coming in */
    size_t len = build(in, "GET /", 'a', HTTP1_TARGET_BYTES_MAX + 64, "");
    refused(in, len, HTTP1_ERR_TARGET_TOO_LONG);
}

static void test_statuses(void **state)
{
    (void)state;
    assert_int_equal(http1_error_status(HTTP1_ERR_LINE_ENDING), 400);
    assert_int_equal(http1_error_status(HTTP1_ERR_BODY_TOO_LARGE), 413);
    assert_int_equal(http1_error_status(HTTP1_ERR_TARGET_TOO_LONG), 414);
    assert_int_equal(http1_error_status(HTTP1_ERR_EXPECTATION), 417);
    assert_int_equal(http1_error_status(HTTP1_ERR_HEAD_TOO_LARGE), 431);
    assert_int_equal(http1_error_status(HTTP1_ERR_TRANSFER_ENCODING), 501);
    assert_int_equal(http1_error_status(HTTP1_ERR_VERSION), 505);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_fields),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_target_characters),
        cmocka_unit_test(test_header_characters),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_request_line_refusals),
        cmocka_unit_test(test_absolute_form),
        cmocka_unit_test(test_header_refusals),
        cmocka_unit_test(test_framing_refusals),
        cmocka_unit_test(test_chunk_refusals),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
