/* See version.h. Who adds a rule about what a new version may do to the one before adds it here, once. */
#include "version.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "retention.h"

const struct version_id version_id_null = {
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* ---- conditions ---- */

enum dol_err condition_check(const struct condition *c, const struct manifest *current)
{
    if (current != NULL && (current->flags & MANIFEST_DELETE_MARKER) != 0)
        current = NULL;
    switch ((enum condition_kind)c->kind) {
    case CONDITION_NONE:
        return DOL_OK;
    case CONDITION_ABSENT:
        return current == NULL ? DOL_OK : DOL_EPRECONDITION;
    case CONDITION_EXISTS:
        return current != NULL ? DOL_OK : DOL_ENOTFOUND;
    case CONDITION_ETAG:
        if (current == NULL)
            return DOL_ENOTFOUND;
        return c->etag.parts == current->etag.parts && memcmp(c->etag.md5, current->etag.md5, sizeof c->etag.md5) == 0
                   ? DOL_OK
                   : DOL_EPRECONDITION;
    }
    return DOL_EINVAL;
}

enum dol_err condition_check_early(struct store *s, uint64_t bucket, struct bytes key, const struct condition *c)
{
    struct manifest m;
    void *body;
    if (c->kind == CONDITION_NONE)
        return DOL_OK;
    enum dol_err err = store_version_get(s, bucket, key, NULL, &m, &body);
    if (err == DOL_ENOTFOUND)
        return condition_check(c, NULL);
    if (err == DOL_OK)
        err = condition_check(c, &m);
    free(body);
    return err;
}

/* ---- object lock ---- */

enum dol_err lock_check(const struct bucket_ref *bucket, const struct retention *asked)
{
    bool is_asked = asked->mode != RETENTION_NONE || asked->legal_hold;
    return is_asked && !bucket->object_lock ? DOL_ENOLOCK : DOL_OK;
}

/* What a version is protected by that doesn't say so itself. */
static void give_default(struct store *s, const struct bucket_ref *bucket, struct manifest *m)
{
    if ((m->flags & MANIFEST_DELETE_MARKER) != 0 || m->retention.mode != RETENTION_NONE ||
        bucket->default_retention.mode == RETENTION_NONE)
        return;
    m->retention.mode = bucket->default_retention.mode;
    m->retention.until_s = (int64_t)pool_compliance_now_s(s->pool) + bucket->default_retention.until_s;
}

/* ---- the new version ---- */

static struct version_id next_version(const struct manifest *previous)
{
    struct version_id v;
    uint64_t t = (uint64_t)clock_realtime_ns();
    if (previous != NULL && be64_get(previous->version.b) >= t)
        t = be64_get(previous->version.b) + 1;
    be64_put(v.b, t);
    random_fill(v.b + 8, 8);
    return v;
}

/* The null version that a new one takes the place of: body is the caller's to free. ENOTFOUND: there is none. */
static enum dol_err find_replaced(struct store *s, const struct manifest *m, uint8_t versioning,
                                  const struct manifest *current, struct manifest *out, void **body)
{
    if (current == NULL || versioning == BUCKET_VERSIONING_ENABLED)
        return DOL_ENOTFOUND;
    if ((current->flags & MANIFEST_NULL_VERSION) == 0)
        return store_version_get(s, m->bucket, m->key, &version_id_null, out, body);
    *out = *current;
    return DOL_OK;
}

static enum dol_err place_version(struct store *s, struct manifest *m, uint8_t versioning,
                                  const struct manifest *current)
{
    struct manifest replaced;
    void *body = NULL;
    enum dol_err err = find_replaced(s, m, versioning, current, &replaced, &body);
    memset(&m->replaces, 0, sizeof m->replaces);
    if (err == DOL_OK) {
        m->replaces = replaced.version;
        if (!retention_allows(&replaced.retention, RETENTION_ACT_DESTROY, RETENTION_RIGHT_NONE,
                              pool_compliance_now_s(s->pool)))
            err = DOL_ERETAINED;
    }
    free(body);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    m->version = next_version(current);
    m->flags &= MANIFEST_DELETE_MARKER;
    if (versioning != BUCKET_VERSIONING_ENABLED)
        m->flags |= MANIFEST_NULL_VERSION;
    m->mtime_ns = clock_realtime_ns();
    return DOL_OK;
}

/* With the gate held: whether it may come, and what it replaces. */
static enum dol_err decide(struct store *s, const struct version_commit *c, uint8_t *versioning)
{
    struct manifest current;
    void *body = NULL;
    struct bucket_ref bucket;
    enum dol_err err = store_bucket_ref(s, c->bucket_name, &bucket);
    if (err == DOL_OK && bucket.id != c->manifest->bucket)
        err = DOL_ENOBUCKET;
    if (err == DOL_OK && c->check != NULL)
        err = c->check(c->check_arg);
    if (err != DOL_OK)
        return err;
    *versioning = bucket.versioning;
    err = store_version_get(s, bucket.id, c->manifest->key, NULL, &current, &body);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    const struct manifest *found = err == DOL_OK ? &current : NULL;
    err = condition_check(c->condition, found);
    if (err == DOL_OK)
        err = lock_check(&bucket, &c->manifest->retention);
    if (err == DOL_OK)
        give_default(s, &bucket, c->manifest);
    if (err == DOL_OK)
        err = place_version(s, c->manifest, bucket.versioning, found);
    free(body);
    return err;
}

static enum dol_err encode_manifest(const struct manifest *m, uint8_t **buf, size_t *len)
{
    struct tlv_writer w;
    tlv_writer_init(&w, NULL, 0);
    manifest_encode(m, &w);
    if (w.len > APPEND_PLAIN_BODY_MAX)
        return DOL_ETOOLARGE;
    *buf = malloc(w.len);
    if (*buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, *buf, w.len);
    manifest_encode(m, &w);
    *len = w.len;
    /* overflow now means that a field is beyond what a manifest may hold */
    return w.overflow ? DOL_ETOOLARGE : DOL_OK;
}

enum dol_err version_commit_gated(struct store *s, const struct version_commit *c, uint8_t *versioning)
{
    uint8_t *body = NULL;
    size_t len = 0;
    enum dol_err err = decide(s, c, versioning);
    if (err == DOL_OK)
        err = encode_manifest(c->manifest, &body, &len);
    if (err == DOL_OK) {
        struct bytes payload = bytes_of(body, len);
        *c->slot =
            (struct append_record){.kind = RECORD_MANIFEST, .parts = {payload}, .part_count = 1, .payload = payload};
        err = store_append(s, c->group);
    }
    free(body);
    return err;
}

enum dol_err version_commit(struct store *s, const struct version_commit *c, uint8_t *versioning)
{
    struct gate_hold gate;
    enum dol_err err = gates_enter_key(s->gates, c->manifest->bucket, c->manifest->key, &gate);
    if (err != DOL_OK)
        return err;
    err = version_commit_gated(s, c, versioning);
    gates_leave(s->gates, &gate);
    return err;
}

void version_name(const struct manifest *m, uint8_t versioning, struct version_id *version, bool *null_version)
{
    bool null = (m->flags & MANIFEST_NULL_VERSION) != 0;
    *null_version = null && versioning != BUCKET_VERSIONING_OFF;
    memset(version, 0, sizeof *version);
    if (!null)
        *version = m->version;
}

void version_result(const struct manifest *m, uint8_t versioning, struct put_result *out)
{
    *out = (struct put_result){.etag = m->etag, .size = m->size, .mtime_ns = m->mtime_ns};
    version_name(m, versioning, &out->version, &out->null_version);
}
