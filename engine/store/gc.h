/*
 * Reclaiming space: which slab is next, what of it has to be copied, and when its extents may be used again. The rules,
 * and why each step is safe wherever the power goes, are in docs/design/reclaim.md.
 *
 * One fiber, on loop 0, one slab at a time.
 */
#ifndef DOL_GC_H
#define DOL_GC_H

#include "store_impl.h"

enum gc_start {
    GC_BY_ITSELF, /* when free slabs are few, or much of what is stored is void */
    GC_BY_HAND    /* tests: gc_run() */
};
DOL_MUST_CHECK enum dol_err gc_start(struct store *s, enum gc_start how);
/* [await] Ends the fiber, between two steps. */
void gc_stop(struct store *s);

/* [await] Loop 0. Frees every slab that is worth it; *freed counts them. EREADONLY; EBUSY: not now (index not yet
 * audited, drives missing). */
DOL_MUST_CHECK enum dol_err gc_run(struct store *s, unsigned *freed);

/* Is space given back in this run, by itself? Any thread. */
bool gc_may_make_room(struct store *s);

/* What status shows. Any thread. */
struct gc_counts {
    uint64_t slabs_freed, slabs_compacted, bytes_moved;
    bool running, blocked; /* blocked: the audit failed, or something else keeps it from running until a restart */
};
void gc_counts_get(struct store *s, struct gc_counts *out);

#endif
