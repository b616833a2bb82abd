/*
 * Record: what rows carry. A 64-byte header in the clear, then the body: TLVs (body.h), sealed or not, then a trailer:
 * 16 bytes of GCM tag when sealed, 4 bytes CRC-32C over header and body plus 12 zero bytes when not. The next record
 * begins at the next multiple of 8 bytes; the gap is zero.
 *
 * Everything a user could read is in the body; the header only says what is needed to walk, order and open records. The
 * whole header is the additional authenticated data of the seal, so a sealed record is moved (compaction, re-append)
 * without change. Nonce of AES-256-GCM: 4 zero bytes || le64(seal_counter); key: HKDF-SHA256(data key key_id, salt =
 * seal_life, info = "dolmen slab key v1").
 */
#ifndef DOL_RECORD_H
#define DOL_RECORD_H

#include "format.h"

#define RECORD_HEADER_BYTES   64u
#define RECORD_TRAILER_BYTES  16u
#define RECORD_ALIGN_BYTES    8u
#define RECORD_BODY_BYTES_MAX (2u << 20)

/* Kinds. Numbers are for ever; all that the design names have theirs from the first version. */
enum record_kind {
    RECORD_CHUNK = 1,       /* content-addressed piece of an object */
    RECORD_CHUNK_LIST = 2,  /* list of chunks, itself content-addressed */
    RECORD_MANIFEST = 3,    /* one version of one object, or a delete marker */
    RECORD_DELETE = 4,      /* one version is gone */
    RECORD_OBJECT_META = 5, /* new retention, legal hold, tags or storage state of an existing version: full state */
    RECORD_BUCKET = 6,      /* bucket created or its settings changed: full state */
    RECORD_BUCKET_DELETE = 7,
    RECORD_UPLOAD = 8, /* multipart upload begun */
    RECORD_UPLOAD_PART = 9,
    RECORD_UPLOAD_END = 10, /* aborted, or completed into a manifest */
    RECORD_END = 11,        /* verdict: the last valid row of a slab */
    RECORD_FREED = 12,      /* the extents of a slab's life may be used again */
    RECORD_DEBT = 13,       /* a drive lacks units of a slab's life, or has them again */
    RECORD_DRIVE = 14,      /* membership change */
    RECORD_DIRECTORY = 15,  /* contents of the slab it lies in */
    RECORD_EVIDENCE = 16,   /* digests, hash trees, timestamps */
    RECORD_AUDIT = 17,      /* one access or administrative act */
    RECORD_USER = 18,
    RECORD_ACCESS_KEY = 19,
    RECORD_POLICY = 20,
    RECORD_SETTING = 21,   /* appliance-wide setting: full state */
    RECORD_TIER_COPY = 22, /* one verified bundle on one target */
    RECORD_STUDY = 23,
    RECORD_CLOCK = 24, /* compliance clock events */
    RECORD_EVENT = 25, /* outgoing notification, or its delivery */
    RECORD_MOVED = 26, /* the records before it in its row were copied from another slab, LSNs and all */
    RECORD_KIND_MAX = 26
};

enum {
    RECORD_FLAG_SKIP = 1, /* a reader that doesn't know the kind may skip it; without the bit it must refuse the pool */
};

/* This program knows the kind's body. Kinds without a body yet are unknown: a pool that holds some was written by a
 * newer program. */
bool record_kind_is_known(uint8_t kind);
/* Longest body of the kind; RECORD_BODY_BYTES_MAX for unknown kinds. */
uint32_t record_body_bytes_max(uint8_t kind);

struct record_header {
    uint8_t kind;
    uint8_t flags;
    uint8_t codec;   /* FORMAT_CODEC_*: of the DATA TLV of chunks; 0 otherwise */
    uint8_t seal;    /* FORMAT_SEAL_* */
    uint32_t key_id; /* 0 when unsealed */
    struct lsn lsn;
    uint32_t body_bytes;   /* TLVs, without trailer; 0 .. RECORD_BODY_BYTES_MAX */
    uint32_t plain_bytes;  /* chunks: length of the plain data after the codec; 0 otherwise */
    struct uuid seal_life; /* zero when unsealed */
    uint64_t seal_counter;
};

/* Bytes a record with this body takes in a row, alignment included. */
static inline uint32_t record_stored_bytes(uint32_t body_bytes)
{
    uint32_t n = RECORD_HEADER_BYTES + body_bytes + RECORD_TRAILER_BYTES;
    return (n + RECORD_ALIGN_BYTES - 1) & ~(RECORD_ALIGN_BYTES - 1);
}

void record_header_encode(const struct record_header *h, uint8_t out[RECORD_HEADER_BYTES]);
/* ECORRUPT: bad magic, header CRC or fields. EFORMAT: record version unknown, or kind unknown and not skippable. */
DOL_MUST_CHECK enum dol_err record_header_decode(const uint8_t in[RECORD_HEADER_BYTES], struct record_header *out);

/* Trailer of an unsealed record. */
void record_trailer_encode(const uint8_t header[RECORD_HEADER_BYTES], const uint8_t *body, uint32_t body_bytes,
                           uint8_t out[RECORD_TRAILER_BYTES]);
DOL_MUST_CHECK bool record_trailer_ok(const uint8_t header[RECORD_HEADER_BYTES], const uint8_t *body,
                                      uint32_t body_bytes, const uint8_t trailer[RECORD_TRAILER_BYTES]);

/* Where a record lies: enough to read it without its row's headers, given the slab's k, m and extents. */
struct place {
    uint64_t slab;
    uint32_t row_block;    /* row's offset in the extents, in blocks */
    uint32_t unit_blocks;  /* the row's unit size */
    uint32_t offset_bytes; /* of the record in the row's data */
    uint32_t stored_bytes; /* header to trailer, without alignment gap */
};

#define PLACE_BYTES 24u
void place_encode(const struct place *p, uint8_t out[PLACE_BYTES]);
/* Whatever the slab. */
bool place_is_possible(const struct place *p);
/* ECORRUPT: impossible. */
DOL_MUST_CHECK enum dol_err place_decode(const uint8_t in[PLACE_BYTES], struct place *out);

#endif
