/* Checksums: names, published values, lengths around the fold, chaining, combination. */
#include "checksum.h"
#include "hash.h"
#include "wire_test.h"

static const enum checksum_alg all[] = {CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME, CHECKSUM_SHA1,
                                        CHECKSUM_SHA256};

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"};
    static const char *const headers[] = {"x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme",
                                          "x-amz-checksum-sha1", "x-amz-checksum-sha256"};
    static const char *const elements[] = {"ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1",
                                           "ChecksumSHA256"};
    static const size_t bytes[] = {4, 4, 8, 20, 32};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(checksum_name(all[i]), names[i]);
        assert_string_equal(checksum_header(all[i]), headers[i]);
        assert_string_equal(checksum_element(all[i]), elements[i]);
        assert_int_equal(checksum_bytes(all[i]), bytes[i]);
        assert_int_equal(checksum_of_name(str(names[i])), all[i]);
        assert_int_equal(checksum_of_header(str(headers[i])), all[i]);
    }
    assert_int_equal(checksum_of_name(str("crc32c")), CHECKSUM_CRC32C);
    assert_int_equal(checksum_of_name(str("")), CHECKSUM_NONE);
    assert_int_equal(checksum_of_name(str("CRC")), CHECKSUM_NONE);
    assert_int_equal(checksum_of_header(str("x-amz-checksum-mode")), CHECKSUM_NONE);
    assert_int_equal(checksum_of_header(str("")), CHECKSUM_NONE);
    assert_string_equal(checksum_name(CHECKSUM_NONE), "");
    enum checksum_type type;
    assert_true(checksum_type_parse(str("COMPOSITE"), &type));
    assert_int_equal(type, CHECKSUM_COMPOSITE);
    assert_true(checksum_type_parse(str("FULL_OBJECT"), &type));
    assert_int_equal(type, CHECKSUM_FULL_OBJECT);
    assert_false(checksum_type_parse(str("FULL"), &type));
    assert_string_equal(checksum_type_name(CHECKSUM_COMPOSITE), "COMPOSITE");
}

static void value_of(enum checksum_alg alg, const void *data, size_t len, struct checksum *sum)
{
    struct checksum_stream s;
    assert_int_equal(checksum_stream_init(&s, alg), DOL_OK);
    checksum_stream_update(&s, data, len);
    checksum_stream_final(&s, sum);
    checksum_stream_fini(&s);
}

static void test_published(void **state)
{
    (void)state;
    /* of "123456789", and of nothing */
    static const char *const check[] = {"y/Q5Jg==", "4waSgw==", "rosUhgp5mIg=", "98O8HYCOBHMq32eZZczDTKeuNEE=",
                                        "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="};
    static const char *const empty[] = {"AAAAAA==", "AAAAAA==", "AAAAAAAAAAA=", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
                                        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};
    assert_true(crc64_nvme(0, "123456789", 9) == 0xae8b14860a799888ull);
    for (size_t i = 0; i < 5; i++) {
        struct checksum sum, parsed;
        char text[CHECKSUM_TEXT_MAX];
        value_of(all[i], "123456789", 9, &sum);
        checksum_format(&sum, text);
        assert_string_equal(text, check[i]);
        assert_true(checksum_parse(all[i], str(text), &parsed));
        assert_true(checksum_equal(&sum, &parsed));
        value_of(all[i], NULL, 0, &sum);
        checksum_format(&sum, text);
        assert_string_equal(text, empty[i]);
        assert_false(checksum_equal(&sum, &parsed));
    }
}

static void test_parse_refusals(void **state)
{
    (void)state;
    struct checksum sum;
    static const char *const bad[] = {
        "", "AAAA", "AAAAAA=", "AAAAAA", "AAAAAAA=", "AAAAAB==", "AAAA AA==", "AAAAAA==\n", "AAAAAAAA", "!AAAAA=="};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(checksum_parse(CHECKSUM_CRC32, str(bad[i]), &sum));
    assert_true(checksum_parse(CHECKSUM_CRC32, str("AAAAAA=="), &sum));
    assert_false(checksum_parse(CHECKSUM_NONE, str(""), &sum));
    char longer[128];
    memset(longer, 'A', sizeof longer);
    assert_false(checksum_parse(CHECKSUM_SHA256, bytes_of(longer, sizeof longer), &sum));
    struct checksum a = {.alg = CHECKSUM_CRC32}, b = {.alg = CHECKSUM_CRC32C};
    assert_false(checksum_equal(&a, &b));
}

