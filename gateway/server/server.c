/*
 * The server as a whole: start, stop, and each loop's keeper.
 *
 * Stopping: `stopping` is raised, each keeper is woken. It cancels its loop's listening sockets and the connections
 * that have no request in progress; each ending fiber wakes it again; past stop_deadline_ns it cancels all. When
 * nothing of the loop is left it reports under the mutex and ends.
 */
#include "connection.h"
#include "dol_assert.h"
#include "log.h"
#include <dolmen/net.h>

#include <stdlib.h>

enum dol_err server_new(const struct server_config *config, struct server **out)
{
    unsigned loop_count = runtime_loops(config->runtime);
    dol_assert(loop_count <= SERVER_LOOPS_MAX);
    struct server *s = calloc(1, sizeof *s + loop_count * sizeof s->loops[0]);
    if (s == NULL)
        return DOL_ENOMEM;
    s->runtime = config->runtime;
    s->limits = config->limits;
    s->loop_count = loop_count;
    pthread_mutex_init(&s->mutex, NULL);
    random_fill(s->instance, sizeof s->instance);
    for (unsigned i = 0; i < loop_count; i++) {
        struct server_loop *loop = &s->loops[i];
        loop->server = s;
        loop->index = i;
        loop->ids_used = sizeof loop->ids;
        list_init(&loop->connections);
        list_init(&loop->line);
        waitq_init(&loop->turn_line);
        gate_init(&loop->handshakes, SERVER_HANDSHAKES_MAX);
        workspace_pool_init(&loop->pool, &s->limits);
        for (unsigned j = 0; j < SERVER_LISTENERS_MAX; j++)
            loop->listeners[j].fd = -1;
    }
    *out = s;
    return DOL_OK;
}

