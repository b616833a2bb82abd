/* The codec's promises: bit-exact, never worse than raw, bounded on hostile input. */
#include "codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

#define CHUNK_MAX ((size_t)1 << 20)

static uint64_t random_state;

static uint64_t random_u64(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

enum content { ZEROS, PIXELS, NOISE, SMOOTH };

/* PIXELS: 16-bit little-endian samples with 6 noisy bits, as a 12-bit modality gives them. SMOOTH: samples that differ
 * by at most 8 from their neighbours. */
static uint8_t *make_content(enum content content, size_t len)
{
    uint8_t *data = calloc(1, len ? len : 1);
    assert_non_null(data);
    random_state = 42;
    uint64_t sample = 1000;
    for (size_t i = 0; i < len; i++) {
        if (content == SMOOTH) {
            sample = i % 2 == 0 ? sample + random_u64() % 17 - 8 : sample;
            data[i] = (uint8_t)(i % 2 == 0 ? sample : sample >> 8);
        } else if (content == NOISE)
            data[i] = (uint8_t)(random_u64() >> 56);
        else if (content == PIXELS)
            data[i] = i % 2 == 0 ? (uint8_t)(random_u64() >> 58) : 3;
    }
    return data;
}

static struct codec *codec_fresh(void)
{
    struct codec *c;
    assert_int_equal(codec_new(&c), DOL_OK);
    return c;
}

static void check_round_trip(struct codec *c, enum content content, size_t len, uint8_t expected)
{
    uint8_t *plain = make_content(content, len);
    uint8_t *out = malloc(len ? len : 1);
    uint8_t *back = malloc(len ? len : 1);
    assert_non_null(out);
    assert_non_null(back);
    size_t out_len = 0;
    assert_int_equal(codec_encode(c, bytes_of(plain, len), out, len, &out_len), expected);
    struct bytes stored = bytes_of(plain, len);
    if (expected != FORMAT_CODEC_RAW) {
        assert_true(out_len < len && out_len <= len - len / 16);
        stored = bytes_of(out, out_len);
    }
    assert_int_equal(codec_decode(c, expected, stored, back, len), DOL_OK);
    assert_memory_equal(back, plain, len);
    free(plain);
    free(out);
    free(back);
}

static void test_round_trips(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    static const size_t sizes[] = {24575, 24576, 24577, 65535, 65536, 71680, 131071, CHUNK_MAX - 1, CHUNK_MAX};
    check_round_trip(c, ZEROS, 0, FORMAT_CODEC_RAW);
    check_round_trip(c, ZEROS, 1, FORMAT_CODEC_RAW);
    check_round_trip(c, ZEROS, 15, FORMAT_CODEC_RAW);
    check_round_trip(c, ZEROS, 100, FORMAT_CODEC_ZSTD);
    check_round_trip(c, PIXELS, 4096, FORMAT_CODEC_ZSTD);
    check_round_trip(c, NOISE, 4096, FORMAT_CODEC_RAW);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_round_trip(c, ZEROS, sizes[i], FORMAT_CODEC_ZSTD);
        check_round_trip(c, PIXELS, sizes[i], FORMAT_CODEC_ZSTD);
        check_round_trip(c, NOISE, sizes[i], FORMAT_CODEC_RAW);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        check_round_trip(c, SMOOTH, sizes[i], FORMAT_CODEC_PLANES);
    check_round_trip(c, SMOOTH, 4097, FORMAT_CODEC_PLANES);
    check_round_trip(c, ZEROS, CHUNK_MAX + 1, FORMAT_CODEC_RAW);
    codec_free(c);
    codec_free(NULL);
}

/* Frames are what any zstd reads: one frame with the content size, no dictionary. */
static void test_frames_are_plain_zstd(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    uint8_t *plain = make_content(PIXELS, 70000);
    uint8_t *out = malloc(70000);
    uint8_t *back = malloc(70000);
    size_t n;
    assert_int_equal(codec_encode(c, bytes_of(plain, 70000), out, 70000, &n), FORMAT_CODEC_ZSTD);
    assert_int_equal(ZSTD_getFrameContentSize(out, n), 70000);
    assert_int_equal(ZSTD_decompress(back, 70000, out, n), 70000);
    assert_memory_equal(back, plain, 70000);
    free(plain);
    free(out);
    free(back);
    codec_free(c);
}

static void test_small_capacity_is_raw(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    uint8_t *plain = make_content(PIXELS, 70000);
    uint8_t *out = malloc(100);
    size_t n = 0;
    assert_int_equal(codec_encode(c, bytes_of(plain, 70000), out, 100, &n), FORMAT_CODEC_RAW);
    assert_int_equal(codec_encode(c, bytes_of(plain, 70000), out, 0, &n), FORMAT_CODEC_RAW);
    free(plain);
    free(out);
    codec_free(c);
}

/* What the probe says: random bytes no, bytes more even or more uneven than chance gives yes if they repeat. */
static void test_probe(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    size_t len = 71680;
    uint8_t *plain = make_content(NOISE, len);
    assert_int_equal(codec_choose(c, bytes_of(plain, len)), FORMAT_CODEC_RAW);
    /* every byte as often as any other, and nothing new after 256 of them */
    for (size_t i = 0; i < len; i++)
        plain[i] = (uint8_t)(i * 7);
    assert_int_not_equal(codec_choose(c, bytes_of(plain, len)), FORMAT_CODEC_RAW);
    /* noise that begins anew every 2 KiB */
    random_state = 42;
    for (size_t i = 0; i < len; i++)
        plain[i] = i < 2048 ? (uint8_t)(random_u64() >> 56) : plain[i - 2048];
    assert_int_not_equal(codec_choose(c, bytes_of(plain, len)), FORMAT_CODEC_RAW);
    /* seven bits of eight: uneven, and entropy coding saves an eighth */
    for (size_t i = 0; i < len; i++)
        plain[i] = (uint8_t)(random_u64() >> 57);
    assert_int_not_equal(codec_choose(c, bytes_of(plain, len)), FORMAT_CODEC_RAW);
    free(plain);
    codec_free(c);
}

/* Samples of 16 bits are planes, wherever in a sample the chunk begins, and whichever byte comes first; text isn't. */
static void test_choice(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    size_t len = 131072;
    uint8_t *plain = make_content(SMOOTH, len);
    static const size_t lengths[] = {512, 12288, 12289, 24575, 24576, 100000, 131000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (size_t at = 0; at < 3; at++)
            assert_int_equal(codec_choose(c, bytes_of(plain + at, lengths[i])), FORMAT_CODEC_PLANES);
    static const char text[] = "(0028,0010) US 512 # 2, 1 Rows\n(0028,0011) US 512 # 2, 1 Columns\n";
    for (size_t i = 0; i < len; i++)
        plain[i] = (uint8_t)text[i % (sizeof text - 1)];
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_int_equal(codec_choose(c, bytes_of(plain, lengths[i])), FORMAT_CODEC_ZSTD);
    /* bytes spread more evenly than chance would have it: only the planes of the samples compress */
    random_state = 42;
    for (size_t i = 2; i < len; i++)
        plain[i] = (uint8_t)(plain[i - 2] + 60 + random_u64() % 9);
    assert_int_equal(codec_choose(c, bytes_of(plain, len)), FORMAT_CODEC_PLANES);
    free(plain);
    codec_free(c);
}

/* Files of slices with headers: planes, and a third of the bytes saved. */
static void test_slices(void **state)
{
    (void)state;
    static const char *const names[] = {"mr-explicit-1.dcm", "mr-explicit-2.dcm", "mr-implicit-5.dcm"};
    struct codec *c = codec_fresh();
    uint8_t plain[16384];
    uint8_t out[16384];
    uint8_t back[16384];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", DATA_DIR, names[i]);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        size_t len = fread(plain, 1, sizeof plain, file);
        fclose(file);
        size_t n;
        assert_int_equal(codec_encode(c, bytes_of(plain, len), out, len, &n), FORMAT_CODEC_PLANES);
        assert_true(n < len - len / 3);
        assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(out, n), back, len), DOL_OK);
        assert_memory_equal(back, plain, len);
    }
    codec_free(c);
}

