/* What the two files that read have in common. */
#ifndef DOL_READ_IMPL_H
#define DOL_READ_IMPL_H

#include "read.h"

#include <stdlib.h>

/* NULL: missing, or not rebuilt yet. */
static inline struct drive *member_drive(const struct pool *pool, const struct slab *slab, unsigned member)
{
    const struct pool_drive *d = &pool->drives[slab->members[member].drive];
    return slab->epoch >= atomic_load(&d->from_epoch) ? atomic_load(&d->drive) : NULL;
}

static inline size_t blocks_round_up(size_t len)
{
    return (len + FORMAT_BLOCK_BYTES - 1) / FORMAT_BLOCK_BYTES * FORMAT_BLOCK_BYTES;
}

/* Memory for reads; len > 0 is rounded up to whole blocks. The caller frees. */
static inline uint8_t *blocks_alloc(size_t len)
{
    return aligned_alloc(FORMAT_BLOCK_BYTES, blocks_round_up(len));
}

#endif
