/*
 * Order of object keys: whatever their bytes and lengths, listings are in exact byte order. Adversarial keys: prefixes
 * of each other, lengths around the piece size and the maximum, runs of 00, 01 and FF.
 */
#include "index_fixture.h"

#include <stdlib.h>

#include "index_impl.h"

#define B        5ull
#define KEYS_MAX 2000u

struct key {
    size_t len;
    uint8_t b[OBJECT_KEY_BYTES_MAX];
};

static struct key *keys;
static size_t key_count;

static uint64_t seed;
static uint32_t chance(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % below;
}

static int key_compare(const void *pa, const void *pb)
{
    const struct key *a = pa, *b = pb;
    return bytes_compare(bytes_of(a->b, a->len), bytes_of(b->b, b->len));
}

static void key_random(struct key *k)
{
    static const size_t lengths[] = {1,   2,   3,   100, 218, 219, 220, 221, 437,  438,  439,
                                     440, 441, 442, 443, 878, 879, 880, 881, 1022, 1023, 1024};
    static const uint8_t bytes[] = {0x00, 0x01, 0x02, 0x7f, 0xfe, 0xff};
    k->len = chance(4) == 0 ? 1 + chance(OBJECT_KEY_BYTES_MAX) : lengths[chance(sizeof lengths / sizeof lengths[0])];
    memset(k->b, bytes[chance(sizeof bytes)], k->len);
    if (key_count > 0 && chance(3) != 0) { /* share a beginning with another */
        const struct key *other = &keys[chance((uint32_t)key_count)];
        size_t n = 1 + chance((uint32_t)other->len);
        memcpy(k->b, other->b, n < k->len ? n : k->len);
    }
    for (unsigned i = chance(4); i > 0; i--)
        k->b[chance((uint32_t)k->len)] = bytes[chance(sizeof bytes)];
}

static void keys_make(void)
{
    keys = calloc(KEYS_MAX, sizeof *keys);
    assert_non_null(keys);
    seed = 42;
    for (key_count = 0; key_count < KEYS_MAX; key_count++)
        key_random(&keys[key_count]);
    qsort(keys, key_count, sizeof *keys, key_compare);
    size_t n = 0;
    for (size_t i = 0; i < key_count; i++)
        if (n == 0 || key_compare(&keys[n - 1], &keys[i]) != 0)
            keys[n++] = keys[i];
    key_count = n;
    assert_true(key_count > KEYS_MAX / 2);
}

static struct bytes key_bytes(size_t i)
{
    return bytes_of(keys[i].b, keys[i].len);
}

static void test_codes_sort_as_keys_and_come_back(void **state)
{
    (void)state;
    static uint8_t a[KEY_CODE_BYTES_MAX], b[KEY_CODE_BYTES_MAX], back[OBJECT_KEY_BYTES_MAX];
    for (size_t i = 0; i < key_count; i++) {
        size_t len = key_code_encode(key_bytes(i), a), back_len;
        assert_int_equal(key_code_decode(a, len, back, &back_len), DOL_OK);
        assert_true(bytes_equal(bytes_of(back, back_len), key_bytes(i)));
        if (i == 0)
            continue;
        size_t before = key_code_encode(key_bytes(i - 1), b);
        assert_true(memcmp(b, a, before < len ? before : len) < 0); /* and neither a prefix */
        before = key_code_encode_after(key_bytes(i - 1), b);
        assert_true(bytes_compare(bytes_of(b, before), bytes_of(a, len)) < 0);
    }
}

