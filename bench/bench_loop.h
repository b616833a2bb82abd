/*
 * A thread that drives its share of the workers: chooses operations, steps connections, books what came of them. With a
 * rate, operations are due at random moments (a Poisson process) whatever becomes of the ones before, the next idle
 * worker takes the oldest, and its latency counts from when it was due: a stall of the server is not hidden by clients
 * that wait for it.
 */
#ifndef DOL_BENCH_LOOP_H
#define DOL_BENCH_LOOP_H

#include <pthread.h>

#include "bench_clock.h"
#include "bench_conn.h"
#include "bench_tally.h"
#include "bench_worker.h"

struct bench_slot; /* a worker with its connection */

struct bench_loop {
    struct bench_run *run; /* shared */
    struct bench_tls *tls; /* shared; NULL: plain */
    unsigned first_worker, worker_count;
    double rate;               /* of this loop; 0: none */
    struct bench_clock *clock; /* NULL: another loop reads the CPU clocks */
    bool failed;               /* could not start */
    struct bench_tallies tallies;

    /* the loop's own */
    pthread_t thread;
    struct bench_io io;
    struct bench_signer signer;
    struct bench_slot *slots;
    struct bench_slot **idle; /* stack of those without an operation */
    unsigned idle_count, busy_count, paused_count, gone_count;
    bool over; /* nothing new begins */
    uint64_t due_ns;
    uint64_t rate_chance;
    uint64_t checked_ns; /* when deadlines were looked at last */
};

/* Thread body; arg is a struct bench_loop with what is shared filled in. */
void *bench_loop_run(void *arg);

#endif
