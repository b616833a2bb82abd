/*
 * What a drive carries before it becomes part of a pool, and making it blank. For whoever creates pools: a drive with a
 * pool, a file system, a volume or a partition table must not be formatted by mistake.
 */
#ifndef DOL_DRIVE_PROBE_H
#define DOL_DRIVE_PROBE_H

#include <dolmen/drive.h>

struct drive_content {
    char what[160]; /* "ext4 file system 'scans'", "gpt partition table", "Dolmen pool 'dolmen' 0123..."; empty: nothing
                       known */
};

/*
 * [await] Looks at the path as libblkid does, and for a Dolmen superblock, damaged ones included. Opens it without
 * claiming it; nothing is written. ENOTFOUND, EPERM, EIO, ENOMEM.
 */
DOL_MUST_CHECK enum dol_err drive_probe(const char *path, struct drive_content *out);

/*
 * [await] Of a drive opened read-write by path: discards the whole of a block device, as far as it can do that, and
 * zeroes the first and last MiB durably, so that nothing known is found on it any more. Errors as drive_write().
 */
DOL_MUST_CHECK enum dol_err drive_blank(struct drive *d);

#endif
