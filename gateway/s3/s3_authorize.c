/* See s3_authorize.h. */
#include "s3_authorize.h"

#include "log.h"
#include "s3_context.h"
#include "s3_route.h"
#include "s3_tags.h"
#include "xml_shape.h"

#include <stdlib.h>

/* ---- what is known of a bucket ---- */

static void access_free(struct s3_access *a)
{
    policy_free(a->policy);
    memset(a, 0, sizeof *a);
}

void s3_access_fini(struct s3_request *rq)
{
    access_free(&rq->access);
    iam_release(rq->config->iam, &rq->identity);
}

enum s3_error s3_public_access_blocks(struct s3_request *rq, struct bytes bucket, const char *setting, bool *out)
{
    struct bytes document;
    void *memory;
    enum dol_err err = store_bucket_get_document(rq->config->store, bucket, s3_bytes_of(S3_PUBLIC_ACCESS_DOCUMENT),
                                                 &document, &memory);
    struct xml_node *root;
    *out = false;
    if (err == DOL_OK && (err = xml_parse_tree(document, &xml_limits_small, rq->arena, &root)) == DOL_OK)
        *out = xml_child_is_true(root, setting);
    free(memory);
    return err == DOL_ENOTFOUND ? S3_ERR_NONE : s3_error_of(err);
}

/* A policy that can't be read any more takes all rights away that aren't root's. */
static enum s3_error access_load_policy(struct s3_request *rq, struct bytes bucket, struct s3_access *a)
{
    struct bytes document;
    void *memory;
    struct policy_why why;
    enum dol_err err =
        store_bucket_get_document(rq->config->store, bucket, s3_bytes_of(S3_POLICY_DOCUMENT), &document, &memory);
    if (err == DOL_OK)
        err = policy_parse(document, POLICY_RESOURCE, bucket, &a->policy, &why);
    free(memory);
    if (err == DOL_ENOTFOUND)
        return S3_ERR_NONE;
    if (err == DOL_ESYNTAX) {
        log_error("s3", "the policy of bucket %.*s can't be read: %s", (int)bucket.len, (const char *)bucket.data,
                  why.text);
        return rq->identity.is_root ? S3_ERR_NONE : S3_ERR_ACCESS_DENIED;
    }
    return err == DOL_OK ? s3_public_access_blocks(rq, bucket, "RestrictPublicBuckets", &a->restricted)
                         : s3_error_of(err);
}

static enum s3_error access_load(struct s3_request *rq, struct bytes bucket, struct s3_access *a)
{
    struct bucket_info info;
    enum dol_err err = store_bucket_get(rq->config->store, bucket, &info);
    access_free(a);
    a->bucket = bucket;
    if (err == DOL_ENOBUCKET)
        return S3_ERR_NONE;
    if (err != DOL_OK)
        return s3_error_of(err);
    a->exists = true;
    memcpy(a->owner, info.owner, sizeof a->owner);
    return access_load_policy(rq, bucket, a);
}

/* ---- judging ---- */

/* Actions on a bucket's policy, which no policy of the bucket takes from its owner. */
static bool is_policy_action(const char *action)
{
    return strcmp(action, "s3:PutBucketPolicy") == 0 || strcmp(action, "s3:GetBucketPolicy") == 0 ||
           strcmp(action, "s3:DeleteBucketPolicy") == 0;
}

static const char *resource_of(struct s3_request *rq, const struct s3_right *right)
{
    if (right->bucket.len == 0)
        return "*";
    return s3_text(rq, "arn:aws:s3:::%.*s%s%.*s", (int)right->bucket.len, (const char *)right->bucket.data,
                   right->key.len > 0 ? "/" : "", (int)right->key.len,
                   right->key.len > 0 ? (const char *)right->key.data : "");
}

static enum policy_verdict identity_verdict(const struct iam_identity *id, const struct policy_request *request)
{
    enum policy_verdict verdict = id->is_root ? POLICY_ALLOW : POLICY_SILENT;
    for (unsigned i = 0; i < id->policy_count; i++) {
        enum policy_verdict v = policy_evaluate(id->policies[i], request);
        if (v == POLICY_DENY)
            return v;
        verdict = v == POLICY_ALLOW ? v : verdict;
    }
    return verdict;
}

static enum policy_verdict bucket_verdict(const struct s3_request *rq, const struct s3_access *a,
                                          const struct policy_request *request, const struct s3_right *right)
{
    bool own = rq->identity.is_root || (a->exists && strcmp(a->owner, rq->identity.user_id) == 0);
    if (a->policy == NULL)
        return POLICY_SILENT;
    enum policy_verdict verdict = policy_evaluate(a->policy, request);
    if (verdict == POLICY_DENY && own && is_policy_action(right->action))
        return POLICY_SILENT;
    if (verdict == POLICY_ALLOW && !own && a->restricted && policy_is_public(a->policy))
        return POLICY_SILENT;
    return verdict;
}

