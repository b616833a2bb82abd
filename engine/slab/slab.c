/*
 * Opening slabs ahead of need, preparing their extents, and choosing drives.
 *
 * A slab exists once its extent headers are durable on every member; a crash before leaves headers on some, and no row,
 * so nothing was acknowledged in it.
 */
#include <stdlib.h>

#include "appender.h"
#include "dol_assert.h"
#include "log.h"
#include "members.h"

struct prepare_job {
    struct drive *drive;
    uint64_t offset, len;
    enum drive_preparation how;
    struct join *join;
    enum dol_err err;
};

static void prepare_job_run(void *arg)
{
    struct prepare_job *job = arg;
    job->err = drive_prepare(job->drive, job->offset, job->len, job->how);
    join_done(job->join);
}

static enum dol_err prepare_members(struct pool *pool, struct slab *slab, uint32_t from, uint32_t to,
                                    enum drive_preparation how)
{
    struct prepare_job jobs[FORMAT_MEMBERS_MAX];
    struct join join;
    unsigned members = (unsigned)(slab->k + slab->m);
    enum dol_err err = DOL_OK;

    join_init(&join);
    for (unsigned i = 0; i < members; i++) {
        jobs[i] = (struct prepare_job){pool->drives[slab->members[i].drive].drive,
                                       pool_extent_offset(pool, slab->members[i].extent, from),
                                       (uint64_t)(to - from) * FORMAT_BLOCK_BYTES,
                                       how,
                                       &join,
                                       DOL_OK};
        join_add(&join);
        if (fiber_spawn(prepare_job_run, &jobs[i], "prepare") != DOL_OK)
            prepare_job_run(&jobs[i]);
    }
    join_wait(&join);
    for (unsigned i = 0; i < members; i++) {
        if (jobs[i].err == DOL_OK)
            continue;
        err = jobs[i].err;
        if (err == DOL_EIO && !atomic_exchange(&pool->drives[slab->members[i].drive].faulted, true))
            log_error("slab", "space can't be prepared drive=%s", jobs[i].drive->name);
    }
    return err;
}

bool slab_is_whole(const struct pool *pool, const struct slab *slab)
{
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m); i++)
        if (!pool_drive_is_member(pool, slab->members[i].drive))
            return false;
    return true;
}

/* One write per member that takes part. */
static enum dol_err write_members(struct pool *pool, struct slab *slab, uint32_t block, uint8_t *const *buffers,
                                  size_t len)
{
    struct drive_op ops[FORMAT_MEMBERS_MAX];
    struct join join;
    unsigned members = (unsigned)(slab->k + slab->m);
    enum dol_err err = DOL_OK;

    join_init(&join);
    for (unsigned i = 0; i < members; i++) {
        ops[i].err = DOL_OK;
        if (pool_drive_is_member(pool, slab->members[i].drive))
            drive_write_start(pool->drives[slab->members[i].drive].drive, &ops[i], &join,
                              pool_extent_offset(pool, slab->members[i].extent, block), buffers[i], len);
    }
    join_wait(&join);
    for (unsigned i = 0; i < members; i++) {
        if (ops[i].err == DOL_OK)
            continue;
        struct pool_drive *d = &pool->drives[slab->members[i].drive];
        if (ops[i].err != DOL_ESTOPPED && !atomic_exchange(&d->faulted, true))
            log_error("slab", "write failed drive=%s error=%s", d->drive->name, dol_err_name(ops[i].err));
        err = ops[i].err;
    }
    return err;
}

enum dol_err slab_write_members(struct pool *pool, struct slab *slab, uint32_t block, uint8_t *const *buffers,
                                size_t len)
{
    return slab_is_whole(pool, slab) ? write_members(pool, slab, block, buffers, len) : DOL_EIO;
}

static uint32_t extent_take(struct pool_drive *d)
{
    dol_assert(d->extents_free > 0);
    uint32_t e = d->extent_hint;
    while (d->extent_used[e])
        e = (e + 1) % d->extents;
    d->extent_used[e] = 1;
    d->extents_free--;
    d->extent_hint = (e + 1) % d->extents;
    return e;
}

