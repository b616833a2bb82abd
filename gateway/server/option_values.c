/* See option_values.h. */
#include "option_values.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

#define INTERVAL_S_MAX (3650ull * 86400)

/* Decimal digits at *text, advanced past them. */
static bool take_number(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t n = 0;
    if (!isdigit((unsigned char)*at))
        return false;
    for (; isdigit((unsigned char)*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *text = at;
    *out = n;
    return true;
}

bool option_parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGTP";
    uint64_t n = 0;
    unsigned shift = 0;
    if (!take_number(&text, &n))
        return false;
    if (*text != '\0') {
        const char *unit = strchr(units, toupper((unsigned char)*text));
        if (unit == NULL)
            return false;
        shift = 10 * (unsigned)(unit - units + 1);
        text++;
        if (strcmp(text, "") != 0 && strcmp(text, "iB") != 0)
            return false;
    }
    if (n == 0 || n > UINT64_MAX >> shift)
        return false;
    *bytes = n << shift;
    return true;
}

bool option_parse_interval(const char *text, uint64_t *seconds)
{
    uint64_t n = 0;
    if (!take_number(&text, &n) || n == 0 || text[0] == '\0' || text[1] != '\0')
        return false;
    uint64_t unit = *text == 's' ? 1 : *text == 'm' ? 60 : *text == 'h' ? 3600 : *text == 'd' ? 86400 : 0;
    if (unit == 0 || n > INTERVAL_S_MAX / unit)
        return false;
    *seconds = n * unit;
    return true;
}

bool option_parse_geometry(const char *text, unsigned *k, unsigned *m)
{
    uint64_t data = 0;
    uint64_t parity = 0;
    if (!take_number(&text, &data) || *text++ != '+' || !take_number(&text, &parity) || *text != '\0')
        return false;
    if (data < 1 || data > 255 || parity > 255)
        return false;
    *k = (unsigned)data;
    *m = (unsigned)parity;
    return true;
}

bool option_parse_number(const char *text, unsigned min, unsigned max, unsigned *out)
{
    uint64_t n = 0;
    if (!take_number(&text, &n) || *text != '\0' || n < min || n > max)
        return false;
    *out = (unsigned)n;
    return true;
}

bool option_parse_endpoint(const char *text, char host[OPTION_HOST_BYTES_MAX], uint16_t *port)
{
    unsigned char address[sizeof(struct in6_addr)];
    const char *colon = strrchr(text, ':');
    unsigned number = 0;
    if (colon == NULL || !option_parse_number(colon + 1, 0, UINT16_MAX, &number))
        return false;
    size_t len = (size_t)(colon - text);
    bool v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (v6) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= OPTION_HOST_BYTES_MAX)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    *port = (uint16_t)number;
    return inet_pton(v6 ? AF_INET6 : AF_INET, host, address) == 1;
}

bool option_is_domain(const char *text)
{
    size_t len = strlen(text);
    size_t label = 0;
    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool hyphen_ok = label > 0 && i + 1 < len && text[i + 1] != '.';
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!isalnum(c) && !(c == '-' && hyphen_ok))
            return false;
        if (++label > 63)
            return false;
    }
    return label > 0;
}

bool option_is_region(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 32)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '-')
            return false;
    return true;
}

static bool is_flag(const char *const *flags, const char *name)
{
    for (; *flags != NULL; flags++)
        if (strcmp(*flags, name) == 0)
            return true;
    return false;
}

enum option_kind option_next(struct option_cursor *cursor, const char *const *flags, struct option_item *item)
{
    *item = (struct option_item){0};
    if (cursor->at >= cursor->argc)
        return OPTION_END;
    const char *arg = cursor->argv[cursor->at++];
    if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0') {
        item->value = arg;
        return OPTION_WORD;
    }
    const char *equals = strchr(arg, '=');
    int len = equals != NULL ? (int)(equals - arg) - 2 : (int)strlen(arg) - 2;
    snprintf(item->name, sizeof item->name, "%.*s", len, arg + 2);
    if (is_flag(flags, item->name))
        return equals == NULL ? OPTION_NAMED : OPTION_NO_VALUE;
    if (equals != NULL)
        item->value = equals + 1;
    else if (cursor->at < cursor->argc)
        item->value = cursor->argv[cursor->at++];
    return item->value != NULL && item->value[0] != '\0' ? OPTION_NAMED : OPTION_NO_VALUE;
}
