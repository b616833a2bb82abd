/* Tags of a version: a record with its whole changeable state, under the key's gate. Retention has no say in them. */
#include <stdlib.h>

#include "request.h"
#include "version.h"

static enum dol_err append_meta(struct store *s, const struct manifest *m, struct bytes tags)
{
    struct tlv_writer w;
    const struct object_meta_body body = {.bucket = m->bucket,
                                          .key = m->key,
                                          .version = m->version,
                                          .retention = m->retention,
                                          .tags = tags,
                                          .storage_class = m->storage_class};
    tlv_writer_init(&w, NULL, 0);
    object_meta_encode(&body, &w);
    size_t len = w.len;
    uint8_t *buf = malloc(len);
    if (buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, buf, len);
    object_meta_encode(&body, &w);
    enum dol_err err = w.overflow ? DOL_ETOOLARGE : store_append_body(s, RECORD_OBJECT_META, bytes_of(buf, len));
    free(buf);
    return err;
}

/* With the gate held. */
static enum dol_err set_tags_gated(struct store *s, uint64_t id, const struct tag_request *req, struct bytes tags,
                                   struct tag_result *out)
{
    struct bucket_ref bucket;
    struct manifest m;
    void *body;
    enum dol_err err = store_version_find(s, req->bucket, req->key, req->version, &bucket, &m, &body);
    if (err == DOL_ENOTFOUND && req->version != NULL)
        err = DOL_ENOVERSION;
    if (err != DOL_OK)
        return err;
    if (bucket.id != id) /* deleted and made anew before the gate was entered */
        err = DOL_ENOBUCKET;
    else if ((m.flags & MANIFEST_DELETE_MARKER) != 0)
        err = DOL_ENOTFOUND;
    else
        err = append_meta(s, &m, tags);
    version_name(&m, bucket.versioning, &out->version, &out->null_version);
    free(body);
    return err;
}

enum dol_err store_object_set_tags(struct store *s, const struct tag_request *req, struct tag_result *out)
{
    struct gate_hold gate;
    struct bytes tags = {NULL, 0};
    uint64_t id;
    memset(out, 0, sizeof *out);
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    if (pool_is_full(s->pool))
        return DOL_EFULL;
    uint8_t *memory = malloc(tags_bytes_max(req->tags, req->tag_count) + 1);
    if (memory == NULL)
        return DOL_ENOMEM;
    uint8_t *at = memory;
    enum dol_err err = tags_copy(req->tags, req->tag_count, &at, &tags);
    if (err == DOL_OK)
        err = store_bucket_id(s, req->bucket, &id);
    if (err == DOL_OK)
        err = gates_enter_key(s->gates, id, req->key, &gate);
    if (err == DOL_OK) {
        err = set_tags_gated(s, id, req, tags, out);
        gates_leave(s->gates, &gate);
    }
    free(memory);
    return err;
}
