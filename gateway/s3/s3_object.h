/* What GET and HEAD share: conditions, ranges, and the headers that describe an object. */
#ifndef DOL_S3_OBJECT_H
#define DOL_S3_OBJECT_H

#include "s3_request.h"

#define S3_ETAG_TEXT_MAX 48u /* 32 digits, '-', 10 digits, terminator */

/* Without quotes. */
void s3_etag_format(const struct etag *etag, char out[S3_ETAG_TEXT_MAX]);

/* Opens the object of the request, ?versionId= included. The caller closes it. NoSuchKey, NoSuchVersion,
 * InvalidArgument... [await] */
DOL_MUST_CHECK enum s3_error s3_object_open(struct s3_request *rq, struct object **object);

enum s3_condition { S3_CONDITION_PROCEED, S3_CONDITION_NOT_MODIFIED, S3_CONDITION_FAILED };

/*
 * If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, in the order of RFC 9110 section 13.2.2; each name
 * with `prefix` before it ("", or "x-amz-copy-source-"). *failed names the header that was decisive; NULL for
 * S3_CONDITION_PROCEED.
 */
enum s3_condition s3_condition_check(const struct s3_request *rq, const char *prefix, const struct object_info *info,
                                     const char **failed);

/* What of the object is asked for. */
struct s3_part {
    bool is_partial; /* answer 206 */
    uint64_t offset;
    uint64_t len;
    unsigned parts_count;            /* of a multipart object, when one part was asked for by number; else 0 */
    struct object_checksum checksum; /* of these bytes, when known */
};

/* Range (unless If-Range says that the object is another) or partNumber. InvalidRange, InvalidPartNumber,
 * InvalidArgument, InvalidRequest. */
DOL_MUST_CHECK enum s3_error s3_part_of(struct s3_request *rq, const struct object *object, struct s3_part *part);

/* Base64, with "-N" when it is composite, of N parts. NULL when the arena is full. */
const char *s3_checksum_text(struct s3_request *rq, const struct object_checksum *sum, uint32_t parts);

/* ETag, Last-Modified, metadata, checksum and the rest, response-* overrides applied. */
DOL_MUST_CHECK enum s3_error s3_object_headers(struct s3_request *rq, const struct object *object,
                                               const struct s3_part *part);

#endif
