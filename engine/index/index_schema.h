/*
 * Tables as LMDB databases: each table is one of its own, so random inserts into chunks don't touch the pages of
 * objects, and keys carry no prefix. Rows are those of index_row.h.
 *
 * Every value begins with a CRC-32C over table number, key and the rest of the value: LMDB 0.9 has no page checksums.
 * It is checked at every read.
 */
#ifndef DOL_INDEX_SCHEMA_H
#define DOL_INDEX_SCHEMA_H

#include <lmdb.h>

#include "index.h"

#define VALUE_PARTS_MAX 4u

/*
 * LMDB's result as ours. ENOTFOUND: no such key. ETOOLARGE: the map is full (it grows and the batch is tried again).
 * EFULL: the disk is.
 */
DOL_MUST_CHECK enum dol_err schema_err(int rc);

/* Stores the concatenation of at most VALUE_PARTS_MAX parts under key; replaces. The cursor is left on it. */
DOL_MUST_CHECK enum dol_err table_put(MDB_cursor *mc, enum index_table table, struct bytes key,
                                      const struct bytes *parts, unsigned count);
/* The payload behind a good CRC. ECORRUPT. */
DOL_MUST_CHECK enum dol_err table_check(enum index_table table, const MDB_val *key, const MDB_val *value,
                                        struct bytes *payload);
/* Positions a cursor at key. ENOTFOUND, ECORRUPT. */
DOL_MUST_CHECK enum dol_err table_get(MDB_cursor *mc, enum index_table table, struct bytes key, struct bytes *payload);
/* As table_get() without a cursor. */
DOL_MUST_CHECK enum dol_err table_lookup(MDB_txn *txn, MDB_dbi dbi, enum index_table table, struct bytes key,
                                         struct bytes *payload);

#endif
