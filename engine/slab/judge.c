/*
 * Judgement: how many rows of each slab are valid.
 *
 * The last row of an unsealed slab is in doubt, no other: one row is in flight per slab, so a good unit of row N proves
 * that all before it were acknowledged. all k + m units good       it may have been acknowledged: valid at least k good
 * it may have been acknowledged and damaged since: valid, and appended again whole before it becomes visible fewer, and
 * at most m positions unreadable   it can't have been acknowledged: dead otherwise                  nobody can know:
 * the pool is not opened for writing Where no header is found the slab ends, unless too many members could not be read
 * or units of later rows lie ahead: then that is damage.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "log.h"
#include "read_impl.h"
#include "recovery.h"

#define LOOK_AHEAD_BATCH 64u

static int newest_first(const void *a, const void *b)
{
    const struct slab_recovery *x = a, *y = b;
    return x->slab->id < y->slab->id ? 1 : x->slab->id > y->slab->id ? -1 : 0;
}

static enum dol_err read_footer(struct recovery *r, struct slab_recovery *s)
{
    struct pool *pool = r->pool;
    uint8_t *block = aligned_alloc(FORMAT_BLOCK_BYTES, EXTENT_FOOTER_BYTES);
    struct extent_footer *f = malloc(sizeof *f);
    enum dol_err err = block && f ? DOL_OK : DOL_ENOMEM;
    for (unsigned i = 0; i < (unsigned)(s->slab->k + s->slab->m) && err == DOL_OK && !s->sealed; i++) {
        struct drive *d = member_drive(pool, s->slab, i);
        if (d == NULL)
            continue;
        enum dol_err got =
            drive_read(d, pool_extent_offset(pool, s->slab->members[i].extent, pool_extent_blocks(pool) - 1), block,
                       EXTENT_FOOTER_BYTES);
        if (got == DOL_OK)
            got = extent_footer_decode(block, s->slab->life, f);
        if (got == DOL_ESTOPPED || got == DOL_EFORMAT)
            err = got;
        s->sealed = got == DOL_OK && f->slab == s->slab->id;
    }
    free(block);
    if (s->sealed) {
        r->newer_format |= f->masks.ro_data != 0 || f->masks.ro_meta != 0;
        s->footer = f;
        s->rows = f->rows;
        s->end_block = (uint32_t)f->end_block;
        s->last_table = f->last_table;
        s->lsn_min = f->lsn_min;
    } else {
        free(f);
    }
    return err;
}

static const struct end_body *find_end(const struct recovery *r, const struct slab *slab)
{
    for (unsigned i = 0; i < r->end_count; i++)
        if (r->ends[i].slab == slab->id && uuid_equal(r->ends[i].life, slab->life))
            return &r->ends[i];
    return NULL;
}

static enum dol_err add_end(struct recovery *r, const struct end_body *end)
{
    if (r->end_count == r->end_capacity) {
        unsigned capacity = r->end_capacity ? r->end_capacity * 2 : 64;
        struct end_body *grown = realloc(r->ends, capacity * sizeof *grown);
        if (grown == NULL)
            return DOL_ENOMEM;
        r->ends = grown;
        r->end_capacity = capacity;
    }
    r->ends[r->end_count++] = *end;
    return DOL_OK;
}

static void note_lsn(struct slab_recovery *s, const struct unit_header *h)
{
    if (h->record_count > 0 && (s->lsn_min.run == 0 || lsn_compare(h->lsn_first, s->lsn_min) < 0))
        s->lsn_min = h->lsn_first;
}

static enum dol_err judge_last_row(struct recovery *r, struct slab_recovery *s, const struct row_probe *last)
{
    struct pool *pool = r->pool;
    struct row_image row;
    unsigned members = (unsigned)(s->slab->k + s->slab->m);
    enum dol_err err = row_load(pool, s->slab, last->header.row_block, last->header.unit_blocks, &row);
    if (err != DOL_OK)
        return err;
    if (row.good < s->slab->k) {
        r->stats->rows_dead++;
        if (row.unreadable > s->slab->m)
            pool_set_read_only(pool, "the last row of slab %llx can't be judged: %u of %u units unreadable",
                               (unsigned long long)s->slab->id, row.unreadable, members);
    } else if (row.good < members && !pool_is_read_only(pool)) {
        s->again = row.header.record_count > 0;
        s->again_block = last->header.row_block;
        s->again_unit_blocks = last->header.unit_blocks;
    } else {
        s->rows++;
        s->end_block += last->header.unit_blocks;
        s->last_table = row.table;
        note_lsn(s, &row.header);
    }
    row_image_free(&row);
    return DOL_OK;
}

/* Does any member hold a unit of a later row behind `from`? One row may be damaged in between, so the longest possible
 * row is looked through. */
