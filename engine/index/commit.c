/*
 * Committing: gathers what is published up to a bound, in LSN order, and applies it batch by batch; then lets go of
 * what nobody can see any more.
 *
 * What is applied is exactly the log up to L, in the order of the log: records at or below L were applied before, of
 * two with one LSN one is taken (a row appended again). So any L that was committed is a true state, whatever the order
 * of publication, and a row may be applied in two parts.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "index_impl.h"
#include "log.h"

#define RECORD_PAGES_ESTIMATE 3u /* that one record may dirty, with those above */
#define PAGE_BYTES_ESTIMATE   4096u
#define GROW_TRIES_MAX        8u

struct gather {
    const struct pending_record **records; /* LSN order, each LSN once */
    size_t count;
    struct pending_row **rows; /* all that were pending, in order of publication */
    size_t row_count;
};

static int record_sort_lsn(const void *pa, const void *pb)
{
    const struct pending_record *a = *(const struct pending_record *const *)pa;
    const struct pending_record *b = *(const struct pending_record *const *)pb;
    int order = lsn_compare(a->lsn, b->lsn);
    return order != 0 ? order : a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static void gather_sort(struct gather *g)
{
    bool sorted = true;
    for (size_t i = 1; i < g->count && sorted; i++)
        sorted = record_sort_lsn(&g->records[i - 1], &g->records[i]) <= 0;
    if (!sorted)
        qsort(g->records, g->count, sizeof g->records[0], record_sort_lsn);
    size_t n = 0;
    for (size_t i = 0; i < g->count; i++)
        if (i + 1 == g->count || lsn_compare(g->records[i]->lsn, g->records[i + 1]->lsn) != 0)
            g->records[n++] = g->records[i];
    g->count = n;
}

/* Rows stay in the queue; only the committer takes them out, so pointers to them stay good. */
static enum dol_err gather_pending(struct index *ix, struct lsn bound, struct gather *g)
{
    size_t records_max = 1, rows_max = 1;
    enum dol_err err = DOL_ENOMEM;
    pthread_mutex_lock(&ix->queue_lock);
    list_for_each(n, &ix->pending)
    {
        rows_max++;
        records_max += container_of(n, struct pending_row, list)->record_count;
    }
    g->rows = malloc(rows_max * sizeof(struct pending_row *));
    g->records = malloc(records_max * sizeof(const struct pending_record *));
    if (g->rows == NULL || g->records == NULL)
        goto out;
    struct lsn applied = ix->state.applied;
    list_for_each(n, &ix->pending)
    {
        struct pending_row *row = container_of(n, struct pending_row, list);
        g->rows[g->row_count++] = row;
        for (size_t i = 0; i < row->record_count; i++) {
            const struct pending_record *rec = &row->records[i];
            if (lsn_compare(rec->lsn, applied) > 0 && lsn_compare(rec->lsn, bound) <= 0)
                g->records[g->count++] = rec;
        }
    }
    err = DOL_OK;
out:
    pthread_mutex_unlock(&ix->queue_lock);
    if (err == DOL_OK)
        gather_sort(g);
    return err;
}

/*
 * The positions that move with a bound: of each row all of whose records are at or below it, unless an older row of the
 * same slab waits. Such rows are moved to the front of g->rows; returns how many there are. slabs gets the last
 * position of each slab.
 */
static size_t gather_rows(struct gather *g, struct lsn bound, struct index_slab *slabs, size_t *slab_count)
{
    size_t done = 0, waiting = 0;
    struct pending_row **wait = g->rows + g->row_count; /* the second half of the array */
    *slab_count = 0;
    for (size_t i = 0; i < g->row_count; i++) {
        struct pending_row *row = g->rows[i];
        bool ready = lsn_compare(row->highest, bound) <= 0;
        for (size_t j = 0; j < waiting && ready; j++)
            ready = wait[j]->after.slab != row->after.slab || !uuid_equal(wait[j]->after.life, row->after.life);
        if (!ready) {
            wait[waiting++] = row;
            continue;
        }
        g->rows[done++] = row;
        size_t s = 0;
        while (s < *slab_count && (slabs[s].slab != row->after.slab || !uuid_equal(slabs[s].life, row->after.life)))
            s++;
        slabs[s] = row->after;
        if (s == *slab_count)
            (*slab_count)++;
    }
    for (size_t i = 0; i < waiting; i++)
        g->rows[done + i] = wait[i];
    return done;
}

/* Out of the queue, into the list of what is applied but may be seen. */
static size_t rows_applied(struct index *ix, struct pending_row **rows, size_t count)
{
    size_t records = 0;
    pthread_mutex_lock(&ix->queue_lock);
    for (size_t i = 0; i < count; i++) {
        list_remove(&rows[i]->list);
        ix->pending_bytes -= rows[i]->bytes;
        ix->pending_records -= rows[i]->count;
        records += rows[i]->count;
    }
    pthread_mutex_unlock(&ix->queue_lock);
    uint64_t tag = views_turn(ix);
    for (size_t i = 0; i < count; i++) {
        rows[i]->tag = tag;
        list_push_back(&ix->applied, &rows[i]->list);
    }
    return records;
}

/* Unlinks what is applied and unseen, frees what is unlinked and unseen. */
static void rows_trim(struct index *ix)
{
    struct list_node unlinked;
    list_init(&unlinked);
    list_for_each_safe(n, next, &ix->applied)
    {
        struct pending_row *row = container_of(n, struct pending_row, list);
        if (!views_are_gone(ix, row->tag))
            break;
        if (lsn_compare(row->node_highest, ix->state.applied) > 0)
            continue; /* holds a merged state of a record that still waits */
        overlay_mark(row->nodes);
        list_remove(n);
        list_push_back(&unlinked, n);
    }
    if (!list_is_empty(&unlinked)) {
        overlay_sweep(&ix->overlay);
        uint64_t tag = views_turn(ix);
        for (struct list_node *n; (n = list_pop_front(&unlinked)) != NULL;) {
            container_of(n, struct pending_row, list)->tag = tag;
            list_push_back(&ix->retired, n);
        }
    }
    list_for_each_safe(n, next, &ix->retired)
    {
        struct pending_row *row = container_of(n, struct pending_row, list);
        if (!views_are_gone(ix, row->tag))
            break;
        list_remove(n);
        row_free(row);
    }
}

static enum dol_err batch_apply(struct index *ix, const struct pending_record *const *records, size_t count,
                                const struct index_slab *slabs, size_t slab_count, struct lsn bound)
{
    uint64_t need = (uint64_t)(slab_count + 8) * PAGE_BYTES_ESTIMATE;
    for (size_t i = 0; i < count; i++)
        need += 2 * records[i]->payload.len + RECORD_PAGES_ESTIMATE * PAGE_BYTES_ESTIMATE;
    enum dol_err err = env_grow(ix, need, ENV_IF_NEEDED);
    for (unsigned i = 0; err == DOL_OK && i < GROW_TRIES_MAX; i++) {
        err = apply_batch(ix, records, count, slabs, slab_count, bound);
        if (err != DOL_ETOOLARGE)
            return err;
        err = env_grow(ix, need, ENV_DOUBLE);
    }
    return err == DOL_OK ? DOL_EFULL : err;
}

/* The bound of the batch that begins with records[at]. */
static struct lsn batch_bound(const struct gather *g, size_t at, struct lsn upto, size_t *count)
{
    *count = g->count - at;
    if (*count <= INDEX_BATCH_RECORDS_MAX)
        return upto;
    *count = INDEX_BATCH_RECORDS_MAX;
    return g->records[at + *count - 1]->lsn;
}

static enum dol_err commit_gathered(struct index *ix, struct gather *g, struct lsn upto, size_t *applied_records)
{
    enum dol_err err = DOL_OK;
    size_t at = 0;
    struct index_slab *slabs = malloc((g->row_count + 1) * sizeof *slabs);
    if (slabs == NULL)
        return DOL_ENOMEM;
    struct pending_row **grown = realloc(g->rows, (2 * g->row_count + 1) * sizeof(struct pending_row *));
    if (grown == NULL) {
        free(slabs);
        return DOL_ENOMEM;
    }
    g->rows = grown;
    do {
        size_t count, slab_count;
        struct lsn bound = batch_bound(g, at, upto, &count);
        size_t rows = gather_rows(g, bound, slabs, &slab_count);
        if (count == 0 && rows == 0)
            break;
        err = batch_apply(ix, g->records + at, count, slabs, slab_count, bound);
        if (err != DOL_OK)
            break;
        *applied_records += rows_applied(ix, g->rows, rows);
        g->row_count -= rows;
        memmove(g->rows, g->rows + rows, g->row_count * sizeof(struct pending_row *));
        at += count;
    } while (at < g->count);
    free(slabs);
    return err;
}

enum dol_err index_commit(struct index *ix, struct lsn upto, size_t *applied_records)
{
    dol_assert_magic(ix, INDEX_MAGIC);
    *applied_records = 0;
    struct gather g = {.records = NULL};
    pthread_mutex_lock(&ix->commit_lock);
    enum dol_err err = ix->broken;
    if (err != DOL_OK)
        goto out;
    pthread_mutex_lock(&ix->queue_lock);
    /* Never beyond what was seen: records to come have higher LSNs. */
    struct lsn bound = lsn_compare(upto, ix->published) < 0 ? upto : ix->published;
    if (lsn_compare(bound, ix->state.applied) < 0)
        bound = ix->state.applied;
    pthread_mutex_unlock(&ix->queue_lock);
    err = gather_pending(ix, bound, &g);
    if (err == DOL_OK)
        err = commit_gathered(ix, &g, bound, applied_records);
    if (err == DOL_OK)
        err = env_extend(ix);
    if (err != DOL_OK && err != DOL_ENOMEM) {
        ix->broken = err;
        if (err != DOL_EFULL)
            index_retire(ix);
        log_error("index", "%s: cannot apply: %s", ix->dir, dol_err_text(err));
    }
    rows_trim(ix);
out:
    pthread_mutex_unlock(&ix->commit_lock);
    free(g.records);
    free(g.rows);
    return err;
}
