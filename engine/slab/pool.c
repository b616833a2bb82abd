/*
 * Pool: superblocks, membership, the slab table and the order of records.
 *
 * Opening: every drive's newest good superblock is read; the one with the highest (epoch, sequence) speaks for the
 * pool; drives it doesn't name are foreign and refused, one that it names as absent has come back stale. A read-write
 * open first raises `run` durably on every drive: a slab, a life or an LSN of this run can't exist before that.
 */
#include "pool.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "dol_assert.h"
#include "hash.h"
#include "log.h"
#include "members.h"
#include "pool_create.h"

#define COMPLIANCE_CREDIT_MAX_MS (7ull * 24 * 3600 * 1000)
#define NS_PER_S                 1000000000ull

/* ---- superblock I/O ---- */

enum dol_err superblock_write_all(struct drive *drive, struct superblock *sb)
{
    uint8_t *buf = aligned_alloc(FORMAT_BLOCK_BYTES, SUPERBLOCK_BYTES);
    if (buf == NULL)
        return DOL_ENOMEM;
    enum dol_err err = DOL_OK;
    for (unsigned i = 0; i < SUPERBLOCK_COPIES && err == DOL_OK; i++) {
        sb->sequence++;
        superblock_encode(sb, buf);
        err = drive_write(drive, (uint64_t)i * SUPERBLOCK_STRIDE_BYTES, buf, SUPERBLOCK_BYTES);
    }
    free(buf);
    return err;
}

enum dol_err superblock_read_best(struct drive *drive, struct superblock *out)
{
    uint8_t *buf = aligned_alloc(FORMAT_BLOCK_BYTES, SUPERBLOCK_BYTES);
    struct superblock *sb = malloc(sizeof *sb);
    enum dol_err result = DOL_ENOTPOOL;
    bool found = false;
    if (buf == NULL || sb == NULL) {
        result = DOL_ENOMEM;
        goto out;
    }
    for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
        enum dol_err err = drive_read(drive, (uint64_t)i * SUPERBLOCK_STRIDE_BYTES, buf, SUPERBLOCK_BYTES);
        if (err == DOL_OK)
            err = superblock_decode(buf, sb);
        if (err == DOL_OK && (!found || sb->sequence > out->sequence)) {
            *out = *sb;
            found = true;
        } else if (err != DOL_OK && err != DOL_ENOTPOOL && !found) {
            result = err;
        }
    }
    if (found)
        result = DOL_OK;
out:
    free(buf);
    free(sb);
    return result;
}

/* ---- compliance clock ---- */

static void compliance_clock_start(struct pool *pool, const struct superblock *all, unsigned count)
{
    uint64_t clock_s = 0;
    uint64_t credit_ms = pool->sb.compliance_credit_ms;
    for (unsigned i = 0; i < count; i++)
        if (all[i].compliance_clock_s > clock_s)
            clock_s = all[i].compliance_clock_s;
    int64_t now_s = clock_realtime_ns() / (int64_t)NS_PER_S;
    if (now_s > 0 && (uint64_t)now_s > clock_s) {
        /* time the machine was off is caught up from earned credit only */
        uint64_t lag_ms = ((uint64_t)now_s - clock_s) * 1000;
        uint64_t spend_ms = lag_ms < credit_ms ? lag_ms : credit_ms;
        clock_s += spend_ms / 1000;
        credit_ms -= spend_ms;
    }
    pool->sb.compliance_clock_s = clock_s;
    pool->sb.compliance_credit_ms = credit_ms;
    pool->clock.base_s = clock_s;
    pool->clock.opened_boottime_ns = clock_boottime_ns();
}

uint64_t pool_compliance_now_s(const struct pool *pool)
{
    return pool->clock.base_s + (clock_boottime_ns() - pool->clock.opened_boottime_ns) / NS_PER_S;
}

