/*
 * Uploads from creation to their end: parts sent, sent again, refused; what an upload is to give its object; references
 * held and given back; restarts with and without the index; the bucket that can't go meanwhile.
 */
#include "upload_testing.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- one upload, at every stage of its life ---- */

static struct upload_ref life;
static struct sent_part life_parts[4];

static void tell_begin(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "k", 50, 1000);
    life = upload_begin(f, "k");
    expect_upload(f, &life, NULL, 0);
    /* out of order, of all kinds of size: several chunks, one, none */
    life_parts[1] = send_part(f, &life, 7, 2, 1500000);
    life_parts[0] = send_part(f, &life, 2, 1, 300001);
    life_parts[3] = send_part(f, &life, UPLOAD_PARTS_MAX, 4, 0);
    life_parts[2] = send_part(f, &life, 8, 3, 1);
    expect_upload(f, &life, life_parts, 4);
    expect_noise(f, "k", 50, 1000);
}

static void tell_replace(struct fixture *f)
{
    expect_upload(f, &life, life_parts, 4);
    life_parts[1] = send_part(f, &life, 7, 20, 900000);
    expect_upload(f, &life, life_parts, 4);
}

static void tell_still_there(struct fixture *f)
{
    expect_upload(f, &life, life_parts, 4);
    expect_noise(f, "k", 50, 1000);
}

static void tell_end(struct fixture *f)
{
    struct put *late;
    struct part_info info;
    struct put_finish fin = {.expected_size = UINT64_MAX};
    expect_upload(f, &life, life_parts, 4);
    assert_int_equal(store_part_begin(f->store, &life, 7, 3, &late), DOL_OK);
    assert_int_equal(store_put_write(late, "xyz", 3), DOL_OK);
    struct complete_result r = complete(f, &life, life_parts, 4);
    assert_int_equal(r.put.size, 300001 + 900000 + 1);
    assert_int_equal(r.checksum.alg, CHECKSUM_NONE);
    assert_int_equal(store_part_finish(late, &fin, &info), DOL_ENOUPLOAD);
    expect_no_upload(f, &life);
    expect_parts(f, "k", life_parts, 4);
}

static void tell_ended(struct fixture *f)
{
    expect_no_upload(f, &life);
    expect_parts(f, "k", life_parts, 4);
    assert_int_equal(fixture_status(f)->objects, 1);
}

static void test_life(void **state)
{
    (void)state;
    for (unsigned drop = 0; drop < 2; drop++) {
        struct fixture f = {.k = 2, .m = 1, .encrypted = true, .loops = 2};
        fixture_init(&f);
        fixture_fn *const stages[] = {tell_begin, tell_replace, tell_still_there, tell_end, tell_ended};
        for (unsigned i = 0; i < 5; i++) {
            fixture_write_session(&f, stages[i]);
            if (drop)
                fixture_drop_index(&f);
        }
        fixture_write_session(&f, tell_ended);
        fixture_fini(&f);
    }
}

/* Upload, parts and end in slabs that were sealed: rebuilt from their directories. */
static struct upload_ref open_upload, aborted_upload;
static struct sent_part open_part, done_part;

static void tell_sealed(struct fixture *f)
{
    make_bucket(f);
    open_upload = upload_begin(f, "open");
    aborted_upload = upload_begin(f, "aborted");
    struct upload_ref done = upload_begin(f, "done");
    open_part = send_part(f, &open_upload, 1, 1, 1000000);
    send_part(f, &aborted_upload, 1, 2, 1000);
    done_part = send_part(f, &done, 3, 3, 700000);
    complete(f, &done, &done_part, 1);
    assert_int_equal(store_upload_abort(f->store, &aborted_upload), DOL_OK);
    for (unsigned i = 0; i < 12; i++) {
        char key[16];
        snprintf(key, sizeof key, "fill-%u", i);
        put_noise(f, key, 100 + i, 3 << 20);
    }
    assert_true(fixture_status(f)->slabs_sealed >= 2);
}

static void tell_sealed_again(struct fixture *f)
{
    expect_upload(f, &open_upload, &open_part, 1);
    expect_no_upload(f, &aborted_upload);
    expect_parts(f, "done", &done_part, 1);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_ENOTEMPTY);
}

static void test_from_directories(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_sealed);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_sealed_again);
    fixture_fini(&f);
}

/* ---- a crash ---- */

