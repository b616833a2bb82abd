/* The simulator: determinism, virtual time, deadlock and panic reports, offload, chance. */
#include "runtime_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- a small concurrent program with a history ---- */

#define WORKERS 12

struct program {
    struct runtime *rt;
    uint64_t history; /* order in which workers passed their points */
    unsigned left;
};

struct worker {
    struct program *program;
    unsigned number;
};

static void note(struct program *p, unsigned value)
{
    p->history = (p->history ^ value) * UINT64_C(1099511628211);
}

static void offloaded(void *arg)
{
    struct worker *w = arg;
    note(w->program, 1000 + w->number);
}

static void work(void *arg)
{
    struct worker *w = arg;
    struct program *p = w->program;
    uint8_t bytes[5];
    for (unsigned i = 0; i < 5; i++) {
        note(p, w->number);
        random_fill(bytes, sizeof bytes);
        note(p, bytes[4]);
        switch (bytes[0] % 3) {
        case 0:
            fiber_yield();
            break;
        case 1:
            fiber_sleep(bytes[1] * 100u);
            break;
        default:
            offload_run(offloaded, w);
        }
    }
    if (--p->left == 0)
        runtime_stop(p->rt);
}

static void run_program(uint64_t seed, uint64_t *trace, uint64_t *history)
{
    struct program p = {.left = WORKERS};
    struct worker workers[WORKERS];
    struct sim_config config = {.seed = seed, .loops = 3, .fibers_max = 8};
    assert_int_equal(runtime_new_sim(&config, &p.rt), DOL_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){&p, i};
        assert_int_equal(runtime_spawn(p.rt, i % 3, work, &workers[i], "worker"), DOL_OK);
    }
    runtime_run(p.rt);
    assert_int_equal(p.left, 0);
    assert_int_equal(sim_stuck_fibers(p.rt), 0);
    *trace = sim_trace_hash(p.rt);
    *history = p.history;
    runtime_free(p.rt);
}

static void test_determinism(void **state)
{
    (void)state;
    uint64_t traces[20];
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t history;
        uint64_t again;
        uint64_t trace_again;
        run_program(seed, &traces[seed], &history);
        run_program(seed, &trace_again, &again);
        assert_true(traces[seed] == trace_again);
        assert_true(history == again);
        for (uint64_t other = 0; other < seed; other++)
            assert_true(traces[seed] != traces[other]);
    }
}

/* ---- interleavings ---- */

struct race {
    unsigned value;
    unsigned left;
};

/* A lost update, if the other fiber runs between the read and the write. */
static void race_fiber(void *arg)
{
    struct race *r = arg;
    unsigned read = r->value;
    fiber_yield();
    r->value = read + 1;
    r->left--;
}

static void test_explores(void **state)
{
    (void)state;
    unsigned seen[3] = {0};
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct race race = {.left = 2};
        struct runtime *rt;
        struct sim_config config = {.seed = seed, .loops = 2};
        assert_int_equal(runtime_new_sim(&config, &rt), DOL_OK);
        assert_int_equal(runtime_spawn(rt, 0, race_fiber, &race, "race"), DOL_OK);
        assert_int_equal(runtime_spawn(rt, 1, race_fiber, &race, "race"), DOL_OK);
        runtime_run(rt);
        assert_int_equal(race.left, 0);
        seen[race.value]++;
        runtime_free(rt);
    }
    assert_int_equal(seen[0], 0);
    assert_in_range(seen[1], 1, 63);
    assert_in_range(seen[2], 1, 63);
}

/* ---- virtual time ---- */

#define HOUR_NS UINT64_C(3600000000000)

struct times {
    struct runtime *rt;
    uint64_t start;
    uint64_t fired[4];
    unsigned count;
};

static void record_time(void *arg)
{
    struct times *t = arg;
    assert_false(fiber_is_running());
    t->fired[t->count++] = clock_monotonic_ns() - t->start;
}

