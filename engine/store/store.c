/*
 * Store: opening and closing, and the committer that moves published records into LMDB.
 *
 * Open: pool (superblocks, keys, new run) -> scan -> index -> recover -> appenders and committer. Close goes the other
 * way. Nothing here is on the path of a request but the helpers at the end.
 */
#include <stdlib.h>

#include "cache.h"
#include "dedup.h"
#include "digest.h"
#include "dol_assert.h"
#include "gc.h"
#include "heal.h"
#include "log.h"
#include "recover.h"
#include "scrub_impl.h"
#include "store_impl.h"

#define INDEX_MAP_BYTES_DEFAULT (256ull << 20)
#define INDEX_WAIT_NS           (30ull * 1000 * 1000 * 1000)

/* ---- committer ---- */

struct commit_job {
    struct index *index;
    struct lsn upto;
    enum dol_err err;
};

static void commit_run(void *arg)
{
    struct commit_job *job = arg;
    size_t applied;
    job->err = index_commit(job->index, job->upto, &applied);
}

enum dol_err store_commit_index(struct store *s)
{
    struct commit_job job = {s->index, pool_lsn_bound(s->pool), DOL_OK};
    offload_run(commit_run, &job);
    return job.err;
}

struct audit_job {
    struct index *index;
    enum dol_err err;
};

static void audit_run(void *arg)
{
    struct audit_job *job = arg;
    job->err = index_audit(job->index);
}

enum dol_err store_audit_index(struct store *s)
{
    struct audit_job job = {s->index, DOL_OK};
    offload_run(audit_run, &job);
    return job.err;
}

static void committer_main(void *arg)
{
    struct store *s = arg;
    uint64_t last = clock_monotonic_ns();
    s->committer = fiber_self();
    while (!s->committer_stopping) {
        size_t bytes, records;
        index_pending(s->index, &bytes, &records);
        uint64_t now = clock_monotonic_ns();
        if (records == 0 || (bytes < STORE_COMMIT_BYTES && now - last < STORE_COMMIT_AGE_NS)) {
            if (records == 0)
                last = now;
            fiber_sleep(STORE_COMMIT_POLL_NS);
            continue;
        }
        enum dol_err err = store_commit_index(s);
        last = now;
        if (err != DOL_OK) {
            pool_set_read_only(s->pool, "the index can't be written (%s): remove its folder and restart, it is rebuilt",
                               dol_err_text(err));
            break;
        }
    }
    s->committer_running = false;
    if (s->committer_waiter != NULL)
        fiber_wake(s->committer_waiter);
}

static void committer_stop(struct store *s)
{
    s->committer_stopping = true;
    s->committer_waiter = fiber_self();
    while (s->committer_running)
        fiber_park();
}

/* ---- open and close ---- */

static enum dol_err open_index(const struct store_config *config, struct store *s)
{
    struct index_config ic = {.dir = config->index_dir,
                              .map_bytes = config->index_map_bytes ? config->index_map_bytes : INDEX_MAP_BYTES_DEFAULT,
                              .no_sync = config->index_no_sync,
                              .pool = s->pool->sb.pool};
    bool fresh;
    enum dol_err err = index_open(&ic, &s->index, &fresh);
    s->pins.index = s->index;
    if (err == DOL_OK && !config->index_no_sync)
        index_sigbus_guard(s->index);
    if (err == DOL_OK && fresh)
        log_info("store", "index begun anew: it is rebuilt from the drives");
    return err;
}

static enum dol_err start_work(struct store *s, enum gc_start how)
{
    enum dol_err err = appenders_start(s->pool, s->index);
    if (err != DOL_OK)
        return err;
    if (pool_is_read_only(s->pool))
        return DOL_OK;
    s->committer_running = true;
    err = fiber_spawn(committer_main, s, "index-commit");
    if (err != DOL_OK)
        s->committer_running = false;
    if (err == DOL_OK)
        err = gc_start(s, how);
    return err == DOL_OK ? heal_start(s, how == GC_BY_HAND ? HEAL_BY_HAND : HEAL_BY_ITSELF) : err;
}

/* Frees all but the pool. */
static void store_free(struct store *s)
{
    if (s->index != NULL)
        index_close(s->index);
    for (unsigned i = 0; i < s->codec_count; i++)
        codec_free(s->codecs[i]);
    gates_free(s->gates);
    dedup_free(s->dedup);
    digester_free(s->digester);
    cache_free(s->cache);
    scrub_free(s->scrub);
    pthread_mutex_destroy(&s->codec_lock);
    pins_fini(&s->pins);
    free(s);
}

enum dol_err store_open(const struct store_config *config, struct store **out)
{
    struct recover_stats stats = {0};
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return DOL_ENOMEM;
    s->magic = STORE_MAGIC;
    s->puts_max = config->puts_max ? config->puts_max : STORE_PUTS_MAX;
    s->lists_max = MANIFEST_LISTS_MAX;
    pthread_mutex_init(&s->codec_lock, NULL);
    pins_init(&s->pins);
    uint64_t started = clock_monotonic_ns();

