/*
 * Constants shared by all on-disk structures. docs/format.md describes every byte; this folder encodes, decodes and
 * checks them: pure functions, no I/O, no allocation. Integers are little-endian (le.h); reserved bytes are zero.
 *
 * A structure's checksum comes first: the first 16 bytes of a SHA-256, seeded where a stale copy could pass for a new
 * one. The payload of units is checked by CRC-32C per block (speed), sealed records by their GCM tag as well.
 *
 * Compatibility, three masks in every header, checked in this order:
 *   incompat  an unknown bit refuses the structure;
 *   ro_data   an unknown bit makes the pool read-only;
 *   ro_meta   an unknown bit forbids rewriting this structure (but data may be written).
 */
#ifndef DOL_FORMAT_H
#define DOL_FORMAT_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#include "le.h"

#define FORMAT_VERSION 1

#define FORMAT_BLOCK_BYTES        4096u  /* every unit, header and footer is a multiple of it and aligned to it */
#define FORMAT_CRC_BLOCK_BYTES    16384u /* one CRC-32C per this many payload bytes of a unit */
#define FORMAT_DATA_UNITS_MAX     32u    /* k */
#define FORMAT_PARITY_UNITS_MAX   8u     /* m */
#define FORMAT_MEMBERS_MAX        (FORMAT_DATA_UNITS_MAX + FORMAT_PARITY_UNITS_MAX)
#define FORMAT_DRIVES_MAX         64u
#define FORMAT_ROW_DATA_BYTES_MAX (8u << 20) /* concatenated records of one row */
#define FORMAT_EXTENT_BYTES_MIN   (1u << 20)
#define FORMAT_EXTENT_BYTES_MAX   (1u << 30)
#define FORMAT_EXTENTS_OFFSET     (1u << 20) /* extent 0 begins here; the superblock area lies before */

#define FORMAT_CHECKSUM_BYTES 16

/* Algorithm ids; 0 always means none. */
enum { FORMAT_HASH_SHA256 = 1 };
enum { FORMAT_CRC_CRC32C = 1 };
enum { FORMAT_EC_RS_CAUCHY = 1 }; /* Reed-Solomon over GF(2^8), polynomial 0x11d, ISA-L's Cauchy matrix */
enum { FORMAT_SEAL_NONE = 0, FORMAT_SEAL_AES256GCM = 1 };
enum { FORMAT_CODEC_RAW = 0, FORMAT_CODEC_ZSTD = 1, FORMAT_CODEC_PLANES = 2 };
enum { FORMAT_KDF_HKDF_SHA256 = 1 };
enum { FORMAT_WRAP_AES256KW = 1 }; /* RFC 3394 */

struct format_masks {
    uint32_t incompat;
    uint32_t ro_data;
    uint32_t ro_meta;
};

/* Bits this program knows. */
#define FORMAT_INCOMPAT_KNOWN 0u
#define FORMAT_RO_DATA_KNOWN  0u
#define FORMAT_RO_META_KNOWN  0u

/* First 16 bytes of SHA-256(seed || data). seed may be empty. */
void format_checksum(struct bytes seed, const void *data, size_t len, uint8_t out[FORMAT_CHECKSUM_BYTES]);

#endif
