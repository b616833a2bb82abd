/*
 * GET /metrics: the Prometheus text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). Each
 * family has its HELP and TYPE lines once, then all its samples; counters end in _total; durations are seconds, sizes
 * bytes.
 */
#include "admin_private.h"
#include "uring.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
    family(out, name, "counter", help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
    family(out, name, "gauge", help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* A label's value, between its quotes. */
static void label(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
}

static void seconds(FILE *out, uint64_t ns)
{
    fprintf(out, "%" PRIu64 ".%09" PRIu64, ns / SERVER_SECOND_NS, ns % SERVER_SECOND_NS);
}

/* ---- requests ---- */

static void request_counts(FILE *out, const struct request_metrics *m)
{
    family(out, "dolmen_http_requests_total", "counter",
           "Requests answered, by operation and status code; 499: no answer went out.");
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX && m->operations[i].name != NULL; i++) {
        const struct request_metrics_operation *op = &m->operations[i];
        for (unsigned j = 0; j < REQUEST_METRICS_STATUSES_MAX && op->statuses[j].status != 0; j++)
            fprintf(out, "dolmen_http_requests_total{operation=\"%s\",code=\"%u\"} %" PRIu64 "\n", op->name,
                    op->statuses[j].status, op->statuses[j].count);
    }
}

static void request_durations(FILE *out, const struct request_metrics *m)
{
    static const char name[] = "dolmen_http_request_duration_seconds";
    family(out, name, "histogram", "Time from a request's head to the end of its response, by operation.");
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX && m->operations[i].name != NULL; i++) {
        const struct request_metrics_operation *op = &m->operations[i];
        uint64_t sum = 0;
        for (unsigned j = 0; j < REQUEST_METRICS_BUCKETS; j++) {
            sum += op->buckets[j];
            fprintf(out, "%s_bucket{operation=\"%s\",le=\"", name, op->name);
            if (request_metrics_bounds_ns[j] == UINT64_MAX)
                fputs("+Inf", out);
            else
                fprintf(out, "%g", (double)request_metrics_bounds_ns[j] / 1e9);
            fprintf(out, "\"} %" PRIu64 "\n", sum);
        }
        fprintf(out, "%s_sum{operation=\"%s\"} ", name, op->name);
        seconds(out, op->duration_ns);
        fprintf(out, "\n%s_count{operation=\"%s\"} %" PRIu64 "\n", name, op->name, sum);
    }
}

static void request_bytes(FILE *out, const struct request_metrics *m)
{
    family(out, "dolmen_http_request_bytes_total", "counter", "Body bytes received, by operation.");
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX && m->operations[i].name != NULL; i++)
        fprintf(out, "dolmen_http_request_bytes_total{operation=\"%s\"} %" PRIu64 "\n", m->operations[i].name,
                m->operations[i].bytes_in);
    family(out, "dolmen_http_response_bytes_total", "counter", "Body bytes sent, by operation.");
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX && m->operations[i].name != NULL; i++)
        fprintf(out, "dolmen_http_response_bytes_total{operation=\"%s\"} %" PRIu64 "\n", m->operations[i].name,
                m->operations[i].bytes_out);
}

static void request_errors(FILE *out, const struct request_metrics *m)
{
    family(out, "dolmen_http_errors_total", "counter", "Answers with an S3 error, by its code.");
    for (unsigned i = 0; i < REQUEST_METRICS_ERRORS_MAX && m->errors[i].code != NULL; i++)
        fprintf(out, "dolmen_http_errors_total{error=\"%s\"} %" PRIu64 "\n", m->errors[i].code, m->errors[i].count);
}

static void connections(FILE *out, const struct server *server)
{
    struct server_stats s;
    server_stats_get(server, &s);
    gauge(out, "dolmen_http_connections", "Connections open now.", s.active);
    counter(out, "dolmen_http_connections_accepted_total", "Connections accepted.", s.accepted);
    counter(out, "dolmen_http_connections_refused_total", "Connections refused: too many.", s.refused);
    counter(out, "dolmen_http_slowed_total", "Requests answered 503 SlowDown: too many at once.", s.slowed);
    gauge(out, "dolmen_http_requests_active", "Requests being answered now.", s.requests);
    counter(out, "dolmen_http_timeouts_total", "Connections ended because the client was too slow.", s.timed_out);
    counter(out, "dolmen_http_malformed_requests_total", "Requests refused by the HTTP parser.", s.malformed);
    counter(out, "dolmen_http_accept_errors_total", "Failures to accept a connection.", s.accept_errors);
    family(out, "dolmen_tls_handshakes_total", "counter", "TLS handshakes done, by version.");
    fprintf(out, "dolmen_tls_handshakes_total{version=\"1.2\"} %" PRIu64 "\n", s.tls_1_2);
    fprintf(out, "dolmen_tls_handshakes_total{version=\"1.3\"} %" PRIu64 "\n", s.tls_1_3);
    counter(out, "dolmen_tls_handshakes_resumed_total", "TLS handshakes that went on with an earlier session.",
            s.tls_resumed);
    counter(out, "dolmen_tls_handshake_failures_total", "TLS handshakes that came to nothing.", s.tls_failed);
    if (s.tls_expires_s != 0)
        gauge(out, "dolmen_tls_certificate_expiry_seconds", "End of the certificate's validity, seconds since 1970.",
              (uint64_t)s.tls_expires_s);
}

