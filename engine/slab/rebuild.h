/*
 * Healing a drive that has returned stale: what has to be done to the drive as a whole, and to its extents; rows are
 * written again by scrub.h, with `healing` set. docs/design/degraded.md tells the story.
 *
 * Loop 0. One drive at a time.
 */
#ifndef DOL_REBUILD_H
#define DOL_REBUILD_H

#include "pool.h"

#define HEAL_NO_DRIVE UINT32_MAX

/* A drive that is stale and there, or is being rebuilt; HEAL_NO_DRIVE. */
unsigned pool_heal_next(struct pool *pool);

/*
 * [await] A stale drive takes part again, under a new incarnation and the next epoch: new slabs take it at once; of
 * those before it has nothing, by its extent headers, until they are written again. One that is being rebuilt already
 * goes on. EINVAL: it can't take it (too small, read-only). EIO: it failed.
 */
DOL_MUST_CHECK enum dol_err pool_heal_begin(struct pool *pool, unsigned drive);
/* [await] After a census of every unit: it is whole, under the next epoch. */
DOL_MUST_CHECK enum dol_err pool_heal_end(struct pool *pool, unsigned drive);

/* Has the slab units on the drive that it may lack? Lock held or slab pinned. */
bool slab_wants_heal(const struct pool *pool, const struct slab *slab, unsigned drive);
/* [await] The header, and the footer of a sealed slab, on the drive are what the other members' say. */
DOL_MUST_CHECK enum dol_err slab_heal_check_frame(struct pool *pool, struct slab *slab, unsigned drive, bool *good);
/* [await] Writes both, footer first: the header says that all of the slab is there. EINCOMPLETE: no other member has
 * them. */
DOL_MUST_CHECK enum dol_err slab_heal_frame(struct pool *pool, struct slab *slab, unsigned drive);

#endif
