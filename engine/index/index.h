/*
 * The index: where records are and what the current state of every name is, derived from the log and rebuilt from it at
 * any time.
 *
 * LMDB (only here) holds what was applied; the overlay, sorted in memory, holds what is published and not yet applied.
 * Readers see both through a view. Commits are synchronous, in sorted batches, off the acknowledge path, by one writer.
 *
 *   published: an acknowledged row's records were handed to index_publish(): visible to every view begun later.
 *   applied:   they are in LMDB, with the LSN bound L and every slab's position in the same transaction.
 *
 * Applying a record twice is harmless; the highest LSN wins. Values carry a CRC-32C over key and value; a bad one
 * retires the index (ECORRUPT). All functions are thread-safe; none awaits. index_commit() blocks and is called through
 * offload_run() by one fiber at a time. Names in the index lie in the clear: they are as protected as the file system
 * it lies on.
 */
#ifndef DOL_INDEX_H
#define DOL_INDEX_H

#include "body.h"
#include "index_row.h"

struct index;

struct index_config {
    const char *dir;    /* created when missing, mode 0700 */
    uint64_t map_bytes; /* initial map size; grows by doubling before it is full */
    unsigned no_sync;   /* simulator only */
    struct uuid pool;
};

/*
 * Opens or creates. An index of another pool, schema version, or with a bad state record is discarded and begun anew:
 * then *fresh is set and nothing is applied. EIO, ENOMEM, EINUSE, EFULL.
 */
DOL_MUST_CHECK enum dol_err index_open(const struct index_config *config, struct index **out, bool *fresh);
void index_close(struct index *ix);
/* Discards everything and begins anew, in place. Only without views and writers. */
DOL_MUST_CHECK enum dol_err index_reset(struct index *ix);

/*
 * Bad sectors under LMDB's map are a SIGBUS. From now on one (of whatever cause) marks this index as damaged before the
 * process dies of it, so that the next open discards the index. One index per process; ends with index_close(). Once,
 * from the main program.
 */
void index_sigbus_guard(struct index *ix);

/* ---- state ---- */

struct lsn index_applied(const struct index *ix); /* L */
uint64_t index_generation(const struct index *ix);
/* Applied state (not the overlay). ENOTFOUND. */
DOL_MUST_CHECK enum dol_err index_slab_get(struct index *ix, uint64_t slab, struct index_slab *out);
typedef bool index_slab_fn(void *arg, const struct index_slab *slab);
DOL_MUST_CHECK enum dol_err index_slab_each(struct index *ix, index_slab_fn *fn, void *arg);

/* ---- publishing and applying ---- */

/* One acknowledged record: header facts, place, and plain body (chunks: only the hash). */
struct index_record {
    uint8_t kind;
    uint8_t codec;
    struct lsn lsn;
    struct place place;
    uint32_t plain_bytes;             /* chunks */
    struct bytes payload;             /* chunk: its 32-byte hash; other kinds: the plain TLV body. Copied. */
    const struct index_record *moved; /* RECORD_MOVED: what was copied, as it lies now */
    unsigned moved_count;
};

/* A row becoming visible: its records, and the slab's position after it. */
struct index_row {
    struct index_slab after; /* rows, end_block, last_table count this row; slab 0: no position moves (recovery
                                publishes parts of rows) */
    const struct index_record *records;
    unsigned record_count;
};

/*
 * Publishes one acknowledged row. Rows of one slab come in order. Records at or below index_applied() are skipped: they
 * are applied already. Records of kinds the index doesn't keep (directory, audit ...) only move the position. ECORRUPT
 * when a body does not decode; ENOMEM. Nothing of a failed row is visible.
 */
DOL_MUST_CHECK enum dol_err index_publish(struct index *ix, const struct index_row *row);

/* Bytes and records waiting to be applied; the caller commits when either is large or old. */
void index_pending(const struct index *ix, size_t *bytes, size_t *records);

/*
 * Applies, in one transaction, all published rows whose records are <= upto (rows without records whose slab has
 * nothing older waiting go along), then trims the overlay as views allow. *applied_records counts. Blocks on the disk.
 * EFULL, EIO: the index is unusable for applying but goes on reading; the caller retires it (reset + rebuild at next
 * open).
 */
