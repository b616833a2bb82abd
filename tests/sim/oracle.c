/* The operations of a world, each checked against what the oracle remembers. */
#include <stdio.h>
#include <stdlib.h>

#include "dol_assert.h"
#include "gc.h"
#include "heal.h"
#include "world.h"

const struct bytes world_bucket = {"archive", 7};

struct bytes world_key(unsigned worker, unsigned key, char out[64])
{
    int n = snprintf(out, 64, "worker-%u/study-%u/object-%u", worker, key / 2, key);
    return bytes_of(out, (size_t)n);
}

void world_remember_maybe(struct world *w, struct key_state *k, int content)
{
    for (unsigned i = 0; i < k->maybe_count; i++)
        if (k->maybe[i] == content)
            return;
    if (k->maybe_count == WORLD_MAYBE_MAX)
        world_fail(w, "too many operations in doubt on one key");
    else
        k->maybe[k->maybe_count++] = content;
}

void world_remember_acked(struct key_state *k, int content)
{
    k->acked = content;
    k->maybe_count = 0;
}

/* An operation may fail without an answer only after a power cut or an injected write fault. */
void world_failed_op(struct world *w, const char *what, enum dol_err err)
{
    bool expected = w->crashed || sim_panicked(w->rt) || (w->write_fault && (err == DOL_EREADONLY || err == DOL_EIO)) ||
                    err == DOL_EFULL;
    if (!expected)
        world_fail(w, "%s failed: %s", what, dol_err_name(err));
}

bool world_ensure_bucket(struct world *w)
{
    struct bucket_info info;
    struct bucket_create req = {
        .name = world_bucket, .owner = bytes_of("owner", 5), .region = bytes_of("us-east-1", 9)};
    enum dol_err err = store_bucket_get(w->store, world_bucket, &info);
    if (err == DOL_ENOBUCKET && w->bucket_acked)
        world_fail(w, "the bucket is gone");
    if (err == DOL_ENOBUCKET)
        err = store_bucket_create(w->store, &req, &info);
    if (err == DOL_OK)
        w->bucket_acked = true;
    else
        world_failed_op(w, "bucket create", err);
    return err == DOL_OK;
}

enum dol_err world_write(struct world *w, struct put *put, const struct content *c)
{
    enum dol_err err = DOL_OK;
    for (size_t at = 0; at < c->len && err == DOL_OK;) {
        size_t n = 1 + (size_t)world_below(w, 200000);
        if (n > c->len - at)
            n = c->len - at;
        err = store_put_write(put, c->data + at, n);
        at += n;
        if (world_below(w, 4) == 0)
            fiber_yield();
    }
    return err;
}

void world_put(struct world *w, unsigned worker, unsigned key, int content)
{
    char name[64];
    struct key_state *k = &w->keys[worker][key];
    const struct content *c = &w->contents[content];
    struct put_request req = {.bucket = world_bucket,
                              .key = world_key(worker, key, name),
                              .owner = bytes_of("owner", 5),
                              .size_hint = world_below(w, 2) ? c->len : UINT64_MAX};
    struct put_finish fin = {.expected_size = c->len};
    struct put_result result;
    struct put *put;

    w->ops++;
    world_remember_maybe(w, k, content);
    enum dol_err err = store_put_begin(w->store, &req, &put);
    if (err != DOL_OK) {
        world_failed_op(w, "put", err);
        return;
    }
    err = world_write(w, put, c);
    if (err == DOL_OK && world_below(w, 20) == 0) {
        store_put_abort(put);
        return;
    }
    if (err == DOL_OK)
        err = store_put_finish(put, &fin, &result);
    else
        store_put_abort(put);
    if (err != DOL_OK) {
        world_failed_op(w, "put", err);
        return;
    }
    if (w->crashed)
        return; /* no answer gets out after a power cut */
    w->puts_acked++;
    world_remember_acked(k, content);
}

