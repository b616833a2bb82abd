/* Healing a drive: see rebuild.h. */
#include "rebuild.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "log.h"
#include "members.h"
#include "read_impl.h"

#define FORGET_BATCH 32u

unsigned pool_heal_next(struct pool *pool)
{
    for (unsigned i = 0; i < pool->drive_count; i++) {
        bool rebuilding = pool_drive_is_member(pool, i) && atomic_load(&pool->drives[i].from_epoch) > 0;
        if (rebuilding || pool->drives[i].returned != NULL)
            return i;
    }
    return HEAL_NO_DRIVE;
}

bool slab_wants_heal(const struct pool *pool, const struct slab *slab, unsigned drive)
{
    if (slab->epoch >= atomic_load(&pool->drives[drive].from_epoch))
        return false;
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m); i++)
        if (slab->members[i].drive == drive)
            return true;
    return false;
}

/* ---- the drive ---- */

/* What it says of slabs is of the past. The rows behind stay: units tell by themselves whether they are good. */
static enum dol_err forget_headers(struct pool *pool, unsigned drive, struct drive *medium)
{
    uint8_t *zero = aligned_alloc(FORMAT_BLOCK_BYTES, EXTENT_HEADER_BYTES);
    uint32_t extents = pool->drives[drive].extents;
    struct drive_op ops[FORGET_BATCH];
    enum dol_err err = zero ? DOL_OK : DOL_ENOMEM;
    if (zero != NULL)
        memset(zero, 0, EXTENT_HEADER_BYTES);
    for (uint32_t first = 0; first < extents && err == DOL_OK; first += FORGET_BATCH) {
        uint32_t n = extents - first < FORGET_BATCH ? extents - first : FORGET_BATCH;
        struct join join;
        join_init(&join);
        for (uint32_t i = 0; i < n; i++)
            drive_write_start(medium, &ops[i], &join, pool_extent_offset(pool, first + i, 0), zero,
                              EXTENT_HEADER_BYTES);
        join_wait(&join);
        for (uint32_t i = 0; i < n; i++)
            err = ops[i].err != DOL_OK ? ops[i].err : err;
    }
    free(zero);
    return err;
}

static void take_part(struct pool *pool, unsigned drive)
{
    struct pool_drive *d = &pool->drives[drive];
    struct superblock_drive *sb = &pool->sb.drives[drive];
    d->incarnation = ++sb->incarnation;
    sb->joined_epoch = pool->sb.epoch;
    sb->state = DRIVE_STATE_REBUILDING;
    atomic_store(&d->from_epoch, pool->sb.epoch);
    atomic_store(&d->drive, d->returned);
    d->returned = NULL;
    atomic_store(&d->faulted, false);
}

enum dol_err pool_heal_begin(struct pool *pool, unsigned drive)
{
    struct pool_drive *d = &pool->drives[drive];
    struct drive *medium = d->returned;
    if (medium == NULL)
        return DOL_OK;
    if (medium->read_only || medium->size_bytes < pool->sb.drives[drive].size_bytes) {
        log_error("heal", "drive %s can't take part again: it is %s", medium->name,
                  medium->read_only ? "opened read-only" : "smaller than it was");
        return DOL_EINVAL;
    }
    enum dol_err err = forget_headers(pool, drive, medium);
    return err == DOL_OK ? pool_members_change(pool, take_part, drive) : err;
}

static void be_whole(struct pool *pool, unsigned drive)
{
    pool->sb.drives[drive].state = DRIVE_STATE_ACTIVE;
}

enum dol_err pool_heal_end(struct pool *pool, unsigned drive)
{
    enum dol_err err = pool_members_change(pool, be_whole, drive);
    if (err == DOL_OK && !pool_drive_is_member(pool, drive))
        err = DOL_EIO; /* it failed while this was written */
    if (err == DOL_OK)
        atomic_store(&pool->drives[drive].from_epoch, 0);
    return err;
}

/* ---- header and footer ---- */

static unsigned member_on(const struct slab *slab, unsigned drive)
{
    unsigned i = 0;
    while (slab->members[i].drive != drive)
        i++;
    dol_assert(i < (unsigned)(slab->k + slab->m));
    return i;
}

