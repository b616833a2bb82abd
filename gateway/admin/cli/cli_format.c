/*
 * A pool of named drives. In this order: the key's place is free; every drive is there, is named once, is claimed for
 * us alone (a mounted one cannot be), and carries nothing; only then are drives made blank and formatted.
 */
#include "cli_format.h"
#include "credentials.h"
#include "devdir_why.h"
#include "drive_open.h"
#include "drive_probe.h"
#include <dolmen/store.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_WAIT_NS (1ull * 1000000000)

struct formatting {
    struct cli_format *f;
    struct devdir_why *why;
    struct drive *drives[DEVDIR_DRIVES_MAX];
    unsigned open;
    bool made[DEVDIR_DRIVES_MAX]; /* files that were not there */
    bool may_have_key;
};

/* ---- what must hold before anything is written ---- */

static enum dol_err check_directory(const char *file, struct devdir_why *why)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", file);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        snprintf(parent, sizeof parent, ".");
    else
        slash[slash == parent ? 1 : 0] = '\0';
    if (access(parent, W_OK | X_OK) == 0)
        return DOL_OK;
    devdir_explain(why, "cannot write %s: the directory %s: %s.", file, parent, strerror(errno));
    return devdir_err_of_errno(errno);
}

static enum dol_err check_request(const struct formatting *s)
{
    const struct cli_format *f = s->f;
    struct stat st;
    if (f->count > DEVDIR_DRIVES_MAX || f->k + f->m > f->count) {
        devdir_explain(s->why,
                       "geometry %u+%u needs at least %u drives and there may be %u at most, but %u are named. Give "
                       "another --ec, or other drives.",
                       f->k, f->m, f->k + f->m, DEVDIR_DRIVES_MAX, f->count);
        return DOL_EINVAL;
    }
    if (f->encrypted && lstat(f->key, &st) == 0) {
        devdir_explain(s->why,
                       "the key file %s exists already, and is never overwritten: the pool that it opens would be "
                       "lost. Move it to a safe place first.",
                       f->key);
        return DOL_EEXIST;
    }
    enum dol_err err = f->encrypted ? check_directory(f->key, s->why) : DOL_OK;
    if (err == DOL_OK && lstat(f->credentials, &st) != 0)
        err = check_directory(f->credentials, s->why);
    return err;
}

/* Two names of one drive. */
static enum dol_err check_twice(const struct formatting *s, unsigned i)
{
    struct stat a;
    struct stat b;
    if (stat(s->f->paths[i], &a) != 0)
        return DOL_OK;
    for (unsigned j = 0; j < i; j++) {
        if (stat(s->f->paths[j], &b) != 0)
            continue;
        bool same = S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode) ? a.st_rdev == b.st_rdev
                                                             : a.st_dev == b.st_dev && a.st_ino == b.st_ino;
        if (same) {
            devdir_explain(s->why, "%s and %s are the same drive.", s->f->paths[j], s->f->paths[i]);
            return DOL_EINVAL;
        }
    }
    return DOL_OK;
}

static enum dol_err make_file(struct formatting *s, unsigned i)
{
    const char *path = s->f->paths[i];
    if (access(path, F_OK) == 0)
        return DOL_OK;
    if (s->f->file_bytes == 0 || strncmp(path, "/dev/", 5) == 0) {
        devdir_explain(s->why, "there is no drive %s.%s", path,
                       strncmp(path, "/dev/", 5) == 0 ? "" : " If a file is meant: --drive-size makes it.");
        return DOL_ENOTFOUND;
    }
    enum dol_err err = drive_file_create(path, s->f->file_bytes);
    s->made[i] = err == DOL_OK;
    if (err != DOL_OK)
        devdir_explain(s->why, "cannot create the drive file %s of %" PRIu64 " bytes: %s.", path, s->f->file_bytes,
                       dol_err_text(err));
    return err;
}

