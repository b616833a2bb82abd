/* Scrubbing one slab: see scrub.h. */
#include "scrub.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "log.h"
#include "read_impl.h"
#include "recovery.h"

#define BLOCK FORMAT_BLOCK_BYTES

_Static_assert(SCRUB_ROW_FINDINGS_MAX >= FORMAT_MEMBERS_MAX + FORMAT_PARITY_UNITS_MAX + 2,
               "each unit, each parity unit, the chain, rows that are lost");

void slab_scrub_init(struct slab_scrub *w, struct pool *pool, uint64_t id, struct uuid life, uint64_t rows,
                     uint32_t end_block)
{
    memset(w, 0, sizeof *w);
    w->pool = pool;
    w->id = id;
    w->life = life;
    w->rows = rows;
    w->block = FIRST_ROW_BLOCK;
    w->end_block = end_block;
    w->chained = true;
    w->healing = SCRUB_NO_DRIVE;
}

void slab_scrub_fini(struct slab_scrub *w)
{
    dol_assert(w->slab == NULL);
    free(w->buffer);
    free(w->parity);
    w->buffer = w->parity = NULL;
}

/* ---- reading ---- */

static bool is_healing(const struct slab_scrub *w, unsigned member)
{
    return w->slab->members[member].drive == w->healing;
}

static struct drive *scrub_drive(const struct slab_scrub *w, unsigned member)
{
    return is_healing(w, member) ? atomic_load(&w->pool->drives[w->healing].drive)
                                 : member_drive(w->pool, w->slab, member);
}

static uint8_t *window_at(const struct slab_scrub *w, unsigned member, uint32_t block)
{
    return w->buffer + ((size_t)member * w->capacity_blocks + (block - w->window_block)) * BLOCK;
}

static enum dol_err window_grow(struct slab_scrub *w, uint32_t blocks)
{
    if (blocks <= w->capacity_blocks)
        return DOL_OK;
    free(w->buffer);
    w->intact = false;
    w->capacity_blocks = 0;
    w->buffer = blocks_alloc((size_t)(w->members + 1) * blocks * BLOCK);
    if (w->buffer == NULL)
        return DOL_ENOMEM;
    w->capacity_blocks = blocks;
    return DOL_OK;
}

/* Moves what the last window had of rows that weren't whole in it to the beginning; how many blocks. */
static uint32_t window_keep_rest(struct slab_scrub *w)
{
    uint32_t end = w->window_block + w->window_blocks;
    uint32_t rest = w->intact && w->block < end ? end - w->block : 0;
    for (unsigned i = 0; i < w->members && rest > 0; i++)
        memmove(window_at(w, i, w->window_block), window_at(w, i, w->block), (size_t)rest * BLOCK);
    return rest;
}

/* `blocks` from w->block on, the first `kept` of which are there. false: a drive that is there failed to read. */
static bool window_read(struct slab_scrub *w, uint32_t blocks, uint32_t kept)
{
    uint8_t *windows[FORMAT_MEMBERS_MAX];
    struct drive *drives[FORMAT_MEMBERS_MAX] = {0};
    w->window_block = w->block;
    w->window_blocks = blocks;
    w->intact = true;
    if (kept == blocks)
        return true;
    for (unsigned i = 0; i < w->members; i++)
        windows[i] = window_at(w, i, w->block + kept);
    for (unsigned i = 0; i < w->members; i++)
        drives[i] = scrub_drive(w, i);
    members_read(w->pool, w->slab, drives, w->block + kept, windows, (size_t)(blocks - kept) * BLOCK, w->errs);
    for (unsigned i = 0; i < w->members; i++) {
        bool there = scrub_drive(w, i) != NULL;
        w->intact = w->intact && (!there || w->errs[i] == DOL_OK);
        w->counts.bytes += there ? (uint64_t)(blocks - kept) * BLOCK : 0;
    }
    return w->intact;
}

static unsigned members_missing(const struct slab_scrub *w)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < w->members; i++)
        missing += scrub_drive(w, i) == NULL;
    return missing;
}

