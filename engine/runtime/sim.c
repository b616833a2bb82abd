/*
 * The simulator's scheduler: a bag of ready fibers, a heap of events, the loops' timer heaps, one generator.
 *
 * A step: fire what is due, in order of time; draw a fiber; let its run take some time; run it until it awaits.
 */
#include "sim.h"
#include "dol_assert.h"
#include "log.h"
#include "loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIBERS_MAX_DEFAULT  1024
#define STEP_NS_MAX_DEFAULT 1000
#define OFFLOAD_NS_MAX      2000000
#define PANIC_TEXT_SIZE     512

/* 2026-01-01T00:00:00Z */
#define REALTIME_NS_DEFAULT INT64_C(1767225600000000000)
/* The clocks start apart from zero and from each other, so that nothing depends on either. */
#define MONOTONIC_NS_START UINT64_C(1000000000)
#define BOOTTIME_NS_AHEAD  UINT64_C(7000000000)

/* What a trace folds beside the fibers' ids. */
enum sim_trace { SIM_TRACE_EVENT = 1, SIM_TRACE_TIMER = 2 };

struct sim_event {
    uint64_t at_ns;
    uint64_t order;
    sim_fn *fn;
    void *arg;
};

struct sim {
    uint64_t rng;
    uint64_t now_ns;
    int64_t realtime_offset_ns; /* UTC less monotonic */
    uint64_t step_ns_max;
    uint64_t steps_max; /* 0: no limit */
    uint64_t steps;
    uint64_t trace;
    struct fiber **ready;
    unsigned ready_count;
    unsigned ready_max;
    struct sim_event *events; /* binary heap */
    unsigned event_count;
    unsigned event_room;
    uint64_t events_ever;
    bool halted;
    bool panicked;
    char panic_text[PANIC_TEXT_SIZE];
};

/* ---- chance and trace ---- */

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct sim *sim)
{
    uint64_t z = (sim->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* By multiplication; the bias is below n / 2^64. */
static uint64_t random_below(struct sim *sim, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)next_random(sim) * n) >> 64);
}

static void fold(struct sim *sim, uint64_t value)
{
    uint64_t h = (sim->trace ^ value) * UINT64_C(0x9fb21c651e98df25);
    sim->trace = h ^ (h >> 32);
}

uint64_t sim_random(struct runtime *rt)
{
    return next_random(rt->sim);
}

uint64_t sim_random_below(struct runtime *rt, uint64_t n)
{
    dol_assert(n > 0);
    return random_below(rt->sim, n);
}

static void sim_random_fill(struct runtime *rt, void *buf, size_t len)
{
    uint8_t *out = buf;
    while (len > 0) {
        uint64_t value = next_random(rt->sim);
        size_t n = len < sizeof value ? len : sizeof value;
        for (size_t i = 0; i < n; i++)
            out[i] = (uint8_t)(value >> (8 * i));
        out += n;
        len -= n;
    }
}

/* ---- events ---- */

static bool precedes(const struct sim_event *a, const struct sim_event *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns;
    return a->order < b->order;
}

static bool make_room(struct sim *sim)
{
    if (sim->event_count < sim->event_room)
        return true;
    unsigned room = sim->event_room == 0 ? 64 : sim->event_room * 2;
    struct sim_event *events = realloc(sim->events, room * sizeof events[0]);
    if (events == NULL)
        return false;
    sim->events = events;
    sim->event_room = room;
    return true;
}

