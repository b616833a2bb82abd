/*
 * Records that were copied from one slab to another, and slabs that were freed.
 *
 * A moved record says of the records before it in its row: what lay in that slab lies here now. Whatever of them is
 * still current and still said to lie there gets its new place; what is void by now has a grave there, and gets one
 * here: its copy would speak as loud as itself. Applying it twice changes nothing, and when the source is gone (an
 * index built anew) there is nothing to change.
 *
 * Both are applied after all other records of a batch, so they look at rows that are at least as new as they are.
 */
#include <stdlib.h>

#include "index_impl.h"
#include "le.h"
#include "log.h"

struct move {
    struct apply *a;
    uint64_t from; /* slab */
    const struct pending_record *rec;
};

/* OK: the state of something, by this record, lay there or lies here. ENOTFOUND: this record tells no state. */
static enum dol_err place_moved(const struct move *m, struct place *place)
{
    if (place->slab != m->from)
        return DOL_OK; /* moved already */
    enum dol_err err = apply_live(m->a, place, LIVE_LESS);
    *place = m->rec->place;
    return err == DOL_OK ? apply_live(m->a, place, LIVE_MORE) : err;
}

static enum dol_err move_ref(const struct move *m)
{
    struct sha256 hash;
    struct chunk_list_body list;
    struct ref_row row;
    enum dol_err err = DOL_OK;
    if (m->rec->kind == RECORD_CHUNK)
        memcpy(hash.b, m->rec->payload.data, sizeof hash.b);
    else if ((err = chunk_list_decode(m->rec->payload, &list)) == DOL_OK)
        hash = list.hash;
    if (err == DOL_OK)
        err = apply_ref_row_get(m->a, m->rec->kind, &hash, &row);
    if (err != DOL_OK)
        return err;
    if ((row.flags & REF_ROW_STORED) == 0 || lsn_compare(row.lsn, m->rec->lsn) != 0)
        return DOL_ENOTFOUND;
    if (row.place.slab != m->from)
        return DOL_OK;
    if (ref_row_is_live(&row)) {
        err = place_moved(m, &row.place);
    } else {
        row.place = m->rec->place; /* the grave in the old slab stays */
        err = apply_bury(m->a, &row.place, row.lsn, m->rec->kind, NULL, &hash);
    }
    return err == DOL_OK ? apply_ref_row_put(m->a, m->rec->kind, &hash, &row) : err;
}

/* A row with a body, copied out of the map, goes back with its new place. */
static enum dol_err move_leaf(const struct move *m, struct tree_cursor *tc, const uint8_t *suffix)
{
    struct bytes payload;
    struct body_row row;
    enum dol_err err = tree_get(tc, m->rec->bucket, m->rec->code, suffix, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err != DOL_OK)
        return err;
    bool meta = m->rec->kind == RECORD_OBJECT_META;
    if (lsn_compare(meta ? row.meta_lsn : row.lsn, m->rec->lsn) != 0)
        return DOL_ENOTFOUND;
    if ((meta ? row.meta_place : row.place).slab != m->from)
        return DOL_OK;
    err = place_moved(m, meta ? &row.meta_place : &row.place);
    void *body = malloc(row.body.len > 0 ? row.body.len : 1);
    if (body == NULL)
        return DOL_ENOMEM;
    memcpy(body, row.body.data, row.body.len);
    row.body.data = body;
    if (err == DOL_OK)
        err = tree_put(tc, m->rec->bucket, m->rec->code, suffix, &row, &m->a->state.next_node);
    free(body);
    return err;
}

static enum dol_err move_row(const struct move *m, enum index_table table, struct bytes key)
{
    struct bytes payload;
    struct body_row row;
    MDB_cursor *mc = m->a->cursors[table];
    enum dol_err err = table_get(mc, table, key, &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err != DOL_OK)
        return err;
    if (lsn_compare(row.lsn, m->rec->lsn) != 0)
        return DOL_ENOTFOUND;
    if (row.place.slab != m->from)
        return DOL_OK;
    err = place_moved(m, &row.place);
    void *body = malloc(row.body.len > 0 ? row.body.len : 1);
    if (body == NULL)
        return DOL_ENOMEM;
    if (row.body.len > 0)
        memcpy(body, row.body.data, row.body.len);
    row.body.data = body;
    if (err == DOL_OK)
        err = apply_body_row_put(mc, table, key, &row);
    free(body);
    return err;
}

static enum dol_err move_object(const struct move *m)
{
    uint8_t inverted[KEY_VERSION_BYTES];
    struct manifest manifest;
    struct object_meta_body meta;
    enum dol_err err;
    if (m->rec->kind == RECORD_MANIFEST) {
        err = manifest_decode(m->rec->payload, &manifest);
        key_version_invert(manifest.version.b, inverted);
    } else {
        err = object_meta_decode(m->rec->payload, &meta);
        key_version_invert(meta.version.b, inverted);
    }
    return err == DOL_OK ? move_leaf(m, &m->a->objects, inverted) : err;
}

