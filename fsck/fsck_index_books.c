/*
 * What reclaiming relies on (docs/design/reclaim.md): the books of every slab, graves of what is void, and the records
 * that keep them shut. A record that is neither current nor void would be lost, or come back, when its slab is freed.
 */
#include <stdlib.h>

#include "fsck_index.h"
#include "hash.h"
#include "le.h"

/* ---- cancellers ---- */

/* A canceller and a grave that it keeps shut, as the key of a map. */
struct shut {
    uint8_t b[LSN_KEY_BYTES + GRAVE_KEY_BYTES];
};

static struct shut shut_of(struct lsn canceller, uint64_t slab, struct lsn lsn)
{
    struct shut s;
    lsn_key_encode(canceller, s.b);
    grave_key_encode(slab, lsn, s.b + LSN_KEY_BYTES);
    return s;
}

void fsck_index_on_cancel(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct cancel_row row;
    struct fsck_slab *s;
    if (key.len != LSN_KEY_BYTES || cancel_row_decode(payload, &row) != DOL_OK) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table cancels is none");
        return;
    }
    struct lsn lsn = lsn_key_decode(key.data);
    struct fsck_record *r = fsck_record_find(ix->f, &row.place, &s);
    if (r == NULL || r->kind != row.kind || lsn_compare(r->lsn, lsn) != 0 || !fsck_log_counts(s, r, ix->state.applied))
        fsck_index_say(
            ix, FSCK_REPAIRABLE,
            "record %llu.%llu, without which others would be current again, doesn't lie where the index says",
            (unsigned long long)lsn.run, (unsigned long long)lsn.counter);
    struct fsck_index_slab *known = fsck_index_slab_of(ix, row.place.slab);
    if (known != NULL) {
        known->live.cancels++;
        known->live.bytes += row.kind == RECORD_MANIFEST ? 0 : place_row_bytes(&row.place);
    }
    const uint8_t *graves = row.graves.data;
    for (size_t at = 0; at < row.graves.len; at += GRAVE_REF_BYTES) {
        struct grave_ref g = grave_ref_decode(graves + at);
        struct shut shut = shut_of(lsn, g.slab, g.lsn);
        (void)fsck_index_slot(ix, &ix->shut, bytes_of(shut.b, sizeof shut.b), sizeof shut);
    }
}

/* ---- graves ---- */

static int by_lsn(const void *a, const void *b)
{
    return lsn_compare((*(struct fsck_record *const *)a)->lsn, (*(struct fsck_record *const *)b)->lsn);
}

/* Graves come slab by slab. */
static bool turn_to(struct fsck_index *ix, const struct fsck_slab *s)
{
    if (ix->by_lsn_slab == s)
        return true;
    free(ix->by_lsn);
    ix->by_lsn_slab = NULL;
    ix->by_lsn = malloc((s->record_count + 1) * sizeof(struct fsck_record *));
    if (ix->by_lsn == NULL) {
        ix->err = DOL_ENOMEM;
        return false;
    }
    for (size_t i = 0; i < s->record_count; i++)
        ix->by_lsn[i] = &s->records[i];
    if (s->record_count > 0)
        qsort(ix->by_lsn, s->record_count, sizeof(struct fsck_record *), by_lsn);
    ix->by_lsn_slab = s;
    return true;
}

