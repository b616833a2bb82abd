/*
 * The policies that are always there: the roles. Each is a policy like any other, and can be looked at.
 *
 * service   has every right on the buckets it owns, and may make some
 * operator  runs the appliance: buckets and their settings; what could read or change patient data, or hand out the
 *           right to, is denied, whatever else is attached
 * auditor   sees that what was archived is there, how long it is kept and what the settings are; no content, no change
 */
#include "iam_picture.h"

const struct iam_builtin iam_builtins[] = {
    {"auditor",
     "{\n"
     "  \"Version\": \"2012-10-17\",\n"
     "  \"Statement\": [\n"
     "    {\"Effect\": \"Allow\", \"Action\": [\"s3:ListAllMyBuckets\", \"s3:ListBucket\", \"s3:ListBucketVersions\",\n"
     "      \"s3:ListBucketMultipartUploads\", \"s3:GetBucket*\", \"s3:GetEncryptionConfiguration\",\n"
     "      \"s3:GetLifecycleConfiguration\", \"s3:GetReplicationConfiguration\", \"s3:GetObjectAttributes\",\n"
     "      \"s3:GetObjectVersionAttributes\", \"s3:GetObjectLegalHold\", \"s3:GetObjectRetention\",\n"
     "      \"s3:GetObjectTagging\", \"s3:GetObjectVersionTagging\"], \"Resource\": \"*\"},\n"
     "    {\"Effect\": \"Deny\", \"NotAction\": [\"s3:Get*\", \"s3:List*\"], \"Resource\": \"*\"},\n"
     "    {\"Effect\": \"Deny\", \"Action\": [\"s3:GetObject\", \"s3:GetObjectVersion\", \"s3:GetObjectTorrent\",\n"
     "      \"s3:GetObjectVersionTorrent\", \"s3:GetObjectVersionForReplication\"], \"Resource\": \"*\"}\n"
     "  ]\n"
     "}\n"},
    {"operator",
     "{\n"
     "  \"Version\": \"2012-10-17\",\n"
     "  \"Statement\": [\n"
     "    {\"Effect\": \"Allow\", \"Action\": [\"s3:ListAllMyBuckets\", \"s3:CreateBucket\", \"s3:DeleteBucket\",\n"
     "      \"s3:GetBucket*\", \"s3:PutBucket*\", \"s3:GetEncryptionConfiguration\", "
     "\"s3:PutEncryptionConfiguration\",\n"
     "      \"s3:GetLifecycleConfiguration\", \"s3:PutLifecycleConfiguration\", "
     "\"s3:DeleteBucketOwnershipControls\"],\n"
     "      \"Resource\": \"*\"},\n"
     "    {\"Effect\": \"Deny\", \"Action\": [\"s3:*Object\", \"s3:*ObjectAcl\", \"s3:*ObjectAttributes\",\n"
     "      \"s3:*ObjectTagging\", \"s3:*ObjectVersion*\", \"s3:*ObjectRetention\", \"s3:*ObjectLegalHold\",\n"
     "      \"s3:*ObjectTorrent\", \"s3:ListBucket\", \"s3:ListBucketVersions\", \"s3:*MultipartUpload*\",\n"
     "      \"s3:BypassGovernanceRetention\", \"s3:PutBucketPolicy\", \"s3:DeleteBucketPolicy\", "
     "\"s3:PutBucketAcl\"],\n"
     "      \"Resource\": \"*\"}\n"
     "  ]\n"
     "}\n"},
    {"service", "{\n"
                "  \"Version\": \"2012-10-17\",\n"
                "  \"Statement\": [\n"
                "    {\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\",\n"
                "      \"Condition\": {\"StringEquals\": {\"aws:ResourceAccount\": \"${aws:userid}\"}}}\n"
                "  ]\n"
                "}\n"},
    {NULL, NULL},
};
