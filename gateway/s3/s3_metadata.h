/* What a request says about the object it creates: standard headers, x-amz-meta-*, storage class. */
#ifndef DOL_S3_METADATA_H
#define DOL_S3_METADATA_H

#include "s3_request.h"

/* Fills put->headers and put->metadata; borrowed from the request and its arena. MetadataTooLarge, InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_metadata_read(struct s3_request *rq, struct put_request *put);

/* x-amz-website-redirect-location alone: *value.data NULL when absent. InvalidArgument, SlowDown. */
DOL_MUST_CHECK enum s3_error s3_metadata_read_redirect(struct s3_request *rq, struct bytes *value);

/*
 * x-amz-storage-class: *out is STANDARD when absent. InvalidStorageClass for a name that S3 doesn't know, and for those
 * whose objects can't be read at once (GLACIER, DEEP_ARCHIVE): nothing here could restore them later.
 */
DOL_MUST_CHECK enum s3_error s3_storage_class_read(struct s3_request *rq, uint8_t *out);
/* "STANDARD_IA"; never NULL. */
const char *s3_storage_class_name(uint8_t storage_class);

#endif