void world_delete(struct world *w, unsigned worker, unsigned key)
{
    char name[64];
    struct key_state *k = &w->keys[worker][key];
    struct delete_result result;
    w->ops++;
    world_remember_maybe(w, k, CONTENT_ABSENT);
    enum dol_err err = store_object_delete(
        w->store, &(struct delete_request){.bucket = world_bucket, .key = world_key(worker, key, name)}, &result);
    if (err != DOL_OK) {
        world_failed_op(w, "delete", err);
        return;
    }
    if (w->crashed)
        return;
    if (k->maybe_count <= 1 && result.existed != (k->acked != CONTENT_ABSENT))
        world_fail(w, "delete of %s says existed=%d", name, result.existed);
    world_remember_acked(k, CONTENT_ABSENT);
}

/* Reads [offset, offset + len) and compares; false with a failure noted, or after a crash. */
static bool read_equals(struct world *w, struct object *o, const struct content *c, size_t offset, size_t len,
                        const char *name)
{
    struct bytes piece;
    enum dol_err err = store_object_seek(o, offset, len);
    size_t at = offset;
    while (err == DOL_OK && (err = store_object_read(o, &piece)) == DOL_OK && piece.len > 0) {
        if (piece.len > offset + len - at || memcmp(piece.data, c->data + at, piece.len) != 0) {
            world_fail(w, "wrong bytes in %s at %zu", name, at);
            return false;
        }
        at += piece.len;
    }
    if (err != DOL_OK) {
        if (!w->crashed)
            world_fail(w, "read of %s: %s", name, dol_err_name(err));
        return false;
    }
    if (at != offset + len)
        world_fail(w, "%s ends at %zu, not %zu", name, at, offset + len);
    return true;
}

static bool may_hold(const struct key_state *k, int content)
{
    if (k->acked == content)
        return true;
    for (unsigned i = 0; i < k->maybe_count; i++)
        if (k->maybe[i] == content)
            return true;
    return false;
}

/* What the key holds, by size and bytes; -2 when that could not be found out. */
int world_observe(struct world *w, unsigned worker, unsigned key)
{
    char name[64];
    struct object *o;
    struct key_state *k = &w->keys[worker][key];
    enum dol_err err = store_object_open(w->store, world_bucket, world_key(worker, key, name), NULL, &o);
    if (err == DOL_ENOTFOUND || (err == DOL_ENOBUCKET && !w->bucket_acked))
        return CONTENT_ABSENT;
    if (err != DOL_OK) {
        if (!w->crashed)
            world_fail(w, "open of %s: %s", name, dol_err_name(err));
        return -2;
    }
    int found = -2;
    for (int c = 0; c < (int)(WORLD_CONTENTS + WORLD_RECIPES) && found == -2; c++) {
        if (!may_hold(k, c) || w->contents[c].len != store_object_info(o)->size)
            continue;
        struct bytes first = {NULL, 0};
        bool same = w->contents[c].len == 0;
        if (!same) {
            err = store_object_seek(o, 0, w->contents[c].len);
            if (err == DOL_OK)
                err = store_object_read(o, &first);
            if (err != DOL_OK && !w->crashed)
                world_fail(w, "read of %s: %s", name, dol_err_name(err));
            same = err == DOL_OK && memcmp(first.data, w->contents[c].data, first.len) == 0;
        }
        if (same && read_equals(w, o, &w->contents[c], 0, w->contents[c].len, name))
            found = c;
    }
    if (found == -2 && !w->failed && !w->crashed)
        world_fail(w, "%s holds %llu bytes that it can't", name, (unsigned long long)store_object_info(o)->size);
    store_object_close(o);
    return found;
}

void world_get(struct world *w, unsigned worker, unsigned key)
{
    w->ops++;
    int found = world_observe(w, worker, key);
    if (found != -2 && !w->crashed && !may_hold(&w->keys[worker][key], found))
        world_fail(w, "worker %u key %u: content %d is not possible, acknowledged was %d", worker, key, found,
                   w->keys[worker][key].acked);
}

