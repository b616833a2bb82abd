/* Digests, checksums and key derivation, each one-shot and, where streams need it, incremental. OpenSSL and ISA-L do
 * the work. */
#ifndef DOL_HASH_H
#define DOL_HASH_H

#include <dolmen/err.h>
#include <dolmen/types.h>

struct hash_stream; /* SHA-256, MD5 or SHA-1 in progress */
enum hash_alg { HASH_SHA256, HASH_MD5, HASH_SHA1 };

#define HASH_BYTES_MAX 32

/* Digest length in bytes: 32, 16, 20. */
size_t hash_bytes(enum hash_alg alg);
/* NULL when memory is short. */
struct hash_stream *hash_stream_new(enum hash_alg alg);
void hash_stream_free(struct hash_stream *h);
void hash_stream_reset(struct hash_stream *h);
void hash_stream_update(struct hash_stream *h, const void *data, size_t len);
/* Writes hash_bytes() bytes; the stream is reset for reuse. */
void hash_stream_final(struct hash_stream *h, uint8_t *out);

struct sha256 sha256_of(const void *data, size_t len);
/* SHA-256 over the concatenation of n parts. */
struct sha256 sha256_of_parts(const struct bytes *parts, unsigned n);
void hmac_sha256(struct bytes key, struct bytes data, uint8_t out[32]);
/* RFC 5869, SHA-256; out_len <= 255 * 32. */
void hkdf_sha256(struct bytes key, struct bytes salt, struct bytes info, uint8_t *out, size_t out_len);

/* CRC-32C (Castagnoli), reflected, initial and final complement: crc32c(0, "123456789", 9) == 0xe3069283. Chains:
 * crc32c(crc32c(0,a),b). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* CRC-32 (IEEE, gzip): crc32_gzip(0, "123456789", 9) == 0xcbf43926. Chains likewise. (ISA-L exports another
 * crc32_ieee.) */
uint32_t crc32_gzip(uint32_t crc, const void *data, size_t len);
/* CRC-64/NVME: crc64_nvme(0, "123456789", 9) == 0xae8b14860a799888. Chains likewise. */
uint64_t crc64_nvme(uint64_t crc, const void *data, size_t len);
/* The CRC of a followed by b_bytes bytes, from the CRCs of both; takes about 64 steps whatever the length. */
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t b_bytes);
uint32_t crc32_gzip_combine(uint32_t a, uint32_t b, uint64_t b_bytes);
uint64_t crc64_nvme_combine(uint64_t a, uint64_t b, uint64_t b_bytes);

/* Lower-case hex with terminator: out has 2 * len + 1 bytes. */
void hex_encode(const void *data, size_t len, char *out);
/* Exactly 2 * len digits, either case. false when malformed. */
DOL_MUST_CHECK bool hex_decode(const char *hex, size_t hex_len, void *out, size_t len);
/* Standard alphabet with padding. out has 4 * ((len + 2) / 3) + 1 bytes. */
void base64_encode(const void *data, size_t len, char *out);
/* Strict: padding required, no white space, canonical. *out_len is the capacity on entry, the length on return. */
DOL_MUST_CHECK bool base64_decode(const char *text, size_t text_len, void *out, size_t *out_len);

/* Constant time. */
bool secret_equal(const void *a, const void *b, size_t len);
/* Overwrites secrets; never optimised away. */
void secret_wipe(void *p, size_t len);

#endif
