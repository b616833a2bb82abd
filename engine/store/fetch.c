/* Fetch: see fetch.h. */
#include "fetch.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "hash.h"

#define SLACK_PART 8u /* of memory may be useless; with more, the bytes are copied out of it */

/* A chunk and a list of one hash are different things. */
static struct sha256 name_of(const struct fetch *what)
{
    struct sha256 name = what->hash;
    name.b[31] ^= what->kind;
    return name;
}

/* Takes the record's memory. */
static enum dol_err entry_of_record(struct record_read *rec, struct bytes plain, struct cache_entry **out)
{
    if (rec->buffer_bytes - plain.len > rec->buffer_bytes / SLACK_PART) {
        uint8_t *copy = malloc(plain.len);
        if (copy == NULL)
            return DOL_ENOMEM;
        memcpy(copy, plain.data, plain.len);
        enum dol_err err = cache_entry_new(copy, plain.len, bytes_of(copy, plain.len), out);
        if (err != DOL_OK)
            free(copy);
        return err;
    }
    enum dol_err err = cache_entry_new(rec->buffer, rec->buffer_bytes, plain, out);
    if (err == DOL_OK)
        rec->buffer = NULL;
    return err;
}

static enum dol_err entry_of_coded(struct store *s, const struct record_read *rec, struct bytes data,
                                   struct cache_entry **out)
{
    struct codec *codec;
    size_t len = rec->header.plain_bytes;
    enum dol_err err = store_codec_take(s, &codec);
    if (err != DOL_OK)
        return err;
    uint8_t *plain = malloc(len);
    err = plain != NULL ? codec_decode(codec, rec->header.codec, data, plain, len) : DOL_ENOMEM;
    store_codec_give(s, codec);
    if (err == DOL_OK)
        err = cache_entry_new(plain, len, bytes_of(plain, len), out);
    if (err != DOL_OK)
        free(plain);
    return err;
}

static enum dol_err entry_of_chunk(struct store *s, const struct fetch *what, struct record_read *rec,
                                   struct cache_entry **out)
{
    struct chunk_body body;
    enum dol_err err = chunk_body_decode(rec->body, &body);
    if (err != DOL_OK)
        return err;
    bool raw = rec->header.codec == FORMAT_CODEC_RAW;
    if (rec->header.plain_bytes == 0 || rec->header.plain_bytes > CHUNK_BYTES_MAX ||
        (raw && body.data.len != rec->header.plain_bytes))
        return DOL_ECORRUPT;
    err = raw ? entry_of_record(rec, body.data, out) : entry_of_coded(s, rec, body.data, out);
    if (err != DOL_OK || !rec->rebuilt || rec->header.seal != FORMAT_SEAL_NONE)
        return err;
    struct bytes plain = cache_entry_bytes(*out);
    struct sha256 hash = sha256_of(plain.data, plain.len);
    if (sha256_equal(&hash, &what->hash))
        return DOL_OK;
    cache_entry_release(*out);
    return DOL_ECORRUPT;
}

static enum dol_err read_stored(struct store *s, const struct fetch *what, struct cache_entry **out)
{
    struct record_read rec;
    enum dol_err err = store_read_chunk(s, what->kind, &what->hash, &rec);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
    if (what->kind == RECORD_CHUNK) {
        err = entry_of_chunk(s, what, &rec, out);
    } else {
        struct chunk_list_body list;
        err = chunk_list_decode(rec.body, &list);
        if (err == DOL_OK)
            err = entry_of_record(&rec, list.refs, out);
    }
    record_read_free(&rec);
    return err;
}

/* What is found by its name is what was asked for, but a reference may lie about its length. */
static enum dol_err with_length(const struct fetch *what, struct cache_entry **e)
{
    if (cache_entry_bytes(*e).len == what->bytes)
        return DOL_OK;
    cache_entry_release(*e);
    *e = NULL;
    return DOL_ECORRUPT;
}

struct cache_entry *fetch_cached(struct store *s, const struct fetch *what)
{
    struct sha256 name = name_of(what);
    struct cache_entry *e = cache_find(s->cache, &name, what->use);
    if (e != NULL && with_length(what, &e) != DOL_OK)
        return NULL;
    return e;
}

enum dol_err fetch_read(struct store *s, const struct fetch *what, struct cache_entry **out)
{
    struct cache_fill fill;
    struct sha256 name = name_of(what);
    *out = NULL;
    enum dol_err err = cache_get(s->cache, &name, what->use, &fill, out);
    if (err == DOL_ENOTFOUND) {
        err = read_stored(s, what, out);
        dol_assert(err != DOL_ENOTFOUND);
        if (err != DOL_OK)
            *out = NULL;
        cache_fill_done(s->cache, &fill, err, *out);
    }
    return err == DOL_OK ? with_length(what, out) : err;
}
