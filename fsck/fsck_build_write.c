/*
 * Writing an index: see fsck_build.h. Tables are written in the order of their keys into a file beside the index, with
 * LMDB; only when all of it is durable it takes the index's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "fsck_build.h"
#include "hash.h"
#include "le.h"

#define DATA_FILE     "data.mdb"
#define NEW_FILE      "data.mdb.new"
#define RETIRED_FILE  "retired"
#define COMMIT_BYTES  (64u << 20) /* of values, in one transaction */
#define MAP_BYTES_MIN (64ull << 20)
#define MAP_FACTOR    8u   /* of the bytes that are known: pages are never so empty */
#define RECORD_BYTES  512u /* keys and rows of a record, at most, but for its body */
#define CANCEL_MAX    256u /* graves of one canceller, by docs/index.md */
#define VALUE_PARTS   2u

struct writer {
    struct fsck_build *b;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi[TABLE_END];
    size_t uncommitted;
    struct index_state state;
    int rc; /* LMDB's; what comes after an error does nothing */
};

/* ---- rows ---- */

static void commit(struct writer *w)
{
    if (w->rc == MDB_SUCCESS)
        w->rc = mdb_txn_commit(w->txn);
    else if (w->txn != NULL)
        mdb_txn_abort(w->txn);
    w->txn = NULL;
    w->uncommitted = 0;
}

static void put(struct writer *w, enum index_table table, struct bytes key, const struct bytes *parts, unsigned count)
{
    uint32_t crc = value_crc(table, key);
    size_t len = VALUE_CRC_BYTES;
    for (unsigned i = 0; i < count; i++) {
        crc = crc32c(crc, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    if (w->rc == MDB_SUCCESS && w->uncommitted > COMMIT_BYTES) {
        commit(w);
        if (w->rc == MDB_SUCCESS)
            w->rc = mdb_txn_begin(w->env, NULL, 0, &w->txn);
    }
    MDB_val k = {key.len, (void *)(uintptr_t)key.data}, v = {len, NULL};
    if (w->rc == MDB_SUCCESS)
        w->rc = mdb_put(w->txn, w->dbi[table], &k, &v, MDB_RESERVE);
    if (w->rc != MDB_SUCCESS)
        return;
    struct le32 stored = le32_of(crc);
    uint8_t *out = v.mv_data;
    memcpy(out, stored.b, VALUE_CRC_BYTES);
    out += VALUE_CRC_BYTES;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(out, parts[i].data, parts[i].len);
        out += parts[i].len;
    }
    w->uncommitted += len;
}

static void put_one(struct writer *w, enum index_table table, struct bytes key, const void *value, size_t len)
{
    const struct bytes part = bytes_of(value, len);
    put(w, table, key, &part, 1);
}

static void put_body(struct writer *w, enum index_table table, struct bytes key, const struct body_row *row)
{
    uint8_t head[BODY_ROW_BYTES_MAX];
    const struct bytes parts[VALUE_PARTS] = {bytes_of(head, body_row_encode(row, head)), row->body};
    put(w, table, key, parts, VALUE_PARTS);
}

/* Where the record of a state lies. */
static struct place place_of(struct writer *w, struct lsn lsn)
{
    const struct fsck_entry *home = fsck_build_home(w->b, lsn);
    if (home != NULL)
        return fsck_entry_place(home);
    w->rc = w->rc == MDB_SUCCESS ? MDB_CORRUPTED : w->rc;
    return (struct place){0};
}

static struct body_row row_of(struct writer *w, const struct fsck_state *st)
{
    return (struct body_row){.lsn = st->lsn, .place = place_of(w, st->lsn), .body = st->body};
}

/* ---- trees of keys ---- */

/* bucket (8), code, suffix (16), and what it is of */
struct leaf {
    uint8_t *key;
    size_t len;
    const struct fsck_state *st;
};
struct leaves {
    struct leaf *all;
    size_t count;
    bool failed;
};

static void leaf_add(struct leaves *l, uint64_t bucket, struct bytes object, const uint8_t *suffix,
                     const struct fsck_state *st)
{
    uint8_t code[KEY_CODE_BYTES_MAX];
    size_t code_len = key_code_encode(object, code), len = TREE_NODE_BYTES + code_len + TREE_SUFFIX_BYTES;
    uint8_t *key = malloc(len);
    if (key == NULL) {
        l->failed = true;
        return;
    }
    be64_put(key, bucket);
    memcpy(key + TREE_NODE_BYTES, code, code_len);
    memcpy(key + TREE_NODE_BYTES + code_len, suffix, TREE_SUFFIX_BYTES);
    l->all[l->count++] = (struct leaf){key, len, st};
}

/* No code is another's beginning: keys of different lengths differ before one ends. */
static int by_key(const void *pa, const void *pb)
{
    const struct leaf *a = pa, *b = pb;
    return memcmp(a->key, b->key, a->len < b->len ? a->len : b->len);
}

static bool leaves_new(struct leaves *l, size_t capacity)
{
    *l = (struct leaves){.all = malloc((capacity + 1) * sizeof(struct leaf))};
    l->failed = l->all == NULL;
    return !l->failed;
}

static void leaves_free(struct leaves *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->all[i].key);
    free(l->all);
}

