/*
 * Views: pinning, and the getters of everything but objects and uploads.
 *
 * A view is registered first, then opens its LMDB snapshot: what a later commit trims from the overlay is then either
 * still linked, because this view is older, or in the snapshot. Views are pooled: a read transaction is reset and
 * renewed, never begun anew.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "hash.h"
#include "index_impl.h"
#include "le.h"

static struct index_view *view_of(struct list_node *n)
{
    return container_of(n, struct index_view, list);
}

/* ---- pinning ---- */

static void view_forget(struct index_view *v)
{
    if (v->objects.mc != NULL)
        mdb_cursor_close(v->objects.mc);
    if (v->uploads.mc != NULL)
        mdb_cursor_close(v->uploads.mc);
    if (v->txn != NULL)
        mdb_txn_abort(v->txn);
    v->magic = 0;
    free(v);
}

enum dol_err index_view_begin(struct index *ix, struct index_view **out)
{
    struct index_view *v = NULL;
    *out = NULL;
    pthread_mutex_lock(&ix->views_lock);
    while (ix->gate_closed)
        pthread_cond_wait(&ix->views_changed, &ix->views_lock);
    enum dol_err err = DOL_OK;
    struct list_node *idle = ix->map_lost ? NULL : list_pop_front(&ix->views_idle);
    if (ix->map_lost)
        err = DOL_EIO;
    else if (idle != NULL)
        v = view_of(idle);
    else if (ix->views_count == INDEX_VIEWS_MAX)
        err = DOL_EBUSY;
    else if ((v = calloc(1, sizeof *v)) == NULL)
        err = DOL_ENOMEM;
    else {
        v->magic = INDEX_VIEW_MAGIC;
        v->ix = ix;
        ix->views_count++;
    }
    if (err == DOL_OK) {
        v->generation = ix->generation;
        list_push_back(&ix->views_open, &v->list);
    }
    pthread_mutex_unlock(&ix->views_lock);
    if (err != DOL_OK)
        return err;

    v->objects_ready = v->uploads_ready = false;
    int rc = v->txn != NULL ? mdb_txn_renew(v->txn) : mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &v->txn);
    if (rc != MDB_SUCCESS) {
        pthread_mutex_lock(&ix->views_lock);
        list_remove(&v->list);
        ix->views_count--;
        pthread_cond_broadcast(&ix->views_changed);
        pthread_mutex_unlock(&ix->views_lock);
        view_forget(v);
        return schema_err(rc);
    }
    *out = v;
    return DOL_OK;
}

void index_view_end(struct index_view *v)
{
    dol_assert_magic(v, INDEX_VIEW_MAGIC);
    struct index *ix = v->ix;
    mdb_txn_reset(v->txn);
    pthread_mutex_lock(&ix->views_lock);
    list_remove(&v->list);
    list_push_front(&ix->views_idle, &v->list);
    if (ix->gate_closed)
        pthread_cond_broadcast(&ix->views_changed);
    pthread_mutex_unlock(&ix->views_lock);
}

bool views_are_gone(struct index *ix, uint64_t generation)
{
    pthread_mutex_lock(&ix->views_lock);
    bool gone = list_is_empty(&ix->views_open) || view_of(ix->views_open.next)->generation > generation;
    pthread_mutex_unlock(&ix->views_lock);
    return gone;
}

uint64_t views_turn(struct index *ix)
{
    pthread_mutex_lock(&ix->views_lock);
    uint64_t ended = ix->generation++;
    pthread_mutex_unlock(&ix->views_lock);
    return ended;
}

void views_shut(struct index *ix)
{
    pthread_mutex_lock(&ix->views_lock);
    ix->gate_closed = true;
    while (!list_is_empty(&ix->views_open))
        pthread_cond_wait(&ix->views_changed, &ix->views_lock);
    pthread_mutex_unlock(&ix->views_lock);
}

void views_reopen(struct index *ix)
{
    pthread_mutex_lock(&ix->views_lock);
    ix->gate_closed = false;
    pthread_cond_broadcast(&ix->views_changed);
    pthread_mutex_unlock(&ix->views_lock);
}

