/*
 * Reclaiming: what is deleted gives its space back, what is needed is found again, also by an index built anew from
 * what is left of the log; deletes last as long as what they cancel; nothing goes that somebody refers to or reads.
 */
#include "gc.h"
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#define BIG    (1500u * 1024)
#define SECTOR 512u

static unsigned slabs_used(struct fixture *f)
{
    fixture_status(f);
    return (unsigned)(f->status.slabs_open + f->status.slabs_sealed + f->status.slabs_ended);
}

static unsigned slabs_closed(struct fixture *f)
{
    fixture_status(f);
    return (unsigned)(f->status.slabs_sealed + f->status.slabs_ended);
}

/* Everything is applied. */
static void commit(struct fixture *f)
{
    assert_int_equal(store_commit_index(f->store), DOL_OK);
}

static unsigned reclaim(struct fixture *f)
{
    unsigned freed;
    assert_int_equal(gc_run(f->store, &freed), DOL_OK);
    assert_false(index_is_unsure(f->store->index));
    assert_int_equal(index_audit(f->store->index), DOL_OK);
    return freed;
}

static void key_of(unsigned i, char out[32])
{
    snprintf(out, 32, "object-%03u", i);
}

static void put_many(struct fixture *f, unsigned first, unsigned count)
{
    char key[32];
    for (unsigned i = first; i < first + count; i++) {
        key_of(i, key);
        put_noise(f, key, i, BIG);
    }
}

static void expect_many(struct fixture *f, unsigned first, unsigned count)
{
    char key[32];
    for (unsigned i = first; i < first + count; i++) {
        key_of(i, key);
        expect_noise(f, key, i, BIG);
    }
}

static void remove_many(struct fixture *f, unsigned first, unsigned count)
{
    char key[32];
    for (unsigned i = first; i < first + count; i++) {
        key_of(i, key);
        remove_object(f, key);
    }
}

static void absent_many(struct fixture *f, unsigned first, unsigned count)
{
    char key[32];
    for (unsigned i = first; i < first + count; i++) {
        key_of(i, key);
        expect_absent(f, key);
    }
}

/* ---- all of it deleted ---- */

static void tell_fill_and_delete(struct fixture *f)
{
    make_bucket(f);
    put_many(f, 0, 40);
    remove_many(f, 0, 40);
    unsigned closed = slabs_closed(f);
    assert_true(closed >= 3);
    unsigned freed = reclaim(f);
    assert_int_equal(freed, closed);
    assert_int_equal(slabs_closed(f), 0);
    assert_true(slabs_used(f) <= 3); /* what is written to, the one after it, and the slab of copies */
    assert_true(f->status.counters.slabs_freed == freed);
    assert_true(f->status.live_bytes < 4096); /* the bucket, and what keeps void what lies in open slabs */
    absent_many(f, 0, 40);
    put_many(f, 100, 3);
}

static void tell_after_deletes(struct fixture *f)
{
    absent_many(f, 0, 40);
    expect_many(f, 100, 3);
}

static void test_deleted_space_comes_back(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_fill_and_delete);
    fixture_write_session(&f, tell_after_deletes);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_after_deletes);
    fixture_fini(&f);
}

/* ---- a part of it deleted ---- */

static void tell_half(struct fixture *f)
{
    make_bucket(f);
    put_many(f, 0, 40);
    for (unsigned i = 0; i < 40; i++)
        if (i % 4 != 0)
            remove_many(f, i, 1);
    unsigned before = slabs_used(f);
    assert_true(reclaim(f) > 0);
    assert_true(slabs_used(f) < before);
    assert_true(f->status.counters.bytes_moved >= BIG);
    assert_true(f->status.counters.slabs_compacted > 0);
    for (unsigned i = 0; i < 40; i += 4)
        expect_many(f, i, 1);
    assert_int_equal(reclaim(f), 0); /* nothing is left to do */
}

static void tell_after_half(struct fixture *f)
{
    for (unsigned i = 0; i < 40; i++) {
        if (i % 4 == 0)
            expect_many(f, i, 1);
        else
            absent_many(f, i, 1);
    }
}

static void tell_again(struct fixture *f)
{
    tell_after_half(f);
    reclaim(f); /* short slabs of the runs before, verdicts and all */
    tell_after_half(f);
}

