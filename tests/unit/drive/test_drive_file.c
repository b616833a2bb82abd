/*
 * File drives on the real runtime: exact bytes in the file, limits, locks between processes, and files that are not
 * what they should be. Each test works in a folder of its own under the current one, which must be on a disk (direct
 * I/O).
 */
#include "drive_fd.h"
#include "drive_open.h"
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK      ((size_t)4096)
#define SIZE_BYTES ((uint64_t)8 << 20)
#define SECOND_NS  UINT64_C(1000000000)

struct scene {
    struct runtime *rt;
    char folder[32];
    char path[64];
    void *arg;
};

typedef void scene_fn(struct scene *s);

static scene_fn *story;

static void run_story(void *arg)
{
    struct scene *s = arg;
    story(s);
    runtime_stop(s->rt);
}

static void scene_init(struct scene *s)
{
    *s = (struct scene){0};
    snprintf(s->folder, sizeof s->folder, "drive-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/d0", s->folder);
}

/* Runs fn on a fiber of loop 0 of a real runtime. */
static void scene_run(struct scene *s, scene_fn *fn, unsigned loops)
{
    struct runtime_config config = {.loops = loops, .offload_threads = 2, .fibers_max = 64, .ring_entries = 64};
    assert_int_equal(runtime_new_uring(&config, &s->rt), DOL_OK);
    story = fn;
    assert_int_equal(runtime_spawn(s->rt, 0, run_story, s, "story"), DOL_OK);
    runtime_run(s->rt);
    runtime_free(s->rt);
}

static void scene_fini(struct scene *s)
{
    unlink(s->path);
    assert_int_equal(rmdir(s->folder), 0);
}

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

/* What lies in the file, read past the drive. */
static void file_read(const char *path, uint64_t offset, uint8_t *buf, size_t len)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, buf, len, (off_t)offset), len);
    close(fd);
}

static struct drive *open_rw(struct scene *s)
{
    struct drive *d;
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 0, &d), DOL_OK);
    return d;
}

/* ---- creating ---- */

static void test_create(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    struct stat st;
    assert_int_equal(drive_file_create(s.path, ((uint64_t)1 << 20) - 1), DOL_EINVAL);
    assert_int_equal(drive_file_create(s.path, UINT64_MAX), DOL_EINVAL);
    assert_int_equal(stat(s.path, &st), -1);
    assert_int_equal(drive_file_create("no/such/folder/d0", SIZE_BYTES), DOL_ENOTFOUND);
    mode_t mask = umask(0);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES + 4095), DOL_OK);
    umask(mask);
    assert_int_equal(stat(s.path, &st), 0);
    assert_int_equal(st.st_size, SIZE_BYTES);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_blocks, 0);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_EEXIST);
    scene_fini(&s);
}

/* ---- reading and writing ---- */

static void tell_round_trip(struct scene *s)
{
    struct drive *d = open_rw(s);
    assert_int_equal(d->size_bytes, SIZE_BYTES);
    assert_string_equal(d->name, s->path);
    assert_false(d->read_only);
    static const struct {
        uint64_t offset;
        size_t len;
    } cases[] = {
        {0, BLOCK},
        {BLOCK, 2 * BLOCK},
        {(uint64_t)1 << 20, 1 << 20},
        {(uint64_t)3 << 20, (1 << 20) + BLOCK},
        {SIZE_BYTES - BLOCK, BLOCK},
    };
    uint64_t bytes = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = cases[i].len;
        uint8_t *in = pages(len, 0);
        uint8_t *out = pages(len, 0xff);
        for (size_t j = 0; j < len; j++)
            in[j] = (uint8_t)(j * 31 + j / 4096 + i);
        assert_int_equal(drive_write(d, cases[i].offset, in, len), DOL_OK);
        assert_int_equal(drive_read(d, cases[i].offset, out, len), DOL_OK);
        assert_memory_equal(in, out, len);
        memset(out, 0xff, len);
        file_read(s->path, cases[i].offset, out, len);
        assert_memory_equal(in, out, len);
        free(in);
        free(out);
        bytes += len;
    }
    assert_int_equal(d->counters.writes, 5);
    assert_int_equal(d->counters.write_bytes, bytes);
    assert_int_equal(d->counters.reads, 5);
    assert_int_equal(d->counters.read_bytes, bytes);
    drive_close(d);
    d = open_rw(s);
    uint8_t *out = pages(BLOCK, 0xff);
    assert_int_equal(drive_read(d, SIZE_BYTES - 2 * BLOCK, out, BLOCK), DOL_OK);
    assert_filled(out, BLOCK, 0);
    free(out);
    drive_close(d);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_round_trip, 1);
    scene_fini(&s);
}

