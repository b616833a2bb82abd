/* Sealing and opening: exact layout, agreement with OpenSSL used directly, and no byte of a record that can change
 * unnoticed. */
#include "hash.h"
#include "keyring_keys.h"
#include "seal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>

static const struct uuid LIFE = {{0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const struct uuid POOL = {{1}};

/* A keyring with `count` keys. */
static struct keyring *keyring_fresh(unsigned count)
{
    struct master_key master = {{3}};
    struct superblock sb = {.pool = POOL};
    struct keyring *k;
    master_key_check(&master, POOL, sb.key_check);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(keyring_new_key(&master, &sb), DOL_OK);
    assert_int_equal(keyring_open(&master, &sb, &k), DOL_OK);
    return k;
}

/* Hands out pieces of at most `piece` bytes, each an allocation of its own, and joins them afterwards. */
struct pieces {
    size_t piece;
    size_t total;
    unsigned count;
    struct {
        uint8_t *data;
        size_t len;
    } list[8192];
};

static uint8_t *next_piece(void *arg, size_t *len)
{
    struct pieces *p = arg;
    size_t n = *len < p->piece ? *len : p->piece;
    assert_in_range(p->count, 0, 8191);
    uint8_t *data = malloc(n);
    memset(data, 0xee, n);
    p->list[p->count].data = data;
    p->list[p->count++].len = n;
    p->total += n;
    *len = n;
    return data;
}

static uint8_t *pieces_join(struct pieces *p)
{
    uint8_t *all = malloc(p->total);
    size_t at = 0;
    for (unsigned i = 0; i < p->count; i++) {
        memcpy(all + at, p->list[i].data, p->list[i].len);
        at += p->list[i].len;
        free(p->list[i].data);
    }
    p->count = 0;
    p->total = 0;
    return all;
}

/* A skippable kind of a later version, which may have the largest body. */
#define KIND_OF_THE_FUTURE 200

static struct record_header header_for(size_t body_bytes)
{
    return (struct record_header){
        .kind = KIND_OF_THE_FUTURE, .flags = RECORD_FLAG_SKIP, .lsn = {5, 6}, .body_bytes = (uint32_t)body_bytes};
}

/* Seals one record in pieces; the result is an exact allocation. */
static uint8_t *seal_record(struct sealer *s, struct record_header *h, const uint8_t *body, size_t piece)
{
    static struct pieces p;
    p = (struct pieces){.piece = piece};
    size_t third = h->body_bytes / 3;
    struct bytes parts[] = {{body, third}, {NULL, 0}, {body + third, h->body_bytes - third}};
    assert_int_equal(sealer_put(s, h, parts, 3, next_piece, &p), DOL_OK);
    assert_int_equal(p.total, record_stored_bytes(h->body_bytes));
    return pieces_join(&p);
}

static size_t stored_without_gap(const struct record_header *h)
{
    return RECORD_HEADER_BYTES + h->body_bytes + RECORD_TRAILER_BYTES;
}

static uint8_t *body_fresh(size_t len)
{
    uint8_t *body = malloc(len ? len : 1);
    for (size_t i = 0; i < len; i++)
        body[i] = (uint8_t)(i * 7 + i / 256);
    return body;
}

static void check_round_trip(const struct keyring *keys, size_t len, size_t piece)
{
    struct sealer *s;
    struct opener *o;
    assert_int_equal(sealer_new(keys, LIFE, &s), DOL_OK);
    assert_int_equal(opener_new(keys, &o), DOL_OK);
    uint8_t *body = body_fresh(len);
    for (unsigned round = 0; round < 2; round++) {
        struct record_header h = header_for(len);
        uint8_t *record = seal_record(s, &h, body, piece);
        assert_int_equal(h.seal, keys ? FORMAT_SEAL_AES256GCM : FORMAT_SEAL_NONE);
        assert_int_equal(h.key_id, keys ? keyring_current(keys) : 0);
        assert_int_equal(h.seal_counter, keys ? round : 0);
        if (keys)
            assert_memory_equal(&h.seal_life, &LIFE, sizeof LIFE);
        else
            assert_true(uuid_is_zero(h.seal_life));
        for (size_t i = stored_without_gap(&h); i < record_stored_bytes(h.body_bytes); i++)
            assert_int_equal(record[i], 0);
        if (keys && len >= 16)
            assert_memory_not_equal(record + RECORD_HEADER_BYTES, body, len);
        struct record_header read;
        struct bytes plain;
        assert_int_equal(
            opener_open(o, record, round ? stored_without_gap(&h) : record_stored_bytes(h.body_bytes), &read, &plain),
            DOL_OK);
        assert_ptr_equal(plain.data, record + RECORD_HEADER_BYTES);
        assert_int_equal(plain.len, len);
        assert_memory_equal(plain.data, body, len);
        assert_int_equal(read.kind, KIND_OF_THE_FUTURE);
        assert_int_equal(read.lsn.counter, 6);
        assert_int_equal(read.seal_counter, h.seal_counter);
        free(record);
    }
    free(body);
    sealer_free(s);
    opener_free(o);
}

static void test_round_trips(void **state)
{
    (void)state;
    struct keyring *keys = keyring_fresh(2);
    static const size_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 4016, 4095, 4096, 4097};
    static const size_t piece_sizes[] = {1, 2, 7, 15, 16, 17, 63, 64, 65, 79, 80, 81, 4096, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof piece_sizes / sizeof piece_sizes[0]; j++) {
            check_round_trip(keys, sizes[i], piece_sizes[j]);
            check_round_trip(NULL, sizes[i], piece_sizes[j]);
        }
    }
    check_round_trip(keys, RECORD_BODY_BYTES_MAX, 4000);
    check_round_trip(NULL, RECORD_BODY_BYTES_MAX, 4000);
    keyring_free(keys);
}

