/* The index's exact behaviours: what a published row shows, what a commit keeps, order and repetition, buckets,
 * settings, slabs, views, opening. */
#include "index_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "index_impl.h"
#include "le.h"

#define B FX_BUCKET

/* ---- objects ---- */

static void test_put_is_visible_published_and_applied(void **state)
{
    struct fx *fx = *state;
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    fx_put(fx, B, S("k"), 10, 0);
    assert_int_equal(fx_newest_now(fx, S("k")), 10);
    assert_int_equal(fx_objects_now(fx), 0);
    fx_commit(fx);
    assert_int_equal(fx_newest_now(fx, S("k")), 10);
    assert_int_equal(fx_objects_now(fx), 1);
    assert_false(fx_reopen(fx));
    assert_int_equal(fx_newest_now(fx, S("k")), 10);
    assert_int_equal(fx_objects_now(fx), 1);
    struct lsn applied = index_applied(fx->ix);
    assert_int_equal(lsn_compare(applied, fx_lsn(fx)), 0);
}

static void test_get_gives_lsn_and_place(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 9, 5);
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 3};
    struct index_record *rec = fx_add_manifest(row, &m);
    struct index_record copy = *rec;
    fx_publish(row);
    for (int applied = 0; applied < 2; applied++) {
        struct index_view *v = fx_view(fx);
        struct index_object o;
        struct version_id version = fx_version(3);
        assert_int_equal(index_object_get(v, B, S("k"), &version, &o), DOL_OK);
        assert_int_equal(lsn_compare(o.lsn, copy.lsn), 0);
        assert_memory_equal(&o.place, &copy.place, sizeof copy.place);
        version = fx_version(4);
        assert_int_equal(index_object_get(v, B, S("k"), &version, &o), DOL_ENOTFOUND);
        assert_int_equal(index_object_get(v, B + 1, S("k"), NULL, &o), DOL_ENOTFOUND);
        assert_int_equal(index_object_get(v, B, S("k\0"), NULL, &o), DOL_ENOTFOUND);
        assert_int_equal(index_object_get(v, B, S(""), NULL, &o), DOL_ENOTFOUND);
        index_view_end(v);
        fx_commit(fx);
    }
}

static void test_versions_newest_first_and_delete(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("k"), 10, 0);
    fx_commit(fx);
    fx_put(fx, B, S("k"), 12, 0);
    fx_put(fx, B, S("k"), 11, 0);
    assert_int_equal(fx_newest_now(fx, S("k")), 12);
    struct fx_row *row = fx_row_new(fx, 1, 100);
    fx_add_delete(row, B, S("k"), 12);
    fx_publish(row);
    assert_int_equal(fx_newest_now(fx, S("k")), 11);
    row = fx_row_new(fx, 1, 101);
    fx_add_delete(row, B, S("k"), 11);
    fx_publish(row);
    assert_int_equal(fx_newest_now(fx, S("k")), 10);
    row = fx_row_new(fx, 1, 102);
    fx_add_delete(row, B, S("k"), 10);
    fx_publish(row);
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    fx_commit(fx);
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    assert_int_equal(fx_objects_now(fx), 0);
}

static void test_replaces_hides_the_old_version(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("k"), 10, 0);
    fx_commit(fx);
    fx_put(fx, B, S("k"), 11, 10);
    for (int applied = 0; applied < 2; applied++) {
        struct index_view *v = fx_view(fx);
        struct index_object o;
        struct version_id old = fx_version(10);
        assert_int_equal(fx_newest(v, B, S("k")), 11);
        assert_int_equal(index_object_get(v, B, S("k"), &old, &o), DOL_ENOTFOUND);
        index_view_end(v);
        fx_commit(fx);
        assert_int_equal(fx_objects_now(fx), 1);
    }
}

static void test_replaced_version_may_be_newer(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("k"), 10, 0);
    fx_commit(fx);
    fx_put(fx, B, S("k"), 9, 10);
    assert_int_equal(fx_newest_now(fx, S("k")), 9);
    fx_commit(fx);
    assert_int_equal(fx_newest_now(fx, S("k")), 9);
    assert_int_equal(fx_objects_now(fx), 1);
}

