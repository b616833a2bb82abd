/*
 * The rows of the index: tables, keys and values, encoded and decoded; docs/index.md describes them byte by byte. All
 * of it is derived from the log: a change here raises INDEX_SCHEMA_VERSION and the index is rebuilt, so nothing is ever
 * converted. Integers in keys are big-endian (they sort), in values little-endian. Pure: who stores them where is
 * engine/index's business, and fsck's who reads them there.
 *
 *   table      key                                    value, after its CRC
 *   state      "state"                                struct index_state
 *   slabs      be64 slab                              struct index_slab, and what an end record said
 *   buckets    be64 bucket id                         struct body_row: bucket body
 *   names      bucket name                            be64 bucket id
 *   objects    be64 node, piece of the key's code ... see below; struct body_row: manifest body
 *   chunks     SHA-256 of a chunk                     struct ref_row
 *   lists      SHA-256 of a chunk list                struct ref_row
 *   members    SHA-256 of a chunk list                its array of chunk references
 *   uploads    as objects, with upload ids            struct body_row: upload body
 *   parts      be64 bucket, upload id (16), be32 part struct body_row: part body
 *   settings   record kind (1), name                  struct body_row: value; removed ones stay, as the last word
 *   live       be64 slab                              struct live_row: what of the slab is needed
 *   graves     be64 slab, be64 run, be64 counter      struct grave_row: a record of the slab that is void
 *   cancels    be64 run, be64 counter of a record     struct cancel_row: the graves that it alone keeps shut
 *   moves      be64 slab, be64 slab it was copied to  nothing
 *
 * Every value begins with a CRC-32C over table number, key and the rest of the value: LMDB 0.9 has no page checksums.
 * It is checked at every read.
 */
#ifndef DOL_INDEX_ROW_H
#define DOL_INDEX_ROW_H

#include "body.h"
#include "index_key.h"

#define INDEX_SCHEMA_VERSION 3u

/* Numbers are part of CRCs and of overlay keys. */
enum index_table {
    TABLE_STATE = 1,
    TABLE_SLABS,
    TABLE_BUCKETS,
    TABLE_NAMES,
    TABLE_OBJECTS,
    TABLE_CHUNKS,
    TABLE_LISTS,
    TABLE_MEMBERS,
    TABLE_UPLOADS,
    TABLE_SETTINGS,
    TABLE_PARTS,
    TABLE_LIVE,
    TABLE_GRAVES,
    TABLE_CANCELS,
    TABLE_MOVES,
    TABLE_END
};
extern const char *const table_names[TABLE_END];

#define TABLE_KEY_BYTES_MAX 511u

/* ---- the CRC around values ---- */

#define VALUE_CRC_BYTES 4u
/* The CRC of what comes before the payload; crc32c() goes on from there. */
uint32_t value_crc(enum index_table table, struct bytes key);
/* The payload behind a good CRC. ECORRUPT. */
DOL_MUST_CHECK enum dol_err value_check(enum index_table table, struct bytes key, struct bytes value,
                                        struct bytes *payload);

/* ---- state ---- */

struct index_state {
    struct uuid pool;
    struct lsn applied;  /* L */
    uint64_t generation; /* highest freed generation applied */
    uint64_t next_node;  /* directory nodes given out so far */
    uint64_t objects;
    uint64_t buckets;
    uint64_t chunks;
    uint64_t commits;
    uint64_t live_bytes; /* of all slabs */
};
#define STATE_BYTES 104u
void state_encode(const struct index_state *s, uint8_t out[STATE_BYTES]);
/* EFORMAT: another schema version. */
DOL_MUST_CHECK enum dol_err state_decode(struct bytes payload, struct index_state *out);

/* ---- slabs ---- */

enum slab_state {
    SLAB_STATE_OPEN = 1,
    SLAB_STATE_ENDED = 2,
    SLAB_STATE_SEALED = 3,
    SLAB_STATE_FREED = 4 /* by a record that is durable; not final before no member has its header any more */
};

