/*
 * The simulator's program.
 *
 *   sim_run --seeds N [--first S]    random worlds: workloads, power cuts, rot, lost and old indexes, failing writes
 *   sim_run --seed S                 replays one, told round by round
 *   sim_run --exhaustive             a small workload with a power cut at every write, and at every write of the
 * recovery after it
 *   sim_run --reclaim                the same while slabs are compacted and freed
 *
 * Prints the seed of a failing world and exits 1.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dol_assert.h"
#include "log.h"
#include "world.h"

#define ROT_HEADER_BYTES 256u /* at the begin of a block: what a unit header there would not bear */

/* ---- random worlds ---- */

struct worker_arg {
    struct world *w;
    unsigned index;
};

static void world_uploads(struct world *w, unsigned worker)
{
    for (unsigned steps = 1 + (unsigned)world_below(w, 5); steps > 0 && !w->crashed && !w->failed; steps--)
        world_upload(w, worker);
}

static void worker_main(void *arg)
{
    struct worker_arg *a = arg;
    struct world *w = a->w;
    for (unsigned i = 0; i < w->ops_per_worker && !w->crashed && !w->failed; i++) {
        unsigned key = (unsigned)world_below(w, WORLD_KEYS);
        unsigned dice = (unsigned)world_below(w, 100);
        if (dice < 25)
            world_put(w, a->index, key, (int)world_below(w, WORLD_CONTENTS));
        else if (dice < 40)
            world_ledger(w, a->index);
        else if (dice < 60)
            world_uploads(w, a->index);
        else if (dice < 65)
            world_race(w, a->index, key);
        else if (dice < 73)
            world_delete(w, a->index, key);
        else if (dice < 82)
            world_get(w, a->index, key);
        else if (dice < 90)
            world_get_range(w, a->index, key);
        else
            world_list(w, a->index);
        if (world_below(w, 8) == 0)
            fiber_sleep(world_below(w, 150) * 1000000);
    }
    w->workers_running--;
    fiber_wake(w->main_fiber);
}

/* Frees slabs while the workers work. */
static void reclaimer_main(void *arg)
{
    struct world *w = arg;
    while (w->workers_running > 1 && !w->crashed && !w->failed) {
        fiber_sleep(world_below(w, 400) * 1000000);
        world_reclaim(w);
    }
    w->workers_running--;
    fiber_wake(w->main_fiber);
}

static void scrubber_main(void *arg)
{
    struct world *w = arg;
    fiber_sleep(world_below(w, 400) * 1000000);
    world_scrub(w);
    w->workers_running--;
    fiber_wake(w->main_fiber);
}

static void spawn_beside(struct world *w, fiber_fn *fn, const char *name)
{
    w->workers_running++;
    dol_assert(runtime_spawn(w->rt, 0, fn, w, name) == DOL_OK);
}

static void work_at_random(struct world *w)
{
    struct worker_arg args[WORLD_WORKERS_MAX];
    if (!world_ensure_bucket(w) || !world_ensure_ledger(w))
        return;
    if (w->drive_left && world_below(w, 2) == 0)
        world_heal(w);
    if (w->crashed || w->failed)
        return;
    bool reclaim = world_below(w, 2) == 0;
    if (reclaim && world_below(w, 2) == 0)
        world_reclaim(w); /* what earlier rounds left */
    if (world_below(w, 4) == 0)
        world_scrub(w); /* before anybody works */
    if (w->crashed || w->failed)
        return;
    if (w->config.m > 0 && world_below(w, 8) == 0) {
        w->write_fault = w->drive_left = true;
        sim_medium_fail_next_write(w->media[world_below(w, w->config.m)]); /* it leaves: one of those that may be bad */
    }
    w->workers_running = w->config.workers;
    for (unsigned i = 0; i < w->config.workers; i++) {
        args[i] = (struct worker_arg){w, i};
        dol_assert(runtime_spawn(w->rt, i % w->config.loops, worker_main, &args[i], "worker") == DOL_OK);
    }
    bool scrub = world_below(w, 3) == 0;
    if (scrub)
        spawn_beside(w, scrubber_main, "scrubber");
    if (reclaim)
        spawn_beside(w, reclaimer_main, "reclaimer");
    while (w->workers_running > 0)
        fiber_park();
}

