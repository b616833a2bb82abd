/*
 * Objects, uploads and parts of the index, against the log: each entry is the newest record of something that is
 * there, and everything that is there has an entry.
 */
#include <stdlib.h>

#include "fsck_index.h"
#include "hash.h"
#include "le.h"

/* A directory of keys: which bucket and which beginning of a code it stands for. */
struct fsck_index_node {
    uint8_t key[8];
    bool known;
    uint64_t bucket;
    size_t len;
    uint8_t code[TREE_DEPTH_MAX * KEY_PIECE_BYTES];
};

/* ---- what a finding is about ---- */

static void say_object(struct fsck_index *ix, uint64_t bucket, struct bytes key, const char *what, const char *wrong)
{
    char name[FSCK_OBJECT_NAME_BYTES];
    fsck_index_say(ix, FSCK_REPAIRABLE, "%s %s: %s", fsck_log_object_name(&ix->log, bucket, key, name), what, wrong);
}

static void say_version(struct fsck_index *ix, const struct manifest *m, const char *wrong)
{
    char version[FSCK_VERSION_NAME_BYTES];
    say_object(ix, m->bucket, m->key, fsck_version_name(m, version), wrong);
}

static void say_part(struct fsck_index *ix, const struct upload_part_body *part, const char *wrong)
{
    char what[64];
    snprintf(what, sizeof what, "(part %u of an upload)", part->part.number);
    say_object(ix, part->bucket, part->key, what, wrong);
}

const char fsck_not_in_log[] = "the index has it, the log doesn't";
const char fsck_not_in_index[] = "the log has it, the index doesn't";
const char fsck_not_newest[] = "the index doesn't have its newest record";
const char fsck_other_body[] = "what the index says of it isn't what its record says";
const char fsck_damaged[] = "its entry in the index is damaged";

/* ---- keys of objects and uploads ---- */

/* A leaf's key, put together: bucket, code, suffix. */
struct leaf {
    uint64_t bucket;
    size_t code_len;
    uint8_t code[KEY_CODE_BYTES_MAX];
    uint8_t suffix[TREE_SUFFIX_BYTES];
};

static bool node_begin(const struct fsck_index *ix, struct bytes key, struct leaf *out)
{
    if (key.len <= TREE_NODE_BYTES)
        return false;
    out->bucket = be64_get(key.data);
    out->code_len = 0;
    if ((out->bucket & TREE_CHILD_BIT) == 0)
        return true;
    const struct fsck_index_node *node = fsck_map_get(&ix->nodes, bytes_of(key.data, TREE_NODE_BYTES));
    if (node == NULL || !node->known)
        return false;
    out->bucket = node->bucket;
    out->code_len = node->len;
    memcpy(out->code, node->code, node->len);
    return true;
}

static bool leaf_of(const struct fsck_index *ix, struct bytes key, struct leaf *out)
{
    if (!node_begin(ix, key, out))
        return false;
    const uint8_t *rest = (const uint8_t *)key.data + TREE_NODE_BYTES;
    size_t len = key.len - TREE_NODE_BYTES;
    if (len <= TREE_SUFFIX_BYTES || len > KEY_PIECE_BYTES + TREE_SUFFIX_BYTES ||
        out->code_len + len - TREE_SUFFIX_BYTES > KEY_CODE_BYTES_MAX)
        return false;
    memcpy(out->code + out->code_len, rest, len - TREE_SUFFIX_BYTES);
    out->code_len += len - TREE_SUFFIX_BYTES;
    memcpy(out->suffix, rest + len - TREE_SUFFIX_BYTES, TREE_SUFFIX_BYTES);
    return true;
}

/* Children have higher numbers than their parents: they come later in the walk. */
static void on_directory(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    uint64_t child;
    uint8_t child_key[8];
    struct leaf begin;
    bool good = directory_row_decode(payload, &child) == DOL_OK && node_begin(ix, key, &begin) &&
                key.len == TREE_NODE_BYTES + KEY_PIECE_BYTES &&
                begin.code_len + KEY_PIECE_BYTES <= TREE_DEPTH_MAX * KEY_PIECE_BYTES;
    if (!good) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "a directory of the table %s is none", table_names[ix->table]);
        return;
    }
    be64_put(child_key, child);
    struct fsck_index_node *node = fsck_index_slot(ix, &ix->nodes, bytes_of(child_key, sizeof child_key), sizeof *node);
    if (node == NULL)
        return;
    if (node->known)
        fsck_index_say(ix, FSCK_REPAIRABLE, "two directories of the table %s are one", table_names[ix->table]);
    node->known = true;
    node->bucket = begin.bucket;
    node->len = begin.code_len + KEY_PIECE_BYTES;
    memcpy(node->code, begin.code, begin.code_len);
    memcpy(node->code + begin.code_len, (const uint8_t *)key.data + TREE_NODE_BYTES, KEY_PIECE_BYTES);
}