static void tell_crash(struct fixture *f)
{
    make_bucket(f);
    life = upload_begin(f, "k");
    life_parts[0] = send_part(f, &life, 1, 1, 400000);
    life_parts[1] = send_part(f, &life, 2, 2, 5);
    fixture_crash(f);
}

static void tell_crash_completed(struct fixture *f)
{
    expect_upload(f, &life, life_parts, 2);
    complete(f, &life, life_parts, 2);
    fixture_crash(f);
}

static void tell_after_crash(struct fixture *f)
{
    expect_no_upload(f, &life);
    expect_parts(f, "k", life_parts, 2);
}

static void test_crash(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_session(&f, tell_crash);
    fixture_session(&f, tell_crash_completed);
    fixture_write_session(&f, tell_after_crash);
    fixture_fini(&f);
}

/* ---- what an upload gives its object ---- */

static void tell_described(struct fixture *f)
{
    make_bucket(f);
    struct metadata_pair pairs[] = {{text("patient"), text("x")}, {text("site"), bytes_of("", 0)}};
    struct metadata_pair tags[] = {{text("project"), text("cohort")}};
    char key[] = "described";
    struct put_request req = {
        .bucket = text("b"),
        .key = text(key),
        .owner = text("somebody"),
        .metadata = pairs,
        .metadata_count = 2,
        .tags = tags,
        .tag_count = 1,
        .storage_class = STORAGE_CLASS_GLACIER_IR,
        .headers = {[HEADER_CONTENT_TYPE] = text("application/dicom"), [HEADER_EXPIRES] = bytes_of("", 0)}};
    struct upload_ref u = {.bucket = text("b"), .key = text("described")};
    struct upload_info info;
    void *memory;
    assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_CRC32C, CHECKSUM_FULL_OBJECT, &u.id), DOL_OK);
    memset(pairs, 0, sizeof pairs);
    memset(key, 'x', sizeof key - 1);
    assert_int_equal(store_upload_get(f->store, &u, &info, &memory), DOL_OK);
    assert_true(bytes_equal(info.owner, text("somebody")) && bytes_equal(info.initiator, text("somebody")));
    assert_int_equal(info.checksum_alg, CHECKSUM_CRC32C);
    assert_int_equal(info.checksum_type, CHECKSUM_FULL_OBJECT);
    assert_int_equal(info.storage_class, STORAGE_CLASS_GLACIER_IR);
    assert_true(info.created_ns > 1767225600ll * 1000000000);
    free(memory);
    struct sent_part part = send_part(f, &u, 1, 1, 10);
    complete(f, &u, &part, 1);

    struct object *o;
    struct metadata_pair pair;
    assert_int_equal(store_object_open(f->store, text("b"), text("described"), NULL, &o), DOL_OK);
    const struct object_info *oi = store_object_info(o);
    assert_true(bytes_equal(oi->owner, text("somebody")));
    assert_true(bytes_equal(oi->headers[HEADER_CONTENT_TYPE], text("application/dicom")));
    assert_true(oi->headers[HEADER_EXPIRES].data != NULL && oi->headers[HEADER_EXPIRES].len == 0);
    assert_null(oi->headers[HEADER_CACHE_CONTROL].data);
    assert_int_equal(oi->storage_class, STORAGE_CLASS_GLACIER_IR);
    assert_int_equal(oi->checksum.alg, CHECKSUM_CRC32C);
    assert_false(oi->null_version);
    assert_true(store_object_metadata(o, 0, &pair) && bytes_equal(pair.name, text("patient")));
    assert_true(store_object_metadata(o, 1, &pair) && pair.value.len == 0);
    assert_false(store_object_metadata(o, 2, &pair));
    store_object_close(o);
}

static void test_description(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_described);
    fixture_fini(&f);
}

/* ---- refusals ---- */

