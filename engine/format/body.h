/*
 * Bodies of records, decoded and encoded. Decoded structs borrow from the body they were decoded from. Encoders report
 * failure through tlv_writer.overflow. Records state effects, never intents: replay applies them without consulting
 * anything else.
 *
 * One body per kind; see body_types.h and docs/format.md for types and limits. An encoder given what its decoder would
 * refuse (a key too long, references that don't add up) sets tlv_writer.overflow as well: nothing that can't be read
 * back is ever written. Decoders check every length, count and enum (ECORRUPT), refuse unknown critical TLVs (EFORMAT),
 * skip unknown others, and require the mandatory fields.
 */
#ifndef DOL_BODY_H
#define DOL_BODY_H

#include <dolmen/object.h>

#include "body_types.h"
#include "record.h"
#include "tlv.h"

/* ---- shared pieces ---- */

#define CHUNK_REF_BYTES 36u
#define LIST_REF_BYTES  44u

struct chunk_ref {
    struct sha256 hash; /* of the plain bytes */
    uint32_t bytes;     /* plain length */
};
struct list_ref {
    struct sha256 hash; /* SHA-256 of the list's reference array (count * 36 bytes) */
    uint32_t chunks;
    uint64_t bytes; /* plain length of all its chunks */
};
void chunk_ref_encode(const struct chunk_ref *r, uint8_t out[CHUNK_REF_BYTES]);
struct chunk_ref chunk_ref_decode(const uint8_t in[CHUNK_REF_BYTES]);
void list_ref_encode(const struct list_ref *r, uint8_t out[LIST_REF_BYTES]);
struct list_ref list_ref_decode(const uint8_t in[LIST_REF_BYTES]);

/* ---- chunk ---- */
struct chunk_body {
    struct sha256 hash; /* of the plain bytes */
    struct bytes data;  /* coded with the record's codec */
};
/* Bytes of TLVs around the data: the body is chunk_body_prefix() followed by the data itself, so that data is not
 * copied. */
#define CHUNK_BODY_PREFIX_BYTES 48u
void chunk_body_prefix(const struct sha256 *hash, uint32_t data_bytes, uint8_t out[CHUNK_BODY_PREFIX_BYTES]);
DOL_MUST_CHECK enum dol_err chunk_body_decode(struct bytes body, struct chunk_body *out);

/* ---- chunk list ---- */
struct chunk_list_body {
    struct sha256 hash;
    struct bytes refs; /* count * CHUNK_REF_BYTES, 1 .. LIST_CHUNKS_MAX */
};
void chunk_list_encode(const struct chunk_list_body *b, struct tlv_writer *w);
/* Checks the hash, too. */
DOL_MUST_CHECK enum dol_err chunk_list_decode(struct bytes body, struct chunk_list_body *out);

/* ---- manifest ---- */
enum { MANIFEST_NULL_VERSION = 1, MANIFEST_DELETE_MARKER = 2 };
struct manifest {
    uint64_t bucket;  /* bucket id */
    struct bytes key; /* 1 .. 1024 bytes */
    struct version_id version;
    uint32_t flags;             /* MANIFEST_* */
    struct version_id replaces; /* the null version this one takes the place of; zero: none */
    struct bytes owner;         /* canonical user id */
    int64_t mtime_ns;
    uint64_t size;
    struct etag etag;
    struct bytes headers[HEADER_COUNT]; /* data NULL: absent */
    struct bytes metadata;              /* META TLVs back to back, as encoded: iterate with manifest_meta_next() */
    struct bytes tags;                  /* le16 name length, name, le16 value length, value; repeated */
    struct retention retention;
    uint8_t storage_class; /* enum storage_class */
    struct object_checksum checksum;
    struct bytes parts;      /* of multipart objects: fixed entries, see struct manifest_part */
    struct bytes upload_id;  /* of multipart objects: 16 bytes */
    struct bytes sse;        /* server-side encryption fields as answered to clients; opaque here */
    struct bytes chunk_refs; /* count * 36; either these */
    struct bytes list_refs;  /* count * 44; or these; neither for size 0 and delete markers */
};
struct manifest_part {
    uint32_t number;
    uint64_t size;
    uint8_t md5[16];
    struct object_checksum checksum;
};
#define MANIFEST_PART_BYTES 64u
void manifest_part_encode(const struct manifest_part *p, uint8_t out[MANIFEST_PART_BYTES]);
DOL_MUST_CHECK enum dol_err manifest_part_decode(const uint8_t in[MANIFEST_PART_BYTES], struct manifest_part *out);
/* Its size alone: for sums over many parts. */
uint64_t manifest_part_size(const uint8_t in[MANIFEST_PART_BYTES]);
/* User metadata: one value per pair for metadata: le16 name length, name, value. Appends to a buffer for struct
 * manifest.metadata. */