/* ---- the store ---- */

static void store_counters(FILE *out, const struct store_counters *c)
{
    counter(out, "dolmen_store_rows_total", "Rows (group commits) made durable, empty ones not counted.", c->rows);
    counter(out, "dolmen_store_rows_empty_total", "Empty rows written to prove the row before.", c->rows_empty);
    counter(out, "dolmen_store_records_total", "Records made durable.", c->records);
    counter(out, "dolmen_store_puts_total", "Objects stored.", c->puts);
    counter(out, "dolmen_store_gets_total", "Objects read.", c->gets);
    counter(out, "dolmen_store_deletes_total", "Objects deleted.", c->deletes);
    counter(out, "dolmen_store_bytes_in_total", "Plain bytes stored.", c->bytes_in);
    counter(out, "dolmen_store_bytes_out_total", "Plain bytes read.", c->bytes_out);
    counter(out, "dolmen_store_chunks_written_total", "Chunks stored.", c->chunks_written);
    counter(out, "dolmen_store_chunks_deduplicated_total", "Chunks that were there already.", c->chunks_deduplicated);
    counter(out, "dolmen_store_bytes_deduplicated_total", "Plain bytes of chunks that were there already.",
            c->bytes_deduplicated);
    counter(out, "dolmen_store_compressed_plain_bytes_total", "Plain bytes of chunks stored compressed.",
            c->bytes_compressed_in);
    counter(out, "dolmen_store_compressed_stored_bytes_total", "Stored bytes of chunks stored compressed.",
            c->bytes_compressed_out);
    counter(out, "dolmen_store_drive_bytes_written_total", "Bytes written to drives, parity included.",
            c->drive_bytes_written);
    counter(out, "dolmen_store_drive_bytes_prepared_total", "Bytes of drives zero-filled ahead of use.",
            c->drive_bytes_prepared);
    counter(out, "dolmen_store_reads_reconstructed_total", "Records rebuilt from parity while reading.",
            c->reads_reconstructed);
    counter(out, "dolmen_index_commits_total", "Index transactions committed.", c->index_commits);
    gauge(out, "dolmen_index_pending_records", "Records not yet committed to the index.", c->index_pending_records);
    gauge(out, "dolmen_index_map_bytes", "Size of the index's map.", c->index_map_bytes);
    counter(out, "dolmen_cache_hits_total", "Chunks found in the read cache.", c->cache_hits);
    counter(out, "dolmen_cache_misses_total", "Chunks read from drives.", c->cache_misses);
    counter(out, "dolmen_cache_joined_total", "Chunks waited for while another request read them.", c->cache_joined);
    counter(out, "dolmen_cache_hit_bytes_total", "Plain bytes given from the read cache.", c->cache_hit_bytes);
    counter(out, "dolmen_cache_evicted_total", "Chunks that left the read cache.", c->cache_evicted);
    counter(out, "dolmen_cache_refused_total", "Chunks that found no room in the read cache.", c->cache_refused);
    gauge(out, "dolmen_cache_bytes", "Memory of the read cache in use.", c->cache_bytes);
    gauge(out, "dolmen_cache_bytes_max", "Most memory the read cache may use.", c->cache_bytes_max);
}

