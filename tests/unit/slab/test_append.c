/*
 * The appender by what it leaves on the drives: rows of several geometries decoded with engine/format alone, groups,
 * LSNs, the empty row that proves the last one, and rows whose write fails.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "append.h"
#include "store_impl.h"

/* ---- rows as they lie ---- */

/* Records of all rows of a slab, in order. */
static unsigned slab_records(const struct raw_pool *p, const struct raw_slab *s, struct raw_record *out, unsigned max)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->row_count; i++) {
        uint8_t *data = raw_row_data(p, s, &s->rows[i]);
        uint32_t offset = 0, in_row = 0;
        struct raw_record rec;
        while (raw_record_next(data, &s->rows[i], &offset, &rec)) {
            assert_true(n < max);
            rec.body.data = NULL; /* goes with the row's data */
            out[n++] = rec;
            in_row++;
        }
        assert_int_equal(in_row, s->rows[i].header.record_count);
        assert_int_equal(offset, s->rows[i].header.data_bytes);
        assert_int_equal((s->rows[i].header.flags & UNIT_FLAG_EMPTY) != 0, in_row == 0);
        free(data);
    }
    return n;
}

/* LSNs of a slab's rows: one run, consecutive in and across rows, as the headers say. */
static void check_lsns(const struct raw_pool *p, const struct raw_slab *s, uint64_t first)
{
    static struct raw_record records[256];
    unsigned n = slab_records(p, s, records, 256), at = 0;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(records[i].header.lsn.run, s->header.run);
        assert_int_equal(records[i].header.lsn.counter, first + i);
    }
    for (unsigned i = 0; i < s->row_count; i++) {
        const struct unit_header *h = &s->rows[i].header;
        assert_int_equal(h->lsn_first.run, h->record_count ? s->header.run : 0);
        assert_int_equal(h->lsn_first.counter, h->record_count ? first + at : 0);
        at += h->record_count;
        assert_int_equal(h->lsn_last.counter, h->record_count ? first + at - 1 : 0);
        assert_int_equal(h->run, s->header.run);
        assert_int_equal(h->epoch, 1);
    }
}

static void tell_rows(struct fixture *f)
{
    static const size_t sizes[] = {1, 100, 4000, 4096, 60000, 262144, 700000};
    make_bucket(f);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char key[2] = {(char)('a' + i), 0};
        put_noise(f, key, i, sizes[i]);
    }
}

