/* Small value types that cross library borders. Counts and addresses that must not be mixed are one-field structs. */
#ifndef DOLMEN_TYPES_H
#define DOLMEN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A random 128-bit identity: pools, drives, slab lives. All zero means none. */
struct uuid {
    uint8_t b[16];
};

/* SHA-256 digest. */
struct sha256 {
    uint8_t b[32];
};

/* Position in the pool-wide order of records. Compared run first. {0, 0} precedes every record. */
struct lsn {
    uint64_t run;
    uint64_t counter;
};

/* Borrowed bytes; not terminated. */
struct bytes {
    const void *data;
    size_t len;
};

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

static inline bool uuid_is_zero(struct uuid a)
{
    static const struct uuid zero;
    return uuid_equal(a, zero);
}

static inline bool sha256_equal(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static inline int lsn_compare(struct lsn a, struct lsn b)
{
    if (a.run != b.run)
        return a.run < b.run ? -1 : 1;
    return a.counter < b.counter ? -1 : a.counter > b.counter;
}

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){data, len};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Lexicographic by unsigned byte, then by length: the order of S3 listings. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

#endif
