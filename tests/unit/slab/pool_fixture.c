/* Sessions on simulated drives, and objects in them: see pool_fixture.h. */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "store_impl.h"

/* ---- the index's files ---- */

static void path_of(const char *dir, const char *name, char out[160])
{
    snprintf(out, 160, "%s/%s", dir, name);
}

static void remove_index(const char *dir)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "retired"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[160];
        path_of(dir, names[i], path);
        unlink(path);
    }
    rmdir(dir);
}

static void copy_index(const char *from_dir, const char *to_dir)
{
    static char buf[65536];
    char from[160], to[160];
    size_t n;
    path_of(from_dir, "data.mdb", from);
    path_of(to_dir, "data.mdb", to);
    remove_index(to_dir);
    FILE *in = fopen(from, "rb");
    if (in == NULL)
        return;
    assert_int_equal(mkdir(to_dir, 0700), 0);
    FILE *out = fopen(to, "wb");
    assert_non_null(out);
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        assert_int_equal(fwrite(buf, 1, n, out), n);
    fclose(in);
    fclose(out);
}

void fixture_drop_index(struct fixture *f)
{
    remove_index(f->index_dir);
}

void fixture_save_index(struct fixture *f)
{
    copy_index(f->index_dir, f->saved_dir);
}

void fixture_restore_index(struct fixture *f)
{
    copy_index(f->saved_dir, f->index_dir);
    remove_index(f->saved_dir);
}

/* ---- runs ---- */

struct run {
    struct fixture *f;
    fixture_fn *fn;
    enum dol_err err;
};

static void run_plain(void *arg)
{
    struct run *r = arg;
    r->fn(r->f);
    runtime_stop(r->f->rt);
}

static void run(struct fixture *f, fiber_fn *fn, struct run *r)
{
    struct sim_config config = {
        .seed = f->seed++, .loops = f->loops, .fibers_max = 256, .steps_max = 200000000, .realtime_ns = f->realtime_ns};
    assert_int_equal(runtime_new_sim(&config, &f->rt), DOL_OK);
    assert_int_equal(runtime_spawn(f->rt, 0, fn, r, "test"), DOL_OK);
    runtime_run(f->rt);
    if (sim_stuck_fibers(f->rt) > 0)
        sim_log_stuck_fibers(f->rt);
    assert_int_equal(sim_stuck_fibers(f->rt), 0);
    runtime_free(f->rt);
    f->rt = NULL;
    for (unsigned i = 0; i < f->drives; i++)
        sim_medium_power_on(f->media[i]);
    if (f->crashed)
        fixture_restore_index(f);
    f->crashed = false;
}

void fixture_run(struct fixture *f, fixture_fn *fn)
{
    struct run r = {f, fn, DOL_OK};
    run(f, run_plain, &r);
}

static unsigned open_drives(struct fixture *f, struct drive **drives)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->drives; i++)
        if ((f->given >> i & 1) != 0 && drive_sim_open(f->media[i], &drives[n]) == DOL_OK)
            n++;
    return n;
}

static void run_session(void *arg)
{
    struct run *r = arg;
    struct fixture *f = r->f;
    struct drive *drives[FIXTURE_DRIVES_MAX];
    struct store_config config = {.drives = drives,
                                  .drive_count = open_drives(f, drives),
                                  .index_dir = f->index_dir,
                                  .key_file = f->key_file_used,
                                  .access = f->access,
                                  .index_map_bytes = 4u << 20,
                                  .index_no_sync = 1,
                                  .gc_manual = 1,
                                  .puts_max = f->puts_max,
                                  .cache_bytes = f->cache_bytes};
    f->main_fiber = fiber_self();
    r->err = store_open(&config, &f->store);
    if (r->err == DOL_OK) {
        if (r->fn != NULL)
            r->fn(f);
        store_close(f->store);
        f->store = NULL;
    } else {
        for (unsigned i = 0; i < config.drive_count; i++)
            drive_close(drives[i]);
    }
    runtime_stop(f->rt);
}

enum dol_err fixture_session(struct fixture *f, fixture_fn *fn)
{
    struct run r = {f, fn, DOL_OK};
    run(f, run_session, &r);
    return r.err;
}

static fixture_fn *session_fn;
static bool session_read_only;

static void check_access(struct fixture *f)
{
    fixture_status(f);
    if (f->status.read_only != session_read_only)
        print_error("the pool is %s: %s\n", f->status.read_only ? "read-only" : "read-write", f->status.reason);
    assert_int_equal(f->status.read_only, session_read_only);
    if (session_fn != NULL)
        session_fn(f);
}

