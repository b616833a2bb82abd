/* Growth of the map, and files that were damaged: an index that cannot be believed is begun anew, a rotten value is an
 * error and never an answer. */
#include "index_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index_impl.h"

#define B FX_BUCKET

static size_t key_make(char out[64], unsigned n)
{
    return (size_t)snprintf(out, 64, "study/%08u/slice", n);
}

static void put_many(struct fx *fx, unsigned from, unsigned to)
{
    char key[64];
    struct fx_row *row = fx_row_new(fx, 1, from + 1);
    for (unsigned n = from; n < to; n++) {
        const uint64_t chunks[3] = {n, n + 1, n + 2};
        fx_add_chunk(row, n);
        struct fx_manifest m = {
            .bucket = B, .key = bytes_of(key, key_make(key, n)), .version = n + 1, .chunks = chunks, .chunk_count = 3};
        fx_add_manifest(row, &m);
    }
    fx_publish(row);
}

static void assert_many(struct fx *fx, unsigned count)
{
    char key[64];
    struct index_view *v = fx_view(fx);
    for (unsigned n = 0; n < count; n++) {
        assert_int_equal(fx_newest(v, B, bytes_of(key, key_make(key, n))), n + 1);
        struct sha256 h = fx_hash(n);
        assert_int_equal(fx_refs(v, RECORD_CHUNK, &h), n == 0 ? 1 : n == 1 ? 2 : 3);
    }
    index_view_end(v);
    struct index_counts c;
    index_counts_get(fx->ix, &c);
    assert_int_equal(c.objects, count);
}

static uint64_t map_bytes(struct fx *fx)
{
    struct index_counts c;
    index_counts_get(fx->ix, &c);
    return c.map_bytes;
}

/* ---- growth ---- */

static void test_grows_step_by_step(void **state)
{
    struct fx *fx = *state;
    assert_int_equal(map_bytes(fx), 1 << 20);
    for (unsigned n = 0; n < 6000; n += 200) {
        put_many(fx, n, n + 200);
        fx_commit(fx);
    }
    assert_true(map_bytes(fx) >= 4 << 20);
    assert_many(fx, 6000);
    uint64_t grown = map_bytes(fx);
    assert_false(fx_reopen(fx));
    assert_true(map_bytes(fx) > 1 << 20 && map_bytes(fx) <= grown);
    assert_many(fx, 6000);
    put_many(fx, 6000, 6100);
    fx_commit(fx);
}

static void test_grows_for_one_batch(void **state)
{
    struct fx *fx = *state;
    put_many(fx, 0, 8000);
    fx_commit(fx);
    assert_true(map_bytes(fx) >= 8 << 20);
    assert_many(fx, 8000);
}

static void test_map_full_grows_and_tries_again(void **state)
{
    struct fx *fx = *state;
    put_many(fx, 0, 3000);
    /* The batch itself, into a map that is too small for it: nothing of it may stay. */
    const struct pending_record *records[6000];
    size_t count = 0;
    list_for_each(n, &fx->ix->pending)
    {
        struct pending_row *row = container_of(n, struct pending_row, list);
        for (size_t i = 0; i < row->record_count; i++)
            records[count++] = &row->records[i];
    }
    assert_int_equal(count, 6000);
    assert_int_equal(apply_batch(fx->ix, records, count, NULL, 0, fx_lsn(fx)), DOL_ETOOLARGE);
    struct lsn applied = index_applied(fx->ix);
    assert_true(applied.run == 0 && applied.counter == 0);
    assert_int_equal(map_bytes(fx), 1 << 20);
    assert_int_equal(env_grow(fx->ix, 0, ENV_DOUBLE), DOL_OK);
    assert_int_equal(map_bytes(fx), 2 << 20);
    fx_commit(fx);
    assert_many(fx, 3000);
}

/* ---- damaged files ---- */

