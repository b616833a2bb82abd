/*
 * One worker: a thread with a connection that puts, gets or churns until the run ends. Workers share the counter of the
 * next object and the stop flag (atomics), and the journal (one write(2) a line to a file opened with O_APPEND, which
 * the kernel keeps whole).
 */
#ifndef DOL_BENCH_WORKER_H
#define DOL_BENCH_WORKER_H

#include <stdatomic.h>

#include "bench_latency.h"
#include "bench_payload.h"

#define BENCH_ERROR_KINDS_MAX 16u
#define BENCH_REMEMBERED_MAX  1024u

enum bench_verb { BENCH_VERB_PUT, BENCH_VERB_GET, BENCH_VERB_DELETE, BENCH_VERBS };

struct bench_tally {
    uint64_t operations;
    uint64_t bytes;
    struct latency latency;
};

struct bench_error_count {
    char name[48]; /* "503 SlowDown", "connection lost" */
    uint64_t count;
};

struct bench_run {
    const struct bench_options *options;
    const struct bench_payload *payload;
    int journal_fd;  /* -1: none */
    uint64_t end_ns; /* monotonic; UINT64_MAX: by number of objects */
    _Atomic uint64_t next_object;
    atomic_bool stop;
};

struct bench_worker {
    struct bench_run *run; /* shared, outlives the worker */
    unsigned number;
    uint64_t chance; /* state of the worker's own generator */
    struct bench_tally tallies[BENCH_VERBS];
    struct bench_error_count errors[BENCH_ERROR_KINDS_MAX];
    uint64_t mismatches;
    uint64_t put[BENCH_REMEMBERED_MAX]; /* objects this worker has put, the newest ones: BENCH_MIX gets them */
    uint64_t put_count;
};

uint64_t bench_now_ns(void);
/* Thread body; arg is a struct bench_worker. */
void *bench_worker_run(void *arg);

#endif
