/* Sixteen lanes with AVX-512 (F and BW). */
#include "hash_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "hash_md5_steps.h"

#define LANES   16u
#define LANE_FN __attribute__((target("avx512f,avx512bw")))
/* For helpers: they disappear in the kernels. */
#define VEC_FN __attribute__((target("avx512f,avx512bw"), always_inline)) static inline

typedef __m512i vec;

/* Truth tables of vpternlog, of the bits of its operands in order: 0xf0, 0xcc, 0xaa. */
enum { TERN_SELECT = 0xca, TERN_MAJORITY = 0xe8, TERN_XOR3 = 0x96, TERN_MD5_I = 0x2d };

VEC_FN vec vec_set1(uint32_t word)
{
    return _mm512_set1_epi32((int)word);
}

VEC_FN vec vec_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

VEC_FN void vec_store(void *p, vec v)
{
    _mm512_storeu_si512(p, v);
}

VEC_FN vec vec_add(vec a, vec b)
{
    return _mm512_add_epi32(a, b);
}

VEC_FN vec vec_select(vec mask, vec yes, vec no)
{
    return _mm512_ternarylogic_epi32(mask, yes, no, TERN_SELECT);
}

VEC_FN vec vec_majority(vec a, vec b, vec c)
{
    return _mm512_ternarylogic_epi32(a, b, c, TERN_MAJORITY);
}

VEC_FN vec vec_xor3(vec a, vec b, vec c)
{
    return _mm512_ternarylogic_epi32(a, b, c, TERN_XOR3);
}

#define vec_rotate_left(v, n) _mm512_rol_epi32(v, (int)(n))
#define vec_shift_right(v, n) _mm512_srli_epi32(v, n)

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
    return vec_xor3(b, c, d);
}

VEC_FN vec vec_md5_I(vec b, vec c, vec d)
{
    return _mm512_ternarylogic_epi32(c, b, d, TERN_MD5_I);
}

VEC_FN vec vec_swap_bytes(vec v)
{
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
}

/* Sixteen blocks as rows, transposed: pairs of words, then of pairs, then of 128-bit quarters. */
VEC_FN void lanes_load(const uint8_t **data, vec m[16])
{
    vec r[16], q[16];
    for (unsigned i = 0; i < 16; i++) {
        r[i] = vec_load(data[i]);
        data[i] += HASH_BLOCK_BYTES;
    }
    for (unsigned i = 0; i < 16; i += 4) {
        vec lo01 = _mm512_unpacklo_epi32(r[i], r[i + 1]), hi01 = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        vec lo23 = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]), hi23 = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
        /* q[i + j]: words j, 4 + j, 8 + j, 12 + j of four lanes */
        q[i] = _mm512_unpacklo_epi64(lo01, lo23);
        q[i + 1] = _mm512_unpackhi_epi64(lo01, lo23);
        q[i + 2] = _mm512_unpacklo_epi64(hi01, hi23);
        q[i + 3] = _mm512_unpackhi_epi64(hi01, hi23);
    }
    for (unsigned j = 0; j < 4; j++) {
        vec low_a = _mm512_shuffle_i32x4(q[j], q[4 + j], 0x44), high_a = _mm512_shuffle_i32x4(q[j], q[4 + j], 0xee);
        vec low_b = _mm512_shuffle_i32x4(q[8 + j], q[12 + j], 0x44);
        vec high_b = _mm512_shuffle_i32x4(q[8 + j], q[12 + j], 0xee);
        m[j] = _mm512_shuffle_i32x4(low_a, low_b, 0x88);
        m[4 + j] = _mm512_shuffle_i32x4(low_a, low_b, 0xdd);
        m[8 + j] = _mm512_shuffle_i32x4(high_a, high_b, 0x88);
        m[12 + j] = _mm512_shuffle_i32x4(high_a, high_b, 0xdd);
    }
}

#include "hash_lane_rounds.h"

const struct hash_kernels *hash_kernels_avx512(void)
{
    static const struct hash_kernels kernels = {
        .name = "avx512",
        .lanes = LANES,
        .md5_count_min = 2,
        .md5 = lanes_md5,
        .sha256_count_min = 5,
        .sha256 = lanes_sha256,
    };
    bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    return has ? &kernels : NULL;
}
#else
const struct hash_kernels *hash_kernels_avx512(void)
{
    return NULL;
}
#endif