/* Emptiest first; a stable order makes runs repeatable. */
static unsigned candidates(struct pool *pool, unsigned *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < pool->drive_count; i++) {
        struct pool_drive *d = &pool->drives[i];
        if (!pool_drive_takes_slabs(pool, i) || d->extents_free == 0)
            continue;
        unsigned at = n++;
        while (at > 0 && pool->drives[out[at - 1]].extents_free < d->extents_free) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = i;
    }
    return n;
}

/* EIO: there is nothing to stand on. EFULL. */
static enum dol_err slab_allocate(struct pool *pool, struct slab *slab)
{
    unsigned order[FORMAT_DRIVES_MAX], k, m;
    pthread_mutex_lock(&pool->lock);
    pool_geometry(pool, &k, &m);
    unsigned members = k + m;
    if (k == 0 || candidates(pool, order) < members) {
        pthread_mutex_unlock(&pool->lock);
        return k == 0 ? DOL_EIO : DOL_EFULL;
    }
    slab->k = (uint8_t)k;
    slab->m = (uint8_t)m;
    uint32_t counter = ++pool->slab_counter;
    slab->id = pool->run << 32 | counter;
    for (unsigned i = 0; i < members; i++) {
        /* rotating the roles spreads parity over the drives */
        unsigned drive = order[(i + counter) % members];
        slab->members[i].drive = drive;
        slab->members[i].extent = extent_take(&pool->drives[drive]);
    }
    pool_count_free(pool);
    pthread_mutex_unlock(&pool->lock);
    return DOL_OK;
}

static enum dol_err write_headers(struct pool *pool, struct slab *slab)
{
    struct extent_header *h = calloc(1, sizeof *h);
    uint8_t *block = aligned_alloc(FORMAT_BLOCK_BYTES, (size_t)EXTENT_HEADER_BYTES * FORMAT_MEMBERS_MAX);
    uint8_t *buffers[FORMAT_MEMBERS_MAX];
    unsigned members = (unsigned)(slab->k + slab->m);
    enum dol_err err = DOL_ENOMEM;

    if (h == NULL || block == NULL)
        goto out;
    h->pool = pool->sb.pool;
    h->slab = slab->id;
    h->life = slab->life;
    h->run = slab->run;
    h->epoch = slab->epoch;
    h->extent_bytes = pool->sb.extent_bytes;
    h->created_s = clock_realtime_ns() / 1000000000;
    h->key_id = pool->keys ? keyring_current(pool->keys) : 0;
    h->k = slab->k;
    h->m = slab->m;
    h->ec_alg = slab->m ? FORMAT_EC_RS_CAUCHY : 0;
    for (unsigned i = 0; i < members; i++)
        h->members[i] =
            (struct extent_member){pool->drives[slab->members[i].drive].uuid,
                                   pool->drives[slab->members[i].drive].incarnation, slab->members[i].extent};
    for (unsigned i = 0; i < members; i++) {
        h->member = (uint8_t)i;
        buffers[i] = block + (size_t)i * EXTENT_HEADER_BYTES;
        extent_header_encode(h, buffers[i]);
    }
    err = slab_write_members(pool, slab, 0, buffers, EXTENT_HEADER_BYTES);
out:
    free(h);
    free(block);
    return err;
}

static uint32_t prepare_step(const struct pool *pool, uint32_t from, uint32_t bytes)
{
    uint32_t to = from + bytes / FORMAT_BLOCK_BYTES;
    uint32_t end = pool_extent_blocks(pool);
    return to < end ? to : end;
}

static struct slab *slab_new(const struct pool *pool)
{
    struct slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL)
        return NULL;
    slab->magic = SLAB_MAGIC;
    slab->run = pool->run;
    slab->epoch = atomic_load(&pool->epoch);
    slab->state = SLAB_STATE_OPEN;
    slab->end_block = EXTENT_HEADER_BYTES / FORMAT_BLOCK_BYTES;
    random_fill(slab->life.b, sizeof slab->life.b);
    return slab;
}

