/* Chunks of an object on its way in: hash, dedup, codec, append. */
#include <stdlib.h>

#include "dedup.h"
#include "dol_assert.h"
#include "put_impl.h"

static enum dol_err ref_add(struct ref_array *a, size_t ref_bytes, uint8_t **slot)
{
    if (a->count == a->capacity) {
        size_t capacity = a->capacity ? a->capacity * 2 : 4;
        uint8_t *grown = realloc(a->data, capacity * ref_bytes);
        if (grown == NULL)
            return DOL_ENOMEM;
        a->data = grown;
        a->capacity = capacity;
    }
    *slot = a->data + a->count++ * ref_bytes;
    return DOL_OK;
}

/* ---- codec ---- */

struct encode_job {
    struct codec *codec;
    struct bytes plain;
    uint8_t *out;
    size_t out_len;
    uint8_t codec_id;
};

static void encode_run(void *arg)
{
    struct encode_job *job = arg;
    job->codec_id = codec_encode(job->codec, job->plain, job->out, job->plain.len, &job->out_len);
}

/* Replaces chunk->data (plain, len bytes) by its coded form when that is smaller. */
static enum dol_err encode(struct store *s, struct put_chunk *chunk, size_t len, size_t *data_len, uint8_t *codec_id)
{
    struct encode_job job = {.plain = bytes_of(chunk->data, len)};
    enum dol_err err = store_codec_take(s, &job.codec);
    if (err != DOL_OK)
        return err;
    job.out = malloc(len);
    if (job.out == NULL) {
        store_codec_give(s, job.codec);
        return DOL_ENOMEM;
    }
    if (len >= STORE_OFFLOAD_BYTES_MIN)
        offload_run(encode_run, &job);
    else
        encode_run(&job);
    store_codec_give(s, job.codec);
    *codec_id = job.codec_id;
    *data_len = len;
    if (job.codec_id == FORMAT_CODEC_RAW) {
        free(job.out);
        return DOL_OK;
    }
    free(chunk->data);
    chunk->data = job.out;
    *data_len = job.out_len;
    atomic_fetch_add(&s->stats.bytes_compressed_in, len);
    atomic_fetch_add(&s->stats.bytes_compressed_out, job.out_len);
    return DOL_OK;
}

/* ---- chunks ---- */

static void chunk_done(struct append_group *group)
{
    struct put_chunk *chunk = container_of(group, struct put_chunk, group);
    dedup_release(chunk->store, &chunk->hash);
}

void put_chunk_free(struct put_chunk *chunk)
{
    free(chunk->data);
    free(chunk);
}

void put_chunk_drop(struct put_chunk *chunk)
{
    dedup_release(chunk->store, &chunk->hash);
    put_chunk_free(chunk);
}

static void chunk_record(struct put_chunk *chunk, size_t plain_len, size_t data_len, uint8_t codec_id)
{
    chunk_body_prefix(&chunk->hash, (uint32_t)data_len, chunk->prefix);
    chunk->records[0] = (struct append_record){
        .kind = RECORD_CHUNK,
        .codec = codec_id,
        .plain_bytes = (uint32_t)plain_len,
        .parts = {bytes_of(chunk->prefix, sizeof chunk->prefix), bytes_of(chunk->data, data_len)},
        .part_count = 2,
        .payload = bytes_of(chunk->hash.b, sizeof chunk->hash.b)};
    chunk->group = (struct append_group){.records = chunk->records, .count = 1, .on_done = chunk_done};
}

enum dol_err put_chunk_make(struct put *put, struct put_chunk **out)
{
    struct store *s = put->store;
    size_t len = put->fill_len;
    enum dedup_verdict verdict;
    uint8_t *slot, codec_id;
    size_t data_len;

