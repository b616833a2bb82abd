/*
 * Lifecycle rules carried out on the store: what is due goes, step by step, and nothing else; what is protected stays;
 * keys with more versions than a step looks at; and the same after a crash and from a new index.
 */
#include <dolmen/lifecycle.h>

#include <stdio.h>
#include <stdlib.h>

#include "pool_fixture.h"

#define START_S 1767225600ll /* UTC at which the simulator begins: a midnight */
#define DAY_S   86400ll
#define NS      1000000000ull
#define MANY    300u

static struct lifecycle_rule rule_of(const char *prefix)
{
    return (struct lifecycle_rule){.enabled = true, .prefix = text(prefix), .size_max = UINT64_MAX};
}

/* A whole pass with these rules, so many days after the simulator's beginning. */
static void pass(struct fixture *f, const struct lifecycle_rule *rules, unsigned count, int64_t days)
{
    struct lifecycle_cursor *cursor = calloc(1, sizeof *cursor);
    const struct lifecycle l = {.rules = rules, .rule_count = count, .now_s = START_S + days * DAY_S, .day_s = DAY_S};
    while (!cursor->at_end)
        assert_int_equal(store_lifecycle_step(f->store, text("b"), &l, cursor), DOL_OK);
    free(cursor);
}

static struct version_id put_tagged(struct fixture *f, const char *key, const char *tag, struct retention retention)
{
    struct put *put;
    struct put_result result;
    const struct metadata_pair pair = {text("class"), text(tag)};
    const struct put_request req = {.bucket = text("b"),
                                    .key = text(key),
                                    .owner = text("o"),
                                    .tags = &pair,
                                    .tag_count = *tag != '\0',
                                    .retention = retention,
                                    .size_hint = 1};
    const struct put_finish fin = {.expected_size = 1};
    assert_int_equal(store_put_begin(f->store, &req, &put), DOL_OK);
    assert_int_equal(store_put_write(put, "x", 1), DOL_OK);
    assert_int_equal(store_put_finish(put, &fin, &result), DOL_OK);
    return result.version;
}

static struct version_id put_one(struct fixture *f, const char *key)
{
    return put_tagged(f, key, "", (struct retention){0});
}

/* ---- what there is: "key:o" an object, "key:m" a delete marker, newest first ---- */

struct listing {
    char at[64];
    size_t len;
    unsigned count;
};

static bool list_one(void *arg, struct bytes key, const struct object_info *info, bool newest)
{
    struct listing *l = arg;
    (void)newest;
    l->count++;
    if (l->len + key.len + 4 < sizeof l->at)
        l->len += (size_t)snprintf(l->at + l->len, sizeof l->at - l->len, "%.*s:%c ", (int)key.len,
                                   (const char *)key.data, info->delete_marker ? 'm' : 'o');
    return true;
}

static struct listing list_all(struct fixture *f)
{
    struct listing l = {.len = 0};
    bool truncated;
    const struct version_list_request req = {.bucket = text("b"), .max_entries = 1000};
    assert_int_equal(store_version_list(f->store, &req, list_one, &l, &truncated), DOL_OK);
    return l;
}

static void expect_listing(struct fixture *f, const char *listing)
{
    struct listing l = list_all(f);
    assert_string_equal(l.at, listing);
}

static void make_versioned(struct fixture *f)
{
    make_bucket(f);
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_ENABLED), DOL_OK);
}

static void remove_current(struct fixture *f, const char *key)
{
    struct delete_result result;
    const struct delete_request req = {.bucket = text("b"), .key = text(key), .owner = text("o")};
    assert_int_equal(store_object_delete(f->store, &req, &result), DOL_OK);
}

static const struct store_counters *counters(struct fixture *f)
{
    return &fixture_status(f)->counters;
}

/* ---- current versions ---- */