static void compliance_clock_persist(struct pool *pool)
{
    uint64_t ran_ms = (clock_boottime_ns() - pool->clock.opened_boottime_ns) / 1000000;
    uint64_t credit = pool->sb.compliance_credit_ms + ran_ms * 7 / 365;
    pool->sb.compliance_credit_ms = credit < COMPLIANCE_CREDIT_MAX_MS ? credit : COMPLIANCE_CREDIT_MAX_MS;
    pool->sb.compliance_clock_s = pool_compliance_now_s(pool);
}

/* ---- opening ---- */

static bool is_newer(const struct superblock *a, const struct superblock *b)
{
    return a->epoch != b->epoch ? a->epoch > b->epoch : a->sequence > b->sequence;
}

/* Reads all superblocks and picks the one that speaks for the pool. */
static enum dol_err read_superblocks(const struct store_config *config, struct superblock *all, struct superblock *best)
{
    bool found = false;
    for (unsigned i = 0; i < config->drive_count; i++) {
        enum dol_err err = superblock_read_best(config->drives[i], &all[i]);
        if (err == DOL_ENOMEM)
            return err;
        if (err != DOL_OK) {
            log_warn("pool", "no usable superblock drive=%s error=%s", config->drives[i]->name, dol_err_name(err));
            memset(&all[i], 0, sizeof all[i]);
            if (err == DOL_EFORMAT)
                return err;
            continue;
        }
        if (found && !uuid_equal(best->pool, all[i].pool)) {
            log_error("pool", "drives of two pools were given: %s belongs to another pool", config->drives[i]->name);
            return DOL_EINVAL;
        }
        if (!found || is_newer(&all[i], best))
            *best = all[i];
        found = true;
    }
    return found ? DOL_OK : DOL_ENOTPOOL;
}

/* By what the pool knows of a drive, and by what the drive says: it left, or is an earlier incarnation. */
static bool is_stale(const struct superblock_drive *known, const struct superblock *own)
{
    uint32_t incarnation = 0;
    for (unsigned i = 0; i < own->drive_count; i++)
        if (uuid_equal(own->drives[i].uuid, own->drive))
            incarnation = own->drives[i].incarnation;
    return known->state == DRIVE_STATE_ABSENT || known->incarnation != incarnation;
}

static enum dol_err assign_drives(struct pool *pool, const struct store_config *config, const struct superblock *all)
{
    pool->drive_count = pool->sb.drive_count;
    for (unsigned i = 0; i < pool->drive_count; i++) {
        struct pool_drive *d = &pool->drives[i];
        d->uuid = pool->sb.drives[i].uuid;
        d->incarnation = pool->sb.drives[i].incarnation;
        d->extents = pool->sb.drives[i].extents;
        d->extents_free = d->extents;
        d->extent_used = calloc(d->extents ? d->extents : 1, 1);
        d->extent_suspect = calloc(d->extents ? d->extents : 1, 1);
        if (d->extent_used == NULL || d->extent_suspect == NULL)
            return DOL_ENOMEM;
    }
    for (unsigned i = 0; i < config->drive_count; i++) {
        if (uuid_is_zero(all[i].pool))
            continue;
        struct pool_drive *d = NULL;
        bool absent = false;
        for (unsigned j = 0; j < pool->drive_count; j++) {
            if (!uuid_equal(pool->drives[j].uuid, all[i].drive))
                continue;
            d = &pool->drives[j];
            absent = is_stale(&pool->sb.drives[j], &all[i]);
            if (!absent && pool->sb.drives[j].state == DRIVE_STATE_REBUILDING)
                atomic_store(&d->from_epoch, pool->sb.drives[j].joined_epoch);
        }
        if (d == NULL || d->drive != NULL || d->returned != NULL) {
            log_error("pool", "drive %s is %s", config->drives[i]->name,
                      d ? "a copy of another one" : "not a member any more");
            return DOL_EINVAL;
        }
        if (absent) {
            log_warn("pool", "drive %s is stale: it was away since epoch %llu, the pool is at %llu",
                     config->drives[i]->name, (unsigned long long)all[i].epoch, (unsigned long long)pool->sb.epoch);
            d->returned = config->drives[i];
        } else {
            d->drive = config->drives[i];
        }
    }
    return DOL_OK;
}

