/*
 * Manifests, deletes and object metas into the objects table, key by key in sorted order; within a key in LSN order.
 * What a version held is given back when it goes, what it holds is taken when it comes: as effects for apply_refs.c.
 * The number of current objects follows exactly.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "index_impl.h"
#include "log.h"

static int record_compare_key(const struct pending_record *a, const struct pending_record *b)
{
    if (a->bucket != b->bucket)
        return a->bucket < b->bucket ? -1 : 1;
    return bytes_compare(a->code, b->code);
}

static int record_sort_key(const void *pa, const void *pb)
{
    const struct pending_record *a = *(const struct pending_record *const *)pa;
    const struct pending_record *b = *(const struct pending_record *const *)pb;
    int order = record_compare_key(a, b);
    return order != 0 ? order : lsn_compare(a->lsn, b->lsn);
}

/* The newest version of a key in LMDB. ENOTFOUND. */
static enum dol_err newest_of(struct tree_cursor *tc, const struct pending_record *key, struct body_row *row)
{
    enum dol_err err = tree_seek(tc, key->bucket, key->code, NULL);
    if (err == DOL_OK && !bytes_equal(bytes_of(tc->code, tc->code_len), key->code))
        err = DOL_ENOTFOUND;
    return err == DOL_OK ? body_row_decode(tc->payload, row) : err;
}

/* What the version stored here refers to gets its references back, and its records are current no more. canceller: as
 * of apply_bury(). ENOTFOUND: there is no such version. */
