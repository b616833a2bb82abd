/*
 * Object lock through the store's own calls: defaults of buckets, retention and holds that change, what may not, until
 * the compliance clock says so; over restarts, crashes, a lost index, and reclaiming; with uploads and UTC that jumps.
 */
#include <stdlib.h>

#include "gc.h"
#include "pool_fixture.h"

#define START_S        1767225600ll /* UTC at which the simulator begins */
#define NS_PER_S       1000000000ull
#define DAY_S          86400
#define FIFTY_YEARS_NS (50ll * 365 * 86400 * 1000000000)

static struct version_id kept; /* of "kept", under COMPLIANCE until the year 2200 */
static const int64_t year_2200_s = 7258118400ll;

static void make_locked_bucket(struct fixture *f)
{
    struct bucket_info info;
    const struct bucket_create req = {
        .name = text("b"), .owner = text("o"), .region = text("us-east-1"), .object_lock = true};
    assert_int_equal(store_bucket_create(f->store, &req, &info), DOL_OK);
    assert_true(info.lock.enabled);
    assert_int_equal(info.versioning, BUCKET_VERSIONING_ENABLED);
}

static struct version_id put_version(struct fixture *f, const char *key, struct retention retention)
{
    struct put *put;
    struct put_result result;
    const struct put_request req = {
        .bucket = text("b"), .key = text(key), .owner = text("o"), .retention = retention, .size_hint = 1};
    const struct put_finish fin = {.expected_size = 1};
    assert_int_equal(store_put_begin(f->store, &req, &put), DOL_OK);
    assert_int_equal(store_put_write(put, "x", 1), DOL_OK);
    assert_int_equal(store_put_finish(put, &fin, &result), DOL_OK);
    return result.version;
}

static struct retention retention_of(struct fixture *f, const char *key, const struct version_id *version)
{
    struct object *o;
    assert_int_equal(store_object_open(f->store, text("b"), text(key), version, &o), DOL_OK);
    struct retention r = store_object_info(o)->retention;
    store_object_close(o);
    return r;
}

static enum dol_err try_delete(struct fixture *f, const char *key, const struct version_id *version, bool bypass)
{
    struct delete_result result;
    const struct delete_request req = {
        .bucket = text("b"), .key = text(key), .version = version, .owner = text("o"), .bypass_governance = bypass};
    return store_object_delete(f->store, &req, &result);
}

static enum dol_err retain(struct fixture *f, const char *key, const struct version_id *version,
                           enum retention_mode mode, int64_t until_s, bool bypass)
{
    const struct lock_request req = {
        .bucket = text("b"), .key = text(key), .version = version, .bypass_governance = bypass};
    return store_object_set_retention(f->store, &req, mode, until_s);
}

static enum dol_err hold(struct fixture *f, const char *key, const struct version_id *version, enum legal_hold hold)
{
    const struct lock_request req = {.bucket = text("b"), .key = text(key), .version = version};
    return store_object_set_legal_hold(f->store, &req, hold);
}

static void expect_retention(struct fixture *f, const char *key, const struct version_id *version, uint8_t mode,
                             int64_t until_s, uint8_t legal_hold)
{
    struct retention r = retention_of(f, key, version);
    assert_int_equal(r.mode, mode);
    assert_int_equal(r.until_s, until_s);
    assert_int_equal(r.legal_hold, legal_hold);
}

/* ---- what stays, whatever comes ---- */

static void tell_kept(struct fixture *f)
{
    unsigned freed;
    assert_int_equal(try_delete(f, "kept", &kept, true), DOL_ERETAINED);
    assert_int_equal(retain(f, "kept", &kept, RETENTION_COMPLIANCE, year_2200_s - 1, true), DOL_ERETAINED);
    assert_int_equal(retain(f, "kept", &kept, RETENTION_GOVERNANCE, year_2200_s + 1, true), DOL_ERETAINED);
    assert_int_equal(retain(f, "kept", &kept, RETENTION_NONE, 0, true), DOL_ERETAINED);
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_SUSPENDED), DOL_ERETAINED);
    put_version(f, "kept", (struct retention){0});
    assert_int_equal(try_delete(f, "kept", NULL, false), DOL_OK);
    assert_int_equal(gc_run(f->store, &freed), DOL_OK);
    expect_retention(f, "kept", &kept, RETENTION_COMPLIANCE, year_2200_s, 0);
    expect_retention(f, "held", NULL, RETENTION_NONE, 0, 1);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_ENOTEMPTY);
}

