/* Slow clients, too many clients, and the end of the server; with limits short enough to wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST  "Host: archive\r\n"
#define MS_NS 1000000ull

static bool gate_open; /* atomic: lets "/gate" answer */
static bool gate_entered;
static enum dol_err body_result;

static void reply(struct exchange *x, unsigned status, const char *text)
{
    if (exchange_begin(x, status, NULL, 0, strlen(text)) == DOL_OK)
        (void)exchange_write(x, text, strlen(text));
}

static void send_without_end(struct exchange *x)
{
    static const uint8_t block[1u << 20];
    const uint64_t blocks = 1u << 20;
    if (exchange_begin(x, 200, NULL, 0, blocks * sizeof block) != DOL_OK)
        return;
    for (uint64_t i = 0; i < blocks; i++)
        if (exchange_write(x, block, sizeof block) != DOL_OK)
            return;
}

static void handler(void *arg, struct exchange *x)
{
    (void)arg;
    if (bytes_equal_str(x->request->target, "/endless")) {
        send_without_end(x);
    } else if (bytes_equal_str(x->request->target, "/body")) {
        struct bytes piece;
        enum dol_err err;
        while ((err = exchange_body_read(x, &piece)) == DOL_OK && piece.len > 0)
            ;
        __atomic_store_n(&body_result, err, __ATOMIC_SEQ_CST);
        reply(x, err == DOL_OK ? 200 : 400, dol_err_name(err));
    } else if (bytes_equal_str(x->request->target, "/gate")) {
        __atomic_store_n(&gate_entered, true, __ATOMIC_SEQ_CST);
        while (!__atomic_load_n(&gate_open, __ATOMIC_SEQ_CST))
            fiber_sleep(MS_NS);
        reply(x, 200, "passed");
    } else {
        reply(x, 200, "hello");
    }
}

static struct server_fixture fixture;

static bool is_health_check(void *arg, const struct http1_head *head)
{
    (void)arg;
    return bytes_equal_str(head->target, "/healthz");
}

static void start(const struct server_limits *limits)
{
    const struct server_service service = {.handler = handler, .exempt = is_health_check};
    gate_open = gate_entered = false;
    server_fixture_make_service(&fixture, 1, limits, &service);
    server_fixture_run(&fixture);
}

static void stop(void)
{
    server_fixture_stop_begin(&fixture);
    server_fixture_stop(&fixture);
}

static void expect_hello(int fd)
{
    struct client_response r;
    assert_true(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 200);
    client_response_fini(&r);
}

static struct server_stats stats(void)
{
    struct server_stats s;
    server_stats_get(fixture.server, &s);
    return s;
}

/* ---- */

static void more_connections_than_allowed_get_503(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct client_response r;
    (void)state;
    limits.connections_max = 2;
    start(&limits);
    int a = client_connect(&fixture);
    int b = client_connect(&fixture);
    expect_hello(a);
    expect_hello(b);
    int c = client_connect(&fixture);
    assert_true(client_send_text(c, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_receive(c, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 503);
    assert_non_null(strstr((const char *)r.body, "<Code>SlowDown</Code>"));
    assert_string_equal(client_header(&r, "Connection"), "close");
    client_response_fini(&r);
    assert_true(client_at_end(c));
    close(c);
    /* Room again once one has left. */
    assert_int_equal(shutdown(a, SHUT_WR), 0);
    assert_true(client_at_end(a));
    close(a);
    WAIT_FOR(stats().active == 1);
    int d = client_connect(&fixture);
    expect_hello(d);
    expect_hello(b);
    assert_int_equal(stats().refused, 1);
    close(b);
    close(d);
    stop();
}

/* Who watches over the server gets an answer even then. */
static void health_is_told_over_the_maximum(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct client_response r;
    (void)state;
    limits.connections_max = 1;
    start(&limits);
    int a = client_connect(&fixture);
    expect_hello(a);
    int b = client_connect(&fixture);
    assert_true(client_send_text(b, "GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_receive(b, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 200);
    assert_string_equal(client_header(&r, "Connection"), "close");
    client_response_fini(&r);
    assert_true(client_at_end(b));
    close(b);
    close(a);
    stop();
}

static void refusals_are_bounded_too(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.connections_max = 1;
    limits.refusals_max = 1;
    start(&limits);
    int a = client_connect(&fixture);
    expect_hello(a);
    int b = client_connect(&fixture); /* is being refused, and says nothing */
    int c = client_connect(&fixture);
    assert_true(client_at_end(c));
    close(c);
    expect_hello(a);
    close(b);
    close(a);
    stop();
}

static void idle_connection_is_closed(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.idle_timeout_ns = 30 * MS_NS;
    limits.rest_after_ns = 5 * MS_NS;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    int fd = client_connect(&fixture);
    expect_hello(fd);
    assert_true(client_at_end(fd));
    assert_int_equal(stats().timed_out, 0);
    close(fd);
    stop();
}

static void slow_head_gets_408(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct client_response r;
    (void)state;
    limits.head_timeout_ns = 30 * MS_NS;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "GET /hello HTTP/1.1\r\nX-A"));
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 408);
    client_response_fini(&r);
    assert_true(client_at_end(fd));
    assert_int_equal(stats().timed_out, 1);
    close(fd);

    /* A drop now and then does not help: the time is that of the whole head. */
    fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "GET /hello HTTP/1.1\r\n"));
    WAIT_FOR(!client_send_text(fd, "X") || stats().timed_out == 2);
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 408);
    client_response_fini(&r);
    close(fd);

    /* Nothing at all after connecting: closed without a word. */
    fd = client_connect(&fixture);
    assert_true(client_at_end(fd));
    close(fd);
    stop();
}

