/*
 * Reading through memory: what was read is there again without the drives, ranges read no more chunks than they need,
 * many readers of one object read it once, what is read once doesn't push out what is popular; reading ahead, and
 * leaving in the middle of it. And how much of the drives a degraded read takes.
 */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "cursor.h"

#define LEN (6u << 20)

static struct store_counters counters(struct fixture *f)
{
    struct store_counters c = fixture_status(f)->counters;
    assert_true(c.cache_bytes <= c.cache_bytes_max);
    return c;
}

static uint64_t read_bytes(const struct fixture *f)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < f->store->pool->drive_count; i++)
        if (f->store->pool->drives[i].drive != NULL)
            sum += f->store->pool->drives[i].drive->counters.read_bytes;
    return sum;
}

/* No read-ahead is left over. */
static void check_idle(const struct fixture *f)
{
    for (unsigned i = 0; i < POOL_LOOPS_MAX; i++)
        assert_int_equal(f->store->aheads[i].now, 0);
}

static struct object *open_object(struct fixture *f, const char *key)
{
    struct object *o;
    assert_int_equal(store_object_open(f->store, text("b"), text(key), NULL, &o), DOL_OK);
    return o;
}

static void read_range(struct object *o, uint64_t offset, uint64_t len, const uint8_t *data)
{
    struct bytes piece;
    uint64_t at = 0;
    assert_int_equal(store_object_seek(o, offset, len), DOL_OK);
    do {
        assert_int_equal(store_object_read(o, &piece), DOL_OK);
        assert_true(piece.len <= len - at);
        assert_memory_equal(piece.data, data + offset + at, piece.len);
        at += piece.len;
    } while (piece.len > 0);
    assert_int_equal(at, len);
}

static void run(struct fixture f, fixture_fn *fn)
{
    fixture_init(&f);
    fixture_write_session(&f, fn);
    fixture_fini(&f);
}

/* ---- again from memory ---- */

static void tell_again(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "k", 1, LEN);
    expect_noise(f, "k", 1, LEN);
    struct store_counters first = counters(f);
    assert_true(first.cache_misses >= LEN >> 20);
    assert_int_equal(first.cache_hits, 0);
    assert_true(first.cache_bytes > LEN);
    /* the drives can't give a byte any more */
    for (unsigned i = 0; i < f->drives; i++)
        sim_medium_remove(f->media[i]);
    expect_noise(f, "k", 1, LEN);
    struct store_counters second = counters(f);
    assert_int_equal(second.cache_misses, first.cache_misses);
    assert_int_equal(second.cache_hits, first.cache_misses);
    assert_int_equal(second.cache_hit_bytes, LEN);
    for (unsigned i = 0; i < f->drives; i++)
        sim_medium_restore(f->media[i]);
    check_idle(f);
}

static void test_again(void **state)
{
    (void)state;
    run((struct fixture){.k = 2, .m = 1, .cache_bytes = 16u << 20}, tell_again);
    run((struct fixture){.k = 2, .m = 1, .cache_bytes = 16u << 20, .encrypted = true}, tell_again);
}

/* Bytes that compress, and small ones: what is kept is what was stored, and no more memory than it needs. */
static void tell_kinds(struct fixture *f)
{
    char key[16];
    make_bucket(f);
    uint8_t *data = calloc(1, 900000);
    for (unsigned i = 0; i < 900000; i++)
        data[i] = (uint8_t)(i / 1000);
    put(f, "coded", data, 900000);
    for (unsigned i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "small%u", i);
        put_noise(f, key, 100 + i, 100 + i);
    }
    for (unsigned turn = 0; turn < 2; turn++) {
        expect(f, "coded", data, 900000);
        for (unsigned i = 0; i < 50; i++) {
            snprintf(key, sizeof key, "small%u", i);
            expect_noise(f, key, 100 + i, 100 + i);
        }
    }
    struct store_counters c = counters(f);
    assert_int_equal(c.cache_hits, c.cache_misses);
    assert_true(c.cache_bytes < 900000 + 50 * 150 + (50 + c.cache_misses) * 256);
    free(data);
}

static void test_kinds(void **state)
{
    (void)state;
    run((struct fixture){.k = 2, .m = 1, .cache_bytes = 16u << 20}, tell_kinds);
}

/* ---- ranges ---- */

