/*
 * The check of the index (docs/index.md): its entries against the log up to L, the LSN that it says it has applied, and
 * the log against its entries. What comes after L may lack: the server applies it at its next start.
 *
 * fsck_index.c        opening, what the index says of itself, the order of tables, moving it aside
 * fsck_index_slabs.c  slabs, and where records lie
 * fsck_index_names.c  objects, uploads, parts
 * fsck_index_buckets.c  buckets, settings
 * fsck_index_refs.c   chunks and lists
 * fsck_index_books.c  what of each slab is needed, and what is void
 */
#ifndef DOL_FSCK_INDEX_H
#define DOL_FSCK_INDEX_H

#include "fsck_lmdb.h"
#include "fsck_log.h"
#include "index_row.h"

struct fsck_index {
    struct fsck *f;
    struct fsck_lmdb *lmdb;
    enum index_table table; /* that is walked */
    struct index_state state;
    bool state_found, state_good;
    bool compare;                /* with the log; else checksums alone are judged */
    struct fsck_log log;         /* up to L; empty when there is no comparison */
    uint64_t unreadable;         /* entries and pages */
    struct fsck_map nodes;       /* directories of objects and uploads, by child: struct fsck_index_node */
    struct fsck_map slabs;       /* by id: struct fsck_index_slab */
    struct fsck_map settings;    /* by key in the index: struct fsck_index_setting */
    struct fsck_map shut;        /* canceller and grave, as in `cancels`: themselves */
    struct fsck_record **by_lsn; /* of by_lsn_slab, whose graves are walked */
    const struct fsck_slab *by_lsn_slab;
    uint64_t objects, buckets, chunks, live_bytes, freed; /* counted */
    size_t last_key_len;                                  /* of objects, without the version */
    uint8_t last_key[TABLE_KEY_BYTES_MAX];
    enum dol_err err; /* ENOMEM */
};

/* What is known of a slab: what the index says, and what was counted of its entries. */
struct fsck_index_slab {
    uint8_t key[8];
    bool known; /* it has a row */
    struct slab_row row;
    bool moving; /* records of it were copied, or are copies */
    struct live_row live;
};

/* A finding: it counts, and makes the index wrong. LOST: the index knows what the drives have lost. */
void fsck_index_say(struct fsck_index *ix, enum fsck_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An entry of a map whose value begins with its key; made when it isn't there. NULL: ix->err. */
void *fsck_index_slot(struct fsck_index *ix, struct fsck_map *m, struct bytes key, size_t size);

/* Handlers of an entry, and of one whose value is damaged: that says what it is about. */
typedef void fsck_index_entry_fn(struct fsck_index *ix, struct bytes key, struct bytes payload);
typedef void fsck_index_damaged_fn(struct fsck_index *ix, struct bytes key);

/* ---- fsck_index_slabs.c ---- */

struct fsck_index_slab *fsck_index_slab_of(struct fsck_index *ix, uint64_t slab);
fsck_index_entry_fn fsck_index_on_slab, fsck_index_on_move;
/* The slab of the drives with this id; NULL. */
struct fsck_slab *fsck_slab_find(const struct fsck *f, uint64_t id);
/* The record that lies at a place; NULL. *slab may be NULL in the end, too. */
struct fsck_record *fsck_record_find(const struct fsck *f, const struct place *place, struct fsck_slab **slab);
/* What is wrong with the place of a record that the index names; NULL: nothing. Counts it as needed there. */
const char *fsck_index_place(struct fsck_index *ix, const struct place *place, uint8_t kind, struct lsn lsn);

/* ---- fsck_index_names.c ---- */

fsck_index_entry_fn fsck_index_on_object, fsck_index_on_upload, fsck_index_on_part;
fsck_index_damaged_fn fsck_index_damaged_object, fsck_index_damaged_upload, fsck_index_damaged_part;
/* After the walk: what the log has and the index doesn't. */
void fsck_index_names_end(struct fsck_index *ix);

/* An entry against the record that it should be of. body: what the entry should hold. NULL: nothing is wrong. */
const char *fsck_index_compare(struct fsck_index *ix, const struct body_row *row, struct fsck_state *st,
                               struct bytes body);
static inline bool fsck_index_lacks(const struct fsck_state *st)
{
    return st->indexed.run == 0 && !st->wrong;
}
extern const char fsck_not_in_log[], fsck_not_in_index[], fsck_not_newest[], fsck_other_body[], fsck_damaged[];

/* ---- fsck_index_buckets.c ---- */

fsck_index_entry_fn fsck_index_on_bucket, fsck_index_on_name, fsck_index_on_setting;
fsck_index_damaged_fn fsck_index_damaged_bucket, fsck_index_damaged_name;
/* Before the walk: keys of settings. */
void fsck_index_settings_begin(struct fsck_index *ix);
/* After it: what the log has and the index doesn't. */
void fsck_index_buckets_end(struct fsck_index *ix);

/* ---- fsck_index_refs.c ---- */

fsck_index_entry_fn fsck_index_on_chunk, fsck_index_on_list, fsck_index_on_members;
fsck_index_damaged_fn fsck_index_damaged_chunk, fsck_index_damaged_list;
/* After it: what the index lacks; then everything that is wrong, by the objects that need it. */
void fsck_index_refs_end(struct fsck_index *ix);

/* ---- fsck_index_books.c ---- */

fsck_index_entry_fn fsck_index_on_grave, fsck_index_on_cancel, fsck_index_on_live;
/* After the walk: books without a row, records that are neither current nor void, and what the state counts. */
void fsck_index_books_end(struct fsck_index *ix);

#endif
