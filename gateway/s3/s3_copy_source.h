/* The source of CopyObject and UploadPartCopy: x-amz-copy-source and the conditions on it. */
#ifndef DOL_S3_COPY_SOURCE_H
#define DOL_S3_COPY_SOURCE_H

#include "checksum.h"
#include "s3_request.h"

struct s3_copy_source {
    struct bytes bucket;
    struct bytes key;
    struct version_id version_storage;
    const struct version_id *version; /* NULL: the current one */
    struct object *object;            /* once opened; NULL before and after */
};

/* The header, decoded; and the right to read what it names. InvalidArgument, AccessDenied. */
DOL_MUST_CHECK enum s3_error s3_copy_source_read(struct s3_request *rq, struct s3_copy_source *source);
/* [await] Opens it and checks x-amz-copy-source-if-*. Errors about the source name it instead of the target. */
DOL_MUST_CHECK enum s3_error s3_copy_source_open(struct s3_request *rq, struct s3_copy_source *source);
/* [await] Puts [offset, offset + len) of it, and hashes what passes. */
DOL_MUST_CHECK enum s3_error s3_copy_source_transfer(struct s3_copy_source *source, uint64_t offset, uint64_t len,
                                                     struct put *put, struct checksum_stream *stream);
/* x-amz-copy-source-version-id, where versions have ids. */
void s3_copy_source_headers(struct s3_request *rq, const struct s3_copy_source *source);
/* [await] Of an open one: the right to its tags, when it has some. AccessDenied. */
DOL_MUST_CHECK enum s3_error s3_copy_source_authorize_tags(struct s3_request *rq, const struct s3_copy_source *source);
void s3_copy_source_close(struct s3_copy_source *source);

#endif
