/*
 * Damage that goes away again: a drive that is missing for one run, a read error that was the cable's, a write that
 * fails while the verdict is written. Whatever one open has to make of it, the next one, with everything back, must
 * find all that was acknowledged: nothing decided in trouble may outlast it.
 */
#include "raw_pool.h"

#include <stdlib.h>

#define LEN 20000u

/* ---- stories ---- */

static void tell_base(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "base", 1, LEN);
}

/* Acknowledged, and the power goes before another row proves it. */
static void tell_last(struct fixture *f)
{
    put_noise(f, "last", 2, LEN);
    fixture_crash(f);
}

static void tell_both(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, "last", 2, LEN);
}

static void put_on_loop(void *arg)
{
    struct fixture *f = arg;
    char key[16] = "loop-x";
    key[5] = (char)('0' + loop_index());
    put_noise(f, key, 100 + loop_index(), LEN);
    fixture_leave(f);
}

/* One unproven row in a slab of each loop; loop 1's slab is the newer one. */
static void tell_two_loops(struct fixture *f)
{
    for (unsigned i = 0; i < 2; i++) {
        fixture_spawn(f, i, put_on_loop, f);
        fixture_join(f);
    }
    fixture_crash(f);
}

static void tell_two_loops_there(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, "loop-0", 100, LEN);
    expect_noise(f, "loop-1", 101, LEN);
}

/* ---- what goes away again ---- */

static void begin(struct fixture *f, fixture_fn *last)
{
    fixture_init(f);
    fixture_write_session(f, tell_base);
    fixture_write_session(f, last);
}

/* A drive is missing for one run: the last row is shown where it lies, and is still there once the drive is back. */
static void test_drive_missing_for_a_run(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    begin(&f, tell_last);
    f.given &= ~2u;
    fixture_read_session(&f, tell_both);
    f.given |= 2u;
    fixture_write_session(&f, tell_both);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_both);
    fixture_fini(&f);
}

static void test_drive_missing_two_loops(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .loops = 2};
    begin(&f, tell_two_loops);
    f.given &= ~1u;
    fixture_read_session(&f, tell_two_loops_there);
    f.given |= 1u;
    fixture_write_session(&f, tell_two_loops_there);
    fixture_fini(&f);
}

/* As above; the index is lost meanwhile and rebuilt without the drive. */
static void test_index_rebuilt_without_a_drive(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    begin(&f, tell_last);
    fixture_drop_index(&f);
    f.given &= ~4u;
    fixture_read_session(&f, tell_both);
    f.given |= 4u;
    fixture_write_session(&f, tell_both);
    fixture_fini(&f);
}

/* More than m units of the last row can't be read: nobody can know, so the pool is read-only; and nothing is decided.
 */
static void test_last_row_unreadable_for_a_run(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    struct sim_medium *sound[FIXTURE_DRIVES_MAX];
    begin(&f, tell_last);
    fixture_clone_media(&f, sound);
    struct raw_pool *raw = raw_pool_read(&f);
    struct raw_slab *slab = raw_slab_last(raw);
    for (unsigned i = 0; i < 2; i++)
        raw_unit_fail(raw, slab, &slab->rows[slab->row_count - 1], i);
    free(raw);
    fixture_read_session(&f, NULL);
    fixture_swap_media(&f, sound);
    fixture_write_session(&f, tell_both);
    fixture_free_media(&f, sound);
    fixture_fini(&f);
}

/* The same on a pool without parity. */
static void test_last_row_unreadable_no_parity(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    struct sim_medium *sound[FIXTURE_DRIVES_MAX];
    begin(&f, tell_last);
    fixture_clone_media(&f, sound);
    struct raw_pool *raw = raw_pool_read(&f);
    struct raw_slab *slab = raw_slab_last(raw);
    raw_unit_fail(raw, slab, &slab->rows[slab->row_count - 1], 0);
    free(raw);
    fixture_read_session(&f, NULL);
    fixture_swap_media(&f, sound);
    fixture_write_session(&f, tell_both);
    fixture_free_media(&f, sound);
    fixture_fini(&f);
}

/* A row in the middle can't be read while the index is rebuilt: what lies behind it is not given up. */
static void test_middle_row_unreadable_for_a_run(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    struct sim_medium *sound[FIXTURE_DRIVES_MAX];
    begin(&f, tell_last);
    fixture_clone_media(&f, sound);
    struct raw_pool *raw = raw_pool_read(&f);
    raw_unit_fail(raw, &raw->slabs[0], &raw->slabs[0].rows[0], 0);
    free(raw);
    fixture_drop_index(&f);
    fixture_read_session(&f, NULL);
    fixture_swap_media(&f, sound);
    fixture_write_session(&f, tell_both);
    fixture_free_media(&f, sound);
    fixture_fini(&f);
}

