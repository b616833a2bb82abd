/*
 * Healing: drives that have returned stale are rebuilt from the others, slab by slab, and take part again once a census
 * has found every unit. docs/design/degraded.md.
 *
 * One fiber, on loop 0, one drive at a time.
 */
#ifndef DOL_STORE_HEAL_H
#define DOL_STORE_HEAL_H

#include "store_impl.h"

enum heal_start {
    HEAL_BY_ITSELF, /* what is there when the store is opened */
    HEAL_BY_HAND    /* tests: heal_run() */
};
DOL_MUST_CHECK enum dol_err heal_start(struct store *s, enum heal_start how);
/* [await] Ends the fiber, between two windows; the next open goes on. */
void heal_stop(struct store *s);

/* [await] Loop 0. Until no drive is left to be healed. ECORRUPT: rows are lost on more drives than parity bears, the
 * drive stays as it is. EIO: it failed, and left. EREADONLY, EINVAL, ESTOPPED. */
DOL_MUST_CHECK enum dol_err heal_run(struct store *s);

/* What status shows. Any thread. */
struct heal_counts {
    bool running, census;
    unsigned drive;
    uint64_t slabs, slabs_done, units_written;
};
void heal_counts_get(struct store *s, struct heal_counts *out);

#endif
