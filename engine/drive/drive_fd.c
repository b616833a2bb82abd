/*
 * Reads and durable writes of a file descriptor.
 *
 * A write is one submission with O_DIRECT and RWF_DSYNC: when it completes, it is durable; no flush stands between it
 * and the acknowledgement. Short completions go on from the last whole block, EINTR and EAGAIN are tried again (at most
 * DRIVE_RETRIES_MAX times, then EIO); an error of the medium is never tried again, for a second success would not make
 * the first failure untrue.
 *
 * The state of an operation lies in its struct drive_op. Each submission completes into `step`, a join nobody waits
 * for, and then calls fd_done() on the loop that submitted it, which either submits the rest or ends the operation.
 */
#include "drive_fd.h"

#include "dol_assert.h"
#include "io.h"
#include "list.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define DRIVE_RETRIES_MAX 1000u
/* The kernel takes at most 2 GiB less a page at once. */
#define DRIVE_SUBMISSION_BYTES_MAX ((size_t)1 << 30)

struct fd_op {
    struct io io;
    struct join step;
    struct drive_fd *drive;
    uint8_t *buf; /* written to by reads only */
    size_t len;
    size_t done;
    uint64_t offset;
    unsigned retries;
    enum drive_dir dir;
};
_Static_assert(sizeof(struct fd_op) <= sizeof((struct drive_op){0}.private_space), "drive_op has room");

enum dol_err drive_err_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return DOL_EFULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return DOL_EPERM;
    default:
        return DOL_EIO;
    }
}

static void fd_done(struct uring_op *uring_op, int32_t result);

static void fd_submit(struct fd_op *f)
{
    size_t left = f->len - f->done;
    uint32_t n = (uint32_t)(left < DRIVE_SUBMISSION_BYTES_MAX ? left : DRIVE_SUBMISSION_BYTES_MAX);
    if (f->dir == DRIVE_DIR_READ)
        io_read_start(&f->io, &f->step, f->drive->fd, f->buf + f->done, n, f->offset + f->done);
    else
        io_write_start(&f->io, &f->step, f->drive->fd, f->buf + f->done, n, f->offset + f->done, RWF_DSYNC);
    /* The batch is submitted when the loop turns, so nothing has completed yet. */
    f->io.op.done = fd_done;
}

static void fd_finish(struct fd_op *f, enum dol_err err)
{
    struct drive_fd *d = f->drive;
    struct drive_op *op = container_of(f, struct drive_op, private_space);
    atomic_fetch_sub_explicit(&d->in_flight, 1, memory_order_release);
    drive_op_finish(&d->drive, op, f->dir, f->len, err);
}

static void fd_done(struct uring_op *uring_op, int32_t result)
{
    struct fd_op *f = container_of(uring_op, struct fd_op, io.op);
    join_done(&f->step);
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
        log_error("drive", "%s failed drive=%s offset=%llu bytes=%zu error=%s",
                  f->dir == DRIVE_DIR_READ ? "read" : "write", f->drive->drive.name,
                  (unsigned long long)(f->offset + f->done), f->len - f->done, strerrorname_np(-result));
        fd_finish(f, drive_err_of_errno(-result));
        return;
    }
    size_t blocks_bytes = result > 0 ? (size_t)result / DRIVE_BLOCK_BYTES * DRIVE_BLOCK_BYTES : 0;
    dol_assert(blocks_bytes <= f->len - f->done);
    f->done += blocks_bytes;
    if (f->done == f->len) {
        fd_finish(f, DOL_OK);
    } else if (result == 0 || (blocks_bytes == 0 && ++f->retries > DRIVE_RETRIES_MAX)) {
        log_error("drive", "%s drive=%s offset=%llu",
                  result >= 0 ? "the medium ends early, was it truncated?" : "the kernel keeps asking to try again",
                  f->drive->drive.name, (unsigned long long)(f->offset + f->done));
        fd_finish(f, DOL_EIO);
    } else {
        fd_submit(f);
    }
}

static void fd_begin(struct drive *d, struct drive_op *op, enum drive_dir dir, uint64_t offset, uint8_t *buf,
                     size_t len)
{
    struct drive_fd *fd = container_of(d, struct drive_fd, drive);
    struct fd_op *f = (struct fd_op *)(void *)op->private_space;
    atomic_fetch_add_explicit(&fd->in_flight, 1, memory_order_relaxed);
    *f = (struct fd_op){.drive = fd, .buf = buf, .len = len, .offset = offset, .dir = dir};
    join_init(&f->step);
    fd_submit(f);
}

void drive_fd_read_start(struct drive *d, struct drive_op *op, uint64_t offset, void *buf, size_t len)
{
    fd_begin(d, op, DRIVE_DIR_READ, offset, buf, len);
}

void drive_fd_write_start(struct drive *d, struct drive_op *op, uint64_t offset, const void *buf, size_t len)
{
    fd_begin(d, op, DRIVE_DIR_WRITE, offset, (uint8_t *)(uintptr_t)buf, len);
}

void drive_fd_close(struct drive *d)
{
    struct drive_fd *fd = container_of(d, struct drive_fd, drive);
    dol_assert(atomic_load_explicit(&fd->in_flight, memory_order_acquire) == 0);
    close(fd->fd); /* ends the lock */
    free(fd);
}
