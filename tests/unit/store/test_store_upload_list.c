/*
 * Listing uploads: key order whatever the keys' length, creation order within a key, prefixes and delimiters, pages of
 * every size, markers that name what no longer exists; and the parts of an upload in pages.
 */
#include "upload_testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "hash.h"

#define UPLOADS_MAX 128u

struct known {
    uint8_t key[OBJECT_KEY_BYTES_MAX];
    size_t len;
    struct upload_id id;
    unsigned sequence; /* of creation */
    bool gone;
};

static struct known known[UPLOADS_MAX];
static unsigned known_count;

static struct bytes key_of(const struct known *k)
{
    return bytes_of(k->key, k->len);
}

static int known_sort(const void *pa, const void *pb)
{
    const struct known *a = pa, *b = pb;
    int order = bytes_compare(key_of(a), key_of(b));
    return order != 0 ? order : a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static void add(struct fixture *f, const char *stem, size_t pad, uint8_t pad_byte)
{
    struct known *k = &known[known_count];
    memset(k, 0, sizeof *k);
    k->len = strlen(stem) + pad;
    assert_true(known_count < UPLOADS_MAX && k->len <= OBJECT_KEY_BYTES_MAX);
    memcpy(k->key, stem, strlen(stem));
    memset(k->key + strlen(stem), pad_byte, pad);
    k->sequence = known_count++;
    struct put_request req = {.bucket = text("b"), .key = key_of(k), .owner = text("owner")};
    assert_int_equal(store_upload_create(f->store, &req, 0, 0, &k->id), DOL_OK);
    fiber_sleep(1000); /* the next one is later */
}

static void end(struct fixture *f, struct known *k)
{
    struct upload_ref u = {text("b"), key_of(k), k->id};
    assert_int_equal(store_upload_abort(f->store, &u), DOL_OK);
    k->gone = true;
}

/* ---- a page as it should be ---- */

struct page_check {
    const struct upload_list_request *req;
    unsigned at; /* in known */
    unsigned count;
    struct bytes last_key; /* to go on after */
    struct upload_id last_id;
    bool last_is_prefix;
    bool end; /* the next entry ends the page */
};

static size_t fold_of(const struct upload_list_request *req, const struct known *k)
{
    for (size_t i = req->prefix.len; req->delimiter.len > 0 && i + req->delimiter.len <= k->len; i++)
        if (memcmp(k->key + i, req->delimiter.data, req->delimiter.len) == 0)
            return i + req->delimiter.len;
    return 0;
}

static bool in_scope(const struct upload_list_request *req, const struct known *k)
{
    return !k->gone && k->len >= req->prefix.len &&
           (req->prefix.len == 0 || memcmp(k->key, req->prefix.data, req->prefix.len) == 0);
}

static bool check_entry(void *arg, struct bytes entry, const struct upload_info *info)
{
    struct page_check *c = arg;
    while (c->at < known_count && !in_scope(c->req, &known[c->at]))
        c->at++;
    assert_true(c->at < known_count);
    const struct known *k = &known[c->at];
    size_t fold = fold_of(c->req, k);
    if (c->end)
        return false;
    assert_true(bytes_equal(entry, bytes_of(k->key, fold ? fold : k->len)));
    c->last_is_prefix = fold != 0;
    c->last_key = bytes_of(k->key, entry.len);
    if (fold) {
        assert_null(info);
        while (c->at < known_count && (!in_scope(c->req, &known[c->at]) ||
                                       (known[c->at].len >= fold && memcmp(known[c->at].key, k->key, fold) == 0)))
            c->at++;
    } else {
        assert_non_null(info);
        assert_memory_equal(info->id.b, k->id.b, 16);
        assert_true(bytes_equal(info->key, key_of(k)) && bytes_equal(info->owner, text("owner")));
        c->last_id = k->id;
        c->at++;
    }
    c->count++;
    return true;
}

/* All pages, of `size` entries, by the markers that S3's clients get. */
static void check_pages(struct fixture *f, const char *prefix, const char *delimiter, unsigned size)
{
    struct upload_list_request req = {
        .bucket = text("b"), .prefix = text(prefix), .delimiter = text(delimiter), .max_entries = size};
    struct page_check c = {.req = &req};
    struct upload_id marker;
    bool truncated = true;
    while (truncated) {
        c.count = 0;
        assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
        assert_true(truncated ? c.count == size : c.count <= size);
        marker = c.last_id;
        req.after_key = c.last_key;
        req.after_id = c.last_is_prefix ? NULL : &marker;
    }
    while (c.at < known_count && !in_scope(&req, &known[c.at]))
        c.at++;
    assert_int_equal(c.at, known_count); /* none is missing */
}

static void check_all(struct fixture *f)
{
    static const char *const scopes[][2] = {{"", ""},     {"", "/"},    {"a", ""},     {"a/", "/"},   {"a/b", "/"},
                                            {"zz", "/"},  {"a/b/", ""}, {"", "b/"},    {"a/b/c", ""}, {"long", "x"},
                                            {"\xff", ""}, {"", "\xff"}, {"a/b/c/", ""}};
    for (unsigned i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
        for (unsigned size = 1; size < 150; size = size < 4 ? size + 1 : size * 6)
            check_pages(f, scopes[i][0], scopes[i][1], size);
}

/* ---- stories ---- */

static void tell_uploads(struct fixture *f)
{
    make_bucket(f);
    known_count = 0;
    check_all(f);
    static const char *const stems[] = {"a", "a/b", "a/b/c", "a/b/c", "a/bb", "b/", "b/x/y", "a/", "c", "a/b/c"};
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < sizeof stems / sizeof stems[0]; i++)
            add(f, stems[i], 0, 0);
        add(f, "long", OBJECT_KEY_BYTES_MAX - 4, 'x');
        add(f, "long", OBJECT_KEY_BYTES_MAX - 5, 'x');
        add(f, "long", 437, 'x'); /* around LMDB's limit, and the code's pieces */
        add(f, "long", 434, 'x');
        add(f, "zero", OBJECT_KEY_BYTES_MAX - 4, 0);
        add(f, "zero", 1, 0);
        add(f, "zero", 0, 0);
        add(f, "", 3, 0xff);
        if (round == 0)
            (void)chunk_refs(f, "", 0); /* the first ones are applied, the others in the overlay */
    }
    qsort(known, known_count, sizeof known[0], known_sort);
    check_all(f);
    for (unsigned i = 0; i < known_count; i += 3)
        end(f, &known[i]);
    check_all(f);
    (void)chunk_refs(f, "", 0);
    check_all(f);
}