static void tell_limits(struct scene *s)
{
    struct drive *d = open_rw(s);
    uint8_t *buf = pages(2 * BLOCK, 1);
    struct join join;
    struct drive_op op;
    assert_int_equal(drive_write(d, 0, buf, 0), DOL_OK);
    assert_int_equal(drive_write(d, SIZE_BYTES, buf, BLOCK), DOL_EINVAL);
    assert_int_equal(drive_read(d, SIZE_BYTES - BLOCK, buf, 2 * BLOCK), DOL_EINVAL);
    assert_int_equal(drive_read(d, UINT64_MAX - BLOCK + 1, buf, BLOCK), DOL_EINVAL);
    join_init(&join);
    drive_read_start(d, &op, &join, SIZE_BYTES, buf, BLOCK);
    assert_int_equal(join.pending, 0);
    assert_int_equal(op.err, DOL_EINVAL);
    drive_close(d);
    free(buf);
    struct stat st;
    assert_int_equal(stat(s->path, &st), 0);
    assert_int_equal(st.st_size, SIZE_BYTES);
}

static void test_limits(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_limits, 1);
    scene_fini(&s);
}

/* More operations in flight than the ring takes at once, all in one join. */
#define MANY 200

static void tell_many(struct scene *s)
{
    struct drive *d = open_rw(s);
    struct drive_op *ops = calloc(MANY, sizeof *ops);
    uint8_t *in = pages(MANY * BLOCK, 0);
    uint8_t *out = pages(MANY * BLOCK, 0);
    struct join join;
    for (size_t i = 0; i < MANY * BLOCK; i++)
        in[i] = (uint8_t)(i / BLOCK + i);
    join_init(&join);
    for (unsigned i = 0; i < MANY; i++)
        drive_write_start(d, &ops[i], &join, i * BLOCK, in + i * BLOCK, BLOCK);
    join_wait(&join);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ops[i].err, DOL_OK);
        drive_read_start(d, &ops[i], &join, i * BLOCK, out + i * BLOCK, BLOCK);
    }
    join_wait(&join);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(ops[i].err, DOL_OK);
    assert_memory_equal(in, out, MANY * BLOCK);
    free(ops);
    free(in);
    free(out);
    drive_close(d);
}

static void test_many_in_one_join(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_many, 1);
    scene_fini(&s);
}

/* Two loops on one drive. */
struct half {
    struct drive *d;
    unsigned loop;
    struct fiber *waiter;
    _Atomic bool done;
};

static void write_half(void *arg)
{
    struct half *h = arg;
    assert_int_equal(loop_index(), h->loop);
    uint8_t *buf = pages(BLOCK, (int)h->loop + 1);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(drive_write(h->d, (2 * i + h->loop) * BLOCK, buf, BLOCK), DOL_OK);
    free(buf);
    struct fiber *waiter = h->waiter;
    atomic_store(&h->done, true);
    fiber_wake(waiter);
}

