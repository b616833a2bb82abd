/*
 * The one table of S3 errors: code, HTTP status and message, and what each enum dol_err of the store becomes.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
#ifndef DOL_S3_ERROR_H
#define DOL_S3_ERROR_H

#include <dolmen/err.h>

/* X(name, S3 code, HTTP status, message) */
#define S3_ERROR_TABLE(X)                                                                                              \
    X(NONE, "", 200, "")                                                                                               \
    X(ACCESS_DENIED, "AccessDenied", 403, "Access Denied")                                                             \
    X(ACCESS_FORBIDDEN, "AccessForbidden", 403, "CORSResponse: CORS is not enabled for this bucket.")                  \
    X(AUTH_HEADER_MALFORMED, "AuthorizationHeaderMalformed", 400, "The authorization header is malformed.")            \
    X(AUTH_QUERY_MALFORMED, "AuthorizationQueryParametersError", 400,                                                  \
      "Error parsing the X-Amz-* authorization parameters.")                                                           \
    X(BAD_DIGEST, "BadDigest", 400, "The Content-MD5 you specified did not match what we received.")                   \
    X(BAD_REQUEST, "BadRequest", 400, "Bad Request")                                                                   \
    X(BUCKET_ALREADY_EXISTS, "BucketAlreadyExists", 409,                                                               \
      "The requested bucket name is not available. Please select a different name and try again.")                     \
    X(BUCKET_ALREADY_OWNED, "BucketAlreadyOwnedByYou", 409,                                                            \
      "Your previous request to create the named bucket succeeded and you already own it.")                            \
    X(BUCKET_NOT_EMPTY, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty")                          \
    X(ENTITY_TOO_LARGE, "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size")                \
    X(ENTITY_TOO_SMALL, "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")        \
    X(ILLEGAL_VERSIONING, "IllegalVersioningConfigurationException", 400, "The Versioning element must be specified")  \
    X(ILLEGAL_LOCATION, "IllegalLocationConstraintException", 400,                                                     \
      "The location constraint is incompatible for the region specific endpoint this request was sent to.")            \
    X(INCOMPLETE_BODY, "IncompleteBody", 400,                                                                          \
      "You did not provide the number of bytes specified by the Content-Length HTTP header")                           \
    X(INTERNAL, "InternalError", 500, "We encountered an internal error. Please try again.")                           \
    X(INVALID_ACCESS_KEY_ID, "InvalidAccessKeyId", 403,                                                                \
      "The AWS Access Key Id you provided does not exist in our records.")                                             \
    X(INVALID_ARGUMENT, "InvalidArgument", 400, "Invalid Argument")                                                    \
    X(INVALID_BUCKET_STATE, "InvalidBucketState", 409,                                                                 \
      "The request is not valid with the current state of the bucket.")                                                \
    X(INVALID_BUCKET_NAME, "InvalidBucketName", 400, "The specified bucket is not valid.")                             \
    X(INVALID_CHUNK_SIZE, "InvalidChunkSizeError", 403,                                                                \
      "Only the last chunk is allowed to have a size less than 8192 bytes")                                            \
    X(INVALID_DIGEST, "InvalidDigest", 400, "The Content-MD5 you specified was invalid.")                              \
    X(INVALID_LOCATION, "InvalidLocationConstraint", 400, "The specified location-constraint is not valid")            \
    X(INVALID_PART, "InvalidPart", 400,                                                                                \
      "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "  \
      "entity tag may not match the part's entity tag.")                                                               \
    X(INVALID_PART_NUMBER, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable")                    \
    X(INVALID_PART_ORDER, "InvalidPartOrder", 400,                                                                     \
      "The list of parts was not in ascending order. Parts must be ordered by part number.")                           \
    X(INVALID_RANGE, "InvalidRange", 416, "The requested range is not satisfiable")                                    \
    X(INVALID_REQUEST, "InvalidRequest", 400, "Invalid Request")                                                       \
    X(INVALID_RETENTION_PERIOD, "InvalidRetentionPeriod", 400, "The retention period must be a positive integer.")     \
    X(INVALID_STORAGE_CLASS, "InvalidStorageClass", 400, "The storage class you specified is not valid")               \
    X(INVALID_TAG, "InvalidTag", 400, "The tag provided was not a valid tag.")                                         \
    X(INVALID_TOKEN, "InvalidToken", 400, "The provided token is malformed or otherwise invalid.")                     \
    X(INVALID_URI, "InvalidURI", 400, "Couldn't parse the specified URI.")                                             \
    X(KEY_TOO_LONG, "KeyTooLongError", 400, "Your key is too long")                                                    \
    X(LOCKED, "AccessDenied", 403, "Access Denied because object protected by object lock.")                           \
    X(MALFORMED_POLICY, "MalformedPolicy", 400, "Policy has invalid syntax.")                                          \
    X(MALFORMED_TRAILER, "MalformedTrailerError", 400,                                                                 \
      "The request contained trailing data that was not well-formed or did not conform to our published schema.")      \
    X(MALFORMED_XML, "MalformedXML", 400,                                                                              \
      "The XML you provided was not well-formed or did not validate against our published schema")                     \
    X(MESSAGE_TOO_LONG, "MaxMessageLengthExceeded", 400, "Your request was too big.")                                  \
    X(METADATA_TOO_LARGE, "MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size")   \
    X(METHOD_NOT_ALLOWED, "MethodNotAllowed", 405, "The specified method is not allowed against this resource.")       \
    X(MISSING_CONTENT_LENGTH, "MissingContentLength", 411, "You must provide the Content-Length HTTP header.")         \
    X(NO_BUCKET_LOCK, "InvalidRequest", 400, "Bucket is missing Object Lock Configuration")                            \
    X(NO_SUCH_BUCKET, "NoSuchBucket", 404, "The specified bucket does not exist")                                      \
    X(NO_SUCH_BUCKET_POLICY, "NoSuchBucketPolicy", 404, "The bucket policy does not exist")                            \
    X(NO_SUCH_CORS, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")                           \
    X(NO_SUCH_ENCRYPTION, "ServerSideEncryptionConfigurationNotFoundError", 404,                                       \
      "The server side encryption configuration was not found")                                                        \
    X(NO_SUCH_KEY, "NoSuchKey", 404, "The specified key does not exist.")                                              \
    X(NO_SUCH_LIFECYCLE, "NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist")            \
    X(NO_SUCH_LOCK_CONFIGURATION, "ObjectLockConfigurationNotFoundError", 404,                                         \
      "Object Lock configuration does not exist for this bucket")                                                      \
    X(NO_SUCH_OBJECT_LOCK, "NoSuchObjectLockConfiguration", 404,                                                       \
      "The specified object does not have a ObjectLock configuration")                                                 \
    X(NO_SUCH_OWNERSHIP, "OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found")        \
    X(NO_SUCH_PUBLIC_ACCESS_BLOCK, "NoSuchPublicAccessBlockConfiguration", 404,                                        \
      "The public access block configuration was not found")                                                           \
    X(NO_SUCH_REPLICATION, "ReplicationConfigurationNotFoundError", 404,                                               \
      "The replication configuration was not found")                                                                   \
    X(NO_SUCH_TAG_SET, "NoSuchTagSet", 404, "The TagSet does not exist")                                               \
    X(NO_SUCH_UPLOAD, "NoSuchUpload", 404,                                                                             \
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "     \
      "completed.")                                                                                                    \
    X(NO_SUCH_VERSION, "NoSuchVersion", 404, "The specified version does not exist.")                                  \
    X(NO_SUCH_WEBSITE, "NoSuchWebsiteConfiguration", 404,                                                              \
      "The specified bucket does not have a website configuration")                                                    \
    X(NOT_IMPLEMENTED, "NotImplemented", 501, "A header you provided implies functionality that is not implemented")   \
    X(PRECONDITION_FAILED, "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold") \
    X(REQUEST_TIMEOUT, "RequestTimeout", 400,                                                                          \
      "Your socket connection to the server was not read from or written to within the timeout period. Idle "          \
      "connections will be closed.")                                                                                   \
    X(REQUEST_TIME_TOO_SKEWED, "RequestTimeTooSkewed", 403,                                                            \
      "The difference between the request time and the current time is too large.")                                    \
    X(SERVICE_UNAVAILABLE, "ServiceUnavailable", 503, "The pool is read-only: nothing can be changed now.")            \
    X(SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400,                                                               \
      "The provided 'x-amz-content-sha256' header does not match what was computed.")                                  \
    X(SIGNATURE_MISMATCH, "SignatureDoesNotMatch", 403,                                                                \
      "The request signature we calculated does not match the signature you provided. Check your key and signing "     \
      "method.")                                                                                                       \
    X(SLOW_DOWN, "SlowDown", 503, "Please reduce your request rate.")                                                  \
    X(STORAGE_FULL, "StorageFull", 507, "There is no space left in the storage pool.")

enum s3_error {
#define S3_ERROR_ENUM(name, code, status, message) S3_ERR_##name,
    S3_ERROR_TABLE(S3_ERROR_ENUM)
#undef S3_ERROR_ENUM
        S3_ERROR_COUNT
};

/* Static strings; never NULL. */
const char *s3_error_code(enum s3_error error);
unsigned s3_error_status(enum s3_error error);
const char *s3_error_message(enum s3_error error);

/* What a result of the store, or of reading a request's body, is to the client. DOL_OK gives S3_ERR_NONE. */
enum s3_error s3_error_of(enum dol_err err);

#endif
