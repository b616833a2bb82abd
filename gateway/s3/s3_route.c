/*
 * The route table. It lists the operations of S3 that this server answers, and those it knows and refuses: a
 * sub-resource that was not in the table would be ignored, and a request about a policy taken for one about an object.
 * First match wins: rows with a sub-resource come before the plain ones.
 */
#include "s3_route.h"

#define GET    HTTP1_METHOD_GET
#define HEAD   HTTP1_METHOD_HEAD
#define PUT    HTTP1_METHOD_PUT
#define POST   HTTP1_METHOD_POST
#define DELETE HTTP1_METHOD_DELETE

#define SERVICE S3_LEVEL_SERVICE
#define BUCKET  S3_LEVEL_BUCKET
#define OBJECT  S3_LEVEL_OBJECT

/* Answered. */
#define YES(level, method, param, operation, action, handler)                                                          \
    {                                                                                                                  \
        level, method, param, NULL, operation, "s3:" action, handler, S3_ERR_NONE                                      \
    }
/* Not offered. */
#define NO(level, method, param, operation)                                                                            \
    {                                                                                                                  \
        level, method, param, NULL, operation, "s3:" operation, NULL, S3_ERR_NOT_IMPLEMENTED                           \
    }
/* Can't be configured, so there is no configuration: a true answer that tools know. */
#define NONE(param, operation, error)                                                                                  \
    {                                                                                                                  \
        BUCKET, GET, param, NULL, operation, "s3:" operation, NULL, S3_ERR_##error                                     \
    }

