/* What lifecycle rules say: days and midnights, filters, what is kept of noncurrent versions, delete markers. */
#include <dolmen/lifecycle.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DAY_S  86400
#define NS     1000000000ll
#define MID_S  (20000ll * DAY_S) /* a midnight */
#define A_NOON ((MID_S + DAY_S / 2) * NS)

static struct bytes text(const char *s)
{
    return bytes_of(s, strlen(s));
}

static const struct lifecycle_rule blank = {.enabled = true, .size_max = UINT64_MAX};
static const struct lifecycle_version object = {.current = true, .size = 10, .mtime_ns = A_NOON};

static enum lifecycle_act act_at(const struct lifecycle_rule *r, struct lifecycle_version v, int64_t now_s)
{
    const struct lifecycle l = {.rules = r, .rule_count = 1, .now_s = now_s, .day_s = DAY_S};
    v.key = text("logs/a");
    return lifecycle_act_of(&l, &v);
}

/* KEEP until a second before, act from then on. */
static void expect_from(const struct lifecycle_rule *r, struct lifecycle_version v, int64_t due_s,
                        enum lifecycle_act act)
{
    assert_int_equal(act_at(r, v, due_s - 1), LIFECYCLE_KEEP);
    assert_int_equal(act_at(r, v, due_s), act);
    assert_int_equal(act_at(r, v, INT64_MAX), act);
}

static void expect_never(const struct lifecycle_rule *r, struct lifecycle_version v)
{
    assert_int_equal(act_at(r, v, INT64_MAX), LIFECYCLE_KEEP);
}

static void test_days(void **state)
{
    (void)state;
    struct lifecycle_rule r = blank;
    struct lifecycle_version v = object;
    expect_never(&r, v);
    r.expire_days = 1;
    expect_from(&r, v, MID_S + 2 * DAY_S, LIFECYCLE_EXPIRE);
    r.expire_days = 36500;
    expect_from(&r, v, MID_S + 36501ll * DAY_S, LIFECYCLE_EXPIRE);
    r.expire_days = INT32_MAX;
    expect_from(&r, v, MID_S + ((int64_t)INT32_MAX + 1) * DAY_S, LIFECYCLE_EXPIRE);
    r.expire_days = 1;
    v.mtime_ns = MID_S * NS;
    expect_from(&r, v, MID_S + DAY_S, LIFECYCLE_EXPIRE);
    v.mtime_ns++;
    expect_from(&r, v, MID_S + 2 * DAY_S, LIFECYCLE_EXPIRE);
    r.enabled = false;
    expect_never(&r, v);
    r = blank;
    r.expire_date_s = MID_S;
    expect_from(&r, v, MID_S, LIFECYCLE_EXPIRE);
}

static void test_filters(void **state)
{
    (void)state;
    const struct metadata_pair tags[] = {{text("a"), text("1")}, {text("b"), text("2")}};
    const struct metadata_pair other[] = {{text("a"), text("2")}};
    struct lifecycle_rule r = blank;
    struct lifecycle_version v = object;
    r.expire_date_s = 1;
    r.prefix = text("logs/");
    assert_int_equal(act_at(&r, v, 1), LIFECYCLE_EXPIRE);
    r.prefix = text("logs/a");
    assert_int_equal(act_at(&r, v, 1), LIFECYCLE_EXPIRE);
    r.prefix = text("logs/ab");
    expect_never(&r, v);
    r.prefix = text("Logs/");
    expect_never(&r, v);
    r.prefix = text("");
    r.size_min = 10;
    r.size_max = 10;
    assert_int_equal(act_at(&r, v, 1), LIFECYCLE_EXPIRE);
    v.size = 9;
    expect_never(&r, v);
    v.size = 11;
    expect_never(&r, v);
    v.size = 10;
    r.tags = tags;
    r.tag_count = 2;
    expect_never(&r, v);
    v.tags = tags;
    v.tag_count = 1;
    expect_never(&r, v);
    v.tag_count = 2;
    assert_int_equal(act_at(&r, v, 1), LIFECYCLE_EXPIRE);
    r.tag_count = 1;
    assert_int_equal(act_at(&r, v, 1), LIFECYCLE_EXPIRE);
    v.tags = other;
    v.tag_count = 1;
    expect_never(&r, v);
}

