/* Command lines: values, strictness, defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"1", 1},
        {"4096", 4096},
        {"1K", 1024},
        {"512M", 512ull << 20},
        {"4G", 4ull << 30},
        {"4g", 4ull << 30},
        {"4GiB", 4ull << 30},
        {"2T", 2ull << 40},
        {"16383P", 16383ull << 50},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {
        "",       "0",     "0G",  "G", "-1", "+1", "1.5G", " 1", "1 ", "1GB ", "1Gi", "1B", "18446744073709551616",
        "16384P", "1GiBx", "0x10"};
    uint64_t bytes;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(option_parse_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(option_parse_size(bad[i], &bytes));
}

static void intervals(void **state)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } good[] = {{"1s", 1}, {"90s", 90}, {"30m", 1800}, {"12h", 43200}, {"7d", 604800}, {"3650d", 315360000}};
    static const char *const bad[] = {
        "", "7", "d", "0d", "7w", "7dd", "-1d", " 7d", "1.5h", "3651d", "99999999999999999999d"};
    uint64_t seconds = 0;
    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(option_parse_interval(good[i].text, &seconds));
        assert_int_equal(seconds, good[i].seconds);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(option_parse_interval(bad[i], &seconds));
}

static void geometries(void **state)
{
    static const char *const bad[] = {"", "4", "4+", "+2", "0+2", "4+2+1", "4 +2", "4-2", "256+1", "1+256", "4+2 "};
    unsigned k;
    unsigned m;
    (void)state;
    assert_true(option_parse_geometry("4+2", &k, &m));
    assert_int_equal(k, 4);
    assert_int_equal(m, 2);
    assert_true(option_parse_geometry("1+0", &k, &m));
    assert_int_equal(m, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(option_parse_geometry(bad[i], &k, &m));
}

static void endpoints(void **state)
{
    static const char *const bad[] = {"",           ":9000",       "127.0.0.1",   "127.0.0.1:",       "127.0.0.1:65536",
                                      "1.2.3:9000", "localhost:1", "::1:9000",    "[127.0.0.1]:9000", "[::1]",
                                      "[::1]9000",  "[]:1",        "127.0.0.1:9x"};
    char host[OPTION_HOST_BYTES_MAX];
    uint16_t port;
    (void)state;
    assert_true(option_parse_endpoint("127.0.0.1:9000", host, &port));
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 9000);
    assert_true(option_parse_endpoint("[::1]:0", host, &port));
    assert_string_equal(host, "::1");
    assert_int_equal(port, 0);
    assert_true(option_parse_endpoint("0.0.0.0:65535", host, &port));
    assert_int_equal(port, 65535);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(option_parse_endpoint(bad[i], host, &port));
}

static void names(void **state)
{
    (void)state;
    assert_true(option_is_domain("s3.hospital.example"));
    assert_true(option_is_domain("localhost"));
    assert_false(option_is_domain(""));
    assert_false(option_is_domain(".a"));
    assert_false(option_is_domain("a."));
    assert_false(option_is_domain("a..b"));
    assert_false(option_is_domain("-a.b"));
    assert_false(option_is_domain("a-.b"));
    assert_false(option_is_domain("a b"));
    assert_false(option_is_domain("a/b"));
    assert_true(option_is_region("us-east-1"));
    assert_false(option_is_region("US"));
    assert_false(option_is_region(""));
    assert_false(option_is_region("a/b"));
}

static enum options_result parse(const char *const *args, struct options *o)
{
    char *argv[20];
    int argc = 0;
    argv[argc++] = (char *)"dolmend";
    for (; *args != NULL; args++)
        argv[argc++] = (char *)(uintptr_t)*args;
    enum options_result result = options_parse(argc, argv, o);
    if (result != OPTIONS_RUN)
        options_fini(o);
    return result;
}
#define PARSE(o, ...) parse((const char *const[]){__VA_ARGS__, NULL}, o)

static void defaults_and_all_options(void **state)
{
    struct options o;
    (void)state;
    assert_int_equal(PARSE(&o, "--dev", "d"), OPTIONS_RUN);
    assert_string_equal(o.dev, "d");
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.port, 9000);
    assert_int_equal(o.drives, 6);
    assert_int_equal(o.k, 4);
    assert_int_equal(o.m, 2);
    assert_int_equal(o.drive_size_bytes, 4ull << 30);
    assert_string_equal(o.region, "us-east-1");
    assert_null(o.domain);
    assert_false(o.drives_given || o.geometry_given || o.drive_size_given);

    assert_int_equal(PARSE(&o, "--dev=d", "--listen", "[::1]:80", "--drives=3", "--ec", "2+1", "--drive-size", "1G",
                           "--domain", "a.b", "--region=eu-1"),
                     OPTIONS_RUN);
    assert_string_equal(o.host, "::1");
    assert_int_equal(o.port, 80);
    assert_int_equal(o.drives, 3);
    assert_int_equal(o.k, 2);
    assert_int_equal(o.m, 1);
    assert_int_equal(o.drive_size_bytes, 1ull << 30);
    assert_string_equal(o.domain, "a.b");
    assert_string_equal(o.region, "eu-1");
    assert_true(o.drives_given && o.geometry_given && o.drive_size_given);
}

static void wrong_usage_is_refused(void **state)
{
    struct options o;
    (void)state;
    assert_int_equal(parse((const char *const[]){NULL}, &o), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev="), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", ""), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "d"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "-d", "d"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "more"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--de", "d"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--drives", "65"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--drives", "0"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--drive-size", "4X"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--ec", "0+1"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--listen", "localhost:9000"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--region", "A"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--version=1"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--tls-cert", "f"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--config", "f"), OPTIONS_WRONG);
}

/* The file first, wherever the option stands; then the other options. */
static void options_win_over_the_file(void **state)
{
    char path[] = "/tmp/dolmen-options-XXXXXX";
    struct options o;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "[server]\nlisten = 1.2.3.4:1\nregion = a\n[pool]\ndrives = /d\n[log]\nlevel = warn\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(PARSE(&o, "--listen", "127.0.0.1:2", "--config", path, "--log-format=json", "--cache-size", "1M"),
                     OPTIONS_RUN);
    assert_string_equal(o.config, path);
    assert_null(o.dev);
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.port, 2);
    assert_string_equal(o.region, "a");
    assert_int_equal(o.log_level, LOG_LEVEL_WARN);
    assert_int_equal(o.log_format, LOG_FORMAT_JSON);
    assert_int_equal(o.cache_bytes, 1u << 20);
    assert_int_equal(o.drive_path_count, 1);
    assert_false(o.check);
    options_fini(&o);
    assert_int_equal(PARSE(&o, "--config", path, "--check"), OPTIONS_RUN);
    assert_true(o.check);
    options_fini(&o);
    assert_int_equal(PARSE(&o, "--config", path, "--dev", "d"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--config", path, "--config", path), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--config", path, "--drives", "2"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--config", path, "--ec", "1+1"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--config", path, "--drive-size", "1G"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--config", path, "--tls-cert", "c"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--dev", "d", "--check"), OPTIONS_WRONG);
    assert_int_equal(PARSE(&o, "--config", "/nonexistent/file"), OPTIONS_WRONG);
    assert_int_equal(unlink(path), 0);
}

static void help_and_version(void **state)
{
    struct options o;
    (void)state;
    assert_int_equal(PARSE(&o, "--version"), OPTIONS_SHOWN);
    assert_int_equal(PARSE(&o, "--dev", "d", "--help"), OPTIONS_SHOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals),
        cmocka_unit_test(sizes),
        cmocka_unit_test(geometries),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(names),
        cmocka_unit_test(defaults_and_all_options),
        cmocka_unit_test(wrong_usage_is_refused),
        cmocka_unit_test(options_win_over_the_file),
        cmocka_unit_test(help_and_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
