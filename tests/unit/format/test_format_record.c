/* TLVs, record headers and trailers, places: round trips, damage, limits, unknown kinds and types. */
#include "body.h"
#include "format_samples.h"
#include "hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_err(expr, expected) assert_string_equal(dol_err_name(expr), #expected)

static void test_tlv_round_trip(void **state)
{
    (void)state;
    uint8_t buf[128];
    struct tlv_writer w;
    tlv_writer_init(&w, buf, sizeof buf);
    tlv_put_u8(&w, 1, 0xab);
    tlv_put_u32(&w, 2, 0x01020304);
    tlv_put_u64(&w, 3, UINT64_MAX - 1);
    tlv_put_i64(&w, 4, -5);
    tlv_put(&w, 500, TLV_FLAG_CRITICAL, "abc", 3);
    tlv_put(&w, 501, 0, NULL, 0);
    assert_false(w.overflow);
    assert_int_equal(w.len, 9 + 12 + 16 + 16 + 11 + 8);
    assert_memory_equal(buf + 9, "\2\0\0\0\4\0\0\0\4\3\2\1", 12);

    struct tlv_reader r;
    struct tlv t;
    uint8_t u8;
    uint32_t u32;
    uint64_t u64;
    int64_t i64;
    tlv_reader_init(&r, bytes_of(buf, w.len));
    assert_err(tlv_next(&r, &t), OK);
    assert_err(tlv_u8(&t, &u8), OK);
    assert_int_equal(u8, 0xab);
    assert_err(tlv_u32(&t, &u32), ECORRUPT);
    assert_err(tlv_next(&r, &t), OK);
    assert_err(tlv_u32(&t, &u32), OK);
    assert_int_equal(u32, 0x01020304);
    assert_err(tlv_u64(&t, &u64), ECORRUPT);
    assert_err(tlv_next(&r, &t), OK);
    assert_err(tlv_u64(&t, &u64), OK);
    assert_true(u64 == UINT64_MAX - 1);
    assert_err(tlv_u8(&t, &u8), ECORRUPT);
    assert_err(tlv_next(&r, &t), OK);
    assert_err(tlv_i64(&t, &i64), OK);
    assert_true(i64 == -5);
    assert_err(tlv_next(&r, &t), OK);
    assert_int_equal(t.type, 500);
    assert_int_equal(t.flags, TLV_FLAG_CRITICAL);
    assert_true(bytes_equal(t.value, bytes_of("abc", 3)));
    assert_err(tlv_i64(&t, &i64), ECORRUPT);
    assert_err(tlv_next(&r, &t), OK);
    assert_int_equal(t.value.len, 0);
    assert_non_null(t.value.data);
    assert_err(tlv_next(&r, &t), ENOTFOUND);
    assert_err(tlv_next(&r, &t), ENOTFOUND);
    tlv_reader_init(&r, bytes_of(NULL, 0));
    assert_err(tlv_next(&r, &t), ENOTFOUND);
}

/* Every capacity: nothing is written beyond it, and the size that was needed comes out. */
static void test_tlv_overflow(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity <= 40; capacity++) {
        uint8_t *buf = malloc(capacity + 1);
        assert_non_null(buf);
        buf[capacity] = 0x77;
        struct tlv_writer w;
        tlv_writer_init(&w, buf, capacity);
        tlv_put_u32(&w, 1, 7);
        tlv_put_u64(&w, 2, 7);
        uint8_t *room = tlv_reserve(&w, 3, 0, 4);
        assert_int_equal(w.overflow, capacity < 40);
        assert_true((room == NULL) == w.overflow);
        assert_int_equal(w.len, 40);
        assert_int_equal(buf[capacity], 0x77);
        free(buf);
    }
}

static void test_tlv_malformed(void **state)
{
    (void)state;
    static const struct {
        uint8_t b[12];
        size_t len;
    } bad[] = {
        {{1}, 1},
        {{1, 0, 0, 0, 0, 0, 0}, 7},
        {{1, 0, 0, 0, 1, 0, 0, 0}, 8},                /* value missing */
        {{1, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4}, 12},   /* one short */
        {{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1}, 9}, /* length beyond everything */
        {{0, 0, 0, 0, 0, 0, 0, 0}, 8},                /* type 0 */
        {{1, 0, 2, 0, 0, 0, 0, 0}, 8},                /* unknown flag */
        {{1, 0, 0, 0x80, 0, 0, 0, 0}, 8},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tlv_reader r;
        struct tlv t;
        uint8_t *exact = malloc(bad[i].len);
        assert_non_null(exact);
        memcpy(exact, bad[i].b, bad[i].len);
        tlv_reader_init(&r, bytes_of(exact, bad[i].len));
        assert_err(tlv_next(&r, &t), ECORRUPT);
        free(exact);
    }
}

