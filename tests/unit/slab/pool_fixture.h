/*
 * A pool on simulated drives for the tests of slab and store: media that outlive the engine, an index folder and a key
 * file in memory, and sessions: the engine opened on a fiber of a fresh simulated runtime, a story told, and closed.
 *
 * Everything is decided by the fixture's seed. Assertions are cmocka's and may be made on fibers.
 */
#ifndef POOL_FIXTURE_H
#define POOL_FIXTURE_H

#include <dolmen/store.h>

#include "drive_sim.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FIXTURE_DRIVES_MAX 8u

struct fixture {
    /* set before fixture_init(), zero: default in parentheses */
    unsigned drives, k, m; /* (k + m drives) */
    unsigned loops;        /* (1) */
    uint64_t drive_bytes;  /* (32 extents) */
    uint64_t extent_bytes; /* (8 MiB) */
    uint64_t seed;         /* (1) */
    bool encrypted;
    /* may change between sessions */
    unsigned given;           /* bit per drive that is handed to store_open(); all after fixture_init() */
    enum store_access access; /* read-write */
    unsigned puts_max;
    uint64_t cache_bytes;      /* (none) */
    const char *key_file_used; /* what is handed to store_open() */
    int64_t realtime_ns;       /* UTC at the start of a session; 0: the simulator's */

    struct sim_medium *media[FIXTURE_DRIVES_MAX];
    char folder[64], index_dir[96], saved_dir[96], key_file[96];
    struct runtime *rt;
    struct store *store;        /* during a session */
    struct store_status status; /* fixture_status() */
    unsigned running;           /* fibers of fixture_spawn() */
    struct fiber *main_fiber;
    bool crashed;
};

typedef void fixture_fn(struct fixture *f);

/* main(): a name given runs only the tests it fits. */
void fixture_choose(int argc, char **argv);
/* Media and a formatted pool. */
void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);

/* Runs fn on a fiber of a fresh runtime, without a store. */
void fixture_run(struct fixture *f, fixture_fn *fn);
/* Opens the store, calls fn (may be NULL), closes. Returns what store_open() said; fn runs when it said OK. */
enum dol_err fixture_session(struct fixture *f, fixture_fn *fn);
/* A session that must open, read-write (with status.read_only false) or read-only. Without all drives the latter is
 * asked for; with them it has to come by itself. */
void fixture_write_session(struct fixture *f, fixture_fn *fn);
void fixture_read_session(struct fixture *f, fixture_fn *fn);

/* Within a session: the power goes. The session's function returns soon after; the media are back at its end. */
void fixture_crash(struct fixture *f);
/* Starts fn(arg) on a loop; fixture_join() waits for all of them. On the session's main fiber. */
void fixture_spawn(struct fixture *f, unsigned loop, fiber_fn *fn, void *arg);
void fixture_join(struct fixture *f);
/* The last thing a spawned fiber does. */
void fixture_leave(struct fixture *f);

/* 0 .. n - 1, by the session's seed. */
uint64_t fixture_dice(struct fixture *f, uint64_t n);
const struct store_status *fixture_status(struct fixture *f);

/* The index is lost; it is put aside as it is now; it is as it was then, and the copy is gone. */
void fixture_drop_index(struct fixture *f);
void fixture_save_index(struct fixture *f);
void fixture_restore_index(struct fixture *f);
/* All media as they are now; put back later. */
void fixture_clone_media(const struct fixture *f, struct sim_medium **out);
void fixture_swap_media(struct fixture *f, struct sim_medium **other);
void fixture_free_media(const struct fixture *f, struct sim_medium **media);

/* ---- objects; bucket "b" ---- */

struct bytes text(const char *s);
/* Incompressible bytes that depend on the seed alone. The caller frees. */
uint8_t *noise(uint64_t seed, size_t len);

void make_bucket(struct fixture *f);
enum dol_err try_put(struct fixture *f, const char *key, const void *data, size_t len, struct put_result *out);
void put(struct fixture *f, const char *key, const void *data, size_t len);
/* noise(seed, len) under the key. */
void put_noise(struct fixture *f, const char *key, uint64_t seed, size_t len);
/* The object is there with exactly these bytes. */
void expect(struct fixture *f, const char *key, const void *data, size_t len);
void expect_noise(struct fixture *f, const char *key, uint64_t seed, size_t len);
/* Reads it whole: never a wrong byte; the first error, or OK when it came complete. */
enum dol_err read_all(struct fixture *f, const char *key, const void *data, size_t len);
void expect_absent(struct fixture *f, const char *key);
void remove_object(struct fixture *f, const char *key);

/* A setting: a record whose body of any size is repeated in the slab's directory. */
void put_setting(struct fixture *f, const char *name, uint64_t seed, size_t len);
void expect_setting(struct fixture *f, const char *name, uint64_t seed, size_t len);

#endif