/* A marker may name an upload that ended meanwhile, and a key without uploads; prefixes skip all that is below. */
static void tell_markers(struct fixture *f)
{
    for (unsigned i = 0; i < known_count; i++) {
        struct upload_list_request req = {
            .bucket = text("b"), .after_key = key_of(&known[i]), .after_id = &known[i].id, .max_entries = 1000};
        struct page_check c = {.req = &req, .at = i + 1};
        bool truncated;
        assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
        assert_false(truncated);
        req.after_id = NULL;
        for (c.at = i; c.at < known_count && bytes_equal(key_of(&known[c.at]), key_of(&known[i])); c.at++)
            continue;
        assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
    }
    struct upload_id last;
    memset(&last, 0xff, sizeof last);
    struct upload_list_request req = {
        .bucket = text("b"), .after_key = text("a/b/c"), .after_id = &last, .max_entries = 1000};
    struct page_check c = {.req = &req};
    bool truncated;
    while (bytes_compare(key_of(&known[c.at]), text("a/b/c")) <= 0)
        c.at++;
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
    /* a marker before the prefix, and an id without a key */
    req = (struct upload_list_request){
        .bucket = text("b"), .prefix = text("b"), .after_key = text("a"), .max_entries = 9};
    c = (struct page_check){.req = &req};
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
    req = (struct upload_list_request){.bucket = text("b"), .after_id = &last, .max_entries = 200};
    c = (struct page_check){.req = &req};
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
    assert_true(c.count > 20);
    /* the caller may end it */
    c = (struct page_check){.req = &req, .end = true};
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
    assert_true(truncated);
    assert_int_equal(c.count, 0);
}

static void tell_edges(struct fixture *f)
{
    struct bucket_info info;
    struct bucket_create other = {.name = text("c"), .owner = text("o"), .region = text("r")};
    char key[OBJECT_KEY_BYTES_MAX + 1];
    bool truncated;
    memset(key, 'k', sizeof key);
    struct upload_list_request req = {.bucket = text("none"), .max_entries = 1};
    struct page_check c = {.req = &req, .at = known_count};
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_ENOBUCKET);
    req.bucket = text("b");
    req.after_key = bytes_of(key, sizeof key);
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_EINVAL);
    req.after_key = bytes_of("", 0);
    req.prefix = bytes_of(key, sizeof key);
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
    assert_false(truncated);
    req.prefix = bytes_of("", 0);
    req.bucket = text("c");
    assert_int_equal(store_bucket_create(f->store, &other, &info), DOL_OK);
    assert_int_equal(store_upload_list(f->store, &req, check_entry, &c, &truncated), DOL_OK);
    assert_false(truncated);
}

static void test_uploads(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_uploads);
    fixture_write_session(&f, check_all);
    fixture_write_session(&f, tell_markers);
    fixture_drop_index(&f);
    fixture_write_session(&f, check_all);
    fixture_write_session(&f, tell_markers);
    fixture_write_session(&f, tell_edges);
    fixture_fini(&f);
}

/* ---- parts ---- */

struct part_page {
    uint32_t numbers[8];
    unsigned count, max;
};

static bool take_part(void *arg, const struct part_info *info)
{
    struct part_page *p = arg;
    if (p->count == p->max)
        return false;
    p->numbers[p->count++] = info->number;
    return true;
}

static void expect_page(struct fixture *f, const struct upload_ref *u, uint32_t after, unsigned max,
                        const uint32_t *numbers, unsigned count)
{
    struct part_page p = {.max = max};
    assert_int_equal(store_part_list(f->store, u, after, take_part, &p), DOL_OK);
    assert_int_equal(p.count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(p.numbers[i], numbers[i]);
}

static void tell_parts(struct fixture *f)
{
    static const uint32_t all[] = {1, 2, 255, 256, 9999, 10000};
    make_bucket(f);
    struct upload_ref u = upload_begin(f, "k"), v = upload_begin(f, "k");
    send_part(f, &v, 3, 1, 1);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 6; i-- > 0;)
            if (round == 1 || i % 2 == 0)
                send_part(f, &u, all[i], i, 10 + round);
        if (round == 0)
            (void)chunk_refs(f, "", 0); /* 1, 255, 9999 are applied; then sent again, the others between them */
    }
    expect_page(f, &u, 0, 8, all, 6);
    for (unsigned i = 0; i < 6; i++) {
        expect_page(f, &u, all[i], 8, all + i + 1, 5 - i);
        expect_page(f, &u, all[i] - 1, 2, all + i, i < 5 ? 2 : 1);
    }
    expect_page(f, &u, UINT32_MAX, 8, all, 0);
    expect_page(f, &u, 0, 0, all, 0);
}

static void test_parts(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_parts);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_uploads), cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
