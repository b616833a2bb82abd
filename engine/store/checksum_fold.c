/* See checksum_fold.h. Values are big-endian, as S3 shows them. */
#include "checksum_fold.h"

#include "dol_assert.h"
#include "hash.h"

bool checksum_kind_is_valid(uint8_t alg, uint8_t type)
{
    switch (alg) {
    case CHECKSUM_NONE:
        return type == 0;
    case CHECKSUM_CRC32:
    case CHECKSUM_CRC32C:
        return type == CHECKSUM_FULL_OBJECT || type == CHECKSUM_COMPOSITE;
    case CHECKSUM_CRC64NVME:
        return type == CHECKSUM_FULL_OBJECT;
    case CHECKSUM_SHA1:
    case CHECKSUM_SHA256:
        return type == CHECKSUM_COMPOSITE;
    default:
        return false;
    }
}

bool checksum_is_crc(uint8_t alg)
{
    return alg == CHECKSUM_CRC32 || alg == CHECKSUM_CRC32C || alg == CHECKSUM_CRC64NVME;
}

bool checksum_equal_object(const struct object_checksum *a, const struct object_checksum *b)
{
    return a->alg == b->alg && a->type == b->type && a->bytes == b->bytes && a->bytes <= sizeof a->value &&
           memcmp(a->value, b->value, a->bytes) == 0;
}

/* ---- CRCs ---- */

uint64_t crc_update(uint8_t alg, uint64_t crc, const void *data, size_t len)
{
    if (alg == CHECKSUM_CRC32)
        return crc32_gzip((uint32_t)crc, data, len);
    if (alg == CHECKSUM_CRC32C)
        return crc32c((uint32_t)crc, data, len);
    dol_assert(alg == CHECKSUM_CRC64NVME);
    return crc64_nvme(crc, data, len);
}

struct object_checksum crc_checksum(uint8_t alg, uint64_t crc)
{
    struct object_checksum out = {.alg = alg, .type = CHECKSUM_FULL_OBJECT, .bytes = alg == CHECKSUM_CRC64NVME ? 8 : 4};
    for (unsigned i = 0; i < out.bytes; i++)
        out.value[i] = (uint8_t)(crc >> (8 * (out.bytes - 1u - i)));
    return out;
}

static uint64_t crc_of(const struct object_checksum *c)
{
    uint64_t crc = 0;
    for (unsigned i = 0; i < c->bytes; i++)
        crc = crc << 8 | c->value[i];
    return crc;
}

static uint64_t crc_combine(uint8_t alg, uint64_t a, uint64_t b, uint64_t b_bytes)
{
    if (alg == CHECKSUM_CRC32)
        return crc32_gzip_combine((uint32_t)a, (uint32_t)b, b_bytes);
    if (alg == CHECKSUM_CRC32C)
        return crc32c_combine((uint32_t)a, (uint32_t)b, b_bytes);
    return crc64_nvme_combine(a, b, b_bytes);
}

/* ---- folding ---- */

enum dol_err checksum_fold_init(struct checksum_fold *f, uint8_t alg, uint8_t type)
{
    *f = (struct checksum_fold){.alg = alg, .type = type};
    if (alg == CHECKSUM_NONE || checksum_is_crc(alg))
        return DOL_OK;
    f->hash = hash_stream_new(alg == CHECKSUM_SHA1 ? HASH_SHA1 : HASH_SHA256);
    return f->hash != NULL ? DOL_OK : DOL_ENOMEM;
}

void checksum_fold_fini(struct checksum_fold *f)
{
    hash_stream_free(f->hash);
    f->hash = NULL;
}

void checksum_fold_add(struct checksum_fold *f, const struct object_checksum *part, uint64_t bytes)
{
    if (f->alg == CHECKSUM_NONE)
        return;
    if (part->alg != f->alg)
        f->state = FOLD_LACKS_PARTS;
    else if (f->type == CHECKSUM_FULL_OBJECT)
        f->crc = crc_combine(f->alg, f->crc, crc_of(part), bytes);
    else if (f->hash != NULL)
        hash_stream_update(f->hash, part->value, part->bytes);
    else
        f->crc = crc_update(f->alg, f->crc, part->value, part->bytes);
}

struct object_checksum checksum_fold_final(struct checksum_fold *f)
{
    struct object_checksum out = {.alg = CHECKSUM_NONE};
    if (f->alg == CHECKSUM_NONE || f->state == FOLD_LACKS_PARTS)
        return out;
    if (f->hash == NULL) {
        out = crc_checksum(f->alg, f->crc);
    } else {
        out.alg = f->alg;
        out.bytes = f->alg == CHECKSUM_SHA1 ? 20 : 32;
        hash_stream_final(f->hash, out.value);
    }
    out.type = f->type;
    return out;
}