static void check_rows(unsigned k, unsigned m, unsigned drives)
{
    struct fixture f = {.k = k, .m = m, .drives = drives};
    fixture_init(&f);
    fixture_write_session(&f, tell_rows);
    struct raw_pool *p = raw_pool_read(&f);
    struct raw_slab *s = raw_slab_last(p);
    assert_int_equal(s->header.k, k);
    assert_int_equal(s->header.m, m);
    assert_int_equal(s->headers, k + m);
    assert_int_equal(s->header.run, 1);
    assert_int_equal(s->header.slab, 1ull << 32 | 1);
    assert_int_equal(s->row_count > 8, 1);
    for (unsigned i = 0; i < s->row_count; i++)
        raw_row_check(p, s, i);
    assert_int_equal(s->rows[s->row_count - 1].header.flags, UNIT_FLAG_EMPTY);
    check_lsns(p, s, 1);
    for (unsigned i = 0; i < k + m; i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(s->drives[i], s->drives[j]);
    free(p);
    fixture_fini(&f);
}

static void test_rows_as_they_lie(void **state)
{
    (void)state;
    check_rows(4, 2, 6);
    check_rows(1, 0, 1);
    check_rows(1, 1, 2);
    check_rows(2, 1, 5);
    check_rows(5, 3, 8);
}

/* ---- groups ---- */

#define GROUP_RECORDS 5u

/* A group of settings, of which the last is large. */
struct settings {
    struct append_group group;
    struct append_record records[GROUP_RECORDS];
    uint8_t bodies[GROUP_RECORDS][64 + 70000];
    uint8_t value[70000];
};

static void make_settings(struct settings *s, unsigned number, size_t last_bytes)
{
    memset(s, 0, sizeof *s);
    for (unsigned i = 0; i < GROUP_RECORDS; i++) {
        char name[32];
        struct tlv_writer w;
        int n = snprintf(name, sizeof name, "setting %u-%u", number, i);
        struct setting_body body = {bytes_of(name, (size_t)n),
                                    bytes_of(s->value, i == GROUP_RECORDS - 1 ? last_bytes : i * 100)};
        tlv_writer_init(&w, s->bodies[i], sizeof s->bodies[i]);
        setting_body_encode(&body, &w);
        assert_false(w.overflow);
        s->records[i] = (struct append_record){.kind = RECORD_SETTING, .part_count = 1};
        s->records[i].parts[0] = s->records[i].payload = bytes_of(s->bodies[i], w.len);
    }
    s->group = (struct append_group){.records = s->records, .count = GROUP_RECORDS};
}

#define GROUPS 40u
static struct settings *settings[GROUPS];

static void append_one(void *arg)
{
    struct fixture *f = arg;
    static unsigned next;
    struct settings *s = settings[next++ % GROUPS];
    append_start(f->store->pool, &s->group);
    assert_int_equal(append_wait(&s->group), DOL_OK);
    fixture_leave(f);
}

static void tell_groups(struct fixture *f)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        settings[i] = malloc(sizeof *settings[i]);
        assert_non_null(settings[i]);
        make_settings(settings[i], i, i % 3 == 0 ? 70000 : 10);
        fixture_spawn(f, i % f->loops, append_one, f);
    }
    fixture_join(f);
    /* one fiber may have several groups under way */
    static struct settings several[3];
    for (unsigned i = 0; i < 3; i++) {
        make_settings(&several[i], 100 + i, 1000);
        append_start(f->store->pool, &several[i].group);
    }
    for (unsigned i = 3; i > 0; i--)
        assert_int_equal(append_wait(&several[i - 1].group), DOL_OK);
    for (unsigned i = 1; i < 3; i++)
        assert_int_equal(several[i].records[0].lsn.counter, several[i - 1].records[0].lsn.counter + GROUP_RECORDS);
    assert_true(fixture_status(f)->counters.records >= (GROUPS + 3) * GROUP_RECORDS);
    assert_true(f->status.counters.rows < GROUPS); /* they were gathered */
}

static void check_setting(struct fixture *f, unsigned number, size_t last_bytes)
{
    struct index_view *view;
    assert_int_equal(index_view_begin(f->store->index, &view), DOL_OK);
    for (unsigned i = 0; i < GROUP_RECORDS; i++) {
        char name[32];
        struct bytes value;
        int n = snprintf(name, sizeof name, "setting %u-%u", number, i);
        assert_int_equal(index_setting_get(view, bytes_of(name, (size_t)n), &value), DOL_OK);
        assert_int_equal(value.len, i == GROUP_RECORDS - 1 ? last_bytes : i * 100);
    }
    index_view_end(view);
}

static void tell_groups_there(struct fixture *f)
{
    for (unsigned i = 0; i < GROUPS; i++)
        check_setting(f, i, i % 3 == 0 ? 70000 : 10);
    for (unsigned i = 0; i < 3; i++)
        check_setting(f, 100 + i, 1000);
}

