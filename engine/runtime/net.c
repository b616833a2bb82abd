/*
 * Sockets over the calling loop's ring: one submission a call. A timeout is a timer of the fiber and, only when it
 * fires, a cancellation; the buffer is the kernel's until the operation has completed, so every call waits for that.
 *
 * net_cancel() shuts a socket down. A pending or later receive then sees the end of the stream (EPEER), a send EPEER,
 * an accept ESTOPPED.
 */
#include <dolmen/net.h>

#include "dol_assert.h"
#include "log.h"
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NET_BACKLOG   4096 /* the kernel takes net.core.somaxconn at most, 4096 by default */
#define NET_PEER_SIZE 64   /* the contract's char peer[64] */

/* One receive or send, at most; keeps results within int32_t. */
#define NET_BYTES_MAX ((size_t)1 << 30)

static enum dol_err err_of(int32_t result)
{
    switch (-result) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ESHUTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETRESET:
    case EHOSTDOWN:
        return DOL_EPEER;
    case ETIMEDOUT:
        return DOL_ETIMEDOUT;
    default:
        return DOL_EIO;
    }
}

/* ---- listening ---- */

static enum dol_err err_of_bind(int error)
{
    switch (error) {
    case EADDRINUSE:
        return DOL_EINUSE;
    case EACCES:
    case EPERM:
        return DOL_EPERM;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENOENT:
    case ENOTDIR:
        return DOL_EINVAL;
    default:
        return DOL_EIO;
    }
}

/* ECONNABORTED-like races aside, everything about a listening socket is known when it is made. */
static enum dol_err listen_on(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (bind(fd, addr, len) != 0 || listen(fd, NET_BACKLOG) != 0)
        return err_of_bind(errno);
    return DOL_OK;
}

enum dol_err net_listen_tcp(const char *host, uint16_t port, int *fd_out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const struct sockaddr *addr = (const struct sockaddr *)&v4;
    socklen_t len = sizeof v4;
    static const int on = 1;

    if (inet_pton(AF_INET, host, &v4.sin_addr) != 1) {
        if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
            return DOL_EINVAL;
        addr = (const struct sockaddr *)&v6;
        len = sizeof v6;
    }
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_of_bind(errno);
    enum dol_err err = DOL_EIO;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0)
        err = listen_on(fd, addr, len);
    if (err != DOL_OK) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return DOL_OK;
}

/* Removes a socket file that nobody listens on. EINUSE: somebody does; EINVAL: the file is no socket. */
static enum dol_err remove_stale(const struct sockaddr_un *addr)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) != 0)
        return errno == ENOENT ? DOL_OK : err_of_bind(errno);
    if (!S_ISSOCK(st.st_mode))
        return DOL_EINVAL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return DOL_EIO;
    int rc = connect(fd, (const struct sockaddr *)addr, sizeof *addr);
    int error = errno;
    close(fd);
    if (rc == 0 || error != ECONNREFUSED)
        return error == EACCES && rc != 0 ? DOL_EPERM : DOL_EINUSE;
    return unlink(addr->sun_path) == 0 ? DOL_OK : err_of_bind(errno);
}

enum dol_err net_listen_unix(const char *path, unsigned mode, int *fd_out)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof addr.sun_path)
        return DOL_EINVAL;
    memcpy(addr.sun_path, path, len);
    enum dol_err err = remove_stale(&addr);
    if (err != DOL_OK)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return DOL_EIO;
    /* On Linux the file takes the socket's mode less the umask, so it is never wider than asked for; then exact. */
    err = fchmod(fd, (mode_t)mode) == 0 ? listen_on(fd, (const struct sockaddr *)&addr, sizeof addr) : DOL_EIO;
    if (err == DOL_OK && chmod(path, (mode_t)mode) != 0)
        err = err_of_bind(errno);
    if (err != DOL_OK) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return DOL_OK;
}

/* ---- connections ---- */

static void format_peer(const struct sockaddr_storage *addr, char peer[NET_PEER_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    if (addr->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(peer, NET_PEER_SIZE, "%s:%u", host, ntohs(v4->sin_port));
    } else if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(peer, NET_PEER_SIZE, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        snprintf(peer, NET_PEER_SIZE, "unix");
    }
}

/* Failures of the connection that was to be accepted, not of the listening socket: accept(2), "Error handling". */
static bool is_lost_connection(int32_t result)
{
    switch (-result) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EINTR:
    case EAGAIN:
        return true;
    default:
        return false;
    }
}

