/*
 * Digester: a queue of hash jobs per loop, and a leader.
 *
 * Whoever comes first leads: it lets the other fibers of this turn run, so that those with bytes at hand bring their
 * jobs, then takes the first jobs of the queue a step further, and so on until its own is done; then the next one in
 * the queue leads. Between two steps everybody else on the loop has a turn, so a step is short whatever the lengths.
 */
#include "digest.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "list.h"

/* Each job's share of a step: 16 streams of it take less than a millisecond. */
#define DIGEST_STEP_BYTES (128u << 10)

struct digest_queue {
    struct list_node waiting; /* struct digest_wait; only its loop touches it */
    bool has_leader;
};

struct digest_wait {
    struct list_node node;
    struct hash_job *job;
    struct fiber *fiber;
};

struct digester {
    unsigned loops;
    struct digest_queue queues[];
};

enum dol_err digester_new(struct digester **out)
{
    unsigned loops = runtime_loops(runtime_self());
    struct digester *d = calloc(1, sizeof *d + loops * sizeof d->queues[0]);
    if (d == NULL)
        return DOL_ENOMEM;
    d->loops = loops;
    for (unsigned i = 0; i < loops; i++)
        list_init(&d->queues[i].waiting);
    *out = d;
    return DOL_OK;
}

void digester_free(struct digester *d)
{
    if (d == NULL)
        return;
    for (unsigned i = 0; i < d->loops; i++)
        dol_assert(list_is_empty(&d->queues[i].waiting));
    free(d);
}

static struct digest_wait *wait_of(struct list_node *node)
{
    return container_of(node, struct digest_wait, node);
}

static void step(struct digest_queue *q)
{
    struct digest_wait *waits[HASH_JOBS_MAX];
    struct hash_job *jobs[HASH_JOBS_MAX];
    unsigned count = 0;
    list_for_each(node, &q->waiting)
    {
        if (count == HASH_JOBS_MAX)
            break;
        waits[count] = wait_of(node);
        jobs[count] = waits[count]->job;
        count++;
    }
    hash_jobs_advance(jobs, count, DIGEST_STEP_BYTES);
    for (unsigned i = 0; i < count; i++) {
        if (jobs[i]->done) {
            list_remove(&waits[i]->node);
            fiber_wake(waits[i]->fiber);
        }
    }
}

/* Not inlined: gcc 12 would take the entry on the waiter's stack, linked while the waiter waits, for a dangling
 * pointer.
 */
__attribute__((noinline)) static void enlist(struct digest_queue *q, struct digest_wait *w)
{
    list_push_back(&q->waiting, &w->node);
}

void digester_run(struct digester *d, struct hash_job *job)
{
    struct digest_queue *q = &d->queues[loop_index()];
    struct digest_wait w = {.job = job, .fiber = fiber_self()};
    enlist(q, &w);
    while (!job->done && q->has_leader)
        fiber_park();
    if (job->done)
        return;
    q->has_leader = true;
    while (!job->done) {
        fiber_yield();
        step(q);
    }
    q->has_leader = false;
    if (!list_is_empty(&q->waiting))
        fiber_wake(wait_of(q->waiting.next)->fiber);
}
