/*
 * Reads the file of an LMDB environment (docs/index.md), page by page, with nothing of LMDB: its library believes what
 * lies in pages, and a damaged one may crash it. Here every number is checked against what it speaks of, and nothing is
 * written, mapped or locked.
 */
#ifndef DOL_FSCK_LMDB_H
#define DOL_FSCK_LMDB_H

#include <dolmen/err.h>
#include <dolmen/types.h>

struct fsck_lmdb;

/* What is wrong with a page; the walk goes on behind it. */
typedef void fsck_lmdb_bad_fn(void *arg, uint64_t page, const char *what);
/* An entry, in key order. Bytes are valid during the call. */
typedef void fsck_lmdb_entry_fn(void *arg, struct bytes key, struct bytes value);

/* fd is borrowed. ECORRUPT: no meta page can be believed; EIO, ENOMEM. */
DOL_MUST_CHECK enum dol_err fsck_lmdb_open(int fd, fsck_lmdb_bad_fn *bad, void *arg, struct fsck_lmdb **out);
void fsck_lmdb_free(struct fsck_lmdb *m);
/* All entries of a named tree; false: there is no tree of this name. */
bool fsck_lmdb_walk(struct fsck_lmdb *m, const char *name, fsck_lmdb_entry_fn *entry, void *arg);
/* Bytes read so far, and the size of the file. */
uint64_t fsck_lmdb_bytes_read(const struct fsck_lmdb *m);
uint64_t fsck_lmdb_bytes(const struct fsck_lmdb *m);

#endif
