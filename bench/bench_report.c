/* Numbers to text. */
#include "bench_report.h"

#include <stdio.h>
#include <string.h>

static double ms_at(const struct latency *l, double share)
{
    return (double)latency_at_us(l, share) / 1000.0;
}

static void write_verb(FILE *out, enum bench_verb verb, const struct bench_tally *t, double seconds)
{
    fprintf(out,
            "  \"%s\": {\"operations\": %llu, \"bytes\": %llu, \"operations_per_second\": %.1f, "
            "\"mib_per_second\": %.1f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, "
            "\"max_ms\": %.3f},\n",
            bench_verb_name(verb), (unsigned long long)t->operations, (unsigned long long)t->bytes,
            (double)t->operations / seconds, (double)t->bytes / seconds / 1048576.0, ms_at(&t->latency, 0.5),
            ms_at(&t->latency, 0.9), ms_at(&t->latency, 0.99), ms_at(&t->latency, 0.999),
            (double)t->latency.max_us / 1000.0);
}

static void write_cpu(FILE *out, const struct bench_report *r)
{
    const struct bench_reading *begin = &r->clock.begin;
    const struct bench_reading *end = &r->clock.end;
    if (!begin->taken)
        return;
    fprintf(out, "  \"client_user_s\": %.6f,\n  \"client_system_s\": %.6f,\n  \"client_switches\": %llu,\n",
            end->user_s - begin->user_s, end->system_s - begin->system_s,
            (unsigned long long)(end->switches - begin->switches));
    if (r->clock.server_pid != 0)
        fprintf(out, "  \"server_cpu_s\": %.2f,\n", end->server_s - begin->server_s);
}

/* A run that ends while it warms up has measured nothing, in no time to speak of. */
static double measured_seconds(const struct bench_report *r)
{
    uint64_t end_ns = r->clock.end.at_ns < r->end_ns ? r->clock.end.at_ns : r->end_ns;
    return end_ns > r->begin_ns ? (double)(end_ns - r->begin_ns) / 1e9 : 1e-9;
}

static void write_all(FILE *out, const struct bench_report *r)
{
    const struct bench_tallies *t = r->total;
    double seconds = measured_seconds(r);
    fprintf(out, "{\n  \"workers\": %u,\n  \"threads\": %u,\n  \"tls\": %s,\n  \"seconds\": %.3f,\n",
            r->options->workers, r->options->threads, r->options->tls ? "true" : "false", seconds);
    write_cpu(out, r);
    for (unsigned v = 0; v < BENCH_VERBS; v++)
        write_verb(out, (enum bench_verb)v, &t->verbs[v], seconds);
    fprintf(out, "  \"objects\": %llu,\n", (unsigned long long)r->objects);
    if (r->options->rate > 0)
        fprintf(out, "  \"rate\": %.3f,\n  \"backlog\": %llu,\n", r->options->rate, (unsigned long long)t->backlog);
    if (r->options->idle > 0)
        fprintf(out, "  \"idle_opened\": %u,\n  \"idle_alive\": %u,\n", r->idle_opened, r->idle_alive);
    fputs("  \"errors\": {", out);
    for (unsigned i = 0; i < BENCH_ERROR_KINDS_MAX && t->errors[i].count > 0; i++)
        fprintf(out, "%s\"%s\": %llu", i > 0 ? ", " : "", t->errors[i].name, (unsigned long long)t->errors[i].count);
    fprintf(out, "},\n  \"mismatches\": %llu\n}\n", (unsigned long long)t->mismatches);
}

bool bench_report_write(const struct bench_report *report)
{
    const char *path = report->options->json;
    bool to_stdout = path == NULL || strcmp(path, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(path, "w");
    if (out == NULL) {
        perror(path);
        return false;
    }
    write_all(out, report);
    return to_stdout ? fflush(out) == 0 : fclose(out) == 0;
}
