/* Sockets on loopback and on Unix sockets: transfer, partial sends, timeouts, the peer's end, cancellation, watching.
 */
#include "net_watch.h"
#include "runtime_testing.h"

#include <arpa/inet.h>
#include <dolmen/net.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static void run(fiber_fn *fn)
{
    struct runtime *rt = testing_runtime(TESTING_URING, 1, 16);
    testing_run(rt, fn, NULL);
    runtime_free(rt);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    return ntohs(addr.sin_port);
}

/* A connected pair: *client made by connect(2), *server by net_accept(). */
static void connect_pair(int *client, int *server)
{
    int listener;
    char peer[64];
    char expected[64];
    assert_int_equal(net_listen_tcp("127.0.0.1", 0, &listener), DOL_OK);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port_of(listener))};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(*client >= 0);
    assert_int_equal(connect(*client, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(net_accept(listener, server, peer), DOL_OK);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", port_of(*client));
    assert_string_equal(peer, expected);
    net_close(listener);
}

static void close_pair(int client, int server)
{
    net_close(client);
    net_close(server);
}

/* ---- listening ---- */

static void test_listen_tcp(void **state)
{
    (void)state;
    int fd;
    int second;
    int on = 0;
    socklen_t len = sizeof on;
    assert_int_equal(net_listen_tcp("localhost", 0, &fd), DOL_EINVAL);
    assert_int_equal(net_listen_tcp("", 0, &fd), DOL_EINVAL);
    assert_int_equal(net_listen_tcp("127.0.0.256", 0, &fd), DOL_EINVAL);
    assert_int_equal(net_listen_tcp("192.0.2.1", 0, &fd), DOL_EINVAL); /* not ours: RFC 5737 */
    assert_int_equal(net_listen_tcp("127.0.0.1", 0, &fd), DOL_OK);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &len), 0);
    assert_int_equal(on, 1);
    assert_int_equal(net_listen_tcp("127.0.0.1", port_of(fd), &second), DOL_OK); /* one per loop */
    close(second);
    close(fd);

    /* A port that another program holds, without SO_REUSEPORT. */
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(net_listen_tcp("127.0.0.1", port_of(fd), &second), DOL_EINUSE);
    close(fd);
}

static void test_listen_unix(void **state)
{
    (void)state;
    char dir[] = "/tmp/dolmen-test-net-XXXXXX";
    char path[64];
    char longer[200];
    struct stat st;
    int fd;
    int second;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(net_listen_unix(longer, 0600, &fd), DOL_EINVAL);
    assert_int_equal(net_listen_unix("", 0600, &fd), DOL_EINVAL);
    assert_int_equal(net_listen_unix("/nonexistent-dolmen/socket", 0600, &fd), DOL_EINVAL);
    assert_int_equal(net_listen_unix(path, 0660, &fd), DOL_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(net_listen_unix(path, 0600, &second), DOL_EINUSE);
    close(fd);
    assert_int_equal(net_listen_unix(path, 0600, &fd), DOL_OK); /* stale: replaced */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    close(fd);
    unlink(path);
    FILE *plain = fopen(path, "w");
    assert_non_null(plain);
    fclose(plain);
    assert_int_equal(net_listen_unix(path, 0600, &fd), DOL_EINVAL); /* never removes a file that isn't a socket */
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    rmdir(dir);
}

/* ---- transfer ---- */

#define BIG ((size_t)3 << 20)

struct transfer {
    int fd;
    uint8_t *data;
    struct join *join;
};

static void send_fiber(void *arg)
{
    struct transfer *t = arg;
    struct iovec iov[5] = {{t->data, 1}, {t->data, 0}, {t->data + 1, 4095}, {t->data + 4096, BIG - 4096}, {t->data, 0}};
    assert_int_equal(net_send(t->fd, iov, 5, 2000 * MS), DOL_OK);
    struct iovec none = {t->data, 0};
    assert_int_equal(net_send(t->fd, &none, 1, 0), DOL_OK);
    assert_int_equal(net_send(t->fd, NULL, 0, 0), DOL_OK);
    struct iovec one = {t->data, 3};
    assert_int_equal(net_send(t->fd, &one, 1, 0), DOL_OK);
    join_done(t->join);
}

static void recv_exactly(int fd, uint8_t *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = 0;
        assert_int_equal(net_recv(fd, buf + done, len - done, 2000 * MS, &n), DOL_OK);
        assert_in_range(n, 1, len - done);
        done += n;
    }
}