/* One bit at a time: the definition. */
static uint64_t crc64_by_bits(const uint8_t *p, size_t len)
{
    uint64_t crc = ~0ull;
    for (; len > 0; p++, len--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x9a6c9329ac4bc9b5ull : 0);
    }
    return ~crc;
}

static void fill(uint8_t *data, size_t len)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < len; i++) {
        x = x * 1103515245u + 12345u;
        data[i] = (uint8_t)(x >> 16);
    }
}

static void test_crc64_lengths(void **state)
{
    (void)state;
    static uint8_t data[1200];
    fill(data, sizeof data);
    for (size_t len = 0; len <= 600; len++) {
        uint8_t *copy = exact_copy(data + len % 16, len); /* any alignment, exact end */
        uint64_t expected = crc64_by_bits(copy, len);
        assert_true(crc64_nvme(0, copy, len) == expected);
        size_t cut = len / 3;
        assert_true(crc64_nvme(crc64_nvme(0, copy, cut), copy + cut, len - cut) == expected);
        free(copy);
    }
}

static void test_stream_pieces(void **state)
{
    (void)state;
    static uint8_t data[5000];
    fill(data, sizeof data);
    for (size_t i = 0; i < 5; i++) {
        struct checksum whole, pieces;
        struct checksum_stream s;
        value_of(all[i], data, sizeof data, &whole);
        assert_int_equal(checksum_stream_init(&s, all[i]), DOL_OK);
        for (int round = 0; round < 2; round++) { /* a final starts anew */
            for (size_t at = 0; at < sizeof data; at += 625)
                checksum_stream_update(&s, data + at, 625);
            checksum_stream_final(&s, &pieces);
            assert_true(checksum_equal(&whole, &pieces));
        }
        checksum_stream_fini(&s);
    }
}

static void test_combine(void **state)
{
    (void)state;
    static uint8_t data[4097];
    static const size_t cuts[] = {0, 1, 7, 8, 63, 64, 1000, 4095, 4096, 4097};
    struct checksum a, b, whole, combined;
    fill(data, sizeof data);
    for (size_t i = 0; i < 3; i++) {
        value_of(all[i], data, sizeof data, &whole);
        for (size_t j = 0; j < sizeof cuts / sizeof cuts[0]; j++) {
            value_of(all[i], data, cuts[j], &a);
            value_of(all[i], data + cuts[j], sizeof data - cuts[j], &b);
            assert_int_equal(checksum_combine(&a, &b, sizeof data - cuts[j], &combined), DOL_OK);
            assert_true(checksum_equal(&whole, &combined));
        }
    }
    value_of(CHECKSUM_SHA1, data, 1, &a);
    assert_int_equal(checksum_combine(&a, &a, 1, &combined), DOL_EINVAL);
    value_of(CHECKSUM_CRC32, data, 1, &b);
    assert_int_equal(checksum_combine(&a, &b, 1, &combined), DOL_EINVAL);
    /* far beyond what could be computed byte by byte: 2^60 zero bytes in two ways */
    for (size_t i = 0; i < 3; i++) {
        struct checksum zero, left, right;
        value_of(all[i], "", 1, &zero); /* of one NUL */
        left = zero;
        for (int doubling = 0; doubling < 60; doubling++)
            assert_int_equal(checksum_combine(&left, &left, 1ull << doubling, &left), DOL_OK);
        value_of(all[i], NULL, 0, &right);
        assert_int_equal(checksum_combine(&right, &left, 1ull << 60, &right), DOL_OK);
        assert_true(checksum_equal(&left, &right));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_published),
        cmocka_unit_test(test_parse_refusals), cmocka_unit_test(test_crc64_lengths),
        cmocka_unit_test(test_stream_pieces),  cmocka_unit_test(test_combine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
