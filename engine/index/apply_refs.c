/*
 * Chunks and chunk lists: where they are, and how many references they have.
 *
 * Effects are collected over the whole batch (in several turns when it ends uploads of many parts), sorted by hash and
 * summed, so each row is read and written once, in key order. Only sums matter for the result, so the order of keys
 * does not. Lists come first: a list's first reference takes one on each member, its last gives them back. While an
 * index is rebuilt, references may come before the record that stores the chunk (it may have been stored again later):
 * then there is a row without REF_ROW_STORED, and a list without its members waits for them.
 *
 * A reference given back that isn't there never crashes and never makes a chunk dead: its row becomes suspect, for
 * good.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "index_impl.h"
#include "log.h"

#define EFFECTS_MIN 1024u
#define EFFECTS_MAX (1u << 20) /* collected at once; one more record may go beyond */

static enum dol_err effects_add(struct ref_effects *e, const struct ref_effect *effect)
{
    if (e->count == e->capacity) {
        size_t capacity = e->capacity == 0 ? EFFECTS_MIN : 2 * e->capacity;
        struct ref_effect *grown = realloc(e->items, capacity * sizeof e->items[0]);
        if (grown == NULL)
            return DOL_ENOMEM;
        e->items = grown;
        e->capacity = capacity;
    }
    e->items[e->count++] = *effect;
    return DOL_OK;
}

static enum dol_err effects_add_refs(struct ref_effects *e, struct bytes refs, size_t entry_bytes, struct lsn lsn,
                                     int64_t delta)
{
    const uint8_t *p = refs.data;
    for (size_t at = 0; at + entry_bytes <= refs.len; at += entry_bytes) {
        struct ref_effect effect = {.lsn = lsn, .delta = delta};
        effect.hash = entry_bytes == CHUNK_REF_BYTES ? chunk_ref_decode(p + at).hash : list_ref_decode(p + at).hash;
        enum dol_err err = effects_add(e, &effect);
        if (err != DOL_OK)
            return err;
    }
    return DOL_OK;
}

enum dol_err apply_refs(struct apply *a, struct bytes chunk_refs, struct bytes list_refs, struct lsn lsn, int64_t delta)
{
    enum dol_err err = effects_add_refs(&a->chunks, chunk_refs, CHUNK_REF_BYTES, lsn, delta);
    return err == DOL_OK ? effects_add_refs(&a->lists, list_refs, LIST_REF_BYTES, lsn, delta) : err;
}

enum dol_err apply_ref_record(struct apply *a, const struct pending_record *rec)
{
    struct ref_effect effect = {.lsn = rec->lsn, .record = rec};
    if (rec->kind == RECORD_CHUNK) {
        memcpy(effect.hash.b, rec->payload.data, sizeof effect.hash.b);
        return effects_add(&a->chunks, &effect);
    }
    struct chunk_list_body list;
    enum dol_err err = chunk_list_decode(rec->payload, &list);
    if (err != DOL_OK)
        return err;
    effect.hash = list.hash;
    return effects_add(&a->lists, &effect);
}

/* ---- sorting and summing ---- */

static int effect_sort(const void *pa, const void *pb)
{
    const struct ref_effect *a = pa;
    const struct ref_effect *b = pb;
    return memcmp(a->hash.b, b->hash.b, sizeof a->hash.b);
}

/* All effects on one hash, summed. */
struct ref_sum {
    const struct sha256 *hash;
    const struct ref_effect *items;
    size_t count;
    const struct pending_record *record; /* the one with the highest LSN */
    int64_t delta;
    struct lsn released; /* highest LSN that gave a reference back */
    bool changed;        /* any reference came or went */
};

static size_t effects_sum(const struct ref_effect *items, size_t count, struct ref_sum *sum)
{
    *sum = (struct ref_sum){.hash = &items[0].hash, .items = items};
    size_t n = 0;
    for (; n < count && sha256_equal(&items[n].hash, sum->hash); n++) {
        const struct ref_effect *e = &items[n];
        sum->delta += e->delta;
        if (e->delta < 0 && lsn_compare(e->lsn, sum->released) > 0)
            sum->released = e->lsn;
        sum->changed = sum->changed || e->delta != 0;
        if (e->record != NULL && (sum->record == NULL || lsn_compare(e->lsn, sum->record->lsn) > 0))
            sum->record = e->record;
    }
    sum->count = n;
    return n;
}

/* ---- rows ---- */

