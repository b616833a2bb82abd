/*
 * dolmen-fsck: walks and judges a pool alone. It shares the structures' decoders (engine/format), checksums, erasure
 * code, key and codec libraries with the engine, and none of its reading, judging or repairing.
 *
 * Passes: drives (superblocks) -> slabs (extent headers, footers) -> rows (units, parity, records; a slab per worker
 * thread) -> objects (what the log says there is, and whether all of it can be read) -> the index against the log ->
 * repair of units proven bad.
 * A dry run opens everything read-only.
 *
 * Everything hangs off struct fsck. Workers touch only their slab, the drives' atomic counters and the report (locked).
 */
#ifndef DOL_FSCK_H
#define DOL_FSCK_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "body.h"
#include "ec.h"
#include "extent.h"
#include "fsck_report.h"
#include "seal.h"
#include "superblock.h"
#include "unit.h"

#define FSCK_THREADS_MAX 64u

enum fsck_mode { FSCK_CHECK, FSCK_REPAIR };

struct fsck_options {
    const char *drives[FORMAT_DRIVES_MAX];
    unsigned drive_count;
    const char *index_dir; /* NULL: none is named */
    const char *key_file;  /* NULL: none; contents of an encrypted pool can't be judged then */
    enum fsck_mode mode;
    bool build_index; /* in the place of what is in index_dir */
    unsigned threads;
};

struct fsck_drive {
    char path[PATH_MAX];
    int fd;
    uint64_t size_bytes;
    bool has_superblock;
    unsigned copies_good; /* of SUPERBLOCK_COPIES */
    struct superblock sb; /* the newest good copy */
    bool member;          /* of the pool that is checked */
    uint32_t extents;
    _Atomic uint64_t bytes_read, read_errors, units_bad, units_rewritten;
};

/* What is at a member's place of a row. */
enum fsck_unit {
    FSCK_UNIT_GOOD,
    FSCK_UNIT_ABSENT,     /* the drive is missing */
    FSCK_UNIT_UNREADABLE, /* an I/O error */
    FSCK_UNIT_NONE,       /* no header of this row */
    FSCK_UNIT_DAMAGED,    /* its header is, its payload isn't */
    FSCK_UNIT_STRANGE     /* a good unit that disagrees with its siblings */
};

/* One record as found. Chunks keep their hash, other kinds their plain body in the slab's `bodies`. */
struct fsck_record {
    uint8_t kind;
    uint8_t codec;
    bool good;    /* opened, and for chunks: decoded to what its hash says */
    bool checked; /* false: sealed, and no key is at hand */
    bool indexed; /* the index names it as the state of something */
    bool buried;  /* the index has a grave for it */
    uint32_t row;
    uint32_t offset_bytes, stored_bytes; /* in the row's data */
    uint32_t plain_bytes;
    struct lsn lsn;
    struct sha256 hash; /* chunks and lists */
    size_t body_at;     /* in fsck_slab.bodies */
    uint32_t body_bytes;
};

/* A row as found; blocks 0: not at all. */
struct fsck_row {
    uint32_t block, unit_blocks;
    struct sha256 table; /* table hash of the chain */
};

struct fsck_bad_row {
    uint64_t row;
    uint32_t block;
    uint32_t unit_blocks;
    uint8_t good;
    uint8_t unreadable; /* absent ones, too */
    uint8_t state[FORMAT_MEMBERS_MAX];
};

struct fsck_slab {
    struct extent_header header;              /* a good one's */
    uint8_t header_state[FORMAT_MEMBERS_MAX]; /* enum fsck_unit */
    int drive[FORMAT_MEMBERS_MAX];            /* index in fsck.drives; -1: missing */
    bool has_footer;
    struct extent_footer footer;
    bool has_limit; /* an `end` record or the footer says how many rows there are */
    uint64_t limit;
    bool freed;
    struct lsn freed_lsn;
    /* found by the walk */
    uint64_t rows; /* numbers seen: the next one would be this */
    struct fsck_row *row_list;
    size_t row_capacity;
    uint64_t data_bytes;
    uint64_t records_bad;
    struct fsck_record *records;
    size_t record_count, record_capacity;
    uint8_t *bodies;
    size_t bodies_len, bodies_capacity;
    struct fsck_bad_row *bad_rows; /* rows with a unit that isn't good */
    size_t bad_row_count, bad_row_capacity;
    struct fsck_lines lines; /* what the walk has to say of it */
    bool walked;
    enum dol_err err; /* ENOMEM, EFORMAT: the walk did not end */
};

struct fsck_totals {
    uint64_t rows, records, chunks, chunk_bytes, lists, buckets, versions, delete_markers, uploads, object_bytes;
    uint64_t rows_repairable, rows_lost, units_bad, units_rewritten;
    uint64_t chunks_unreferenced, versions_damaged;
    uint64_t headers_unreadable; /* extents nobody knows the slab of */
    uint64_t index_entries, index_wrong, index_lost, index_behind;
};