/* What the index knows of a slab: how far its rows are applied. */
struct index_slab {
    uint64_t slab;
    struct uuid life;
    uint8_t state;            /* enum slab_state */
    uint64_t rows;            /* rows applied; when ended or sealed and complete: all there are */
    uint64_t end_block;       /* where the next row to apply begins */
    struct sha256 last_table; /* table hash of the last applied row */
    bool complete;            /* ended or sealed, and every row is applied */
};

#define SLAB_ROWS_UNKNOWN UINT64_MAX
struct slab_row {
    struct index_slab slab;
    uint64_t end_rows; /* rows by its end record; SLAB_ROWS_UNKNOWN without one */
};
#define SLAB_ROW_BYTES 88u
void slab_row_encode(const struct slab_row *s, uint8_t out[SLAB_ROW_BYTES]);
DOL_MUST_CHECK enum dol_err slab_row_decode(struct bytes key, struct bytes payload, struct slab_row *out);

/* ---- chunks and lists ---- */

enum {
    REF_ROW_STORED = 1, /* a record was applied: place and the like are set. Without it only references came so far */
    REF_ROW_HOLDS = 2,  /* lists: holds one reference on each member */
    REF_ROW_SUSPECT = 4 /* a reference was given back that wasn't there: never dead again */
};
struct ref_row {
    uint8_t flags;
    uint8_t codec;
    uint32_t plain_bytes;
    struct lsn lsn;
    struct place place;
    uint64_t refs;
    struct lsn
        dead_since; /* LSN of the record that took the last reference, or stored it without one; {0,0}: not dead */
};
/* A stored copy that has references. */
static inline bool ref_row_is_live(const struct ref_row *r)
{
    const struct lsn never = {0, 0};
    return (r->flags & REF_ROW_STORED) != 0 && lsn_compare(r->dead_since, never) == 0;
}
#define REF_ROW_BYTES 72u
void ref_row_encode(const struct ref_row *r, uint8_t out[REF_ROW_BYTES]);
DOL_MUST_CHECK enum dol_err ref_row_decode(struct bytes payload, struct ref_row *out);

/* ---- rows that carry a record's body: objects, buckets, uploads, parts ---- */

enum {
    BODY_ROW_MARKER = 1, /* objects: a delete marker */
    BODY_ROW_META = 2,   /* objects: an object-meta was taken in; meta_lsn and meta_place are there */
    BODY_ROW_REMOVED = 4 /* settings: has no value any more */
};
#define BODY_ROW_BYTES     44u
#define BODY_ROW_BYTES_MAX (BODY_ROW_BYTES + 40u)
struct body_row {
    uint8_t flags;
    struct lsn lsn;
    struct place place;
    struct lsn meta_lsn; /* of the newest object-meta, and where it lies */
    struct place meta_place;
    struct bytes body;
};
/* All but the body; its length. */
size_t body_row_encode(const struct body_row *r, uint8_t out[BODY_ROW_BYTES_MAX]);
DOL_MUST_CHECK enum dol_err body_row_decode(struct bytes payload, struct body_row *out);

#define UPLOAD_ID_BYTES 16u
#define PART_KEY_BYTES  28u
void part_key_encode(uint64_t bucket, const uint8_t upload_id[UPLOAD_ID_BYTES], uint32_t part,
                     uint8_t out[PART_KEY_BYTES]);
uint32_t part_key_number(const uint8_t key[PART_KEY_BYTES]);

/* Key of a setting in TABLE_SETTINGS: kind, name; `out` has TABLE_KEY_BYTES_MAX bytes. */
struct bytes setting_key(uint8_t *out, uint8_t kind, struct bytes name);

/* ---- tables of keys: objects, uploads ---- */

/*
 * A row of such a table has the key  node (8, big-endian) | piece | suffix.  The root node of a bucket is its bucket
 * id. A code (index_key.h) of at most KEY_PIECE_BYTES is one piece, followed by the suffix (16), for objects the
 * inverted version id, for uploads the upload id: a *leaf*, whose value is a struct body_row. Of a longer code the
 * first KEY_PIECE_BYTES bytes are the piece of a *directory*, whose value names a child node; the rest goes on there.
 * Directories and leaves of one node sort together by their pieces, as no code is a prefix of another. Values tell them
 * apart: a directory's begins with TREE_DIRECTORY.
 *
 * Child nodes have bit 63 set and come from a counter; bucket ids have it clear. The last leaf of a child takes the
 * directory with it.
 */
