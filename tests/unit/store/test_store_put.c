/*
 * PUT and what comes back: sizes around every border, metadata, refusals that leave nothing behind, overwrites, the
 * bucket that goes away meanwhile, the pool that is full.
 */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "hash.h"

static const size_t sizes[] = {0,      1,      4095,   4096,    4097,    65535,   65536,   65537,  262143,
                               262144, 262145, 524288, 1048575, 1048576, 1048577, 2097152, 5242880};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void key_of(unsigned i, char out[24])
{
    snprintf(out, 24, "size-%zu", sizes[i]);
}

static void md5_of(const void *data, size_t len, uint8_t out[16])
{
    struct hash_stream *h = hash_stream_new(HASH_MD5);
    assert_non_null(h);
    hash_stream_update(h, data, len);
    hash_stream_final(h, out);
    hash_stream_free(h);
}

/* ---- sizes ---- */

/* Whole at once, or in pieces of odd sizes without a hint. */
static void put_pieces(struct fixture *f, const char *key, const uint8_t *data, size_t len, size_t piece)
{
    struct put_request req = {
        .bucket = text("b"), .key = text(key), .owner = text("owner"), .size_hint = piece ? UINT64_MAX : len};
    struct put_finish fin = {.expected_size = piece ? UINT64_MAX : len};
    struct put_result result;
    struct put *p;
    uint8_t md5[16];
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    for (size_t at = 0, n; at < len; at += n) {
        n = piece == 0 || piece > len - at ? len - at : piece;
        assert_int_equal(store_put_write(p, data + at, n), DOL_OK);
    }
    assert_int_equal(store_put_write(p, data, 0), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &result), DOL_OK);
    md5_of(data, len, md5);
    assert_memory_equal(result.etag.md5, md5, 16);
    assert_int_equal(result.etag.parts, 0);
    assert_int_equal(result.size, len);
    assert_true(version_id_is_zero(&result.version));
}

/* Ranges at every border of the object and of its middle. */
static void check_ranges(struct fixture *f, const char *key, const uint8_t *data, size_t len)
{
    const size_t points[] = {0, 1, len / 2, len ? len - 1 : 0, len};
    struct object *o;
    struct bytes piece;
    assert_int_equal(store_object_open(f->store, text("b"), text(key), NULL, &o), DOL_OK);
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned j = 0; j < 5; j++) {
            if (points[j] < points[i] || points[j] > len)
                continue;
            size_t at = points[i];
            assert_int_equal(store_object_seek(o, at, points[j] - at), DOL_OK);
            while (store_object_read(o, &piece) == DOL_OK && piece.len > 0) {
                assert_true(piece.len <= points[j] - at);
                assert_memory_equal(piece.data, data + at, piece.len);
                at += piece.len;
            }
            assert_int_equal(at, points[j]);
            assert_int_equal(store_object_read(o, &piece), DOL_OK);
            assert_int_equal(piece.len, 0);
        }
    }
    assert_int_equal(store_object_seek(o, len + 1, 0), DOL_ERANGE);
    assert_int_equal(store_object_seek(o, 0, len + 1), DOL_ERANGE);
    assert_int_equal(store_object_seek(o, 1, UINT64_MAX), DOL_ERANGE);
    store_object_close(o);
}

static void tell_sizes(struct fixture *f)
{
    make_bucket(f);
    uint64_t sum = 0;
    for (unsigned i = 0; i < SIZES; i++) {
        char key[24];
        key_of(i, key);
        uint8_t *data = noise(i, sizes[i]);
        put_pieces(f, key, data, sizes[i], i % 2 ? 0 : 9973);
        expect(f, key, data, sizes[i]);
        check_ranges(f, key, data, sizes[i]);
        free(data);
        sum += sizes[i];
    }
    fixture_status(f);
    assert_int_equal(f->status.counters.puts, SIZES);
    assert_int_equal(f->status.counters.bytes_in, sum);
    assert_int_equal(f->status.counters.bytes_compressed_in, 0); /* noise */
}

