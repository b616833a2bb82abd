/* A hash map from bytes to pointers; keys are borrowed, nothing is ever taken out. */
#ifndef DOL_FSCK_MAP_H
#define DOL_FSCK_MAP_H

#include <dolmen/types.h>

struct fsck_map_slot {
    struct bytes key;
    void *value; /* NULL: empty slot */
};
struct fsck_map {
    struct fsck_map_slot *slots;
    size_t capacity, count; /* capacity: a power of two, or 0 */
};

/* The place for this key's value: NULL in it when the key is new. NULL when memory is short. Valid until the next call.
 */
void **fsck_map_slot(struct fsck_map *m, struct bytes key);
void *fsck_map_get(const struct fsck_map *m, struct bytes key);
/* Frees the table, and each value with free_value when that isn't NULL. */
void fsck_map_free(struct fsck_map *m, void (*free_value)(void *));

#endif
