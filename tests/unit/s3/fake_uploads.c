/* Multipart uploads of the in-memory store. Ended uploads are remembered, so that a repeated Complete is known. */
#include "fake_impl.h"

#include "checksum.h"

#include <stdlib.h>

enum fake_upload_state { FAKE_UPLOAD_OPEN, FAKE_UPLOAD_COMPLETED, FAKE_UPLOAD_ABORTED };

struct fake_part {
    struct part_info info;
    struct fake_blob body;
};

struct fake_upload {
    enum fake_upload_state state;
    struct upload_id id;
    struct fake_object *object; /* what it will be */
    int64_t created_ns;
    uint8_t checksum_alg;
    uint8_t checksum_type;
    struct fake_part *parts; /* ascending numbers */
    unsigned part_count;
    struct complete_result result; /* once completed */
};

static void parts_free(struct fake_upload *u)
{
    for (unsigned i = 0; i < u->part_count; i++)
        free(u->parts[i].body.data);
    free(u->parts);
    u->parts = NULL;
    u->part_count = 0;
}

void fake_uploads_free(struct store *s)
{
    for (unsigned i = 0; i < s->upload_count; i++) {
        parts_free(s->uploads[i]);
        fake_object_free(s->uploads[i]->object);
        free(s->uploads[i]);
    }
}

bool fake_uploads_in(const struct store *s, unsigned bucket)
{
    for (unsigned i = 0; i < s->upload_count; i++)
        if (s->uploads[i]->state == FAKE_UPLOAD_OPEN && s->uploads[i]->object->bucket == bucket)
            return true;
    return false;
}

/* ENOBUCKET, or ENOUPLOAD unless it is there in this state. */
static enum dol_err upload_find(struct store *s, const struct upload_ref *ref, enum fake_upload_state state,
                                struct fake_upload **out)
{
    int bucket = fake_bucket_find(s, ref->bucket);
    if (bucket < 0)
        return DOL_ENOBUCKET;
    for (unsigned i = 0; i < s->upload_count; i++) {
        struct fake_upload *u = s->uploads[i];
        if (u->state == state && u->object->bucket == (unsigned)bucket &&
            memcmp(u->id.b, ref->id.b, sizeof u->id.b) == 0 &&
            bytes_equal(fake_blob_bytes(&u->object->key), ref->key)) {
            *out = u;
            return DOL_OK;
        }
    }
    return DOL_ENOUPLOAD;
}

enum dol_err store_upload_create(struct store *s, const struct put_request *req, uint8_t checksum_alg,
                                 uint8_t checksum_type, struct upload_id *out)
{
    enum dol_err err = fake_injected(s, FAKE_CALL_UPLOAD);
    int bucket = fake_bucket_find(s, req->bucket);
    if (err != DOL_OK || bucket < 0)
        return err != DOL_OK ? err : DOL_ENOBUCKET;
    dol_assert(s->upload_count < FAKE_UPLOADS_MAX);
    struct fake_upload *u = calloc(1, sizeof *u);
    u->object = fake_object_new(req, (unsigned)bucket);
    u->created_ns = s->clock_ns;
    u->checksum_alg = checksum_alg;
    u->checksum_type = checksum_type;
    u->id.b[0] = 0xab;
    u->id.b[14] = (uint8_t)(s->upload_count >> 8);
    u->id.b[15] = (uint8_t)s->upload_count;
    s->uploads[s->upload_count++] = u;
    s->changes++;
    *out = u->id;
    return DOL_OK;
}

static void upload_fill(const struct fake_upload *u, struct upload_info *out)
{
    *out = (struct upload_info){
        .id = u->id,
        .key = fake_blob_bytes(&u->object->key),
        .owner = fake_blob_bytes(&u->object->owner),
        .initiator = fake_blob_bytes(&u->object->owner),
        .created_ns = u->created_ns,
        .checksum_alg = u->checksum_alg,
        .checksum_type = u->checksum_type,
        .storage_class = u->object->storage_class,
    };
}

