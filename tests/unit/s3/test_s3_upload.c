/* CreateMultipartUpload, UploadPart, UploadPartCopy, AbortMultipartUpload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upload_steps.h"

#include <stdio.h>
#include <stdlib.h>

#define HELLO_ETAG      "\"5d41402abc4b2a76b9719d911017c592\""
#define HELLO_CRC32     "NhCmhg=="
#define HELLO_CRC64NVME "M3eFcAZSQlc="
#define HELLO_SHA256    "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
#define NO_UPLOAD       "uploadId=00000000000000000000000000000000"

static int setup(void **state)
{
    static struct client c;
    client_init(&c, NULL, NULL);
    assert_int_equal(client_do(&c, "PUT", "/bucket", NULL), 200);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

static void expect_part(struct step_upload *u, const struct client_header *headers, unsigned status, const char *code)
{
    struct client_call call = {.method = "PUT", .target = step_target(u, 1), .body = "hello"};
    for (unsigned i = 0; headers != NULL && headers[i].name != NULL; i++)
        call.headers[i] = headers[i];
    if (status == 200)
        assert_int_equal(client_call(u->c, &call), 200);
    else
        client_expect(u->c, &call, status, code);
}

/* ---- creating ---- */

static void test_create(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/a%20b", NULL);
    assert_string_equal(client_element(c, "Bucket"), "bucket");
    assert_string_equal(client_element(c, "Key"), "a b");
    assert_null(client_header(c, "x-amz-checksum-algorithm"));
    client_expect_do(c, "POST", "/absent-bucket/key?uploads", NULL, 404, "NoSuchBucket");
    client_expect_do(c, "DELETE", "/bucket", NULL, 409, "BucketNotEmpty");
    fake_store_fail(c->store, FAKE_CALL_UPLOAD, 1, DOL_EFULL);
    client_expect_do(c, "POST", "/bucket/key?uploads", NULL, 507, "StorageFull");
}

static void test_create_checksums(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *alg, *type, *answer_type; /* NULL: refused */
    } rows[] = {
        {"CRC32", NULL, "COMPOSITE"},         {"CRC32C", NULL, "COMPOSITE"},
        {"SHA1", NULL, "COMPOSITE"},          {"SHA256", NULL, "COMPOSITE"},
        {"CRC64NVME", NULL, "FULL_OBJECT"},   {"CRC32", "FULL_OBJECT", "FULL_OBJECT"},
        {"CRC32C", "COMPOSITE", "COMPOSITE"}, {"CRC64NVME", "FULL_OBJECT", "FULL_OBJECT"},
        {"SHA1", "FULL_OBJECT", NULL},        {"SHA256", "FULL_OBJECT", NULL},
        {"CRC64NVME", "COMPOSITE", NULL},     {"MD4", NULL, NULL},
        {"CRC32", "PARTIAL", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_header headers[3] = {{"x-amz-checksum-algorithm", rows[i].alg}};
        if (rows[i].type != NULL)
            headers[1] = (struct client_header){"x-amz-checksum-type", rows[i].type};
        struct client_call call = {.method = "POST", .target = "/bucket/key?uploads"};
        memcpy(call.headers, headers, sizeof headers);
        if (rows[i].answer_type == NULL) {
            client_expect(c, &call, 400, "InvalidRequest");
            continue;
        }
        assert_int_equal(client_call(c, &call), 200);
        assert_string_equal(client_header(c, "x-amz-checksum-algorithm"), rows[i].alg);
        assert_string_equal(client_header(c, "x-amz-checksum-type"), rows[i].answer_type);
    }
    struct client_call call = {
        .method = "POST", .target = "/bucket/key?uploads", .headers = {{"x-amz-checksum-type", "COMPOSITE"}}};
    client_expect(c, &call, 400, "InvalidRequest");
}

