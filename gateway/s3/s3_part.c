/*
 * UploadPart and UploadPartCopy.
 *
 * A part is stored like an object, and verified like one. Its checksum is kept in the upload's algorithm, since that is
 * what Complete adds up; a checksum that the client gave in another one (where that is allowed) is verified beside it.
 * The copy answers with the status it deserves when the part is durable: no early 200 with white space behind it, whose
 * errors many clients overlook. Tools copy in parts of some MiB; a single one of 5 GiB takes as long as reading and
 * hashing it does.
 */
#include "s3_handlers.h"

#include "http_date.h"
#include "http_range.h"
#include "s3_copy_source.h"
#include "s3_object.h"
#include "s3_put.h"
#include "s3_reply.h"
#include "s3_upload.h"

#include <inttypes.h>
#include <stdio.h>

static void part_etag(const struct part_info *part, char out[S3_ETAG_TEXT_MAX + 2])
{
    struct etag etag = {.parts = 0};
    char text[S3_ETAG_TEXT_MAX];
    memcpy(etag.md5, part->md5, sizeof etag.md5);
    s3_etag_format(&etag, text);
    snprintf(out, S3_ETAG_TEXT_MAX + 2, "\"%s\"", text);
}

/* ---- UploadPart ---- */

/* Digests of parts can be put together only when all are of the same kind. */
static enum s3_error part_check_checksum(struct s3_request *rq, const struct s3_body *body,
                                         const struct s3_upload_checksum *upload)
{
    enum checksum_alg given = body->client_checksum ? body->computed.alg : CHECKSUM_NONE;
    bool is_missing = given == CHECKSUM_NONE && upload->type == CHECKSUM_COMPOSITE;
    bool is_other = given != CHECKSUM_NONE && given != upload->alg && !s3_upload_takes_any_checksum(upload);
    return is_missing || is_other ? s3_fail_checksum_mismatch(rq, upload->alg, given) : S3_ERR_NONE;
}

static enum s3_error part_receive(struct s3_request *rq, struct s3_body *body, const struct upload_ref *ref,
                                  uint32_t number, struct part_info *part)
{
    struct put *put;
    struct put_finish fin = {0};
    enum s3_error error = s3_error_of(store_part_begin(rq->config->store, ref, number, body->size_bytes, &put));
    if (error != S3_ERR_NONE)
        return error;
    error = s3_put_transfer(body, put);
    if (error != S3_ERR_NONE) {
        store_put_abort(put);
        return error;
    }
    s3_put_fill_finish(body, &fin);
    return s3_error_of(store_part_finish(put, &fin, part));
}

static enum s3_error part_reply(struct s3_request *rq, const struct s3_body *body, const struct part_info *part)
{
    char etag[S3_ETAG_TEXT_MAX + 2];
    char sum[CHECKSUM_TEXT_MAX];
    part_etag(part, etag);
    checksum_format(&body->computed, sum);
    s3_reply_header_bytes(rq, "ETag", s3_bytes_of(etag));
    s3_reply_header_bytes(rq, checksum_header(body->computed.alg), s3_bytes_of(sum));
    s3_reply_encryption(rq);
    return s3_reply_begin(rq, 200, 0);
}

enum s3_error s3_upload_part(struct s3_request *rq)
{
    uint32_t number;
    struct upload_ref ref;
    struct s3_upload_checksum upload;
    struct part_info part;
    struct s3_body *body = arena_alloc(rq->arena, sizeof *body);
    if (body == NULL)
        return S3_ERR_SLOW_DOWN;
    enum s3_error error = s3_part_number_read(rq, &number);
    if (error == S3_ERR_NONE)
        error = s3_upload_ref_read(rq, &ref);
    if (error == S3_ERR_NONE)
        error = s3_upload_checksum_get(rq, &ref, &upload);
    if (error != S3_ERR_NONE)
        return error;
    error = s3_body_open_part(body, rq, upload.alg);
    if (error == S3_ERR_NONE)
        error = part_check_checksum(rq, body, &upload);
    if (error == S3_ERR_NONE)
        error = part_receive(rq, body, &ref, number, &part);
    if (error == S3_ERR_NONE)
        error = part_reply(rq, body, &part);
    s3_body_close(body);
    return error;
}

/* ---- UploadPartCopy ---- */