/* The nodes on the way to the leaf before: leaves come in order, so a directory is made when its first one comes. */
struct way {
    struct bytes before; /* bucket and code of that leaf */
    unsigned depth;
    uint64_t nodes[TREE_DEPTH_MAX + 1];
};

static bool same_begin(struct bytes a, struct bytes b, size_t len)
{
    return a.len >= len && b.len >= len && memcmp(a.data, b.data, len) == 0;
}

/* Goes to a leaf's node; its piece of the code begins at *at. */
static void descend(struct writer *w, enum index_table table, struct way *way, const struct leaf *leaf, size_t *at)
{
    const struct bytes key = bytes_of(leaf->key, leaf->len - TREE_SUFFIX_BYTES);
    unsigned depth = 0;
    way->nodes[0] = be64_get(leaf->key);
    for (*at = TREE_NODE_BYTES; key.len - *at > KEY_PIECE_BYTES; *at += KEY_PIECE_BYTES, depth++) {
        bool known = depth < way->depth && same_begin(key, way->before, *at + KEY_PIECE_BYTES);
        uint8_t directory[TREE_NODE_BYTES + KEY_PIECE_BYTES], value[DIRECTORY_ROW_BYTES];
        if (known)
            continue;
        be64_put(directory, way->nodes[depth]);
        memcpy(directory + TREE_NODE_BYTES, leaf->key + *at, KEY_PIECE_BYTES);
        way->nodes[depth + 1] = TREE_CHILD_BIT | w->state.next_node++;
        directory_row_encode(way->nodes[depth + 1], value);
        put_one(w, table, bytes_of(directory, sizeof directory), value, sizeof value);
    }
    way->depth = depth;
    way->before = key;
}

static void put_leaf(struct writer *w, enum index_table table, struct way *way, const struct leaf *leaf,
                     const struct body_row *row)
{
    uint8_t key[TREE_NODE_BYTES + KEY_PIECE_BYTES + TREE_SUFFIX_BYTES];
    size_t at;
    descend(w, table, way, leaf, &at);
    be64_put(key, way->nodes[way->depth]);
    memcpy(key + TREE_NODE_BYTES, leaf->key + at, leaf->len - at);
    put_body(w, table, bytes_of(key, TREE_NODE_BYTES + leaf->len - at), row);
}

static void collect_version(void *arg, struct fsck_state *st)
{
    struct manifest m;
    uint8_t suffix[KEY_VERSION_BYTES];
    if (!fsck_state_is_there(st) || manifest_decode(st->body, &m) != DOL_OK)
        return;
    key_version_invert(m.version.b, suffix);
    leaf_add(arg, m.bucket, m.key, suffix, st);
}

