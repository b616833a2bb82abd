/*
 * Conditions of writes and deletes: If-Match and If-None-Match of PutObject, CopyObject, CompleteMultipartUpload and
 * DeleteObject, as the store takes them.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
 */
#ifndef DOL_S3_CONDITION_H
#define DOL_S3_CONDITION_H

#include "s3_request.h"

/* Quoted or not, "md5" or "md5-N". false: no object has such a tag. */
bool s3_etag_parse(struct bytes text, struct etag *out);

/* One entity tag or "*" as If-Match takes it. A tag that no object has becomes one that matches none. */
struct condition s3_condition_of_etag(struct bytes text);

/* The request's condition. NotImplemented: If-None-Match other than "*", or both headers. */
DOL_MUST_CHECK enum s3_error s3_condition_read(struct s3_request *rq, struct condition *out);

/* The store's answer to a call with the request's condition; PreconditionFailed names the header. */
enum s3_error s3_condition_error(struct s3_request *rq, enum dol_err err);

#endif