/* Drives that are not there leave the membership with the run that begins. */
static void leave_without(struct pool *pool)
{
    for (unsigned i = 0; i < pool->drive_count; i++)
        if (pool->drives[i].drive == NULL && pool->sb.drives[i].state != DRIVE_STATE_RETIRED)
            pool->sb.drives[i].state = DRIVE_STATE_ABSENT;
    pool->sb.epoch++;
}

static void judge_membership(struct pool *pool, enum store_access access)
{
    unsigned missing = 0, present = 0;
    bool cannot_write = access == STORE_READ_ONLY, left = false;
    char names[100] = "";
    for (unsigned i = 0; i < pool->drive_count; i++) {
        if (pool->drives[i].drive == NULL) {
            size_t n = strlen(names);
            snprintf(names + n, sizeof names - n, "%s%u", missing ? "," : "", i);
            missing++;
            left |=
                pool->sb.drives[i].state == DRIVE_STATE_ACTIVE || pool->sb.drives[i].state == DRIVE_STATE_REBUILDING;
            continue;
        }
        present += pool->sb.drives[i].state == DRIVE_STATE_ACTIVE;
        cannot_write |= pool->drives[i].drive->read_only;
        if (pool->drives[i].drive->size_bytes < pool->sb.drives[i].size_bytes)
            pool_set_read_only(pool, "drive %s has shrunk from %llu to %llu bytes", pool->drives[i].drive->name,
                               (unsigned long long)pool->sb.drives[i].size_bytes,
                               (unsigned long long)pool->drives[i].drive->size_bytes);
    }
    if (pool->sb.masks.ro_data != 0 || pool->sb.masks.ro_meta != 0)
        pool_set_read_only(pool, "the pool was written by a newer version, which this one may only read");
    if ((missing > 0 && cannot_write) || !superblock_allows_writing(&pool->sb, present))
        pool_set_read_only(pool, "%u of %u drives missing, stale or without a usable superblock (number %s)", missing,
                           pool->drive_count, names);
    else if (cannot_write)
        pool_set_read_only(pool, "opened read-only");
    if (left && !pool_is_read_only(pool))
        leave_without(pool);
    pthread_mutex_lock(&pool->lock);
    pool_count_free(pool);
    pthread_mutex_unlock(&pool->lock);
}

static enum dol_err open_keys(struct pool *pool, const struct store_config *config)
{
    if (!pool->sb.encrypted)
        return opener_new(NULL, &pool->opener);
    if (config->key_file == NULL)
        return DOL_EKEY;
    struct master_key master;
    enum dol_err err = keyfile_read(config->key_file, pool->sb.pool, &master);
    if (err != DOL_OK) {
        log_error("pool", "key file %s: %s", config->key_file, dol_err_text(err));
        return DOL_EKEY;
    }
    err = keyring_open(&master, &pool->sb, &pool->keys);
    secret_wipe(&master, sizeof master);
    if (err == DOL_OK)
        err = opener_new(pool->keys, &pool->opener);
    return err;
}

/* What was freed by any drive's account was freed. */
static void note_generation(struct pool *pool, const struct superblock *all, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (all[i].generation > pool->sb.generation)
            pool->sb.generation = all[i].generation;
}

static enum dol_err begin_run(struct pool *pool, const struct superblock *all, unsigned count)
{
    uint64_t run = pool->sb.run;
    for (unsigned i = 0; i < count; i++)
        if (all[i].run > run)
            run = all[i].run;
    pool->run = run + 1;
    atomic_store(&pool->epoch, pool->sb.epoch);
    if (pool->read_only)
        return DOL_OK;
    pool->sb.run = pool->run;
    enum dol_err err = pool_write_superblocks(pool);
    if (err != DOL_OK && err != DOL_ESTOPPED) {
        pool_set_read_only(pool, "a superblock could not be written");
        err = DOL_OK;
    }
    return err;
}

