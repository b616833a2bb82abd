/*
 * Digests, HMAC and HKDF over OpenSSL's EVP.
 *
 * Algorithms are fetched once per process: a fetch walks the providers and takes locks. One-shot digests use a context
 * that each thread keeps, so that hashing a small buffer allocates nothing; nothing here awaits, so two fibers never
 * meet in it. OpenSSL fails on SHA-256 only when memory is gone at the first use on a thread; there is no answer to
 * that, so it is asserted.
 */
#include "hash.h"
#include "dol_assert.h"
#include "hash_blocks.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define HASH_STREAM_MAGIC 0x68617368u
#define SHA256_BYTES      32

struct hash_stream {
    uint32_t magic;
    enum hash_alg alg;
    EVP_MD_CTX *ctx; /* NULL: MD5, which is our own so that several streams can run side by side (hash_lanes.h) */
    struct md5 md5;
};

struct alg_entry {
    const char *name;
    size_t bytes;
    EVP_MD *md; /* NULL when this OpenSSL refuses the algorithm, and for MD5 */
};

static struct alg_entry algs[] = {
    [HASH_SHA256] = {"SHA256", 32, NULL},
    [HASH_MD5] = {"MD5", 16, NULL},
    [HASH_SHA1] = {"SHA1", 20, NULL},
};

/* What each thread keeps. */
struct thread_ctx {
    EVP_MD_CTX *sha256;
    EVP_MAC_CTX *hmac;
};

static EVP_MAC *hmac_alg;
static pthread_key_t thread_key;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void thread_ctx_free(void *arg)
{
    struct thread_ctx *tc = arg;
    EVP_MD_CTX_free(tc->sha256);
    EVP_MAC_CTX_free(tc->hmac);
    free(tc);
}

static void fetch_all(void)
{
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++)
        algs[i].md = i == HASH_MD5 ? NULL : EVP_MD_fetch(NULL, algs[i].name, NULL);
    hmac_alg = EVP_MAC_fetch(NULL, "HMAC", NULL);
    dol_assert(algs[HASH_SHA256].md != NULL && hmac_alg != NULL);
    dol_assert(pthread_key_create(&thread_key, thread_ctx_free) == 0);
}

static void fetch_once(void)
{
    dol_assert(pthread_once(&fetched, fetch_all) == 0);
}

static struct thread_ctx *thread_ctx(void)
{
    fetch_once();
    struct thread_ctx *tc = pthread_getspecific(thread_key);
    if (tc != NULL)
        return tc;
    tc = calloc(1, sizeof *tc);
    dol_assert(tc != NULL);
    tc->sha256 = EVP_MD_CTX_new();
    tc->hmac = EVP_MAC_CTX_new(hmac_alg);
    dol_assert(tc->sha256 != NULL && tc->hmac != NULL);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    dol_assert(EVP_MAC_CTX_set_params(tc->hmac, params) == 1);
    dol_assert(pthread_setspecific(thread_key, tc) == 0);
    return tc;
}

size_t hash_bytes(enum hash_alg alg)
{
    return algs[alg].bytes;
}

struct hash_stream *hash_stream_new(enum hash_alg alg)
{
    fetch_once();
    if (algs[alg].md == NULL && alg != HASH_MD5)
        return NULL;
    struct hash_stream *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->magic = HASH_STREAM_MAGIC;
    h->alg = alg;
    if (alg == HASH_MD5) {
        md5_init(&h->md5);
        return h;
    }
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx == NULL || EVP_DigestInit_ex2(h->ctx, algs[alg].md, NULL) != 1) {
        EVP_MD_CTX_free(h->ctx);
        free(h);
        return NULL;
    }
    return h;
}

void hash_stream_free(struct hash_stream *h)
{
    if (h == NULL)
        return;
    dol_assert_magic(h, HASH_STREAM_MAGIC);
    EVP_MD_CTX_free(h->ctx);
    h->magic = 0;
    free(h);
}

