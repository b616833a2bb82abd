/* What a client said about an object to come, copied: it outlives the call that brought it. */
#ifndef DOL_REQUEST_H
#define DOL_REQUEST_H

#include "store_impl.h"

#define REQUEST_METADATA_BYTES_MAX (64u << 10)

struct request {
    uint8_t *memory; /* owned: all that follows points into it */
    struct bytes bucket_name, key, owner, headers[HEADER_COUNT], metadata;
    struct bytes tags; /* as manifests have them */
    uint8_t storage_class;
    struct retention retention;
    struct condition condition;
};

/* EINVAL: a key of an impossible length. ETOOLARGE, ENOMEM. On error nothing is kept. */
DOL_MUST_CHECK enum dol_err request_copy(const struct put_request *req, struct request *out);
void request_free(struct request *r);
/* Tags as manifests have them, at *at, which goes on behind them: tags_bytes_max() at most. ETOOLARGE: a name or value
 * whose length can't be written; what else tags must be, the encoders of records say. */
size_t tags_bytes_max(const struct metadata_pair *tags, unsigned count);
DOL_MUST_CHECK enum dol_err tags_copy(const struct metadata_pair *tags, unsigned count, uint8_t **at,
                                      struct bytes *out);
/* The first of tags, which *pos becomes the rest of; false: there is none. */
bool tags_next(struct bytes *pos, struct metadata_pair *out);
/* Everything that doesn't depend on the bytes; m borrows from r. */
void request_describe(const struct request *r, struct manifest *m);

#endif
