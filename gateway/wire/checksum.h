/*
 * The checksums of the S3 API: names, base64 values (big-endian), computing, combining.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
 */
#ifndef DOL_CHECKSUM_H
#define DOL_CHECKSUM_H

#include <dolmen/err.h>
#include <dolmen/object.h> /* enum checksum_alg, enum checksum_type */
#include <dolmen/types.h>

#define CHECKSUM_ALGS 6 /* with NONE */

#define CHECKSUM_BYTES_MAX 32u
#define CHECKSUM_TEXT_MAX  45u /* base64 with terminator */

struct checksum {
    enum checksum_alg alg;
    uint8_t b[CHECKSUM_BYTES_MAX]; /* checksum_bytes(alg) of them, rest zero */
};

/* 0, 4, 4, 8, 20, 32. */
size_t checksum_bytes(enum checksum_alg alg);
/* "CRC32C", as in x-amz-checksum-algorithm and XML; "" for NONE. */
const char *checksum_name(enum checksum_alg alg);
/* "x-amz-checksum-crc32c"; "" for NONE. */
const char *checksum_header(enum checksum_alg alg);
/* "ChecksumCRC32C", as in XML; "" for NONE. */
const char *checksum_element(enum checksum_alg alg);
/* CHECKSUM_NONE when unknown. Names in either case; headers in lower case. */
enum checksum_alg checksum_of_name(struct bytes name);
enum checksum_alg checksum_of_header(struct bytes header);
/* "FULL_OBJECT", "COMPOSITE". */
const char *checksum_type_name(enum checksum_type type);
DOL_MUST_CHECK bool checksum_type_parse(struct bytes name, enum checksum_type *type);

/* Base64 to value. false: not canonical base64 or not of the algorithm's length. */
DOL_MUST_CHECK bool checksum_parse(enum checksum_alg alg, struct bytes text, struct checksum *out);
/* Writes base64 with terminator. */
void checksum_format(const struct checksum *sum, char out[CHECKSUM_TEXT_MAX]);
bool checksum_equal(const struct checksum *a, const struct checksum *b);

struct hash_stream;
struct checksum_stream {
    enum checksum_alg alg;
    uint64_t crc;
    struct hash_stream *hash; /* owned; SHA only */
};
/* ENOMEM. */
DOL_MUST_CHECK enum dol_err checksum_stream_init(struct checksum_stream *s, enum checksum_alg alg);
void checksum_stream_fini(struct checksum_stream *s);
void checksum_stream_update(struct checksum_stream *s, const void *data, size_t len);
/* The stream starts anew. */
void checksum_stream_final(struct checksum_stream *s, struct checksum *out);

/* The checksum of a followed by `b_bytes` bytes whose checksum is b; CRCs only. EINVAL for SHA or unlike algorithms. */
DOL_MUST_CHECK enum dol_err checksum_combine(const struct checksum *a, const struct checksum *b, uint64_t b_bytes,
                                             struct checksum *out);

#endif
