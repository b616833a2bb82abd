/*
 * Recovery after a crash or with damage: verdicts on last rows and their durability, rows appended again, drives and
 * extent headers that are lost.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#define LEN 40000u

/* ---- stories ---- */

static void tell_base(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "base", 1, LEN);
}

/* The last row, which nothing proves. */
static void tell_last(struct fixture *f)
{
    put_noise(f, "last", 2, LEN);
    fixture_crash(f);
}

static void tell_there(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, "last", 2, LEN);
}

static void tell_dead(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_absent(f, "last");
}

static void begin(struct fixture *f)
{
    fixture_init(f);
    fixture_write_session(f, tell_base);
    fixture_write_session(f, tell_last);
}

/* Erases units of the last row from `first` on, all but `left`. Returns the slab's id. */
static uint64_t tear_last_row(struct fixture *f, unsigned first, unsigned left)
{
    struct raw_pool *p = raw_pool_read(f);
    struct raw_slab *s = raw_slab_last(p);
    unsigned members = s->header.k + s->header.m;
    uint64_t id = s->header.slab;
    assert_int_equal(s->rows[s->row_count - 1].header.record_count, 2);
    for (unsigned i = 0; i < members - left; i++)
        raw_unit_erase(p, s, &s->rows[s->row_count - 1], (first + i) % members);
    free(p);
    return id;
}

/* The verdict on a slab: how many there are, and the rows it says. */
static unsigned verdicts_on(struct fixture *f, uint64_t id, uint64_t *rows)
{
    struct raw_pool *p = raw_pool_read(f);
    unsigned n = 0;
    for (unsigned i = 0; i < p->slab_count; i++) {
        for (unsigned j = 0; j < p->slabs[i].row_count; j++) {
            uint32_t offset = 0;
            struct raw_record rec;
            struct end_body end;
            bool whole = p->slabs[i].rows[j].header.record_count > 0;
            for (unsigned unit = 0; unit < p->slabs[i].header.k; unit++)
                whole = whole && p->slabs[i].rows[j].good[unit];
            if (!whole)
                continue;
            uint8_t *data = raw_row_data(p, &p->slabs[i], &p->slabs[i].rows[j]);
            while (raw_record_next(data, &p->slabs[i].rows[j], &offset, &rec)) {
                if (rec.header.kind != RECORD_END)
                    continue;
                assert_int_equal(end_body_decode(rec.body, &end), DOL_OK);
                if (end.slab == id) {
                    *rows = end.rows;
                    n++;
                }
            }
            free(data);
        }
    }
    free(p);
    return n;
}

/* Opened over and over, with and without index: the same answers, and no second verdict. */
static void open_again(struct fixture *f, fixture_fn *fn, uint64_t slab, uint64_t rows)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t told = UINT64_MAX;
        if (i % 2 == 1)
            fixture_drop_index(f);
        fixture_write_session(f, fn);
        assert_int_equal(verdicts_on(f, slab, &told), 1);
        assert_int_equal(told, rows);
    }
}

/* ---- the last row is torn ---- */

static void test_fewer_than_k_units(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 6; first += 2) {
        struct fixture f = {.k = 4, .m = 2};
        begin(&f);
        uint64_t id = tear_last_row(&f, first, 3);
        /* the verdict on the base's slab was its first row */
        open_again(&f, tell_dead, id, 1);
        fixture_fini(&f);
    }
    struct fixture f = {.k = 1, .m = 0};
    begin(&f);
    open_again(&f, tell_dead, tear_last_row(&f, 0, 0), 1);
    fixture_fini(&f);
}

/* Dead is dead: the units come back (a drive that was away, a late write), and nothing changes. */
static void test_dead_stays_dead(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    begin(&f);
    struct raw_pool *p = raw_pool_read(&f);
    struct raw_slab *s = raw_slab_last(p);
    const struct raw_row *row = &s->rows[s->row_count - 1];
    uint8_t *units[3];
    for (unsigned i = 0; i < 3; i++)
        units[i] = raw_unit(p, s, row, i);
    raw_unit_erase(p, s, row, 0);
    raw_unit_erase(p, s, row, 1);
    fixture_write_session(&f, tell_dead);
    for (unsigned i = 0; i < 3; i++) {
        sim_medium_poke(f.media[s->drives[i]], raw_offset(p, s, i, row->header.row_block), units[i],
                        (size_t)row->layout.unit_blocks * FORMAT_BLOCK_BYTES);
        free(units[i]);
    }
    free(p);
    for (unsigned i = 0; i < 4; i++) {
        if (i % 2 == 1)
            fixture_drop_index(&f);
        fixture_write_session(&f, tell_dead);
    }
    fixture_fini(&f);
}

