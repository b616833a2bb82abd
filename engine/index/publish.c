/*
 * Publishing a row: everything that can fail (decoding, memory, reading the manifest that an object-meta changes)
 * happens before the first node is linked.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "hash.h"
#include "index_impl.h"
#include "le.h"

#define ROW_MEMORY_BYTES 16384u

/* ---- a row's memory ---- */

struct row_memory {
    struct row_memory *next;
    size_t used;
    size_t capacity;
    _Alignas(8) uint8_t bytes[];
};

void *row_alloc(struct pending_row *row, size_t len)
{
    len = (len + 7) & ~(size_t)7;
    struct row_memory *m = row->memory;
    if (m == NULL || m->capacity - m->used < len) {
        size_t capacity = len > ROW_MEMORY_BYTES ? len : ROW_MEMORY_BYTES;
        m = malloc(sizeof *m + capacity);
        if (m == NULL)
            return NULL;
        m->used = 0;
        m->capacity = capacity;
        row->bytes += sizeof *m + capacity;
        /* A big piece goes behind the block in use, whose rest stays useful. */
        if (row->memory != NULL && len > ROW_MEMORY_BYTES / 2) {
            m->next = row->memory->next;
            row->memory->next = m;
        } else {
            m->next = row->memory;
            row->memory = m;
        }
    }
    void *p = m->bytes + m->used;
    m->used += len;
    return p;
}

void row_free(struct pending_row *row)
{
    if (row == NULL)
        return;
    for (struct row_memory *m = row->memory, *next; m != NULL; m = next) {
        next = m->next;
        free(m);
    }
    free(row);
}

/* ---- building ---- */

struct publish {
    struct index *ix;
    struct pending_row *row;
    struct overlay_node *last;
    struct index_view *view; /* open once a record asked for what is there */
    struct overlay_node *
        *seen; /* hash table of the row's nodes, made when first asked: they aren't in the overlay yet */
    size_t seen_mask;
    size_t records_max;
    uint8_t key[OVERLAY_KEY_BYTES_MAX];
};

/* ---- the row's own nodes by key ---- */

static size_t seen_slot(const struct publish *p, struct bytes key)
{
    size_t i = crc32c(0, key.data, key.len) & p->seen_mask;
    while (p->seen[i] != NULL && !bytes_equal(bytes_of(p->seen[i]->key, p->seen[i]->key_len), key))
        i = (i + 1) & p->seen_mask;
    return i;
}

static void seen_add(struct publish *p, struct overlay_node *node)
{
    size_t i = seen_slot(p, bytes_of(node->key, node->key_len));
    if (p->seen[i] == NULL || lsn_compare(node->lsn, p->seen[i]->lsn) >= 0)
        p->seen[i] = node;
}

/* What is asked for may lie in this row, in the overlay or in LMDB: makes all three ready, before p->key is built. */
static enum dol_err publish_prepare_find(struct publish *p)
{
    if (p->view != NULL)
        return DOL_OK;
    size_t capacity = 16;
    while (capacity < 4 * p->records_max)
        capacity *= 2;
    p->seen = calloc(capacity, sizeof(struct overlay_node *));
    if (p->seen == NULL)
        return DOL_ENOMEM;
    p->seen_mask = capacity - 1;
    for (struct overlay_node *n = p->row->nodes; n != NULL; n = n->row_next)
        seen_add(p, n);
    return index_view_begin(p->ix, &p->view);
}

/* The newest node with a key; NULL: ask LMDB. The view keeps it from being trimmed before this row's nodes are linked.
 */
static const struct overlay_node *publish_find(struct publish *p, struct bytes key)
{
    const struct overlay_node *node = p->seen[seen_slot(p, key)];
    return node != NULL ? node : overlay_find(&p->ix->overlay, key);
}

