/* Listing: one index view per page, key by key in byte order, folding common prefixes by seeking past them. */
#include <stdlib.h>

#include "dol_assert.h"
#include "store_impl.h"

struct lister {
    const struct list_request *req;
    struct index_view *view;
    uint64_t bucket;
    uint8_t from[OBJECT_KEY_BYTES_MAX + 1];
    size_t from_len;
    bool inclusive;
    bool at_end; /* nothing sorts behind */
};

static void seek(struct lister *l, struct bytes key, bool inclusive)
{
    if (key.len > 0)
        memcpy(l->from, key.data, key.len);
    l->from_len = key.len;
    l->inclusive = inclusive;
}

/* The first key that doesn't begin with `prefix` and sorts behind all that do; false when there is none. */
static bool seek_past_prefix(struct lister *l, struct bytes prefix)
{
    seek(l, prefix, true);
    while (l->from_len > 0 && l->from[l->from_len - 1] == 0xff)
        l->from_len--;
    if (l->from_len == 0)
        return false;
    l->from[l->from_len - 1]++;
    return true;
}

static bool has_prefix(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

/* Length of the common prefix that `key` folds into, or 0. */
static size_t fold_length(const struct list_request *req, struct bytes key)
{
    if (req->delimiter.len == 0)
        return 0;
    const uint8_t *start = (const uint8_t *)key.data + req->prefix.len;
    size_t rest = key.len - req->prefix.len;
    const uint8_t *hit = memmem(start, rest, req->delimiter.data, req->delimiter.len);
    return hit ? (size_t)(hit - (const uint8_t *)key.data) + req->delimiter.len : 0;
}

static bool start(struct lister *l)
{
    const struct list_request *req = l->req;
    if (req->after.len == 0 || bytes_compare(req->after, req->prefix) < 0) {
        seek(l, req->prefix, true);
        return true;
    }
    if (has_prefix(req->after, req->prefix) && fold_length(req, req->after) == req->after.len)
        return seek_past_prefix(l, req->after);
    seek(l, req->after, false);
    return true;
}

/* Next current object at or behind l->from that has the prefix. */
static enum dol_err next_object(struct lister *l, uint8_t *key, size_t *key_len, struct manifest *m)
{
    struct index_object o;
    for (;;) {
        if (l->at_end)
            return DOL_ENOTFOUND;
        enum dol_err err =
            index_object_next(l->view, l->bucket, bytes_of(l->from, l->from_len), l->inclusive, key, key_len, &o);
        if (err != DOL_OK)
            return err;
        struct bytes k = bytes_of(key, *key_len);
        if (!has_prefix(k, l->req->prefix))
            return DOL_ENOTFOUND;
        err = manifest_decode(o.body, m);
        if (err != DOL_OK)
            return err;
        if (!(m->flags & MANIFEST_DELETE_MARKER))
            return DOL_OK;
        seek(l, k, false);
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

    l->at_end = !start(l);
    while ((err = next_object(l, key, &key_len, &m)) == DOL_OK) {
        size_t fold = fold_length(l->req, bytes_of(key, key_len));
        struct object_info info;
        struct bytes entry = bytes_of(key, fold ? fold : key_len);
        if (fold == 0)
            store_object_info_fill(&m, &info);
        if (given == l->req->max_entries || !fn(arg, entry, fold ? NULL : &info)) {
            *truncated = true;
            return DOL_OK;
        }
        given++;
        memcpy(last, key, entry.len);
        *last_len = entry.len;
        if (fold)
            l->at_end = !seek_past_prefix(l, entry);
        else
            seek(l, entry, false);
    }
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum dol_err store_object_list(struct store *s, const struct list_request *req, object_list_fn *fn, void *arg,
                               bool *truncated, uint8_t *last, size_t *last_len)
{
    struct lister l = {.req = req};
    *truncated = false;
    *last_len = 0;
    enum dol_err err = store_bucket_id(s, req->bucket, &l.bucket);
    if (err == DOL_OK && req->after.len > OBJECT_KEY_BYTES_MAX)
        err = DOL_EINVAL;
    if (err == DOL_OK && req->prefix.len > OBJECT_KEY_BYTES_MAX)
        return DOL_OK; /* no key is that long */
    if (err == DOL_OK)
        err = index_view_begin(s->index, &l.view);
    if (err != DOL_OK)
        return err;
    err = list_page(&l, fn, arg, truncated, last, last_len);
    index_view_end(l.view);
    return err;
}
