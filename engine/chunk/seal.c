/*
 * Sealing records as they are laid into a row.
 *
 * Nonces: a sealer's counter rises before a record is sealed and never falls, whatever fails afterwards; a life has one
 * sealer ever, and its key depends on the life, so no (key, nonce) pair is used twice. The key schedule is made once
 * per sealer, a record sets the nonce only.
 *
 * Records go straight into their destinations, which may be of any sizes: nothing but the 64-byte header and the
 * 16-byte trailer is copied.
 */
#include "seal.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "dol_assert.h"
#include "hash.h"
#include "seal_key.h"

#define SEALER_MAGIC 0x5ea1e001u

struct sealer {
    unsigned magic;
    EVP_CIPHER_CTX *cipher; /* NULL: records are not sealed */
    struct uuid life;
    uint32_t key_id;
    uint64_t counter; /* of the next record */
};

void seal_nonce(uint64_t counter, uint8_t out[SEAL_NONCE_BYTES])
{
    struct le64 le = le64_of(counter);
    memset(out, 0, SEAL_NONCE_BYTES);
    memcpy(out + SEAL_NONCE_BYTES - sizeof le.b, le.b, sizeof le.b);
}

void seal_slab_key(const uint8_t data_key[DATA_KEY_BYTES], struct uuid life, uint8_t out[SEAL_KEY_BYTES])
{
    static const char info[] = "dolmen slab key v1";
    hkdf_sha256(bytes_of(data_key, DATA_KEY_BYTES), bytes_of(life.b, sizeof life.b), bytes_of(info, sizeof info - 1),
                out, SEAL_KEY_BYTES);
}

enum dol_err sealer_new(const struct keyring *keys, struct uuid life, struct sealer **out)
{
    *out = NULL;
    struct sealer *s = calloc(1, sizeof *s);
    if (s == NULL)
        return DOL_ENOMEM;
    s->magic = SEALER_MAGIC;
    s->life = life;
    if (keys != NULL) {
        s->key_id = keyring_current(keys);
        const uint8_t *data_key = keyring_find(keys, s->key_id);
        dol_assert(data_key != NULL && !uuid_is_zero(life));
        uint8_t key[SEAL_KEY_BYTES];
        seal_slab_key(data_key, life, key);
        s->cipher = EVP_CIPHER_CTX_new();
        bool ok = s->cipher != NULL && EVP_EncryptInit_ex(s->cipher, EVP_aes_256_gcm(), NULL, key, NULL) == 1;
        secret_wipe(key, sizeof key);
        if (!ok) {
            sealer_free(s);
            return DOL_ENOMEM;
        }
    }
    *out = s;
    return DOL_OK;
}

void sealer_free(struct sealer *s)
{
    if (s == NULL)
        return;
    dol_assert_magic(s, SEALER_MAGIC);
    s->magic = 0;
    EVP_CIPHER_CTX_free(s->cipher); /* wipes the key schedule */
    free(s);
}

/* ---- destinations ---- */

/* The record's way into its destinations: asks for the next one when the last is full. */
struct sink {
    seal_dest_fn *dest;
    void *arg;
    uint8_t *at;
    size_t room;  /* behind `at` */
    size_t total; /* bytes of the record not yet laid down */
};

/* Room for 1..want bytes, in *n; they count as laid down. */
static uint8_t *sink_next(struct sink *sink, size_t want, size_t *n)
{
    dol_assert(want > 0 && want <= sink->total);
    if (sink->room == 0) {
        sink->room = sink->total;
        sink->at = sink->dest(sink->arg, &sink->room);
        dol_assert(sink->at != NULL && sink->room > 0 && sink->room <= sink->total);
    }
    *n = want < sink->room ? want : sink->room;
    uint8_t *at = sink->at;
    sink->at += *n;
    sink->room -= *n;
    sink->total -= *n;
    return at;
}

static void sink_copy(struct sink *sink, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n;
        uint8_t *to = sink_next(sink, len, &n);
        memcpy(to, data, n);
        data += n;
        len -= n;
    }
}

