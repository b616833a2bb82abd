/* Formatting: geometries and sizes that are possible, drives that carry a pool, key files, and a power cut in between.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIB (1ull << 20)

static struct sim_medium *media[8];
static struct runtime *rt;
static enum dol_err result;
static struct pool_create_config config;

static void create_run(void *arg)
{
    struct drive *drives[8];
    (void)arg;
    for (unsigned i = 0; i < config.drive_count; i++)
        assert_int_equal(drive_sim_open(media[i], &drives[i]), DOL_OK);
    config.drives = drives;
    result = pool_create(&config);
    for (unsigned i = 0; i < config.drive_count; i++)
        drive_close(drives[i]);
    runtime_stop(rt);
}

static enum dol_err create(unsigned drives, unsigned k, unsigned m, uint64_t extent_bytes)
{
    struct sim_config sim = {.seed = 1};
    config.drive_count = drives;
    config.k = k;
    config.m = m;
    config.extent_bytes = extent_bytes;
    assert_int_equal(runtime_new_sim(&sim, &rt), DOL_OK);
    assert_int_equal(runtime_spawn(rt, 0, create_run, NULL, "create"), DOL_OK);
    runtime_run(rt);
    runtime_free(rt);
    return result;
}

static void begin(unsigned drives, uint64_t bytes)
{
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    memset(&config, 0, sizeof config);
    for (unsigned i = 0; i < drives; i++)
        media[i] = sim_medium_new(bytes, "sim");
}

static void end(unsigned drives)
{
    for (unsigned i = 0; i < drives; i++)
        sim_medium_free(media[i]);
}

static void superblock_of(unsigned drive, struct superblock *sb)
{
    uint8_t *buf = malloc(SUPERBLOCK_BYTES);
    assert_non_null(buf);
    sim_medium_peek(media[drive], 3 * SUPERBLOCK_STRIDE_BYTES, buf, SUPERBLOCK_BYTES);
    assert_int_equal(superblock_decode(buf, sb), DOL_OK);
    free(buf);
}

static void test_refused(void **state)
{
    (void)state;
    begin(6, 65 * MIB);
    const struct {
        unsigned drives, k, m;
        uint64_t extent_bytes;
    } cases[] = {{6, 0, 2, 8 * MIB},    {6, 5, 2, 8 * MIB}, {1, 1, 1, 8 * MIB},  {6, 33, 1, 8 * MIB},
                 {6, 1, 9, 8 * MIB},    {6, 4, 2, 4 * MIB}, {6, 4, 2, 12 * MIB}, {6, 4, 2, 16 * MIB},
                 {6, 4, 2, 2048 * MIB}, {6, 4, 2, 4096}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(create(cases[i].drives, cases[i].k, cases[i].m, cases[i].extent_bytes), DOL_EINVAL);
    config.label = "0123456789012345678901234567890123456789012345678901234567890123";
    assert_int_equal(create(6, 4, 2, 8 * MIB), DOL_EINVAL);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(sim_medium_writes(media[i]), 0);
    config.label = "012345678901234567890123456789012345678901234567890123456789012";
    assert_int_equal(create(6, 4, 2, 8 * MIB), DOL_OK);
    end(6);
    /* one block short of eight extents */
    begin(1, 65 * MIB - 4096);
    assert_int_equal(create(1, 1, 0, 8 * MIB), DOL_EINVAL);
    end(1);
}

static void test_superblocks(void **state)
{
    (void)state;
    static struct superblock first, sb;
    begin(3, 100 * MIB);
    config.label = "archive of the north wing";
    assert_int_equal(create(3, 2, 1, 0), DOL_OK);
    superblock_of(0, &first);
    assert_int_equal(first.k, 2);
    assert_int_equal(first.m, 1);
    assert_int_equal(first.extent_bytes, 8 * MIB);
    assert_int_equal(first.run, 0);
    assert_int_equal(first.epoch, 1);
    assert_int_equal(first.encrypted, 0);
    assert_string_equal(first.label, config.label);
    assert_int_equal(first.sequence, 4);
    for (unsigned i = 0; i < 3; i++) {
        superblock_of(i, &sb);
        assert_true(uuid_equal(sb.pool, first.pool));
        assert_true(uuid_equal(sb.drive, first.drives[i].uuid));
        assert_int_equal(sb.drives[i].size_bytes, 100 * MIB);
        assert_int_equal(sb.drives[i].extents, 12); /* 99 MiB hold 12 and a rest */
        for (unsigned j = 0; j < i; j++)
            assert_false(uuid_equal(first.drives[i].uuid, first.drives[j].uuid));
    }
    end(3);
}