static void rot(struct world *w, unsigned drive)
{
    unsigned flips = 1 + (unsigned)world_below(w, 12);
    for (unsigned i = 0; i < flips; i++) {
        /* most of what is written lies in the first extents; headers are small, and matter most */
        uint64_t offset = world_below(w, (1u << 20) + (8u << 20) * (1 + world_below(w, 6)));
        if (world_below(w, 2) == 0)
            offset = offset / DRIVE_BLOCK_BYTES * DRIVE_BLOCK_BYTES + world_below(w, ROT_HEADER_BYTES);
        sim_medium_flip(w->media[drive], offset, (uint8_t)(1 + world_below(w, 255)));
    }
}

/* Opened for reading while drives are missing; then they are back. What is concluded without them must not outlive
 * that. */
static void round_without_drives(struct world *w)
{
    unsigned gone = 0;
    for (unsigned d = 0; d < w->config.m; d++) {
        if (world_below(w, 2) == 0) {
            sim_medium_remove(w->media[d]);
            gone++;
        }
    }
    bool may_write = 2 * (w->config.drives - w->config.m) > w->config.drives;
    if (gone > 0 && may_write && world_below(w, 2) == 0) {
        w->drives_removed = w->drive_left = true;
        world_round(w, world_below(w, 3) == 0 ? 1 + world_below(w, 300) : 0, work_at_random);
        w->drives_removed = false;
    } else if (gone > 0) {
        w->expect_read_only = true;
        world_round(w, 0, world_below(w, 2) == 0 ? world_scrub : NULL);
        if (world_below(w, 3) == 0)
            world_drop_index(w);
        if (world_below(w, 3) == 0)
            world_round(w, 0, NULL);
        w->expect_read_only = false;
    }
    for (unsigned d = 0; d < w->config.m; d++)
        sim_medium_restore(w->media[d]);
}

static bool random_world(uint64_t seed, const char *scratch, bool verbose, struct world *w)
{
    static const struct {
        unsigned drives, k, m;
    } shapes[] = {{1, 1, 0}, {2, 1, 1}, {3, 2, 1}, {6, 4, 2}, {4, 2, 1}, {7, 4, 2}};
    struct world probe = {.rng = seed ^ 0x646f6c6d656eull};
    unsigned shape = (unsigned)world_below(&probe, sizeof shapes / sizeof shapes[0]);
    struct world_config config = {.drives = shapes[shape].drives,
                                  .k = shapes[shape].k,
                                  .m = shapes[shape].m,
                                  .loops = 1 + (unsigned)world_below(&probe, 2),
                                  .workers = 1 + (unsigned)world_below(&probe, WORLD_WORKERS_MAX),
                                  .drive_bytes = (64 * 8ull + 1) << 20,
                                  .encrypted = world_below(&probe, 4) != 0};
    world_init(w, seed, &config, scratch, verbose);
    if (verbose)
        fprintf(stderr, "seed %llu: %u drives %u+%u loops %u workers %u%s\n", (unsigned long long)seed, config.drives,
                config.k, config.m, config.loops, config.workers, config.encrypted ? "" : " unencrypted");
    unsigned rounds = 3 + (unsigned)world_below(w, 4);
    for (unsigned i = 0; i < rounds && !w->failed; i++) {
        w->gc_by_itself = world_below(w, 8) == 0;
        uint64_t crash_at = world_below(w, 4) == 0 ? 0 : 1 + world_below(w, world_below(w, 3) == 0 ? 30 : 400);
        world_round(w, crash_at, work_at_random);
        switch (world_below(w, 8)) {
        case 0:
        case 1:
            world_drop_index(w);
            break;
        case 2:
            world_restore_index(w);
            break;
        case 3:
            world_save_index(w);
            break;
        default:
            break;
        }
        /* damage stays within m drives, always the same ones: nothing heals yet */
        for (unsigned d = 0; d < config.m; d++)
            if (world_below(w, 3) == 0)
                rot(w, d);
        if (config.m > 0 && world_below(w, 2) == 0)
            round_without_drives(w);
    }
    w->gc_by_itself = false;
    world_round(w, 0, world_heal);
    /* recovery again, without work: nothing may change */
    world_round(w, 0, NULL);
    world_round(w, 0, world_scrub);
    world_drop_index(w);
    for (unsigned d = 0; d < config.m; d++)
        sim_medium_remove(w->media[d]);
    w->expect_read_only = config.m > 0;
    world_round(w, 0, NULL);
    bool ok = !w->failed;
    if (!ok)
        fprintf(stderr, "seed %llu FAILED: %s\n  replay: sim_run --seed %llu\n", (unsigned long long)seed, w->failure,
                (unsigned long long)seed);
    return ok;
}