struct fsck {
    struct fsck_options options;
    struct fsck_report *report;
    struct fsck_drive drives[FORMAT_DRIVES_MAX];
    unsigned drive_count;
    struct superblock sb; /* speaks for the pool */
    bool can_open;        /* records can be opened: not encrypted, or the key is at hand */
    struct keyring *keys;
    struct opener *opener;
    struct fsck_slab **slabs; /* newest first */
    size_t slab_count, slab_capacity;
    _Atomic size_t next_slab;    /* for workers */
    pthread_mutex_t telling;     /* guards the next, and `walked` of slabs */
    size_t next_told;            /* slabs before it were walked, and what was found in them is said */
    _Atomic uint64_t bytes_done; /* of members' units, for progress */
    int index_fd;                /* the index's directory, locked; -1: there is none */
    bool log_whole;              /* every record of the log could be read */
    bool index_aside;            /* it was wrong, and was moved */
    bool index_built;            /* one built here is in its place */
    struct fsck_totals totals;
};

/* ---- fsck_drives.c ---- */

/* Opens the drives and reads their superblocks; finds the pool and its missing drives; opens the keys. ENOTPOOL,
 * EINUSE, EKEY, EPERM, EIO; what is wrong was said. */
DOL_MUST_CHECK enum dol_err fsck_drives_open(struct fsck *f);
void fsck_drives_close(struct fsck *f);
/* Writes the copies of superblocks that are bad, from the drive's newest good one. */
void fsck_superblocks_repair(struct fsck *f);
/* Index of the pool's drive with this UUID, or -1. */
int fsck_drive_find(const struct fsck *f, struct uuid uuid);
/* flock(2), for which it waits a few seconds: requests of a killed dolmend hold its files until the kernel is done with
 * them. */
DOL_MUST_CHECK bool fsck_lock(int fd, int how);
/* Whole or nothing; counts. Buffers, lengths and offsets are multiples of 4096. */
DOL_MUST_CHECK bool fsck_drive_read(struct fsck_drive *d, uint64_t offset, void *buf, size_t len);
/* Durable, and read back. */
DOL_MUST_CHECK bool fsck_drive_write(struct fsck_drive *d, uint64_t offset, const void *buf, size_t len);

/* ---- fsck_slabs.c ---- */

DOL_MUST_CHECK enum dol_err fsck_slabs_find(struct fsck *f);
void fsck_slabs_free(struct fsck *f);
/* Extent headers and footers that are bad are written from their siblings'. */
void fsck_extents_repair(struct fsck *f, struct fsck_slab *s);
static inline uint64_t fsck_extent_offset(const struct fsck *f, const struct fsck_slab *s, unsigned member,
                                          uint32_t block)
{
    return FORMAT_EXTENTS_OFFSET + s->header.members[member].extent * f->sb.extent_bytes +
           (uint64_t)block * FORMAT_BLOCK_BYTES;
}

/* ---- fsck_rows.c ---- */

/* A worker's buffers. */
struct fsck_walker;
DOL_MUST_CHECK enum dol_err fsck_walker_new(struct fsck *f, struct fsck_walker **out);
void fsck_walker_free(struct fsck_walker *w);
/* Reads every row of a slab, judges units, checks parity, collects records. */
void fsck_slab_walk(struct fsck_walker *w, struct fsck_slab *s);

/* ---- fsck_records.c ---- */

/* Records of a row: opened, decoded, hashed, kept in s->records. `data` is changed. `plain`: CHUNK_BYTES_MAX bytes. */
struct codec;
void fsck_records_walk(struct fsck *f, struct fsck_slab *s, struct codec *codec, uint8_t *plain, uint32_t row,
                       uint8_t *data, size_t len);

/* ---- fsck_verdict.c ---- */

/* What `end` and `freed` records say of slabs, and what that makes of their rows. */
void fsck_verdicts(struct fsck *f);
static inline struct bytes fsck_record_body(const struct fsck_slab *s, const struct fsck_record *r)
{
    return bytes_of(s->bodies + r->body_at, r->body_bytes);
}

/* ---- fsck_objects.c ---- */

/* What the log as a whole says: every version's references are followed. */
DOL_MUST_CHECK enum dol_err fsck_objects_check(struct fsck *f);

/* ---- fsck_index.c ---- */

/* The index against what was read of the drives. EINUSE, EIO, ENOMEM; what is wrong was said. */
DOL_MUST_CHECK enum dol_err fsck_index_check(struct fsck *f);
/* One that is wrong goes out of the server's way, when all that it has to say can be read from the drives. */
void fsck_index_repair(struct fsck *f);
void fsck_index_close(struct fsck *f);

/* ---- fsck_build.c ---- */

/* Builds an index, after the check of the one that is there; says what came of it. */
void fsck_index_build(struct fsck *f);

/* ---- fsck_repair.c ---- */

/* Units proven bad, in rows that count, are computed from k good ones, written, and read back. */
void fsck_rows_repair(struct fsck *f);

/* "slab 3.17" */
#define FSCK_SLAB_NAME_BYTES 48u
const char *fsck_slab_name(const struct fsck_slab *s, char out[FSCK_SLAB_NAME_BYTES]);
/* Path of a member's drive, or its UUID when that is missing. */
const char *fsck_member_name(const struct fsck *f, const struct fsck_slab *s, unsigned member, char out[PATH_MAX]);

#endif
