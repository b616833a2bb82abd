/* Membership: see members.h. The superblock's table of drives changes with the lock held, and on loop 0 alone. */
#include "members.h"

#include <stdio.h>
#include <stdlib.h>

#include "dol_assert.h"
#include "log.h"
#include "pool_create.h"

/* ---- the rules ---- */

bool pool_drive_is_member(const struct pool *pool, unsigned drive)
{
    return pool->drives[drive].drive != NULL && !atomic_load(&pool->drives[drive].faulted);
}

bool pool_drive_takes_slabs(const struct pool *pool, unsigned drive)
{
    return pool_drive_is_member(pool, drive) &&
           atomic_load(&pool->drives[drive].from_epoch) <= atomic_load(&pool->epoch);
}

bool pool_drive_is_complete(const struct pool *pool, unsigned drive)
{
    return pool->drives[drive].drive != NULL && atomic_load(&pool->drives[drive].from_epoch) == 0;
}

bool pool_drives_are_missing(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->drive_count; i++)
        if (!pool_drive_is_member(pool, i) || !pool_drive_is_complete(pool, i))
            return true;
    return false;
}

unsigned superblock_members(const struct superblock *sb)
{
    unsigned n = 0;
    for (unsigned i = 0; i < sb->drive_count; i++)
        n += sb->drives[i].state == DRIVE_STATE_ACTIVE;
    return n;
}

bool superblock_allows_writing(const struct superblock *sb, unsigned present)
{
    unsigned drives = 0;
    for (unsigned i = 0; i < sb->drive_count; i++)
        drives += sb->drives[i].state != DRIVE_STATE_RETIRED;
    return present + sb->m >= drives && 2 * present > superblock_members(sb);
}

void pool_geometry(const struct pool *pool, unsigned *k, unsigned *m)
{
    unsigned healthy = 0;
    for (unsigned i = 0; i < pool->drive_count; i++)
        healthy += pool_drive_takes_slabs(pool, i);
    *k = pool->sb.k;
    *m = pool->sb.m;
    if (healthy >= *k + *m)
        return;
    if (*m > 0 && healthy >= 2) {
        *m = healthy > *m ? *m : healthy - 1;
        *k = healthy - *m;
    } else {
        *k = 0;
    }
}

void pool_describe_members(const struct pool *pool, char *out, size_t capacity)
{
    unsigned away = 0, k, m;
    size_t n = 0;
    char numbers[100] = "";
    for (unsigned i = 0; i < pool->drive_count; i++) {
        if (pool_drive_is_member(pool, i) && pool_drive_is_complete(pool, i))
            continue;
        if (n < sizeof numbers)
            n += (size_t)snprintf(numbers + n, sizeof numbers - n, "%s%u", away > 0 ? "," : "", i);
        away++;
    }
    pool_geometry(pool, &k, &m);
    if (away == 0)
        out[0] = '\0';
    else
        snprintf(out, capacity, "%u of %u drives are away or being rebuilt (number %s): new slabs are %u+%u", away,
                 pool->drive_count, numbers, k, m);
}

/* ---- superblocks ---- */

struct superblock_job {
    struct drive *drive;
    struct superblock *sb;
    struct join *join;
    enum dol_err err;
};

static void superblock_job_run(void *arg)
{
    struct superblock_job *job = arg;
    job->err = superblock_write_all(job->drive, job->sb);
    join_done(job->join);
}

/* Once, to all members; EIO when one of them failed, which is marked. */
static enum dol_err write_to_members(struct pool *pool)
{
    struct superblock_job jobs[FORMAT_DRIVES_MAX];
    struct superblock *copies = calloc(pool->drive_count, sizeof *copies);
    struct join join;
    enum dol_err err = DOL_OK;

    if (copies == NULL)
        return DOL_ENOMEM;
    join_init(&join);
    for (unsigned i = 0; i < pool->drive_count; i++) {
        jobs[i] = (struct superblock_job){NULL, &copies[i], &join, DOL_OK};
        if (!pool_drive_is_member(pool, i))
            continue;
        jobs[i].drive = pool->drives[i].drive;
        copies[i] = pool->sb;
        copies[i].drive = pool->drives[i].uuid;
        join_add(&join);
        if (fiber_spawn(superblock_job_run, &jobs[i], "superblock") != DOL_OK)
            superblock_job_run(&jobs[i]);
    }
    join_wait(&join);
    for (unsigned i = 0; i < pool->drive_count; i++) {
        if (jobs[i].drive == NULL || jobs[i].err == DOL_OK)
            continue;
        if (jobs[i].err == DOL_EIO)
            atomic_store(&pool->drives[i].faulted, true);
        log_error("pool", "superblock not written drive=%s error=%s", jobs[i].drive->name, dol_err_name(jobs[i].err));
        err = jobs[i].err;
    }
    pool->sb.sequence += SUPERBLOCK_COPIES;
    free(copies);
    return err;
}