DOL_MUST_CHECK enum dol_err index_commit(struct index *ix, struct lsn upto, size_t *applied_records);

/* ---- reading ---- */

/*
 * A consistent-enough view: pins the overlay, then opens an LMDB read transaction. Short-lived; no await between begin
 * and end. Bytes returned by getters are valid until index_view_end() (the view's own memory or LMDB's map).
 */
struct index_view;
DOL_MUST_CHECK enum dol_err index_view_begin(struct index *ix, struct index_view **out);
void index_view_end(struct index_view *view);

struct index_chunk {
    struct place place;
    struct lsn lsn; /* of the record that stored it */
    uint8_t kind;   /* RECORD_CHUNK or RECORD_CHUNK_LIST */
    uint8_t codec;
    uint32_t plain_bytes;
    uint64_t refs;         /* applied references only */
    struct lsn dead_since; /* since when it has none; {0,0} while it has some, or isn't applied */
};
/*
 * kind: RECORD_CHUNK or RECORD_CHUNK_LIST. They have separate spaces of hashes: a client may well upload an object
 * whose bytes are those of a list. ENOTFOUND, ECORRUPT.
 */
DOL_MUST_CHECK enum dol_err index_chunk_get(struct index_view *v, uint8_t kind, const struct sha256 *hash,
                                            struct index_chunk *out);

/* Decoded bucket bodies borrow from the view. ENOTFOUND. */
DOL_MUST_CHECK enum dol_err index_bucket_by_name(struct index_view *v, struct bytes name, struct bucket_body *out);
/* First bucket with a name strictly greater than `after`, in byte order. ENOTFOUND at the end. */
DOL_MUST_CHECK enum dol_err index_bucket_next(struct index_view *v, struct bytes after, struct bucket_body *out);

/* One version of an object: the manifest's plain body and the record's LSN and place. */
struct index_object {
    struct lsn lsn;
    struct place place;
    struct bytes body; /* manifest_decode() it; object-meta records that came later are already merged in */
};
/* version NULL: the newest one (may be a delete marker). ENOTFOUND. */
DOL_MUST_CHECK enum dol_err index_object_get(struct index_view *v, uint64_t bucket, struct bytes key,
                                             const struct version_id *version, struct index_object *out);
/*
 * The newest version (delete markers too) of the first key strictly greater than `after` (at or above it when
 * inclusive), exact byte order for keys up to 1,024 bytes. key_out has OBJECT_KEY_BYTES_MAX bytes. ENOTFOUND at the end
 * of the bucket.
 */
DOL_MUST_CHECK enum dol_err index_object_next(struct index_view *v, uint64_t bucket, struct bytes after, bool inclusive,
                                              uint8_t *key_out, size_t *key_len, struct index_object *out);
struct index_version_position {
    struct bytes key;
    bool inclusive;                   /* without version: versions of this very key count, too */
    const struct version_id *version; /* not NULL: behind this version of the key, whether it exists or not */
};
/* The first version behind a position, delete markers too, in order of key, then newest first. ENOTFOUND at the end of
 * the bucket. */
DOL_MUST_CHECK enum dol_err index_version_next(struct index_view *v, uint64_t bucket,
                                               const struct index_version_position *after, struct index_object *out);

/* ---- multipart uploads ---- */

/* An upload: its record's plain body in out, upload_body_decode() it. ENOTFOUND: unknown or ended. */
DOL_MUST_CHECK enum dol_err index_upload_get(struct index_view *v, uint64_t bucket, struct bytes key,
                                             const uint8_t id[16], struct index_object *out);
struct index_upload_position {
    struct bytes key;
    bool inclusive;    /* without id: uploads of this very key count, too */
    const uint8_t *id; /* not NULL: behind this upload of the key, whether it still exists or not */
};
/* The first upload behind a position, in order of key, then id, whose first half is the time of creation. ENOTFOUND at
 * the end of the bucket. */
DOL_MUST_CHECK enum dol_err index_upload_next(struct index_view *v, uint64_t bucket,
                                              const struct index_upload_position *after, struct index_object *out);

struct index_part {
    uint32_t number;
    struct lsn lsn;
    struct bytes body; /* upload_part_decode() it */
};
typedef bool index_part_fn(void *arg, const struct index_part *part);
/* The parts with numbers above `after`, ascending, until fn returns false. Parts of an upload that has ended may still
 * be there: index_upload_get() comes first, in the same view. */