/* ---- some units of the last row are there, k at least ---- */

static void check_appended_again(struct fixture *f)
{
    struct raw_pool *p = raw_pool_read(f);
    struct raw_slab *s = NULL;
    for (unsigned i = 0; i < p->slab_count; i++)
        if (p->slabs[i].header.run == 3)
            s = &p->slabs[i];
    assert_non_null(s);
    assert_int_equal(s->rows[0].header.record_count, 3); /* the verdict, a chunk, a manifest */
    assert_true(s->rows[0].header.flags & UNIT_FLAG_REAPPEND);
    for (unsigned i = 0; i < s->row_count; i++)
        raw_row_check(p, s, i);
    free(p);
}

static void test_k_units(void **state)
{
    (void)state;
    for (unsigned left = 4; left < 6; left++) {
        for (unsigned first = left % 2; first < 6; first += 2) {
            struct fixture f = {.k = 4, .m = 2};
            begin(&f);
            uint64_t id = tear_last_row(&f, first, left);
            fixture_write_session(&f, tell_there);
            check_appended_again(&f);
            open_again(&f, tell_there, id, 1);
            fixture_fini(&f);
        }
    }
}

static void test_all_units(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    begin(&f);
    uint64_t id = tear_last_row(&f, 0, 6);
    open_again(&f, tell_there, id, 2);
    fixture_fini(&f);
}

/* Last rows of several loops with large directories, all to be appended again. */
static void put_on_loop(void *arg)
{
    struct fixture *f = arg;
    char name[16];
    snprintf(name, sizeof name, "loop-%u", loop_index());
    put_setting(f, name, loop_index(), 500000);
    fixture_leave(f);
}

static void tell_three_loops(struct fixture *f)
{
    for (unsigned i = 0; i < 3; i++)
        fixture_spawn(f, i, put_on_loop, f);
    fixture_join(f);
    fixture_crash(f);
}

static void tell_three_there(struct fixture *f)
{
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "loop-%u", i);
        expect_setting(f, name, i, 500000);
    }
    put_noise(f, "more", 4, LEN);
}

static void test_large_rows_appended_again(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .loops = 3};
    fixture_init(&f);
    fixture_write_session(&f, tell_base);
    fixture_write_session(&f, tell_three_loops);
    struct raw_pool *p = raw_pool_read(&f);
    unsigned torn = 0;
    for (unsigned i = 0; i < p->slab_count; i++) {
        struct raw_slab *s = &p->slabs[i];
        if (s->header.run == 2 && s->row_count > 0 && s->rows[s->row_count - 1].header.data_bytes > 500000) {
            raw_unit_erase(p, s, &s->rows[s->row_count - 1], torn % 3);
            torn++;
        }
    }
    free(p);
    assert_int_equal(torn, 3);
    fixture_write_session(&f, tell_three_there);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_three_there);
    fixture_fini(&f);
}

/* ---- drives are missing ---- */

static void tell_degraded(struct fixture *f)
{
    tell_there(f);
    assert_int_equal(try_put(f, "more", "x", 1, NULL), DOL_EREADONLY);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_EREADONLY);
    assert_non_null(strstr(f->status.reason, "missing"));
    unsigned missing = 0;
    for (unsigned i = 0; i < f->status.drive_count; i++)
        missing += strcmp(f->status.drives[i].state, "missing") == 0;
    assert_int_equal(missing, f->drives - (unsigned)__builtin_popcount(f->given));
}

static void test_missing_drives(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 6; a++) {
        for (unsigned b = 0; b <= a; b += 2) {
            struct fixture f = {.k = 4, .m = 2};
            begin(&f);
            if ((a + b) % 3 == 0)
                fixture_drop_index(&f);
            f.given &= ~(1u << a) & ~(1u << b);
            fixture_read_session(&f, tell_degraded);
            fixture_read_session(&f, tell_degraded);
            f.given = 63;
            fixture_write_session(&f, tell_there);
            fixture_fini(&f);
        }
    }
}

/* More than m: with the index, what can be said is said, and the data is an error; without it, the pool is refused.
 * Once the drives are back, all is as it was. */
static void tell_too_few(struct fixture *f)
{
    uint8_t *data = noise(1, LEN);
    assert_int_equal(read_all(f, "base", data, LEN), DOL_EINCOMPLETE);
    free(data);
}

