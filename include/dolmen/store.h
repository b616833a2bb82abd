/*
 * The store: what the rest of the program calls. Buckets, objects, lists, status; no HTTP, XML or tape.
 *
 * All calls are [await] unless said otherwise, may come from fibers of any loop, and are linearizable per (bucket,
 * key). A call that changes something returns OK only when the change is durable (on all members of its row) and
 * visible to every loop.
 *
 * Common errors: ENOBUCKET, ENOTFOUND, EREADONLY, EFULL, EBUSY (a bounded resource is exhausted), ECORRUPT and
 * EINCOMPLETE (stored bytes could not be verified or rebuilt), ESTOPPED. Strings are bytes, borrowed for the call
 * unless said otherwise.
 */
#ifndef DOLMEN_STORE_H
#define DOLMEN_STORE_H

#include <dolmen/err.h>
#include <dolmen/object.h>
#include <dolmen/runtime.h>
#include <dolmen/types.h>

struct store;
struct drive;

/* ---- pools ---- */

struct pool_create_config {
    struct drive **drives; /* opened read-write, borrowed */
    unsigned drive_count;
    unsigned k, m;         /* k + m <= drive_count */
    uint64_t extent_bytes; /* 0: chosen by drive size */
    const char *key_file;  /* created, must not exist; NULL: records are not encrypted */
    const char *label;     /* NULL: "dolmen" */
    bool force;            /* overwrite drives that carry a pool */
};

/* Formats drives as a new pool. EEXIST: a drive carries a superblock (or the key file exists) and force is not set.
 * EINVAL: geometry or sizes impossible. */
DOL_MUST_CHECK enum dol_err pool_create(const struct pool_create_config *config);

enum store_access { STORE_READ_WRITE, STORE_READ_ONLY };

struct store_config {
    struct drive **drives; /* any order; foreign ones are refused; taken: store_close() closes them */
    unsigned drive_count;
    const char *index_dir; /* created when missing; may be lost at any time */
    const char *key_file;  /* NULL for pools without encryption */
    enum store_access access;
    uint64_t index_map_bytes; /* initial LMDB map; grows; 0: default */
    unsigned index_no_sync;   /* 1 only in the simulator, where the index's loss is injected as an event */
    unsigned gc_manual;       /* 1 only in tests: space is reclaimed when they say so */
    unsigned puts_max;        /* PUTs in progress, all loops; 0: default; beyond it store_put_begin() gives EBUSY */
    uint64_t cache_bytes;     /* most memory for verified chunks that were read; 0: none is kept */
};

/*
 * Opens a pool: superblocks, a new run, recovery, index catch-up or rebuild. What is missing decides the access: with
 * at most m drives missing, and more than half of those that took part last, it goes on with new slabs of fewer drives,
 * and those that are missing are stale from then on; else, or with a drive that isn't writable, the store is read-only
 * (store_status tells why). EKEY, ENOTPOOL, EINCOMPLETE (more than
 * m members missing for some slab), EFORMAT. On error nothing is taken.
 */
DOL_MUST_CHECK enum dol_err store_open(const struct store_config *config, struct store **out);

/* Waits for appends in flight, proves the last rows, commits the index, closes the drives, frees. The caller has ended
 * its requests. */
void store_close(struct store *store);

/* Not [await]. Whether what is stored is encrypted. */
bool store_is_encrypted(const struct store *s);

/* ---- buckets ---- */

/* Object lock of a bucket. Once on it is never off again. */
struct bucket_lock {
    bool enabled;
    uint8_t
        mode; /* enum retention_mode: what versions get that bring no retention of their own; RETENTION_NONE: nothing
               */
    uint32_t days;  /* for how long: either days ... */
    uint32_t years; /* ... or years of 365 days; 0: the other one */
};
#define BUCKET_LOCK_DAYS_MAX  36500u
#define BUCKET_LOCK_YEARS_MAX 100u

struct bucket_info {
    uint64_t id;
    char name[64];
    char owner[65];
    char region[64];
    int64_t created_ns;
    uint8_t versioning; /* enum bucket_versioning */
    struct bucket_lock lock;
};