static void tell_begin(struct fixture *f)
{
    make_locked_bucket(f);
    kept = put_version(f, "kept", (struct retention){0});
    assert_int_equal(retain(f, "kept", &kept, RETENTION_COMPLIANCE, START_S + 1000, false), DOL_OK);
    assert_int_equal(retain(f, "kept", &kept, RETENTION_COMPLIANCE, year_2200_s, false), DOL_OK);
    put_version(f, "held", (struct retention){.legal_hold = 1});
    tell_kept(f);
}

static void tell_kept_and_crash(struct fixture *f)
{
    tell_kept(f);
    fixture_crash(f);
}

static void test_kept(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_begin);
    fixture_write_session(&f, tell_kept_and_crash);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_kept);
    f.realtime_ns = START_S * 1000000000 + FIFTY_YEARS_NS;
    fixture_write_session(&f, tell_kept);
    f.realtime_ns = START_S * 1000000000 - FIFTY_YEARS_NS;
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_kept);
    fixture_fini(&f);
}

/* ---- modes, holds and dates ---- */

static void tell_governance(struct fixture *f)
{
    const int64_t until_s = START_S + 3600;
    make_locked_bucket(f);
    struct version_id v = put_version(f, "g", (struct retention){RETENTION_GOVERNANCE, 0, until_s});
    assert_int_equal(try_delete(f, "g", &v, false), DOL_ERETAINED);
    assert_int_equal(retain(f, "g", &v, RETENTION_GOVERNANCE, until_s - 1, false), DOL_ERETAINED);
    assert_int_equal(retain(f, "g", &v, RETENTION_COMPLIANCE, until_s + 1, false), DOL_ERETAINED);
    assert_int_equal(retain(f, "g", &v, RETENTION_NONE, 0, false), DOL_ERETAINED);
    assert_int_equal(retain(f, "g", NULL, RETENTION_GOVERNANCE, until_s, false), DOL_OK);
    assert_int_equal(retain(f, "g", NULL, RETENTION_GOVERNANCE, until_s + 1, false), DOL_OK);
    assert_int_equal(hold(f, "g", &v, LEGAL_HOLD_ON), DOL_OK);
    expect_retention(f, "g", &v, RETENTION_GOVERNANCE, until_s + 1, 1);
    assert_int_equal(retain(f, "g", &v, RETENTION_GOVERNANCE, until_s - 1, true), DOL_OK);
    expect_retention(f, "g", &v, RETENTION_GOVERNANCE, until_s - 1, 1);
    assert_int_equal(try_delete(f, "g", &v, true), DOL_ERETAINED);
    assert_int_equal(hold(f, "g", &v, LEGAL_HOLD_OFF), DOL_OK);
    /* UTC may jump: it isn't asked */
    sim_clock_set_realtime_ns(f->rt, START_S * 1000000000 + FIFTY_YEARS_NS);
    assert_int_equal(try_delete(f, "g", &v, false), DOL_ERETAINED);
    fiber_sleep(3600 * NS_PER_S);
    assert_int_equal(retain(f, "g", &v, RETENTION_NONE, 0, false), DOL_OK);
    assert_int_equal(try_delete(f, "g", &v, false), DOL_OK);
}

static void test_governance(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_governance);
    fixture_fini(&f);
}

/* ---- defaults ---- */

static struct version_id complete(struct fixture *f, struct retention retention)
{
    struct put *put;
    struct part_info part;
    struct complete_result result;
    struct upload_ref ref = {.bucket = text("b"), .key = text("m")};
    const struct put_request req = {.bucket = text("b"), .key = text("m"), .owner = text("o"), .retention = retention};
    const struct put_finish fin = {.expected_size = 1};
    assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_NONE, 0, &ref.id), DOL_OK);
    assert_int_equal(store_part_begin(f->store, &ref, 1, 1, &put), DOL_OK);
    assert_int_equal(store_put_write(put, "x", 1), DOL_OK);
    assert_int_equal(store_part_finish(put, &fin, &part), DOL_OK);
    struct complete_part listed = {.number = 1};
    memcpy(listed.md5, part.md5, sizeof listed.md5);
    const struct complete_request complete = {
        .upload = ref, .parts = &listed, .part_count = 1, .expected_size = UINT64_MAX};
    assert_int_equal(store_upload_complete(f->store, &complete, &result), DOL_OK);
    return result.put.version;
}

static enum dol_err set_default(struct fixture *f, uint8_t mode, uint32_t days, uint32_t years)
{
    const struct bucket_lock lock = {.mode = mode, .days = days, .years = years};
    return store_bucket_set_lock(f->store, text("b"), &lock);
}

static void expect_default(struct fixture *f, uint8_t mode, uint32_t days, uint32_t years)
{
    struct bucket_info info;
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    assert_true(info.lock.enabled);
    assert_int_equal(info.lock.mode, mode);
    assert_int_equal(info.lock.days, days);
    assert_int_equal(info.lock.years, years);
}

