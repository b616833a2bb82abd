/* Row builder: lays records into the k + m unit buffers of one row, adds parity, checksums and headers. No I/O. */
#ifndef DOL_ROW_H
#define DOL_ROW_H

#include "pool.h"
#include "unit.h"

struct row_builder {
    uint8_t *buffer; /* block-aligned; units back to back */
    size_t buffer_bytes;
    uint8_t *units[FORMAT_MEMBERS_MAX];
    struct row_layout layout;
    unsigned k, m;
    const struct ec *ec;
    uint32_t cursor;     /* next byte of the row's data */
    struct sha256 table; /* of the finished row */
    uint32_t crcs[FORMAT_MEMBERS_MAX][UNIT_CRCS_MAX];
};

void row_builder_init(struct row_builder *b);
void row_builder_fini(struct row_builder *b);
/* Ready for data_bytes of records in the slab's geometry. ENOMEM. */
DOL_MUST_CHECK enum dol_err row_builder_begin(struct row_builder *b, const struct slab *slab, uint32_t data_bytes);
/* seal_dest_fn: the next piece of the row's data, up to the end of its unit. arg is the builder. */
uint8_t *row_builder_dest(void *arg, size_t *len);
/* Copies bytes in. */
void row_builder_put(struct row_builder *b, const void *data, size_t len);
/* Pads, computes parity, CRCs, digests and all unit headers. `h` carries what is common; drive, extent and member are
 * filled in from the slab. */
void row_builder_finish(struct row_builder *b, const struct pool *pool, const struct slab *slab, struct unit_header *h);

#endif