/* EIO: a drive failed. */
static enum dol_err open_once(struct pool *pool, enum drive_preparation how, struct slab **out)
{
    struct slab *slab = slab_new(pool);
    if (slab == NULL)
        return DOL_ENOMEM;
    enum dol_err err = slab_allocate(pool, slab);
    if (err != DOL_OK) {
        free(slab);
        return err;
    }
    pool_slab_add(pool, slab);
    err = pool_ec(pool, slab->k, slab->m, &slab->ec);
    if (err == DOL_OK)
        err = prepare_members(pool, slab, 0, prepare_step(pool, 0, APPEND_PREPARE_BYTES), how);
    if (err != DOL_OK) {
        pool_slab_remove(pool, slab); /* nothing of it was written */
        return err;
    }
    err = write_headers(pool, slab);
    if (err != DOL_OK) {
        /* headers may lie on some members: the extents stay taken until the next open finds the slab empty */
        slab->state = SLAB_STATE_ENDED;
        return err;
    }
    *out = slab;
    return DOL_OK;
}

enum dol_err slab_open_new(struct pool *pool, enum drive_preparation how, struct slab **out)
{
    enum dol_err err;
    do {
        err = pool_members_settle(pool);
        if (err == DOL_OK)
            err = open_once(pool, how, out);
    } while (err == DOL_EIO && !pool_is_read_only(pool));
    return err;
}

enum dol_err slab_stamp(struct pool *pool, struct slab *slab)
{
    uint8_t *zero = aligned_alloc(FORMAT_BLOCK_BYTES, EXTENT_HEADER_BYTES);
    uint8_t *buffers[FORMAT_MEMBERS_MAX];
    if (zero == NULL)
        return DOL_ENOMEM;
    memset(zero, 0, EXTENT_HEADER_BYTES);
    for (unsigned i = 0; i < FORMAT_MEMBERS_MAX; i++)
        buffers[i] = zero;
    enum dol_err err = write_members(pool, slab, 0, buffers, EXTENT_HEADER_BYTES); /* who is absent doesn't count */
    free(zero);
    if (err == DOL_OK)
        pool_slab_remove(pool, slab);
    return err;
}

enum dol_err appender_adopt(struct appender *a, struct slab *slab)
{
    enum dol_err err = sealer_new(a->pool->keys, slab->life, &a->sealer);
    if (err != DOL_OK)
        return err;
    a->slab = slab;
    a->prepared_block = prepare_step(a->pool, 0, APPEND_PREPARE_BYTES);
    a->unproven = false;
    a->directory.len = 0;
    a->directory.row_count = 0;
    a->directory.lsn_min = (struct lsn){0, 0};
    a->directory.lsn_max = (struct lsn){0, 0};
    return DOL_OK;
}

void appender_drop_slab(struct appender *a)
{
    sealer_free(a->sealer);
    a->sealer = NULL;
    a->slab = NULL;
    a->unproven = false;
}

uint32_t slab_rows_limit(const struct pool *pool, const struct slab *slab)
{
    uint32_t directory = row_layout_for(record_stored_bytes(DIRECTORY_RECORD_BYTES_MAX), slab->k, slab->m).unit_blocks;
    return pool_extent_blocks(pool) - EXTENT_FOOTER_BYTES / FORMAT_BLOCK_BYTES - directory;
}

/* ---- background work of an appender: the next slab, the next step of preparation ---- */

/*
 * Zeros cost their bytes once more, and hold up the rows that go to the same files; without them each row waits for the
 * file system's journal. So zeros pay where a row carries little.
 */
static enum drive_preparation preparation_of(const struct appender *a)
{
    return a->unit_blocks_sum > APPEND_UNITS_AVERAGED * (APPEND_ZEROED_UNIT_BYTES_MAX / FORMAT_BLOCK_BYTES)
               ? DRIVE_ALLOCATED
               : DRIVE_WRITTEN;
}

