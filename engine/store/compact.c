/*
 * Copying what is needed out of a slab.
 *
 * Rows are walked, each record is judged by the index, and what is to be kept goes into groups as it is stored: sealed
 * bytes, LSN and all. Each group is one row, and ends with a moved record that speaks of the copies before it. A void
 * manifest that keeps the grave of the one it replaced shut isn't copied; a delete of that one goes into the group.
 */
#include "compact.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "log.h"
#include "walk.h"

#define GROUP_BYTES_MAX     (2u << 20)
#define GROUP_RECORDS_MAX   2048u
#define GROUP_DIRECTORY_MAX (512u << 10)
#define DELETE_BODY_BYTES   (OBJECT_KEY_BYTES_MAX + 128u + DELETE_GRAVES_MAX * GRAVE_REF_BYTES)
#define MOVED_BODY_BYTES    128u

/* A row of copies in the making: deletes first, then copies, then the moved record. */
struct group {
    struct append_record deletes[GROUP_RECORDS_MAX];
    struct append_record copies[GROUP_RECORDS_MAX + 1];
    struct walk_record walked[GROUP_RECORDS_MAX];
    uint8_t *bodies[GROUP_RECORDS_MAX]; /* of the deletes; owned */
    unsigned delete_count, copy_count;
    uint32_t bytes, directory_bytes;
};

static void group_clear(struct group *g)
{
    for (unsigned i = 0; i < g->delete_count; i++)
        free(g->bodies[i]);
    for (unsigned i = 0; i < g->copy_count; i++)
        walk_record_free(&g->walked[i]);
    g->delete_count = g->copy_count = 0;
    g->bytes = g->directory_bytes = 0;
}

static bool group_is_full(const struct group *g, const struct compaction *c)
{
    uint32_t row = append_row_bytes_max(c->store->pool) / 2;
    return g->bytes >= (row < GROUP_BYTES_MAX ? row : GROUP_BYTES_MAX) || g->directory_bytes >= GROUP_DIRECTORY_MAX ||
           g->copy_count == GROUP_RECORDS_MAX || g->delete_count == GROUP_RECORDS_MAX;
}

/* Takes the record. */
static void group_add_copy(struct group *g, struct walk_record *rec)
{
    g->walked[g->copy_count] = *rec;
    g->copies[g->copy_count++] = (struct append_record){.kind = rec->header.kind,
                                                        .flags = rec->header.flags,
                                                        .codec = rec->header.codec,
                                                        .plain_bytes = rec->header.plain_bytes,
                                                        .payload = rec->payload,
                                                        .raw = rec->stored,
                                                        .raw_bytes = rec->place.stored_bytes,
                                                        .lsn = rec->header.lsn};
    g->bytes += rec->place.stored_bytes;
    g->directory_bytes += DIRECTORY_ENTRY_FIXED_BYTES + (uint32_t)rec->payload.len;
    rec->opened = rec->stored = NULL;
}

/* In the place of a manifest that makes way: the version it replaced is gone, and stays so. */
static enum dol_err group_add_delete(struct group *g, const struct walk_record *rec, const struct index_judgement *j)
{
    struct manifest m;
    struct tlv_writer w;
    uint8_t graves[DELETE_GRAVES_MAX * GRAVE_REF_BYTES];
    enum dol_err err = manifest_decode(rec->payload, &m);
    if (err != DOL_OK)
        return err;
    if (version_id_is_zero(&m.replaces))
        return DOL_ECORRUPT;
    for (unsigned i = 0; i < j->grave_count; i++)
        grave_ref_encode(&j->graves[i], graves + (size_t)i * GRAVE_REF_BYTES);
    struct delete_body body = {.bucket = m.bucket,
                               .key = m.key,
                               .version = m.replaces,
                               .graves = bytes_of(graves, (size_t)j->grave_count * GRAVE_REF_BYTES)};
    uint8_t *buf = malloc(DELETE_BODY_BYTES);
    if (buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, buf, DELETE_BODY_BYTES);
    delete_body_encode(&body, &w);
    dol_assert(!w.overflow);
    struct bytes payload = bytes_of(buf, w.len);
    g->bodies[g->delete_count] = buf;
    g->deletes[g->delete_count++] =
        (struct append_record){.kind = RECORD_DELETE, .parts = {payload}, .part_count = 1, .payload = payload};
    g->bytes += (uint32_t)w.len;
    g->directory_bytes += DIRECTORY_ENTRY_FIXED_BYTES + (uint32_t)w.len;
    return DOL_OK;
}

enum dol_err compact_append(struct store *s, struct append_group *group)
{
    enum dol_err err = store_wait_for_index(s);
    if (err != DOL_OK)
        return err;
    append_start_copies(s->pool, group);
    err = append_wait(group);
    if (err != DOL_EFULL)
        return err;
    append_start(s->pool, group); /* loop 0's slab may have room */
    return append_wait(group);
}

static void slow_down(const struct compaction *c, uint64_t bytes)
{
    if (c->rate_bytes_s > 0)
        fiber_sleep(bytes * 1000000000ull / c->rate_bytes_s);
}

