/* Buckets, their settings, and the routes around them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

#include <stdio.h>

static int setup(void **state)
{
    static struct client c;
    client_init(&c, NULL, "s3.example.org");
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

static void test_create_and_delete(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket", NULL), 200);
    assert_string_equal(client_header(c, "Location"), "/bucket");
    assert_int_equal(c->answer.content_length, 0);
    assert_int_equal(client_do(c, "HEAD", "/bucket", NULL), 200);
    assert_string_equal(client_header(c, "x-amz-bucket-region"), "us-east-1");
    assert_int_equal(client_do(c, "PUT", "/bucket/key", "x"), 200);
    client_expect_do(c, "DELETE", "/bucket", NULL, 409, "BucketNotEmpty");
    assert_int_equal(client_do(c, "DELETE", "/bucket/key", NULL), 204);
    assert_int_equal(client_do(c, "DELETE", "/bucket", NULL), 204);
    assert_int_equal(c->answer.content_length, UINT64_MAX);
    client_expect_do(c, "DELETE", "/bucket", NULL, 404, "NoSuchBucket");
    assert_string_equal(client_element(c, "BucketName"), "bucket");
    client_expect_do(c, "HEAD", "/bucket", NULL, 404, "NoSuchBucket");
}

static void test_create_again(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket", NULL), 200);
    assert_int_equal(client_do(c, "PUT", "/bucket", NULL), 200);
    fake_store_set_bucket_owner(c->store, "bucket", "somebody");
    client_expect_do(c, "PUT", "/bucket", NULL, 409, "BucketAlreadyExists");
}

static void test_create_again_elsewhere(void **state)
{
    (void)state;
    struct client c;
    client_init(&c, "eu-west-1", NULL);
    assert_int_equal(client_call(&c, &(struct client_call){"PUT", "/bucket", .region = "eu-west-1"}), 200);
    client_expect((&c), (&(struct client_call){"PUT", "/bucket", .region = "eu-west-1"}), 409,
                  "BucketAlreadyOwnedByYou");
    assert_int_equal(client_call(&c, &(struct client_call){"GET", "/bucket?location", .region = "eu-west-1"}), 200);
    assert_string_equal(client_element(&c, "LocationConstraint"), "eu-west-1");
    client_fini(&c);
}

static void test_location_constraint(void **state)
{
    struct client *c = *state;
    client_expect_do(c, "PUT", "/bucket",
                     "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                     "<LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
                     400, "IllegalLocationConstraintException");
    client_expect_do(c, "PUT", "/bucket", "<CreateBucketConfiguration>", 400, "MalformedXML");
    client_expect_do(c, "PUT", "/bucket", "<Other/>", 400, "MalformedXML");
    client_expect_do(c, "PUT", "/bucket",
                     "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>"
                     "</CreateBucketConfiguration>",
                     501, "NotImplemented");
    assert_int_equal(fake_store_changes(c->store), 0);
    assert_int_equal(client_do(c, "PUT", "/bucket",
                               "<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint>"
                               "</CreateBucketConfiguration>"),
                     200);
    assert_int_equal(client_do(c, "GET", "/bucket?location", NULL), 200);
    assert_string_equal(client_element(c, "LocationConstraint"), "");
    client_expect(
        c,
        (&(struct client_call){"PUT", "/other", "<CreateBucketConfiguration/>",
                               .payload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}),
        400, "XAmzContentSHA256Mismatch");
}

static void test_names(void **state)
{
    struct client *c = *state;
    static const char *const invalid[] = {"/ab", "/Bucket", "/a..b", "/192.168.1.1", "/bucket_name", "/-bucket"};
    static const char *const reserved[] = {"/healthz", "/readyz", "/metrics"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        client_expect_do(c, "PUT", invalid[i], NULL, 400, "InvalidBucketName");
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        client_expect_do(c, "PUT", reserved[i], NULL, 400, "InvalidBucketName");
    assert_int_equal(fake_store_changes(c->store), 0);
}

static void test_list_buckets(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "GET", "/", NULL), 200);
    assert_int_equal(client_count(c, "<Bucket>"), 0);
    assert_int_equal(strlen(client_element(c, "ID")), 64);
    assert_string_equal(client_element(c, "DisplayName"), "root");
    static const char *const names[] = {"/ccc", "/aaa", "/bbb", "/bbc"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(client_do(c, "PUT", names[i], NULL), 200);
    assert_int_equal(client_do(c, "GET", "/", NULL), 200);
    assert_int_equal(client_count(c, "<Bucket>"), 4);
    assert_int_equal(client_count(c, "BucketRegion"), 0);
    assert_string_equal(client_element(c, "Name"), "aaa");
    assert_string_equal(client_element(c, "CreationDate"), "2023-11-14T22:13:20.123Z");
    assert_int_equal(client_do(c, "GET", "/?max-buckets=2&prefix=bb", NULL), 200);
    assert_int_equal(client_count(c, "<BucketRegion>us-east-1</BucketRegion>"), 2);
    assert_null(client_element(c, "ContinuationToken"));
    assert_int_equal(client_do(c, "GET", "/?max-buckets=3", NULL), 200);
    assert_string_equal(client_element(c, "ContinuationToken"), "bbc");
    assert_int_equal(client_do(c, "GET", "/?max-buckets=3&continuation-token=bbc", NULL), 200);
    assert_int_equal(client_count(c, "<Bucket>"), 1);
    assert_string_equal(client_element(c, "Name"), "ccc");
    client_expect_do(c, "GET", "/?max-buckets=0", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/?continuation-token=%2F", NULL, 400, "InvalidArgument");
    fake_store_set_bucket_owner(c->store, "aaa", "somebody");
    assert_int_equal(client_do(c, "GET", "/", NULL), 200);
    assert_string_equal(client_element(c, "Name"), "aaa"); /* root sees what is others', too */
}

