/*
 * GET: index -> read the record -> open -> decode -> hand out, a chunk at a time. Nothing is handed out that was not
 * verified against the record's tag and the chunk's hash.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "store_impl.h"

#define OBJECT_MAGIC 0x4f424a43u

struct object {
    unsigned magic;
    struct store *store;
    void *body; /* the manifest's, owned */
    struct manifest manifest;
    struct object_info info;
    /* reading: the chunk under the cursor */
    enum dol_err err;        /* sticky until the next seek */
    uint64_t at, end;        /* in the object */
    uint64_t ref_at;         /* object offset of the next reference's first byte */
    size_t ref_next;         /* in refs */
    struct bytes refs;       /* of the manifest or of the current list */
    struct record_read list; /* current chunk list, when lists are used */
    size_t list_next;        /* next list of the manifest */
    uint8_t *plain;          /* decoded chunk, owned; NULL when the record's bytes serve */
    struct record_read record;
};

void store_object_info_fill(const struct manifest *m, struct object_info *out)
{
    memset(out, 0, sizeof *out);
    out->key = m->key;
    out->size = m->size;
    out->mtime_ns = m->mtime_ns;
    out->etag = m->etag;
    out->version = m->version;
    out->null_version = (m->flags & MANIFEST_NULL_VERSION) != 0;
    out->delete_marker = (m->flags & MANIFEST_DELETE_MARKER) != 0;
    out->owner = m->owner;
    memcpy(out->headers, m->headers, sizeof out->headers);
    out->checksum = m->checksum;
    out->retention = m->retention;
    out->storage_class = m->storage_class;
}

enum dol_err store_object_open(struct store *s, struct bytes bucket, struct bytes key, const struct version_id *version,
                               struct object **out)
{
    uint64_t id;
    struct object *o = calloc(1, sizeof *o);
    if (o == NULL)
        return DOL_ENOMEM;
    o->magic = OBJECT_MAGIC;
    o->store = s;
    enum dol_err err = store_bucket_id(s, bucket, &id);
    if (err == DOL_OK)
        err = store_version_get(s, id, key, version, &o->manifest, &o->body);
    if (err == DOL_OK && version == NULL && (o->manifest.flags & MANIFEST_DELETE_MARKER))
        err = DOL_ENOTFOUND;
    if (err == DOL_OK) {
        store_object_info_fill(&o->manifest, &o->info);
        *out = o;
        return DOL_OK;
    }
    free(o->body);
    free(o);
    return err;
}

const struct object_info *store_object_info(const struct object *o)
{
    dol_assert_magic(o, OBJECT_MAGIC);
    return &o->info;
}

bool store_object_metadata(const struct object *o, unsigned i, struct metadata_pair *out)
{
    struct bytes pos = o->manifest.metadata;
    while (manifest_meta_next(&pos, &out->name, &out->value))
        if (i-- == 0)
            return true;
    return false;
}

static void drop_chunk(struct object *o)
{
    free(o->plain);
    o->plain = NULL;
    record_read_free(&o->record);
}

/* ---- references ---- */

static enum dol_err open_list(struct object *o, const struct list_ref *ref)
{
    struct chunk_list_body list;
    record_read_free(&o->list);
    enum dol_err err = store_read_chunk(o->store, RECORD_CHUNK_LIST, &ref->hash, &o->list);
    if (err == DOL_OK)
        err = chunk_list_decode(o->list.body, &list);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
    o->refs = list.refs;
    o->ref_next = 0;
    return DOL_OK;
}

/* The next reference; lists are opened as they are reached, or skipped when they end at or before `from`. */
static enum dol_err next_ref(struct object *o, uint64_t from, struct chunk_ref *out)
{
    while (o->ref_next * CHUNK_REF_BYTES >= o->refs.len) {
        if (o->list_next * LIST_REF_BYTES >= o->manifest.list_refs.len)
            return DOL_ECORRUPT; /* the references end before the size: manifest_decode() checked the sums */
        struct list_ref ref =
            list_ref_decode((const uint8_t *)o->manifest.list_refs.data + o->list_next++ * LIST_REF_BYTES);
        if (o->ref_at + ref.bytes <= from) {
            o->ref_at += ref.bytes;
            continue;
        }
        enum dol_err err = open_list(o, &ref);
        if (err != DOL_OK)
            return err;
    }
    *out = chunk_ref_decode((const uint8_t *)o->refs.data + o->ref_next++ * CHUNK_REF_BYTES);
    return DOL_OK;
}

enum dol_err store_object_seek(struct object *o, uint64_t offset, uint64_t len)
{
    dol_assert_magic(o, OBJECT_MAGIC);
    if (offset > o->manifest.size || len > o->manifest.size - offset)
        return DOL_ERANGE;
    drop_chunk(o);
    o->err = DOL_OK;
    o->at = offset;
    o->end = offset + len;
    o->ref_at = 0;
    o->ref_next = 0;
    o->refs = o->manifest.chunk_refs;
    o->list_next = 0;
    return DOL_OK;
}

/* ---- bytes ---- */

static enum dol_err decode_chunk(struct object *o, const struct chunk_ref *ref, struct bytes *plain)
{
    struct chunk_body body;
    enum dol_err err = chunk_body_decode(o->record.body, &body);
    if (err != DOL_OK)
        return err;
    if (o->record.header.plain_bytes != ref->bytes)
        return DOL_ECORRUPT;
    if (o->record.header.codec == FORMAT_CODEC_RAW) {
        *plain = body.data;
        return body.data.len == ref->bytes ? DOL_OK : DOL_ECORRUPT;
    }
    struct codec *codec;
    err = store_codec_take(o->store, &codec);
    if (err != DOL_OK)
        return err;
    o->plain = malloc(ref->bytes);
    err = o->plain ? codec_decode(codec, o->record.header.codec, body.data, o->plain, ref->bytes) : DOL_ENOMEM;
    store_codec_give(o->store, codec);
    *plain = bytes_of(o->plain, ref->bytes);
    return err;
}

static enum dol_err read_piece(struct object *o, struct bytes *out)
{
    struct chunk_ref ref;
    struct bytes plain;
    enum dol_err err;
    do {
        err = next_ref(o, o->at, &ref);
        if (err != DOL_OK)
            return err;
        o->ref_at += ref.bytes;
    } while (o->ref_at <= o->at);

    err = store_read_chunk(o->store, RECORD_CHUNK, &ref.hash, &o->record);
    if (err == DOL_OK)
        err = decode_chunk(o, &ref, &plain);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
    uint64_t chunk_start = o->ref_at - ref.bytes;
    uint64_t to = o->ref_at < o->end ? o->ref_at : o->end;
    *out = bytes_of((const uint8_t *)plain.data + (o->at - chunk_start), (size_t)(to - o->at));
    o->at = to;
    atomic_fetch_add(&o->store->stats.bytes_out, out->len);
    if (to == o->end)
        atomic_fetch_add(&o->store->stats.gets, 1);
    return DOL_OK;
}

enum dol_err store_object_read(struct object *o, struct bytes *out)
{
    dol_assert_magic(o, OBJECT_MAGIC);
    drop_chunk(o);
    *out = bytes_of(NULL, 0);
    if (o->err == DOL_OK && o->at < o->end)
        o->err = read_piece(o, out);
    return o->err;
}

void store_object_close(struct object *o)
{
    dol_assert_magic(o, OBJECT_MAGIC);
    drop_chunk(o);
    record_read_free(&o->list);
    free(o->body);
    free(o);
}
