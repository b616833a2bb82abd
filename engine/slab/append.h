/*
 * Appender: the group commit of one loop. Fibers hand over groups of records; the appender packs them into the next
 * row, writes it to all k + m members, and only when every write is durable publishes the records to the index and
 * wakes the fibers.
 *
 * Records of one group lie in one row. One row is in flight per open slab. A failed write ends the slab; its
 * successor's first row carries the verdict and the same records under the same LSNs; nobody is answered before that
 * row is acknowledged, and if that fails too, the process stops.
 */
#ifndef DOL_APPEND_H
#define DOL_APPEND_H

#include "list.h"
#include "pool.h"

#define APPEND_PARTS_MAX           3u
#define APPEND_QUEUE_BYTES_MAX     (64u << 20)            /* per loop; more callers wait */
#define APPEND_IDLE_NS             (100ull * 1000 * 1000) /* then an empty row proves the last one */
#define APPEND_PREPARE_BYTES       (4u << 20)             /* per member: one step of writing zeros */
#define APPEND_PREPARE_AHEAD_BYTES (16u << 20)            /* per member: steps are made until so much lies ready */
/* Rows whose units are on average larger go into space that is allocated and not zero-filled. */
#define APPEND_ZEROED_UNIT_BYTES_MAX (32u << 10)
#define APPEND_UNITS_AVERAGED        16u
#define APPEND_ROW_DIRECTORY_MAX     (900u << 10) /* directory bytes of one row's records */
#define APPEND_PLAIN_BODY_MAX        (1000u << 10) /* bodies of all kinds but chunks: they are repeated in the directory */

struct append_record {
    uint8_t kind;
    uint8_t flags;
    uint8_t codec;
    uint32_t plain_bytes;
    struct bytes parts[APPEND_PARTS_MAX]; /* the TLV body, in pieces; borrowed until the group is done */
    unsigned part_count;
    struct bytes payload; /* what index and directory keep: a chunk's 32-byte hash, else the whole body */
    const uint8_t *raw; /* not NULL: a record as it was stored before, raw_bytes long, moved without change; lsn is set
                           by the caller */
    uint32_t raw_bytes;
    uint32_t moved_count; /* RECORD_MOVED: how many of the records before it in the group it speaks of */
    /* results */
    struct lsn lsn;
    struct place place;
};

struct append_group;
/* Called on the appender's loop as the group is done, before its fiber is woken; must not await. */
typedef void append_done_fn(struct append_group *group);

struct append_group {
    struct append_record *records;
    unsigned count;
    append_done_fn *on_done; /* may be NULL */
    enum dol_err err;        /* result, once done */
    bool done;
    uint32_t stored_bytes; /* private from here */
    uint32_t directory_bytes;
    struct fiber *fiber;
    struct list_node node;
};

/* Starts one appender per loop as fibers. index: where rows are published. */
DOL_MUST_CHECK enum dol_err appenders_start(struct pool *pool, struct index *index);
/* [await] Lets the queues run empty, proves the last rows, ends the appenders. No new appends may come. */
void appenders_stop(struct pool *pool);

/*
 * Hands a group to the calling fiber's loop; it and all it points to stay untouched until append_wait() returned. May
 * wait for room in the queue [await]. One fiber may have several groups in flight.
 */
void append_start(struct pool *pool, struct append_group *group);
/* As append_start(), on loop 0, to a slab of its own: copies of records that lie in a slab which is to be freed. It
 * takes one slab more from the reserve than clients may. */
void append_start_copies(struct pool *pool, struct append_group *group);
/* [await] Until the group is durable and visible, or failed: EFULL, EREADONLY, ESTOPPED, ENOMEM. */
DOL_MUST_CHECK enum dol_err append_wait(struct append_group *group);

/*
 * Recovery only, before appenders_start(): [await] writes one row of numbered records (a verdict first) to a slab of
 * this run, not published. That slab then stays open for loop 0. A drive that fails leaves the pool. EFULL, EIO.
 */
DOL_MUST_CHECK enum dol_err append_recovery_row(struct pool *pool, struct append_record *records, unsigned count);

/* Largest sum of record_stored_bytes() that one group may have: a row of the fewest drives that the pool may come down
 * to, room for a directory record kept. */
uint32_t append_row_bytes_max(const struct pool *pool);

#endif
