/* Inside the slab library: the appender's state, and opening and sealing of the slab it appends to. */
#ifndef DOL_APPENDER_H
#define DOL_APPENDER_H

#include "append.h"
#include "row.h"

#define APPENDER_MAGIC 0x41505044u

/* What will be the directory of the open slab. */
struct slab_directory {
    uint8_t *entries[2]; /* [active]: of rows since the last directory record; the other one: being written */
    unsigned active;
    uint32_t len;
    struct extent_directory_row rows[EXTENT_DIRECTORY_ROWS_MAX];
    uint32_t row_count;
    struct lsn lsn_min;
    struct lsn lsn_max;
};

struct appender {
    unsigned magic;
    struct pool *pool;
    unsigned loop;
    struct fiber *fiber;
    bool sleeping;
    bool stopping;
    bool started;
    bool stopped;
    bool dead; /* the power was cut under it, or it panicked: nothing is written any more (simulator) */
    struct fiber *stop_waiter;
    struct list_node queue; /* struct append_group */
    size_t queued_bytes;
    struct waitq room;

    struct slab *slab;     /* open, or NULL */
    struct sealer *sealer; /* of slab */
    struct slab *next;     /* opened ahead, or NULL */
    bool opening_next;
    enum dol_err next_err;
    struct waitq next_ready;
    uint32_t prepared_block;  /* of slab: blocks below are prepared */
    uint32_t unit_blocks_sum; /* of the rows written last, fading: APPEND_UNITS_AVERAGED times the average */
    bool preparing;
    struct slab *preparing_slab;
    enum dol_err prepare_err;
    struct waitq prepared;
    bool unproven; /* the last row is acknowledged, and no later row says so */
    struct slab_directory directory;
    struct row_builder row;
    struct append_record **packed; /* records of the row being built */
    unsigned packed_count, packed_capacity;
};

/* [await] A new slab on the emptiest drives that take part, of the geometry that they allow (pool_geometry()), headers
 * durable, extents prepared a first step in that way. A drive that fails leaves the pool first. EFULL; EIO: the pool is
 * read-only. */
DOL_MUST_CHECK enum dol_err slab_open_new(struct pool *pool, enum drive_preparation how, struct slab **out);
/* Every member takes part: rows may be written to it. Any thread. */
bool slab_is_whole(const struct pool *pool, const struct slab *slab);
/* [await] Clears the extent headers of a slab without a valid row, on the members that take part, then frees its
 * extents and the slab. */
DOL_MUST_CHECK enum dol_err slab_stamp(struct pool *pool, struct slab *slab);
/* [await] Makes sure a->slab exists and takes a row of unit_blocks; seals a full one and goes on to the next. */
DOL_MUST_CHECK enum dol_err appender_slab_for(struct appender *a, uint32_t data_bytes);
/* [await] Until blocks up to `end` are prepared; starts the next step in the background. */
DOL_MUST_CHECK enum dol_err appender_prepare(struct appender *a, uint32_t end);
/* Adopts a slab as the open one. */
DOL_MUST_CHECK enum dol_err appender_adopt(struct appender *a, struct slab *slab);
/* Forgets the open slab (it was sealed or ended). */
void appender_drop_slab(struct appender *a);
/* First block that rows may not reach: footer and room for the last directory row are kept. */
uint32_t slab_rows_limit(const struct pool *pool, const struct slab *slab);

/* [await] Buffers and prepared space for the packed records as the next row of a->slab. On error nothing has changed.
 * EFULL, ENOMEM, EIO. */
DOL_MUST_CHECK enum dol_err appender_ready_row(struct appender *a);
/* [await] After appender_ready_row(): writes the packed records, numbered, as the next row; no publication. On error
 * the slab is unusable. */
DOL_MUST_CHECK enum dol_err appender_write_row(struct appender *a, uint8_t row_flags);
/* [await] Directory row and footers. When space for it can't be prepared the slab stays open (EFULL); any other failure
 * ends it: then it is kept until its verdict is written (carry_over). */
DOL_MUST_CHECK enum dol_err appender_seal(struct appender *a);
DOL_MUST_CHECK enum dol_err appender_pack(struct appender *a, struct append_record *record);
/* Publishes the packed records and the slab's position; panics when that fails. */
void appender_publish(struct appender *a);

/* [await] One write per member at the same block. buffers[i] goes to member i. Failed drives are marked faulted. EIO
 * without a write when a member doesn't take part. */
DOL_MUST_CHECK enum dol_err slab_write_members(struct pool *pool, struct slab *slab, uint32_t block,
                                               uint8_t *const *buffers, size_t len);

static inline uint32_t append_record_stored(const struct append_record *r)
{
    if (r->raw != NULL)
        return (r->raw_bytes + RECORD_ALIGN_BYTES - 1) & ~(RECORD_ALIGN_BYTES - 1);
    uint32_t body = 0;
    for (unsigned i = 0; i < r->part_count; i++)
        body += (uint32_t)r->parts[i].len;
    return record_stored_bytes(body);
}

#endif
