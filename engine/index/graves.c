/*
 * What of each slab is needed, and what is void.
 *
 * A record is current while it tells the state of something: the manifest of a version, its newest object-meta, a
 * bucket, an upload, a part, a setting, the stored copy of a chunk or list that has references. The bytes and the
 * number of current records of each slab are kept exactly.
 *
 * A record that was current and no longer is gets a grave in its slab; so does a chunk without references. A slab is
 * never freed on the absence of a row: each of its records is either current elsewhere, or has a grave.
 *
 * Some graves would open if a record elsewhere were lost: a manifest without its delete, or without the manifest that
 * replaced it; an upload without its end. Such a *canceller* has a row that names these graves, and counts as needed
 * until the last of them has gone with its slab. A canceller in the slab of the grave itself has none: they go
 * together.
 */
#include <stdlib.h>

#include "index_impl.h"
#include "le.h"
#include "log.h"

#define LIVE_SLOTS_MIN    64u
#define CANCEL_GRAVES_MAX 256u

void index_unsure(struct index *ix, const char *what)
{
    if (atomic_exchange(&ix->unsure, true))
        return;
    index_retire(ix);
    log_error("index", "%s: %s: no space is reclaimed until the index has been built again, by the next start", ix->dir,
              what);
}

/* ---- sums ---- */

static struct live_sum *live_slot(struct live_sums *l, uint64_t slab)
{
    size_t i = (size_t)((slab ^ slab >> 29) * 0x9e3779b97f4a7c15ull >> 32) & (l->capacity - 1);
    while (l->slots[i].slab != 0 && l->slots[i].slab != slab)
        i = (i + 1) & (l->capacity - 1);
    return &l->slots[i];
}

enum dol_err live_sums_of(struct live_sums *l, uint64_t slab, struct live_sum **out)
{
    if (2 * (l->count + 1) > l->capacity) {
        struct live_sums grown = {.capacity = l->capacity == 0 ? LIVE_SLOTS_MIN : 2 * l->capacity, .count = l->count};
        grown.slots = calloc(grown.capacity, sizeof grown.slots[0]);
        if (grown.slots == NULL)
            return DOL_ENOMEM;
        for (size_t i = 0; i < l->capacity; i++)
            if (l->slots[i].slab != 0)
                *live_slot(&grown, l->slots[i].slab) = l->slots[i];
        free(l->slots);
        *l = grown;
    }
    *out = live_slot(l, slab);
    if ((*out)->slab == 0) {
        (*out)->slab = slab;
        l->count++;
    }
    return DOL_OK;
}

enum dol_err live_sums_add(struct live_sums *l, const struct place *place, enum live_what what, enum live_change change)
{
    struct live_sum *sum;
    enum dol_err err = live_sums_of(l, place->slab, &sum);
    if (err != DOL_OK)
        return err;
    sum->records += what == LIVE_RECORD ? (int64_t)change : 0;
    sum->cancels += what != LIVE_RECORD ? (int64_t)change : 0;
    if (what != LIVE_CANCELLING_MANIFEST)
        sum->bytes += (int64_t)change * (int64_t)place_row_bytes(place);
    return DOL_OK;
}

enum dol_err apply_live(struct apply *a, const struct place *place, enum live_change change)
{
    return live_sums_add(&a->live, place, LIVE_RECORD, change);
}

static enum dol_err live_canceller(struct apply *a, uint8_t kind, const struct place *place, enum live_change change)
{
    return live_sums_add(&a->live, place, live_what_of_canceller(kind), change);
}

static bool add_to(uint64_t *value, int64_t delta)
{
    if (delta < 0 && *value < (uint64_t)-delta)
        return false;
    *value += (uint64_t)delta;
    return true;
}

static enum dol_err live_flush(struct apply *a, const struct live_sum *sum)
{
    struct live_row row = {0};
    struct bytes payload;
    uint8_t key[8], value[LIVE_ROW_BYTES];
    be64_put(key, sum->slab);
    struct bytes k = bytes_of(key, sizeof key);
    if (sum->bytes == 0 && sum->records == 0 && sum->cancels == 0)
        return DOL_OK;
    enum dol_err err = table_get(a->cursors[TABLE_LIVE], TABLE_LIVE, k, &payload);
    if (err == DOL_OK)
        err = live_row_decode(payload, &row);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    if (!add_to(&row.bytes, sum->bytes) || !add_to(&row.records, sum->records) || !add_to(&row.cancels, sum->cancels) ||
        !add_to(&a->state.live_bytes, sum->bytes)) {
        index_unsure(a->ix, "a slab has fewer records than it loses");
        return DOL_OK;
    }
    if (row.bytes == 0 && row.records == 0 && row.cancels == 0)
        return apply_row_delete(a->cursors[TABLE_LIVE], k);
    live_row_encode(&row, value);
    struct bytes part = bytes_of(value, sizeof value);
    return table_put(a->cursors[TABLE_LIVE], TABLE_LIVE, k, &part, 1);
}

