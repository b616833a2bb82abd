/* Bodies of the records that make objects: manifests and their templates, deletes, changes of state, multipart uploads.
 */
#include "body_field.h"
#include "format_head.h"

/* The largest manifest allowed still fits into a directory entry. */
_Static_assert(MANIFEST_PARTS_MAX *MANIFEST_PART_BYTES + MANIFEST_LISTS_MAX * LIST_REF_BYTES +
                       MANIFEST_METADATA_BYTES_MAX + MANIFEST_TAGS_BYTES_MAX +
                       HEADER_COUNT * MANIFEST_HEADER_BYTES_MAX + MANIFEST_SSE_BYTES_MAX + OBJECT_KEY_BYTES_MAX +
                       OWNER_BYTES_MAX + 40 * TLV_HEADER_BYTES + 256 <=
                   BODY_BYTES_MAX,
               "largest manifest");
_Static_assert(MANIFEST_TEMPLATE_BYTES_MAX + 4096 <= BODY_BYTES_MAX, "largest upload");
_Static_assert(MANIFEST_T_HEADERS + HEADER_COUNT <= MANIFEST_T_META, "header types");

/* ---- manifest ---- */

#define MANIFEST_HEADER_FIELD(header)                                                                                  \
    BODY_FIELD(MANIFEST_T_HEADERS + (header), FORM_BYTES, NEED_OPTIONAL, manifest, headers[header], 0,                 \
               MANIFEST_HEADER_BYTES_MAX)

static const struct body_field manifest_fields[] = {
    BODY_FIELD(MANIFEST_T_BUCKET, FORM_U64, NEED_ALWAYS, manifest, bucket, 1, 0),
    BODY_FIELD(MANIFEST_T_KEY, FORM_BYTES, NEED_ALWAYS, manifest, key, 1, OBJECT_KEY_BYTES_MAX),
    BODY_FIELD(MANIFEST_T_VERSION, FORM_RAW, NEED_OPTIONAL, manifest, version, 1, sizeof(struct version_id)),
    BODY_FIELD(MANIFEST_T_FLAGS, FORM_U32, NEED_OPTIONAL, manifest, flags, 0,
               MANIFEST_NULL_VERSION | MANIFEST_DELETE_MARKER),
    BODY_FIELD(MANIFEST_T_REPLACES, FORM_RAW, NEED_OPTIONAL, manifest, replaces, 1, sizeof(struct version_id)),
    BODY_FIELD(MANIFEST_T_OWNER, FORM_BYTES, NEED_OPTIONAL, manifest, owner, 1, OWNER_BYTES_MAX),
    BODY_FIELD(MANIFEST_T_MTIME, FORM_I64, NEED_ALWAYS, manifest, mtime_ns, 0, 0),
    BODY_FIELD(MANIFEST_T_SIZE, FORM_U64, NEED_ALWAYS, manifest, size, 0, 0),
    BODY_FIELD(MANIFEST_T_ETAG, FORM_ETAG, NEED_OPTIONAL, manifest, etag, 0, 0),
    MANIFEST_HEADER_FIELD(HEADER_CONTENT_TYPE),
    MANIFEST_HEADER_FIELD(HEADER_CACHE_CONTROL),
    MANIFEST_HEADER_FIELD(HEADER_CONTENT_DISPOSITION),
    MANIFEST_HEADER_FIELD(HEADER_CONTENT_ENCODING),
    MANIFEST_HEADER_FIELD(HEADER_CONTENT_LANGUAGE),
    MANIFEST_HEADER_FIELD(HEADER_EXPIRES),
    MANIFEST_HEADER_FIELD(HEADER_WEBSITE_REDIRECT),
    BODY_FIELD(MANIFEST_T_META, FORM_META, NEED_OPTIONAL, manifest, metadata, 1, MANIFEST_METADATA_BYTES_MAX),
    BODY_FIELD(MANIFEST_T_TAGS, FORM_BYTES, NEED_OPTIONAL, manifest, tags, 1, MANIFEST_TAGS_BYTES_MAX),
    BODY_FIELD(MANIFEST_T_RETENTION, FORM_RETENTION, NEED_OPTIONAL, manifest, retention, 0, 0),
    BODY_FIELD(MANIFEST_T_STORAGE_CLASS, FORM_U8, NEED_OPTIONAL, manifest, storage_class, 0, STORAGE_CLASS_LAST),
    BODY_FIELD(MANIFEST_T_CHECKSUM, FORM_CHECKSUM, NEED_OPTIONAL, manifest, checksum, 0, 0),
    BODY_FIELD(MANIFEST_T_PARTS, FORM_BYTES, NEED_OPTIONAL, manifest, parts, MANIFEST_PART_BYTES,
               MANIFEST_PARTS_MAX *MANIFEST_PART_BYTES),
    BODY_FIELD(MANIFEST_T_UPLOAD_ID, FORM_BYTES, NEED_OPTIONAL, manifest, upload_id, 16, 16),
    BODY_FIELD(MANIFEST_T_SSE, FORM_BYTES, NEED_OPTIONAL, manifest, sse, 1, MANIFEST_SSE_BYTES_MAX),
    BODY_FIELD(MANIFEST_T_CHUNK_REFS, FORM_BYTES, NEED_OPTIONAL, manifest, chunk_refs, CHUNK_REF_BYTES,
               MANIFEST_CHUNKS_MAX *CHUNK_REF_BYTES),
    BODY_FIELD(MANIFEST_T_LIST_REFS, FORM_BYTES, NEED_OPTIONAL, manifest, list_refs, LIST_REF_BYTES,
               MANIFEST_LISTS_MAX *LIST_REF_BYTES),
};

