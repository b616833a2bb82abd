/*
 * Conditions, and what meets at one key's gate: conditional writes against each other; Complete against itself, Abort,
 * parts, overwrites, deletes of object and bucket. Each race is run with many seeds, on two loops.
 */
#include "upload_testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "hash.h"

#define RACERS_MAX 8u
#define SEEDS      16u

static struct condition on(uint8_t kind)
{
    return (struct condition){.kind = kind};
}

static struct condition on_etag(struct etag etag)
{
    return (struct condition){.kind = CONDITION_ETAG, .etag = etag};
}

static enum dol_err put_if(struct fixture *f, const char *key, uint64_t seed, size_t len, struct condition condition,
                           struct put_result *out)
{
    struct put_request req = {
        .bucket = text("b"), .key = text(key), .owner = text("owner"), .size_hint = len, .condition = condition};
    struct put_finish fin = {.expected_size = len};
    struct put *p;
    uint8_t *data = noise(seed, len);
    enum dol_err err = store_put_begin(f->store, &req, &p);
    if (err == DOL_OK) {
        assert_int_equal(store_put_write(p, data, len), DOL_OK);
        err = store_put_finish(p, &fin, out);
    }
    free(data);
    return err;
}

static enum dol_err delete_if(struct fixture *f, const char *key, struct condition condition, bool *existed)
{
    struct delete_result result;
    struct delete_request req = {.bucket = text("b"), .key = text(key), .condition = condition};
    enum dol_err err = store_object_delete(f->store, &req, &result);
    *existed = result.existed;
    return err;
}

/* ---- one after another ---- */

static void tell_conditions(struct fixture *f)
{
    struct put_result first, r;
    struct condition wrong = {.kind = CONDITION_ETAG}, with_parts;
    bool existed;
    make_bucket(f);
    /* nothing there */
    assert_int_equal(put_if(f, "k", 1, 10, on(CONDITION_EXISTS), &r), DOL_ENOTFOUND);
    assert_int_equal(put_if(f, "k", 1, 10, wrong, &r), DOL_ENOTFOUND);
    assert_int_equal(delete_if(f, "k", on(CONDITION_EXISTS), &existed), DOL_ENOTFOUND);
    assert_int_equal(delete_if(f, "k", wrong, &existed), DOL_ENOTFOUND);
    assert_int_equal(delete_if(f, "k", on(CONDITION_ABSENT), &existed), DOL_OK);
    assert_false(existed);
    expect_absent(f, "k");
    assert_int_equal(put_if(f, "k", 1, 10, on(CONDITION_ABSENT), &first), DOL_OK);
    expect_noise(f, "k", 1, 10);
    /* something there */
    assert_int_equal(put_if(f, "k", 2, 10, on(CONDITION_ABSENT), &r), DOL_EPRECONDITION);
    assert_int_equal(put_if(f, "k", 2, 10, wrong, &r), DOL_EPRECONDITION);
    with_parts = on_etag(first.etag);
    with_parts.etag.parts = 1;
    assert_int_equal(put_if(f, "k", 2, 10, with_parts, &r), DOL_EPRECONDITION);
    assert_int_equal(put_if(f, "k", 2, 10, (struct condition){.kind = 77}, &r), DOL_EINVAL);
    assert_int_equal(delete_if(f, "k", on(CONDITION_ABSENT), &existed), DOL_EPRECONDITION);
    assert_int_equal(delete_if(f, "k", with_parts, &existed), DOL_EPRECONDITION);
    assert_false(existed);
    expect_noise(f, "k", 1, 10);
    assert_int_equal(put_if(f, "k", 2, 10, on_etag(first.etag), &r), DOL_OK);
    assert_int_equal(put_if(f, "k", 3, 10, on_etag(first.etag), &first), DOL_EPRECONDITION);
    expect_noise(f, "k", 2, 10);
    assert_int_equal(put_if(f, "k", 3, 10, on(CONDITION_EXISTS), &first), DOL_OK);
    expect_noise(f, "k", 3, 10);
    assert_int_equal(delete_if(f, "k", on_etag(first.etag), &existed), DOL_OK);
    assert_true(existed);
    expect_absent(f, "k");
}

