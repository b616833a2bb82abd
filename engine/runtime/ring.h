/* Inside the real runtime: submissions and waits on the calling thread's ring. */
#ifndef DOL_RING_H
#define DOL_RING_H

#include "io.h"
#include "loop.h"

#include <liburing.h>

/*
 * A free submission of the calling thread's ring, with `op` as its user data (NULL: nobody wants to know of its
 * completion). The caller prepares it with io_uring_prep_*() and then ring_set_op().
 */
struct io_uring_sqe *ring_sqe(void);
void ring_set_op(struct io_uring_sqe *sqe, struct uring_op *op);

/* One fiber waiting for one operation; lies on its stack. */
struct ring_wait {
    struct uring_op op;
    struct fiber *fiber;
    int32_t result;
    bool done;
};
void ring_wait_init(struct ring_wait *w);
/*
 * [await] The operation's result. After timeout_ns (0: never) it is cancelled, and its completion awaited: it may have
 * succeeded after all; -ETIMEDOUT if not.
 */
int32_t ring_wait(struct ring_wait *w, uint64_t timeout_ns);
/* [await] As ring_wait(), but until *w is done or the fiber is woken; false when not done. */
bool ring_wait_or_wake(struct ring_wait *w);
/* [await] Cancels the operation and waits for its completion. */
void ring_cancel(struct ring_wait *w);

#endif
