/* Settings of the appliance: set, replaced and removed by kind and name, over restarts, crashes, a lost index and
 * reclaiming; what is too much. */
#include <stdio.h>
#include <stdlib.h>

#include "gc.h"
#include "pool_fixture.h"

static enum dol_err set(struct fixture *f, enum store_setting_kind kind, const char *name, const char *value)
{
    return store_setting_set(f->store, kind, text(name), value != NULL ? text(value) : bytes_of(NULL, 0));
}

struct seen {
    char text[512];
    unsigned left;
};

static bool see(void *arg, struct bytes name, struct bytes value)
{
    struct seen *seen = arg;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%.*s=%.*s ", (int)name.len, (const char *)name.data,
             (int)value.len, (const char *)value.data);
    return --seen->left > 0;
}

static void expect_list(struct fixture *f, enum store_setting_kind kind, const char *expected)
{
    struct seen seen = {"", 100};
    assert_int_equal(store_setting_list(f->store, kind, see, &seen), DOL_OK);
    assert_string_equal(seen.text, expected);
}

static void tell_set(struct fixture *f)
{
    expect_list(f, STORE_USER, "");
    assert_int_equal(set(f, STORE_USER, "bob", "1"), DOL_OK);
    assert_int_equal(set(f, STORE_USER, "alice", "2"), DOL_OK);
    assert_int_equal(set(f, STORE_USER, "carol", "3"), DOL_OK);
    assert_int_equal(set(f, STORE_ACCESS_KEY, "alice", "key"), DOL_OK);
    assert_int_equal(set(f, STORE_POLICY, "empty", ""), DOL_OK);
    assert_int_equal(set(f, STORE_USER, "bob", "4"), DOL_OK);
    assert_int_equal(set(f, STORE_USER, "carol", NULL), DOL_OK);
    assert_int_equal(set(f, STORE_USER, "nobody", NULL), DOL_OK);
}

static void tell_kept(struct fixture *f)
{
    struct seen one = {"", 1};
    unsigned freed;
    expect_list(f, STORE_USER, "alice=2 bob=4 ");
    expect_list(f, STORE_ACCESS_KEY, "alice=key ");
    expect_list(f, STORE_POLICY, "empty= ");
    expect_list(f, STORE_SETTING, "");
    assert_int_equal(store_setting_list(f->store, STORE_USER, see, &one), DOL_OK);
    assert_string_equal(one.text, "alice=2 ");
    assert_int_equal(gc_run(f->store, &freed), DOL_OK);
}

static void tell_set_and_crash(struct fixture *f)
{
    tell_set(f);
    tell_kept(f);
    fixture_crash(f);
}

static void test_kept(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_set_and_crash);
    fixture_write_session(&f, tell_kept);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_kept);
    fixture_fini(&f);
}

static void tell_limits(struct fixture *f)
{
    char name[257];
    memset(name, 'n', sizeof name - 1);
    name[256] = '\0';
    uint8_t *large = noise(1, STORE_SETTING_VALUE_MAX + 1);
    assert_int_equal(set(f, STORE_USER, "", "x"), DOL_EINVAL);
    assert_int_equal(set(f, STORE_USER, name, "x"), DOL_EINVAL);
    assert_int_equal(store_setting_set(f->store, STORE_USER, text("n"), bytes_of(large, STORE_SETTING_VALUE_MAX + 1)),
                     DOL_EINVAL);
    expect_list(f, STORE_USER, "");
    assert_int_equal(store_setting_set(f->store, STORE_POLICY, text("n"), bytes_of(large, STORE_SETTING_VALUE_MAX)),
                     DOL_OK);
    assert_int_equal(set(f, STORE_USER, name + 1, "x"), DOL_OK);
    free(large);
}

static void tell_read_only(struct fixture *f)
{
    assert_int_equal(set(f, STORE_USER, "n", "x"), DOL_EREADONLY);
    assert_int_equal(set(f, STORE_USER, "n", NULL), DOL_EREADONLY);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_limits);
    f.access = STORE_READ_ONLY;
    fixture_read_session(&f, tell_read_only);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept), cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