static void test_marker_is_no_object(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("k"), 10, 0);
    fx_commit(fx);
    struct fx_row *row = fx_row_new(fx, 1, 100);
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 20, .marker = true};
    fx_add_manifest(row, &m);
    fx_publish(row);
    assert_int_equal(fx_newest_now(fx, S("k")), 20);
    fx_commit(fx);
    assert_int_equal(fx_newest_now(fx, S("k")), 20);
    assert_int_equal(fx_objects_now(fx), 0);
    row = fx_row_new(fx, 1, 101);
    fx_add_delete(row, B, S("k"), 20);
    fx_publish(row);
    assert_int_equal(fx_newest_now(fx, S("k")), 10);
    fx_commit(fx);
    assert_int_equal(fx_objects_now(fx), 1);
}

static void test_marker_of_a_new_key(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 20, .marker = true};
    fx_add_manifest(row, &m);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_objects_now(fx), 0);
    assert_int_equal(fx_newest_now(fx, S("k")), 20);
}

static int64_t retention_of(struct fx *fx, struct bytes key, uint64_t version)
{
    struct index_view *v = fx_view(fx);
    struct index_object o;
    struct manifest m;
    struct version_id id = fx_version(version);
    assert_int_equal(index_object_get(v, B, key, &id, &o), DOL_OK);
    assert_int_equal(manifest_decode(o.body, &m), DOL_OK);
    int64_t until_s = m.retention.until_s;
    assert_int_equal(m.retention.mode, until_s == 0 ? RETENTION_NONE : RETENTION_COMPLIANCE);
    assert_int_equal(m.tags.len, until_s == 0 ? 0 : 6);
    index_view_end(v);
    return until_s;
}

static void add_meta_row(struct fx *fx, uint64_t version, int64_t until_s)
{
    struct fx_row *row = fx_row_new(fx, 2, fx->counter + 1);
    fx_add_meta(row, B, S("k"), version, until_s);
    fx_publish(row);
}

static void test_object_meta_over_applied_and_published(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("k"), 10, 0);
    add_meta_row(fx, 10, 111); /* base in the overlay */
    assert_int_equal(retention_of(fx, S("k"), 10), 111);
    fx_commit(fx);
    assert_int_equal(retention_of(fx, S("k"), 10), 111);
    add_meta_row(fx, 10, 222); /* base in LMDB */
    assert_int_equal(retention_of(fx, S("k"), 10), 222);
    add_meta_row(fx, 10, 333);
    assert_int_equal(retention_of(fx, S("k"), 10), 333);
    fx_commit(fx);
    assert_int_equal(retention_of(fx, S("k"), 10), 333);
    add_meta_row(fx, 99, 444); /* of a version that isn't there */
    assert_int_equal(fx_newest_now(fx, S("k")), 10);
    fx_commit(fx);
    assert_int_equal(fx_newest_now(fx, S("k")), 10);
    assert_int_equal(retention_of(fx, S("k"), 10), 333);
    assert_int_equal(fx_objects_now(fx), 1);
}

static void test_object_meta_in_the_row_of_its_manifest(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 5};
    fx_add_manifest(row, &m);
    fx_add_meta(row, B, S("k"), 5, 50);
    fx_publish(row);
    assert_int_equal(retention_of(fx, S("k"), 5), 50);
    fx_commit(fx);
    assert_int_equal(retention_of(fx, S("k"), 5), 50);
}

static void test_object_meta_published_before_its_manifest(void **state)
{
    struct fx *fx = *state;
    struct fx_row *first = fx_row_new(fx, 1, 1);
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 5};
    struct lsn put = fx_add_manifest(first, &m)->lsn;
    add_meta_row(fx, 5, 77);
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    fx_publish(first);
    assert_int_equal(retention_of(fx, S("k"), 5), 77);
    size_t applied;
    assert_int_equal(index_commit(fx->ix, put, &applied), DOL_OK); /* the manifest alone */
    assert_int_equal(applied, 1);
    assert_int_equal(retention_of(fx, S("k"), 5), 77);
    fx_commit(fx);
    assert_int_equal(retention_of(fx, S("k"), 5), 77);
    fx_reopen(fx);
    assert_int_equal(retention_of(fx, S("k"), 5), 77);
}

