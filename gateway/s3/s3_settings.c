/* Versioning of a bucket, and sub-resources that tools ask for on their way, answered with what is true of every bucket
 * and object here. */
#include "s3_handlers.h"

#include "s3_body.h"
#include "s3_object.h"
#include "s3_reply.h"
#include "xml_requests.h"

static enum s3_error settings_bucket(struct s3_request *rq, struct bucket_info *bucket)
{
    return s3_error_of(store_bucket_get(rq->config->store, rq->bucket, bucket));
}

/* The bucket must exist; the answer is the same for all. */
static enum s3_error settings_reply(struct s3_request *rq, s3_document_fn *fn)
{
    struct bucket_info bucket;
    enum s3_error error = settings_bucket(rq, &bucket);
    return error != S3_ERR_NONE ? error : s3_reply_xml(rq, 200, fn, NULL);
}

static void location_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)arg;
    bool is_default = strcmp(rq->config->region, "us-east-1") == 0;
    xml_write_open_ns(w, "LocationConstraint", XML_S3_NAMESPACE);
    xml_write_escaped(w, s3_bytes_of(is_default ? "" : rq->config->region));
    xml_write_close(w, "LocationConstraint");
}

enum s3_error s3_get_bucket_location(struct s3_request *rq)
{
    return settings_reply(rq, location_document);
}

static void empty_document(struct xml_writer *w, const char *name)
{
    xml_write_open_ns(w, name, XML_S3_NAMESPACE);
    xml_write_close(w, name);
}

static void versioning_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const uint8_t *versioning = arg;
    xml_write_open_ns(w, "VersioningConfiguration", XML_S3_NAMESPACE);
    if (*versioning != BUCKET_VERSIONING_OFF)
        xml_write_str(w, "Status", *versioning == BUCKET_VERSIONING_ENABLED ? "Enabled" : "Suspended");
    xml_write_close(w, "VersioningConfiguration");
}

enum s3_error s3_get_bucket_versioning(struct s3_request *rq)
{
    struct bucket_info bucket;
    enum s3_error error = settings_bucket(rq, &bucket);
    return error != S3_ERR_NONE ? error : s3_reply_xml(rq, 200, versioning_document, &bucket.versioning);
}

/* MFA delete needs devices of AWS: it can't be on. */
enum s3_error s3_put_bucket_versioning(struct s3_request *rq)
{
    struct bytes document;
    struct xml_versioning request;
    bool has_integrity;
    uint8_t versioning;
    enum s3_error error = s3_body_document(rq, S3_DOCUMENT_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE)
        return error;
    enum dol_err err = xml_parse_versioning(document, rq->arena, &request);
    if (err != DOL_OK)
        return err == DOL_ENOMEM ? S3_ERR_SLOW_DOWN : S3_ERR_MALFORMED_XML;
    if (bytes_equal_str(request.mfa_delete, "Enabled"))
        return s3_fail(rq, S3_ERR_NOT_IMPLEMENTED, "MfaDelete is not offered");
    if (request.status.len == 0)
        return S3_ERR_ILLEGAL_VERSIONING;
    if (bytes_equal_str(request.status, "Enabled"))
        versioning = BUCKET_VERSIONING_ENABLED;
    else if (bytes_equal_str(request.status, "Suspended"))
        versioning = BUCKET_VERSIONING_SUSPENDED;
    else
        return S3_ERR_MALFORMED_XML;
    err = store_bucket_set_versioning(rq->config->store, rq->bucket, versioning);
    if (err == DOL_ERETAINED)
        return s3_fail(rq, S3_ERR_INVALID_BUCKET_STATE,
                       "An Object Lock configuration is present on this bucket, so the versioning state cannot be "
                       "changed.");
    return err != DOL_OK ? s3_error_of(err) : s3_reply_begin(rq, 200, 0);
}

static void request_payment_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    (void)arg;
    xml_write_open_ns(w, "RequestPaymentConfiguration", XML_S3_NAMESPACE);
    xml_write_str(w, "Payer", "BucketOwner");
    xml_write_close(w, "RequestPaymentConfiguration");
}

enum s3_error s3_get_bucket_request_payment(struct s3_request *rq)
{
    return settings_reply(rq, request_payment_document);
}

static void logging_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    (void)arg;
    empty_document(w, "BucketLoggingStatus");
}

enum s3_error s3_get_bucket_logging(struct s3_request *rq)
{
    return settings_reply(rq, logging_document);
}

static void notification_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    (void)arg;
    empty_document(w, "NotificationConfiguration");
}

enum s3_error s3_get_bucket_notification(struct s3_request *rq)
{
    return settings_reply(rq, notification_document);
}

/* ---- ACLs: the owner has everything, nobody else has anything ---- */

static void acl_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct bytes *owner = arg;
    xml_write_open_ns(w, "AccessControlPolicy", XML_S3_NAMESPACE);
    s3_write_owner(w, rq, "Owner", *owner);
    xml_write_open(w, "AccessControlList");
    xml_write_open(w, "Grant");
    xml_write_raw(w, "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
    xml_write_text(w, "ID", *owner);
    if (bytes_equal_str(*owner, rq->identity.user_id))
        xml_write_str(w, "DisplayName", rq->identity.display_name);
    xml_write_close(w, "Grantee");
    xml_write_str(w, "Permission", "FULL_CONTROL");
    xml_write_close(w, "Grant");
    xml_write_close(w, "AccessControlList");
    xml_write_close(w, "AccessControlPolicy");
}

enum s3_error s3_get_bucket_acl(struct s3_request *rq)
{
    struct bucket_info bucket;
    enum s3_error error = settings_bucket(rq, &bucket);
    if (error != S3_ERR_NONE)
        return error;
    struct bytes owner = s3_bytes_of(bucket.owner);
    return s3_reply_xml(rq, 200, acl_document, &owner);
}

enum s3_error s3_get_object_acl(struct s3_request *rq)
{
    struct object *object;
    enum s3_error error = s3_object_open(rq, &object);
    if (error != S3_ERR_NONE)
        return error;
    struct bytes owner = store_object_info(object)->owner;
    error = s3_reply_xml(rq, 200, acl_document, &owner);
    store_object_close(object);
    return error;
}
