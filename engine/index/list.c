/*
 * Objects as readers see them: the overlay and LMDB merged, newest version first, tombstones hiding what they name.
 *
 * All reads of "the first" of something, uploads too, are one search, view_first(): the first live one at or above a
 * position. As versions sort newest first within their key, it is the newest of the first key. All versions of one key
 * are looked through under one hold of the overlay's lock, so that an overwrite (new version in, replaced one out, in
 * one step) cannot be seen half.
 */
#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"

#define OVERLAY_TREE_HEAD_BYTES 9u /* table, bucket */

struct merge {
    const struct tree_position *from;
    struct tree_cursor *tree;
    bool applied;                    /* tree is at a leaf */
    const struct overlay_node *node; /* NULL: none in this bucket */
};

/* code and suffix */
static struct bytes node_position(const struct overlay_node *node)
{
    return bytes_of(node->key + OVERLAY_TREE_HEAD_BYTES, node->key_len - OVERLAY_TREE_HEAD_BYTES);
}

static struct bytes tree_position(const struct tree_cursor *tc)
{
    return bytes_of(tc->code, tc->code_len + TREE_SUFFIX_BYTES);
}

static const struct overlay_node *node_in_bucket(const struct merge *m, const struct overlay_node *node)
{
    if (node == NULL || node->key[0] != m->from->table || be64_get(node->key + 1) != m->from->bucket)
        return NULL;
    return node;
}