static void time_main(void *arg)
{
    struct times *t = arg;
    int64_t utc = clock_realtime_ns();
    uint64_t boot = clock_boottime_ns();
    t->start = clock_monotonic_ns();
    sim_schedule(t->rt, 3 * HOUR_NS, record_time, t);
    sim_schedule(t->rt, 1 * HOUR_NS, record_time, t);
    sim_schedule(t->rt, 0, record_time, t);
    fiber_sleep(2 * HOUR_NS);
    assert_int_equal(t->count, 2);
    assert_true(clock_monotonic_ns() - t->start == 2 * HOUR_NS);
    assert_true(clock_realtime_ns() - utc == (int64_t)(2 * HOUR_NS));
    assert_true(clock_boottime_ns() - boot == 2 * HOUR_NS);
    sim_clock_set_realtime_ns(t->rt, utc - 50 * INT64_C(31557600000000000));
    assert_true(clock_realtime_ns() == utc - 50 * INT64_C(31557600000000000));
    assert_true(clock_boottime_ns() - boot == 2 * HOUR_NS);
    fiber_sleep(2 * HOUR_NS);
    assert_int_equal(t->count, 3);
    assert_true(t->fired[0] == 0 && t->fired[1] == HOUR_NS && t->fired[2] == 3 * HOUR_NS);
    runtime_stop(t->rt);
}

static void test_virtual_time(void **state)
{
    (void)state;
    struct times t = {0};
    struct sim_config config = {.seed = 5, .step_ns_max = SIM_STEP_NONE, .realtime_ns = 1};
    assert_int_equal(runtime_new_sim(&config, &t.rt), DOL_OK);
    assert_true(clock_realtime_ns() == 1);
    testing_run(t.rt, time_main, &t);
    assert_int_equal(t.count, 3);
    runtime_free(t.rt);
}

/* Steps take time, so a fiber that only yields sees the clock move. */
static void spin_main(void *arg)
{
    uint64_t start = clock_monotonic_ns();
    (void)arg;
    while (clock_monotonic_ns() < start + 20000)
        fiber_yield();
    runtime_stop(runtime_self());
}

static void test_steps_take_time(void **state)
{
    (void)state;
    struct runtime *rt = testing_runtime(TESTING_SIM, 1, 4);
    testing_run(rt, spin_main, NULL);
    assert_in_range(sim_steps(rt), 21, 10000);
    runtime_free(rt);
}

/* ---- ends ---- */

static void deadlock_fiber(void *arg)
{
    struct waitq *q = arg;
    waitq_wait(q);
}

static void return_at_once(void *arg)
{
    (void)arg;
}

static void test_deadlock(void **state)
{
    (void)state;
    struct waitq q;
    waitq_init(&q);
    struct runtime *rt = testing_runtime(TESTING_SIM, 2, 4);
    assert_int_equal(runtime_spawn(rt, 0, deadlock_fiber, &q, "stuck one"), DOL_OK);
    assert_int_equal(runtime_spawn(rt, 1, deadlock_fiber, &q, "stuck two"), DOL_OK);
    assert_int_equal(runtime_spawn(rt, 1, return_at_once, NULL, "fine"), DOL_OK);
    runtime_run(rt);
    assert_int_equal(sim_stuck_fibers(rt), 2);
    sim_log_stuck_fibers(rt);
    runtime_free(rt);
}

static void livelock(void *arg)
{
    (void)arg;
    for (;;)
        fiber_yield();
}

static void test_steps_max(void **state)
{
    (void)state;
    struct runtime *rt;
    struct sim_config config = {.steps_max = 500};
    assert_int_equal(runtime_new_sim(&config, &rt), DOL_OK);
    testing_run(rt, livelock, NULL);
    assert_int_equal(sim_steps(rt), 500);
    assert_int_equal(sim_stuck_fibers(rt), 1);
    runtime_free(rt);
}

static void halt_event(void *arg)
{
    sim_halt(arg);
}

static void halted_fiber(void *arg)
{
    unsigned *steps = arg;
    for (;;) {
        ++*steps;
        fiber_sleep(10000);
    }
}

static void halting_fiber(void *arg)
{
    unsigned *steps = arg;
    sim_halt(runtime_self());
    ++*steps; /* until it awaits */
    fiber_yield();
    ++*steps;
}

/* By an event, and by a fiber: nothing runs after it, not even when run again. */
static void test_halt(void **state)
{
    (void)state;
    unsigned steps = 0;
    struct runtime *rt = testing_runtime(TESTING_SIM, 1, 4);
    sim_schedule(rt, 1000000, halt_event, rt);
    testing_run(rt, halted_fiber, &steps);
    unsigned before = steps;
    assert_in_range(before, 50, 100);
    runtime_run(rt);
    assert_int_equal(steps, before);
    assert_int_equal(sim_stuck_fibers(rt), 1);
    runtime_free(rt);

    steps = 0;
    rt = testing_runtime(TESTING_SIM, 1, 4);
    testing_run(rt, halting_fiber, &steps);
    assert_int_equal(steps, 1);
    runtime_free(rt);
}

