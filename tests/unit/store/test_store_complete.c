/*
 * Complete: what it asks of the parts, the ETag and checksum it computes, the same request again, and how the
 * references of parts of all sizes become those of one object.
 */
#include "upload_testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "checksum_fold.h"
#include "hash.h"
#include "store_impl.h"

/* ---- validation ---- */

static void tell_validation(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "k", 9, 10);
    struct upload_ref u = upload_begin(f, "k");
    struct sent_part p[3] = {send_part(f, &u, 1, 1, 1000), send_part(f, &u, 3, 2, 2000), send_part(f, &u, 5, 3, 999)};
    struct complete_part list[3] = {p[0].complete, p[1].complete, p[2].complete};
    struct complete_result r;
    struct complete_request req = {
        .upload = u, .parts = list, .part_count = 3, .part_bytes_min = 1000, .expected_size = UINT64_MAX};
    req.part_count = 0;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EINVAL);
    req.part_count = UPLOAD_PARTS_MAX + 1;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EINVAL);
    req.part_count = 3;
    /* a part that isn't there, in every place */
    static const uint32_t numbers[][3] = {{2, 3, 5}, {1, 2, 5}, {1, 3, 4}, {1, 3, 6}, {4, 5, 6}};
    static const unsigned bad[] = {0, 1, 2, 2, 0};
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned j = 0; j < 3; j++)
            list[j].number = numbers[i][j];
        assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EPART);
        assert_int_equal(r.bad_part, bad[i]);
    }
    for (unsigned j = 0; j < 3; j++)
        list[j].number = p[j].number;
    list[1].md5[7] ^= 1;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EPART);
    assert_int_equal(r.bad_part, 1);
    list[1].md5[7] ^= 1;
    /* a checksum where none is kept */
    list[2].checksum = (struct object_checksum){CHECKSUM_CRC32, CHECKSUM_FULL_OBJECT, 4, {1, 2, 3, 4}};
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EPART);
    assert_int_equal(r.bad_part, 2);
    memset(&list[2].checksum, 0, sizeof list[2].checksum);
    /* too small: all but the last count */
    req.part_bytes_min = 1001;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_ETOOSMALL);
    assert_int_equal(r.bad_part, 0);
    req.parts = list + 1;
    req.part_count = 2;
    req.part_bytes_min = 2001;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_ETOOSMALL);
    assert_int_equal(r.bad_part, 0);
    req.part_bytes_min = 2000;
    req.expected_size = 3000;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_ELENGTH);
    req.expected_size = 2999;
    req.checksum = (struct object_checksum){CHECKSUM_CRC32, CHECKSUM_FULL_OBJECT, 4, {1, 2, 3, 4}};
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EDIGEST); /* none is known */
    memset(&req.checksum, 0, sizeof req.checksum);
    expect_upload(f, &u, p, 3);
    expect_noise(f, "k", 9, 10);
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_OK);
    assert_int_equal(r.put.size, 2999);
    expect_parts(f, "k", p + 1, 2);
    expect_no_upload(f, &u);
}

static void test_validation(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_validation);
    fixture_fini(&f);
}

/* ---- checksums ---- */

static const size_t checksum_sizes[] = {300000, 1, 700001, 0};

static struct object_checksum sum_of(uint8_t alg, const void *data, size_t len)
{
    struct object_checksum c = {.alg = alg, .type = CHECKSUM_FULL_OBJECT};
    struct hash_stream *h = hash_stream_new(alg == CHECKSUM_SHA1 ? HASH_SHA1 : HASH_SHA256);
    if (checksum_is_crc(alg)) {
        c = crc_checksum(alg, crc_update(alg, 0, data, len));
    } else {
        c.bytes = alg == CHECKSUM_SHA1 ? 20 : 32;
        hash_stream_update(h, data, len);
        hash_stream_final(h, c.value);
    }
    hash_stream_free(h);
    return c;
}

/* Straight: over all bytes, or over the parts' values. */
static struct object_checksum expected_sum(uint8_t alg, uint8_t type, const struct sent_part *p)
{
    size_t total = 0, digests = 0;
    uint8_t *all = malloc(2000000), values[4 * 32];
    assert_non_null(all);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *data = noise(p[i].seed, p[i].len);
        memcpy(all + total, data, p[i].len);
        total += p[i].len;
        struct object_checksum part = sum_of(alg, data, p[i].len);
        memcpy(values + digests, part.value, part.bytes);
        digests += part.bytes;
        free(data);
    }
    struct object_checksum c = type == CHECKSUM_FULL_OBJECT ? sum_of(alg, all, total) : sum_of(alg, values, digests);
    c.type = type;
    free(all);
    return c;
}

