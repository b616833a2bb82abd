/*
 * TLV writer and reader. The writer never writes beyond its capacity and goes on counting, so that one pass over an
 * empty buffer tells the size; the reader never looks beyond the body.
 */
#include "tlv.h"

#include "dol_assert.h"

struct tlv_disk {
    struct le16 type;
    struct le16 flags;
    struct le32 length;
};
_Static_assert(sizeof(struct tlv_disk) == TLV_HEADER_BYTES, "TLV header");

void tlv_writer_init(struct tlv_writer *w, void *buf, size_t capacity)
{
    *w = (struct tlv_writer){.buf = buf, .capacity = capacity};
}

/* Where the next `len` bytes go, or NULL. */
static uint8_t *tlv_take(struct tlv_writer *w, size_t len)
{
    size_t at = w->len;
    w->len += len;
    if (w->overflow || at > w->capacity || len > w->capacity - at) {
        w->overflow = true;
        return NULL;
    }
    return w->buf + at;
}

uint8_t *tlv_reserve(struct tlv_writer *w, uint16_t type, uint16_t flags, size_t len)
{
    dol_assert(type != 0 && len <= UINT32_MAX);
    uint8_t *out = tlv_take(w, TLV_HEADER_BYTES + len);
    if (out == NULL)
        return NULL;
    const struct tlv_disk head = {le16_of(type), le16_of(flags), le32_of((uint32_t)len)};
    memcpy(out, &head, sizeof head);
    return out + sizeof head;
}

void tlv_put(struct tlv_writer *w, uint16_t type, uint16_t flags, const void *value, size_t len)
{
    uint8_t *out = tlv_reserve(w, type, flags, len);
    if (out != NULL && len > 0)
        memcpy(out, value, len);
}

void tlv_append(struct tlv_writer *w, struct bytes tlvs)
{
    if (tlvs.len == 0)
        return;
    uint8_t *out = tlv_take(w, tlvs.len);
    if (out != NULL)
        memcpy(out, tlvs.data, tlvs.len);
}

void tlv_put_u8(struct tlv_writer *w, uint16_t type, uint8_t value)
{
    tlv_put(w, type, 0, &value, sizeof value);
}

void tlv_put_u32(struct tlv_writer *w, uint16_t type, uint32_t value)
{
    struct le32 v = le32_of(value);
    tlv_put(w, type, 0, v.b, sizeof v.b);
}

void tlv_put_u64(struct tlv_writer *w, uint16_t type, uint64_t value)
{
    struct le64 v = le64_of(value);
    tlv_put(w, type, 0, v.b, sizeof v.b);
}

void tlv_put_i64(struct tlv_writer *w, uint16_t type, int64_t value)
{
    tlv_put_u64(w, type, (uint64_t)value);
}

void tlv_reader_init(struct tlv_reader *r, struct bytes body)
{
    static const uint8_t nothing[1];
    r->pos = body.len > 0 ? body.data : nothing;
    r->end = r->pos + body.len;
}

enum dol_err tlv_next(struct tlv_reader *r, struct tlv *out)
{
    size_t left = (size_t)(r->end - r->pos);
    if (left == 0)
        return DOL_ENOTFOUND;
    if (left < TLV_HEADER_BYTES)
        return DOL_ECORRUPT;
    const struct tlv_disk *head = (const struct tlv_disk *)(const void *)r->pos;
    uint32_t len = le32_get(head->length);
    out->type = le16_get(head->type);
    out->flags = le16_get(head->flags);
    if (len > left - TLV_HEADER_BYTES || out->type == 0 || (out->flags & ~TLV_FLAG_CRITICAL) != 0)
        return DOL_ECORRUPT;
    out->value = bytes_of(r->pos + TLV_HEADER_BYTES, len);
    r->pos += TLV_HEADER_BYTES + len;
    return DOL_OK;
}

enum dol_err tlv_u8(const struct tlv *t, uint8_t *out)
{
    if (t->value.len != 1)
        return DOL_ECORRUPT;
    memcpy(out, t->value.data, 1);
    return DOL_OK;
}

enum dol_err tlv_u32(const struct tlv *t, uint32_t *out)
{
    struct le32 v;
    if (t->value.len != sizeof v)
        return DOL_ECORRUPT;
    memcpy(&v, t->value.data, sizeof v);
    *out = le32_get(v);
    return DOL_OK;
}

enum dol_err tlv_u64(const struct tlv *t, uint64_t *out)
{
    struct le64 v;
    if (t->value.len != sizeof v)
        return DOL_ECORRUPT;
    memcpy(&v, t->value.data, sizeof v);
    *out = le64_get(v);
    return DOL_OK;
}

enum dol_err tlv_i64(const struct tlv *t, int64_t *out)
{
    uint64_t v;
    enum dol_err err = tlv_u64(t, &v);
    if (err == DOL_OK)
        *out = (int64_t)v;
    return err;
}
