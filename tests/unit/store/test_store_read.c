/*
 * Reading damaged media: a flipped bit, a write that went elsewhere or nowhere, a range that can't be read. Up to m
 * units of a row are rebuilt, and counted; one more is an error: never a wrong byte, in no case.
 */
#include "raw_pool.h"

#include <stdlib.h>

#define LEN 150000u

static void tell_stored(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, 30000);
    put_noise(f, "k", 2, LEN);
    put_noise(f, "after", 3, 30000);
}

/* The row that holds the chunk of "k". */
struct target {
    struct raw_pool *raw;
    struct raw_slab *slab;
    struct raw_row *row;
};

static struct target find_target(struct fixture *f)
{
    struct target t = {.raw = raw_pool_read(f)};
    for (unsigned i = 0; i < t.raw->slab_count; i++)
        for (unsigned j = 0; j < t.raw->slabs[i].row_count; j++)
            if (t.raw->slabs[i].rows[j].header.data_bytes >= LEN) {
                assert_null(t.row);
                t.slab = &t.raw->slabs[i];
                t.row = &t.slab->rows[j];
            }
    assert_non_null(t.row);
    return t;
}

static void flip(struct fixture *f, const struct target *t, unsigned member, uint32_t offset, uint8_t mask)
{
    sim_medium_flip(f->media[t->slab->drives[member]],
                    raw_offset(t->raw, t->slab, member, t->row->header.row_block) + offset, mask);
}

static enum dol_err outcome;
static uint64_t rebuilt;

static void tell_read(struct fixture *f)
{
    uint8_t *data = noise(2, LEN);
    expect_noise(f, "before", 1, 30000);
    expect_noise(f, "after", 3, 30000);
    uint64_t before = fixture_status(f)->counters.reads_reconstructed;
    outcome = read_all(f, "k", data, LEN);
    rebuilt = fixture_status(f)->counters.reads_reconstructed - before;
    free(data);
}

/* ---- one bit ---- */

/* A flipped bit anywhere in the first data unit: in the header (not read), in the record's header, in its body, in the
 * last byte. */
static void test_flipped_bit(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_stored);
    struct target t = find_target(&f);
    uint32_t header = t.row->layout.header_bytes, unit = header + t.row->layout.payload_bytes;
    const struct {
        uint32_t offset;
        uint64_t rebuilt;
    } flips[] = {{0, 0},           {100, 0},          {header - 1, 0},  {header, 1},      {header + 2, 1},
                 {header + 4, 1},  {header + 16, 1},  {header + 63, 1}, {header + 64, 1}, {header + 5000, 1},
                 {unit - 4096, 1}, {unit / 2 - 1, 1}, {unit - 1, 1}};
    for (unsigned i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            flip(&f, &t, 0, flips[i].offset, (uint8_t)(1u << bit));
            fixture_write_session(&f, tell_read);
            assert_int_equal(outcome, DOL_OK);
            assert_int_equal(rebuilt, flips[i].rebuilt);
            flip(&f, &t, 0, flips[i].offset, (uint8_t)(1u << bit));
        }
    }
    free(t.raw);
    fixture_fini(&f);
}

/* ---- several units ---- */

enum harm { HARM_FLIP, HARM_ERASE, HARM_FAIL, HARM_HEADER };

static void do_harm(struct fixture *f, const struct target *t, unsigned member, enum harm harm)
{
    switch (harm) {
    case HARM_FLIP:
        flip(f, t, member, t->row->layout.header_bytes + t->row->layout.payload_bytes / 2, 0x10);
        break;
    case HARM_ERASE:
        raw_unit_erase(t->raw, t->slab, t->row, member);
        break;
    case HARM_FAIL:
        raw_unit_fail(t->raw, t->slab, t->row, member);
        break;
    case HARM_HEADER:
        flip(f, t, member, 40, 0x80);
        break;
    }
}

static void several(unsigned k, unsigned m, unsigned loss, unsigned first, enum harm harm, enum dol_err expected)
{
    struct fixture f = {.k = k, .m = m};
    fixture_init(&f);
    fixture_write_session(&f, tell_stored);
    struct target t = find_target(&f);
    for (unsigned i = 0; i < loss; i++)
        do_harm(&f, &t, (first + i) % (k + m), harm);
    free(t.raw);
    fixture_write_session(&f, tell_read);
    assert_int_equal(outcome, expected);
    fixture_fini(&f);
}

/* With m units bad, whichever they are, everything is read. */
static void test_m_units(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 6; first++)
        several(4, 2, 2, first, (enum harm)(first % 4), DOL_OK);
    for (unsigned harm = 0; harm < 4; harm++) {
        several(1, 1, 1, harm % 2, (enum harm)harm, DOL_OK);
        several(2, 1, 1, harm % 3, (enum harm)harm, DOL_OK);
    }
}

/* With m + 1 bad the answer is an error. Headers alone don't make data wrong. */
static void test_one_too_many(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 6; first++) {
        several(4, 2, 3, first, HARM_FLIP, DOL_ECORRUPT);
        several(4, 2, 3, first, HARM_ERASE, DOL_ECORRUPT);
        several(4, 2, 3, first, HARM_FAIL, DOL_EINCOMPLETE);
    }
    several(4, 2, 6, 0, HARM_HEADER, DOL_OK);
    several(1, 0, 1, 0, HARM_FLIP, DOL_ECORRUPT);
    several(1, 0, 1, 0, HARM_FAIL, DOL_EINCOMPLETE);
    several(1, 1, 2, 0, HARM_FLIP, DOL_ECORRUPT);
    several(2, 1, 2, 0, HARM_ERASE, DOL_ECORRUPT);
}