/* Whose sectors fail is found row by row: a window is as bad as the worst of them. */
static enum dol_err read_row_alone(struct slab_scrub *w)
{
    struct row_probe probe;
    uint32_t blocks = w->wanted_blocks > 0 ? w->wanted_blocks : 1;
    enum dol_err err = row_probe(w->pool, w->slab, w->block, &probe);
    if (err == DOL_ESTOPPED || err == DOL_ENOMEM)
        return err;
    if (err == DOL_OK && probe.header.unit_blocks > blocks && probe.header.unit_blocks <= w->end_block - w->block)
        blocks = probe.header.unit_blocks;
    err = window_grow(w, blocks);
    if (err == DOL_OK)
        (void)window_read(w, blocks, 0);
    return err;
}

static enum dol_err read_window(struct slab_scrub *w)
{
    uint32_t blocks = w->wanted_blocks > SCRUB_WINDOW_BYTES / BLOCK ? w->wanted_blocks : SCRUB_WINDOW_BYTES / BLOCK;
    if (blocks > w->end_block - w->block)
        blocks = w->end_block - w->block;
    enum dol_err err = window_grow(w, blocks);
    uint32_t kept = err == DOL_OK ? window_keep_rest(w) : 0;
    if (err == DOL_OK && !window_read(w, kept > blocks ? kept : blocks, kept))
        err = read_row_alone(w);
    for (unsigned i = 0; i < w->members; i++)
        if (err == DOL_OK && w->errs[i] == DOL_ESTOPPED)
            err = DOL_ESTOPPED;
    w->wanted_blocks = 0;
    return err;
}

enum dol_err slab_scrub_read(struct slab_scrub *w)
{
    memset(&w->counts, 0, sizeof w->counts);
    w->finding_count = 0;
    if (w->row >= w->rows || w->block >= w->end_block)
        return DOL_ENOTFOUND;
    w->slab = pool_slab_pin(w->pool, w->id);
    if (w->slab == NULL || !uuid_equal(w->slab->life, w->life)) {
        slab_scrub_release(w);
        return DOL_ENOTFOUND;
    }
    w->members = (unsigned)(w->slab->k + w->slab->m);
    if (members_missing(w) > w->slab->m) {
        w->window_blocks = 0;
        return DOL_OK;
    }
    enum dol_err err = read_window(w);
    if (err != DOL_OK)
        slab_scrub_release(w);
    return err;
}

void slab_scrub_release(struct slab_scrub *w)
{
    if (w->slab != NULL)
        pool_slab_unpin(w->pool, w->slab);
    w->slab = NULL;
}

/* ---- judging ---- */

struct scrub_finding *slab_scrub_note(struct slab_scrub *w, uint8_t kind, uint8_t member)
{
    w->counts.found[kind]++;
    if (w->finding_count == SCRUB_WINDOW_FINDINGS_MAX)
        return NULL;
    struct scrub_finding *f = &w->findings[w->finding_count++];
    *f = (struct scrub_finding){.kind = kind, .member = member, .row = w->row, .block = w->block};
    return f;
}

/* Rows from w->row up to `to` can't be had. */
static void note_lost(struct slab_scrub *w, uint64_t to)
{
    if (to == w->row)
        return;
    (void)slab_scrub_note(w, SCRUB_ROW_LOST, SCRUB_NO_MEMBER);
    w->counts.found[SCRUB_ROW_LOST] += to - w->row - 1;
}

static bool has_missing(const struct slab_scrub *w, unsigned member)
{
    return scrub_drive(w, member) == NULL;
}

static enum dol_err compute_parity(struct slab_scrub *w, const struct row_image *row)
{
    const uint8_t *data[FORMAT_MEMBERS_MAX];
    uint8_t *parity[FORMAT_MEMBERS_MAX];
    size_t len = row->layout.payload_bytes;
    if (w->parity_bytes < len * w->slab->m) {
        free(w->parity);
        w->parity_bytes = len * w->slab->m;
        w->parity = malloc(w->parity_bytes);
        if (w->parity == NULL) {
            w->parity_bytes = 0;
            return DOL_ENOMEM;
        }
    }
    for (unsigned i = 0; i < w->slab->k; i++)
        data[i] = row->payloads[i];
    for (unsigned i = 0; i < w->slab->m; i++)
        parity[i] = w->parity + i * len;
    if (w->slab->m > 0)
        ec_encode(w->slab->ec, data, parity, len);
    return DOL_OK;
}