/* Every short length, whatever codec_choose() would say: what compresses comes back, and is the frame it says it is. */
static void test_planes_of_short_chunks(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    static const enum content contents[] = {ZEROS, PIXELS, NOISE, SMOOTH};
    for (size_t k = 0; k < sizeof contents / sizeof contents[0]; k++)
        for (size_t len = 0; len <= 300; len++) {
            uint8_t *plain = make_content(contents[k], len);
            uint8_t *out = malloc(len ? len : 1);
            uint8_t *back = malloc(len ? len : 1); /* exact: ASan sees one byte too far */
            size_t n;
            uint8_t id = codec_compress(c, FORMAT_CODEC_PLANES, bytes_of(plain, len), out, len, &n);
            assert_true(id == FORMAT_CODEC_PLANES || id == FORMAT_CODEC_RAW);
            if (contents[k] == ZEROS && len >= 32)
                assert_int_equal(id, FORMAT_CODEC_PLANES);
            if (id == FORMAT_CODEC_PLANES) {
                assert_int_equal(ZSTD_getFrameContentSize(out, n), len);
                assert_int_equal(codec_decode(c, id, bytes_of(out, n), back, len), DOL_OK);
                assert_memory_equal(back, plain, len);
            }
            free(plain);
            free(out);
            free(back);
        }
    codec_free(c);
}

