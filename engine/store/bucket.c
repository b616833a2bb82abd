/* Buckets: created and deleted under the gate of their name, so that a name means one bucket at a time; deletion also
 * excludes every gate of its keys. */
#include <stdlib.h>

#include "dol_assert.h"
#include "store_impl.h"

static void copy_text(char *out, size_t capacity, struct bytes in)
{
    size_t n = in.len < capacity - 1 ? in.len : capacity - 1;
    memcpy(out, in.data, n);
    out[n] = '\0';
}

static void bucket_info_fill(const struct bucket_body *b, struct bucket_info *out)
{
    memset(out, 0, sizeof *out);
    out->id = b->id;
    copy_text(out->name, sizeof out->name, b->name);
    copy_text(out->owner, sizeof out->owner, b->owner);
    copy_text(out->region, sizeof out->region, b->region);
    out->created_ns = b->created_ns;
    out->versioning = b->versioning;
    out->lock = (struct bucket_lock){.enabled = (b->flags & BUCKET_FLAG_OBJECT_LOCK) != 0,
                                     .mode = b->default_retention.mode,
                                     .years = b->default_years};
    if (b->default_years == 0)
        out->lock.days = (uint32_t)(b->default_retention.until_s / 86400);
}

enum dol_err store_bucket_get(struct store *s, struct bytes name, struct bucket_info *out)
{
    struct index_view *view;
    struct bucket_body b;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_bucket_by_name(view, name, &b);
    if (err == DOL_OK)
        bucket_info_fill(&b, out);
    index_view_end(view);
    return err == DOL_ENOTFOUND ? DOL_ENOBUCKET : err;
}

enum dol_err store_bucket_create(struct store *s, const struct bucket_create *req, struct bucket_info *out)
{
    struct gate_hold name_gate;
    uint8_t buf[1024];
    struct tlv_writer w;

    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = gates_enter_key(s->gates, 0, req->name, &name_gate);
    if (err != DOL_OK)
        return err;
    err = store_bucket_get(s, req->name, out);
    if (err != DOL_ENOBUCKET) {
        err = err == DOL_OK ? DOL_EEXIST : err;
        goto out;
    }
    struct bucket_body b = {.id = s->pool->run << 32 | (atomic_fetch_add(&s->bucket_counter, 1) + 1),
                            .name = req->name,
                            .owner = req->owner,
                            .created_ns = clock_realtime_ns(),
                            .region = req->region,
                            .versioning = req->object_lock ? BUCKET_VERSIONING_ENABLED : BUCKET_VERSIONING_OFF,
                            .flags = req->object_lock ? BUCKET_FLAG_OBJECT_LOCK : 0};
    tlv_writer_init(&w, buf, sizeof buf);
    bucket_body_encode(&b, &w);
    err = w.overflow ? DOL_ETOOLARGE : store_append_body(s, RECORD_BUCKET, bytes_of(buf, w.len));
    if (err == DOL_OK)
        bucket_info_fill(&b, out);
out:
    gates_leave(s->gates, &name_gate);
    return err;
}

static enum dol_err delete_if_empty(struct store *s, uint64_t id)
{
    struct index_view *view;
    uint8_t buf[64];
    struct tlv_writer w;
    bool empty = false;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_bucket_is_empty(view, id, &empty);
    index_view_end(view);
    if (err != DOL_OK)
        return err;
    if (!empty)
        return DOL_ENOTEMPTY;
    struct bucket_delete_body body = {.id = id};
    tlv_writer_init(&w, buf, sizeof buf);
    bucket_delete_encode(&body, &w);
    dol_assert(!w.overflow);
    return store_append_body(s, RECORD_BUCKET_DELETE, bytes_of(buf, w.len));
}

enum dol_err store_bucket_delete(struct store *s, struct bytes name)
{
    struct gate_hold name_gate, bucket_gate;
    struct bucket_info info;

    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = gates_enter_key(s->gates, 0, name, &name_gate);
    if (err != DOL_OK)
        return err;
    err = store_bucket_get(s, name, &info);
    if (err == DOL_OK)
        err = gates_enter_bucket(s->gates, info.id, &bucket_gate);
    if (err == DOL_OK) {
        err = delete_if_empty(s, info.id);
        gates_leave(s->gates, &bucket_gate);
    }
    gates_leave(s->gates, &name_gate);
    return err;
}

enum dol_err store_bucket_list(struct store *s, bucket_list_fn *fn, void *arg)
{
    struct index_view *view;
    struct bucket_body b;
    struct bucket_info info;
    uint8_t name[64];
    struct bytes after = {name, 0};
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    while ((err = index_bucket_next(view, after, &b)) == DOL_OK) {
        bucket_info_fill(&b, &info);
        if (!fn(arg, &info))
            break;
        after.len = b.name.len < sizeof name ? b.name.len : sizeof name;
        memcpy(name, b.name.data, after.len);
    }
    index_view_end(view);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}
