/* Media decoded without the engine: see raw_pool.h. */
#include "raw_pool.h"

#include <stdlib.h>

#include "ec.h"
#include "record.h"

#define BLOCK FORMAT_BLOCK_BYTES

static void read_superblock(struct raw_pool *p)
{
    uint8_t *buf = malloc(SUPERBLOCK_BYTES);
    struct superblock *sb = malloc(sizeof *sb);
    assert_true(buf != NULL && sb != NULL);
    for (unsigned d = 0; d < p->f->drives; d++) {
        for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
            sim_medium_peek(p->f->media[d], (uint64_t)i * SUPERBLOCK_STRIDE_BYTES, buf, SUPERBLOCK_BYTES);
            if (superblock_decode(buf, sb) == DOL_OK && sb->sequence > p->sb.sequence)
                p->sb = *sb;
        }
    }
    assert_true(p->sb.sequence > 0);
    free(buf);
    free(sb);
}

uint64_t raw_offset(const struct raw_pool *p, const struct raw_slab *s, unsigned member, uint32_t block)
{
    return FORMAT_EXTENTS_OFFSET + s->header.members[member].extent * p->sb.extent_bytes + (uint64_t)block * BLOCK;
}

static unsigned drive_of(const struct raw_pool *p, struct uuid uuid)
{
    for (unsigned i = 0; i < p->sb.drive_count; i++)
        if (uuid_equal(p->sb.drives[i].uuid, uuid))
            return i;
    fail_msg("an extent header names a drive that the superblock doesn't");
    return 0;
}

static void take_header(struct raw_pool *p, const struct extent_header *h)
{
    struct raw_slab *s = raw_slab_find(p, h->slab);
    if (s == NULL) {
        unsigned at = p->slab_count++;
        assert_true(at < RAW_SLABS_MAX);
        while (at > 0 && p->slabs[at - 1].header.slab > h->slab) {
            p->slabs[at] = p->slabs[at - 1];
            at--;
        }
        s = &p->slabs[at];
        memset(s, 0, sizeof *s);
        s->header = *h;
        for (unsigned i = 0; i < (unsigned)(h->k + h->m); i++)
            s->drives[i] = drive_of(p, h->members[i].drive);
    }
    assert_true(uuid_equal(s->header.life, h->life));
    s->headers++;
}

static void scan_headers(struct raw_pool *p)
{
    struct extent_header *h = malloc(sizeof *h);
    uint8_t block[EXTENT_HEADER_BYTES];
    assert_non_null(h);
    for (unsigned d = 0; d < p->f->drives; d++) {
        for (uint32_t e = 0; e < p->sb.drives[d].extents; e++) {
            sim_medium_peek(p->f->media[d], FORMAT_EXTENTS_OFFSET + e * p->sb.extent_bytes, block, sizeof block);
            if (extent_header_decode(block, h) == DOL_OK)
                take_header(p, h);
        }
    }
    free(h);
}

uint8_t *raw_unit(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row, unsigned member)
{
    size_t len = (size_t)row->layout.unit_blocks * BLOCK;
    uint8_t *unit = malloc(len);
    assert_non_null(unit);
    sim_medium_peek(p->f->media[s->drives[member]], raw_offset(p, s, member, row->header.row_block), unit, len);
    return unit;
}

static bool unit_is_good(const struct raw_pool *p, const struct raw_slab *s, struct raw_row *row, unsigned member,
                         uint32_t block, const struct sha256 *prev)
{
    uint8_t first[BLOCK];
    struct unit_header h;
    uint32_t digests[FORMAT_MEMBERS_MAX], crcs[UNIT_CRCS_MAX];
    unsigned members = (unsigned)(s->header.k + s->header.m);
    sim_medium_peek(p->f->media[s->drives[member]], raw_offset(p, s, member, block), first, BLOCK);
    if (unit_header_decode(first, BLOCK, s->header.life, &h, digests, crcs, NULL) != DOL_OK)
        return false;
    if (h.row != s->row_count || h.row_block != block || h.member != member || !sha256_equal(&h.prev_table, prev))
        return false;
    struct sha256 table = unit_table_hash(s->header.life, h.row, prev, digests, members);
    if (row->good_count > 0 && !sha256_equal(&table, &row->table))
        return false;
    struct row_layout layout;
    assert_true(row_layout_of_unit(h.unit_blocks, s->header.k, s->header.m, &layout));
    struct raw_row probe = {.header = h, .layout = layout};
    uint8_t *unit = raw_unit(p, s, &probe, member);
    bool good = unit_payload_ok(unit + layout.header_bytes, &layout, crcs) &&
                unit_digest(crcs, layout.crc_count) == digests[member];
    free(unit);
    if (good) {
        row->header = h;
        row->layout = layout;
        row->table = table;
    }
    return good;
}

