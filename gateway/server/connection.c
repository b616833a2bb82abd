/* See connection.h. */
#include "connection.h"
#include "dol_assert.h"
#include "log.h"
#include "request_log.h"
#include <dolmen/net.h>

#include <stdlib.h>
#include <sys/socket.h>

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
        connection_linger(c);
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

/* Requests of everybody take turns; those of operators and health checks don't. */
enum turn { TURN_TAKEN, TURN_NOT_NEEDED, TURN_REFUSED };

static bool is_exempt(const struct connection *c, const struct http1_head *head)
{
    return c->service->exempt != NULL && c->service->exempt(c->service->arg, head);
}

static enum turn take_turn(struct connection *c, const struct http1_head *head)
{
    if (is_exempt(c, head))
        return TURN_NOT_NEEDED;
    if (turn_take(c->loop))
        return TURN_TAKEN;
    server_count(&c->loop->stats.slowed, 1);
    return TURN_REFUSED;
}

static bool serve(struct connection *c, struct workspace *ws)
{
    struct request r;
    c->phase = CONNECTION_EXCHANGE;
    request_init(&r, c, ws);
    if (c->admission == CONNECTION_REFUSED)
        r.x.must_close = true;
    enum turn turn = take_turn(c, &ws->parser.head);
    if (turn == TURN_REFUSED) {
        r.x.operation = "Refused";
        request_reply_error(&r, 503, "SlowDown", "Please reduce your request rate.");
    } else {
        c->service->handler(c->service->arg, &r.x);
    }
    bool reusable = request_finish(&r);
    bool cut = r.response_left > 0 || (r.x.must_close && !r.x.response_begun);
    if (turn == TURN_TAKEN)
        turn_give_back(c->loop);
    record(&r);
    if (reusable)
        return request_drain(&r);
    if (cut)
        connection_cut(c);
    else if (!r.send_failed)
        connection_linger(c);
    return false;
}

/* ---- heads ---- */

enum head_result { HEAD_COMPLETE, HEAD_REFUSED, HEAD_END, HEAD_NOTHING };

/* How far the next head has come, and until when it has to come further. */
struct head_wait {
    bool begun;
    uint64_t deadline_ns;
};

static void begin_head(struct connection *c, struct head_wait *wait)
{
    wait->begun = true;
    c->phase = CONNECTION_HEAD;
    c->since_ns = clock_monotonic_ns();
    wait->deadline_ns = c->since_ns + c->loop->server->limits.head_timeout_ns;
}

static void begin_waiting(struct connection *c, struct head_wait *wait)
{
    bool others_wait = !list_is_empty(&c->loop->line); /* for a fiber, such as this one */
    wait->begun = false;
    c->phase = CONNECTION_IDLE;
    wait->deadline_ns = clock_monotonic_ns() + (others_wait ? 0 : c->loop->server->limits.rest_after_ns);
}

static enum dol_err await_input(struct connection *c, uint64_t deadline_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (server_is_stopping(c->loop->server))
        return DOL_ESTOPPED;
    return now_ns >= deadline_ns ? DOL_ETIMEDOUT : connection_fill(c, INPUT_FOR_HEAD, UINT64_MAX, deadline_ns - now_ns);
}

static enum head_result head_failed(struct connection *c, struct workspace *ws, enum dol_err err)
{
    if (ws == NULL || c->admission == CONNECTION_REFUSED || err != DOL_ETIMEDOUT)
        return HEAD_END;
    server_count(&c->loop->stats.timed_out, 1);
    refuse(c, ws, 408, "RequestTimeout", "The request head did not arrive in time.");
    return HEAD_REFUSED;
}

static enum head_result head_malformed(struct connection *c, struct workspace *ws)
{
    enum http1_error error = ws->parser.error;
    server_count(&c->loop->stats.malformed, 1);
    refuse(c, ws, http1_error_status(error), parse_error_code(error), http1_error_text(error));
    return HEAD_REFUSED;
}

