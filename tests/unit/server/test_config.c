/* The configuration file: every key, what is refused and how it is said, defaults, options on top, and systemd's
 * credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/dolmen-config-XXXXXX";
static char path[64];
static struct options options;
static struct option_why why;

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/c", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static int forget(void **state)
{
    (void)state;
    options_fini(&options);
    return 0;
}

static void write_file(const char *name, const char *text, size_t len)
{
    FILE *f = fopen(name, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static enum dol_err load_bytes(const char *text, size_t len)
{
    options_fini(&options);
    options_init(&options);
    write_file(path, text, len);
    return config_load(path, &options, &why);
}

static enum dol_err load(const char *text)
{
    return load_bytes(text, strlen(text));
}

/* The file is refused with this text, which follows its name. */
static void refuse(const char *text, const char *complaint)
{
    assert_int_equal(load(text), DOL_ESYNTAX);
    assert_int_equal(strncmp(why.text, path, strlen(path)), 0);
    assert_string_equal(why.text + strlen(path), complaint);
}

static const char everything[] = "# a comment\n"
                                 "[server]\n"
                                 "listen = 0.0.0.0:80   ; another\n"
                                 "tls_listen=[::]:443\n"
                                 "tls_cert = /etc/c.pem\n"
                                 "tls_key : /etc/k.pem\n"
                                 "domain = s3.example\n"
                                 "region = eu-1\n"
                                 "admin_socket = /run/a\n"
                                 "\n"
                                 "[pool]\n"
                                 "drives = /dev/a /dev/b\n"
                                 "         /dev/c\n"
                                 "drives = /dev/d\n"
                                 "index = /i\n"
                                 "key = /k\n"
                                 "credentials = /c\n"
                                 "[log]\n"
                                 "level = debug\n"
                                 "format = json\n"
                                 "[limits]\n"
                                 "connections = 100\n"
                                 "puts = 7\n"
                                 "idle_timeout = 1\n"
                                 "head_timeout = 2\n"
                                 "body_timeout = 3\n"
                                 "send_timeout = 4\n"
                                 "stop_timeout = 5\n"
                                 "rate_min = 6\n"
                                 "[cache]\n"
                                 "size = 512M\n"
                                 "[scrub]\n"
                                 "bandwidth = 10M\n"
                                 "interval = 12h\n"
                                 "[lifecycle]\n"
                                 "day = 2h";

static void everything_is_read(void **state)
{
    (void)state;
    assert_int_equal(load(everything), DOL_OK);
    assert_ptr_equal(options.config, path);
    assert_string_equal(options.host, "0.0.0.0");
    assert_int_equal(options.port, 80);
    assert_true(options.tls_listen_given);
    assert_string_equal(options.tls_host, "::");
    assert_int_equal(options.tls_port, 443);
    assert_string_equal(options.tls_cert, "/etc/c.pem");
    assert_string_equal(options.tls_key, "/etc/k.pem");
    assert_string_equal(options.domain, "s3.example");
    assert_string_equal(options.region, "eu-1");
    assert_string_equal(options.admin_socket, "/run/a");
    assert_int_equal(options.drive_path_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        const char expected[] = {'/', 'd', 'e', 'v', '/', (char)('a' + i), '\0'};
        assert_string_equal(options.drive_paths[i], expected);
    }
    assert_string_equal(options.index, "/i");
    assert_string_equal(options.key, "/k");
    assert_string_equal(options.credentials, "/c");
    assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(options.log_format, LOG_FORMAT_JSON);
    assert_int_equal(options.limits.connections, 100);
    assert_int_equal(options.limits.puts, 7);
    assert_int_equal(options.limits.idle_timeout_s, 1);
    assert_int_equal(options.limits.head_timeout_s, 2);
    assert_int_equal(options.limits.body_timeout_s, 3);
    assert_int_equal(options.limits.send_timeout_s, 4);
    assert_int_equal(options.limits.stop_timeout_s, 5);
    assert_int_equal(options.limits.rate_bytes_min, 6);
    assert_int_equal(options.cache_bytes, 512u << 20);
    assert_int_equal(options.scrub_bytes_s, 10u << 20);
    assert_int_equal(options.scrub_interval_s, 43200);
    assert_int_equal(options.lifecycle_day_s, 7200);
    assert_int_equal(config_check(&options, &why), DOL_OK);
}

