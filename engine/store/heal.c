/* Healing: see heal.h. */
#include "heal.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "log.h"
#include "members.h"
#include "rebuild.h"
#include "scrub.h"

#define HEAL_RATE_BYTES_S (256ull << 20) /* read and written, of all members together */
#define HEAL_SLICE_NS     (50ull * 1000 * 1000)
#define HEAL_CENSUSES_MAX 4u
#define HEAL_SETTLE_NS    (20ull * 1000 * 1000)
#define HEAL_SETTLES_MAX  500u

struct heal {
    struct store *store;
    bool manual, running, stopping;
    struct fiber *waiter;
    uint64_t next_ns;
    pthread_mutex_t lock;
    struct heal_counts counts; /* lock */
};

/* What one walk over a slab found of the drive's units. */
struct walk_result {
    uint64_t bad, unwritten, lost;
};

static bool has_to_stop(const struct heal *h)
{
    return h->stopping || pool_is_read_only(h->store->pool);
}

static void slow_down(struct heal *h, uint64_t bytes)
{
    uint64_t now = clock_monotonic_ns();
    if (h->manual)
        return;
    if (h->next_ns < now)
        h->next_ns = now;
    h->next_ns += bytes * 1000000000ull / HEAL_RATE_BYTES_S;
    while (!has_to_stop(h) && (now = clock_monotonic_ns()) < h->next_ns)
        fiber_sleep(h->next_ns - now < HEAL_SLICE_NS ? h->next_ns - now : HEAL_SLICE_NS);
}

/* ---- one slab ---- */

static enum dol_err row_is_of_no_interest(void *arg, struct slab_scrub *w, const struct row_image *row)
{
    (void)arg;
    (void)w;
    (void)row;
    return DOL_OK;
}

struct judge_job {
    struct slab_scrub *w;
    enum dol_err err;
};

static void judge_run(void *arg)
{
    struct judge_job *job = arg;
    job->err = slab_scrub_judge(job->w, row_is_of_no_interest, NULL);
}

static void count_findings(const struct slab_scrub *w, struct walk_result *out)
{
    out->lost += w->counts.found[SCRUB_ROW_LOST] + w->counts.rows_unverified;
    for (unsigned i = 0; i < w->finding_count; i++) {
        const struct scrub_finding *f = &w->findings[i];
        if (f->member == SCRUB_NO_MEMBER || w->slab->members[f->member].drive != w->healing ||
            f->kind == SCRUB_ROW_PARITY)
            continue;
        out->bad++;
        out->unwritten += !f->repaired;
    }
}

/* Every row read whole, the drive's units with it; those that are bad are written and read back. */
static enum dol_err walk_rows(struct heal *h, struct slab *slab, unsigned drive, struct walk_result *out)
{
    struct slab_scrub *w = malloc(sizeof *w);
    enum dol_err err = w ? DOL_OK : DOL_ENOMEM;
    if (w == NULL)
        return err;
    slab_scrub_init(w, h->store->pool, slab->id, slab->life, slab->rows, slab->end_block);
    w->healing = drive;
    while (err == DOL_OK && (err = slab_scrub_read(w)) == DOL_OK) {
        struct judge_job job = {w, DOL_OK};
        offload_run(judge_run, &job);
        err = job.err == DOL_OK ? slab_scrub_repair(w) : job.err;
        count_findings(w, out);
        slab_scrub_release(w);
        slow_down(h, w->counts.bytes);
        if (err == DOL_OK && has_to_stop(h))
            err = DOL_ESTOPPED;
        if (err == DOL_OK && out->unwritten > 0)
            err = DOL_EIO;
    }
    slab_scrub_fini(w);
    free(w);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

/* Rows, then what frames them. A slab with its header on the drive has been rebuilt. */
static enum dol_err rebuild_slab(struct heal *h, struct slab *slab, unsigned drive, struct walk_result *out)
{
    bool good = false;
    enum dol_err err = slab_heal_check_frame(h->store->pool, slab, drive, &good);
    if (err == DOL_OK && !good)
        err = walk_rows(h, slab, drive, out);
    if (err == DOL_OK && !good)
        err = slab_heal_frame(h->store->pool, slab, drive);
    return err;
}

static enum dol_err census_slab(struct heal *h, struct slab *slab, unsigned drive, struct walk_result *out)
{
    bool good = false;
    enum dol_err err = walk_rows(h, slab, drive, out);
    if (err == DOL_OK)
        err = slab_heal_check_frame(h->store->pool, slab, drive, &good);
    if (err == DOL_OK && !good) {
        out->bad++;
        err = slab_heal_frame(h->store->pool, slab, drive);
    }
    return err;
}

/* ---- one drive ---- */

struct slabs_of {
    const struct pool *pool;
    unsigned drive;
};

static bool is_to_be_healed(const void *arg, const struct slab *slab)
{
    const struct slabs_of *of = arg;
    return slab->rows > 0 && slab_wants_heal(of->pool, slab, of->drive);
}

/* An open slab with a member that left gets its verdict with the next row of its loop, or when that is idle. */
static enum dol_err pin_when_closed(struct heal *h, uint64_t id, struct slab **out)
{
    struct pool *pool = h->store->pool;
    for (unsigned i = 0; i < HEAL_SETTLES_MAX && !has_to_stop(h); i++) {
        struct slab *slab = pool_slab_pin(pool, id);
        if (slab == NULL || slab->state != SLAB_STATE_OPEN) {
            *out = slab;
            return DOL_OK;
        }
        pool_slab_unpin(pool, slab);
        fiber_sleep(HEAL_SETTLE_NS);
    }
    return has_to_stop(h) ? DOL_ESTOPPED : DOL_EBUSY;
}

typedef enum dol_err slab_step_fn(struct heal *h, struct slab *slab, unsigned drive, struct walk_result *out);

static enum dol_err each_slab(struct heal *h, unsigned drive, slab_step_fn *fn, struct walk_result *out)
{
    const struct slabs_of of = {h->store->pool, drive};
    uint64_t *ids;
    size_t count;
    memset(out, 0, sizeof *out);
    enum dol_err err = pool_slab_ids(h->store->pool, is_to_be_healed, &of, &ids, &count);
    pthread_mutex_lock(&h->lock);
    h->counts.slabs = count;
    h->counts.slabs_done = 0;
    h->counts.census = fn == census_slab;
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < count && err == DOL_OK; i++) {
        struct slab *slab = NULL;
        uint64_t before = out->bad;
        err = has_to_stop(h) ? DOL_ESTOPPED : pin_when_closed(h, ids[i], &slab);
        if (slab == NULL)
            continue;
        err = fn(h, slab, drive, out);
        pool_slab_unpin(h->store->pool, slab);
        pthread_mutex_lock(&h->lock);
        h->counts.slabs_done++;
        h->counts.units_written += out->bad - before;
        pthread_mutex_unlock(&h->lock);
    }
    free(ids);
    return err;
}