static void tell_current(struct fixture *f)
{
    struct lifecycle_rule rules[2] = {rule_of("logs/"), rule_of("")};
    const struct metadata_pair tag = {text("class"), text("raw")};
    make_bucket(f);
    put_one(f, "keep");
    put_one(f, "logs/a");
    put_one(f, "logs/b");
    put_tagged(f, "raw", "raw", (struct retention){0});
    put_tagged(f, "rare", "rare", (struct retention){0});
    rules[0].expire_days = 1;
    rules[1].expire_days = 3;
    rules[1].tags = &tag;
    rules[1].tag_count = 1;
    pass(f, rules, 2, 1);
    expect_listing(f, "keep:o logs/a:o logs/b:o rare:o raw:o ");
    pass(f, rules, 2, 2);
    expect_listing(f, "keep:o rare:o raw:o ");
    pass(f, rules, 2, 4);
    expect_listing(f, "keep:o rare:o ");
    assert_int_equal(counters(f)->lifecycle_expired, 3);
    assert_int_equal(counters(f)->lifecycle_removed, 0);
    fixture_crash(f);
}

static void tell_current_gone(struct fixture *f)
{
    expect_listing(f, "keep:o rare:o ");
}

static void test_current(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_current);
    fixture_write_session(&f, tell_current_gone);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_current_gone);
    fixture_fini(&f);
}

/* ---- versions ---- */

static void tell_versions(struct fixture *f)
{
    struct lifecycle_rule rule = rule_of("");
    make_versioned(f);
    for (unsigned i = 0; i < 4; i++)
        put_one(f, "a");
    put_one(f, "b");
    /* the current version becomes noncurrent under a marker */
    rule.expire_days = 1;
    pass(f, &rule, 1, 2);
    expect_listing(f, "a:m a:o a:o a:o a:o b:m b:o ");
    pass(f, &rule, 1, 9);
    expect_listing(f, "a:m a:o a:o a:o a:o b:m b:o ");
    rule = rule_of("");
    rule.noncurrent_days = 1;
    rule.noncurrent_kept = 2;
    pass(f, &rule, 1, 1);
    expect_listing(f, "a:m a:o a:o a:o a:o b:m b:o ");
    pass(f, &rule, 1, 9);
    expect_listing(f, "a:m a:o a:o b:m b:o ");
    rule.noncurrent_kept = 0;
    rule.prefix = text("b");
    pass(f, &rule, 1, 9);
    expect_listing(f, "a:m a:o a:o b:m ");
    rule = rule_of("");
    rule.expire_lone_markers = true;
    pass(f, &rule, 1, 0);
    expect_listing(f, "a:m a:o a:o ");
}

/* One that is kept by a rule of one filter doesn't count for what goes by another. */
static void tell_kept_count(struct fixture *f)
{
    struct lifecycle_rule rules[2] = {rule_of(""), rule_of("")};
    const struct metadata_pair tag = {text("class"), text("raw")};
    make_versioned(f);
    put_one(f, "a");
    put_one(f, "a");
    put_tagged(f, "a", "raw", (struct retention){0});
    put_one(f, "a");
    rules[0].noncurrent_days = 1;
    rules[0].noncurrent_kept = 2;
    rules[1].noncurrent_days = 1;
    rules[1].tags = &tag;
    rules[1].tag_count = 1;
    pass(f, rules, 2, 9);
    expect_listing(f, "a:o a:o a:o ");
}

static void tell_many(struct fixture *f)
{
    struct lifecycle_rule rule = rule_of("");
    make_versioned(f);
    for (unsigned i = 0; i < MANY; i++)
        put_one(f, "many");
    put_one(f, "z");
    rule.noncurrent_days = 1;
    rule.noncurrent_kept = 5;
    pass(f, &rule, 1, 9);
    assert_int_equal(list_all(f).count, 1 + 5 + 1);
    assert_int_equal(counters(f)->lifecycle_removed, MANY - 6);
    for (unsigned i = 0; i < MANY; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%03u", i);
        put_one(f, key);
    }
    rule = rule_of("k");
    rule.expire_days = 1;
    pass(f, &rule, 1, 9);
    assert_int_equal(counters(f)->lifecycle_expired, MANY);
    pass(f, &rule, 1, 9);
    assert_int_equal(counters(f)->lifecycle_expired, MANY);
}

