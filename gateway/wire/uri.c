/* Percent coding and query strings. */
#include "uri.h"

void uri_split(struct bytes target, struct bytes *path, struct bytes *query)
{
    const char *s = target.data;
    const char *mark = target.len > 0 ? memchr(s, '?', target.len) : NULL;
    if (mark == NULL) {
        *path = target;
        *query = bytes_of(s != NULL ? s + target.len : NULL, 0);
        return;
    }
    *path = bytes_of(s, (size_t)(mark - s));
    *query = bytes_of(mark + 1, target.len - path->len - 1);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum dol_err uri_decode(struct bytes raw, enum uri_decode_as as, struct arena *a, struct bytes *out)
{
    const char *s = raw.data;
    size_t plain = 0;
    while (plain < raw.len && s[plain] != '%' && (s[plain] != '+' || as == URI_DECODE_PATH))
        plain++;
    if (plain == raw.len) {
        *out = raw;
        return DOL_OK;
    }
    char *to = arena_alloc(a, raw.len);
    if (to == NULL)
        return DOL_ENOMEM;
    memcpy(to, s, plain);
    size_t n = plain;
    for (size_t i = plain; i < raw.len; i++) {
        if (s[i] == '%') {
            int hi = i + 2 < raw.len ? hex_value(s[i + 1]) : -1;
            int lo = i + 2 < raw.len ? hex_value(s[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return DOL_ESYNTAX;
            to[n++] = (char)(hi << 4 | lo);
            i += 2;
        } else {
            to[n++] = s[i] == '+' && as == URI_DECODE_QUERY ? ' ' : s[i];
        }
    }
    *out = bytes_of(to, n);
    return DOL_OK;
}

/* ---- query ---- */

static enum dol_err parse_param(struct bytes piece, struct arena *a, struct uri_param *param)
{
    const char *s = piece.data;
    const char *equals = memchr(s, '=', piece.len);
    size_t name_len = equals != NULL ? (size_t)(equals - s) : piece.len;
    param->has_equals = equals != NULL;
    enum dol_err err = uri_decode(bytes_of(s, name_len), URI_DECODE_QUERY, a, &param->name);
    if (err != DOL_OK)
        return err;
    if (equals == NULL) {
        param->value = bytes_of(s + piece.len, 0);
        return DOL_OK;
    }
    return uri_decode(bytes_of(equals + 1, piece.len - name_len - 1), URI_DECODE_QUERY, a, &param->value);
}

enum dol_err uri_query_parse(struct bytes query, struct arena *a, struct uri_query *out)
{
    const char *s = query.data;
    size_t pieces = 0;
    out->params = NULL;
    out->count = 0;
    for (size_t i = 0; i < query.len; i++)
        if (s[i] != '&' && (i == 0 || s[i - 1] == '&'))
            pieces++;
    if (pieces == 0)
        return DOL_OK;
    if (pieces > URI_PARAMS_MAX)
        return DOL_ETOOLARGE;
    out->params = arena_alloc(a, pieces * sizeof *out->params);
    if (out->params == NULL)
        return DOL_ENOMEM;
    for (size_t i = 0; i < query.len;) {
        const char *amp = memchr(s + i, '&', query.len - i);
        size_t len = amp != NULL ? (size_t)(amp - (s + i)) : query.len - i;
        if (len > 0) {
            enum dol_err err = parse_param(bytes_of(s + i, len), a, &out->params[out->count]);
            if (err != DOL_OK)
                return err;
            out->count++;
        }
        i += len + 1;
    }
    return DOL_OK;
}

const struct uri_param *uri_query_find(const struct uri_query *query, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < query->count; i++)
        if (bytes_equal(query->params[i].name, bytes_of(name, len)))
            return &query->params[i];
    return NULL;
}

/* ---- AWS's UriEncode ---- */

static bool is_unreserved(unsigned char c, enum uri_encode_as as)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~' || (c == '/' && as == URI_ENCODE_PATH);
}

size_t uri_encoded_bytes(struct bytes raw, enum uri_encode_as as)
{
    const unsigned char *s = raw.data;
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++)
        n += is_unreserved(s[i], as) ? 1 : 3;
    return n;
}

char *uri_encode_to(struct bytes raw, enum uri_encode_as as, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *s = raw.data;
    for (size_t i = 0; i < raw.len; i++) {
        if (is_unreserved(s[i], as)) {
            *out++ = (char)s[i];
        } else {
            *out++ = '%';
            *out++ = digits[s[i] >> 4];
            *out++ = digits[s[i] & 15];
        }
    }
    return out;
}

enum dol_err uri_encode(struct bytes raw, enum uri_encode_as as, struct arena *a, struct bytes *out)
{
    size_t len = uri_encoded_bytes(raw, as);
    *out = raw;
    if (len == raw.len) /* nothing to encode */
        return DOL_OK;
    char *to = arena_alloc(a, len);
    if (to == NULL)
        return DOL_ENOMEM;
    uri_encode_to(raw, as, to);
    *out = bytes_of(to, len);
    return DOL_OK;
}
