/*
 * A freed slab goes out of the index: the rows of its void chunks, its graves, and what kept them shut elsewhere. In
 * steps, each a transaction of its own, as a slab may have a million graves; a step that is lost is done again. Nothing
 * here comes from the log: it is a cache of what lies on drives, and an index built anew finds the slab gone.
 */
#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"
#include "log.h"

#define FINAL_STEP_GRAVES 1024u
#define FINAL_STEP_BYTES  (FINAL_STEP_GRAVES * 4u * 4096u) /* pages that a step may dirty */

/* The row of a chunk or list whose stored copy lies in the slab that goes. */
static enum dol_err forget_ref(struct apply *a, uint64_t slab, struct lsn lsn, const struct grave_row *grave)
{
    struct ref_row row;
    enum index_table table = grave->kind == RECORD_CHUNK ? TABLE_CHUNKS : TABLE_LISTS;
    struct bytes key = bytes_of(grave->hash.b, sizeof grave->hash.b);
    enum dol_err err = apply_ref_row_get(a, grave->kind, &grave->hash, &row);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    if ((row.flags & REF_ROW_STORED) == 0 || row.place.slab != slab || lsn_compare(row.lsn, lsn) != 0)
        return DOL_OK; /* stored again elsewhere */
    if (ref_row_is_live(&row)) {
        index_unsure(a->ix, "a chunk of a freed slab has references");
        return DOL_OK;
    }
    err = apply_row_delete(a->cursors[table], key);
    if (err == DOL_OK && table == TABLE_LISTS)
        err = apply_row_delete(a->cursors[TABLE_MEMBERS], key);
    a->state.chunks -= table == TABLE_CHUNKS;
    return err;
}

/* The first grave of the slab. ENOTFOUND: none is left. */
static enum dol_err first_grave(struct apply *a, uint64_t slab, struct lsn *lsn, struct grave_row *grave)
{
    uint8_t from[GRAVE_KEY_BYTES];
    grave_key_encode(slab, (struct lsn){0, 0}, from);
    MDB_val key = {sizeof from, from}, value;
    struct bytes payload;
    int rc = mdb_cursor_get(a->cursors[TABLE_GRAVES], &key, &value, MDB_SET_RANGE);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    if (key.mv_size != GRAVE_KEY_BYTES)
        return DOL_ECORRUPT;
    if (be64_get(key.mv_data) != slab)
        return DOL_ENOTFOUND;
    *lsn = lsn_key_decode((const uint8_t *)key.mv_data + 8);
    enum dol_err err = table_check(TABLE_GRAVES, &key, &value, &payload);
    return err == DOL_OK ? grave_row_decode(payload, grave) : err;
}

/* The first row of moves that names the slab; there are few rows at any time. */
static enum dol_err find_move(struct apply *a, uint64_t slab)
{
    MDB_cursor *mc = a->cursors[TABLE_MOVES];
    MDB_val key, value;
    int rc;
    for (rc = mdb_cursor_get(mc, &key, &value, MDB_FIRST); rc == MDB_SUCCESS;
         rc = mdb_cursor_get(mc, &key, &value, MDB_NEXT)) {
        if (key.mv_size != MOVE_KEY_BYTES)
            return DOL_ECORRUPT;
        if (be64_get(key.mv_data) == slab || be64_get((const uint8_t *)key.mv_data + 8) == slab)
            return DOL_OK;
    }
    return schema_err(rc);
}

static enum dol_err forget_moves(struct apply *a, uint64_t slab)
{
    enum dol_err err;
    while ((err = find_move(a, slab)) == DOL_OK)
        if ((err = schema_err(mdb_cursor_del(a->cursors[TABLE_MOVES], 0))) != DOL_OK)
            return err;
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

static enum dol_err final_step(struct apply *a, uint64_t slab, struct uuid life, bool *done)
{
    struct slab_row row;
    struct lsn lsn;
    struct grave_row grave;
    uint8_t key[8];
    enum dol_err err = apply_slab_load(a, slab, &row);
    if (err == DOL_ENOTFOUND) {
        *done = true;
        return DOL_OK;
    }
    if (err != DOL_OK)
        return err;
    if (row.slab.state != SLAB_STATE_FREED || !uuid_equal(row.slab.life, life))
        return DOL_EINVAL;
    for (unsigned i = 0; i < FINAL_STEP_GRAVES; i++) {
        err = first_grave(a, slab, &lsn, &grave);
        if (err == DOL_OK && (grave.kind == RECORD_CHUNK || grave.kind == RECORD_CHUNK_LIST))
            err = forget_ref(a, slab, lsn, &grave);
        if (err == DOL_OK)
            err = apply_unbury_final(a, slab, lsn, &grave);
        if (err != DOL_OK)
            break;
    }
    if (err != DOL_ENOTFOUND)
        return err;
    be64_put(key, slab);
    err = forget_moves(a, slab);
    if (err == DOL_OK)
        err = apply_row_delete(a->cursors[TABLE_SLABS], bytes_of(key, sizeof key));
    *done = err == DOL_OK;
    return err;
}

enum dol_err index_slab_final(struct index *ix, uint64_t slab, struct uuid life)
{
    dol_assert_magic(ix, INDEX_MAGIC);
    bool done = false;
    pthread_mutex_lock(&ix->commit_lock);
    enum dol_err err = ix->broken;
    if (err == DOL_OK)
        err = env_grow(ix, FINAL_STEP_BYTES, ENV_IF_NEEDED);
    while (err == DOL_OK && !done) {
        struct apply a;
        err = apply_begin(&a, ix);
        if (err == DOL_OK)
            err = final_step(&a, slab, life, &done);
        if (err == DOL_OK)
            err = apply_commit(&a);
        apply_close(&a);
        if (err == DOL_ETOOLARGE) {
            done = false;
            err = env_grow(ix, FINAL_STEP_BYTES, ENV_DOUBLE);
        }
    }
    pthread_mutex_unlock(&ix->commit_lock);
    if (err != DOL_OK && err != DOL_EINVAL)
        log_error("index", "%s: slab %llx can't be forgotten: %s", ix->dir, (unsigned long long)slab,
                  dol_err_text(err));
    return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
}
