/* What a drive carries, and making it blank; on files, which are probed like devices. The folder must be on a disk
 * (direct I/O). */
#include "drive_open.h"
#include "drive_probe.h"
#include "superblock.h"
#include "uring.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE_BYTES ((size_t)4 << 20)
#define MIB        ((size_t)1 << 20)

static char folder[] = "probe-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/d", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void write_drive(size_t offset, const void *data, size_t len)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE_BYTES), 0);
    assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
    close(fd);
}

/* ---- on a fiber ---- */

static struct drive_content content;
static enum dol_err result;

static void probe_fiber(void *arg)
{
    result = drive_probe(arg, &content);
    runtime_stop(runtime_self());
}

static void blank_fiber(void *arg)
{
    struct drive *d = NULL;
    result = drive_open_path(arg, DRIVE_READ_WRITE, 0, &d);
    if (result == DOL_OK)
        result = drive_blank(d);
    drive_close(d);
    runtime_stop(runtime_self());
}

static void run(fiber_fn *fn, char *arg)
{
    struct runtime *rt = NULL;
    const struct runtime_config config = {.loops = 1, .offload_threads = 1, .fibers_max = 8, .ring_entries = 8};
    assert_int_equal(runtime_new_uring(&config, &rt), DOL_OK);
    assert_int_equal(runtime_spawn(rt, 0, fn, arg, "test"), DOL_OK);
    runtime_run(rt);
    runtime_free(rt);
}

static const char *what(void)
{
    run(probe_fiber, path);
    assert_int_equal(result, DOL_OK);
    return content.what;
}

/* ---- tests ---- */

static void nothing(void **state)
{
    (void)state;
    write_drive(0, "", 0);
    assert_string_equal(what(), "");
    write_drive(0, "hello", 5);
    assert_string_equal(what(), "");
    char none[] = "probe-none/none";
    run(probe_fiber, none);
    assert_int_equal(result, DOL_ENOTFOUND);
}

static void what_others_wrote(void **state)
{
    /* The header of swap space (include/linux/swap.h): version, last page; the magic ends the first page. */
    uint8_t page[4096] = {0};
    (void)state;
    page[1024] = 1;
    page[1028] = 200;
    memcpy(page + sizeof page - 10, "SWAPSPACE2", 10);
    write_drive(0, page, sizeof page);
    assert_string_equal(what(), "swap");
    /* A table of partitions. */
    memset(page, 0, sizeof page);
    page[446 + 4] = 0x83;
    page[446 + 9] = 8;
    page[446 + 13] = 1;
    page[510] = 0x55;
    page[511] = 0xaa;
    write_drive(0, page, sizeof page);
    assert_string_equal(what(), "dos partition table");
}

static void a_pool(void **state)
{
    struct superblock *sb = calloc(1, sizeof *sb);
    uint8_t *bytes = calloc(1, SUPERBLOCK_BYTES);
    (void)state;
    assert_non_null(sb);
    assert_non_null(bytes);
    sb->pool.b[0] = 0xab;
    sb->drive.b[0] = 1;
    sb->epoch = 1;
    sb->extent_bytes = 8 * MIB;
    sb->k = 1;
    sb->drive_count = 1;
    sb->drives[0] = (struct superblock_drive){.uuid = sb->drive,
                                              .size_bytes = 64 * MIB,
                                              .extents = 7,
                                              .incarnation = 1,
                                              .state = DRIVE_STATE_ACTIVE,
                                              .joined_epoch = 1};
    memcpy(sb->label, "scans", 5);
    superblock_encode(sb, bytes);
    /* Any of the copies is enough. */
    for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
        write_drive((size_t)i * SUPERBLOCK_STRIDE_BYTES, bytes, SUPERBLOCK_BYTES);
        assert_string_equal(what(), "Dolmen pool 'scans' ab000000000000000000000000000000");
    }
    bytes[SUPERBLOCK_BYTES / 2] ^= 1;
    write_drive(0, bytes, SUPERBLOCK_BYTES);
    assert_string_equal(what(), "Dolmen pool, damaged");
    free(sb);
    free(bytes);
}

static void blanking(void **state)
{
    uint8_t *bytes = malloc(SIZE_BYTES);
    (void)state;
    assert_non_null(bytes);
    memset(bytes, 0x5a, SIZE_BYTES);
    write_drive(0, bytes, SIZE_BYTES);
    run(blank_fiber, path);
    assert_int_equal(result, DOL_OK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, bytes, SIZE_BYTES, 0), SIZE_BYTES);
    close(fd);
    for (size_t i = 0; i < SIZE_BYTES; i++) {
        bool at_an_end = i < MIB || i >= SIZE_BYTES - MIB;
        if (bytes[i] != (at_an_end ? 0 : 0x5a))
            fail_msg("byte %zu is %#x", i, bytes[i]);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(what_others_wrote),
        cmocka_unit_test(a_pool),
        cmocka_unit_test(blanking),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
