/*
 * The real runtime's loops.
 *
 * A turn: take mail, fire timers, run the fibers that are ready now (those they make ready run in the next turn), then
 * enter the kernel once: it takes all submissions of the turn and, when nothing is ready, waits for a completion, the
 * next timer or a notification. While fibers are ready, the kernel is entered only if it has something for us or we for
 * it, so that a busy loop makes few system calls.
 *
 * Rings are made disabled, by the thread that can report an error, and enabled by the thread that will own them:
 * IORING_SETUP_SINGLE_ISSUER wants that. Kernels that refuse the newer flags get the older ones.
 *
 * Notification: each ring keeps a read on the loop's eventfd pending.
 */
#include "uring.h"
#include "clock.h"
#include "dol_assert.h"
#include "log.h"
#include "offload.h"
#include "ring.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FIBERS_MAX_DEFAULT      4096
#define RING_ENTRIES_DEFAULT    1024
#define OFFLOAD_THREADS_DEFAULT 16

/* Completions the kernel can post before it has to keep a backlog; per submission entry. */
#define CQ_FACTOR 4

/* The longest single wait: keeps the conversion to a timespec simple. */
#define WAIT_NS_MAX UINT64_C(1000000000000)

struct uring {
    struct io_uring ring;
    bool ring_made;
    int event_fd;
    uint64_t event_value;
    struct uring_op event_op;
    _Atomic uint64_t enters;
    _Atomic uint64_t sqes;
    _Atomic uint64_t cqes;
};

/* Counters have one writer; others only read. */
static void count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

/* ---- submit and collect ---- */

/* Completes what the kernel has posted. Completions may submit, and a full queue then collects from within. */
static void collect(struct uring *u)
{
    for (unsigned left = io_uring_cq_ready(&u->ring); left > 0; left--) {
        struct io_uring_cqe *cqe;
        if (io_uring_peek_cqe(&u->ring, &cqe) != 0)
            return;
        struct uring_op *op = io_uring_cqe_get_data(cqe);
        int32_t result = cqe->res;
        io_uring_cqe_seen(&u->ring, cqe);
        count(&u->cqes, 1);
        if (op != NULL)
            op->done(op, result);
    }
}

/* Errors of io_uring_enter(2) that only mean "later". */
static void check_enter(int rc)
{
    if (rc < 0 && rc != -ETIME && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
        runtime_panic("io_uring_enter failed: %s", strerror(-rc));
}

static void submit(struct uring *u)
{
    count(&u->sqes, io_uring_sq_ready(&u->ring));
    count(&u->enters, 1);
    check_enter(io_uring_submit_and_get_events(&u->ring));
}

/* Submits, and waits until wait_until_ns for a completion. */
static void submit_and_wait(struct uring *u, uint64_t wait_until_ns)
{
    struct __kernel_timespec ts;
    struct __kernel_timespec *timeout = NULL;
    struct io_uring_cqe *cqe;

    if (wait_until_ns != UINT64_MAX) {
        uint64_t now_ns = (uint64_t)clock_kernel_ns(CLOCK_MONOTONIC);
        uint64_t wait_ns = wait_until_ns > now_ns ? wait_until_ns - now_ns : 0;
        if (wait_ns > WAIT_NS_MAX)
            wait_ns = WAIT_NS_MAX;
        ts.tv_sec = (long long)(wait_ns / 1000000000);
        ts.tv_nsec = (long long)(wait_ns % 1000000000);
        timeout = &ts;
    }
    count(&u->sqes, io_uring_sq_ready(&u->ring));
    count(&u->enters, 1);
    check_enter(io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, timeout, NULL));
}

/* Whether the kernel holds completions back until we enter it. */
static bool kernel_has_work(const struct uring *u)
{
    return (IO_URING_READ_ONCE(*u->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

struct io_uring_sqe *ring_sqe(void)
{
    struct uring *u = loop_self()->uring;
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&u->ring)) == NULL) {
        submit(u);
        /* A kernel with a backlog of completions takes nothing before we have made room. */
        collect(u);
    }
    return sqe;
}

