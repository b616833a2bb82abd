/*
 * Gates on two simulated loops: first come first served per key, handed over, a bucket's gate that excludes its keys
 * and is not starved by them.
 *
 * Visitors arrive at given times, stay, and leave; the log of what happened is compared whole. Times are milliseconds
 * apart and a fiber's run takes at most a microsecond, so the order is decided by the gates alone; every story is told
 * under many seeds.
 */
#include "gates.h"
#include "pool_fixture.h"

#include <stdio.h>

#define MS           1000000ull
#define VISITORS_MAX 8u
#define SEEDS        40u

struct visitor {
    char name;
    unsigned loop;
    uint64_t bucket;
    const char *key; /* NULL: the whole bucket */
    unsigned arrives_ms, stays_ms;
};

static struct gates *gates;
static char told[128];
static size_t told_len;

static void tell(char what, char name)
{
    assert_true(told_len + 2 < sizeof told);
    told[told_len++] = what;
    told[told_len++] = name;
    told[told_len] = '\0';
}

static void visit(void *arg)
{
    const struct visitor *v = arg;
    struct gate_hold hold;
    fiber_sleep(v->arrives_ms * MS);
    if (v->key != NULL)
        assert_int_equal(gates_enter_key(gates, v->bucket, text(v->key), &hold), DOL_OK);
    else
        assert_int_equal(gates_enter_bucket(gates, v->bucket, &hold), DOL_OK);
    tell('+', v->name);
    fiber_sleep(v->stays_ms * MS);
    tell('-', v->name);
    gates_leave(gates, &hold);
    assert_null(hold.bucket);
    assert_null(hold.key);
}

static void story(const struct visitor *visitors, unsigned count, const char *expected)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_config config = {.seed = seed, .loops = 2};
        struct visitor copies[VISITORS_MAX];
        struct runtime *rt;
        told_len = 0;
        told[0] = '\0';
        assert_true(count <= VISITORS_MAX);
        memcpy(copies, visitors, count * sizeof copies[0]);
        assert_int_equal(runtime_new_sim(&config, &rt), DOL_OK);
        assert_int_equal(gates_new(&gates), DOL_OK);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(runtime_spawn(rt, copies[i].loop, visit, &copies[i], "visitor"), DOL_OK);
        runtime_run(rt);
        assert_int_equal(sim_stuck_fibers(rt), 0);
        gates_free(gates); /* asserts that nothing is left */
        runtime_free(rt);
        assert_string_equal(told, expected);
    }
}
#define STORY(visitors, expected) story(visitors, sizeof(visitors) / sizeof(visitors)[0], expected)

static void test_one_key_is_fifo_across_loops(void **state)
{
    (void)state;
    static const struct visitor v[] = {{'a', 0, 1, "k", 0, 50}, {'b', 1, 1, "k", 1, 5}, {'c', 0, 1, "k", 2, 5},
                                       {'d', 1, 1, "k", 3, 5},  {'e', 1, 1, "k", 4, 5}, {'f', 0, 1, "k", 5, 5}};
    STORY(v, "+a-a+b-b+c-c+d-d+e-e+f-f");
}

/* The gate is handed over: who comes just as it is left does not slip in before the one that waits. */
static void test_hand_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_config config = {.seed = seed, .loops = 2};
        /* c comes at the very moment that a leaves; b has waited since 1 ms */
        static struct visitor v[] = {{'a', 0, 1, "k", 0, 10}, {'b', 1, 1, "k", 1, 5}, {'c', 0, 1, "k", 10, 5}};
        struct runtime *rt;
        told_len = 0;
        assert_int_equal(runtime_new_sim(&config, &rt), DOL_OK);
        assert_int_equal(gates_new(&gates), DOL_OK);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(runtime_spawn(rt, v[i].loop, visit, &v[i], "visitor"), DOL_OK);
        runtime_run(rt);
        gates_free(gates);
        runtime_free(rt);
        assert_string_equal(told, "+a-a+b-b+c-c");
    }
}

static void test_keys_and_buckets_apart(void **state)
{
    (void)state;
    /* another key, another bucket, and a key that differs by a zero byte's worth of length don't wait */
    static const struct visitor v[] = {
        {'a', 0, 1, "k", 0, 50}, {'b', 1, 1, "l", 1, 10}, {'c', 0, 2, "k", 2, 20}, {'d', 1, 1, "kk", 3, 30}};
    STORY(v, "+a+b+c+d-b-c-d-a");
}

static void test_bucket_excludes_keys(void **state)
{
    (void)state;
    static const struct visitor v[] = {
        {'B', 0, 1, NULL, 0, 10}, {'k', 1, 1, "k", 1, 5}, {'o', 0, 2, "k", 3, 2}, {'l', 0, 1, "l", 11, 3}};
    /* k enters once the bucket is left; the other bucket's key has not waited */
    STORY(v, "+B+o-o-B+k+l-l-k");
}

