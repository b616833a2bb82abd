/*
 * What a policy may name: the actions of S3, the condition keys that this server gives values to, and principals.
 *
 * A key that requests never have is refused when the policy is given. Keys: the gateway's context function
 * (s3/s3_context.c) is their other half.
 */
#include "policy_impl.h"

#include <string.h>

static const char *const actions[] = {
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketOwnershipControls",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "GetReplicationConfiguration",
    "ListAllMyBuckets",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "PutReplicationConfiguration",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
};

/* In lower case; those that end in '/' go on with a tag's key. */
static const char *const keys[] = {
    "aws:currenttime",
    "aws:epochtime",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltype",
    "aws:referer",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:sourceip",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "s3:authtype",
    "s3:delimiter",
    "s3:existingobjecttag/",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-retain-until-date",
    "s3:prefix",
    "s3:requestobjecttag/",
    "s3:requestobjecttagkeys",
    "s3:resourceaccount",
    "s3:signatureage",
    "s3:signatureversion",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
};

bool policy_action_is_known(struct bytes action)
{
    const char *text = action.data;
    if (action.len == 1 && *text == '*')
        return true;
    if (action.len < 4 || !policy_text_equal(bytes_of(text, 3), bytes_of("s3:", 3), POLICY_CASE_IGNORED))
        return false;
    struct bytes name = bytes_of(text + 3, action.len - 3);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (policy_text_like(name, bytes_of(actions[i], strlen(actions[i])), POLICY_CASE_IGNORED))
            return true;
    return false;
}

bool policy_key_is_known(struct bytes key)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t len = strlen(keys[i]);
        bool goes_on = keys[i][len - 1] == '/';
        if (goes_on ? key.len > len && memcmp(key.data, keys[i], len) == 0
                    : key.len == len && memcmp(key.data, keys[i], len) == 0)
            return true;
    }
    return false;
}

/* ---- principals ---- */

static bool is_id(struct bytes text)
{
    const char *t = text.data;
    if (text.len != 64)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((t[i] < '0' || t[i] > '9') && (t[i] < 'a' || t[i] > 'f'))
            return false;
    return true;
}

struct arn {
    struct bytes account; /* empty: this server's */
    struct bytes name;    /* "root", "user/NAME", "assumed-role/ROLE/SESSION" */
};

static bool arn_of_principal(struct bytes text, struct arn *out)
{
    static const char *const services[] = {"arn:aws:iam::", "arn:aws:sts::"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(services[i]);
        if (text.len <= len || memcmp(text.data, services[i], len) != 0)
            continue;
        const char *rest = (const char *)text.data + len;
        const char *colon = memchr(rest, ':', text.len - len);
        if (colon == NULL)
            return false;
        out->account = bytes_of(rest, (size_t)(colon - rest));
        out->name = bytes_of(colon + 1, text.len - len - (size_t)(colon + 1 - rest));
        return out->name.len > 0;
    }
    return false;
}

static bool has_prefix(struct bytes text, const char *prefix, struct bytes *rest)
{
    size_t len = strlen(prefix);
    if (text.len <= len || memcmp(text.data, prefix, len) != 0)
        return false;
    *rest = bytes_of((const char *)text.data + len, text.len - len);
    return true;
}

bool policy_principal_is_good(struct bytes text)
{
    struct arn arn;
    struct bytes rest;
    if ((text.len == 1 && *(const char *)text.data == '*') || is_id(text))
        return true;
    if (!arn_of_principal(text, &arn) || (arn.account.len > 0 && !is_id(arn.account)))
        return false;
    if (memchr(arn.name.data, '*', arn.name.len) != NULL || memchr(arn.name.data, '?', arn.name.len) != NULL)
        return false;
    return bytes_equal(arn.name, bytes_of("root", 4)) || has_prefix(arn.name, "user/", &rest) ||
           has_prefix(arn.name, "role/", &rest) || has_prefix(arn.name, "assumed-role/", &rest);
}

bool policy_principal_is(struct bytes text, const struct policy_principal *principal)
{
    struct arn arn;
    struct bytes user;
    if (text.len == 1 && *(const char *)text.data == '*')
        return true;
    if (principal->id.len == 0)
        return false;
    if (bytes_equal(text, principal->id) || bytes_equal(text, principal->arn))
        return true;
    if (!arn_of_principal(text, &arn) || (arn.account.len > 0 && !bytes_equal(arn.account, principal->id)))
        return false;
    if (bytes_equal(arn.name, bytes_of("root", 4)))
        return arn.account.len > 0 || principal->is_root;
    return has_prefix(arn.name, "user/", &user) &&
           (bytes_equal(user, principal->name) || bytes_equal(user, principal->id));
}
