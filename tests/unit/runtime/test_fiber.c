/* Fibers on both runtimes: order, tokens, timers, limits, reuse, stacks and their guard. */
#include "fiber.h"
#include "runtime_testing.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void on_both(unsigned loops, unsigned fibers_max, fiber_fn *fn)
{
    for (enum testing_kind kind = TESTING_URING; kind <= TESTING_SIM; kind++) {
        struct runtime *rt = testing_runtime(kind, loops, fibers_max);
        testing_run(rt, fn, &kind);
        runtime_free(rt);
    }
}

/* ---- order ---- */

struct order {
    char text[32];
    unsigned len;
};

struct order_arg {
    struct order *order;
    char letter;
};

static void order_fiber(void *arg)
{
    struct order_arg *a = arg;
    for (int i = 0; i < 3; i++) {
        a->order->text[a->order->len++] = a->letter;
        fiber_yield();
    }
}

static void order_main(void *arg)
{
    struct order order = {0};
    struct order_arg args[3] = {{&order, 'a'}, {&order, 'b'}, {&order, 'c'}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(fiber_spawn(order_fiber, &args[i], "order"), DOL_OK);
    assert_int_equal(order.len, 0);
    while (order.len < 9)
        fiber_yield();
    for (int i = 0; i < 3; i++)
        fiber_yield();
    if (*(enum testing_kind *)arg == TESTING_URING)
        assert_string_equal(order.text, "abcabcabc");
    assert_int_equal(order.len, 9);
    runtime_stop(runtime_self());
}

static void test_order(void **state)
{
    (void)state;
    on_both(1, 8, order_main);
}

/* ---- the calling fiber ---- */

static void self_main(void *arg)
{
    unsigned *index = arg;
    assert_true(fiber_is_running());
    assert_int_equal(loop_index(), *index);
    assert_ptr_equal(fiber_self()->loop, loop_self());
    assert_int_equal(runtime_loops(runtime_self()), 3);
    if (*index == 2)
        runtime_stop(runtime_self());
}

static void test_self(void **state)
{
    (void)state;
    for (enum testing_kind kind = TESTING_URING; kind <= TESTING_SIM; kind++) {
        static unsigned indexes[] = {0, 1, 2};
        struct runtime *rt = testing_runtime(kind, 3, 8);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(runtime_spawn(rt, i, self_main, &indexes[i], "self"), DOL_OK);
        assert_false(fiber_is_running());
        assert_null(fiber_self());
        runtime_run(rt);
        assert_false(fiber_is_running());
        runtime_free(rt);
        assert_null(runtime_self());
    }
}

/* ---- tokens ---- */

struct parked {
    struct fiber *fiber;
    unsigned returns;
    bool stop;
};

static void park_fiber(void *arg)
{
    struct parked *p = arg;
    p->fiber = fiber_self();
    while (!p->stop) {
        fiber_park();
        p->returns++;
    }
    p->fiber = NULL;
}

static void let_others_run(void)
{
    for (int i = 0; i < 20; i++)
        fiber_yield();
}

static void token_main(void *arg)
{
    struct parked p = {0};
    (void)arg;
    /* A wake before the park is kept, once. */
    fiber_wake(fiber_self());
    fiber_wake(fiber_self());
    fiber_park();
    assert_false(fiber_park_until(clock_monotonic_ns() + 1000));
    fiber_wake(fiber_self());
    assert_true(fiber_park_until(0));
    assert_false(fiber_park_until(0));

    assert_int_equal(fiber_spawn(park_fiber, &p, "park"), DOL_OK);
    let_others_run();
    assert_non_null(p.fiber);
    assert_int_equal(p.returns, 0);
    fiber_wake(p.fiber);
    assert_int_equal(p.returns, 0); /* a wake doesn't switch */
    let_others_run();
    assert_int_equal(p.returns, 1);
    let_others_run();
    assert_int_equal(p.returns, 1);
    p.stop = true;
    fiber_wake(p.fiber);
    let_others_run();
    assert_null(p.fiber);
    runtime_stop(runtime_self());
}

static void test_token(void **state)
{
    (void)state;
    on_both(1, 8, token_main);
}

struct late {
    struct fiber *sleeper;
    bool hit;
    bool stop;
};

/* Tries to wake its fiber between the firing of its timer and its run. */
static void late_waker(void *arg)
{
    struct late *l = arg;
    while (!l->stop) {
        if (l->sleeper->state == FIBER_READY && l->sleeper->timed_out) {
            fiber_wake(l->sleeper);
            l->hit = true;
        }
        fiber_yield();
    }
    l->stop = false;
}

static void late_main(void *arg)
{
    struct late l = {.sleeper = fiber_self()};
    (void)arg;
    assert_int_equal(fiber_spawn(late_waker, &l, "late"), DOL_OK);
    unsigned rounds = 0;
    do {
        l.hit = false;
        bool woken = fiber_park_until(clock_monotonic_ns() + 20000);
        assert_int_equal(woken, l.hit);
        assert_in_range(++rounds, 1, 1000);
    } while (!l.hit);
    /* The token is used up. */
    l.stop = true;
    while (l.stop)
        fiber_yield();
    assert_false(fiber_park_until(clock_monotonic_ns() + 1));
    runtime_stop(runtime_self());
}

/* A wake after the deadline but before the fiber ran counts as a wake. */
static void test_token_and_deadline(void **state)
{
    (void)state;
    on_both(1, 8, late_main);
}

/* ---- time ---- */

static void sleep_main(void *arg)
{
    (void)arg;
    static const uint64_t durations[] = {0, 1, 1000, 3000000};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t start = clock_monotonic_ns();
        fiber_wake(fiber_self()); /* a stray token doesn't shorten a sleep */
        fiber_sleep(durations[i]);
        assert_true(clock_monotonic_ns() - start >= durations[i]);
    }
    assert_true(clock_boottime_ns() > 0);
    assert_true(clock_realtime_ns() > INT64_C(1700000000000000000));
    runtime_stop(runtime_self());
}

