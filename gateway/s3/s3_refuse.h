/* Headers that ask for something this server doesn't do: never ignored, because a client relies on them. */
#ifndef DOL_S3_REFUSE_H
#define DOL_S3_REFUSE_H

#include "s3_request.h"

/* NotImplemented (or the exact error for a wrong value) for the first such header; S3_ERR_NONE when there is none.
 * [await] */
DOL_MUST_CHECK enum s3_error s3_refuse_headers(struct s3_request *rq);

#endif
