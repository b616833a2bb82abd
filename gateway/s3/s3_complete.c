/*
 * CompleteMultipartUpload: a list of parts becomes an object.
 *
 * The answer comes when the object is durable and visible, with the status it deserves: completing appends one record,
 * so there is no need for an early 200 with white space behind it. The headers x-amz-checksum-*, x-amz-checksum-type
 * and x-amz-mp-object-size speak of the object, not of the list.
 *
 * A client whose answer was lost sends the request again, when the upload is gone; the store knows it by its object.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
#include "s3_handlers.h"

#include "hash.h"
#include "s3_body.h"
#include "s3_condition.h"
#include "s3_object.h"
#include "s3_reply.h"
#include "s3_upload.h"
#include "xml_requests.h"

#include <inttypes.h>
#include <stdio.h>

struct complete {
    struct xml_complete_upload list;
    struct complete_request request;
    struct complete_result result;
    bool is_again; /* the upload has ended: only a repeated request can succeed */
    struct s3_upload_checksum upload;
    enum checksum_alg given_alg; /* of the x-amz-checksum-* header; NONE: there is none */
    struct bytes given;          /* its value */
};

/* ---- headers ---- */

static enum s3_error complete_find_checksum(struct s3_request *rq, struct complete *c)
{
    for (unsigned i = 0; i < rq->head->header_count; i++) {
        const struct wire_header *h = &rq->head->headers[i];
        enum checksum_alg alg = checksum_of_header(h->name);
        if (alg == CHECKSUM_NONE)
            continue;
        if (c->given_alg != CHECKSUM_NONE)
            return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                           "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
        c->given_alg = alg;
        c->given = h->value;
    }
    return S3_ERR_NONE;
}

/* base64, or base64-N when it is composite. */
static enum s3_error complete_read_checksum(struct s3_request *rq, struct complete *c)
{
    struct checksum sum;
    struct bytes text = c->given;
    const char *dash = text.len > 0 ? memchr(text.data, '-', text.len) : NULL;
    uint64_t parts = c->list.count;
    if (c->given_alg == CHECKSUM_NONE)
        return S3_ERR_NONE;
    bool valid = dash == NULL || c->upload.type == CHECKSUM_COMPOSITE;
    if (dash != NULL) {
        text.len = (size_t)(dash - (const char *)text.data);
        valid = valid && s3_parse_u64(bytes_of(dash + 1, c->given.len - text.len - 1), UPLOAD_PARTS_MAX, &parts);
    }
    if (!valid || !checksum_parse(c->given_alg, text, &sum))
        return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                       s3_text(rq, "Value for %s header is invalid.", checksum_header(c->given_alg)));
    if (c->given_alg != c->upload.alg)
        return s3_fail_checksum_mismatch(rq, c->upload.alg, c->given_alg);
    if (parts != c->list.count)
        return s3_fail(rq, S3_ERR_BAD_DIGEST, "The checksum you specified is of another number of parts.");
    c->request.checksum = s3_checksum_kept(&sum, c->upload.type);
    return S3_ERR_NONE;
}

static enum s3_error complete_read_type(struct s3_request *rq, const struct complete *c)
{
    const struct bytes *text = s3_header(rq, "x-amz-checksum-type");
    enum checksum_type type;
    if (text == NULL)
        return S3_ERR_NONE;
    if (!checksum_type_parse(*text, &type))
        return s3_fail(rq, S3_ERR_INVALID_REQUEST, "Value for x-amz-checksum-type header is invalid.");
    if (type == c->upload.type)
        return S3_ERR_NONE;
    return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                   s3_text(rq,
                           "The upload was created using the %s checksum mode. The complete request must use the same "
                           "checksum mode.",
                           checksum_type_name(c->upload.type)));
}

static enum s3_error complete_read_size(struct s3_request *rq, struct complete *c)
{
    const struct bytes *text = s3_header(rq, "x-amz-mp-object-size");
    c->request.expected_size = UINT64_MAX;
    if (text == NULL || s3_parse_u64(*text, UINT64_MAX - 1, &c->request.expected_size))
        return S3_ERR_NONE;
    return s3_fail(rq, S3_ERR_INVALID_REQUEST, "Value for x-amz-mp-object-size header is invalid.");
}

/* ---- the list ---- */