/* Not met when the put begins: no bytes are taken. Not met any more when it ends: nothing is stored. */
static void tell_twice(struct fixture *f)
{
    struct put_request req = {.bucket = text("b"), .key = text("t"), .size_hint = 3, .condition = on(CONDITION_ABSENT)};
    struct put_finish fin = {.expected_size = 3};
    struct put_result r;
    struct put *p, *q;
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_OK);
    assert_int_equal(store_put_begin(f->store, &req, &q), DOL_OK);
    assert_int_equal(store_put_write(p, "abc", 3), DOL_OK);
    assert_int_equal(store_put_write(q, "xyz", 3), DOL_OK);
    assert_int_equal(store_put_finish(q, &fin, &r), DOL_OK);
    assert_int_equal(store_put_finish(p, &fin, &r), DOL_EPRECONDITION);
    expect(f, "t", "xyz", 3);
    assert_int_equal(store_put_begin(f->store, &req, &p), DOL_EPRECONDITION);
}

static void tell_complete_conditions(struct fixture *f)
{
    struct complete_result r;
    struct condition wrong = {.kind = CONDITION_ETAG};
    struct upload_ref u = upload_begin(f, "c");
    struct sent_part p = send_part(f, &u, 1, 1, 100);
    assert_int_equal(try_complete_if(f, &u, &p, 1, wrong, &r), DOL_ENOTFOUND);
    assert_int_equal(try_complete_if(f, &u, &p, 1, on(CONDITION_EXISTS), &r), DOL_ENOTFOUND);
    put_noise(f, "c", 5, 5);
    assert_int_equal(try_complete_if(f, &u, &p, 1, on(CONDITION_ABSENT), &r), DOL_EPRECONDITION);
    assert_int_equal(try_complete_if(f, &u, &p, 1, wrong, &r), DOL_EPRECONDITION);
    expect_upload(f, &u, &p, 1);
    expect_noise(f, "c", 5, 5);
    assert_int_equal(try_complete_if(f, &u, &p, 1, on(CONDITION_EXISTS), &r), DOL_OK);
    expect_parts(f, "c", &p, 1);
    struct put_result put;
    struct condition etag = on_etag(r.put.etag);
    etag.etag.parts = 0;
    assert_int_equal(put_if(f, "c", 6, 6, etag, &put), DOL_EPRECONDITION);
    assert_int_equal(put_if(f, "c", 6, 6, on_etag(r.put.etag), &put), DOL_OK);
}

static void test_conditions(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_conditions);
    fixture_write_session(&f, tell_twice);
    fixture_write_session(&f, tell_complete_conditions);
    fixture_fini(&f);
}

/* ---- races ---- */

enum act { ACT_PUT, ACT_DELETE, ACT_COMPLETE, ACT_ABORT, ACT_PART, ACT_DELETE_BUCKET };

struct racer {
    struct fixture *f;
    enum act act;
    struct condition condition;
    uint64_t seed; /* of the content of puts and parts */
    enum dol_err err;
    struct put_result put;
    struct complete_result complete;
    struct sent_part part;
    bool existed;
};

static struct racer racers[RACERS_MAX];
static struct upload_ref race_upload;
static struct sent_part race_parts[2];

static void race_main(void *arg)
{
    struct racer *r = arg;
    for (uint64_t i = fixture_dice(r->f, 4); i > 0; i--)
        fiber_sleep(fixture_dice(r->f, 300000));
    switch (r->act) {
    case ACT_PUT:
        r->err = put_if(r->f, "k", r->seed, 100 + r->seed, r->condition, &r->put);
        break;
    case ACT_DELETE:
        r->err = delete_if(r->f, "k", r->condition, &r->existed);
        break;
    case ACT_COMPLETE:
        r->err = try_complete_if(r->f, &race_upload, race_parts, 2, r->condition, &r->complete);
        break;
    case ACT_ABORT:
        r->err = store_upload_abort(r->f->store, &race_upload);
        break;
    case ACT_PART:
        r->err = try_part(r->f, &race_upload, 2, r->seed, 100 + r->seed, NULL, &r->part);
        break;
    case ACT_DELETE_BUCKET:
        r->err = store_bucket_delete(r->f->store, text("b"));
        break;
    }
    fixture_leave(r->f);
}

static struct racer *race(struct fixture *f, unsigned i, enum act act, struct condition condition)
{
    racers[i] = (struct racer){.f = f, .act = act, .condition = condition, .seed = i + 1};
    fixture_spawn(f, i % 2, race_main, &racers[i]);
    return &racers[i];
}