void world_get_range(struct world *w, unsigned worker, unsigned key)
{
    char name[64];
    struct object *o;
    struct key_state *k = &w->keys[worker][key];
    w->ops++;
    if (k->acked == CONTENT_ABSENT || k->maybe_count > 0)
        return;
    const struct content *c = &w->contents[k->acked];
    enum dol_err err = store_object_open(w->store, world_bucket, world_key(worker, key, name), NULL, &o);
    if (err != DOL_OK) {
        if (!w->crashed)
            world_fail(w, "open of %s: %s", name, dol_err_name(err));
        return;
    }
    size_t offset = c->len ? (size_t)world_below(w, c->len) : 0;
    size_t len = c->len - offset ? (size_t)world_below(w, c->len - offset) : 0;
    read_equals(w, o, c, offset, len, name);
    store_object_close(o);
}

/* ---- reclaiming ---- */

void world_reclaim(struct world *w)
{
    unsigned freed = 0;
    enum dol_err err = gc_run(w->store, &freed);
    w->slabs_freed += freed;
    bool expected =
        err == DOL_OK || w->crashed || sim_panicked(w->rt) || w->expect_read_only ||
        (w->drive_left && (err == DOL_EREADONLY || err == DOL_EBUSY || err == DOL_EIO || err == DOL_EINCOMPLETE)) ||
        err == DOL_EFULL || err == DOL_ESTOPPED;
    if (!expected)
        world_fail(w, "reclaiming failed: %s", dol_err_name(err));
    if (!w->crashed && index_is_unsure(w->store->index))
        world_fail(w, "the index does not fit together");
}

/* ---- healing ---- */

void world_heal(struct world *w)
{
    struct store_status *status = malloc(sizeof *status);
    dol_assert(status != NULL);
    enum dol_err err = heal_run(w->store);
    store_status_get(w->store, status);
    bool excused = w->crashed || sim_panicked(w->rt) || w->expect_read_only || w->drives_removed || w->write_fault;
    if (err != DOL_OK && !excused)
        world_fail(w, "healing failed: %s", dol_err_name(err));
    if (err == DOL_OK && !excused && status->reason[0] != '\0' && !status->read_only)
        world_fail(w, "after healing: %s", status->reason);
    if (err == DOL_OK && !excused)
        w->drive_left = false;
    free(status);
}

/* ---- scrubbing ---- */

static uint64_t found_beside_units(const struct store_scrub_report *r)
{
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < SCRUB_KINDS; kind++)
        if (kind != SCRUB_UNIT_HEADER && kind != SCRUB_UNIT_PAYLOAD && kind != SCRUB_UNIT_UNREADABLE)
            sum += r->found[kind];
    return sum;
}

/* Damage stays within m drives: everything can be had, and all that can be written is written. */
static void check_scrub(struct world *w, const struct store_scrub_report *r, unsigned pass)
{
    bool excused = w->write_fault || w->expect_read_only;
    uint64_t units = r->found[SCRUB_UNIT_HEADER] + r->found[SCRUB_UNIT_PAYLOAD] + r->found[SCRUB_UNIT_UNREADABLE];
    w->units_repaired += r->units_repaired;
    if (r->state != SCRUB_FINISHED && !(w->write_fault && r->state == SCRUB_FAILED))
        world_fail(w, "scrubbing ended in state %u: %s", r->state, dol_err_name(r->err));
    if (r->unrecoverable > 0 || found_beside_units(r) > 0)
        for (unsigned kind = 0; kind < SCRUB_KINDS; kind++)
            if (r->found[kind] > 0)
                world_fail(w, "scrubbing found %llu %s", (unsigned long long)r->found[kind],
                           store_scrub_kind_name((enum store_scrub_kind)kind));
    if (r->units_unrepaired > 0 && !excused)
        world_fail(w, "scrubbing left %llu units", (unsigned long long)r->units_unrepaired);
    if (pass > 0 && units > 0 && !excused)
        world_fail(w, "a second pass found %llu units", (unsigned long long)units);
}

