/* Bucket of v: its highest bit and the five bits below it; values below 32 have a bucket each. */
#include "bench_latency.h"

static unsigned bucket_of(uint64_t v)
{
    if (v < LATENCY_STEPS)
        return (unsigned)v;
    unsigned high = 63u - (unsigned)__builtin_clzll(v);
    unsigned bucket = (high - 4) * LATENCY_STEPS + (unsigned)(v >> (high - 5)) % LATENCY_STEPS;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < LATENCY_STEPS)
        return bucket;
    unsigned high = bucket / LATENCY_STEPS + 4;
    return ((uint64_t)(LATENCY_STEPS + bucket % LATENCY_STEPS + 1) << (high - 5)) - 1;
}

void latency_add(struct latency *l, uint64_t duration_us)
{
    l->counts[bucket_of(duration_us)]++;
    l->total++;
    if (duration_us > l->max_us)
        l->max_us = duration_us;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
}

uint64_t latency_at_us(const struct latency *l, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)l->total);
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->counts[i];
        if (seen > 0 && seen >= wanted)
            return bucket_end(i) < l->max_us ? bucket_end(i) : l->max_us;
    }
    return l->max_us;
}
