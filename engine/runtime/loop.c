/*
 * Loops and fibers as both implementations share them: spawn, park, wake, the mailbox, and the runtime's end.
 *
 * Wakes. A fiber has one token. A wake of a parked fiber makes it ready and is thereby used up; any other wake is kept
 * in the token, and the next park returns at once. From another thread the wake travels as mail: a bit in the fiber,
 * and the fiber itself in its loop's mailbox, a lock-free stack that the loop takes as a whole each turn. A fiber that
 * already has mail isn't pushed again, so the mailbox is bounded by the number of fibers.
 *
 * Sleep. A loop sets `sleeping`, then looks at its mailbox once more, then waits; a sender pushes, then takes the
 * `sleeping` mark and notifies if it was set. Both sides are sequentially consistent, so one of them sees the other.
 */
#include "loop.h"
#include "dol_assert.h"

#include <stdlib.h>

static _Thread_local struct runtime *tls_runtime;
static _Thread_local struct loop *tls_loop;

/*
 * Never inlined: compilers keep addresses of thread-locals over calls, and code that switches stacks must not depend
 * on that being right.
 */
__attribute__((noinline)) struct loop *loop_self(void)
{
    __asm__ volatile("");
    return tls_loop;
}

__attribute__((noinline)) struct runtime *runtime_self(void)
{
    __asm__ volatile("");
    return tls_runtime;
}

__attribute__((noinline)) void loop_bind(struct runtime *rt, struct loop *loop)
{
    __asm__ volatile("");
    tls_runtime = rt;
    tls_loop = loop;
}

struct fiber *fiber_self(void)
{
    struct loop *loop = loop_self();
    return loop != NULL ? loop->current : NULL;
}

bool fiber_is_running(void)
{
    return fiber_self() != NULL;
}

struct fiber *fiber_current(void)
{
    struct fiber *f = fiber_self();
    dol_assert_magic(f, FIBER_MAGIC);
    return f;
}

unsigned loop_index(void)
{
    return fiber_current()->loop->index;
}

/* ---- the life of a fiber ---- */

static void fiber_main(void)
{
    struct fiber *f = loop_self()->current;
    fiber_entered(&f->loop->sched);
    for (;;) {
        f->fn(f->arg);
        dol_assert(!timer_is_armed(&f->timer));
        f->state = FIBER_FREE;
        fiber_suspend_ended(&f->loop->sched, f);
    }
}

/* A pooled fiber, or a new one. Any thread. */
static enum dol_err take_fiber(struct loop *loop, struct fiber **out)
{
    enum dol_err err = DOL_OK;
    struct fiber *f = NULL;

    pthread_mutex_lock(&loop->pool_lock);
    if (loop->fibers_live >= loop->rt->fibers_max) {
        err = DOL_EBUSY;
        goto out;
    }
    f = loop->pool;
    if (f != NULL) {
        loop->pool = f->pool_next;
    } else {
        f = fiber_new(loop, loop->rt->stack_bytes, fiber_main);
        if (f == NULL) {
            err = DOL_ENOMEM;
            goto out;
        }
        list_push_back(&loop->fibers, &f->all);
    }
    loop->fibers_live++;
    if (loop->fibers_live > loop->fibers_peak)
        loop->fibers_peak = loop->fibers_live;
    f->id = ++loop->spawned;
out:
    pthread_mutex_unlock(&loop->pool_lock);
    *out = f;
    return err;
}

static void return_fiber(struct loop *loop, struct fiber *f)
{
    pthread_mutex_lock(&loop->pool_lock);
    f->name = NULL;
    f->pool_next = loop->pool;
    loop->pool = f;
    loop->fibers_live--;
    pthread_mutex_unlock(&loop->pool_lock);
}

static void notify_if_sleeping(struct loop *loop)
{
    if (atomic_exchange(&loop->sleeping, false))
        loop->rt->ops->notify(loop);
}

/* Counts one more fiber; false when the runtime is over. */
static bool life_enter(struct runtime *rt)
{
    uint64_t life = atomic_load(&rt->life);
    do {
        if (life == RUNTIME_STOPPING)
            return false;
    } while (!atomic_compare_exchange_weak(&rt->life, &life, life + 1));
    return true;
}

static void life_leave(struct runtime *rt)
{
    if (atomic_fetch_sub(&rt->life, 1) - 1 != RUNTIME_STOPPING)
        return;
    for (unsigned i = 0; i < rt->loop_count; i++)
        notify_if_sleeping(&rt->loops[i]);
}

