/*
 * LMDB's environment: opening with suspicion, discarding, growing.
 *
 * LMDB 0.9 believes its meta pages, and a page number beyond the file is a SIGBUS: so the two meta pages are judged
 * before it sees them, against the real size of the file. Whatever is wrong, the files are removed and begun anew: the
 * log has everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"
#include "log.h"

#define DATA_FILE      "data.mdb"
#define LOCK_FILE      "lock.mdb"
#define META_PAGES     2u
#define META_MAGIC     0xbeefc0deu
#define META_VERSION   1u
#define META_FLAG_PAGE 0x08u
#define META_DEPTH_MAX 32u
#define NEED_FACTOR    4u
#define NO_PAGE        UINT64_MAX

/* A tree's root as it lies in a meta page of LMDB 0.9 on 64-bit machines (lmdb's mdb.c, MDB_db). */
struct meta_tree {
    struct le32 page_bytes; /* in the first of the two */
    struct le16 flags;
    struct le16 depth;
    struct le64 branch_pages, leaf_pages, overflow_pages, entries, root;
};
/* A meta page (MDB_page's header, then MDB_meta). */
struct meta_page {
    struct le64 page;
    struct le16 pad;
    struct le16 flags;
    struct le32 bounds;
    struct le32 magic;
    struct le32 version;
    struct le64 address;
    struct le64 map_bytes;
    struct meta_tree trees[2];
    struct le64 last_page;
    struct le64 transaction;
};
_Static_assert(sizeof(struct meta_tree) == 48 && sizeof(struct meta_page) == 152, "LMDB's layout");

static bool meta_tree_is_plausible(const struct meta_tree *t, uint64_t last_page)
{
    uint64_t root = le64_get(t->root);
    return le16_get(t->depth) <= META_DEPTH_MAX &&
           (root == NO_PAGE ? le16_get(t->depth) == 0 : root >= META_PAGES && root <= last_page);
}

static bool meta_is_plausible(const struct meta_page *m, uint64_t page_bytes, uint64_t file_bytes)
{
    uint64_t last = le64_get(m->last_page);
    return (le16_get(m->flags) & META_FLAG_PAGE) != 0 && le32_get(m->magic) == META_MAGIC &&
           le32_get(m->version) == META_VERSION && le32_get(m->trees[0].page_bytes) == page_bytes &&
           le64_get(m->map_bytes) <= INDEX_MAP_BYTES_MAX && last >= 1 && last < file_bytes / page_bytes &&
           meta_tree_is_plausible(&m->trees[0], last) && meta_tree_is_plausible(&m->trees[1], last);
}

static void env_path(const struct index *ix, const char *file, char *out, size_t capacity)
{
    int n = snprintf(out, capacity, "%s/%s", ix->dir, file);
    dol_assert(n > 0 && (size_t)n < capacity);
}

/* OK: nothing there, or meta pages that can be believed. */
static enum dol_err env_judge(const struct index *ix, uint64_t *file_bytes)
{
    char path[4352];
    env_path(ix, DATA_FILE, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *file_bytes = 0;
    if (fd < 0)
        return errno == ENOENT ? DOL_OK : DOL_EIO;
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    enum dol_err err = DOL_OK;
    struct stat st;
    if (fstat(fd, &st) != 0)
        err = DOL_EIO;
    else if (st.st_size != 0)
        for (unsigned i = 0; err == DOL_OK && i < META_PAGES; i++) {
            struct meta_page m;
            ssize_t n = pread(fd, &m, sizeof m, (off_t)(i * page_bytes));
            if (n != (ssize_t)sizeof m || !meta_is_plausible(&m, page_bytes, (uint64_t)st.st_size))
                err = n < 0 ? DOL_EIO : DOL_ECORRUPT;
        }
    if (err == DOL_OK)
        *file_bytes = (uint64_t)st.st_size;
    close(fd);
    return err;
}

static enum dol_err env_tables_open(struct index *ix)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(ix->env, NULL, 0, &txn);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    for (int t = TABLE_STATE; t < TABLE_END; t++) {
        rc = mdb_dbi_open(txn, table_names[t], MDB_CREATE, &ix->dbi[t]);
        if (rc != MDB_SUCCESS) {
            mdb_txn_abort(txn);
            return schema_err(rc);
        }
    }
    return schema_err(mdb_txn_commit(txn));
}

/* ENOTFOUND: a new index. */
static enum dol_err env_state_read(struct index *ix)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &txn);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    struct bytes payload;
    enum dol_err err = table_lookup(txn, ix->dbi[TABLE_STATE], TABLE_STATE, bytes_of("state", 5), &payload);
    if (err == DOL_OK)
        err = state_decode(payload, &ix->state);
    mdb_txn_abort(txn);
    if (err == DOL_OK && !uuid_equal(ix->state.pool, ix->pool))
        err = DOL_EFORMAT;
    return err;
}

static enum dol_err env_state_begin(struct index *ix)
{
    ix->state = (struct index_state){.pool = ix->pool};
    uint8_t value[STATE_BYTES];
    state_encode(&ix->state, value);
    MDB_txn *txn;
    int rc = mdb_txn_begin(ix->env, NULL, 0, &txn);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    MDB_cursor *mc;
    rc = mdb_cursor_open(txn, ix->dbi[TABLE_STATE], &mc);
    struct bytes part = bytes_of(value, sizeof value);
    enum dol_err err = rc == MDB_SUCCESS ? table_put(mc, TABLE_STATE, bytes_of("state", 5), &part, 1) : schema_err(rc);
    if (err != DOL_OK) {
        mdb_txn_abort(txn);
        return err;
    }
    return schema_err(mdb_txn_commit(txn));
}

