/*
 * Superblock, extent header and footer, unit header: round trips of random content; every single-bit flip, foreign
 * life, row or member is noticed; versions, masks and reserved bytes mean what they should; impossible fields behind a
 * good checksum are refused.
 */
#include "format_head.h"
#include "format_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 300

#define assert_err(expr, expected) assert_string_equal(dol_err_name(expr), #expected)

static const struct bytes no_seed = {NULL, 0};

/* Encoded twice from what was decoded: the same bytes. So nothing is lost and padding of structs does not matter. */
static void test_superblock_round_trip(void **state)
{
    (void)state;
    struct sample_rng rng = {1};
    for (int i = 0; i < ROUNDS; i++) {
        struct superblock sb;
        struct superblock again;
        uint8_t image[SUPERBLOCK_BYTES];
        uint8_t image_again[SUPERBLOCK_BYTES];
        sample_superblock(&rng, &sb);
        superblock_encode(&sb, image);
        memset(&again, 0xee, sizeof again);
        assert_err(superblock_decode(image, &again), OK);
        superblock_encode(&again, image_again);
        assert_memory_equal(image, image_again, sizeof image);
        assert_true(uuid_equal(sb.pool, again.pool) && uuid_equal(sb.drive, again.drive));
        assert_true(sb.sequence == again.sequence && sb.run == again.run && sb.epoch == again.epoch);
        assert_true(sb.created_s == again.created_s && sb.extent_bytes == again.extent_bytes);
        assert_int_equal(sb.drive_count, again.drive_count);
        assert_memory_equal(sb.keys[0].wrapped, again.keys[0].wrapped, 40);
        assert_string_equal(sb.label, again.label);
    }
}

static void test_superblock_bit_flips(void **state)
{
    (void)state;
    struct sample_rng rng = {2};
    struct superblock sb;
    struct superblock out;
    uint8_t image[SUPERBLOCK_BYTES];
    sample_superblock(&rng, &sb);
    superblock_encode(&sb, image);
    /* Every bit of what is used, then one in 13. */
    for (size_t bit = 0; bit < 8 * SUPERBLOCK_BYTES; bit += bit < 8 * 512 ? 1 : 13) {
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit / 8 >= 16 && bit / 8 < 24)
            assert_err(superblock_decode(image, &out), ENOTPOOL);
        else
            assert_err(superblock_decode(image, &out), ECORRUPT);
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_err(superblock_decode(image, &out), OK);
    memset(image, 0, sizeof image);
    assert_err(superblock_decode(image, &out), ENOTPOOL);
}

/* Byte `at` set to `value` and the checksum made good: what does the decoder say? */
static enum dol_err superblock_with(const struct superblock *sb, size_t at, uint8_t value)
{
    uint8_t image[SUPERBLOCK_BYTES];
    struct superblock out;
    superblock_encode(sb, image);
    image[at] = value;
    format_head_seal(image, sizeof image, no_seed);
    return superblock_decode(image, &out);
}