static void tell_defaults(struct fixture *f)
{
    const struct retention own = {RETENTION_GOVERNANCE, 0, START_S + 60};
    make_locked_bucket(f);
    expect_default(f, RETENTION_NONE, 0, 0);
    assert_int_equal(set_default(f, RETENTION_COMPLIANCE, 36500, 0), DOL_OK);
    expect_default(f, RETENTION_COMPLIANCE, 36500, 0);
    int64_t begun_s = (int64_t)store_compliance_now_s(f->store);
    struct version_id v = put_version(f, "d", (struct retention){.legal_hold = 1});
    struct retention r = retention_of(f, "d", &v);
    assert_int_equal(r.mode, RETENTION_COMPLIANCE);
    assert_int_equal(r.legal_hold, 1);
    assert_in_range(r.until_s, begun_s + 36500ll * DAY_S, begun_s + 36500ll * DAY_S + 1);
    v = complete(f, (struct retention){0});
    assert_int_equal(retention_of(f, "m", &v).mode, RETENTION_COMPLIANCE);
    assert_int_equal(try_delete(f, "m", &v, true), DOL_ERETAINED);
    v = complete(f, own);
    expect_retention(f, "m", &v, own.mode, own.until_s, 0);
    v = put_version(f, "d", own);
    expect_retention(f, "d", &v, own.mode, own.until_s, 0);
    /* a delete marker isn't protected by it */
    assert_int_equal(try_delete(f, "d", NULL, false), DOL_OK);
    assert_int_equal(set_default(f, RETENTION_GOVERNANCE, 0, 100), DOL_OK);
    expect_default(f, RETENTION_GOVERNANCE, 0, 100);
    assert_int_equal(set_default(f, RETENTION_GOVERNANCE, 36501, 0), DOL_EINVAL);
    assert_int_equal(set_default(f, RETENTION_GOVERNANCE, 0, 101), DOL_EINVAL);
    assert_int_equal(set_default(f, RETENTION_GOVERNANCE, 1, 1), DOL_EINVAL);
    assert_int_equal(set_default(f, RETENTION_GOVERNANCE, 0, 0), DOL_EINVAL);
    assert_int_equal(set_default(f, RETENTION_NONE, 1, 0), DOL_EINVAL);
}

static void tell_default_kept(struct fixture *f)
{
    expect_default(f, RETENTION_GOVERNANCE, 0, 100);
    assert_int_equal(set_default(f, RETENTION_NONE, 0, 0), DOL_OK);
    expect_default(f, RETENTION_NONE, 0, 0);
    struct version_id v = put_version(f, "d", (struct retention){0});
    assert_int_equal(try_delete(f, "d", &v, false), DOL_OK);
}

static void test_defaults(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_defaults);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_default_kept);
    fixture_fini(&f);
}

/* ---- buckets without ---- */

static void tell_without(struct fixture *f)
{
    struct put *put;
    struct upload_id id;
    struct put_request req = {.bucket = text("b"), .key = text("k"), .retention = {.legal_hold = 1}};
    make_bucket(f);
    put_noise(f, "k", 1, 10);
    assert_int_equal(set_default(f, RETENTION_NONE, 0, 0), DOL_EPRECONDITION);
    assert_int_equal(store_put_begin(f->store, &req, &put), DOL_ENOLOCK);
    req.retention = (struct retention){RETENTION_GOVERNANCE, 0, year_2200_s};
    assert_int_equal(store_put_begin(f->store, &req, &put), DOL_ENOLOCK);
    assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_NONE, 0, &id), DOL_ENOLOCK);
    assert_int_equal(retain(f, "k", NULL, RETENTION_GOVERNANCE, year_2200_s, true), DOL_ENOLOCK);
    assert_int_equal(hold(f, "k", NULL, LEGAL_HOLD_ON), DOL_ENOLOCK);
    expect_noise(f, "k", 1, 10);
    /* turned on later: what was there before can be protected, too */
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_ENABLED), DOL_OK);
    assert_int_equal(set_default(f, RETENTION_NONE, 0, 0), DOL_OK);
    assert_int_equal(hold(f, "k", &version_id_null, LEGAL_HOLD_ON), DOL_OK);
    put_noise(f, "k", 2, 10);
    assert_int_equal(try_delete(f, "k", &version_id_null, true), DOL_ERETAINED);
}

static void test_without(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_without);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept), cmocka_unit_test(test_governance),
                                       cmocka_unit_test(test_defaults), cmocka_unit_test(test_without)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
