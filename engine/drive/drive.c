/*
 * What all drives have in common: arguments are checked here once, counters and joins kept, and the waiting forms built
 * on the starting ones.
 *
 * An operation that is refused here (outside the medium, read-only) never reaches the drive; its join is not touched,
 * its op->err is set on return.
 */
#include "dol_assert.h"
#include "drive_impl.h"

#include <stdio.h>

void drive_init(struct drive *d, const struct drive_ops *ops, const char *name, uint64_t size_bytes, bool read_only)
{
    *d = (struct drive){.magic = DRIVE_MAGIC, .ops = ops, .size_bytes = size_bytes, .read_only = read_only};
    snprintf(d->name, sizeof d->name, "%s", name);
}

static void count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

void drive_op_finish(struct drive *d, struct drive_op *op, enum drive_dir dir, size_t len, enum dol_err err)
{
    struct drive_counters *c = &d->counters;
    bool reads = dir == DRIVE_DIR_READ;
    if (err != DOL_OK) {
        count(reads ? &c->read_errors : &c->write_errors, 1);
    } else {
        count(reads ? &c->reads : &c->writes, 1);
        count(reads ? &c->read_bytes : &c->write_bytes, len);
    }
    op->err = err;
    join_done(op->join); /* last: the op may be gone after it */
}

static bool is_aligned(uint64_t offset, const void *buf, uint64_t len)
{
    return (offset | (uint64_t)(uintptr_t)buf | len) % DRIVE_BLOCK_BYTES == 0;
}

static bool is_inside(const struct drive *d, uint64_t offset, uint64_t len)
{
    return offset <= d->size_bytes && len <= d->size_bytes - offset;
}

void drive_read_start(struct drive *d, struct drive_op *op, struct join *join, uint64_t offset, void *buf, size_t len)
{
    dol_assert_magic(d, DRIVE_MAGIC);
    dol_assert(is_aligned(offset, buf, len));
    op->join = join;
    op->err = is_inside(d, offset, len) ? DOL_OK : DOL_EINVAL;
    if (op->err != DOL_OK || len == 0)
        return;
    join_add(join);
    d->ops->read_start(d, op, offset, buf, len);
}

void drive_write_start(struct drive *d, struct drive_op *op, struct join *join, uint64_t offset, const void *buf,
                       size_t len)
{
    dol_assert_magic(d, DRIVE_MAGIC);
    dol_assert(is_aligned(offset, buf, len));
    op->join = join;
    op->err = d->read_only ? DOL_EREADONLY : is_inside(d, offset, len) ? DOL_OK : DOL_EINVAL;
    if (op->err != DOL_OK || len == 0)
        return;
    join_add(join);
    d->ops->write_start(d, op, offset, buf, len);
}

enum dol_err drive_read(struct drive *d, uint64_t offset, void *buf, size_t len)
{
    struct join join;
    struct drive_op op;
    join_init(&join);
    drive_read_start(d, &op, &join, offset, buf, len);
    join_wait(&join);
    return op.err;
}

enum dol_err drive_write(struct drive *d, uint64_t offset, const void *buf, size_t len)
{
    struct join join;
    struct drive_op op;
    join_init(&join);
    drive_write_start(d, &op, &join, offset, buf, len);
    join_wait(&join);
    return op.err;
}

enum dol_err drive_prepare(struct drive *d, uint64_t offset, uint64_t len, enum drive_preparation how)
{
    dol_assert_magic(d, DRIVE_MAGIC);
    dol_assert(is_aligned(offset, NULL, len));
    if (d->read_only)
        return DOL_EREADONLY;
    if (!is_inside(d, offset, len))
        return DOL_EINVAL;
    if (len == 0 || d->ops->prepare == NULL)
        return DOL_OK;
    return d->ops->prepare(d, offset, len, how);
}

void drive_count_prepared(struct drive *d, uint64_t bytes)
{
    count(&d->counters.prepared_bytes, bytes);
}

void drive_count_bad_unit(struct drive *d)
{
    dol_assert_magic(d, DRIVE_MAGIC);
    count(&d->counters.bad_units, 1);
}

void drive_close(struct drive *d)
{
    if (d == NULL)
        return;
    dol_assert_magic(d, DRIVE_MAGIC);
    d->magic = 0;
    d->ops->close(d);
}
