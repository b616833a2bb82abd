/* Tags of versions as the store keeps them: set with the object and changed, over restarts, crashes, a lost index, and
 * reclaiming; what they may not be. */
#include <stdio.h>

#include "gc.h"
#include "pool_fixture.h"

#define OBJECTS 5u
#define CHANGES 40u

static unsigned expected[OBJECTS]; /* number in the only tag's value; 0: no tags */

static const char *key_name(unsigned i)
{
    static const char *const names[OBJECTS] = {"a", "b", "c", "d", "e"};
    return names[i];
}

static enum dol_err set_tags(struct fixture *f, const char *key, const struct metadata_pair *tags, unsigned count)
{
    struct tag_result result;
    const struct tag_request req = {.bucket = text("b"), .key = text(key), .tags = tags, .tag_count = count};
    enum dol_err err = store_object_set_tags(f->store, &req, &result);
    assert_false(result.null_version);
    assert_true(version_id_is_zero(&result.version));
    return err;
}

static void change(struct fixture *f, unsigned i, unsigned number)
{
    char value[16];
    snprintf(value, sizeof value, "%u", number);
    const struct metadata_pair tag = {text("number"), text(value)};
    assert_int_equal(set_tags(f, key_name(i), &tag, number != 0), DOL_OK);
    expected[i] = number;
}

static void check(struct fixture *f)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct object *o;
        struct metadata_pair tag;
        char value[16];
        assert_int_equal(store_object_open(f->store, text("b"), text(key_name(i)), NULL, &o), DOL_OK);
        assert_int_equal(store_object_info(o)->tag_count, expected[i] != 0);
        assert_int_equal(store_object_tag(o, 0, &tag), expected[i] != 0);
        if (expected[i] != 0) {
            snprintf(value, sizeof value, "%u", expected[i]);
            assert_true(bytes_equal(tag.name, text("number")) && bytes_equal(tag.value, text(value)));
            assert_false(store_object_tag(o, 1, &tag));
        }
        store_object_close(o);
        expect_noise(f, key_name(i), i, 100000);
    }
}

static void tell_objects(struct fixture *f)
{
    make_bucket(f);
    for (unsigned i = 0; i < OBJECTS; i++)
        put_noise(f, key_name(i), i, 100000);
    check(f);
}

static void tell_changes(struct fixture *f)
{
    unsigned freed;
    check(f);
    for (unsigned n = 1; n <= CHANGES; n++)
        change(f, (unsigned)fixture_dice(f, OBJECTS), n % 7 ? n : 0);
    check(f);
    assert_int_equal(gc_run(f->store, &freed), DOL_OK);
    check(f);
}

static void tell_changes_and_crash(struct fixture *f)
{
    tell_changes(f);
    fixture_crash(f);
}

static void test_changes(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    memset(expected, 0, sizeof expected);
    fixture_init(&f);
    fixture_write_session(&f, tell_objects);
    for (unsigned i = 0; i < 4; i++) {
        fixture_write_session(&f, i % 2 ? tell_changes : tell_changes_and_crash);
        if (i >= 2)
            fixture_drop_index(&f);
    }
    fixture_write_session(&f, check);
    fixture_fini(&f);
}

/* ---- with the object, and what is refused ---- */

static void tell_put_with_tags(struct fixture *f)
{
    struct put *put;
    struct put_result result;
    struct object *o;
    struct metadata_pair tag;
    const struct metadata_pair tags[] = {{text("modality"), text("MR")}, {text("empty"), text("")}};
    const struct put_request req = {
        .bucket = text("b"), .key = text("with"), .owner = text("o"), .tags = tags, .tag_count = 2};
    const struct put_finish fin = {.expected_size = 0};
    assert_int_equal(store_put_begin(f->store, &req, &put), DOL_OK);
    assert_int_equal(store_put_finish(put, &fin, &result), DOL_OK);
    assert_int_equal(store_object_open(f->store, text("b"), text("with"), NULL, &o), DOL_OK);
    assert_int_equal(store_object_info(o)->tag_count, 2);
    assert_true(store_object_tag(o, 0, &tag) && bytes_equal(tag.name, text("modality")));
    assert_true(store_object_tag(o, 1, &tag) && bytes_equal(tag.name, text("empty")) && tag.value.len == 0);
    assert_false(store_object_tag(o, 2, &tag));
    store_object_close(o);
}

static void tell_refused(struct fixture *f)
{
    static char longest[1025];
    struct tag_result result;
    const struct metadata_pair twice[] = {{text("a"), text("1")}, {text("a"), text("2")}};
    const struct metadata_pair too_long = {text("a"), bytes_of(longest, sizeof longest)};
    const struct version_id other = {{1}};
    make_bucket(f);
    tell_put_with_tags(f);
    assert_int_equal(set_tags(f, "none", NULL, 0), DOL_ENOTFOUND);
    assert_int_equal(set_tags(f, "with", twice, 2), DOL_ETOOLARGE);
    assert_int_equal(set_tags(f, "with", &too_long, 1), DOL_ETOOLARGE);
    struct tag_request req = {.bucket = text("b"), .key = text("with"), .version = &other};
    assert_int_equal(store_object_set_tags(f->store, &req, &result), DOL_ENOVERSION);
    req.bucket = text("no");
    assert_int_equal(store_object_set_tags(f->store, &req, &result), DOL_ENOBUCKET);
}

static void tell_read_only(struct fixture *f)
{
    assert_int_equal(set_tags(f, "with", NULL, 0), DOL_EREADONLY);
}

static void test_refused(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_refused);
    f.access = STORE_READ_ONLY;
    fixture_read_session(&f, tell_read_only);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_changes), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
