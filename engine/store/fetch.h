/*
 * Fetch: the verified plain bytes of a chunk or chunk list by its hash, from memory or from the drives. What many ask
 * for at once is read once. Bytes that come from the drives are checked against the record's tag and the hash asked
 * for; those of a record that was rebuilt and isn't sealed are hashed, too.
 */
#ifndef DOL_FETCH_H
#define DOL_FETCH_H

#include "cache.h"
#include "store_impl.h"

/* What is asked for. */
struct fetch {
    uint8_t kind; /* RECORD_CHUNK: its plain bytes; RECORD_CHUNK_LIST: its array of references */
    struct sha256 hash;
    uint32_t bytes; /* what the reference says of its length */
    struct cache_use use;
};

/* Not [await]. From memory, or NULL. Released with cache_entry_release(), as below. */
struct cache_entry *fetch_cached(struct store *s, const struct fetch *what);
/* [await] ECORRUPT: it isn't there, isn't what was asked for, or has another length. As pool_read_record() otherwise.
 */
DOL_MUST_CHECK enum dol_err fetch_read(struct store *s, const struct fetch *what, struct cache_entry **out);

#endif