static void tell_refusals(struct fixture *f)
{
    make_bucket(f);
    struct upload_ref u = upload_begin(f, "k"), other = u;
    struct put_request req = {.bucket = text("none"), .key = text("k")};
    struct upload_id id;
    struct put *p;
    assert_int_equal(store_upload_create(f->store, &req, 0, 0, &id), DOL_ENOBUCKET);
    req.bucket = text("b");
    assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_SHA256, CHECKSUM_FULL_OBJECT, &id), DOL_EINVAL);
    assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_CRC64NVME, CHECKSUM_COMPOSITE, &id), DOL_EINVAL);
    assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_NONE, CHECKSUM_COMPOSITE, &id), DOL_EINVAL);
    assert_int_equal(store_upload_create(f->store, &req, CHECKSUM_CRC32, 0, &id), DOL_EINVAL);
    assert_int_equal(store_upload_create(f->store, &req, 6, CHECKSUM_COMPOSITE, &id), DOL_EINVAL);
    req.key = bytes_of("", 0);
    assert_int_equal(store_upload_create(f->store, &req, 0, 0, &id), DOL_EINVAL);
    assert_int_equal(store_part_begin(f->store, &u, 0, 1, &p), DOL_EINVAL);
    assert_int_equal(store_part_begin(f->store, &u, UPLOAD_PARTS_MAX + 1, 1, &p), DOL_EINVAL);

    /* bucket, key and id belong together */
    other.key = text("l");
    expect_no_upload(f, &other);
    other = u;
    other.id.b[15] ^= 1;
    expect_no_upload(f, &other);
    other = u;
    other.bucket = text("none");
    assert_int_equal(store_part_begin(f->store, &other, 1, 1, &p), DOL_ENOBUCKET);
    assert_int_equal(store_upload_abort(f->store, &other), DOL_ENOBUCKET);

    /* a part that is not what was announced is not kept, nor does it replace one */
    struct sent_part part = send_part(f, &u, 1, 1, 200000);
    struct part_info info;
    struct put_finish fin = {.md5 = (const uint8_t *)"0123456789abcdef", .expected_size = 3};
    assert_int_equal(store_part_begin(f->store, &u, 1, 3, &p), DOL_OK);
    assert_int_equal(store_put_write(p, "abc", 3), DOL_OK);
    assert_int_equal(store_part_finish(p, &fin, &info), DOL_EDIGEST);
    fin = (struct put_finish){.expected_size = 4};
    assert_int_equal(store_part_begin(f->store, &u, 1, 3, &p), DOL_OK);
    assert_int_equal(store_put_write(p, "abc", 3), DOL_OK);
    assert_int_equal(store_part_finish(p, &fin, &info), DOL_ELENGTH);
    assert_int_equal(store_part_begin(f->store, &u, 1, 3, &p), DOL_OK);
    store_put_abort(p);
    expect_upload(f, &u, &part, 1);
}

static void tell_puts_max(struct fixture *f)
{
    struct put *p[3];
    struct put_request req = {.bucket = text("b"), .key = text("o"), .size_hint = 1};
    struct upload_ref u = upload_begin(f, "m");
    struct sent_part part = send_part(f, &u, 1, 1, 10);
    struct complete_result r;
    assert_int_equal(store_part_begin(f->store, &u, 1, 1, &p[0]), DOL_OK);
    assert_int_equal(store_put_begin(f->store, &req, &p[1]), DOL_OK);
    assert_int_equal(store_part_begin(f->store, &u, 2, 1, &p[2]), DOL_EBUSY);
    assert_int_equal(store_put_begin(f->store, &req, &p[2]), DOL_EBUSY);
    assert_int_equal(try_complete(f, &u, &part, 1, &r), DOL_EBUSY);
    store_put_abort(p[0]);
    assert_int_equal(try_complete(f, &u, &part, 1, &r), DOL_OK);
    store_put_abort(p[1]);
}

static void test_refusals(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_refusals);
    f.puts_max = 2;
    fixture_write_session(&f, tell_puts_max);
    fixture_fini(&f);
}

static void tell_read_only(struct fixture *f)
{
    struct put_request req = {.bucket = text("b"), .key = text("k")};
    struct upload_id id;
    struct complete_result r;
    struct put *p;
    expect_upload(f, &life, life_parts, 2);
    assert_int_equal(store_upload_create(f->store, &req, 0, 0, &id), DOL_EREADONLY);
    assert_int_equal(store_part_begin(f->store, &life, 1, 1, &p), DOL_EREADONLY);
    assert_int_equal(try_complete(f, &life, life_parts, 2, &r), DOL_EREADONLY);
    assert_int_equal(store_upload_abort(f->store, &life), DOL_EREADONLY);
}

static void tell_two_parts(struct fixture *f)
{
    make_bucket(f);
    life = upload_begin(f, "k");
    life_parts[0] = send_part(f, &life, 1, 1, 400000);
    life_parts[1] = send_part(f, &life, 2, 2, 5);
}

static void test_read_only(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_two_parts);
    f.given = 3;
    f.access = STORE_READ_ONLY;
    fixture_read_session(&f, tell_read_only);
    fixture_fini(&f);
}

/* ---- references ---- */

