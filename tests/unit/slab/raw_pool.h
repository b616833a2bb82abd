/*
 * What lies on the media, decoded with engine/format alone: slabs from extent headers, their rows followed by the chain
 * of headers, footers. Shares no code with the engine's scan, read and recovery.
 */
#ifndef RAW_POOL_H
#define RAW_POOL_H

#include "body.h"
#include "extent.h"
#include "pool_fixture.h"
#include "superblock.h"
#include "unit.h"

#define RAW_SLABS_MAX 64u
#define RAW_ROWS_MAX  256u

struct raw_row {
    struct unit_header header; /* of the first good member */
    struct row_layout layout;
    struct sha256 table;
    bool good[FORMAT_MEMBERS_MAX]; /* header, CRCs, digest all right */
    unsigned good_count;
};

struct raw_slab {
    struct extent_header header;         /* of any member */
    unsigned headers;                    /* members whose extent header is good */
    unsigned drives[FORMAT_MEMBERS_MAX]; /* index into fixture.media */
    unsigned row_count;
    struct raw_row rows[RAW_ROWS_MAX];
    unsigned footers; /* members with a good footer */
    struct extent_footer footer;
};

struct raw_pool {
    const struct fixture *f;
    struct superblock sb;
    unsigned slab_count;
    struct raw_slab slabs[RAW_SLABS_MAX]; /* by id */
};

/* The caller frees. */
struct raw_pool *raw_pool_read(const struct fixture *f);
/* Newest slab of the newest run; the slab with an id. */
struct raw_slab *raw_slab_last(struct raw_pool *p);
struct raw_slab *raw_slab_find(struct raw_pool *p, uint64_t id);

/* Offset on its drive of a member's block. */
uint64_t raw_offset(const struct raw_pool *p, const struct raw_slab *s, unsigned member, uint32_t block);
/* One unit, whole; the caller frees. */
uint8_t *raw_unit(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row, unsigned member);
/* The row's data: k payloads back to back, all of which must be good. The caller frees. */
uint8_t *raw_row_data(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row);
/* Every unit good, parity is what the data gives, chained to the row before. */
void raw_row_check(const struct raw_pool *p, const struct raw_slab *s, unsigned index);

/* Records of a row's data in the clear (a pool without encryption): false at the end. */
struct raw_record {
    struct record_header header;
    struct bytes body;
    uint32_t offset; /* in the row's data */
};
bool raw_record_next(const uint8_t *data, const struct raw_row *row, uint32_t *offset, struct raw_record *out);

/* Damage to one member's unit of a row. */
void raw_unit_erase(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row, unsigned member);
void raw_unit_fail(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row, unsigned member);

#endif