static void tell_sizes_again(struct fixture *f)
{
    for (unsigned i = 0; i < SIZES; i++) {
        char key[24];
        key_of(i, key);
        expect_noise(f, key, i, sizes[i]);
    }
    assert_int_equal(fixture_status(f)->objects, SIZES);
    assert_int_equal(f->status.buckets, 1);
    assert_int_equal(f->status.counters.reads_reconstructed, 0);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct fixture shapes[] = {{.k = 4, .m = 2, .encrypted = true}, {.k = 1, .m = 0}};
    for (unsigned i = 0; i < 2; i++) {
        struct fixture f = shapes[i];
        fixture_init(&f);
        fixture_write_session(&f, tell_sizes);
        fixture_write_session(&f, tell_sizes_again);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_sizes_again);
        fixture_fini(&f);
    }
}

/* Compressible bytes are stored smaller and come back exactly. */
static void tell_compressible(struct fixture *f)
{
    make_bucket(f);
    uint8_t *data = malloc(3000000);
    assert_non_null(data);
    for (size_t i = 0; i < 3000000; i++)
        data[i] = (uint8_t)(i / 5000 + i % 7);
    put(f, "c", data, 3000000);
    put(f, "small", data, 10000);
    expect(f, "c", data, 3000000);
    expect(f, "small", data, 10000);
    check_ranges(f, "c", data, 3000000);
    fixture_status(f);
    assert_int_equal(f->status.counters.bytes_compressed_in, 3010000);
    assert_true(f->status.counters.bytes_compressed_out < 300000);
    free(data);
}

static void test_compressible(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_compressible);
    fixture_fini(&f);
}

/* ---- what is kept with an object ---- */

static void check_described(struct fixture *f)
{
    struct object *o;
    struct metadata_pair pair;
    assert_int_equal(store_object_open(f->store, text("b"), bytes_of("k\0\xffz", 4), NULL, &o), DOL_OK);
    const struct object_info *info = store_object_info(o);
    assert_true(bytes_equal(info->key, bytes_of("k\0\xffz", 4)));
    assert_true(bytes_equal(info->owner, text("somebody")));
    assert_int_equal(info->size, 3);
    for (unsigned i = 0; i < HEADER_COUNT; i++) {
        char value[32];
        snprintf(value, sizeof value, "value of header %u", i);
        if (i == HEADER_EXPIRES)
            assert_null(info->headers[i].data);
        else
            assert_true(bytes_equal(info->headers[i], i == HEADER_CACHE_CONTROL ? text("") : text(value)));
    }
    assert_non_null(info->headers[HEADER_CACHE_CONTROL].data); /* empty, and there */
    assert_int_equal(info->checksum.alg, CHECKSUM_CRC32C);
    assert_int_equal(info->checksum.type, CHECKSUM_FULL_OBJECT);
    assert_int_equal(info->checksum.bytes, 4);
    assert_memory_equal(info->checksum.value, "\x01\x02\x03\x04", 4);
    assert_int_equal(info->retention.mode, RETENTION_NONE);
    assert_false(info->null_version); /* a bucket that never had versioning */
    assert_true(version_id_is_zero(&info->version));
    assert_false(info->delete_marker);
    assert_true(info->mtime_ns > 1767225600ll * 1000000000);
    assert_true(store_object_metadata(o, 0, &pair));
    assert_true(bytes_equal(pair.name, text("patient")) && bytes_equal(pair.value, text("")));
    assert_true(store_object_metadata(o, 1, &pair));
    assert_true(bytes_equal(pair.name, text("patient")) && bytes_equal(pair.value, text("again")));
    assert_true(store_object_metadata(o, 2, &pair));
    assert_true(bytes_equal(pair.name, text("site")) && bytes_equal(pair.value, bytes_of("\0\xff", 2)));
    assert_false(store_object_metadata(o, 3, &pair));
    store_object_close(o);
}

