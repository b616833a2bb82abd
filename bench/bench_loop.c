/*
 * Each turn: give operations to idle workers, wait for epoll, step the connections it names. A worker is in one place:
 * idle (on the stack), busy (connecting or with a request), paused (its connection was lost a moment ago) or gone (the
 * server is).
 */
#include "bench_loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
/* Consecutive lost connections after which a worker gives up: the server is gone. */
#define LOST_IN_A_ROW_MAX 100u
#define LOST_PAUSE_NS     (20 * UINT64_C(1000000))
/* Other threads' stop flag and the deadlines are looked at this often. */
#define TICK_NS    (100 * UINT64_C(1000000))
#define EVENTS_MAX 64

enum slot_state { SLOT_IDLE, SLOT_BUSY, SLOT_PAUSED, SLOT_GONE };

struct bench_slot {
    enum slot_state state;
    struct bench_worker worker;
    struct bench_conn conn;
    struct bench_operation op;
    uint64_t since_ns; /* latency counts from here */
    uint64_t resume_ns;
    unsigned lost_in_a_row;
    char sha256[65]; /* of the change in progress, for the journal */
};

static bool is_change(const struct bench_operation *op)
{
    return op->verb == BENCH_VERB_PUT || op->verb == BENCH_VERB_DELETE;
}

/* "begin SHA256 SIZE KEY" before, "acked SHA256 SIZE KEY" after; a delete has "deleted" for SHA256. One write(2) a line
 * to a file opened with O_APPEND, which the kernel keeps whole. */
static void journal(const struct bench_loop *loop, const char *what, const struct bench_slot *s)
{
    char line[BENCH_KEY_MAX + 128];
    int fd = loop->run->journal_fd;
    if (fd < 0 || !is_change(&s->op))
        return;
    int len = snprintf(line, sizeof line, "%s %s %llu %s\n", what, s->sha256, (unsigned long long)s->op.content.size,
                       s->op.key);
    if (len < 0 || write(fd, line, (size_t)len) != len) {
        fputs("dolmen-bench: the journal cannot be written\n", stderr);
        exit(2);
    }
}

/* ---- places ---- */

static void become_idle(struct bench_loop *loop, struct bench_slot *s)
{
    s->state = SLOT_IDLE;
    loop->idle[loop->idle_count++] = s;
}

static void become_paused_or_gone(struct bench_loop *loop, struct bench_slot *s)
{
    loop->busy_count--;
    if (++s->lost_in_a_row >= LOST_IN_A_ROW_MAX) {
        s->state = SLOT_GONE;
        loop->gone_count++;
        return;
    }
    s->state = SLOT_PAUSED;
    s->resume_ns = loop->io.now_ns + LOST_PAUSE_NS;
    loop->paused_count++;
}

/* ---- booking ---- */

static void book_success(struct bench_loop *loop, struct bench_slot *s)
{
    struct bench_tally *t = &loop->tallies.verbs[s->op.verb];
    uint64_t now = loop->io.now_ns;
    loop->tallies.succeeded++;
    bench_worker_done(&s->worker, &s->op);
    journal(loop, "acked", s);
    if (now < loop->run->begin_ns)
        return;
    latency_add(&t->latency, (now - s->since_ns) / 1000);
    if (now >= loop->run->end_ns)
        return;
    t->operations++;
    t->bytes += s->op.verb == BENCH_VERB_PUT ? s->op.content.size : s->conn.response.body_len;
}

static void book_answer(struct bench_loop *loop, struct bench_slot *s)
{
    const struct bench_response *r = &s->conn.response;
    bool may_miss = loop->run->options->mode == BENCH_CHURN && s->op.verb == BENCH_VERB_GET;
    if (r->status < 300 || (may_miss && r->status == 404)) {
        book_success(loop, s);
        return;
    }
    char name[48];
    snprintf(name, sizeof name, "%u %s", r->status % 1000, r->error_code);
    bench_tallies_count_error(&loop->tallies, name, 1);
}

static void book(struct bench_loop *loop, struct bench_slot *s, enum bench_progress progress)
{
    if (progress == BENCH_LOST) {
        bench_tallies_count_error(&loop->tallies, BENCH_LOST_NAME, 1);
        if (loop->run->options->on_error == BENCH_STOP_ON_ERROR)
            atomic_store(&loop->run->stop, true);
        become_paused_or_gone(loop, s);
        return;
    }
    if (progress == BENCH_MISMATCH) {
        loop->tallies.mismatches++;
        fprintf(stderr, "dolmen-bench: %s: other bytes than were put\n", s->op.key);
    } else {
        book_answer(loop, s);
    }
    s->lost_in_a_row = 0;
    loop->busy_count--;
    become_idle(loop, s);
}

