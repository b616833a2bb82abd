/* The one encoder and the one decoder behind the field tables of bodies. */
#include "body_field.h"

/* ---- encoding ---- */

static bool field_bytes_is_absent(const struct body_field *f, const struct bytes *b)
{
    return f->need == NEED_OPTIONAL && (b->data == NULL || (b->len == 0 && f->min > 0));
}

static void field_encode_int(const struct body_field *f, uint64_t value, struct tlv_writer *w)
{
    if (value == 0 && f->need == NEED_OPTIONAL)
        return;
    bool bounded = f->form == FORM_U8 || f->form == FORM_U32;
    if (f->form != FORM_I64 && (value < f->min || (bounded && value > f->max)))
        w->overflow = true;
    if (f->form == FORM_U8)
        tlv_put_u8(w, f->type, (uint8_t)value);
    else if (f->form == FORM_U32)
        tlv_put_u32(w, f->type, (uint32_t)value);
    else
        tlv_put_u64(w, f->type, value);
}

static void field_encode_bytes(const struct body_field *f, const struct bytes *b, struct tlv_writer *w)
{
    if (field_bytes_is_absent(f, b))
        return;
    if (b->len < f->min || b->len > f->max) {
        w->overflow = true;
        return;
    }
    if (f->form == FORM_META)
        tlv_append(w, *b);
    else
        tlv_put(w, f->type, 0, b->data, b->len);
}

/* A fixed image of a value; left out when optional and all zero. */
static void field_encode_image(const struct body_field *f, const uint8_t *image, size_t len, struct tlv_writer *w)
{
    bool zero = true;
    for (size_t i = 0; zero && i < len; i++)
        zero = image[i] == 0;
    if (zero && f->need == NEED_OPTIONAL)
        return;
    if (zero && f->min > 0)
        w->overflow = true;
    tlv_put(w, f->type, 0, image, len);
}

static void field_encode_shared(const struct body_field *f, const void *value, struct tlv_writer *w)
{
    uint8_t image[MANIFEST_PART_BYTES];
    size_t len = 0;
    switch ((enum body_form)f->form) {
    case FORM_RETENTION:
        retention_encode(value, image);
        len = RETENTION_BYTES;
        break;
    case FORM_ETAG:
        etag_encode(value, image);
        len = ETAG_BYTES;
        break;
    case FORM_CHECKSUM:
        checksum_encode(value, image);
        len = CHECKSUM_BYTES;
        break;
    default:
        manifest_part_encode(value, image);
        len = MANIFEST_PART_BYTES;
        break;
    }
    field_encode_image(f, image, len, w);
}

void body_fields_encode(const struct body_field *fields, size_t count, const void *in, struct tlv_writer *w)
{
    for (size_t i = 0; i < count; i++) {
        const struct body_field *f = &fields[i];
        const uint8_t *value = (const uint8_t *)in + f->offset;
        switch ((enum body_form)f->form) {
        case FORM_U8:
            field_encode_int(f, *value, w);
            break;
        case FORM_U32:
            field_encode_int(f, *(const uint32_t *)(const void *)value, w);
            break;
        case FORM_U64:
            field_encode_int(f, *(const uint64_t *)(const void *)value, w);
            break;
        case FORM_I64:
            field_encode_int(f, (uint64_t) * (const int64_t *)(const void *)value, w);
            break;
        case FORM_RAW:
            field_encode_image(f, value, f->max, w);
            break;
        case FORM_BYTES:
        case FORM_META:
            field_encode_bytes(f, (const struct bytes *)(const void *)value, w);
            break;
        default:
            field_encode_shared(f, value, w);
            break;
        }
    }
}

/* ---- decoding ---- */

static bool image_is_zero(struct bytes v)
{
    const uint8_t *b = v.data;
    for (size_t i = 0; i < v.len; i++)
        if (b[i] != 0)
            return false;
    return true;
}

