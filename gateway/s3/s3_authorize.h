/*
 * What the signer of a request may do: the one place that asks the policies of identities and the bucket's own.
 *
 * An explicit deny anywhere wins; else something must allow: being root, an attached policy, the bucket's policy.
 * Nobody is denied PutBucketPolicy, GetBucketPolicy and DeleteBucketPolicy of a bucket of theirs by that policy, so
 * that no bucket is locked for good. Where public access is restricted, a public policy allows nothing to others.
 */
#ifndef DOL_S3_AUTHORIZE_H
#define DOL_S3_AUTHORIZE_H

#include "s3_request.h"

#define S3_POLICY_DOCUMENT        "policy"
#define S3_PUBLIC_ACCESS_DOCUMENT "publicAccessBlock"

/* What is to be done, and on what. */
struct s3_right {
    const char *action;               /* "s3:GetObject" */
    struct bytes bucket;              /* empty: none */
    struct bytes key;                 /* empty: the bucket itself */
    const struct version_id *version; /* whose tags conditions look at; NULL: the current one */
    const struct metadata_pair *tags; /* that the request gives; conditions see them */
    unsigned tag_count;
};

/* [await] The operation of the request's route, and what its headers ask for beside it. NoSuchBucket, AccessDenied. */
DOL_MUST_CHECK enum s3_error s3_authorize(struct s3_request *rq);
/* [await] One right. NoSuchBucket, AccessDenied. */
DOL_MUST_CHECK enum s3_error s3_authorize_right(struct s3_request *rq, const struct s3_right *right);
/* [await] As answers of GET and HEAD: that a key doesn't exist is for those who may list the bucket. */
enum s3_error s3_authorize_absence(struct s3_request *rq, enum s3_error error);
/* [await] May the signer know of this bucket? */
bool s3_authorize_listing(struct s3_request *rq, const struct bucket_info *bucket);

/* What the bucket's public access block says of one of its settings, by its name in the document. */
DOL_MUST_CHECK enum s3_error s3_public_access_blocks(struct s3_request *rq, struct bytes bucket, const char *setting,
                                                     bool *out);

/* Forgets what was kept of buckets; at the end of the request. */
void s3_access_fini(struct s3_request *rq);

#endif