/* Entries in ascending order of number, adding up to the object. */
static bool manifest_parts_ok(const struct manifest *m)
{
    if (m->parts.len == 0)
        return true;
    if (m->parts.len % MANIFEST_PART_BYTES != 0 || m->parts.len / MANIFEST_PART_BYTES != m->etag.parts)
        return false;
    const uint8_t *b = m->parts.data;
    uint32_t previous = 0;
    uint64_t left = m->size;
    for (size_t at = 0; at < m->parts.len; at += MANIFEST_PART_BYTES) {
        struct manifest_part p;
        if (manifest_part_decode(b + at, &p) != DOL_OK || p.number <= previous || p.size > left)
            return false;
        previous = p.number;
        left -= p.size;
    }
    return left == 0;
}

static bool etag_is_absent(const struct etag *e)
{
    return e->parts == 0 && format_is_zero(e->md5, sizeof e->md5);
}

/* A delete marker hides a key; it has no content and nothing that describes content. */
static bool manifest_is_bare(const struct manifest *m)
{
    for (int i = 0; i < HEADER_COUNT; i++)
        if (m->headers[i].data != NULL)
            return false;
    return m->size == 0 && etag_is_absent(&m->etag) && m->metadata.len == 0 && m->tags.len == 0 &&
           m->retention.mode == RETENTION_NONE && m->retention.legal_hold == 0 && m->storage_class == 0 &&
           m->checksum.alg == CHECKSUM_NONE && m->parts.len == 0 && m->upload_id.len == 0 && m->sse.len == 0;
}

/* What the field table cannot say. */
static bool manifest_is_valid(const struct manifest *m)
{
    if (version_id_is_zero(&m->version) || m->etag.parts > MANIFEST_PARTS_MAX)
        return false;
    /* Only a null version takes the place of one. */
    if (!version_id_is_zero(&m->replaces) &&
        ((m->flags & MANIFEST_NULL_VERSION) == 0 || memcmp(m->replaces.b, m->version.b, sizeof m->version.b) == 0))
        return false;
    if ((m->flags & MANIFEST_DELETE_MARKER) != 0 && !manifest_is_bare(m))
        return false;
    return retention_is_valid(&m->retention) && checksum_is_valid(&m->checksum) && tags_are_valid(m->tags) &&
           metadata_is_valid(m->metadata) && manifest_parts_ok(m) &&
           refs_make_size(m->chunk_refs, m->list_refs, m->size);
}

