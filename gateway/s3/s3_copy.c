/*
 * CopyObject: the bytes of one object become another, or the same one gets other metadata (how sync tools set times).
 *
 * The source's MD5 and checksum are held against what was read, so a copy is never less verified than an upload. A copy
 * is one piece whatever its source was: its ETag is the MD5 of its bytes and its checksum that of all of them.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 */
#include "s3_handlers.h"

#include "http_date.h"
#include "s3_body.h"
#include "s3_condition.h"
#include "s3_copy_source.h"
#include "s3_lock.h"
#include "s3_metadata.h"
#include "s3_object.h"
#include "s3_reply.h"
#include "s3_tags.h"

#include <stdio.h>

struct copy {
    struct s3_copy_source source;
    bool replace_metadata;
    bool replace_tags;
    enum checksum_alg alg; /* NONE: as the source */
    struct checksum sum;
    struct put_result result;
};

/* ---- the request ---- */

/* COPY or REPLACE. */
static enum s3_error copy_read_directive(struct s3_request *rq, const char *name, bool *replace)
{
    const struct bytes *value = s3_header(rq, name);
    *replace = value != NULL && bytes_equal_str(*value, "REPLACE");
    if (value == NULL || *replace || bytes_equal_str(*value, "COPY"))
        return S3_ERR_NONE;
    return s3_fail_argument(rq, "Unknown directive.", name, *value);
}

static enum s3_error copy_read(struct s3_request *rq, struct copy *copy)
{
    enum s3_error error = s3_copy_source_read(rq, &copy->source);
    if (error == S3_ERR_NONE)
        error = copy_read_directive(rq, "x-amz-metadata-directive", &copy->replace_metadata);
    if (error == S3_ERR_NONE)
        error = copy_read_directive(rq, "x-amz-tagging-directive", &copy->replace_tags);
    if (error != S3_ERR_NONE)
        return error;
    const struct bytes *algorithm = s3_header(rq, "x-amz-checksum-algorithm");
    if (algorithm != NULL && (copy->alg = checksum_of_name(*algorithm)) == CHECKSUM_NONE)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST, "Value for x-amz-checksum-algorithm header is invalid.");
    return S3_ERR_NONE;
}

/* Onto itself only with something changed. An old version that becomes the current one is a change. */
static enum s3_error copy_check_self(struct s3_request *rq, const struct copy *copy, const struct put_request *put)
{
    const struct object_info *info = store_object_info(copy->source.object);
    bool is_self = bytes_equal(copy->source.bucket, rq->bucket) && bytes_equal(copy->source.key, rq->key) &&
                   copy->source.version == NULL;
    bool is_changed = copy->replace_metadata || put->headers[HEADER_WEBSITE_REDIRECT].len > 0 ||
                      (s3_header(rq, "x-amz-storage-class") != NULL && put->storage_class != info->storage_class);
    if (!is_self || is_changed)
        return S3_ERR_NONE;
    return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                   "This copy request is illegal because it is trying to copy an object to itself without changing the "
                   "object's metadata, storage class, website redirect location or encryption attributes.");
}

/* ---- what the copy will be ---- */

static enum s3_error copy_source_metadata(struct s3_request *rq, const struct copy *copy, struct put_request *put)
{
    const struct object *object = copy->source.object;
    struct metadata_pair pair;
    unsigned count = 0;
    memcpy(put->headers, store_object_info(object)->headers, sizeof put->headers);
    /* AWS: neither of them is copied; the request says what they are. */
    enum s3_error error = s3_metadata_read_redirect(rq, &put->headers[HEADER_WEBSITE_REDIRECT]);
    if (error == S3_ERR_NONE)
        error = s3_storage_class_read(rq, &put->storage_class);
    if (error != S3_ERR_NONE)
        return error;
    while (store_object_metadata(object, count, &pair))
        count++;
    if (count == 0)
        return S3_ERR_NONE;
    struct metadata_pair *pairs = arena_alloc(rq->arena, count * sizeof *pairs);
    if (pairs == NULL)
        return S3_ERR_SLOW_DOWN;
    for (unsigned i = 0; i < count; i++)
        if (!store_object_metadata(object, i, &pairs[i]))
            return S3_ERR_INTERNAL;
    put->metadata = pairs;
    put->metadata_count = count;
    return S3_ERR_NONE;
}

