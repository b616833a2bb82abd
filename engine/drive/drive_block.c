/*
 * Drives that are block devices: their size and their block size.
 *
 * They have no prepare(): every write to a device is an overwrite that no file system's journal stands behind, and what
 * an extent held before can't be taken for ours, for units are checksummed with the random life of their slab. Zeroing
 * extents ahead (BLKZEROOUT) would only wear the medium; a device is discarded as a whole when its pool is made
 * (drive_probe.c).
 */
#include "drive_fd.h"

#include "log.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

enum dol_err drive_block_size(int fd, const char *path, uint64_t *size_bytes)
{
    int logical_bytes = 0;
    uint64_t bytes = 0;
    if (ioctl(fd, BLKSSZGET, &logical_bytes) != 0 || ioctl(fd, BLKGETSIZE64, &bytes) != 0)
        return DOL_EIO;
    if (logical_bytes <= 0 || DRIVE_BLOCK_BYTES % (unsigned)logical_bytes != 0) {
        log_error("drive", "logical blocks of %d bytes are not supported, format the device to 4096 or 512 path=%s",
                  logical_bytes, path);
        return DOL_EUNSUPPORTED;
    }
    *size_bytes = bytes / DRIVE_BLOCK_BYTES * DRIVE_BLOCK_BYTES;
    return DOL_OK;
}
