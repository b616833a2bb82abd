/*
 * The offload pool: one queue, one lock, N threads. A job lies on its caller's stack, which stays until the job is
 * done.
 */
#include "offload.h"
#include "dol_assert.h"
#include "loop.h"

#include <signal.h>
#include <stdlib.h>

struct offload_job {
    struct offload_job *next;
    offload_fn *fn;
    void *arg;
    struct fiber *fiber;
    _Atomic bool done;
};

struct offload {
    struct runtime *rt;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t jobs_or_closing;
    struct offload_job *head;
    struct offload_job *tail;
    unsigned queued;
    struct waiter_list no_place;
    bool closing;
    unsigned thread_count;
    pthread_t threads[];
};

/* Lock held. */
static void put_job(struct offload *pool, struct offload_job *job)
{
    if (pool->tail != NULL)
        pool->tail->next = job;
    else
        pool->head = job;
    pool->tail = job;
    pool->queued++;
    pthread_cond_signal(&pool->jobs_or_closing);
}

/* Waits for a job; NULL when the pool closes. Lock held. */
static struct offload_job *take_job(struct offload *pool)
{
    while (pool->head == NULL && !pool->closing)
        pthread_cond_wait(&pool->jobs_or_closing, &pool->lock);
    struct offload_job *job = pool->head;
    if (job == NULL)
        return NULL;
    pool->head = job->next;
    if (pool->head == NULL)
        pool->tail = NULL;
    pool->queued--;
    waiter_list_wake_one(&pool->no_place);
    return job;
}

static void *offload_thread(void *arg)
{
    struct offload *pool = arg;
    struct offload_job *job;

    loop_bind(pool->rt, NULL);
    pthread_mutex_lock(&pool->lock);
    while ((job = take_job(pool)) != NULL) {
        pthread_mutex_unlock(&pool->lock);
        job->fn(job->arg);
        /* Once `done` is seen, *job may be gone. */
        struct fiber *fiber = job->fiber;
        atomic_store_explicit(&job->done, true, memory_order_release);
        fiber_wake(fiber);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum dol_err offload_new(struct runtime *rt, unsigned threads, struct offload **out)
{
    struct offload *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    sigset_t all;
    sigset_t before;

    if (pool == NULL)
        return DOL_ENOMEM;
    pool->rt = rt;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->jobs_or_closing, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->thread_count < threads &&
           pthread_create(&pool->threads[pool->thread_count], NULL, offload_thread, pool) == 0)
        pool->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pool->thread_count < threads) {
        offload_free(pool);
        return DOL_ENOMEM;
    }
    *out = pool;
    return DOL_OK;
}

void offload_free(struct offload *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    dol_assert(pool->head == NULL);
    pool->closing = true;
    pthread_cond_broadcast(&pool->jobs_or_closing);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->jobs_or_closing);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void offload_submit(struct offload *pool, offload_fn *fn, void *arg)
{
    struct offload_job job = {.fn = fn, .arg = arg, .fiber = fiber_current()};
    struct waiter waiter;

    pthread_mutex_lock(&pool->lock);
    while (pool->queued >= OFFLOAD_QUEUE_MAX) {
        waiter_enlist(&pool->no_place, &waiter);
        pthread_mutex_unlock(&pool->lock);
        waiter_wait(&waiter);
        pthread_mutex_lock(&pool->lock);
    }
    put_job(pool, &job);
    pthread_mutex_unlock(&pool->lock);
    while (!atomic_load_explicit(&job.done, memory_order_acquire))
        fiber_park();
}

void offload_run(offload_fn *fn, void *arg)
{
    struct runtime *rt = fiber_current()->loop->rt;
    rt->ops->offload(rt, fn, arg);
}
