/*
 * Settings of a bucket that are XML documents: given, checked, kept with the bucket as they came, returned as they are.
 * What can't be kept to is refused here, so that whatever a bucket has is true of it.
 *
 * A setting goes by its sub-resource in the request's query, which is also the name that the store knows it by.
 */
#include "s3_handlers.h"

#include "s3_body.h"
#include "s3_cors.h"
#include "s3_lifecycle.h"
#include "s3_reply.h"
#include "s3_route.h"
#include "s3_tags.h"

#include "xml_shape.h"

#include <stdlib.h>

#define SETTING_BYTES_MAX 65536u /* AWS: 64 KiB of CORS rules, the longest */
#define BUCKET_TAGS_MAX   50u

/* Checks what fits the shape; may put another document in the place of what came. */
typedef enum s3_error setting_check_fn(struct s3_request *rq, const struct xml_node *root, struct bytes *document);

struct setting {
    const char *param;
    const struct xml_shape *shape;
    setting_check_fn *check; /* NULL: what fits is right */
    enum s3_error absent;    /* what the bucket lacks */
    unsigned put_status;
};

/* ---- tags ---- */

static const struct xml_shape tag_shape[] = {
    {.name = "Key", .min = 1, .max = 1}, {.name = "Value", .min = 1, .max = 1}, {0}};
static const struct xml_shape tag_set_shape[] = {{.name = "Tag", .max = UINT16_MAX, .children = tag_shape}, {0}};
static const struct xml_shape tagging_children[] = {{.name = "TagSet", .min = 1, .max = 1, .children = tag_set_shape},
                                                    {0}};
static const struct xml_shape tagging_shape = {.name = "Tagging", .children = tagging_children};

static enum s3_error tagging_check(struct s3_request *rq, const struct xml_node *root, struct bytes *document)
{
    struct metadata_pair tags[BUCKET_TAGS_MAX];
    unsigned count = 0;
    (void)document;
    for (const struct xml_node *tag = xml_child(xml_child(root, "TagSet"), "Tag"); tag != NULL; tag = xml_next(tag)) {
        if (count == BUCKET_TAGS_MAX)
            return s3_fail(rq, S3_ERR_BAD_REQUEST, "Bucket tag count cannot be greater than 50");
        tags[count++] = (struct metadata_pair){xml_child_text(tag, "Key"), xml_child_text(tag, "Value")};
    }
    return s3_tags_check(rq, tags, count);
}

/* ---- encryption: every object of an encrypted pool is, by AES-256 ---- */

static const char *const algorithms[] = {"AES256", "aws:kms", "aws:kms:dsse", NULL};
static const struct xml_shape by_default_shape[] = {
    {.name = "SSEAlgorithm", .min = 1, .max = 1, .values = algorithms}, {.name = "KMSMasterKeyID", .max = 1}, {0}};
static const struct xml_shape encryption_rule_shape[] = {
    {.name = "ApplyServerSideEncryptionByDefault", .min = 1, .max = 1, .children = by_default_shape},
    {.name = "BucketKeyEnabled", .max = 1, .values = xml_shape_booleans},
    {0}};
static const struct xml_shape encryption_children[] = {
    {.name = "Rule", .min = 1, .max = 1, .children = encryption_rule_shape}, {0}};
static const struct xml_shape encryption_shape = {.name = "ServerSideEncryptionConfiguration",
                                                  .children = encryption_children};

static enum s3_error encryption_check(struct s3_request *rq, const struct xml_node *root, struct bytes *document)
{
    const struct xml_node *by_default = xml_child(xml_child(root, "Rule"), "ApplyServerSideEncryptionByDefault");
    (void)document;
    if (!bytes_equal_str(xml_child_text(by_default, "SSEAlgorithm"), "AES256"))
        return s3_fail(rq, S3_ERR_NOT_IMPLEMENTED, "Encryption by keys of a KMS is not offered");
    if (xml_child(by_default, "KMSMasterKeyID") != NULL)
        return s3_fail(rq, S3_ERR_INVALID_ARGUMENT,
                       "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms");
    if (!store_is_encrypted(rq->config->store))
        return s3_fail(rq, S3_ERR_NOT_IMPLEMENTED, "This pool was made without encryption");
    return S3_ERR_NONE;
}

