/* A shard: see cache_shard.h. */
#include "cache_shard.h"

#include <stdlib.h>

#include "dol_assert.h"

#define BYTES_PER_BUCKET 16384u
#define BUCKETS_MIN      16u
#define BUCKETS_MAX      (1u << 24)

static struct cache_entry *entry_of(struct list_node *n)
{
    return container_of(n, struct cache_entry, queue);
}

enum dol_err shard_init(struct cache_shard *s, uint64_t budget)
{
    uint32_t buckets = BUCKETS_MIN;
    while (buckets < BUCKETS_MAX && (uint64_t)buckets * BYTES_PER_BUCKET < budget)
        buckets *= 2;
    *s = (struct cache_shard){.budget = budget, .table_mask = buckets - 1};
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->small_queue);
    list_init(&s->main_queue);
    for (unsigned i = 0; i < CACHE_FILL_BUCKETS; i++)
        list_init(&s->fills[i]);
    s->table = calloc(buckets, sizeof(struct cache_entry *));
    return s->table != NULL ? ghost_init(&s->ghosts, budget - budget / CACHE_SMALL_PART) : DOL_ENOMEM;
}

void shard_fini(struct cache_shard *s)
{
    for (struct list_node *n; (n = list_pop_front(&s->small_queue)) != NULL;)
        cache_entry_release(entry_of(n));
    for (struct list_node *n; (n = list_pop_front(&s->main_queue)) != NULL;)
        cache_entry_release(entry_of(n));
    for (unsigned i = 0; i < CACHE_FILL_BUCKETS; i++)
        dol_assert(list_is_empty(&s->fills[i]));
    ghost_fini(&s->ghosts);
    free(s->table);
    pthread_mutex_destroy(&s->lock);
}

uint64_t cache_hash(const struct sha256 *name)
{
    uint64_t hash;
    memcpy(&hash, name->b + 8, sizeof hash);
    return hash;
}

/* ---- table ---- */

static struct cache_entry **bucket_of(const struct cache_shard *s, const struct sha256 *name)
{
    return &s->table[(uint32_t)cache_hash(name) & s->table_mask];
}

struct cache_entry *shard_find(struct cache_shard *s, const struct sha256 *name, struct cache_use use)
{
    struct cache_entry *e = *bucket_of(s, name);
    while (e != NULL && !sha256_equal(&e->name, name))
        e = e->chain;
    if (e == NULL)
        return NULL;
    bool goes_on = use.from != 0 && use.from == e->used_to;
    if (!goes_on && e->uses < CACHE_USES_MAX)
        e->uses++;
    e->used_to = use.to;
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    s->counters.hits++;
    s->counters.hit_bytes += use.to - use.from;
    return e;
}

/* ---- queues ---- */

static void enqueue(struct cache_shard *s, struct cache_entry *e, enum cache_place place)
{
    e->place = (uint8_t)place;
    if (place == CACHE_SMALL)
        s->small_bytes += e->charge;
    list_push_back(place == CACHE_SMALL ? &s->small_queue : &s->main_queue, &e->queue);
}

static void dequeue(struct cache_shard *s, struct cache_entry *e)
{
    list_remove(&e->queue);
    if (e->place == CACHE_SMALL)
        s->small_bytes -= e->charge;
    e->place = CACHE_NOWHERE;
}

/* Nobody else has the entry, and nobody can get it any more: it is as good as freed. */
static void evict(struct cache_shard *s, struct cache_entry *e, struct cache_evicted *evicted)
{
    if (e->place == CACHE_SMALL)
        ghost_add(&s->ghosts, cache_hash(&e->name), e->charge);
    dequeue(s, e);
    struct cache_entry **at = bucket_of(s, &e->name);
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    s->bytes -= e->charge;
    s->counters.entries--;
    s->counters.evicted++;
    s->counters.evicted_bytes += e->charge;
    evicted->entries[evicted->count++] = e;
}

/* References beside the shard's begin with the lock held only, so "not in use" stays true while it is held. */
static bool is_in_use(const struct cache_entry *e)
{
    return atomic_load_explicit(&e->refs, memory_order_acquire) > 1;
}

/* The entry at the end of a queue leaves, or is given another round. */
static void step(struct cache_shard *s, struct cache_entry *e, struct cache_evicted *evicted)
{
    if (e->uses == 0 && !is_in_use(e)) {
        evict(s, e, evicted);
        return;
    }
    bool was_small = e->place == CACHE_SMALL;
    bool was_used = e->uses > 0;
    dequeue(s, e);
    if (was_small)
        e->uses = 0;
    else if (was_used)
        e->uses--;
    enqueue(s, e, was_small && !was_used ? CACHE_SMALL : CACHE_MAIN);
}

static bool make_room(struct cache_shard *s, uint64_t need, struct cache_evicted *evicted)
{
    for (unsigned steps = 0; s->bytes + need > s->budget; steps++) {
        bool small_is_large = s->small_bytes > s->budget / CACHE_SMALL_PART || list_is_empty(&s->main_queue);
        struct list_node *queue = small_is_large ? &s->small_queue : &s->main_queue;
        if (steps == CACHE_STEPS_MAX || list_is_empty(queue))
            return false;
        step(s, entry_of(queue->next), evicted);
    }
    return true;
}

void shard_admit(struct cache_shard *s, const struct cache_fill *fill, struct cache_entry *e,
                 struct cache_evicted *evicted)
{
    bool is_back = ghost_take(&s->ghosts, cache_hash(&fill->name));
    if (e->charge > s->budget || !make_room(s, e->charge, evicted)) {
        s->counters.refused++;
        return;
    }
    struct cache_entry **bucket = bucket_of(s, &fill->name);
    e->name = fill->name;
    e->used_to = fill->use.to;
    e->chain = *bucket;
    *bucket = e;
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    enqueue(s, e, is_back ? CACHE_MAIN : CACHE_SMALL);
    s->bytes += e->charge;
    s->counters.entries++;
    s->counters.admitted++;
}