/* ---- every write ---- */

static bool sealed_a_slab(struct world *w)
{
    struct store_status *status = malloc(sizeof *status);
    dol_assert(status != NULL);
    store_status_get(w->store, status);
    bool sealed = status->slabs_sealed > 0;
    free(status);
    return sealed;
}

static void work_small(struct world *w)
{
    if (!world_ensure_bucket(w))
        return;
    world_put(w, 0, 0, 6); /* one row */
    world_put(w, 0, 0, 7); /* overwritten */
    world_put(w, 0, 1, 6); /* shares a chunk that is gone from key 0 */
    world_delete(w, 0, 0);
    world_put(w, 0, 2, 17); /* several chunks; with these the first slab of 1+1 is full and sealed */
    world_put(w, 0, 3, 15);
    world_put(w, 0, 4, 16);
    world_put(w, 0, 2, 14);
    world_put(w, 0, 0, 13);
    world_delete(w, 0, 3);
    world_put(w, 0, 3, 12);
    world_upload_story(w, 0, 1);
    if (!w->crashed && !sealed_a_slab(w))
        world_fail(w, "the workload was to seal a slab");
}

static bool exhaustive(const char *scratch, bool verbose)
{
    struct world_config config = {
        .drives = 2, .k = 1, .m = 1, .loops = 1, .workers = 1, .drive_bytes = (32 * 8ull + 1) << 20, .encrypted = true};
    struct world *w = malloc(sizeof *w);
    uint64_t states = 0, total = UINT64_MAX;
    bool ok = true;
    dol_assert(w != NULL);
    for (uint64_t at = 1; at <= total && ok; at++) {
        uint64_t recovery = 0;
        /* again = 0: recovery is left alone; after that it is cut at each of its own writes */
        for (uint64_t again = 0; again <= recovery && ok; again++) {
            world_init(w, 7, &config, scratch, false);
            world_round(w, at, work_small);
            if (!w->crashed)
                total = at;
            if (again > 0)
                world_round(w, again, NULL);
            if (again % 2 == 1)
                world_drop_index(w);
            world_round(w, 0, NULL);
            if (again == 0)
                recovery = w->writes < 40 ? w->writes : 40;
            world_round(w, 0, NULL);
            ok = !w->failed;
            if (!ok)
                fprintf(stderr, "FAILED: power cut at write %llu, again at write %llu of recovery: %s\n",
                        (unsigned long long)at, (unsigned long long)again, w->failure);
            world_fini(w);
            states++;
        }
        if (verbose)
            fprintf(stderr, "write %llu: recovery has %llu writes\n", (unsigned long long)at,
                    (unsigned long long)recovery);
    }
    printf("%llu crash states, %llu writes in the workload: %s\n", (unsigned long long)states,
           (unsigned long long)total, ok ? "clean" : "FAILED");
    free(w);
    return ok;
}

/* ---- every write of reclaiming ---- */

/* Two slabs with what is current, what is void, and what keeps it void, crosswise. */
static void work_garbage(struct world *w)
{
    if (!world_ensure_bucket(w))
        return;
    world_put(w, 0, 0, 6);
    world_put(w, 0, 1, 7);
    world_put(w, 0, 1, 8); /* replaces one that lies beside it */
    world_put(w, 0, 2, 17);
    world_put(w, 0, 3, 15);
    world_put(w, 0, 4, 12);
    world_put(w, 0, 0, 9); /* replaces one in the slab before */
    world_delete(w, 0, 1); /* as does the delete */
    world_delete(w, 0, 2); /* most of the first slab */
    world_upload_story(w, 0, 1);
}

