/*
 * Uploads and parts as readers see them: the overlay and LMDB merged.
 *
 * An upload's tombstone hides its parts, which have none of their own: readers of parts ask for the upload first, in
 * the same view. Upload ids are never used again.
 */
#include "dol_assert.h"
#include "index_impl.h"

enum dol_err index_upload_get(struct index_view *v, uint64_t bucket, struct bytes key,
                              const uint8_t id[UPLOAD_ID_BYTES], struct index_object *out)
{
    if (key.len == 0 || key.len > OBJECT_KEY_BYTES_MAX)
        return DOL_ENOTFOUND;
    uint8_t buffer[KEY_CODE_BYTES_MAX];
    struct bytes code = bytes_of(buffer, key_code_encode(key, buffer));
    const struct overlay_node *node =
        overlay_find(&v->ix->overlay, overlay_key_tree(v->key, TABLE_UPLOADS, bucket, code, id));
    if (node != NULL && node->type == OVERLAY_TOMBSTONE)
        return DOL_ENOTFOUND;
    if (node != NULL) {
        *out = (struct index_object){.lsn = node->record_lsn, .place = node->place, .body = node->value};
        return DOL_OK;
    }
    struct tree_cursor *tree;
    struct body_row row;
    struct bytes payload;
    enum dol_err err = view_tree(v, TABLE_UPLOADS, &tree);
    if (err == DOL_OK)
        err = tree_get(tree, bucket, code, id, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        *out = (struct index_object){.lsn = row.lsn, .place = row.place, .body = row.body};
    return index_noted(v->ix, err, "an upload's row");
}

enum dol_err index_upload_next(struct index_view *v, uint64_t bucket, const struct index_upload_position *after,
                               struct index_object *out)
{
    return view_behind(v, TABLE_UPLOADS, bucket, after->key, after->inclusive, after->id, out);
}

/* ---- parts ---- */

struct part_walk {
    struct index_view *v;
    uint64_t bucket;
    const uint8_t *id;
    MDB_cursor *mc;
    uint8_t from[PART_KEY_BYTES];
    const struct overlay_node *node; /* at or behind `from`; NULL: none of this upload */
    bool applied;                    /* LMDB has a row at or behind `from` */
    uint32_t number;                 /* of that row */
    struct body_row row;
};

static bool of_upload(const struct part_walk *w, const uint8_t *key, size_t len)
{
    return len == PART_KEY_BYTES && memcmp(key, w->from, PART_KEY_BYTES - 4) == 0;
}

static void walk_published(struct part_walk *w)
{
    struct overlay *o = &w->v->ix->overlay;
    overlay_read_lock(o);
    w->node = overlay_seek(o, overlay_key(w->v->key, TABLE_PARTS, bytes_of(w->from, sizeof w->from)));
    overlay_read_unlock(o);
    if (w->node != NULL && (w->node->key[0] != TABLE_PARTS || !of_upload(w, w->node->key + 1, w->node->key_len - 1)))
        w->node = NULL;
}

static enum dol_err walk_applied(struct part_walk *w)
{
    MDB_val k = {sizeof w->from, w->from};
    MDB_val value;
    struct bytes payload;
    int rc = mdb_cursor_get(w->mc, &k, &value, MDB_SET_RANGE);
    w->applied = rc == MDB_SUCCESS && of_upload(w, k.mv_data, k.mv_size);
    if (!w->applied)
        return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? DOL_OK : schema_err(rc);
    w->number = part_key_number(k.mv_data);
    enum dol_err err = table_check(TABLE_PARTS, &k, &value, &payload);
    return err == DOL_OK ? body_row_decode(payload, &w->row) : err;
}

static enum dol_err walk(struct part_walk *w, index_part_fn *fn, void *arg)
{
    walk_published(w);
    enum dol_err err = walk_applied(w);
    while (err == DOL_OK && (w->node != NULL || w->applied)) {
        struct index_part part = {.number = w->node ? part_key_number(w->node->key + 1) : UINT32_MAX};
        bool published = w->node != NULL && (!w->applied || part.number <= w->number);
        if (published) {
            part.lsn = w->node->record_lsn;
            part.body = w->node->value;
        } else {
            part = (struct index_part){w->number, w->row.lsn, w->row.body};
        }
        if (!fn(arg, &part) || part.number == UINT32_MAX)
            break;
        bool both = published && w->applied && part.number == w->number;
        part_key_encode(w->bucket, w->id, part.number + 1, w->from);
        if (published)
            walk_published(w);
        if (!published || both)
            err = walk_applied(w);
    }
    return err;
}

enum dol_err index_part_each(struct index_view *v, uint64_t bucket, const uint8_t id[UPLOAD_ID_BYTES], uint32_t after,
                             index_part_fn *fn, void *arg)
{
    struct part_walk w = {.v = v, .bucket = bucket, .id = id};
    if (after == UINT32_MAX)
        return DOL_OK;
    part_key_encode(bucket, id, after + 1, w.from);
    enum dol_err err = schema_err(mdb_cursor_open(v->txn, v->ix->dbi[TABLE_PARTS], &w.mc));
    if (err != DOL_OK)
        return err;
    err = walk(&w, fn, arg);
    mdb_cursor_close(w.mc);
    return index_noted(v->ix, err, "a part's row");
}