/* A node for the overlay; value borrowed from the row's memory. */
static enum dol_err publish_node(struct publish *p, enum overlay_type type, struct bytes key,
                                 const struct pending_record *rec, struct bytes value, struct overlay_node **out)
{
    unsigned height = overlay_height(&p->ix->overlay);
    struct overlay_node *node = row_alloc(p->row, sizeof *node + height * sizeof node->next[0]);
    uint8_t *k = row_alloc(p->row, key.len);
    if (node == NULL || k == NULL)
        return DOL_ENOMEM;
    memcpy(k, key.data, key.len);
    *node = (struct overlay_node){
        .key = k,
        .key_len = (uint32_t)key.len,
        .type = (uint8_t)type,
        .height = (uint8_t)height,
        .codec = rec->codec,
        .plain_bytes = rec->plain_bytes,
        .lsn = rec->lsn,
        .record_lsn = rec->lsn,
        .place = rec->place,
        .value = value,
    };
    if (p->last != NULL)
        p->last->row_next = node;
    else
        p->row->nodes = node;
    p->last = node;
    if (p->seen != NULL)
        seen_add(p, node);
    if (lsn_compare(node->lsn, p->row->node_highest) > 0)
        p->row->node_highest = node->lsn;
    if (out != NULL)
        *out = node;
    return DOL_OK;
}

/* An object's code into the row, kept for applying. */
static enum dol_err publish_code(struct publish *p, struct pending_record *rec, uint64_t bucket, struct bytes key)
{
    if ((bucket & TREE_CHILD_BIT) != 0)
        return DOL_ECORRUPT;
    uint8_t code[KEY_CODE_BYTES_MAX];
    size_t len = key_code_encode(key, code);
    uint8_t *copy = row_alloc(p->row, len);
    if (copy == NULL)
        return DOL_ENOMEM;
    memcpy(copy, code, len);
    rec->bucket = bucket;
    rec->code = bytes_of(copy, len);
    return DOL_OK;
}

/* A merged manifest in the row's memory; the manifest itself when the two don't go together. */
static enum dol_err publish_merge(struct publish *p, struct bytes manifest, struct bytes meta, struct bytes *out)
{
    size_t capacity = meta_merge_bytes(manifest, meta);
    uint8_t *merged = row_alloc(p->row, capacity);
    if (merged == NULL)
        return DOL_ENOMEM;
    size_t len;
    *out = meta_merge(manifest, meta, merged, capacity, &len) ? bytes_of(merged, len) : manifest;
    return DOL_OK;
}

static enum dol_err publish_manifest(struct publish *p, struct pending_record *rec)
{
    struct manifest m;
    enum dol_err err = manifest_decode(rec->payload, &m);
    if (err == DOL_OK)
        err = publish_code(p, rec, m.bucket, m.key);
    if (err != DOL_OK)
        return err;
    struct bytes key = overlay_key_object(p->key, m.bucket, rec->code, &m.version);
    struct bytes body = rec->payload;
    struct lsn lsn = rec->lsn;
    if (atomic_load_explicit(&p->ix->overlay.patches, memory_order_relaxed) > 0) {
        /* Out of order: an object-meta of this version came first. */
        const struct overlay_node *patch = overlay_find(&p->ix->overlay, key);
        if (patch != NULL && patch->type == OVERLAY_PATCH && lsn_compare(patch->lsn, lsn) > 0) {
            lsn = patch->lsn;
            if ((err = publish_merge(p, body, patch->value, &body)) != DOL_OK)
                return err;
        }
    }
    struct overlay_node *node;
    err = publish_node(p, OVERLAY_VALUE, key, rec, body, &node);
    if (err != DOL_OK)
        return err;
    node->lsn = lsn;
    if (lsn_compare(lsn, p->row->node_highest) > 0)
        p->row->node_highest = lsn;
    if (version_id_is_zero(&m.replaces))
        return DOL_OK;
    node->joined = true;
    key = overlay_key_object(p->key, m.bucket, rec->code, &m.replaces);
    return publish_node(p, OVERLAY_TOMBSTONE, key, rec, bytes_of(NULL, 0), NULL);
}