static void tell_two_loops(struct scene *s)
{
    struct drive *d = open_rw(s);
    struct half halves[2];
    for (unsigned i = 0; i < 2; i++) {
        halves[i] = (struct half){.d = d, .loop = i, .waiter = fiber_self()};
        assert_int_equal(runtime_spawn(s->rt, i, write_half, &halves[i], "half"), DOL_OK);
    }
    while (!atomic_load(&halves[0].done) || !atomic_load(&halves[1].done))
        fiber_park();
    uint8_t *all = pages(100 * BLOCK, 0);
    assert_int_equal(drive_read(d, 0, all, 100 * BLOCK), DOL_OK);
    for (unsigned i = 0; i < 100; i++)
        assert_filled(all + i * BLOCK, BLOCK, (int)(i % 2) + 1);
    assert_int_equal(d->counters.writes, 100);
    free(all);
    drive_close(d);
}

static void test_two_loops(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_two_loops, 2);
    scene_fini(&s);
}

/* ---- preparing ---- */

static void tell_prepare(struct scene *s)
{
    struct drive *d = open_rw(s);
    uint8_t *buf = pages((size_t)SIZE_BYTES, 7);
    const uint64_t mib = (uint64_t)1 << 20;
    assert_int_equal(drive_write(d, mib, buf, 3 * mib), DOL_OK);
    /* partly written: all of it is filled */
    uint64_t offset = 3 * mib + BLOCK;
    uint64_t len = 2 * mib + BLOCK;
    assert_int_equal(drive_prepare(d, offset, len, DRIVE_WRITTEN), DOL_OK);
    assert_int_equal(drive_prepare(d, SIZE_BYTES - BLOCK, BLOCK, DRIVE_WRITTEN), DOL_OK);
    assert_int_equal(drive_prepare(d, SIZE_BYTES - BLOCK, 2 * BLOCK, DRIVE_WRITTEN), DOL_EINVAL);
    assert_int_equal(drive_prepare(d, SIZE_BYTES, 0, DRIVE_WRITTEN), DOL_OK);
    /* written before, by a write or by a prepare: nothing to do */
    assert_int_equal(drive_prepare(d, mib, mib, DRIVE_WRITTEN), DOL_OK);
    assert_int_equal(drive_write(d, 4 * mib, buf, BLOCK), DOL_OK);
    assert_int_equal(drive_prepare(d, 4 * mib, mib, DRIVE_WRITTEN), DOL_OK);
    assert_int_equal(d->counters.prepared_bytes, len + BLOCK);
    file_read(s->path, 0, buf, (size_t)SIZE_BYTES);
    assert_filled(buf, mib, 0);
    assert_filled(buf + mib, (size_t)(offset - mib), 7);
    assert_filled(buf + offset, (size_t)(4 * mib - offset), 0);
    assert_filled(buf + 4 * mib, BLOCK, 7);
    assert_filled(buf + 4 * mib + BLOCK, (size_t)(offset + len - 4 * mib - BLOCK), 0);
    struct stat st;
    assert_int_equal(stat(s->path, &st), 0);
    assert_int_equal(st.st_size, SIZE_BYTES);
    assert_true((uint64_t)st.st_blocks * 512 >= 4 * mib + 2 * BLOCK);
    free(buf);
    drive_close(d);
}

static void test_prepare(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_prepare, 1);
    scene_fini(&s);
}

