/* Inside the runtime: the pool of threads behind offload_run(). */
#ifndef DOL_OFFLOAD_H
#define DOL_OFFLOAD_H

#include <dolmen/runtime.h>

/* Jobs that wait for a thread; more callers wait in line for a place. */
#define OFFLOAD_QUEUE_MAX 256

struct offload;

/* ENOMEM: threads could not be started. They block all signals. */
DOL_MUST_CHECK enum dol_err offload_new(struct runtime *rt, unsigned threads, struct offload **out);
/* No job may be queued or running. */
void offload_free(struct offload *pool);

/* [await] */
void offload_submit(struct offload *pool, offload_fn *fn, void *arg);

#endif