static void stalled_body_times_out(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct client_response r;
    (void)state;
    limits.body_timeout_ns = 30 * MS_NS;
    start(&limits);
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "PUT /body HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345"));
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_string_equal((const char *)r.body, "ETIMEDOUT");
    assert_string_equal(client_header(&r, "Connection"), "close");
    client_response_fini(&r);
    assert_true(client_at_end(fd));
    assert_int_equal(stats().timed_out, 1);
    close(fd);
    stop();
}

static void dripping_body_times_out(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct client_response r;
    (void)state;
    limits.rate_grace_ns = 0;
    limits.body_rate_min = 1u << 30;         /* nobody is as fast as that for a second */
    limits.sweep_ns = 60 * SERVER_SECOND_NS; /* without grace, a sweep would take the answer for a slow send */
    start(&limits);
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "PUT /body HTTP/1.1\r\n" HOST "Content-Length: 100000000\r\n\r\n"));
    WAIT_FOR(stats().timed_out == 1 || !client_send(fd, "x", 1));
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_string_equal((const char *)r.body, "ETIMEDOUT");
    client_response_fini(&r);
    close(fd);
    stop();
}

static void client_that_does_not_read_is_cut(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.send_timeout_ns = 30 * MS_NS;
    start(&limits);
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "GET /endless HTTP/1.1\r\n" HOST "\r\n"));
    WAIT_FOR(stats().timed_out == 1 && stats().active == 0);
    close(fd);
    stop();
}

static void client_that_reads_too_slowly_is_cut(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    char byte;
    (void)state;
    limits.rate_grace_ns = 30 * MS_NS;
    limits.send_rate_min = 1ull << 40;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "GET /endless HTTP/1.1\r\n" HOST "\r\n"));
    WAIT_FOR((recv(fd, &byte, 1, MSG_DONTWAIT), stats().timed_out == 1 && stats().active == 0));
    close(fd);
    stop();
}

static void body_beyond_the_pool_of_buffers_still_arrives(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct client_response r;
    static const uint8_t zeros[300000];
    (void)state;
    limits.body_buffers_max = 1;
    start(&limits);
    int a = client_connect(&fixture);
    int b = client_connect(&fixture);
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? a : b;
        assert_true(client_send_text(fd, "PUT /body HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n"));
        assert_true(client_send(fd, zeros, sizeof zeros - 1));
    }
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? b : a;
        assert_true(client_send(fd, zeros, 1));
        assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
        assert_int_equal(r.status, 200);
        client_response_fini(&r);
    }
    close(a);
    close(b);
    stop();
}

/* ---- requests at once ---- */

static int send_request(const char *target)
{
    char text[128];
    int fd = client_connect(&fixture);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    assert_true(client_send_text(fd, text));
    return fd;
}

