/*
 * Turns: how many requests of a loop are answered at once, and how many wait for it. Beyond that a request is refused
 * with 503 SlowDown, at once: a client that is told so can come back, one that waits in a long queue gives up and
 * leaves the work to be done for nobody; and the requests that have a turn keep their latency.
 */
#include "dol_assert.h"
#include "server_loop.h"

bool turn_take(struct server_loop *loop)
{
    const struct server_limits *limits = &loop->server->limits;
    if (loop->turns < limits->requests_max) {
        loop->turns++;
        server_count(&loop->stats.requests, 1);
        return true;
    }
    if (loop->turns_waiting >= limits->request_queue_max)
        return false;
    loop->turns_waiting++;
    bool given = waitq_wait_until(&loop->turn_line, clock_monotonic_ns() + limits->request_wait_ns);
    loop->turns_waiting--;
    return given;
}

void turn_give_back(struct server_loop *loop)
{
    dol_assert(loop->turns > 0);
    /* A turn is handed over to the first that waits. */
    if (!waitq_is_empty(&loop->turn_line)) {
        waitq_wake_one(&loop->turn_line);
        return;
    }
    loop->turns--;
    server_count(&loop->stats.requests, -1);
}
