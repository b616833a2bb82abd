/*
 * Extent header and footer on disk. Each has one predicate over its decoded fields, asserted by the encoder and turned
 * into ECORRUPT by the decoder.
 */
#include "extent.h"

#include "dol_assert.h"
#include "format_head.h"

static const char header_magic[] = "DOLMEXTH";
static const char footer_magic[] = "DOLMEXTF";

#define EXTENT_BLOCKS_MAX (FORMAT_EXTENT_BYTES_MAX / FORMAT_BLOCK_BYTES)

struct extent_member_disk {
    uint8_t drive[16];
    struct le32 incarnation;
    struct le32 extent;
};
_Static_assert(sizeof(struct extent_member_disk) == 24, "extent member");

struct extent_header_disk {
    struct format_head head;
    uint8_t pool[16];
    struct le64 slab;
    uint8_t life[16];
    struct le64 run;
    struct le64 epoch;
    struct le64 extent_bytes;
    struct le64 created_s;
    struct le32 key_id;
    uint8_t k;
    uint8_t m;
    uint8_t member;
    uint8_t ec_alg;
    uint8_t reserved1[8];
    struct extent_member_disk members[FORMAT_MEMBERS_MAX];
    uint8_t reserved2[EXTENT_HEADER_BYTES - 1088];
};
_Static_assert(sizeof(struct extent_header_disk) == EXTENT_HEADER_BYTES, "extent header");
_Static_assert(offsetof(struct extent_header_disk, life) == 64, "extent header");
_Static_assert(offsetof(struct extent_header_disk, key_id) == 112, "extent header");
_Static_assert(offsetof(struct extent_header_disk, members) == 128, "extent header");
_Static_assert(offsetof(struct extent_header_disk, reserved2) == 1088, "extent header");

struct extent_directory_row_disk {
    struct le32 row_block;
    struct le32 unit_blocks;
};

struct extent_footer_disk {
    struct format_head head;
    uint8_t pool[16];
    struct le64 slab;
    uint8_t life[16];
    struct le64 rows;
    struct le64 end_block;
    struct le64 lsn_min_run;
    struct le64 lsn_min_counter;
    struct le64 lsn_max_run;
    struct le64 lsn_max_counter;
    uint8_t last_table[32];
    struct le32 directory_count;
    uint8_t member;
    uint8_t reserved1[27];
    struct extent_directory_row_disk directory[EXTENT_DIRECTORY_ROWS_MAX];
    uint8_t reserved2[EXTENT_FOOTER_BYTES - 1792];
};
_Static_assert(sizeof(struct extent_footer_disk) == EXTENT_FOOTER_BYTES, "extent footer");
_Static_assert(offsetof(struct extent_footer_disk, life) == 64, "extent footer");
_Static_assert(offsetof(struct extent_footer_disk, last_table) == 128, "extent footer");
_Static_assert(offsetof(struct extent_footer_disk, directory_count) == 160, "extent footer");
_Static_assert(offsetof(struct extent_footer_disk, directory) == 192, "extent footer");
_Static_assert(offsetof(struct extent_footer_disk, reserved2) == 1792, "extent footer");

static bool extent_header_fields_ok(const struct extent_header *h)
{
    if (uuid_is_zero(h->pool) || uuid_is_zero(h->life) || h->slab == 0 || h->run == 0 || h->epoch == 0)
        return false;
    if (!format_geometry_ok(h->k, h->m) || !format_extent_bytes_ok(h->extent_bytes))
        return false;
    unsigned members = (unsigned)h->k + h->m;
    if (h->member >= members || (h->m == 0) != (h->ec_alg == 0))
        return false;
    for (unsigned i = 0; i < members; i++) {
        if (uuid_is_zero(h->members[i].drive))
            return false;
        for (unsigned j = 0; j < i; j++)
            if (uuid_equal(h->members[i].drive, h->members[j].drive))
                return false;
    }
    return true;
}

