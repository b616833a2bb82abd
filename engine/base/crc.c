/*
 * CRC-32C and CRC-32 through ISA-L. Its two functions differ in convention: crc32_iscsi() works on the raw register,
 * so the complements are made here, and takes an int length; crc32_gzip_refl() complements by itself.
 */
#include "hash.h"

#include <isa-l/crc.h>

/* Longest piece handed to crc32_iscsi() at once. */
#define CRC_PIECE_BYTES_MAX ((size_t)1 << 30)

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *in = data;
    uint32_t reg = ~crc;
    while (len > 0) {
        size_t piece = len < CRC_PIECE_BYTES_MAX ? len : CRC_PIECE_BYTES_MAX;
        /* ISA-L's prototype lacks const; the buffer is only read. */
        reg = crc32_iscsi((unsigned char *)(uintptr_t)in, (int)piece, reg);
        in += piece;
        len -= piece;
    }
    return ~reg;
}

uint32_t crc32_gzip(uint32_t crc, const void *data, size_t len)
{
    return len == 0 ? crc : crc32_gzip_refl(crc, data, len);
}
