/* Routes and health. See admin.h. */
#include "admin_private.h"
#include "log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define TYPE_JSON    "application/json"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

enum dol_err admin_new(const struct admin_config *config, struct admin **out)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        return DOL_ENOMEM;
    admin->config = *config;
    admin->started_ns = clock_realtime_ns();
    *out = admin;
    return DOL_OK;
}

void admin_free(struct admin *admin)
{
    free(admin);
}

enum admin_pool_state admin_pool_state(const struct store_status *status)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < status->drive_count; i++)
        missing += strcmp(status->drives[i].state, "missing") == 0 || strcmp(status->drives[i].state, "stale") == 0;
    if (missing > status->m)
        return ADMIN_POOL_FAULTED;
    unsigned raised = alarm_evaluate(status, ALARM_KEY_THERE);
    if ((raised & 1u << ALARM_READ_ONLY) != 0)
        return ADMIN_POOL_READ_ONLY;
    return (raised & 1u << ALARM_DEGRADED) != 0 ? ADMIN_POOL_DEGRADED : ADMIN_POOL_ONLINE;
}

const char *admin_pool_state_name(enum admin_pool_state state)
{
    switch (state) {
    case ADMIN_POOL_ONLINE:
        return "online";
    case ADMIN_POOL_DEGRADED:
        return "degraded";
    case ADMIN_POOL_READ_ONLY:
        return "read-only";
    case ADMIN_POOL_FAULTED:
        return "faulted";
    }
    return "unknown";
}

/* ---- alarms ---- */

unsigned admin_alarms(const struct admin *admin, const struct store_status *status)
{
    return alarm_evaluate(status, atomic_load(&admin->key));
}

/* On an offload thread. */
static void look_for_key(void *arg)
{
    struct admin *admin = arg;
    bool gone = admin->config.key_file != NULL && access(admin->config.key_file, F_OK) != 0 && errno == ENOENT;
    atomic_store(&admin->key, gone ? ALARM_KEY_GONE : ALARM_KEY_THERE);
}

void admin_watch(struct admin *admin)
{
    struct store_status *status = calloc(1, sizeof *status);
    if (status == NULL)
        return;
    admin_scrub_schedule(admin);
    offload_run(look_for_key, admin);
    store_status_get(admin->config.store, status);
    unsigned raised = admin_alarms(admin, status);
    unsigned changed = raised ^ admin->alarms;
    for (unsigned i = 0; i < ALARM_COUNT; i++) {
        const struct alarm_text *text = alarm_text((enum alarm)i);
        if ((changed & 1u << i) == 0)
            continue;
        if ((raised & 1u << i) == 0)
            log_info("alarm", "cleared: %s", text->name);
        else
            log_warn("alarm", "raised: %s: %s %s%s%s%s", text->name, text->meaning, text->action,
                     status->reason[0] != '\0' ? " (" : "", status->reason, status->reason[0] != '\0' ? ")" : "");
    }
    admin->alarms = raised;
    free(status);
}

/* ---- answers ---- */

static void reply(struct exchange *x, unsigned status, const char *type, const char *text, size_t len)
{
    const struct exchange_header headers[] = {{"Content-Type", type}, {"Cache-Control", "no-store"}};
    enum dol_err err = exchange_begin(x, status, headers, 2, len);
    if (err == DOL_OK && x->request->method != HTTP1_METHOD_HEAD)
        err = exchange_write(x, text, len);
    if (err != DOL_OK)
        x->must_close = true;
}

static void reply_short(struct exchange *x, unsigned status, const char *json)
{
    reply(x, status, TYPE_JSON, json, strlen(json));
}

static void reply_no_memory(struct exchange *x)
{
    reply_short(x, 503, "{\"error\": \"out of memory\"}\n");
}

