/* Records of one row: each is opened (seal or CRC), chunks are decoded and hashed, and what was found is kept. */
#include <stdlib.h>

#include "codec.h"
#include "fsck.h"
#include "hash.h"

static struct fsck_record *add_record(struct fsck_slab *s)
{
    if (s->record_count == s->record_capacity) {
        size_t capacity = s->record_capacity ? s->record_capacity * 2 : 256;
        struct fsck_record *grown = realloc(s->records, capacity * sizeof *grown);
        if (grown == NULL) {
            s->err = DOL_ENOMEM;
            return NULL;
        }
        s->records = grown;
        s->record_capacity = capacity;
    }
    struct fsck_record *r = &s->records[s->record_count++];
    memset(r, 0, sizeof *r);
    return r;
}

static void keep_body(struct fsck_slab *s, struct fsck_record *r, struct bytes body)
{
    if (s->bodies_capacity - s->bodies_len < body.len) {
        size_t capacity = s->bodies_capacity ? s->bodies_capacity : 1u << 16;
        while (capacity - s->bodies_len < body.len)
            capacity *= 2;
        uint8_t *grown = realloc(s->bodies, capacity);
        if (grown == NULL) {
            s->err = DOL_ENOMEM;
            return;
        }
        s->bodies = grown;
        s->bodies_capacity = capacity;
    }
    if (body.len > 0)
        memcpy(s->bodies + s->bodies_len, body.data, body.len);
    r->body_at = s->bodies_len;
    r->body_bytes = (uint32_t)body.len;
    s->bodies_len += body.len;
}

static bool chunk_is_right(struct codec *codec, uint8_t *plain, const struct record_header *h,
                           const struct chunk_body *chunk)
{
    if (h->plain_bytes == 0 || h->plain_bytes > CHUNK_BYTES_MAX ||
        codec_decode(codec, h->codec, chunk->data, plain, h->plain_bytes) != DOL_OK)
        return false;
    struct sha256 hash = sha256_of(plain, h->plain_bytes);
    return sha256_equal(&hash, &chunk->hash);
}

static enum dol_err judge(struct fsck *f, struct fsck_slab *s, struct codec *codec, uint8_t *plain, uint8_t *record,
                          size_t len, struct fsck_record *r)
{
    struct record_header h;
    struct bytes body;
    struct chunk_body chunk;
    struct chunk_list_body list;
    enum dol_err err = opener_open(f->opener, record, len, &h, &body);
    if (err != DOL_OK)
        return err;
    r->checked = true;
    if (h.kind == RECORD_CHUNK) {
        err = chunk_body_decode(body, &chunk);
        if (err == DOL_OK)
            r->hash = chunk.hash;
        if (err == DOL_OK && !chunk_is_right(codec, plain, &h, &chunk))
            err = DOL_EDIGEST;
    } else if (h.kind == RECORD_CHUNK_LIST) {
        err = chunk_list_decode(body, &list);
        if (err == DOL_OK) {
            r->hash = list.hash;
            keep_body(s, r, body);
        }
    } else if (h.kind != RECORD_DIRECTORY) {
        keep_body(s, r, body);
    }
    r->good = err == DOL_OK;
    return err;
}

void fsck_records_walk(struct fsck *f, struct fsck_slab *s, struct codec *codec, uint8_t *plain, uint32_t row,
                       uint8_t *data, size_t len)
{
    char name[FSCK_SLAB_NAME_BYTES];
    struct record_header h;
    size_t at = 0;
    while (at < len && s->err == DOL_OK) {
        enum dol_err err = len - at < RECORD_HEADER_BYTES ? DOL_ECORRUPT : record_header_decode(data + at, &h);
        if (err == DOL_OK && record_stored_bytes(h.body_bytes) > len - at)
            err = DOL_ECORRUPT;
        if (err != DOL_OK) {
            s->records_bad++;
            fsck_lines_add(&s->lines, FSCK_LOST, FSCK_RECORD, "%s row %u: the record at %zu: %s",
                           fsck_slab_name(s, name), row, at, dol_err_text(err));
            return;
        }
        struct fsck_record *r = add_record(s);
        if (r == NULL)
            return;
        *r = (struct fsck_record){.kind = h.kind,
                                  .codec = h.codec,
                                  .row = row,
                                  .offset_bytes = (uint32_t)at,
                                  .stored_bytes = RECORD_HEADER_BYTES + h.body_bytes + RECORD_TRAILER_BYTES,
                                  .lsn = h.lsn,
                                  .plain_bytes = h.plain_bytes};
        if (f->can_open)
            err = judge(f, s, codec, plain, data + at, record_stored_bytes(h.body_bytes), r);
        if (err != DOL_OK)
            fsck_lines_add(&s->lines, FSCK_LOST, FSCK_RECORD, "%s row %u: the record at %zu (kind %u): %s",
                           fsck_slab_name(s, name), row, at, h.kind, dol_err_text(err));
        at += record_stored_bytes(h.body_bytes);
    }
}
