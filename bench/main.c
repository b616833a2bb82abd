/*
 * dolmen-bench: load for an S3 server, and its measure. Creates the bucket, runs the loops, writes one JSON report.
 * Exit status: 0 done; 1 wrong bytes came back, or nothing succeeded; 2 could not start or go on; 3 something failed
 * and
 * --on-error fail was given.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_loop.h"
#include "bench_options.h"
#include "bench_payload.h"
#include "bench_report.h"
#include "bench_setup.h"

#define NS_PER_S UINT64_C(1000000000)

enum exit_status { STATUS_DONE, STATUS_WRONG, STATUS_NOT_STARTED, STATUS_ERRORS };

static bool start_loops(struct bench_run *run, struct bench_tls *tls, struct bench_loop *loops,
                        struct bench_clock *clock)
{
    const struct bench_options *o = run->options;
    bool ok = true;
    unsigned started = 0;
    for (; started < o->threads && ok; started++) {
        unsigned first = (unsigned)((uint64_t)o->workers * started / o->threads);
        unsigned next = (unsigned)((uint64_t)o->workers * (started + 1) / o->threads);
        struct bench_loop *loop = &loops[started];
        *loop = (struct bench_loop){
            .run = run,
            .tls = tls,
            .first_worker = first,
            .worker_count = next - first,
            .rate = o->rate * (next - first) / o->workers,
            .clock = started == 0 ? clock : NULL,
        };
        ok = pthread_create(&loop->thread, NULL, bench_loop_run, loop) == 0;
    }
    if (!ok) {
        started--;
        atomic_store(&run->stop, true);
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(loops[i].thread, NULL);
        ok = ok && !loops[i].failed;
    }
    return ok;
}

static enum exit_status status_of(const struct bench_options *options, const struct bench_tallies *total)
{
    if (total->mismatches > 0 || total->succeeded == 0)
        return STATUS_WRONG;
    return options->on_error == BENCH_FAIL_ON_ERROR && total->error_count > 0 ? STATUS_ERRORS : STATUS_DONE;
}

static bool open_journal(struct bench_run *run)
{
    if (run->options->journal == NULL)
        return true;
    run->journal_fd = open(run->options->journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (run->journal_fd < 0)
        perror(run->options->journal);
    return run->journal_fd >= 0;
}

static enum exit_status measure(struct bench_run *run, struct bench_tls *tls, struct bench_idle *idle)
{
    const struct bench_options *o = run->options;
    enum exit_status status = STATUS_NOT_STARTED;
    struct bench_report report = {.options = o, .clock.server_pid = o->server_pid};
    struct bench_tallies *total = calloc(1, sizeof *total);
    struct bench_loop *loops = calloc(o->threads, sizeof *loops);
    if (total == NULL || loops == NULL) {
        fputs("dolmen-bench: out of memory\n", stderr);
        goto out;
    }
    run->begin_ns = bench_now_ns() + o->warm_up_s * NS_PER_S;
    run->end_ns = o->seconds != 0 ? run->begin_ns + o->seconds * NS_PER_S : UINT64_MAX;
    if (!start_loops(run, tls, loops, &report.clock)) {
        fputs("dolmen-bench: the threads could not be started\n", stderr);
        goto out;
    }
    if (!report.clock.end.taken)
        bench_clock_read(&report.clock, bench_now_ns(), &report.clock.end);
    for (unsigned i = 0; i < o->threads; i++)
        bench_tallies_merge(total, &loops[i].tallies);
    report.total = total;
    report.begin_ns = run->begin_ns;
    report.end_ns = run->end_ns;
    report.objects = atomic_load(&run->next_object);
    if (o->objects != 0 && report.objects > o->objects)
        report.objects = o->objects;
    report.idle_opened = idle->opened;
    report.idle_alive = bench_idle_alive(idle);
    if (bench_report_write(&report))
        status = status_of(o, total);
out:
    free(loops);
    free(total);
    return status;
}

static enum exit_status run_bench(const struct bench_options *options)
{
    enum exit_status status = STATUS_NOT_STARTED;
    struct bench_payload payload;
    struct bench_idle idle = {.count = 0};
    struct bench_tls *tls = NULL;
    struct bench_run run = {.options = options, .payload = &payload, .journal_fd = -1};
    if (!bench_payload_init(&payload, options))
        return status;
    if (options->tls) {
        tls = bench_tls_new();
        if (tls == NULL)
            goto out;
    }
    if (bench_create_bucket(options, tls) && open_journal(&run) && bench_idle_open(&idle, options, tls))
        status = measure(&run, tls, &idle);
out:
    if (run.journal_fd >= 0)
        close(run.journal_fd);
    bench_idle_close(&idle);
    if (tls != NULL)
        bench_tls_free(tls);
    bench_payload_fini(&payload);
    return status;
}

int main(int argc, char **argv)
{
    static const struct sigaction ignore = {.sa_handler = SIG_IGN};
    static struct bench_options options;
    bool help;
    /* OpenSSL writes with write(2) */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (!bench_options_parse(&options, argc, argv, &help))
        return help ? STATUS_DONE : STATUS_NOT_STARTED;
    return (int)run_bench(&options);
}
