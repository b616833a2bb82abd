/* Opening the drives of a pool by their paths. */
#ifndef DOL_DRIVE_LIST_H
#define DOL_DRIVE_LIST_H

#include "devdir.h"

/*
 * [await] Opens the drives for reading and writing; which is which the pool finds out. One that cannot be read is left
 * out, with a warning in the log: the pool then is short of a drive. `where` is what messages call the list. EINUSE,
 * EPERM, ENOTFOUND (none left), ETOOLARGE (more than DEVDIR_DRIVES_MAX), ENOMEM. On error none stays open.
 */
DOL_MUST_CHECK enum dol_err drive_list_open(const char *const *paths, unsigned path_count, const char *where,
                                            struct drive *drives[DEVDIR_DRIVES_MAX], unsigned *count,
                                            struct devdir_why *why);

#endif