static enum dol_err sink_encrypt(struct sink *sink, EVP_CIPHER_CTX *cipher, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n;
        int written = 0;
        uint8_t *to = sink_next(sink, len, &n);
        if (EVP_EncryptUpdate(cipher, to, &written, data, (int)n) != 1 || written != (int)n)
            return DOL_EUNSUPPORTED;
        data += n;
        len -= n;
    }
    return DOL_OK;
}

/* ---- bodies ---- */

static enum dol_err put_sealed(struct sealer *s, struct sink *sink, const uint8_t header[RECORD_HEADER_BYTES],
                               const struct bytes *parts, unsigned part_count, uint64_t counter)
{
    uint8_t nonce[SEAL_NONCE_BYTES];
    uint8_t tag[RECORD_TRAILER_BYTES];
    int n = 0;
    seal_nonce(counter, nonce);
    if (EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, nonce) != 1 ||
        EVP_EncryptUpdate(s->cipher, NULL, &n, header, RECORD_HEADER_BYTES) != 1)
        return DOL_EUNSUPPORTED;
    sink_copy(sink, header, RECORD_HEADER_BYTES);
    for (unsigned i = 0; i < part_count; i++) {
        enum dol_err err = sink_encrypt(sink, s->cipher, parts[i].data, parts[i].len);
        if (err != DOL_OK)
            return err;
    }
    if (EVP_EncryptFinal_ex(s->cipher, tag, &n) != 1 || n != 0 ||
        EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_GCM_GET_TAG, RECORD_TRAILER_BYTES, tag) != 1)
        return DOL_EUNSUPPORTED;
    sink_copy(sink, tag, sizeof tag);
    return DOL_OK;
}

/* As record_trailer_encode(), over a body in parts. */
static void put_plain(struct sink *sink, const uint8_t header[RECORD_HEADER_BYTES], const struct bytes *parts,
                      unsigned part_count)
{
    uint8_t trailer[RECORD_TRAILER_BYTES] = {0};
    uint32_t crc = crc32c(0, header, RECORD_HEADER_BYTES);
    sink_copy(sink, header, RECORD_HEADER_BYTES);
    for (unsigned i = 0; i < part_count; i++) {
        crc = crc32c(crc, parts[i].data, parts[i].len);
        sink_copy(sink, parts[i].data, parts[i].len);
    }
    struct le32 stored = le32_of(crc);
    memcpy(trailer, stored.b, sizeof stored.b);
    sink_copy(sink, trailer, sizeof trailer);
}

enum dol_err sealer_put(struct sealer *s, struct record_header *h, const struct bytes *parts, unsigned part_count,
                        seal_dest_fn *dest, void *arg)
{
    dol_assert_magic(s, SEALER_MAGIC);
    size_t body_bytes = 0;
    for (unsigned i = 0; i < part_count; i++)
        body_bytes += parts[i].len;
    dol_assert(body_bytes == h->body_bytes && body_bytes <= RECORD_BODY_BYTES_MAX);

    bool sealed = s->cipher != NULL;
    h->seal = sealed ? FORMAT_SEAL_AES256GCM : FORMAT_SEAL_NONE;
    h->key_id = s->key_id;
    h->seal_life = sealed ? s->life : (struct uuid){{0}};
    h->seal_counter = sealed ? s->counter++ : 0;

    uint8_t header[RECORD_HEADER_BYTES];
    record_header_encode(h, header);
    struct sink sink = {.dest = dest, .arg = arg, .total = record_stored_bytes(h->body_bytes)};
    if (sealed) {
        enum dol_err err = put_sealed(s, &sink, header, parts, part_count, h->seal_counter);
        if (err != DOL_OK)
            return err;
    } else {
        put_plain(&sink, header, parts, part_count);
    }
    static const uint8_t gap[RECORD_ALIGN_BYTES];
    sink_copy(&sink, gap, sink.total);
    return DOL_OK;
}
