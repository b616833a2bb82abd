/*
 * What the index knows of slabs for the reclaiming of space: which records are needed, which are void and by whom,
 * where copies are, and what is left when a slab has gone.
 */
#include "index_fixture.h"

#include <stdlib.h>

#include "index_impl.h"
#include "le.h"

static const struct lsn all = {UINT64_MAX, 0};

static struct index_live books(struct fx *fx, uint64_t slab)
{
    struct index_live live;
    struct index_view *v = fx_view(fx);
    assert_int_equal(index_live_get(v, slab, &live), DOL_OK);
    index_view_end(v);
    return live;
}

static void expect_books(struct fx *fx, uint64_t slab, uint64_t records, uint64_t cancels)
{
    struct index_live live = books(fx, slab);
    assert_int_equal(live.records, records);
    assert_int_equal(live.cancels, cancels);
    assert_int_equal(index_audit(fx->ix), DOL_OK);
}

/* A record as it lies in a slab, kept by the test. */
struct kept {
    struct index_record rec;
    uint8_t payload[512];
};

static void keep(struct kept *k, const struct index_record *rec)
{
    assert_true(rec->payload.len <= sizeof k->payload);
    k->rec = *rec;
    memcpy(k->payload, rec->payload.data, rec->payload.len);
    k->rec.payload.data = k->payload;
}

static void expect_verdict(struct fx *fx, const struct kept *k, uint64_t slab, enum index_verdict verdict,
                           unsigned graves)
{
    struct index_judgement j;
    struct index_record rec = k->rec;
    struct index_view *v = fx_view(fx);
    rec.place.slab = slab;
    assert_int_equal(index_judge(v, &rec, all, &j), DOL_OK);
    index_view_end(v);
    assert_int_equal(j.verdict, verdict);
    assert_int_equal(j.grave_count, graves);
}

static struct uuid life_of(uint64_t slab)
{
    struct uuid life = {{0}};
    be64_put(life.b, slab ^ 0xfeed);
    return life;
}

/* Copies of records from a slab into the row, and the record that says so. copies: the test's memory. */
static void add_moved(struct fx_row *row, uint64_t from, const struct kept *kept, unsigned count,
                      struct index_record *copies)
{
    uint8_t body[128];
    struct tlv_writer w;
    const struct moved_body moved = {from, life_of(from), count};
    for (unsigned i = 0; i < count; i++) {
        struct index_record *rec = fx_add(row, kept[i].rec.kind, kept[i].rec.payload);
        rec->lsn = kept[i].rec.lsn;
        copies[i] = *rec;
        copies[i].payload = kept[i].rec.payload;
    }
    tlv_writer_init(&w, body, sizeof body);
    moved_body_encode(&moved, &w);
    struct index_record *rec = fx_add(row, RECORD_MOVED, bytes_of(body, w.len));
    rec->moved = copies;
    rec->moved_count = count;
}

static void publish_closed(struct fx_row *row)
{
    row->after.state = SLAB_STATE_SEALED;
    row->after.complete = true;
    fx_publish(row);
}

static void add_freed(struct fx_row *row, uint64_t slab, uint64_t generation)
{
    uint8_t body[128];
    struct tlv_writer w;
    const struct freed_body freed = {slab, life_of(slab), generation};
    tlv_writer_init(&w, body, sizeof body);
    freed_body_encode(&freed, &w);
    fx_add(row, RECORD_FREED, bytes_of(body, w.len));
}

static struct index_record *add_object(struct fx_row *row, const char *key, uint64_t version, uint64_t replaces)
{
    const struct fx_manifest m = {
        .bucket = FX_BUCKET, .key = bytes_of(key, strlen(key)), .version = version, .replaces = replaces};
    return fx_add_manifest(row, &m);
}

/* ---- void, and by whom ---- */

static void test_delete_is_needed_while_its_grave_is_there(void **state)
{
    struct fx *fx = *state;
    struct kept m, d;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    keep(&m, add_object(row, "a", 1, 0));
    publish_closed(row);
    fx_commit(fx);
    expect_books(fx, 1, 1, 0);
    expect_verdict(fx, &m, 1, INDEX_KEEP, 0);

    row = fx_row_new(fx, 2, 1);
    keep(&d, fx_add_delete(row, FX_BUCKET, S("a"), 1));
    publish_closed(row);
    fx_commit(fx);
    expect_books(fx, 1, 0, 0);
    expect_books(fx, 2, 0, 1);
    expect_verdict(fx, &m, 1, INDEX_DROP, 0);
    expect_verdict(fx, &d, 2, INDEX_KEEP, 1);

    row = fx_row_new(fx, 3, 1);
    add_freed(row, 1, 1);
    fx_publish(row);
    fx_commit(fx);
    expect_verdict(fx, &d, 2, INDEX_KEEP, 1); /* not final yet */
    assert_int_equal(index_slab_final(fx->ix, 1, life_of(1)), DOL_OK);
    expect_verdict(fx, &d, 2, INDEX_DROP, 0);
    expect_books(fx, 2, 0, 0);
    expect_verdict(fx, &m, 1, INDEX_UNEXPLAINED, 0); /* such a slab isn't there any more */
}