    *out = NULL;
    dol_assert(len > 0 && len <= CHUNK_BYTES_MAX);
    struct chunk_ref ref = {sha256_of(put->fill, len), (uint32_t)len};
    enum dol_err err = ref_add(&put->chunks, CHUNK_REF_BYTES, &slot);
    if (err != DOL_OK)
        return err;
    chunk_ref_encode(&ref, slot);
    put->chunks.bytes += len;
    err = dedup_claim(s, &ref.hash, bytes_of(put->fill, len), &verdict);
    if (err != DOL_OK)
        return err;
    put->fill_len = 0;
    if (verdict == DEDUP_HIT)
        return DOL_OK;

    struct put_chunk *chunk = calloc(1, sizeof *chunk);
    if (chunk == NULL) {
        dedup_release(s, &ref.hash);
        return DOL_ENOMEM;
    }
    chunk->store = s;
    chunk->hash = ref.hash;
    chunk->data = put->fill;
    put->fill = NULL;
    put->fill_capacity = 0;
    err = encode(s, chunk, len, &data_len, &codec_id);
    if (err != DOL_OK) {
        put_chunk_drop(chunk);
        return err;
    }
    chunk_record(chunk, len, data_len, codec_id);
    atomic_fetch_add(&s->stats.chunks_written, 1);
    *out = chunk;
    return DOL_OK;
}

enum dol_err put_chunks_wait(struct put *put, unsigned left)
{
    enum dol_err err = DOL_OK;
    while (put->inflight_count > left) {
        struct put_chunk *chunk = container_of(list_pop_front(&put->inflight), struct put_chunk, node);
        put->inflight_count--;
        enum dol_err got = append_wait(&chunk->group);
        if (got != DOL_OK)
            err = got;
        put_chunk_free(chunk);
    }
    return err;
}

enum dol_err put_chunk_start(struct put *put, struct put_chunk *chunk)
{
    enum dol_err err = put_chunks_wait(put, PUT_INFLIGHT_MAX - 1);
    if (err == DOL_OK)
        err = store_wait_for_index(put->store);
    if (err == DOL_OK && pool_is_full(put->store->pool))
        err = DOL_EFULL; /* the reserve is not for uploads that began before it was reached */
    if (err != DOL_OK) {
        put_chunk_drop(chunk);
        return err;
    }
    append_start(put->store->pool, &chunk->group);
    list_push_back(&put->inflight, &chunk->node);
    put->inflight_count++;
    return DOL_OK;
}

/* ---- chunk lists ---- */

static enum dol_err append_list(struct put *put, const struct chunk_list_body *list)
{
    struct tlv_writer w;
    size_t capacity = list->refs.len + 256;
    uint8_t *buf = malloc(capacity);
    if (buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, buf, capacity);
    chunk_list_encode(list, &w);
    dol_assert(!w.overflow);
    enum dol_err err = store_append_body(put->store, RECORD_CHUNK_LIST, bytes_of(buf, w.len));
    free(buf);
    return err;
}

enum dol_err put_list_flush(struct put *put)
{
    struct chunk_list_body list = {.refs = bytes_of(put->chunks.data, put->chunks.count * CHUNK_REF_BYTES)};
    enum dedup_verdict verdict;
    uint8_t *slot;

    dol_assert(put->chunks.count > 0 && put->inflight_count == 0);
    list.hash = sha256_of(list.refs.data, list.refs.len);
    enum dol_err err = dedup_claim_list(put->store, &list.hash, list.refs, &verdict);
    if (err != DOL_OK)
        return err;
    if (verdict == DEDUP_STORE) {
        err = append_list(put, &list);
        dedup_release(put->store, &list.hash);
    }
    if (err == DOL_OK)
        err = ref_add(&put->lists, LIST_REF_BYTES, &slot);
    if (err != DOL_OK)
        return err;
    struct list_ref ref = {list.hash, (uint32_t)put->chunks.count, put->chunks.bytes};
    list_ref_encode(&ref, slot);
    put->lists.bytes += put->chunks.bytes;
    put->chunks.count = 0;
    put->chunks.bytes = 0;
    return DOL_OK;
}
