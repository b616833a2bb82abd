/*
 * GET: one version of an object, held open. The index gives its manifest, which is copied; its bytes come from a cursor
 * over its chunks (cursor.h), which reads, verifies and hands them out one at a time.
 */
#include <stdlib.h>

#include "cursor.h"
#include "dol_assert.h"
#include "request.h"
#include "version.h"

#define OBJECT_MAGIC 0x4f424a43u

struct object {
    unsigned magic;
    struct store *store;
    struct pin pin;
    void *body; /* the manifest's, owned */
    struct manifest manifest;
    struct object_info info;
    struct cursor cursor;
};

void store_object_info_fill(const struct manifest *m, uint8_t versioning, struct object_info *out)
{
    memset(out, 0, sizeof *out);
    out->key = m->key;
    out->size = m->size;
    out->mtime_ns = m->mtime_ns;
    out->etag = m->etag;
    version_name(m, versioning, &out->version, &out->null_version);
    out->delete_marker = (m->flags & MANIFEST_DELETE_MARKER) != 0;
    out->owner = m->owner;
    memcpy(out->headers, m->headers, sizeof out->headers);
    out->checksum = m->checksum;
    out->retention = m->retention;
    out->storage_class = m->storage_class;
    out->part_count = (unsigned)(m->parts.len / MANIFEST_PART_BYTES);
    struct metadata_pair tag;
    for (struct bytes pos = m->tags; tags_next(&pos, &tag);)
        out->tag_count++;
}

enum dol_err store_object_open(struct store *s, struct bytes bucket, struct bytes key, const struct version_id *version,
                               struct object **out)
{
    struct object *o = calloc(1, sizeof *o);
    if (o == NULL)
        return DOL_ENOMEM;
    o->magic = OBJECT_MAGIC;
    o->store = s;
    pin_begin(&s->pins, &o->pin, PIN_READ);
    struct bucket_ref ref;
    enum dol_err err = store_version_find(s, bucket, key, version, &ref, &o->manifest, &o->body);
    if (err == DOL_ENOTFOUND && version != NULL)
        err = DOL_ENOVERSION;
    if (err == DOL_OK) {
        store_object_info_fill(&o->manifest, ref.versioning, &o->info);
        cursor_init(&o->cursor, s, &o->manifest);
        *out = o;
        return DOL_OK;
    }
    pin_end(&s->pins, &o->pin);
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

bool store_object_tag(const struct object *o, unsigned i, struct metadata_pair *out)
{
    struct bytes pos = o->manifest.tags;
    while (tags_next(&pos, out))
        if (i-- == 0)
            return true;
    return false;
}

bool store_object_part(const struct object *o, unsigned i, struct part_info *out)
{
    const uint8_t *table = o->manifest.parts.data;
    struct manifest_part part;
    memset(out, 0, sizeof *out);
    if (i >= o->info.part_count)
        return false;
    for (unsigned j = 0; j < i; j++)
        out->offset += manifest_part_size(table + (size_t)j * MANIFEST_PART_BYTES);
    if (manifest_part_decode(table + (size_t)i * MANIFEST_PART_BYTES, &part) != DOL_OK)
        return false; /* can't be: manifest_decode() looked at all of them */
    out->number = part.number;
    out->size = part.size;
    memcpy(out->md5, part.md5, sizeof out->md5);
    out->checksum = part.checksum;
    return true;
}

enum dol_err store_object_seek(struct object *o, uint64_t offset, uint64_t len)
{
    dol_assert_magic(o, OBJECT_MAGIC);
    if (offset > o->manifest.size || len > o->manifest.size - offset)
        return DOL_ERANGE;
    cursor_seek(&o->cursor, offset, len);
    return DOL_OK;
}

enum dol_err store_object_read(struct object *o, struct bytes *out)
{
    dol_assert_magic(o, OBJECT_MAGIC);
    enum dol_err err = cursor_read(&o->cursor, out);
    if (out->len > 0) {
        atomic_fetch_add_explicit(&o->store->stats.bytes_out, out->len, memory_order_relaxed);
        if (cursor_is_at_end(&o->cursor))
            atomic_fetch_add_explicit(&o->store->stats.gets, 1, memory_order_relaxed);
    }
    return err;
}

void store_object_close(struct object *o)
{
    dol_assert_magic(o, OBJECT_MAGIC);
    cursor_fini(&o->cursor);
    pin_end(&o->store->pins, &o->pin);
    free(o->body);
    free(o);
}
