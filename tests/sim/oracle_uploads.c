/*
 * Uploads, checked against what the oracle remembers: each worker has one under way at a time. An upload that was
 * acknowledged is there until an end was asked for; its parts are the acknowledged ones, or one in doubt; its object
 * and its own end come together or not at all.
 */
#include <stdlib.h>

#include "dol_assert.h"
#include "hash.h"
#include "world.h"

static struct upload_ref ref_of(unsigned worker, unsigned key, const struct upload_id *id, char name[64])
{
    return (struct upload_ref){world_bucket, world_key(worker, key, name), *id};
}

static void md5_of(const struct content *c, uint8_t out[16])
{
    struct hash_stream *h = hash_stream_new(HASH_MD5);
    dol_assert(h != NULL);
    hash_stream_update(h, c->data, c->len);
    hash_stream_final(h, out);
    hash_stream_free(h);
}

static int recipe_content(const struct upload_state *u)
{
    return (int)(WORLD_CONTENTS + u->recipe);
}

/* ---- steps ---- */

static void begin(struct world *w, unsigned worker, unsigned key, unsigned recipe)
{
    static const uint8_t kinds[][2] = {
        {CHECKSUM_NONE, 0}, {CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT}, {CHECKSUM_CRC32C, CHECKSUM_COMPOSITE}};
    char name[64];
    struct upload_state *u = &w->uploads[worker];
    struct upload_id id;
    unsigned kind = (unsigned)world_below(w, 3);
    struct put_request req = {
        .bucket = world_bucket, .key = world_key(worker, key, name), .owner = bytes_of("owner", 5)};
    w->ops++;
    w->uploads_in_doubt++;
    enum dol_err err = store_upload_create(w->store, &req, kinds[kind][0], kinds[kind][1], &id);
    if (err != DOL_OK) {
        world_failed_op(w, "upload create", err);
        return;
    }
    if (w->crashed)
        return;
    w->uploads_in_doubt--;
    u->open = true;
    u->doubt = DOUBT_NONE;
    u->id = id;
    u->key = key;
    u->recipe = recipe;
    for (unsigned i = 0; i < RECIPE_PARTS_MAX; i++)
        u->acked[i] = u->maybe[i] = CONTENT_ABSENT;
}

static void send(struct world *w, unsigned worker, unsigned part, int content)
{
    char name[64];
    struct upload_state *u = &w->uploads[worker];
    struct upload_ref ref = ref_of(worker, u->key, &u->id, name);
    struct put_finish fin = {.expected_size = w->contents[content].len};
    struct part_info info;
    struct put *put;
    w->ops++;
    enum dol_err err = store_part_begin(w->store, &ref, part + 1, UINT64_MAX, &put);
    if (err == DOL_OK) {
        err = world_write(w, put, &w->contents[content]);
        if (err == DOL_OK) {
            u->maybe[part] = content; /* not sooner: one that never got here leaves an earlier doubt as it is */
            err = store_part_finish(put, &fin, &info);
        } else {
            store_put_abort(put);
        }
    }
    if (err != DOL_OK) {
        world_failed_op(w, "part", err);
        return;
    }
    if (w->crashed)
        return;
    u->acked[part] = content;
    u->maybe[part] = CONTENT_ABSENT;
}

static void ended(struct upload_state *u)
{
    u->open = false;
    u->doubt = DOUBT_NONE;
    u->ended = true;
    u->ended_id = u->id;
    u->ended_key = u->key;
}

static void abort_upload(struct world *w, unsigned worker)
{
    char name[64];
    struct upload_state *u = &w->uploads[worker];
    struct upload_ref ref = ref_of(worker, u->key, &u->id, name);
    w->ops++;
    u->doubt = DOUBT_ABORT;
    enum dol_err err = store_upload_abort(w->store, &ref);
    if (err != DOL_OK)
        world_failed_op(w, "abort", err);
    else if (!w->crashed)
        ended(u);
}

static enum dol_err ask_complete(struct world *w, unsigned worker, struct complete_result *out)
{
    char name[64];
    const struct upload_state *u = &w->uploads[worker];
    const struct recipe *r = &world_recipes[u->recipe];
    struct complete_part parts[RECIPE_PARTS_MAX] = {{.number = 0}};
    for (unsigned i = 0; i < r->count; i++) {
        parts[i].number = i + 1;
        md5_of(&w->contents[r->parts[i]], parts[i].md5);
    }
    struct complete_request req = {.upload = ref_of(worker, u->key, &u->id, name),
                                   .parts = parts,
                                   .part_count = r->count,
                                   .expected_size = w->contents[recipe_content(u)].len};
    return store_upload_complete(w->store, &req, out);
}

