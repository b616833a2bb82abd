/* ListObjects, both versions: pages, prefixes, delimiters, encodings, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

#include <stdio.h>
#include <stdlib.h>

static int setup(void **state)
{
    static struct client c;
    static const char *const keys[] = {
        "a/1", "a/2", "b/1", "c", "d%20e", "f%26%3C%3E", "photos/2006/jan", "photos/2006/feb", "z"};
    client_init(&c, NULL, NULL);
    assert_int_equal(client_do(&c, "PUT", "/bucket", NULL), 200);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/bucket/%s", keys[i]);
        assert_int_equal(client_do(&c, "PUT", target, "xyz"), 200);
    }
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

/* Keys of the answer, then its common prefixes in brackets, each followed by a blank. */
static const char *names(struct client *c)
{
    static char out[4096];
    size_t len = 0;
    bool in_prefixes = false;
    out[0] = '\0';
    for (const char *at = c->answer.body; at != NULL && *at != '\0'; at++) {
        if (strncmp(at, "<CommonPrefixes>", 16) == 0)
            in_prefixes = true;
        bool is_key = strncmp(at, "<Key>", 5) == 0;
        if (!is_key && !(in_prefixes && strncmp(at, "<Prefix>", 8) == 0))
            continue;
        const char *from = strchr(at, '>') + 1;
        int n = (int)(strchr(from, '<') - from);
        len += (size_t)snprintf(out + len, sizeof out - len, is_key ? "%.*s " : "[%.*s] ", n, from);
    }
    return out;
}

static void expect_names(struct client *c, const char *query, const char *expected)
{
    char target[2048];
    snprintf(target, sizeof target, "/bucket?%s", query);
    assert_int_equal(client_do(c, "GET", target, NULL), 200);
    assert_string_equal(names(c), expected);
}

static void test_all(void **state)
{
    struct client *c = *state;
    static const char all[] = "a/1 a/2 b/1 c d e f&amp;&lt;&gt; photos/2006/feb photos/2006/jan z ";
    expect_names(c, "", all);
    assert_string_equal(client_element(c, "Name"), "bucket");
    assert_string_equal(client_element(c, "Prefix"), "");
    assert_string_equal(client_element(c, "Marker"), "");
    assert_string_equal(client_element(c, "MaxKeys"), "1000");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_string_equal(client_element(c, "Size"), "3");
    assert_string_equal(client_element(c, "StorageClass"), "STANDARD");
    assert_string_equal(client_element(c, "LastModified"), "2023-11-14T22:13:20.123Z");
    assert_string_equal(client_element(c, "ChecksumAlgorithm"), "CRC64NVME");
    assert_int_equal(client_count(c, "<Owner>"), 9);
    assert_null(client_element(c, "KeyCount"));
    expect_names(c, "list-type=2", all);
    assert_string_equal(client_element(c, "KeyCount"), "9");
    assert_int_equal(client_count(c, "<Owner>"), 0);
    assert_null(client_element(c, "Marker"));
    expect_names(c, "list-type=2&fetch-owner=true", all);
    assert_int_equal(client_count(c, "<Owner>"), 9);
    assert_string_equal(c->answer.operation, "ListObjectsV2");
    client_expect_do(c, "GET", "/missing?list-type=2", NULL, 404, "NoSuchBucket");
    client_expect_do(c, "GET", "/missing", NULL, 404, "NoSuchBucket");
}

