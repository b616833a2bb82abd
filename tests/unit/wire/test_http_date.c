/* Dates: the three HTTP forms, ISO forms, and a calendar without limits. */
#include "http_date.h"
#include "wire_test.h"
#include <time.h>

static void test_http_forms(void **state)
{
    (void)state;
    static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    int64_t t;
    for (size_t i = 0; i < 3; i++) {
        assert_true(http_date_parse(str(same[i]), &t));
        assert_int_equal(t, 784111777);
    }
    assert_true(http_date_parse(str("Thu Nov 24 06:14:15 2026"), &t));
    assert_int_equal(t, 1795500855);
    assert_true(http_date_parse(str("Tue, 24-Nov-26 06:14:15 GMT"), &t) == false);
    assert_true(http_date_parse(str("Tuesday, 24-Nov-26 06:14:15 GMT"), &t));
    assert_int_equal(t, 1795500855);
    assert_true(http_date_parse(str("Sat, 31 Dec 2016 23:59:60 GMT"), &t)); /* leap second */
    assert_int_equal(t, 1483228800);
    static const char *const bad[] = {"",
                                      "Sun",
                                      "Sun, ",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      "sun, 06 nov 1994 08:49:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 29 Feb 2023 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:00:00 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 06 Nov 19x4 08:49:37 GMT",
                                      "1994-11-06T08:49:37Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *copy = exact_copy(bad[i], strlen(bad[i]));
        assert_false(http_date_parse(bytes_of(copy, strlen(bad[i])), &t));
        free(copy);
    }
}

static void test_basic(void **state)
{
    (void)state;
    int64_t t;
    assert_true(http_date_parse_basic(str("20261124T061415Z"), &t));
    assert_int_equal(t, 1795500855);
    assert_true(http_date_parse_basic(str("20240229T000000Z"), &t));
    assert_true(http_date_parse_basic(str("20000229T000000Z"), &t));
    static const char *const bad[] = {"",
                                      "20261124T061415",
                                      "20261124T061415Z ",
                                      "20261124 061415Z",
                                      "20261324T061415Z",
                                      "20230229T000000Z",
                                      "19000229T000000Z",
                                      "21000229T000000Z",
                                      "2026112T0061415Z",
                                      "+0261124T061415Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(http_date_parse_basic(str(bad[i]), &t));
}

static void test_iso(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"2026-11-24T06:14:15Z", 1795500855000000000},
                {"2026-11-24T06:14:15.123Z", 1795500855123000000},
                {"2026-11-24T07:14:15+01:00", 1795500855000000000},
                {"2026-11-24T01:44:15.5-04:30", 1795500855500000000},
                {"2026-11-24", 1795478400000000000},
                {"1969-12-31T23:59:59.999999999Z", -1},
                {"2026-11-24T06:14:15.1234567899Z", 1795500855123456789}};
    int64_t ns;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(http_date_parse_iso(str(good[i].text), &ns));
        assert_int_equal(ns, good[i].ns);
    }
    static const char *const bad[] = {"",
                                      "2026-11-24T06:14:15",
                                      "2026-11-24T06:14:15.Z",
                                      "2026-11-24 06:14:15Z",
                                      "2026-11-24T06:14:15+0100",
                                      "2026-11-24T06:14:15+24:00",
                                      "2026-11-24T",
                                      "2026-02-30",
                                      "9999-01-01"}; /* beyond what nanoseconds can say */
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(http_date_parse_iso(str(bad[i]), &ns));
}

static void test_format(void **state)
{
    (void)state;
    char text[HTTP_DATE_TEXT_MAX];
    assert_int_equal(http_date_format(1795500855, text), 29);
    assert_string_equal(text, "Tue, 24 Nov 2026 06:14:15 GMT");
    http_date_format(0, text);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date_format(-1, text);
    assert_string_equal(text, "Wed, 31 Dec 1969 23:59:59 GMT");
    http_date_format_basic(1795500855, text);
    assert_string_equal(text, "20261124T061415Z");
    http_date_format_iso(1795500855000999999, text);
    assert_string_equal(text, "2026-11-24T06:14:15.000Z");
    http_date_format_iso(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    http_date_format_iso(INT64_MAX, text);
    assert_string_equal(text, "2262-04-11T23:47:16.854Z");
    /* as far as seconds may go */
    http_date_format(253402300800, text);
    assert_string_equal(text, "Sat, 01 Jan 10000 00:00:00 GMT");
    assert_true(http_date_format(INT64_MAX, text) < HTTP_DATE_TEXT_MAX);
    assert_true(http_date_format(INT64_MIN, text) < HTTP_DATE_TEXT_MAX);
    assert_true(http_date_format_basic(INT64_MIN, text) < HTTP_DATE_TEXT_MAX);
}

/* Every day of 800 years there and back, against the C library. */
static void test_calendar(void **state)
{
    (void)state;
    for (int64_t day = -146097; day <= 146097; day++) {
        time_t t = day * 86400 + 12345;
        struct tm tm;
        struct http_date_civil c;
        assert_non_null(gmtime_r(&t, &tm));
        http_date_to_civil(t, &c);
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour * 3600 + c.minute * 60 + c.second, 12345);
        assert_int_equal(http_date_from_civil(&c), t);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    char text[HTTP_DATE_TEXT_MAX];
    for (int64_t t = -62135596800; t < 253402300800; t += 86399 * 1009) { /* years 1 to 9999 */
        int64_t back;
        size_t len = http_date_format(t, text);
        assert_true(http_date_parse(bytes_of(text, len), &back));
        assert_int_equal(back, t);
        len = http_date_format_basic(t, text);
        assert_true(http_date_parse_basic(bytes_of(text, len), &back));
        assert_int_equal(back, t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_forms), cmocka_unit_test(test_basic),    cmocka_unit_test(test_iso),
        cmocka_unit_test(test_format),     cmocka_unit_test(test_calendar), cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