static enum dol_err publish_delete(struct publish *p, struct pending_record *rec)
{
    struct delete_body d;
    enum dol_err err = delete_body_decode(rec->payload, &d);
    if (err == DOL_OK)
        err = publish_code(p, rec, d.bucket, d.key);
    if (err != DOL_OK)
        return err;
    return publish_node(p, OVERLAY_TOMBSTONE, overlay_key_object(p->key, d.bucket, rec->code, &d.version), rec,
                        bytes_of(NULL, 0), NULL);
}

static enum dol_err publish_object_meta(struct publish *p, struct pending_record *rec)
{
    struct object_meta_body meta;
    enum dol_err err = object_meta_decode(rec->payload, &meta);
    if (err == DOL_OK)
        err = publish_code(p, rec, meta.bucket, meta.key);
    if (err == DOL_OK)
        err = publish_prepare_find(p);
    if (err != DOL_OK)
        return err;
    struct bytes key = overlay_key_object(p->key, meta.bucket, rec->code, &meta.version);
    const struct overlay_node *base = publish_find(p, key);
    if (base != NULL && base->type == OVERLAY_TOMBSTONE)
        return DOL_OK;
    struct index_object object;
    if (base != NULL && base->type == OVERLAY_VALUE)
        object = (struct index_object){.lsn = base->record_lsn, .place = base->place, .body = base->value};
    else
        err = index_object_get(p->view, meta.bucket, meta.key, &meta.version, &object);
    if (err == DOL_ENOTFOUND)
        return publish_node(p, OVERLAY_PATCH, key, rec, rec->payload, NULL);
    struct bytes body;
    if (err == DOL_OK)
        err = publish_merge(p, object.body, rec->payload, &body);
    struct overlay_node *node;
    if (err == DOL_OK)
        err = publish_node(p, OVERLAY_VALUE, key, rec, body, &node);
    if (err != DOL_OK)
        return err;
    if (body.data == object.body.data) {
        /* It did not go together: what LMDB or another row holds does not outlive this row, so it is copied. */
        uint8_t *copy = row_alloc(p->row, body.len);
        if (copy == NULL)
            return DOL_ENOMEM;
        memcpy(copy, body.data, body.len);
        node->value = bytes_of(copy, body.len);
    }
    node->record_lsn = object.lsn;
    node->place = object.place;
    return DOL_OK;
}

static enum dol_err publish_bucket(struct publish *p, struct pending_record *rec)
{
    struct bucket_body b;
    enum dol_err err = bucket_body_decode(rec->payload, &b);
    if (err != DOL_OK)
        return err;
    if ((b.id & TREE_CHILD_BIT) != 0)
        return DOL_ECORRUPT;
    uint8_t id[8];
    be64_put(id, b.id);
    struct bytes key = overlay_key(p->key, TABLE_BUCKETS, bytes_of(id, sizeof id));
    /* A delete that came first, with a higher LSN, has the last word on the name too. */
    const struct overlay_node *other = overlay_find(&p->ix->overlay, key);
    if (other != NULL && lsn_compare(other->lsn, rec->lsn) > 0)
        return DOL_OK;
    struct overlay_node *node;
    err = publish_node(p, OVERLAY_VALUE, key, rec, rec->payload, &node);
    if (err != DOL_OK)
        return err;
    node->joined = true;
    return publish_node(p, OVERLAY_VALUE, overlay_key(p->key, TABLE_NAMES, b.name), rec, rec->payload, NULL);
}