static void tell_described(struct fixture *f)
{
    make_bucket(f);
    struct metadata_pair pairs[] = {
        {text("patient"), bytes_of("", 0)}, {text("patient"), text("again")}, {text("site"), bytes_of("\0\xff", 2)}};
    char values[HEADER_COUNT][32];
    /* everything handed over is overwritten before the end: it was borrowed for the call */
    char key[4] = {'k', 0, (char)0xff, 'z'}, bucket[1] = {'b'};
    struct put_request req = {.bucket = bytes_of(bucket, 1),
                              .key = bytes_of(key, 4),
                              .owner = text("somebody"),
                              .metadata = pairs,
                              .metadata_count = 3,
                              .size_hint = 3};
    for (unsigned i = 0; i < HEADER_COUNT; i++) {
        snprintf(values[i], sizeof values[i], "value of header %u", i);
        req.headers[i] = text(values[i]);
    }
    req.headers[HEADER_EXPIRES] = bytes_of(NULL, 0);
    req.headers[HEADER_CACHE_CONTROL] = bytes_of("", 0);
    struct put *p;
    struct put_result result;
    struct put_finish fin = {.expected_size = 3, .checksum = {CHECKSUM_CRC32C, CHECKSUM_FULL_OBJECT, 4, {1, 2, 3, 4}}};
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    memset(values, 'X', sizeof values);
    memset(key, 'X', sizeof key);
    memset(bucket, 'X', sizeof bucket);
    memset(pairs, 0, sizeof pairs);
    memset(&req, 0xff, sizeof req);
    assert_int_equal(store_put_write(p, "abc", 3), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &result), DOL_OK);
    check_described(f);
}

static void test_description(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_described);
    fixture_write_session(&f, check_described);
    fixture_drop_index(&f);
    fixture_write_session(&f, check_described);
    fixture_fini(&f);
}

/* ---- refusals ---- */

static void tell_refusals(struct fixture *f)
{
    make_bucket(f);
    uint8_t *data = noise(7, 700000);
    uint8_t md5[16];
    md5_of(data, 700000, md5);
    struct put_request req = {.bucket = text("b"), .key = text("k"), .owner = text("o"), .size_hint = UINT64_MAX};
    struct put_result result;
    struct put *p;
    put(f, "old", "old", 3);
    req.key = text("old");
    const struct {
        uint64_t expected_size;
        bool wrong_md5;
        enum dol_err err;
    } cases[] = {{699999, false, DOL_ELENGTH},    {700001, false, DOL_ELENGTH}, {0, false, DOL_ELENGTH},
                 {UINT64_MAX, true, DOL_EDIGEST}, {700000, true, DOL_EDIGEST},  {699999, true, DOL_ELENGTH}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct put_finish fin = {.md5 = md5, .expected_size = cases[i].expected_size};
        md5[15] ^= cases[i].wrong_md5;
        assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
        assert_int_equal(store_put_write(p, data, 700000), DOL_OK);
        assert_int_equal(store_put_finish(p, &fin, &result), cases[i].err);
        md5[15] ^= cases[i].wrong_md5;
        expect(f, "old", "old", 3);
    }
    /* aborted: before the first byte, and with chunks already stored */
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    store_put_abort(p);
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    assert_int_equal(store_put_write(p, data, 700000), DOL_OK);
    store_put_abort(p);
    expect(f, "old", "old", 3);
    /* the right digest and length */
    struct put_finish fin = {.md5 = md5, .expected_size = 700000};
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    assert_int_equal(store_put_write(p, data, 700000), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &result), DOL_OK);
    expect(f, "old", data, 700000);
    assert_int_equal(fixture_status(f)->counters.puts, 2);
    free(data);

    /* keys and buckets */
    char long_key[OBJECT_KEY_BYTES_MAX + 1];
    memset(long_key, 'k', sizeof long_key);
    req.key = bytes_of(long_key, OBJECT_KEY_BYTES_MAX + 1);
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_EINVAL);
    req.key = bytes_of("", 0);
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_EINVAL);
    req.key = text("k");
    req.bucket = text("none");
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_ENOBUCKET);
    expect_absent(f, "k");
}

