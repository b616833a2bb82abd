/*
 * A second bucket that keeps versions, with object lock, checked against what the oracle remembers: of each key, every
 * version and delete marker in order, its tag, and whether a legal hold lies on it. A version that was acknowledged is
 * there until its removal was asked for, and while it is held its removal is refused.
 *
 * What was not answered leaves a doubt: a version whose id nobody knows, one that may be gone, a tag or hold that may
 * have changed. The next open settles it: before that, what was not answered may still come.
 */
#include <stdio.h>
#include <stdlib.h>

#include "dol_assert.h"
#include "world.h"

static const struct bytes ledger_bucket = {"ledger", 6};

static struct bytes ledger_name(unsigned worker, unsigned key, char out[64])
{
    int n = snprintf(out, 64, "worker-%u/ledger-%u", worker, key);
    return bytes_of(out, (size_t)n);
}

bool world_ensure_ledger(struct world *w)
{
    struct bucket_info info;
    struct bucket_create req = {
        .name = ledger_bucket, .owner = bytes_of("owner", 5), .region = bytes_of("us-east-1", 9), .object_lock = true};
    enum dol_err err = store_bucket_get(w->store, ledger_bucket, &info);
    if (err == DOL_ENOBUCKET && w->ledger_acked)
        world_fail(w, "the ledger's bucket is gone");
    if (err == DOL_ENOBUCKET)
        err = store_bucket_create(w->store, &req, &info);
    if (err != DOL_OK) {
        world_failed_op(w, "bucket create", err);
        return false;
    }
    if (info.versioning != BUCKET_VERSIONING_ENABLED || !info.lock.enabled)
        world_fail(w, "the ledger's bucket has lost its settings");
    w->ledger_acked = true;
    return true;
}

/* ---- operations ---- */

/* The entry of a version whose making has begun. */
static struct ledger_version *version_begin(struct ledger_key *k, int content, bool hold)
{
    struct ledger_version *v = &k->versions[k->count++];
    *v = (struct ledger_version){.content = content, .tag = 0, .tag_maybe = 0, .hold = hold, .hold_maybe = hold};
    return v;
}

static struct ledger_version *version_of_id(struct ledger_key *k, const struct version_id *id)
{
    for (unsigned i = 0; i < k->count; i++)
        if (k->versions[i].known && memcmp(&k->versions[i].id, id, sizeof *id) == 0)
            return &k->versions[i];
    return NULL;
}

static void version_acked(struct world *w, struct ledger_key *k, struct ledger_version *v, const struct version_id *id)
{
    if (version_of_id(k, id) != NULL)
        world_fail(w, "a version's id was given twice");
    v->id = *id;
    v->known = v->certain = true;
}

static void ledger_put(struct world *w, unsigned worker, unsigned key)
{
    char name[64];
    struct ledger_key *k = &w->ledger[worker][key];
    int content = (int)world_below(w, LEDGER_CONTENTS);
    bool hold = world_below(w, 6) == 0;
    const struct content *c = &w->contents[content];
    struct put_request req = {.bucket = ledger_bucket,
                              .key = ledger_name(worker, key, name),
                              .owner = bytes_of("owner", 5),
                              .size_hint = UINT64_MAX,
                              .retention = {.legal_hold = hold}};
    struct put_finish fin = {.expected_size = c->len};
    struct put_result result;
    struct put *put;
    enum dol_err err = store_put_begin(w->store, &req, &put);
    if (err == DOL_OK) {
        err = world_write(w, put, c);
        if (err == DOL_OK) {
            struct ledger_version *v = version_begin(k, content, hold);
            err = store_put_finish(put, &fin, &result);
            if (err == DOL_OK && !w->crashed)
                version_acked(w, k, v, &result.version);
        } else {
            store_put_abort(put);
        }
    }
    if (err != DOL_OK)
        world_failed_op(w, "put of a version", err);
}

static void ledger_mark(struct world *w, unsigned worker, unsigned key)
{
    char name[64];
    struct ledger_key *k = &w->ledger[worker][key];
    struct delete_result result;
    struct delete_request req = {.bucket = ledger_bucket, .key = ledger_name(worker, key, name)};
    struct ledger_version *v = version_begin(k, CONTENT_ABSENT, false);
    enum dol_err err = store_object_delete(w->store, &req, &result);
    if (err != DOL_OK) {
        world_failed_op(w, "delete marker", err);
        return;
    }
    if (w->crashed)
        return;
    if (!result.delete_marker)
        world_fail(w, "no delete marker was made of %s", name);
    version_acked(w, k, v, &result.version);
}