static void pool_free_memory(struct pool *pool)
{
    for (unsigned i = 0; i < POOL_SLAB_BUCKETS; i++) {
        while (pool->slabs[i] != NULL) {
            struct slab *next = pool->slabs[i]->hash_next;
            free(pool->slabs[i]);
            pool->slabs[i] = next;
        }
    }
    for (unsigned i = 0; i < pool->ec_count; i++)
        ec_free(pool->ecs[i]);
    for (unsigned i = 0; i < pool->drive_count; i++) {
        free(pool->drives[i].extent_used);
        free(pool->drives[i].extent_suspect);
    }
    if (pool->opener != NULL)
        opener_free(pool->opener);
    if (pool->keys != NULL)
        keyring_free(pool->keys);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

enum dol_err pool_open(const struct store_config *config, struct pool **out)
{
    dol_assert(config->drive_count >= 1 && config->drive_count <= FORMAT_DRIVES_MAX);
    struct superblock *all = calloc(config->drive_count, sizeof *all);
    struct pool *pool = calloc(1, sizeof *pool);
    enum dol_err err = DOL_ENOMEM;
    const struct ec *ec;

    if (all == NULL || pool == NULL) {
        free(pool);
        pool = NULL;
        goto out;
    }
    pool->magic = POOL_MAGIC;
    pthread_mutex_init(&pool->lock, NULL);
    pool->lsn_next = 1;
    for (unsigned i = 0; i <= POOL_LOOPS_MAX; i++)
        pool->lsn_inflight[i] = UINT64_MAX;
    pool->loops = runtime_loops(runtime_self());
    dol_assert(pool->loops <= POOL_LOOPS_MAX);
    gate_init(&pool->superblock_gate, 1);
    for (unsigned i = 0; i < pool->loops; i++) {
        gate_init(&pool->rebuild_gates[i], POOL_REBUILDS_MAX);
        gate_init(&pool->range_gates[i], POOL_RANGE_REBUILDS_MAX);
    }

    if ((err = read_superblocks(config, all, &pool->sb)) != DOL_OK)
        goto out;
    if ((err = assign_drives(pool, config, all)) != DOL_OK)
        goto out;
    pool->slabs_reserve = pool_slabs_reserve(pool);
    judge_membership(pool, config->access);
    if ((err = open_keys(pool, config)) != DOL_OK)
        goto out;
    if ((err = pool_ec(pool, pool->sb.k, pool->sb.m, &ec)) != DOL_OK)
        goto out;
    compliance_clock_start(pool, all, config->drive_count);
    note_generation(pool, all, config->drive_count);
    if ((err = begin_run(pool, all, config->drive_count)) != DOL_OK)
        goto out;
    pool->given_count = config->drive_count;
    memcpy(pool->given, config->drives, config->drive_count * sizeof pool->given[0]);
    *out = pool;
    pool = NULL;
out:
    if (pool != NULL)
        pool_free_memory(pool);
    free(all);
    return err;
}

void pool_close(struct pool *pool)
{
    dol_assert_magic(pool, POOL_MAGIC);
    if (!pool_is_read_only(pool)) {
        compliance_clock_persist(pool);
        if (pool_write_superblocks(pool) != DOL_OK)
            log_warn("pool", "the compliance clock could not be saved on every drive");
    }
    for (unsigned i = 0; i < pool->given_count && pool->owns_drives; i++)
        drive_close(pool->given[i]);
    pool_free_memory(pool);
}

/* ---- state ---- */

enum dol_err pool_ec(struct pool *pool, unsigned k, unsigned m, const struct ec **out)
{
    enum dol_err err = DOL_OK;
    struct ec *ec = NULL;
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->ec_count; i++) {
        if (pool->ec_geometry[i].k == k && pool->ec_geometry[i].m == m) {
            *out = pool->ecs[i];
            goto out;
        }
    }
    if (pool->ec_count == POOL_EC_MAX) {
        err = DOL_EUNSUPPORTED;
        goto out;
    }
    err = ec_new(k, m, &ec);
    if (err == DOL_OK)
        err = ec_selftest(ec);
    if (err != DOL_OK) {
        ec_free(ec);
        log_error("pool", "erasure code %u+%u failed its self-test: %s", k, m, dol_err_text(err));
        goto out;
    }
    pool->ecs[pool->ec_count] = ec;
    pool->ec_geometry[pool->ec_count].k = (uint8_t)k;
    pool->ec_geometry[pool->ec_count].m = (uint8_t)m;
    pool->ec_count++;
    *out = ec;
out:
    pthread_mutex_unlock(&pool->lock);
    return err;
}