/* ---- order and repetition ---- */

static void test_rows_in_any_order_give_the_log_s_order(void **state)
{
    struct fx *fx = *state;
    struct fx_row *put = fx_row_new(fx, 1, 1), *replace = fx_row_new(fx, 2, 1), *gone = fx_row_new(fx, 3, 1);
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 5};
    fx_add_manifest(put, &m);
    m = (struct fx_manifest){.bucket = B, .key = S("k"), .version = 6, .replaces = 5};
    fx_add_manifest(replace, &m);
    fx_add_delete(gone, B, S("k"), 6);
    fx_publish(gone);
    fx_publish(replace);
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    fx_publish(put);
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    fx_commit(fx);
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    assert_int_equal(fx_objects_now(fx), 0);
}

static void test_bound_splits_a_row(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 4, 1);
    const uint64_t chunk = 1;
    fx_add_chunk(row, 1);
    struct fx_manifest m = {.bucket = B, .key = S("a"), .version = 5, .chunks = &chunk, .chunk_count = 1};
    struct lsn middle = fx_add_manifest(row, &m)->lsn;
    m.key = S("b");
    fx_add_manifest(row, &m);
    fx_publish_again(row);
    size_t applied;
    assert_int_equal(index_commit(fx->ix, middle, &applied), DOL_OK);
    assert_int_equal(applied, 0); /* rows are counted whole */
    struct lsn bound = index_applied(fx->ix);
    assert_int_equal(lsn_compare(bound, middle), 0);
    struct index_slab slab;
    assert_int_equal(index_slab_get(fx->ix, 4, &slab), DOL_ENOTFOUND);
    assert_int_equal(fx_objects_now(fx), 1);
    assert_int_equal(fx_refs_now(fx, 1), 1);
    assert_int_equal(fx_newest_now(fx, S("b")), 5);
    fx_commit(fx);
    assert_int_equal(index_slab_get(fx->ix, 4, &slab), DOL_OK);
    assert_int_equal(slab.rows, 1);
    assert_int_equal(fx_objects_now(fx), 2);
    assert_int_equal(fx_refs_now(fx, 1), 2);
    fx_row_free(row);
}

static void test_same_row_twice_changes_nothing(void **state)
{
    struct fx *fx = *state;
    const uint64_t chunks[] = {1, 2, 1};
    for (int i = 0; i < 2; i++) {
        struct fx_row *row = fx_row_new(fx, 1, (uint64_t)i + 1);
        fx_add_chunk(row, 1);
        fx_add_chunk(row, 2);
        struct fx_manifest m = {.bucket = B,
                                .key = S("k"),
                                .version = 5 + (uint64_t)i,
                                .replaces = i == 0 ? 0 : 5,
                                .chunks = chunks,
                                .chunk_count = 3};
        fx_add_manifest(row, &m);
        fx_publish_again(row);
        fx_publish_again(row); /* before its commit */
        fx_commit(fx);
        fx_publish_again(row); /* after it */
        assert_int_equal(fx_newest_now(fx, S("k")), 5 + i);
        fx_commit(fx);
        fx_reopen(fx);
        fx_publish(row);
        fx_commit(fx);
        assert_int_equal(fx_newest_now(fx, S("k")), 5 + i);
        assert_int_equal(fx_refs_now(fx, 1), 2);
        assert_int_equal(fx_refs_now(fx, 2), 1);
        assert_int_equal(fx_objects_now(fx), 1);
        struct index_counts c;
        index_counts_get(fx->ix, &c);
        assert_int_equal(c.chunks, 2);
        size_t bytes, records;
        index_pending(fx->ix, &bytes, &records);
        assert_int_equal(bytes, 0);
        assert_int_equal(records, 0);
    }
}

static void test_one_version_recorded_twice(void **state)
{
    struct fx *fx = *state;
    const uint64_t chunks[] = {1, 2};
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 5, .chunks = chunks, .chunk_count = 2};
    for (unsigned i = 0; i < 2; i++) { /* with LSNs of their own */
        struct fx_row *row = fx_row_new(fx, 1, i + 1);
        fx_add_chunk(row, 1);
        fx_add_chunk(row, 2);
        fx_add_manifest(row, &m);
        fx_publish(row);
    }
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 1), 1);
    assert_int_equal(fx_objects_now(fx), 1);
    struct fx_row *row = fx_row_new(fx, 1, 3);
    fx_add_manifest(row, &m);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 2), 1);
    assert_int_equal(fx_objects_now(fx), 1);
    assert_int_equal(fx_newest_now(fx, S("k")), 5);
}

