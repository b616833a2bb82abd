/* The simulated appliance: life of a world and of its rounds. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dol_assert.h"

uint64_t world_random(struct world *w)
{
    /* splitmix64 */
    uint64_t z = (w->rng += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

uint64_t world_below(struct world *w, uint64_t n)
{
    return world_random(w) % n;
}

void world_fail(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->failed)
        return;
    w->failed = true;
    va_start(args, format);
    vsnprintf(w->failure, sizeof w->failure, format, args);
    va_end(args);
}

/* ---- contents ---- */

const struct recipe world_recipes[WORLD_RECIPES] = {
    {1, {0}},             /* an empty object */
    {2, {13, 1}},         /* parts of several chunks, and of one byte */
    {3, {5, 7, 8}},       /* one chunk each */
    {4, {16, 10, 10, 3}}, /* the same part twice */
    {2, {14, 16}},
};

static void make_recipes(struct world *w)
{
    for (unsigned i = 0; i < WORLD_RECIPES; i++) {
        struct content *c = &w->contents[WORLD_CONTENTS + i];
        for (unsigned j = 0; j < world_recipes[i].count; j++)
            c->len += w->contents[world_recipes[i].parts[j]].len;
        c->data = malloc(c->len ? c->len : 1);
        dol_assert(c->data != NULL);
        size_t at = 0;
        for (unsigned j = 0; j < world_recipes[i].count; j++) {
            const struct content *part = &w->contents[world_recipes[i].parts[j]];
            memcpy(c->data + at, part->data, part->len);
            at += part->len;
        }
    }
}

static void make_contents(struct world *w)
{
    static const size_t sizes[WORLD_CONTENTS] = {0,      1,      4095,   4096,   4097,    20000,
                                                 71680,  71680,  71680,  71680,  131072,  262144,
                                                 262145, 300001, 524288, 700000, 1048577, 5600000};
    for (unsigned i = 0; i < WORLD_CONTENTS; i++) {
        struct content *c = &w->contents[i];
        c->len = sizes[i];
        c->data = malloc(c->len ? c->len : 1);
        dol_assert(c->data != NULL);
        bool compressible = i % 3 == 0;
        uint64_t word = 0;
        for (size_t j = 0; j < c->len; j++) {
            if (j % 8 == 0)
                word = compressible ? (j / 64) * 0x0101010101010101ull + i : world_random(w);
            c->data[j] = (uint8_t)(word >> (j % 8 * 8));
        }
    }
    /* one content is another one with other bytes in front: they share chunks or not, as the cuts fall */
    memcpy(w->contents[17].data + 1000, w->contents[16].data, w->contents[16].len);
}

/* ---- files ---- */

static void remove_tree(const char *dir)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[256];
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void copy_index(const char *from_dir, const char *to_dir)
{
    char from[256], to[256], buf[65536];
    size_t n;
    snprintf(from, sizeof from, "%s/data.mdb", from_dir);
    snprintf(to, sizeof to, "%s/data.mdb", to_dir);
    FILE *in = fopen(from, "rb");
    if (in == NULL)
        return;
    mkdir(to_dir, 0700);
    FILE *out = fopen(to, "wb");
    dol_assert(out != NULL);
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        dol_assert(fwrite(buf, 1, n, out) == n);
    fclose(in);
    fclose(out);
}

void world_drop_index(struct world *w)
{
    remove_tree(w->index_dir);
}

static void saved_dir(const struct world *w, char *out, size_t len)
{
    snprintf(out, len, "%s.saved", w->index_dir);
}

void world_save_index(struct world *w)
{
    char saved[160];
    saved_dir(w, saved, sizeof saved);
    remove_tree(saved);
    copy_index(w->index_dir, saved);
}

void world_restore_index(struct world *w)
{
    char saved[160];
    saved_dir(w, saved, sizeof saved);
    remove_tree(w->index_dir);
    copy_index(saved, w->index_dir);
}

/* ---- life ---- */

static unsigned open_drives(struct world *w, struct drive **drives)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->config.drives; i++)
        if (drive_sim_open(w->media[i], &drives[n]) == DOL_OK)
            n++;
    return n;
}

static void format_pool(void *arg)
{
    struct world *w = arg;
    struct drive *drives[WORLD_DRIVES_MAX];
    struct pool_create_config c = {.drives = drives,
                                   .drive_count = open_drives(w, drives),
                                   .k = w->config.k,
                                   .m = w->config.m,
                                   .extent_bytes = 8u << 20,
                                   .key_file = w->config.encrypted ? w->key_file : NULL};
    enum dol_err err = pool_create(&c);
    if (err != DOL_OK)
        world_fail(w, "pool_create: %s", dol_err_name(err));
    for (unsigned i = 0; i < c.drive_count; i++)
        drive_close(drives[i]);
    runtime_stop(w->rt);
}

