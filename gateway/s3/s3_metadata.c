/*
 * Reading an object's metadata from the headers of the requests that create one. AWS's limits hold: 2 KiB of user
 * metadata, 2 KiB of the rest, so that every stored object's answer fits a response head.
 */
#include "s3_metadata.h"

static const struct {
    enum object_header header;
    const char *name;
} metadata_headers[] = {
    {HEADER_CONTENT_TYPE, "content-type"},
    {HEADER_CACHE_CONTROL, "cache-control"},
    {HEADER_CONTENT_DISPOSITION, "content-disposition"},
    {HEADER_CONTENT_ENCODING, "content-encoding"},
    {HEADER_CONTENT_LANGUAGE, "content-language"},
    {HEADER_EXPIRES, "expires"},
    {HEADER_WEBSITE_REDIRECT, "x-amz-website-redirect-location"},
};

/* "aws-chunked" is about the transfer and not kept; "aws-chunked,gzip" is gzip. */
static enum dol_err metadata_strip_aws_chunked(struct s3_request *rq, struct bytes *value)
{
    const char *text = value->data;
    char *kept = arena_alloc(rq->arena, value->len + 2);
    size_t len = 0;
    size_t at = 0;
    if (kept == NULL)
        return DOL_ENOMEM;
    while (at < value->len) {
        const char *comma = memchr(text + at, ',', value->len - at);
        size_t end = comma != NULL ? (size_t)(comma - text) : value->len;
        size_t from = at;
        at = end + 1;
        while (from < end && (text[from] == ' ' || text[from] == '\t'))
            from++;
        while (end > from && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        struct bytes coding = bytes_of(text + from, end - from);
        if (coding.len == 0 || bytes_equal_str(coding, "aws-chunked"))
            continue;
        if (len > 0)
            kept[len++] = ',';
        memcpy(kept + len, coding.data, coding.len);
        len += coding.len;
    }
    *value = len > 0 ? bytes_of(kept, len) : bytes_of(NULL, 0);
    return DOL_OK;
}

enum s3_error s3_metadata_read_redirect(struct s3_request *rq, struct bytes *value)
{
    static const char name[] = "x-amz-website-redirect-location";
    if (s3_header_joined(rq, name, value) != DOL_OK)
        return S3_ERR_SLOW_DOWN;
    if (value->len == 0 || s3_bytes_have_prefix(*value, "/") || s3_bytes_have_prefix(*value, "http://") ||
        s3_bytes_have_prefix(*value, "https://"))
        return S3_ERR_NONE;
    return s3_fail_argument(rq, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
                            name, *value);
}

static enum s3_error metadata_read_standard(struct s3_request *rq, struct put_request *put)
{
    size_t total = 0;
    struct bytes redirect;
    for (size_t i = 0; i < sizeof metadata_headers / sizeof metadata_headers[0]; i++) {
        struct bytes value;
        enum dol_err err = s3_header_joined(rq, metadata_headers[i].name, &value);
        if (err == DOL_OK && metadata_headers[i].header == HEADER_CONTENT_ENCODING && value.data != NULL)
            err = metadata_strip_aws_chunked(rq, &value);
        if (err != DOL_OK)
            return s3_error_of(err);
        if (value.len == 0)
            continue;
        put->headers[metadata_headers[i].header] = value;
        total += value.len;
    }
    enum s3_error error = s3_metadata_read_redirect(rq, &redirect);
    if (error != S3_ERR_NONE || total <= S3_SYSTEM_METADATA_MAX)
        return error;
    s3_fault_detail(rq, "MaxSizeAllowed", s3_bytes_of("2048"));
    return S3_ERR_METADATA_TOO_LARGE;
}

static bool metadata_is_repeated(const struct s3_request *rq, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (bytes_equal(rq->head->headers[i].name, rq->head->headers[index].name))
            return true;
    return false;
}

static enum s3_error metadata_read_user(struct s3_request *rq, struct put_request *put)
{
    static const char prefix[] = "x-amz-meta-";
    const size_t prefix_len = sizeof prefix - 1;
    struct metadata_pair *pairs = NULL;
    size_t total = 0;
    for (unsigned i = 0; i < rq->head->header_count; i++) {
        struct bytes name = rq->head->headers[i].name;
        if (!s3_bytes_have_prefix(name, prefix) || metadata_is_repeated(rq, i))
            continue;
        if (name.len == prefix_len)
            return s3_fail_argument(rq, "Metadata needs a name", prefix, rq->head->headers[i].value);
        if (pairs == NULL)
            pairs = arena_alloc(rq->arena, rq->head->header_count * sizeof *pairs);
        const char *terminated = arena_strndup(rq->arena, name.data, name.len);
        if (pairs == NULL || terminated == NULL)
            return S3_ERR_SLOW_DOWN;
        struct metadata_pair *pair = &pairs[put->metadata_count++];
        pair->name = bytes_of(terminated + prefix_len, name.len - prefix_len);
        if (s3_header_joined(rq, terminated, &pair->value) != DOL_OK)
            return S3_ERR_SLOW_DOWN;
        total += pair->name.len + pair->value.len;
    }
    put->metadata = pairs;
    if (total <= S3_USER_METADATA_MAX)
        return S3_ERR_NONE;
    const char *size = s3_text(rq, "%zu", total);
    s3_fault_detail(rq, "Size", s3_bytes_of(size));
    s3_fault_detail(rq, "MaxSizeAllowed", s3_bytes_of("2048"));
    return S3_ERR_METADATA_TOO_LARGE;
}

/* ---- storage class ---- */

static const char *const storage_class_names[STORAGE_CLASS_LAST + 1] = {
    [STORAGE_CLASS_STANDARD] = "STANDARD",         [STORAGE_CLASS_STANDARD_IA] = "STANDARD_IA",
    [STORAGE_CLASS_ONEZONE_IA] = "ONEZONE_IA",     [STORAGE_CLASS_INTELLIGENT_TIERING] = "INTELLIGENT_TIERING",
    [STORAGE_CLASS_GLACIER_IR] = "GLACIER_IR",     [STORAGE_CLASS_GLACIER] = "GLACIER",
    [STORAGE_CLASS_DEEP_ARCHIVE] = "DEEP_ARCHIVE", [STORAGE_CLASS_REDUCED_REDUNDANCY] = "REDUCED_REDUNDANCY",
};

const char *s3_storage_class_name(uint8_t storage_class)
{
    return storage_class_names[storage_class <= STORAGE_CLASS_LAST ? storage_class : STORAGE_CLASS_STANDARD];
}

enum s3_error s3_storage_class_read(struct s3_request *rq, uint8_t *out)
{
    const struct bytes *value = s3_header(rq, "x-amz-storage-class");
    *out = STORAGE_CLASS_STANDARD;
    if (value == NULL)
        return S3_ERR_NONE;
    for (unsigned c = 0; c <= STORAGE_CLASS_LAST; c++) {
        if (c == STORAGE_CLASS_GLACIER || c == STORAGE_CLASS_DEEP_ARCHIVE ||
            !bytes_equal_str(*value, storage_class_names[c]))
            continue;
        *out = (uint8_t)c;
        return S3_ERR_NONE;
    }
    s3_fault_detail(rq, "StorageClassRequested", *value);
    return S3_ERR_INVALID_STORAGE_CLASS;
}

enum s3_error s3_metadata_read(struct s3_request *rq, struct put_request *put)
{
    enum s3_error error = metadata_read_standard(rq, put);
    if (error == S3_ERR_NONE)
        error = metadata_read_user(rq, put);
    return error != S3_ERR_NONE ? error : s3_storage_class_read(rq, &put->storage_class);
}