static void test_sleep(void **state)
{
    (void)state;
    on_both(1, 8, sleep_main);
}

/* ---- limits and reuse ---- */

static void count_fiber(void *arg)
{
    unsigned *n = arg;
    char on_stack[2000];
    memset(on_stack, (int)*n, sizeof on_stack);
    fiber_yield();
    for (unsigned i = 0; i < sizeof on_stack; i++)
        assert_int_equal(on_stack[i], on_stack[0]);
    ++*n;
}

static void limit_main(void *arg)
{
    unsigned n = 0;
    struct loop *loop = loop_self();
    (void)arg;
    for (unsigned round = 1; round <= 50; round++) {
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(fiber_spawn(count_fiber, &n, "count"), DOL_OK);
        assert_int_equal(fiber_spawn(count_fiber, &n, "count"), DOL_EBUSY);
        assert_int_equal(runtime_spawn(runtime_self(), 0, count_fiber, &n, "count"), DOL_EBUSY);
        while (n < 3 * round)
            fiber_yield();
        let_others_run();
    }
    assert_ptr_equal(loop, loop_self());
    struct runtime_counters sum;
    runtime_counters(runtime_self(), &sum);
    assert_int_equal(sum.fibers_live, 1);
    assert_int_equal(sum.fibers_peak, 4);
    assert_int_equal(sum.fibers_max, 4);
    runtime_stop(runtime_self());
}

static void test_limit_and_reuse(void **state)
{
    (void)state;
    on_both(1, 4, limit_main);
}

/* Spawned after the stop and the end: refused, so nothing is left behind. */
static void nothing(void *arg)
{
    (void)arg;
}

static void test_spawn_after_stop(void **state)
{
    (void)state;
    struct runtime *rt = testing_runtime(TESTING_URING, 2, 4);
    runtime_stop(rt);
    runtime_stop(rt);
    assert_int_equal(runtime_spawn(rt, 1, nothing, NULL, "late"), DOL_ESTOPPED);
    runtime_run(rt);
    runtime_free(rt);
}

static void test_free_without_run(void **state)
{
    (void)state;
    for (enum testing_kind kind = TESTING_URING; kind <= TESTING_SIM; kind++) {
        struct runtime *rt = testing_runtime(kind, 2, 4);
        assert_int_equal(runtime_spawn(rt, 1, nothing, NULL, "never"), DOL_OK);
        runtime_free(rt);
    }
    runtime_free(NULL);
}

/* ---- stacks ---- */

/* Takes about 1 KiB a level. */
__attribute__((noinline)) static unsigned recurse(unsigned depth, volatile char *above)
{
    volatile char frame[900];
    frame[0] = (char)(above[0] + 1);
    frame[sizeof frame - 1] = 1;
    if (depth == 0)
        return (unsigned char)frame[0];
    return recurse(depth - 1, frame) + (unsigned)(frame[sizeof frame - 1] - 1);
}

static void deep_main(void *arg)
{
    char top = 0;
    (void)arg;
    assert_int_equal(recurse(60, &top), 61);
    /* The frame, not &top: sanitizers may keep locals elsewhere. */
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    assert_true(frame >= (uintptr_t)fiber_self()->stack_low);
    assert_true(frame < (uintptr_t)fiber_self()->stack_low + fiber_self()->stack_bytes);
    runtime_stop(runtime_self());
}

static void test_deep_stack(void **state)
{
    (void)state;
    on_both(1, 4, deep_main);
}

#define GUARD_HIT 42

static const char *guard_low;

static void on_segv(int signo, siginfo_t *info, void *context)
{
    const char *at = info->si_addr;
    (void)signo;
    (void)context;
    _exit(at >= guard_low && at < guard_low + FIBER_GUARD_BYTES ? GUARD_HIT : 1);
}

static void overflow_main(void *arg)
{
    char top = 0;
    (void)arg;
    guard_low = fiber_self()->map;
    recurse(100000, &top);
}

static void overflow_child(void)
{
    static char handler_stack[64 << 10];
    stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaltstack(&stack, NULL) == 0 && sigaction(SIGSEGV, &action, NULL) == 0)
        testing_run(testing_runtime(TESTING_SIM, 1, 4), overflow_main, NULL);
    _exit(2);
}

/* In a child: the overflow faults inside the guard, whatever is mapped below it. */
static void test_guard(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        overflow_child();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), GUARD_HIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_token_and_deadline),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_limit_and_reuse),
        cmocka_unit_test(test_spawn_after_stop),
        cmocka_unit_test(test_free_without_run),
        cmocka_unit_test(test_deep_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
