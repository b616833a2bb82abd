/* Inside the store library: an object or part on its way in (put.c, part.c) and its chunks (put_chunk.c). */
#ifndef DOL_PUT_IMPL_H
#define DOL_PUT_IMPL_H

#include "hash.h"
#include "list.h"
#include "refs.h"
#include "request.h"
#include "split.h"

#define PUT_MAGIC          0x50555458u
#define PUT_INFLIGHT_MAX   3u          /* chunks of one object being appended */
#define PUT_FILL_BYTES_MIN (64u << 10) /* first buffer when the size isn't known */

/* One chunk that is new to the pool: its bytes live until its record is durable. */
struct put_chunk {
    struct list_node node;
    struct store *store;
    struct sha256 hash;
    uint8_t *data; /* owned; plain or coded */
    uint8_t prefix[CHUNK_BODY_PREFIX_BYTES];
    struct append_record records[2]; /* [1] is used when a manifest or part comes along */
    struct append_group group;
};

struct put {
    unsigned magic;
    struct store *store;
    struct pin pin;
    uint64_t bucket;
    struct request request;
    struct splitter splitter;
    struct hash_stream *md5;
    uint8_t *fill; /* the chunk being collected */
    size_t fill_len, fill_capacity;
    struct sha256 fill_hash; /* once fill_hashed: nothing is added any more */
    bool fill_hashed;
    uint64_t size;
    uint64_t size_hint;
    struct ref_array chunks; /* of the list being collected */
    struct ref_array lists;
    struct list_node inflight; /* struct put_chunk */
    unsigned inflight_count;
    enum dol_err err; /* first error; sticky */
    /* parts: */
    uint32_t part_number; /* 0: not a part */
    struct upload_id upload;
    uint8_t upload_alg; /* enum checksum_alg the upload was begun with; a CRC is computed here */
    uint64_t crc;
};

/* ENOMEM, EREADONLY, EFULL, EBUSY (too many are in progress), ENOBUCKET; as request_copy(). */
DOL_MUST_CHECK enum dol_err put_open(struct store *s, const struct put_request *req, struct put **out);
void put_free(struct put *put);
/*
 * [await] No more bytes come: length and digest are checked, the rest becomes the last chunk. On OK every chunk but
 * *last (may be NULL) is acknowledged, and put->lists or else put->chunks refer to all of them.
 */
DOL_MUST_CHECK enum dol_err put_end_bytes(struct put *put, const struct put_finish *fin, uint8_t md5[16],
                                          struct put_chunk **last);

/* The row that ends a put: its record alone, or behind the last chunk. */
struct put_row {
    struct put_chunk *last; /* taken */
    struct append_record alone;
    struct append_group alone_group;
    struct append_group *group;
    struct append_record *slot;
};
void put_row_init(struct put_row *row, struct put_chunk *last);
/* Frees the chunk; gives its claim back when the row was not appended. */
void put_row_fini(struct put_row *row);

/* [await] Takes the bytes collected in put->fill into the object's MD5 and the chunk's hash. Before put_chunk_make(),
 * or left to it. */
void put_chunk_hash(struct put *put);
/*
 * [await] The bytes collected in put->fill become a chunk: hashed, claimed, coded, referred to. *out: a chunk to
 * append, or NULL when the pool has it. fill is empty afterwards.
 */
DOL_MUST_CHECK enum dol_err put_chunk_make(struct put *put, struct put_chunk **out);
/* [await] Starts appending, after waiting while PUT_INFLIGHT_MAX are under way. */
DOL_MUST_CHECK enum dol_err put_chunk_start(struct put *put, struct put_chunk *chunk);
/* [await] Until at most `left` chunks are being appended; reports the first failure. */
DOL_MUST_CHECK enum dol_err put_chunks_wait(struct put *put, unsigned left);
/* A chunk that won't be appended: gives its claim back. */
void put_chunk_drop(struct put_chunk *chunk);
void put_chunk_free(struct put_chunk *chunk);

#endif
