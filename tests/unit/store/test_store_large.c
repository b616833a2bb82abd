/*
 * Objects of more than 64 chunks, whose references go through chunk lists: ranges across the borders of chunks and of
 * lists, shared lists, and a list that has rotted.
 */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "body_types.h"
#include "split.h"
#include "split_gear.h"

static void check_range(struct object *o, uint64_t offset, uint64_t len, const uint8_t *data)
{
    struct bytes piece;
    uint64_t at = 0;
    assert_int_equal(store_object_seek(o, offset, len), DOL_OK);
    for (;;) {
        assert_int_equal(store_object_read(o, &piece), DOL_OK);
        if (piece.len == 0)
            break;
        assert_true(piece.len <= len - at);
        assert_memory_equal(piece.data, data + offset + at, piece.len);
        at += piece.len;
    }
    assert_int_equal(at, len);
}

/* ---- one list ---- */

#define NOISE_BYTES (44u << 20)

static void check_noise(struct fixture *f)
{
    uint8_t *data = noise(1, NOISE_BYTES);
    struct splitter s;
    struct object *o;
    splitter_init(&s);
    assert_int_equal(store_object_open(f->store, text("b"), text("large"), NULL, &o), DOL_OK);
    assert_int_equal(store_object_info(o)->size, NOISE_BYTES);
    /* around every cut, one byte to either side */
    unsigned cuts = 0;
    for (size_t at = 0; at < NOISE_BYTES;) {
        bool cut;
        at += splitter_take(&s, data + at, NOISE_BYTES - at, &cut);
        if (!cut || at == NOISE_BYTES || ++cuts % 16 != 0)
            continue;
        check_range(o, at - 1, 1, data);
        check_range(o, at, 1, data);
        check_range(o, at - 1, 2, data);
    }
    assert_true(cuts > MANIFEST_CHUNKS_MAX);
    check_range(o, 0, 1, data);
    check_range(o, NOISE_BYTES - 1, 1, data);
    check_range(o, 5000001, 5u << 20, data);
    check_range(o, NOISE_BYTES, 0, data);
    store_object_close(o);
    free(data);
}

static void tell_noise(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "large", 1, NOISE_BYTES);
    check_noise(f);
    uint64_t written = fixture_status(f)->counters.chunks_written;
    /* the same again: every chunk and the list are there */
    put_noise(f, "large too", 1, NOISE_BYTES);
    assert_int_equal(fixture_status(f)->counters.chunks_written, written);
    remove_object(f, "large too");
}

static void test_one_list(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_noise);
    fixture_drop_index(&f);
    fixture_write_session(&f, check_noise);
    fixture_fini(&f);
}

/* ---- exactly as many chunks as a manifest holds, and one more ---- */

/*
 * Blocks of SPLIT_MIN_BYTES that end in 64 bytes after which the splitter cuts: an object of n + 2 of them is n chunks,
 * the first of three blocks.
 */
#define KINDS 5u

static uint8_t blocks[KINDS][SPLIT_MIN_BYTES];

static void make_blocks(void)
{
    uint8_t *data = noise(77, 16u << 20);
    uint64_t hash = 0;
    size_t i = 0;
    do
        hash = (hash << 1) + split_gear[data[i]];
    while (++i < 64 || hash >> 44 != 0);
    assert_true(i < (16u << 20));
    for (unsigned b = 0; b < KINDS; b++) {
        uint8_t *fill = noise(b, SPLIT_MIN_BYTES);
        memcpy(blocks[b], fill, SPLIT_MIN_BYTES);
        memcpy(blocks[b] + SPLIT_MIN_BYTES - 64, data + i - 64, 64);
        free(fill);
    }
    free(data);
}

/* Which block lies at block position i of an object: a sequence without a short period. */
static const uint8_t *block_at(uint64_t i)
{
    return blocks[(i * i / 7 + i) % KINDS];
}

static void put_blocks(struct fixture *f, const char *key, uint64_t count)
{
    struct put_request req = {
        .bucket = text("b"), .key = text(key), .owner = text("o"), .size_hint = count * SPLIT_MIN_BYTES};
    struct put_finish fin = {.expected_size = count * SPLIT_MIN_BYTES};
    struct put_result result;
    struct put *p;
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(store_put_write(p, block_at(i), SPLIT_MIN_BYTES), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &result), DOL_OK);
}

