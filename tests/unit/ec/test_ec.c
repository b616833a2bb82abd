/*
 * The erasure code against an implementation written here from the definition alone (field, matrix, sums), and its own
 * inverse under erasures.
 */
#include "ec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define UNITS_MAX 40
#define LEN_MAX   8193

/* Product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), bit by bit. */
static uint8_t naive_mul(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    unsigned shifted = a;
    for (unsigned bit = 0; bit < 8; bit++) {
        if (b >> bit & 1)
            product ^= shifted;
        shifted <<= 1;
        if (shifted & 0x100)
            shifted ^= 0x11d;
    }
    return (uint8_t)product;
}

static uint8_t naive_inverse(uint8_t a)
{
    for (unsigned b = 1; b < 256; b++)
        if (naive_mul(a, (uint8_t)b) == 1)
            return (uint8_t)b;
    fail();
    return 0;
}

static uint32_t seed;

static uint8_t random_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

struct units {
    uint8_t *unit[UNITS_MAX]; /* exact allocations: ASan sees one byte too far */
    unsigned count;
};

static void units_init(struct units *u, unsigned count, size_t len)
{
    u->count = count;
    for (unsigned i = 0; i < count; i++) {
        u->unit[i] = malloc(len ? len : 1);
        assert_non_null(u->unit[i]);
        for (size_t j = 0; j < len; j++)
            u->unit[i][j] = random_byte();
    }
}

static void units_fini(struct units *u)
{
    for (unsigned i = 0; i < u->count; i++)
        free(u->unit[i]);
}

static void check_parity(unsigned k, unsigned m, size_t len)
{
    struct ec *ec;
    assert_int_equal(ec_new(k, m, &ec), DOL_OK);
    struct units u;
    units_init(&u, k + m, len);
    ec_encode(ec, (const uint8_t *const *)u.unit, u.unit + k, len);
    for (unsigned p = 0; p < m; p++) {
        uint8_t row[UNITS_MAX];
        for (unsigned j = 0; j < k; j++)
            row[j] = naive_inverse((uint8_t)((k + p) ^ j));
        for (size_t i = 0; i < len; i++) {
            uint8_t sum = 0;
            for (unsigned j = 0; j < k; j++)
                sum ^= naive_mul(row[j], u.unit[j][i]);
            assert_int_equal(u.unit[k + p][i], sum);
        }
    }
    units_fini(&u);
    ec_free(ec);
}

static void test_parity_is_the_definition(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        check_parity(4, 2, lens[i]);
        check_parity(1, 1, lens[i]);
    }
    for (unsigned k = 1; k <= 32; k++)
        for (unsigned m = 0; m <= 8; m++)
            check_parity(k, m, 67);
}

static void check_erasure(const struct ec *ec, unsigned k, unsigned m, uint64_t erased, size_t len)
{
    struct units good;
    struct units tried;
    units_init(&good, k + m, len);
    ec_encode(ec, (const uint8_t *const *)good.unit, good.unit + k, len);
    units_init(&tried, k + m, len);
    bool present[UNITS_MAX];
    unsigned bad[UNITS_MAX];
    unsigned bad_count = 0;
    for (unsigned i = 0; i < k + m; i++) {
        present[i] = (erased >> i & 1) == 0;
        if (present[i])
            memcpy(tried.unit[i], good.unit[i], len);
        else
            bad[bad_count++] = i;
    }
    assert_int_equal(ec_reconstruct(ec, tried.unit, present, bad, bad_count, len), DOL_OK);
    for (unsigned i = 0; i < k + m; i++)
        assert_memory_equal(tried.unit[i], good.unit[i], len ? len : 0);
    units_fini(&good);
    units_fini(&tried);
}

