/*
 * What is to be done with a record of a slab that is to be freed, and what a slab's books say.
 *
 * Nothing is dropped on absence: a record is dropped when it has a grave, when it is current by a copy elsewhere, or
 * when a later record of the same thing is current. A record of a kind that isn't kept, and a delete or end that keeps
 * graves shut, is copied as it is. A manifest that is void, but keeps the grave of the one it replaced shut, makes way
 * for a delete that does so.
 */
#include "dol_assert.h"
#include "index_impl.h"
#include "le.h"

struct judging {
    struct index_view *v;
    const struct index_record *rec;
    struct index_judgement *out;
};

static enum dol_err grave_exists(struct index_view *v, uint64_t slab, struct lsn lsn)
{
    uint8_t key[GRAVE_KEY_BYTES];
    struct bytes payload;
    grave_key_encode(slab, lsn, key);
    return table_lookup(v->txn, v->ix->dbi[TABLE_GRAVES], TABLE_GRAVES, bytes_of(key, sizeof key), &payload);
}

/* In its slab, or by its copy in one that records of the slab were copied to. ENOTFOUND */
static enum dol_err find_grave(struct judging *j)
{
    uint64_t slab = j->rec->place.slab;
    enum dol_err err = grave_exists(j->v, slab, j->rec->lsn);
    if (err != DOL_ENOTFOUND)
        return err;
    uint8_t from[MOVE_KEY_BYTES] = {0};
    MDB_cursor *mc;
    MDB_val key = {sizeof from, from}, value;
    be64_put(from, slab);
    err = schema_err(mdb_cursor_open(j->v->txn, j->v->ix->dbi[TABLE_MOVES], &mc));
    if (err != DOL_OK)
        return err;
    err = DOL_ENOTFOUND;
    for (int rc = mdb_cursor_get(mc, &key, &value, MDB_SET_RANGE);
         rc == MDB_SUCCESS && err == DOL_ENOTFOUND && key.mv_size == MOVE_KEY_BYTES && be64_get(key.mv_data) == slab;
         rc = mdb_cursor_get(mc, &key, &value, MDB_NEXT))
        err = grave_exists(j->v, be64_get((const uint8_t *)key.mv_data + 8), j->rec->lsn);
    mdb_cursor_close(mc);
    return err;
}

/* The graves that the record, and no copy of it, keeps shut in other slabs. */
static enum dol_err find_cancelled(struct judging *j)
{
    uint8_t key[LSN_KEY_BYTES];
    struct bytes payload;
    struct cancel_row row;
    lsn_key_encode(j->rec->lsn, key);
    j->out->grave_count = 0;
    enum dol_err err =
        table_lookup(j->v->txn, j->v->ix->dbi[TABLE_CANCELS], TABLE_CANCELS, bytes_of(key, sizeof key), &payload);
    if (err == DOL_OK)
        err = cancel_row_decode(payload, &row);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    if (row.place.slab != j->rec->place.slab)
        return DOL_OK;
    const uint8_t *p = row.graves.data;
    for (size_t at = 0; at < row.graves.len; at += GRAVE_REF_BYTES) {
        if (j->out->grave_count == DELETE_GRAVES_MAX)
            return DOL_ECORRUPT;
        j->out->graves[j->out->grave_count++] = grave_ref_decode(p + at);
    }
    return DOL_OK;
}

