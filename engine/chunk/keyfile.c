/*
 * The key file: the pool's master key as text that can be printed, kept in a safe, and typed in again.
 *
 * Read leniently where typing errs harmlessly (blank lines, comments, blanks at line ends, upper-case hex), strictly
 * otherwise: the four lines in their order, each once, nothing else. The check covers the canonical lower-case form.
 * The file is small, so it is read whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "keyring.h"

#define KEYFILE_BYTES_MAX 4096u
#define KEYFILE_VERSION   "dolmen-key 1"

/* "pool <32 digits>\nmaster <64 digits>\n" with terminator. */
#define CHECKED_BYTES (5 + 32 + 1 + 7 + 64 + 1 + 1)

static uint32_t checked_text(struct uuid pool, const struct master_key *key, char out[CHECKED_BYTES])
{
    char pool_hex[33];
    char key_hex[65];
    hex_encode(pool.b, sizeof pool.b, pool_hex);
    hex_encode(key->b, sizeof key->b, key_hex);
    int n = snprintf(out, CHECKED_BYTES, "pool %s\nmaster %s\n", pool_hex, key_hex);
    secret_wipe(key_hex, sizeof key_hex);
    return crc32c(0, out, (size_t)n);
}

/* ---- reading ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next line that is neither empty nor a comment, without blanks at its end. false at the end of the text. */
static bool next_line(struct bytes *text, struct bytes *line)
{
    while (text->len > 0) {
        const char *start = text->data;
        const char *newline = memchr(start, '\n', text->len);
        size_t len = newline != NULL ? (size_t)(newline - start) : text->len;
        size_t consumed = newline != NULL ? len + 1 : len;
        *text = bytes_of(start + consumed, text->len - consumed);
        while (len > 0 && is_blank(start[len - 1]))
            len--;
        if (len > 0 && start[0] != '#') {
            *line = bytes_of(start, len);
            return true;
        }
    }
    return false;
}

/* The next line must be `word`, one blank, and exactly the hex digits of `len` bytes. */
static bool next_hex(struct bytes *text, const char *word, void *out, size_t len)
{
    struct bytes line;
    size_t word_len = strlen(word);
    if (!next_line(text, &line) || line.len != word_len + 1 + 2 * len)
        return false;
    const char *s = line.data;
    return memcmp(s, word, word_len) == 0 && s[word_len] == ' ' && hex_decode(s + word_len + 1, 2 * len, out, len);
}

enum dol_err keyfile_parse(struct bytes text, struct uuid pool, struct master_key *out)
{
    struct bytes line;
    struct uuid named;
    struct master_key key;
    uint8_t check[4];
    char checked[CHECKED_BYTES];
    enum dol_err err = DOL_ESYNTAX;

    if (!next_line(&text, &line) || !bytes_equal(line, bytes_of(KEYFILE_VERSION, strlen(KEYFILE_VERSION))))
        return DOL_ESYNTAX;
    if (next_hex(&text, "pool", named.b, sizeof named.b) && next_hex(&text, "master", key.b, sizeof key.b) &&
        next_hex(&text, "check", check, sizeof check) && !next_line(&text, &line)) {
        uint32_t stated =
            (uint32_t)check[0] << 24 | (uint32_t)check[1] << 16 | (uint32_t)check[2] << 8 | (uint32_t)check[3];
        if (checked_text(named, &key, checked) == stated)
            err = uuid_is_zero(pool) || uuid_equal(pool, named) ? DOL_OK : DOL_EKEY;
        secret_wipe(checked, sizeof checked);
    }
    if (err == DOL_OK)
        *out = key;
    secret_wipe(&key, sizeof key);
    return err;
}

static enum dol_err err_of_errno(int e)
{
    switch (e) {
    case ENOENT:
    case ENOTDIR:
        return DOL_ENOTFOUND;
    case EEXIST:
        return DOL_EEXIST;
    case EACCES:
    case EPERM:
    case EROFS:
        return DOL_EPERM;
    default:
        return DOL_EIO;
    }
}

/* Reads up to *len bytes or to the end of the file. */
static bool read_all(int fd, char *buf, size_t *len)
{
    size_t have = 0;
    while (have < *len) {
        ssize_t n = read(fd, buf + have, *len - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *len = have;
    return true;
}

/* For its owner alone; or root's, and let a group read it: so systemd hands out credentials, whose access list for the
 * service shows as the group's right. */
static bool is_private(const struct stat *st)
{
    mode_t others = st->st_mode & (S_IRWXG | S_IRWXO);
    return others == 0 || (others == S_IRGRP && st->st_uid == 0 && geteuid() != 0);
}

enum dol_err keyfile_read(const char *path, struct uuid pool, struct master_key *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_of_errno(errno);
    char text[KEYFILE_BYTES_MAX + 1];
    size_t len = sizeof text;
    struct stat st;
    enum dol_err err;
    if (fstat(fd, &st) != 0)
        err = DOL_EIO;
    else if (!S_ISREG(st.st_mode))
        err = DOL_ESYNTAX;
    else if (!is_private(&st))
        err = DOL_EPERM;
    else if (!read_all(fd, text, &len))
        err = DOL_EIO;
    else if (len > KEYFILE_BYTES_MAX)
        err = DOL_ESYNTAX;
    else
        err = keyfile_parse(bytes_of(text, len), pool, out);
    secret_wipe(text, sizeof text);
    close(fd);
    return err;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static enum dol_err sync_directory_of(const char *path)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return DOL_EIO;
    memcpy(copy, path, strlen(path) + 1);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno(errno);
    enum dol_err err = fsync(fd) == 0 ? DOL_OK : DOL_EIO;
    close(fd);
    return err;
}

enum dol_err keyfile_create(const char *path, struct uuid pool, const struct master_key *key)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_of_errno(errno);
    char checked[CHECKED_BYTES];
    char text[1024];
    uint32_t check = checked_text(pool, key, checked);
    int n = snprintf(text, sizeof text,
                     KEYFILE_VERSION
                     "\n"
                     "# The master key of a Dolmen pool. Whoever has it can read the pool; without it nobody can.\n"
                     "# Keep copies apart from the drives, also on paper.\n"
                     "%scheck %08x\n",
                     checked, check);
    enum dol_err err = DOL_OK;
    if (!write_all(fd, text, (size_t)n) || fsync(fd) != 0)
        err = DOL_EIO;
    if (close(fd) != 0)
        err = DOL_EIO;
    secret_wipe(checked, sizeof checked);
    secret_wipe(text, sizeof text);
    if (err == DOL_OK)
        err = sync_directory_of(path);
    if (err != DOL_OK)
        unlink(path); /* an incomplete key file must not be mistaken for one */
    return err;
}
