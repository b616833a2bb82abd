/* Byte ranges. */
#include "http_range.h"

struct range_text {
    bool has_first;
    bool has_last;
    uint64_t first;
    uint64_t last;
};

/* Digits up to `stop`; saturates, since an end beyond the object means its end. */
static const char *digits(const char *s, const char *stop, uint64_t *value, bool *has)
{
    *value = 0;
    *has = false;
    for (; s < stop && *s >= '0' && *s <= '9'; s++) {
        *has = true;
        uint64_t d = (uint64_t)(*s - '0');
        *value = *value > (UINT64_MAX - d) / 10 ? UINT64_MAX : *value * 10 + d;
    }
    return s;
}

static bool read_range(struct bytes value, struct range_text *r)
{
    const char *s = value.data;
    if (value.len < 6)
        return false;
    const char *end = s + value.len;
    for (int i = 0; i < 5; i++)
        if ((s[i] | 0x20) != "bytes"[i])
            return false;
    if (s[5] != '=')
        return false;
    s += 6;
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    s = digits(s, end, &r->first, &r->has_first);
    if (s == end || *s != '-')
        return false;
    s = digits(s + 1, end, &r->last, &r->has_last);
    return s == end && (r->has_first || r->has_last) && !(r->has_first && r->has_last && r->first > r->last);
}

enum http_range_result http_range_parse(struct bytes value, uint64_t size, struct http_range *range)
{
    struct range_text r;
    *range = (struct http_range){0, size};
    if (!read_range(value, &r))
        return HTTP_RANGE_WHOLE;
    if (!r.has_first) {
        if (r.last == 0 || size == 0)
            return HTTP_RANGE_UNSATISFIABLE;
        range->len = r.last < size ? r.last : size;
        range->offset = size - range->len;
        return HTTP_RANGE_PART;
    }
    if (r.first >= size)
        return HTTP_RANGE_UNSATISFIABLE;
    uint64_t last = r.has_last && r.last < size ? r.last : size - 1;
    *range = (struct http_range){r.first, last - r.first + 1};
    return HTTP_RANGE_PART;
}

bool http_range_parse_copy(struct bytes value, uint64_t size, struct http_range *range)
{
    struct range_text r;
    *range = (struct http_range){0, 0};
    if (!read_range(value, &r) || !r.has_first || !r.has_last || r.last >= size)
        return false;
    *range = (struct http_range){r.first, r.last - r.first + 1};
    return true;
}
