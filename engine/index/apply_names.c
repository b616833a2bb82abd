/* Buckets, settings and slabs: few records, applied one after another in LSN order. */
#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"

enum dol_err apply_row_delete(MDB_cursor *mc, struct bytes key)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v;
    int rc = mdb_cursor_get(mc, &k, &v, MDB_SET);
    if (rc == MDB_SUCCESS)
        rc = mdb_cursor_del(mc, 0);
    return rc == MDB_NOTFOUND ? DOL_OK : schema_err(rc);
}

enum dol_err apply_body_row_put(MDB_cursor *mc, enum index_table table, struct bytes key, const struct body_row *row)
{
    uint8_t head[BODY_ROW_BYTES_MAX];
    size_t head_len = body_row_encode(row, head);
    const struct bytes parts[] = {bytes_of(head, head_len), row->body};
    return table_put(mc, table, key, parts, 2);
}

/* A record takes the place of the one that the key's row is of, if there is a row: then *known. */
static enum dol_err supersede(struct apply *a, enum index_table table, struct bytes key,
                              const struct pending_record *rec, bool *known)
{
    struct bytes payload;
    struct body_row old;
    enum dol_err err = table_get(a->cursors[table], table, key, &payload);
    *known = err == DOL_OK;
    if (*known)
        err = body_row_decode(payload, &old);
    else if (err == DOL_ENOTFOUND)
        err = DOL_OK;
    if (err == DOL_OK)
        err = apply_live(a, &rec->place, LIVE_MORE);
    if (err == DOL_OK && *known)
        err = apply_live(a, &old.place, LIVE_LESS);
    return err == DOL_OK && *known ? apply_bury(a, &old.place, old.lsn, rec->kind, NULL, NULL) : err;
}

/* ---- buckets ---- */

/* Removes a name, if it is this bucket's. */
static enum dol_err name_delete(struct apply *a, struct bytes name, struct bytes id)
{
    struct bytes owner;
    enum dol_err err = table_get(a->cursors[TABLE_NAMES], TABLE_NAMES, name, &owner);
    if (err != DOL_OK || !bytes_equal(owner, id))
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    return apply_row_delete(a->cursors[TABLE_NAMES], name);
}

static enum dol_err apply_bucket(struct apply *a, const struct pending_record *rec)
{
    struct bucket_body b;
    bool known;
    enum dol_err err = bucket_body_decode(rec->payload, &b);
    if (err != DOL_OK)
        return err;
    uint8_t key[8];
    be64_put(key, b.id);
    struct bytes id = bytes_of(key, sizeof key);
    const struct body_row row = {.lsn = rec->lsn, .place = rec->place, .body = rec->payload};
    err = supersede(a, TABLE_BUCKETS, id, rec, &known);
    if (err != DOL_OK)
        return err;
    a->state.buckets += !known;
    err = apply_body_row_put(a->cursors[TABLE_BUCKETS], TABLE_BUCKETS, id, &row);
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
        err = name_delete(a, b.name, id); /* before anything else is written: the name lies in the map */
    if (err == DOL_OK)
        err = apply_live(a, &row.place, LIVE_LESS);
    if (err == DOL_OK) /* a bucket's delete is kept for good: no need to name it */
        err = apply_bury(a, &row.place, row.lsn, RECORD_BUCKET, NULL, NULL);
    if (err == DOL_OK)
        err = apply_row_delete(a->cursors[TABLE_BUCKETS], id);
    if (err == DOL_OK)
        a->state.buckets--;
    return err;
}

/* ---- settings ---- */

static enum dol_err apply_setting(struct apply *a, const struct pending_record *rec)
{
    struct setting_body s;
    bool known;
    uint8_t buffer[TABLE_KEY_BYTES_MAX];
    enum dol_err err = setting_body_decode(rec->payload, &s);
    if (err != DOL_OK)
        return err;
    struct bytes key = setting_key(buffer, rec->kind, s.name);
    const struct body_row row = {
        .flags = s.value.data == NULL ? BODY_ROW_REMOVED : 0, .lsn = rec->lsn, .place = rec->place, .body = s.value};
    err = supersede(a, TABLE_SETTINGS, key, rec, &known);
    return err == DOL_OK ? apply_body_row_put(a->cursors[TABLE_SETTINGS], TABLE_SETTINGS, key, &row) : err;
}

/* ---- slabs ---- */

enum dol_err apply_slab_load(struct apply *a, uint64_t slab, struct slab_row *row)
{
    uint8_t key[8];
    struct bytes payload;
    be64_put(key, slab);
    enum dol_err err = table_get(a->cursors[TABLE_SLABS], TABLE_SLABS, bytes_of(key, sizeof key), &payload);
    return err == DOL_OK ? slab_row_decode(bytes_of(key, sizeof key), payload, row) : err;
}

enum dol_err apply_slab_save(struct apply *a, struct slab_row *row)
{
    uint8_t key[8], value[SLAB_ROW_BYTES];
    if (row->slab.state != SLAB_STATE_OPEN && row->end_rows != SLAB_ROWS_UNKNOWN && row->slab.rows >= row->end_rows)
        row->slab.complete = true;
    be64_put(key, row->slab.slab);
    slab_row_encode(row, value);
    struct bytes part = bytes_of(value, sizeof value);
    return table_put(a->cursors[TABLE_SLABS], TABLE_SLABS, bytes_of(key, sizeof key), &part, 1);
}

/* A position moves forward only; a slab that has ended stays so. Another life begins anew. */
enum dol_err apply_slab(struct apply *a, const struct index_slab *after)
{
    struct slab_row row;
    enum dol_err err = apply_slab_load(a, after->slab, &row);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    if (err == DOL_ENOTFOUND || !uuid_equal(row.slab.life, after->life)) {
        row = (struct slab_row){.slab = *after, .end_rows = SLAB_ROWS_UNKNOWN};
        return apply_slab_save(a, &row);
    }
    uint8_t state = row.slab.state > after->state ? row.slab.state : after->state;
    bool complete = row.slab.complete || after->complete;
    if (after->rows >= row.slab.rows)
        row.slab = *after;
    row.slab.state = state;
    row.slab.complete = complete;
    return apply_slab_save(a, &row);
}

static enum dol_err apply_end(struct apply *a, const struct pending_record *rec)
{
    struct end_body end;
    struct slab_row row;
    enum dol_err err = end_body_decode(rec->payload, &end);
    if (err != DOL_OK)
        return err;
    err = apply_slab_load(a, end.slab, &row);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    if (err == DOL_ENOTFOUND || !uuid_equal(row.slab.life, end.life))
        row = (struct slab_row){.slab = {.slab = end.slab, .life = end.life, .state = SLAB_STATE_OPEN}};
    if (row.slab.state == SLAB_STATE_OPEN)
        row.slab.state = SLAB_STATE_ENDED;
    row.end_rows = end.rows;
    return apply_slab_save(a, &row);
}

enum dol_err apply_record(struct apply *a, const struct pending_record *rec)
{
    switch (rec->kind) {
    case RECORD_BUCKET:
        return apply_bucket(a, rec);
    case RECORD_BUCKET_DELETE:
        return apply_bucket_delete(a, rec);
    case RECORD_UPLOAD:
    case RECORD_UPLOAD_PART:
    case RECORD_UPLOAD_END:
        return apply_upload_record(a, rec);
    case RECORD_END:
        return apply_end(a, rec);
    default:
        return apply_setting(a, rec);
    }
}