/* ---- writes that go elsewhere, or nowhere ---- */

static unsigned victim;
static uint64_t elsewhere;

/* The first write to the victim after this is the unit of the next row: the slab is open and prepared. */
static void tell_misdirected(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "before", 1, 30000);
    if (elsewhere != 0)
        sim_medium_misdirect_next_write(f->media[victim], elsewhere);
    else
        sim_medium_lose_next_write(f->media[victim]);
    put_noise(f, "k", 2, LEN);
    put_noise(f, "after", 3, 30000);
    uint8_t *data = noise(2, LEN);
    assert_int_equal(read_all(f, "k", data, LEN), DOL_OK);
    free(data);
    expect_noise(f, "before", 1, 30000);
    expect_noise(f, "after", 3, 30000);
}

static bool victim_had_data;

static void tell_read_again(struct fixture *f)
{
    tell_read(f);
    assert_int_equal(outcome, DOL_OK);
    assert_int_equal(rebuilt, victim_had_data);
}

/* The victim's unit of the row is bad, the others are good. */
static void check_victim(struct fixture *f)
{
    struct target t = find_target(f);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(t.row->good[i], t.slab->drives[i] != victim);
    for (unsigned i = 0; i < 4; i++)
        victim_had_data = i == 0 ? t.slab->drives[i] == victim : victim_had_data || t.slab->drives[i] == victim;
    free(t.raw);
}

static void misdirect(uint64_t to)
{
    for (victim = 0; victim < 6; victim++) {
        struct fixture f = {.k = 4, .m = 2};
        elsewhere = to;
        fixture_init(&f);
        fixture_write_session(&f, tell_misdirected);
        check_victim(&f);
        fixture_write_session(&f, tell_read_again);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_read_again);
        fixture_fini(&f);
    }
}

static void test_misdirected_write(void **state)
{
    (void)state;
    misdirect((1u << 20) + 5u * (8u << 20) + 8192); /* an extent that is free */
    misdirect((1u << 20) + (1u << 20));             /* of the slab itself, further behind */
    misdirect((1u << 20) + 4096);                   /* over the unit of its first row */
}

/* Over a unit of the same place and size: what lies there is whole, only not what is asked for. */
static void tell_twins(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "first", 5, LEN);
    struct target t = find_target(f);
    unsigned member = 0;
    while (t.slab->drives[member] != victim)
        member++;
    sim_medium_misdirect_next_write(f->media[victim], raw_offset(t.raw, t.slab, member, t.row->header.row_block));
    free(t.raw);
    put_noise(f, "twin!", 6, LEN);
    expect_noise(f, "first", 5, LEN);
    expect_noise(f, "twin!", 6, LEN);
}

static void tell_twins_again(struct fixture *f)
{
    expect_noise(f, "first", 5, LEN);
    expect_noise(f, "twin!", 6, LEN);
}

static void test_twins(void **state)
{
    (void)state;
    static const unsigned shapes[][2] = {{1, 1}, {2, 1}, {4, 2}};
    for (unsigned i = 0; i < 3; i++) {
        for (victim = 0; victim < shapes[i][0] + shapes[i][1]; victim++) {
            struct fixture f = {.k = shapes[i][0], .m = shapes[i][1], .encrypted = victim % 2 == 1};
            fixture_init(&f);
            fixture_write_session(&f, tell_twins);
            fixture_drop_index(&f);
            fixture_write_session(&f, tell_twins_again);
            fixture_fini(&f);
        }
    }
}

static void test_lost_write(void **state)
{
    (void)state;
    misdirect(0);
}

/* ---- after an error ---- */

/* The error stays: what follows is not handed out as if nothing had been lost. */
static void tell_error_stays(struct fixture *f)
{
    struct object *o;
    struct bytes piece;
    uint8_t *data = noise(9, 3000000);
    assert_int_equal(store_object_open(f->store, text("b"), text("long"), NULL, &o), DOL_OK);
    assert_int_equal(store_object_seek(o, 0, 3000000), DOL_OK);
    enum dol_err err;
    size_t at = 0;
    while ((err = store_object_read(o, &piece)) == DOL_OK && piece.len > 0) {
        assert_memory_equal(piece.data, data + at, piece.len);
        at += piece.len;
    }
    assert_int_equal(err, DOL_ECORRUPT);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(store_object_read(o, &piece), DOL_ECORRUPT);
        assert_int_equal(piece.len, 0);
    }
    store_object_close(o);
    free(data);
}

static void tell_long(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "long", 9, 3000000);
}

static void test_error_stays(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_long);
    struct raw_pool *raw = raw_pool_read(&f);
    unsigned seen = 0;
    for (unsigned i = 0; i < raw->slab_count; i++)
        for (unsigned j = 0; j < raw->slabs[i].row_count; j++)
            if (raw->slabs[i].rows[j].header.data_bytes > 100000 && ++seen == 2)
                sim_medium_flip(f.media[0],
                                raw_offset(raw, &raw->slabs[i], 0, raw->slabs[i].rows[j].header.row_block) + 50000, 1);
    assert_true(seen >= 2);
    free(raw);
    fixture_write_session(&f, tell_error_stays);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bit),       cmocka_unit_test(test_m_units), cmocka_unit_test(test_one_too_many),
        cmocka_unit_test(test_misdirected_write), cmocka_unit_test(test_twins),   cmocka_unit_test(test_lost_write),
        cmocka_unit_test(test_error_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
