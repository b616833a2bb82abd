/*
 * What the cache keeps and what it lets go: exact bounds, entries in use, uses, ghosts, and the resistance of what is
 * popular against what is read once. All on one thread, without waiting.
 */
#include "cache.h"
#include "hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ENTRY_BYTES 10000u
#define BUDGET      (100u * ENTRY_BYTES)

static struct sha256 name_of(unsigned number)
{
    return sha256_of(&number, sizeof number);
}

static const struct cache_use whole = {0, ENTRY_BYTES};

/* An entry whose bytes tell its number. */
static struct cache_entry *entry_of(unsigned number, size_t len)
{
    struct cache_entry *e;
    uint8_t *memory = malloc(len);
    memset(memory, (int)number, len);
    assert_int_equal(cache_entry_new(memory, len, bytes_of(memory, len), &e), DOL_OK);
    return e;
}

static void check_entry(const struct cache_entry *e, unsigned number)
{
    const uint8_t *data = cache_entry_bytes(e).data;
    size_t len = cache_entry_bytes(e).len;
    assert_int_equal(data[0], (uint8_t)number);
    assert_int_equal(data[len - 1], (uint8_t)number);
}

static struct cache_counters counters(struct cache *c)
{
    struct cache_counters n;
    cache_counters_get(c, &n);
    assert_true(n.bytes <= n.bytes_max);
    assert_int_equal(n.admitted - n.evicted, n.entries);
    return n;
}

/* As a reader does: found, or filled. Returns the entry and whether it was there. */
static struct cache_entry *use_len(struct cache *c, unsigned number, struct cache_use use, size_t len, bool *hit)
{
    struct sha256 name = name_of(number);
    struct cache_fill fill;
    struct cache_entry *e;
    enum dol_err err = cache_get(c, &name, use, &fill, &e);
    *hit = err == DOL_OK;
    if (err == DOL_ENOTFOUND) {
        e = entry_of(number, len);
        cache_fill_done(c, &fill, DOL_OK, e);
        (void)counters(c);
        err = DOL_OK;
    }
    assert_int_equal(err, DOL_OK);
    check_entry(e, number);
    return e;
}

static bool use(struct cache *c, unsigned number)
{
    bool hit;
    cache_entry_release(use_len(c, number, whole, ENTRY_BYTES, &hit));
    return hit;
}

/* Whether it is there; this doesn't count as a use, for it goes on where the last one ended. */
static bool has(struct cache *c, unsigned number)
{
    struct sha256 name = name_of(number);
    struct cache_entry *e = cache_find(c, &name, (struct cache_use){ENTRY_BYTES, ENTRY_BYTES});
    cache_entry_release(e);
    return e != NULL;
}

static void scan(struct cache *c, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        assert_false(use(c, i));
}

static struct cache *new_cache(uint64_t bytes_max)
{
    struct cache *c;
    assert_int_equal(cache_new(bytes_max, &c), DOL_OK);
    return c;
}

/* ---- bounds ---- */

static uint64_t charge_of(size_t len)
{
    struct cache *c = new_cache(BUDGET);
    bool hit;
    cache_entry_release(use_len(c, 1, whole, len, &hit));
    uint64_t charge = counters(c).bytes;
    cache_free(c);
    return charge;
}

static void test_bound_is_exact(void **state)
{
    (void)state;
    uint64_t charge = charge_of(ENTRY_BYTES);
    assert_true(charge > ENTRY_BYTES && charge < ENTRY_BYTES + 256);
    for (unsigned n = 1; n < 20; n++) {
        for (int more = -1; more <= 1; more++) {
            uint64_t budget = n * charge + (uint64_t)(int64_t)more;
            struct cache *c = new_cache(budget);
            scan(c, 0, 3 * n);
            unsigned fits = more < 0 ? n - 1 : n;
            assert_int_equal(counters(c).bytes, fits * charge);
            assert_int_equal(counters(c).entries, fits);
            assert_int_equal(counters(c).bytes_max, budget);
            assert_int_equal(counters(c).refused, fits == 0 ? 3 * n : 0);
            /* the last that came are there */
            for (unsigned i = 0; i < 3 * n; i++)
                assert_int_equal(has(c, i), i >= 3 * n - fits);
            cache_free(c);
        }
    }
}

