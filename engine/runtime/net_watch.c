/* See net_watch.h. */
#include "net_watch.h"
#include "dol_assert.h"
#include "ring.h"

#include <poll.h>

static void watch_done(struct uring_op *op, int32_t result)
{
    struct net_watch *watch = container_of(op, struct net_watch, op);
    (void)result;
    watch->ready(watch);
}

void net_watch_start(struct net_watch *watch, int fd, net_watch_fn *ready)
{
    dol_assert(loop_self() != NULL && loop_self()->uring != NULL);
    *watch = (struct net_watch){.op.done = watch_done, .ready = ready};
    struct io_uring_sqe *sqe = ring_sqe();
    io_uring_prep_poll_add(sqe, fd, POLLIN | POLLRDHUP);
    ring_set_op(sqe, &watch->op);
}