/* Pieces have no influence on the bytes. */
static void test_pieces_give_the_same_record(void **state)
{
    (void)state;
    struct keyring *keys = keyring_fresh(1);
    uint8_t *body = body_fresh(1000);
    struct sealer *a;
    struct sealer *b;
    assert_int_equal(sealer_new(keys, LIFE, &a), DOL_OK);
    assert_int_equal(sealer_new(keys, LIFE, &b), DOL_OK);
    for (size_t piece = 1; piece < 100; piece += 3) {
        struct record_header h = header_for(1000);
        uint8_t *whole = seal_record(a, &h, body, 1 << 20);
        uint8_t *joined = seal_record(b, &h, body, piece);
        assert_memory_equal(whole, joined, record_stored_bytes(1000));
        free(whole);
        free(joined);
    }
    sealer_free(a);
    sealer_free(b);
    free(body);
    keyring_free(keys);
}

/* The seal by its definition in record.h, computed with OpenSSL directly and in one piece. */
static void test_seal_is_the_definition(void **state)
{
    (void)state;
    struct keyring *keys = keyring_fresh(1);
    struct sealer *s;
    assert_int_equal(sealer_new(keys, LIFE, &s), DOL_OK);
    uint8_t key[32];
    hkdf_sha256(bytes_of(keyring_find(keys, 1), 32), bytes_of(LIFE.b, 16), bytes_of("dolmen slab key v1", 18), key, 32);
    uint8_t *body = body_fresh(777);
    for (unsigned counter = 0; counter < 300; counter++) {
        struct record_header h = header_for(777);
        uint8_t *record = seal_record(s, &h, body, 500);
        if (counter == 0 || counter >= 255) {
            uint8_t nonce[12] = {0, 0, 0, 0, (uint8_t)counter, (uint8_t)(counter >> 8)};
            uint8_t expected[777 + 16];
            int n;
            EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
            assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce), 1);
            assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, record, 64), 1);
            assert_int_equal(EVP_EncryptUpdate(ctx, expected, &n, body, 777), 1);
            assert_int_equal(EVP_EncryptFinal_ex(ctx, expected + n, &n), 1);
            assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, expected + 777), 1);
            EVP_CIPHER_CTX_free(ctx);
            assert_memory_equal(record + 64, expected, sizeof expected);
        }
        free(record);
    }
    free(body);
    sealer_free(s);
    keyring_free(keys);
}

static void test_unsealed_trailer_is_the_formats(void **state)
{
    (void)state;
    struct sealer *s;
    assert_int_equal(sealer_new(NULL, LIFE, &s), DOL_OK);
    uint8_t *body = body_fresh(333);
    struct record_header h = header_for(333);
    uint8_t *record = seal_record(s, &h, body, 10);
    uint8_t header[RECORD_HEADER_BYTES];
    uint8_t trailer[RECORD_TRAILER_BYTES];
    record_header_encode(&h, header);
    record_trailer_encode(header, body, 333, trailer);
    assert_memory_equal(record, header, sizeof header);
    assert_memory_equal(record + 64, body, 333);
    assert_memory_equal(record + 64 + 333, trailer, sizeof trailer);
    free(record);
    free(body);
    sealer_free(s);
}

static void check_every_bit_counts(const struct keyring *keys)
{
    struct sealer *s;
    struct opener *o;
    assert_int_equal(sealer_new(keys, LIFE, &s), DOL_OK);
    assert_int_equal(opener_new(keys, &o), DOL_OK);
    uint8_t *body = body_fresh(40);
    struct record_header h = header_for(40);
    uint8_t *record = seal_record(s, &h, body, 1000);
    size_t len = stored_without_gap(&h);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        uint8_t *copy = malloc(len);
        memcpy(copy, record, len);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct record_header read = {.kind = 99};
        struct bytes plain = {copy, 12345};
        enum dol_err err = opener_open(o, copy, len, &read, &plain);
        assert_true(err == DOL_ECORRUPT || (bit < 8 * RECORD_HEADER_BYTES && err == DOL_EFORMAT));
        assert_int_equal(read.kind, 99);
        assert_int_equal(plain.len, 12345);
        if (keys != NULL && bit >= 8 * RECORD_HEADER_BYTES)
            for (size_t i = 0; i < 40; i++)
                assert_int_equal(copy[RECORD_HEADER_BYTES + i], 0);
        free(copy);
    }
    /* every truncation, and a byte behind the gap */
    for (size_t shorter = 0; shorter < len; shorter++) {
        uint8_t *copy = malloc(shorter ? shorter : 1);
        memcpy(copy, record, shorter);
        struct bytes plain;
        assert_int_equal(opener_open(o, copy, shorter, &h, &plain), DOL_ECORRUPT);
        free(copy);
    }
    uint8_t longer[256] = {0};
    struct bytes plain;
    memcpy(longer, record, len);
    assert_int_equal(opener_open(o, longer, record_stored_bytes(40) + 1, &h, &plain), DOL_ECORRUPT);
    free(record);
    free(body);
    sealer_free(s);
    opener_free(o);
}