static void pool(FILE *out, const struct store_status *s)
{
    family(out, "dolmen_pool_info", "gauge", "Identity and geometry of the pool; always 1.");
    fprintf(out, "dolmen_pool_info{uuid=\"%s\",label=\"", s->pool_uuid);
    label(out, s->label);
    fprintf(out, "\",geometry=\"%u+%u\",encrypted=\"%s\"} 1\n", s->k, s->m, s->encrypted ? "true" : "false");
    family(out, "dolmen_pool_state", "gauge", "1 for the state the pool is in.");
    for (int i = ADMIN_POOL_ONLINE; i <= ADMIN_POOL_FAULTED; i++)
        fprintf(out, "dolmen_pool_state{state=\"%s\"} %d\n", admin_pool_state_name((enum admin_pool_state)i),
                admin_pool_state(s) == (enum admin_pool_state)i);
    gauge(out, "dolmen_pool_writable", "1 while the pool takes writes.", s->read_only ? 0 : 1);
    gauge(out, "dolmen_pool_raw_bytes", "Bytes of all drives.", s->raw_bytes);
    gauge(out, "dolmen_pool_usable_bytes", "Data bytes at this geometry.", s->usable_bytes);
    gauge(out, "dolmen_pool_used_bytes", "Data bytes in slabs in use.", s->used_bytes);
    gauge(out, "dolmen_pool_reserve_bytes", "Data bytes kept for deletes, recovery and reclaiming space.",
          s->reserve_bytes);
    gauge(out, "dolmen_pool_objects", "Objects.", s->objects);
    gauge(out, "dolmen_pool_buckets", "Buckets.", s->buckets);
    gauge(out, "dolmen_pool_run", "Number of the present run.", s->run);
    gauge(out, "dolmen_pool_epoch", "Membership epoch.", s->epoch);
    family(out, "dolmen_pool_slabs", "gauge", "Slabs by state.");
    fprintf(out, "dolmen_pool_slabs{state=\"open\"} %" PRIu64 "\n", s->slabs_open);
    fprintf(out, "dolmen_pool_slabs{state=\"sealed\"} %" PRIu64 "\n", s->slabs_sealed);
    fprintf(out, "dolmen_pool_slabs{state=\"ended\"} %" PRIu64 "\n", s->slabs_ended);
}

static void drive_sample(FILE *out, const char *name, const struct store_drive_status *d, uint64_t value)
{
    fprintf(out, "%s{uuid=\"%s\",path=\"", name, d->uuid);
    label(out, d->path);
    fprintf(out, "\"} %" PRIu64 "\n", value);
}

static void drives(FILE *out, const struct store_status *s)
{
    static const struct {
        const char *name;
        const char *type;
        const char *help;
        size_t offset; /* in struct store_drive_status */
    } families[] = {
        {"dolmen_drive_size_bytes", "gauge", "Size of the drive.", offsetof(struct store_drive_status, size_bytes)},
        {"dolmen_drive_used_bytes", "gauge", "Bytes of the drive's extents in use.",
         offsetof(struct store_drive_status, used_bytes)},
        {"dolmen_drive_read_errors_total", "counter", "Reads of the drive that failed.",
         offsetof(struct store_drive_status, read_errors)},
        {"dolmen_drive_write_errors_total", "counter", "Writes to the drive that failed.",
         offsetof(struct store_drive_status, write_errors)},
        {"dolmen_drive_checksum_errors_total", "counter", "Units read from the drive that were not what was written.",
         offsetof(struct store_drive_status, checksum_errors)},
        {"dolmen_drive_read_bytes_total", "counter", "Bytes read from the drive.",
         offsetof(struct store_drive_status, read_bytes)},
        {"dolmen_drive_written_bytes_total", "counter", "Bytes written to the drive.",
         offsetof(struct store_drive_status, write_bytes)},
    };
    static const char *const states[] = {"online", "missing", "stale", "rebuilding", "faulted"};
    family(out, "dolmen_drive_state", "gauge", "1 for the state the drive is in.");
    for (unsigned i = 0; i < s->drive_count; i++)
        for (unsigned j = 0; j < sizeof states / sizeof states[0]; j++) {
            fprintf(out, "dolmen_drive_state{uuid=\"%s\",path=\"", s->drives[i].uuid);
            label(out, s->drives[i].path);
            fprintf(out, "\",state=\"%s\"} %d\n", states[j], strcmp(s->drives[i].state, states[j]) == 0);
        }
    family(out, "dolmen_drive_online", "gauge", "1 while the drive is in use.");
    for (unsigned i = 0; i < s->drive_count; i++)
        drive_sample(out, "dolmen_drive_online", &s->drives[i], strcmp(s->drives[i].state, "online") == 0);
    for (unsigned f = 0; f < sizeof families / sizeof families[0]; f++) {
        family(out, families[f].name, families[f].type, families[f].help);
        for (unsigned i = 0; i < s->drive_count; i++)
            drive_sample(out, families[f].name, &s->drives[i],
                         *(const uint64_t *)(const void *)((const char *)&s->drives[i] + families[f].offset));
    }
}

static void lifecycle(FILE *out, const struct store_counters *c)
{
    counter(out, "dolmen_lifecycle_expired_total", "Current versions ended by lifecycle rules.", c->lifecycle_expired);
    counter(out, "dolmen_lifecycle_removed_total", "Versions and delete markers removed for good by lifecycle rules.",
            c->lifecycle_removed);
    counter(out, "dolmen_lifecycle_aborted_total", "Uploads aborted by lifecycle rules.", c->lifecycle_aborted);
    counter(out, "dolmen_lifecycle_retained_total",
            "Times that a version was due by a lifecycle rule and is protected by object lock.", c->lifecycle_retained);
    counter(out, "dolmen_lifecycle_failed_total", "Times that what was due by a lifecycle rule failed to end.",
            c->lifecycle_failed);
}