static void make_ready(struct loop *loop, struct fiber *f)
{
    f->state = FIBER_READY;
    loop->rt->ops->ready(loop, f);
}

static void post_mail(struct fiber *f, unsigned mail)
{
    struct loop *loop = f->loop;
    if (atomic_fetch_or(&f->mail, mail) != 0)
        return; /* already in the mailbox, or about to be */
    f->mail_next = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&loop->mailbox, &f->mail_next, f))
        ;
    notify_if_sleeping(loop);
}

/* Whether the calling thread may touch the loop's own fields. */
static bool is_local(const struct loop *loop)
{
    return loop->rt->ops->one_thread || loop_self() == loop;
}

enum dol_err runtime_spawn(struct runtime *rt, unsigned index, fiber_fn *fn, void *arg, const char *name)
{
    dol_assert_magic(rt, RUNTIME_MAGIC);
    dol_assert(index < rt->loop_count);
    struct loop *loop = &rt->loops[index];
    struct fiber *f;

    if (!life_enter(rt))
        return DOL_ESTOPPED;
    enum dol_err err = take_fiber(loop, &f);
    if (err != DOL_OK) {
        life_leave(rt);
        return err;
    }
    f->fn = fn;
    f->arg = arg;
    f->name = name;
    if (is_local(loop)) {
        f->token = false;
        make_ready(loop, f);
    } else {
        post_mail(f, FIBER_MAIL_START);
    }
    return DOL_OK;
}

enum dol_err fiber_spawn(fiber_fn *fn, void *arg, const char *name)
{
    struct loop *loop = fiber_current()->loop;
    return runtime_spawn(loop->rt, loop->index, fn, arg, name);
}

/* ---- park and wake ---- */

/* Switches to the scheduler in the given state; returns when this fiber is dispatched again. */
static void suspend(struct fiber *f, enum fiber_state state)
{
    f->state = state;
    fiber_suspend(&f->loop->sched, f);
}

void fiber_yield(void)
{
    struct fiber *f = fiber_current();
    make_ready(f->loop, f);
    suspend(f, FIBER_READY);
}

void fiber_park(void)
{
    struct fiber *f = fiber_current();
    if (!f->token)
        suspend(f, FIBER_PARKED);
    f->token = false;
}

bool fiber_park_until(uint64_t deadline_ns)
{
    struct fiber *f = fiber_current();
    f->timed_out = false;
    if (!f->token) {
        timer_arm(&f->loop->timers, &f->timer, deadline_ns);
        suspend(f, FIBER_PARKED);
        if (timer_is_armed(&f->timer))
            timer_disarm(&f->loop->timers, &f->timer);
    }
    /* A token that came between the timer and this line counts: the caller is better told of it. */
    bool woken = f->token || !f->timed_out;
    f->token = false;
    return woken;
}

void fiber_sleep(uint64_t duration_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t deadline_ns = duration_ns < UINT64_MAX - now_ns ? now_ns + duration_ns : UINT64_MAX;
    do {
        if (!fiber_park_until(deadline_ns))
            return;
    } while (clock_monotonic_ns() < deadline_ns);
}

static void wake_local(struct fiber *f)
{
    if (f->state == FIBER_PARKED)
        make_ready(f->loop, f);
    else if (f->state != FIBER_FREE)
        f->token = true;
}

void fiber_wake(struct fiber *f)
{
    dol_assert_magic(f, FIBER_MAGIC);
    if (is_local(f->loop))
        wake_local(f);
    else
        post_mail(f, FIBER_MAIL_WAKE);
}

/* ---- what the scheduler does ---- */

void loop_dispatch(struct loop *loop, struct fiber *f)
{
    dol_assert(f->state == FIBER_READY && loop->current == NULL);
    f->state = FIBER_RUNNING;
    loop->current = f;
    fiber_resume(&loop->sched, f);
    loop->current = NULL;
    if (f->state == FIBER_FREE) {
        return_fiber(loop, f);
        life_leave(loop->rt);
    }
}

bool loop_has_mail(struct loop *loop)
{
    return atomic_load(&loop->mailbox) != NULL;
}