static void test_live_records_move(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_half);
    fixture_write_session(&f, tell_after_half);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_again);
    for (unsigned i = 0; i < 4; i++)
        fixture_write_session(&f, tell_again);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_again);
    fixture_fini(&f);
}

/* ---- what keeps void what is void ---- */

/* A slab so full of needed records that it stays, with some void ones among them; their deletes and successors lie in
 * later slabs, which go. */
static void tell_old_slab(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "deleted", 1, 1000);
    put_noise(f, "replaced", 2, 1000);
    put_noise(f, "replaced and deleted", 3, 1000);
    put_noise(f, "replaced twice", 4, 1000);
    put_many(f, 0, 4);
    put_noise(f, "filler", 5, 640u * 1024);
    put_many(f, 10, 5); /* seals it */
    assert_true(slabs_closed(f) >= 1);
    remove_object(f, "deleted");
    put_noise(f, "replaced", 12, 1000);
    put_noise(f, "replaced and deleted", 13, 1000);
    put_noise(f, "replaced twice", 14, 1000);
    put_many(f, 20, 6);
    remove_object(f, "replaced and deleted");
    put_noise(f, "replaced twice", 24, 1000);
    put_many(f, 30, 6);
    remove_many(f, 10, 5);
    remove_many(f, 20, 6);
    remove_many(f, 30, 6);
    assert_true(reclaim(f) >= 2);
    assert_int_equal(slabs_closed(f), 1); /* it */
}

static void expect_later(struct fixture *f)
{
    expect_absent(f, "deleted");
    expect_noise(f, "replaced", 12, 1000);
    expect_absent(f, "replaced and deleted");
    expect_noise(f, "replaced twice", 24, 1000);
    expect_many(f, 0, 4);
    absent_many(f, 10, 5);
    absent_many(f, 20, 6);
    absent_many(f, 30, 6);
}

static void tell_reclaim_later(struct fixture *f)
{
    expect_later(f);
    reclaim(f);
    expect_later(f);
}

static void test_deletes_last(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_old_slab);
    fixture_drop_index(&f);
    fixture_write_session(&f, expect_later);
    for (unsigned i = 0; i < 6; i++) {
        fixture_write_session(&f, tell_reclaim_later);
        if (i % 2 == 1)
            fixture_drop_index(&f);
        fixture_write_session(&f, expect_later);
    }
    fixture_fini(&f);
}

/* ---- verdicts ---- */

/* The last row of a slab, cut by the power and damaged: the next run appends it again, and says where the slab ends. */
static void tell_cut(struct fixture *f)
{
    make_bucket(f);
    put_many(f, 0, 4);
    put_noise(f, "filler", 5, 640u * 1024); /* too full to be worth copying for its own sake */
    put_noise(f, "late", 2, 1000);
    fixture_crash(f);
}

static void tell_after_cut(struct fixture *f)
{
    expect_noise(f, "late", 2, 1000);
    put_many(f, 10, 5);
    remove_object(f, "late");
    put_many(f, 20, 6);
    remove_many(f, 10, 5);
    remove_many(f, 20, 6);
    reclaim(f);
    put_many(f, 30, 6); /* the slab with the delete, and the one after it */
    remove_many(f, 30, 6);
    put_many(f, 40, 6);
    remove_many(f, 40, 6);
    reclaim(f);
    reclaim(f);
}

static void expect_after_cut(struct fixture *f)
{
    expect_absent(f, "late");
    expect_many(f, 0, 4);
}

/* The slab with the verdict isn't freed before the slab it speaks of: the row beyond it would count again. */
static void test_verdicts_last(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    assert_int_equal(fixture_session(&f, tell_cut), DOL_OK);
    struct raw_pool *raw = raw_pool_read(&f);
    struct raw_slab *slab = raw_slab_last(raw);
    raw_unit_erase(raw, slab, &slab->rows[slab->row_count - 1], 0);
    free(raw);
    fixture_write_session(&f, tell_after_cut);
    fixture_drop_index(&f);
    fixture_write_session(&f, expect_after_cut);
    fixture_fini(&f);
}