static void open_next_run(void *arg)
{
    struct appender *a = arg;
    struct slab *slab = NULL;
    a->next_err = DOL_EFULL;
    uint32_t kept = a->loop < a->pool->loops ? POOL_SLABS_LAST : POOL_SLABS_LAST - 1;
    if (atomic_load(&a->pool->slabs_free) > kept)
        a->next_err = slab_open_new(a->pool, preparation_of(a), &slab);
    a->next = slab;
    a->opening_next = false;
    waitq_wake_all(&a->next_ready);
}

static void open_next_start(struct appender *a)
{
    if (a->next != NULL || a->opening_next)
        return;
    a->opening_next = true;
    if (fiber_spawn(open_next_run, a, "slab-open") != DOL_OK)
        open_next_run(a);
}

static bool wants_preparation(const struct appender *a)
{
    uint32_t ahead = APPEND_PREPARE_AHEAD_BYTES / FORMAT_BLOCK_BYTES;
    return a->prepared_block < pool_extent_blocks(a->pool) && a->prepared_block - a->slab->end_block < ahead;
}

/* Step after step until enough lies ready, so that a burst does not wait for zeros to be written. */
static void prepare_run(void *arg)
{
    struct appender *a = arg;
    struct slab *slab = a->preparing_slab;
    bool more = true;
    while (more) {
        enum drive_preparation how = preparation_of(a);
        uint32_t to = prepare_step(a->pool, a->prepared_block,
                                   how == DRIVE_WRITTEN ? APPEND_PREPARE_BYTES : APPEND_PREPARE_AHEAD_BYTES);
        a->prepare_err = prepare_members(a->pool, slab, a->prepared_block, to, how);
        more = false;
        if (a->prepare_err == DOL_OK && a->slab == slab) {
            a->prepared_block = to;
            more = !a->stopping && wants_preparation(a);
        }
        if (more)
            waitq_wake_all(&a->prepared);
    }
    a->preparing = false;
    pool_slab_unpin(a->pool, slab);
    waitq_wake_all(&a->prepared);
}

static void prepare_start(struct appender *a)
{
    if (a->preparing || a->prepared_block >= pool_extent_blocks(a->pool))
        return;
    a->preparing = true;
    a->preparing_slab = pool_slab_pin(a->pool, a->slab->id);
    dol_assert(a->preparing_slab == a->slab); /* it is open */
    if (fiber_spawn(prepare_run, a, "prepare-ahead") != DOL_OK)
        prepare_run(a);
}

enum dol_err appender_prepare(struct appender *a, uint32_t end)
{
    while (a->prepared_block < end) {
        prepare_start(a);
        if (a->preparing)
            waitq_wait(&a->prepared);
        if (!a->preparing && a->prepare_err != DOL_OK && a->prepared_block < end)
            return a->prepare_err;
    }
    if (wants_preparation(a))
        prepare_start(a);
    if (end > pool_extent_blocks(a->pool) / 2 && a->loop < a->pool->loops)
        open_next_start(a);
    return DOL_OK;
}

enum dol_err appender_slab_for(struct appender *a, uint32_t data_bytes)
{
    enum dol_err err;
    if (a->slab != NULL) {
        uint32_t need = row_layout_for(data_bytes, a->slab->k, a->slab->m).unit_blocks;
        if (a->slab->end_block + need <= slab_rows_limit(a->pool, a->slab) &&
            a->directory.row_count < EXTENT_DIRECTORY_ROWS_MAX - 2)
            return DOL_OK;
        err = appender_seal(a);
        if (err != DOL_OK)
            return err;
    }
    struct slab *slab;
    do {
        open_next_start(a);
        while (a->opening_next)
            waitq_wait(&a->next_ready);
        if (a->next == NULL)
            return a->next_err;
        slab = a->next;
        a->next = NULL;
        if (!slab_is_whole(a->pool, slab))
            slab->state = SLAB_STATE_ENDED; /* opened ahead of a drive's failure; without a row */
    } while (slab->state == SLAB_STATE_ENDED);
    err = appender_adopt(a, slab);
    if (err != DOL_OK)
        slab->state = SLAB_STATE_ENDED; /* without a row: the next open stamps it */
    return err;
}
