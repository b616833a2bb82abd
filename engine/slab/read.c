/* Reading whole rows: see read.h. */
#include "dol_assert.h"
#include "read_impl.h"

#define BLOCK FORMAT_BLOCK_BYTES

void members_read(struct pool *pool, struct slab *slab, struct drive *const *drives, uint32_t block,
                  uint8_t *const *out, size_t len, enum dol_err *errs)
{
    struct drive_op ops[FORMAT_MEMBERS_MAX];
    struct join join;
    unsigned members = (unsigned)(slab->k + slab->m);
    join_init(&join);
    for (unsigned i = 0; i < members; i++) {
        ops[i].err = DOL_EIO;
        if (drives[i] != NULL)
            drive_read_start(drives[i], &ops[i], &join, pool_extent_offset(pool, slab->members[i].extent, block),
                             out[i], len);
    }
    join_wait(&join);
    for (unsigned i = 0; i < members; i++)
        errs[i] = ops[i].err;
}

static void member_drives(const struct pool *pool, const struct slab *slab, struct drive **out)
{
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m); i++)
        out[i] = member_drive(pool, slab, i);
}

static bool header_is_of(const struct unit_header *h, const struct pool *pool, const struct slab *slab, unsigned member,
                         uint32_t row_block)
{
    const struct slab_member *m = &slab->members[member];
    return uuid_equal(h->pool, pool->sb.pool) && h->slab == slab->id && h->k == slab->k && h->m == slab->m &&
           h->member == member && h->row_block == row_block && uuid_equal(h->drive, pool->drives[m->drive].uuid) &&
           h->extent == m->extent;
}

struct judged_header {
    bool good;
    bool newer; /* of a format this program doesn't know */
    struct unit_header header;
    uint32_t digests[FORMAT_MEMBERS_MAX];
    struct sha256 table;
};

/* The table that most headers give; index of one that has it, or -1. */
static int elect_table(const struct judged_header *h, unsigned members)
{
    int best = -1;
    unsigned best_votes = 0;
    for (unsigned i = 0; i < members; i++) {
        unsigned votes = 0;
        if (!h[i].good)
            continue;
        for (unsigned j = 0; j < members; j++)
            votes += h[j].good && sha256_equal(&h[j].table, &h[i].table);
        if (votes > best_votes) {
            best_votes = votes;
            best = (int)i;
        }
    }
    return best;
}

static void judge_header(const struct pool *pool, const struct slab *slab, unsigned member, uint32_t row_block,
                         const uint8_t *block, struct judged_header *out, uint32_t *crcs)
{
    size_t needed;
    enum dol_err err = unit_header_decode(block, BLOCK, slab->life, &out->header, out->digests, crcs, &needed);
    out->newer = err == DOL_EFORMAT;
    out->good = err == DOL_OK && header_is_of(&out->header, pool, slab, member, row_block);
    if (out->good)
        out->table = unit_table_hash(slab->life, out->header.row, &out->header.prev_table, out->digests,
                                     (unsigned)(slab->k + slab->m));
}

bool unit_is_of_later_row(const struct pool *pool, const struct slab *slab, unsigned member, uint32_t block,
                          const uint8_t *bytes, uint64_t row)
{
    struct unit_header h;
    size_t needed;
    return unit_header_decode(bytes, BLOCK, slab->life, &h, NULL, NULL, &needed) == DOL_OK &&
           header_is_of(&h, pool, slab, member, block) && h.row > row;
}

enum dol_err row_probe_judge(const struct pool *pool, const struct slab *slab, uint32_t row_block,
                             const uint8_t *const *blocks, const enum dol_err *errs, struct row_probe *out)
{
    unsigned members = (unsigned)(slab->k + slab->m);
    enum dol_err err = DOL_ENOTFOUND;

    dol_assert(members > 0);
    struct judged_header *judged = calloc(members, sizeof *judged);
    memset(out, 0, sizeof *out);
    if (judged == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < members; i++) {
        if (errs[i] == DOL_OK)
            judge_header(pool, slab, i, row_block, blocks[i], &judged[i], NULL);
        else
            out->unreadable++;
    }
    int best = elect_table(judged, members);
    for (unsigned i = 0; i < members; i++)
        if (judged[i].newer)
            err = DOL_EFORMAT;
    if (best >= 0) {
        out->header = judged[best].header;
        out->table = judged[best].table;
        for (unsigned i = 0; i < members; i++)
            out->good += judged[i].good && sha256_equal(&judged[i].table, &out->table);
        err = DOL_OK;
    }
    free(judged);
    return err;
}

static bool was_stopped(const enum dol_err *errs, unsigned members)
{
    for (unsigned i = 0; i < members; i++)
        if (errs[i] == DOL_ESTOPPED)
            return true;
    return false;
}

enum dol_err row_probe(struct pool *pool, struct slab *slab, uint32_t row_block, struct row_probe *out)
{
    unsigned members = (unsigned)(slab->k + slab->m);
    uint8_t *buffer = blocks_alloc((size_t)members * BLOCK);
    uint8_t *blocks[FORMAT_MEMBERS_MAX] = {0};
    struct drive *drives[FORMAT_MEMBERS_MAX] = {0};
    enum dol_err errs[FORMAT_MEMBERS_MAX];

