/*
 * Dedup: who stores a chunk, and whether a stored one may be trusted.
 *
 * A hash is claimed by one fiber at a time; others that want the same wait until it is durable (or its writer failed)
 * and look again. A hit on a chunk that was neither written nor verified in this run is first read and compared with
 * the incoming bytes; if they differ the incoming bytes are stored again and become the chunk.
 */
#ifndef DOL_DEDUP_H
#define DOL_DEDUP_H

#include "store_impl.h"

struct dedup;

enum dedup_verdict {
    DEDUP_HIT,  /* durable and verified: refer to it */
    DEDUP_STORE /* the caller stores it and calls dedup_release() once it is durable and published, or has failed */
};

DOL_MUST_CHECK enum dol_err dedup_new(struct dedup **out);
void dedup_free(struct dedup *d);

/* [await] plain: the incoming bytes that hash to `hash`. pin: of the put; what is referred to stays while it is open. A
 * chunk without references that is dying is none (pins.h). ENOMEM, ESTOPPED. */
DOL_MUST_CHECK enum dol_err dedup_claim(struct store *s, struct pin *pin, const struct sha256 *hash, struct bytes plain,
                                        enum dedup_verdict *out);
/* As dedup_claim() for a chunk list: refs are its reference array. */
DOL_MUST_CHECK enum dol_err dedup_claim_list(struct store *s, struct pin *pin, const struct sha256 *hash,
                                             struct bytes refs, enum dedup_verdict *out);
/* Any loop; not [await]. */
void dedup_release(struct store *s, const struct sha256 *hash);

#endif
