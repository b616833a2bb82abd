/* ListMultipartUploads and ListParts: pages, prefixes, delimiters, markers, encodings. */
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

static void list(struct client *c, const char *format, const char *argument)
{
    char target[1024];
    snprintf(target, sizeof target, format, argument);
    assert_int_equal(client_do(c, "GET", target, NULL), 200);
}

/* ---- ListMultipartUploads ---- */

static void test_uploads(void **state)
{
    struct client *c = *state;
    struct step_upload a, b, b2;
    list(c, "/bucket?uploads%s", "");
    assert_string_equal(c->answer.operation, "ListMultipartUploads");
    assert_int_equal(client_count(c, "<Upload>"), 0);
    assert_string_equal(client_element(c, "KeyMarker"), "");
    assert_string_equal(client_element(c, "UploadIdMarker"), "");
    assert_string_equal(client_element(c, "MaxUploads"), "1000");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_null(client_element(c, "NextKeyMarker"));
    step_create(&b, c, "/bucket/b",
                (struct client_header[]){
                    {"x-amz-checksum-algorithm", "SHA256"}, {"x-amz-storage-class", "ONEZONE_IA"}, {NULL, NULL}});
    step_create(&a, c, "/bucket/a", NULL);
    step_create(&b2, c, "/bucket/b", NULL);
    list(c, "/bucket?uploads=%s", "");
    assert_int_equal(client_count(c, "<Upload>"), 3);
    assert_string_equal(client_element(c, "UploadId"), a.id);
    assert_string_equal(client_element(c, "Initiated"), "2023-11-14T22:13:20.123Z");
    assert_string_equal(client_element(c, "StorageClass"), "STANDARD");
    assert_int_equal(client_count(c, "<Initiator><ID>"), 3);
    assert_int_equal(client_count(c, "<Owner><ID>"), 3);
    list(c, "/bucket?uploads&prefix=%s", "b");
    assert_int_equal(client_count(c, "<Upload>"), 2);
    assert_string_equal(client_element(c, "UploadId"), b.id);
    assert_string_equal(client_element(c, "StorageClass"), "ONEZONE_IA");
    assert_string_equal(client_element(c, "ChecksumAlgorithm"), "SHA256");
    assert_string_equal(client_element(c, "ChecksumType"), "COMPOSITE");
    /* ended ones are gone */
    assert_int_equal(client_do(c, "DELETE", step_upload_target(&b), NULL), 204);
    step_part(&b2, 1, "tail", NULL);
    step_complete(&b2);
    list(c, "/bucket?uploads%s", "");
    assert_int_equal(client_count(c, "<Upload>"), 1);
    client_expect_do(c, "GET", "/absent-bucket?uploads", NULL, 404, "NoSuchBucket");
    client_expect_do(c, "GET", "/absent-bucket?uploads&max-uploads=0", NULL, 404, "NoSuchBucket");
}

static void test_uploads_markers(void **state)
{
    struct client *c = *state;
    struct step_upload a, b[3];
    step_create(&a, c, "/bucket/a", NULL);
    for (unsigned i = 0; i < 3; i++)
        step_create(&b[i], c, "/bucket/b", NULL);
    /* key-marker alone: keys behind it, none of its own uploads */
    list(c, "/bucket?uploads&key-marker=%s", "a");
    assert_int_equal(client_count(c, "<Upload>"), 3);
    list(c, "/bucket?uploads&key-marker=%s", "b");
    assert_int_equal(client_count(c, "<Upload>"), 0);
    assert_string_equal(client_element(c, "KeyMarker"), "b");
    /* with upload-id-marker: those behind the one that is named, too */
    list(c, "/bucket?uploads&key-marker=b&upload-id-marker=%s", b[0].id);
    assert_int_equal(client_count(c, "<Upload>"), 2);
    assert_string_equal(client_element(c, "UploadIdMarker"), b[0].id);
    assert_string_equal(client_element(c, "UploadId"), b[1].id);
    /* without key-marker it means nothing */
    list(c, "/bucket?uploads&upload-id-marker=%s", b[2].id);
    assert_int_equal(client_count(c, "<Upload>"), 4);
    list(c, "/bucket?uploads&upload-id-marker=%s", "nonsense");
    assert_int_equal(client_count(c, "<Upload>"), 4);
    client_expect_do(c, "GET", "/bucket?uploads&key-marker=b&upload-id-marker=nonsense", NULL, 400, "InvalidArgument");
}

