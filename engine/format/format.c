/*
 * What all structures with a SHA-256 checksum have in common: the checksum itself, and the shared head with magic,
 * version and masks. Order of the checks: magic, checksum, version, incompat bits, then the fields.
 */
#include "format.h"

#include "format_head.h"
#include "hash.h"

void format_checksum(struct bytes seed, const void *data, size_t len, uint8_t out[FORMAT_CHECKSUM_BYTES])
{
    const struct bytes parts[] = {seed, {data, len}};
    struct sha256 digest = sha256_of_parts(parts, 2);
    memcpy(out, digest.b, FORMAT_CHECKSUM_BYTES);
}

void format_head_put(struct format_head *head, const char *magic, const struct format_masks *masks)
{
    memcpy(head->magic, magic, FORMAT_MAGIC_BYTES);
    head->version = le16_of(FORMAT_VERSION);
    head->incompat = le32_of(masks->incompat);
    head->ro_data = le32_of(masks->ro_data);
    head->ro_meta = le32_of(masks->ro_meta);
}

void format_head_seal(void *structure, size_t len, struct bytes seed)
{
    uint8_t *b = structure;
    format_checksum(seed, b + FORMAT_CHECKSUM_BYTES, len - FORMAT_CHECKSUM_BYTES, b);
}

bool format_head_has_magic(const struct format_head *head, const char *magic)
{
    return memcmp(head->magic, magic, FORMAT_MAGIC_BYTES) == 0;
}

bool format_head_checksum_ok(const void *structure, size_t len, struct bytes seed)
{
    const uint8_t *b = structure;
    uint8_t sum[FORMAT_CHECKSUM_BYTES];
    format_checksum(seed, b + FORMAT_CHECKSUM_BYTES, len - FORMAT_CHECKSUM_BYTES, sum);
    return memcmp(sum, b, sizeof sum) == 0;
}

enum dol_err format_head_decode(const struct format_head *head, struct format_masks *out)
{
    if (le16_get(head->version) != FORMAT_VERSION)
        return DOL_EFORMAT;
    out->incompat = le32_get(head->incompat);
    out->ro_data = le32_get(head->ro_data);
    out->ro_meta = le32_get(head->ro_meta);
    if ((out->incompat & ~FORMAT_INCOMPAT_KNOWN) != 0)
        return DOL_EFORMAT;
    return format_reserved_ok(out, head->reserved, sizeof head->reserved) ? DOL_OK : DOL_ECORRUPT;
}

bool format_is_zero(const void *data, size_t len)
{
    const uint8_t *b = data;
    return len == 0 || (b[0] == 0 && memcmp(b, b + 1, len - 1) == 0);
}

bool format_reserved_ok(const struct format_masks *masks, const void *data, size_t len)
{
    bool newer = (masks->ro_data & ~FORMAT_RO_DATA_KNOWN) != 0 || (masks->ro_meta & ~FORMAT_RO_META_KNOWN) != 0;
    return newer || format_is_zero(data, len);
}

bool format_geometry_ok(unsigned k, unsigned m)
{
    return k >= 1 && k <= FORMAT_DATA_UNITS_MAX && m <= FORMAT_PARITY_UNITS_MAX;
}

bool format_extent_bytes_ok(uint64_t extent_bytes)
{
    return extent_bytes >= FORMAT_EXTENT_BYTES_MIN && extent_bytes <= FORMAT_EXTENT_BYTES_MAX &&
           extent_bytes % FORMAT_BLOCK_BYTES == 0;
}
