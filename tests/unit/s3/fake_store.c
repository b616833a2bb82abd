/* An in-memory store: sorted arrays, no versions, no retention. Bytes are copied in and out; handles are counted so
 * that leaks show. */
#include "fake_impl.h"

#include <stdio.h>
#include <stdlib.h>

const struct version_id version_id_null = {{0xff}};

struct fake_blob fake_blob_of(struct bytes b)
{
    struct fake_blob blob = {NULL, b.len};
    if (b.data != NULL) {
        blob.data = malloc(b.len + 1);
        memcpy(blob.data, b.data, b.len);
        blob.data[b.len] = '\0';
    }
    return blob;
}

struct bytes fake_blob_bytes(const struct fake_blob *b)
{
    return bytes_of(b->data, b->len);
}

static void set_tags(struct fake_object *o, const struct metadata_pair *tags, unsigned count)
{
    for (unsigned i = 0; i < o->tags; i++) {
        free(o->tag_names[i].data);
        free(o->tag_values[i].data);
    }
    dol_assert(count <= FAKE_TAGS_MAX);
    o->tags = count;
    for (unsigned i = 0; i < count; i++) {
        o->tag_names[i] = fake_blob_of(tags[i].name);
        o->tag_values[i] = fake_blob_of(tags[i].value);
    }
}

void fake_object_free(struct fake_object *o)
{
    set_tags(o, NULL, 0);
    free(o->key.data);
    free(o->body.data);
    free(o->owner.data);
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        free(o->headers[i].data);
    for (unsigned i = 0; i < o->pairs; i++) {
        free(o->names[i].data);
        free(o->values[i].data);
    }
    free(o->parts);
    free(o);
}

static void object_forget(struct fake_object *o)
{
    o->replaced = true;
    if (o->opened == 0)
        fake_object_free(o);
}

enum dol_err fake_injected(struct store *s, enum fake_call call)
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
    fake_documents_free(s);
    fake_settings_free(s);
    for (unsigned i = 0; i < s->object_count; i++)
        fake_object_free(s->objects[i]);
    fake_uploads_free(s);
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

int fake_bucket_find(struct store *s, struct bytes name)
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
    int found = fake_bucket_find(s, req->name);
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
    int found = fake_bucket_find(s, name);
    if (found < 0)
        return DOL_ENOBUCKET;
    *out = s->buckets[found];
    return DOL_OK;
}

enum dol_err store_bucket_set_versioning(struct store *s, struct bytes name, uint8_t versioning)
{
    int found = fake_bucket_find(s, name);
    if (versioning == BUCKET_VERSIONING_OFF)
        return DOL_EINVAL;
    if (found < 0)
        return DOL_ENOBUCKET;
    s->buckets[found].versioning = versioning;
    s->changes++;
    return DOL_OK;
}

enum dol_err store_bucket_delete(struct store *s, struct bytes name)
{
    int found = fake_bucket_find(s, name);
    if (found < 0)
        return DOL_ENOBUCKET;
    for (unsigned i = 0; i < s->object_count; i++)
        if (s->objects[i]->bucket == (unsigned)found)
            return DOL_ENOTEMPTY;
    if (fake_uploads_in(s, (unsigned)found))
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
    int found = fake_bucket_find(s, bytes_of(bucket, strlen(bucket)));
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
        int c = o->bucket != bucket ? (o->bucket < bucket ? -1 : 1) : bytes_compare(fake_blob_bytes(&o->key), key);
        if (c >= 0) {
            *exact = c == 0;
            break;
        }
    }
    return i;
}

enum dol_err fake_condition_check(struct store *s, unsigned bucket, struct bytes key, const struct condition *c)
{
    bool exact;
    unsigned at = object_find(s, bucket, key, &exact);
    switch ((enum condition_kind)c->kind) {
    case CONDITION_NONE:
        return DOL_OK;
    case CONDITION_ABSENT:
        return exact ? DOL_EPRECONDITION : DOL_OK;
    case CONDITION_EXISTS:
        return exact ? DOL_OK : DOL_ENOTFOUND;
    case CONDITION_ETAG:
        break;
    }
    if (!exact)
        return DOL_ENOTFOUND;
    const struct etag *etag = &s->objects[at]->etag;
    bool equal = etag->parts == c->etag.parts && memcmp(etag->md5, c->etag.md5, sizeof etag->md5) == 0;
    return equal ? DOL_OK : DOL_EPRECONDITION;
}

struct fake_object *fake_object_new(const struct put_request *req, unsigned bucket)
{
    struct fake_object *o = calloc(1, sizeof *o);
    o->bucket = bucket;
    o->key = fake_blob_of(req->key);
    o->owner = fake_blob_of(req->owner);
    o->storage_class = req->storage_class;
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        o->headers[i] = fake_blob_of(req->headers[i]);
    dol_assert(req->metadata_count <= FAKE_PAIRS_MAX);
    o->pairs = req->metadata_count;
    for (unsigned i = 0; i < o->pairs; i++) {
        o->names[i] = fake_blob_of(req->metadata[i].name);
        o->values[i] = fake_blob_of(req->metadata[i].value);
    }
    set_tags(o, req->tags, req->tag_count);
    return o;
}

