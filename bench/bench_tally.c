/* Counting. */
#include "bench_tally.h"

#include <stdio.h>
#include <string.h>

void bench_tallies_count_error(struct bench_tallies *t, const char *name, uint64_t count)
{
    unsigned at = 0;
    while (at < BENCH_ERROR_KINDS_MAX - 1 && t->errors[at].count > 0 && strcmp(t->errors[at].name, name) != 0)
        at++;
    if (t->errors[at].count == 0)
        snprintf(t->errors[at].name, sizeof t->errors[at].name, "%s", name);
    t->errors[at].count += count;
    t->error_count += count;
}

void bench_tallies_merge(struct bench_tallies *into, const struct bench_tallies *from)
{
    for (unsigned v = 0; v < BENCH_VERBS; v++) {
        into->verbs[v].operations += from->verbs[v].operations;
        into->verbs[v].bytes += from->verbs[v].bytes;
        latency_merge(&into->verbs[v].latency, &from->verbs[v].latency);
    }
    for (unsigned i = 0; i < BENCH_ERROR_KINDS_MAX && from->errors[i].count > 0; i++)
        bench_tallies_count_error(into, from->errors[i].name, from->errors[i].count);
    into->mismatches += from->mismatches;
    into->succeeded += from->succeeded;
    into->backlog += from->backlog;
}
