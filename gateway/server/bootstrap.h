/* dolmend's life: from a pool to a serving appliance and back. One per process. */
#ifndef DOL_BOOTSTRAP_H
#define DOL_BOOTSTRAP_H

#include "front.h"
#include "site.h"
#include <dolmen/runtime.h>

#define BOOTSTRAP_EXIT_FAILED 1
#define BOOTSTRAP_EXIT_USAGE  2

struct bootstrap {
    const struct options *options;
    struct site *site; /* opened */
    struct front front;
    struct fiber *fiber; /* of bootstrap_fiber(); NULL once it is about to return */
    bool stop_asked;     /* atomic */
    int signals[3];      /* that ask to stop or to reload; blocked in all threads */
    unsigned signal_count;
    int exit_code;
};

/* Fibers per loop that an appliance on so many loops may need. */
unsigned bootstrap_fibers_max(const struct options *options, unsigned loops);
/* Fiber of loop 0: opens, serves until asked to stop, closes, and stops the runtime. arg is the struct bootstrap. */
void bootstrap_fiber(void *arg);
/* Fiber of loop 0: SIGTERM and SIGINT, which are blocked in all threads, ask to stop; the second ends the process at
 * once. SIGHUP reads the configuration again. */
void bootstrap_signal_fiber(void *arg);

#endif
