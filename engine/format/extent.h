/*
 * Extent header and footer. A slab is k + m equal extents on distinct drives; every member extent opens with the same
 * description of the slab, and closes, once the slab is sealed, with a footer.
 *
 *   0                     extent header (one block)
 *   4096 ...              rows, one unit each, appended in order
 *   extent_bytes - 4096   extent footer (one block), written once when the slab is sealed; before, whatever lay there
 *
 * Both are checked with a checksum seeded by the slab's life, so what an earlier life left behind never passes.
 */
#ifndef DOL_EXTENT_H
#define DOL_EXTENT_H

#include "format.h"

#define EXTENT_HEADER_BYTES       4096u
#define EXTENT_HEADER_SLAB_OFFSET 56u /* where a header names its slab and life, both in its first sector */
#define EXTENT_HEADER_LIFE_OFFSET 64u
#define EXTENT_FOOTER_BYTES       4096u
#define EXTENT_DIRECTORY_ROWS_MAX 200u

struct extent_member {
    struct uuid drive;
    uint32_t incarnation;
    uint32_t extent; /* index on that drive's grid */
};

struct extent_header {
    struct format_masks masks;
    struct uuid pool;
    uint64_t slab;    /* id; unique in the pool's history: run << 32 | counter within the run */
    struct uuid life; /* random, never used again */
    uint64_t run;
    uint64_t epoch;
    uint64_t extent_bytes;
    int64_t created_s;
    uint32_t key_id; /* data key of the slab's records, 0 when unsealed */
    uint8_t k;
    uint8_t m;
    uint8_t member; /* index of this extent in members[]; data units first, then parity */
    uint8_t ec_alg; /* FORMAT_EC_*; 0 when m == 0 */
    struct extent_member members[FORMAT_MEMBERS_MAX]; /* k + m are used */
};

void extent_header_encode(const struct extent_header *h, uint8_t out[EXTENT_HEADER_BYTES]);
/* ENOTFOUND: no magic (never used). ECORRUPT, EFORMAT as superblock_decode(). The seed is the life that the header
 * itself names. */
DOL_MUST_CHECK enum dol_err extent_header_decode(const uint8_t in[EXTENT_HEADER_BYTES], struct extent_header *out);

struct extent_directory_row {
    uint32_t row_block; /* offset of the row in the extent, in FORMAT_BLOCK_BYTES */
    uint32_t unit_blocks;
};

struct extent_footer {
    struct format_masks masks;
    struct uuid pool;
    uint64_t slab;
    struct uuid life;
    uint8_t member;
    uint64_t rows;      /* number of rows; the last one is rows - 1 */
    uint64_t end_block; /* first block after the last row */
    struct lsn lsn_min; /* over all records in the slab */
    struct lsn lsn_max;
    struct sha256 last_table; /* table hash of the last row (unit.h) */
    uint32_t directory_count;
    struct extent_directory_row directory[EXTENT_DIRECTORY_ROWS_MAX]; /* rows that hold directory records, in order */
};

void extent_footer_encode(const struct extent_footer *f, uint8_t out[EXTENT_FOOTER_BYTES]);
/* ENOTFOUND: no footer of this life. ECORRUPT: impossible fields behind a good checksum. */
DOL_MUST_CHECK enum dol_err extent_footer_decode(const uint8_t in[EXTENT_FOOTER_BYTES], struct uuid life,
                                                 struct extent_footer *out);

#endif