/* All parts are as the recipe says, for certain; or one is not, for certain; or nobody knows. */
enum readiness { READY, NOT_READY, READY_MAYBE };
static enum readiness readiness(const struct world *w, const struct upload_state *u)
{
    const struct recipe *r = &world_recipes[u->recipe];
    enum readiness ready = READY;
    (void)w;
    for (unsigned i = 0; i < r->count; i++) {
        bool right = u->acked[i] == r->parts[i];
        if (!right && u->maybe[i] == CONTENT_ABSENT)
            return NOT_READY;
        if (u->maybe[i] != CONTENT_ABSENT && (!right || u->maybe[i] != r->parts[i]))
            ready = READY_MAYBE;
    }
    return ready;
}

static void complete(struct world *w, unsigned worker)
{
    struct upload_state *u = &w->uploads[worker];
    struct key_state *k = &w->keys[worker][u->key];
    struct complete_result result, again;
    enum readiness ready = readiness(w, u);
    int content = recipe_content(u);
    w->ops++;
    if (ready != NOT_READY) {
        u->doubt = DOUBT_COMPLETE;
        world_remember_maybe(w, k, content);
    }
    enum dol_err err = ask_complete(w, worker, &result);
    if (err == DOL_EPART && ready != READY && !w->crashed) {
        u->doubt = DOUBT_NONE;
        return;
    }
    if (err != DOL_OK) {
        world_failed_op(w, "complete", err);
        return;
    }
    if (w->crashed)
        return;
    if (ready == NOT_READY)
        world_fail(w, "worker %u: an upload without all its parts was completed", worker);
    w->completes_acked++;
    world_remember_acked(k, content);
    if (world_below(w, 2) == 0) {
        err = ask_complete(w, worker, &again);
        if (err != DOL_OK)
            world_failed_op(w, "complete again", err);
        else if (memcmp(&again.put.etag, &result.put.etag, sizeof again.put.etag) != 0 ||
                 again.put.mtime_ns != result.put.mtime_ns || again.put.size != result.put.size)
            world_fail(w, "worker %u: completing again has another answer", worker);
    }
    ended(u);
}

void world_upload(struct world *w, unsigned worker)
{
    struct upload_state *u = &w->uploads[worker];
    if (!u->open) {
        begin(w, worker, (unsigned)world_below(w, WORLD_KEYS), (unsigned)world_below(w, WORLD_RECIPES));
        return;
    }
    const struct recipe *r = &world_recipes[u->recipe];
    unsigned dice = (unsigned)world_below(w, 20);
    unsigned part = (unsigned)world_below(w, r->count);
    if (u->doubt != DOUBT_NONE)
        return; /* a write failed, without a power cut: this round nothing more is known of it */
    for (unsigned i = 0; i < r->count && dice < 14; i++)
        if (u->acked[i] != r->parts[i] && u->acked[part] == r->parts[part])
            part = i;
    if (dice == 0)
        abort_upload(w, worker);
    else if (dice < 4)
        send(w, worker, part, (int)world_below(w, WORLD_CONTENTS - 1)); /* perhaps a wrong one */
    else if (readiness(w, u) == READY || dice == 5)
        complete(w, worker);
    else
        send(w, worker, part, r->parts[part]);
}

void world_upload_story(struct world *w, unsigned worker, unsigned key)
{
    struct upload_state *u = &w->uploads[worker];
    begin(w, worker, key, 1);
    if (!w->crashed && u->open)
        send(w, worker, 0, 9);
    if (!w->crashed)
        send(w, worker, 1, world_recipes[1].parts[1]);
    if (!w->crashed)
        send(w, worker, 0, world_recipes[1].parts[0]);
    if (!w->crashed)
        complete(w, worker);
    if (!w->crashed)
        begin(w, worker, key, 2);
    if (!w->crashed)
        send(w, worker, 0, 8);
    if (!w->crashed)
        abort_upload(w, worker);
}

/* ---- after opening ---- */

struct part_check {
    struct world *w;
    unsigned worker;
    bool seen[RECIPE_PARTS_MAX];
    bool is_maybe[RECIPE_PARTS_MAX];
};

static bool part_is(const struct world *w, const struct part_info *info, int content)
{
    uint8_t md5[16];
    if (content == CONTENT_ABSENT || w->contents[content].len != info->size)
        return false;
    md5_of(&w->contents[content], md5);
    return memcmp(md5, info->md5, sizeof md5) == 0;
}

static bool check_part(void *arg, const struct part_info *info)
{
    struct part_check *c = arg;
    const struct upload_state *u = &c->w->uploads[c->worker];
    unsigned i = info->number - 1;
    if (i >= RECIPE_PARTS_MAX) {
        world_fail(c->w, "worker %u: an upload has a part %u", c->worker, info->number);
        return false;
    }
    c->seen[i] = true;
    c->is_maybe[i] = !part_is(c->w, info, u->acked[i]);
    if (c->is_maybe[i] && !part_is(c->w, info, u->maybe[i]))
        world_fail(c->w, "worker %u: part %u has %llu bytes that it can't", c->worker, info->number,
                   (unsigned long long)info->size);
    return true;
}

