/*
 * Checksums of parts, and the checksum of an object made of them: the CRC of the whole, combined from the parts'
 * (FULL_OBJECT), or the digest of the parts' digests (COMPOSITE).
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
 */
#ifndef DOL_CHECKSUM_FOLD_H
#define DOL_CHECKSUM_FOLD_H

#include <dolmen/err.h>
#include <dolmen/object.h>

struct hash_stream;

/* What S3 offers: SHA only COMPOSITE, CRC-64/NVME only FULL_OBJECT; CHECKSUM_NONE with type 0. */
bool checksum_kind_is_valid(uint8_t alg, uint8_t type);
bool checksum_is_crc(uint8_t alg);
/* Algorithm, type and value are the same. */
bool checksum_equal_object(const struct object_checksum *a, const struct object_checksum *b);

/* CRC algorithms only; begins with 0. */
uint64_t crc_update(uint8_t alg, uint64_t crc, const void *data, size_t len);
struct object_checksum crc_checksum(uint8_t alg, uint64_t crc);

struct checksum_fold {
    uint8_t alg, type;
    enum { FOLD_COMPLETE, FOLD_LACKS_PARTS } state; /* a part without a checksum makes an object without one */
    uint64_t crc;
    struct hash_stream *hash; /* owned; COMPOSITE of SHA */
};
/* ENOMEM. */
DOL_MUST_CHECK enum dol_err checksum_fold_init(struct checksum_fold *f, uint8_t alg, uint8_t type);
void checksum_fold_fini(struct checksum_fold *f);
/* The next part, of `bytes` bytes. */
void checksum_fold_add(struct checksum_fold *f, const struct object_checksum *part, uint64_t bytes);
/* CHECKSUM_NONE when no algorithm was asked for, or a part lacked its checksum. */
struct object_checksum checksum_fold_final(struct checksum_fold *f);

#endif
