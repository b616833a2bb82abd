/* Random but valid structures, from a seed: every field takes any value the format allows. */
#include "format_samples.h"

#include <stdlib.h>

/* splitmix64 */
uint64_t sample_u64(struct sample_rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t sample_range(struct sample_rng *rng, uint64_t lo, uint64_t hi)
{
    return lo + sample_u64(rng) % (hi - lo + 1);
}

void sample_fill(struct sample_rng *rng, void *buf, size_t len)
{
    uint8_t *b = buf;
    for (size_t i = 0; i < len; i++)
        b[i] = (uint8_t)sample_u64(rng);
}

struct uuid sample_uuid(struct sample_rng *rng)
{
    struct uuid u;
    sample_fill(rng, u.b, sizeof u.b);
    u.b[0] |= 1;
    return u;
}

void sample_superblock(struct sample_rng *rng, struct superblock *sb)
{
    memset(sb, 0, sizeof *sb);
    sb->pool = sample_uuid(rng);
    sb->sequence = sample_u64(rng);
    sb->run = sample_u64(rng);
    sb->epoch = sample_range(rng, 1, UINT64_MAX - 1);
    sb->generation = sample_u64(rng);
    sb->compliance_clock_s = sample_u64(rng);
    sb->compliance_credit_ms = sample_u64(rng);
    sb->created_s = (int64_t)sample_u64(rng);
    sb->extent_bytes = FORMAT_BLOCK_BYTES * sample_range(rng, FORMAT_EXTENT_BYTES_MIN / FORMAT_BLOCK_BYTES,
                                                         FORMAT_EXTENT_BYTES_MAX / FORMAT_BLOCK_BYTES);
    sb->k = (uint8_t)sample_range(rng, 1, FORMAT_DATA_UNITS_MAX);
    sb->m = (uint8_t)sample_range(rng, 0, FORMAT_PARITY_UNITS_MAX);
    sb->encrypted = (uint8_t)sample_range(rng, 0, 1);
    sample_fill(rng, sb->key_check, sizeof sb->key_check);
    sb->drive_count = (uint32_t)sample_range(rng, 1, FORMAT_DRIVES_MAX);
    for (uint32_t i = 0; i < sb->drive_count; i++) {
        struct superblock_drive *d = &sb->drives[i];
        d->uuid = sample_uuid(rng);
        d->extents = (uint32_t)sample_range(rng, 1, UINT32_MAX);
        d->size_bytes = FORMAT_EXTENTS_OFFSET + d->extents * sb->extent_bytes + sample_range(rng, 0, 1u << 20);
        d->incarnation = (uint32_t)sample_u64(rng);
        d->state = (uint8_t)sample_range(rng, DRIVE_STATE_ACTIVE, DRIVE_STATE_RETIRED);
        d->joined_epoch = sample_range(rng, 0, sb->epoch);
    }
    sb->drive = sb->drives[sample_range(rng, 0, sb->drive_count - 1)].uuid;
    sb->key_count = (uint32_t)sample_range(rng, sb->encrypted, SUPERBLOCK_KEYS_MAX);
    for (uint32_t i = 0, id = 0; i < sb->key_count; i++) {
        struct superblock_key *key = &sb->keys[i];
        key->id = id += (uint32_t)sample_range(rng, 1, 1000);
        key->wrap_alg = FORMAT_WRAP_AES256KW;
        sample_fill(rng, key->wrapped, sizeof key->wrapped);
        key->created_s = (int64_t)sample_u64(rng);
    }
    size_t label_len = sample_range(rng, 0, sizeof sb->label - 1);
    memset(sb->label, 'x', label_len);
}

void sample_extent_header(struct sample_rng *rng, struct extent_header *h)
{
    memset(h, 0, sizeof *h);
    h->pool = sample_uuid(rng);
    h->slab = sample_range(rng, 1, UINT64_MAX - 1);
    h->life = sample_uuid(rng);
    h->run = sample_range(rng, 1, UINT64_MAX - 1);
    h->epoch = sample_range(rng, 1, UINT64_MAX - 1);
    h->extent_bytes = FORMAT_BLOCK_BYTES * sample_range(rng, 256, 262144);
    h->created_s = (int64_t)sample_u64(rng);
    h->key_id = (uint32_t)sample_u64(rng);
    h->k = (uint8_t)sample_range(rng, 1, FORMAT_DATA_UNITS_MAX);
    h->m = (uint8_t)sample_range(rng, 0, FORMAT_PARITY_UNITS_MAX);
    h->member = (uint8_t)sample_range(rng, 0, (uint64_t)h->k + h->m - 1);
    h->ec_alg = h->m == 0 ? 0 : FORMAT_EC_RS_CAUCHY;
    for (unsigned i = 0; i < (unsigned)h->k + h->m; i++) {
        h->members[i].drive = sample_uuid(rng);
        h->members[i].incarnation = (uint32_t)sample_u64(rng);
        h->members[i].extent = (uint32_t)sample_u64(rng);
    }
}

void sample_extent_footer(struct sample_rng *rng, struct extent_footer *f)
{
    memset(f, 0, sizeof *f);
    f->pool = sample_uuid(rng);
    f->slab = sample_range(rng, 1, UINT64_MAX - 1);
    f->life = sample_uuid(rng);
    f->member = (uint8_t)sample_range(rng, 0, FORMAT_MEMBERS_MAX - 1);
    f->lsn_min = (struct lsn){sample_range(rng, 1, 1000), sample_u64(rng)};
    f->lsn_max = (struct lsn){sample_range(rng, 1001, 2000), sample_u64(rng)};
    sample_fill(rng, f->last_table.b, sizeof f->last_table.b);
    f->directory_count = (uint32_t)sample_range(rng, 0, EXTENT_DIRECTORY_ROWS_MAX);
    uint32_t block = 1;
    for (uint32_t i = 0; i < f->directory_count; i++) {
        block += (uint32_t)sample_range(rng, 0, 100);
        f->directory[i].row_block = block;
        f->directory[i].unit_blocks = (uint32_t)sample_range(rng, 1, 500);
        block += f->directory[i].unit_blocks;
    }
    f->end_block = block + sample_range(rng, 1, 50);
    f->rows = sample_range(rng, f->directory_count > 0 ? f->directory_count : 1, f->end_block - 1);
}

void sample_unit_header(struct sample_rng *rng, struct sample_unit *u)
{
    struct unit_header *h = &u->header;
    memset(u, 0, sizeof *u);
    h->pool = sample_uuid(rng);
    h->slab = sample_range(rng, 1, UINT64_MAX - 1);
    h->life = sample_uuid(rng);
    h->row = sample_range(rng, 0, 3);
    h->run = sample_range(rng, 1, UINT64_MAX - 1);
    h->epoch = sample_range(rng, 1, UINT64_MAX - 1);
    h->drive = sample_uuid(rng);
    h->extent = (uint32_t)sample_u64(rng);
    h->k = (uint8_t)sample_range(rng, 1, FORMAT_DATA_UNITS_MAX);
    h->m = (uint8_t)sample_range(rng, 0, FORMAT_PARITY_UNITS_MAX);
    h->member = (uint8_t)sample_range(rng, 0, (uint64_t)h->k + h->m - 1);
    h->ec_alg = h->m == 0 ? 0 : FORMAT_EC_RS_CAUCHY;
    h->crc_alg = FORMAT_CRC_CRC32C;
    h->flags = (uint8_t)sample_range(rng, 0, 7);
    if ((h->flags & UNIT_FLAG_EMPTY) == 0) {
        h->data_bytes = 8 * (uint32_t)sample_range(rng, 10, FORMAT_ROW_DATA_BYTES_MAX / 8);
        h->record_count = (uint32_t)sample_range(rng, 1, h->data_bytes / 80);
        h->lsn_first = (struct lsn){sample_range(rng, 1, h->run), 5};
        h->lsn_last = (struct lsn){h->lsn_first.run, sample_range(rng, 5, UINT64_MAX)};
    }
    if (h->row > 0)
        sample_fill(rng, h->prev_table.b, sizeof h->prev_table.b);
    u->layout = row_layout_for(h->data_bytes, h->k, h->m);
    h->unit_blocks = u->layout.unit_blocks;
    h->row_block = (uint32_t)sample_range(rng, 1, 262143 - h->unit_blocks);
    for (unsigned i = 0; i < (unsigned)h->k + h->m; i++)
        u->digests[i] = (uint32_t)sample_u64(rng);
    for (uint32_t i = 0; i < u->layout.crc_count; i++)
        u->crcs[i] = (uint32_t)sample_u64(rng);
    u->digests[h->member] = unit_digest(u->crcs, u->layout.crc_count);
}

void sample_record_header(struct sample_rng *rng, struct record_header *h)
{
    static const uint8_t kinds[] = {RECORD_CHUNK,      RECORD_CHUNK_LIST, RECORD_MANIFEST,    RECORD_DELETE,
                                    RECORD_BUCKET,     RECORD_END,        RECORD_UPLOAD_PART, RECORD_DIRECTORY,
                                    RECORD_ACCESS_KEY, RECORD_SETTING};
    memset(h, 0, sizeof *h);
    h->kind = kinds[sample_range(rng, 0, sizeof kinds - 1)];
    h->flags = (uint8_t)sample_range(rng, 0, RECORD_FLAG_SKIP);
    h->lsn = (struct lsn){sample_range(rng, 1, UINT64_MAX - 1), sample_u64(rng)};
    h->body_bytes = (uint32_t)sample_range(rng, 0, record_body_bytes_max(h->kind));
    if (h->kind == RECORD_CHUNK) {
        h->codec = (uint8_t)sample_range(rng, FORMAT_CODEC_RAW, FORMAT_CODEC_PLANES);
        h->plain_bytes = (uint32_t)sample_range(rng, 1, CHUNK_BYTES_MAX);
    }
    if (sample_range(rng, 0, 1) == 1) {
        h->seal = FORMAT_SEAL_AES256GCM;
        h->key_id = (uint32_t)sample_range(rng, 1, UINT32_MAX);
        h->seal_life = sample_uuid(rng);
        h->seal_counter = sample_u64(rng);
    }
}

struct bytes sample_bytes(struct sample_rng *rng, struct sample_space *space, size_t len)
{
    if (len > sizeof space->b - space->used)
        abort();
    uint8_t *out = space->b + space->used;
    space->used += len;
    sample_fill(rng, out, len);
    return bytes_of(out, len);
}

struct bytes sample_chunk_refs(struct sample_rng *rng, struct sample_space *space, uint32_t count, uint64_t *size)
{
    struct bytes refs = sample_bytes(rng, space, (size_t)count * CHUNK_REF_BYTES);
    uint8_t *out = space->b + space->used - refs.len;
    *size = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct chunk_ref r = {.bytes = (uint32_t)sample_range(rng, 1, CHUNK_BYTES_MAX)};
        sample_fill(rng, r.hash.b, sizeof r.hash.b);
        chunk_ref_encode(&r, out + (size_t)i * CHUNK_REF_BYTES);
        *size += r.bytes;
    }
    return refs;
}

