/*
 * What the files of the index share: the index itself, rows waiting to be applied, views.
 *
 * Life of a row:  publish builds it (its records, the overlay nodes, copies of all bodies, in the row's own memory),
 * links its nodes, and queues it; pending   in the queue, in order of publication applied   its records are in LMDB;
 * its nodes stay linked while a view is open that began before the commit: such a view reads an older snapshot retired
 * unlinked; its memory stays while a view is open that began before that freed
 *
 * Locks, none taken inside another but as said:
 *   commit_lock  one commit at a time; around everything that commits, trims or resets
 *   queue_lock   the queue and its counters, and the applied state that getters copy
 *   views_lock   views, generations, the gate that closes while the map grows
 *   overlay.lock see index_overlay.h
 */
#ifndef DOL_INDEX_IMPL_H
#define DOL_INDEX_IMPL_H

#include "index_overlay.h"
#include "index_schema.h"
#include "index_tree.h"
#include "list.h"

#define INDEX_VIEWS_MAX   2048u /* open at once; LMDB's reader table has as many places and some */
#define INDEX_READERS_MAX (INDEX_VIEWS_MAX + 64u)
#define INDEX_BATCH_RECORDS_MAX                                                                                        \
    (1u << 17) /* applied in one transaction; more take several, each a prefix of the log                              \
                */
#define INDEX_MAP_BYTES_MIN (1u << 20)
#define INDEX_MAP_BYTES_MAX (1ull << 44)

/* ---- rows ---- */

/* One record of a kind the index keeps, in the memory of its row. */
struct pending_record {
    uint8_t kind;
    uint8_t codec;
    uint32_t plain_bytes;
    struct lsn lsn;
    uint64_t sequence; /* of publication: of two records with one LSN the later tells the place */
    struct place place;
    struct bytes payload;
    /* objects, uploads: */
    uint64_t bucket;
    struct bytes code;
    /* moved: what was copied, and where it lies now */
    struct pending_record *moved;
    uint32_t moved_count;
};

struct row_memory; /* a block of a row's memory */

struct pending_row {
    struct list_node list;
    struct row_memory *memory;
    struct index_slab after;
    struct pending_record *records;
    size_t record_count;     /* kept and not applied before */
    size_t count;            /* all that the row has */
    size_t bytes;            /* of memory */
    struct lsn highest;      /* of all its records, kept or not; {0,0} without records */
    struct lsn node_highest; /* of its overlay nodes */
    struct overlay_node *nodes;
    uint64_t tag; /* applied, retired: waits for views of this generation and older */
};

/* From the row's memory, 8-byte aligned; NULL when memory is short. */
void *row_alloc(struct pending_row *row, size_t len);
void row_free(struct pending_row *row);

/* ---- the index ---- */

#define INDEX_MAGIC 0x1dec5a11u
struct index {
    unsigned magic;
    char *dir;
    struct uuid pool;
    unsigned no_sync;
    uint64_t map_bytes_initial;
    int lock_fd;

    MDB_env *env;
    MDB_dbi dbi[TABLE_END];

    struct overlay overlay;

    pthread_mutex_t commit_lock;
    enum dol_err broken;      /* commit_lock; a commit failed for good */
    struct list_node applied; /* commit_lock; struct pending_row */
    struct list_node retired;

    pthread_mutex_t queue_lock;
    struct list_node pending; /* struct pending_row */
    size_t pending_bytes;
    size_t pending_records;
    uint64_t sequence;
    struct lsn published;     /* highest LSN ever published or applied */
    struct index_state state; /* as applied */
    uint64_t map_bytes;

    pthread_mutex_t views_lock;
    pthread_cond_t views_changed;
    struct list_node views_open; /* struct index_view, oldest first */
    struct list_node views_idle;
    unsigned views_count; /* open and idle */
    uint64_t generation;  /* views get the current one; commits and trims begin the next */
    bool gate_closed;     /* no view begins: the map is being replaced */
    bool map_lost;        /* it could not be replaced: nothing can be read any more */

    atomic_bool corrupt_logged;
    atomic_bool unsure; /* something in it does not fit together: no slab is freed by it any more */
};

/* env.c: LMDB's environment */
DOL_MUST_CHECK enum dol_err env_open(struct index *ix, bool *fresh);
void env_close(struct index *ix);
/* Removes the files of a closed environment. */
DOL_MUST_CHECK enum dol_err env_discard(struct index *ix);
/* commit_lock held: makes room for about `need_bytes` more before the map is half full, or doubles it. Waits for open
 * views. */
enum env_growth { ENV_IF_NEEDED, ENV_DOUBLE };
DOL_MUST_CHECK enum dol_err env_grow(struct index *ix, uint64_t need_bytes, enum env_growth growth);
/* commit_lock held: makes the file as long as its meta page says, so that open can tell a truncated one. */
DOL_MUST_CHECK enum dol_err env_extend(struct index *ix);

/* retire.c: the mark of a damaged index; it lasts until everything is discarded */
void index_retire(struct index *ix);
bool index_is_retired(const struct index *ix);
DOL_MUST_CHECK enum dol_err index_retire_clear(struct index *ix);
void index_sigbus_unguard(const struct index *ix);

