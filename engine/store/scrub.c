/*
 * Passes over the pool: slab by slab, window by window, at a bandwidth limit. docs/design/scrub.md tells the story.
 *
 * One fiber, on loop 0, for the time of a pass, and its walkers, which each have a slab: while the window of one is
 * being judged on an offload thread, those of others are being read. The report belongs to the lock; walkers add to it
 * after each window.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "hash.h"
#include "log.h"
#include "scrub_impl.h"

#define SCRUB_WALKERS       4u                    /* slabs at the same time */
#define SCRUB_SLICE_NS      (50ull * 1000 * 1000) /* of sleep, between looks at whether to stop */
#define SCRUB_WAIT_NS       (5ull * 1000 * 1000)
#define SCRUB_AUDIT_TRIES   5u
#define SCRUB_AUDIT_WAIT_NS (200ull * 1000 * 1000)
#define SCRUB_BURST_NS_MAX  (100ull * 1000 * 1000) /* what was not used of the bandwidth is kept so long */

struct scrub {
    struct store *store;
    pthread_mutex_t lock;
    bool running, closed;             /* lock */
    struct store_scrub_status status; /* lock */
    atomic_bool stopping;
    uint64_t began_ns, next_ns; /* the fibers', all of loop 0 */
};

enum dol_err scrub_new(struct store *s, struct scrub **out)
{
    struct scrub *scrub = calloc(1, sizeof *scrub);
    if (scrub == NULL)
        return DOL_ENOMEM;
    scrub->store = s;
    pthread_mutex_init(&scrub->lock, NULL);
    *out = scrub;
    return DOL_OK;
}

void scrub_free(struct scrub *scrub)
{
    if (scrub == NULL)
        return;
    dol_assert(!scrub->running);
    pthread_mutex_destroy(&scrub->lock);
    free(scrub);
}

/* ---- what is reported ---- */

const char *store_scrub_kind_name(enum store_scrub_kind kind)
{
    static const char *const names[SCRUB_KINDS] = {
        [SCRUB_UNIT_HEADER] = "unit_header",
        [SCRUB_UNIT_PAYLOAD] = "unit_payload",
        [SCRUB_UNIT_UNREADABLE] = "unit_unreadable",
        [SCRUB_ROW_LOST] = "row_lost",
        [SCRUB_ROW_PARITY] = "row_parity",
        [SCRUB_ROW_CHAIN] = "row_chain",
        [SCRUB_RECORD] = "record",
        [SCRUB_CONTENT] = "content",
        [SCRUB_REFERENCE] = "reference",
        [SCRUB_INDEX] = "index",
    };
    dol_assert(kind < SCRUB_KINDS);
    return names[kind];
}

static void describe(const struct slab_scrub *w, const struct scrub_finding *f, struct store_scrub_finding *out)
{
    static const struct sha256 none = {{0}};
    *out = (struct store_scrub_finding){.kind = f->kind,
                                        .repaired = f->repaired,
                                        .slab = w->id,
                                        .row = f->row,
                                        .lsn_run = f->lsn.run,
                                        .lsn_counter = f->lsn.counter};
    if (f->member != SCRUB_NO_MEMBER)
        hex_encode(w->pool->drives[w->slab->members[f->member].drive].uuid.b, sizeof(struct uuid), out->drive);
    if (!sha256_equal(&f->hash, &none))
        hex_encode(f->hash.b, sizeof f->hash.b, out->hash);
}

static void log_finding(const struct store_scrub_finding *f)
{
    log_warn("scrub", "found %s slab=%llx row=%llu%s%s%s%s%s", store_scrub_kind_name((enum store_scrub_kind)f->kind),
             (unsigned long long)f->slab, (unsigned long long)f->row, f->drive[0] != '\0' ? " drive=" : "", f->drive,
             f->hash[0] != '\0' ? " hash=" : "", f->hash, f->repaired ? ": repaired" : "");
}

static bool is_unit_kind(unsigned kind)
{
    return kind == SCRUB_UNIT_HEADER || kind == SCRUB_UNIT_PAYLOAD || kind == SCRUB_UNIT_UNREADABLE;
}

static bool is_loss(unsigned kind)
{
    return kind == SCRUB_ROW_LOST || kind == SCRUB_RECORD || kind == SCRUB_CONTENT || kind == SCRUB_REFERENCE;
}

/* Lock held. Found by the window, or by what is looked at as a whole. */
static void add_found(struct store_scrub_status *st, unsigned kind, uint64_t count)
{
    st->now.found[kind] += count;
    st->found[kind] += count;
    if (is_loss(kind)) {
        st->now.unrecoverable += count;
        st->unrecoverable += count;
    }
}