struct bytes sample_list_refs(struct sample_rng *rng, struct sample_space *space, uint32_t count, uint64_t *size)
{
    struct bytes refs = sample_bytes(rng, space, (size_t)count * LIST_REF_BYTES);
    uint8_t *out = space->b + space->used - refs.len;
    *size = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct list_ref r = {.chunks = (uint32_t)sample_range(rng, 1, LIST_CHUNKS_MAX)};
        r.bytes = sample_range(rng, r.chunks, (uint64_t)r.chunks * CHUNK_BYTES_MAX);
        sample_fill(rng, r.hash.b, sizeof r.hash.b);
        list_ref_encode(&r, out + (size_t)i * LIST_REF_BYTES);
        *size += r.bytes;
    }
    return refs;
}

struct bytes sample_tags(struct sample_rng *rng, struct sample_space *space, unsigned count)
{
    size_t start = space->used;
    for (unsigned i = 0; i < count; i++) {
        uint8_t head[5] = {3, 0, 't', (uint8_t)('0' + i / 10), (uint8_t)('0' + i % 10)};
        struct bytes name = sample_bytes(rng, space, sizeof head);
        memcpy(space->b + space->used - name.len, head, sizeof head);
        size_t value_len = sample_range(rng, 0, 200);
        struct le16 len_le = le16_of((uint16_t)value_len);
        struct bytes len = sample_bytes(rng, space, sizeof len_le);
        memcpy(space->b + space->used - len.len, len_le.b, sizeof len_le);
        sample_bytes(rng, space, value_len);
    }
    return bytes_of(space->b + start, space->used - start);
}

