/*
 * Reclaiming space: see gc.h and docs/design/reclaim.md.
 *
 * A slab's way out: what is needed of it is copied (compact.c), the copies are applied, its books are empty, nobody is
 * shown a place in it any more -> the `freed` record is durable and applied -> nobody reads it -> the superblocks know
 * the generation -> its headers go -> its extents are free, its graves go from the index. Whatever cuts this short, the
 * next open finds a whole slab, or a freed one, and goes on from there.
 */
#include "gc.h"

#include <stdlib.h>

#include "compact.h"
#include "dol_assert.h"
#include "free.h"
#include "log.h"
#include "members.h"
#include "recover.h"

#define GC_POLL_NS          (1000ull * 1000 * 1000)
#define GC_SETTLE_NS        (5ull * 1000 * 1000)
#define GC_SETTLE_TRIES_MAX 2000u
#define GC_SHOWN_TRIES_MAX  1000u          /* for views to end; they are short */
#define GC_RATE_BYTES_S     (256ull << 20) /* read and copied, unless clients are refused for want of space ... */
#define GC_RATE_LOW_BYTES_S (1ull << 30)   /* ... or will be soon */
#define GC_LIVE_PERCENT     50u            /* of a slab: more isn't copied ... */
#define GC_LIVE_PERCENT_LOW 80u            /* ... unless free slabs are few */
#define GC_VOID_PART        4u             /* work begins when a quarter of the pool could be had back */
#define GC_SLABS_MAX        65536u
#define GC_BLOCKERS_MAX     16u
#define GC_SKIPPED_MAX      64u
#define GC_SKIP_NS          (600ull * 1000 * 1000 * 1000) /* a slab that can't be read whole is left alone so long */

struct gc {
    struct store *store;
    atomic_bool running, blocked; /* status reads them */
    bool stopping, audited;
    bool manual;
    struct {
        uint64_t slab, until_ns;
    } skipped[GC_SKIPPED_MAX];
    unsigned skipped_next;
    struct gate turn; /* the fiber's, or gc_run()'s */
    struct fiber *waiter;
};

/* A slab that might be freed, as far as its books say. */
struct candidate {
    uint64_t slab;
    uint64_t capacity, live; /* bytes of data */
};
struct candidates {
    struct candidate *items;
    unsigned count;
    uint64_t capacity, live;
};

/* ---- steps ---- */

static bool has_to_stop(const struct gc *gc)
{
    return gc->stopping || pool_is_read_only(gc->store->pool);
}

/* Everything acknowledged until now is applied. EBUSY: a row in flight doesn't end. */
static enum dol_err settle(struct gc *gc)
{
    struct store *s = gc->store;
    struct lsn last = pool_lsn_last(s->pool);
    for (unsigned i = 0; lsn_compare(pool_lsn_bound(s->pool), last) < 0; i++) {
        if (has_to_stop(gc) || i == GC_SETTLE_TRIES_MAX)
            return has_to_stop(gc) ? DOL_ESTOPPED : DOL_EBUSY;
        fiber_sleep(GC_SETTLE_NS);
    }
    enum dol_err err = store_commit_index(s);
    if (err != DOL_OK)
        pool_set_read_only(s->pool, "the index can't be written (%s): remove its folder and restart, it is rebuilt",
                           dol_err_text(err));
    return err;
}

/* Once per run: an index that has lain about, or that a crash has left, is not believed unseen (rule 8). */
static enum dol_err audit(struct gc *gc)
{
    if (gc->audited)
        return DOL_OK;
    enum dol_err err = store_audit_index(gc->store);
    gc->audited = err == DOL_OK;
    return err;
}

struct shown_job {
    struct index *index;
    uint64_t slab;
    bool shown;
};

static void shown_run(void *arg)
{
    struct shown_job *job = arg;
    job->shown = index_shows_slab(job->index, job->slab);
}