static void check_parts(struct world *w, unsigned worker, const struct upload_ref *ref)
{
    struct upload_state *u = &w->uploads[worker];
    struct part_check c = {.w = w, .worker = worker};
    enum dol_err err = store_part_list(w->store, ref, 0, check_part, &c);
    if (err != DOL_OK && !w->crashed)
        world_fail(w, "worker %u: list of parts: %s", worker, dol_err_name(err));
    if (err != DOL_OK || w->failed)
        return;
    for (unsigned i = 0; i < RECIPE_PARTS_MAX; i++) {
        if (!c.seen[i] && u->acked[i] != CONTENT_ABSENT)
            world_fail(w, "worker %u: part %u of an upload is gone", worker, i + 1);
        if (w->expect_read_only)
            continue;
        if (c.is_maybe[i])
            u->acked[i] = u->maybe[i];
        u->maybe[i] = CONTENT_ABSENT;
    }
}

static bool same_bytes(const struct world *w, int a, int b)
{
    const struct content *x = &w->contents[a], *y = &w->contents[b];
    return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
}

/* The object of a completion in doubt is there exactly when its upload isn't. */
static void check_end(struct world *w, unsigned worker, bool there)
{
    const struct upload_state *u = &w->uploads[worker];
    const struct key_state *k = &w->keys[worker][u->key];
    int content = recipe_content(u);
    if (!there && u->doubt == DOUBT_NONE)
        world_fail(w, "worker %u: an upload is gone", worker);
    if (u->doubt != DOUBT_COMPLETE || k->acked == content || w->failed)
        return;
    int found = world_observe(w, worker, u->key);
    if (found >= 0 && found != content && same_bytes(w, found, content))
        return; /* a put of the same bytes: which of them the key holds can't be told */
    if (found != -2 && !w->crashed && (found == content) == there)
        world_fail(w, "worker %u: the upload is %s, and key %u holds content %d", worker, there ? "there" : "gone",
                   u->key, found);
}

static void check_upload(struct world *w, unsigned worker)
{
    char name[64];
    struct upload_state *u = &w->uploads[worker];
    struct upload_info info;
    void *memory;
    if (u->ended) {
        struct upload_ref ref = ref_of(worker, u->ended_key, &u->ended_id, name);
        enum dol_err err = store_upload_get(w->store, &ref, &info, &memory);
        free(memory);
        if (err != DOL_ENOUPLOAD && !w->crashed)
            world_fail(w, "worker %u: an upload that ended: %s", worker, dol_err_name(err));
    }
    if (!u->open || w->crashed)
        return;
    struct upload_ref ref = ref_of(worker, u->key, &u->id, name);
    enum dol_err err = store_upload_get(w->store, &ref, &info, &memory);
    free(memory);
    if (err != DOL_OK && err != DOL_ENOUPLOAD && !w->crashed)
        world_fail(w, "worker %u: upload: %s", worker, dol_err_name(err));
    if (w->crashed || w->failed)
        return;
    check_end(w, worker, err == DOL_OK);
    if (err == DOL_OK)
        check_parts(w, worker, &ref);
    if (w->expect_read_only || w->failed || w->crashed)
        return;
    if (err == DOL_ENOUPLOAD)
        ended(u);
    u->doubt = DOUBT_NONE;
}

struct upload_count {
    struct world *w;
    unsigned known, strangers;
};

static bool count_upload(void *arg, struct bytes key, const struct upload_info *info)
{
    struct upload_count *c = arg;
    bool known = false;
    char name[64];
    for (unsigned i = 0; i < c->w->config.workers && !known; i++) {
        const struct upload_state *u = &c->w->uploads[i];
        known = u->open && memcmp(&u->id, &info->id, sizeof u->id) == 0 && bytes_equal(key, world_key(i, u->key, name));
    }
    c->known += known;
    c->strangers += !known;
    return true;
}

void world_check_uploads(struct world *w)
{
    unsigned open = 0;
    bool truncated;
    struct upload_count c = {.w = w};
    for (unsigned i = 0; i < w->config.workers && !w->failed && !w->crashed; i++) {
        check_upload(w, i);
        open += w->uploads[i].open && w->uploads[i].doubt == DOUBT_NONE;
    }
    if (w->failed || w->crashed)
        return;
    struct upload_list_request req = {.bucket = world_bucket, .max_entries = 1000};
    enum dol_err err = store_upload_list(w->store, &req, count_upload, &c, &truncated);
    if (w->crashed || (err == DOL_ENOBUCKET && !w->bucket_acked))
        return;
    if (err != DOL_OK)
        world_fail(w, "list of uploads: %s", dol_err_name(err));
    else if (c.known < open || c.strangers > w->uploads_in_doubt || truncated)
        world_fail(w, "list of uploads: %u of %u, and %u of %u that were in doubt", c.known, open, c.strangers,
                   w->uploads_in_doubt);
}
