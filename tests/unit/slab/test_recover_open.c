/*
 * Opening a pool with something else than what was closed: a lost, foreign, older or newer index, shrunk, mixed,
 * swapped and blank drives, wrong keys, superblocks damaged or half written.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEN 40000u

/* ---- stories ---- */

static void tell_base(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "base", 1, LEN);
}

/* The last row, which nothing proves. */
static void tell_last(struct fixture *f)
{
    put_noise(f, "last", 2, LEN);
    fixture_crash(f);
}

static void tell_there(struct fixture *f)
{
    expect_noise(f, "base", 1, LEN);
    expect_noise(f, "last", 2, LEN);
}

static void begin(struct fixture *f)
{
    fixture_init(f);
    fixture_write_session(f, tell_base);
    fixture_write_session(f, tell_last);
}

/* ---- the index ---- */

static uint8_t listed_bytes[64][64];
static unsigned listed_count;

static bool on_entry(void *arg, struct bytes key, const struct object_info *info)
{
    (void)arg;
    assert_non_null(info);
    assert_true(listed_count < 64 && key.len < 48);
    memcpy(listed_bytes[listed_count], key.data, key.len);
    memcpy(listed_bytes[listed_count] + key.len, info->etag.md5, 16);
    listed_count++;
    return true;
}

static struct {
    unsigned count;
    uint8_t bytes[64 * 64];
} before;

static void tell_listing(struct fixture *f)
{
    uint8_t last[OBJECT_KEY_BYTES_MAX];
    size_t last_len;
    bool truncated;
    struct list_request req = {.bucket = text("b"), .max_entries = 1000};
    listed_count = 0;
    memset(listed_bytes, 0, sizeof listed_bytes);
    assert_int_equal(store_object_list(f->store, &req, on_entry, NULL, &truncated, last, &last_len), DOL_OK);
    assert_false(truncated);
}

static void tell_remember(struct fixture *f)
{
    tell_listing(f);
    before.count = listed_count;
    memcpy(before.bytes, listed_bytes, sizeof listed_bytes);
}

static void tell_same(struct fixture *f)
{
    tell_listing(f);
    assert_int_equal(listed_count, before.count);
    assert_memory_equal(listed_bytes, before.bytes, sizeof listed_bytes);
    assert_int_equal(fixture_status(f)->objects, before.count);
    assert_int_equal(f->status.buckets, 1);
}

static void tell_history(struct fixture *f)
{
    make_bucket(f);
    for (unsigned i = 0; i < 40; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%02u", i * 7 % 30);
        put_noise(f, key, i, 20000 + i * 6000);
        if (i % 6 == 5)
            remove_object(f, key);
    }
    tell_remember(f);
}

static void write_file(const struct fixture *f, const char *name, const void *data, size_t len)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f->index_dir, name);
    mkdir(f->index_dir, 0700);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, len, out), len);
    fclose(out);
}

static void test_index_lost(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1}, other = {.k = 1, .m = 1, .seed = 77};
    fixture_init(&f);
    fixture_write_session(&f, tell_history);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_same);

    /* garbage, nothing, a part */
    uint8_t *garbage = noise(5, 1u << 20);
    fixture_drop_index(&f);
    write_file(&f, "data.mdb", garbage, 1u << 20);
    fixture_write_session(&f, tell_same);
    fixture_drop_index(&f);
    write_file(&f, "data.mdb", garbage, 0);
    fixture_write_session(&f, tell_same);
    fixture_drop_index(&f);
    write_file(&f, "data.mdb", garbage, 100);
    fixture_write_session(&f, tell_same);
    free(garbage);

    /* another pool's */
    fixture_init(&other);
    fixture_write_session(&other, tell_base);
    fixture_save_index(&other);
    fixture_drop_index(&f);
    assert_int_equal(rename(other.saved_dir, f.index_dir), 0);
    fixture_write_session(&f, tell_same);
    fixture_fini(&other);
    fixture_fini(&f);
}

/* An index that is ahead: the media were put back to an older state. */
static void tell_future(struct fixture *f)
{
    put_noise(f, "from the future", 99, LEN);
    remove_object(f, "k00");
}

static void test_index_of_the_future(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    struct sim_medium *old[FIXTURE_DRIVES_MAX];
    fixture_init(&f);
    fixture_write_session(&f, tell_history);
    fixture_clone_media(&f, old);
    fixture_write_session(&f, tell_future);
    fixture_swap_media(&f, old);
    fixture_write_session(&f, tell_same);
    fixture_write_session(&f, tell_same);
    fixture_free_media(&f, old);
    fixture_fini(&f);
}

static void tell_more(struct fixture *f)
{
    put_noise(f, "one more", 98, LEN);
    remove_object(f, "one more");
    put_noise(f, "one more", 97, LEN);
    tell_remember(f);
}