static void test_settings(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *query;
        unsigned status;
        const char *code;
    } cases[] = {
        {"versioning", 200, ""},
        {"acl", 200, ""},
        {"requestPayment", 200, ""},
        {"logging", 200, ""},
        {"notification", 200, ""},
        {"policy", 404, "NoSuchBucketPolicy"},
        {"policyStatus", 404, "NoSuchBucketPolicy"},
        {"cors", 404, "NoSuchCORSConfiguration"},
        {"lifecycle", 404, "NoSuchLifecycleConfiguration"},
        {"tagging", 404, "NoSuchTagSet"},
        {"website", 404, "NoSuchWebsiteConfiguration"},
        {"encryption", 404, "ServerSideEncryptionConfigurationNotFoundError"},
        {"object-lock", 404, "ObjectLockConfigurationNotFoundError"},
        {"replication", 404, "ReplicationConfigurationNotFoundError"},
        {"publicAccessBlock", 404, "NoSuchPublicAccessBlockConfiguration"},
        {"ownershipControls", 404, "OwnershipControlsNotFoundError"},
        {"accelerate", 501, "NotImplemented"},
        {"versions", 200, ""},
    };
    assert_int_equal(client_do(c, "PUT", "/bucket", NULL), 200);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/bucket?%s", cases[i].query);
        client_expect_do(c, "GET", target, NULL, cases[i].status, cases[i].code);
        if (cases[i].status == 501)
            continue;
        snprintf(target, sizeof target, "/missing?%s=", cases[i].query);
        client_expect_do(c, "GET", target, NULL, 404, "NoSuchBucket");
    }
    assert_int_equal(client_do(c, "GET", "/bucket?versioning", NULL), 200);
    assert_null(client_element(c, "Status"));
    assert_int_equal(client_do(c, "GET", "/bucket?acl", NULL), 200);
    assert_string_equal(client_element(c, "Permission"), "FULL_CONTROL");
    assert_int_equal(client_count(c, "<Grant>"), 1);
}

