/*
 * What is put: object number -> key and content, the same on every run with the same options. Read-only after init,
 * shared by all threads.
 */
#ifndef DOL_BENCH_PAYLOAD_H
#define DOL_BENCH_PAYLOAD_H

#include "bench_content.h"
#include "bench_options.h"

#define BENCH_FILES_MAX 1000000u
#define BENCH_KEY_MAX   1024u
#define BENCH_PATH_MAX  (3 * BENCH_KEY_MAX + 80)

struct bench_file {
    char *name; /* relative to the folder */
    const uint8_t *data;
    uint64_t size;
};

struct bench_payload {
    const struct bench_options *options; /* borrowed */
    uint8_t *noise;                      /* BENCH_NOISE_BYTES */
    uint64_t salt;                       /* of the seed and the prefix: other ones, other bytes */
    struct bench_file *files;
    uint64_t file_count;
};

/* Makes the noise, maps the files, if any. false: said why. */
bool bench_payload_init(struct bench_payload *p, const struct bench_options *options);
void bench_payload_fini(struct bench_payload *p);

struct bench_content bench_content_of(const struct bench_payload *p, uint64_t object);
/* The object whose content this one repeats, by duplicates_percent: itself, or one with a smaller number that is an
 * original. */
uint64_t bench_original_of(const struct bench_options *o, uint64_t object);

/* The key of an object: at most BENCH_KEY_MAX bytes and a terminator. */
void bench_key_of(const struct bench_payload *p, uint64_t object, char key[BENCH_KEY_MAX + 1]);
/* "/bucket/key" with everything but unreserved characters and slashes percent-encoded (AWS: UriEncode). */
void bench_path_of(const char *bucket, const char *key, char path[BENCH_PATH_MAX]);
/* A value of a query, with slashes encoded, too. */
void bench_query_value(const char *text, char value[BENCH_PATH_MAX]);

#endif