/* An index of a history that did not happen on these drives; its run is long over here, too. */
static void test_index_of_another_history(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    struct sim_medium *old[FIXTURE_DRIVES_MAX];
    fixture_init(&f);
    fixture_write_session(&f, tell_history);
    fixture_clone_media(&f, old);
    fixture_save_index(&f);
    fixture_write_session(&f, tell_future);
    fixture_swap_media(&f, old);
    char other[160];
    snprintf(other, sizeof other, "%s-other", f.index_dir);
    assert_int_equal(rename(f.index_dir, other), 0);
    fixture_restore_index(&f);
    for (unsigned i = 0; i < 3; i++)
        fixture_write_session(&f, tell_more);
    fixture_drop_index(&f);
    assert_int_equal(rename(other, f.index_dir), 0);
    fixture_write_session(&f, tell_same);
    fixture_free_media(&f, old);
    fixture_fini(&f);
}

/* An index that is behind: replay brings it up. */
static void test_index_of_the_past(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_history);
    fixture_save_index(&f);
    fixture_write_session(&f, tell_more);
    fixture_restore_index(&f);
    fixture_write_session(&f, tell_same);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_same);
    fixture_fini(&f);
}

/* ---- a drive has shrunk ---- */

static void test_shrunk_drive(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    begin(&f);
    fixture_write_session(&f, tell_there);
    struct sim_medium *whole = f.media[1], *half = sim_medium_new(f.drive_bytes / 2, "sim-1");
    uint8_t page[4096];
    for (uint64_t at = 0; at < f.drive_bytes / 2; at += sizeof page) {
        sim_medium_peek(whole, at, page, sizeof page);
        if (page[0] != 0 || memcmp(page, page + 1, sizeof page - 1) != 0)
            sim_medium_poke(half, at, page, sizeof page);
    }
    f.media[1] = half;
    fixture_read_session(&f, tell_there);
    assert_non_null(strstr(f.status.reason, "shrunk"));
    fixture_drop_index(&f);
    fixture_read_session(&f, tell_there);
    sim_medium_free(half);
    f.media[1] = whole;
    fixture_write_session(&f, tell_there);
    fixture_fini(&f);
}

/* ---- drives of two pools, a drive twice ---- */

static void test_mixed_drives(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1}, other = {.k = 2, .m = 1, .seed = 50};
    begin(&f);
    fixture_init(&other);
    struct sim_medium *own = f.media[2];
    f.media[2] = other.media[2];
    assert_int_equal(fixture_session(&f, NULL), DOL_EINVAL);
    f.media[2] = sim_medium_clone(f.media[1]);
    assert_int_equal(fixture_session(&f, NULL), DOL_EINVAL);
    sim_medium_free(f.media[2]);
    f.media[2] = sim_medium_new(f.drive_bytes, "blank");
    f.access = STORE_READ_ONLY;
    fixture_read_session(&f, tell_there);
    f.access = STORE_READ_WRITE;
    sim_medium_free(f.media[2]);
    f.media[2] = own;
    fixture_write_session(&f, tell_there);
    /* nothing of a pool at all */
    struct sim_medium *kept[3];
    memcpy(kept, f.media, sizeof kept);
    for (unsigned i = 0; i < 3; i++)
        f.media[i] = sim_medium_new(f.drive_bytes, "blank");
    assert_int_equal(fixture_session(&f, NULL), DOL_ENOTPOOL);
    for (unsigned i = 0; i < 3; i++)
        sim_medium_free(f.media[i]);
    memcpy(f.media, kept, sizeof kept);
    fixture_fini(&other);
    fixture_fini(&f);
}

/* The order in which drives are given means nothing. */
static void test_swapped_drives(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    begin(&f);
    struct sim_medium *first = f.media[0];
    f.media[0] = f.media[1];
    f.media[1] = f.media[2];
    f.media[2] = first;
    fixture_write_session(&f, tell_there);
    fixture_fini(&f);
}

/* ---- keys ---- */

static void test_keys(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1, .encrypted = true}, other = {.k = 1, .m = 1, .encrypted = true, .seed = 50};
    char renamed[128];
    begin(&f);
    fixture_init(&other);
    uint64_t writes = sim_medium_writes(f.media[0]);
    f.key_file_used = NULL;
    assert_int_equal(fixture_session(&f, NULL), DOL_EKEY);
    f.key_file_used = "/dev/shm/dolmen-no-such-file";
    assert_int_equal(fixture_session(&f, NULL), DOL_EKEY);
    f.key_file_used = other.key_file;
    assert_int_equal(fixture_session(&f, NULL), DOL_EKEY);
    /* refused before anything is written */
    assert_int_equal(sim_medium_writes(f.media[0]), writes);
    /* another key that claims to be this pool's */
    f.key_file_used = f.key_file;
    snprintf(renamed, sizeof renamed, "%s.kept", f.key_file);
    assert_int_equal(rename(f.key_file, renamed), 0);
    FILE *in = fopen(renamed, "r"), *out = fopen(f.key_file, "w");
    assert_true(in != NULL && out != NULL);
    assert_int_equal(fchmod(fileno(out), 0600), 0);
    for (int c; (c = fgetc(in)) != EOF;)
        fputc(c == 'a' ? 'b' : c, out);
    fclose(in);
    fclose(out);
    assert_int_equal(fixture_session(&f, NULL), DOL_EKEY);
    assert_int_equal(rename(renamed, f.key_file), 0);
    fixture_write_session(&f, tell_there);
    fixture_fini(&other);
    fixture_fini(&f);
}

