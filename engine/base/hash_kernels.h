/*
 * The ways to run MD5 and SHA-256 over whole blocks that depend on the processor. Only engine/base includes this.
 *
 * A lane kernel advances several streams by the same number of blocks at once, one stream in each lane of the vectors.
 * Lanes that are not used repeat lane 0 and are thrown away.
 */
#ifndef DOL_HASH_KERNELS_H
#define DOL_HASH_KERNELS_H

#include "hash_blocks.h"

#define HASH_KERNEL_LANES_MAX 16u

/* states[i]: MD5_WORDS or SHA256_WORDS words of stream i; data[i]: its `blocks` blocks, at any alignment. */
typedef void hash_lanes_fn(uint32_t *const *states, const uint8_t *const *data, unsigned count, size_t blocks);

struct hash_kernels {
    const char *name;
    unsigned lanes;
    unsigned md5_count_min; /* fewer streams are quicker one after another */
    hash_lanes_fn *md5;
    unsigned sha256_count_min;
    hash_lanes_fn *sha256;
};

/* NULL: not on this processor. */
const struct hash_kernels *hash_kernels_avx512(void);
const struct hash_kernels *hash_kernels_avx2(void);

/* One stream of each algorithm, which may be at different places of the same bytes. */
struct hash_pair {
    uint32_t *md5; /* words */
    const uint8_t *md5_data;
    uint32_t *sha256;
    const uint8_t *sha256_data;
};

/* Whether the two below may be called: the processor has the SHA extensions. They take one stream or two. */
bool hash_sha_ni(void);
void sha256_blocks_ni(uint32_t *const *words, const uint8_t *const *data, unsigned count, size_t blocks);
void md5_sha256_blocks_ni(struct hash_pair *pairs, unsigned count, size_t blocks);

#endif
