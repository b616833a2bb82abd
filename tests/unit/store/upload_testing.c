/* See upload_testing.h. */
#include "upload_testing.h"

#include <stdlib.h>

#include "hash.h"
#include "store_impl.h"

struct upload_ref upload_begin_with(struct fixture *f, const char *key, uint8_t alg, uint8_t type)
{
    struct put_request req = {.bucket = text("b"), .key = text(key), .owner = text("owner")};
    struct upload_ref u = {.bucket = text("b"), .key = text(key)};
    assert_int_equal(store_upload_create(f->store, &req, alg, type, &u.id), DOL_OK);
    return u;
}

struct upload_ref upload_begin(struct fixture *f, const char *key)
{
    return upload_begin_with(f, key, CHECKSUM_NONE, 0);
}

enum dol_err try_part(struct fixture *f, const struct upload_ref *u, uint32_t number, uint64_t seed, size_t len,
                      const struct object_checksum *checksum, struct sent_part *out)
{
    struct put *p;
    struct put_finish fin = {.expected_size = len};
    struct part_info info;
    uint8_t *data = noise(seed, len);
    if (checksum != NULL)
        fin.checksum = *checksum;
    enum dol_err err = store_part_begin(f->store, u, number, len % 2 ? len : UINT64_MAX, &p);
    for (size_t at = 0; err == DOL_OK && at < len;) {
        size_t n = len - at < 300000 ? len - at : 300000;
        err = store_put_write(p, data + at, n);
        if (err != DOL_OK)
            store_put_abort(p);
        at += n;
    }
    free(data);
    if (err == DOL_OK)
        err = store_part_finish(p, &fin, &info);
    if (err != DOL_OK || out == NULL)
        return err;
    assert_int_equal(info.number, number);
    assert_int_equal(info.size, len);
    assert_true(info.mtime_ns > 0);
    *out = (struct sent_part){
        .number = number, .seed = seed, .len = len, .complete = {.number = number}, .checksum = info.checksum};
    memcpy(out->complete.md5, info.md5, 16);
    return DOL_OK;
}

struct sent_part send_part(struct fixture *f, const struct upload_ref *u, uint32_t number, uint64_t seed, size_t len)
{
    struct sent_part part;
    assert_int_equal(try_part(f, u, number, seed, len, NULL, &part), DOL_OK);
    return part;
}

enum dol_err try_complete_if(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts,
                             unsigned count, struct condition condition, struct complete_result *out)
{
    struct complete_part *list = calloc(count, sizeof *list);
    assert_non_null(list);
    for (unsigned i = 0; i < count; i++)
        list[i] = parts[i].complete;
    struct complete_request req = {
        .upload = *u, .parts = list, .part_count = count, .condition = condition, .expected_size = UINT64_MAX};
    enum dol_err err = store_upload_complete(f->store, &req, out);
    free(list);
    return err;
}

enum dol_err try_complete(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts, unsigned count,
                          struct complete_result *out)
{
    return try_complete_if(f, u, parts, count, (struct condition){.kind = CONDITION_NONE}, out);
}

struct complete_result complete(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts,
                                unsigned count)
{
    struct complete_result result;
    uint8_t md5[16];
    assert_int_equal(try_complete(f, u, parts, count, &result), DOL_OK);
    etag_of_parts(parts, count, md5);
    assert_memory_equal(result.put.etag.md5, md5, 16);
    assert_int_equal(result.put.etag.parts, count);
    assert_true(version_id_is_zero(&result.put.version));
    return result;
}

void etag_of_parts(const struct sent_part *parts, unsigned count, uint8_t out[16])
{
    struct hash_stream *h = hash_stream_new(HASH_MD5);
    assert_non_null(h);
    for (unsigned i = 0; i < count; i++) {
        uint8_t md5[16];
        struct hash_stream *part = hash_stream_new(HASH_MD5);
        uint8_t *data = noise(parts[i].seed, parts[i].len);
        assert_non_null(part);
        hash_stream_update(part, data, parts[i].len);
        hash_stream_final(part, md5);
        hash_stream_free(part);
        free(data);
        assert_memory_equal(md5, parts[i].complete.md5, 16);
        hash_stream_update(h, md5, 16);
    }
    hash_stream_final(h, out);
    hash_stream_free(h);
}

