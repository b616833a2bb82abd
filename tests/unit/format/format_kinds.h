/* All kinds of bodies but chunks and directories, behind one set of functions, so that tests can walk over them alike.
 */
#ifndef DOL_TEST_FORMAT_KINDS_H
#define DOL_TEST_FORMAT_KINDS_H

#include "format_samples.h"

enum {
    KIND_CHUNK_LIST,
    KIND_MANIFEST,
    KIND_DELETE,
    KIND_OBJECT_META,
    KIND_BUCKET,
    KIND_BUCKET_DELETE,
    KIND_UPLOAD,
    KIND_UPLOAD_PART,
    KIND_UPLOAD_END,
    KIND_END,
    KIND_FREED,
    KIND_DEBT,
    KIND_MOVED,
    KIND_SETTING,
    KIND_COUNT
};

union any_body {
    struct chunk_list_body chunk_list;
    struct manifest manifest;
    struct delete_body delete_body;
    struct object_meta_body object_meta;
    struct bucket_body bucket;
    struct bucket_delete_body bucket_delete;
    struct upload_body upload;
    struct upload_part_body upload_part;
    struct upload_end_body upload_end;
    struct end_body end;
    struct freed_body freed;
    struct debt_body debt;
    struct moved_body moved;
    struct setting_body setting;
};

/* Random content; its bytes lie in `space`. */
typedef void format_sample_fn(struct sample_rng *rng, struct sample_space *space, union any_body *b);
typedef void format_encode_fn(const union any_body *b, struct tlv_writer *w);
typedef enum dol_err format_decode_fn(struct bytes body, union any_body *out);

struct format_kind {
    format_sample_fn *sample;
    format_encode_fn *encode;
    format_decode_fn *decode;
};
extern const struct format_kind format_kinds[KIND_COUNT];

#define BODY_BYTES_ROOM (1u << 20)
extern uint8_t body_image[BODY_BYTES_ROOM];
extern uint8_t body_again[BODY_BYTES_ROOM];
extern struct sample_space sample_space;

/* Encodes valid content into out (BODY_BYTES_ROOM); its length. */
size_t body_encode(size_t kind, const union any_body *b, uint8_t *out);
/* Random content into *b, encoded into body_image. */
size_t body_sample(size_t kind, struct sample_rng *rng, union any_body *b);
/* Decodes from memory of exactly that size. */
enum dol_err body_decode_exact(size_t kind, const uint8_t *image, size_t len);

#endif
