/* Pieces of bodies that several kinds share: references, retention, ETag, checksums, parts, tags, user metadata. */
#include "body_field.h"
#include "format_head.h"

/* ---- references ---- */

struct chunk_ref_disk {
    uint8_t hash[32];
    struct le32 bytes;
};
_Static_assert(sizeof(struct chunk_ref_disk) == CHUNK_REF_BYTES, "chunk reference");

struct list_ref_disk {
    uint8_t hash[32];
    struct le32 chunks;
    struct le64 bytes;
};
_Static_assert(sizeof(struct list_ref_disk) == LIST_REF_BYTES, "list reference");

void chunk_ref_encode(const struct chunk_ref *r, uint8_t out[CHUNK_REF_BYTES])
{
    struct chunk_ref_disk *d = (struct chunk_ref_disk *)(void *)out;
    memcpy(d->hash, r->hash.b, sizeof d->hash);
    d->bytes = le32_of(r->bytes);
}

struct chunk_ref chunk_ref_decode(const uint8_t in[CHUNK_REF_BYTES])
{
    const struct chunk_ref_disk *d = (const struct chunk_ref_disk *)(const void *)in;
    struct chunk_ref r = {.bytes = le32_get(d->bytes)};
    memcpy(r.hash.b, d->hash, sizeof d->hash);
    return r;
}

void list_ref_encode(const struct list_ref *r, uint8_t out[LIST_REF_BYTES])
{
    struct list_ref_disk *d = (struct list_ref_disk *)(void *)out;
    memcpy(d->hash, r->hash.b, sizeof d->hash);
    d->chunks = le32_of(r->chunks);
    d->bytes = le64_of(r->bytes);
}

struct list_ref list_ref_decode(const uint8_t in[LIST_REF_BYTES])
{
    const struct list_ref_disk *d = (const struct list_ref_disk *)(const void *)in;
    struct list_ref r = {.chunks = le32_get(d->chunks), .bytes = le64_get(d->bytes)};
    memcpy(r.hash.b, d->hash, sizeof d->hash);
    return r;
}

bool chunk_refs_are_valid(struct bytes refs, uint32_t count_max, uint64_t *total)
{
    const uint8_t *b = refs.data;
    *total = 0;
    if (refs.len % CHUNK_REF_BYTES != 0 || refs.len / CHUNK_REF_BYTES > count_max)
        return false;
    for (size_t at = 0; at < refs.len; at += CHUNK_REF_BYTES) {
        struct chunk_ref r = chunk_ref_decode(b + at);
        if (r.bytes == 0 || r.bytes > CHUNK_BYTES_MAX)
            return false;
        *total += r.bytes;
    }
    return true;
}

/* No overflow: 7168 lists of 4096 chunks of 1 MiB stay far below 2^64. */
static bool list_refs_are_valid(struct bytes refs, uint64_t *total)
{
    const uint8_t *b = refs.data;
    *total = 0;
    if (refs.len % LIST_REF_BYTES != 0 || refs.len / LIST_REF_BYTES > MANIFEST_LISTS_MAX)
        return false;
    for (size_t at = 0; at < refs.len; at += LIST_REF_BYTES) {
        struct list_ref r = list_ref_decode(b + at);
        if (r.chunks == 0 || r.chunks > LIST_CHUNKS_MAX || r.bytes < r.chunks ||
            r.bytes > (uint64_t)r.chunks * CHUNK_BYTES_MAX)
            return false;
        *total += r.bytes;
    }
    return true;
}

bool refs_make_size(struct bytes chunk_refs, struct bytes list_refs, uint64_t size)
{
    uint64_t chunks_total;
    uint64_t lists_total;
    if (chunk_refs.len > 0 && list_refs.len > 0)
        return false;
    return chunk_refs_are_valid(chunk_refs, MANIFEST_CHUNKS_MAX, &chunks_total) &&
           list_refs_are_valid(list_refs, &lists_total) && chunks_total + lists_total == size;
}

/* ---- retention ---- */

struct retention_disk {
    uint8_t mode;
    uint8_t legal_hold;
    uint8_t reserved[6];
    struct le64 until_s;
};
_Static_assert(sizeof(struct retention_disk) == RETENTION_BYTES, "retention");

bool retention_is_valid(const struct retention *r)
{
    if (r->mode > RETENTION_COMPLIANCE || r->legal_hold > 1)
        return false;
    return r->mode == RETENTION_NONE ? r->until_s == 0 : r->until_s > 0;
}