static void transfer_main(void *arg)
{
    struct join join;
    struct transfer t = {.data = malloc(BIG), .join = &join};
    uint8_t *back = malloc(BIG);
    int server;
    int on = 0;
    socklen_t len = sizeof on;
    (void)arg;
    assert_non_null(t.data);
    assert_non_null(back);
    for (size_t i = 0; i < BIG; i++)
        t.data[i] = (uint8_t)(i * 131 + (i >> 10));
    connect_pair(&t.fd, &server);
    assert_int_equal(getsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 1);
    join_init(&join);
    join_add(&join);
    assert_int_equal(fiber_spawn(send_fiber, &t, "send"), DOL_OK);
    recv_exactly(server, back, BIG);
    assert_memory_equal(back, t.data, BIG);
    recv_exactly(server, back, 3);
    assert_memory_equal(back, t.data, 3);
    join_wait(&join);
    close_pair(t.fd, server);
    free(t.data);
    free(back);
    runtime_stop(runtime_self());
}

static void test_transfer(void **state)
{
    (void)state;
    run(transfer_main);
}

/* ---- timeouts ---- */

static void timeout_main(void *arg)
{
    int client;
    int server;
    char buf[16] = {0};
    size_t n = 0;
    (void)arg;
    connect_pair(&client, &server);
    uint64_t start = clock_monotonic_ns();
    assert_int_equal(net_recv(server, buf, sizeof buf, 5 * MS, &n), DOL_ETIMEDOUT);
    assert_true(clock_monotonic_ns() - start >= 5 * MS);

    /* The socket is still good, and nothing was swallowed by the receive that timed out. */
    struct iovec iov = {(char[]){'a', 'b', 'c'}, 3};
    assert_int_equal(net_send(client, &iov, 1, 5 * MS), DOL_OK);
    assert_int_equal(net_recv(server, buf, sizeof buf, 2000 * MS, &n), DOL_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(buf, "abc", 3);

    /* A peer that doesn't read: the send makes progress, then none. */
    uint8_t *big = calloc(1, 4 * BIG);
    assert_non_null(big);
    struct iovec much = {big, 4 * BIG};
    int small = 4096;
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    assert_int_equal(net_send(client, &much, 1, 5 * MS), DOL_ETIMEDOUT);
    assert_in_range(much.iov_len, 1, 4 * BIG - 1);
    free(big);
    close_pair(client, server);
    runtime_stop(runtime_self());
}

static void test_timeouts(void **state)
{
    (void)state;
    run(timeout_main);
}

/* ---- ends ---- */

static void peer_main(void *arg)
{
    int client;
    int server;
    char buf[16];
    size_t n = 0;
    static uint8_t zeros[4096];
    (void)arg;
    /* An orderly end, after the last bytes. */
    connect_pair(&client, &server);
    struct iovec iov = {buf, 2};
    assert_int_equal(net_send(client, &iov, 1, 0), DOL_OK);
    net_close(client);
    assert_int_equal(net_recv(server, buf, sizeof buf, 2000 * MS, &n), DOL_OK);
    assert_int_equal(n, 2);
    assert_int_equal(net_recv(server, buf, sizeof buf, 2000 * MS, &n), DOL_EPEER);
    net_close(server);

    /* A reset: lingering with zero time. */
    struct linger linger = {.l_onoff = 1};
    connect_pair(&client, &server);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    net_close(client);
    assert_int_equal(net_recv(server, buf, sizeof buf, 2000 * MS, &n), DOL_EPEER);
    iov = (struct iovec){zeros, sizeof zeros};
    assert_int_equal(net_send(server, &iov, 1, 2000 * MS), DOL_EPEER); /* and no SIGPIPE */
    struct iovec two[2] = {{zeros, 1}, {zeros, 1}};
    assert_int_equal(net_send(server, two, 2, 2000 * MS), DOL_EPEER);
    net_close(server);
    runtime_stop(runtime_self());
}

static void test_peer(void **state)
{
    (void)state;
    run(peer_main);
}

struct waiting {
    int fd;
    enum dol_err err;
    struct join *join;
};

static void accept_fiber(void *arg)
{
    struct waiting *w = arg;
    int fd;
    w->err = net_accept(w->fd, &fd, NULL);
    join_done(w->join);
}

static void recv_fiber(void *arg)
{
    struct waiting *w = arg;
    char buf[8];
    size_t n;
    w->err = net_recv(w->fd, buf, sizeof buf, 0, &n);
    join_done(w->join);
}

static void cancel_main(void *arg)
{
    int client;
    struct join join;
    struct waiting accepting = {.join = &join};
    struct waiting receiving = {.join = &join};
    (void)arg;
    connect_pair(&client, &receiving.fd);
    assert_int_equal(net_listen_tcp("127.0.0.1", 0, &accepting.fd), DOL_OK);
    join_init(&join);
    join_add(&join);
    join_add(&join);
    assert_int_equal(fiber_spawn(accept_fiber, &accepting, "accept"), DOL_OK);
    assert_int_equal(fiber_spawn(recv_fiber, &receiving, "recv"), DOL_OK);
    fiber_sleep(1 * MS);
    assert_int_equal(join.pending, 2);
    net_cancel(accepting.fd);
    net_cancel(receiving.fd);
    join_wait(&join);
    assert_int_equal(accepting.err, DOL_ESTOPPED);
    assert_int_equal(receiving.err, DOL_EPEER);
    /* And calls that come later. */
    int fd;
    char buf[8];
    size_t n;
    struct iovec iov = {buf, sizeof buf};
    assert_int_equal(net_accept(accepting.fd, &fd, NULL), DOL_ESTOPPED);
    assert_int_equal(net_recv(receiving.fd, buf, sizeof buf, 0, &n), DOL_EPEER);
    assert_int_equal(net_send(receiving.fd, &iov, 1, 0), DOL_EPEER);
    net_close(accepting.fd);
    close_pair(client, receiving.fd);
    runtime_stop(runtime_self());
}

static void test_cancel(void **state)
{
    (void)state;
    run(cancel_main);
}

/* ---- many connections, echoing ---- */

#define CLIENTS 8
#define ROUNDS  200

struct echo {
    int listener;
    unsigned left;
};

static void echo_server(void *arg)
{
    int fd = *(int *)arg;
    char buf[256];
    size_t n;
    free(arg);
    while (net_recv(fd, buf, sizeof buf, 2000 * MS, &n) == DOL_OK) {
        struct iovec iov = {buf, n};
        assert_int_equal(net_send(fd, &iov, 1, 2000 * MS), DOL_OK);
    }
    net_close(fd);
}

static void echo_client(void *arg)
{
    struct echo *e = arg;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port_of(e->listener))};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char sent[100];
        uint8_t back[100];
        struct iovec iov = {sent, sizeof sent};
        memset(sent, (int)i, sizeof sent);
        assert_int_equal(net_send(fd, &iov, 1, 2000 * MS), DOL_OK);
        recv_exactly(fd, back, sizeof back);
        assert_memory_equal(sent, back, sizeof sent);
    }
    net_close(fd);
    e->left--;
}

