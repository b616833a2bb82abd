/*
 * Tables in exact key order, whatever the length of the key: the versions of objects, and uploads. Their rows, leaves
 * and directories are described in index_row.h; this walks and changes them.
 */
#ifndef DOL_INDEX_TREE_H
#define DOL_INDEX_TREE_H

#include "index_schema.h"

/* A position in a bucket: at a leaf after OK from seek or next. */
struct tree_cursor {
    enum index_table table; /* that mc walks */
    MDB_cursor *mc;
    unsigned depth;
    uint64_t nodes[TREE_DEPTH_MAX + 1]; /* nodes[0]: the bucket */
    size_t code_len;
    uint8_t code[KEY_CODE_BYTES_MAX + TREE_SUFFIX_BYTES]; /* the suffix follows the code */
    struct bytes payload; /* body_row_decode() it; valid until the transaction changes or ends */
};

/*
 * First leaf at or above a position: a code or any beginning of one, and for whole codes a suffix or NULL.
 * ENOTFOUND: the bucket has none. ECORRUPT.
 */
DOL_MUST_CHECK enum dol_err tree_seek(struct tree_cursor *tc, uint64_t bucket, struct bytes code,
                                      const uint8_t *suffix);
/* The leaf after the current one. ENOTFOUND, ECORRUPT. */
DOL_MUST_CHECK enum dol_err tree_next(struct tree_cursor *tc);
/* Exactly this leaf. ENOTFOUND, ECORRUPT. */
DOL_MUST_CHECK enum dol_err tree_get(struct tree_cursor *tc, uint64_t bucket, struct bytes code, const uint8_t *suffix,
                                     struct bytes *payload);

/* Stores a leaf, replacing the same one, and the directories it needs, with ids from *next_node. */
DOL_MUST_CHECK enum dol_err tree_put(struct tree_cursor *tc, uint64_t bucket, struct bytes code, const uint8_t *suffix,
                                     const struct body_row *row, uint64_t *next_node);
/* Removes a leaf and the directories it leaves empty. ENOTFOUND. */
DOL_MUST_CHECK enum dol_err tree_delete(struct tree_cursor *tc, uint64_t bucket, struct bytes code,
                                        const uint8_t *suffix);

#endif