/* ---- operations ---- */

/* Query of a page of the listing that begins behind the operation's key. Its names are in order. */
static void list_query(const struct bench_options *o, const char *key, char query[BENCH_QUERY_MAX])
{
    char prefix[BENCH_PATH_MAX], start[BENCH_PATH_MAX];
    bench_query_value(o->prefix, prefix);
    bench_query_value(key, start);
    snprintf(query, BENCH_QUERY_MAX, "list-type=2&prefix=%s&start-after=%s", prefix, start);
}

/* The connection is ready: the request begins. What costs the client time (keys, signature, hash of the body) comes
 * before the clock starts. */
static void begin_request(struct bench_loop *loop, struct bench_slot *s)
{
    const struct bench_options *o = loop->run->options;
    char path[BENCH_PATH_MAX];
    char query[BENCH_QUERY_MAX] = "";
    const struct bench_content *body = s->op.verb == BENCH_VERB_PUT ? &s->op.content : NULL;
    bench_path_of(o->bucket, s->op.verb == BENCH_VERB_LIST ? "" : s->op.key, path);
    if (s->op.verb == BENCH_VERB_LIST)
        list_query(o, s->op.key, query);
    const struct bench_request request = {.verb = s->op.verb, .path = path, .query = query, .body = body};
    size_t head_len = bench_http_head(&loop->signer, &request, s->conn.head_out, BENCH_REQUEST_HEAD_MAX);
    if (head_len == 0) {
        fprintf(stderr, "dolmen-bench: %s: too long a key\n", s->op.key);
        exit(2);
    }
    if (loop->run->journal_fd >= 0 && is_change(&s->op)) {
        snprintf(s->sha256, sizeof s->sha256, "deleted");
        if (body != NULL)
            bench_content_sha256(body, s->sha256);
        journal(loop, "begin", s);
    }
    loop->io.now_ns = bench_now_ns();
    if (loop->rate == 0)
        s->since_ns = loop->io.now_ns;
    bench_conn_begin(&loop->io, &s->conn, s->op.verb, head_len, body, s->op.check ? &s->op.content : NULL);
}

/* Steps the connection until it waits or the operation has ended. */
static void advance(struct bench_loop *loop, struct bench_slot *s, uint32_t events)
{
    enum bench_progress progress = bench_conn_step(&loop->io, &s->conn, events);
    if (progress == BENCH_OPENED && s->state == SLOT_BUSY) {
        if (atomic_load(&loop->run->stop)) {
            loop->busy_count--;
            become_idle(loop, s);
            return;
        }
        begin_request(loop, s);
        progress = bench_conn_step(&loop->io, &s->conn, 0);
    }
    if (progress == BENCH_ANSWERED || progress == BENCH_MISMATCH || progress == BENCH_LOST) {
        loop->io.now_ns = bench_now_ns();
        book(loop, s, progress);
    }
}

static void begin_operation(struct bench_loop *loop, struct bench_slot *s)
{
    s->state = SLOT_BUSY;
    loop->busy_count++;
    s->since_ns = loop->due_ns;
    if (s->conn.state == BENCH_CONN_READY) {
        begin_request(loop, s);
        advance(loop, s, 0);
    } else if (!bench_conn_open(&loop->io, &s->conn, 0)) {
        book(loop, s, BENCH_LOST);
    }
}

/* ---- when ---- */

/* Time between two arrivals of a Poisson process. */
static uint64_t next_interval_ns(struct bench_loop *loop)
{
    loop->rate_chance += UINT64_C(0x9e3779b97f4a7c15);
    double share = ((double)(bench_mix64(loop->rate_chance) >> 11) + 1.0) / 9007199254740993.0;
    return (uint64_t)(-log(share) / loop->rate * (double)NS_PER_S);
}

static void give_operations(struct bench_loop *loop)
{
    unsigned tries = loop->idle_count;
    while (!loop->over && loop->idle_count > 0 && tries-- > 0 && (loop->rate == 0 || loop->due_ns <= loop->io.now_ns)) {
        struct bench_slot *s = loop->idle[--loop->idle_count];
        if (!bench_worker_choose(&s->worker, loop->io.now_ns, &s->op)) {
            become_idle(loop, s);
            loop->over = true;
            return;
        }
        begin_operation(loop, s);
        if (loop->rate > 0)
            loop->due_ns += next_interval_ns(loop);
    }
}

static void resume_paused(struct bench_loop *loop)
{
    for (unsigned i = 0; i < loop->worker_count && loop->paused_count > 0; i++) {
        struct bench_slot *s = &loop->slots[i];
        if (s->state == SLOT_PAUSED && s->resume_ns <= loop->io.now_ns) {
            loop->paused_count--;
            become_idle(loop, s);
        }
    }
}

