/*
 * Uploads and their parts, applied one after another in LSN order. A part holds its references from the record that
 * stored it until a later part takes its number or the upload ends; parts of an upload that isn't there are nothing.
 */
#include "dol_assert.h"
#include "index_impl.h"

/* A stored part goes: what it refers to gets its references back. */
static enum dol_err part_release(struct apply *a, struct bytes payload, struct lsn lsn)
{
    struct body_row row;
    struct upload_part_body part;
    enum dol_err err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        err = upload_part_decode(row.body, &part);
    if (err == DOL_OK)
        err = apply_refs(a, part.chunk_refs, part.list_refs, lsn, -1);
    if (err == DOL_OK)
        err = apply_live(a, &row.place, LIVE_LESS);
    return err == DOL_OK ? apply_bury(a, &row.place, row.lsn, RECORD_UPLOAD_PART, NULL, NULL) : err;
}

static enum dol_err apply_upload(struct apply *a, const struct pending_record *rec)
{
    struct upload_body u;
    const struct body_row row = {.lsn = rec->lsn, .place = rec->place, .body = rec->payload};
    enum dol_err err = upload_body_decode(rec->payload, &u);
    if (err == DOL_OK)
        err = apply_live(a, &rec->place, LIVE_MORE);
    if (err != DOL_OK)
        return err;
    return tree_put(&a->uploads, rec->bucket, rec->code, u.upload_id, &row, &a->state.next_node);
}

static enum dol_err apply_part(struct apply *a, const struct pending_record *rec)
{
    struct upload_part_body part;
    struct bytes payload;
    uint8_t key[PART_KEY_BYTES], head[BODY_ROW_BYTES_MAX];
    MDB_cursor *mc = a->cursors[TABLE_PARTS];
    enum dol_err err = upload_part_decode(rec->payload, &part);
    if (err != DOL_OK)
        return err;
    err = tree_get(&a->uploads, rec->bucket, rec->code, part.upload_id, &payload);
    if (err == DOL_ENOTFOUND) /* the upload has ended */
        return apply_bury(a, &rec->place, rec->lsn, RECORD_UPLOAD_PART, NULL, NULL);
    if (err != DOL_OK)
        return err;
    part_key_encode(part.bucket, part.upload_id, part.part.number, key);
    err = table_get(mc, TABLE_PARTS, bytes_of(key, sizeof key), &payload);
    if (err == DOL_OK)
        err = part_release(a, payload, rec->lsn);
    else if (err == DOL_ENOTFOUND)
        err = DOL_OK;
    if (err != DOL_OK)
        return err;
    const struct body_row row = {.lsn = rec->lsn, .place = rec->place};
    const struct bytes parts[] = {bytes_of(head, body_row_encode(&row, head)), rec->payload};
    err = table_put(mc, TABLE_PARTS, bytes_of(key, sizeof key), parts, 2);
    if (err == DOL_OK)
        err = apply_live(a, &rec->place, LIVE_MORE);
    return err == DOL_OK ? apply_refs(a, part.chunk_refs, part.list_refs, rec->lsn, 1) : err;
}

/* Without its end an upload would be there again, and its parts with it. */
static enum dol_err upload_bury(struct apply *a, const struct pending_record *end, const uint8_t *id)
{
    struct bytes payload;
    struct body_row row;
    enum dol_err err = tree_get(&a->uploads, end->bucket, end->code, id, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        err = apply_live(a, &row.place, LIVE_LESS);
    return err == DOL_OK ? apply_bury(a, &row.place, row.lsn, RECORD_UPLOAD, end, NULL) : err;
}

/* The upload and its parts go; a manifest of the same row has references of its own. */
static enum dol_err apply_upload_end(struct apply *a, const struct pending_record *rec)
{
    struct upload_end_body e;
    uint8_t first[PART_KEY_BYTES];
    enum dol_err err = upload_end_decode(rec->payload, &e);
    if (err == DOL_OK)
        err = upload_bury(a, rec, e.upload_id);
    if (err == DOL_OK)
        err = tree_delete(&a->uploads, rec->bucket, rec->code, e.upload_id);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_OK : err; /* without the upload no part was stored */
    part_key_encode(e.bucket, e.upload_id, 0, first);
    MDB_cursor *mc = a->cursors[TABLE_PARTS];
    for (;;) {
        MDB_val k = {sizeof first, first};
        MDB_val v;
        struct bytes payload;
        int rc = mdb_cursor_get(mc, &k, &v, MDB_SET_RANGE);
        if (rc == MDB_NOTFOUND ||
            (rc == MDB_SUCCESS && (k.mv_size != PART_KEY_BYTES || memcmp(k.mv_data, first, PART_KEY_BYTES - 4) != 0)))
            return DOL_OK;
        err = rc == MDB_SUCCESS ? table_check(TABLE_PARTS, &k, &v, &payload) : schema_err(rc);
        if (err == DOL_OK)
            err = part_release(a, payload, rec->lsn);
        if (err == DOL_OK)
            err = schema_err(mdb_cursor_del(mc, 0));
        if (err == DOL_OK)
            err = apply_refs_bound(a);
        if (err != DOL_OK)
            return err;
    }
}

enum dol_err apply_upload_record(struct apply *a, const struct pending_record *rec)
{
    if (rec->kind == RECORD_UPLOAD)
        return apply_upload(a, rec);
    return rec->kind == RECORD_UPLOAD_PART ? apply_part(a, rec) : apply_upload_end(a, rec);
}
