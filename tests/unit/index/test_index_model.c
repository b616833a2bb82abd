/*
 * The index against a plain model, from fixed seeds: puts, overwrites, deletes, markers, object metas and lists of
 * chunks at random, rows of several slabs published out of order, commits at random bounds, growth from the smallest
 * map, reopenings after which the log is published again.
 */
#include "index_fixture.h"

#include <stdlib.h>

#include "index_impl.h"
#include "le.h"

#define B            5ull
#define KEYS         24u
#define VERSIONS_MAX 12u
#define CHUNKS       40u
#define LISTS        4u
#define LIST_CHUNKS  5u
#define SLABS        3u
#define STEPS        800u
#define ROWS_MAX     (STEPS + 16u)

struct model_version {
    uint64_t version; /* 0: none */
    bool marker;
    bool null;
    int64_t until_s;
    unsigned chunk_count, list_count;
    uint64_t chunks[3];
    unsigned lists[2];
};
struct model {
    struct model_version versions[KEYS][VERSIONS_MAX];
};

struct world {
    struct fx fx;
    struct model model;
    struct fx_row *log[ROWS_MAX]; /* all rows, for publishing again */
    size_t log_count;
    size_t held[ROWS_MAX]; /* not yet published, any order across slabs */
    size_t held_count;
    uint64_t slab_rows[SLABS];
    struct list_ref lists[LISTS];
    uint64_t next_version;
    uint64_t seed;
};

static uint32_t chance(struct world *w, uint32_t below)
{
    w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(w->seed >> 33) % below;
}

static struct bytes key_of(unsigned k, uint8_t *out)
{
    static const size_t lengths[] = {1, 3, 219, 439, 440, 441, 880, 1024};
    size_t len = lengths[k % 8];
    memset(out, k < 8 ? 0 : k < 16 ? 'k' : 0xff, len);
    out[len - 1] = (uint8_t)k;
    return bytes_of(out, len);
}

static struct model_version *version_find(struct world *w, unsigned k, uint64_t version)
{
    for (unsigned i = 0; i < VERSIONS_MAX; i++)
        if (w->model.versions[k][i].version == version)
            return &w->model.versions[k][i];
    return NULL;
}

static struct model_version *version_newest(struct world *w, unsigned k)
{
    struct model_version *best = NULL;
    for (unsigned i = 0; i < VERSIONS_MAX; i++) {
        struct model_version *m = &w->model.versions[k][i];
        if (m->version != 0 && (best == NULL || m->version > best->version))
            best = m;
    }
    return best;
}

static struct model_version *version_any(struct world *w, unsigned k)
{
    unsigned at = chance(w, VERSIONS_MAX);
    for (unsigned i = 0; i < VERSIONS_MAX; i++) {
        struct model_version *m = &w->model.versions[k][(at + i) % VERSIONS_MAX];
        if (m->version != 0)
            return m;
    }
    return NULL;
}

/* ---- steps ---- */

static void step_put(struct world *w, struct fx_row *row, unsigned k)
{
    uint8_t buffer[OBJECT_KEY_BYTES_MAX];
    struct model_version *slot = version_find(w, k, 0);
    struct model_version *null = NULL;
    for (unsigned i = 0; i < VERSIONS_MAX; i++)
        if (w->model.versions[k][i].version != 0 && w->model.versions[k][i].null)
            null = &w->model.versions[k][i];
    bool as_null = chance(w, 3) != 0;
    if (as_null && null != NULL)
        slot = null;
    if (slot == NULL)
        return;
    uint64_t replaces = as_null && null != NULL ? null->version : 0;
    struct model_version put = {.version = ++w->next_version, .marker = chance(w, 6) == 0, .null = as_null};
    struct fx_manifest m = {
        .bucket = B, .key = key_of(k, buffer), .version = put.version, .replaces = replaces, .marker = put.marker};
    struct list_ref lists[2];
    if (!put.marker && chance(w, 2) == 0) {
        put.chunk_count = chance(w, 4);
        for (unsigned i = 0; i < put.chunk_count; i++)
            fx_add_chunk(row, put.chunks[i] = chance(w, CHUNKS));
        m.chunks = put.chunks;
        m.chunk_count = put.chunk_count;
    } else if (!put.marker) {
        put.list_count = 1 + chance(w, 2);
        for (unsigned i = 0; i < put.list_count; i++) {
            put.lists[i] = chance(w, LISTS);
            lists[i] = w->lists[put.lists[i]];
        }
        m.lists = lists;
        m.list_count = put.list_count;
    }
    fx_add_manifest(row, &m);
    *slot = put;
}