static void echo_main(void *arg)
{
    struct echo e = {.left = CLIENTS};
    (void)arg;
    assert_int_equal(net_listen_tcp("127.0.0.1", 0, &e.listener), DOL_OK);
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_int_equal(fiber_spawn(echo_client, &e, "client"), DOL_OK);
    for (unsigned i = 0; i < CLIENTS; i++) {
        int *fd = malloc(sizeof *fd);
        assert_non_null(fd);
        assert_int_equal(net_accept(e.listener, fd, NULL), DOL_OK);
        assert_int_equal(fiber_spawn(echo_server, fd, "server"), DOL_OK);
    }
    while (e.left > 0)
        fiber_sleep(1 * MS);
    net_close(e.listener);
    runtime_stop(runtime_self());
}

static void test_echo(void **state)
{
    (void)state;
    struct runtime *rt = testing_runtime(TESTING_URING, 1, 2 * CLIENTS + 1);
    testing_run(rt, echo_main, NULL);
    runtime_free(rt);
}

/* ---- watching ---- */

struct watching {
    struct net_watch watch;
    struct fiber *fiber;
    unsigned fired;
    bool on_fiber;
};

static void watch_fired(struct net_watch *watch)
{
    struct watching *w = (struct watching *)(void *)watch;
    w->fired++;
    w->on_fiber |= fiber_is_running();
    fiber_wake(w->fiber);
}

