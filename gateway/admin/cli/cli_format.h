/* Making a pool of drives that are named one by one: block devices, or files. What the devices carry is not destroyed
 * by mistake. */
#ifndef DOL_CLI_FORMAT_H
#define DOL_CLI_FORMAT_H

#include "devdir.h"

/* What a drive carries already may be destroyed? */
enum cli_format_force { CLI_FORMAT_REFUSE, CLI_FORMAT_DESTROY };

struct cli_format {
    const char *const *paths;
    unsigned count;
    unsigned k, m;
    const char *label;       /* NULL: the default */
    const char *key;         /* created; must not exist */
    const char *credentials; /* created unless it is there */
    bool encrypted;
    enum cli_format_force force;
    uint64_t file_bytes; /* of drive files that are not there yet, which are made; 0: none is made */
    uint64_t raw_bytes;  /* result: of all drives */
};

/*
 * [await] Formats the drives as a new pool. A drive that is mounted, or in use in another way, is always refused; one
 * with a pool, a file system, a volume or a partition table unless force says otherwise. Nothing is written before all
 * drives have been looked at. When it fails later, the files it made are gone again; devices may then be blank.
 */
DOL_MUST_CHECK enum dol_err cli_format_pool(struct cli_format *f, struct devdir_why *why);

#endif