/* ---- views ---- */

#define INDEX_VIEW_MAGIC 0x1dec71e3u
struct index_view {
    unsigned magic;
    struct list_node list;
    struct index *ix;
    uint64_t generation;
    MDB_txn *txn;
    struct tree_cursor objects, uploads; /* mc NULL: never opened */
    bool objects_ready, uploads_ready;   /* renewed in this view */
    uint8_t key[OVERLAY_KEY_BYTES_MAX];  /* room to build keys */
};

/* true: no view of this generation or an older one is open. */
bool views_are_gone(struct index *ix, uint64_t generation);
/* Begins the next generation; returns the one that ended. */
uint64_t views_turn(struct index *ix);
/* Closes the gate and waits until no view is open. */
void views_shut(struct index *ix);
void views_reopen(struct index *ix);
/* Frees idle views; none may be open. */
void views_drop(struct index *ix);
/* The view's cursor over TABLE_OBJECTS or TABLE_UPLOADS. */
DOL_MUST_CHECK enum dol_err view_tree(struct index_view *v, enum index_table table, struct tree_cursor **out);
/* Logs the first damage found and marks the index for the next open; returns the error as it is. */
enum dol_err index_noted(struct index *ix, enum dol_err err, const char *what);

/* Overlay keys; `out` has OVERLAY_KEY_BYTES_MAX bytes. */
struct bytes overlay_key(uint8_t *out, enum index_table table, struct bytes key);
struct bytes overlay_key_tree(uint8_t *out, enum index_table table, uint64_t bucket, struct bytes code,
                              const uint8_t *suffix);
struct bytes overlay_key_object(uint8_t *out, uint64_t bucket, struct bytes code, const struct version_id *version);

/* A position in a table of keys: a code or beginning of one, and for whole codes a suffix or NULL. */
struct tree_position {
    enum index_table table; /* TABLE_OBJECTS, TABLE_UPLOADS */
    uint64_t bucket;
    struct bytes code;
    const uint8_t *suffix;
};
/* A version or upload as the overlay or LMDB has it, tombstones looked through. */
struct tree_hit {
    struct bytes code; /* valid until the next search */
    struct index_object object;
};
/* The first one at or above a position, in its bucket. ENOTFOUND, ECORRUPT. */
DOL_MUST_CHECK enum dol_err view_first(struct index_view *v, const struct tree_position *from, struct tree_hit *out);
/* The first one behind a key; or with inclusive, at it; or with suffix, behind that one of the key. ENOTFOUND. */
DOL_MUST_CHECK enum dol_err view_behind(struct index_view *v, enum index_table table, uint64_t bucket, struct bytes key,
                                        bool inclusive, const uint8_t *suffix, struct index_object *out);

/* The manifest with a later object-meta taken in, at out (capacity meta_merge_bytes()). false: the two don't go
 * together. */
bool meta_merge(struct bytes manifest, struct bytes meta, uint8_t *out, size_t capacity, size_t *len);
size_t meta_merge_bytes(struct bytes manifest, struct bytes meta);

/* ---- applying ---- */

/* References that one key of chunks or lists gains or loses, or the record that stores it. */
struct ref_effect {
    struct sha256 hash;
    struct lsn lsn;
    int64_t delta;
    const struct pending_record *record; /* NULL: only references */
};
struct ref_effects {
    struct ref_effect *items;
    size_t count;
    size_t capacity;
};

/* What a batch changes about the needed bytes of slabs: a hash table by slab. */
struct live_sum {
    uint64_t slab; /* 0: a free slot */
    int64_t bytes, records, cancels;
};
struct live_sums {
    struct live_sum *slots;
    size_t count, capacity;
};

/* One write transaction in the making. */
struct apply {
    struct index *ix;
    MDB_txn *txn;
    MDB_cursor *cursors[TABLE_END];
    struct index_state state; /* becomes the index's when the transaction is committed */
    struct ref_effects chunks;
    struct ref_effects lists;
    uint8_t *merge; /* room for a merged manifest */
    size_t merge_capacity;
    struct tree_cursor uploads, objects;
    struct live_sums live;
};

/* Adds a reference (delta 1) or gives one back (-1) for each entry of a manifest's or part's reference arrays. */
DOL_MUST_CHECK enum dol_err apply_refs(struct apply *a, struct bytes chunk_refs, struct bytes list_refs, struct lsn lsn,
                                       int64_t delta);
DOL_MUST_CHECK enum dol_err apply_ref_record(struct apply *a, const struct pending_record *rec);
/* Brings the collected effects into chunks and lists. May be done several times: what is given back was taken before,
 * so no sum of the first effects is negative. */
DOL_MUST_CHECK enum dol_err apply_refs_finish(struct apply *a);
/* As apply_refs_finish(), when more effects are collected than memory should hold. */
DOL_MUST_CHECK enum dol_err apply_refs_bound(struct apply *a);
/* Manifests, deletes and object metas, in LSN order; sorts the array by key. */
DOL_MUST_CHECK enum dol_err apply_objects(struct apply *a, const struct pending_record **records, size_t count);
/* The kinds of uploads, in LSN order. */
DOL_MUST_CHECK enum dol_err apply_upload_record(struct apply *a, const struct pending_record *rec);
/* ---- graves.c, moved.c: what of the slabs is needed ---- */

