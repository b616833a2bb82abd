/*
 * Rows and units: how a row of a given size is laid out, the unit header on disk, and the digests that tie the units of
 * a row and the rows of a slab together.
 *
 * Layout rule. A unit is unit_blocks * 4096 bytes: header, then payload. header_bytes is the smallest multiple of 64
 * that holds 256 + 4 * (k + m) + 4 * crc_count,   where crc_count = ceil((unit_blocks * 4096 - header_bytes) / 16384).
 * The right side only shrinks as header_bytes grows, so there is exactly one smallest. A row's unit_blocks is the
 * smallest whose k payloads hold data_bytes, and at least 1. For every geometry and row size allowed, header_bytes is
 * less than one block (checked below and in the tests).
 */
#include "unit.h"

#include "dol_assert.h"
#include "format_head.h"
#include "hash.h"

static const char unit_magic[] = "DOLMUNIT";

#define EXTENT_BLOCKS_MAX     (FORMAT_EXTENT_BYTES_MAX / FORMAT_BLOCK_BYTES)
#define UNIT_ALIGN_BYTES      64u
#define UNIT_RECORD_BYTES_MIN 80u /* header and trailer of a record without body */

/* k = 1, m = 8 has the longest header: one block more than the data itself needs. */
_Static_assert(FORMAT_ROW_DATA_BYTES_MAX / FORMAT_CRC_BLOCK_BYTES + 1 <= UNIT_CRCS_MAX, "CRCs of the largest unit");
_Static_assert(UNIT_HEADER_FIXED_BYTES + 4 * FORMAT_MEMBERS_MAX + 4 * UNIT_CRCS_MAX + UNIT_ALIGN_BYTES <=
                   FORMAT_BLOCK_BYTES,
               "a unit header never leaves its first block");

struct unit_header_disk {
    struct format_head head;
    uint8_t pool[16];
    struct le64 slab;
    uint8_t life[16];
    struct le64 row;
    struct le64 run;
    struct le64 epoch;
    uint8_t drive[16];
    struct le32 extent;
    struct le32 row_block;
    struct le32 unit_blocks;
    struct le32 header_bytes;
    struct le32 payload_bytes;
    struct le32 crc_count;
    struct le64 lsn_first_run;
    struct le64 lsn_first_counter;
    struct le64 lsn_last_run;
    struct le64 lsn_last_counter;
    uint8_t prev_table[32];
    struct le32 data_bytes;
    struct le32 record_count;
    uint8_t k;
    uint8_t m;
    uint8_t member;
    uint8_t flags;
    uint8_t ec_alg;
    uint8_t crc_alg;
    uint8_t hash_alg; /* of prev_table and the header checksum */
    uint8_t reserved[33];
};
_Static_assert(sizeof(struct unit_header_disk) == UNIT_HEADER_FIXED_BYTES, "unit header");
_Static_assert(offsetof(struct unit_header_disk, life) == 64, "unit header");
_Static_assert(offsetof(struct unit_header_disk, extent) == 120, "unit header");
_Static_assert(offsetof(struct unit_header_disk, header_bytes) == 132, "unit header");
_Static_assert(offsetof(struct unit_header_disk, lsn_first_run) == 144, "unit header");
_Static_assert(offsetof(struct unit_header_disk, prev_table) == 176, "unit header");
_Static_assert(offsetof(struct unit_header_disk, k) == 216, "unit header");
_Static_assert(offsetof(struct unit_header_disk, reserved) == 223, "unit header");

/* ---- layout ---- */

static uint32_t div_up(uint32_t n, uint32_t d)
{
    return n / d + (n % d != 0);
}

static struct row_layout row_layout_of_blocks(uint32_t unit_blocks, unsigned k, unsigned m)
{
    uint32_t unit_bytes = unit_blocks * FORMAT_BLOCK_BYTES;
    uint32_t fixed = UNIT_HEADER_FIXED_BYTES + 4 * (k + m);
    /* From below: with the CRCs that are needed however long the header is (it stays within one block). */
    uint32_t need = fixed + 4 * div_up(unit_bytes - FORMAT_BLOCK_BYTES, FORMAT_CRC_BLOCK_BYTES);
    uint32_t header = div_up(need, UNIT_ALIGN_BYTES) * UNIT_ALIGN_BYTES;
    while (header < fixed + 4 * div_up(unit_bytes - header, FORMAT_CRC_BLOCK_BYTES))
        header += UNIT_ALIGN_BYTES;
    dol_assert(header < FORMAT_BLOCK_BYTES);
    return (struct row_layout){
        .unit_blocks = unit_blocks,
        .header_bytes = header,
        .payload_bytes = unit_bytes - header,
        .crc_count = div_up(unit_bytes - header, FORMAT_CRC_BLOCK_BYTES),
    };
}

