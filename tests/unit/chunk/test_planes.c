/* Planes: the same bytes as one by one, at every length and alignment, and back. */
#include "planes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 42;

static uint64_t random_u64(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

enum content { EQUAL, RAMP, NOISE, CONTENTS };

static uint8_t content_byte(enum content content, size_t i)
{
    if (content == EQUAL)
        return 0xa5;
    return content == RAMP ? (uint8_t)(i % 2 == 0 ? 3 * i : i >> 7) : (uint8_t)(random_u64() >> 56);
}

/* As docs/format.md, 9.1 has it. */
static uint8_t plane_byte(const uint8_t *plain, size_t len, size_t i)
{
    size_t even = (len + 1) / 2;
    size_t at = i < even ? 2 * i : 2 * (i - even) + 1;
    return (uint8_t)(plain[at] - (at < 2 ? 0 : plain[at - 2]));
}

/* In memory of exactly that length behind `skew` bytes, so that ASan sees one byte too far. */
static void check(enum content content, size_t len, size_t skew)
{
    uint8_t *plain = malloc(skew + len);
    uint8_t *planes = malloc(skew + len);
    uint8_t *back = malloc(skew + len);
    assert_true(plain != NULL && planes != NULL && back != NULL);
    for (size_t i = 0; i < len; i++)
        plain[skew + i] = content_byte(content, i);
    planes_split(plain + skew, len, planes + skew);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(planes[skew + i], plane_byte(plain + skew, len, i));
    planes_join(planes + skew, len, back + skew);
    assert_memory_equal(back + skew, plain + skew, len);
    free(plain);
    free(planes);
    free(back);
}

static void test_short(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 140; len++)
        for (enum content content = 0; content < CONTENTS; content++)
            for (size_t skew = 0; skew < 4; skew++)
                check(content, len, skew + 1);
}

static void test_long(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++)
        check((enum content)(i % CONTENTS), (size_t)(random_u64() % 70000), 1 + i % 16);
    check(NOISE, 1u << 20, 1);
    check(NOISE, (1u << 20) - 1, 1);
}

/* The example of docs/format.md. */
static void test_document(void **state)
{
    (void)state;
    static const uint8_t plain[7] = {0x10, 0x01, 0x12, 0x01, 0x10, 0x00, 0x01};
    static const uint8_t expected[7] = {0x10, 0x02, 0xfe, 0xf1, 0x01, 0x00, 0xff};
    uint8_t planes[7];
    planes_split(plain, sizeof plain, planes);
    assert_memory_equal(planes, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