void hash_stream_reset(struct hash_stream *h)
{
    dol_assert_magic(h, HASH_STREAM_MAGIC);
    if (h->alg == HASH_MD5)
        md5_init(&h->md5);
    else
        dol_assert(EVP_DigestInit_ex2(h->ctx, algs[h->alg].md, NULL) == 1);
}

void hash_stream_update(struct hash_stream *h, const void *data, size_t len)
{
    dol_assert_magic(h, HASH_STREAM_MAGIC);
    if (h->alg == HASH_MD5)
        md5_update(&h->md5, data, len);
    else if (len > 0)
        dol_assert(EVP_DigestUpdate(h->ctx, data, len) == 1);
}

void hash_stream_final(struct hash_stream *h, uint8_t *out)
{
    dol_assert_magic(h, HASH_STREAM_MAGIC);
    if (h->alg == HASH_MD5)
        md5_final(&h->md5, out);
    else
        dol_assert(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1);
    hash_stream_reset(h);
}

struct md5 *hash_stream_md5(struct hash_stream *h)
{
    dol_assert_magic(h, HASH_STREAM_MAGIC);
    dol_assert(h->alg == HASH_MD5);
    return &h->md5;
}

struct sha256 sha256_of_parts(const struct bytes *parts, unsigned n)
{
    struct sha256 digest;
    EVP_MD_CTX *ctx = thread_ctx()->sha256;
    dol_assert(EVP_DigestInit_ex2(ctx, algs[HASH_SHA256].md, NULL) == 1);
    for (unsigned i = 0; i < n; i++) {
        if (parts[i].len > 0)
            dol_assert(EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1);
    }
    dol_assert(EVP_DigestFinal_ex(ctx, digest.b, NULL) == 1);
    return digest;
}

struct sha256 sha256_of(const void *data, size_t len)
{
    struct bytes part = {data, len};
    return sha256_of_parts(&part, 1);
}

static void hmac_sha256_parts(struct bytes key, const struct bytes *parts, unsigned n, uint8_t out[SHA256_BYTES])
{
    EVP_MAC_CTX *ctx = thread_ctx()->hmac;
    /* A NULL key would mean "the one before". */
    const uint8_t *key_data = key.len > 0 ? key.data : (const uint8_t *)"";
    dol_assert(EVP_MAC_init(ctx, key_data, key.len, NULL) == 1);
    for (unsigned i = 0; i < n; i++) {
        if (parts[i].len > 0)
            dol_assert(EVP_MAC_update(ctx, parts[i].data, parts[i].len) == 1);
    }
    size_t out_len = 0;
    dol_assert(EVP_MAC_final(ctx, out, &out_len, SHA256_BYTES) == 1 && out_len == SHA256_BYTES);
}

void hmac_sha256(struct bytes key, struct bytes data, uint8_t out[SHA256_BYTES])
{
    hmac_sha256_parts(key, &data, 1, out);
}

void hkdf_sha256(struct bytes key, struct bytes salt, struct bytes info, uint8_t *out, size_t out_len)
{
    static const uint8_t zero_salt[SHA256_BYTES];
    uint8_t prk[SHA256_BYTES];
    uint8_t block[SHA256_BYTES];
    uint8_t counter = 0;

    dol_assert(out_len <= (size_t)255 * SHA256_BYTES);
    if (salt.len == 0)
        salt = bytes_of(zero_salt, sizeof zero_salt);
    hmac_sha256(salt, key, prk);
    for (size_t done = 0; done < out_len;) {
        counter++;
        struct bytes parts[] = {{block, counter > 1 ? sizeof block : 0}, info, {&counter, 1}};
        hmac_sha256_parts(bytes_of(prk, sizeof prk), parts, 3, block);
        size_t piece = out_len - done < sizeof block ? out_len - done : sizeof block;
        memcpy(out + done, block, piece);
        done += piece;
    }
    secret_wipe(prk, sizeof prk);
    secret_wipe(block, sizeof block);
}
