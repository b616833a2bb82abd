/* See server_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void *run(void *arg)
{
    struct server_fixture *f = arg;
    runtime_run(f->runtime);
    return NULL;
}

void server_fixture_make_service(struct server_fixture *f, unsigned loops, const struct server_limits *limits,
                                 const struct server_service *service)
{
    struct runtime_config config = {.loops = loops, .offload_threads = 1, .fibers_max = 256, .ring_entries = 64};
    assert_int_equal(runtime_new_uring(&config, &f->runtime), DOL_OK);
    struct server_config server_config = {.runtime = f->runtime, .limits = *limits};
    assert_int_equal(server_new(&server_config, &f->server), DOL_OK);
    assert_int_equal(server_listen_tcp(f->server, "127.0.0.1", 0, service, &f->port), DOL_OK);
    assert_int_not_equal(f->port, 0);
}

void server_fixture_make(struct server_fixture *f, unsigned loops, const struct server_limits *limits,
                         server_handler_fn *handler, void *arg)
{
    const struct server_service service = {.handler = handler, .arg = arg};
    server_fixture_make_service(f, loops, limits, &service);
}

void server_fixture_run(struct server_fixture *f)
{
    assert_int_equal(server_start(f->server), DOL_OK);
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

void server_fixture_start(struct server_fixture *f, unsigned loops, const struct server_limits *limits,
                          server_handler_fn *handler, void *arg)
{
    server_fixture_make(f, loops, limits, handler, arg);
    server_fixture_run(f);
}

static void stop_fiber(void *arg)
{
    struct server_fixture *f = arg;
    server_stop(f->server);
    runtime_stop(f->runtime);
}

void server_fixture_stop_begin(struct server_fixture *f)
{
    assert_int_equal(runtime_spawn(f->runtime, 0, stop_fiber, f, "stop"), DOL_OK);
}

void server_fixture_stop(struct server_fixture *f)
{
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    struct server_stats stats;
    server_stats_get(f->server, &stats);
    assert_int_equal(stats.active, 0);
    server_free(f->server);
    runtime_free(f->runtime);
}

int client_connect(const struct server_fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    client_connect_fd(f, fd);
    return fd;
}

void client_connect_fd(const struct server_fixture *f, int fd)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    int on = 1;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    int rc = connect(fd, (struct sockaddr *)&addr, sizeof addr);
    if (rc != 0 && errno == EINTR) {
        /* It goes on all the same: connect(2). */
        struct pollfd done = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof rc;
        while (poll(&done, 1, -1) < 0 && errno == EINTR)
            ;
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &rc, &len), 0);
    }
    assert_int_equal(rc, 0);
}

/* io_uring's housekeeping may interrupt any thread of a process that has a ring. */
static ssize_t receive(int fd, void *buf, size_t len)
{
    ssize_t n;
    do
        n = recv(fd, buf, len, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

bool client_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool client_send_text(int fd, const char *text)
{
    return client_send(fd, text, strlen(text));
}

const char *client_header(const struct client_response *r, const char *name)
{
    static char value[1024];
    char line[128];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strstr(r->head, line);
    if (at == NULL)
        return NULL;
    at += strlen(line);
    size_t len = strcspn(at, "\r");
    assert_true(len < sizeof value);
    memcpy(value, at, len);
    value[len] = '\0';
    return value;
}

bool client_receive_from(client_receive_fn *receive_from, void *from, enum client_expect expect,
                         struct client_response *out)
{
    *out = (struct client_response){0};
    size_t len = 0;
    /* Byte by byte, so that what follows stays in the socket. */
    while (strstr(out->head, "\r\n\r\n") == NULL) {
        assert_true(len < sizeof out->head - 1);
        if (receive_from(from, out->head + len, 1) <= 0)
            return false;
        len++;
    }
    assert_int_equal(sscanf(out->head, "HTTP/1.1 %u ", &out->status), 1);
    const char *length = client_header(out, "Content-Length");
    size_t body_len = length != NULL && expect == CLIENT_EXPECT_BODY ? strtoull(length, NULL, 10) : 0;
    out->body = malloc(body_len + 1);
    assert_non_null(out->body);
    while (out->body_len < body_len) {
        ssize_t n = receive_from(from, out->body + out->body_len, body_len - out->body_len);
        if (n <= 0)
            break;
        out->body_len += (size_t)n;
    }
    out->body[out->body_len] = '\0';
    out->complete = out->body_len == body_len;
    return true;
}

static ssize_t receive_from_fd(void *from, void *buf, size_t len)
{
    ssize_t n = receive(*(int *)from, buf, len);
    if (n < 0)
        assert_true(errno == ECONNRESET);
    return n;
}

bool client_receive(int fd, enum client_expect expect, struct client_response *out)
{
    return client_receive_from(receive_from_fd, &fd, expect, out);
}

void client_response_fini(struct client_response *r)
{
    free(r->body);
    r->body = NULL;
}

enum client_end client_end_of(int fd)
{
    char byte;
    ssize_t n = receive(fd, &byte, 1);
    if (n == 0)
        return CLIENT_END_CLEAN;
    return n < 0 && errno == ECONNRESET ? CLIENT_END_RESET : CLIENT_END_NOT;
}

bool client_at_end(int fd)
{
    return client_end_of(fd) != CLIENT_END_NOT;
}