static enum dol_err group_write(struct compaction *c, struct group *g)
{
    struct append_record *records;
    uint8_t body[MOVED_BODY_BYTES];
    struct tlv_writer w;
    unsigned n = g->delete_count;
    if (g->delete_count + g->copy_count == 0)
        return DOL_OK;
    records = malloc((g->delete_count + g->copy_count + 1) * sizeof *records);
    if (records == NULL)
        return DOL_ENOMEM;
    memcpy(records, g->deletes, g->delete_count * sizeof *records);
    memcpy(records + n, g->copies, g->copy_count * sizeof *records);
    n += g->copy_count;
    if (g->copy_count > 0) {
        const struct moved_body moved = {c->slab->id, c->slab->life, g->copy_count};
        tlv_writer_init(&w, body, sizeof body);
        moved_body_encode(&moved, &w);
        dol_assert(!w.overflow);
        struct bytes payload = bytes_of(body, w.len);
        records[n++] = (struct append_record){.kind = RECORD_MOVED,
                                              .flags = RECORD_FLAG_SKIP,
                                              .parts = {payload},
                                              .part_count = 1,
                                              .payload = payload,
                                              .moved_count = g->copy_count};
    }
    struct append_group group = {.records = records, .count = n};
    enum dol_err err = compact_append(c->store, &group);
    free(records);
    if (err == DOL_OK) {
        c->records_moved += g->copy_count;
        c->bytes_moved += g->bytes;
        atomic_fetch_add(&c->store->pool->counters.bytes_moved, g->bytes);
        slow_down(c, g->bytes);
    }
    group_clear(g);
    return err;
}

/* Verdicts and frees are needed where they are as long as the slab they speak of is there: it goes first. */
static enum dol_err ask_pool(struct compaction *c, const struct walk_record *rec)
{
    struct end_body end;
    struct freed_body freed;
    uint64_t id;
    struct uuid life;
    enum dol_err err;
    if (rec->header.kind == RECORD_END) {
        err = end_body_decode(rec->payload, &end);
        id = end.slab;
        life = end.life;
    } else {
        err = freed_body_decode(rec->payload, &freed);
        id = freed.slab;
        life = freed.life;
    }
    if (err != DOL_OK)
        return err;
    const struct slab *slab = pool_slab_find(c->store->pool, id);
    if (slab == NULL || !uuid_equal(slab->life, life))
        return DOL_OK;
    c->blocked_by = id;
    return DOL_EBUSY;
}

static enum dol_err judge(struct compaction *c, const struct walk_record *rec, struct index_judgement *out)
{
    const struct index_record record = {.kind = rec->header.kind,
                                        .codec = rec->header.codec,
                                        .lsn = rec->header.lsn,
                                        .place = rec->place,
                                        .plain_bytes = rec->header.plain_bytes,
                                        .payload = rec->payload};
    struct index_view *view;
    enum dol_err err = index_view_begin(c->store->index, &view);
    if (err != DOL_OK)
        return err;
    err = index_judge(view, &record, c->dead_upto, out);
    index_view_end(view);
    return err;
}

/* Takes the record, or leaves it to the caller to free. */
static enum dol_err take_record(struct compaction *c, struct group *g, struct walk_record *rec)
{
    struct index_judgement j;
    enum dol_err err = judge(c, rec, &j);
    if (err != DOL_OK)
        return err;
    switch (j.verdict) {
    case INDEX_KEEP:
        group_add_copy(g, rec);
        return DOL_OK;
    case INDEX_DROP:
        return DOL_OK;
    case INDEX_REPLACE:
        return group_add_delete(g, rec, &j);
    case INDEX_ASK:
        return ask_pool(c, rec);
    default:
        log_error("gc", "slab %llx holds a record of kind %u, LSN %llu.%llu, that the index doesn't know",
                  (unsigned long long)c->slab->id, rec->header.kind, (unsigned long long)rec->header.lsn.run,
                  (unsigned long long)rec->header.lsn.counter);
        index_doubt(c->store->index, "a record in the log is neither current nor void");
        return DOL_ECORRUPT;
    }
}

static enum dol_err take_row(struct compaction *c, struct group *g, struct slab_walk *walk)
{
    struct walk_record rec;
    enum dol_err err;
    while ((err = slab_walk_record(walk, &rec)) == DOL_OK) {
        err = take_record(c, g, &rec);
        walk_record_free(&rec);
        if (err == DOL_OK && group_is_full(g, c))
            err = group_write(c, g);
        if (err != DOL_OK)
            return err;
    }
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum dol_err compact_slab(struct compaction *c)
{
    struct slab_walk walk;
    struct group *g = calloc(1, sizeof *g);
    enum dol_err err;
    if (g == NULL)
        return DOL_ENOMEM;
    slab_walk_init(&walk, c->store->pool, c->slab);
    while ((err = slab_walk_row(&walk)) == DOL_OK) {
        err = *c->stopping ? DOL_ESTOPPED : take_row(c, g, &walk);
        slow_down(c, walk.bytes_read - c->bytes_read);
        c->bytes_read = walk.bytes_read;
        if (err != DOL_OK)
            break;
    }
    if (err == DOL_ENOTFOUND)
        err = group_write(c, g);
    else if (err == DOL_ECORRUPT && !index_is_unsure(c->store->index))
        err = DOL_EINCOMPLETE; /* the slab's own damage: it stays as it is */
    slab_walk_fini(&walk);
    group_clear(g);
    free(g);
    return err;
}