void retention_encode(const struct retention *r, uint8_t out[RETENTION_BYTES])
{
    struct retention_disk *d = (struct retention_disk *)(void *)out;
    memset(d, 0, sizeof *d);
    d->mode = r->mode;
    d->legal_hold = r->legal_hold;
    d->until_s = le64_of((uint64_t)r->until_s);
}

enum dol_err retention_decode(const uint8_t in[RETENTION_BYTES], struct retention *out)
{
    const struct retention_disk *d = (const struct retention_disk *)(const void *)in;
    *out = (struct retention){d->mode, d->legal_hold, (int64_t)le64_get(d->until_s)};
    return format_is_zero(d->reserved, sizeof d->reserved) && retention_is_valid(out) ? DOL_OK : DOL_ECORRUPT;
}

/* ---- ETag and checksums ---- */

struct etag_disk {
    uint8_t md5[16];
    struct le32 parts;
};
_Static_assert(sizeof(struct etag_disk) == ETAG_BYTES, "ETag");

struct checksum_disk {
    uint8_t alg;
    uint8_t type;
    uint8_t bytes;
    uint8_t reserved;
    uint8_t value[32];
};
_Static_assert(sizeof(struct checksum_disk) == CHECKSUM_BYTES, "checksum");

void etag_encode(const struct etag *e, uint8_t out[ETAG_BYTES])
{
    struct etag_disk *d = (struct etag_disk *)(void *)out;
    memcpy(d->md5, e->md5, sizeof d->md5);
    d->parts = le32_of(e->parts);
}

struct etag etag_decode(const uint8_t in[ETAG_BYTES])
{
    const struct etag_disk *d = (const struct etag_disk *)(const void *)in;
    struct etag e = {.parts = le32_get(d->parts)};
    memcpy(e.md5, d->md5, sizeof d->md5);
    return e;
}

bool checksum_is_valid(const struct object_checksum *c)
{
    static const uint8_t lengths[] = {
        [CHECKSUM_NONE] = 0,      [CHECKSUM_CRC32] = 4, [CHECKSUM_CRC32C] = 4,
        [CHECKSUM_CRC64NVME] = 8, [CHECKSUM_SHA1] = 20, [CHECKSUM_SHA256] = 32,
    };
    if (c->alg >= sizeof lengths || c->bytes != lengths[c->alg])
        return false;
    if (!format_is_zero(c->value + c->bytes, sizeof c->value - c->bytes))
        return false;
    if (c->alg == CHECKSUM_NONE)
        return c->type == 0;
    return c->type == CHECKSUM_FULL_OBJECT || c->type == CHECKSUM_COMPOSITE;
}

void checksum_encode(const struct object_checksum *c, uint8_t out[CHECKSUM_BYTES])
{
    struct checksum_disk *d = (struct checksum_disk *)(void *)out;
    d->alg = c->alg;
    d->type = c->type;
    d->bytes = c->bytes;
    d->reserved = 0;
    memcpy(d->value, c->value, sizeof d->value);
}

enum dol_err checksum_decode(const uint8_t in[CHECKSUM_BYTES], struct object_checksum *out)
{
    const struct checksum_disk *d = (const struct checksum_disk *)(const void *)in;
    *out = (struct object_checksum){.alg = d->alg, .type = d->type, .bytes = d->bytes};
    memcpy(out->value, d->value, sizeof d->value);
    return d->reserved == 0 && checksum_is_valid(out) ? DOL_OK : DOL_ECORRUPT;
}

/* ---- parts ---- */

struct manifest_part_disk {
    struct le32 number;
    uint8_t checksum_alg;
    uint8_t checksum_type;
    uint8_t checksum_bytes;
    uint8_t reserved;
    struct le64 size;
    uint8_t md5[16];
    uint8_t checksum_value[32];
};
_Static_assert(sizeof(struct manifest_part_disk) == MANIFEST_PART_BYTES, "part");

bool part_is_valid(const struct manifest_part *p)
{
    return p->number >= 1 && p->number <= MANIFEST_PARTS_MAX && checksum_is_valid(&p->checksum);
}

