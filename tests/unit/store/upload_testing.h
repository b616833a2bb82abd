/* Uploads told in short calls, for the tests of the store. Everything in bucket "b". */
#ifndef UPLOAD_TESTING_H
#define UPLOAD_TESTING_H

#include "pool_fixture.h"

/* A part as its sender remembers it: bytes are noise(seed, len). */
struct sent_part {
    uint32_t number;
    uint64_t seed;
    size_t len;
    struct complete_part complete;
    struct object_checksum checksum; /* as kept */
};

struct upload_ref upload_begin(struct fixture *f, const char *key);
struct upload_ref upload_begin_with(struct fixture *f, const char *key, uint8_t alg, uint8_t type);
/* Sends noise(seed, len); *out (may be NULL) is filled in when it was kept. */
enum dol_err try_part(struct fixture *f, const struct upload_ref *u, uint32_t number, uint64_t seed, size_t len,
                      const struct object_checksum *checksum, struct sent_part *out);
struct sent_part send_part(struct fixture *f, const struct upload_ref *u, uint32_t number, uint64_t seed, size_t len);

/* By the parts as sent, without any demand. */
enum dol_err try_complete(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts, unsigned count,
                          struct complete_result *out);
enum dol_err try_complete_if(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts,
                             unsigned count, struct condition condition, struct complete_result *out);
struct complete_result complete(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts,
                                unsigned count);
/* The object is there: bytes, ETag, parts and where they begin. */
void expect_parts(struct fixture *f, const char *key, const struct sent_part *parts, unsigned count);
/* The upload is there, with exactly these parts. */
void expect_upload(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts, unsigned count);
void expect_no_upload(struct fixture *f, const struct upload_ref *u);

/* MD5 of the parts' MD5s. */
void etag_of_parts(const struct sent_part *parts, unsigned count, uint8_t out[16]);
/* References to a chunk as applied, once everything is applied; UINT64_MAX: not known. */
uint64_t chunk_refs(struct fixture *f, const void *data, size_t len);

#endif