void views_drop(struct index *ix)
{
    dol_assert(list_is_empty(&ix->views_open));
    for (struct list_node *n; (n = list_pop_front(&ix->views_idle)) != NULL;)
        view_forget(view_of(n));
    ix->views_count = 0;
}

enum dol_err view_tree(struct index_view *v, enum index_table table, struct tree_cursor **out)
{
    struct tree_cursor *tree = table == TABLE_OBJECTS ? &v->objects : &v->uploads;
    bool *ready = table == TABLE_OBJECTS ? &v->objects_ready : &v->uploads_ready;
    *out = tree;
    if (*ready)
        return DOL_OK;
    tree->table = table;
    int rc =
        tree->mc != NULL ? mdb_cursor_renew(v->txn, tree->mc) : mdb_cursor_open(v->txn, v->ix->dbi[table], &tree->mc);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    *ready = true;
    return DOL_OK;
}

/* ---- keys ---- */

struct bytes overlay_key(uint8_t *out, enum index_table table, struct bytes key)
{
    dol_assert(key.len < OVERLAY_KEY_BYTES_MAX);
    out[0] = (uint8_t)table;
    if (key.len > 0)
        memcpy(out + 1, key.data, key.len);
    return bytes_of(out, key.len + 1);
}

struct bytes overlay_key_tree(uint8_t *out, enum index_table table, uint64_t bucket, struct bytes code,
                              const uint8_t *suffix)
{
    out[0] = (uint8_t)table;
    be64_put(out + 1, bucket);
    if (code.len > 0)
        memcpy(out + 9, code.data, code.len);
    if (suffix == NULL)
        return bytes_of(out, 9 + code.len);
    memcpy(out + 9 + code.len, suffix, TREE_SUFFIX_BYTES);
    return bytes_of(out, 9 + code.len + TREE_SUFFIX_BYTES);
}

struct bytes overlay_key_object(uint8_t *out, uint64_t bucket, struct bytes code, const struct version_id *version)
{
    uint8_t inverted[KEY_VERSION_BYTES];
    if (version != NULL)
        key_version_invert(version->b, inverted);
    return overlay_key_tree(out, TABLE_OBJECTS, bucket, code, version != NULL ? inverted : NULL);
}

/* ---- getters ---- */

static enum index_table table_of_kind(uint8_t kind)
{
    return kind == RECORD_CHUNK_LIST ? TABLE_LISTS : TABLE_CHUNKS;
}

enum dol_err index_chunk_get(struct index_view *v, uint8_t kind, const struct sha256 *hash, struct index_chunk *out)
{
    enum index_table table = table_of_kind(kind);
    const struct overlay_node *node =
        overlay_find(&v->ix->overlay, overlay_key(v->key, table, bytes_of(hash->b, sizeof hash->b)));
    struct bytes payload;
    struct ref_row row = {.flags = 0};
    enum dol_err err = table_lookup(v->txn, v->ix->dbi[table], table, bytes_of(hash->b, sizeof hash->b), &payload);
    if (err == DOL_OK)
        err = ref_row_decode(payload, &row);
    if (err == DOL_ENOTFOUND && node != NULL)
        err = DOL_OK;
    if (err == DOL_OK && node == NULL && (row.flags & REF_ROW_STORED) == 0)
        err = DOL_ENOTFOUND;
    if (err != DOL_OK)
        return index_noted(v->ix, err, "a chunk's row");
    *out = (struct index_chunk){
        .place = node != NULL ? node->place : row.place,
        .lsn = node != NULL ? node->record_lsn : row.lsn,
        .kind = kind,
        .codec = node != NULL ? node->codec : row.codec,
        .plain_bytes = node != NULL ? node->plain_bytes : row.plain_bytes,
        .refs = row.refs,
        .dead_since = (row.flags & REF_ROW_STORED) != 0 ? row.dead_since : (struct lsn){0, 0},
    };
    if (node != NULL && out->dead_since.run != 0 && lsn_compare(node->record_lsn, out->dead_since) > 0)
        out->dead_since = node->record_lsn; /* stored again, and not yet applied */
    return DOL_OK;
}

