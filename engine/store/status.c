/* Status: what operators and metrics see. Any thread; numbers are read one by one. */
#include <stdio.h>

#include "cache.h"
#include "gc.h"
#include "hash.h"
#include "heal.h"
#include "members.h"
#include "scrub_impl.h"
#include "store_impl.h"

bool store_is_encrypted(const struct store *s)
{
    return s->pool->sb.encrypted != 0;
}

static void drive_status(struct pool *pool, unsigned i, struct store_drive_status *out)
{
    struct pool_drive *d = &pool->drives[i];
    hex_encode(d->uuid.b, sizeof d->uuid.b, out->uuid);
    pthread_mutex_lock(&pool->lock);
    out->used_bytes = (uint64_t)(d->extents - d->extents_free) * pool->sb.extent_bytes;
    const struct drive *returned = d->returned, *drive = d->drive;
    pthread_mutex_unlock(&pool->lock);
    if (drive == NULL) {
        snprintf(out->state, sizeof out->state, "%s", returned != NULL ? "stale" : "missing");
        snprintf(out->path, sizeof out->path, "%s", returned != NULL ? returned->name : "");
        out->size_bytes = pool->sb.drives[i].size_bytes;
        return;
    }
    const char *state = pool_drive_is_complete(pool, i) ? "online" : "rebuilding";
    snprintf(out->state, sizeof out->state, "%s", atomic_load(&d->faulted) ? "faulted" : state);
    snprintf(out->path, sizeof out->path, "%s", drive->name);
    out->size_bytes = drive->size_bytes;
    out->read_errors = __atomic_load_n(&drive->counters.read_errors, __ATOMIC_RELAXED);
    out->write_errors = __atomic_load_n(&drive->counters.write_errors, __ATOMIC_RELAXED);
    out->read_bytes = __atomic_load_n(&drive->counters.read_bytes, __ATOMIC_RELAXED);
    out->write_bytes = __atomic_load_n(&drive->counters.write_bytes, __ATOMIC_RELAXED);
    out->checksum_errors = __atomic_load_n(&drive->counters.bad_units, __ATOMIC_RELAXED);
}

struct slab_sum {
    const struct pool *pool;
    struct store_status *out;
    uint64_t closed_bytes; /* of slabs that aren't appended to any more */
};

static void add_slab(void *arg, struct slab *slab)
{
    struct slab_sum *sum = arg;
    sum->out->used_bytes += sum->pool->sb.extent_bytes * slab->k;
    if (slab->state == SLAB_STATE_SEALED || slab->state == SLAB_STATE_ENDED)
        sum->closed_bytes += sum->pool->sb.extent_bytes * slab->k;
    if (slab->state == SLAB_STATE_OPEN)
        sum->out->slabs_open++;
    else if (slab->state == SLAB_STATE_SEALED)
        sum->out->slabs_sealed++;
    else
        sum->out->slabs_ended++;
}