void loop_collect_mail(struct loop *loop)
{
    if (atomic_load_explicit(&loop->mailbox, memory_order_relaxed) == NULL)
        return;
    struct fiber *newest_first = atomic_exchange(&loop->mailbox, NULL);
    struct fiber *oldest_first = NULL;
    while (newest_first != NULL) {
        struct fiber *f = newest_first;
        newest_first = f->mail_next;
        f->mail_next = oldest_first;
        oldest_first = f;
    }
    while (oldest_first != NULL) {
        struct fiber *f = oldest_first;
        oldest_first = f->mail_next;
        unsigned mail = atomic_exchange(&f->mail, 0); /* from here on f may be posted again */
        if ((mail & FIBER_MAIL_START) != 0) {
            f->token = false;
            make_ready(loop, f);
        }
        if ((mail & FIBER_MAIL_WAKE) != 0)
            wake_local(f);
    }
}

void loop_fire_timer(struct timer *timer)
{
    struct fiber *f = container_of(timer, struct fiber, timer);
    f->timed_out = true;
    if (f->state == FIBER_PARKED)
        make_ready(f->loop, f);
}

void loop_fire_timers(struct loop *loop, uint64_t now_ns)
{
    struct timer *timer;
    while ((timer = timer_pop_due(&loop->timers, now_ns)) != NULL)
        loop_fire_timer(timer);
}

/* ---- the runtime ---- */

static enum dol_err loop_init(struct loop *loop, struct runtime *rt, unsigned index)
{
    loop->rt = rt;
    loop->index = index;
    list_init(&loop->fibers);
    pthread_mutex_init(&loop->pool_lock, NULL);
    return timer_heap_init(&loop->timers, rt->fibers_max);
}

static void loop_fini(struct loop *loop)
{
    list_for_each_safe(pos, tmp, &loop->fibers)
    {
        fiber_free(container_of(pos, struct fiber, all));
    }
    timer_heap_fini(&loop->timers);
    pthread_mutex_destroy(&loop->pool_lock);
}

enum dol_err runtime_init(struct runtime *rt, const struct runtime_ops *ops, unsigned loops, unsigned fibers_max,
                          size_t stack_bytes)
{
    *rt = (struct runtime){.magic = RUNTIME_MAGIC, .ops = ops, .fibers_max = fibers_max};
    rt->stack_bytes = stack_bytes != 0 ? stack_bytes : fiber_stack_bytes_default();
    rt->loops = calloc(loops, sizeof rt->loops[0]);
    if (rt->loops == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < loops; i++) {
        rt->loop_count++;
        if (loop_init(&rt->loops[i], rt, i) != DOL_OK) {
            runtime_fini(rt);
            return DOL_ENOMEM;
        }
    }
    return DOL_OK;
}

void runtime_fini(struct runtime *rt)
{
    for (unsigned i = 0; i < rt->loop_count; i++)
        loop_fini(&rt->loops[i]);
    free(rt->loops);
    rt->loops = NULL;
    rt->loop_count = 0;
    rt->magic = 0;
}

unsigned runtime_loops(const struct runtime *rt)
{
    return rt->loop_count;
}

bool runtime_is_over(struct runtime *rt)
{
    return atomic_load(&rt->life) == RUNTIME_STOPPING;
}

bool runtime_is_stopping(struct runtime *rt)
{
    return (atomic_load(&rt->life) & RUNTIME_STOPPING) != 0;
}

unsigned runtime_fibers_live(struct runtime *rt)
{
    return (unsigned)(atomic_load(&rt->life) & ~RUNTIME_STOPPING);
}

void runtime_run(struct runtime *rt)
{
    dol_assert_magic(rt, RUNTIME_MAGIC);
    dol_assert(!fiber_is_running());
    rt->ops->run(rt);
}

void runtime_stop(struct runtime *rt)
{
    dol_assert_magic(rt, RUNTIME_MAGIC);
    uint64_t life = atomic_fetch_or(&rt->life, RUNTIME_STOPPING);
    if ((life & RUNTIME_STOPPING) != 0)
        return;
    struct fiber *waiter = atomic_load(&rt->signal_waiter);
    if (waiter != NULL)
        fiber_wake(waiter);
    for (unsigned i = 0; i < rt->loop_count; i++)
        notify_if_sleeping(&rt->loops[i]);
}

void runtime_free(struct runtime *rt)
{
    if (rt == NULL)
        return;
    dol_assert_magic(rt, RUNTIME_MAGIC);
    if (runtime_self() == rt)
        loop_bind(NULL, NULL);
    rt->ops->free(rt);
}
