/*
 * Replay: feeds the index what it has not applied, in the order of LSNs across slabs.
 *
 * A slab's records are loaded when the merge reaches its lowest LSN: from the directories of a sealed slab, from its
 * rows otherwise. Slabs of one loop follow each other, so about one slab per loop is in memory at a time. Records of
 * one row whose LSNs are consecutive form a group and are published together; a row of records appended again falls
 * into several groups, each at its own place in the order.
 */
#include <stdlib.h>

#include "appender.h"
#include "dol_assert.h"
#include "log.h"
#include "read_impl.h"
#include "recovery.h"

#define REPLAY_COMMIT_BYTES   (16u << 20)
#define REPLAY_COMMIT_RECORDS 65536u

/* The records of one slab, in the order of their LSNs. */
struct replay_slab {
    struct slab_recovery *s;
    struct index_record *records;
    void **owned; /* memory of payload and list of moved records, one per record */
    size_t count, capacity, next;
    bool loaded, done;
};

static void replay_slab_free(struct replay_slab *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->owned[i]);
    free(p->records);
    free(p->owned);
    p->records = NULL;
    p->owned = NULL;
    p->count = 0;
}

/* A moved record speaks of those right before it in its row; they were added in that order. */
static enum dol_err replay_moved_count(const struct replay_slab *p, const struct index_record *rec, unsigned *count)
{
    struct moved_body body;
    enum dol_err err = moved_body_decode(rec->payload, &body);
    if (err != DOL_OK)
        return err;
    if (body.count > p->count || p->records[p->count - body.count].place.row_block != rec->place.row_block)
        return DOL_ECORRUPT;
    *count = body.count;
    return DOL_OK;
}

static enum dol_err replay_add(struct replay_slab *p, const struct index_record *rec)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 1024;
        struct index_record *records = realloc(p->records, capacity * sizeof *records);
        if (records == NULL)
            return DOL_ENOMEM;
        p->records = records;
        void **owned = realloc(p->owned, capacity * sizeof *owned);
        if (owned == NULL)
            return DOL_ENOMEM;
        p->owned = owned;
        p->capacity = capacity;
    }
    unsigned moved = 0;
    enum dol_err err = rec->kind == RECORD_MOVED ? replay_moved_count(p, rec, &moved) : DOL_OK;
    if (err != DOL_OK)
        return err;
    size_t list_bytes = moved * sizeof rec->moved[0];
    uint8_t *copy = malloc(list_bytes + rec->payload.len + 1);
    if (copy == NULL)
        return DOL_ENOMEM;
    if (moved > 0)
        memcpy(copy, p->records + p->count - moved, list_bytes);
    memcpy(copy + list_bytes, rec->payload.data, rec->payload.len);
    p->records[p->count] = *rec;
    p->records[p->count].payload.data = copy + list_bytes;
    p->records[p->count].moved = moved > 0 ? (const struct index_record *)(const void *)copy : NULL;
    p->records[p->count].moved_count = moved;
    p->owned[p->count++] = copy;
    return DOL_OK;
}

static enum dol_err load_directory(struct replay_slab *p, struct bytes body)
{
    struct bytes entries;
    struct directory_entry e;
    enum dol_err err = directory_entries(body, &entries);
    while (err == DOL_OK && (err = directory_next(&entries, &e)) == DOL_OK) {
        e.place.slab = p->s->slab->id;
        struct index_record rec = {.kind = e.kind,
                                   .codec = e.codec,
                                   .lsn = e.lsn,
                                   .place = e.place,
                                   .plain_bytes = e.plain_bytes,
                                   .payload = e.payload};
        if (e.place.row_block >= p->s->position.end_block || p->s->position.rows == 0)
            err = replay_add(p, &rec);
    }
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum load_what { LOAD_RECORDS, LOAD_DIRECTORIES };

static enum dol_err load_row(struct recovery *r, struct replay_slab *p, uint32_t block, uint32_t unit_blocks,
                             enum load_what what)
{
    struct row_image row;
    enum dol_err err = row_load(r->pool, p->s->slab, block, unit_blocks, &row);
    if (err != DOL_OK)
        return err;
    if (!row.complete_data)
        err = DOL_ECORRUPT;
    uint32_t offset = 0;
    for (uint32_t i = 0; err == DOL_OK && i < row.header.record_count; i++) {
        struct opened_record o;
        err = row_record_open(r->pool, p->s->slab, &row, &offset, &o, NULL);
        if (err != DOL_OK)
            break;
        bool directory = o.header.kind == RECORD_DIRECTORY;
        if (what == LOAD_DIRECTORIES && directory) {
            err = load_directory(p, o.body);
        } else if (what == LOAD_RECORDS && !directory) {
            struct index_record rec = {.kind = o.header.kind,
                                       .codec = o.header.codec,
                                       .lsn = o.header.lsn,
                                       .place = o.place,
                                       .plain_bytes = o.header.plain_bytes,
                                       .payload = o.payload};
            err = replay_add(p, &rec);
        }
        opened_record_free(&o);
    }
    row_image_free(&row);
    return err;
}

/*
 * Acknowledged rows that can't be had. With members missing, they may come back: the pool isn't opened over a gap that
 * the index doesn't cover. With all there, what is left is shown read-only, and nothing of it enters the index, which
 * would be believed once it is healed.
 */
static enum dol_err row_lost(struct recovery *r, const struct replay_slab *p, uint32_t block)
{
    struct slab *slab = p->s->slab;
    unsigned missing = 0;
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m); i++)
        missing += member_drive(r->pool, slab, i) == NULL;
    log_error("recover", "acknowledged row can't be read slab=%llx block=%u members_missing=%u",
              (unsigned long long)slab->id, block, missing);
    if (missing > slab->m)
        return DOL_EINCOMPLETE;
    pool_set_read_only(r->pool, "acknowledged rows of slab %llx can't be read: more units are lost than parity bears",
                       (unsigned long long)slab->id);
    r->no_commit = true;
    return DOL_OK;
}

