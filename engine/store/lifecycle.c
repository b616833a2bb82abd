/*
 * Lifecycle rules carried out, a step at a time: a page of versions or uploads is looked through in one view, then each
 * key that has something due is gone through with its gate held, and judged again. Deletes are those of requests, so
 * retention is asked by the same predicate; nobody here has the right to pass over it.
 */
#include <dolmen/lifecycle.h>

#include <stdlib.h>

#include "delete.h"
#include "request.h"

#define PAGE_VERSIONS 1000u /* looked at in one view */
#define PAGE_KEYS     64u   /* with something due, or uploads, of one step */

/* ---- walking through versions ---- */

/* The next version to be looked at, and what the one before says of it. */
struct walk {
    uint64_t bucket;
    uint8_t key[OBJECT_KEY_BYTES_MAX];
    size_t key_len;
    bool only_key;             /* ends with the key */
    bool inclusive;            /* the key's newest version comes next */
    bool within;               /* behind `version` of the key */
    struct version_id version; /* last seen */
    int64_t superseded_ns;     /* its time */
    unsigned newer;            /* noncurrent ones seen that stay */
};

static struct bytes walk_key(const struct walk *w)
{
    return bytes_of(w->key, w->key_len);
}

static enum dol_err walk_read(struct index_view *view, const struct walk *w, struct manifest *m)
{
    struct index_object o;
    const struct index_version_position at = {
        .key = walk_key(w), .inclusive = w->inclusive, .version = w->within ? &w->version : NULL};
    enum dol_err err = index_version_next(view, w->bucket, &at, &o);
    return err == DOL_OK ? manifest_decode(o.body, m) : err;
}

static bool is_alone(struct index_view *view, const struct walk *w)
{
    struct manifest next;
    return walk_read(view, w, &next) == DOL_ENOTFOUND || !bytes_equal(next.key, walk_key(w));
}

/* v borrows from the walk and the view, and from tags, which has room for MANIFEST_TAGS_MAX. ENOTFOUND at the end. */
static enum dol_err walk_next(struct index_view *view, struct walk *w, struct metadata_pair *tags,
                              struct lifecycle_version *v, struct version_id *id)
{
    struct manifest m;
    enum dol_err err = walk_read(view, w, &m);
    if (err != DOL_OK)
        return err;
    bool same_key = bytes_equal(m.key, walk_key(w));
    if (w->only_key && !same_key)
        return DOL_ENOTFOUND;
    bool current = !w->within || !same_key;
    *id = m.version;
    memcpy(w->key, m.key.data, m.key.len); /* the next look into the view may end what m borrows */
    w->key_len = m.key.len;
    *v = (struct lifecycle_version){.key = walk_key(w),
                                    .size = m.size,
                                    .tags = tags,
                                    .delete_marker = (m.flags & MANIFEST_DELETE_MARKER) != 0,
                                    .current = current,
                                    .mtime_ns = m.mtime_ns,
                                    .superseded_ns = w->superseded_ns,
                                    .newer = current ? 0 : w->newer};
    for (struct bytes pos = m.tags; v->tag_count < MANIFEST_TAGS_MAX && tags_next(&pos, &tags[v->tag_count]);)
        v->tag_count++;
    w->inclusive = false;
    w->within = true;
    w->version = m.version;
    w->superseded_ns = m.mtime_ns;
    if (current)
        w->newer = 0;
    v->alone = current && v->delete_marker && is_alone(view, w);
    return DOL_OK;
}

/* What was judged stays or goes: those that stay count for the older ones. */
static void walk_judged(struct walk *w, const struct lifecycle_version *v, enum lifecycle_act act)
{
    w->newer += !v->current && act != LIFECYCLE_REMOVE;
}

/* ---- one key, with its gate held ---- */

struct due {
    struct version_id id;
    enum lifecycle_act act;
};

