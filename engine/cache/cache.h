/*
 * Cache of verified bytes, by name. Shared by all loops; thread-safe; locks are short and never held across an await.
 *
 * An entry is immutable and counted: whoever has got one may send from it until cache_entry_release().
 * The memory of what is kept stays within bytes_max, always: what finds no room is handed out all the same, but not
 * kept. Tables come on top, at most 0.5 % of bytes_max. Names stand for their content for ever, so nothing is ever
 * invalidated.
 *
 * A name that isn't there is filled once: the first who asks becomes its filler, others wait for the outcome. The
 * filler must not wait for anything but the fill between cache_get() and cache_fill_done().
 */
#ifndef DOL_CACHE_H
#define DOL_CACHE_H

#include <dolmen/err.h>
#include <dolmen/runtime.h>
#include <dolmen/types.h>

#include "list.h"

struct cache;
struct cache_entry;

/* bytes_max 0: nothing is kept, but fills are shared all the same. ENOMEM. */
DOL_MUST_CHECK enum dol_err cache_new(uint64_t bytes_max, struct cache **out);
/* No fill is under way, and every entry has been released. */
void cache_free(struct cache *c);

/* ---- entries ---- */

/*
 * An entry of the caller's. `memory` (from malloc(), memory_bytes long) is taken, on success; `plain` lies within it.
 * ENOMEM.
 */
DOL_MUST_CHECK enum dol_err cache_entry_new(void *memory, size_t memory_bytes, struct bytes plain,
                                            struct cache_entry **out);
struct bytes cache_entry_bytes(const struct cache_entry *e);
/* NULL is fine. Any thread. */
void cache_entry_release(struct cache_entry *e);

/* ---- getting and filling ---- */

/* Which bytes of the entry the caller is about to use. A read that begins where the last one of this entry ended is
 * taken for the same use: reading in small ranges doesn't make bytes popular. */
struct cache_use {
    uint32_t from, to;
};

/* The claim of a filler, in its own memory until cache_fill_done(). */
struct cache_fill {
    struct list_node node;
    struct sha256 name;
    struct cache_use use;
    struct waiter_list waiters;
};

/* The entry, to be released, or NULL: it isn't here now. Never waits. */
struct cache_entry *cache_find(struct cache *c, const struct sha256 *name, struct cache_use use);

/*
 * [await] OK: *out is the entry, to be released. ENOTFOUND: the caller fills it now, and says how that ended with
 * cache_fill_done(). Other errors are those of a fill that was waited for.
 */
DOL_MUST_CHECK enum dol_err cache_get(struct cache *c, const struct sha256 *name, struct cache_use use,
                                      struct cache_fill *fill, struct cache_entry **out);
/* OK: the entry is shared with all who wait, and admitted if there is room; the caller keeps its own reference. Others
 * wait in vain and get the error; entry is NULL. */
void cache_fill_done(struct cache *c, struct cache_fill *fill, enum dol_err err, struct cache_entry *entry);

/* ---- counters ---- */

struct cache_counters {
    uint64_t hits, hit_bytes; /* found; bytes used of them */
    uint64_t joined;          /* waited for another's fill */
    uint64_t misses;          /* fills begun */
    uint64_t admitted, refused;
    uint64_t evicted, evicted_bytes; /* bytes of memory */
    uint64_t entries, bytes;         /* now */
    uint64_t bytes_max;
};
void cache_counters_get(struct cache *c, struct cache_counters *out);

#endif
