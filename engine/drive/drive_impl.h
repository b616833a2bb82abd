/* Between drive.c and the kinds of drives: what each fills in, and how each ends an operation. */
#ifndef DOL_DRIVE_IMPL_H
#define DOL_DRIVE_IMPL_H

#include <dolmen/drive.h>

#define DRIVE_MAGIC 0x64726976u

/* Smaller media have no room for superblocks and an extent. */
#define DRIVE_BYTES_MIN (UINT64_C(1) << 20)

enum drive_dir { DRIVE_DIR_READ, DRIVE_DIR_WRITE };

void drive_init(struct drive *d, const struct drive_ops *ops, const char *name, uint64_t size_bytes, bool read_only);

/* Ends an operation that read_start or write_start took on: result, counters, join. On the loop that started it. */
void drive_op_finish(struct drive *d, struct drive_op *op, enum drive_dir dir, size_t len, enum dol_err err);

void drive_count_prepared(struct drive *d, uint64_t bytes);

#endif
