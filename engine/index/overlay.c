/* The skip list behind the overlay. Levels are taken with probability 1/4. */
#include "index_overlay.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "hash.h"

enum dol_err overlay_init(struct overlay *o)
{
    size_t links_bytes = OVERLAY_HEIGHT_MAX * sizeof(struct overlay_node *);
    *o = (struct overlay){.head = calloc(1, sizeof(struct overlay_node) + links_bytes)};
    o->filter = calloc(OVERLAY_FILTER_SLOTS, sizeof o->filter[0]);
    if (o->head == NULL || o->filter == NULL) {
        free(o->head);
        free(o->filter);
        o->head = NULL;
        return DOL_ENOMEM;
    }
    o->head->height = OVERLAY_HEIGHT_MAX;
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    /* Listings would starve publishers otherwise. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int rc = pthread_rwlock_init(&o->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    dol_assert(rc == 0);
    return DOL_OK;
}

void overlay_fini(struct overlay *o)
{
    if (o->head == NULL)
        return;
    pthread_rwlock_destroy(&o->lock);
    free(o->head);
    free(o->filter);
    o->head = NULL;
}

void overlay_clear(struct overlay *o)
{
    for (unsigned i = 0; i < OVERLAY_HEIGHT_MAX; i++)
        o->head->next[i] = NULL;
    atomic_store(&o->nodes, 0);
    atomic_store(&o->patches, 0);
    memset((void *)o->filter, 0, OVERLAY_FILTER_SLOTS * sizeof o->filter[0]);
}

static atomic_uint *filter_slot(struct overlay *o, struct bytes key)
{
    return &o->filter[crc32c(0, key.data, key.len) % OVERLAY_FILTER_SLOTS];
}

/* What the filter knows a node by. */
static struct bytes filter_key(struct bytes key)
{
    bool object = *(const uint8_t *)key.data == TABLE_OBJECTS;
    return bytes_of(key.data, object ? key.len - KEY_VERSION_BYTES : key.len);
}

bool overlay_may_have(struct overlay *o, struct bytes key)
{
    return atomic_load_explicit(filter_slot(o, key), memory_order_acquire) > 0;
}

unsigned overlay_height(struct overlay *o)
{
    /* splitmix64 of a counter */
    uint64_t x = (atomic_fetch_add_explicit(&o->chance, 1, memory_order_relaxed) + 1) * 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    x ^= x >> 31;
    unsigned height = 1;
    for (; height < OVERLAY_HEIGHT_MAX && (x & 3) == 0; x >>= 2)
        height++;
    return height;
}

static int node_compare(const struct overlay_node *node, struct bytes key)
{
    return bytes_compare(bytes_of(node->key, node->key_len), key);
}

/* The last node of each level that is below the key. */
static void overlay_search(struct overlay *o, struct bytes key, struct overlay_node *before[OVERLAY_HEIGHT_MAX])
{
    struct overlay_node *node = o->head;
    const struct overlay_node *known = NULL; /* found not below on the level above: no need to compare again */
    for (unsigned level = OVERLAY_HEIGHT_MAX; level-- > 0;) {
        for (;;) {
            struct overlay_node *next = node->next[level];
            if (next == NULL || next == known)
                break;
            if (node_compare(next, key) >= 0) {
                known = next;
                break;
            }
            node = next;
        }
        before[level] = node;
    }
}

static void overlay_unlink(struct overlay *o, struct overlay_node *node,
                           struct overlay_node *before[OVERLAY_HEIGHT_MAX])
{
    for (unsigned i = 0; i < node->height; i++) {
        dol_assert(before[i]->next[i] == node);
        before[i]->next[i] = node->next[i];
    }
    node->linked = false;
    atomic_fetch_sub_explicit(filter_slot(o, filter_key(bytes_of(node->key, node->key_len))), 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&o->nodes, 1, memory_order_relaxed);
    if (node->type == OVERLAY_PATCH)
        atomic_fetch_sub_explicit(&o->patches, 1, memory_order_relaxed);
}

static void overlay_link(struct overlay *o, struct overlay_node *node)
{
    struct overlay_node *before[OVERLAY_HEIGHT_MAX];
    struct bytes key = bytes_of(node->key, node->key_len);
    overlay_search(o, key, before);
    struct overlay_node *old = before[0]->next[0];
    if (old != NULL && node_compare(old, key) != 0)
        old = NULL;
    if (old != NULL && lsn_compare(node->lsn, old->lsn) < 0)
        return;
    /* Before the old node leaves: who asks the filter without the lock must not find it empty in between. */
    atomic_fetch_add_explicit(filter_slot(o, filter_key(key)), 1, memory_order_release);
    if (old != NULL)
        overlay_unlink(o, old, before);
    for (unsigned i = 0; i < node->height; i++) {
        node->next[i] = before[i]->next[i];
        before[i]->next[i] = node;
    }
    node->linked = true;
    atomic_fetch_add_explicit(&o->nodes, 1, memory_order_relaxed);
    if (node->type == OVERLAY_PATCH)
        atomic_fetch_add_explicit(&o->patches, 1, memory_order_relaxed);
}

void overlay_insert(struct overlay *o, struct overlay_node *row)
{
    while (row != NULL) {
        bool joined = false;
        pthread_rwlock_wrlock(&o->lock);
        for (unsigned i = 0; row != NULL && (i < OVERLAY_SLICE_MAX || joined); i++) {
            overlay_link(o, row);
            joined = row->joined;
            row = row->row_next;
        }
        pthread_rwlock_unlock(&o->lock);
    }
}

void overlay_mark(struct overlay_node *row)
{
    for (; row != NULL; row = row->row_next)
        row->leaving = true;
}

void overlay_sweep(struct overlay *o)
{
    struct overlay_node *before[OVERLAY_HEIGHT_MAX];
    struct overlay_node *node = NULL;
    for (unsigned i = 0; i < OVERLAY_HEIGHT_MAX; i++)
        before[i] = o->head;
    do {
        pthread_rwlock_wrlock(&o->lock);
        if (node != NULL)
            overlay_search(o, bytes_of(node->key, node->key_len), before);
        node = before[0]->next[0];
        for (unsigned steps = 0; node != NULL && steps < OVERLAY_SLICE_MAX; steps++) {
            if (node->leaving)
                overlay_unlink(o, node, before);
            else
                for (unsigned i = 0; i < node->height; i++)
                    before[i] = node;
            node = before[0]->next[0];
        }
        pthread_rwlock_unlock(&o->lock);
    } while (node != NULL);
}

const struct overlay_node *overlay_find(struct overlay *o, struct bytes key)
{
    if (!overlay_may_have(o, filter_key(key)))
        return NULL;
    overlay_read_lock(o);
    const struct overlay_node *node = overlay_seek(o, key);
    if (node != NULL && node_compare(node, key) != 0)
        node = NULL;
    overlay_read_unlock(o);
    return node;
}

void overlay_read_lock(struct overlay *o)
{
    pthread_rwlock_rdlock(&o->lock);
}

void overlay_read_unlock(struct overlay *o)
{
    pthread_rwlock_unlock(&o->lock);
}

const struct overlay_node *overlay_seek(struct overlay *o, struct bytes key)
{
    struct overlay_node *before[OVERLAY_HEIGHT_MAX];
    overlay_search(o, key, before);
    return before[0]->next[0];
}

const struct overlay_node *overlay_next(const struct overlay_node *node)
{
    return node->next[0];
}