struct row_layout row_layout_for(uint32_t data_bytes, unsigned k, unsigned m)
{
    dol_assert(format_geometry_ok(k, m) && data_bytes <= FORMAT_ROW_DATA_BYTES_MAX);
    uint32_t unit_blocks = div_up(div_up(data_bytes, k), FORMAT_BLOCK_BYTES);
    if (unit_blocks == 0)
        unit_blocks = 1;
    struct row_layout layout = row_layout_of_blocks(unit_blocks, k, m);
    while ((uint64_t)k * layout.payload_bytes < data_bytes)
        layout = row_layout_of_blocks(++unit_blocks, k, m);
    return layout;
}

bool row_layout_of_unit(uint32_t unit_blocks, unsigned k, unsigned m, struct row_layout *out)
{
    if (!format_geometry_ok(k, m) || unit_blocks == 0 ||
        unit_blocks > row_layout_for(FORMAT_ROW_DATA_BYTES_MAX, k, m).unit_blocks)
        return false;
    *out = row_layout_of_blocks(unit_blocks, k, m);
    return true;
}

/* ---- checksums and digests ---- */

#define UNIT_SEED_BYTES 25u

static void unit_seed(const uint8_t life[16], uint64_t row, uint8_t member, uint8_t out[UNIT_SEED_BYTES])
{
    struct le64 row_le = le64_of(row);
    memcpy(out, life, 16);
    memcpy(out + 16, row_le.b, 8);
    out[24] = member;
}

void unit_payload_crcs(const uint8_t *payload, const struct row_layout *layout, uint32_t *crcs)
{
    uint32_t left = layout->payload_bytes;
    for (uint32_t i = 0; i < layout->crc_count; i++) {
        uint32_t n = left < FORMAT_CRC_BLOCK_BYTES ? left : FORMAT_CRC_BLOCK_BYTES;
        crcs[i] = crc32c(0, payload + (size_t)i * FORMAT_CRC_BLOCK_BYTES, n);
        left -= n;
    }
}

bool unit_payload_ok(const uint8_t *payload, const struct row_layout *layout, const uint32_t *crcs)
{
    uint32_t left = layout->payload_bytes;
    for (uint32_t i = 0; i < layout->crc_count; i++) {
        uint32_t n = left < FORMAT_CRC_BLOCK_BYTES ? left : FORMAT_CRC_BLOCK_BYTES;
        if (crcs[i] != crc32c(0, payload + (size_t)i * FORMAT_CRC_BLOCK_BYTES, n))
            return false;
        left -= n;
    }
    return true;
}

uint32_t unit_digest(const uint32_t *crcs, uint32_t crc_count)
{
    uint32_t crc = 0;
    for (uint32_t i = 0; i < crc_count; i++) {
        struct le32 v = le32_of(crcs[i]);
        crc = crc32c(crc, v.b, sizeof v.b);
    }
    return crc;
}

struct sha256 unit_table_hash(struct uuid life, uint64_t row, const struct sha256 *prev_table, const uint32_t *digests,
                              unsigned members)
{
    dol_assert(members >= 1 && members <= FORMAT_MEMBERS_MAX);
    struct le64 row_le = le64_of(row);
    struct le32 digests_le[FORMAT_MEMBERS_MAX];
    for (unsigned i = 0; i < members; i++)
        digests_le[i] = le32_of(digests[i]);
    const struct bytes parts[] = {
        {life.b, sizeof life.b},
        {row_le.b, sizeof row_le.b},
        {prev_table->b, sizeof prev_table->b},
        {digests_le, members * sizeof digests_le[0]},
    };
    return sha256_of_parts(parts, 4);
}

/* ---- header ---- */

/* Fields that make no sense without records, or only with some. */
static bool unit_records_ok(const struct unit_header *h)
{
    if ((h->flags & UNIT_FLAG_EMPTY) != 0)
        return h->record_count == 0 && h->data_bytes == 0 && lsn_compare(h->lsn_first, (struct lsn){0}) == 0 &&
               lsn_compare(h->lsn_last, (struct lsn){0}) == 0;
    return h->record_count > 0 && h->data_bytes % 8 == 0 && h->record_count <= h->data_bytes / UNIT_RECORD_BYTES_MIN &&
           h->lsn_first.run > 0 && lsn_compare(h->lsn_first, h->lsn_last) <= 0 && h->lsn_last.run <= h->run;
}

