/*
 * The root credentials: reading and creating the credentials file.
 *
 * A credentials file that others can read is refused, not repaired: the keys in it may be known already. A new file
 * appears whole or not at all (written under another name, then linked).
 */
#include "credentials.h"

#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define IAM_FILE_BYTES_MAX 4096u

static enum dol_err iam_err_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DOL_ENOTFOUND;
    case EACCES:
    case EPERM:
        return DOL_EPERM;
    case EEXIST:
        return DOL_EEXIST;
    case ENOSPC:
    case EDQUOT:
        return DOL_EFULL;
    case ENOMEM:
        return DOL_ENOMEM;
    default:
        return DOL_EIO;
    }
}

/* Reads the whole file; *len bytes. ESYNTAX: too long. */
static enum dol_err iam_file_read(const char *path, char buf[IAM_FILE_BYTES_MAX], size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return iam_err_of_errno(errno);
    enum dol_err err = DOL_OK;
    struct stat st;
    *len = 0;
    if (fstat(fd, &st) != 0) {
        err = DOL_EIO;
        goto out;
    }
    /* Root's file that a group may read is one that systemd hands out: its access list shows as the group's right. */
    mode_t others = st.st_mode & (S_IRWXG | S_IRWXO);
    bool handed_out = others == S_IRGRP && st.st_uid == 0 && geteuid() != 0;
    if (!S_ISREG(st.st_mode) || (others != 0 && !handed_out)) {
        err = DOL_EPERM;
        goto out;
    }
    for (;;) {
        if (*len == IAM_FILE_BYTES_MAX) {
            err = DOL_ESYNTAX;
            goto out;
        }
        ssize_t n = read(fd, buf + *len, IAM_FILE_BYTES_MAX - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err = DOL_EIO;
            goto out;
        }
        if (n == 0)
            break;
        *len += (size_t)n;
    }
out:
    close(fd);
    return err;
}

/* Copies a key of printable characters without blanks, '/' and ',' (they structure the Credential). */
static enum dol_err iam_key_copy(struct bytes value, char *out, size_t out_bytes)
{
    const char *text = value.data;
    if (value.len == 0 || value.len >= out_bytes || out[0] != '\0')
        return DOL_ESYNTAX;
    for (size_t i = 0; i < value.len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return DOL_ESYNTAX;
    memcpy(out, text, value.len);
    out[value.len] = '\0';
    return DOL_OK;
}

static bool iam_line_value(struct bytes line, const char *name, struct bytes *value)
{
    size_t len = strlen(name);
    if (line.len < len || memcmp(line.data, name, len) != 0)
        return false;
    *value = bytes_of((const char *)line.data + len, line.len - len);
    return true;
}

static enum dol_err iam_file_parse(const char *text, size_t len, struct credentials *root)
{
    size_t at = 0;
    while (at < len) {
        const char *start = text + at;
        const char *end = memchr(start, '\n', len - at);
        size_t line_len = end != NULL ? (size_t)(end - start) : len - at;
        at += line_len + 1;
        while (line_len > 0 &&
               (start[line_len - 1] == '\r' || start[line_len - 1] == ' ' || start[line_len - 1] == '\t'))
            line_len--;
        struct bytes line = bytes_of(start, line_len);
        struct bytes value;
        if (line.len == 0 || start[0] == '#')
            continue;
        enum dol_err err = DOL_ESYNTAX;
        if (iam_line_value(line, "access_key=", &value)) {
            err = iam_key_copy(value, root->access_key, sizeof root->access_key);
            if (err == DOL_OK && strpbrk(root->access_key, "/,") != NULL)
                err = DOL_ESYNTAX;
        } else if (iam_line_value(line, "secret_key=", &value)) {
            err = iam_key_copy(value, root->secret_key, sizeof root->secret_key);
        }
        if (err != DOL_OK)
            return err;
    }
    return root->access_key[0] != '\0' && root->secret_key[0] != '\0' ? DOL_OK : DOL_ESYNTAX;
}

enum dol_err credentials_read(const char *path, struct credentials *out)
{
    char text[IAM_FILE_BYTES_MAX];
    size_t len = 0;
    memset(out, 0, sizeof *out);
    enum dol_err err = iam_file_read(path, text, &len);
    if (err == DOL_OK)
        err = iam_file_parse(text, len, out);
    secret_wipe(text, sizeof text);
    if (err != DOL_OK)
        secret_wipe(out, sizeof *out);
    return err;
}

/* `len` characters of `alphabet` (at most 64 of them), each equally likely. */
static enum dol_err iam_random_text(const char *alphabet, char *out, size_t len)
{
    size_t letters = strlen(alphabet);
    size_t done = 0;
    while (done < len) {
        uint8_t pool[64];
        if (getrandom(pool, sizeof pool, 0) != (ssize_t)sizeof pool)
            return DOL_EIO;
        for (size_t i = 0; i < sizeof pool && done < len; i++)
            if ((pool[i] & 63u) < letters)
                out[done++] = alphabet[pool[i] & 63u];
        secret_wipe(pool, sizeof pool);
    }
    out[len] = '\0';
    return DOL_OK;
}

static enum dol_err iam_dir_sync(const char *path)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return DOL_EINVAL;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return iam_err_of_errno(errno);
    enum dol_err err = fsync(fd) == 0 ? DOL_OK : DOL_EIO;
    close(fd);
    return err;
}

static enum dol_err iam_file_write(const char *path, const char *text, size_t len)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.new.%ld", path, (long)getpid()) >= (int)sizeof temporary)
        return DOL_EINVAL;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return iam_err_of_errno(errno);
    enum dol_err err = DOL_OK;
    ssize_t n = write(fd, text, len);
    if (n < 0)
        err = iam_err_of_errno(errno);
    else if ((size_t)n != len)
        err = DOL_EFULL;
    if (err == DOL_OK && fsync(fd) != 0)
        err = DOL_EIO;
    close(fd);
    if (err == DOL_OK && link(temporary, path) != 0)
        err = iam_err_of_errno(errno);
    unlink(temporary);
    return err == DOL_OK ? iam_dir_sync(path) : err;
}

enum dol_err credentials_make(struct credentials *out)
{
    enum dol_err err = iam_random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", out->access_key, IAM_ACCESS_KEY_BYTES);
    if (err == DOL_OK)
        err = iam_random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", out->secret_key,
                              IAM_SECRET_KEY_BYTES);
    return err;
}

enum dol_err iam_credentials_create(const char *path)
{
    struct credentials new;
    char text[512];
    enum dol_err err = credentials_make(&new);
    if (err == DOL_OK) {
        int len = snprintf(text, sizeof text,
                           "# Root credentials of this Dolmen. Whoever reads this file owns all data in it.\n"
                           "access_key=%s\nsecret_key=%s\n",
                           new.access_key, new.secret_key);
        err = iam_file_write(path, text, (size_t)len);
    }
    secret_wipe(&new, sizeof new);
    secret_wipe(text, sizeof text);
    return err;
}
