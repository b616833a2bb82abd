/*
 * Superblock on disk: the layout, and what a good one must satisfy. superblock_fields_ok() is the one predicate: the
 * encoder asserts it, so that a superblock that could not be read back is never written, and the decoder turns it into
 * ECORRUPT.
 */
#include "superblock.h"

#include "dol_assert.h"
#include "format_head.h"

static const char superblock_magic[] = "DOLMSUPR";

struct superblock_drive_disk {
    uint8_t uuid[16];
    struct le64 size_bytes;
    struct le32 extents;
    struct le32 incarnation;
    struct le64 joined_epoch;
    uint8_t state;
    uint8_t reserved[23];
};
_Static_assert(sizeof(struct superblock_drive_disk) == 64, "superblock drive entry");

struct superblock_key_disk {
    struct le32 id;
    uint8_t wrap_alg;
    uint8_t reserved1[3];
    struct le64 created_s;
    uint8_t wrapped[40];
    uint8_t reserved2[8];
};
_Static_assert(sizeof(struct superblock_key_disk) == 64, "superblock key entry");

struct superblock_disk {
    struct format_head head;
    uint8_t pool[16];
    uint8_t drive[16];
    struct le64 sequence;
    struct le64 run;
    struct le64 epoch;
    struct le64 generation;
    struct le64 compliance_clock_s;
    struct le64 compliance_credit_ms;
    struct le64 created_s;
    struct le64 extent_bytes;
    uint8_t k;
    uint8_t m;
    uint8_t encrypted;
    uint8_t hash_alg; /* of chunks, lists and these checksums */
    uint8_t kdf_alg;  /* slab keys from data keys; 0 when not encrypted */
    uint8_t reserved1[3];
    struct le32 drive_count;
    struct le32 key_count;
    uint8_t key_check[16];
    char label[64];
    uint8_t reserved2[24];
    struct superblock_drive_disk drives[FORMAT_DRIVES_MAX];
    struct superblock_key_disk keys[SUPERBLOCK_KEYS_MAX];
    uint8_t reserved3[SUPERBLOCK_BYTES - 5376];
};
_Static_assert(sizeof(struct superblock_disk) == SUPERBLOCK_BYTES, "superblock");
_Static_assert(offsetof(struct superblock_disk, pool) == 40, "superblock");
_Static_assert(offsetof(struct superblock_disk, sequence) == 72, "superblock");
_Static_assert(offsetof(struct superblock_disk, extent_bytes) == 128, "superblock");
_Static_assert(offsetof(struct superblock_disk, k) == 136, "superblock");
_Static_assert(offsetof(struct superblock_disk, drive_count) == 144, "superblock");
_Static_assert(offsetof(struct superblock_disk, key_check) == 152, "superblock");
_Static_assert(offsetof(struct superblock_disk, label) == 168, "superblock");
_Static_assert(offsetof(struct superblock_disk, drives) == 256, "superblock");
_Static_assert(offsetof(struct superblock_disk, keys) == 4352, "superblock");
_Static_assert(offsetof(struct superblock_disk, reserved3) == 5376, "superblock");
_Static_assert(SUPERBLOCK_COPIES *SUPERBLOCK_STRIDE_BYTES <= FORMAT_EXTENTS_OFFSET, "copies lie before extent 0");
_Static_assert(SUPERBLOCK_BYTES <= SUPERBLOCK_STRIDE_BYTES, "copies do not overlap");

static bool superblock_drives_ok(const struct superblock *sb)
{
    bool self_found = false;
    for (uint32_t i = 0; i < sb->drive_count; i++) {
        const struct superblock_drive *d = &sb->drives[i];
        if (uuid_is_zero(d->uuid) || d->extents == 0 || d->joined_epoch > sb->epoch)
            return false;
        if (d->state < DRIVE_STATE_ACTIVE || d->state > DRIVE_STATE_REBUILDING)
            return false;
        /* No overflow: extents is 32 bits, extent_bytes at most 2^30. */
        if (d->size_bytes < FORMAT_EXTENTS_OFFSET ||
            (uint64_t)d->extents * sb->extent_bytes > d->size_bytes - FORMAT_EXTENTS_OFFSET)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (uuid_equal(sb->drives[j].uuid, d->uuid))
                return false;
        self_found = self_found || uuid_equal(d->uuid, sb->drive);
    }
    return self_found;
}

