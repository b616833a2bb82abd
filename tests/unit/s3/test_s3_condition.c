/* Conditions of writes and deletes: PutObject, CopyObject, CompleteMultipartUpload, DeleteObject, DeleteObjects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upload_steps.h"

#include <stdio.h>

#include "hash.h"

#define HELLO_ETAG "\"5d41402abc4b2a76b9719d911017c592\""
#define HELLO_MD5  "5d41402abc4b2a76b9719d911017c592"
#define TAIL_MD5   "7aea2552dfe7eb84b9443b6fc9ba6e01"

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

/* What a write does when "key" is "hello", and when it isn't there. */
static const struct condition_row {
    const char *name, *value;
    unsigned there_status;
    const char *there_code; /* NULL: it happens */
    unsigned absent_status;
    const char *absent_code;
} rows[] = {
    {"if-none-match", "*", 412, "PreconditionFailed", 200, NULL},
    {"if-none-match", HELLO_ETAG, 501, "NotImplemented", 501, "NotImplemented"},
    {"if-none-match", "\"*\"", 501, "NotImplemented", 501, "NotImplemented"},
    {"if-match", "*", 200, NULL, 404, "NoSuchKey"},
    {"if-match", HELLO_ETAG, 200, NULL, 404, "NoSuchKey"},
    {"if-match", HELLO_MD5, 200, NULL, 404, "NoSuchKey"},
    {"if-match", "\"" HELLO_MD5, 200, NULL, 404, "NoSuchKey"},
    {"if-match", HELLO_MD5 "\"", 200, NULL, 404, "NoSuchKey"},
    {"if-match", "\"" TAIL_MD5 "\"", 412, "PreconditionFailed", 404, "NoSuchKey"},
    {"if-match", HELLO_MD5 "-1", 412, "PreconditionFailed", 404, "NoSuchKey"},
    {"if-match", "\"" HELLO_MD5 "-0\"", 412, "PreconditionFailed", 404, "NoSuchKey"},
    {"if-match", "nonsense", 412, "PreconditionFailed", 404, "NoSuchKey"},
    {"if-match", "", 412, "PreconditionFailed", 404, "NoSuchKey"},
    {"if-match", "\"", 412, "PreconditionFailed", 404, "NoSuchKey"},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

static void expect_row(struct client *c, struct client_call *call, const struct condition_row *row, unsigned status,
                       const char *code)
{
    unsigned changes = fake_store_changes(c->store);
    if (code == NULL) {
        assert_int_equal(client_call(c, call), status);
        assert_int_equal(fake_store_changes(c->store), changes + 1);
        return;
    }
    client_expect(c, call, status, code);
    assert_int_equal(fake_store_changes(c->store), changes);
    if (status == 412)
        assert_string_equal(client_element(c, "Condition"),
                            strcmp(row->name, "if-match") == 0 ? "If-Match" : "If-None-Match");
}

static void test_put(void **state)
{
    struct client *c = *state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct client_call call = {
            .method = "PUT", .target = "/bucket/key", .body = "tail", .headers = {{rows[i].name, rows[i].value}}};
        assert_int_equal(client_do(c, "PUT", "/bucket/key", "hello"), 200);
        expect_row(c, &call, &rows[i], rows[i].there_status, rows[i].there_code);
        assert_int_equal(client_do(c, "GET", "/bucket/key", NULL), 200);
        assert_string_equal(c->answer.body, rows[i].there_code == NULL ? "tail" : "hello");
        assert_int_equal(client_do(c, "DELETE", "/bucket/key", NULL), 204);
        expect_row(c, &call, &rows[i], rows[i].absent_status, rows[i].absent_code);
    }
}

/* Two conditions that both hold are still one too many, as S3 says. */
static void test_both(void **state)
{
    struct client *c = *state;
    struct client_call call = {.method = "PUT",
                               .target = "/bucket/key",
                               .body = "tail",
                               .headers = {{"if-match", "*"}, {"if-none-match", "*"}}};
    client_expect(c, &call, 501, "NotImplemented");
}

/* The condition is looked at again when the bytes are there. */
static void test_put_late(void **state)
{
    struct client *c = *state;
    struct client_call call = {
        .method = "PUT", .target = "/bucket/key", .body = "tail", .headers = {{"if-none-match", "*"}}};
    fake_store_fail(c->store, FAKE_CALL_PUT_FINISH, 1, DOL_EPRECONDITION);
    client_expect(c, &call, 412, "PreconditionFailed");
    assert_string_equal(client_element(c, "Condition"), "If-None-Match");
}

static void test_copy(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket/source", "tail"), 200);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct client_call call = {.method = "PUT",
                                   .target = "/bucket/key",
                                   .headers = {{"x-amz-copy-source", "/bucket/source"}, {rows[i].name, rows[i].value}}};
        assert_int_equal(client_do(c, "PUT", "/bucket/key", "hello"), 200);
        expect_row(c, &call, &rows[i], rows[i].there_status, rows[i].there_code);
        assert_int_equal(client_do(c, "DELETE", "/bucket/key", NULL), 204);
        expect_row(c, &call, &rows[i], rows[i].absent_status, rows[i].absent_code);
    }
}

