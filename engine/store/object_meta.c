/* See object_meta.h: a record with the version's whole changeable state, under the key's gate. */
#include "object_meta.h"

#include <stdlib.h>

#include "version.h"

static enum dol_err append_meta(struct store *s, const struct object_meta_body *body)
{
    struct tlv_writer w;
    tlv_writer_init(&w, NULL, 0);
    object_meta_encode(body, &w);
    size_t len = w.len;
    uint8_t *buf = malloc(len);
    if (buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, buf, len);
    object_meta_encode(body, &w);
    enum dol_err err = w.overflow ? DOL_ETOOLARGE : store_append_body(s, RECORD_OBJECT_META, bytes_of(buf, len));
    free(buf);
    return err;
}

static enum dol_err change_version(struct store *s, const struct bucket_ref *bucket, const struct manifest *m,
                                   meta_change_fn *change, void *arg)
{
    struct object_meta_body body = {.bucket = m->bucket,
                                    .key = m->key,
                                    .version = m->version,
                                    .retention = m->retention,
                                    .tags = m->tags,
                                    .storage_class = m->storage_class};
    enum dol_err err = change(s, bucket, &body, arg);
    return err == DOL_OK ? append_meta(s, &body) : err;
}

/* With the gate held. */
static enum dol_err change_gated(struct store *s, uint64_t id, const struct meta_target *target, meta_change_fn *change,
                                 void *arg, struct tag_result *out)
{
    struct bucket_ref bucket;
    struct manifest m;
    void *body;
    enum dol_err err = store_version_find(s, target->bucket, target->key, target->version, &bucket, &m, &body);
    if (err == DOL_ENOTFOUND && target->version != NULL)
        err = DOL_ENOVERSION;
    if (err != DOL_OK)
        return err;
    if (bucket.id != id) /* deleted and made anew before the gate was entered */
        err = DOL_ENOBUCKET;
    else if ((m.flags & MANIFEST_DELETE_MARKER) != 0)
        err = DOL_ENOTFOUND;
    else
        err = change_version(s, &bucket, &m, change, arg);
    version_name(&m, bucket.versioning, &out->version, &out->null_version);
    free(body);
    return err;
}

enum dol_err object_meta_change(struct store *s, const struct meta_target *target, meta_change_fn *change, void *arg,
                                struct tag_result *out)
{
    struct gate_hold gate;
    uint64_t id;
    memset(out, 0, sizeof *out);
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    if (pool_is_full(s->pool))
        return DOL_EFULL;
    enum dol_err err = store_bucket_id(s, target->bucket, &id);
    if (err == DOL_OK)
        err = gates_enter_key(s->gates, id, target->key, &gate);
    if (err != DOL_OK)
        return err;
    err = change_gated(s, id, target, change, arg, out);
    gates_leave(s->gates, &gate);
    return err;
}
