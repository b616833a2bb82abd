/* Inside the store library: uploads, shared by upload.c, part.c, complete*.c. */
#ifndef DOL_UPLOAD_IMPL_H
#define DOL_UPLOAD_IMPL_H

#include "store_impl.h"

/* An upload's record, copied out of the index: the caller frees *memory. ENOUPLOAD. */
DOL_MUST_CHECK enum dol_err upload_load(struct store *s, uint64_t bucket, struct bytes key, const struct upload_id *id,
                                        struct upload_body *out, void **memory);
/* ENOUPLOAD. */
DOL_MUST_CHECK enum dol_err upload_exists(struct store *s, uint64_t bucket, struct bytes key,
                                          const struct upload_id *id);
/* The upload's parts with numbers above `after`, as index_part_each(); ENOUPLOAD. */
DOL_MUST_CHECK enum dol_err upload_part_each(struct store *s, uint64_t bucket, const struct upload_ref *ref,
                                             uint32_t after, index_part_fn *fn, void *arg);
/* The end of an upload as a record; body has UPLOAD_END_BODY_BYTES_MAX bytes and is borrowed by the record. */
#define UPLOAD_END_BODY_BYTES_MAX (OBJECT_KEY_BYTES_MAX + 128u)
enum upload_outcome { UPLOAD_ABORTED = 0, UPLOAD_COMPLETED = 1 };
void upload_end_record(uint64_t bucket, struct bytes key, const struct upload_id *id, enum upload_outcome outcome,
                       uint8_t *body, struct append_record *out);

/* ECORRUPT, EFORMAT of the template. */
DOL_MUST_CHECK enum dol_err upload_info_fill(const struct upload_body *u, struct upload_info *out);
void part_info_fill(const struct upload_part_body *b, struct part_info *out);

#endif
