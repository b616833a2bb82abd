/*
 * PUT: receive -> split -> hash -> dedup -> compress and verify -> append -> acknowledge, streaming.
 *
 * Chunks that are cut while bytes still come are appended at once. The last one goes into the same row as the manifest:
 * a small object is one row. The manifest is handed over only when every other chunk and list it refers to is
 * acknowledged. Claims on chunks are taken before the key's gate, never inside. Parts of uploads take the same way but
 * for their end (part.c).
 */
#include <stdlib.h>

#include "checksum_fold.h"
#include "dol_assert.h"
#include "put_impl.h"
#include "version.h"

/* ---- begin ---- */

void put_free(struct put *put)
{
    store_put_slot_give(put->store, &put->pin);
    hash_stream_free(put->md5);
    free(put->fill);
    ref_array_free(&put->chunks);
    ref_array_free(&put->lists);
    request_free(&put->request);
    free(put);
}

enum dol_err put_open(struct store *s, const struct put_request *req, struct put **out)
{
    struct bucket_ref bucket;
    struct put *put = calloc(1, sizeof *put);
    if (put == NULL)
        return DOL_ENOMEM;
    enum dol_err err = store_put_slot_take(s, &put->pin);
    if (err != DOL_OK) {
        free(put);
        return err;
    }
    put->magic = PUT_MAGIC;
    put->store = s;
    put->size_hint = req->size_hint;
    list_init(&put->inflight);
    splitter_init(&put->splitter);
    put->md5 = hash_stream_new(HASH_MD5);
    err = put->md5 ? request_copy(req, &put->request) : DOL_ENOMEM;
    if (err == DOL_OK)
        err = store_bucket_ref(s, req->bucket, &bucket);
    if (err == DOL_OK)
        err = lock_check(&bucket, &req->retention);
    put->bucket = err == DOL_OK ? bucket.id : 0;
    if (err != DOL_OK)
        put_free(put);
    else
        *out = put;
    return err;
}

enum dol_err store_put_begin(struct store *s, const struct put_request *req, struct put **out)
{
    struct put *put;
    enum dol_err err = put_open(s, req, &put);
    if (err != DOL_OK)
        return err;
    err = condition_check_early(s, put->bucket, put->request.key, &put->request.condition);
    if (err != DOL_OK)
        put_free(put);
    else
        *out = put;
    return err;
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
            err = refs_make_list(put->store, &put->pin, &put->chunks, &put->lists);
    }
    return err;
}

enum dol_err store_put_write(struct put *put, const void *data, size_t len)
{
    const uint8_t *from = data;
    dol_assert_magic(put, PUT_MAGIC);
    if (put->err != DOL_OK)
        return put->err;
    if (checksum_is_crc(put->upload_alg))
        put->crc = crc_update(put->upload_alg, put->crc, data, len);
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
        err = refs_make_list(put->store, &put->pin, &put->chunks, &put->lists);
    if (err != DOL_OK && *last != NULL) {
        put_chunk_drop(*last);
        *last = NULL;
    }
    return err;
}

enum dol_err put_end_bytes(struct put *put, const struct put_finish *fin, uint8_t md5[16], struct put_chunk **last)
{
    enum dol_err err = put->err;
    *last = NULL;
    put_chunk_hash(put);
    hash_stream_final(put->md5, md5);
    if (err == DOL_OK && fin->expected_size != UINT64_MAX && fin->expected_size != put->size)
        err = DOL_ELENGTH;
    if (err == DOL_OK && fin->md5 != NULL && memcmp(fin->md5, md5, 16) != 0)
        err = DOL_EDIGEST;
    if (err == DOL_OK)
        return finish_chunks(put, last);
    if (put_chunks_wait(put, 0) != DOL_OK)
        put->err = DOL_EIO; /* nobody asks any more: the first error counts */
    return err;
}

void put_row_init(struct put_row *row, struct put_chunk *last)
{
    *row = (struct put_row){.last = last};
    if (last != NULL) {
        row->group = &last->group;
        row->slot = &last->records[1];
        last->group.count = 2;
    } else {
        row->alone_group = (struct append_group){.records = &row->alone, .count = 1};
        row->group = &row->alone_group;
        row->slot = &row->alone;
    }
}

void put_row_fini(struct put_row *row)
{
    if (row->last != NULL && row->group->done)
        put_chunk_free(row->last);
    else if (row->last != NULL)
        put_chunk_drop(row->last);
}

enum dol_err store_put_finish(struct put *put, const struct put_finish *fin, struct put_result *out)
{
    struct put_chunk *last;
    uint8_t versioning;
    struct manifest m = {.bucket = put->bucket, .size = put->size, .checksum = fin->checksum};
    dol_assert_magic(put, PUT_MAGIC);
    dol_assert(put->part_number == 0);

    enum dol_err err = put_end_bytes(put, fin, m.etag.md5, &last);
    if (err == DOL_OK) {
        struct put_row row;
        request_describe(&put->request, &m);
        m.chunk_refs = refs_chunk_bytes(&put->chunks, &put->lists);
        m.list_refs = refs_list_bytes(&put->lists);
        put_row_init(&row, last);
        const struct version_commit commit = {.bucket_name = put->request.bucket_name,
                                              .manifest = &m,
                                              .condition = &put->request.condition,
                                              .group = row.group,
                                              .slot = row.slot};
        err = version_commit(put->store, &commit, &versioning);
        put_row_fini(&row);
    }
    if (err == DOL_OK) {
        version_result(&m, versioning, out);
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
