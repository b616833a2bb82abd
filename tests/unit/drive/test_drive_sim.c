/*
 * Simulated drives: exact bytes, every fault, and crashes. What a crash does to writes in flight is chance, so these
 * tests run many seeds, look at each outcome, and want every kind of outcome to have occurred; the seeds are fixed, so
 * the results are too.
 */
#include "drive_sim.h"
#include "sim.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK      ((size_t)4096)
#define SIZE_BYTES ((uint64_t)16 << 20)

/* A simulated runtime, one medium, and an open drive. */
struct world {
    struct runtime *rt;
    struct sim_medium *medium;
    struct drive *drive;
    void *arg;
    uint64_t trace;
};

typedef void world_fn(struct world *w);

static world_fn *story;

static void run_story(void *arg)
{
    struct world *w = arg;
    assert_int_equal(drive_sim_open(w->medium, &w->drive), DOL_OK);
    story(w);
    if (w->drive != NULL)
        drive_close(w->drive);
    runtime_stop(w->rt);
}

/* Runs fn on a fiber of a fresh runtime on the given medium; returns the trace of what happened. */
static uint64_t world_run(uint64_t seed, struct sim_medium *m, world_fn *fn, void *arg)
{
    struct world w = {.medium = m, .arg = arg};
    assert_int_equal(runtime_new_sim(&(struct sim_config){.seed = seed}, &w.rt), DOL_OK);
    story = fn;
    assert_int_equal(runtime_spawn(w.rt, 0, run_story, &w, "story"), DOL_OK);
    runtime_run(w.rt);
    assert_int_equal(sim_stuck_fibers(w.rt), 0);
    uint64_t trace = sim_trace_hash(w.rt);
    runtime_free(w.rt);
    return trace;
}

/* As world_run() on a new medium. */
static uint64_t story_run(uint64_t seed, world_fn *fn, void *arg)
{
    struct sim_medium *m = sim_medium_new(SIZE_BYTES, "sim0");
    uint64_t trace = world_run(seed, m, fn, arg);
    sim_medium_free(m);
    return trace;
}

/* Aligned memory filled with a byte. */
static uint8_t *pages(size_t len, int value)
{
    void *p = aligned_alloc(BLOCK, len);
    assert_non_null(p);
    memset(p, value, len);
    return p;
}

static void assert_filled(const uint8_t *data, size_t len, int value)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], value);
}

/* ---- plain operations ---- */

static void tell_round_trip(struct world *w)
{
    static const struct {
        uint64_t offset;
        size_t len;
    } cases[] = {
        {0, BLOCK},
        {BLOCK, 2 * BLOCK},
        {((uint64_t)2 << 20) - BLOCK, 3 * BLOCK},
        {(uint64_t)4 << 20, 1 << 20},
        {SIZE_BYTES - BLOCK, BLOCK},
    };
    uint64_t bytes = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = cases[i].len;
        uint8_t *in = pages(len, 0);
        uint8_t *out = pages(len, 0xff);
        for (size_t j = 0; j < len; j++)
            in[j] = (uint8_t)(j * 31 + i);
        uint64_t before = clock_monotonic_ns();
        assert_int_equal(drive_write(w->drive, cases[i].offset, in, len), DOL_OK);
        assert_true(clock_monotonic_ns() - before >= 50000);
        assert_int_equal(drive_read(w->drive, cases[i].offset, out, len), DOL_OK);
        assert_memory_equal(in, out, len);
        sim_medium_peek(w->medium, cases[i].offset, out, len);
        assert_memory_equal(in, out, len);
        free(in);
        free(out);
        bytes += len;
    }
    assert_int_equal(w->drive->counters.writes, 5);
    assert_int_equal(w->drive->counters.write_bytes, bytes);
    assert_int_equal(w->drive->counters.reads, 5);
    assert_int_equal(w->drive->counters.read_bytes, bytes);
    assert_int_equal(w->drive->counters.write_errors + w->drive->counters.read_errors, 0);
    assert_int_equal(sim_medium_writes(w->medium), 5);
}

static void test_round_trip(void **state)
{
    (void)state;
    story_run(1, tell_round_trip, NULL);
}