static void file_write(struct fx *fx, off_t at, const void *data, size_t len)
{
    char path[96];
    fx_file_path(fx, path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
    close(fd);
}

static uint8_t *file_read(struct fx *fx, size_t *len)
{
    char path[96];
    struct stat st;
    fx_file_path(fx, path);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *len = (size_t)st.st_size;
    uint8_t *data = malloc(*len + 1);
    assert_non_null(data);
    assert_int_equal(pread(fd, data, *len, 0), (ssize_t)*len);
    close(fd);
    return data;
}

static void file_truncate(struct fx *fx, off_t len)
{
    char path[96];
    fx_file_path(fx, path);
    assert_int_equal(truncate(path, len), 0);
}

static void assert_works_anew(struct fx *fx)
{
    assert_many(fx, 0);
    fx->counter = 0;
    put_many(fx, 0, 10);
    fx_commit(fx);
    assert_many(fx, 10);
}

static void test_truncated_at_every_page(void **state)
{
    struct fx *fx = *state;
    put_many(fx, 0, 300);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *good = file_read(fx, &len);
    for (size_t cut = len - 4096; cut > 0; cut -= cut > 65536 ? 16384 : 4096) {
        file_truncate(fx, (off_t)cut);
        assert_true(fx_start(fx));
        assert_int_equal(map_bytes(fx), 1 << 20);
        assert_works_anew(fx);
        fx_shut(fx);
        file_truncate(fx, 0);
        file_write(fx, 0, good, len);
    }
    assert_false(fx_start(fx));
    assert_many(fx, 300);
    free(good);
}

static void test_garbage_and_empty_files(void **state)
{
    struct fx *fx = *state;
    put_many(fx, 0, 300);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *data = file_read(fx, &len);
    memset(data, 0xa5, len);
    file_write(fx, 0, data, len);
    assert_true(fx_start(fx));
    assert_works_anew(fx);
    fx_shut(fx);
    memset(data, 0, len);
    file_write(fx, 0, data, len);
    assert_true(fx_start(fx));
    assert_works_anew(fx);
    fx_shut(fx);
    file_truncate(fx, 0);
    assert_true(fx_start(fx));
    assert_works_anew(fx);
    free(data);
}

static void test_any_flip_in_the_meta_pages(void **state)
{
    struct fx *fx = *state;
    put_many(fx, 0, 50);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *good = file_read(fx, &len);
    for (unsigned page = 0; page < 2; page++)
        for (unsigned byte = 0; byte < 152; byte++) {
            uint8_t bad = good[page * 4096 + byte] ^ (uint8_t)(1u << (byte % 8));
            file_write(fx, page * 4096 + byte, &bad, 1);
            bool fresh =
                fx_start(fx); /* either the flip does not matter, or an older state is good, or it is begun anew */
            struct index_view *v = fx_view(fx);
            char key[64];
            uint64_t newest = fx_newest(v, B, bytes_of(key, key_make(key, 7)));
            assert_true(newest == 8 || newest == 0);
            assert_true(newest == 8 || fresh || index_applied(fx->ix).counter < fx->counter);
            index_view_end(v);
            fx_shut(fx);
            file_truncate(fx, 0);
            file_write(fx, 0, good, len);
        }
    assert_false(fx_start(fx));
    assert_many(fx, 50);
    free(good);
}

static size_t find_bytes(const uint8_t *data, size_t len, struct bytes what)
{
    /* The last one: pages of older states may still lie in the file. */
    for (size_t i = len - what.len + 1; i-- > 0;)
        if (memcmp(data + i, what.data, what.len) == 0)
            return i;
    fail();
    return 0;
}

static void test_rotten_values_are_errors(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_bucket(row, B, "bucketname", "regionregion");
    fx_add_setting(row, RECORD_SETTING, "setting", "settingvalue");
    fx_add_chunk(row, 77);
    for (unsigned i = 0; i < 3; i++) {
        char key[8] = {"key-"[0], (char)('a' + i), '-', 'x', 'y', 'z', 'q', 0};
        struct fx_manifest m = {.bucket = B, .key = bytes_of(key, 7), .version = 5};
        fx_add_manifest(row, &m);
    }
    fx_publish(row);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *data = file_read(fx, &len);
    struct sha256 h = fx_hash(77);
    size_t spots[] = {
        /* in values: of the body, behind the key in its page, and of the chunk's row */
        find_bytes(data, len, S("regionregion")), find_bytes(data, len, S("settingvalue")),
        find_bytes(data, len, bytes_of(h.b, sizeof h.b)) + sizeof h.b + 20,
        find_bytes(data, len, S("kb-xyzq")), /* the key as the manifest's body has it */
    };
    for (unsigned s = 0; s < 4; s++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t bad = data[spots[s]] ^ (uint8_t)(1u << bit);
            file_write(fx, (off_t)spots[s], &bad, 1);
            assert_false(fx_start(fx));
            struct index_view *v = fx_view(fx);
            struct bucket_body b;
            struct bytes value;
            struct index_chunk c;
            struct index_object o;
            uint8_t key[OBJECT_KEY_BYTES_MAX];
            size_t key_len;
            assert_int_equal(index_bucket_by_name(v, S("bucketname"), &b), s == 0 ? DOL_ECORRUPT : DOL_OK);
            assert_int_equal(index_bucket_next(v, S(""), &b), s == 0 ? DOL_ECORRUPT : DOL_OK);
            assert_int_equal(index_setting_get(v, S("setting"), &value), s == 1 ? DOL_ECORRUPT : DOL_OK);
            assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &h, &c), s == 2 ? DOL_ECORRUPT : DOL_OK);
            assert_int_equal(index_object_get(v, B, S("kb-xyzq"), NULL, &o), s == 3 ? DOL_ECORRUPT : DOL_OK);
            assert_int_equal(index_object_get(v, B, S("ka-xyzq"), NULL, &o), DOL_OK);
            assert_int_equal(index_object_next(v, B, S("ka-xyzq"), false, key, &key_len, &o),
                             s == 3 ? DOL_ECORRUPT : DOL_OK);
            struct version_id version = fx_version(5);
            assert_int_equal(index_object_get(v, B, S("kb-xyzq"), &version, &o), s == 3 ? DOL_ECORRUPT : DOL_OK);
            index_view_end(v);
            fx_shut(fx);
            fx_unretire(fx);
            file_write(fx, (off_t)spots[s], &data[spots[s]], 1);
        }
    free(data);
    assert_false(fx_start(fx));
}

