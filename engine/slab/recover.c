/*
 * Recovery: the judgement of every slab that the index doesn't know to its end, and the verdict row.
 *
 * The last row of an unsealed slab is in doubt, no other: one row is in flight per slab, so a good unit of row N proves
 * that all before it were acknowledged. all k + m units good       it may have been acknowledged: valid at least k good
 * it may have been acknowledged and damaged since: valid, and appended again whole before it becomes visible fewer, and
 * at most m positions unreadable   it can't have been acknowledged: dead otherwise                  nobody can know:
 * the pool is not opened for writing
 */
#include "recover.h"

#include <stdlib.h>

#include "appender.h"
#include "dol_assert.h"
#include "log.h"
#include "recovery.h"

#define FIRST_ROW_BLOCK (EXTENT_HEADER_BYTES / FORMAT_BLOCK_BYTES)

enum dol_err recovery_add(struct recovery *r, struct slab *slab, struct slab_recovery **out)
{
    if (r->count == r->capacity) {
        unsigned capacity = r->capacity ? r->capacity * 2 : 64;
        struct slab_recovery *grown = realloc(r->slabs, capacity * sizeof *grown);
        if (grown == NULL)
            return DOL_ENOMEM;
        r->slabs = grown;
        r->capacity = capacity;
    }
    struct slab_recovery *s = &r->slabs[r->count++];
    memset(s, 0, sizeof *s);
    s->slab = slab;
    s->end_block = FIRST_ROW_BLOCK;
    s->position.end_block = FIRST_ROW_BLOCK;
    *out = s;
    return DOL_OK;
}

/* ---- records of a row ---- */

void opened_record_free(struct opened_record *r)
{
    free(r->record);
    r->record = NULL;
}

enum dol_err row_record_open(struct pool *pool, struct slab *slab, const struct row_image *row, uint32_t *offset,
                             struct opened_record *out, uint8_t **stored)
{
    uint8_t header[RECORD_HEADER_BYTES];
    uint32_t end = row->header.data_bytes;
    memset(out, 0, sizeof *out);
    if (*offset + RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES > end)
        return DOL_ECORRUPT;
    row_image_copy(row, *offset, header, sizeof header);
    enum dol_err err = record_header_decode(header, &out->header);
    if (err != DOL_OK)
        return err;
    uint32_t len = RECORD_HEADER_BYTES + out->header.body_bytes + RECORD_TRAILER_BYTES;
    if (len > end - *offset)
        return DOL_ECORRUPT;
    out->record = malloc(len);
    if (out->record == NULL)
        return DOL_ENOMEM;
    row_image_copy(row, *offset, out->record, len);
    if (stored != NULL) {
        *stored = malloc(len);
        if (*stored == NULL) {
            opened_record_free(out);
            return DOL_ENOMEM;
        }
        memcpy(*stored, out->record, len);
    }
    out->place = (struct place){slab->id, row->header.row_block, row->header.unit_blocks, *offset, len};
    err = opener_open(pool->opener, out->record, len, &out->header, &out->body);
    out->payload = out->body;
    if (err == DOL_OK && out->header.kind == RECORD_CHUNK) {
        struct chunk_body chunk;
        err = chunk_body_decode(out->body, &chunk);
        if (err == DOL_OK) {
            /* the hash lies in the body; keep only it */
            memcpy(out->record, &chunk.hash, sizeof chunk.hash);
            out->payload = bytes_of(out->record, sizeof chunk.hash);
        }
    }
    if (err != DOL_OK) {
        opened_record_free(out);
        if (stored != NULL)
            free(*stored);
        return err;
    }
    *offset += record_stored_bytes(out->header.body_bytes);
    return DOL_OK;
}