void expect_parts(struct fixture *f, const char *key, const struct sent_part *parts, unsigned count)
{
    struct object *o;
    struct part_info info;
    struct bytes piece;
    uint8_t md5[16];
    uint64_t offset = 0;
    etag_of_parts(parts, count, md5);
    assert_int_equal(store_object_open(f->store, text("b"), text(key), NULL, &o), DOL_OK);
    const struct object_info *oi = store_object_info(o);
    assert_int_equal(oi->part_count, count);
    assert_int_equal(oi->etag.parts, count);
    assert_memory_equal(oi->etag.md5, md5, 16);
    for (unsigned i = 0; i < count; i++) {
        assert_true(store_object_part(o, i, &info));
        assert_int_equal(info.number, parts[i].number);
        assert_int_equal(info.offset, offset);
        assert_int_equal(info.size, parts[i].len);
        assert_memory_equal(info.md5, parts[i].complete.md5, 16);
        assert_memory_equal(&info.checksum, &parts[i].checksum, sizeof info.checksum);
        assert_int_equal(info.mtime_ns, 0);
        uint8_t *data = noise(parts[i].seed, parts[i].len);
        size_t at = 0;
        assert_int_equal(store_object_seek(o, offset, parts[i].len), DOL_OK);
        do {
            assert_int_equal(store_object_read(o, &piece), DOL_OK);
            assert_true(piece.len <= parts[i].len - at);
            if (piece.len > 0)
                assert_memory_equal(piece.data, data + at, piece.len);
            at += piece.len;
        } while (piece.len > 0);
        assert_int_equal(at, parts[i].len);
        free(data);
        offset += parts[i].len;
    }
    assert_false(store_object_part(o, count, &info));
    assert_int_equal(oi->size, offset);
    store_object_close(o);
}

struct part_check {
    const struct sent_part *parts;
    unsigned count, seen;
};

static bool check_part(void *arg, const struct part_info *info)
{
    struct part_check *c = arg;
    assert_true(c->seen < c->count);
    const struct sent_part *p = &c->parts[c->seen++];
    assert_int_equal(info->number, p->number);
    assert_int_equal(info->size, p->len);
    assert_int_equal(info->offset, 0);
    assert_memory_equal(info->md5, p->complete.md5, 16);
    assert_memory_equal(&info->checksum, &p->checksum, sizeof info->checksum);
    assert_true(info->mtime_ns > 0);
    return true;
}

void expect_upload(struct fixture *f, const struct upload_ref *u, const struct sent_part *parts, unsigned count)
{
    struct upload_info info;
    void *memory;
    struct part_check c = {parts, count, 0};
    assert_int_equal(store_upload_get(f->store, u, &info, &memory), DOL_OK);
    assert_memory_equal(info.id.b, u->id.b, 16);
    assert_true(bytes_equal(info.key, u->key));
    free(memory);
    assert_int_equal(store_part_list(f->store, u, 0, check_part, &c), DOL_OK);
    assert_int_equal(c.seen, count);
}

static bool no_part(void *arg, const struct part_info *info)
{
    (void)arg;
    (void)info;
    fail_msg("a part of an upload that isn't there");
    return true;
}

void expect_no_upload(struct fixture *f, const struct upload_ref *u)
{
    struct upload_info info;
    void *memory;
    struct put *p;
    assert_int_equal(store_upload_get(f->store, u, &info, &memory), DOL_ENOUPLOAD);
    assert_null(memory);
    assert_int_equal(store_part_list(f->store, u, 0, no_part, NULL), DOL_ENOUPLOAD);
    assert_int_equal(store_part_begin(f->store, u, 1, UINT64_MAX, &p), DOL_ENOUPLOAD);
    assert_int_equal(store_upload_abort(f->store, u), DOL_ENOUPLOAD);
}

uint64_t chunk_refs(struct fixture *f, const void *data, size_t len)
{
    struct index_view *view;
    struct index_chunk chunk;
    struct sha256 hash = sha256_of(data, len);
    size_t bytes, records;
    while (index_pending(f->store->index, &bytes, &records), records > 0)
        fiber_sleep(50000000);
    assert_int_equal(index_view_begin(f->store->index, &view), DOL_OK);
    enum dol_err err = index_chunk_get(view, RECORD_CHUNK, &hash, &chunk);
    index_view_end(view);
    return err == DOL_OK ? chunk.refs : UINT64_MAX;
}
