/*
 * The simulated appliance: drives in memory that outlive the engine, the faults done to them, and the oracle that says
 * what the store must answer.
 *
 * One world lives through several rounds. A round starts the production engine in a fresh simulated runtime, checks
 * everything it remembers, works, and ends by a clean close or by a power cut at a chosen write. All choices come from
 * the world's seed.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <dolmen/store.h>

#include "drive_sim.h"
#include "sim.h"

#define WORLD_DRIVES_MAX  8u
#define WORLD_WORKERS_MAX 6u
#define WORLD_KEYS        5u /* per worker */
#define WORLD_CONTENTS    18u
#define WORLD_MAYBE_MAX   64u
#define CONTENT_ABSENT    (-1)

/* What one key may hold. */
struct key_state {
    int acked;                  /* content, or CONTENT_ABSENT: the last acknowledged operation */
    int maybe[WORLD_MAYBE_MAX]; /* outcomes of operations that were not answered */
    unsigned maybe_count;
};

struct content {
    uint8_t *data;
    size_t len;
};

struct world_config {
    unsigned drives, k, m, loops, workers;
    uint64_t drive_bytes;
    bool encrypted;
};

struct world {
    uint64_t seed;
    uint64_t rng;
    struct world_config config;
    struct sim_medium *media[WORLD_DRIVES_MAX];
    char index_dir[128];
    char key_file[128];
    struct content contents[WORLD_CONTENTS];
    struct key_state keys[WORLD_WORKERS_MAX][WORLD_KEYS];
    bool bucket_acked, bucket_maybe;

    /* the round */
    struct runtime *rt;
    struct store *store;
    uint64_t writes;   /* started in this round */
    uint64_t crash_at; /* 0: never */
    bool crashed;
    bool write_fault; /* a drive was told to fail a write: errors are to be expected */
    bool expect_read_only;
    unsigned ops_per_worker;
    unsigned workers_running;
    struct fiber *main_fiber;

    bool verbose;
    bool failed;
    char failure[512];
    uint64_t ops, puts_acked;
};

uint64_t world_random(struct world *w);
uint64_t world_below(struct world *w, uint64_t n);

/* Media, contents and a formatted pool. */
void world_init(struct world *w, uint64_t seed, const struct world_config *config, const char *scratch_dir,
                bool verbose);
void world_fini(struct world *w);

/* One round; false when the oracle found something (see w->failure). work: what runs between open and close, on a
 * fiber; may be NULL. */
typedef void world_work_fn(struct world *w);
bool world_round(struct world *w, uint64_t crash_at, world_work_fn *work);

/* The index's loss, and its return to an older state. */
void world_drop_index(struct world *w);
void world_save_index(struct world *w);
void world_restore_index(struct world *w);

void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Operations, checked against the oracle. On a fiber. */
void world_put(struct world *w, unsigned worker, unsigned key, int content);
void world_delete(struct world *w, unsigned worker, unsigned key);
void world_get(struct world *w, unsigned worker, unsigned key);
void world_get_range(struct world *w, unsigned worker, unsigned key);
void world_list(struct world *w, unsigned worker);
/* Every key holds one of its possible states, which becomes the only one; the listing agrees. */
void world_check_all(struct world *w);
bool world_ensure_bucket(struct world *w);

#endif
