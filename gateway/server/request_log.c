/* See request_log.h. */
#include "request_log.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A list of what is allowed, not of what is secret: a parameter nobody thought of, or one spelt with escapes, is not
 * logged. */
static const char *const harmless[] = {
    "X-Amz-Algorithm",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "partNumber",
    "part-number-marker",
    "prefix",
    "start-after",
    "uploadId",
    "versionId",
    "x-id",
    "version-id-marker",
    "upload-id-marker",
};

struct cursor {
    char *out;
    size_t len;
    size_t bytes; /* the terminator's place not counted */
    bool cut;
};

static void put(struct cursor *cur, const char *data, size_t len)
{
    size_t room = cur->bytes - cur->len;
    if (cur->cut || len == 0)
        return;
    if (len > room) {
        len = room;
        cur->cut = true;
    }
    memcpy(cur->out + cur->len, data, len);
    cur->len += len;
}

static bool is_harmless(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (strlen(harmless[i]) == len && memcmp(harmless[i], name, len) == 0)
            return true;
    return false;
}

/* Letters, digits and hyphens: all that the names of S3's parameters are made of. */
static bool is_plain(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
              (name[i] >= '0' && name[i] <= '9') || name[i] == '-'))
            return false;
    return true;
}

static void put_parameter(struct cursor *cur, const char *param, size_t len)
{
    const char *equals = len > 0 ? memchr(param, '=', len) : NULL;
    size_t name_len = equals != NULL ? (size_t)(equals - param) : len;
    if (!is_plain(param, name_len)) {
        put(cur, "...", 3);
    } else if (equals == NULL || name_len == len - 1 || is_harmless(param, name_len)) {
        put(cur, param, len);
    } else {
        put(cur, param, name_len + 1);
        put(cur, "...", 3);
    }
}

void request_log_target(struct bytes target, char *out, size_t out_bytes)
{
    struct cursor cur = {.out = out, .bytes = out_bytes - 1};
    const char *text = target.data;
    size_t len = target.len;
    const char *question = len > 0 ? memchr(text, '?', len) : NULL;
    put(&cur, text, question != NULL ? (size_t)(question - text) : len);
    for (const char *at = question; at != NULL && at < text + len;) {
        const char *param = at + 1;
        size_t left = (size_t)(text + len - param);
        const char *next = left > 0 ? memchr(param, '&', left) : NULL;
        put(&cur, at, 1);
        put_parameter(&cur, param, next != NULL ? (size_t)(next - param) : left);
        at = next;
    }
    if (cur.cut && cur.len >= 3)
        memcpy(out + cur.len - 3, "...", 3);
    out[cur.len] = '\0';
}

static const char *or_dash(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : "-";
}

static void log_members(const struct exchange *x, enum request_log_end end, const char *target, uint64_t us)
{
    char method[32];
    const struct bytes name = x->request->method_name;
    snprintf(method, sizeof method, "%.*s", (int)name.len, name.len > 0 ? (const char *)name.data : "");
    const struct log_field fields[] = {
        {"operation", or_dash(x->operation), 0},
        {"method", or_dash(method), 0},
        {"target", or_dash(target), 0},
        {"status", NULL, x->response_begun ? x->status : 0},
        {"error", or_dash(x->error_code), 0},
        {"bytes_in", NULL, x->bytes_in},
        {"bytes_out", NULL, x->bytes_out},
        {"duration_us", NULL, us},
        {"request_id", x->request_id, 0},
        {"peer", x->peer, 0},
        {"user", or_dash(x->user), 0},
        {"close", NULL, end == REQUEST_LOG_CLOSES},
        {"tls", NULL, x->tls},
    };
    log_fields(LOG_LEVEL_INFO, "http", "request", fields, sizeof fields / sizeof fields[0]);
}

void request_log(const struct exchange *x, enum request_log_end end, uint64_t duration_ns)
{
    char target[REQUEST_LOG_TARGET_BYTES_MAX];
    const struct http1_head *head = x->request;
    if (log_get_level() < LOG_LEVEL_INFO)
        return;
    request_log_target(head->target, target, sizeof target);
    uint64_t us = duration_ns / 1000;
    if (log_is_json()) {
        log_members(x, end, target, us);
        return;
    }
    log_info("http",
             "%s %.*s %s status=%u error=%s in=%" PRIu64 " out=%" PRIu64 " ms=%" PRIu64
             ".%03u id=%s peer=%s user=%s%s%s",
             x->operation != NULL ? x->operation : "-", (int)head->method_name.len,
             head->method_name.len > 0 ? (const char *)head->method_name.data : "", target[0] != '\0' ? target : "-",
             x->response_begun ? x->status : 0, x->error_code != NULL ? x->error_code : "-", x->bytes_in, x->bytes_out,
             us / 1000, (unsigned)(us % 1000), x->request_id, x->peer, x->user != NULL ? x->user : "-",
             x->tls ? " tls" : "", end == REQUEST_LOG_CLOSES ? " close" : "");
}
