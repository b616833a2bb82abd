/*
 * Counts of requests by operation: results, latency, bytes. One struct per loop, written by that loop alone and read by
 * any thread: counters are relaxed atomics, and a row is published by storing its name last. Bounded: operations beyond
 * the maximum are counted under "other", error codes likewise.
 */
#ifndef DOL_REQUEST_METRICS_H
#define DOL_REQUEST_METRICS_H

#include "exchange.h"

#define REQUEST_METRICS_OPERATIONS_MAX 96u
#define REQUEST_METRICS_STATUSES_MAX   24u
#define REQUEST_METRICS_BUCKETS        14u /* the last one is +Inf */
#define REQUEST_METRICS_ERRORS_MAX     96u

/* Upper bounds of the latency buckets in nanoseconds; UINT64_MAX in the last. */
extern const uint64_t request_metrics_bounds_ns[REQUEST_METRICS_BUCKETS];

struct request_metrics_status {
    unsigned status; /* 0: free */
    uint64_t count;
};

struct request_metrics_operation {
    const char *name; /* static string; NULL: free */
    struct request_metrics_status statuses[REQUEST_METRICS_STATUSES_MAX];
    uint64_t buckets[REQUEST_METRICS_BUCKETS]; /* each request in one */
    uint64_t duration_ns;
    uint64_t bytes_in, bytes_out;
};

/* Answers that carried an S3 error code. */
struct request_metrics_error {
    const char *code; /* static string; NULL: free */
    uint64_t count;
};

struct request_metrics {
    struct request_metrics_operation operations[REQUEST_METRICS_OPERATIONS_MAX];
    struct request_metrics_error errors[REQUEST_METRICS_ERRORS_MAX];
};

/* Counts a finished exchange. */
void request_metrics_record(struct request_metrics *m, const struct exchange *x, uint64_t duration_ns);
/* Adds `from`, which its loop may be writing, to `to`, which is the caller's. */
void request_metrics_add(struct request_metrics *to, const struct request_metrics *from);

#endif
