/* CPU time of this process and of the server over the measured time. */
#ifndef DOL_BENCH_CLOCK_H
#define DOL_BENCH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct bench_reading {
    bool taken;
    uint64_t at_ns; /* monotonic */
    double user_s, system_s;
    double server_s; /* user and system */
    uint64_t switches;
};

struct bench_clock {
    unsigned server_pid; /* 0: none */
    struct bench_reading begin, end;
};

void bench_clock_read(const struct bench_clock *clock, uint64_t now_ns, struct bench_reading *out);

#endif
