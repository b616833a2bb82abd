/*
 * CopyObject: the bytes of one object become another, or the same one gets other metadata (how sync tools set times).
 *
 * Reads verified bytes and puts them as any other object: deduplication makes it cheap, and nothing about the new
 * object depends on the old one staying. The source's MD5 and checksum are held against what was read, so a copy is
 * never less verified than an upload.
 */
#include "s3_handlers.h"

#include "checksum.h"
#include "http_date.h"
#include "s3_auth.h"
#include "s3_metadata.h"
#include "s3_object.h"
#include "s3_reply.h"

#include <stdio.h>

struct copy {
    struct bytes bucket; /* source */
    struct bytes key;
    struct version_id version_storage;
    const struct version_id *version; /* NULL: the current one */
    bool replace_metadata;
    enum checksum_alg alg; /* NONE: as the source */
    struct object *object;
    struct checksum sum;
    struct put_result result;
};

/* ---- the request ---- */

static enum s3_error copy_fail_source(struct s3_request *rq, struct bytes text)
{
    return s3_fail_argument(rq, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                            "x-amz-copy-source", text);
}

/* "/bucket/key?versionId=id", URL-encoded, the first slash optional. */
static enum s3_error copy_read_source(struct s3_request *rq, struct copy *copy)
{
    static const char version_prefix[] = "?versionId=";
    const struct bytes text = *s3_header(rq, "x-amz-copy-source");
    struct bytes path = text;
    const char *query = text.len > 0 ? memchr(text.data, '?', text.len) : NULL;
    if (query != NULL) {
        path.len = (size_t)(query - (const char *)text.data);
        struct bytes rest = bytes_of(query, text.len - path.len);
        if (!s3_bytes_have_prefix(rest, version_prefix))
            return copy_fail_source(rq, text);
        struct bytes id = bytes_of(query + sizeof version_prefix - 1, rest.len - (sizeof version_prefix - 1));
        if (!bytes_equal_str(id, "null")) {
            if (!s3_version_parse(id, &copy->version_storage))
                return s3_fail_argument(rq, "Invalid version id specified", "x-amz-copy-source", text);
            copy->version = &copy->version_storage;
        }
    }
    struct bytes decoded;
    enum dol_err err = uri_decode(path, URI_DECODE_PATH, rq->arena, &decoded);
    if (err == DOL_ENOMEM)
        return S3_ERR_SLOW_DOWN;
    if (err != DOL_OK)
        return s3_fail_argument(rq, "Invalid copy source encoding", "x-amz-copy-source", text);
    const char *at = decoded.data;
    if (decoded.len > 0 && at[0] == '/')
        decoded = bytes_of(++at, decoded.len - 1);
    const char *slash = decoded.len > 0 ? memchr(at, '/', decoded.len) : NULL;
    if (slash == NULL)
        return copy_fail_source(rq, text);
    copy->bucket = bytes_of(at, (size_t)(slash - at));
    copy->key = bytes_of(slash + 1, decoded.len - copy->bucket.len - 1);
    if (!uri_bucket_name_is_valid(copy->bucket))
        return s3_fail_argument(rq, "Invalid copy source bucket name", "x-amz-copy-source", text);
    if (uri_key_check(copy->key) != URI_KEY_OK)
        return s3_fail_argument(rq, "Invalid copy source object key", "x-amz-copy-source", text);
    return S3_ERR_NONE;
}

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
    bool replace_tags; /* there are none to copy, and new ones are refused elsewhere */
    enum s3_error error = copy_read_source(rq, copy);
    if (error == S3_ERR_NONE)
        error = copy_read_directive(rq, "x-amz-metadata-directive", &copy->replace_metadata);
    if (error == S3_ERR_NONE)
        error = copy_read_directive(rq, "x-amz-tagging-directive", &replace_tags);
    if (error != S3_ERR_NONE)
        return error;
    const struct bytes *algorithm = s3_header(rq, "x-amz-checksum-algorithm");
    if (algorithm != NULL && (copy->alg = checksum_of_name(*algorithm)) == CHECKSUM_NONE)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST, "Value for x-amz-checksum-algorithm header is invalid.");
    bool is_self = bytes_equal(copy->bucket, rq->bucket) && bytes_equal(copy->key, rq->key) && copy->version == NULL;
    if (is_self && !copy->replace_metadata)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                       "This copy request is illegal because it is trying to copy an object to itself without changing "
                       "the object's metadata, storage class, website redirect location or encryption attributes.");
    return s3_authorize(&rq->identity, "s3:GetObject", copy->bucket, copy->key) ? S3_ERR_NONE : S3_ERR_ACCESS_DENIED;
}

/* ---- the source ---- */

static enum s3_error copy_open(struct s3_request *rq, struct copy *copy)
{
    const char *failed;
    enum dol_err err = store_object_open(rq->config->store, copy->bucket, copy->key, copy->version, &copy->object);
    if (err != DOL_OK) {
        copy->object = NULL;
        /* The error is about these. */
        rq->bucket = copy->bucket;
        rq->key = copy->key;
        return err == DOL_ENOTFOUND && copy->version != NULL ? S3_ERR_NO_SUCH_VERSION : s3_error_of(err);
    }
    const struct object_info *info = store_object_info(copy->object);
    if (info->delete_marker)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST, "The source of a copy request may not be a delete marker.");
    if (info->size > S3_OBJECT_BYTES_MAX)
        return s3_fail(
            rq, S3_ERR_INVALID_REQUEST,
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
    if (s3_condition_check(rq, "x-amz-copy-source-", info, &failed) != S3_CONDITION_PROCEED) {
        s3_fault_detail(rq, "Condition", s3_bytes_of(s3_text(rq, "x-amz-copy-source-%s", failed)));
        return S3_ERR_PRECONDITION_FAILED;
    }
    return S3_ERR_NONE;
}

