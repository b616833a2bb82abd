/* Which bucket and key a request means, and what their names may be. */
#include "uri.h"
#include "wire_header.h"

static unsigned char to_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

/* Host without its port. An IPv6 literal keeps its brackets. */
static struct bytes strip_port(struct bytes host)
{
    const char *s = host.data;
    for (size_t i = host.len; i > 0; i--) {
        if (s[i - 1] == ':')
            return bytes_of(s, i - 1);
        if (s[i - 1] < '0' || s[i - 1] > '9')
            break;
    }
    return host;
}

/* The part of `host` before ".domain"; empty when there is none. */
static struct bytes bucket_of_host(struct bytes host, struct bytes domain)
{
    const unsigned char *h = host.data, *d = domain.data;
    if (domain.len == 0 || host.len < domain.len + 2)
        return bytes_of(NULL, 0);
    size_t at = host.len - domain.len;
    if (h[at - 1] != '.')
        return bytes_of(NULL, 0);
    for (size_t i = 0; i < domain.len; i++)
        if (to_lower(h[at + i]) != to_lower(d[i]))
            return bytes_of(NULL, 0);
    return bytes_of(h, at - 1);
}

/* Host names know no case, bucket names are lower-case. */
static enum dol_err lower_copy(struct bytes in, struct arena *a, struct bytes *out)
{
    const unsigned char *s = in.data;
    size_t i = 0;
    while (i < in.len && to_lower(s[i]) == s[i])
        i++;
    *out = in;
    if (i == in.len)
        return DOL_OK;
    unsigned char *to = arena_alloc(a, in.len);
    if (to == NULL)
        return DOL_ENOMEM;
    for (i = 0; i < in.len; i++)
        to[i] = to_lower(s[i]);
    *out = bytes_of(to, in.len);
    return DOL_OK;
}

enum dol_err uri_locate(struct bytes path, struct bytes host, struct bytes domain, struct arena *a,
                        struct uri_place *out)
{
    memset(out, 0, sizeof *out);
    const char *s = path.data;
    if (path.len == 0 || s[0] != '/')
        return DOL_ESYNTAX;
    struct bytes rest = bytes_of(s + 1, path.len - 1);
    struct bytes bucket = bucket_of_host(strip_port(host), domain);
    if (bucket.len > 0) {
        out->virtual_host = true;
        enum dol_err err = lower_copy(bucket, a, &out->bucket);
        return err != DOL_OK ? err : uri_decode(rest, URI_DECODE_PATH, a, &out->key);
    }
    const char *slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
    size_t bucket_len = slash != NULL ? (size_t)(slash - (const char *)rest.data) : rest.len;
    enum dol_err err = uri_decode(bytes_of(rest.data, bucket_len), URI_DECODE_PATH, a, &out->bucket);
    if (err != DOL_OK || slash == NULL)
        return err;
    return uri_decode(bytes_of(slash + 1, rest.len - bucket_len - 1), URI_DECODE_PATH, a, &out->key);
}

/* ---- names ---- */

static bool has_prefix(struct bytes b, const char *prefix)
{
    size_t len = strlen(prefix);
    return b.len >= len && memcmp(b.data, prefix, len) == 0;
}

static bool has_suffix(struct bytes b, const char *suffix)
{
    size_t len = strlen(suffix);
    return b.len >= len && memcmp((const char *)b.data + b.len - len, suffix, len) == 0;
}

/* Four groups of digits: AWS refuses the form, whatever the numbers. */
static bool looks_like_ipv4(struct bytes name)
{
    const char *s = name.data;
    unsigned dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (s[i] == '.')
            dots++;
        else if (s[i] < '0' || s[i] > '9')
            return false;
    }
    return dots == 3;
}

bool uri_bucket_name_is_valid(struct bytes name)
{
    static const char *const prefixes[] = {"xn--", "sthree-", "amzn-s3-demo-"};
    static const char *const suffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};
    const char *s = name.data;
    if (name.len < 3 || name.len > 63)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        bool alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
        if (!alnum && s[i] != '.' && s[i] != '-')
            return false;
        if (!alnum && (i == 0 || i + 1 == name.len))
            return false;
        if (s[i] == '.' && s[i + 1] == '.') /* in bounds: a dot is never the last */
            return false;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (has_prefix(name, prefixes[i]))
            return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (has_suffix(name, suffixes[i]))
            return false;
    return !looks_like_ipv4(name);
}

bool uri_is_utf8(struct bytes text)
{
    const unsigned char *s = text.data;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = s[i];
        size_t more;
        unsigned char low = 0x80, high = 0xbf; /* of the second byte */
        if (c < 0x80) {
            i++;
            continue;
        }
        if (c >= 0xc2 && c <= 0xdf) {
            more = 1;
        } else if (c >= 0xe0 && c <= 0xef) {
            more = 2;
            low = c == 0xe0 ? 0xa0 : 0x80;
            high = c == 0xed ? 0x9f : 0xbf;
        } else if (c >= 0xf0 && c <= 0xf4) {
            more = 3;
            low = c == 0xf0 ? 0x90 : 0x80;
            high = c == 0xf4 ? 0x8f : 0xbf;
        } else {
            return false;
        }
        if (text.len - i <= more || s[i + 1] < low || s[i + 1] > high)
            return false;
        for (size_t j = 2; j <= more; j++)
            if ((s[i + j] & 0xc0) != 0x80)
                return false;
        i += more + 1;
    }
    return true;
}

enum uri_key_check uri_key_check(struct bytes key)
{
    if (key.len == 0)
        return URI_KEY_EMPTY;
    if (key.len > URI_KEY_BYTES_MAX)
        return URI_KEY_TOO_LONG;
    return uri_is_utf8(key) ? URI_KEY_OK : URI_KEY_NOT_UTF8;
}
