/* Response heads: exact bytes, bounds, and no injection. */
#include "http1_response.h"
#include "wire_test.h"

static void test_exact(void **state)
{
    (void)state;
    char buf[256];
    struct http1_response r;
    struct bytes head;
    http1_response_begin(&r, buf, sizeof buf, 206);
    http1_response_header_str(&r, "Content-Type", "application/dicom");
    http1_response_header_u64(&r, "Content-Length", 0);
    http1_response_header_u64(&r, "X-Max", UINT64_MAX);
    http1_response_header(&r, "ETag", bytes_of("\"a\"x", 3));
    http1_response_header_named(&r, "x-amz-meta-", str("name"), str("caf\xc3\xa9\t!"));
    http1_response_header_str(&r, "Empty", "");
    assert_int_equal(http1_response_end(&r, &head), DOL_OK);
    assert_bytes(head,
                 "HTTP/1.1 206 Partial Content\r\nContent-Type: application/dicom\r\nContent-Length: 0\r\n"
                 "X-Max: 18446744073709551615\r\nETag: \"a\"\r\nx-amz-meta-name: caf\xc3\xa9\t!\r\nEmpty: \r\n\r\n");
}

static void test_injection(void **state)
{
    (void)state;
    static const char *const values[] = {"a\r\nX: y", "a\nX: y", "a\rb", "\x01", "\x7f"};
    static const char *const names[] = {"a\r\nX", "a:", "a b", "", "caf\xc3\xa9"};
    char buf[256];
    struct http1_response r;
    struct bytes head;
    for (size_t i = 0; i < 5; i++) {
        http1_response_begin(&r, buf, sizeof buf, 200);
        http1_response_header_named(&r, "", str("ok"), str(values[i]));
        http1_response_header_str(&r, "After", "fine"); /* the error sticks */
        assert_int_equal(http1_response_end(&r, &head), DOL_EINVAL);
        assert_int_equal(head.len, 0);
        http1_response_begin(&r, buf, sizeof buf, 200);
        http1_response_header_named(&r, "", str(names[i]), str("v"));
        assert_int_equal(http1_response_end(&r, &head), DOL_EINVAL);
    }
    http1_response_begin(&r, buf, sizeof buf, 200);
    http1_response_header(&r, "Nul", bytes_of("a\0b", 3));
    assert_int_equal(http1_response_end(&r, &head), DOL_EINVAL);
    http1_response_begin(&r, buf, sizeof buf, 99);
    assert_int_equal(http1_response_end(&r, &head), DOL_EINVAL);
}

static void test_bounds(void **state)
{
    (void)state;
    const size_t need = strlen("HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
    for (size_t size = 0; size <= need + 1; size++) {
        char *buf = malloc(size > 0 ? size : 1);
        assert_non_null(buf);
        struct http1_response r;
        struct bytes head;
        http1_response_begin(&r, buf, size, 200);
        http1_response_header_str(&r, "A", "b");
        enum dol_err err = http1_response_end(&r, &head);
        assert_int_equal(err, size >= need ? DOL_OK : DOL_ETOOLARGE);
        assert_int_equal(head.len, size >= need ? need : 0);
        free(buf);
    }
}

static void test_reasons(void **state)
{
    (void)state;
    assert_string_equal(http1_reason(503), "Service Unavailable");
    assert_string_equal(http1_reason(299), "Status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
