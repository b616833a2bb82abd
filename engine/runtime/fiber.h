/*
 * A fiber: a stack, a saved context, and what the scheduler knows of it.
 *
 * Fibers are made on demand and pooled by their loop; a struct fiber is never freed while its runtime lives. So a wake
 * that crosses threads and arrives after the fiber returned finds valid memory, and at worst gives a later user of the
 * same struct a spurious wake, which the contract allows.
 *
 * Who may touch what: `mail` is atomic; `mail_next` belongs to the mailbox while mail is non-zero; `pool_next`, `fn`,
 * `arg` and `name` belong to the pool lock's holder while the fiber is pooled, then to the spawner until it posts the
 * start; everything else belongs to the loop's thread.
 */
#ifndef DOL_FIBER_H
#define DOL_FIBER_H

#include "context.h"
#include "list.h"
#include "timer.h"

#include <dolmen/runtime.h>
#include <stdatomic.h>

#define FIBER_MAGIC 0x66696272u

/* PROT_NONE below each stack. Larger than a page, so that a frame of some ten KiB can't step over it. */
#define FIBER_GUARD_BYTES     ((size_t)64 << 10)
#define FIBER_STACK_BYTES_MIN ((size_t)16 << 10)

enum fiber_state {
    FIBER_FREE,    /* pooled, or spawned by another thread and not yet started */
    FIBER_READY,   /* queued to run */
    FIBER_RUNNING, /* its loop's current fiber */
    FIBER_PARKED,  /* waits for its token */
};

/* What another thread has for a fiber. */
enum fiber_mail { FIBER_MAIL_START = 1, FIBER_MAIL_WAKE = 2 };

struct fiber {
    uint32_t magic;
    enum fiber_state state;
    bool token;
    bool timed_out;
    struct loop *loop;
    struct context context;
    struct fiber *ready_next;
    struct timer timer;
    fiber_fn *fn;
    void *arg;
    const char *name;
    uint64_t id; /* counts the loop's spawns */
    _Atomic unsigned mail;
    struct fiber *mail_next;
    struct fiber *pool_next;
    struct list_node all; /* every fiber of the loop */
    void *map;
    size_t map_bytes;
    void *stack_low;
    size_t stack_bytes;
    void *asan_fake_stack;
    void *tsan_fiber;
};

/* The loop's own side of a switch: the stack that fibers return to. */
struct fiber_scheduler {
    struct context context;
    const void *stack_low;
    size_t stack_bytes;
    void *asan_fake_stack;
    void *tsan_fiber;
};

/* Usable stack when a configuration says 0: 128 KiB, 256 KiB under sanitizers. */
size_t fiber_stack_bytes_default(void);

/* A fiber with its stack, in state FIBER_FREE; `entry` is where it begins when first resumed. NULL: memory is short. */
struct fiber *fiber_new(struct loop *loop, size_t stack_bytes, void (*entry)(void));
/* Frees a fiber that doesn't run; what its stack referred to is lost. */
void fiber_free(struct fiber *f);

/* Scheduler side: runs f until it suspends. */
void fiber_resume(struct fiber_scheduler *sched, struct fiber *f);
/* Fiber side: back to the scheduler; returns at the next resume. */
void fiber_suspend(struct fiber_scheduler *sched, struct fiber *f);
/* As fiber_suspend(), when the frames above the entry function are dead. */
void fiber_suspend_ended(struct fiber_scheduler *sched, struct fiber *f);
/* First thing on a new stack: completes the switch that led there. */
void fiber_entered(struct fiber_scheduler *sched);

#endif