static void test_extent_size_by_drive_size(void **state)
{
    (void)state;
    static const struct {
        uint64_t drive, extent;
    } cases[] = {{100 * MIB, 8 * MIB},
                 {2048 * MIB + 8 * MIB - 4096, 8 * MIB},
                 {2056 * MIB, 16 * MIB},
                 {2064 * MIB, 16 * MIB},
                 {8192 * MIB, 32 * MIB},
                 {1024 * 1024 * MIB, 1024 * MIB},
                 {8 * 1024 * 1024 * MIB, 1024 * MIB}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct superblock sb;
        begin(1, cases[i].drive);
        assert_int_equal(create(1, 1, 0, 0), DOL_OK);
        superblock_of(0, &sb);
        if (sb.extent_bytes != cases[i].extent)
            print_error("drive of %llu MiB\n", (unsigned long long)(cases[i].drive / MIB));
        assert_int_equal(sb.extent_bytes, cases[i].extent);
        end(1);
    }
}

/* A drive that carries a pool, whole or in part, is not formatted again unless forced. */
static void test_carried(void **state)
{
    (void)state;
    static struct superblock before, after;
    begin(2, 100 * MIB);
    assert_int_equal(create(2, 1, 1, 0), DOL_OK);
    superblock_of(1, &before);
    assert_int_equal(create(2, 1, 1, 0), DOL_EEXIST);
    assert_int_equal(create(1, 1, 0, 0), DOL_EEXIST);
    sim_medium_erase(media[0], 0, MIB); /* one drive without is no better */
    uint64_t writes = sim_medium_writes(media[0]);
    assert_int_equal(create(2, 1, 1, 0), DOL_EEXIST);
    for (unsigned slot = 0; slot < 3; slot++) /* nor one whose superblocks are damaged */
        sim_medium_erase(media[1], slot * SUPERBLOCK_STRIDE_BYTES, 4096);
    sim_medium_flip(media[1], 3 * SUPERBLOCK_STRIDE_BYTES + 5000, 1);
    assert_int_equal(create(2, 1, 1, 0), DOL_EEXIST);
    assert_int_equal(sim_medium_writes(media[0]), writes);
    config.force = true;
    assert_int_equal(create(2, 1, 1, 0), DOL_OK);
    superblock_of(1, &after);
    assert_false(uuid_equal(before.pool, after.pool));
    end(2);
}

static void test_key_file(void **state)
{
    (void)state;
    char path[] = "/dev/shm/dolmen-test-key-XXXXXX";
    static struct superblock sb;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    begin(1, 100 * MIB);
    config.key_file = path;
    assert_int_equal(create(1, 1, 0, 0), DOL_EEXIST);
    config.force = true; /* a key file is never overwritten: another pool may need it */
    assert_int_equal(create(1, 1, 0, 0), DOL_EEXIST);
    assert_int_equal(sim_medium_writes(media[0]), 0);
    unlink(path);
    assert_int_equal(create(1, 1, 0, 0), DOL_OK);
    superblock_of(0, &sb);
    assert_int_equal(sb.encrypted, 1);
    assert_int_equal(sb.key_count, 1);
    unlink(path);
    config.key_file = "/dev/shm/dolmen-no-such-folder/key";
    assert_int_equal(create(1, 1, 0, 0), DOL_ENOTFOUND);
    end(1);
}

/* What an old pool left on the drives never shows up in the one that took its place. */
static void tell_old(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "k", 1, 2000000);
}

static void tell_new(struct fixture *f)
{
    struct bucket_info info;
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_ENOBUCKET);
    assert_int_equal(fixture_status(f)->drives[0].used_bytes, f->status.slabs_open * f->extent_bytes);
    make_bucket(f);
    expect_absent(f, "k");
    put_noise(f, "k", 2, 5000);
}

static void tell_new_again(struct fixture *f)
{
    expect_noise(f, "k", 2, 5000);
}

static void format_again(struct fixture *f)
{
    struct drive *drives[2];
    struct pool_create_config c = {
        .drives = drives, .drive_count = 2, .k = 1, .m = 1, .extent_bytes = f->extent_bytes, .force = true};
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(drive_sim_open(f->media[i], &drives[i]), DOL_OK);
    assert_int_equal(pool_create(&c), DOL_OK);
    for (unsigned i = 0; i < 2; i++)
        drive_close(drives[i]);
}

static void test_formatted_over(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_old);
    fixture_run(&f, format_again);
    fixture_write_session(&f, tell_new); /* with the old pool's index */
    fixture_write_session(&f, tell_new_again);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_new_again);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_superblocks),
        cmocka_unit_test(test_extent_size_by_drive_size),
        cmocka_unit_test(test_carried),
        cmocka_unit_test(test_key_file),
        cmocka_unit_test(test_formatted_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