/* Room without zeros: what was written stays, the file takes its space, and writing over it works. */
static void tell_allocate(struct scene *s)
{
    struct drive *d = open_rw(s);
    const uint64_t mib = (uint64_t)1 << 20;
    uint8_t *buf = pages(mib, 7);
    struct stat st;
    assert_int_equal(drive_write(d, mib, buf, mib), DOL_OK);
    assert_int_equal(stat(s->path, &st), 0);
    assert_in_range((uint64_t)st.st_blocks * 512, mib, 3 * mib / 2);
    assert_int_equal(drive_prepare(d, mib, 3 * mib, DRIVE_ALLOCATED), DOL_OK);
    assert_int_equal(d->counters.prepared_bytes, 0);
    assert_int_equal(stat(s->path, &st), 0);
    assert_in_range((uint64_t)st.st_blocks * 512, 3 * mib, 7 * mib / 2);
    assert_int_equal(drive_write(d, 3 * mib, buf, BLOCK), DOL_OK);
    assert_int_equal(drive_read(d, mib, buf, mib), DOL_OK);
    assert_filled(buf, mib, 7);
    assert_int_equal(drive_read(d, 3 * mib - BLOCK, buf, 3 * BLOCK), DOL_OK);
    assert_filled(buf, BLOCK, 0);
    assert_filled(buf + BLOCK, BLOCK, 7);
    assert_filled(buf + 2 * BLOCK, BLOCK, 0);
    free(buf);
    drive_close(d);
}

static void test_allocate(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_allocate, 1);
    scene_fini(&s);
}

/* ---- reading only ---- */

static void tell_read_only(struct scene *s)
{
    struct drive *d;
    struct drive *second;
    uint8_t *buf = pages(BLOCK, 5);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_ONLY, 0, &d), DOL_OK);
    assert_true(d->read_only);
    assert_int_equal(drive_write(d, 0, buf, BLOCK), DOL_EREADONLY);
    assert_int_equal(drive_prepare(d, 0, BLOCK, DRIVE_WRITTEN), DOL_EREADONLY);
    assert_int_equal(drive_read(d, 0, buf, BLOCK), DOL_OK);
    assert_filled(buf, BLOCK, 0);
    /* readers share, a writer doesn't */
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_ONLY, 0, &second), DOL_OK);
    drive_close(second);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 0, &second), DOL_EINUSE);
    assert_null(second);
    drive_close(d);
    d = open_rw(s);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_ONLY, 0, &second), DOL_EINUSE);
    drive_close(d);
    free(buf);
}

static void test_read_only(void **state)
{
    (void)state;
    struct scene s;
    struct stat st;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_read_only, 1);
    assert_int_equal(stat(s.path, &st), 0);
    assert_int_equal(st.st_blocks, 0);
    scene_fini(&s);
}

/* ---- what can't be opened ---- */

static void tell_refusals(struct scene *s)
{
    struct drive *d;
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 0, &d), DOL_ENOTFOUND);
    assert_int_equal(drive_open_path("no/such/folder", DRIVE_READ_WRITE, 0, &d), DOL_ENOTFOUND);
    assert_int_equal(drive_open_path(s->folder, DRIVE_READ_ONLY, 0, &d), DOL_EINVAL);
    assert_int_equal(drive_open_path("/dev/null", DRIVE_READ_WRITE, 0, &d), DOL_EINVAL);
    assert_int_equal(mkfifo(s->path, 0600), 0);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 0, &d), DOL_EINVAL);
    assert_int_equal(unlink(s->path), 0);
    assert_int_equal(drive_file_create(s->path, SIZE_BYTES), DOL_OK);
    assert_int_equal(truncate(s->path, (1 << 20) - 1), 0);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 0, &d), DOL_EINVAL);
    assert_null(d);
    assert_int_equal(truncate(s->path, (1 << 20) + 4095), 0);
    d = open_rw(s);
    assert_int_equal(d->size_bytes, 1 << 20);
    drive_close(d);
}

static void test_refusals(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    scene_run(&s, tell_refusals, 1);
    scene_fini(&s);
}

/* The file shrinks underneath: what is gone is an error, not zeroes. */
static void tell_truncation(struct scene *s)
{
    struct drive *d = open_rw(s);
    uint8_t *buf = pages(4 * BLOCK, 0);
    assert_int_equal(truncate(s->path, (off_t)(2 * BLOCK)), 0);
    assert_int_equal(drive_read(d, 0, buf, 2 * BLOCK), DOL_OK);
    assert_int_equal(drive_read(d, 0, buf, 4 * BLOCK), DOL_EIO);
    assert_int_equal(drive_read(d, 2 * BLOCK, buf, BLOCK), DOL_EIO);
    assert_int_equal(truncate(s->path, (off_t)(2 * BLOCK + 100)), 0);
    assert_int_equal(drive_read(d, 0, buf, 4 * BLOCK), DOL_EIO);
    assert_int_equal(d->counters.read_errors, 3);
    free(buf);
    drive_close(d);
}

