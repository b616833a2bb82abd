/* Directory records: entries of chunks and of other kinds, capacity, damage, unknown kinds. */
#include "body.h"
#include "format_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_err(expr, expected) assert_string_equal(dol_err_name(expr), #expected)

static const struct directory_entry chunk_entry = {
    .kind = RECORD_CHUNK,
    .codec = FORMAT_CODEC_ZSTD,
    .lsn = {2, 7},
    .place = {.row_block = 1, .unit_blocks = 5, .offset_bytes = 64, .stored_bytes = 400},
    .plain_bytes = 1000,
    .payload = {"0123456789abcdef0123456789abcdef", 32},
};
static const struct directory_entry delete_entry = {
    .kind = RECORD_DELETE,
    .lsn = {2, 8},
    .place = {.row_block = 9, .unit_blocks = 1, .offset_bytes = 0, .stored_bytes = 80 + 5},
    .payload = {"body!", 5},
};

static void test_entries_round_trip(void **state)
{
    (void)state;
    uint8_t entries[256];
    size_t len = directory_entry_encode(&chunk_entry, entries, sizeof entries);
    assert_int_equal(len, 44 + 32);
    size_t len2 = directory_entry_encode(&delete_entry, entries + len, sizeof entries - len);
    assert_int_equal(len2, 44 + 5);
    uint8_t body[300];
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    tlv_put(&w, DIRECTORY_T_ENTRIES, 0, entries, len + len2);

    struct bytes pos;
    struct directory_entry e;
    assert_err(directory_entries(bytes_of(body, w.len), &pos), OK);
    assert_int_equal(pos.len, len + len2);
    assert_err(directory_next(&pos, &e), OK);
    assert_true(e.kind == RECORD_CHUNK && e.codec == FORMAT_CODEC_ZSTD && e.lsn.run == 2 && e.lsn.counter == 7);
    assert_true(e.place.slab == 0 && e.place.row_block == 1 && e.place.unit_blocks == 5);
    assert_true(e.place.offset_bytes == 64 && e.place.stored_bytes == 400 && e.plain_bytes == 1000);
    assert_true(bytes_equal(e.payload, chunk_entry.payload));
    assert_err(directory_next(&pos, &e), OK);
    assert_true(e.kind == RECORD_DELETE && bytes_equal(e.payload, delete_entry.payload));
    assert_err(directory_next(&pos, &e), ENOTFOUND);
    for (size_t cut = 0; cut < w.len; cut++)
        assert_err(directory_entries(bytes_of(body, cut), &pos), ECORRUPT);
}

static void test_capacity(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity <= 80; capacity++) {
        uint8_t *out = malloc(capacity + 1);
        assert_non_null(out);
        assert_int_equal(directory_entry_encode(&chunk_entry, out, capacity), capacity < 76 ? 0 : 76);
        free(out);
    }
    /* The longest body there may be fills one directory record. */
    static uint8_t body[BODY_BYTES_MAX];
    static uint8_t out[DIRECTORY_RECORD_BYTES_MAX - TLV_HEADER_BYTES];
    struct directory_entry e = delete_entry;
    e.payload = bytes_of(body, sizeof body);
    e.place.stored_bytes = RECORD_HEADER_BYTES + BODY_BYTES_MAX + RECORD_TRAILER_BYTES;
    assert_int_equal(directory_entry_encode(&e, out, sizeof out), sizeof out);
    struct bytes pos = bytes_of(out, sizeof out);
    assert_err(directory_next(&pos, &e), OK);
    assert_int_equal(pos.len, 0);
}

static enum dol_err entry_with(const struct directory_entry *e, size_t at, uint64_t value, size_t len)
{
    uint8_t out[256];
    struct le64 v = le64_of(value);
    struct directory_entry decoded;
    size_t n = directory_entry_encode(e, out, sizeof out);
    memcpy(out + at, v.b, len);
    uint8_t *exact = malloc(n);
    assert_non_null(exact);
    memcpy(exact, out, n);
    struct bytes pos = bytes_of(exact, n);
    enum dol_err err = directory_next(&pos, &decoded);
    assert_int_equal(pos.len, err == DOL_OK || err == DOL_EFORMAT ? 0 : n);
    free(exact);
    return err;
}

static void test_damage(void **state)
{
    (void)state;
    assert_err(entry_with(&chunk_entry, 0, 76, 4), OK);
    assert_err(entry_with(&chunk_entry, 0, 75, 4), ECORRUPT); /* hash too short */
    assert_err(entry_with(&chunk_entry, 0, 77, 4), ECORRUPT); /* beyond the end */
    assert_err(entry_with(&chunk_entry, 0, 43, 4), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 0, 0, 4), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 0, UINT32_MAX, 4), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 4, 0, 1), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 4, RECORD_DIRECTORY, 1), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 5, FORMAT_CODEC_PLANES, 1), OK);
    assert_err(entry_with(&chunk_entry, 5, FORMAT_CODEC_PLANES + 1, 1), EFORMAT);
    assert_err(entry_with(&chunk_entry, 6, 2, 1), ECORRUPT); /* flags */
    assert_err(entry_with(&chunk_entry, 7, 1, 1), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 8, 0, 8), ECORRUPT);  /* run 0 */
    assert_err(entry_with(&chunk_entry, 24, 0, 4), ECORRUPT); /* place */
    assert_err(entry_with(&chunk_entry, 28, 0, 4), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 32, 4, 4), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 36, 128, 4), ECORRUPT); /* no room for data */
    assert_err(entry_with(&chunk_entry, 36, 129, 4), OK);
    assert_err(entry_with(&chunk_entry, 36, 128 + CHUNK_BYTES_MAX + 1, 4), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 40, 0, 4), ECORRUPT);
    assert_err(entry_with(&chunk_entry, 40, CHUNK_BYTES_MAX + 1, 4), ECORRUPT);
    /* An entry that says it is one byte longer than what is there, consistently. */
    uint8_t out[64];
    struct directory_entry beyond = delete_entry;
    beyond.payload = bytes_of("body!!", 6);
    beyond.place.stored_bytes++;
    struct bytes pos = bytes_of(out, directory_entry_encode(&beyond, out, sizeof out) - 1);
    assert_err(directory_next(&pos, &beyond), ECORRUPT);
    assert_err(entry_with(&delete_entry, 36, 80 + 6, 4), ECORRUPT); /* disagrees with the body's length */
    assert_err(entry_with(&delete_entry, 40, 1, 4), ECORRUPT);
    assert_err(entry_with(&delete_entry, 5, 1, 1), ECORRUPT);
    assert_err(entry_with(&delete_entry, 4, 200, 1), EFORMAT); /* unknown kind, not skippable */
    struct directory_entry skippable = delete_entry;
    skippable.flags = RECORD_FLAG_SKIP;
    assert_err(entry_with(&skippable, 4, 200, 1), OK);
    assert_err(entry_with(&skippable, 5, 77, 1), ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_round_trip),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
