/* What the engine and the gateway both say about an object: versions, retention, checksums, ETags, standard headers. */
#ifndef DOLMEN_OBJECT_H
#define DOLMEN_OBJECT_H

#include <dolmen/types.h>

#define OBJECT_KEY_BYTES_MAX 1024u

/*
 * Version id: big-endian u64 hybrid time (nanoseconds, raised above the key's previous version), then 8 random bytes.
 * Byte order is age order within one key. Shown to clients as 32 hex digits; the null version as "null". All zero:
 * none.
 */
struct version_id {
    uint8_t b[16];
};

static inline bool version_id_is_zero(const struct version_id *v)
{
    static const struct version_id zero;
    return memcmp(v, &zero, sizeof zero) == 0;
}

static inline bool version_id_equal(const struct version_id *a, const struct version_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* Names the null version of a key in requests, whatever id it has. No version has this id. */
extern const struct version_id version_id_null;

enum retention_mode { RETENTION_NONE = 0, RETENTION_GOVERNANCE = 1, RETENTION_COMPLIANCE = 2 };
struct retention {
    uint8_t mode;       /* enum retention_mode */
    uint8_t legal_hold; /* 0 or 1 */
    int64_t until_s;    /* seconds since 1970 on the compliance clock; 64 bits, so years beyond 2140 work */
};

enum checksum_alg {
    CHECKSUM_NONE = 0,
    CHECKSUM_CRC32 = 1,
    CHECKSUM_CRC32C = 2,
    CHECKSUM_CRC64NVME = 3,
    CHECKSUM_SHA1 = 4,
    CHECKSUM_SHA256 = 5
};
enum checksum_type { CHECKSUM_FULL_OBJECT = 1, CHECKSUM_COMPOSITE = 2 };
struct object_checksum {
    uint8_t alg;       /* enum checksum_alg; CHECKSUM_NONE: none stored */
    uint8_t type;      /* enum checksum_type */
    uint8_t bytes;     /* 4, 8, 20, 32 */
    uint8_t value[32]; /* big-endian as S3 shows it, before base64 */
};

/* ETag: MD5, and for multipart objects the number of parts ("md5-N"); parts 0 for plain. */
struct etag {
    uint8_t md5[16];
    uint32_t parts;
};

/* Standard headers kept with an object. */
enum object_header {
    HEADER_CONTENT_TYPE,
    HEADER_CACHE_CONTROL,
    HEADER_CONTENT_DISPOSITION,
    HEADER_CONTENT_ENCODING,
    HEADER_CONTENT_LANGUAGE,
    HEADER_EXPIRES,
    HEADER_WEBSITE_REDIRECT,
    HEADER_COUNT
};

/* Storage classes as S3 names them; the numbers are those of manifests. */
enum storage_class {
    STORAGE_CLASS_STANDARD = 0,
    STORAGE_CLASS_STANDARD_IA = 1,
    STORAGE_CLASS_ONEZONE_IA = 2,
    STORAGE_CLASS_INTELLIGENT_TIERING = 3,
    STORAGE_CLASS_GLACIER_IR = 4,
    STORAGE_CLASS_GLACIER = 5,
    STORAGE_CLASS_DEEP_ARCHIVE = 6,
    STORAGE_CLASS_REDUCED_REDUNDANCY = 7,
    STORAGE_CLASS_LAST = STORAGE_CLASS_REDUCED_REDUNDANCY
};

enum bucket_versioning { BUCKET_VERSIONING_OFF = 0, BUCKET_VERSIONING_ENABLED = 1, BUCKET_VERSIONING_SUSPENDED = 2 };

#endif