/* The example of docs/format.md, 9.1, in a frame with one raw block; and all that it may not be. */
static void test_planes_by_the_document(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x07, 0x39, 0x00,
                                    0x00, 0x10, 0x02, 0xfe, 0xf1, 0x01, 0x00, 0xff};
    static const uint8_t plain[] = {0x10, 0x01, 0x12, 0x01, 0x10, 0x00, 0x01};
    struct codec *c = codec_fresh();
    uint8_t out[8];
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(frame, sizeof frame), out, 7), DOL_OK);
    assert_memory_equal(out, plain, sizeof plain);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(frame, sizeof frame), out, 6), DOL_ECORRUPT);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(frame, sizeof frame), out, 8), DOL_ECORRUPT);
    for (size_t cut = 0; cut < sizeof frame; cut++) {
        uint8_t *shorter = malloc(cut ? cut : 1);
        memcpy(shorter, frame, cut);
        assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(shorter, cut), out, 7), DOL_ECORRUPT);
        free(shorter);
    }
    uint8_t longer[sizeof frame + 1] = {0};
    memcpy(longer, frame, sizeof frame);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(longer, sizeof longer), out, 7), DOL_ECORRUPT);
    longer[0]++; /* no frame */
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(longer, sizeof frame), out, 7), DOL_ECORRUPT);
    codec_free(c);
}

/* No chunk is longer than CHUNK_BYTES_MAX, so no memory is kept for its planes. */
static void test_planes_of_too_long_chunks(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    size_t len = CHUNK_MAX + 1;
    uint8_t *plain = make_content(ZEROS, len);
    uint8_t *frame = malloc(1000);
    size_t n = ZSTD_compress(frame, 1000, plain, len, 1);
    assert_false(ZSTD_isError(n));
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(frame, n), plain, len), DOL_ECORRUPT);
    n = ZSTD_compress(frame, 1000, plain, CHUNK_MAX, 1);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES, bytes_of(frame, n), plain, CHUNK_MAX), DOL_OK);
    free(plain);
    free(frame);
    codec_free(c);
}

/* A little redundancy, less than 1/16 of the whole, is not worth a frame. */
static void test_saving_below_a_sixteenth_is_raw(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    size_t len = 65536;
    uint8_t *out = malloc(len);
    size_t n = 0;
    uint8_t *plain = make_content(NOISE, len);
    memset(plain + 10000, 0, len / 16 - 512);
    assert_int_equal(codec_encode(c, bytes_of(plain, len), out, len, &n), FORMAT_CODEC_RAW);
    memset(plain + 10000, 0, len / 8);
    assert_int_equal(codec_encode(c, bytes_of(plain, len), out, len, &n), FORMAT_CODEC_ZSTD);
    free(plain);
    free(out);
    codec_free(c);
}