static void test_create_refused(void **state)
{
    struct client *c = *state;
    static const struct {
        struct client_header header;
        unsigned status;
        const char *code;
    } rows[] = {
        {{"x-amz-storage-class", "GLACIER"}, 400, "InvalidStorageClass"},
        {{"x-amz-storage-class", "DEEP_ARCHIVE"}, 400, "InvalidStorageClass"},
        {{"x-amz-storage-class", "standard"}, 400, "InvalidStorageClass"},
        {{"x-amz-website-redirect-location", "elsewhere"}, 400, "InvalidArgument"},
        {{"if-none-match", "*"}, 501, "NotImplemented"},
    };
    unsigned changes = fake_store_changes(c->store);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_call call = {.method = "POST", .target = "/bucket/key?uploads", .headers = {rows[i].header}};
        client_expect(c, &call, rows[i].status, rows[i].code);
    }
    assert_int_equal(fake_store_changes(c->store), changes);
}

/* ---- parts ---- */

static void test_part(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    expect_part(&u, NULL, 200, NULL);
    assert_string_equal(client_header(c, "ETag"), HELLO_ETAG);
    assert_string_equal(client_header(c, "x-amz-checksum-crc64nvme"), HELLO_CRC64NVME);
    /* nothing is there before it is completed */
    client_expect_do(c, "GET", "/bucket/key", NULL, 404, "NoSuchKey");
    assert_int_equal(client_do(c, "GET", "/bucket", NULL), 200);
    assert_int_equal(client_count(c, "<Contents>"), 0);
}

/* The upload's algorithm is kept, another one is verified as well. */
static void test_part_other_checksum(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    expect_part(&u, (struct client_header[]){{"x-amz-checksum-crc32", HELLO_CRC32}, {NULL, NULL}}, 200, NULL);
    assert_string_equal(client_header(c, "x-amz-checksum-crc32"), HELLO_CRC32);
    assert_null(client_header(c, "x-amz-checksum-crc64nvme"));
    assert_int_equal(client_do(c, "GET", step_upload_target(&u), NULL), 200);
    assert_string_equal(client_element(c, "ChecksumCRC64NVME"), HELLO_CRC64NVME);
    expect_part(&u, (struct client_header[]){{"x-amz-checksum-crc32", "NhCmhQ=="}, {NULL, NULL}}, 400, "BadDigest");
}

static void test_part_checksum_rules(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    struct client_header crc32[] = {{"x-amz-checksum-crc32", HELLO_CRC32}, {NULL, NULL}};
    struct client_header sha256[] = {{"x-amz-checksum-sha256", HELLO_SHA256}, {NULL, NULL}};
    step_create(&u, c, "/bucket/key", (struct client_header[]){{"x-amz-checksum-algorithm", "SHA256"}, {NULL, NULL}});
    expect_part(&u, NULL, 400, "InvalidRequest");
    assert_string_equal(client_element(c, "Message"),
                        "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null");
    expect_part(&u, crc32, 400, "InvalidRequest");
    assert_string_equal(client_element(c, "Message"),
                        "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32");
    expect_part(&u, sha256, 200, NULL);
    assert_string_equal(client_header(c, "x-amz-checksum-sha256"), HELLO_SHA256);

    /* what adds up to a checksum of all bytes can be computed here */
    step_create(&u, c, "/bucket/key",
                (struct client_header[]){
                    {"x-amz-checksum-algorithm", "CRC32"}, {"x-amz-checksum-type", "FULL_OBJECT"}, {NULL, NULL}});
    expect_part(&u, NULL, 200, NULL);
    assert_string_equal(client_header(c, "x-amz-checksum-crc32"), HELLO_CRC32);
    expect_part(&u, sha256, 400, "InvalidRequest");
}

