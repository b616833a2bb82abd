/* One header field of a request as the parsers of this folder hand it around: borrowed, name in lower case, value
 * without surrounding blanks. */
#ifndef DOL_WIRE_HEADER_H
#define DOL_WIRE_HEADER_H

#include <dolmen/types.h>

struct wire_header {
    struct bytes name;
    struct bytes value;
};

static inline bool bytes_equal_str(struct bytes b, const char *text)
{
    size_t len = strlen(text);
    return b.len == len && memcmp(b.data, text, len) == 0;
}

/* First header called `name` (lower case), or NULL. */
static inline const struct wire_header *wire_header_find(const struct wire_header *headers, unsigned count,
                                                         const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (bytes_equal_str(headers[i].name, name))
            return &headers[i];
    return NULL;
}

#endif