/* The next versions of the key that are due. *at_end: no more. */
static enum dol_err collect_due(struct store *s, const struct lifecycle *l, struct walk *w, struct due *due,
                                unsigned *count, bool *at_end)
{
    struct metadata_pair tags[MANIFEST_TAGS_MAX];
    struct index_view *view;
    struct lifecycle_version v;
    struct version_id id;
    *count = 0;
    enum dol_err err = index_view_begin(s->index, &view);
    for (unsigned seen = 0; err == DOL_OK && seen < PAGE_VERSIONS && *count < PAGE_KEYS; seen++) {
        err = walk_next(view, w, tags, &v, &id);
        if (err != DOL_OK)
            break;
        enum lifecycle_act act = lifecycle_act_of(l, &v);
        walk_judged(w, &v, act);
        if (act != LIFECYCLE_KEEP)
            due[(*count)++] = (struct due){id, act};
    }
    if (view != NULL)
        index_view_end(view);
    *at_end = err == DOL_ENOTFOUND;
    return *at_end ? DOL_OK : err;
}

static void end_version(struct store *s, const struct bucket_ref *bucket, struct bytes name, struct bytes owner,
                        struct bytes key, const struct due *due)
{
    struct delete_result result;
    struct delete_request req = {.bucket = name, .key = key, .owner = owner};
    bool remove = due->act == LIFECYCLE_REMOVE;
    if (remove)
        req.version = &due->id;
    enum dol_err err =
        remove ? delete_version_gated(s, bucket, &req, &result) : delete_current_gated(s, bucket, &req, &result);
    if (err == DOL_OK)
        atomic_fetch_add(remove ? &s->stats.lifecycle_removed : &s->stats.lifecycle_expired, 1);
    else
        atomic_fetch_add(err == DOL_ERETAINED ? &s->stats.lifecycle_retained : &s->stats.lifecycle_failed, 1);
}

static enum dol_err end_key_gated(struct store *s, const struct lifecycle *l, const struct bucket_info *info,
                                  struct bytes key)
{
    struct bucket_ref bucket;
    struct due due[PAGE_KEYS];
    bool at_end = false;
    struct bytes name = bytes_of(info->name, strlen(info->name));
    struct walk *w = calloc(1, sizeof *w);
    enum dol_err err = w != NULL ? store_bucket_ref(s, name, &bucket) : DOL_ENOMEM;
    if (err == DOL_OK && bucket.id != info->id)
        err = DOL_ENOBUCKET;
    if (err == DOL_OK) {
        *w = (struct walk){.bucket = info->id, .key_len = key.len, .only_key = true, .inclusive = true};
        memcpy(w->key, key.data, key.len);
    }
    while (err == DOL_OK && !at_end) {
        unsigned count;
        err = collect_due(s, l, w, due, &count, &at_end);
        for (unsigned i = 0; err == DOL_OK && i < count; i++)
            end_version(s, &bucket, name, bytes_of(info->owner, strlen(info->owner)), key, &due[i]);
    }
    free(w);
    return err;
}

static enum dol_err end_key(struct store *s, const struct lifecycle *l, const struct bucket_info *info,
                            struct bytes key)
{
    struct gate_hold gate;
    enum dol_err err = gates_enter_key(s->gates, info->id, key, &gate);
    if (err != DOL_OK)
        return err;
    err = end_key_gated(s, l, info, key);
    gates_leave(s->gates, &gate);
    return err;
}

/* ---- a page of versions ---- */

struct page {
    struct {
        uint8_t key[OBJECT_KEY_BYTES_MAX];
        size_t key_len;
        struct upload_id upload;
    } due[PAGE_KEYS];
    unsigned count;
    unsigned seen;
    const struct lifecycle *lifecycle;
    struct lifecycle_cursor *cursor;
};

static void cursor_set(struct lifecycle_cursor *c, struct bytes key)
{
    memcpy(c->key, key.data, key.len);
    c->key_len = key.len;
}

static void page_add(struct page *p, struct bytes key)
{
    memcpy(p->due[p->count].key, key.data, key.len);
    p->due[p->count].key_len = key.len;
    p->count++;
}

/* A key counts once, with the first of its versions that is due; the rest of them is passed over. A page ends with a
 * key, so it is longer than others when a key has that many versions. */
