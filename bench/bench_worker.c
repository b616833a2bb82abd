/* Chooses the next operation, runs it, books it. */
#include "bench_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_http.h"

/* Consecutive lost connections after which a worker gives up: the server is gone. */
#define LOST_IN_A_ROW_MAX 100u
#define LOST_PAUSE_NS     20000000L
#define DELETE_PERCENT    20u
#define CHURN_GET_PERCENT 20u
/* Contents that workers share in BENCH_CHURN when duplicates are asked for. */
#define SHARED_CONTENTS 32u

uint64_t bench_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static uint64_t next_chance(struct bench_worker *w)
{
    /* xorshift64: choices only, not data */
    w->chance ^= w->chance << 13;
    w->chance ^= w->chance >> 7;
    w->chance ^= w->chance << 17;
    return w->chance;
}

static void count_error(struct bench_worker *w, const char *name)
{
    for (unsigned i = 0; i < BENCH_ERROR_KINDS_MAX; i++) {
        struct bench_error_count *e = &w->errors[i];
        if (e->count == 0)
            snprintf(e->name, sizeof e->name, "%s", name);
        if (strcmp(e->name, name) == 0) {
            e->count++;
            return;
        }
    }
    w->errors[BENCH_ERROR_KINDS_MAX - 1].count++;
}

/* "begin SHA256 SIZE KEY" before, "acked SHA256 SIZE KEY" after; a delete has "deleted" for SHA256. */
static void journal(const struct bench_worker *w, const char *what, const char *sha256, uint64_t size, const char *key)
{
    char line[BENCH_KEY_MAX + 128];
    if (w->run->journal_fd < 0)
        return;
    int len = snprintf(line, sizeof line, "%s %s %llu %s\n", what, sha256, (unsigned long long)size, key);
    if (len < 0 || write(w->run->journal_fd, line, (size_t)len) != len) {
        fputs("dolmen-bench: the journal cannot be written\n", stderr);
        exit(1);
    }
}

struct operation {
    enum bench_verb verb;
    uint64_t object;
    struct bench_content content; /* of a put, or what a get has to bring */
    bool check;                   /* content is known: compare */
    char key[BENCH_KEY_MAX + 1];
};

/* One operation, booked. BENCH_LOST: the connection is gone, nothing is known. */
static enum bench_outcome perform(struct bench_worker *w, struct bench_http *http, const struct operation *op)
{
    static const char *const methods[BENCH_VERBS] = {"PUT", "GET", "DELETE"};
    char path[BENCH_PATH_MAX];
    char sha256[65] = "deleted";
    struct bench_response response;
    bool is_change = op->verb != BENCH_VERB_GET;
    bool may_miss = w->run->options->mode == BENCH_CHURN && !is_change;

    bench_path_of(w->run->options->bucket, op->key, path);
    if (w->run->journal_fd >= 0 && is_change) {
        if (op->verb == BENCH_VERB_PUT)
            bench_content_sha256(&op->content, sha256);
        /* a refused connection is no attempt */
        if (!bench_http_connect(http)) {
            count_error(w, "connection lost");
            return BENCH_LOST;
        }
        journal(w, "begin", sha256, op->content.size, op->key);
    }
    uint64_t begin_ns = bench_now_ns();
    enum bench_outcome outcome =
        bench_http_request(http, methods[op->verb], path, op->verb == BENCH_VERB_PUT ? &op->content : NULL,
                           op->verb == BENCH_VERB_GET && op->check ? &op->content : NULL, &response);
    uint64_t took_us = (bench_now_ns() - begin_ns) / 1000;

    if (outcome == BENCH_LOST) {
        count_error(w, "connection lost");
    } else if (outcome == BENCH_MISMATCH) {
        w->mismatches++;
        fprintf(stderr, "dolmen-bench: %s: other bytes than were put\n", op->key);
    } else if (response.status >= 300 && !(may_miss && response.status == 404)) {
        char name[48];
        snprintf(name, sizeof name, "%u %s", response.status % 1000, response.error_code);
        count_error(w, name);
    } else {
        struct bench_tally *t = &w->tallies[op->verb];
        t->operations++;
        t->bytes += op->verb == BENCH_VERB_PUT ? op->content.size : response.body_len;
        latency_add(&t->latency, took_us);
        if (op->verb == BENCH_VERB_PUT)
            w->put[w->put_count++ % BENCH_REMEMBERED_MAX] = op->object;
        if (is_change)
            journal(w, "acked", sha256, op->content.size, op->key);
    }
    return outcome;
}