static enum dol_err move_upload(const struct move *m)
{
    struct upload_body u;
    struct upload_part_body part;
    uint8_t key[PART_KEY_BYTES];
    enum dol_err err;
    if (m->rec->kind == RECORD_UPLOAD) {
        err = upload_body_decode(m->rec->payload, &u);
        return err == DOL_OK ? move_leaf(m, &m->a->uploads, u.upload_id) : err;
    }
    err = upload_part_decode(m->rec->payload, &part);
    if (err != DOL_OK)
        return err;
    part_key_encode(part.bucket, part.upload_id, part.part.number, key);
    return move_row(m, TABLE_PARTS, bytes_of(key, sizeof key));
}

static enum dol_err move_named(const struct move *m)
{
    struct bucket_body b;
    struct setting_body s;
    uint8_t id[8], key[TABLE_KEY_BYTES_MAX];
    enum dol_err err;
    if (m->rec->kind == RECORD_BUCKET) {
        err = bucket_body_decode(m->rec->payload, &b);
        be64_put(id, b.id);
        return err == DOL_OK ? move_row(m, TABLE_BUCKETS, bytes_of(id, sizeof id)) : err;
    }
    err = setting_body_decode(m->rec->payload, &s);
    return err == DOL_OK ? move_row(m, TABLE_SETTINGS, setting_key(key, m->rec->kind, s.name)) : err;
}

/* What tells no state any more has a grave: where it came from, or here already. */
static enum dol_err move_void(const struct move *m)
{
    struct grave_row grave;
    enum dol_err err = apply_grave(m->a, m->rec->place.slab, m->rec->lsn, &grave);
    if (err != DOL_ENOTFOUND)
        return err;
    err = apply_bury_copy(m->a, m->from, &m->rec->place, m->rec->lsn);
    if (err == DOL_ENOTFOUND) {
        index_unsure(m->a->ix, "a copied record is neither current nor void");
        err = DOL_OK;
    }
    return err;
}

static enum dol_err move_one(const struct move *m)
{
    enum dol_err err;
    switch (m->rec->kind) {
    case RECORD_CHUNK:
    case RECORD_CHUNK_LIST:
        err = move_ref(m);
        break;
    case RECORD_MANIFEST:
    case RECORD_OBJECT_META:
        err = move_object(m);
        break;
    case RECORD_UPLOAD:
    case RECORD_UPLOAD_PART:
        err = move_upload(m);
        break;
    case RECORD_BUCKET:
    case RECORD_USER:
    case RECORD_ACCESS_KEY:
    case RECORD_POLICY:
    case RECORD_SETTING:
        err = move_named(m);
        break;
    default:
        return apply_canceller_moved(m->a, m->from, m->rec);
    }
    if (err == DOL_ENOTFOUND)
        err = move_void(m);
    /* a manifest may tell a state and keep the grave of the one it replaced */
    return err == DOL_OK ? apply_canceller_moved(m->a, m->from, m->rec) : err;
}

enum dol_err apply_moved(struct apply *a, const struct pending_record *rec)
{
    struct moved_body body;
    struct slab_row source;
    uint8_t key[16];
    enum dol_err err = moved_body_decode(rec->payload, &body);
    if (err != DOL_OK)
        return err;
    for (uint32_t i = 0; i < rec->moved_count && err == DOL_OK; i++) {
        const struct move m = {a, body.slab, &rec->moved[i]};
        err = move_one(&m);
    }
    if (err == DOL_OK)
        err = apply_slab_load(a, body.slab, &source);
    if (err != DOL_OK || !uuid_equal(source.slab.life, body.life))
        return err == DOL_ENOTFOUND ? DOL_OK : err; /* the source has gone */
    be64_put(key, body.slab);
    be64_put(key + 8, rec->place.slab);
    return table_put(a->cursors[TABLE_MOVES], TABLE_MOVES, bytes_of(key, sizeof key), NULL, 0);
}

enum dol_err apply_freed(struct apply *a, const struct pending_record *rec)
{
    struct freed_body freed;
    struct slab_row row;
    struct live_row live;
    struct bytes payload;
    uint8_t key[8];
    enum dol_err err = freed_body_decode(rec->payload, &freed);
    if (err != DOL_OK)
        return err;
    if (freed.generation > a->state.generation)
        a->state.generation = freed.generation;
    err = apply_slab_load(a, freed.slab, &row);
    if (err != DOL_OK || !uuid_equal(row.slab.life, freed.life))
        return err == DOL_ENOTFOUND ? DOL_OK : err;
    be64_put(key, freed.slab);
    err = table_get(a->cursors[TABLE_LIVE], TABLE_LIVE, bytes_of(key, sizeof key), &payload);
    if (err == DOL_OK && (err = live_row_decode(payload, &live)) == DOL_OK) {
        log_error("index", "slab %llx was freed with %llu records that are needed", (unsigned long long)freed.slab,
                  (unsigned long long)(live.records + live.cancels));
        index_unsure(a->ix, "a freed slab holds what is needed");
        return DOL_OK;
    }
    if (err != DOL_ENOTFOUND)
        return err;
    row.slab.state = SLAB_STATE_FREED;
    return apply_slab_save(a, &row);
}
