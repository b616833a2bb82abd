/*
 * Tables in exact key order, whatever the length of the key: the versions of objects, and uploads.
 *
 * A row of such a table has the key  node (8, big-endian) | piece | suffix.  The root node of a bucket is its bucket
 * id. A code (index_key.h) of at most KEY_PIECE_BYTES is one piece, followed by the suffix (16), for objects the
 * inverted version id, for uploads the upload id: a *leaf*, whose value is a struct body_row. Of a longer code the
 * first KEY_PIECE_BYTES bytes are the piece of a *directory*, whose value names a child node; the rest goes on there.
 * Directories and leaves of one node sort together by their pieces, as no code is a prefix of another. Values tell them
 * apart: a directory's begins with TREE_DIRECTORY.
 *
 * Child nodes have bit 63 set and come from a counter; bucket ids have it clear. The last leaf of a child takes the
 * directory with it.
 */
#ifndef DOL_INDEX_TREE_H
#define DOL_INDEX_TREE_H

#include "index_key.h"
#include "index_schema.h"

#define KEY_PIECE_BYTES   440u
#define TREE_SUFFIX_BYTES 16u
#define TREE_DEPTH_MAX    4u /* directories above a leaf: (KEY_CODE_BYTES_MAX - 1) / KEY_PIECE_BYTES */
#define TREE_CHILD_BIT    (1ull << 63)
#define TREE_DIRECTORY    0x80u

_Static_assert((KEY_CODE_BYTES_MAX - 1) / KEY_PIECE_BYTES == TREE_DEPTH_MAX, "depth of the longest code");
_Static_assert(KEY_VERSION_BYTES == TREE_SUFFIX_BYTES && UPLOAD_ID_BYTES == TREE_SUFFIX_BYTES, "suffixes");
_Static_assert(8 + KEY_PIECE_BYTES + TREE_SUFFIX_BYTES <= TABLE_KEY_BYTES_MAX, "LMDB's key limit");

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
