/*
 * MD5 (RFC 1321) and SHA-256 (FIPS 180-4) as states and whole blocks: what hash.c streams and hash_lanes.c runs side by
 * side. Only engine/base includes this.
 */
#ifndef DOL_HASH_BLOCKS_H
#define DOL_HASH_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_BLOCK_BYTES 64u
#define MD5_WORDS        4u
#define SHA256_WORDS     8u

struct md5 {
    uint32_t words[MD5_WORDS];
    uint64_t bytes;                 /* taken in, those in tail included */
    uint8_t tail[HASH_BLOCK_BYTES]; /* the first bytes % 64 */
};

struct hash_stream;

void md5_init(struct md5 *md5);
void md5_update(struct md5 *md5, const void *data, size_t len);
/* md5 must be initialised again before reuse. */
void md5_final(struct md5 *md5, uint8_t out[16]);

void md5_blocks(uint32_t words[MD5_WORDS], const uint8_t *data, size_t blocks);

/* The state of a stream made with HASH_MD5. */
struct md5 *hash_stream_md5(struct hash_stream *h);

extern const uint32_t sha256_initial[SHA256_WORDS];
extern const uint32_t sha256_k[64];
/* Portable, for what the fast ways leave over. */
void sha256_blocks(uint32_t words[SHA256_WORDS], const uint8_t *data, size_t blocks);
#define SHA256_LAST_BYTES (2 * HASH_BLOCK_BYTES)
/* The last block or two of a message of `bytes` bytes, of which the last bytes % 64 are at `rest`; returns how many. */
size_t sha256_pad(const uint8_t *rest, uint64_t bytes, uint8_t last[SHA256_LAST_BYTES]);
void sha256_encode(const uint32_t words[SHA256_WORDS], uint8_t out[32]);

#endif
