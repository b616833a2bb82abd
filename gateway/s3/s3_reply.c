/*
 * Building and sending answers.
 *
 * The length of a document has to be known before its first byte is sent, and a list of 1,000 long keys is some MiB
 * once escaped: so a document is written to be counted, and if it didn't fit one buffer, written again to be sent piece
 * by piece. Memory stays one buffer.
 */
#include "s3_reply.h"

#include "dol_assert.h"
#include "hash.h"
#include "s3_cors.h"

#include <inttypes.h>

#define REPLY_BUFFER_BYTES 16384u

void s3_reply_header(struct s3_request *rq, const char *name, const char *value)
{
    if (rq->reply_headers == NULL)
        rq->reply_headers = arena_alloc(rq->arena, S3_REPLY_HEADERS_MAX * sizeof *rq->reply_headers);
    if (value == NULL || rq->reply_headers == NULL) {
        rq->reply_fault = S3_ERR_SLOW_DOWN;
        return;
    }
    if (rq->reply_header_count == S3_REPLY_HEADERS_MAX) {
        rq->reply_fault = S3_ERR_INTERNAL;
        return;
    }
    rq->reply_headers[rq->reply_header_count++] = (struct exchange_header){name, value};
}

void s3_reply_header_bytes(struct s3_request *rq, const char *name, struct bytes value)
{
    s3_reply_header(rq, name, arena_strndup(rq->arena, value.data, value.len));
}

void s3_reply_header_u64(struct s3_request *rq, const char *name, uint64_t value)
{
    s3_reply_header(rq, name, s3_text(rq, "%" PRIu64, value));
}

void s3_reply_version(struct s3_request *rq, const char *name, const struct version_id *version, bool null_version)
{
    char text[S3_VERSION_TEXT_MAX];
    if (!null_version && version_id_is_zero(version))
        return;
    s3_version_format(version, text);
    s3_reply_header_bytes(rq, name, s3_bytes_of(text));
}

void s3_reply_encryption(struct s3_request *rq)
{
    if (store_is_encrypted(rq->config->store))
        s3_reply_header(rq, "x-amz-server-side-encryption", "AES256");
}

enum s3_error s3_reply_begin(struct s3_request *rq, unsigned status, uint64_t content_length)
{
    s3_cors_headers(rq);
    if (rq->reply_fault != S3_ERR_NONE)
        return rq->reply_fault;
    enum dol_err err = exchange_begin(rq->x, status, rq->reply_headers, rq->reply_header_count, content_length);
    if (err == DOL_OK)
        return S3_ERR_NONE;
    /* Refused before a byte of it left: something else can still be said. */
    if (!rq->x->response_begun && err != DOL_EPEER && err != DOL_ETIMEDOUT)
        return S3_ERR_INTERNAL;
    rq->reply_broken = true;
    rq->x->must_close = true;
    return S3_ERR_NONE;
}

/* ---- documents ---- */

struct reply_sink {
    struct exchange *x; /* NULL: only count */
    uint64_t bytes;
    unsigned pieces;
};

static enum dol_err reply_flush(void *ctx, const char *data, size_t len)
{
    struct reply_sink *sink = ctx;
    sink->bytes += len;
    sink->pieces++;
    return sink->x != NULL ? exchange_write(sink->x, data, len) : DOL_OK;
}

static enum dol_err reply_write_document(const struct s3_request *rq, struct xml_writer *w, s3_document_fn *fn,
                                         const void *arg)
{
    xml_write_declaration(w);
    fn(w, rq, arg);
    return xml_writer_finish(w);
}

enum s3_error s3_reply_xml(struct s3_request *rq, unsigned status, s3_document_fn *fn, const void *arg)
{
    char *buf = arena_alloc(rq->arena, REPLY_BUFFER_BYTES);
    if (buf == NULL)
        return S3_ERR_SLOW_DOWN;
    struct xml_writer w;
    struct reply_sink sink = {0};
    s3_reply_header(rq, "Content-Type", "application/xml");
    xml_writer_init(&w, buf, REPLY_BUFFER_BYTES, reply_flush, &sink);
    enum dol_err err = reply_write_document(rq, &w, fn, arg);
    if (err != DOL_OK)
        return S3_ERR_INTERNAL;

