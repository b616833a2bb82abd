/* Eight lanes with AVX2. */
#include "hash_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "hash_md5_steps.h"

#define LANES   8u
#define LANE_FN __attribute__((target("avx2")))
/* For helpers: they disappear in the kernels. */
#define VEC_FN __attribute__((target("avx2"), always_inline)) static inline

typedef __m256i vec;

VEC_FN vec vec_set1(uint32_t word)
{
    return _mm256_set1_epi32((int)word);
}

VEC_FN vec vec_load(const void *p)
{
    return _mm256_loadu_si256(p);
}

VEC_FN void vec_store(void *p, vec v)
{
    _mm256_storeu_si256(p, v);
}

VEC_FN vec vec_add(vec a, vec b)
{
    return _mm256_add_epi32(a, b);
}

VEC_FN vec vec_rotate_left(vec v, unsigned n)
{
    return _mm256_or_si256(_mm256_slli_epi32(v, (int)n), _mm256_srli_epi32(v, (int)(32 - n)));
}

VEC_FN vec vec_shift_right(vec v, unsigned n)
{
    return _mm256_srli_epi32(v, (int)n);
}

VEC_FN vec vec_select(vec mask, vec yes, vec no)
{
    return _mm256_xor_si256(no, _mm256_and_si256(mask, _mm256_xor_si256(yes, no)));
}

VEC_FN vec vec_majority(vec a, vec b, vec c)
{
    return _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)));
}

VEC_FN vec vec_xor3(vec a, vec b, vec c)
{
    return _mm256_xor_si256(a, _mm256_xor_si256(b, c));
}

VEC_FN vec vec_md5_F(vec b, vec c, vec d)
{
    return vec_select(b, c, d);
}

VEC_FN vec vec_md5_G(vec b, vec c, vec d)
{
    return vec_select(d, b, c);
}

VEC_FN vec vec_md5_H(vec b, vec c, vec d)
{
    return _mm256_xor_si256(b, _mm256_xor_si256(c, d));
}

VEC_FN vec vec_md5_I(vec b, vec c, vec d)
{
    return _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, _mm256_set1_epi32(-1))));
}

VEC_FN vec vec_swap_bytes(vec v)
{
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
}

/* Eight half blocks as rows, transposed: pairs of words, then of pairs, then of 128-bit halves. */
VEC_FN void lanes_load_half(const uint8_t *const *data, size_t offset, vec m[8])
{
    vec r[8], q[8];
    for (unsigned i = 0; i < 8; i++)
        r[i] = vec_load(data[i] + offset);
    for (unsigned i = 0; i < 8; i += 4) {
        vec lo01 = _mm256_unpacklo_epi32(r[i], r[i + 1]), hi01 = _mm256_unpackhi_epi32(r[i], r[i + 1]);
        vec lo23 = _mm256_unpacklo_epi32(r[i + 2], r[i + 3]), hi23 = _mm256_unpackhi_epi32(r[i + 2], r[i + 3]);
        /* q[i + j]: words j and 4 + j of four lanes */
        q[i] = _mm256_unpacklo_epi64(lo01, lo23);
        q[i + 1] = _mm256_unpackhi_epi64(lo01, lo23);
        q[i + 2] = _mm256_unpacklo_epi64(hi01, hi23);
        q[i + 3] = _mm256_unpackhi_epi64(hi01, hi23);
    }
    for (unsigned j = 0; j < 4; j++) {
        m[j] = _mm256_permute2x128_si256(q[j], q[4 + j], 0x20);
        m[4 + j] = _mm256_permute2x128_si256(q[j], q[4 + j], 0x31);
    }
}

VEC_FN void lanes_load(const uint8_t **data, vec m[16])
{
    lanes_load_half(data, 0, m);
    lanes_load_half(data, HASH_BLOCK_BYTES / 2, m + 8);
    for (unsigned i = 0; i < LANES; i++)
        data[i] += HASH_BLOCK_BYTES;
}

#include "hash_lane_rounds.h"

const struct hash_kernels *hash_kernels_avx2(void)
{
    static const struct hash_kernels kernels = {
        .name = "avx2",
        .lanes = LANES,
        .md5_count_min = 3,
        .md5 = lanes_md5,
        .sha256_count_min = 3,
        .sha256 = lanes_sha256,
    };
    return __builtin_cpu_supports("avx2") ? &kernels : NULL;
}
#else
const struct hash_kernels *hash_kernels_avx2(void)
{
    return NULL;
}
#endif
