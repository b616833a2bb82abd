/*
 * A worker: what one connection does next. Workers share the counter of the next object and the stop flag (atomics).
 * A worker's choices depend on the seed, its number and what it has done; not on the others, but for the numbers of new
 * objects.
 */
#ifndef DOL_BENCH_WORKER_H
#define DOL_BENCH_WORKER_H

#include <stdatomic.h>

#include "bench_payload.h"

#define BENCH_REMEMBERED_MAX 1024u

struct bench_run {
    const struct bench_options *options;
    const struct bench_payload *payload;
    int journal_fd; /* -1: none */
    /* Monotonic. Measured is what ends in [begin_ns, end_ns); nothing begins after end_ns, UINT64_MAX: by number of
     * objects. */
    uint64_t begin_ns, end_ns;
    _Atomic uint64_t next_object;
    atomic_bool stop;
};

struct bench_operation {
    enum bench_verb verb;
    uint64_t object;
    struct bench_content content; /* of a put, or what a get has to bring */
    bool check;                   /* content is known: compare */
    char key[BENCH_KEY_MAX + 1];  /* of a list: where it starts */
};

struct bench_worker {
    struct bench_run *run; /* shared, outlives the worker */
    unsigned number;
    uint64_t chance; /* state of the worker's own generator */
    uint64_t turn;
    uint64_t put[BENCH_REMEMBERED_MAX]; /* objects this worker has put and not deleted: BENCH_MIX works on them */
    unsigned put_count;
};

uint64_t bench_now_ns(void);

void bench_worker_init(struct bench_worker *w, struct bench_run *run, unsigned number);
/* The next operation; false: the run is over. */
bool bench_worker_choose(struct bench_worker *w, uint64_t now_ns, struct bench_operation *op);
/* The operation has succeeded. */
void bench_worker_done(struct bench_worker *w, const struct bench_operation *op);

#endif
