/* DeleteObject and DeleteObjects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "hash.h"

static int setup(void **state)
{
    static struct client c;
    client_init(&c, NULL, NULL);
    assert_int_equal(client_do(&c, "PUT", "/bucket", NULL), 200);
    assert_int_equal(client_do(&c, "PUT", "/bucket/a", "1"), 200);
    assert_int_equal(client_do(&c, "PUT", "/bucket/b", "2"), 200);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

static void test_delete_object(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "DELETE", "/bucket/a", NULL), 204);
    assert_int_equal(c->answer.content_length, UINT64_MAX);
    assert_null(client_header(c, "x-amz-version-id"));
    client_expect_do(c, "GET", "/bucket/a", NULL, 404, "NoSuchKey");
    assert_int_equal(client_do(c, "DELETE", "/bucket/a", NULL), 204);
    assert_int_equal(client_do(c, "DELETE", "/bucket/b?versionId=null", NULL), 204);
    client_expect_do(c, "GET", "/bucket/b", NULL, 404, "NoSuchKey");
    client_expect_do(c, "DELETE", "/missing/a", NULL, 404, "NoSuchBucket");
    client_expect_do(c, "DELETE", "/bucket/b?versionId=1", NULL, 400, "InvalidArgument");
    assert_int_equal(client_do(c, "DELETE", "/bucket/b?versionId=0123456789abcdef0123456789abcdef", NULL), 204);
}

static void test_delete_errors(void **state)
{
    struct client *c = *state;
    fake_store_fail(c->store, FAKE_CALL_DELETE, 1, DOL_ERETAINED);
    client_expect_do(c, "DELETE", "/bucket/a", NULL, 403, "AccessDenied");
    fake_store_fail(c->store, FAKE_CALL_DELETE, 1, DOL_EREADONLY);
    client_expect_do(c, "DELETE", "/bucket/a", NULL, 503, "ServiceUnavailable");
    client_expect(
        c, (&(struct client_call){.method = "DELETE", .target = "/bucket/a", .headers = {{"if-none-match", "*"}}}), 501,
        "NotImplemented");
    assert_int_equal(client_do(c, "GET", "/bucket/a", NULL), 200);
}

/* Signed, with Content-MD5 as older clients send it. */
static struct client_call delete_call(const char *body, char md5_text[25])
{
    uint8_t md5[16];
    struct hash_stream *h = hash_stream_new(HASH_MD5);
    hash_stream_update(h, body, strlen(body));
    hash_stream_final(h, md5);
    hash_stream_free(h);
    base64_encode(md5, sizeof md5, md5_text);
    return (struct client_call){
        .method = "POST", .target = "/bucket?delete", .body = body, .headers = {{"content-md5", md5_text}}};
}

static void test_delete_objects(void **state)
{
    struct client *c = *state;
    char md5[25];
    struct client_call call = delete_call("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                                          "<Object><Key>a</Key></Object><Object><Key>none</Key></Object></Delete>",
                                          md5);
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(c->answer.operation, "DeleteObjects");
    assert_int_equal(client_count(c, "<Deleted><Key>"), 2);
    client_expect_do(c, "GET", "/bucket/a", NULL, 404, "NoSuchKey");
    assert_int_equal(client_do(c, "GET", "/bucket/b", NULL), 200);

    call = delete_call("<Delete><Quiet>true</Quiet><Object><Key>b</Key><VersionId>null</VersionId></Object></Delete>",
                       md5);
    assert_int_equal(client_call(c, &call), 200);
    assert_int_equal(client_count(c, "<Deleted>"), 0);
    client_expect_do(c, "GET", "/bucket/b", NULL, 404, "NoSuchKey");

    call.target = "/missing?delete=";
    client_expect(c, &call, 404, "NoSuchBucket");
}

static void test_delete_objects_errors(void **state)
{
    struct client *c = *state;
    char md5[25];
    struct client_call call = delete_call("<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object>"
                                          "<Object><Key>b</Key><Size>1</Size></Object>"
                                          "<Object><Key>c</Key><VersionId>zzz</VersionId></Object></Delete>",
                                          md5);
    fake_store_fail(c->store, FAKE_CALL_DELETE, 1, DOL_ERETAINED);
    assert_int_equal(client_call(c, &call), 200);
    assert_int_equal(client_count(c, "<Error>"), 3);
    assert_int_equal(client_count(c, "<Code>AccessDenied</Code>"), 1);
    assert_int_equal(client_count(c, "<Code>NotImplemented</Code>"), 1);
    assert_int_equal(client_count(c, "<Code>NoSuchVersion</Code>"), 1);
    assert_int_equal(client_do(c, "GET", "/bucket/a", NULL), 200);
    assert_int_equal(client_do(c, "GET", "/bucket/b", NULL), 200);
}

static void test_delete_objects_integrity(void **state)
{
    struct client *c = *state;
    static const char body[] = "<Delete><Object><Key>a</Key></Object></Delete>";
    char md5[25];
    struct client_call call = delete_call(body, md5);
    call.headers[0].name = NULL;
    client_expect(c, &call, 400, "InvalidRequest");
    call.headers[0] = (struct client_header){"content-md5", "XUFAKrxLKna5cZ2REBfFkg=="};
    client_expect(c, &call, 400, "BadDigest");
    call.headers[0] = (struct client_header){"content-md5", "XUFAKrxLKna5cZ2REBfFk"};
    client_expect(c, &call, 400, "InvalidDigest");
    call.headers[0] = (struct client_header){"x-amz-checksum-crc32", "NhCmhg=="};
    client_expect(c, &call, 400, "BadDigest");
    uint32_t crc = crc32_gzip(0, body, strlen(body));
    uint8_t big_endian[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc};
    char text[9];
    base64_encode(big_endian, 4, text);
    assert_int_equal(client_do(c, "GET", "/bucket/a", NULL), 200);
    call.headers[0].value = text;
    assert_int_equal(client_call(c, &call), 200);
    client_expect_do(c, "GET", "/bucket/a", NULL, 404, "NoSuchKey");
}

static void test_delete_objects_malformed(void **state)
{
    struct client *c = *state;
    static const char *const bodies[] = {
        "",
        "<Delete/>",
        "<Delete><Object/></Delete>",
        "<Delete><Object><Key>a</Key>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><Delete><Object><Key>&b;</Key></Object></Delete>",
        "<Other><Object><Key>a</Key></Object></Other>"};
    char md5[25];
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct client_call call = delete_call(bodies[i], md5);
        client_expect(c, &call, 400, "MalformedXML");
    }
    struct client_call call = delete_call("", md5);
    call.content_length = "2097153";
    client_expect(c, &call, 400, "MaxMessageLengthExceeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_delete_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_objects_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_objects_integrity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_objects_malformed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