#define TREE_NODE_BYTES   8u
#define KEY_PIECE_BYTES   440u
#define TREE_SUFFIX_BYTES 16u
#define TREE_DEPTH_MAX    4u /* directories above a leaf: (KEY_CODE_BYTES_MAX - 1) / KEY_PIECE_BYTES */
#define TREE_CHILD_BIT    (1ull << 63)
#define TREE_DIRECTORY    0x80u

_Static_assert((KEY_CODE_BYTES_MAX - 1) / KEY_PIECE_BYTES == TREE_DEPTH_MAX, "depth of the longest code");
_Static_assert(KEY_VERSION_BYTES == TREE_SUFFIX_BYTES && UPLOAD_ID_BYTES == TREE_SUFFIX_BYTES, "suffixes");
_Static_assert(TREE_NODE_BYTES + KEY_PIECE_BYTES + TREE_SUFFIX_BYTES <= TABLE_KEY_BYTES_MAX, "LMDB's key limit");

#define DIRECTORY_ROW_BYTES 9u /* TREE_DIRECTORY, be64 child */
static inline bool row_is_directory(struct bytes payload)
{
    return payload.len > 0 && *(const uint8_t *)payload.data == TREE_DIRECTORY;
}
void directory_row_encode(uint64_t child, uint8_t out[DIRECTORY_ROW_BYTES]);
DOL_MUST_CHECK enum dol_err directory_row_decode(struct bytes payload, uint64_t *child);

/* ---- what of a slab is needed, and what is void ---- */

/*
 * A record is *current* while it tells the state of something; a record that was current and no longer is has a
 * *grave*, and so has a chunk without references. `bytes` are stored bytes with their alignment, as they lie in rows.
 */
struct live_row {
    uint64_t bytes;   /* of current records, and of deletes and upload ends in `cancels` */
    uint64_t records; /* current */
    uint64_t cancels; /* rows of `cancels` whose record lies in this slab */
};
/* As a record lies in a row: with its alignment. */
static inline uint64_t place_row_bytes(const struct place *p)
{
    return (p->stored_bytes + RECORD_ALIGN_BYTES - 1) & ~(uint64_t)(RECORD_ALIGN_BYTES - 1);
}
#define LIVE_ROW_BYTES 24u
void live_row_encode(const struct live_row *r, uint8_t out[LIVE_ROW_BYTES]);
DOL_MUST_CHECK enum dol_err live_row_decode(struct bytes payload, struct live_row *out);

#define LSN_KEY_BYTES   16u
#define GRAVE_KEY_BYTES (8u + LSN_KEY_BYTES)
void lsn_key_encode(struct lsn lsn, uint8_t out[LSN_KEY_BYTES]);
struct lsn lsn_key_decode(const uint8_t in[LSN_KEY_BYTES]);
#define MOVE_KEY_BYTES 16u
void grave_key_encode(uint64_t slab, struct lsn lsn, uint8_t out[GRAVE_KEY_BYTES]);

struct grave_row {
    uint8_t kind;           /* of the record in the grave */
    uint8_t canceller_kind; /* of the record without which it would be current again; 0: there is none */
    struct lsn canceller;
    struct place canceller_place; /* when the grave was dug */
    struct sha256 hash;           /* chunks and lists */
};
#define GRAVE_ROW_BYTES 76u
void grave_row_encode(const struct grave_row *r, uint8_t out[GRAVE_ROW_BYTES]);
DOL_MUST_CHECK enum dol_err grave_row_decode(struct bytes payload, struct grave_row *out);

/* A record that keeps graves of other slabs shut. It goes with the last of them. */
struct cancel_row {
    uint8_t kind;
    struct place place;
    struct bytes graves; /* count * GRAVE_REF_BYTES */
};
#define CANCEL_ROW_BYTES 28u
void cancel_row_encode(const struct cancel_row *r, uint8_t out[CANCEL_ROW_BYTES]); /* all but the graves */
DOL_MUST_CHECK enum dol_err cancel_row_decode(struct bytes payload, struct cancel_row *out);

#endif
