/*
 * Record headers, the trailer of unsealed records, and places. The header is checked by a CRC-32C of its own, so that a
 * walk over a row can trust lengths without opening bodies; that the right record lies there is proven by the unit's
 * CRCs and the seal.
 */
#include "record.h"

#include "body_types.h"
#include "dol_assert.h"
#include "format_head.h"
#include "hash.h"

#define RECORD_MAGIC   0x5244u /* "DR" */
#define RECORD_VERSION 1

struct record_header_disk {
    struct le32 crc; /* CRC-32C of bytes 4 .. 63 */
    struct le16 magic;
    uint8_t kind;
    uint8_t flags;
    uint8_t version;
    uint8_t codec;
    uint8_t seal;
    uint8_t reserved;
    struct le32 key_id;
    struct le64 run;
    struct le64 counter;
    struct le32 body_bytes;
    struct le32 plain_bytes;
    uint8_t seal_life[16];
    struct le64 seal_counter;
};
_Static_assert(sizeof(struct record_header_disk) == RECORD_HEADER_BYTES, "record header");
_Static_assert(offsetof(struct record_header_disk, key_id) == 12, "record header");
_Static_assert(offsetof(struct record_header_disk, run) == 16, "record header");
_Static_assert(offsetof(struct record_header_disk, body_bytes) == 32, "record header");
_Static_assert(offsetof(struct record_header_disk, seal_life) == 40, "record header");
_Static_assert(offsetof(struct record_header_disk, seal_counter) == 56, "record header");

bool record_kind_is_known(uint8_t kind)
{
    switch (kind) {
    case RECORD_CHUNK:
    case RECORD_CHUNK_LIST:
    case RECORD_MANIFEST:
    case RECORD_DELETE:
    case RECORD_OBJECT_META:
    case RECORD_BUCKET:
    case RECORD_BUCKET_DELETE:
    case RECORD_UPLOAD:
    case RECORD_UPLOAD_PART:
    case RECORD_UPLOAD_END:
    case RECORD_END:
    case RECORD_FREED:
    case RECORD_DEBT:
    case RECORD_DIRECTORY:
    case RECORD_USER:
    case RECORD_ACCESS_KEY:
    case RECORD_POLICY:
    case RECORD_SETTING:
    case RECORD_MOVED:
        return true;
    default:
        /* The others have a number, but no body yet: whoever defines one adds the kind here. */
        return false;
    }
}

uint32_t record_body_bytes_max(uint8_t kind)
{
    if (kind == RECORD_CHUNK)
        return CHUNK_BODY_BYTES_MAX;
    if (kind == RECORD_DIRECTORY)
        return DIRECTORY_RECORD_BYTES_MAX;
    return record_kind_is_known(kind) ? BODY_BYTES_MAX : RECORD_BODY_BYTES_MAX;
}

static bool record_header_fields_ok(const struct record_header *h)
{
    if (h->kind == 0 || h->lsn.run == 0 || (h->flags & ~RECORD_FLAG_SKIP) != 0)
        return false;
    if (h->body_bytes > record_body_bytes_max(h->kind))
        return false;
    bool sealed = h->seal != FORMAT_SEAL_NONE;
    if (sealed != (h->key_id != 0) || sealed == uuid_is_zero(h->seal_life) || (!sealed && h->seal_counter != 0))
        return false;
    if (h->kind == RECORD_CHUNK)
        return h->plain_bytes >= 1 && h->plain_bytes <= CHUNK_BYTES_MAX;
    return !record_kind_is_known(h->kind) || (h->codec == 0 && h->plain_bytes == 0);
}

void record_header_encode(const struct record_header *h, uint8_t out[RECORD_HEADER_BYTES])
{
    dol_assert(record_header_fields_ok(h));
    struct record_header_disk *d = (struct record_header_disk *)(void *)out;
    memset(d, 0, sizeof *d);
    d->magic = le16_of(RECORD_MAGIC);
    d->kind = h->kind;
    d->flags = h->flags;
    d->version = RECORD_VERSION;
    d->codec = h->codec;
    d->seal = h->seal;
    d->key_id = le32_of(h->key_id);
    d->run = le64_of(h->lsn.run);
    d->counter = le64_of(h->lsn.counter);
    d->body_bytes = le32_of(h->body_bytes);
    d->plain_bytes = le32_of(h->plain_bytes);
    memcpy(d->seal_life, h->seal_life.b, sizeof d->seal_life);
    d->seal_counter = le64_of(h->seal_counter);
    d->crc = le32_of(crc32c(0, out + 4, RECORD_HEADER_BYTES - 4));
}

