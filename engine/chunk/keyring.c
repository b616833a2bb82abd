/*
 * Keyring: the pool's data keys, wrapped in superblocks (RFC 3394, 32 bytes in 40), unwrapped in memory.
 *
 * The keyring lives in a mapping of its own: locked (best effort: RLIMIT_MEMLOCK may forbid), left out of core dumps,
 * wiped before it is unmapped. It is immutable once open, so threads share it without a lock.
 */
#include "keyring.h"

#include <sys/mman.h>

#include <dolmen/runtime.h>
#include <openssl/evp.h>

#include "dol_assert.h"
#include "hash.h"
#include "keyring_keys.h"
#include "log.h"

#define KEYRING_MAGIC 0x6b657972u
#define WRAPPED_BYTES (DATA_KEY_BYTES + 8)

struct keyring {
    unsigned magic;
    unsigned count;
    uint32_t current;
    uint32_t ids[SUPERBLOCK_KEYS_MAX];
    uint8_t keys[SUPERBLOCK_KEYS_MAX][DATA_KEY_BYTES];
};

_Static_assert(sizeof((struct superblock_key){0}.wrapped) == WRAPPED_BYTES, "RFC 3394 adds 8 bytes");

void master_key_check(const struct master_key *key, struct uuid pool, uint8_t out[16])
{
    static const char label[] = "dolmen key check";
    uint8_t message[sizeof label - 1 + sizeof pool.b];
    uint8_t mac[32];
    memcpy(message, label, sizeof label - 1);
    memcpy(message + sizeof label - 1, pool.b, sizeof pool.b);
    hmac_sha256(bytes_of(key->b, sizeof key->b), bytes_of(message, sizeof message), mac);
    memcpy(out, mac, 16);
}

static EVP_CIPHER_CTX *wrap_context_new(void)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return ctx;
}

/* AES-256 key wrap with the default initial value. */
static enum dol_err key_wrap(const struct master_key *master, const uint8_t key[DATA_KEY_BYTES],
                             uint8_t out[WRAPPED_BYTES])
{
    EVP_CIPHER_CTX *ctx = wrap_context_new();
    if (ctx == NULL)
        return DOL_ENOMEM;
    uint8_t wrapped[WRAPPED_BYTES + 8]; /* OpenSSL may write a block more than it reports */
    int n = 0;
    bool ok = EVP_EncryptInit_ex(ctx, EVP_aes_256_wrap(), NULL, master->b, NULL) == 1 &&
              EVP_EncryptUpdate(ctx, wrapped, &n, key, (int)DATA_KEY_BYTES) == 1 && n == (int)WRAPPED_BYTES;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        return DOL_EUNSUPPORTED;
    memcpy(out, wrapped, WRAPPED_BYTES);
    return DOL_OK;
}

static enum dol_err key_unwrap(const struct master_key *master, const uint8_t wrapped[WRAPPED_BYTES],
                               uint8_t out[DATA_KEY_BYTES])
{
    EVP_CIPHER_CTX *ctx = wrap_context_new();
    if (ctx == NULL)
        return DOL_ENOMEM;
    uint8_t key[WRAPPED_BYTES + 8];
    int n = 0;
    bool ok = EVP_DecryptInit_ex(ctx, EVP_aes_256_wrap(), NULL, master->b, NULL) == 1 &&
              EVP_DecryptUpdate(ctx, key, &n, wrapped, (int)WRAPPED_BYTES) == 1 && n == (int)DATA_KEY_BYTES;
    EVP_CIPHER_CTX_free(ctx);
    if (ok)
        memcpy(out, key, DATA_KEY_BYTES);
    secret_wipe(key, sizeof key);
    return ok ? DOL_OK : DOL_EKEY;
}

enum dol_err keyring_new_key(const struct master_key *master, struct superblock *sb)
{
    if (sb->key_count >= SUPERBLOCK_KEYS_MAX)
        return DOL_EBUSY;
    uint32_t id = 0;
    for (unsigned i = 0; i < sb->key_count; i++)
        if (sb->keys[i].id > id)
            id = sb->keys[i].id;
    if (id == UINT32_MAX)
        return DOL_EBUSY;

    uint8_t key[DATA_KEY_BYTES];
    struct superblock_key entry = {
        .id = id + 1, .wrap_alg = FORMAT_WRAP_AES256KW, .created_s = clock_realtime_ns() / 1000000000};
    random_fill(key, sizeof key);
    enum dol_err err = key_wrap(master, key, entry.wrapped);
    secret_wipe(key, sizeof key);
    if (err == DOL_OK)
        sb->keys[sb->key_count++] = entry;
    return err;
}

enum dol_err keyring_open(const struct master_key *master, const struct superblock *sb, struct keyring **out)
{
    *out = NULL;
    uint8_t check[16];
    master_key_check(master, sb->pool, check);
    if (!secret_equal(check, sb->key_check, sizeof check) || sb->key_count == 0)
        return DOL_EKEY;

    struct keyring *k = mmap(NULL, sizeof *k, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (k == MAP_FAILED)
        return DOL_ENOMEM;
    if (mlock(k, sizeof *k) != 0)
        log_warn("keyring", "keys could not be locked in memory and may reach swap: raise RLIMIT_MEMLOCK");
    if (madvise(k, sizeof *k, MADV_DONTDUMP) != 0)
        log_warn("keyring", "keys could not be excluded from core dumps");
    k->magic = KEYRING_MAGIC;

    enum dol_err err = DOL_OK;
    for (unsigned i = 0; i < sb->key_count && err == DOL_OK; i++) {
        const struct superblock_key *entry = &sb->keys[i];
        if (entry->id == 0 || entry->wrap_alg != FORMAT_WRAP_AES256KW)
            err = DOL_EFORMAT;
        else
            err = key_unwrap(master, entry->wrapped, k->keys[i]);
        k->ids[i] = entry->id;
        k->count = i + 1;
        if (entry->id > k->current)
            k->current = entry->id;
    }
    if (err != DOL_OK) {
        keyring_free(k);
        return err;
    }
    *out = k;
    return DOL_OK;
}

void keyring_free(struct keyring *k)
{
    if (k == NULL)
        return;
    dol_assert_magic(k, KEYRING_MAGIC);
    secret_wipe(k, sizeof *k);
    munmap(k, sizeof *k);
}

uint32_t keyring_current(const struct keyring *k)
{
    dol_assert_magic(k, KEYRING_MAGIC);
    return k->current;
}

const uint8_t *keyring_find(const struct keyring *k, uint32_t id)
{
    dol_assert_magic(k, KEYRING_MAGIC);
    for (unsigned i = 0; i < k->count; i++)
        if (k->ids[i] == id)
            return k->keys[i];
    return NULL;
}
