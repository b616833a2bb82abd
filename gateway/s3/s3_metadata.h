/* What a request says about the object it creates: standard headers and x-amz-meta-*. */
#ifndef DOL_S3_METADATA_H
#define DOL_S3_METADATA_H

#include "s3_request.h"

/* Fills put->headers and put->metadata; borrowed from the request and its arena. MetadataTooLarge, InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_metadata_read(struct s3_request *rq, struct put_request *put);

#endif
