/* Formatting a pool, and superblock I/O on one drive. pool_create() itself is part of the store's contract
 * (dolmen/store.h). */
#ifndef DOL_POOL_CREATE_H
#define DOL_POOL_CREATE_H

#include <dolmen/drive.h>

#include "superblock.h"

/* [await] Writes all copies, each durable before the next, raising sb->sequence each time. */
DOL_MUST_CHECK enum dol_err superblock_write_all(struct drive *drive, struct superblock *sb);
/* [await] The newest good copy. ENOTPOOL when none has the magic; ECORRUPT, EFORMAT, EIO when what is there can't be
 * used. */
DOL_MUST_CHECK enum dol_err superblock_read_best(struct drive *drive, struct superblock *out);

#endif
