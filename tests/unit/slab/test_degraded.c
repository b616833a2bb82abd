/*
 * Drives that are missing at open or fail while serving: writing goes on where the rules allow it, under the next
 * epoch, on fewer drives; what is acknowledged then is there after any crash, and without the drive that left.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "append.h"

#define LEN 40000u

/* The newest superblock of one medium. */
static void superblock_of(struct fixture *f, unsigned drive, struct superblock *out)
{
    uint8_t *buf = malloc(SUPERBLOCK_BYTES);
    struct superblock *sb = malloc(sizeof *sb);
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
        sim_medium_peek(f->media[drive], (uint64_t)i * SUPERBLOCK_STRIDE_BYTES, buf, SUPERBLOCK_BYTES);
        if (superblock_decode(buf, sb) == DOL_OK && sb->sequence > out->sequence)
            *out = *sb;
    }
    free(buf);
    free(sb);
}

static uint64_t epoch_of(struct fixture *f, unsigned drive)
{
    struct superblock *sb = malloc(sizeof *sb);
    superblock_of(f, drive, sb);
    uint64_t epoch = sb->epoch;
    free(sb);
    return epoch;
}

static unsigned count_state(struct fixture *f, const char *state)
{
    unsigned n = 0;
    fixture_status(f);
    for (unsigned i = 0; i < f->status.drive_count; i++)
        n += strcmp(f->status.drives[i].state, state) == 0;
    return n;
}

static void tell_base(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "base", 1, LEN);
    put_noise(f, "gone", 2, LEN);
}

/* Acknowledged, and the power goes before another row proves it. */
static void tell_last(struct fixture *f)
{
    put_noise(f, "last", 3, LEN);
    fixture_crash(f);
}

static void begin(struct fixture *f)
{
    fixture_init(f);
    fixture_write_session(f, tell_base);
    fixture_write_session(f, tell_last);
}

/* ---- missing at open ---- */

static void tell_without(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, "last", 3, LEN);
    put_noise(f, "more", 4, LEN);
    remove_object(f, "gone");
    assert_non_null(strstr(fixture_status(f)->reason, "are away or being rebuilt"));
    assert_int_equal(f->status.epoch, 2);
    assert_int_equal(f->status.k_now + f->status.m_now, f->drives - count_state(f, "missing"));
    assert_int_equal(f->status.m_now, 2);
}

static unsigned expected_stale;

static void tell_same(struct fixture *f)
{
    assert_int_equal(count_state(f, "stale"), expected_stale);
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, "last", 3, LEN);
    expect_noise(f, "more", 4, LEN);
    expect_absent(f, "gone");
    assert_int_equal(fixture_status(f)->epoch, 2);
}

/* What was written without a drive is complete without it, and it is stale when it comes back: whatever it says. */
static void missing_pair(unsigned a, unsigned b)
{
    struct fixture f = {.k = 4, .m = 2, .seed = 1 + 10 * a + b};
    begin(&f);
    f.given &= ~(1u << a) & ~(1u << b);
    fixture_write_session(&f, tell_without);
    struct raw_pool *p = raw_pool_read(&f);
    struct raw_slab *s = raw_slab_last(p);
    assert_int_equal(s->header.epoch, 2);
    assert_int_equal(s->header.k + s->header.m, a == b ? 5 : 4);
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++)
        assert_true(s->drives[i] != a && s->drives[i] != b);
    for (unsigned i = 0; i < s->row_count; i++)
        assert_int_equal(s->rows[i].header.epoch, 2);
    free(p);
    for (unsigned i = 0; i < f.drives; i++)
        assert_int_equal(epoch_of(&f, i), i == a || i == b ? 1 : 2);
    expected_stale = 0;
    fixture_write_session(&f, tell_same);
    expected_stale = a == b ? 1 : 2;
    f.given = 63;
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_same);
    fixture_fini(&f);
}

static void test_missing_at_open(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 6; a++)
        for (unsigned b = 0; b <= a; b += 2)
            missing_pair(a, b);
}

static void tell_refused(struct fixture *f)
{
    assert_int_equal(try_put(f, "more", "x", 1, NULL), DOL_EREADONLY);
    assert_true(fixture_status(f)->read_only);
    assert_non_null(strstr(f->status.reason, "missing"));
}

static void tell_shown(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, "last", 3, LEN);
    tell_refused(f);
}