struct bucket_create {
    struct bytes name; /* valid by S3's rules: the caller checked */
    struct bytes owner;
    struct bytes region;
    bool object_lock; /* with it, versioning is enabled, too */
};
/* EEXIST: the name is taken; *out then describes the bucket that has it. */
DOL_MUST_CHECK enum dol_err store_bucket_create(struct store *s, const struct bucket_create *req,
                                                struct bucket_info *out);
DOL_MUST_CHECK enum dol_err store_bucket_get(struct store *s, struct bytes name, struct bucket_info *out);
/* ENOTEMPTY while it holds any version of any object, or an upload. */
DOL_MUST_CHECK enum dol_err store_bucket_delete(struct store *s, struct bytes name);
/*
 * BUCKET_VERSIONING_ENABLED or _SUSPENDED; once it was on it is never off again: EINVAL. ERETAINED: suspended in a
 * bucket with object lock. Every change of an object comes wholly before or after it.
 */
DOL_MUST_CHECK enum dol_err store_bucket_set_versioning(struct store *s, struct bytes name, uint8_t versioning);
/*
 * Turns object lock on (lock->enabled is not looked at), or gives a bucket that has it another default. EPRECONDITION:
 * versioning is not enabled. EINVAL: a mode without a period, or one beyond the limits. Every change of an object comes
 * wholly before or after it.
 */
DOL_MUST_CHECK enum dol_err store_bucket_set_lock(struct store *s, struct bytes name, const struct bucket_lock *lock);
/*
 * Documents that a bucket keeps by name for the layers above (policy, CORS ...), and that the store doesn't look into:
 * up to 64 of them, 512 KiB together. Each is of 0 bytes or more, and changes as a whole.
 */
/* *document points into *memory, which the caller frees. ENOTFOUND: there is none of that name. */
DOL_MUST_CHECK enum dol_err store_bucket_get_document(struct store *s, struct bytes bucket, struct bytes name,
                                                      struct bytes *document, void **memory);
/* EINVAL: a name of no or more than 64 bytes. ETOOLARGE: more than a bucket may have. */
DOL_MUST_CHECK enum dol_err store_bucket_set_document(struct store *s, struct bytes bucket, struct bytes name,
                                                      struct bytes document);
/* Also OK when there is none. */
DOL_MUST_CHECK enum dol_err store_bucket_delete_document(struct store *s, struct bytes bucket, struct bytes name);
/* Calls fn for each bucket in name order; fn must not await. Returns when fn returns false or all were seen. */
typedef bool bucket_list_fn(void *arg, const struct bucket_info *bucket);
DOL_MUST_CHECK enum dol_err store_bucket_list(struct store *s, bucket_list_fn *fn, void *arg);

/* ---- putting ---- */

struct metadata_pair {
    struct bytes name; /* lower-case, without "x-amz-meta-" */
    struct bytes value;
};

/*
 * What must hold of the current version for a write or delete to happen; checked with the key's gate held. A current
 * delete marker counts as absent. Not met: EPRECONDITION; CONDITION_EXISTS and CONDITION_ETAG with nothing there:
 * ENOTFOUND.
 */
enum condition_kind {
    CONDITION_NONE,
    CONDITION_ABSENT, /* If-None-Match: * */
    CONDITION_EXISTS, /* If-Match: * */
    CONDITION_ETAG    /* If-Match: an entity tag */
};
struct condition {
    uint8_t kind; /* enum condition_kind */
    struct etag etag;
};

struct put_request {
    struct bytes bucket;
    struct bytes key;
    struct bytes owner;
    struct bytes headers[HEADER_COUNT]; /* data NULL: absent */
    const struct metadata_pair *metadata;
    unsigned metadata_count;
    uint64_t size_hint;         /* expected size; UINT64_MAX: unknown */
    struct condition condition; /* also looked at when the put begins, so that a hopeless one takes no bytes */
    const struct metadata_pair *tags;
    unsigned tag_count;
    uint8_t storage_class;      /* enum storage_class */
    struct retention retention; /* without a mode the bucket's default is given, when the version is made; any in a
                                   bucket without object lock: ENOLOCK */
};