static bool unit_header_fields_ok(const struct unit_header *h, const struct row_layout *layout)
{
    if (uuid_is_zero(h->pool) || uuid_is_zero(h->life) || uuid_is_zero(h->drive))
        return false;
    if (h->slab == 0 || h->run == 0 || h->epoch == 0 || h->member >= (unsigned)h->k + h->m)
        return false;
    if ((h->flags & ~(UNIT_FLAG_EMPTY | UNIT_FLAG_REAPPEND | UNIT_FLAG_DIRECTORY)) != 0)
        return false;
    /* Between the extent header and the footer of the largest extent; the caller knows the real one. */
    if (h->row_block == 0 || h->row_block > EXTENT_BLOCKS_MAX - 1 - h->unit_blocks)
        return false;
    if (h->data_bytes > FORMAT_ROW_DATA_BYTES_MAX || h->data_bytes > (uint64_t)h->k * layout->payload_bytes)
        return false;
    if (h->row == 0 && !format_is_zero(h->prev_table.b, sizeof h->prev_table.b))
        return false;
    return (h->m == 0) == (h->ec_alg == 0) && unit_records_ok(h);
}

void unit_header_encode(const struct unit_header *h, const uint32_t *digests, const uint32_t *crcs, uint8_t *out)
{
    struct row_layout layout;
    dol_assert(row_layout_of_unit(h->unit_blocks, h->k, h->m, &layout));
    dol_assert(unit_header_fields_ok(h, &layout));
    dol_assert(digests[h->member] == unit_digest(crcs, layout.crc_count));
    dol_assert(h->crc_alg == FORMAT_CRC_CRC32C && (h->m == 0 || h->ec_alg == FORMAT_EC_RS_CAUCHY));
    struct unit_header_disk *d = (struct unit_header_disk *)(void *)out;
    memset(out, 0, layout.header_bytes);
    format_head_put(&d->head, unit_magic, &h->masks);
    memcpy(d->pool, h->pool.b, sizeof d->pool);
    d->slab = le64_of(h->slab);
    memcpy(d->life, h->life.b, sizeof d->life);
    d->row = le64_of(h->row);
    d->run = le64_of(h->run);
    d->epoch = le64_of(h->epoch);
    memcpy(d->drive, h->drive.b, sizeof d->drive);
    d->extent = le32_of(h->extent);
    d->row_block = le32_of(h->row_block);
    d->unit_blocks = le32_of(h->unit_blocks);
    d->header_bytes = le32_of(layout.header_bytes);
    d->payload_bytes = le32_of(layout.payload_bytes);
    d->crc_count = le32_of(layout.crc_count);
    d->lsn_first_run = le64_of(h->lsn_first.run);
    d->lsn_first_counter = le64_of(h->lsn_first.counter);
    d->lsn_last_run = le64_of(h->lsn_last.run);
    d->lsn_last_counter = le64_of(h->lsn_last.counter);
    memcpy(d->prev_table, h->prev_table.b, sizeof d->prev_table);
    d->data_bytes = le32_of(h->data_bytes);
    d->record_count = le32_of(h->record_count);
    d->k = h->k;
    d->m = h->m;
    d->member = h->member;
    d->flags = h->flags;
    d->ec_alg = h->ec_alg;
    d->crc_alg = h->crc_alg;
    d->hash_alg = FORMAT_HASH_SHA256;
    struct le32 *tables = (struct le32 *)(void *)(out + UNIT_HEADER_FIXED_BYTES);
    unsigned members = (unsigned)h->k + h->m;
    for (unsigned i = 0; i < members; i++)
        tables[i] = le32_of(digests[i]);
    for (uint32_t i = 0; i < layout.crc_count; i++)
        tables[members + i] = le32_of(crcs[i]);
    uint8_t seed[UNIT_SEED_BYTES];
    unit_seed(h->life.b, h->row, h->member, seed);
    format_head_seal(out, layout.header_bytes, bytes_of(seed, sizeof seed));
}