void server_free(struct server *s)
{
    dol_assert(s->loops_running == 0);
    for (unsigned i = 0; i < s->loop_count; i++) {
        struct server_loop *loop = &s->loops[i];
        for (unsigned j = 0; j < SERVER_LISTENERS_MAX; j++)
            if (loop->listeners[j].fd >= 0)
                net_close(loop->listeners[j].fd);
        workspace_pool_fini(&loop->pool);
    }
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

enum dol_err server_start(struct server *s)
{
    s->started = true;
    for (unsigned i = 0; i < s->loop_count; i++) {
        pthread_mutex_lock(&s->mutex);
        s->loops_running++;
        pthread_mutex_unlock(&s->mutex);
        enum dol_err err = runtime_spawn(s->runtime, i, keeper_fiber, &s->loops[i], "server keeper");
        if (err != DOL_OK) {
            pthread_mutex_lock(&s->mutex);
            s->loops_running--;
            pthread_mutex_unlock(&s->mutex);
            return err;
        }
    }
    return DOL_OK;
}

bool server_is_stopping(const struct server *s)
{
    return __atomic_load_n(&s->stopping, __ATOMIC_ACQUIRE);
}

void server_stop(struct server *s)
{
    struct waiter w;
    pthread_mutex_lock(&s->mutex);
    s->stop_deadline_ns = clock_monotonic_ns() + s->limits.stop_timeout_ns;
    __atomic_store_n(&s->stopping, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < s->loop_count; i++)
        if (s->loops[i].keeper != NULL)
            fiber_wake(s->loops[i].keeper);
    while (s->loops_running > 0) {
        waiter_enlist(&s->stopped, &w);
        pthread_mutex_unlock(&s->mutex);
        waiter_wait(&w);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
}

/* ---- keeper ---- */

/* Handshakes and heads that aren't getting anywhere while others wait for a fiber. */
static bool is_in_the_way(const struct connection *c, uint64_t now_ns)
{
    return (c->phase == CONNECTION_HANDSHAKE || c->phase == CONNECTION_HEAD) &&
           now_ns - c->since_ns > c->loop->server->limits.hurry_ns;
}

static void sweep(struct server_loop *loop, uint64_t now_ns)
{
    bool stopping = server_is_stopping(loop->server);
    bool cut = stopping && now_ns >= loop->server->stop_deadline_ns;
    bool crowded = !list_is_empty(&loop->line);
    list_for_each(pos, &loop->connections)
    {
        struct connection *c = container_of(pos, struct connection, link);
        dol_assert_magic(c, CONNECTION_MAGIC);
        if ((c->deadline_ns != 0 && now_ns > c->deadline_ns) || cut || (stopping && c->phase != CONNECTION_EXCHANGE)) {
            connection_cancel(c);
        } else if (crowded && is_in_the_way(c, now_ns)) {
            server_count(&loop->stats.timed_out, 1);
            connection_cancel(c);
        }
    }
    connection_run_line(loop);
}

static void start_accepting(struct server_loop *loop, struct accept_args args[SERVER_LISTENERS_MAX])
{
    for (unsigned i = 0; i < loop->server->listener_count; i++) {
        struct listener *l = &loop->listeners[i];
        if (l->fd < 0)
            continue;
        args[i] = (struct accept_args){loop, l};
        while (l->acceptors < SERVER_ACCEPTORS && fiber_spawn(listen_accept_fiber, &args[i], "accept") == DOL_OK) {
            l->acceptors++;
            loop->acceptors++;
        }
        if (l->acceptors == 0)
            log_error("http", "loop %u cannot accept connections: too many fibers", loop->index);
    }
}

void keeper_fiber(void *arg)
{
    struct server_loop *loop = arg;
    struct server *s = loop->server;
    struct accept_args args[SERVER_LISTENERS_MAX];
    bool cancelled = false;

    pthread_mutex_lock(&s->mutex);
    loop->keeper = fiber_self();
    pthread_mutex_unlock(&s->mutex);
    start_accepting(loop, args);
    for (;;) {
        bool stopping = server_is_stopping(s);
        if (stopping && !cancelled) {
            cancelled = true;
            for (unsigned i = 0; i < SERVER_LISTENERS_MAX; i++)
                if (loop->listeners[i].fd >= 0)
                    net_cancel(loop->listeners[i].fd);
        }
        sweep(loop, clock_monotonic_ns());
        if (stopping && loop->acceptors == 0 && list_is_empty(&loop->connections))
            break;
        (void)fiber_park_until(clock_monotonic_ns() + s->limits.sweep_ns);
    }
    pthread_mutex_lock(&s->mutex);
    loop->keeper = NULL;
    s->loops_running--;
    waiter_list_wake_all(&s->stopped);
    pthread_mutex_unlock(&s->mutex);
}

/* ---- small things each loop makes ---- */

const char *server_loop_date(struct server_loop *loop)
{
    int64_t now_s = clock_realtime_ns() / (int64_t)SERVER_SECOND_NS;
    if (now_s != loop->date_s || loop->date[0] == '\0') {
        loop->date_s = now_s;
        http_date_format(now_s, loop->date);
    }
    return loop->date;
}

void server_loop_request_id(struct server_loop *loop, uint8_t id[REQUEST_ID_BYTES])
{
    if (loop->ids_used == sizeof loop->ids) {
        random_fill(loop->ids, sizeof loop->ids);
        loop->ids_used = 0;
    }
    memcpy(id, loop->ids + loop->ids_used, REQUEST_ID_BYTES);
    loop->ids_used += REQUEST_ID_BYTES;
}

/* ---- figures ---- */

void server_stats_get(const struct server *s, struct server_stats *out)
{
    *out = (struct server_stats){0};
    for (unsigned i = 0; i < s->listener_count; i++)
        if (s->loops[0].listeners[i].service.tls != NULL)
            out->tls_expires_s = tls_config_expires_s(s->loops[0].listeners[i].service.tls);
    for (unsigned i = 0; i < s->loop_count; i++) {
        const struct server_stats *from = &s->loops[i].stats;
        out->accepted += __atomic_load_n(&from->accepted, __ATOMIC_RELAXED);
        out->active += __atomic_load_n(&from->active, __ATOMIC_RELAXED);
        out->refused += __atomic_load_n(&from->refused, __ATOMIC_RELAXED);
        out->timed_out += __atomic_load_n(&from->timed_out, __ATOMIC_RELAXED);
        out->malformed += __atomic_load_n(&from->malformed, __ATOMIC_RELAXED);
        out->accept_errors += __atomic_load_n(&from->accept_errors, __ATOMIC_RELAXED);
        out->slowed += __atomic_load_n(&from->slowed, __ATOMIC_RELAXED);
        out->tls_1_2 += __atomic_load_n(&from->tls_1_2, __ATOMIC_RELAXED);
        out->tls_1_3 += __atomic_load_n(&from->tls_1_3, __ATOMIC_RELAXED);
        out->tls_resumed += __atomic_load_n(&from->tls_resumed, __ATOMIC_RELAXED);
        out->tls_failed += __atomic_load_n(&from->tls_failed, __ATOMIC_RELAXED);
        out->fibers += __atomic_load_n(&from->fibers, __ATOMIC_RELAXED);
        out->workspaces += __atomic_load_n(&from->workspaces, __ATOMIC_RELAXED);
        out->tls_buffers += __atomic_load_n(&from->tls_buffers, __ATOMIC_RELAXED);
        out->requests += __atomic_load_n(&from->requests, __ATOMIC_RELAXED);
    }
}

void server_request_metrics_get(const struct server *s, struct request_metrics *out)
{
    for (unsigned i = 0; i < s->loop_count; i++)
        request_metrics_add(out, &s->loops[i].requests);
}
