/* The directory of --dev: paths, lock, state. See devdir.h. */
#include "devdir.h"
#include "devdir_why.h"
#include "dol_assert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A program that was just killed holds its lock for a moment longer. */
#define LOCK_WAIT_MS  3000
#define LOCK_RETRY_MS 20

void devdir_explain(struct devdir_why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
}

enum dol_err devdir_err_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DOL_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return DOL_EPERM;
    case EEXIST:
        return DOL_EEXIST;
    case ENOSPC:
    case EDQUOT:
        return DOL_EFULL;
    case ENAMETOOLONG:
        return DOL_EINVAL;
    default:
        return DOL_EIO;
    }
}

static enum dol_err join(char out[PATH_MAX], const char *root, const char *name)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", root, name);
    return len > 0 && len < PATH_MAX ? DOL_OK : DOL_EINVAL;
}

static enum dol_err fill_paths(struct devdir *d, const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof d->root)
        return DOL_EINVAL;
    memcpy(d->root, path, len);
    d->root[len] = '\0';
    enum dol_err err = join(d->drives, d->root, "drives");
    if (err == DOL_OK)
        err = join(d->key, d->root, "key");
    if (err == DOL_OK)
        err = join(d->credentials, d->root, "credentials");
    if (err == DOL_OK)
        err = join(d->index, d->root, "index");
    return err;
}

static bool fits_socket_address(const char *path)
{
    return strlen(path) < sizeof((struct sockaddr_un *)NULL)->sun_path;
}

enum dol_err devdir_socket_path(const char *path, char *out, size_t out_bytes)
{
    int len = snprintf(out, out_bytes, "%s/admin.sock", path);
    if (len <= 0 || (size_t)len >= out_bytes)
        return DOL_EINVAL;
    return DOL_OK;
}

static enum dol_err lock(struct devdir *d, struct devdir_why *why)
{
    static const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * 1000000L};
    d->lock_fd = openat(d->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_fd < 0) {
        devdir_explain(why, "cannot open %s/lock: %s. DIR must be writable by this user.", d->root, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    for (int waited_ms = 0; flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            devdir_explain(why, "cannot lock %s/lock: %s.", d->root, strerror(errno));
            return DOL_EIO;
        }
        if (waited_ms >= LOCK_WAIT_MS) {
            devdir_explain(why,
                           "%s is in use by another dolmend or dolmen (it holds %s/lock). Stop it first, or give this "
                           "one a directory of its own.",
                           d->root, d->root);
            return DOL_EINUSE;
        }
        nanosleep(&pause, NULL);
    }
    return DOL_OK;
}

static enum dol_err make_root(const struct devdir *d, struct devdir_why *why)
{
    char parent[PATH_MAX];
    if (mkdir(d->root, 0700) != 0) {
        if (errno == EEXIST)
            return DOL_OK;
        devdir_explain(why, "cannot create %s: %s.", d->root, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    memcpy(parent, d->root, sizeof parent);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        return devdir_sync_dir(".", why);
    slash[slash == parent ? 1 : 0] = '\0';
    return devdir_sync_dir(parent, why);
}

enum dol_err devdir_open(const char *path, enum devdir_missing missing, struct devdir *d, struct devdir_why *why)
{
    *d = (struct devdir){.dir_fd = -1, .lock_fd = -1};
    enum dol_err err = fill_paths(d, path);
    if (err != DOL_OK) {
        devdir_explain(why, "the directory's name is empty or too long.");
        return err;
    }
    if (missing == DEVDIR_CREATE)
        err = make_root(d, why);
    if (err != DOL_OK)
        goto fail;
    d->dir_fd = open(d->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0) {
        err = devdir_err_of_errno(errno);
        devdir_explain(why, "cannot open the directory %s: %s.", d->root, strerror(errno));
        goto fail;
    }
    err = lock(d, why);
    if (err != DOL_OK)
        goto fail;
    err = devdir_socket_path(d->root, d->socket, sizeof d->socket);
    dol_assert(err == DOL_OK);
    /* A socket's address has room for 107 characters; the descriptor gives a short name to any directory. */
    if (!fits_socket_address(d->socket))
        snprintf(d->socket, sizeof d->socket, "/proc/self/fd/%d/admin.sock", d->dir_fd);
    return DOL_OK;
fail:
    devdir_close(d);
    return err;
}

void devdir_close(struct devdir *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    if (d->dir_fd >= 0)
        close(d->dir_fd);
    d->dir_fd = d->lock_fd = -1;
}

static bool exists(const struct devdir *d, const char *name)
{
    struct stat st;
    return fstatat(d->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

enum dol_err devdir_state_get(const struct devdir *d, enum devdir_state *state, struct devdir_why *why)
{
    unsigned drives = 0;
    DIR *dir = opendir(d->drives);
    if (dir == NULL && errno != ENOENT) {
        devdir_explain(why, "cannot read %s: %s.", d->drives, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    if (dir != NULL) {
        for (struct dirent *e; (e = readdir(dir)) != NULL;)
            drives += devdir_is_drive_name(e->d_name);
        closedir(dir);
    }
    if (exists(d, "creating"))
        *state = DEVDIR_UNFINISHED;
    else if (drives > 0)
        *state = DEVDIR_POOL;
    else if (exists(d, "key"))
        *state = DEVDIR_BROKEN;
    else
        *state = DEVDIR_NEW;
    if (*state == DEVDIR_BROKEN)
        devdir_explain(why,
                       "%s has a key but not a single drive in %s. Bring the drives back; or, if this is to become a "
                       "new pool, move %s away first: without it no drive of the old pool can be read.",
                       d->root, d->drives, d->key);
    return DOL_OK;
}

const char *devdir_key_file(const struct devdir *d)
{
    return exists(d, "key") ? d->key : NULL;
}

bool devdir_is_drive_name(const char *name)
{
    return strncmp(name, "drive-", 6) == 0;
}

enum dol_err devdir_sync_dir(const char *path, struct devdir_why *why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (synced)
        return DOL_OK;
    devdir_explain(why, "cannot make the directory %s durable: %s.", path, strerror(error));
    return devdir_err_of_errno(error);
}