/* given: the client sends each part's checksum; else the store computes it, where it is a CRC. */
static void tell_checksum(struct fixture *f, uint8_t alg, uint8_t type, bool given)
{
    struct sent_part p[4];
    struct complete_part list[4];
    struct complete_result r;
    struct upload_ref u = upload_begin_with(f, "k", alg, type);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *data = noise(i + alg, checksum_sizes[i]);
        struct object_checksum sum = sum_of(alg, data, checksum_sizes[i]);
        free(data);
        assert_int_equal(try_part(f, &u, i + 1, i + alg, checksum_sizes[i], given ? &sum : NULL, &p[i]), DOL_OK);
        assert_memory_equal(&p[i].checksum, &sum, sizeof sum);
        list[i] = p[i].complete;
        if (i % 2 == 0)
            list[i].checksum = sum;
    }
    struct complete_request req = {.upload = u,
                                   .parts = list,
                                   .part_count = 4,
                                   .expected_size = UINT64_MAX,
                                   .checksum = expected_sum(alg, type, p)};
    struct object_checksum right = req.checksum;
    list[2].checksum.value[0] ^= 1;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EPART);
    assert_int_equal(r.bad_part, 2);
    list[2].checksum.value[0] ^= 1;
    req.checksum.value[1] ^= 1;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EDIGEST);
    req.checksum = right;
    req.checksum.type ^= 3;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_EDIGEST);
    req.checksum = right;
    assert_int_equal(store_upload_complete(f->store, &req, &r), DOL_OK);
    assert_memory_equal(&r.checksum, &right, sizeof right);
    struct object *o;
    assert_int_equal(store_object_open(f->store, text("b"), text("k"), NULL, &o), DOL_OK);
    assert_memory_equal(&store_object_info(o)->checksum, &right, sizeof right);
    store_object_close(o);
    expect_parts(f, "k", p, 4);
}

static void tell_checksums(struct fixture *f)
{
    make_bucket(f);
    tell_checksum(f, CHECKSUM_CRC32, CHECKSUM_FULL_OBJECT, true);
    tell_checksum(f, CHECKSUM_CRC32, CHECKSUM_COMPOSITE, false);
    tell_checksum(f, CHECKSUM_CRC32C, CHECKSUM_FULL_OBJECT, false);
    tell_checksum(f, CHECKSUM_CRC32C, CHECKSUM_COMPOSITE, true);
    tell_checksum(f, CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT, false);
    tell_checksum(f, CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT, true);
    tell_checksum(f, CHECKSUM_SHA1, CHECKSUM_COMPOSITE, true);
    tell_checksum(f, CHECKSUM_SHA256, CHECKSUM_COMPOSITE, true);
}

static void tell_checksum_refusals(struct fixture *f)
{
    struct upload_ref crc = upload_begin_with(f, "x", CHECKSUM_CRC32C, CHECKSUM_FULL_OBJECT);
    struct upload_ref sha = upload_begin_with(f, "x", CHECKSUM_SHA256, CHECKSUM_COMPOSITE);
    struct upload_ref none = upload_begin(f, "x");
    struct object_checksum wrong = {CHECKSUM_CRC32C, CHECKSUM_FULL_OBJECT, 4, {1, 2, 3, 4}}, kept;
    struct sent_part part;
    struct complete_result r;
    assert_int_equal(try_part(f, &crc, 1, 1, 100, &wrong, NULL), DOL_EDIGEST);
    assert_int_equal(try_part(f, &sha, 1, 1, 100, &wrong, NULL), DOL_EINVAL); /* another algorithm */
    expect_upload(f, &crc, NULL, 0);
    /* SHA is the sender's to compute: a part without it makes no object */
    part = send_part(f, &sha, 1, 1, 100);
    assert_int_equal(part.checksum.alg, CHECKSUM_NONE);
    assert_int_equal(try_complete(f, &sha, &part, 1, &r), DOL_EPART);
    /* an upload that asked for none keeps what a part brought */
    uint8_t *data = noise(1, 100);
    kept = sum_of(CHECKSUM_SHA1, data, 100);
    free(data);
    assert_int_equal(try_part(f, &none, 1, 1, 100, &kept, &part), DOL_OK);
    assert_memory_equal(&part.checksum, &kept, sizeof kept);
    assert_int_equal(complete(f, &none, &part, 1).checksum.alg, CHECKSUM_NONE);
    expect_parts(f, "x", &part, 1);
}

static void test_checksums(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_checksums);
    fixture_write_session(&f, tell_checksum_refusals);
    fixture_fini(&f);
}

/* ---- the same request again ---- */

static struct upload_ref done;
static struct sent_part done_parts[2];
static struct complete_result done_result;

