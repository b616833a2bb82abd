/* GetObject and HeadObject: conditions, ranges, overrides, and errors in the middle of a body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

#include <stdio.h>

#define BODY  "0123456789abcdefghij"
#define MTIME "Tue, 14 Nov 2023 22:13:20 GMT"
#define EARLY "Tue, 14 Nov 2023 22:13:19 GMT"
#define LATER "Tue, 14 Nov 2023 22:13:21 GMT"

static char etag[64];

static int setup(void **state)
{
    static struct client c;
    client_init(&c, NULL, NULL);
    assert_int_equal(client_do(&c, "PUT", "/bucket", NULL), 200);
    assert_int_equal(client_do(&c, "PUT", "/bucket/key", BODY), 200);
    snprintf(etag, sizeof etag, "%s", client_header(&c, "ETag"));
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

static void test_missing(void **state)
{
    struct client *c = *state;
    client_expect_do(c, "GET", "/bucket/other", NULL, 404, "NoSuchKey");
    assert_string_equal(client_element(c, "Key"), "other");
    client_expect_do(c, "HEAD", "/bucket/other", NULL, 404, "NoSuchKey");
    client_expect_do(c, "GET", "/missing/key", NULL, 404, "NoSuchBucket");
    client_expect_do(c, "HEAD", "/missing/key", NULL, 404, "NoSuchBucket");
}

static void test_ranges(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *range;
        unsigned status;
        const char *body;
        const char *content_range;
    } cases[] = {
        {"bytes=0-0", 206, "0", "bytes 0-0/20"},
        {"bytes=0-19", 206, BODY, "bytes 0-19/20"},
        {"bytes=5-", 206, "56789abcdefghij", "bytes 5-19/20"},
        {"bytes=6-7", 206, "67", "bytes 6-7/20"},
        {"bytes=7-13", 206, "789abcd", "bytes 7-13/20"},
        {"bytes=19-500", 206, "j", "bytes 19-19/20"},
        {"bytes=-3", 206, "hij", "bytes 17-19/20"},
        {"bytes=-100", 206, BODY, "bytes 0-19/20"},
        {"bytes=0-1,5-6", 200, BODY, NULL},
        {"bytes=9-3", 200, BODY, NULL},
        {"lines=1-2", 200, BODY, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client_call call = {.method = "GET", .target = "/bucket/key", .headers = {{"range", cases[i].range}}};
        assert_int_equal(client_call(c, &call), cases[i].status);
        assert_string_equal(c->answer.body, cases[i].body);
        assert_int_equal(c->answer.content_length, strlen(cases[i].body));
        if (cases[i].content_range == NULL)
            assert_null(client_header(c, "Content-Range"));
        else
            assert_string_equal(client_header(c, "Content-Range"), cases[i].content_range);
        call.method = "HEAD";
        assert_int_equal(client_call(c, &call), cases[i].status);
        assert_int_equal(c->answer.content_length, strlen(cases[i].body));
        assert_int_equal(c->answer.body_len, 0);
    }
}

static void test_unsatisfiable_ranges(void **state)
{
    struct client *c = *state;
    static const char *const ranges[] = {"bytes=20-", "bytes=20-25", "bytes=-0"};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        client_expect(
            c, (&(struct client_call){.method = "GET", .target = "/bucket/key", .headers = {{"range", ranges[i]}}}),
            416, "InvalidRange");
        assert_string_equal(client_element(c, "RangeRequested"), ranges[i]);
        assert_string_equal(client_element(c, "ActualObjectSize"), "20");
        assert_string_equal(client_header(c, "Content-Range"), "bytes */20");
        client_expect(
            c, (&(struct client_call){.method = "HEAD", .target = "/bucket/key", .headers = {{"range", ranges[i]}}}),
            416, "InvalidRange");
    }
}