static void counters_fill(struct store *s, struct store_counters *c)
{
    struct pool_counters *p = &s->pool->counters;
    struct store_stats *t = &s->stats;
    struct index_counts ix;
    struct cache_counters cache;
    struct gc_counts gc;
    gc_counts_get(s, &gc);
    index_counts_get(s->index, &ix);
    cache_counters_get(s->cache, &cache);
    *c = (struct store_counters){.rows = atomic_load(&p->rows),
                                 .rows_empty = atomic_load(&p->rows_empty),
                                 .records = atomic_load(&p->records),
                                 .puts = atomic_load(&t->puts),
                                 .gets = atomic_load(&t->gets),
                                 .deletes = atomic_load(&t->deletes),
                                 .bytes_in = atomic_load(&t->bytes_in),
                                 .bytes_out = atomic_load(&t->bytes_out),
                                 .chunks_written = atomic_load(&t->chunks_written),
                                 .chunks_deduplicated = atomic_load(&t->chunks_deduplicated),
                                 .bytes_deduplicated = atomic_load(&t->bytes_deduplicated),
                                 .bytes_compressed_in = atomic_load(&t->bytes_compressed_in),
                                 .bytes_compressed_out = atomic_load(&t->bytes_compressed_out),
                                 .drive_bytes_written = atomic_load(&p->drive_bytes_written),
                                 .reads_reconstructed = atomic_load(&p->reads_reconstructed),
                                 .cache_hits = cache.hits,
                                 .cache_misses = cache.misses,
                                 .cache_joined = cache.joined,
                                 .cache_hit_bytes = cache.hit_bytes,
                                 .cache_evicted = cache.evicted,
                                 .cache_refused = cache.refused,
                                 .cache_bytes = cache.bytes,
                                 .cache_bytes_max = cache.bytes_max,
                                 .lifecycle_expired = atomic_load(&t->lifecycle_expired),
                                 .lifecycle_removed = atomic_load(&t->lifecycle_removed),
                                 .lifecycle_aborted = atomic_load(&t->lifecycle_aborted),
                                 .lifecycle_retained = atomic_load(&t->lifecycle_retained),
                                 .lifecycle_failed = atomic_load(&t->lifecycle_failed),
                                 .slabs_freed = gc.slabs_freed,
                                 .slabs_compacted = gc.slabs_compacted,
                                 .bytes_moved = gc.bytes_moved,
                                 .index_commits = ix.commits,
                                 .index_pending_records = ix.pending,
                                 .index_map_bytes = ix.map_bytes};
    for (unsigned i = 0; i < s->pool->drive_count; i++)
        if (s->pool->drives[i].drive != NULL)
            c->drive_bytes_prepared +=
                __atomic_load_n(&s->pool->drives[i].drive->counters.prepared_bytes, __ATOMIC_RELAXED);
}

static void add_heal_progress(struct store *s, char *reason, size_t capacity)
{
    struct heal_counts heal;
    size_t n = strlen(reason);
    heal_counts_get(s, &heal);
    if (heal.running)
        snprintf(reason + n, capacity - n, "; number %u: %llu of %llu slabs %s", heal.drive,
                 (unsigned long long)heal.slabs_done, (unsigned long long)heal.slabs,
                 heal.census ? "counted" : "rebuilt");
}

void store_status_get(struct store *s, struct store_status *out)
{
    struct pool *pool = s->pool;
    struct slab_sum sum = {.pool = pool, .out = out};
    struct gc_counts gc;
    struct index_counts ix;
    uint64_t raw_extents = 0;

    memset(out, 0, sizeof *out);
    hex_encode(pool->sb.pool.b, sizeof pool->sb.pool.b, out->pool_uuid);
    snprintf(out->label, sizeof out->label, "%s", pool->sb.label);
    out->k = pool->sb.k;
    out->m = pool->sb.m;
    out->encrypted = pool->sb.encrypted;
    out->run = pool->run;
    out->epoch = atomic_load(&pool->epoch);
    out->extent_bytes = pool->sb.extent_bytes;
    out->drive_count = pool->drive_count;
    for (unsigned i = 0; i < pool->drive_count; i++) {
        drive_status(pool, i, &out->drives[i]);
        out->raw_bytes += pool->sb.drives[i].size_bytes;
        raw_extents += pool->drives[i].extents;
    }
    out->usable_bytes = raw_extents * pool->sb.extent_bytes / (unsigned)(pool->sb.k + pool->sb.m) * pool->sb.k;
    out->reserve_bytes = (uint64_t)pool->slabs_reserve * pool->sb.k * pool->sb.extent_bytes;
    out->full = pool_is_full(pool);
    pool_slab_each(pool, add_slab, &sum);
    index_counts_get(s->index, &ix);
    gc_counts_get(s, &gc);
    out->live_bytes = index_live_bytes(s->index);
    out->dead_bytes = sum.closed_bytes > out->live_bytes ? sum.closed_bytes - out->live_bytes : 0;
    out->reclaim_blocked = gc.blocked;
    out->objects = ix.objects;
    out->buckets = ix.buckets;
    out->scrub_unrecoverable = scrub_unrecoverable(s->scrub);
    counters_fill(s, &out->counters);
    pthread_mutex_lock(&pool->lock);
    out->read_only = pool->read_only;
    if (pool->read_only)
        snprintf(out->reason, sizeof out->reason, "%s", pool->reason);
    else
        pool_describe_members(pool, out->reason, sizeof out->reason);
    pool_geometry(pool, &out->k_now, &out->m_now);
    pthread_mutex_unlock(&pool->lock);
    if (!out->read_only)
        add_heal_progress(s, out->reason, sizeof out->reason);
}