/* Bytes [from, to) of blocks [first, last). */
static void check_blocks(struct fixture *f, const char *key, uint64_t count, uint64_t first, uint64_t last)
{
    struct object *o;
    struct bytes piece;
    uint64_t at = first * SPLIT_MIN_BYTES + 5, end = last * SPLIT_MIN_BYTES - 7;
    assert_int_equal(store_object_open(f->store, text("b"), text(key), NULL, &o), DOL_OK);
    assert_int_equal(store_object_info(o)->size, count * SPLIT_MIN_BYTES);
    assert_int_equal(store_object_seek(o, at, end - at), DOL_OK);
    for (;;) {
        assert_int_equal(store_object_read(o, &piece), DOL_OK);
        if (piece.len == 0)
            break;
        for (size_t i = 0; i < piece.len;) {
            size_t within = (size_t)((at + i) % SPLIT_MIN_BYTES);
            size_t n = SPLIT_MIN_BYTES - within < piece.len - i ? SPLIT_MIN_BYTES - within : piece.len - i;
            assert_memory_equal((const uint8_t *)piece.data + i, block_at((at + i) / SPLIT_MIN_BYTES) + within, n);
            i += n;
        }
        at += piece.len;
    }
    assert_int_equal(at, end);
    store_object_close(o);
}

static void check_borders(struct fixture *f)
{
    static const unsigned chunks[] = {63, 64, 65, 66};
    for (unsigned i = 0; i < 4; i++) {
        char key[16];
        snprintf(key, sizeof key, "chunks-%u", chunks[i]);
        check_blocks(f, key, chunks[i] + 2, 0, chunks[i] + 2);
    }
}

static void tell_borders(struct fixture *f)
{
    make_bucket(f);
    for (unsigned chunks = 63; chunks <= 66; chunks++) {
        char key[16];
        snprintf(key, sizeof key, "chunks-%u", chunks);
        put_blocks(f, key, chunks + 2);
    }
    check_borders(f);
    /* the cuts fall where they should */
    uint64_t chunks = fixture_status(f)->counters.chunks_written + f->status.counters.chunks_deduplicated;
    assert_int_equal(chunks, 63 + 64 + 65 + 66);
}

static void test_border_of_manifest(void **state)
{
    (void)state;
    make_blocks();
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_borders);
    fixture_write_session(&f, check_borders);
    fixture_drop_index(&f);
    fixture_write_session(&f, check_borders);
    fixture_fini(&f);
}

/* ---- several lists ---- */

#define TWO_LISTS (LIST_CHUNKS_MAX + 3)

static void check_lists(struct fixture *f)
{
    uint64_t border = LIST_CHUNKS_MAX + 2; /* in blocks */
    check_blocks(f, "lists", TWO_LISTS + 2, border - 1, border + 1);
    check_blocks(f, "lists", TWO_LISTS + 2, border, border + 1);
    check_blocks(f, "lists", TWO_LISTS + 2, border - 2, border);
    check_blocks(f, "lists", TWO_LISTS + 2, border - 2, border + 3);
    check_blocks(f, "lists", TWO_LISTS + 2, 0, 4);
    check_blocks(f, "exact", LIST_CHUNKS_MAX + 2, LIST_CHUNKS_MAX - 2, LIST_CHUNKS_MAX + 2);
}

static void tell_lists(struct fixture *f)
{
    make_bucket(f);
    put_blocks(f, "lists", TWO_LISTS + 2);
    put_blocks(f, "exact", LIST_CHUNKS_MAX + 2); /* its only list is the other's first */
    check_lists(f);
}

static void tell_list_shared(struct fixture *f)
{
    check_lists(f);
    remove_object(f, "lists");
    fiber_sleep(300 * 1000000ull);
    check_blocks(f, "exact", LIST_CHUNKS_MAX + 2, 0, 9);
    check_blocks(f, "exact", LIST_CHUNKS_MAX + 2, LIST_CHUNKS_MAX - 9, LIST_CHUNKS_MAX + 2);
}

static void test_several_lists(void **state)
{
    (void)state;
    make_blocks();
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_lists);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_list_shared);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_list),
        cmocka_unit_test(test_border_of_manifest),
        cmocka_unit_test(test_several_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