static enum s3_error complete_fail_part(struct s3_request *rq, const struct complete *c, unsigned i,
                                        enum s3_error error)
{
    const struct xml_upload_part *part = &c->list.parts[i];
    char etag[2 * sizeof part->md5 + 1];
    hex_encode(part->md5, sizeof part->md5, etag);
    if (error == S3_ERR_ENTITY_TOO_SMALL)
        s3_fault_detail(rq, "MinSizeAllowed", s3_bytes_of(s3_text(rq, "%llu", S3_PART_BYTES_MIN)));
    else
        s3_fault_detail(rq, "UploadId", *s3_param(rq, "uploadId"));
    s3_fault_detail(rq, "PartNumber", s3_bytes_of(s3_text(rq, "%" PRIu32, part->number)));
    if (part->has_md5)
        s3_fault_detail(rq, "ETag", s3_bytes_of(s3_text(rq, "%s", etag)));
    return error;
}

/* Numbers ascend strictly; a part that no upload could have isn't there. */
static enum s3_error complete_check_list(struct s3_request *rq, const struct complete *c)
{
    for (unsigned i = 0; i < c->list.count; i++) {
        const struct xml_upload_part *part = &c->list.parts[i];
        if (part->bad_checksum)
            return s3_fail(rq, S3_ERR_INVALID_ARGUMENT, "Invalid Base64 or multiple checksums present in request");
        if (part->number == 0 || !part->has_md5)
            return complete_fail_part(rq, c, i, S3_ERR_INVALID_PART);
        if (i > 0 && part->number <= c->list.parts[i - 1].number)
            return S3_ERR_INVALID_PART_ORDER;
    }
    return S3_ERR_NONE;
}

static enum s3_error complete_read_list(struct s3_request *rq, struct complete *c)
{
    struct bytes document;
    enum s3_error error = s3_body_complete_document(rq, S3_COMPLETE_BYTES_MAX, &document);
    if (error != S3_ERR_NONE)
        return error;
    if (document.len == 0)
        return s3_fail(rq, S3_ERR_MALFORMED_XML, "You must specify at least one part");
    enum dol_err err = xml_parse_complete_upload(document, rq->arena, &c->list);
    if (err == DOL_ENOMEM)
        return S3_ERR_SLOW_DOWN;
    return err != DOL_OK ? S3_ERR_MALFORMED_XML : complete_check_list(rq, c);
}

/* A checksum of parts needs those of all parts; one of all bytes can do without. */
static enum s3_error complete_part_checksum(struct s3_request *rq, const struct complete *c, unsigned i,
                                            struct object_checksum *out)
{
    const struct checksum *sum = &c->list.parts[i].checksum;
    if (c->is_again)
        return S3_ERR_NONE;
    if (sum->alg == c->upload.alg) {
        *out = s3_checksum_kept(sum, CHECKSUM_FULL_OBJECT);
        return S3_ERR_NONE;
    }
    if (c->upload.type == CHECKSUM_COMPOSITE)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                       s3_text(rq,
                               "The upload was created using a %s checksum. The complete request must include the "
                               "checksum for each part. It was missing for part %" PRIu32 " in the request.",
                               s3_checksum_lower_name(rq, c->upload.alg), c->list.parts[i].number));
    if (sum->alg == CHECKSUM_NONE || s3_upload_takes_any_checksum(&c->upload))
        return S3_ERR_NONE; /* verified when the part came; its MD5 says that it is the same part */
    return complete_fail_part(rq, c, i, S3_ERR_INVALID_PART);
}

static enum s3_error complete_fill_parts(struct s3_request *rq, struct complete *c)
{
    struct complete_part *parts = arena_alloc(rq->arena, c->list.count * sizeof *parts);
    if (parts == NULL)
        return S3_ERR_SLOW_DOWN;
    for (unsigned i = 0; i < c->list.count; i++) {
        parts[i].number = c->list.parts[i].number;
        memcpy(parts[i].md5, c->list.parts[i].md5, sizeof parts[i].md5);
        enum s3_error error = complete_part_checksum(rq, c, i, &parts[i].checksum);
        if (error != S3_ERR_NONE)
            return error;
    }
    c->request.parts = parts;
    c->request.part_count = c->list.count;
    return S3_ERR_NONE;
}

/* ---- completing ---- */

