/*
 * Gates: one per (bucket id, key), held from the check to acknowledgement and publication; and one per bucket that
 * excludes all gates of its keys. Bucket id 0 with a bucket's name as key is the gate of that name.
 *
 * Shared by all loops behind one mutex; a key's gate is handed over to the first that waits for it. Those that a
 * bucket's gate kept out come in in any order.
 */
#ifndef DOL_GATES_H
#define DOL_GATES_H

#include <dolmen/runtime.h>

struct gates;
struct gate_entry;
struct bucket_entry;

struct gate_hold {
    struct bucket_entry *bucket;
    struct gate_entry *key; /* NULL: the whole bucket */
};

DOL_MUST_CHECK enum dol_err gates_new(struct gates **out);
/* No gate may be held. */
void gates_free(struct gates *g);

/* [await] ENOMEM. */
DOL_MUST_CHECK enum dol_err gates_enter_key(struct gates *g, uint64_t bucket, struct bytes key, struct gate_hold *hold);
DOL_MUST_CHECK enum dol_err gates_enter_bucket(struct gates *g, uint64_t bucket, struct gate_hold *hold);
void gates_leave(struct gates *g, struct gate_hold *hold);

#endif