struct put_finish {
    const uint8_t *md5;              /* Content-MD5 to match, 16 bytes; NULL: none. Mismatch: EDIGEST, nothing stored */
    uint64_t expected_size;          /* UINT64_MAX: any; else ELENGTH on mismatch */
    struct object_checksum checksum; /* verified by the caller, kept with the object */
};

struct put_result {
    struct etag etag;
    struct version_id version; /* zero in buckets that never had versioning, and of null versions */
    bool null_version;         /* S3 calls it "null": in buckets that have or had versioning */
    uint64_t size;
    int64_t mtime_ns;
};

/* One object on its way in, on one fiber. Bytes are hashed, deduplicated, coded and appended as they come: memory is
 * bounded whatever the size. */
struct put;
DOL_MUST_CHECK enum dol_err store_put_begin(struct store *s, const struct put_request *req, struct put **out);
/* Bytes in order; copied as needed. After an error only abort is allowed. */
DOL_MUST_CHECK enum dol_err store_put_write(struct put *put, const void *data, size_t len);
/* Makes the object durable and visible, frees put whatever the outcome. */
DOL_MUST_CHECK enum dol_err store_put_finish(struct put *put, const struct put_finish *fin, struct put_result *out);
/* Forgets it; frees put. */
void store_put_abort(struct put *put);

/* ---- multipart uploads ---- */

#define UPLOAD_PARTS_MAX 10000u

struct upload_id {
    uint8_t b[16]; /* time of creation, then random: byte order is order of creation; clients see 32 hex digits */
};

struct part_info {
    uint32_t number;
    uint64_t offset; /* in the object; 0 for parts of an upload under way */
    uint64_t size;
    uint8_t md5[16];
    struct object_checksum checksum; /* of this part, full-object type */
    int64_t mtime_ns;                /* 0 in finished objects */
};

struct upload_info {
    struct upload_id id;
    struct bytes key;
    struct bytes owner, initiator;
    int64_t created_ns;
    uint8_t checksum_alg;  /* enum checksum_alg; CHECKSUM_NONE: none was asked for */
    uint8_t checksum_type; /* enum checksum_type */
    uint8_t storage_class; /* enum storage_class */
};

/* Begins an upload: what the object will be, but for its bytes. req->size_hint is not looked at. */
DOL_MUST_CHECK enum dol_err store_upload_create(struct store *s, const struct put_request *req, uint8_t checksum_alg,
                                                uint8_t checksum_type, struct upload_id *out);

/* An upload is named by bucket, key and id together. Unknown, completed or aborted: ENOUPLOAD. */
struct upload_ref {
    struct bytes bucket;
    struct bytes key;
    struct upload_id id;
};

/* What was given at creation; info's bytes point into *memory, which the caller frees. */
DOL_MUST_CHECK enum dol_err store_upload_get(struct store *s, const struct upload_ref *ref, struct upload_info *out,
                                             void **memory);

/*
 * One part on its way in: store_put_write() its bytes, then store_part_finish() or store_put_abort(). A part sent again
 * replaces the earlier one of its number, whole, when it is durable. fin->checksum: of the part, verified by the
 * caller. store_part_finish(): ENOUPLOAD when the upload ended meanwhile; frees put whatever the outcome.
 */
DOL_MUST_CHECK enum dol_err store_part_begin(struct store *s, const struct upload_ref *ref, uint32_t number,
                                             uint64_t size_hint, struct put **out);
DOL_MUST_CHECK enum dol_err store_part_finish(struct put *put, const struct put_finish *fin, struct part_info *out);

/* Parts with numbers above `after`, ascending; fn must not await; ends when fn returns false. */
typedef bool part_list_fn(void *arg, const struct part_info *part);
DOL_MUST_CHECK enum dol_err store_part_list(struct store *s, const struct upload_ref *ref, uint32_t after,
                                            part_list_fn *fn, void *arg);

