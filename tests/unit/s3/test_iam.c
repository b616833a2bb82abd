/* The credentials file: reading, refusing, creating. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "iam.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/test_iam_XXXXXX";
static char path[128];

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/credentials", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(dir);
    memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
    return 0;
}

static void write_file(const char *text, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_create_then_open(void **state)
{
    (void)state;
    struct iam *iam;
    struct iam_identity id;
    struct stat st;
    char text[512] = "", access_key[129];
    assert_int_equal(iam_open(path, &iam), DOL_ENOTFOUND);
    assert_int_equal(iam_credentials_create(path), DOL_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(iam_credentials_create(path), DOL_EEXIST);
    FILE *f = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    assert_int_equal(sscanf(strstr(text, "access_key="), "access_key=%128s", access_key), 1);
    assert_int_equal(strlen(access_key), 20);
    assert_int_equal(iam_open(path, &iam), DOL_OK);
    assert_int_equal(iam_lookup(iam, bytes_of(access_key, 20), &id), DOL_OK);
    assert_string_equal(id.access_key, access_key);
    assert_int_equal(strlen(id.secret_key), 40);
    assert_int_equal(strlen(id.user_id), 64);
    assert_true(id.is_root);
    assert_int_equal(iam_lookup(iam, bytes_of(access_key, 19), &id), DOL_ENOTFOUND);
    assert_int_equal(iam_lookup(iam, bytes_of("", 0), &id), DOL_ENOTFOUND);
    iam_close(iam);
}

static void test_modes(void **state)
{
    (void)state;
    struct iam *iam;
    static const mode_t wrong[] = {0640, 0604, 0660, 0610};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_file("access_key=a\nsecret_key=b\n", 0600);
        assert_int_equal(chmod(path, wrong[i]), 0);
        assert_int_equal(iam_open(path, &iam), DOL_EPERM);
    }
    assert_int_equal(iam_open(dir, &iam), DOL_EPERM);
}

static void test_syntax(void **state)
{
    (void)state;
    struct iam *iam;
    static const char *const right[] = {"access_key=a\nsecret_key=b\n", "# note\n\nsecret_key=b\naccess_key=a",
                                        "access_key=a \t\r\nsecret_key=b\r\n", "access_key=a\nsecret_key=b/+=\n"};
    static const char *const wrong[] = {"",
                                        "access_key=a\n",
                                        "secret_key=b\n",
                                        "access_key=\nsecret_key=b\n",
                                        "access_key=a\naccess_key=c\nsecret_key=b\n",
                                        "access_key=a\nsecret_key=b\nother=c\n",
                                        "access_key=a/b\nsecret_key=b\n",
                                        "access_key=a b\nsecret_key=b\n",
                                        "access key\n"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        write_file(right[i], 0600);
        assert_int_equal(iam_open(path, &iam), DOL_OK);
        iam_close(iam);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_file(wrong[i], 0600);
        assert_int_equal(iam_open(path, &iam), DOL_ESYNTAX);
    }
    char big[5000];
    memset(big, '#', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    write_file(big, 0600);
    assert_int_equal(iam_open(path, &iam), DOL_ESYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_then_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syntax, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