static void expect_answer(int fd, unsigned status, const char *body_part)
{
    struct client_response r;
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, status);
    assert_non_null(strstr((const char *)r.body, body_part));
    if (status == 503)
        assert_string_equal(client_header(&r, "Retry-After"), "1");
    client_response_fini(&r);
}

/* One is answered, one waits for its turn, the third is refused and may come back on its connection. */
static void more_requests_than_allowed_get_503(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.requests_max = 1;
    limits.request_queue_max = 1;
    limits.request_wait_ns = 60 * SERVER_SECOND_NS;
    start(&limits);
    int a = send_request("/gate");
    WAIT_FOR(__atomic_load_n(&gate_entered, __ATOMIC_SEQ_CST));
    int b = send_request("/hello");
    WAIT_FOR(stats().workspaces == 2);
    int c = send_request("/hello");
    expect_answer(c, 503, "<Code>SlowDown</Code>");
    int d = send_request("/healthz");
    expect_answer(d, 200, "hello");
    assert_int_equal(stats().slowed, 1);
    assert_int_equal(stats().requests, 1);

    __atomic_store_n(&gate_open, true, __ATOMIC_SEQ_CST);
    expect_answer(a, 200, "passed");
    expect_answer(b, 200, "hello");
    expect_hello(c);
    WAIT_FOR(stats().requests == 0);
    assert_int_equal(stats().slowed, 1);
    close(a);
    close(b);
    close(c);
    close(d);
    stop();
}

static void turns_are_not_waited_for_for_ever(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.requests_max = 1;
    limits.request_wait_ns = 20 * MS_NS;
    start(&limits);
    int a = send_request("/gate");
    WAIT_FOR(__atomic_load_n(&gate_entered, __ATOMIC_SEQ_CST));
    int b = send_request("/hello");
    expect_answer(b, 503, "<Code>SlowDown</Code>");
    __atomic_store_n(&gate_open, true, __ATOMIC_SEQ_CST);
    expect_answer(a, 200, "passed");
    WAIT_FOR(stats().requests == 0);
    expect_hello(b);
    close(a);
    close(b);
    stop();
}

/* ---- fibers and buffers ---- */

static void resting_connections_hold_nothing(void **state)
{
    enum { CLIENTS = 50 };
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    int fds[CLIENTS];
    (void)state;
    limits.rest_after_ns = 5 * MS_NS;
    start(&limits);
    for (unsigned i = 0; i < CLIENTS; i++)
        fds[i] = client_connect(&fixture);
    WAIT_FOR(stats().active == CLIENTS);
    assert_int_equal(stats().fibers, 0); /* nobody has said anything yet */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < CLIENTS; i++)
            expect_hello(fds[i]);
        WAIT_FOR(stats().fibers == 0);
        assert_int_equal(stats().workspaces, 0);
        assert_int_equal(stats().active, CLIENTS);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    WAIT_FOR(stats().active == 0);
    stop();
}

static void connections_wait_in_line_for_a_fiber(void **state)
{
    enum { CLIENTS = 20 };
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    int fds[CLIENTS];
    (void)state;
    limits.fibers_max = 2;
    start(&limits);
    int gate = send_request("/gate");
    WAIT_FOR(__atomic_load_n(&gate_entered, __ATOMIC_SEQ_CST));
    for (unsigned i = 0; i < CLIENTS; i++)
        fds[i] = send_request("/hello");
    for (unsigned i = 0; i < CLIENTS; i++) {
        expect_answer(fds[i], 200, "hello");
        assert_true(stats().fibers <= 2);
    }
    __atomic_store_n(&gate_open, true, __ATOMIC_SEQ_CST);
    expect_answer(gate, 200, "passed");
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    close(gate);
    stop();
}

/* Whoever begins a request and doesn't go on must not keep a fiber from those who do. */
static void unfinished_heads_make_way(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.fibers_max = 1;
    limits.hurry_ns = 20 * MS_NS;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    int a = client_connect(&fixture);
    assert_true(client_send_text(a, "GET /hel"));
    WAIT_FOR(stats().fibers == 1);
    int b = send_request("/hello");
    expect_answer(b, 200, "hello");
    assert_true(client_at_end(a));
    assert_int_equal(stats().timed_out, 1);
    close(a);
    close(b);
    stop();
}