static void unit_fields_get(const struct unit_header_disk *d, struct unit_header *out)
{
    memcpy(out->pool.b, d->pool, sizeof d->pool);
    out->slab = le64_get(d->slab);
    memcpy(out->life.b, d->life, sizeof d->life);
    out->row = le64_get(d->row);
    out->run = le64_get(d->run);
    out->epoch = le64_get(d->epoch);
    memcpy(out->drive.b, d->drive, sizeof d->drive);
    out->extent = le32_get(d->extent);
    out->row_block = le32_get(d->row_block);
    out->unit_blocks = le32_get(d->unit_blocks);
    out->lsn_first = (struct lsn){le64_get(d->lsn_first_run), le64_get(d->lsn_first_counter)};
    out->lsn_last = (struct lsn){le64_get(d->lsn_last_run), le64_get(d->lsn_last_counter)};
    memcpy(out->prev_table.b, d->prev_table, sizeof d->prev_table);
    out->data_bytes = le32_get(d->data_bytes);
    out->record_count = le32_get(d->record_count);
    out->k = d->k;
    out->m = d->m;
    out->member = d->member;
    out->flags = d->flags;
    out->ec_alg = d->ec_alg;
    out->crc_alg = d->crc_alg;
}

/* The tables behind the fixed part, and the zeros behind them. The own digest must be that of the own CRCs. */
static bool unit_tables_get(const uint8_t *in, const struct unit_header *h, const struct row_layout *layout,
                            uint32_t *digests, uint32_t *crcs)
{
    const struct le32 *tables = (const struct le32 *)(const void *)(in + UNIT_HEADER_FIXED_BYTES);
    unsigned members = (unsigned)h->k + h->m;
    uint32_t own_digest = crc32c(0, tables + members, layout->crc_count * sizeof tables[0]);
    size_t used = UNIT_HEADER_FIXED_BYTES + (members + layout->crc_count) * sizeof tables[0];
    if (own_digest != le32_get(tables[h->member]) || !format_is_zero(in + used, layout->header_bytes - used))
        return false;
    for (unsigned i = 0; digests != NULL && i < members; i++)
        digests[i] = le32_get(tables[i]);
    for (uint32_t i = 0; crcs != NULL && i < layout->crc_count; i++)
        crcs[i] = le32_get(tables[members + i]);
    return true;
}

enum dol_err unit_header_decode(const uint8_t *in, size_t len, struct uuid life, struct unit_header *out,
                                uint32_t *digests, uint32_t *crcs, size_t *needed)
{
    if (len < FORMAT_BLOCK_BYTES) {
        if (needed != NULL)
            *needed = FORMAT_BLOCK_BYTES;
        return DOL_ERANGE;
    }
    const struct unit_header_disk *d = (const struct unit_header_disk *)(const void *)in;
    if (!format_head_has_magic(&d->head, unit_magic))
        return DOL_ENOTFOUND;
    /* Untrusted until the checksum over that many bytes holds. */
    uint32_t header_bytes = le32_get(d->header_bytes);
    if (header_bytes < UNIT_HEADER_FIXED_BYTES || header_bytes > FORMAT_BLOCK_BYTES)
        return DOL_ENOTFOUND;
    uint8_t seed[UNIT_SEED_BYTES];
    unit_seed(life.b, le64_get(d->row), d->member, seed);
    if (!format_head_checksum_ok(in, header_bytes, bytes_of(seed, sizeof seed)))
        return DOL_ENOTFOUND;
    memset(out, 0, sizeof *out);
    enum dol_err err = format_head_decode(&d->head, &out->masks);
    if (err != DOL_OK)
        return err;
    unit_fields_get(d, out);
    struct row_layout layout;
    if (!row_layout_of_unit(out->unit_blocks, out->k, out->m, &layout) || header_bytes != layout.header_bytes ||
        le32_get(d->payload_bytes) != layout.payload_bytes || le32_get(d->crc_count) != layout.crc_count)
        return DOL_ECORRUPT;
    if (!unit_header_fields_ok(out, &layout) || !uuid_equal(out->life, life) ||
        !format_reserved_ok(&out->masks, d->reserved, sizeof d->reserved))
        return DOL_ECORRUPT;
    if (d->hash_alg != FORMAT_HASH_SHA256 || out->crc_alg != FORMAT_CRC_CRC32C ||
        (out->m > 0 && out->ec_alg != FORMAT_EC_RS_CAUCHY))
        return DOL_EFORMAT;
    return unit_tables_get(in, out, &layout, digests, crcs) ? DOL_OK : DOL_ECORRUPT;
}
