/*
 * Opening drives. A path that is a block device becomes a block drive (O_EXCL), a regular file a file drive. Both take
 * an exclusive lock on the same open file description that does the I/O and wait up to lock_timeout for it (writes of a
 * killed process may still be landing), then the drive may be read.
 */
#ifndef DOL_DRIVE_OPEN_H
#define DOL_DRIVE_OPEN_H

#include <dolmen/drive.h>

enum drive_access { DRIVE_READ_WRITE, DRIVE_READ_ONLY };

/*
 * [await] EINUSE: still locked after lock_timeout_ns (0: one attempt). ENOTFOUND: no such path. EPERM. EINVAL: neither
 * file nor device, or smaller than 1 MiB. EUNSUPPORTED: no direct I/O there, or blocks larger than 4096; the log says
 * which. ENOMEM, EIO. Read-only opens take a shared lock: they exclude writers only.
 */
DOL_MUST_CHECK enum dol_err drive_open_path(const char *path, enum drive_access access, uint64_t lock_timeout_ns,
                                            struct drive **out);

/*
 * Creates a sparse file of size_bytes (rounded down to 4096), mode 0600, durable with its directory entry. EEXIST when
 * it is there; ENOTFOUND (no such directory), EINVAL (smaller than 1 MiB), EPERM, EFULL, EIO. Not [await].
 */
DOL_MUST_CHECK enum dol_err drive_file_create(const char *path, uint64_t size_bytes);

#endif
