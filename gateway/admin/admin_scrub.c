/*
 * Scrubbing, asked for and told of: GET /v1/scrub, POST /v1/scrub/start and /v1/scrub/stop, the schedule. What a pass
 * does is the store's.
 */
#include "admin_private.h"
#include "http_date.h"
#include "log.h"

#include <stdlib.h>

static void set(json_t *object, const char *name, json_t *value)
{
    /* A member that could not be made shows as missing; the caller's document stays valid. */
    (void)json_object_set_new(object, name, value);
}

static json_t *number(uint64_t n)
{
    return json_integer(n <= INT64_MAX ? (json_int_t)n : INT64_MAX);
}

static json_t *time_of(int64_t ns)
{
    char text[HTTP_DATE_TEXT_MAX];
    if (ns == 0)
        return json_null();
    http_date_format_iso(ns, text);
    return json_string(text);
}

static const char *state_name(uint8_t state)
{
    static const char *const names[] = {
        [SCRUB_NEVER] = "never",     [SCRUB_RUNNING] = "running", [SCRUB_FINISHED] = "finished",
        [SCRUB_STOPPED] = "stopped", [SCRUB_FAILED] = "failed",
    };
    return state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

static json_t *found_json(const uint64_t found[SCRUB_KINDS])
{
    json_t *json = json_object();
    for (unsigned i = 0; i < SCRUB_KINDS; i++)
        set(json, store_scrub_kind_name((enum store_scrub_kind)i), number(found[i]));
    return json;
}

static json_t *finding_json(const struct store_scrub_finding *f)
{
    char text[48];
    json_t *json = json_object();
    set(json, "kind", json_string(store_scrub_kind_name((enum store_scrub_kind)f->kind)));
    set(json, "repaired", json_boolean(f->repaired));
    snprintf(text, sizeof text, "%llx", (unsigned long long)f->slab);
    set(json, "slab", json_string(text));
    set(json, "row", number(f->row));
    if (f->drive[0] != '\0')
        set(json, "drive", json_string(f->drive));
    if (f->lsn_run != 0) {
        snprintf(text, sizeof text, "%llu.%llu", (unsigned long long)f->lsn_run, (unsigned long long)f->lsn_counter);
        set(json, "lsn", json_string(text));
    }
    if (f->hash[0] != '\0')
        set(json, "hash", json_string(f->hash));
    return json;
}

json_t *admin_scrub_report_json(const struct store_scrub_report *r, enum admin_scrub_detail detail)
{
    json_t *json = json_object();
    set(json, "state", json_string(state_name(r->state)));
    if (r->state == SCRUB_FAILED)
        set(json, "error", json_string(dol_err_text(r->err)));
    set(json, "started", time_of(r->started_ns));
    set(json, "ended", time_of(r->ended_ns));
    set(json, "seconds", json_real((double)r->duration_ns / 1e9));
    set(json, "bandwidth_bytes", number(r->bandwidth_bytes_s));
    set(json, "slabs", number(r->slabs));
    set(json, "slabs_done", number(r->slabs_done));
    set(json, "bytes", number(r->bytes));
    set(json, "bytes_done", number(r->bytes_done));
    set(json, "bytes_read", number(r->bytes_read));
    set(json, "rows", number(r->rows));
    set(json, "units", number(r->units));
    set(json, "records", number(r->records));
    set(json, "chunks", number(r->chunks));
    set(json, "units_unverified", number(r->units_unverified));
    set(json, "rows_unverified", number(r->rows_unverified));
    set(json, "found", found_json(r->found));
    set(json, "units_repaired", number(r->units_repaired));
    set(json, "units_unrepaired", number(r->units_unrepaired));
    set(json, "unrecoverable", number(r->unrecoverable));
    if (detail == ADMIN_SCRUB_SUMMARY)
        return json;
    json_t *findings = json_array();
    for (unsigned i = 0; i < r->finding_count; i++)
        (void)json_array_append_new(findings, finding_json(&r->findings[i]));
    set(json, "findings", findings);
    return json;
}

json_t *admin_scrub_json(const struct store_scrub_status *status)
{
    json_t *doc = json_object();
    set(doc, "now", admin_scrub_report_json(&status->now, ADMIN_SCRUB_FINDINGS));
    set(doc, "last", admin_scrub_report_json(&status->last, ADMIN_SCRUB_FINDINGS));
    return doc;
}

/* ---- beginning ---- */

/* "start" or "start?bandwidth=BYTES"; false: neither. */
bool admin_scrub_parse_start(struct bytes target, uint64_t *bandwidth)
{
    static const char query[] = "?bandwidth=";
    const char *p = target.data;
    size_t at = sizeof ADMIN_SCRUB_START - 1;
    if (target.len == at)
        return true;
    at += sizeof query - 1;
    if (target.len <= at || target.len > at + 18 || memcmp(p + at - (sizeof query - 1), query, sizeof query - 1) != 0)
        return false;
    uint64_t value = 0;
    for (; at < target.len; at++) {
        if (p[at] < '0' || p[at] > '9')
            return false;
        value = value * 10 + (uint64_t)(p[at] - '0');
    }
    *bandwidth = value;
    return true;
}

void admin_scrub_schedule(struct admin *admin)
{
    uint64_t interval_ns = admin->config.scrub_interval_s * SERVER_SECOND_NS;
    uint64_t now = clock_monotonic_ns();
    if (interval_ns == 0)
        return;
    if (admin->scrub_next_ns == 0)
        admin->scrub_next_ns = now + (interval_ns < ADMIN_SCRUB_FIRST_NS ? interval_ns : ADMIN_SCRUB_FIRST_NS);
    if (now < admin->scrub_next_ns)
        return;
    /* one that is under way: the next begins when it has ended */
    if (store_scrub_start(admin->config.store, admin->config.scrub_bytes_s) == DOL_OK)
        admin->scrub_next_ns = now + interval_ns;
}