static void step(struct world *w, struct fx_row *row)
{
    uint8_t buffer[OBJECT_KEY_BYTES_MAX];
    unsigned k = chance(w, KEYS);
    struct model_version *m = version_any(w, k);
    switch (chance(w, 6)) {
    case 0:
    case 1:
        if (m != NULL) {
            fx_add_delete(row, B, key_of(k, buffer), m->version);
            *m = (struct model_version){.version = 0};
        }
        break;
    case 2:
        if (m != NULL && !m->marker) {
            m->until_s = 1 + chance(w, 1000);
            fx_add_meta(row, B, key_of(k, buffer), m->version, m->until_s);
        }
        break;
    default:
        step_put(w, row, k);
        break;
    }
}

/* ---- publishing ---- */

static void publish_held(struct world *w, size_t at)
{
    fx_publish_again(w->log[w->held[at]]);
    w->held_count--;
    memmove(&w->held[at], &w->held[at + 1], (w->held_count - at) * sizeof w->held[0]);
}

/* One row that is the oldest held of its slab. */
static void publish_one(struct world *w)
{
    size_t at = chance(w, (uint32_t)w->held_count);
    for (size_t i = 0; i < at; i++)
        if (w->log[w->held[i]]->after.slab == w->log[w->held[at]]->after.slab)
            at = i;
    publish_held(w, at);
}

static void publish_all(struct world *w)
{
    while (w->held_count > 0)
        publish_held(w, 0);
}

/* The highest bound below which nothing is held, or a lower one. */
static void commit_some(struct world *w)
{
    struct lsn bound = fx_lsn(&w->fx);
    for (size_t i = 0; i < w->held_count; i++) {
        const struct fx_row *row = w->log[w->held[i]];
        if (row->count > 0 && lsn_compare(row->records[0].lsn, bound) <= 0)
            bound = (struct lsn){row->records[0].lsn.run, row->records[0].lsn.counter - 1};
    }
    if (bound.counter > 20 && chance(w, 4) == 0)
        bound.counter -= chance(w, 20);
    size_t applied;
    assert_int_equal(index_commit(w->fx.ix, bound, &applied), DOL_OK);
}

/* As after a crash: what was not applied is gone from memory, and is published from the log again, some of it though it
 * was applied. */
static void crash(struct world *w)
{
    assert_false(fx_reopen(&w->fx));
    struct lsn applied = index_applied(w->fx.ix);
    size_t again = 10 + chance(w, 10);
    for (size_t i = 0; i < w->log_count; i++) {
        const struct fx_row *row = w->log[i];
        bool is_new = row->count > 0 && lsn_compare(row->records[row->count - 1].lsn, applied) > 0;
        if (is_new || i + again >= w->log_count)
            fx_publish_again(w->log[i]);
    }
    w->held_count = 0;
}

/* ---- comparing ---- */

static void assert_key(struct world *w, struct index_view *v, unsigned k)
{
    uint8_t buffer[OBJECT_KEY_BYTES_MAX];
    struct bytes key = key_of(k, buffer);
    struct model_version *newest = version_newest(w, k);
    assert_int_equal(fx_newest(v, B, key), newest == NULL ? 0 : newest->version);
    for (unsigned i = 0; i < VERSIONS_MAX; i++) {
        const struct model_version *m = &w->model.versions[k][i];
        if (m->version == 0)
            continue;
        struct version_id id = fx_version(m->version);
        struct index_object o;
        struct manifest got;
        assert_int_equal(index_object_get(v, B, key, &id, &o), DOL_OK);
        assert_int_equal(manifest_decode(o.body, &got), DOL_OK);
        assert_int_equal((got.flags & MANIFEST_DELETE_MARKER) != 0, m->marker);
        assert_int_equal(got.retention.until_s, m->until_s);
        assert_int_equal(got.chunk_refs.len, m->chunk_count * CHUNK_REF_BYTES);
    }
}