static void put_version(struct writer *w, struct way *way, const struct leaf *leaf)
{
    const struct fsck_state *st = leaf->st;
    struct body_row row = row_of(w, st);
    struct manifest m;
    bool marker = manifest_decode(st->body, &m) == DOL_OK && (m.flags & MANIFEST_DELETE_MARKER) != 0;
    const struct bytes key = bytes_of(leaf->key, leaf->len - TREE_SUFFIX_BYTES);
    uint8_t *merged = NULL;
    if (!bytes_equal(way->before, key)) /* its newest version comes first */
        w->state.objects += !marker;
    row.flags = marker ? BODY_ROW_MARKER : 0;
    if (fsck_state_has_meta(st)) {
        struct tlv_writer body;
        size_t capacity = fsck_state_merge_bytes(st);
        row.flags |= BODY_ROW_META;
        row.meta_lsn = st->meta_lsn;
        row.meta_place = place_of(w, st->meta_lsn);
        merged = malloc(capacity);
        if (merged == NULL)
            w->rc = ENOMEM;
        else if (fsck_state_merge(st, &body, merged, capacity))
            row.body = bytes_of(merged, body.len);
    }
    put_leaf(w, TABLE_OBJECTS, way, leaf, &row);
    free(merged);
}

static void put_objects(struct writer *w)
{
    struct leaves l;
    struct way way = {.depth = 0};
    if (leaves_new(&l, w->b->log.versions.count)) {
        fsck_log_each(&w->b->log.versions, collect_version, &l);
        qsort(l.all, l.count, sizeof l.all[0], by_key);
    }
    for (size_t i = 0; i < l.count && w->rc == MDB_SUCCESS; i++) {
        put_version(w, &way, &l.all[i]);
        fsck_progress_show(w->b->f->report, "building the index", i, l.count);
    }
    w->rc = l.failed ? ENOMEM : w->rc;
    leaves_free(&l);
}

static void collect_upload(void *arg, struct fsck_state *st)
{
    struct upload_body u;
    if (fsck_state_is_there(st) && upload_body_decode(st->body, &u) == DOL_OK)
        leaf_add(arg, u.bucket, u.key, u.upload_id, st);
}

static void put_uploads(struct writer *w)
{
    struct leaves l;
    struct way way = {.depth = 0};
    if (leaves_new(&l, w->b->log.uploads.count)) {
        fsck_log_each(&w->b->log.uploads, collect_upload, &l);
        qsort(l.all, l.count, sizeof l.all[0], by_key);
    }
    for (size_t i = 0; i < l.count && w->rc == MDB_SUCCESS; i++) {
        const struct body_row row = row_of(w, l.all[i].st);
        put_leaf(w, TABLE_UPLOADS, &way, &l.all[i], &row);
    }
    w->rc = l.failed ? ENOMEM : w->rc;
    leaves_free(&l);
}

/* ---- parts, buckets, settings ---- */

static void put_part(void *arg, struct fsck_state *st)
{
    struct writer *w = arg;
    struct upload_part_body part;
    uint8_t key[PART_KEY_BYTES];
    if (!fsck_log_part_is_there(&w->b->log, st, &part))
        return;
    const struct body_row row = row_of(w, st);
    part_key_encode(part.bucket, part.upload_id, part.part.number, key);
    put_body(w, TABLE_PARTS, bytes_of(key, sizeof key), &row);
}

static void put_bucket(void *arg, struct fsck_state *st)
{
    struct writer *w = arg;
    struct bucket_body bucket;
    uint8_t key[8];
    if (st->kind != RECORD_BUCKET || bucket_body_decode(st->body, &bucket) != DOL_OK)
        return;
    const struct body_row row = row_of(w, st);
    be64_put(key, bucket.id);
    put_body(w, TABLE_BUCKETS, bytes_of(key, sizeof key), &row);
    put_one(w, TABLE_NAMES, bucket.name, key, sizeof key);
    w->state.buckets++;
}

