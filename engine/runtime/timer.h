/* Timers of one loop: a binary heap ordered by deadline, then by arming order, so that equal deadlines fire in FIFO
 * order. */
#ifndef DOL_TIMER_H
#define DOL_TIMER_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#define TIMER_IDLE UINT32_MAX

struct timer {
    uint64_t deadline_ns;
    uint64_t order;
    uint32_t place; /* in the heap, or TIMER_IDLE */
};

struct timer_heap {
    struct timer **slots;
    uint32_t used;
    uint32_t max;
    uint64_t armed; /* timers armed so far: the next order */
};

/* ENOMEM. At most `max` timers are armed at once: one per fiber. */
DOL_MUST_CHECK enum dol_err timer_heap_init(struct timer_heap *heap, uint32_t max);
void timer_heap_fini(struct timer_heap *heap);

void timer_init(struct timer *timer);
bool timer_is_armed(const struct timer *timer);
void timer_arm(struct timer_heap *heap, struct timer *timer, uint64_t deadline_ns);
void timer_disarm(struct timer_heap *heap, struct timer *timer);

/* The earliest deadline; UINT64_MAX when none is armed. */
uint64_t timer_next_ns(const struct timer_heap *heap);
/* The first timer whose deadline is <= now_ns, disarmed; NULL when there is none. */
struct timer *timer_pop_due(struct timer_heap *heap, uint64_t now_ns);

#endif
