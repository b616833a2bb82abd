/* Inside the store library: what is needed of a slab is copied out of it (compact.c); gc.c decides which, and frees it.
 */
#ifndef DOL_COMPACT_H
#define DOL_COMPACT_H

#include "store_impl.h"

struct compaction {
    struct store *store;
    struct slab *slab;
    const bool *stopping;  /* looked at between rows */
    struct lsn dead_upto;  /* chunks without references since then are void */
    uint64_t rate_bytes_s; /* 0: no limit */
    /* results */
    uint64_t records_moved, bytes_moved, bytes_read;
    uint64_t blocked_by; /* slab whose verdict lies here; EBUSY */
};

/*
 * [await] Loop 0. Copies of everything that is needed are durable and published when this returns OK; none may have
 * been needed. EBUSY: a record here is needed where it is, see blocked_by. EINCOMPLETE: a row can't be rebuilt.
 * ECORRUPT: the index can't explain a record. EFULL, EREADONLY, ESTOPPED.
 */
DOL_MUST_CHECK enum dol_err compact_slab(struct compaction *c);

/* [await] Appends records of the group's own: to the slab of copies, or, when no slab can be opened for those, to loop
 * 0's. */
DOL_MUST_CHECK enum dol_err compact_append(struct store *s, struct append_group *group);

#endif