static void scrub(FILE *out, const struct store_scrub_status *s)
{
    gauge(out, "dolmen_scrub_running", "1 while a pass of scrubbing is under way.", s->now.state == SCRUB_RUNNING);
    gauge(out, "dolmen_scrub_bytes", "Bytes of units that the latest pass goes through.", s->now.bytes);
    gauge(out, "dolmen_scrub_bytes_done", "Bytes of units that the latest pass is through with.", s->now.bytes_done);
    gauge(out, "dolmen_scrub_last_end_seconds", "When the last pass was finished, seconds since 1970; 0: none yet.",
          (uint64_t)s->last.ended_ns / SERVER_SECOND_NS);
    gauge(out, "dolmen_scrub_last_duration_seconds", "How long the last finished pass took.",
          s->last.duration_ns / SERVER_SECOND_NS);
    gauge(out, "dolmen_scrub_last_unrecoverable", "What the last finished pass found to be lost.",
          s->last.unrecoverable);
    counter(out, "dolmen_scrub_passes_total", "Passes finished.", s->passes);
    counter(out, "dolmen_scrub_read_bytes_total", "Bytes read from drives by scrubbing.", s->bytes_read);
    counter(out, "dolmen_scrub_units_repaired_total", "Units written again.", s->units_repaired);
    counter(out, "dolmen_scrub_units_unrepaired_total", "Bad units that could not be written again.",
            s->units_unrepaired);
    counter(out, "dolmen_scrub_unrecoverable_total", "Rows, records and references found to be lost.",
            s->unrecoverable);
    family(out, "dolmen_scrub_found_total", "counter", "What scrubbing found wrong, by kind.");
    for (unsigned i = 0; i < SCRUB_KINDS; i++)
        fprintf(out, "dolmen_scrub_found_total{kind=\"%s\"} %" PRIu64 "\n",
                store_scrub_kind_name((enum store_scrub_kind)i), s->found[i]);
}

static void alarms(FILE *out, unsigned raised)
{
    family(out, "dolmen_alarm", "gauge", "1 while the alarm is raised: an operator should act.");
    for (unsigned i = 0; i < ALARM_COUNT; i++)
        fprintf(out, "dolmen_alarm{alarm=\"%s\"} %u\n", alarm_text((enum alarm)i)->name, raised >> i & 1u);
}

static void process(FILE *out, const struct admin *admin)
{
    struct runtime_counters c;
    runtime_counters(admin->config.runtime, &c);
    family(out, "dolmen_build_info", "gauge", "Version of the program; always 1.");
    fprintf(out, "dolmen_build_info{version=\"%s\"} 1\n", admin->config.version);
    gauge(out, "dolmen_start_time_seconds", "When the server started, in seconds since 1970.",
          (uint64_t)admin->started_ns / SERVER_SECOND_NS);
    gauge(out, "dolmen_runtime_loops", "Event loops.", runtime_loops(admin->config.runtime));
    counter(out, "dolmen_runtime_enters_total", "io_uring_enter system calls.", c.enters);
    counter(out, "dolmen_runtime_submissions_total", "Operations given to the kernel.", c.sqes);
    counter(out, "dolmen_runtime_completions_total", "Operations the kernel has completed.", c.cqes);
    gauge(out, "dolmen_runtime_fibers", "Fibers alive.", c.fibers_live);
    gauge(out, "dolmen_runtime_fibers_peak", "Sum of the highest number of fibers of each loop.", c.fibers_peak);
    gauge(out, "dolmen_runtime_fibers_max", "Most fibers there may be.", c.fibers_max);
}

char *admin_metrics_text(const struct admin *admin, const struct store_status *status,
                         const struct store_scrub_status *scrubbing, size_t *len)
{
    char *text = NULL;
    struct request_metrics *requests = calloc(1, sizeof *requests);
    FILE *out = open_memstream(&text, len);
    if (requests == NULL || out == NULL)
        goto fail;
    server_request_metrics_get(admin->config.server, requests);
    process(out, admin);
    alarms(out, admin_alarms(admin, status));
    request_counts(out, requests);
    request_durations(out, requests);
    request_bytes(out, requests);
    request_errors(out, requests);
    connections(out, admin->config.server);
    pool(out, status);
    drives(out, status);
    store_counters(out, &status->counters);
    lifecycle(out, &status->counters);
    scrub(out, scrubbing);
    free(requests);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
fail:
    free(requests);
    if (out != NULL)
        (void)fclose(out);
    free(text);
    return NULL;
}
