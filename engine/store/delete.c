/*
 * Deleting, under the key's gate. A version that is named goes for good, if retention_allows() it: one record says so.
 * Without a name it depends on the bucket: where versions are kept a delete marker becomes the current one, elsewhere
 * the object is gone.
 */
#include <stdlib.h>

#include "delete.h"
#include "dol_assert.h"
#include "gc.h"
#include "retention.h"
#include "store_impl.h"
#include "version.h"

#define DELETE_WAIT_NS (10ull * 1000 * 1000 * 1000) /* for room to be reclaimed */
#define DELETE_POLL_NS (50ull * 1000 * 1000)

static enum dol_err append_delete(struct store *s, uint64_t bucket, struct bytes key, const struct version_id *version)
{
    uint8_t buf[OBJECT_KEY_BYTES_MAX + 128];
    struct tlv_writer w;
    struct delete_body body = {.bucket = bucket, .key = key, .version = *version};
    tlv_writer_init(&w, buf, sizeof buf);
    delete_body_encode(&body, &w);
    dol_assert(!w.overflow);
    return store_append_body(s, RECORD_DELETE, bytes_of(buf, w.len));
}

enum dol_err delete_version_gated(struct store *s, const struct bucket_ref *bucket, const struct delete_request *req,
                                  struct delete_result *out)
{
    struct manifest m;
    void *body = NULL;
    enum retention_right right = req->bypass_governance ? RETENTION_RIGHT_BYPASS_GOVERNANCE : RETENTION_RIGHT_NONE;
    enum dol_err err = store_version_get(s, bucket->id, req->key, req->version, &m, &body);
    if (err == DOL_ENOTFOUND)
        return condition_check(&req->condition, NULL);
    if (err == DOL_OK)
        err = condition_check(&req->condition, &m);
    if (err == DOL_OK && !retention_allows(&m.retention, RETENTION_ACT_DESTROY, right, pool_compliance_now_s(s->pool)))
        err = DOL_ERETAINED;
    if (err == DOL_OK)
        err = append_delete(s, bucket->id, req->key, &m.version);
    if (err == DOL_OK) {
        out->existed = true;
        out->delete_marker = (m.flags & MANIFEST_DELETE_MARKER) != 0;
        version_name(&m, bucket->versioning, &out->version, &out->null_version);
    }
    free(body);
    return err;
}

static enum dol_err put_marker(struct store *s, const struct bucket_ref *bucket, const struct delete_request *req,
                               struct delete_result *out)
{
    uint8_t versioning;
    struct append_record record;
    struct append_group group = {.records = &record, .count = 1};
    struct manifest m = {.bucket = bucket->id, .key = req->key, .owner = req->owner, .flags = MANIFEST_DELETE_MARKER};
    const struct version_commit commit = {
        .bucket_name = req->bucket, .manifest = &m, .condition = &req->condition, .group = &group, .slot = &record};
    enum dol_err err = version_commit_gated(s, &commit, &versioning);
    if (err == DOL_OK) {
        out->delete_marker = true;
        version_name(&m, versioning, &out->version, &out->null_version);
    }
    return err;
}

enum dol_err delete_current_gated(struct store *s, const struct bucket_ref *bucket, const struct delete_request *req,
                                  struct delete_result *out)
{
    return bucket->versioning != BUCKET_VERSIONING_OFF ? put_marker(s, bucket, req, out)
                                                       : delete_version_gated(s, bucket, req, out);
}

/* With the gate held. */
static enum dol_err delete_gated(struct store *s, uint64_t id, const struct delete_request *req,
                                 struct delete_result *out)
{
    struct bucket_ref bucket;
    /* the bucket may have been deleted, or deleted and made anew, before the gate was entered */
    enum dol_err err = store_bucket_ref(s, req->bucket, &bucket);
    if (err == DOL_OK && bucket.id != id)
        err = DOL_ENOBUCKET;
    if (err != DOL_OK)
        return err;
    return req->version == NULL ? delete_current_gated(s, &bucket, req, out)
                                : delete_version_gated(s, &bucket, req, out);
}

static enum dol_err try_delete(struct store *s, const struct delete_request *req, struct delete_result *out)
{
    struct gate_hold gate;
    uint64_t id;
    memset(out, 0, sizeof *out);
    enum dol_err err = store_bucket_id(s, req->bucket, &id);
    if (err == DOL_OK)
        err = gates_enter_key(s->gates, id, req->key, &gate);
    if (err != DOL_OK)
        return err;
    err = delete_gated(s, id, req, out);
    gates_leave(s->gates, &gate);
    return err;
}

/* Restarts end slabs short, and in a small pool that is full the reserve may be gone with them until they are
 * reclaimed: what makes room waits for it. */
enum dol_err store_object_delete(struct store *s, const struct delete_request *req, struct delete_result *out)
{
    uint64_t deadline_ns = clock_monotonic_ns() + DELETE_WAIT_NS;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = try_delete(s, req, out);
    while (err == DOL_EFULL && gc_may_make_room(s) && clock_monotonic_ns() < deadline_ns) {
        fiber_sleep(DELETE_POLL_NS);
        err = try_delete(s, req, out);
    }
    if (err == DOL_OK)
        atomic_fetch_add(&s->stats.deletes, 1);
    return err;
}