static void test_nothing_kept(void **state)
{
    (void)state;
    struct cache *c = new_cache(0);
    scan(c, 0, 10);
    scan(c, 0, 10);
    struct cache_counters n = counters(c);
    assert_int_equal(n.misses, 20);
    assert_int_equal(n.refused, 20);
    assert_int_equal(n.hits + n.admitted + n.entries + n.bytes + n.bytes_max, 0);
    cache_free(c);
}

static void test_sizes(void **state)
{
    (void)state;
    struct cache *c = new_cache(BUDGET);
    bool hit;
    /* larger than all there is: refused, and nothing else leaves for it */
    scan(c, 0, 50);
    cache_entry_release(use_len(c, 1000, whole, BUDGET, &hit));
    assert_int_equal(counters(c).entries, 50);
    assert_int_equal(counters(c).refused, 1);
    /* half of it: the oldest leave until it fits */
    cache_entry_release(use_len(c, 1001, whole, BUDGET / 2 + 20 * ENTRY_BYTES, &hit));
    assert_int_equal(counters(c).refused, 1);
    assert_true(has(c, 1001));
    assert_true(has(c, 49));
    assert_false(has(c, 0));
    /* random sizes: never above the bound (counters() looks) */
    unsigned chance = 1;
    for (unsigned i = 2000; i < 6000; i++) {
        chance = chance * 1103515245 + 12345;
        cache_entry_release(use_len(c, i % 3700, whole, 1 + chance % 60000, &hit));
    }
    assert_true(counters(c).bytes > BUDGET - 60000 - 256);
    cache_free(c);
}

/* ---- entries in use ---- */

static void test_in_use_stays(void **state)
{
    (void)state;
    uint64_t charge = charge_of(ENTRY_BYTES);
    struct cache *c = new_cache(10 * charge);
    struct cache_entry *held[10];
    bool hit;
    for (unsigned i = 0; i < 10; i++)
        held[i] = use_len(c, i, whole, ENTRY_BYTES, &hit);
    /* all memory is in use: others are served and not kept */
    scan(c, 100, 5);
    assert_int_equal(counters(c).refused, 5);
    assert_int_equal(counters(c).evicted, 0);
    assert_int_equal(counters(c).bytes, 10 * charge);
    for (unsigned i = 0; i < 10; i++)
        check_entry(held[i], i);
    /* a second user of one: its memory is free only after both */
    struct cache_entry *again = use_len(c, 3, (struct cache_use){ENTRY_BYTES, ENTRY_BYTES}, ENTRY_BYTES, &hit);
    assert_true(hit);
    assert_ptr_equal(again, held[3]);
    cache_entry_release(held[3]);
    scan(c, 200, 1);
    assert_int_equal(counters(c).refused, 6);
    check_entry(again, 3);
    cache_entry_release(again);
    scan(c, 300, 1);
    assert_int_equal(counters(c).refused, 6);
    assert_int_equal(counters(c).evicted, 1);
    assert_false(has(c, 3));
    assert_true(has(c, 300));
    for (unsigned i = 0; i < 10; i++)
        if (i != 3)
            cache_entry_release(held[i]);
    cache_free(c);
}

/* What was refused belongs to its users alone. */
static void test_refused_is_whole(void **state)
{
    (void)state;
    struct cache *c = new_cache(0);
    bool hit;
    struct cache_entry *e = use_len(c, 7, whole, ENTRY_BYTES, &hit);
    cache_free(c);
    check_entry(e, 7);
    cache_entry_release(e);
    cache_entry_release(NULL);
}

/* ---- uses ---- */

