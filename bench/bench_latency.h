/* Latency histogram: 32 steps per power of two, so percentiles are right to about 3 %. One per worker, merged at the
 * end. */
#ifndef DOL_BENCH_LATENCY_H
#define DOL_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS   32u
#define LATENCY_BUCKETS (LATENCY_STEPS * 48u)

struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total;
    uint64_t max_us;
};

void latency_add(struct latency *l, uint64_t duration_us);
void latency_merge(struct latency *into, const struct latency *from);
/* Upper bound of the bucket that holds the given share (0 < share <= 1); 0 when empty. */
uint64_t latency_at_us(const struct latency *l, double share);

#endif