static void test_superblock_fields(void **state)
{
    (void)state;
    struct sample_rng rng = {3};
    struct superblock sb;
    do
        sample_superblock(&rng, &sb);
    while (sb.drive_count < 3 || sb.drive_count > 60 || sb.key_count < 2 || sb.key_count == 16 || sb.encrypted == 0 ||
           strlen(sb.label) > 60 || strlen(sb.label) < 3);
    assert_err(superblock_with(&sb, 24, 1), OK);
    assert_err(superblock_with(&sb, 24, 0), EFORMAT); /* version */
    assert_err(superblock_with(&sb, 24, 2), EFORMAT);
    assert_err(superblock_with(&sb, 25, 1), EFORMAT);
    assert_err(superblock_with(&sb, 26, 1), ECORRUPT); /* reserved */
    assert_err(superblock_with(&sb, 28, 1), EFORMAT);  /* incompat */
    assert_err(superblock_with(&sb, 31, 0x80), EFORMAT);
    assert_err(superblock_with(&sb, 136, 0), ECORRUPT); /* k */
    assert_err(superblock_with(&sb, 136, 33), ECORRUPT);
    assert_err(superblock_with(&sb, 137, 9), ECORRUPT); /* m */
    assert_err(superblock_with(&sb, 138, 2), ECORRUPT); /* encrypted */
    assert_err(superblock_with(&sb, 139, 2), EFORMAT);  /* hash algorithm */
    assert_err(superblock_with(&sb, 140, 2), EFORMAT);  /* KDF */
    assert_err(superblock_with(&sb, 140, 0), EFORMAT);
    assert_err(superblock_with(&sb, 141, 1), ECORRUPT);
    assert_err(superblock_with(&sb, 143, 1), ECORRUPT);
    assert_err(superblock_with(&sb, 144, 0), ECORRUPT); /* drive count */
    assert_err(superblock_with(&sb, 144, 65), ECORRUPT);
    assert_err(superblock_with(&sb, 147, 0xff), ECORRUPT);
    assert_err(superblock_with(&sb, 148, 0), ECORRUPT); /* encrypted without keys */
    assert_err(superblock_with(&sb, 148, 17), ECORRUPT);
    assert_err(superblock_with(&sb, 168 + 63, 'x'), ECORRUPT); /* label not terminated, or bytes behind its end */
    assert_err(superblock_with(&sb, 168 + 1, 0), ECORRUPT);
    assert_err(superblock_with(&sb, 232, 1), ECORRUPT);
    assert_err(superblock_with(&sb, 256 + 40, 5), ECORRUPT); /* drive state */
    assert_err(superblock_with(&sb, 256 + 40, 0), ECORRUPT);
    assert_err(superblock_with(&sb, 256 + 41, 1), ECORRUPT);
    assert_err(superblock_with(&sb, 256 + 64 * 63, 1), ECORRUPT); /* unused entry */
    assert_err(superblock_with(&sb, 4352 + 4, 2), EFORMAT);       /* wrap algorithm */
    assert_err(superblock_with(&sb, 4352 + 5, 1), ECORRUPT);
    assert_err(superblock_with(&sb, 4352 + 64 * 15, 1), ECORRUPT);
    assert_err(superblock_with(&sb, 5376, 1), ECORRUPT);
    assert_err(superblock_with(&sb, 16383, 1), ECORRUPT);
}

static enum dol_err superblock_changed(const struct superblock *sb, size_t at, const void *data, size_t len)
{
    uint8_t image[SUPERBLOCK_BYTES];
    struct superblock out;
    superblock_encode(sb, image);
    memcpy(image + at, data, len);
    format_head_seal(image, sizeof image, no_seed);
    return superblock_decode(image, &out);
}

static void test_superblock_relations(void **state)
{
    (void)state;
    struct sample_rng rng = {4};
    struct superblock sb;
    uint8_t zero[16] = {0};
    do
        sample_superblock(&rng, &sb);
    while (sb.drive_count < 3 || sb.key_count < 2);
    assert_err(superblock_changed(&sb, 40, zero, 16), ECORRUPT); /* pool */
    assert_err(superblock_changed(&sb, 56, zero, 16), ECORRUPT); /* drive */
    struct uuid stranger = sample_uuid(&rng);
    assert_err(superblock_changed(&sb, 56, stranger.b, 16), ECORRUPT); /* not among the drives */
    assert_err(superblock_changed(&sb, 88, zero, 8), ECORRUPT);        /* epoch 0 */
    assert_err(superblock_changed(&sb, 128, zero, 8), ECORRUPT);       /* extent size 0, odd, too large */
    struct le64 extent_bytes = le64_of(sb.extent_bytes - 512);
    assert_err(superblock_changed(&sb, 128, extent_bytes.b, 8), ECORRUPT);
    extent_bytes = le64_of((uint64_t)FORMAT_EXTENT_BYTES_MAX + 4096);
    assert_err(superblock_changed(&sb, 128, extent_bytes.b, 8), ECORRUPT);
    assert_err(superblock_changed(&sb, 256 + 64, sb.drives[0].uuid.b, 16), ECORRUPT); /* twice the same drive */
    assert_err(superblock_changed(&sb, 256 + 16, zero, 8), ECORRUPT);                 /* drive smaller than its grid */
    struct le64 size = le64_of(FORMAT_EXTENTS_OFFSET + sb.drives[0].extents * sb.extent_bytes - 1);
    assert_err(superblock_changed(&sb, 256 + 16, size.b, 8), ECORRUPT);
    assert_err(superblock_changed(&sb, 256 + 24, zero, 4), ECORRUPT); /* no extents */
    struct le64 epoch = le64_of(sb.epoch + 1);
    assert_err(superblock_changed(&sb, 256 + 32, epoch.b, 8), ECORRUPT); /* joined later than now */
    struct le32 id = le32_of(sb.keys[0].id);
    assert_err(superblock_changed(&sb, 4352 + 64, id.b, 4), ECORRUPT); /* key ids ascend */
    assert_err(superblock_changed(&sb, 4352, zero, 4), ECORRUPT);
}