static const struct s3_route routes[] = {
    /* service */
    YES(SERVICE, GET, NULL, "ListBuckets", "ListAllMyBuckets", s3_list_buckets),

    /* buckets: sub-resources */
    YES(BUCKET, GET, "location", "GetBucketLocation", "GetBucketLocation", s3_get_bucket_location),
    YES(BUCKET, GET, "versioning", "GetBucketVersioning", "GetBucketVersioning", s3_get_bucket_versioning),
    YES(BUCKET, PUT, "versioning", "PutBucketVersioning", "PutBucketVersioning", s3_put_bucket_versioning),
    YES(BUCKET, GET, "versions", "ListObjectVersions", "ListBucketVersions", s3_list_versions),
    YES(BUCKET, GET, "acl", "GetBucketAcl", "GetBucketAcl", s3_get_bucket_acl),
    YES(BUCKET, GET, "requestPayment", "GetBucketRequestPayment", "GetBucketRequestPayment",
        s3_get_bucket_request_payment),
    YES(BUCKET, GET, "logging", "GetBucketLogging", "GetBucketLogging", s3_get_bucket_logging),
    YES(BUCKET, GET, "notification", "GetBucketNotificationConfiguration", "GetBucketNotification",
        s3_get_bucket_notification),
    YES(BUCKET, GET, "cors", "GetBucketCors", "GetBucketCORS", s3_get_setting),
    YES(BUCKET, PUT, "cors", "PutBucketCors", "PutBucketCORS", s3_put_setting),
    YES(BUCKET, DELETE, "cors", "DeleteBucketCors", "PutBucketCORS", s3_delete_setting),
    YES(BUCKET, GET, "tagging", "GetBucketTagging", "GetBucketTagging", s3_get_setting),
    YES(BUCKET, PUT, "tagging", "PutBucketTagging", "PutBucketTagging", s3_put_setting),
    YES(BUCKET, DELETE, "tagging", "DeleteBucketTagging", "PutBucketTagging", s3_delete_setting),
    YES(BUCKET, GET, "encryption", "GetBucketEncryption", "GetEncryptionConfiguration", s3_get_setting),
    YES(BUCKET, PUT, "encryption", "PutBucketEncryption", "PutEncryptionConfiguration", s3_put_setting),
    YES(BUCKET, DELETE, "encryption", "DeleteBucketEncryption", "PutEncryptionConfiguration", s3_delete_setting),
    YES(BUCKET, GET, "publicAccessBlock", "GetPublicAccessBlock", "GetBucketPublicAccessBlock", s3_get_setting),
    YES(BUCKET, PUT, "publicAccessBlock", "PutPublicAccessBlock", "PutBucketPublicAccessBlock", s3_put_setting),
    YES(BUCKET, DELETE, "publicAccessBlock", "DeletePublicAccessBlock", "PutBucketPublicAccessBlock",
        s3_delete_setting),
    YES(BUCKET, GET, "ownershipControls", "GetBucketOwnershipControls", "GetBucketOwnershipControls", s3_get_setting),
    YES(BUCKET, PUT, "ownershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls", s3_put_setting),
    YES(BUCKET, DELETE, "ownershipControls", "DeleteBucketOwnershipControls", "PutBucketOwnershipControls",
        s3_delete_setting),
    YES(BUCKET, GET, "lifecycle", "GetBucketLifecycleConfiguration", "GetLifecycleConfiguration", s3_get_setting),
    YES(BUCKET, PUT, "lifecycle", "PutBucketLifecycleConfiguration", "PutLifecycleConfiguration", s3_put_lifecycle),
    YES(BUCKET, DELETE, "lifecycle", "DeleteBucketLifecycle", "PutLifecycleConfiguration", s3_delete_setting),
    YES(BUCKET, GET, "object-lock", "GetObjectLockConfiguration", "GetBucketObjectLockConfiguration",
        s3_get_object_lock),
    YES(BUCKET, PUT, "object-lock", "PutObjectLockConfiguration", "PutBucketObjectLockConfiguration",
        s3_put_object_lock),
    YES(BUCKET, PUT, "requestPayment", "PutBucketRequestPayment", "PutBucketRequestPayment",
        s3_put_bucket_request_payment),
    YES(BUCKET, PUT, "logging", "PutBucketLogging", "PutBucketLogging", s3_put_bucket_logging),
    YES(BUCKET, DELETE, "website", "DeleteBucketWebsite", "DeleteBucketWebsite", s3_delete_bucket_website),
    YES(BUCKET, GET, "list-type", "ListObjectsV2", "ListBucket", s3_list_objects_v2),
    YES(BUCKET, GET, "uploads", "ListMultipartUploads", "ListBucketMultipartUploads", s3_list_uploads),
    {BUCKET, POST, "delete", NULL, "DeleteObjects", NULL, s3_delete_objects, S3_ERR_NONE},
    YES(BUCKET, GET, "policy", "GetBucketPolicy", "GetBucketPolicy", s3_get_bucket_policy),
    YES(BUCKET, PUT, "policy", "PutBucketPolicy", "PutBucketPolicy", s3_put_bucket_policy),
    YES(BUCKET, DELETE, "policy", "DeleteBucketPolicy", "DeleteBucketPolicy", s3_delete_bucket_policy),
    YES(BUCKET, GET, "policyStatus", "GetBucketPolicyStatus", "GetBucketPolicyStatus", s3_get_bucket_policy_status),
    NONE("website", "GetBucketWebsite", NO_SUCH_WEBSITE),
    NONE("replication", "GetBucketReplication", NO_SUCH_REPLICATION),
    NO(BUCKET, GET, "accelerate", "GetBucketAccelerateConfiguration"),
    NO(BUCKET, GET, "abac", "GetBucketAbac"),
    NO(BUCKET, GET, "analytics", "GetBucketAnalyticsConfiguration"),
    NO(BUCKET, GET, "intelligent-tiering", "GetBucketIntelligentTieringConfiguration"),
    NO(BUCKET, GET, "inventory", "GetBucketInventoryConfiguration"),
    NO(BUCKET, GET, "metadataConfiguration", "GetBucketMetadataConfiguration"),
    NO(BUCKET, GET, "metadataTable", "GetBucketMetadataTableConfiguration"),
    NO(BUCKET, GET, "metrics", "GetBucketMetricsConfiguration"),
    NO(BUCKET, GET, "session", "CreateSession"),
    NO(BUCKET, PUT, "abac", "PutBucketAbac"),
    NO(BUCKET, PUT, "accelerate", "PutBucketAccelerateConfiguration"),
    NO(BUCKET, PUT, "acl", "PutBucketAcl"),
    NO(BUCKET, PUT, "analytics", "PutBucketAnalyticsConfiguration"),
    NO(BUCKET, PUT, "intelligent-tiering", "PutBucketIntelligentTieringConfiguration"),
    NO(BUCKET, PUT, "inventory", "PutBucketInventoryConfiguration"),
    NO(BUCKET, PUT, "metadataInventoryTable", "UpdateBucketMetadataInventoryTableConfiguration"),
    NO(BUCKET, PUT, "metadataJournalTable", "UpdateBucketMetadataJournalTableConfiguration"),
    NO(BUCKET, PUT, "metrics", "PutBucketMetricsConfiguration"),
    NO(BUCKET, PUT, "notification", "PutBucketNotificationConfiguration"),
    NO(BUCKET, PUT, "replication", "PutBucketReplication"),
    NO(BUCKET, PUT, "website", "PutBucketWebsite"),
    NO(BUCKET, POST, "metadataConfiguration", "CreateBucketMetadataConfiguration"),
    NO(BUCKET, POST, "metadataTable", "CreateBucketMetadataTableConfiguration"),
    NO(BUCKET, DELETE, "analytics", "DeleteBucketAnalyticsConfiguration"),
    NO(BUCKET, DELETE, "intelligent-tiering", "DeleteBucketIntelligentTieringConfiguration"),
    NO(BUCKET, DELETE, "inventory", "DeleteBucketInventoryConfiguration"),
    NO(BUCKET, DELETE, "metadataConfiguration", "DeleteBucketMetadataConfiguration"),
    NO(BUCKET, DELETE, "metadataTable", "DeleteBucketMetadataTableConfiguration"),
    NO(BUCKET, DELETE, "metrics", "DeleteBucketMetricsConfiguration"),
    NO(BUCKET, DELETE, "replication", "DeleteBucketReplication"),

    /* buckets: plain */
    YES(BUCKET, GET, NULL, "ListObjects", "ListBucket", s3_list_objects_v1),
    YES(BUCKET, HEAD, NULL, "HeadBucket", "ListBucket", s3_head_bucket),
    YES(BUCKET, PUT, NULL, "CreateBucket", "CreateBucket", s3_create_bucket),
    YES(BUCKET, DELETE, NULL, "DeleteBucket", "DeleteBucket", s3_delete_bucket),
    NO(BUCKET, POST, NULL, "PostObject"),

    /* objects: sub-resources */
    YES(OBJECT, GET, "acl", "GetObjectAcl", "GetObjectAcl", s3_get_object_acl),
    YES(OBJECT, GET, "tagging", "GetObjectTagging", "GetObjectTagging", s3_get_object_tagging),
    {OBJECT, PUT, "tagging", NULL, "PutObjectTagging", NULL, s3_put_object_tagging, S3_ERR_NONE},
    YES(OBJECT, DELETE, "tagging", "DeleteObjectTagging", "DeleteObjectTagging", s3_delete_object_tagging),
    YES(OBJECT, GET, "retention", "GetObjectRetention", "GetObjectRetention", s3_get_object_retention),
    YES(OBJECT, PUT, "retention", "PutObjectRetention", "PutObjectRetention", s3_put_object_retention),
    YES(OBJECT, GET, "legal-hold", "GetObjectLegalHold", "GetObjectLegalHold", s3_get_object_legal_hold),
    YES(OBJECT, PUT, "legal-hold", "PutObjectLegalHold", "PutObjectLegalHold", s3_put_object_legal_hold),
    YES(OBJECT, GET, "attributes", "GetObjectAttributes", "GetObjectAttributes", s3_get_object_attributes),
    NO(OBJECT, GET, "torrent", "GetObjectTorrent"),
    YES(OBJECT, GET, "uploadId", "ListParts", "ListMultipartUploadParts", s3_list_parts),
    {OBJECT, PUT, "uploadId", "x-amz-copy-source", "UploadPartCopy", "s3:PutObject", s3_upload_part_copy, S3_ERR_NONE},
    YES(OBJECT, PUT, "uploadId", "UploadPart", "PutObject", s3_upload_part),
    NO(OBJECT, PUT, "acl", "PutObjectAcl"),
    NO(OBJECT, PUT, "encryption", "UpdateObjectEncryption"),
    NO(OBJECT, PUT, "renameObject", "RenameObject"),
    NO(OBJECT, POST, "restore", "RestoreObject"),
    NO(OBJECT, POST, "select", "SelectObjectContent"),
    YES(OBJECT, POST, "uploadId", "CompleteMultipartUpload", "PutObject", s3_complete_upload),
    YES(OBJECT, POST, "uploads", "CreateMultipartUpload", "PutObject", s3_create_upload),
    YES(OBJECT, DELETE, "uploadId", "AbortMultipartUpload", "AbortMultipartUpload", s3_abort_upload),

    /* objects: plain */
    YES(OBJECT, GET, NULL, "GetObject", "GetObject", s3_get_object),
    YES(OBJECT, HEAD, NULL, "HeadObject", "GetObject", s3_head_object),
    {OBJECT, PUT, NULL, "x-amz-copy-source", "CopyObject", "s3:PutObject", s3_copy_object, S3_ERR_NONE},
    YES(OBJECT, PUT, NULL, "PutObject", "PutObject", s3_put_object),
    YES(OBJECT, DELETE, NULL, "DeleteObject", "DeleteObject", s3_delete_object),
};

#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

static enum s3_level route_level(const struct s3_request *rq)
{
    if (rq->bucket.len == 0)
        return S3_LEVEL_SERVICE;
    return rq->key.len == 0 ? S3_LEVEL_BUCKET : S3_LEVEL_OBJECT;
}

/* A sub-resource that exists for other methods only is no plain request. */
static bool route_param_is_foreign(const struct s3_request *rq, enum s3_level level)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        if (routes[i].level == level && routes[i].param != NULL && s3_param(rq, routes[i].param) != NULL)
            return true;
    return false;
}

const struct s3_route *s3_route_find(const struct s3_request *rq)
{
    enum s3_level level = route_level(rq);
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct s3_route *r = &routes[i];
        if (r->level != level || r->method != rq->head->method)
            continue;
        if (r->param != NULL && s3_param(rq, r->param) == NULL)
            continue;
        if (r->header != NULL && s3_header(rq, r->header) == NULL)
            continue;
        if (r->param == NULL && route_param_is_foreign(rq, level))
            return NULL;
        return r;
    }
    return NULL;
}
