/*
 * Opening sealed records, by any thread.
 *
 * The opener keeps up to OPENER_SLOTS cipher contexts, each with the key schedule of one (data key, life) pair. A
 * context is checked out under the mutex, used without it, and returned; a second thread that needs the same pair
 * meanwhile takes another slot. The least recently used idle slot is taken over for a new pair. When all are checked
 * out, a context is made for the one call.
 *
 * Bytes are decrypted in place before their tag is known; on a mismatch the body is zeroed, so nothing unverified can
 * be used by mistake.
 */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "dol_assert.h"
#include "hash.h"
#include "seal.h"
#include "seal_key.h"

#define OPENER_MAGIC 0x09e4e001u
#define OPENER_SLOTS 64u

struct opener_slot {
    EVP_CIPHER_CTX *cipher; /* NULL: never used */
    struct uuid life;
    uint32_t key_id; /* 0: no usable key schedule */
    bool busy;
    uint64_t last_use;
};

struct opener {
    unsigned magic;
    const struct keyring *keys; /* borrowed; NULL: sealed records can't be opened */
    pthread_mutex_t mutex;      /* guards what follows; never held while decrypting */
    uint64_t uses;
    struct opener_slot slots[OPENER_SLOTS];
};

/* A context checked out for one record. */
struct lease {
    struct opener_slot *slot; /* NULL: `cipher` is this lease's own */
    EVP_CIPHER_CTX *cipher;
    bool has_key;
};

enum dol_err opener_new(const struct keyring *keys, struct opener **out)
{
    *out = NULL;
    struct opener *o = calloc(1, sizeof *o);
    if (o == NULL)
        return DOL_ENOMEM;
    o->magic = OPENER_MAGIC;
    o->keys = keys;
    if (pthread_mutex_init(&o->mutex, NULL) != 0) {
        free(o);
        return DOL_ENOMEM;
    }
    *out = o;
    return DOL_OK;
}

void opener_free(struct opener *o)
{
    if (o == NULL)
        return;
    dol_assert_magic(o, OPENER_MAGIC);
    o->magic = 0;
    for (unsigned i = 0; i < OPENER_SLOTS; i++) {
        dol_assert(!o->slots[i].busy);
        EVP_CIPHER_CTX_free(o->slots[i].cipher);
    }
    pthread_mutex_destroy(&o->mutex);
    free(o);
}

static bool slot_matches(const struct opener_slot *slot, uint32_t key_id, struct uuid life)
{
    return slot->key_id == key_id && uuid_equal(slot->life, life);
}

/* Under the mutex: the idle slot of this pair, else the idle one used longest ago, else NULL. */
static struct opener_slot *slot_choose(struct opener *o, uint32_t key_id, struct uuid life)
{
    struct opener_slot *oldest = NULL;
    for (unsigned i = 0; i < OPENER_SLOTS; i++) {
        struct opener_slot *slot = &o->slots[i];
        if (slot->busy)
            continue;
        if (slot_matches(slot, key_id, life))
            return slot;
        if (oldest == NULL || slot->last_use < oldest->last_use)
            oldest = slot;
    }
    return oldest;
}

static struct lease lease_take(struct opener *o, uint32_t key_id, struct uuid life)
{
    struct lease lease = {0};
    pthread_mutex_lock(&o->mutex);
    struct opener_slot *slot = slot_choose(o, key_id, life);
    if (slot != NULL) {
        lease.slot = slot;
        lease.has_key = slot_matches(slot, key_id, life);
        slot->busy = true;
        slot->last_use = ++o->uses;
    }
    pthread_mutex_unlock(&o->mutex);
    if (slot != NULL && slot->cipher == NULL)
        slot->cipher = EVP_CIPHER_CTX_new();
    lease.cipher = slot != NULL ? slot->cipher : EVP_CIPHER_CTX_new();
    return lease;
}