static bool has_failed(const struct pool *pool, unsigned drive)
{
    uint8_t state = pool->sb.drives[drive].state;
    return atomic_load(&pool->drives[drive].faulted) &&
           (state == DRIVE_STATE_ACTIVE || state == DRIVE_STATE_REBUILDING);
}

/* Those that failed are absent in the next epoch; not durable yet. *changed: there are such. EIO: not allowed. */
static enum dol_err expel_failed(struct pool *pool, bool *changed)
{
    unsigned failed = 0, whole = 0;
    for (unsigned i = 0; i < pool->drive_count; i++) {
        failed += has_failed(pool, i);
        whole += pool->sb.drives[i].state == DRIVE_STATE_ACTIVE && !has_failed(pool, i);
    }
    *changed = failed > 0;
    if (failed == 0)
        return DOL_OK;
    if (!superblock_allows_writing(&pool->sb, whole)) {
        pool_set_read_only(pool, "writes to %u drives failed: with what is left nothing may be written", failed);
        return DOL_EIO;
    }
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->drive_count; i++) {
        if (!has_failed(pool, i))
            continue;
        pool->sb.drives[i].state = DRIVE_STATE_ABSENT;
        log_error("pool", "drive %s failed and leaves the pool", pool->drives[i].drive->name);
    }
    pool->sb.epoch++;
    pool_count_free(pool);
    pthread_mutex_unlock(&pool->lock);
    return DOL_OK;
}

/* Rows are written under the epoch once every member has it. */
static enum dol_err write_until_durable(struct pool *pool)
{
    bool changed;
    enum dol_err err;
    do {
        err = expel_failed(pool, &changed);
        if (err == DOL_OK)
            err = write_to_members(pool);
        if (err != DOL_EIO || pool_is_read_only(pool))
            break;
    } while (true);
    if (err == DOL_OK)
        atomic_store(&pool->epoch, pool->sb.epoch);
    return err;
}

enum dol_err pool_write_superblocks(struct pool *pool)
{
    dol_assert(loop_index() == 0);
    gate_enter(&pool->superblock_gate);
    enum dol_err err = write_until_durable(pool);
    gate_leave(&pool->superblock_gate);
    return err;
}

enum dol_err pool_members_change(struct pool *pool, pool_members_fn *fn, unsigned drive)
{
    dol_assert(loop_index() == 0);
    gate_enter(&pool->superblock_gate);
    pthread_mutex_lock(&pool->lock);
    pool->sb.epoch++;
    fn(pool, drive);
    pthread_mutex_unlock(&pool->lock);
    enum dol_err err = write_until_durable(pool);
    pthread_mutex_lock(&pool->lock);
    pool_count_free(pool);
    pthread_mutex_unlock(&pool->lock);
    gate_leave(&pool->superblock_gate);
    return err;
}

/* ---- from any loop ---- */

static bool anything_failed(struct pool *pool)
{
    bool failed = false;
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->drive_count; i++)
        failed |= has_failed(pool, i);
    failed |= atomic_load(&pool->epoch) != pool->sb.epoch;
    pthread_mutex_unlock(&pool->lock);
    return failed;
}

struct settle_request {
    struct pool *pool;
    struct fiber *waiter;
    enum dol_err err;
    atomic_bool done;
};

static enum dol_err settle(struct pool *pool)
{
    enum dol_err err = DOL_OK;
    gate_enter(&pool->superblock_gate);
    if (anything_failed(pool))
        err = write_until_durable(pool);
    gate_leave(&pool->superblock_gate);
    return err;
}

static void settle_run(void *arg)
{
    struct settle_request *s = arg;
    struct fiber *waiter = s->waiter;
    s->err = settle(s->pool);
    atomic_store(&s->done, true);
    fiber_wake(waiter);
}

enum dol_err pool_members_settle(struct pool *pool)
{
    if (!anything_failed(pool))
        return DOL_OK;
    if (loop_index() == 0)
        return settle(pool);
    struct settle_request s = {.pool = pool, .waiter = fiber_self()};
    enum dol_err err = runtime_spawn(runtime_self(), 0, settle_run, &s, "members");
    if (err != DOL_OK)
        return err;
    while (!atomic_load(&s.done))
        fiber_park();
    return s.err;
}
