/* Log lines: shape, levels, the journal's prefix, cutting, and that a value cannot forge a line. */
#include "log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char captured[8192];
static int saved_stderr;
static int pipe_fds[2];

static void capture_begin(void)
{
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
}

static void capture_end(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    close(pipe_fds[1]);
    ssize_t n = read(pipe_fds[0], captured, sizeof captured - 1);
    close(pipe_fds[0]);
    captured[n > 0 ? n : 0] = '\0';
}

static void test_shape(void **state)
{
    (void)state;
    unsetenv("JOURNAL_STREAM");
    capture_begin();
    log_info("slab", "opened life=%s", "ab\ncd\x7f\x1b");
    capture_end();
    int year;
    int end = 0;
    assert_int_equal(sscanf(captured, "%d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ %n", &year, &end), 1);
    assert_in_range(year, 2024, 2200);
    assert_int_equal(end, 25);
    assert_string_equal(captured + end, "info slab: opened life=ab?cd??\n");
}

static void test_journal(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "8:1", 1);
    capture_begin();
    log_error("x", "e");
    log_warn("x", "w");
    log_info("x", "i");
    log_debug("x", "not shown");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("x", "d");
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("x", "not shown");
    log_set_level(LOG_LEVEL_INFO);
    capture_end();
    unsetenv("JOURNAL_STREAM");
    assert_string_equal(captured, "<3>error x: e\n<4>warn x: w\n<6>info x: i\n<7>debug x: d\n");
}

static void test_cut(void **state)
{
    (void)state;
    char big[4001];
    memset(big, 'y', sizeof big);
    big[4000] = '\0';
    capture_begin();
    log_info("x", "%s", big);
    capture_end();
    size_t len = strlen(captured);
    assert_int_equal(len, 2048);
    assert_string_equal(captured + len - 6, "yy...\n");
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(log_level_parse("error"), LOG_LEVEL_ERROR);
    assert_int_equal(log_level_parse("warn"), LOG_LEVEL_WARN);
    assert_int_equal(log_level_parse("info"), LOG_LEVEL_INFO);
    assert_int_equal(log_level_parse("debug"), LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("Info"), -1);
    assert_int_equal(log_level_parse(""), -1);
    assert_int_equal(log_get_level(), LOG_LEVEL_INFO);
}

/* What follows the time, which is checked for its shape. */
static const char *after_time(void)
{
    int end = 0;
    int year;
    assert_int_equal(sscanf(captured, "{\"time\":\"%d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ\",%n", &year, &end), 1);
    assert_int_equal(end, 35);
    return captured + end;
}

static void test_json(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    assert_true(log_is_json());
    capture_begin();
    log_info("slab", "a \"b\" \\ \n\x01\x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    capture_end();
    assert_string_equal(after_time(), "\"level\":\"info\",\"component\":\"slab\",\"message\":\"a \\\"b\\\" \\\\ "
                                      "\\u000a\\u0001\\u007f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"}\n");
    /* Not UTF-8: lone, cut, overlong, a surrogate, beyond U+10FFFF. */
    capture_begin();
    log_warn("x", "\x80 \xc3 \xe2\x82 \xc0\xaf \xe0\x80\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xff.");
    capture_end();
    assert_string_equal(after_time(),
                        "\"level\":\"warn\",\"component\":\"x\",\"message\":\"? ? ?? ?? ??? ??? ???? ?.\"}\n");
    log_set_format(LOG_FORMAT_AUTO);
    assert_false(log_is_json());
}

static void test_fields(void **state)
{
    (void)state;
    const struct log_field fields[] = {{"id", "A\"B", 0}, {"status", NULL, 200}};
    log_set_format(LOG_FORMAT_JSON);
    capture_begin();
    log_fields(LOG_LEVEL_INFO, "http", "request", fields, 2);
    log_fields(LOG_LEVEL_DEBUG, "http", "not shown", fields, 2);
    capture_end();
    assert_string_equal(after_time(),
                        "\"level\":\"info\",\"component\":\"http\",\"message\":\"request\",\"id\":\"A\\\"B\","
                        "\"status\":200}\n");
    log_set_format(LOG_FORMAT_JOURNAL);
    capture_begin();
    log_fields(LOG_LEVEL_INFO, "http", "request", fields, 2);
    capture_end();
    assert_string_equal(captured, "<6>info http: request id=A\"B status=200\n");
    log_set_format(LOG_FORMAT_AUTO);
}

/* However long its values are, a JSON line is whole. */
static void test_json_cut(void **state)
{
    (void)state;
    static char big[20001];
    memset(big, '"', sizeof big - 1);
    const struct log_field fields[] = {{"a", big, 0}, {"b", big, 0}, {"c", NULL, 1}};
    log_set_format(LOG_FORMAT_JSON);
    capture_begin();
    log_fields(LOG_LEVEL_INFO, "x", "m", fields, 3);
    capture_end();
    size_t len = strlen(captured);
    assert_true(len <= 4096);
    assert_string_equal(captured + len - 8, "\\\"...\"}\n");
    capture_begin();
    log_info("x", "%s", big);
    capture_end();
    assert_true(strlen(captured) <= 4096);
    assert_string_equal(captured + strlen(captured) - 6, "...\"}\n");
    log_set_format(LOG_FORMAT_AUTO);
}

static void test_formats(void **state)
{
    (void)state;
    assert_int_equal(log_format_parse("auto"), LOG_FORMAT_AUTO);
    assert_int_equal(log_format_parse("text"), LOG_FORMAT_TEXT);
    assert_int_equal(log_format_parse("journal"), LOG_FORMAT_JOURNAL);
    assert_int_equal(log_format_parse("json"), LOG_FORMAT_JSON);
    assert_int_equal(log_format_parse("JSON"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),    cmocka_unit_test(test_journal), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_levels),   cmocka_unit_test(test_json),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_json_cut), cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
