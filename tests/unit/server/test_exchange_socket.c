/* Requests and responses over real sockets: framing, keep-alive, pipelining, Expect, HEAD, refusals, cut responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: archive\r\n"

/* ---- the handler: what to do is in the path ---- */

static bool target_is(const struct exchange *x, const char *target)
{
    return bytes_equal_str(x->request->target, target);
}

static void reply(struct exchange *x, unsigned status, const char *text)
{
    static const struct exchange_header type = {"Content-Type", "text/plain"};
    bool must_close = x->must_close;
    enum dol_err err = exchange_begin(x, status, &type, 1, strlen(text));
    /* That the connection ends is the server's affair; the flag speaks of failures. */
    assert_int_equal(x->must_close, must_close);
    if (err == DOL_OK)
        (void)exchange_write(x, text, strlen(text));
}

/* Reads all; answers "<length> <crc32c>", or the error. */
static void digest_body(struct exchange *x)
{
    char text[64];
    uint32_t crc = 0;
    struct bytes piece;
    enum dol_err err;
    while ((err = exchange_body_read(x, &piece)) == DOL_OK && piece.len > 0)
        crc = crc32c(crc, piece.data, piece.len);
    snprintf(text, sizeof text, "%llu %08x %s", (unsigned long long)x->bytes_in, crc, dol_err_name(err));
    reply(x, err == DOL_OK ? 200 : 400, text);
}

static void handler(void *arg, struct exchange *x)
{
    (void)arg;
    x->operation = "Test";
    if (target_is(x, "/digest")) {
        digest_body(x);
    } else if (target_is(x, "/unread")) {
        reply(x, 403, "not read");
    } else if (target_is(x, "/empty")) {
        (void)exchange_begin(x, 204, NULL, 0, UINT64_MAX);
    } else if (target_is(x, "/no-answer")) {
        return;
    } else if (target_is(x, "/cut")) {
        if (exchange_begin(x, 200, NULL, 0, 10) == DOL_OK)
            (void)exchange_write(x, "01234", 5);
        x->must_close = true;
    } else if (target_is(x, "/cut-silently")) {
        x->must_close = true;
    } else if (target_is(x, "/last")) {
        x->must_close = true;
        reply(x, 200, "last");
    } else if (target_is(x, "/bad-header")) {
        static const struct exchange_header bad = {"x-amz-meta-a", "b\r\nInjected: yes"};
        assert_int_equal(exchange_begin(x, 200, &bad, 1, 0), DOL_EINVAL);
        reply(x, 500, "refused");
    } else {
        reply(x, 200, "hello");
    }
}

/* ---- fixture ---- */

static struct server_fixture fixture;

static int start(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    server_fixture_start(&fixture, 2, &limits, handler, NULL);
    *state = &fixture;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_fixture_stop_begin(&fixture);
    server_fixture_stop(&fixture);
    return 0;
}

/* Receives a response and compares; frees. */
static void expect_response(int fd, unsigned status, const char *body)
{
    struct client_response r;
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, status);
    assert_true(r.complete);
    if (body != NULL)
        assert_string_equal((const char *)r.body, body);
    client_response_fini(&r);
}

static void expect_digest(int fd, const void *data, size_t len)
{
    char text[64];
    snprintf(text, sizeof text, "%zu %08x OK", len, crc32c(0, data, len));
    expect_response(fd, 200, text);
}

static uint8_t *pattern_new(size_t len)
{
    uint8_t *data = malloc(len + 1);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + i / 251);
    return data;
}

/* ---- tests ---- */