static void test_delete_beside_what_it_deletes(void **state)
{
    struct fx *fx = *state;
    struct kept d;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    add_object(row, "a", 1, 0);
    keep(&d, fx_add_delete(row, FX_BUCKET, S("a"), 1));
    fx_publish(row);
    fx_commit(fx);
    expect_books(fx, 1, 0, 0);
    expect_verdict(fx, &d, 1, INDEX_DROP, 0); /* they go together */
}

static void test_replacing_manifest_makes_way_for_a_delete(void **state)
{
    struct fx *fx = *state;
    struct kept old, next, d;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    keep(&old, add_object(row, "a", 1, 0));
    publish_closed(row);
    row = fx_row_new(fx, 2, 1);
    keep(&next, add_object(row, "a", 2, 1));
    publish_closed(row);
    fx_commit(fx);
    expect_books(fx, 2, 1, 1);
    expect_verdict(fx, &next, 2, INDEX_KEEP, 0);
    row = fx_row_new(fx, 3, 1);
    fx_add_delete(row, FX_BUCKET, S("a"), 2);
    fx_publish(row);
    fx_commit(fx);
    expect_books(fx, 2, 0, 1);
    expect_verdict(fx, &next, 2, INDEX_REPLACE, 1);

    uint8_t grave[GRAVE_REF_BYTES], body[256];
    grave_ref_encode(&(struct grave_ref){1, old.rec.lsn}, grave);
    const struct delete_body heir = {
        .bucket = FX_BUCKET, .key = S("a"), .version = fx_version(1), .graves = bytes_of(grave, sizeof grave)};
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    delete_body_encode(&heir, &w);
    assert_false(w.overflow);
    row = fx_row_new(fx, 4, 1);
    keep(&d, fx_add(row, RECORD_DELETE, bytes_of(body, w.len)));
    fx_publish(row);
    fx_commit(fx);
    expect_books(fx, 2, 0, 0);
    expect_books(fx, 4, 0, 1);
    expect_verdict(fx, &next, 2, INDEX_DROP, 0);
    expect_verdict(fx, &d, 4, INDEX_KEEP, 1);
    assert_int_equal(fx_newest_now(fx, S("a")), 0);
}

static void test_superseded_state(void **state)
{
    struct fx *fx = *state;
    struct kept bucket, setting, gone, meta, part_of_none;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    keep(&bucket, fx_add_bucket(row, FX_BUCKET, "b", "r1"));
    keep(&setting, fx_add_setting(row, RECORD_SETTING, "s", "v1"));
    add_object(row, "a", 1, 0);
    keep(&meta, fx_add_meta(row, FX_BUCKET, S("a"), 1, 100));
    fx_publish(row);
    fx_commit(fx);
    expect_books(fx, 1, 4, 0);
    row = fx_row_new(fx, 2, 1);
    fx_add_bucket(row, FX_BUCKET, "b", "r2");
    keep(&gone, fx_add_setting(row, RECORD_SETTING, "s", NULL));
    fx_add_meta(row, FX_BUCKET, S("a"), 1, 200);
    keep(&part_of_none, fx_add_meta(row, FX_BUCKET, S("a"), 9, 1)); /* of a version that isn't there */
    fx_publish(row);
    fx_commit(fx);
    expect_books(fx, 1, 1, 0);
    expect_books(fx, 2, 3, 0);
    expect_verdict(fx, &bucket, 1, INDEX_DROP, 0);
    expect_verdict(fx, &setting, 1, INDEX_DROP, 0);
    expect_verdict(fx, &meta, 1, INDEX_DROP, 0);
    expect_verdict(fx, &gone, 2, INDEX_KEEP, 0); /* the last word on the name */
    expect_verdict(fx, &part_of_none, 2, INDEX_DROP, 0);
    struct index_view *v = fx_view(fx);
    struct bytes value;
    assert_int_equal(index_setting_get(v, S("s"), &value), DOL_ENOTFOUND);
    index_view_end(v);
}

/* ---- chunks ---- */

