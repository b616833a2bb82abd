/*
 * SHA-256 with the SHA extensions, for one stream and for two, alone and interleaved with MD5.
 *
 * Both algorithms spend their time waiting for their own last result. Two streams of each, written into one sequence of
 * instructions, take hardly longer than one of MD5 alone: the processor finds the work of the others while one waits.
 *
 * Four rounds at a time: the state lies in two registers as the instructions want it (A B E F and C D G H), the message
 * in four, of which the oldest becomes the words sixteen rounds on.
 */
#include "hash_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "hash_md5_steps.h"

#define NI_FN     __attribute__((target("sha,sse4.1,ssse3")))
#define NI_INLINE __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline

bool hash_sha_ni(void)
{
    /* CPUID leaf 7, EBX bit 29; gcc 12 has no name for it in __builtin_cpu_supports() */
    uint32_t eax = 7, ebx = 0, ecx = 0, edx = 0;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (ebx >> 29 & 1) != 0 && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

/* ---- SHA-256 ---- */

struct ni_sha {
    __m128i abef, cdgh, abef_before, cdgh_before;
    __m128i m[4];
    const uint8_t *data;
};

NI_INLINE __m128i ni_load(const void *p)
{
    return _mm_loadu_si128(p);
}

NI_INLINE void ni_sha_begin(struct ni_sha *s, const uint32_t words[SHA256_WORDS], const uint8_t *data)
{
    __m128i badc = _mm_shuffle_epi32(ni_load(words), 0xb1), hgfe = _mm_shuffle_epi32(ni_load(words + 4), 0x1b);
    s->abef = _mm_alignr_epi8(badc, hgfe, 8);
    s->cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
    s->data = data;
}

NI_INLINE void ni_sha_end(const struct ni_sha *s, uint32_t words[SHA256_WORDS])
{
    __m128i feba = _mm_shuffle_epi32(s->abef, 0x1b), dchg = _mm_shuffle_epi32(s->cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)words, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(words + 4), _mm_alignr_epi8(dchg, feba, 8));
}

NI_INLINE void ni_sha_block_begin(struct ni_sha *s)
{
    s->abef_before = s->abef;
    s->cdgh_before = s->cdgh;
}