/* Unknown read-only bits come out for the caller to judge, and give reserved bytes a meaning. */
static void test_masks(void **state)
{
    (void)state;
    struct sample_rng rng = {5};
    struct superblock sb;
    struct superblock out;
    uint8_t image[SUPERBLOCK_BYTES];
    sample_superblock(&rng, &sb);
    sb.masks = (struct format_masks){0, 4, 0x80000000};
    superblock_encode(&sb, image);
    assert_err(superblock_decode(image, &out), OK);
    assert_int_equal(out.masks.ro_data, 4);
    assert_int_equal(out.masks.ro_meta, 0x80000000);
    image[5376] = 1;
    format_head_seal(image, sizeof image, no_seed);
    assert_err(superblock_decode(image, &out), OK);
    sb.masks = (struct format_masks){2, 0, 0};
    superblock_encode(&sb, image);
    assert_err(superblock_decode(image, &out), EFORMAT);

    struct extent_header h;
    struct extent_header h_out;
    uint8_t block[EXTENT_HEADER_BYTES];
    sample_extent_header(&rng, &h);
    h.masks = (struct format_masks){0, 1, 2};
    extent_header_encode(&h, block);
    assert_err(extent_header_decode(block, &h_out), OK);
    assert_int_equal(h_out.masks.ro_data, 1);
    assert_int_equal(h_out.masks.ro_meta, 2);
    h.masks.incompat = 1;
    extent_header_encode(&h, block);
    assert_err(extent_header_decode(block, &h_out), EFORMAT);

    struct extent_footer f;
    struct extent_footer f_out;
    sample_extent_footer(&rng, &f);
    f.masks = (struct format_masks){0, 1, 2};
    extent_footer_encode(&f, block);
    assert_err(extent_footer_decode(block, f.life, &f_out), OK);
    assert_int_equal(f_out.masks.ro_data, 1);
    f.masks.incompat = 1;
    extent_footer_encode(&f, block);
    assert_err(extent_footer_decode(block, f.life, &f_out), EFORMAT);

    struct sample_unit u;
    struct unit_header u_out;
    sample_unit_header(&rng, &u);
    u.header.masks = (struct format_masks){0, 1, 2};
    memset(block, 0, sizeof block);
    unit_header_encode(&u.header, u.digests, u.crcs, block);
    assert_err(unit_header_decode(block, sizeof block, u.header.life, &u_out, NULL, NULL, NULL), OK);
    assert_int_equal(u_out.masks.ro_data, 1);
    assert_int_equal(u_out.masks.ro_meta, 2);
    u.header.masks.incompat = 1;
    unit_header_encode(&u.header, u.digests, u.crcs, block);
    assert_err(unit_header_decode(block, sizeof block, u.header.life, &u_out, NULL, NULL, NULL), EFORMAT);
}

static void test_extent_header_round_trip(void **state)
{
    (void)state;
    struct sample_rng rng = {6};
    for (int i = 0; i < ROUNDS; i++) {
        struct extent_header h;
        struct extent_header again;
        uint8_t image[EXTENT_HEADER_BYTES];
        uint8_t image_again[EXTENT_HEADER_BYTES];
        sample_extent_header(&rng, &h);
        extent_header_encode(&h, image);
        memset(&again, 0xee, sizeof again);
        assert_err(extent_header_decode(image, &again), OK);
        extent_header_encode(&again, image_again);
        assert_memory_equal(image, image_again, sizeof image);
        assert_true(h.slab == again.slab && h.run == again.run && h.epoch == again.epoch && h.key_id == again.key_id);
        assert_true(h.k == again.k && h.m == again.m && h.member == again.member && uuid_equal(h.life, again.life));
        unsigned last = (unsigned)h.k + h.m - 1;
        assert_true(uuid_equal(h.members[last].drive, again.members[last].drive));
        assert_int_equal(h.members[last].extent, again.members[last].extent);
    }
}