void world_scrub(struct world *w)
{
    struct store_scrub_status *status = malloc(sizeof *status);
    dol_assert(status != NULL);
    for (unsigned pass = 0; pass < 2 && !w->crashed && !w->failed; pass++) {
        if (store_scrub_start(w->store, 0) != DOL_OK) {
            world_fail(w, "scrubbing could not be started");
            break;
        }
        do {
            fiber_sleep(1000000);
            store_scrub_status_get(w->store, status);
        } while (status->now.state == SCRUB_RUNNING);
        if (!w->crashed && !sim_panicked(w->rt))
            check_scrub(w, &status->now, pass);
    }
    free(status);
}

/* ---- listing ---- */

struct listed {
    struct world *w;
    char last[OBJECT_KEY_BYTES_MAX + 1];
    bool seen[WORLD_WORKERS_MAX][WORLD_KEYS];
    unsigned count;
};

static bool on_entry(void *arg, struct bytes key, const struct object_info *info)
{
    struct listed *l = arg;
    unsigned worker, study, object;
    char name[OBJECT_KEY_BYTES_MAX + 1];
    memcpy(name, key.data, key.len);
    name[key.len] = '\0';
    if (l->count > 0 && strcmp(name, l->last) <= 0)
        world_fail(l->w, "listing out of order: %s after %s", name, l->last);
    memcpy(l->last, name, key.len + 1);
    l->count++;
    if (info == NULL || sscanf(name, "worker-%u/study-%u/object-%u", &worker, &study, &object) != 3 ||
        worker >= WORLD_WORKERS_MAX || object >= WORLD_KEYS)
        world_fail(l->w, "listing has a stranger: %s", name);
    else
        l->seen[worker][object] = true;
    return true;
}

static bool list_all(struct world *w, struct bytes prefix, struct listed *l)
{
    uint8_t last[OBJECT_KEY_BYTES_MAX];
    size_t last_len = 0;
    bool truncated = true;
    memset(l, 0, sizeof *l);
    l->w = w;
    while (truncated) {
        struct list_request req = {.bucket = world_bucket,
                                   .prefix = prefix,
                                   .after = bytes_of(last, last_len),
                                   .max_entries = 1 + (unsigned)world_below(w, 7)};
        enum dol_err err = store_object_list(w->store, &req, on_entry, l, &truncated, last, &last_len);
        if (err != DOL_OK) {
            if (!w->crashed && !(err == DOL_ENOBUCKET && !w->bucket_acked))
                world_fail(w, "list: %s", dol_err_name(err));
            return false;
        }
    }
    return true;
}

void world_list(struct world *w, unsigned worker)
{
    struct listed l;
    char prefix[32];
    int n = snprintf(prefix, sizeof prefix, "worker-%u/", worker);
    w->ops++;
    if (!list_all(w, bytes_of(prefix, (size_t)n), &l) || w->crashed)
        return;
    for (unsigned i = 0; i < WORLD_KEYS; i++) {
        const struct key_state *k = &w->keys[worker][i];
        if (k->maybe_count == 0 && l.seen[worker][i] != (k->acked != CONTENT_ABSENT))
            world_fail(w, "listing of worker %u: key %u %s", worker, i,
                       l.seen[worker][i] ? "should be gone" : "is missing");
    }
}

/* ---- a race ---- */

#define RACERS 3u

struct racer {
    struct world *w;
    unsigned worker, key;
    int content;
    struct condition condition;
    enum dol_err err;
    unsigned *running;
    struct fiber *parent;
};

static void race_main(void *arg)
{
    struct racer *r = arg;
    char name[64];
    struct put *put;
    struct put_result result;
    struct put_request req = {.bucket = world_bucket,
                              .key = world_key(r->worker, r->key, name),
                              .owner = bytes_of("owner", 5),
                              .size_hint = UINT64_MAX,
                              .condition = r->condition};
    struct put_finish fin = {.expected_size = UINT64_MAX};
    r->err = store_put_begin(r->w->store, &req, &put);
    if (r->err == DOL_OK) {
        r->err = world_write(r->w, put, &r->w->contents[r->content]);
        if (r->err == DOL_OK)
            r->err = store_put_finish(put, &fin, &result);
        else
            store_put_abort(put);
    }
    --*r->running;
    fiber_wake(r->parent);
}