void ring_set_op(struct io_uring_sqe *sqe, struct uring_op *op)
{
    io_uring_sqe_set_data(sqe, op);
}

/* ---- a fiber that waits for one operation ---- */

static void wait_done(struct uring_op *op, int32_t result)
{
    struct ring_wait *w = container_of(op, struct ring_wait, op);
    w->result = result;
    w->done = true;
    fiber_wake(w->fiber);
}

void ring_wait_init(struct ring_wait *w)
{
    *w = (struct ring_wait){.op.done = wait_done, .fiber = fiber_current()};
}

void ring_cancel(struct ring_wait *w)
{
    if (!w->done) {
        struct io_uring_sqe *sqe = ring_sqe();
        io_uring_prep_cancel(sqe, &w->op, 0);
        ring_set_op(sqe, NULL);
    }
    while (!w->done)
        fiber_park();
}

bool ring_wait_or_wake(struct ring_wait *w)
{
    if (!w->done)
        fiber_park();
    return w->done;
}

int32_t ring_wait(struct ring_wait *w, uint64_t timeout_ns)
{
    if (timeout_ns == 0) {
        while (!w->done)
            fiber_park();
        return w->result;
    }
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t deadline_ns = timeout_ns < UINT64_MAX - now_ns ? now_ns + timeout_ns : UINT64_MAX;
    while (!w->done) {
        if (!fiber_park_until(deadline_ns) && !w->done) {
            ring_cancel(w);
            /* Interrupted in a kernel worker, or never begun; anything else is its own result, which came first. */
            return w->result == -ECANCELED || w->result == -EINTR ? -ETIMEDOUT : w->result;
        }
    }
    return w->result;
}

/* ---- the loop ---- */

static void arm_event(struct uring *u)
{
    struct io_uring_sqe *sqe = ring_sqe();
    io_uring_prep_read(sqe, u->event_fd, &u->event_value, sizeof u->event_value, 0);
    ring_set_op(sqe, &u->event_op);
}

/* The mail that the notification is about is taken at the next turn. */
static void event_done(struct uring_op *op, int32_t result)
{
    if (result < 0 && result != -EINTR && result != -EAGAIN)
        runtime_panic("reading an eventfd failed: %s", strerror(-result));
    arm_event(container_of(op, struct uring, event_op));
}

static void uring_ready(struct loop *loop, struct fiber *f)
{
    f->ready_next = NULL;
    if (loop->ready_tail != NULL)
        loop->ready_tail->ready_next = f;
    else
        loop->ready_head = f;
    loop->ready_tail = f;
}

static void run_ready(struct loop *loop)
{
    struct fiber *f = loop->ready_head;
    loop->ready_head = loop->ready_tail = NULL;
    while (f != NULL) {
        struct fiber *next = f->ready_next;
        loop_dispatch(loop, f);
        f = next;
    }
}

static void enter_kernel(struct loop *loop)
{
    struct uring *u = loop->uring;
    if (loop->ready_head != NULL) {
        if (io_uring_sq_ready(&u->ring) > 0 || kernel_has_work(u))
            submit(u);
    } else {
        atomic_store(&loop->sleeping, true);
        if (loop_has_mail(loop) || runtime_is_over(loop->rt))
            submit(u);
        else
            submit_and_wait(u, timer_next_ns(&loop->timers));
        atomic_store(&loop->sleeping, false);
    }
    collect(u);
}

