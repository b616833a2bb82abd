/*
 * Table-driven bodies: each kind lists its fields in ascending order of type, with form, need and limits; one encoder
 * and one decoder walk the table. What goes beyond a single field (sums, either-or) is checked by the kind itself.
 * Private to this folder.
 *
 * One content has one encoding: fields are in ascending order, an optional field that is zero or absent is left out,
 * and a decoder refuses an optional field that is there but zero.
 */
#ifndef DOL_BODY_FIELD_H
#define DOL_BODY_FIELD_H

#include "body.h"

enum body_form {
    FORM_U8,  /* min .. max */
    FORM_U32, /* min .. max */
    FORM_U64, /* min .. any */
    FORM_I64,
    FORM_RAW,       /* uint8_t[max] in the struct; min 1: not all zero */
    FORM_BYTES,     /* struct bytes; min .. max bytes */
    FORM_META,      /* struct bytes: the TLVs of this repeatable type, headers included, at most max bytes */
    FORM_RETENTION, /* struct retention */
    FORM_ETAG,      /* struct etag */
    FORM_CHECKSUM,  /* struct object_checksum */
    FORM_PART       /* struct manifest_part */
};
enum body_need { NEED_ALWAYS, NEED_OPTIONAL };

struct body_field {
    uint16_t type;
    uint8_t form;    /* enum body_form */
    uint8_t need;    /* enum body_need */
    uint32_t offset; /* in the decoded struct */
    uint32_t min;
    uint32_t max;
};

#define BODY_FIELD(type_, form_, need_, struct_, member_, min_, max_)                                                  \
    {                                                                                                                  \
        .type = (type_), .form = (form_), .need = (need_), .offset = offsetof(struct struct_, member_), .min = (min_), \
        .max = (max_)                                                                                                  \
    }

/* Sets w->overflow for a value outside its limits, too. */
void body_fields_encode(const struct body_field *fields, size_t count, const void *in, struct tlv_writer *w);
/* `out` was cleared by the caller. ECORRUPT, EFORMAT as body.h says. */
DOL_MUST_CHECK enum dol_err body_fields_decode(const struct body_field *fields, size_t count, struct bytes body,
                                               void *out);

#define BODY_FIELDS_ENCODE(fields, in, w) body_fields_encode(fields, sizeof(fields) / sizeof((fields)[0]), in, w)
#define BODY_FIELDS_DECODE(fields, body, out)                                                                          \
    body_fields_decode(fields, sizeof(fields) / sizeof((fields)[0]), body, out)

/* ---- pieces that several kinds share (body_shared.c) ---- */

#define RETENTION_BYTES 16u
#define ETAG_BYTES      20u
#define CHECKSUM_BYTES  36u

void retention_encode(const struct retention *r, uint8_t out[RETENTION_BYTES]);
DOL_MUST_CHECK enum dol_err retention_decode(const uint8_t in[RETENTION_BYTES], struct retention *out);
void etag_encode(const struct etag *e, uint8_t out[ETAG_BYTES]);
struct etag etag_decode(const uint8_t in[ETAG_BYTES]);
void checksum_encode(const struct object_checksum *c, uint8_t out[CHECKSUM_BYTES]);
DOL_MUST_CHECK enum dol_err checksum_decode(const uint8_t in[CHECKSUM_BYTES], struct object_checksum *out);

bool retention_is_valid(const struct retention *r);
bool checksum_is_valid(const struct object_checksum *c);
bool part_is_valid(const struct manifest_part *p);
bool tags_are_valid(struct bytes tags);
bool metadata_is_valid(struct bytes metadata);
/* Array of chunk references, each possible; *total is the sum of their lengths. */
bool chunk_refs_are_valid(struct bytes refs, uint32_t count_max, uint64_t *total);
/* At most one of the two, and it adds up to size; neither for size 0. */
bool refs_make_size(struct bytes chunk_refs, struct bytes list_refs, uint64_t size);

#endif
