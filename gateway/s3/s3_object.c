/* Conditions, ranges and descriptive headers of objects. */
#include "s3_object.h"

#include "checksum.h"
#include "hash.h"
#include "http_date.h"
#include "http_etag.h"
#include "http_range.h"
#include "s3_lifecycle.h"
#include "s3_lock.h"
#include "s3_metadata.h"
#include "s3_reply.h"

#include <inttypes.h>
#include <stdio.h>

void s3_etag_format(const struct etag *etag, char out[S3_ETAG_TEXT_MAX])
{
    hex_encode(etag->md5, sizeof etag->md5, out);
    if (etag->parts > 0)
        snprintf(out + 32, S3_ETAG_TEXT_MAX - 32, "-%" PRIu32, etag->parts);
}

/* Whole seconds, as in Last-Modified: what clients send back. */
static int64_t object_mtime_s(const struct object_info *info)
{
    return info->mtime_ns / 1000000000;
}

enum s3_error s3_object_open(struct s3_request *rq, struct object **object)
{
    struct version_id storage;
    const struct version_id *version;
    enum s3_error error = s3_version_of(rq, &storage, &version);
    if (error != S3_ERR_NONE)
        return error;
    enum dol_err err = store_object_open(rq->config->store, rq->bucket, rq->key, version, object);
    if (err != DOL_OK)
        return s3_error_of(err);
    const struct object_info *info = store_object_info(*object);
    if (!info->delete_marker)
        return S3_ERR_NONE;
    rq->fault.delete_marker = true;
    rq->fault.version = info->version;
    rq->fault.null_version = info->null_version;
    store_object_close(*object);
    return version != NULL ? S3_ERR_METHOD_NOT_ALLOWED : S3_ERR_NO_SUCH_KEY;
}

/* ---- conditions ---- */

static const struct bytes *condition_header(const struct s3_request *rq, const char *prefix, const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return s3_header(rq, full);
}

/* A malformed date is no condition. */
static bool condition_date(const struct bytes *value, int64_t *time_s)
{
    return value != NULL && http_date_parse(*value, time_s);
}

enum s3_condition s3_condition_check(const struct s3_request *rq, const char *prefix, const struct object_info *info,
                                     const char **failed)
{
    char etag[S3_ETAG_TEXT_MAX];
    int64_t date_s;
    int64_t mtime_s = object_mtime_s(info);
    s3_etag_format(&info->etag, etag);
    const struct bytes *match = condition_header(rq, prefix, "if-match");
    const struct bytes *none_match = condition_header(rq, prefix, "if-none-match");
    const struct bytes *unmodified = condition_header(rq, prefix, "if-unmodified-since");
    const struct bytes *modified = condition_header(rq, prefix, "if-modified-since");
    *failed = NULL;
    if (match != NULL) {
        if (!http_etag_matches(*match, s3_bytes_of(etag), HTTP_ETAG_STRONG))
            *failed = "If-Match";
    } else if (condition_date(unmodified, &date_s) && mtime_s > date_s) {
        *failed = "If-Unmodified-Since";
    }
    if (*failed != NULL)
        return S3_CONDITION_FAILED;
    if (none_match != NULL) {
        if (http_etag_matches(*none_match, s3_bytes_of(etag), HTTP_ETAG_WEAK))
            *failed = "If-None-Match";
    } else if (condition_date(modified, &date_s) && mtime_s <= date_s) {
        *failed = "If-Modified-Since";
    }
    return *failed != NULL ? S3_CONDITION_NOT_MODIFIED : S3_CONDITION_PROCEED;
}

/* ---- ranges and parts ---- */

/* RFC 9110 section 13.1.5: a part of a changed object would be glued to parts of the old one. */
static bool range_still_applies(const struct s3_request *rq, const struct object_info *info)
{
    const struct bytes *value = s3_header(rq, "if-range");
    char etag[S3_ETAG_TEXT_MAX];
    int64_t date_s;
    if (value == NULL)
        return true;
    if (http_date_parse(*value, &date_s))
        return object_mtime_s(info) == date_s;
    s3_etag_format(&info->etag, etag);
    return !http_etag_is_any(*value) && http_etag_matches(*value, s3_bytes_of(etag), HTTP_ETAG_STRONG);
}

