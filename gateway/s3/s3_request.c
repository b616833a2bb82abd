/* Small questions that handlers ask about a request, and the ways to refuse one. */
#include "s3_request.h"

#include "hash.h"

#include <stdarg.h>
#include <stdio.h>

const struct bytes *s3_header(const struct s3_request *rq, const char *name)
{
    return http1_header(rq->head, name);
}

enum dol_err s3_header_joined(struct s3_request *rq, const char *name, struct bytes *out)
{
    *out = bytes_of(NULL, 0);
    for (unsigned i = 0; i < rq->head->header_count; i++) {
        const struct wire_header *h = &rq->head->headers[i];
        if (!bytes_equal_str(h->name, name))
            continue;
        if (out->data == NULL) {
            *out = h->value;
            continue;
        }
        char *joined = arena_alloc(rq->arena, out->len + 1 + h->value.len);
        if (joined == NULL)
            return DOL_ENOMEM;
        memcpy(joined, out->data, out->len);
        joined[out->len] = ',';
        if (h->value.len > 0)
            memcpy(joined + out->len + 1, h->value.data, h->value.len);
        *out = bytes_of(joined, out->len + 1 + h->value.len);
    }
    return DOL_OK;
}

const struct bytes *s3_param(const struct s3_request *rq, const char *name)
{
    const struct uri_param *p = uri_query_find(&rq->query, name);
    return p != NULL ? &p->value : NULL;
}

bool s3_parse_u64(struct bytes text, uint64_t max, uint64_t *out)
{
    const char *digits = text.data;
    uint64_t value = 0;
    if (text.len == 0 || text.len > 20)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(digits[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return value <= max;
}

bool s3_bytes_have_prefix(struct bytes text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

struct bytes s3_bytes_of(const char *text)
{
    return text != NULL ? bytes_of(text, strlen(text)) : bytes_of("", 0);
}

enum s3_error s3_fail(struct s3_request *rq, enum s3_error error, const char *message)
{
    rq->fault.message = message;
    return error;
}

enum s3_error s3_fail_argument(struct s3_request *rq, const char *message, const char *name, struct bytes value)
{
    s3_fault_detail(rq, "ArgumentName", s3_bytes_of(name));
    s3_fault_detail(rq, "ArgumentValue", value);
    return s3_fail(rq, S3_ERR_INVALID_ARGUMENT, message);
}

enum s3_error s3_fail_header(struct s3_request *rq, const char *name)
{
    s3_fault_detail(rq, "Header", s3_bytes_of(name));
    return S3_ERR_NOT_IMPLEMENTED;
}

void s3_fault_detail(struct s3_request *rq, const char *name, struct bytes value)
{
    struct s3_fault *f = &rq->fault;
    if (f->detail_count == S3_FAULT_DETAILS_MAX)
        return;
    f->details[f->detail_count].name = name;
    f->details[f->detail_count].value = value;
    f->detail_count++;
}

const char *s3_text(struct s3_request *rq, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(rq->arena, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

bool s3_version_parse(struct bytes text, struct version_id *out)
{
    if (bytes_equal_str(text, "null")) {
        *out = version_id_null;
        return true;
    }
    return text.len == 2 * sizeof out->b && hex_decode(text.data, text.len, out->b, sizeof out->b) &&
           !version_id_is_zero(out) && !version_id_equal(out, &version_id_null);
}

void s3_version_format(const struct version_id *version, char out[S3_VERSION_TEXT_MAX])
{
    if (version_id_is_zero(version))
        memcpy(out, "null", sizeof "null");
    else
        hex_encode(version->b, sizeof version->b, out);
}

enum s3_error s3_version_of(struct s3_request *rq, struct version_id *storage, const struct version_id **version)
{
    *version = NULL;
    const struct bytes *text = s3_param(rq, "versionId");
    if (text == NULL)
        return S3_ERR_NONE;
    if (text->len == 0)
        return s3_fail_argument(rq, "Version id cannot be the empty string", "versionId", *text);
    if (!s3_version_parse(*text, storage))
        return s3_fail_argument(rq, "Invalid version id specified", "versionId", *text);
    *version = storage;
    return S3_ERR_NONE;
}
