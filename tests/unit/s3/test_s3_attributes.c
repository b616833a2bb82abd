/* GetObjectAttributes, storage classes, and copies that change what is not the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upload_steps.h"

#include <stdio.h>

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

#define ALL "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"

static void attributes(struct client *c, const char *target, const char *names, const char *max, const char *marker)
{
    struct client_call call = {.method = "GET", .target = target, .headers = {{"x-amz-object-attributes", names}}};
    unsigned count = 1;
    if (max != NULL)
        call.headers[count++] = (struct client_header){"x-amz-max-parts", max};
    if (marker != NULL)
        call.headers[count++] = (struct client_header){"x-amz-part-number-marker", marker};
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(c->answer.operation, "GetObjectAttributes");
}

static void test_plain_object(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_call(c, &(struct client_call){.method = "PUT",
                                                          .target = "/bucket/key",
                                                          .body = "hello",
                                                          .headers = {{"x-amz-checksum-crc32", "NhCmhg=="}}}),
                     200);
    attributes(c, "/bucket/key?attributes", ALL, NULL, NULL);
    assert_string_equal(client_header(c, "Last-Modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_string_equal(client_element(c, "ETag"), "5d41402abc4b2a76b9719d911017c592");
    assert_string_equal(client_element(c, "ChecksumCRC32"), "NhCmhg==");
    assert_string_equal(client_element(c, "ChecksumType"), "FULL_OBJECT");
    assert_string_equal(client_element(c, "StorageClass"), "STANDARD");
    assert_string_equal(client_element(c, "ObjectSize"), "5");
    assert_null(client_element(c, "ObjectParts"));
    attributes(c, "/bucket/key?attributes=", "ObjectSize ,", NULL, NULL);
    assert_string_equal(client_element(c, "ObjectSize"), "5");
    assert_null(client_element(c, "ETag"));
    assert_null(client_element(c, "StorageClass"));
    assert_null(client_element(c, "Checksum"));
    struct client_call call = {
        .method = "GET",
        .target = "/bucket/key?attributes",
        .headers = {{"x-amz-object-attributes", "ETag"}, {"x-amz-object-attributes", "StorageClass"}}};
    assert_int_equal(client_call(c, &call), 200);
    assert_non_null(client_element(c, "ETag"));
    assert_non_null(client_element(c, "StorageClass"));
}

static void test_parts(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_big(c);
    step_create(&u, c, "/bucket/key",
                (struct client_header[]){{"x-amz-checksum-algorithm", "SHA256"},
                                         {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                         {NULL, NULL}});
    step_big_part(&u, 1);
    step_big_part(&u, 2);
    step_part(&u, 5, "tail",
              (struct client_header[]){{"x-amz-checksum-sha256", "DGL4du8d6oMN6fMsL0tG3W101Q0ViW4J71ovzUrH4dc="},
                                       {NULL, NULL}});
    step_complete(&u);
    attributes(c, "/bucket/key?attributes", ALL, NULL, NULL);
    assert_string_equal(client_element(c, "ETag") + 32, "-3");
    assert_string_equal(client_element(c, "ChecksumType"), "COMPOSITE");
    assert_non_null(strstr(client_element(c, "ChecksumSHA256"), "=-3"));
    assert_string_equal(client_element(c, "StorageClass"), "REDUCED_REDUNDANCY");
    assert_string_equal(client_element(c, "ObjectSize"), "10485764");
    assert_string_equal(client_element(c, "PartsCount"), "3");
    assert_string_equal(client_element(c, "PartNumberMarker"), "0");
    assert_string_equal(client_element(c, "NextPartNumberMarker"), "5");
    assert_string_equal(client_element(c, "MaxParts"), "1000");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_int_equal(client_count(c, "<Part>"), 3);
    assert_int_equal(client_count(c, "<Part><PartNumber>5</PartNumber><Size>4</Size>"
                                     "<ChecksumSHA256>DGL4du8d6oMN6fMsL0tG3W101Q0ViW4J71ovzUrH4dc=</ChecksumSHA256>"),
                     1);
    attributes(c, "/bucket/key?attributes", "ObjectParts", "1", "1");
    assert_string_equal(client_element(c, "PartsCount"), "3");
    assert_string_equal(client_element(c, "PartNumberMarker"), "1");
    assert_string_equal(client_element(c, "NextPartNumberMarker"), "2");
    assert_string_equal(client_element(c, "MaxParts"), "1");
    assert_string_equal(client_element(c, "IsTruncated"), "true");
    assert_string_equal(client_element(c, "PartNumber"), "2");
    assert_int_equal(client_count(c, "<Part>"), 1);
    attributes(c, "/bucket/key?attributes", "ObjectParts", "1", "2");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_string_equal(client_element(c, "PartNumber"), "5");
}

static void test_refused(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket/key", "hello"), 200);
    client_expect_do(c, "GET", "/bucket/key?attributes", NULL, 400, "InvalidRequest");
    struct client_call call = {
        .method = "GET", .target = "/bucket/key?attributes", .headers = {{"x-amz-object-attributes", ""}}};
    client_expect(c, &call, 400, "InvalidRequest");
    static const char *const wrong[] = {"Etag", "ETag,Size", "Owner"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        call.headers[0].value = wrong[i];
        client_expect(c, &call, 400, "InvalidArgument");
    }
    call.headers[0].value = ALL;
    call.headers[1] = (struct client_header){"x-amz-max-parts", "x"};
    client_expect(c, &call, 400, "InvalidArgument");
    call.headers[1] = (struct client_header){"x-amz-part-number-marker", "-1"};
    client_expect(c, &call, 400, "InvalidArgument");
    call.headers[1].name = NULL;
    call.target = "/bucket/absent?attributes";
    client_expect(c, &call, 404, "NoSuchKey");
    call.target = "/absent-bucket/key?attributes";
    client_expect(c, &call, 404, "NoSuchBucket");
    call.target = "/bucket/key?attributes";
    for (size_t bytes = 1; bytes < 180u << 10; bytes += 1131) {
        call.arena_bytes = bytes;
        unsigned status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
    }
}

/* ---- storage classes ---- */