/* ---- locks ---- */

static void tell_locks(struct fixture *f)
{
    struct bucket_info info;
    struct lifecycle_rule rule = rule_of("");
    const struct bucket_create req = {
        .name = text("b"), .owner = text("o"), .region = text("us-east-1"), .object_lock = true};
    const struct retention governance = {RETENTION_GOVERNANCE, 0, START_S + 1000};
    const struct retention compliance = {RETENTION_COMPLIANCE, 0, START_S + 1000};
    const struct retention hold = {.legal_hold = 1};
    assert_int_equal(store_bucket_create(f->store, &req, &info), DOL_OK);
    put_tagged(f, "c", "", compliance);
    put_tagged(f, "g", "", governance);
    put_tagged(f, "h", "", hold);
    put_one(f, "n");
    rule.expire_days = 1;
    rule.noncurrent_days = 1;
    rule.expire_lone_markers = true;
    for (unsigned i = 0; i < 3; i++)
        pass(f, &rule, 1, 365 * 50); /* the rules' clock is not the one of retention */
    expect_listing(f, "c:m c:o g:m g:o h:m h:o ");
    assert_true(counters(f)->lifecycle_retained >= 6);
    fiber_sleep(1001 * NS);
    for (unsigned i = 0; i < 2; i++)
        pass(f, &rule, 1, 365 * 50);
    expect_listing(f, "h:m h:o ");
}

/* ---- uploads ---- */

static void tell_uploads(struct fixture *f)
{
    struct lifecycle_rule rule = rule_of("gone/");
    struct upload_info info;
    void *memory;
    struct upload_ref refs[80];
    make_bucket(f);
    for (unsigned i = 0; i < 80; i++) {
        refs[i] = (struct upload_ref){.bucket = text("b"), .key = text(i < 75 ? "gone/a" : "kept")};
        const struct put_request req = {.bucket = text("b"), .key = refs[i].key, .owner = text("o")};
        assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_NONE, 0, &refs[i].id), DOL_OK);
    }
    rule.abort_days = 7;
    pass(f, &rule, 1, 7);
    assert_int_equal(counters(f)->lifecycle_aborted, 0);
    pass(f, &rule, 1, 8);
    assert_int_equal(counters(f)->lifecycle_aborted, 75);
    for (unsigned i = 0; i < 80; i++) {
        assert_int_equal(store_upload_get(f->store, &refs[i], &info, &memory), i < 75 ? DOL_ENOUPLOAD : DOL_OK);
        free(memory);
    }
}

static void tell_suspended(struct fixture *f)
{
    struct lifecycle_rule rule = rule_of("");
    make_versioned(f);
    put_one(f, "a");
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_SUSPENDED), DOL_OK);
    put_one(f, "a");
    put_one(f, "b");
    remove_current(f, "c");
    rule.expire_days = 1;
    pass(f, &rule, 1, 2);
    /* null markers took the place of the null versions; one alone went at once */
    expect_listing(f, "a:m a:o b:m ");
}

static void run_session(fixture_fn *tell)
{
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell);
    fixture_fini(&f);
}

static void test_versions(void **state)
{
    (void)state;
    run_session(tell_versions);
    run_session(tell_kept_count);
    run_session(tell_suspended);
}

static void test_many(void **state)
{
    (void)state;
    run_session(tell_many);
}

static void test_locks(void **state)
{
    (void)state;
    run_session(tell_locks);
}

static void test_uploads(void **state)
{
    (void)state;
    run_session(tell_uploads);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_current), cmocka_unit_test(test_versions),
                                       cmocka_unit_test(test_many), cmocka_unit_test(test_locks),
                                       cmocka_unit_test(test_uploads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
