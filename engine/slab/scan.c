/*
 * Scan: the slab table from the extent headers. Every member carries the same description of its slab, so one good
 * header is enough to know them all. Extents are few (pool_create aims at some hundreds per drive), so reading every
 * header at open costs milliseconds and needs no catalogue that could be wrong.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "log.h"
#include "members.h"
#include "recovery.h"

#define SCAN_BATCH 32u

struct scan_job {
    struct pool *pool;
    unsigned drive;
    struct join *join;
    enum dol_err err;
};

static int drive_index_of(const struct pool *pool, struct uuid drive)
{
    for (unsigned i = 0; i < pool->drive_count; i++)
        if (uuid_equal(pool->drives[i].uuid, drive))
            return (int)i;
    return -1;
}

static struct slab *slab_from_header(struct pool *pool, const struct extent_header *h)
{
    struct slab *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->magic = SLAB_MAGIC;
    s->id = h->slab;
    s->life = h->life;
    s->run = h->run;
    s->epoch = h->epoch;
    s->k = h->k;
    s->m = h->m;
    s->state = SLAB_STATE_OPEN;
    s->end_block = EXTENT_HEADER_BYTES / FORMAT_BLOCK_BYTES;
    for (unsigned i = 0; i < (unsigned)(h->k + h->m); i++) {
        int d = drive_index_of(pool, h->members[i].drive);
        if (d < 0 || h->members[i].extent >= pool->drives[d].extents) {
            free(s);
            return NULL;
        }
        s->members[i] = (struct slab_member){(unsigned)d, h->members[i].extent};
    }
    return s;
}

/* Takes the extents; false when one is taken by another slab. */
static bool claim_extents(struct pool *pool, struct slab *s)
{
    unsigned members = (unsigned)(s->k + s->m);
    bool ok = true;
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < members; i++)
        ok = ok && !pool->drives[s->members[i].drive].extent_used[s->members[i].extent];
    for (unsigned i = 0; i < members && ok; i++) {
        struct pool_drive *d = &pool->drives[s->members[i].drive];
        d->extent_used[s->members[i].extent] = 1;
        d->extents_free--;
    }
    pool_count_free(pool);
    pthread_mutex_unlock(&pool->lock);
    return ok;
}

/* A header that says nothing; what lies in the extent is kept until it is known that nobody owns it. */
static void note_suspect(struct pool *pool, unsigned drive, uint32_t extent)
{
    pthread_mutex_lock(&pool->lock);
    pool->drives[drive].extent_suspect[extent] = 1;
    pthread_mutex_unlock(&pool->lock);
}

static enum dol_err scan_header(struct pool *pool, unsigned drive, uint32_t extent, const uint8_t *block)
{
    struct extent_header *h = malloc(sizeof *h);
    enum dol_err err = DOL_ENOMEM;
    if (h == NULL)
        return err;
    err = extent_header_decode(block, h);
    if (err == DOL_ECORRUPT)
        note_suspect(pool, drive, extent);
    bool ours = err == DOL_OK && uuid_equal(h->pool, pool->sb.pool) && h->member < h->k + h->m &&
                uuid_equal(h->members[h->member].drive, pool->drives[drive].uuid) &&
                h->members[h->member].extent == extent && h->extent_bytes == pool->sb.extent_bytes &&
                h->epoch >= atomic_load(&pool->drives[drive].from_epoch); /* what is being rebuilt brings no life */
    if (err == DOL_EFORMAT) {
        free(h);
        return err;
    }
    err = DOL_OK;
    if (ours && (h->masks.ro_data != 0 || h->masks.ro_meta != 0))
        pool_set_read_only(pool, "the pool was written by a newer version, which this one may only read");
    struct slab *known = ours ? pool_slab_find(pool, h->slab) : NULL;
    if (ours && known == NULL) {
        struct slab *s = slab_from_header(pool, h);
        if (s == NULL) {
            log_warn("recover", "extent header names unknown drives slab=%llx", (unsigned long long)h->slab);
            note_suspect(pool, drive, extent);
        } else if ((err = pool_ec(pool, s->k, s->m, &s->ec)) != DOL_OK || !claim_extents(pool, s)) {
            log_error("recover", "slab %llx overlaps another one and is left out", (unsigned long long)s->id);
            note_suspect(pool, drive, extent);
            free(s);
        } else
            pool_slab_add(pool, s);
    } else if (ours && !uuid_equal(known->life, h->life)) {
        log_error("recover", "two lives of slab %llx", (unsigned long long)h->slab);
    }
    free(h);
    return err;
}

static void scan_drive(void *arg)
{
    struct scan_job *job = arg;
    struct pool *pool = job->pool;
    struct pool_drive *d = &pool->drives[job->drive];
    uint8_t *blocks = aligned_alloc(FORMAT_BLOCK_BYTES, SCAN_BATCH * EXTENT_HEADER_BYTES);
    struct drive_op ops[SCAN_BATCH];
    unsigned unreadable = 0;

    job->err = blocks ? DOL_OK : DOL_ENOMEM;
    for (uint32_t first = 0; first < d->extents && job->err == DOL_OK; first += SCAN_BATCH) {
        uint32_t n = d->extents - first < SCAN_BATCH ? d->extents - first : SCAN_BATCH;
        struct join join;
        join_init(&join);
        for (uint32_t i = 0; i < n; i++)
            drive_read_start(d->drive, &ops[i], &join, pool_extent_offset(pool, first + i, 0),
                             blocks + (size_t)i * EXTENT_HEADER_BYTES, EXTENT_HEADER_BYTES);
        join_wait(&join);
        for (uint32_t i = 0; i < n && job->err == DOL_OK; i++) {
            if (ops[i].err == DOL_OK)
                job->err = scan_header(pool, job->drive, first + i, blocks + (size_t)i * EXTENT_HEADER_BYTES);
            else if (ops[i].err == DOL_ESTOPPED)
                job->err = ops[i].err;
            else {
                note_suspect(pool, job->drive, first + i);
                unreadable++;
            }
        }
    }
    if (unreadable > 0)
        log_warn("recover", "%u extent headers could not be read drive=%s", unreadable, d->drive->name);
    free(blocks);
    join_done(job->join);
}