static void test_noncurrent(void **state)
{
    (void)state;
    struct lifecycle_rule r = blank;
    const struct lifecycle_version v = {.size = 10, .mtime_ns = 1, .superseded_ns = A_NOON, .newer = 2};
    r.expire_days = 1;
    expect_never(&r, v);
    r = blank;
    r.noncurrent_days = 3;
    expect_never(&r, object);
    expect_from(&r, v, MID_S + 4 * DAY_S, LIFECYCLE_REMOVE);
    r.noncurrent_kept = 2;
    expect_from(&r, v, MID_S + 4 * DAY_S, LIFECYCLE_REMOVE);
    r.noncurrent_kept = 3;
    expect_never(&r, v);
}

static void test_markers(void **state)
{
    (void)state;
    struct lifecycle_rule r = blank;
    struct lifecycle_version v = {.current = true, .delete_marker = true, .mtime_ns = A_NOON};
    r.expire_lone_markers = true;
    expect_never(&r, v);
    v.alone = true;
    assert_int_equal(act_at(&r, v, 0), LIFECYCLE_REMOVE);
    expect_never(&r, object);
    r = blank;
    r.expire_days = 1;
    expect_from(&r, v, MID_S + 2 * DAY_S, LIFECYCLE_REMOVE);
    v.alone = false;
    expect_never(&r, v);
    r = blank;
    r.noncurrent_days = 1;
    v.current = false;
    v.superseded_ns = A_NOON;
    expect_from(&r, v, MID_S + 2 * DAY_S, LIFECYCLE_REMOVE);
}

static void test_uploads(void **state)
{
    (void)state;
    struct lifecycle_rule r = blank;
    struct lifecycle l = {.rules = &r, .rule_count = 1, .now_s = INT64_MAX, .day_s = DAY_S};
    assert_false(lifecycle_aborts(&l, text("a"), A_NOON));
    r.abort_days = 1;
    assert_true(lifecycle_aborts(&l, text("a"), A_NOON));
    l.now_s = MID_S + 2 * DAY_S;
    assert_true(lifecycle_aborts(&l, text("a"), A_NOON));
    l.now_s--;
    assert_false(lifecycle_aborts(&l, text("a"), A_NOON));
    l.now_s++;
    r.prefix = text("b");
    assert_false(lifecycle_aborts(&l, text("a"), A_NOON));
    r.prefix = text("a");
    r.enabled = false;
    assert_false(lifecycle_aborts(&l, text("a"), A_NOON));
    assert_false(lifecycle_has_versions(&l));
}

static void test_first_of_several(void **state)
{
    (void)state;
    struct lifecycle_rule rules[3] = {blank, blank, blank};
    const struct lifecycle l = {.rules = rules, .rule_count = 3, .now_s = MID_S, .day_s = DAY_S};
    int64_t due_s;
    struct lifecycle_version v = object;
    v.key = text("logs/a");
    assert_null(lifecycle_expiry(&l, &v, &due_s));
    rules[0].expire_days = 5;
    rules[1].expire_days = 2;
    rules[2].expire_days = 1;
    rules[2].prefix = text("x");
    assert_ptr_equal(lifecycle_expiry(&l, &v, &due_s), &rules[1]);
    assert_int_equal(due_s, MID_S + 3 * DAY_S);
    assert_true(lifecycle_has_versions(&l));
    assert_int_equal(lifecycle_act_of(&l, &v), LIFECYCLE_KEEP);
    rules[0].expire_date_s = 0;
    rules[2].prefix = text("");
    rules[2].expire_days = 0;
    rules[2].expire_date_s = 1;
    assert_int_equal(lifecycle_act_of(&l, &v), LIFECYCLE_EXPIRE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),    cmocka_unit_test(test_filters), cmocka_unit_test(test_noncurrent),
        cmocka_unit_test(test_markers), cmocka_unit_test(test_uploads), cmocka_unit_test(test_first_of_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