static void test_every_bit_counts(void **state)
{
    (void)state;
    struct keyring *keys = keyring_fresh(1);
    check_every_bit_counts(keys);
    check_every_bit_counts(NULL);
    keyring_free(keys);
}

static void test_missing_keys(void **state)
{
    (void)state;
    struct keyring *two = keyring_fresh(2);
    struct keyring *one = keyring_fresh(1);
    struct keyring *other_two = keyring_fresh(2);
    uint8_t *body = body_fresh(100);
    struct sealer *s;
    struct opener *o;
    struct bytes plain;
    assert_int_equal(sealer_new(two, LIFE, &s), DOL_OK);
    struct record_header h = header_for(100);

    uint8_t *record = seal_record(s, &h, body, 1000);
    assert_int_equal(opener_new(NULL, &o), DOL_OK);
    assert_int_equal(opener_open(o, record, stored_without_gap(&h), &h, &plain), DOL_EKEY);
    opener_free(o);
    assert_int_equal(opener_new(one, &o), DOL_OK);
    assert_int_equal(opener_open(o, record, stored_without_gap(&h), &h, &plain), DOL_EKEY);
    opener_free(o);
    /* neither touched the record */
    assert_int_equal(opener_new(two, &o), DOL_OK);
    assert_int_equal(opener_open(o, record, stored_without_gap(&h), &h, &plain), DOL_OK);
    opener_free(o);
    free(record);

    /* the right id with another key */
    record = seal_record(s, &h, body, 1000);
    assert_int_equal(opener_new(other_two, &o), DOL_OK);
    assert_int_equal(opener_open(o, record, stored_without_gap(&h), &h, &plain), DOL_ECORRUPT);
    opener_free(o);
    free(record);
    sealer_free(s);

    /* an unsealed record in an encrypted pool */
    assert_int_equal(sealer_new(NULL, LIFE, &s), DOL_OK);
    record = seal_record(s, &h, body, 1000);
    assert_int_equal(opener_new(two, &o), DOL_OK);
    assert_int_equal(opener_open(o, record, stored_without_gap(&h), &h, &plain), DOL_ECORRUPT);
    opener_free(o);
    free(record);
    sealer_free(s);

    free(body);
    keyring_free(one);
    keyring_free(two);
    keyring_free(other_two);
    sealer_free(NULL);
    opener_free(NULL);
}

#define LIVES 200

/* More lives than the cache has slots, by several threads at once. */
struct reader {
    struct opener *opener;
    uint8_t *const *records;
    const uint8_t *body;
    unsigned first;
    unsigned failures;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    uint8_t copy[512];
    for (unsigned round = 0; round < 4 * LIVES; round++) {
        unsigned life = (r->first + round * (round % 3 == 0 ? 7 : 1)) % LIVES;
        struct record_header h;
        struct bytes plain;
        memcpy(copy, r->records[life], record_stored_bytes(100));
        if (opener_open(r->opener, copy, record_stored_bytes(100), &h, &plain) != DOL_OK || plain.len != 100 ||
            memcmp(plain.data, r->body, 100) != 0 || h.seal_life.b[1] != life)
            r->failures++;
    }
    return NULL;
}

static void test_many_lives_and_threads(void **state)
{
    (void)state;
    struct keyring *keys = keyring_fresh(1);
    uint8_t *body = body_fresh(100);
    uint8_t *records[LIVES];
    for (unsigned i = 0; i < LIVES; i++) {
        struct uuid life = {{1, (uint8_t)i}};
        struct sealer *s;
        struct record_header h = header_for(100);
        assert_int_equal(sealer_new(keys, life, &s), DOL_OK);
        records[i] = seal_record(s, &h, body, 1000);
        sealer_free(s);
    }
    struct opener *o;
    assert_int_equal(opener_new(keys, &o), DOL_OK);
    pthread_t threads[4];
    struct reader readers[4];
    for (unsigned i = 0; i < 4; i++) {
        readers[i] = (struct reader){o, records, body, i < 2 ? 0 : i * 50, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readers[i].failures, 0);
    }
    opener_free(o);
    for (unsigned i = 0; i < LIVES; i++)
        free(records[i]);
    free(body);
    keyring_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_pieces_give_the_same_record),
        cmocka_unit_test(test_seal_is_the_definition),
        cmocka_unit_test(test_unsealed_trailer_is_the_formats),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_missing_keys),
        cmocka_unit_test(test_many_lives_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
