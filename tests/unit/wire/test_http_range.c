/* Byte ranges and entity tags. */
#include "http_etag.h"
#include "http_range.h"
#include "wire_test.h"

static void part(const char *value, uint64_t size, uint64_t offset, uint64_t len)
{
    struct http_range r;
    assert_int_equal(http_range_parse(str(value), size, &r), HTTP_RANGE_PART);
    assert_int_equal(r.offset, offset);
    assert_int_equal(r.len, len);
}

static void test_parts(void **state)
{
    (void)state;
    part("bytes=0-0", 10, 0, 1);
    part("bytes=0-9", 10, 0, 10);
    part("bytes=3-5", 10, 3, 3);
    part("bytes=9-9", 10, 9, 1);
    part("bytes=9-", 10, 9, 1);
    part("bytes=0-", 10, 0, 10);
    part("bytes=5-10", 10, 5, 5);
    part("bytes=5-18446744073709551615", 10, 5, 5);
    part("bytes=5-99999999999999999999999999", 10, 5, 5);
    part("bytes=-1", 10, 9, 1);
    part("bytes=-10", 10, 0, 10);
    part("bytes=-11", 10, 0, 10);
    part("bytes=-99999999999999999999", 10, 0, 10);
    part("Bytes= 3-5 ", 10, 3, 3);
    part("bytes=0-", UINT64_MAX, 0, UINT64_MAX);
    part("bytes=18446744073709551614-", UINT64_MAX, UINT64_MAX - 1, 1);
}

static void test_not_parts(void **state)
{
    (void)state;
    static const char *const whole[] = {"",          "bytes",     "bytes=",        "bytes=-",     "bytes=a-b",
                                        "bytes=5",   "bytes=5-4", "bytes=0-1,3-4", "bytes=0--1",  "bytes=1-2x",
                                        "items=0-1", "bytes:0-1", "bytes=+1-2",    "bytes=0x1-2", "bytes=1 -2",
                                        "bytes=--1", "bytes =0-1"};
    static const char *const unsatisfiable[] = {"bytes=10-", "bytes=10-10", "bytes=10-20", "bytes=-0",
                                                "bytes=99999999999999999999-"};
    struct http_range r;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        char *copy = exact_copy(whole[i], strlen(whole[i]));
        assert_int_equal(http_range_parse(bytes_of(copy, strlen(whole[i])), 10, &r), HTTP_RANGE_WHOLE);
        assert_int_equal(r.offset, 0);
        assert_int_equal(r.len, 10);
        free(copy);
    }
    for (size_t i = 0; i < sizeof unsatisfiable / sizeof unsatisfiable[0]; i++)
        assert_int_equal(http_range_parse(str(unsatisfiable[i]), 10, &r), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(http_range_parse(str("bytes=0-"), 0, &r), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(http_range_parse(str("bytes=-1"), 0, &r), HTTP_RANGE_UNSATISFIABLE);
}

static void test_copy_range(void **state)
{
    (void)state;
    struct http_range r;
    assert_true(http_range_parse_copy(str("bytes=2-9"), 10, &r));
    assert_int_equal(r.offset, 2);
    assert_int_equal(r.len, 8);
    static const char *const bad[] = {"bytes=2-10", "bytes=2-", "bytes=-2", "bytes=5-4", "2-9", "", "bytes=0-1,2-3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(http_range_parse_copy(str(bad[i]), 10, &r));
}

static void test_etags(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool strong;
        bool weak;
    } cases[] = {
        {"\"abc-2\"", true, true},
        {"abc-2", true, true},
        {"*", true, true},
        {"W/\"abc-2\"", false, true},
        {"\"x\", \"abc-2\"", true, true},
        {"\"x\",W/\"abc-2\" ,\"y\"", false, true},
        {"x,abc-2", true, true},
        {"\"x,abc-2\"", false, false},
        {"\"abc-2\"\"", true, true},
        {"\"abc-2", true, true},
        {"\"ABC-2\"", false, false},
        {"\"abc-\"", false, false},
        {"\"abc-22\"", false, false},
        {"", false, false},
        {",", false, false},
        {"\"\"", false, false},
        {"\"", false, false},
        {"W/", false, false},
        {"W", false, false},
        {"\"*\"", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].value);
        char *copy = exact_copy(cases[i].value, len);
        struct bytes value = bytes_of(copy, len);
        assert_int_equal(http_etag_matches(value, str("abc-2"), HTTP_ETAG_STRONG), cases[i].strong);
        assert_int_equal(http_etag_matches(value, str("abc-2"), HTTP_ETAG_WEAK), cases[i].weak);
        assert_int_equal(http_etag_is_any(value), strcmp(cases[i].value, "*") == 0);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_not_parts),
        cmocka_unit_test(test_copy_range),
        cmocka_unit_test(test_etags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
