/*
 * Settings of buckets: versioning, object lock, and the named documents that are kept for the gateway. A bucket's
 * record is its full state, so every change writes all of it again, under the gate of the bucket's name: nothing is
 * lost between two that come at once.
 */
#include <stdlib.h>

#include "store_impl.h"

/* What a change makes of a bucket. b borrows from the index until it returns. */
typedef enum dol_err bucket_change_fn(struct bucket_body *b, void *arg);

static enum dol_err encode_bucket(const struct bucket_body *b, uint8_t **buf, size_t *len)
{
    struct tlv_writer w;
    tlv_writer_init(&w, NULL, 0);
    bucket_body_encode(b, &w);
    *len = w.len;
    *buf = malloc(w.len);
    if (*buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, *buf, *len);
    bucket_body_encode(b, &w);
    return w.overflow ? DOL_ETOOLARGE : DOL_OK;
}

/* The bucket's record as it will be; the caller frees *buf whatever comes back. */
static enum dol_err encode_changed(struct store *s, struct bytes name, bucket_change_fn *change, void *arg,
                                   uint8_t **buf, size_t *len)
{
    struct index_view *view;
    struct bucket_body b;
    *buf = NULL;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_bucket_by_name(view, name, &b);
    if (err == DOL_ENOTFOUND)
        err = DOL_ENOBUCKET;
    if (err == DOL_OK)
        err = change(&b, arg);
    if (err == DOL_OK)
        err = encode_bucket(&b, buf, len);
    index_view_end(view);
    return err;
}

/* With the gate of its name held. */
static enum dol_err change_gated(struct store *s, struct bytes name, bucket_change_fn *change, void *arg)
{
    uint8_t *buf;
    size_t len;
    enum dol_err err = encode_changed(s, name, change, arg, &buf, &len);
    if (err == DOL_OK)
        err = store_append_body(s, RECORD_BUCKET, bytes_of(buf, len));
    free(buf);
    return err;
}

/* A change that every change of an object comes before or after. */
static enum dol_err change_alone(struct store *s, struct bytes name, bucket_change_fn *change, void *arg)
{
    struct gate_hold name_gate, bucket_gate;
    uint64_t id;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = gates_enter_key(s->gates, 0, name, &name_gate);
    if (err != DOL_OK)
        return err;
    err = store_bucket_id(s, name, &id);
    if (err == DOL_OK)
        err = gates_enter_bucket(s->gates, id, &bucket_gate);
    if (err == DOL_OK) {
        err = change_gated(s, name, change, arg);
        gates_leave(s->gates, &bucket_gate);
    }
    gates_leave(s->gates, &name_gate);
    return err;
}

/* ---- versioning ---- */

static enum dol_err change_versioning(struct bucket_body *b, void *arg)
{
    const uint8_t *versioning = arg;
    if ((b->flags & BUCKET_FLAG_OBJECT_LOCK) != 0 && *versioning != BUCKET_VERSIONING_ENABLED)
        return DOL_ERETAINED;
    b->versioning = *versioning;
    return DOL_OK;
}

enum dol_err store_bucket_set_versioning(struct store *s, struct bytes name, uint8_t versioning)
{
    struct bucket_info info;
    if (versioning != BUCKET_VERSIONING_ENABLED && versioning != BUCKET_VERSIONING_SUSPENDED)
        return DOL_EINVAL;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = store_bucket_get(s, name, &info);
    if (err != DOL_OK || info.versioning == versioning)
        return err;
    return change_alone(s, name, change_versioning, &versioning);
}

/* ---- object lock ---- */

static enum dol_err change_lock(struct bucket_body *b, void *arg)
{
    const struct bucket_lock *lock = arg;
    if (b->versioning != BUCKET_VERSIONING_ENABLED)
        return DOL_EPRECONDITION;
    b->flags |= BUCKET_FLAG_OBJECT_LOCK;
    b->default_retention =
        (struct retention){.mode = lock->mode, .until_s = ((int64_t)lock->days + (int64_t)lock->years * 365) * 86400};
    b->default_years = lock->years;
    return DOL_OK;
}