static bool count_entry(void *arg, struct bytes key, const struct object_info *info)
{
    (void)info;
    assert_true(bytes_equal(key, text("old")));
    ++*(unsigned *)arg;
    return true;
}

static void tell_nothing_left(struct fixture *f)
{
    uint8_t last[OBJECT_KEY_BYTES_MAX];
    size_t last_len;
    bool truncated;
    unsigned n = 0;
    struct list_request req = {.bucket = text("b"), .max_entries = 10};
    assert_int_equal(store_object_list(f->store, &req, count_entry, &n, &truncated, last, &last_len), DOL_OK);
    assert_int_equal(n, 1);
    expect_noise(f, "old", 7, 700000);
}

static void test_refusals(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_refusals);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_nothing_left);
    fixture_fini(&f);
}

/* ---- overwriting and deleting ---- */

static void tell_overwrites(struct fixture *f)
{
    struct delete_result gone;
    struct bytes piece;
    struct object *held;
    make_bucket(f);
    put_noise(f, "k", 1, 300000);
    assert_int_equal(store_object_open(f->store, text("b"), text("k"), NULL, &held), DOL_OK);
    for (unsigned i = 2; i < 12; i++) {
        put_noise(f, "k", i, i * 1000);
        expect_noise(f, "k", i, i * 1000);
        if (i % 3 == 0)
            fiber_sleep(150 * 1000000ull); /* the index commits */
    }
    /* one that was open before is what it was */
    uint8_t *data = noise(1, 300000);
    size_t at = 0;
    assert_int_equal(store_object_seek(held, 0, 300000), DOL_OK);
    while (store_object_read(held, &piece) == DOL_OK && piece.len > 0) {
        assert_memory_equal(piece.data, data + at, piece.len);
        at += piece.len;
    }
    assert_int_equal(at, 300000);
    store_object_close(held);
    free(data);

    /* with the clock gone back fifty years */
    sim_clock_set_realtime_ns(f->rt, 189302400ll * 1000000000);
    put_noise(f, "k", 20, 500);
    expect_noise(f, "k", 20, 500);
    remove_object(f, "k");
    expect_absent(f, "k");
    assert_int_equal(
        store_object_delete(f->store, &(struct delete_request){.bucket = text("b"), .key = text("k")}, &gone), DOL_OK);
    assert_false(gone.existed);
    assert_int_equal(
        store_object_delete(f->store, &(struct delete_request){.bucket = text("none"), .key = text("k")}, &gone),
        DOL_ENOBUCKET);
    put_noise(f, "k", 21, 600);
    expect_noise(f, "k", 21, 600);
    put_noise(f, "l", 22, 600);
    remove_object(f, "l");
    assert_int_equal(fixture_status(f)->counters.deletes, 3);
}

static void tell_overwritten(struct fixture *f)
{
    expect_noise(f, "k", 21, 600);
    expect_absent(f, "l");
    assert_int_equal(fixture_status(f)->objects, 1);
}

static void test_overwrites(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_overwrites);
    fixture_write_session(&f, tell_overwritten);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_overwritten);
    fixture_fini(&f);
}

/* ---- the bucket goes away ---- */

static void tell_bucket_gone(struct fixture *f)
{
    make_bucket(f);
    struct put_request req = {.bucket = text("b"), .key = text("k"), .owner = text("o"), .size_hint = 10};
    struct put_finish fin = {.expected_size = 10};
    struct put_result result;
    struct bucket_info info;
    struct put *p, *q;
    uint64_t first;
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    first = info.id;
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    assert_int_equal(store_put_begin(f->store, &req, &q), DOL_OK);
    assert_int_equal(store_put_write(p, "0123456789", 10), DOL_OK);
    assert_int_equal(store_put_write(q, "0123456789", 10), DOL_OK);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &result), DOL_ENOBUCKET);
    /* made anew: another bucket, which the PUT was not for */
    make_bucket(f);
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    assert_int_not_equal(info.id, first);
    assert_int_equal(store_put_finish(q, &fin, &result), DOL_ENOBUCKET);
    expect_absent(f, "k");
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_ENOBUCKET);
}