static void race_begin(struct fixture *f)
{
    race_upload = upload_begin(f, "k");
    race_parts[0] = send_part(f, &race_upload, 1, 71, 1000);
    race_parts[1] = send_part(f, &race_upload, 2, 72, 2000);
}

static unsigned won(unsigned count, enum dol_err loss)
{
    unsigned winners = 0;
    for (unsigned i = 0; i < count; i++) {
        assert_true(racers[i].err == DOL_OK || racers[i].err == loss);
        winners += racers[i].err == DOL_OK;
    }
    return winners;
}

/* Exactly one of many that may only write where nothing is, or what they saw. */
static void tell_puts(struct fixture *f)
{
    make_bucket(f);
    for (unsigned round = 0; round < 3; round++) {
        struct put_result seen;
        struct condition condition = on(CONDITION_ABSENT);
        if (round > 0) {
            assert_int_equal(put_if(f, "k", 50, 50, on(CONDITION_NONE), &seen), DOL_OK);
            condition = on_etag(seen.etag);
        }
        for (unsigned i = 0; i < RACERS_MAX; i++)
            race(f, i, round == 2 && i == 3 ? ACT_DELETE : ACT_PUT, condition);
        fixture_join(f);
        if (round == 2 && racers[3].err == DOL_OK) {
            /* the others find nothing, or what isn't there any more */
            assert_true(racers[3].existed);
            racers[3].err = DOL_ENOTFOUND;
            assert_int_equal(won(RACERS_MAX, DOL_ENOTFOUND), 0);
            expect_absent(f, "k");
            continue;
        }
        assert_int_equal(won(RACERS_MAX, DOL_EPRECONDITION), 1);
        for (unsigned i = 0; i < RACERS_MAX; i++)
            if (racers[i].err == DOL_OK)
                expect_noise(f, "k", racers[i].seed, 100 + racers[i].seed);
    }
}

/* An upload that only may complete where nothing is, against puts that say the same. */
static void tell_complete_against_puts(struct fixture *f)
{
    make_bucket(f);
    race_begin(f);
    race(f, 0, ACT_COMPLETE, on(CONDITION_ABSENT));
    for (unsigned i = 1; i < 4; i++)
        race(f, i, ACT_PUT, on(CONDITION_ABSENT));
    fixture_join(f);
    assert_int_equal(won(4, DOL_EPRECONDITION), 1);
    if (racers[0].err == DOL_OK) {
        expect_parts(f, "k", race_parts, 2);
        expect_no_upload(f, &race_upload);
    } else {
        expect_upload(f, &race_upload, race_parts, 2);
    }
}

/* The same request twice at once, and a third: one object, one answer. */
static void tell_complete_twice(struct fixture *f)
{
    make_bucket(f);
    race_begin(f);
    for (unsigned i = 0; i < 3; i++)
        race(f, i, ACT_COMPLETE, on(i == 2 ? CONDITION_ABSENT : CONDITION_NONE));
    fixture_join(f);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(racers[i].err, DOL_OK);
        assert_int_equal(racers[i].complete.put.mtime_ns, racers[0].complete.put.mtime_ns);
        assert_memory_equal(&racers[i].complete.put.etag, &racers[0].complete.put.etag, sizeof(struct etag));
    }
    expect_parts(f, "k", race_parts, 2);
    expect_no_upload(f, &race_upload);
}

static void tell_complete_against_abort(struct fixture *f)
{
    make_bucket(f);
    race_begin(f);
    race(f, 0, ACT_COMPLETE, on(CONDITION_NONE));
    race(f, 1, ACT_ABORT, on(CONDITION_NONE));
    race(f, 2, ACT_ABORT, on(CONDITION_NONE));
    fixture_join(f);
    assert_int_equal(won(3, DOL_ENOUPLOAD), 1);
    if (racers[0].err == DOL_OK)
        expect_parts(f, "k", race_parts, 2);
    else
        expect_absent(f, "k");
    expect_no_upload(f, &race_upload);
}

/* A part that is sent again while the upload is completed by the old one: it came before, then Complete names a part
 * that isn't there; or after, then there is no upload. */