static enum dol_err page_versions(struct store *s, uint64_t bucket, struct page *p, struct walk *w)
{
    struct metadata_pair tags[MANIFEST_TAGS_MAX];
    struct index_view *view;
    struct lifecycle_version v;
    struct version_id id;
    *w = (struct walk){.bucket = bucket, .key_len = p->cursor->key_len};
    memcpy(w->key, p->cursor->key, w->key_len);
    enum dol_err err = index_view_begin(s->index, &view);
    while (err == DOL_OK && (err = walk_next(view, w, tags, &v, &id)) == DOL_OK) {
        if (v.current && (p->count == PAGE_KEYS || p->seen >= PAGE_VERSIONS))
            break;
        enum lifecycle_act act = lifecycle_act_of(p->lifecycle, &v);
        walk_judged(w, &v, act);
        if (act != LIFECYCLE_KEEP) {
            page_add(p, v.key);
            w->within = false;
        }
        cursor_set(p->cursor, v.key);
        p->seen++;
    }
    if (view != NULL)
        index_view_end(view);
    if (err == DOL_ENOTFOUND) {
        *p->cursor = (struct lifecycle_cursor){.in_uploads = true};
        err = DOL_OK;
    }
    return err;
}

static enum dol_err step_versions(struct store *s, const struct bucket_info *info, struct page *p)
{
    struct walk *w = malloc(sizeof *w);
    enum dol_err err = w != NULL ? page_versions(s, info->id, p, w) : DOL_ENOMEM;
    free(w);
    for (unsigned i = 0; err == DOL_OK && i < p->count; i++)
        err = end_key(s, p->lifecycle, info, bytes_of(p->due[i].key, p->due[i].key_len));
    return err;
}

/* ---- a page of uploads ---- */

static bool page_upload(void *arg, struct bytes key, const struct upload_info *upload)
{
    struct page *p = arg;
    if (lifecycle_aborts(p->lifecycle, key, upload->created_ns)) {
        p->due[p->count].upload = upload->id;
        page_add(p, key);
    }
    cursor_set(p->cursor, key);
    p->cursor->upload = upload->id;
    p->seen++;
    return p->count < PAGE_KEYS;
}

static enum dol_err step_uploads(struct store *s, struct bytes bucket, struct page *p)
{
    struct lifecycle_cursor from = *p->cursor;
    bool truncated;
    const struct upload_list_request req = {.bucket = bucket,
                                            .after_key = bytes_of(from.key, from.key_len),
                                            .after_id = from.key_len > 0 ? &from.upload : NULL,
                                            .max_entries = PAGE_VERSIONS};
    enum dol_err err = store_upload_list(s, &req, page_upload, p, &truncated);
    p->cursor->at_end = err == DOL_OK && !truncated;
    for (unsigned i = 0; err == DOL_OK && i < p->count; i++) {
        const struct upload_ref ref = {bucket, bytes_of(p->due[i].key, p->due[i].key_len), p->due[i].upload};
        enum dol_err aborted = store_upload_abort(s, &ref);
        if (aborted == DOL_OK)
            atomic_fetch_add(&s->stats.lifecycle_aborted, 1);
        else if (aborted != DOL_ENOUPLOAD) /* completed or aborted meanwhile */
            atomic_fetch_add(&s->stats.lifecycle_failed, 1);
    }
    return err;
}

enum dol_err store_lifecycle_step(struct store *s, struct bytes bucket, const struct lifecycle *l,
                                  struct lifecycle_cursor *cursor)
{
    struct bucket_info info;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    enum dol_err err = store_bucket_get(s, bucket, &info);
    struct page *p = err == DOL_OK ? calloc(1, sizeof *p) : NULL;
    if (p == NULL)
        return err != DOL_OK ? err : DOL_ENOMEM;
    p->lifecycle = l;
    p->cursor = cursor;
    if (!cursor->in_uploads && !lifecycle_has_versions(l))
        *cursor = (struct lifecycle_cursor){.in_uploads = true};
    err = cursor->in_uploads ? step_uploads(s, bucket, p) : step_versions(s, &info, p);
    free(p);
    return err;
}
