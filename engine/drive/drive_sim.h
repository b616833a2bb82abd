/*
 * The simulator's drives: media in memory that outlive the engine and its crashes; completions come at seeded virtual
 * times and in seeded order.
 *
 * A medium keeps each write as it completes. Writes in flight at sim_medium_crash() are each kept whole, dropped, or
 * torn: every 512-byte or 4 KiB sector of them lands or not, by the seed. After a crash every operation of drives
 * opened before it, those in flight included, ends with ESTOPPED at its time and changes nothing.
 *
 * A write's buffer must not change before its completion: that is asserted. Media own what engines leave behind; they
 * outlive the runtimes that use them.
 */
#ifndef DOL_DRIVE_SIM_H
#define DOL_DRIVE_SIM_H

#include <dolmen/drive.h>

struct sim_medium; /* one drive's content; created zeroed and sparse */

struct sim_medium *sim_medium_new(uint64_t size_bytes, const char *name);
void sim_medium_free(struct sim_medium *m);

/* Opens the medium as a drive of the running simulated runtime. EINUSE while another drive on it is open; EIO when it
 * is removed; ESTOPPED between crash and power_on. */
DOL_MUST_CHECK enum dol_err drive_sim_open(struct sim_medium *m, struct drive **out);

/* Power cut for all media of an array at once: decides the fate of writes in flight. Callable from the scheduler or a
 * fiber. */
void sim_media_crash(struct sim_medium **media, unsigned count, struct runtime *rt);

/* Ends the crash: drives may be opened again, by the next runtime. Faults armed for a write that never came are
 * forgotten. */
void sim_medium_power_on(struct sim_medium *m);

/* Counts write operations started on all media; sim crash points are "before / during the n-th write". */
uint64_t sim_medium_writes(const struct sim_medium *m);

/* Called (may be NULL) as each write starts, before it can land: the crash scheduler's hook. */
typedef void sim_write_hook_fn(void *arg, struct sim_medium *m);
void sim_medium_on_write(struct sim_medium *m, sim_write_hook_fn *fn, void *arg);

/* Faults. */
void sim_medium_remove(struct sim_medium *m);  /* opening fails, operations fail with EIO */
void sim_medium_restore(struct sim_medium *m); /* it is back, as it was */
void sim_medium_flip(struct sim_medium *m, uint64_t offset, uint8_t xor_mask); /* bit rot */
void sim_medium_erase(struct sim_medium *m, uint64_t offset, uint64_t len);    /* zeroes */
void sim_medium_fail_range(struct sim_medium *m, uint64_t offset,
                           uint64_t len);                                    /* sticky EIO on read, until overwritten */
void sim_medium_lose_next_write(struct sim_medium *m);                       /* reported durable, never lands */
void sim_medium_fail_next_write(struct sim_medium *m);                       /* EIO, lands or not by the seed */
void sim_medium_misdirect_next_write(struct sim_medium *m, uint64_t offset); /* reported durable, lands there instead */
/* Raw access for tests. */
void sim_medium_poke(struct sim_medium *m, uint64_t offset, const void *buf, size_t len);
void sim_medium_peek(const struct sim_medium *m, uint64_t offset, void *buf, size_t len);
struct sim_medium *sim_medium_clone(const struct sim_medium *m);
bool sim_medium_equal(const struct sim_medium *a, const struct sim_medium *b);

#endif
