/* Deleting: under the key's gate, asked of retention_allows(), one record that says which version is gone. */
#include <stdlib.h>

#include "dol_assert.h"
#include "retention.h"
#include "store_impl.h"
#include "version.h"

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

static enum dol_err delete_locked(struct store *s, struct bytes bucket_name, uint64_t bucket, struct bytes key,
                                  const struct delete_request *req, struct delete_result *out)
{
    const struct version_id *version = req->version;
    struct manifest m;
    void *body = NULL;
    uint64_t again;
    /* the bucket may have been deleted, or deleted and made anew, before the gate was entered */
    enum dol_err err = store_bucket_id(s, bucket_name, &again);
    if (err == DOL_OK && again != bucket)
        err = DOL_ENOBUCKET;
    if (err != DOL_OK)
        return err;
    err = store_version_get(s, bucket, key, NULL, &m, &body);
    if (err == DOL_ENOTFOUND)
        return condition_check(&req->condition, NULL);
    if (err != DOL_OK)
        return err;
    err = condition_check(&req->condition, &m);
    bool wanted = version == NULL || memcmp(version, &m.version, sizeof *version) == 0;
    wanted = wanted && err == DOL_OK;
    if (wanted &&
        !retention_allows(&m.retention, RETENTION_ACT_DESTROY, RETENTION_RIGHT_NONE, pool_compliance_now_s(s->pool)))
        err = DOL_ERETAINED;
    else if (wanted) {
        err = append_delete(s, bucket, key, &m.version);
        out->existed = err == DOL_OK;
    }
    free(body);
    return err;
}

enum dol_err store_object_delete(struct store *s, const struct delete_request *req, struct delete_result *out)
{
    struct gate_hold gate;
    uint64_t id;
    memset(out, 0, sizeof *out);
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = store_bucket_id(s, req->bucket, &id);
    if (err == DOL_OK)
        err = gates_enter_key(s->gates, id, req->key, &gate);
    if (err != DOL_OK)
        return err;
    err = delete_locked(s, req->bucket, id, req->key, req, out);
    gates_leave(s->gates, &gate);
    if (err == DOL_OK)
        atomic_fetch_add(&s->stats.deletes, 1);
    return err;
}
