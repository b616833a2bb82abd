/*
 * Building an index from what was read of the drives (docs/index.md), with nothing of the store's: it has to say what
 * the server's own would, so that the server goes on with it.
 *
 * fsck_build.c        up to which LSN; which record tells what, and where it lies; graves and cancellers
 * fsck_build_write.c  the tables, into a new LMDB file that takes the old one's place when it is whole
 */
#ifndef DOL_FSCK_BUILD_H
#define DOL_FSCK_BUILD_H

#include "fsck_log.h"
#include "index_row.h"

/* A record as it lies in a slab. The last of those with one LSN is the one that counts; others were copied. */
struct fsck_entry {
    struct fsck_slab *s;
    const struct fsck_record *r;
    struct lsn arrived; /* when a copy came here: LSN of the moved record behind it; of others their own */
};

struct fsck_grave {
    uint64_t slab;
    struct lsn lsn;
    uint8_t kind;
    struct lsn canceller; /* zero: none */
    struct sha256 hash;
};

/* What of a slab is needed, and how far it is told of. */
struct fsck_build_slab {
    uint8_t key[8];
    struct fsck_slab *s;
    uint64_t rows; /* from the first on, all at or below `upto` */
    uint64_t end_rows;
    struct live_row live;
};

struct fsck_build {
    struct fsck *f;
    struct lsn upto;
    struct fsck_log log;
    struct fsck_entry *entries; /* by LSN, then by arrival */
    size_t entry_count;
    struct fsck_grave *graves; /* by slab, LSN */
    size_t grave_count, grave_capacity;
    struct fsck_grave **cancelled; /* those that a record in another slab keeps shut, by its LSN */
    size_t cancelled_count;
    struct fsck_map slabs; /* by id: struct fsck_build_slab */
    uint64_t generation;
    enum dol_err err;
};

/* The entry that counts of an LSN; NULL. */
const struct fsck_entry *fsck_build_home(const struct fsck_build *b, struct lsn lsn);
struct place fsck_entry_place(const struct fsck_entry *e);
struct fsck_build_slab *fsck_build_slab_of(struct fsck_build *b, uint64_t slab);

/* Writes all tables, and puts the file in the place of the index. EIO: said; ENOMEM, ECORRUPT. */
DOL_MUST_CHECK enum dol_err fsck_build_write(struct fsck_build *b);

#endif
