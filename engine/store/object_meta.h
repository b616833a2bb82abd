/* What may change about a version that exists: tags, retention, legal hold. The one way in which they do. */
#ifndef DOL_OBJECT_META_H
#define DOL_OBJECT_META_H

#include "store_impl.h"

struct meta_target {
    struct bytes bucket;
    struct bytes key;
    const struct version_id *version; /* as of store_object_open() */
};

/* With the gate held: changes body, which has the version's state, or says why not. */
typedef enum dol_err meta_change_fn(struct store *s, const struct bucket_ref *bucket, struct object_meta_body *body,
                                    void *arg);
/* [await] *out: what the version is called. ENOBUCKET, ENOVERSION, ENOTFOUND (or a delete marker), ETOOLARGE, what
 * change said. */
DOL_MUST_CHECK enum dol_err object_meta_change(struct store *s, const struct meta_target *target,
                                               meta_change_fn *change, void *arg, struct tag_result *out);

#endif
