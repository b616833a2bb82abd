/*
 * Lifecycle configurations of buckets: kept as documents, read as rules (dolmen/lifecycle.h). Who carries them out is
 * s3_lifecycle_worker.h.
 */
#ifndef DOL_S3_LIFECYCLE_H
#define DOL_S3_LIFECYCLE_H

#include <dolmen/lifecycle.h>

#include "s3_request.h"

#define S3_LIFECYCLE_DOCUMENT "lifecycle"

/* The rules of a document, in the arena; out->now_s and day_s are the caller's. *why: what is wrong, NULL: the code's
 * own text. MalformedXML, InvalidArgument, InvalidRequest, SlowDown. */
DOL_MUST_CHECK enum s3_error s3_lifecycle_parse(struct bytes document, struct arena *a, struct lifecycle *out,
                                                const char **why);
/* [await] x-amz-expiration of a current version: when which rule will end it. Nothing when none does, or the rules
 * can't be read now. */
void s3_lifecycle_header(struct s3_request *rq, const struct lifecycle_version *version);
/* [await] The same of an object held open. */
void s3_lifecycle_object_header(struct s3_request *rq, const struct object *object);

#endif