static void tell_ranges(struct fixture *f)
{
    uint8_t *data = noise(1, LEN);
    make_bucket(f);
    put_noise(f, "k", 1, LEN);
    struct object *o = open_object(f, "k");
    read_range(o, LEN / 2, 10, data);
    assert_int_equal(counters(f).cache_misses, 1);
    read_range(o, LEN / 2 + 10, 10, data); /* in the same chunk, but for bad luck with this seed */
    assert_int_equal(counters(f).cache_misses, 1);
    assert_int_equal(counters(f).cache_hits, 1);
    read_range(o, LEN - 1, 1, data);
    assert_int_equal(counters(f).cache_misses, 2);
    read_range(o, 0, 1, data);
    assert_int_equal(counters(f).cache_misses, 3);
    read_range(o, 7, 0, data);
    read_range(o, 0, LEN, data);
    uint64_t chunks = counters(f).cache_misses;
    assert_int_equal(counters(f).cache_hits, 1 + 3);
    for (uint64_t at = 0; at < LEN; at += 100000)
        read_range(o, at, at + 100000 < LEN ? 100000 : LEN - at, data);
    assert_int_equal(counters(f).cache_misses, chunks);
    store_object_close(o);
    check_idle(f);
    free(data);
}

static void test_ranges(void **state)
{
    (void)state;
    run((struct fixture){.k = 4, .m = 2, .cache_bytes = 16u << 20}, tell_ranges);
}

/* ---- many readers ---- */

#define READERS 12u

static struct fixture *shared;

static void whole_reader(void *arg)
{
    (void)arg;
    expect_noise(shared, "k", 1, LEN);
    fixture_leave(shared);
}

static void tell_many(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "k", 1, LEN);
    expect_noise(f, "k", 1, LEN);
    uint64_t chunks = counters(f).cache_misses;
    assert_int_equal(counters(f).cache_hits + counters(f).cache_joined, 0);
    uint64_t before = read_bytes(f);
    shared = f;
    for (unsigned i = 0; i < READERS; i++)
        fixture_spawn(f, i % f->loops, whole_reader, NULL);
    fixture_join(f);
    struct store_counters c = counters(f);
    assert_int_equal(c.cache_misses + c.cache_hits + c.cache_joined, chunks * (1 + READERS));
    if (f->cache_bytes > 0) {
        /* from memory: nothing was read again */
        assert_int_equal(c.cache_misses, chunks);
        assert_int_equal(read_bytes(f), before);
    } else {
        assert_int_equal(c.cache_hits, 0);
        assert_true(c.cache_joined > 0);
    }
    check_idle(f);
}

/* The first to come read it, together: each chunk once. */
static void tell_many_first(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "k", 1, LEN);
    uint64_t before = read_bytes(f);
    shared = f;
    for (unsigned i = 0; i < READERS; i++)
        fixture_spawn(f, i % f->loops, whole_reader, NULL);
    fixture_join(f);
    struct store_counters c = counters(f);
    assert_int_equal((c.cache_misses + c.cache_hits + c.cache_joined) % READERS, 0);
    assert_int_equal(c.cache_misses, (c.cache_misses + c.cache_hits + c.cache_joined) / READERS);
    assert_true(read_bytes(f) - before < LEN + c.cache_misses * 5 * 4096);
    check_idle(f);
}

static void test_many(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run((struct fixture){.k = 2, .m = 1, .loops = 2, .seed = seed, .cache_bytes = 16u << 20}, tell_many);
        run((struct fixture){.k = 2, .m = 1, .loops = 2, .seed = seed}, tell_many);
        run((struct fixture){.k = 2, .m = 1, .loops = 2, .seed = seed, .cache_bytes = 16u << 20}, tell_many_first);
    }
}

/* ---- what is read once ---- */

static void tell_scan(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "popular", 1, 2u << 20);
    put_noise(f, "long", 2, 30u << 20);
    expect_noise(f, "popular", 1, 2u << 20);
    expect_noise(f, "popular", 1, 2u << 20);
    expect_noise(f, "long", 2, 30u << 20);
    struct store_counters before = counters(f);
    assert_true(before.cache_evicted > 0);
    expect_noise(f, "popular", 1, 2u << 20);
    assert_int_equal(counters(f).cache_misses, before.cache_misses);
    /* chunk by chunk in small ranges is still once */
    uint8_t *data = noise(2, 30u << 20);
    struct object *o = open_object(f, "long");
    for (uint64_t at = 0; at < 30u << 20; at += 256u << 10)
        read_range(o, at, 256u << 10, data);
    store_object_close(o);
    before = counters(f);
    expect_noise(f, "popular", 1, 2u << 20);
    assert_int_equal(counters(f).cache_misses, before.cache_misses);
    free(data);
}

static void test_scan(void **state)
{
    (void)state;
    run((struct fixture){.k = 1, .m = 0, .drive_bytes = 128u << 20, .cache_bytes = 8u << 20}, tell_scan);
}

