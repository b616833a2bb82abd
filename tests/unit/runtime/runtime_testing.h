/* For the runtime's own tests: makes either runtime, and runs one fiber of a test on it to its end. */
#ifndef DOL_RUNTIME_TESTING_H
#define DOL_RUNTIME_TESTING_H

#include "dol_assert.h"
#include "sim.h"
#include "uring.h"

#include <dolmen/runtime.h>

enum testing_kind { TESTING_URING, TESTING_SIM };

static inline struct runtime *testing_runtime(enum testing_kind kind, unsigned loops, unsigned fibers_max)
{
    struct runtime *rt = NULL;
    if (kind == TESTING_URING) {
        struct runtime_config config = {
            .loops = loops, .offload_threads = 2, .fibers_max = fibers_max, .ring_entries = 64};
        dol_assert(runtime_new_uring(&config, &rt) == DOL_OK);
    } else {
        struct sim_config config = {.seed = 1, .loops = loops, .fibers_max = fibers_max};
        dol_assert(runtime_new_sim(&config, &rt) == DOL_OK);
    }
    return rt;
}

/* Spawns fn on loop 0; it, or what it starts, calls runtime_stop(). */
static inline void testing_run(struct runtime *rt, fiber_fn *fn, void *arg)
{
    dol_assert(runtime_spawn(rt, 0, fn, arg, "test") == DOL_OK);
    runtime_run(rt);
}

#endif