static enum dol_err load_by_rows(struct recovery *r, struct replay_slab *p)
{
    uint32_t block = p->s->position.rows > 0 ? (uint32_t)p->s->position.end_block : FIRST_ROW_BLOCK;
    for (uint64_t n = p->s->position.rows; n < p->s->rows; n++) {
        struct row_probe probe;
        enum dol_err err = row_probe(r->pool, p->s->slab, block, &probe);
        if (err == DOL_ENOTFOUND)
            return row_lost(r, p, block); /* where the next row begins isn't known either */
        if (err == DOL_OK && probe.header.record_count > 0) {
            err = load_row(r, p, block, probe.header.unit_blocks, LOAD_RECORDS);
            r->stats->rows_replayed++;
        }
        if (err == DOL_ECORRUPT)
            err = row_lost(r, p, block);
        if (err != DOL_OK)
            return err;
        block += probe.header.unit_blocks;
    }
    return DOL_OK;
}

static int by_lsn(const void *a, const void *b)
{
    return lsn_compare((*(const struct index_record *const *)a)->lsn, (*(const struct index_record *const *)b)->lsn);
}

static enum dol_err sort_records(struct replay_slab *p)
{
    const struct index_record **order = malloc((p->count ? p->count : 1) * sizeof *order);
    struct index_record *sorted = malloc((p->count ? p->count : 1) * sizeof *sorted);
    if (order == NULL || sorted == NULL) {
        free(order);
        free(sorted);
        return DOL_ENOMEM;
    }
    for (size_t i = 0; i < p->count; i++)
        order[i] = &p->records[i];
    if (p->count > 0)
        qsort(order, p->count, sizeof *order, by_lsn);
    for (size_t i = 0; i < p->count; i++)
        sorted[i] = *order[i];
    free(order);
    free(p->records);
    p->records = sorted;
    return DOL_OK;
}

static enum dol_err replay_load(struct recovery *r, struct replay_slab *p)
{
    enum dol_err err = DOL_OK;
    p->loaded = true;
    if (p->s->sealed) {
        for (unsigned i = 0; i < p->s->footer->directory_count && err == DOL_OK; i++)
            err = load_row(r, p, p->s->footer->directory[i].row_block, p->s->footer->directory[i].unit_blocks,
                           LOAD_DIRECTORIES);
        if (err == DOL_OK || err == DOL_ENOMEM || err == DOL_ESTOPPED)
            goto out;
        log_warn("recover", "directory of slab %llx can't be read, its rows are: error=%s",
                 (unsigned long long)p->s->slab->id, dol_err_name(err));
        replay_slab_free(p);
        p->capacity = 0;
    }
    err = load_by_rows(r, p);
out:
    return err == DOL_OK ? sort_records(p) : err;
}

/* ---- publication ---- */

struct commit_job {
    struct index *index;
    struct lsn upto;
    enum dol_err err;
};

static void commit_run(void *arg)
{
    struct commit_job *job = arg;
    size_t applied;
    job->err = index_commit(job->index, job->upto, &applied);
}