/* The bucket's newest body as far as this row, the overlay or LMDB know it. */
static enum dol_err publish_bucket_find(struct publish *p, struct bytes key, struct bytes *body)
{
    const struct overlay_node *node = publish_find(p, key);
    if (node != NULL) {
        *body = node->value;
        return node->type == OVERLAY_VALUE ? DOL_OK : DOL_ENOTFOUND;
    }
    struct bytes payload;
    struct body_row row;
    enum dol_err err = table_lookup(p->view->txn, p->ix->dbi[TABLE_BUCKETS], TABLE_BUCKETS,
                                    bytes_of((const uint8_t *)key.data + 1, 8), &payload);
    if (err == DOL_OK)
        err = body_row_decode(payload, &row);
    if (err == DOL_OK)
        *body = row.body;
    return index_noted(p->ix, err, "a bucket's row");
}

static enum dol_err publish_bucket_delete(struct publish *p, struct pending_record *rec)
{
    struct bucket_delete_body d;
    enum dol_err err = bucket_delete_decode(rec->payload, &d);
    if (err == DOL_OK)
        err = publish_prepare_find(p);
    if (err != DOL_OK)
        return err;
    uint8_t id[8];
    be64_put(id, d.id);
    struct bytes key = overlay_key(p->key, TABLE_BUCKETS, bytes_of(id, sizeof id));
    struct bytes body;
    struct bucket_body b;
    enum dol_err found = publish_bucket_find(p, key, &body);
    if (found == DOL_OK)
        found = bucket_body_decode(body, &b);
    if (found != DOL_OK && found != DOL_ENOTFOUND)
        return found;
    struct overlay_node *node;
    err = publish_node(p, OVERLAY_TOMBSTONE, key, rec, bytes_of(NULL, 0), &node);
    if (err != DOL_OK || found == DOL_ENOTFOUND)
        return err;
    node->joined = true;
    return publish_node(p, OVERLAY_TOMBSTONE, overlay_key(p->key, TABLE_NAMES, b.name), rec, bytes_of(NULL, 0), NULL);
}

static enum dol_err publish_upload(struct publish *p, struct pending_record *rec)
{
    struct upload_body u;
    enum dol_err err = upload_body_decode(rec->payload, &u);
    if (err == DOL_OK)
        err = publish_code(p, rec, u.bucket, u.key);
    if (err != DOL_OK)
        return err;
    struct bytes key = overlay_key_tree(p->key, TABLE_UPLOADS, u.bucket, rec->code, u.upload_id);
    return publish_node(p, OVERLAY_VALUE, key, rec, rec->payload, NULL);
}

static enum dol_err publish_upload_end(struct publish *p, struct pending_record *rec)
{
    struct upload_end_body e;
    enum dol_err err = upload_end_decode(rec->payload, &e);
    if (err == DOL_OK)
        err = publish_code(p, rec, e.bucket, e.key);
    if (err != DOL_OK)
        return err;
    struct bytes key = overlay_key_tree(p->key, TABLE_UPLOADS, e.bucket, rec->code, e.upload_id);
    return publish_node(p, OVERLAY_TOMBSTONE, key, rec, bytes_of(NULL, 0), NULL);
}

static enum dol_err publish_part(struct publish *p, struct pending_record *rec)
{
    struct upload_part_body part;
    uint8_t key[PART_KEY_BYTES];
    enum dol_err err = upload_part_decode(rec->payload, &part);
    if (err == DOL_OK)
        err = publish_code(p, rec, part.bucket, part.key);
    if (err != DOL_OK)
        return err;
    part_key_encode(part.bucket, part.upload_id, part.part.number, key);
    return publish_node(p, OVERLAY_VALUE, overlay_key(p->key, TABLE_PARTS, bytes_of(key, sizeof key)), rec,
                        rec->payload, NULL);
}

static enum dol_err publish_setting(struct publish *p, struct pending_record *rec)
{
    struct setting_body s;
    enum dol_err err = setting_body_decode(rec->payload, &s);
    if (err != DOL_OK)
        return err;
    uint8_t key[TABLE_KEY_BYTES_MAX];
    struct bytes k = overlay_key(p->key, TABLE_SETTINGS, setting_key(key, rec->kind, s.name));
    return publish_node(p, s.value.data != NULL ? OVERLAY_VALUE : OVERLAY_TOMBSTONE, k, rec, s.value, NULL);
}