void pool_set_read_only(struct pool *pool, const char *format, ...)
{
    bool first = false;
    char reason[sizeof pool->reason];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    pthread_mutex_lock(&pool->lock);
    if (!pool->read_only) {
        pool->read_only = true;
        memcpy(pool->reason, reason, sizeof reason);
        first = true;
    }
    pthread_mutex_unlock(&pool->lock);
    if (first)
        log_error("pool", "read-only: %s", reason);
}

bool pool_is_read_only(struct pool *pool)
{
    return atomic_load_explicit(&pool->read_only, memory_order_relaxed);
}

/* ---- slab table ---- */

static unsigned slab_bucket(uint64_t id)
{
    return (unsigned)((id ^ id >> 29) * 0x9e3779b97f4a7c15ull >> 40) % POOL_SLAB_BUCKETS;
}

struct slab *pool_slab_find(struct pool *pool, uint64_t id)
{
    pthread_mutex_lock(&pool->lock);
    struct slab *s = pool->slabs[slab_bucket(id)];
    while (s != NULL && s->id != id)
        s = s->hash_next;
    pthread_mutex_unlock(&pool->lock);
    return s;
}

struct slab *pool_slab_pin(struct pool *pool, uint64_t id)
{
    pthread_mutex_lock(&pool->lock);
    struct slab *s = pool->slabs[slab_bucket(id)];
    while (s != NULL && s->id != id)
        s = s->hash_next;
    if (s != NULL && s->state == SLAB_STATE_FREED)
        s = NULL;
    if (s != NULL)
        s->pins++;
    pthread_mutex_unlock(&pool->lock);
    return s;
}

void pool_slab_unpin(struct pool *pool, struct slab *slab)
{
    pthread_mutex_lock(&pool->lock);
    dol_assert(slab->pins > 0);
    slab->pins--;
    pthread_mutex_unlock(&pool->lock);
}

void pool_slab_add(struct pool *pool, struct slab *slab)
{
    pthread_mutex_lock(&pool->lock);
    struct slab **head = &pool->slabs[slab_bucket(slab->id)];
    slab->hash_next = *head;
    *head = slab;
    pool->slab_count++;
    pthread_mutex_unlock(&pool->lock);
}

void pool_slab_remove(struct pool *pool, struct slab *slab)
{
    pthread_mutex_lock(&pool->lock);
    struct slab **at = &pool->slabs[slab_bucket(slab->id)];
    while (*at != slab)
        at = &(*at)->hash_next;
    *at = slab->hash_next;
    pool->slab_count--;
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m); i++) {
        struct pool_drive *d = &pool->drives[slab->members[i].drive];
        if (d->extent_used[slab->members[i].extent]) {
            d->extent_used[slab->members[i].extent] = 0;
            d->extents_free++;
        }
    }
    pool_count_free(pool);
    pthread_mutex_unlock(&pool->lock);
    free(slab);
}

void pool_slab_each(struct pool *pool, pool_slab_fn *fn, void *arg)
{
    for (unsigned i = 0; i < POOL_SLAB_BUCKETS; i++) {
        pthread_mutex_lock(&pool->lock);
        for (struct slab *s = pool->slabs[i]; s != NULL; s = s->hash_next)
            fn(arg, s);
        pthread_mutex_unlock(&pool->lock);
    }
}

struct slab_ids {
    pool_slab_wanted_fn *wanted;
    const void *arg;
    uint64_t *ids;
    size_t count, capacity;
    bool failed;
};

static void collect_id(void *arg, struct slab *slab)
{
    struct slab_ids *all = arg;
    if (all->wanted != NULL && !all->wanted(all->arg, slab))
        return;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 256;
        uint64_t *grown = realloc(all->ids, capacity * sizeof *grown);
        all->failed = all->failed || grown == NULL;
        if (grown == NULL)
            return;
        all->ids = grown;
        all->capacity = capacity;
    }
    all->ids[all->count++] = slab->id;
}