/* Of any other member, as it would be on `member`, encoded. */
static enum dol_err header_for(struct pool *pool, struct slab *slab, unsigned member, uint8_t *block)
{
    struct extent_header *h = malloc(sizeof *h);
    enum dol_err err = h ? DOL_EINCOMPLETE : DOL_ENOMEM;
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m) && err == DOL_EINCOMPLETE; i++) {
        struct drive *d = i == member ? NULL : member_drive(pool, slab, i);
        if (d == NULL)
            continue;
        enum dol_err got =
            drive_read(d, pool_extent_offset(pool, slab->members[i].extent, 0), block, EXTENT_HEADER_BYTES);
        if (got == DOL_ESTOPPED)
            err = got;
        if (got != DOL_OK || extent_header_decode(block, h) != DOL_OK || !uuid_equal(h->life, slab->life))
            continue;
        h->member = (uint8_t)member;
        extent_header_encode(h, block);
        err = DOL_OK;
    }
    free(h);
    return err;
}

static enum dol_err footer_for(struct pool *pool, struct slab *slab, unsigned member, uint8_t *block)
{
    struct extent_footer *f = malloc(sizeof *f);
    enum dol_err err = f ? DOL_EINCOMPLETE : DOL_ENOMEM;
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m) && err == DOL_EINCOMPLETE; i++) {
        struct drive *d = i == member ? NULL : member_drive(pool, slab, i);
        if (d == NULL)
            continue;
        enum dol_err got =
            drive_read(d, pool_extent_offset(pool, slab->members[i].extent, pool_extent_blocks(pool) - 1), block,
                       EXTENT_FOOTER_BYTES);
        if (got == DOL_ESTOPPED)
            err = got;
        if (got != DOL_OK || extent_footer_decode(block, slab->life, f) != DOL_OK || f->slab != slab->id)
            continue;
        f->member = (uint8_t)member;
        extent_footer_encode(f, block);
        err = DOL_OK;
    }
    free(f);
    return err;
}

/* fn of header and footer: what belongs there, and where. */
typedef enum dol_err frame_fn(struct drive *d, uint64_t offset, const uint8_t *wanted, uint8_t *scratch, bool *good);

static enum dol_err frame_each(struct pool *pool, struct slab *slab, unsigned drive, frame_fn *fn, bool *good)
{
    unsigned member = member_on(slab, drive);
    struct drive *d = atomic_load(&pool->drives[drive].drive);
    uint32_t extent = slab->members[member].extent;
    uint8_t *block = aligned_alloc(FORMAT_BLOCK_BYTES, 2 * FORMAT_BLOCK_BYTES);
    enum dol_err err = block ? DOL_OK : DOL_ENOMEM;
    *good = true;
    if (err == DOL_OK && slab->state == SLAB_STATE_SEALED) {
        err = footer_for(pool, slab, member, block);
        if (err == DOL_OK)
            err = fn(d, pool_extent_offset(pool, extent, pool_extent_blocks(pool) - 1), block,
                     block + FORMAT_BLOCK_BYTES, good);
    }
    if (err == DOL_OK)
        err = header_for(pool, slab, member, block);
    if (err == DOL_OK)
        err = fn(d, pool_extent_offset(pool, extent, 0), block, block + FORMAT_BLOCK_BYTES, good);
    free(block);
    return err;
}

static enum dol_err frame_compare(struct drive *d, uint64_t offset, const uint8_t *wanted, uint8_t *scratch, bool *good)
{
    enum dol_err err = drive_read(d, offset, scratch, FORMAT_BLOCK_BYTES);
    *good = *good && err == DOL_OK && memcmp(wanted, scratch, FORMAT_BLOCK_BYTES) == 0;
    return err == DOL_ESTOPPED ? err : DOL_OK;
}

static enum dol_err frame_write(struct drive *d, uint64_t offset, const uint8_t *wanted, uint8_t *scratch, bool *good)
{
    (void)scratch;
    enum dol_err err = drive_write(d, offset, wanted, FORMAT_BLOCK_BYTES);
    *good = *good && err == DOL_OK;
    return err;
}

enum dol_err slab_heal_check_frame(struct pool *pool, struct slab *slab, unsigned drive, bool *good)
{
    return frame_each(pool, slab, drive, frame_compare, good);
}

enum dol_err slab_heal_frame(struct pool *pool, struct slab *slab, unsigned drive)
{
    bool good;
    return frame_each(pool, slab, drive, frame_write, &good);
}
