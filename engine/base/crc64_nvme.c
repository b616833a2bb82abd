/*
 * CRC-64/NVME: reflected, polynomial 0xad93d23594c93659, initial and final complement.
 *
 * On x86-64 with PCLMULQDQ, 64 bytes at a time are folded in four lanes ("Fast CRC Computation for Generic Polynomials
 * Using PCLMULQDQ Instruction", Intel 2009); the last 16 bytes of the fold and what is left go through the tables,
 * which also serve other processors, eight bytes a step. With AVX-512 and VPCLMULQDQ it is 256 bytes at a time, in
 * sixteen lanes, which are then folded into the four.
 */
#include "hash.h"
#include "le.h"

#define POLY 0x9a6c9329ac4bc9b5ull

static uint64_t table[8][256];

/* Before main(): no caller has to wait for it or lock. */
__attribute__((constructor)) static void make_tables(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLY : 0);
        table[0][i] = crc;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned i = 0; i < 256; i++)
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
}

/* Without the complements. */
static uint64_t update_by_table(uint64_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        struct le64 word;
        memcpy(&word, p, sizeof word);
        crc ^= le64_get(word);
        uint64_t next = 0;
        for (unsigned k = 0; k < 8; k++)
            next ^= table[7 - k][crc >> (8 * k) & 0xff];
        crc = next;
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
    return crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define FOLD           __attribute__((target("pclmul,sse4.1")))
#define FOLD_BYTES_MIN 128u
#define WIDE           __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.1")))
#define WIDE_BYTES_MIN 1024u

/* x^(n+63) and x^(n-1) modulo P, reflected, for a fold over n bits. */
static const uint64_t fold_2048[2] = {0x37ccd3e14069cabcull, 0xa043808c0f782663ull};
static const uint64_t fold_512[2] = {0x0c32cdb31e18a84aull, 0x62242240ace5045aull};
static const uint64_t fold_128[2] = {0xeadc41fd2ba3d420ull, 0x21e9761e252621acull};

FOLD static inline __m128i load(const void *p)
{
    return _mm_loadu_si128(p);
}

FOLD static inline __m128i fold(__m128i x, __m128i k, __m128i next)
{
    __m128i lo = _mm_clmulepi64_si128(x, k, 0x00);
    __m128i hi = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(lo, hi), next);
}

/* Takes the 64 bytes at `head`, which the register has been added to, and then len bytes at p. */
FOLD static uint64_t fold_four(const uint8_t *head, const uint8_t *p, size_t len)
{
    __m128i k512 = load(fold_512), k128 = load(fold_128);
    __m128i a = load(head), b = load(head + 16), c = load(head + 32), d = load(head + 48);
    for (; len >= 64; p += 64, len -= 64) {
        a = fold(a, k512, load(p));
        b = fold(b, k512, load(p + 16));
        c = fold(c, k512, load(p + 32));
        d = fold(d, k512, load(p + 48));
    }
    a = fold(fold(fold(a, k128, b), k128, c), k128, d);
    for (; len >= 16; p += 16, len -= 16)
        a = fold(a, k128, load(p));
    uint8_t rest[16];
    _mm_storeu_si128((__m128i *)(void *)rest, a);
    return update_by_table(update_by_table(0, rest, sizeof rest), p, len);
}

/* len >= 64. */
FOLD static uint64_t update_by_folding(uint64_t crc, const uint8_t *p, size_t len)
{
    uint8_t head[64];
    memcpy(head, p, sizeof head);
    _mm_storeu_si128((__m128i *)(void *)head, _mm_xor_si128(load(head), _mm_cvtsi64_si128((long long)crc)));
    return fold_four(head, p + 64, len - 64);
}

WIDE static inline __m512i fold_wide(__m512i x, __m512i k, __m512i next)
{
    __m512i lo = _mm512_clmulepi64_epi128(x, k, 0x00);
    __m512i hi = _mm512_clmulepi64_epi128(x, k, 0x11);
    return _mm512_ternarylogic_epi64(lo, hi, next, 0x96);
}

/* len >= 256. */
WIDE static uint64_t update_by_wide_folding(uint64_t crc, const uint8_t *p, size_t len)
{
    __m512i k2048 = _mm512_broadcast_i32x4(load(fold_2048)), k512 = _mm512_broadcast_i32x4(load(fold_512));
    __m512i start = _mm512_zextsi128_si512(_mm_cvtsi64_si128((long long)crc));
    __m512i a = _mm512_xor_si512(_mm512_loadu_si512(p), start);
    __m512i b = _mm512_loadu_si512(p + 64), c = _mm512_loadu_si512(p + 128), d = _mm512_loadu_si512(p + 192);
    p += 256;
    len -= 256;
    for (; len >= 256; p += 256, len -= 256) {
        a = fold_wide(a, k2048, _mm512_loadu_si512(p));
        b = fold_wide(b, k2048, _mm512_loadu_si512(p + 64));
        c = fold_wide(c, k2048, _mm512_loadu_si512(p + 128));
        d = fold_wide(d, k2048, _mm512_loadu_si512(p + 192));
    }
    a = fold_wide(fold_wide(fold_wide(a, k512, b), k512, c), k512, d);
    uint8_t head[64];
    _mm512_storeu_si512(head, a);
    return fold_four(head, p, len);
}

static uint64_t update(uint64_t crc, const uint8_t *p, size_t len)
{
    bool folds = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    bool folds_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
    if (len >= WIDE_BYTES_MIN && folds && folds_wide)
        return update_by_wide_folding(crc, p, len);
    if (len >= FOLD_BYTES_MIN && folds)
        return update_by_folding(crc, p, len);
    return update_by_table(crc, p, len);
}
#else
static uint64_t update(uint64_t crc, const uint8_t *p, size_t len)
{
    return update_by_table(crc, p, len);
}
#endif

uint64_t crc64_nvme(uint64_t crc, const void *data, size_t len)
{
    return ~update(~crc, data, len);
}
