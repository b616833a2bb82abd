/* Gates: see gates.h. A bucket's entry counts the key gates inside it; an exclusive holder waits for zero and keeps
 * newcomers out. */
#include "gates.h"

#include <pthread.h>
#include <stdlib.h>

#include "dol_assert.h"

#define GATE_BUCKETS 1024u

struct bucket_entry {
    struct bucket_entry *next;
    uint64_t id;
    unsigned users;  /* holders and waiters, of keys and of the whole */
    unsigned shared; /* key gates held or waited for */
    bool exclusive;  /* the whole bucket is held */
    unsigned exclusive_waiting;
    struct waiter_list shared_waiters;
    struct waiter_list exclusive_waiters;
};

struct gate_entry {
    struct gate_entry *next;
    uint64_t bucket;
    size_t key_len;
    struct waiter_list waiters;
    uint8_t key[];
};

struct gates {
    pthread_mutex_t lock;
    struct gate_entry *keys[GATE_BUCKETS];
    struct bucket_entry *buckets[GATE_BUCKETS];
};

enum dol_err gates_new(struct gates **out)
{
    struct gates *g = calloc(1, sizeof *g);
    if (g == NULL)
        return DOL_ENOMEM;
    pthread_mutex_init(&g->lock, NULL);
    *out = g;
    return DOL_OK;
}

void gates_free(struct gates *g)
{
    if (g == NULL)
        return;
    for (unsigned i = 0; i < GATE_BUCKETS; i++)
        dol_assert(g->keys[i] == NULL && g->buckets[i] == NULL);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static unsigned slot_of(uint64_t bucket, struct bytes key)
{
    uint64_t h = 0xcbf29ce484222325ull ^ bucket;
    const uint8_t *p = key.data;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ p[i]) * 0x100000001b3ull;
    return (unsigned)((h ^ h >> 32) % GATE_BUCKETS);
}

static struct bucket_entry *bucket_get(struct gates *g, uint64_t id)
{
    struct bucket_entry **head = &g->buckets[slot_of(id, bytes_of(NULL, 0))];
    struct bucket_entry *b = *head;
    while (b != NULL && b->id != id)
        b = b->next;
    if (b == NULL && (b = calloc(1, sizeof *b)) != NULL) {
        b->id = id;
        b->next = *head;
        *head = b;
    }
    if (b != NULL)
        b->users++;
    return b;
}

static void bucket_put(struct gates *g, struct bucket_entry *b)
{
    if (--b->users > 0)
        return;
    struct bucket_entry **at = &g->buckets[slot_of(b->id, bytes_of(NULL, 0))];
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    free(b);
}

static void wait_on(struct gates *g, struct waiter_list *list)
{
    struct waiter w;
    waiter_enlist(list, &w);
    pthread_mutex_unlock(&g->lock);
    waiter_wait(&w);
    pthread_mutex_lock(&g->lock);
}

static void wake_bucket(struct bucket_entry *b)
{
    if (b->exclusive)
        return;
    if (b->exclusive_waiting > 0 && b->shared == 0)
        waiter_list_wake_one(&b->exclusive_waiters);
    else if (b->exclusive_waiting == 0)
        waiter_list_wake_all(&b->shared_waiters);
}

enum dol_err gates_enter_key(struct gates *g, uint64_t bucket, struct bytes key, struct gate_hold *hold)
{
    enum dol_err err = DOL_ENOMEM;
    pthread_mutex_lock(&g->lock);
    struct bucket_entry *b = bucket_get(g, bucket);
    if (b == NULL)
        goto out;
    while (b->exclusive || b->exclusive_waiting > 0)
        wait_on(g, &b->shared_waiters);
    b->shared++;

    struct gate_entry **head = &g->keys[slot_of(bucket, key)];
    struct gate_entry *e = *head;
    while (e != NULL && !(e->bucket == bucket && bytes_equal(bytes_of(e->key, e->key_len), key)))
        e = e->next;
    if (e != NULL) {
        wait_on(g, &e->waiters); /* woken as the holder */
    } else {
        e = calloc(1, sizeof *e + key.len);
        if (e == NULL) {
            b->shared--;
            wake_bucket(b);
            bucket_put(g, b);
            goto out;
        }
        e->bucket = bucket;
        e->key_len = key.len;
        memcpy(e->key, key.data, key.len);
        e->next = *head;
        *head = e;
    }
    *hold = (struct gate_hold){b, e};
    err = DOL_OK;
out:
    pthread_mutex_unlock(&g->lock);
    return err;
}

enum dol_err gates_enter_bucket(struct gates *g, uint64_t bucket, struct gate_hold *hold)
{
    pthread_mutex_lock(&g->lock);
    struct bucket_entry *b = bucket_get(g, bucket);
    if (b != NULL) {
        b->exclusive_waiting++;
        while (b->exclusive || b->shared > 0)
            wait_on(g, &b->exclusive_waiters);
        b->exclusive_waiting--;
        b->exclusive = true;
        *hold = (struct gate_hold){b, NULL};
    }
    pthread_mutex_unlock(&g->lock);
    return b ? DOL_OK : DOL_ENOMEM;
}

void gates_leave(struct gates *g, struct gate_hold *hold)
{
    pthread_mutex_lock(&g->lock);
    struct bucket_entry *b = hold->bucket;
    struct gate_entry *e = hold->key;
    if (e == NULL) {
        b->exclusive = false;
    } else {
        b->shared--;
        if (e->waiters.head != NULL) {
            waiter_list_wake_one(&e->waiters); /* the gate is handed over */
        } else {
            struct gate_entry **at = &g->keys[slot_of(e->bucket, bytes_of(e->key, e->key_len))];
            while (*at != e)
                at = &(*at)->next;
            *at = e->next;
            free(e);
        }
    }
    wake_bucket(b);
    bucket_put(g, b);
    pthread_mutex_unlock(&g->lock);
    hold->bucket = NULL;
    hold->key = NULL;
}