static void version_forget(struct ledger_key *k, const struct ledger_version *v)
{
    size_t at = (size_t)(v - k->versions);
    memmove(&k->versions[at], &k->versions[at + 1], (k->count - at - 1) * sizeof *v);
    k->count--;
}

static void ledger_remove(struct world *w, unsigned worker, unsigned key, struct ledger_version *v)
{
    char name[64];
    struct ledger_key *k = &w->ledger[worker][key];
    struct delete_result result;
    struct version_id id = v->id;
    struct delete_request req = {.bucket = ledger_bucket, .key = ledger_name(worker, key, name), .version = &id};
    bool held = v->hold && v->hold_maybe, free = !v->hold && !v->hold_maybe, doubted = v->removal;
    v->removal = v->removal || !held;
    enum dol_err err = store_object_delete(w->store, &req, &result);
    if (err == DOL_ERETAINED) {
        if (free)
            world_fail(w, "removal of a version of %s that nothing holds was refused", name);
        v->removal = doubted;
        return;
    }
    if (err != DOL_OK) {
        world_failed_op(w, "removal of a version", err);
        return;
    }
    if (w->crashed)
        return;
    if (held && (result.existed || !doubted))
        world_fail(w, "a version of %s under legal hold was removed", name);
    if (!result.existed && !doubted)
        world_fail(w, "a version of %s was not there to be removed", name);
    version_forget(k, v);
}

/* Whether an error says that a version isn't there which may be gone: then it is. */
static bool gone_as_feared(struct world *w, struct ledger_key *k, struct ledger_version *v, enum dol_err err)
{
    if (err != DOL_ENOVERSION || !v->removal || w->crashed)
        return false;
    version_forget(k, v);
    return true;
}

static void ledger_tag(struct world *w, unsigned worker, unsigned key, struct ledger_version *v)
{
    char name[64], value[16];
    struct ledger_key *k = &w->ledger[worker][key];
    struct tag_result result;
    int tag = 1 + (int)world_below(w, 1000);
    int n = snprintf(value, sizeof value, "%d", tag);
    struct metadata_pair pair = {.name = bytes_of("state", 5), .value = bytes_of(value, (size_t)n)};
    struct version_id id = v->id;
    struct tag_request req = {
        .bucket = ledger_bucket, .key = ledger_name(worker, key, name), .version = &id, .tags = &pair, .tag_count = 1};
    if (v->tag != v->tag_maybe)
        return; /* one doubt at a time */
    v->tag_maybe = tag;
    enum dol_err err = store_object_set_tags(w->store, &req, &result);
    if (gone_as_feared(w, k, v, err))
        return;
    if (err != DOL_OK)
        world_failed_op(w, "tagging", err);
    else if (!w->crashed)
        v->tag = tag;
}

static void ledger_hold(struct world *w, unsigned worker, unsigned key, struct ledger_version *v)
{
    char name[64];
    struct ledger_key *k = &w->ledger[worker][key];
    struct version_id id = v->id;
    struct lock_request req = {.bucket = ledger_bucket, .key = ledger_name(worker, key, name), .version = &id};
    bool hold = !v->hold;
    if (v->hold != v->hold_maybe)
        return;
    v->hold_maybe = hold;
    enum dol_err err = store_object_set_legal_hold(w->store, &req, hold ? LEGAL_HOLD_ON : LEGAL_HOLD_OFF);
    if (gone_as_feared(w, k, v, err))
        return;
    if (err != DOL_OK)
        world_failed_op(w, "legal hold", err);
    else if (!w->crashed)
        v->hold = hold;
}

/* ---- looking ---- */

struct seen_version {
    struct version_id id;
    uint64_t size;
    bool marker, latest;
};

struct seen_key {
    struct world *w;
    struct bytes name;
    struct seen_version versions[LEDGER_VERSIONS_MAX];
    unsigned count;
};

static bool on_version(void *arg, struct bytes key, const struct object_info *info, bool is_latest)
{
    struct seen_key *s = arg;
    if (info == NULL || !bytes_equal(key, s->name)) {
        world_fail(s->w, "a listing of versions has a stranger");
        return false;
    }
    if (s->count == LEDGER_VERSIONS_MAX) {
        world_fail(s->w, "%.*s has more versions than were made", (int)key.len, (const char *)key.data);
        return false;
    }
    s->versions[s->count++] = (struct seen_version){info->version, info->size, info->delete_marker, is_latest};
    return true;
}

