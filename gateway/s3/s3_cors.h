/*
 * Cross-origin rules of a bucket: what a browser is told about requests that pages of other sites make. They change no
 * right: a request without a signature stays without one.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
 */
#ifndef DOL_S3_CORS_H
#define DOL_S3_CORS_H

#include "s3_request.h"

#include "xml_shape.h"

#define S3_CORS_DOCUMENT "cors"

extern const struct xml_shape s3_cors_shape;
/* What fits the shape. InvalidRequest. */
DOL_MUST_CHECK enum s3_error s3_cors_check(struct s3_request *rq, const struct xml_node *root);

/* [await] Before anything else is decided: finds the rule that fits a request with an Origin, for s3_cors_headers().
 * Without one, or when the rules can't be read, browsers are told nothing, which forbids. */
void s3_cors_find(struct s3_request *rq);
/* Adds what the rule says to the answer's headers, also to those of errors. */
void s3_cors_headers(struct s3_request *rq);

/* [await] Answers OPTIONS. */
DOL_MUST_CHECK enum s3_error s3_cors_preflight(struct s3_request *rq);

#endif
