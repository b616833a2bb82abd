/* Tags of objects, as clients send them: in a header with the object, or as a document about it. */
#ifndef DOL_S3_TAGS_H
#define DOL_S3_TAGS_H

#include "s3_request.h"

#define S3_TAGS_MAX      10u
#define S3_TAG_NAME_MAX  128u /* characters */
#define S3_TAG_VALUE_MAX 256u

/* What every tag has to keep to. InvalidTag. */
DOL_MUST_CHECK enum s3_error s3_tags_check(struct s3_request *rq, const struct metadata_pair *tags, unsigned count);
/* x-amz-tagging, if there is one: as the query of a URL. The pairs live in the arena. InvalidTag, InvalidArgument,
 * SlowDown. */
DOL_MUST_CHECK enum s3_error s3_tags_read(struct s3_request *rq, struct put_request *put);
/* The tags of another object. SlowDown. */
DOL_MUST_CHECK enum s3_error s3_tags_copy(struct s3_request *rq, const struct object *from, struct put_request *put);

#endif