/* ---- ahead ---- */

/* Left in the middle: what was read ahead is let go. */
static void tell_left(struct fixture *f)
{
    struct bytes piece;
    make_bucket(f);
    put_noise(f, "k", 1, LEN);
    for (unsigned pieces = 0; pieces < 6; pieces++) {
        struct object *o = open_object(f, "k");
        assert_int_equal(store_object_seek(o, 0, LEN), DOL_OK);
        for (unsigned i = 0; i < pieces; i++)
            assert_int_equal(store_object_read(o, &piece), DOL_OK);
        store_object_close(o);
        check_idle(f);
    }
    /* never more than the loop may have, whatever the number of readers, and all of them end */
    struct object *many[2 * STORE_AHEAD_MAX / CURSOR_AHEAD_MAX];
    unsigned count = sizeof many / sizeof many[0];
    uint8_t *data = noise(1, LEN);
    for (unsigned i = 0; i < count; i++) {
        many[i] = open_object(f, "k");
        assert_int_equal(store_object_seek(many[i], 0, LEN), DOL_OK);
        for (unsigned j = 0; j < 3; j++)
            assert_int_equal(store_object_read(many[i], &piece), DOL_OK);
        assert_true(f->store->aheads[0].now <= STORE_AHEAD_MAX);
    }
    assert_int_equal(f->store->aheads[0].now, STORE_AHEAD_MAX);
    for (unsigned i = count; i-- > 0;)
        read_range(many[i], 0, LEN, data);
    for (unsigned i = 0; i < count; i++)
        store_object_close(many[i]);
    check_idle(f);
    free(data);
}

static void test_left(void **state)
{
    (void)state;
    run((struct fixture){.k = 2, .m = 1}, tell_left);
    run((struct fixture){.k = 2, .m = 1, .cache_bytes = 16u << 20}, tell_left);
}

/* Where a chunk of an object lies. */
static const struct slab *find_chunk(struct fixture *f, const char *key, unsigned number, struct index_chunk *out)
{
    struct index_view *view;
    struct index_object object;
    struct manifest m;
    uint64_t bucket;
    assert_int_equal(store_bucket_id(f->store, text("b"), &bucket), DOL_OK);
    assert_int_equal(index_view_begin(f->store->index, &view), DOL_OK);
    assert_int_equal(index_object_get(view, bucket, text(key), NULL, &object), DOL_OK);
    assert_int_equal(manifest_decode(object.body, &m), DOL_OK);
    struct chunk_ref ref = chunk_ref_decode((const uint8_t *)m.chunk_refs.data + number * CHUNK_REF_BYTES);
    assert_int_equal(index_chunk_get(view, RECORD_CHUNK, &ref.hash, out), DOL_OK);
    index_view_end(view);
    return pool_slab_find(f->store->pool, out->place.slab);
}

/* A byte of its data on the medium of a member, with k = 1. */
static uint64_t middle_of(const struct fixture *f, const struct slab *slab, unsigned member,
                          const struct index_chunk *chunk)
{
    return pool_extent_offset(f->store->pool, slab->members[member].extent, chunk->place.row_block) +
           chunk->place.offset_bytes + chunk->place.stored_bytes / 2;
}

/* An error ahead is told when its turn comes, not before: all bytes until there have come. */
static uint64_t lost_from;

static void tell_lost(struct fixture *f)
{
    struct bytes piece;
    uint8_t *data = noise(1, LEN);
    struct object *o = open_object(f, "k");
    uint64_t at = 0;
    enum dol_err err;
    assert_int_equal(store_object_seek(o, 0, LEN), DOL_OK);
    while ((err = store_object_read(o, &piece)) == DOL_OK && piece.len > 0) {
        assert_memory_equal(piece.data, data + at, piece.len);
        at += piece.len;
    }
    assert_int_equal(err, DOL_EINCOMPLETE);
    assert_int_equal(at, lost_from);
    /* a range behind it is there */
    read_range(o, LEN - 1000, 1000, data);
    store_object_close(o);
    check_idle(f);
    free(data);
}

static void tell_lose(struct fixture *f)
{
    struct bytes piece;
    make_bucket(f);
    put_noise(f, "k", 1, LEN);
    struct object *o = open_object(f, "k");
    assert_int_equal(store_object_seek(o, 0, LEN), DOL_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(store_object_read(o, &piece), DOL_OK);
        lost_from += i < 2 ? piece.len : 0;
    }
    store_object_close(o);
    struct index_chunk chunk;
    const struct slab *slab = find_chunk(f, "k", 2, &chunk);
    sim_medium_fail_range(f->media[0], middle_of(f, slab, 0, &chunk), 1);
}