/* Until a census finds every unit there, and good. */
static enum dol_err rebuild(struct heal *h, unsigned drive)
{
    struct walk_result found;
    enum dol_err err = each_slab(h, drive, rebuild_slab, &found);
    for (unsigned i = 0; err == DOL_OK && i < HEAL_CENSUSES_MAX; i++) {
        err = each_slab(h, drive, census_slab, &found);
        if (err != DOL_OK || (found.bad == 0 && found.lost == 0))
            break;
        err = found.bad == 0 || i + 1 == HEAL_CENSUSES_MAX ? DOL_ECORRUPT : DOL_OK;
    }
    return err;
}

static enum dol_err heal_drive(struct heal *h, unsigned drive)
{
    struct pool *pool = h->store->pool;
    uint64_t began = clock_monotonic_ns();
    pthread_mutex_lock(&h->lock);
    h->counts = (struct heal_counts){.running = true, .drive = drive};
    pthread_mutex_unlock(&h->lock);
    enum dol_err err = pool_heal_begin(pool, drive);
    if (err == DOL_OK)
        err = rebuild(h, drive);
    if (err == DOL_EIO && pool_drive_is_member(pool, drive)) {
        atomic_store(&pool->drives[drive].faulted, true); /* it doesn't take what it is to hold */
        if (pool_members_settle(pool) != DOL_OK)
            log_error("heal", "the pool can't go on without the drive that was being rebuilt");
    }
    if (err == DOL_OK)
        err = pool_heal_end(pool, drive);
    pthread_mutex_lock(&h->lock);
    h->counts.running = false;
    uint64_t units = h->counts.units_written, slabs = h->counts.slabs;
    pthread_mutex_unlock(&h->lock);
    if (err == DOL_OK)
        log_info("heal", "drive %u is whole slabs=%llu units_written=%llu seconds=%llu", drive,
                 (unsigned long long)slabs, (unsigned long long)units,
                 (unsigned long long)((clock_monotonic_ns() - began) / 1000000000));
    else if (err != DOL_ESTOPPED)
        log_error("heal", "drive %u could not be rebuilt: %s", drive, dol_err_text(err));
    return err;
}

static enum dol_err heal_all(struct heal *h)
{
    enum dol_err err = DOL_OK;
    unsigned drive;
    while (err == DOL_OK && (drive = pool_heal_next(h->store->pool)) != HEAL_NO_DRIVE)
        err = has_to_stop(h) ? DOL_ESTOPPED : heal_drive(h, drive);
    return err;
}

/* ---- from outside ---- */

static void heal_main(void *arg)
{
    struct heal *h = arg;
    (void)heal_all(h); /* the log says what came of it */
    h->running = false;
    if (h->waiter != NULL)
        fiber_wake(h->waiter);
}

enum dol_err heal_start(struct store *s, enum heal_start how)
{
    struct heal *h = calloc(1, sizeof *h);
    if (h == NULL)
        return DOL_ENOMEM;
    h->store = s;
    h->manual = how == HEAL_BY_HAND;
    pthread_mutex_init(&h->lock, NULL);
    s->heal = h;
    if (h->manual || pool_heal_next(s->pool) == HEAL_NO_DRIVE)
        return DOL_OK;
    enum dol_err err = runtime_spawn(runtime_self(), 0, heal_main, h, "heal");
    h->running = err == DOL_OK;
    return err;
}

void heal_stop(struct store *s)
{
    struct heal *h = s->heal;
    if (h == NULL)
        return;
    h->stopping = true;
    h->waiter = fiber_self();
    while (h->running)
        fiber_park();
    pthread_mutex_destroy(&h->lock);
    free(h);
    s->heal = NULL;
}

enum dol_err heal_run(struct store *s)
{
    struct heal *h = s->heal;
    if (h == NULL)
        return DOL_EREADONLY;
    dol_assert(loop_index() == 0);
    while (h->running && !h->stopping) /* there is one healer at a time */
        fiber_sleep(HEAL_SETTLE_NS);
    if (h->stopping)
        return DOL_ESTOPPED;
    h->running = true;
    enum dol_err err = heal_all(h);
    h->running = false;
    if (h->waiter != NULL)
        fiber_wake(h->waiter);
    return err;
}

void heal_counts_get(struct store *s, struct heal_counts *out)
{
    memset(out, 0, sizeof *out);
    if (s->heal == NULL)
        return;
    pthread_mutex_lock(&s->heal->lock);
    *out = s->heal->counts;
    pthread_mutex_unlock(&s->heal->lock);
}
