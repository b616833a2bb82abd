/*
 * The table of headers that are refused, or accepted only with the value that is true here anyway.
 *
 * A request that asks for a lock, a tag, a grant, a key of its own or a condition and gets 200 would leave its sender
 * with a false belief about stored data.
 */
#include "s3_refuse.h"

#include "s3_metadata.h"
#include "s3_route.h"

enum refuse_how {
    REFUSE_ALWAYS,
    REFUSE_ON_OTHERS,     /* conditions: not what the operation knows */
    REFUSE_ACL,           /* only canned ACLs that say what holds anyway */
    REFUSE_STORAGE_CLASS, /* only the classes whose objects can be read at once */
    REFUSE_BOOLEAN,
    REFUSE_OWNERSHIP,  /* only BucketOwnerEnforced */
    REFUSE_ENCRYPTION, /* only the pool's own */
    REFUSE_KMS_KEY,    /* there are none */
};

static const struct {
    const char *name; /* the whole name, or its beginning when it ends in "-" */
    enum refuse_how how;
} refusals[] = {
    {"x-amz-acl", REFUSE_ACL},
    {"x-amz-storage-class", REFUSE_STORAGE_CLASS},
    {"x-amz-object-ownership", REFUSE_OWNERSHIP},
    {"x-amz-bucket-object-lock-enabled", REFUSE_ON_OTHERS},
    {"if-match", REFUSE_ON_OTHERS},
    {"if-none-match", REFUSE_ON_OTHERS},
    {"x-amz-copy-source-range", REFUSE_ON_OTHERS},
    {"x-amz-copy-source-server-side-encryption-", REFUSE_ALWAYS},
    {"x-amz-source-expected-bucket-owner", REFUSE_ON_OTHERS},
    {"x-amz-grant-", REFUSE_ALWAYS},
    {"x-amz-if-match-", REFUSE_ALWAYS},
    {"x-amz-mfa", REFUSE_ALWAYS},
    {"x-amz-object-lock-", REFUSE_ON_OTHERS},
    {"x-amz-server-side-encryption", REFUSE_ENCRYPTION},
    {"x-amz-server-side-encryption-aws-kms-key-id", REFUSE_KMS_KEY},
    {"x-amz-server-side-encryption-", REFUSE_ALWAYS},
    {"x-amz-tagging", REFUSE_ON_OTHERS},
    {"x-amz-write-offset-bytes", REFUSE_ALWAYS},
    {"x-amz-rename-source", REFUSE_ALWAYS},
    {"x-amz-bypass-governance-retention", REFUSE_BOOLEAN},
};

static bool refuse_names(const char *row, struct bytes name)
{
    bool is_prefix = row[strlen(row) - 1] == '-';
    return is_prefix ? s3_bytes_have_prefix(name, row) : bytes_equal_str(name, row);
}

static bool is_one_of(struct bytes value, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_str(value, names[i]))
            return true;
    return false;
}

/* Objects belong to the bucket's owner and are private: two canned ACLs say just that. */
static enum s3_error refuse_acl(struct s3_request *rq, struct bytes value)
{
    static const char *const honoured[] = {"private", "bucket-owner-full-control"};
    static const char *const known[] = {"public-read",   "public-read-write", "authenticated-read",
                                        "aws-exec-read", "bucket-owner-read", "log-delivery-write"};
    if (is_one_of(value, honoured, sizeof honoured / sizeof honoured[0]))
        return S3_ERR_NONE;
    if (is_one_of(value, known, sizeof known / sizeof known[0]))
        return s3_fail_header(rq, "x-amz-acl");
    return s3_fail_argument(rq, NULL, "x-amz-acl", value);
}

/* Every object of an encrypted pool is encrypted by AES-256, asked for or not. */
static enum s3_error refuse_encryption(struct s3_request *rq, struct bytes value)
{
    s3_handler_fn *handler = rq->route->handler;
    if (handler != s3_put_object && handler != s3_copy_object && handler != s3_create_upload)
        return s3_fail_argument(rq, "x-amz-server-side-encryption header is not supported for this operation.",
                                "x-amz-server-side-encryption", value);
    if (s3_bytes_have_prefix(value, "aws:kms") || !store_is_encrypted(rq->config->store))
        return s3_fail_header(rq, "x-amz-server-side-encryption");
    return bytes_equal_str(value, "AES256") ? S3_ERR_NONE
                                            : s3_fail_argument(rq, "The encryption method specified is not supported",
                                                               "x-amz-server-side-encryption", value);
}

