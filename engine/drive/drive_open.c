/*
 * Opening a path as a drive: open, lock, and only then look at it.
 *
 * The lock is flock(2) on the open file description that does the I/O. Requests of a killed process that the kernel
 * still carries hold a reference to their description, so its lock lasts until the last of them has landed; whoever has
 * waited for the lock reads what will stay. Writers take it exclusively, readers shared, so a pool that is being served
 * can't be opened at all. Devices opened for writing are claimed with O_EXCL as well, which keeps mounts and other
 * claims away.
 */
#include "drive_open.h"

#include "dol_assert.h"
#include "drive_fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_RETRY_NS UINT64_C(20000000)

static const struct drive_ops file_ops = {
    .read_start = drive_fd_read_start,
    .write_start = drive_fd_write_start,
    .prepare = drive_file_prepare,
    .close = drive_fd_close,
};
static const struct drive_ops block_ops = {
    .read_start = drive_fd_read_start,
    .write_start = drive_fd_write_start,
    .close = drive_fd_close,
};

/* One opening; the two steps that may block run on an offload thread. */
struct open_job {
    const char *path;
    enum drive_access access;
    int fd;
    const struct drive_ops *ops;
    uint64_t size_bytes;
    enum dol_err err;
};

static enum dol_err err_of_open(int error, const char *path)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DOL_ENOTFOUND;
    case EBUSY:
        return DOL_EINUSE;
    case EINVAL:
        log_error("drive",
                  "this file system refuses direct I/O (O_DIRECT): put drives on ext4, XFS or a device path=%s", path);
        return DOL_EUNSUPPORTED;
    case EISDIR:
        return DOL_EINVAL;
    default:
        return drive_err_of_errno(error);
    }
}

static void run_open(void *arg)
{
    struct open_job *job = arg;
    struct stat st;
    if (stat(job->path, &st) != 0) {
        job->err = err_of_open(errno, job->path);
        return;
    }
    /* Before open(): opening a FIFO or a tape has effects. */
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        job->err = DOL_EINVAL;
        return;
    }
    job->ops = S_ISBLK(st.st_mode) ? &block_ops : &file_ops;
    int flags = O_DIRECT | O_CLOEXEC | (job->access == DRIVE_READ_ONLY ? O_RDONLY : O_RDWR);
    if (S_ISBLK(st.st_mode) && job->access == DRIVE_READ_WRITE)
        flags |= O_EXCL;
    do
        job->fd = open(job->path, flags);
    while (job->fd < 0 && errno == EINTR);
    job->err = job->fd < 0 ? err_of_open(errno, job->path) : DOL_OK;
}

/* Some file systems take O_DIRECT at open and refuse the I/O. */
static bool direct_read_works(int fd)
{
    void *block;
    if (posix_memalign(&block, DRIVE_BLOCK_BYTES, DRIVE_BLOCK_BYTES) != 0)
        return true;
    bool works = pread(fd, block, DRIVE_BLOCK_BYTES, 0) >= 0 || errno != EINVAL;
    free(block);
    return works;
}

/* Under the lock. */
static void run_inspect(void *arg)
{
    struct open_job *job = arg;
    struct stat st;
    job->err = DOL_OK;
    if (fstat(job->fd, &st) != 0)
        job->err = DOL_EIO;
    else if (job->ops == &block_ops ? !S_ISBLK(st.st_mode) : !S_ISREG(st.st_mode))
        job->err = DOL_EINVAL;
    else if (job->ops == &block_ops)
        job->err = drive_block_size(job->fd, job->path, &job->size_bytes);
    else
        job->size_bytes = (uint64_t)st.st_size / DRIVE_BLOCK_BYTES * DRIVE_BLOCK_BYTES;
    if (job->err == DOL_OK && job->size_bytes < DRIVE_BYTES_MIN)
        job->err = DOL_EINVAL;
    if (job->err == DOL_OK && !direct_read_works(job->fd)) {
        errno = EINVAL;
        job->err = err_of_open(errno, job->path);
    }
}

/* EINUSE, EIO. Doesn't wait. */
static enum dol_err try_lock(const struct open_job *job)
{
    int how = (job->access == DRIVE_READ_ONLY ? LOCK_SH : LOCK_EX) | LOCK_NB;
    if (flock(job->fd, how) == 0)
        return DOL_OK;
    return errno == EWOULDBLOCK || errno == EINTR ? DOL_EINUSE : DOL_EIO;
}

static void close_fd(struct open_job *job)
{
    if (job->fd >= 0)
        close(job->fd);
    job->fd = -1;
}

/* Opens and locks, waiting for others to go until the deadline. */
static enum dol_err open_locked(struct open_job *job, uint64_t lock_timeout_ns)
{
    uint64_t start_ns = clock_monotonic_ns();
    for (;;) {
        if (job->fd < 0)
            offload_run(run_open, job);
        enum dol_err err = job->err != DOL_OK ? job->err : try_lock(job);
        if (err != DOL_EINUSE)
            return err;
        uint64_t waited_ns = clock_monotonic_ns() - start_ns;
        if (waited_ns >= lock_timeout_ns)
            return DOL_EINUSE;
        uint64_t left_ns = lock_timeout_ns - waited_ns;
        fiber_sleep(left_ns < LOCK_RETRY_NS ? left_ns : LOCK_RETRY_NS);
    }
}

enum dol_err drive_open_path(const char *path, enum drive_access access, uint64_t lock_timeout_ns, struct drive **out)
{
    struct open_job job = {.path = path, .access = access, .fd = -1};
    *out = NULL;
    enum dol_err err = open_locked(&job, lock_timeout_ns);
    if (err == DOL_OK) {
        offload_run(run_inspect, &job);
        err = job.err;
    }
    struct drive_fd *d = err == DOL_OK ? malloc(sizeof *d) : NULL;
    if (err == DOL_OK && d == NULL)
        err = DOL_ENOMEM;
    if (err != DOL_OK) {
        close_fd(&job);
        return err;
    }
    drive_init(&d->drive, job.ops, path, job.size_bytes, access == DRIVE_READ_ONLY);
    d->fd = job.fd;
    atomic_init(&d->in_flight, 0);
    *out = &d->drive;
    return DOL_OK;
}
