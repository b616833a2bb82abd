/*
 * Object keys as they are sorted. A key's *code* is the key with every byte 00 written as 00 01, then the terminator 00
 * 00. Codes compare by memcmp exactly as keys do, and no code is a prefix of another, so a version suffix behind a code
 * never disturbs the order of keys.
 *
 * LMDB 0.9 takes keys of at most 511 bytes, a code has up to 2,050: tree.h cuts it into pieces.
 */
#ifndef DOL_INDEX_KEY_H
#define DOL_INDEX_KEY_H

#include <dolmen/err.h>
#include <dolmen/object.h>

#define KEY_CODE_BYTES_MAX   (2 * OBJECT_KEY_BYTES_MAX + 2)
#define KEY_VERSION_BYTES    16u
#define KEY_TERMINATOR_BYTES 2u

/* Writes the code of a key of at most OBJECT_KEY_BYTES_MAX bytes; returns its length. */
size_t key_code_encode(struct bytes key, uint8_t out[KEY_CODE_BYTES_MAX]);

/* The position right after `key`: above its own code whatever the version, not above the code of any greater key. Not a
 * code. */
size_t key_code_encode_after(struct bytes key, uint8_t out[KEY_CODE_BYTES_MAX]);

/* The key of a code, into OBJECT_KEY_BYTES_MAX bytes. ECORRUPT when it is no code. */
DOL_MUST_CHECK enum dol_err key_code_decode(const uint8_t *code, size_t len, uint8_t *key, size_t *key_len);

/* Bitwise complement: the newest version sorts first. Its own inverse. */
void key_version_invert(const uint8_t in[KEY_VERSION_BYTES], uint8_t out[KEY_VERSION_BYTES]);

#endif
