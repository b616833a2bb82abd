/* GET /v1/status. Fields are only ever added; sizes are bytes, times are UTC in ISO 8601. */
#include "admin_private.h"
#include "http_date.h"

static void set(json_t *object, const char *name, json_t *value)
{
    /* A member that could not be made shows as missing; the caller's document stays valid. */
    (void)json_object_set_new(object, name, value);
}

/* Text that may not be UTF-8 (a path, a label): bytes that aren't are shown as '?'. */
static json_t *text(const char *value)
{
    char copy[512];
    json_t *json = json_string(value);
    if (json != NULL)
        return json;
    size_t len = 0;
    for (; len < sizeof copy - 1 && value[len] != '\0'; len++)
        copy[len] = (unsigned char)value[len] < 0x80 ? value[len] : '?';
    copy[len] = '\0';
    return json_string(copy);
}

static json_t *number(uint64_t n)
{
    return json_integer(n <= INT64_MAX ? (json_int_t)n : INT64_MAX);
}

static json_t *drive_json(const struct store_drive_status *drive)
{
    json_t *json = json_object();
    set(json, "path", text(drive->path));
    set(json, "uuid", text(drive->uuid));
    set(json, "state", text(drive->state));
    set(json, "size_bytes", number(drive->size_bytes));
    set(json, "used_bytes", number(drive->used_bytes));
    set(json, "read_errors", number(drive->read_errors));
    set(json, "write_errors", number(drive->write_errors));
    set(json, "checksum_errors", number(drive->checksum_errors));
    return json;
}

static json_t *pool_json(const struct store_status *s)
{
    json_t *json = json_object();
    set(json, "uuid", text(s->pool_uuid));
    set(json, "label", text(s->label));
    set(json, "state", text(admin_pool_state_name(admin_pool_state(s))));
    set(json, "read_only", json_boolean(s->read_only));
    set(json, "reason", text(s->reason));
    set(json, "encrypted", json_boolean(s->encrypted));
    set(json, "data_units", number(s->k));
    set(json, "parity_units", number(s->m));
    set(json, "data_units_now", number(s->k_now));
    set(json, "parity_units_now", number(s->m_now));
    set(json, "run", number(s->run));
    set(json, "epoch", number(s->epoch));
    set(json, "extent_bytes", number(s->extent_bytes));
    set(json, "raw_bytes", number(s->raw_bytes));
    set(json, "usable_bytes", number(s->usable_bytes));
    set(json, "used_bytes", number(s->used_bytes));
    set(json, "reserve_bytes", number(s->reserve_bytes));
    set(json, "full", json_boolean(s->full));
    set(json, "slabs_open", number(s->slabs_open));
    set(json, "slabs_sealed", number(s->slabs_sealed));
    set(json, "slabs_ended", number(s->slabs_ended));
    set(json, "objects", number(s->objects));
    set(json, "buckets", number(s->buckets));
    return json;
}

static json_t *counters_json(const struct store_counters *c)
{
    json_t *json = json_object();
    set(json, "rows", number(c->rows));
    set(json, "rows_empty", number(c->rows_empty));
    set(json, "records", number(c->records));
    set(json, "puts", number(c->puts));
    set(json, "gets", number(c->gets));
    set(json, "deletes", number(c->deletes));
    set(json, "bytes_in", number(c->bytes_in));
    set(json, "bytes_out", number(c->bytes_out));
    set(json, "chunks_written", number(c->chunks_written));
    set(json, "chunks_deduplicated", number(c->chunks_deduplicated));
    set(json, "bytes_deduplicated", number(c->bytes_deduplicated));
    set(json, "bytes_compressed_in", number(c->bytes_compressed_in));
    set(json, "bytes_compressed_out", number(c->bytes_compressed_out));
    set(json, "drive_bytes_written", number(c->drive_bytes_written));
    set(json, "drive_bytes_prepared", number(c->drive_bytes_prepared));
    set(json, "reads_reconstructed", number(c->reads_reconstructed));
    set(json, "cache_hits", number(c->cache_hits));
    set(json, "cache_misses", number(c->cache_misses));
    set(json, "cache_bytes", number(c->cache_bytes));
    set(json, "index_commits", number(c->index_commits));
    set(json, "index_pending_records", number(c->index_pending_records));
    set(json, "index_map_bytes", number(c->index_map_bytes));
    return json;
}

static json_t *server_json(const struct admin *admin)
{
    char started[HTTP_DATE_TEXT_MAX];
    struct server_stats stats;
    http_date_format_iso(admin->started_ns, started);
    server_stats_get(admin->config.server, &stats);
    json_t *json = json_object();
    set(json, "version", text(admin->config.version));
    set(json, "endpoint", text(admin->config.endpoint));
    set(json, "region", text(admin->config.region));
    set(json, "started", text(started));
    set(json, "stopping", json_boolean(server_is_stopping(admin->config.server)));
    set(json, "connections", number(stats.active));
    return json;
}

static json_t *alarms_json(unsigned raised)
{
    json_t *json = json_array();
    for (unsigned i = 0; i < ALARM_COUNT; i++) {
        const struct alarm_text *t = alarm_text((enum alarm)i);
        if ((raised & 1u << i) == 0)
            continue;
        json_t *one = json_object();
        set(one, "alarm", text(t->name));
        set(one, "meaning", text(t->meaning));
        set(one, "action", text(t->action));
        (void)json_array_append_new(json, one);
    }
    return json;
}

json_t *admin_status_json(const struct admin *admin, const struct store_status *status,
                          const struct store_scrub_status *scrub)
{
    json_t *doc = json_object();
    json_t *drives = json_array();
    for (unsigned i = 0; i < status->drive_count; i++)
        (void)json_array_append_new(drives, drive_json(&status->drives[i]));
    set(doc, "server", server_json(admin));
    set(doc, "pool", pool_json(status));
    set(doc, "alarms", alarms_json(admin_alarms(admin, status)));
    set(doc, "drives", drives);
    set(doc, "counters", counters_json(&status->counters));
    set(doc, "scrub", admin_scrub_report_json(&scrub->now, ADMIN_SCRUB_SUMMARY));
    return doc;
}