enum dol_err store_bucket_set_lock(struct store *s, struct bytes name, const struct bucket_lock *lock)
{
    struct bucket_lock copy = *lock;
    bool has_mode = lock->mode != RETENTION_NONE;
    if (lock->days > BUCKET_LOCK_DAYS_MAX || lock->years > BUCKET_LOCK_YEARS_MAX ||
        (lock->days > 0 && lock->years > 0) || has_mode != (lock->days + lock->years > 0))
        return DOL_EINVAL;
    return change_alone(s, name, change_lock, &copy);
}

/* ---- documents ---- */

struct document_change {
    struct bytes name;
    const struct bytes *document; /* NULL: removed */
    uint8_t *settings;            /* what they are afterwards, owned */
};

static enum dol_err change_document(struct bucket_body *b, void *arg)
{
    struct document_change *c = arg;
    struct bytes pos = b->settings;
    struct bytes name, value;
    size_t more = c->document != NULL ? BUCKET_SETTING_HEAD_BYTES + c->name.len + c->document->len : 0;
    uint8_t *to = c->settings = malloc(b->settings.len + more + 1);
    if (to == NULL)
        return DOL_ENOMEM;
    while (bucket_setting_next(&pos, &name, &value))
        if (!bytes_equal(name, c->name))
            to = bucket_setting_put(to, name, value);
    if (c->document != NULL)
        to = bucket_setting_put(to, c->name, *c->document);
    b->settings = bytes_of(c->settings, (size_t)(to - c->settings));
    return DOL_OK;
}

static enum dol_err document_set(struct store *s, struct bytes bucket, struct bytes name, const struct bytes *document)
{
    struct gate_hold gate;
    struct document_change change = {.name = name, .document = document};
    if (name.len == 0 || name.len > BUCKET_SETTING_NAME_BYTES_MAX)
        return DOL_EINVAL;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = gates_enter_key(s->gates, 0, bucket, &gate);
    if (err != DOL_OK)
        return err;
    err = change_gated(s, bucket, change_document, &change);
    gates_leave(s->gates, &gate);
    free(change.settings);
    return err;
}

enum dol_err store_bucket_set_document(struct store *s, struct bytes bucket, struct bytes name, struct bytes document)
{
    if (document.len > BUCKET_SETTINGS_BYTES_MAX)
        return DOL_ETOOLARGE;
    return pool_is_full(s->pool) && !pool_is_read_only(s->pool) ? DOL_EFULL : document_set(s, bucket, name, &document);
}

enum dol_err store_bucket_delete_document(struct store *s, struct bytes bucket, struct bytes name)
{
    struct bytes document;
    void *memory;
    enum dol_err err = store_bucket_get_document(s, bucket, name, &document, &memory);
    free(memory);
    if (err == DOL_ENOTFOUND)
        return pool_is_read_only(s->pool) ? DOL_EREADONLY : DOL_OK;
    return err == DOL_OK ? document_set(s, bucket, name, NULL) : err;
}

static enum dol_err view_document(struct index_view *view, struct bytes bucket, struct bytes name,
                                  struct bytes *document, void **memory)
{
    struct bucket_body b;
    struct bytes found;
    enum dol_err err = index_bucket_by_name(view, bucket, &b);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ENOBUCKET : err;
    while (bucket_setting_next(&b.settings, &found, document)) {
        if (!bytes_equal(found, name))
            continue;
        *memory = malloc(document->len + 1);
        if (*memory == NULL)
            return DOL_ENOMEM;
        memcpy(*memory, document->data, document->len);
        *document = bytes_of(*memory, document->len);
        return DOL_OK;
    }
    return DOL_ENOTFOUND;
}

enum dol_err store_bucket_get_document(struct store *s, struct bytes bucket, struct bytes name, struct bytes *document,
                                       void **memory)
{
    struct index_view *view;
    *memory = NULL;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = view_document(view, bucket, name, document, memory);
    index_view_end(view);
    return err;
}
