/* Listing versions, in order of key and then newest first, delete markers among them. One index view per page. */
#include "list_fold.h"
#include "store_impl.h"
#include "version.h"

struct version_lister {
    const struct version_list_request *req;
    struct list_scope scope;
    struct index_view *view;
    struct bucket_ref bucket;
    struct list_position at;
    bool behind_version; /* at.key: its versions behind `version` count */
    struct version_id version;
};

/* A page that begins within a key. The null version is asked for by that name: its id says where it lies. */
static enum dol_err start(struct version_lister *l)
{
    const struct version_list_request *req = l->req;
    l->behind_version =
        req->after_version != NULL && req->after_key.len > 0 && bytes_compare(req->after_key, req->prefix) >= 0;
    if (!l->behind_version) {
        list_start(&l->at, &l->scope, req->after_key);
        return DOL_OK;
    }
    list_seek(&l->at, req->after_key, false);
    l->version = *req->after_version;
    if (!version_id_equal(&l->version, &version_id_null))
        return DOL_OK;
    struct index_object o;
    struct manifest m;
    enum dol_err err = view_null_version(l->view, l->bucket.id, req->after_key, &o);
    if (err == DOL_OK)
        err = manifest_decode(o.body, &m);
    if (err == DOL_OK)
        l->version = m.version;
    else
        l->behind_version = false; /* deleted meanwhile: on with the next key */
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

static enum dol_err next(struct version_lister *l, struct manifest *m)
{
    struct index_object o;
    const struct index_version_position after = {.key = list_position_key(&l->at),
                                                 .inclusive = l->at.inclusive,
                                                 .version = l->behind_version ? &l->version : NULL};
    if (l->at.at_end)
        return DOL_ENOTFOUND;
    enum dol_err err = index_version_next(l->view, l->bucket.id, &after, &o);
    if (err == DOL_OK)
        err = manifest_decode(o.body, m);
    if (err == DOL_OK && !list_has_prefix(m->key, l->scope.prefix))
        err = DOL_ENOTFOUND;
    return err;
}

static void step(struct version_lister *l, const struct manifest *m, size_t fold)
{
    l->behind_version = fold == 0;
    if (fold != 0) {
        list_seek_past(&l->at, bytes_of(m->key.data, fold));
    } else {
        list_seek(&l->at, m->key, false);
        l->version = m->version;
    }
}

/* A key's first entry is its newest version, unless the page begins within the key: then the index is asked, as those
 * before it may be gone. */
static enum dol_err is_newest(const struct version_lister *l, const struct manifest *m, bool first, bool *newest)
{
    struct index_object o;
    struct manifest found;
    bool within = l->behind_version && bytes_equal(m->key, list_position_key(&l->at));
    *newest = !within;
    if (!within || !first)
        return DOL_OK;
    enum dol_err err = index_object_get(l->view, l->bucket.id, m->key, NULL, &o);
    if (err == DOL_OK)
        err = manifest_decode(o.body, &found);
    *newest = err == DOL_OK && version_id_equal(&found.version, &m->version);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

static enum dol_err list_page(struct version_lister *l, version_list_fn *fn, void *arg, bool *truncated)
{
    struct manifest m;
    struct object_info info;
    unsigned given = 0;
    enum dol_err err = start(l);
    while (err == DOL_OK && (err = next(l, &m)) == DOL_OK) {
        bool newest = false;
        size_t fold = list_fold_length(&l->scope, m.key);
        struct bytes entry = bytes_of(m.key.data, fold ? fold : m.key.len);
        if (fold == 0) {
            store_object_info_fill(&m, l->bucket.versioning, &info);
            if ((err = is_newest(l, &m, given == 0, &newest)) != DOL_OK)
                return err;
        }
        if (given == l->req->max_entries || !fn(arg, entry, fold ? NULL : &info, newest)) {
            *truncated = true;
            return DOL_OK;
        }
        given++;
        step(l, &m, fold);
    }
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

enum dol_err store_version_list(struct store *s, const struct version_list_request *req, version_list_fn *fn, void *arg,
                                bool *truncated)
{
    struct version_lister l = {.req = req, .scope = {req->prefix, req->delimiter}};
    *truncated = false;
    enum dol_err err = list_view_begin(s, req->bucket, req->prefix, req->after_key, &l.bucket, &l.view);
    if (err != DOL_OK || l.view == NULL)
        return err;
    err = list_page(&l, fn, arg, truncated);
    index_view_end(l.view);
    return err;
}