/* Is this entry's key the one of this object? */
static bool leaf_is(const struct fsck_index *ix, struct bytes key, uint64_t bucket, struct bytes object_key,
                    const uint8_t *suffix)
{
    struct leaf leaf;
    uint8_t code[KEY_CODE_BYTES_MAX];
    return leaf_of(ix, key, &leaf) && leaf.bucket == bucket &&
           bytes_equal(bytes_of(leaf.code, leaf.code_len), bytes_of(code, key_code_encode(object_key, code))) &&
           memcmp(leaf.suffix, suffix, TREE_SUFFIX_BYTES) == 0;
}

/* An entry that can't be read, by its key; false: the key can't, either. */
static bool name_leaf(struct fsck_index *ix, struct bytes key, const char *wrong, struct leaf *leaf, uint8_t *object,
                      size_t *len)
{
    char what[FSCK_VERSION_NAME_BYTES] = "version ";
    if (!leaf_of(ix, key, leaf) || key_code_decode(leaf->code, leaf->code_len, object, len) != DOL_OK) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table %s: %s", table_names[ix->table], wrong);
        return false;
    }
    if (ix->table == TABLE_OBJECTS) {
        key_version_invert(leaf->suffix, leaf->suffix);
        hex_encode(leaf->suffix, sizeof leaf->suffix, what + 8);
    } else {
        snprintf(what, sizeof what, "(an upload)");
    }
    say_object(ix, leaf->bucket, bytes_of(object, *len), what, wrong);
    return true;
}

void fsck_index_damaged_object(struct fsck_index *ix, struct bytes key)
{
    struct leaf leaf;
    struct version_id version;
    uint8_t object[OBJECT_KEY_BYTES_MAX];
    size_t len;
    if (!name_leaf(ix, key, fsck_damaged, &leaf, object, &len))
        return;
    memcpy(version.b, leaf.suffix, sizeof version.b);
    struct fsck_state *st = fsck_log_version(&ix->log, leaf.bucket, bytes_of(object, len), &version);
    if (st != NULL)
        st->wrong = true;
}

void fsck_index_damaged_upload(struct fsck_index *ix, struct bytes key)
{
    struct leaf leaf;
    uint8_t object[OBJECT_KEY_BYTES_MAX];
    size_t len;
    struct fsck_state *st;
    if (name_leaf(ix, key, fsck_damaged, &leaf, object, &len) && (st = fsck_log_upload(&ix->log, leaf.suffix)) != NULL)
        st->wrong = true;
}

/* ---- comparing ---- */

const char *fsck_index_compare(struct fsck_index *ix, const struct body_row *row, struct fsck_state *st,
                               struct bytes body)
{
    const char *wrong = fsck_index_place(ix, &row->place, st->kind, row->lsn);
    st->indexed = row->lsn;
    if (lsn_compare(row->lsn, st->lsn) != 0)
        return fsck_not_newest;
    if (wrong == NULL && !bytes_equal(row->body, body))
        wrong = fsck_other_body;
    return wrong;
}

static const char *compare_version(struct fsck_index *ix, const struct body_row *row, struct fsck_state *st,
                                   const struct manifest *m)
{
    bool changed = fsck_state_has_meta(st);
    bool marker = (m->flags & MANIFEST_DELETE_MARKER) != 0;
    const char *wrong;
    if ((row->flags & BODY_ROW_META) != 0)
        st->meta_indexed = row->meta_lsn;
    if (!changed) {
        wrong = fsck_index_compare(ix, row, st, st->body);
    } else {
        struct tlv_writer w;
        size_t capacity = fsck_state_merge_bytes(st);
        uint8_t *merged = malloc(capacity);
        if (merged == NULL) {
            ix->err = DOL_ENOMEM;
            return NULL;
        }
        bool fits = fsck_state_merge(st, &w, merged, capacity);
        wrong = fsck_index_compare(ix, row, st, fits ? bytes_of(merged, w.len) : st->body);
        free(merged);
        const char *other = (row->flags & BODY_ROW_META) == 0 || lsn_compare(row->meta_lsn, st->meta_lsn) != 0
                                ? fsck_not_newest
                                : fsck_index_place(ix, &row->meta_place, RECORD_OBJECT_META, row->meta_lsn);
        wrong = wrong != NULL ? wrong : other;
    }
    if (wrong == NULL &&
        (changed != ((row->flags & BODY_ROW_META) != 0) || marker != ((row->flags & BODY_ROW_MARKER) != 0)))
        wrong = fsck_other_body;
    return wrong;
}

/* The number of keys whose newest version, which comes first, is no delete marker. */
static void count_object(struct fsck_index *ix, struct bytes key, bool marker)
{
    size_t len = key.len - TREE_SUFFIX_BYTES;
    if (len == ix->last_key_len && memcmp(key.data, ix->last_key, len) == 0)
        return;
    ix->last_key_len = len;
    memcpy(ix->last_key, key.data, len);
    ix->objects += !marker;
}

