/*
 * Drives and superblocks. The newest good copy speaks for a drive, the newest (epoch, sequence) for the pool; drives of
 * another pool are left alone, drives that the superblock names and nobody gave are missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fsck.h"
#include "hash.h"

/* ---- bytes ---- */

bool fsck_drive_read(struct fsck_drive *d, uint64_t offset, void *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(d->fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            atomic_fetch_add(&d->read_errors, 1);
            return false;
        }
        done += (size_t)n;
    }
    atomic_fetch_add(&d->bytes_read, len);
    return true;
}

bool fsck_drive_write(struct fsck_drive *d, uint64_t offset, const void *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(d->fd, (const uint8_t *)buf + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    if (fdatasync(d->fd) != 0)
        return false;
    void *back = aligned_alloc(FORMAT_BLOCK_BYTES, len);
    bool same = back != NULL && fsck_drive_read(d, offset, back, len) && memcmp(back, buf, len) == 0;
    free(back);
    return same;
}

/* ---- opening ---- */

#define LOCK_WAIT_MS 5000
#define LOCK_POLL_MS 20

bool fsck_lock(int fd, int how)
{
    for (int waited = 0;; waited += LOCK_POLL_MS) {
        if (flock(fd, how | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK || waited >= LOCK_WAIT_MS)
            return false;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_POLL_MS * 1000000l}, NULL);
    }
}

static enum dol_err open_drive(struct fsck *f, const char *path, struct fsck_drive *d)
{
    struct stat st;
    bool writes = f->options.mode == FSCK_REPAIR;
    snprintf(d->path, sizeof d->path, "%s", path);
    d->fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
    if (d->fd < 0 && errno == EINVAL)
        d->fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (d->fd < 0 || fstat(d->fd, &st) != 0) {
        fprintf(stderr, "dolmen-fsck: %s: %s\n", path, strerror(errno));
        return DOL_EIO;
    }
    if (!fsck_lock(d->fd, writes ? LOCK_EX : LOCK_SH)) {
        fprintf(stderr, "dolmen-fsck: %s is in use: stop the dolmend that serves it first\n", path);
        return DOL_EINUSE;
    }
    d->size_bytes = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode) && ioctl(d->fd, BLKGETSIZE64, &d->size_bytes) != 0) {
        fprintf(stderr, "dolmen-fsck: %s: %s\n", path, strerror(errno));
        return DOL_EIO;
    }
    return DOL_OK;
}

/* EFORMAT: a newer program wrote it. */
static enum dol_err read_superblock(struct fsck *f, struct fsck_drive *d, uint8_t *buf, struct superblock *sb)
{
    for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
        if (!fsck_drive_read(d, i * SUPERBLOCK_STRIDE_BYTES, buf, SUPERBLOCK_BYTES))
            continue;
        enum dol_err err = superblock_decode(buf, sb);
        if (err == DOL_EFORMAT) {
            fsck_say(f->report, FSCK_LOST, FSCK_SUPERBLOCK, "%s: copy %u was written by a newer program", d->path, i);
            return err;
        }
        if (err != DOL_OK)
            continue;
        d->copies_good++;
        if (!d->has_superblock || sb->sequence > d->sb.sequence)
            d->sb = *sb;
        d->has_superblock = true;
    }
    return DOL_OK;
}

static void choose_pool(struct fsck *f)
{
    const struct superblock *best = NULL;
    for (unsigned i = 0; i < f->drive_count; i++) {
        const struct superblock *sb = &f->drives[i].sb;
        if (f->drives[i].has_superblock &&
            (best == NULL || sb->epoch > best->epoch || (sb->epoch == best->epoch && sb->sequence > best->sequence)))
            best = sb;
    }
    if (best != NULL)
        f->sb = *best;
}

int fsck_drive_find(const struct fsck *f, struct uuid uuid)
{
    for (unsigned i = 0; i < f->drive_count; i++)
        if (f->drives[i].member && uuid_equal(f->drives[i].sb.drive, uuid))
            return (int)i;
    return -1;
}

static void judge_drive(struct fsck *f, struct fsck_drive *d)
{
    if (!d->has_superblock) {
        fsck_say(f->report, FSCK_LOST, FSCK_DRIVE, "%s has no superblock: not a drive of a pool, or overwritten",
                 d->path);
        return;
    }
    if (!uuid_equal(d->sb.pool, f->sb.pool)) {
        fsck_say(f->report, FSCK_NOTE, FSCK_DRIVE, "%s belongs to another pool and is left alone", d->path);
        return;
    }
    bool stale = false;
    for (unsigned i = 0; i < f->sb.drive_count; i++) {
        if (!uuid_equal(f->sb.drives[i].uuid, d->sb.drive))
            continue;
        d->extents = f->sb.drives[i].extents;
        stale = f->sb.drives[i].state == DRIVE_STATE_ABSENT;
    }
    d->member = d->extents > 0 && !stale;
    if (stale)
        fsck_say(f->report, FSCK_NOTE, FSCK_DRIVE,
                 "%s is stale and is left alone: it is of epoch %llu, and had left the pool by epoch %llu", d->path,
                 (unsigned long long)d->sb.epoch, (unsigned long long)f->sb.epoch);
    else if (!d->member)
        fsck_say(f->report, FSCK_NOTE, FSCK_DRIVE, "%s is not among the pool's drives any more and is left alone",
                 d->path);
    else if (d->copies_good < SUPERBLOCK_COPIES)
        fsck_say(f->report, FSCK_REPAIRABLE, FSCK_SUPERBLOCK, "%s: %u of %u copies are good", d->path, d->copies_good,
                 SUPERBLOCK_COPIES);
    if (d->member && d->sb.epoch < f->sb.epoch)
        fsck_say(f->report, FSCK_NOTE, FSCK_DRIVE, "%s is of epoch %llu, the pool of %llu: it was away", d->path,
                 (unsigned long long)d->sb.epoch, (unsigned long long)f->sb.epoch);
}