static enum dol_err err_of_accept(int32_t result)
{
    switch (-result) {
    case EINVAL: /* shut down by net_cancel() */
    case EBADF:
        return DOL_ESTOPPED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return DOL_EBUSY;
    default:
        return DOL_EIO;
    }
}

enum dol_err net_accept(int listen_fd, int *fd_out, char peer[NET_PEER_SIZE])
{
    struct sockaddr_storage addr;
    static const int on = 1;
    int32_t result;

    do {
        struct ring_wait wait;
        socklen_t len = sizeof addr;
        ring_wait_init(&wait);
        struct io_uring_sqe *sqe = ring_sqe();
        io_uring_prep_accept(sqe, listen_fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC);
        ring_set_op(sqe, &wait.op);
        result = ring_wait(&wait, 0);
    } while (result < 0 && is_lost_connection(result));
    if (result < 0)
        return err_of_accept(result);
    /* Fails on Unix sockets, which have no such delay. */
    (void)setsockopt(result, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (peer != NULL)
        format_peer(&addr, peer);
    *fd_out = result;
    return DOL_OK;
}

enum dol_err net_recv(int fd, void *buf, size_t len, uint64_t timeout_ns, size_t *received)
{
    int32_t result;

    dol_assert(len > 0);
    if (len > NET_BYTES_MAX)
        len = NET_BYTES_MAX;
    do {
        struct ring_wait wait;
        ring_wait_init(&wait);
        struct io_uring_sqe *sqe = ring_sqe();
        io_uring_prep_recv(sqe, fd, buf, len, 0);
        ring_set_op(sqe, &wait.op);
        result = ring_wait(&wait, timeout_ns);
    } while (result == -EINTR || result == -EAGAIN);
    if (result == 0)
        return DOL_EPEER;
    if (result < 0)
        return err_of(result);
    *received = (size_t)result;
    return DOL_OK;
}

/* Leaves out what has been sent, and empty pieces; false when nothing is left. */
static bool advance(struct iovec **iov, unsigned *iov_count, size_t sent)
{
    while (*iov_count > 0 && sent >= (*iov)->iov_len) {
        sent -= (*iov)->iov_len;
        (*iov)++;
        (*iov_count)--;
    }
    if (*iov_count == 0)
        return false;
    (*iov)->iov_base = (char *)(*iov)->iov_base + sent;
    (*iov)->iov_len -= sent;
    return true;
}

enum dol_err net_send(int fd, struct iovec *iov, unsigned iov_count, uint64_t timeout_ns)
{
    size_t sent = 0;

    while (advance(&iov, &iov_count, sent)) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = iov_count < IOV_MAX ? iov_count : IOV_MAX};
        struct ring_wait wait;
        ring_wait_init(&wait);
        struct io_uring_sqe *sqe = ring_sqe();
        if (iov_count == 1)
            io_uring_prep_send(sqe, fd, iov->iov_base, iov->iov_len < NET_BYTES_MAX ? iov->iov_len : NET_BYTES_MAX,
                               MSG_NOSIGNAL);
        else
            io_uring_prep_sendmsg(sqe, fd, &message, MSG_NOSIGNAL);
        ring_set_op(sqe, &wait.op);
        int32_t result = ring_wait(&wait, timeout_ns);
        if (result < 0 && result != -EINTR && result != -EAGAIN)
            return err_of(result);
        sent = result < 0 ? 0 : (size_t)result;
    }
    return DOL_OK;
}

void net_close(int fd)
{
    if (!fiber_is_running()) {
        close(fd);
        return;
    }
    struct ring_wait wait;
    ring_wait_init(&wait);
    struct io_uring_sqe *sqe = ring_sqe();
    io_uring_prep_close(sqe, fd);
    ring_set_op(sqe, &wait.op);
    (void)ring_wait(&wait, 0);
}

void net_cancel(int fd)
{
    (void)shutdown(fd, SHUT_RDWR);
}
