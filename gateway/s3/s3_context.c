/* See s3_context.h. Keys are those of iam/policy_names.c; each has its line here. */
#include "s3_context.h"

#include "http_date.h"
#include "s3_tags.h"

#include <inttypes.h>

/* Keys that are headers, or parameters, of the request. */
static const struct {
    const char *key;
    const char *header;
    const char *param;
} plain_keys[] = {
    {"aws:referer", "referer", NULL},
    {"aws:useragent", "user-agent", NULL},
    {"s3:delimiter", NULL, "delimiter"},
    {"s3:max-keys", NULL, "max-keys"},
    {"s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold", NULL},
    {"s3:object-lock-mode", "x-amz-object-lock-mode", NULL},
    {"s3:object-lock-retain-until-date", "x-amz-object-lock-retain-until-date", NULL},
    {"s3:prefix", NULL, "prefix"},
    {"s3:versionid", NULL, "versionId"},
    {"s3:x-amz-acl", "x-amz-acl", NULL},
    {"s3:x-amz-content-sha256", "x-amz-content-sha256", NULL},
    {"s3:x-amz-copy-source", "x-amz-copy-source", NULL},
    {"s3:x-amz-grant-full-control", "x-amz-grant-full-control", NULL},
    {"s3:x-amz-grant-read", "x-amz-grant-read", NULL},
    {"s3:x-amz-grant-read-acp", "x-amz-grant-read-acp", NULL},
    {"s3:x-amz-grant-write", "x-amz-grant-write", NULL},
    {"s3:x-amz-grant-write-acp", "x-amz-grant-write-acp", NULL},
    {"s3:x-amz-metadata-directive", "x-amz-metadata-directive", NULL},
    {"s3:x-amz-object-ownership", "x-amz-object-ownership", NULL},
    {"s3:x-amz-server-side-encryption", "x-amz-server-side-encryption", NULL},
    {"s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id", NULL},
    {"s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm", NULL},
    {"s3:x-amz-storage-class", "x-amz-storage-class", NULL},
};

static bool give(struct policy_values *out, struct bytes value)
{
    out->list[0] = value;
    out->count = 1;
    return value.data != NULL;
}

static bool give_text(struct policy_values *out, const char *text)
{
    return give(out, text != NULL ? s3_bytes_of(text) : bytes_of(NULL, 0));
}

static bool has_prefix(struct bytes key, const char *prefix, struct bytes *rest)
{
    size_t len = strlen(prefix);
    if (!s3_bytes_have_prefix(key, prefix))
        return false;
    *rest = bytes_of((const char *)key.data + len, key.len - len);
    return true;
}

/* "192.0.2.1:51234", "[2001:db8::1]:51234" without the port. */
static struct bytes address_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    size_t len = colon != NULL ? (size_t)(colon - peer) : strlen(peer);
    if (len >= 2 && peer[0] == '[' && peer[len - 1] == ']')
        return bytes_of(peer + 1, len - 2);
    return bytes_of(peer, len);
}

/* ---- who ---- */

static bool identity_value(const struct s3_context *c, struct bytes key, struct policy_values *out)
{
    const struct iam_identity *id = &c->rq->identity;
    bool anonymous = id->user_id[0] == '\0';
    if (bytes_equal_str(key, "aws:principaltype"))
        return give_text(out, anonymous ? "Anonymous" : id->is_root ? "Account" : "User");
    if (bytes_equal_str(key, "aws:resourceaccount") || bytes_equal_str(key, "s3:resourceaccount"))
        return give(out, c->owner);
    if (anonymous)
        return false;
    if (bytes_equal_str(key, "aws:userid") || bytes_equal_str(key, "aws:principalaccount"))
        return give_text(out, id->user_id);
    if (bytes_equal_str(key, "aws:username"))
        return !id->is_root && give_text(out, id->display_name);
    return bytes_equal_str(key, "aws:principalarn") && give_text(out, id->arn);
}

/* ---- how and when ---- */