struct retention sample_retention(struct sample_rng *rng)
{
    struct retention r = {.mode = (uint8_t)sample_range(rng, 0, RETENTION_COMPLIANCE),
                          .legal_hold = (uint8_t)sample_range(rng, 0, 1)};
    if (r.mode != RETENTION_NONE)
        r.until_s = (int64_t)sample_range(rng, 1, INT64_MAX);
    return r;
}

struct object_checksum sample_checksum(struct sample_rng *rng)
{
    static const uint8_t lengths[] = {0, 4, 4, 8, 20, 32};
    struct object_checksum c = {.alg = (uint8_t)sample_range(rng, 0, CHECKSUM_SHA256)};
    c.bytes = lengths[c.alg];
    if (c.alg != CHECKSUM_NONE)
        c.type = (uint8_t)sample_range(rng, CHECKSUM_FULL_OBJECT, CHECKSUM_COMPOSITE);
    sample_fill(rng, c.value, c.bytes);
    return c;
}

static struct bytes sample_parts(struct sample_rng *rng, struct sample_space *space, uint32_t count, uint64_t size)
{
    struct bytes parts = sample_bytes(rng, space, (size_t)count * MANIFEST_PART_BYTES);
    uint8_t *out = space->b + space->used - parts.len;
    for (uint32_t i = 0; i < count; i++) {
        struct manifest_part p = {.number = 2 * i + 1, .checksum = sample_checksum(rng)};
        p.size = i + 1 == count ? size : sample_range(rng, 0, size);
        size -= p.size;
        sample_fill(rng, p.md5, sizeof p.md5);
        manifest_part_encode(&p, out + (size_t)i * MANIFEST_PART_BYTES);
    }
    return parts;
}