/* Void: by a grave, and by nothing else. */
static enum dol_err judge_void(struct judging *j)
{
    enum dol_err err = find_grave(j);
    j->out->verdict = err == DOL_OK ? INDEX_DROP : INDEX_UNEXPLAINED;
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

/* Of the thing that the record speaks of, the current record is known. */
static enum dol_err judge_by(struct judging *j, struct lsn current, const struct place *place)
{
    int order = lsn_compare(current, j->rec->lsn);
    if (order < 0)
        return judge_void(j);
    bool here = order == 0 && place->slab == j->rec->place.slab;
    j->out->verdict = here ? INDEX_KEEP : INDEX_DROP;
    return DOL_OK;
}

static enum dol_err judge_ref(struct judging *j, struct lsn dead_upto)
{
    struct sha256 hash;
    struct chunk_list_body list;
    struct bytes payload;
    struct ref_row row;
    enum index_table table = j->rec->kind == RECORD_CHUNK ? TABLE_CHUNKS : TABLE_LISTS;
    enum dol_err err = DOL_OK;
    if (j->rec->kind == RECORD_CHUNK)
        memcpy(hash.b, j->rec->payload.data, sizeof hash.b);
    else if ((err = chunk_list_decode(j->rec->payload, &list)) == DOL_OK)
        hash = list.hash;
    if (err == DOL_OK)
        err = table_lookup(j->v->txn, j->v->ix->dbi[table], table, bytes_of(hash.b, sizeof hash.b), &payload);
    if (err == DOL_OK)
        err = ref_row_decode(payload, &row);
    if (err == DOL_ENOTFOUND || (err == DOL_OK && (row.flags & REF_ROW_STORED) == 0))
        return judge_void(j);
    if (err == DOL_OK)
        err = judge_by(j, row.lsn, &row.place);
    /* without references; but since so late that somebody may be about to refer to it, it is as good as referred to */
    if (err == DOL_OK && j->out->verdict == INDEX_KEEP && !ref_row_is_live(&row) &&
        lsn_compare(row.dead_since, dead_upto) <= 0)
        return judge_void(j);
    return err;
}

static enum dol_err judge_leaf(struct judging *j, enum index_table table, uint64_t bucket, struct bytes key,
                               const uint8_t *suffix)
{
    uint8_t code[KEY_CODE_BYTES_MAX];
    struct tree_cursor *tree;
    struct bytes payload;
    struct body_row row;
    enum dol_err err = view_tree(j->v, table, &tree);
    if (err == DOL_OK)
        err = tree_get(tree, bucket, bytes_of(code, key_code_encode(key, code)), suffix, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_ENOTFOUND)
        return judge_void(j);
    if (err != DOL_OK)
        return err;
    if (j->rec->kind == RECORD_OBJECT_META)
        return judge_by(j, row.meta_lsn, &row.meta_place);
    return judge_by(j, row.lsn, &row.place);
}

static enum dol_err judge_row(struct judging *j, enum index_table table, struct bytes key)
{
    struct bytes payload;
    struct body_row row;
    enum dol_err err = table_lookup(j->v->txn, j->v->ix->dbi[table], table, key, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_ENOTFOUND)
        return judge_void(j);
    return err == DOL_OK ? judge_by(j, row.lsn, &row.place) : err;
}

static enum dol_err judge_manifest(struct judging *j)
{
    struct manifest m;
    uint8_t inverted[KEY_VERSION_BYTES];
    enum dol_err err = manifest_decode(j->rec->payload, &m);
    if (err != DOL_OK)
        return err;
    key_version_invert(m.version.b, inverted);
    err = judge_leaf(j, TABLE_OBJECTS, m.bucket, m.key, inverted);
    if (err != DOL_OK || j->out->verdict != INDEX_DROP)
        return err;
    err = find_cancelled(j);
    if (err == DOL_OK && j->out->grave_count > 0)
        j->out->verdict = INDEX_REPLACE;
    return err;
}

static enum dol_err judge_named(struct judging *j)
{
    struct object_meta_body meta;
    struct bucket_body b;
    struct upload_body u;
    struct upload_part_body part;
    struct setting_body s;
    uint8_t key[TABLE_KEY_BYTES_MAX], inverted[KEY_VERSION_BYTES];
    enum dol_err err;
    switch (j->rec->kind) {
    case RECORD_OBJECT_META:
        if ((err = object_meta_decode(j->rec->payload, &meta)) != DOL_OK)
            return err;
        key_version_invert(meta.version.b, inverted);
        return judge_leaf(j, TABLE_OBJECTS, meta.bucket, meta.key, inverted);
    case RECORD_BUCKET:
        if ((err = bucket_body_decode(j->rec->payload, &b)) != DOL_OK)
            return err;
        be64_put(key, b.id);
        return judge_row(j, TABLE_BUCKETS, bytes_of(key, 8));
    case RECORD_UPLOAD:
        if ((err = upload_body_decode(j->rec->payload, &u)) != DOL_OK)
            return err;
        return judge_leaf(j, TABLE_UPLOADS, u.bucket, u.key, u.upload_id);
    case RECORD_UPLOAD_PART:
        if ((err = upload_part_decode(j->rec->payload, &part)) != DOL_OK)
            return err;
        part_key_encode(part.bucket, part.upload_id, part.part.number, key);
        return judge_row(j, TABLE_PARTS, bytes_of(key, PART_KEY_BYTES));
    default:
        if ((err = setting_body_decode(j->rec->payload, &s)) != DOL_OK)
            return err;
        return judge_row(j, TABLE_SETTINGS, setting_key(key, j->rec->kind, s.name));
    }
}

enum dol_err index_judge(struct index_view *v, const struct index_record *rec, struct lsn dead_upto,
                         struct index_judgement *out)
{
    struct judging j = {v, rec, out};
    enum dol_err err = DOL_OK;
    out->verdict = INDEX_KEEP;
    out->grave_count = 0;
    switch (rec->kind) {
    case RECORD_CHUNK:
    case RECORD_CHUNK_LIST:
        err = judge_ref(&j, dead_upto);
        break;
    case RECORD_MANIFEST:
        err = judge_manifest(&j);
        break;
    case RECORD_OBJECT_META:
    case RECORD_BUCKET:
    case RECORD_UPLOAD:
    case RECORD_UPLOAD_PART:
    case RECORD_USER:
    case RECORD_ACCESS_KEY:
    case RECORD_POLICY:
    case RECORD_SETTING:
        err = judge_named(&j);
        break;
    case RECORD_DELETE:
    case RECORD_UPLOAD_END:
        err = find_cancelled(&j);
        out->verdict = out->grave_count > 0 ? INDEX_KEEP : INDEX_DROP;
        break;
    case RECORD_DIRECTORY:
    case RECORD_MOVED:
        out->verdict = INDEX_DROP;
        break;
    case RECORD_END:
    case RECORD_FREED:
        out->verdict = INDEX_ASK;
        break;
    default:
        break; /* bucket deletes, debts, kinds to come: kept for good */
    }
    return index_noted(v->ix, err, "a row that a slab's record is judged by");
}

void index_doubt(struct index *ix, const char *what)
{
    index_unsure(ix, what);
}

bool index_is_unsure(struct index *ix)
{
    return atomic_load(&ix->unsure) || index_is_retired(ix);
}

/* ---- the books of slabs ---- */

static enum dol_err live_lookup(struct index_view *v, uint64_t slab, struct index_live *out)
{
    uint8_t key[8];
    struct bytes payload;
    struct live_row row;
    be64_put(key, slab);
    *out = (struct index_live){0};
    enum dol_err err = table_lookup(v->txn, v->ix->dbi[TABLE_LIVE], TABLE_LIVE, bytes_of(key, sizeof key), &payload);
    if (err == DOL_OK && (err = live_row_decode(payload, &row)) == DOL_OK)
        *out = (struct index_live){row.bytes, row.records, row.cancels};
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum dol_err index_live_get(struct index_view *v, uint64_t slab, struct index_live *out)
{
    return index_noted(v->ix, live_lookup(v, slab, out), "a slab's books");
}

/* Does a row of moves say that something was copied to the slab? */
enum dol_err index_has_sources(struct index_view *v, uint64_t slab, bool *out)
{
    MDB_cursor *mc;
    MDB_val key, value;
    *out = false;
    enum dol_err err = schema_err(mdb_cursor_open(v->txn, v->ix->dbi[TABLE_MOVES], &mc));
    if (err != DOL_OK)
        return err;
    int rc;
    while ((rc = mdb_cursor_get(mc, &key, &value, MDB_NEXT)) == MDB_SUCCESS && !*out)
        *out = key.mv_size != MOVE_KEY_BYTES || be64_get((const uint8_t *)key.mv_data + 8) == slab;
    mdb_cursor_close(mc);
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? DOL_OK : index_noted(v->ix, schema_err(rc), "a row of moves");
}

uint64_t index_live_bytes(struct index *ix)
{
    pthread_mutex_lock(&ix->queue_lock);
    uint64_t bytes = ix->state.live_bytes;
    pthread_mutex_unlock(&ix->queue_lock);
    return bytes;
}

/* ---- what readers may still be shown ---- */

static bool row_is_in(const struct pending_row *row, uint64_t slab)
{
    for (size_t i = 0; i < row->record_count; i++)
        if (row->records[i].place.slab == slab)
            return true;
    return false;
}

bool index_shows_slab(struct index *ix, uint64_t slab)
{
    bool found = false;
    pthread_mutex_lock(&ix->commit_lock);
    pthread_mutex_lock(&ix->queue_lock);
    list_for_each(n, &ix->pending) found = found || row_is_in(container_of(n, struct pending_row, list), slab);
    pthread_mutex_unlock(&ix->queue_lock);
    list_for_each(n, &ix->applied) found = found || row_is_in(container_of(n, struct pending_row, list), slab);
    list_for_each(n, &ix->retired) found = found || row_is_in(container_of(n, struct pending_row, list), slab);
    pthread_mutex_unlock(&ix->commit_lock);
    return found;
}

void index_generation_floor(struct index *ix, uint64_t generation)
{
    pthread_mutex_lock(&ix->queue_lock);
    if (ix->state.generation < generation)
        ix->state.generation = generation;
    pthread_mutex_unlock(&ix->queue_lock);
}