static void test_appended_again_takes_the_later_place(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_chunk(row, 1);
    struct lsn lsn = row->records[0].lsn;
    fx_publish(row);
    row = fx_row_new(fx, 2, 1);
    fx_add_chunk(row, 1)->lsn = lsn;
    fx_publish(row);
    struct sha256 h = fx_hash(1);
    for (int applied = 0; applied < 2; applied++) {
        struct index_view *v = fx_view(fx);
        struct index_chunk c;
        assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &h, &c), DOL_OK);
        assert_int_equal(c.place.slab, 2);
        assert_int_equal(lsn_compare(c.lsn, lsn), 0);
        assert_int_equal(c.codec, FORMAT_CODEC_ZSTD);
        assert_int_equal(c.plain_bytes, 1);
        index_view_end(v);
        fx_commit(fx);
    }
}

static void test_bad_body_publishes_nothing(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    struct fx_manifest m = {.bucket = B, .key = S("k"), .version = 5};
    fx_add_manifest(row, &m);
    fx_add(row, RECORD_MANIFEST, S("\1\0\0\0\xff\xff\xff\xffx"));
    struct index_row in = {.after = row->after, .records = row->records, .record_count = row->count};
    assert_int_equal(index_publish(fx->ix, &in), DOL_ECORRUPT);
    assert_int_equal(fx_newest_now(fx, S("k")), 0);
    size_t bytes, records;
    index_pending(fx->ix, &bytes, &records);
    assert_int_equal(records, 0);
    fx_row_free(row);
}

static void test_kinds_not_kept_move_the_position(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 6, 1);
    fx_add(row, RECORD_AUDIT, S("anything"));
    fx_publish(row);
    row = fx_row_new(fx, 6, 2); /* empty row */
    fx_publish(row);
    size_t applied;
    assert_int_equal(index_commit(fx->ix, (struct lsn){UINT64_MAX, UINT64_MAX}, &applied), DOL_OK);
    assert_int_equal(applied, 1);
    struct index_slab slab;
    assert_int_equal(index_slab_get(fx->ix, 6, &slab), DOL_OK);
    assert_int_equal(slab.rows, 2);
    struct lsn bound = index_applied(fx->ix);
    assert_int_equal(lsn_compare(bound, fx_lsn(fx)), 0); /* not beyond what was seen */
}

static void test_empty_row_waits_for_older_rows(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 6, 1);
    fx_add_chunk(row, 1);
    fx_publish(row);
    fx_publish(fx_row_new(fx, 6, 2));
    fx_publish(fx_row_new(fx, 7, 1));
    size_t applied;
    assert_int_equal(index_commit(fx->ix, (struct lsn){0, 0}, &applied), DOL_OK);
    struct index_slab slab;
    assert_int_equal(index_slab_get(fx->ix, 6, &slab), DOL_ENOTFOUND);
    assert_int_equal(index_slab_get(fx->ix, 7, &slab), DOL_OK);
    assert_int_equal(slab.rows, 1);
}

/* ---- buckets and settings ---- */

static uint64_t bucket_named(struct fx *fx, const char *name, const char *region)
{
    struct index_view *v = fx_view(fx);
    struct bucket_body b;
    enum dol_err err = index_bucket_by_name(v, bytes_of(name, strlen(name)), &b);
    uint64_t id = 0;
    if (err != DOL_ENOTFOUND) {
        assert_int_equal(err, DOL_OK);
        assert_true(bytes_equal(b.region, bytes_of(region, strlen(region))));
        id = b.id;
    }
    index_view_end(v);
    return id;
}

