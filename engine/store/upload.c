/*
 * Multipart uploads: begun, looked at, aborted. An upload is a record of its own; its parts are records that hold
 * references until the upload ends. What happens to an upload happens under its key's gate.
 */
#include <stdlib.h>

#include "checksum_fold.h"
#include "dol_assert.h"
#include "request.h"
#include "upload_impl.h"
#include "version.h"

#define UPLOAD_BODY_SLACK_BYTES 4096u /* TLVs of an upload beside its template: key, owners, fixed fields */

/* ---- shared ---- */

enum dol_err upload_load(struct store *s, uint64_t bucket, struct bytes key, const struct upload_id *id,
                         struct upload_body *out, void **memory)
{
    struct index_view *view;
    struct index_object o;
    *memory = NULL;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_upload_get(view, bucket, key, id->b, &o);
    if (err == DOL_OK && (*memory = malloc(o.body.len)) == NULL)
        err = DOL_ENOMEM;
    if (err == DOL_OK)
        memcpy(*memory, o.body.data, o.body.len);
    index_view_end(view);
    if (err == DOL_OK)
        err = upload_body_decode(bytes_of(*memory, o.body.len), out);
    if (err == DOL_OK)
        return DOL_OK;
    free(*memory);
    *memory = NULL;
    return err == DOL_ENOTFOUND ? DOL_ENOUPLOAD : err;
}

enum dol_err upload_exists(struct store *s, uint64_t bucket, struct bytes key, const struct upload_id *id)
{
    struct index_view *view;
    struct index_object o;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_upload_get(view, bucket, key, id->b, &o);
    index_view_end(view);
    return err == DOL_ENOTFOUND ? DOL_ENOUPLOAD : err;
}

enum dol_err upload_part_each(struct store *s, uint64_t bucket, const struct upload_ref *ref, uint32_t after,
                              index_part_fn *fn, void *arg)
{
    struct index_view *view;
    struct index_object o;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_upload_get(view, bucket, ref->key, ref->id.b, &o);
    if (err == DOL_OK)
        err = index_part_each(view, bucket, ref->id.b, after, fn, arg);
    else if (err == DOL_ENOTFOUND)
        err = DOL_ENOUPLOAD;
    index_view_end(view);
    return err;
}

void upload_end_record(uint64_t bucket, struct bytes key, const struct upload_id *id, enum upload_outcome outcome,
                       uint8_t *body, struct append_record *out)
{
    struct upload_end_body end = {.bucket = bucket, .key = key, .completed = (uint8_t)outcome};
    struct tlv_writer w;
    memcpy(end.upload_id, id->b, sizeof end.upload_id);
    tlv_writer_init(&w, body, UPLOAD_END_BODY_BYTES_MAX);
    upload_end_encode(&end, &w);
    dol_assert(!w.overflow);
    struct bytes payload = bytes_of(body, w.len);
    *out = (struct append_record){.kind = RECORD_UPLOAD_END, .parts = {payload}, .part_count = 1, .payload = payload};
}

/* ---- create ---- */

/* The time of creation, then chance: ids of a key are in order of creation, and no id comes twice. */
static struct upload_id new_id(int64_t created_ns)
{
    struct upload_id id;
    be64_put(id.b, (uint64_t)created_ns);
    random_fill(id.b + 8, 8);
    return id;
}

static enum dol_err encode_template(const struct manifest *m, uint8_t **buf, size_t *len)
{
    struct tlv_writer w;
    tlv_writer_init(&w, NULL, 0);
    manifest_template_encode(m, &w);
    if (w.len > MANIFEST_TEMPLATE_BYTES_MAX)
        return DOL_ETOOLARGE;
    *buf = malloc(w.len);
    if (*buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, *buf, w.len);
    manifest_template_encode(m, &w);
    *len = w.len;
    return w.overflow ? DOL_ETOOLARGE : DOL_OK;
}

/* With the gate held. */
static enum dol_err append_upload(struct store *s, const struct request *r, const struct upload_body *u)
{
    uint64_t bucket;
    struct tlv_writer w;
    size_t capacity = u->manifest.len + UPLOAD_BODY_SLACK_BYTES;
    enum dol_err err = store_bucket_id(s, r->bucket_name, &bucket);
    if (err == DOL_OK && bucket != u->bucket)
        err = DOL_ENOBUCKET;
    if (err != DOL_OK)
        return err;
    uint8_t *buf = malloc(capacity);
    if (buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, buf, capacity);
    upload_body_encode(u, &w);
    err = w.overflow ? DOL_ETOOLARGE : store_append_body(s, RECORD_UPLOAD, bytes_of(buf, w.len));
    free(buf);
    return err;
}

