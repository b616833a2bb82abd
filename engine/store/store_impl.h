/* Inside the store library: the store's parts, and helpers that its files share. */
#ifndef DOL_STORE_IMPL_H
#define DOL_STORE_IMPL_H

#include <dolmen/store.h>

#include <pthread.h>
#include <stdatomic.h>

#include "append.h"
#include "codec.h"
#include "gates.h"
#include "pins.h"
#include "read.h"

#define STORE_MAGIC 0x53544f52u

#define STORE_PUTS_MAX          512u /* PUTs in progress */
#define STORE_AHEAD_MAX         64u  /* chunks that GETs of one loop hold read ahead */
#define STORE_CODECS_KEPT       64u
#define STORE_COMMIT_AGE_NS     (100ull * 1000 * 1000)
#define STORE_COMMIT_POLL_NS    (20ull * 1000 * 1000)
#define STORE_COMMIT_BYTES      (4u << 20)
#define STORE_PENDING_BYTES_MAX (64u << 20)  /* published and not yet in the index: writers wait beyond it */
#define STORE_OFFLOAD_BYTES_MIN (128u << 10) /* chunks from this size are compressed on an offload thread */

struct store_stats {
    _Atomic uint64_t puts, gets, deletes, bytes_in, bytes_out;
    _Atomic uint64_t lifecycle_expired, lifecycle_removed, lifecycle_aborted, lifecycle_retained, lifecycle_failed;
    _Atomic uint64_t chunks_written, chunks_deduplicated, bytes_deduplicated, bytes_compressed_in, bytes_compressed_out;
};

struct dedup;
struct gc;
struct heal;
struct scrub;
struct digester;
struct cache;

/* A loop's own, a cache line apart from the others'. */
struct store_aheads {
    _Alignas(64) unsigned now;
};

struct store {
    unsigned magic;
    struct pool *pool;
    struct index *index;
    struct gates *gates;
    struct dedup *dedup;
    struct pins pins;
    struct gc *gc;     /* NULL: nothing is reclaimed (read-only) */
    struct heal *heal; /* NULL: read-only */
    struct scrub *scrub;
    struct digester *digester;
    struct cache *cache;
    struct store_aheads aheads[POOL_LOOPS_MAX];
    struct store_stats stats;
    unsigned puts_max;
    _Atomic unsigned puts_now; /* puts, parts and completions in progress */
    unsigned lists_max;        /* chunk lists of one object: MANIFEST_LISTS_MAX, fewer in tests */
    _Atomic uint32_t bucket_counter;
    pthread_mutex_t codec_lock;
    struct codec *codecs[STORE_CODECS_KEPT]; /* codec_lock */
    unsigned codec_count;
    /* the committer's fiber, on the loop that opened the store */
    bool committer_stopping;
    bool committer_running;
    bool committer_idle;
    struct fiber *committer;
    struct fiber *committer_waiter;
};

/* A codec for the caller alone, until given back; on any thread. ENOMEM. */
DOL_MUST_CHECK enum dol_err store_codec_take(struct store *s, struct codec **out);
void store_codec_give(struct store *s, struct codec *codec);

/* One more put, part or completion in progress, with its pin, which goes to all that asks for chunks or lists:
 * EREADONLY, EFULL, EBUSY. */
DOL_MUST_CHECK enum dol_err store_put_slot_take(struct store *s, struct pin *pin);
void store_put_slot_give(struct store *s, struct pin *pin);

/* [await] Appends one group and waits for it; too much unapplied metadata makes it wait first. */
DOL_MUST_CHECK enum dol_err store_append(struct store *s, struct append_group *group);
/* [await] Applies what is published, up to the bound. */
DOL_MUST_CHECK enum dol_err store_commit_index(struct store *s);
/* [await] index_audit() on an offload thread. */
DOL_MUST_CHECK enum dol_err store_audit_index(struct store *s);
/* [await] Waits while more than STORE_PENDING_BYTES_MAX are unapplied. EBUSY when that lasts. */
DOL_MUST_CHECK enum dol_err store_wait_for_index(struct store *s);

/* [await] Appends one record whose body is `body`. */
DOL_MUST_CHECK enum dol_err store_append_body(struct store *s, uint8_t kind, struct bytes body);

struct bucket_ref {
    uint64_t id;
    uint8_t versioning; /* enum bucket_versioning */
    bool object_lock;
    struct retention default_retention; /* until_s: a period */
};

/* A version of a key (NULL: the newest, which may be a delete marker; version_id_null: the null version), copied out of
 * the index: the caller frees *body. ENOTFOUND. */
DOL_MUST_CHECK enum dol_err store_version_get(struct store *s, uint64_t bucket, struct bytes key,
                                              const struct version_id *version, struct manifest *out, void **body);
/* The same, by the bucket's name, in one view. ENOBUCKET, too. */
DOL_MUST_CHECK enum dol_err store_version_find(struct store *s, struct bytes bucket, struct bytes key,
                                               const struct version_id *version, struct bucket_ref *ref,
                                               struct manifest *out, void **body);
/* The null version of a key, in a view. ENOTFOUND. */
DOL_MUST_CHECK enum dol_err view_null_version(struct index_view *view, uint64_t bucket, struct bytes key,
                                              struct index_object *out);
/* ENOBUCKET. */
DOL_MUST_CHECK enum dol_err store_bucket_id(struct store *s, struct bytes name, uint64_t *id);
DOL_MUST_CHECK enum dol_err store_bucket_ref(struct store *s, struct bytes name, struct bucket_ref *out);

/* [await] The record of a chunk or list (kind RECORD_CHUNK or RECORD_CHUNK_LIST) by hash: opened, and checked to be the
 * one asked for. ENOTFOUND, as pool_read_record(). */
DOL_MUST_CHECK enum dol_err store_read_chunk(struct store *s, uint8_t kind, const struct sha256 *hash,
                                             struct record_read *out);

/* The view that a page of a listing is read in, and the bucket's; *view NULL: no key has a prefix so long. ENOBUCKET;
 * EINVAL: it begins behind what is longer than any key. */
DOL_MUST_CHECK enum dol_err list_view_begin(struct store *s, struct bytes bucket, struct bytes prefix,
                                            struct bytes after, struct bucket_ref *ref, struct index_view **view);

/* versioning: of its bucket, which decides what its version is called. */
void store_object_info_fill(const struct manifest *m, uint8_t versioning, struct object_info *out);

#endif