/* Asked to write, it won't. */
static void refused_session(struct fixture *f, fixture_fn *fn, uint64_t epoch)
{
    assert_int_equal(fixture_session(f, fn), DOL_OK);
    assert_int_equal(f->status.epoch, epoch);
}

/* More than m: read-only, and nothing is decided. */
static void test_too_many_at_open(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    begin(&f);
    f.given = 63 & ~7u;
    refused_session(&f, tell_refused, 1);
    for (unsigned i = 0; i < f.drives; i++)
        assert_int_equal(epoch_of(&f, i), 1);
    f.given = 63 & ~1u;
    fixture_write_session(&f, NULL);
    f.given = 63;
    fixture_write_session(&f, NULL);
    assert_int_equal(f.status.epoch, 2);
    fixture_fini(&f);
}

/* Two parts of a pool that don't see each other: half of a membership is not enough, and those that left don't make a
 * majority later on. */
static void test_halves(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 3};
    begin(&f);
    f.given = 3;
    refused_session(&f, tell_shown, 1);
    f.given = 12;
    refused_session(&f, tell_shown, 1);
    f.given = 7;
    fixture_write_session(&f, NULL);
    assert_int_equal(f.status.epoch, 2);
    f.given = 3;
    fixture_write_session(&f, NULL);
    assert_int_equal(f.status.epoch, 3);
    f.given = 14; /* three of four drives, one of the two that went on */
    refused_session(&f, tell_shown, 3);
    f.given = 12; /* one of the first epoch, one of the second: neither has what was written since */
    assert_int_equal(fixture_session(&f, NULL), DOL_EINCOMPLETE);
    f.given = 15;
    fixture_write_session(&f, NULL);
    assert_int_equal(f.status.epoch, 3);
    fixture_fini(&f);
}

/* ---- failing while serving ---- */

static void tell_one_by_one(struct fixture *f)
{
    static const unsigned expected[3][2] = {{4, 2}, {3, 2}, {2, 2}};
    make_bucket(f);
    for (unsigned i = 0; i < 3; i++) {
        char key[8];
        fixture_status(f);
        assert_int_equal(f->status.k_now, expected[i][0]);
        assert_int_equal(f->status.m_now, expected[i][1]);
        assert_int_equal(f->status.epoch, 1 + i);
        snprintf(key, sizeof key, "k%u", i);
        if (i > 0)
            put_noise(f, "between", i, LEN);
        if (i < 2)
            sim_medium_fail_next_write(f->media[3 * i]);
        put_noise(f, key, i, LEN);
    }
}

static void tell_all_three(struct fixture *f)
{
    for (unsigned i = 0; i < 3; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        expect_noise(f, key, i, LEN);
    }
    expect_noise(f, "between", 2, LEN);
    put_noise(f, "after", 9, LEN);
}

static void test_one_by_one(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_one_by_one);
    fixture_write_session(&f, tell_all_three);
    fixture_drop_index(&f);
    f.given = 63 & ~1u & ~8u;
    fixture_write_session(&f, tell_all_three);
    fixture_fini(&f);
}

/* Both in the row, and one of what carries it over: answered once it lies on what is left. */
static unsigned fail_at_once;

static void tell_together(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, LEN);
    for (unsigned i = 0; i < fail_at_once; i++)
        sim_medium_fail_next_write(f->media[i]);
    put_noise(f, "k", 2, LEN);
    assert_int_equal(count_state(f, "faulted"), fail_at_once);
}

static void tell_together_there(struct fixture *f)
{
    expect_noise(f, "before", 1, LEN);
    expect_noise(f, "k", 2, LEN);
}

static void test_together(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    fail_at_once = 2;
    fixture_init(&f);
    fixture_write_session(&f, tell_together);
    f.given &= ~3u;
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_together_there);
    fixture_fini(&f);
}

static void put_in_doubt(void *arg)
{
    struct fixture *f = arg;
    uint8_t *data = noise(2, LEN);
    assert_int_not_equal(try_put(f, "k", data, LEN, NULL), DOL_OK);
    free(data);
    fixture_leave(f);
}

static void tell_three_at_once(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, LEN);
    for (unsigned i = 0; i < 3; i++)
        sim_medium_fail_next_write(f->media[i]);
    fixture_spawn(f, 0, put_in_doubt, f);
    fixture_join(f);
    assert_true(sim_panicked(f->rt));
    fixture_crash(f);
}

static void tell_before(struct fixture *f)
{
    expect_noise(f, "before", 1, LEN);
    assert_int_equal(fixture_status(f)->epoch, 1);
    put_noise(f, "k", 4, LEN);
}

