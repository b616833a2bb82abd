/*
 * Walking a slab, row by row and record by record: for compaction. Rows are read whole and judged; what is damaged is
 * rebuilt from parity. The slab is complete, and stays for the time of the walk (the caller is who frees slabs).
 */
#ifndef DOL_WALK_H
#define DOL_WALK_H

#include "read.h"

struct slab_walk {
    struct pool *pool;
    struct slab *slab;
    uint64_t row; /* the next one */
    uint32_t block;
    struct row_image image;
    uint32_t offset, index; /* of the next record in the row's data */
    uint64_t bytes_read;
};

/* A record: opened, and as it is stored. Both are owned; free with walk_record_free(). */
struct walk_record {
    struct record_header header;
    struct place place;
    struct bytes payload; /* what the index and directories keep: a chunk's hash, else the plain body */
    uint8_t *opened;
    uint8_t *stored; /* place.stored_bytes */
};

void slab_walk_init(struct slab_walk *w, struct pool *pool, struct slab *slab);
void slab_walk_fini(struct slab_walk *w);
/* [await] The next row that has records. ENOTFOUND: there is none. ECORRUPT, EINCOMPLETE: it can't be rebuilt. */
DOL_MUST_CHECK enum dol_err slab_walk_row(struct slab_walk *w);
/* Not [await]. The row's next record. ENOTFOUND: it has no more. ECORRUPT, EKEY. */
DOL_MUST_CHECK enum dol_err slab_walk_record(struct slab_walk *w, struct walk_record *out);
void walk_record_free(struct walk_record *r);

#endif
