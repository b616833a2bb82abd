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
#define WORLD_RECIPES     5u /* contents made of parts */
#define RECIPE_PARTS_MAX  4u
#define WORLD_MAYBE_MAX   64u
#define WORLD_CACHE_BYTES (1u << 20) /* of worlds with an odd seed; the others have none */
#define CONTENT_ABSENT    (-1)

#define LEDGER_KEYS         2u  /* per worker: keys of the bucket that keeps versions */
#define LEDGER_VERSIONS_MAX 32u /* per key */
#define LEDGER_CONTENTS     14u /* the first ones: none of MiB */

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

/* Content WORLD_CONTENTS + i: what an upload of these parts makes. */
struct recipe {
    unsigned count;
    int parts[RECIPE_PARTS_MAX]; /* contents */
};
extern const struct recipe world_recipes[WORLD_RECIPES];

/* The upload a worker has under way; one at a time. */
enum upload_doubt { DOUBT_NONE, DOUBT_ABORT, DOUBT_COMPLETE };
struct upload_state {
    bool open;               /* acknowledged; ended only if `doubt` says so */
    enum upload_doubt doubt; /* an end that was not answered */
    struct upload_id id;
    unsigned key, recipe;
    int acked[RECIPE_PARTS_MAX]; /* content of each part, or CONTENT_ABSENT */
    int maybe[RECIPE_PARTS_MAX]; /* of one that was not answered */
    bool ended;                  /* the one before is gone for certain */
    struct upload_id ended_id;
    unsigned ended_key;
};

/* A version or delete marker of a key in the bucket that keeps them. */
struct ledger_version {
    struct version_id id;
    bool known;    /* its id is; else it was made without an answer */
    bool certain;  /* its making was answered, or it was seen */
    bool removal;  /* its removal was not answered */
    int content;   /* CONTENT_ABSENT: a delete marker */
    int tag;       /* 0: none */
    int tag_maybe; /* by a change that was not answered; else the same */
    bool hold;     /* legal hold */
    bool hold_maybe;
};
struct ledger_key {
    struct ledger_version versions[LEDGER_VERSIONS_MAX]; /* oldest first */
    unsigned count;
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
    struct content contents[WORLD_CONTENTS + WORLD_RECIPES];
    struct key_state keys[WORLD_WORKERS_MAX][WORLD_KEYS];
    struct upload_state uploads[WORLD_WORKERS_MAX];
    struct ledger_key ledger[WORLD_WORKERS_MAX][LEDGER_KEYS];
    bool ledger_acked;
    unsigned uploads_in_doubt; /* begun without an answer: nobody knows their ids */
    bool bucket_acked, bucket_maybe;

    /* the round */
    struct runtime *rt;
    struct store *store;
    uint64_t writes;   /* started in this round */
    uint64_t crash_at; /* 0: never */
    bool crashed;
    bool write_fault;    /* a drive was told to fail a write: errors are to be expected */
    bool drives_removed; /* in this round, and yet it is written to */
    bool drive_left;     /* in this round or one before: nothing is reclaimed */
    bool expect_read_only;
    bool gc_by_itself; /* in this round; else world_reclaim() alone frees slabs */
    unsigned ops_per_worker;
    unsigned workers_running;
    struct fiber *main_fiber;

    bool verbose;
    bool failed;
    char failure[512];
    uint64_t ops, puts_acked, slabs_freed, completes_acked, units_repaired;
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
/* Frees the slabs that may go. */
void world_reclaim(struct world *w);
/* Drives that are there and stale are rebuilt, and whole in the end. */
void world_heal(struct world *w);
/* Two passes of scrubbing: nothing is lost, what was bad is repaired by the first. */
void world_scrub(struct world *w);
/* Several conditional puts on one key at once: at most one comes through, and exactly one when nothing goes wrong. */
void world_race(struct world *w, unsigned worker, unsigned key);
/* One step of the worker's upload: begun, a part sent (again), completed, completed again, aborted. */
void world_upload(struct world *w, unsigned worker);
/* The same as one story: begun, two parts, one of them sent again, completed by a recipe of two; and one aborted. */
void world_upload_story(struct world *w, unsigned worker, unsigned key);
/* An operation on the worker's keys in the bucket that keeps versions: put, marker, removal, tag, legal hold, a look.
 */
void world_ledger(struct world *w, unsigned worker);
bool world_ensure_ledger(struct world *w);
void world_check_ledger(struct world *w);
/* Every key holds one of its possible states, which becomes the only one; the listing agrees; so for uploads and
 * versions. */
void world_check_all(struct world *w);
void world_check_uploads(struct world *w);
bool world_ensure_bucket(struct world *w);

/* What oracle.c and oracle_uploads.c share. */
extern const struct bytes world_bucket;
struct bytes world_key(unsigned worker, unsigned key, char out[64]);
void world_remember_maybe(struct world *w, struct key_state *k, int content);
void world_remember_acked(struct key_state *k, int content);
/* Notes a failure, unless a power cut or an injected fault explains it. */
void world_failed_op(struct world *w, const char *what, enum dol_err err);
/* Writes all of a content in pieces; the put is still the caller's. */
enum dol_err world_write(struct world *w, struct put *put, const struct content *c);
/* What the key holds; -2 when that could not be found out. */
int world_observe(struct world *w, unsigned worker, unsigned key);

#endif