struct complete_part {
    uint32_t number;
    uint8_t md5[16];
    struct object_checksum checksum; /* alg CHECKSUM_NONE: not given */
};
struct complete_request {
    struct upload_ref upload;
    const struct complete_part *parts; /* ascending numbers: the caller checked */
    unsigned part_count;
    uint64_t part_bytes_min; /* every part but the last has at least this size, else ETOOSMALL */
    struct condition condition;
    uint64_t expected_size; /* UINT64_MAX: any; else ELENGTH */
    struct object_checksum
        checksum; /* alg CHECKSUM_NONE: not given; else must match what the parts add up to: EDIGEST */
};
struct complete_result {
    struct put_result put;
    struct object_checksum checksum; /* as kept with the object */
    unsigned bad_part;               /* index in parts of the first that made EPART or ETOOSMALL */
};
/*
 * The object appears, the upload and all its parts are gone: one linearization point, under the key's gate, in one row.
 * EPART: a part isn't there, or its MD5 or checksum is another. A completed upload completed again, by the same parts,
 * while its object is still current: OK with the same answer, as S3 does for retried requests.
 */
DOL_MUST_CHECK enum dol_err store_upload_complete(struct store *s, const struct complete_request *req,
                                                  struct complete_result *out);
DOL_MUST_CHECK enum dol_err store_upload_abort(struct store *s, const struct upload_ref *ref);

struct upload_list_request {
    struct bytes bucket;
    struct bytes prefix;
    struct bytes delimiter;
    struct bytes after_key;           /* uploads of keys strictly after this ... */
    const struct upload_id *after_id; /* ... or of this key, behind this one in (created, id) order; NULL: none of it */
    unsigned max_entries;
};
/* In order of key, then creation, then id; common prefixes with upload NULL. As object_list_fn otherwise. */
typedef bool upload_list_fn(void *arg, struct bytes key_or_prefix, const struct upload_info *upload);
DOL_MUST_CHECK enum dol_err store_upload_list(struct store *s, const struct upload_list_request *req,
                                              upload_list_fn *fn, void *arg, bool *truncated);

/* ---- getting ---- */

struct object_info {
    struct bytes key;
    uint64_t size;
    int64_t mtime_ns;
    struct etag etag;
    struct version_id version; /* as in struct put_result */
    bool null_version;
    bool delete_marker;
    struct bytes owner;
    struct bytes headers[HEADER_COUNT];
    struct object_checksum checksum;
    struct retention retention;
    uint8_t storage_class; /* enum storage_class */
    unsigned part_count;   /* parts kept with the manifest of a multipart object; 0: not multipart */
    unsigned tag_count;
};

/* One version of an object, held open: its metadata stays valid until store_object_close(). */
struct object;
/* version NULL: the newest one; version_id_null: the null version. A delete marker is OK, with info.delete_marker: the
 * caller answers that there is no object. ENOVERSION: the key has no such version. */
DOL_MUST_CHECK enum dol_err store_object_open(struct store *s, struct bytes bucket, struct bytes key,
                                              const struct version_id *version, struct object **out);
/* Not [await]. */
const struct object_info *store_object_info(const struct object *o);
/* Not [await]. i-th user metadata pair; false past the last. */
bool store_object_metadata(const struct object *o, unsigned i, struct metadata_pair *out);
/* Not [await]. i-th tag; false past the last. */
bool store_object_tag(const struct object *o, unsigned i, struct metadata_pair *out);
/* Not [await]. i-th part of a multipart object, in order, and where it begins; false past the last. */
bool store_object_part(const struct object *o, unsigned i, struct part_info *out);
/* Begins reading [offset, offset + len); the range lies within the object. */
DOL_MUST_CHECK enum dol_err store_object_seek(struct object *o, uint64_t offset, uint64_t len);
/* The next verified bytes of the range, valid until the next call; len 0 at its end. Never a wrong byte: an error
 * instead. */
DOL_MUST_CHECK enum dol_err store_object_read(struct object *o, struct bytes *out);
void store_object_close(struct object *o);

/* ---- tags ---- */

struct tag_request {
    struct bytes bucket;
    struct bytes key;
    const struct version_id *version; /* as of store_object_open() */
    const struct metadata_pair *tags; /* that the version has from now on, instead of those it had */
    unsigned tag_count;
};
struct tag_result {
    struct version_id version; /* as in struct put_result */
    bool null_version;
};
/* ENOVERSION: the key has no such version; ENOTFOUND: or it is a delete marker. ETOOLARGE: more than a version may
 * have. */
