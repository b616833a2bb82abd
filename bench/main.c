/*
 * dolmen-bench: load for an S3 server, and its measure. Creates the bucket, starts the workers, waits, writes one JSON
 * report. Exit status: 0 done; 1 wrong bytes came back, or nothing succeeded; 2 could not start.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_http.h"
#include "bench_options.h"
#include "bench_payload.h"
#include "bench_worker.h"

#define NS_PER_S 1000000000.0

static bool create_bucket(const struct bench_options *options)
{
    struct bench_http *http = malloc(sizeof *http);
    struct bench_response response = {.status = 0};
    char path[BENCH_PATH_MAX];
    if (http == NULL || !bench_http_init(http, options))
        return false;
    bench_path_of(options->bucket, "", path);
    enum bench_outcome outcome = bench_http_request(http, "PUT", path, NULL, NULL, &response);
    bench_http_fini(http);
    free(http);
    if (outcome == BENCH_ANSWERED && (response.status == 200 || response.status == 409))
        return true;
    fprintf(stderr, "dolmen-bench: no bucket %s at %s:%u: status %u %s\n", options->bucket, options->host,
            (unsigned)options->port, response.status, response.error_code);
    return false;
}

static void report_verb(FILE *out, const char *name, const struct bench_tally *t, double seconds)
{
    fprintf(out,
            "  \"%s\": {\"operations\": %llu, \"bytes\": %llu, \"operations_per_second\": %.1f, "
            "\"mib_per_second\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f},\n",
            name, (unsigned long long)t->operations, (unsigned long long)t->bytes, (double)t->operations / seconds,
            (double)t->bytes / seconds / 1048576.0, (double)latency_at_us(&t->latency, 0.5) / 1000.0,
            (double)latency_at_us(&t->latency, 0.99) / 1000.0, (double)t->latency.max_us / 1000.0);
}

static void merge(struct bench_worker *into, const struct bench_worker *from)
{
    for (unsigned v = 0; v < BENCH_VERBS; v++) {
        into->tallies[v].operations += from->tallies[v].operations;
        into->tallies[v].bytes += from->tallies[v].bytes;
        latency_merge(&into->tallies[v].latency, &from->tallies[v].latency);
    }
    into->mismatches += from->mismatches;
    for (unsigned i = 0; i < BENCH_ERROR_KINDS_MAX && from->errors[i].count > 0; i++) {
        unsigned at = 0;
        while (at < BENCH_ERROR_KINDS_MAX - 1 && into->errors[at].count > 0 &&
               strcmp(into->errors[at].name, from->errors[i].name) != 0)
            at++;
        if (into->errors[at].count == 0)
            memcpy(into->errors[at].name, from->errors[i].name, sizeof into->errors[at].name);
        into->errors[at].count += from->errors[i].count;
    }
}

static bool report(const struct bench_options *options, const struct bench_worker *total, double seconds)
{
    bool to_stdout = options->json == NULL || strcmp(options->json, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(options->json, "w");
    if (out == NULL) {
        perror(options->json);
        return false;
    }
    fprintf(out, "{\n  \"workers\": %u,\n  \"seconds\": %.3f,\n", options->workers, seconds);
    report_verb(out, "put", &total->tallies[BENCH_VERB_PUT], seconds);
    report_verb(out, "get", &total->tallies[BENCH_VERB_GET], seconds);
    report_verb(out, "delete", &total->tallies[BENCH_VERB_DELETE], seconds);
    fputs("  \"errors\": {", out);
    for (unsigned i = 0; i < BENCH_ERROR_KINDS_MAX && total->errors[i].count > 0; i++)
        fprintf(out, "%s\"%s\": %llu", i > 0 ? ", " : "", total->errors[i].name,
                (unsigned long long)total->errors[i].count);
    fprintf(out, "},\n  \"mismatches\": %llu\n}\n", (unsigned long long)total->mismatches);
    return to_stdout ? fflush(out) == 0 : fclose(out) == 0;
}

static bool run_workers(struct bench_run *run, struct bench_worker *workers)
{
    unsigned count = run->options->workers;
    unsigned started = 0;
    pthread_t *threads = calloc(count, sizeof *threads);
    if (threads == NULL)
        return false;
    while (started < count) {
        workers[started] = (struct bench_worker){.run = run, .number = started};
        if (pthread_create(&threads[started], NULL, bench_worker_run, &workers[started]) != 0) {
            atomic_store(&run->stop, true);
            break;
        }
        started++;
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return started == count;
}

static uint64_t operations_of(const struct bench_worker *w)
{
    uint64_t sum = 0;
    for (unsigned v = 0; v < BENCH_VERBS; v++)
        sum += w->tallies[v].operations;
    return sum;
}

static int run_bench(const struct bench_options *options)
{
    int status = 2;
    struct bench_payload payload;
    struct bench_run run = {.options = options, .payload = &payload, .journal_fd = -1, .end_ns = UINT64_MAX};
    struct bench_worker *total = calloc(1, sizeof *total);
    struct bench_worker *workers = calloc(options->workers, sizeof *workers);
    if (!bench_payload_init(&payload, options))
        goto out;
    if (total == NULL || workers == NULL || !create_bucket(options))
        goto out_payload;
    if (options->journal != NULL) {
        run.journal_fd = open(options->journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (run.journal_fd < 0) {
            perror(options->journal);
            goto out_payload;
        }
    }
    uint64_t begin_ns = bench_now_ns();
    if (options->seconds != 0)
        run.end_ns = begin_ns + options->seconds * UINT64_C(1000000000);
    if (!run_workers(&run, workers)) {
        fputs("dolmen-bench: the threads could not be started\n", stderr);
        goto out_payload;
    }
    double seconds = (double)(bench_now_ns() - begin_ns) / NS_PER_S;
    for (unsigned i = 0; i < options->workers; i++)
        merge(total, &workers[i]);
    if (report(options, total, seconds))
        status = total->mismatches > 0 || operations_of(total) == 0 ? 1 : 0;
out_payload:
    bench_payload_fini(&payload);
    if (run.journal_fd >= 0)
        close(run.journal_fd);
out:
    free(workers);
    free(total);
    return status;
}

int main(int argc, char **argv)
{
    static struct bench_options options;
    bool help;
    if (!bench_options_parse(&options, argc, argv, &help))
        return help ? 0 : 2;
    return run_bench(&options);
}
