/*
 * Versions against a model: objects put, deleted and overwritten while versioning is enabled and suspended, by the
 * dice; versions and delete markers removed one by one. After each session, however it ended, every version reads as it
 * did and the listing is the model's, from the index as it is and from one that is built anew; and slabs are reclaimed
 * meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gc.h"
#include "pool_fixture.h"

#define KEYS         4u
#define VERSIONS_MAX 256u
#define SESSIONS     6u
#define STEPS        60u
#define SIZES        4u

static const size_t sizes[SIZES] = {0, 1, 5000, 200000};

struct version {
    struct version_id id; /* zero: null */
    bool null_version;
    bool marker;
    uint64_t seed;
    size_t len;
};

/* Newest last. */
struct history {
    struct version versions[VERSIONS_MAX];
    unsigned count;
};

static struct model {
    struct history keys[KEYS];
    uint8_t versioning;
    uint64_t seed;
    unsigned pages; /* entries of a listing's page */
} model;

static const char *key_name(unsigned k)
{
    static const char *const names[KEYS] = {"a", "a/b", "b", "c"};
    return names[k];
}

static void forget(struct history *h, unsigned i)
{
    memmove(&h->versions[i], &h->versions[i + 1], (h->count - i - 1) * sizeof h->versions[0]);
    h->count--;
}

static void forget_null(struct history *h)
{
    for (unsigned i = h->count; i-- > 0;)
        if (h->versions[i].null_version)
            forget(h, i);
}

static void remember(struct history *h, const struct version *v)
{
    if (v->null_version)
        forget_null(h);
    assert_true(h->count < VERSIONS_MAX);
    h->versions[h->count++] = *v;
}

/* What S3 calls a version that is made now. */
static void check_name(const struct version_id *id, bool null_version)
{
    assert_int_equal(null_version, model.versioning == BUCKET_VERSIONING_SUSPENDED);
    assert_int_equal(version_id_is_zero(id), model.versioning != BUCKET_VERSIONING_ENABLED);
}

static void step_put(struct fixture *f, unsigned k)
{
    struct put_result result;
    struct version v = {.seed = ++model.seed, .len = sizes[fixture_dice(f, SIZES)]};
    uint8_t *data = noise(v.seed, v.len);
    assert_int_equal(try_put(f, key_name(k), data, v.len, &result), DOL_OK);
    free(data);
    check_name(&result.version, result.null_version);
    v.id = result.version;
    v.null_version = model.versioning != BUCKET_VERSIONING_ENABLED;
    remember(&model.keys[k], &v);
}

static void step_delete(struct fixture *f, unsigned k)
{
    struct delete_result result;
    struct history *h = &model.keys[k];
    bool there = h->count > 0;
    const struct delete_request req = {.bucket = text("b"), .key = text(key_name(k)), .owner = text("o")};
    assert_int_equal(store_object_delete(f->store, &req, &result), DOL_OK);
    if (model.versioning == BUCKET_VERSIONING_OFF) {
        assert_int_equal(result.existed, there);
        assert_false(result.delete_marker);
        h->count = 0;
        return;
    }
    assert_true(result.delete_marker);
    check_name(&result.version, result.null_version);
    const struct version v = {.id = result.version, .null_version = result.null_version, .marker = true};
    remember(h, &v);
}

static void step_delete_version(struct fixture *f, unsigned k)
{
    struct delete_result result;
    struct history *h = &model.keys[k];
    if (h->count == 0)
        return;
    unsigned i = (unsigned)fixture_dice(f, h->count);
    const struct version v = h->versions[i];
    const struct delete_request req = {
        .bucket = text("b"), .key = text(key_name(k)), .version = v.null_version ? &version_id_null : &v.id};
    assert_int_equal(store_object_delete(f->store, &req, &result), DOL_OK);
    assert_true(result.existed);
    assert_int_equal(result.delete_marker, v.marker);
    assert_true(version_id_equal(&result.version, &v.id));
    forget(h, i);
    assert_int_equal(store_object_delete(f->store, &req, &result), DOL_OK);
    assert_false(result.existed);
}

static void step_versioning(struct fixture *f)
{
    model.versioning = fixture_dice(f, 2) ? BUCKET_VERSIONING_ENABLED : BUCKET_VERSIONING_SUSPENDED;
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), model.versioning), DOL_OK);
}

/* ---- checking ---- */

struct listed {
    unsigned key, left; /* versions of that key that are still to come */
    unsigned given;
    unsigned last_key; /* of the last entry, and what it is asked for by */
    struct version_id last;
};

static void next_key(struct listed *l)
{
    while (l->left == 0 && ++l->key < KEYS)
        l->left = model.keys[l->key].count;
}

static bool check_entry(void *arg, struct bytes key, const struct object_info *info, bool is_latest)
{
    struct listed *l = arg;
    assert_non_null(info);
    assert_true(l->key < KEYS);
    const struct history *h = &model.keys[l->key];
    const struct version *v = &h->versions[l->left - 1];
    assert_true(bytes_equal(key, text(key_name(l->key))));
    assert_true(version_id_equal(&info->version, &v->id));
    assert_int_equal(info->null_version, v->null_version && model.versioning != BUCKET_VERSIONING_OFF);
    assert_int_equal(info->delete_marker, v->marker);
    assert_int_equal(info->size, v->len);
    assert_int_equal(is_latest, l->left == h->count);
    l->last_key = l->key;
    l->last = v->null_version ? version_id_null : v->id;
    l->left--;
    l->given++;
    next_key(l);
    return true;
}