static void checked_session(struct fixture *f, fixture_fn *fn, bool read_only)
{
    session_fn = fn;
    session_read_only = read_only;
    enum store_access access = f->access;
    if (read_only && f->given != (1u << f->drives) - 1)
        f->access = STORE_READ_ONLY;
    assert_int_equal(fixture_session(f, check_access), DOL_OK);
    f->access = access;
}

void fixture_write_session(struct fixture *f, fixture_fn *fn)
{
    checked_session(f, fn, false);
}

void fixture_read_session(struct fixture *f, fixture_fn *fn)
{
    checked_session(f, fn, true);
}

void fixture_crash(struct fixture *f)
{
    f->crashed = true;
    fixture_save_index(f); /* what the engine does to it from now on does not happen */
    sim_media_crash(f->media, f->drives, f->rt);
}

void fixture_spawn(struct fixture *f, unsigned loop, fiber_fn *fn, void *arg)
{
    f->running++;
    assert_int_equal(runtime_spawn(f->rt, loop, fn, arg, "worker"), DOL_OK);
}

void fixture_leave(struct fixture *f)
{
    f->running--;
    fiber_wake(f->main_fiber);
}

void fixture_join(struct fixture *f)
{
    while (f->running > 0)
        fiber_park();
}

uint64_t fixture_dice(struct fixture *f, uint64_t n)
{
    return sim_random_below(f->rt, n);
}

const struct store_status *fixture_status(struct fixture *f)
{
    store_status_get(f->store, &f->status);
    return &f->status;
}

/* ---- life ---- */

static void format(struct fixture *f)
{
    struct drive *drives[FIXTURE_DRIVES_MAX];
    struct pool_create_config config = {.drives = drives,
                                        .drive_count = open_drives(f, drives),
                                        .k = f->k,
                                        .m = f->m,
                                        .extent_bytes = f->extent_bytes,
                                        .key_file = f->encrypted ? f->key_file : NULL};
    assert_int_equal(pool_create(&config), DOL_OK);
    for (unsigned i = 0; i < config.drive_count; i++)
        drive_close(drives[i]);
}

void fixture_choose(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
}

void fixture_init(struct fixture *f)
{
    /* a failed assertion on a fiber can't jump back to the stack of the test */
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    log_set_level(getenv("FIXTURE_LOG") != NULL ? LOG_LEVEL_INFO : LOG_LEVEL_OFF);
    f->drives = f->drives ? f->drives : f->k + f->m;
    f->loops = f->loops ? f->loops : 1;
    f->extent_bytes = f->extent_bytes ? f->extent_bytes : 8u << 20;
    f->drive_bytes = f->drive_bytes ? f->drive_bytes : (1u << 20) + 32 * f->extent_bytes;
    f->seed = f->seed ? f->seed : 1;
    f->given = (1u << f->drives) - 1;
    f->access = STORE_READ_WRITE;
    snprintf(f->folder, sizeof f->folder, "/dev/shm/dolmen-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->index_dir, sizeof f->index_dir, "%s/index", f->folder);
    snprintf(f->saved_dir, sizeof f->saved_dir, "%s/saved", f->folder);
    snprintf(f->key_file, sizeof f->key_file, "%s/key", f->folder);
    f->key_file_used = f->encrypted ? f->key_file : NULL;
    for (unsigned i = 0; i < f->drives; i++) {
        char name[16];
        snprintf(name, sizeof name, "sim-%u", i);
        f->media[i] = sim_medium_new(f->drive_bytes, name);
    }
    fixture_run(f, format);
}

void fixture_fini(struct fixture *f)
{
    fixture_free_media(f, f->media);
    fixture_drop_index(f);
    remove_index(f->saved_dir);
    unlink(f->key_file);
    assert_int_equal(rmdir(f->folder), 0);
}

void fixture_clone_media(const struct fixture *f, struct sim_medium **out)
{
    for (unsigned i = 0; i < f->drives; i++)
        out[i] = sim_medium_clone(f->media[i]);
}

void fixture_swap_media(struct fixture *f, struct sim_medium **other)
{
    for (unsigned i = 0; i < f->drives; i++) {
        struct sim_medium *m = f->media[i];
        f->media[i] = other[i];
        other[i] = m;
    }
}

void fixture_free_media(const struct fixture *f, struct sim_medium **media)
{
    for (unsigned i = 0; i < f->drives; i++)
        sim_medium_free(media[i]);
}

/* ---- objects ---- */

struct bytes text(const char *s)
{
    return bytes_of(s, strlen(s));
}

uint8_t *noise(uint64_t seed, size_t len)
{
    uint8_t *data = malloc(len ? len : 1);
    assert_non_null(data);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t z = (seed * 0xbf58476d1ce4e5b9ull) + (i / 8 + 1) * 0x9e3779b97f4a7c15ull; /* splitmix64 */
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        z ^= z >> 31;
        memcpy(data + i, &z, len - i < 8 ? len - i : 8);
    }
    return data;
}