static void test_if_range(void **state)
{
    struct client *c = *state;
    const struct {
        const char *value;
        unsigned status;
    } cases[] = {{etag, 206}, {"\"other\"", 200}, {MTIME, 206}, {EARLY, 200}, {LATER, 200}, {"*", 200}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(
            client_call(c, &(struct client_call){.method = "GET",
                                                 .target = "/bucket/key",
                                                 .headers = {{"range", "bytes=0-0"}, {"if-range", cases[i].value}}}),
            cases[i].status);
}

static void test_part_number(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "GET", "/bucket/key?partNumber=1", NULL), 206);
    assert_string_equal(client_header(c, "Content-Range"), "bytes 0-19/20");
    assert_string_equal(c->answer.body, BODY);
    client_expect_do(c, "GET", "/bucket/key?partNumber=2", NULL, 416, "InvalidPartNumber");
    client_expect_do(c, "GET", "/bucket/key?partNumber=0", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket/key?partNumber=10001", NULL, 400, "InvalidArgument");
    client_expect(c,
                  (&(struct client_call){
                      .method = "GET", .target = "/bucket/key?partNumber=1", .headers = {{"range", "bytes=0-1"}}}),
                  400, "InvalidRequest");
    assert_int_equal(client_do(c, "PUT", "/bucket/empty", ""), 200);
    assert_int_equal(client_do(c, "GET", "/bucket/empty?partNumber=1", NULL), 200);
}

static void test_conditions(void **state)
{
    struct client *c = *state;
    char weak[80], list[160];
    snprintf(weak, sizeof weak, "W/%s", etag);
    snprintf(list, sizeof list, "\"a\", %s", etag);
    const struct {
        struct client_header headers[2];
        unsigned status;
    } cases[] = {
        {{{"if-match", etag}}, 200},
        {{{"if-match", list}}, 200},
        {{{"if-match", "*"}}, 200},
        {{{"if-match", weak}}, 412},
        {{{"if-match", "\"other\""}}, 412},
        {{{"if-none-match", etag}}, 304},
        {{{"if-none-match", weak}}, 304},
        {{{"if-none-match", list}}, 304},
        {{{"if-none-match", "*"}}, 304},
        {{{"if-none-match", "\"other\""}}, 200},
        {{{"if-modified-since", EARLY}}, 200},
        {{{"if-modified-since", MTIME}}, 304},
        {{{"if-modified-since", LATER}}, 304},
        {{{"if-modified-since", "nonsense"}}, 200},
        {{{"if-unmodified-since", EARLY}}, 412},
        {{{"if-unmodified-since", MTIME}}, 200},
        {{{"if-unmodified-since", LATER}}, 200},
        /* the stronger one of each pair decides */
        {{{"if-match", etag}, {"if-unmodified-since", EARLY}}, 200},
        {{{"if-none-match", "\"other\""}, {"if-modified-since", MTIME}}, 200},
        {{{"if-none-match", etag}, {"if-modified-since", EARLY}}, 304},
        {{{"if-match", "\"other\""}, {"if-none-match", etag}}, 412},
        {{{"if-match", etag}, {"if-none-match", etag}}, 304},
        {{{"if-unmodified-since", EARLY}, {"if-modified-since", MTIME}}, 412},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client_call call = {.method = "GET", .target = "/bucket/key"};
        memcpy(call.headers, cases[i].headers, sizeof cases[i].headers);
        assert_int_equal(client_call(c, &call), cases[i].status);
        if (cases[i].status == 412)
            assert_string_equal(client_element(c, "Code"), "PreconditionFailed");
        if (cases[i].status == 304) {
            assert_string_equal(client_header(c, "ETag"), etag);
            assert_int_equal(c->answer.body_len, 0);
            assert_int_equal(c->answer.content_length, UINT64_MAX);
        }
        call.method = "HEAD";
        assert_int_equal(client_call(c, &call), cases[i].status);
    }
    client_expect(c, (&(struct client_call){.method = "GET", .target = "/bucket/key", .headers = {{"if-match", "x"}}}),
                  412, "PreconditionFailed");
    assert_string_equal(client_element(c, "Condition"), "If-Match");
}