static void test_part_refused(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    char target[256];
    static const char *const numbers[] = {"0", "10001", "x", "-1", "", "99999999999999999999999"};
    step_create(&u, c, "/bucket/key", NULL);
    unsigned changes = fake_store_changes(c->store);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(target, sizeof target, "/bucket/key?partNumber=%s&uploadId=%s", numbers[i], u.id);
        client_expect_do(c, "PUT", target, "hello", 400, "InvalidArgument");
        assert_string_equal(client_element(c, "ArgumentName"), "partNumber");
    }
    client_expect_do(c, "PUT", step_upload_target(&u), "hello", 400, "InvalidArgument");
    client_expect_do(c, "PUT", "/bucket/key?partNumber=1&" NO_UPLOAD, "hello", 404, "NoSuchUpload");
    client_expect_do(c, "PUT", "/bucket/key?partNumber=1&uploadId=nonsense", "hello", 404, "NoSuchUpload");
    client_expect_do(c, "PUT", "/bucket/key?partNumber=1&uploadId=", "hello", 404, "NoSuchUpload");
    client_expect_do(c, "PUT", "/absent-bucket/key?partNumber=1&" NO_UPLOAD, "hello", 404, "NoSuchBucket");
    client_expect_do(c, "PUT", "/absent-bucket/key?partNumber=1&uploadId=x", "hello", 404, "NoSuchBucket");
    snprintf(target, sizeof target, "/bucket/other?partNumber=1&uploadId=%s", u.id);
    client_expect_do(c, "PUT", target, "hello", 404, "NoSuchUpload");
    expect_part(&u, (struct client_header[]){{"if-none-match", "*"}, {NULL, NULL}}, 501, "NotImplemented");
    expect_part(&u, (struct client_header[]){{"content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="}, {NULL, NULL}}, 400,
                "BadDigest");
    struct client_call call = {.method = "PUT", .target = step_target(&u, 1)};
    client_expect(c, &call, 411, "MissingContentLength");
    call.body = "hello";
    call.body_sent_bytes = 4;
    client_expect(c, &call, 400, "IncompleteBody");
    call.body_sent_bytes = 0;
    call.content_length = "5368709121";
    client_expect(c, &call, 400, "EntityTooLarge");
    assert_int_equal(fake_store_changes(c->store), changes);
}

static void test_part_store_errors(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    static const enum fake_call calls[] = {FAKE_CALL_PUT_BEGIN, FAKE_CALL_PUT_WRITE, FAKE_CALL_PUT_FINISH};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        fake_store_fail(c->store, calls[i], 1, DOL_EFULL);
        expect_part(&u, NULL, 507, "StorageFull");
        fake_store_fail(c->store, calls[i], 1, DOL_EBUSY);
        expect_part(&u, NULL, 503, "SlowDown");
    }
    fake_store_fail(c->store, FAKE_CALL_PUT_FINISH, 1, DOL_ENOUPLOAD);
    expect_part(&u, NULL, 404, "NoSuchUpload");
}

static void test_part_again(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 1, "first", NULL);
    u.list[0] = '\0';
    step_part(&u, 1, "hello", NULL);
    assert_int_equal(client_do(c, "GET", step_upload_target(&u), NULL), 200);
    assert_int_equal(client_count(c, "<Part>"), 1);
    step_complete(&u);
    assert_int_equal(client_do(c, "GET", "/bucket/key", NULL), 200);
    assert_string_equal(c->answer.body, "hello");
}

/* ---- copies ---- */

static void expect_copy(struct step_upload *u, const char *source, const char *range, unsigned status, const char *code)
{
    struct client_call call = {
        .method = "PUT", .target = step_target(u, 2), .headers = {{"x-amz-copy-source", source}}};
    if (range != NULL)
        call.headers[1] = (struct client_header){"x-amz-copy-source-range", range};
    client_expect(u->c, &call, status, code);
}