/* The applied bucket that a row of names speaks of. */
static enum dol_err bucket_applied(struct index_view *v, struct bytes id, struct bucket_body *out)
{
    struct bytes payload;
    struct body_row row;
    enum dol_err err =
        id.len == 8 ? table_lookup(v->txn, v->ix->dbi[TABLE_BUCKETS], TABLE_BUCKETS, id, &payload) : DOL_ECORRUPT;
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        err = bucket_body_decode(row.body, out);
    return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
}

enum dol_err index_bucket_by_name(struct index_view *v, struct bytes name, struct bucket_body *out)
{
    if (name.len == 0 || name.len > BUCKET_NAME_BYTES_MAX)
        return DOL_ENOTFOUND;
    const struct overlay_node *node = overlay_find(&v->ix->overlay, overlay_key(v->key, TABLE_NAMES, name));
    if (node != NULL)
        return node->type == OVERLAY_VALUE ? bucket_body_decode(node->value, out) : DOL_ENOTFOUND;
    struct bytes id;
    enum dol_err err = table_lookup(v->txn, v->ix->dbi[TABLE_NAMES], TABLE_NAMES, name, &id);
    if (err == DOL_OK)
        err = bucket_applied(v, id, out);
    return index_noted(v->ix, err, "a bucket's row");
}

/* The first name in LMDB at or above one. */
static enum dol_err name_seek(struct index_view *v, MDB_cursor *mc, struct bytes name, MDB_val *key, struct bytes *id)
{
    (void)v;
    MDB_val value;
    *key = (MDB_val){name.len, (void *)(uintptr_t)name.data};
    int rc = mdb_cursor_get(mc, key, &value, name.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    return rc == MDB_SUCCESS ? table_check(TABLE_NAMES, key, &value, id) : schema_err(rc);
}

enum dol_err index_bucket_next(struct index_view *v, struct bytes after, struct bucket_body *out)
{
    /* The position right above a name is the name with a zero byte behind it. */
    uint8_t from[BUCKET_NAME_BYTES_MAX + 1];
    size_t from_len = 0;
    if (after.len > 0) {
        from_len = after.len < BUCKET_NAME_BYTES_MAX ? after.len : BUCKET_NAME_BYTES_MAX;
        memcpy(from, after.data, from_len);
        from[from_len++] = 0;
    }
    MDB_cursor *mc;
    enum dol_err err = schema_err(mdb_cursor_open(v->txn, v->ix->dbi[TABLE_NAMES], &mc));
    if (err != DOL_OK)
        return err;
    for (;;) {
        MDB_val key;
        struct bytes id;
        err = name_seek(v, mc, bytes_of(from, from_len), &key, &id);
        if (err != DOL_OK && err != DOL_ENOTFOUND)
            break;
        overlay_read_lock(&v->ix->overlay);
        const struct overlay_node *node =
            overlay_seek(&v->ix->overlay, overlay_key(v->key, TABLE_NAMES, bytes_of(from, from_len)));
        overlay_read_unlock(&v->ix->overlay);
        if (node == NULL || node->key[0] != TABLE_NAMES) {
            if (err == DOL_OK)
                err = bucket_applied(v, id, out);
            break;
        }
        struct bytes name = bytes_of(node->key + 1, node->key_len - 1);
        int order = err == DOL_OK ? bytes_compare(name, bytes_of(key.mv_data, key.mv_size)) : -1;
        if (order > 0) {
            err = bucket_applied(v, id, out);
            break;
        }
        if (node->type == OVERLAY_VALUE) {
            err = bucket_body_decode(node->value, out);
            break;
        }
        memcpy(from, name.data, name.len);
        from[name.len] = 0;
        from_len = name.len + 1;
    }
    mdb_cursor_close(mc);
    return index_noted(v->ix, err, "a bucket's row");
}

enum dol_err index_setting_get(struct index_view *v, struct bytes name, struct bytes *value)
{
    if (name.len == 0 || name.len > SETTING_NAME_BYTES_MAX)
        return DOL_ENOTFOUND;
    uint8_t key[TABLE_KEY_BYTES_MAX];
    struct bytes k = setting_key(key, RECORD_SETTING, name);
    const struct overlay_node *node = overlay_find(&v->ix->overlay, overlay_key(v->key, TABLE_SETTINGS, k));
    if (node != NULL) {
        *value = node->value;
        return node->type == OVERLAY_VALUE ? DOL_OK : DOL_ENOTFOUND;
    }
    struct bytes payload;
    struct body_row row;
    enum dol_err err = table_lookup(v->txn, v->ix->dbi[TABLE_SETTINGS], TABLE_SETTINGS, k, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK && (row.flags & BODY_ROW_REMOVED) != 0)
        err = DOL_ENOTFOUND;
    if (err == DOL_OK)
        *value = row.body;
    return index_noted(v->ix, err, "a setting's row");
}

/* A setting as LMDB has it, at or above a key; *key is the found one's. A removed one is OK, with data NULL. */
static enum dol_err setting_seek(MDB_cursor *mc, struct bytes from, struct bytes *key, struct bytes *value)
{
    MDB_val k = {from.len, (void *)(uintptr_t)from.data};
    MDB_val raw;
    struct bytes payload;
    struct body_row row;
    int rc = mdb_cursor_get(mc, &k, &raw, MDB_SET_RANGE);
    enum dol_err err = rc == MDB_SUCCESS ? table_check(TABLE_SETTINGS, &k, &raw, &payload) : schema_err(rc);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err != DOL_OK)
        return err;
    *key = bytes_of(k.mv_data, k.mv_size);
    *value = (row.flags & BODY_ROW_REMOVED) != 0 ? bytes_of(NULL, 0) : row.body;
    return DOL_OK;
}

