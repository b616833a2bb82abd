/* An in-memory store: sorted arrays, no versions, no retention. Bytes are copied in and out; handles are counted so
 * that leaks show. */
#include "fake_store.h"

#include "dol_assert.h"
#include "hash.h"

#include <stdio.h>
#include <stdlib.h>

#define FAKE_BUCKETS_MAX 64u
#define FAKE_OBJECTS_MAX 4096u
#define FAKE_PAIRS_MAX   128u

struct fake_blob {
    char *data;
    size_t len;
};

struct fake_object {
    unsigned bucket; /* index */
    struct fake_blob key;
    struct fake_blob body;
    struct fake_blob owner;
    struct fake_blob headers[HEADER_COUNT];
    struct fake_blob names[FAKE_PAIRS_MAX];
    struct fake_blob values[FAKE_PAIRS_MAX];
    unsigned pairs;
    struct etag etag;
    struct object_checksum checksum;
    int64_t mtime_ns;
    unsigned opened;
    bool replaced; /* no longer in the store; the last to close it frees it */
};

struct store {
    struct bucket_info buckets[FAKE_BUCKETS_MAX];
    unsigned bucket_count;
    struct fake_object *objects[FAKE_OBJECTS_MAX]; /* sorted by bucket, then key */
    unsigned object_count;
    unsigned fail_after[FAKE_CALL_COUNT];
    enum dol_err fail_with[FAKE_CALL_COUNT];
    size_t span_bytes;
    unsigned changes;
    unsigned handles;
    int64_t clock_ns;
};

struct put {
    struct store *store;
    struct fake_object *object;
    struct hash_stream *md5;
};

struct object {
    struct store *store;
    struct fake_object *object;
    struct object_info info;
    uint64_t offset;
    uint64_t left;
    char *span; /* fresh for every read, so that a use after the next call shows */
};

static struct fake_blob blob_of(struct bytes b)
{
    struct fake_blob blob = {NULL, b.len};
    if (b.data != NULL) {
        blob.data = malloc(b.len + 1);
        memcpy(blob.data, b.data, b.len);
        blob.data[b.len] = '\0';
    }
    return blob;
}

static struct bytes blob_bytes(const struct fake_blob *b)
{
    return bytes_of(b->data, b->len);
}

static void object_free(struct fake_object *o)
{
    free(o->key.data);
    free(o->body.data);
    free(o->owner.data);
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        free(o->headers[i].data);
    for (unsigned i = 0; i < o->pairs; i++) {
        free(o->names[i].data);
        free(o->values[i].data);
    }
    free(o);
}

static void object_forget(struct fake_object *o)
{
    o->replaced = true;
    if (o->opened == 0)
        object_free(o);
}

static enum dol_err injected(struct store *s, enum fake_call call)
{
    if (s->fail_after[call] == 0 || --s->fail_after[call] > 0)
        return DOL_OK;
    return s->fail_with[call];
}

struct store *fake_store_new(void)
{
    struct store *s = calloc(1, sizeof *s);
    s->span_bytes = 7;
    s->clock_ns = 1700000000123456789;
    return s;
}

void fake_store_free(struct store *s)
{
    dol_assert(s->handles == 0);
    for (unsigned i = 0; i < s->object_count; i++)
        object_free(s->objects[i]);
    free(s);
}

void fake_store_fail(struct store *s, enum fake_call call, unsigned nth, enum dol_err err)
{
    s->fail_after[call] = nth;
    s->fail_with[call] = err;
}

void fake_store_set_span(struct store *s, size_t bytes)
{
    s->span_bytes = bytes;
}

unsigned fake_store_changes(const struct store *s)
{
    return s->changes;
}

unsigned fake_store_open_handles(const struct store *s)
{
    return s->handles;
}

/* ---- buckets ---- */

static int bucket_find(struct store *s, struct bytes name)
{
    for (unsigned i = 0; i < s->bucket_count; i++)
        if (bytes_equal(name, bytes_of(s->buckets[i].name, strlen(s->buckets[i].name))))
            return (int)i;
    return -1;
}

static void bytes_text(struct bytes b, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%.*s", (int)b.len, (const char *)b.data);
}