DOL_MUST_CHECK enum dol_err index_part_each(struct index_view *v, uint64_t bucket, const uint8_t id[16], uint32_t after,
                                            index_part_fn *fn, void *arg);

/* Any version or upload at all in the bucket? */
DOL_MUST_CHECK enum dol_err index_bucket_is_empty(struct index_view *v, uint64_t bucket, bool *empty);

/* Appliance-wide setting by name; ENOTFOUND. */
DOL_MUST_CHECK enum dol_err index_setting_get(struct index_view *v, struct bytes name, struct bytes *value);
#define INDEX_SETTING_NAME_MAX 255u /* bytes of names that are walked through */
/* The first setting of a kind (RECORD_USER, _ACCESS_KEY, _POLICY, _SETTING) whose name is above `after` in byte order.
 * Names longer than INDEX_SETTING_NAME_MAX aren't for walking. ENOTFOUND at the end. */
DOL_MUST_CHECK enum dol_err index_setting_next(struct index_view *v, uint8_t kind, struct bytes after,
                                               struct bytes *name, struct bytes *value);

/* ---- what is needed of the log, and what is void (graves.c, verdict.c) ---- */

/* A slab's books, as applied: exact. Bytes are those of rows: records with their alignment. */
struct index_live {
    uint64_t bytes;   /* of the current records, and of others that keep graves in other slabs shut */
    uint64_t records; /* current ones */
    uint64_t cancels; /* that keep graves in other slabs shut */
};
DOL_MUST_CHECK enum dol_err index_live_get(struct index_view *v, uint64_t slab, struct index_live *out);
uint64_t index_live_bytes(struct index *ix); /* of all slabs */

enum index_verdict {
    INDEX_KEEP,        /* copied, as it is, before the slab is freed */
    INDEX_DROP,        /* void, or copied already */
    INDEX_REPLACE,     /* a manifest: void; a delete of the version it replaced takes over the graves */
    INDEX_ASK,         /* end, freed: as long as the slab they speak of is there; the index doesn't know */
    INDEX_UNEXPLAINED, /* neither current nor void: the index is not to be believed */
};
struct index_judgement {
    uint8_t verdict; /* enum index_verdict */
    unsigned grave_count;
    struct grave_ref graves[DELETE_GRAVES_MAX];
};
/*
 * A record that lies in a slab whose rows are all applied. Chunks and lists without references since an LSN above
 * dead_upto are kept: somebody may be about to refer to them. ECORRUPT.
 */
DOL_MUST_CHECK enum dol_err index_judge(struct index_view *v, const struct index_record *rec, struct lsn dead_upto,
                                        struct index_judgement *out);
/* Have records of slabs that aren't final been copied to this one? */
DOL_MUST_CHECK enum dol_err index_has_sources(struct index_view *v, uint64_t slab, bool *out);
/* May a view that is open, or one begun now, still be given a place in this slab that is not in LMDB? Any thread; waits
 * for a commit that is under way. */
bool index_shows_slab(struct index *ix, uint64_t slab);
/* The slab's header has gone from every member: its graves go, and what kept them shut. EINVAL: it isn't freed. Blocks
 * on the disk. */
DOL_MUST_CHECK enum dol_err index_slab_final(struct index *ix, uint64_t slab, struct uuid life);
/* An index begun anew is as new as what was freed before. */
void index_generation_floor(struct index *ix, uint64_t generation);

/* Something about the index doesn't fit: nothing is freed by it any more, and the next open begins anew. */
void index_doubt(struct index *ix, const char *what);
bool index_is_unsure(struct index *ix);
/*
 * Counts everything that reclaiming relies on: the references of every chunk and list, the books of every slab. Holds
 * one snapshot, on the calling thread. EBUSY: the map had to grow meanwhile, again later. ECORRUPT: they don't fit.
 */
DOL_MUST_CHECK enum dol_err index_audit(struct index *ix);

struct index_counts {
    uint64_t objects; /* current versions that aren't delete markers, applied */
    uint64_t buckets;
    uint64_t chunks;
    uint64_t commits;
    uint64_t pending; /* records published and not yet committed */
    uint64_t map_bytes;
};
void index_counts_get(struct index *ix, struct index_counts *out);

#endif