/* No key of the file's is left out above. */
static void no_key_is_forgotten(void **state)
{
    char mark[80];
    (void)state;
    for (unsigned i = 0; i < option_key_count; i++) {
        if (option_keys[i].key == NULL)
            continue;
        snprintf(mark, sizeof mark, "\n%s", option_keys[i].key);
        assert_non_null(strstr(everything, mark));
    }
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(load("[pool]\ndrives=/dev/a\n"), DOL_OK);
    assert_string_equal(options.host, "127.0.0.1");
    assert_int_equal(options.port, 9000);
    assert_string_equal(options.region, "us-east-1");
    assert_null(options.domain);
    assert_null(options.tls_cert);
    assert_string_equal(options.index, CONFIG_INDEX);
    assert_string_equal(options.key, CONFIG_KEY);
    assert_string_equal(options.credentials, CONFIG_CREDENTIALS);
    assert_string_equal(options.admin_socket, CONFIG_ADMIN_SOCKET);
    assert_int_equal(options.log_level, LOG_LEVEL_INFO);
    assert_int_equal(options.log_format, LOG_FORMAT_AUTO);
    assert_int_equal(options.lifecycle_day_s, 86400);
    assert_int_equal(options.cache_bytes, OPTIONS_CACHE_BYTES);
    assert_int_equal(config_check(&options, &why), DOL_OK);
    assert_int_equal(options.scrub_bytes_s, 64u << 20);
    assert_int_equal(options.scrub_interval_s, 7 * 86400);
    assert_int_equal(load("[scrub]\nbandwidth = 0\ninterval = 0\n"), DOL_OK);
    assert_int_equal(options.scrub_bytes_s, 0);
    assert_int_equal(options.scrub_interval_s, 0);
    assert_int_equal(load("[cache]\nsize = 0\n"), DOL_OK);
    assert_int_equal(options.cache_bytes, 0);
}

static void errors_name_the_line(void **state)
{
    (void)state;
    refuse("[server]\n\nlisten = here\n", ":3: [server] listen = here: not an address and port. Give it like "
                                          "127.0.0.1:9000, 0.0.0.0:9000 or [::1]:9000.");
    refuse("[server]\nlisten = 0.0.0.0:1\nlisten = 0.0.0.0:2\n",
           ":3: [server] listen: given twice, first on line 2 (or is this line indented?).");
    refuse("[server]\nregion = a\n  domain = b\n",
           ":3: [server] region: given twice, first on line 2 (or is this line indented?).");
    refuse("[server]\nregion = a\ndomain = b\nregion = c\n", ":4: [server] region: given twice, first on line 2.");
    refuse("[server]\nregion =\n", ":2: [server] region: the value is missing.");
    refuse("[server]\nport = 1\n", ":2: [server] port: no such key.");
    refuse("[server]\nlevel = info\n", ":2: [server] level: no such key.");
    refuse("[Server]\nregion = a\n",
           ":2: [Server]: no such section. There are [server], [pool], [log], [limits], [cache], [scrub], "
           "[lifecycle].");
    refuse("region = a\n", ":1: [] region: before any section. Put it below [server], [pool], [log] ...");
    refuse("# x\n[server\n", ":2: neither [section], key = value, nor a comment (# ...).");
    refuse("[server]\nregion\n", ":2: neither [section], key = value, nor a comment (# ...).");
    refuse("[pool]\ndrives = relative\n",
           ":2: [pool] drives = relative: not absolute paths of drives, each named once, 64 at most.");
    refuse("[pool]\ndrives = /a /b\ndrives = /a\n",
           ":3: [pool] drives = /a: not absolute paths of drives, each named once, 64 at most.");
    refuse("[pool]\nkey = k\n", ":2: [pool] key = k: not an absolute path.");
    refuse("[log]\nlevel = loud\n", ":2: [log] level = loud: not a level. Give error, warn, info or debug.");
    refuse("[log]\nformat = xml\n", ":2: [log] format = xml: not a format. Give auto, text, journal or json.");
    refuse("[limits]\nidle_timeout = 0\n", ":2: [limits] idle_timeout = 0: not a number of seconds from 1 to 86400.");
    refuse("[cache]\nsize = big\n", ":2: [cache] size = big: not a size. Give it like 512M or 4G; 0: no cache.");
    refuse("[lifecycle]\nday = 0\n", ":2: [lifecycle] day = 0: not a time. Give it like 1d, 1h or 10s.");
    refuse("[scrub]\nbandwidth = 1X\n",
           ":2: [scrub] bandwidth = 1X: not a size. Give bytes a second like 64M or 1G; 0: no limit.");
    refuse("[scrub]\ninterval = weekly\n", ":2: [scrub] interval = weekly: not a time. Give it like 7d, 12h, 30m or "
                                           "90s; 0: no scrub begins by itself.");
    /* The first of several. */
    refuse("[server]\nregion = A\nnonsense\n",
           ":2: [server] region = A: not a region. Give it like us-east-1: lower-case letters, digits, hyphens.");
    refuse("[server]\nnonsense\nregion = A\n", ":2: neither [section], key = value, nor a comment (# ...).");
}