static void tell_buckets(struct fixture *f)
{
    struct bucket_info info;
    struct bucket_create req = {.name = text("b"), .owner = text("another"), .region = text("eu-west-1")};
    make_bucket(f);
    assert_int_equal(store_bucket_create(f->store, &req, &info), DOL_EEXIST);
    assert_string_equal(info.owner, "owner");
    assert_string_equal(info.name, "b");
    assert_string_equal(info.region, "us-east-1");
    put_noise(f, "k", 1, 10);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_ENOTEMPTY);
    remove_object(f, "k");
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
    assert_int_equal(store_bucket_create(f->store, &req, &info), DOL_OK);
    assert_string_equal(info.owner, "another");
    expect_absent(f, "k");
}

static void tell_buckets_again(struct fixture *f)
{
    struct bucket_info info;
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    assert_string_equal(info.owner, "another");
    assert_int_equal(fixture_status(f)->buckets, 1);
}

static void test_buckets(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_bucket_gone);
    fixture_write_session(&f, tell_buckets);
    fixture_write_session(&f, tell_buckets_again);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_buckets_again);
    fixture_fini(&f);
}

/* One PUT ends as its bucket is deleted: one of the two wins, and never both. */
struct race {
    struct fixture *f;
    enum dol_err put_err, delete_err;
};

static void race_put(void *arg)
{
    struct race *r = arg;
    fiber_sleep(1000 * (fixture_dice(r->f, 3000)));
    r->put_err = try_put(r->f, "k", "0123456789", 10, NULL);
    fixture_leave(r->f);
}

static void race_delete(void *arg)
{
    struct race *r = arg;
    fiber_sleep(1000 * (fixture_dice(r->f, 6000)));
    r->delete_err = store_bucket_delete(r->f->store, text("b"));
    fixture_leave(r->f);
}

static unsigned put_won, delete_won;

static void tell_race(struct fixture *f)
{
    for (unsigned i = 0; i < 60; i++) {
        struct race r = {.f = f};
        make_bucket(f);
        fixture_spawn(f, i % 2, race_put, &r);
        fixture_spawn(f, (i + 1) % 2, race_delete, &r);
        fixture_join(f);
        if (r.put_err == DOL_OK) {
            put_won++;
            assert_int_equal(r.delete_err, DOL_ENOTEMPTY);
            expect(f, "k", "0123456789", 10);
            remove_object(f, "k");
            assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
        } else {
            delete_won++;
            assert_int_equal(r.put_err, DOL_ENOBUCKET);
            assert_int_equal(r.delete_err, DOL_OK);
        }
    }
}

static void tell_nothing(struct fixture *f)
{
    assert_int_equal(fixture_status(f)->buckets, 0);
    assert_int_equal(f->status.objects, 0);
    make_bucket(f);
    expect_absent(f, "k");
}

static void test_put_against_bucket_delete(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0, .loops = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_race);
    assert_true(put_won > 5 && delete_won > 5);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_nothing);
    fixture_fini(&f);
}

/* ---- bounds ---- */

