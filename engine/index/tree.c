/*
 * Walking and changing a table of keys: objects, uploads. A cursor keeps the path of nodes from the bucket to its leaf,
 * and the code read on the way down, so that it can climb back to a directory's entry when a child node ends.
 */
#include "index_tree.h"

#include "dol_assert.h"
#include "le.h"

struct tree_key {
    size_t len;
    uint8_t b[TREE_NODE_BYTES + KEY_PIECE_BYTES + TREE_SUFFIX_BYTES];
};

static void tree_key_make(struct tree_key *k, uint64_t node, const uint8_t *piece, size_t piece_len,
                          const uint8_t *suffix)
{
    dol_assert(piece_len <= KEY_PIECE_BYTES);
    be64_put(k->b, node);
    if (piece_len > 0)
        memcpy(k->b + TREE_NODE_BYTES, piece, piece_len);
    k->len = TREE_NODE_BYTES + piece_len;
    if (suffix != NULL) {
        memcpy(k->b + k->len, suffix, TREE_SUFFIX_BYTES);
        k->len += TREE_SUFFIX_BYTES;
    }
}

static int tree_range(struct tree_cursor *tc, const struct tree_key *key, MDB_val *k, MDB_val *v)
{
    *k = (MDB_val){key->len, (void *)(uintptr_t)key->b};
    return mdb_cursor_get(tc->mc, k, v, MDB_SET_RANGE);
}

static bool key_in_node(const MDB_val *k, uint64_t node)
{
    return k->mv_size > TREE_NODE_BYTES && be64_get(k->mv_data) == node;
}

static bool key_is(const MDB_val *k, const struct tree_key *key)
{
    return k->mv_size == key->len && memcmp(k->mv_data, key->b, key->len) == 0;
}

/* Goes down from the entry of directory `piece` of the current node into its child. */
static enum dol_err tree_descend(struct tree_cursor *tc, const uint8_t *piece, struct bytes payload)
{
    uint64_t child;
    if (tc->depth == TREE_DEPTH_MAX || directory_row_decode(payload, &child) != DOL_OK)
        return DOL_ECORRUPT;
    memcpy(tc->code + tc->depth * KEY_PIECE_BYTES, piece, KEY_PIECE_BYTES);
    tc->nodes[++tc->depth] = child;
    return DOL_OK;
}

/* Steps over the entry of the directory that led here: the result of that step. */
static enum dol_err tree_ascend(struct tree_cursor *tc, MDB_val *k, MDB_val *v, int *rc)
{
    struct tree_key key;
    tc->depth--;
    tree_key_make(&key, tc->nodes[tc->depth], tc->code + tc->depth * KEY_PIECE_BYTES, KEY_PIECE_BYTES, NULL);
    *rc = tree_range(tc, &key, k, v);
    if (*rc == MDB_SUCCESS && !key_is(k, &key))
        return DOL_ECORRUPT;
    if (*rc == MDB_SUCCESS)
        *rc = mdb_cursor_get(tc->mc, k, v, MDB_NEXT);
    return *rc == MDB_SUCCESS || *rc == MDB_NOTFOUND ? DOL_OK : schema_err(*rc);
}

/* From whatever entry a step in the current node led to, to the leaf at or behind it. */
static enum dol_err tree_settle(struct tree_cursor *tc, int rc, MDB_val k, MDB_val v)
{
    for (;;) {
        if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
            return schema_err(rc);
        if (rc == MDB_NOTFOUND || !key_in_node(&k, tc->nodes[tc->depth])) {
            if (tc->depth == 0)
                return DOL_ENOTFOUND;
            enum dol_err err = tree_ascend(tc, &k, &v, &rc);
            if (err != DOL_OK)
                return err;
            continue;
        }
        enum dol_err err = table_check(tc->table, &k, &v, &tc->payload);
        if (err != DOL_OK)
            return err;
        const uint8_t *rest = (const uint8_t *)k.mv_data + TREE_NODE_BYTES;
        size_t rest_len = k.mv_size - TREE_NODE_BYTES;
        if (row_is_directory(tc->payload)) {
            if (rest_len != KEY_PIECE_BYTES || tree_descend(tc, rest, tc->payload) != DOL_OK)
                return DOL_ECORRUPT;
            struct tree_key key;
            tree_key_make(&key, tc->nodes[tc->depth], NULL, 0, NULL);
            rc = tree_range(tc, &key, &k, &v);
            continue;
        }
        if (rest_len <= TREE_SUFFIX_BYTES || rest_len > KEY_PIECE_BYTES + TREE_SUFFIX_BYTES)
            return DOL_ECORRUPT;
        size_t piece_len = rest_len - TREE_SUFFIX_BYTES;
        tc->code_len = tc->depth * KEY_PIECE_BYTES + piece_len;
        if (tc->code_len > KEY_CODE_BYTES_MAX)
            return DOL_ECORRUPT;
        memcpy(tc->code + tc->depth * KEY_PIECE_BYTES, rest, rest_len);
        return DOL_OK;
    }
}