void manifest_part_encode(const struct manifest_part *p, uint8_t out[MANIFEST_PART_BYTES])
{
    struct manifest_part_disk *d = (struct manifest_part_disk *)(void *)out;
    d->number = le32_of(p->number);
    d->checksum_alg = p->checksum.alg;
    d->checksum_type = p->checksum.type;
    d->checksum_bytes = p->checksum.bytes;
    d->reserved = 0;
    d->size = le64_of(p->size);
    memcpy(d->md5, p->md5, sizeof d->md5);
    memcpy(d->checksum_value, p->checksum.value, sizeof d->checksum_value);
}

enum dol_err manifest_part_decode(const uint8_t in[MANIFEST_PART_BYTES], struct manifest_part *out)
{
    const struct manifest_part_disk *d = (const struct manifest_part_disk *)(const void *)in;
    memset(out, 0, sizeof *out);
    out->number = le32_get(d->number);
    out->size = le64_get(d->size);
    memcpy(out->md5, d->md5, sizeof d->md5);
    out->checksum.alg = d->checksum_alg;
    out->checksum.type = d->checksum_type;
    out->checksum.bytes = d->checksum_bytes;
    memcpy(out->checksum.value, d->checksum_value, sizeof d->checksum_value);
    return d->reserved == 0 && part_is_valid(out) ? DOL_OK : DOL_ECORRUPT;
}

uint64_t manifest_part_size(const uint8_t in[MANIFEST_PART_BYTES])
{
    return le64_get(((const struct manifest_part_disk *)(const void *)in)->size);
}

/* ---- tags ---- */

/* One length-prefixed string; false when it leaves `pos`. */
static bool string_next(struct bytes *pos, struct bytes *out)
{
    struct le16 len_le;
    if (pos->len < sizeof len_le)
        return false;
    const uint8_t *b = pos->data;
    memcpy(&len_le, b, sizeof len_le);
    size_t len = le16_get(len_le);
    if (len > pos->len - sizeof len_le)
        return false;
    *out = bytes_of(b + sizeof len_le, len);
    *pos = bytes_of(b + sizeof len_le + len, pos->len - sizeof len_le - len);
    return true;
}

bool tags_are_valid(struct bytes tags)
{
    struct bytes names[MANIFEST_TAGS_MAX];
    struct bytes value;
    size_t count = 0;
    while (tags.len > 0) {
        if (count == MANIFEST_TAGS_MAX || !string_next(&tags, &names[count]) || !string_next(&tags, &value))
            return false;
        if (names[count].len == 0 || names[count].len > TAG_NAME_BYTES_MAX || value.len > TAG_VALUE_BYTES_MAX)
            return false;
        for (size_t i = 0; i < count; i++)
            if (bytes_equal(names[i], names[count]))
                return false;
        count++;
    }
    return true;
}

/* ---- user metadata ---- */

void manifest_meta_put(struct tlv_writer *w, struct bytes name, struct bytes value)
{
    if (name.len == 0 || name.len > MANIFEST_METADATA_BYTES_MAX || value.len > MANIFEST_METADATA_BYTES_MAX) {
        w->overflow = true;
        return;
    }
    struct le16 name_len = le16_of((uint16_t)name.len);
    uint8_t *out = tlv_reserve(w, MANIFEST_T_META, 0, sizeof name_len + name.len + value.len);
    if (out == NULL)
        return;
    memcpy(out, &name_len, sizeof name_len);
    memcpy(out + sizeof name_len, name.data, name.len);
    if (value.len > 0)
        memcpy(out + sizeof name_len + name.len, value.data, value.len);
}

/* ENOTFOUND at the end, ECORRUPT when malformed. */
static enum dol_err meta_next(struct bytes *pos, struct bytes *name, struct bytes *value)
{
    struct tlv_reader r;
    struct tlv t;
    tlv_reader_init(&r, *pos);
    enum dol_err err = tlv_next(&r, &t);
    if (err != DOL_OK)
        return err;
    *value = t.value;
    if (t.type != MANIFEST_T_META || t.flags != 0 || !string_next(value, name) || name->len == 0)
        return DOL_ECORRUPT;
    *pos = bytes_of(r.pos, (size_t)(r.end - r.pos));
    return DOL_OK;
}

bool manifest_meta_next(struct bytes *pos, struct bytes *name, struct bytes *value)
{
    return meta_next(pos, name, value) == DOL_OK;
}

bool metadata_is_valid(struct bytes metadata)
{
    struct bytes name;
    struct bytes value;
    enum dol_err err;
    do
        err = meta_next(&metadata, &name, &value);
    while (err == DOL_OK);
    return err == DOL_ENOTFOUND;
}