static void test_storage_classes(void **state)
{
    struct client *c = *state;
    static const char *const classes[] = {"STANDARD",   "STANDARD_IA",       "ONEZONE_IA", "INTELLIGENT_TIERING",
                                          "GLACIER_IR", "REDUCED_REDUNDANCY"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct client_call call = {.method = "PUT",
                                   .target = "/bucket/key",
                                   .body = "hello",
                                   .headers = {{"x-amz-storage-class", classes[i]}}};
        assert_int_equal(client_call(c, &call), 200);
        assert_int_equal(client_do(c, "HEAD", "/bucket/key", NULL), 200);
        if (i == 0)
            assert_null(client_header(c, "x-amz-storage-class"));
        else
            assert_string_equal(client_header(c, "x-amz-storage-class"), classes[i]);
        assert_int_equal(client_do(c, "GET", "/bucket", NULL), 200);
        assert_string_equal(client_element(c, "StorageClass"), classes[i]);
    }
}

static void copy_to_self(struct client *c, struct client_header header, unsigned status, const char *code)
{
    struct client_call call = {
        .method = "PUT", .target = "/bucket/key", .headers = {{"x-amz-copy-source", "/bucket/key"}, header}};
    if (status == 200)
        assert_int_equal(client_call(c, &call), 200);
    else
        client_expect(c, &call, status, code);
}

static void test_copy_to_self(void **state)
{
    struct client *c = *state;
    copy_to_self(c, (struct client_header){NULL, NULL}, 404, "NoSuchKey");
    assert_int_equal(client_do(c, "PUT", "/bucket/key", "hello"), 200);
    copy_to_self(c, (struct client_header){NULL, NULL}, 400, "InvalidRequest");
    copy_to_self(c, (struct client_header){"x-amz-storage-class", "STANDARD"}, 400, "InvalidRequest");
    copy_to_self(c, (struct client_header){"x-amz-tagging-directive", "COPY"}, 400, "InvalidRequest");
    copy_to_self(c, (struct client_header){"x-amz-storage-class", "STANDARD_IA"}, 200, NULL);
    assert_int_equal(client_do(c, "HEAD", "/bucket/key", NULL), 200);
    assert_string_equal(client_header(c, "x-amz-storage-class"), "STANDARD_IA");
    copy_to_self(c, (struct client_header){"x-amz-website-redirect-location", "/there"}, 200, NULL);
    assert_int_equal(client_do(c, "HEAD", "/bucket/key", NULL), 200);
    assert_string_equal(client_header(c, "x-amz-website-redirect-location"), "/there");
    assert_null(client_header(c, "x-amz-storage-class"));
    copy_to_self(c, (struct client_header){"x-amz-metadata-directive", "REPLACE"}, 200, NULL);
    copy_to_self(c, (struct client_header){"x-amz-storage-class", "GLACIER"}, 400, "InvalidStorageClass");
    copy_to_self(c, (struct client_header){"x-amz-metadata-directive", "replace"}, 400, "InvalidArgument");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_storage_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_to_self, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
