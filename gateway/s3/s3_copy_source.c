/*
 * Finding and reading the source of a copy.
 *
 * The bytes are read as for any GET, verified, and put as in any PUT: deduplication makes it cheap, and nothing about
 * the new object depends on the old one staying.
 */
#include "s3_copy_source.h"

#include "s3_authorize.h"
#include "s3_object.h"
#include "s3_reply.h"

static enum s3_error source_fail(struct s3_request *rq, const char *message)
{
    return s3_fail_argument(rq, message, "x-amz-copy-source", *s3_header(rq, "x-amz-copy-source"));
}

/* The query of the header: "?versionId=id" or nothing. */
static enum s3_error source_read_version(struct s3_request *rq, struct s3_copy_source *source, struct bytes query)
{
    static const char prefix[] = "?versionId=";
    if (query.len == 0)
        return S3_ERR_NONE;
    if (!s3_bytes_have_prefix(query, prefix))
        return source_fail(rq, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    struct bytes id = bytes_of((const char *)query.data + sizeof prefix - 1, query.len - (sizeof prefix - 1));
    if (!s3_version_parse(id, &source->version_storage))
        return source_fail(rq, "Invalid version id specified");
    source->version = &source->version_storage;
    return S3_ERR_NONE;
}

/* "/bucket/key?versionId=id", URL-encoded, the first slash optional. */
static enum s3_error source_read_place(struct s3_request *rq, struct s3_copy_source *source, struct bytes path)
{
    struct bytes decoded;
    enum dol_err err = uri_decode(path, URI_DECODE_PATH, rq->arena, &decoded);
    if (err == DOL_ENOMEM)
        return S3_ERR_SLOW_DOWN;
    if (err != DOL_OK)
        return source_fail(rq, "Invalid copy source encoding");
    const char *at = decoded.data;
    if (decoded.len > 0 && at[0] == '/')
        decoded = bytes_of(++at, decoded.len - 1);
    const char *slash = decoded.len > 0 ? memchr(at, '/', decoded.len) : NULL;
    if (slash == NULL)
        return source_fail(rq, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    source->bucket = bytes_of(at, (size_t)(slash - at));
    source->key = bytes_of(slash + 1, decoded.len - source->bucket.len - 1);
    if (!uri_bucket_name_is_valid(source->bucket))
        return source_fail(rq, "Invalid copy source bucket name");
    if (uri_key_check(source->key) != URI_KEY_OK)
        return source_fail(rq, "Invalid copy source object key");
    return S3_ERR_NONE;
}

/* An error about the source names it. */
static enum s3_error source_authorize(struct s3_request *rq, const struct s3_copy_source *source, const char *action,
                                      const char *of_version)
{
    const struct s3_right right = {.action = source->version != NULL ? of_version : action,
                                   .bucket = source->bucket,
                                   .key = source->key,
                                   .version = source->version};
    enum s3_error error = s3_authorize_right(rq, &right);
    if (error == S3_ERR_NO_SUCH_BUCKET)
        rq->bucket = source->bucket;
    return error;
}

enum s3_error s3_copy_source_authorize_tags(struct s3_request *rq, const struct s3_copy_source *source)
{
    return store_object_info(source->object)->tag_count == 0
               ? S3_ERR_NONE
               : source_authorize(rq, source, "s3:GetObjectTagging", "s3:GetObjectVersionTagging");
}

enum s3_error s3_copy_source_read(struct s3_request *rq, struct s3_copy_source *source)
{
    const struct bytes text = *s3_header(rq, "x-amz-copy-source");
    struct bytes path = text;
    *source = (struct s3_copy_source){.version = NULL};
    const char *query = text.len > 0 ? memchr(text.data, '?', text.len) : NULL;
    if (query != NULL)
        path.len = (size_t)(query - (const char *)text.data);
    enum s3_error error = source_read_version(rq, source, bytes_of(query, text.len - path.len));
    if (error == S3_ERR_NONE)
        error = source_read_place(rq, source, path);
    if (error != S3_ERR_NONE)
        return error;
    return source_authorize(rq, source, "s3:GetObject", "s3:GetObjectVersion");
}

/* x-amz-source-expected-bucket-owner: as for the target, ids are canonical user ids. */
static enum s3_error source_check_owner(struct s3_request *rq, const struct s3_copy_source *source)
{
    const struct bytes *expected = s3_header(rq, "x-amz-source-expected-bucket-owner");
    struct bucket_info bucket;
    if (expected == NULL)
        return S3_ERR_NONE;
    enum dol_err err = store_bucket_get(rq->config->store, source->bucket, &bucket);
    if (err != DOL_OK)
        return s3_error_of(err);
    return bytes_equal_str(*expected, bucket.owner) ? S3_ERR_NONE : S3_ERR_ACCESS_DENIED;
}

static enum s3_error source_open_object(struct s3_request *rq, struct s3_copy_source *source)
{
    enum s3_error error = source_check_owner(rq, source);
    if (error != S3_ERR_NONE)
        return error;
    enum dol_err err =
        store_object_open(rq->config->store, source->bucket, source->key, source->version, &source->object);
    if (err != DOL_OK) {
        source->object = NULL;
        return s3_error_of(err);
    }
    if (!store_object_info(source->object)->delete_marker)
        return S3_ERR_NONE;
    if (source->version == NULL)
        return S3_ERR_NO_SUCH_KEY;
    return s3_fail(rq, S3_ERR_INVALID_REQUEST, "The source of a copy request may not be a delete marker.");
}

enum s3_error s3_copy_source_open(struct s3_request *rq, struct s3_copy_source *source)
{
    const char *failed;
    enum s3_error error = source_open_object(rq, source);
    if (error != S3_ERR_NONE) {
        /* The error is about these. */
        rq->bucket = source->bucket;
        rq->key = source->key;
        return error;
    }
    const struct object_info *info = store_object_info(source->object);
    if (s3_condition_check(rq, "x-amz-copy-source-", info, &failed) == S3_CONDITION_PROCEED)
        return S3_ERR_NONE;
    s3_fault_detail(rq, "Condition", s3_bytes_of(s3_text(rq, "x-amz-copy-source-%s", failed)));
    return S3_ERR_PRECONDITION_FAILED;
}

enum s3_error s3_copy_source_transfer(struct s3_copy_source *source, uint64_t offset, uint64_t len, struct put *put,
                                      struct checksum_stream *stream)
{
    if (len == 0)
        return S3_ERR_NONE;
    enum dol_err err = store_object_seek(source->object, offset, len);
    while (err == DOL_OK) {
        struct bytes span;
        err = store_object_read(source->object, &span);
        if (err != DOL_OK || span.len == 0)
            break;
        checksum_stream_update(stream, span.data, span.len);
        err = store_put_write(put, span.data, span.len);
    }
    return s3_error_of(err);
}

void s3_copy_source_headers(struct s3_request *rq, const struct s3_copy_source *source)
{
    const struct object_info *info = store_object_info(source->object);
    s3_reply_version(rq, "x-amz-copy-source-version-id", &info->version, info->null_version);
}

void s3_copy_source_close(struct s3_copy_source *source)
{
    if (source->object != NULL)
        store_object_close(source->object);
    source->object = NULL;
}