static void assert_bucket_names(struct fx *fx, const char *expected)
{
    char got[256] = "";
    size_t got_len = 0;
    char after[64] = "";
    struct index_view *v = fx_view(fx);
    struct bucket_body b;
    enum dol_err err;
    while ((err = index_bucket_next(v, bytes_of(after, strlen(after)), &b)) == DOL_OK) {
        memcpy(after, b.name.data, b.name.len);
        after[b.name.len] = 0;
        got_len += (size_t)snprintf(got + got_len, sizeof got - got_len, "%s ", after);
    }
    assert_int_equal(err, DOL_ENOTFOUND);
    index_view_end(v);
    assert_string_equal(got, expected);
}

static void test_buckets(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_bucket(row, B, "mri", "a");
    fx_add_bucket(row, B + 1, "ct", "b");
    fx_publish(row);
    assert_bucket_names(fx, "ct mri ");
    fx_commit(fx);
    assert_bucket_names(fx, "ct mri ");
    row = fx_row_new(fx, 1, 2);
    fx_add_bucket(row, B + 1, "ct", "c"); /* changed */
    fx_add_bucket(row, B + 2, "pet", "p");
    fx_add_bucket(row, B + 3, "aa", "p");
    fx_publish(row);
    assert_int_equal(bucket_named(fx, "ct", "c"), B + 1);
    assert_int_equal(bucket_named(fx, "mri", "a"), B);
    assert_bucket_names(fx, "aa ct mri pet ");
    row = fx_row_new(fx, 1, 3);
    fx_add_bucket_delete(row, B);     /* in LMDB */
    fx_add_bucket_delete(row, B + 2); /* in the overlay */
    fx_publish(row);
    assert_bucket_names(fx, "aa ct ");
    assert_int_equal(bucket_named(fx, "mri", ""), 0);
    row = fx_row_new(fx, 1, 4);
    fx_add_bucket(row, B + 7, "mri", "z"); /* the name again */
    fx_publish(row);
    assert_int_equal(bucket_named(fx, "mri", "z"), B + 7);
    fx_commit(fx);
    assert_bucket_names(fx, "aa ct mri ");
    assert_int_equal(bucket_named(fx, "mri", "z"), B + 7);
    assert_int_equal(bucket_named(fx, "ct", "c"), B + 1);
    struct index_counts c;
    index_counts_get(fx->ix, &c);
    assert_int_equal(c.buckets, 3);
    fx_reopen(fx);
    assert_bucket_names(fx, "aa ct mri ");
}

static void test_bucket_delete_published_first(void **state)
{
    struct fx *fx = *state;
    struct fx_row *make = fx_row_new(fx, 1, 1), *gone = fx_row_new(fx, 2, 1);
    fx_add_bucket(make, B, "mri", "a");
    fx_add_bucket_delete(gone, B);
    fx_publish(gone);
    fx_publish(make);
    assert_bucket_names(fx, "");
    fx_commit(fx);
    assert_bucket_names(fx, "");
}

static void test_bucket_delete_leaves_another_s_name(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_bucket(row, B, "mri", "a");
    fx_add_bucket(row, B + 7, "mri", "z");
    fx_add_bucket_delete(row, B);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(bucket_named(fx, "mri", "z"), B + 7);
}

static void test_settings(void **state)
{
    struct fx *fx = *state;
    char long_name[512];
    memset(long_name, 'n', sizeof long_name);
    long_name[511] = 0;
    char long_other[512];
    memcpy(long_other, long_name, sizeof long_name);
    long_other[510] = 'm';
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_setting(row, RECORD_SETTING, "a", "1");
    fx_add_setting(row, RECORD_USER, "b", "user");
    fx_add_setting(row, RECORD_SETTING, long_name, "long");
    fx_add_setting(row, RECORD_SETTING, long_other, "other");
    fx_publish(row);
    for (int applied = 0; applied < 2; applied++) {
        struct index_view *v = fx_view(fx);
        struct bytes value;
        assert_int_equal(index_setting_get(v, S("a"), &value), DOL_OK);
        assert_true(bytes_equal(value, S("1")));
        assert_int_equal(index_setting_get(v, S("b"), &value), DOL_ENOTFOUND);
        assert_int_equal(index_setting_get(v, bytes_of(long_name, 511), &value), DOL_OK);
        assert_true(bytes_equal(value, S("long")));
        assert_int_equal(index_setting_get(v, bytes_of(long_other, 511), &value), DOL_OK);
        assert_true(bytes_equal(value, S("other")));
        index_view_end(v);
        fx_commit(fx);
    }
    row = fx_row_new(fx, 1, 2);
    fx_add_setting(row, RECORD_SETTING, "a", NULL);
    fx_publish(row);
    for (int applied = 0; applied < 2; applied++) {
        struct index_view *v = fx_view(fx);
        struct bytes value;
        assert_int_equal(index_setting_get(v, S("a"), &value), DOL_ENOTFOUND);
        index_view_end(v);
        fx_commit(fx);
    }
}

