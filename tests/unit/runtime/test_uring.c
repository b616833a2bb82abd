/* The real runtime: file I/O, offload, signals, counters, panic, and what it says when io_uring is refused. */
#include "io.h"
#include "runtime_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- files ---- */

#define BLOCK  4096u
#define BLOCKS 300u /* more than the test's ring has entries, several times */

struct file_test {
    int fd;
    uint8_t *data;
    uint8_t *back;
};

static void file_main(void *arg)
{
    struct file_test *t = arg;
    static struct io ios[BLOCKS];
    struct join join;

    join_init(&join);
    for (unsigned i = 0; i < BLOCKS; i++)
        io_write_start(&ios[i], &join, t->fd, t->data + i * BLOCK, BLOCK, (uint64_t)i * BLOCK, i % 2 ? RWF_DSYNC : 0);
    join_wait(&join);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_int_equal(ios[i].result, BLOCK);

    io_fdatasync_start(&ios[0], &join, t->fd);
    join_wait(&join);
    assert_int_equal(ios[0].result, 0);

    for (unsigned i = 0; i < BLOCKS; i++)
        io_read_start(&ios[i], &join, t->fd, t->back + i * BLOCK, BLOCK, (uint64_t)i * BLOCK);
    join_wait(&join);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_int_equal(ios[i].result, BLOCK);
    assert_memory_equal(t->data, t->back, BLOCKS * BLOCK);

    /* Beyond the end, and errors. */
    io_read_start(&ios[0], &join, t->fd, t->back, BLOCK, (uint64_t)BLOCKS * BLOCK);
    io_read_start(&ios[1], &join, -1, t->back, BLOCK, 0);
    io_read_start(&ios[2], &join, t->fd, t->back + 1, BLOCK, 0);
    io_write_start(&ios[3], &join, -1, t->back, BLOCK, 0, 0);
    io_fdatasync_start(&ios[4], &join, -1);
    io_write_start(&ios[5], &join, t->fd, t->back, BLOCK, 0, 1 << 30); /* a flag that doesn't exist arrives */
    join_wait(&join);
    assert_int_equal(ios[0].result, 0);
    assert_int_equal(ios[1].result, -EBADF);
    assert_true(ios[2].result == -EINVAL || ios[2].result == (int32_t)BLOCK); /* some file systems align for us */
    assert_int_equal(ios[3].result, -EBADF);
    assert_int_equal(ios[4].result, -EBADF);
    assert_int_equal(ios[5].result, -EOPNOTSUPP);
    runtime_stop(runtime_self());
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/var/tmp/dolmen-test-uring-XXXXXX";
    struct file_test t = {.fd = mkostemp(path, O_CLOEXEC)};
    assert_true(t.fd >= 0);
    /* tmpfs has no direct I/O; then the cached path is what there is to test. */
    (void)fcntl(t.fd, F_SETFL, O_DIRECT);
    unlink(path);
    t.data = aligned_alloc(BLOCK, BLOCKS * BLOCK);
    t.back = aligned_alloc(BLOCK, BLOCKS * BLOCK);
    assert_non_null(t.data);
    assert_non_null(t.back);
    for (unsigned i = 0; i < BLOCKS * BLOCK; i++)
        t.data[i] = (uint8_t)(i * 7 + i / BLOCK);

    struct runtime *rt = testing_runtime(TESTING_URING, 1, 4);
    testing_run(rt, file_main, &t);
    struct runtime_counters sum;
    runtime_counters(rt, &sum);
    assert_in_range(sum.sqes, 2 * BLOCKS + 1, 2 * BLOCKS + 20);
    assert_in_range(sum.cqes, 2 * BLOCKS + 1, sum.sqes);
    runtime_free(rt);
    free(t.data);
    free(t.back);
    close(t.fd);
}

/* Reads of /dev/zero complete within the submission, so the number of calls is known: one for each 64, the ring's size.
 */
static void batch_main(void *arg)
{
    struct file_test *t = arg;
    static struct io ios[BLOCKS];
    struct join join;
    struct runtime_counters before;
    struct runtime_counters after;

    join_init(&join);
    fiber_yield(); /* submits what the loop itself has queued */
    runtime_counters(runtime_self(), &before);
    for (unsigned i = 0; i < BLOCKS; i++)
        io_read_start(&ios[i], &join, t->fd, t->back, 1, 0);
    join_wait(&join);
    runtime_counters(runtime_self(), &after);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_int_equal(ios[i].result, 1);
    assert_int_equal(after.sqes - before.sqes, BLOCKS);
    assert_int_equal(after.cqes - before.cqes, BLOCKS);
    assert_int_equal(after.enters - before.enters, (BLOCKS + 63) / 64);
    runtime_stop(runtime_self());
}

static void test_batches(void **state)
{
    (void)state;
    uint8_t byte;
    struct file_test t = {.fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), .back = &byte};
    assert_true(t.fd >= 0);
    struct runtime *rt = testing_runtime(TESTING_URING, 1, 4);
    testing_run(rt, batch_main, &t);
    runtime_free(rt);
    close(t.fd);
}

/* ---- offload ---- */

#define JOBS 400 /* beyond the pool's queue */

struct jobs {
    pthread_t loop_thread;
    _Atomic unsigned ran;
    unsigned left;
};

static void job(void *arg)
{
    struct jobs *jobs = arg;
    assert_false(pthread_equal(pthread_self(), jobs->loop_thread));
    assert_false(fiber_is_running());
    jobs->ran++;
}

