/* The timer heap. Each timer knows its place, so that disarming is O(log n). */
#include "timer.h"
#include "dol_assert.h"

#include <stdlib.h>

enum dol_err timer_heap_init(struct timer_heap *heap, uint32_t max)
{
    *heap = (struct timer_heap){.max = max};
    heap->slots = calloc(max, sizeof heap->slots[0]);
    return heap->slots != NULL ? DOL_OK : DOL_ENOMEM;
}

void timer_heap_fini(struct timer_heap *heap)
{
    free(heap->slots);
    *heap = (struct timer_heap){0};
}

void timer_init(struct timer *timer)
{
    *timer = (struct timer){.place = TIMER_IDLE};
}

bool timer_is_armed(const struct timer *timer)
{
    return timer->place != TIMER_IDLE;
}

static bool precedes(const struct timer *a, const struct timer *b)
{
    if (a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return a->order < b->order;
}

static void put(struct timer_heap *heap, uint32_t place, struct timer *timer)
{
    heap->slots[place] = timer;
    timer->place = place;
}

/* Moves `timer` from `place` towards the root until its parent precedes it. */
static void sift_up(struct timer_heap *heap, uint32_t place, struct timer *timer)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / 2;
        if (precedes(heap->slots[parent], timer))
            break;
        put(heap, place, heap->slots[parent]);
        place = parent;
    }
    put(heap, place, timer);
}

static void sift_down(struct timer_heap *heap, uint32_t place, struct timer *timer)
{
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= heap->used)
            break;
        if (child + 1 < heap->used && precedes(heap->slots[child + 1], heap->slots[child]))
            child++;
        if (precedes(timer, heap->slots[child]))
            break;
        put(heap, place, heap->slots[child]);
        place = child;
    }
    put(heap, place, timer);
}

void timer_arm(struct timer_heap *heap, struct timer *timer, uint64_t deadline_ns)
{
    dol_assert(!timer_is_armed(timer));
    dol_assert(heap->used < heap->max);
    timer->deadline_ns = deadline_ns;
    timer->order = heap->armed++;
    sift_up(heap, heap->used++, timer);
}

void timer_disarm(struct timer_heap *heap, struct timer *timer)
{
    uint32_t place = timer->place;
    dol_assert(place < heap->used && heap->slots[place] == timer);
    struct timer *last = heap->slots[--heap->used];
    timer->place = TIMER_IDLE;
    if (last == timer)
        return;
    if (place > 0 && precedes(last, heap->slots[(place - 1) / 2]))
        sift_up(heap, place, last);
    else
        sift_down(heap, place, last);
}

uint64_t timer_next_ns(const struct timer_heap *heap)
{
    return heap->used > 0 ? heap->slots[0]->deadline_ns : UINT64_MAX;
}

struct timer *timer_pop_due(struct timer_heap *heap, uint64_t now_ns)
{
    if (heap->used == 0 || heap->slots[0]->deadline_ns > now_ns)
        return NULL;
    struct timer *timer = heap->slots[0];
    timer_disarm(heap, timer);
    return timer;
}