static bool signature_value(struct s3_request *rq, struct bytes key, struct policy_values *out)
{
    bool presigned = rq->auth.kind == SIGV4_KIND_PRESIGNED;
    if (rq->identity.user_id[0] == '\0')
        return false;
    if (bytes_equal_str(key, "s3:authtype"))
        return give_text(out, presigned ? "REST-QUERY-STRING" : "REST-HEADER");
    if (bytes_equal_str(key, "s3:signatureversion"))
        return give_text(out, "AWS4-HMAC-SHA256");
    int64_t age_ms = clock_realtime_ns() / 1000000 - rq->auth.time_s * 1000;
    return bytes_equal_str(key, "s3:signatureage") && presigned && give_text(out, s3_text(rq, "%" PRId64, age_ms));
}

static bool moment_value(struct s3_request *rq, struct bytes key, struct policy_values *out)
{
    char text[HTTP_DATE_TEXT_MAX];
    int64_t now_ns = clock_realtime_ns();
    if (bytes_equal_str(key, "aws:securetransport"))
        return give_text(out, rq->x->tls ? "true" : "false");
    if (bytes_equal_str(key, "aws:sourceip"))
        return give(out, address_of(rq->x->peer));
    if (bytes_equal_str(key, "aws:epochtime"))
        return give_text(out, s3_text(rq, "%" PRId64, now_ns / 1000000000));
    if (!bytes_equal_str(key, "aws:currenttime"))
        return false;
    http_date_format_iso(now_ns, text);
    return give_text(out, s3_text(rq, "%s", text));
}

/* ---- tags and locks ---- */

static bool request_tag_value(const struct s3_context *c, struct bytes name, struct policy_values *out)
{
    for (unsigned i = 0; i < c->right->tag_count; i++)
        if (bytes_equal(c->right->tags[i].name, name))
            return give(out, c->right->tags[i].value);
    return false;
}

static bool request_tag_keys(const struct s3_context *c, struct policy_values *out)
{
    for (unsigned i = 0; i < c->right->tag_count && i < POLICY_VALUES_MAX; i++)
        out->list[out->count++] = c->right->tags[i].name;
    return out->count > 0;
}

/* The object is looked at once, and only when a policy asks. */
static bool existing_tag_value(struct s3_context *c, struct bytes name, struct policy_values *out)
{
    struct metadata_pair tag;
    if (!c->object_asked && c->right->key.len > 0 &&
        store_object_open(c->rq->config->store, c->right->bucket, c->right->key, c->right->version, &c->object) !=
            DOL_OK)
        c->object = NULL;
    c->object_asked = true;
    for (unsigned i = 0; c->object != NULL && store_object_tag(c->object, i, &tag); i++)
        if (bytes_equal(tag.name, name))
            return give(out, tag.value);
    return false;
}

static bool remaining_days(struct s3_request *rq, struct policy_values *out)
{
    const struct bytes *until = s3_header(rq, "x-amz-object-lock-retain-until-date");
    int64_t until_ns;
    if (until == NULL || !http_date_parse_iso(*until, &until_ns))
        return false;
    int64_t left_ns = until_ns - clock_realtime_ns();
    return give_text(out, s3_text(rq, "%" PRId64, left_ns > 0 ? left_ns / (86400 * INT64_C(1000000000)) : 0));
}

bool s3_context_values(void *arg, struct bytes key, struct policy_values *out)
{
    struct s3_context *c = arg;
    struct s3_request *rq = c->rq;
    struct bytes rest;
    out->count = 0;
    for (size_t i = 0; i < sizeof plain_keys / sizeof plain_keys[0]; i++) {
        if (!bytes_equal_str(key, plain_keys[i].key))
            continue;
        const struct bytes *value =
            plain_keys[i].header != NULL ? s3_header(rq, plain_keys[i].header) : s3_param(rq, plain_keys[i].param);
        return value != NULL && give(out, *value);
    }
    if (has_prefix(key, "s3:existingobjecttag/", &rest))
        return existing_tag_value(c, rest, out);
    if (has_prefix(key, "s3:requestobjecttag/", &rest))
        return request_tag_value(c, rest, out);
    if (bytes_equal_str(key, "s3:requestobjecttagkeys"))
        return request_tag_keys(c, out);
    if (bytes_equal_str(key, "s3:object-lock-remaining-retention-days"))
        return remaining_days(rq, out);
    return identity_value(c, key, out) || moment_value(rq, key, out) || signature_value(rq, key, out);
}

void s3_context_fini(struct s3_context *c)
{
    if (c->object != NULL)
        store_object_close(c->object);
    c->object = NULL;
}
