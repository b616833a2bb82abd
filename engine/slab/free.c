/* Giving a slab's extents back: see free.h. */
#include "free.h"

#include <stdlib.h>

#include "appender.h"
#include "log.h"
#include "members.h"
#include "read_impl.h"

#define PINS_POLL_NS (5ull * 1000 * 1000)
#define SECTOR_BYTES 512u

void pool_slab_retire(struct pool *pool, struct slab *slab)
{
    pthread_mutex_lock(&pool->lock);
    slab->state = SLAB_STATE_FREED;
    while (slab->pins > 0) {
        pthread_mutex_unlock(&pool->lock);
        fiber_sleep(PINS_POLL_NS);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

enum dol_err pool_note_generation(struct pool *pool, uint64_t generation)
{
    if (pool->sb.generation >= generation)
        return DOL_OK;
    uint64_t before = pool->sb.generation;
    pool->sb.generation = generation;
    enum dol_err err = pool_write_superblocks(pool);
    if (err != DOL_OK)
        pool->sb.generation = before; /* some may have it: that only makes an old index look older */
    return err;
}

/* What lies in the header blocks now, without its first sector. A block that can't be read goes as a whole. */
static enum dol_err headers_without_magic(struct pool *pool, const struct slab *slab, uint8_t *const *buffers)
{
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m); i++) {
        struct drive *d = member_drive(pool, slab, i);
        if (d == NULL)
            return DOL_EINCOMPLETE;
        enum dol_err err =
            drive_read(d, pool_extent_offset(pool, slab->members[i].extent, 0), buffers[i], EXTENT_HEADER_BYTES);
        if (err == DOL_ESTOPPED)
            return err;
        memset(buffers[i], 0, err == DOL_OK ? SECTOR_BYTES : EXTENT_HEADER_BYTES);
    }
    return DOL_OK;
}

enum dol_err pool_slab_erase(struct pool *pool, struct slab *slab)
{
    unsigned members = (unsigned)(slab->k + slab->m);
    uint8_t *blocks = aligned_alloc(FORMAT_BLOCK_BYTES, (size_t)EXTENT_HEADER_BYTES * members);
    uint8_t *buffers[FORMAT_MEMBERS_MAX];
    if (blocks == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < members; i++)
        buffers[i] = blocks + (size_t)i * EXTENT_HEADER_BYTES;
    enum dol_err err = headers_without_magic(pool, slab, buffers);
    if (err == DOL_OK)
        err = slab_write_members(pool, slab, 0, buffers, EXTENT_HEADER_BYTES);
    free(blocks);
    if (err == DOL_OK)
        pool_slab_remove(pool, slab);
    else if (err == DOL_EIO)
        err = pool_members_settle(pool) == DOL_OK ? DOL_EINCOMPLETE : DOL_EIO;
    return err;
}
