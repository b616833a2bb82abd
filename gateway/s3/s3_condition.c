/*
 * Reading conditions of writes.
 *
 * They are checked by the store, under the key's gate: what is looked at here would be old when the write happens.
 */
#include "s3_condition.h"

#include "hash.h"
#include "http_etag.h"

#define ETAG_MD5_DIGITS 32u

bool s3_etag_parse(struct bytes text, struct etag *out)
{
    const char *s = text.data;
    size_t len = text.len;
    uint64_t parts = 0;
    if (len > 0 && s[0] == '"') {
        s++;
        len--;
    }
    if (len > 0 && s[len - 1] == '"')
        len--;
    *out = (struct etag){.parts = 0};
    if (len < ETAG_MD5_DIGITS || !hex_decode(s, ETAG_MD5_DIGITS, out->md5, sizeof out->md5))
        return false;
    s += ETAG_MD5_DIGITS;
    len -= ETAG_MD5_DIGITS;
    if (len == 0)
        return true;
    if (s[0] != '-' || len < 2 || s[1] == '0' || !s3_parse_u64(bytes_of(s + 1, len - 1), UPLOAD_PARTS_MAX, &parts))
        return false;
    out->parts = (uint32_t)parts;
    return true;
}

struct condition s3_condition_of_etag(struct bytes text)
{
    struct condition condition = {.kind = CONDITION_ETAG};
    if (http_etag_is_any(text))
        condition.kind = CONDITION_EXISTS;
    else if (!s3_etag_parse(text, &condition.etag))
        condition.etag = (struct etag){.parts = UINT32_MAX};
    return condition;
}

enum s3_error s3_condition_read(struct s3_request *rq, struct condition *out)
{
    const struct bytes *match = s3_header(rq, "if-match");
    const struct bytes *none_match = s3_header(rq, "if-none-match");
    *out = (struct condition){.kind = CONDITION_NONE};
    if (match != NULL && none_match != NULL)
        return s3_fail_header(rq, "If-Match,If-None-Match");
    if (none_match != NULL) {
        if (!http_etag_is_any(*none_match))
            return s3_fail_header(rq, "If-None-Match");
        out->kind = CONDITION_ABSENT;
    } else if (match != NULL) {
        *out = s3_condition_of_etag(*match);
    }
    return S3_ERR_NONE;
}

enum s3_error s3_condition_error(struct s3_request *rq, enum dol_err err)
{
    if (err == DOL_EPRECONDITION)
        s3_fault_detail(rq, "Condition",
                        s3_bytes_of(s3_header(rq, "if-none-match") != NULL ? "If-None-Match" : "If-Match"));
    return s3_error_of(err);
}
