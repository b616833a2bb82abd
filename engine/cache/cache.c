/* The cache: shards, entries, shared fills; see cache.h. */
#include "cache.h"

#include <stdlib.h>

#include "cache_shard.h"
#include "dol_assert.h"

#define CACHE_MAGIC        0xcac4e001u
#define CACHE_SHARDS_MAX   16u
#define CACHE_SHARD_BYTES  (32u << 20) /* a shard more for each */
#define CACHE_MALLOC_BYTES 16u         /* what malloc() adds to each block, at most, beside rounding */

struct cache {
    unsigned magic;
    unsigned shard_count;
    struct cache_shard shards[CACHE_SHARDS_MAX];
};

enum dol_err cache_new(uint64_t bytes_max, struct cache **out)
{
    struct cache *c = calloc(1, sizeof *c);
    if (c == NULL)
        return DOL_ENOMEM;
    c->magic = CACHE_MAGIC;
    uint64_t shards = bytes_max / CACHE_SHARD_BYTES;
    shards = shards < 1 ? 1 : shards > CACHE_SHARDS_MAX ? CACHE_SHARDS_MAX : shards;
    for (unsigned i = 0; i < shards; i++) {
        enum dol_err err = shard_init(&c->shards[c->shard_count++], bytes_max / shards);
        if (err != DOL_OK) {
            cache_free(c);
            return err;
        }
    }
    *out = c;
    return DOL_OK;
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    dol_assert_magic(c, CACHE_MAGIC);
    c->magic = 0;
    for (unsigned i = 0; i < c->shard_count; i++)
        shard_fini(&c->shards[i]);
    free(c);
}

static struct cache_shard *shard_of(struct cache *c, const struct sha256 *name)
{
    dol_assert_magic(c, CACHE_MAGIC);
    return &c->shards[name->b[0] % c->shard_count];
}

/* ---- entries ---- */

enum dol_err cache_entry_new(void *memory, size_t memory_bytes, struct bytes plain, struct cache_entry **out)
{
    struct cache_entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        return DOL_ENOMEM;
    e->magic = CACHE_ENTRY_MAGIC;
    e->refs = 1;
    e->memory = memory;
    e->plain = plain;
    e->charge = memory_bytes + sizeof *e + 2 * CACHE_MALLOC_BYTES;
    *out = e;
    return DOL_OK;
}

struct bytes cache_entry_bytes(const struct cache_entry *e)
{
    dol_assert_magic(e, CACHE_ENTRY_MAGIC);
    return e->plain;
}

void cache_entry_release(struct cache_entry *e)
{
    if (e == NULL)
        return;
    dol_assert_magic(e, CACHE_ENTRY_MAGIC);
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) > 1)
        return;
    e->magic = 0;
    free(e->memory);
    free(e);
}

/* ---- getting and filling ---- */

/* Somebody who waits for a fill, on its stack. */
struct fill_wait {
    struct waiter waiter;
    struct cache_entry *entry;
    enum dol_err err;
};

static struct list_node *fills_of(struct cache_shard *s, const struct sha256 *name)
{
    return &s->fills[(uint32_t)cache_hash(name) % CACHE_FILL_BUCKETS];
}

static struct cache_fill *fill_find(struct cache_shard *s, const struct sha256 *name)
{
    list_for_each(pos, fills_of(s, name))
    {
        struct cache_fill *fill = container_of(pos, struct cache_fill, node);
        if (sha256_equal(&fill->name, name))
            return fill;
    }
    return NULL;
}

struct cache_entry *cache_find(struct cache *c, const struct sha256 *name, struct cache_use use)
{
    struct cache_shard *s = shard_of(c, name);
    pthread_mutex_lock(&s->lock);
    struct cache_entry *e = shard_find(s, name, use);
    pthread_mutex_unlock(&s->lock);
    return e;
}

enum dol_err cache_get(struct cache *c, const struct sha256 *name, struct cache_use use, struct cache_fill *fill,
                       struct cache_entry **out)
{
    struct cache_shard *s = shard_of(c, name);
    struct fill_wait wait = {.err = DOL_ENOTFOUND};
    pthread_mutex_lock(&s->lock);
    *out = shard_find(s, name, use);
    struct cache_fill *other = *out == NULL ? fill_find(s, name) : NULL;
    if (other != NULL) {
        waiter_enlist(&other->waiters, &wait.waiter);
        s->counters.joined++;
    } else if (*out == NULL) {
        *fill = (struct cache_fill){.name = *name, .use = use};
        list_push_back(fills_of(s, name), &fill->node);
        s->counters.misses++;
    }
    pthread_mutex_unlock(&s->lock);
    if (*out != NULL)
        return DOL_OK;
    if (other == NULL)
        return DOL_ENOTFOUND;
    waiter_wait(&wait.waiter);
    *out = wait.entry;
    return wait.err;
}

void cache_fill_done(struct cache *c, struct cache_fill *fill, enum dol_err err, struct cache_entry *entry)
{
    struct cache_shard *s = shard_of(c, &fill->name);
    struct cache_evicted evicted;
    evicted.count = 0;
    dol_assert(err != DOL_ENOTFOUND && (err == DOL_OK) == (entry != NULL));

    pthread_mutex_lock(&s->lock);
    list_remove(&fill->node);
    if (entry != NULL)
        shard_admit(s, fill, entry, &evicted);
    for (struct waiter *w; (w = fill->waiters.head) != NULL;) {
        struct fill_wait *wait = container_of(w, struct fill_wait, waiter);
        wait->err = err;
        wait->entry = entry;
        if (entry != NULL)
            atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
        waiter_list_wake_one(&fill->waiters); /* *wait may be gone */
    }
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < evicted.count; i++)
        cache_entry_release(evicted.entries[i]);
}

/* ---- counters ---- */

void cache_counters_get(struct cache *c, struct cache_counters *out)
{
    *out = (struct cache_counters){0};
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct cache_shard *s = &c->shards[i];
        pthread_mutex_lock(&s->lock);
        out->hits += s->counters.hits;
        out->hit_bytes += s->counters.hit_bytes;
        out->joined += s->counters.joined;
        out->misses += s->counters.misses;
        out->admitted += s->counters.admitted;
        out->refused += s->counters.refused;
        out->evicted += s->counters.evicted;
        out->evicted_bytes += s->counters.evicted_bytes;
        out->entries += s->counters.entries;
        out->bytes += s->bytes;
        out->bytes_max += s->budget;
        pthread_mutex_unlock(&s->lock);
    }
}
