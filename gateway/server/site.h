/*
 * Where the things of one pool lie, whichever way it was said: in the directory of --dev, or where the file of --config
 * puts them. What starts, looks after or asks an appliance goes through this.
 */
#ifndef DOL_SITE_H
#define DOL_SITE_H

#include "devdir.h"
#include "options.h"

struct site {
    const struct options *options; /* borrowed */
    struct devdir dir;             /* --dev: open and locked; else its dir_fd is -1 */
    bool in_directory;
    /* Borrowed from the options, or in dir. */
    const char *name;   /* DIR or FILE, for messages */
    const char *option; /* "--dev" or "--config" */
    const char *drives; /* for messages */
    const char *key;
    const char *credentials;
    const char *index;
    const char *socket;
};

/* Opens and locks DIR; of a FILE there is nothing to lock, drives and index lock themselves. Blocks; before the runtime
 * runs. Errors as devdir_open(). */
DOL_MUST_CHECK enum dol_err site_open(const struct options *options, enum devdir_missing missing, struct site *s,
                                      struct devdir_why *why);
void site_close(struct site *s);

/* [await] As devdir_open_drives(). */
DOL_MUST_CHECK enum dol_err site_open_drives(const struct site *s, struct drive *drives[DEVDIR_DRIVES_MAX],
                                             unsigned *count, struct devdir_why *why);

/* The key file, or NULL when there is none. */
const char *site_key_file(const struct site *s);

/* The socket's path for a client, without opening or locking anything. EINVAL: too long. */
DOL_MUST_CHECK enum dol_err site_socket_path(const struct options *options, char *out, size_t out_bytes);

#endif