/* What Complete fills in is not there yet. */
static bool manifest_template_is_valid(const struct manifest *m)
{
    return version_id_is_zero(&m->version) && version_id_is_zero(&m->replaces) &&
           (m->flags & MANIFEST_DELETE_MARKER) == 0 && m->size == 0 && etag_is_absent(&m->etag) &&
           m->checksum.alg == CHECKSUM_NONE && m->parts.len == 0 && m->upload_id.len == 0 && m->chunk_refs.len == 0 &&
           m->list_refs.len == 0 && retention_is_valid(&m->retention) && checksum_is_valid(&m->checksum) &&
           tags_are_valid(m->tags) && metadata_is_valid(m->metadata);
}

void manifest_encode(const struct manifest *m, struct tlv_writer *w)
{
    if (!manifest_is_valid(m))
        w->overflow = true;
    BODY_FIELDS_ENCODE(manifest_fields, m, w);
}

enum dol_err manifest_decode(struct bytes body, struct manifest *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(manifest_fields, body, out);
    if (err != DOL_OK)
        return err;
    return manifest_is_valid(out) ? DOL_OK : DOL_ECORRUPT;
}

void manifest_template_encode(const struct manifest *m, struct tlv_writer *w)
{
    if (!manifest_template_is_valid(m))
        w->overflow = true;
    BODY_FIELDS_ENCODE(manifest_fields, m, w);
}

enum dol_err manifest_template_decode(struct bytes body, struct manifest *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(manifest_fields, body, out);
    if (err != DOL_OK)
        return err;
    return manifest_template_is_valid(out) ? DOL_OK : DOL_ECORRUPT;
}

/* ---- delete ---- */

static const struct body_field delete_fields[] = {
    BODY_FIELD(DELETE_T_BUCKET, FORM_U64, NEED_ALWAYS, delete_body, bucket, 1, 0),
    BODY_FIELD(DELETE_T_KEY, FORM_BYTES, NEED_ALWAYS, delete_body, key, 1, OBJECT_KEY_BYTES_MAX),
    BODY_FIELD(DELETE_T_VERSION, FORM_RAW, NEED_ALWAYS, delete_body, version, 1, sizeof(struct version_id)),
    BODY_FIELD(DELETE_T_GRAVES, FORM_BYTES, NEED_OPTIONAL, delete_body, graves, GRAVE_REF_BYTES,
               DELETE_GRAVES_MAX *GRAVE_REF_BYTES),
};

struct grave_ref_disk {
    struct le64 slab;
    struct le64 run;
    struct le64 counter;
};
_Static_assert(sizeof(struct grave_ref_disk) == GRAVE_REF_BYTES, "grave");

void grave_ref_encode(const struct grave_ref *g, uint8_t out[GRAVE_REF_BYTES])
{
    const struct grave_ref_disk d = {le64_of(g->slab), le64_of(g->lsn.run), le64_of(g->lsn.counter)};
    memcpy(out, &d, sizeof d);
}

struct grave_ref grave_ref_decode(const uint8_t in[GRAVE_REF_BYTES])
{
    const struct grave_ref_disk *d = (const struct grave_ref_disk *)(const void *)in;
    return (struct grave_ref){le64_get(d->slab), {le64_get(d->run), le64_get(d->counter)}};
}

static bool graves_are_valid(struct bytes graves)
{
    const uint8_t *p = graves.data;
    for (size_t at = 0; at + GRAVE_REF_BYTES <= graves.len; at += GRAVE_REF_BYTES) {
        struct grave_ref g = grave_ref_decode(p + at);
        if (g.slab == 0 || g.lsn.run == 0)
            return false;
    }
    return graves.len % GRAVE_REF_BYTES == 0;
}

void delete_body_encode(const struct delete_body *b, struct tlv_writer *w)
{
    if (!graves_are_valid(b->graves))
        w->overflow = true;
    BODY_FIELDS_ENCODE(delete_fields, b, w);
}