static struct fsck_record *record_of(const struct fsck_index *ix, struct lsn lsn)
{
    size_t low = 0, high = ix->by_lsn_slab->record_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (lsn_compare(ix->by_lsn[middle]->lsn, lsn) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ix->by_lsn_slab->record_count && lsn_compare(ix->by_lsn[low]->lsn, lsn) == 0 ? ix->by_lsn[low] : NULL;
}

/* Is a record that the index says is current void by it, too? A chunk without references is both. */
static bool is_needed(struct fsck_index *ix, const struct fsck_record *r)
{
    if (r->kind != RECORD_CHUNK && r->kind != RECORD_CHUNK_LIST)
        return r->indexed;
    const struct fsck_content *c = fsck_log_content(&ix->log, r->kind, &r->hash);
    return c != NULL && r->indexed && c->refs > 0;
}

void fsck_index_on_grave(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct grave_row row;
    char name[FSCK_SLAB_NAME_BYTES];
    if (key.len != GRAVE_KEY_BYTES || grave_row_decode(payload, &row) != DOL_OK) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table graves is none");
        return;
    }
    uint64_t slab = be64_get(key.data);
    struct lsn lsn = lsn_key_decode((const uint8_t *)key.data + 8);
    const struct fsck_slab *s = fsck_slab_find(ix->f, slab);
    if (s == NULL) {
        const struct fsck_index_slab *known = fsck_index_slab_of(ix, slab);
        if (known != NULL && (!known->known || known->row.slab.state != SLAB_STATE_FREED))
            fsck_index_say(ix, FSCK_REPAIRABLE, "a grave in slab %llu.%llu, which is not there",
                           (unsigned long long)(slab >> 32), (unsigned long long)(slab & UINT32_MAX));
        return;
    }
    if (!turn_to(ix, s))
        return;
    struct fsck_record *r = record_of(ix, lsn);
    bool hashed = row.kind == RECORD_CHUNK || row.kind == RECORD_CHUNK_LIST;
    struct shut shut = shut_of(row.canceller, slab, lsn);
    const char *wrong = NULL;
    if (r == NULL || r->kind != row.kind || (hashed && !sha256_equal(&r->hash, &row.hash)))
        wrong = "the index calls a record void that isn't there";
    else if (is_needed(ix, r))
        wrong = "the index calls a record void that is needed";
    else if (row.canceller_kind != 0 && row.canceller_place.slab != slab &&
             fsck_map_get(&ix->shut, bytes_of(shut.b, sizeof shut.b)) == NULL)
        wrong = "the index doesn't keep what makes a record void";
    if (r != NULL)
        r->buried = true;
    if (wrong != NULL)
        fsck_index_say(ix, FSCK_REPAIRABLE, "%s, record %llu.%llu of kind %u: %s", fsck_slab_name(s, name),
                       (unsigned long long)lsn.run, (unsigned long long)lsn.counter, row.kind, wrong);
}

/* ---- books ---- */

void fsck_index_on_live(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct live_row row;
    if (key.len != 8 || live_row_decode(payload, &row) != DOL_OK) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table live is none");
        return;
    }
    ix->live_bytes += row.bytes;
    struct fsck_index_slab *known = fsck_index_slab_of(ix, be64_get(key.data));
    if (known == NULL)
        return;
    known->live.bytes -= row.bytes; /* zeroes are left when the books are right */
    known->live.records -= row.records;
    known->live.cancels -= row.cancels;
}

static void compare_books(struct fsck_index *ix)
{
    for (size_t i = 0; i < ix->slabs.capacity; i++) {
        const struct fsck_index_slab *known = ix->slabs.slots[i].value;
        if (known == NULL || (known->live.bytes == 0 && known->live.records == 0 && known->live.cancels == 0))
            continue;
        uint64_t slab = be64_get(known->key);
        fsck_index_say(ix, FSCK_REPAIRABLE, "slab %llu.%llu: the books of what is needed of it are wrong",
                       (unsigned long long)(slab >> 32), (unsigned long long)(slab & UINT32_MAX));
    }
}

/* ---- records that nothing speaks of ---- */