/* ---- judging ---- */

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
        struct drive *d = pool->drives[s->slab->members[i].drive].drive;
        if (d == NULL)
            continue;
        enum dol_err got =
            drive_read(d, pool_extent_offset(pool, s->slab->members[i].extent, pool_extent_blocks(pool) - 1), block,
                       EXTENT_FOOTER_BYTES);
        if (got == DOL_ESTOPPED)
            err = got;
        if (got == DOL_OK && extent_footer_decode(block, s->slab->life, f) == DOL_OK && f->slab == s->slab->id)
            s->sealed = true;
    }
    free(block);
    if (s->sealed) {
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
    } else if (row.good < members && !pool->read_only) {
        s->again = row.header.record_count > 0;
        s->again_block = last->header.row_block;
        s->again_unit_blocks = last->header.unit_blocks;
    } else {
        s->rows++;
        s->end_block += last->header.unit_blocks;
        s->last_table = row.table;
        note_lsn(s, &row.header);
        if (row.good < members) {
            s->doubtful = true;
            s->doubtful_lsn = row.header.lsn_first;
        }
    }
    row_image_free(&row);
    return DOL_OK;
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
    s->has_end = end != NULL;
    while (end == NULL || s->rows + have_last < end->rows) {
        uint32_t at = s->end_block + (have_last ? last.header.unit_blocks : 0);
        const struct sha256 *prev = have_last ? &last.table : &s->last_table;
        enum dol_err err = at < limit ? row_probe(r->pool, s->slab, at, &probe) : DOL_ENOTFOUND;
        if (err != DOL_OK && err != DOL_ENOTFOUND)
            return err;
        if (err == DOL_ENOTFOUND || probe.header.row != s->rows + have_last ||
            !sha256_equal(&probe.header.prev_table, prev))
            break;
        if (have_last) {
            note_lsn(s, &last.header);
            s->rows++;
            s->end_block += last.header.unit_blocks;
            s->last_table = last.table;
        }
        last = probe;
        have_last = true;
    }
    if (end != NULL && s->rows + have_last < end->rows)
        pool_set_read_only(r->pool, "slab %llx: %llu of %llu acknowledged rows can be found",
                           (unsigned long long)s->slab->id, (unsigned long long)s->rows + have_last,
                           (unsigned long long)end->rows);
    if (!have_last)
        return DOL_OK;
    if (end != NULL) {
        /* the verdict covers it */
        note_lsn(s, &last.header);
        s->rows++;
        s->end_block += last.header.unit_blocks;
        s->last_table = last.table;
        return DOL_OK;
    }
    return judge_last_row(r, s, &last);
}

/* Verdicts lie in the first rows of a slab, which are flagged. */
static enum dol_err collect_ends(struct recovery *r, struct slab_recovery *s)
{
    uint32_t block = FIRST_ROW_BLOCK;
    enum dol_err err = DOL_OK;
    for (uint64_t n = 0; n < s->rows && err == DOL_OK; n++) {
        struct row_probe probe;
        struct row_image row;
        err = row_probe(r->pool, s->slab, block, &probe);
        if (err != DOL_OK || !(probe.header.flags & UNIT_FLAG_REAPPEND))
            return err == DOL_ENOTFOUND ? DOL_OK : err;
        err = row_load(r->pool, s->slab, block, probe.header.unit_blocks, &row);
        if (err != DOL_OK)
            return err;
        uint32_t offset = 0;
        for (uint32_t i = 0; i < row.header.record_count && row.complete_data && err == DOL_OK; i++) {
            struct opened_record rec;
            struct end_body end;
            err = row_record_open(r->pool, s->slab, &row, &offset, &rec, NULL);
            if (err == DOL_OK && rec.header.kind == RECORD_END && (err = end_body_decode(rec.body, &end)) == DOL_OK)
                err = add_end(r, &end);
            opened_record_free(&rec);
        }
        block += probe.header.unit_blocks;
        row_image_free(&row);
    }
    return err;
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

enum dol_err recovery_judge(struct recovery *r)
{
    uint64_t before = r->pool->slab_count;
    pool_slab_each(r->pool, collect_slab, r);
    r->stats->slabs = before;
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
        if (err == DOL_OK && s->doubtful &&
            (r->commit_limit.run == 0 || lsn_compare(s->doubtful_lsn, r->commit_limit) < 0))
            r->commit_limit = s->doubtful_lsn;
    }
    return err;
}

