/*
 * Dedup: equal content is stored once, also by two PUTs at the same time on two loops; what a hit refers to was
 * looked at in this run; a stored copy that has rotted beyond repair is no hit, and what comes in heals it.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#define LEN (200u * 1024)

/* ---- once ---- */

static void expect_counters(struct fixture *f, uint64_t written, uint64_t deduplicated)
{
    fixture_status(f);
    assert_int_equal(f->status.counters.chunks_written, written);
    assert_int_equal(f->status.counters.chunks_deduplicated, deduplicated);
}

static void tell_once(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "a", 1, LEN);
    expect_counters(f, 1, 0);
    put_noise(f, "b", 1, LEN);
    expect_counters(f, 1, 1);
    put_noise(f, "a", 1, LEN); /* over itself */
    expect_counters(f, 1, 2);
    put_noise(f, "c", 2, LEN);
    expect_counters(f, 2, 2);
    assert_int_equal(f->status.counters.bytes_deduplicated, 2 * LEN);
    remove_object(f, "a");
    expect_noise(f, "b", 1, LEN);
    put_noise(f, "a", 1, LEN); /* of a chunk that others still have */
    expect_counters(f, 2, 3);
    remove_object(f, "a");
    remove_object(f, "b");
    fiber_sleep(300 * 1000000ull);
    put_noise(f, "a", 1, LEN); /* of a chunk that nobody has any more */
    expect_noise(f, "a", 1, LEN);
    put(f, "empty", "", 0);
    put(f, "empty too", "", 0);
    expect(f, "empty", "", 0);
    /* one object that holds the same chunk several times */
    uint8_t *data = calloc(5, 1u << 20);
    assert_non_null(data);
    uint64_t before = fixture_status(f)->counters.chunks_written;
    put(f, "zeroes", data, 5u << 20);
    assert_int_equal(fixture_status(f)->counters.chunks_written, before + 1);
    expect(f, "zeroes", data, 5u << 20);
    free(data);
}

static void tell_once_again(struct fixture *f)
{
    expect_noise(f, "a", 1, LEN);
    expect_noise(f, "c", 2, LEN);
    expect_absent(f, "b");
    /* older than this run: read and compared, then referred to */
    put_noise(f, "b", 1, LEN);
    expect_counters(f, 0, 1);
    put_noise(f, "d", 1, LEN);
    expect_counters(f, 0, 2);
    expect_noise(f, "b", 1, LEN);
    expect_noise(f, "d", 1, LEN);
    uint8_t *data = calloc(5, 1u << 20);
    assert_non_null(data);
    expect(f, "zeroes", data, 5u << 20);
    put(f, "zeroes too", data, 5u << 20);
    assert_int_equal(fixture_status(f)->counters.chunks_written, 0);
    free(data);
}

static void test_once(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_once);
    fixture_save_index(&f);
    fixture_drop_index(&f);
    struct sim_medium *before[FIXTURE_DRIVES_MAX];
    fixture_clone_media(&f, before);
    fixture_write_session(&f, tell_once_again);
    /* the same from the index that was there */
    fixture_swap_media(&f, before);
    fixture_restore_index(&f);
    fixture_write_session(&f, tell_once_again);
    fixture_free_media(&f, before);
    fixture_fini(&f);
}

/* ---- at the same time ---- */

struct rival {
    struct fixture *f;
    const uint8_t *data;
    size_t len;
    bool aborts;
    char key[16];
};

static void put_rival(void *arg)
{
    struct rival *r = arg;
    struct put_request req = {.bucket = text("b"), .key = text(r->key), .owner = text("o"), .size_hint = r->len};
    struct put_finish fin = {.expected_size = r->len};
    struct put_result result;
    struct put *p;
    assert_int_equal(store_put_begin(r->f->store, &req, &p), DOL_OK);
    assert_int_equal(store_put_write(p, r->data, r->len), DOL_OK);
    if (r->aborts)
        store_put_abort(p);
    else
        assert_int_equal(store_put_finish(p, &fin, &result), DOL_OK);
    fixture_leave(r->f);
}

static struct rival rivals[8];
static size_t rival_len;

static void tell_rivals(struct fixture *f)
{
    make_bucket(f);
    uint8_t *data = noise(9, rival_len);
    for (unsigned i = 0; i < 8; i++) {
        rivals[i] = (struct rival){.f = f, .data = data, .len = rival_len, .aborts = i == 2 || i == 5};
        snprintf(rivals[i].key, sizeof rivals[i].key, "rival-%u", i);
        fixture_spawn(f, i % f->loops, put_rival, &rivals[i]);
    }
    fixture_join(f);
    for (unsigned i = 0; i < 8; i++) {
        if (rivals[i].aborts)
            expect_absent(f, rivals[i].key);
        else
            expect(f, rivals[i].key, data, rival_len);
    }
    free(data);
}

static void tell_rivals_whole(struct fixture *f)
{
    tell_rivals(f);
    expect_counters(f, 1, 5); /* the aborted ones had not got as far as their only chunk */
}

static void tell_rivals_long(struct fixture *f)
{
    tell_rivals(f);
    uint64_t written = fixture_status(f)->counters.chunks_written;
    assert_true(written >= 5);
    put_noise(f, "once more", 9, rival_len);
    assert_int_equal(fixture_status(f)->counters.chunks_written, written);
}