static void expect_same(const struct complete_result *r)
{
    assert_memory_equal(&r->put.etag, &done_result.put.etag, sizeof r->put.etag);
    assert_int_equal(r->put.size, done_result.put.size);
    assert_int_equal(r->put.mtime_ns, done_result.put.mtime_ns);
    assert_memory_equal(&r->checksum, &done_result.checksum, sizeof r->checksum);
}

static void tell_done(struct fixture *f)
{
    make_bucket(f);
    done = upload_begin_with(f, "k", CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT);
    done_parts[0] = send_part(f, &done, 1, 1, 300000);
    done_parts[1] = send_part(f, &done, 2, 2, 40);
    done_result = complete(f, &done, done_parts, 2);
}

static void tell_again(struct fixture *f)
{
    struct complete_result r;
    struct condition absent = {.kind = CONDITION_ABSENT};
    assert_int_equal(try_complete(f, &done, done_parts, 2, &r), DOL_OK);
    expect_same(&r);
    /* the condition that the first one met is the object's own doing now */
    assert_int_equal(try_complete_if(f, &done, done_parts, 2, absent, &r), DOL_OK);
    expect_same(&r);
    /* other parts, in whatever way, are another request */
    struct sent_part other[3] = {done_parts[0], done_parts[1], done_parts[1]};
    assert_int_equal(try_complete(f, &done, other, 1, &r), DOL_ENOUPLOAD);
    other[2].complete.number = 3;
    assert_int_equal(try_complete(f, &done, other, 3, &r), DOL_ENOUPLOAD);
    other[1].complete.number = 3;
    assert_int_equal(try_complete(f, &done, other, 2, &r), DOL_ENOUPLOAD);
    other[1] = done_parts[1];
    other[1].complete.md5[0] ^= 1;
    assert_int_equal(try_complete(f, &done, other, 2, &r), DOL_ENOUPLOAD);
    other[1] = done_parts[1];
    other[1].complete.checksum = other[1].checksum;
    assert_int_equal(try_complete(f, &done, other, 2, &r), DOL_OK);
    other[1].complete.checksum.value[0] ^= 1;
    assert_int_equal(try_complete(f, &done, other, 2, &r), DOL_ENOUPLOAD);
    struct upload_ref key = done;
    key.key = text("l");
    assert_int_equal(try_complete(f, &key, done_parts, 2, &r), DOL_ENOUPLOAD);
    expect_parts(f, "k", done_parts, 2);
}

static void tell_no_longer(struct fixture *f)
{
    struct complete_result r;
    put_noise(f, "k", 7, 100);
    assert_int_equal(try_complete(f, &done, done_parts, 2, &r), DOL_ENOUPLOAD);
    expect_noise(f, "k", 7, 100);
    remove_object(f, "k");
    assert_int_equal(try_complete(f, &done, done_parts, 2, &r), DOL_ENOUPLOAD);
    expect_absent(f, "k");
}

static void test_again(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_done);
    fixture_write_session(&f, tell_again);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_again);
    fixture_write_session(&f, tell_no_longer);
    fixture_fini(&f);
}

/* ---- references of many parts ---- */

static uint64_t applied_chunk_refs(struct fixture *f, uint64_t seed, size_t len)
{
    uint8_t *data = noise(seed, len);
    uint64_t refs = chunk_refs(f, data, len);
    free(data);
    return refs;
}

/* Around the number of references that a manifest has without a list. */
static void tell_few_chunks(struct fixture *f)
{
    make_bucket(f);
    struct sent_part p[MANIFEST_CHUNKS_MAX + 1];
    for (unsigned count = MANIFEST_CHUNKS_MAX - 1; count <= MANIFEST_CHUNKS_MAX + 1; count++) {
        struct upload_ref u = upload_begin(f, "k");
        for (unsigned i = 0; i < count; i++)
            p[i] = send_part(f, &u, 1 + i, i, 100 + i);
        complete(f, &u, p, count);
        expect_parts(f, "k", p, count);
        assert_int_equal(applied_chunk_refs(f, 5, 105), 1);
    }
}

/* Small parts between large ones: lists are made of their references, those of large parts are kept. */
static void send_mixed(struct fixture *f, struct upload_ref *u, struct sent_part p[7])
{
    static const size_t sizes[7] = {1000, 37 << 20, 2000, 3000, 37 << 20, 37 << 20, 9};
    *u = upload_begin(f, "k");
    for (unsigned i = 0; i < 7; i++)
        p[i] = send_part(f, u, 10 * i + 10, sizes[i] > 10000 ? 1 : i, sizes[i]);
}