/*
 * Is the header the torn one of a slab that was being opened where another, freed one had been? Then both the slab and
 * the life that it names in its first sector are others than the row's; damage to a header leaves one of them.
 */
static enum dol_err is_torn_over(struct pool *pool, struct drive *d, uint32_t extent, uint8_t *block,
                                 const struct unit_header *row, bool *out)
{
    struct le64 slab;
    struct uuid life;
    enum dol_err err = drive_read(d, pool_extent_offset(pool, extent, 0), block, FORMAT_BLOCK_BYTES);
    *out = false;
    if (err != DOL_OK)
        return err == DOL_ESTOPPED ? err : DOL_OK;
    memcpy(&slab, block + EXTENT_HEADER_SLAB_OFFSET, sizeof slab);
    memcpy(life.b, block + EXTENT_HEADER_LIFE_OFFSET, sizeof life.b);
    *out = le64_get(slab) != row->slab && !uuid_equal(life, row->life);
    return DOL_OK;
}

/* Does a row begin behind the header? Only then has the extent ever held anything that was acknowledged. */
static enum dol_err holds_a_row(struct pool *pool, struct drive *d, uint32_t extent, uint8_t *block, bool *out)
{
    struct unit_header h;
    struct uuid life;
    size_t needed;
    bool torn;
    enum dol_err err = drive_read(d, pool_extent_offset(pool, extent, FIRST_ROW_BLOCK), block, FORMAT_BLOCK_BYTES);
    if (err == DOL_ESTOPPED)
        return err;
    *out = err != DOL_OK;
    if (err != DOL_OK)
        return DOL_OK;
    memcpy(life.b, block + UNIT_HEADER_LIFE_OFFSET, sizeof life.b);
    if (unit_header_decode(block, FORMAT_BLOCK_BYTES, life, &h, NULL, NULL, &needed) != DOL_OK ||
        !uuid_equal(h.pool, pool->sb.pool))
        return DOL_OK;
    err = is_torn_over(pool, d, extent, block, &h, &torn);
    *out = !torn;
    return err;
}

/*
 * Suspect extents that no other member's header explains. One with a row (or that can't be read) is a gap: kept, and
 * more of them than parity bears make the pool read-only. One without a row is what a power cut leaves of a slab that
 * was being opened: free.
 */
static enum dol_err judge_suspects(struct pool *pool)
{
    uint8_t *block = aligned_alloc(FORMAT_BLOCK_BYTES, FORMAT_BLOCK_BYTES);
    unsigned drives_with_gaps = 0;
    enum dol_err err = block ? DOL_OK : DOL_ENOMEM;
    for (unsigned i = 0; i < pool->drive_count && err == DOL_OK; i++) {
        struct pool_drive *d = &pool->drives[i];
        unsigned gaps = 0;
        for (uint32_t e = 0; e < d->extents && d->drive != NULL && err == DOL_OK; e++) {
            bool gap = false;
            if (!d->extent_suspect[e] || d->extent_used[e])
                continue;
            err = holds_a_row(pool, d->drive, e, block, &gap);
            if (gap) {
                d->extent_used[e] = 1;
                d->extents_free--;
                gaps++;
            }
        }
        pool->scan_gaps += gaps;
        drives_with_gaps += gaps > 0;
        if (gaps > 0)
            log_error("recover", "%u extents are in use by slabs that can't be known drive=%s", gaps, d->drive->name);
    }
    free(block);
    pthread_mutex_lock(&pool->lock);
    pool_count_free(pool);
    pthread_mutex_unlock(&pool->lock);
    if (drives_with_gaps > pool->sb.m)
        pool_set_read_only(pool, "extent headers of %u drives are damaged beyond what parity bears", drives_with_gaps);
    return err;
}

bool pool_scan_has_gaps(const struct pool *pool)
{
    bool missing = false;
    for (unsigned i = 0; i < pool->drive_count; i++)
        missing |= !pool_drive_is_complete(pool, i);
    return missing || pool->scan_gaps > 0;
}

enum dol_err pool_scan(struct pool *pool)
{
    struct scan_job jobs[FORMAT_DRIVES_MAX];
    struct join join;
    enum dol_err err = DOL_OK;
    join_init(&join);
    for (unsigned i = 0; i < pool->drive_count; i++) {
        jobs[i] = (struct scan_job){pool, i, &join, DOL_OK};
        if (pool->drives[i].drive == NULL)
            continue;
        join_add(&join);
        if (fiber_spawn(scan_drive, &jobs[i], "scan") != DOL_OK)
            scan_drive(&jobs[i]);
    }
    join_wait(&join);
    for (unsigned i = 0; i < pool->drive_count; i++)
        if (jobs[i].err != DOL_OK)
            err = jobs[i].err;
    return err == DOL_OK ? judge_suspects(pool) : err;
}
