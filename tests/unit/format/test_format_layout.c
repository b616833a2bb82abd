/* Row layout against a naive search, its figures, and the digests that tie units and rows together. */
#include "hash.h"
#include "record.h"
#include "unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const unsigned geometries[][2] = {{1, 0}, {1, 1}, {2, 1}, {4, 2}, {8, 3}, {1, 8}, {3, 1}, {5, 8}, {32, 8}};
#define GEOMETRIES (sizeof geometries / sizeof geometries[0])

/* By the words of docs/format.md: try every multiple of 64. */
static struct row_layout naive_unit(uint32_t unit_blocks, unsigned k, unsigned m)
{
    for (uint32_t header = 64; header < 4096; header += 64) {
        uint32_t payload = unit_blocks * 4096 - header;
        uint32_t crcs = (payload + 16383) / 16384;
        if (256 + 4 * (k + m) + 4 * crcs <= header)
            return (struct row_layout){unit_blocks, header, payload, crcs};
    }
    fail_msg("no header size for %u blocks", unit_blocks);
    return (struct row_layout){0};
}

static struct row_layout naive_row(uint32_t data_bytes, unsigned k, unsigned m)
{
    for (uint32_t blocks = 1;; blocks++) {
        struct row_layout layout = naive_unit(blocks, k, m);
        if ((uint64_t)layout.payload_bytes * k >= data_bytes)
            return layout;
    }
}

static void assert_layout_equal(struct row_layout a, struct row_layout b)
{
    assert_int_equal(a.unit_blocks, b.unit_blocks);
    assert_int_equal(a.header_bytes, b.header_bytes);
    assert_int_equal(a.payload_bytes, b.payload_bytes);
    assert_int_equal(a.crc_count, b.crc_count);
}

static void test_every_unit_size(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        unsigned k = geometries[g][0];
        unsigned m = geometries[g][1];
        uint32_t max = row_layout_for(FORMAT_ROW_DATA_BYTES_MAX, k, m).unit_blocks;
        struct row_layout layout;
        for (uint32_t blocks = 1; blocks <= max; blocks++) {
            assert_true(row_layout_of_unit(blocks, k, m, &layout));
            assert_layout_equal(layout, naive_unit(blocks, k, m));
            assert_true(layout.header_bytes < FORMAT_BLOCK_BYTES);
            assert_true(layout.crc_count <= UNIT_CRCS_MAX);
        }
        assert_false(row_layout_of_unit(0, k, m, &layout));
        assert_false(row_layout_of_unit(max + 1, k, m, &layout));
        assert_false(row_layout_of_unit(UINT32_MAX, k, m, &layout));
    }
    struct row_layout layout;
    assert_false(row_layout_of_unit(1, 0, 1, &layout));
    assert_false(row_layout_of_unit(1, 33, 0, &layout));
    assert_false(row_layout_of_unit(1, 1, 9, &layout));
}

/* Each size at which one more block is needed, its neighbours, and the round numbers. */
static void test_row_sizes(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        unsigned k = geometries[g][0];
        unsigned m = geometries[g][1];
        uint32_t max_blocks = row_layout_for(FORMAT_ROW_DATA_BYTES_MAX, k, m).unit_blocks;
        for (uint32_t blocks = 1; blocks < max_blocks; blocks++) {
            uint32_t full = naive_unit(blocks, k, m).payload_bytes * k;
            assert_int_equal(row_layout_for(full - 1, k, m).unit_blocks, blocks);
            assert_int_equal(row_layout_for(full, k, m).unit_blocks, blocks);
            assert_int_equal(row_layout_for(full + 1, k, m).unit_blocks, blocks + 1);
        }
        static const uint32_t sizes[] = {0,     1,     2,       4095,    4096,    4097,    16383,   16384,
                                         16385, 32768, 1048576, 1048577, 4194303, 4194304, 8388607, 8388608};
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            assert_layout_equal(row_layout_for(sizes[i], k, m), naive_row(sizes[i], k, m));
        for (uint32_t size = 0; size < 200000; size += 101)
            assert_layout_equal(row_layout_for(size, k, m), naive_row(size, k, m));
    }
}

