/* What was done and how long it took: counts and latencies by verb, errors by what the server said. One per thread,
 * merged at the end. */
#ifndef DOL_BENCH_TALLY_H
#define DOL_BENCH_TALLY_H

#include "bench_latency.h"
#include "bench_verb.h"

#define BENCH_ERROR_KINDS_MAX 16u
#define BENCH_LOST_NAME       "connection lost"

struct bench_tally {
    uint64_t operations; /* that ended within the measured time */
    uint64_t bytes;      /* of their bodies */
    struct latency latency;
};

struct bench_error_count {
    char name[48]; /* "503 SlowDown", "connection lost" */
    uint64_t count;
};

struct bench_tallies {
    struct bench_tally verbs[BENCH_VERBS];
    struct bench_error_count errors[BENCH_ERROR_KINDS_MAX]; /* the last one also takes what has no place of its own */
    uint64_t error_count;
    uint64_t mismatches;
    uint64_t succeeded; /* operations at any time of the run */
    uint64_t backlog;   /* with a rate: operations that were due at the end and had not begun */
};

void bench_tallies_count_error(struct bench_tallies *t, const char *name, uint64_t count);
void bench_tallies_merge(struct bench_tallies *into, const struct bench_tallies *from);

#endif