enum dol_err apply_live_finish(struct apply *a)
{
    enum dol_err err = DOL_OK;
    for (size_t i = 0; i < a->live.capacity && err == DOL_OK; i++)
        if (a->live.slots[i].slab != 0)
            err = live_flush(a, &a->live.slots[i]);
    free(a->live.slots);
    a->live = (struct live_sums){0};
    return err;
}

/* ---- cancellers ---- */

struct canceller {
    uint8_t kind;
    struct lsn lsn;
    struct place place;
};

static enum dol_err cancel_get(struct apply *a, struct lsn lsn, struct cancel_row *row, uint8_t *graves)
{
    uint8_t key[LSN_KEY_BYTES];
    struct bytes payload;
    lsn_key_encode(lsn, key);
    enum dol_err err = table_get(a->cursors[TABLE_CANCELS], TABLE_CANCELS, bytes_of(key, sizeof key), &payload);
    if (err == DOL_OK)
        err = cancel_row_decode(payload, row);
    if (err != DOL_OK)
        return err;
    if (row->graves.len > CANCEL_GRAVES_MAX * GRAVE_REF_BYTES)
        return DOL_ECORRUPT;
    memcpy(graves, row->graves.data, row->graves.len); /* what lies in the map moves with the next change */
    row->graves.data = graves;
    return DOL_OK;
}

static enum dol_err cancel_put(struct apply *a, struct lsn lsn, const struct cancel_row *row)
{
    uint8_t key[LSN_KEY_BYTES], head[CANCEL_ROW_BYTES];
    lsn_key_encode(lsn, key);
    cancel_row_encode(row, head);
    const struct bytes parts[] = {bytes_of(head, sizeof head), row->graves};
    return table_put(a->cursors[TABLE_CANCELS], TABLE_CANCELS, bytes_of(key, sizeof key), parts, 2);
}

/* Index of a grave in the array, or its length. */
static size_t grave_index(const uint8_t *graves, size_t len, const struct grave_ref *g)
{
    uint8_t wanted[GRAVE_REF_BYTES];
    size_t at = 0;
    grave_ref_encode(g, wanted);
    while (at < len && memcmp(graves + at, wanted, sizeof wanted) != 0)
        at += GRAVE_REF_BYTES;
    return at;
}

static enum dol_err cancel_add(struct apply *a, const struct canceller *c, const struct grave_ref *g)
{
    uint8_t graves[(CANCEL_GRAVES_MAX + 1) * GRAVE_REF_BYTES];
    struct cancel_row row = {.kind = c->kind, .place = c->place};
    if (c->place.slab == g->slab)
        return DOL_OK;
    enum dol_err err = cancel_get(a, c->lsn, &row, graves);
    if (err == DOL_ENOTFOUND) {
        row = (struct cancel_row){.kind = c->kind, .place = c->place, .graves = bytes_of(graves, 0)};
        err = live_canceller(a, c->kind, &c->place, LIVE_MORE);
    }
    if (err != DOL_OK)
        return err;
    size_t len = row.graves.len;
    if (grave_index(graves, len, g) < len)
        return DOL_OK;
    if (len == CANCEL_GRAVES_MAX * GRAVE_REF_BYTES)
        return DOL_ECORRUPT;
    grave_ref_encode(g, graves + len);
    row.graves = bytes_of(graves, len + GRAVE_REF_BYTES);
    return cancel_put(a, c->lsn, &row);
}

static enum dol_err cancel_remove(struct apply *a, struct lsn lsn, const struct grave_ref *g)
{
    uint8_t graves[CANCEL_GRAVES_MAX * GRAVE_REF_BYTES], key[LSN_KEY_BYTES];
    struct cancel_row row;
    enum dol_err err = cancel_get(a, lsn, &row, graves);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    size_t len = row.graves.len, at = grave_index(graves, len, g);
    if (at == len)
        return DOL_OK;
    memmove(graves + at, graves + at + GRAVE_REF_BYTES, len - at - GRAVE_REF_BYTES);
    row.graves = bytes_of(graves, len - GRAVE_REF_BYTES);
    if (row.graves.len > 0)
        return cancel_put(a, lsn, &row);
    lsn_key_encode(lsn, key);
    err = live_canceller(a, row.kind, &row.place, LIVE_LESS);
    return err == DOL_OK ? apply_row_delete(a->cursors[TABLE_CANCELS], bytes_of(key, sizeof key)) : err;
}

