/*
 * The S3 API: authenticates, authorises, routes and answers one exchange. One file per verb family, one table of
 * errors. Knows the store's contract, wire and iam; no LMDB, erasure code or io_uring.
 */
#ifndef DOL_S3_H
#define DOL_S3_H

#include <dolmen/store.h>

#include "exchange.h"
#include "iam.h"

struct s3_config {
    struct store *store;     /* borrowed */
    struct iam *iam;         /* borrowed */
    const char *region;      /* "us-east-1" */
    const char *domain;      /* virtual-host style suffix, NULL: path style only */
    int64_t lifecycle_day_s; /* length of a day of lifecycle rules */
};

struct s3;

DOL_MUST_CHECK enum dol_err s3_new(const struct s3_config *config, struct s3 **out);
void s3_free(struct s3 *s3);

/* [await] Answers the exchange; always exactly one response, or must_close is set. Any loop. */
void s3_handle(struct s3 *s3, struct exchange *x);

#endif