/* Once the last void record has gone, so do they: the log doesn't grow by deletes. */
static void tell_deletes_go(struct fixture *f)
{
    make_bucket(f);
    for (unsigned round = 0; round < 4; round++) {
        put_many(f, 0, 8);
        remove_many(f, 0, 8);
        reclaim(f);
    }
    put_many(f, 50, 8); /* what was open is full */
    remove_many(f, 50, 8);
    reclaim(f);
    struct index_view *view;
    struct index_live live;
    uint64_t cancels = 0;
    assert_int_equal(index_view_begin(f->store->index, &view), DOL_OK);
    for (uint64_t i = 1; i < 200; i++) {
        assert_int_equal(index_live_get(view, f->store->pool->run << 32 | i, &live), DOL_OK);
        cancels += live.cancels;
    }
    index_view_end(view);
    assert_true(cancels <= 16); /* of 40 deletes: those of objects that lie in slabs still open */
}

static void test_deletes_go(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_deletes_go);
    fixture_fini(&f);
}

/* ---- pins ---- */

/* A put that found a chunk which then loses its last reference: it has it. */
static void tell_put_pins(struct fixture *f)
{
    make_bucket(f);
    uint8_t *data = noise(7, BIG);
    put(f, "first", data, BIG);
    put_many(f, 0, 8);
    remove_many(f, 0, 8);
    commit(f);
    const struct put_request req = {
        .bucket = text("b"), .key = text("second"), .owner = text("o"), .size_hint = UINT64_MAX};
    const struct put_finish fin = {.expected_size = BIG + 1};
    struct put_result result;
    struct put *p;
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    assert_int_equal(store_put_write(p, data, BIG), DOL_OK); /* all but the last chunk are looked up */
    remove_object(f, "first");
    commit(f);
    reclaim(f);
    assert_int_equal(store_put_write(p, "x", 1), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &result), DOL_OK);
    data = realloc(data, BIG + 1);
    assert_non_null(data);
    data[BIG] = 'x';
    expect(f, "second", data, BIG + 1);
    reclaim(f);
    expect(f, "second", data, BIG + 1);
    free(data);
}

/* A put that finds a chunk without references: it has it back, or stores it again. */
static void tell_put_revives(struct fixture *f)
{
    uint8_t *data = noise(8, BIG);
    put(f, "third", data, BIG);
    remove_object(f, "third");
    commit(f);
    uint64_t written = fixture_status(f)->counters.chunks_written;
    put(f, "fourth", data, BIG);
    assert_int_equal(fixture_status(f)->counters.chunks_written, written);
    remove_object(f, "fourth");
    commit(f);
    reclaim(f); /* from here on it is dying, wherever it lies */
    put(f, "fifth", data, BIG);
    assert_true(fixture_status(f)->counters.chunks_written > written);
    expect(f, "fifth", data, BIG);
    put_many(f, 0, 8);
    remove_many(f, 0, 8);
    reclaim(f);
    expect(f, "fifth", data, BIG);
    free(data);
}

static void tell_after_pins(struct fixture *f)
{
    uint8_t *data = noise(8, BIG);
    expect(f, "fifth", data, BIG);
    free(data);
}

static void test_writers_pin(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_put_pins);
    fixture_write_session(&f, tell_put_revives);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_after_pins);
    fixture_fini(&f);
}

static void read_rest(struct object *o, const uint8_t *data, size_t at, size_t len)
{
    struct bytes piece;
    do {
        assert_int_equal(store_object_read(o, &piece), DOL_OK);
        assert_true(piece.len <= len - at);
        assert_memory_equal(piece.data, data + at, piece.len);
        at += piece.len;
    } while (piece.len > 0);
    assert_int_equal(at, len);
}

/* An object that is open stays readable to its end, deleted or not; the space comes back when it is closed. */
static void tell_reader_pins(struct fixture *f)
{
    make_bucket(f);
    size_t len = 5u << 20;
    uint8_t *data = noise(9, len);
    put(f, "read", data, len);
    put_many(f, 0, 8);
    struct object *o;
    struct bytes piece;
    assert_int_equal(store_object_open(f->store, text("b"), text("read"), NULL, &o), DOL_OK);
    assert_int_equal(store_object_seek(o, 0, len), DOL_OK);
    assert_int_equal(store_object_read(o, &piece), DOL_OK);
    size_t at = piece.len;
    remove_object(f, "read");
    remove_many(f, 0, 8);
    commit(f);
    reclaim(f);
    read_rest(o, data, at, len);
    store_object_close(o);
    uint64_t live = fixture_status(f)->live_bytes;
    reclaim(f);
    assert_true(fixture_status(f)->live_bytes <= live);
    assert_true(slabs_used(f) <= 3);
    free(data);
}