static void test_rivals(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct fixture f = {.k = 1, .m = 1, .loops = 2, .seed = seed};
        fixture_init(&f);
        rival_len = seed % 2 ? LEN : 3000000;
        fixture_write_session(&f, seed % 2 ? tell_rivals_whole : tell_rivals_long);
        fixture_fini(&f);
    }
}

/* Two contents at once that consist of the same chunks in another order: claims are taken one at a time. */
static void tell_crossed(struct fixture *f)
{
    size_t len = 4u << 20;
    make_bucket(f);
    uint8_t *one = noise(5, len), *two = noise(5, len);
    memcpy(two, one + len / 2, len / 2);
    memcpy(two + len / 2, one, len / 2);
    for (unsigned i = 0; i < 8; i++) {
        rivals[i] = (struct rival){.f = f, .data = i % 2 ? one : two, .len = len};
        snprintf(rivals[i].key, sizeof rivals[i].key, "rival-%u", i);
        fixture_spawn(f, i % f->loops, put_rival, &rivals[i]);
    }
    fixture_join(f);
    for (unsigned i = 0; i < 8; i++)
        expect(f, rivals[i].key, i % 2 ? one : two, len);
    free(one);
    free(two);
}

static void test_crossed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct fixture f = {.k = 2, .m = 1, .loops = 2, .seed = seed};
        fixture_init(&f);
        fixture_write_session(&f, tell_crossed);
        fixture_fini(&f);
    }
}

/* ---- rot ---- */

static void tell_stored(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "a", 1, LEN);
    put_noise(f, "other", 2, LEN);
}

/* Flips a byte in the middle of `count` units of the row that holds the biggest record of slab 0's row `index`. */
static void rot_rows(struct fixture *f, unsigned count)
{
    struct raw_pool *p = raw_pool_read(f);
    for (unsigned i = 0; i < p->slab_count; i++) {
        for (unsigned j = 0; j < p->slabs[i].row_count; j++) {
            const struct raw_row *row = &p->slabs[i].rows[j];
            if (row->header.data_bytes < LEN)
                continue;
            for (unsigned member = 0; member < count; member++)
                sim_medium_flip(f->media[p->slabs[i].drives[member]],
                                raw_offset(p, &p->slabs[i], member, row->header.row_block) + row->layout.header_bytes +
                                    row->layout.payload_bytes / 2,
                                1);
        }
    }
    free(p);
}

static void tell_rotten(struct fixture *f)
{
    uint8_t *data = noise(1, LEN);
    assert_int_equal(read_all(f, "a", data, LEN), DOL_ECORRUPT);
    put(f, "new", data, LEN);
    expect_counters(f, 1, 0); /* stored anew */
    expect(f, "new", data, LEN);
    expect(f, "a", data, LEN); /* and healed */
    put(f, "newer", data, LEN);
    expect_counters(f, 1, 1);
    free(data);
    uint8_t *other = noise(2, LEN);
    assert_int_equal(read_all(f, "other", other, LEN), DOL_ECORRUPT);
    free(other);
}

static void tell_healed(struct fixture *f)
{
    expect_noise(f, "a", 1, LEN);
    expect_noise(f, "new", 1, LEN);
    expect_noise(f, "newer", 1, LEN);
    uint8_t *other = noise(2, LEN);
    assert_int_equal(read_all(f, "other", other, LEN), DOL_ECORRUPT);
    free(other);
}

/* Their manifests lay in the same rows as their chunks: what is rotten is lost to a rebuild, which says so. */
static void tell_rebuilt(struct fixture *f)
{
    expect_noise(f, "new", 1, LEN);
    expect_noise(f, "newer", 1, LEN);
}

static void rot_story(unsigned k, unsigned m)
{
    struct fixture f = {.k = k, .m = m};
    fixture_init(&f);
    fixture_write_session(&f, tell_stored);
    rot_rows(&f, m + 1);
    fixture_write_session(&f, tell_rotten);
    fixture_write_session(&f, tell_healed);
    fixture_drop_index(&f);
    fixture_read_session(&f, tell_rebuilt);
    fixture_fini(&f);
}

static void test_rotten_copy_is_stored_anew(void **state)
{
    (void)state;
    rot_story(1, 1);
    rot_story(2, 1);
    rot_story(1, 0);
}

/* Rot that parity bears is a hit: what is compared is the rebuilt copy. */
static void tell_bearable(struct fixture *f)
{
    put_noise(f, "new", 1, LEN);
    expect_counters(f, 0, 1);
    expect_noise(f, "a", 1, LEN);
    expect_noise(f, "new", 1, LEN);
    assert_true(fixture_status(f)->counters.reads_reconstructed >= 3);
}

static void test_bearable_rot_is_a_hit(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_stored);
    rot_rows(&f, 2);
    fixture_write_session(&f, tell_bearable);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_rivals),
        cmocka_unit_test(test_crossed),
        cmocka_unit_test(test_rotten_copy_is_stored_anew),
        cmocka_unit_test(test_bearable_rot_is_a_hit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