static struct workspace *take_workspace(struct connection *c)
{
    struct workspace *ws = workspace_get(&c->loop->pool);
    if (ws != NULL)
        server_count(&c->loop->stats.workspaces, 1);
    return ws;
}

static void return_workspace(struct connection *c, struct workspace *ws)
{
    if (ws == NULL)
        return;
    server_count(&c->loop->stats.workspaces, -1);
    workspace_put(&c->loop->pool, ws);
}

/*
 * Reads up to the end of the next head. *ws is taken from the pool with the first byte, and is then the caller's to
 * return. HEAD_NOTHING: the client is silent, and the connection can rest.
 */
static enum head_result read_head(struct connection *c, struct workspace **ws)
{
    struct head_wait wait;
    /* A fiber that has just taken the connection up has been told that there is input. */
    if (c->phase == CONNECTION_HEAD)
        begin_head(c, &wait);
    else
        begin_waiting(c, &wait);
    for (;;) {
        if (c->in_pos == c->in_len) {
            enum dol_err err = await_input(c, wait.deadline_ns);
            if (err == DOL_ETIMEDOUT && !wait.begun) {
                if (connection_input_is_empty(c))
                    return HEAD_NOTHING;
                begin_head(c, &wait); /* a part of a TLS record */
                continue;
            }
            if (err != DOL_OK)
                return head_failed(c, *ws, err);
        }
        if (*ws == NULL)
            *ws = take_workspace(c);
        if (*ws == NULL)
            return HEAD_END;
        if (!wait.begun)
            begin_head(c, &wait);
        size_t consumed = 0;
        struct bytes body;
        enum http1_event ev = http1_feed(&(*ws)->parser, c->in + c->in_pos, c->in_len - c->in_pos, &consumed, &body);
        c->in_pos += consumed;
        if (ev == HTTP1_EV_HEAD)
            return HEAD_COMPLETE;
        if (ev == HTTP1_EV_ERROR)
            return head_malformed(c, *ws);
    }
}

/* ---- life ---- */

enum step { STEP_NEXT, STEP_REST, STEP_END };

/* One request. */
static enum step step(struct connection *c)
{
    struct workspace *ws = NULL;
    enum step result = STEP_END;
    switch (read_head(c, &ws)) {
    case HEAD_COMPLETE:
        if (c->admission == CONNECTION_REFUSED && !is_exempt(c, &ws->parser.head))
            refuse(c, ws, 503, "SlowDown", "Too many connections. Please reduce your request rate.");
        else if (serve(c, ws))
            result = STEP_NEXT;
        break;
    case HEAD_NOTHING:
        result = STEP_REST;
        break;
    case HEAD_REFUSED:
    case HEAD_END:
        break;
    }
    return_workspace(c, ws);
    return result;
}

static void refuse_plain(struct connection *c)
{
    struct workspace *ws = take_workspace(c);
    if (ws != NULL)
        refuse(c, ws, 400, "InvalidRequest", "This port speaks TLS only: use https.");
    return_workspace(c, ws);
}

/* What one fiber does for the connection: from input that is there until nothing more comes. */
static enum step work(struct connection *c)
{
    enum step next = STEP_NEXT;
    bool opening = c->service->tls != NULL && c->tls == NULL;
    c->since_ns = clock_monotonic_ns();
    if (!connection_buffers_take(c))
        return STEP_END;
    if (opening) {
        c->phase = CONNECTION_HANDSHAKE;
        switch (connection_open_tls(c)) {
        case CONNECTION_OPEN_DONE:
            c->phase = CONNECTION_IDLE;
            break;
        case CONNECTION_OPEN_PLAIN:
            refuse_plain(c);
            return STEP_END;
        case CONNECTION_OPEN_FAILED:
            return STEP_END;
        }
    }
    while (next == STEP_NEXT)
        next = step(c);
    return next;
}