static void test_error_ahead(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    lost_from = 0;
    fixture_init(&f);
    fixture_write_session(&f, tell_lose);
    fixture_write_session(&f, tell_lost);
    fixture_fini(&f);
}

/* ---- degraded ---- */

#define SMALL_LEN   70000u
#define SMALL_COUNT 30u

/* One row that holds many objects. */
static void small_writer(void *arg)
{
    char key[16];
    unsigned i = (unsigned)(uintptr_t)arg;
    snprintf(key, sizeof key, "s%u", i);
    put_noise(shared, key, i, SMALL_LEN);
    fixture_leave(shared);
}

static void tell_small(struct fixture *f)
{
    make_bucket(f);
    shared = f;
    for (unsigned i = 0; i < SMALL_COUNT; i++)
        fixture_spawn(f, 0, small_writer, (void *)(uintptr_t)i);
    fixture_join(f);
}

/* With all drives nothing is rebuilt, however the records lie across units. */
static void tell_small_healthy(struct fixture *f)
{
    char key[16];
    for (unsigned i = 0; i < SMALL_COUNT; i++) {
        uint64_t before = read_bytes(f);
        snprintf(key, sizeof key, "s%u", i);
        expect_noise(f, key, i, SMALL_LEN);
        assert_true(read_bytes(f) - before <= SMALL_LEN + 4 * 8192);
    }
    assert_int_equal(counters(f).reads_reconstructed, 0);
}

static uint64_t rebuilt;

/* With members missing a record costs at most k times its blocks for each of its parts that is missing. */
static void tell_small_degraded(struct fixture *f)
{
    char key[16];
    for (unsigned i = 0; i < SMALL_COUNT; i++) {
        uint64_t before = read_bytes(f);
        snprintf(key, sizeof key, "s%u", i);
        expect_noise(f, key, i, SMALL_LEN);
        assert_true(read_bytes(f) - before <= 4 * (SMALL_LEN + 4 * 8192));
    }
    rebuilt += counters(f).reads_reconstructed;
}

static void test_degraded_reads_little(void **state)
{
    (void)state;
    rebuilt = 0;
    for (unsigned sealed = 0; sealed < 2; sealed++) {
        struct fixture f = {.k = 4, .m = 2, .encrypted = sealed == 1};
        fixture_init(&f);
        fixture_write_session(&f, tell_small);
        fixture_write_session(&f, tell_small_healthy);
        for (unsigned a = 0; a < 6; a++) {
            for (unsigned b = a + 1; b < 6; b++) {
                f.given = 0x3fu & ~(1u << a | 1u << b);
                if ((a + b) % 2 == sealed)
                    fixture_read_session(&f, tell_small_degraded);
            }
        }
        fixture_fini(&f);
    }
    /* of 15 pairs of drives, 5 have a given unit of data, and one has none */
    assert_true(rebuilt >= 4 * SMALL_COUNT && rebuilt <= 14 * SMALL_COUNT);
}

/* ---- what a CRC doesn't see ---- */

/* Five bytes that change a message and not its CRC-32C: the generator polynomial, least significant bit first. */
static const uint8_t unseen[] = {0xf1, 0x76, 0xec, 0x05, 0x01};
static unsigned data_drive;

static void tell_rot(struct fixture *f)
{
    struct index_chunk chunk;
    make_bucket(f);
    put_noise(f, "k", 1, 50000);
    const struct slab *slab = find_chunk(f, "k", 0, &chunk);
    data_drive = slab->members[0].drive;
    for (unsigned i = 0; i < sizeof unseen; i++)
        sim_medium_flip(f->media[slab->members[1].drive], middle_of(f, slab, 1, &chunk) + i, unseen[i]);
}

static void tell_read_rot(struct fixture *f)
{
    uint8_t *data = noise(1, 50000);
    assert_int_equal(read_all(f, "k", data, 50000), DOL_ECORRUPT);
    assert_int_equal(read_all(f, "k", data, 50000), DOL_ECORRUPT);
    free(data);
}

/* What was rebuilt from inputs nobody judged, without a seal, is hashed. */
static void test_rebuilt_is_hashed(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1, .cache_bytes = 1u << 20};
    fixture_init(&f);
    fixture_write_session(&f, tell_rot);
    f.given &= ~(1u << data_drive);
    fixture_read_session(&f, tell_read_rot);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_error_ahead),
        cmocka_unit_test(test_degraded_reads_little),
        cmocka_unit_test(test_rebuilt_is_hashed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