static void lease_return(struct opener *o, struct lease *lease, uint32_t key_id, struct uuid life)
{
    if (lease->slot == NULL) {
        EVP_CIPHER_CTX_free(lease->cipher);
        return;
    }
    pthread_mutex_lock(&o->mutex);
    lease->slot->key_id = lease->has_key ? key_id : 0;
    lease->slot->life = life;
    lease->slot->busy = false;
    pthread_mutex_unlock(&o->mutex);
}

static enum dol_err lease_key(struct lease *lease, const uint8_t *data_key, struct uuid life)
{
    if (lease->has_key)
        return DOL_OK;
    if (lease->cipher == NULL)
        return DOL_ENOMEM;
    uint8_t key[SEAL_KEY_BYTES];
    seal_slab_key(data_key, life, key);
    lease->has_key = EVP_DecryptInit_ex(lease->cipher, EVP_aes_256_gcm(), NULL, key, NULL) == 1;
    secret_wipe(key, sizeof key);
    return lease->has_key ? DOL_OK : DOL_EUNSUPPORTED;
}

static bool decrypt(EVP_CIPHER_CTX *cipher, uint8_t *record, const struct record_header *h)
{
    uint8_t nonce[SEAL_NONCE_BYTES];
    uint8_t *body = record + RECORD_HEADER_BYTES;
    int body_bytes = (int)h->body_bytes;
    int n = 0;
    int final = 0;
    seal_nonce(h->seal_counter, nonce);
    if (EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, nonce) != 1 ||
        EVP_DecryptUpdate(cipher, NULL, &n, record, RECORD_HEADER_BYTES) != 1)
        return false;
    if (body_bytes > 0 && (EVP_DecryptUpdate(cipher, body, &n, body, body_bytes) != 1 || n != body_bytes))
        return false;
    return EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, RECORD_TRAILER_BYTES, body + body_bytes) == 1 &&
           EVP_DecryptFinal_ex(cipher, body + body_bytes, &final) == 1 && final == 0;
}

static enum dol_err open_sealed(struct opener *o, uint8_t *record, const struct record_header *h)
{
    const uint8_t *data_key = o->keys != NULL ? keyring_find(o->keys, h->key_id) : NULL;
    if (data_key == NULL)
        return DOL_EKEY;
    struct lease lease = lease_take(o, h->key_id, h->seal_life);
    enum dol_err err = lease_key(&lease, data_key, h->seal_life);
    if (err == DOL_OK && !decrypt(lease.cipher, record, h)) {
        memset(record + RECORD_HEADER_BYTES, 0, h->body_bytes);
        err = DOL_ECORRUPT;
    }
    lease_return(o, &lease, h->key_id, h->seal_life);
    return err;
}

enum dol_err opener_open(struct opener *o, uint8_t *record, size_t len, struct record_header *h, struct bytes *body)
{
    dol_assert_magic(o, OPENER_MAGIC);
    if (len < RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES)
        return DOL_ECORRUPT;
    struct record_header header;
    enum dol_err err = record_header_decode(record, &header);
    if (err != DOL_OK)
        return err;
    if (header.body_bytes > RECORD_BODY_BYTES_MAX ||
        len < RECORD_HEADER_BYTES + header.body_bytes + RECORD_TRAILER_BYTES ||
        len > record_stored_bytes(header.body_bytes))
        return DOL_ECORRUPT;

    uint8_t *plain = record + RECORD_HEADER_BYTES;
    if (header.seal == FORMAT_SEAL_AES256GCM)
        err = open_sealed(o, record, &header);
    else if (header.seal != FORMAT_SEAL_NONE)
        err = DOL_EFORMAT;
    else if (o->keys != NULL || !record_trailer_ok(record, plain, header.body_bytes, plain + header.body_bytes))
        err = DOL_ECORRUPT; /* an encrypted pool holds no unsealed record: it would be a forgery */
    if (err == DOL_OK) {
        *h = header;
        *body = bytes_of(plain, header.body_bytes);
    }
    return err;
}
