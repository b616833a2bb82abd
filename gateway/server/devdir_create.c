/*
 * Creating a pool in a directory. The order is what makes a crash harmless: the mark first, durable; then drives, key
 * and credentials; the mark is removed only when all of them are durable, and only then may anyone serve the pool.
 */
#include "credentials.h"
#include "devdir.h"
#include "devdir_why.h"
#include "drive_list.h"
#include "drive_open.h"
#include <dolmen/store.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE_MAX          1000
#define DRIVE_LOCK_WAIT_NS (10ull * 1000000000)

/* ---- what an interrupted creation left ---- */

static bool move_one(const struct devdir *d, int aside_fd, const char *name, int *error)
{
    if (renameat(d->dir_fd, name, aside_fd, name) == 0 || errno == ENOENT)
        return true;
    *error = errno;
    return false;
}

static enum dol_err make_aside(const struct devdir *d, char *moved, int *fd, struct devdir_why *why)
{
    for (unsigned n = 1; n < ASIDE_MAX; n++) {
        char name[32];
        snprintf(name, sizeof name, "unfinished-%u", n);
        if (mkdirat(d->dir_fd, name, 0700) != 0) {
            if (errno == EEXIST)
                continue;
            devdir_explain(why, "cannot create %s/%s: %s.", d->root, name, strerror(errno));
            return devdir_err_of_errno(errno);
        }
        snprintf(moved, PATH_MAX, "%.*s/%s", PATH_MAX - 40, d->root, name);
        *fd = openat(d->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*fd >= 0)
            return DOL_OK;
        devdir_explain(why, "cannot open %s: %s.", moved, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    devdir_explain(why, "%s is full of unfinished creations (unfinished-1, ...): look into why, then delete them.",
                   d->root);
    return DOL_EFULL;
}

enum dol_err devdir_move_aside(struct devdir *d, char *moved, struct devdir_why *why)
{
    int fd = -1;
    int error = 0;
    enum dol_err err = make_aside(d, moved, &fd, why);
    if (err != DOL_OK)
        return err;
    /* The mark goes last: until then the next start does the same again. */
    bool all = move_one(d, fd, "drives", &error) && move_one(d, fd, "key", &error) &&
               move_one(d, fd, "index", &error) && fsync(fd) == 0 && fsync(d->dir_fd) == 0;
    if (all && (unlinkat(d->dir_fd, "creating", 0) != 0 || fsync(d->dir_fd) != 0)) {
        error = errno;
        all = false;
    }
    close(fd);
    if (all)
        return DOL_OK;
    devdir_explain(why, "cannot move the unfinished pool in %s to %s: %s.", d->root, moved,
                   strerror(error != 0 ? error : errno));
    return error != 0 ? devdir_err_of_errno(error) : DOL_EIO;
}

/* ---- creation ---- */

struct creation {
    struct devdir *d;
    const struct devdir_geometry *geometry;
    struct devdir_why *why;
    unsigned files;    /* drive files made */
    bool drives_dir;   /* made */
    bool may_have_key; /* pool_create() was called */
    struct drive *drives[DEVDIR_DRIVES_MAX];
    unsigned open;
};

static void drive_path(const struct devdir *d, unsigned i, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.*s/drive-%02u.img", PATH_MAX - 32, d->drives, i);
}

static enum dol_err write_mark(struct creation *c)
{
    int fd = openat(c->d->dir_fd, "creating", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        devdir_explain(c->why, "cannot create %s/creating: %s.", c->d->root, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    static const char text[] = "A pool is being created in this directory. Nothing is stored in it yet.\n";
    bool written = write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    if (written && fsync(c->d->dir_fd) == 0)
        return DOL_OK;
    devdir_explain(c->why, "cannot write %s/creating: %s.", c->d->root, strerror(written ? errno : error));
    return DOL_EIO;
}

static enum dol_err make_drives(struct creation *c)
{
    char path[PATH_MAX];
    if (mkdirat(c->d->dir_fd, "drives", 0700) == 0) {
        c->drives_dir = true;
    } else if (errno != EEXIST) {
        devdir_explain(c->why, "cannot create %s: %s.", c->d->drives, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    for (unsigned i = 0; i < c->geometry->drives; i++) {
        drive_path(c->d, i, path);
        enum dol_err err = drive_file_create(path, c->geometry->drive_size_bytes);
        if (err != DOL_OK) {
            devdir_explain(c->why, "cannot create the drive file %s of %" PRIu64 " bytes: %s.", path,
                           c->geometry->drive_size_bytes, dol_err_text(err));
            return err;
        }
        c->files = i + 1;
    }
    return DOL_OK;
}

static enum dol_err open_all(struct creation *c)
{
    char path[PATH_MAX];
    for (unsigned i = 0; i < c->files; i++) {
        drive_path(c->d, i, path);
        enum dol_err err = drive_open_path(path, DRIVE_READ_WRITE, DRIVE_LOCK_WAIT_NS, &c->drives[i]);
        if (err != DOL_OK) {
            devdir_explain(c->why, "cannot open the new drive file %s: %s.", path, dol_err_text(err));
            return err;
        }
        c->open = i + 1;
    }
    return DOL_OK;
}

static enum dol_err format_pool(struct creation *c)
{
    const struct devdir_geometry *g = c->geometry;
    struct pool_create_config config = {
        .drives = c->drives,
        .drive_count = c->open,
        .k = g->k,
        .m = g->m,
        .key_file = g->encrypted ? c->d->key : NULL,
        .label = g->label,
    };
    c->may_have_key = g->encrypted;
    enum dol_err err = pool_create(&config);
    if (err == DOL_EINVAL)
        devdir_explain(c->why,
                       "no pool of geometry %u+%u can be made of %u drives of %" PRIu64
                       " bytes. Give larger drives (--drive-size) or another geometry (--ec).",
                       g->k, g->m, g->drives, g->drive_size_bytes);
    else if (err != DOL_OK)
        devdir_explain(c->why, "cannot create the pool in %s: %s.", c->d->root, dol_err_text(err));
    return err;
}

static enum dol_err make_credentials(struct creation *c)
{
    enum dol_err err = iam_credentials_create(c->d->credentials);
    if (err == DOL_OK || err == DOL_EEXIST)
        return DOL_OK;
    devdir_explain(c->why, "cannot create %s: %s.", c->d->credentials, dol_err_text(err));
    return err;
}

static enum dol_err remove_mark(struct creation *c)
{
    enum dol_err err = devdir_sync_dir(c->d->drives, c->why);
    if (err == DOL_OK)
        err = devdir_sync_dir(c->d->root, c->why);
    if (err != DOL_OK)
        return err;
    if (unlinkat(c->d->dir_fd, "creating", 0) != 0) {
        devdir_explain(c->why, "cannot remove %s/creating: %s.", c->d->root, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    return devdir_sync_dir(c->d->root, c->why);
}

/* Best effort, and only what this creation made; the mark last. What stays is moved aside by the next start. */
static void undo(struct creation *c)
{
    char path[PATH_MAX];
    bool gone = true;
    for (unsigned i = 0; i < c->files; i++) {
        drive_path(c->d, i, path);
        gone &= unlink(path) == 0;
    }
    if (c->drives_dir)
        gone &= unlinkat(c->d->dir_fd, "drives", AT_REMOVEDIR) == 0;
    if (c->may_have_key)
        gone &= unlinkat(c->d->dir_fd, "key", 0) == 0 || errno == ENOENT;
    if (gone)
        (void)unlinkat(c->d->dir_fd, "creating", 0);
}

enum dol_err devdir_create_pool(struct devdir *d, const struct devdir_geometry *geometry, struct devdir_why *why)
{
    struct creation c = {.d = d, .geometry = geometry, .why = why};
    if (geometry->drives > DEVDIR_DRIVES_MAX || geometry->k + geometry->m > geometry->drives) {
        devdir_explain(
            why,
            "geometry %u+%u needs at least %u drives and there may be %u at most, but --drives says %u. Give "
            "another --ec or --drives.",
            geometry->k, geometry->m, geometry->k + geometry->m, DEVDIR_DRIVES_MAX, geometry->drives);
        return DOL_EINVAL;
    }
    if (devdir_key_file(d) != NULL) {
        devdir_explain(why, "%s exists already, and is not overwritten. Move it away first.", d->key);
        return DOL_EEXIST;
    }
    enum dol_err err = write_mark(&c);
    if (err != DOL_OK)
        return err;
    err = make_drives(&c);
    if (err == DOL_OK)
        err = open_all(&c);
    if (err == DOL_OK)
        err = format_pool(&c);
    for (unsigned i = 0; i < c.open; i++)
        drive_close(c.drives[i]);
    if (err == DOL_OK)
        err = make_credentials(&c);
    if (err == DOL_OK)
        err = remove_mark(&c);
    if (err != DOL_OK)
        undo(&c);
    return err;
}

/* ---- opening ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_drive(const struct dirent *e)
{
    return devdir_is_drive_name(e->d_name);
}

enum dol_err devdir_open_drives(const struct devdir *d, struct drive *drives[DEVDIR_DRIVES_MAX], unsigned *count,
                                struct devdir_why *why)
{
    struct dirent **names = NULL;
    char *paths[DEVDIR_DRIVES_MAX] = {NULL};
    enum dol_err err = DOL_OK;
    int found = scandir(d->drives, &names, is_drive, by_name);
    *count = 0;
    if (found < 0) {
        devdir_explain(why, "cannot read %s: %s.", d->drives, strerror(errno));
        return devdir_err_of_errno(errno);
    }
    for (int i = 0; i < found; i++) {
        if ((unsigned)i < DEVDIR_DRIVES_MAX && asprintf(&paths[i], "%s/%s", d->drives, names[i]->d_name) < 0) {
            paths[i] = NULL;
            devdir_explain(why, "out of memory while opening the drives in %s.", d->drives);
            err = DOL_ENOMEM;
        }
        free(names[i]);
    }
    free(names);
    if (err == DOL_OK)
        err = drive_list_open((const char *const *)paths, (unsigned)found, d->drives, drives, count, why);
    for (unsigned i = 0; i < DEVDIR_DRIVES_MAX; i++)
        free(paths[i]);
    return err;
}