/* Opens what is there, or creates; ENOTFOUND: there is no state yet. */
static enum dol_err env_try(struct index *ix)
{
    uint64_t file_bytes;
    enum dol_err err = env_judge(ix, &file_bytes);
    if (err != DOL_OK)
        return err;
    int rc = mdb_env_create(&ix->env);
    if (rc != MDB_SUCCESS) {
        ix->env = NULL;
        return schema_err(rc);
    }
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t map_bytes = ix->map_bytes_initial < INDEX_MAP_BYTES_MIN ? INDEX_MAP_BYTES_MIN : ix->map_bytes_initial;
    map_bytes = (map_bytes + page_bytes - 1) / page_bytes * page_bytes;
    while (map_bytes < 2 * file_bytes)
        map_bytes *= 2;
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (ix->no_sync ? MDB_NOSYNC : 0u);
    if ((rc = mdb_env_set_mapsize(ix->env, map_bytes)) == MDB_SUCCESS &&
        (rc = mdb_env_set_maxreaders(ix->env, INDEX_READERS_MAX)) == MDB_SUCCESS &&
        (rc = mdb_env_set_maxdbs(ix->env, TABLE_END)) == MDB_SUCCESS)
        rc = mdb_env_open(ix->env, ix->dir, flags, 0600);
    err = rc == MDB_SUCCESS ? env_tables_open(ix) : schema_err(rc);
    if (err == DOL_OK)
        err = env_state_read(ix);
    if (err == DOL_OK || err == DOL_ENOTFOUND) {
        MDB_envinfo info;
        mdb_env_info(ix->env, &info);
        ix->map_bytes = info.me_mapsize;
    }
    return err;
}

enum dol_err env_open(struct index *ix, bool *fresh)
{
    *fresh = false;
    enum dol_err err = index_is_retired(ix) ? DOL_ECORRUPT : env_try(ix);
    if (err == DOL_ECORRUPT || err == DOL_EFORMAT || err == DOL_EIO) {
        log_warn("index", "%s: %s; it is discarded and built again from the log", ix->dir,
                 err == DOL_EFORMAT ? "of another pool or version" : "damaged");
        env_close(ix);
        err = env_discard(ix);
        if (err == DOL_OK)
            err = env_try(ix);
    }
    if (err == DOL_ENOTFOUND) {
        *fresh = true;
        err = env_state_begin(ix);
    }
    if (err == DOL_OK)
        err = env_extend(ix);
    if (err != DOL_OK)
        env_close(ix);
    return err == DOL_ETOOLARGE ? DOL_EFULL : err;
}

void env_close(struct index *ix)
{
    if (ix->env != NULL)
        mdb_env_close(ix->env);
    ix->env = NULL;
}

enum dol_err env_discard(struct index *ix)
{
    dol_assert(ix->env == NULL);
    static const char *const files[] = {DATA_FILE, LOCK_FILE};
    for (unsigned i = 0; i < 2; i++) {
        char path[4352];
        env_path(ix, files[i], path, sizeof path);
        if (unlink(path) != 0 && errno != ENOENT)
            return DOL_EIO;
    }
    return index_retire_clear(ix);
}

enum dol_err env_grow(struct index *ix, uint64_t need_bytes, enum env_growth growth)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(ix->env, &info);
    mdb_env_stat(ix->env, &stat);
    uint64_t used = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
    uint64_t now = info.me_mapsize;
    uint64_t want = growth == ENV_DOUBLE ? 2 * now : now;
    while (want < INDEX_MAP_BYTES_MAX && (used > want / 2 || want - used < NEED_FACTOR * need_bytes))
        want *= 2;
    if (want > INDEX_MAP_BYTES_MAX)
        return DOL_EFULL;
    if (want == now)
        return DOL_OK;
    views_shut(ix);
    int rc = mdb_env_set_mapsize(ix->env, want);
    bool lost = rc != MDB_SUCCESS && mdb_env_set_mapsize(ix->env, now) != MDB_SUCCESS;
    pthread_mutex_lock(&ix->views_lock);
    ix->map_lost = lost;
    pthread_mutex_unlock(&ix->views_lock);
    views_reopen(ix);
    if (rc != MDB_SUCCESS) {
        log_error("index", "%s: cannot map %llu bytes: %s", ix->dir, (unsigned long long)want, mdb_strerror(rc));
        return DOL_EFULL;
    }
    pthread_mutex_lock(&ix->queue_lock);
    ix->map_bytes = want;
    pthread_mutex_unlock(&ix->queue_lock);
    return DOL_OK;
}

enum dol_err env_extend(struct index *ix)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_filehandle_t fd;
    struct stat st;
    mdb_env_info(ix->env, &info);
    mdb_env_stat(ix->env, &stat);
    if (mdb_env_get_fd(ix->env, &fd) != MDB_SUCCESS || fstat(fd, &st) != 0)
        return DOL_EIO;
    off_t want = (off_t)((info.me_last_pgno + 1) * (uint64_t)stat.ms_psize);
    if (st.st_size >= want)
        return DOL_OK;
    return ftruncate(fd, want) == 0 ? DOL_OK : DOL_EIO;
}
