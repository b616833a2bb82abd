/* Digests, MACs, key derivation and checksums against published vectors. */
#include "hash.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_hex(const void *data, size_t len, const char *expected)
{
    char text[257];
    assert_in_range(len, 0, 128);
    hex_encode(data, len, text);
    assert_string_equal(text, expected);
}

/* FIPS 180-2 appendix B, and the empty message. */
static void test_sha256(void **state)
{
    (void)state;
    struct sha256 d = sha256_of("", 0);
    assert_hex(d.b, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    d = sha256_of("abc", 3);
    assert_hex(d.b, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    d = sha256_of(two_blocks, 56);
    assert_hex(d.b, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    struct bytes parts[] = {{two_blocks, 10}, {NULL, 0}, {two_blocks + 10, 46}};
    d = sha256_of_parts(parts, 3);
    assert_hex(d.b, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 1321 appendix A.5 and FIPS 180-2 appendix A; a finished stream starts anew. */
static void test_streams(void **state)
{
    (void)state;
    static const struct {
        enum hash_alg alg;
        const char *abc;
        const char *empty;
    } cases[] = {
        {HASH_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {HASH_MD5, "900150983cd24fb0d6963f7d28e17f72", "d41d8cd98f00b204e9800998ecf8427e"},
        {HASH_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[HASH_BYTES_MAX];
        size_t n = hash_bytes(cases[i].alg);
        struct hash_stream *h = hash_stream_new(cases[i].alg);
        assert_non_null(h);
        hash_stream_update(h, "a", 1);
        hash_stream_update(h, NULL, 0);
        hash_stream_update(h, "bc", 2);
        hash_stream_final(h, out);
        assert_hex(out, n, cases[i].abc);
        hash_stream_final(h, out);
        assert_hex(out, n, cases[i].empty);
        hash_stream_update(h, "forgotten", 9);
        hash_stream_reset(h);
        hash_stream_update(h, "abc", 3);
        hash_stream_final(h, out);
        assert_hex(out, n, cases[i].abc);
        hash_stream_free(h);
    }
    hash_stream_free(NULL);
}

/* RFC 4231 test cases 1, 2, 3 and 6; the empty key by RFC 2104's definition. */
static void test_hmac_sha256(void **state)
{
    (void)state;
    uint8_t key[131];
    uint8_t data[50];
    uint8_t out[32];
    memset(key, 0x0b, 20);
    hmac_sha256(bytes_of(key, 20), bytes_of("Hi There", 8), out);
    assert_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(bytes_of("Jefe", 4), bytes_of("what do ya want for nothing?", 28), out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    hmac_sha256(bytes_of(key, 20), bytes_of(data, sizeof data), out);
    assert_hex(out, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    hmac_sha256(bytes_of(key, sizeof key), bytes_of("Test Using Larger Than Block-Size Key - Hash Key First", 54), out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(bytes_of(NULL, 0), bytes_of(NULL, 0), out);
    assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869 appendix A.1, A.2 and A.3. */
static void test_hkdf_sha256(void **state)
{
    (void)state;
    uint8_t ikm[80];
    uint8_t salt[80];
    uint8_t info[80];
    uint8_t out[82];
    memset(ikm, 0x0b, 22);
    for (unsigned i = 0; i < 80; i++)
        salt[i] = (uint8_t)i;
    for (unsigned i = 0; i < 10; i++)
        info[i] = (uint8_t)(0xf0 + i);
    hkdf_sha256(bytes_of(ikm, 22), bytes_of(salt, 13), bytes_of(info, 10), out, 42);
    assert_hex(out, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    hkdf_sha256(bytes_of(ikm, 22), bytes_of(NULL, 0), bytes_of(NULL, 0), out, 42);
    assert_hex(out, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    for (unsigned i = 0; i < 80; i++) {
        ikm[i] = (uint8_t)i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    hkdf_sha256(bytes_of(ikm, 80), bytes_of(salt, 80), bytes_of(info, 80), out, 82);
    assert_hex(
        out, 82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f"
        "09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

/* The check value of the CRC catalogue, RFC 3720 appendix B.4, and chaining at every split. */
static void test_crc32c(void **state)
{
    (void)state;
    uint8_t block[32];
    assert_int_equal(crc32c(0, NULL, 0), 0);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    memset(block, 0, sizeof block);
    assert_int_equal(crc32c(0, block, sizeof block), 0x8a9136aa);
    memset(block, 0xff, sizeof block);
    assert_int_equal(crc32c(0, block, sizeof block), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        block[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, block, sizeof block), 0x46dd794e);
    for (unsigned i = 0; i <= 32; i++)
        assert_int_equal(crc32c(crc32c(0, block, i), block + i, 32 - i), 0x46dd794e);
}

static void test_crc32_gzip(void **state)
{
    (void)state;
    assert_int_equal(crc32_gzip(0, NULL, 0), 0);
    assert_int_equal(crc32_gzip(0, "123456789", 9), 0xcbf43926);
    for (unsigned i = 0; i <= 9; i++)
        assert_int_equal(crc32_gzip(crc32_gzip(0, "123456789", i), &"123456789"[i], 9 - i), 0xcbf43926);
}

static uint32_t crc_bitwise(uint32_t polynomial, const uint8_t *data, size_t len)
{
    uint32_t reg = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        reg ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            reg = reg >> 1 ^ (reg & 1 ? polynomial : 0);
    }
    return ~reg;
}

/* ISA-L switches code paths by length and alignment: compare with the definition around each. */
static void test_crc_lengths(void **state)
{
    (void)state;
    static uint8_t data[4100];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 131 + (i >> 8));
    static const size_t lengths[] = {0, 1, 7, 8, 15, 16, 31, 33, 255, 256, 257, 1023, 1024, 1025, 3071, 3072, 4096};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            assert_int_equal(crc32c(0, data + shift, lengths[i]), crc_bitwise(0x82f63b78, data + shift, lengths[i]));
            assert_int_equal(crc32_gzip(0, data + shift, lengths[i]),
                             crc_bitwise(0xedb88320, data + shift, lengths[i]));
        }
    }
}

/* Bit by bit. */
static uint64_t crc64_nvme_slow(uint64_t crc, const uint8_t *data, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x9a6c9329ac4bc9b5ull : 0);
    }
    return ~crc;
}

/* Every way it is computed takes over from another by length. */
static void test_crc64_nvme_lengths(void **state)
{
    (void)state;
    uint8_t data[3000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i * 31 + i / 7);
    for (size_t len = 0; len < sizeof data - 64; len += len < 300 ? 1 : 37)
        assert_true(crc64_nvme(len, data + len % 64, len) == crc64_nvme_slow(len, data + len % 64, len));
}

static void test_crc64_nvme(void **state)
{
    (void)state;
    assert_true(crc64_nvme(0, NULL, 0) == 0);
    assert_true(crc64_nvme(0, "123456789", 9) == 0xae8b14860a799888ull);
    for (size_t i = 0; i <= 9; i++)
        assert_true(crc64_nvme(crc64_nvme(0, "123456789", i), &"123456789"[i], 9 - i) == 0xae8b14860a799888ull);
}

/* Pieces put together against the whole, cut everywhere that matters; and lengths that nobody computes straight. */
static void test_crc_combine(void **state)
{
    (void)state;
    static uint8_t data[70001];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 167 + (i >> 7));
    const size_t cuts[] = {0, 1, 2, 255, 256, 257, 4096, 65535, 65536, 65537, 70000, sizeof data};
    const size_t len = sizeof data;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        size_t n = cuts[i];
        assert_true(crc32c_combine(crc32c(0, data, n), crc32c(0, data + n, len - n), len - n) == crc32c(0, data, len));
        assert_true(crc32_gzip_combine(crc32_gzip(0, data, n), crc32_gzip(0, data + n, len - n), len - n) ==
                    crc32_gzip(0, data, len));
        assert_true(crc64_nvme_combine(crc64_nvme(0, data, n), crc64_nvme(0, data + n, len - n), len - n) ==
                    crc64_nvme(0, data, len));
    }
    /* doubled up to 2^40 times the data, from the left and from the right */
    uint32_t c = crc32c(0, data, len), c_left = c;
    uint64_t n = crc64_nvme(0, data, len), n_left = n;
    for (unsigned i = 0; i < 40; i++) {
        uint64_t bytes = (uint64_t)len << i;
        uint32_t c_once = crc32c_combine(c, c, bytes);
        uint64_t n_once = crc64_nvme_combine(n, n, bytes);
        if (i < 3) { /* the same, a piece at a time */
            for (uint64_t j = 0; j < 1ull << i; j++) {
                c_left = crc32c_combine(c_left, crc32c(0, data, len), len);
                n_left = crc64_nvme_combine(n_left, crc64_nvme(0, data, len), len);
            }
            assert_true(c_left == c_once && n_left == n_once);
        }
        /* (x + x) + x == x + (x + x) */
        assert_true(crc32c_combine(c_once, c, bytes) == crc32c_combine(c, c_once, 2 * bytes));
        assert_true(crc64_nvme_combine(n_once, n, bytes) == crc64_nvme_combine(n, n_once, 2 * bytes));
        c = c_once;
        n = n_once;
    }
}

static void *hash_on_thread(void *arg)
{
    unsigned *bad = arg;
    for (unsigned i = 0; i < 2000; i++) {
        struct sha256 d = sha256_of("abc", 3);
        uint8_t mac[32];
        hmac_sha256(bytes_of("Jefe", 4), bytes_of("what do ya want for nothing?", 28), mac);
        *bad += d.b[0] != 0xba || d.b[31] != 0xad || mac[0] != 0x5b || mac[31] != 0x43;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    unsigned bad[4] = {0};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_on_thread, &bad[i]), 0);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(bad[i], 0);
    }
}

static void test_secret(void **state)
{
    (void)state;
    char secret[8] = "secret!";
    assert_true(secret_equal(secret, "secret!", 8));
    assert_false(secret_equal(secret, "secret?", 8));
    assert_false(secret_equal(secret, "Secret!", 8));
    assert_true(secret_equal(NULL, NULL, 0));
    secret_wipe(secret, sizeof secret);
    assert_memory_equal(secret, "\0\0\0\0\0\0\0\0", 8);
    secret_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),      cmocka_unit_test(test_streams),
        cmocka_unit_test(test_hmac_sha256), cmocka_unit_test(test_hkdf_sha256),
        cmocka_unit_test(test_crc32c),      cmocka_unit_test(test_crc32_gzip),
        cmocka_unit_test(test_crc_lengths), cmocka_unit_test(test_crc64_nvme),
        cmocka_unit_test(test_crc_combine), cmocka_unit_test(test_crc64_nvme_lengths),
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