enum dol_err store_upload_get(struct store *s, const struct upload_ref *ref, struct upload_info *out, void **memory)
{
    struct fake_upload *u;
    enum dol_err err = upload_find(s, ref, FAKE_UPLOAD_OPEN, &u);
    if (err != DOL_OK)
        return err;
    upload_fill(u, out);
    *memory = malloc(1); /* a caller that doesn't free it shows */
    return DOL_OK;
}

enum dol_err store_upload_abort(struct store *s, const struct upload_ref *ref)
{
    struct fake_upload *u;
    enum dol_err err = fake_injected(s, FAKE_CALL_UPLOAD);
    if (err == DOL_OK)
        err = upload_find(s, ref, FAKE_UPLOAD_OPEN, &u);
    if (err != DOL_OK)
        return err;
    u->state = FAKE_UPLOAD_ABORTED;
    parts_free(u);
    s->changes++;
    return DOL_OK;
}

/* ---- parts ---- */

enum dol_err store_part_begin(struct store *s, const struct upload_ref *ref, uint32_t number, uint64_t size_hint,
                              struct put **out)
{
    (void)size_hint;
    struct fake_upload *u;
    enum dol_err err = fake_injected(s, FAKE_CALL_PUT_BEGIN);
    if (err == DOL_OK)
        err = upload_find(s, ref, FAKE_UPLOAD_OPEN, &u);
    if (err != DOL_OK)
        return err;
    dol_assert(number >= 1 && number <= UPLOAD_PARTS_MAX);
    struct put *put = calloc(1, sizeof *put);
    *put = (struct put){.store = s,
                        .object = calloc(1, sizeof *put->object),
                        .md5 = hash_stream_new(HASH_MD5),
                        .upload = u,
                        .part_number = number};
    s->handles++;
    *out = put;
    return DOL_OK;
}

static struct fake_part *part_place(struct fake_upload *u, uint32_t number)
{
    unsigned at = 0;
    while (at < u->part_count && u->parts[at].info.number < number)
        at++;
    if (at < u->part_count && u->parts[at].info.number == number) {
        free(u->parts[at].body.data);
        return &u->parts[at];
    }
    u->parts = realloc(u->parts, (u->part_count + 1) * sizeof *u->parts);
    memmove(&u->parts[at + 1], &u->parts[at], (u->part_count - at) * sizeof *u->parts);
    u->part_count++;
    return &u->parts[at];
}

enum dol_err store_part_finish(struct put *put, const struct put_finish *fin, struct part_info *out)
{
    struct store *s = put->store;
    struct fake_object *o = put->object;
    enum dol_err err = fake_injected(s, FAKE_CALL_PUT_FINISH);
    if (err == DOL_OK)
        err = fake_put_seal(put, fin);
    if (err == DOL_OK && put->upload->state != FAKE_UPLOAD_OPEN)
        err = DOL_ENOUPLOAD;
    if (err == DOL_OK) {
        struct fake_part *part = part_place(put->upload, put->part_number);
        *part = (struct fake_part){
            .info = {.number = put->part_number, .size = o->body.len, .checksum = o->checksum, .mtime_ns = o->mtime_ns},
            .body = o->body};
        memcpy(part->info.md5, o->etag.md5, sizeof part->info.md5);
        o->body = (struct fake_blob){NULL, 0};
        s->changes++;
        *out = part->info;
    }
    store_put_abort(put);
    return err;
}

enum dol_err store_part_list(struct store *s, const struct upload_ref *ref, uint32_t after, part_list_fn *fn, void *arg)
{
    struct fake_upload *u;
    enum dol_err err = fake_injected(s, FAKE_CALL_LIST);
    if (err == DOL_OK)
        err = upload_find(s, ref, FAKE_UPLOAD_OPEN, &u);
    for (unsigned i = 0; err == DOL_OK && i < u->part_count; i++)
        if (u->parts[i].info.number > after && !fn(arg, &u->parts[i].info))
            break;
    return err;
}

/* ---- completing ---- */

static struct fake_part *part_find(const struct fake_upload *u, uint32_t number)
{
    for (unsigned i = 0; i < u->part_count; i++)
        if (u->parts[i].info.number == number)
            return &u->parts[i];
    return NULL;
}

static bool checksum_is(const struct object_checksum *a, const struct object_checksum *b)
{
    return a->alg == b->alg && memcmp(a->value, b->value, sizeof a->value) == 0;
}