static enum dol_err create(struct store *s, const struct request *r, struct upload_body *u)
{
    struct manifest m = {.mtime_ns = u->created_ns};
    struct gate_hold gate;
    uint8_t *template = NULL;
    size_t len = 0;
    struct bucket_ref bucket;
    enum dol_err err = store_bucket_ref(s, r->bucket_name, &bucket);
    if (err == DOL_OK)
        err = lock_check(&bucket, &r->retention);
    if (err != DOL_OK)
        return err;
    request_describe(r, &m);
    m.bucket = u->bucket = bucket.id;
    err = encode_template(&m, &template, &len);
    u->manifest = bytes_of(template, len);
    if (err == DOL_OK)
        err = gates_enter_key(s->gates, u->bucket, r->key, &gate);
    if (err == DOL_OK) {
        err = append_upload(s, r, u);
        gates_leave(s->gates, &gate);
    }
    free(template);
    return err;
}

enum dol_err store_upload_create(struct store *s, const struct put_request *req, uint8_t checksum_alg,
                                 uint8_t checksum_type, struct upload_id *out)
{
    struct request r;
    if (!checksum_kind_is_valid(checksum_alg, checksum_type))
        return DOL_EINVAL;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    if (pool_is_full(s->pool))
        return DOL_EFULL;
    enum dol_err err = request_copy(req, &r);
    if (err != DOL_OK)
        return err;
    struct upload_body u = {.key = r.key,
                            .owner = r.owner,
                            .initiator = r.owner,
                            .created_ns = clock_realtime_ns(),
                            .checksum_alg = checksum_alg,
                            .checksum_type = checksum_type};
    *out = new_id(u.created_ns);
    memcpy(u.upload_id, out->b, sizeof u.upload_id);
    err = create(s, &r, &u);
    request_free(&r);
    return err;
}

/* ---- get, abort ---- */

enum dol_err upload_info_fill(const struct upload_body *u, struct upload_info *out)
{
    struct manifest m;
    enum dol_err err = manifest_template_decode(u->manifest, &m);
    *out = (struct upload_info){.key = u->key,
                                .owner = u->owner,
                                .initiator = u->initiator,
                                .created_ns = u->created_ns,
                                .checksum_alg = u->checksum_alg,
                                .checksum_type = u->checksum_type,
                                .storage_class = m.storage_class};
    memcpy(out->id.b, u->upload_id, sizeof out->id.b);
    return err;
}

enum dol_err store_upload_get(struct store *s, const struct upload_ref *ref, struct upload_info *out, void **memory)
{
    uint64_t bucket;
    struct upload_body u;
    *memory = NULL;
    enum dol_err err = store_bucket_id(s, ref->bucket, &bucket);
    if (err == DOL_OK)
        err = upload_load(s, bucket, ref->key, &ref->id, &u, memory);
    return err == DOL_OK ? upload_info_fill(&u, out) : err;
}

enum dol_err store_upload_abort(struct store *s, const struct upload_ref *ref)
{
    struct gate_hold gate;
    uint64_t bucket;
    uint8_t body[UPLOAD_END_BODY_BYTES_MAX];
    struct append_record record;
    struct append_group group = {.records = &record, .count = 1};
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    if (ref->key.len == 0 || ref->key.len > OBJECT_KEY_BYTES_MAX)
        return DOL_ENOUPLOAD;
    enum dol_err err = store_bucket_id(s, ref->bucket, &bucket);
    if (err == DOL_OK)
        err = gates_enter_key(s->gates, bucket, ref->key, &gate);
    if (err != DOL_OK)
        return err;
    err = upload_exists(s, bucket, ref->key, &ref->id);
    if (err == DOL_OK) {
        upload_end_record(bucket, ref->key, &ref->id, UPLOAD_ABORTED, body, &record);
        err = store_append(s, &group);
    }
    gates_leave(s->gates, &gate);
    return err;
}