enum dol_err apply_canceller_moved(struct apply *a, uint64_t from, const struct pending_record *rec)
{
    uint8_t graves[CANCEL_GRAVES_MAX * GRAVE_REF_BYTES];
    struct cancel_row row;
    enum dol_err err = cancel_get(a, rec->lsn, &row, graves);
    if (err != DOL_OK || row.place.slab != from)
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    err = live_canceller(a, row.kind, &row.place, LIVE_LESS);
    row.place = rec->place;
    if (err == DOL_OK)
        err = live_canceller(a, row.kind, &row.place, LIVE_MORE);
    return err == DOL_OK ? cancel_put(a, rec->lsn, &row) : err;
}

/* ---- graves ---- */

enum dol_err apply_grave(struct apply *a, uint64_t slab, struct lsn lsn, struct grave_row *out)
{
    uint8_t key[GRAVE_KEY_BYTES];
    struct bytes payload;
    grave_key_encode(slab, lsn, key);
    enum dol_err err = table_get(a->cursors[TABLE_GRAVES], TABLE_GRAVES, bytes_of(key, sizeof key), &payload);
    return err == DOL_OK ? grave_row_decode(payload, out) : err;
}

static enum dol_err grave_put(struct apply *a, uint64_t slab, struct lsn lsn, const struct grave_row *grave)
{
    uint8_t key[GRAVE_KEY_BYTES], value[GRAVE_ROW_BYTES];
    grave_key_encode(slab, lsn, key);
    grave_row_encode(grave, value);
    struct bytes part = bytes_of(value, sizeof value);
    enum dol_err err = table_put(a->cursors[TABLE_GRAVES], TABLE_GRAVES, bytes_of(key, sizeof key), &part, 1);
    if (err != DOL_OK || grave->canceller_kind == 0)
        return err;
    const struct canceller c = {grave->canceller_kind, grave->canceller, grave->canceller_place};
    return cancel_add(a, &c, &(struct grave_ref){slab, lsn});
}

enum dol_err apply_bury(struct apply *a, const struct place *place, struct lsn lsn, uint8_t kind,
                        const struct pending_record *canceller, const struct sha256 *hash)
{
    struct grave_row grave = {.kind = kind};
    if (canceller != NULL) {
        grave.canceller_kind = canceller->kind;
        grave.canceller = canceller->lsn;
        grave.canceller_place = canceller->place;
    }
    if (hash != NULL)
        grave.hash = *hash;
    return grave_put(a, place->slab, lsn, &grave);
}

enum dol_err apply_unbury(struct apply *a, const struct place *place, struct lsn lsn)
{
    uint8_t key[GRAVE_KEY_BYTES];
    grave_key_encode(place->slab, lsn, key);
    return apply_row_delete(a->cursors[TABLE_GRAVES], bytes_of(key, sizeof key));
}

enum dol_err apply_bury_copy(struct apply *a, uint64_t from, const struct place *place, struct lsn lsn)
{
    struct grave_row grave;
    uint8_t graves[CANCEL_GRAVES_MAX * GRAVE_REF_BYTES];
    struct cancel_row row;
    enum dol_err err = apply_grave(a, from, lsn, &grave);
    if (err != DOL_OK)
        return err;
    if (grave.canceller_kind != 0) {
        err = cancel_get(a, grave.canceller, &row, graves);
        if (err != DOL_OK && err != DOL_ENOTFOUND)
            return err;
        if (err == DOL_OK)
            grave.canceller_place = row.place; /* it may have been moved since */
    }
    return grave_put(a, place->slab, lsn, &grave);
}

enum dol_err apply_inherit(struct apply *a, const struct pending_record *rec, struct bytes graves)
{
    const uint8_t *p = graves.data;
    enum dol_err err = DOL_OK;
    for (size_t at = 0; at < graves.len && err == DOL_OK; at += GRAVE_REF_BYTES) {
        struct grave_ref g = grave_ref_decode(p + at);
        struct grave_row grave;
        err = apply_grave(a, g.slab, g.lsn, &grave);
        if (err == DOL_ENOTFOUND) {
            err = DOL_OK; /* its slab has gone meanwhile */
            continue;
        }
        if (err == DOL_OK && grave.canceller_kind != 0)
            err = cancel_remove(a, grave.canceller, &g);
        grave.canceller_kind = rec->kind;
        grave.canceller = rec->lsn;
        grave.canceller_place = rec->place;
        if (err == DOL_OK)
            err = grave_put(a, g.slab, g.lsn, &grave);
    }
    return err;
}

enum dol_err apply_unbury_final(struct apply *a, uint64_t slab, struct lsn lsn, const struct grave_row *grave)
{
    uint8_t key[GRAVE_KEY_BYTES];
    enum dol_err err = DOL_OK;
    if (grave->canceller_kind != 0)
        err = cancel_remove(a, grave->canceller, &(struct grave_ref){slab, lsn});
    grave_key_encode(slab, lsn, key);
    return err == DOL_OK ? apply_row_delete(a->cursors[TABLE_GRAVES], bytes_of(key, sizeof key)) : err;
}
