/*
 * The first 40 bytes that superblock, extent header, extent footer and unit header share, and the checks on them.
 * Private to this folder.
 *
 *   0  16  checksum: first 16 bytes of SHA-256(seed || all bytes of the structure after these 16)
 *  16   8  magic, readable ASCII
 *  24   2  format version
 *  26   2  reserved
 *  28  12  masks: incompat, ro_data, ro_meta
 *
 * This much stays in place in every later version, under the same magic, so that an old program can tell "too new" from
 * "damaged".
 */
#ifndef DOL_FORMAT_HEAD_H
#define DOL_FORMAT_HEAD_H

#include "format.h"

#define FORMAT_MAGIC_BYTES 8

struct format_head {
    uint8_t checksum[FORMAT_CHECKSUM_BYTES];
    uint8_t magic[FORMAT_MAGIC_BYTES];
    struct le16 version;
    uint8_t reserved[2];
    struct le32 incompat;
    struct le32 ro_data;
    struct le32 ro_meta;
};
_Static_assert(sizeof(struct format_head) == 40, "shared head");

/* Everything but the checksum. `magic` has 8 characters. */
void format_head_put(struct format_head *head, const char *magic, const struct format_masks *masks);
/* The checksum, last of all: over bytes 16 .. len of the structure. */
void format_head_seal(void *structure, size_t len, struct bytes seed);

bool format_head_has_magic(const struct format_head *head, const char *magic);
bool format_head_checksum_ok(const void *structure, size_t len, struct bytes seed);
/* After the checksum: EFORMAT for an unknown version or incompat bit, ECORRUPT for reserved bytes. */
DOL_MUST_CHECK enum dol_err format_head_decode(const struct format_head *head, struct format_masks *out);

bool format_is_zero(const void *data, size_t len);
/* Reserved bytes are zero, unless a mask bit this program doesn't know gives them a meaning. */
bool format_reserved_ok(const struct format_masks *masks, const void *data, size_t len);
bool format_geometry_ok(unsigned k, unsigned m);
bool format_extent_bytes_ok(uint64_t extent_bytes);

#endif