DOL_MUST_CHECK enum dol_err store_object_set_tags(struct store *s, const struct tag_request *req,
                                                  struct tag_result *out);

/* ---- object lock ---- */

/* Not [await]. The clock that retention goes by, seconds since 1970: it doesn't jump with the system's. */
uint64_t store_compliance_now_s(const struct store *s);

struct lock_request {
    struct bytes bucket;
    struct bytes key;
    const struct version_id *version; /* as of store_object_open() */
    bool bypass_governance;           /* asked for, and permitted by policy */
};
/*
 * Retention (mode and date; RETENTION_NONE: none) or the legal hold of a version, the other stays. ENOLOCK: the bucket
 * has no object lock. ERETAINED: what is there may not be shortened or get another mode yet. ENOVERSION, ENOTFOUND as
 * of store_object_set_tags().
 */
DOL_MUST_CHECK enum dol_err store_object_set_retention(struct store *s, const struct lock_request *req,
                                                       enum retention_mode mode, int64_t until_s);
enum legal_hold { LEGAL_HOLD_OFF = 0, LEGAL_HOLD_ON = 1 };
DOL_MUST_CHECK enum dol_err store_object_set_legal_hold(struct store *s, const struct lock_request *req,
                                                        enum legal_hold hold);

/* ---- deleting ---- */

struct delete_request {
    struct bytes bucket;
    struct bytes key;
    /* NULL: a delete marker is made where the bucket keeps versions, else the object goes; version_id_null: the null
     * version */
    const struct version_id *version;
    struct bytes owner; /* of a delete marker */
    struct condition condition;
    bool bypass_governance; /* asked for, and permitted by policy */
};
struct delete_result {
    bool existed;              /* a version has gone for good */
    bool delete_marker;        /* one was made or removed */
    struct version_id version; /* the marker made, or the version removed; as in struct put_result */
    bool null_version;
};
/* Deleting a version that isn't there is OK with existed = false. ERETAINED by retention_allows(). */
DOL_MUST_CHECK enum dol_err store_object_delete(struct store *s, const struct delete_request *req,
                                                struct delete_result *out);

/* ---- listing ---- */

struct list_request {
    struct bytes bucket;
    struct bytes prefix;
    struct bytes delimiter; /* len 0: none */
    struct bytes after;     /* strictly after this key; len 0: from the start. A common prefix here skips all of it */
    unsigned max_entries;   /* 1 .. 1000; keys and common prefixes together */
};
/*
 * One entry, in order: a current object (info set; delete markers are left out) or a common prefix (info NULL).
 * Borrowed for the call. Must not await. Returning false ends the listing as if max_entries were reached (this entry is
 * not counted).
 */
typedef bool object_list_fn(void *arg, struct bytes key_or_prefix, const struct object_info *info);
/* *truncated: more entries follow; then `last` (capacity OBJECT_KEY_BYTES_MAX) holds the last key or prefix given, to
 * go on after. */
DOL_MUST_CHECK enum dol_err store_object_list(struct store *s, const struct list_request *req, object_list_fn *fn,
                                              void *arg, bool *truncated, uint8_t *last, size_t *last_len);

struct version_list_request {
    struct bytes bucket;
    struct bytes prefix;
    struct bytes delimiter;                 /* len 0: none */
    struct bytes after_key;                 /* versions of keys strictly after this ... */
    const struct version_id *after_version; /* ... or of this key, older than this one (version_id_null: than the null
                                               version); NULL: none of it */
    unsigned max_entries;
};
/* Every version and delete marker, in order of key, then newest first; common prefixes with info NULL. As
 * object_list_fn otherwise. is_latest: the key's newest version. */
typedef bool version_list_fn(void *arg, struct bytes key_or_prefix, const struct object_info *info, bool is_latest);
DOL_MUST_CHECK enum dol_err store_version_list(struct store *s, const struct version_list_request *req,
                                               version_list_fn *fn, void *arg, bool *truncated);

/* ---- what the appliance keeps about itself ---- */