static enum dol_err look_ahead(struct recovery *r, struct slab_recovery *s, uint32_t from, bool *found)
{
    struct pool *pool = r->pool;
    uint8_t *blocks = aligned_alloc(FORMAT_BLOCK_BYTES, LOOK_AHEAD_BATCH * FORMAT_BLOCK_BYTES);
    uint32_t end = pool_extent_blocks(pool) - EXTENT_FOOTER_BYTES / FORMAT_BLOCK_BYTES;
    uint32_t reach = row_layout_for(FORMAT_ROW_DATA_BYTES_MAX, s->slab->k, s->slab->m).unit_blocks + 1;
    enum dol_err err = blocks ? DOL_OK : DOL_ENOMEM;
    if (end > from + reach)
        end = from + reach;
    *found = false;
    for (unsigned i = 0; i < (unsigned)(s->slab->k + s->slab->m) && err == DOL_OK; i++) {
        struct drive *d = member_drive(pool, s->slab, i);
        for (uint32_t at = from; d != NULL && at < end && err == DOL_OK && !*found; at += LOOK_AHEAD_BATCH) {
            uint32_t n = end - at < LOOK_AHEAD_BATCH ? end - at : LOOK_AHEAD_BATCH;
            enum dol_err got = drive_read(d, pool_extent_offset(pool, s->slab->members[i].extent, at), blocks,
                                          (size_t)n * FORMAT_BLOCK_BYTES);
            if (got == DOL_ESTOPPED)
                err = got;
            for (uint32_t j = 0; got == DOL_OK && j < n; j++)
                *found |=
                    unit_is_of_later_row(pool, s->slab, i, at + j, blocks + (size_t)j * FORMAT_BLOCK_BYTES, s->rows);
        }
    }
    free(blocks);
    return err;
}

/* No row was found at `at`: is that the end? */
static enum dol_err check_end(struct recovery *r, struct slab_recovery *s, uint32_t at, unsigned unreadable)
{
    bool later = false;
    enum dol_err err = look_ahead(r, s, at, &later);
    if (err == DOL_OK && (later || unreadable > s->slab->m))
        pool_set_read_only(r->pool, "slab %llx can't be judged behind row %llu: %s", (unsigned long long)s->slab->id,
                           (unsigned long long)s->rows,
                           later ? "later rows lie behind damaged ones" : "units can't be read");
    return err;
}

static void count_row(struct slab_recovery *s, const struct row_probe *row)
{
    note_lsn(s, &row->header);
    s->rows++;
    s->end_block += row->header.unit_blocks;
    s->last_table = row->table;
}

/* Walks the headers from what the index has applied to the last row, up to the verdict when there is one. */
static enum dol_err find_tail(struct recovery *r, struct slab_recovery *s)
{
    struct row_probe probe, last;
    bool have_last = false;
    uint32_t limit = pool_extent_blocks(r->pool) - EXTENT_FOOTER_BYTES / FORMAT_BLOCK_BYTES;
    const struct end_body *end = find_end(r, s->slab);

    s->rows = s->position.rows;
    s->end_block = (uint32_t)s->position.end_block;
    s->last_table = s->position.last_table;
    s->has_end = end != NULL || s->position.complete;
    if (s->position.complete)
        return DOL_OK;
    while (end == NULL || s->rows + have_last < end->rows) {
        uint32_t at = s->end_block + (have_last ? last.header.unit_blocks : 0);
        const struct sha256 *prev = have_last ? &last.table : &s->last_table;
        if (at >= limit)
            break;
        enum dol_err err = row_probe(r->pool, s->slab, at, &probe);
        if (err == DOL_ENOTFOUND && end == NULL)
            err = check_end(r, s, at, probe.unreadable);
        else if (err == DOL_OK)
            r->newer_format |= (probe.header.masks.ro_data | probe.header.masks.ro_meta) != 0;
        if (err != DOL_OK && err != DOL_ENOTFOUND)
            return err;
        if (probe.good == 0)
            break;
        if (probe.header.row != s->rows + have_last || !sha256_equal(&probe.header.prev_table, prev)) {
            pool_set_read_only(r->pool, "slab %llx: row %llu does not follow the one before it",
                               (unsigned long long)s->slab->id, (unsigned long long)probe.header.row);
            break;
        }
        if (have_last)
            count_row(s, &last);
        last = probe;
        have_last = true;
    }
    if (end != NULL && s->rows + have_last < end->rows)
        pool_set_read_only(r->pool, "slab %llx: %llu of %llu acknowledged rows can be found",
                           (unsigned long long)s->slab->id, (unsigned long long)s->rows + have_last,
                           (unsigned long long)end->rows);
    if (!have_last)
        return DOL_OK;
    if (end == NULL)
        return judge_last_row(r, s, &last);
    count_row(s, &last); /* the verdict covers it */
    return DOL_OK;
}

