/*
 * The server: HTTP/1.1 connections over the runtime, a fiber each. It knows the exchange contract, but neither S3 nor
 * the admin API: a listener is given the function that answers its requests.
 *
 * Per loop: one SO_REUSEPORT listener of each TCP endpoint with its accepting fibers, the connections it accepted (they
 * never migrate), pools of request workspaces and buffers, metrics, and a keeper: the fiber that ends what is past its
 * deadline and, when the server stops, what is idle.
 *
 * Memory is bounded in three steps: connections_max connections, which cost little while they rest; fibers_max of them
 * that are worked on; requests_max requests that are being answered.
 */
#ifndef DOL_SERVER_H
#define DOL_SERVER_H

#include "exchange.h"
#include "request_metrics.h"
#include "server_limits.h"
#include "tls_config.h"
#include <dolmen/runtime.h>

/* [await] Answers the exchange with exactly one response, or sets must_close. Runs on the loop of the connection. */
typedef void server_handler_fn(void *arg, struct exchange *x);
/* Whether a request is answered however many others are (a health check, an operator's command). Not [await]. */
typedef bool server_exempt_fn(void *arg, const struct http1_head *head);

/* What a listener serves. */
struct server_service {
    server_handler_fn *handler;
    server_exempt_fn *exempt; /* NULL: no request is */
    void *arg;
    struct tls_config *tls; /* NULL: plain HTTP; borrowed until the server has stopped */
};

struct server_config {
    struct runtime *runtime;
    struct server_limits limits;
};

struct server;

DOL_MUST_CHECK enum dol_err server_new(const struct server_config *config, struct server **out);

/* Whether server_listen_tcp() would find the endpoint free, without opening it. Not [await]. EINUSE, EPERM, EINVAL. */
DOL_MUST_CHECK enum dol_err server_probe_tcp(const char *host, uint16_t port);

/*
 * Opens listening sockets, one per loop. Not [await]; before server_start(). `host` is an address, not a name. With
 * port 0 *port_out tells the one taken. EINUSE: somebody listens there already. EPERM, EINVAL as net_listen_tcp().
 */
DOL_MUST_CHECK enum dol_err server_listen_tcp(struct server *s, const char *host, uint16_t port,
                                              const struct server_service *service, uint16_t *port_out);
/* A Unix socket, mode 0600, served by loop 0, with room for connections of its own. EINUSE: a server answers there. */
DOL_MUST_CHECK enum dol_err server_listen_unix(struct server *s, const char *path,
                                               const struct server_service *service);

/* Begins to accept. Not [await]; any thread. */
DOL_MUST_CHECK enum dol_err server_start(struct server *s);

/* true from the beginning of server_stop() on. Any thread; not [await]. */
bool server_is_stopping(const struct server *s);

/* [await] Accepts no more, closes idle connections, gives requests in progress stop_timeout_ns, then cuts them; returns
 * when all fibers of the server have ended. */
void server_stop(struct server *s);

/* Closes listening sockets that were never started; frees. Not while it runs. */
void server_free(struct server *s);

struct server_stats {
    uint64_t accepted;
    uint64_t active;    /* connections now */
    uint64_t refused;   /* over connections_max */
    uint64_t slowed;    /* requests answered 503 SlowDown: too many at once */
    uint64_t timed_out; /* closed for slowness: handshake, head, body or send */
    uint64_t malformed; /* requests refused by the HTTP parser */
    uint64_t accept_errors;
    uint64_t tls_1_2, tls_1_3; /* handshakes done, by version */
    uint64_t tls_resumed;      /* of them, with a session of before */
    uint64_t tls_failed;       /* handshakes that came to nothing, timed out ones included */
    int64_t tls_expires_s;     /* the end of the certificate's validity, seconds since 1970; 0: no TLS */
    /* what connections hold now */
    uint64_t fibers;
    uint64_t workspaces;
    uint64_t tls_buffers;
    uint64_t requests; /* being answered */
};

/* Sums over all loops; any thread. */
void server_stats_get(const struct server *s, struct server_stats *out);
/* Adds each loop's request metrics to *out, which the caller has zeroed. Any thread. */
void server_request_metrics_get(const struct server *s, struct request_metrics *out);

#endif
