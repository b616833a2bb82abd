/* Who gets in, and what those who don't are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_client.h"

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

static void test_signed_request_is_served(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "GET", "/", NULL), 200);
    assert_string_equal(client_element(c, "Name"), "bucket");
    assert_string_equal(c->answer.operation, "ListBuckets");
    assert_string_equal(c->answer.user, CLIENT_ACCESS_KEY);
    assert_string_equal(client_header(c, "Content-Type"), "application/xml");
}

static void test_anonymous_is_denied(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"GET", "/bucket", .auth = CLIENT_ANONYMOUS}), 403, "AccessDenied");
    assert_string_equal(c->answer.operation, "ListObjects");
    assert_string_equal(c->answer.user, "");
    assert_string_equal(client_element(c, "RequestId"), "0123456789ABCDEF");
    assert_string_equal(client_element(c, "Resource"), "/bucket");
    client_expect(c, (&(struct client_call){"HEAD", "/bucket/key", .auth = CLIENT_ANONYMOUS}), 403, "AccessDenied");
}

static void test_wrong_access_key(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"GET", "/", .access_key = "AKIDOTHER"}), 403, "InvalidAccessKeyId");
    assert_string_equal(client_element(c, "AWSAccessKeyId"), "AKIDOTHER");
}

static void test_wrong_secret(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"GET", "/", .secret_key = "guess"}), 403, "SignatureDoesNotMatch");
    assert_string_equal(client_element(c, "AWSAccessKeyId"), CLIENT_ACCESS_KEY);
    assert_non_null(strstr(client_element(c, "StringToSign"), "AWS4-HMAC-SHA256\n"));
    /* and the cached key of the right one still works */
    assert_int_equal(client_do(c, "GET", "/", NULL), 200);
    client_expect(c, (&(struct client_call){"GET", "/", .secret_key = "guess"}), 403, "SignatureDoesNotMatch");
}

static void test_skewed_clock(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"GET", "/", .time_offset_s = 920}), 403, "RequestTimeTooSkewed");
    assert_string_equal(client_element(c, "MaxAllowedSkewMilliseconds"), "900000");
    client_expect(c, (&(struct client_call){"GET", "/", .time_offset_s = -920}), 403, "RequestTimeTooSkewed");
    assert_int_equal(client_call(c, &(struct client_call){"GET", "/", .time_offset_s = -880}), 200);
}

static void test_wrong_region(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"GET", "/", .region = "eu-west-3"}), 400, "AuthorizationHeaderMalformed");
    assert_string_equal(client_element(c, "Region"), "us-east-1");
    assert_string_equal(client_element(c, "Message"), "The authorization header is malformed; the region 'eu-west-3' "
                                                      "is wrong; expecting 'us-east-1'");
}

static void test_content_sha256_header(void **state)
{
    struct client *c = *state;
    client_expect(c, (&(struct client_call){"GET", "/", .no_content_sha256 = true}), 400, "InvalidRequest");
    client_expect(c, (&(struct client_call){"GET", "/", .payload = "0123"}), 400, "InvalidArgument");
    assert_string_equal(client_element(c, "ArgumentName"), "x-amz-content-sha256");
    assert_string_equal(client_element(c, "ArgumentValue"), "0123");
    assert_int_equal(client_call(c, &(struct client_call){"GET", "/", .payload = "UNSIGNED-PAYLOAD"}), 200);
}

static void test_other_mechanisms(void **state)
{
    struct client *c = *state;
    client_expect(c,
                  (&(struct client_call){"GET", "/", .auth = CLIENT_ANONYMOUS,
                                         .headers = {{"authorization", "AWS AKIDEXAMPLE:c2lnbmF0dXJl"}}}),
                  400, "InvalidRequest");
    client_expect(c, (&(struct client_call){"GET", "/", .headers = {{"x-amz-security-token", "token"}}}), 400,
                  "InvalidToken");
}

static void test_presigned(void **state)
{
    struct client *c = *state;
    assert_int_equal(client_do(c, "PUT", "/bucket/key", "hello"), 200);
    assert_int_equal(client_call(c, &(struct client_call){"GET", "/bucket/key", .auth = CLIENT_PRESIGNED}), 200);
    assert_string_equal(c->answer.body, "hello");
    assert_int_equal(client_call(c, &(struct client_call){"PUT", "/bucket/two", "world", .auth = CLIENT_PRESIGNED}),
                     200);
    client_expect(c, (&(struct client_call){"GET", "/bucket/key", .auth = CLIENT_PRESIGNED, .time_offset_s = -70}), 403,
                  "AccessDenied");
    assert_string_equal(client_element(c, "Message"), "Request has expired");
    client_expect(c, (&(struct client_call){"GET", "/bucket/key", .auth = CLIENT_PRESIGNED, .secret_key = "guess"}),
                  403, "SignatureDoesNotMatch");
    client_expect(c, (&(struct client_call){"GET", "/bucket/key", .auth = CLIENT_PRESIGNED, .region = "eu-west-3"}),
                  400, "AuthorizationQueryParametersError");
    assert_string_equal(client_element(c, "Region"), "us-east-1");
}

static void test_small_arena_slows_down(void **state)
{
    struct client *c = *state;
    for (size_t bytes = 1; bytes < 24 << 10; bytes += 97) {
        unsigned status = client_call(c, &(struct client_call){"GET", "/", .arena_bytes = bytes});
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signed_request_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anonymous_is_denied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_access_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(test_skewed_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_region, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content_sha256_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_mechanisms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_presigned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_arena_slows_down, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