static void run_loop(struct loop *loop)
{
    struct runtime *rt = loop->rt;
    loop_bind(rt, loop);
    /* liburing 2.3 declares io_uring_enable_rings() but doesn't export it. */
    int rc = io_uring_register((unsigned)loop->uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (rc < 0)
        runtime_panic("enabling an io_uring failed: %s", strerror(-rc));
    arm_event(loop->uring);
    while (!runtime_is_over(rt)) {
        loop_collect_mail(loop);
        if (timer_next_ns(&loop->timers) != UINT64_MAX)
            loop_fire_timers(loop, (uint64_t)clock_kernel_ns(CLOCK_MONOTONIC));
        run_ready(loop);
        if (!runtime_is_over(rt))
            enter_kernel(loop);
    }
    loop_bind(NULL, NULL);
}

static void *loop_thread(void *arg)
{
    run_loop(arg);
    return NULL;
}

/* ---- the runtime's operations ---- */

static void uring_run(struct runtime *rt)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 1; i < rt->loop_count; i++) {
        int rc = pthread_create(&rt->loops[i].thread, NULL, loop_thread, &rt->loops[i]);
        if (rc != 0)
            panic_process(
                "cannot start a loop's thread: raise the limit on processes or memory (TasksMax=, ulimit -u)");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    run_loop(&rt->loops[0]);
    for (unsigned i = 1; i < rt->loop_count; i++)
        pthread_join(rt->loops[i].thread, NULL);
}