static void test_rotten_row_stops_applying_not_reading(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("plain-key"), 1, 0);
    fx_put(fx, B, S("other-key"), 1, 0);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *data = file_read(fx, &len);
    size_t spot = find_bytes(data, len, S("plain-key"));
    uint8_t bad = data[spot] ^ 1;
    file_write(fx, (off_t)spot, &bad, 1);
    free(data);
    assert_false(fx_start(fx));
    fx_put(fx, B, S("plain-key"), 2, 1); /* has to read the old version */
    size_t applied;
    assert_int_equal(index_commit(fx->ix, fx_lsn(fx), &applied), DOL_ECORRUPT);
    assert_int_equal(index_commit(fx->ix, fx_lsn(fx), &applied), DOL_ECORRUPT);
    struct index_view *v = fx_view(fx);
    assert_int_equal(fx_newest(v, B, S("other-key")), 1);
    struct index_object o;
    struct version_id version = fx_version(2);
    assert_int_equal(index_object_get(v, B, S("plain-key"), &version, &o), DOL_OK); /* the overlay's */
    assert_int_equal(index_object_get(v, B, S("plain-key"), NULL, &o), DOL_ECORRUPT);
    index_view_end(v);
    assert_int_equal(index_reset(fx->ix), DOL_OK);
    fx->counter = 0;
    assert_works_anew(fx);
    assert_false(fx_reopen(fx)); /* the mark went with the damage */
}

static void test_damage_is_remembered(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("plain-key"), 1, 0);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *data = file_read(fx, &len);
    size_t spot = find_bytes(data, len, S("plain-key"));
    uint8_t bad = data[spot] ^ 1;
    file_write(fx, (off_t)spot, &bad, 1);
    assert_false(fx_start(fx));
    struct index_view *v = fx_view(fx);
    struct index_object o;
    assert_int_equal(index_object_get(v, B, S("plain-key"), NULL, &o), DOL_ECORRUPT);
    index_view_end(v);
    assert_true(fx_reopen(fx));
    assert_works_anew(fx);
    assert_false(fx_reopen(fx));
    free(data);
}

/* In a process of its own: reads an index whose file is cut under it. */
static void child_dies_of_sigbus(struct fx *fx)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGBUS, &action, NULL); /* neither cmocka's nor a sanitizer's */
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (fx_start(fx))
        _exit(3);
    index_sigbus_guard(fx->ix);
    char path[96];
    fx_file_path(fx, path);
    if (truncate(path, 8192) != 0)
        _exit(4);
    struct index_view *v = fx_view(fx);
    struct index_object o;
    (void)!index_object_get(v, B, S("plain-key"), NULL, &o);
    _exit(5);
}

static void test_sigbus_marks_the_index(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("plain-key"), 1, 0);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *good = file_read(fx, &len);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_dies_of_sigbus(fx);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    file_write(fx, 0, good, len); /* the sector reads well again: it is not believed */
    assert_true(fx_start(fx));
    assert_works_anew(fx);
    free(good);
}

static void test_rotten_state_begins_anew(void **state)
{
    struct fx *fx = *state;
    put_many(fx, 0, 10);
    fx_commit(fx);
    fx_shut(fx);
    size_t len;
    uint8_t *data = file_read(fx, &len);
    size_t at = find_bytes(data, len, S("DolIndx")), spots = 0;
    for (size_t i = 0; i + 7 <= len; i++) /* in every state of the index that the file still has */
        if (memcmp(data + i, "DolIndx", 7) == 0) {
            uint8_t bad = data[i + 40] ^ 4;
            file_write(fx, (off_t)i + 40, &bad, 1);
            spots++;
        }
    assert_true(at > 0 && spots > 0);
    free(data);
    assert_true(fx_start(fx));
    assert_works_anew(fx);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup_small, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_grows_step_by_step),
        T(test_grows_for_one_batch),
        T(test_map_full_grows_and_tries_again),
        T(test_truncated_at_every_page),
        T(test_garbage_and_empty_files),
        T(test_any_flip_in_the_meta_pages),
        T(test_rotten_values_are_errors),
        T(test_rotten_row_stops_applying_not_reading),
        T(test_damage_is_remembered),
        T(test_sigbus_marks_the_index),
        T(test_rotten_state_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