/* Later runs: short slabs, each with the verdict on the one before. */
static void work_more_garbage(struct world *w)
{
    world_put(w, 0, 0, 8); /* cancels one that cancels */
    world_delete(w, 0, 3);
}

static void work_reclaim(struct world *w)
{
    world_reclaim(w);
    if (!w->crashed)
        world_put(w, 0, 2, 13);
    if (!w->crashed)
        world_delete(w, 0, 0);
    if (!w->crashed)
        world_reclaim(w);
}

/* After the cut: what was left is reclaimed, and nothing is lost by it. */
static void work_reclaim_rest(struct world *w)
{
    world_reclaim(w);
    if (!w->crashed)
        world_put(w, 0, 3, 6);
}

static bool reclaim_state(struct world *w, const struct world_config *config, const char *scratch, uint64_t at,
                          uint64_t again, uint64_t *recovery)
{
    world_init(w, 7, config, scratch, false);
    world_round(w, 0, work_garbage);
    world_round(w, 0, work_more_garbage);
    world_round(w, 0, NULL);
    world_save_index(w);
    world_round(w, at, work_reclaim);
    bool cut = w->crashed;
    if (!cut && !w->failed && w->slabs_freed < 3)
        world_fail(w, "the workload was to free slabs, not %llu", (unsigned long long)w->slabs_freed);
    if (again > 0)
        world_round(w, again, NULL);
    if (again % 3 == 1)
        world_drop_index(w);
    if (again % 3 == 2)
        world_restore_index(w); /* older than what was freed */
    world_round(w, 0, NULL);
    if (again == 0)
        *recovery = w->writes < 40 ? w->writes : 40;
    world_round(w, 0, work_reclaim_rest);
    world_drop_index(w);
    world_round(w, 0, NULL);
    world_round(w, 0, work_reclaim_rest);
    return cut;
}

static bool exhaustive_reclaim(const char *scratch, bool verbose)
{
    struct world_config config = {
        .drives = 2, .k = 1, .m = 1, .loops = 1, .workers = 1, .drive_bytes = (32 * 8ull + 1) << 20, .encrypted = true};
    struct world *w = malloc(sizeof *w);
    uint64_t states = 0, total = UINT64_MAX;
    bool ok = true;
    dol_assert(w != NULL);
    for (uint64_t at = 1; at <= total && ok; at++) {
        uint64_t recovery = 0;
        for (uint64_t again = 0; again <= recovery && ok; again++) {
            if (!reclaim_state(w, &config, scratch, at, again, &recovery))
                total = at;
            ok = !w->failed;
            if (!ok)
                fprintf(stderr, "FAILED: power cut at write %llu of reclaiming, again at write %llu of recovery: %s\n",
                        (unsigned long long)at, (unsigned long long)again, w->failure);
            world_fini(w);
            states++;
        }
        if (verbose)
            fprintf(stderr, "write %llu: recovery has %llu writes\n", (unsigned long long)at,
                    (unsigned long long)recovery);
    }
    printf("%llu crash states, %llu writes of reclaiming: %s\n", (unsigned long long)states, (unsigned long long)total,
           ok ? "clean" : "FAILED");
    free(w);
    return ok;
}

/* ---- what cancels outlives what is cancelled ---- */

/* A first slab that is full and mostly needed, with two objects that records of the second one cancel: a delete, and a
 * put which is deleted itself. */
static void work_cancel(struct world *w)
{
    static const int filling[] = {17, 14, 13, 16, 11};
    if (!world_ensure_bucket(w))
        return;
    world_put(w, 0, 0, 6);
    world_put(w, 0, 1, 7);
    for (unsigned i = 0; i < sizeof filling / sizeof filling[0]; i++)
        world_put(w, 1, i, filling[i]);
    while (!w->crashed && !w->failed && !sealed_a_slab(w))
        world_put(w, 0, 2, 1);
    world_delete(w, 0, 0);
    world_put(w, 0, 1, 8);
    world_delete(w, 0, 1);
}