static enum s3_error copy_source_metadata(struct s3_request *rq, const struct copy *copy, struct put_request *put)
{
    const struct object_info *info = store_object_info(copy->object);
    struct metadata_pair pair;
    unsigned count = 0;
    memcpy(put->headers, info->headers, sizeof put->headers);
    put->headers[HEADER_WEBSITE_REDIRECT] = bytes_of(NULL, 0); /* AWS: never copied */
    while (store_object_metadata(copy->object, count, &pair))
        count++;
    if (count == 0)
        return S3_ERR_NONE;
    struct metadata_pair *pairs = arena_alloc(rq->arena, count * sizeof *pairs);
    if (pairs == NULL)
        return S3_ERR_SLOW_DOWN;
    for (unsigned i = 0; i < count; i++)
        if (!store_object_metadata(copy->object, i, &pairs[i]))
            return S3_ERR_INTERNAL;
    put->metadata = pairs;
    put->metadata_count = count;
    return S3_ERR_NONE;
}

/* ---- copying ---- */

static enum s3_error copy_transfer(struct copy *copy, struct put *put, struct checksum_stream *stream)
{
    uint64_t size = store_object_info(copy->object)->size;
    if (size == 0)
        return S3_ERR_NONE;
    enum dol_err err = store_object_seek(copy->object, 0, size);
    while (err == DOL_OK) {
        struct bytes span;
        err = store_object_read(copy->object, &span);
        if (err != DOL_OK || span.len == 0)
            break;
        checksum_stream_update(stream, span.data, span.len);
        err = store_put_write(put, span.data, span.len);
    }
    return s3_error_of(err);
}

static bool copy_keeps_checksum(const struct copy *copy)
{
    const struct object_checksum *stored = &store_object_info(copy->object)->checksum;
    return stored->alg != CHECKSUM_NONE && stored->type == CHECKSUM_FULL_OBJECT;
}

/* Takes put, whatever comes of it. */
static enum s3_error copy_finish(struct copy *copy, struct put *put)
{
    const struct object_info *info = store_object_info(copy->object);
    struct put_finish fin = {.expected_size = info->size};
    if (copy_keeps_checksum(copy) && info->checksum.alg == copy->sum.alg &&
        memcmp(info->checksum.value, copy->sum.b, checksum_bytes(copy->sum.alg)) != 0) {
        store_put_abort(put);
        return S3_ERR_INTERNAL;
    }
    fin.md5 = info->etag.parts == 0 ? info->etag.md5 : NULL;
    fin.checksum.alg = (uint8_t)copy->sum.alg;
    fin.checksum.type = CHECKSUM_FULL_OBJECT;
    fin.checksum.bytes = (uint8_t)checksum_bytes(copy->sum.alg);
    memcpy(fin.checksum.value, copy->sum.b, sizeof fin.checksum.value);
    enum dol_err err = store_put_finish(put, &fin, &copy->result);
    /* The client gave no digest: one that doesn't match is ours to answer for. */
    return err == DOL_EDIGEST || err == DOL_ELENGTH ? S3_ERR_INTERNAL : s3_error_of(err);
}

static enum s3_error copy_run(struct s3_request *rq, struct copy *copy)
{
    struct put *put = NULL;
    struct checksum_stream stream;
    struct put_request request = {.bucket = rq->bucket, .key = rq->key, .owner = s3_bytes_of(rq->identity.user_id)};
    const struct object_info *info = store_object_info(copy->object);
    request.size_hint = info->size;
    enum s3_error error =
        copy->replace_metadata ? s3_metadata_read(rq, &request) : copy_source_metadata(rq, copy, &request);
    if (error != S3_ERR_NONE)
        return error;
    if (copy->alg == CHECKSUM_NONE)
        copy->alg = copy_keeps_checksum(copy) ? (enum checksum_alg)info->checksum.alg : CHECKSUM_CRC64NVME;
    if (checksum_stream_init(&stream, copy->alg) != DOL_OK)
        return S3_ERR_SLOW_DOWN;
    error = s3_error_of(store_put_begin(rq->config->store, &request, &put));
    if (error != S3_ERR_NONE)
        goto out;
    error = copy_transfer(copy, put, &stream);
    if (error != S3_ERR_NONE) {
        store_put_abort(put);
        goto out;
    }
    checksum_stream_final(&stream, &copy->sum);
    error = copy_finish(copy, put);
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

enum s3_error s3_copy_object(struct s3_request *rq)
{
    struct copy copy = {0};
    enum s3_error error = copy_read(rq, &copy);
    if (error == S3_ERR_NONE)
        error = copy_open(rq, &copy);
    if (error == S3_ERR_NONE)
        error = copy_run(rq, &copy);
    if (copy.object != NULL)
        store_object_close(copy.object);
    return error != S3_ERR_NONE ? error : s3_reply_xml(rq, 200, copy_document, &copy);
}