enum live_change { LIVE_MORE = 1, LIVE_LESS = -1 };
/* A manifest that cancels is current itself, or makes way for a delete: its bytes don't count again. */
enum live_what { LIVE_RECORD, LIVE_CANCELLER, LIVE_CANCELLING_MANIFEST };
static inline enum live_what live_what_of_canceller(uint8_t kind)
{
    return kind == RECORD_MANIFEST ? LIVE_CANCELLING_MANIFEST : LIVE_CANCELLER;
}
/* The sum of a slab; a new one is zero. */
DOL_MUST_CHECK enum dol_err live_sums_of(struct live_sums *l, uint64_t slab, struct live_sum **out);
DOL_MUST_CHECK enum dol_err live_sums_add(struct live_sums *l, const struct place *place, enum live_what what,
                                          enum live_change change);
/* A current record comes, or goes. */
DOL_MUST_CHECK enum dol_err apply_live(struct apply *a, const struct place *place, enum live_change change);
/* A record is current no more. canceller (may be NULL): the one without which it would be current again, should the log
 * be read anew. hash: of chunks and lists. */
DOL_MUST_CHECK enum dol_err apply_bury(struct apply *a, const struct place *place, struct lsn lsn, uint8_t kind,
                                       const struct pending_record *canceller, const struct sha256 *hash);
/* A chunk or list has references again. */
DOL_MUST_CHECK enum dol_err apply_unbury(struct apply *a, const struct place *place, struct lsn lsn);
/* The graves that a delete names are kept shut by it from now on. */
DOL_MUST_CHECK enum dol_err apply_inherit(struct apply *a, const struct pending_record *rec, struct bytes graves);
/* A copy of a buried record is buried, too. ENOTFOUND: the record has no grave in `from`. */
DOL_MUST_CHECK enum dol_err apply_bury_copy(struct apply *a, uint64_t from, const struct place *place, struct lsn lsn);
/* ENOTFOUND: it has none. */
DOL_MUST_CHECK enum dol_err apply_grave(struct apply *a, uint64_t slab, struct lsn lsn, struct grave_row *out);
/* The place of a record that keeps graves shut, if it is one and lay in `from`. */
DOL_MUST_CHECK enum dol_err apply_canceller_moved(struct apply *a, uint64_t from, const struct pending_record *rec);
/* A grave goes with its slab. */
DOL_MUST_CHECK enum dol_err apply_unbury_final(struct apply *a, uint64_t slab, struct lsn lsn,
                                               const struct grave_row *grave);
/* Brings the sums into `live`. */
DOL_MUST_CHECK enum dol_err apply_live_finish(struct apply *a);
/* After all other records of the batch: places of copied records. */
DOL_MUST_CHECK enum dol_err apply_moved(struct apply *a, const struct pending_record *rec);
/* After those. */
DOL_MUST_CHECK enum dol_err apply_freed(struct apply *a, const struct pending_record *rec);
/* Something does not fit: logged once, nothing is freed any more, and the next open begins anew. */
void index_unsure(struct index *ix, const char *what);

DOL_MUST_CHECK enum dol_err apply_begin(struct apply *a, struct index *ix);
/* Sums and state, then the commit; a->txn is gone whatever the outcome. */
DOL_MUST_CHECK enum dol_err apply_commit(struct apply *a);
void apply_close(struct apply *a);
DOL_MUST_CHECK enum dol_err apply_row_delete(MDB_cursor *mc, struct bytes key);
DOL_MUST_CHECK enum dol_err apply_body_row_put(MDB_cursor *mc, enum index_table table, struct bytes key,
                                               const struct body_row *row);
DOL_MUST_CHECK enum dol_err apply_slab_load(struct apply *a, uint64_t slab, struct slab_row *row);
DOL_MUST_CHECK enum dol_err apply_slab_save(struct apply *a, struct slab_row *row);
/* The row of a chunk or list as it lies there. */
DOL_MUST_CHECK enum dol_err apply_ref_row_get(struct apply *a, uint8_t kind, const struct sha256 *hash,
                                              struct ref_row *out);
DOL_MUST_CHECK enum dol_err apply_ref_row_put(struct apply *a, uint8_t kind, const struct sha256 *hash,
                                              const struct ref_row *row);
/* Any other kept kind, in LSN order. */
DOL_MUST_CHECK enum dol_err apply_record(struct apply *a, const struct pending_record *rec);
DOL_MUST_CHECK enum dol_err apply_slab(struct apply *a, const struct index_slab *after);
/* Records in LSN order, then the slab positions, then the state with `bound`; commits. ETOOLARGE: the map is full,
 * nothing happened. */
DOL_MUST_CHECK enum dol_err apply_batch(struct index *ix, const struct pending_record *const *records, size_t count,
                                        const struct index_slab *slabs, size_t slab_count, struct lsn bound);

#endif