void admin_reply_json(struct exchange *x, unsigned status, json_t *doc)
{
    char *text = doc != NULL ? json_dumps(doc, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
    json_decref(doc);
    if (text == NULL) {
        reply_no_memory(x);
        return;
    }
    /* The terminator's place takes a line feed, for whoever looks at it in a terminal. */
    size_t len = strlen(text);
    text[len] = '\n';
    reply(x, status, TYPE_JSON, text, len + 1);
    free(text);
}

static struct store_status *status_new(const struct admin *admin, struct exchange *x)
{
    struct store_status *status = arena_alloc(x->arena, sizeof *status);
    if (status != NULL)
        store_status_get(admin->config.store, status);
    return status;
}

static struct store_scrub_status *scrub_status_new(const struct admin *admin, struct exchange *x)
{
    struct store_scrub_status *status = arena_alloc(x->arena, sizeof *status);
    if (status != NULL)
        store_scrub_status_get(admin->config.store, status);
    return status;
}

static void handle_health(struct exchange *x)
{
    x->operation = "Health";
    reply_short(x, 200, "{\"alive\": true}\n");
}

static void handle_ready(const struct admin *admin, struct exchange *x)
{
    x->operation = "Ready";
    const struct store_status *status = status_new(admin, x);
    if (status == NULL) {
        reply_no_memory(x);
        return;
    }
    bool stopping = server_is_stopping(admin->config.server);
    bool writes = !stopping && !status->read_only;
    unsigned raised = admin_alarms(admin, status);
    json_t *alarms = json_array();
    for (unsigned i = 0; i < ALARM_COUNT; i++)
        if ((raised & 1u << i) != 0)
            (void)json_array_append_new(alarms, json_string(alarm_text((enum alarm)i)->name));
    json_t *doc = json_pack("{s:b, s:b, s:b, s:s, s:o}", "ready", !stopping, "reads", !stopping, "writes", writes,
                            "reason", stopping ? "the server is stopping" : status->reason, "alarms", alarms);
    admin_reply_json(x, stopping ? 503 : 200, doc);
}

static void handle_metrics(const struct admin *admin, struct exchange *x)
{
    x->operation = "Metrics";
    size_t len = 0;
    const struct store_status *status = status_new(admin, x);
    const struct store_scrub_status *scrub = scrub_status_new(admin, x);
    char *text = status != NULL && scrub != NULL ? admin_metrics_text(admin, status, scrub, &len) : NULL;
    if (text == NULL) {
        reply_no_memory(x);
        return;
    }
    reply(x, 200, TYPE_METRICS, text, len);
    free(text);
}

static void handle_status(const struct admin *admin, struct exchange *x)
{
    const struct store_status *status = status_new(admin, x);
    const struct store_scrub_status *scrub = scrub_status_new(admin, x);
    if (status == NULL || scrub == NULL) {
        reply_no_memory(x);
        return;
    }
    admin_reply_json(x, 200, admin_status_json(admin, status, scrub));
}

static void reply_scrub(const struct admin *admin, struct exchange *x, unsigned code)
{
    const struct store_scrub_status *scrub = scrub_status_new(admin, x);
    if (scrub == NULL)
        reply_no_memory(x);
    else
        admin_reply_json(x, code, admin_scrub_json(scrub));
}

static void handle_scrub_start(const struct admin *admin, struct exchange *x)
{
    uint64_t bandwidth = admin->config.scrub_bytes_s;
    x->operation = "AdminScrubStart";
    if (!admin_scrub_parse_start(x->request->target, &bandwidth)) {
        reply_short(x, 400, "{\"error\": \"give the bandwidth as a number of bytes a second\"}\n");
        return;
    }
    enum dol_err err = store_scrub_start(admin->config.store, bandwidth);
    if (err == DOL_EBUSY)
        reply_short(x, 409, "{\"error\": \"a scrub is under way\"}\n");
    else if (err != DOL_OK)
        reply_short(x, 503, "{\"error\": \"a scrub can't be started now\"}\n");
    else
        reply_scrub(admin, x, 202);
}

/* ---- routes ---- */

static bool is_read(const struct exchange *x)
{
    return x->request->method == HTTP1_METHOD_GET || x->request->method == HTTP1_METHOD_HEAD;
}

static bool handle_monitoring(const struct admin *admin, struct exchange *x)
{
    struct bytes target = x->request->target;
    if (!is_read(x))
        return false;
    if (bytes_equal_str(target, "/healthz"))
        handle_health(x);
    else if (bytes_equal_str(target, "/readyz"))
        handle_ready(admin, x);
    else if (bytes_equal_str(target, "/metrics"))
        handle_metrics(admin, x);
    else
        return false;
    return true;
}

bool admin_handle_public(struct admin *admin, struct exchange *x)
{
    if (http1_header(x->request, "authorization") != NULL)
        return false;
    return handle_monitoring(admin, x);
}

/* false: nothing of scrubbing. */
static bool handle_scrub(const struct admin *admin, struct exchange *x)
{
    struct bytes target = x->request->target;
    bool start = target.len >= sizeof ADMIN_SCRUB_START - 1 &&
                 memcmp(target.data, ADMIN_SCRUB_START, sizeof ADMIN_SCRUB_START - 1) == 0;
    bool stop = bytes_equal_str(target, "/v1/scrub/stop");
    if (!start && !stop)
        return false;
    if (x->request->method != HTTP1_METHOD_POST) {
        x->operation = "AdminUnknown";
        reply_short(x, 405, "{\"error\": \"this is done by a POST\"}\n");
    } else if (start) {
        handle_scrub_start(admin, x);
    } else {
        x->operation = "AdminScrubStop";
        (void)store_scrub_stop(admin->config.store);
        reply_scrub(admin, x, 200);
    }
    return true;
}

void admin_handle(void *arg, struct exchange *x)
{
    const struct admin *admin = arg;
    bool status = bytes_equal_str(x->request->target, "/v1/status");
    bool scrub = bytes_equal_str(x->request->target, "/v1/scrub");
    bool iam = bytes_equal_str(x->request->target, "/v1/iam");
    if (handle_monitoring(admin, x) || handle_scrub(admin, x))
        return;
    x->operation = status ? "AdminStatus" : scrub ? "AdminScrub" : "AdminUnknown";
    if (iam && x->request->method == HTTP1_METHOD_POST)
        admin_handle_iam(admin, x);
    else if (iam)
        reply_short(x, 405, "{\"error\": \"this is done by a POST\"}\n");
    else if (!status && !scrub)
        reply_short(x, 404, "{\"error\": \"no such resource\"}\n");
    else if (!is_read(x))
        reply_short(x, 405, "{\"error\": \"this resource can only be read\"}\n");
    else if (status)
        handle_status(admin, x);
    else
        reply_scrub(admin, x, 200);
}
