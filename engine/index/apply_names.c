/* Buckets, uploads, settings and slabs: few records, applied one after another in LSN order. */
#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"

static enum dol_err row_delete(MDB_cursor *mc, struct bytes key)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v;
    int rc = mdb_cursor_get(mc, &k, &v, MDB_SET);
    if (rc == MDB_SUCCESS)
        rc = mdb_cursor_del(mc, 0);
    return rc == MDB_NOTFOUND ? DOL_OK : schema_err(rc);
}

static enum dol_err body_row_put(MDB_cursor *mc, enum index_table table, struct bytes key,
                                 const struct pending_record *rec)
{
    const struct body_row row = {.lsn = rec->lsn, .place = rec->place};
    uint8_t head[BODY_ROW_BYTES];
    body_row_encode(&row, head);
    const struct bytes parts[] = {bytes_of(head, sizeof head), rec->payload};
    return table_put(mc, table, key, parts, 2);
}

/* ---- buckets ---- */

/* Removes a name, if it is this bucket's. */
static enum dol_err name_delete(struct apply *a, struct bytes name, struct bytes id)
{
    struct bytes owner;
    enum dol_err err = table_get(a->cursors[TABLE_NAMES], TABLE_NAMES, name, &owner);
    if (err != DOL_OK || !bytes_equal(owner, id))
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    return row_delete(a->cursors[TABLE_NAMES], name);
}

static enum dol_err apply_bucket(struct apply *a, const struct pending_record *rec)
{
    struct bucket_body b;
    struct bytes old;
    enum dol_err err = bucket_body_decode(rec->payload, &b);
    if (err != DOL_OK)
        return err;
    uint8_t key[8];
    be64_put(key, b.id);
    struct bytes id = bytes_of(key, sizeof key);
    err = table_get(a->cursors[TABLE_BUCKETS], TABLE_BUCKETS, id, &old);
    if (err == DOL_ENOTFOUND)
        a->state.buckets++;
    else if (err != DOL_OK)
        return err;
    err = body_row_put(a->cursors[TABLE_BUCKETS], TABLE_BUCKETS, id, rec);
    return err == DOL_OK ? table_put(a->cursors[TABLE_NAMES], TABLE_NAMES, b.name, &id, 1) : err;
}

static enum dol_err apply_bucket_delete(struct apply *a, const struct pending_record *rec)
{
    struct bucket_delete_body d;
    struct bucket_body b;
    struct body_row row;
    struct bytes payload;
    enum dol_err err = bucket_delete_decode(rec->payload, &d);
    if (err != DOL_OK)
        return err;
    uint8_t key[8];
    be64_put(key, d.id);
    struct bytes id = bytes_of(key, sizeof key);
    err = table_get(a->cursors[TABLE_BUCKETS], TABLE_BUCKETS, id, &payload);
    if (err == DOL_ENOTFOUND)
        return DOL_OK;
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        err = bucket_body_decode(row.body, &b);
    if (err == DOL_OK)
        err = name_delete(a, b.name, id);
    if (err == DOL_OK)
        err = row_delete(a->cursors[TABLE_BUCKETS], id);
    if (err == DOL_OK)
        a->state.buckets--;
    return err;
}

/* ---- uploads ---- */

static enum dol_err part_release(struct apply *a, struct bytes payload, struct lsn lsn)
{
    struct body_row row;
    struct upload_part_body part;
    enum dol_err err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        err = upload_part_decode(row.body, &part);
    return err == DOL_OK ? apply_refs(a, part.chunk_refs, part.list_refs, lsn, -1) : err;
}

static enum dol_err apply_upload(struct apply *a, const struct pending_record *rec)
{
    struct upload_body u;
    uint8_t key[UPLOAD_KEY_BYTES];
    enum dol_err err = upload_body_decode(rec->payload, &u);
    if (err != DOL_OK)
        return err;
    upload_key_encode(u.bucket, u.upload_id, 0, key);
    return body_row_put(a->cursors[TABLE_UPLOADS], TABLE_UPLOADS, bytes_of(key, sizeof key), rec);
}

static enum dol_err apply_upload_part(struct apply *a, const struct pending_record *rec)
{
    struct upload_part_body part;
    struct bytes payload;
    uint8_t key[UPLOAD_KEY_BYTES];
    MDB_cursor *mc = a->cursors[TABLE_UPLOADS];
    enum dol_err err = upload_part_decode(rec->payload, &part);
    if (err != DOL_OK)
        return err;
    upload_key_encode(part.bucket, part.upload_id, 0, key);
    err = table_get(mc, TABLE_UPLOADS, bytes_of(key, sizeof key), &payload);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_OK : err; /* the upload has ended */
    upload_key_encode(part.bucket, part.upload_id, part.part.number, key);
    err = table_get(mc, TABLE_UPLOADS, bytes_of(key, sizeof key), &payload);
    if (err == DOL_OK)
        err = part_release(a, payload, rec->lsn);
    else if (err == DOL_ENOTFOUND)
        err = DOL_OK;
    if (err == DOL_OK)
        err = body_row_put(mc, TABLE_UPLOADS, bytes_of(key, sizeof key), rec);
    return err == DOL_OK ? apply_refs(a, part.chunk_refs, part.list_refs, rec->lsn, 1) : err;
}