static void test_part_copy(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    assert_int_equal(client_do(c, "PUT", "/bucket/source", "say hello there"), 200);
    assert_int_equal(client_do(c, "PUT", "/bucket/empty", ""), 200);
    step_create(&u, c, "/bucket/key", NULL);
    struct client_call call = {
        .method = "PUT",
        .target = step_target(&u, 1),
        .headers = {{"x-amz-copy-source", "/bucket/source"}, {"x-amz-copy-source-range", "bytes=4-8"}}};
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(client_element(c, "ETag"), "&quot;5d41402abc4b2a76b9719d911017c592&quot;");
    assert_string_equal(client_element(c, "ChecksumCRC64NVME"), HELLO_CRC64NVME);
    assert_string_equal(client_element(c, "LastModified"), "2023-11-14T22:13:20.123Z");
    expect_copy(&u, "/bucket/source", "bytes=0-15", 400, "InvalidArgument");
    assert_string_equal(client_element(c, "Message"), "Range specified is not valid for source object of size: 15");
    static const char *const ranges[] = {"bytes=0-", "bytes=-5", "0-5", "bytes=5-4", "bytes=a-b", "bytes=0-2,3-5"};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        expect_copy(&u, "/bucket/source", ranges[i], 400, "InvalidArgument");
    expect_copy(&u, "/bucket/empty", "bytes=0-0", 400, "InvalidArgument");
    expect_copy(&u, "/bucket/absent", NULL, 404, "NoSuchKey");
    assert_string_equal(client_element(c, "Key"), "absent");
    expect_copy(&u, "/absent-bucket/source", NULL, 404, "NoSuchBucket");
    expect_copy(&u, "source", NULL, 400, "InvalidArgument");
    call.target = "/bucket/key?partNumber=1&" NO_UPLOAD;
    client_expect(c, &call, 404, "NoSuchUpload");
    call = (struct client_call){
        .method = "PUT",
        .target = step_target(&u, 2),
        .headers = {{"x-amz-copy-source", "/bucket/source"}, {"x-amz-copy-source-if-match", "\"other\""}}};
    client_expect(c, &call, 412, "PreconditionFailed");
    call.headers[1] = (struct client_header){"x-amz-copy-source", "/bucket/empty"};
    call.headers[0] = (struct client_header){"x-amz-source-expected-bucket-owner", "123456789012"};
    client_expect(c, &call, 403, "AccessDenied");
    call.headers[0] = (struct client_header){NULL, NULL};
    step_part(&u, 2, "", NULL);
    assert_int_equal(client_do(c, "GET", step_upload_target(&u), NULL), 200);
    assert_int_equal(client_count(c, "<Part>"), 2);
}

static void test_part_copy_store_errors(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    assert_int_equal(client_do(c, "PUT", "/bucket/source", "say hello there"), 200);
    step_create(&u, c, "/bucket/key", NULL);
    static const enum fake_call calls[] = {FAKE_CALL_READ, FAKE_CALL_PUT_BEGIN, FAKE_CALL_PUT_WRITE,
                                           FAKE_CALL_PUT_FINISH};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        fake_store_fail(c->store, calls[i], 1, DOL_ECORRUPT);
        expect_copy(&u, "/bucket/source", NULL, 500, "InternalError");
    }
    fake_store_fail(c->store, FAKE_CALL_PUT_FINISH, 1, DOL_ELENGTH);
    expect_copy(&u, "/bucket/source", NULL, 500, "InternalError");
}

/* ---- aborting ---- */

static void test_abort(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 1, "hello", NULL);
    fake_store_fail(c->store, FAKE_CALL_UPLOAD, 1, DOL_EREADONLY);
    client_expect_do(c, "DELETE", step_upload_target(&u), NULL, 503, "ServiceUnavailable");
    assert_int_equal(client_do(c, "DELETE", step_upload_target(&u), NULL), 204);
    assert_string_equal(c->answer.operation, "AbortMultipartUpload");
    client_expect_do(c, "DELETE", step_upload_target(&u), NULL, 404, "NoSuchUpload");
    client_expect_do(c, "GET", step_upload_target(&u), NULL, 404, "NoSuchUpload");
    expect_part(&u, NULL, 404, "NoSuchUpload");
    client_expect_do(c, "POST", step_upload_target(&u), step_document(&u), 404, "NoSuchUpload");
    client_expect_do(c, "DELETE", "/bucket/key?" NO_UPLOAD, NULL, 404, "NoSuchUpload");
    client_expect_do(c, "DELETE", "/bucket/key?uploadId=x", NULL, 404, "NoSuchUpload");
    assert_int_equal(client_do(c, "DELETE", "/bucket", NULL), 204);
}

static void test_small_arena(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    assert_int_equal(client_do(c, "PUT", "/bucket/source", "say hello there"), 200);
    step_create(&u, c, "/bucket/key", NULL);
    for (size_t bytes = 1; bytes < 32u << 10; bytes += 113) {
        struct client_call call = {.method = "POST", .target = "/bucket/key?uploads", .arena_bytes = bytes};
        unsigned status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
        call =
            (struct client_call){.method = "PUT", .target = step_target(&u, 1), .body = "hello", .arena_bytes = bytes};
        status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
        call = (struct client_call){.method = "PUT",
                                    .target = step_target(&u, 1),
                                    .headers = {{"x-amz-copy-source", "/bucket/source"}},
                                    .arena_bytes = bytes};
        status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_checksums, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_other_checksum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_checksum_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_store_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_copy_store_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_arena, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
