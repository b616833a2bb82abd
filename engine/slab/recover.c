/*
 * Recovery as a whole: does the index fit, what is valid (judge.c), the verdict row, replay (replay.c), stamping.
 *
 * Everything before the verdict only reads. A pool that can't be written, or that turns out to be damaged, is judged
 * for reading: nothing of it enters the index on disk, so a later open with all drives judges afresh.
 */
#include "recover.h"

#include <stdlib.h>

#include "appender.h"
#include "dol_assert.h"
#include "free.h"
#include "log.h"
#include "members.h"
#include "recovery.h"

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
        while (err == DOL_EIO && (err = pool_members_settle(r->pool)) == DOL_OK)
            err = slab_stamp(r->pool, r->slabs[i].slab);
        if (err != DOL_OK)
            return err == DOL_EIO ? DOL_OK : err; /* read-only by now */
    }
    return DOL_OK;
}

/* ---- the whole ---- */

static bool check_index_slab(void *arg, const struct index_slab *known)
{
    struct recovery *r = arg;
    struct slab *slab = pool_slab_find(r->pool, known->slab);
    bool freed = known->state == SLAB_STATE_FREED;
    bool fits = freed || known->rows == 0 || (slab != NULL && uuid_equal(slab->life, known->life));
    r->freed += freed;
    r->stranger = !fits;
    return fits;
}

/* Without an index the headers are all there is to know of slabs: with more than m drives missing some may lie wholly
 * on those. */
static enum dol_err check_rebuild(struct recovery *r)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < r->pool->drive_count; i++)
        missing += !pool_drive_is_complete(r->pool, i);
    if (missing <= r->pool->sb.m)
        return DOL_OK;
    log_error("recover", "the index is lost and %u drives are missing: slabs that lie wholly on those can't be known",
              missing);
    return DOL_EINCOMPLETE;
}

/*
 * The index's generation against the drives': one that has not heard of a free whose extents may be used again would
 * show what the log does not cancel any more. One that has heard of more frees than are under way is of a log that has
 * gone back.
 */
static bool generation_fits(const struct recovery *r)
{
    uint64_t index = index_generation(r->index), drives = r->pool->sb.generation;
    if (index > drives + r->freed)
        log_error("recover", "ALARM: the index knows of %llu freed slabs, the drives of %llu: have they been set back?",
                  (unsigned long long)index, (unsigned long long)drives);
    return index >= drives && index <= drives + r->freed;
}

/*
 * An index that knows slabs the drives don't have, or a run that has not begun, isn't of this log (rule 7). With drives
 * missing, or headers that can't be read, the slabs may come back: then nothing is discarded, and nothing is opened
 * over the gap.
 */
static enum dol_err check_index(struct recovery *r)
{
    enum dol_err err = index_slab_each(r->index, check_index_slab, r);
    bool behind = index_generation(r->index) < r->pool->sb.generation; /* then what it misses may have been freed */
    if (err == DOL_OK && r->stranger && !behind && pool_scan_has_gaps(r->pool)) {
        log_error("recover", "slabs that the index knows lie on drives that are missing or can't be read");
        return DOL_EINCOMPLETE;
    }
    bool fresh = err == DOL_OK && index_applied(r->index).run == 0;
    bool fits = err == DOL_OK && !r->stranger && index_applied(r->index).run < r->pool->run && generation_fits(r);
    if (fits && !fresh)
        return DOL_OK;
    if (!fresh) {
        log_error("recover", "the index does not fit the drives: it is discarded and rebuilt from them");
        err = index_reset(r->index);
    }
    index_generation_floor(r->index, r->pool->sb.generation);
    return err == DOL_OK ? check_rebuild(r) : err;
}

/* ---- what was freed, and not yet finished ---- */

struct freed_slabs {
    struct index_slab *slabs;
    unsigned count;
    bool failed;
};

static bool collect_freed(void *arg, const struct index_slab *known)
{
    struct freed_slabs *f = arg;
    if (known->state != SLAB_STATE_FREED)
        return true;
    struct index_slab *grown = realloc(f->slabs, (f->count + 1) * sizeof *grown);
    if (grown == NULL) {
        f->failed = true;
        return false;
    }
    f->slabs = grown;
    f->slabs[f->count++] = *known;
    return true;
}

struct final_job {
    struct index *index;
    const struct index_slab *slab;
    enum dol_err err;
};

static void final_run(void *arg)
{
    struct final_job *job = arg;
    job->err = index_slab_final(job->index, job->slab->slab, job->slab->life);
}

/* Where the last open or this one's replay found a freed slab, its headers go now, as they would have then. While a
 * drive is away they stay: nothing of a slab is final before its headers have gone from all members. */
static enum dol_err finish_freed(struct recovery *r)
{
    struct freed_slabs f = {0};
    if (pool_drives_are_missing(r->pool))
        return DOL_OK;
    enum dol_err err = index_slab_each(r->index, collect_freed, &f);
    if (err == DOL_OK && f.failed)
        err = DOL_ENOMEM;
    if (err == DOL_OK && f.count > 0)
        err = pool_note_generation(r->pool, index_generation(r->index));
    for (unsigned i = 0; i < f.count && err == DOL_OK; i++) {
        struct slab *slab = pool_slab_find(r->pool, f.slabs[i].slab);
        if (slab != NULL && uuid_equal(slab->life, f.slabs[i].life))
            err = pool_slab_erase(r->pool, slab);
        else if (pool_scan_has_gaps(r->pool))
            continue; /* it may be there after all */
        struct final_job job = {r->index, &f.slabs[i], DOL_OK};
        if (err == DOL_OK)
            offload_run(final_run, &job);
        if (err == DOL_OK)
            err = job.err;
    }
    free(f.slabs);
    return err == DOL_EINCOMPLETE || (pool_is_read_only(r->pool) && err != DOL_ENOMEM && err != DOL_ESTOPPED) ? DOL_OK
                                                                                                              : err;
}

enum dol_err pool_recover(struct pool *pool, struct index *index, struct recover_stats *stats)
{
    struct recovery r = {.pool = pool, .index = index, .stats = stats};
    memset(stats, 0, sizeof *stats);
    enum dol_err err = check_index(&r);
    if (err == DOL_OK)
        err = recovery_judge(&r);
    if (err == DOL_OK && !pool_is_read_only(pool)) {
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
    if (err == DOL_OK && !pool_is_read_only(pool))
        err = stamp_empty(&r);
    if (err == DOL_OK && !pool_is_read_only(pool))
        err = finish_freed(&r);
    recovery_clear(&r);
    return err;
}