static void uring_notify(struct loop *loop)
{
    static const uint64_t one = 1;
    while (write(loop->uring->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void uring_fini(struct uring *u)
{
    if (u->ring_made)
        io_uring_queue_exit(&u->ring);
    if (u->event_fd >= 0)
        close(u->event_fd);
    free(u);
}

static void uring_free(struct runtime *rt)
{
    dol_assert(runtime_fibers_live(rt) == 0 || !runtime_is_stopping(rt));
    offload_free(rt->offload);
    for (unsigned i = 0; i < rt->loop_count; i++) {
        if (rt->loops[i].uring != NULL)
            uring_fini(rt->loops[i].uring);
    }
    runtime_fini(rt);
    free(rt);
}

static void uring_offload(struct runtime *rt, offload_fn *fn, void *arg)
{
    offload_submit(rt->offload, fn, arg);
}

static uint64_t uring_monotonic_ns(struct runtime *rt)
{
    (void)rt;
    return (uint64_t)clock_kernel_ns(CLOCK_MONOTONIC);
}

static uint64_t uring_boottime_ns(struct runtime *rt)
{
    (void)rt;
    return (uint64_t)clock_kernel_ns(CLOCK_BOOTTIME);
}

static int64_t uring_realtime_ns(struct runtime *rt)
{
    (void)rt;
    return clock_kernel_ns(CLOCK_REALTIME);
}

static void uring_random(struct runtime *rt, void *buf, size_t len)
{
    (void)rt;
    random_kernel(buf, len);
}

static void uring_panic(struct runtime *rt, const char *text)
{
    (void)rt;
    panic_process(text);
}

static const struct runtime_ops uring_ops = {
    .run = uring_run,
    .free = uring_free,
    .ready = uring_ready,
    .notify = uring_notify,
    .offload = uring_offload,
    .monotonic_ns = uring_monotonic_ns,
    .boottime_ns = uring_boottime_ns,
    .realtime_ns = uring_realtime_ns,
    .random = uring_random,
    .panic = uring_panic,
};

/* ---- making one ---- */

/* What a refused io_uring_setup(2) means to the operator. */
static enum dol_err explain_refusal(int rc)
{
    switch (-rc) {
    case EPERM:
    case EACCES:
        log_error("runtime", "io_uring is not permitted. Allow it: sysctl kernel.io_uring_disabled=0 (or 1, with this "
                             "user in kernel.io_uring_group); in a container, a seccomp profile that allows "
                             "io_uring_setup, io_uring_enter and io_uring_register");
        return DOL_EPERM;
    case ENOSYS:
        log_error("runtime", "this kernel has no io_uring, or a seccomp profile hides it: Linux 6.1 or newer is "
                             "needed, and in a container a profile that allows io_uring_setup, io_uring_enter and "
                             "io_uring_register");
        return DOL_EUNSUPPORTED;
    case ENOMEM:
        log_error("runtime", "no memory for an io_uring");
        return DOL_ENOMEM;
    default:
        log_error("runtime", "io_uring_setup failed: %s", strerror(-rc));
        return DOL_EIO;
    }
}

static enum dol_err make_ring(struct uring *u, unsigned entries)
{
    static const unsigned flag_sets[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int rc = -EINVAL;
    for (size_t i = 0; i < sizeof flag_sets / sizeof flag_sets[0] && rc == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = flag_sets[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entries * CQ_FACTOR,
        };
        rc = io_uring_queue_init_params(entries, &u->ring, &params);
        if (rc == 0 && (params.features & (IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG)) !=
                           (IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG)) {
            io_uring_queue_exit(&u->ring);
            rc = -ENOSYS;
        }
    }
    if (rc < 0)
        return explain_refusal(rc);
    u->ring_made = true;
    return DOL_OK;
}

static enum dol_err make_loop_ring(struct loop *loop, unsigned entries)
{
    struct uring *u = calloc(1, sizeof *u);
    if (u == NULL)
        return DOL_ENOMEM;
    loop->uring = u;
    u->event_op.done = event_done;
    u->event_fd = eventfd(0, EFD_CLOEXEC);
    if (u->event_fd < 0) {
        log_error("runtime", "eventfd failed: %s", strerror(errno));
        return DOL_EIO;
    }
    return make_ring(u, entries);
}

static unsigned cpus_allowed(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 1)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

static struct runtime_config with_defaults(const struct runtime_config *config)
{
    struct runtime_config c = *config;
    unsigned cpus = cpus_allowed();
    if (c.loops == 0)
        c.loops = cpus < RUNTIME_LOOPS_MAX ? cpus : RUNTIME_LOOPS_MAX;
    if (c.offload_threads == 0)
        c.offload_threads = cpus < 2 ? 2 : cpus < OFFLOAD_THREADS_DEFAULT ? cpus : OFFLOAD_THREADS_DEFAULT;
    if (c.fibers_max == 0)
        c.fibers_max = FIBERS_MAX_DEFAULT;
    if (c.ring_entries == 0)
        c.ring_entries = RING_ENTRIES_DEFAULT;
    return c;
}

enum dol_err runtime_new_uring(const struct runtime_config *config, struct runtime **out)
{
    struct runtime_config c = with_defaults(config);
    if (c.loops > RUNTIME_LOOPS_MAX || c.offload_threads > RUNTIME_OFFLOAD_THREADS_MAX ||
        c.ring_entries > RUNTIME_RING_ENTRIES_MAX)
        return DOL_EINVAL;
    struct runtime *rt = calloc(1, sizeof *rt);
    if (rt == NULL)
        return DOL_ENOMEM;
    enum dol_err err = runtime_init(rt, &uring_ops, c.loops, c.fibers_max, c.stack_bytes);
    if (err != DOL_OK) {
        free(rt);
        return err;
    }
    for (unsigned i = 0; i < c.loops; i++) {
        err = make_loop_ring(&rt->loops[i], c.ring_entries);
        if (err != DOL_OK)
            goto fail;
    }
    err = offload_new(rt, c.offload_threads, &rt->offload);
    if (err != DOL_OK)
        goto fail;
    *out = rt;
    return DOL_OK;
fail:
    uring_free(rt);
    return err;
}

void runtime_counters(struct runtime *rt, struct runtime_counters *sum)
{
    *sum = (struct runtime_counters){.fibers_max = rt->fibers_max * rt->loop_count};
    for (unsigned i = 0; i < rt->loop_count; i++) {
        struct loop *loop = &rt->loops[i];
        pthread_mutex_lock(&loop->pool_lock);
        sum->fibers_live += loop->fibers_live;
        sum->fibers_peak += loop->fibers_peak;
        pthread_mutex_unlock(&loop->pool_lock);
        if (loop->uring != NULL) {
            sum->enters += atomic_load_explicit(&loop->uring->enters, memory_order_relaxed);
            sum->sqes += atomic_load_explicit(&loop->uring->sqes, memory_order_relaxed);
            sum->cqes += atomic_load_explicit(&loop->uring->cqes, memory_order_relaxed);
        }
    }
}
