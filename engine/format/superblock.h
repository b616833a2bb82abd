/*
 * Superblock: identity of the pool and of one drive, membership, geometry, wrapped data keys, run and epoch.
 *
 * Four copies lie at 0, 64, 128 and 192 KiB of each drive. They are written one after another, each durable before the
 * next is begun, with `sequence` one higher than before; the copy with the highest sequence and a good checksum is the
 * drive's superblock. A half-finished update leaves the old one in the later slots. Across drives the highest (epoch,
 * sequence) speaks for the pool.
 */
#ifndef DOL_SUPERBLOCK_H
#define DOL_SUPERBLOCK_H

#include "format.h"

#define SUPERBLOCK_BYTES        16384u
#define SUPERBLOCK_COPIES       4u
#define SUPERBLOCK_STRIDE_BYTES 65536u
#define SUPERBLOCK_KEYS_MAX     16u

enum drive_state {
    DRIVE_STATE_ACTIVE = 1,    /* of the membership of this epoch */
    DRIVE_STATE_RETIRED = 2,   /* for good */
    DRIVE_STATE_ABSENT = 3,    /* left in this epoch or one before: what was written since it doesn't have */
    DRIVE_STATE_REBUILDING = 4 /* has what was written since joined_epoch, not yet all of what was before */
};

struct superblock_drive {
    struct uuid uuid;
    uint64_t size_bytes;  /* usable size when it joined */
    uint32_t extents;     /* number of extents on its grid */
    uint32_t incarnation; /* raised when a returning drive rejoins */
    uint8_t state;        /* enum drive_state */
    uint64_t joined_epoch;
};

struct superblock_key {
    uint32_t id;         /* data-key id, from 1 */
    uint8_t wrap_alg;    /* FORMAT_WRAP_* */
    uint8_t wrapped[40]; /* 32-byte data key, RFC 3394 under the master key */
    int64_t created_s;   /* UTC seconds */
};

/* Decoded form; superblock_encode() lays it out as docs/format.md says. */
struct superblock {
    struct format_masks masks;
    struct uuid pool;
    struct uuid drive; /* this drive */
    uint64_t sequence;
    uint64_t run;                  /* last run begun; a run is begun by raising this durably on all drives */
    uint64_t epoch;                /* membership epoch, from 1 */
    uint64_t generation;           /* last generation of freed slabs known here */
    uint64_t compliance_clock_s;   /* persisted compliance clock, seconds since 1970 */
    uint64_t compliance_credit_ms; /* catch-up credit earned and not spent */
    int64_t created_s;
    uint64_t extent_bytes;
    uint8_t k; /* default geometry of new slabs */
    uint8_t m;
    uint8_t encrypted;     /* 1: records are sealed with AES-256-GCM; 0: FORMAT_SEAL_NONE */
    uint8_t key_check[16]; /* first 16 bytes of HMAC-SHA256(master key, "dolmen key check" || pool): tells a wrong key
                              file from damage */
    uint32_t drive_count;
    struct superblock_drive drives[FORMAT_DRIVES_MAX];
    uint32_t key_count;
    struct superblock_key keys[SUPERBLOCK_KEYS_MAX];
    char label[64]; /* operator's name for the pool, terminated */
};

/* Writes all SUPERBLOCK_BYTES. */
void superblock_encode(const struct superblock *sb, uint8_t out[SUPERBLOCK_BYTES]);

/* ENOTPOOL: no magic. ECORRUPT: checksum or impossible fields. EFORMAT: version or incompat bits unknown. Fields are
 * fully validated (counts, geometry, sizes). */
DOL_MUST_CHECK enum dol_err superblock_decode(const uint8_t in[SUPERBLOCK_BYTES], struct superblock *out);

#endif
