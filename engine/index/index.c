/* The index as a whole: opening, closing, starting anew, and what it knows of itself and of slabs. */
#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"
#include "log.h"

/* A const index still has a lock. */
static pthread_mutex_t *queue_lock_of(const struct index *ix)
{
    return (pthread_mutex_t *)(uintptr_t)&ix->queue_lock;
}

/* The directory, and a lock on it that dies with the process. LMDB's own lock file lets several processes in. */
static enum dol_err index_dir_lock(struct index *ix)
{
    if (mkdir(ix->dir, 0700) != 0 && errno != EEXIST)
        return DOL_EIO;
    ix->lock_fd = open(ix->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ix->lock_fd < 0)
        return DOL_EIO;
    if (flock(ix->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? DOL_EINUSE : DOL_EIO;
    return DOL_OK;
}

enum dol_err index_open(const struct index_config *config, struct index **out, bool *fresh)
{
    *out = NULL;
    if (strlen(config->dir) > 4096)
        return DOL_EINVAL;
    struct index *ix = calloc(1, sizeof *ix);
    if (ix == NULL)
        return DOL_ENOMEM;
    ix->magic = INDEX_MAGIC;
    ix->lock_fd = -1;
    ix->pool = config->pool;
    ix->no_sync = config->no_sync;
    ix->map_bytes_initial = config->map_bytes;
    list_init(&ix->applied);
    list_init(&ix->retired);
    list_init(&ix->pending);
    list_init(&ix->views_open);
    list_init(&ix->views_idle);
    pthread_mutex_init(&ix->commit_lock, NULL);
    pthread_mutex_init(&ix->queue_lock, NULL);
    pthread_mutex_init(&ix->views_lock, NULL);
    pthread_cond_init(&ix->views_changed, NULL);
    enum dol_err err = DOL_ENOMEM;
    ix->dir = strdup(config->dir);
    if (ix->dir == NULL || overlay_init(&ix->overlay) != DOL_OK)
        goto fail;
    err = index_dir_lock(ix);
    if (err == DOL_OK)
        err = env_open(ix, fresh);
    if (err != DOL_OK)
        goto fail;
    ix->published = ix->state.applied;
    *out = ix;
    return DOL_OK;
fail:
    index_close(ix);
    return err;
}

static void rows_free(struct list_node *rows)
{
    for (struct list_node *n; (n = list_pop_front(rows)) != NULL;)
        row_free(container_of(n, struct pending_row, list));
}

/* All that lies in memory. */
static void index_forget(struct index *ix)
{
    views_drop(ix);
    overlay_clear(&ix->overlay);
    rows_free(&ix->pending);
    rows_free(&ix->applied);
    rows_free(&ix->retired);
    ix->pending_bytes = ix->pending_records = 0;
}

void index_close(struct index *ix)
{
    if (ix == NULL)
        return;
    dol_assert_magic(ix, INDEX_MAGIC);
    if (ix->overlay.head != NULL)
        index_forget(ix);
    env_close(ix);
    overlay_fini(&ix->overlay);
    index_sigbus_unguard(ix);
    if (ix->lock_fd >= 0)
        close(ix->lock_fd);
    pthread_cond_destroy(&ix->views_changed);
    pthread_mutex_destroy(&ix->views_lock);
    pthread_mutex_destroy(&ix->queue_lock);
    pthread_mutex_destroy(&ix->commit_lock);
    free(ix->dir);
    ix->magic = 0;
    free(ix);
}

enum dol_err index_reset(struct index *ix)
{
    dol_assert_magic(ix, INDEX_MAGIC);
    pthread_mutex_lock(&ix->commit_lock);
    index_forget(ix);
    env_close(ix);
    bool fresh;
    enum dol_err err = env_discard(ix);
    if (err == DOL_OK)
        err = env_open(ix, &fresh);
    ix->broken = err;
    ix->map_lost = err != DOL_OK;
    ix->published = ix->state.applied;
    atomic_store(&ix->corrupt_logged, false);
    pthread_mutex_unlock(&ix->commit_lock);
    return err;
}

enum dol_err index_noted(struct index *ix, enum dol_err err, const char *what)
{
    if (err == DOL_ECORRUPT && !atomic_exchange(&ix->corrupt_logged, true)) {
        index_retire(ix);
        log_error("index", "%s: %s is damaged; the index has to be built again from the log", ix->dir, what);
    }
    return err;
}

/* ---- state ---- */

struct lsn index_applied(const struct index *ix)
{
    pthread_mutex_lock(queue_lock_of(ix));
    struct lsn lsn = ix->state.applied;
    pthread_mutex_unlock(queue_lock_of(ix));
    return lsn;
}

uint64_t index_generation(const struct index *ix)
{
    pthread_mutex_lock(queue_lock_of(ix));
    uint64_t generation = ix->state.generation;
    pthread_mutex_unlock(queue_lock_of(ix));
    return generation;
}

void index_pending(const struct index *ix, size_t *bytes, size_t *records)
{
    pthread_mutex_lock(queue_lock_of(ix));
    *bytes = ix->pending_bytes;
    *records = ix->pending_records;
    pthread_mutex_unlock(queue_lock_of(ix));
}

void index_counts_get(struct index *ix, struct index_counts *out)
{
    pthread_mutex_lock(&ix->queue_lock);
    *out = (struct index_counts){
        .objects = ix->state.objects,
        .buckets = ix->state.buckets,
        .chunks = ix->state.chunks,
        .commits = ix->state.commits,
        .pending = ix->pending_records,
        .map_bytes = ix->map_bytes,
    };
    pthread_mutex_unlock(&ix->queue_lock);
}

enum dol_err index_slab_get(struct index *ix, uint64_t slab, struct index_slab *out)
{
    struct index_view *v;
    enum dol_err err = index_view_begin(ix, &v);
    if (err != DOL_OK)
        return err;
    uint8_t key[8];
    be64_put(key, slab);
    struct bytes payload;
    struct slab_row row;
    err = table_lookup(v->txn, ix->dbi[TABLE_SLABS], TABLE_SLABS, bytes_of(key, sizeof key), &payload);
    if (err == DOL_OK)
        err = slab_row_decode(bytes_of(key, sizeof key), payload, &row);
    if (err == DOL_OK)
        *out = row.slab;
    index_view_end(v);
    return index_noted(ix, err, "a slab's row");
}

enum dol_err index_slab_each(struct index *ix, index_slab_fn *fn, void *arg)
{
    struct index_view *v;
    enum dol_err err = index_view_begin(ix, &v);
    if (err != DOL_OK)
        return err;
    MDB_cursor *mc;
    err = schema_err(mdb_cursor_open(v->txn, ix->dbi[TABLE_SLABS], &mc));
    if (err != DOL_OK)
        goto out;
    MDB_val key, value;
    int rc;
    while ((rc = mdb_cursor_get(mc, &key, &value, MDB_NEXT)) == MDB_SUCCESS) {
        struct bytes payload;
        struct slab_row row;
        err = table_check(TABLE_SLABS, &key, &value, &payload);
        if (err == DOL_OK)
            err = slab_row_decode(bytes_of(key.mv_data, key.mv_size), payload, &row);
        if (err != DOL_OK || !fn(arg, &row.slab))
            break;
    }
    if (err == DOL_OK && rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        err = schema_err(rc);
    mdb_cursor_close(mc);
out:
    index_view_end(v);
    return index_noted(ix, err, "a slab's row");
}
