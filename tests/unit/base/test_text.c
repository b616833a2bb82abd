/* Hex, base64, error names, and the little-endian and list helpers. */
#include "hash.h"
#include "le.h"
#include "list.h"

#include <dolmen/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_hex(void **state)
{
    (void)state;
    uint8_t out[4];
    char text[9];
    hex_encode("\x00\x7f\xab\xff", 4, text);
    assert_string_equal(text, "007fabff");
    hex_encode(NULL, 0, text);
    assert_string_equal(text, "");
    assert_true(hex_decode("007FabFf", 8, out, 4));
    assert_memory_equal(out, "\x00\x7f\xab\xff", 4);
    assert_true(hex_decode("", 0, out, 0));
    assert_false(hex_decode("007fab", 6, out, 4));
    assert_false(hex_decode("007fabf", 7, out, 4));
    assert_false(hex_decode("007fabff0", 9, out, 4));
    assert_false(hex_decode("007fabfg", 8, out, 4));
    assert_false(hex_decode("007f bff", 8, out, 4));
    assert_false(hex_decode("0x7fabff", 8, out, 4));
}

/* RFC 4648 section 10. */
static const struct {
    const char *plain;
    const char *text;
} base64_cases[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void test_base64_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof base64_cases / sizeof base64_cases[0]; i++) {
        char text[16];
        uint8_t plain[8];
        size_t len = strlen(base64_cases[i].plain);
        size_t out_len = len;
        base64_encode(base64_cases[i].plain, len, text);
        assert_string_equal(text, base64_cases[i].text);
        assert_true(base64_decode(text, strlen(text), plain, &out_len));
        assert_int_equal(out_len, len);
        assert_memory_equal(plain, base64_cases[i].plain, len);
        if (len > 0) {
            out_len = len - 1;
            assert_false(base64_decode(text, strlen(text), plain, &out_len));
        }
    }
}

static void test_base64_all_bytes(void **state)
{
    (void)state;
    uint8_t in[256];
    uint8_t back[256];
    char text[345];
    size_t len = sizeof back;
    for (unsigned i = 0; i < 256; i++)
        in[i] = (uint8_t)i;
    base64_encode(in, sizeof in, text);
    assert_int_equal(strlen(text), 344);
    assert_non_null(strchr(text, '+'));
    assert_non_null(strchr(text, '/'));
    assert_true(base64_decode(text, 344, back, &len));
    assert_int_equal(len, 256);
    assert_memory_equal(in, back, 256);
}

static void test_base64_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Zg",     "Zg=",   "Zm9",  "Z===", "====", "Zg==Zg==", "Zm=v", "=m9v",
        "Zm9v\n", "Zm9v ", "Zm 9", "Zm-_", "Zh==", "Zm9=",     "Zg=A",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t out[16];
        size_t len = sizeof out;
        assert_false(base64_decode(bad[i], strlen(bad[i]), out, &len));
    }
}

static void test_err(void **state)
{
    (void)state;
    assert_string_equal(dol_err_name(DOL_OK), "OK");
    assert_string_equal(dol_err_name(DOL_ECORRUPT), "ECORRUPT");
    assert_string_equal(dol_err_text(DOL_ECORRUPT), "checksum mismatch or malformed stored data");
    assert_string_equal(dol_err_name(DOL_ESYNTAX), "ESYNTAX");
    assert_string_equal(dol_err_name((enum dol_err)1000), "EUNKNOWN");
    assert_string_equal(dol_err_text((enum dol_err)1000), "unknown error");
}

static void test_le(void **state)
{
    (void)state;
    struct le16 v16 = le16_of(0x0102);
    struct le32 v32 = le32_of(0x81020304);
    struct le64 v64 = le64_of(0x8102030405060708);
    uint8_t be[8];
    assert_memory_equal(v16.b, "\x02\x01", 2);
    assert_memory_equal(v32.b, "\x04\x03\x02\x81", 4);
    assert_memory_equal(v64.b, "\x08\x07\x06\x05\x04\x03\x02\x81", 8);
    assert_int_equal(le16_get(v16), 0x0102);
    assert_int_equal(le32_get(v32), 0x81020304);
    assert_true(le64_get(v64) == 0x8102030405060708);
    be64_put(be, 0x8102030405060708);
    assert_memory_equal(be, "\x81\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_true(be64_get(be) == 0x8102030405060708);
}

static void test_list(void **state)
{
    (void)state;
    struct list_node head;
    struct list_node a;
    struct list_node b;
    struct list_node c;
    list_init(&head);
    assert_null(list_pop_front(&head));
    list_push_back(&head, &b);
    list_push_back(&head, &c);
    list_push_front(&head, &a);
    const struct list_node *expected[] = {&a, &b, &c};
    unsigned n = 0;
    list_for_each(pos, &head) assert_ptr_equal(pos, expected[n++]);
    assert_int_equal(n, 3);
    list_remove(&b);
    assert_null(b.next);
    assert_null(b.prev);
    n = 0;
    list_for_each_safe(pos, tmp, &head)
    {
        list_remove(pos);
        n++;
    }
    assert_int_equal(n, 2);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_all_bytes),
        cmocka_unit_test(test_base64_strict),
        cmocka_unit_test(test_err),
        cmocka_unit_test(test_le),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