static void test_overrides(void **state)
{
    struct client *c = *state;
    static const char target[] =
        "/bucket/key?response-cache-control=no-cache&response-content-disposition=attachment%3B%20filename%3Da"
        "&response-content-encoding=gzip&response-content-language=de&response-content-type=text%2Fplain"
        "&response-expires=never";
    assert_int_equal(client_do(c, "GET", target, NULL), 200);
    assert_string_equal(client_header(c, "Cache-Control"), "no-cache");
    assert_string_equal(client_header(c, "Content-Disposition"), "attachment; filename=a");
    assert_string_equal(client_header(c, "Content-Encoding"), "gzip");
    assert_string_equal(client_header(c, "Content-Language"), "de");
    assert_string_equal(client_header(c, "Content-Type"), "text/plain");
    assert_string_equal(client_header(c, "Expires"), "never");
    client_expect_do(c, "GET", "/bucket/key?response-content-type=a%0D%0Ax-injected%3A%201", NULL, 400,
                     "InvalidArgument");
    assert_int_equal(client_call(c, &(struct client_call){.method = "GET",
                                                          .target = "/bucket/key?response-content-type=text%2Fcsv",
                                                          .auth = CLIENT_PRESIGNED}),
                     200);
    assert_string_equal(client_header(c, "Content-Type"), "text/csv");
}

static void test_version_ids(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "GET", "/bucket/key?versionId=null", NULL), 200);
    client_expect_do(c, "GET", "/bucket/key?versionId=", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket/key?versionId=xyz", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket/key?versionId=0123456789abcdef0123456789abcdef", NULL, 404, "NoSuchVersion");
    client_expect_do(c, "HEAD", "/bucket/key?versionId=0123456789abcdef0123456789abcdef", NULL, 404, "NoSuchVersion");
}

static void test_acl_and_tagging(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "GET", "/bucket/key?acl", NULL), 200);
    assert_string_equal(client_element(c, "Permission"), "FULL_CONTROL");
    assert_int_equal(client_do(c, "GET", "/bucket/key?tagging", NULL), 200);
    assert_string_equal(client_element(c, "TagSet"), "");
    client_expect_do(c, "GET", "/bucket/other?acl", NULL, 404, "NoSuchKey");
    client_expect_do(c, "GET", "/bucket/other?tagging", NULL, 404, "NoSuchKey");
}

static void test_unreadable_object(void **state)
{
    struct client *c = *state;
    fake_store_fail(c->store, FAKE_CALL_READ, 1, DOL_ECORRUPT);
    client_expect_do(c, "GET", "/bucket/key", NULL, 500, "InternalError");
    assert_false(c->answer.cut);
}

static void test_error_in_body_cuts(void **state)
{
    struct client *c = *state;
    fake_store_fail(c->store, FAKE_CALL_READ, 2, DOL_ECORRUPT);
    assert_int_equal(client_do(c, "GET", "/bucket/key", NULL), 200);
    assert_true(c->answer.cut);
    assert_int_equal(c->answer.content_length, 20);
    assert_string_equal(c->answer.body, "0123456");
    assert_string_equal(c->answer.error_code, "InternalError");
}

/* The server's decision to close after the response is no reason to leave out its body. */
static void test_connection_close(void **state)
{
    struct client *c = *state;
    struct client_call call = {.method = "GET", .target = "/bucket/key", .headers = {{"connection", "close"}}};
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(c->answer.body, BODY);
    call.target = "/bucket";
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(client_element(c, "Key"), "key");
    call.target = "/bucket/other";
    client_expect(c, &call, 404, "NoSuchKey");
}

static void test_client_goes_away(void **state)
{
    struct client *c = *state;
    assert_int_equal(
        client_call(c, &(struct client_call){.method = "GET", .target = "/bucket/key", .write_fails_after_bytes = 8}),
        200);
    assert_true(c->answer.cut);
    assert_string_equal(c->answer.body, "0123456");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unsatisfiable_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_if_range, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_number, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conditions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overrides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acl_and_tagging, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unreadable_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_in_body_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connection_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_goes_away, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