static void ref_row_count(struct ref_row *row, const struct ref_sum *sum)
{
    if (sum->delta < 0 && row->refs < (uint64_t)-sum->delta) {
        log_error("index", "more references to a chunk are given back than it had; it will not be freed");
        row->flags |= REF_ROW_SUSPECT;
        row->refs = 0;
    } else {
        row->refs += (uint64_t)sum->delta;
    }
    const struct lsn never = {0, 0};
    if (row->refs > 0 || (row->flags & REF_ROW_SUSPECT) != 0)
        row->dead_since = never;
    else {
        if (sum->changed && lsn_compare(sum->released, row->dead_since) > 0)
            row->dead_since = sum->released;
        if (sum->record != NULL && lsn_compare(sum->record->lsn, row->dead_since) > 0)
            row->dead_since = sum->record->lsn; /* whoever stored it may be about to refer to it */
    }
}

static void ref_row_store(struct ref_row *row, const struct pending_record *rec)
{
    if ((row->flags & REF_ROW_STORED) != 0 && lsn_compare(rec->lsn, row->lsn) < 0)
        return;
    row->flags |= REF_ROW_STORED;
    row->codec = rec->codec;
    row->plain_bytes = rec->plain_bytes;
    row->lsn = rec->lsn;
    row->place = rec->place;
}

static enum dol_err ref_row_load(MDB_cursor *mc, enum index_table table, const struct sha256 *hash, struct ref_row *row,
                                 bool *exists)
{
    struct bytes payload;
    *row = (struct ref_row){.flags = 0};
    enum dol_err err = table_get(mc, table, bytes_of(hash->b, sizeof hash->b), &payload);
    *exists = err == DOL_OK;
    if (err == DOL_ENOTFOUND)
        return DOL_OK;
    return err == DOL_OK ? ref_row_decode(payload, row) : err;
}

static enum dol_err ref_row_save(MDB_cursor *mc, enum index_table table, const struct sha256 *hash,
                                 const struct ref_row *row, bool exists)
{
    if (!exists && row->refs == 0 && (row->flags & REF_ROW_STORED) == 0)
        return DOL_OK; /* came and went within the batch, never stored */
    uint8_t value[REF_ROW_BYTES];
    ref_row_encode(row, value);
    struct bytes part = bytes_of(value, sizeof value);
    return table_put(mc, table, bytes_of(hash->b, sizeof hash->b), &part, 1);
}

/* What a row was before and is after is counted for its slab; what is void gets a grave there. */
static enum dol_err ref_row_book(struct apply *a, uint8_t kind, const struct ref_sum *sum, const struct ref_row *before,
                                 const struct ref_row *after)
{
    bool was_stored = (before->flags & REF_ROW_STORED) != 0, was_live = ref_row_is_live(before);
    bool stored = (after->flags & REF_ROW_STORED) != 0, live = ref_row_is_live(after);
    bool again = was_stored && (lsn_compare(before->lsn, after->lsn) != 0 || before->place.slab != after->place.slab);
    enum dol_err err = DOL_OK;
    if (was_live && (!live || again))
        err = apply_live(a, &before->place, LIVE_LESS);
    if (err == DOL_OK && live && (!was_live || again))
        err = apply_live(a, &after->place, LIVE_MORE);
    if (err == DOL_OK && again && was_live)
        err = apply_bury(a, &before->place, before->lsn, kind, NULL, sum->hash);
    if (err == DOL_OK && !again && was_stored && !was_live && live)
        err = apply_unbury(a, &after->place, after->lsn);
    if (err == DOL_OK && stored && !live && (!was_stored || was_live || again))
        err = apply_bury(a, &after->place, after->lsn, kind, NULL, sum->hash);
    /* stored again within the batch, or before what is known already */
    for (size_t i = 0; i < sum->count && err == DOL_OK; i++) {
        const struct pending_record *rec = sum->items[i].record;
        if (rec != NULL && lsn_compare(rec->lsn, after->lsn) != 0)
            err = apply_bury(a, &rec->place, rec->lsn, kind, NULL, sum->hash);
    }
    return err;
}

enum dol_err apply_ref_row_get(struct apply *a, uint8_t kind, const struct sha256 *hash, struct ref_row *out)
{
    enum index_table table = kind == RECORD_CHUNK ? TABLE_CHUNKS : TABLE_LISTS;
    bool exists;
    enum dol_err err = ref_row_load(a->cursors[table], table, hash, out, &exists);
    return err == DOL_OK && !exists ? DOL_ENOTFOUND : err;
}