static bool superblock_keys_ok(const struct superblock *sb)
{
    uint32_t previous = 0;
    for (uint32_t i = 0; i < sb->key_count; i++) {
        if (sb->keys[i].id <= previous)
            return false;
        previous = sb->keys[i].id;
    }
    return sb->encrypted == 0 || sb->key_count > 0;
}

/* Bounds of arrays are checked before anything indexes them. */
static bool superblock_fields_ok(const struct superblock *sb)
{
    if (uuid_is_zero(sb->pool) || uuid_is_zero(sb->drive) || sb->epoch == 0)
        return false;
    if (!format_geometry_ok(sb->k, sb->m) || !format_extent_bytes_ok(sb->extent_bytes) || sb->encrypted > 1)
        return false;
    if (sb->drive_count == 0 || sb->drive_count > FORMAT_DRIVES_MAX || sb->key_count > SUPERBLOCK_KEYS_MAX)
        return false;
    size_t label_len = strnlen(sb->label, sizeof sb->label);
    if (label_len == sizeof sb->label)
        return false;
    return superblock_drives_ok(sb) && superblock_keys_ok(sb);
}

void superblock_encode(const struct superblock *sb, uint8_t out[SUPERBLOCK_BYTES])
{
    dol_assert(superblock_fields_ok(sb));
    struct superblock_disk *d = (struct superblock_disk *)(void *)out;
    memset(d, 0, sizeof *d);
    format_head_put(&d->head, superblock_magic, &sb->masks);
    memcpy(d->pool, sb->pool.b, sizeof d->pool);
    memcpy(d->drive, sb->drive.b, sizeof d->drive);
    d->sequence = le64_of(sb->sequence);
    d->run = le64_of(sb->run);
    d->epoch = le64_of(sb->epoch);
    d->generation = le64_of(sb->generation);
    d->compliance_clock_s = le64_of(sb->compliance_clock_s);
    d->compliance_credit_ms = le64_of(sb->compliance_credit_ms);
    d->created_s = le64_of((uint64_t)sb->created_s);
    d->extent_bytes = le64_of(sb->extent_bytes);
    d->k = sb->k;
    d->m = sb->m;
    d->encrypted = sb->encrypted;
    d->hash_alg = FORMAT_HASH_SHA256;
    d->kdf_alg = sb->encrypted ? FORMAT_KDF_HKDF_SHA256 : 0;
    d->drive_count = le32_of(sb->drive_count);
    d->key_count = le32_of(sb->key_count);
    memcpy(d->key_check, sb->key_check, sizeof d->key_check);
    memcpy(d->label, sb->label, strlen(sb->label));
    for (uint32_t i = 0; i < sb->drive_count; i++) {
        const struct superblock_drive *s = &sb->drives[i];
        struct superblock_drive_disk *e = &d->drives[i];
        memcpy(e->uuid, s->uuid.b, sizeof e->uuid);
        e->size_bytes = le64_of(s->size_bytes);
        e->extents = le32_of(s->extents);
        e->incarnation = le32_of(s->incarnation);
        e->joined_epoch = le64_of(s->joined_epoch);
        e->state = s->state;
    }
    for (uint32_t i = 0; i < sb->key_count; i++) {
        const struct superblock_key *s = &sb->keys[i];
        struct superblock_key_disk *e = &d->keys[i];
        dol_assert(s->wrap_alg == FORMAT_WRAP_AES256KW);
        e->id = le32_of(s->id);
        e->wrap_alg = s->wrap_alg;
        e->created_s = le64_of((uint64_t)s->created_s);
        memcpy(e->wrapped, s->wrapped, sizeof e->wrapped);
    }
    format_head_seal(d, sizeof *d, bytes_of(NULL, 0));
}

