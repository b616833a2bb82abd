/* References being collected for a manifest, part or chunk list, and chunk lists made of them. */
#ifndef DOL_REFS_H
#define DOL_REFS_H

#include "store_impl.h"

/* Growing array of encoded references, of one kind. Zero is empty. */
struct ref_array {
    uint8_t *data; /* owned */
    size_t count, capacity;
    uint64_t bytes; /* plain bytes referred to */
};
void ref_array_free(struct ref_array *a);
/* ENOMEM. */
DOL_MUST_CHECK enum dol_err refs_add_chunk(struct ref_array *chunks, const struct chunk_ref *ref);
DOL_MUST_CHECK enum dol_err refs_add_list(struct ref_array *lists, const struct list_ref *ref);

/* [await] 1 .. LIST_CHUNKS_MAX chunk references become a chunk list, unless the pool has it, and its reference is added
 * to lists; chunks is empty afterwards. All chunks must be acknowledged, and the list then is, too. */
DOL_MUST_CHECK enum dol_err refs_make_list(struct store *s, struct pin *pin, struct ref_array *chunks,
                                           struct ref_array *lists);

/* The references as a manifest or part has them: lists when there are any, else chunks. */
static inline struct bytes refs_chunk_bytes(const struct ref_array *chunks, const struct ref_array *lists)
{
    return bytes_of(chunks->data, lists->count > 0 ? 0 : chunks->count * CHUNK_REF_BYTES);
}
static inline struct bytes refs_list_bytes(const struct ref_array *lists)
{
    return bytes_of(lists->data, lists->count * LIST_REF_BYTES);
}

#endif
