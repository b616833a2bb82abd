/* Lists of entity tags. */
#include "http_etag.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_etag_is_any(struct bytes value)
{
    return value.len == 1 && *(const char *)value.data == '*';
}

/* One tag from `s`; returns where the next may begin. */
static const char *next_tag(const char *s, const char *end, struct bytes *tag, bool *weak)
{
    *weak = end - s >= 2 && s[0] == 'W' && s[1] == '/';
    if (*weak)
        s += 2;
    if (s < end && *s == '"') {
        const char *close = memchr(s + 1, '"', (size_t)(end - s - 1));
        const char *stop = close != NULL ? close : end;
        *tag = bytes_of(s + 1, (size_t)(stop - s - 1));
        return close != NULL ? close + 1 : end;
    }
    const char *stop = s;
    while (stop < end && *stop != ',' && !is_blank(*stop))
        stop++;
    *tag = bytes_of(s, (size_t)(stop - s));
    return stop;
}

bool http_etag_matches(struct bytes value, struct bytes etag, enum http_etag_compare compare)
{
    const char *s = value.data;
    if (value.len == 0)
        return false;
    const char *end = s + value.len;
    if (http_etag_is_any(value))
        return true;
    while (s < end) {
        if (is_blank(*s) || *s == ',') {
            s++;
            continue;
        }
        struct bytes tag;
        bool weak;
        s = next_tag(s, end, &tag, &weak);
        if (bytes_equal(tag, etag) && !(weak && compare == HTTP_ETAG_STRONG))
            return true;
    }
    return false;
}