/* ---- public access: asked when a policy is given, and when one allows something (s3_authorize.c) ---- */

static const struct xml_shape public_access_children[] = {
    {.name = "BlockPublicAcls", .max = 1, .values = xml_shape_booleans},
    {.name = "IgnorePublicAcls", .max = 1, .values = xml_shape_booleans},
    {.name = "BlockPublicPolicy", .max = 1, .values = xml_shape_booleans},
    {.name = "RestrictPublicBuckets", .max = 1, .values = xml_shape_booleans},
    {0}};
static const struct xml_shape public_access_shape = {.name = "PublicAccessBlockConfiguration",
                                                     .children = public_access_children};

/* All four are always told, those that weren't given as false. */
static enum s3_error public_access_check(struct s3_request *rq, const struct xml_node *root, struct bytes *document)
{
    const char *text = "";
    for (const struct xml_shape *s = public_access_children; s->name != NULL && text != NULL; s++)
        text =
            s3_text(rq, "%s<%s>%s</%s>", text, s->name, xml_child_is_true(root, s->name) ? "true" : "false", s->name);
    if (text != NULL)
        text = s3_text(rq, "<PublicAccessBlockConfiguration xmlns=\"%s\">%s</PublicAccessBlockConfiguration>",
                       XML_S3_NAMESPACE, text);
    if (text == NULL)
        return S3_ERR_SLOW_DOWN;
    *document = s3_bytes_of(text);
    return S3_ERR_NONE;
}

/* ---- ownership: without ACLs, all is the bucket owner's ---- */

static const char *const ownerships[] = {"BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter", NULL};
static const struct xml_shape ownership_rule_shape[] = {
    {.name = "ObjectOwnership", .min = 1, .max = 1, .values = ownerships}, {0}};
static const struct xml_shape ownership_children[] = {
    {.name = "Rule", .min = 1, .max = 1, .children = ownership_rule_shape}, {0}};
static const struct xml_shape ownership_shape = {.name = "OwnershipControls", .children = ownership_children};

static enum s3_error ownership_check(struct s3_request *rq, const struct xml_node *root, struct bytes *document)
{
    (void)document;
    return bytes_equal_str(xml_child_text(xml_child(root, "Rule"), "ObjectOwnership"), "BucketOwnerEnforced")
               ? S3_ERR_NONE
               : s3_fail(rq, S3_ERR_NOT_IMPLEMENTED, "ACLs are not offered: only BucketOwnerEnforced is");
}

/* ---- the verbs ---- */

static enum s3_error cors_check(struct s3_request *rq, const struct xml_node *root, struct bytes *document)
{
    (void)document;
    return s3_cors_check(rq, root);
}

static const struct setting settings[] = {
    {"tagging", &tagging_shape, tagging_check, S3_ERR_NO_SUCH_TAG_SET, 204},
    {S3_CORS_DOCUMENT, &s3_cors_shape, cors_check, S3_ERR_NO_SUCH_CORS, 200},
    {"encryption", &encryption_shape, encryption_check, S3_ERR_NO_SUCH_ENCRYPTION, 200},
    {"publicAccessBlock", &public_access_shape, public_access_check, S3_ERR_NO_SUCH_PUBLIC_ACCESS_BLOCK, 200},
    {S3_LIFECYCLE_DOCUMENT, NULL, NULL, S3_ERR_NO_SUCH_LIFECYCLE, 0}, /* put by s3_put_lifecycle() */
    {"ownershipControls", &ownership_shape, ownership_check, S3_ERR_NO_SUCH_OWNERSHIP, 200},
};

/* The route table names no other. */
static const struct setting *setting_of(const struct s3_request *rq)
{
    unsigned i = 0;
    while (strcmp(settings[i].param, rq->route->param) != 0)
        i++;
    return &settings[i];
}