static void put_new(struct bench_run *run, uint64_t object, struct operation *op)
{
    op->verb = BENCH_VERB_PUT;
    op->object = object;
    op->content = bench_content_of(run->payload, bench_original_of(run->options, object));
    bench_key_of(run->payload, object, op->key);
}

static void get_old(struct bench_worker *w, uint64_t object, struct operation *op)
{
    op->verb = BENCH_VERB_GET;
    op->content = bench_content_of(w->run->payload, bench_original_of(w->run->options, object));
    op->check = w->run->options->verify;
    bench_key_of(w->run->payload, object, op->key);
}

/* Contents that aren't shared never repeat over a worker's life: what a key holds tells which put it came from. */
static void churn(struct bench_worker *w, uint64_t turn, struct operation *op)
{
    const struct bench_options *o = w->run->options;
    uint64_t chance = next_chance(w);
    snprintf(op->key, sizeof op->key, "%sw%u/%llu", o->prefix, w->number,
             (unsigned long long)(chance >> 32) % o->slots);
    unsigned percent = (unsigned)(chance % 100);
    if (percent < DELETE_PERCENT) {
        op->verb = BENCH_VERB_DELETE;
        op->content = (struct bench_content){.size = 0};
    } else if (percent < DELETE_PERCENT + CHURN_GET_PERCENT) {
        op->verb = BENCH_VERB_GET;
    } else {
        op->verb = BENCH_VERB_PUT;
        bool shared = (chance >> 8) % 100 < o->duplicates_percent;
        uint64_t unique = ((uint64_t)w->number << 40) + SHARED_CONTENTS + turn;
        op->content = bench_content_of(w->run->payload, shared ? (chance >> 16) % SHARED_CONTENTS : unique);
    }
}

/* false: the run is over. */
static bool choose(struct bench_worker *w, uint64_t turn, struct operation *op)
{
    struct bench_run *run = w->run;
    const struct bench_options *o = run->options;
    *op = (struct operation){.verb = BENCH_VERB_PUT};
    if (atomic_load(&run->stop) || bench_now_ns() >= run->end_ns)
        return false;
    if (o->mode == BENCH_CHURN) {
        churn(w, turn, op);
        return o->objects == 0 || atomic_fetch_add(&run->next_object, 1) < o->objects;
    }
    if (o->mode == BENCH_GET) {
        get_old(w, next_chance(w) % (o->objects != 0 ? o->objects : run->payload->file_count), op);
        return o->seconds != 0 || atomic_fetch_add(&run->next_object, 1) < o->objects;
    }
    if (o->mode == BENCH_MIX && w->put_count > 0 && next_chance(w) % 100 < o->get_percent) {
        uint64_t kept = w->put_count < BENCH_REMEMBERED_MAX ? w->put_count : BENCH_REMEMBERED_MAX;
        get_old(w, w->put[next_chance(w) % kept], op);
        return true;
    }
    uint64_t object = atomic_fetch_add(&run->next_object, 1);
    put_new(run, object, op);
    return o->objects == 0 || object < o->objects;
}

void *bench_worker_run(void *arg)
{
    struct bench_worker *w = arg;
    struct bench_run *run = w->run;
    struct bench_http *http = malloc(sizeof *http);
    struct operation *op = malloc(sizeof *op);
    if (http == NULL || op == NULL || !bench_http_init(http, run->options)) {
        fputs("dolmen-bench: out of memory\n", stderr);
        exit(1);
    }
    w->chance = (run->options->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + w->number + 1;
    unsigned lost = 0;
    for (uint64_t turn = 0; lost < LOST_IN_A_ROW_MAX && choose(w, turn, op); turn++) {
        enum bench_outcome outcome = perform(w, http, op);
        lost = outcome == BENCH_LOST ? lost + 1 : 0;
        if (outcome == BENCH_LOST && run->options->on_error == BENCH_STOP_ON_ERROR)
            atomic_store(&run->stop, true);
        else if (outcome == BENCH_LOST)
            nanosleep(&(struct timespec){.tv_nsec = LOST_PAUSE_NS}, NULL);
    }
    bench_http_fini(http);
    free(http);
    free(op);
    return NULL;
}