static void put_setting(void *arg, struct fsck_state *st)
{
    struct writer *w = arg;
    struct setting_body setting;
    uint8_t key[TABLE_KEY_BYTES_MAX];
    if (st->body.data == NULL || setting_body_decode(st->body, &setting) != DOL_OK)
        return;
    struct body_row row = row_of(w, st);
    row.flags = setting.value.data == NULL ? BODY_ROW_REMOVED : 0;
    row.body = setting.value;
    put_body(w, TABLE_SETTINGS, setting_key(key, st->kind, setting.name), &row);
}

/* ---- chunks and lists ---- */

static int by_hash(const void *pa, const void *pb)
{
    const struct fsck_content *a = *(struct fsck_content *const *)pa, *b = *(struct fsck_content *const *)pb;
    return memcmp(a->hash.b, b->hash.b, sizeof a->hash.b);
}

static void put_content(struct writer *w, enum index_table table, const struct fsck_content *c)
{
    struct chunk_list_body list;
    struct ref_row row = {.refs = c->refs};
    uint8_t value[REF_ROW_BYTES];
    const struct bytes key = bytes_of(c->hash.b, sizeof c->hash.b);
    if (c->good) {
        const struct fsck_record *r = c->record;
        row.flags = REF_ROW_STORED | (table == TABLE_LISTS && c->refs > 0 ? REF_ROW_HOLDS : 0);
        row.codec = r->codec;
        row.plain_bytes = r->plain_bytes;
        row.lsn = r->lsn;
        row.place = place_of(w, r->lsn);
        if (c->refs == 0)
            row.dead_since = lsn_compare(c->released, r->lsn) > 0 ? c->released : r->lsn;
        w->state.chunks += table == TABLE_CHUNKS;
        if (table == TABLE_LISTS && chunk_list_decode(fsck_record_body(c->slab, r), &list) == DOL_OK)
            put_one(w, TABLE_MEMBERS, key, list.refs.data, list.refs.len);
    }
    ref_row_encode(&row, value);
    put_one(w, table, key, value, sizeof value);
}

/* What was never stored and has no references is nothing. */
static void put_contents(struct writer *w, enum index_table table, const struct fsck_map *m)
{
    struct fsck_content **all = malloc((m->count + 1) * sizeof(struct fsck_content *));
    size_t count = 0;
    if (all == NULL) {
        w->rc = ENOMEM;
        return;
    }
    for (size_t i = 0; i < m->capacity; i++) {
        struct fsck_content *c = m->slots[i].value;
        if (c != NULL && (c->good || c->refs > 0))
            all[count++] = c;
    }
    qsort(all, count, sizeof(struct fsck_content *), by_hash);
    for (size_t i = 0; i < count && w->rc == MDB_SUCCESS; i++)
        put_content(w, table, all[i]);
    free(all);
}

/* ---- what reclaiming relies on ---- */

static void put_graves(struct writer *w)
{
    for (size_t i = 0; i < w->b->grave_count && w->rc == MDB_SUCCESS; i++) {
        const struct fsck_grave *g = &w->b->graves[i];
        struct grave_row row = {.kind = g->kind, .canceller = g->canceller, .hash = g->hash};
        uint8_t key[GRAVE_KEY_BYTES], value[GRAVE_ROW_BYTES];
        if (g->canceller.run != 0) {
            row.canceller_kind = fsck_build_home(w->b, g->canceller)->r->kind;
            row.canceller_place = place_of(w, g->canceller);
        }
        grave_key_encode(g->slab, g->lsn, key);
        grave_row_encode(&row, value);
        put_one(w, TABLE_GRAVES, bytes_of(key, sizeof key), value, sizeof value);
    }
}

