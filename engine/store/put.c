/*
 * PUT: receive -> split -> hash -> dedup -> compress and verify -> append -> acknowledge, streaming.
 *
 * Chunks that are cut while bytes still come are appended at once. The last one goes into the same row as the manifest:
 * a small object is one row. The manifest is handed over only when every other chunk and list it refers to is
 * acknowledged. Claims on chunks are taken before the key's gate, never inside.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "put_impl.h"
#include "retention.h"

/* ---- begin ---- */

static struct bytes copy_in(uint8_t **at, struct bytes from)
{
    if (from.data == NULL)
        return from;
    memcpy(*at, from.data, from.len);
    struct bytes copy = bytes_of(*at, from.len);
    *at += from.len;
    return copy;
}

static enum dol_err copy_request(struct put *put, const struct put_request *req)
{
    size_t total = req->bucket.len + req->key.len + req->owner.len + 1;
    size_t metadata = 0;
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        total += req->headers[i].data ? req->headers[i].len : 0;
    for (unsigned i = 0; i < req->metadata_count; i++)
        metadata += req->metadata[i].name.len + req->metadata[i].value.len + 16;
    if (metadata > PUT_METADATA_BYTES_MAX)
        return DOL_ETOOLARGE;
    put->text = malloc(total + metadata);
    if (put->text == NULL)
        return DOL_ENOMEM;
    uint8_t *at = put->text;
    put->bucket_name = copy_in(&at, req->bucket);
    put->key = copy_in(&at, req->key);
    put->owner = copy_in(&at, req->owner);
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        put->headers[i] = copy_in(&at, req->headers[i]);
    struct tlv_writer w;
    tlv_writer_init(&w, at, metadata);
    for (unsigned i = 0; i < req->metadata_count; i++)
        manifest_meta_put(&w, req->metadata[i].name, req->metadata[i].value);
    put->metadata = bytes_of(at, w.len);
    return w.overflow ? DOL_ETOOLARGE : DOL_OK;
}

static void put_free(struct put *put)
{
    atomic_fetch_sub(&put->store->puts_now, 1);
    if (put->md5 != NULL)
        hash_stream_free(put->md5);
    free(put->fill);
    free(put->chunks.data);
    free(put->lists.data);
    free(put->text);
    free(put);
}

enum dol_err store_put_begin(struct store *s, const struct put_request *req, struct put **out)
{
    if (req->key.len == 0 || req->key.len > OBJECT_KEY_BYTES_MAX)
        return DOL_EINVAL;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    if (pool_is_full(s->pool))
        return DOL_EFULL;
    struct put *put = calloc(1, sizeof *put);
    if (put == NULL)
        return DOL_ENOMEM;
    if (atomic_fetch_add(&s->puts_now, 1) >= s->puts_max) {
        atomic_fetch_sub(&s->puts_now, 1);
        free(put);
        return DOL_EBUSY;
    }
    put->magic = PUT_MAGIC;
    put->store = s;
    put->size_hint = req->size_hint;
    list_init(&put->inflight);
    splitter_init(&put->splitter);
    put->md5 = hash_stream_new(HASH_MD5);
    enum dol_err err = put->md5 ? copy_request(put, req) : DOL_ENOMEM;
    if (err == DOL_OK)
        err = store_bucket_id(s, req->bucket, &put->bucket);
    if (err != DOL_OK) {
        put_free(put);
        return err;
    }
    *out = put;
    return DOL_OK;
}

/* ---- bytes ---- */

static enum dol_err fill_reserve(struct put *put, size_t need)
{
    if (need <= put->fill_capacity)
        return DOL_OK;
    size_t capacity = put->fill_capacity ? put->fill_capacity * 2 : PUT_FILL_BYTES_MIN;
    uint64_t left = put->size_hint == UINT64_MAX ? 0 : put->size_hint - (put->size - put->fill_len);
    if (left > 0 && put->size_hint >= put->size)
        capacity = left < CHUNK_BYTES_MAX ? (size_t)left : CHUNK_BYTES_MAX;
    while (capacity < need)
        capacity *= 2;
    uint8_t *grown = realloc(put->fill, capacity);
    if (grown == NULL)
        return DOL_ENOMEM;
    put->fill = grown;
    put->fill_capacity = capacity;
    return DOL_OK;
}