    enum s3_error error = s3_reply_begin(rq, status, sink.bytes);
    if (error != S3_ERR_NONE || rq->reply_broken)
        return error;
    if (sink.pieces == 1) {
        err = exchange_write(rq->x, buf, (size_t)sink.bytes); /* all of it is still there */
    } else {
        sink.x = rq->x;
        xml_writer_init(&w, buf, REPLY_BUFFER_BYTES, reply_flush, &sink);
        err = reply_write_document(rq, &w, fn, arg);
    }
    if (err != DOL_OK)
        rq->x->must_close = true;
    return S3_ERR_NONE;
}

enum s3_error s3_reply_bytes(struct s3_request *rq, unsigned status, const char *content_type, struct bytes body)
{
    s3_reply_header(rq, "Content-Type", content_type);
    enum s3_error error = s3_reply_begin(rq, status, body.len);
    if (error == S3_ERR_NONE && !rq->reply_broken && exchange_write(rq->x, body.data, body.len) != DOL_OK)
        rq->x->must_close = true;
    return error;
}

/* ---- errors ---- */

static void reply_error_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const enum s3_error *error = arg;
    const struct s3_fault *fault = &rq->fault;
    xml_write_open(w, "Error");
    xml_write_str(w, "Code", s3_error_code(*error));
    xml_write_str(w, "Message", fault->message != NULL ? fault->message : s3_error_message(*error));
    for (unsigned i = 0; i < fault->detail_count; i++)
        xml_write_text(w, fault->details[i].name, fault->details[i].value);
    if (rq->bucket.len > 0)
        xml_write_text(w, "BucketName", rq->bucket);
    if (rq->key.len > 0)
        xml_write_text(w, "Key", rq->key);
    xml_write_text(w, "Resource", rq->path);
    xml_write_str(w, "RequestId", rq->x->request_id);
    xml_write_str(w, "HostId", rq->x->request_id);
    xml_write_close(w, "Error");
}

/* A range that cannot be satisfied names the size that it would have to fit (RFC 9110 section 15.5.17); who is told to
 * slow down is told when to come back. */
static void reply_error_headers(struct s3_request *rq, enum s3_error error)
{
    rq->reply_header_count = 0;
    rq->reply_fault = S3_ERR_NONE;
    if (error == S3_ERR_SLOW_DOWN)
        s3_reply_header(rq, "Retry-After", EXCHANGE_RETRY_AFTER_S);
    for (unsigned i = 0; i < rq->fault.detail_count; i++) {
        if (error == S3_ERR_INVALID_RANGE && strcmp(rq->fault.details[i].name, "ActualObjectSize") == 0)
            s3_reply_header(rq, "Content-Range",
                            s3_text(rq, "bytes */%.*s", (int)rq->fault.details[i].value.len,
                                    (const char *)rq->fault.details[i].value.data));
    }
    if (rq->fault.delete_marker) {
        s3_reply_header(rq, "x-amz-delete-marker", "true");
        s3_reply_version(rq, "x-amz-version-id", &rq->fault.version, rq->fault.null_version);
        if (error == S3_ERR_METHOD_NOT_ALLOWED)
            s3_reply_header(rq, "Allow", "DELETE");
    }
    if (error == S3_ERR_NO_SUCH_BUCKET || rq->bucket.len == 0)
        return;
    if (rq->head->method == HTTP1_METHOD_HEAD && rq->key.len == 0)
        s3_reply_header(rq, "x-amz-bucket-region", rq->config->region);
}

void s3_reply_error(struct s3_request *rq, enum s3_error error)
{
    struct exchange *x = rq->x;
    dol_assert(error != S3_ERR_NONE);
    x->error_code = s3_error_code(error);
    if (x->response_begun) {
        x->must_close = true;
        return;
    }
    reply_error_headers(rq, error);
    enum s3_error failed;
    if (rq->head->method == HTTP1_METHOD_HEAD) {
        s3_reply_header(rq, "Content-Type", "application/xml");
        failed = s3_reply_begin(rq, s3_error_status(error), 0);
    } else {
        failed = s3_reply_xml(rq, s3_error_status(error), reply_error_document, &error);
    }
    if (failed != S3_ERR_NONE)
        x->must_close = true;
}
