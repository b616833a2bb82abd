/* The timer heap against a plain list: order by deadline, then by arming; disarming anywhere. */
#include "timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_order(void **state)
{
    (void)state;
    static const uint64_t deadlines[] = {5, 1, 5, UINT64_MAX, 0, 3, 5, 1};
    static const unsigned expected[] = {4, 1, 7, 5, 0, 2, 6};
    struct timer timers[8];
    struct timer_heap heap;
    assert_int_equal(timer_heap_init(&heap, 8), DOL_OK);
    assert_true(timer_next_ns(&heap) == UINT64_MAX);
    assert_null(timer_pop_due(&heap, UINT64_MAX));
    for (unsigned i = 0; i < 8; i++) {
        timer_init(&timers[i]);
        assert_false(timer_is_armed(&timers[i]));
        timer_arm(&heap, &timers[i], deadlines[i]);
        assert_true(timer_is_armed(&timers[i]));
    }
    assert_ptr_equal(timer_pop_due(&heap, 0), &timers[4]);
    assert_null(timer_pop_due(&heap, 0));
    for (unsigned i = 1; i < 7; i++) {
        assert_int_equal(timer_next_ns(&heap), deadlines[expected[i]]);
        assert_ptr_equal(timer_pop_due(&heap, 5), &timers[expected[i]]);
        assert_false(timer_is_armed(&timers[expected[i]]));
    }
    assert_null(timer_pop_due(&heap, UINT64_MAX - 1));
    timer_disarm(&heap, &timers[3]);
    timer_heap_fini(&heap);
}

#define MANY 200

/* The armed timer that should come first, by looking at all. */
static struct timer *first_of(struct timer *timers)
{
    struct timer *best = NULL;
    for (unsigned i = 0; i < MANY; i++) {
        struct timer *t = &timers[i];
        if (timer_is_armed(t) && (best == NULL || t->deadline_ns < best->deadline_ns ||
                                  (t->deadline_ns == best->deadline_ns && t->order < best->order)))
            best = t;
    }
    return best;
}

static void pop_first(struct timer_heap *heap, struct timer *timers)
{
    struct timer *first = first_of(timers);
    assert_ptr_equal(timer_pop_due(heap, UINT64_MAX), first);
}

static void test_random_against_list(void **state)
{
    (void)state;
    struct timer timers[MANY];
    struct timer_heap heap;
    uint64_t rng = 1;
    assert_int_equal(timer_heap_init(&heap, MANY), DOL_OK);
    for (unsigned i = 0; i < MANY; i++)
        timer_init(&timers[i]);
    for (unsigned step = 0; step < 20000; step++) {
        rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
        struct timer *t = &timers[(rng >> 33) % MANY];
        if (!timer_is_armed(t))
            timer_arm(&heap, t, (rng >> 45) % 64);
        else if ((rng >> 60) % 4 == 0)
            pop_first(&heap, timers);
        else
            timer_disarm(&heap, t);
        struct timer *first = first_of(timers);
        assert_true(timer_next_ns(&heap) == (first != NULL ? first->deadline_ns : UINT64_MAX));
    }
    while (heap.used > 0)
        pop_first(&heap, timers);
    assert_null(first_of(timers));
    timer_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_random_against_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