void make_bucket(struct fixture *f)
{
    struct bucket_info info;
    struct bucket_create req = {.name = text("b"), .owner = text("owner"), .region = text("us-east-1")};
    assert_int_equal(store_bucket_create(f->store, &req, &info), DOL_OK);
}

enum dol_err try_put(struct fixture *f, const char *key, const void *data, size_t len, struct put_result *out)
{
    struct put_request req = {.bucket = text("b"), .key = text(key), .owner = text("owner"), .size_hint = len};
    struct put_finish fin = {.expected_size = len};
    struct put_result result;
    struct put *put;
    enum dol_err err = store_put_begin(f->store, &req, &put);
    if (err != DOL_OK)
        return err;
    err = store_put_write(put, data, len);
    if (err != DOL_OK) {
        store_put_abort(put);
        return err;
    }
    return store_put_finish(put, &fin, out ? out : &result);
}

void put(struct fixture *f, const char *key, const void *data, size_t len)
{
    assert_int_equal(try_put(f, key, data, len, NULL), DOL_OK);
}

void put_noise(struct fixture *f, const char *key, uint64_t seed, size_t len)
{
    uint8_t *data = noise(seed, len);
    put(f, key, data, len);
    free(data);
}

enum dol_err read_all(struct fixture *f, const char *key, const void *data, size_t len)
{
    struct object *o;
    struct bytes piece;
    size_t at = 0;
    enum dol_err err = store_object_open(f->store, text("b"), text(key), NULL, &o);
    if (err != DOL_OK)
        return err;
    assert_int_equal(store_object_info(o)->size, len);
    err = store_object_seek(o, 0, len);
    while (err == DOL_OK && (err = store_object_read(o, &piece)) == DOL_OK && piece.len > 0) {
        assert_true(piece.len <= len - at);
        assert_memory_equal(piece.data, (const uint8_t *)data + at, piece.len);
        at += piece.len;
    }
    store_object_close(o);
    if (err == DOL_OK)
        assert_int_equal(at, len);
    return err;
}

void expect(struct fixture *f, const char *key, const void *data, size_t len)
{
    enum dol_err err = read_all(f, key, data, len);
    if (err != DOL_OK)
        print_error("%s: %s\n", key, dol_err_name(err));
    assert_int_equal(err, DOL_OK);
}

void expect_noise(struct fixture *f, const char *key, uint64_t seed, size_t len)
{
    uint8_t *data = noise(seed, len);
    expect(f, key, data, len);
    free(data);
}

void expect_absent(struct fixture *f, const char *key)
{
    struct object *o;
    assert_int_equal(store_object_open(f->store, text("b"), text(key), NULL, &o), DOL_ENOTFOUND);
}

void remove_object(struct fixture *f, const char *key)
{
    struct delete_result result;
    assert_int_equal(
        store_object_delete(f->store, &(struct delete_request){.bucket = text("b"), .key = text(key)}, &result),
        DOL_OK);
    assert_true(result.existed);
}

void put_setting(struct fixture *f, const char *name, uint64_t seed, size_t len)
{
    uint8_t *value = noise(seed, len), *body = malloc(len + 1024);
    struct setting_body setting = {text(name), bytes_of(value, len)};
    struct tlv_writer w;
    assert_non_null(body);
    tlv_writer_init(&w, body, len + 1024);
    setting_body_encode(&setting, &w);
    assert_false(w.overflow);
    assert_int_equal(store_append_body(f->store, RECORD_SETTING, bytes_of(body, w.len)), DOL_OK);
    free(value);
    free(body);
}

void expect_setting(struct fixture *f, const char *name, uint64_t seed, size_t len)
{
    struct index_view *view;
    struct bytes found;
    uint8_t *value = noise(seed, len);
    assert_int_equal(index_view_begin(f->store->index, &view), DOL_OK);
    assert_int_equal(index_setting_get(view, text(name), &found), DOL_OK);
    assert_int_equal(found.len, len);
    assert_memory_equal(found.data, value, len);
    index_view_end(view);
    free(value);
}