static void run(struct world *w, fiber_fn *fn)
{
    struct sim_config sc = {
        .seed = world_random(w), .loops = w->config.loops, .fibers_max = 256, .steps_max = 20000000};
    dol_assert(runtime_new_sim(&sc, &w->rt) == DOL_OK);
    dol_assert(runtime_spawn(w->rt, 0, fn, w, "main") == DOL_OK);
    runtime_run(w->rt);
    if (sim_stuck_fibers(w->rt) > 0) {
        sim_log_stuck_fibers(w->rt);
        world_fail(w, "%u fibers stuck", sim_stuck_fibers(w->rt));
    }
    if (sim_panicked(w->rt) && !w->write_fault && !w->crashed)
        world_fail(w, "panic: %s", sim_panic_text(w->rt));
    runtime_free(w->rt);
    w->rt = NULL;
}

void world_init(struct world *w, uint64_t seed, const struct world_config *config, const char *scratch_dir,
                bool verbose)
{
    memset(w, 0, sizeof *w);
    w->seed = w->rng = seed;
    w->config = *config;
    w->verbose = verbose;
    w->ops_per_worker = 12;
    snprintf(w->index_dir, sizeof w->index_dir, "%s/index", scratch_dir);
    snprintf(w->key_file, sizeof w->key_file, "%s/key", scratch_dir);
    world_drop_index(w);
    unlink(w->key_file);
    for (unsigned i = 0; i < config->drives; i++) {
        char name[32];
        snprintf(name, sizeof name, "sim-%u", i);
        w->media[i] = sim_medium_new(config->drive_bytes, name);
    }
    for (unsigned i = 0; i < WORLD_WORKERS_MAX; i++)
        for (unsigned j = 0; j < WORLD_KEYS; j++)
            w->keys[i][j].acked = CONTENT_ABSENT;
    make_contents(w);
    make_recipes(w);
    run(w, format_pool);
}

void world_fini(struct world *w)
{
    char saved[160];
    for (unsigned i = 0; i < w->config.drives; i++)
        sim_medium_free(w->media[i]);
    for (unsigned i = 0; i < WORLD_CONTENTS + WORLD_RECIPES; i++)
        free(w->contents[i].data);
    world_drop_index(w);
    saved_dir(w, saved, sizeof saved);
    remove_tree(saved);
    unlink(w->key_file);
}

/* ---- rounds ---- */

static world_work_fn *round_work;

static void on_write(void *arg, struct sim_medium *m)
{
    struct world *w = arg;
    (void)m;
    w->writes++;
    bool stop = (w->crash_at != 0 && w->writes == w->crash_at) || sim_panicked(w->rt);
    if (stop && !w->crashed) {
        w->crashed = true;
        sim_media_crash(w->media, w->config.drives, w->rt);
    }
}

static void round_main(void *arg)
{
    struct world *w = arg;
    struct drive *drives[WORLD_DRIVES_MAX];
    struct store_config sc = {.drives = drives,
                              .drive_count = open_drives(w, drives),
                              .index_dir = w->index_dir,
                              .key_file = w->config.encrypted ? w->key_file : NULL,
                              .access = w->expect_read_only ? STORE_READ_ONLY : STORE_READ_WRITE,
                              .index_map_bytes = 4u << 20,
                              .index_no_sync = 1,
                              .gc_manual = !w->gc_by_itself,
                              .cache_bytes = w->seed % 2 == 0 ? 0 : WORLD_CACHE_BYTES};
    w->main_fiber = fiber_self();
    enum dol_err err = store_open(&sc, &w->store);
    if (err != DOL_OK) {
        if (!w->crashed)
            world_fail(w, "store_open: %s", dol_err_name(err));
        for (unsigned i = 0; i < sc.drive_count; i++)
            drive_close(drives[i]);
        runtime_stop(w->rt);
        return;
    }
    struct store_status *status = malloc(sizeof *status);
    dol_assert(status != NULL);
    store_status_get(w->store, status);
    if (status->read_only != w->expect_read_only && !w->crashed)
        world_fail(w, "pool is %s: %s", status->read_only ? "read-only" : "read-write", status->reason);
    free(status);
    if (!w->crashed)
        world_check_all(w);
    if (!w->crashed && !w->failed && round_work != NULL)
        round_work(w);
    store_close(w->store);
    w->store = NULL;
    runtime_stop(w->rt);
}

bool world_round(struct world *w, uint64_t crash_at, world_work_fn *work)
{
    if (w->failed)
        return false;
    w->writes = 0;
    w->crash_at = crash_at;
    w->crashed = false;
    w->write_fault = false;
    round_work = work;
    for (unsigned i = 0; i < w->config.drives; i++)
        sim_medium_on_write(w->media[i], on_write, w);
    run(w, round_main);
    for (unsigned i = 0; i < w->config.drives; i++)
        sim_medium_power_on(w->media[i]);
    if (w->verbose)
        fprintf(stderr, "  round: crash_at=%llu writes=%llu crashed=%d ops=%llu acked=%llu%s%s\n",
                (unsigned long long)crash_at, (unsigned long long)w->writes, w->crashed, (unsigned long long)w->ops,
                (unsigned long long)w->puts_acked, w->failed ? " FAILED: " : "", w->failure);
    return !w->failed;
}
