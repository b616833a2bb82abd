/* See request.h: one piece of memory per request. */
#include "request.h"

#include <stdlib.h>

#include "le.h"

static struct bytes copy_in(uint8_t **at, struct bytes from)
{
    if (from.data == NULL)
        return from;
    memcpy(*at, from.data, from.len);
    struct bytes copy = bytes_of(*at, from.len);
    *at += from.len;
    return copy;
}

static void put_string(uint8_t **at, struct bytes s)
{
    struct le16 len = le16_of((uint16_t)s.len);
    memcpy(*at, &len, sizeof len);
    *at += sizeof len;
    (void)copy_in(at, s);
}

size_t tags_bytes_max(const struct metadata_pair *tags, unsigned count)
{
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += tags[i].name.len + tags[i].value.len + 2 * sizeof(struct le16);
    return total;
}

enum dol_err tags_copy(const struct metadata_pair *tags, unsigned count, uint8_t **at, struct bytes *out)
{
    const uint8_t *start = *at;
    for (unsigned i = 0; i < count; i++) {
        if (tags[i].name.len > TAG_NAME_BYTES_MAX || tags[i].value.len > TAG_VALUE_BYTES_MAX)
            return DOL_ETOOLARGE;
        put_string(at, tags[i].name);
        put_string(at, tags[i].value);
    }
    *out = bytes_of(start, (size_t)(*at - start));
    return DOL_OK;
}

static bool next_string(struct bytes *pos, struct bytes *out)
{
    struct le16 len;
    const uint8_t *p = pos->data;
    if (pos->len < sizeof len)
        return false;
    memcpy(&len, p, sizeof len);
    size_t n = le16_get(len);
    if (n > pos->len - sizeof len)
        return false;
    *out = bytes_of(p + sizeof len, n);
    *pos = bytes_of(p + sizeof len + n, pos->len - sizeof len - n);
    return true;
}

bool tags_next(struct bytes *pos, struct metadata_pair *out)
{
    return next_string(pos, &out->name) && next_string(pos, &out->value);
}

enum dol_err request_copy(const struct put_request *req, struct request *out)
{
    if (req->key.len == 0 || req->key.len > OBJECT_KEY_BYTES_MAX)
        return DOL_EINVAL;
    size_t total = req->bucket.len + req->key.len + req->owner.len + 1;
    size_t metadata = 0;
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        total += req->headers[i].data ? req->headers[i].len : 0;
    for (unsigned i = 0; i < req->metadata_count; i++)
        metadata += req->metadata[i].name.len + req->metadata[i].value.len + 16;
    total += tags_bytes_max(req->tags, req->tag_count);
    if (metadata > REQUEST_METADATA_BYTES_MAX)
        return DOL_ETOOLARGE;
    uint8_t *at = malloc(total + metadata);
    if (at == NULL)
        return DOL_ENOMEM;
    *out = (struct request){
        .memory = at, .storage_class = req->storage_class, .retention = req->retention, .condition = req->condition};
    out->bucket_name = copy_in(&at, req->bucket);
    out->key = copy_in(&at, req->key);
    out->owner = copy_in(&at, req->owner);
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        out->headers[i] = copy_in(&at, req->headers[i]);
    enum dol_err err = tags_copy(req->tags, req->tag_count, &at, &out->tags);
    struct tlv_writer w;
    tlv_writer_init(&w, at, metadata);
    for (unsigned i = 0; i < req->metadata_count; i++)
        manifest_meta_put(&w, req->metadata[i].name, req->metadata[i].value);
    out->metadata = bytes_of(at, w.len);
    if (w.overflow)
        err = DOL_ETOOLARGE;
    if (err != DOL_OK)
        request_free(out);
    return err;
}

void request_free(struct request *r)
{
    free(r->memory);
    r->memory = NULL;
}

void request_describe(const struct request *r, struct manifest *m)
{
    m->key = r->key;
    m->owner = r->owner;
    memcpy(m->headers, r->headers, sizeof m->headers);
    m->metadata = r->metadata;
    m->tags = r->tags;
    m->storage_class = r->storage_class;
    m->retention = r->retention;
}
