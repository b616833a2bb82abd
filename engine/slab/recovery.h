/* Inside the slab library: what recovery knows of one slab while it works. */
#ifndef DOL_RECOVERY_H
#define DOL_RECOVERY_H

#include "read.h"
#include "recover.h"

#define FIRST_ROW_BLOCK (EXTENT_HEADER_BYTES / FORMAT_BLOCK_BYTES)

struct slab_recovery {
    struct slab *slab;
    struct index_slab position; /* what the index has applied; rows 0 when it knows nothing */
    bool sealed;
    struct extent_footer *footer; /* when sealed */
    bool has_end;                 /* a verdict of an earlier recovery, or of the run itself */
    uint64_t rows;                /* valid rows */
    uint32_t end_block;           /* after the last valid row */
    struct sha256 last_table;
    struct lsn lsn_min; /* lower bound over rows to replay */
    bool fresh;         /* written by this recovery: stays open */
    /* a valid but incomplete last row, to be appended again */
    bool again;
    uint32_t again_block, again_unit_blocks;
};

struct recovery {
    struct pool *pool;
    struct index *index;
    struct recover_stats *stats;
    struct slab_recovery *slabs;
    unsigned count, capacity;
    struct end_body *ends;
    unsigned end_count, end_capacity;
    bool no_commit;    /* what is replayed may have gaps or be judged again: it stays out of the index */
    bool newer_format; /* unknown read-only bits were seen */
    bool stranger;     /* the index isn't of this log */
    unsigned freed;    /* slabs that the index knows as freed, but not final */
    enum dol_err err;  /* from callbacks */
};

/* One record out of a row image: opened. record is a heap copy, header to trailer; body borrows from it, plain. stored:
 * NULL, or receives a second copy as stored. */
struct opened_record {
    uint8_t *record;
    struct record_header header;
    struct place place;
    struct bytes body;
    struct bytes payload;
};
DOL_MUST_CHECK enum dol_err row_record_open(struct pool *pool, struct slab *slab, const struct row_image *row,
                                            uint32_t *offset, struct opened_record *out, uint8_t **stored);
void opened_record_free(struct opened_record *r);

/* [await] Judges every slab; again for reading when that made the pool read-only. Sets no_commit. */
DOL_MUST_CHECK enum dol_err recovery_judge(struct recovery *r);
/* Forgets all slabs and verdicts. */
void recovery_clear(struct recovery *r);
/* [await] */
DOL_MUST_CHECK enum dol_err recovery_write_verdicts(struct recovery *r);
DOL_MUST_CHECK enum dol_err recovery_replay(struct recovery *r);
DOL_MUST_CHECK enum dol_err recovery_add(struct recovery *r, struct slab *slab, struct slab_recovery **out);

#endif