    enum dol_err err = gates_new(&s->gates);
    if (err == DOL_OK)
        err = dedup_new(&s->dedup);
    if (err == DOL_OK)
        err = digester_new(&s->digester);
    if (err == DOL_OK)
        err = cache_new(config->cache_bytes, &s->cache);
    if (err == DOL_OK)
        err = scrub_new(s, &s->scrub);
    if (err == DOL_OK)
        err = pool_open(config, &s->pool);
    if (err != DOL_OK) {
        store_free(s);
        return err;
    }
    err = pool_scan(s->pool);
    if (err == DOL_OK)
        err = open_index(config, s);
    if (err == DOL_OK)
        err = pool_recover(s->pool, s->index, &stats);
    if (err == DOL_OK)
        err = start_work(s, config->gc_manual ? GC_BY_HAND : GC_BY_ITSELF);
    if (err != DOL_OK) {
        heal_stop(s);
        gc_stop(s);
        committer_stop(s);
        appenders_stop(s->pool);
        pool_close(s->pool);
        store_free(s);
        return err;
    }
    log_info("store", "open run=%llu slabs=%llu rows_replayed=%llu records_replayed=%llu rows_dead=%llu ms=%llu%s",
             (unsigned long long)s->pool->run, (unsigned long long)stats.slabs, (unsigned long long)stats.rows_replayed,
             (unsigned long long)stats.records_replayed, (unsigned long long)stats.rows_dead,
             (unsigned long long)((clock_monotonic_ns() - started) / 1000000), s->pool->read_only ? " read-only" : "");
    s->pool->owns_drives = true;
    *out = s;
    return DOL_OK;
}

void store_close(struct store *s)
{
    dol_assert_magic(s, STORE_MAGIC);
    scrub_close(s->scrub);
    heal_stop(s);
    gc_stop(s);
    committer_stop(s);
    appenders_stop(s->pool);
    if (!pool_is_read_only(s->pool)) {
        enum dol_err err = store_commit_index(s);
        if (err != DOL_OK)
            log_warn("store", "last index commit failed: %s; the next open replays", dol_err_text(err));
    }
    pool_close(s->pool);
    store_free(s);
}

/* ---- helpers ---- */

enum dol_err store_codec_take(struct store *s, struct codec **out)
{
    *out = NULL;
    pthread_mutex_lock(&s->codec_lock);
    if (s->codec_count > 0)
        *out = s->codecs[--s->codec_count];
    pthread_mutex_unlock(&s->codec_lock);
    return *out ? DOL_OK : codec_new(out);
}

void store_codec_give(struct store *s, struct codec *codec)
{
    pthread_mutex_lock(&s->codec_lock);
    if (s->codec_count < STORE_CODECS_KEPT) {
        s->codecs[s->codec_count++] = codec;
        codec = NULL;
    }
    pthread_mutex_unlock(&s->codec_lock);
    if (codec != NULL)
        codec_free(codec);
}

enum dol_err store_put_slot_take(struct store *s, struct pin *pin)
{
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    if (pool_is_full(s->pool))
        return DOL_EFULL;
    if (atomic_fetch_add(&s->puts_now, 1) < s->puts_max) {
        pin_begin(&s->pins, pin, PIN_WRITE);
        return DOL_OK;
    }
    atomic_fetch_sub(&s->puts_now, 1);
    return DOL_EBUSY;
}

void store_put_slot_give(struct store *s, struct pin *pin)
{
    pin_end(&s->pins, pin);
    atomic_fetch_sub(&s->puts_now, 1);
}

enum dol_err store_wait_for_index(struct store *s)
{
    uint64_t deadline = clock_monotonic_ns() + INDEX_WAIT_NS;
    for (;;) {
        size_t bytes, records;
        index_pending(s->index, &bytes, &records);
        if (bytes <= STORE_PENDING_BYTES_MAX)
            return DOL_OK;
        if (clock_monotonic_ns() > deadline)
            return DOL_EBUSY;
        fiber_sleep(STORE_COMMIT_POLL_NS);
    }
}

enum dol_err store_append(struct store *s, struct append_group *group)
{
    enum dol_err err = store_wait_for_index(s);
    if (err != DOL_OK)
        return err;
    append_start(s->pool, group);
    return append_wait(group);
}

enum dol_err store_append_body(struct store *s, uint8_t kind, struct bytes body)
{
    struct append_record record = {.kind = kind, .parts = {body}, .part_count = 1, .payload = body};
    struct append_group group = {.records = &record, .count = 1};
    if (body.len > APPEND_PLAIN_BODY_MAX)
        return DOL_ETOOLARGE;
    return store_append(s, &group);
}

