/*
 * Little-endian integers as they lie on disk: byte arrays in one-field structs, so that no native read or alignment
 * assumption happens by accident. Big-endian helpers serve sort keys.
 */
#ifndef DOL_LE_H
#define DOL_LE_H

#include <stdint.h>

struct le16 {
    uint8_t b[2];
};
struct le32 {
    uint8_t b[4];
};
struct le64 {
    uint8_t b[8];
};

static inline uint16_t le16_get(struct le16 v)
{
    return (uint16_t)(v.b[0] | v.b[1] << 8);
}

static inline uint32_t le32_get(struct le32 v)
{
    return (uint32_t)v.b[0] | (uint32_t)v.b[1] << 8 | (uint32_t)v.b[2] << 16 | (uint32_t)v.b[3] << 24;
}

static inline uint64_t le64_get(struct le64 v)
{
    uint64_t r = 0;
    for (int i = 7; i >= 0; i--)
        r = r << 8 | v.b[i];
    return r;
}

static inline struct le16 le16_of(uint16_t v)
{
    return (struct le16){{(uint8_t)v, (uint8_t)(v >> 8)}};
}

static inline struct le32 le32_of(uint32_t v)
{
    return (struct le32){{(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)}};
}

static inline struct le64 le64_of(uint64_t v)
{
    struct le64 r;
    for (int i = 0; i < 8; i++)
        r.b[i] = (uint8_t)(v >> (8 * i));
    return r;
}

static inline void be64_put(uint8_t out[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline uint64_t be64_get(const uint8_t in[8])
{
    uint64_t r = 0;
    for (int i = 0; i < 8; i++)
        r = r << 8 | in[i];
    return r;
}

#endif
