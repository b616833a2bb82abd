/*
 * TLV: le16 type, le16 flags, le32 length, value; back to back, no padding. Types are unique per record kind and never
 * reused. A reader skips an unknown type unless TLV_FLAG_CRITICAL is set: then it refuses the record (EFORMAT). A type
 * may repeat only where the kind says so. Encoders write types in ascending order, so one content has one encoding.
 */
#ifndef DOL_TLV_H
#define DOL_TLV_H

#include "format.h"

#define TLV_HEADER_BYTES  8u
#define TLV_FLAG_CRITICAL 1u

struct tlv_writer {
    uint8_t *buf;
    size_t capacity;
    size_t len;
    bool overflow; /* set once something did not fit; len then says what would have been needed */
};

void tlv_writer_init(struct tlv_writer *w, void *buf, size_t capacity);
void tlv_put(struct tlv_writer *w, uint16_t type, uint16_t flags, const void *value, size_t len);
void tlv_put_u8(struct tlv_writer *w, uint16_t type, uint8_t value);
void tlv_put_u32(struct tlv_writer *w, uint16_t type, uint32_t value);
void tlv_put_u64(struct tlv_writer *w, uint16_t type, uint64_t value);
void tlv_put_i64(struct tlv_writer *w, uint16_t type, int64_t value);
/* Reserves a value of `len` bytes for the caller to fill; NULL on overflow. */
uint8_t *tlv_reserve(struct tlv_writer *w, uint16_t type, uint16_t flags, size_t len);

/* Appends TLVs that are encoded already. */
void tlv_append(struct tlv_writer *w, struct bytes tlvs);

struct tlv {
    uint16_t type;
    uint16_t flags;
    struct bytes value;
};

struct tlv_reader {
    const uint8_t *pos;
    const uint8_t *end;
};

void tlv_reader_init(struct tlv_reader *r, struct bytes body);
/* ENOTFOUND at the end; ECORRUPT when a length leaves the body. */
DOL_MUST_CHECK enum dol_err tlv_next(struct tlv_reader *r, struct tlv *out);
/* ECORRUPT unless the value has exactly the integer's size. */
DOL_MUST_CHECK enum dol_err tlv_u8(const struct tlv *t, uint8_t *out);
DOL_MUST_CHECK enum dol_err tlv_u32(const struct tlv *t, uint32_t *out);
DOL_MUST_CHECK enum dol_err tlv_u64(const struct tlv *t, uint64_t *out);
DOL_MUST_CHECK enum dol_err tlv_i64(const struct tlv *t, int64_t *out);

#endif
