/* One batch as one LMDB write transaction: the records, the slabs' positions, and the bound they reach, all or nothing.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "index_impl.h"

static enum dol_err apply_begin(struct apply *a, struct index *ix)
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
    return DOL_OK;
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
        default:
            err = apply_record(a, records[i]);
            break;
        }
    }
    if (err == DOL_OK && object_count > 0)
        err = apply_objects(a, objects, object_count);
    free(objects);
    return err == DOL_OK ? apply_refs_finish(a) : err;
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
    if (err != DOL_OK)
        goto out;
    a.state.applied = bound;
    a.state.commits++;
    uint8_t value[STATE_BYTES];
    state_encode(&a.state, value);
    struct bytes part = bytes_of(value, sizeof value);
    err = table_put(a.cursors[TABLE_STATE], TABLE_STATE, bytes_of("state", 5), &part, 1);
    if (err != DOL_OK)
        goto out;
    err = schema_err(mdb_txn_commit(a.txn));
    a.txn = NULL;
    if (err == DOL_OK) {
        pthread_mutex_lock(&ix->queue_lock);
        ix->state = a.state;
        pthread_mutex_unlock(&ix->queue_lock);
    }
out:
    if (a.txn != NULL)
        mdb_txn_abort(a.txn);
    free(a.chunks.items);
    free(a.lists.items);
    free(a.merge);
    /* A row that should be there and isn't is damage, not a result. */
    return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
}
