/* Inside the store library: an object on its way in (put.c) and its chunks (put_chunk.c). */
#ifndef DOL_PUT_IMPL_H
#define DOL_PUT_IMPL_H

#include "hash.h"
#include "list.h"
#include "split.h"
#include "store_impl.h"

#define PUT_MAGIC              0x50555458u
#define PUT_INFLIGHT_MAX       3u          /* chunks of one object being appended */
#define PUT_FILL_BYTES_MIN     (64u << 10) /* first buffer when the size isn't known */
#define PUT_METADATA_BYTES_MAX (64u << 10)

/* One chunk that is new to the pool: its bytes live until its record is durable. */
struct put_chunk {
    struct list_node node;
    struct store *store;
    struct sha256 hash;
    uint8_t *data; /* owned; plain or coded */
    uint8_t prefix[CHUNK_BODY_PREFIX_BYTES];
    struct append_record records[2]; /* [1] is used when a manifest comes along */
    struct append_group group;
};

/* Growing array of encoded references. */
struct ref_array {
    uint8_t *data;
    size_t count, capacity; /* references */
    uint64_t bytes;         /* plain bytes referred to */
};

struct put {
    unsigned magic;
    struct store *store;
    uint64_t bucket;
    struct splitter splitter;
    struct hash_stream *md5;
    uint8_t *fill; /* the chunk being collected */
    size_t fill_len, fill_capacity;
    uint64_t size;
    uint64_t size_hint;
    struct ref_array chunks; /* of the list being collected */
    struct ref_array lists;
    struct list_node inflight; /* struct put_chunk */
    unsigned inflight_count;
    enum dol_err err; /* first error; sticky */
    /* copied from the request */
    uint8_t *text;
    struct bytes bucket_name, key, owner, headers[HEADER_COUNT], metadata;
};

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
/* [await] Collected chunk references become a chunk list. All chunks must be acknowledged. */
DOL_MUST_CHECK enum dol_err put_list_flush(struct put *put);

#endif