static void test_record_round_trip(void **state)
{
    (void)state;
    struct sample_rng rng = {20};
    for (int i = 0; i < 2000; i++) {
        struct record_header h;
        struct record_header out;
        uint8_t image[RECORD_HEADER_BYTES];
        uint8_t image_again[RECORD_HEADER_BYTES];
        sample_record_header(&rng, &h);
        record_header_encode(&h, image);
        assert_err(record_header_decode(image, &out), OK);
        record_header_encode(&out, image_again);
        assert_memory_equal(image, image_again, sizeof image);
        assert_true(out.kind == h.kind && out.flags == h.flags && out.codec == h.codec && out.seal == h.seal);
        assert_true(out.key_id == h.key_id && lsn_compare(out.lsn, h.lsn) == 0 && out.body_bytes == h.body_bytes);
        assert_true(out.plain_bytes == h.plain_bytes && uuid_equal(out.seal_life, h.seal_life));
        assert_true(out.seal_counter == h.seal_counter);
    }
}

static void test_record_bit_flips(void **state)
{
    (void)state;
    struct sample_rng rng = {21};
    for (int i = 0; i < 20; i++) {
        struct record_header h;
        uint8_t image[RECORD_HEADER_BYTES];
        sample_record_header(&rng, &h);
        record_header_encode(&h, image);
        for (size_t bit = 0; bit < 8 * sizeof image; bit++) {
            image[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_err(record_header_decode(image, &h), ECORRUPT);
            image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static enum dol_err record_with(const struct record_header *h, size_t at, uint64_t value, size_t len)
{
    uint8_t image[RECORD_HEADER_BYTES];
    struct record_header out;
    struct le64 v = le64_of(value);
    record_header_encode(h, image);
    memcpy(image + at, v.b, len);
    struct le32 crc = le32_of(crc32c(0, image + 4, sizeof image - 4));
    memcpy(image, crc.b, sizeof crc.b);
    return record_header_decode(image, &out);
}

static void test_record_fields(void **state)
{
    (void)state;
    const struct record_header plain = {.kind = RECORD_MANIFEST, .lsn = {3, 9}, .body_bytes = 100};
    struct record_header sealed = plain;
    sealed.seal = FORMAT_SEAL_AES256GCM;
    sealed.key_id = 1;
    sealed.seal_life.b[15] = 1;
    sealed.seal_counter = 77;
    const struct record_header chunk = {
        .kind = RECORD_CHUNK, .codec = FORMAT_CODEC_ZSTD, .lsn = {3, 9}, .body_bytes = 100, .plain_bytes = 400};

    assert_err(record_with(&plain, 7, 0, 1), OK);
    assert_err(record_with(&plain, 4, 0x5245, 2), ECORRUPT); /* magic */
    assert_err(record_with(&plain, 7, 2, 1), ECORRUPT);      /* unknown flag */
    assert_err(record_with(&plain, 8, 2, 1), EFORMAT);       /* version */
    assert_err(record_with(&plain, 8, 0, 1), EFORMAT);
    assert_err(record_with(&plain, 9, 1, 1), ECORRUPT);  /* a manifest has no codec */
    assert_err(record_with(&plain, 11, 1, 1), ECORRUPT); /* reserved */
    assert_err(record_with(&plain, 16, 0, 8), ECORRUPT); /* run 0 */
    assert_err(record_with(&plain, 36, 1, 4), ECORRUPT); /* plain bytes */
    assert_err(record_with(&plain, 32, BODY_BYTES_MAX, 4), OK);
    assert_err(record_with(&plain, 32, BODY_BYTES_MAX + 1, 4), ECORRUPT);
    assert_err(record_with(&plain, 32, UINT32_MAX, 4), ECORRUPT);
    assert_err(record_with(&plain, 10, 1, 1), ECORRUPT); /* sealed without key and life */
    assert_err(record_with(&plain, 12, 1, 4), ECORRUPT); /* unsealed with a key, a life, a counter */
    assert_err(record_with(&plain, 40, 1, 8), ECORRUPT);
    assert_err(record_with(&plain, 56, 1, 8), ECORRUPT);
    assert_err(record_with(&sealed, 10, 2, 1), EFORMAT); /* another seal */
    assert_err(record_with(&sealed, 12, 0, 4), ECORRUPT);
    assert_err(record_with(&sealed, 48, 0, 8), ECORRUPT);
    assert_err(record_with(&chunk, 9, 0, 1), OK);
    assert_err(record_with(&chunk, 9, FORMAT_CODEC_PLANES, 1), OK);
    assert_err(record_with(&chunk, 9, FORMAT_CODEC_PLANES + 1, 1), EFORMAT); /* another codec */
    assert_err(record_with(&chunk, 36, 0, 4), ECORRUPT);
    assert_err(record_with(&chunk, 36, CHUNK_BYTES_MAX, 4), OK);
    assert_err(record_with(&chunk, 36, CHUNK_BYTES_MAX + 1, 4), ECORRUPT);
    assert_err(record_with(&chunk, 32, CHUNK_BODY_BYTES_MAX, 4), OK);
    assert_err(record_with(&chunk, 32, CHUNK_BODY_BYTES_MAX + 1, 4), ECORRUPT);
}

static void test_record_kinds(void **state)
{
    (void)state;
    struct record_header h = {.kind = RECORD_DELETE, .lsn = {1, 0}};
    for (unsigned kind = 0; kind < 256; kind++) {
        bool kind_known = record_kind_is_known((uint8_t)kind);
        if (kind == RECORD_CHUNK)
            continue;
        h.flags = 0;
        enum dol_err err = record_with(&h, 6, kind, 1);
        assert_int_equal(err, kind == 0 ? DOL_ECORRUPT : kind_known ? DOL_OK : DOL_EFORMAT);
        h.flags = RECORD_FLAG_SKIP;
        err = record_with(&h, 6, kind, 1);
        assert_int_equal(err, kind == 0 ? DOL_ECORRUPT : DOL_OK);
    }
    static const uint8_t without_body[] = {RECORD_DRIVE,        RECORD_EVIDENCE,
                                           RECORD_AUDIT,        RECORD_TIER_COPY,
                                           RECORD_STUDY,        RECORD_CLOCK,
                                           RECORD_EVENT,        0,
                                           RECORD_KIND_MAX + 1, 255};
    for (size_t i = 0; i < sizeof without_body; i++)
        assert_false(record_kind_is_known(without_body[i]));
    unsigned known = 0;
    for (unsigned kind = 0; kind < 256; kind++)
        known += record_kind_is_known((uint8_t)kind);
    assert_int_equal(known, 19);
    /* Whatever codec and length an unknown kind has, it may be skipped; but not more than any record may have. */
    h.kind = 200;
    h.codec = 9;
    h.plain_bytes = UINT32_MAX;
    h.body_bytes = RECORD_BODY_BYTES_MAX;
    assert_err(record_with(&h, 7, RECORD_FLAG_SKIP, 1), OK);
    assert_err(record_with(&h, 32, RECORD_BODY_BYTES_MAX + 1, 4), ECORRUPT);
}

static void test_record_trailer(void **state)
{
    (void)state;
    struct sample_rng rng = {22};
    uint8_t header[RECORD_HEADER_BYTES];
    uint8_t body[100];
    uint8_t trailer[RECORD_TRAILER_BYTES];
    sample_fill(&rng, header, sizeof header);
    sample_fill(&rng, body, sizeof body);
    for (uint32_t len = 0; len <= sizeof body; len += 50) {
        record_trailer_encode(header, body, len, trailer);
        assert_true(record_trailer_ok(header, body, len, trailer));
        for (size_t i = 0; i < sizeof trailer; i++) {
            trailer[i] ^= 1;
            assert_false(record_trailer_ok(header, body, len, trailer));
            trailer[i] ^= 1;
        }
        header[63] ^= 1;
        assert_false(record_trailer_ok(header, body, len, trailer));
        header[63] ^= 1;
        for (uint32_t i = 0; i < len; i++) {
            body[i] ^= 0x80;
            assert_false(record_trailer_ok(header, body, len, trailer));
            body[i] ^= 0x80;
        }
    }
    assert_int_equal(record_stored_bytes(0), 80);
    assert_int_equal(record_stored_bytes(1), 88);
    assert_int_equal(record_stored_bytes(8), 88);
    assert_int_equal(record_stored_bytes(9), 96);
}

static void test_place(void **state)
{
    (void)state;
    const struct place good = {1ull << 32 | 5, 1, 5, 128, 81};
    struct place out;
    uint8_t image[PLACE_BYTES];
    place_encode(&good, image);
    assert_err(place_decode(image, &out), OK);
    assert_true(out.slab == good.slab && out.row_block == 1 && out.unit_blocks == 5 && out.offset_bytes == 128 &&
                out.stored_bytes == 81);
    const struct place bad[] = {
        {0, 1, 5, 128, 81},
        {1, 0, 5, 128, 81},
        {1, 1, 0, 128, 81},
        {1, 262143, 1, 128, 81},
        {1, UINT32_MAX, 1, 128, 81},
        {1, 1, UINT32_MAX, 128, 81},
        {1, 1, 5, 129, 81},
        {1, 1, 5, 128, 79},
        {1, 1, 5, 128, (2u << 20) + 81},
        {1, 1, 5, (8u << 20) - 80, 81},
        {1, 1, 5, UINT32_MAX - 7, 81},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        place_encode(&bad[i], image);
        assert_err(place_decode(image, &out), ECORRUPT);
    }
    const struct place edge = {1, 262142, 1, (8u << 20) - 80, 80};
    place_encode(&edge, image);
    assert_err(place_decode(image, &out), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tlv_round_trip),
        cmocka_unit_test(test_tlv_overflow),
        cmocka_unit_test(test_tlv_malformed),
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_bit_flips),
        cmocka_unit_test(test_record_fields),
        cmocka_unit_test(test_record_kinds),
        cmocka_unit_test(test_record_trailer),
        cmocka_unit_test(test_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
