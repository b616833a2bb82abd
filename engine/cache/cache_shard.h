/*
 * A shard: the names whose hash falls to it, with a lock, a budget and S3-FIFO queues of its own.
 *
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson: "FIFO queues are all you need for cache eviction", SOSP 2023). New names
 * enter the small queue, a tenth of the budget. Those used again before they reach its end go on to the main queue, the
 * others leave and are remembered as ghosts; a ghost that comes back enters the main queue at once. At the end of the
 * main queue a name that was used goes round again, with one use less. So what is read once, however much it is, passes
 * through the small queue and moves nothing out of the main one.
 *
 * An entry in use is not chosen to leave, for that would free nothing: it gets another round. So `bytes`, the memory of
 * the entries in the queues, is the memory of all that were admitted and not freed.
 */
#ifndef DOL_CACHE_SHARD_H
#define DOL_CACHE_SHARD_H

#include "cache.h"
#include "cache_ghost.h"

#include <pthread.h>
#include <stdatomic.h>

#define CACHE_FILL_BUCKETS 64u
#define CACHE_SMALL_PART   10u /* of the budget */
#define CACHE_USES_MAX     3u
#define CACHE_STEPS_MAX    256u /* entries looked at to make room for one: bounds the time the lock is held */

enum cache_place { CACHE_NOWHERE, CACHE_SMALL, CACHE_MAIN };

#define CACHE_ENTRY_MAGIC 0xcac4ee11u
struct cache_entry {
    unsigned magic;
    _Atomic uint32_t refs; /* the shard's counts as one */
    void *memory;
    struct bytes plain;
    uint64_t charge; /* bytes of memory, of this structure too */
    /* once admitted: */
    struct sha256 name;
    struct cache_entry *chain; /* lock; in the table */
    struct list_node queue;    /* lock */
    uint32_t used_to;          /* lock; where the last use ended */
    uint8_t uses;              /* lock; 0 .. CACHE_USES_MAX */
    uint8_t place;             /* lock; enum cache_place */
};

struct cache_shard {
    pthread_mutex_t lock;
    uint64_t budget;
    /* all below: lock */
    uint64_t bytes;
    uint64_t small_bytes; /* of entries in the small queue */
    struct list_node small_queue, main_queue;
    struct cache_entry **table;
    uint32_t table_mask;
    struct cache_ghost ghosts;
    struct list_node fills[CACHE_FILL_BUCKETS];
    struct cache_counters counters;
};

/* ENOMEM. */
DOL_MUST_CHECK enum dol_err shard_init(struct cache_shard *s, uint64_t budget);
void shard_fini(struct cache_shard *s);

/* 64 bits of the name: bits 0 .. 31 choose places in tables, the others tell names apart. */
uint64_t cache_hash(const struct sha256 *name);

/* Lock held. The entry, with a reference for the caller, or NULL; counts a use. */
struct cache_entry *shard_find(struct cache_shard *s, const struct sha256 *name, struct cache_use use);

/* Entries taken out, to be let go once the lock is not held: freeing a mebibyte takes a while. */
struct cache_evicted {
    struct cache_entry *entries[CACHE_STEPS_MAX];
    unsigned count;
};
/* Lock held. Takes the entry in under this name, which isn't there, if there is room or some can be made. */
void shard_admit(struct cache_shard *s, const struct cache_fill *fill, struct cache_entry *e,
                 struct cache_evicted *evicted);

#endif