static void read_rows(struct raw_pool *p, struct raw_slab *s)
{
    uint32_t block = EXTENT_HEADER_BYTES / BLOCK, end = (uint32_t)(p->sb.extent_bytes / BLOCK) - 1;
    struct sha256 prev = {{0}};
    while (block < end) {
        struct raw_row row = {.good_count = 0};
        for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++) {
            row.good[i] = unit_is_good(p, s, &row, i, block, &prev);
            row.good_count += row.good[i];
        }
        if (row.good_count == 0)
            break;
        assert_true(s->row_count < RAW_ROWS_MAX);
        s->rows[s->row_count++] = row;
        block += row.layout.unit_blocks;
        prev = row.table;
    }
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++) {
        uint8_t footer[EXTENT_FOOTER_BYTES];
        sim_medium_peek(p->f->media[s->drives[i]], raw_offset(p, s, i, end), footer, sizeof footer);
        s->footers += extent_footer_decode(footer, s->header.life, &s->footer) == DOL_OK;
    }
}

struct raw_pool *raw_pool_read(const struct fixture *f)
{
    struct raw_pool *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->f = f;
    read_superblock(p);
    scan_headers(p);
    for (unsigned i = 0; i < p->slab_count; i++)
        read_rows(p, &p->slabs[i]);
    return p;
}

struct raw_slab *raw_slab_find(struct raw_pool *p, uint64_t id)
{
    for (unsigned i = 0; i < p->slab_count; i++)
        if (p->slabs[i].header.slab == id)
            return &p->slabs[i];
    return NULL;
}

struct raw_slab *raw_slab_last(struct raw_pool *p)
{
    for (unsigned i = p->slab_count; i > 0; i--)
        if (p->slabs[i - 1].row_count > 0)
            return &p->slabs[i - 1];
    fail_msg("no slab has a row");
    return NULL;
}

uint8_t *raw_row_data(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row)
{
    uint8_t *data = malloc((size_t)row->layout.payload_bytes * s->header.k);
    assert_non_null(data);
    for (unsigned i = 0; i < s->header.k; i++) {
        assert_true(row->good[i]);
        uint8_t *unit = raw_unit(p, s, row, i);
        memcpy(data + (size_t)i * row->layout.payload_bytes, unit + row->layout.header_bytes,
               row->layout.payload_bytes);
        free(unit);
    }
    return data;
}

void raw_row_check(const struct raw_pool *p, const struct raw_slab *s, unsigned index)
{
    const struct raw_row *row = &s->rows[index];
    unsigned k = s->header.k, m = s->header.m;
    size_t len = row->layout.payload_bytes;
    assert_int_equal(row->good_count, k + m);
    assert_int_equal(row->header.row, index);
    uint8_t *data = raw_row_data(p, s, row);
    for (size_t i = row->header.data_bytes; i < len * k; i++)
        assert_int_equal(data[i], 0);
    const uint8_t *inputs[FORMAT_DATA_UNITS_MAX];
    uint8_t *parity[FORMAT_PARITY_UNITS_MAX];
    struct ec *ec;
    for (unsigned i = 0; i < k; i++)
        inputs[i] = data + i * len;
    for (unsigned i = 0; i < m; i++) {
        parity[i] = malloc(len);
        assert_non_null(parity[i]);
    }
    assert_int_equal(ec_new(k, m, &ec), DOL_OK);
    ec_encode(ec, inputs, parity, len);
    for (unsigned i = 0; i < m; i++) {
        uint8_t *unit = raw_unit(p, s, row, k + i);
        assert_memory_equal(unit + row->layout.header_bytes, parity[i], len);
        free(unit);
        free(parity[i]);
    }
    ec_free(ec);
    free(data);
}

bool raw_record_next(const uint8_t *data, const struct raw_row *row, uint32_t *offset, struct raw_record *out)
{
    if (*offset >= row->header.data_bytes)
        return false;
    const uint8_t *at = data + *offset;
    assert_int_equal(record_header_decode(at, &out->header), DOL_OK);
    assert_int_equal(out->header.seal, FORMAT_SEAL_NONE);
    out->offset = *offset;
    out->body = bytes_of(at + RECORD_HEADER_BYTES, out->header.body_bytes);
    assert_true(record_trailer_ok(at, out->body.data, out->header.body_bytes,
                                  at + RECORD_HEADER_BYTES + out->header.body_bytes));
    *offset += record_stored_bytes(out->header.body_bytes);
    return true;
}

void raw_unit_erase(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row, unsigned member)
{
    sim_medium_erase(p->f->media[s->drives[member]], raw_offset(p, s, member, row->header.row_block),
                     (uint64_t)row->layout.unit_blocks * BLOCK);
}

void raw_unit_fail(const struct raw_pool *p, const struct raw_slab *s, const struct raw_row *row, unsigned member)
{
    sim_medium_fail_range(p->f->media[s->drives[member]], raw_offset(p, s, member, row->header.row_block),
                          (uint64_t)row->layout.unit_blocks * BLOCK);
}