void sample_manifest(struct sample_rng *rng, struct sample_space *space, struct manifest *m)
{
    memset(m, 0, sizeof *m);
    m->bucket = sample_range(rng, 1, UINT64_MAX - 1);
    m->key = sample_bytes(rng, space, sample_range(rng, 1, OBJECT_KEY_BYTES_MAX));
    sample_fill(rng, m->version.b, sizeof m->version.b);
    m->mtime_ns = (int64_t)sample_u64(rng);
    m->owner = sample_bytes(rng, space, sample_range(rng, 1, OWNER_BYTES_MAX));
    if (sample_range(rng, 0, 1) == 1) {
        m->flags |= MANIFEST_NULL_VERSION;
        sample_fill(rng, m->replaces.b, sizeof m->replaces.b);
    }
    if (sample_range(rng, 0, 5) == 0) {
        m->flags |= MANIFEST_DELETE_MARKER;
        return;
    }
    sample_fill(rng, m->etag.md5, sizeof m->etag.md5);
    for (int i = 0; i < HEADER_COUNT; i++)
        if (sample_range(rng, 0, 1) == 1)
            m->headers[i] = sample_bytes(rng, space, sample_range(rng, 0, 300));
    struct tlv_writer w;
    tlv_writer_init(&w, space->b + space->used, 8192);
    for (uint64_t i = sample_range(rng, 0, 5); i > 0; i--) {
        uint8_t name[10];
        uint8_t value[200];
        sample_fill(rng, name, sizeof name);
        sample_fill(rng, value, sizeof value);
        manifest_meta_put(&w, bytes_of(name, sizeof name), bytes_of(value, sample_range(rng, 0, sizeof value)));
    }
    m->metadata = bytes_of(space->b + space->used, w.len);
    space->used += w.len;
    m->tags = sample_tags(rng, space, (unsigned)sample_range(rng, 0, 10));
    m->retention = sample_retention(rng);
    m->storage_class = (uint8_t)sample_range(rng, 0, STORAGE_CLASS_LAST);
    m->checksum = sample_checksum(rng);
    switch (sample_range(rng, 0, 2)) {
    case 0:
        m->chunk_refs = sample_chunk_refs(rng, space, (uint32_t)sample_range(rng, 1, MANIFEST_CHUNKS_MAX), &m->size);
        break;
    case 1:
        m->list_refs = sample_list_refs(rng, space, (uint32_t)sample_range(rng, 1, 20), &m->size);
        break;
    default:
        break;
    }
    if (sample_range(rng, 0, 1) == 1) {
        m->etag.parts = (uint32_t)sample_range(rng, 1, 20);
        m->parts = sample_parts(rng, space, m->etag.parts, m->size);
        m->upload_id = sample_bytes(rng, space, 16);
    }
    if (sample_range(rng, 0, 1) == 1)
        m->sse = sample_bytes(rng, space, 40);
}
