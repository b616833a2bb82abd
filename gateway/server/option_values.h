/* Values of command-line options: sizes, geometries, endpoints, numbers. Strict: the whole text, or false. Shared by
 * dolmend and dolmen. */
#ifndef DOL_OPTION_VALUES_H
#define DOL_OPTION_VALUES_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#define OPTION_HOST_BYTES_MAX 64u

/* "512M", "4G", "1T", "4GiB", or plain bytes; powers of 1024. */
DOL_MUST_CHECK bool option_parse_size(const char *text, uint64_t *bytes);
/* "7d", "12h", "30m", "90s"; at least a second, at most 3650 days. */
DOL_MUST_CHECK bool option_parse_interval(const char *text, uint64_t *seconds);
/* "4+2". */
DOL_MUST_CHECK bool option_parse_geometry(const char *text, unsigned *k, unsigned *m);
DOL_MUST_CHECK bool option_parse_number(const char *text, unsigned min, unsigned max, unsigned *out);
/* "127.0.0.1:9000", "[::1]:9000"; an address, not a name; port 0 takes any. */
DOL_MUST_CHECK bool option_parse_endpoint(const char *text, char host[OPTION_HOST_BYTES_MAX], uint16_t *port);
/* A DNS name: labels of letters, digits and hyphens, up to 253 characters. */
DOL_MUST_CHECK bool option_is_domain(const char *text);
/* "us-east-1": lower-case letters, digits and hyphens, up to 32. */
DOL_MUST_CHECK bool option_is_region(const char *text);

/*
 * One step through argv: an option `--name value` or `--name=value`, or a bare word. Options that take no value are
 * given by `flags`, NULL-terminated, without the dashes. A value may not be missing.
 */
struct option_cursor {
    int argc;
    char **argv;
    int at; /* next argument */
};
enum option_kind { OPTION_END, OPTION_NAMED, OPTION_WORD, OPTION_NO_VALUE };
struct option_item {
    char name[64];     /* without dashes; the word itself is in value */
    const char *value; /* NULL for a flag */
};
/* OPTION_NO_VALUE: item->name lacks its value, or a flag has one. */
enum option_kind option_next(struct option_cursor *cursor, const char *const *flags, struct option_item *item);

#endif
