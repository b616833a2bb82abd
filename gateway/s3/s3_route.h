/* Which operation a request asks for: by method, by what its path names, and by the sub-resource in its query. */
#ifndef DOL_S3_ROUTE_H
#define DOL_S3_ROUTE_H

#include "s3_handlers.h"

enum s3_level { S3_LEVEL_SERVICE, S3_LEVEL_BUCKET, S3_LEVEL_OBJECT };

struct s3_route {
    enum s3_level level;
    enum http1_method method;
    const char *param;      /* sub-resource; NULL: none asked for */
    const char *header;     /* a header that makes it another operation; NULL: none */
    const char *operation;  /* AWS's name */
    const char *action;     /* for s3_authorize(); NULL: the handler asks, once it has read what it is about */
    s3_handler_fn *handler; /* NULL: the bucket is looked up, then `absent` */
    enum s3_error absent;   /* NotImplemented, or the error that says that there is no such configuration */
};

/* NULL: the method is not allowed there. */
const struct s3_route *s3_route_find(const struct s3_request *rq);

#endif