/* A slab with a verdict, none of whose headers can be read for one run. */
static void test_rows_under_verdict_unreadable_for_a_run(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    struct sim_medium *sound[FIXTURE_DRIVES_MAX];
    begin(&f, tell_last);
    fixture_write_session(&f, tell_both); /* gives the verdict */
    fixture_clone_media(&f, sound);
    struct raw_pool *raw = raw_pool_read(&f);
    struct raw_slab *slab = &raw->slabs[1];
    assert_int_equal(slab->row_count, 2); /* the verdict on the slab before, and the last row */
    for (unsigned i = 0; i < 2; i++)
        raw_unit_fail(raw, slab, &slab->rows[1], i);
    free(raw);
    fixture_drop_index(&f);
    fixture_read_session(&f, NULL);
    fixture_swap_media(&f, sound);
    fixture_write_session(&f, tell_both);
    fixture_free_media(&f, sound);
    fixture_fini(&f);
}

/* ---- the verdict can't be written ---- */

static struct fixture *failing;
static uint64_t fail_at, writes_seen;

static void on_write(void *arg, struct sim_medium *m)
{
    (void)arg;
    if (++writes_seen == fail_at)
        sim_medium_fail_next_write(m);
}

/* The last row lacks a unit and has to be appended again; each write of recovery fails in turn. */
static void test_verdict_fails(void **state)
{
    (void)state;
    bool failed = true;
    for (fail_at = 1; failed; fail_at++) {
        struct fixture f = {.k = 2, .m = 1};
        begin(&f, tell_last);
        struct raw_pool *raw = raw_pool_read(&f);
        struct raw_slab *slab = raw_slab_last(raw);
        raw_unit_erase(raw, slab, &slab->rows[slab->row_count - 1], 0);
        free(raw);
        failing = &f;
        writes_seen = 0;
        for (unsigned i = 0; i < f.drives; i++)
            sim_medium_on_write(f.media[i], on_write, NULL);
        assert_int_equal(fixture_session(&f, tell_both), DOL_OK);
        for (unsigned i = 0; i < f.drives; i++)
            sim_medium_on_write(f.media[i], NULL, NULL);
        failed = writes_seen >= fail_at;
        fixture_write_session(&f, tell_both);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_both);
        fixture_fini(&f);
    }
    assert_true(fail_at > 20);
}

/* ---- one slab can't be judged, another one's last row lacks a unit ---- */

static const char *torn_key;

static void tell_torn_one_is_shown(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, torn_key, strcmp(torn_key, "loop-0") == 0 ? 100 : 101, LEN);
}

static void test_incomplete_row_beside_unreadable_one(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 2; bad++) {
        struct fixture f = {.k = 2, .m = 1, .loops = 2};
        struct sim_medium *sound[FIXTURE_DRIVES_MAX];
        begin(&f, tell_two_loops);
        struct raw_pool *raw = raw_pool_read(&f);
        struct raw_slab *first = NULL, *second = NULL;
        for (unsigned i = 0; i < raw->slab_count; i++) {
            if (raw->slabs[i].header.run != 2 || raw->slabs[i].row_count == 0)
                continue;
            first = first == NULL ? &raw->slabs[i] : first;
            second = &raw->slabs[i];
        }
        assert_true(first != NULL && second != first);
        struct raw_slab *torn = bad ? first : second, *unreadable = bad ? second : first;
        raw_unit_erase(raw, torn, &torn->rows[torn->row_count - 1], 0);
        fixture_clone_media(&f, sound);
        for (unsigned i = 0; i < 2; i++)
            raw_unit_fail(raw, unreadable, &unreadable->rows[unreadable->row_count - 1], i);
        free(raw);
        torn_key = bad ? "loop-0" : "loop-1";
        fixture_read_session(&f, tell_torn_one_is_shown);
        fixture_swap_media(&f, sound);
        fixture_write_session(&f, tell_two_loops_there);
        fixture_free_media(&f, sound);
        fixture_fini(&f);
    }
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drive_missing_for_a_run),
        cmocka_unit_test(test_drive_missing_two_loops),
        cmocka_unit_test(test_index_rebuilt_without_a_drive),
        cmocka_unit_test(test_last_row_unreadable_for_a_run),
        cmocka_unit_test(test_last_row_unreadable_no_parity),
        cmocka_unit_test(test_middle_row_unreadable_for_a_run),
        cmocka_unit_test(test_rows_under_verdict_unreadable_for_a_run),
        cmocka_unit_test(test_verdict_fails),
        cmocka_unit_test(test_incomplete_row_beside_unreadable_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
