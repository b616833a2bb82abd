/* Asynchronous file I/O: one submission each, completing into the caller's struct io and its join. */
#include "io.h"
#include "ring.h"

static void io_done(struct uring_op *op, int32_t result)
{
    struct io *io = container_of(op, struct io, op);
    io->result = result;
    join_done(io->join);
}

static struct io_uring_sqe *io_begin(struct io *io, struct join *join)
{
    *io = (struct io){.op.done = io_done, .join = join};
    join_add(join);
    return ring_sqe();
}

void io_read_start(struct io *io, struct join *join, int fd, void *buf, uint32_t len, uint64_t offset)
{
    struct io_uring_sqe *sqe = io_begin(io, join);
    io_uring_prep_read(sqe, fd, buf, len, offset);
    ring_set_op(sqe, &io->op);
}

void io_write_start(struct io *io, struct join *join, int fd, const void *buf, uint32_t len, uint64_t offset,
                    int rw_flags)
{
    struct io_uring_sqe *sqe = io_begin(io, join);
    io_uring_prep_write(sqe, fd, buf, len, offset);
    sqe->rw_flags = rw_flags;
    ring_set_op(sqe, &io->op);
}

void io_fdatasync_start(struct io *io, struct join *join, int fd)
{
    struct io_uring_sqe *sqe = io_begin(io, join);
    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    ring_set_op(sqe, &io->op);
}