/* A key alone means nothing, and with AES256 it contradicts. */
static enum s3_error refuse_kms_key(struct s3_request *rq, struct bytes value)
{
    const struct bytes *how = s3_header(rq, "x-amz-server-side-encryption");
    if (how != NULL && s3_bytes_have_prefix(*how, "aws:kms"))
        return s3_fail_header(rq, "x-amz-server-side-encryption-aws-kms-key-id");
    return s3_fail_argument(rq, "The header x-amz-server-side-encryption-aws-kms-key-id is only applicable to aws:kms.",
                            "x-amz-server-side-encryption-aws-kms-key-id", value);
}

static bool refuse_is_one(s3_handler_fn *handler, s3_handler_fn *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (handler == known[i])
            return true;
    return false;
}

/* Does the operation do what the header asks for? */
static bool refuse_is_known(const struct s3_request *rq, const char *name)
{
    static s3_handler_fn *const writes[] = {s3_put_object, s3_copy_object, s3_complete_upload};
    static s3_handler_fn *const makers[] = {s3_put_object, s3_copy_object, s3_create_upload};
    static s3_handler_fn *const copies[] = {s3_copy_object, s3_upload_part_copy};
    s3_handler_fn *handler = rq->route->handler;
    if (strcmp(name, "x-amz-bucket-object-lock-enabled") == 0)
        return handler == s3_create_bucket;
    if (strcmp(name, "x-amz-tagging") == 0 || strncmp(name, "x-amz-object-lock-", 18) == 0)
        return refuse_is_one(handler, makers, sizeof makers / sizeof makers[0]);
    if (strcmp(name, "x-amz-copy-source-range") == 0)
        return handler == s3_upload_part_copy;
    if (strcmp(name, "x-amz-source-expected-bucket-owner") == 0)
        return refuse_is_one(handler, copies, sizeof copies / sizeof copies[0]);
    if (rq->head->method == HTTP1_METHOD_GET || rq->head->method == HTTP1_METHOD_HEAD)
        return true;
    if (handler == s3_delete_object)
        return strcmp(name, "if-match") == 0;
    return refuse_is_one(handler, writes, sizeof writes / sizeof writes[0]);
}

static const char *const booleans[] = {"true", "false", "True", "False"};

static enum s3_error refuse_header(struct s3_request *rq, enum refuse_how how, const char *name, struct bytes value)
{
    uint8_t storage_class;
    switch (how) {
    case REFUSE_ALWAYS:
        return s3_fail_header(rq, name);
    case REFUSE_ON_OTHERS:
        return refuse_is_known(rq, name) ? S3_ERR_NONE : s3_fail_header(rq, name);
    case REFUSE_ACL:
        return refuse_acl(rq, value);
    case REFUSE_STORAGE_CLASS:
        return s3_storage_class_read(rq, &storage_class);
    case REFUSE_BOOLEAN:
        return is_one_of(value, booleans, sizeof booleans / sizeof booleans[0])
                   ? S3_ERR_NONE
                   : s3_fail_argument(rq, NULL, name, value);
    case REFUSE_OWNERSHIP:
        return bytes_equal_str(value, "BucketOwnerEnforced") ? S3_ERR_NONE : s3_fail_header(rq, name);
    case REFUSE_ENCRYPTION:
        return refuse_encryption(rq, value);
    case REFUSE_KMS_KEY:
        return refuse_kms_key(rq, value);
    }
    return S3_ERR_INTERNAL;
}

/* Ids are canonical user ids here: there are no 12-digit accounts, so any other value names another owner. */
static enum s3_error refuse_other_owner(struct s3_request *rq)
{
    const struct bytes *expected = s3_header(rq, "x-amz-expected-bucket-owner");
    struct bucket_info bucket;
    if (expected == NULL || rq->bucket.len == 0)
        return S3_ERR_NONE;
    enum dol_err err = store_bucket_get(rq->config->store, rq->bucket, &bucket);
    if (err != DOL_OK)
        return s3_error_of(err);
    return bytes_equal_str(*expected, bucket.owner) ? S3_ERR_NONE : S3_ERR_ACCESS_DENIED;
}

enum s3_error s3_refuse_headers(struct s3_request *rq)
{
    for (unsigned i = 0; i < rq->head->header_count; i++) {
        const struct wire_header *h = &rq->head->headers[i];
        for (size_t r = 0; r < sizeof refusals / sizeof refusals[0]; r++) {
            if (!refuse_names(refusals[r].name, h->name))
                continue;
            const char *name = arena_strndup(rq->arena, h->name.data, h->name.len);
            if (name == NULL)
                return S3_ERR_SLOW_DOWN;
            enum s3_error error = refuse_header(rq, refusals[r].how, name, h->value);
            if (error != S3_ERR_NONE)
                return error;
            break;
        }
    }
    return refuse_other_owner(rq);
}
