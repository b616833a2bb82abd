/*
 * The simulated runtime: all loops in the calling thread, time that is a number, and one seed behind every choice.
 *
 * The next fiber to run is drawn among the ready fibers of all loops, which is what explores interleavings. Each run of
 * a fiber takes a small random virtual time, so that timers and completions fall between the runs; when nothing is
 * ready, time jumps to the next timer or event. Nothing real (addresses, clocks, threads) enters any choice: the same
 * seed and the same program give the same schedule, and sim_trace_hash() lets a test assert that.
 *
 * The thread that makes a simulated runtime is in it (clocks, random_fill) until the runtime is freed; so setting up
 * and judging a test, outside runtime_run(), is deterministic too. One simulated runtime per thread.
 *
 * runtime_run() returns when runtime_stop() was called and the last fiber has returned; also when nothing can happen
 * any more, with fibers left (a deadlock: sim_stuck_fibers()) or without; also after steps_max or
 * sim_halt(). It may be called again: time and the generator go on.
 */
#ifndef DOL_SIM_H
#define DOL_SIM_H

#include <dolmen/err.h>
#include <dolmen/runtime.h>

#define SIM_LOOPS_MAX 64
/* Scheduled callbacks pending at once. */
#define SIM_EVENTS_MAX 65536
/* For step_ns_max: the runs of fibers take no time. */
#define SIM_STEP_NONE UINT64_MAX

typedef void sim_fn(void *arg);

/* Zero fields (but the seed) take the default in parentheses. */
struct sim_config {
    uint64_t seed;
    unsigned loops;       /* (1) */
    unsigned fibers_max;  /* per loop (1024) */
    size_t stack_bytes;   /* as in runtime/uring.h */
    uint64_t step_ns_max; /* a fiber's run takes 0..step_ns_max (1000) */
    uint64_t steps_max;   /* fiber runs after which runtime_run() gives up on a program that never ends (no limit) */
    int64_t realtime_ns;  /* UTC at the start (2026-01-01T00:00:00Z) */
};

/* EINVAL: beyond a maximum. ENOMEM. */
DOL_MUST_CHECK enum dol_err runtime_new_sim(const struct sim_config *config, struct runtime **out);

/*
 * Calls fn(arg) on the scheduler, outside fibers, delay_ns from now; equal times in the order of scheduling. fn must
 * not await; it may wake fibers, finish joins, spawn with runtime_spawn(), and schedule.
 */
void sim_schedule(struct runtime *rt, uint64_t delay_ns, sim_fn *fn, void *arg);

uint64_t sim_random(struct runtime *rt);
/* Uniform in 0..n-1; n > 0. */
uint64_t sim_random_below(struct runtime *rt, uint64_t n);

/* UTC jumps; the other clocks don't. */
void sim_clock_set_realtime_ns(struct runtime *rt, int64_t realtime_ns);

/* runtime_panic() was called; it returned to its caller, who unwinds with an error. The text of the first; else NULL.
 */
bool sim_panicked(const struct runtime *rt);
const char *sim_panic_text(const struct runtime *rt);

/*
 * The power goes: runtime_run() returns once the running fiber awaits or the running callback returns, and nothing runs
 * ever after. Fibers stay where they are; runtime_free() drops their stacks, and what only they referred to is lost.
 */
void sim_halt(struct runtime *rt);

/* After runtime_run(): fibers that wait for something that can't come (or were cut off by steps_max or sim_halt()). */
unsigned sim_stuck_fibers(struct runtime *rt);
/* Logs their loops and names. */
void sim_log_stuck_fibers(struct runtime *rt);

/* Folded over every choice and event so far. */
uint64_t sim_trace_hash(const struct runtime *rt);
/* Fiber runs so far. */
uint64_t sim_steps(const struct runtime *rt);

#endif
