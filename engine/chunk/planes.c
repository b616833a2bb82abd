/* Planes with SSE2, which every x86-64 has, 16 pairs of bytes at a time; what is left, and other processors, one by
 * one. Both directions take bytes several times faster than zstd gives or takes them. */
#include "planes.h"

/* The kernels begin at pair `i`, of which every earlier one is done, and return the first pair they leave. */

#if defined(__x86_64__)
#include <immintrin.h>

#define KERNEL_PAIRS 16u

static __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const void *)p);
}

static void store(uint8_t *p, __m128i v)
{
    _mm_storeu_si128((void *)p, v);
}

static size_t split_pairs(const uint8_t *plain, size_t pairs, size_t i, uint8_t *even, uint8_t *odd)
{
    const __m128i low = _mm_set1_epi16(0xff);
    for (; i + KERNEL_PAIRS <= pairs; i += KERNEL_PAIRS) {
        const uint8_t *p = plain + 2 * i;
        __m128i a = _mm_sub_epi8(load(p), load(p - 2));
        __m128i b = _mm_sub_epi8(load(p + 16), load(p + 14));
        store(even + i, _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low)));
        store(odd + i, _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8)));
    }
    return i;
}

/* Eight pairs of differences: their sums from the first one on. */
static __m128i sums(__m128i v)
{
    v = _mm_add_epi8(v, _mm_slli_si128(v, 2));
    v = _mm_add_epi8(v, _mm_slli_si128(v, 4));
    return _mm_add_epi8(v, _mm_slli_si128(v, 8));
}

/* The last of eight pairs, eight times. */
static __m128i last_pair(__m128i v)
{
    return _mm_shuffle_epi32(_mm_shufflehi_epi16(v, 0xff), 0xff);
}

static size_t join_pairs(const uint8_t *even, const uint8_t *odd, size_t pairs, size_t i, uint8_t *plain)
{
    __m128i before = _mm_set1_epi16((short)(plain[2 * i - 2] | plain[2 * i - 1] << 8));
    for (; i + KERNEL_PAIRS <= pairs; i += KERNEL_PAIRS) {
        __m128i e = load(even + i);
        __m128i o = load(odd + i);
        __m128i a = _mm_add_epi8(sums(_mm_unpacklo_epi8(e, o)), before);
        before = last_pair(a);
        __m128i b = _mm_add_epi8(sums(_mm_unpackhi_epi8(e, o)), before);
        before = last_pair(b);
        store(plain + 2 * i, a);
        store(plain + 2 * i + 16, b);
    }
    return i;
}

#else

static size_t split_pairs(const uint8_t *plain, size_t pairs, size_t i, uint8_t *even, uint8_t *odd)
{
    (void)plain, (void)pairs, (void)even, (void)odd;
    return i;
}

static size_t join_pairs(const uint8_t *even, const uint8_t *odd, size_t pairs, size_t i, uint8_t *plain)
{
    (void)even, (void)odd, (void)pairs, (void)plain;
    return i;
}

#endif

void planes_split(const uint8_t *plain, size_t len, uint8_t *planes)
{
    uint8_t *even = planes;
    uint8_t *odd = planes + (len + 1) / 2;
    size_t pairs = len / 2;
    if (pairs > 0) {
        even[0] = plain[0];
        odd[0] = plain[1];
        for (size_t i = split_pairs(plain, pairs, 1, even, odd); i < pairs; i++) {
            even[i] = (uint8_t)(plain[2 * i] - plain[2 * i - 2]);
            odd[i] = (uint8_t)(plain[2 * i + 1] - plain[2 * i - 1]);
        }
    }
    if (len % 2 != 0)
        even[pairs] = (uint8_t)(plain[len - 1] - (pairs > 0 ? plain[len - 3] : 0));
}

void planes_join(const uint8_t *planes, size_t len, uint8_t *plain)
{
    const uint8_t *even = planes;
    const uint8_t *odd = planes + (len + 1) / 2;
    size_t pairs = len / 2;
    if (pairs > 0) {
        plain[0] = even[0];
        plain[1] = odd[0];
        for (size_t i = join_pairs(even, odd, pairs, 1, plain); i < pairs; i++) {
            plain[2 * i] = (uint8_t)(plain[2 * i - 2] + even[i]);
            plain[2 * i + 1] = (uint8_t)(plain[2 * i - 1] + odd[i]);
        }
    }
    if (len % 2 != 0)
        plain[len - 1] = (uint8_t)(even[pairs] + (pairs > 0 ? plain[len - 3] : 0));
}