static void hostile_files(void **state)
{
    static char text[100000];
    (void)state;
    assert_int_equal(load_bytes("[server]\nregion = a\0b\n", 22), DOL_ESYNTAX);
    assert_string_equal(why.text + strlen(path), ":2: not text: the line holds a zero byte.");
    memset(text, 'a', sizeof text);
    memcpy(text, "[pool]\nkey = /", 14);
    assert_int_equal(load_bytes(text, sizeof text), DOL_ESYNTAX);
    assert_int_equal(strncmp(why.text + strlen(path), ":2: longer than ", 16), 0);
    /* Nothing but noise. */
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(load_bytes(text, sizeof text), DOL_ESYNTAX);
    /* More drives than a pool has. */
    size_t len = (size_t)snprintf(text, sizeof text, "[pool]\n");
    for (unsigned i = 0; i < 65; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "drives = /dev/%u\n", i);
    assert_int_equal(load_bytes(text, len), DOL_ESYNTAX);
    assert_string_equal(why.text + strlen(path),
                        ":66: [pool] drives = /dev/64: not absolute paths of drives, each named once, 64 at most.");
    assert_int_equal(load_bytes(text, len - strlen("drives = /dev/64\n")), DOL_OK);
    assert_int_equal(options.drive_path_count, 64);
}

static void files_that_cannot_be_read(void **state)
{
    char none[96];
    (void)state;
    snprintf(none, sizeof none, "%s/none", folder);
    assert_int_equal(config_load(none, &options, &why), DOL_ENOTFOUND);
    assert_non_null(strstr(why.text, "cannot read it: No such file or directory."));
    assert_int_equal(config_load(folder, &options, &why), DOL_EIO);
    assert_non_null(strstr(why.text, "cannot read it: Is a directory."));
}

static void settings_that_belong_together(void **state)
{
    (void)state;
    assert_int_equal(load(""), DOL_OK);
    assert_int_equal(config_check(&options, &why), DOL_ESYNTAX);
    assert_non_null(strstr(why.text, "[pool] drives is missing"));
    assert_int_equal(load("[server]\ntls_cert=/c\n[pool]\ndrives=/d\n"), DOL_OK);
    assert_int_equal(config_check(&options, &why), DOL_ESYNTAX);
    assert_non_null(strstr(why.text, "tls_cert and tls_key belong together"));
    assert_int_equal(load("[server]\ntls_listen=0.0.0.0:1\n[pool]\ndrives=/d\n"), DOL_OK);
    assert_int_equal(config_check(&options, &why), DOL_ESYNTAX);
    assert_non_null(strstr(why.text, "tls_listen needs tls_cert and tls_key"));
}

static void credentials_of_systemd(void **state)
{
    char key[96];
    (void)state;
    snprintf(key, sizeof key, "%s/k", folder);
    write_file(key, "x", 1);
    assert_int_equal(load(everything), DOL_OK);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(config_use_credentials(&options, &why), DOL_OK);
    assert_string_equal(options.key, "/k");
    assert_null(options.key_place);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_int_equal(config_use_credentials(&options, &why), DOL_OK);
    assert_string_equal(options.key, key);
    assert_string_equal(options.key_place, "/k");
    /* The test's own file has the name of the credentials file. */
    assert_string_equal(options.credentials, path);
    assert_string_equal(options.tls_key, "/etc/k.pem");
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(unlink(key), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everything_is_read, forget),
        cmocka_unit_test(no_key_is_forgotten),
        cmocka_unit_test_teardown(defaults, forget),
        cmocka_unit_test_teardown(errors_name_the_line, forget),
        cmocka_unit_test_teardown(hostile_files, forget),
        cmocka_unit_test_teardown(files_that_cannot_be_read, forget),
        cmocka_unit_test_teardown(settings_that_belong_together, forget),
        cmocka_unit_test_teardown(credentials_of_systemd, forget),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
