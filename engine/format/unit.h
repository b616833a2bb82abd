/*
 * Row and unit. A row is one group commit: `data_bytes` of concatenated records, padded with zeros to k * payload_bytes
 * and cut into k equal payloads, plus m parity payloads. Each of the k + m units lies at the same offset of its
 * member's extent: header, payload at once behind it, unit_blocks * 4096 bytes together.
 *
 * The unit header carries its own identity, the CRC-32C of each 16 KiB of its payload (the last block may be shorter),
 * and the digest of every sibling: the CRC-32C over that unit's array of block CRCs as stored. So a lost or misdirected
 * write is seen from the siblings. The *table hash* of a row is SHA-256(life || row || prev_table || digests[k+m]);
 * each row carries its predecessor's, which chains the rows of a slab.
 *
 * Checksum seed: life || le64(row) || member byte.
 */
#ifndef DOL_UNIT_H
#define DOL_UNIT_H

#include "format.h"

#define UNIT_HEADER_FIXED_BYTES 256u
#define UNIT_HEADER_LIFE_OFFSET 64u /* where a header names its life, in the clear */

enum {
    UNIT_FLAG_EMPTY = 1,    /* a row without records that proves its predecessor */
    UNIT_FLAG_REAPPEND = 2, /* records of earlier runs were appended again; their LSNs are older than the row */
    UNIT_FLAG_DIRECTORY = 4 /* the row holds directory records of this slab */
};

/*
 * How a row of a given size lies in its units. Header and CRC count depend on each other: header_bytes is the smallest
 * multiple of 64 that holds 256 + 4 * (k + m) + 4 * crc_count. It is always less than a block.
 */
struct row_layout {
    uint32_t unit_blocks; /* unit size in FORMAT_BLOCK_BYTES */
    uint32_t header_bytes;
    uint32_t payload_bytes; /* unit_blocks * 4096 - header_bytes */
    uint32_t crc_count;     /* CRCs per unit: ceil(payload_bytes / 16384) */
};

/* The smallest layout whose k payloads hold data_bytes (0 .. FORMAT_ROW_DATA_BYTES_MAX). */
struct row_layout row_layout_for(uint32_t data_bytes, unsigned k, unsigned m);
/* The layout of a row whose unit size is known. false when unit_blocks is impossible (0, or beyond what
 * row_layout_for() can give). */
DOL_MUST_CHECK bool row_layout_of_unit(uint32_t unit_blocks, unsigned k, unsigned m, struct row_layout *out);

struct unit_header {
    struct format_masks masks;
    struct uuid pool;
    uint64_t slab;
    struct uuid life;
    uint64_t row; /* 0, 1, 2 ... in the slab */
    uint64_t run;
    uint64_t epoch;
    struct uuid drive;
    uint32_t extent;
    uint8_t k;
    uint8_t m;
    uint8_t member;
    uint8_t flags;      /* UNIT_FLAG_* */
    uint32_t row_block; /* offset in the extent, in blocks */
    uint32_t unit_blocks;
    uint32_t data_bytes;   /* of the whole row */
    uint32_t record_count; /* in the whole row */
    struct lsn lsn_first;  /* lowest and highest LSN of the row's records; {0,0} when empty */
    struct lsn lsn_last;
    struct sha256 prev_table; /* table hash of the row before; zero for row 0 */
    uint8_t ec_alg;
    uint8_t crc_alg;
};

/*
 * Writes header_bytes of the layout at out: fixed part, digests[k + m], crcs[crc_count], zero padding, checksum.
 * digests[header->member] must be unit_digest() of crcs.
 */
void unit_header_encode(const struct unit_header *h, const uint32_t *digests, const uint32_t *crcs, uint8_t *out);

/* CRC-32C of each block of a payload. */
void unit_payload_crcs(const uint8_t *payload, const struct row_layout *layout, uint32_t *crcs);
/* CRC-32C over the array of block CRCs in stored (little-endian) form. */
uint32_t unit_digest(const uint32_t *crcs, uint32_t crc_count);
struct sha256 unit_table_hash(struct uuid life, uint64_t row, const struct sha256 *prev_table, const uint32_t *digests,
                              unsigned members);

/*
 * Decodes a header from a unit's first block, which holds all of it. `len` bytes are at hand; fewer than
 * FORMAT_BLOCK_BYTES are not enough: *needed (may be NULL) is set and the error is ERANGE. ENOTFOUND: no magic, or the
 * checksum fails under the given life. ECORRUPT: impossible fields behind a good checksum. EFORMAT: unknown version or
 * incompat bits. digests (FORMAT_MEMBERS_MAX) and crcs (UNIT_CRCS_MAX) may be NULL. The caller compares identity, row
 * and place with what it expects.
 */
#define UNIT_CRCS_MAX 516u /* k = 1, 8 MiB rows */
DOL_MUST_CHECK enum dol_err unit_header_decode(const uint8_t *in, size_t len, struct uuid life, struct unit_header *out,
                                               uint32_t *digests, uint32_t *crcs, size_t *needed);

/* True when the payload matches its header's CRCs. */
bool unit_payload_ok(const uint8_t *payload, const struct row_layout *layout, const uint32_t *crcs);

#endif