void fsck_index_on_object(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct body_row row;
    struct manifest m;
    uint8_t suffix[KEY_VERSION_BYTES], object[OBJECT_KEY_BYTES_MAX];
    struct leaf leaf;
    size_t len;
    if (row_is_directory(payload)) {
        on_directory(ix, key, payload);
        return;
    }
    if (body_row_decode(payload, &row) != DOL_OK || manifest_decode(row.body, &m) != DOL_OK) {
        (void)name_leaf(ix, key, "its entry in the index is none", &leaf, object, &len);
        return;
    }
    key_version_invert(m.version.b, suffix);
    if (!leaf_is(ix, key, m.bucket, m.key, suffix)) {
        say_version(ix, &m, "its entry in the index lies under another name");
        return;
    }
    count_object(ix, key, (row.flags & BODY_ROW_MARKER) != 0);
    struct fsck_state *st = fsck_log_version(&ix->log, m.bucket, m.key, &m.version);
    if (st == NULL)
        return;
    const char *wrong = fsck_state_is_there(st) ? compare_version(ix, &row, st, &m) : fsck_not_in_log;
    if (wrong != NULL) {
        st->wrong = true;
        say_version(ix, &m, wrong);
    }
}

void fsck_index_on_upload(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct body_row row;
    struct upload_body u;
    uint8_t object[OBJECT_KEY_BYTES_MAX];
    struct leaf leaf;
    size_t len;
    if (row_is_directory(payload)) {
        on_directory(ix, key, payload);
        return;
    }
    if (body_row_decode(payload, &row) != DOL_OK || upload_body_decode(row.body, &u) != DOL_OK ||
        !leaf_is(ix, key, u.bucket, u.key, u.upload_id)) {
        (void)name_leaf(ix, key, "its entry in the index is none", &leaf, object, &len);
        return;
    }
    struct fsck_state *st = fsck_log_upload(&ix->log, u.upload_id);
    if (st == NULL)
        return;
    const char *wrong = fsck_state_is_there(st) ? fsck_index_compare(ix, &row, st, st->body) : fsck_not_in_log;
    if (wrong != NULL) {
        st->wrong = true;
        say_object(ix, u.bucket, u.key, "(an upload)", wrong);
    }
}

/* ---- parts ---- */

void fsck_index_on_part(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct body_row row;
    struct upload_part_body part, there;
    uint8_t wanted[PART_KEY_BYTES];
    if (body_row_decode(payload, &row) != DOL_OK || upload_part_decode(row.body, &part) != DOL_OK) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table parts is none");
        return;
    }
    part_key_encode(part.bucket, part.upload_id, part.part.number, wanted);
    if (!bytes_equal(key, bytes_of(wanted, sizeof wanted))) {
        say_part(ix, &part, "its entry in the index lies under another name");
        return;
    }
    struct fsck_state *st = fsck_log_part(&ix->log, part.upload_id, part.part.number);
    if (st == NULL)
        return;
    const char *wrong =
        fsck_log_part_is_there(&ix->log, st, &there) ? fsck_index_compare(ix, &row, st, st->body) : fsck_not_in_log;
    if (wrong != NULL) {
        st->wrong = true;
        say_part(ix, &part, wrong);
    }
}

void fsck_index_damaged_part(struct fsck_index *ix, struct bytes key)
{
    struct upload_part_body part;
    if (key.len == PART_KEY_BYTES) {
        struct fsck_state *st = fsck_log_part(&ix->log, (const uint8_t *)key.data + 8, part_key_number(key.data));
        if (st != NULL && fsck_log_part_is_there(&ix->log, st, &part)) {
            st->wrong = true;
            say_part(ix, &part, fsck_damaged);
            return;
        }
    }
    fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table parts is damaged");
}

/* ---- what the index lacks ---- */

static void version_end(void *arg, struct fsck_state *st)
{
    struct manifest m;
    if (fsck_state_is_there(st) && fsck_index_lacks(st) && manifest_decode(st->body, &m) == DOL_OK) {
        st->wrong = true;
        say_version(arg, &m, fsck_not_in_index);
    }
}

static void upload_end(void *arg, struct fsck_state *st)
{
    struct upload_body u;
    if (fsck_state_is_there(st) && fsck_index_lacks(st) && upload_body_decode(st->body, &u) == DOL_OK) {
        st->wrong = true;
        say_object(arg, u.bucket, u.key, "(an upload)", fsck_not_in_index);
    }
}

static void part_end(void *arg, struct fsck_state *st)
{
    struct fsck_index *ix = arg;
    struct upload_part_body part;
    if (fsck_log_part_is_there(&ix->log, st, &part) && fsck_index_lacks(st)) {
        st->wrong = true;
        say_part(ix, &part, fsck_not_in_index);
    }
}

void fsck_index_names_end(struct fsck_index *ix)
{
    fsck_log_each(&ix->log.versions, version_end, ix);
    fsck_log_each(&ix->log.uploads, upload_end, ix);
    fsck_log_each(&ix->log.parts, part_end, ix);
}