/* The upload and its parts go; a manifest of the same row has references of its own. */
static enum dol_err apply_upload_end(struct apply *a, const struct pending_record *rec)
{
    struct upload_end_body e;
    uint8_t first[UPLOAD_KEY_BYTES];
    enum dol_err err = upload_end_decode(rec->payload, &e);
    if (err != DOL_OK)
        return err;
    upload_key_encode(e.bucket, e.upload_id, 0, first);
    for (;;) {
        MDB_val k = {sizeof first, first};
        MDB_val v;
        int rc = mdb_cursor_get(a->cursors[TABLE_UPLOADS], &k, &v, MDB_SET_RANGE);
        if (rc == MDB_NOTFOUND || (rc == MDB_SUCCESS && (k.mv_size != UPLOAD_KEY_BYTES ||
                                                         memcmp(k.mv_data, first, UPLOAD_KEY_BYTES - 4) != 0)))
            return DOL_OK;
        struct bytes payload;
        err = rc == MDB_SUCCESS ? table_check(TABLE_UPLOADS, &k, &v, &payload) : schema_err(rc);
        bool is_part = err == DOL_OK && memcmp((const uint8_t *)k.mv_data + UPLOAD_KEY_BYTES - 4, "\0\0\0\0", 4) != 0;
        if (is_part)
            err = part_release(a, payload, rec->lsn);
        if (err == DOL_OK)
            err = schema_err(mdb_cursor_del(a->cursors[TABLE_UPLOADS], 0));
        if (err != DOL_OK)
            return err;
    }
}

/* ---- settings ---- */

static enum dol_err apply_setting(struct apply *a, const struct pending_record *rec)
{
    struct setting_body s;
    uint8_t buffer[TABLE_KEY_BYTES_MAX];
    enum dol_err err = setting_body_decode(rec->payload, &s);
    if (err != DOL_OK)
        return err;
    struct bytes key = setting_key(buffer, rec->kind, s.name);
    if (s.value.data == NULL)
        return row_delete(a->cursors[TABLE_SETTINGS], key);
    return table_put(a->cursors[TABLE_SETTINGS], TABLE_SETTINGS, key, &s.value, 1);
}

/* ---- slabs ---- */

static enum dol_err slab_load(struct apply *a, const uint8_t key[8], struct slab_row *row)
{
    struct bytes payload;
    enum dol_err err = table_get(a->cursors[TABLE_SLABS], TABLE_SLABS, bytes_of(key, 8), &payload);
    return err == DOL_OK ? slab_row_decode(bytes_of(key, 8), payload, row) : err;
}

static enum dol_err slab_save(struct apply *a, const uint8_t key[8], struct slab_row *row)
{
    if (row->slab.state != SLAB_STATE_OPEN && row->end_rows != SLAB_ROWS_UNKNOWN && row->slab.rows >= row->end_rows)
        row->slab.complete = true;
    uint8_t value[SLAB_ROW_BYTES];
    slab_row_encode(row, value);
    struct bytes part = bytes_of(value, sizeof value);
    return table_put(a->cursors[TABLE_SLABS], TABLE_SLABS, bytes_of(key, 8), &part, 1);
}

/* A position moves forward only; a slab that has ended stays so. Another life begins anew. */
enum dol_err apply_slab(struct apply *a, const struct index_slab *after)
{
    uint8_t key[8];
    struct slab_row row;
    be64_put(key, after->slab);
    enum dol_err err = slab_load(a, key, &row);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    if (err == DOL_ENOTFOUND || !uuid_equal(row.slab.life, after->life)) {
        row = (struct slab_row){.slab = *after, .end_rows = SLAB_ROWS_UNKNOWN};
        return slab_save(a, key, &row);
    }
    uint8_t state = row.slab.state > after->state ? row.slab.state : after->state;
    bool complete = row.slab.complete || after->complete;
    if (after->rows >= row.slab.rows)
        row.slab = *after;
    row.slab.state = state;
    row.slab.complete = complete;
    return slab_save(a, key, &row);
}

static enum dol_err apply_end(struct apply *a, const struct pending_record *rec)
{
    struct end_body end;
    uint8_t key[8];
    struct slab_row row;
    enum dol_err err = end_body_decode(rec->payload, &end);
    if (err != DOL_OK)
        return err;
    be64_put(key, end.slab);
    err = slab_load(a, key, &row);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    if (err == DOL_ENOTFOUND || !uuid_equal(row.slab.life, end.life))
        row = (struct slab_row){.slab = {.slab = end.slab, .life = end.life, .state = SLAB_STATE_OPEN}};
    if (row.slab.state == SLAB_STATE_OPEN)
        row.slab.state = SLAB_STATE_ENDED;
    row.end_rows = end.rows;
    return slab_save(a, key, &row);
}

static enum dol_err apply_freed(struct apply *a, const struct pending_record *rec)
{
    struct freed_body freed;
    uint8_t key[8];
    struct slab_row row;
    enum dol_err err = freed_body_decode(rec->payload, &freed);
    if (err != DOL_OK)
        return err;
    if (freed.generation > a->state.generation)
        a->state.generation = freed.generation;
    be64_put(key, freed.slab);
    err = slab_load(a, key, &row);
    if (err == DOL_OK && uuid_equal(row.slab.life, freed.life))
        return row_delete(a->cursors[TABLE_SLABS], bytes_of(key, sizeof key));
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum dol_err apply_record(struct apply *a, const struct pending_record *rec)
{
    switch (rec->kind) {
    case RECORD_BUCKET:
        return apply_bucket(a, rec);
    case RECORD_BUCKET_DELETE:
        return apply_bucket_delete(a, rec);
    case RECORD_UPLOAD:
        return apply_upload(a, rec);
    case RECORD_UPLOAD_PART:
        return apply_upload_part(a, rec);
    case RECORD_UPLOAD_END:
        return apply_upload_end(a, rec);
    case RECORD_END:
        return apply_end(a, rec);
    case RECORD_FREED:
        return apply_freed(a, rec);
    default:
        return apply_setting(a, rec);
    }
}