/* Takes the place of what has its key. */
void fake_object_insert(struct store *s, struct fake_object *o)
{
    bool exact;
    unsigned at = object_find(s, o->bucket, fake_blob_bytes(&o->key), &exact);
    if (exact) {
        object_forget(s->objects[at]);
    } else {
        dol_assert(s->object_count < FAKE_OBJECTS_MAX);
        memmove(&s->objects[at + 1], &s->objects[at], (s->object_count - at) * sizeof s->objects[0]);
        s->object_count++;
    }
    s->objects[at] = o;
    s->changes++;
}

struct fake_object *fake_object_get(struct store *s, unsigned bucket, struct bytes key)
{
    bool exact;
    unsigned at = object_find(s, bucket, key, &exact);
    return exact ? s->objects[at] : NULL;
}

enum dol_err store_put_begin(struct store *s, const struct put_request *req, struct put **out)
{
    if (req->retention.mode != RETENTION_NONE || req->retention.legal_hold)
        return DOL_ENOLOCK;
    enum dol_err err = fake_injected(s, FAKE_CALL_PUT_BEGIN);
    int bucket = fake_bucket_find(s, req->bucket);
    if (err == DOL_OK && bucket < 0)
        err = DOL_ENOBUCKET;
    if (err == DOL_OK)
        err = fake_condition_check(s, (unsigned)bucket, req->key, &req->condition);
    if (err != DOL_OK)
        return err;
    struct put *put = calloc(1, sizeof *put);
    *put = (struct put){.store = s,
                        .object = fake_object_new(req, (unsigned)bucket),
                        .md5 = hash_stream_new(HASH_MD5),
                        .condition = req->condition};
    s->handles++;
    *out = put;
    return DOL_OK;
}

enum dol_err store_put_write(struct put *put, const void *data, size_t len)
{
    enum dol_err err = fake_injected(put->store, FAKE_CALL_PUT_WRITE);
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
        fake_object_free(put->object);
    free(put);
}

enum dol_err fake_put_seal(struct put *put, const struct put_finish *fin)
{
    struct fake_object *o = put->object;
    hash_stream_final(put->md5, o->etag.md5);
    o->checksum = fin->checksum;
    o->mtime_ns = put->store->clock_ns;
    if (fin->expected_size != UINT64_MAX && fin->expected_size != o->body.len)
        return DOL_ELENGTH;
    return fin->md5 != NULL && memcmp(fin->md5, o->etag.md5, 16) != 0 ? DOL_EDIGEST : DOL_OK;
}

enum dol_err store_put_finish(struct put *put, const struct put_finish *fin, struct put_result *out)
{
    struct store *s = put->store;
    struct fake_object *o = put->object;
    enum dol_err err = fake_injected(s, FAKE_CALL_PUT_FINISH);
    if (err == DOL_OK)
        err = fake_put_seal(put, fin);
    if (err == DOL_OK)
        err = fake_condition_check(s, o->bucket, fake_blob_bytes(&o->key), &put->condition);
    if (err == DOL_OK) {
        *out = (struct put_result){.etag = o->etag, .size = o->body.len, .mtime_ns = o->mtime_ns};
        fake_object_insert(s, o);
        put->object = NULL;
    }
    store_put_abort(put);
    return err;
}

static void info_fill(const struct fake_object *o, struct object_info *info)
{
    *info = (struct object_info){
        .key = fake_blob_bytes(&o->key),
        .size = o->body.len,
        .mtime_ns = o->mtime_ns,
        .etag = o->etag,
        .owner = fake_blob_bytes(&o->owner),
        .checksum = o->checksum,
        .storage_class = o->storage_class,
        .part_count = o->part_count,
        .tag_count = o->tags,
    };
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        info->headers[i] = fake_blob_bytes(&o->headers[i]);
}

enum dol_err store_object_open(struct store *s, struct bytes bucket, struct bytes key, const struct version_id *version,
                               struct object **out)
{
    bool exact;
    int found = fake_bucket_find(s, bucket);
    if (found < 0)
        return DOL_ENOBUCKET;
    if (version != NULL && memcmp(version, &version_id_null, sizeof *version) != 0)
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
    *out = (struct metadata_pair){fake_blob_bytes(&o->object->names[i]), fake_blob_bytes(&o->object->values[i])};
    return true;
}

bool store_object_tag(const struct object *o, unsigned i, struct metadata_pair *out)
{
    if (i >= o->object->tags)
        return false;
    *out =
        (struct metadata_pair){fake_blob_bytes(&o->object->tag_names[i]), fake_blob_bytes(&o->object->tag_values[i])};
    return true;
}

