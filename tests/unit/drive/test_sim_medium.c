/* Simulated media by themselves: sparse content, raw access across pages, comparison. */
#include "drive_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define TIB ((uint64_t)1 << 40)

static void test_untouched_media_are_zero(void **state)
{
    (void)state;
    struct sim_medium *m = sim_medium_new(TIB + 4095, "huge");
    uint8_t buf[10000];
    memset(buf, 1, sizeof buf);
    sim_medium_peek(m, TIB - sizeof buf, buf, sizeof buf);
    for (size_t i = 0; i < sizeof buf; i++)
        assert_int_equal(buf[i], 0);
    sim_medium_free(m);
    sim_medium_free(NULL);
}

static void test_poke_and_peek_cross_pages(void **state)
{
    (void)state;
    struct sim_medium *m = sim_medium_new((uint64_t)8 << 20, "m");
    uint8_t in[9000];
    uint8_t out[9002];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i % 251 + 1);
    /* over the border of two 2 MiB folders, unaligned at both ends */
    uint64_t offset = ((uint64_t)2 << 20) - 4099;
    sim_medium_poke(m, offset, in, sizeof in);
    sim_medium_peek(m, offset - 1, out, sizeof out);
    assert_int_equal(out[0], 0);
    assert_memory_equal(out + 1, in, sizeof in);
    assert_int_equal(out[9001], 0);
    sim_medium_free(m);
}

static void test_flip_and_erase(void **state)
{
    (void)state;
    struct sim_medium *m = sim_medium_new((uint64_t)1 << 20, "m");
    uint8_t buf[12288];
    memset(buf, 0x55, sizeof buf);
    sim_medium_poke(m, 0, buf, sizeof buf);
    sim_medium_flip(m, 5000, 0x0f);
    sim_medium_flip(m, 900000, 0x80);
    sim_medium_erase(m, 4000, 200);
    sim_medium_peek(m, 0, buf, sizeof buf);
    for (size_t i = 0; i < sizeof buf; i++)
        assert_int_equal(buf[i], i >= 4000 && i < 4200 ? 0 : i == 5000 ? 0x5a : 0x55);
    sim_medium_peek(m, 900000, buf, 1);
    assert_int_equal(buf[0], 0x80);
    sim_medium_free(m);
}

static void test_clone_and_equal(void **state)
{
    (void)state;
    struct sim_medium *a = sim_medium_new((uint64_t)4 << 20, "a");
    struct sim_medium *other_size = sim_medium_new((uint64_t)5 << 20, "a");
    assert_false(sim_medium_equal(a, other_size));
    sim_medium_poke(a, 3000000, "dolmen", 6);
    struct sim_medium *b = sim_medium_clone(a);
    assert_true(sim_medium_equal(a, b));
    assert_true(sim_medium_equal(b, a));
    sim_medium_flip(b, ((uint64_t)4 << 20) - 1, 1);
    assert_false(sim_medium_equal(a, b));
    assert_false(sim_medium_equal(b, a));
    sim_medium_flip(b, ((uint64_t)4 << 20) - 1, 1);
    sim_medium_flip(b, 10, 1);
    assert_false(sim_medium_equal(a, b));
    assert_false(sim_medium_equal(b, a));
    sim_medium_flip(b, 10, 1);
    /* a page of zeroes equals one never written */
    assert_true(sim_medium_equal(a, b));
    sim_medium_free(a);
    sim_medium_free(b);
    sim_medium_free(other_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched_media_are_zero),
        cmocka_unit_test(test_poke_and_peek_cross_pages),
        cmocka_unit_test(test_flip_and_erase),
        cmocka_unit_test(test_clone_and_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