/* The same, of LMDB and the overlay together: the overlay's is the newer one. */
static enum dol_err setting_at(struct index_view *v, MDB_cursor *mc, struct bytes from, struct bytes *key,
                               struct bytes *value)
{
    enum dol_err err = setting_seek(mc, from, key, value);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    overlay_read_lock(&v->ix->overlay);
    const struct overlay_node *node = overlay_seek(&v->ix->overlay, overlay_key(v->key, TABLE_SETTINGS, from));
    overlay_read_unlock(&v->ix->overlay);
    if (node == NULL || node->key[0] != TABLE_SETTINGS)
        return err;
    struct bytes node_key = bytes_of(node->key + 1, node->key_len - 1);
    if (err == DOL_OK && bytes_compare(node_key, *key) > 0)
        return DOL_OK;
    *key = node_key;
    *value = node->type == OVERLAY_VALUE ? node->value : bytes_of(NULL, 0);
    return DOL_OK;
}

enum dol_err index_setting_next(struct index_view *v, uint8_t kind, struct bytes after, struct bytes *name,
                                struct bytes *value)
{
    /* The position right above a name is the name with a zero byte behind it. */
    uint8_t from[1 + INDEX_SETTING_NAME_MAX + 1] = {kind};
    size_t from_len = 1;
    MDB_cursor *mc;
    struct bytes key;
    if (after.len > INDEX_SETTING_NAME_MAX)
        return DOL_EINVAL;
    if (after.len > 0) {
        memcpy(from + 1, after.data, after.len);
        from_len += after.len + 1;
    }
    enum dol_err err = schema_err(mdb_cursor_open(v->txn, v->ix->dbi[TABLE_SETTINGS], &mc));
    if (err != DOL_OK)
        return err;
    while ((err = setting_at(v, mc, bytes_of(from, from_len), &key, value)) == DOL_OK) {
        if (*(const uint8_t *)key.data != kind)
            err = DOL_ENOTFOUND;
        else if (key.len > 1 + INDEX_SETTING_NAME_MAX)
            err = DOL_EINVAL;
        if (err != DOL_OK || value->data != NULL)
            break;
        memcpy(from, key.data, key.len);
        from[key.len] = 0;
        from_len = key.len + 1;
    }
    mdb_cursor_close(mc);
    if (err == DOL_OK)
        *name = bytes_of((const uint8_t *)key.data + 1, key.len - 1);
    return index_noted(v->ix, err, "a setting's row");
}
