/*
 * The CRC of two pieces put together, from the CRCs of the pieces.
 *
 * Polynomials over GF(2) modulo P, reflected: bit 63 is x^0, P's own top coefficient is left out. A 32-bit CRC lies in
 * the upper half, so one multiplication serves both widths. The CRC of a followed by b is crc(a) * x^(8 * b_bytes) +
 * crc(b): initial and final complements cancel out.
 */
#include "hash.h"

#define POLY_CRC32C     0x82f63b7800000000ull
#define POLY_CRC32_GZIP 0xedb8832000000000ull
#define POLY_CRC64_NVME 0x9a6c9329ac4bc9b5ull

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t poly, unsigned width)
{
    uint64_t product = 0;
    for (unsigned i = 0; i < width; i++) {
        if (a & 1ull << 63)
            product ^= b;
        a <<= 1;
        uint64_t carry = b & 1ull << (64 - width);
        b >>= 1;
        if (carry)
            b ^= poly;
    }
    return product;
}

/* crc, in the upper bits, times x^(8 * bytes) */
static uint64_t shift_bytes(uint64_t crc, uint64_t bytes, uint64_t poly, unsigned width)
{
    uint64_t power = 1ull << 55; /* x^8 */
    for (; bytes > 0; bytes >>= 1) {
        if (bytes & 1)
            crc = multiply(power, crc, poly, width);
        power = multiply(power, power, poly, width);
    }
    return crc;
}

uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t b_bytes)
{
    return (uint32_t)(shift_bytes((uint64_t)a << 32, b_bytes, POLY_CRC32C, 32) >> 32) ^ b;
}

uint32_t crc32_gzip_combine(uint32_t a, uint32_t b, uint64_t b_bytes)
{
    return (uint32_t)(shift_bytes((uint64_t)a << 32, b_bytes, POLY_CRC32_GZIP, 32) >> 32) ^ b;
}

uint64_t crc64_nvme_combine(uint64_t a, uint64_t b, uint64_t b_bytes)
{
    return shift_bytes(a, b_bytes, POLY_CRC64_NVME, 64) ^ b;
}