enum dol_err record_header_decode(const uint8_t in[RECORD_HEADER_BYTES], struct record_header *out)
{
    const struct record_header_disk *d = (const struct record_header_disk *)(const void *)in;
    if (le16_get(d->magic) != RECORD_MAGIC || le32_get(d->crc) != crc32c(0, in + 4, RECORD_HEADER_BYTES - 4))
        return DOL_ECORRUPT;
    if (d->version != RECORD_VERSION)
        return DOL_EFORMAT;
    *out = (struct record_header){
        .kind = d->kind,
        .flags = d->flags,
        .codec = d->codec,
        .seal = d->seal,
        .key_id = le32_get(d->key_id),
        .lsn = {le64_get(d->run), le64_get(d->counter)},
        .body_bytes = le32_get(d->body_bytes),
        .plain_bytes = le32_get(d->plain_bytes),
        .seal_counter = le64_get(d->seal_counter),
    };
    memcpy(out->seal_life.b, d->seal_life, sizeof d->seal_life);
    if (d->reserved != 0 || !record_header_fields_ok(out))
        return DOL_ECORRUPT;
    if (out->seal > FORMAT_SEAL_AES256GCM)
        return DOL_EFORMAT;
    if (!record_kind_is_known(out->kind))
        return (out->flags & RECORD_FLAG_SKIP) != 0 ? DOL_OK : DOL_EFORMAT;
    return out->codec > FORMAT_CODEC_PLANES ? DOL_EFORMAT : DOL_OK;
}

void record_trailer_encode(const uint8_t header[RECORD_HEADER_BYTES], const uint8_t *body, uint32_t body_bytes,
                           uint8_t out[RECORD_TRAILER_BYTES])
{
    struct le32 crc = le32_of(crc32c(crc32c(0, header, RECORD_HEADER_BYTES), body, body_bytes));
    memset(out, 0, RECORD_TRAILER_BYTES);
    memcpy(out, crc.b, sizeof crc.b);
}

bool record_trailer_ok(const uint8_t header[RECORD_HEADER_BYTES], const uint8_t *body, uint32_t body_bytes,
                       const uint8_t trailer[RECORD_TRAILER_BYTES])
{
    uint8_t expected[RECORD_TRAILER_BYTES];
    record_trailer_encode(header, body, body_bytes, expected);
    return memcmp(expected, trailer, sizeof expected) == 0;
}

/* ---- places ---- */

struct place_disk {
    struct le64 slab;
    struct le32 row_block;
    struct le32 unit_blocks;
    struct le32 offset_bytes;
    struct le32 stored_bytes;
};
_Static_assert(sizeof(struct place_disk) == PLACE_BYTES, "place");

bool place_is_possible(const struct place *p)
{
    uint32_t extent_blocks = FORMAT_EXTENT_BYTES_MAX / FORMAT_BLOCK_BYTES;
    if (p->row_block == 0 || p->unit_blocks == 0 || (uint64_t)p->row_block + p->unit_blocks > extent_blocks - 1)
        return false;
    if (p->stored_bytes < RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES || p->offset_bytes % RECORD_ALIGN_BYTES != 0)
        return false;
    return p->stored_bytes <= RECORD_HEADER_BYTES + RECORD_BODY_BYTES_MAX + RECORD_TRAILER_BYTES &&
           (uint64_t)p->offset_bytes + p->stored_bytes <= FORMAT_ROW_DATA_BYTES_MAX;
}

void place_encode(const struct place *p, uint8_t out[PLACE_BYTES])
{
    const struct place_disk d = {
        .slab = le64_of(p->slab),
        .row_block = le32_of(p->row_block),
        .unit_blocks = le32_of(p->unit_blocks),
        .offset_bytes = le32_of(p->offset_bytes),
        .stored_bytes = le32_of(p->stored_bytes),
    };
    memcpy(out, &d, sizeof d);
}

enum dol_err place_decode(const uint8_t in[PLACE_BYTES], struct place *out)
{
    const struct place_disk *d = (const struct place_disk *)(const void *)in;
    *out = (struct place){
        .slab = le64_get(d->slab),
        .row_block = le32_get(d->row_block),
        .unit_blocks = le32_get(d->unit_blocks),
        .offset_bytes = le32_get(d->offset_bytes),
        .stored_bytes = le32_get(d->stored_bytes),
    };
    return out->slab != 0 && place_is_possible(out) ? DOL_OK : DOL_ECORRUPT;
}
