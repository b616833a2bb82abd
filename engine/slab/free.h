/*
 * Giving a slab's extents back. What decides that it may be is above (store/gc.c, docs/design/reclaim.md); here are the
 * last steps, which a later open finishes when they were cut short (recover.c).
 */
#ifndef DOL_FREE_H
#define DOL_FREE_H

#include "pool.h"

/* Its `freed` record is durable and applied: nobody pins it from now on. [await] Until those that do are done. */
void pool_slab_retire(struct pool *pool, struct slab *slab);
/* [await] The superblocks know of frees up to the generation: an index that doesn't is discarded by whoever opens. EIO:
 * the pool is read-only. */
DOL_MUST_CHECK enum dol_err pool_note_generation(struct pool *pool, uint64_t generation);
/*
 * [await] The extent headers go from all members; then the extents are free, and the slab. Each header goes in one
 * sector, so that a power cut leaves it whole or gone. EINCOMPLETE: a member doesn't take part, or has just failed and
 * left: the slab stays, and is finished by an open with all drives. EIO: the pool is read-only.
 */
DOL_MUST_CHECK enum dol_err pool_slab_erase(struct pool *pool, struct slab *slab);

#endif