/* The names of a kind, each with a space behind it. */
static void walk_settings(struct fx *fx, uint8_t kind, const char *expected)
{
    char seen[256] = "";
    struct bytes name = {NULL, 0};
    struct bytes value;
    struct index_view *v = fx_view(fx);
    enum dol_err err;
    while ((err = index_setting_next(v, kind, name, &name, &value)) == DOL_OK)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s=%.*s ", (int)name.len, (const char *)name.data,
                 (int)value.len, (const char *)value.data);
    index_view_end(v);
    assert_int_equal(err, DOL_ENOTFOUND);
    assert_string_equal(seen, expected);
}

static void test_settings_walk(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_setting(row, RECORD_USER, "b", "1");
    fx_add_setting(row, RECORD_USER, "d", "2");
    fx_add_setting(row, RECORD_USER, "da", "3");
    fx_add_setting(row, RECORD_POLICY, "c", "4");
    fx_publish(row);
    for (int applied = 0; applied < 2; applied++) {
        walk_settings(fx, RECORD_USER, "b=1 d=2 da=3 ");
        walk_settings(fx, RECORD_ACCESS_KEY, "");
        walk_settings(fx, RECORD_POLICY, "c=4 ");
        walk_settings(fx, RECORD_SETTING, "");
        fx_commit(fx);
    }
    row = fx_row_new(fx, 1, 2);
    fx_add_setting(row, RECORD_USER, "a", "5");
    fx_add_setting(row, RECORD_USER, "c", "6");
    fx_add_setting(row, RECORD_USER, "d", NULL);
    fx_add_setting(row, RECORD_USER, "da", "7");
    fx_add_setting(row, RECORD_POLICY, "c", NULL);
    fx_publish(row);
    for (int applied = 0; applied < 2; applied++) {
        walk_settings(fx, RECORD_USER, "a=5 b=1 c=6 da=7 ");
        walk_settings(fx, RECORD_POLICY, "");
        fx_commit(fx);
    }
}

/* ---- slabs ---- */

static void add_end(struct fx_row *row, uint64_t slab, uint64_t rows)
{
    uint8_t body[256];
    struct end_body e = {.slab = slab, .rows = rows, .end_block = rows == 0 ? 1 : 1 + rows * 8};
    be64_put(e.life.b, slab ^ 0xfeed);
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    end_body_encode(&e, &w);
    assert_false(w.overflow);
    fx_add(row, RECORD_END, bytes_of(body, w.len));
}

static bool count_slab(void *arg, const struct index_slab *slab)
{
    uint64_t *sum = arg;
    *sum = *sum * 10 + slab->slab;
    return *sum < 100;
}

