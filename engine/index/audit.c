/*
 * Audit: does the index fit itself where reclaiming relies on it? After an unclean stop, and for an index that has lain
 * about, nothing is freed before this has passed once.
 *
 * References: for chunks and for lists, every reference that manifests, parts and lists hold is added to a sum of the
 * hashes referred to; every row takes its own count of references from it. Hashes are as good as random numbers, so
 * sums of zero mean that all the counts are right. Memory does not grow with the number of chunks.
 *
 * Books: the current records of every slab are counted again and compared.
 *
 * It is one pass over one snapshot. A commit that has to grow the map waits for it: it looks up now and then, and gives
 * up.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"
#include "log.h"

#define AUDIT_ROWS_BETWEEN_LOOKS 1024u

/* Sums to zero when what is counted twice, with opposite signs, is the same. */
struct fingerprint {
    uint64_t count, a, b;
};

struct audit {
    struct index *ix;
    struct index_view *v;
    struct fingerprint chunks, lists;
    struct live_sums live;
    uint64_t rows;
    bool suspect;
};

static void fingerprint_add(struct fingerprint *f, const struct sha256 *hash, uint64_t times)
{
    f->count += times;
    f->a += times * be64_get(hash->b);
    f->b += times * be64_get(hash->b + 8);
}

static void ref_add_one(struct fingerprint *f, struct sha256 hash)
{
    fingerprint_add(f, &hash, 1);
}

static void audit_refs(struct audit *u, struct bytes chunk_refs, struct bytes list_refs)
{
    const uint8_t *p = chunk_refs.data;
    for (size_t at = 0; at + CHUNK_REF_BYTES <= chunk_refs.len; at += CHUNK_REF_BYTES)
        ref_add_one(&u->chunks, chunk_ref_decode(p + at).hash);
    p = list_refs.data;
    for (size_t at = 0; at + LIST_REF_BYTES <= list_refs.len; at += LIST_REF_BYTES)
        ref_add_one(&u->lists, list_ref_decode(p + at).hash);
}

static enum dol_err audit_body_row(struct audit *u, enum index_table table, const struct body_row *row)
{
    struct manifest m;
    struct upload_part_body part;
    enum dol_err err = live_sums_add(&u->live, &row->place, LIVE_RECORD, LIVE_MORE);
    if (err == DOL_OK && (row->flags & BODY_ROW_META) != 0)
        err = live_sums_add(&u->live, &row->meta_place, LIVE_RECORD, LIVE_MORE);
    if (err == DOL_OK && table == TABLE_OBJECTS && (err = manifest_decode(row->body, &m)) == DOL_OK)
        audit_refs(u, m.chunk_refs, m.list_refs);
    if (err == DOL_OK && table == TABLE_PARTS && (err = upload_part_decode(row->body, &part)) == DOL_OK)
        audit_refs(u, part.chunk_refs, part.list_refs);
    return err;
}

static enum dol_err audit_ref_row(struct audit *u, enum index_table table, const MDB_val *key, struct bytes payload)
{
    struct ref_row row;
    struct sha256 hash;
    struct bytes members;
    if (key->mv_size != sizeof hash.b)
        return DOL_ECORRUPT;
    memcpy(hash.b, key->mv_data, sizeof hash.b);
    enum dol_err err = ref_row_decode(payload, &row);
    if (err == DOL_OK && ref_row_is_live(&row))
        err = live_sums_add(&u->live, &row.place, LIVE_RECORD, LIVE_MORE);
    if (err != DOL_OK)
        return err;
    u->suspect = u->suspect || (row.flags & REF_ROW_SUSPECT) != 0;
    fingerprint_add(table == TABLE_CHUNKS ? &u->chunks : &u->lists, &hash, 0 - row.refs);
    if ((row.flags & REF_ROW_HOLDS) == 0)
        return DOL_OK;
    err = table_lookup(u->v->txn, u->ix->dbi[TABLE_MEMBERS], TABLE_MEMBERS, bytes_of(hash.b, sizeof hash.b), &members);
    if (err == DOL_OK)
        audit_refs(u, members, bytes_of(NULL, 0));
    return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
}