static enum dol_err publish_chunk(struct publish *p, struct pending_record *rec)
{
    struct bytes hash = rec->payload;
    struct chunk_list_body list;
    if (rec->kind == RECORD_CHUNK_LIST) {
        enum dol_err err = chunk_list_decode(rec->payload, &list);
        if (err != DOL_OK)
            return err;
        hash = bytes_of(list.hash.b, sizeof list.hash.b);
    }
    if (hash.len != sizeof(struct sha256))
        return DOL_ECORRUPT;
    enum index_table table = rec->kind == RECORD_CHUNK ? TABLE_CHUNKS : TABLE_LISTS;
    return publish_node(p, OVERLAY_VALUE, overlay_key(p->key, table, hash), rec, bytes_of(NULL, 0), NULL);
}

/* Of each copied record: what tells the thing it speaks of. Nothing is visible: until it is applied, both copies are
 * there. */
static enum dol_err publish_moved_one(struct publish *p, const struct index_record *in, struct pending_record *out)
{
    struct manifest m;
    struct object_meta_body meta;
    struct upload_body u;
    struct upload_part_body part;
    enum dol_err err = DOL_OK;
    uint8_t *payload = row_alloc(p->row, in->payload.len);
    if (payload == NULL)
        return DOL_ENOMEM;
    if (in->payload.len > 0)
        memcpy(payload, in->payload.data, in->payload.len);
    *out = (struct pending_record){
        .kind = in->kind, .lsn = in->lsn, .place = in->place, .payload = bytes_of(payload, in->payload.len)};
    if (!place_is_possible(&in->place))
        return DOL_ECORRUPT;
    switch (in->kind) {
    case RECORD_CHUNK:
        return in->payload.len == sizeof(struct sha256) ? DOL_OK : DOL_ECORRUPT;
    case RECORD_MANIFEST:
        err = manifest_decode(out->payload, &m);
        return err == DOL_OK ? publish_code(p, out, m.bucket, m.key) : err;
    case RECORD_OBJECT_META:
        err = object_meta_decode(out->payload, &meta);
        return err == DOL_OK ? publish_code(p, out, meta.bucket, meta.key) : err;
    case RECORD_UPLOAD:
        err = upload_body_decode(out->payload, &u);
        return err == DOL_OK ? publish_code(p, out, u.bucket, u.key) : err;
    case RECORD_UPLOAD_PART:
        err = upload_part_decode(out->payload, &part);
        return err == DOL_OK ? publish_code(p, out, part.bucket, part.key) : err;
    default:
        return DOL_OK;
    }
}

static enum dol_err publish_moved(struct publish *p, const struct index_record *in, struct pending_record *rec)
{
    struct moved_body body;
    enum dol_err err = moved_body_decode(rec->payload, &body);
    if (err == DOL_OK && (in->moved == NULL || in->moved_count != body.count))
        err = DOL_ECORRUPT;
    if (err != DOL_OK)
        return err;
    rec->moved = row_alloc(p->row, body.count * sizeof rec->moved[0]);
    if (rec->moved == NULL)
        return DOL_ENOMEM;
    for (; rec->moved_count < body.count && err == DOL_OK; rec->moved_count++)
        err = publish_moved_one(p, &in->moved[rec->moved_count], &rec->moved[rec->moved_count]);
    return err;
}

static enum dol_err publish_verdict(struct publish *p, struct pending_record *rec)
{
    (void)p;
    struct end_body end;
    struct freed_body freed;
    return rec->kind == RECORD_END ? end_body_decode(rec->payload, &end) : freed_body_decode(rec->payload, &freed);
}

typedef enum dol_err publish_fn(struct publish *p, struct pending_record *rec);

