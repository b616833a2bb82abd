/*
 * A new version of a key becomes durable and visible: the one way in which PUT, Complete, and a delete that leaves a
 * delete marker end.
 *
 * Under the key's gate, in this order: the bucket is still the one that was named, the caller's own check, the
 * condition, retention of what is replaced, the bucket's default retention; then the version gets its id, and the
 * manifest goes into one row with whatever the caller sends along. The bucket's versioning decides what is replaced:
 * nothing while it is enabled, else the null version.
 */
#ifndef DOL_VERSION_H
#define DOL_VERSION_H

#include "store_impl.h"

/* current: the newest version, or NULL. OK, EPRECONDITION, ENOTFOUND as store.h says. */
DOL_MUST_CHECK enum dol_err condition_check(const struct condition *c, const struct manifest *current);
/* The same, asked of the index, without a gate: what it says may be otherwise a moment later. */
DOL_MUST_CHECK enum dol_err condition_check_early(struct store *s, uint64_t bucket, struct bytes key,
                                                  const struct condition *c);

/* ENOLOCK: a version of the bucket is to have retention or a legal hold, and the bucket has no object lock. */
DOL_MUST_CHECK enum dol_err lock_check(const struct bucket_ref *bucket, const struct retention *asked);

/* [await] With the gate held: may the version still come? */
typedef enum dol_err version_check_fn(void *arg);

struct version_commit {
    struct bytes bucket_name;
    struct manifest *manifest; /* bucket, key, content and MANIFEST_DELETE_MARKER are set; version, replaces,
                                  MANIFEST_NULL_VERSION and mtime are filled in */
    const struct condition *condition;
    version_check_fn *check; /* NULL: nothing to ask */
    void *check_arg;
    struct append_group *group; /* the row: what comes before the manifest, its slot, what comes after */
    struct append_record *slot; /* one of the group's records: filled in with the manifest */
};

/* [await] ENOBUCKET, EPRECONDITION, ENOTFOUND, ERETAINED, ETOOLARGE, what the check said, errors of appending. The
 * group's on_done was called exactly when group->done is set. *versioning: of the bucket. */
DOL_MUST_CHECK enum dol_err version_commit(struct store *s, const struct version_commit *c, uint8_t *versioning);
/* The same for a caller that holds the key's gate. */
DOL_MUST_CHECK enum dol_err version_commit_gated(struct store *s, const struct version_commit *c, uint8_t *versioning);

/* What a version is called: by nothing (zero) in a bucket that never had versioning, "null", or its id. */
void version_name(const struct manifest *m, uint8_t versioning, struct version_id *version, bool *null_version);
/* What the client is told about a version. */
void version_result(const struct manifest *m, uint8_t versioning, struct put_result *out);

#endif
