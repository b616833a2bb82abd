/*
 * Scrubbing one slab: its acknowledged rows are read whole, a window at a time, judged unit by unit, and units that are
 * proven bad are written again.
 *
 * Proven means: at least k units of the row verify, and what is rebuilt from them gives, with all other units, the very
 * table hash that the headers of the good ones give. Then the unit's bytes, header included, are known exactly.
 * Whatever else is found is told and left as it is.
 *
 * One window: slab_scrub_read() -> slab_scrub_judge(), on any thread -> slab_scrub_repair() -> slab_scrub_release().
 * The slab is pinned from read to release, no longer.
 */
#ifndef DOL_SLAB_SCRUB_H
#define DOL_SLAB_SCRUB_H

#include <limits.h>

#include "read.h"

#define SCRUB_WINDOW_BYTES        (512u << 10) /* read of each member at once; more when a row needs it */
#define SCRUB_WINDOW_FINDINGS_MAX 256u

#define SCRUB_ROW_FINDINGS_MAX 64u /* of one row, but for its records */

#define SCRUB_NO_MEMBER UINT8_MAX
#define SCRUB_NO_DRIVE  UINT_MAX

struct scrub_finding {
    uint8_t kind;   /* enum store_scrub_kind */
    uint8_t member; /* SCRUB_NO_MEMBER: the row's or a record's */
    bool proven;    /* units: the window holds what belongs there */
    bool repaired;  /* written, read back, the same */
    uint64_t row;
    uint32_t block, unit_blocks;
    struct lsn lsn;     /* of records */
    struct sha256 hash; /* of chunks and lists; zero: none */
};

/* What the window held. */
struct scrub_counts {
    uint64_t bytes; /* read, repairs included */
    uint64_t rows, units, records, chunks;
    uint64_t units_unverified;   /* of drives that are missing */
    uint64_t rows_unverified;    /* too many drives are missing, or the format is a newer one */
    uint64_t found[SCRUB_KINDS]; /* rows for SCRUB_ROW_LOST */
};

struct slab_scrub {
    struct pool *pool;
    uint64_t id;
    struct uuid life;
    uint64_t row, rows; /* the next one; how many are acknowledged and applied */
    uint32_t block, end_block;
    struct sha256 table; /* of the row before */
    bool chained;        /* `table` is known */
    bool seeking;        /* where the next row begins isn't known */
    unsigned healing;    /* a drive that is being rebuilt, which then counts as there; SCRUB_NO_DRIVE */

    struct slab *slab; /* pinned, between read and release */
    unsigned members;
    uint8_t *buffer; /* the members' windows, capacity_blocks each, and one more as scratch */
    uint8_t *parity; /* of a row, computed */
    size_t parity_bytes;
    uint32_t capacity_blocks, wanted_blocks;
    uint32_t window_block, window_blocks;
    bool intact; /* every drive that is there has given all of the window */
    enum dol_err errs[FORMAT_MEMBERS_MAX];

    struct scrub_counts counts;
    struct scrub_finding findings[SCRUB_WINDOW_FINDINGS_MAX];
    unsigned finding_count;
};

/* The slab's first `rows` rows, which end before end_block, are acknowledged. */
void slab_scrub_init(struct slab_scrub *w, struct pool *pool, uint64_t id, struct uuid life, uint64_t rows,
                     uint32_t end_block);
void slab_scrub_fini(struct slab_scrub *w);

/* [await] Pins the slab and reads the next window; counts and findings begin anew. ENOTFOUND: there is no more, or the
 * slab is being freed. ENOMEM, ESTOPPED. */
DOL_MUST_CHECK enum dol_err slab_scrub_read(struct slab_scrub *w);

/*
 * Not [await], any thread. Judges the rows that lie whole in the window. fn is told of each whose data is complete, and
 * may add findings. ENOMEM.
 */
typedef enum dol_err scrub_row_fn(void *arg, struct slab_scrub *w, const struct row_image *row);
DOL_MUST_CHECK enum dol_err slab_scrub_judge(struct slab_scrub *w, scrub_row_fn *fn, void *arg);
/* One more finding in the row being judged. NULL: it is only counted. */
struct scrub_finding *slab_scrub_note(struct slab_scrub *w, uint8_t kind, uint8_t member);

/* [await] Writes the units that are proven bad and reads them back, unless the pool is read-only. ESTOPPED. */
DOL_MUST_CHECK enum dol_err slab_scrub_repair(struct slab_scrub *w);
void slab_scrub_release(struct slab_scrub *w);

#endif
