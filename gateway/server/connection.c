/* See connection.h. */
#include "connection.h"
#include "dol_assert.h"
#include "log.h"
#include "request_log.h"
#include <dolmen/net.h>

#include <stdlib.h>
#include <sys/socket.h>

/* ---- input and output ---- */

static void release_large(struct connection *c)
{
    if (c->large == NULL)
        return;
    body_buffer_put(&c->loop->pool, c->large);
    c->large = NULL;
    c->in = c->small;
    c->in_pos = c->in_len = 0;
}

enum dol_err connection_fill(struct connection *c, enum input_for use, uint64_t len_max, uint64_t timeout_ns)
{
    dol_assert(c->in_pos == c->in_len);
    if (use == INPUT_FOR_HEAD)
        release_large(c);
    else if (c->large == NULL && len_max > sizeof c->small)
        c->large = body_buffer_get(&c->loop->pool);

    uint8_t *buf = c->large != NULL ? c->large->data : c->small;
    size_t capacity = c->large != NULL ? sizeof c->large->data : sizeof c->small;
    if (len_max < capacity)
        capacity = (size_t)len_max;
    size_t received = 0;
    enum dol_err err = net_recv(c->fd, buf, capacity, timeout_ns, &received);
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
    enum dol_err err = net_send(c->fd, iov, iov_count, limits->send_timeout_ns);
    bool late = clock_monotonic_ns() > c->deadline_ns;
    c->deadline_ns = 0;
    return err != DOL_OK && c->cancelled && late ? DOL_ETIMEDOUT : err;
}

/*
 * Says that nothing more comes, and reads what the client still has to say: closing at once would reset the connection
 * and could take the answer away from a client that is still sending.
 */
static void linger(struct connection *c)
{
    const struct server_limits *limits = &c->loop->server->limits;
    uint64_t deadline_ns = clock_monotonic_ns() + limits->drain_timeout_ns;
    uint64_t dropped = 0;
    c->phase = CONNECTION_CLOSING;
    shutdown(c->fd, SHUT_WR);
    while (dropped <= limits->drain_bytes_max) {
        uint64_t now_ns = clock_monotonic_ns();
        c->in_pos = c->in_len;
        if (now_ns >= deadline_ns || connection_fill(c, INPUT_FOR_HEAD, UINT64_MAX, deadline_ns - now_ns) != DOL_OK)
            break;
        dropped += c->in_len;
    }
    c->in_pos = c->in_len;
}

/* The next close resets the connection, so that no client takes a cut response for a whole one. */
static void arm_reset(struct connection *c)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

/* ---- requests ---- */

static void record(const struct request *r)
{
    uint64_t duration_ns = clock_monotonic_ns() - r->started_ns;
    request_metrics_record(&r->conn->loop->requests, &r->x, duration_ns);
    request_log(&r->x, r->closes ? REQUEST_LOG_CLOSES : REQUEST_LOG_KEEPS, duration_ns);
}

/* An answer of the server's own, after which the connection ends. */
static void refuse(struct connection *c, struct workspace *ws, unsigned status, const char *code, const char *message)
{
    struct request r;
    request_init(&r, c, ws);
    r.x.operation = "Refused";
    r.x.must_close = true;
    request_reply_error(&r, status, code, message);
    bool sent = !r.send_failed;
    r.closes = true;
    record(&r);
    if (sent)
        linger(c);
}

static const char *parse_error_code(enum http1_error error)
{
    switch (error) {
    case HTTP1_ERR_TARGET_TOO_LONG:
        return "KeyTooLongError";
    case HTTP1_ERR_METHOD:
    case HTTP1_ERR_TRANSFER_ENCODING:
        return "NotImplemented";
    case HTTP1_ERR_TOO_MANY_HEADERS:
    case HTTP1_ERR_HEAD_TOO_LARGE:
        return "RequestHeaderSectionTooLarge";
    case HTTP1_ERR_BODY_TOO_LARGE:
        return "EntityTooLarge";
    case HTTP1_ERR_EXPECTATION:
        return "InvalidArgument";
    default:
        return "BadRequest";
    }
}

static bool serve(struct connection *c, struct workspace *ws)
{
    struct request r;
    request_init(&r, c, ws);
    c->phase = CONNECTION_EXCHANGE;
    c->handler(c->handler_arg, &r.x);
    bool reusable = request_finish(&r);
    bool cut = r.response_left > 0 || (r.x.must_close && !r.x.response_begun);
    record(&r);
    if (reusable)
        return request_drain(&r);
    if (cut)
        arm_reset(c);
    else if (!r.send_failed)
        linger(c);
    return false;
}