/* Named values of a few kinds, in the pool, sealed as all records; what they hold is the gateway's (docs/format.md). */
enum store_setting_kind { STORE_USER, STORE_ACCESS_KEY, STORE_POLICY, STORE_SETTING };
#define STORE_SETTING_NAME_MAX  255u
#define STORE_SETTING_VALUE_MAX 524288u
/* value.data NULL: removed, whether it is there or not. EINVAL: a name or value of an impossible length. */
DOL_MUST_CHECK enum dol_err store_setting_set(struct store *s, enum store_setting_kind kind, struct bytes name,
                                              struct bytes value);
/* Calls fn for each setting of a kind in order of names, until it returns false; fn must not await. */
typedef bool store_setting_fn(void *arg, struct bytes name, struct bytes value);
DOL_MUST_CHECK enum dol_err store_setting_list(struct store *s, enum store_setting_kind kind, store_setting_fn *fn,
                                               void *arg);

/* ---- scrubbing ---- */

#define STORE_SCRUB_FINDINGS_MAX 64u /* that are kept with their places; all are counted */

enum store_scrub_kind {
    SCRUB_UNIT_HEADER,     /* what lies there isn't this unit: zeroes, an older or another one, a header that rots */
    SCRUB_UNIT_PAYLOAD,    /* the unit's bytes aren't those that its header, or the other units, speak of */
    SCRUB_UNIT_UNREADABLE, /* the drive gave an error */
    SCRUB_ROW_LOST,        /* fewer than k units of the row verify; one finding may stand for several rows */
    SCRUB_ROW_PARITY,      /* every unit is as it was written, but parity isn't that of the data */
    SCRUB_ROW_CHAIN,       /* the row doesn't follow the one before it */
    SCRUB_RECORD,          /* a record can't be opened, in spite of good units */
    SCRUB_CONTENT,         /* a chunk's plain bytes don't have the SHA-256 it is named by */
    SCRUB_REFERENCE,       /* a current manifest, part or list refers to what isn't there */
    SCRUB_INDEX,           /* the index doesn't explain a record, or its own rows don't add up: it is doubted, and the
                              next open makes it anew */
    SCRUB_KINDS
};
const char *store_scrub_kind_name(enum store_scrub_kind kind); /* "unit_header" */

struct store_scrub_finding {
    uint8_t kind;  /* enum store_scrub_kind */
    bool repaired; /* written again and read back */
    uint64_t slab, row;
    char drive[33];                /* UUID; empty: not of one drive */
    uint64_t lsn_run, lsn_counter; /* of a record; 0.0: none */
    char hash[65];                 /* of a chunk or list; empty: none */
};

enum store_scrub_state { SCRUB_NEVER, SCRUB_RUNNING, SCRUB_FINISHED, SCRUB_STOPPED, SCRUB_FAILED };

/* One pass over the pool, finished or not. */
struct store_scrub_report {
    uint8_t state;                /* enum store_scrub_state */
    enum dol_err err;             /* why it failed */
    int64_t started_ns, ended_ns; /* UTC; ended 0: it runs */
    uint64_t duration_ns;
    uint64_t bandwidth_bytes_s; /* 0: no limit */
    uint64_t slabs, slabs_done;
    uint64_t bytes, bytes_done;            /* of units: about what there is; what it is through with */
    uint64_t bytes_read;                   /* from drives, also to verify repairs */
    uint64_t rows, units, records, chunks; /* verified */
    uint64_t units_unverified;             /* on drives that are missing */
    uint64_t rows_unverified;              /* more drives are missing than parity makes up for */
    uint64_t found[SCRUB_KINDS];           /* rows for SCRUB_ROW_LOST */
    uint64_t units_repaired;
    uint64_t units_unrepaired; /* bad, what belongs there is known, but it couldn't be written */
    uint64_t unrecoverable;    /* rows, records, chunks and references that are lost */
    unsigned finding_count;
    struct store_scrub_finding findings[STORE_SCRUB_FINDINGS_MAX];
};

struct store_scrub_status {
    struct store_scrub_report now;  /* the pass that runs, or the latest */
    struct store_scrub_report last; /* the last that came to its end in this run; SCRUB_NEVER: none */
    uint64_t passes;                /* finished in this run, as all below */
    uint64_t bytes_read, units_repaired, units_unrepaired, unrecoverable;
    uint64_t found[SCRUB_KINDS];
};

