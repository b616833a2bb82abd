/*
 * Descriptor drives against a kernel that answers as told: this program has its own io_read_start() and
 * io_write_start(), which the linker takes instead of the runtime's. A submission moves as many bytes as its scripted
 * answer says, between the caller's buffer and a medium in memory, and completes at a later moment of the simulated
 * runtime.
 */
#include "drive_fd.h"
#include "io.h"
#include "sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#define BLOCK        ((size_t)4096)
#define MEDIUM_BYTES (32 * BLOCK)
#define GIB          ((size_t)1 << 30)
#define ANSWERS_MAX  16
#define ALL          INT32_MAX /* as many bytes as were asked for */

/* The kernel: answers in order, the last one for ever. */
static struct {
    int32_t answers[ANSWERS_MAX];
    unsigned answer_count;
    unsigned submissions;
    uint64_t offsets[ANSWERS_MAX];
    uint32_t lens[ANSWERS_MAX];
    bool moves_bytes;
    uint8_t medium[MEDIUM_BYTES];
} kernel;

struct completion {
    struct io *io;
    int32_t result;
};

static void complete(void *arg)
{
    struct completion c = *(struct completion *)arg;
    free(arg);
    c.io->op.done(&c.io->op, c.result);
}

/* Bytes moved, or the negative errno. */
static int32_t answer(struct io *io, struct join *join, uint32_t len, uint64_t offset)
{
    unsigned n = kernel.submissions++;
    unsigned last = kernel.answer_count - 1;
    int32_t result = kernel.answers[n < last ? n : last];
    if (n < ANSWERS_MAX) {
        kernel.offsets[n] = offset;
        kernel.lens[n] = len;
    }
    if (result > 0 && (uint32_t)result > len)
        result = (int32_t)len;
    struct completion *c = malloc(sizeof *c);
    *c = (struct completion){io, result};
    *io = (struct io){.join = join};
    join_add(join);
    sim_schedule(runtime_self(), 1000, complete, c);
    return result;
}

void io_read_start(struct io *io, struct join *join, int fd, void *buf, uint32_t len, uint64_t offset)
{
    assert_int_equal(fd, 77);
    int32_t n = answer(io, join, len, offset);
    if (n > 0 && kernel.moves_bytes)
        memcpy(buf, kernel.medium + offset, (size_t)n);
}

void io_write_start(struct io *io, struct join *join, int fd, const void *buf, uint32_t len, uint64_t offset,
                    int rw_flags)
{
    assert_int_equal(fd, 77);
    assert_int_equal(rw_flags, RWF_DSYNC);
    int32_t n = answer(io, join, len, offset);
    if (n > 0 && kernel.moves_bytes)
        memcpy(kernel.medium + offset, buf, (size_t)n);
}

void io_fdatasync_start(struct io *io, struct join *join, int fd)
{
    (void)io;
    (void)join;
    (void)fd;
    fail();
}

static const struct drive_ops ops = {.read_start = drive_fd_read_start, .write_start = drive_fd_write_start};

struct story {
    enum drive_dir dir;
    uint64_t offset;
    void *buf;
    size_t len;
    enum dol_err err;
    struct drive_counters counters;
};

static void run_story(void *arg)
{
    struct story *s = arg;
    struct drive_fd d = {.fd = 77};
    drive_init(&d.drive, &ops, "scripted", 8 * GIB, false);
    s->err = s->dir == DRIVE_DIR_READ ? drive_read(&d.drive, s->offset, s->buf, s->len)
                                      : drive_write(&d.drive, s->offset, s->buf, s->len);
    s->counters = d.drive.counters;
    assert_int_equal(atomic_load(&d.in_flight), 0);
    runtime_stop(runtime_self());
}

static void run(struct story *s)
{
    struct runtime *rt;
    assert_int_equal(runtime_new_sim(&(struct sim_config){.seed = 1}, &rt), DOL_OK);
    assert_int_equal(runtime_spawn(rt, 0, run_story, s, "story"), DOL_OK);
    kernel.submissions = 0;
    runtime_run(rt);
    assert_int_equal(sim_stuck_fibers(rt), 0);
    runtime_free(rt);
}

static void tell_kernel(const int32_t *answers, unsigned count)
{
    memcpy(kernel.answers, answers, count * sizeof answers[0]);
    kernel.answer_count = count;
    kernel.moves_bytes = true;
}

