/* Patterns: wildcards, and variables that are filled in from the request. */
#include "policy_impl.h"

#include <string.h>

#define WILD_ANY 0x100u
#define WILD_ONE 0x101u

static unsigned lower(unsigned c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool policy_text_equal(struct bytes a, struct bytes b, enum policy_case letters)
{
    const uint8_t *x = a.data;
    const uint8_t *y = b.data;
    if (a.len != b.len)
        return false;
    if (letters == POLICY_CASE_EXACT)
        return a.len == 0 || memcmp(x, y, a.len) == 0;
    for (size_t i = 0; i < a.len; i++)
        if (lower(x[i]) != lower(y[i]))
            return false;
    return true;
}

/* A pattern as units, whether it has been expanded or not. */
struct units {
    const uint8_t *bytes; /* NULL: `wide` holds them */
    const uint16_t *wide;
    size_t len;
    bool wildcards; /* of bytes */
};

static unsigned unit_at(const struct units *p, size_t i)
{
    if (p->bytes == NULL)
        return p->wide[i];
    if (p->wildcards && p->bytes[i] == '*')
        return WILD_ANY;
    if (p->wildcards && p->bytes[i] == '?')
        return WILD_ONE;
    return p->bytes[i];
}

static size_t character_bytes(const uint8_t *t, size_t at, size_t len)
{
    size_t n = 1;
    while (at + n < len && (t[at + n] & 0xc0u) == 0x80u)
        n++;
    return n;
}

/* One '*' is tried again at a time, the last that was met: what an earlier one could take, the last can take, too. */
static bool units_match(const struct units *p, struct bytes text, enum policy_case letters)
{
    const uint8_t *t = text.data;
    size_t at = 0;
    size_t i = 0;
    size_t star = SIZE_MAX; /* behind the last '*' */
    size_t resume = 0;
    while (at < text.len) {
        unsigned unit = i < p->len ? unit_at(p, i) : UINT16_MAX;
        if (unit == WILD_ANY) {
            star = ++i;
            resume = at;
        } else if (unit == WILD_ONE) {
            at += character_bytes(t, at, text.len);
            i++;
        } else if (unit == t[at] || (letters == POLICY_CASE_IGNORED && lower(unit) == lower(t[at]))) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            i = star;
            at = ++resume;
        } else {
            return false;
        }
    }
    while (i < p->len && unit_at(p, i) == WILD_ANY)
        i++;
    return i == p->len;
}

bool policy_text_like(struct bytes pattern, struct bytes text, enum policy_case letters)
{
    const struct units p = {.bytes = pattern.data, .len = pattern.len, .wildcards = true};
    return units_match(&p, text, letters);
}

/* ---- variables ---- */

bool policy_variables_are_closed(struct bytes text)
{
    const char *t = text.data;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (t[i] != '$' || t[i + 1] != '{')
            continue;
        const char *end = memchr(t + i, '}', text.len - i);
        if (end == NULL)
            return false;
        i = (size_t)(end - t);
    }
    return true;
}

static bool pattern_add(struct policy_pattern *p, unsigned unit)
{
    if (p->len == POLICY_PATTERN_MAX)
        return false;
    p->units[p->len++] = (uint16_t)unit;
    return true;
}

static bool pattern_add_literal(struct policy_pattern *p, struct bytes text)
{
    const uint8_t *t = text.data;
    for (size_t i = 0; i < text.len; i++)
        if (!pattern_add(p, t[i]))
            return false;
    return true;
}

static struct bytes trimmed(struct bytes text)
{
    const char *t = text.data;
    size_t len = text.len;
    while (len > 0 && t[len - 1] == ' ')
        len--;
    while (len > 0 && *t == ' ') {
        t++;
        len--;
    }
    return bytes_of(t, len);
}

/* What stands between the braces: a key, and after a comma what to take when the request has none, in quotes. */
static bool pattern_add_variable(struct policy_pattern *p, const struct policy_request *request, struct bytes inside)
{
    const char *t = inside.data;
    if (inside.len == 1 && (*t == '*' || *t == '?' || *t == '$'))
        return pattern_add_literal(p, inside);
    const char *comma = inside.len > 0 ? memchr(t, ',', inside.len) : NULL;
    struct bytes key = trimmed(comma != NULL ? bytes_of(t, (size_t)(comma - t)) : inside);
    struct policy_values values = {.count = 0};
    uint8_t folded[POLICY_PATTERN_MAX];
    bool in_name = true;
    for (size_t i = 0; i < key.len && i < sizeof folded; i++) {
        uint8_t c = ((const uint8_t *)key.data)[i];
        in_name = in_name && c != '/';
        folded[i] = (uint8_t)(in_name ? lower(c) : c);
    }
    if (key.len <= sizeof folded && request->context(request->arg, bytes_of(folded, key.len), &values) &&
        values.count == 1)
        return pattern_add_literal(p, values.list[0]);
    if (comma == NULL)
        return false;
    struct bytes other = trimmed(bytes_of(comma + 1, (size_t)(t + inside.len - comma - 1)));
    const char *o = other.data;
    if (other.len < 2 || o[0] != '\'' || o[other.len - 1] != '\'')
        return false;
    return pattern_add_literal(p, bytes_of(o + 1, other.len - 2));
}

static bool text_has_variable(struct bytes text)
{
    return text.len > 3 && memmem(text.data, text.len, "${", 2) != NULL;
}

bool policy_pattern_fill(const struct policy *policy, const struct policy_request *request, struct bytes text,
                         bool wildcards, struct policy_pattern *out)
{
    const char *t = text.data;
    out->text = text;
    out->wildcards = wildcards;
    out->is_expanded = policy->has_variables && text_has_variable(text);
    out->len = 0;
    if (!out->is_expanded)
        return true;
    for (size_t i = 0; i < text.len; i++) {
        bool good;
        if (t[i] == '$' && i + 1 < text.len && t[i + 1] == '{') {
            const char *end = memchr(t + i, '}', text.len - i);
            if (end == NULL)
                return false;
            good = pattern_add_variable(out, request, bytes_of(t + i + 2, (size_t)(end - t) - i - 2));
            i = (size_t)(end - t);
        } else if (wildcards && (t[i] == '*' || t[i] == '?')) {
            good = pattern_add(out, t[i] == '*' ? WILD_ANY : WILD_ONE);
        } else {
            good = pattern_add(out, (uint8_t)t[i]);
        }
        if (!good)
            return false;
    }
    return true;
}

bool policy_pattern_matches(const struct policy_pattern *pattern, struct bytes text, enum policy_case letters)
{
    struct units p = {.wide = pattern->units, .len = pattern->len};
    if (!pattern->is_expanded)
        p = (struct units){.bytes = pattern->text.data, .len = pattern->text.len, .wildcards = pattern->wildcards};
    return units_match(&p, text, letters);
}
