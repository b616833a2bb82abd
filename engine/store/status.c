/* Status: what operators and metrics see. Any thread; numbers are read one by one. */
#include <stdio.h>

#include "hash.h"
#include "store_impl.h"

#define NEARLY_FULL_PERCENT 90u

static void drive_status(struct pool *pool, unsigned i, struct store_drive_status *out)
{
    struct pool_drive *d = &pool->drives[i];
    hex_encode(d->uuid.b, sizeof d->uuid.b, out->uuid);
    pthread_mutex_lock(&pool->lock);
    out->used_bytes = (uint64_t)(d->extents - d->extents_free) * pool->sb.extent_bytes;
    pthread_mutex_unlock(&pool->lock);
    if (d->drive == NULL) {
        snprintf(out->state, sizeof out->state, "missing");
        out->size_bytes = pool->sb.drives[i].size_bytes;
        return;
    }
    snprintf(out->state, sizeof out->state, "%s", atomic_load(&d->faulted) ? "faulted" : "online");
    snprintf(out->path, sizeof out->path, "%s", d->drive->name);
    out->size_bytes = d->drive->size_bytes;
    out->read_errors = __atomic_load_n(&d->drive->counters.read_errors, __ATOMIC_RELAXED);
    out->write_errors = __atomic_load_n(&d->drive->counters.write_errors, __ATOMIC_RELAXED);
}

struct slab_sum {
    const struct pool *pool;
    struct store_status *out;
};

static void add_slab(void *arg, struct slab *slab)
{
    struct slab_sum *sum = arg;
    sum->out->used_bytes += sum->pool->sb.extent_bytes * slab->k;
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
    index_counts_get(s->index, &ix);
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
                                 .index_commits = ix.commits};
    for (unsigned i = 0; i < s->pool->drive_count; i++)
        if (s->pool->drives[i].drive != NULL)
            c->drive_bytes_prepared +=
                __atomic_load_n(&s->pool->drives[i].drive->counters.prepared_bytes, __ATOMIC_RELAXED);
}

void store_status_get(struct store *s, struct store_status *out)
{
    struct pool *pool = s->pool;
    struct slab_sum sum = {pool, out};
    struct index_counts ix;
    uint64_t raw_extents = 0, used_extents = 0;

    memset(out, 0, sizeof *out);
    hex_encode(pool->sb.pool.b, sizeof pool->sb.pool.b, out->pool_uuid);
    snprintf(out->label, sizeof out->label, "%s", pool->sb.label);
    out->k = pool->sb.k;
    out->m = pool->sb.m;
    out->encrypted = pool->sb.encrypted;
    out->run = pool->run;
    out->epoch = pool->sb.epoch;
    out->extent_bytes = pool->sb.extent_bytes;
    out->drive_count = pool->drive_count;
    for (unsigned i = 0; i < pool->drive_count; i++) {
        drive_status(pool, i, &out->drives[i]);
        out->raw_bytes += pool->sb.drives[i].size_bytes;
        raw_extents += pool->drives[i].extents;
        used_extents += out->drives[i].used_bytes / pool->sb.extent_bytes;
    }
    out->usable_bytes = raw_extents * pool->sb.extent_bytes / (unsigned)(pool->sb.k + pool->sb.m) * pool->sb.k;
    pool_slab_each(pool, add_slab, &sum);
    index_counts_get(s->index, &ix);
    out->objects = ix.objects;
    out->buckets = ix.buckets;
    counters_fill(s, &out->counters);
    pthread_mutex_lock(&pool->lock);
    out->read_only = pool->read_only;
    snprintf(out->reason, sizeof out->reason, "%s", pool->reason);
    pthread_mutex_unlock(&pool->lock);
    if (!out->read_only && raw_extents > 0 && used_extents * 100 / raw_extents >= NEARLY_FULL_PERCENT)
        snprintf(out->reason, sizeof out->reason,
                 "%u %% full: deletes do not give space back in this version, add capacity by a new pool",
                 (unsigned)(used_extents * 100 / raw_extents));
}
