/* Shared by the tests of the wire parsers. */
#ifndef DOL_WIRE_TEST_H
#define DOL_WIRE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dolmen/types.h>
#include <stdio.h>
#include <stdlib.h>

static inline struct bytes str(const char *text)
{
    return bytes_of(text, strlen(text));
}

/* A copy of exactly its size, so that the address sanitizer sees a read beyond. To be freed by the caller. */
static inline void *exact_copy(const void *data, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

#define assert_bytes(actual, expected)                                                                                 \
    do {                                                                                                               \
        struct bytes actual_ = (actual);                                                                               \
        assert_int_equal(actual_.len, strlen(expected));                                                               \
        if (actual_.len > 0)                                                                                           \
            assert_memory_equal(actual_.data, expected, actual_.len);                                                  \
    } while (0)

#endif