/* The `end` records of one row. */
static enum dol_err collect_ends_of_row(struct recovery *r, struct slab_recovery *s, uint32_t block,
                                        uint32_t unit_blocks)
{
    struct row_image row;
    uint32_t offset = 0;
    enum dol_err err = row_load(r->pool, s->slab, block, unit_blocks, &row);
    if (err != DOL_OK)
        return err;
    if (!row.complete_data)
        pool_set_read_only(r->pool, "verdicts in slab %llx can't be read", (unsigned long long)s->slab->id);
    for (uint32_t i = 0; row.complete_data && i < row.header.record_count && err == DOL_OK; i++) {
        struct opened_record rec;
        struct end_body end;
        err = row_record_open(r->pool, s->slab, &row, &offset, &rec, NULL);
        if (err == DOL_OK && rec.header.kind == RECORD_END && (err = end_body_decode(rec.body, &end)) == DOL_OK)
            err = add_end(r, &end);
        opened_record_free(&rec);
    }
    row_image_free(&row);
    return err;
}

/* Verdicts lie in the first rows of a slab, which are flagged; also in one that will be appended again. */
static enum dol_err collect_ends(struct recovery *r, struct slab_recovery *s)
{
    uint32_t block = FIRST_ROW_BLOCK;
    for (uint64_t n = 0; n < s->rows + s->again; n++) {
        struct row_probe probe;
        enum dol_err err = row_probe(r->pool, s->slab, block, &probe);
        if (err == DOL_ENOTFOUND) {
            pool_set_read_only(r->pool, "row %llu of slab %llx can't be read", (unsigned long long)n,
                               (unsigned long long)s->slab->id);
            return DOL_OK;
        }
        if (err == DOL_OK && !(probe.header.flags & UNIT_FLAG_REAPPEND))
            return DOL_OK;
        if (err == DOL_OK)
            err = collect_ends_of_row(r, s, block, probe.header.unit_blocks);
        if (err != DOL_OK)
            return err;
        block += probe.header.unit_blocks;
    }
    return DOL_OK;
}

static void collect_slab(void *arg, struct slab *slab)
{
    struct recovery *r = arg;
    struct slab_recovery *s;
    struct index_slab known;
    bool has = index_slab_get(r->index, slab->id, &known) == DOL_OK && uuid_equal(known.life, slab->life);
    slab->rows = has ? known.rows : 0;
    if (has) {
        slab->end_block = (uint32_t)known.end_block;
        slab->last_table = known.last_table;
        slab->state = known.state;
    }
    if (has && known.complete && known.rows > 0)
        return;
    enum dol_err err = recovery_add(r, slab, &s);
    if (err == DOL_OK && has)
        s->position = known;
    if (err != DOL_OK)
        r->err = err;
}

static enum dol_err judge_all(struct recovery *r)
{
    r->stats->slabs = r->pool->slab_count;
    r->stats->rows_dead = 0;
    pool_slab_each(r->pool, collect_slab, r);
    if (r->count > 0)
        qsort(r->slabs, r->count, sizeof *r->slabs, newest_first);
    enum dol_err err = r->err;
    for (unsigned i = 0; i < r->count && err == DOL_OK; i++) {
        struct slab_recovery *s = &r->slabs[i];
        err = read_footer(r, s);
        if (err == DOL_OK && !s->sealed)
            err = find_tail(r, s);
        if (err == DOL_OK && s->position.rows == 0)
            err = collect_ends(r, s);
    }
    if (r->newer_format)
        pool_set_read_only(r->pool, "the pool was written by a newer version, which this one may only read");
    return err;
}

enum dol_err recovery_judge(struct recovery *r)
{
    bool writable = !pool_is_read_only(r->pool);
    enum dol_err err = judge_all(r);
    if (err == DOL_OK && writable && pool_is_read_only(r->pool)) {
        /* what was to be appended again is shown where it lies instead */
        recovery_clear(r);
        err = judge_all(r);
    }
    r->no_commit = pool_is_read_only(r->pool);
    return err;
}

void recovery_clear(struct recovery *r)
{
    for (unsigned i = 0; i < r->count; i++)
        free(r->slabs[i].footer);
    free(r->slabs);
    free(r->ends);
    r->slabs = NULL;
    r->ends = NULL;
    r->count = r->capacity = r->end_count = r->end_capacity = 0;
}
