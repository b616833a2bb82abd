/*
 * Retention as the store keeps it: versions under retention or legal hold can neither be deleted nor overwritten, by
 * the compliance clock, which no jump of UTC and no restart moves.
 *
 * No call of this version sets retention; the manifests are appended as a later version would.
 */
#include <stdlib.h>

#include "pool_fixture.h"
#include "store_impl.h"
#include "superblock.h"

#define START_S        1767225600ll /* UTC at which the simulator begins */
#define NS_PER_S       1000000000ull
#define FIFTY_YEARS_NS (50ll * 365 * 86400 * 1000000000)

static void put_retained(struct fixture *f, const char *key, struct retention retention)
{
    uint8_t body[1024];
    struct tlv_writer w;
    uint64_t bucket;
    struct manifest m = {.key = text(key), .flags = MANIFEST_NULL_VERSION, .owner = text("o"), .retention = retention};
    assert_int_equal(store_bucket_id(f->store, text("b"), &bucket), DOL_OK);
    m.bucket = bucket;
    m.mtime_ns = clock_realtime_ns();
    m.version.b[7] = 1;
    tlv_writer_init(&w, body, sizeof body);
    manifest_encode(&m, &w);
    assert_false(w.overflow);
    assert_int_equal(store_append_body(f->store, RECORD_MANIFEST, bytes_of(body, w.len)), DOL_OK);
}

static enum dol_err try_delete(struct fixture *f, const char *key, const struct version_id *version, bool *existed)
{
    struct delete_result result;
    enum dol_err err = store_object_delete(
        f->store, &(struct delete_request){.bucket = text("b"), .key = text(key), .version = version}, &result);
    *existed = result.existed;
    return err;
}

static void expect_kept(struct fixture *f, const char *key)
{
    bool existed;
    struct object *o;
    struct version_id version = {{0}};
    version.b[7] = 1;
    assert_int_equal(try_delete(f, key, NULL, &existed), DOL_ERETAINED);
    assert_false(existed);
    assert_int_equal(try_delete(f, key, &version, &existed), DOL_ERETAINED);
    assert_int_equal(try_put(f, key, "over", 4, NULL), DOL_ERETAINED);
    assert_int_equal(store_object_open(f->store, text("b"), text(key), NULL, &o), DOL_OK);
    assert_int_equal(store_object_info(o)->size, 0);
    store_object_close(o);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_ENOTEMPTY);
}

/* ---- what is kept, and until when ---- */

static const struct retention hold = {RETENTION_NONE, 1, 0};
static const struct retention compliance = {RETENTION_COMPLIANCE, 0, START_S + 60};
static const struct retention governance = {RETENTION_GOVERNANCE, 0, START_S + 60};
static const struct retention far_off = {RETENTION_COMPLIANCE, 0, 7258118400ll}; /* 2200 */
static const struct retention over = {RETENTION_COMPLIANCE, 0, START_S - 1};

static void tell_kept(struct fixture *f)
{
    bool existed;
    make_bucket(f);
    put_retained(f, "hold", hold);
    put_retained(f, "compliance", compliance);
    put_retained(f, "governance", governance);
    put_retained(f, "far", far_off);
    put_retained(f, "over", over);
    expect_kept(f, "hold");
    expect_kept(f, "compliance");
    expect_kept(f, "governance");
    expect_kept(f, "far");
    assert_int_equal(try_delete(f, "over", NULL, &existed), DOL_OK);
    assert_true(existed);
    /* another version than the one named isn't touched */
    struct version_id other = {{9}};
    assert_int_equal(try_delete(f, "hold", &other, &existed), DOL_OK);
    assert_false(existed);
    /* UTC jumps fifty years ahead: nothing becomes free */
    sim_clock_set_realtime_ns(f->rt, START_S * 1000000000 + FIFTY_YEARS_NS);
    fiber_sleep(30 * NS_PER_S);
    expect_kept(f, "compliance");
    expect_kept(f, "governance");
    /* nor does it keep anything longer when it jumps back */
    sim_clock_set_realtime_ns(f->rt, START_S * 1000000000 - FIFTY_YEARS_NS);
    fiber_sleep(31 * NS_PER_S);
    assert_int_equal(try_put(f, "compliance", "over", 4, NULL), DOL_OK);
    assert_int_equal(try_delete(f, "governance", NULL, &existed), DOL_OK);
    assert_true(existed);
    expect_kept(f, "hold");
    expect_kept(f, "far");
}

static void tell_still_kept(struct fixture *f)
{
    expect_kept(f, "hold");
    expect_kept(f, "far");
    expect_absent(f, "over");
    expect(f, "compliance", "over", 4);
}

static void test_kept(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_kept);
    fixture_write_session(&f, tell_still_kept);
    fixture_drop_index(&f);
    f.realtime_ns = START_S * 1000000000 + FIFTY_YEARS_NS;
    fixture_write_session(&f, tell_still_kept);
    fixture_fini(&f);
}

/* ---- the clock over restarts ---- */

static uint64_t clock_s;

static void tell_clock(struct fixture *f)
{
    uint64_t now_s = pool_compliance_now_s(f->store->pool);
    assert_in_range(now_s, clock_s, clock_s + 1);
    fiber_sleep(100 * NS_PER_S);
    clock_s = pool_compliance_now_s(f->store->pool);
    assert_int_equal(clock_s, now_s + 100);
}

static void test_clock_over_restarts(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    clock_s = (uint64_t)START_S;
    for (unsigned i = 0; i < 3; i++)
        fixture_write_session(&f, tell_clock); /* UTC starts anew each time: the clock does not go back */
    f.realtime_ns = START_S * 1000000000 - FIFTY_YEARS_NS;
    fixture_write_session(&f, tell_clock);
    /* off for fifty years, as UTC says: what is caught up is what was earned, 7 days in 365 of running */
    f.realtime_ns = START_S * 1000000000 + FIFTY_YEARS_NS;
    clock_s += 400 * 7 / 365;
    fixture_write_session(&f, tell_clock);
    /* a drive that was away meanwhile and is back does not set it back */
    f.given = 1;
    fixture_read_session(&f, NULL);
    f.given = 3;
    clock_s++;
    fixture_write_session(&f, tell_clock);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_clock_over_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