static void put_cancels(struct writer *w)
{
    uint8_t graves[CANCEL_MAX * GRAVE_REF_BYTES];
    struct fsck_grave *const *all = w->b->cancelled;
    for (size_t i = 0, n; i < w->b->cancelled_count && w->rc == MDB_SUCCESS; i += n) {
        const struct lsn lsn = all[i]->canceller;
        struct cancel_row row = {.kind = fsck_build_home(w->b, lsn)->r->kind, .place = place_of(w, lsn)};
        uint8_t key[LSN_KEY_BYTES], head[CANCEL_ROW_BYTES];
        for (n = 0; i + n < w->b->cancelled_count && lsn_compare(all[i + n]->canceller, lsn) == 0; n++) {
            if (n == CANCEL_MAX) {
                w->rc = MDB_CORRUPTED;
                return;
            }
            grave_ref_encode(&(struct grave_ref){all[i + n]->slab, all[i + n]->lsn}, graves + n * GRAVE_REF_BYTES);
        }
        lsn_key_encode(lsn, key);
        cancel_row_encode(&row, head);
        const struct bytes parts[VALUE_PARTS] = {bytes_of(head, sizeof head), bytes_of(graves, n * GRAVE_REF_BYTES)};
        put(w, TABLE_CANCELS, bytes_of(key, sizeof key), parts, VALUE_PARTS);
    }
}

static void put_moves(struct writer *w)
{
    for (size_t i = 0; i < w->b->entry_count && w->rc == MDB_SUCCESS; i++) {
        const struct fsck_entry *e = &w->b->entries[i];
        struct moved_body body;
        uint8_t key[MOVE_KEY_BYTES];
        if (e->r->kind != RECORD_MOVED || moved_body_decode(fsck_record_body(e->s, e->r), &body) != DOL_OK)
            continue;
        be64_put(key, body.slab);
        const struct fsck_build_slab *from = fsck_map_get(&w->b->slabs, bytes_of(key, 8));
        if (from == NULL || from->s == NULL || !uuid_equal(from->s->header.life, body.life))
            continue; /* the source has gone */
        be64_put(key + 8, e->s->header.slab);
        put_one(w, TABLE_MOVES, bytes_of(key, sizeof key), NULL, 0);
    }
}

/* ---- slabs ---- */

static void put_slab(struct writer *w, const struct fsck_build_slab *known)
{
    const struct fsck_slab *s = known->s;
    uint8_t value[SLAB_ROW_BYTES], live[LIVE_ROW_BYTES];
    const struct bytes key = bytes_of(known->key, sizeof known->key);
    bool freed = s != NULL && s->freed && lsn_compare(s->freed_lsn, w->b->upto) <= 0;
    if (known->live.bytes != 0 || known->live.records != 0 || known->live.cancels != 0) {
        live_row_encode(&known->live, live);
        put_one(w, TABLE_LIVE, key, live, sizeof live);
        w->state.live_bytes += known->live.bytes;
    }
    if (s == NULL || (known->rows == 0 && !freed))
        return;
    const struct fsck_row *last = known->rows > 0 ? &s->row_list[known->rows - 1] : NULL;
    struct slab_row row = {.end_rows = known->end_rows};
    row.slab = (struct index_slab){.slab = s->header.slab,
                                   .life = s->header.life,
                                   .state = freed           ? SLAB_STATE_FREED
                                            : s->has_footer ? SLAB_STATE_SEALED
                                            : s->has_limit  ? SLAB_STATE_ENDED
                                                            : SLAB_STATE_OPEN,
                                   .rows = known->rows,
                                   .end_block = last != NULL ? last->block + last->unit_blocks : 1,
                                   .complete = s->has_limit && known->rows >= s->limit};
    if (last != NULL)
        row.slab.last_table = last->table;
    slab_row_encode(&row, value);
    put_one(w, TABLE_SLABS, key, value, sizeof value);
}

static void put_state(struct writer *w)
{
    uint8_t value[STATE_BYTES];
    w->state.pool = w->b->f->sb.pool;
    w->state.applied = w->b->upto;
    w->state.generation = w->b->generation;
    w->state.commits = 1;
    state_encode(&w->state, value);
    put_one(w, TABLE_STATE, bytes_of("state", 5), value, sizeof value);
}