/* What a record is about, as the index has it: the LSN of its newest record. false: nothing the index keeps. */
static bool thing_of(struct fsck_index *ix, const struct fsck_slab *s, const struct fsck_record *r, struct lsn *known,
                     bool *told)
{
    struct bytes body = fsck_record_body(s, r);
    struct manifest m;
    struct object_meta_body meta;
    struct bucket_body b;
    struct upload_body u;
    struct upload_part_body part;
    const struct fsck_content *c;
    const struct fsck_state *st = NULL;
    if (r->kind == RECORD_CHUNK || r->kind == RECORD_CHUNK_LIST) {
        if ((c = fsck_log_content(&ix->log, r->kind, &r->hash)) == NULL)
            return false;
        *known = c->indexed;
        *told = c->wrong != NULL;
        return true;
    }
    if (r->kind == RECORD_MANIFEST && manifest_decode(body, &m) == DOL_OK)
        st = fsck_log_version(&ix->log, m.bucket, m.key, &m.version);
    else if (r->kind == RECORD_OBJECT_META && object_meta_decode(body, &meta) == DOL_OK)
        st = fsck_log_version(&ix->log, meta.bucket, meta.key, &meta.version);
    else if (r->kind == RECORD_BUCKET && bucket_body_decode(body, &b) == DOL_OK)
        st = fsck_log_bucket(&ix->log, b.id);
    else if (r->kind == RECORD_UPLOAD && upload_body_decode(body, &u) == DOL_OK)
        st = fsck_log_upload(&ix->log, u.upload_id);
    else if (r->kind == RECORD_UPLOAD_PART && upload_part_decode(body, &part) == DOL_OK)
        st = fsck_log_part(&ix->log, part.upload_id, part.part.number);
    if (st == NULL)
        return false;
    *known = r->kind == RECORD_OBJECT_META ? st->meta_indexed : st->indexed;
    *told = st->wrong;
    return true;
}

static void say_unexplained(struct fsck_index *ix, const struct fsck_slab *s, const struct fsck_record *r)
{
    char slab[FSCK_SLAB_NAME_BYTES], name[FSCK_OBJECT_NAME_BYTES] = "";
    struct manifest m;
    if (r->kind == RECORD_MANIFEST && manifest_decode(fsck_record_body(s, r), &m) == DOL_OK)
        fsck_log_object_name(&ix->log, m.bucket, m.key, name);
    fsck_index_say(
        ix, FSCK_REPAIRABLE, "%s, record %llu.%llu of kind %u: by the index it is neither needed nor void %s",
        fsck_slab_name(s, slab), (unsigned long long)r->lsn.run, (unsigned long long)r->lsn.counter, r->kind, name);
}

/* Only rows that are applied, and no copies: their originals may have the grave. */
static void explain(struct fsck_index *ix, const struct fsck_slab *s)
{
    struct lsn known = {0, 0};
    bool told = false;
    const struct fsck_index_slab *slab = fsck_index_slab_of(ix, s->header.slab);
    if (slab == NULL || !slab->known || slab->moving || slab->row.slab.state == SLAB_STATE_FREED ||
        !uuid_equal(slab->row.slab.life, s->header.life))
        return;
    for (size_t i = 0; i < s->record_count; i++) {
        const struct fsck_record *r = &s->records[i];
        if (r->indexed || r->buried || r->row >= slab->row.slab.rows || !fsck_log_counts(s, r, ix->state.applied) ||
            !thing_of(ix, s, r, &known, &told))
            continue;
        if (!told && lsn_compare(known, r->lsn) < 0)
            say_unexplained(ix, s, r);
    }
}

static void compare_count(struct fsck_index *ix, const char *what, uint64_t said, uint64_t counted)
{
    if (said != counted)
        fsck_index_say(ix, FSCK_REPAIRABLE, "%s: the index counts %llu, and has %llu", what, (unsigned long long)said,
                       (unsigned long long)counted);
}

void fsck_index_books_end(struct fsck_index *ix)
{
    for (size_t i = 0; i < ix->f->slab_count; i++)
        explain(ix, ix->f->slabs[i]);
    if (ix->unreadable > 0)
        return; /* what can't be read wasn't counted */
    compare_books(ix);
    compare_count(ix, "objects", ix->state.objects, ix->objects);
    compare_count(ix, "buckets", ix->state.buckets, ix->buckets);
    compare_count(ix, "chunks", ix->state.chunks, ix->chunks);
    compare_count(ix, "bytes that are needed", ix->state.live_bytes, ix->live_bytes);
}
