/* See fsck_map.h: open addressing, linear probing, at most half full. */
#include "fsck_map.h"

#include <stdlib.h>

#define FNV_OFFSET 14695981039346656037ull
#define FNV_PRIME  1099511628211ull

static size_t place_of(const struct fsck_map *m, struct bytes key)
{
    const uint8_t *p = key.data;
    uint64_t h = FNV_OFFSET;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ p[i]) * FNV_PRIME;
    size_t at = (size_t)(h ^ h >> 32) & (m->capacity - 1);
    while (m->slots[at].value != NULL && !bytes_equal(m->slots[at].key, key))
        at = (at + 1) & (m->capacity - 1);
    return at;
}

static bool grow(struct fsck_map *m)
{
    struct fsck_map bigger = {.capacity = m->capacity ? m->capacity * 2 : 1024};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].value != NULL) {
            bigger.slots[place_of(&bigger, m->slots[i].key)] = m->slots[i];
            bigger.count++;
        }
    free(m->slots);
    *m = bigger;
    return true;
}

void **fsck_map_slot(struct fsck_map *m, struct bytes key)
{
    if (m->count >= m->capacity / 2 && !grow(m))
        return NULL;
    struct fsck_map_slot *slot = &m->slots[place_of(m, key)];
    if (slot->value == NULL) {
        slot->key = key;
        m->count++;
    }
    return &slot->value;
}

void *fsck_map_get(const struct fsck_map *m, struct bytes key)
{
    return m->capacity ? m->slots[place_of(m, key)].value : NULL;
}

void fsck_map_free(struct fsck_map *m, void (*free_value)(void *))
{
    for (size_t i = 0; i < m->capacity && free_value != NULL; i++)
        if (m->slots[i].value != NULL)
            free_value(m->slots[i].value);
    free(m->slots);
    *m = (struct fsck_map){0};
}
