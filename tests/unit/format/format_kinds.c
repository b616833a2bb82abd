/* One table of functions per kind of body, and random content for each. */
#include "format_kinds.h"

#include <stdlib.h>

#include "hash.h"

#define KIND_FUNCTIONS(name, member)                                                                                   \
    static void any_##name##_encode(const union any_body *b, struct tlv_writer *w)                                     \
    {                                                                                                                  \
        name##_encode(&b->member, w);                                                                                  \
    }                                                                                                                  \
    static enum dol_err any_##name##_decode(struct bytes body, union any_body *out)                                    \
    {                                                                                                                  \
        return name##_decode(body, &out->member);                                                                      \
    }
KIND_FUNCTIONS(chunk_list, chunk_list)
KIND_FUNCTIONS(manifest, manifest)
KIND_FUNCTIONS(delete_body, delete_body)
KIND_FUNCTIONS(object_meta, object_meta)
KIND_FUNCTIONS(bucket_body, bucket)
KIND_FUNCTIONS(bucket_delete, bucket_delete)
KIND_FUNCTIONS(upload_body, upload)
KIND_FUNCTIONS(upload_part, upload_part)
KIND_FUNCTIONS(upload_end, upload_end)
KIND_FUNCTIONS(end_body, end)
KIND_FUNCTIONS(freed_body, freed)
KIND_FUNCTIONS(debt_body, debt)
KIND_FUNCTIONS(moved_body, moved)
KIND_FUNCTIONS(setting_body, setting)

static void any_chunk_list(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    uint64_t size;
    b->chunk_list.refs = sample_chunk_refs(rng, space, (uint32_t)sample_range(rng, 1, 100), &size);
    b->chunk_list.hash = sha256_of(b->chunk_list.refs.data, b->chunk_list.refs.len);
}

static void any_manifest(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    sample_manifest(rng, space, &b->manifest);
}

static void any_delete(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    uint8_t graves[2 * GRAVE_REF_BYTES];
    size_t count = (size_t)sample_range(rng, 0, 2);
    b->delete_body =
        (struct delete_body){.bucket = sample_range(rng, 1, 99), .key = sample_bytes(rng, space, 40), .version = {{7}}};
    for (size_t i = 0; i < count; i++) {
        struct grave_ref g = {sample_range(rng, 1, 99), {sample_range(rng, 1, 99), sample_u64(rng)}};
        grave_ref_encode(&g, graves + i * GRAVE_REF_BYTES);
    }
    if (count > 0) {
        b->delete_body.graves = bytes_of(space->b + space->used, count * GRAVE_REF_BYTES);
        memcpy(space->b + space->used, graves, count * GRAVE_REF_BYTES);
        space->used += count * GRAVE_REF_BYTES;
    }
}

static void any_object_meta(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    struct object_meta_body *o = &b->object_meta;
    o->bucket = sample_range(rng, 1, 99);
    o->key = sample_bytes(rng, space, sample_range(rng, 1, OBJECT_KEY_BYTES_MAX));
    sample_fill(rng, o->version.b, sizeof o->version.b);
    o->retention = sample_retention(rng);
    o->tags = sample_tags(rng, space, (unsigned)sample_range(rng, 0, 10));
    o->storage_class = (uint8_t)sample_range(rng, 0, STORAGE_CLASS_LAST);
    o->restored_until_s = (int64_t)sample_range(rng, 0, 1);
}

static void any_bucket(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    struct bucket_body *k = &b->bucket;
    k->id = sample_range(rng, 1, UINT64_MAX - 1);
    k->name = sample_bytes(rng, space, sample_range(rng, 1, BUCKET_NAME_BYTES_MAX));
    k->owner = sample_bytes(rng, space, sample_range(rng, 0, OWNER_BYTES_MAX));
    k->created_ns = (int64_t)sample_u64(rng);
    k->region = sample_bytes(rng, space, sample_range(rng, 0, BUCKET_REGION_BYTES_MAX));
    k->versioning = (uint8_t)sample_range(rng, 0, 2);
    k->flags = (uint32_t)sample_range(rng, 0, 1);
    k->default_retention = sample_retention(rng);
    k->default_retention.legal_hold = 0;
    if (sample_range(rng, 0, 1) == 1)
        k->settings = bytes_of("\6\0policy\3\0\0\0{ }\4\0cors\0\0\0\0", 25);
}

static void any_bucket_delete(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    (void)space;
    b->bucket_delete.id = sample_range(rng, 1, UINT64_MAX - 1);
}

static void any_upload(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    struct upload_body *u = &b->upload;
    struct manifest m;
    do
        sample_manifest(rng, space, &m);
    while ((m.flags & MANIFEST_DELETE_MARKER) != 0);
    memset(&m.version, 0, sizeof m.version);
    memset(&m.replaces, 0, sizeof m.replaces);
    memset(&m.etag, 0, sizeof m.etag);
    memset(&m.checksum, 0, sizeof m.checksum);
    m.size = 0;
    m.parts = m.upload_id = m.chunk_refs = m.list_refs = (struct bytes){0};
    struct tlv_writer w;
    tlv_writer_init(&w, space->b + space->used, 65536);
    manifest_template_encode(&m, &w);
    if (w.overflow)
        abort();
    u->manifest = bytes_of(space->b + space->used, w.len);
    space->used += w.len;
    u->bucket = m.bucket;
    u->key = m.key;
    sample_fill(rng, u->upload_id, sizeof u->upload_id);
    u->owner = sample_bytes(rng, space, sample_range(rng, 0, 64));
    u->initiator = sample_bytes(rng, space, sample_range(rng, 0, 64));
    u->created_ns = (int64_t)sample_u64(rng);
    u->checksum_alg = (uint8_t)sample_range(rng, 0, CHECKSUM_SHA256);
    u->checksum_type = u->checksum_alg == 0 ? 0 : (uint8_t)sample_range(rng, 1, 2);
}

