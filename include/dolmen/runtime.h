/*
 * The runtime: everything the engine and the gateway may know of time, chance, threads and scheduling.
 *
 * A runtime owns N loops. A loop is one thread (simulated: one logical actor) that runs stackful fibers; a fiber stays
 * on the loop it was spawned on for life. Fibers are cooperative: between two awaits nothing else runs on that loop.
 * Functions marked [await] may switch to other fibers; what was read before an await is not trusted after it. They
 * may be called from fibers only.
 *
 * Two implementations stand behind this contract: the io_uring runtime (runtime/uring.h) and the simulated one
 * (runtime/sim.h), where time is virtual and every choice comes from one seed.
 *
 * State is owned by one loop, or it is shared and names its lock (a plain pthread mutex, held for a bounded, short time
 * and never across an await).
 */
#ifndef DOLMEN_RUNTIME_H
#define DOLMEN_RUNTIME_H

#include <dolmen/err.h>
#include <dolmen/types.h>

struct runtime;
struct loop;
struct fiber;

typedef void fiber_fn(void *arg);
typedef void offload_fn(void *arg);

/* ---- runtime ---- */

/* Number of loops, at least 1. */
unsigned runtime_loops(const struct runtime *rt);

/*
 * Starts a fiber on loop `loop_index` of rt, from any thread, before or while it runs. `name` is borrowed for the
 * fiber's life. EBUSY when that loop has fibers_max fibers already, ENOMEM, ESTOPPED after the end of the run.
 */
DOL_MUST_CHECK enum dol_err runtime_spawn(struct runtime *rt, unsigned loop_index, fiber_fn *fn, void *arg,
                                          const char *name);

/* Runs all loops (loop 0 on the calling thread) until runtime_stop(), then returns once every fiber has returned. */
void runtime_run(struct runtime *rt);

/* Lets runtime_run() return when the last fiber has returned. Any thread; safe to call twice. */
void runtime_stop(struct runtime *rt);

/* Frees a runtime that isn't running. */
void runtime_free(struct runtime *rt);

/* ---- the calling fiber ---- */

struct runtime *runtime_self(void);
struct loop *loop_self(void);
unsigned loop_index(void);
struct fiber *fiber_self(void);
/* true when called on a fiber. */
bool fiber_is_running(void);

/* Starts a fiber on the calling fiber's loop; it first runs at a later await. EBUSY as runtime_spawn(). */
DOL_MUST_CHECK enum dol_err fiber_spawn(fiber_fn *fn, void *arg, const char *name);

/* [await] Lets other ready fibers of this loop run. */
void fiber_yield(void);

/*
 * [await] Waits for a wake token. fiber_wake() stores at most one token, so a wake that comes before the park is not
 * lost. A park may return without a wake (spuriously): callers loop on their condition.
 */
void fiber_park(void);

/* As fiber_park(), but returns at the latest at `deadline_ns` on the monotonic clock. false: the deadline passed. */
bool fiber_park_until(uint64_t deadline_ns);

/* Gives `fiber` its wake token. Any thread, any loop. The fiber must not have returned. */
void fiber_wake(struct fiber *fiber);

/* [await] */
void fiber_sleep(uint64_t duration_ns);

/* ---- time and chance ---- */

uint64_t clock_monotonic_ns(void); /* CLOCK_MONOTONIC; for timeouts */
uint64_t clock_boottime_ns(void);  /* CLOCK_BOOTTIME; advances over suspend; for the compliance clock */
int64_t clock_realtime_ns(void);   /* UTC, nanoseconds since 1970; may jump; for timestamps shown to people */

/* Unpredictable bytes (simulated: from the seed). */
void random_fill(void *buf, size_t len);

/* ---- waiting ---- */

/*
 * Join: start N things, wait for all. Belongs to one loop: the adds, dones and the wait all happen there.
 */
struct join {
    unsigned pending;
    struct fiber *waiter;
};
void join_init(struct join *join);
void join_add(struct join *join);  /* one more to wait for */
void join_done(struct join *join); /* one less; wakes the waiter at zero */
void join_wait(struct join *join); /* [await] until pending is zero */

/* Wait queue of one loop: FIFO. */
struct waitq {
    struct waitq_entry *head;
    struct waitq_entry *tail;
};
void waitq_init(struct waitq *q);
bool waitq_is_empty(const struct waitq *q);
void waitq_wait(struct waitq *q);                             /* [await] until woken by one of the two below */
bool waitq_wait_until(struct waitq *q, uint64_t deadline_ns); /* [await] false: deadline passed, no longer queued */
void waitq_wake_one(struct waitq *q);
void waitq_wake_all(struct waitq *q);

/* Bounded gate (counting semaphore) of one loop: at most `max` are inside. FIFO. */
struct gate {
    unsigned inside;
    unsigned max;
    struct waitq queue;
};
void gate_init(struct gate *gate, unsigned max);
void gate_enter(struct gate *gate);                    /* [await] */
DOL_MUST_CHECK bool gate_try_enter(struct gate *gate); /* false when full */
void gate_leave(struct gate *gate);

/*
 * Waiting across loops: a list of waiters guarded by the mutex of the structure that holds the list.
 *     struct waiter w;
 *     lock; ...condition false...; waiter_enlist(&list, &w); unlock; waiter_wait(&w); lock; ...look again...
 */
struct waiter {
    struct waiter *next;
    struct waiter *prev;
    struct fiber *fiber;
    bool woken; /* atomic */
};
struct waiter_list {
    struct waiter *head;
    struct waiter *tail;
};
void waiter_enlist(struct waiter_list *list, struct waiter *w); /* lock held; FIFO */
void waiter_wait(struct waiter *w);                             /* [await] lock not held; returns once woken */
void waiter_list_wake_one(struct waiter_list *list);            /* lock held; unlinks and wakes the first */
void waiter_list_wake_all(struct waiter_list *list);            /* lock held; unlinks and wakes all */

/* ---- offload ---- */

/*
 * [await] Runs fn(arg) on an offload thread and returns when it has returned: for work that blocks or that would hold
 * the loop for more than about a millisecond. fn must not touch loop-owned state, and must not await. In the simulator
 * fn runs at a seeded later moment, in the same thread. At most offload_queue_max jobs wait; more callers queue.
 */
void offload_run(offload_fn *fn, void *arg);

/* ---- stopping for safety ---- */

/*
 * Ends the process because going on could break a promise (a row that could not be written nor carried over, an
 * impossible state on disk). Real: logs and _exit(70). Simulated: records the stop, as a crash of this node.
 */
void runtime_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