static enum dol_err view_bucket(struct index_view *view, struct bytes name, struct bucket_ref *out)
{
    struct bucket_body b;
    enum dol_err err = index_bucket_by_name(view, name, &b);
    if (err == DOL_OK)
        *out = (struct bucket_ref){b.id, b.versioning, (b.flags & BUCKET_FLAG_OBJECT_LOCK) != 0, b.default_retention};
    return err == DOL_ENOTFOUND ? DOL_ENOBUCKET : err;
}

/* A key's versions are looked through, newest first: nothing says which one it is. */
enum dol_err view_null_version(struct index_view *view, uint64_t bucket, struct bytes key, struct index_object *out)
{
    struct version_id seen;
    struct index_version_position at = {.key = key, .inclusive = true};
    for (;;) {
        struct manifest m;
        enum dol_err err = index_version_next(view, bucket, &at, out);
        if (err == DOL_OK)
            err = manifest_decode(out->body, &m);
        if (err == DOL_OK && !bytes_equal(m.key, key))
            err = DOL_ENOTFOUND;
        if (err != DOL_OK || (m.flags & MANIFEST_NULL_VERSION) != 0)
            return err;
        seen = m.version;
        at = (struct index_version_position){.key = key, .version = &seen};
    }
}

static enum dol_err view_version(struct index_view *view, uint64_t bucket, struct bytes key,
                                 const struct version_id *version, void **body, size_t *len)
{
    struct index_object o;
    enum dol_err err = version != NULL && version_id_equal(version, &version_id_null)
                           ? view_null_version(view, bucket, key, &o)
                           : index_object_get(view, bucket, key, version, &o);
    if (err != DOL_OK)
        return err;
    *body = malloc(o.body.len);
    if (*body == NULL)
        return DOL_ENOMEM;
    memcpy(*body, o.body.data, o.body.len);
    *len = o.body.len;
    return DOL_OK;
}

/* Frees the body when it can't be decoded. */
static enum dol_err decode_copy(void **body, size_t len, struct manifest *out)
{
    enum dol_err err = manifest_decode(bytes_of(*body, len), out);
    if (err != DOL_OK) {
        free(*body);
        *body = NULL;
    }
    return err;
}

enum dol_err store_bucket_ref(struct store *s, struct bytes name, struct bucket_ref *out)
{
    struct index_view *view;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = view_bucket(view, name, out);
    index_view_end(view);
    return err;
}

enum dol_err store_bucket_id(struct store *s, struct bytes name, uint64_t *id)
{
    struct bucket_ref ref;
    enum dol_err err = store_bucket_ref(s, name, &ref);
    if (err == DOL_OK)
        *id = ref.id;
    return err;
}

enum dol_err store_version_get(struct store *s, uint64_t bucket, struct bytes key, const struct version_id *version,
                               struct manifest *out, void **body)
{
    struct index_view *view;
    size_t len = 0;
    *body = NULL;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = view_version(view, bucket, key, version, body, &len);
    index_view_end(view);
    return err == DOL_OK ? decode_copy(body, len, out) : err;
}

enum dol_err store_version_find(struct store *s, struct bytes bucket, struct bytes key,
                                const struct version_id *version, struct bucket_ref *ref, struct manifest *out,
                                void **body)
{
    struct index_view *view;
    size_t len = 0;
    *body = NULL;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    err = view_bucket(view, bucket, ref);
    if (err == DOL_OK)
        err = view_version(view, ref->id, key, version, body, &len);
    index_view_end(view);
    return err == DOL_OK ? decode_copy(body, len, out) : err;
}

/* The slab of a place may be freed between the look-up and the read, its records copied elsewhere: then again. */
static enum dol_err read_by_hash(struct store *s, uint8_t kind, const struct sha256 *hash, struct record_read *out)
{
    uint64_t slab = 0;
    for (;;) {
        struct index_view *view;
        struct index_chunk chunk;
        enum dol_err err = index_view_begin(s->index, &view);
        if (err != DOL_OK)
            return err;
        err = index_chunk_get(view, kind, hash, &chunk);
        index_view_end(view);
        if (err != DOL_OK)
            return err;
        err = pool_read_record(s->pool, &chunk.place, chunk.lsn, out);
        if (err != DOL_ENOTFOUND || chunk.place.slab == slab)
            return err;
        slab = chunk.place.slab;
    }
}

enum dol_err store_read_chunk(struct store *s, uint8_t kind, const struct sha256 *hash, struct record_read *out)
{
    enum dol_err err = read_by_hash(s, kind, hash, out);
    if (err != DOL_OK)
        return err;
    bool right = out->header.kind == kind;
    if (right && kind == RECORD_CHUNK) {
        struct chunk_body c;
        right = chunk_body_decode(out->body, &c) == DOL_OK && sha256_equal(&c.hash, hash);
    } else if (right) {
        struct chunk_list_body l;
        right = chunk_list_decode(out->body, &l) == DOL_OK && sha256_equal(&l.hash, hash);
    }
    if (!right) {
        record_read_free(out);
        return DOL_ECORRUPT;
    }
    return DOL_OK;
}
