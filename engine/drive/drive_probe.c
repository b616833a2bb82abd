/*
 * Probing and blanking drives. The probe is libblkid's, which knows file systems, RAID members, LVM, encryption and
 * partition tables; it and the discard may block for long, so they run on an offload thread.
 */
#include "drive_probe.h"

#include "drive_fd.h"
#include "hash.h"
#include "list.h"
#include "log.h"
#include "superblock.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLANK_BYTES   ((size_t)1 << 20)
#define PROBE_NOTHING 1
#define PROBE_SEVERAL (-2)

struct probe_job {
    const char *path;
    struct drive_content *out;
    enum dol_err err;
};

/* ---- a Dolmen superblock ---- */

static void describe_pool(const struct superblock *sb, struct drive_content *out)
{
    char uuid[2 * sizeof sb->pool.b + 1];
    hex_encode(sb->pool.b, sizeof sb->pool.b, uuid);
    snprintf(out->what, sizeof out->what, "Dolmen pool '%s' %s", sb->label, uuid);
}

/* Any copy will do. */
static enum dol_err probe_pool(int fd, struct drive_content *out)
{
    struct superblock *sb = malloc(sizeof *sb);
    uint8_t *bytes = malloc(SUPERBLOCK_BYTES);
    enum dol_err err = sb != NULL && bytes != NULL ? DOL_OK : DOL_ENOMEM;
    for (unsigned i = 0; err == DOL_OK && i < SUPERBLOCK_COPIES; i++) {
        if (pread(fd, bytes, SUPERBLOCK_BYTES, (off_t)i * SUPERBLOCK_STRIDE_BYTES) != SUPERBLOCK_BYTES)
            continue;
        enum dol_err found = superblock_decode(bytes, sb);
        if (found == DOL_OK) {
            describe_pool(sb, out);
            break;
        }
        if (found != DOL_ENOTPOOL)
            snprintf(out->what, sizeof out->what, "%s",
                     found == DOL_EFORMAT ? "Dolmen pool of a newer version" : "Dolmen pool, damaged");
    }
    free(sb);
    free(bytes);
    return err;
}

/* ---- everything else ---- */

static const char *value(blkid_probe probe, const char *name)
{
    const char *data = NULL;
    return blkid_probe_lookup_value(probe, name, &data, NULL) == 0 ? data : NULL;
}

static const char *kind_of(const char *usage)
{
    if (usage != NULL && strcmp(usage, "filesystem") == 0)
        return " file system";
    if (usage != NULL && strcmp(usage, "crypto") == 0)
        return " encrypted volume";
    return usage != NULL && strcmp(usage, "raid") == 0 ? " volume" : "";
}

static void describe(blkid_probe probe, struct drive_content *out)
{
    const char *type = value(probe, "TYPE");
    const char *label = value(probe, "LABEL");
    const char *table = value(probe, "PTTYPE");
    if (type != NULL)
        snprintf(out->what, sizeof out->what, "%s%s%s%.64s%s", type, kind_of(value(probe, "USAGE")),
                 label != NULL ? " '" : "", label != NULL ? label : "", label != NULL ? "'" : "");
    else if (table != NULL)
        snprintf(out->what, sizeof out->what, "%s partition table", table);
    else
        snprintf(out->what, sizeof out->what, "data of an unknown kind");
}

static enum dol_err probe_others(int fd, struct drive_content *out)
{
    blkid_probe probe = blkid_new_probe();
    enum dol_err err = DOL_ENOMEM;
    if (probe == NULL)
        return err;
    err = DOL_EIO;
    if (blkid_probe_set_device(probe, fd, 0, 0) != 0 || blkid_probe_enable_superblocks(probe, 1) != 0 ||
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE) != 0 ||
        blkid_probe_enable_partitions(probe, 1) != 0)
        goto out;
    int found = blkid_do_safeprobe(probe);
    if (found == 0)
        describe(probe, out);
    else if (found == PROBE_SEVERAL)
        snprintf(out->what, sizeof out->what, "several file systems or volumes at once");
    if (found == 0 || found == PROBE_SEVERAL || found == PROBE_NOTHING)
        err = DOL_OK;
out:
    blkid_free_probe(probe);
    return err;
}

/* On an offload thread. */
static void run_probe(void *arg)
{
    struct probe_job *job = arg;
    int fd;
    do
        fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        job->err = errno == ENOENT || errno == ENOTDIR ? DOL_ENOTFOUND : drive_err_of_errno(errno);
        return;
    }
    job->err = probe_pool(fd, job->out);
    if (job->err == DOL_OK && job->out->what[0] == '\0')
        job->err = probe_others(fd, job->out);
    close(fd);
}

enum dol_err drive_probe(const char *path, struct drive_content *out)
{
    struct probe_job job = {.path = path, .out = out};
    *out = (struct drive_content){{0}};
    offload_run(run_probe, &job);
    return job.err;
}

/* ---- blanking ---- */

/* On an offload thread. A device that can't discard loses nothing: what is on it can't be reached any more. */
static void run_discard(void *arg)
{
    const struct drive_fd *d = arg;
    uint64_t range[2] = {0, d->drive.size_bytes};
    struct stat st;
    if (fstat(d->fd, &st) != 0 || !S_ISBLK(st.st_mode))
        return;
    if (ioctl(d->fd, BLKDISCARD, range) != 0 && errno != EOPNOTSUPP)
        log_warn("drive", "could not be discarded drive=%s error=%s", d->drive.name, strerrorname_np(errno));
}

enum dol_err drive_blank(struct drive *d)
{
    void *zeros = NULL;
    if (posix_memalign(&zeros, DRIVE_BLOCK_BYTES, BLANK_BYTES) != 0)
        return DOL_ENOMEM;
    memset(zeros, 0, BLANK_BYTES);
    offload_run(run_discard, container_of(d, struct drive_fd, drive));
    enum dol_err err = drive_write(d, 0, zeros, BLANK_BYTES);
    if (err == DOL_OK)
        err = drive_write(d, d->size_bytes - BLANK_BYTES, zeros, BLANK_BYTES);
    free(zeros);
    return err;
}
