/* The values of condition keys: what a request has to say for itself when a policy asks. */
#ifndef DOL_S3_CONTEXT_H
#define DOL_S3_CONTEXT_H

#include "s3_authorize.h"

struct s3_context {
    struct s3_request *rq;
    const struct s3_right *right;
    struct bytes owner;    /* of the bucket; data NULL: it has none */
    struct object *object; /* whose tags were asked for; s3_context_fini() closes it */
    bool object_asked;
};

/* [await] A policy_context_fn; arg is a struct s3_context. */
policy_context_fn s3_context_values;
void s3_context_fini(struct s3_context *context);

#endif