static void test_truncation(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    scene_run(&s, tell_truncation, 1);
    scene_fini(&s);
}

static void test_errno_mapping(void **state)
{
    (void)state;
    assert_int_equal(drive_err_of_errno(ENOSPC), DOL_EFULL);
    assert_int_equal(drive_err_of_errno(EDQUOT), DOL_EFULL);
    assert_int_equal(drive_err_of_errno(EROFS), DOL_EPERM);
    assert_int_equal(drive_err_of_errno(EIO), DOL_EIO);
    assert_int_equal(drive_err_of_errno(ECANCELED), DOL_EIO);
    assert_int_equal(drive_err_of_errno(ENODEV), DOL_EIO);
}

/* ---- locks between processes ---- */

/* A process that holds the file's lock until its stdin pipe is closed. */
struct holder {
    pid_t pid;
    int release_fd;
};

static void holder_start(struct holder *h, const char *path)
{
    int ready[2];
    int release[2];
    char byte = 'x';
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(release), 0);
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (h->pid == 0) {
        close(release[1]);
        int fd = open(path, O_RDWR);
        bool ok = fd >= 0 && flock(fd, LOCK_EX) == 0 && write(ready[1], &byte, 1) == 1;
        while (ok && read(release[0], &byte, 1) > 0)
            ;
        _exit(ok ? 0 : 1);
    }
    close(ready[1]);
    close(release[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    h->release_fd = release[1];
}

static void holder_release(struct holder *h)
{
    close(h->release_fd);
}

static void holder_wait(struct holder *h)
{
    int status;
    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    assert_int_equal(status, 0);
}

static void tell_lock_timeout(struct scene *s)
{
    struct drive *d;
    uint64_t start_ns = clock_monotonic_ns();
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 0, &d), DOL_EINUSE);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_ONLY, 0, &d), DOL_EINUSE);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 50000000, &d), DOL_EINUSE);
    assert_true(clock_monotonic_ns() - start_ns >= 50000000);
    assert_null(d);
}

static void test_lock_times_out(void **state)
{
    (void)state;
    struct scene s;
    struct holder h;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    holder_start(&h, s.path);
    scene_run(&s, tell_lock_timeout, 1);
    holder_release(&h);
    holder_wait(&h);
    scene_fini(&s);
}

static void release_later(void *arg)
{
    fiber_sleep(30000000);
    holder_release(arg);
}

/* The other process goes while we wait: the file is read as it left it. */
static void tell_lock_wait(struct scene *s)
{
    struct drive *d;
    assert_int_equal(fiber_spawn(release_later, s->arg, "release"), DOL_OK);
    assert_int_equal(drive_open_path(s->path, DRIVE_READ_WRITE, 100 * SECOND_NS, &d), DOL_OK);
    drive_close(d);
}

static void test_lock_is_waited_for(void **state)
{
    (void)state;
    struct scene s;
    struct holder h;
    scene_init(&s);
    assert_int_equal(drive_file_create(s.path, SIZE_BYTES), DOL_OK);
    holder_start(&h, s.path);
    s.arg = &h;
    scene_run(&s, tell_lock_wait, 1);
    holder_wait(&h);
    scene_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_in_one_join),
        cmocka_unit_test(test_two_loops),
        cmocka_unit_test(test_prepare),
        cmocka_unit_test(test_allocate),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_errno_mapping),
        cmocka_unit_test(test_lock_times_out),
        cmocka_unit_test(test_lock_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
