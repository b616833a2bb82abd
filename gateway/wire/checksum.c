/* Names, values, streams and combinations of the S3 checksums. */
#include "checksum.h"
#include "dol_assert.h"
#include "hash.h"

static const struct {
    const char *name;
    const char *header;
    const char *element;
    uint8_t bytes;
} algs[CHECKSUM_ALGS] = {
    [CHECKSUM_NONE] = {"", "", "", 0},
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
};

size_t checksum_bytes(enum checksum_alg alg)
{
    return algs[alg].bytes;
}

const char *checksum_name(enum checksum_alg alg)
{
    return algs[alg].name;
}

const char *checksum_header(enum checksum_alg alg)
{
    return algs[alg].header;
}

const char *checksum_element(enum checksum_alg alg)
{
    return algs[alg].element;
}

static bool equal_nocase(struct bytes b, const char *upper)
{
    const unsigned char *s = b.data;
    if (b.len != strlen(upper))
        return false;
    for (size_t i = 0; i < b.len; i++)
        if ((s[i] >= 'a' && s[i] <= 'z' ? s[i] & ~0x20 : s[i]) != (unsigned char)upper[i])
            return false;
    return true;
}

enum checksum_alg checksum_of_name(struct bytes name)
{
    for (unsigned alg = CHECKSUM_CRC32; alg < CHECKSUM_ALGS; alg++)
        if (equal_nocase(name, algs[alg].name))
            return (enum checksum_alg)alg;
    return CHECKSUM_NONE;
}

enum checksum_alg checksum_of_header(struct bytes header)
{
    for (unsigned alg = CHECKSUM_CRC32; alg < CHECKSUM_ALGS; alg++)
        if (bytes_equal(header, bytes_of(algs[alg].header, strlen(algs[alg].header))))
            return (enum checksum_alg)alg;
    return CHECKSUM_NONE;
}

const char *checksum_type_name(enum checksum_type type)
{
    return type == CHECKSUM_COMPOSITE ? "COMPOSITE" : "FULL_OBJECT";
}

bool checksum_type_parse(struct bytes name, enum checksum_type *type)
{
    if (equal_nocase(name, "COMPOSITE"))
        *type = CHECKSUM_COMPOSITE;
    else if (equal_nocase(name, "FULL_OBJECT"))
        *type = CHECKSUM_FULL_OBJECT;
    else
        return false;
    return true;
}

bool checksum_parse(enum checksum_alg alg, struct bytes text, struct checksum *out)
{
    memset(out, 0, sizeof *out);
    size_t len = sizeof out->b;
    if (alg == CHECKSUM_NONE || text.len >= CHECKSUM_TEXT_MAX || !base64_decode(text.data, text.len, out->b, &len) ||
        len != algs[alg].bytes)
        return false;
    out->alg = alg;
    return true;
}

void checksum_format(const struct checksum *sum, char out[CHECKSUM_TEXT_MAX])
{
    base64_encode(sum->b, algs[sum->alg].bytes, out);
}

bool checksum_equal(const struct checksum *a, const struct checksum *b)
{
    return a->alg == b->alg && memcmp(a->b, b->b, algs[a->alg].bytes) == 0;
}

/* ---- streams ---- */

enum dol_err checksum_stream_init(struct checksum_stream *s, enum checksum_alg alg)
{
    *s = (struct checksum_stream){.alg = alg};
    if (alg != CHECKSUM_SHA1 && alg != CHECKSUM_SHA256)
        return DOL_OK;
    s->hash = hash_stream_new(alg == CHECKSUM_SHA1 ? HASH_SHA1 : HASH_SHA256);
    return s->hash != NULL ? DOL_OK : DOL_ENOMEM;
}

void checksum_stream_fini(struct checksum_stream *s)
{
    hash_stream_free(s->hash);
    s->hash = NULL;
}

void checksum_stream_update(struct checksum_stream *s, const void *data, size_t len)
{
    switch (s->alg) {
    case CHECKSUM_NONE:
        break;
    case CHECKSUM_CRC32:
        s->crc = crc32_gzip((uint32_t)s->crc, data, len);
        break;
    case CHECKSUM_CRC32C:
        s->crc = crc32c((uint32_t)s->crc, data, len);
        break;
    case CHECKSUM_CRC64NVME:
        s->crc = crc64_nvme(s->crc, data, len);
        break;
    case CHECKSUM_SHA1:
    case CHECKSUM_SHA256:
        hash_stream_update(s->hash, data, len);
        break;
    }
}

static void put_big_endian(struct checksum *sum, uint64_t value)
{
    size_t len = algs[sum->alg].bytes;
    for (size_t i = 0; i < len; i++)
        sum->b[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

static uint64_t get_big_endian(const struct checksum *sum)
{
    uint64_t value = 0;
    for (size_t i = 0; i < algs[sum->alg].bytes; i++)
        value = value << 8 | sum->b[i];
    return value;
}

void checksum_stream_final(struct checksum_stream *s, struct checksum *out)
{
    memset(out, 0, sizeof *out);
    out->alg = s->alg;
    if (s->hash != NULL)
        hash_stream_final(s->hash, out->b);
    else
        put_big_endian(out, s->crc);
    s->crc = 0;
}

/* ---- combining ---- */

enum dol_err checksum_combine(const struct checksum *a, const struct checksum *b, uint64_t b_bytes,
                              struct checksum *out)
{
    enum checksum_alg alg = a->alg; /* out may be a or b */
    uint64_t first = get_big_endian(a), second = get_big_endian(b), combined;
    if (alg != b->alg)
        return DOL_EINVAL;
    switch (alg) {
    case CHECKSUM_CRC32:
        combined = crc32_gzip_combine((uint32_t)first, (uint32_t)second, b_bytes);
        break;
    case CHECKSUM_CRC32C:
        combined = crc32c_combine((uint32_t)first, (uint32_t)second, b_bytes);
        break;
    case CHECKSUM_CRC64NVME:
        combined = crc64_nvme_combine(first, second, b_bytes);
        break;
    default:
        return DOL_EINVAL;
    }
    memset(out, 0, sizeof *out);
    out->alg = alg;
    put_big_endian(out, combined);
    return DOL_OK;
}
