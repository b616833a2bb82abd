/*
 * Listing against a model: the sorted set of keys, folded and cut as S3 says. Every combination of prefix, delimiter,
 * start and page size over keys that lie on the borders: zero bytes, 0xff bytes, 1,024 bytes, keys that are prefixes of
 * one another; and each listing continued page by page.
 */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS_MAX    64u
#define ENTRIES_MAX 64u

struct entry {
    struct bytes key;
    bool prefix;
};

static struct bytes keys[KEYS_MAX];
static unsigned key_count;
static uint8_t long_key[OBJECT_KEY_BYTES_MAX], long_sibling[OBJECT_KEY_BYTES_MAX], long_ff[OBJECT_KEY_BYTES_MAX];

static int by_bytes(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static void make_keys(void)
{
    static const struct bytes fixed[] = {
        {"a", 1},           {"a/", 2},        {"a/b", 3},         {"a/b/c", 5},   {"a/b/d", 5},     {"a/c", 3},
        {"a//", 3},         {"a//x", 4},      {"a0", 2},          {"a\0", 2},     {"a\0\0", 3},     {"a\0/x", 4},
        {"\0", 1},          {"\0\0", 2},      {"\0/\0", 3},       {"\xff", 1},    {"\xff\xff", 2},  {"\xff\xff/x", 4},
        {"\xff\xff/y", 4},  {"\xff/", 2},     {"b--c--d", 7},     {"b--c--e", 7}, {"b--c-d", 6},    {"b-c", 3},
        {"b---c", 5},       {"x/\xff", 3},    {"x/\xff\xff", 4},  {"x0", 2},      {"study/1/a", 9}, {"study/1/b", 9},
        {"study/10/a", 10}, {"study/2/a", 9}, {"study/2/a/b", 11}};
    key_count = 0;
    for (unsigned i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        keys[key_count++] = fixed[i];
    memset(long_key, 'l', sizeof long_key);
    memset(long_sibling, 'l', sizeof long_sibling);
    long_sibling[sizeof long_sibling - 1] = '/';
    memset(long_ff, 0xff, sizeof long_ff);
    keys[key_count++] = bytes_of(long_key, sizeof long_key);
    keys[key_count++] = bytes_of(long_sibling, sizeof long_sibling);
    keys[key_count++] = bytes_of(long_key, sizeof long_key - 1);
    keys[key_count++] = bytes_of(long_ff, sizeof long_ff);
    qsort(keys, key_count, sizeof keys[0], by_bytes);
}

static bool begins_with(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

/* What S3 says: keys with the prefix; those that have the delimiter behind it are folded up to its end. */
static unsigned model(struct bytes prefix, struct bytes delimiter, struct entry *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < key_count; i++) {
        struct entry e = {keys[i], false};
        if (!begins_with(keys[i], prefix))
            continue;
        for (size_t at = prefix.len; delimiter.len > 0 && at + delimiter.len <= keys[i].len && !e.prefix; at++) {
            if (memcmp((const uint8_t *)keys[i].data + at, delimiter.data, delimiter.len) == 0)
                e = (struct entry){bytes_of(keys[i].data, at + delimiter.len), true};
        }
        if (e.prefix && n > 0 && out[n - 1].prefix && bytes_equal(out[n - 1].key, e.key))
            continue;
        out[n++] = e;
    }
    return n;
}

/* ---- one page ---- */

struct page {
    const struct entry *expected;
    unsigned count, stop_at; /* stop_at: the entry at which the callback says no */
};

static bool on_entry(void *arg, struct bytes key, const struct object_info *info)
{
    struct page *p = arg;
    if (p->count == p->stop_at)
        return false;
    const struct entry *e = &p->expected[p->count++];
    assert_true(bytes_equal(key, e->key));
    assert_int_equal(info == NULL, e->prefix);
    if (info != NULL) {
        assert_true(bytes_equal(info->key, key));
        assert_int_equal(info->size, key.len);
        assert_false(info->delete_marker);
    }
    return true;
}

/* Lists all, in pages; by the callback's no instead of max_entries when by_callback. */
static void list_pages(struct fixture *f, struct bytes prefix, struct bytes delimiter, unsigned page_entries,
                       bool by_callback)
{
    struct entry expected[ENTRIES_MAX];
    unsigned total = model(prefix, delimiter, expected), seen = 0;
    uint8_t last[OBJECT_KEY_BYTES_MAX];
    size_t last_len = 0;
    bool truncated = true;
    while (truncated) {
        struct page p = {.expected = expected + seen, .stop_at = by_callback ? page_entries : UINT32_MAX};
        struct list_request req = {.bucket = text("b"),
                                   .prefix = prefix,
                                   .delimiter = delimiter,
                                   .after = bytes_of(last, last_len),
                                   .max_entries = by_callback ? 1000 : page_entries};
        assert_int_equal(store_object_list(f->store, &req, on_entry, &p, &truncated, last, &last_len), DOL_OK);
        seen += p.count;
        assert_int_equal(p.count,
                         seen < total || total % page_entries == 0 ? (total ? page_entries : 0) : total % page_entries);
        assert_int_equal(truncated, seen < total);
        if (p.count > 0) {
            assert_int_equal(last_len, expected[seen - 1].key.len);
            assert_memory_equal(last, expected[seen - 1].key.data, last_len);
        }
    }
    assert_int_equal(seen, total);
}

static const struct bytes prefixes[] = {{NULL, 0},   {"a", 1},   {"a/", 2},     {"a/b", 3},      {"a//", 3},
                                        {"a\0", 2},  {"\0", 1},  {"\xff", 1},   {"\xff\xff", 2}, {"\xff\xff\xff", 3},
                                        {"b", 1},    {"b-", 2},  {"b--", 3},    {"study/", 6},   {"study/1", 7},
                                        {"none", 4}, {"zzz", 3}, {"x/\xff", 3}, {"l", 1},        {"study/2/a", 9}};
static const struct bytes delimiters[] = {{NULL, 0}, {"/", 1},  {"--", 2}, {"-", 1},   {"\xff", 1},
                                          {"\0", 1}, {"//", 2}, {"l", 1},  {"none", 4}};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void check_all_pages(struct fixture *f)
{
    struct entry entries[ENTRIES_MAX];
    for (unsigned i = 0; i < COUNT(prefixes); i++) {
        for (unsigned j = 0; j < COUNT(delimiters); j++) {
            unsigned total = model(prefixes[i], delimiters[j], entries);
            const unsigned pages[] = {1, 2, 3, total ? total - 1 : 1, total ? total : 1, total + 1, 1000};
            for (unsigned k = 0; k < COUNT(pages); k++)
                if (pages[k] > 0)
                    list_pages(f, prefixes[i], delimiters[j], pages[k], false);
            list_pages(f, prefixes[i], delimiters[j], 2, true);
        }
    }
}

/* ---- any start ---- */

struct collected {
    struct entry entries[ENTRIES_MAX];
    uint8_t bytes[ENTRIES_MAX * OBJECT_KEY_BYTES_MAX];
    unsigned count;
    size_t used;
};

static bool collect(void *arg, struct bytes key, const struct object_info *info)
{
    struct collected *c = arg;
    memcpy(c->bytes + c->used, key.data, key.len);
    c->entries[c->count++] = (struct entry){bytes_of(c->bytes + c->used, key.len), info == NULL};
    c->used += key.len;
    return true;
}

/*
 * After any key, there or not: the entries that a key behind it folds into, each once; a start that is a common prefix
 * skips all of it.
 */
static unsigned model_after(struct bytes prefix, struct bytes delimiter, struct bytes after, struct entry *out)
{
    struct entry all[ENTRIES_MAX];
    unsigned total = model(prefix, delimiter, all), n = 0;
    for (unsigned i = 0; i < total; i++) {
        bool behind = bytes_compare(all[i].key, after) > 0;
        if (all[i].prefix && !behind && !bytes_equal(all[i].key, after))
            for (unsigned j = 0; j < key_count && !behind; j++) /* it starts within the common prefix */
                behind = begins_with(keys[j], all[i].key) && bytes_compare(keys[j], after) > 0;
        if (behind)
            out[n++] = all[i];
    }
    return n;
}

static void check_after(struct fixture *f, struct bytes prefix, struct bytes delimiter, struct bytes after)
{
    static struct collected c;
    struct entry expected[ENTRIES_MAX];
    uint8_t last[OBJECT_KEY_BYTES_MAX];
    size_t last_len;
    bool truncated;
    struct list_request req = {
        .bucket = text("b"), .prefix = prefix, .delimiter = delimiter, .after = after, .max_entries = 1000};
    c.count = 0;
    c.used = 0;
    assert_int_equal(store_object_list(f->store, &req, collect, &c, &truncated, last, &last_len), DOL_OK);
    assert_false(truncated);
    unsigned total = model_after(prefix, delimiter, after, expected);
    assert_int_equal(c.count, total);
    for (unsigned i = 0; i < total; i++) {
        assert_true(bytes_equal(c.entries[i].key, expected[i].key));
        assert_int_equal(c.entries[i].prefix, expected[i].prefix);
    }
}

static void check_all_starts(struct fixture *f)
{
    static const struct bytes others[] = {{"A", 1},         {"a.", 2},     {"a/a", 3},         {"a/b/", 4},
                                          {"b--", 3},       {"b--c--", 6}, {"s", 1},           {"zz", 2},
                                          {"\xff\xff/", 3}, {"x/", 2},     {"study/", 6},      {"study/1/", 8},
                                          {"\0/", 2},       {"a\0/", 3},   {"study/1/a\0", 10}};
    for (unsigned i = 0; i < COUNT(prefixes); i++) {
        for (unsigned j = 0; j < COUNT(delimiters); j++) {
            for (unsigned k = 0; k < key_count; k++)
                check_after(f, prefixes[i], delimiters[j], keys[k]);
            for (unsigned k = 0; k < COUNT(others); k++)
                check_after(f, prefixes[i], delimiters[j], others[k]);
        }
    }
}

/* ---- stories ---- */

static void put_key(struct fixture *f, struct bytes key)
{
    struct put_request req = {.bucket = text("b"), .key = key, .owner = text("o"), .size_hint = key.len};
    struct put_finish fin = {.expected_size = key.len};
    struct put_result result;
    struct put *p;
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    assert_int_equal(store_put_write(p, key.data, key.len), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &result), DOL_OK);
}

static void tell_empty(struct fixture *f)
{
    uint8_t last[OBJECT_KEY_BYTES_MAX];
    size_t last_len = 77;
    bool truncated = true;
    struct page p = {.stop_at = UINT32_MAX};
    struct list_request req = {.bucket = text("b"), .max_entries = 1};
    assert_int_equal(store_object_list(f->store, &req, on_entry, &p, &truncated, last, &last_len), DOL_ENOBUCKET);
    make_bucket(f);
    assert_int_equal(store_object_list(f->store, &req, on_entry, &p, &truncated, last, &last_len), DOL_OK);
    assert_false(truncated);
    assert_int_equal(last_len, 0);
    /* longer than any key */
    uint8_t longer[OBJECT_KEY_BYTES_MAX + 1] = {'k'};
    req.prefix = bytes_of(longer, sizeof longer);
    assert_int_equal(store_object_list(f->store, &req, on_entry, &p, &truncated, last, &last_len), DOL_OK);
    req.bucket = text("none");
    assert_int_equal(store_object_list(f->store, &req, on_entry, &p, &truncated, last, &last_len), DOL_ENOBUCKET);
    assert_int_equal(p.count, 0);
}

/* Half of the keys is in LMDB, half in the overlay; some are deleted in either. */
static void tell_keys(struct fixture *f)
{
    tell_empty(f);
    struct bucket_create other = {.name = text("c"), .owner = text("o"), .region = text("r")};
    struct bucket_info info;
    struct delete_result gone;
    assert_int_equal(store_bucket_create(f->store, &other, &info), DOL_OK);
    for (unsigned i = 0; i < key_count; i += 2)
        put_key(f, keys[i]);
    put_key(f, text("a/bb"));
    put_key(f, text("z/1"));
    fiber_sleep(300 * 1000000ull);
    for (unsigned i = 1; i < key_count; i += 2)
        put_key(f, keys[i]);
    put_key(f, text("a/ba"));
    static const char *const deleted[] = {"a/bb", "z/1", "a/ba"};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(store_object_delete(
                             f->store, &(struct delete_request){.bucket = text("b"), .key = text(deleted[i])}, &gone),
                         DOL_OK);
        assert_true(gone.existed);
    }
    check_all_pages(f);
    check_all_starts(f);
}