static enum dol_err complete_check(const struct fake_upload *u, const struct complete_request *req, unsigned i)
{
    const struct complete_part *want = &req->parts[i];
    const struct fake_part *part = part_find(u, want->number);
    dol_assert(i == 0 || req->parts[i - 1].number < want->number);
    if (part == NULL || memcmp(part->info.md5, want->md5, sizeof want->md5) != 0 ||
        (want->checksum.alg != CHECKSUM_NONE && !checksum_is(&want->checksum, &part->info.checksum)))
        return DOL_EPART;
    return i + 1 < req->part_count && part->info.size < req->part_bytes_min ? DOL_ETOOSMALL : DOL_OK;
}

/* A new object of the parts' bytes. */
static struct fake_object *complete_build(const struct store *s, const struct fake_upload *u,
                                          const struct complete_request *req)
{
    struct fake_object *kind = u->object;
    struct hash_stream *md5 = hash_stream_new(HASH_MD5);
    struct checksum_stream stream;
    struct checksum sum;
    struct metadata_pair pairs[FAKE_PAIRS_MAX];
    struct put_request like = {.key = fake_blob_bytes(&kind->key),
                               .owner = fake_blob_bytes(&kind->owner),
                               .storage_class = kind->storage_class,
                               .metadata = pairs,
                               .metadata_count = kind->pairs};
    for (unsigned i = 0; i < HEADER_COUNT; i++)
        like.headers[i] = fake_blob_bytes(&kind->headers[i]);
    for (unsigned i = 0; i < kind->pairs; i++)
        pairs[i] = (struct metadata_pair){fake_blob_bytes(&kind->names[i]), fake_blob_bytes(&kind->values[i])};
    struct fake_object *o = fake_object_new(&like, kind->bucket);
    enum dol_err err = checksum_stream_init(&stream, (enum checksum_alg)u->checksum_alg);
    dol_assert(err == DOL_OK);
    o->parts = calloc(req->part_count, sizeof *o->parts);
    o->part_count = req->part_count;
    for (unsigned i = 0; i < req->part_count; i++) {
        const struct fake_part *part = part_find(u, req->parts[i].number);
        o->parts[i] = part->info;
        o->parts[i].offset = o->body.len;
        o->parts[i].mtime_ns = 0;
        o->body.data = realloc(o->body.data, o->body.len + part->body.len + 1);
        if (part->body.len > 0)
            memcpy(o->body.data + o->body.len, part->body.data, part->body.len);
        o->body.len += part->body.len;
        hash_stream_update(md5, part->info.md5, sizeof part->info.md5);
        if (u->checksum_type == CHECKSUM_COMPOSITE)
            checksum_stream_update(&stream, part->info.checksum.value, part->info.checksum.bytes);
        else
            checksum_stream_update(&stream, part->body.data, part->body.len);
    }
    hash_stream_final(md5, o->etag.md5);
    hash_stream_free(md5);
    checksum_stream_final(&stream, &sum);
    checksum_stream_fini(&stream);
    o->etag.parts = req->part_count;
    o->mtime_ns = s->clock_ns;
    o->checksum.alg = u->checksum_alg;
    o->checksum.type = u->checksum_type;
    o->checksum.bytes = (uint8_t)checksum_bytes(sum.alg);
    memcpy(o->checksum.value, sum.b, sizeof o->checksum.value);
    return o;
}

static enum dol_err complete_again(struct store *s, const struct complete_request *req, struct complete_result *out)
{
    struct fake_upload *u;
    enum dol_err err = upload_find(s, &req->upload, FAKE_UPLOAD_COMPLETED, &u);
    if (err != DOL_OK)
        return err;
    const struct fake_object *o = fake_object_get(s, u->object->bucket, req->upload.key);
    bool same =
        o != NULL && o->part_count == req->part_count && memcmp(&o->etag, &u->result.put.etag, sizeof o->etag) == 0;
    for (unsigned i = 0; same && i < req->part_count; i++)
        same = o->parts[i].number == req->parts[i].number &&
               memcmp(o->parts[i].md5, req->parts[i].md5, sizeof o->parts[i].md5) == 0;
    *out = u->result;
    return same ? DOL_OK : DOL_ENOUPLOAD;
}