static void test_uploads_pages(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    static const char *const keys[] = {"/bucket/a",   "/bucket/b",   "/bucket/b",
                                       "/bucket/c/1", "/bucket/c/2", "/bucket/d"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        step_create(&u, c, keys[i], NULL);
    char key[64] = "", id[64] = "", target[256];
    unsigned uploads = 0, prefixes = 0, pages = 0;
    for (;;) {
        snprintf(target, sizeof target,
                 "/bucket?uploads&delimiter=%%2F&max-uploads=1&key-marker=%s&upload-id-marker=%s", key, id);
        assert_int_equal(client_do(c, "GET", target, NULL), 200);
        uploads += client_count(c, "<Upload>");
        prefixes += client_count(c, "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>");
        pages++;
        assert_string_equal(client_element(c, "MaxUploads"), "1");
        if (strcmp(client_element(c, "IsTruncated"), "true") != 0)
            break;
        bool at_prefix = strcmp(client_element(c, "NextKeyMarker"), "c/") == 0;
        snprintf(key, sizeof key, "%s", at_prefix ? "c%2F" : client_element(c, "NextKeyMarker"));
        snprintf(id, sizeof id, "%s", client_element(c, "NextUploadIdMarker"));
        assert_int_equal(strlen(id), at_prefix ? 0 : 32);
    }
    assert_int_equal(uploads, 4);
    assert_int_equal(prefixes, 1);
    assert_int_equal(pages, 5);
    list(c, "/bucket?uploads&max-uploads=%s", "0");
    assert_int_equal(client_count(c, "<Upload>"), 0);
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    list(c, "/bucket?uploads&max-uploads=%s", "2000");
    assert_string_equal(client_element(c, "MaxUploads"), "1000");
}

static void test_uploads_encoding(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/a%20b/%C3%A4%01", NULL);
    list(c, "/bucket?uploads&encoding-type=url&prefix=a%%20b%%2F%s", "");
    assert_string_equal(client_element(c, "EncodingType"), "url");
    assert_string_equal(client_element(c, "Key"), "a%20b/%C3%A4%01");
    assert_string_equal(client_element(c, "Prefix"), "a%20b/");
    client_expect_do(c, "GET", "/bucket?uploads&encoding-type=utf", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket?uploads&max-uploads=x", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket?uploads&max-uploads=-1", NULL, 400, "InvalidArgument");
    char target[1200] = "/bucket?uploads&key-marker=";
    memset(target + strlen(target), 'k', 1025);
    client_expect_do(c, "GET", target, NULL, 400, "KeyTooLongError");
    fake_store_fail(c->store, FAKE_CALL_LIST, 1, DOL_ECORRUPT);
    client_expect_do(c, "GET", "/bucket?uploads", NULL, 500, "InternalError");
}

/* A page that the request's memory can't hold ends early; going on from there gives all. */
static void test_uploads_small_arena(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    char path[600] = "/bucket/00";
    memset(path + 10, 'k', 500);
    for (unsigned i = 0; i < 100; i++) {
        path[8] = (char)('0' + i / 10);
        path[9] = (char)('0' + i % 10);
        step_create(&u, c, path, NULL);
    }
    char key[600] = "", id[64] = "", target[1400];
    unsigned uploads = 0, pages = 0;
    for (bool more = true; more; pages++) {
        snprintf(target, sizeof target, "/bucket?uploads&key-marker=%s&upload-id-marker=%s", key, id);
        struct client_call call = {.method = "GET", .target = target, .arena_bytes = 90u << 10};
        assert_int_equal(client_call(c, &call), 200);
        uploads += client_count(c, "<Upload>");
        more = strcmp(client_element(c, "IsTruncated"), "true") == 0;
        if (more)
            snprintf(key, sizeof key, "%s", client_element(c, "NextKeyMarker"));
        if (more)
            snprintf(id, sizeof id, "%s", client_element(c, "NextUploadIdMarker"));
    }
    assert_int_equal(uploads, 100);
    assert_true(pages > 1);
    struct client_call call = {.method = "GET", .target = "/bucket?uploads", .arena_bytes = 60u << 10};
    client_expect(c, &call, 503, "SlowDown");
}

/* ---- ListParts ---- */

static void list_parts(struct step_upload *u, const char *more)
{
    char target[512];
    snprintf(target, sizeof target, "%s%s", step_upload_target(u), more);
    assert_int_equal(client_do(u->c, "GET", target, NULL), 200);
    assert_string_equal(u->c->answer.operation, "ListParts");
}

static void test_parts(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/a%20b", (struct client_header[]){{"x-amz-storage-class", "GLACIER_IR"}, {NULL, NULL}});
    list_parts(&u, "");
    assert_string_equal(client_element(c, "Bucket"), "bucket");
    assert_string_equal(client_element(c, "Key"), "a b");
    assert_string_equal(client_element(c, "UploadId"), u.id);
    assert_string_equal(client_element(c, "StorageClass"), "GLACIER_IR");
    assert_string_equal(client_element(c, "PartNumberMarker"), "0");
    assert_string_equal(client_element(c, "NextPartNumberMarker"), "0");
    assert_string_equal(client_element(c, "MaxParts"), "1000");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    assert_int_equal(client_count(c, "<Part>"), 0);
    assert_int_equal(client_count(c, "<Initiator><ID>"), 1);
    assert_int_equal(client_count(c, "<Owner><ID>"), 1);
    step_part(&u, 10000, "tail", NULL);
    step_part(&u, 3, "hello", NULL);
    list_parts(&u, "");
    assert_int_equal(client_count(c, "<Part>"), 2);
    assert_string_equal(client_element(c, "PartNumber"), "3");
    assert_string_equal(client_element(c, "ETag"), "&quot;5d41402abc4b2a76b9719d911017c592&quot;");
    assert_string_equal(client_element(c, "Size"), "5");
    assert_string_equal(client_element(c, "LastModified"), "2023-11-14T22:13:20.123Z");
    assert_string_equal(client_element(c, "ChecksumCRC64NVME"), "M3eFcAZSQlc=");
    assert_string_equal(client_element(c, "NextPartNumberMarker"), "10000");
    list_parts(&u, "&encoding-type=url");
    assert_string_equal(client_element(c, "Key"), "a%20b");
}

static void test_parts_pages(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    char more[64], marker[16] = "0";
    unsigned parts = 0, pages = 0;
    step_create(&u, c, "/bucket/key", NULL);
    for (unsigned i = 1; i <= 7; i++)
        step_part(&u, 2 * i, "hello", NULL);
    for (bool truncated = true; truncated; pages++) {
        snprintf(more, sizeof more, "&max-parts=3&part-number-marker=%s", marker);
        list_parts(&u, more);
        assert_string_equal(client_element(c, "MaxParts"), "3");
        assert_string_equal(client_element(c, "PartNumberMarker"), marker);
        parts += client_count(c, "<Part>");
        truncated = strcmp(client_element(c, "IsTruncated"), "true") == 0;
        snprintf(marker, sizeof marker, "%s", client_element(c, "NextPartNumberMarker"));
    }
    assert_int_equal(parts, 7);
    assert_int_equal(pages, 3);
    assert_string_equal(marker, "14");
    list_parts(&u, "&part-number-marker=2147483647");
    assert_int_equal(client_count(c, "<Part>"), 0);
    list_parts(&u, "&max-parts=0");
    assert_int_equal(client_count(c, "<Part>"), 0);
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    list_parts(&u, "&max-parts=7");
    assert_string_equal(client_element(c, "IsTruncated"), "false");
    list_parts(&u, "&max-parts=5000");
    assert_string_equal(client_element(c, "MaxParts"), "1000");
}

static void test_parts_refused(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    char target[512];
    step_create(&u, c, "/bucket/key", NULL);
    static const char *const wrong[] = {"&max-parts=x", "&max-parts=-1", "&part-number-marker=x",
                                        "&part-number-marker=2147483648", "&encoding-type=x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(target, sizeof target, "%s%s", step_upload_target(&u), wrong[i]);
        client_expect_do(c, "GET", target, NULL, 400, "InvalidArgument");
    }
    client_expect_do(c, "GET", "/bucket/key?uploadId=x", NULL, 404, "NoSuchUpload");
    client_expect_do(c, "GET", "/bucket/key?uploadId=00000000000000000000000000000000", NULL, 404, "NoSuchUpload");
    client_expect_do(c, "GET", "/absent-bucket/key?uploadId=00000000000000000000000000000000", NULL, 404,
                     "NoSuchBucket");
    fake_store_fail(c->store, FAKE_CALL_LIST, 1, DOL_ENOUPLOAD);
    client_expect_do(c, "GET", step_upload_target(&u), NULL, 404, "NoSuchUpload");
    for (size_t bytes = 1; bytes < 220u << 10; bytes += 1131) {
        struct client_call call = {.method = "GET", .target = step_upload_target(&u), .arena_bytes = bytes};
        unsigned status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_uploads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uploads_markers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uploads_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uploads_encoding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uploads_small_arena, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