/* Records of a group: one row, one after the other, LSNs consecutive; at the place that is told. */
static void check_groups(struct fixture *f)
{
    struct raw_pool *p = raw_pool_read(f);
    for (unsigned g = 0; g < GROUPS; g++) {
        struct append_record *r = settings[g]->records;
        for (unsigned i = 1; i < GROUP_RECORDS; i++) {
            assert_int_equal(r[i].place.slab, r[0].place.slab);
            assert_int_equal(r[i].place.row_block, r[0].place.row_block);
            assert_int_equal(r[i].lsn.run, r[0].lsn.run);
            assert_int_equal(r[i].lsn.counter, r[0].lsn.counter + i);
            assert_int_equal(r[i].place.offset_bytes,
                             r[i - 1].place.offset_bytes + record_stored_bytes((uint32_t)r[i - 1].parts[0].len));
        }
        struct raw_slab *s = raw_slab_find(p, r[0].place.slab);
        assert_non_null(s);
        unsigned row = 0;
        while (s->rows[row].header.row_block != r[0].place.row_block)
            assert_true(++row < s->row_count);
        uint8_t *data = raw_row_data(p, s, &s->rows[row]);
        for (unsigned i = 0; i < GROUP_RECORDS; i++) {
            struct raw_record rec;
            uint32_t offset = r[i].place.offset_bytes;
            assert_true(raw_record_next(data, &s->rows[row], &offset, &rec));
            assert_int_equal(rec.header.kind, RECORD_SETTING);
            assert_int_equal(rec.header.lsn.counter, r[i].lsn.counter);
            assert_true(bytes_equal(rec.body, r[i].parts[0]));
            assert_int_equal(r[i].place.stored_bytes, RECORD_HEADER_BYTES + rec.body.len + RECORD_TRAILER_BYTES);
        }
        free(data);
    }
    free(p);
}

static void test_groups(void **state)
{
    (void)state;
    for (unsigned loops = 1; loops <= 2; loops++) {
        struct fixture f = {.k = 2, .m = 1, .loops = loops};
        fixture_init(&f);
        fixture_write_session(&f, tell_groups);
        check_groups(&f);
        for (unsigned i = 0; i < GROUPS; i++)
            free(settings[i]);
        fixture_write_session(&f, tell_groups_there);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_groups_there);
        fixture_fini(&f);
    }
}

/* ---- proof ---- */

static unsigned rows_now(struct fixture *f, bool *last_is_empty)
{
    struct raw_pool *p = raw_pool_read(f);
    struct raw_slab *s = raw_slab_last(p);
    unsigned n = s->row_count;
    *last_is_empty = (s->rows[n - 1].header.flags & UNIT_FLAG_EMPTY) != 0;
    if (n > 1 && s->rows[n - 1].header.flags & UNIT_FLAG_EMPTY)
        assert_true(sha256_equal(&s->rows[n - 1].header.prev_table, &s->rows[n - 2].table));
    free(p);
    return n;
}

static void tell_idle(struct fixture *f)
{
    bool empty;
    make_bucket(f);
    put_noise(f, "k", 1, 1000);
    unsigned rows = rows_now(f, &empty);
    assert_false(empty);
    fiber_sleep(APPEND_IDLE_NS - 1000000);
    assert_int_equal(rows_now(f, &empty), rows);
    fiber_sleep(3000000);
    assert_int_equal(rows_now(f, &empty), rows + 1);
    assert_true(empty);
    /* once is enough */
    fiber_sleep(20 * APPEND_IDLE_NS);
    assert_int_equal(rows_now(f, &empty), rows + 1);
    assert_int_equal(fixture_status(f)->counters.rows_empty, 1);
    /* a row that comes in time proves the one before */
    for (unsigned i = 0; i < 5; i++) {
        put_noise(f, "k", i, 1000);
        fiber_sleep(APPEND_IDLE_NS / 2);
    }
    assert_int_equal(fixture_status(f)->counters.rows_empty, 1);
    assert_int_equal(rows_now(f, &empty), rows + 6);
    assert_false(empty);
}

static void test_idle_and_close_prove_the_last_row(void **state)
{
    (void)state;
    bool empty;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_idle);
    rows_now(&f, &empty);
    assert_true(empty);
    fixture_fini(&f);
}

/* ---- writes that fail ---- */

static unsigned bad_drive;

static void tell_failing_write(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, 40000);
    sim_medium_fail_next_write(f->media[bad_drive]);
    put_noise(f, "k", 2, 40000); /* answered OK: it lies on the others */
    expect_noise(f, "k", 2, 40000);
    expect_noise(f, "before", 1, 40000);
    fixture_status(f);
    assert_false(f->status.read_only);
    assert_non_null(strstr(f->status.reason, "are away or being rebuilt"));
    assert_string_equal(f->status.drives[bad_drive].state, "faulted");
    assert_int_equal(f->status.drives[bad_drive].write_errors, 1);
    assert_int_equal(f->status.slabs_ended, 1);
    assert_int_equal(f->status.epoch, 2);
    uint64_t written = f->status.drives[bad_drive].write_bytes;
    put_noise(f, "other", 3, 40000); /* and so it goes on, without that drive */
    remove_object(f, "other");
    assert_int_equal(fixture_status(f)->drives[bad_drive].write_bytes, written);
}

