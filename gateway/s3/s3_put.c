/*
 * PutObject, and what UploadPart has in common with it: body -> digests -> store, one span at a time; memory doesn't
 * grow with the object.
 *
 * Everything that can be refused from the headers alone is refused before the body is asked for. Every exit but the
 * last aborts the put, so an object appears only when its length, its payload hash, its checksum and its Content-MD5
 * were all right.
 */
#include "s3_handlers.h"

#include "s3_condition.h"
#include "s3_lifecycle.h"
#include "s3_lock.h"
#include "s3_metadata.h"
#include "s3_object.h"
#include "s3_put.h"
#include "s3_reply.h"
#include "s3_tags.h"

enum s3_error s3_put_transfer(struct s3_body *body, struct put *put)
{
    for (;;) {
        struct bytes span;
        enum s3_error error = s3_body_next(body, &span);
        if (error != S3_ERR_NONE || span.len == 0)
            return error;
        enum dol_err err = store_put_write(put, span.data, span.len);
        if (err != DOL_OK)
            return s3_error_of(err);
    }
}

void s3_put_fill_finish(const struct s3_body *body, struct put_finish *fin)
{
    fin->md5 = body->has_md5 ? body->md5 : NULL;
    fin->expected_size = body->size_bytes;
    fin->checksum = s3_checksum_kept(&body->kept, CHECKSUM_FULL_OBJECT);
}

static enum s3_error put_reply(struct s3_request *rq, const struct s3_body *body, const struct put_request *request,
                               const struct put_result *result)
{
    const struct lifecycle_version version = {.key = rq->key,
                                              .size = result->size,
                                              .tags = request->tags,
                                              .tag_count = request->tag_count,
                                              .current = true,
                                              .mtime_ns = result->mtime_ns};
    s3_lifecycle_header(rq, &version);
    char etag[S3_ETAG_TEXT_MAX];
    char sum[CHECKSUM_TEXT_MAX];
    s3_etag_format(&result->etag, etag);
    checksum_format(&body->computed, sum);
    s3_reply_header(rq, "ETag", s3_text(rq, "\"%s\"", etag));
    s3_reply_header(rq, checksum_header(body->computed.alg), s3_text(rq, "%s", sum));
    s3_reply_header(rq, "x-amz-checksum-type", checksum_type_name(CHECKSUM_FULL_OBJECT));
    s3_reply_version(rq, "x-amz-version-id", &result->version, result->null_version);
    s3_reply_encryption(rq);
    return s3_reply_begin(rq, 200, 0);
}

enum s3_error s3_put_object(struct s3_request *rq)
{
    struct put *put = NULL;
    struct put_result result;
    struct put_finish fin = {0};
    struct put_request request = {.bucket = rq->bucket, .key = rq->key, .owner = s3_bytes_of(rq->access.owner)};
    struct s3_body *body = arena_alloc(rq->arena, sizeof *body);
    if (body == NULL)
        return S3_ERR_SLOW_DOWN;
    if (s3_param(rq, "partNumber") != NULL)
        return s3_fail_argument(rq, "This operation does not accept partNumber without uploadId", "partNumber",
                                *s3_param(rq, "partNumber"));
    enum s3_error error = s3_body_open(body, rq, S3_BODY_OBJECT);
    if (error == S3_ERR_NONE)
        error = s3_metadata_read(rq, &request);
    if (error == S3_ERR_NONE)
        error = s3_tags_read(rq, &request);
    if (error == S3_ERR_NONE)
        error = s3_lock_read(rq, &request.retention);
    if (error == S3_ERR_NONE)
        error = s3_condition_read(rq, &request.condition);
    if (error != S3_ERR_NONE)
        goto out;
    request.size_hint = body->size_bytes;
    error = s3_condition_error(rq, store_put_begin(rq->config->store, &request, &put));
    if (error != S3_ERR_NONE)
        goto out;
    error = s3_put_transfer(body, put);
    if (error != S3_ERR_NONE)
        goto out;
    s3_put_fill_finish(body, &fin);
    error = s3_condition_error(rq, store_put_finish(put, &fin, &result));
    put = NULL;
    if (error == S3_ERR_NONE)
        error = put_reply(rq, body, &request, &result);
out:
    if (put != NULL)
        store_put_abort(put);
    s3_body_close(body);
    return error;
}