static void tell_puts_max(struct fixture *f)
{
    make_bucket(f);
    struct put_request req = {.bucket = text("b"), .key = text("k"), .owner = text("o"), .size_hint = 1};
    struct put_finish fin = {.expected_size = 1};
    struct put_result result;
    struct put *p[3], *more;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(store_put_begin(f->store, &req, &p[i]), DOL_OK);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(store_put_begin(f->store, &req, &more), DOL_EBUSY);
    store_put_abort(p[0]);
    assert_int_equal(store_put_begin(f->store, &req, &p[0]), DOL_OK);
    assert_int_equal(store_put_begin(f->store, &req, &more), DOL_EBUSY);
    assert_int_equal(store_put_write(p[1], "x", 1), DOL_OK);
    assert_int_equal(store_put_finish(p[1], &fin, &result), DOL_OK);
    assert_int_equal(store_put_finish(p[2], &fin, &result), DOL_ELENGTH);
    /* a refused begin gives its place back too */
    req.bucket = text("none");
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(store_put_begin(f->store, &req, &more), DOL_ENOBUCKET);
    req.bucket = text("b");
    assert_int_equal(store_put_begin(f->store, &req, &p[1]), DOL_OK);
    assert_int_equal(store_put_begin(f->store, &req, &p[2]), DOL_OK);
    assert_int_equal(store_put_begin(f->store, &req, &more), DOL_EBUSY);
    for (unsigned i = 0; i < 3; i++)
        store_put_abort(p[i]);
}

static void test_puts_max(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0, .puts_max = 3};
    fixture_init(&f);
    fixture_write_session(&f, tell_puts_max);
    fixture_fini(&f);
}

/* Full: PUTs are refused, deletes go on, and the next open can still write what recovery has to. */
static unsigned stored;

static void tell_fill(struct fixture *f)
{
    make_bucket(f);
    uint8_t *data = noise(3, 1000000);
    enum dol_err err = DOL_OK;
    for (stored = 0; err == DOL_OK; stored++) {
        char key[16];
        snprintf(key, sizeof key, "k%04u", stored);
        memcpy(data, &stored, sizeof stored);
        err = try_put(f, key, data, 1000000, NULL);
    }
    stored--;
    assert_int_equal(err, DOL_EFULL);
    assert_true(stored > 20);
    free(data);
    remove_object(f, "k0000");
    expect_absent(f, "k0000");
    assert_int_equal(try_put(f, "k", "x", 1, NULL), DOL_EFULL);
}

static void tell_filled(struct fixture *f)
{
    uint8_t *data = noise(3, 1000000);
    expect_absent(f, "k0000");
    for (unsigned i = 1; i < stored; i += 5) {
        char key[16];
        snprintf(key, sizeof key, "k%04u", i);
        memcpy(data, &i, sizeof i);
        expect(f, key, data, 1000000);
    }
    free(data);
    assert_int_equal(try_put(f, "k", "x", 1, NULL), DOL_EFULL);
}

static void test_full(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0, .drive_bytes = (1u << 20) + 10 * (8u << 20)};
    fixture_init(&f);
    fixture_write_session(&f, tell_fill);
    fixture_write_session(&f, tell_filled);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_filled);
    fixture_fini(&f);
}

/* One object that is larger than what is left must not eat the reserve: it is refused, and the pool stays usable. */
static void tell_too_large(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "small", 1, 1000);
    uint8_t *data = noise(4, 120u << 20);
    assert_int_equal(try_put(f, "large", data, 120u << 20, NULL), DOL_EFULL);
    free(data);
    expect_absent(f, "large");
    expect_noise(f, "small", 1, 1000);
    remove_object(f, "small");
    expect_absent(f, "small");
    assert_false(fixture_status(f)->read_only);
}

static void tell_still_usable(struct fixture *f)
{
    struct delete_result gone;
    expect_absent(f, "large");
    expect_absent(f, "small");
    assert_int_equal(
        store_object_delete(f->store, &(struct delete_request){.bucket = text("b"), .key = text("none")}, &gone),
        DOL_OK);
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
}

static void test_larger_than_the_rest(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 0, .drive_bytes = (1u << 20) + 10 * (8u << 20)};
    fixture_init(&f);
    fixture_write_session(&f, tell_too_large);
    fixture_write_session(&f, tell_still_usable);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_compressible),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_overwrites),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_put_against_bucket_delete),
        cmocka_unit_test(test_puts_max),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_larger_than_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
