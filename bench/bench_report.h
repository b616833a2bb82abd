/* The report: one JSON object. README.md says what its members mean. */
#ifndef DOL_BENCH_REPORT_H
#define DOL_BENCH_REPORT_H

#include "bench_clock.h"
#include "bench_options.h"
#include "bench_tally.h"

struct bench_report {
    const struct bench_options *options;
    const struct bench_tallies *total;
    struct bench_clock clock;
    uint64_t begin_ns, end_ns; /* of the measured time, as planned */
    uint64_t objects;          /* numbers given to operations: a put run has put 0 .. objects-1, but for errors */
    unsigned idle_opened, idle_alive;
};

/* To options->json. false: said why. */
bool bench_report_write(const struct bench_report *report);

#endif