/* The second slab is freed, the first is not; then the index is built from what is left. */
static bool cancel_state(struct world *w, const char *scratch, uint64_t at)
{
    struct world_config config = {
        .drives = 2, .k = 1, .m = 1, .loops = 1, .workers = 2, .drive_bytes = (32 * 8ull + 1) << 20, .encrypted = true};
    world_init(w, 7, &config, scratch, false);
    world_round(w, 0, work_cancel);
    world_round(w, at, world_reclaim);
    bool cut = w->crashed;
    if (!cut && !w->failed && w->slabs_freed != 1)
        world_fail(w, "one slab was to be freed, not %llu", (unsigned long long)w->slabs_freed);
    world_drop_index(w);
    world_round(w, 0, NULL);
    return cut;
}

static bool exhaustive_cancel(const char *scratch)
{
    struct world *w = malloc(sizeof *w);
    bool cut = true, ok = true;
    uint64_t at = 0;
    dol_assert(w != NULL);
    while (cut && ok) {
        cut = cancel_state(w, scratch, ++at);
        ok = !w->failed;
        if (!ok)
            fprintf(stderr, "FAILED: power cut at write %llu of freeing what cancels: %s\n", (unsigned long long)at,
                    w->failure);
        world_fini(w);
    }
    printf("%llu writes of freeing what cancels: %s\n", (unsigned long long)at, ok ? "clean" : "FAILED");
    free(w);
    return ok;
}

/* ---- main ---- */

static bool many_worlds(uint64_t first, uint64_t count, const char *scratch)
{
    struct world *w = malloc(sizeof *w);
    struct timespec start, end;
    uint64_t ops = 0, completes = 0, failed = 0, slabs_freed = 0, units_repaired = 0;
    dol_assert(w != NULL);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint64_t s = first; s < first + count; s++) {
        failed += !random_world(s, scratch, false, w);
        ops += w->ops;
        completes += w->completes_acked;
        slabs_freed += w->slabs_freed;
        units_repaired += w->units_repaired;
        world_fini(w);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%llu seeds from %llu: %llu operations, %llu uploads completed, %llu slabs freed, %llu units repaired, "
           "%llu failed, %.1f s\n",
           (unsigned long long)count, (unsigned long long)first, (unsigned long long)ops, (unsigned long long)completes,
           (unsigned long long)slabs_freed, (unsigned long long)units_repaired, (unsigned long long)failed,
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    free(w);
    return failed == 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"exhaustive", no_argument, NULL, 'e'},
                                            {"reclaim", no_argument, NULL, 'r'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    uint64_t seeds = 0, first = 1, one = 0;
    bool all_writes = false, reclaim = false, verbose = false, ok = true;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'n':
            seeds = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            first = strtoull(optarg, NULL, 10);
            break;
        case 's':
            one = strtoull(optarg, NULL, 10);
            break;
        case 'e':
            all_writes = true;
            break;
        case 'r':
            reclaim = true;
            break;
        case 'v':
            verbose = true;
            break;
        default:
            return 2;
        }
    }
    if (seeds == 0 && one == 0 && !all_writes && !reclaim) {
        fprintf(stderr, "usage: sim_run --seeds N [--first S] | --seed S | --exhaustive | --reclaim [--verbose]\n");
        return 2;
    }
    char scratch[] = "/dev/shm/dolmen-sim-XXXXXX";
    if (mkdtemp(scratch) == NULL) {
        perror("/dev/shm");
        return 2;
    }
    log_set_level(one != 0 || verbose ? LOG_LEVEL_INFO : LOG_LEVEL_OFF);
    if (one != 0) {
        struct world *w = malloc(sizeof *w);
        dol_assert(w != NULL);
        ok = random_world(one, scratch, true, w);
        world_fini(w);
        free(w);
    }
    if (seeds > 0)
        ok = many_worlds(first, seeds, scratch) && ok;
    if (all_writes)
        ok = exhaustive(scratch, verbose) && ok;
    if (reclaim)
        ok = exhaustive_cancel(scratch) && exhaustive_reclaim(scratch, verbose) && ok;
    rmdir(scratch);
    return ok ? 0 : 1;
}
