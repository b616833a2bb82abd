/* Small loops of their own over bench_conn. */
#include "bench_setup.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "bench_worker.h"

#define WAIT_MS 1000
/* Connections being opened at once: less than any server's backlog. */
#define OPENING_MAX 64u
/* One source address has 28,000 ports; the loopback network has more addresses. */
#define PORTS_PER_ADDRESS 20000u
#define EVENTS_MAX        64
#define SPARE_FILES       64u

/* ---- the bucket ---- */

static enum bench_progress put_bucket(struct bench_io *io, struct bench_conn *c, struct bench_signer *signer,
                                      const char *path)
{
    enum bench_progress progress = BENCH_WAITS;
    io->now_ns = bench_now_ns();
    if (!bench_conn_open(io, c, 0))
        return BENCH_LOST;
    while (progress == BENCH_WAITS && io->now_ns < c->deadline_ns) {
        struct epoll_event event;
        int n = epoll_wait(io->epoll_fd, &event, 1, WAIT_MS);
        io->now_ns = bench_now_ns();
        if (n == 1)
            progress = bench_conn_step(io, c, event.events);
        if (progress == BENCH_OPENED) {
            const struct bench_request request = {.verb = BENCH_VERB_PUT, .path = path, .query = ""};
            size_t len = bench_http_head(signer, &request, c->head_out, BENCH_REQUEST_HEAD_MAX);
            bench_conn_begin(io, c, BENCH_VERB_PUT, len, NULL, NULL);
            progress = bench_conn_step(io, c, 0);
        }
    }
    return progress;
}

bool bench_create_bucket(const struct bench_options *options, struct bench_tls *tls)
{
    struct bench_io io;
    struct bench_conn conn;
    struct bench_signer signer;
    char path[BENCH_PATH_MAX];
    if (!bench_io_init(&io, options, tls))
        return false;
    bench_signer_init(&signer, options);
    bench_path_of(options->bucket, "", path);
    bool ok = bench_conn_init(&conn, &conn) && put_bucket(&io, &conn, &signer, path) == BENCH_ANSWERED &&
              (conn.response.status == 200 || conn.response.status == 409);
    if (!ok)
        fprintf(stderr, "dolmen-bench: no bucket %s at %s:%u: status %u %s\n", options->bucket, options->host,
                (unsigned)options->port, conn.response.status, conn.response.error_code);
    bench_conn_fini(&conn);
    bench_io_fini(&io);
    return ok;
}

/* ---- idle connections ---- */

static bool allow_files(unsigned count)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)count + BENCH_WORKERS_MAX + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    if (limit.rlim_cur >= wanted)
        return true;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= (rlim_t)count + SPARE_FILES;
}

/* 127.0.0.1 for the first ones, then its neighbours; any address for a server that is elsewhere. */
static uint32_t source_of(const struct bench_options *options, unsigned number)
{
    if (strncmp(options->host, "127.", 4) != 0)
        return 0;
    return INADDR_LOOPBACK + number / PORTS_PER_ADDRESS;
}

/* Opens all, OPENING_MAX at a time. */
static void open_all(struct bench_io *io, struct bench_idle *idle)
{
    unsigned begun = 0;
    unsigned pending = 0;
    uint64_t deadline_ns = bench_now_ns() + BENCH_IO_TIMEOUT_NS;
    while (pending > 0 || begun < idle->count) {
        struct epoll_event events[EVENTS_MAX];
        io->now_ns = bench_now_ns();
        for (; begun < idle->count && pending < OPENING_MAX; begun++)
            pending += bench_conn_open(io, &idle->conns[begun], source_of(io->options, begun)) ? 1 : 0;
        int n = epoll_wait(io->epoll_fd, events, EVENTS_MAX, WAIT_MS);
        if (n > 0)
            deadline_ns = io->now_ns + BENCH_IO_TIMEOUT_NS;
        else if (io->now_ns > deadline_ns)
            return;
        for (int i = 0; i < n; i++) {
            struct bench_conn *c = events[i].data.ptr;
            bool was_opening = c->state == BENCH_CONN_CONNECTING || c->state == BENCH_CONN_HANDSHAKE;
            enum bench_progress progress = bench_conn_step(io, c, events[i].events);
            if (progress == BENCH_OPENED)
                idle->opened++;
            if (was_opening && progress != BENCH_WAITS)
                pending--;
        }
    }
}

bool bench_idle_open(struct bench_idle *idle, const struct bench_options *options, struct bench_tls *tls)
{
    struct bench_io io;
    *idle = (struct bench_idle){.count = options->idle};
    if (options->idle == 0)
        return true;
    if (!allow_files(options->idle)) {
        fputs("dolmen-bench: too few file descriptors for the idle connections: raise the limit (ulimit -n)\n", stderr);
        return false;
    }
    idle->conns = calloc(options->idle, sizeof *idle->conns);
    if (idle->conns == NULL || !bench_io_init(&io, options, tls))
        return false;
    for (unsigned i = 0; i < idle->count; i++) {
        idle->conns[i].fd = -1;
        idle->conns[i].owner = &idle->conns[i];
    }
    open_all(&io, idle);
    bench_io_fini(&io);
    return true;
}

unsigned bench_idle_alive(const struct bench_idle *idle)
{
    unsigned alive = 0;
    for (unsigned i = 0; i < idle->count; i++) {
        char byte;
        /* bytes may be there: a TLS server's session tickets */
        if (idle->conns[i].state == BENCH_CONN_READY && recv(idle->conns[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
            alive++;
    }
    return alive;
}

void bench_idle_close(struct bench_idle *idle)
{
    for (unsigned i = 0; i < idle->count && idle->conns != NULL; i++)
        bench_conn_close(&idle->conns[i]);
    free(idle->conns);
    *idle = (struct bench_idle){.count = 0};
}
