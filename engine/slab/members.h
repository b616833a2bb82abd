/*
 * Membership: which of the pool's drives take part, and what has to be durable before a drive does without (rules 15
 * and 16; docs/design/degraded.md).
 *
 * A drive that is missing at open, or that fails to write, leaves: the superblocks of all that stay get the next epoch,
 * with that drive as absent. What is written from then on it doesn't have, so it doesn't come back by being there.
 */
#ifndef DOL_MEMBERS_H
#define DOL_MEMBERS_H

#include "pool.h"

/* Takes part: what is written to a slab of it has to be durable on it. Any thread. */
bool pool_drive_is_member(const struct pool *pool, unsigned drive);

/* New slabs may have extents on it: it takes part by an epoch that is durable. Any thread. */
bool pool_drive_takes_slabs(const struct pool *pool, unsigned drive);
/* It is there, with all that should be on it. Any thread. */
bool pool_drive_is_complete(const struct pool *pool, unsigned drive);

/* One at least doesn't take part, or is being rebuilt. Any thread. */
bool pool_drives_are_missing(const struct pool *pool);

/*
 * May what is left of the membership go on writing, once `present` of its drives are there? At least N - m of the
 * pool's drives, and more than half of the newest membership, so that no two parts of one pool ever both do.
 */
bool superblock_allows_writing(const struct superblock *sb, unsigned present);
/* Drives that are of the newest membership. */
unsigned superblock_members(const struct superblock *sb);

/*
 * Data and parity units of the next slab: the pool's, or, with fewer drives than those take, fewer data units rather
 * than less parity; at least one of each. Lock held. *k is 0 when there is nothing to stand on.
 */
void pool_geometry(const struct pool *pool, unsigned *k, unsigned *m);

/*
 * [await] Drives whose writes failed leave, durably, if that is allowed; OK at once when there are none. Any loop. EIO:
 * too many of them, and the pool is read-only. ESTOPPED, ENOMEM.
 */
DOL_MUST_CHECK enum dol_err pool_members_settle(struct pool *pool);

/* [await] The superblocks of all members get `pool->sb` with the next sequence; each copy durable before the next. A
 * drive that fails leaves. Loop 0. Errors as above. */
DOL_MUST_CHECK enum dol_err pool_write_superblocks(struct pool *pool);

/* [await] fn changes the table of drives, with the lock held; the superblocks get it, with the next epoch. Loop 0.
 * Errors as above. */
typedef void pool_members_fn(struct pool *pool, unsigned drive);
DOL_MUST_CHECK enum dol_err pool_members_change(struct pool *pool, pool_members_fn *fn, unsigned drive);

/* Says in *out why the pool isn't whole; empty when it is. Lock held. */
void pool_describe_members(const struct pool *pool, char *out, size_t capacity);

#endif
