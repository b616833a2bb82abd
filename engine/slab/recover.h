/*
 * Recovery: from what lies on the drives to a pool and an index that agree, idempotent at every I/O.
 *
 *   scan      every extent header -> the slab table and the extent maps
 *   judge     newest run first: how many rows of each slab are valid (seal, earlier verdict, or the last row's units)
 *   verdict   `end` records and valid-but-incomplete last rows go into a new slab, durable (read-write only)
 *   replay    what the index has not applied, from directories and rows, merged by LSN
 *   stamp     slabs without a valid row lose their headers; their extents are free again
 *   finish    so do slabs that were freed by record
 */
#ifndef DOL_RECOVER_H
#define DOL_RECOVER_H

#include "pool.h"

/* [await] Fills the slab table from the extent headers of all present drives. */
DOL_MUST_CHECK enum dol_err pool_scan(struct pool *pool);

/* Drives missing, headers that could not be read, or slabs left out: what the scan found may not be all there is. */
bool pool_scan_has_gaps(const struct pool *pool);

struct recover_stats {
    uint64_t slabs, rows_replayed, records_replayed, rows_dead, rows_appended_again;
};

/*
 * [await] Everything after the scan. Afterwards the index has all that is acknowledged; appenders may start. Damage
 * beyond what the redundancy bears makes the pool read-only rather than fail. index_reset() happens here when the index
 * doesn't fit the log.
 */
DOL_MUST_CHECK enum dol_err pool_recover(struct pool *pool, struct index *index, struct recover_stats *stats);

#endif