void sim_schedule(struct runtime *rt, uint64_t delay_ns, sim_fn *fn, void *arg)
{
    struct sim *sim = rt->sim;
    dol_assert(sim->event_count < SIM_EVENTS_MAX && make_room(sim));
    struct sim_event event = {.order = sim->events_ever++, .fn = fn, .arg = arg};
    event.at_ns = delay_ns < UINT64_MAX - sim->now_ns ? sim->now_ns + delay_ns : UINT64_MAX - 1;
    unsigned place = sim->event_count++;
    while (place > 0 && precedes(&event, &sim->events[(place - 1) / 2])) {
        sim->events[place] = sim->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    sim->events[place] = event;
}

static struct sim_event pop_event(struct sim *sim)
{
    struct sim_event first = sim->events[0];
    struct sim_event last = sim->events[--sim->event_count];
    unsigned place = 0;
    for (;;) {
        unsigned child = 2 * place + 1;
        if (child >= sim->event_count)
            break;
        if (child + 1 < sim->event_count && precedes(&sim->events[child + 1], &sim->events[child]))
            child++;
        if (precedes(&last, &sim->events[child]))
            break;
        sim->events[place] = sim->events[child];
        place = child;
    }
    sim->events[place] = last;
    return first;
}

/* The loop whose timer is next; NULL when no timer is armed. */
static struct loop *next_timer_loop(struct runtime *rt)
{
    struct loop *best = NULL;
    for (unsigned i = 0; i < rt->loop_count; i++) {
        struct loop *loop = &rt->loops[i];
        uint64_t at_ns = timer_next_ns(&loop->timers);
        if (at_ns != UINT64_MAX && (best == NULL || at_ns < timer_next_ns(&best->timers)))
            best = loop;
    }
    return best;
}

/* When the next event or timer is due; UINT64_MAX: never. */
static uint64_t next_due_ns(struct runtime *rt)
{
    struct loop *loop = next_timer_loop(rt);
    uint64_t timer_ns = loop != NULL ? timer_next_ns(&loop->timers) : UINT64_MAX;
    uint64_t event_ns = rt->sim->event_count > 0 ? rt->sim->events[0].at_ns : UINT64_MAX;
    return event_ns < timer_ns ? event_ns : timer_ns;
}

static void fire_due(struct runtime *rt)
{
    struct sim *sim = rt->sim;
    while (!sim->halted && next_due_ns(rt) <= sim->now_ns) {
        struct loop *loop = next_timer_loop(rt);
        if (sim->event_count > 0 && (loop == NULL || sim->events[0].at_ns <= timer_next_ns(&loop->timers))) {
            struct sim_event event = pop_event(sim);
            fold(sim, SIM_TRACE_EVENT);
            fold(sim, event.order);
            event.fn(event.arg);
        } else {
            fold(sim, SIM_TRACE_TIMER);
            loop_fire_timer(timer_pop_due(&loop->timers, sim->now_ns));
        }
    }
}

/* ---- the scheduler ---- */

static void sim_ready(struct loop *loop, struct fiber *f)
{
    struct sim *sim = loop->rt->sim;
    dol_assert(sim->ready_count < sim->ready_max);
    sim->ready[sim->ready_count++] = f;
}

static void run_one(struct runtime *rt)
{
    struct sim *sim = rt->sim;
    uint64_t choice = random_below(sim, sim->ready_count);
    struct fiber *f = sim->ready[choice];
    sim->ready[choice] = sim->ready[--sim->ready_count];
    fold(sim, (uint64_t)f->loop->index << 48 ^ f->id);
    if (sim->step_ns_max != SIM_STEP_NONE)
        sim->now_ns += random_below(sim, sim->step_ns_max + 1);
    sim->steps++;
    loop_bind(rt, f->loop);
    loop_dispatch(f->loop, f);
    loop_bind(rt, NULL);
}

static void sim_run(struct runtime *rt)
{
    struct sim *sim = rt->sim;
    dol_assert(runtime_self() == rt);
    while (!runtime_is_over(rt) && (sim->steps_max == 0 || sim->steps < sim->steps_max)) {
        fire_due(rt);
        if (sim->halted)
            break;
        if (sim->ready_count > 0) {
            run_one(rt);
        } else {
            uint64_t due_ns = next_due_ns(rt);
            if (due_ns == UINT64_MAX)
                break;
            sim->now_ns = due_ns;
        }
    }
    atomic_fetch_and(&rt->life, ~RUNTIME_STOPPING);
}

static void sim_notify(struct loop *loop)
{
    (void)loop;
}

struct sim_offload {
    offload_fn *fn;
    void *arg;
    struct fiber *fiber;
    bool done;
};

static void run_offload(void *arg)
{
    struct sim_offload *job = arg;
    job->fn(job->arg);
    job->done = true;
    fiber_wake(job->fiber);
}

static void sim_offload(struct runtime *rt, offload_fn *fn, void *arg)
{
    struct sim_offload job = {.fn = fn, .arg = arg, .fiber = fiber_current()};
    sim_schedule(rt, random_below(rt->sim, OFFLOAD_NS_MAX + 1), run_offload, &job);
    while (!job.done)
        fiber_park();
}

static uint64_t sim_monotonic_ns(struct runtime *rt)
{
    return rt->sim->now_ns;
}

static uint64_t sim_boottime_ns(struct runtime *rt)
{
    return rt->sim->now_ns + BOOTTIME_NS_AHEAD;
}

static int64_t sim_realtime_ns(struct runtime *rt)
{
    return (int64_t)rt->sim->now_ns + rt->sim->realtime_offset_ns;
}

static void sim_panic(struct runtime *rt, const char *text)
{
    struct sim *sim = rt->sim;
    if (sim->panicked)
        return;
    sim->panicked = true;
    snprintf(sim->panic_text, sizeof sim->panic_text, "%s", text);
}

static void sim_free(struct runtime *rt)
{
    struct sim *sim = rt->sim;
    runtime_fini(rt);
    free(sim->events);
    free(sim->ready);
    free(sim);
    free(rt);
}

static const struct runtime_ops sim_ops = {
    .one_thread = true,
    .run = sim_run,
    .free = sim_free,
    .ready = sim_ready,
    .notify = sim_notify,
    .offload = sim_offload,
    .monotonic_ns = sim_monotonic_ns,
    .boottime_ns = sim_boottime_ns,
    .realtime_ns = sim_realtime_ns,
    .random = sim_random_fill,
    .panic = sim_panic,
};

enum dol_err runtime_new_sim(const struct sim_config *config, struct runtime **out)
{
    unsigned loops = config->loops != 0 ? config->loops : 1;
    unsigned fibers_max = config->fibers_max != 0 ? config->fibers_max : FIBERS_MAX_DEFAULT;
    struct runtime *rt = NULL;
    struct sim *sim = NULL;

    if (loops > SIM_LOOPS_MAX)
        return DOL_EINVAL;
    dol_assert(runtime_self() == NULL);
    rt = calloc(1, sizeof *rt);
    sim = calloc(1, sizeof *sim);
    if (rt == NULL || sim == NULL)
        goto fail;
    sim->rng = config->seed;
    sim->now_ns = MONOTONIC_NS_START;
    sim->step_ns_max = config->step_ns_max != 0 ? config->step_ns_max : STEP_NS_MAX_DEFAULT;
    sim->steps_max = config->steps_max;
    sim->ready_max = loops * fibers_max;
    sim->ready = calloc(sim->ready_max, sizeof sim->ready[0]);
    if (sim->ready == NULL || runtime_init(rt, &sim_ops, loops, fibers_max, config->stack_bytes) != DOL_OK)
        goto fail;
    rt->sim = sim;
    loop_bind(rt, NULL);
    sim_clock_set_realtime_ns(rt, config->realtime_ns != 0 ? config->realtime_ns : REALTIME_NS_DEFAULT);
    *out = rt;
    return DOL_OK;
fail:
    if (sim != NULL)
        free(sim->ready);
    free(sim);
    free(rt);
    return DOL_ENOMEM;
}

/* ---- what tests ask ---- */

void sim_clock_set_realtime_ns(struct runtime *rt, int64_t realtime_ns)
{
    rt->sim->realtime_offset_ns = realtime_ns - (int64_t)rt->sim->now_ns;
}

bool sim_panicked(const struct runtime *rt)
{
    return rt->sim->panicked;
}

const char *sim_panic_text(const struct runtime *rt)
{
    return rt->sim->panicked ? rt->sim->panic_text : NULL;
}

void sim_halt(struct runtime *rt)
{
    rt->sim->halted = true;
}

unsigned sim_stuck_fibers(struct runtime *rt)
{
    return runtime_fibers_live(rt);
}

void sim_log_stuck_fibers(struct runtime *rt)
{
    for (unsigned i = 0; i < rt->loop_count; i++) {
        list_for_each(pos, &rt->loops[i].fibers)
        {
            const struct fiber *f = container_of(pos, struct fiber, all);
            if (f->state != FIBER_FREE)
                log_error("sim", "stuck fiber loop=%u name=%s id=%llu state=%s", i, f->name, (unsigned long long)f->id,
                          f->state == FIBER_PARKED ? "parked" : "ready");
        }
    }
}

uint64_t sim_trace_hash(const struct runtime *rt)
{
    return rt->sim->trace;
}

uint64_t sim_steps(const struct runtime *rt)
{
    return rt->sim->steps;
}