/* The bad units' bytes into the window; false: with them the row isn't the one whose table the headers give. */
static bool rebuild_units(struct slab_scrub *w, struct row_image *row)
{
    uint32_t crcs[UNIT_CRCS_MAX], digests[FORMAT_MEMBERS_MAX];
    struct unit_header h = row->header;
    size_t len = row->layout.payload_bytes;
    for (unsigned i = w->slab->k; i < w->members; i++)
        if (!row->good_unit[i])
            memcpy(row->payloads[i], w->parity + (i - w->slab->k) * len, len);
    for (unsigned i = 0; i < w->members; i++) {
        unit_payload_crcs(row->payloads[i], &row->layout, crcs);
        digests[i] = unit_digest(crcs, row->layout.crc_count);
    }
    struct sha256 table = unit_table_hash(w->life, h.row, &h.prev_table, digests, w->members);
    if (!sha256_equal(&table, &row->table))
        return false;
    for (unsigned i = 0; i < w->members; i++) {
        if (row->good_unit[i])
            continue;
        unit_payload_crcs(row->payloads[i], &row->layout, crcs);
        h.member = (uint8_t)i;
        h.drive = w->pool->drives[w->slab->members[i].drive].uuid;
        h.extent = w->slab->members[i].extent;
        unit_header_encode(&h, digests, crcs, row->payloads[i] - row->layout.header_bytes);
    }
    return true;
}

static uint8_t kind_of(const struct row_image *row, unsigned member)
{
    if (!row->read_unit[member])
        return SCRUB_UNIT_UNREADABLE;
    return row->good_header[member] ? SCRUB_UNIT_PAYLOAD : SCRUB_UNIT_HEADER;
}

/* Units of a row whose data is complete. */
static enum dol_err judge_units(struct slab_scrub *w, struct row_image *row)
{
    unsigned bad = 0;
    enum dol_err err = compute_parity(w, row);
    if (err != DOL_OK)
        return err;
    for (unsigned i = 0; i < w->members; i++) {
        size_t len = row->layout.payload_bytes;
        w->counts.units += !has_missing(w, i);
        w->counts.units_unverified += has_missing(w, i);
        bad += !row->good_unit[i];
        if (i >= w->slab->k && row->good_unit[i] &&
            memcmp(row->payloads[i], w->parity + (i - w->slab->k) * len, len) != 0)
            (void)slab_scrub_note(w, SCRUB_ROW_PARITY, (uint8_t)i);
    }
    bool proven = bad > 0 && rebuild_units(w, row);
    for (unsigned i = 0; i < w->members && bad > 0; i++) {
        if (row->good_unit[i] || has_missing(w, i))
            continue;
        if (row->read_unit[i] && !is_healing(w, i))
            drive_count_bad_unit(scrub_drive(w, i));
        struct scrub_finding *f = slab_scrub_note(w, kind_of(row, i), (uint8_t)i);
        if (f != NULL) {
            f->unit_blocks = row->layout.unit_blocks;
            f->proven = proven;
        }
    }
    return DOL_OK;
}

static enum dol_err judge_row(struct slab_scrub *w, uint32_t unit_blocks, scrub_row_fn *fn, void *arg)
{
    struct row_image row;
    uint8_t *units[FORMAT_MEMBERS_MAX];
    for (unsigned i = 0; i < w->members; i++)
        units[i] = window_at(w, i, w->block);
    enum dol_err err = row_judge(w->pool, w->slab, w->block, unit_blocks, units, w->errs, &row);
    if (err == DOL_ENOMEM)
        return err;
    if (err != DOL_OK || !row.complete_data) {
        if (err == DOL_OK && row.good + members_missing(w) >= w->slab->k)
            w->counts.rows_unverified++; /* once the drives are back it may be had */
        else
            note_lost(w, w->row + 1);
        w->chained = false;
        return DOL_OK;
    }
    w->counts.rows++;
    if (w->chained && !sha256_equal(&row.header.prev_table, &w->table))
        (void)slab_scrub_note(w, SCRUB_ROW_CHAIN, SCRUB_NO_MEMBER);
    w->table = row.table;
    w->chained = true;
    err = judge_units(w, &row);
    return err == DOL_OK && row.header.record_count > 0 ? fn(arg, w, &row) : err;
}