static bool superblock_reserved_ok(const struct superblock_disk *d, const struct superblock *sb)
{
    const struct format_masks *masks = &sb->masks;
    if (!format_reserved_ok(masks, d->reserved1, sizeof d->reserved1) ||
        !format_reserved_ok(masks, d->reserved2, sizeof d->reserved2) ||
        !format_reserved_ok(masks, d->reserved3, sizeof d->reserved3))
        return false;
    for (uint32_t i = 0; i < sb->drive_count; i++)
        if (!format_reserved_ok(masks, d->drives[i].reserved, sizeof d->drives[i].reserved))
            return false;
    for (uint32_t i = 0; i < sb->key_count; i++)
        if (!format_reserved_ok(masks, d->keys[i].reserved1, sizeof d->keys[i].reserved1) ||
            !format_reserved_ok(masks, d->keys[i].reserved2, sizeof d->keys[i].reserved2))
            return false;
    size_t label_len = strlen(sb->label);
    return format_is_zero(&d->drives[sb->drive_count],
                          (FORMAT_DRIVES_MAX - sb->drive_count) * sizeof(struct superblock_drive_disk)) &&
           format_is_zero(&d->keys[sb->key_count],
                          (SUPERBLOCK_KEYS_MAX - sb->key_count) * sizeof(struct superblock_key_disk)) &&
           format_is_zero(d->label + label_len, sizeof d->label - label_len);
}

static void superblock_tables_get(const struct superblock_disk *d, struct superblock *sb)
{
    for (uint32_t i = 0; i < sb->drive_count; i++) {
        const struct superblock_drive_disk *e = &d->drives[i];
        struct superblock_drive *s = &sb->drives[i];
        memcpy(s->uuid.b, e->uuid, sizeof e->uuid);
        s->size_bytes = le64_get(e->size_bytes);
        s->extents = le32_get(e->extents);
        s->incarnation = le32_get(e->incarnation);
        s->joined_epoch = le64_get(e->joined_epoch);
        s->state = e->state;
    }
    for (uint32_t i = 0; i < sb->key_count; i++) {
        const struct superblock_key_disk *e = &d->keys[i];
        struct superblock_key *s = &sb->keys[i];
        s->id = le32_get(e->id);
        s->wrap_alg = e->wrap_alg;
        s->created_s = (int64_t)le64_get(e->created_s);
        memcpy(s->wrapped, e->wrapped, sizeof e->wrapped);
    }
}

enum dol_err superblock_decode(const uint8_t in[SUPERBLOCK_BYTES], struct superblock *out)
{
    const struct superblock_disk *d = (const struct superblock_disk *)(const void *)in;
    if (!format_head_has_magic(&d->head, superblock_magic))
        return DOL_ENOTPOOL;
    if (!format_head_checksum_ok(d, sizeof *d, bytes_of(NULL, 0)))
        return DOL_ECORRUPT;
    memset(out, 0, sizeof *out);
    enum dol_err err = format_head_decode(&d->head, &out->masks);
    if (err != DOL_OK)
        return err;
    memcpy(out->pool.b, d->pool, sizeof d->pool);
    memcpy(out->drive.b, d->drive, sizeof d->drive);
    out->sequence = le64_get(d->sequence);
    out->run = le64_get(d->run);
    out->epoch = le64_get(d->epoch);
    out->generation = le64_get(d->generation);
    out->compliance_clock_s = le64_get(d->compliance_clock_s);
    out->compliance_credit_ms = le64_get(d->compliance_credit_ms);
    out->created_s = (int64_t)le64_get(d->created_s);
    out->extent_bytes = le64_get(d->extent_bytes);
    out->k = d->k;
    out->m = d->m;
    out->encrypted = d->encrypted;
    memcpy(out->key_check, d->key_check, sizeof d->key_check);
    memcpy(out->label, d->label, sizeof d->label);
    out->drive_count = le32_get(d->drive_count);
    out->key_count = le32_get(d->key_count);
    if (out->drive_count > FORMAT_DRIVES_MAX || out->key_count > SUPERBLOCK_KEYS_MAX)
        return DOL_ECORRUPT;
    superblock_tables_get(d, out);
    if (!superblock_fields_ok(out) || !superblock_reserved_ok(d, out))
        return DOL_ECORRUPT;
    /* Algorithms come last: they are a matter of a newer program only if all else is sound. */
    if (d->hash_alg != FORMAT_HASH_SHA256 || d->kdf_alg != (out->encrypted ? FORMAT_KDF_HKDF_SHA256 : 0))
        return DOL_EFORMAT;
    for (uint32_t i = 0; i < out->key_count; i++)
        if (out->keys[i].wrap_alg != FORMAT_WRAP_AES256KW)
            return DOL_EFORMAT;
    return DOL_OK;
}