static void test_decode_wants_the_exact_length(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    size_t len = 5000;
    uint8_t *plain = make_content(PIXELS, len);
    uint8_t frame[5000];
    size_t n;
    assert_int_equal(codec_encode(c, bytes_of(plain, len), frame, sizeof frame, &n), FORMAT_CODEC_ZSTD);
    for (size_t wrong = len - 1; wrong <= len + 1; wrong += 2) {
        uint8_t *out = malloc(wrong); /* exact: ASan sees one byte too far */
        assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(frame, n), out, wrong), DOL_ECORRUPT);
        assert_int_equal(codec_decode(c, FORMAT_CODEC_RAW, bytes_of(plain, len), out, wrong), DOL_ECORRUPT);
        free(out);
    }
    uint8_t *out = malloc(len);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(frame, n), out, len), DOL_OK);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(NULL, 0), out, len), DOL_ECORRUPT);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_RAW, bytes_of(NULL, 0), NULL, 0), DOL_OK);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_PLANES + 1, bytes_of(frame, n), out, len), DOL_EFORMAT);
    assert_int_equal(codec_decode(c, 255, bytes_of(plain, len), out, len), DOL_EFORMAT);
    free(out);
    free(plain);
    codec_free(c);
}

/* One frame and nothing else: every truncation, bytes behind it, two frames, skippable and legacy frames. */
static void test_decode_wants_one_frame(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    uint8_t plain[2000] = {0};
    uint8_t frame[4000];
    uint8_t out[2000];
    size_t n;
    random_state = 7;
    for (size_t i = 0; i < 300; i++)
        plain[i] = (uint8_t)(random_u64() >> 56);
    assert_int_equal(codec_encode(c, bytes_of(plain, sizeof plain), frame, 2000, &n), FORMAT_CODEC_ZSTD);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *shorter = malloc(cut ? cut : 1);
        memcpy(shorter, frame, cut);
        assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(shorter, cut), out, sizeof out), DOL_ECORRUPT);
        free(shorter);
    }
    frame[n] = 0;
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(frame, n + 1), out, sizeof out), DOL_ECORRUPT);

    uint8_t half[1000];
    memcpy(half, plain, sizeof half);
    uint8_t two[4000];
    size_t first;
    size_t second;
    assert_int_equal(codec_encode(c, bytes_of(half, 1000), two, 1000, &first), FORMAT_CODEC_ZSTD);
    assert_int_equal(codec_encode(c, bytes_of(plain + 1000, 1000), two + first, 1000, &second), FORMAT_CODEC_ZSTD);
    assert_int_equal(ZSTD_decompress(out, sizeof out, two, first + second), sizeof out);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(two, first + second), out, sizeof out), DOL_ECORRUPT);

    uint8_t skippable[4000] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
    memcpy(skippable + 8, frame, n);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(skippable, n + 8), out, sizeof out), DOL_ECORRUPT);
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(skippable, 8), out, 0), DOL_ECORRUPT);
    /* zstd 0.7 */
    uint8_t legacy[64] = {0x27, 0xb5, 0x2f, 0xfd};
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(legacy, sizeof legacy), out, sizeof out),
                     DOL_ECORRUPT);
    codec_free(c);
}

/* A frame that promises 1 TiB of content with a window to match is refused without memory being sought. */
static void test_huge_promises_are_refused(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    /* RFC 8878 3.1.1.1: descriptor with 8-byte content size and a window descriptor; then a last RLE block of 1 byte.
     */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0xf8, 0, 0, 0, 0, 0, 1, 0, 0, 0x0b, 0, 0, 0x55};
    uint8_t out[16];
    assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(frame, sizeof frame), out, sizeof out), DOL_ECORRUPT);
    codec_free(c);
}

/* Failures leave nothing behind that spoils the next use. */
static void test_reuse_after_errors(void **state)
{
    (void)state;
    struct codec *c = codec_fresh();
    uint8_t junk[100] = {0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3};
    uint8_t out[100];
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(codec_decode(c, FORMAT_CODEC_ZSTD, bytes_of(junk, sizeof junk), out, sizeof out),
                         DOL_ECORRUPT);
        check_round_trip(c, PIXELS, 30000 + i, FORMAT_CODEC_ZSTD);
        check_round_trip(c, NOISE, 30000 + i, FORMAT_CODEC_RAW);
    }
    codec_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_frames_are_plain_zstd),
        cmocka_unit_test(test_small_capacity_is_raw),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_planes_of_short_chunks),
        cmocka_unit_test(test_planes_by_the_document),
        cmocka_unit_test(test_planes_of_too_long_chunks),
        cmocka_unit_test(test_saving_below_a_sixteenth_is_raw),
        cmocka_unit_test(test_decode_wants_the_exact_length),
        cmocka_unit_test(test_decode_wants_one_frame),
        cmocka_unit_test(test_huge_promises_are_refused),
        cmocka_unit_test(test_reuse_after_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