static void assert_same(struct world *w)
{
    struct index_view *v = fx_view(&w->fx);
    uint8_t out[OBJECT_KEY_BYTES_MAX];
    size_t len = 0;
    unsigned listed = 0, present = 0;
    struct index_object o;
    for (unsigned k = 0; k < KEYS; k++) {
        assert_key(w, v, k);
        present += version_newest(w, k) != NULL;
    }
    enum dol_err err;
    uint8_t before[OBJECT_KEY_BYTES_MAX];
    size_t before_len = 0;
    while ((err = index_object_next(v, B, bytes_of(before, before_len), false, out, &len, &o)) == DOL_OK) {
        assert_true(bytes_compare(bytes_of(before, before_len), bytes_of(out, len)) < 0);
        struct manifest m;
        assert_int_equal(manifest_decode(o.body, &m), DOL_OK);
        assert_true(bytes_equal(m.key, bytes_of(out, len)));
        assert_int_equal(be64_get(m.version.b), fx_newest(v, B, m.key));
        memcpy(before, out, len);
        before_len = len;
        listed++;
    }
    assert_int_equal(err, DOL_ENOTFOUND);
    assert_int_equal(listed, present);
    bool empty;
    assert_int_equal(index_bucket_is_empty(v, B, &empty), DOL_OK);
    assert_int_equal(empty, present == 0);
    index_view_end(v);
}

static uint64_t refs_or_zero(struct index_view *v, uint8_t kind, const struct sha256 *hash)
{
    uint64_t n = fx_refs(v, kind, hash);
    return n == UINT64_MAX ? 0 : n;
}

/* Every record of the log is either needed or has a grave, and the books of slabs are what is needed. */
static void assert_books(struct world *w)
{
    struct index_live counted[SLABS] = {{0}}, books;
    const struct lsn all = {UINT64_MAX, 0};
    struct index_judgement j;
    assert_int_equal(index_audit(w->fx.ix), DOL_OK);
    struct index_view *v = fx_view(&w->fx);
    for (size_t i = 0; i < w->log_count; i++) {
        for (unsigned r = 0; r < w->log[i]->count; r++) {
            const struct index_record *rec = &w->log[i]->records[r];
            assert_int_equal(index_judge(v, rec, all, &j), DOL_OK);
            assert_int_not_equal(j.verdict, INDEX_UNEXPLAINED);
            if (j.verdict != INDEX_KEEP)
                continue;
            struct index_live *c = &counted[rec->place.slab - 1];
            c->bytes += place_row_bytes(&rec->place);
            c->records += rec->kind != RECORD_DELETE;
        }
    }
    for (unsigned s = 0; s < SLABS; s++) {
        assert_int_equal(index_live_get(v, s + 1, &books), DOL_OK);
        assert_int_equal(books.bytes, counted[s].bytes);
        assert_int_equal(books.records, counted[s].records);
    }
    index_view_end(v);
}