/* Until nobody can be given a place in the slab by what is not yet, or was just, moved into LMDB. */
static enum dol_err wait_unseen(struct gc *gc, uint64_t slab)
{
    for (unsigned i = 0; i < GC_SHOWN_TRIES_MAX; i++) {
        struct shown_job job = {gc->store->index, slab, false};
        offload_run(shown_run, &job);
        if (!job.shown)
            return DOL_OK;
        if (has_to_stop(gc))
            return DOL_ESTOPPED;
        fiber_sleep(GC_SETTLE_NS);
        enum dol_err err = settle(gc); /* trims */
        if (err != DOL_OK)
            return err;
    }
    return DOL_EBUSY;
}

/* Nothing of the slab is needed, by its books. */
static enum dol_err check_empty(struct gc *gc, const struct slab *slab)
{
    struct index_view *view;
    struct index_live live;
    enum dol_err err = index_view_begin(gc->store->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_live_get(view, slab->id, &live);
    index_view_end(view);
    if (err != DOL_OK || (live.records == 0 && live.cancels == 0))
        return err;
    log_error("gc",
              "slab %llx still has %llu records that are needed, and %llu that keep others void, after all were copied",
              (unsigned long long)slab->id, (unsigned long long)live.records, (unsigned long long)live.cancels);
    index_doubt(gc->store->index, "a slab's books aren't empty after its compaction");
    return DOL_ECORRUPT;
}

static enum dol_err append_freed(struct gc *gc, const struct slab *slab, uint64_t generation)
{
    uint8_t body[128];
    struct tlv_writer w;
    const struct freed_body freed = {slab->id, slab->life, generation};
    tlv_writer_init(&w, body, sizeof body);
    freed_body_encode(&freed, &w);
    dol_assert(!w.overflow);
    struct bytes payload = bytes_of(body, w.len);
    struct append_record record = {.kind = RECORD_FREED, .parts = {payload}, .part_count = 1, .payload = payload};
    struct append_group group = {.records = &record, .count = 1};
    return compact_append(gc->store, &group);
}

/* The index has taken the record, and agrees. */
static enum dol_err check_freed(struct gc *gc, const struct slab *slab)
{
    struct index_slab known;
    enum dol_err err = index_slab_get(gc->store->index, slab->id, &known);
    if (err == DOL_OK && known.state == SLAB_STATE_FREED && uuid_equal(known.life, slab->life))
        return DOL_OK;
    index_doubt(gc->store->index, "a freed slab is not known as freed");
    return err == DOL_OK ? DOL_ECORRUPT : err;
}

struct final_job {
    struct index *index;
    uint64_t slab;
    struct uuid life;
    enum dol_err err;
};

static void final_run(void *arg)
{
    struct final_job *job = arg;
    job->err = index_slab_final(job->index, job->slab, job->life);
}

/* What is needed of the slab is copied, published and applied. */
static enum dol_err free_slab(struct gc *gc, struct slab *slab)
{
    struct store *s = gc->store;
    struct final_job final = {s->index, slab->id, slab->life, DOL_OK};
    uint64_t known = index_generation(s->index);
    uint64_t generation = (known > s->pool->sb.generation ? known : s->pool->sb.generation) + 1;
    enum dol_err err = settle(gc);
    if (err == DOL_OK)
        err = check_empty(gc, slab);
    if (err == DOL_OK)
        err = wait_unseen(gc, slab->id);
    if (err == DOL_OK)
        err = append_freed(gc, slab, generation);
    if (err == DOL_OK)
        err = settle(gc);
    if (err == DOL_OK)
        err = check_freed(gc, slab);
    if (err != DOL_OK)
        return err;
    pool_slab_retire(s->pool, slab);
    err = pool_note_generation(s->pool, generation);
    if (err == DOL_OK)
        err = pool_slab_erase(s->pool, slab);
    if (err != DOL_OK)
        return err;
    atomic_fetch_add(&s->pool->counters.slabs_freed, 1);
    offload_run(final_run, &final);
    return final.err;
}

/* ---- space ---- */

static uint64_t pool_slabs_total(const struct pool *pool)
{
    uint64_t extents = 0;
    for (unsigned i = 0; i < pool->drive_count; i++)
        extents += pool->drives[i].extents;
    return extents / (unsigned)(pool->sb.k + pool->sb.m);
}

static bool space_is_low(const struct gc *gc)
{
    struct pool *pool = gc->store->pool;
    return atomic_load(&pool->slabs_free) < pool->slabs_reserve + pool_slabs_total(pool) / 8;
}

static uint64_t rate(const struct gc *gc)
{
    if (gc->manual || pool_is_full(gc->store->pool))
        return 0;
    return space_is_low(gc) ? GC_RATE_LOW_BYTES_S : GC_RATE_BYTES_S;
}

/* ---- one slab ---- */

static bool is_complete(struct gc *gc, const struct slab *slab)
{
    struct index_slab known;
    return (slab->state == SLAB_STATE_SEALED || slab->state == SLAB_STATE_ENDED) && slab->rows > 0 &&
           index_slab_get(gc->store->index, slab->id, &known) == DOL_OK && known.complete && known.rows == slab->rows &&
           known.state != SLAB_STATE_FREED && uuid_equal(known.life, slab->life);
}

static enum dol_err has_sources(struct gc *gc, uint64_t slab, bool *out)
{
    struct index_view *view;
    enum dol_err err = index_view_begin(gc->store->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_has_sources(view, slab, out);
    index_view_end(view);
    return err;
}

/* EBUSY: it has to wait for others; *blocked_by (0: none that could be named). */
static enum dol_err reclaim(struct gc *gc, uint64_t id, uint64_t *blocked_by)
{
    struct store *s = gc->store;
    struct slab *slab = pool_slab_find(s->pool, id);
    bool sources = false;
    *blocked_by = 0;
    if (slab == NULL || !is_complete(gc, slab))
        return DOL_EBUSY;
    enum dol_err err = has_sources(gc, id, &sources);
    if (err != DOL_OK || sources)
        return err == DOL_OK ? DOL_EBUSY : err;
    struct compaction c = {.store = s,
                           .slab = slab,
                           .stopping = &gc->stopping,
                           .rate_bytes_s = rate(gc),
                           .dead_upto = pins_take_dying(&s->pins)};
    err = settle(gc); /* who had a pin that counted no more, has published by now */
    if (err == DOL_OK)
        err = compact_slab(&c);
    *blocked_by = c.blocked_by;
    if (err != DOL_OK)
        return err;
    err = free_slab(gc, slab);
    if (err != DOL_OK)
        return err;
    atomic_fetch_add(&s->pool->counters.slabs_compacted, c.records_moved > 0);
    log_info("gc", "freed slab=%llx records_moved=%llu bytes_moved=%llu bytes_read=%llu slabs_free=%u",
             (unsigned long long)id, (unsigned long long)c.records_moved, (unsigned long long)c.bytes_moved,
             (unsigned long long)c.bytes_read, atomic_load(&s->pool->slabs_free));
    return DOL_OK;
}

static bool is_skipped(const struct gc *gc, uint64_t slab)
{
    for (unsigned i = 0; i < GC_SKIPPED_MAX; i++)
        if (gc->skipped[i].slab == slab && gc->skipped[i].until_ns > clock_monotonic_ns())
            return true;
    return false;
}

static void skip(struct gc *gc, uint64_t slab)
{
    unsigned i = gc->skipped_next++ % GC_SKIPPED_MAX;
    gc->skipped[i].slab = slab;
    gc->skipped[i].until_ns = clock_monotonic_ns() + GC_SKIP_NS;
}

static unsigned live_percent_max(const struct gc *gc)
{
    return gc->manual || space_is_low(gc) ? GC_LIVE_PERCENT_LOW : GC_LIVE_PERCENT;
}

/* A slab that only stands in the way of another, which it would free: when space is low, whatever is live in it. */
static bool may_unblock(struct gc *gc, uint64_t id)
{
    struct index_view *view;
    struct index_live live;
    const struct slab *slab = pool_slab_find(gc->store->pool, id);
    if (slab == NULL || index_view_begin(gc->store->index, &view) != DOL_OK)
        return false;
    enum dol_err err = index_live_get(view, id, &live);
    index_view_end(view);
    uint64_t capacity = gc->store->pool->sb.extent_bytes * slab->k;
    return err == DOL_OK && (gc->manual || space_is_low(gc) || live.bytes * 100 <= capacity * live_percent_max(gc));
}

/* With those before it whose verdicts it holds. */
static enum dol_err reclaim_chain(struct gc *gc, uint64_t id, unsigned *freed)
{
    uint64_t chain[GC_BLOCKERS_MAX];
    unsigned depth = 0;
    chain[depth++] = id;
    while (depth > 0) {
        uint64_t at = chain[depth - 1], blocker = 0;
        enum dol_err err = is_skipped(gc, at) ? DOL_EBUSY : reclaim(gc, at, &blocker);
        if (err == DOL_EBUSY && blocker != 0 && depth < GC_BLOCKERS_MAX && may_unblock(gc, blocker)) {
            chain[depth++] = blocker;
            continue;
        }
        if (err == DOL_EINCOMPLETE)
            skip(gc, at);
        if (err != DOL_OK)
            return err;
        ++*freed;
        depth--;
    }
    return DOL_OK;
}

/* ---- which slab ---- */

static void collect_slab(void *arg, struct slab *slab)
{
    struct candidates *all = arg;
    enum slab_state state = slab->state;
    if ((state != SLAB_STATE_SEALED && state != SLAB_STATE_ENDED) || slab->rows == 0 || all->count == GC_SLABS_MAX)
        return;
    struct candidate *grown = realloc(all->items, (all->count + 1) * sizeof *grown);
    if (grown == NULL)
        return;
    all->items = grown;
    all->items[all->count++] = (struct candidate){.slab = slab->id, .capacity = slab->k};
}

static int emptiest_first(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    double x = (double)a->live / (double)a->capacity, y = (double)b->live / (double)b->capacity;
    if (x < y || x > y)
        return x < y ? -1 : 1;
    return a->slab < b->slab ? -1 : a->slab > b->slab;
}

static enum dol_err collect(struct gc *gc, struct candidates *all)
{
    struct store *s = gc->store;
    struct index_view *view;
    *all = (struct candidates){.count = 0};
    pool_slab_each(s->pool, collect_slab, all);
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    for (unsigned i = 0; i < all->count && err == DOL_OK; i++) {
        struct candidate *c = &all->items[i];
        struct index_live live;
        err = index_live_get(view, c->slab, &live);
        c->capacity *= s->pool->sb.extent_bytes;
        c->live = live.bytes;
        all->capacity += c->capacity;
        all->live += c->live < c->capacity ? c->live : c->capacity;
    }
    index_view_end(view);
    if (all->count > 0)
        qsort(all->items, all->count, sizeof *all->items, emptiest_first);
    return err;
}

/* Is there enough to be had back for work to begin? */
static bool is_worth_it(const struct gc *gc, const struct candidates *all)
{
    struct pool *pool = gc->store->pool;
    uint64_t usable = pool_slabs_total(pool) * pool->sb.k * pool->sb.extent_bytes;
    return gc->manual || space_is_low(gc) || (all->capacity - all->live) >= usable / GC_VOID_PART;
}

/* Drives that are not there, or headers that can't be read: what a slab's absence means isn't known. */
static bool pool_is_whole(struct gc *gc)
{
    struct pool *pool = gc->store->pool;
    return !pool_drives_are_missing(pool) && !pool_scan_has_gaps(pool);
}

/* Goes through the slabs once; EBUSY for one isn't an error, the next is tried. */
static enum dol_err pass(struct gc *gc, unsigned *freed)
{
    struct candidates all;
    enum dol_err err = settle(gc);
    if (err != DOL_OK)
        return err;
    err = collect(gc, &all);
    if (err == DOL_OK && !is_worth_it(gc, &all))
        goto out;
    if (err == DOL_OK)
        err = audit(gc);
    for (unsigned i = 0; i < all.count && err == DOL_OK; i++) {
        const struct candidate *c = &all.items[i];
        unsigned before = *freed;
        if (has_to_stop(gc))
            err = DOL_ESTOPPED;
        else if (index_is_unsure(gc->store->index))
            err = DOL_ECORRUPT;
        else if (c->live * 100 > c->capacity * live_percent_max(gc) || !is_worth_it(gc, &all))
            break;
        else
            err = reclaim_chain(gc, c->slab, freed);
        if (*freed > before)
            all.capacity -= c->capacity; /* what was live in it is so elsewhere */
        if (err == DOL_EBUSY || err == DOL_EINCOMPLETE)
            err = DOL_OK;
    }
out:
    free(all.items);
    return err;
}

/* ---- the fiber ---- */

static enum dol_err turn(struct gc *gc, unsigned *freed)
{
    *freed = 0;
    if (gc->blocked || !pool_is_whole(gc))
        return DOL_EBUSY;
    gate_enter(&gc->turn);
    enum dol_err err = has_to_stop(gc) ? DOL_EREADONLY : pass(gc, freed);
    gate_leave(&gc->turn);
    if (err == DOL_ECORRUPT && !gc->blocked) {
        gc->blocked = true;
        log_error("gc", "no more space is reclaimed until the next start");
    }
    return err;
}

static void gc_main(void *arg)
{
    struct gc *gc = arg;
    uint64_t next_ns = clock_monotonic_ns() + GC_POLL_NS;
    while (!gc->stopping) {
        unsigned freed = 0;
        fiber_sleep(GC_POLL_NS / 10); /* so that a close need not wait long */
        if (clock_monotonic_ns() < next_ns || pool_is_read_only(gc->store->pool))
            continue;
        enum dol_err err = turn(gc, &freed);
        if (err != DOL_OK && err != DOL_EBUSY && err != DOL_ESTOPPED && err != DOL_EREADONLY && err != DOL_ECORRUPT)
            log_warn("gc", "a slab could not be freed now: %s", dol_err_text(err));
        next_ns = clock_monotonic_ns() + (freed > 0 ? 0 : GC_POLL_NS);
    }
    gc->running = false;
    if (gc->waiter != NULL)
        fiber_wake(gc->waiter);
}

enum dol_err gc_start(struct store *s, enum gc_start how)
{
    struct gc *gc = calloc(1, sizeof *gc);
    if (gc == NULL)
        return DOL_ENOMEM;
    gc->store = s;
    gc->manual = how == GC_BY_HAND;
    gate_init(&gc->turn, 1);
    s->gc = gc;
    if (gc->manual)
        return DOL_OK;
    gc->running = true;
    enum dol_err err = runtime_spawn(runtime_self(), 0, gc_main, gc, "gc");
    gc->running = err == DOL_OK;
    return err;
}

void gc_stop(struct store *s)
{
    struct gc *gc = s->gc;
    if (gc == NULL)
        return;
    gc->stopping = true;
    gc->waiter = fiber_self();
    while (gc->running)
        fiber_park();
    free(gc);
    s->gc = NULL;
}

enum dol_err gc_run(struct store *s, unsigned *freed)
{
    *freed = 0;
    if (s->gc == NULL)
        return DOL_EREADONLY;
    dol_assert(loop_index() == 0);
    return turn(s->gc, freed);
}

void gc_counts_get(struct store *s, struct gc_counts *out)
{
    struct pool_counters *c = &s->pool->counters;
    *out = (struct gc_counts){.slabs_freed = atomic_load(&c->slabs_freed),
                              .slabs_compacted = atomic_load(&c->slabs_compacted),
                              .bytes_moved = atomic_load(&c->bytes_moved),
                              .running = s->gc != NULL && s->gc->running,
                              .blocked = s->gc != NULL && s->gc->blocked};
}

bool gc_may_make_room(struct store *s)
{
    return s->gc != NULL && !s->gc->manual && !atomic_load(&s->gc->blocked);
}