static void any_upload_part(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    struct upload_part_body *u = &b->upload_part;
    u->bucket = sample_range(rng, 1, 99);
    u->key = sample_bytes(rng, space, 20);
    sample_fill(rng, u->upload_id, sizeof u->upload_id);
    u->part.number = (uint32_t)sample_range(rng, 1, MANIFEST_PARTS_MAX);
    sample_fill(rng, u->part.md5, sizeof u->part.md5);
    u->part.checksum = sample_checksum(rng);
    u->mtime_ns = (int64_t)sample_u64(rng);
    if (sample_range(rng, 0, 1) == 1)
        u->chunk_refs = sample_chunk_refs(rng, space, (uint32_t)sample_range(rng, 0, 64), &u->part.size);
    else
        u->list_refs = sample_list_refs(rng, space, (uint32_t)sample_range(rng, 0, 64), &u->part.size);
}

static void any_upload_end(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    b->upload_end.bucket = sample_range(rng, 1, 99);
    b->upload_end.key = sample_bytes(rng, space, 20);
    sample_fill(rng, b->upload_end.upload_id, 16);
    b->upload_end.completed = (uint8_t)sample_range(rng, 0, 1);
}

static void any_end(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    (void)space;
    uint64_t rows = sample_range(rng, 0, 3);
    b->end = (struct end_body){sample_range(rng, 1, 99), sample_uuid(rng), rows, rows * 10 + 1};
}

static void any_freed(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    (void)space;
    b->freed = (struct freed_body){sample_range(rng, 1, 99), sample_uuid(rng), sample_range(rng, 1, 99)};
}

static void any_debt(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    (void)space;
    b->debt = (struct debt_body){sample_uuid(rng), sample_range(rng, 1, 99), sample_uuid(rng),
                                 (uint8_t)sample_range(rng, 0, 1)};
}

static void any_moved(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    (void)space;
    b->moved = (struct moved_body){sample_range(rng, 1, 99), sample_uuid(rng),
                                   (uint32_t)sample_range(rng, 1, MOVED_RECORDS_MAX)};
}

static void any_setting(struct sample_rng *rng, struct sample_space *space, union any_body *b)
{
    b->setting.name = sample_bytes(rng, space, sample_range(rng, 1, 30));
    if (sample_range(rng, 0, 1) == 1)
        b->setting.value = sample_bytes(rng, space, sample_range(rng, 0, 500));
}

const struct format_kind format_kinds[KIND_COUNT] = {
    [KIND_CHUNK_LIST] = {any_chunk_list, any_chunk_list_encode, any_chunk_list_decode},
    [KIND_MANIFEST] = {any_manifest, any_manifest_encode, any_manifest_decode},
    [KIND_DELETE] = {any_delete, any_delete_body_encode, any_delete_body_decode},
    [KIND_OBJECT_META] = {any_object_meta, any_object_meta_encode, any_object_meta_decode},
    [KIND_BUCKET] = {any_bucket, any_bucket_body_encode, any_bucket_body_decode},
    [KIND_BUCKET_DELETE] = {any_bucket_delete, any_bucket_delete_encode, any_bucket_delete_decode},
    [KIND_UPLOAD] = {any_upload, any_upload_body_encode, any_upload_body_decode},
    [KIND_UPLOAD_PART] = {any_upload_part, any_upload_part_encode, any_upload_part_decode},
    [KIND_UPLOAD_END] = {any_upload_end, any_upload_end_encode, any_upload_end_decode},
    [KIND_END] = {any_end, any_end_body_encode, any_end_body_decode},
    [KIND_FREED] = {any_freed, any_freed_body_encode, any_freed_body_decode},
    [KIND_DEBT] = {any_debt, any_debt_body_encode, any_debt_body_decode},
    [KIND_MOVED] = {any_moved, any_moved_body_encode, any_moved_body_decode},
    [KIND_SETTING] = {any_setting, any_setting_body_encode, any_setting_body_decode},
};

uint8_t body_image[BODY_BYTES_ROOM];
uint8_t body_again[BODY_BYTES_ROOM];
struct sample_space sample_space;

size_t body_encode(size_t kind, const union any_body *b, uint8_t *out)
{
    struct tlv_writer w;
    tlv_writer_init(&w, out, BODY_BYTES_ROOM);
    format_kinds[kind].encode(b, &w);
    if (w.overflow)
        abort();
    return w.len;
}

size_t body_sample(size_t kind, struct sample_rng *rng, union any_body *b)
{
    memset(b, 0, sizeof *b);
    sample_space.used = 0;
    format_kinds[kind].sample(rng, &sample_space, b);
    return body_encode(kind, b, body_image);
}

enum dol_err body_decode_exact(size_t kind, const uint8_t *image, size_t len)
{
    union any_body out;
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, image, len);
    enum dol_err err = format_kinds[kind].decode(bytes_of(exact, len), &out);
    free(exact);
    return err;
}