static void test_too_many_missing(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    begin(&f);
    fixture_write_session(&f, tell_there);
    f.given = 7u << 1;
    fixture_read_session(&f, tell_too_few);
    fixture_save_index(&f);
    fixture_drop_index(&f);
    assert_int_equal(fixture_session(&f, NULL), DOL_EINCOMPLETE);
    f.given = 63;
    fixture_write_session(&f, tell_there);
    fixture_restore_index(&f);
    fixture_write_session(&f, tell_there);
    fixture_fini(&f);
}

/* Of slabs that lie wholly on missing drives nothing is known without the index: refused, not "no such object". */
static void tell_spread(struct fixture *f)
{
    make_bucket(f);
    for (unsigned i = 0; i < 24; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        put_noise(f, key, i, 1000000);
    }
}

static void tell_spread_there(struct fixture *f)
{
    for (unsigned i = 0; i < 24; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        expect_noise(f, key, i, 1000000);
    }
}

static void tell_no_wrong_absence(struct fixture *f)
{
    for (unsigned i = 0; i < 24; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        uint8_t *data = noise(i, 1000000);
        enum dol_err err = read_all(f, key, data, 1000000);
        assert_true(err == DOL_OK || err == DOL_EINCOMPLETE || err == DOL_ECORRUPT);
        free(data);
    }
}

static void test_whole_slabs_missing(void **state)
{
    (void)state;
    for (unsigned indexed = 0; indexed < 2; indexed++) {
        struct fixture f = {.k = 1, .m = 1, .drives = 6};
        fixture_init(&f);
        fixture_write_session(&f, tell_spread);
        for (unsigned gone = 0; gone < 3; gone++) {
            if (!indexed)
                fixture_drop_index(&f);
            f.given = 63u & ~(3u << 2 * gone);
            enum dol_err err = fixture_session(&f, tell_no_wrong_absence);
            assert_true(err == DOL_OK || err == DOL_EINCOMPLETE);
        }
        f.given = 63;
        fixture_write_session(&f, tell_spread_there);
        fixture_fini(&f);
    }
}

/* ---- extent headers ---- */

/* Flips a byte of the extent headers of members [0, count) of every slab; again: flips it back. */
static void flip_headers(struct fixture *f, struct raw_pool *p, unsigned count)
{
    for (unsigned i = 0; i < p->slab_count; i++)
        for (unsigned j = 0; j < count; j++)
            sim_medium_flip(f->media[p->slabs[i].drives[j]], raw_offset(p, &p->slabs[i], j, 0) + 200, 1);
}

static void tell_there_and_write(struct fixture *f)
{
    tell_there(f);
    put_noise(f, "more", 7, 3000000); /* takes new extents: not those whose header says nothing */
    tell_there(f);
}

/* One header of k + m is enough to know a slab and all its extents. */
static void test_lost_extent_headers(void **state)
{
    (void)state;
    for (unsigned indexed = 0; indexed < 2; indexed++) {
        struct fixture f = {.k = 2, .m = 1};
        begin(&f);
        fixture_write_session(&f, tell_there);
        struct raw_pool *p = raw_pool_read(&f);
        flip_headers(&f, p, 2);
        free(p);
        if (!indexed)
            fixture_drop_index(&f);
        fixture_write_session(&f, tell_there_and_write);
        fixture_write_session(&f, tell_there_and_write);
        fixture_fini(&f);
    }
}

/* None of a slab's headers: nothing of it is known. Not opened for writing, and nothing is forgotten. */
static void test_lost_slab(void **state)
{
    (void)state;
    for (unsigned indexed = 0; indexed < 2; indexed++) {
        struct fixture f = {.k = 1, .m = 1};
        begin(&f);
        fixture_write_session(&f, tell_there);
        struct raw_pool *p = raw_pool_read(&f);
        flip_headers(&f, p, 2);
        if (!indexed)
            fixture_drop_index(&f);
        enum dol_err err = fixture_session(&f, NULL);
        assert_true(err == DOL_EINCOMPLETE || err == DOL_OK);
        if (err == DOL_OK)
            fixture_read_session(&f, NULL);
        flip_headers(&f, p, 2);
        free(p);
        fixture_write_session(&f, tell_there_and_write);
        fixture_fini(&f);
    }
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fewer_than_k_units),
        cmocka_unit_test(test_dead_stays_dead),
        cmocka_unit_test(test_k_units),
        cmocka_unit_test(test_all_units),
        cmocka_unit_test(test_large_rows_appended_again),
        cmocka_unit_test(test_missing_drives),
        cmocka_unit_test(test_too_many_missing),
        cmocka_unit_test(test_whole_slabs_missing),
        cmocka_unit_test(test_lost_extent_headers),
        cmocka_unit_test(test_lost_slab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