static enum dol_err commit(struct recovery *r, struct lsn upto)
{
    struct commit_job job = {r->index, upto, DOL_OK};
    if (r->no_commit)
        return DOL_OK;
    offload_run(commit_run, &job);
    return job.err;
}

static void position_after(const struct slab_recovery *s, struct index_slab *out)
{
    struct slab *slab = s->slab;
    slab->rows = s->rows;
    slab->end_block = s->end_block;
    slab->last_table = s->last_table;
    if (!s->fresh)
        slab->state = s->sealed ? SLAB_STATE_SEALED : SLAB_STATE_ENDED;
    *out = (struct index_slab){.slab = slab->id,
                               .life = slab->life,
                               .state = (uint8_t)slab->state,
                               .rows = s->rows,
                               .end_block = s->end_block,
                               .last_table = s->last_table,
                               .complete = !s->fresh};
}

/* How many records from p->next on have consecutive LSNs. */
static unsigned group_length(const struct replay_slab *p)
{
    size_t n = 1;
    while (p->next + n < p->count && p->records[p->next + n].lsn.run == p->records[p->next].lsn.run &&
           p->records[p->next + n].lsn.counter == p->records[p->next].lsn.counter + n)
        n++;
    return n > 4096 ? 4096 : (unsigned)n;
}

static enum dol_err publish_group(struct recovery *r, struct replay_slab *p)
{
    unsigned n = group_length(p);
    struct index_row row = {.records = p->records + p->next, .record_count = n};
    enum dol_err err = index_publish(r->index, &row);
    size_t bytes, records;
    if (err != DOL_OK)
        return err;
    struct lsn last = p->records[p->next + n - 1].lsn;
    p->next += n;
    r->stats->records_replayed += n;
    index_pending(r->index, &bytes, &records);
    if (bytes > REPLAY_COMMIT_BYTES || records > REPLAY_COMMIT_RECORDS)
        err = commit(r, last);
    return err;
}

static enum dol_err finish_slab(struct recovery *r, struct replay_slab *p)
{
    struct index_row row = {0};
    position_after(p->s, &row.after);
    p->done = true;
    replay_slab_free(p);
    return index_publish(r->index, &row);
}

/* The loaded slab with the lowest next LSN, loading those that may be lower still; NULL at the end. */
static enum dol_err next_slab(struct recovery *r, struct replay_slab *all, unsigned count, struct replay_slab **out)
{
    for (;;) {
        struct replay_slab *best = NULL, *unloaded = NULL;
        for (unsigned i = 0; i < count; i++) {
            struct replay_slab *p = &all[i];
            if (p->done)
                continue;
            if (!p->loaded) {
                if (unloaded == NULL || lsn_compare(p->s->lsn_min, unloaded->s->lsn_min) < 0)
                    unloaded = p;
            } else if (p->next == p->count) {
                enum dol_err err = finish_slab(r, p);
                if (err != DOL_OK)
                    return err;
            } else if (best == NULL || lsn_compare(p->records[p->next].lsn, best->records[best->next].lsn) < 0) {
                best = p;
            }
        }
        if (unloaded == NULL ||
            (best != NULL && lsn_compare(best->records[best->next].lsn, unloaded->s->lsn_min) < 0)) {
            *out = best;
            return DOL_OK;
        }
        enum dol_err err = replay_load(r, unloaded);
        if (err != DOL_OK)
            return err;
    }
}

static void collect_fresh(void *arg, struct slab *slab)
{
    struct recovery *r = arg;
    struct slab_recovery *s;
    if (slab->run != r->pool->run || slab->rows == 0)
        return;
    enum dol_err err = recovery_add(r, slab, &s);
    if (err != DOL_OK) {
        r->err = err;
        return;
    }
    s->fresh = slab->state == SLAB_STATE_OPEN;
    s->rows = slab->rows;
    s->end_block = slab->end_block;
    s->last_table = slab->last_table;
}

enum dol_err recovery_replay(struct recovery *r)
{
    pool_slab_each(r->pool, collect_fresh, r);
    if (r->err != DOL_OK)
        return r->err;
    struct replay_slab *all = calloc(r->count ? r->count : 1, sizeof *all);
    struct replay_slab *p;
    if (all == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < r->count; i++)
        all[i].s = &r->slabs[i];
    enum dol_err err;
    while ((err = next_slab(r, all, r->count, &p)) == DOL_OK && p != NULL) {
        err = publish_group(r, p);
        if (err != DOL_OK)
            break;
    }
    if (err == DOL_OK)
        err = commit(r, pool_lsn_bound(r->pool));
    for (unsigned i = 0; i < r->count; i++)
        replay_slab_free(&all[i]);
    free(all);
    return err;
}