enum dol_err store_object_set_tags(struct store *s, const struct tag_request *req, struct tag_result *out)
{
    int found = fake_bucket_find(s, req->bucket);
    struct fake_object *o = found < 0 ? NULL : fake_object_get(s, (unsigned)found, req->key);
    *out = (struct tag_result){0};
    if (o == NULL)
        return found < 0 ? DOL_ENOBUCKET : DOL_ENOTFOUND;
    set_tags(o, req->tags, req->tag_count);
    s->changes++;
    return DOL_OK;
}

bool store_object_part(const struct object *o, unsigned i, struct part_info *out)
{
    if (i >= o->object->part_count)
        return false;
    *out = o->object->parts[i];
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
    enum dol_err err = fake_injected(o->store, FAKE_CALL_READ);
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
        fake_object_free(o->object);
    free(o->span);
    free(o);
}

void fake_store_set_mtime(struct store *s, const char *bucket, const char *key, int64_t mtime_ns)
{
    bool exact;
    int found = fake_bucket_find(s, bytes_of(bucket, strlen(bucket)));
    dol_assert(found >= 0);
    unsigned at = object_find(s, (unsigned)found, bytes_of(key, strlen(key)), &exact);
    dol_assert(exact);
    s->objects[at]->mtime_ns = mtime_ns;
}

enum dol_err store_object_delete(struct store *s, const struct delete_request *req, struct delete_result *out)
{
    bool exact;
    enum dol_err err = fake_injected(s, FAKE_CALL_DELETE);
    int found = fake_bucket_find(s, req->bucket);
    *out = (struct delete_result){0};
    if (err == DOL_OK && found < 0)
        err = DOL_ENOBUCKET;
    if (err == DOL_OK)
        err = fake_condition_check(s, (unsigned)found, req->key, &req->condition);
    if (err != DOL_OK || (req->version != NULL && !version_id_equal(req->version, &version_id_null)))
        return err;
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
struct bytes fake_prefix_of(struct bytes prefix, struct bytes delimiter, struct bytes key)
{
    if (delimiter.len == 0 || key.len < prefix.len + delimiter.len)
        return bytes_of(NULL, 0);
    for (size_t i = prefix.len; i + delimiter.len <= key.len; i++)
        if (memcmp((const char *)key.data + i, delimiter.data, delimiter.len) == 0)
            return bytes_of(key.data, i + delimiter.len);
    return bytes_of(NULL, 0);
}

bool fake_has_prefix(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

enum dol_err store_object_list(struct store *s, const struct list_request *req, object_list_fn *fn, void *arg,
                               bool *truncated, uint8_t *last, size_t *last_len)
{
    enum dol_err err = fake_injected(s, FAKE_CALL_LIST);
    int bucket = fake_bucket_find(s, req->bucket);
    unsigned count = 0;
    struct bytes skip = req->after;
    bool skip_is_prefix = req->delimiter.len > 0 && skip.len >= req->delimiter.len &&
                          fake_prefix_of(req->prefix, req->delimiter, skip).len == skip.len;
    *truncated = false;
    *last_len = 0;
    if (err != DOL_OK || bucket < 0)
        return err != DOL_OK ? err : DOL_ENOBUCKET;
    dol_assert(req->max_entries >= 1 && req->max_entries <= 1000);
    for (unsigned i = 0; i < s->object_count; i++) {
        struct bytes key = fake_blob_bytes(&s->objects[i]->key);
        if (s->objects[i]->bucket != (unsigned)bucket || !fake_has_prefix(key, req->prefix))
            continue;
        if (skip.len > 0 && (bytes_compare(key, skip) <= 0 || (skip_is_prefix && fake_has_prefix(key, skip))))
            continue;
        struct bytes prefix = fake_prefix_of(req->prefix, req->delimiter, key);
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

/* Keeps no versions: each object's only one. */
enum dol_err store_version_list(struct store *s, const struct version_list_request *req, version_list_fn *fn, void *arg,
                                bool *truncated)
{
    enum dol_err err = fake_injected(s, FAKE_CALL_LIST);
    int bucket = fake_bucket_find(s, req->bucket);
    unsigned count = 0;
    *truncated = false;
    if (err != DOL_OK || bucket < 0)
        return err != DOL_OK ? err : DOL_ENOBUCKET;
    for (unsigned i = 0; i < s->object_count; i++) {
        struct object_info info;
        struct bytes key = fake_blob_bytes(&s->objects[i]->key);
        if (s->objects[i]->bucket != (unsigned)bucket || !fake_has_prefix(key, req->prefix) ||
            bytes_compare(key, req->after_key) <= 0)
            continue;
        info_fill(s->objects[i], &info);
        if (count == req->max_entries || !fn(arg, key, &info, true)) {
            *truncated = true;
            return DOL_OK;
        }
        count++;
    }
    return DOL_OK;
}