void extent_header_encode(const struct extent_header *h, uint8_t out[EXTENT_HEADER_BYTES])
{
    dol_assert(extent_header_fields_ok(h));
    dol_assert(h->m == 0 || h->ec_alg == FORMAT_EC_RS_CAUCHY);
    struct extent_header_disk *d = (struct extent_header_disk *)(void *)out;
    memset(d, 0, sizeof *d);
    format_head_put(&d->head, header_magic, &h->masks);
    memcpy(d->pool, h->pool.b, sizeof d->pool);
    d->slab = le64_of(h->slab);
    memcpy(d->life, h->life.b, sizeof d->life);
    d->run = le64_of(h->run);
    d->epoch = le64_of(h->epoch);
    d->extent_bytes = le64_of(h->extent_bytes);
    d->created_s = le64_of((uint64_t)h->created_s);
    d->key_id = le32_of(h->key_id);
    d->k = h->k;
    d->m = h->m;
    d->member = h->member;
    d->ec_alg = h->ec_alg;
    for (unsigned i = 0; i < (unsigned)h->k + h->m; i++) {
        memcpy(d->members[i].drive, h->members[i].drive.b, sizeof d->members[i].drive);
        d->members[i].incarnation = le32_of(h->members[i].incarnation);
        d->members[i].extent = le32_of(h->members[i].extent);
    }
    format_head_seal(d, sizeof *d, bytes_of(d->life, sizeof d->life));
}

enum dol_err extent_header_decode(const uint8_t in[EXTENT_HEADER_BYTES], struct extent_header *out)
{
    const struct extent_header_disk *d = (const struct extent_header_disk *)(const void *)in;
    if (!format_head_has_magic(&d->head, header_magic))
        return DOL_ENOTFOUND;
    if (!format_head_checksum_ok(d, sizeof *d, bytes_of(d->life, sizeof d->life)))
        return DOL_ECORRUPT;
    memset(out, 0, sizeof *out);
    enum dol_err err = format_head_decode(&d->head, &out->masks);
    if (err != DOL_OK)
        return err;
    memcpy(out->pool.b, d->pool, sizeof d->pool);
    out->slab = le64_get(d->slab);
    memcpy(out->life.b, d->life, sizeof d->life);
    out->run = le64_get(d->run);
    out->epoch = le64_get(d->epoch);
    out->extent_bytes = le64_get(d->extent_bytes);
    out->created_s = (int64_t)le64_get(d->created_s);
    out->key_id = le32_get(d->key_id);
    out->k = d->k;
    out->m = d->m;
    out->member = d->member;
    out->ec_alg = d->ec_alg;
    if (!format_geometry_ok(out->k, out->m))
        return DOL_ECORRUPT;
    unsigned members = (unsigned)out->k + out->m;
    for (unsigned i = 0; i < members; i++) {
        memcpy(out->members[i].drive.b, d->members[i].drive, sizeof d->members[i].drive);
        out->members[i].incarnation = le32_get(d->members[i].incarnation);
        out->members[i].extent = le32_get(d->members[i].extent);
    }
    if (!extent_header_fields_ok(out) ||
        !format_is_zero(d->members + members, (FORMAT_MEMBERS_MAX - members) * sizeof d->members[0]) ||
        !format_reserved_ok(&out->masks, d->reserved1, sizeof d->reserved1) ||
        !format_reserved_ok(&out->masks, d->reserved2, sizeof d->reserved2))
        return DOL_ECORRUPT;
    return out->m == 0 || out->ec_alg == FORMAT_EC_RS_CAUCHY ? DOL_OK : DOL_EFORMAT;
}

/* The directory rows lie in order, apart from each other, between the header and end_block. */
static bool extent_footer_directory_ok(const struct extent_footer *f)
{
    if (f->directory_count > EXTENT_DIRECTORY_ROWS_MAX || f->directory_count > f->rows)
        return false;
    uint64_t free_block = 1;
    for (uint32_t i = 0; i < f->directory_count; i++) {
        const struct extent_directory_row *r = &f->directory[i];
        if (r->unit_blocks == 0 || r->row_block < free_block)
            return false;
        free_block = (uint64_t)r->row_block + r->unit_blocks;
        if (free_block > f->end_block)
            return false;
    }
    return true;
}

