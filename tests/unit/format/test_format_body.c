/*
 * Bodies of records, all kinds alike: round trips with random content, every truncation, random damage, TLVs missing,
 * repeated, out of order, unknown.
 */
#include "format_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_err(expr, expected) assert_string_equal(dol_err_name(expr), #expected)

static void test_round_trips(void **state)
{
    (void)state;
    struct sample_rng rng = {30};
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        for (int i = 0; i < 200; i++) {
            union any_body b;
            union any_body out;
            size_t len = body_sample(kind, &rng, &b);
            memset(&out, 0xee, sizeof out);
            assert_err(format_kinds[kind].decode(bytes_of(body_image, len), &out), OK);
            assert_int_equal(body_encode(kind, &out, body_again), len);
            assert_memory_equal(body_image, body_again, len);
            /* What is needed can be asked for. */
            struct tlv_writer w;
            tlv_writer_init(&w, NULL, 0);
            format_kinds[kind].encode(&b, &w);
            assert_true(w.overflow);
            assert_int_equal(w.len, len);
        }
    }
}

/* Cut anywhere: never read beyond, and good only where optional TLVs at the end fell away whole. */
static void test_truncations(void **state)
{
    (void)state;
    struct sample_rng rng = {31};
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        union any_body b;
        size_t len = body_sample(kind, &rng, &b);
        for (size_t cut = 0; cut < len; cut += cut < 3000 ? 1 : 17) {
            enum dol_err err = body_decode_exact(kind, body_image, cut);
            if (err == DOL_OK) {
                union any_body out;
                assert_err(format_kinds[kind].decode(bytes_of(body_image, cut), &out), OK);
                assert_int_equal(body_encode(kind, &out, body_again), cut);
            } else {
                assert_int_equal(err, DOL_ECORRUPT);
            }
        }
        assert_err(body_decode_exact(kind, body_image, 0), ECORRUPT);
    }
}

/* Random damage is decoded without a crash; whatever passes encodes to itself, but for TLVs that were skipped. */
static void test_damage(void **state)
{
    (void)state;
    struct sample_rng rng = {32};
    unsigned passed = 0;
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        union any_body b;
        for (int i = 0; i < 3000; i++) {
            size_t len = i % 100 == 0 ? body_sample(kind, &rng, &b) : body_encode(kind, &b, body_image);
            for (uint64_t n = sample_range(&rng, 1, 3); n > 0; n--)
                body_image[sample_range(&rng, 0, len < 200 ? len - 1 : 199)] = (uint8_t)sample_u64(&rng);
            if (body_decode_exact(kind, body_image, len) != DOL_OK)
                continue;
            union any_body out;
            assert_err(format_kinds[kind].decode(bytes_of(body_image, len), &out), OK);
            size_t again = body_encode(kind, &out, body_again);
            assert_true(again <= len);
            if (again == len)
                assert_memory_equal(body_image, body_again, len);
            passed++;
        }
    }
    assert_true(passed > 0);
}

/* Splits a body into its TLVs. */
struct tlv_span {
    size_t at;
    size_t len;
    uint16_t type;
};

static size_t body_spans(const uint8_t *image, size_t len, struct tlv_span *spans, size_t max)
{
    struct tlv_reader r;
    struct tlv t;
    size_t n = 0;
    tlv_reader_init(&r, bytes_of(image, len));
    while (tlv_next(&r, &t) == DOL_OK) {
        assert_true(n < max);
        size_t at = (size_t)((const uint8_t *)t.value.data - image) - TLV_HEADER_BYTES;
        spans[n++] = (struct tlv_span){at, t.value.len + TLV_HEADER_BYTES, t.type};
    }
    return n;
}

static void test_order_and_repetition(void **state)
{
    (void)state;
    struct sample_rng rng = {33};
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        union any_body b;
        struct tlv_span spans[64];
        size_t len = body_sample(kind, &rng, &b);
        size_t n = body_spans(body_image, len, spans, 64);
        for (size_t i = 0; i < n; i++) {
            const struct tlv_span *s = &spans[i];
            if (kind == KIND_MANIFEST && s->type == MANIFEST_T_META)
                continue;
            /* Twice. */
            memcpy(body_again, body_image, s->at + s->len);
            memcpy(body_again + s->at + s->len, body_image + s->at, len - s->at);
            assert_err(body_decode_exact(kind, body_again, len + s->len), ECORRUPT);
            /* Last before first, unless it is the only one. */
            if (i + 1 < n) {
                memcpy(body_again, body_image + s->at + s->len, len - s->at - s->len);
                memcpy(body_again + len - s->at - s->len, body_image + s->at, s->len);
                assert_err(body_decode_exact(kind, body_again, len - s->at), ECORRUPT);
            }
            /* With a flag it should not have. */
            memcpy(body_again, body_image, len);
            body_again[s->at + 2] = TLV_FLAG_CRITICAL;
            assert_err(body_decode_exact(kind, body_again, len), ECORRUPT);
        }
    }
}