/* NULL: a kind the index doesn't keep. */
static publish_fn *const publish_by_kind[RECORD_KIND_MAX + 1] = {
    [RECORD_CHUNK] = publish_chunk,
    [RECORD_CHUNK_LIST] = publish_chunk,
    [RECORD_MANIFEST] = publish_manifest,
    [RECORD_DELETE] = publish_delete,
    [RECORD_OBJECT_META] = publish_object_meta,
    [RECORD_BUCKET] = publish_bucket,
    [RECORD_BUCKET_DELETE] = publish_bucket_delete,
    [RECORD_UPLOAD] = publish_upload,
    [RECORD_UPLOAD_PART] = publish_part,
    [RECORD_UPLOAD_END] = publish_upload_end,
    [RECORD_END] = publish_verdict,
    [RECORD_FREED] = publish_verdict,
    [RECORD_USER] = publish_setting,
    [RECORD_ACCESS_KEY] = publish_setting,
    [RECORD_POLICY] = publish_setting,
    [RECORD_SETTING] = publish_setting,
};

static bool place_is_sound(const struct place *place)
{
    uint8_t encoded[PLACE_BYTES];
    struct place decoded;
    place_encode(place, encoded);
    return place_decode(encoded, &decoded) == DOL_OK;
}

static enum dol_err publish_record(struct publish *p, const struct index_record *in, struct lsn applied)
{
    struct pending_row *row = p->row;
    if (lsn_compare(in->lsn, row->highest) > 0)
        row->highest = in->lsn;
    bool kept = in->kind == RECORD_MOVED || (in->kind <= RECORD_KIND_MAX && publish_by_kind[in->kind] != NULL);
    if (!kept || lsn_compare(in->lsn, applied) <= 0)
        return DOL_OK;
    if (!place_is_sound(&in->place))
        return DOL_ECORRUPT;
    uint8_t *payload = row_alloc(row, in->payload.len);
    if (payload == NULL)
        return DOL_ENOMEM;
    if (in->payload.len > 0)
        memcpy(payload, in->payload.data, in->payload.len);
    struct pending_record *rec = &row->records[row->record_count++];
    *rec = (struct pending_record){
        .kind = in->kind,
        .codec = in->codec,
        .plain_bytes = in->plain_bytes,
        .lsn = in->lsn,
        .place = in->place,
        .payload = bytes_of(payload, in->payload.len),
    };
    return in->kind == RECORD_MOVED ? publish_moved(p, in, rec) : publish_by_kind[in->kind](p, rec);
}

enum dol_err index_publish(struct index *ix, const struct index_row *in)
{
    dol_assert_magic(ix, INDEX_MAGIC);
    struct publish p = {.ix = ix, .records_max = in->record_count};
    enum dol_err err = DOL_ENOMEM;
    struct lsn applied = index_applied(ix);
    p.row = calloc(1, sizeof *p.row);
    if (p.row == NULL)
        goto out;
    p.row->after = in->after;
    p.row->records = row_alloc(p.row, (in->record_count + 1) * sizeof p.row->records[0]);
    if (p.row->records == NULL)
        goto out;
    err = DOL_OK;
    for (unsigned i = 0; i < in->record_count && err == DOL_OK; i++)
        err = publish_record(&p, &in->records[i], applied);
    if (err != DOL_OK)
        goto out;

    overlay_insert(&ix->overlay, p.row->nodes);
    pthread_mutex_lock(&ix->queue_lock);
    for (size_t i = 0; i < p.row->record_count; i++)
        p.row->records[i].sequence = ++ix->sequence;
    list_push_back(&ix->pending, &p.row->list);
    ix->pending_bytes += p.row->bytes;
    ix->pending_records += in->record_count;
    if (lsn_compare(p.row->highest, ix->published) > 0)
        ix->published = p.row->highest;
    p.row->count = in->record_count;
    p.row = NULL;
    pthread_mutex_unlock(&ix->queue_lock);
out:
    if (p.view != NULL)
        index_view_end(p.view);
    free(p.seen);
    row_free(p.row);
    return err;
}