static void test_readers_pin(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_reader_pins);
    fixture_fini(&f);
}

/* Reads of a slab's records that are under way are waited for. */
struct slab_reader {
    struct fixture *f;
    uint64_t slab;
    bool done;
};

static void read_slowly(void *arg)
{
    struct slab_reader *r = arg;
    struct pool *pool = r->f->store->pool;
    struct slab *slab = pool_slab_pin(pool, r->slab);
    assert_non_null(slab);
    fiber_sleep(5000000000ull);
    assert_ptr_equal(pool_slab_find(pool, r->slab), slab);
    r->done = true;
    pool_slab_unpin(pool, slab);
    fixture_leave(r->f);
}

static void tell_slow_read(struct fixture *f)
{
    make_bucket(f);
    put_many(f, 0, 8);
    struct slab_reader reader = {f, f->store->pool->run << 32 | 1, false};
    fixture_spawn(f, 0, read_slowly, &reader);
    remove_many(f, 0, 8);
    assert_true(reclaim(f) > 0);
    assert_true(reader.done);
    assert_null(pool_slab_pin(f->store->pool, reader.slab));
    fixture_join(f);
}

static void test_reads_are_waited_for(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_slow_read);
    fixture_fini(&f);
}

/* ---- the index of before ---- */

static void tell_some(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "kept", 1, 1000);
    put_noise(f, "gone", 2, 1000);
    put_many(f, 0, 6);
}

static void tell_free_some(struct fixture *f)
{
    remove_object(f, "gone");
    remove_many(f, 0, 6);
    put_many(f, 10, 6); /* the delete's slab fills */
    remove_many(f, 10, 6);
    reclaim(f);
    put_many(f, 20, 6);
    remove_many(f, 20, 6);
    reclaim(f); /* with what it cancelled gone, the delete is, too */
}

static void expect_some(struct fixture *f)
{
    expect_noise(f, "kept", 1, 1000);
    expect_absent(f, "gone");
    absent_many(f, 0, 6);
}

/* An index that has not heard of what was freed would show what nothing cancels any more: it is not used. */
static void test_old_index_is_not_believed(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_some);
    fixture_save_index(&f);
    fixture_write_session(&f, tell_free_some);
    fixture_restore_index(&f);
    fixture_write_session(&f, expect_some);
    fixture_fini(&f);
}

/* ---- headers ---- */

static void tell_one_full_slab(struct fixture *f)
{
    make_bucket(f);
    put_many(f, 0, 8);
    assert_true(slabs_closed(f) >= 1);
    remove_many(f, 0, 8);
    fiber_sleep(1000000000ull);
}

static void tell_free_it(struct fixture *f)
{
    assert_true(reclaim(f) > 0);
}

/*
 * A freed slab's header goes with its first sector: whatever part of that write lands, it is whole or gone. What lies
 * behind the first sector is written as it was; here it is marked, since headers of few members are zero there.
 */
static void test_header_goes_in_one_sector(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    uint8_t now[EXTENT_HEADER_BYTES], mark[100];
    static const uint8_t zero[SECTOR];
    fixture_init(&f);
    fixture_write_session(&f, tell_one_full_slab);
    struct raw_pool *raw = raw_pool_read(&f);
    const struct raw_slab *slab = &raw->slabs[0];
    uint64_t offset = raw_offset(raw, slab, 0, 0);
    memset(mark, 0x5a, sizeof mark);
    sim_medium_poke(f.media[slab->drives[0]], offset + 1000, mark, sizeof mark); /* the other member has a good one */
    fixture_write_session(&f, tell_free_it);
    sim_medium_peek(f.media[slab->drives[0]], offset, now, sizeof now);
    assert_memory_equal(now, zero, SECTOR);
    assert_memory_equal(now + 1000, mark, sizeof mark);
    sim_medium_peek(f.media[slab->drives[1]], raw_offset(raw, slab, 1, 0), now, sizeof now);
    assert_memory_equal(now, zero, SECTOR);
    free(raw);
    fixture_fini(&f);
}

