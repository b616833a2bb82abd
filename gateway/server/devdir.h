/*
 * A pool in a directory, as --dev DIR means it:
 *
 *     DIR/drives/drive-00.img ...   the drives: sparse files (or links to others, or to block devices)
 *     DIR/key                       the key file; losing it loses the pool
 *     DIR/credentials               access key and secret key
 *     DIR/index/                    the index; may be lost at any time
 *     DIR/admin.sock                the admin API of the dolmend that serves it
 *     DIR/lock                      locked by the one program that uses DIR
 *     DIR/creating                  there from before the first file of a new pool until all of it is durable
 *
 * Nothing is ever overwritten. DIR/creating outlives a crash in the middle of creation; nothing was acknowledged to
 * anyone while it existed, so what such a creation left is moved aside (DIR/unfinished-N), not deleted, and creation
 * begins again.
 *
 * Functions that can fail leave in `why` what a person should read: what happened, to what, and what to do.
 */
#ifndef DOL_DEVDIR_H
#define DOL_DEVDIR_H

#include <dolmen/drive.h>
#include <limits.h>

#define DEVDIR_DRIVES_MAX 64u /* as many as store_status can show */

struct devdir {
    int dir_fd; /* of DIR */
    int lock_fd;
    char root[PATH_MAX]; /* as given, without trailing slashes */
    char drives[PATH_MAX];
    char key[PATH_MAX];
    char credentials[PATH_MAX];
    char index[PATH_MAX];
    char socket[PATH_MAX]; /* short enough for a socket address */
};

struct devdir_why {
    char text[1024];
};

enum devdir_state {
    DEVDIR_NEW,        /* no pool yet */
    DEVDIR_UNFINISHED, /* a creation was interrupted */
    DEVDIR_POOL,
    DEVDIR_BROKEN /* a key without drives: not to be taken for new */
};

struct devdir_geometry {
    unsigned drives;
    unsigned k, m;
    uint64_t drive_size_bytes;
    const char *label; /* NULL: the default */
    bool encrypted;
};

/* Whether a missing directory is made. */
enum devdir_missing { DEVDIR_CREATE, DEVDIR_MUST_EXIST };

/*
 * Opens DIR and locks it against other programs, which are waited for a moment. Blocks; call before the runtime runs.
 * ENOTFOUND, EINUSE, EPERM, EINVAL.
 */
DOL_MUST_CHECK enum dol_err devdir_open(const char *path, enum devdir_missing missing, struct devdir *d,
                                        struct devdir_why *why);
void devdir_close(struct devdir *d);

/* The path of DIR's socket for a client, without opening or locking DIR. EINVAL: too long. */
DOL_MUST_CHECK enum dol_err devdir_socket_path(const char *path, char *out, size_t out_bytes);

DOL_MUST_CHECK enum dol_err devdir_state_get(const struct devdir *d, enum devdir_state *state, struct devdir_why *why);

/* Moves aside what an interrupted creation left; `moved` (PATH_MAX bytes) tells where. */
DOL_MUST_CHECK enum dol_err devdir_move_aside(struct devdir *d, char *moved, struct devdir_why *why);

/* [await] Creates a pool in a DEVDIR_NEW directory, and credentials unless they are there. What it made is removed
 * again when it fails. */
DOL_MUST_CHECK enum dol_err devdir_create_pool(struct devdir *d, const struct devdir_geometry *geometry,
                                               struct devdir_why *why);

/*
 * [await] Opens all drives of DIR/drives in the order of their names. One that cannot be read is left out, with a
 * warning in the log: the pool then is short of a drive. EINUSE, EPERM, ENOTFOUND (none left), ETOOLARGE (more than
 * DEVDIR_DRIVES_MAX). On error none stays open.
 */
DOL_MUST_CHECK enum dol_err devdir_open_drives(const struct devdir *d, struct drive *drives[DEVDIR_DRIVES_MAX],
                                               unsigned *count, struct devdir_why *why);

/* DIR/key, or NULL when there is none. */
const char *devdir_key_file(const struct devdir *d);

#endif