static void test_used_again_stays(void **state)
{
    (void)state;
    struct cache *c = new_cache(BUDGET);
    for (unsigned i = 0; i < 40; i++) {
        assert_false(use(c, i));
        assert_true(use(c, i));
    }
    /* twenty times the cache, each read once */
    scan(c, 1000, 2000);
    for (unsigned i = 0; i < 40; i++)
        assert_true(has(c, i));
    /* not for ever: other popular ones take their place */
    for (unsigned i = 5000; i < 5300; i++) {
        (void)use(c, i);
        (void)use(c, i);
    }
    scan(c, 10000, 200);
    for (unsigned i = 0; i < 40; i++)
        assert_false(has(c, i));
    cache_free(c);
}

static void test_ghosts_come_back(void **state)
{
    (void)state;
    struct cache *c = new_cache(BUDGET);
    scan(c, 0, 150); /* 0 .. 50 have left */
    for (unsigned i = 0; i < 20; i++)
        assert_false(has(c, i));
    scan(c, 0, 20); /* their second time */
    scan(c, 1000, 2000);
    for (unsigned i = 0; i < 20; i++)
        assert_true(has(c, i));
    /* who left long ago is a stranger */
    scan(c, 1000, 20);
    scan(c, 20000, 300);
    for (unsigned i = 1000; i < 1020; i++)
        assert_false(has(c, i));
    cache_free(c);
}

/* Reading an entry in small ranges, one behind the other, is one use. */
static void test_ranges_are_one_use(void **state)
{
    (void)state;
    struct cache *c = new_cache(BUDGET);
    bool hit;
    for (unsigned i = 0; i < 20; i++)
        for (unsigned at = 0; at < ENTRY_BYTES; at += ENTRY_BYTES / 10)
            cache_entry_release(use_len(c, i, (struct cache_use){at, at + ENTRY_BYTES / 10}, ENTRY_BYTES, &hit));
    assert_int_equal(counters(c).misses, 20);
    assert_int_equal(counters(c).hits, 180);
    assert_int_equal(counters(c).hit_bytes, 18 * ENTRY_BYTES * 10 / 10);
    scan(c, 1000, 200);
    for (unsigned i = 0; i < 20; i++)
        assert_false(has(c, i));
    /* here and there in it are several */
    for (unsigned i = 0; i < 20; i++)
        for (unsigned at = 0; at < 3; at++)
            cache_entry_release(use_len(c, 50 + i, (struct cache_use){at * 100, at * 100 + 50}, ENTRY_BYTES, &hit));
    scan(c, 2000, 200);
    for (unsigned i = 0; i < 20; i++)
        assert_true(has(c, 50 + i));
    cache_free(c);
}

/*
 * A trace: a study that viewers go through again and again, while an archive is read from end to end. Between two reads
 * of an image 119 others pass through a cache of 98: an LRU would miss every one. Here the first two rounds miss: in
 * the second, an image comes back as a ghost.
 */
static void test_scan_resistance(void **state)
{
    (void)state;
    struct cache *c = new_cache(BUDGET);
    unsigned archive = 100000, missed = 0;
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned image = 0; image < 60; image++) {
            missed += !use(c, image);
            scan(c, archive++, 1);
        }
    }
    assert_int_equal(missed, 120);
    assert_int_equal(counters(c).hits, 100 * 60 - 120);
    cache_free(c);
}

/* Several shards: the bound is that of all together, and no name is lost between them. */
static void test_shards(void **state)
{
    (void)state;
    uint64_t budget = 100u << 20; /* three shards */
    struct cache *c = new_cache(budget);
    bool hit;
    assert_int_equal(counters(c).bytes_max, budget - budget % 3);
    for (unsigned i = 0; i < 300; i++)
        cache_entry_release(use_len(c, i, whole, 1u << 20, &hit));
    assert_true(counters(c).bytes > budget - 4 * (1u << 20));
    unsigned there = 0;
    for (unsigned i = 0; i < 300; i++)
        there += has(c, i);
    assert_int_equal(there, counters(c).entries);
    cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_is_exact),
        cmocka_unit_test(test_nothing_kept),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_in_use_stays),
        cmocka_unit_test(test_refused_is_whole),
        cmocka_unit_test(test_used_again_stays),
        cmocka_unit_test(test_ghosts_come_back),
        cmocka_unit_test(test_ranges_are_one_use),
        cmocka_unit_test(test_scan_resistance),
        cmocka_unit_test(test_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
