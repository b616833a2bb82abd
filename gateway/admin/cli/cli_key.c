/* dolmen key export: a copy of the key file for the safe, read back before it is called a copy. */
#include "cli.h"
#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_BYTES_MAX 65536u

struct export
{
    struct options options;
    const char *to;
    char from[PATH_MAX];
};

static enum cli_exit parse(struct export *e, int argc, char **argv)
{
    static const char *const flags[] = {NULL};
    struct option_cursor cursor = {.argc = argc, .argv = argv};
    struct option_item item;
    enum cli_exit result = CLI_OK;
    while (result == CLI_OK) {
        switch (option_next(&cursor, flags, &item)) {
        case OPTION_END:
            result = cli_pool_check(&e->options);
            if (result == CLI_OK && e->to == NULL)
                result = cli_wrong("no file given. Name the file that the copy goes to.");
            return result;
        case OPTION_WORD:
            if (e->to != NULL)
                return cli_wrong("'%s': one file only.", item.value);
            e->to = item.value;
            break;
        case OPTION_NO_VALUE:
            return cli_wrong("--%s: the value is missing.", item.name);
        case OPTION_NAMED:
            if (!cli_pool_option(&e->options, &item, &result))
                return cli_wrong("--%s: no such option.", item.name);
            break;
        }
    }
    return result;
}

/* The whole file; false with errno set (EFBIG: not a key file's size). */
static bool read_file(int fd, uint8_t buf[KEY_FILE_BYTES_MAX], size_t *len)
{
    *len = 0;
    for (;;) {
        if (*len == KEY_FILE_BYTES_MAX) {
            errno = EFBIG;
            return false;
        }
        ssize_t n = read(fd, buf + *len, KEY_FILE_BYTES_MAX - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        *len += (size_t)n;
    }
}

static bool read_path(const char *path, uint8_t buf[KEY_FILE_BYTES_MAX], size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    bool good = read_file(fd, buf, len);
    int error = errno;
    close(fd);
    errno = error;
    return good;
}

static bool sync_parent(const char *path)
{
    char parent[PATH_MAX];
    if (snprintf(parent, sizeof parent, "%s", path) >= (int)sizeof parent)
        return false;
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        memcpy(parent, ".", 2);
    else
        slash[slash == parent ? 1 : 0] = '\0';
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static bool write_path(const char *path, const uint8_t *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = true;
    while (good && len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        good = n > 0;
        data += good ? n : 0;
        len -= good ? (size_t)n : 0;
    }
    good = good && fsync(fd) == 0;
    int error = errno;
    good = close(fd) == 0 && good && sync_parent(path);
    if (!good) {
        (void)unlink(path);
        errno = error;
    }
    return good;
}

static enum cli_exit copy(const struct export *e)
{
    static uint8_t key[KEY_FILE_BYTES_MAX];
    static uint8_t back[KEY_FILE_BYTES_MAX];
    size_t len = 0;
    size_t back_len = 0;
    enum cli_exit result = CLI_FAILED;
    if (!read_path(e->from, key, &len)) {
        cli_say(errno == ENOENT ? "%s does not exist: there is no pool there, or it is not encrypted (%s)."
                                : "cannot read %s: %s.",
                e->from, strerror(errno));
        goto out;
    }
    if (len < 12 || memcmp(key, "dolmen-key ", 11) != 0) {
        cli_say("%s is not a key file. Nothing was written.", e->from);
        goto out;
    }
    if (!write_path(e->to, key, len)) {
        cli_say(errno == EEXIST ? "%s exists already, and is not overwritten: %s." : "cannot write %s: %s.", e->to,
                strerror(errno));
        goto out;
    }
    if (!read_path(e->to, back, &back_len) || back_len != len || !secret_equal(key, back, len)) {
        cli_say("%s does not read back as it was written: the medium is bad. Do not rely on it.", e->to);
        goto out;
    }
    printf("Copied the key of the pool in %s to %s and read it back.\n"
           "Whoever has it can read the pool's drives; without it nobody can. Keep it in a safe, away from this "
           "machine.\n",
           cli_pool_name(&e->options), e->to);
    result = CLI_OK;
out:
    secret_wipe(key, sizeof key);
    secret_wipe(back, sizeof back);
    return result;
}

enum cli_exit cli_key_export(int argc, char **argv)
{
    struct export e = {.to = NULL};
    options_init(&e.options);
    enum cli_exit result = parse(&e, argc, argv);
    if (result != CLI_OK)
        goto out;
    bool in_dir = e.options.dev != NULL;
    if (snprintf(e.from, sizeof e.from, "%s%s", in_dir ? e.options.dev : e.options.key, in_dir ? "/key" : "") >=
        (int)sizeof e.from) {
        cli_say("the directory's name is too long.");
        result = CLI_FAILED;
        goto out;
    }
    result = copy(&e);
out:
    options_fini(&e.options);
    return result;
}
