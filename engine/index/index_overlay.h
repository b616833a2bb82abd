/*
 * The overlay: what is published and not yet applied, sorted by (table, key) in a skip list.
 *
 * Keys begin with the table's number; then
 *   objects   be64 bucket, code, inverted version     the manifest, or a tombstone
 *   buckets   be64 id                                 the bucket's body, or a tombstone
 *   names     bucket name                             the bucket's body, or a tombstone
 *   chunks, lists   hash                              the place
 *   uploads   be64 bucket, code, upload id            the upload's body, or a tombstone
 *   parts     be64 bucket, upload id, be32 part       the part's body; gone when the upload is
 *   settings  record kind, name                       the value, or a tombstone
 *
 * Most reads ask for what isn't here: a filter of counters, by hash of the key (objects: without the version), answers
 * those without the lock.
 *
 * Of two nodes with one key the higher LSN stays. One lock guards the links; it is held for one step of a search, or
 * for OVERLAY_SLICE_MAX insertions or removals. Everything else in a node is constant once it is inserted. Nodes belong
 * to their row (index_impl.h) and outlive their unlinking until no view that could have seen them is open: so readers
 * use what a step returned without the lock.
 */
#ifndef DOL_INDEX_OVERLAY_H
#define DOL_INDEX_OVERLAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "index_key.h"
#include "index_schema.h"

#define OVERLAY_HEIGHT_MAX    12u
#define OVERLAY_SLICE_MAX     256u
#define OVERLAY_FILTER_SLOTS  (1u << 18)
#define OVERLAY_KEY_BYTES_MAX (1 + 8 + KEY_CODE_BYTES_MAX + KEY_VERSION_BYTES)

enum overlay_type {
    OVERLAY_VALUE = 1,
    OVERLAY_TOMBSTONE,
    OVERLAY_PATCH /* object meta whose manifest isn't known yet: readers pass over it, the manifest will take it in */
};

struct overlay_node {
    struct overlay_node *row_next; /* nodes of the same row */
    const uint8_t *key;
    uint32_t key_len;
    uint8_t type; /* enum overlay_type */
    uint8_t height;
    bool linked;   /* guarded by the lock */
    bool leaving;  /* the committer's: overlay_sweep() unlinks it */
    bool joined;   /* the next node of the row is of the same record: both become visible in one step */
    uint8_t codec; /* chunks */
    uint32_t plain_bytes;
    struct lsn lsn;        /* of the last change */
    struct lsn record_lsn; /* of the record at `place` */
    struct place place;
    struct bytes value;
    struct overlay_node *next[]; /* height */
};

struct overlay {
    pthread_rwlock_t lock;
    struct overlay_node *head; /* before all, of full height */
    atomic_size_t nodes;
    atomic_size_t patches;
    atomic_uint_fast64_t chance; /* for heights: a fixed sequence */
    atomic_uint *filter;         /* OVERLAY_FILTER_SLOTS: nodes with keys of that hash */
};

DOL_MUST_CHECK enum dol_err overlay_init(struct overlay *o);
void overlay_fini(struct overlay *o);
/* Forgets all nodes; their rows are freed by the caller. */
void overlay_clear(struct overlay *o);

/* A height for a new node. */
unsigned overlay_height(struct overlay *o);

/* Links a row's nodes, but those that lose to a higher LSN. */
void overlay_insert(struct overlay *o, struct overlay_node *row);
/* The row's nodes go with the next sweep. */
void overlay_mark(struct overlay_node *row);
/* Unlinks all marked nodes in one walk. The caller alone frees rows: what is unlinked here, or meanwhile, stays
 * readable. */
void overlay_sweep(struct overlay *o);

/* false: no node has this key (objects: this key and any version; the key is given without one). true: perhaps. */
bool overlay_may_have(struct overlay *o, struct bytes key);
/* The node with exactly this key, or NULL. */
const struct overlay_node *overlay_find(struct overlay *o, struct bytes key);

/* For several steps in one state: between these two, at most some OVERLAY_SLICE_MAX steps. */
void overlay_read_lock(struct overlay *o);
void overlay_read_unlock(struct overlay *o);
/* Lock held: the first node at or above a key, and the node after one; NULL at the end. */
const struct overlay_node *overlay_seek(struct overlay *o, struct bytes key);
const struct overlay_node *overlay_next(const struct overlay_node *node);

#endif