/* Rounds 4 n .. 4 n + 3 of the block; m[n % 4] gets their words. */
NI_INLINE void ni_sha_rounds(struct ni_sha *s, unsigned n)
{
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i *m = s->m;
    if (n < 4) {
        m[n % 4] = _mm_shuffle_epi8(ni_load(s->data + (size_t)16 * n), order);
    } else {
        __m128i w = _mm_sha256msg1_epu32(m[n % 4], m[(n + 1) % 4]);
        w = _mm_add_epi32(w, _mm_alignr_epi8(m[(n + 3) % 4], m[(n + 2) % 4], 4));
        m[n % 4] = _mm_sha256msg2_epu32(w, m[(n + 3) % 4]);
    }
    __m128i wk = _mm_add_epi32(m[n % 4], ni_load(sha256_k + (size_t)4 * n));
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

NI_INLINE void ni_sha_block_end(struct ni_sha *s)
{
    s->abef = _mm_add_epi32(s->abef, s->abef_before);
    s->cdgh = _mm_add_epi32(s->cdgh, s->cdgh_before);
    s->data += HASH_BLOCK_BYTES;
}

#define NI_SIXTEEN(ROUNDS)                                                                                             \
    ROUNDS(0)                                                                                                          \
    ROUNDS(1)                                                                                                          \
    ROUNDS(2)                                                                                                          \
    ROUNDS(3)                                                                                                          \
    ROUNDS(4)                                                                                                          \
    ROUNDS(5)                                                                                                          \
    ROUNDS(6)                                                                                                          \
    ROUNDS(7)                                                                                                          \
    ROUNDS(8)                                                                                                          \
    ROUNDS(9)                                                                                                          \
    ROUNDS(10)                                                                                                         \
    ROUNDS(11)                                                                                                         \
    ROUNDS(12)                                                                                                         \
    ROUNDS(13)                                                                                                         \
    ROUNDS(14)                                                                                                         \
    ROUNDS(15)

#define NI_ROUNDS_1(n) ni_sha_rounds(&s0, n);
#define NI_ROUNDS_2(n)                                                                                                 \
    ni_sha_rounds(&s0, n);                                                                                             \
    ni_sha_rounds(&s1, n);

NI_FN void sha256_blocks_ni(uint32_t *const *words, const uint8_t *const *data, unsigned count, size_t blocks)
{
    struct ni_sha s0, s1;
    ni_sha_begin(&s0, words[0], data[0]);
    if (count == 1) {
        for (; blocks > 0; blocks--) {
            ni_sha_block_begin(&s0);
            NI_SIXTEEN(NI_ROUNDS_1)
            ni_sha_block_end(&s0);
        }
        ni_sha_end(&s0, words[0]);
        return;
    }
    ni_sha_begin(&s1, words[1], data[1]);
    for (; blocks > 0; blocks--) {
        ni_sha_block_begin(&s0);
        ni_sha_block_begin(&s1);
        NI_SIXTEEN(NI_ROUNDS_2)
        ni_sha_block_end(&s0);
        ni_sha_block_end(&s1);
    }
    ni_sha_end(&s0, words[0]);
    ni_sha_end(&s1, words[1]);
}

/* ---- MD5 and SHA-256 ---- */

struct ni_md5 {
    uint32_t a, b, c, d;
    uint32_t a_before, b_before, c_before, d_before;
    const uint8_t *data;
};

NI_INLINE struct ni_md5 ni_md5_begin(const uint32_t words[MD5_WORDS], const uint8_t *data)
{
    return (struct ni_md5){.a = words[0], .b = words[1], .c = words[2], .d = words[3], .data = data};
}

NI_INLINE void ni_md5_end(const struct ni_md5 *s, uint32_t words[MD5_WORDS])
{
    words[0] = s->a;
    words[1] = s->b;
    words[2] = s->c;
    words[3] = s->d;
}

NI_INLINE void ni_md5_block_begin(struct ni_md5 *s)
{
    s->a_before = s->a;
    s->b_before = s->b;
    s->c_before = s->c;
    s->d_before = s->d;
}

NI_INLINE void ni_md5_block_end(struct ni_md5 *s)
{
    s->a += s->a_before;
    s->b += s->b_before;
    s->c += s->c_before;
    s->d += s->d_before;
    s->data += HASH_BLOCK_BYTES;
}

NI_INLINE uint32_t ni_rotate_left(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

/* x86 reads little-endian words as they lie. */
NI_INLINE uint32_t ni_word(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#define NI_MD5_F(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define NI_MD5_G(b, c, d) (((d) & (b)) + (~(d) & (c)))
#define NI_MD5_H(b, c, d) ((b) ^ ((c) ^ (d)))
#define NI_MD5_I(b, c, d) ((c) ^ ((b) | ~(d)))
/* Its arguments are variables. NOLINTBEGIN(bugprone-macro-parentheses) */
#define NI_MD5_STEP_OF(s, f, a, b, c, d, word, rotation, constant)                                                     \
    s.a = s.b + ni_rotate_left(s.a + (constant + ni_word(s.data + 4 * word)) + NI_MD5_##f(s.b, s.c, s.d), rotation);
/* NOLINTEND(bugprone-macro-parentheses) */
#define NI_MD5_STEP_1(...) NI_MD5_STEP_OF(p0, __VA_ARGS__)
#define NI_MD5_STEP_2(...) NI_MD5_STEP_OF(p0, __VA_ARGS__) NI_MD5_STEP_OF(p1, __VA_ARGS__)

NI_FN static void md5_sha256_one(struct hash_pair *pair, size_t blocks)
{
    struct ni_md5 p0 = ni_md5_begin(pair->md5, pair->md5_data);
    struct ni_sha s0;
    ni_sha_begin(&s0, pair->sha256, pair->sha256_data);
    for (; blocks > 0; blocks--) {
        ni_md5_block_begin(&p0);
        ni_sha_block_begin(&s0);
        MD5_STEPS(NI_MD5_STEP_1, NI_ROUNDS_1)
        ni_md5_block_end(&p0);
        ni_sha_block_end(&s0);
    }
    ni_md5_end(&p0, pair->md5);
    ni_sha_end(&s0, pair->sha256);
}

NI_FN static void md5_sha256_two(struct hash_pair pairs[2], size_t blocks)
{
    struct ni_md5 p0 = ni_md5_begin(pairs[0].md5, pairs[0].md5_data);
    struct ni_md5 p1 = ni_md5_begin(pairs[1].md5, pairs[1].md5_data);
    struct ni_sha s0, s1;
    ni_sha_begin(&s0, pairs[0].sha256, pairs[0].sha256_data);
    ni_sha_begin(&s1, pairs[1].sha256, pairs[1].sha256_data);
    for (; blocks > 0; blocks--) {
        ni_md5_block_begin(&p0);
        ni_md5_block_begin(&p1);
        ni_sha_block_begin(&s0);
        ni_sha_block_begin(&s1);
        MD5_STEPS(NI_MD5_STEP_2, NI_ROUNDS_2)
        ni_md5_block_end(&p0);
        ni_md5_block_end(&p1);
        ni_sha_block_end(&s0);
        ni_sha_block_end(&s1);
    }
    ni_md5_end(&p0, pairs[0].md5);
    ni_md5_end(&p1, pairs[1].md5);
    ni_sha_end(&s0, pairs[0].sha256);
    ni_sha_end(&s1, pairs[1].sha256);
}

void md5_sha256_blocks_ni(struct hash_pair *pairs, unsigned count, size_t blocks)
{
    if (count == 1)
        md5_sha256_one(pairs, blocks);
    else
        md5_sha256_two(pairs, blocks);
}
#else
bool hash_sha_ni(void)
{
    return false;
}

void sha256_blocks_ni(uint32_t *const *words, const uint8_t *const *data, unsigned count, size_t blocks)
{
    for (unsigned i = 0; i < count; i++)
        sha256_blocks(words[i], data[i], blocks);
}

void md5_sha256_blocks_ni(struct hash_pair *pairs, unsigned count, size_t blocks)
{
    for (unsigned i = 0; i < count; i++) {
        md5_blocks(pairs[i].md5, pairs[i].md5_data, blocks);
        sha256_blocks(pairs[i].sha256, pairs[i].sha256_data, blocks);
    }
}
#endif
