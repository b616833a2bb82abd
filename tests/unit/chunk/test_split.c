/* Where chunks are cut: by content alone, within limits, and again at the same places after an insertion. */
#include "hash.h"
#include "split.h"
#include "split_gear.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define CUTS_MAX 256
#define MIB      ((size_t)1 << 20)

static uint64_t random_state;

static uint64_t random_u64(void)
{
    /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static uint8_t *random_bytes(size_t len, uint64_t seed)
{
    uint8_t *data = malloc(len);
    assert_non_null(data);
    random_state = seed;
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(random_u64() >> 56);
    return data;
}

struct cuts {
    unsigned count;
    uint64_t at[CUTS_MAX]; /* object positions where a chunk ended */
};

/* Feeds data in pieces of at most piece_max (0: sizes drawn at random) and notes the cuts. */
static void split(const uint8_t *data, size_t len, size_t piece_max, uint64_t hint, struct cuts *cuts)
{
    struct splitter s;
    splitter_init(&s);
    if (hint != UINT64_MAX)
        splitter_hint(&s, hint);
    cuts->count = 0;
    size_t at = 0;
    while (at < len) {
        size_t piece = piece_max > 0 ? piece_max : (size_t)(random_u64() % 200000);
        if (piece > len - at)
            piece = len - at;
        bool cut = true;
        size_t taken = splitter_take(&s, data + at, piece, &cut);
        assert_true(taken <= piece);
        /* less than all is taken only in order to cut */
        assert_true(cut || taken == piece);
        at += taken;
        assert_int_equal(s.position, at);
        if (cut) {
            assert_in_range(cuts->count, 0, CUTS_MAX - 1);
            cuts->at[cuts->count++] = at;
        }
    }
}

static void assert_same_cuts(const struct cuts *a, const struct cuts *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->at, b->at, a->count * sizeof a->at[0]);
}

/* The rule of split_gear.h, and a digest that pins it: a change loses dedup against stored data. */
static void test_gear_table(void **state)
{
    (void)state;
    uint64_t z = UINT64_C(0x646f6c6d656e2031);
    uint8_t stored[256 * 8];
    for (unsigned i = 0; i < 256; i++) {
        z += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t v = z;
        v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
        v ^= v >> 31;
        assert_int_equal(split_gear[i], v);
        for (unsigned b = 0; b < 8; b++)
            stored[i * 8 + b] = (uint8_t)(v >> (8 * b));
    }
    struct sha256 digest = sha256_of(stored, sizeof stored);
    char hex[65];
    hex_encode(digest.b, sizeof digest.b, hex);
    assert_string_equal(hex, "19d93f4a35ba49468cbc649e510815acfb1332fff4e9b4a50d64d7296652a262");
}

/* The cuts of known content: they may not move between versions. */
static void test_cuts_are_pinned(void **state)
{
    (void)state;
    static const uint64_t expected[] = {678721,  963859,  1539697, 2509668, 3063232, 3499645,
                                        4042816, 4283460, 4835989, 5566763, 6148880};
    uint8_t *data = random_bytes(6 * MIB, 1);
    struct cuts cuts;
    split(data, 6 * MIB, 6 * MIB, UINT64_MAX, &cuts);
    assert_int_equal(cuts.count, sizeof expected / sizeof expected[0]);
    assert_memory_equal(cuts.at, expected, sizeof expected);
    free(data);
}

static void test_pieces_have_no_influence(void **state)
{
    (void)state;
    uint8_t *data = random_bytes(5 * MIB, 2);
    struct cuts whole;
    struct cuts cuts;
    split(data, 5 * MIB, 5 * MIB, UINT64_MAX, &whole);
    assert_in_range(whole.count, 5, 20);
    static const size_t pieces[] = {1, 63, 64, 65, 4096, 65536, 131071, 131072, 131073, 262144};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        split(data, 5 * MIB, pieces[i], UINT64_MAX, &cuts);
        assert_same_cuts(&whole, &cuts);
    }
    for (unsigned round = 0; round < 20; round++) {
        split(data, 5 * MIB, 0, UINT64_MAX, &cuts);
        assert_same_cuts(&whole, &cuts);
    }
    free(data);
}