static void test_malformed_codes_are_refused(void **state)
{
    (void)state;
    uint8_t out[OBJECT_KEY_BYTES_MAX];
    size_t len;
    static const struct bytes bad[] = {{"", 0},         {"\0", 1},         {"a", 1},
                                       {"a\0", 2},      {"a\0\1", 3},      {"a\0\2b\0\0", 6},
                                       {"\0\0\0\0", 4}, {"a\0\0b\0\0", 6}, {"a\0\0\0", 4}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(key_code_decode(bad[i].data, bad[i].len, out, &len), DOL_ECORRUPT);
    static uint8_t longest[OBJECT_KEY_BYTES_MAX + 3];
    memset(longest, 'x', sizeof longest);
    longest[OBJECT_KEY_BYTES_MAX + 1] = longest[OBJECT_KEY_BYTES_MAX + 2] = 0;
    assert_int_equal(key_code_decode(longest, sizeof longest, out, &len), DOL_ECORRUPT);
    assert_int_equal(key_code_decode(longest + 1, sizeof longest - 1, out, &len), DOL_OK);
    assert_int_equal(len, OBJECT_KEY_BYTES_MAX);
}

/* Lists from every key and past it; the present ones are those with present[i]. */
static void assert_listing(struct fx *fx, const bool *present)
{
    static uint8_t out[OBJECT_KEY_BYTES_MAX], probe[OBJECT_KEY_BYTES_MAX];
    struct index_view *v = fx_view(fx);
    struct index_object o;
    size_t len;
    enum dol_err err = index_object_next(v, B, bytes_of(NULL, 0), true, out, &len, &o);
    for (size_t i = 0; i < key_count; i++) {
        if (!present[i])
            continue;
        assert_int_equal(err, DOL_OK);
        assert_true(bytes_equal(bytes_of(out, len), key_bytes(i)));
        err = index_object_next(v, B, bytes_of(out, len), false, out, &len, &o);
    }
    assert_int_equal(err, DOL_ENOTFOUND);
    for (size_t i = 0; i < key_count; i += 7) {
        size_t expected = i;
        while (expected < key_count && !present[expected])
            expected++;
        err = index_object_next(v, B, key_bytes(i), true, out, &len, &o);
        assert_int_equal(err, expected < key_count ? DOL_OK : DOL_ENOTFOUND);
        if (err == DOL_OK)
            assert_true(bytes_equal(bytes_of(out, len), key_bytes(expected)));
        assert_int_equal(fx_newest(v, B, key_bytes(i)) != 0, present[i]);
        /* from a position that is no key, just above this one */
        size_t n = keys[i].len;
        memcpy(probe, keys[i].b, n);
        if (n == OBJECT_KEY_BYTES_MAX || (i + 1 < key_count && keys[i + 1].len == n + 1))
            continue;
        probe[n] = 0;
        for (expected = i + 1; expected < key_count &&
                               (!present[expected] || bytes_compare(key_bytes(expected), bytes_of(probe, n + 1)) <= 0);)
            expected++;
        err = index_object_next(v, B, bytes_of(probe, n + 1), false, out, &len, &o);
        assert_int_equal(err, expected < key_count ? DOL_OK : DOL_ENOTFOUND);
        if (err == DOL_OK)
            assert_true(bytes_equal(bytes_of(out, len), key_bytes(expected)));
    }
    index_view_end(v);
}

static size_t objects_rows(struct fx *fx)
{
    struct index_view *v = fx_view(fx);
    MDB_stat stat;
    assert_int_equal(mdb_stat(v->txn, fx->ix->dbi[TABLE_OBJECTS], &stat), 0);
    index_view_end(v);
    return stat.ms_entries;
}

static void change(struct fx *fx, size_t i, bool present)
{
    struct fx_row *row = fx_row_new(fx, 1, fx->counter + 1);
    struct fx_manifest m = {.bucket = B, .key = key_bytes(i), .version = 1 + i};
    if (present)
        fx_add_manifest(row, &m);
    else
        fx_add_delete(row, B, key_bytes(i), 1 + i);
    fx_publish(row);
}

static void test_listings_overlay_applied_mixed(void **state)
{
    (void)state;
    struct fx fx;
    static bool present[KEYS_MAX];
    fx_open(&fx, 1 << 20);
    fx_put(&fx, B - 1, S("\xff\xff"), 1, 0); /* neighbours must not be seen */
    fx_put(&fx, B + 1, S("\0"), 1, 0);
    for (size_t i = 0; i < key_count; i++) /* in the overlay only */
        if ((present[i] = chance(2) == 0))
            change(&fx, i, true);
    assert_listing(&fx, present);
    fx_commit(&fx);
    assert_listing(&fx, present);
    for (size_t i = 0; i < key_count; i++) /* some new, some gone, not applied */
        if (chance(3) == 0) {
            present[i] = !present[i];
            change(&fx, i, present[i]);
        }
    assert_listing(&fx, present);
    fx_commit(&fx);
    assert_listing(&fx, present);
    fx_reopen(&fx);
    assert_listing(&fx, present);
    for (size_t i = 0; i < key_count; i++) /* a long stretch of tombstones */
        if (present[i] && i > 50 && i + 50 < key_count) {
            present[i] = false;
            change(&fx, i, false);
        }
    assert_listing(&fx, present);
    for (size_t i = 0; i < key_count; i++)
        if (present[i])
            change(&fx, i, present[i] = false);
    assert_listing(&fx, present);
    fx_commit(&fx);
    assert_listing(&fx, present);
    assert_int_equal(objects_rows(&fx), 2); /* no directory is left behind: the neighbours only */
    fx_close(&fx);
}

static void test_every_byte_value(void **state)
{
    (void)state;
    struct fx fx;
    fx_open(&fx, 1 << 20);
    uint8_t key[OBJECT_KEY_BYTES_MAX], out[OBJECT_KEY_BYTES_MAX];
    for (unsigned i = 0; i < 256; i++) {
        memset(key, (int)(i * 37 % 256), sizeof key);
        fx_put(&fx, B, bytes_of(key, 1), 1, 0);
        fx_put(&fx, B, bytes_of(key, sizeof key), 1, 0);
    }
    for (int applied = 0; applied < 2; applied++) {
        struct index_view *v = fx_view(&fx);
        struct index_object o;
        size_t len = 0;
        for (unsigned i = 0; i < 512; i++) {
            assert_int_equal(index_object_next(v, B, bytes_of(out, len), false, out, &len, &o), DOL_OK);
            memset(key, (int)(i / 2), sizeof key);
            assert_true(bytes_equal(bytes_of(out, len), bytes_of(key, i % 2 == 0 ? 1 : sizeof key)));
        }
        assert_int_equal(index_object_next(v, B, bytes_of(out, len), false, out, &len, &o), DOL_ENOTFOUND);
        index_view_end(v);
        fx_commit(&fx);
    }
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_sort_as_keys_and_come_back),
        cmocka_unit_test(test_malformed_codes_are_refused),
        cmocka_unit_test(test_listings_overlay_applied_mixed),
        cmocka_unit_test(test_every_byte_value),
    };
    keys_make();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(keys);
    return failed;
}