/* Everything published and applied: counts are exact. */
static void assert_counts(struct world *w)
{
    uint64_t chunk_refs[CHUNKS + LISTS * LIST_CHUNKS] = {0}, list_refs[LISTS] = {0}, objects = 0;
    for (unsigned k = 0; k < KEYS; k++) {
        const struct model_version *newest = version_newest(w, k);
        objects += newest != NULL && !newest->marker;
        for (unsigned i = 0; i < VERSIONS_MAX; i++) {
            const struct model_version *m = &w->model.versions[k][i];
            for (unsigned c = 0; m->version != 0 && c < m->chunk_count; c++)
                chunk_refs[m->chunks[c]]++;
            for (unsigned l = 0; m->version != 0 && l < m->list_count; l++)
                list_refs[m->lists[l]]++;
        }
    }
    for (unsigned l = 0; l < LISTS; l++)
        for (unsigned i = 0; i < LIST_CHUNKS && list_refs[l] > 0; i++)
            chunk_refs[l * 8 + i]++;
    struct index_view *v = fx_view(&w->fx);
    for (unsigned c = 0; c < CHUNKS; c++) {
        struct sha256 h = fx_hash(c);
        assert_int_equal(refs_or_zero(v, RECORD_CHUNK, &h), chunk_refs[c]);
    }
    for (unsigned l = 0; l < LISTS; l++)
        assert_int_equal(refs_or_zero(v, RECORD_CHUNK_LIST, &w->lists[l].hash), list_refs[l]);
    index_view_end(v);
    struct index_counts counts;
    index_counts_get(w->fx.ix, &counts);
    assert_int_equal(counts.objects, objects);
    for (unsigned s = 0; s < SLABS; s++) {
        struct index_slab slab;
        enum dol_err err = index_slab_get(w->fx.ix, s + 1, &slab);
        assert_int_equal(err, w->slab_rows[s] == 0 ? DOL_ENOTFOUND : DOL_OK);
        if (err == DOL_OK)
            assert_int_equal(slab.rows, w->slab_rows[s]);
    }
    assert_int_equal(atomic_load(&w->fx.ix->overlay.nodes), 0);
    assert_books(w);
}

static struct fx_row *row_begin(struct world *w)
{
    unsigned slab = chance(w, SLABS);
    struct fx_row *row = fx_row_new(&w->fx, slab + 1, ++w->slab_rows[slab]);
    return row;
}

static void row_end(struct world *w, struct fx_row *row)
{
    assert_true(w->log_count < ROWS_MAX);
    w->log[w->log_count] = row;
    w->held[w->held_count++] = w->log_count++;
}

static void run(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->seed = seed;
    fx_open(&w->fx, 1);
    struct fx_row *row = row_begin(w);
    for (unsigned l = 0; l < LISTS; l++)
        fx_add_list(row, l * 8, LIST_CHUNKS, &w->lists[l]);
    for (unsigned c = 0; c < CHUNKS; c++)
        fx_add_chunk(row, c);
    row_end(w, row);
    for (unsigned i = 0; i < STEPS; i++) {
        row = row_begin(w);
        for (unsigned n = chance(w, 5); n > 0; n--)
            step(w, row);
        row_end(w, row);
        while (w->held_count > 4)
            publish_one(w);
        if (chance(w, 10) == 0)
            commit_some(w);
        if (chance(w, 40) == 0)
            crash(w);
        if (chance(w, 25) == 0) {
            publish_all(w);
            assert_same(w);
            if (chance(w, 2) == 0) {
                fx_commit(&w->fx);
                assert_counts(w);
                assert_same(w);
            }
        }
    }
    publish_all(w);
    fx_commit(&w->fx);
    assert_same(w);
    assert_counts(w);
    /* Rebuilt from nothing, in another order, it is the same. */
    assert_int_equal(index_reset(w->fx.ix), DOL_OK);
    for (size_t i = 0; i < w->log_count; i++)
        w->held[i] = i;
    w->held_count = w->log_count;
    while (w->held_count > 0) {
        publish_one(w);
        if (chance(w, 200) == 0)
            commit_some(w);
    }
    assert_same(w);
    fx_commit(&w->fx);
    assert_counts(w);
    for (size_t i = 0; i < w->log_count; i++)
        fx_row_free(w->log[i]);
    fx_close(&w->fx);
    free(w);
}

static void test_seed_1(void **state)
{
    (void)state;
    run(1);
}

static void test_seed_2(void **state)
{
    (void)state;
    run(2);
}

static void test_seed_3(void **state)
{
    (void)state;
    run(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_1),
        cmocka_unit_test(test_seed_2),
        cmocka_unit_test(test_seed_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
