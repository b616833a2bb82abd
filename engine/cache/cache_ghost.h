/*
 * Ghosts: names that left the cache not long ago, without their bytes. A small set-associative table of fingerprints;
 * forgetting one too early, or taking a stranger for one, costs a little memory's worth of wrong choice and nothing
 * else. Guarded by its shard's lock.
 */
#ifndef DOL_CACHE_GHOST_H
#define DOL_CACHE_GHOST_H

#include <dolmen/err.h>
#include <dolmen/types.h>

struct ghost_slot {
    uint32_t fingerprint; /* 0: empty */
    uint32_t left_kib;    /* the clock when it left */
};

struct cache_ghost {
    struct ghost_slot *slots;
    uint32_t set_mask;
    uint32_t window_kib; /* how much may leave after a name before it is forgotten */
    uint32_t clock_kib;  /* all that ever left; wraps */
};

/* `window_bytes` also decides the size of the table: 8 bytes per 4 KiB. ENOMEM. */
DOL_MUST_CHECK enum dol_err ghost_init(struct cache_ghost *g, uint64_t window_bytes);
void ghost_fini(struct cache_ghost *g);

/* `hash`: 64 bits of the name. */
void ghost_add(struct cache_ghost *g, uint64_t hash, uint64_t bytes);
/* Whether it left within the window; then it is forgotten. */
bool ghost_take(struct cache_ghost *g, uint64_t hash);

#endif