/* Every subset of up to m units of every small geometry. */
static void test_every_erasure_is_undone(void **state)
{
    (void)state;
    static const unsigned geometries[][2] = {{1, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 3}, {4, 2}, {8, 3}};
    for (size_t g = 0; g < sizeof geometries / sizeof geometries[0]; g++) {
        unsigned k = geometries[g][0];
        unsigned m = geometries[g][1];
        struct ec *ec;
        assert_int_equal(ec_new(k, m, &ec), DOL_OK);
        unsigned patterns = 0;
        for (uint64_t erased = 0; erased < UINT64_C(1) << (k + m); erased++) {
            if ((unsigned)__builtin_popcountll(erased) <= m) {
                check_erasure(ec, k, m, erased, 97);
                patterns++;
            }
        }
        if (k == 8)
            assert_int_equal(patterns, 232);
        ec_free(ec);
    }
}

static void test_wide_geometry(void **state)
{
    (void)state;
    struct ec *ec;
    assert_int_equal(ec_new(32, 8, &ec), DOL_OK);
    check_erasure(ec, 32, 8, 0xff, 4096);
    check_erasure(ec, 32, 8, UINT64_C(0xff) << 32, 4097);
    check_erasure(ec, 32, 8, UINT64_C(0x5500aa0000), 4095);
    check_erasure(ec, 32, 8, 1, LEN_MAX);
    ec_free(ec);
}

/* Units that are absent but not asked for stay untouched; inputs are never written. */
static void test_reconstructs_only_what_is_asked(void **state)
{
    (void)state;
    struct ec *ec;
    assert_int_equal(ec_new(4, 2, &ec), DOL_OK);
    struct units u;
    units_init(&u, 6, 4096);
    ec_encode(ec, (const uint8_t *const *)u.unit, u.unit + 4, 4096);
    uint8_t wanted[4096];
    memcpy(wanted, u.unit[1], sizeof wanted);
    memset(u.unit[1], 0x11, 4096);
    memset(u.unit[5], 0x22, 4096);
    bool present[6] = {true, false, true, true, true, false};
    unsigned bad[1] = {1};
    assert_int_equal(ec_reconstruct(ec, u.unit, present, bad, 1, 4096), DOL_OK);
    assert_memory_equal(u.unit[1], wanted, 4096);
    for (size_t i = 0; i < 4096; i++)
        assert_int_equal(u.unit[5][i], 0x22);
    units_fini(&u);
    ec_free(ec);
}

static void test_too_few_units(void **state)
{
    (void)state;
    struct ec *ec;
    assert_int_equal(ec_new(4, 2, &ec), DOL_OK);
    struct units u;
    units_init(&u, 6, 64);
    bool present[6] = {true, true, true, false, false, false};
    unsigned bad[3] = {3, 4, 5};
    uint8_t before[64];
    memcpy(before, u.unit[3], sizeof before);
    assert_int_equal(ec_reconstruct(ec, u.unit, present, bad, 3, 64), DOL_EINCOMPLETE);
    assert_memory_equal(u.unit[3], before, 64);
    units_fini(&u);
    ec_free(ec);
}

static void test_impossible_geometries(void **state)
{
    (void)state;
    struct ec *ec;
    assert_int_equal(ec_new(0, 1, &ec), DOL_EINVAL);
    assert_null(ec);
    assert_int_equal(ec_new(33, 1, &ec), DOL_EINVAL);
    assert_int_equal(ec_new(1, 9, &ec), DOL_EINVAL);
    ec_free(NULL);
}

static void test_selftest_passes(void **state)
{
    (void)state;
    static const unsigned geometries[][2] = {{1, 0}, {1, 1}, {2, 1}, {4, 2}, {8, 3}, {32, 1}, {32, 8}};
    for (size_t g = 0; g < sizeof geometries / sizeof geometries[0]; g++) {
        struct ec *ec;
        assert_int_equal(ec_new(geometries[g][0], geometries[g][1], &ec), DOL_OK);
        assert_int_equal(ec_selftest(ec), DOL_OK);
        ec_free(ec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity_is_the_definition),
        cmocka_unit_test(test_every_erasure_is_undone),
        cmocka_unit_test(test_wide_geometry),
        cmocka_unit_test(test_reconstructs_only_what_is_asked),
        cmocka_unit_test(test_too_few_units),
        cmocka_unit_test(test_impossible_geometries),
        cmocka_unit_test(test_selftest_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
