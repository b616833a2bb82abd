/*
 * Simulated drives: operations that complete at seeded virtual times on a medium in memory.
 *
 * A write's bytes are captured when it starts, land when it completes, and must be the same in the caller's buffer
 * then: a caller that touched it earlier has a bug (H15), and the assertion says so. A read's buffer holds POISON until
 * it completes. So completions overtake each other as the seed has it, and nothing can depend on bytes before their
 * completion.
 *
 * Ownership: a medium owns its drives and the operations in flight on it, so that whatever a crashed engine left behind
 * is freed with the medium. The caller's struct drive_op is touched only when the completion fires.
 *
 * A crash raises the medium's `power`; drives and operations of an older power are dead: their completions still fire,
 * with ESTOPPED, and change nothing.
 */
#include "drive_impl.h"
#include "sim.h"
#include "sim_medium.h"

#include "dol_assert.h"

#include <stdio.h>
#include <stdlib.h>

#define READ_NS_MIN    UINT64_C(50000)
#define READ_NS_MAX    UINT64_C(500000)
#define WRITE_NS_MIN   UINT64_C(50000)
#define WRITE_NS_MAX   UINT64_C(2000000)
#define PREPARE_NS_MAX UINT64_C(5000000)
#define POISON         0xdb

struct drive_sim {
    struct drive drive;
    struct list_node node; /* in medium->drives */
    struct sim_medium *medium;
    struct runtime *rt;
    uint64_t power;
    unsigned in_flight;
};

enum sim_op_fault { SIM_OP_SOUND, SIM_OP_LOST, SIM_OP_FAILED };

struct sim_op {
    struct list_node node; /* in medium->operations */
    struct drive_sim *drive;
    struct drive_op *op;
    enum drive_dir dir;
    enum sim_op_fault fault;
    uint64_t offset; /* where it lands */
    size_t len;
    uint8_t *read_buf;      /* the caller's */
    const uint8_t *written; /* the caller's */
    uint8_t *captured;      /* of a write; NULL once a crash has decided its fate */
};

static bool is_dead(const struct drive_sim *d)
{
    return d->power != d->medium->power;
}

static uint64_t random_between(struct runtime *rt, uint64_t min, uint64_t max)
{
    return min + sim_random_below(rt, max - min + 1);
}

static bool one_in(struct runtime *rt, uint64_t n)
{
    return sim_random_below(rt, n) == 0;
}

static void op_free(struct sim_op *s)
{
    list_remove(&s->node);
    free(s->captured);
    free(s);
}

/* ---- completion ---- */

static enum dol_err land_write(struct sim_op *s)
{
    struct sim_medium *m = s->drive->medium;
    dol_assert(memcmp(s->captured, s->written, s->len) == 0); /* the buffer was the drive's until now */
    bool failed = s->fault == SIM_OP_FAILED || m->removed;
    if (s->fault != SIM_OP_LOST && (!failed || one_in(s->drive->rt, 2)))
        sim_medium_store(m, s->offset, s->captured, s->len);
    return failed ? DOL_EIO : DOL_OK;
}

static enum dol_err fetch_read(struct sim_op *s)
{
    const struct sim_medium *m = s->drive->medium;
    if (m->removed || !sim_medium_readable(m, s->offset, s->len))
        return DOL_EIO;
    sim_medium_peek(m, s->offset, s->read_buf, s->len);
    return DOL_OK;
}

static void complete(void *arg)
{
    struct sim_op *s = arg;
    struct drive_sim *d = s->drive;
    struct drive_op *op = s->op;
    enum drive_dir dir = s->dir;
    size_t len = s->len;
    enum dol_err err;
    if (is_dead(d))
        err = DOL_ESTOPPED;
    else
        err = dir == DRIVE_DIR_READ ? fetch_read(s) : land_write(s);
    op_free(s);
    d->in_flight--;
    drive_op_finish(&d->drive, op, dir, len, err);
}

/* ---- start ---- */

static struct sim_op *op_start(struct drive *d, struct drive_op *op, enum drive_dir dir, uint64_t offset, size_t len)
{
    struct drive_sim *sim = container_of(d, struct drive_sim, drive);
    struct sim_op *s = calloc(1, sizeof *s);
    dol_assert(s != NULL);
    s->drive = sim;
    s->op = op;
    s->dir = dir;
    s->offset = offset;
    s->len = len;
    sim->in_flight++;
    list_push_back(&sim->medium->operations, &s->node);
    uint64_t min = dir == DRIVE_DIR_READ ? READ_NS_MIN : WRITE_NS_MIN;
    uint64_t max = dir == DRIVE_DIR_READ ? READ_NS_MAX : WRITE_NS_MAX;
    sim_schedule(sim->rt, random_between(sim->rt, min, max), complete, s);
    return s;
}

static void sim_read_start(struct drive *d, struct drive_op *op, uint64_t offset, void *buf, size_t len)
{
    struct sim_op *s = op_start(d, op, DRIVE_DIR_READ, offset, len);
    s->read_buf = buf;
    memset(buf, POISON, len);
}

/* The one-shot faults that tests have asked for. */
static void take_write_faults(struct sim_medium *m, struct sim_op *s)
{
    if (m->lose_next)
        s->fault = SIM_OP_LOST;
    else if (m->fail_next)
        s->fault = SIM_OP_FAILED;
    if (m->misdirect_next) {
        dol_assert(m->misdirect_offset <= m->size_bytes && s->len <= m->size_bytes - m->misdirect_offset);
        s->offset = m->misdirect_offset;
    }
    m->lose_next = m->fail_next = m->misdirect_next = false;
}

