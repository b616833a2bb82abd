/* Deleting with the key's gate held: what a request comes to, and what lifecycle rules do. */
#ifndef DOL_DELETE_H
#define DOL_DELETE_H

#include "store_impl.h"

/* [await] req->version (NULL: the newest) goes for good, if retention_allows() it. */
DOL_MUST_CHECK enum dol_err delete_version_gated(struct store *s, const struct bucket_ref *bucket,
                                                 const struct delete_request *req, struct delete_result *out);
/* [await] A delete without a version: a delete marker where versions are kept, else the object goes. */
DOL_MUST_CHECK enum dol_err delete_current_gated(struct store *s, const struct bucket_ref *bucket,
                                                 const struct delete_request *req, struct delete_result *out);

#endif