/* ---- the verdict row ---- */

static struct lsn next_lsn(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct lsn lsn = {pool->run, pool->lsn_next++};
    pthread_mutex_unlock(&pool->lock);
    return lsn;
}

struct verdict_row {
    struct append_record *records;
    struct opened_record *opened; /* of raw records */
    uint8_t **stored;
    uint8_t (*ends)[128];
    unsigned count;
};

static void verdict_row_free(struct verdict_row *v)
{
    for (unsigned i = 0; i < v->count; i++) {
        opened_record_free(&v->opened[i]);
        free(v->stored[i]);
    }
    free(v->records);
    free(v->opened);
    free(v->stored);
    free(v->ends);
}

static enum dol_err verdict_row_init(struct verdict_row *v, unsigned capacity)
{
    memset(v, 0, sizeof *v);
    v->records = calloc(capacity, sizeof *v->records);
    v->opened = calloc(capacity, sizeof *v->opened);
    v->stored = calloc(capacity, sizeof *v->stored);
    v->ends = calloc(capacity, sizeof *v->ends);
    return v->records && v->opened && v->stored && v->ends ? DOL_OK : DOL_ENOMEM;
}

static void add_verdict(struct verdict_row *v, struct recovery *r, const struct slab_recovery *s)
{
    struct end_body end = {.slab = s->slab->id, .life = s->slab->life, .rows = s->rows, .end_block = s->end_block};
    struct append_record *rec = &v->records[v->count];
    struct tlv_writer w;
    tlv_writer_init(&w, v->ends[v->count], sizeof v->ends[0]);
    end_body_encode(&end, &w);
    dol_assert(!w.overflow);
    rec->kind = RECORD_END;
    rec->parts[0] = rec->payload = bytes_of(w.buf, w.len);
    rec->part_count = 1;
    rec->lsn = next_lsn(r->pool);
    v->count++;
}

/* A verdict with the records of the slab's incomplete last row, in one row: both are there or none. */
static enum dol_err append_again(struct recovery *r, struct slab_recovery *s)
{
    struct row_image row;
    struct verdict_row v;
    enum dol_err err = row_load(r->pool, s->slab, s->again_block, s->again_unit_blocks, &row);
    if (err != DOL_OK)
        return err;
    if (!row.complete_data) {
        row_image_free(&row);
        return DOL_ECORRUPT;
    }
    err = verdict_row_init(&v, row.header.record_count + 1);
    if (err == DOL_OK)
        add_verdict(&v, r, s);
    uint32_t offset = 0;
    for (uint32_t i = 0; i < row.header.record_count && err == DOL_OK; i++) {
        unsigned n = v.count;
        err = row_record_open(r->pool, s->slab, &row, &offset, &v.opened[n], &v.stored[n]);
        if (err != DOL_OK)
            break;
        if (v.opened[n].header.kind == RECORD_DIRECTORY) {
            opened_record_free(&v.opened[n]);
            free(v.stored[n]);
            v.stored[n] = NULL;
            continue;
        }
        const struct record_header *h = &v.opened[n].header;
        v.records[n] = (struct append_record){.kind = h->kind,
                                              .flags = h->flags,
                                              .codec = h->codec,
                                              .plain_bytes = h->plain_bytes,
                                              .payload = v.opened[n].payload,
                                              .raw = v.stored[n],
                                              .raw_bytes = v.opened[n].place.stored_bytes,
                                              .lsn = h->lsn};
        v.count++;
    }
    if (err == DOL_OK)
        err = append_recovery_row(r->pool, v.records, v.count);
    if (err == DOL_OK)
        r->stats->rows_appended_again++;
    verdict_row_free(&v);
    row_image_free(&row);
    return err;
}

