/* Routes and health. See admin.h. */
#include "admin_private.h"

#include <stdlib.h>

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
    if (status->read_only)
        return ADMIN_POOL_READ_ONLY;
    if (status->reason[0] != '\0')
        return ADMIN_POOL_DEGRADED;
    for (unsigned i = 0; i < status->drive_count; i++)
        if (strcmp(status->drives[i].state, "online") != 0)
            return ADMIN_POOL_DEGRADED;
    return ADMIN_POOL_ONLINE;
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
    }
    return "unknown";
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

/* Takes doc. */
static void reply_json(struct exchange *x, unsigned status, json_t *doc)
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
    json_t *doc = json_pack("{s:b, s:b, s:b, s:s}", "ready", !stopping, "reads", !stopping, "writes", writes, "reason",
                            stopping ? "the server is stopping" : status->reason);
    reply_json(x, stopping ? 503 : 200, doc);
}

static void handle_metrics(const struct admin *admin, struct exchange *x)
{
    x->operation = "Metrics";
    size_t len = 0;
    const struct store_status *status = status_new(admin, x);
    char *text = status != NULL ? admin_metrics_text(admin, status, &len) : NULL;
    if (text == NULL) {
        reply_no_memory(x);
        return;
    }
    reply(x, 200, TYPE_METRICS, text, len);
    free(text);
}

static void handle_status(const struct admin *admin, struct exchange *x)
{
    x->operation = "AdminStatus";
    const struct store_status *status = status_new(admin, x);
    if (status == NULL) {
        reply_no_memory(x);
        return;
    }
    reply_json(x, 200, admin_status_json(admin, status));
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

void admin_handle(void *arg, struct exchange *x)
{
    const struct admin *admin = arg;
    if (handle_monitoring(admin, x))
        return;
    bool known = bytes_equal_str(x->request->target, "/v1/status");
    if (known && is_read(x)) {
        handle_status(admin, x);
        return;
    }
    x->operation = "AdminUnknown";
    if (known)
        reply_short(x, 405, "{\"error\": \"this resource can only be read\"}\n");
    else
        reply_short(x, 404, "{\"error\": \"no such resource\"}\n");
}
