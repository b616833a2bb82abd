/* Dedup: claims by hash in sharded tables; a small set of chunks verified in this run. */
#include "dedup.h"

#include <stdlib.h>

#include "dol_assert.h"

#define DEDUP_SHARDS   64u
#define VERIFIED_SLOTS 512u /* per shard; older entries are overwritten */

struct claim {
    struct claim *next;
    struct sha256 hash;
    struct waiter_list waiters;
};

struct dedup_shard {
    pthread_mutex_t lock;
    struct claim *claims;
    struct sha256 verified[VERIFIED_SLOTS];
};

struct dedup {
    struct dedup_shard shards[DEDUP_SHARDS];
};

enum dol_err dedup_new(struct dedup **out)
{
    struct dedup *d = calloc(1, sizeof *d);
    if (d == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < DEDUP_SHARDS; i++)
        pthread_mutex_init(&d->shards[i].lock, NULL);
    *out = d;
    return DOL_OK;
}

void dedup_free(struct dedup *d)
{
    if (d == NULL)
        return;
    for (unsigned i = 0; i < DEDUP_SHARDS; i++) {
        dol_assert(d->shards[i].claims == NULL);
        pthread_mutex_destroy(&d->shards[i].lock);
    }
    free(d);
}

static struct dedup_shard *shard_of(struct store *s, const struct sha256 *hash)
{
    return &s->dedup->shards[hash->b[0] % DEDUP_SHARDS];
}

static struct sha256 *verified_slot(struct dedup_shard *shard, const struct sha256 *hash)
{
    return &shard->verified[(hash->b[1] | (unsigned)hash->b[2] << 8) % VERIFIED_SLOTS];
}

/* Returns once this fiber holds the claim; someone else may have stored the chunk meanwhile. */
static enum dol_err claim(struct dedup_shard *shard, const struct sha256 *hash)
{
    struct claim *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return DOL_ENOMEM;
    mine->hash = *hash;
    pthread_mutex_lock(&shard->lock);
    for (;;) {
        struct claim *c = shard->claims;
        while (c != NULL && !sha256_equal(&c->hash, hash))
            c = c->next;
        if (c == NULL)
            break;
        struct waiter w;
        waiter_enlist(&c->waiters, &w);
        pthread_mutex_unlock(&shard->lock);
        waiter_wait(&w);
        pthread_mutex_lock(&shard->lock);
    }
    mine->next = shard->claims;
    shard->claims = mine;
    pthread_mutex_unlock(&shard->lock);
    return DOL_OK;
}

void dedup_release(struct store *s, const struct sha256 *hash)
{
    struct dedup_shard *shard = shard_of(s, hash);
    pthread_mutex_lock(&shard->lock);
    struct claim **at = &shard->claims;
    while (!sha256_equal(&(*at)->hash, hash))
        at = &(*at)->next;
    struct claim *c = *at;
    *at = c->next;
    waiter_list_wake_all(&c->waiters);
    pthread_mutex_unlock(&shard->lock);
    free(c);
}

/* A chunk and a chunk list of one hash are different things. */
static struct sha256 verified_name(const struct sha256 *hash, uint8_t kind)
{
    struct sha256 name = *hash;
    name.b[31] ^= kind;
    return name;
}

static bool is_verified(struct store *s, const struct sha256 *hash)
{
    struct dedup_shard *shard = shard_of(s, hash);
    pthread_mutex_lock(&shard->lock);
    bool yes = sha256_equal(verified_slot(shard, hash), hash);
    pthread_mutex_unlock(&shard->lock);
    return yes;
}

static void set_verified(struct store *s, const struct sha256 *hash)
{
    struct dedup_shard *shard = shard_of(s, hash);
    pthread_mutex_lock(&shard->lock);
    *verified_slot(shard, hash) = *hash;
    pthread_mutex_unlock(&shard->lock);
}

/* Does the stored chunk decode to exactly these bytes? */
static bool stored_equals(struct store *s, const struct sha256 *hash, struct bytes plain, uint8_t kind)
{
    struct record_read rec;
    struct codec *codec;
    struct chunk_body body;
    bool equal = false;

    if (store_read_chunk(s, kind, hash, &rec) != DOL_OK)
        return false;
    if (kind == RECORD_CHUNK_LIST) {
        /* store_read_chunk() recomputed the hash of its references */
        record_read_free(&rec);
        return true;
    }
    if (chunk_body_decode(rec.body, &body) == DOL_OK && rec.header.plain_bytes == plain.len &&
        store_codec_take(s, &codec) == DOL_OK) {
        uint8_t *out = malloc(plain.len ? plain.len : 1);
        equal = out != NULL && codec_decode(codec, rec.header.codec, body.data, out, plain.len) == DOL_OK &&
                memcmp(out, plain.data, plain.len) == 0;
        free(out);
        store_codec_give(s, codec);
    }
    record_read_free(&rec);
    return equal;
}

static enum dol_err claim_kind(struct store *s, struct pin *pin, const struct sha256 *hash, struct bytes plain,
                               uint8_t kind, enum dedup_verdict *out)
{
    struct index_view *view;
    struct index_chunk found;
    enum dol_err err = claim(shard_of(s, hash), hash);
    if (err != DOL_OK)
        return err;
    *out = DEDUP_STORE;
    err = index_view_begin(s->index, &view);
    if (err != DOL_OK) {
        dedup_release(s, hash);
        return err;
    }
    enum dol_err got = index_chunk_get(view, kind, hash, &found);
    index_view_end(view);
    if (got != DOL_OK)
        return DOL_OK;
    if (found.dead_since.run != 0 && !pin_revive(&s->pins, pin, found.dead_since))
        return DOL_OK;
    struct sha256 name = verified_name(hash, kind);
    bool trusted = found.lsn.run == s->pool->run || is_verified(s, &name);
    if (!trusted && stored_equals(s, hash, plain, kind)) {
        set_verified(s, &name);
        trusted = true;
    }
    if (trusted) {
        *out = DEDUP_HIT;
        dedup_release(s, hash);
        atomic_fetch_add(&s->stats.chunks_deduplicated, 1);
        atomic_fetch_add(&s->stats.bytes_deduplicated, plain.len);
    }
    return DOL_OK;
}

enum dol_err dedup_claim(struct store *s, struct pin *pin, const struct sha256 *hash, struct bytes plain,
                         enum dedup_verdict *out)
{
    return claim_kind(s, pin, hash, plain, RECORD_CHUNK, out);
}

enum dol_err dedup_claim_list(struct store *s, struct pin *pin, const struct sha256 *hash, struct bytes refs,
                              enum dedup_verdict *out)
{
    return claim_kind(s, pin, hash, refs, RECORD_CHUNK_LIST, out);
}