static enum s3_error judge(struct s3_request *rq, const struct s3_access *a, const struct s3_right *right)
{
    const struct iam_identity *id = &rq->identity;
    bool makes = strcmp(right->action, "s3:CreateBucket") == 0 || right->bucket.len == 0;
    struct s3_context context = {.rq = rq, .right = right};
    if (!makes && a->exists)
        context.owner = s3_bytes_of(a->owner);
    else if (makes && id->user_id[0] != '\0')
        context.owner = s3_bytes_of(id->user_id); /* whose it would be, also where the name is taken */
    const struct policy_principal principal = {.id = s3_bytes_of(id->user_id),
                                               .name = s3_bytes_of(id->display_name),
                                               .arn = s3_bytes_of(id->arn),
                                               .is_root = id->is_root};
    const char *resource = resource_of(rq, right);
    if (resource == NULL)
        return S3_ERR_SLOW_DOWN;
    const struct policy_request request = {.principal = &principal,
                                           .action = s3_bytes_of(right->action),
                                           .resource = s3_bytes_of(resource),
                                           .context = s3_context_values,
                                           .arg = &context};
    enum policy_verdict by_identity = identity_verdict(id, &request);
    enum policy_verdict by_bucket =
        by_identity != POLICY_DENY && !makes ? bucket_verdict(rq, a, &request, right) : POLICY_SILENT;
    s3_context_fini(&context);
    if (by_identity == POLICY_DENY || by_bucket == POLICY_DENY)
        return S3_ERR_ACCESS_DENIED;
    return by_identity == POLICY_ALLOW || by_bucket == POLICY_ALLOW ? S3_ERR_NONE : S3_ERR_ACCESS_DENIED;
}

enum s3_error s3_authorize_right(struct s3_request *rq, const struct s3_right *right)
{
    struct s3_access other = {.exists = false};
    struct s3_access *a = &rq->access;
    enum s3_error error = S3_ERR_NONE;
    if (!bytes_equal(right->bucket, rq->bucket)) {
        a = &other;
        error = access_load(rq, right->bucket, a);
    }
    if (error == S3_ERR_NONE && right->bucket.len > 0 && !a->exists && strcmp(right->action, "s3:CreateBucket") != 0)
        error = S3_ERR_NO_SUCH_BUCKET;
    if (error == S3_ERR_NONE)
        error = judge(rq, a, right);
    access_free(&other);
    return error;
}

/* ---- what a request asks for ---- */

/* Reading, tagging or deleting a version by its id is a right of its own. */
static const struct {
    const char *action, *of_version;
} version_actions[] = {
    {"s3:GetObject", "s3:GetObjectVersion"},
    {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
    {"s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"},
    {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
    {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
    {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
    {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    {"s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"},
};

/* Headers of what makes objects that take a right beside s3:PutObject. */
static const struct {
    const char *header, *action;
} header_actions[] = {
    {"x-amz-object-lock-mode", "s3:PutObjectRetention"},
    {"x-amz-object-lock-retain-until-date", "s3:PutObjectRetention"},
    {"x-amz-object-lock-legal-hold", "s3:PutObjectLegalHold"},
};

static const char *action_of(const struct s3_request *rq, const char *action)
{
    if (s3_param(rq, "versionId") == NULL)
        return action;
    for (size_t i = 0; i < sizeof version_actions / sizeof version_actions[0]; i++)
        if (strcmp(version_actions[i].action, action) == 0)
            return version_actions[i].of_version;
    return action;
}

static enum s3_error authorize_headers(struct s3_request *rq, struct s3_right right)
{
    if (strcmp(right.action, "s3:PutObject") != 0)
        return S3_ERR_NONE;
    for (size_t i = 0; i < sizeof header_actions / sizeof header_actions[0]; i++) {
        right.action = header_actions[i].action;
        enum s3_error error =
            s3_header(rq, header_actions[i].header) != NULL ? s3_authorize_right(rq, &right) : S3_ERR_NONE;
        if (error != S3_ERR_NONE)
            return error;
    }
    return S3_ERR_NONE;
}

enum s3_error s3_authorize(struct s3_request *rq)
{
    struct version_id storage;
    struct put_request tagged = {.tag_count = 0};
    struct s3_right right = {.bucket = rq->bucket, .key = rq->key};
    enum s3_error error = rq->bucket.len > 0 ? access_load(rq, rq->bucket, &rq->access) : S3_ERR_NONE;
    if (error != S3_ERR_NONE || rq->route->action == NULL)
        return error;
    right.action = action_of(rq, rq->route->action);
    const struct bytes *version = s3_param(rq, "versionId");
    if (version != NULL && s3_version_parse(*version, &storage))
        right.version = &storage;
    if (s3_header(rq, "x-amz-tagging") != NULL && s3_tags_read(rq, &tagged) == S3_ERR_NONE) {
        right.tags = tagged.tags;
        right.tag_count = tagged.tag_count;
    }
    rq->fault = (struct s3_fault){.message = NULL}; /* what is wrong with tags, the operation says */
    error = s3_authorize_right(rq, &right);
    return error == S3_ERR_NONE ? authorize_headers(rq, right) : error;
}

enum s3_error s3_authorize_absence(struct s3_request *rq, enum s3_error error)
{
    const struct s3_right list = {.action = "s3:ListBucket", .bucket = rq->bucket};
    bool reads = rq->head->method == HTTP1_METHOD_GET || rq->head->method == HTTP1_METHOD_HEAD;
    if (error != S3_ERR_NO_SUCH_KEY || !reads || s3_authorize_right(rq, &list) == S3_ERR_NONE)
        return error;
    rq->fault = (struct s3_fault){.message = NULL};
    return S3_ERR_ACCESS_DENIED;
}

bool s3_authorize_listing(struct s3_request *rq, const struct bucket_info *bucket)
{
    static const char *const actions[] = {"s3:ListBucket", "s3:GetBucketLocation"};
    struct s3_access a = {.exists = true};
    struct s3_right right = {.bucket = s3_bytes_of(bucket->name)};
    bool own = strcmp(bucket->owner, rq->identity.user_id) == 0;
    memcpy(a.owner, bucket->owner, sizeof a.owner);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0] && !own; i++) {
        right.action = actions[i];
        own = judge(rq, &a, &right) == S3_ERR_NONE;
    }
    return own;
}