static unsigned list_count(struct fixture *f)
{
    struct manifest m;
    void *body;
    uint64_t bucket;
    assert_int_equal(store_bucket_id(f->store, text("b"), &bucket), DOL_OK);
    assert_int_equal(store_version_get(f->store, bucket, text("k"), NULL, &m, &body), DOL_OK);
    unsigned count = (unsigned)(m.list_refs.len / LIST_REF_BYTES);
    assert_int_equal(m.chunk_refs.len, 0);
    free(body);
    return count;
}

static struct sent_part mixed[7];

static void tell_mixed(struct fixture *f)
{
    struct upload_ref u;
    make_bucket(f);
    send_mixed(f, &u, mixed);
    complete(f, &u, mixed, 7);
    expect_parts(f, "k", mixed, 7);
    assert_int_equal(list_count(f), 6); /* 1000 | large | 2000, 3000 | large | large | 9 */
    assert_int_equal(applied_chunk_refs(f, 2, 2000), 1);
    /* packed anew, when that would be too many: all chunks in one list */
    f->store->lists_max = 5;
    send_mixed(f, &u, mixed);
    complete(f, &u, mixed, 7);
    expect_parts(f, "k", mixed, 7);
    assert_int_equal(list_count(f), 1);
    assert_int_equal(applied_chunk_refs(f, 2, 2000), 1);
    /* more than can be packed */
    struct complete_result r;
    f->store->lists_max = 0;
    send_mixed(f, &u, mixed);
    assert_int_equal(try_complete(f, &u, mixed, 7, &r), DOL_ETOOLARGE);
    expect_upload(f, &u, mixed, 7);
    f->store->lists_max = 6;
    complete(f, &u, mixed, 7);
    assert_int_equal(list_count(f), 6);
}

static void tell_mixed_again(struct fixture *f)
{
    expect_parts(f, "k", mixed, 7);
}

static void test_packing(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 0, .drive_bytes = (1u << 20) + 64 * (8ull << 20)};
    fixture_init(&f);
    fixture_write_session(&f, tell_few_chunks);
    fixture_fini(&f);
    f = (struct fixture){.k = 4, .m = 0, .drive_bytes = (1u << 20) + 64 * (8ull << 20)};
    fixture_init(&f);
    fixture_write_session(&f, tell_mixed);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_mixed_again);
    fixture_fini(&f);
}

/* As many parts as there may be. */
static struct sent_part *many;

static void tell_many(struct fixture *f)
{
    make_bucket(f);
    struct upload_ref u = upload_begin_with(f, "k", CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT);
    for (unsigned i = 0; i < UPLOAD_PARTS_MAX; i++)
        many[i] = send_part(f, &u, i + 1, i % 97, 10 + i % 97);
    struct complete_result r = complete(f, &u, many, UPLOAD_PARTS_MAX);
    uint64_t crc = 0;
    for (unsigned i = 0; i < UPLOAD_PARTS_MAX; i++) {
        uint8_t *data = noise(many[i].seed, many[i].len);
        crc = crc64_nvme(crc, data, many[i].len);
        free(data);
    }
    struct object_checksum whole = crc_checksum(CHECKSUM_CRC64NVME, crc);
    assert_memory_equal(&r.checksum, &whole, sizeof whole);
    expect_no_upload(f, &u);
    assert_int_equal(list_count(f), 3);
    /* 104 parts have the bytes of seed 0, in three lists that are different */
    uint8_t *data = noise(0, 10);
    uint64_t refs = chunk_refs(f, data, 10);
    free(data);
    assert_int_equal(refs, 104);
}

static void tell_many_again(struct fixture *f)
{
    struct object *o;
    struct part_info info;
    assert_int_equal(store_object_open(f->store, text("b"), text("k"), NULL, &o), DOL_OK);
    assert_int_equal(store_object_info(o)->part_count, UPLOAD_PARTS_MAX);
    assert_true(store_object_part(o, UPLOAD_PARTS_MAX - 1, &info));
    assert_int_equal(info.number, UPLOAD_PARTS_MAX);
    assert_int_equal(info.offset + info.size, store_object_info(o)->size);
    assert_memory_equal(info.md5, many[UPLOAD_PARTS_MAX - 1].complete.md5, 16);
    store_object_close(o);
}

static void test_many(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 0, .drive_bytes = (1u << 20) + 64 * (8ull << 20)};
    many = calloc(UPLOAD_PARTS_MAX, sizeof *many);
    assert_non_null(many);
    fixture_init(&f);
    fixture_write_session(&f, tell_many);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_many_again);
    fixture_fini(&f);
    free(many);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validation), cmocka_unit_test(test_checksums), cmocka_unit_test(test_again),
        cmocka_unit_test(test_packing),    cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
