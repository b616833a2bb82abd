/*
 * What the log says up to an LSN: every record that counts, in tables by what it is about; the highest LSN wins. Tables
 * borrow from the slabs that were walked.
 */
#ifndef DOL_FSCK_LOG_H
#define DOL_FSCK_LOG_H

#include "fsck.h"
#include "fsck_map.h"

#define FSCK_LOG_WHOLE ((struct lsn){UINT64_MAX, UINT64_MAX})

/* A chunk or a list: its newest copy. */
struct fsck_content {
    bool good;       /* there is one */
    bool referenced; /* by an object; in the check of the index, of a list: its members are known */
    uint32_t plain_bytes;
    const struct fsck_slab *slab; /* of the copy: lists have their body there */
    struct fsck_record *record;
    struct sha256 hash;
    /* for the check of the index */
    uint64_t refs;      /* fsck_log_count_refs() */
    struct lsn indexed; /* by the index, the LSN of the newest copy */
    const char *wrong;  /* what the index says wrong of it */
    bool told;          /* by an object that uses it */
    /* for the building of one */
    struct lsn released; /* highest LSN of what gave a reference back */
};

/* A version of an object, a bucket, an upload, a part, a setting. */
struct fsck_state {
    struct lsn lsn; /* of the record that speaks */
    struct bytes body;
    struct lsn gone;       /* highest LSN of what cancels it */
    struct lsn gone_first; /* lowest: what made it void */
    uint8_t kind;
    struct lsn meta_lsn; /* versions: of the newest object-meta */
    struct bytes meta;
    /* for the check of the index */
    struct lsn indexed, meta_indexed; /* by the index; zero: it doesn't know it. Buckets: the second is of the name */
    bool wrong;                       /* that was said */
};

struct fsck_log {
    struct fsck *f;
    struct lsn upto;
    struct fsck_map chunks, lists; /* by SHA-256: struct fsck_content */
    struct fsck_map versions;      /* by bucket, version, key: struct fsck_state */
    struct fsck_map buckets;       /* by id */
    struct fsck_map uploads;       /* by upload id */
    struct fsck_map parts;         /* by upload id and number */
    struct fsck_map settings;      /* by kind and name */
    struct fsck_map names;         /* owned keys of the maps above */
    enum dol_err err;              /* ENOMEM: what is there is not all */
};

/* Reads all records up to an LSN. ENOMEM. */
DOL_MUST_CHECK enum dol_err fsck_log_read(struct fsck *f, struct lsn upto, struct fsck_log *log);
void fsck_log_free(struct fsck_log *log);

/* Does a record count, as of an LSN? */
bool fsck_log_counts(const struct fsck_slab *s, const struct fsck_record *r, struct lsn upto);

/* Entries by name, made when they aren't there; NULL: log->err. */
struct fsck_content *fsck_log_content(struct fsck_log *log, uint8_t kind, const struct sha256 *hash);
struct fsck_state *fsck_log_version(struct fsck_log *log, uint64_t bucket, struct bytes key,
                                    const struct version_id *version);
struct fsck_state *fsck_log_bucket(struct fsck_log *log, uint64_t id);
struct fsck_state *fsck_log_upload(struct fsck_log *log, const uint8_t id[16]);
struct fsck_state *fsck_log_part(struct fsck_log *log, const uint8_t upload_id[16], uint32_t number);
struct fsck_state *fsck_log_setting(struct fsck_log *log, uint8_t kind, struct bytes name);

/* Is it there, by its own records? A bucket's delete and a removed setting speak, too. */
static inline bool fsck_state_is_there(const struct fsck_state *st)
{
    return st->body.data != NULL && lsn_compare(st->gone, st->lsn) <= 0;
}
/* A part is there as long as its upload. */
bool fsck_log_part_is_there(struct fsck_log *log, const struct fsck_state *st, struct upload_part_body *part);
/* The bucket's record, when it is there. */
const struct fsck_state *fsck_log_bucket_there(const struct fsck_log *log, uint64_t id);

/* "scans/exam/1" with what a terminal may not take as %XX; the bucket is "?" when it isn't known. Returns out. */
#define FSCK_OBJECT_NAME_BYTES (3 * (OBJECT_KEY_BYTES_MAX + BUCKET_NAME_BYTES_MAX) + 16)
const char *fsck_log_object_name(const struct fsck_log *log, uint64_t bucket, struct bytes key,
                                 char out[FSCK_OBJECT_NAME_BYTES]);
/* "(null version)" or "version 0123...". Returns out. */
#define FSCK_VERSION_NAME_BYTES 48u
const char *fsck_version_name(const struct manifest *m, char out[FSCK_VERSION_NAME_BYTES]);

/* ---- fsck_state.c ---- */

/* Counts the references of all chunks and lists: of versions and parts that are there, and of lists that have some. */
void fsck_log_count_refs(struct fsck_log *log);
/* Does a version have an object-meta that is newer than its manifest? */
static inline bool fsck_state_has_meta(const struct fsck_state *st)
{
    return st->meta.data != NULL && lsn_compare(st->meta_lsn, st->lsn) > 0;
}
/* The manifest with what that one changed; false: the two don't go together. */
bool fsck_state_merge(const struct fsck_state *st, struct tlv_writer *w, uint8_t *out, size_t capacity);
size_t fsck_state_merge_bytes(const struct fsck_state *st);

typedef void fsck_log_state_fn(void *arg, struct fsck_state *st);
void fsck_log_each(const struct fsck_map *m, fsck_log_state_fn *fn, void *arg);

#endif
