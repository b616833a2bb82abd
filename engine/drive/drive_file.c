/*
 * Drives that are regular files: creating one, and zero-filling a range ahead of its use.
 *
 * On ext4 and XFS a durable write into a hole or an unwritten extent commits the journal; into a range that was written
 * before, it is a plain overwrite. So prepare() allocates, writes zeros, and syncs once; until then the range's content
 * is undefined.
 */
#include "drive_fd.h"
#include "drive_open.h"

#include "list.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_BYTES ((size_t)1 << 20)

/* Read only. */
static _Alignas(DRIVE_BLOCK_BYTES) uint8_t zeros[ZERO_BYTES];

struct prepare_job {
    int fd;
    uint64_t offset;
    uint64_t len;
    int error; /* errno, 0: done */
};

static int write_zeros(int fd, uint64_t offset, uint64_t len)
{
    while (len > 0) {
        size_t want = len < ZERO_BYTES ? (size_t)len : ZERO_BYTES;
        ssize_t n = pwrite(fd, zeros, want, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        /* a part of a block is written again: O_DIRECT wants whole ones */
        uint64_t written = (uint64_t)n / DRIVE_BLOCK_BYTES * DRIVE_BLOCK_BYTES;
        if (written == 0)
            return EIO;
        offset += written;
        len -= written;
    }
    return 0;
}

/* On an offload thread. */
static void run_prepare(void *arg)
{
    struct prepare_job *job = arg;
    int rc;
    do
        rc = fallocate(job->fd, 0, (off_t)job->offset, (off_t)job->len);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EOPNOTSUPP) {
        job->error = errno;
        return;
    }
    job->error = write_zeros(job->fd, job->offset, job->len);
    if (job->error == 0 && fdatasync(job->fd) != 0)
        job->error = errno;
}

enum dol_err drive_file_prepare(struct drive *d, uint64_t offset, uint64_t len)
{
    struct prepare_job job = {.fd = container_of(d, struct drive_fd, drive)->fd, .offset = offset, .len = len};
    offload_run(run_prepare, &job);
    if (job.error == 0)
        return DOL_OK;
    log_error("drive", "zero-filling failed drive=%s offset=%llu bytes=%llu error=%s", d->name,
              (unsigned long long)offset, (unsigned long long)len, strerrorname_np(job.error));
    return drive_err_of_errno(job.error);
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
