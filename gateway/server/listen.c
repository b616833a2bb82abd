/*
 * Listening: one socket per loop and TCP endpoint, so that the kernel spreads connections and none ever migrates.
 *
 * SO_REUSEPORT would let a second server of the same user join silently and take a share of the connections, so before
 * the first socket a probe without it asks whether the endpoint is free.
 */
#include "connection.h"
#include "dol_assert.h"
#include "log.h"
#include <dolmen/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_RETRY_NS   (50ull * 1000000)
#define ACCEPT_WARNING_NS (60ull * SERVER_SECOND_NS)

static bool parse_endpoint(const char *host, uint16_t port, struct sockaddr_storage *addr, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)addr;
    memset(addr, 0, sizeof *addr);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *len = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *len = sizeof *v6;
        return true;
    }
    return false;
}

enum dol_err server_probe_tcp(const char *host, uint16_t port)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    int on = 1;
    enum dol_err err = DOL_OK;
    if (!parse_endpoint(host, port, &addr, &len))
        return DOL_EINVAL;
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return DOL_EIO;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)(void *)&addr, len) != 0)
        err = errno == EADDRINUSE                         ? DOL_EINUSE
              : errno == EACCES || errno == EPERM         ? DOL_EPERM
              : errno == EADDRNOTAVAIL || errno == EINVAL ? DOL_EINVAL
                                                          : DOL_EIO;
    close(fd);
    return err;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)(void *)&addr, &len) != 0)
        return 0;
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)(void *)&addr)->sin_port);
}

enum dol_err server_listen_tcp(struct server *s, const char *host, uint16_t port, const struct server_service *service,
                               uint16_t *port_out)
{
    dol_assert(!s->started && s->listener_count < SERVER_LISTENERS_MAX);
    enum dol_err err = port != 0 ? server_probe_tcp(host, port) : DOL_OK;
    unsigned slot = s->listener_count;
    for (unsigned i = 0; i < s->loop_count && err == DOL_OK; i++) {
        struct listener *l = &s->loops[i].listeners[slot];
        err = net_listen_tcp(host, port, &l->fd);
        if (err != DOL_OK)
            break;
        l->service = *service;
        l->room = LISTENER_SHARED;
        if (port == 0)
            port = bound_port(l->fd);
    }
    if (err != DOL_OK) {
        for (unsigned i = 0; i < s->loop_count; i++) {
            if (s->loops[i].listeners[slot].fd >= 0)
                net_close(s->loops[i].listeners[slot].fd);
            s->loops[i].listeners[slot].fd = -1;
        }
        return err;
    }
    s->listener_count++;
    *port_out = port;
    return DOL_OK;
}

enum dol_err server_listen_unix(struct server *s, const char *path, const struct server_service *service)
{
    dol_assert(!s->started && s->listener_count < SERVER_LISTENERS_MAX);
    struct listener *l = &s->loops[0].listeners[s->listener_count];
    enum dol_err err = net_listen_unix(path, 0600, &l->fd);
    if (err != DOL_OK) {
        l->fd = -1;
        return err;
    }
    l->service = *service;
    l->room = LISTENER_RESERVED;
    s->listener_count++;
    return DOL_OK;
}

static void admit(struct server_loop *loop, const struct listener *l, int fd, const char *peer)
{
    const struct server_limits *limits = &loop->server->limits;
    unsigned max = limits->connections_max + (l->room == LISTENER_RESERVED ? SERVER_RESERVED_MAX : 0);
    server_count(&loop->stats.accepted, 1);
    if (__atomic_fetch_add(&loop->server->connection_count, 1, __ATOMIC_RELAXED) < max) {
        connection_start(loop, l, fd, peer, CONNECTION_ADMITTED);
        return;
    }
    __atomic_fetch_sub(&loop->server->connection_count, 1, __ATOMIC_RELAXED);
    if (loop->refusal_count < limits->refusals_max) {
        server_count(&loop->stats.refused, 1);
        connection_start(loop, l, fd, peer, CONNECTION_REFUSED);
        return;
    }
    server_count(&loop->stats.refused, 1);
    net_close(fd);
}

static void warn_of_accept(struct server_loop *loop, enum dol_err err)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (loop->accept_warned_ns != 0 && now_ns - loop->accept_warned_ns < ACCEPT_WARNING_NS)
        return;
    loop->accept_warned_ns = now_ns;
    if (err == DOL_EBUSY)
        log_warn("http", "out of file descriptors or memory: new connections wait. Raise LimitNOFILE= of the service "
                         "(ulimit -n), or lower the number of connections.");
    else
        log_warn("http", "accept: %s", dol_err_text(err));
}

void listen_accept_fiber(void *arg)
{
    struct accept_args *args = arg;
    struct server_loop *loop = args->loop;
    struct listener *l = args->listener;
    while (!server_is_stopping(loop->server)) {
        int fd = -1;
        char peer[64] = "";
        enum dol_err err = net_accept(l->fd, &fd, peer);
        if (err == DOL_OK) {
            admit(loop, l, fd, peer[0] != '\0' ? peer : "unix");
            continue;
        }
        if (server_is_stopping(loop->server))
            break;
        /* Out of descriptors or memory: not a reason to spin, nor to stop. The client waits in the backlog. */
        server_count(&loop->stats.accept_errors, 1);
        warn_of_accept(loop, err);
        fiber_sleep(ACCEPT_RETRY_NS);
    }
    if (--l->acceptors == 0) {
        int listen_fd = l->fd;
        l->fd = -1;
        net_close(listen_fd);
    }
    loop->acceptors--;
    fiber_wake(loop->keeper);
}