enum dol_err apply_ref_row_put(struct apply *a, uint8_t kind, const struct sha256 *hash, const struct ref_row *row)
{
    enum index_table table = kind == RECORD_CHUNK ? TABLE_CHUNKS : TABLE_LISTS;
    return ref_row_save(a->cursors[table], table, hash, row, true);
}

/* The members of a list take or lose a reference when the list becomes referenced and known, or no longer is. */
static enum dol_err list_hold(struct apply *a, const struct ref_sum *sum, struct ref_row *row)
{
    MDB_cursor *members_cursor = a->cursors[TABLE_MEMBERS];
    struct bytes hash = bytes_of(sum->hash->b, sizeof sum->hash->b);
    bool hold = row->refs > 0 && (row->flags & REF_ROW_STORED) != 0;
    if (hold == ((row->flags & REF_ROW_HOLDS) != 0))
        return DOL_OK;
    struct bytes members;
    enum dol_err err = table_get(members_cursor, TABLE_MEMBERS, hash, &members);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
    row->flags ^= REF_ROW_HOLDS;
    return effects_add_refs(&a->chunks, members, CHUNK_REF_BYTES, sum->released, hold ? 1 : -1);
}

static enum dol_err apply_list(struct apply *a, const struct ref_sum *sum)
{
    struct ref_row row;
    bool exists;
    enum dol_err err = ref_row_load(a->cursors[TABLE_LISTS], TABLE_LISTS, sum->hash, &row, &exists);
    if (err != DOL_OK)
        return err;
    const struct ref_row before = row;
    if (sum->record != NULL) {
        struct chunk_list_body list;
        err = chunk_list_decode(sum->record->payload, &list);
        if (err == DOL_OK && (row.flags & REF_ROW_STORED) == 0)
            err = table_put(a->cursors[TABLE_MEMBERS], TABLE_MEMBERS, bytes_of(sum->hash->b, sizeof sum->hash->b),
                            &list.refs, 1);
        if (err != DOL_OK)
            return err;
        ref_row_store(&row, sum->record);
    }
    ref_row_count(&row, sum);
    err = list_hold(a, sum, &row);
    if (err == DOL_OK)
        err = ref_row_book(a, RECORD_CHUNK_LIST, sum, &before, &row);
    return err == DOL_OK ? ref_row_save(a->cursors[TABLE_LISTS], TABLE_LISTS, sum->hash, &row, exists) : err;
}

static enum dol_err apply_chunk(struct apply *a, const struct ref_sum *sum)
{
    struct ref_row row;
    bool exists;
    enum dol_err err = ref_row_load(a->cursors[TABLE_CHUNKS], TABLE_CHUNKS, sum->hash, &row, &exists);
    if (err != DOL_OK)
        return err;
    const struct ref_row before = row;
    if (sum->record != NULL) {
        if ((row.flags & REF_ROW_STORED) == 0)
            a->state.chunks++;
        ref_row_store(&row, sum->record);
    }
    ref_row_count(&row, sum);
    err = ref_row_book(a, RECORD_CHUNK, sum, &before, &row);
    if (err != DOL_OK)
        return err;
    return ref_row_save(a->cursors[TABLE_CHUNKS], TABLE_CHUNKS, sum->hash, &row, exists);
}

typedef enum dol_err apply_sum_fn(struct apply *a, const struct ref_sum *sum);

static enum dol_err effects_apply(struct apply *a, struct ref_effects *e, apply_sum_fn *fn)
{
    if (e->count > 0)
        qsort(e->items, e->count, sizeof e->items[0], effect_sort);
    enum dol_err err = DOL_OK;
    struct ref_sum sum;
    for (size_t i = 0; i < e->count && err == DOL_OK;) {
        i += effects_sum(e->items + i, e->count - i, &sum);
        err = fn(a, &sum);
    }
    e->count = 0;
    return err;
}

enum dol_err apply_refs_finish(struct apply *a)
{
    enum dol_err err = effects_apply(a, &a->lists, apply_list);
    return err == DOL_OK ? effects_apply(a, &a->chunks, apply_chunk) : err;
}

enum dol_err apply_refs_bound(struct apply *a)
{
    return a->chunks.count + a->lists.count > EFFECTS_MAX ? apply_refs_finish(a) : DOL_OK;
}