enum dol_err tree_seek(struct tree_cursor *tc, uint64_t bucket, struct bytes code, const uint8_t *suffix)
{
    const uint8_t *pos = code.data;
    size_t left = code.len;
    struct tree_key key;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc;
    tc->depth = 0;
    tc->nodes[0] = bucket;
    while (left > KEY_PIECE_BYTES) {
        tree_key_make(&key, tc->nodes[tc->depth], pos, KEY_PIECE_BYTES, NULL);
        rc = tree_range(tc, &key, &k, &v);
        if (rc != MDB_SUCCESS || !key_is(&k, &key))
            return tree_settle(tc, rc, k, v);
        struct bytes payload;
        if (table_check(tc->table, &k, &v, &payload) != DOL_OK || tree_descend(tc, pos, payload) != DOL_OK)
            return DOL_ECORRUPT;
        pos += KEY_PIECE_BYTES;
        left -= KEY_PIECE_BYTES;
    }
    tree_key_make(&key, tc->nodes[tc->depth], pos, left, suffix);
    rc = tree_range(tc, &key, &k, &v);
    return tree_settle(tc, rc, k, v);
}

enum dol_err tree_next(struct tree_cursor *tc)
{
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_get(tc->mc, &k, &v, MDB_NEXT);
    return tree_settle(tc, rc, k, v);
}

enum tree_create { TREE_FIND, TREE_CREATE };

/* The node that holds the last piece of a code, and that leaf's key. */
static enum dol_err tree_locate(struct tree_cursor *tc, uint64_t bucket, struct bytes code, const uint8_t *suffix,
                                enum tree_create create, uint64_t *next_node, struct tree_key *key)
{
    const uint8_t *pos = code.data;
    size_t left = code.len;
    tc->depth = 0;
    tc->nodes[0] = bucket;
    for (; left > KEY_PIECE_BYTES; pos += KEY_PIECE_BYTES, left -= KEY_PIECE_BYTES) {
        struct bytes payload;
        uint8_t value[DIRECTORY_ROW_BYTES];
        tree_key_make(key, tc->nodes[tc->depth], pos, KEY_PIECE_BYTES, NULL);
        enum dol_err err = table_get(tc->mc, tc->table, bytes_of(key->b, key->len), &payload);
        if (err == DOL_ENOTFOUND && create == TREE_CREATE) {
            directory_row_encode(TREE_CHILD_BIT | *next_node, value);
            (*next_node)++;
            payload = bytes_of(value, sizeof value);
            err = table_put(tc->mc, tc->table, bytes_of(key->b, key->len), &payload, 1);
        }
        if (err == DOL_OK)
            err = tree_descend(tc, pos, payload);
        if (err != DOL_OK)
            return err;
    }
    tree_key_make(key, tc->nodes[tc->depth], pos, left, suffix);
    return DOL_OK;
}

enum dol_err tree_get(struct tree_cursor *tc, uint64_t bucket, struct bytes code, const uint8_t *suffix,
                      struct bytes *payload)
{
    struct tree_key key;
    enum dol_err err = tree_locate(tc, bucket, code, suffix, TREE_FIND, NULL, &key);
    return err != DOL_OK ? err : table_get(tc->mc, tc->table, bytes_of(key.b, key.len), payload);
}

enum dol_err tree_put(struct tree_cursor *tc, uint64_t bucket, struct bytes code, const uint8_t *suffix,
                      const struct body_row *row, uint64_t *next_node)
{
    struct tree_key key;
    enum dol_err err = tree_locate(tc, bucket, code, suffix, TREE_CREATE, next_node, &key);
    if (err != DOL_OK)
        return err;
    uint8_t head[BODY_ROW_BYTES_MAX];
    size_t head_len = body_row_encode(row, head);
    const struct bytes parts[] = {bytes_of(head, head_len), row->body};
    return table_put(tc->mc, tc->table, bytes_of(key.b, key.len), parts, 2);
}

enum dol_err tree_delete(struct tree_cursor *tc, uint64_t bucket, struct bytes code, const uint8_t *suffix)
{
    struct tree_key key;
    enum dol_err err = tree_locate(tc, bucket, code, suffix, TREE_FIND, NULL, &key);
    if (err != DOL_OK)
        return err;
    for (;;) {
        MDB_val k = {key.len, key.b};
        MDB_val v;
        int rc = mdb_cursor_get(tc->mc, &k, &v, MDB_SET);
        if (rc == MDB_SUCCESS)
            rc = mdb_cursor_del(tc->mc, 0);
        if (rc != MDB_SUCCESS || tc->depth == 0)
            return schema_err(rc);
        tree_key_make(&key, tc->nodes[tc->depth], NULL, 0, NULL);
        rc = tree_range(tc, &key, &k, &v);
        if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
            return schema_err(rc);
        if (rc == MDB_SUCCESS && key_in_node(&k, tc->nodes[tc->depth]))
            return DOL_OK;
        tc->depth--;
        tree_key_make(&key, tc->nodes[tc->depth], (const uint8_t *)code.data + tc->depth * KEY_PIECE_BYTES,
                      KEY_PIECE_BYTES, NULL);
    }
}
