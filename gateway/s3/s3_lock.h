/*
 * Object lock as clients ask for it: headers with an object, documents about a bucket or an object. What holds, and
 * until when, the store says; its clock doesn't jump with the system's.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
 */
#ifndef DOL_S3_LOCK_H
#define DOL_S3_LOCK_H

#include "s3_request.h"

/* x-amz-object-lock-* of a request that makes an object. InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_lock_read(struct s3_request *rq, struct retention *out);
/* The same headers, of an answer. */
void s3_lock_headers(struct s3_request *rq, const struct retention *retention);
/* Whether GOVERNANCE is to be passed over: asked for by header, and permitted. key: of the object. */
bool s3_lock_bypass(struct s3_request *rq, struct bytes key);

#endif