static enum s3_error copy_prepare(struct s3_request *rq, struct copy *copy, struct put_request *put)
{
    const struct object_info *info = store_object_info(copy->source.object);
    if (info->size > S3_OBJECT_BYTES_MAX)
        return s3_fail(
            rq, S3_ERR_INVALID_REQUEST,
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
    enum s3_error error = copy->replace_metadata ? s3_metadata_read(rq, put) : copy_source_metadata(rq, copy, put);
    if (error == S3_ERR_NONE)
        error = copy->replace_tags ? S3_ERR_NONE : s3_copy_source_authorize_tags(rq, &copy->source);
    if (error == S3_ERR_NONE)
        error = copy->replace_tags ? s3_tags_read(rq, put) : s3_tags_copy(rq, copy->source.object, put);
    if (error == S3_ERR_NONE)
        error = s3_lock_read(rq, &put->retention);
    if (error == S3_ERR_NONE)
        error = copy_check_self(rq, copy, put);
    if (error == S3_ERR_NONE)
        error = s3_condition_read(rq, &put->condition);
    if (copy->alg == CHECKSUM_NONE)
        copy->alg = info->checksum.alg != CHECKSUM_NONE ? (enum checksum_alg)info->checksum.alg : CHECKSUM_CRC64NVME;
    put->size_hint = info->size;
    return error;
}

/* ---- copying ---- */

static bool copy_differs(const struct copy *copy)
{
    const struct object_checksum *stored = &store_object_info(copy->source.object)->checksum;
    return stored->alg == copy->sum.alg && stored->type == CHECKSUM_FULL_OBJECT &&
           memcmp(stored->value, copy->sum.b, checksum_bytes(copy->sum.alg)) != 0;
}

/* Takes put, whatever comes of it. */
static enum s3_error copy_finish(struct s3_request *rq, struct copy *copy, struct put *put)
{
    const struct object_info *info = store_object_info(copy->source.object);
    struct put_finish fin = {.expected_size = info->size};
    if (copy_differs(copy)) {
        store_put_abort(put);
        return S3_ERR_INTERNAL;
    }
    fin.md5 = info->etag.parts == 0 ? info->etag.md5 : NULL;
    fin.checksum = s3_checksum_kept(&copy->sum, CHECKSUM_FULL_OBJECT);
    enum dol_err err = store_put_finish(put, &fin, &copy->result);
    /* The client gave no digest: one that doesn't match is ours to answer for. */
    return err == DOL_EDIGEST || err == DOL_ELENGTH ? S3_ERR_INTERNAL : s3_condition_error(rq, err);
}

static enum s3_error copy_run(struct s3_request *rq, struct copy *copy)
{
    struct put *put = NULL;
    struct checksum_stream stream;
    struct put_request request = {.bucket = rq->bucket, .key = rq->key, .owner = s3_bytes_of(rq->access.owner)};
    enum s3_error error = copy_prepare(rq, copy, &request);
    if (error != S3_ERR_NONE)
        return error;
    if (checksum_stream_init(&stream, copy->alg) != DOL_OK)
        return S3_ERR_SLOW_DOWN;
    error = s3_condition_error(rq, store_put_begin(rq->config->store, &request, &put));
    if (error != S3_ERR_NONE)
        goto out;
    error = s3_copy_source_transfer(&copy->source, 0, request.size_hint, put, &stream);
    if (error != S3_ERR_NONE) {
        store_put_abort(put);
        goto out;
    }
    checksum_stream_final(&stream, &copy->sum);
    error = copy_finish(rq, copy, put);
out:
    checksum_stream_fini(&stream);
    return error;
}

static void copy_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const struct copy *copy = arg;
    char date[HTTP_DATE_TEXT_MAX];
    char etag[S3_ETAG_TEXT_MAX];
    char quoted[S3_ETAG_TEXT_MAX + 2];
    char sum[CHECKSUM_TEXT_MAX];
    http_date_format_iso(copy->result.mtime_ns, date);
    s3_etag_format(&copy->result.etag, etag);
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    checksum_format(&copy->sum, sum);
    xml_write_open_ns(w, "CopyObjectResult", XML_S3_NAMESPACE);
    xml_write_str(w, "LastModified", date);
    xml_write_str(w, "ETag", quoted);
    xml_write_str(w, checksum_element(copy->sum.alg), sum);
    xml_write_str(w, "ChecksumType", checksum_type_name(CHECKSUM_FULL_OBJECT));
    xml_write_close(w, "CopyObjectResult");
}

static enum s3_error copy_reply(struct s3_request *rq, const struct copy *copy)
{
    s3_copy_source_headers(rq, &copy->source);
    s3_reply_version(rq, "x-amz-version-id", &copy->result.version, copy->result.null_version);
    s3_reply_encryption(rq);
    return s3_reply_xml(rq, 200, copy_document, copy);
}

enum s3_error s3_copy_object(struct s3_request *rq)
{
    struct copy copy = {.alg = CHECKSUM_NONE};
    enum s3_error error = copy_read(rq, &copy);
    if (error == S3_ERR_NONE)
        error = s3_copy_source_open(rq, &copy.source);
    if (error == S3_ERR_NONE)
        error = copy_run(rq, &copy);
    if (error == S3_ERR_NONE)
        error = copy_reply(rq, &copy);
    s3_copy_source_close(&copy.source);
    return error;
}