static void check_listing(struct fixture *f)
{
    struct listed l = {.left = model.keys[0].count};
    struct version_list_request req = {.bucket = text("b"), .max_entries = model.pages};
    bool truncated = true;
    next_key(&l);
    while (truncated) {
        unsigned before = l.given;
        assert_int_equal(store_version_list(f->store, &req, check_entry, &l, &truncated), DOL_OK);
        assert_int_equal(truncated, l.key < KEYS);
        assert_int_equal(l.given - before, truncated ? model.pages : l.given - before);
        req.after_key = text(key_name(l.last_key));
        req.after_version = &l.last;
    }
}

static void check_version(struct fixture *f, const char *key, const struct version_id *id, const struct version *v)
{
    struct object *o;
    struct bytes piece;
    size_t at = 0;
    assert_int_equal(store_object_open(f->store, text("b"), text(key), id, &o), DOL_OK);
    const struct object_info *info = store_object_info(o);
    assert_int_equal(info->delete_marker, v->marker);
    assert_int_equal(info->size, v->len);
    assert_true(version_id_equal(&info->version, &v->id));
    uint8_t *data = noise(v->seed, v->len);
    assert_int_equal(store_object_seek(o, 0, v->len), DOL_OK);
    do {
        assert_int_equal(store_object_read(o, &piece), DOL_OK);
        assert_true(piece.len <= v->len - at);
        assert_true(piece.len == 0 || memcmp(piece.data, data + at, piece.len) == 0);
        at += piece.len;
    } while (piece.len > 0);
    assert_int_equal(at, v->len);
    free(data);
    store_object_close(o);
}

static void check_all(struct fixture *f)
{
    struct object *o;
    for (unsigned k = 0; k < KEYS; k++) {
        const struct history *h = &model.keys[k];
        bool has_null = false;
        for (unsigned i = 0; i < h->count; i++) {
            const struct version *v = &h->versions[i];
            check_version(f, key_name(k), v->null_version ? &version_id_null : &v->id, v);
            has_null = has_null || v->null_version;
        }
        if (h->count > 0)
            check_version(f, key_name(k), NULL, &h->versions[h->count - 1]);
        else
            assert_int_equal(store_object_open(f->store, text("b"), text(key_name(k)), NULL, &o), DOL_ENOTFOUND);
        if (!has_null)
            assert_int_equal(store_object_open(f->store, text("b"), text(key_name(k)), &version_id_null, &o),
                             DOL_ENOVERSION);
    }
    check_listing(f);
}

/* ---- sessions ---- */

static void tell_steps(struct fixture *f)
{
    unsigned freed;
    struct bucket_info info;
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    assert_int_equal(info.versioning, model.versioning);
    check_all(f);
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned k = (unsigned)fixture_dice(f, KEYS);
        uint64_t dice = fixture_dice(f, 100);
        if (dice < 50)
            step_put(f, k);
        else if (dice < 65)
            step_delete(f, k);
        else if (dice < 93)
            step_delete_version(f, k);
        else
            step_versioning(f);
    }
    check_all(f);
    assert_int_equal(gc_run(f->store, &freed), DOL_OK);
    check_all(f);
}

static void tell_steps_and_crash(struct fixture *f)
{
    tell_steps(f);
    fixture_crash(f);
}

static void run(uint64_t seed, unsigned pages)
{
    struct fixture f = {.k = 2, .m = 1, .seed = seed};
    memset(&model, 0, sizeof model);
    model.pages = pages;
    fixture_init(&f);
    fixture_write_session(&f, make_bucket);
    for (unsigned i = 0; i < SESSIONS; i++) {
        fixture_write_session(&f, i % 2 ? tell_steps_and_crash : tell_steps);
        if (i % 3 == 2)
            fixture_drop_index(&f);
    }
    fixture_write_session(&f, check_all);
    fixture_drop_index(&f);
    fixture_write_session(&f, check_all);
    fixture_fini(&f);
}

static void test_against_model(void **state)
{
    (void)state;
    run(1, 1);
    run(2, 3);
    run(3, 1000);
}

/* ---- setting it ---- */

static void tell_settings(struct fixture *f)
{
    struct bucket_info info;
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_ENABLED), DOL_ENOBUCKET);
    make_bucket(f);
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_OFF), DOL_EINVAL);
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), 3), DOL_EINVAL);
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_ENABLED), DOL_OK);
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    assert_int_equal(info.versioning, BUCKET_VERSIONING_ENABLED);
}

static void tell_read_only(struct fixture *f)
{
    struct bucket_info info;
    assert_int_equal(store_bucket_set_versioning(f->store, text("b"), BUCKET_VERSIONING_SUSPENDED), DOL_EREADONLY);
    assert_int_equal(store_bucket_get(f->store, text("b"), &info), DOL_OK);
    assert_int_equal(info.versioning, BUCKET_VERSIONING_ENABLED);
}

static void test_settings(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_settings);
    f.access = STORE_READ_ONLY;
    fixture_read_session(&f, tell_read_only);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