void manifest_meta_put(struct tlv_writer *w, struct bytes name, struct bytes value);
/* false at the end. `pos` starts as the whole of manifest.metadata and shrinks. */
bool manifest_meta_next(struct bytes *pos, struct bytes *name, struct bytes *value);
void manifest_encode(const struct manifest *m, struct tlv_writer *w);
/* Also checks that the references add up to size. */
DOL_MUST_CHECK enum dol_err manifest_decode(struct bytes body, struct manifest *out);
/* What CreateMultipartUpload keeps for Complete: a manifest with bucket and key, but version, replaces, size, ETag,
 * checksum, parts, upload id and references zero. */
void manifest_template_encode(const struct manifest *m, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err manifest_template_decode(struct bytes body, struct manifest *out);

/* ---- delete: one version is gone ---- */
/* A record that is void, and the slab it lies in. */
struct grave_ref {
    uint64_t slab;
    struct lsn lsn;
};
#define GRAVE_REF_BYTES 24u
void grave_ref_encode(const struct grave_ref *g, uint8_t out[GRAVE_REF_BYTES]);
struct grave_ref grave_ref_decode(const uint8_t in[GRAVE_REF_BYTES]);
struct delete_body {
    uint64_t bucket;
    struct bytes key;
    struct version_id version;
    struct bytes graves; /* count * GRAVE_REF_BYTES: manifests this delete has to keep void from now on, in the place of
                            one that was freed; for the reclaiming of space alone */
};
void delete_body_encode(const struct delete_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err delete_body_decode(struct bytes body, struct delete_body *out);

/* ---- object meta: full new state of what may change about a version ---- */
struct object_meta_body {
    uint64_t bucket;
    struct bytes key;
    struct version_id version;
    struct retention retention;
    struct bytes tags;
    uint8_t storage_class;
    int64_t restored_until_s; /* 0: not restored */
};
void object_meta_encode(const struct object_meta_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err object_meta_decode(struct bytes body, struct object_meta_body *out);

/* ---- bucket: full state ---- */
enum { BUCKET_FLAG_OBJECT_LOCK = 1 };
struct bucket_body {
    uint64_t id; /* never used again; LSN counter style: run << 32 | counter */
    struct bytes name;
    struct bytes owner;
    int64_t created_ns;
    struct bytes region;
    uint8_t versioning;
    uint32_t flags;
    struct retention default_retention; /* mode, and until_s as a period in seconds */
    uint32_t default_years;             /* the period was given as so many years of 365 days; 0: as days */
    struct bytes settings; /* named documents (policy, lifecycle, CORS, tags ...): le16 name length, name, le32 value
                             length, value; repeated */
};
void bucket_body_encode(const struct bucket_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err bucket_body_decode(struct bytes body, struct bucket_body *out);
/* The first document of settings, which *pos becomes the rest of; false: there is none, or it is malformed. */
bool bucket_setting_next(struct bytes *pos, struct bytes *name, struct bytes *value);
/* Bytes of one beside name and value; name and value are within the limits of body_types.h. Returns what is behind it.
 */
#define BUCKET_SETTING_HEAD_BYTES 6u
uint8_t *bucket_setting_put(uint8_t *out, struct bytes name, struct bytes value);

struct bucket_delete_body {
    uint64_t id;
};
void bucket_delete_encode(const struct bucket_delete_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err bucket_delete_decode(struct bytes body, struct bucket_delete_body *out);

/* ---- multipart uploads ---- */
struct upload_body {
    uint64_t bucket;
    struct bytes key;
    uint8_t upload_id[16];
    struct bytes owner;
    struct bytes initiator;
    int64_t created_ns;
    uint8_t checksum_alg;
    uint8_t checksum_type;
    struct bytes
        manifest; /* manifest_template_encode(), of the same bucket and key: what Complete will give the object */
};
struct upload_part_body {
    uint64_t bucket;
    struct bytes key;
    uint8_t upload_id[16];
    struct manifest_part part;
    int64_t mtime_ns;
    struct bytes chunk_refs;
    struct bytes list_refs;
};
struct upload_end_body {
    uint64_t bucket;
    struct bytes key;
    uint8_t upload_id[16];
    uint8_t completed; /* 1: a manifest in the same row carries on its references; 0: aborted */
};
void upload_body_encode(const struct upload_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err upload_body_decode(struct bytes body, struct upload_body *out);
void upload_part_encode(const struct upload_part_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err upload_part_decode(struct bytes body, struct upload_part_body *out);
void upload_end_encode(const struct upload_end_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err upload_end_decode(struct bytes body, struct upload_end_body *out);

/* ---- end: the verdict on a slab that will not be appended to any more ---- */
struct end_body {
    uint64_t slab;
    struct uuid life;
    uint64_t rows;      /* valid rows; 0: none */
    uint64_t end_block; /* first block after the last valid row */
};
void end_body_encode(const struct end_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err end_body_decode(struct bytes body, struct end_body *out);

/* ---- freed ---- */
struct freed_body {
    uint64_t slab;
    struct uuid life;
    uint64_t generation;
};
void freed_body_encode(const struct freed_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err freed_body_decode(struct bytes body, struct freed_body *out);

/* ---- debt: units of a slab's life that a drive lacks ---- */
struct debt_body {
    struct uuid drive;
    uint64_t slab;
    struct uuid life;
    uint8_t settled; /* 1: made good */
};
void debt_body_encode(const struct debt_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err debt_body_decode(struct bytes body, struct debt_body *out);

/* ---- moved: the `count` records right before this one in its row were copied from a slab, as they were ---- */
struct moved_body {
    uint64_t slab;
    struct uuid life;
    uint32_t count;
};
void moved_body_encode(const struct moved_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err moved_body_decode(struct bytes body, struct moved_body *out);

/* ---- setting: appliance-wide, full state; also users, access keys and policies by name ---- */
struct setting_body {
    struct bytes name;
    struct bytes value; /* data NULL: removed */
};
void setting_body_encode(const struct setting_body *b, struct tlv_writer *w);
DOL_MUST_CHECK enum dol_err setting_body_decode(struct bytes body, struct setting_body *out);

/* ---- directory: what a slab holds ---- */
/*
 * A directory body is one TLV (type 1) that holds entries back to back: le32 entry length (whole), u8 kind, u8 codec,
 * u8 record flags, u8 zero, lsn (16), place without slab: le32 row_block, unit_blocks, offset_bytes, stored_bytes; le32
 * plain_bytes; then for chunks the 32-byte hash, for every other kind the record's whole plain body. Directory records
 * are not listed.
 */
struct directory_entry {
    uint8_t kind;
    uint8_t codec;
    uint8_t flags; /* RECORD_FLAG_* of the record */
    struct lsn lsn;
    struct place place; /* slab is filled in by the caller of directory_next() */
    uint32_t plain_bytes;
    struct bytes payload; /* hash of a chunk, or body */
};
/* Appends one entry at out (capacity bytes at hand); 0 when it does not fit, else its length. */
size_t directory_entry_encode(const struct directory_entry *e, uint8_t *out, size_t capacity);
/* The entries of a directory body. */
DOL_MUST_CHECK enum dol_err directory_entries(struct bytes body, struct bytes *entries);
/* ENOTFOUND at the end; EFORMAT for an entry of an unknown kind that may not be skipped (*pos is behind it). `pos`
 * shrinks. */
DOL_MUST_CHECK enum dol_err directory_next(struct bytes *pos, struct directory_entry *out);

#endif
