/* Building rows for the index's tests: each record has memory of its own, so that a row may be published again. */
#include "index_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hash.h"
#include "le.h"

bool fx_start(struct fx *fx)
{
    struct index_config config = {.dir = fx->dir, .map_bytes = fx->map_bytes, .no_sync = 1, .pool = fx->pool};
    bool fresh = false;
    assert_int_equal(index_open(&config, &fx->ix, &fresh), DOL_OK);
    return fresh;
}

void fx_open(struct fx *fx, uint64_t map_bytes)
{
    *fx = (struct fx){.map_bytes = map_bytes, .run = 1, .pool = {{7, 7}}};
    snprintf(fx->dir, sizeof fx->dir, "/tmp/dolmen-index-XXXXXX");
    assert_non_null(mkdtemp(fx->dir));
    assert_true(fx_start(fx));
}

void fx_shut(struct fx *fx)
{
    index_close(fx->ix);
    fx->ix = NULL;
}

bool fx_reopen(struct fx *fx)
{
    fx_shut(fx);
    return fx_start(fx);
}

void fx_close(struct fx *fx)
{
    fx_shut(fx);
    static const char *const files[] = {"data.mdb", "lock.mdb", "retired"};
    for (unsigned i = 0; i < 3; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", fx->dir, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(fx->dir), 0);
}

void fx_file_path(const struct fx *fx, char out[96])
{
    snprintf(out, 96, "%s/data.mdb", fx->dir);
}

void fx_unretire(const struct fx *fx)
{
    char path[96];
    snprintf(path, sizeof path, "%s/retired", fx->dir);
    assert_int_equal(unlink(path), 0);
}

struct lsn fx_lsn(const struct fx *fx)
{
    return (struct lsn){fx->run, fx->counter};
}

void fx_commit(struct fx *fx)
{
    size_t applied;
    assert_int_equal(index_commit(fx->ix, fx_lsn(fx), &applied), DOL_OK);
}

struct index_view *fx_view(struct fx *fx)
{
    struct index_view *v;
    assert_int_equal(index_view_begin(fx->ix, &v), DOL_OK);
    return v;
}

/* ---- rows ---- */

struct fx_row *fx_row_new(struct fx *fx, uint64_t slab, uint64_t rows)
{
    struct fx_row *row = calloc(1, sizeof *row);
    assert_non_null(row);
    row->fx = fx;
    row->after = (struct index_slab){.slab = slab, .state = SLAB_STATE_OPEN, .rows = rows, .end_block = 1 + rows * 8};
    be64_put(row->after.life.b, slab ^ 0xfeed);
    be64_put(row->after.last_table.b, rows);
    return row;
}

struct index_record *fx_add(struct fx_row *row, uint8_t kind, struct bytes payload)
{
    if (row->count == row->capacity) {
        row->capacity = row->capacity == 0 ? 4 : 2 * row->capacity;
        row->records = realloc(row->records, row->capacity * sizeof row->records[0]);
        assert_non_null(row->records);
    }
    uint8_t *copy = malloc(payload.len + 1);
    assert_non_null(copy);
    if (payload.len > 0)
        memcpy(copy, payload.data, payload.len);
    struct index_record *rec = &row->records[row->count];
    *rec = (struct index_record){
        .kind = kind,
        .lsn = {row->fx->run, ++row->fx->counter},
        .place = {.slab = row->after.slab,
                  .row_block = (uint32_t)(row->after.rows % 100000) + 1,
                  .unit_blocks = 8,
                  .offset_bytes = row->count % 60000 * 128,
                  .stored_bytes = 128},
        .payload = bytes_of(copy, payload.len),
    };
    row->count++;
    return rec;
}

void fx_publish_again(struct fx_row *row)
{
    struct index_row in = {.after = row->after, .records = row->records, .record_count = row->count};
    assert_int_equal(index_publish(row->fx->ix, &in), DOL_OK);
}

void fx_row_free(struct fx_row *row)
{
    for (unsigned i = 0; i < row->count; i++)
        free((void *)(uintptr_t)row->records[i].payload.data);
    free(row->records);
    free(row);
}

void fx_publish(struct fx_row *row)
{
    fx_publish_again(row);
    fx_row_free(row);
}

/* ---- records ---- */

struct sha256 fx_hash(uint64_t n)
{
    struct sha256 h;
    uint64_t x = n * 0x9e3779b97f4a7c15ull + 1;
    for (unsigned i = 0; i < 32; i++) {
        x ^= x >> 27;
        x *= 0x94d049bb133111ebull;
        h.b[i] = (uint8_t)(x >> 56);
    }
    return h;
}

struct version_id fx_version(uint64_t n)
{
    struct version_id v = {{0}};
    be64_put(v.b, n);
    v.b[15] = 1;
    return v;
}

struct index_record *fx_add_manifest(struct fx_row *row, const struct fx_manifest *m)
{
    static const struct version_id none;
    uint8_t refs[MANIFEST_CHUNKS_MAX * CHUNK_REF_BYTES];
    uint8_t lists[16 * LIST_REF_BYTES];
    uint8_t body[16384];
    struct manifest out = {
        .bucket = m->bucket,
        .key = m->key,
        .version = fx_version(m->version),
        .replaces = m->replaces != 0 ? fx_version(m->replaces) : none,
        .flags = (m->marker ? MANIFEST_DELETE_MARKER : 0) | (m->replaces != 0 ? MANIFEST_NULL_VERSION : 0),
        .owner = S("owner"),
        .mtime_ns = (int64_t)m->version,
    };
    for (unsigned i = 0; i < m->chunk_count; i++) {
        struct chunk_ref ref = {.hash = fx_hash(m->chunks[i]), .bytes = 1};
        chunk_ref_encode(&ref, refs + i * CHUNK_REF_BYTES);
        out.size++;
    }
    for (unsigned i = 0; i < m->list_count; i++) {
        list_ref_encode(&m->lists[i], lists + i * LIST_REF_BYTES);
        out.size += m->lists[i].bytes;
    }
    out.chunk_refs = bytes_of(refs, m->chunk_count * CHUNK_REF_BYTES);
    out.list_refs = bytes_of(lists, m->list_count * LIST_REF_BYTES);
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    manifest_encode(&out, &w);
    assert_false(w.overflow);
    return fx_add(row, RECORD_MANIFEST, bytes_of(body, w.len));
}

struct index_record *fx_add_chunk(struct fx_row *row, uint64_t n)
{
    struct sha256 hash = fx_hash(n);
    struct index_record *rec = fx_add(row, RECORD_CHUNK, bytes_of(hash.b, sizeof hash.b));
    rec->plain_bytes = 1;
    rec->codec = FORMAT_CODEC_ZSTD;
    return rec;
}

struct index_record *fx_add_list(struct fx_row *row, uint64_t first, unsigned count, struct list_ref *ref)
{
    static uint8_t refs[LIST_CHUNKS_MAX * CHUNK_REF_BYTES];
    static uint8_t body[LIST_CHUNKS_MAX * CHUNK_REF_BYTES + 256];
    for (unsigned i = 0; i < count; i++) {
        struct chunk_ref r = {.hash = fx_hash(first + i), .bytes = 1};
        chunk_ref_encode(&r, refs + i * CHUNK_REF_BYTES);
    }
    struct chunk_list_body list = {.hash = sha256_of(refs, count * CHUNK_REF_BYTES),
                                   .refs = bytes_of(refs, count * CHUNK_REF_BYTES)};
    *ref = (struct list_ref){.hash = list.hash, .chunks = count, .bytes = count};
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    chunk_list_encode(&list, &w);
    assert_false(w.overflow);
    return fx_add(row, RECORD_CHUNK_LIST, bytes_of(body, w.len));
}

struct index_record *fx_add_delete(struct fx_row *row, uint64_t bucket, struct bytes key, uint64_t version)
{
    uint8_t body[2048];
    struct delete_body d = {.bucket = bucket, .key = key, .version = fx_version(version)};
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    delete_body_encode(&d, &w);
    assert_false(w.overflow);
    return fx_add(row, RECORD_DELETE, bytes_of(body, w.len));
}

struct index_record *fx_add_meta(struct fx_row *row, uint64_t bucket, struct bytes key, uint64_t version,
                                 int64_t until_s)
{
    uint8_t body[2048];
    static const uint8_t tags[] = {1, 0, 'a', 1, 0, 'b'};
    struct object_meta_body m = {
        .bucket = bucket,
        .key = key,
        .version = fx_version(version),
        .retention = {.mode = RETENTION_COMPLIANCE, .until_s = until_s},
        .tags = bytes_of(tags, sizeof tags),
        .storage_class = 1,
    };
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    object_meta_encode(&m, &w);
    assert_false(w.overflow);
    return fx_add(row, RECORD_OBJECT_META, bytes_of(body, w.len));
}

struct index_record *fx_add_bucket(struct fx_row *row, uint64_t id, const char *name, const char *region)
{
    uint8_t body[2048];
    struct bucket_body b = {
        .id = id,
        .name = bytes_of(name, strlen(name)),
        .owner = S("owner"),
        .created_ns = 5,
        .region = bytes_of(region, strlen(region)),
    };
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    bucket_body_encode(&b, &w);
    assert_false(w.overflow);
    return fx_add(row, RECORD_BUCKET, bytes_of(body, w.len));
}

struct index_record *fx_add_bucket_delete(struct fx_row *row, uint64_t id)
{
    uint8_t body[64];
    struct bucket_delete_body b = {.id = id};
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    bucket_delete_encode(&b, &w);
    assert_false(w.overflow);
    return fx_add(row, RECORD_BUCKET_DELETE, bytes_of(body, w.len));
}

struct index_record *fx_add_setting(struct fx_row *row, uint8_t kind, const char *name, const char *value)
{
    uint8_t body[2048];
    struct setting_body s = {.name = bytes_of(name, strlen(name))};
    if (value != NULL)
        s.value = bytes_of(value, strlen(value));
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    setting_body_encode(&s, &w);
    assert_false(w.overflow);
    return fx_add(row, kind, bytes_of(body, w.len));
}

void fx_put(struct fx *fx, uint64_t bucket, struct bytes key, uint64_t version, uint64_t replaces)
{
    struct fx_row *row = fx_row_new(fx, 1, fx->counter + 1);
    struct fx_manifest m = {.bucket = bucket, .key = key, .version = version, .replaces = replaces};
    fx_add_manifest(row, &m);
    fx_publish(row);
}

/* ---- looking ---- */

uint64_t fx_newest(struct index_view *v, uint64_t bucket, struct bytes key)
{
    struct index_object o;
    enum dol_err err = index_object_get(v, bucket, key, NULL, &o);
    if (err == DOL_ENOTFOUND)
        return 0;
    assert_int_equal(err, DOL_OK);
    struct manifest m;
    assert_int_equal(manifest_decode(o.body, &m), DOL_OK);
    assert_true(bytes_equal(m.key, key));
    return be64_get(m.version.b);
}

uint64_t fx_refs(struct index_view *v, uint8_t kind, const struct sha256 *hash)
{
    struct index_chunk c;
    enum dol_err err = index_chunk_get(v, kind, hash, &c);
    if (err == DOL_ENOTFOUND)
        return UINT64_MAX;
    assert_int_equal(err, DOL_OK);
    assert_int_equal(c.kind, kind);
    return c.refs;
}

/* ---- one look each ---- */

int fx_setup(void **state)
{
    struct fx *fx = calloc(1, sizeof *fx);
    assert_non_null(fx);
    fx_open(fx, 1u << 24);
    *state = fx;
    return 0;
}

int fx_setup_small(void **state)
{
    struct fx *fx = calloc(1, sizeof *fx);
    assert_non_null(fx);
    fx_open(fx, 1);
    *state = fx;
    return 0;
}

int fx_teardown(void **state)
{
    struct fx *fx = *state;
    fx_close(fx);
    free(fx);
    return 0;
}

uint64_t fx_newest_now(struct fx *fx, struct bytes key)
{
    struct index_view *v = fx_view(fx);
    uint64_t n = fx_newest(v, FX_BUCKET, key);
    index_view_end(v);
    return n;
}

uint64_t fx_refs_now(struct fx *fx, uint64_t chunk)
{
    struct index_view *v = fx_view(fx);
    struct sha256 h = fx_hash(chunk);
    uint64_t n = fx_refs(v, RECORD_CHUNK, &h);
    index_view_end(v);
    return n;
}

uint64_t fx_objects_now(struct fx *fx)
{
    struct index_counts c;
    index_counts_get(fx->ix, &c);
    return c.objects;
}
