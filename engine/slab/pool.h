/*
 * Pool: the drives of one appliance, their superblocks, the slab table, and the order of records.
 *
 * Ownership: a pool owns its drives, keys, erasure codes and slabs. Which of the drives take part is in members.h.
 * The slab table, the extent maps and the LSN counter are shared by all loops and guarded by pool->lock, held for short
 * times and never across an await. A slab's rows, end and last table belong to the loop that appends to it.
 */
#ifndef DOL_POOL_H
#define DOL_POOL_H

#include <dolmen/drive.h>
#include <dolmen/runtime.h>
#include <dolmen/store.h>

#include <pthread.h>
#include <stdatomic.h>

#include "ec.h"
#include "extent.h"
#include "index.h"
#include "seal.h"
#include "superblock.h"

#define POOL_LOOPS_MAX 64u
#define POOL_EXTENT_BYTES_MIN                                                                                          \
    (8u << 20)                      /* half of it takes a row with a whole chunk and a directory, even with k = 1 */
#define POOL_EXTENTS_PER_DRIVE 256u /* aimed at when the extent size is chosen by drive size */
#define POOL_LOCK_TIMEOUT_NS   (10ull * 1000 * 1000 * 1000)

#define POOL_REBUILDS_MAX       4u /* per loop: rows in memory to rebuild a record */
#define POOL_RANGE_REBUILDS_MAX 8u /* per loop: records being rebuilt from the same bytes of k members */

#define POOL_MAGIC 0x504f4f4cu
#define SLAB_MAGIC 0x534c4142u

struct slab_member {
    unsigned drive; /* index into pool->drives */
    uint32_t extent;
};

struct slab {
    unsigned magic;
    uint64_t id;
    struct uuid life;
    uint64_t run;
    uint64_t epoch; /* in which it was opened */
    uint8_t k, m;
    _Atomic(enum slab_state) state;
    const struct ec *ec;
    struct slab_member members[FORMAT_MEMBERS_MAX];
    uint64_t rows;      /* acknowledged; the loop that appends, or recovery */
    uint32_t end_block; /* where the next row goes */
    struct sha256 last_table;
    unsigned pins; /* lock; reads and preparations under way: its extents are not given back meanwhile */
    struct slab *hash_next;
};

struct pool_drive {
    struct uuid uuid;
    _Atomic(struct drive *) drive; /* NULL: missing */
    _Atomic uint64_t from_epoch; /* it is being rebuilt: slabs of earlier epochs may lack their units on it; 0: isn't */
    struct drive *returned;      /* there, but absent since an earlier epoch: nothing of it counts */
    uint32_t incarnation;
    uint32_t extents;
    uint32_t extents_free;   /* lock */
    uint8_t *extent_used;    /* lock; one byte per extent */
    uint8_t *extent_suspect; /* lock; scan only: the header could not be read or understood */
    uint32_t extent_hint;    /* lock; where the search for a free one begins */
    atomic_bool faulted;     /* a write failed in this run: nothing more is written to it */
};

struct pool_counters {
    _Atomic uint64_t rows, rows_empty, records, drive_bytes_written, reads_reconstructed, slabs_sealed, slabs_ended;
    _Atomic uint64_t slabs_freed, slabs_compacted, bytes_moved;
};

struct appender;

#define POOL_SLAB_BUCKETS 4096u
#define POOL_EC_MAX       16u

struct pool {
    unsigned magic;
    struct superblock sb; /* as written last or being written, but for the fields that differ per drive */
    struct keyring *keys; /* NULL: not encrypted */
    struct opener *opener;
    struct index *index; /* borrowed; where acknowledged rows are published */
    unsigned drive_count;
    struct pool_drive drives[FORMAT_DRIVES_MAX];
    struct drive *given[FORMAT_DRIVES_MAX]; /* all that were given to pool_open(), members or not */
    unsigned given_count;
    bool owns_drives; /* set once the store is open: pool_close() closes them */
    uint64_t run;
    _Atomic uint64_t epoch;      /* that every member has durably: rows are written under it */
    struct gate superblock_gate; /* loop 0 */
    unsigned loops;
    struct appender *appenders[POOL_LOOPS_MAX + 1]; /* the one behind the loops' copies records out of slabs */
    struct pool_counters counters;
    struct gate rebuild_gates[POOL_LOOPS_MAX]; /* of each loop: reads that hold a whole row in memory */
    struct gate range_gates[POOL_LOOPS_MAX];   /* of each loop: reads that hold a part of k units */

