/*
 * CreateMultipartUpload and AbortMultipartUpload, and what all verbs of uploads share.
 *
 * An upload keeps what the object will be, so everything that can be refused about that is refused here. Which
 * combinations of algorithm and type there are: SHA-1 and SHA-256 add up to a digest of the parts' digests (COMPOSITE)
 * only, CRC64NVME only to that of all bytes (FULL_OBJECT), CRC32 and CRC32C to either.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
 */
#include "s3_upload.h"

#include "hash.h"
#include "s3_handlers.h"
#include "s3_lock.h"
#include "s3_metadata.h"
#include "s3_reply.h"
#include "s3_tags.h"

#include <stdlib.h>

/* ---- shared ---- */

bool s3_upload_id_parse(struct bytes text, struct upload_id *id)
{
    return text.len == 2 * sizeof id->b && hex_decode(text.data, text.len, id->b, sizeof id->b);
}

void s3_upload_id_format(const struct upload_id *id, char out[S3_UPLOAD_ID_TEXT_MAX])
{
    hex_encode(id->b, sizeof id->b, out);
}

enum s3_error s3_upload_ref_read(struct s3_request *rq, struct upload_ref *ref)
{
    const struct bytes *text = s3_param(rq, "uploadId");
    struct bucket_info bucket;
    *ref = (struct upload_ref){.bucket = rq->bucket, .key = rq->key};
    if (text != NULL && s3_upload_id_parse(*text, &ref->id))
        return S3_ERR_NONE;
    enum dol_err err = store_bucket_get(rq->config->store, rq->bucket, &bucket);
    if (err != DOL_OK)
        return s3_error_of(err);
    if (text != NULL)
        s3_fault_detail(rq, "UploadId", *text);
    return S3_ERR_NO_SUCH_UPLOAD;
}

enum s3_error s3_part_number_read(struct s3_request *rq, uint32_t *number)
{
    const struct bytes *text = s3_param(rq, "partNumber");
    uint64_t value = 0;
    if (text == NULL || !s3_parse_u64(*text, UPLOAD_PARTS_MAX, &value) || value == 0)
        return s3_fail_argument(rq, "Part number must be an integer between 1 and 10000, inclusive", "partNumber",
                                text != NULL ? *text : bytes_of("", 0));
    *number = (uint32_t)value;
    return S3_ERR_NONE;
}

enum s3_error s3_upload_checksum_get(struct s3_request *rq, const struct upload_ref *ref,
                                     struct s3_upload_checksum *out)
{
    struct upload_info info;
    void *memory;
    enum dol_err err = store_upload_get(rq->config->store, ref, &info, &memory);
    if (err != DOL_OK)
        return s3_error_of(err);
    *out = (struct s3_upload_checksum){(enum checksum_alg)info.checksum_alg, (enum checksum_type)info.checksum_type};
    if (out->alg == CHECKSUM_NONE)
        *out = (struct s3_upload_checksum){CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT};
    free(memory);
    return S3_ERR_NONE;
}

const char *s3_checksum_lower_name(struct s3_request *rq, enum checksum_alg alg)
{
    char *name = arena_strndup(rq->arena, checksum_name(alg), strlen(checksum_name(alg)));
    for (char *c = name; c != NULL && *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    return name != NULL ? name : checksum_name(alg);
}

enum s3_error s3_fail_checksum_mismatch(struct s3_request *rq, enum checksum_alg expected, enum checksum_alg actual)
{
    return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                   s3_text(rq, "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
                           s3_checksum_lower_name(rq, expected),
                           actual != CHECKSUM_NONE ? s3_checksum_lower_name(rq, actual) : "null"));
}

/* ---- CreateMultipartUpload ---- */

struct upload_created {
    struct upload_id id;
    struct s3_upload_checksum checksum;
    bool asked; /* the client chose the algorithm */
};

static enum s3_error create_fail_combination(struct s3_request *rq, const struct s3_upload_checksum *c)
{
    return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                   s3_text(rq, "The %s checksum type cannot be used with the %s checksum algorithm.",
                           checksum_type_name(c->type), s3_checksum_lower_name(rq, c->alg)));
}

static enum s3_error create_read_checksum(struct s3_request *rq, struct upload_created *created)
{
    const struct bytes *alg = s3_header(rq, "x-amz-checksum-algorithm");
    const struct bytes *type = s3_header(rq, "x-amz-checksum-type");
    struct s3_upload_checksum *c = &created->checksum;
    *c = (struct s3_upload_checksum){CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT};
    created->asked = alg != NULL;
    if (alg != NULL && (c->alg = checksum_of_name(*alg)) == CHECKSUM_NONE)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                       "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
                       "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    if (c->alg != CHECKSUM_CRC64NVME)
        c->type = CHECKSUM_COMPOSITE;
    if (type == NULL)
        return S3_ERR_NONE;
    if (alg == NULL)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                       "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
    if (!checksum_type_parse(*type, &c->type))
        return s3_fail(rq, S3_ERR_INVALID_REQUEST, "Value for x-amz-checksum-type header is invalid.");
    bool is_sha = c->alg == CHECKSUM_SHA1 || c->alg == CHECKSUM_SHA256;
    if (c->type == CHECKSUM_COMPOSITE ? c->alg == CHECKSUM_CRC64NVME : is_sha)
        return create_fail_combination(rq, c);
    return S3_ERR_NONE;
}

static void create_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct upload_created *created = arg;
    char id[S3_UPLOAD_ID_TEXT_MAX];
    s3_upload_id_format(&created->id, id);
    xml_write_open_ns(w, "InitiateMultipartUploadResult", XML_S3_NAMESPACE);
    xml_write_text(w, "Bucket", rq->bucket);
    xml_write_text(w, "Key", rq->key);
    xml_write_str(w, "UploadId", id);
    xml_write_close(w, "InitiateMultipartUploadResult");
}

enum s3_error s3_create_upload(struct s3_request *rq)
{
    struct upload_created created;
    struct put_request request = {
        .bucket = rq->bucket, .key = rq->key, .owner = s3_bytes_of(rq->access.owner), .size_hint = UINT64_MAX};
    enum s3_error error = create_read_checksum(rq, &created);
    if (error == S3_ERR_NONE)
        error = s3_metadata_read(rq, &request);
    if (error == S3_ERR_NONE)
        error = s3_tags_read(rq, &request);
    if (error == S3_ERR_NONE)
        error = s3_lock_read(rq, &request.retention);
    if (error == S3_ERR_NONE)
        error = s3_error_of(store_upload_create(rq->config->store, &request, (uint8_t)created.checksum.alg,
                                                (uint8_t)created.checksum.type, &created.id));
    if (error != S3_ERR_NONE)
        return error;
    if (created.asked) {
        s3_reply_header(rq, "x-amz-checksum-algorithm", checksum_name(created.checksum.alg));
        s3_reply_header(rq, "x-amz-checksum-type", checksum_type_name(created.checksum.type));
    }
    s3_reply_encryption(rq);
    return s3_reply_xml(rq, 200, create_document, &created);
}

/* ---- AbortMultipartUpload ---- */

enum s3_error s3_abort_upload(struct s3_request *rq)
{
    struct upload_ref ref;
    enum s3_error error = s3_upload_ref_read(rq, &ref);
    if (error == S3_ERR_NONE)
        error = s3_error_of(store_upload_abort(rq->config->store, &ref));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 204, S3_NO_LENGTH);
}