static int by_id(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return a < b ? -1 : a > b;
}

enum dol_err pool_slab_ids(struct pool *pool, pool_slab_wanted_fn *wanted, const void *arg, uint64_t **ids,
                           size_t *count)
{
    struct slab_ids all = {.wanted = wanted, .arg = arg};
    pool_slab_each(pool, collect_id, &all);
    if (all.count > 0)
        qsort(all.ids, all.count, sizeof *all.ids, by_id);
    *ids = all.ids;
    *count = all.count;
    return all.failed ? DOL_ENOMEM : DOL_OK;
}

void pool_count_free(struct pool *pool)
{
    /* the largest s such that s slabs of k + m extents on distinct drives fit: sum(min(free, s)) >= s * (k + m) */
    uint32_t extents_free[FORMAT_DRIVES_MAX];
    unsigned drives = 0, k, m;
    uint32_t lo = 0, hi = 0;
    for (unsigned i = 0; i < pool->drive_count; i++)
        if (pool_drive_takes_slabs(pool, i))
            extents_free[drives++] = pool->drives[i].extents_free;
    for (unsigned i = 0; i < drives; i++)
        hi = extents_free[i] > hi ? extents_free[i] : hi;
    pool_geometry(pool, &k, &m);
    while (lo < hi && k > 0) {
        uint32_t s = lo + (hi - lo + 1) / 2;
        uint64_t sum = 0;
        for (unsigned i = 0; i < drives; i++)
            sum += extents_free[i] < s ? extents_free[i] : s;
        if (sum >= (uint64_t)s * (k + m))
            lo = s;
        else
            hi = s - 1;
    }
    atomic_store(&pool->slabs_free, lo);
}

unsigned pool_slabs_reserve(const struct pool *pool)
{
    uint64_t extents = 0;
    for (unsigned i = 0; i < pool->drive_count; i++)
        extents += pool->drives[i].extents;
    uint64_t slabs = extents / (unsigned)(pool->sb.k + pool->sb.m);
    unsigned wanted = 2 * pool->loops + POOL_SLABS_LAST;
    /* a small pool: what a restart takes from every loop, but not more than half of all */
    unsigned least = pool->loops + 1 + POOL_SLABS_LAST;
    if (least > slabs / 2)
        least = slabs / 2 > POOL_SLABS_LAST ? (unsigned)(slabs / 2) : POOL_SLABS_LAST + 1;
    if (slabs / 8 >= wanted)
        return wanted;
    return slabs / 8 > least ? (unsigned)(slabs / 8) : least;
}

bool pool_is_full(struct pool *pool)
{
    return atomic_load(&pool->slabs_free) < pool->slabs_reserve;
}

/* ---- LSNs ---- */

struct lsn pool_lsn_take(struct pool *pool, unsigned loop, uint64_t count)
{
    pthread_mutex_lock(&pool->lock);
    dol_assert(pool->lsn_inflight[loop] == UINT64_MAX);
    struct lsn first = {pool->run, pool->lsn_next};
    pool->lsn_inflight[loop] = pool->lsn_next;
    pool->lsn_next += count;
    pthread_mutex_unlock(&pool->lock);
    return first;
}

void pool_lsn_done(struct pool *pool, unsigned loop)
{
    pthread_mutex_lock(&pool->lock);
    pool->lsn_inflight[loop] = UINT64_MAX;
    pthread_mutex_unlock(&pool->lock);
}

struct lsn pool_lsn_bound(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    uint64_t next = pool->lsn_next;
    for (unsigned i = 0; i <= pool->loops; i++)
        if (pool->lsn_inflight[i] < next)
            next = pool->lsn_inflight[i];
    struct lsn bound = {pool->run, next - 1};
    pthread_mutex_unlock(&pool->lock);
    return bound;
}

struct lsn pool_lsn_last(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct lsn last = {pool->run, pool->lsn_next - 1};
    pthread_mutex_unlock(&pool->lock);
    return last;
}