static void name_missing(struct fsck *f)
{
    char hex[33];
    for (unsigned i = 0; i < f->sb.drive_count; i++) {
        if (f->sb.drives[i].state == DRIVE_STATE_RETIRED || fsck_drive_find(f, f->sb.drives[i].uuid) >= 0)
            continue;
        hex_encode(f->sb.drives[i].uuid.b, sizeof f->sb.drives[i].uuid.b, hex);
        fsck_say(f->report, FSCK_LOST, FSCK_DRIVE, "drive %s is missing", hex);
    }
}

static enum dol_err open_keys(struct fsck *f)
{
    struct master_key master;
    if (!f->sb.encrypted) {
        f->can_open = true;
        return opener_new(NULL, &f->opener);
    }
    if (f->options.key_file == NULL) {
        fsck_say(
            f->report, FSCK_NOTE, FSCK_KEY,
            "no key: units, parity and structure are checked; what records hold, and which objects there are, is not");
        return DOL_OK;
    }
    enum dol_err err = keyfile_read(f->options.key_file, f->sb.pool, &master);
    if (err == DOL_OK)
        err = keyring_open(&master, &f->sb, &f->keys);
    secret_wipe(&master, sizeof master);
    if (err == DOL_OK)
        err = opener_new(f->keys, &f->opener);
    f->can_open = err == DOL_OK;
    if (err != DOL_OK)
        fprintf(stderr, "dolmen-fsck: key file %s: %s\n", f->options.key_file, dol_err_text(err));
    return err;
}

enum dol_err fsck_drives_open(struct fsck *f)
{
    uint8_t *buf = aligned_alloc(FORMAT_BLOCK_BYTES, SUPERBLOCK_BYTES);
    struct superblock *sb = malloc(sizeof *sb);
    enum dol_err err = buf && sb ? DOL_OK : DOL_ENOMEM;
    for (unsigned i = 0; i < f->options.drive_count && err == DOL_OK; i++) {
        struct fsck_drive *d = &f->drives[f->drive_count++];
        err = open_drive(f, f->options.drives[i], d);
        if (err == DOL_OK)
            err = read_superblock(f, d, buf, sb);
    }
    free(buf);
    free(sb);
    if (err != DOL_OK)
        return err;
    choose_pool(f);
    if (uuid_is_zero(f->sb.pool)) {
        fprintf(stderr, "dolmen-fsck: none of these is a drive of a pool\n");
        return DOL_ENOTPOOL;
    }
    for (unsigned i = 0; i < f->drive_count; i++)
        judge_drive(f, &f->drives[i]);
    name_missing(f);
    return open_keys(f);
}

void fsck_drives_close(struct fsck *f)
{
    for (unsigned i = 0; i < f->drive_count; i++)
        if (f->drives[i].fd >= 0)
            close(f->drives[i].fd);
    if (f->opener != NULL)
        opener_free(f->opener);
    if (f->keys != NULL)
        keyring_free(f->keys);
}

/* ---- repair ---- */

static bool rewrite_superblock(struct fsck_drive *d, uint8_t *buf, struct superblock *found)
{
    struct superblock *sb = &d->sb;
    for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
        uint64_t offset = i * SUPERBLOCK_STRIDE_BYTES;
        if (fsck_drive_read(d, offset, buf, SUPERBLOCK_BYTES) && superblock_decode(buf, found) == DOL_OK)
            continue;
        sb->sequence++; /* copies are told apart by it */
        superblock_encode(sb, buf);
        if (!fsck_drive_write(d, offset, buf, SUPERBLOCK_BYTES))
            return false;
    }
    return true;
}

void fsck_superblocks_repair(struct fsck *f)
{
    uint8_t *buf = aligned_alloc(FORMAT_BLOCK_BYTES, SUPERBLOCK_BYTES);
    struct superblock *sb = malloc(sizeof *sb);
    for (unsigned i = 0; i < f->drive_count && buf != NULL && sb != NULL; i++) {
        struct fsck_drive *d = &f->drives[i];
        if (!d->member || d->copies_good == SUPERBLOCK_COPIES || d->sb.masks.ro_meta != 0)
            continue;
        if (rewrite_superblock(d, buf, sb))
            fsck_say(f->report, FSCK_REPAIRED, FSCK_SUPERBLOCK, "%s: all copies are good now", d->path);
        else
            fsck_say(f->report, FSCK_LOST, FSCK_SUPERBLOCK, "%s: a copy can't be written", d->path);
    }
    free(buf);
    free(sb);
}