static void job_fiber(void *arg)
{
    struct jobs *jobs = arg;
    for (unsigned i = 0; i < 5; i++)
        offload_run(job, jobs);
    jobs->left--;
}

static void offload_main(void *arg)
{
    struct jobs jobs = {.loop_thread = pthread_self(), .left = JOBS};
    (void)arg;
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(fiber_spawn(job_fiber, &jobs, "job"), DOL_OK);
    while (jobs.left > 0)
        fiber_sleep(100000);
    assert_int_equal(jobs.ran, 5 * JOBS);
    runtime_stop(runtime_self());
}

static void test_offload(void **state)
{
    (void)state;
    struct runtime *rt = testing_runtime(TESTING_URING, 1, JOBS + 1);
    testing_run(rt, offload_main, NULL);
    runtime_free(rt);
}

/* ---- signals ---- */

static const int watched[] = {SIGUSR1, SIGUSR2};

static void signal_main(void *arg)
{
    bool *stopped = arg;
    int signo = 0;
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(signal_wait(watched, 2, &signo), DOL_OK);
    assert_int_equal(signo, SIGUSR1);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(signal_wait(watched, 2, &signo), DOL_OK);
    assert_int_equal(signo, SIGUSR2);
    assert_int_equal(signal_wait(watched, 2, &signo), DOL_ESTOPPED);
    *stopped = true;
}

static void stopper(void *arg)
{
    (void)arg;
    fiber_sleep(2000000);
    runtime_stop(runtime_self());
}

static void test_signals(void **state)
{
    (void)state;
    sigset_t set;
    sigset_t before;
    bool stopped = false;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    struct runtime *rt = testing_runtime(TESTING_URING, 2, 4);
    assert_int_equal(runtime_spawn(rt, 1, stopper, NULL, "stopper"), DOL_OK);
    testing_run(rt, signal_main, &stopped);
    assert_true(stopped);
    runtime_free(rt);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

/* ---- stop from outside, with all loops asleep ---- */

static void *stop_thread(void *arg)
{
    runtime_stop(arg);
    return NULL;
}

static void test_stop_wakes_sleepers(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        pthread_t thread;
        struct runtime *rt = testing_runtime(TESTING_URING, 3, 4);
        assert_int_equal(pthread_create(&thread, NULL, stop_thread, rt), 0);
        runtime_run(rt);
        pthread_join(thread, NULL);
        runtime_free(rt);
    }
}

/* ---- children that end in their own ways ---- */

/* Runs fn in a child with its standard error in `text`; returns its exit code. */
static int in_child(void (*fn)(void), char *text, size_t size)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    size_t len = 0;
    ssize_t n;
    while (len < size - 1 && (n = read(fds[0], text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void panic_main(void *arg)
{
    (void)arg;
    runtime_panic("row %d lost", 7);
}

static void panic_child(void)
{
    testing_run(testing_runtime(TESTING_URING, 1, 4), panic_main, NULL);
}

static void test_panic(void **state)
{
    (void)state;
    char text[1024];
    assert_int_equal(in_child(panic_child, text, sizeof text), 70);
    assert_non_null(strstr(text, "panic: row 7 lost\n"));
}

/* Makes io_uring_setup(2) fail with `error`, as a container's seccomp profile does. */
static void refuse_uring(unsigned error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(99);
}

static void exit_with_result_of_new(void)
{
    struct runtime *rt;
    struct runtime_config config = {.loops = 2};
    _exit((int)runtime_new_uring(&config, &rt));
}

static void eperm_child(void)
{
    refuse_uring(EPERM);
    exit_with_result_of_new();
}

static void enosys_child(void)
{
    refuse_uring(ENOSYS);
    exit_with_result_of_new();
}

static void test_refused(void **state)
{
    (void)state;
    char text[1024];
    assert_int_equal(in_child(eperm_child, text, sizeof text), DOL_EPERM);
    assert_non_null(strstr(text, "kernel.io_uring_disabled"));
    assert_non_null(strstr(text, "seccomp"));
    assert_int_equal(in_child(enosys_child, text, sizeof text), DOL_EUNSUPPORTED);
    assert_non_null(strstr(text, "6.1"));
}

static void test_config(void **state)
{
    (void)state;
    struct runtime *rt = NULL;
    struct runtime_config config = {.loops = RUNTIME_LOOPS_MAX + 1};
    assert_int_equal(runtime_new_uring(&config, &rt), DOL_EINVAL);
    config = (struct runtime_config){.ring_entries = RUNTIME_RING_ENTRIES_MAX + 1};
    assert_int_equal(runtime_new_uring(&config, &rt), DOL_EINVAL);
    config = (struct runtime_config){.offload_threads = RUNTIME_OFFLOAD_THREADS_MAX + 1};
    assert_int_equal(runtime_new_uring(&config, &rt), DOL_EINVAL);
    config = (struct runtime_config){0};
    assert_int_equal(runtime_new_uring(&config, &rt), DOL_OK);
    assert_true(runtime_loops(rt) >= 1);
    runtime_free(rt);
}

static void test_random(void **state)
{
    (void)state;
    uint8_t a[1000] = {0};
    uint8_t b[1000] = {0};
    random_fill(a, sizeof a);
    random_fill(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    random_fill(a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panic),   cmocka_unit_test(test_refused), cmocka_unit_test(test_config),
        cmocka_unit_test(test_files),   cmocka_unit_test(test_batches), cmocka_unit_test(test_offload),
        cmocka_unit_test(test_signals), cmocka_unit_test(test_random),  cmocka_unit_test(test_stop_wakes_sleepers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
