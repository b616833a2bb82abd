/*
 * Inside the runtime: loops, the runtime that owns them, and the few operations in which the two implementations
 * differ. Only engine/runtime includes this.
 *
 * A loop's fields belong to its thread, but for the fiber pool (its lock), the mailbox, `sleeping` and the counters
 * (atomic). Other threads reach a loop through its mailbox alone: a stack of fibers that have mail.
 */
#ifndef DOL_LOOP_H
#define DOL_LOOP_H

#include "fiber.h"
#include "timer.h"

#include <dolmen/runtime.h>
#include <pthread.h>
#include <stdatomic.h>

#define RUNTIME_MAGIC 0x72756e74u

struct offload;
struct sim;
struct uring;

struct loop {
    struct runtime *rt;
    unsigned index;
    struct fiber *current; /* NULL: the scheduler runs */
    struct fiber_scheduler sched;
    struct timer_heap timers;

    /* Real runtime: the ready queue, FIFO. The simulator keeps one for all loops. */
    struct fiber *ready_head;
    struct fiber *ready_tail;

    pthread_mutex_t pool_lock; /* held for a few instructions; guards the next five */
    struct fiber *pool;
    struct list_node fibers; /* all ever made */
    unsigned fibers_live;
    unsigned fibers_peak;
    uint64_t spawned;

    _Atomic(struct fiber *) mailbox;
    _Atomic bool sleeping; /* waits in the kernel, or is about to: a sender must notify */
    struct uring *uring;
    pthread_t thread;
};

struct runtime_ops {
    bool one_thread; /* all loops run in one thread: wakes are always local */
    void (*run)(struct runtime *rt);
    void (*free)(struct runtime *rt);
    /* Queues a fiber whose state has just become FIBER_READY. */
    void (*ready)(struct loop *loop, struct fiber *f);
    /* Gets a sleeping loop out of the kernel. Any thread. */
    void (*notify)(struct loop *loop);
    void (*offload)(struct runtime *rt, offload_fn *fn, void *arg);
    uint64_t (*monotonic_ns)(struct runtime *rt);
    uint64_t (*boottime_ns)(struct runtime *rt);
    int64_t (*realtime_ns)(struct runtime *rt);
    void (*random)(struct runtime *rt, void *buf, size_t len);
    void (*panic)(struct runtime *rt, const char *text);
};

/*
 * The runtime's life in one word: the number of live fibers, and whether runtime_stop() was called. Stopped with no
 * fibers is final: a spawn then fails, so no loop can leave one behind.
 */
#define RUNTIME_STOPPING (UINT64_C(1) << 63)

struct runtime {
    uint32_t magic;
    const struct runtime_ops *ops;
    unsigned loop_count;
    unsigned fibers_max; /* per loop */
    size_t stack_bytes;
    struct loop *loops;
    _Atomic uint64_t life;
    _Atomic(struct fiber *) signal_waiter; /* in signal_wait(); woken by runtime_stop() */
    struct offload *offload;               /* real */
    struct sim *sim;                       /* simulated */
};

/* ENOMEM. Takes ownership of nothing; on failure rt is as after runtime_fini(). */
DOL_MUST_CHECK enum dol_err runtime_init(struct runtime *rt, const struct runtime_ops *ops, unsigned loops,
                                         unsigned fibers_max, size_t stack_bytes);
void runtime_fini(struct runtime *rt);
/* Stopped, and the last fiber has returned. */
bool runtime_is_over(struct runtime *rt);
bool runtime_is_stopping(struct runtime *rt);
unsigned runtime_fibers_live(struct runtime *rt);

/* Says which runtime and loop the calling thread serves; NULLs for none. */
void loop_bind(struct runtime *rt, struct loop *loop);

/* Runs one FIBER_READY fiber until it suspends. */
void loop_dispatch(struct loop *loop, struct fiber *f);
/* Takes what other threads posted. */
void loop_collect_mail(struct loop *loop);
bool loop_has_mail(struct loop *loop);
/* Marks fibers ready whose timers are due. */
void loop_fire_timers(struct loop *loop, uint64_t now_ns);
/* Fires the one timer, already disarmed. */
void loop_fire_timer(struct timer *timer);

/* The calling fiber; asserts that there is one. */
struct fiber *fiber_current(void);

#endif