/* Scripts that end well: what they take, and that every byte arrived where it belongs. */
static void test_short_completions_go_on(void **state)
{
    (void)state;
    static const struct {
        int32_t answers[6];
        unsigned count;
        unsigned submissions;
    } cases[] = {
        {{ALL}, 1, 1},
        {{4096, ALL}, 2, 2},
        {{4096, 8192, 4096, ALL}, 4, 4},
        {{-EINTR, ALL}, 2, 2},
        {{-EAGAIN, -EAGAIN, 4096, -EINTR, ALL}, 5, 5},
        /* a part of a block doesn't count */
        {{100, ALL}, 2, 2},
        {{5000, 12287, ALL}, 3, 3},
    };
    uint8_t *buf = aligned_alloc(BLOCK, 8 * BLOCK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (enum drive_dir dir = DRIVE_DIR_READ; dir <= DRIVE_DIR_WRITE; dir++) {
            uint8_t *from = dir == DRIVE_DIR_READ ? kernel.medium + 3 * BLOCK : buf;
            uint8_t *to = dir == DRIVE_DIR_READ ? buf : kernel.medium + 3 * BLOCK;
            memset(kernel.medium, 0xaa, sizeof kernel.medium);
            memset(to, 0xbb, 8 * BLOCK);
            for (size_t j = 0; j < 8 * BLOCK; j++)
                from[j] = (uint8_t)(j * 13 + j / BLOCK);
            tell_kernel(cases[i].answers, cases[i].count);
            struct story s = {.dir = dir, .offset = 3 * BLOCK, .buf = buf, .len = 8 * BLOCK};
            run(&s);
            assert_int_equal(s.err, DOL_OK);
            assert_int_equal(kernel.submissions, cases[i].submissions);
            assert_memory_equal(from, to, 8 * BLOCK);
            assert_int_equal(kernel.medium[3 * BLOCK - 1], 0xaa);
            assert_int_equal(kernel.medium[11 * BLOCK], 0xaa);
            /* one operation, however many submissions */
            assert_int_equal(s.counters.reads + s.counters.writes, 1);
            assert_int_equal(s.counters.read_bytes + s.counters.write_bytes, 8 * BLOCK);
        }
    }
    free(buf);
}

static void test_errors_end_the_operation(void **state)
{
    (void)state;
    static const struct {
        int32_t answers[2];
        unsigned count;
        unsigned submissions;
        enum dol_err err;
    } cases[] = {
        /* an error of the medium is believed at once, the success behind it is never asked for */
        {{-EIO, ALL}, 2, 1, DOL_EIO},
        {{4096, -EIO}, 2, 2, DOL_EIO},
        {{-ECANCELED, ALL}, 2, 1, DOL_EIO},
        {{-ENODEV, ALL}, 2, 1, DOL_EIO},
        {{-ENOSPC, ALL}, 2, 1, DOL_EFULL},
        {{4096, -ENOSPC}, 2, 2, DOL_EFULL},
        /* the medium ends early */
        {{0, ALL}, 2, 1, DOL_EIO},
        {{4096, 0}, 2, 2, DOL_EIO},
        /* patience has a limit */
        {{-EAGAIN}, 1, 1001, DOL_EIO},
        {{-EINTR}, 1, 1001, DOL_EIO},
        {{4095}, 1, 1001, DOL_EIO},
    };
    uint8_t *buf = aligned_alloc(BLOCK, 2 * BLOCK);
    memset(buf, 0, 2 * BLOCK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (enum drive_dir dir = DRIVE_DIR_READ; dir <= DRIVE_DIR_WRITE; dir++) {
            tell_kernel(cases[i].answers, cases[i].count);
            struct story s = {.dir = dir, .buf = buf, .len = 2 * BLOCK};
            run(&s);
            assert_int_equal(s.err, cases[i].err);
            assert_int_equal(kernel.submissions, cases[i].submissions);
            assert_int_equal(s.counters.reads + s.counters.writes, 0);
            assert_int_equal(s.counters.read_errors, dir == DRIVE_DIR_READ);
            assert_int_equal(s.counters.write_errors, dir == DRIVE_DIR_WRITE);
        }
    }
    free(buf);
}

/* Beyond what the kernel takes at once; no byte is moved, so no memory is needed. */
static void test_huge_operations_are_divided(void **state)
{
    (void)state;
    static const int32_t all[] = {ALL};
    size_t len = 2 * GIB + BLOCK;
    void *buf = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(buf != MAP_FAILED);
    tell_kernel(all, 1);
    kernel.moves_bytes = false;
    struct story s = {.dir = DRIVE_DIR_WRITE, .offset = BLOCK, .buf = buf, .len = len};
    run(&s);
    assert_int_equal(s.err, DOL_OK);
    assert_int_equal(kernel.submissions, 3);
    assert_int_equal(kernel.offsets[0], BLOCK);
    assert_int_equal(kernel.lens[0], GIB);
    assert_int_equal(kernel.offsets[1], BLOCK + GIB);
    assert_int_equal(kernel.lens[1], GIB);
    assert_int_equal(kernel.offsets[2], BLOCK + 2 * GIB);
    assert_int_equal(kernel.lens[2], BLOCK);
    assert_int_equal(s.counters.write_bytes, len);
    munmap(buf, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_completions_go_on),
        cmocka_unit_test(test_errors_end_the_operation),
        cmocka_unit_test(test_huge_operations_are_divided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