static enum dol_err audit_row(struct audit *u, enum index_table table, const MDB_val *key, const MDB_val *value)
{
    struct bytes payload;
    struct body_row row;
    struct cancel_row cancel;
    enum dol_err err = table_check(table, key, value, &payload);
    if (err != DOL_OK)
        return err;
    switch (table) {
    case TABLE_CHUNKS:
    case TABLE_LISTS:
        return audit_ref_row(u, table, key, payload);
    case TABLE_CANCELS:
        err = cancel_row_decode(payload, &cancel);
        return err == DOL_OK ? live_sums_add(&u->live, &cancel.place, live_what_of_canceller(cancel.kind), LIVE_MORE)
                             : err;
    default:
        if (payload.len > 0 && (*(const uint8_t *)payload.data & TREE_DIRECTORY) != 0)
            return DOL_OK;
        err = body_row_decode(payload, &row);
        return err == DOL_OK ? audit_body_row(u, table, &row) : err;
    }
}

static bool map_is_wanted(struct index *ix)
{
    pthread_mutex_lock(&ix->views_lock);
    bool wanted = ix->gate_closed;
    pthread_mutex_unlock(&ix->views_lock);
    return wanted;
}

typedef enum dol_err audit_fn(struct audit *u, enum index_table table, const MDB_val *key, const MDB_val *value);

static enum dol_err audit_table(struct audit *u, enum index_table table, audit_fn *fn)
{
    MDB_cursor *mc;
    MDB_val key, value;
    int rc;
    enum dol_err err = schema_err(mdb_cursor_open(u->v->txn, u->ix->dbi[table], &mc));
    if (err != DOL_OK)
        return err;
    while (err == DOL_OK && (rc = mdb_cursor_get(mc, &key, &value, MDB_NEXT)) != MDB_NOTFOUND) {
        err = rc == MDB_SUCCESS ? fn(u, table, &key, &value) : schema_err(rc);
        if (++u->rows % AUDIT_ROWS_BETWEEN_LOOKS == 0 && err == DOL_OK && map_is_wanted(u->ix))
            err = DOL_EBUSY;
    }
    mdb_cursor_close(mc);
    return err;
}

/* What the books say is taken from what was counted: zeroes are left. */
static enum dol_err audit_books(struct audit *u, enum index_table table, const MDB_val *key, const MDB_val *value)
{
    struct bytes payload;
    struct live_row row;
    struct live_sum *sum;
    enum dol_err err = table_check(table, key, value, &payload);
    if (err == DOL_OK)
        err = key->mv_size == 8 ? live_row_decode(payload, &row) : DOL_ECORRUPT;
    if (err == DOL_OK)
        err = live_sums_of(&u->live, be64_get(key->mv_data), &sum);
    if (err != DOL_OK)
        return err;
    sum->bytes -= (int64_t)row.bytes;
    sum->records -= (int64_t)row.records;
    sum->cancels -= (int64_t)row.cancels;
    return DOL_OK;
}

static enum dol_err audit_compare(struct audit *u)
{
    const struct fingerprint *all[] = {&u->chunks, &u->lists};
    for (unsigned i = 0; i < 2; i++)
        if (all[i]->count != 0 || all[i]->a != 0 || all[i]->b != 0) {
            log_error("index", "audit: references to %s don't add up", i == 0 ? "chunks" : "lists");
            return DOL_ECORRUPT;
        }
    for (size_t i = 0; i < u->live.capacity; i++) {
        const struct live_sum *s = &u->live.slots[i];
        if (s->slab != 0 && (s->bytes != 0 || s->records != 0 || s->cancels != 0)) {
            log_error("index", "audit: the books of slab %llx are wrong: bytes %lld, records %lld, cancels %lld",
                      (unsigned long long)s->slab, (long long)s->bytes, (long long)s->records, (long long)s->cancels);
            return DOL_ECORRUPT;
        }
    }
    if (u->suspect)
        log_error("index", "audit: more references were given back than there were");
    return u->suspect ? DOL_ECORRUPT : DOL_OK;
}

enum dol_err index_audit(struct index *ix)
{
    static const enum index_table tables[] = {TABLE_OBJECTS,  TABLE_UPLOADS, TABLE_PARTS,  TABLE_BUCKETS,
                                              TABLE_SETTINGS, TABLE_CANCELS, TABLE_CHUNKS, TABLE_LISTS};
    struct audit u = {.ix = ix};
    enum dol_err err = index_view_begin(ix, &u.v);
    if (err != DOL_OK)
        return err;
    for (unsigned i = 0; i < sizeof tables / sizeof tables[0] && err == DOL_OK; i++)
        err = audit_table(&u, tables[i], audit_row);
    if (err == DOL_OK)
        err = audit_table(&u, TABLE_LIVE, audit_books);
    if (err == DOL_OK)
        err = audit_compare(&u);
    index_view_end(u.v);
    free(u.live.slots);
    if (err == DOL_ECORRUPT)
        index_unsure(ix, "the audit found it wrong");
    return err;
}