    pthread_mutex_t lock;
    struct slab *slabs[POOL_SLAB_BUCKETS];     /* lock */
    _Atomic uint32_t slabs_free;               /* how many more could be opened; kept up with the extent maps */
    uint64_t slab_count;                       /* lock */
    uint32_t slab_counter;                     /* lock; low half of the last slab id of this run */
    uint64_t lsn_next;                         /* lock; next counter of this run */
    uint64_t lsn_inflight[POOL_LOOPS_MAX + 1]; /* lock; first counter of the loop's row in flight, UINT64_MAX: none */
    atomic_bool read_only;                     /* set with the lock held, read without */
    char reason[160];                          /* lock; why read-only or degraded */
    unsigned slabs_reserve;
    unsigned scan_gaps; /* lock; extents whose header could not be read or understood, and no member explains */
    struct ec *ecs[POOL_EC_MAX]; /* lock */
    struct {
        uint8_t k, m;
    } ec_geometry[POOL_EC_MAX];
    unsigned ec_count;
    struct compliance_clock {
        uint64_t base_s; /* clock at open */
        uint64_t opened_boottime_ns;
    } clock;
};

/*
 * [await] Reads superblocks, decides which drives belong, unwraps keys, begins a new run (read-write). `drives` are
 * taken on success only. No slab is known yet: pool_scan() (recover.h) comes next.
 */
DOL_MUST_CHECK enum dol_err pool_open(const struct store_config *config, struct pool **out);
/* [await] Persists clocks (read-write), closes the drives if it owns them, frees. Appenders are stopped. */
void pool_close(struct pool *pool);

/* The erasure code for a geometry, made and self-tested once. EUNSUPPORTED, ENOMEM. */
DOL_MUST_CHECK enum dol_err pool_ec(struct pool *pool, unsigned k, unsigned m, const struct ec **out);

/* Makes the pool read-only for the rest of this run; the first reason stays. */
void pool_set_read_only(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool pool_is_read_only(struct pool *pool);

/* Compliance clock, seconds since 1970. */
uint64_t pool_compliance_now_s(const struct pool *pool);

/* ---- slabs ---- */

struct slab *pool_slab_find(struct pool *pool, uint64_t id);
/*
 * As pool_slab_find(), and the slab stays until pool_slab_unpin(): for the time of reads and writes that were started,
 * no longer. NULL when it has been freed, too. Any thread.
 */
struct slab *pool_slab_pin(struct pool *pool, uint64_t id);
void pool_slab_unpin(struct pool *pool, struct slab *slab);
/* Takes ownership of a slab whose extents are marked in use. */
void pool_slab_add(struct pool *pool, struct slab *slab);
void pool_slab_remove(struct pool *pool, struct slab *slab);
/* Calls fn for each slab, with the lock held: it must not await, and call nothing of the pool that takes it. Slabs that
 * come or go meanwhile may be missed. */
typedef void pool_slab_fn(void *arg, struct slab *slab);
void pool_slab_each(struct pool *pool, pool_slab_fn *fn, void *arg);
/*
 * Ids of slabs in order, for those who await between one slab and the next and pin each. wanted: which ones, with the
 * lock held; NULL: all. *ids is the caller's to free, also after ENOMEM.
 */
typedef bool pool_slab_wanted_fn(const void *arg, const struct slab *slab);
DOL_MUST_CHECK enum dol_err pool_slab_ids(struct pool *pool, pool_slab_wanted_fn *wanted, const void *arg,
                                          uint64_t **ids, size_t *count);

/* Recounts how many more slabs could be opened, after extents were taken or given back or a drive left. Lock held. */
void pool_count_free(struct pool *pool);
/* PUTs are refused with EFULL below this many: an open slab and its successor per loop, recovery, and what compaction
 * will need; at most an eighth of the pool. */
unsigned pool_slabs_reserve(const struct pool *pool);
bool pool_is_full(struct pool *pool);
/* The last ones are for recovery, for rows that failed, and for the copies that make room: no appender opens them for
 * clients. */
#define POOL_SLABS_LAST 2u

/* Absolute offset on the drive of block `block` in an extent. */
static inline uint64_t pool_extent_offset(const struct pool *pool, uint32_t extent, uint32_t block)
{
    return FORMAT_EXTENTS_OFFSET + (uint64_t)extent * pool->sb.extent_bytes + (uint64_t)block * FORMAT_BLOCK_BYTES;
}

static inline uint32_t pool_extent_blocks(const struct pool *pool)
{
    return (uint32_t)(pool->sb.extent_bytes / FORMAT_BLOCK_BYTES);
}

/* ---- LSNs ---- */

/* The next `count` LSNs, registered as in flight on this loop until pool_lsn_done(). */
struct lsn pool_lsn_take(struct pool *pool, unsigned loop, uint64_t count);
void pool_lsn_done(struct pool *pool, unsigned loop);
/* Everything at or below it is acknowledged and published, or dead: the bound for index_commit(). */
struct lsn pool_lsn_bound(struct pool *pool);
/* The highest given so far. */
struct lsn pool_lsn_last(struct pool *pool);

#endif
