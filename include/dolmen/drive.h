/*
 * A drive: identity, a small superblock area, and extents on a fixed grid that are written in append order. Raw block
 * devices, preallocated files and the simulator's drives fit behind this contract.
 *
 * Nothing in an extent is overwritten in place but for the rewrite of a unit proven bad. A write that completes without
 * error is durable: no flush exists in this contract. Operations are started from a fiber and end through a join on its
 * loop; the struct drive_op and the buffer belong to the drive until then. Any loop may use a drive at any time.
 *
 * Buffers, lengths and offsets are multiples of 4096. Short completions, EINTR and EAGAIN are the drive's own affair;
 * it reports OK or an error for the whole.
 */
#ifndef DOLMEN_DRIVE_H
#define DOLMEN_DRIVE_H

#include <dolmen/err.h>
#include <dolmen/runtime.h>
#include <dolmen/types.h>

#define DRIVE_BLOCK_BYTES 4096u

struct drive;

/* One operation in flight; allocated by the caller, at least until its join is done. */
struct drive_op {
    enum dol_err err; /* result, valid once the join counted it */
    struct join *join;
    uint64_t private_space[16]; /* the implementation's */
};

struct drive_counters {
    uint64_t reads, read_bytes, read_errors;
    uint64_t writes, write_bytes, write_errors;
    uint64_t prepared_bytes; /* zeros written ahead */
    uint64_t bad_units;      /* read without an error, but not what was written there */
};

/* What a range is made ready for. */
enum drive_preparation {
    DRIVE_ALLOCATED, /* there is room; the first durable write to a block commits the file system's journal, too */
    DRIVE_WRITTEN    /* a durable write is a plain overwrite */
};

struct drive_ops {
    void (*read_start)(struct drive *d, struct drive_op *op, uint64_t offset, void *buf, size_t len);
    void (*write_start)(struct drive *d, struct drive_op *op, uint64_t offset, const void *buf, size_t len);
    /* NULL: nothing to prepare */
    enum dol_err (*prepare)(struct drive *d, uint64_t offset, uint64_t len, enum drive_preparation how);
    void (*close)(struct drive *d);
};

struct drive {
    unsigned magic;
    const struct drive_ops *ops;
    uint64_t size_bytes;            /* of the whole medium, superblock area included; a multiple of 4096 */
    char name[256];                 /* path, for people */
    bool read_only;                 /* opened so: writes are refused with EREADONLY, nothing is ever written */
    struct drive_counters counters; /* atomic, relaxed */
};

/* Starts a read or durable write of `len` bytes at the medium's absolute `offset`. Adds one to join. Errors: EIO,
 * EREADONLY, EFULL (no space under a sparse file), EINVAL (beyond the end), EPERM, ESTOPPED. One refused at once leaves
 * the join alone: op->err is set on return. */
void drive_read_start(struct drive *d, struct drive_op *op, struct join *join, uint64_t offset, void *buf, size_t len);
void drive_write_start(struct drive *d, struct drive_op *op, struct join *join, uint64_t offset, const void *buf,
                       size_t len);

/* [await] One operation, waited for. */
DOL_MUST_CHECK enum dol_err drive_read(struct drive *d, uint64_t offset, void *buf, size_t len);
DOL_MUST_CHECK enum dol_err drive_write(struct drive *d, uint64_t offset, const void *buf, size_t len);

/*
 * [await] Makes a range ready to be written (file: allocates it and, when asked, zero-fills it durably; device:
 * nothing). The range's content is lost. EFULL when the file system is full.
 */
DOL_MUST_CHECK enum dol_err drive_prepare(struct drive *d, uint64_t offset, uint64_t len, enum drive_preparation how);

/* Counts a unit that was read without an error and isn't what was written: its reader found out. Any thread. */
void drive_count_bad_unit(struct drive *d);

/* Closes and frees. No operation may be in flight. */
void drive_close(struct drive *d);

#endif