/* The key must hold what was acknowledged: the racers' condition. */
static bool race_condition(struct world *w, unsigned worker, unsigned key, struct condition *out)
{
    char name[64];
    struct object *o;
    *out = (struct condition){.kind = CONDITION_ABSENT};
    if (w->keys[worker][key].acked == CONTENT_ABSENT)
        return true;
    enum dol_err err = store_object_open(w->store, world_bucket, world_key(worker, key, name), NULL, &o);
    if (err != DOL_OK) {
        world_failed_op(w, "open before a race", err);
        return false;
    }
    *out = (struct condition){.kind = CONDITION_ETAG, .etag = store_object_info(o)->etag};
    store_object_close(o);
    return true;
}

void world_race(struct world *w, unsigned worker, unsigned key)
{
    struct key_state *k = &w->keys[worker][key];
    struct racer racers[RACERS];
    struct condition condition;
    unsigned running = RACERS, winners = 0;
    w->ops++;
    if (k->maybe_count > 0 || !race_condition(w, worker, key, &condition))
        return;
    for (unsigned i = 0; i < RACERS; i++) {
        /* none of the size that is there, so that the winner changes the ETag */
        int content = (int)world_below(w, WORLD_CONTENTS);
        while (k->acked != CONTENT_ABSENT && w->contents[content].len == w->contents[k->acked].len)
            content = (int)world_below(w, WORLD_CONTENTS);
        racers[i] = (struct racer){w, worker, key, content, condition, DOL_OK, &running, fiber_self()};
        world_remember_maybe(w, k, content);
        dol_assert(fiber_spawn(race_main, &racers[i], "racer") == DOL_OK);
    }
    while (running > 0)
        fiber_park();
    int won = CONTENT_ABSENT;
    bool failed = false;
    for (unsigned i = 0; i < RACERS; i++) {
        if (racers[i].err == DOL_OK) {
            winners++;
            won = racers[i].content;
        } else if (racers[i].err != DOL_EPRECONDITION) {
            failed = true;
            world_failed_op(w, "conditional put", racers[i].err);
        }
    }
    if (w->crashed)
        return;
    if (winners > 1 || (winners == 0 && !failed))
        world_fail(w, "%u of %u conditional puts on one key came through", winners, RACERS);
    if (winners == 1)
        world_remember_acked(k, won);
}

void world_check_all(struct world *w)
{
    struct listed l;
    world_check_uploads(w);
    world_check_ledger(w);
    for (unsigned i = 0; i < w->config.workers && !w->failed && !w->crashed; i++) {
        for (unsigned j = 0; j < WORLD_KEYS && !w->failed && !w->crashed; j++) {
            int found = world_observe(w, i, j);
            if (found == -2 || w->crashed)
                return;
            if (!may_hold(&w->keys[i][j], found))
                world_fail(w, "worker %u key %u holds content %d, acknowledged was %d", i, j, found,
                           w->keys[i][j].acked);
            if (!w->expect_read_only) /* what is seen without all drives decides nothing */
                world_remember_acked(&w->keys[i][j], found);
        }
    }
    if (w->failed || !list_all(w, bytes_of("", 0), &l) || w->crashed)
        return;
    for (unsigned i = 0; i < w->config.workers; i++)
        for (unsigned j = 0; j < WORLD_KEYS; j++)
            if (w->keys[i][j].maybe_count == 0 && l.seen[i][j] != (w->keys[i][j].acked != CONTENT_ABSENT))
                world_fail(w, "listing after open: worker %u key %u %s", i, j,
                           l.seen[i][j] ? "should be gone" : "is missing");
}