/* Nothing that was put lies in the clear on the drives of an encrypted pool; everything does in one without keys. */
static bool media_contain(const struct fixture *f, const char *needle)
{
    uint8_t page[4096];
    bool found = false;
    for (unsigned i = 0; i < f->drives; i++) {
        for (uint64_t at = 0; at < 24u << 20; at += sizeof page) {
            sim_medium_peek(f->media[i], at, page, sizeof page);
            found = found || memmem(page, sizeof page, needle, strlen(needle)) != NULL;
        }
    }
    return found;
}

static void tell_secret(struct fixture *f)
{
    make_bucket(f);
    put(f, "patient-name-in-the-key", "patient-name-in-the-bytes", 25);
}

static void test_nothing_in_the_clear(void **state)
{
    (void)state;
    for (unsigned encrypted = 0; encrypted < 2; encrypted++) {
        struct fixture f = {.k = 1, .m = 1, .encrypted = encrypted};
        fixture_init(&f);
        fixture_write_session(&f, tell_secret);
        assert_int_equal(media_contain(&f, "patient-name-in-the-key"), !encrypted);
        assert_int_equal(media_contain(&f, "patient-name-in-the-bytes"), !encrypted);
        fixture_fini(&f);
    }
}

/* ---- superblocks ---- */

static uint64_t run_of(struct fixture *f)
{
    struct raw_pool *p = raw_pool_read(f);
    uint64_t run = p->sb.run;
    free(p);
    return run;
}

/* Copy `slot` of a drive's superblock. */
static void harm_slot(struct fixture *f, unsigned drive, unsigned slot)
{
    sim_medium_flip(f->media[drive], slot * SUPERBLOCK_STRIDE_BYTES + 300, 4);
}

static void test_superblock_copies(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    begin(&f);
    uint64_t run = run_of(&f);
    /* any three of the four copies of every drive may be bad */
    for (unsigned left = 0; left < SUPERBLOCK_COPIES; left++) {
        for (unsigned i = 0; i < f.drives; i++)
            for (unsigned slot = 0; slot < SUPERBLOCK_COPIES; slot++)
                if (slot != (left + i) % SUPERBLOCK_COPIES)
                    harm_slot(&f, i, slot);
        fixture_write_session(&f, tell_there);
        run++;
        assert_int_equal(run_of(&f), run);
    }
    /* all four on one drive: it is as good as missing */
    for (unsigned slot = 0; slot < SUPERBLOCK_COPIES; slot++)
        harm_slot(&f, 1, slot);
    fixture_write_session(&f, tell_there);
    assert_string_equal(f.status.drives[1].state, "missing");
    assert_int_equal(run_of(&f), run + 1);
    fixture_fini(&f);
}

/* The power goes during every write of the superblocks at open. The run that was begun is never begun again. */
static struct fixture *cut;
static uint64_t cut_at, writes_seen;

static void on_write(void *arg, struct sim_medium *m)
{
    (void)arg;
    (void)m;
    if (++writes_seen == cut_at)
        fixture_crash(cut);
}

static void test_power_cut_while_opening(void **state)
{
    (void)state;
    for (cut_at = 1; cut_at <= 12; cut_at++) {
        struct fixture f = {.k = 2, .m = 1, .seed = cut_at};
        begin(&f);
        cut = &f;
        writes_seen = 0;
        for (unsigned i = 0; i < 3; i++)
            sim_medium_on_write(f.media[i], on_write, NULL);
        enum dol_err err = fixture_session(&f, NULL);
        assert_true(err == DOL_ESTOPPED || err == DOL_OK);
        assert_true(writes_seen >= cut_at);
        for (unsigned i = 0; i < 3; i++)
            sim_medium_on_write(f.media[i], NULL, NULL);
        uint64_t run = run_of(&f);
        assert_true(run == 2 || run == 3);
        fixture_write_session(&f, tell_there);
        assert_int_equal(run_of(&f), run + 1);
        fixture_fini(&f);
    }
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_lost),
        cmocka_unit_test(test_index_of_the_future),
        cmocka_unit_test(test_index_of_another_history),
        cmocka_unit_test(test_index_of_the_past),
        cmocka_unit_test(test_shrunk_drive),
        cmocka_unit_test(test_mixed_drives),
        cmocka_unit_test(test_swapped_drives),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_nothing_in_the_clear),
        cmocka_unit_test(test_superblock_copies),
        cmocka_unit_test(test_power_cut_while_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