static void test_sizes_and_average(void **state)
{
    (void)state;
    size_t len = 64 * MIB;
    uint8_t *data = random_bytes(len, 3);
    struct cuts cuts;
    split(data, len, len, UINT64_MAX, &cuts);
    assert_true(cuts.at[0] > SPLIT_WHOLE_BYTES_MAX);
    uint64_t start = 0;
    for (unsigned i = 0; i < cuts.count; i++) {
        assert_in_range(cuts.at[i] - start, SPLIT_MIN_BYTES, SPLIT_MAX_BYTES);
        start = cuts.at[i];
    }
    uint64_t average = cuts.at[cuts.count - 1] / cuts.count;
    assert_in_range(average, SPLIT_TARGET_BYTES * 3 / 4, SPLIT_TARGET_BYTES * 5 / 4);
    free(data);
}

/* Objects around the whole limit: none of up to that size is cut, wherever content would have it. */
static void test_whole_objects(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, SPLIT_MIN_BYTES, SPLIT_WHOLE_BYTES_MAX - 1, SPLIT_WHOLE_BYTES_MAX};
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint8_t *data = random_bytes(SPLIT_WHOLE_BYTES_MAX, seed);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct cuts cuts;
            split(data, sizes[i], SPLIT_WHOLE_BYTES_MAX, UINT64_MAX, &cuts);
            assert_int_equal(cuts.count, 0);
        }
        free(data);
    }
}

/* The first 64 bytes of the noise whose hash cuts in both ranges of sizes. */
static const uint8_t *find_cutting_window(const uint8_t *noise, size_t len)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < len; i++) {
        hash = (hash << 1) + split_gear[noise[i]];
        if (i >= 63 && hash >> 44 == 0)
            return noise + i - 63;
    }
    fail();
    return NULL;
}

/* Such a window, placed so that the cut would fall on a given position. */
static void test_first_cut_is_behind_the_whole_limit(void **state)
{
    (void)state;
    uint8_t *noise = random_bytes(16 * MIB, 4);
    uint8_t *data = calloc(1, MIB);
    assert_non_null(data);
    const uint8_t *window = find_cutting_window(noise, 16 * MIB);
    struct cuts cuts;
    memcpy(data + SPLIT_WHOLE_BYTES_MAX - 64, window, 64);
    split(data, MIB, MIB, UINT64_MAX, &cuts);
    assert_int_equal(cuts.at[0], MIB);

    memset(data, 0, MIB);
    memcpy(data + SPLIT_WHOLE_BYTES_MAX + 1 - 64, window, 64);
    split(data, MIB, MIB, UINT64_MAX, &cuts);
    assert_int_equal(cuts.at[0], SPLIT_WHOLE_BYTES_MAX + 1);

    /* the next chunk has the minimum before it */
    memset(data + SPLIT_WHOLE_BYTES_MAX + 1, 0, MIB - SPLIT_WHOLE_BYTES_MAX - 1);
    memcpy(data + SPLIT_WHOLE_BYTES_MAX + 1 + SPLIT_MIN_BYTES - 1 - 64, window, 64);
    split(data, MIB, MIB, UINT64_MAX, &cuts);
    assert_int_equal(cuts.count, 1);
    memset(data + SPLIT_WHOLE_BYTES_MAX + 1, 0, MIB - SPLIT_WHOLE_BYTES_MAX - 1);
    memcpy(data + SPLIT_WHOLE_BYTES_MAX + 1 + SPLIT_MIN_BYTES - 64, window, 64);
    split(data, MIB, MIB, UINT64_MAX, &cuts);
    assert_int_equal(cuts.at[1], SPLIT_WHOLE_BYTES_MAX + 1 + SPLIT_MIN_BYTES);
    free(noise);
    free(data);
}

