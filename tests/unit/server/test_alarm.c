/* Which alarms a pool's status raises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alarm.h"

#include <stdio.h>

#define BIT(alarm) (1u << ALARM_##alarm)
#define GIB        (UINT64_C(1) << 30)

/* A healthy pool of two drives, half full. */
static struct store_status healthy(void)
{
    struct store_status s = {
        .k = 1,
        .m = 1,
        .encrypted = true,
        .usable_bytes = 110 * GIB,
        .reserve_bytes = 10 * GIB,
        .used_bytes = 50 * GIB,
        .drive_count = 2,
    };
    for (unsigned i = 0; i < 2; i++)
        snprintf(s.drives[i].state, sizeof s.drives[i].state, "online");
    return s;
}

static unsigned raised(const struct store_status *s)
{
    return alarm_evaluate(s, ALARM_KEY_THERE);
}

static void health(void **state)
{
    struct store_status s = healthy();
    (void)state;
    assert_int_equal(raised(&s), 0);
    /* Nothing is known yet of an empty status; that is no alarm. */
    s = (struct store_status){.k = 1};
    assert_int_equal(raised(&s), 0);
}

static void drives(void **state)
{
    struct store_status s = healthy();
    (void)state;
    snprintf(s.drives[1].state, sizeof s.drives[1].state, "missing");
    assert_int_equal(raised(&s), BIT(DRIVE_MISSING) | BIT(DEGRADED));
    snprintf(s.drives[1].state, sizeof s.drives[1].state, "faulted");
    assert_int_equal(raised(&s), BIT(DRIVE_FAULTED) | BIT(DEGRADED));
    snprintf(s.drives[0].state, sizeof s.drives[0].state, "missing");
    assert_int_equal(raised(&s), BIT(DRIVE_FAULTED) | BIT(DRIVE_MISSING) | BIT(DEGRADED));
    uint64_t *const errors[] = {&s.drives[0].read_errors, &s.drives[0].write_errors, &s.drives[1].checksum_errors};
    for (unsigned i = 0; i < 3; i++) {
        s = healthy();
        *errors[i] = 1;
        assert_int_equal(raised(&s), BIT(DRIVE_ERRORS) | BIT(DEGRADED));
    }
    /* Beyond those that the pool has, nothing counts. */
    s = healthy();
    s.drives[2].read_errors = 1;
    assert_int_equal(raised(&s), 0);
}

static void access_to_the_pool(void **state)
{
    struct store_status s = healthy();
    (void)state;
    s.scrub_unrecoverable = 1;
    assert_int_equal(raised(&s), BIT(SCRUB_LOSS) | BIT(DEGRADED));
    s.scrub_unrecoverable = 0;
    snprintf(s.reason, sizeof s.reason, "something is owed");
    assert_int_equal(raised(&s), BIT(DEGRADED));
    s.read_only = true;
    assert_int_equal(raised(&s), BIT(DEGRADED) | BIT(READ_ONLY));
    s = healthy();
    assert_int_equal(alarm_evaluate(&s, ALARM_KEY_GONE), BIT(KEY_MISSING));
    s.encrypted = false;
    assert_int_equal(alarm_evaluate(&s, ALARM_KEY_GONE), 0);
}

static void space(void **state)
{
    struct store_status s = healthy();
    (void)state;
    s.used_bytes = 85 * GIB - 1;
    assert_int_equal(raised(&s), 0);
    s.used_bytes = 85 * GIB;
    assert_int_equal(raised(&s), BIT(NEARLY_FULL));
    s.full = true;
    assert_int_equal(raised(&s), BIT(NEARLY_FULL) | BIT(FULL));
    /* Full by count of slabs, whatever the bytes say. */
    s.used_bytes = 0;
    assert_int_equal(raised(&s), BIT(NEARLY_FULL) | BIT(FULL));
}

static void texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALARM_COUNT; i++) {
        const struct alarm_text *text = alarm_text((enum alarm)i);
        assert_int_equal(strspn(text->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(text->name));
        assert_true(text->meaning[0] != '\0' && text->action[0] != '\0');
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(text->name, alarm_text((enum alarm)j)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health), cmocka_unit_test(drives), cmocka_unit_test(access_to_the_pool),
        cmocka_unit_test(space),  cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