static void tell_later(struct fixture *f)
{
    check_all_pages(f);
    check_all_starts(f);
}

static void test_against_model(void **state)
{
    (void)state;
    make_keys();
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_keys);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_later);
    fixture_fini(&f);
}

/* ---- buckets ---- */

static bool on_bucket(void *arg, const struct bucket_info *info)
{
    char *names = arg;
    size_t n = strlen(names);
    snprintf(names + n, 64 - n, "%s,", info->name);
    return strcmp(info->name, "m") != 0;
}

static void tell_buckets(struct fixture *f)
{
    static const char *const names[] = {"zz", "a", "ab", "n", "m", "a.b"};
    struct bucket_info info;
    char seen[64] = "";
    assert_int_equal(store_bucket_list(f->store, on_bucket, seen), DOL_OK);
    assert_string_equal(seen, "");
    for (unsigned i = 0; i < 6; i++) {
        struct bucket_create req = {.name = text(names[i]), .owner = text("o"), .region = text("r")};
        assert_int_equal(store_bucket_create(f->store, &req, &info), DOL_OK);
        if (i == 2)
            fiber_sleep(300 * 1000000ull);
    }
    assert_int_equal(store_bucket_list(f->store, on_bucket, seen), DOL_OK);
    assert_string_equal(seen, "a,a.b,ab,m,");
    assert_int_equal(store_bucket_delete(f->store, text("m")), DOL_OK);
    seen[0] = '\0';
    assert_int_equal(store_bucket_list(f->store, on_bucket, seen), DOL_OK);
    assert_string_equal(seen, "a,a.b,ab,n,zz,");
}

static void test_buckets(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_buckets);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
