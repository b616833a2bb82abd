/*
 * A drive that was away returns and is rebuilt: it takes part in new slabs at once, has every unit of the old ones at
 * the end, and then any m drives may go. Whatever cuts it short, the next open goes on.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "heal.h"
#include "store_impl.h"

#define BIG     1500000u
#define OBJECTS 12u

static unsigned away, objects_now;

static void put_object(struct fixture *f, unsigned i)
{
    char key[16];
    snprintf(key, sizeof key, "k%u", i);
    put_noise(f, key, i, i % 3 == 0 ? 3000 : BIG);
}

static void expect_all(struct fixture *f)
{
    for (unsigned i = 0; i < objects_now; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        expect_noise(f, key, i, i % 3 == 0 ? 3000 : BIG);
    }
}

static void put_some(struct fixture *f)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        put_object(f, objects_now++);
}

static void tell_base(struct fixture *f)
{
    make_bucket(f);
    put_some(f);
}

static void tell_without(struct fixture *f)
{
    put_some(f);
    expect_all(f);
}

static const char *state_of(struct fixture *f, unsigned drive)
{
    return fixture_status(f)->drives[drive].state;
}

static void tell_heal(struct fixture *f)
{
    assert_string_equal(state_of(f, away), "stale");
    assert_int_equal(heal_run(f->store), DOL_OK);
    assert_string_equal(state_of(f, away), "online");
    assert_string_equal(f->status.reason, "");
    assert_int_equal(f->status.k_now, f->k);
    put_some(f);
    expect_all(f);
}

static void begin(struct fixture *f)
{
    objects_now = 0;
    fixture_init(f);
    fixture_write_session(f, tell_base);
    f->given &= ~(1u << away);
    fixture_write_session(f, tell_without);
    f->given |= 1u << away;
}

static unsigned on_drive; /* slabs */

/* Every unit, header and footer is on its drive, as the format says. */
static void check_whole(struct fixture *f)
{
    struct raw_pool *p = raw_pool_read(f);
    on_drive = 0;
    for (unsigned i = 0; i < p->slab_count; i++) {
        struct raw_slab *s = &p->slabs[i];
        unsigned members = (unsigned)(s->header.k + s->header.m);
        assert_int_equal(s->headers, members);
        assert_true(s->footers == 0 || s->footers == members);
        for (unsigned j = 0; j < s->row_count; j++)
            raw_row_check(p, s, j);
        for (unsigned j = 0; j < members; j++)
            on_drive += s->drives[j] == away;
    }
    assert_true(on_drive >= 1);
    free(p);
}

/* Any m drives may go now, with the index. */
static void check_redundancy(struct fixture *f)
{
    unsigned all = (1u << f->drives) - 1;
    for (unsigned i = 0; i < f->drives; i += 2) {
        for (unsigned j = 0; j < f->m; j++)
            f->given &= ~(1u << (i + j) % f->drives);
        fixture_drop_index(f);
        fixture_read_session(f, expect_all);
        f->given = all;
    }
}

static void test_returned(void **state)
{
    (void)state;
    for (away = 0; away < 6; away += 2) {
        struct fixture f = {.k = 4, .m = 2, .seed = away + 1, .encrypted = away == 2};
        begin(&f);
        fixture_write_session(&f, tell_heal);
        check_whole(&f);
        unsigned before = on_drive;
        fixture_write_session(&f, tell_without); /* with it */
        check_whole(&f);
        assert_true(on_drive > before);
        check_redundancy(&f);
        fixture_fini(&f);
    }
}

/* One that comes back with nothing but its superblocks; one that lost bits besides. */
static void test_returned_bad(void **state)
{
    (void)state;
    away = 1;
    for (unsigned wiped = 0; wiped < 2; wiped++) {
        struct fixture f = {.k = 2, .m = 1, .drives = 4};
        static const uint8_t zero[4096];
        begin(&f);
        for (uint64_t at = FORMAT_EXTENTS_OFFSET; at < f.drive_bytes; at += 4096)
            if (wiped)
                sim_medium_poke(f.media[away], at, zero, sizeof zero);
            else if (at % (40 * 4096) == 0)
                sim_medium_flip(f.media[away], at + 9, 4);
        fixture_write_session(&f, tell_heal);
        check_whole(&f);
        check_redundancy(&f);
        fixture_fini(&f);
    }
}

/* ---- another failure meanwhile ---- */

static uint64_t writes_seen, event_at;
static struct fixture *now;
static bool cut;

static void on_write(void *arg, struct sim_medium *m)
{
    (void)arg;
    if (m == now->media[away] ? ++writes_seen != event_at : true)
        return;
    if (cut)
        fixture_crash(now);
    else
        sim_medium_fail_next_write(m);
}

static void watch(struct fixture *f, bool on)
{
    now = f;
    writes_seen = 0;
    for (unsigned i = 0; i < f->drives; i++)
        sim_medium_on_write(f->media[i], on ? on_write : NULL, NULL);
}

static void tell_try(struct fixture *f)
{
    enum dol_err err = heal_run(f->store);
    assert_true(err == DOL_OK || f->crashed || (!cut && err == DOL_EIO));
    if (!f->crashed)
        expect_all(f);
}

static void tell_heal_rest(struct fixture *f)
{
    assert_int_equal(heal_run(f->store), DOL_OK);
    assert_string_equal(fixture_status(f)->reason, "");
    expect_all(f);
}

/* The power goes while it is rebuilt, at one write after another; the next open goes on. */
static void test_cut_short(void **state)
{
    (void)state;
    bool more = true;
    away = 0;
    cut = true;
    for (event_at = 1; more; event_at += event_at < 30 ? 3 : 17) {
        struct fixture f = {.k = 2, .m = 1, .seed = event_at};
        begin(&f);
        watch(&f, true);
        fixture_session(&f, tell_try);
        more = writes_seen >= event_at;
        watch(&f, false);
        fixture_write_session(&f, expect_all);
        fixture_write_session(&f, tell_heal_rest);
        check_whole(&f);
        check_redundancy(&f);
        fixture_fini(&f);
    }
}

/* It fails itself: it leaves again, and nothing else is lost. */
static void test_fails_again(void **state)
{
    (void)state;
    away = 0;
    cut = false;
    for (event_at = 2; event_at < 200; event_at += 40) {
        struct fixture f = {.k = 2, .m = 1, .drives = 4, .seed = event_at};
        begin(&f);
        watch(&f, true);
        fixture_session(&f, tell_try);
        watch(&f, false);
        fixture_write_session(&f, tell_heal_rest);
        check_whole(&f);
        check_redundancy(&f);
        fixture_fini(&f);
    }
}

static void tell_second_failure(struct fixture *f)
{
    put_some(f);
    sim_medium_fail_next_write(f->media[3]);
    put_some(f);
    assert_string_equal(state_of(f, 3), "faulted");
    assert_int_equal(heal_run(f->store), DOL_OK);
    expect_all(f);
    assert_string_equal(state_of(f, away), "online");
}

/* With m = 2 another drive fails before it is whole: nothing is lost, and both are healed in the end. */
static void test_second_failure(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    away = 1;
    begin(&f);
    fixture_write_session(&f, tell_second_failure);
    fixture_write_session(&f, tell_heal_rest);
    check_whole(&f);
    check_redundancy(&f);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_returned),    cmocka_unit_test(test_returned_bad),   cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_fails_again), cmocka_unit_test(test_second_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