enum dol_err store_upload_complete(struct store *s, const struct complete_request *req, struct complete_result *out)
{
    struct fake_upload *u;
    enum dol_err err = fake_injected(s, FAKE_CALL_COMPLETE);
    if (err != DOL_OK)
        return err;
    err = upload_find(s, &req->upload, FAKE_UPLOAD_OPEN, &u);
    if (err == DOL_ENOUPLOAD)
        return complete_again(s, req, out);
    for (unsigned i = 0; err == DOL_OK && i < req->part_count; i++) {
        out->bad_part = i;
        err = complete_check(u, req, i);
    }
    if (err == DOL_OK)
        err = fake_condition_check(s, u->object->bucket, req->upload.key, &req->condition);
    if (err != DOL_OK)
        return err;
    struct fake_object *o = complete_build(s, u, req);
    if (req->expected_size != UINT64_MAX && req->expected_size != o->body.len)
        err = DOL_ELENGTH;
    else if (req->checksum.alg != CHECKSUM_NONE && !checksum_is(&req->checksum, &o->checksum))
        err = DOL_EDIGEST;
    if (err != DOL_OK) {
        fake_object_free(o);
        return err;
    }
    *out = (struct complete_result){.put = {.etag = o->etag, .size = o->body.len, .mtime_ns = o->mtime_ns},
                                    .checksum = o->checksum};
    u->result = *out;
    u->state = FAKE_UPLOAD_COMPLETED;
    parts_free(u);
    fake_object_insert(s, o);
    return DOL_OK;
}

/* ---- listing ---- */

static int upload_compare(const void *a, const void *b)
{
    const struct fake_upload *const *x = a, *const *y = b;
    int c = bytes_compare(fake_blob_bytes(&(*x)->object->key), fake_blob_bytes(&(*y)->object->key));
    return c != 0 ? c : memcmp((*x)->id.b, (*y)->id.b, sizeof(*x)->id.b);
}

/* Behind where the page begins? Ids count up with creation here. */
static bool upload_is_behind(const struct upload_list_request *req, const struct fake_upload *u)
{
    struct bytes key = fake_blob_bytes(&u->object->key);
    int c = bytes_compare(key, req->after_key);
    if (req->after_key.len == 0 || c > 0)
        return true;
    return c == 0 && req->after_id != NULL && memcmp(u->id.b, req->after_id->b, sizeof u->id.b) > 0;
}

enum dol_err store_upload_list(struct store *s, const struct upload_list_request *req, upload_list_fn *fn, void *arg,
                               bool *truncated)
{
    enum dol_err err = fake_injected(s, FAKE_CALL_LIST);
    int bucket = fake_bucket_find(s, req->bucket);
    struct bytes skip = fake_prefix_of(req->prefix, req->delimiter, req->after_key);
    unsigned count = 0;
    *truncated = false;
    if (err != DOL_OK || bucket < 0)
        return err != DOL_OK ? err : DOL_ENOBUCKET;
    dol_assert(req->max_entries >= 1 && req->max_entries <= 1000);
    if (skip.len != req->after_key.len)
        skip.len = 0;
    qsort(s->uploads, s->upload_count, sizeof s->uploads[0], upload_compare);
    for (unsigned i = 0; i < s->upload_count; i++) {
        const struct fake_upload *u = s->uploads[i];
        struct bytes key = fake_blob_bytes(&u->object->key);
        if (u->state != FAKE_UPLOAD_OPEN || u->object->bucket != (unsigned)bucket ||
            !fake_has_prefix(key, req->prefix) || !upload_is_behind(req, u) ||
            (skip.len > 0 && fake_has_prefix(key, skip)))
            continue;
        struct upload_info info;
        upload_fill(u, &info);
        struct bytes prefix = fake_prefix_of(req->prefix, req->delimiter, key);
        if (count == req->max_entries || !fn(arg, prefix.len > 0 ? prefix : key, prefix.len > 0 ? NULL : &info)) {
            *truncated = true;
            return DOL_OK;
        }
        count++;
        skip = prefix;
    }
    return DOL_OK;
}