static void test_complete(void **state)
{
    struct client *c = *state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        for (unsigned there = 0; there <= 1; there++) {
            struct step_upload u;
            unsigned status = there ? rows[i].there_status : rows[i].absent_status;
            const char *code = there ? rows[i].there_code : rows[i].absent_code;
            step_create(&u, c, "/bucket/key", NULL);
            step_part(&u, 1, "tail", NULL);
            if (there)
                assert_int_equal(client_do(c, "PUT", "/bucket/key", "hello"), 200);
            else
                assert_int_equal(client_do(c, "DELETE", "/bucket/key", NULL), 204);
            struct client_call call = {.method = "POST",
                                       .target = step_upload_target(&u),
                                       .body = step_document(&u),
                                       .headers = {{rows[i].name, rows[i].value}}};
            expect_row(c, &call, &rows[i], status, code);
            /* what was refused can be done without the condition; what was done can be asked again with it */
            if (code == NULL)
                assert_int_equal(client_call(c, &call), 200);
            else
                step_complete(&u);
        }
    }
}

static void test_delete(void **state)
{
    struct client *c = *state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, "if-match") != 0)
            continue;
        struct client_call call = {
            .method = "DELETE", .target = "/bucket/key", .headers = {{rows[i].name, rows[i].value}}};
        assert_int_equal(client_do(c, "PUT", "/bucket/key", "hello"), 200);
        expect_row(c, &call, &rows[i], rows[i].there_code == NULL ? 204 : 412, rows[i].there_code);
        assert_int_equal(client_do(c, "DELETE", "/bucket/key", NULL), 204);
        expect_row(c, &call, &rows[i], 404, "NoSuchKey");
    }
}

static void test_delete_objects(void **state)
{
    struct client *c = *state;
    static const char body[] = "<Delete><Object><Key>right</Key><ETag>" HELLO_ETAG "</ETag></Object>"
                               "<Object><Key>wrong</Key><ETag>" TAIL_MD5 "</ETag></Object>"
                               "<Object><Key>any</Key><ETag>*</ETag></Object>"
                               "<Object><Key>absent</Key><ETag>*</ETag></Object>"
                               "<Object><Key>sized</Key><Size>5</Size></Object>"
                               "<Object><Key>timed</Key><LastModifiedTime>x</LastModifiedTime></Object></Delete>";
    static const char *const keys[] = {"/bucket/right", "/bucket/wrong", "/bucket/any", "/bucket/sized",
                                       "/bucket/timed"};
    uint8_t md5[16];
    char md5_text[25];
    struct hash_stream *h = hash_stream_new(HASH_MD5);
    hash_stream_update(h, body, sizeof body - 1);
    hash_stream_final(h, md5);
    hash_stream_free(h);
    base64_encode(md5, sizeof md5, md5_text);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(client_do(c, "PUT", keys[i], "hello"), 200);
    struct client_call call = {
        .method = "POST", .target = "/bucket?delete", .body = body, .headers = {{"content-md5", md5_text}}};
    assert_int_equal(client_call(c, &call), 200);
    assert_int_equal(client_count(c, "<Deleted>"), 2);
    assert_int_equal(client_count(c, "<Error>"), 4);
    assert_int_equal(client_count(c, "<Deleted><Key>right</Key></Deleted>"), 1);
    assert_int_equal(client_count(c, "<Deleted><Key>any</Key></Deleted>"), 1);
    assert_int_equal(client_count(c, "<Error><Key>wrong</Key><Code>PreconditionFailed</Code>"), 1);
    assert_int_equal(client_count(c, "<Error><Key>absent</Key><Code>NoSuchKey</Code>"), 1);
    assert_int_equal(client_count(c, "<Error><Key>sized</Key><Code>NotImplemented</Code>"), 1);
    assert_int_equal(client_count(c, "<Error><Key>timed</Key><Code>NotImplemented</Code>"), 1);
    assert_int_equal(client_do(c, "GET", "/bucket", NULL), 200);
    assert_int_equal(client_count(c, "<Contents>"), 3);
}

/* Where a condition means nothing it is refused, not ignored. */
static void test_refused_elsewhere(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *method, *target;
    } calls[] = {
        {"PUT", "/other-bucket"},
        {"DELETE", "/bucket"},
        {"POST", "/bucket?delete"},
        {"POST", "/bucket/key?uploads"},
        {"DELETE", "/bucket/key?uploadId=00000000000000000000000000000000"},
        {"PUT", "/bucket/key?partNumber=1&uploadId=00000000000000000000000000000000"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct client_call call = {
            .method = calls[i].method, .target = calls[i].target, .headers = {{"if-match", "*"}}};
        client_expect(c, &call, 501, "NotImplemented");
        assert_string_equal(client_element(c, "Header"), "if-match");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_put_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_elsewhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