/* No byte repeated is a cut: zero-filled regions give chunks of the maximum. */
static void test_runs(void **state)
{
    (void)state;
    uint8_t *data = malloc(2 * MIB + 1);
    assert_non_null(data);
    for (unsigned value = 0; value < 256; value++) {
        memset(data, (int)value, 2 * MIB + 1);
        struct cuts cuts;
        split(data, 2 * MIB + 1, 3 * MIB, UINT64_MAX, &cuts);
        assert_int_equal(cuts.count, 2);
        assert_int_equal(cuts.at[0], MIB);
        assert_int_equal(cuts.at[1], 2 * MIB);
    }
    free(data);
}

/* Bytes inserted near the start move the rest: most chunks are found again. */
static void test_insertion_resynchronises(void **state)
{
    (void)state;
    size_t len = 16 * MIB;
    for (uint64_t seed = 10; seed < 14; seed++) {
        for (size_t inserted = 1; inserted <= 1000; inserted += 333) {
            uint8_t *data = random_bytes(len + inserted, seed);
            struct cuts before;
            struct cuts after;
            split(data + inserted, len, len, UINT64_MAX, &before);
            /* the first bytes are new, then 100 old ones, then new ones, then the old rest */
            memmove(data, data + inserted, 100);
            split(data, len + inserted, len + inserted, UINT64_MAX, &after);
            unsigned shared = 0;
            uint64_t start = 0;
            for (unsigned i = 0; i < before.count; i++) {
                for (unsigned j = 1; j < after.count; j++)
                    if (i > 0 && after.at[j] == before.at[i] + inserted && after.at[j - 1] == start + inserted)
                        shared++;
                start = before.at[i];
            }
            assert_true(shared * 10 >= before.count * 7);
            free(data);
        }
    }
}

static void test_hints(void **state)
{
    (void)state;
    uint8_t *data = random_bytes(2 * MIB, 5);
    static const uint64_t hints[] = {1, 100, SPLIT_MIN_BYTES, SPLIT_WHOLE_BYTES_MAX, SPLIT_MAX_BYTES - 1};
    struct cuts cuts;
    struct cuts plain;
    split(data, 2 * MIB, 2 * MIB, UINT64_MAX, &plain);
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        split(data, 2 * MIB, 1000, hints[i], &cuts);
        bool found = false;
        for (unsigned j = 0; j < cuts.count; j++)
            found = found || cuts.at[j] == hints[i];
        assert_true(found);
    }
    /* a short object is cut by a hint, too, and by nothing else */
    split(data, 50000, 50000, 1234, &cuts);
    assert_int_equal(cuts.count, 1);
    assert_int_equal(cuts.at[0], 1234);
    /* at the natural cut a hint changes nothing; beyond the end neither */
    split(data, 2 * MIB, 2 * MIB, plain.at[0], &cuts);
    assert_same_cuts(&plain, &cuts);
    split(data, 2 * MIB, 2 * MIB, 2 * MIB + 1, &cuts);
    assert_same_cuts(&plain, &cuts);
    free(data);
}

static void test_hints_not_ahead_are_ignored(void **state)
{
    (void)state;
    static const uint8_t zeros[1000];
    struct splitter s;
    bool cut;
    splitter_init(&s);
    splitter_hint(&s, 0);
    assert_int_equal(splitter_take(&s, zeros, 500, &cut), 500);
    assert_false(cut);
    splitter_hint(&s, 500);
    assert_int_equal(splitter_take(&s, zeros, 500, &cut), 500);
    assert_false(cut);
    /* the last hint wins */
    splitter_hint(&s, 1010);
    splitter_hint(&s, 1020);
    assert_int_equal(splitter_take(&s, zeros, 1000, &cut), 20);
    assert_true(cut);
    assert_int_equal(splitter_take(&s, zeros, 0, &cut), 0);
    assert_false(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gear_table),
        cmocka_unit_test(test_cuts_are_pinned),
        cmocka_unit_test(test_pieces_have_no_influence),
        cmocka_unit_test(test_sizes_and_average),
        cmocka_unit_test(test_whole_objects),
        cmocka_unit_test(test_first_cut_is_behind_the_whole_limit),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_insertion_resynchronises),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_hints_not_ahead_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