static void test_mandatory(void **state)
{
    (void)state;
    static const uint16_t mandatory[KIND_COUNT][8] = {
        {CHUNK_LIST_T_HASH, CHUNK_LIST_T_REFS},
        {MANIFEST_T_BUCKET, MANIFEST_T_KEY, MANIFEST_T_VERSION, MANIFEST_T_MTIME, MANIFEST_T_SIZE},
        {DELETE_T_BUCKET, DELETE_T_KEY, DELETE_T_VERSION},
        {OBJECT_META_T_BUCKET, OBJECT_META_T_KEY, OBJECT_META_T_VERSION, OBJECT_META_T_RETENTION,
         OBJECT_META_T_STORAGE_CLASS},
        {BUCKET_T_ID, BUCKET_T_NAME, BUCKET_T_CREATED, BUCKET_T_VERSIONING},
        {BUCKET_DELETE_T_ID},
        {UPLOAD_T_BUCKET, UPLOAD_T_KEY, UPLOAD_T_UPLOAD_ID, UPLOAD_T_CREATED, UPLOAD_T_MANIFEST},
        {UPLOAD_PART_T_BUCKET, UPLOAD_PART_T_KEY, UPLOAD_PART_T_UPLOAD_ID, UPLOAD_PART_T_PART, UPLOAD_PART_T_MTIME},
        {UPLOAD_END_T_BUCKET, UPLOAD_END_T_KEY, UPLOAD_END_T_UPLOAD_ID, UPLOAD_END_T_COMPLETED},
        {END_T_SLAB, END_T_LIFE, END_T_ROWS, END_T_END_BLOCK},
        {FREED_T_SLAB, FREED_T_LIFE, FREED_T_GENERATION},
        {DEBT_T_DRIVE, DEBT_T_SLAB, DEBT_T_LIFE, DEBT_T_SETTLED},
        {MOVED_T_SLAB, MOVED_T_LIFE, MOVED_T_COUNT},
        {SETTING_T_NAME},
    };
    struct sample_rng rng = {34};
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        union any_body b;
        struct tlv_span spans[64];
        size_t len = body_sample(kind, &rng, &b);
        size_t n = body_spans(body_image, len, spans, 64);
        size_t found = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < 8; j++)
                if (mandatory[kind][j] == spans[i].type) {
                    const struct tlv_span *s = &spans[i];
                    memcpy(body_again, body_image, s->at);
                    memcpy(body_again + s->at, body_image + s->at + s->len, len - s->at - s->len);
                    assert_err(body_decode_exact(kind, body_again, len - s->len), ECORRUPT);
                    found++;
                }
        size_t expected = 0;
        while (expected < 8 && mandatory[kind][expected] != 0)
            expected++;
        assert_int_equal(found, expected);
    }
}

/* A newer writer's TLVs: skipped, unless critical. */
static void test_unknown_types(void **state)
{
    (void)state;
    struct sample_rng rng = {35};
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        union any_body b;
        union any_body out;
        struct tlv_writer w;
        size_t len = body_sample(kind, &rng, &b);
        tlv_writer_init(&w, body_image, BODY_BYTES_ROOM);
        w.len = len;
        tlv_put(&w, 60000, 0, "future", 6);
        tlv_put(&w, 60000, 0, "again", 5);
        tlv_put(&w, 60001, 0, NULL, 0);
        assert_err(body_decode_exact(kind, body_image, w.len), OK);
        assert_err(format_kinds[kind].decode(bytes_of(body_image, w.len), &out), OK);
        assert_int_equal(body_encode(kind, &out, body_again), len);
        assert_memory_equal(body_image, body_again, len);
        tlv_put(&w, 60002, TLV_FLAG_CRITICAL, NULL, 0);
        assert_err(body_decode_exact(kind, body_image, w.len), EFORMAT);
        w.len = len;
        tlv_put(&w, 60001, 0, NULL, 0);
        tlv_put(&w, 60000, 0, NULL, 0);
        assert_err(body_decode_exact(kind, body_image, w.len), ECORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_order_and_repetition),
        cmocka_unit_test(test_mandatory),   cmocka_unit_test(test_unknown_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