static void test_extent_header_damage(void **state)
{
    (void)state;
    struct sample_rng rng = {7};
    struct extent_header h;
    struct extent_header out;
    uint8_t image[EXTENT_HEADER_BYTES];
    do
        sample_extent_header(&rng, &h);
    while (h.k + h.m < 3 || h.m == 0 || h.k + h.m == FORMAT_MEMBERS_MAX);
    extent_header_encode(&h, image);
    for (size_t bit = 0; bit < 8 * sizeof image; bit++) {
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit / 8 >= 16 && bit / 8 < 24)
            assert_err(extent_header_decode(image, &out), ENOTFOUND);
        else
            assert_err(extent_header_decode(image, &out), ECORRUPT);
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    const struct {
        size_t at;
        size_t len;
        uint64_t value;
        enum dol_err err;
    } cases[] = {
        {24, 2, 2, DOL_EFORMAT},
        {26, 2, 1, DOL_ECORRUPT},
        {40, 16, 0, DOL_ECORRUPT},
        {56, 8, 0, DOL_ECORRUPT},
        {64, 16, 0, DOL_ECORRUPT},
        {80, 8, 0, DOL_ECORRUPT},
        {88, 8, 0, DOL_ECORRUPT},
        {96, 8, 4096, DOL_ECORRUPT},
        {96, 8, 1 << 20, DOL_OK},
        {96, 8, (1 << 20) + 512, DOL_ECORRUPT},
        {96, 8, 1ull << 31, DOL_ECORRUPT},
        {116, 1, 0, DOL_ECORRUPT},
        {116, 1, 33, DOL_ECORRUPT},
        {117, 1, 9, DOL_ECORRUPT},
        {117, 1, 255, DOL_ECORRUPT},
        {118, 1, (uint64_t)h.k + h.m, DOL_ECORRUPT},
        {119, 1, 0, DOL_ECORRUPT},
        {119, 1, 2, DOL_EFORMAT},
        {120, 8, 1, DOL_ECORRUPT},
        {128, 16, 0, DOL_ECORRUPT},
        {128 + 24 * 39, 8, 1, DOL_ECORRUPT},
        {1088, 8, 1, DOL_ECORRUPT},
        {4088, 8, 1, DOL_ECORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extent_header_encode(&h, image);
        struct le64 value = le64_of(cases[i].value);
        memset(image + cases[i].at, 0, cases[i].len);
        memcpy(image + cases[i].at, value.b, cases[i].len < 8 ? cases[i].len : 8);
        format_head_seal(image, sizeof image, bytes_of(image + 64, 16));
        assert_int_equal(extent_header_decode(image, &out), cases[i].err);
    }
    /* The same drive twice. */
    extent_header_encode(&h, image);
    memcpy(image + 128 + 24, image + 128, 16);
    format_head_seal(image, sizeof image, bytes_of(image + 64, 16));
    assert_err(extent_header_decode(image, &out), ECORRUPT);
    memset(image, 0, sizeof image);
    assert_err(extent_header_decode(image, &out), ENOTFOUND);
}

static void test_extent_footer_round_trip(void **state)
{
    (void)state;
    struct sample_rng rng = {8};
    for (int i = 0; i < ROUNDS; i++) {
        struct extent_footer f;
        struct extent_footer again;
        uint8_t image[EXTENT_FOOTER_BYTES];
        uint8_t image_again[EXTENT_FOOTER_BYTES];
        sample_extent_footer(&rng, &f);
        extent_footer_encode(&f, image);
        memset(&again, 0xee, sizeof again);
        assert_err(extent_footer_decode(image, f.life, &again), OK);
        extent_footer_encode(&again, image_again);
        assert_memory_equal(image, image_again, sizeof image);
        assert_true(f.rows == again.rows && f.end_block == again.end_block && f.member == again.member);
        assert_int_equal(f.directory_count, again.directory_count);
        assert_int_equal(lsn_compare(f.lsn_min, again.lsn_min), 0);
        assert_int_equal(lsn_compare(f.lsn_max, again.lsn_max), 0);
        assert_err(extent_footer_decode(image, sample_uuid(&rng), &again), ENOTFOUND);
    }
}

static void test_extent_footer_damage(void **state)
{
    (void)state;
    struct sample_rng rng = {9};
    struct extent_footer f;
    struct extent_footer out;
    uint8_t image[EXTENT_FOOTER_BYTES];
    do
        sample_extent_footer(&rng, &f);
    while (f.directory_count < 3 || f.directory_count == EXTENT_DIRECTORY_ROWS_MAX);
    extent_footer_encode(&f, image);
    for (size_t bit = 0; bit < 8 * sizeof image; bit++) {
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_err(extent_footer_decode(image, f.life, &out), ENOTFOUND);
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    const struct {
        size_t at;
        size_t len;
        uint64_t value;
        enum dol_err err;
    } cases[] = {
        {24, 2, 2, DOL_EFORMAT},
        {28, 4, 1, DOL_EFORMAT},
        {40, 16, 0, DOL_ECORRUPT},
        {56, 8, 0, DOL_ECORRUPT},
        {64, 16, 5, DOL_ECORRUPT}, /* the seed's life is another */
        {80, 8, 0, DOL_ECORRUPT},
        {80, 8, f.end_block - 1, DOL_OK},
        {80, 8, f.end_block, DOL_ECORRUPT},
        {80, 8, UINT64_MAX, DOL_ECORRUPT},
        {80, 8, f.directory_count - 1, DOL_ECORRUPT},
        {88, 8, 0, DOL_ECORRUPT},
        {88, 8, 1, DOL_ECORRUPT},
        {88, 8, 262143, DOL_OK},
        {88, 8, 262144, DOL_ECORRUPT},
        {88, 8, UINT64_MAX, DOL_ECORRUPT},
        {112, 8, 0, DOL_ECORRUPT}, /* highest LSN before the lowest */
        {160, 4, 201, DOL_ECORRUPT},
        {160, 4, UINT32_MAX, DOL_ECORRUPT},
        {160, 4, f.directory_count - 1, DOL_ECORRUPT}, /* a row behind the count */
        {164, 1, 40, DOL_ECORRUPT},
        {165, 1, 1, DOL_ECORRUPT},
        {192, 4, 0, DOL_ECORRUPT},      /* in the header's block */
        {196, 4, 0, DOL_ECORRUPT},      /* empty */
        {196, 4, 100000, DOL_ECORRUPT}, /* into the next */
        {196, 4, UINT32_MAX, DOL_ECORRUPT},
        {192 + 8 * 199, 4, 1, DOL_ECORRUPT},
        {1792, 8, 1, DOL_ECORRUPT},
        {4095, 1, 1, DOL_ECORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extent_footer_encode(&f, image);
        struct le64 value = le64_of(cases[i].value);
        memset(image + cases[i].at, 0, cases[i].len);
        memcpy(image + cases[i].at, value.b, cases[i].len < 8 ? cases[i].len : 8);
        format_head_seal(image, sizeof image, bytes_of(f.life.b, 16));
        assert_int_equal(extent_footer_decode(image, f.life, &out), cases[i].err);
    }
}

static void test_unit_header_round_trip(void **state)
{
    (void)state;
    struct sample_rng rng = {10};
    for (int i = 0; i < ROUNDS; i++) {
        struct sample_unit u;
        struct unit_header out;
        uint32_t digests[FORMAT_MEMBERS_MAX];
        uint32_t crcs[UNIT_CRCS_MAX];
        uint8_t image[FORMAT_BLOCK_BYTES];
        uint8_t image_again[FORMAT_BLOCK_BYTES];
        sample_unit_header(&rng, &u);
        memset(image, 0x5a, sizeof image); /* payload behind the header is none of its business */
        memset(image_again, 0x5a, sizeof image_again);
        unit_header_encode(&u.header, u.digests, u.crcs, image);
        memset(&out, 0xee, sizeof out);
        assert_err(unit_header_decode(image, sizeof image, u.header.life, &out, digests, crcs, NULL), OK);
        unit_header_encode(&out, digests, crcs, image_again);
        assert_memory_equal(image, image_again, sizeof image);
        assert_true(out.row == u.header.row && out.run == u.header.run && out.epoch == u.header.epoch);
        assert_true(out.data_bytes == u.header.data_bytes && out.row_block == u.header.row_block);
        assert_true(out.member == u.header.member && out.flags == u.header.flags && out.extent == u.header.extent);
        assert_memory_equal(digests, u.digests, 4 * ((size_t)out.k + out.m));
        assert_memory_equal(crcs, u.crcs, 4 * (size_t)u.layout.crc_count);
        assert_int_equal(image[u.layout.header_bytes], 0x5a);
        size_t needed = 0;
        assert_err(unit_header_decode(image, 4095, u.header.life, &out, NULL, NULL, &needed), ERANGE);
        assert_int_equal(needed, 4096);
        assert_err(unit_header_decode(image, 0, u.header.life, &out, NULL, NULL, NULL), ERANGE);
        assert_err(unit_header_decode(image, sizeof image, sample_uuid(&rng), &out, NULL, NULL, NULL), ENOTFOUND);
    }
}

static void test_unit_header_damage(void **state)
{
    (void)state;
    struct sample_rng rng = {11};
    struct sample_unit u;
    struct unit_header out;
    uint8_t image[FORMAT_BLOCK_BYTES] = {0};
    do
        sample_unit_header(&rng, &u);
    while (u.header.m == 0 || u.header.row == 0 || (u.header.flags & UNIT_FLAG_EMPTY) != 0 ||
           u.header.data_bytes < 8000 || u.header.member == 0);
    unit_header_encode(&u.header, u.digests, u.crcs, image);
    for (size_t bit = 0; bit < 8 * u.layout.header_bytes; bit++) {
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_err(unit_header_decode(image, sizeof image, u.header.life, &out, NULL, NULL, NULL), ENOTFOUND);
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    const struct {
        size_t at;
        size_t len;
        uint64_t value;
        enum dol_err err;
    } cases[] = {
        {24, 2, 2, DOL_EFORMAT},
        {26, 2, 1, DOL_ECORRUPT},
        {40, 16, 0, DOL_ECORRUPT},
        {56, 8, 0, DOL_ECORRUPT},
        {64, 16, 5, DOL_ECORRUPT},
        {72 + 8, 8, 0, DOL_ECORRUPT}, /* row 0 has no predecessor's hash */
        {88, 8, 0, DOL_ECORRUPT},
        {96, 8, 0, DOL_ECORRUPT},
        {104, 16, 0, DOL_ECORRUPT},
        {124, 4, 0, DOL_ECORRUPT},
        {124, 4, UINT32_MAX, DOL_ECORRUPT},
        {124, 4, 262143 - (uint64_t)u.header.unit_blocks, DOL_OK},
        {124, 4, 262144 - (uint64_t)u.header.unit_blocks, DOL_ECORRUPT},
        {128, 4, 0, DOL_ECORRUPT},
        {128, 4, (uint64_t)u.header.unit_blocks + 100, DOL_ECORRUPT},
        {128, 4, UINT32_MAX, DOL_ECORRUPT},
        {136, 4, u.layout.payload_bytes - 1, DOL_ECORRUPT},
        {140, 4, u.layout.crc_count + 1, DOL_ECORRUPT},
        {144, 8, 0, DOL_ECORRUPT},
        {160, 8, 0, DOL_ECORRUPT},
        {208, 4, 0, DOL_ECORRUPT},
        {208, 4, u.header.data_bytes - 4, DOL_ECORRUPT},
        {208, 4, u.header.k * (uint64_t)u.layout.payload_bytes + 8, DOL_ECORRUPT},
        {208, 4, UINT32_MAX, DOL_ECORRUPT},
        {212, 4, 0, DOL_ECORRUPT},
        {212, 4, UINT32_MAX, DOL_ECORRUPT},
        {216, 1, 0, DOL_ECORRUPT},
        {216, 1, 255, DOL_ECORRUPT},
        {217, 1, 9, DOL_ECORRUPT},
        {219, 1, 8, DOL_ECORRUPT},
        {219, 1, UNIT_FLAG_EMPTY, DOL_ECORRUPT},
        {220, 1, 0, DOL_ECORRUPT},
        {220, 1, 2, DOL_EFORMAT},
        {221, 1, 0, DOL_EFORMAT},
        {222, 1, 2, DOL_EFORMAT},
        {223, 1, 1, DOL_ECORRUPT},
        {255, 1, 1, DOL_ECORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unit_header_encode(&u.header, u.digests, u.crcs, image);
        struct le64 value = le64_of(cases[i].value);
        memset(image + cases[i].at, 0, cases[i].len);
        memcpy(image + cases[i].at, value.b, cases[i].len < 8 ? cases[i].len : 8);
        uint8_t seed[25];
        memcpy(seed, u.header.life.b, 16);
        memcpy(seed + 16, image + 80, 8);
        seed[24] = image[218];
        format_head_seal(image, u.layout.header_bytes, bytes_of(seed, sizeof seed));
        assert_int_equal(unit_header_decode(image, sizeof image, u.header.life, &out, NULL, NULL, NULL), cases[i].err);
    }
}

/* A header that is good in itself, but was sealed for another life, row or member, or under the table of a sibling. */
static void test_unit_header_misplaced(void **state)
{
    (void)state;
    struct sample_rng rng = {12};
    struct sample_unit u;
    struct unit_header out;
    uint8_t image[FORMAT_BLOCK_BYTES] = {0};
    do
        sample_unit_header(&rng, &u);
    while (u.header.row == 0 || u.header.k + u.header.m < 2 || u.header.member == 0);
    uint8_t seed[25];
    for (size_t i = 0; i < sizeof seed; i++) {
        unit_header_encode(&u.header, u.digests, u.crcs, image);
        memcpy(seed, u.header.life.b, 16);
        memcpy(seed + 16, image + 80, 8);
        seed[24] = u.header.member;
        seed[i] ^= 1;
        format_head_seal(image, u.layout.header_bytes, bytes_of(seed, sizeof seed));
        assert_err(unit_header_decode(image, sizeof image, u.header.life, &out, NULL, NULL, NULL), ENOTFOUND);
    }
    /* Own digest and own CRCs disagree. */
    unit_header_encode(&u.header, u.digests, u.crcs, image);
    image[256 + 4 * u.header.member] ^= 1;
    memcpy(seed, u.header.life.b, 16);
    memcpy(seed + 16, image + 80, 8);
    seed[24] = u.header.member;
    format_head_seal(image, u.layout.header_bytes, bytes_of(seed, sizeof seed));
    assert_err(unit_header_decode(image, sizeof image, u.header.life, &out, NULL, NULL, NULL), ECORRUPT);
    /* Bytes behind the tables. */
    unit_header_encode(&u.header, u.digests, u.crcs, image);
    uint32_t used = 256 + 4 * (u.header.k + u.header.m + u.layout.crc_count);
    if (used < u.layout.header_bytes) {
        image[used] = 1;
        format_head_seal(image, u.layout.header_bytes, bytes_of(seed, sizeof seed));
        assert_err(unit_header_decode(image, sizeof image, u.header.life, &out, NULL, NULL, NULL), ECORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_superblock_round_trip),
        cmocka_unit_test(test_superblock_bit_flips),
        cmocka_unit_test(test_superblock_fields),
        cmocka_unit_test(test_superblock_relations),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_extent_header_round_trip),
        cmocka_unit_test(test_extent_header_damage),
        cmocka_unit_test(test_extent_footer_round_trip),
        cmocka_unit_test(test_extent_footer_damage),
        cmocka_unit_test(test_unit_header_round_trip),
        cmocka_unit_test(test_unit_header_damage),
        cmocka_unit_test(test_unit_header_misplaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