/* More than m together: the process stops, no epoch; a restart finds all drives. */
static void test_three_at_once(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_three_at_once);
    for (unsigned i = 0; i < f.drives; i++)
        assert_int_equal(epoch_of(&f, i), 1);
    fixture_write_session(&f, tell_before);
    fixture_fini(&f);
}

/* A drive fails under one loop; another's open slab has it, too: nothing more is written to it there. */
static void put_on_loop(void *arg)
{
    struct fixture *f = arg;
    put_noise(f, loop_index() == 0 ? "zero" : "one", loop_index(), LEN);
    fixture_leave(f);
}

static uint64_t written_by_then;

static void tell_two_loops(struct fixture *f)
{
    make_bucket(f);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 2) {
            fiber_sleep(5 * APPEND_IDLE_NS);
            sim_medium_fail_next_write(f->media[0]);
        }
        fixture_spawn(f, i % 2, put_on_loop, f);
        fixture_join(f);
        if (i == 2)
            written_by_then = fixture_status(f)->drives[0].write_bytes;
    }
    assert_int_equal(fixture_status(f)->drives[0].write_bytes, written_by_then);
    assert_int_equal(f->status.slabs_ended, 2);
    assert_int_equal(f->status.epoch, 2);
}

static void tell_two_loops_there(struct fixture *f)
{
    expect_noise(f, "zero", 0, LEN);
    expect_noise(f, "one", 1, LEN);
}

static void test_two_loops(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .loops = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_two_loops);
    fixture_drop_index(&f);
    f.given &= ~1u;
    fixture_write_session(&f, tell_two_loops_there);
    fixture_fini(&f);
}

/* ---- the power goes meanwhile ---- */

static struct fixture *cut;
static uint64_t cut_at, writes_seen;
static bool answered, failing;

static void on_write(void *arg, struct sim_medium *m)
{
    (void)arg;
    (void)m;
    if (failing && ++writes_seen == cut_at)
        fixture_crash(cut);
}

static void put_and_note(void *arg)
{
    struct fixture *f = arg;
    uint8_t *data = noise(2, LEN);
    answered = try_put(f, "k", data, LEN, NULL) == DOL_OK && !f->crashed;
    free(data);
    fixture_leave(f);
}

static void tell_cut(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, LEN);
    sim_medium_fail_next_write(f->media[1]);
    failing = true;
    fixture_spawn(f, 0, put_and_note, f);
    fixture_join(f);
    failing = false;
    if (!f->crashed)
        fixture_crash(f);
}

static void tell_after_cut(struct fixture *f)
{
    struct object *o;
    expect_noise(f, "before", 1, LEN);
    enum dol_err err = store_object_open(f->store, text("b"), text("k"), NULL, &o);
    if (err == DOL_OK)
        store_object_close(o);
    if (answered || err == DOL_OK)
        expect_noise(f, "k", 2, LEN);
    else
        assert_int_equal(err, DOL_ENOTFOUND);
    answered = answered || err == DOL_OK; /* shown once, it stays */
}

/* At every write from the one that fails to the answer. With all drives, without the one that failed, with an index
 * rebuilt: what was answered is there. */
static void test_power_cuts(void **state)
{
    (void)state;
    bool more = true;
    uint64_t states = 0;
    for (cut_at = 1; more; cut_at++) {
        struct fixture f = {.k = 2, .m = 1, .drives = 4, .seed = cut_at};
        fixture_init(&f);
        cut = &f;
        writes_seen = 0;
        for (unsigned i = 0; i < f.drives; i++)
            sim_medium_on_write(f.media[i], on_write, NULL);
        fixture_write_session(&f, tell_cut);
        for (unsigned i = 0; i < f.drives; i++)
            sim_medium_on_write(f.media[i], NULL, NULL);
        more = writes_seen >= cut_at;
        if (cut_at % 2 == 0)
            f.given &= ~2u;
        fixture_write_session(&f, tell_after_cut);
        if (cut_at % 3 == 0)
            fixture_drop_index(&f);
        fixture_write_session(&f, tell_after_cut);
        f.given &= ~2u;
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_after_cut);
        states++;
        fixture_fini(&f);
    }
    assert_true(states > 20);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_at_open), cmocka_unit_test(test_too_many_at_open),
        cmocka_unit_test(test_halves),          cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_together),        cmocka_unit_test(test_three_at_once),
        cmocka_unit_test(test_two_loops),       cmocka_unit_test(test_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