enum dol_err delete_body_decode(struct bytes body, struct delete_body *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(delete_fields, body, out);
    if (err != DOL_OK)
        return err;
    return graves_are_valid(out->graves) ? DOL_OK : DOL_ECORRUPT;
}

/* ---- object meta ---- */

static const struct body_field object_meta_fields[] = {
    BODY_FIELD(OBJECT_META_T_BUCKET, FORM_U64, NEED_ALWAYS, object_meta_body, bucket, 1, 0),
    BODY_FIELD(OBJECT_META_T_KEY, FORM_BYTES, NEED_ALWAYS, object_meta_body, key, 1, OBJECT_KEY_BYTES_MAX),
    BODY_FIELD(OBJECT_META_T_VERSION, FORM_RAW, NEED_ALWAYS, object_meta_body, version, 1, sizeof(struct version_id)),
    BODY_FIELD(OBJECT_META_T_RETENTION, FORM_RETENTION, NEED_ALWAYS, object_meta_body, retention, 0, 0),
    BODY_FIELD(OBJECT_META_T_TAGS, FORM_BYTES, NEED_OPTIONAL, object_meta_body, tags, 1, MANIFEST_TAGS_BYTES_MAX),
    BODY_FIELD(OBJECT_META_T_STORAGE_CLASS, FORM_U8, NEED_ALWAYS, object_meta_body, storage_class, 0,
               STORAGE_CLASS_LAST),
    BODY_FIELD(OBJECT_META_T_RESTORED_UNTIL, FORM_I64, NEED_OPTIONAL, object_meta_body, restored_until_s, 0, 0),
};

void object_meta_encode(const struct object_meta_body *b, struct tlv_writer *w)
{
    if (!retention_is_valid(&b->retention) || !tags_are_valid(b->tags) || b->restored_until_s < 0)
        w->overflow = true;
    BODY_FIELDS_ENCODE(object_meta_fields, b, w);
}

enum dol_err object_meta_decode(struct bytes body, struct object_meta_body *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(object_meta_fields, body, out);
    if (err != DOL_OK)
        return err;
    return tags_are_valid(out->tags) && out->restored_until_s >= 0 ? DOL_OK : DOL_ECORRUPT;
}

/* ---- uploads ---- */

static const struct body_field upload_fields[] = {
    BODY_FIELD(UPLOAD_T_BUCKET, FORM_U64, NEED_ALWAYS, upload_body, bucket, 1, 0),
    BODY_FIELD(UPLOAD_T_KEY, FORM_BYTES, NEED_ALWAYS, upload_body, key, 1, OBJECT_KEY_BYTES_MAX),
    BODY_FIELD(UPLOAD_T_UPLOAD_ID, FORM_RAW, NEED_ALWAYS, upload_body, upload_id, 1, 16),
    BODY_FIELD(UPLOAD_T_OWNER, FORM_BYTES, NEED_OPTIONAL, upload_body, owner, 1, OWNER_BYTES_MAX),
    BODY_FIELD(UPLOAD_T_INITIATOR, FORM_BYTES, NEED_OPTIONAL, upload_body, initiator, 1, OWNER_BYTES_MAX),
    BODY_FIELD(UPLOAD_T_CREATED, FORM_I64, NEED_ALWAYS, upload_body, created_ns, 0, 0),
    BODY_FIELD(UPLOAD_T_CHECKSUM_ALG, FORM_U8, NEED_OPTIONAL, upload_body, checksum_alg, 0, CHECKSUM_SHA256),
    BODY_FIELD(UPLOAD_T_CHECKSUM_TYPE, FORM_U8, NEED_OPTIONAL, upload_body, checksum_type, 0, CHECKSUM_COMPOSITE),
    BODY_FIELD(UPLOAD_T_MANIFEST, FORM_BYTES, NEED_ALWAYS, upload_body, manifest, 1, MANIFEST_TEMPLATE_BYTES_MAX),
};