static void sim_write_start(struct drive *d, struct drive_op *op, uint64_t offset, const void *buf, size_t len)
{
    struct drive_sim *sim = container_of(d, struct drive_sim, drive);
    struct sim_medium *m = sim->medium;
    if (!is_dead(sim)) {
        m->writes++;
        if (m->on_write != NULL)
            m->on_write(m->on_write_arg, m);
    }
    struct sim_op *s = op_start(d, op, DRIVE_DIR_WRITE, offset, len);
    if (is_dead(sim)) /* perhaps by the hook: the write never reached the medium */
        return;
    s->written = buf;
    s->captured = malloc(len);
    dol_assert(s->captured != NULL);
    memcpy(s->captured, buf, len);
    take_write_faults(m, s);
}

/* A part is zeroed before and a part after the wait: a crash finds it half done. */
static enum dol_err sim_prepare(struct drive *d, uint64_t offset, uint64_t len, enum drive_preparation how)
{
    struct drive_sim *sim = container_of(d, struct drive_sim, drive);
    struct sim_medium *m = sim->medium;
    uint64_t first = sim_random_below(sim->rt, len / SIM_PAGE_BYTES + 1) * SIM_PAGE_BYTES;
    sim->in_flight++;
    if (!is_dead(sim) && !m->removed)
        sim_medium_zero(m, offset, first);
    fiber_sleep(random_between(sim->rt, WRITE_NS_MIN, PREPARE_NS_MAX));
    sim->in_flight--;
    if (is_dead(sim))
        return DOL_ESTOPPED;
    if (m->removed)
        return DOL_EIO;
    sim_medium_zero(m, offset + first, len - first);
    if (how == DRIVE_WRITTEN)
        drive_count_prepared(d, len);
    return DOL_OK;
}

/* ---- open and close ---- */

static void drive_free(struct drive_sim *d)
{
    list_remove(&d->node);
    free(d);
}

static void sim_close(struct drive *d)
{
    struct drive_sim *sim = container_of(d, struct drive_sim, drive);
    dol_assert(sim->in_flight == 0);
    if (sim->medium->opened == sim)
        sim->medium->opened = NULL;
    drive_free(sim);
}

static const struct drive_ops sim_drive_ops = {
    .read_start = sim_read_start,
    .write_start = sim_write_start,
    .prepare = sim_prepare,
    .close = sim_close,
};

enum dol_err drive_sim_open(struct sim_medium *m, struct drive **out)
{
    dol_assert_magic(m, SIM_MEDIUM_MAGIC);
    *out = NULL;
    if (m->crashed)
        return DOL_ESTOPPED;
    if (m->removed)
        return DOL_EIO;
    if (m->opened != NULL)
        return DOL_EINUSE;
    struct drive_sim *d = calloc(1, sizeof *d);
    if (d == NULL)
        return DOL_ENOMEM;
    drive_init(&d->drive, &sim_drive_ops, m->name, m->size_bytes, false);
    d->medium = m;
    d->rt = runtime_self();
    d->power = m->power;
    dol_assert(d->rt != NULL);
    list_push_back(&m->drives, &d->node);
    m->opened = d;
    *out = &d->drive;
    return DOL_OK;
}

void sim_medium_free(struct sim_medium *m)
{
    if (m == NULL)
        return;
    dol_assert_magic(m, SIM_MEDIUM_MAGIC);
    while (!list_is_empty(&m->operations))
        op_free(container_of(m->operations.next, struct sim_op, node));
    while (!list_is_empty(&m->drives))
        drive_free(container_of(m->drives.next, struct drive_sim, node));
    sim_medium_free_content(m);
    m->magic = 0;
    free(m);
}

/* ---- crash ---- */

/* Every sector lands or not, by itself. */
static void tear(struct sim_medium *m, const struct sim_op *s, size_t sector_bytes, struct runtime *rt)
{
    for (size_t at = 0; at < s->len; at += sector_bytes)
        if (one_in(rt, 2))
            sim_medium_store(m, s->offset + at, s->captured + at, sector_bytes);
}

static void decide(struct sim_medium *m, struct sim_op *s, struct runtime *rt)
{
    if (s->captured == NULL || s->fault == SIM_OP_LOST)
        return;
    switch (sim_random_below(rt, 4)) {
    case 0:
        break;
    case 1:
        sim_medium_store(m, s->offset, s->captured, s->len);
        break;
    case 2:
        tear(m, s, SIM_SECTOR_BYTES, rt);
        break;
    default:
        tear(m, s, SIM_PAGE_BYTES, rt);
        break;
    }
}

static void crash_one(struct sim_medium *m, struct runtime *rt)
{
    dol_assert_magic(m, SIM_MEDIUM_MAGIC);
    list_for_each(pos, &m->operations)
    {
        struct sim_op *s = container_of(pos, struct sim_op, node);
        decide(m, s, rt);
        free(s->captured);
        s->captured = NULL;
    }
    m->power++;
    m->crashed = true;
    m->opened = NULL;
    m->lose_next = m->fail_next = m->misdirect_next = false;
}

void sim_media_crash(struct sim_medium **media, unsigned count, struct runtime *rt)
{
    for (unsigned i = 0; i < count; i++)
        crash_one(media[i], rt);
}

void sim_medium_power_on(struct sim_medium *m)
{
    dol_assert_magic(m, SIM_MEDIUM_MAGIC);
    m->crashed = false;
    m->lose_next = m->fail_next = m->misdirect_next = false; /* of writes that never came */
}
