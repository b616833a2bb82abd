/* CopyObject: to another name, onto itself, with the old metadata or new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

#define HELLO_ETAG  "\"5d41402abc4b2a76b9719d911017c592\""
#define HELLO_SHA1  "qvTGHdzF6KLavt4PO0gs2a6pQ00="
#define HELLO_CRC32 "NhCmhg=="
#define EARLY       "Tue, 14 Nov 2023 22:13:19 GMT"
#define MTIME       "Tue, 14 Nov 2023 22:13:20 GMT"

static int setup(void **state)
{
    static struct client c;
    client_init(&c, NULL, NULL);
    assert_int_equal(client_do(&c, "PUT", "/bucket", NULL), 200);
    assert_int_equal(client_do(&c, "PUT", "/other", NULL), 200);
    assert_int_equal(
        client_call(&c, &(struct client_call){.method = "PUT",
                                              .target = "/bucket/a%20b",
                                              .body = "hello",
                                              .headers = {{"content-type", "application/dicom"},
                                                          {"x-amz-meta-one", "1"},
                                                          {"x-amz-checksum-sha1", HELLO_SHA1},
                                                          {"x-amz-website-redirect-location", "/elsewhere"}}}),
        200);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

static struct client_call copy_call(const char *target, const char *source)
{
    return (struct client_call){.method = "PUT", .target = target, .headers = {{"x-amz-copy-source", source}}};
}

static void test_copy(void **state)
{
    struct client *c = *state;
    static const char *const sources[] = {"/bucket/a%20b", "bucket/a%20b", "bucket%2Fa%20b",
                                          "/bucket/a%20b?versionId=null"};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct client_call call = copy_call("/other/copy", sources[i]);
        assert_int_equal(client_call(c, &call), 200);
        assert_string_equal(c->answer.operation, "CopyObject");
        assert_string_equal(client_element(c, "ETag"), "&quot;5d41402abc4b2a76b9719d911017c592&quot;");
        assert_string_equal(client_element(c, "ChecksumSHA1"), HELLO_SHA1);
        assert_string_equal(client_element(c, "LastModified"), "2023-11-14T22:13:20.123Z");
        assert_int_equal(client_do(c, "GET", "/other/copy", NULL), 200);
        assert_string_equal(c->answer.body, "hello");
        assert_string_equal(client_header(c, "Content-Type"), "application/dicom");
        assert_string_equal(client_header(c, "x-amz-meta-one"), "1");
        assert_null(client_header(c, "x-amz-website-redirect-location"));
        assert_int_equal(client_do(c, "DELETE", "/other/copy", NULL), 204);
    }
}

static void test_replace_metadata(void **state)
{
    struct client *c = *state;
    struct client_call call = copy_call("/bucket/a%20b", "/bucket/a%20b");
    client_expect(c, &call, 400, "InvalidRequest");
    call.headers[1] = (struct client_header){"x-amz-metadata-directive", "COPY"};
    client_expect(c, &call, 400, "InvalidRequest");
    call.headers[1].value = "REPLACE";
    call.headers[2] = (struct client_header){"x-amz-meta-mtime", "1.5"};
    call.headers[3] = (struct client_header){"content-type", "text/plain"};
    call.headers[4] = (struct client_header){"x-amz-acl", "private"};
    assert_int_equal(client_call(c, &call), 200);
    assert_int_equal(client_do(c, "GET", "/bucket/a%20b", NULL), 200);
    assert_string_equal(c->answer.body, "hello");
    assert_string_equal(client_header(c, "ETag"), HELLO_ETAG);
    assert_string_equal(client_header(c, "Content-Type"), "text/plain");
    assert_string_equal(client_header(c, "x-amz-meta-mtime"), "1.5");
    assert_null(client_header(c, "x-amz-meta-one"));
    call.headers[1].value = "MERGE";
    client_expect(c, &call, 400, "InvalidArgument");
}

static void test_checksum_algorithm(void **state)
{
    struct client *c = *state;
    struct client_call call = copy_call("/bucket/copy", "/bucket/a%20b");
    call.headers[1] = (struct client_header){"x-amz-checksum-algorithm", "CRC32"};
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(client_element(c, "ChecksumCRC32"), HELLO_CRC32);
    call.headers[1].value = "MD4";
    client_expect(c, &call, 400, "InvalidRequest");
}

static void test_empty_and_pieces(void **state)
{
    struct client *c = *state;
    static const char *const bodies[] = {"", "1234567", "12345678", "123456789012345"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_int_equal(client_do(c, "PUT", "/bucket/source", bodies[i]), 200);
        struct client_call call = copy_call("/bucket/copy", "bucket/source");
        assert_int_equal(client_call(c, &call), 200);
        assert_int_equal(client_do(c, "GET", "/bucket/copy", NULL), 200);
        assert_int_equal(c->answer.body_len, strlen(bodies[i]));
        assert_memory_equal(c->answer.body_len > 0 ? c->answer.body : "", bodies[i], strlen(bodies[i]));
    }
}

static void test_conditions(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *name;
        const char *value;
        unsigned status;
    } cases[] = {
        {"x-amz-copy-source-if-match", HELLO_ETAG, 200},       {"x-amz-copy-source-if-match", "\"other\"", 412},
        {"x-amz-copy-source-if-none-match", HELLO_ETAG, 412},  {"x-amz-copy-source-if-none-match", "\"other\"", 200},
        {"x-amz-copy-source-if-modified-since", EARLY, 200},   {"x-amz-copy-source-if-modified-since", MTIME, 412},
        {"x-amz-copy-source-if-unmodified-since", EARLY, 412}, {"x-amz-copy-source-if-unmodified-since", MTIME, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client_call call = copy_call("/bucket/copy", "/bucket/a%20b");
        call.headers[1] = (struct client_header){cases[i].name, cases[i].value};
        client_expect(c, &call, cases[i].status, cases[i].status == 412 ? "PreconditionFailed" : "");
    }
}

static void test_refused(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *source;
        unsigned status;
        const char *code;
    } cases[] = {
        {"/bucket/none", 404, "NoSuchKey"},
        {"/missing/key", 404, "NoSuchBucket"},
        {"/bucket/a%20b?versionId=0123456789abcdef0123456789abcdef", 404, "NoSuchVersion"},
        {"/bucket/a%20b?versionId=1", 400, "InvalidArgument"},
        {"/bucket/a%20b?other=1", 400, "InvalidArgument"},
        {"/bucket", 400, "InvalidArgument"},
        {"/bucket/", 400, "InvalidArgument"},
        {"/", 400, "InvalidArgument"},
        {"/Bad_Bucket/key", 400, "InvalidArgument"},
        {"/bucket/%zz", 400, "InvalidArgument"},
        {"/bucket/%FF", 400, "InvalidArgument"},
    };
    unsigned changes = fake_store_changes(c->store);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client_call call = copy_call("/bucket/copy", cases[i].source);
        client_expect(c, &call, cases[i].status, cases[i].code);
    }
    struct client_call call = copy_call("/missing/copy", "/bucket/a%20b");
    client_expect(c, &call, 404, "NoSuchBucket");
    call = copy_call("/bucket/copy", "/bucket/a%20b");
    call.headers[1] = (struct client_header){"x-amz-tagging", "a=b&a=c"};
    call.headers[2] = (struct client_header){"x-amz-tagging-directive", "REPLACE"};
    client_expect(c, &call, 400, "InvalidTag");
    assert_int_equal(fake_store_changes(c->store), changes);
}

static void test_store_errors(void **state)
{
    struct client *c = *state;
    static const enum fake_call calls[] = {FAKE_CALL_READ, FAKE_CALL_PUT_BEGIN, FAKE_CALL_PUT_WRITE,
                                           FAKE_CALL_PUT_FINISH};
    unsigned changes = fake_store_changes(c->store);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct client_call call = copy_call("/bucket/copy", "/bucket/a%20b");
        fake_store_fail(c->store, calls[i], 1, DOL_ECORRUPT);
        client_expect(c, &call, 500, "InternalError");
        fake_store_fail(c->store, calls[i], 1, DOL_EFULL);
        client_expect(c, &call, 507, "StorageFull");
    }
    struct client_call call = copy_call("/bucket/copy", "/bucket/a%20b");
    fake_store_fail(c->store, FAKE_CALL_PUT_FINISH, 1, DOL_EDIGEST);
    client_expect(c, &call, 500, "InternalError");
    assert_int_equal(fake_store_changes(c->store), changes);
}

static void test_small_arena(void **state)
{
    struct client *c = *state;
    for (size_t bytes = 1; bytes < 32u << 10; bytes += 113) {
        struct client_call call = copy_call("/bucket/copy", "/bucket/a%20b");
        call.headers[1] = (struct client_header){"x-amz-copy-source-if-match", "\"other\""};
        call.arena_bytes = bytes;
        unsigned status = client_call(c, &call);
        assert_true(status == 412 || status == 503 || (status == 0 && c->answer.cut));
        call.headers[1].name = NULL;
        status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksum_algorithm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_and_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conditions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_arena, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
