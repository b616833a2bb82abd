/*
 * Fills: who asks for what is being read waits for it, and it is read once; errors are shared and not kept. Then loops
 * on threads of their own use one small cache at random, for ThreadSanitizer to watch.
 */
#include "cache.h"
#include "hash.h"
#include "sim.h"
#include "uring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEN 1000u

static struct cache *cache;
static _Atomic unsigned running;

static struct sha256 name_of(unsigned number)
{
    return sha256_of(&number, sizeof number);
}

/* The last fiber to leave ends the run. */
static void leave(void)
{
    if (atomic_fetch_sub(&running, 1) == 1)
        runtime_stop(runtime_self());
}

static struct cache_entry *entry_of(unsigned number)
{
    struct cache_entry *e;
    uint8_t *memory = malloc(LEN);
    memset(memory, (int)number, LEN);
    assert_int_equal(cache_entry_new(memory, LEN, bytes_of(memory, LEN), &e), DOL_OK);
    return e;
}

static void check_entry(const struct cache_entry *e, unsigned number)
{
    const uint8_t *data = cache_entry_bytes(e).data;
    for (unsigned i = 0; i < LEN; i++)
        assert_int_equal(data[i], (uint8_t)number);
}

/* ---- one fill for all ---- */

#define READERS 40u

static unsigned fills, errors, loops;
static enum dol_err outcome;
static const struct cache_entry *seen;

static void reader(void *arg)
{
    (void)arg;
    struct sha256 name = name_of(5);
    struct cache_fill fill;
    struct cache_entry *e;
    enum dol_err err = cache_get(cache, &name, (struct cache_use){0, LEN}, &fill, &e);
    if (err == DOL_ENOTFOUND) {
        fills++;
        fiber_sleep(1000000); /* in the simulator: all others come meanwhile */
        err = outcome;
        e = err == DOL_OK ? entry_of(5) : NULL;
        cache_fill_done(cache, &fill, err, e);
    }
    assert_int_equal(err, outcome);
    errors += err != DOL_OK;
    if (err == DOL_OK) {
        assert_true(seen == NULL || seen == e);
        seen = e;
        check_entry(e, 5);
        cache_entry_release(e);
    }
    leave();
}

static void all_read(uint64_t seed, uint64_t bytes_max)
{
    struct runtime *rt;
    struct cache_counters n;
    fills = errors = 0;
    seen = NULL;
    running = READERS;
    assert_int_equal(cache_new(bytes_max, &cache), DOL_OK);
    assert_int_equal(runtime_new_sim(&(struct sim_config){.seed = seed, .loops = loops}, &rt), DOL_OK);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(runtime_spawn(rt, i % loops, reader, NULL, "reader"), DOL_OK);
    runtime_run(rt);
    runtime_free(rt);
    cache_counters_get(cache, &n);
    assert_int_equal(fills, 1);
    assert_int_equal(n.misses, 1);
    assert_int_equal(n.joined, READERS - 1);
    assert_int_equal(n.hits, 0);
    assert_int_equal(n.entries, outcome == DOL_OK && bytes_max > 0);
    assert_int_equal(errors, outcome == DOL_OK ? 0 : READERS);
    cache_free(cache);
}

static void test_one_fill(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        loops = 1 + (unsigned)seed % 3;
        outcome = DOL_OK;
        all_read(seed, 1u << 20);
        all_read(seed, 0); /* shared even where nothing is kept */
    }
}

static void test_error_is_shared(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        loops = 1 + (unsigned)seed % 3;
        outcome = DOL_ECORRUPT;
        all_read(seed, 1u << 20);
    }
}

/* An error isn't kept: who comes later tries again. */
static void test_error_is_forgotten(void **state)
{
    (void)state;
    struct sha256 name = name_of(1);
    struct cache_fill fill;
    struct cache_entry *e;
    assert_int_equal(cache_new(1u << 20, &cache), DOL_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(cache_get(cache, &name, (struct cache_use){0, LEN}, &fill, &e), DOL_ENOTFOUND);
        assert_null(e);
        cache_fill_done(cache, &fill, DOL_EIO, NULL);
    }
    assert_int_equal(cache_get(cache, &name, (struct cache_use){0, LEN}, &fill, &e), DOL_ENOTFOUND);
    e = entry_of(1);
    cache_fill_done(cache, &fill, DOL_OK, e);
    cache_entry_release(e);
    assert_int_equal(cache_get(cache, &name, (struct cache_use){0, LEN}, &fill, &e), DOL_OK);
    cache_entry_release(e);
    cache_free(cache);
}

/* ---- threads ---- */

#define LOOPS  4u
#define FIBERS 8u
#define TURNS  1500u
#define NAMES  300u
#define BUDGET (100u * LEN)

static _Atomic uint64_t gets, failed;

static unsigned next_chance(unsigned *chance)
{
    *chance = *chance * 1103515245 + 12345;
    return *chance >> 8;
}

/* OK, or the error of a fill; ENOTFOUND never. */
static enum dol_err get_or_fill(unsigned number, unsigned chance, struct cache_entry **out)
{
    struct sha256 name = name_of(number);
    struct cache_fill fill;
    enum dol_err err = cache_get(cache, &name, (struct cache_use){0, LEN}, &fill, out);
    if (err != DOL_ENOTFOUND)
        return err;
    if (chance % 4 == 0)
        fiber_yield();
    err = chance % 16 == 1 ? DOL_EIO : DOL_OK;
    *out = err == DOL_OK ? entry_of(number) : NULL;
    cache_fill_done(cache, &fill, err, *out);
    return err;
}

static void random_reader(void *arg)
{
    unsigned chance = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < TURNS; i++) {
        /* some names are asked for much more often */
        unsigned number = next_chance(&chance) % (next_chance(&chance) % 2 ? NAMES : 20);
        struct cache_entry *e;
        atomic_fetch_add(&gets, 1);
        if (get_or_fill(number, next_chance(&chance), &e) != DOL_OK) {
            atomic_fetch_add(&failed, 1);
            continue;
        }
        if (next_chance(&chance) % 8 == 0)
            fiber_yield(); /* held while others push */
        check_entry(e, number);
        cache_entry_release(e);
        if (i % 64 == 0) {
            struct cache_counters n;
            cache_counters_get(cache, &n);
            assert_true(n.bytes <= BUDGET);
        }
    }
    leave();
}

static void test_threads(void **state)
{
    (void)state;
    struct runtime *rt;
    struct cache_counters n;
    struct runtime_config config = {.loops = LOOPS};
    assert_int_equal(cache_new(BUDGET, &cache), DOL_OK);
    assert_int_equal(runtime_new_uring(&config, &rt), DOL_OK);
    running = LOOPS * FIBERS;
    for (unsigned i = 0; i < LOOPS * FIBERS; i++)
        assert_int_equal(runtime_spawn(rt, i % LOOPS, random_reader, (void *)(uintptr_t)(i + 1), "reader"), DOL_OK);
    runtime_run(rt);
    runtime_free(rt);
    cache_counters_get(cache, &n);
    assert_int_equal(atomic_load(&gets), LOOPS * FIBERS * TURNS);
    assert_int_equal(n.hits + n.joined + n.misses, LOOPS * FIBERS * TURNS);
    assert_int_equal(n.admitted - n.evicted, n.entries);
    assert_true(n.admitted + n.refused + atomic_load(&failed) >= n.misses);
    assert_true(n.hits > 0);
    assert_true(n.evicted > 0);
    cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fill),
        cmocka_unit_test(test_error_is_shared),
        cmocka_unit_test(test_error_is_forgotten),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