/* Begins a pass; returns at once. EBUSY: one is under way. */
DOL_MUST_CHECK enum dol_err store_scrub_start(struct store *s, uint64_t bandwidth_bytes_s);
/* Ends the pass that is under way, and returns when it has ended; false: none was. */
bool store_scrub_stop(struct store *s);
/* Not [await]; any thread. */
void store_scrub_status_get(struct store *s, struct store_scrub_status *out);

/* ---- status ---- */

struct store_drive_status {
    char path[256];
    char uuid[33];
    char state[16]; /* "online", "missing", "stale", "rebuilding", "faulted" */
    uint64_t size_bytes;
    uint64_t used_bytes; /* extents in use */
    uint64_t read_errors, write_errors;
    uint64_t read_bytes, write_bytes;
    uint64_t checksum_errors; /* units read without an error that were not what was written */
};

struct store_counters {
    uint64_t rows; /* rows made durable, empty ones not counted */
    uint64_t rows_empty;
    uint64_t records;
    uint64_t puts, gets, deletes; /* completed */
    uint64_t bytes_in;            /* plain bytes put */
    uint64_t bytes_out;           /* plain bytes read */
    uint64_t chunks_written, chunks_deduplicated;
    uint64_t bytes_deduplicated;
    uint64_t bytes_compressed_in, bytes_compressed_out; /* chunks stored compressed: plain and stored bytes */
    uint64_t drive_bytes_written;                       /* units with parity, without preparation */
    uint64_t drive_bytes_prepared;
    uint64_t reads_reconstructed;                    /* records rebuilt from parity */
    uint64_t cache_hits, cache_misses, cache_joined; /* chunks found in memory, read, waited for while another reads */
    uint64_t cache_hit_bytes;                        /* plain bytes used of those found */
    uint64_t cache_evicted, cache_refused;           /* chunks that left, that found no room */
    uint64_t cache_bytes, cache_bytes_max;           /* memory now, and the most */
    uint64_t slabs_freed, slabs_compacted; /* given back; of those, that had something to be copied out first */
    uint64_t bytes_moved;                  /* copied out */
    /* by lifecycle rules: current versions, versions removed for good, uploads; what was due and is protected, what
     * failed (both are counted again in each pass) */
    uint64_t lifecycle_expired, lifecycle_removed, lifecycle_aborted, lifecycle_retained, lifecycle_failed;
    uint64_t index_commits;
    uint64_t index_pending_records; /* now: published, not yet committed to the index */
    uint64_t index_map_bytes;       /* now: size of the index's map */
};

struct store_status {
    char pool_uuid[33];
    char label[64];
    unsigned k, m;
    unsigned k_now, m_now; /* of the next slab: fewer while drives don't take part; k_now 0: none can be opened */
    bool read_only;
    char reason[160]; /* why it is read-only or degraded; empty when healthy */
    bool encrypted;
    uint64_t run;
    uint64_t epoch;
    uint64_t extent_bytes;
    uint64_t raw_bytes;    /* of all drives */
    uint64_t usable_bytes; /* data bytes at this geometry */
    uint64_t used_bytes;   /* data bytes in slabs in use */
    uint64_t
        reserve_bytes;    /* data bytes that PUT may not take: deletes, recovery and space reclaiming go on with them */
    bool full;            /* only the reserve is left: PUT is refused */
    uint64_t live_bytes;  /* stored bytes of records that are needed, as the index has applied them */
    uint64_t dead_bytes;  /* of full and ended slabs, what holds nothing needed: void records, padding, room unused */
    bool reclaim_blocked; /* no space is reclaimed until a restart: the log says why */
    uint64_t scrub_unrecoverable; /* as the last pass of scrubbing that was finished found it, or the latest so far */
    uint64_t slabs_open, slabs_sealed, slabs_ended;
    uint64_t objects, buckets; /* as the index counts them */
    struct store_counters counters;
    unsigned drive_count;
    struct store_drive_status drives[64];
};
/* Not [await]; any thread. */
void store_status_get(struct store *s, struct store_status *out);

#endif
