/* The arena: alignment, zeroing, the maximum at its border, reuse after a reset. */
#include "arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 8191, 8192, 8193, 100000};
    static const uint8_t zeros[100000];
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 2; round++) {
        uint8_t *seen[9];
        for (size_t i = 0; i < 9; i++) {
            seen[i] = arena_alloc(&a, sizes[i]);
            assert_non_null(seen[i]);
            assert_int_equal((uintptr_t)seen[i] % 16, 0);
            assert_memory_equal(seen[i], zeros, sizes[i]);
            memset(seen[i], (int)(i + 1), sizes[i]);
        }
        for (size_t i = 0; i < 9; i++) {
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(seen[i][k], i + 1);
        }
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
    }
    arena_fini(&a);
}

static void test_maximum(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    assert_null(arena_alloc(&a, 65));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_strndup(&a, "x", SIZE_MAX));
    assert_non_null(arena_alloc(&a, 48));
    assert_null(arena_alloc(&a, 17));
    assert_non_null(arena_alloc(&a, 16));
    assert_null(arena_alloc(&a, 1));
    assert_null(arena_alloc(&a, 0));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 64));
    arena_fini(&a);

    arena_init(&a, 0);
    assert_null(arena_alloc(&a, 0));
    arena_reset(&a);
    arena_fini(&a);
}

static void test_text(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%s-%d", "x", 42), "x-42");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    assert_null(arena_printf(&a, "%5000d", 1));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