static void look_at_deadlines(struct bench_loop *loop)
{
    if (loop->io.now_ns - loop->checked_ns < TICK_NS)
        return;
    loop->checked_ns = loop->io.now_ns;
    for (unsigned i = 0; i < loop->worker_count; i++) {
        struct bench_slot *s = &loop->slots[i];
        if (s->state == SLOT_BUSY && s->conn.deadline_ns <= loop->io.now_ns) {
            bench_conn_close(&s->conn);
            book(loop, s, BENCH_LOST);
        }
    }
}

static void read_clocks(struct bench_loop *loop)
{
    struct bench_clock *c = loop->clock;
    if (c == NULL)
        return;
    if (!c->begin.taken && loop->io.now_ns >= loop->run->begin_ns)
        bench_clock_read(c, loop->io.now_ns, &c->begin);
    if (!c->end.taken && loop->io.now_ns >= loop->run->end_ns)
        bench_clock_read(c, loop->io.now_ns, &c->end);
}

static void sooner(uint64_t *at_ns, uint64_t other_ns)
{
    if (other_ns < *at_ns)
        *at_ns = other_ns;
}

static struct timespec time_to_wait(const struct bench_loop *loop)
{
    uint64_t now = loop->io.now_ns;
    uint64_t at_ns = now + (loop->paused_count > 0 ? LOST_PAUSE_NS : TICK_NS);
    if (loop->rate > 0 && loop->idle_count > 0 && !loop->over)
        sooner(&at_ns, loop->due_ns);
    if (now < loop->run->begin_ns)
        sooner(&at_ns, loop->run->begin_ns);
    if (now < loop->run->end_ns)
        sooner(&at_ns, loop->run->end_ns);
    uint64_t wait_ns = at_ns > now ? at_ns - now : 0;
    return (struct timespec){.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
}

static bool is_done(struct bench_loop *loop)
{
    if (atomic_load(&loop->run->stop) || loop->io.now_ns >= loop->run->end_ns)
        loop->over = true;
    return loop->busy_count == 0 && (loop->over || loop->gone_count == loop->worker_count);
}

static void drive(struct bench_loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    loop->io.now_ns = bench_now_ns();
    loop->due_ns = loop->io.now_ns;
    loop->checked_ns = loop->io.now_ns;
    for (;;) {
        read_clocks(loop);
        give_operations(loop);
        if (is_done(loop))
            break;
        struct timespec wait = time_to_wait(loop);
        bool more_to_give = loop->rate == 0 && loop->idle_count > 0 && !loop->over;
        if (more_to_give)
            wait = (struct timespec){.tv_sec = 0};
        int n = epoll_pwait2(loop->io.epoll_fd, events, EVENTS_MAX, &wait, NULL);
        loop->io.now_ns = bench_now_ns();
        for (int i = 0; i < n; i++)
            advance(loop, events[i].data.ptr, events[i].events);
        resume_paused(loop);
        look_at_deadlines(loop);
    }
    if (loop->rate > 0 && loop->due_ns < loop->run->end_ns && loop->run->end_ns != UINT64_MAX)
        loop->tallies.backlog = (uint64_t)((double)(loop->run->end_ns - loop->due_ns) / (double)NS_PER_S * loop->rate);
}

static bool make_slots(struct bench_loop *loop)
{
    loop->slots = calloc(loop->worker_count, sizeof *loop->slots);
    loop->idle = calloc(loop->worker_count, sizeof(struct bench_slot *));
    if (loop->slots == NULL || loop->idle == NULL)
        return false;
    for (unsigned i = 0; i < loop->worker_count; i++) {
        struct bench_slot *s = &loop->slots[i];
        bench_worker_init(&s->worker, loop->run, loop->first_worker + i);
        if (!bench_conn_init(&s->conn, s))
            return false;
        become_idle(loop, s);
    }
    return true;
}

void *bench_loop_run(void *arg)
{
    struct bench_loop *loop = arg;
    loop->rate_chance = bench_mix64(loop->run->options->seed + loop->first_worker);
    bench_signer_init(&loop->signer, loop->run->options);
    if (!bench_io_init(&loop->io, loop->run->options, loop->tls) || !make_slots(loop)) {
        loop->failed = true;
        atomic_store(&loop->run->stop, true);
    } else {
        drive(loop);
    }
    for (unsigned i = 0; loop->slots != NULL && i < loop->worker_count; i++)
        bench_conn_fini(&loop->slots[i].conn);
    free(loop->slots);
    free(loop->idle);
    bench_io_fini(&loop->io);
    return NULL;
}