static void test_bucket_waits_for_all_keys(void **state)
{
    (void)state;
    /* c waits for its key before B comes: it is let through */
    static const struct visitor v[] = {
        {'a', 0, 1, "a", 0, 10}, {'b', 1, 1, "b", 1, 21}, {'c', 1, 1, "b", 2, 5}, {'B', 0, 1, NULL, 3, 5}};
    STORY(v, "+a+b-a-b+c-c+B-B");
}

/* Keys that come after the bucket's gate was asked for wait behind it, however many there are. */
static void test_bucket_is_not_starved(void **state)
{
    (void)state;
    static const struct visitor v[] = {{'a', 0, 1, "a", 0, 10},
                                       {'B', 1, 1, NULL, 1, 5},
                                       {'b', 0, 1, "b", 2, 10},
                                       {'c', 1, 1, "c", 16, 11},
                                       {'d', 0, 1, "d", 17, 20}};
    STORY(v, "+a-a+B-B+b+c+d-b-c-d");
}

static void test_buckets_one_at_a_time(void **state)
{
    (void)state;
    static const struct visitor v[] = {
        {'A', 0, 1, NULL, 0, 10}, {'B', 1, 1, NULL, 1, 10}, {'C', 0, 1, NULL, 2, 10}, {'k', 1, 1, "k", 3, 5}};
    STORY(v, "+A-A+B-B+C-C+k-k");
}

/* Bucket 0 with a name as key is the gate of that name: it has nothing to do with the bucket that has it. */
static void test_names(void **state)
{
    (void)state;
    static const struct visitor v[] = {{'n', 0, 0, "name", 0, 20},
                                       {'m', 1, 0, "name", 1, 5},
                                       {'o', 0, 0, "other", 2, 5},
                                       {'B', 1, 7, NULL, 3, 5},
                                       {'k', 0, 7, "name", 9, 5}};
    STORY(v, "+n+o+B-o-B+k-k-n+m-m");
}

/* Keys are bytes: an empty one, zero bytes, 1,024 bytes that differ in the last. */
static char long_a[1025], long_b[1025];

static void test_any_key(void **state)
{
    (void)state;
    memset(long_a, 'x', 1024);
    memset(long_b, 'x', 1024);
    long_b[1023] = 'y';
    const struct visitor v[] = {{'a', 0, 1, long_a, 0, 20},
                                {'b', 1, 1, long_b, 1, 4},
                                {'c', 0, 1, long_a, 2, 3},
                                {'e', 1, 1, "", 3, 5},
                                {'f', 0, 1, "", 4, 5}};
    STORY(v, "+a+b+e-b-e+f-f-a+c-c");
}

/* ---- many at once ---- */

#define CROWD 60u

static unsigned inside[4]; /* holders of each key; [3] of the bucket */
static unsigned entered;

static void push_in(void *arg)
{
    uint64_t i = *(const uint64_t *)arg;
    static const char *const keys[] = {"x", "y", "z"};
    unsigned what = (unsigned)(i % 7 == 6 ? 3 : i % 3);
    struct gate_hold hold;
    uint8_t dice[2];
    random_fill(dice, sizeof dice);
    fiber_sleep(dice[0] * 1000ull);
    if (what == 3)
        assert_int_equal(gates_enter_bucket(gates, 5, &hold), DOL_OK);
    else
        assert_int_equal(gates_enter_key(gates, 5, text(keys[what]), &hold), DOL_OK);
    assert_int_equal(inside[what], 0);
    assert_int_equal(inside[3], 0);
    if (what == 3)
        assert_int_equal(inside[0] + inside[1] + inside[2], 0);
    inside[what]++;
    entered++;
    fiber_sleep(dice[1] * 500ull);
    inside[what]--;
    gates_leave(gates, &hold);
}

static void test_crowd(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_config config = {.seed = seed, .loops = 3};
        uint64_t numbers[CROWD];
        struct runtime *rt;
        memset(inside, 0, sizeof inside);
        entered = 0;
        assert_int_equal(runtime_new_sim(&config, &rt), DOL_OK);
        assert_int_equal(gates_new(&gates), DOL_OK);
        for (unsigned i = 0; i < CROWD; i++) {
            numbers[i] = i;
            assert_int_equal(runtime_spawn(rt, i % 3, push_in, &numbers[i], "visitor"), DOL_OK);
        }
        runtime_run(rt);
        assert_int_equal(sim_stuck_fibers(rt), 0);
        assert_int_equal(entered, CROWD);
        gates_free(gates);
        runtime_free(rt);
    }
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_key_is_fifo_across_loops),
        cmocka_unit_test(test_hand_over),
        cmocka_unit_test(test_keys_and_buckets_apart),
        cmocka_unit_test(test_bucket_excludes_keys),
        cmocka_unit_test(test_bucket_waits_for_all_keys),
        cmocka_unit_test(test_bucket_is_not_starved),
        cmocka_unit_test(test_buckets_one_at_a_time),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_any_key),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
