/* Drives that are a file descriptor: reads and durable writes through the loops' rings. Files and devices differ in the
 * rest. */
#ifndef DOL_DRIVE_FD_H
#define DOL_DRIVE_FD_H

#include "drive_impl.h"

#include <stdatomic.h>

struct drive_fd {
    struct drive drive;
    int fd; /* O_DIRECT; holds the lock */
    _Atomic unsigned in_flight;
};

void drive_fd_read_start(struct drive *d, struct drive_op *op, uint64_t offset, void *buf, size_t len);
void drive_fd_write_start(struct drive *d, struct drive_op *op, uint64_t offset, const void *buf, size_t len);
void drive_fd_close(struct drive *d);

/* EFULL, EPERM, EIO: what an errno of the kernel means to a drive's user. */
enum dol_err drive_err_of_errno(int error);

/* prepare() of files; devices have none. */
enum dol_err drive_file_prepare(struct drive *d, uint64_t offset, uint64_t len, enum drive_preparation how);

/* Size of a device, a multiple of 4096. May block. EUNSUPPORTED: its logical blocks are larger than 4096 bytes; logged.
 * EIO. */
DOL_MUST_CHECK enum dol_err drive_block_size(int fd, const char *path, uint64_t *size_bytes);

#endif
