/*
 * Drives that are regular files: creating one, and zero-filling a range ahead of its use.
 *
 * On ext4 and XFS a durable write into a hole or an unwritten extent commits the journal; into a range that was written
 * before, it is a plain overwrite. So prepare() allocates and, when asked, writes zeros and syncs once; until then the
 * range's content is undefined. A range that is written already, in a file that was filled at its creation or by a slab
 * that is gone, needs nothing.
 *
 * The zeros go through the loop's ring, one write at a time: a prepare lasts many milliseconds, and the offload threads
 * have others to serve.
 */
#include "drive_fd.h"
#include "drive_open.h"

#include "io.h"
#include "list.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A huge page, so that the kernel has one page to pin for a write and not hundreds. */
#define ZERO_BYTES 2097152u

/* Read only. */
static _Alignas(ZERO_BYTES) uint8_t zeros[ZERO_BYTES];

struct allocate_job {
    int fd;
    uint64_t offset;
    uint64_t len;
    bool written; /* all of it was before */
    int error;    /* errno, 0: done */
};

/* On an offload thread. */
static void run_allocate(void *arg)
{
    struct allocate_job *job = arg;
    int rc;
    /* An unwritten extent counts as a hole here. A file system that knows no holes says that all is written. */
    off_t hole = lseek(job->fd, (off_t)job->offset, SEEK_HOLE);
    job->written = hole >= 0 && (uint64_t)hole >= job->offset + job->len;
    if (job->written)
        return;
    madvise(zeros, sizeof zeros, MADV_HUGEPAGE); /* a wish; the same each time */
    do
        rc = fallocate(job->fd, 0, (off_t)job->offset, (off_t)job->len);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EOPNOTSUPP)
        job->error = errno;
}

/* Bytes written, or -errno. */
static int32_t write_zeros_once(int fd, uint64_t offset, uint32_t len)
{
    struct join join;
    struct io io;
    join_init(&join);
    io_write_start(&io, &join, fd, zeros, len, offset, 0);
    join_wait(&join);
    return io.result;
}

static int write_zeros(int fd, uint64_t offset, uint64_t len)
{
    while (len > 0) {
        int32_t n = write_zeros_once(fd, offset, len < ZERO_BYTES ? (uint32_t)len : ZERO_BYTES);
        if (n == -EINTR || n == -EAGAIN)
            continue;
        if (n < 0)
            return -n;
        /* a part of a block is written again: O_DIRECT wants whole ones */
        uint64_t written = (uint64_t)n / DRIVE_BLOCK_BYTES * DRIVE_BLOCK_BYTES;
        if (written == 0)
            return EIO;
        offset += written;
        len -= written;
    }
    return 0;
}

static int sync_data(int fd)
{
    struct join join;
    struct io io;
    join_init(&join);
    io_fdatasync_start(&io, &join, fd);
    join_wait(&join);
    return io.result < 0 ? -io.result : 0;
}

enum dol_err drive_file_prepare(struct drive *d, uint64_t offset, uint64_t len, enum drive_preparation how)
{
    struct allocate_job job = {.fd = container_of(d, struct drive_fd, drive)->fd, .offset = offset, .len = len};
    offload_run(run_allocate, &job);
    if (job.written)
        return DOL_OK;
    int error = job.error;
    if (error == 0 && how == DRIVE_WRITTEN) {
        error = write_zeros(job.fd, offset, len);
        if (error == 0)
            error = sync_data(job.fd);
        if (error == 0)
            drive_count_prepared(d, len);
    }
    if (error == 0)
        return DOL_OK;
    log_error("drive", "space can't be prepared drive=%s offset=%llu bytes=%llu error=%s", d->name,
              (unsigned long long)offset, (unsigned long long)len, strerrorname_np(error));
    return drive_err_of_errno(error);
}

static enum dol_err sync_directory_of(const char *path)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return DOL_EINVAL;
    memcpy(copy, path, strlen(path) + 1);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return drive_err_of_errno(errno);
    enum dol_err err = fsync(fd) == 0 ? DOL_OK : DOL_EIO;
    close(fd);
    return err;
}

enum dol_err drive_file_create(const char *path, uint64_t size_bytes)
{
    size_bytes -= size_bytes % DRIVE_BLOCK_BYTES;
    if (size_bytes < DRIVE_BYTES_MIN || size_bytes > INT64_MAX)
        return DOL_EINVAL;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        if (errno == EEXIST)
            return DOL_EEXIST;
        return errno == ENOENT || errno == ENOTDIR ? DOL_ENOTFOUND : drive_err_of_errno(errno);
    }
    enum dol_err err = DOL_OK;
    if (ftruncate(fd, (off_t)size_bytes) != 0)
        err = errno == EFBIG ? DOL_EINVAL : drive_err_of_errno(errno);
    else if (fsync(fd) != 0)
        err = DOL_EIO;
    close(fd);
    if (err == DOL_OK)
        err = sync_directory_of(path);
    if (err != DOL_OK)
        unlink(path);
    return err;
}
