/* retention_allows() against a table written out by hand: mode x legal hold x act x right x date. */
#include "retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DESTROY RETENTION_ACT_DESTROY
#define SHORTEN RETENTION_ACT_SHORTEN
#define NONE    RETENTION_RIGHT_NONE
#define BYPASS  RETENTION_RIGHT_BYPASS_GOVERNANCE

/* allowed: for a date that lies one second before now, is now, and lies one second after now. */
static const struct line {
    uint8_t mode, legal_hold;
    enum retention_act act;
    enum retention_right right;
    bool past, now, future;
} table[] = {
    {RETENTION_NONE, 0, DESTROY, NONE, true, true, true},
    {RETENTION_NONE, 0, DESTROY, BYPASS, true, true, true},
    {RETENTION_NONE, 0, SHORTEN, NONE, true, true, true},
    {RETENTION_NONE, 0, SHORTEN, BYPASS, true, true, true},
    {RETENTION_NONE, 1, DESTROY, NONE, false, false, false},
    {RETENTION_NONE, 1, DESTROY, BYPASS, false, false, false},
    {RETENTION_NONE, 1, SHORTEN, NONE, true, true, true},
    {RETENTION_NONE, 1, SHORTEN, BYPASS, true, true, true},

    {RETENTION_GOVERNANCE, 0, DESTROY, NONE, true, true, false},
    {RETENTION_GOVERNANCE, 0, DESTROY, BYPASS, true, true, true},
    {RETENTION_GOVERNANCE, 0, SHORTEN, NONE, true, true, false},
    {RETENTION_GOVERNANCE, 0, SHORTEN, BYPASS, true, true, true},
    {RETENTION_GOVERNANCE, 1, DESTROY, NONE, false, false, false},
    {RETENTION_GOVERNANCE, 1, DESTROY, BYPASS, false, false, false},
    {RETENTION_GOVERNANCE, 1, SHORTEN, NONE, true, true, false},
    {RETENTION_GOVERNANCE, 1, SHORTEN, BYPASS, true, true, true},

    {RETENTION_COMPLIANCE, 0, DESTROY, NONE, true, true, false},
    {RETENTION_COMPLIANCE, 0, DESTROY, BYPASS, true, true, false},
    {RETENTION_COMPLIANCE, 0, SHORTEN, NONE, true, true, false},
    {RETENTION_COMPLIANCE, 0, SHORTEN, BYPASS, true, true, false},
    {RETENTION_COMPLIANCE, 1, DESTROY, NONE, false, false, false},
    {RETENTION_COMPLIANCE, 1, DESTROY, BYPASS, false, false, false},
    {RETENTION_COMPLIANCE, 1, SHORTEN, NONE, true, true, false},
    {RETENTION_COMPLIANCE, 1, SHORTEN, BYPASS, true, true, false},
};

static bool allows(const struct line *l, int64_t until_s, uint64_t now_s)
{
    struct retention r = {.mode = l->mode, .legal_hold = l->legal_hold, .until_s = until_s};
    return retention_allows(&r, l->act, l->right, now_s);
}

static void test_table(void **state)
{
    (void)state;
    /* 1970, 2026, the ends of 31, 32 and 33 bits, the year 2262 (nanoseconds overflow), and far beyond */
    static const int64_t moments[] = {2,         1767225600, INT32_MAX, (int64_t)UINT32_MAX, (int64_t)UINT32_MAX + 1,
                                      1ll << 33, 9223372036, 1ll << 62};
    assert_int_equal(sizeof table / sizeof table[0], 3 * 2 * 2 * 2);
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (unsigned j = 0; j < sizeof moments / sizeof moments[0]; j++) {
            uint64_t now_s = (uint64_t)moments[j];
            assert_int_equal(allows(&table[i], moments[j] - 1, now_s), table[i].past);
            assert_int_equal(allows(&table[i], moments[j], now_s), table[i].now);
            assert_int_equal(allows(&table[i], moments[j] + 1, now_s), table[i].future);
        }
    }
}

/* The ends of the date's range, and dates that are none. */
static void test_dates(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct line *l = &table[i];
        assert_int_equal(allows(l, INT64_MAX, 0), l->future);
        assert_int_equal(allows(l, INT64_MAX, INT64_MAX - 1), l->future);
        assert_int_equal(allows(l, INT64_MAX, INT64_MAX), l->now);
        assert_int_equal(allows(l, INT64_MAX, UINT64_MAX), l->past);
        assert_int_equal(allows(l, 0, 0), l->past);
        assert_int_equal(allows(l, 1, 0), l->future);
        /* a negative date is past, and not a huge one */
        assert_int_equal(allows(l, -1, 0), l->past);
        assert_int_equal(allows(l, INT64_MIN, 1767225600), l->past);
        /* nor does a 64-bit date come out as its low half */
        assert_int_equal(allows(l, 1ll << 32, 1), l->future);
    }
}

/* What an existing protection may become without asking the predicate above: the same mode, the same date or later. */
static void test_weaker(void **state)
{
    (void)state;
    for (unsigned from = RETENTION_NONE; from <= RETENTION_COMPLIANCE; from++)
        for (unsigned to = RETENTION_NONE; to <= RETENTION_COMPLIANCE; to++)
            for (int64_t later = -1; later <= 1; later++)
                for (unsigned holds = 0; holds < 4; holds++) {
                    const struct retention a = {(uint8_t)from, holds & 1, from ? 1ll << 33 : 0};
                    const struct retention b = {(uint8_t)to, (uint8_t)(holds >> 1), to ? (1ll << 33) + later : 0};
                    assert_int_equal(retention_is_weaker(&b, &a), from != RETENTION_NONE && (to != from || later < 0));
                }
}

/* A mode that this program doesn't know protects like the strictest one. */
static void test_unknown_mode(void **state)
{
    (void)state;
    struct retention r = {.mode = 3, .until_s = 100};
    assert_false(retention_allows(&r, DESTROY, BYPASS, 99));
    assert_false(retention_allows(&r, SHORTEN, BYPASS, 99));
    assert_true(retention_allows(&r, DESTROY, NONE, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_unknown_mode),
        cmocka_unit_test(test_weaker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