static bool extent_footer_fields_ok(const struct extent_footer *f)
{
    if (uuid_is_zero(f->pool) || uuid_is_zero(f->life) || f->slab == 0 || f->member >= FORMAT_MEMBERS_MAX)
        return false;
    /* A row takes at least one block, the header one before and this footer one after them. */
    if (f->rows == 0 || f->end_block > EXTENT_BLOCKS_MAX - 1 || f->end_block <= f->rows)
        return false;
    return lsn_compare(f->lsn_min, f->lsn_max) <= 0 && extent_footer_directory_ok(f);
}

void extent_footer_encode(const struct extent_footer *f, uint8_t out[EXTENT_FOOTER_BYTES])
{
    dol_assert(extent_footer_fields_ok(f));
    struct extent_footer_disk *d = (struct extent_footer_disk *)(void *)out;
    memset(d, 0, sizeof *d);
    format_head_put(&d->head, footer_magic, &f->masks);
    memcpy(d->pool, f->pool.b, sizeof d->pool);
    d->slab = le64_of(f->slab);
    memcpy(d->life, f->life.b, sizeof d->life);
    d->rows = le64_of(f->rows);
    d->end_block = le64_of(f->end_block);
    d->lsn_min_run = le64_of(f->lsn_min.run);
    d->lsn_min_counter = le64_of(f->lsn_min.counter);
    d->lsn_max_run = le64_of(f->lsn_max.run);
    d->lsn_max_counter = le64_of(f->lsn_max.counter);
    memcpy(d->last_table, f->last_table.b, sizeof d->last_table);
    d->directory_count = le32_of(f->directory_count);
    d->member = f->member;
    for (uint32_t i = 0; i < f->directory_count; i++) {
        d->directory[i].row_block = le32_of(f->directory[i].row_block);
        d->directory[i].unit_blocks = le32_of(f->directory[i].unit_blocks);
    }
    format_head_seal(d, sizeof *d, bytes_of(d->life, sizeof d->life));
}

enum dol_err extent_footer_decode(const uint8_t in[EXTENT_FOOTER_BYTES], struct uuid life, struct extent_footer *out)
{
    const struct extent_footer_disk *d = (const struct extent_footer_disk *)(const void *)in;
    if (!format_head_has_magic(&d->head, footer_magic) ||
        !format_head_checksum_ok(d, sizeof *d, bytes_of(life.b, sizeof life.b)))
        return DOL_ENOTFOUND;
    memset(out, 0, sizeof *out);
    enum dol_err err = format_head_decode(&d->head, &out->masks);
    if (err != DOL_OK)
        return err;
    memcpy(out->pool.b, d->pool, sizeof d->pool);
    out->slab = le64_get(d->slab);
    memcpy(out->life.b, d->life, sizeof d->life);
    out->member = d->member;
    out->rows = le64_get(d->rows);
    out->end_block = le64_get(d->end_block);
    out->lsn_min = (struct lsn){le64_get(d->lsn_min_run), le64_get(d->lsn_min_counter)};
    out->lsn_max = (struct lsn){le64_get(d->lsn_max_run), le64_get(d->lsn_max_counter)};
    memcpy(out->last_table.b, d->last_table, sizeof d->last_table);
    out->directory_count = le32_get(d->directory_count);
    if (out->directory_count > EXTENT_DIRECTORY_ROWS_MAX)
        return DOL_ECORRUPT;
    for (uint32_t i = 0; i < out->directory_count; i++) {
        out->directory[i].row_block = le32_get(d->directory[i].row_block);
        out->directory[i].unit_blocks = le32_get(d->directory[i].unit_blocks);
    }
    size_t unused = EXTENT_DIRECTORY_ROWS_MAX - out->directory_count;
    if (!extent_footer_fields_ok(out) || !uuid_equal(out->life, life) ||
        !format_is_zero(d->directory + out->directory_count, unused * sizeof d->directory[0]) ||
        !format_reserved_ok(&out->masks, d->reserved1, sizeof d->reserved1) ||
        !format_reserved_ok(&out->masks, d->reserved2, sizeof d->reserved2))
        return DOL_ECORRUPT;
    return DOL_OK;
}