static void panic_main(void *arg)
{
    (void)arg;
    assert_false(sim_panicked(runtime_self()));
    assert_null(sim_panic_text(runtime_self()));
    runtime_panic("row %d lost", 7);
    runtime_panic("second");
    runtime_stop(runtime_self());
}

static void test_panic(void **state)
{
    (void)state;
    struct runtime *rt = testing_runtime(TESTING_SIM, 1, 4);
    testing_run(rt, panic_main, NULL);
    assert_true(sim_panicked(rt));
    assert_string_equal(sim_panic_text(rt), "row 7 lost");
    runtime_free(rt);
}

static void again_main(void *arg)
{
    unsigned *runs = arg;
    ++*runs;
    fiber_sleep(10);
    runtime_stop(runtime_self());
}

static void test_run_again(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct runtime *rt = testing_runtime(TESTING_SIM, 1, 4);
    uint64_t before = clock_monotonic_ns();
    testing_run(rt, again_main, &runs);
    testing_run(rt, again_main, &runs);
    assert_int_equal(runs, 2);
    assert_true(clock_monotonic_ns() >= before + 20);
    runtime_free(rt);
}

/* ---- completions by events ---- */

struct io_like {
    struct join *join;
    unsigned *finished;
};

static void complete(void *arg)
{
    struct io_like *io = arg;
    ++*io->finished;
    join_done(io->join);
}

static void join_main(void *arg)
{
    struct runtime *rt = runtime_self();
    struct join join;
    struct io_like ios[6];
    unsigned finished = 0;
    (void)arg;
    for (unsigned round = 1; round <= 20; round++) {
        join_init(&join);
        for (unsigned i = 0; i < 6; i++) {
            ios[i] = (struct io_like){&join, &finished};
            join_add(&join);
            sim_schedule(rt, sim_random_below(rt, 50000), complete, &ios[i]);
        }
        join_wait(&join);
        assert_int_equal(finished, 6 * round);
    }
    runtime_stop(rt);
}

static void test_events_complete_joins(void **state)
{
    (void)state;
    struct runtime *rt = testing_runtime(TESTING_SIM, 1, 4);
    testing_run(rt, join_main, NULL);
    assert_int_equal(sim_stuck_fibers(rt), 0);
    runtime_free(rt);
}

static void count_event(void *arg)
{
    ++*(unsigned *)arg;
}

/* Without a stop and without fibers, events run to the last; many of them, in order of time. */
static void test_many_events(void **state)
{
    (void)state;
    unsigned count = 0;
    struct runtime *rt = testing_runtime(TESTING_SIM, 1, 4);
    for (unsigned i = 0; i < 5000; i++)
        sim_schedule(rt, sim_random_below(rt, 1000), count_event, &count);
    runtime_run(rt);
    assert_int_equal(count, 5000);
    runtime_free(rt);
}

static void test_chance(void **state)
{
    (void)state;
    unsigned buckets[10] = {0};
    struct runtime *rt = testing_runtime(TESTING_SIM, 1, 4);
    for (unsigned i = 0; i < 10000; i++)
        buckets[sim_random_below(rt, 10)]++;
    for (unsigned i = 0; i < 10; i++)
        assert_in_range(buckets[i], 800, 1200);
    assert_int_equal(sim_random_below(rt, 1), 0);
    assert_true(sim_random(rt) != sim_random(rt));
    runtime_free(rt);
}

static void test_config(void **state)
{
    (void)state;
    struct runtime *rt = NULL;
    struct sim_config config = {.loops = SIM_LOOPS_MAX + 1};
    assert_int_equal(runtime_new_sim(&config, &rt), DOL_EINVAL);
    assert_null(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_determinism),  cmocka_unit_test(test_explores),
        cmocka_unit_test(test_virtual_time), cmocka_unit_test(test_steps_take_time),
        cmocka_unit_test(test_deadlock),     cmocka_unit_test(test_steps_max),
        cmocka_unit_test(test_halt),         cmocka_unit_test(test_panic),
        cmocka_unit_test(test_run_again),    cmocka_unit_test(test_events_complete_joins),
        cmocka_unit_test(test_many_events),  cmocka_unit_test(test_chance),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