static enum dol_err release(struct apply *a, struct tree_cursor *tc, const struct pending_record *rec,
                            const uint8_t *version, const struct pending_record *canceller)
{
    struct bytes payload;
    struct body_row row;
    struct manifest m;
    enum dol_err err = tree_get(tc, rec->bucket, rec->code, version, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        err = manifest_decode(row.body, &m);
    if (err == DOL_OK)
        err = apply_refs(a, m.chunk_refs, m.list_refs, rec->lsn, -1);
    if (err == DOL_OK)
        err = apply_live(a, &row.place, LIVE_LESS);
    if (err == DOL_OK)
        err = apply_bury(a, &row.place, row.lsn, RECORD_MANIFEST, canceller, NULL);
    if (err != DOL_OK || (row.flags & BODY_ROW_META) == 0)
        return err;
    err = apply_live(a, &row.meta_place, LIVE_LESS);
    return err == DOL_OK ? apply_bury(a, &row.meta_place, row.meta_lsn, RECORD_OBJECT_META, NULL, NULL) : err;
}

static enum dol_err remove_version(struct apply *a, struct tree_cursor *tc, const struct pending_record *rec,
                                   const struct version_id *version)
{
    uint8_t inverted[KEY_VERSION_BYTES];
    key_version_invert(version->b, inverted);
    enum dol_err err = release(a, tc, rec, inverted, rec);
    if (err == DOL_OK)
        err = tree_delete(tc, rec->bucket, rec->code, inverted);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum known_versions { VERSIONS_NONE, VERSIONS_SOME };

static enum dol_err apply_manifest(struct apply *a, struct tree_cursor *tc, const struct pending_record *rec,
                                   enum known_versions known, bool *marker)
{
    struct manifest m;
    enum dol_err err = manifest_decode(rec->payload, &m);
    if (err != DOL_OK)
        return err;
    uint8_t inverted[KEY_VERSION_BYTES];
    key_version_invert(m.version.b, inverted);
    if (known == VERSIONS_SOME) {
        if (!version_id_is_zero(&m.replaces))
            err = remove_version(a, tc, rec, &m.replaces);
        if (err == DOL_OK)
            err = release(a, tc, rec, inverted, NULL);
        if (err != DOL_OK && err != DOL_ENOTFOUND)
            return err;
    }
    *marker = (m.flags & MANIFEST_DELETE_MARKER) != 0;
    struct body_row row = {
        .flags = *marker ? BODY_ROW_MARKER : 0,
        .lsn = rec->lsn,
        .place = rec->place,
        .body = rec->payload,
    };
    err = tree_put(tc, rec->bucket, rec->code, inverted, &row, &a->state.next_node);
    if (err == DOL_OK)
        err = apply_live(a, &rec->place, LIVE_MORE);
    return err == DOL_OK ? apply_refs(a, m.chunk_refs, m.list_refs, rec->lsn, 1) : err;
}

static enum dol_err apply_delete(struct apply *a, struct tree_cursor *tc, const struct pending_record *rec)
{
    struct delete_body d;
    enum dol_err err = delete_body_decode(rec->payload, &d);
    if (err == DOL_OK)
        err = remove_version(a, tc, rec, &d.version);
    return err == DOL_OK ? apply_inherit(a, rec, d.graves) : err;
}

/* The newest change of a version's state takes the place of the one before it. */
static enum dol_err meta_supersede(struct apply *a, struct body_row *row, const struct pending_record *rec)
{
    enum dol_err err = apply_live(a, &rec->place, LIVE_MORE);
    if (err == DOL_OK && (row->flags & BODY_ROW_META) != 0) {
        err = apply_live(a, &row->meta_place, LIVE_LESS);
        if (err == DOL_OK)
            err = apply_bury(a, &row->meta_place, row->meta_lsn, RECORD_OBJECT_META, NULL, NULL);
    }
    row->flags |= BODY_ROW_META;
    row->meta_lsn = rec->lsn;
    row->meta_place = rec->place;
    return err;
}

static enum dol_err apply_object_meta(struct apply *a, struct tree_cursor *tc, const struct pending_record *rec)
{
    struct object_meta_body meta;
    struct bytes payload;
    struct body_row row;
    uint8_t inverted[KEY_VERSION_BYTES];
    enum dol_err err = object_meta_decode(rec->payload, &meta);
    if (err != DOL_OK)
        return err;
    key_version_invert(meta.version.b, inverted);
    err = tree_get(tc, rec->bucket, rec->code, inverted, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_ENOTFOUND) /* deleted meanwhile */
        return apply_bury(a, &rec->place, rec->lsn, RECORD_OBJECT_META, NULL, NULL);
    if (err != DOL_OK)
        return err;
    size_t capacity = meta_merge_bytes(row.body, rec->payload);
    if (capacity > a->merge_capacity) {
        uint8_t *grown = realloc(a->merge, capacity);
        if (grown == NULL)
            return DOL_ENOMEM;
        a->merge = grown;
        a->merge_capacity = capacity;
    }
    size_t len;
    if (!meta_merge(row.body, rec->payload, a->merge, a->merge_capacity, &len)) {
        log_warn("index", "a change of an object's state does not fit its manifest: ignored");
        memcpy(a->merge, row.body.data, row.body.len);
        len = row.body.len;
    }
    row.body = bytes_of(a->merge, len); /* from here on the old one may be overwritten */
    err = meta_supersede(a, &row, rec);
    if (err != DOL_OK)
        return err;
    return tree_put(tc, rec->bucket, rec->code, inverted, &row, &a->state.next_node);
}

/* All records of one key. */
static enum dol_err apply_key(struct apply *a, struct tree_cursor *tc, const struct pending_record *const *records,
                              size_t count)
{
    struct body_row row;
    enum dol_err err = newest_of(tc, records[0], &row);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    enum known_versions known = err == DOL_OK ? VERSIONS_SOME : VERSIONS_NONE;
    bool before = known == VERSIONS_SOME && (row.flags & BODY_ROW_MARKER) == 0;
    bool only = known == VERSIONS_NONE && count == 1 && records[0]->kind == RECORD_MANIFEST;
    bool marker = false;
    err = DOL_OK;
    for (size_t i = 0; i < count && err == DOL_OK; i++) {
        switch (records[i]->kind) {
        case RECORD_MANIFEST:
            err = apply_manifest(a, tc, records[i], known, &marker);
            known = VERSIONS_SOME;
            break;
        case RECORD_DELETE:
            err = apply_delete(a, tc, records[i]);
            break;
        default:
            err = apply_object_meta(a, tc, records[i]);
            break;
        }
    }
    bool after = only && !marker;
    if (err == DOL_OK && !only) {
        err = newest_of(tc, records[0], &row);
        after = err == DOL_OK && (row.flags & BODY_ROW_MARKER) == 0;
        if (err == DOL_ENOTFOUND)
            err = DOL_OK;
    }
    a->state.objects += (uint64_t)after - (uint64_t)before;
    return err;
}

enum dol_err apply_objects(struct apply *a, const struct pending_record **records, size_t count)
{
    qsort(records, count, sizeof records[0], record_sort_key);
    struct tree_cursor *tc = malloc(sizeof *tc);
    if (tc == NULL)
        return DOL_ENOMEM;
    tc->table = TABLE_OBJECTS;
    tc->mc = a->cursors[TABLE_OBJECTS];
    enum dol_err err = DOL_OK;
    for (size_t i = 0, n; i < count && err == DOL_OK; i += n) {
        for (n = 1; i + n < count && record_compare_key(records[i], records[i + n]) == 0; n++)
            continue;
        err = apply_key(a, tc, records + i, n);
    }
    free(tc);
    return err;
}