static enum s3_error part_of_range(struct s3_request *rq, const struct object_info *info, struct bytes value,
                                   struct s3_part *part)
{
    struct http_range range;
    switch (http_range_parse(value, info->size, &range)) {
    case HTTP_RANGE_WHOLE:
        return S3_ERR_NONE;
    case HTTP_RANGE_PART:
        *part = (struct s3_part){.is_partial = true, .offset = range.offset, .len = range.len};
        return S3_ERR_NONE;
    case HTTP_RANGE_UNSATISFIABLE:
        break;
    }
    const char *size = s3_text(rq, "%" PRIu64, info->size);
    if (size == NULL)
        return S3_ERR_SLOW_DOWN;
    s3_fault_detail(rq, "RangeRequested", value);
    s3_fault_detail(rq, "ActualObjectSize", s3_bytes_of(size));
    return S3_ERR_INVALID_RANGE;
}

/* Numbers ascend from 1, so a part's index is below its number. */
static bool part_find(const struct object *object, uint32_t number, struct part_info *out)
{
    unsigned count = store_object_info(object)->part_count;
    for (unsigned i = number < count ? number : count; i-- > 0;) {
        if (!store_object_part(object, i, out) || out->number < number)
            return false;
        if (out->number == number)
            return true;
    }
    return false;
}

/* An object that was put in one piece has one part. */
static enum s3_error part_of_number(struct s3_request *rq, const struct object *object, struct bytes value,
                                    struct s3_part *part)
{
    const struct object_info *info = store_object_info(object);
    struct part_info found;
    uint64_t number;
    if (!s3_parse_u64(value, UPLOAD_PARTS_MAX, &number) || number == 0)
        return s3_fail_argument(rq, "Part number must be an integer between 1 and 10000, inclusive", "partNumber",
                                value);
    part->parts_count = info->part_count;
    if (info->part_count > 0 && part_find(object, (uint32_t)number, &found)) {
        part->offset = found.offset;
        part->len = found.size;
        part->checksum = found.checksum;
    } else if (info->part_count > 0 || number > 1) {
        s3_fault_detail(rq, "PartNumberRequested", value);
        s3_fault_detail(rq, "ActualPartCount",
                        s3_bytes_of(s3_text(rq, "%u", info->part_count > 0 ? info->part_count : 1)));
        return S3_ERR_INVALID_PART_NUMBER;
    }
    part->is_partial = part->len > 0;
    return S3_ERR_NONE;
}

enum s3_error s3_part_of(struct s3_request *rq, const struct object *object, struct s3_part *part)
{
    const struct object_info *info = store_object_info(object);
    const struct bytes *range = s3_header(rq, "range");
    const struct bytes *number = s3_param(rq, "partNumber");
    *part = (struct s3_part){.len = info->size, .checksum = info->checksum};
    if (range != NULL && number != NULL)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST, "Cannot specify both Range header and partNumber query parameter");
    if (number != NULL)
        return part_of_number(rq, object, *number, part);
    if (range != NULL && range_still_applies(rq, info))
        return part_of_range(rq, info, *range, part);
    return S3_ERR_NONE;
}

/* ---- headers ---- */

static const struct {
    enum object_header header;
    const char *name;
    const char *override; /* query parameter; NULL: none */
} object_headers[] = {
    {HEADER_CONTENT_TYPE, "Content-Type", "response-content-type"},
    {HEADER_CACHE_CONTROL, "Cache-Control", "response-cache-control"},
    {HEADER_CONTENT_DISPOSITION, "Content-Disposition", "response-content-disposition"},
    {HEADER_CONTENT_ENCODING, "Content-Encoding", "response-content-encoding"},
    {HEADER_CONTENT_LANGUAGE, "Content-Language", "response-content-language"},
    {HEADER_EXPIRES, "Expires", "response-expires"},
    {HEADER_WEBSITE_REDIRECT, "x-amz-website-redirect-location", NULL},
};

static bool text_has_control(struct bytes text)
{
    const unsigned char *p = text.data;
    for (size_t i = 0; i < text.len; i++)
        if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
            return true;
    return false;
}