static void await_fired(struct watching *w, unsigned times)
{
    while (w->fired < times)
        fiber_park();
}

static void watch_main(void *arg)
{
    struct watching w = {.fiber = fiber_self()};
    int client;
    int server;
    char buf[4];
    size_t n = 0;
    (void)arg;
    connect_pair(&client, &server);
    net_watch_start(&w.watch, server, watch_fired);
    fiber_sleep(5 * MS);
    assert_int_equal(w.fired, 0);
    struct iovec iov = {(char[]){'a'}, 1};
    assert_int_equal(net_send(client, &iov, 1, 0), DOL_OK);
    await_fired(&w, 1);

    /* Once only, and at once when there is something already. */
    iov = (struct iovec){(char[]){'b'}, 1};
    assert_int_equal(net_send(client, &iov, 1, 0), DOL_OK);
    fiber_sleep(5 * MS);
    assert_int_equal(w.fired, 1);
    net_watch_start(&w.watch, server, watch_fired);
    await_fired(&w, 2);
    assert_int_equal(net_recv(server, buf, sizeof buf, 0, &n), DOL_OK);
    assert_int_equal(n, 2);

    /* The end of our input, which leaves the output open. */
    net_watch_start(&w.watch, server, watch_fired);
    assert_int_equal(shutdown(server, SHUT_RD), 0);
    await_fired(&w, 3);
    assert_int_equal(net_recv(server, buf, sizeof buf, 0, &n), DOL_EPEER);
    iov = (struct iovec){(char[]){'c'}, 1};
    assert_int_equal(net_send(server, &iov, 1, 0), DOL_OK);
    assert_int_equal(net_recv(client, buf, sizeof buf, 0, &n), DOL_OK);
    close_pair(client, server);

    /* The peer's end, and being cancelled. */
    connect_pair(&client, &server);
    net_watch_start(&w.watch, server, watch_fired);
    net_close(client);
    await_fired(&w, 4);
    assert_int_equal(net_recv(server, buf, sizeof buf, 0, &n), DOL_EPEER);
    net_close(server);
    connect_pair(&client, &server);
    net_watch_start(&w.watch, server, watch_fired);
    net_cancel(server);
    await_fired(&w, 5);
    close_pair(client, server);
    assert_false(w.on_fiber);
    runtime_stop(runtime_self());
}

static void test_watch(void **state)
{
    (void)state;
    run(watch_main);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen_tcp), cmocka_unit_test(test_listen_unix), cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_timeouts),   cmocka_unit_test(test_peer),        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_echo),       cmocka_unit_test(test_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
