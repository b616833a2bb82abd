/* Listing: one index view per page, key by key in byte order, folding common prefixes by seeking past them. */
#include <stdlib.h>

#include "dol_assert.h"
#include "list_fold.h"
#include "store_impl.h"

enum dol_err list_view_begin(struct store *s, struct bytes bucket, struct bytes prefix, struct bytes after,
                             struct bucket_ref *ref, struct index_view **view)
{
    *view = NULL;
    enum dol_err err = store_bucket_ref(s, bucket, ref);
    if (err == DOL_OK && after.len > OBJECT_KEY_BYTES_MAX)
        err = DOL_EINVAL;
    return err == DOL_OK && prefix.len <= OBJECT_KEY_BYTES_MAX ? index_view_begin(s->index, view) : err;
}

struct lister {
    const struct list_request *req;
    struct list_scope scope;
    struct index_view *view;
    struct bucket_ref bucket;
    struct list_position at;
};

/* Next current object at or behind l->at that has the prefix. */
static enum dol_err next_object(struct lister *l, uint8_t *key, size_t *key_len, struct manifest *m)
{
    struct index_object o;
    for (;;) {
        if (l->at.at_end)
            return DOL_ENOTFOUND;
        enum dol_err err =
            index_object_next(l->view, l->bucket.id, list_position_key(&l->at), l->at.inclusive, key, key_len, &o);
        if (err != DOL_OK)
            return err;
        struct bytes k = bytes_of(key, *key_len);
        if (!list_has_prefix(k, l->scope.prefix))
            return DOL_ENOTFOUND;
        err = manifest_decode(o.body, m);
        if (err != DOL_OK)
            return err;
        if (!(m->flags & MANIFEST_DELETE_MARKER))
            return DOL_OK;
        list_seek(&l->at, k, false);
    }
}

static enum dol_err list_page(struct lister *l, object_list_fn *fn, void *arg, bool *truncated, uint8_t *last,
                              size_t *last_len)
{
    uint8_t key[OBJECT_KEY_BYTES_MAX];
    size_t key_len;
    struct manifest m;
    enum dol_err err;
    unsigned given = 0;

    list_start(&l->at, &l->scope, l->req->after);
    while ((err = next_object(l, key, &key_len, &m)) == DOL_OK) {
        size_t fold = list_fold_length(&l->scope, bytes_of(key, key_len));
        struct object_info info;
        struct bytes entry = bytes_of(key, fold ? fold : key_len);
        if (fold == 0)
            store_object_info_fill(&m, l->bucket.versioning, &info);
        if (given == l->req->max_entries || !fn(arg, entry, fold ? NULL : &info)) {
            *truncated = true;
            return DOL_OK;
        }
        given++;
        memcpy(last, key, entry.len);
        *last_len = entry.len;
        if (fold)
            list_seek_past(&l->at, entry);
        else
            list_seek(&l->at, entry, false);
    }
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum dol_err store_object_list(struct store *s, const struct list_request *req, object_list_fn *fn, void *arg,
                               bool *truncated, uint8_t *last, size_t *last_len)
{
    struct lister l = {.req = req, .scope = {req->prefix, req->delimiter}};
    *truncated = false;
    *last_len = 0;
    enum dol_err err = list_view_begin(s, req->bucket, req->prefix, req->after, &l.bucket, &l.view);
    if (err != DOL_OK || l.view == NULL)
        return err;
    err = list_page(&l, fn, arg, truncated, last, last_len);
    index_view_end(l.view);
    return err;
}
