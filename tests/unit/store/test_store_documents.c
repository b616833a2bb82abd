/* Documents of buckets: set, replaced and removed beside each other and beside versioning, over restarts, crashes and a
 * lost index; what is too much. */
#include <stdlib.h>

#include "pool_fixture.h"

#define LARGEST (512u * 1024u)

static enum dol_err set(struct fixture *f, const char *name, const void *data, size_t len)
{
    return store_bucket_set_document(f->store, text("b"), text(name), bytes_of(data, len));
}

static void expect_document(struct fixture *f, const char *name, const void *data, size_t len)
{
    struct bytes document;
    void *memory;
    assert_int_equal(store_bucket_get_document(f->store, text("b"), text(name), &document, &memory), DOL_OK);
    assert_true(bytes_equal(document, bytes_of(data, len)));
    free(memory);
}

static void expect_none(struct fixture *f, const char *name)
{
    struct bytes document;
    void *memory;
    assert_int_equal(store_bucket_get_document(f->store, text("b"), text(name), &document, &memory), DOL_ENOTFOUND);
    assert_null(memory);
}

static void tell_set(struct fixture *f)
{
    struct bucket_info info;
    make_bucket(f);
    expect_none(f, "cors");
    assert_int_equal(set(f, "cors", "first", 5), DOL_OK);
    assert_int_equal(set(f, "policy", "{}", 2), DOL_OK);
    assert_int_equal(set(f, "empty", "", 0), DOL_OK);
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_ENABLED), DOL_OK);
    assert_int_equal(set(f, "cors", "the second", 10), DOL_OK);
    assert_int_equal(store_bucket_delete_document(f->store, text("b"), text("policy")), DOL_OK);
    assert_int_equal(store_bucket_delete_document(f->store, text("b"), text("policy")), DOL_OK);
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    assert_int_equal(info.versioning, BUCKET_VERSIONING_ENABLED);
}

static void tell_kept(struct fixture *f)
{
    expect_document(f, "cors", "the second", 10);
    expect_document(f, "empty", "", 0);
    expect_none(f, "policy");
    expect_none(f, "cor");
    expect_none(f, "cors2");
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

/* ---- limits, and what isn't there ---- */

static void tell_limits(struct fixture *f)
{
    struct bytes document;
    void *memory;
    uint8_t *large = noise(1, LARGEST);
    char name[66];
    memset(name, 'n', sizeof name - 1);
    name[65] = '\0';
    make_bucket(f);
    assert_int_equal(set(f, "", "x", 1), DOL_EINVAL);
    assert_int_equal(set(f, name, "x", 1), DOL_EINVAL);
    assert_int_equal(set(f, "large", large, LARGEST), DOL_ETOOLARGE);
    expect_none(f, "large");
    assert_int_equal(set(f, "large", large, LARGEST - 11), DOL_OK);
    expect_document(f, "large", large, LARGEST - 11);
    assert_int_equal(set(f, "more", "x", 1), DOL_ETOOLARGE);
    assert_int_equal(store_bucket_delete_document(f->store, text("b"), text("large")), DOL_OK);
    for (unsigned i = 1; i <= 64; i++)
        assert_int_equal(set(f, name + 65 - i, "x", 1), DOL_OK);
    assert_int_equal(set(f, "more", "x", 1), DOL_ETOOLARGE);
    expect_document(f, name + 1, "x", 1);
    free(large);
    assert_int_equal(store_bucket_set_document(f->store, text("no"), text("a"), text("x")), DOL_ENOBUCKET);
    assert_int_equal(store_bucket_get_document(f->store, text("no"), text("a"), &document, &memory), DOL_ENOBUCKET);
    assert_int_equal(store_bucket_delete_document(f->store, text("no"), text("a")), DOL_ENOBUCKET);
}

static void tell_read_only(struct fixture *f)
{
    assert_int_equal(set(f, "n", "y", 1), DOL_EREADONLY);
    assert_int_equal(store_bucket_delete_document(f->store, text("b"), text("n")), DOL_EREADONLY);
    expect_document(f, "n", "x", 1);
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