/* What parts hold is held until another part takes the number, or the upload ends; the object holds its own. */
static void tell_references(struct fixture *f)
{
    make_bucket(f);
    uint8_t *a = noise(1, 5000), *b = noise(2, 6000), *c = noise(3, 7000);
    struct upload_ref u = upload_begin(f, "k"), v = upload_begin(f, "k");
    struct sent_part pa = send_part(f, &u, 1, 1, 5000), pb;
    assert_int_equal(chunk_refs(f, a, 5000), 1);
    pb = send_part(f, &u, 1, 2, 6000); /* again, with other bytes */
    assert_int_equal(chunk_refs(f, a, 5000), 0);
    assert_int_equal(chunk_refs(f, b, 6000), 1);
    pb = send_part(f, &u, 1, 2, 6000); /* again, with the same */
    assert_int_equal(chunk_refs(f, b, 6000), 1);
    send_part(f, &u, 2, 2, 6000);
    send_part(f, &v, 1, 2, 6000); /* the other upload of the key is not touched */
    send_part(f, &v, 9, 3, 7000);
    assert_int_equal(chunk_refs(f, b, 6000), 3);
    complete(f, &u, &pb, 1); /* part 2 is left out */
    assert_int_equal(chunk_refs(f, b, 6000), 2);
    assert_int_equal(chunk_refs(f, c, 7000), 1);
    assert_int_equal(store_upload_abort(f->store, &v), DOL_OK);
    expect_no_upload(f, &v);
    assert_int_equal(chunk_refs(f, b, 6000), 1);
    assert_int_equal(chunk_refs(f, c, 7000), 0);
    expect_parts(f, "k", &pb, 1);
    remove_object(f, "k");
    assert_int_equal(chunk_refs(f, b, 6000), 0);
    assert_int_equal(pa.len, 5000);
    free(a);
    free(b);
    free(c);
}

static void test_references(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_references);
    fixture_fini(&f);
}

/* ---- the bucket ---- */

static void tell_bucket(struct fixture *f)
{
    make_bucket(f);
    struct upload_ref u = upload_begin(f, "k");
    struct put *p;
    struct part_info info;
    struct put_finish fin = {.expected_size = UINT64_MAX};
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_ENOTEMPTY);
    send_part(f, &u, 1, 1, 100);
    chunk_refs(f, "", 0); /* all is applied */
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_ENOTEMPTY);
    assert_int_equal(store_part_begin(f->store, &u, 2, 3, &p), DOL_OK);
    assert_int_equal(store_put_write(p, "abc", 3), DOL_OK);
    assert_int_equal(store_upload_abort(f->store, &u), DOL_OK);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
    make_bucket(f); /* another one of that name */
    assert_int_equal(store_part_finish(p, &fin, &info), DOL_ENOUPLOAD);
    expect_no_upload(f, &u);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
    assert_int_equal(store_upload_abort(f->store, &u), DOL_ENOBUCKET);
}

static void test_bucket(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0};
    fixture_init(&f);
    fixture_write_session(&f, tell_bucket);
    fixture_fini(&f);
}

/* A full pool takes no more parts, but uploads can be aborted. */
static void tell_full(struct fixture *f)
{
    make_bucket(f);
    struct upload_ref u = upload_begin(f, "k");
    struct put_request req = {.bucket = text("b"), .key = text("k")};
    struct upload_id id;
    struct sent_part first = send_part(f, &u, 1, 0, 1000);
    struct complete_result r;
    enum dol_err err = DOL_OK;
    for (unsigned i = 2; err == DOL_OK; i++)
        err = try_part(f, &u, i, i, 1 << 20, NULL, NULL);
    assert_int_equal(err, DOL_EFULL);
    assert_int_equal(store_upload_create(f->store, &req, 0, 0, &id), DOL_EFULL);
    assert_int_equal(try_complete(f, &u, &first, 1, &r), DOL_EFULL);
    assert_int_equal(store_upload_abort(f->store, &u), DOL_OK);
    assert_int_equal(store_upload_abort(f->store, &u), DOL_ENOUPLOAD);
}

static void test_full(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0, .drive_bytes = (1u << 20) + 10 * (8u << 20)};
    fixture_init(&f);
    fixture_write_session(&f, tell_full);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),        cmocka_unit_test(test_from_directories), cmocka_unit_test(test_crash),
        cmocka_unit_test(test_description), cmocka_unit_test(test_refusals),         cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_references),  cmocka_unit_test(test_bucket),           cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
