/*
 * Reading: one record by its place, verified before anybody sees it (read_record.c); or a whole row, for recovery and
 * repair (read.c).
 *
 * The fast path reads only the blocks the record lies in, without unit headers, and trusts nothing but the record's own
 * tag. When a member is missing or fails to read, its part of the record is rebuilt from the same bytes of k others.
 * When the tag is wrong, the row's units are read whole, judged by their headers, CRCs and siblings, and the record is
 * rebuilt from k good ones.
 */
#ifndef DOL_READ_H
#define DOL_READ_H

#include "pool.h"
#include "unit.h"

struct record_read {
    uint8_t *buffer; /* owned, from malloc(); body borrows from it */
    size_t buffer_bytes;
    struct record_header header;
    struct bytes body; /* plain */
    bool rebuilt;      /* from parity: an unsealed record has nothing but a CRC-32C to vouch for it */
};

/*
 * [await] ECORRUPT: fewer than k good units, or the record is wrong in spite of k good ones. EINCOMPLETE: fewer than k
 * units could be read. ENOTFOUND: no such slab, or it has been freed since the place was looked up: the caller looks
 * again. The slab stays for the time of the call. A record with another LSN than the index knows is as bad as one with
 * a wrong tag: a misdirected write may have put it there.
 */
DOL_MUST_CHECK enum dol_err pool_read_record(struct pool *pool, const struct place *place, struct lsn lsn,
                                             struct record_read *out);
void record_read_free(struct record_read *r);

/* What the header blocks of all members at one place say; payloads are not looked at. */
struct row_probe {
    struct unit_header header; /* of the row, from a good member */
    struct sha256 table;       /* table hash that most good headers give */
    unsigned good;             /* members whose header is good and agrees */
    unsigned unreadable;       /* members missing or failing to read */
};
/* [await] ENOTFOUND: no member has a header of this slab's life at the block (`unreadable` is set). EFORMAT: one is of
 * a newer format. */
DOL_MUST_CHECK enum dol_err row_probe(struct pool *pool, struct slab *slab, uint32_t row_block, struct row_probe *out);

/* Is this block, read from `member`, the header of a unit of a row numbered higher than `row`? */
bool unit_is_of_later_row(const struct pool *pool, const struct slab *slab, unsigned member, uint32_t block,
                          const uint8_t *bytes, uint64_t row);

/* A row with its payloads. */
struct row_image {
    struct unit_header header;
    struct row_layout layout;
    struct sha256 table;
    uint8_t *buffer; /* owned: k + m units; NULL: they are the caller's */
    uint8_t *payloads[FORMAT_MEMBERS_MAX];
    bool good_unit[FORMAT_MEMBERS_MAX];   /* as found on the drives */
    bool read_unit[FORMAT_MEMBERS_MAX];   /* its drive gave it without an error */
    bool good_header[FORMAT_MEMBERS_MAX]; /* its header is one of this unit, whatever its payload is */
    unsigned good;
    unsigned unreadable;
    bool complete_data; /* the k data payloads are good, read or rebuilt */
};
/* [await] unit_blocks as the place or probe says. OK also when too few units are good: look at complete_data. ENOMEM,
 * ESTOPPED. */
DOL_MUST_CHECK enum dol_err row_load(struct pool *pool, struct slab *slab, uint32_t row_block, uint32_t unit_blocks,
                                     struct row_image *out);
void row_image_free(struct row_image *row);

/*
 * The halves of row_probe() and row_load(): reading, and judging what was read. members_read() [await]: `len` bytes at
 * the same block of every member, which lies on drives[i], into out[i]; errs[i] says what came of it, EIO for NULL.
 * Judging doesn't await, and may be done by any thread while the slab is pinned; bad data units are rebuilt in place.
 * ENOMEM, and as above.
 */
void members_read(struct pool *pool, struct slab *slab, struct drive *const *drives, uint32_t block,
                  uint8_t *const *out, size_t len, enum dol_err *errs);
DOL_MUST_CHECK enum dol_err row_probe_judge(const struct pool *pool, const struct slab *slab, uint32_t row_block,
                                            const uint8_t *const *blocks, const enum dol_err *errs,
                                            struct row_probe *out);
DOL_MUST_CHECK enum dol_err row_judge(const struct pool *pool, const struct slab *slab, uint32_t row_block,
                                      uint32_t unit_blocks, uint8_t *const *units, const enum dol_err *errs,
                                      struct row_image *out);
/* Copies [offset, offset + len) of the row's data. */
void row_image_copy(const struct row_image *row, uint32_t offset, void *out, size_t len);

#endif