static void test_slabs_end_and_are_freed(void **state)
{
    struct fx *fx = *state;
    struct index_slab s;
    fx_publish(fx_row_new(fx, 3, 1));
    fx_commit(fx);
    struct fx_row *row = fx_row_new(fx, 4, 1);
    add_end(row, 3, 2);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(index_slab_get(fx->ix, 3, &s), DOL_OK);
    assert_int_equal(s.state, SLAB_STATE_ENDED);
    assert_false(s.complete);
    assert_int_equal(s.rows, 1);
    fx_publish(fx_row_new(fx, 3, 2));
    fx_commit(fx);
    assert_int_equal(index_slab_get(fx->ix, 3, &s), DOL_OK);
    assert_int_equal(s.state, SLAB_STATE_ENDED);
    assert_true(s.complete);
    assert_int_equal(s.rows, 2);
    assert_int_equal(s.end_block, 17);
    assert_int_equal(be64_get(s.last_table.b), 2);
    fx_publish(fx_row_new(fx, 3, 1)); /* back: no */
    fx_commit(fx);
    assert_int_equal(index_slab_get(fx->ix, 3, &s), DOL_OK);
    assert_int_equal(s.rows, 2);

    row = fx_row_new(fx, 5, 4);
    row->after.state = SLAB_STATE_SEALED;
    row->after.complete = true;
    add_end(row, 6, 0); /* a slab without a valid row */
    fx_publish(row);
    fx_commit(fx);
    fx_reopen(fx);
    assert_int_equal(index_slab_get(fx->ix, 5, &s), DOL_OK);
    assert_int_equal(s.state, SLAB_STATE_SEALED);
    assert_true(s.complete);
    assert_int_equal(index_slab_get(fx->ix, 6, &s), DOL_OK);
    assert_true(s.complete);
    uint64_t seen = 0;
    assert_int_equal(index_slab_each(fx->ix, count_slab, &seen), DOL_OK);
    assert_int_equal(seen, 345); /* stops when told */

    uint8_t body[128];
    struct freed_body f = {.slab = 3, .generation = 7};
    be64_put(f.life.b, 3 ^ 0xfeed);
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    freed_body_encode(&f, &w);
    row = fx_row_new(fx, 4, 2);
    fx_add(row, RECORD_FREED, bytes_of(body, w.len));
    fx_publish(row);
    assert_int_equal(index_generation(fx->ix), 0);
    fx_commit(fx);
    assert_int_equal(index_generation(fx->ix), 7);
    assert_int_equal(index_slab_get(fx->ix, 3, &s), DOL_OK);
    assert_int_equal(s.state, SLAB_STATE_FREED);
    assert_int_equal(index_slab_final(fx->ix, 3, f.life), DOL_OK);
    assert_int_equal(index_slab_get(fx->ix, 3, &s), DOL_ENOTFOUND);
    assert_int_equal(index_slab_final(fx->ix, 4, f.life), DOL_EINVAL); /* not freed */
}

static void test_slab_of_another_life_begins_anew(void **state)
{
    struct fx *fx = *state;
    struct index_slab s;
    fx_publish(fx_row_new(fx, 3, 5));
    fx_commit(fx);
    struct fx_row *row = fx_row_new(fx, 3, 2);
    row->after.life.b[0] ^= 1;
    struct uuid life = row->after.life;
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(index_slab_get(fx->ix, 3, &s), DOL_OK);
    assert_int_equal(s.rows, 2);
    assert_true(uuid_equal(s.life, life));
}

static void test_more_than_one_batch(void **state)
{
    struct fx *fx = *state;
    const unsigned per_row = 4096, rows = INDEX_BATCH_RECORDS_MAX / per_row + 1;
    for (unsigned r = 0; r < rows; r++) {
        struct fx_row *row = fx_row_new(fx, 1, r + 1);
        for (unsigned i = 0; i < per_row; i++)
            fx_add_setting(row, RECORD_SETTING, "s", i % 2 == 0 ? "even" : "odd");
        fx_publish(row);
    }
    size_t applied;
    assert_int_equal(index_commit(fx->ix, fx_lsn(fx), &applied), DOL_OK);
    assert_int_equal(applied, rows * per_row);
    struct index_counts c;
    index_counts_get(fx->ix, &c);
    assert_int_equal(c.commits, 2);
    struct lsn bound = index_applied(fx->ix);
    assert_int_equal(lsn_compare(bound, fx_lsn(fx)), 0);
    struct index_slab s;
    assert_int_equal(index_slab_get(fx->ix, 1, &s), DOL_OK);
    assert_int_equal(s.rows, rows);
}

/* ---- views and trimming ---- */

static void test_old_view_keeps_what_it_saw(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("a"), 1, 0);
    struct index_view *old = fx_view(fx);
    struct index_object o;
    assert_int_equal(index_object_get(old, B, S("a"), NULL, &o), DOL_OK);
    uint8_t copy[512];
    assert_true(o.body.len <= sizeof copy);
    memcpy(copy, o.body.data, o.body.len);
    fx_commit(fx);
    fx_put(fx, B, S("a"), 2, 1);
    fx_commit(fx);
    fx_commit(fx);
    assert_true(atomic_load(&fx->ix->overlay.nodes) > 0); /* pinned */
    assert_memory_equal(copy, o.body.data, o.body.len);
    assert_int_not_equal(fx_newest(old, B, S("a")), 0);
    index_view_end(old);
    fx_commit(fx);
    assert_int_equal(atomic_load(&fx->ix->overlay.nodes), 0);
    assert_true(list_is_empty(&fx->ix->retired));
    assert_int_equal(fx_newest_now(fx, S("a")), 2);
}

