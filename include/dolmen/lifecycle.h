/*
 * Rules by which versions and uploads end by themselves, and what they say of one of them. Pure: no clock, no store.
 *
 * A day has 86,400 seconds, but in tests. An age of so many days is over at the first midnight (of UTC) behind it.
 * Times are those of UTC. https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
 */
#ifndef DOLMEN_LIFECYCLE_H
#define DOLMEN_LIFECYCLE_H

#include <dolmen/store.h>

struct lifecycle_rule {
    struct bytes id;
    bool enabled;
    /* what it is about: all of these fit */
    struct bytes prefix;
    const struct metadata_pair *tags;
    unsigned tag_count;
    uint64_t size_min, size_max; /* both inclusive */
    /* what it does; 0: not that */
    uint32_t expire_days;
    int64_t expire_date_s;
    bool expire_lone_markers;
    uint32_t noncurrent_days;
    uint32_t noncurrent_kept; /* the newest so many noncurrent ones stay, however old */
    uint32_t abort_days;      /* uploads */
};

/* A bucket's rules, at a moment. */
struct lifecycle {
    const struct lifecycle_rule *rules;
    unsigned rule_count;
    int64_t now_s;
    int64_t day_s; /* length of a day, 86400 */
};

struct lifecycle_version {
    struct bytes key;
    uint64_t size;
    const struct metadata_pair *tags;
    unsigned tag_count;
    bool delete_marker;
    bool current; /* the newest of its key */
    bool alone;   /* the only one of its key */
    int64_t mtime_ns;
    int64_t superseded_ns; /* not current: when the next newer version came */
    unsigned newer;        /* not current: how many noncurrent ones are newer */
};

enum lifecycle_act {
    LIFECYCLE_KEEP,
    LIFECYCLE_EXPIRE, /* the current version: as a delete without a version */
    LIFECYCLE_REMOVE  /* this version, for good */
};

enum lifecycle_act lifecycle_act_of(const struct lifecycle *l, const struct lifecycle_version *v);
/* Whether any rule could ever do something about a version. */
bool lifecycle_has_versions(const struct lifecycle *l);
/* Whether an upload of the key, begun then, is to be aborted. */
bool lifecycle_aborts(const struct lifecycle *l, struct bytes key, int64_t created_ns);
/* Which rule expires the current version first, and when; NULL: none does. now_s isn't looked at. */
const struct lifecycle_rule *lifecycle_expiry(const struct lifecycle *l, const struct lifecycle_version *v,
                                              int64_t *due_s);

/* ---- in the store ---- */

/* How far a pass through a bucket is. All zero at its beginning. */
struct lifecycle_cursor {
    uint8_t key[OBJECT_KEY_BYTES_MAX];
    size_t key_len; /* the last key that was gone through; 0: none yet */
    bool in_uploads;
    struct upload_id upload; /* in_uploads: of that key, the last one */
    bool at_end;
};
/*
 * [await] A step of a pass: looks at some versions or uploads of the bucket, and ends those that are due. What is
 * protected by retention or a legal hold stays. What is due is judged again with the gate of its key held, so a version
 * that has just become current, or was protected, isn't touched by what was true before. A single failure is counted
 * and passed over. ENOBUCKET, EREADONLY, EFULL.
 */
DOL_MUST_CHECK enum dol_err store_lifecycle_step(struct store *s, struct bytes bucket, const struct lifecycle *l,
                                                 struct lifecycle_cursor *cursor);

#endif