static enum dol_err field_decode_int(const struct body_field *f, const struct tlv *t, uint8_t *out)
{
    uint64_t value = 0;
    enum dol_err err;
    if (f->form == FORM_U8) {
        err = tlv_u8(t, out);
        value = *out;
    } else if (f->form == FORM_U32) {
        uint32_t v = 0;
        err = tlv_u32(t, &v);
        memcpy(out, &v, sizeof v);
        value = v;
    } else {
        err = tlv_u64(t, &value);
        memcpy(out, &value, sizeof value);
    }
    if (err != DOL_OK)
        return err;
    if (value == 0 && f->need == NEED_OPTIONAL)
        return DOL_ECORRUPT;
    bool bounded = f->form == FORM_U8 || f->form == FORM_U32;
    if (f->form != FORM_I64 && (value < f->min || (bounded && value > f->max)))
        return DOL_ECORRUPT;
    return DOL_OK;
}

static enum dol_err field_decode_bytes(const struct body_field *f, const struct tlv *t, struct bytes *out)
{
    if (f->form == FORM_META) {
        /* Repeated fields follow one another without a gap, as types ascend. */
        if (out->data == NULL)
            *out = bytes_of((const uint8_t *)t->value.data - TLV_HEADER_BYTES, 0);
        out->len += TLV_HEADER_BYTES + t->value.len;
        return out->len <= f->max ? DOL_OK : DOL_ECORRUPT;
    }
    if (t->value.len < f->min || t->value.len > f->max)
        return DOL_ECORRUPT;
    *out = t->value;
    return DOL_OK;
}

static enum dol_err field_decode_image(const struct body_field *f, const struct tlv *t, uint8_t *out)
{
    size_t len = f->max;
    if (f->form == FORM_RETENTION)
        len = RETENTION_BYTES;
    else if (f->form == FORM_ETAG)
        len = ETAG_BYTES;
    else if (f->form == FORM_CHECKSUM)
        len = CHECKSUM_BYTES;
    else if (f->form == FORM_PART)
        len = MANIFEST_PART_BYTES;
    if (t->value.len != len)
        return DOL_ECORRUPT;
    if ((f->need == NEED_OPTIONAL || f->min > 0) && image_is_zero(t->value))
        return DOL_ECORRUPT;
    switch ((enum body_form)f->form) {
    case FORM_RETENTION:
        return retention_decode(t->value.data, (struct retention *)(void *)out);
    case FORM_CHECKSUM:
        return checksum_decode(t->value.data, (struct object_checksum *)(void *)out);
    case FORM_PART:
        return manifest_part_decode(t->value.data, (struct manifest_part *)(void *)out);
    case FORM_ETAG:
        *(struct etag *)(void *)out = etag_decode(t->value.data);
        return DOL_OK;
    default:
        memcpy(out, t->value.data, len);
        return DOL_OK;
    }
}

static enum dol_err field_decode(const struct body_field *f, const struct tlv *t, void *body)
{
    uint8_t *out = (uint8_t *)body + f->offset;
    switch ((enum body_form)f->form) {
    case FORM_U8:
    case FORM_U32:
    case FORM_U64:
    case FORM_I64:
        return field_decode_int(f, t, out);
    case FORM_BYTES:
    case FORM_META:
        return field_decode_bytes(f, t, (struct bytes *)(void *)out);
    default:
        return field_decode_image(f, t, out);
    }
}

enum dol_err body_fields_decode(const struct body_field *fields, size_t count, struct bytes body, void *out)
{
    struct tlv_reader r;
    struct tlv t;
    enum dol_err err;
    size_t at = 0;          /* first field not yet passed */
    uint16_t last_type = 0; /* of the TLV before */
    bool met = false;       /* the field at `at` was there */
    tlv_reader_init(&r, body);
    while ((err = tlv_next(&r, &t)) == DOL_OK) {
        for (; at < count && fields[at].type < t.type; at++, met = false)
            if (!met && fields[at].need == NEED_ALWAYS)
                return DOL_ECORRUPT;
        if (t.type < last_type)
            return DOL_ECORRUPT;
        last_type = t.type;
        if (at == count || fields[at].type != t.type) {
            if ((t.flags & TLV_FLAG_CRITICAL) != 0)
                return DOL_EFORMAT;
            continue;
        }
        if ((met && fields[at].form != FORM_META) || t.flags != 0)
            return DOL_ECORRUPT;
        met = true;
        err = field_decode(&fields[at], &t, out);
        if (err != DOL_OK)
            return err;
    }
    if (err != DOL_ENOTFOUND)
        return err;
    for (; at < count; at++, met = false)
        if (!met && fields[at].need == NEED_ALWAYS)
            return DOL_ECORRUPT;
    return DOL_OK;
}
