/* Waiting: join, wait queue, gate, waiter list. All are built on park and wake; parks may be spurious, so each loops.
 */
#include "dol_assert.h"
#include "loop.h"

#include <dolmen/runtime.h>

/* ---- join ---- */

void join_init(struct join *join)
{
    *join = (struct join){0};
}

void join_add(struct join *join)
{
    join->pending++;
}

void join_done(struct join *join)
{
    dol_assert(join->pending > 0);
    join->pending--;
    if (join->pending == 0 && join->waiter != NULL)
        fiber_wake(join->waiter);
}

void join_wait(struct join *join)
{
    dol_assert(join->waiter == NULL);
    join->waiter = fiber_current();
    while (join->pending > 0)
        fiber_park();
    join->waiter = NULL;
}

/* ---- wait queue ---- */

/* One waiting fiber, on its stack. Unlinked by whoever wakes it, or by itself at its deadline. */
struct waitq_entry {
    struct waitq_entry *next;
    struct waitq_entry *prev;
    struct fiber *fiber;
    bool woken;
};

/* Not inlined: gcc 12 would take the entry on the waiter's stack, linked while the waiter waits, for a dangling
 * pointer. */
__attribute__((noinline)) static void waitq_push(struct waitq *q, struct waitq_entry *e)
{
    *e = (struct waitq_entry){.prev = q->tail, .fiber = fiber_current()};
    if (q->tail != NULL)
        q->tail->next = e;
    else
        q->head = e;
    q->tail = e;
}

static void waitq_unlink(struct waitq *q, struct waitq_entry *e)
{
    if (e->prev != NULL)
        e->prev->next = e->next;
    else
        q->head = e->next;
    if (e->next != NULL)
        e->next->prev = e->prev;
    else
        q->tail = e->prev;
}

void waitq_init(struct waitq *q)
{
    *q = (struct waitq){0};
}

bool waitq_is_empty(const struct waitq *q)
{
    return q->head == NULL;
}

void waitq_wait(struct waitq *q)
{
    struct waitq_entry e;
    waitq_push(q, &e);
    while (!e.woken)
        fiber_park();
}

bool waitq_wait_until(struct waitq *q, uint64_t deadline_ns)
{
    struct waitq_entry e;
    waitq_push(q, &e);
    while (!e.woken) {
        if (!fiber_park_until(deadline_ns) && !e.woken) {
            waitq_unlink(q, &e);
            return false;
        }
    }
    return true;
}

void waitq_wake_one(struct waitq *q)
{
    struct waitq_entry *e = q->head;
    if (e == NULL)
        return;
    waitq_unlink(q, e);
    e->woken = true;
    fiber_wake(e->fiber);
}

void waitq_wake_all(struct waitq *q)
{
    while (q->head != NULL)
        waitq_wake_one(q);
}

/* ---- gate ---- */

void gate_init(struct gate *gate, unsigned max)
{
    dol_assert(max > 0);
    *gate = (struct gate){.max = max};
}

bool gate_try_enter(struct gate *gate)
{
    if (gate->inside >= gate->max)
        return false;
    gate->inside++;
    return true;
}

void gate_enter(struct gate *gate)
{
    /* A leaver hands its place to the first in the queue, so `inside` never drops while somebody waits. */
    if (!gate_try_enter(gate))
        waitq_wait(&gate->queue);
}

void gate_leave(struct gate *gate)
{
    dol_assert(gate->inside > 0);
    if (waitq_is_empty(&gate->queue))
        gate->inside--;
    else
        waitq_wake_one(&gate->queue);
}

/* ---- waiters across loops ---- */

void waiter_enlist(struct waiter_list *list, struct waiter *w)
{
    *w = (struct waiter){.prev = list->tail, .fiber = fiber_current()};
    if (list->tail != NULL)
        list->tail->next = w;
    else
        list->head = w;
    list->tail = w;
}

void waiter_wait(struct waiter *w)
{
    while (!__atomic_load_n(&w->woken, __ATOMIC_ACQUIRE))
        fiber_park();
}

void waiter_list_wake_one(struct waiter_list *list)
{
    struct waiter *w = list->head;
    if (w == NULL)
        return;
    list->head = w->next;
    if (list->head != NULL)
        list->head->prev = NULL;
    else
        list->tail = NULL;
    /* Once `woken` is seen, *w may be gone. The fiber's memory stays, whatever it does meanwhile (fiber.h). */
    struct fiber *fiber = w->fiber;
    __atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
    fiber_wake(fiber);
}

void waiter_list_wake_all(struct waiter_list *list)
{
    while (list->head != NULL)
        waiter_list_wake_one(list);
}
