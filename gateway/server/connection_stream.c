/* A connection's bytes: over the socket, or over TLS over the socket. See connection.h. */
#include "connection.h"
#include "dol_assert.h"
#include "log.h"
#include <dolmen/net.h>

#include <sys/socket.h>

/* ---- buffers ---- */

static void release_large(struct connection *c)
{
    if (c->large == NULL)
        return;
    body_buffer_put(&c->loop->pool, c->large);
    c->large = NULL;
    c->in = c->small;
    c->in_pos = c->in_len = 0;
}

bool connection_buffers_take(struct connection *c)
{
    if (c->service->tls == NULL)
        return true;
    if (c->tls == NULL)
        c->tls = tls_stream_new(c->fd);
    struct tls_buffers *buffers = c->tls != NULL ? tls_buffers_get(&c->loop->pool) : NULL;
    if (buffers == NULL)
        return false;
    server_count(&c->loop->stats.tls_buffers, 1);
    tls_stream_attach(c->tls, buffers);
    return true;
}

static void return_tls_buffers(struct connection *c)
{
    struct tls_buffers *buffers = c->tls != NULL ? tls_stream_detach(c->tls) : NULL;
    if (buffers == NULL)
        return;
    server_count(&c->loop->stats.tls_buffers, -1);
    tls_buffers_put(&c->loop->pool, buffers);
}

void connection_buffers_return(struct connection *c)
{
    release_large(c);
    return_tls_buffers(c);
}

/* ---- input and output ---- */

bool connection_input_is_empty(const struct connection *c)
{
    return c->in_pos == c->in_len && (c->tls == NULL || tls_stream_is_empty(c->tls));
}

enum dol_err connection_fill(struct connection *c, enum input_for use, uint64_t len_max, uint64_t timeout_ns)
{
    dol_assert(c->in_pos == c->in_len);
    if (use == INPUT_FOR_HEAD)
        release_large(c);
    else if (c->large == NULL && len_max > SERVER_SMALL_BUFFER_BYTES)
        c->large = body_buffer_get(&c->loop->pool);

    uint8_t *buf = c->large != NULL ? c->large->data : c->small;
    size_t capacity = c->large != NULL ? sizeof c->large->data : SERVER_SMALL_BUFFER_BYTES;
    if (len_max < capacity)
        capacity = (size_t)len_max;
    size_t received = 0;
    enum dol_err err = c->tls != NULL ? tls_stream_recv(c->tls, buf, capacity, timeout_ns, &received)
                                      : net_recv(c->fd, buf, capacity, timeout_ns, &received);
    c->in = buf;
    c->in_pos = 0;
    c->in_len = err == DOL_OK ? received : 0;
    return err;
}

enum dol_err connection_send(struct connection *c, struct iovec *iov, unsigned iov_count)
{
    const struct server_limits *limits = &c->loop->server->limits;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < iov_count; i++)
        bytes += iov[i].iov_len;
    c->deadline_ns = clock_monotonic_ns() + limits->rate_grace_ns + bytes / limits->send_rate_min * SERVER_SECOND_NS;
    enum dol_err err = c->tls != NULL ? tls_stream_send(c->tls, iov, iov_count, limits->send_timeout_ns)
                                      : net_send(c->fd, iov, iov_count, limits->send_timeout_ns);
    bool late = clock_monotonic_ns() > c->deadline_ns;
    c->deadline_ns = 0;
    return err != DOL_OK && c->cancelled && late ? DOL_ETIMEDOUT : err;
}

/* ---- TLS, begun ---- */

static void count_accepted(struct connection *c, uint64_t duration_ns)
{
    struct server_stats *stats = &c->loop->stats;
    const char *version = tls_stream_version(c->tls);
    server_count(strcmp(version, "TLSv1.3") == 0 ? &stats->tls_1_3 : &stats->tls_1_2, 1);
    if (tls_stream_was_resumed(c->tls))
        server_count(&stats->tls_resumed, 1);
    log_debug("tls", "handshake: peer=%s version=%s cipher=%s resumed=%s us=%llu", c->peer, version,
              tls_stream_cipher(c->tls), tls_stream_was_resumed(c->tls) ? "yes" : "no",
              (unsigned long long)(duration_ns / 1000));
}

static const char *why_not_accepted(const struct connection *c, enum tls_accept_result result)
{
    switch (result) {
    case TLS_ACCEPT_TIMED_OUT:
        return "not finished in time";
    case TLS_ACCEPT_LEFT:
    case TLS_ACCEPT_NOTHING:
        return "the client left";
    case TLS_ACCEPT_GARBAGE:
        return "what came is not TLS";
    case TLS_ACCEPT_NO_MEMORY:
        return "out of memory";
    case TLS_ACCEPT_PLAIN_HTTP:
        return "the client speaks plain HTTP";
    case TLS_ACCEPT_DONE:
    case TLS_ACCEPT_FAILED:
        break;
    }
    return tls_stream_error(c->tls);
}

enum connection_open connection_open_tls(struct connection *c)
{
    const struct server_limits *limits = &c->loop->server->limits;
    uint64_t start_ns = clock_monotonic_ns();
    enum tls_accept_result result =
        tls_stream_accept(c->tls, c->service->tls, &c->loop->handshakes, limits->handshake_timeout_ns);
    if (result == TLS_ACCEPT_DONE) {
        count_accepted(c, clock_monotonic_ns() - start_ns);
        return CONNECTION_OPEN_DONE;
    }
    if (result == TLS_ACCEPT_NOTHING)
        return CONNECTION_OPEN_FAILED;
    server_count(&c->loop->stats.tls_failed, 1);
    if (result == TLS_ACCEPT_TIMED_OUT)
        server_count(&c->loop->stats.timed_out, 1);
    log_debug("tls", "no handshake: peer=%s: %s", c->peer, why_not_accepted(c, result));
    if (result != TLS_ACCEPT_PLAIN_HTTP)
        return CONNECTION_OPEN_FAILED;
    return_tls_buffers(c);
    tls_stream_free(c->tls);
    c->tls = NULL;
    return CONNECTION_OPEN_PLAIN;
}

/* ---- the end ---- */

void connection_linger(struct connection *c)
{
    const struct server_limits *limits = &c->loop->server->limits;
    uint64_t deadline_ns = clock_monotonic_ns() + limits->drain_timeout_ns;
    uint64_t dropped = 0;
    c->phase = CONNECTION_CLOSING;
    if (c->tls != NULL)
        tls_stream_close_notify(c->tls, limits->drain_timeout_ns);
    shutdown(c->fd, SHUT_WR);
    while (dropped <= limits->drain_bytes_max) {
        uint64_t now_ns = clock_monotonic_ns();
        size_t received = 0;
        if (now_ns >= deadline_ns ||
            net_recv(c->fd, c->small, SERVER_SMALL_BUFFER_BYTES, deadline_ns - now_ns, &received) != DOL_OK)
            break;
        dropped += received;
    }
    c->in_pos = c->in_len;
}

void connection_cut(struct connection *c)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    c->cut = true;
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

void connection_stream_close(struct connection *c)
{
    c->phase = CONNECTION_CLOSING;
    if (c->tls != NULL && !c->cut)
        tls_stream_close_notify(c->tls, c->loop->server->limits.drain_timeout_ns);
    connection_buffers_return(c);
    if (c->tls != NULL)
        tls_stream_free(c->tls);
    c->tls = NULL;
    c->cancelled = true; /* the keeper leaves the descriptor alone from here on */
    net_close(c->fd);
}