static void test_prefix_and_delimiter(void **state)
{
    struct client *c = *state;
    expect_names(c, "delimiter=%2F", "c d e f&amp;&lt;&gt; z [a/] [b/] [photos/] ");
    expect_names(c, "prefix=a%2F", "a/1 a/2 ");
    expect_names(c, "prefix=a&delimiter=%2F", "[a/] ");
    expect_names(c, "prefix=photos%2F&delimiter=%2F", "[photos/2006/] ");
    expect_names(c, "prefix=photos%2F2006%2F&delimiter=%2F", "photos/2006/feb photos/2006/jan ");
    expect_names(c, "delimiter=2006%2F", "a/1 a/2 b/1 c d e f&amp;&lt;&gt; z [photos/2006/] ");
    expect_names(c, "delimiter=", "a/1 a/2 b/1 c d e f&amp;&lt;&gt; photos/2006/feb photos/2006/jan z ");
    expect_names(c, "prefix=none", "");
    expect_names(c, "list-type=2&delimiter=%2F", "c d e f&amp;&lt;&gt; z [a/] [b/] [photos/] ");
    assert_string_equal(client_element(c, "KeyCount"), "7");
    assert_string_equal(client_element(c, "Delimiter"), "/");
}

static void test_v1_pages(void **state)
{
    struct client *c = *state;
    expect_names(c, "max-keys=2", "a/1 a/2 ");
    assert_string_equal(client_element(c, "IsTruncated"), "true");
    assert_null(client_element(c, "NextMarker"));
    expect_names(c, "max-keys=2&marker=a%2F2", "b/1 c ");
    assert_string_equal(client_element(c, "Marker"), "a/2");
    expect_names(c, "max-keys=2&delimiter=%2F", "[a/] [b/] ");
    assert_string_equal(client_element(c, "NextMarker"), "b/");
    expect_names(c, "max-keys=4&delimiter=%2F&marker=b%2F", "c d e f&amp;&lt;&gt; [photos/] ");
    assert_string_equal(client_element(c, "NextMarker"), "photos/");
    expect_names(c, "max-keys=4&delimiter=%2F&marker=photos%2F", "z ");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_null(client_element(c, "NextMarker"));
    expect_names(c, "marker=zz", "");
}

/* "/bucket?list-type=2&<query>&continuation-token=<the answer's, encoded>" */
static void next_target(struct client *c, const char *bucket, const char *query, char target[2048])
{
    const char *token = client_element(c, "NextContinuationToken");
    assert_non_null(token);
    size_t len = (size_t)snprintf(target, 2048, "/%s?list-type=2&%s&continuation-token=", bucket, query);
    for (; *token != '\0'; token++)
        len += (size_t)snprintf(target + len, 2048 - len, strchr("+/=", *token) != NULL ? "%%%02X" : "%c", *token);
}

static void test_v2_pages(void **state)
{
    struct client *c = *state;
    static const char query[] = "max-keys=2&delimiter=%2F";
    static const char *const pages[] = {"[a/] [b/] ", "c d e ", "f&amp;&lt;&gt; [photos/] ", "z "};
    char target[2048];
    expect_names(c, "list-type=2&max-keys=2&delimiter=%2F", pages[0]);
    for (size_t i = 1; i < 4; i++) {
        assert_string_equal(client_element(c, "IsTruncated"), "true");
        next_target(c, "bucket", query, target);
        assert_int_equal(client_do(c, "GET", target, NULL), 200);
        assert_string_equal(names(c), pages[i]);
        assert_non_null(client_element(c, "ContinuationToken"));
    }
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_null(client_element(c, "NextContinuationToken"));
}