static bool needs_verdict(const struct slab_recovery *s)
{
    return !s->sealed && !s->has_end;
}

enum dol_err recovery_write_verdicts(struct recovery *r)
{
    struct verdict_row v;
    unsigned plain = 0;
    enum dol_err err = DOL_OK;
    for (unsigned i = 0; i < r->count && err == DOL_OK; i++) {
        if (!needs_verdict(&r->slabs[i]))
            continue;
        if (r->slabs[i].again)
            err = append_again(r, &r->slabs[i]);
        else
            plain++;
    }
    if (err != DOL_OK || plain == 0)
        return err;
    err = verdict_row_init(&v, plain);
    for (unsigned i = 0; i < r->count && err == DOL_OK; i++)
        if (needs_verdict(&r->slabs[i]) && !r->slabs[i].again)
            add_verdict(&v, r, &r->slabs[i]);
    if (err == DOL_OK)
        err = append_recovery_row(r->pool, v.records, v.count);
    verdict_row_free(&v);
    return err;
}

/* ---- stamping ---- */

static enum dol_err stamp_empty(struct recovery *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        if (r->slabs[i].rows > 0 || r->slabs[i].slab->run == r->pool->run)
            continue;
        enum dol_err err = slab_stamp(r->pool, r->slabs[i].slab);
        if (err == DOL_ESTOPPED || err == DOL_ENOMEM)
            return err;
        if (err != DOL_OK)
            pool_set_read_only(r->pool, "an extent header could not be cleared: %s", dol_err_text(err));
    }
    return DOL_OK;
}

/* ---- the whole ---- */

static bool check_index_slab(void *arg, const struct index_slab *known)
{
    struct recovery *r = arg;
    struct slab *slab = pool_slab_find(r->pool, known->slab);
    bool fits = known->rows == 0 || (slab != NULL && uuid_equal(slab->life, known->life));
    r->stranger = !fits;
    return fits;
}

/* An index that knows slabs the drives don't have, or a run that has not begun, isn't of this log (rule 7). */
static enum dol_err check_index(struct recovery *r)
{
    enum dol_err err = index_slab_each(r->index, check_index_slab, r);
    if (err == DOL_OK && !r->stranger && index_applied(r->index).run < r->pool->run)
        return DOL_OK;
    log_error("recover", "the index does not fit the drives: it is discarded and rebuilt from them");
    return index_reset(r->index);
}

static void recovery_clear(struct recovery *r)
{
    for (unsigned i = 0; i < r->count; i++)
        free(r->slabs[i].footer);
    free(r->slabs);
    free(r->ends);
    r->slabs = NULL;
    r->ends = NULL;
    r->count = r->capacity = r->end_count = r->end_capacity = 0;
}

enum dol_err pool_recover(struct pool *pool, struct index *index, struct recover_stats *stats)
{
    struct recovery r = {.pool = pool, .index = index, .stats = stats};
    memset(stats, 0, sizeof *stats);
    enum dol_err err = check_index(&r);
    if (err == DOL_OK)
        err = recovery_judge(&r);
    if (err == DOL_OK && !pool->read_only) {
        err = recovery_write_verdicts(&r);
        if (err != DOL_OK && err != DOL_ESTOPPED && err != DOL_ENOMEM) {
            /* a pool that can't be written shows rows that could not be appended again where they lie */
            pool_set_read_only(pool, "the verdict of recovery could not be written: %s", dol_err_text(err));
            recovery_clear(&r);
            err = recovery_judge(&r);
        }
    }
    if (err == DOL_OK)
        err = recovery_replay(&r);
    if (err == DOL_OK && !pool->read_only)
        err = stamp_empty(&r);
    recovery_clear(&r);
    return err;
}