/* Lock held. */
static void add_findings(struct store_scrub_status *st, const struct slab_scrub *w)
{
    struct store_scrub_report *r = &st->now;
    for (unsigned kind = 0; kind < SCRUB_KINDS; kind++)
        add_found(st, kind, w->counts.found[kind]);
    for (unsigned i = 0; i < w->finding_count; i++) {
        const struct scrub_finding *f = &w->findings[i];
        if (is_unit_kind(f->kind)) {
            r->units_repaired += f->repaired;
            r->units_unrepaired += !f->repaired;
            st->units_repaired += f->repaired;
            st->units_unrepaired += !f->repaired;
        }
        if (r->finding_count == STORE_SCRUB_FINDINGS_MAX)
            continue;
        describe(w, f, &r->findings[r->finding_count++]);
    }
}

static void add_window(struct scrub *scrub, const struct slab_scrub *w, uint64_t bytes_done)
{
    struct store_scrub_status *st = &scrub->status;
    unsigned told = st->now.finding_count; /* only fibers of this loop add to it */
    pthread_mutex_lock(&scrub->lock);
    st->now.duration_ns = clock_monotonic_ns() - scrub->began_ns;
    st->now.bytes_done += bytes_done;
    if (st->now.bytes < st->now.bytes_done)
        st->now.bytes = st->now.bytes_done; /* rows have been added since it was summed up */
    st->now.bytes_read += w->counts.bytes;
    st->bytes_read += w->counts.bytes;
    st->now.rows += w->counts.rows;
    st->now.units += w->counts.units;
    st->now.records += w->counts.records;
    st->now.chunks += w->counts.chunks;
    st->now.units_unverified += w->counts.units_unverified;
    st->now.rows_unverified += w->counts.rows_unverified;
    add_findings(st, w);
    pthread_mutex_unlock(&scrub->lock);
    while (told < st->now.finding_count)
        log_finding(&st->now.findings[told++]);
}

void store_scrub_status_get(struct store *s, struct store_scrub_status *out)
{
    pthread_mutex_lock(&s->scrub->lock);
    *out = s->scrub->status;
    pthread_mutex_unlock(&s->scrub->lock);
}

uint64_t scrub_unrecoverable(struct scrub *scrub)
{
    pthread_mutex_lock(&scrub->lock);
    uint64_t now = scrub->status.now.unrecoverable, last = scrub->status.last.unrecoverable;
    pthread_mutex_unlock(&scrub->lock);
    return now > last ? now : last;
}

/* ---- one slab ---- */

struct judge_job {
    struct slab_scrub *w;
    struct record_check *check;
    enum dol_err err;
};

static void judge_run(void *arg)
{
    struct judge_job *job = arg;
    job->err = slab_scrub_judge(job->w, record_check_row, job->check);
}

/* ESTOPPED */
static enum dol_err slow_down(struct scrub *scrub, uint64_t bytes)
{
    uint64_t rate = scrub->status.now.bandwidth_bytes_s; /* set before the pass, by whoever began it */
    uint64_t now = clock_monotonic_ns();
    if (rate > 0) {
        if (scrub->next_ns + SCRUB_BURST_NS_MAX < now)
            scrub->next_ns = now - SCRUB_BURST_NS_MAX;
        scrub->next_ns += bytes * 1000000000ull / rate;
        const uint64_t due = scrub->next_ns; /* others add to it meanwhile: walkers come after one another */
        while (!atomic_load(&scrub->stopping) && (now = clock_monotonic_ns()) < due)
            fiber_sleep(due - now < SCRUB_SLICE_NS ? due - now : SCRUB_SLICE_NS);
    }
    return atomic_load(&scrub->stopping) ? DOL_ESTOPPED : DOL_OK;
}

/* Of rows, as the index has applied them: those are acknowledged. */
static enum dol_err applied_rows(struct scrub *scrub, uint64_t slab, struct index_slab *out)
{
    enum dol_err err = index_slab_get(scrub->store->index, slab, out);
    return err == DOL_OK && (out->rows == 0 || out->state == SLAB_STATE_FREED) ? DOL_ENOTFOUND : err;
}