static void test_refused_operations(void **state)
{
    struct client *c = *state;
    static const struct {
        const char *method;
        const char *target;
        unsigned status;
        const char *code;
    } cases[] = {
        {"PUT", "/bucket?policy", 400, "MalformedPolicy"},
        {"PUT", "/bucket?acl", 501, "NotImplemented"},
        {"PUT", "/bucket?object-lock", 400, "MalformedXML"},
        {"POST", "/bucket", 501, "NotImplemented"},
        {"PUT", "/bucket/key?retention", 400, "MalformedXML"},
        {"GET", "/bucket/key?retention", 400, "InvalidRequest"},
        {"POST", "/bucket/key?restore", 501, "NotImplemented"},
        {"PUT", "/", 405, "MethodNotAllowed"},
        {"POST", "/bucket/key", 405, "MethodNotAllowed"},
        {"POST", "/bucket?versioning", 405, "MethodNotAllowed"},
        {"PUT", "/bucket?location", 405, "MethodNotAllowed"},
        {"DELETE", "/bucket/key?acl", 405, "MethodNotAllowed"},
        {"PUT", "/bucket/key?partNumber=1", 400, "InvalidArgument"},
    };
    assert_int_equal(client_do(c, "PUT", "/bucket", NULL), 200);
    assert_int_equal(client_do(c, "PUT", "/bucket/key", "x"), 200);
    unsigned changes = fake_store_changes(c->store);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        client_expect_do(c, cases[i].method, cases[i].target, "x", cases[i].status, cases[i].code);
    assert_int_equal(fake_store_changes(c->store), changes);
}

static void test_virtual_host(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_call(c, &(struct client_call){"PUT", "/", .host = "bucket.s3.example.org"}), 200);
    assert_int_equal(client_call(c, &(struct client_call){"PUT", "/a/b", "x", .host = "bucket.s3.example.org:9000"}),
                     200);
    assert_string_equal(c->answer.operation, "PutObject");
    assert_int_equal(client_do(c, "GET", "/bucket/a/b", NULL), 200);
    assert_string_equal(c->answer.body, "x");
    assert_int_equal(client_call(c, &(struct client_call){"GET", "/", .host = "s3.example.org"}), 200);
    assert_string_equal(c->answer.operation, "ListBuckets");
}

static void test_preflight(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"OPTIONS", "/bucket/key", .auth = CLIENT_ANONYMOUS}), 400, "BadRequest");
    client_expect(
        c,
        (&(struct client_call){"OPTIONS", "/bucket/key", .auth = CLIENT_ANONYMOUS,
                               .headers = {{"origin", "https://a.example"}, {"access-control-request-method", "GET"}}}),
        403, "AccessForbidden");
}

static void test_expected_owner(void **state)
{
    struct client *c = *state;
    char owner[65];
    assert_int_equal(client_do(c, "PUT", "/bucket", NULL), 200);
    assert_int_equal(client_do(c, "GET", "/", NULL), 200);
    snprintf(owner, sizeof owner, "%s", client_element(c, "ID"));
    client_expect(c,
                  (&(struct client_call){"GET", "/bucket?location",
                                         .headers = {{"x-amz-expected-bucket-owner", "111122223333"}}}),
                  403, "AccessDenied");
    assert_int_equal(client_call(c, &(struct client_call){"GET", "/bucket?location",
                                                          .headers = {{"x-amz-expected-bucket-owner", owner}}}),
                     200);
}

static void test_malformed_targets(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"GET", "/bucket/%zz", .auth = CLIENT_ANONYMOUS}), 400, "InvalidURI");
    client_expect(c, (&(struct client_call){"GET", "/bucket?prefix=%4", .auth = CLIENT_ANONYMOUS}), 400, "InvalidURI");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_and_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_again, setup, teardown),
        cmocka_unit_test(test_create_again_elsewhere),
        cmocka_unit_test_setup_teardown(test_location_constraint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_buckets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_virtual_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_preflight, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expected_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_targets, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
