/*
 * The real runtime: one io_uring and one thread per loop, the kernel's clocks, a pool of offload threads.
 *
 * The program masks signals before runtime_new_uring(), so that every thread inherits the mask, and takes them with
 * signal_wait(). Loop and offload threads block all signals in any case; loop 0 runs on the caller of runtime_run().
 */
#ifndef DOL_URING_H
#define DOL_URING_H

#include <dolmen/err.h>
#include <dolmen/runtime.h>

#define RUNTIME_LOOPS_MAX           256
#define RUNTIME_OFFLOAD_THREADS_MAX 64
#define RUNTIME_RING_ENTRIES_MAX    16384

/* Zero fields take the default in parentheses. */
struct runtime_config {
    unsigned loops;           /* (CPUs this process may use) */
    unsigned offload_threads; /* (the same, at least 2, at most 16) */
    unsigned fibers_max;      /* per loop (4096); a fiber takes two of the process's vm.max_map_count mappings */
    size_t stack_bytes;       /* usable, per fiber (128 KiB; 256 KiB under sanitizers) */
    unsigned ring_entries;    /* submissions per batch, a power of two (1024) */
};

/*
 * EINVAL: beyond a maximum. EPERM, EUNSUPPORTED: the system doesn't let us use io_uring; the log says how to permit it.
 * ENOMEM. It can be run once.
 */
DOL_MUST_CHECK enum dol_err runtime_new_uring(const struct runtime_config *config, struct runtime **out);

/*
 * [await] The next of the `n` signals, which the caller has blocked in every thread. One fiber at a time.
 * ESTOPPED: runtime_stop() was called. EIO.
 */
DOL_MUST_CHECK enum dol_err signal_wait(const int *signos, unsigned n, int *signo_out);

/* Sums over all loops, for metrics. Any thread. */
struct runtime_counters {
    uint64_t enters; /* io_uring_enter(2) calls */
    uint64_t sqes;   /* submissions */
    uint64_t cqes;   /* completions */
    unsigned fibers_live;
    unsigned fibers_peak; /* sum of each loop's highest */
    unsigned fibers_max;
};
void runtime_counters(struct runtime *rt, struct runtime_counters *sum);

#endif
