/* Listing uploads, in order of key and then creation, and the parts of one. One index view per page. */
#include "list_fold.h"
#include "upload_impl.h"

/* ---- uploads ---- */

struct upload_lister {
    const struct upload_list_request *req;
    struct list_scope scope;
    struct index_view *view;
    struct bucket_ref bucket;
    struct list_position at;
    bool behind_id; /* at.key: its uploads behind `id` count */
    struct upload_id id;
};

static void start(struct upload_lister *l)
{
    const struct upload_list_request *req = l->req;
    l->behind_id = req->after_id != NULL && req->after_key.len > 0 && bytes_compare(req->after_key, req->prefix) >= 0;
    if (!l->behind_id) {
        list_start(&l->at, &l->scope, req->after_key);
        return;
    }
    list_seek(&l->at, req->after_key, false);
    l->id = *req->after_id;
}

/* The next upload of the scope. */
static enum dol_err next(struct upload_lister *l, struct upload_body *u)
{
    struct index_object o;
    const struct index_upload_position after = {
        .key = list_position_key(&l->at), .inclusive = l->at.inclusive, .id = l->behind_id ? l->id.b : NULL};
    if (l->at.at_end)
        return DOL_ENOTFOUND;
    enum dol_err err = index_upload_next(l->view, l->bucket.id, &after, &o);
    if (err == DOL_OK)
        err = upload_body_decode(o.body, u);
    if (err == DOL_OK && !list_has_prefix(u->key, l->scope.prefix))
        err = DOL_ENOTFOUND;
    return err;
}

static void step(struct upload_lister *l, const struct upload_body *u, size_t fold)
{
    l->behind_id = fold == 0;
    if (fold != 0) {
        list_seek_past(&l->at, bytes_of(u->key.data, fold));
    } else {
        list_seek(&l->at, u->key, false);
        memcpy(l->id.b, u->upload_id, sizeof l->id.b);
    }
}

static enum dol_err list_page(struct upload_lister *l, upload_list_fn *fn, void *arg, bool *truncated)
{
    struct upload_body u;
    struct upload_info info;
    enum dol_err err;
    unsigned given = 0;
    start(l);
    while ((err = next(l, &u)) == DOL_OK) {
        size_t fold = list_fold_length(&l->scope, u.key);
        if (fold == 0 && (err = upload_info_fill(&u, &info)) != DOL_OK)
            return err;
        struct bytes entry = bytes_of(u.key.data, fold ? fold : u.key.len);
        if (given == l->req->max_entries || !fn(arg, entry, fold ? NULL : &info)) {
            *truncated = true;
            return DOL_OK;
        }
        given++;
        step(l, &u, fold);
    }
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum dol_err store_upload_list(struct store *s, const struct upload_list_request *req, upload_list_fn *fn, void *arg,
                               bool *truncated)
{
    struct upload_lister l = {.req = req, .scope = {req->prefix, req->delimiter}};
    *truncated = false;
    enum dol_err err = list_view_begin(s, req->bucket, req->prefix, req->after_key, &l.bucket, &l.view);
    if (err != DOL_OK || l.view == NULL)
        return err;
    err = list_page(&l, fn, arg, truncated);
    index_view_end(l.view);
    return err;
}

/* ---- parts ---- */

struct part_lister {
    part_list_fn *fn;
    void *arg;
    enum dol_err err;
};

static bool give_part(void *arg, const struct index_part *part)
{
    struct part_lister *l = arg;
    struct upload_part_body b;
    struct part_info info;
    l->err = upload_part_decode(part->body, &b);
    if (l->err != DOL_OK)
        return false;
    part_info_fill(&b, &info);
    return l->fn(l->arg, &info);
}

enum dol_err store_part_list(struct store *s, const struct upload_ref *ref, uint32_t after, part_list_fn *fn, void *arg)
{
    struct part_lister l = {.fn = fn, .arg = arg};
    uint64_t bucket;
    enum dol_err err = store_bucket_id(s, ref->bucket, &bucket);
    if (err == DOL_OK)
        err = upload_part_each(s, bucket, ref, after, give_part, &l);
    return err == DOL_OK ? l.err : err;
}