static enum dol_err merge_step_applied(struct merge *m)
{
    enum dol_err err = tree_next(m->tree);
    m->applied = err == DOL_OK;
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

static enum dol_err hit_applied(const struct tree_cursor *tc, struct tree_hit *out)
{
    struct body_row row;
    enum dol_err err = body_row_decode(tc->payload, &row);
    if (err != DOL_OK)
        return err;
    *out = (struct tree_hit){
        .code = bytes_of(tc->code, tc->code_len),
        .object = {.lsn = row.lsn, .place = row.place, .body = row.body},
    };
    return DOL_OK;
}

static void hit_published(const struct overlay_node *node, struct tree_hit *out)
{
    struct bytes position = node_position(node);
    *out = (struct tree_hit){
        .code = bytes_of(position.data, position.len - TREE_SUFFIX_BYTES),
        .object = {.lsn = node->record_lsn, .place = node->place, .body = node->value},
    };
}

static bool same_code(struct bytes a, struct bytes b)
{
    return bytes_equal(bytes_of(a.data, a.len - TREE_SUFFIX_BYTES), bytes_of(b.data, b.len - TREE_SUFFIX_BYTES));
}

enum merge_result { MERGE_HIT, MERGE_PAUSE, MERGE_END };

/* Lock held, m->node sought. PAUSE: at the first node of another key, after many steps. */
static enum dol_err merge_run(struct merge *m, struct tree_hit *out, enum merge_result *result)
{
    enum dol_err err;
    *result = MERGE_HIT;
    for (unsigned steps = 0;; steps++) {
        if (m->node == NULL && !m->applied) {
            *result = MERGE_END;
            return DOL_OK;
        }
        int order = m->node == NULL ? 1
                    : !m->applied   ? -1
                                    : bytes_compare(node_position(m->node), tree_position(m->tree));
        if (order > 0)
            return hit_applied(m->tree, out);
        if (m->node->type == OVERLAY_VALUE) {
            hit_published(m->node, out);
            return DOL_OK;
        }
        if (order == 0) {
            if (m->node->type == OVERLAY_PATCH)
                return hit_applied(m->tree, out);
            if ((err = merge_step_applied(m)) != DOL_OK)
                return err;
        }
        struct bytes passed = node_position(m->node);
        m->node = node_in_bucket(m, overlay_next(m->node));
        if (steps >= OVERLAY_SLICE_MAX && m->node != NULL && !same_code(passed, node_position(m->node))) {
            *result = MERGE_PAUSE;
            return DOL_OK;
        }
    }
}

enum dol_err view_first(struct index_view *v, const struct tree_position *from, struct tree_hit *out)
{
    struct merge m = {.from = from};
    enum dol_err err = view_tree(v, from->table, &m.tree);
    if (err != DOL_OK)
        return err;
    err = tree_seek(m.tree, from->bucket, from->code, from->suffix);
    m.applied = err == DOL_OK;
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return index_noted(v->ix, err, "the row of an object or upload");
    enum merge_result result = MERGE_PAUSE;
    struct bytes key = overlay_key_tree(v->key, from->table, from->bucket, from->code, from->suffix);
    do {
        overlay_read_lock(&v->ix->overlay);
        m.node = node_in_bucket(&m, overlay_seek(&v->ix->overlay, key));
        err = merge_run(&m, out, &result);
        overlay_read_unlock(&v->ix->overlay);
        /* The node's memory outlives this view, linked or not: its key is where to go on. */
        if (result == MERGE_PAUSE)
            key = bytes_of(m.node->key, m.node->key_len);
    } while (err == DOL_OK && result == MERGE_PAUSE);
    if (err == DOL_OK && result == MERGE_END)
        return DOL_ENOTFOUND;
    return index_noted(v->ix, err, "the row of an object or upload");
}

/* The next suffix in byte order; false behind the last one. */
static bool suffix_increment(uint8_t suffix[TREE_SUFFIX_BYTES])
{
    for (unsigned i = TREE_SUFFIX_BYTES; i-- > 0;)
        if (++suffix[i] != 0)
            return true;
    return false;
}

enum dol_err view_behind(struct index_view *v, enum index_table table, uint64_t bucket, struct bytes key,
                         bool inclusive, const uint8_t *suffix, struct index_object *out)
{
    uint8_t buffer[KEY_CODE_BYTES_MAX], next[TREE_SUFFIX_BYTES];
    struct tree_position from = {.table = table, .bucket = bucket};
    bool at_key = inclusive;
    if (key.len > OBJECT_KEY_BYTES_MAX) {
        /* No key is this long: the first one above its beginning is above it. */
        key.len = OBJECT_KEY_BYTES_MAX;
        at_key = false;
    } else if (suffix != NULL) {
        memcpy(next, suffix, sizeof next);
        at_key = suffix_increment(next);
        from.suffix = at_key ? next : NULL;
    }
    if (key.len > 0)
        from.code = bytes_of(buffer, at_key ? key_code_encode(key, buffer) : key_code_encode_after(key, buffer));
    struct tree_hit hit;
    enum dol_err err = view_first(v, &from, &hit);
    if (err == DOL_OK)
        *out = hit.object;
    return err;
}

enum dol_err index_version_next(struct index_view *v, uint64_t bucket, const struct index_version_position *after,
                                struct index_object *out)
{
    uint8_t inverted[KEY_VERSION_BYTES];
    if (after->version != NULL)
        key_version_invert(after->version->b, inverted);
    return view_behind(v, TABLE_OBJECTS, bucket, after->key, after->inclusive, after->version ? inverted : NULL, out);
}

static enum dol_err first_object(struct index_view *v, uint64_t bucket, struct bytes code, struct tree_hit *out)
{
    const struct tree_position from = {.table = TABLE_OBJECTS, .bucket = bucket, .code = code};
    return view_first(v, &from, out);
}

/* The newest version of one key. Most keys asked for aren't in the overlay: then LMDB alone knows. */
static enum dol_err view_newest_object(struct index_view *v, uint64_t bucket, struct bytes code, struct tree_hit *out)
{
    enum dol_err err;
    if (overlay_may_have(&v->ix->overlay, overlay_key_object(v->key, bucket, code, NULL))) {
        err = first_object(v, bucket, code, out);
    } else {
        struct tree_cursor *tree;
        err = view_tree(v, TABLE_OBJECTS, &tree);
        if (err == DOL_OK)
            err = tree_seek(tree, bucket, code, NULL);
        if (err == DOL_OK)
            err = hit_applied(tree, out);
        index_noted(v->ix, err, "an object's row");
    }
    return err == DOL_OK && !bytes_equal(out->code, code) ? DOL_ENOTFOUND : err;
}

enum dol_err index_object_get(struct index_view *v, uint64_t bucket, struct bytes key, const struct version_id *version,
                              struct index_object *out)
{
    if (key.len == 0 || key.len > OBJECT_KEY_BYTES_MAX)
        return DOL_ENOTFOUND;
    uint8_t buffer[KEY_CODE_BYTES_MAX];
    struct bytes code = bytes_of(buffer, key_code_encode(key, buffer));
    struct tree_hit hit;
    if (version == NULL) {
        enum dol_err err = view_newest_object(v, bucket, code, &hit);
        if (err == DOL_OK)
            *out = hit.object;
        return err;
    }
    const struct overlay_node *node = overlay_find(&v->ix->overlay, overlay_key_object(v->key, bucket, code, version));
    if (node != NULL && node->type == OVERLAY_TOMBSTONE)
        return DOL_ENOTFOUND;
    if (node != NULL && node->type == OVERLAY_VALUE) {
        hit_published(node, &hit);
        *out = hit.object;
        return DOL_OK;
    }
    struct tree_cursor *tree;
    struct body_row row;
    struct bytes payload;
    uint8_t inverted[KEY_VERSION_BYTES];
    key_version_invert(version->b, inverted);
    enum dol_err err = view_tree(v, TABLE_OBJECTS, &tree);
    if (err == DOL_OK)
        err = tree_get(tree, bucket, code, inverted, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        *out = (struct index_object){.lsn = row.lsn, .place = row.place, .body = row.body};
    return index_noted(v->ix, err, "an object's row");
}

enum dol_err index_object_next(struct index_view *v, uint64_t bucket, struct bytes after, bool inclusive,
                               uint8_t *key_out, size_t *key_len, struct index_object *out)
{
    uint8_t buffer[KEY_CODE_BYTES_MAX];
    size_t len = 0;
    if (after.len > OBJECT_KEY_BYTES_MAX) {
        /* No key is this long: the first one above its beginning is above it. */
        after.len = OBJECT_KEY_BYTES_MAX;
        inclusive = false;
    }
    if (after.len > 0)
        len = inclusive ? key_code_encode(after, buffer) : key_code_encode_after(after, buffer);
    struct tree_hit hit;
    enum dol_err err = first_object(v, bucket, bytes_of(buffer, len), &hit);
    if (err == DOL_OK)
        err = index_noted(v->ix, key_code_decode(hit.code.data, hit.code.len, key_out, key_len), "an object's key");
    if (err == DOL_OK)
        *out = hit.object;
    return err;
}

enum dol_err index_bucket_is_empty(struct index_view *v, uint64_t bucket, bool *empty)
{
    struct tree_hit hit;
    const struct tree_position upload = {.table = TABLE_UPLOADS, .bucket = bucket};
    enum dol_err err = first_object(v, bucket, bytes_of(NULL, 0), &hit);
    if (err == DOL_ENOTFOUND)
        err = view_first(v, &upload, &hit);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    *empty = err == DOL_ENOTFOUND;
    return DOL_OK;
}
