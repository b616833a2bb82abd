/* What PutObject and UploadPart share: bytes on their way from the body to the store. */
#ifndef DOL_S3_PUT_H
#define DOL_S3_PUT_H

#include "s3_body.h"

/* [await] All of the body into the put. Afterwards the body is verified; the caller finishes or aborts the put. */
DOL_MUST_CHECK enum s3_error s3_put_transfer(struct s3_body *body, struct put *put);

/* What the body declared and what was computed of it; borrows from the body. */
void s3_put_fill_finish(const struct s3_body *body, struct put_finish *fin);

#endif
