/* A pool in a directory: creation, what a crash in its middle leaves, and the states in which nothing may be created.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "credentials.h"
#include "devdir.h"
#include "log.h"
#include "uring.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRIVE_BYTES (256ull << 20)

static char base[] = "/tmp/dolmen-devdir-XXXXXX";
static char root[64];

/* ---- fixture ---- */

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    if (dir != NULL) {
        for (struct dirent *e; (e = readdir(dir)) != NULL;) {
            char child[PATH_MAX];
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                continue;
            snprintf(child, sizeof child, "%.3000s/%s", path, e->d_name);
            remove_tree(child);
        }
        closedir(dir);
    }
    (void)remove(path);
}

static int make_base(void **state)
{
    (void)state;
    return mkdtemp(base) == NULL;
}

static int remove_base(void **state)
{
    (void)state;
    remove_tree(base);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "%s/pool", base);
    remove_tree(root);
    return 0;
}

static const char *in_root(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static bool is_there(const char *name)
{
    struct stat st;
    return lstat(in_root(name), &st) == 0;
}

static void touch(const char *name, const char *text)
{
    int fd = open(in_root(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static struct devdir dir;
static struct devdir_why why;

static void open_dir(void)
{
    assert_int_equal(devdir_open(root, DEVDIR_CREATE, &dir, &why), DOL_OK);
}

static enum devdir_state state_of(void)
{
    enum devdir_state state;
    assert_int_equal(devdir_state_get(&dir, &state, &why), DOL_OK);
    return state;
}

/* ---- what must run on a fiber ---- */

struct job {
    struct devdir_geometry geometry;
    struct drive *drives[DEVDIR_DRIVES_MAX];
    unsigned count;
    enum dol_err err;
};

static void create_fiber(void *arg)
{
    struct job *job = arg;
    job->err = devdir_create_pool(&dir, &job->geometry, &why);
    runtime_stop(runtime_self());
}

static void open_fiber(void *arg)
{
    struct job *job = arg;
    job->err = devdir_open_drives(&dir, job->drives, &job->count, &why);
    for (unsigned i = 0; i < job->count; i++)
        drive_close(job->drives[i]);
    runtime_stop(runtime_self());
}

static void run(fiber_fn *fn, struct job *job)
{
    struct runtime *rt;
    const struct runtime_config config = {.loops = 1, .offload_threads = 1, .fibers_max = 64, .ring_entries = 64};
    assert_int_equal(runtime_new_uring(&config, &rt), DOL_OK);
    assert_int_equal(runtime_spawn(rt, 0, fn, job, "test"), DOL_OK);
    runtime_run(rt);
    runtime_free(rt);
}

static struct job small_pool(void)
{
    return (struct job){.geometry = {.drives = 3, .k = 2, .m = 1, .drive_size_bytes = DRIVE_BYTES, .encrypted = true}};
}

/* ---- tests ---- */

static void creates_what_it_says(void **state)
{
    struct job job = small_pool();
    struct stat st;
    struct credentials key;
    (void)state;
    open_dir();
    assert_int_equal(stat(root, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(state_of(), DEVDIR_NEW);
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    assert_int_equal(state_of(), DEVDIR_POOL);
    assert_false(is_there("creating"));
    assert_true(is_there("drives/drive-00.img") && is_there("drives/drive-02.img"));
    assert_false(is_there("drives/drive-03.img"));
    assert_int_equal(stat(in_root("drives/drive-00.img"), &st), 0);
    assert_int_equal(st.st_size, DRIVE_BYTES);
    assert_int_equal(stat(in_root("key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_string_equal(devdir_key_file(&dir), in_root("key"));
    assert_int_equal(credentials_read(dir.credentials, &key), DOL_OK);

    run(open_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    assert_int_equal(job.count, 3);
    devdir_close(&dir);
}

static void pool_without_encryption_has_no_key(void **state)
{
    struct job job = small_pool();
    (void)state;
    job.geometry.encrypted = false;
    open_dir();
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    assert_null(devdir_key_file(&dir));
    devdir_close(&dir);
}

static void failed_creation_leaves_nothing(void **state)
{
    struct job job = small_pool();
    (void)state;
    open_dir();
    job.geometry.drive_size_bytes = 2u << 20; /* too small for an extent */
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_EINVAL);
    assert_non_null(strstr(why.text, "--drive-size"));
    assert_int_equal(state_of(), DEVDIR_NEW);
    assert_false(is_there("drives") || is_there("key") || is_there("creating"));

    job = small_pool();
    job.geometry.k = 3;
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_EINVAL);
    assert_non_null(strstr(why.text, "needs at least 4 drives"));

    job = small_pool();
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    devdir_close(&dir);
}

static void credentials_that_are_there_are_kept(void **state)
{
    struct job job = small_pool();
    struct credentials key;
    (void)state;
    assert_int_equal(mkdir(root, 0700), 0);
    touch("credentials", "access_key=mine\nsecret_key=secret\n");
    open_dir();
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    assert_int_equal(credentials_read(dir.credentials, &key), DOL_OK);
    assert_string_equal(key.access_key, "mine");
    devdir_close(&dir);
}

static void interrupted_creation_is_moved_aside(void **state)
{
    struct job job = small_pool();
    char moved[PATH_MAX];
    (void)state;
    for (unsigned i = 1; i <= 2; i++) {
        char name[64];
        open_dir();
        touch("creating", "");
        if (i == 1) {
            assert_int_equal(mkdir(in_root("drives"), 0700), 0);
            touch("drives/drive-00.img", "half");
            touch("key", "half");
        }
        assert_int_equal(state_of(), DEVDIR_UNFINISHED);
        assert_int_equal(devdir_move_aside(&dir, moved, &why), DOL_OK);
        snprintf(name, sizeof name, "unfinished-%u", i);
        assert_string_equal(moved, in_root(name));
        assert_int_equal(state_of(), DEVDIR_NEW);
        devdir_close(&dir);
    }
    assert_true(is_there("unfinished-1/drives/drive-00.img") && is_there("unfinished-1/key"));
    assert_false(is_there("unfinished-1/creating"));
    open_dir();
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    devdir_close(&dir);
}

static void nothing_is_created_over_a_key(void **state)
{
    struct job job = small_pool();
    (void)state;
    open_dir();
    touch("key", "dolmen-key 1\n");
    assert_int_equal(state_of(), DEVDIR_BROKEN);
    assert_int_equal(mkdir(in_root("drives"), 0700), 0);
    assert_int_equal(state_of(), DEVDIR_BROKEN);
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_EEXIST);
    assert_false(is_there("creating"));
    devdir_close(&dir);
}

static void one_program_at_a_time(void **state)
{
    struct devdir other;
    (void)state;
    open_dir();
    assert_int_equal(devdir_open(root, DEVDIR_CREATE, &other, &why), DOL_EINUSE);
    assert_non_null(strstr(why.text, root));
    devdir_close(&dir);
    assert_int_equal(devdir_open(root, DEVDIR_MUST_EXIST, &other, &why), DOL_OK);
    devdir_close(&other);
    assert_int_equal(devdir_open("/nonexistent/dir", DEVDIR_CREATE, &other, &why), DOL_ENOTFOUND);
    snprintf(root, sizeof root, "%s/absent", base);
    assert_int_equal(devdir_open(root, DEVDIR_MUST_EXIST, &other, &why), DOL_ENOTFOUND);
}

static void unreadable_drives_count_as_missing(void **state)
{
    struct job job = small_pool();
    (void)state;
    open_dir();
    run(create_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    assert_int_equal(unlink(in_root("drives/drive-01.img")), 0);
    assert_int_equal(truncate(in_root("drives/drive-02.img"), 100), 0);
    touch("drives/notes.txt", "");
    run(open_fiber, &job);
    assert_int_equal(job.err, DOL_OK);
    assert_int_equal(job.count, 1);
    assert_int_equal(unlink(in_root("drives/drive-00.img")), 0);
    run(open_fiber, &job);
    assert_int_equal(job.err, DOL_ENOTFOUND);
    assert_int_equal(job.count, 0);
    devdir_close(&dir);
}

static void socket_has_a_short_name(void **state)
{
    char deep[PATH_MAX];
    (void)state;
    open_dir();
    assert_string_equal(dir.socket, in_root("admin.sock"));
    devdir_close(&dir);
    snprintf(deep, sizeof deep, "%s/%0100d", root, 1);
    assert_int_equal(devdir_open(deep, DEVDIR_CREATE, &dir, &why), DOL_OK);
    assert_int_equal(strncmp(dir.socket, "/proc/self/fd/", 14), 0);
    devdir_close(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(creates_what_it_says, fresh),
        cmocka_unit_test_setup(pool_without_encryption_has_no_key, fresh),
        cmocka_unit_test_setup(failed_creation_leaves_nothing, fresh),
        cmocka_unit_test_setup(credentials_that_are_there_are_kept, fresh),
        cmocka_unit_test_setup(interrupted_creation_is_moved_aside, fresh),
        cmocka_unit_test_setup(nothing_is_created_over_a_key, fresh),
        cmocka_unit_test_setup(one_program_at_a_time, fresh),
        cmocka_unit_test_setup(unreadable_drives_count_as_missing, fresh),
        cmocka_unit_test_setup(socket_has_a_short_name, fresh),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
