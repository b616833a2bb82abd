/* Targets, percent coding, queries, places, names. */
#include "uri.h"
#include "wire_test.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void test_split(void **state)
{
    (void)state;
    struct bytes path, query;
    uri_split(str("/a/b?c=d?e"), &path, &query);
    assert_bytes(path, "/a/b");
    assert_bytes(query, "c=d?e");
    uri_split(str("/a"), &path, &query);
    assert_bytes(path, "/a");
    assert_bytes(query, "");
    uri_split(str("?"), &path, &query);
    assert_bytes(path, "");
    assert_bytes(query, "");
    uri_split(str(""), &path, &query);
    assert_int_equal(path.len + query.len, 0);
}

static void decoded(const char *raw, enum uri_decode_as as, const char *expected)
{
    struct bytes out;
    assert_int_equal(uri_decode(str(raw), as, &arena, &out), DOL_OK);
    assert_bytes(out, expected);
}

static void test_decode(void **state)
{
    (void)state;
    decoded("", URI_DECODE_PATH, "");
    decoded("plain", URI_DECODE_PATH, "plain");
    decoded("a%20b%2Fc%2fd+e", URI_DECODE_PATH, "a b/c/d+e");
    decoded("a%20b%2Fc%2fd+e", URI_DECODE_QUERY, "a b/c/d e");
    decoded("%41", URI_DECODE_PATH, "A");
    decoded("%2541", URI_DECODE_PATH, "%41"); /* once, not twice */
    static const char *const bad[] = {"%", "a%4", "%4", "%zz", "%4g", "%g4", "a%", "%%41", "%+1", "% 1", "%-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *copy = exact_copy(bad[i], strlen(bad[i]));
        struct bytes out;
        assert_int_equal(uri_decode(bytes_of(copy, strlen(bad[i])), URI_DECODE_PATH, &arena, &out), DOL_ESYNTAX);
        free(copy);
    }
    struct bytes out;
    assert_int_equal(uri_decode(str("a%00b"), URI_DECODE_PATH, &arena, &out), DOL_OK);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "a\0b", 3);
}

static void test_query(void **state)
{
    (void)state;
    struct uri_query q;
    assert_int_equal(uri_query_parse(str("&prefix=a%2Fb+c&&delete&delete=&x=1=2&%70=%3D&=v&"), &arena, &q), DOL_OK);
    assert_int_equal(q.count, 6);
    assert_bytes(q.params[0].name, "prefix");
    assert_bytes(q.params[0].value, "a/b c");
    assert_bytes(q.params[1].name, "delete");
    assert_false(q.params[1].has_equals);
    assert_bytes(q.params[2].name, "delete");
    assert_true(q.params[2].has_equals);
    assert_bytes(q.params[2].value, "");
    assert_bytes(q.params[3].value, "1=2");
    assert_bytes(q.params[4].name, "p");
    assert_bytes(q.params[4].value, "=");
    assert_bytes(q.params[5].name, "");
    assert_ptr_equal(uri_query_find(&q, "delete"), &q.params[1]);
    assert_null(uri_query_find(&q, "Delete"));
    assert_null(uri_query_find(&q, "prefi"));

    assert_int_equal(uri_query_parse(str(""), &arena, &q), DOL_OK);
    assert_int_equal(q.count, 0);
    assert_int_equal(uri_query_parse(str("&&"), &arena, &q), DOL_OK);
    assert_int_equal(q.count, 0);
    assert_int_equal(uri_query_parse(str("a=%"), &arena, &q), DOL_ESYNTAX);
    assert_int_equal(uri_query_parse(str("%a=b"), &arena, &q), DOL_ESYNTAX);
}

static void test_query_limit(void **state)
{
    (void)state;
    char text[4 * URI_PARAMS_MAX + 8] = "";
    char *at = text;
    struct uri_query q;
    for (unsigned i = 0; i < URI_PARAMS_MAX; i++)
        at = stpcpy(at, "a&");
    assert_int_equal(uri_query_parse(str(text), &arena, &q), DOL_OK);
    assert_int_equal(q.count, URI_PARAMS_MAX);
    stpcpy(at, "a");
    assert_int_equal(uri_query_parse(str(text), &arena, &q), DOL_ETOOLARGE);
}

static void test_encode(void **state)
{
    (void)state;
    struct bytes out;
    for (int c = 0; c < 256; c++) {
        unsigned char raw = (unsigned char)c;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c != 0 && strchr("-._~", c) != NULL);
        char expected[8];
        snprintf(expected, sizeof expected, plain ? "%c" : "%%%02X", c);
        assert_int_equal(uri_encode(bytes_of(&raw, 1), URI_ENCODE_ALL, &arena, &out), DOL_OK);
        assert_bytes(out, expected);
        assert_int_equal(uri_encode(bytes_of(&raw, 1), URI_ENCODE_PATH, &arena, &out), DOL_OK);
        assert_bytes(out, c == '/' ? "/" : expected);
    }
    assert_int_equal(uri_encode(str("a/b c+\xc3\xa9"), URI_ENCODE_PATH, &arena, &out), DOL_OK);
    assert_bytes(out, "a/b%20c%2B%C3%A9");
    assert_int_equal(uri_encoded_bytes(str("a/b"), URI_ENCODE_ALL), 5);
}

static void located(const char *path, const char *host, const char *domain, const char *bucket, const char *key,
                    bool virtual_host)
{
    struct uri_place place;
    assert_int_equal(uri_locate(str(path), str(host), str(domain), &arena, &place), DOL_OK);
    assert_bytes(place.bucket, bucket);
    assert_bytes(place.key, key);
    assert_int_equal(place.virtual_host, virtual_host);
}