    memset(out, 0, sizeof *out);
    if (buffer == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < members; i++)
        blocks[i] = buffer + (size_t)i * BLOCK;
    member_drives(pool, slab, drives);
    members_read(pool, slab, drives, row_block, blocks, BLOCK, errs);
    enum dol_err err = was_stopped(errs, members)
                           ? DOL_ESTOPPED
                           : row_probe_judge(pool, slab, row_block, (const uint8_t *const *)blocks, errs, out);
    free(buffer);
    return err;
}

void row_image_free(struct row_image *row)
{
    free(row->buffer);
    row->buffer = NULL;
}

static void judge_units(const struct pool *pool, const struct slab *slab, uint32_t row_block, uint8_t *const *units,
                        const enum dol_err *errs, struct judged_header *judged, struct row_image *row)
{
    unsigned members = (unsigned)(slab->k + slab->m);
    uint32_t crcs[UNIT_CRCS_MAX];
    for (unsigned i = 0; i < members; i++) {
        judged[i].good = false;
        if (errs[i] != DOL_OK) {
            row->unreadable++;
            continue;
        }
        row->read_unit[i] = true;
        judge_header(pool, slab, i, row_block, units[i], &judged[i], crcs);
        judged[i].good = judged[i].good && judged[i].header.unit_blocks == row->layout.unit_blocks;
        row->good_header[i] = judged[i].good;
        judged[i].good = judged[i].good && unit_payload_ok(row->payloads[i], &row->layout, crcs) &&
                         unit_digest(crcs, row->layout.crc_count) == judged[i].digests[i];
    }
    int best = elect_table(judged, members);
    if (best < 0)
        return;
    row->header = judged[best].header;
    row->table = judged[best].table;
    for (unsigned i = 0; i < members; i++) {
        row->good_unit[i] = judged[i].good && sha256_equal(&judged[i].table, &row->table);
        row->good += row->good_unit[i];
    }
}

static void rebuild_data(const struct slab *slab, struct row_image *row)
{
    unsigned bad[FORMAT_MEMBERS_MAX], bad_count = 0;
    for (unsigned i = 0; i < slab->k; i++)
        if (!row->good_unit[i])
            bad[bad_count++] = i;
    row->complete_data =
        bad_count == 0 || (row->good >= slab->k && ec_reconstruct(slab->ec, row->payloads, row->good_unit, bad,
                                                                  bad_count, row->layout.payload_bytes) == DOL_OK);
}

enum dol_err row_judge(const struct pool *pool, const struct slab *slab, uint32_t row_block, uint32_t unit_blocks,
                       uint8_t *const *units, const enum dol_err *errs, struct row_image *row)
{
    unsigned members = (unsigned)(slab->k + slab->m);
    dol_assert(members > 0);
    memset(row, 0, sizeof *row);
    if (!row_layout_of_unit(unit_blocks, slab->k, slab->m, &row->layout))
        return DOL_ECORRUPT;
    struct judged_header *judged = calloc(members, sizeof *judged);
    if (judged == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < members; i++)
        row->payloads[i] = units[i] + row->layout.header_bytes;
    judge_units(pool, slab, row_block, units, errs, judged, row);
    rebuild_data(slab, row);
    free(judged);
    return DOL_OK;
}

enum dol_err row_load(struct pool *pool, struct slab *slab, uint32_t row_block, uint32_t unit_blocks,
                      struct row_image *row)
{
    unsigned members = (unsigned)(slab->k + slab->m);
    uint8_t *units[FORMAT_MEMBERS_MAX] = {0};
    struct drive *drives[FORMAT_MEMBERS_MAX] = {0};
    enum dol_err errs[FORMAT_MEMBERS_MAX];
    struct row_layout layout;

    memset(row, 0, sizeof *row);
    if (!row_layout_of_unit(unit_blocks, slab->k, slab->m, &layout) ||
        (uint64_t)row_block + unit_blocks > pool_extent_blocks(pool))
        return DOL_ECORRUPT;
    size_t unit_bytes = (size_t)unit_blocks * BLOCK;
    uint8_t *buffer = blocks_alloc(members * unit_bytes);
    if (buffer == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < members; i++)
        units[i] = buffer + i * unit_bytes;
    member_drives(pool, slab, drives);
    members_read(pool, slab, drives, row_block, units, unit_bytes, errs);
    enum dol_err err =
        was_stopped(errs, members) ? DOL_ESTOPPED : row_judge(pool, slab, row_block, unit_blocks, units, errs, row);
    row->buffer = buffer;
    if (err != DOL_OK)
        row_image_free(row);
    return err;
}

void row_image_copy(const struct row_image *row, uint32_t offset, void *out, size_t len)
{
    uint8_t *to = out;
    while (len > 0) {
        uint32_t unit = offset / row->layout.payload_bytes;
        uint32_t at = offset % row->layout.payload_bytes;
        size_t n = row->layout.payload_bytes - at;
        if (n > len)
            n = len;
        memcpy(to, row->payloads[unit] + at, n);
        to += n;
        offset += (uint32_t)n;
        len -= n;
    }
}
