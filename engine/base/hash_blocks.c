/* MD5 streams over whole blocks, and both algorithms in portable C. */
#include "hash_blocks.h"

#include <string.h>

#include "hash_md5_steps.h"
#include "le.h"

static uint32_t rotate_left(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static uint32_t rotate_right(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t le32_load(const uint8_t *p)
{
    struct le32 v;
    memcpy(&v, p, sizeof v);
    return le32_get(v);
}

static uint32_t be32_load(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void be32_store(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* ---- MD5 ---- */

#define MD5_F(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define MD5_G(b, c, d) (((d) & (b)) + (~(d) & (c)))
#define MD5_H(b, c, d) ((b) ^ ((c) ^ (d)))
#define MD5_I(b, c, d) ((c) ^ ((b) | ~(d)))
/* Its arguments are variables. NOLINTBEGIN(bugprone-macro-parentheses) */
#define MD5_STEP(f, a, b, c, d, word, rotation, constant)                                                              \
    a = b + rotate_left(a + (constant + le32_load(data + 4 * word)) + MD5_##f(b, c, d), rotation);
/* NOLINTEND(bugprone-macro-parentheses) */
#define MD5_AFTER(n)

void md5_blocks(uint32_t words[MD5_WORDS], const uint8_t *data, size_t blocks)
{
    uint32_t a = words[0], b = words[1], c = words[2], d = words[3];
    for (; blocks > 0; blocks--, data += HASH_BLOCK_BYTES) {
        uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
        MD5_STEPS(MD5_STEP, MD5_AFTER)
        a += a0;
        b += b0;
        c += c0;
        d += d0;
    }
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}

void md5_init(struct md5 *md5)
{
    *md5 = (struct md5){.words = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u}};
}

void md5_update(struct md5 *md5, const void *data, size_t len)
{
    const uint8_t *from = data;
    size_t held = md5->bytes % HASH_BLOCK_BYTES;
    md5->bytes += len;
    if (held > 0) {
        size_t n = len < HASH_BLOCK_BYTES - held ? len : HASH_BLOCK_BYTES - held;
        if (n > 0)
            memcpy(md5->tail + held, from, n);
        if (held + n < HASH_BLOCK_BYTES)
            return;
        md5_blocks(md5->words, md5->tail, 1);
        from += n;
        len -= n;
    }
    md5_blocks(md5->words, from, len / HASH_BLOCK_BYTES);
    if (len % HASH_BLOCK_BYTES > 0)
        memcpy(md5->tail, from + len / HASH_BLOCK_BYTES * HASH_BLOCK_BYTES, len % HASH_BLOCK_BYTES);
}

void md5_final(struct md5 *md5, uint8_t out[16])
{
    static const uint8_t padding[HASH_BLOCK_BYTES] = {0x80};
    struct le64 bits = le64_of(md5->bytes * 8);
    size_t held = md5->bytes % HASH_BLOCK_BYTES;
    md5_update(md5, padding, (held < 56 ? 56 : 56 + HASH_BLOCK_BYTES) - held);
    md5_update(md5, bits.b, sizeof bits.b);
    for (unsigned i = 0; i < MD5_WORDS; i++) {
        struct le32 word = le32_of(md5->words[i]);
        memcpy(out + 4 * i, word.b, sizeof word.b);
    }
}

/* ---- SHA-256 ---- */

const uint32_t sha256_initial[SHA256_WORDS] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                               0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};

/* clang-format off */
_Alignas(64) const uint32_t sha256_k[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};
/* clang-format on */

void sha256_blocks(uint32_t words[SHA256_WORDS], const uint8_t *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += HASH_BLOCK_BYTES) {
        uint32_t w[64], s[SHA256_WORDS];
        for (unsigned i = 0; i < 16; i++)
            w[i] = be32_load(data + 4 * i);
        for (unsigned i = 16; i < 64; i++) {
            uint32_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + w[i - 7] +
                   (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
        }
        memcpy(s, words, sizeof s);
        for (unsigned i = 0; i < 64; i++) {
            uint32_t a = s[0], e = s[4];
            uint32_t t1 = s[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
                          (s[6] ^ (e & (s[5] ^ s[6]))) + sha256_k[i] + w[i];
            uint32_t t2 =
                (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & s[1]) | (s[2] & (a | s[1])));
            memmove(s + 1, s, 7 * sizeof s[0]);
            s[4] += t1;
            s[0] = t1 + t2;
        }
        for (unsigned i = 0; i < SHA256_WORDS; i++)
            words[i] += s[i];
    }
}

size_t sha256_pad(const uint8_t *rest, uint64_t bytes, uint8_t last[SHA256_LAST_BYTES])
{
    size_t held = bytes % HASH_BLOCK_BYTES;
    size_t blocks = held < 56 ? 1 : 2;
    memset(last, 0, SHA256_LAST_BYTES);
    if (held > 0)
        memcpy(last, rest, held);
    last[held] = 0x80;
    be32_store(last + blocks * HASH_BLOCK_BYTES - 8, (uint32_t)(bytes >> 29));
    be32_store(last + blocks * HASH_BLOCK_BYTES - 4, (uint32_t)(bytes << 3));
    return blocks;
}

void sha256_encode(const uint32_t words[SHA256_WORDS], uint8_t out[32])
{
    for (unsigned i = 0; i < SHA256_WORDS; i++)
        be32_store(out + 4 * i, words[i]);
}