struct part_copy {
    struct s3_copy_source source;
    struct upload_ref ref;
    uint32_t number;
    struct s3_upload_checksum upload;
    struct http_range range;
    struct checksum sum;
    struct part_info part;
};

/* Of an empty source, that it is empty: such a range has no last byte. */
static enum s3_error part_copy_range(struct s3_request *rq, struct part_copy *copy)
{
    const struct bytes *text = s3_header(rq, "x-amz-copy-source-range");
    uint64_t size = store_object_info(copy->source.object)->size;
    struct http_range any;
    copy->range = (struct http_range){0, size};
    if (text != NULL && !http_range_parse_copy(*text, UINT64_MAX, &any))
        return s3_fail_argument(rq,
                                "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
                                "and last are the zero-based offsets of the first and last bytes to copy",
                                "x-amz-copy-source-range", *text);
    if (text != NULL && !http_range_parse_copy(*text, size, &copy->range))
        return s3_fail_argument(rq,
                                s3_text(rq, "Range specified is not valid for source object of size: %" PRIu64, size),
                                "x-amz-copy-source-range", *text);
    if (copy->range.len <= S3_OBJECT_BYTES_MAX)
        return S3_ERR_NONE;
    return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                   "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
}

static enum s3_error part_copy_run(struct s3_request *rq, struct part_copy *copy)
{
    struct put *put;
    struct checksum_stream stream;
    struct put_finish fin = {.expected_size = copy->range.len};
    if (checksum_stream_init(&stream, copy->upload.alg) != DOL_OK)
        return S3_ERR_SLOW_DOWN;
    enum s3_error error =
        s3_error_of(store_part_begin(rq->config->store, &copy->ref, copy->number, copy->range.len, &put));
    if (error != S3_ERR_NONE)
        goto out;
    error = s3_copy_source_transfer(&copy->source, copy->range.offset, copy->range.len, put, &stream);
    if (error != S3_ERR_NONE) {
        store_put_abort(put);
        goto out;
    }
    checksum_stream_final(&stream, &copy->sum);
    fin.checksum = s3_checksum_kept(&copy->sum, CHECKSUM_FULL_OBJECT);
    enum dol_err err = store_part_finish(put, &fin, &copy->part);
    error = err == DOL_ELENGTH ? S3_ERR_INTERNAL : s3_error_of(err);
out:
    checksum_stream_fini(&stream);
    return error;
}

static void part_copy_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const struct part_copy *copy = arg;
    char date[HTTP_DATE_TEXT_MAX];
    char etag[S3_ETAG_TEXT_MAX + 2];
    char sum[CHECKSUM_TEXT_MAX];
    http_date_format_iso(copy->part.mtime_ns, date);
    part_etag(&copy->part, etag);
    checksum_format(&copy->sum, sum);
    xml_write_open_ns(w, "CopyPartResult", XML_S3_NAMESPACE);
    xml_write_str(w, "LastModified", date);
    xml_write_str(w, "ETag", etag);
    xml_write_str(w, checksum_element(copy->sum.alg), sum);
    xml_write_close(w, "CopyPartResult");
}

static enum s3_error part_copy_read(struct s3_request *rq, struct part_copy *copy)
{
    enum s3_error error = s3_part_number_read(rq, &copy->number);
    if (error == S3_ERR_NONE)
        error = s3_copy_source_read(rq, &copy->source);
    if (error == S3_ERR_NONE)
        error = s3_upload_ref_read(rq, &copy->ref);
    if (error == S3_ERR_NONE)
        error = s3_upload_checksum_get(rq, &copy->ref, &copy->upload);
    return error;
}

enum s3_error s3_upload_part_copy(struct s3_request *rq)
{
    struct part_copy copy = {.number = 0};
    enum s3_error error = part_copy_read(rq, &copy);
    if (error == S3_ERR_NONE)
        error = s3_copy_source_open(rq, &copy.source);
    if (error == S3_ERR_NONE)
        error = part_copy_range(rq, &copy);
    if (error == S3_ERR_NONE)
        error = part_copy_run(rq, &copy);
    if (error == S3_ERR_NONE) {
        s3_copy_source_headers(rq, &copy.source);
        error = s3_reply_xml(rq, 200, part_copy_document, &copy);
    }
    s3_copy_source_close(&copy.source);
    return error;
}