/* The row that begins at w->block; false: none that is still to come. */
static bool find_row(struct slab_scrub *w, struct row_probe *probe, enum dol_err *err)
{
    const uint8_t *blocks[FORMAT_MEMBERS_MAX];
    for (unsigned i = 0; i < w->members; i++)
        blocks[i] = window_at(w, i, w->block);
    *err = row_probe_judge(w->pool, w->slab, w->block, blocks, w->errs, probe);
    return *err == DOL_OK && probe->header.row >= w->row && probe->header.row < w->rows &&
           probe->header.unit_blocks <= w->end_block - w->block;
}

static void leave_rest(struct slab_scrub *w)
{
    w->counts.rows_unverified += w->rows - w->row;
    w->row = w->rows;
}

static bool is_in_window(const struct slab_scrub *w)
{
    return w->row < w->rows && w->block < w->window_block + w->window_blocks;
}

/* A window without room for another row's findings is left; the next one begins with that row. */
static bool has_room(const struct slab_scrub *w)
{
    return w->finding_count + SCRUB_ROW_FINDINGS_MAX <= SCRUB_WINDOW_FINDINGS_MAX;
}

enum dol_err slab_scrub_judge(struct slab_scrub *w, scrub_row_fn *fn, void *arg)
{
    enum dol_err err = DOL_OK;
    if (w->window_blocks == 0)
        leave_rest(w);
    while (err == DOL_OK && is_in_window(w) && has_room(w)) {
        struct row_probe probe;
        bool found = find_row(w, &probe, &err);
        if (err == DOL_ENOMEM)
            return err;
        if (err == DOL_EFORMAT)
            leave_rest(w);
        err = DOL_OK;
        if (!found) {
            w->seeking = true;
            w->block++;
            continue;
        }
        uint32_t left = w->window_block + w->window_blocks - w->block;
        if (probe.header.unit_blocks > left) {
            w->wanted_blocks = probe.header.unit_blocks;
            return DOL_OK;
        }
        note_lost(w, probe.header.row);
        w->chained = w->chained && !w->seeking;
        w->seeking = false;
        w->row = probe.header.row;
        err = judge_row(w, probe.header.unit_blocks, fn, arg);
        w->row++;
        w->block += probe.header.unit_blocks;
    }
    if (w->seeking && w->block >= w->end_block) {
        note_lost(w, w->rows);
        w->row = w->rows;
    }
    return err;
}

/* ---- repairing ---- */

/* Written, and what is read back is the same. */
static enum dol_err rewrite_unit(struct slab_scrub *w, struct scrub_finding *f)
{
    struct drive *d = scrub_drive(w, f->member);
    uint64_t offset = pool_extent_offset(w->pool, w->slab->members[f->member].extent, f->block);
    size_t len = (size_t)f->unit_blocks * BLOCK;
    const uint8_t *unit = window_at(w, f->member, f->block);
    uint8_t *scratch = w->buffer + (size_t)w->members * w->capacity_blocks * BLOCK;
    enum dol_err err = drive_write(d, offset, unit, len);
    if (err == DOL_OK)
        err = drive_read(d, offset, scratch, len);
    if (err == DOL_OK)
        w->counts.bytes += len;
    f->repaired = err == DOL_OK && memcmp(unit, scratch, len) == 0;
    return err;
}

enum dol_err slab_scrub_repair(struct slab_scrub *w)
{
    for (unsigned i = 0; i < w->finding_count; i++) {
        struct scrub_finding *f = &w->findings[i];
        if (!f->proven || pool_is_read_only(w->pool))
            continue;
        if (w->slab->state == SLAB_STATE_FREED || !uuid_equal(w->slab->life, w->life))
            return DOL_OK; /* nobody needs it any more */
        enum dol_err err = rewrite_unit(w, f);
        if (err == DOL_ESTOPPED)
            return err;
    }
    return DOL_OK;
}