static void put_all(struct writer *w)
{
    struct fsck_log *log = &w->b->log;
    fsck_log_each(&log->buckets, put_bucket, w);
    fsck_log_each(&log->settings, put_setting, w);
    put_objects(w);
    put_uploads(w);
    fsck_log_each(&log->parts, put_part, w);
    put_contents(w, TABLE_CHUNKS, &log->chunks);
    put_contents(w, TABLE_LISTS, &log->lists);
    put_graves(w);
    put_cancels(w);
    put_moves(w);
    for (size_t i = 0; i < w->b->slabs.capacity; i++)
        if (w->b->slabs.slots[i].value != NULL)
            put_slab(w, w->b->slabs.slots[i].value);
    put_state(w);
}

/* ---- the file ---- */

static size_t map_bytes(const struct fsck *f)
{
    size_t bytes = MAP_BYTES_MIN;
    for (size_t i = 0; i < f->slab_count; i++)
        bytes += MAP_FACTOR * (f->slabs[i]->bodies_len + RECORD_BYTES * f->slabs[i]->record_count);
    return bytes;
}

static void open_env(struct writer *w, const char *path)
{
    w->rc = mdb_env_create(&w->env);
    if (w->rc != MDB_SUCCESS) {
        w->env = NULL;
        return;
    }
    if ((w->rc = mdb_env_set_mapsize(w->env, map_bytes(w->b->f))) == MDB_SUCCESS &&
        (w->rc = mdb_env_set_maxdbs(w->env, TABLE_END)) == MDB_SUCCESS &&
        (w->rc = mdb_env_open(w->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600)) == MDB_SUCCESS)
        w->rc = mdb_txn_begin(w->env, NULL, 0, &w->txn);
    for (int t = TABLE_STATE; t < TABLE_END && w->rc == MDB_SUCCESS; t++)
        w->rc = mdb_dbi_open(w->txn, table_names[t], MDB_CREATE, &w->dbi[t]);
}

/* Durable, and as long as its last page says: the server believes no page beyond the end. */
static void end_env(struct writer *w)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_filehandle_t fd;
    commit(w);
    if (w->rc == MDB_SUCCESS)
        w->rc = mdb_env_sync(w->env, 1);
    if (w->rc == MDB_SUCCESS && (w->rc = mdb_env_get_fd(w->env, &fd)) == MDB_SUCCESS &&
        (w->rc = mdb_env_info(w->env, &info)) == MDB_SUCCESS && (w->rc = mdb_env_stat(w->env, &stat)) == MDB_SUCCESS &&
        (ftruncate(fd, (off_t)((info.me_last_pgno + 1) * (uint64_t)stat.ms_psize)) != 0 || fsync(fd) != 0))
        w->rc = errno;
}

static bool take_place(const struct fsck *f)
{
    return renameat(f->index_fd, NEW_FILE, f->index_fd, DATA_FILE) == 0 &&
           (unlinkat(f->index_fd, RETIRED_FILE, 0) == 0 || errno == ENOENT) && fsync(f->index_fd) == 0;
}

enum dol_err fsck_build_write(struct fsck_build *b)
{
    struct writer w = {.b = b};
    char path[PATH_MAX];
    const struct fsck *f = b->f;
    int n = snprintf(path, sizeof path, "%s/" NEW_FILE, f->options.index_dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return DOL_EINVAL;
    if (unlinkat(f->index_fd, NEW_FILE, 0) != 0 && errno != ENOENT)
        w.rc = errno;
    if (w.rc == MDB_SUCCESS)
        open_env(&w, path);
    if (w.rc == MDB_SUCCESS)
        put_all(&w);
    if (w.env != NULL) {
        end_env(&w);
        mdb_env_close(w.env);
    }
    if (w.rc == MDB_SUCCESS && !take_place(f))
        w.rc = errno;
    if (w.rc == MDB_SUCCESS)
        return DOL_OK;
    fprintf(stderr, "dolmen-fsck: %s: %s\n", path, mdb_strerror(w.rc));
    (void)unlinkat(f->index_fd, NEW_FILE, 0);
    return w.rc == ENOMEM ? DOL_ENOMEM : w.rc == MDB_CORRUPTED ? DOL_ECORRUPT : DOL_EIO;
}