static void wake(struct net_watch *watch)
{
    struct connection *c = container_of(watch, struct connection, watch);
    dol_assert_magic(c, CONNECTION_MAGIC);
    c->phase = CONNECTION_READY;
    c->deadline_ns = 0;
    list_push_back(&c->loop->line, &c->line);
    connection_run_line(c->loop);
}

static void rest(struct connection *c, uint64_t timeout_ns)
{
    c->phase = CONNECTION_RESTING;
    c->deadline_ns = clock_monotonic_ns() + timeout_ns;
    net_watch_start(&c->watch, c->fd, wake);
}

static void end(struct connection *c)
{
    struct server_loop *loop = c->loop;
    connection_stream_close(c);
    list_remove(&c->link);
    if (c->admission == CONNECTION_REFUSED)
        loop->refusal_count--;
    else
        __atomic_fetch_sub(&loop->server->connection_count, 1, __ATOMIC_RELAXED);
    server_count(&loop->stats.active, -1);
    c->magic = 0;
    free(c);
    if (server_is_stopping(loop->server))
        fiber_wake(loop->keeper);
}

static void connection_fiber(void *arg)
{
    struct connection *c = arg;
    struct server_loop *loop = c->loop;
    uint8_t small[SERVER_SMALL_BUFFER_BYTES];
    dol_assert_magic(c, CONNECTION_MAGIC);

    c->small = small;
    c->in = small;
    c->in_pos = c->in_len = 0;
    c->phase = CONNECTION_HEAD;
    if (work(c) == STEP_REST) {
        connection_buffers_return(c);
        c->small = NULL;
        c->in = NULL;
        rest(c, loop->server->limits.idle_timeout_ns);
    } else {
        end(c);
    }
    loop->fibers--;
    server_count(&loop->stats.fibers, -1);
    connection_run_line(loop);
}

void connection_run_line(struct server_loop *loop)
{
    while (!list_is_empty(&loop->line) && loop->fibers < loop->server->limits.fibers_max) {
        struct connection *c = container_of(loop->line.next, struct connection, line);
        if (runtime_spawn(loop->server->runtime, loop->index, connection_fiber, c, "connection") != DOL_OK)
            return; /* the keeper comes back to it */
        list_remove(&c->line);
        c->phase = CONNECTION_HEAD;
        c->since_ns = clock_monotonic_ns();
        c->cancelled = false; /* what was cancelled sees the end of its input */
        loop->fibers++;
        server_count(&loop->stats.fibers, 1);
    }
}

void connection_cancel(struct connection *c)
{
    if (c->cancelled)
        return;
    c->cancelled = true;
    /* One that rests can still say goodbye: it only sees the end of its input. */
    if (c->phase == CONNECTION_RESTING || c->phase == CONNECTION_READY)
        (void)shutdown(c->fd, SHUT_RD);
    else
        net_cancel(c->fd);
}

void connection_start(struct server_loop *loop, const struct listener *listener, int fd, const char *peer,
                      enum connection_admission admission)
{
    const struct server_limits *limits = &loop->server->limits;
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        server_count(&loop->stats.refused, 1);
        if (admission == CONNECTION_ADMITTED)
            __atomic_fetch_sub(&loop->server->connection_count, 1, __ATOMIC_RELAXED);
        net_close(fd);
        return;
    }
    c->magic = CONNECTION_MAGIC;
    c->loop = loop;
    c->service = &listener->service;
    c->fd = fd;
    c->admission = admission;
    memcpy(c->peer, peer, sizeof c->peer);
    list_push_back(&loop->connections, &c->link);
    if (admission == CONNECTION_REFUSED)
        loop->refusal_count++;
    server_count(&loop->stats.active, 1);
    rest(c, c->service->tls != NULL ? limits->handshake_timeout_ns : limits->head_timeout_ns);
}