static void tell_limits(struct world *w)
{
    uint8_t *buf = pages(2 * BLOCK, 3);
    struct join join;
    struct drive_op op;
    join_init(&join);
    assert_int_equal(drive_write(w->drive, 0, buf, 0), DOL_OK);
    assert_int_equal(drive_read(w->drive, SIZE_BYTES, buf, 0), DOL_OK);
    assert_int_equal(drive_write(w->drive, SIZE_BYTES, buf, BLOCK), DOL_EINVAL);
    assert_int_equal(drive_read(w->drive, SIZE_BYTES - BLOCK, buf, 2 * BLOCK), DOL_EINVAL);
    assert_int_equal(drive_read(w->drive, UINT64_MAX - BLOCK + 1, buf, BLOCK), DOL_EINVAL);
    assert_int_equal(drive_prepare(w->drive, SIZE_BYTES, BLOCK, DRIVE_WRITTEN), DOL_EINVAL);
    assert_int_equal(drive_prepare(w->drive, SIZE_BYTES, 0, DRIVE_WRITTEN), DOL_OK);
    drive_write_start(w->drive, &op, &join, SIZE_BYTES, buf, BLOCK);
    assert_int_equal(join.pending, 0);
    assert_int_equal(op.err, DOL_EINVAL);
    assert_int_equal(sim_medium_writes(w->medium), 0);
    free(buf);
}

static void test_limits(void **state)
{
    (void)state;
    story_run(1, tell_limits, NULL);
}

static void tell_opening(struct world *w)
{
    struct drive *other;
    assert_int_equal(drive_sim_open(w->medium, &other), DOL_EINUSE);
    assert_null(other);
    drive_close(w->drive);
    assert_int_equal(drive_sim_open(w->medium, &w->drive), DOL_OK);
    assert_string_equal(w->drive->name, "sim0");
    assert_int_equal(w->drive->size_bytes, SIZE_BYTES);
    drive_close(w->drive);
    w->drive = NULL;
    sim_medium_remove(w->medium);
    assert_int_equal(drive_sim_open(w->medium, &other), DOL_EIO);
    sim_medium_restore(w->medium);
    assert_int_equal(drive_sim_open(w->medium, &w->drive), DOL_OK);
}

static void test_opening(void **state)
{
    (void)state;
    story_run(1, tell_opening, NULL);
}

/* ---- order and determinism ---- */

#define WRITES 8

struct order {
    unsigned count;
    unsigned finished[WRITES];
};

struct one_write {
    struct world *w;
    struct order *order;
    unsigned index;
    struct join *join;
};

static void write_one(void *arg)
{
    struct one_write *one = arg;
    uint8_t *buf = pages(BLOCK, (int)one->index);
    assert_int_equal(drive_write(one->w->drive, one->index * BLOCK, buf, BLOCK), DOL_OK);
    one->order->finished[one->order->count++] = one->index;
    free(buf);
    join_done(one->join);
}

static void tell_order(struct world *w)
{
    struct join join;
    struct one_write ones[WRITES];
    join_init(&join);
    for (unsigned i = 0; i < WRITES; i++) {
        ones[i] = (struct one_write){w, w->arg, i, &join};
        join_add(&join);
        assert_int_equal(fiber_spawn(write_one, &ones[i], "write"), DOL_OK);
    }
    join_wait(&join);
}

static void test_completions_are_reordered_by_the_seed(void **state)
{
    (void)state;
    unsigned sorted = 0;
    unsigned alike = 0;
    struct order first = {0};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct order order = {0};
        struct order again = {0};
        uint64_t trace = story_run(seed, tell_order, &order);
        assert_int_equal(story_run(seed, tell_order, &again), trace);
        assert_memory_equal(&order, &again, sizeof order);
        bool in_order = true;
        for (unsigned i = 1; i < WRITES; i++)
            in_order = in_order && order.finished[i] > order.finished[i - 1];
        sorted += in_order;
        if (seed == 1)
            first = order;
        alike += memcmp(&first, &order, sizeof order) == 0;
    }
    assert_int_equal(sorted, 0);
    assert_int_equal(alike, 1);
}

static void tell_poison(struct world *w)
{
    uint8_t *buf = pages(BLOCK, 0);
    struct join join;
    struct drive_op op;
    join_init(&join);
    drive_read_start(w->drive, &op, &join, 0, buf, BLOCK);
    assert_filled(buf, BLOCK, 0xdb);
    assert_int_equal(join.pending, 1);
    join_wait(&join);
    assert_int_equal(op.err, DOL_OK);
    assert_filled(buf, BLOCK, 0);
    free(buf);
}

