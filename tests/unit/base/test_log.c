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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