/* EFORMAT comes through from the template. */
static enum dol_err upload_body_check(const struct upload_body *b)
{
    struct manifest template;
    if ((b->checksum_alg == CHECKSUM_NONE) != (b->checksum_type == 0))
        return DOL_ECORRUPT;
    enum dol_err err = manifest_template_decode(b->manifest, &template);
    if (err != DOL_OK)
        return err;
    return template.bucket == b->bucket && bytes_equal(template.key, b->key) ? DOL_OK : DOL_ECORRUPT;
}

void upload_body_encode(const struct upload_body *b, struct tlv_writer *w)
{
    if (upload_body_check(b) != DOL_OK)
        w->overflow = true;
    BODY_FIELDS_ENCODE(upload_fields, b, w);
}

enum dol_err upload_body_decode(struct bytes body, struct upload_body *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(upload_fields, body, out);
    return err != DOL_OK ? err : upload_body_check(out);
}

static const struct body_field upload_part_fields[] = {
    BODY_FIELD(UPLOAD_PART_T_BUCKET, FORM_U64, NEED_ALWAYS, upload_part_body, bucket, 1, 0),
    BODY_FIELD(UPLOAD_PART_T_KEY, FORM_BYTES, NEED_ALWAYS, upload_part_body, key, 1, OBJECT_KEY_BYTES_MAX),
    BODY_FIELD(UPLOAD_PART_T_UPLOAD_ID, FORM_RAW, NEED_ALWAYS, upload_part_body, upload_id, 1, 16),
    BODY_FIELD(UPLOAD_PART_T_PART, FORM_PART, NEED_ALWAYS, upload_part_body, part, 1, 0),
    BODY_FIELD(UPLOAD_PART_T_MTIME, FORM_I64, NEED_ALWAYS, upload_part_body, mtime_ns, 0, 0),
    BODY_FIELD(UPLOAD_PART_T_CHUNK_REFS, FORM_BYTES, NEED_OPTIONAL, upload_part_body, chunk_refs, CHUNK_REF_BYTES,
               MANIFEST_CHUNKS_MAX *CHUNK_REF_BYTES),
    BODY_FIELD(UPLOAD_PART_T_LIST_REFS, FORM_BYTES, NEED_OPTIONAL, upload_part_body, list_refs, LIST_REF_BYTES,
               MANIFEST_LISTS_MAX *LIST_REF_BYTES),
};

void upload_part_encode(const struct upload_part_body *b, struct tlv_writer *w)
{
    if (!part_is_valid(&b->part) || !refs_make_size(b->chunk_refs, b->list_refs, b->part.size))
        w->overflow = true;
    BODY_FIELDS_ENCODE(upload_part_fields, b, w);
}

enum dol_err upload_part_decode(struct bytes body, struct upload_part_body *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(upload_part_fields, body, out);
    if (err != DOL_OK)
        return err;
    return refs_make_size(out->chunk_refs, out->list_refs, out->part.size) ? DOL_OK : DOL_ECORRUPT;
}

static const struct body_field upload_end_fields[] = {
    BODY_FIELD(UPLOAD_END_T_BUCKET, FORM_U64, NEED_ALWAYS, upload_end_body, bucket, 1, 0),
    BODY_FIELD(UPLOAD_END_T_KEY, FORM_BYTES, NEED_ALWAYS, upload_end_body, key, 1, OBJECT_KEY_BYTES_MAX),
    BODY_FIELD(UPLOAD_END_T_UPLOAD_ID, FORM_RAW, NEED_ALWAYS, upload_end_body, upload_id, 1, 16),
    BODY_FIELD(UPLOAD_END_T_COMPLETED, FORM_U8, NEED_ALWAYS, upload_end_body, completed, 0, 1),
};

void upload_end_encode(const struct upload_end_body *b, struct tlv_writer *w)
{
    BODY_FIELDS_ENCODE(upload_end_fields, b, w);
}

enum dol_err upload_end_decode(struct bytes body, struct upload_end_body *out)
{
    memset(out, 0, sizeof *out);
    return BODY_FIELDS_DECODE(upload_end_fields, body, out);
}