enum dol_err store_bucket_create(struct store *s, const struct bucket_create *req, struct bucket_info *out)
{
    int found = bucket_find(s, req->name);
    if (found >= 0) {
        *out = s->buckets[found];
        return DOL_EEXIST;
    }
    dol_assert(s->bucket_count < FAKE_BUCKETS_MAX);
    struct bucket_info *b = &s->buckets[s->bucket_count++];
    *b = (struct bucket_info){.id = s->bucket_count, .created_ns = s->clock_ns};
    bytes_text(req->name, b->name, sizeof b->name);
    bytes_text(req->owner, b->owner, sizeof b->owner);
    bytes_text(req->region, b->region, sizeof b->region);
    *out = *b;
    s->changes++;
    return DOL_OK;
}

enum dol_err store_bucket_get(struct store *s, struct bytes name, struct bucket_info *out)
{
    int found = bucket_find(s, name);
    if (found < 0)
        return DOL_ENOBUCKET;
    *out = s->buckets[found];
    return DOL_OK;
}

enum dol_err store_bucket_delete(struct store *s, struct bytes name)
{
    int found = bucket_find(s, name);
    if (found < 0)
        return DOL_ENOBUCKET;
    for (unsigned i = 0; i < s->object_count; i++)
        if (s->objects[i]->bucket == (unsigned)found)
            return DOL_ENOTEMPTY;
    /* Objects name buckets by index: the place stays, its name goes. */
    s->buckets[found].name[0] = '\0';
    s->changes++;
    return DOL_OK;
}

