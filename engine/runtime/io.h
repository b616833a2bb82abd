/*
 * File I/O on the calling fiber's ring (real runtime only). A start queues the operation and returns at once; the batch
 * goes to the kernel when the loop next turns, that is when this fiber awaits. The io, and the buffer, are the kernel's
 * until join_wait() has returned. A full submission queue is submitted on the spot; a start never fails.
 *
 *     struct join join;
 *     join_init(&join);
 *     for (each member) io_write_start(&io[i], &join, fd[i], buf[i], len, offset, RWF_DSYNC);
 *     join_wait(&join);
 *     for (each member) ... io[i].result ...
 */
#ifndef DOL_IO_H
#define DOL_IO_H

#include <dolmen/runtime.h>
#include <sys/uio.h>

/* Any operation on a ring: what to call, on the loop's thread and outside fibers, when it has completed. */
struct uring_op {
    void (*done)(struct uring_op *op, int32_t result);
};

struct io {
    struct uring_op op;
    struct join *join;
    int32_t result; /* bytes (may be fewer than asked for), or -errno */
};

void io_read_start(struct io *io, struct join *join, int fd, void *buf, uint32_t len, uint64_t offset);
/* rw_flags: of pwritev2(2), such as RWF_DSYNC. */
void io_write_start(struct io *io, struct join *join, int fd, const void *buf, uint32_t len, uint64_t offset,
                    int rw_flags);
void io_fdatasync_start(struct io *io, struct join *join, int fd);

#endif