static void test_chunk_without_references(void **state)
{
    struct fx *fx = *state;
    struct kept chunk, again;
    struct index_judgement j;
    uint64_t n = 7;
    struct sha256 hash = fx_hash(n);
    struct index_chunk c;
    const struct fx_manifest m = {.bucket = FX_BUCKET, .key = S("a"), .version = 1, .chunks = &n, .chunk_count = 1};
    struct fx_row *row = fx_row_new(fx, 1, 1);
    keep(&chunk, fx_add_chunk(row, n));
    fx_add_manifest(row, &m);
    fx_publish(row);
    fx_commit(fx);
    expect_verdict(fx, &chunk, 1, INDEX_KEEP, 0);
    row = fx_row_new(fx, 2, 1);
    struct lsn died = fx_add_delete(row, FX_BUCKET, S("a"), 1)->lsn;
    fx_publish(row);
    fx_commit(fx);
    struct index_view *v = fx_view(fx);
    assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &hash, &c), DOL_OK);
    assert_int_equal(lsn_compare(c.dead_since, died), 0);
    /* dead, but not for long enough: as good as referred to */
    assert_int_equal(index_judge(v, &chunk.rec, (struct lsn){died.run, died.counter - 1}, &j), DOL_OK);
    assert_int_equal(j.verdict, INDEX_KEEP);
    assert_int_equal(index_judge(v, &chunk.rec, died, &j), DOL_OK);
    assert_int_equal(j.verdict, INDEX_DROP);
    index_view_end(v);

    /* stored again: whoever did so may be about to refer to it */
    row = fx_row_new(fx, 2, 2);
    keep(&again, fx_add_chunk(row, n));
    fx_publish(row);
    fx_commit(fx);
    v = fx_view(fx);
    assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &hash, &c), DOL_OK);
    assert_int_equal(lsn_compare(c.dead_since, again.rec.lsn), 0);
    assert_int_equal(index_judge(v, &again.rec, died, &j), DOL_OK);
    assert_int_equal(j.verdict, INDEX_KEEP);
    assert_int_equal(index_judge(v, &chunk.rec, died, &j), DOL_OK);
    assert_int_equal(j.verdict, INDEX_DROP);
    index_view_end(v);
    expect_verdict(fx, &again, 2, INDEX_DROP, 0);
    expect_books(fx, 2, 0, 1);
}

static void test_freed_slab_takes_its_chunks_along(void **state)
{
    struct fx *fx = *state;
    struct index_chunk c;
    struct sha256 here = fx_hash(1), elsewhere = fx_hash(2);
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_chunk(row, 1);
    fx_add_chunk(row, 2);
    publish_closed(row);
    row = fx_row_new(fx, 2, 1);
    fx_add_chunk(row, 2);
    add_freed(row, 1, 1);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(index_slab_final(fx->ix, 1, life_of(1)), DOL_OK);
    struct index_view *v = fx_view(fx);
    assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &here, &c), DOL_ENOTFOUND);
    assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &elsewhere, &c), DOL_OK);
    assert_int_equal(c.place.slab, 2);
    index_view_end(v);
    assert_int_equal(index_audit(fx->ix), DOL_OK);
}

static void test_slab_that_is_needed_is_not_freed(void **state)
{
    struct fx *fx = *state;
    struct index_slab s;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    add_object(row, "a", 1, 0);
    publish_closed(row);
    row = fx_row_new(fx, 2, 1);
    add_freed(row, 1, 1);
    fx_publish(row);
    assert_false(index_is_unsure(fx->ix));
    fx_commit(fx);
    assert_int_equal(index_slab_get(fx->ix, 1, &s), DOL_OK);
    assert_int_equal(s.state, SLAB_STATE_SEALED);
    assert_true(index_is_unsure(fx->ix));
    assert_true(fx_reopen(fx)); /* begun anew */
}

/* ---- copies ---- */

static void test_copies_take_their_places(void **state)
{
    struct fx *fx = *state;
    struct kept k[5];
    struct index_record copies[5];
    struct fx_row *row = fx_row_new(fx, 1, 1);
    uint64_t n = 3;
    const struct fx_manifest m = {.bucket = FX_BUCKET, .key = S("a"), .version = 1, .chunks = &n, .chunk_count = 1};
    keep(&k[0], fx_add_bucket(row, FX_BUCKET, "b", "r1"));
    keep(&k[1], fx_add_chunk(row, n));
    keep(&k[2], fx_add_manifest(row, &m));
    keep(&k[3], fx_add_meta(row, FX_BUCKET, S("a"), 1, 100));
    keep(&k[4], fx_add_setting(row, RECORD_USER, "u", "v"));
    publish_closed(row);
    fx_commit(fx);
    expect_books(fx, 1, 5, 0);
    row = fx_row_new(fx, 2, 1);
    add_moved(row, 1, k, 5, copies);
    fx_publish_again(row);
    fx_commit(fx);
    expect_books(fx, 1, 0, 0);
    expect_books(fx, 2, 5, 0);
    for (unsigned i = 0; i < 5; i++) {
        expect_verdict(fx, &k[i], 1, INDEX_DROP, 0);
        expect_verdict(fx, &k[i], 2, INDEX_KEEP, 0);
    }
    bool sources;
    struct index_view *v = fx_view(fx);
    assert_int_equal(index_has_sources(v, 2, &sources), DOL_OK);
    assert_true(sources);
    struct index_chunk c;
    struct sha256 hash = fx_hash(n);
    assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &hash, &c), DOL_OK);
    assert_int_equal(c.place.slab, 2);
    assert_int_equal(lsn_compare(c.lsn, k[1].rec.lsn), 0);
    index_view_end(v);

    fx_publish(row); /* twice is as good as once */
    row = fx_row_new(fx, 3, 1);
    add_freed(row, 1, 1);
    fx_publish(row);
    fx_commit(fx);
    expect_books(fx, 2, 5, 0);
    assert_int_equal(index_slab_final(fx->ix, 1, life_of(1)), DOL_OK);
    v = fx_view(fx);
    assert_int_equal(index_has_sources(v, 2, &sources), DOL_OK);
    assert_false(sources);
    index_view_end(v);
    assert_int_equal(fx_newest_now(fx, S("a")), 1);
    expect_books(fx, 2, 5, 0);
}