static int bucket_compare(const void *a, const void *b)
{
    const struct bucket_info *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

enum dol_err store_bucket_list(struct store *s, bucket_list_fn *fn, void *arg)
{
    const struct bucket_info *sorted[FAKE_BUCKETS_MAX];
    for (unsigned i = 0; i < s->bucket_count; i++)
        sorted[i] = &s->buckets[i];
    qsort(sorted, s->bucket_count, sizeof sorted[0], bucket_compare);
    for (unsigned i = 0; i < s->bucket_count; i++)
        if (sorted[i]->name[0] != '\0' && !fn(arg, sorted[i]))
            break;
    return DOL_OK;
}

void fake_store_set_bucket_owner(struct store *s, const char *bucket, const char *owner)
{
    int found = bucket_find(s, bytes_of(bucket, strlen(bucket)));
    dol_assert(found >= 0);
    snprintf(s->buckets[found].owner, sizeof s->buckets[found].owner, "%s", owner);
}

/* ---- objects ---- */

/* Index of the first object not before (bucket, key); *exact when it is that. */
static unsigned object_find(struct store *s, unsigned bucket, struct bytes key, bool *exact)
{
    unsigned i = 0;
    *exact = false;
    for (; i < s->object_count; i++) {
        const struct fake_object *o = s->objects[i];
        int c = o->bucket != bucket ? (o->bucket < bucket ? -1 : 1) : bytes_compare(blob_bytes(&o->key), key);
        if (c >= 0) {
            *exact = c == 0;
            break;
        }
    }
    return i;
}

enum dol_err store_put_begin(struct store *s, const struct put_request *req, struct put **out)
{
    enum dol_err err = injected(s, FAKE_CALL_PUT_BEGIN);
    int bucket = bucket_find(s, req->bucket);
    if (err != DOL_OK || bucket < 0)
        return err != DOL_OK ? err : DOL_ENOBUCKET;
    struct put *put = calloc(1, sizeof *put);
    struct fake_object *o = calloc(1, sizeof *o);
    o->bucket = (unsigned)bucket;
    o->key = blob_of(req->key);
    o->owner = blob_of(req->owner);
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        o->headers[i] = blob_of(req->headers[i]);
    dol_assert(req->metadata_count <= FAKE_PAIRS_MAX);
    o->pairs = req->metadata_count;
    for (unsigned i = 0; i < o->pairs; i++) {
        o->names[i] = blob_of(req->metadata[i].name);
        o->values[i] = blob_of(req->metadata[i].value);
    }
    *put = (struct put){s, o, hash_stream_new(HASH_MD5)};
    s->handles++;
    *out = put;
    return DOL_OK;
}

enum dol_err store_put_write(struct put *put, const void *data, size_t len)
{
    enum dol_err err = injected(put->store, FAKE_CALL_PUT_WRITE);
    if (err != DOL_OK)
        return err;
    struct fake_blob *body = &put->object->body;
    body->data = realloc(body->data, body->len + len + 1);
    memcpy(body->data + body->len, data, len);
    body->len += len;
    hash_stream_update(put->md5, data, len);
    return DOL_OK;
}

void store_put_abort(struct put *put)
{
    put->store->handles--;
    hash_stream_free(put->md5);
    if (put->object != NULL)
        object_free(put->object);
    free(put);
}

enum dol_err store_put_finish(struct put *put, const struct put_finish *fin, struct put_result *out)
{
    struct store *s = put->store;
    struct fake_object *o = put->object;
    enum dol_err err = injected(s, FAKE_CALL_PUT_FINISH);
    bool exact;
    hash_stream_final(put->md5, o->etag.md5);
    if (err == DOL_OK && fin->expected_size != UINT64_MAX && fin->expected_size != o->body.len)
        err = DOL_ELENGTH;
    if (err == DOL_OK && fin->md5 != NULL && memcmp(fin->md5, o->etag.md5, 16) != 0)
        err = DOL_EDIGEST;
    if (err != DOL_OK)
        goto out;
    o->checksum = fin->checksum;
    o->mtime_ns = s->clock_ns;
    *out = (struct put_result){.etag = o->etag, .size = o->body.len, .mtime_ns = o->mtime_ns};
    unsigned at = object_find(s, o->bucket, blob_bytes(&o->key), &exact);
    if (exact) {
        object_forget(s->objects[at]);
    } else {
        dol_assert(s->object_count < FAKE_OBJECTS_MAX);
        memmove(&s->objects[at + 1], &s->objects[at], (s->object_count - at) * sizeof s->objects[0]);
        s->object_count++;
    }
    s->objects[at] = o;
    put->object = NULL;
    s->changes++;
out:
    store_put_abort(put);
    return err;
}

static void info_fill(const struct fake_object *o, struct object_info *info)
{
    *info = (struct object_info){
        .key = blob_bytes(&o->key),
        .size = o->body.len,
        .mtime_ns = o->mtime_ns,
        .etag = o->etag,
        .null_version = true,
        .owner = blob_bytes(&o->owner),
        .checksum = o->checksum,
    };
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        info->headers[i] = blob_bytes(&o->headers[i]);
}

enum dol_err store_object_open(struct store *s, struct bytes bucket, struct bytes key, const struct version_id *version,
                               struct object **out)
{
    bool exact;
    int found = bucket_find(s, bucket);
    if (found < 0)
        return DOL_ENOBUCKET;
    if (version != NULL)
        return DOL_ENOVERSION;
    unsigned at = object_find(s, (unsigned)found, key, &exact);
    if (!exact)
        return DOL_ENOTFOUND;
    struct object *o = calloc(1, sizeof *o);
    o->store = s;
    o->object = s->objects[at];
    o->object->opened++;
    s->handles++;
    info_fill(o->object, &o->info);
    *out = o;
    return DOL_OK;
}

const struct object_info *store_object_info(const struct object *o)
{
    return &o->info;
}

bool store_object_metadata(const struct object *o, unsigned i, struct metadata_pair *out)
{
    if (i >= o->object->pairs)
        return false;
    *out = (struct metadata_pair){blob_bytes(&o->object->names[i]), blob_bytes(&o->object->values[i])};
    return true;
}

enum dol_err store_object_seek(struct object *o, uint64_t offset, uint64_t len)
{
    dol_assert(offset <= o->info.size && len <= o->info.size - offset);
    o->offset = offset;
    o->left = len;
    return DOL_OK;
}

enum dol_err store_object_read(struct object *o, struct bytes *out)
{
    enum dol_err err = injected(o->store, FAKE_CALL_READ);
    free(o->span);
    o->span = NULL;
    if (err != DOL_OK)
        return err;
    size_t len = o->left < o->store->span_bytes ? (size_t)o->left : o->store->span_bytes;
    o->span = malloc(len > 0 ? len : 1);
    if (len > 0)
        memcpy(o->span, o->object->body.data + o->offset, len);
    o->offset += len;
    o->left -= len;
    *out = bytes_of(o->span, len);
    return DOL_OK;
}

void store_object_close(struct object *o)
{
    o->store->handles--;
    if (--o->object->opened == 0 && o->object->replaced)
        object_free(o->object);
    free(o->span);
    free(o);
}

void fake_store_set_mtime(struct store *s, const char *bucket, const char *key, int64_t mtime_ns)
{
    bool exact;
    int found = bucket_find(s, bytes_of(bucket, strlen(bucket)));
    dol_assert(found >= 0);
    unsigned at = object_find(s, (unsigned)found, bytes_of(key, strlen(key)), &exact);
    dol_assert(exact);
    s->objects[at]->mtime_ns = mtime_ns;
}

enum dol_err store_object_delete(struct store *s, const struct delete_request *req, struct delete_result *out)
{
    bool exact;
    enum dol_err err = injected(s, FAKE_CALL_DELETE);
    int found = bucket_find(s, req->bucket);
    *out = (struct delete_result){0};
    if (err != DOL_OK || found < 0)
        return err != DOL_OK ? err : DOL_ENOBUCKET;
    if (req->version != NULL)
        return DOL_OK;
    unsigned at = object_find(s, (unsigned)found, req->key, &exact);
    if (!exact)
        return DOL_OK;
    object_forget(s->objects[at]);
    s->object_count--;
    memmove(&s->objects[at], &s->objects[at + 1], (s->object_count - at) * sizeof s->objects[0]);
    out->existed = true;
    s->changes++;
    return DOL_OK;
}

/* ---- listing ---- */

/* The common prefix that `key` belongs to, or len 0. */
static struct bytes prefix_of(const struct list_request *req, struct bytes key)
{
    if (req->delimiter.len == 0 || key.len < req->prefix.len + req->delimiter.len)
        return bytes_of(NULL, 0);
    for (size_t i = req->prefix.len; i + req->delimiter.len <= key.len; i++)
        if (memcmp((const char *)key.data + i, req->delimiter.data, req->delimiter.len) == 0)
            return bytes_of(key.data, i + req->delimiter.len);
    return bytes_of(NULL, 0);
}

static bool has_prefix(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

enum dol_err store_object_list(struct store *s, const struct list_request *req, object_list_fn *fn, void *arg,
                               bool *truncated, uint8_t *last, size_t *last_len)
{
    enum dol_err err = injected(s, FAKE_CALL_LIST);
    int bucket = bucket_find(s, req->bucket);
    unsigned count = 0;
    struct bytes skip = req->after;
    bool skip_is_prefix =
        req->delimiter.len > 0 && skip.len >= req->delimiter.len && prefix_of(req, skip).len == skip.len;
    *truncated = false;
    *last_len = 0;
    if (err != DOL_OK || bucket < 0)
        return err != DOL_OK ? err : DOL_ENOBUCKET;
    dol_assert(req->max_entries >= 1 && req->max_entries <= 1000);
    for (unsigned i = 0; i < s->object_count; i++) {
        struct bytes key = blob_bytes(&s->objects[i]->key);
        if (s->objects[i]->bucket != (unsigned)bucket || !has_prefix(key, req->prefix))
            continue;
        if (skip.len > 0 && (bytes_compare(key, skip) <= 0 || (skip_is_prefix && has_prefix(key, skip))))
            continue;
        struct bytes prefix = prefix_of(req, key);
        struct bytes entry = prefix.len > 0 ? prefix : key;
        struct object_info info;
        info_fill(s->objects[i], &info);
        if (count == req->max_entries || !fn(arg, entry, prefix.len > 0 ? NULL : &info)) {
            *truncated = true;
            return DOL_OK;
        }
        count++;
        memcpy(last, entry.data, entry.len);
        *last_len = entry.len;
        skip = entry;
        skip_is_prefix = prefix.len > 0;
    }
    return DOL_OK;
}
