/*
 * Carries lifecycle rules out: a fiber that goes through all buckets again and again, four times a day, where a day is
 * what it is configured to be, and every hour at least.
 *
 * Its clock is the earlier one of UTC and the compliance clock: if the system's clock jumps ahead, nothing ends early;
 * and it ends late by as long as the compliance clock is behind.
 */
#ifndef DOL_S3_LIFECYCLE_WORKER_H
#define DOL_S3_LIFECYCLE_WORKER_H

#include <dolmen/lifecycle.h>

struct s3_lifecycle_worker;

/* On the caller's loop. day_s: length of a day, at least 1. store: borrowed until it is stopped. */
DOL_MUST_CHECK enum dol_err s3_lifecycle_worker_start(struct store *store, int64_t day_s,
                                                      struct s3_lifecycle_worker **out);
/* [await] On the loop that started it; frees it. NULL is fine. */
void s3_lifecycle_worker_stop(struct s3_lifecycle_worker *worker);

#endif