static enum dol_err scrub_window(struct scrub *scrub, struct slab_scrub *w, struct record_check *check)
{
    uint32_t from = w->block;
    enum dol_err err = slab_scrub_read(w);
    if (err != DOL_OK)
        return err;
    struct judge_job job = {w, check, DOL_OK};
    offload_run(judge_run, &job);
    err = job.err;
    if (err == DOL_OK)
        err = slab_scrub_repair(w);
    add_window(scrub, w, (uint64_t)(w->block - from) * FORMAT_BLOCK_BYTES * w->members);
    slab_scrub_release(w);
    return err == DOL_OK ? slow_down(scrub, w->counts.bytes) : err;
}

static enum dol_err scrub_slab(struct scrub *scrub, uint64_t id, struct record_check *check)
{
    struct index_slab known;
    enum dol_err err = applied_rows(scrub, id, &known);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    struct slab_scrub *w = malloc(sizeof *w);
    if (w == NULL)
        return DOL_ENOMEM;
    slab_scrub_init(w, scrub->store->pool, id, known.life, known.rows, (uint32_t)known.end_block);
    while ((err = scrub_window(scrub, w, check)) == DOL_OK)
        continue;
    slab_scrub_fini(w);
    free(w);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

/* ---- a pass ---- */

/* The slabs of a pass, as walkers take them. */
struct walk {
    struct scrub *scrub;
    uint64_t *ids;
    size_t count, next;
    struct join walkers;
    enum dol_err err; /* the first one; ends the walk */
};

static enum dol_err collect(struct scrub *scrub, struct walk *walk)
{
    struct pool *pool = scrub->store->pool;
    uint64_t bytes = 0;
    enum dol_err err = pool_slab_ids(pool, NULL, NULL, &walk->ids, &walk->count);
    if (err != DOL_OK)
        return err;
    for (size_t i = 0; i < walk->count && (err == DOL_OK || err == DOL_ENOTFOUND); i++) {
        struct index_slab known;
        struct slab *slab = pool_slab_pin(pool, walk->ids[i]);
        if (slab == NULL)
            continue;
        err = applied_rows(scrub, walk->ids[i], &known);
        if (err == DOL_OK)
            bytes += (known.end_block - EXTENT_HEADER_BYTES / FORMAT_BLOCK_BYTES) * FORMAT_BLOCK_BYTES *
                     (unsigned)(slab->k + slab->m);
        pool_slab_unpin(pool, slab);
    }
    pthread_mutex_lock(&scrub->lock);
    scrub->status.now.slabs = walk->count;
    scrub->status.now.bytes = bytes;
    pthread_mutex_unlock(&scrub->lock);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

/* The index against itself: references, and the books of slabs. One that stays busy is asked in the next pass. */
static enum dol_err audit(struct scrub *scrub)
{
    enum dol_err err = DOL_OK;
    bool unsure = index_is_unsure(scrub->store->index);
    for (unsigned i = 0; i < SCRUB_AUDIT_TRIES && !unsure; i++) {
        err = store_audit_index(scrub->store);
        if (err != DOL_EBUSY || atomic_load(&scrub->stopping))
            break;
        fiber_sleep(SCRUB_AUDIT_WAIT_NS);
    }
    pthread_mutex_lock(&scrub->lock);
    bool told = scrub->status.now.found[SCRUB_INDEX] > 0;
    if ((unsure || err == DOL_ECORRUPT) && !told)
        add_found(&scrub->status, SCRUB_INDEX, 1);
    pthread_mutex_unlock(&scrub->lock);
    return err == DOL_EBUSY || err == DOL_ECORRUPT ? DOL_OK : err;
}

static void walker_main(void *arg)
{
    struct walk *walk = arg;
    struct scrub *scrub = walk->scrub;
    struct record_check check = {.store = scrub->store};
    while (walk->err == DOL_OK && walk->next < walk->count) {
        uint64_t id = walk->ids[walk->next++];
        enum dol_err err = atomic_load(&scrub->stopping) ? DOL_ESTOPPED : scrub_slab(scrub, id, &check);
        pthread_mutex_lock(&scrub->lock);
        scrub->status.now.slabs_done += err == DOL_OK;
        pthread_mutex_unlock(&scrub->lock);
        if (walk->err == DOL_OK)
            walk->err = err;
    }
    record_check_fini(&check);
    join_done(&walk->walkers);
}

/* As many walkers as can be had; without any, the pass's own fiber is one. */
static void walk_slabs(struct walk *walk)
{
    join_init(&walk->walkers);
    for (unsigned i = 0; i < SCRUB_WALKERS && i < walk->count; i++) {
        join_add(&walk->walkers);
        if (fiber_spawn(walker_main, walk, "scrub-walker") != DOL_OK)
            walker_main(walk);
    }
    join_wait(&walk->walkers);
}

static enum dol_err pass(struct scrub *scrub)
{
    struct walk walk = {.scrub = scrub};
    enum dol_err err = collect(scrub, &walk);
    if (err == DOL_OK) {
        walk_slabs(&walk);
        err = walk.err;
    }
    if (err == DOL_OK)
        err = audit(scrub);
    free(walk.ids);
    return err;
}

static void log_end(const struct store_scrub_report *r)
{
    static const char *const how[] = {"", "", "finished", "stopped", "failed"};
    uint64_t found = 0;
    for (unsigned i = 0; i < SCRUB_KINDS; i++)
        found += r->found[i];
    log_info("scrub",
             "%s slabs=%llu rows=%llu units=%llu records=%llu bytes=%llu seconds=%llu found=%llu repaired=%llu "
             "unrepaired=%llu unrecoverable=%llu unverified_units=%llu unverified_rows=%llu",
             how[r->state], (unsigned long long)r->slabs_done, (unsigned long long)r->rows,
             (unsigned long long)r->units, (unsigned long long)r->records, (unsigned long long)r->bytes_read,
             (unsigned long long)(r->duration_ns / 1000000000u), (unsigned long long)found,
             (unsigned long long)r->units_repaired, (unsigned long long)r->units_unrepaired,
             (unsigned long long)r->unrecoverable, (unsigned long long)r->units_unverified,
             (unsigned long long)r->rows_unverified);
    if (r->unrecoverable > 0)
        log_error("scrub", "ALARM: %llu rows, records or references are lost; 'dolmen-fsck' names the objects",
                  (unsigned long long)r->unrecoverable);
}

static void scrub_main(void *arg)
{
    struct scrub *scrub = arg;
    struct store_scrub_report *now = &scrub->status.now;
    scrub->began_ns = scrub->next_ns = clock_monotonic_ns();
    enum dol_err err = pass(scrub);
    pthread_mutex_lock(&scrub->lock);
    now->ended_ns = clock_realtime_ns();
    now->duration_ns = clock_monotonic_ns() - scrub->began_ns;
    now->err = err == DOL_ESTOPPED ? DOL_OK : err;
    now->state = err == DOL_OK ? SCRUB_FINISHED : err == DOL_ESTOPPED ? SCRUB_STOPPED : SCRUB_FAILED;
    scrub->status.passes += err == DOL_OK;
    if (err == DOL_OK) {
        now->bytes = now->bytes_done; /* of slabs that were freed meanwhile nothing is left to do */
        scrub->status.last = *now;
    }
    pthread_mutex_unlock(&scrub->lock);
    log_end(now);
    pthread_mutex_lock(&scrub->lock);
    scrub->running = false;
    pthread_mutex_unlock(&scrub->lock);
}

/* ---- from outside ---- */

enum dol_err store_scrub_start(struct store *s, uint64_t bandwidth_bytes_s)
{
    struct scrub *scrub = s->scrub;
    pthread_mutex_lock(&scrub->lock);
    enum dol_err err = scrub->closed ? DOL_ESTOPPED : scrub->running ? DOL_EBUSY : DOL_OK;
    if (err == DOL_OK) {
        atomic_store(&scrub->stopping, false);
        err = runtime_spawn(runtime_self(), 0, scrub_main, scrub, "scrub");
    }
    if (err == DOL_OK) {
        scrub->running = true; /* the fiber waits for the lock before it looks at the report */
        scrub->status.now = (struct store_scrub_report){
            .state = SCRUB_RUNNING, .started_ns = clock_realtime_ns(), .bandwidth_bytes_s = bandwidth_bytes_s};
    }
    pthread_mutex_unlock(&scrub->lock);
    return err;
}

static bool is_running(struct scrub *scrub)
{
    pthread_mutex_lock(&scrub->lock);
    bool running = scrub->running;
    pthread_mutex_unlock(&scrub->lock);
    return running;
}

bool store_scrub_stop(struct store *s)
{
    struct scrub *scrub = s->scrub;
    if (!is_running(scrub))
        return false;
    atomic_store(&scrub->stopping, true);
    while (is_running(scrub))
        fiber_sleep(SCRUB_WAIT_NS);
    return true;
}

void scrub_close(struct scrub *scrub)
{
    pthread_mutex_lock(&scrub->lock);
    scrub->closed = true;
    pthread_mutex_unlock(&scrub->lock);
    (void)store_scrub_stop(scrub->store);
}