static void test_read_buffers_are_poisoned_until_completion(void **state)
{
    (void)state;
    story_run(1, tell_poison, NULL);
}

static void tell_buffer_reuse(struct world *w)
{
    uint8_t *buf = pages(BLOCK, 1);
    struct join join;
    struct drive_op op;
    join_init(&join);
    drive_write_start(w->drive, &op, &join, 0, buf, BLOCK);
    buf[17] = 2;
    join_wait(&join);
    free(buf);
}

/* H15: a buffer that changes before its write has completed ends the process, in a child of its own. */
static void test_buffer_reuse_is_caught(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(STDERR_FILENO);
        story_run(1, tell_buffer_reuse, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- faults ---- */

static void tell_resting_faults(struct world *w)
{
    uint8_t *ones = pages(4 * BLOCK, 1);
    uint8_t *buf = pages(4 * BLOCK, 0);
    assert_int_equal(drive_write(w->drive, 0, ones, 4 * BLOCK), DOL_OK);

    /* one bad sector: its range fails until the sector is overwritten, others don't */
    sim_medium_fail_range(w->medium, BLOCK + 512, 1);
    assert_int_equal(drive_read(w->drive, 0, buf, 4 * BLOCK), DOL_EIO);
    assert_int_equal(drive_read(w->drive, BLOCK, buf, BLOCK), DOL_EIO);
    assert_int_equal(drive_read(w->drive, 0, buf, BLOCK), DOL_OK);
    assert_int_equal(drive_read(w->drive, 2 * BLOCK, buf, 2 * BLOCK), DOL_OK);
    assert_int_equal(w->drive->counters.read_errors, 2);
    assert_int_equal(drive_write(w->drive, BLOCK, ones, BLOCK), DOL_OK);
    assert_int_equal(drive_read(w->drive, 0, buf, 4 * BLOCK), DOL_OK);
    assert_filled(buf, 4 * BLOCK, 1);

    sim_medium_flip(w->medium, 3 * BLOCK + 5, 0x10);
    assert_int_equal(drive_read(w->drive, 0, buf, 4 * BLOCK), DOL_OK);
    assert_int_equal(buf[3 * BLOCK + 5], 0x11);

    sim_medium_remove(w->medium);
    assert_int_equal(drive_read(w->drive, 0, buf, BLOCK), DOL_EIO);
    assert_int_equal(drive_prepare(w->drive, 0, BLOCK, DRIVE_WRITTEN), DOL_EIO);
    sim_medium_restore(w->medium);
    assert_int_equal(drive_read(w->drive, 0, buf, BLOCK), DOL_OK);
    assert_filled(buf, BLOCK, 1);
    free(ones);
    free(buf);
}

static void test_resting_faults(void **state)
{
    (void)state;
    story_run(1, tell_resting_faults, NULL);
}

static void tell_lying_writes(struct world *w)
{
    uint8_t *ones = pages(BLOCK, 1);
    uint8_t *twos = pages(BLOCK, 2);
    uint8_t *buf = pages(BLOCK, 0);
    assert_int_equal(drive_write(w->drive, 0, ones, BLOCK), DOL_OK);

    sim_medium_lose_next_write(w->medium);
    assert_int_equal(drive_write(w->drive, 0, twos, BLOCK), DOL_OK);
    sim_medium_peek(w->medium, 0, buf, BLOCK);
    assert_filled(buf, BLOCK, 1);
    /* once only */
    assert_int_equal(drive_write(w->drive, 0, twos, BLOCK), DOL_OK);
    sim_medium_peek(w->medium, 0, buf, BLOCK);
    assert_filled(buf, BLOCK, 2);

    sim_medium_misdirect_next_write(w->medium, 10 * BLOCK);
    assert_int_equal(drive_write(w->drive, 0, ones, BLOCK), DOL_OK);
    sim_medium_peek(w->medium, 0, buf, BLOCK);
    assert_filled(buf, BLOCK, 2);
    sim_medium_peek(w->medium, 10 * BLOCK, buf, BLOCK);
    assert_filled(buf, BLOCK, 1);

    sim_medium_fail_next_write(w->medium);
    assert_int_equal(drive_write(w->drive, 0, ones, BLOCK), DOL_EIO);
    sim_medium_peek(w->medium, 0, buf, BLOCK);
    assert_true(buf[0] == 1 || buf[0] == 2);
    assert_filled(buf, BLOCK, buf[0]);
    unsigned *landed = w->arg;
    *landed += buf[0] == 1;
    assert_int_equal(w->drive->counters.write_errors, 1);
    assert_int_equal(drive_write(w->drive, 0, twos, BLOCK), DOL_OK);
    free(ones);
    free(twos);
    free(buf);
}

static void test_lying_writes(void **state)
{
    (void)state;
    unsigned landed = 0;
    for (uint64_t seed = 1; seed <= 20; seed++)
        story_run(seed, tell_lying_writes, &landed);
    assert_in_range(landed, 1, 19);
}

static void tell_prepare(struct world *w)
{
    uint8_t *ones = pages(8 * BLOCK, 1);
    assert_int_equal(drive_write(w->drive, 0, ones, 8 * BLOCK), DOL_OK);
    sim_medium_fail_range(w->medium, BLOCK, BLOCK);
    assert_int_equal(drive_prepare(w->drive, BLOCK, 4 * BLOCK, DRIVE_WRITTEN), DOL_OK);
    assert_int_equal(w->drive->counters.prepared_bytes, 4 * BLOCK);
    assert_int_equal(drive_prepare(w->drive, BLOCK, 4 * BLOCK, DRIVE_ALLOCATED), DOL_OK);
    assert_int_equal(w->drive->counters.prepared_bytes, 4 * BLOCK);
    assert_int_equal(drive_read(w->drive, 0, ones, 8 * BLOCK), DOL_OK);
    assert_filled(ones, BLOCK, 1);
    assert_filled(ones + BLOCK, 4 * BLOCK, 0);
    assert_filled(ones + 5 * BLOCK, 3 * BLOCK, 1);
    free(ones);
}

static void test_prepare(void **state)
{
    (void)state;
    story_run(1, tell_prepare, NULL);
}

/* ---- crashes ---- */

#define UNIT_BYTES (8 * BLOCK)

/* What became of the writes in flight, over all seeds. */
struct fates {
    unsigned kept;
    unsigned dropped;
    unsigned torn_4096; /* blocks whole, but not all of one kind */
    unsigned torn_512;  /* a block that is part old, part new */
    unsigned acknowledged;
};

static void classify(const uint8_t *data, struct fates *fates)
{
    unsigned new_sectors = 0;
    bool mixed_block = false;
    for (size_t at = 0; at < UNIT_BYTES; at += 512) {
        assert_true(data[at] == 1 || data[at] == 2);
        assert_filled(data + at, 512, data[at]);
        new_sectors += data[at] == 2;
        mixed_block = mixed_block || data[at] != data[at / BLOCK * BLOCK];
    }
    if (mixed_block)
        fates->torn_512++;
    else if (new_sectors == 0)
        fates->dropped++;
    else if (new_sectors == UNIT_BYTES / 512)
        fates->kept++;
    else
        fates->torn_4096++;
}

struct crash {
    struct sim_medium *medium;
    struct runtime *rt;
};

static void crash_now(void *arg)
{
    struct crash *c = arg;
    sim_media_crash(&c->medium, 1, c->rt);
}

static void tell_crash(struct world *w)
{
    struct fates *fates = w->arg;
    uint8_t *old = pages(WRITES * UNIT_BYTES, 1);
    uint8_t *new = pages(WRITES * UNIT_BYTES, 2);
    struct drive_op ops[WRITES];
    struct drive_op read_op;
    struct join join;
    struct crash crash = {w->medium, w->rt};
    assert_int_equal(drive_write(w->drive, 0, old, WRITES * UNIT_BYTES), DOL_OK);

    join_init(&join);
    for (unsigned i = 0; i < WRITES; i++)
        drive_write_start(w->drive, &ops[i], &join, i * UNIT_BYTES, new + i *UNIT_BYTES, UNIT_BYTES);
    sim_schedule(w->rt, 500000, crash_now, &crash);
    join_wait(&join);

    /* the drive is dead: nothing works, nothing changes */
    struct sim_medium *after = sim_medium_clone(w->medium);
    struct drive *other;
    join_init(&join);
    drive_read_start(w->drive, &read_op, &join, 0, old, BLOCK);
    join_wait(&join);
    assert_int_equal(read_op.err, DOL_ESTOPPED);
    assert_int_equal(drive_write(w->drive, 0, new, BLOCK), DOL_ESTOPPED);
    assert_int_equal(drive_prepare(w->drive, 0, BLOCK, DRIVE_WRITTEN), DOL_ESTOPPED);
    assert_int_equal(drive_sim_open(w->medium, &other), DOL_ESTOPPED);
    sim_medium_power_on(w->medium);
    assert_int_equal(drive_sim_open(w->medium, &other), DOL_OK);
    assert_int_equal(drive_write(w->drive, 0, new, BLOCK), DOL_ESTOPPED);
    assert_true(sim_medium_equal(after, w->medium));

    for (unsigned i = 0; i < WRITES; i++) {
        assert_int_equal(drive_read(other, i * UNIT_BYTES, old, UNIT_BYTES), DOL_OK);
        if (ops[i].err == DOL_OK) {
            assert_filled(old, UNIT_BYTES, 2);
            fates->acknowledged++;
        } else {
            assert_int_equal(ops[i].err, DOL_ESTOPPED);
            classify(old, fates);
        }
    }
    drive_close(other);
    sim_medium_free(after);
    free(old);
    free(new);
}

static void test_crash_keeps_drops_and_tears(void **state)
{
    (void)state;
    struct fates all = {0};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct fates fates = {0};
        struct fates again = {0};
        story_run(seed, tell_crash, &fates);
        story_run(seed, tell_crash, &again);
        assert_memory_equal(&fates, &again, sizeof fates);
        all.kept += fates.kept;
        all.dropped += fates.dropped;
        all.torn_4096 += fates.torn_4096;
        all.torn_512 += fates.torn_512;
        all.acknowledged += fates.acknowledged;
    }
    assert_int_equal(all.kept + all.dropped + all.torn_4096 + all.torn_512 + all.acknowledged, 60 * WRITES);
    assert_true(all.kept >= 30 && all.dropped >= 30 && all.torn_4096 >= 30 && all.torn_512 >= 30);
    assert_true(all.acknowledged >= 30);
}

struct nth_write {
    struct crash crash;
    unsigned left;
};

static void crash_at_nth(void *arg, struct sim_medium *m)
{
    struct nth_write *n = arg;
    assert_ptr_equal(m, n->crash.medium);
    if (--n->left == 0)
        crash_now(&n->crash);
}

static void tell_crash_before_the_third(struct world *w)
{
    struct nth_write nth = {{w->medium, w->rt}, 3};
    uint8_t *ones = pages(BLOCK, 1);
    uint8_t *buf = pages(4 * BLOCK, 9);
    sim_medium_on_write(w->medium, crash_at_nth, &nth);
    assert_int_equal(drive_write(w->drive, 0, ones, BLOCK), DOL_OK);
    assert_int_equal(drive_write(w->drive, BLOCK, ones, BLOCK), DOL_OK);
    assert_int_equal(drive_write(w->drive, 2 * BLOCK, ones, BLOCK), DOL_ESTOPPED);
    assert_int_equal(drive_write(w->drive, 3 * BLOCK, ones, BLOCK), DOL_ESTOPPED);
    assert_int_equal(sim_medium_writes(w->medium), 3);
    sim_medium_peek(w->medium, 0, buf, 4 * BLOCK);
    assert_filled(buf, 2 * BLOCK, 1);
    assert_filled(buf + 2 * BLOCK, 2 * BLOCK, 0);
    free(ones);
    free(buf);
}

static void test_crash_from_the_write_hook(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        story_run(seed, tell_crash_before_the_third, NULL);
}

/* A lost write stays lost when it was in flight at the crash. */
static void tell_crash_of_a_lost_write(struct world *w)
{
    struct crash crash = {w->medium, w->rt};
    uint8_t *ones = pages(BLOCK, 1);
    uint8_t *buf = pages(BLOCK, 9);
    sim_medium_lose_next_write(w->medium);
    sim_schedule(w->rt, 10000, crash_now, &crash);
    assert_int_equal(drive_write(w->drive, 0, ones, BLOCK), DOL_ESTOPPED);
    sim_medium_peek(w->medium, 0, buf, BLOCK);
    assert_filled(buf, BLOCK, 0);
    free(ones);
    free(buf);
}

static void test_crash_of_a_lost_write(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        story_run(seed, tell_crash_of_a_lost_write, NULL);
}

static void tell_crash_in_prepare(struct world *w)
{
    struct crash crash = {w->medium, w->rt};
    uint8_t *ones = pages(16 * BLOCK, 1);
    unsigned *halves = w->arg;
    assert_int_equal(drive_write(w->drive, 0, ones, 16 * BLOCK), DOL_OK);
    sim_schedule(w->rt, 10000, crash_now, &crash);
    assert_int_equal(drive_prepare(w->drive, 0, 16 * BLOCK, DRIVE_WRITTEN), DOL_ESTOPPED);
    sim_medium_peek(w->medium, 0, ones, 16 * BLOCK);
    *halves += ones[0] == 0 && ones[15 * BLOCK] == 1;
    free(ones);
}

static void test_crash_in_prepare(void **state)
{
    (void)state;
    unsigned halves = 0;
    for (uint64_t seed = 1; seed <= 10; seed++)
        story_run(seed, tell_crash_in_prepare, &halves);
    assert_in_range(halves, 5, 10);
}

static void tell_first_life(struct world *w)
{
    uint8_t *ones = pages(BLOCK, 1);
    assert_int_equal(drive_write(w->drive, 0, ones, BLOCK), DOL_OK);
    free(ones);
}

static void tell_second_life(struct world *w)
{
    uint8_t *buf = pages(BLOCK, 0);
    assert_int_equal(drive_read(w->drive, 0, buf, BLOCK), DOL_OK);
    assert_filled(buf, BLOCK, 1);
    free(buf);
}

static void test_media_outlive_runtimes(void **state)
{
    (void)state;
    struct sim_medium *m = sim_medium_new(SIZE_BYTES, "sim0");
    world_run(1, m, tell_first_life, NULL);
    world_run(2, m, tell_second_life, NULL);
    sim_medium_free(m);
}

static void abandon(void *arg)
{
    struct world *w = arg;
    uint8_t *ones = pages(BLOCK, 1);
    w->arg = ones;
    assert_int_equal(drive_sim_open(w->medium, &w->drive), DOL_OK);
    static struct drive_op op;
    static struct join join;
    join_init(&join);
    drive_write_start(w->drive, &op, &join, 0, ones, BLOCK);
    crash_now(&(struct crash){w->medium, w->rt});
    runtime_stop(w->rt);
}

/* An engine that is simply gone, its operations in flight and its drive open, leaves the medium usable and nothing
 * leaked. */
static void test_abandoned_operations(void **state)
{
    (void)state;
    struct world w = {.medium = sim_medium_new(SIZE_BYTES, "sim0")};
    assert_int_equal(runtime_new_sim(&(struct sim_config){.seed = 1}, &w.rt), DOL_OK);
    assert_int_equal(runtime_spawn(w.rt, 0, abandon, &w, "abandon"), DOL_OK);
    runtime_run(w.rt);
    runtime_free(w.rt);
    free(w.arg);
    sim_medium_power_on(w.medium);
    world_run(2, w.medium, tell_first_life, NULL);
    world_run(3, w.medium, tell_second_life, NULL);
    sim_medium_free(w.medium);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_opening),
        cmocka_unit_test(test_completions_are_reordered_by_the_seed),
        cmocka_unit_test(test_read_buffers_are_poisoned_until_completion),
        cmocka_unit_test(test_buffer_reuse_is_caught),
        cmocka_unit_test(test_resting_faults),
        cmocka_unit_test(test_lying_writes),
        cmocka_unit_test(test_prepare),
        cmocka_unit_test(test_crash_keeps_drops_and_tears),
        cmocka_unit_test(test_crash_from_the_write_hook),
        cmocka_unit_test(test_crash_of_a_lost_write),
        cmocka_unit_test(test_crash_in_prepare),
        cmocka_unit_test(test_media_outlive_runtimes),
        cmocka_unit_test(test_abandoned_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