/* A chunk in the middle of the object is complete. */
static enum dol_err chunk_complete(struct put *put)
{
    struct put_chunk *chunk;
    enum dol_err err = put_chunk_make(put, &chunk);
    if (err == DOL_OK && chunk != NULL)
        err = put_chunk_start(put, chunk);
    if (err == DOL_OK && put->chunks.count == LIST_CHUNKS_MAX) {
        err = put_chunks_wait(put, 0);
        if (err == DOL_OK)
            err = put_list_flush(put);
    }
    return err;
}

enum dol_err store_put_write(struct put *put, const void *data, size_t len)
{
    const uint8_t *from = data;
    dol_assert_magic(put, PUT_MAGIC);
    if (put->err != DOL_OK)
        return put->err;
    hash_stream_update(put->md5, data, len);
    while (len > 0 && put->err == DOL_OK) {
        bool cut;
        size_t n = splitter_take(&put->splitter, from, len, &cut);
        put->err = fill_reserve(put, put->fill_len + n);
        if (put->err != DOL_OK)
            break;
        memcpy(put->fill + put->fill_len, from, n);
        put->fill_len += n;
        put->size += n;
        from += n;
        len -= n;
        if (cut)
            put->err = chunk_complete(put);
    }
    return put->err;
}

/* ---- finish ---- */

static struct version_id next_version(const struct manifest *previous)
{
    struct version_id v;
    uint64_t t = (uint64_t)clock_realtime_ns();
    if (previous != NULL && be64_get(previous->version.b) >= t)
        t = be64_get(previous->version.b) + 1;
    be64_put(v.b, t);
    random_fill(v.b + 8, 8);
    return v;
}

static enum dol_err encode_manifest(const struct manifest *m, uint8_t **buf, size_t *len)
{
    struct tlv_writer w;
    tlv_writer_init(&w, NULL, 0);
    manifest_encode(m, &w);
    if (w.len > APPEND_PLAIN_BODY_MAX)
        return DOL_ETOOLARGE;
    *buf = malloc(w.len);
    if (*buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, *buf, w.len);
    manifest_encode(m, &w);
    *len = w.len;
    /* overflow now means that a field is beyond what a manifest may hold */
    return w.overflow ? DOL_ETOOLARGE : DOL_OK;
}

/* With the gate held: what the new version replaces, and whether it may. */
static enum dol_err check_replaced(struct put *put, struct manifest *m)
{
    struct store *s = put->store;
    struct manifest old;
    void *body = NULL;
    uint64_t bucket;
    enum dol_err err = store_bucket_id(s, put->bucket_name, &bucket);
    if (err == DOL_OK && bucket != put->bucket)
        err = DOL_ENOBUCKET;
    if (err != DOL_OK)
        return err;
    err = store_version_get(s, put->bucket, put->key, NULL, &old, &body);
    if (err == DOL_ENOTFOUND) {
        m->version = next_version(NULL);
        return DOL_OK;
    }
    if (err != DOL_OK)
        return err;
    if (!retention_allows(&old.retention, RETENTION_ACT_DESTROY, RETENTION_RIGHT_NONE, pool_compliance_now_s(s->pool)))
        err = DOL_ERETAINED;
    m->version = next_version(&old);
    m->replaces = old.version;
    free(body);
    return err;
}

/* Appends the manifest, with the last chunk in the same row when there is one. Takes `last`. */
static enum dol_err append_manifest(struct put *put, struct put_chunk *last, struct bytes body)
{
    struct append_record manifest = {.kind = RECORD_MANIFEST, .parts = {body}, .part_count = 1, .payload = body};
    if (last == NULL)
        return store_append_body(put->store, RECORD_MANIFEST, body);
    enum dol_err err = store_wait_for_index(put->store);
    if (err != DOL_OK) {
        put_chunk_drop(last);
        return err;
    }
    last->records[1] = manifest;
    last->group.count = 2;
    append_start(put->store->pool, &last->group);
    err = append_wait(&last->group);
    put_chunk_free(last);
    return err;
}

