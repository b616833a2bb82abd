/*
 * Sockets for fibers, on the calling fiber's loop. All functions are [await]. Timeouts are durations in nanoseconds
 * for this one call; 0 means none. Real runtime only: the simulated one has no sockets.
 * Errors: EPEER (closed or reset), ETIMEDOUT, EIO. After net_cancel() a receive or a send gives EPEER, an accept
 * ESTOPPED; an accept also EBUSY: out of file descriptors or memory, try again later.
 */
#ifndef DOLMEN_NET_H
#define DOLMEN_NET_H

#include <dolmen/err.h>
#include <dolmen/types.h>
#include <sys/uio.h>

/*
 * Not [await]: a listening TCP socket on host:port ("127.0.0.1", "::1", "0.0.0.0"; port 0 takes any), SO_REUSEPORT and
 * SO_REUSEADDR set, close-on-exec. EINUSE, EPERM, EINVAL (not an address).
 */
DOL_MUST_CHECK enum dol_err net_listen_tcp(const char *host, uint16_t port, int *fd_out);
/* Not [await]: a listening Unix stream socket at `path` with `mode`; a stale socket file is replaced. EINUSE if a
 * server answers there. */
DOL_MUST_CHECK enum dol_err net_listen_unix(const char *path, unsigned mode, int *fd_out);

/* Next connection; the peer's address as text ("127.0.0.1:51234") into peer (may be NULL). TCP_NODELAY is set. */
DOL_MUST_CHECK enum dol_err net_accept(int listen_fd, int *fd_out, char peer[64]);

/* Receives 1..len bytes. EPEER at end of stream. */
DOL_MUST_CHECK enum dol_err net_recv(int fd, void *buf, size_t len, uint64_t timeout_ns, size_t *received);

/* Sends all of iov (which it may modify); the timeout bounds every wait for progress, not the whole. */
DOL_MUST_CHECK enum dol_err net_send(int fd, struct iovec *iov, unsigned iov_count, uint64_t timeout_ns);

/* Closes; no use of fd may be in flight. */
void net_close(int fd);

/* Shuts down fd both ways so that calls waiting on it return. Any thread; not [await]. */
void net_cancel(int fd);

#endif