static enum s3_error object_standard_headers(struct s3_request *rq, const struct object_info *info)
{
    for (size_t i = 0; i < sizeof object_headers / sizeof object_headers[0]; i++) {
        struct bytes value = info->headers[object_headers[i].header];
        const struct bytes *override = object_headers[i].override ? s3_param(rq, object_headers[i].override) : NULL;
        if (override != NULL && text_has_control(*override))
            return s3_fail_argument(rq, "Header value cannot be represented", object_headers[i].override, *override);
        if (override != NULL)
            value = *override;
        if (value.data != NULL && value.len > 0)
            s3_reply_header_bytes(rq, object_headers[i].name, value);
        else if (object_headers[i].header == HEADER_CONTENT_TYPE)
            s3_reply_header(rq, object_headers[i].name, "binary/octet-stream");
    }
    return S3_ERR_NONE;
}

static void object_metadata_headers(struct s3_request *rq, const struct object *object)
{
    struct metadata_pair pair;
    for (unsigned i = 0; store_object_metadata(object, i, &pair); i++) {
        const char *name = s3_text(rq, "x-amz-meta-%.*s", (int)pair.name.len, (const char *)pair.name.data);
        if (name == NULL)
            rq->reply_fault = S3_ERR_SLOW_DOWN;
        else
            s3_reply_header_bytes(rq, name, pair.value);
    }
}

const char *s3_checksum_text(struct s3_request *rq, const struct object_checksum *sum, uint32_t parts)
{
    struct checksum value = {.alg = (enum checksum_alg)sum->alg};
    char text[CHECKSUM_TEXT_MAX];
    memcpy(value.b, sum->value, sizeof value.b);
    checksum_format(&value, text);
    return sum->type == CHECKSUM_COMPOSITE && parts > 0 ? s3_text(rq, "%s-%" PRIu32, text, parts)
                                                        : s3_text(rq, "%s", text);
}

/* A client checks what it is given against the bytes it gets, so there is none for a range of them. */
static void object_checksum_headers(struct s3_request *rq, const struct object_info *info, const struct s3_part *part)
{
    const struct bytes *mode = s3_header(rq, "x-amz-checksum-mode");
    if (mode == NULL || !bytes_equal_str(*mode, "ENABLED") || part->checksum.alg == CHECKSUM_NONE)
        return;
    s3_reply_header(rq, checksum_header((enum checksum_alg)part->checksum.alg),
                    s3_checksum_text(rq, &part->checksum, info->etag.parts));
    s3_reply_header(rq, "x-amz-checksum-type", checksum_type_name((enum checksum_type)info->checksum.type));
}

enum s3_error s3_object_headers(struct s3_request *rq, const struct object *object, const struct s3_part *part)
{
    const struct object_info *info = store_object_info(object);
    char date[HTTP_DATE_TEXT_MAX];
    char etag[S3_ETAG_TEXT_MAX];
    http_date_format(object_mtime_s(info), date);
    s3_etag_format(&info->etag, etag);
    s3_reply_header(rq, "Last-Modified", s3_text(rq, "%s", date));
    s3_reply_header(rq, "ETag", s3_text(rq, "\"%s\"", etag));
    s3_reply_header(rq, "Accept-Ranges", "bytes");
    s3_reply_version(rq, "x-amz-version-id", &info->version, info->null_version);
    s3_reply_encryption(rq);
    s3_lock_headers(rq, &info->retention);
    if (info->storage_class != STORAGE_CLASS_STANDARD)
        s3_reply_header(rq, "x-amz-storage-class", s3_storage_class_name(info->storage_class));
    if (info->tag_count > 0)
        s3_reply_header_u64(rq, "x-amz-tagging-count", info->tag_count);
    if (part->parts_count > 0)
        s3_reply_header_u64(rq, "x-amz-mp-parts-count", part->parts_count);
    if (part->is_partial)
        s3_reply_header(rq, "Content-Range",
                        s3_text(rq, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, part->offset,
                                part->offset + part->len - 1, info->size));
    object_checksum_headers(rq, info, part);
    s3_lifecycle_object_header(rq, object);
    object_metadata_headers(rq, object);
    return object_standard_headers(rq, info);
}
