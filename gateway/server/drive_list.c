/* See drive_list.h. */
#include "drive_list.h"
#include "devdir_why.h"
#include "drive_open.h"
#include "log.h"

#define DRIVE_LOCK_WAIT_NS (10ull * 1000000000)

static enum dol_err open_one(const char *path, struct drive **out, struct devdir_why *why)
{
    enum dol_err err = drive_open_path(path, DRIVE_READ_WRITE, DRIVE_LOCK_WAIT_NS, out);
    switch (err) {
    case DOL_OK:
        break;
    case DOL_EINUSE:
        devdir_explain(why, "the drive %s is in use by another program, or mounted. Stop or unmount that first.", path);
        break;
    case DOL_EPERM:
        devdir_explain(why, "no permission to open the drive %s for reading and writing. Give it to this user.", path);
        break;
    case DOL_ENOMEM:
        devdir_explain(why, "out of memory while opening the drive %s.", path);
        break;
    default:
        log_warn("pool", "the drive %s cannot be opened and counts as missing: %s", path,
                 err == DOL_ENOTFOUND ? "no such file or device" : dol_err_text(err));
        return DOL_OK;
    }
    return err;
}

enum dol_err drive_list_open(const char *const *paths, unsigned path_count, const char *where,
                             struct drive *drives[DEVDIR_DRIVES_MAX], unsigned *count, struct devdir_why *why)
{
    unsigned opened = 0;
    enum dol_err err = DOL_OK;
    if (path_count > DEVDIR_DRIVES_MAX) {
        devdir_explain(why, "%s holds %u drives; a pool has %u at most.", where, path_count, DEVDIR_DRIVES_MAX);
        err = DOL_ETOOLARGE;
    }
    for (unsigned i = 0; err == DOL_OK && i < path_count; i++) {
        struct drive *drive = NULL;
        err = open_one(paths[i], &drive, why);
        if (drive != NULL)
            drives[opened++] = drive;
    }
    if (err == DOL_OK && opened == 0) {
        devdir_explain(why, "none of the %u drives in %s can be opened; the log says why.", path_count, where);
        err = DOL_ENOTFOUND;
    }
    if (err != DOL_OK)
        while (opened > 0)
            drive_close(drives[--opened]);
    *count = opened;
    return err;
}