static void test_largest_unit(void **state)
{
    (void)state;
    struct row_layout layout = row_layout_for(FORMAT_ROW_DATA_BYTES_MAX, 1, 8);
    assert_int_equal(layout.unit_blocks, 2049);
    assert_int_equal(layout.header_bytes, 2368);
    assert_int_equal(layout.crc_count, 513);
    assert_true(layout.crc_count <= UNIT_CRCS_MAX);
    layout = row_layout_for(0, 32, 8);
    assert_int_equal(layout.unit_blocks, 1);
    assert_int_equal(layout.header_bytes, 448);
    assert_int_equal(layout.payload_bytes, 3648);
}

/* What objects of 70 KiB cost on six drives, stored bytes per object byte, in 1/1000. */
static void test_costs(void **state)
{
    (void)state;
    uint32_t record = record_stored_bytes(8 + 32 + 8 + 70 * 1024);
    struct row_layout one = row_layout_for(record, 4, 2);
    assert_int_equal(one.unit_blocks * 4096 * 6 * 1000ull / (70 * 1024), 1714);
    /* Up to 72 KiB and a manifest of some hundred bytes it stays so. */
    assert_int_equal(row_layout_for(72 * 1024 + 144, 4, 2).unit_blocks, one.unit_blocks);
    struct row_layout ten = row_layout_for(10 * record, 4, 2);
    assert_int_equal(ten.unit_blocks * 4096 * 6 * 1000ull / (10 * 70 * 1024), 1508);
    /* With a manifest of 700 bytes each. */
    ten = row_layout_for(10 * (record + record_stored_bytes(700)), 4, 2);
    assert_int_equal(ten.unit_blocks * 4096 * 6 * 1000ull / (10 * 70 * 1024), 1542);
}

static void test_payload_crcs(void **state)
{
    (void)state;
    for (uint32_t blocks = 1; blocks <= 9; blocks++) {
        struct row_layout layout;
        assert_true(row_layout_of_unit(blocks, 4, 2, &layout));
        uint8_t *payload = malloc(layout.payload_bytes); /* exact, for ASan */
        assert_non_null(payload);
        for (uint32_t i = 0; i < layout.payload_bytes; i++)
            payload[i] = (uint8_t)(i * 7 + i / 4096);
        uint32_t crcs[UNIT_CRCS_MAX];
        unit_payload_crcs(payload, &layout, crcs);
        for (uint32_t i = 0; i < layout.crc_count; i++) {
            uint32_t at = i * 16384;
            uint32_t n = layout.payload_bytes - at < 16384 ? layout.payload_bytes - at : 16384;
            assert_int_equal(crcs[i], crc32c(0, payload + at, n));
        }
        assert_true(unit_payload_ok(payload, &layout, crcs));
        const uint32_t spots[] = {0, layout.payload_bytes / 2, layout.payload_bytes - 1};
        for (size_t i = 0; i < 3; i++) {
            payload[spots[i]] ^= 0x10;
            assert_false(unit_payload_ok(payload, &layout, crcs));
            payload[spots[i]] ^= 0x10;
        }
        crcs[layout.crc_count - 1] ^= 1;
        assert_false(unit_payload_ok(payload, &layout, crcs));
        free(payload);
    }
}

static void test_digest_and_table_hash(void **state)
{
    (void)state;
    const uint32_t crcs[] = {0x04030201, 0x08070605};
    assert_int_equal(unit_digest(crcs, 2), crc32c(0, "\1\2\3\4\5\6\7\10", 8));
    assert_int_equal(unit_digest(crcs, 0), 0);

    struct uuid life;
    struct sha256 prev;
    memset(life.b, 0xaa, sizeof life.b);
    memset(prev.b, 0xbb, sizeof prev.b);
    uint8_t flat[16 + 8 + 32 + 8];
    memset(flat, 0xaa, 16);
    memcpy(flat + 16, "\x07\0\0\0\0\0\0\0", 8);
    memset(flat + 24, 0xbb, 32);
    memcpy(flat + 56, "\1\2\3\4\5\6\7\10", 8);
    struct sha256 expected = sha256_of(flat, sizeof flat);
    struct sha256 got = unit_table_hash(life, 7, &prev, crcs, 2);
    assert_memory_equal(got.b, expected.b, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_unit_size), cmocka_unit_test(test_row_sizes),
        cmocka_unit_test(test_largest_unit),    cmocka_unit_test(test_costs),
        cmocka_unit_test(test_payload_crcs),    cmocka_unit_test(test_digest_and_table_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
