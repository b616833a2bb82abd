/* Signals as a story: a signalfd read on the ring, given up when the runtime stops. */
#include "dol_assert.h"
#include "log.h"
#include "ring.h"
#include "uring.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum dol_err signal_wait(const int *signos, unsigned n, int *signo_out)
{
    struct runtime *rt = fiber_current()->loop->rt;
    struct signalfd_siginfo info;
    struct ring_wait wait;
    sigset_t set;

    sigemptyset(&set);
    for (unsigned i = 0; i < n; i++)
        sigaddset(&set, signos[i]);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (fd < 0) {
        log_error("runtime", "signalfd failed: %s", strerror(errno));
        return DOL_EIO;
    }
    ring_wait_init(&wait);
    struct fiber *before = atomic_exchange(&rt->signal_waiter, wait.fiber);
    dol_assert(before == NULL);

    struct io_uring_sqe *sqe = ring_sqe();
    io_uring_prep_read(sqe, fd, &info, sizeof info, 0);
    ring_set_op(sqe, &wait.op);
    while (!runtime_is_stopping(rt) && !ring_wait_or_wake(&wait))
        ;
    ring_cancel(&wait);
    atomic_store(&rt->signal_waiter, NULL);
    close(fd);

    if (wait.result == (int32_t)sizeof info) {
        *signo_out = (int)info.ssi_signo;
        return DOL_OK;
    }
    return runtime_is_stopping(rt) ? DOL_ESTOPPED : DOL_EIO;
}
