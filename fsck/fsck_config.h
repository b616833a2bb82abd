/* Paths that dolmen-fsck takes from a folder of a pool (--dev) or from a configuration file (--config). */
#ifndef DOL_FSCK_CONFIG_H
#define DOL_FSCK_CONFIG_H

#include "fsck.h"

struct fsck_paths {
    char *drives[FORMAT_DRIVES_MAX];
    unsigned count;
    char *key;   /* NULL: none */
    char *index; /* NULL: none */
};

/* [pool] drives, key and index of dolmend's INI file. EIO, ESYNTAX (no drives in it, or more than a pool has), ENOMEM;
 * what is wrong was said. */
DOL_MUST_CHECK enum dol_err fsck_config_read(const char *file, struct fsck_paths *out);
void fsck_paths_free(struct fsck_paths *p);

#endif
