/*
 * What is put: object number -> key and content, the same on every run with the same options. Made-up content is
 * incompressible and computed at any offset, so that gets are compared without keeping anything; files are mapped.
 * Read-only after init, shared by all workers.
 */
#ifndef DOL_BENCH_PAYLOAD_H
#define DOL_BENCH_PAYLOAD_H

#include "bench_options.h"

#define BENCH_FILES_MAX   1000000u
#define BENCH_KEY_MAX     1024u
#define BENCH_PATH_MAX    (3 * BENCH_KEY_MAX + 80)
#define BENCH_PIECE_BYTES (1u << 20)

struct bench_file {
    char *name; /* relative to the folder */
    const uint8_t *data;
    uint64_t size;
};

struct bench_payload {
    const struct bench_options *options; /* borrowed */
    struct bench_file *files;
    uint64_t file_count;
};

struct bench_content {
    uint64_t size;
    uint64_t stream;     /* seed of made-up bytes */
    const uint8_t *data; /* a file's bytes; NULL: made up */
};

/* Maps the files, if any. false: said why. */
bool bench_payload_init(struct bench_payload *p, const struct bench_options *options);
void bench_payload_fini(struct bench_payload *p);

struct bench_content bench_content_of(const struct bench_payload *p, uint64_t object);
/* The object whose content this one repeats, by duplicates_percent: itself, or one with a smaller number that is an
 * original. */
uint64_t bench_original_of(const struct bench_options *o, uint64_t object);
/* Bytes [offset, offset + len) of the content; offset is a multiple of 8. */
void bench_content_fill(const struct bench_content *c, uint64_t offset, uint8_t *buf, size_t len);
/* 64 hex digits and a terminator. */
void bench_content_sha256(const struct bench_content *c, char hex[65]);

/* The key of an object, without terminator limits of its own: at most BENCH_KEY_MAX bytes and one. */
void bench_key_of(const struct bench_payload *p, uint64_t object, char key[BENCH_KEY_MAX + 1]);
/* "/bucket/key" with everything but unreserved characters and slashes percent-encoded (AWS: UriEncode). */
void bench_path_of(const char *bucket, const char *key, char path[BENCH_PATH_MAX]);

#endif