static enum s3_error complete_read(struct s3_request *rq, struct complete *c)
{
    enum s3_error error = s3_upload_ref_read(rq, &c->request.upload);
    if (error == S3_ERR_NONE)
        error = s3_condition_read(rq, &c->request.condition);
    if (error == S3_ERR_NONE)
        error = complete_find_checksum(rq, c);
    if (error == S3_ERR_NONE)
        error = complete_read_size(rq, c);
    if (error == S3_ERR_NONE)
        error = complete_read_list(rq, c);
    if (error != S3_ERR_NONE)
        return error;
    error = s3_upload_checksum_get(rq, &c->request.upload, &c->upload);
    c->is_again = error == S3_ERR_NO_SUCH_UPLOAD;
    if (error == S3_ERR_NONE)
        error = complete_read_checksum(rq, c);
    if (error == S3_ERR_NONE)
        error = complete_read_type(rq, c);
    return error == S3_ERR_NONE || c->is_again ? complete_fill_parts(rq, c) : error;
}

static enum s3_error complete_run(struct s3_request *rq, struct complete *c)
{
    c->request.part_bytes_min = S3_PART_BYTES_MIN;
    enum dol_err err = store_upload_complete(rq->config->store, &c->request, &c->result);
    switch (err) {
    case DOL_EPART:
    case DOL_ETOOSMALL:
        return complete_fail_part(rq, c, c->result.bad_part, s3_error_of(err));
    case DOL_ELENGTH:
        return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                       "The provided 'x-amz-mp-object-size' header does not match what was computed.");
    case DOL_EDIGEST:
        return s3_fail(
            rq, S3_ERR_BAD_DIGEST,
            s3_text(rq, "The %s you specified did not match the calculated checksum.", checksum_name(c->given_alg)));
    case DOL_ENOUPLOAD:
        s3_fault_detail(rq, "UploadId", *s3_param(rq, "uploadId"));
        return S3_ERR_NO_SUCH_UPLOAD;
    default:
        return s3_condition_error(rq, err);
    }
}

struct complete_answer {
    const char *location;
    const char *etag;
    const char *checksum;
    const struct object_checksum *kept;
};

static void complete_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct complete_answer *answer = arg;
    xml_write_open_ns(w, "CompleteMultipartUploadResult", XML_S3_NAMESPACE);
    xml_write_str(w, "Location", answer->location);
    xml_write_text(w, "Bucket", rq->bucket);
    xml_write_text(w, "Key", rq->key);
    xml_write_str(w, "ETag", answer->etag);
    if (answer->kept->alg != CHECKSUM_NONE) {
        xml_write_str(w, checksum_element((enum checksum_alg)answer->kept->alg), answer->checksum);
        xml_write_str(w, "ChecksumType", checksum_type_name((enum checksum_type)answer->kept->type));
    }
    xml_write_close(w, "CompleteMultipartUploadResult");
}

static enum s3_error complete_reply(struct s3_request *rq, const struct complete *c)
{
    const struct put_result *put = &c->result.put;
    struct bytes host = rq->head->host;
    char etag[S3_ETAG_TEXT_MAX];
    s3_etag_format(&put->etag, etag);
    struct complete_answer answer = {
        .location = s3_text(rq, "%s://%.*s%.*s", rq->x->tls ? "https" : "http", (int)host.len, (const char *)host.data,
                            (int)rq->path.len, (const char *)rq->path.data),
        .etag = s3_text(rq, "\"%s\"", etag),
        .checksum = s3_checksum_text(rq, &c->result.checksum, put->etag.parts),
        .kept = &c->result.checksum,
    };
    /* The object is there: a full arena doesn't change that, and a repeated request gets the same answer. */
    if (answer.location == NULL || answer.etag == NULL || answer.checksum == NULL)
        return S3_ERR_SLOW_DOWN;
    s3_reply_version(rq, "x-amz-version-id", &put->version, put->null_version);
    s3_reply_encryption(rq);
    return s3_reply_xml(rq, 200, complete_document, &answer);
}

enum s3_error s3_complete_upload(struct s3_request *rq)
{
    struct complete c = {.given_alg = CHECKSUM_NONE};
    enum s3_error error = complete_read(rq, &c);
    if (error == S3_ERR_NONE)
        error = complete_run(rq, &c);
    return error != S3_ERR_NONE ? error : complete_reply(rq, &c);
}
