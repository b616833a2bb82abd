/* Tags of a version. Retention has no say in them. */
#include <stdlib.h>

#include "object_meta.h"
#include "request.h"

static enum dol_err change_tags(struct store *s, const struct bucket_ref *bucket, struct object_meta_body *body,
                                void *arg)
{
    (void)s;
    (void)bucket;
    const struct bytes *tags = arg;
    body->tags = *tags;
    return DOL_OK;
}

enum dol_err store_object_set_tags(struct store *s, const struct tag_request *req, struct tag_result *out)
{
    const struct meta_target target = {req->bucket, req->key, req->version};
    struct bytes tags = {NULL, 0};
    memset(out, 0, sizeof *out);
    uint8_t *memory = malloc(tags_bytes_max(req->tags, req->tag_count) + 1);
    if (memory == NULL)
        return DOL_ENOMEM;
    uint8_t *at = memory;
    enum dol_err err = tags_copy(req->tags, req->tag_count, &at, &tags);
    if (err == DOL_OK)
        err = object_meta_change(s, &target, change_tags, &tags, out);
    free(memory);
    return err;
}