static void test_v2_positions(void **state)
{
    struct client *c = *state;
    expect_names(c, "list-type=2&start-after=f", "f&amp;&lt;&gt; photos/2006/feb photos/2006/jan z ");
    assert_string_equal(client_element(c, "StartAfter"), "f");
    client_expect_do(c, "GET", "/bucket?list-type=2&continuation-token=", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket?list-type=2&continuation-token=nonsense", NULL, 400, "InvalidArgument");
    /* a token of another bucket */
    char target[2048];
    assert_int_equal(client_do(c, "PUT", "/other", NULL), 200);
    assert_int_equal(client_do(c, "GET", "/bucket?list-type=2&max-keys=1", NULL), 200);
    next_target(c, "other", "max-keys=1", target);
    client_expect_do(c, "GET", target, NULL, 400, "InvalidArgument");
}

static void test_max_keys(void **state)
{
    struct client *c = *state;
    static const char *const invalid[] = {"abc", "-1", "1.5", "99999999999", "+5"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/bucket?max-keys=%s%s", invalid[i][0] == '+' ? "%2B" : "",
                 invalid[i] + (invalid[i][0] == '+'));
        client_expect_do(c, "GET", target, NULL, 400, "InvalidArgument");
        assert_string_equal(client_element(c, "ArgumentName"), "max-keys");
    }
    expect_names(c, "max-keys=0", "");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_string_equal(client_element(c, "MaxKeys"), "0");
    client_expect_do(c, "GET", "/missing?max-keys=0", NULL, 404, "NoSuchBucket");
    expect_names(c, "max-keys=2147483647&prefix=z", "z ");
    assert_string_equal(client_element(c, "MaxKeys"), "1000");
    expect_names(c, "max-keys=9&list-type=2", "a/1 a/2 b/1 c d e f&amp;&lt;&gt; photos/2006/feb photos/2006/jan z ");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
}

static void test_encoding(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket/e%01%0A%C3%A9%2B%25", "x"), 200);
    expect_names(c, "prefix=e", "e&#x1;\n\xc3\xa9+% ");
    expect_names(c, "prefix=e&encoding-type=url", "e%01%0A%C3%A9%2B%25 ");
    assert_string_equal(client_element(c, "EncodingType"), "url");
    expect_names(c, "encoding-type=url&delimiter=%20&prefix=d%20", "d%20e ");
    assert_string_equal(client_element(c, "Prefix"), "d%20");
    assert_string_equal(client_element(c, "Delimiter"), "%20");
    client_expect_do(c, "GET", "/bucket?encoding-type=base64", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket?list-type=3", NULL, 400, "InvalidArgument");
}

static void test_long_positions(void **state)
{
    struct client *c = *state;
    static const char *const names_of[] = {"prefix", "marker", "list-type=2&start-after"};
    for (size_t i = 0; i < 3; i++) {
        char target[1200];
        int len = snprintf(target, sizeof target, "/bucket?%s=", names_of[i]);
        memset(target + len, 'k', 1025);
        target[len + 1025] = '\0';
        client_expect_do(c, "GET", target, NULL, 400, "KeyTooLongError");
        target[len + 1024] = '\0';
        assert_int_equal(client_do(c, "GET", target, NULL), 200);
    }
}

/* 1,000 keys of 1,024 bytes: more than one buffer, less than the arena. With a small arena the page ends early and says
 * so; nothing is lost. */
static void test_large_page(void **state)
{
    struct client *c = *state;
    char target[1200] = "/bucket/long";
    memset(target + 12, 'k', 1016);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(target + 12 + 1016, 8, "%04u", i);
        assert_int_equal(client_do(c, "PUT", target, "x"), 200);
    }
    assert_int_equal(client_do(c, "GET", "/bucket?prefix=long", NULL), 200);
    assert_int_equal(client_count(c, "<Contents>"), 1000);
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    struct client_call call = {.method = "GET", .target = "/bucket?prefix=long&list-type=2", .arena_bytes = 400u << 10};
    assert_int_equal(client_call(c, &call), 200);
    unsigned count = client_count(c, "<Contents>");
    assert_in_range(count, 100, 999);
    assert_string_equal(client_element(c, "IsTruncated"), "true");
    assert_non_null(client_element(c, "NextContinuationToken"));
    call.arena_bytes = 60u << 10;
    client_expect(c, &call, 503, "SlowDown");
}

static void test_store_errors(void **state)
{
    struct client *c = *state;
    fake_store_fail(c->store, FAKE_CALL_LIST, 1, DOL_EBUSY);
    client_expect_do(c, "GET", "/bucket", NULL, 503, "SlowDown");
    assert_string_equal(client_header(c, "Retry-After"), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefix_and_delimiter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_v1_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_v2_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_v2_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_max_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encoding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