static void keep_alive_serves_many(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    char ids[2][32];
    for (int i = 0; i < 2; i++) {
        struct client_response r;
        assert_true(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
        assert_int_equal(r.status, 200);
        assert_string_equal((const char *)r.body, "hello");
        assert_string_equal(client_header(&r, "Server"), "Dolmen");
        assert_string_equal(client_header(&r, "Content-Type"), "text/plain");
        assert_int_equal(strlen(client_header(&r, "Date")), 29);
        assert_int_equal(strlen(client_header(&r, "x-amz-id-2")), 24);
        assert_null(client_header(&r, "Connection"));
        assert_int_equal(strspn(client_header(&r, "x-amz-request-id"), "0123456789ABCDEF"), 16);
        snprintf(ids[i], sizeof ids[i], "%s", client_header(&r, "x-amz-request-id"));
        client_response_fini(&r);
    }
    assert_string_not_equal(ids[0], ids[1]);
    close(fd);
}

static void http10_and_close_end_the_connection(void **state)
{
    static const char *const requests[] = {
        "GET /hello HTTP/1.0\r\n\r\n",
        "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /last HTTP/1.1\r\n" HOST "\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = client_connect(&fixture);
        struct client_response r;
        assert_true(client_send_text(fd, requests[i]));
        assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
        assert_int_equal(r.status, 200);
        assert_string_equal(client_header(&r, "Connection"), "close");
        client_response_fini(&r);
        assert_true(client_at_end(fd));
        close(fd);
    }
}

static const char pipeline[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n"
                               "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n123456789"
                               "PUT /digest HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                               "4;ext=1\r\n1234\r\n5\r\n56789\r\n0\r\nX-Trailer: 1\r\n\r\n"
                               "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"
                               "PUT /unread HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                               "DELETE /empty HTTP/1.1\r\n" HOST "\r\n"
                               "GET /hello HTTP/1.1\r\n" HOST "\r\n";

static void expect_pipeline(int fd)
{
    expect_response(fd, 200, "hello");
    expect_response(fd, 200, "9 e3069283 OK");
    expect_response(fd, 200, "9 e3069283 OK");
    expect_response(fd, 200, "0 00000000 OK");
    expect_response(fd, 403, "not read");
    expect_response(fd, 204, "");
    expect_response(fd, 200, "hello");
}

static void pipelined_requests_split_anywhere(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (size_t cut = 0; cut < sizeof pipeline; cut++) {
        assert_true(client_send(fd, pipeline, cut));
        assert_true(client_send(fd, pipeline + cut, sizeof pipeline - 1 - cut));
        expect_pipeline(fd);
    }
    for (size_t i = 0; i < sizeof pipeline - 1; i++)
        assert_true(client_send(fd, pipeline + i, 1));
    expect_pipeline(fd);
    close(fd);
}

static const size_t body_sizes[] = {
    0,
    1,
    SERVER_SMALL_BUFFER_BYTES - 1,
    SERVER_SMALL_BUFFER_BYTES,
    SERVER_SMALL_BUFFER_BYTES + 1,
    SERVER_BODY_BUFFER_BYTES - 1,
    SERVER_BODY_BUFFER_BYTES,
    SERVER_BODY_BUFFER_BYTES + 1,
    5 * SERVER_BODY_BUFFER_BYTES,
    3000000,
};

static void bodies_by_length(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (size_t i = 0; i < sizeof body_sizes / sizeof body_sizes[0]; i++) {
        char head[128];
        uint8_t *data = pattern_new(body_sizes[i]);
        snprintf(head, sizeof head, "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", body_sizes[i]);
        assert_true(client_send_text(fd, head));
        assert_true(client_send(fd, data, body_sizes[i]));
        /* The next request is on its way before this one is answered: not a byte of it may be taken for the body. */
        assert_true(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        expect_digest(fd, data, body_sizes[i]);
        expect_response(fd, 200, "hello");
        free(data);
    }
    close(fd);
}

static void bodies_by_chunks(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (size_t i = 0; i < sizeof body_sizes / sizeof body_sizes[0]; i++) {
        uint8_t *data = pattern_new(body_sizes[i]);
        assert_true(client_send_text(fd, "PUT /digest HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
        for (size_t at = 0; at < body_sizes[i];) {
            char line[32];
            size_t len = at * 2 + 1 < body_sizes[i] - at ? at * 2 + 1 : body_sizes[i] - at;
            snprintf(line, sizeof line, "%zx\r\n", len);
            assert_true(client_send_text(fd, line) && client_send(fd, data + at, len) && client_send_text(fd, "\r\n"));
            at += len;
        }
        assert_true(client_send_text(fd, "0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
        expect_digest(fd, data, body_sizes[i]);
        expect_response(fd, 200, "hello");
        free(data);
    }
    close(fd);
}

static void broken_chunks_are_reported_and_end_the_connection(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "PUT /digest HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                     "3\r\nabcd\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct client_response r;
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 400);
    assert_non_null(strstr((const char *)r.body, "ESYNTAX"));
    assert_string_equal(client_header(&r, "Connection"), "close");
    client_response_fini(&r);
    assert_true(client_at_end(fd));
    close(fd);
}

static void short_body_is_reported(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    struct client_response r;
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 400);
    assert_non_null(strstr((const char *)r.body, "ELENGTH"));
    client_response_fini(&r);
    assert_true(client_at_end(fd));
    close(fd);
}

static void continue_comes_when_the_body_is_read(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (int i = 0; i < 2; i++) {
        assert_true(
            client_send_text(fd, "PUT /digest HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"));
        expect_response(fd, 100, "");
        assert_true(client_send_text(fd, "123456789"));
        expect_response(fd, 200, "9 e3069283 OK");
    }
    /* Without a body, and with one that did not wait, too. */
    assert_true(
        client_send_text(fd, "PUT /digest HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"));
    expect_response(fd, 100, "");
    expect_digest(fd, "abc", 3);
    assert_true(
        client_send_text(fd, "PUT /digest HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"));
    expect_response(fd, 100, "");
    expect_response(fd, 200, "0 00000000 OK");
    close(fd);
}

static void refused_expectation_closes(void **state)
{
    static const char *const lengths[] = {"9", "0"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char request[256];
        struct client_response r;
        int fd = client_connect(&fixture);
        snprintf(request, sizeof request,
                 "PUT /unread HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: %s\r\n\r\n", lengths[i]);
        assert_true(client_send_text(fd, request));
        assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
        assert_int_equal(r.status, 403);
        assert_string_equal((const char *)r.body, "not read");
        assert_string_equal(client_header(&r, "Connection"), "close");
        client_response_fini(&r);
        assert_true(client_at_end(fd));
        close(fd);
    }
}

static void large_unread_body_closes_after_the_answer(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    size_t len = (2u << 20) + 1;
    uint8_t *data = pattern_new(len);
    char head[128];
    snprintf(head, sizeof head, "PUT /unread HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", len);
    assert_true(client_send_text(fd, head));
    assert_true(client_send(fd, data, 500000));
    struct client_response r;
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 403);
    assert_string_equal(client_header(&r, "Connection"), "close");
    client_response_fini(&r);
    /* A clean end, not a reset that could have overtaken the answer. */
    assert_int_equal(client_end_of(fd), CLIENT_END_CLEAN);
    free(data);
    close(fd);
}

static void unread_body_is_drained(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    uint8_t *data = pattern_new(1u << 20);
    assert_true(client_send_text(fd, "PUT /unread HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n"));
    assert_true(client_send(fd, data, 1u << 20));
    expect_response(fd, 403, "not read");
    assert_true(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    expect_response(fd, 200, "hello");
    free(data);
    close(fd);
}

static void head_has_length_but_no_body(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    struct client_response r;
    assert_true(client_send_text(fd, "HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_receive(fd, CLIENT_EXPECT_NO_BODY, &r));
    assert_int_equal(r.status, 200);
    assert_string_equal(client_header(&r, "Content-Length"), "5");
    client_response_fini(&r);
    expect_response(fd, 200, "hello");
    close(fd);
}

/* What other implementations are known to read differently: one answer, and not another byte on this connection. */
static void smuggling_is_refused(void **state)
{
    static const struct {
        const char *request;
        unsigned status;
    } attempts[] = {
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400},
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: +4\r\n\r\nabcd", 400},
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 4 4\r\n\r\nabcd", 400},
        {"POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\n" HOST "X: a\nContent-Length: 4\r\n\r\nabcd", 400},
        {"GET /a HTTP/1.1\r\n" HOST "Host: other\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\n\r\n", 400},
        {"GET /a\r\n\r\n", 505},
        {"\x16\x03\x01\x02\x00\x01", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        int fd = client_connect(&fixture);
        struct client_response r;
        assert_true(client_send_text(fd, attempts[i].request));
        assert_true(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
        assert_int_equal(r.status, attempts[i].status);
        assert_string_equal(client_header(&r, "Connection"), "close");
        assert_string_equal(client_header(&r, "Content-Type"), "application/xml");
        char id[64];
        snprintf(id, sizeof id, "<RequestId>%s</RequestId></Error>", client_header(&r, "x-amz-request-id"));
        assert_non_null(strstr((const char *)r.body, id));
        client_response_fini(&r);
        assert_true(client_at_end(fd));
        close(fd);
    }
}

static void oversized_heads_are_refused(void **state)
{
    (void)state;
    char *request = malloc(100000);
    assert_non_null(request);
    for (int kind = 0; kind < 2; kind++) {
        int fd = client_connect(&fixture);
        struct client_response r;
        memset(request, 'a', 100000);
        const char *start_text = kind == 0 ? "GET /" : "GET / HTTP/1.1\r\n" HOST "X: ";
        memcpy(request, start_text, strlen(start_text));
        (void)client_send(fd, request, 100000);
        assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
        assert_int_equal(r.status, kind == 0 ? 414 : 431);
        client_response_fini(&r);
        assert_true(client_at_end(fd));
        close(fd);
    }
    free(request);
}

static void cut_response_is_never_a_clean_end(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    struct client_response r;
    assert_true(client_send_text(fd, "GET /cut HTTP/1.1\r\n" HOST "\r\n"));
    if (client_receive(fd, CLIENT_EXPECT_BODY, &r)) {
        assert_int_equal(r.status, 200);
        assert_false(r.complete);
        client_response_fini(&r);
    }
    close(fd);

    fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "GET /cut-silently HTTP/1.1\r\n" HOST "\r\n"));
    assert_int_equal(client_end_of(fd), CLIENT_END_RESET);
    close(fd);
}

static void handler_without_answer_gives_500(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    struct client_response r;
    assert_true(client_send_text(fd, "GET /no-answer HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 500);
    assert_non_null(strstr((const char *)r.body, "<Code>InternalError</Code>"));
    client_response_fini(&r);
    assert_true(client_send_text(fd, "GET /bad-header HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 500);
    assert_null(client_header(&r, "Injected"));
    client_response_fini(&r);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive_serves_many),
        cmocka_unit_test(http10_and_close_end_the_connection),
        cmocka_unit_test(pipelined_requests_split_anywhere),
        cmocka_unit_test(bodies_by_length),
        cmocka_unit_test(bodies_by_chunks),
        cmocka_unit_test(broken_chunks_are_reported_and_end_the_connection),
        cmocka_unit_test(short_body_is_reported),
        cmocka_unit_test(continue_comes_when_the_body_is_read),
        cmocka_unit_test(refused_expectation_closes),
        cmocka_unit_test(large_unread_body_closes_after_the_answer),
        cmocka_unit_test(unread_body_is_drained),
        cmocka_unit_test(head_has_length_but_no_body),
        cmocka_unit_test(smuggling_is_refused),
        cmocka_unit_test(oversized_heads_are_refused),
        cmocka_unit_test(cut_response_is_never_a_clean_end),
        cmocka_unit_test(handler_without_answer_gives_500),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