static void poke_torn(const struct raw_pool *raw, const struct raw_slab *slab, struct extent_header *h)
{
    uint8_t block[EXTENT_HEADER_BYTES];
    for (unsigned i = 0; i < 2; i++) {
        h->member = (uint8_t)i;
        extent_header_encode(h, block);
        block[EXTENT_HEADER_BYTES - 1] = 1; /* a part of it is older: the checksum fails */
        sim_medium_poke(raw->f->media[slab->drives[i]], raw_offset(raw, slab, i, 0), block, sizeof block);
    }
}

/* The header of a slab that was being opened where a freed one had been, torn on every member: what lies behind it is
 * the freed slab's, and nobody's loss. Block devices are not zeroed before they are used again. */
static void test_torn_header_over_a_freed_slab(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    struct extent_header h;
    fixture_init(&f);
    fixture_write_session(&f, tell_one_full_slab);
    struct raw_pool *raw = raw_pool_read(&f);
    const struct raw_slab *slab = &raw->slabs[0];
    h = slab->header;
    fixture_write_session(&f, tell_free_it);
    h.life.b[3] ^= 0x77;
    poke_torn(raw, slab, &h);
    fixture_read_session(&f, NULL); /* it names the slab whose rows lie there: that is damage */
    h.slab += 1000;
    poke_torn(raw, slab, &h);
    fixture_write_session(&f, NULL);
    free(raw);
    fixture_fini(&f);
}

/* ---- again and again ---- */

static unsigned fill(struct fixture *f, unsigned seed)
{
    char key[32];
    for (unsigned i = 0;; i++) {
        uint8_t *data = noise(seed * 1000 + i, BIG);
        key_of(i, key);
        enum dol_err err = try_put(f, key, data, BIG, NULL);
        free(data);
        if (err == DOL_EFULL)
            return i;
        assert_int_equal(err, DOL_OK);
    }
}

static void tell_refill(struct fixture *f)
{
    unsigned first = 0;
    make_bucket(f);
    for (unsigned round = 0; round < 20; round++) {
        char key[32];
        unsigned n = fill(f, round + 1);
        if (round == 0)
            first = n;
        /* all but the slab written to, what is half full, and the slab of copies */
        assert_true(n + 10 >= first);
        for (unsigned i = 0; i < n; i += 7) {
            key_of(i, key);
            expect_noise(f, key, (round + 1) * 1000 + i, BIG);
        }
        remove_many(f, 0, n);
        assert_true(reclaim(f) > 0);
    }
}

static void test_filled_twenty_times(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0, .drive_bytes = (12 * 8ull + 1) << 20};
    fixture_init(&f);
    fixture_write_session(&f, tell_refill);
    fixture_drop_index(&f);
    fixture_write_session(&f, NULL);
    fixture_fini(&f);
}

/* Restarts leave short slabs; they are put together before they are all there is. */
static void tell_restart(struct fixture *f)
{
    expect_noise(f, "kept", 1, 1000);
    put_noise(f, "again", 2, 1000);
    reclaim(f);
    assert_true(slabs_used(f) <= 4);
}

static void tell_first(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "kept", 1, 1000);
}

static void test_restarts_do_not_fill_it(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .drive_bytes = (8 * 8ull + 1) << 20};
    fixture_init(&f);
    fixture_write_session(&f, tell_first);
    for (unsigned i = 0; i < 24; i++) {
        if (i % 8 == 7)
            fixture_drop_index(&f);
        fixture_write_session(&f, tell_restart);
    }
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deleted_space_comes_back),
        cmocka_unit_test(test_live_records_move),
        cmocka_unit_test(test_deletes_last),
        cmocka_unit_test(test_verdicts_last),
        cmocka_unit_test(test_deletes_go),
        cmocka_unit_test(test_writers_pin),
        cmocka_unit_test(test_readers_pin),
        cmocka_unit_test(test_reads_are_waited_for),
        cmocka_unit_test(test_old_index_is_not_believed),
        cmocka_unit_test(test_header_goes_in_one_sector),
        cmocka_unit_test(test_torn_header_over_a_freed_slab),
        cmocka_unit_test(test_restarts_do_not_fill_it),
        cmocka_unit_test(test_filled_twenty_times),
    };
    fixture_choose(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