/* Clients wait in the backlog until there are descriptors again; those that are in go on. */
static void out_of_descriptors_is_survived(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct rlimit before;
    (void)state;
    start(&limits);
    int a = client_connect(&fixture);
    expect_hello(a);
    int b = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(b >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest_free = dup(a);
    assert_true(lowest_free >= 0);
    close(lowest_free);
    struct rlimit tight = {.rlim_cur = (rlim_t)lowest_free, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    client_connect_fd(&fixture, b);
    WAIT_FOR(stats().accept_errors > SERVER_ACCEPTORS); /* each tries, and again */
    expect_hello(a);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_hello(b);
    close(a);
    close(b);
    stop();
}

static void second_server_on_the_endpoint_is_refused(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    const struct server_service service = {.handler = handler};
    struct server *other;
    uint16_t port;
    (void)state;
    start(&limits);
    struct server_config config = {.runtime = fixture.runtime, .limits = limits};
    assert_int_equal(server_new(&config, &other), DOL_OK);
    assert_int_equal(server_listen_tcp(other, "127.0.0.1", fixture.port, &service, &port), DOL_EINUSE);
    assert_int_equal(server_listen_tcp(other, "no.such.host", 80, &service, &port), DOL_EINVAL);
    assert_int_equal(server_listen_tcp(other, "192.0.2.1", 9000, &service, &port), DOL_EINVAL);
    server_free(other);
    stop();
}

static void stop_lets_the_request_in_progress_finish(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct client_response r;
    (void)state;
    start(&limits);
    int idle = client_connect(&fixture);
    int half = client_connect(&fixture);
    int busy = client_connect(&fixture);
    expect_hello(idle);
    assert_true(client_send_text(half, "GET /hel"));
    assert_true(client_send_text(busy, "GET /gate HTTP/1.1\r\n" HOST "\r\n"));
    WAIT_FOR(__atomic_load_n(&gate_entered, __ATOMIC_SEQ_CST));
    server_fixture_stop_begin(&fixture);
    assert_true(client_at_end(idle));
    assert_true(client_at_end(half));
    __atomic_store_n(&gate_open, true, __ATOMIC_SEQ_CST);
    assert_true(client_receive(busy, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 200);
    assert_string_equal((const char *)r.body, "passed");
    assert_string_equal(client_header(&r, "Connection"), "close");
    client_response_fini(&r);
    assert_true(client_at_end(busy));
    server_fixture_stop(&fixture);
    close(idle);
    close(half);
    close(busy);
}

static void stop_does_not_wait_for_ever(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.stop_timeout_ns = 20 * MS_NS;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    int fd = client_connect(&fixture);
    assert_true(
        client_send_text(fd, "PUT /body HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"));
    struct client_response r;
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 100);
    client_response_fini(&r);
    server_fixture_stop_begin(&fixture);
    server_fixture_stop(&fixture);
    assert_int_not_equal(__atomic_load_n(&body_result, __ATOMIC_SEQ_CST), DOL_OK);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_connections_than_allowed_get_503),
        cmocka_unit_test(health_is_told_over_the_maximum),
        cmocka_unit_test(refusals_are_bounded_too),
        cmocka_unit_test(idle_connection_is_closed),
        cmocka_unit_test(slow_head_gets_408),
        cmocka_unit_test(stalled_body_times_out),
        cmocka_unit_test(dripping_body_times_out),
        cmocka_unit_test(client_that_does_not_read_is_cut),
        cmocka_unit_test(client_that_reads_too_slowly_is_cut),
        cmocka_unit_test(body_beyond_the_pool_of_buffers_still_arrives),
        cmocka_unit_test(more_requests_than_allowed_get_503),
        cmocka_unit_test(turns_are_not_waited_for_for_ever),
        cmocka_unit_test(resting_connections_hold_nothing),
        cmocka_unit_test(connections_wait_in_line_for_a_fiber),
        cmocka_unit_test(unfinished_heads_make_way),
        cmocka_unit_test(out_of_descriptors_is_survived),
        cmocka_unit_test(second_server_on_the_endpoint_is_refused),
        cmocka_unit_test(stop_lets_the_request_in_progress_finish),
        cmocka_unit_test(stop_does_not_wait_for_ever),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
