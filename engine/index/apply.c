/* One batch as one LMDB write transaction: the records, the slabs' positions, and the bound they reach, all or nothing.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "index_impl.h"

enum dol_err apply_begin(struct apply *a, struct index *ix)
{
    *a = (struct apply){.ix = ix, .state = ix->state};
    int rc = mdb_txn_begin(ix->env, NULL, 0, &a->txn);
    if (rc != MDB_SUCCESS) {
        a->txn = NULL;
        return schema_err(rc);
    }
    for (int t = TABLE_STATE; t < TABLE_END; t++) {
        rc = mdb_cursor_open(a->txn, ix->dbi[t], &a->cursors[t]);
        if (rc != MDB_SUCCESS)
            return schema_err(rc);
    }
    a->uploads.table = TABLE_UPLOADS;
    a->uploads.mc = a->cursors[TABLE_UPLOADS];
    a->objects.table = TABLE_OBJECTS;
    a->objects.mc = a->cursors[TABLE_OBJECTS];
    return DOL_OK;
}

enum dol_err apply_commit(struct apply *a)
{
    uint8_t value[STATE_BYTES];
    enum dol_err err = apply_live_finish(a);
    if (err != DOL_OK)
        return err;
    a->state.commits++;
    state_encode(&a->state, value);
    struct bytes part = bytes_of(value, sizeof value);
    err = table_put(a->cursors[TABLE_STATE], TABLE_STATE, bytes_of("state", 5), &part, 1);
    if (err != DOL_OK)
        return err;
    err = schema_err(mdb_txn_commit(a->txn));
    a->txn = NULL;
    if (err == DOL_OK) {
        pthread_mutex_lock(&a->ix->queue_lock);
        a->ix->state = a->state;
        pthread_mutex_unlock(&a->ix->queue_lock);
    }
    return err;
}

void apply_close(struct apply *a)
{
    if (a->txn != NULL)
        mdb_txn_abort(a->txn);
    free(a->chunks.items);
    free(a->lists.items);
    free(a->merge);
    free(a->live.slots);
}

/* What speaks of records as they lie in slabs comes last: it looks at what the others have left. */
static enum dol_err apply_last(struct apply *a, const struct pending_record *const *records, size_t count)
{
    enum dol_err err = DOL_OK;
    for (size_t i = 0; i < count && err == DOL_OK; i++)
        if (records[i]->kind == RECORD_MOVED)
            err = apply_moved(a, records[i]);
    if (err == DOL_OK)
        err = apply_live_finish(a); /* a slab is freed by what is needed of it */
    for (size_t i = 0; i < count && err == DOL_OK; i++)
        if (records[i]->kind == RECORD_FREED)
            err = apply_freed(a, records[i]);
    return err;
}

/* Chunks and lists only leave effects; objects are gathered and sorted by key; the rest goes in order. */
static enum dol_err apply_records(struct apply *a, const struct pending_record *const *records, size_t count)
{
    const struct pending_record **objects = malloc((count + 1) * sizeof(const struct pending_record *));
    if (objects == NULL)
        return DOL_ENOMEM;
    size_t object_count = 0;
    enum dol_err err = DOL_OK;
    for (size_t i = 0; i < count && err == DOL_OK; i++) {
        switch (records[i]->kind) {
        case RECORD_CHUNK:
        case RECORD_CHUNK_LIST:
            err = apply_ref_record(a, records[i]);
            break;
        case RECORD_MANIFEST:
        case RECORD_DELETE:
        case RECORD_OBJECT_META:
            objects[object_count++] = records[i];
            break;
        case RECORD_MOVED:
        case RECORD_FREED:
            break;
        default:
            err = apply_record(a, records[i]);
            break;
        }
    }
    if (err == DOL_OK && object_count > 0)
        err = apply_objects(a, objects, object_count);
    free(objects);
    if (err == DOL_OK)
        err = apply_refs_finish(a);
    return err == DOL_OK ? apply_last(a, records, count) : err;
}

enum dol_err apply_batch(struct index *ix, const struct pending_record *const *records, size_t count,
                         const struct index_slab *slabs, size_t slab_count, struct lsn bound)
{
    struct apply a;
    enum dol_err err = apply_begin(&a, ix);
    /* Positions first: a record may free the slab. */
    for (size_t i = 0; i < slab_count && err == DOL_OK; i++)
        err = apply_slab(&a, &slabs[i]);
    if (err == DOL_OK)
        err = apply_records(&a, records, count);
    if (err == DOL_OK) {
        a.state.applied = bound;
        err = apply_commit(&a);
    }
    apply_close(&a);
    /* A row that should be there and isn't is damage, not a result. */
    return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
}