static void test_view_during_commit_sees_all(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("a"), 1, 0);
    struct index_view *before = fx_view(fx);
    fx_commit(fx);
    struct index_view *after = fx_view(fx);
    assert_int_equal(fx_newest(before, B, S("a")), 1); /* overlay */
    assert_int_equal(fx_newest(after, B, S("a")), 1);
    index_view_end(before);
    fx_commit(fx); /* trims under the younger view */
    assert_int_equal(atomic_load(&fx->ix->overlay.nodes), 0);
    assert_int_equal(fx_newest(after, B, S("a")), 1);
    index_view_end(after);
}

/* ---- opening ---- */

static void test_second_open_is_refused(void **state)
{
    struct fx *fx = *state;
    struct index_config config = {.dir = fx->dir, .map_bytes = 1 << 20, .pool = fx->pool};
    struct index *other;
    bool fresh;
    assert_int_equal(index_open(&config, &other, &fresh), DOL_EINUSE);
    assert_null(other);
}

static void test_other_pool_begins_anew(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("a"), 1, 0);
    fx_commit(fx);
    fx->pool.b[3] = 9;
    assert_true(fx_reopen(fx));
    assert_int_equal(fx_newest_now(fx, S("a")), 0);
    assert_int_equal(fx_objects_now(fx), 0);
    fx_put(fx, B, S("b"), 1, 0);
    fx_commit(fx);
    assert_false(fx_reopen(fx));
    assert_int_equal(fx_newest_now(fx, S("b")), 1);
}

static void test_reset(void **state)
{
    struct fx *fx = *state;
    fx_put(fx, B, S("a"), 1, 0);
    fx_commit(fx);
    fx_put(fx, B, S("b"), 1, 0);
    assert_int_equal(index_reset(fx->ix), DOL_OK);
    assert_int_equal(fx_newest_now(fx, S("a")), 0);
    assert_int_equal(fx_newest_now(fx, S("b")), 0);
    struct lsn applied = index_applied(fx->ix);
    assert_true(applied.run == 0 && applied.counter == 0);
    size_t bytes, records;
    index_pending(fx->ix, &bytes, &records);
    assert_int_equal(bytes + records, 0);
    fx_put(fx, B, S("c"), 1, 0);
    fx_commit(fx);
    assert_false(fx_reopen(fx));
    assert_int_equal(fx_newest_now(fx, S("c")), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_put_is_visible_published_and_applied),
        T(test_get_gives_lsn_and_place),
        T(test_versions_newest_first_and_delete),
        T(test_replaces_hides_the_old_version),
        T(test_replaced_version_may_be_newer),
        T(test_marker_is_no_object),
        T(test_marker_of_a_new_key),
        T(test_object_meta_over_applied_and_published),
        T(test_object_meta_in_the_row_of_its_manifest),
        T(test_object_meta_published_before_its_manifest),
        T(test_rows_in_any_order_give_the_log_s_order),
        T(test_bound_splits_a_row),
        T(test_same_row_twice_changes_nothing),
        T(test_one_version_recorded_twice),
        T(test_appended_again_takes_the_later_place),
        T(test_bad_body_publishes_nothing),
        T(test_kinds_not_kept_move_the_position),
        T(test_empty_row_waits_for_older_rows),
        T(test_buckets),
        T(test_bucket_delete_published_first),
        T(test_bucket_delete_leaves_another_s_name),
        T(test_settings),
        T(test_settings_walk),
        T(test_slabs_end_and_are_freed),
        T(test_slab_of_another_life_begins_anew),
        T(test_more_than_one_batch),
        T(test_old_view_keeps_what_it_saw),
        T(test_view_during_commit_sees_all),
        T(test_second_open_is_refused),
        T(test_other_pool_begins_anew),
        T(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