static void tell_complete_against_part(struct fixture *f)
{
    make_bucket(f);
    race_begin(f);
    race(f, 0, ACT_COMPLETE, on(CONDITION_NONE));
    race(f, 1, ACT_PART, on(CONDITION_NONE));
    fixture_join(f);
    if (racers[0].err == DOL_OK) {
        assert_int_equal(racers[1].err, DOL_ENOUPLOAD);
        expect_parts(f, "k", race_parts, 2);
        expect_no_upload(f, &race_upload);
    } else {
        struct sent_part parts[2] = {race_parts[0], racers[1].part};
        assert_int_equal(racers[0].err, DOL_EPART);
        assert_int_equal(racers[0].complete.bad_part, 1);
        assert_int_equal(racers[1].err, DOL_OK);
        expect_upload(f, &race_upload, parts, 2);
        expect_absent(f, "k");
    }
}

/* The same bytes sent again do not disturb it. */
static void tell_complete_against_same_part(struct fixture *f)
{
    make_bucket(f);
    race_upload = upload_begin(f, "k");
    race_parts[0] = send_part(f, &race_upload, 1, 71, 1000);
    race_parts[1] = send_part(f, &race_upload, 2, 2, 102);
    race(f, 0, ACT_COMPLETE, on(CONDITION_NONE));
    race(f, 1, ACT_PART, on(CONDITION_NONE)); /* seed 2, 102 bytes */
    fixture_join(f);
    assert_int_equal(racers[0].err, DOL_OK);
    assert_true(racers[1].err == DOL_OK || racers[1].err == DOL_ENOUPLOAD);
    expect_parts(f, "k", race_parts, 2);
    expect_no_upload(f, &race_upload);
}

/* The last one stays; nothing of the others does. */
static void tell_complete_against_overwrite(struct fixture *f)
{
    make_bucket(f);
    put_noise(f, "k", 90, 90);
    race_begin(f);
    race(f, 0, ACT_COMPLETE, on(CONDITION_NONE));
    race(f, 1, ACT_PUT, on(CONDITION_NONE));
    race(f, 2, ACT_DELETE, on(CONDITION_NONE));
    fixture_join(f);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(racers[i].err, DOL_OK);
    assert_true(racers[2].existed);
    expect_no_upload(f, &race_upload);
    struct object *o;
    if (store_object_open(f->store, text("b"), text("k"), NULL, &o) == DOL_OK) {
        unsigned parts = store_object_info(o)->part_count;
        store_object_close(o);
        if (parts > 0)
            expect_parts(f, "k", race_parts, 2);
        else
            expect_noise(f, "k", racers[1].seed, 100 + racers[1].seed);
        remove_object(f, "k");
    }
    assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
}

/* A bucket that goes only once the upload was aborted; and never with an object in it. */
static void tell_bucket(struct fixture *f)
{
    make_bucket(f);
    race_begin(f);
    race(f, 0, ACT_ABORT, on(CONDITION_NONE));
    race(f, 1, ACT_DELETE_BUCKET, on(CONDITION_NONE));
    race(f, 2, ACT_COMPLETE, on(CONDITION_NONE));
    race(f, 3, ACT_PART, on(CONDITION_NONE));
    fixture_join(f);
    if (racers[1].err == DOL_OK) {
        assert_int_equal(racers[0].err, DOL_OK);
        /* EPART: the part came first, then the abort */
        assert_true(racers[2].err == DOL_ENOUPLOAD || racers[2].err == DOL_ENOBUCKET ||
                    (racers[2].err == DOL_EPART && racers[3].err == DOL_OK));
        struct bucket_info info;
        assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_ENOBUCKET);
        return;
    }
    assert_int_equal(racers[1].err, DOL_ENOTEMPTY);
    if (racers[2].err == DOL_OK) {
        assert_int_equal(racers[0].err, DOL_ENOUPLOAD);
        expect_parts(f, "k", race_parts, 2);
    } else {
        assert_int_equal(racers[0].err, DOL_OK);
        expect_absent(f, "k");
        assert_int_equal(store_bucket_delete(f->store, text("b")), DOL_OK);
    }
}

static void test_races(void **state)
{
    (void)state;
    fixture_fn *const stories[] = {tell_puts,
                                   tell_complete_against_puts,
                                   tell_complete_twice,
                                   tell_complete_against_abort,
                                   tell_complete_against_part,
                                   tell_complete_against_same_part,
                                   tell_complete_against_overwrite,
                                   tell_bucket};
    for (unsigned s = 0; s < sizeof stories / sizeof stories[0]; s++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct fixture f = {.k = 1, .m = 1, .loops = 2, .seed = seed};
            fixture_init(&f);
            fixture_write_session(&f, stories[s]);
            fixture_fini(&f);
        }
    }
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conditions), cmocka_unit_test(test_races)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