enum head_result { HEAD_COMPLETE, HEAD_REFUSED, HEAD_END };

static enum head_result head_failed(struct connection *c, struct workspace *ws, enum dol_err err)
{
    if (ws == NULL || c->refused)
        return HEAD_END;
    if (err != DOL_ETIMEDOUT)
        return HEAD_END;
    server_count(&c->loop->stats.timed_out, 1);
    refuse(c, ws, 408, "RequestTimeout", "The request head did not arrive in time.");
    return HEAD_REFUSED;
}

/*
 * Reads up to the end of the next head. *ws is taken from the pool with the first byte, and is then the caller's to
 * return.
 */
static enum head_result read_head(struct connection *c, bool first, struct workspace **ws)
{
    const struct server_limits *limits = &c->loop->server->limits;
    uint64_t timeout_ns = first ? limits->head_timeout_ns : limits->idle_timeout_ns;
    uint64_t deadline_ns = clock_monotonic_ns() + timeout_ns;
    c->phase = CONNECTION_IDLE;
    for (;;) {
        if (c->in_pos == c->in_len) {
            uint64_t now_ns = clock_monotonic_ns();
            enum dol_err err = server_is_stopping(c->loop->server) ? DOL_ESTOPPED
                               : now_ns >= deadline_ns
                                   ? DOL_ETIMEDOUT
                                   : connection_fill(c, INPUT_FOR_HEAD, UINT64_MAX, deadline_ns - now_ns);
            if (err != DOL_OK)
                return head_failed(c, *ws, err);
        }
        if (*ws == NULL) {
            *ws = workspace_get(&c->loop->pool);
            if (*ws == NULL)
                return HEAD_END;
            c->phase = CONNECTION_HEAD;
            if (!first)
                deadline_ns = clock_monotonic_ns() + limits->head_timeout_ns;
        }
        struct http1_parser *p = &(*ws)->parser;
        size_t consumed = 0;
        struct bytes body;
        enum http1_event ev = http1_feed(p, c->in + c->in_pos, c->in_len - c->in_pos, &consumed, &body);
        c->in_pos += consumed;
        if (ev == HTTP1_EV_HEAD)
            return HEAD_COMPLETE;
        if (ev == HTTP1_EV_ERROR) {
            server_count(&c->loop->stats.malformed, 1);
            refuse(c, *ws, http1_error_status(p->error), parse_error_code(p->error), http1_error_text(p->error));
            return HEAD_REFUSED;
        }
    }
}

/* One request. false: the connection ends. */
static bool step(struct connection *c, bool first)
{
    struct workspace *ws = NULL;
    bool go_on = false;
    if (read_head(c, first, &ws) == HEAD_COMPLETE) {
        if (c->refused)
            refuse(c, ws, 503, "SlowDown", "Too many connections. Please reduce your request rate.");
        else
            go_on = serve(c, ws);
    }
    if (ws != NULL)
        workspace_put(&c->loop->pool, ws);
    return go_on;
}

static void connection_fiber(void *arg)
{
    struct connection *c = arg;
    struct server_loop *loop = c->loop;
    dol_assert_magic(c, CONNECTION_MAGIC);

    bool first = true;
    while (step(c, first))
        first = false;

    release_large(c);
    c->cancelled = true; /* the keeper leaves the descriptor alone from here on */
    net_close(c->fd);
    list_remove(&c->link);
    if (c->refused)
        loop->refusal_count--;
    else
        loop->connection_count--;
    server_count(&loop->stats.active, -1);
    c->magic = 0;
    free(c);
    if (server_is_stopping(loop->server))
        fiber_wake(loop->keeper);
}

void connection_start(struct server_loop *loop, const struct listener *listener, int fd, const char *peer,
                      enum connection_admission admission)
{
    struct connection *c = malloc(sizeof *c);
    if (c == NULL)
        goto close;
    memset(c, 0, offsetof(struct connection, small));
    c->magic = CONNECTION_MAGIC;
    c->loop = loop;
    c->handler = listener->handler;
    c->handler_arg = listener->arg;
    c->fd = fd;
    c->refused = admission == CONNECTION_REFUSED;
    c->in = c->small;
    memcpy(c->peer, peer, sizeof c->peer);
    if (fiber_spawn(connection_fiber, c, "connection") != DOL_OK) {
        free(c);
        goto close;
    }
    list_push_back(&loop->connections, &c->link);
    if (c->refused)
        loop->refusal_count++;
    else
        loop->connection_count++;
    server_count(&loop->stats.active, 1);
    return;

close:
    server_count(&loop->stats.refused, 1);
    net_close(fd);
}
