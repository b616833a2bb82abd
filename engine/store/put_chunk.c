/* Chunks of an object on its way in: hash, dedup, codec, append. */
#include <stdlib.h>

#include "dedup.h"
#include "digest.h"
#include "dol_assert.h"
#include "put_impl.h"

/* ---- codec ---- */

struct encode_job {
    struct store *store;
    struct bytes plain;
    uint8_t *out;
    size_t out_len;
    uint8_t codec_id;
    enum dol_err err;
};

/* Takes the codec when the work begins: none is held by what waits for a thread. */
static void encode_run(void *arg)
{
    struct encode_job *job = arg;
    struct codec *codec;
    job->err = store_codec_take(job->store, &codec);
    if (job->err != DOL_OK)
        return;
    job->codec_id = codec_compress(codec, job->codec_id, job->plain, job->out, job->plain.len, &job->out_len);
    store_codec_give(job->store, codec);
}

/* Bytes that don't look like it never leave the loop. */
static enum dol_err choose(struct store *s, struct bytes plain, uint8_t *codec_id)
{
    struct codec *codec;
    enum dol_err err = store_codec_take(s, &codec);
    if (err != DOL_OK)
        return err;
    *codec_id = codec_choose(codec, plain);
    store_codec_give(s, codec);
    return DOL_OK;
}

/* Replaces chunk->data (plain, len bytes) by its coded form when that is smaller. */
static enum dol_err encode(struct store *s, struct put_chunk *chunk, size_t len, size_t *data_len, uint8_t *codec_id)
{
    struct encode_job job = {.store = s, .plain = bytes_of(chunk->data, len)};
    *data_len = len;
    *codec_id = FORMAT_CODEC_RAW;
    enum dol_err err = choose(s, job.plain, &job.codec_id);
    if (err != DOL_OK || job.codec_id == FORMAT_CODEC_RAW)
        return err;
    job.out = malloc(len);
    if (job.out == NULL)
        return DOL_ENOMEM;
    if (len >= STORE_OFFLOAD_BYTES_MIN)
        offload_run(encode_run, &job);
    else
        encode_run(&job);
    if (job.err != DOL_OK || job.codec_id == FORMAT_CODEC_RAW) {
        free(job.out);
        return job.err;
    }
    free(chunk->data);
    chunk->data = job.out;
    *data_len = job.out_len;
    *codec_id = job.codec_id;
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

void put_chunk_hash(struct put *put)
{
    struct hash_job job;
    if (put->fill_hashed || put->fill_len == 0)
        return;
    hash_job_init(&job, put->md5, put->fill, put->fill_len);
    digester_run(put->store->digester, &job);
    put->fill_hash = job.sha256;
    put->fill_hashed = true;
}

enum dol_err put_chunk_make(struct put *put, struct put_chunk **out)
{
    struct store *s = put->store;
    size_t len = put->fill_len;
    enum dedup_verdict verdict;
    uint8_t codec_id;
    size_t data_len;

    *out = NULL;
    dol_assert(len > 0 && len <= CHUNK_BYTES_MAX);
    put_chunk_hash(put);
    put->fill_hashed = false;
    struct chunk_ref ref = {put->fill_hash, (uint32_t)len};
    enum dol_err err = refs_add_chunk(&put->chunks, &ref);
    if (err != DOL_OK)
        return err;
    err = dedup_claim(s, &put->pin, &ref.hash, bytes_of(put->fill, len), &verdict);
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