/* All versions, a few at a time. False after a crash or with a failure noted. */
static bool list_versions(struct world *w, struct bytes name, struct seen_key *s)
{
    bool truncated = true;
    struct version_id last;
    *s = (struct seen_key){.w = w, .name = name};
    while (truncated && !w->failed) {
        unsigned before = s->count;
        struct version_list_request req = {.bucket = ledger_bucket,
                                           .prefix = name,
                                           .after_key = s->count > 0 ? name : bytes_of("", 0),
                                           .after_version = s->count > 0 ? &last : NULL,
                                           .max_entries = 1 + (unsigned)world_below(w, 5)};
        enum dol_err err = store_version_list(w->store, &req, on_version, s, &truncated);
        if (err != DOL_OK) {
            if (!w->crashed)
                world_fail(w, "list of versions: %s", dol_err_name(err));
            return false;
        }
        if (truncated && s->count == before) {
            world_fail(w, "a listing of versions does not go on");
            return false;
        }
        if (s->count > 0)
            last = s->versions[s->count - 1].id;
    }
    return !w->failed;
}

static enum dol_err read_and_compare(struct object *o, const struct content *c, bool *equal)
{
    struct bytes piece;
    size_t at = 0;
    *equal = store_object_info(o)->size == c->len;
    if (!*equal)
        return DOL_OK;
    enum dol_err err = store_object_seek(o, 0, c->len);
    while (err == DOL_OK && *equal && at < c->len) {
        err = store_object_read(o, &piece);
        *equal = err != DOL_OK ||
                 (piece.len > 0 && piece.len <= c->len - at && memcmp(piece.data, c->data + at, piece.len) == 0);
        at += err == DOL_OK ? piece.len : 0;
    }
    return err;
}

/* Its tag's number; 0: none. */
static int tag_of(struct world *w, const struct object *o)
{
    struct metadata_pair pair;
    int tag = 0;
    if (store_object_info(o)->tag_count == 0)
        return 0;
    if (!store_object_tag(o, 0, &pair) || !bytes_equal(pair.name, bytes_of("state", 5)) || pair.value.len > 4)
        world_fail(w, "a version has a tag that nobody gave it");
    else
        for (size_t i = 0; i < pair.value.len; i++)
            tag = tag * 10 + (((const char *)pair.value.data)[i] - '0');
    return tag;
}

/* Compares a version with its entry; *same: it is that one. settle: what is in doubt about it is what was seen. */
static bool version_matches(struct world *w, struct bytes name, const struct seen_version *s, struct ledger_key *k,
                            struct ledger_version *v, bool settle, bool *same)
{
    struct object *o;
    const struct ledger_version *known = version_of_id(k, &s->id);
    *same = (v->content == CONTENT_ABSENT) == s->marker && (v->known ? known == v : known == NULL);
    if (!*same || s->marker)
        return true;
    enum dol_err err = store_object_open(w->store, ledger_bucket, name, &s->id, &o);
    if (err == DOL_OK) {
        bool equal = false;
        err = read_and_compare(o, &w->contents[v->content], &equal);
        int tag = tag_of(w, o);
        bool hold = store_object_info(o)->retention.legal_hold != 0;
        store_object_close(o);
        if (err == DOL_OK && !equal && v->known)
            world_fail(w, "a version of %.*s has wrong bytes", (int)name.len, (const char *)name.data);
        *same = equal && (v->known || hold == v->hold); /* what of it can be told apart */
        if (err == DOL_OK && *same && tag != v->tag && tag != v->tag_maybe)
            world_fail(w, "a version has tag %d, not %d or %d", tag, v->tag, v->tag_maybe);
        if (err == DOL_OK && *same && hold != v->hold && hold != v->hold_maybe)
            world_fail(w, "a version is %s", hold ? "held" : "not held any more");
        if (err == DOL_OK && *same && settle) {
            v->tag = v->tag_maybe = tag;
            v->hold = v->hold_maybe = hold;
        }
    }
    if (err != DOL_OK && !w->crashed)
        world_fail(w, "read of a version: %s", dol_err_name(err));
    return err == DOL_OK && !w->failed;
}