enum s3_error s3_get_setting(struct s3_request *rq)
{
    const struct setting *setting = setting_of(rq);
    struct bytes document;
    void *memory;
    enum dol_err err =
        store_bucket_get_document(rq->config->store, rq->bucket, s3_bytes_of(setting->param), &document, &memory);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? setting->absent : s3_error_of(err);
    enum s3_error error = s3_reply_bytes(rq, 200, "application/xml", document);
    free(memory);
    return error;
}

enum s3_error s3_put_setting(struct s3_request *rq)
{
    const struct setting *setting = setting_of(rq);
    struct bytes document;
    struct xml_node *root;
    bool has_integrity;
    enum s3_error error = s3_body_document(rq, SETTING_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE)
        return error;
    enum dol_err err = xml_shape_parse(document, setting->shape, rq->arena, &root);
    if (err != DOL_OK)
        return err == DOL_ENOMEM ? S3_ERR_SLOW_DOWN : S3_ERR_MALFORMED_XML;
    error = setting->check(rq, root, &document);
    if (error == S3_ERR_NONE)
        error = s3_error_of(
            store_bucket_set_document(rq->config->store, rq->bucket, s3_bytes_of(setting->param), document));
    if (error != S3_ERR_NONE)
        return error;
    return s3_reply_begin(rq, setting->put_status, setting->put_status == 204 ? S3_NO_LENGTH : 0);
}

enum s3_error s3_delete_setting(struct s3_request *rq)
{
    enum s3_error error =
        s3_error_of(store_bucket_delete_document(rq->config->store, rq->bucket, s3_bytes_of(setting_of(rq)->param)));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 204, S3_NO_LENGTH);
}

/* ---- what is off and stays so: to say that it shall be off is right ---- */

static enum s3_error settled_read(struct s3_request *rq, struct xml_node **root)
{
    struct bytes document;
    struct bucket_info bucket;
    bool has_integrity;
    enum s3_error error = s3_body_document(rq, SETTING_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE)
        return error;
    enum dol_err err = xml_parse_tree(document, &xml_limits_small, rq->arena, root);
    if (err != DOL_OK)
        return err == DOL_ENOMEM ? S3_ERR_SLOW_DOWN : S3_ERR_MALFORMED_XML;
    return s3_error_of(store_bucket_get(rq->config->store, rq->bucket, &bucket));
}

enum s3_error s3_put_bucket_request_payment(struct s3_request *rq)
{
    struct xml_node *root;
    enum s3_error error = settled_read(rq, &root);
    if (error != S3_ERR_NONE)
        return error;
    struct bytes payer = xml_child_text(root, "Payer");
    if (strcmp(root->name, "RequestPaymentConfiguration") != 0)
        return S3_ERR_MALFORMED_XML;
    if (bytes_equal_str(payer, "BucketOwner"))
        return s3_reply_begin(rq, 200, 0);
    return bytes_equal_str(payer, "Requester") ? s3_fail(rq, S3_ERR_NOT_IMPLEMENTED, "Requester pays is not offered")
                                               : S3_ERR_MALFORMED_XML;
}

enum s3_error s3_put_bucket_logging(struct s3_request *rq)
{
    struct xml_node *root;
    enum s3_error error = settled_read(rq, &root);
    if (error != S3_ERR_NONE)
        return error;
    if (strcmp(root->name, "BucketLoggingStatus") != 0)
        return S3_ERR_MALFORMED_XML;
    if (root->first_child == NULL)
        return s3_reply_begin(rq, 200, 0);
    return strcmp(root->first_child->name, "LoggingEnabled") == 0
               ? s3_fail(rq, S3_ERR_NOT_IMPLEMENTED, "Server access logs in buckets are not offered")
               : S3_ERR_MALFORMED_XML;
}

enum s3_error s3_delete_bucket_website(struct s3_request *rq)
{
    struct bucket_info bucket;
    enum s3_error error = s3_error_of(store_bucket_get(rq->config->store, rq->bucket, &bucket));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 204, S3_NO_LENGTH);
}