static enum dol_err commit_version(struct put *put, struct manifest *m, struct put_chunk *last)
{
    struct store *s = put->store;
    struct gate_hold gate;
    uint8_t *body = NULL;
    size_t body_len = 0;
    enum dol_err err = gates_enter_key(s->gates, put->bucket, put->key, &gate);
    if (err == DOL_OK) {
        err = check_replaced(put, m);
        if (err == DOL_OK)
            err = encode_manifest(m, &body, &body_len);
        if (err == DOL_OK) {
            err = append_manifest(put, last, bytes_of(body, body_len));
            last = NULL;
        }
        gates_leave(s->gates, &gate);
    }
    if (last != NULL)
        put_chunk_drop(last);
    free(body);
    return err;
}

/* The rest of the bytes becomes the last chunk; more chunks than a manifest holds go into lists. */
static enum dol_err finish_chunks(struct put *put, struct put_chunk **last)
{
    enum dol_err err = DOL_OK;
    *last = NULL;
    if (put->fill_len > 0)
        err = put_chunk_make(put, last);
    bool lists = put->lists.count > 0 || put->chunks.count > MANIFEST_CHUNKS_MAX;
    if (err == DOL_OK && *last != NULL && lists) {
        struct put_chunk *chunk = *last;
        *last = NULL;
        err = put_chunk_start(put, chunk);
    }
    enum dol_err waited = put_chunks_wait(put, 0);
    if (err == DOL_OK)
        err = waited;
    if (err == DOL_OK && lists && put->chunks.count > 0)
        err = put_list_flush(put);
    if (err != DOL_OK && *last != NULL) {
        put_chunk_drop(*last);
        *last = NULL;
    }
    return err;
}

enum dol_err store_put_finish(struct put *put, const struct put_finish *fin, struct put_result *out)
{
    struct put_chunk *last = NULL;
    struct manifest m = {0};
    dol_assert_magic(put, PUT_MAGIC);

    enum dol_err err = put->err;
    hash_stream_final(put->md5, m.etag.md5);
    if (err == DOL_OK && fin->expected_size != UINT64_MAX && fin->expected_size != put->size)
        err = DOL_ELENGTH;
    if (err == DOL_OK && fin->md5 != NULL && memcmp(fin->md5, m.etag.md5, sizeof m.etag.md5) != 0)
        err = DOL_EDIGEST;
    if (err != DOL_OK) {
        store_put_abort(put);
        return err;
    }
    err = finish_chunks(put, &last);
    if (err == DOL_OK) {
        m.bucket = put->bucket;
        m.key = put->key;
        m.flags = MANIFEST_NULL_VERSION;
        m.owner = put->owner;
        m.mtime_ns = clock_realtime_ns();
        m.size = put->size;
        memcpy(m.headers, put->headers, sizeof m.headers);
        m.metadata = put->metadata;
        m.checksum = fin->checksum;
        if (put->lists.count > 0)
            m.list_refs = bytes_of(put->lists.data, put->lists.count * LIST_REF_BYTES);
        else
            m.chunk_refs = bytes_of(put->chunks.data, put->chunks.count * CHUNK_REF_BYTES);
        err = commit_version(put, &m, last);
    }
    if (err == DOL_OK) {
        *out = (struct put_result){.etag = m.etag, .size = m.size, .mtime_ns = m.mtime_ns};
        atomic_fetch_add(&put->store->stats.puts, 1);
        atomic_fetch_add(&put->store->stats.bytes_in, m.size);
    }
    put_free(put);
    return err;
}

void store_put_abort(struct put *put)
{
    dol_assert_magic(put, PUT_MAGIC);
    if (put_chunks_wait(put, 0) != DOL_OK)
        put->err = DOL_EIO; /* nobody asks any more: the object was given up */
    put_free(put);
}