static void tell_after_failing_write(struct fixture *f)
{
    assert_string_equal(f->status.drives[bad_drive].state, "stale");
    assert_int_equal(f->status.epoch, 2);
    expect_noise(f, "before", 1, 40000);
    expect_noise(f, "k", 2, 40000);
    put_noise(f, "more", 3, 100);
    remove_object(f, "more");
}

static void check_carried_over(struct fixture *f, unsigned k, unsigned m)
{
    struct raw_pool *p = raw_pool_read(f);
    struct raw_slab *s = raw_slab_last(p), *old = raw_slab_find(p, 1ull << 32 | 1);
    assert_true(s != old && s->header.run == 1);
    assert_int_equal(s->header.k, k);
    assert_int_equal(s->header.m, m);
    for (unsigned i = 0; i < k + m; i++)
        assert_int_not_equal(s->drives[i], bad_drive);
    for (unsigned i = 0; i < s->row_count; i++)
        raw_row_check(p, s, i);
    /* first the verdict, then what the failed row held, under the LSNs it had */
    uint8_t *data = raw_row_data(p, s, &s->rows[0]);
    struct raw_record rec;
    struct end_body end;
    uint32_t offset = 0;
    assert_true(s->rows[0].header.flags & UNIT_FLAG_REAPPEND);
    assert_true(raw_record_next(data, &s->rows[0], &offset, &rec));
    assert_int_equal(rec.header.kind, RECORD_END);
    assert_int_equal(end_body_decode(rec.body, &end), DOL_OK);
    assert_int_equal(end.slab, old->header.slab);
    assert_true(uuid_equal(end.life, old->header.life));
    assert_int_equal(end.rows, 2); /* bucket; "before" */
    assert_int_equal(end.end_block, old->rows[1].header.row_block + old->rows[1].header.unit_blocks);
    uint64_t verdict = rec.header.lsn.counter;
    assert_true(raw_record_next(data, &s->rows[0], &offset, &rec));
    assert_int_equal(rec.header.kind, RECORD_CHUNK);
    assert_int_equal(rec.header.lsn.counter, 4);
    assert_true(raw_record_next(data, &s->rows[0], &offset, &rec));
    assert_int_equal(rec.header.kind, RECORD_MANIFEST);
    assert_int_equal(rec.header.lsn.counter, 5);
    assert_true(verdict > 5);
    assert_false(raw_record_next(data, &s->rows[0], &offset, &rec));
    free(data);
    free(p);
}

static void failing_write(unsigned k, unsigned m, unsigned drives, unsigned k_then, unsigned m_then)
{
    for (bad_drive = 0; bad_drive < k + m && bad_drive < 3; bad_drive++) {
        struct fixture f = {.k = k, .m = m, .drives = drives, .seed = bad_drive + 1};
        fixture_init(&f);
        fixture_write_session(&f, tell_failing_write);
        check_carried_over(&f, k_then, m_then);
        fixture_write_session(&f, tell_after_failing_write);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_after_failing_write);
        fixture_fini(&f);
    }
}

static void test_failing_write_is_carried_over(void **state)
{
    (void)state;
    failing_write(4, 2, 6, 3, 2); /* fewer data units rather than less parity */
    failing_write(2, 1, 3, 1, 1);
    failing_write(2, 1, 4, 2, 1); /* there is another drive */
}

/* Without another drive, or without parity, there is nothing to carry a row over to: the process stops, unanswered. */
static void put_in_doubt(void *arg)
{
    struct fixture *f = arg;
    uint8_t *data = noise(2, 40000);
    assert_int_not_equal(try_put(f, "k", data, 40000, NULL), DOL_OK);
    free(data);
    fixture_leave(f);
}

