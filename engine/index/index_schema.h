/*
 * Schema: the LMDB tables, their keys and values. All of it is derived from the log: a change here raises
 * INDEX_SCHEMA_VERSION and the index is rebuilt, so nothing is ever converted. Integers in keys are big-endian (they
 * sort), in values little-endian.
 *
 *   table      key                                    value, after its CRC
 *   state      "state"                                struct index_state
 *   slabs      be64 slab                              struct index_slab, and what an end record said
 *   buckets    be64 bucket id                         struct body_row: bucket body
 *   names      bucket name                            be64 bucket id
 *   objects    be64 node, piece of the key's code ... see tree.h; struct body_row: manifest body
 *   chunks     SHA-256 of a chunk                     struct ref_row
 *   lists      SHA-256 of a chunk list                struct ref_row
 *   members    SHA-256 of a chunk list                its array of chunk references
 *   uploads    be64 bucket, upload id (16), be32 part struct body_row: upload or part body; part 0 is the upload itself
 *   settings   record kind (1), name                  value
 *
 * Each table is an LMDB database of its own: random inserts into chunks don't touch the pages of objects, keys carry no
 * prefix.
 *
 * Every value begins with a CRC-32C over table number, key and the rest of the value: LMDB 0.9 has no page checksums.
 * It is checked at every read.
 */
#ifndef DOL_INDEX_SCHEMA_H
#define DOL_INDEX_SCHEMA_H

#include <lmdb.h>

#include "index.h"

#define INDEX_SCHEMA_VERSION 1u

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
    TABLE_END
};
extern const char *const table_names[TABLE_END];

#define TABLE_KEY_BYTES_MAX 511u
#define VALUE_PARTS_MAX     4u

/*
 * LMDB's result as ours. ENOTFOUND: no such key. ETOOLARGE: the map is full (it grows and the batch is tried again).
 * EFULL: the disk is.
 */
DOL_MUST_CHECK enum dol_err schema_err(int rc);

/* Stores the concatenation of at most VALUE_PARTS_MAX parts under key; replaces. The cursor is left on it. */
DOL_MUST_CHECK enum dol_err table_put(MDB_cursor *mc, enum index_table table, struct bytes key,
                                      const struct bytes *parts, unsigned count);
/* The payload behind a good CRC. ECORRUPT. */
DOL_MUST_CHECK enum dol_err table_check(enum index_table table, const MDB_val *key, const MDB_val *value,
                                        struct bytes *payload);
/* Positions a cursor at key. ENOTFOUND, ECORRUPT. */
DOL_MUST_CHECK enum dol_err table_get(MDB_cursor *mc, enum index_table table, struct bytes key, struct bytes *payload);
/* As table_get() without a cursor. */
DOL_MUST_CHECK enum dol_err table_lookup(MDB_txn *txn, MDB_dbi dbi, enum index_table table, struct bytes key,
                                         struct bytes *payload);

/* ---- state ---- */

struct index_state {
    struct uuid pool;
    struct lsn applied;  /* L */
    uint64_t generation; /* highest freed generation applied */
    uint64_t next_node;  /* directory nodes given out so far, see tree.h */
    uint64_t objects;
    uint64_t buckets;
    uint64_t chunks;
    uint64_t commits;
};
#define STATE_BYTES 96u
void state_encode(const struct index_state *s, uint8_t out[STATE_BYTES]);
/* EFORMAT: another schema version. */
DOL_MUST_CHECK enum dol_err state_decode(struct bytes payload, struct index_state *out);

/* ---- slabs ---- */

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
#define REF_ROW_BYTES 72u
void ref_row_encode(const struct ref_row *r, uint8_t out[REF_ROW_BYTES]);
DOL_MUST_CHECK enum dol_err ref_row_decode(struct bytes payload, struct ref_row *out);

/* ---- rows that carry a record's body: objects, buckets, uploads ---- */

enum { BODY_ROW_MARKER = 1 }; /* objects: a delete marker */
#define BODY_ROW_BYTES 44u
struct body_row {
    uint8_t flags;
    struct lsn lsn;
    struct place place;
    struct bytes body;
};
void body_row_encode(const struct body_row *r, uint8_t out[BODY_ROW_BYTES]); /* all but the body */
DOL_MUST_CHECK enum dol_err body_row_decode(struct bytes payload, struct body_row *out);

#define UPLOAD_ID_BYTES  16u
#define UPLOAD_KEY_BYTES 28u
void upload_key_encode(uint64_t bucket, const uint8_t upload_id[UPLOAD_ID_BYTES], uint32_t part,
                       uint8_t out[UPLOAD_KEY_BYTES]);

#endif