/* Newest first through both: what is remembered and not seen must be in doubt. */
static bool match_versions(struct world *w, struct bytes name, struct seen_key *s, struct ledger_key *k, bool settle,
                           bool *there)
{
    unsigned next = 0;
    for (unsigned i = k->count; i-- > 0;) {
        struct ledger_version *v = &k->versions[i];
        there[i] = false;
        if (next < s->count && !version_matches(w, name, &s->versions[next], k, v, settle, &there[i]))
            return false;
        if (there[i]) {
            if (s->versions[next].latest != (next == 0))
                world_fail(w, "the wrong version of %.*s is the latest", (int)name.len, (const char *)name.data);
            v->id = s->versions[next++].id; /* known once it is settled */
        } else if (v->certain && !v->removal) {
            world_fail(w, "%s of %.*s is missing", v->content == CONTENT_ABSENT ? "a delete marker" : "a version",
                       (int)name.len, (const char *)name.data);
        }
    }
    if (next < s->count)
        world_fail(w, "%.*s has a version that was removed or never made", (int)name.len, (const char *)name.data);
    return !w->failed;
}

/* What a GET without a version finds is the newest one. */
static bool current_matches(struct world *w, struct bytes name, const struct seen_key *s)
{
    struct object *o;
    enum dol_err err = store_object_open(w->store, ledger_bucket, name, NULL, &o);
    if (err == DOL_ENOTFOUND && s->count == 0)
        return true;
    if (err != DOL_OK) {
        if (!w->crashed)
            world_fail(w, "open of the newest version: %s", dol_err_name(err));
        return false;
    }
    const struct object_info *info = store_object_info(o);
    if (s->count == 0 || memcmp(&info->version, &s->versions[0].id, sizeof info->version) != 0 ||
        info->delete_marker != s->versions[0].marker)
        world_fail(w, "the newest version of %.*s is not the one that is listed first", (int)name.len,
                   (const char *)name.data);
    store_object_close(o);
    return !w->failed;
}

/* Looks at every version of a key. settle: what is seen is what there is from now on. */
static void ledger_look(struct world *w, unsigned worker, unsigned key, bool settle)
{
    char text[64];
    struct bytes name = ledger_name(worker, key, text);
    struct ledger_key *k = &w->ledger[worker][key];
    struct seen_key seen;
    bool there[LEDGER_VERSIONS_MAX];
    if (!list_versions(w, name, &seen) || !match_versions(w, name, &seen, k, settle, there) ||
        !current_matches(w, name, &seen) || !settle)
        return;
    unsigned kept = 0;
    for (unsigned i = 0; i < k->count; i++) {
        if (!there[i])
            continue;
        k->versions[kept] = k->versions[i];
        k->versions[kept].known = k->versions[kept].certain = true;
        k->versions[kept++].removal = false;
    }
    k->count = kept;
}

void world_ledger(struct world *w, unsigned worker)
{
    unsigned key = (unsigned)world_below(w, LEDGER_KEYS);
    struct ledger_key *k = &w->ledger[worker][key];
    unsigned dice = (unsigned)world_below(w, 100);
    w->ops++;
    if (k->count + 1 >= LEDGER_VERSIONS_MAX)
        dice = 99;
    if (dice < 35) {
        ledger_put(w, worker, key);
        return;
    }
    if (dice < 50) {
        ledger_mark(w, worker, key);
        return;
    }
    struct ledger_version *v = k->count > 0 ? &k->versions[world_below(w, k->count)] : NULL;
    if (v == NULL || !v->known) {
        ledger_look(w, worker, key, false);
        return;
    }
    if (dice < 65 || dice == 99)
        ledger_remove(w, worker, key, v);
    else if (dice < 78 && v->content != CONTENT_ABSENT)
        ledger_tag(w, worker, key, v);
    else if (dice < 88 && v->content != CONTENT_ABSENT)
        ledger_hold(w, worker, key, v);
    else
        ledger_look(w, worker, key, false);
}

void world_check_ledger(struct world *w)
{
    if (!w->ledger_acked)
        return;
    for (unsigned i = 0; i < w->config.workers; i++)
        for (unsigned j = 0; j < LEDGER_KEYS && !w->failed && !w->crashed; j++)
            ledger_look(w, i, j, !w->expect_read_only); /* without all drives nothing is decided */
}