static void tell_panic(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, 40000);
    sim_medium_fail_next_write(f->media[0]);
    fixture_spawn(f, 0, put_in_doubt, f);
    fixture_join(f);
    assert_true(sim_panicked(f->rt));
    assert_non_null(strstr(sim_panic_text(f->rt), "carried over"));
    fixture_crash(f);
}

static void tell_after_panic(struct fixture *f)
{
    struct object *o;
    expect_noise(f, "before", 1, 40000);
    /* in doubt: there whole, or not at all */
    enum dol_err err = store_object_open(f->store, text("b"), text("k"), NULL, &o);
    if (err == DOL_OK) {
        store_object_close(o);
        expect_noise(f, "k", 2, 40000);
    } else {
        assert_int_equal(err, DOL_ENOTFOUND);
    }
}

static void test_failing_write_stops(void **state)
{
    (void)state;
    for (unsigned m = 0; m < 2; m++) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
            /* without parity another drive is of no use: the row may lie on the one that failed */
            struct fixture f = {.k = 1, .m = m, .drives = 2, .seed = seed};
            fixture_init(&f);
            fixture_write_session(&f, tell_panic);
            fixture_write_session(&f, tell_after_panic);
            fixture_drop_index(&f);
            fixture_write_session(&f, tell_after_panic);
            fixture_fini(&f);
        }
    }
}

/* The write that fails is the empty row's: what it was to prove is acknowledged all the same. */
static void tell_failing_proof(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, 40000);
    put_noise(f, "k", 2, 40000);
    bad_drive = 1;
    sim_medium_fail_next_write(f->media[bad_drive]);
    fiber_sleep(3 * APPEND_IDLE_NS);
    expect_noise(f, "k", 2, 40000);
    assert_false(fixture_status(f)->read_only);
    assert_string_equal(f->status.drives[bad_drive].state, "faulted");
    assert_int_equal(f->status.slabs_ended, 1);
}

static void test_failing_proof(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct fixture f = {.k = 2, .m = 1, .seed = seed};
        fixture_init(&f);
        fixture_write_session(&f, tell_failing_proof);
        fixture_write_session(&f, tell_after_failing_write);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_after_failing_write);
        fixture_fini(&f);
    }
}

/* ---- zeros ahead of the rows ---- */

#define ZERO_EXTENT_BYTES ((uint64_t)32 << 20)

static uint64_t prepared_by_puts(struct fixture *f, unsigned count, size_t len)
{
    for (unsigned i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%zu/%u", len, i);
        put_noise(f, key, i, len);
    }
    return fixture_status(f)->counters.drive_bytes_prepared;
}

/* Slab after slab of rows with units of 28 KiB: everything is written ahead. */
static void tell_small_rows(struct fixture *f)
{
    make_bucket(f);
    uint64_t prepared = prepared_by_puts(f, 2500, 50000);
    assert_int_equal(f->store->pool->counters.slabs_sealed, 2);
    assert_in_range(prepared, 3 * 2 * ZERO_EXTENT_BYTES, 3 * 3 * ZERO_EXTENT_BYTES);
}

/* Units of 350 KiB: nothing is, beyond what was begun before the first rows were seen. */
static void tell_large_rows(struct fixture *f)
{
    make_bucket(f);
    uint64_t begun = prepared_by_puts(f, 40, 700000);
    assert_in_range(begun, 3 * (4u << 20), 3 * ZERO_EXTENT_BYTES - 1);
    assert_int_equal(prepared_by_puts(f, 240, 699999), begun);
    assert_in_range(f->store->pool->counters.slabs_sealed, 2, 4);
}

static void test_zeros_ahead_of_small_rows(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .extent_bytes = ZERO_EXTENT_BYTES, .drive_bytes = 10 * ZERO_EXTENT_BYTES};
    fixture_init(&f);
    fixture_write_session(&f, tell_small_rows);
    fixture_fini(&f);
    fixture_init(&f);
    fixture_write_session(&f, tell_large_rows);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_as_they_lie),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_idle_and_close_prove_the_last_row),
        cmocka_unit_test(test_failing_write_is_carried_over),
        cmocka_unit_test(test_failing_write_stops),
        cmocka_unit_test(test_failing_proof),
        cmocka_unit_test(test_zeros_ahead_of_small_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
