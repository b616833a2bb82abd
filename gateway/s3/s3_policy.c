/* Policies of buckets: given, checked whole, kept as they came, returned as they are; asked in s3_authorize.c. */
#include "s3_handlers.h"

#include "s3_authorize.h"
#include "s3_body.h"
#include "s3_reply.h"

#include <stdlib.h>

/* In the arena. */
static enum s3_error policy_load(struct s3_request *rq, struct bytes *document)
{
    void *memory;
    enum dol_err err =
        store_bucket_get_document(rq->config->store, rq->bucket, s3_bytes_of(S3_POLICY_DOCUMENT), document, &memory);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? S3_ERR_NO_SUCH_BUCKET_POLICY : s3_error_of(err);
    char *copy = arena_strndup(rq->arena, document->data, document->len);
    free(memory);
    document->data = copy;
    return copy != NULL ? S3_ERR_NONE : S3_ERR_SLOW_DOWN;
}

enum s3_error s3_get_bucket_policy(struct s3_request *rq)
{
    struct bytes document;
    enum s3_error error = policy_load(rq, &document);
    return error != S3_ERR_NONE ? error : s3_reply_bytes(rq, 200, "application/json", document);
}

/* Everybody who is named is somebody here. */
static bool principal_is_there(void *arg, struct bytes principal)
{
    struct s3_request *rq = arg;
    return iam_principal_exists(rq->config->iam, principal);
}

static enum s3_error policy_check_public(struct s3_request *rq, const struct policy *policy)
{
    bool blocked;
    if (!policy_is_public(policy))
        return S3_ERR_NONE;
    enum s3_error error = s3_public_access_blocks(rq, rq->bucket, "BlockPublicPolicy", &blocked);
    return error == S3_ERR_NONE && blocked ? S3_ERR_ACCESS_DENIED : error;
}

static enum s3_error policy_check(struct s3_request *rq, struct bytes document)
{
    struct policy *policy;
    struct policy_why why;
    enum dol_err err = policy_parse(document, POLICY_RESOURCE, rq->bucket, &policy, &why);
    if (err != DOL_OK)
        return err == DOL_ESYNTAX ? s3_fail(rq, S3_ERR_MALFORMED_POLICY, s3_text(rq, "%s", why.text))
                                  : s3_error_of(err);
    enum s3_error error = S3_ERR_NONE;
    if (!policy_each_principal(policy, principal_is_there, rq))
        error = s3_fail(rq, S3_ERR_MALFORMED_POLICY, "Invalid principal in policy");
    if (error == S3_ERR_NONE)
        error = policy_check_public(rq, policy);
    policy_free(policy);
    return error;
}

enum s3_error s3_put_bucket_policy(struct s3_request *rq)
{
    struct bytes document;
    bool has_integrity;

    enum s3_error error = s3_body_document(rq, 2 * POLICY_BYTES_MAX, &document, &has_integrity);
    if (error == S3_ERR_NONE)
        error = policy_check(rq, document);
    if (error == S3_ERR_NONE)
        error = s3_error_of(
            store_bucket_set_document(rq->config->store, rq->bucket, s3_bytes_of(S3_POLICY_DOCUMENT), document));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 204, S3_NO_LENGTH);
}

enum s3_error s3_delete_bucket_policy(struct s3_request *rq)
{
    enum s3_error error =
        s3_error_of(store_bucket_delete_document(rq->config->store, rq->bucket, s3_bytes_of(S3_POLICY_DOCUMENT)));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 204, S3_NO_LENGTH);
}

static void status_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const bool *is_public = arg;
    xml_write_open_ns(w, "PolicyStatus", XML_S3_NAMESPACE);
    xml_write_bool(w, "IsPublic", *is_public);
    xml_write_close(w, "PolicyStatus");
}

enum s3_error s3_get_bucket_policy_status(struct s3_request *rq)
{
    struct bytes document;
    enum s3_error error = policy_load(rq, &document);
    if (error != S3_ERR_NONE)
        return error;
    bool is_public = rq->access.policy != NULL && policy_is_public(rq->access.policy);
    return s3_reply_xml(rq, 200, status_document, &is_public);
}