/* Deleted between the judgement and the copy: the copy is void, too, and the delete is needed for both. */
static void test_copy_of_what_is_void_by_now(void **state)
{
    struct fx *fx = *state;
    struct kept m, d;
    struct index_record copies[1];
    struct fx_row *row = fx_row_new(fx, 1, 1);
    keep(&m, add_object(row, "a", 1, 0));
    publish_closed(row);
    fx_commit(fx);
    row = fx_row_new(fx, 3, 1);
    keep(&d, fx_add_delete(row, FX_BUCKET, S("a"), 1));
    fx_publish(row);
    row = fx_row_new(fx, 2, 1);
    add_moved(row, 1, &m, 1, copies);
    fx_publish(row);
    fx_commit(fx);
    expect_verdict(fx, &m, 1, INDEX_DROP, 0);
    expect_verdict(fx, &m, 2, INDEX_DROP, 0);
    expect_verdict(fx, &d, 3, INDEX_KEEP, 2);
    row = fx_row_new(fx, 3, 2);
    add_freed(row, 1, 1);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(index_slab_final(fx->ix, 1, life_of(1)), DOL_OK);
    expect_verdict(fx, &d, 3, INDEX_KEEP, 1); /* for the copy */
    expect_books(fx, 3, 0, 1);
    assert_int_equal(fx_newest_now(fx, S("a")), 0);
}

/* A delete that was copied itself counts where it lies now. */
static void test_copied_delete(void **state)
{
    struct fx *fx = *state;
    struct kept d;
    struct index_record copies[1];
    struct fx_row *row = fx_row_new(fx, 1, 1);
    add_object(row, "a", 1, 0);
    publish_closed(row);
    row = fx_row_new(fx, 2, 1);
    keep(&d, fx_add_delete(row, FX_BUCKET, S("a"), 1));
    publish_closed(row);
    fx_commit(fx);
    row = fx_row_new(fx, 3, 1);
    add_moved(row, 2, &d, 1, copies);
    fx_publish(row);
    fx_commit(fx);
    expect_books(fx, 2, 0, 0);
    expect_books(fx, 3, 0, 1);
    expect_verdict(fx, &d, 2, INDEX_DROP, 0);
    expect_verdict(fx, &d, 3, INDEX_KEEP, 1);
}

/* ---- what readers may be shown ---- */

static void test_shown_until_old_views_end(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_chunk(row, 1);
    fx_publish(row);
    assert_true(index_shows_slab(fx->ix, 1));
    struct index_view *v = fx_view(fx);
    fx_commit(fx);
    assert_true(index_shows_slab(fx->ix, 1));
    index_view_end(v);
    fx_commit(fx);
    fx_commit(fx);
    assert_false(index_shows_slab(fx->ix, 1));
}

static void test_generation_floor(void **state)
{
    struct fx *fx = *state;
    index_generation_floor(fx->ix, 9);
    fx_publish(fx_row_new(fx, 1, 1));
    fx_commit(fx);
    fx_reopen(fx);
    assert_int_equal(index_generation(fx->ix), 9);
    index_generation_floor(fx->ix, 4);
    assert_int_equal(index_generation(fx->ix), 9);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(test_delete_is_needed_while_its_grave_is_there),
        T(test_delete_beside_what_it_deletes),
        T(test_replacing_manifest_makes_way_for_a_delete),
        T(test_superseded_state),
        T(test_chunk_without_references),
        T(test_freed_slab_takes_its_chunks_along),
        T(test_slab_that_is_needed_is_not_freed),
        T(test_copies_take_their_places),
        T(test_copy_of_what_is_void_by_now),
        T(test_copied_delete),
        T(test_shown_until_old_views_end),
        T(test_generation_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