static void test_locate(void **state)
{
    (void)state;
    located("/", "h", "", "", "", false);
    located("/bucket", "h", "", "bucket", "", false);
    located("/bucket/", "h", "", "bucket", "", false);
    located("/bucket/a/b%20c", "h", "", "bucket", "a/b c", false);
    located("/bucket//a/", "h", "", "bucket", "/a/", false);
    located("/bucket/../x", "h", "", "bucket", "../x", false);
    located("/bu%63ket/k", "h", "", "bucket", "k", false);
    located("/buck%2Fet/k", "h", "", "buck/et", "k", false); /* no valid name, and says so later */
    located("//k", "h", "", "", "k", false);

    located("/a/b", "bucket.s3.example", "s3.example", "bucket", "a/b", true);
    located("/a/b", "bucket.s3.example:9000", "s3.example", "bucket", "a/b", true);
    located("/", "My.Bucket.S3.Example", "s3.example", "my.bucket", "", true);
    located("//a", "bucket.s3.example", "s3.example", "bucket", "/a", true);
    located("/bucket/k", "s3.example", "s3.example", "bucket", "k", false);
    located("/bucket/k", ".s3.example", "s3.example", "bucket", "k", false);
    located("/bucket/k", "evils3.example", "s3.example", "bucket", "k", false);
    located("/bucket/k", "127.0.0.1:9000", "s3.example", "bucket", "k", false);
    located("/bucket/k", "[::1]:9000", "s3.example", "bucket", "k", false);
    located("/bucket/k", "", "s3.example", "bucket", "k", false);

    struct uri_place place;
    assert_int_equal(uri_locate(str("bucket"), str("h"), str(""), &arena, &place), DOL_ESYNTAX);
    assert_int_equal(uri_locate(str(""), str("h"), str(""), &arena, &place), DOL_ESYNTAX);
    assert_int_equal(uri_locate(str("/b/%zz"), str("h"), str(""), &arena, &place), DOL_ESYNTAX);
    assert_int_equal(uri_locate(str("/%zz/k"), str("h"), str(""), &arena, &place), DOL_ESYNTAX);
}

static void test_bucket_names(void **state)
{
    (void)state;
    static const char *const good[] = {"abc",
                                       "a-b",
                                       "a.b",
                                       "1.2.3",
                                       "my-bucket.2026",
                                       "0ab",
                                       "a1b2c3",
                                       "1.2.3.4.5",
                                       "a.1.2.3",
                                       "a--b",
                                       "a-.-b",
                                       "012345678901234567890123456789012345678901234567890123456789012"};
    static const char *const bad[] = {"",
                                      "ab",
                                      "Abc",
                                      "a_b",
                                      "-ab",
                                      "ab-",
                                      ".ab",
                                      "ab.",
                                      "a..b",
                                      "192.168.5.4",
                                      "xn--abc",
                                      "sthree-a",
                                      "a-s3alias",
                                      "a--ol-s3",
                                      "a b",
                                      "a.mrap",
                                      "a--x-s3",
                                      "a/b",
                                      "999.999.0.1",
                                      "b\xc3\xbcr",
                                      "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(uri_bucket_name_is_valid(str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(uri_bucket_name_is_valid(str(bad[i])));
    assert_false(uri_bucket_name_is_valid(bytes_of("ab\0", 3)));
}

static void test_keys(void **state)
{
    (void)state;
    char key[URI_KEY_BYTES_MAX + 1];
    memset(key, 'k', sizeof key);
    assert_int_equal(uri_key_check(bytes_of(key, 0)), URI_KEY_EMPTY);
    assert_int_equal(uri_key_check(bytes_of(key, 1)), URI_KEY_OK);
    assert_int_equal(uri_key_check(bytes_of(key, URI_KEY_BYTES_MAX)), URI_KEY_OK);
    assert_int_equal(uri_key_check(bytes_of(key, URI_KEY_BYTES_MAX + 1)), URI_KEY_TOO_LONG);
    static const char *const good[] = {"\xc2\x80",     "\xdf\xbf",     "\xe0\xa0\x80",     "\xed\x9f\xbf",
                                       "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc1\xbf",     "\xc2",
                                      "\xe0\x9f\xbf", "\xed\xa0\x80",     "\xef\xbf",     "\xf0\x8f\xbf\xbf",
                                      "\xf5\x80\x80", "\xf4\x90\x80\x80", "\xe2\x28\xa1", "\xff",
                                      "\xe2\x82",     "\xf0\x90\x80",     "\xc2\xc2"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(uri_key_check(str(good[i])), URI_KEY_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *copy = exact_copy(bad[i], strlen(bad[i]));
        assert_int_equal(uri_key_check(bytes_of(copy, strlen(bad[i]))), URI_KEY_NOT_UTF8);
        free(copy);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    struct arena none;
    struct bytes out;
    struct uri_query q;
    struct uri_place place;
    arena_init(&none, 0);
    assert_int_equal(uri_decode(str("%41"), URI_DECODE_PATH, &none, &out), DOL_ENOMEM);
    assert_int_equal(uri_encode(str(" "), URI_ENCODE_ALL, &none, &out), DOL_ENOMEM);
    assert_int_equal(uri_query_parse(str("a"), &none, &q), DOL_ENOMEM);
    assert_int_equal(uri_locate(str("/b"), str("B.d"), str("d"), &none, &place), DOL_ENOMEM);
    arena_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),        cmocka_unit_test(test_decode), cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_limit),  cmocka_unit_test(test_encode), cmocka_unit_test(test_locate),
        cmocka_unit_test(test_bucket_names), cmocka_unit_test(test_keys),   cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