static enum dol_err open_drive(struct formatting *s, unsigned i)
{
    const char *path = s->f->paths[i];
    enum dol_err err = drive_open_path(path, DRIVE_READ_WRITE, LOCK_WAIT_NS, &s->drives[i]);
    switch (err) {
    case DOL_OK:
        s->open = i + 1;
        s->f->raw_bytes += s->drives[i]->size_bytes;
        break;
    case DOL_EINUSE:
        devdir_explain(s->why,
                       "the drive %s is mounted, or in use by another program (a running dolmend, LVM, RAID, swap): it "
                       "is not touched.",
                       path);
        break;
    case DOL_EPERM:
        devdir_explain(s->why, "no permission to open the drive %s for reading and writing. Are you root?", path);
        break;
    case DOL_EINVAL:
        devdir_explain(s->why, "%s is neither a block device nor a file, or smaller than 1 MiB.", path);
        break;
    default:
        devdir_explain(s->why, "cannot open the drive %s: %s.", path, dol_err_text(err));
        break;
    }
    return err;
}

static enum dol_err probe_drive(const struct formatting *s, unsigned i)
{
    struct drive_content content;
    const char *path = s->f->paths[i];
    enum dol_err err = drive_probe(path, &content);
    if (err != DOL_OK) {
        devdir_explain(s->why, "cannot read what the drive %s carries: %s.", path, dol_err_text(err));
        return err;
    }
    if (content.what[0] == '\0' || s->f->force == CLI_FORMAT_DESTROY)
        return DOL_OK;
    devdir_explain(s->why, "the drive %s carries: %s. It is not touched; --force would destroy it.", path,
                   content.what);
    return DOL_EEXIST;
}

/* ---- formatting ---- */

static enum dol_err blank_drives(const struct formatting *s)
{
    for (unsigned i = 0; i < s->open; i++) {
        enum dol_err err = drive_blank(s->drives[i]);
        if (err != DOL_OK) {
            devdir_explain(s->why, "cannot write to the drive %s: %s.", s->drives[i]->name, dol_err_text(err));
            return err;
        }
    }
    return DOL_OK;
}

static enum dol_err create_pool(struct formatting *s)
{
    const struct cli_format *f = s->f;
    const struct pool_create_config config = {
        .drives = s->drives,
        .drive_count = s->open,
        .k = f->k,
        .m = f->m,
        .key_file = f->encrypted ? f->key : NULL,
        .label = f->label,
    };
    s->may_have_key = f->encrypted;
    enum dol_err err = pool_create(&config);
    if (err == DOL_EINVAL)
        devdir_explain(s->why,
                       "no pool of geometry %u+%u can be made of these %u drives: the smallest is too small, or the "
                       "geometry is not possible. Give larger drives or another --ec.",
                       f->k, f->m, f->count);
    else if (err != DOL_OK)
        devdir_explain(s->why, "cannot create the pool: %s. The key file was to be %s.", dol_err_text(err), f->key);
    return err;
}

static enum dol_err make_credentials(const struct formatting *s)
{
    enum dol_err err = iam_credentials_create(s->f->credentials);
    if (err == DOL_OK || err == DOL_EEXIST)
        return DOL_OK;
    devdir_explain(s->why, "cannot create %s: %s.", s->f->credentials, dol_err_text(err));
    return err;
}

static void undo(const struct formatting *s)
{
    for (unsigned i = 0; i < s->f->count; i++)
        if (s->made[i])
            (void)unlink(s->f->paths[i]);
    if (s->may_have_key)
        (void)unlink(s->f->key);
}

enum dol_err cli_format_pool(struct cli_format *f, struct devdir_why *why)
{
    struct formatting s = {.f = f, .why = why};
    f->raw_bytes = 0;
    enum dol_err err = check_request(&s);
    if (err != DOL_OK)
        return err;
    for (unsigned i = 0; i < f->count && err == DOL_OK; i++) {
        err = check_twice(&s, i);
        if (err == DOL_OK)
            err = make_file(&s, i);
    }
    for (unsigned i = 0; i < f->count && err == DOL_OK; i++)
        err = open_drive(&s, i);
    for (unsigned i = 0; i < f->count && err == DOL_OK; i++)
        err = probe_drive(&s, i);
    if (err == DOL_OK)
        err = blank_drives(&s);
    if (err == DOL_OK)
        err = create_pool(&s);
    for (unsigned i = 0; i < s.open; i++)
        drive_close(s.drives[i]);
    if (err == DOL_OK)
        err = make_credentials(&s);
    if (err != DOL_OK)
        undo(&s);
    return err;
}
