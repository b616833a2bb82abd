/* References: chunks, lists of chunks and upload parts; when something is dead; what makes a bucket not empty. */
#include "index_fixture.h"

#include <stdlib.h>

#include "index_impl.h"
#include "le.h"

#define B FX_BUCKET

/* ---- references ---- */

static void ref_row_of(struct fx *fx, enum index_table table, const struct sha256 *hash, struct ref_row *out)
{
    struct index_view *v = fx_view(fx);
    struct bytes payload;
    assert_int_equal(table_lookup(v->txn, fx->ix->dbi[table], table, bytes_of(hash->b, 32), &payload), DOL_OK);
    assert_int_equal(ref_row_decode(payload, out), DOL_OK);
    index_view_end(v);
}

static void test_references_follow_manifests(void **state)
{
    struct fx *fx = *state;
    const uint64_t ab[] = {1, 2, 2}, bc[] = {2, 3};
    struct fx_row *row = fx_row_new(fx, 1, 1);
    for (uint64_t n = 1; n <= 4; n++)
        fx_add_chunk(row, n);
    struct lsn stored = row->records[3].lsn;
    struct fx_manifest m = {.bucket = B, .key = S("x"), .version = 5, .chunks = ab, .chunk_count = 3};
    fx_add_manifest(row, &m);
    fx_publish(row);
    assert_int_equal(fx_refs_now(fx, 2), 0); /* applied ones only */
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 1), 1);
    assert_int_equal(fx_refs_now(fx, 2), 2);
    assert_int_equal(fx_refs_now(fx, 3), 0);
    assert_int_equal(fx_refs_now(fx, 99), UINT64_MAX);
    struct ref_row r;
    struct sha256 h = fx_hash(4);
    ref_row_of(fx, TABLE_CHUNKS, &h, &r);
    assert_int_equal(lsn_compare(r.dead_since, stored), 0);

    row = fx_row_new(fx, 1, 2);
    m = (struct fx_manifest){.bucket = B, .key = S("x"), .version = 6, .replaces = 5, .chunks = bc, .chunk_count = 2};
    struct lsn replaced = fx_add_manifest(row, &m)->lsn;
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 1), 0);
    assert_int_equal(fx_refs_now(fx, 2), 1);
    assert_int_equal(fx_refs_now(fx, 3), 1);
    h = fx_hash(1);
    ref_row_of(fx, TABLE_CHUNKS, &h, &r);
    assert_int_equal(lsn_compare(r.dead_since, replaced), 0);
    h = fx_hash(2);
    ref_row_of(fx, TABLE_CHUNKS, &h, &r);
    assert_true(r.dead_since.run == 0 && r.dead_since.counter == 0);

    row = fx_row_new(fx, 1, 3);
    fx_add_delete(row, B, S("x"), 6);
    fx_publish(row);
    row = fx_row_new(fx, 1, 4);
    fx_add_delete(row, B, S("x"), 6); /* again */
    fx_publish(row);
    fx_commit(fx);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(fx_refs_now(fx, n), 0);
}

static void test_chunk_stored_again_moves_and_keeps_references(void **state)
{
    struct fx *fx = *state;
    const uint64_t chunk = 1;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_chunk(row, 1);
    struct fx_manifest m = {.bucket = B, .key = S("x"), .version = 5, .chunks = &chunk, .chunk_count = 1};
    fx_add_manifest(row, &m);
    fx_publish(row);
    fx_commit(fx);
    struct fx_row *late = fx_row_new(fx, 2, 1), *later = fx_row_new(fx, 3, 1);
    fx_add_chunk(late, 1);
    fx_add_chunk(later, 1);
    fx_publish(later);
    fx_publish(late); /* lower LSN: ignored */
    struct sha256 h = fx_hash(1);
    for (int applied = 0; applied < 2; applied++) {
        struct index_view *v = fx_view(fx);
        struct index_chunk c;
        assert_int_equal(index_chunk_get(v, RECORD_CHUNK, &h, &c), DOL_OK);
        assert_int_equal(c.place.slab, 3);
        assert_int_equal(c.refs, 1);
        index_view_end(v);
        fx_commit(fx);
    }
    struct index_counts c;
    index_counts_get(fx->ix, &c);
    assert_int_equal(c.chunks, 1);
}

static void test_references_before_the_chunk(void **state)
{
    struct fx *fx = *state;
    const uint64_t chunk = 1;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    struct fx_manifest m = {.bucket = B, .key = S("x"), .version = 5, .chunks = &chunk, .chunk_count = 1};
    fx_add_manifest(row, &m);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 1), UINT64_MAX);
    row = fx_row_new(fx, 1, 2);
    fx_add_chunk(row, 1);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 1), 1);
}

static void test_lists_hold_their_members_once(void **state)
{
    struct fx *fx = *state;
    struct list_ref list;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    for (uint64_t n = 100; n < 110; n++)
        fx_add_chunk(row, n);
    fx_add_list(row, 100, 10, &list);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 105), 0);
    for (uint64_t version = 1; version <= 3; version++) {
        row = fx_row_new(fx, 1, 1 + version);
        struct fx_manifest m = {.bucket = B, .key = S("x"), .version = version, .lists = &list, .list_count = 1};
        fx_add_manifest(row, &m);
        fx_publish(row);
        fx_commit(fx);
        assert_int_equal(fx_refs_now(fx, 105), 1);
        struct index_view *v = fx_view(fx);
        assert_int_equal(fx_refs(v, RECORD_CHUNK_LIST, &list.hash), version);
        assert_int_equal(fx_refs(v, RECORD_CHUNK, &list.hash), UINT64_MAX);
        index_view_end(v);
    }
    for (uint64_t version = 1; version <= 3; version++) {
        assert_int_equal(fx_refs_now(fx, 100), 1);
        row = fx_row_new(fx, 1, 10 + version);
        fx_add_delete(row, B, S("x"), version);
        fx_publish(row);
        fx_commit(fx);
    }
    assert_int_equal(fx_refs_now(fx, 100), 0);
    struct ref_row r;
    struct sha256 h = fx_hash(109);
    struct lsn last = fx_lsn(fx);
    ref_row_of(fx, TABLE_CHUNKS, &h, &r);
    assert_int_equal(lsn_compare(r.dead_since, last), 0);
}

static void test_list_that_comes_after_its_reference(void **state)
{
    struct fx *fx = *state;
    struct list_ref list;
    struct fx_row *scratch = fx_row_new(fx, 3, 1), *row = fx_row_new(fx, 1, 1);
    fx_add_list(scratch, 100, 3, &list);
    struct fx_manifest m = {.bucket = B, .key = S("x"), .version = 1, .lists = &list, .list_count = 1};
    fx_add_manifest(row, &m);
    fx_publish(row);
    fx_commit(fx);
    row = fx_row_new(fx, 1, 2);
    fx_add_chunk(row, 101);
    fx_add_list(row, 100, 3, &list);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 101), 1);
    row = fx_row_new(fx, 1, 3);
    fx_add_delete(row, B, S("x"), 1);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 101), 0);
    fx_row_free(scratch);
}

static void test_underflow_makes_suspect_and_never_dead(void **state)
{
    struct fx *fx = *state;
    const uint64_t chunk = 1;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    fx_add_chunk(row, 1);
    struct fx_manifest m = {.bucket = B, .key = S("x"), .version = 5, .chunks = &chunk, .chunk_count = 1};
    fx_add_manifest(row, &m);
    fx_publish(row);
    fx_commit(fx);

    /* A count that rotted to zero behind a good checksum. */
    MDB_txn *txn;
    MDB_cursor *mc;
    struct sha256 h = fx_hash(1);
    struct ref_row r;
    ref_row_of(fx, TABLE_CHUNKS, &h, &r);
    r.refs = 0;
    uint8_t value[REF_ROW_BYTES];
    ref_row_encode(&r, value);
    struct bytes part = bytes_of(value, sizeof value);
    assert_int_equal(mdb_txn_begin(fx->ix->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, fx->ix->dbi[TABLE_CHUNKS], &mc), 0);
    assert_int_equal(table_put(mc, TABLE_CHUNKS, bytes_of(h.b, 32), &part, 1), DOL_OK);
    assert_int_equal(mdb_txn_commit(txn), 0);

    row = fx_row_new(fx, 1, 2);
    fx_add_delete(row, B, S("x"), 5);
    fx_publish(row);
    fx_commit(fx);
    ref_row_of(fx, TABLE_CHUNKS, &h, &r);
    assert_int_equal(r.refs, 0);
    assert_true((r.flags & REF_ROW_SUSPECT) != 0);
    assert_true(r.dead_since.run == 0 && r.dead_since.counter == 0);
}

/* ---- uploads ---- */

static const uint8_t upload_id[16] = {1, 2, 3};

static void add_upload(struct fx_row *row)
{
    uint8_t template[512], body[1024];
    struct manifest m = {.bucket = B, .key = S("u"), .owner = S("o")};
    struct tlv_writer w;
    tlv_writer_init(&w, template, sizeof template);
    manifest_template_encode(&m, &w);
    assert_false(w.overflow);
    struct upload_body u = {
        .bucket = B, .key = S("u"), .owner = S("o"), .initiator = S("i"), .manifest = bytes_of(template, w.len)};
    memcpy(u.upload_id, upload_id, sizeof upload_id);
    tlv_writer_init(&w, body, sizeof body);
    upload_body_encode(&u, &w);
    assert_false(w.overflow);
    fx_add(row, RECORD_UPLOAD, bytes_of(body, w.len));
}

static void add_part(struct fx_row *row, uint32_t number, uint64_t chunk)
{
    uint8_t body[1024], refs[CHUNK_REF_BYTES];
    struct chunk_ref ref = {.hash = fx_hash(chunk), .bytes = 1};
    chunk_ref_encode(&ref, refs);
    struct upload_part_body p = {
        .bucket = B, .key = S("u"), .part = {.number = number, .size = 1}, .chunk_refs = bytes_of(refs, sizeof refs)};
    memcpy(p.upload_id, upload_id, sizeof upload_id);
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    upload_part_encode(&p, &w);
    assert_false(w.overflow);
    fx_add(row, RECORD_UPLOAD_PART, bytes_of(body, w.len));
}

static void add_upload_end(struct fx_row *row, uint8_t completed)
{
    uint8_t body[256];
    struct upload_end_body e = {.bucket = B, .key = S("u"), .completed = completed};
    memcpy(e.upload_id, upload_id, sizeof upload_id);
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    upload_end_encode(&e, &w);
    assert_false(w.overflow);
    fx_add(row, RECORD_UPLOAD_END, bytes_of(body, w.len));
}

static bool bucket_empty(struct fx *fx)
{
    struct index_view *v = fx_view(fx);
    bool empty;
    assert_int_equal(index_bucket_is_empty(v, B, &empty), DOL_OK);
    index_view_end(v);
    return empty;
}

static void test_upload_parts_hold_references(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    for (uint64_t n = 1; n <= 3; n++)
        fx_add_chunk(row, n);
    add_upload(row);
    add_part(row, 1, 1);
    add_part(row, 2, 2);
    fx_publish(row);
    assert_false(bucket_empty(fx));
    fx_commit(fx);
    assert_false(bucket_empty(fx));
    assert_int_equal(fx_refs_now(fx, 1), 1);
    row = fx_row_new(fx, 1, 2);
    add_part(row, 1, 3); /* the part again, with other bytes */
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 1), 0);
    assert_int_equal(fx_refs_now(fx, 3), 1);

    row = fx_row_new(fx, 1, 3);
    const uint64_t chunks[] = {3, 2};
    struct fx_manifest m = {.bucket = B, .key = S("u"), .version = 9, .chunks = chunks, .chunk_count = 2};
    fx_add_manifest(row, &m);
    add_upload_end(row, 1);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 2), 1);
    assert_int_equal(fx_refs_now(fx, 3), 1);
    row = fx_row_new(fx, 1, 4);
    add_part(row, 4, 1); /* too late */
    fx_add_delete(row, B, S("u"), 9);
    fx_publish(row);
    assert_true(bucket_empty(fx));
    fx_commit(fx);
    assert_true(bucket_empty(fx));
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(fx_refs_now(fx, n), 0);
}

static void test_upload_aborted_in_the_overlay(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    add_upload(row);
    fx_publish(row);
    fx_commit(fx);
    row = fx_row_new(fx, 1, 2);
    add_upload_end(row, 0);
    fx_publish(row);
    assert_true(bucket_empty(fx));
    fx_commit(fx);
    assert_true(bucket_empty(fx));
}

static void test_bucket_empty_sees_versions_not_only_newest(void **state)
{
    struct fx *fx = *state;
    assert_true(bucket_empty(fx));
    fx_put(fx, B + 1, S("other"), 1, 0);
    fx_put(fx, B - 1, S("other"), 1, 0);
    assert_true(bucket_empty(fx));
    fx_commit(fx);
    assert_true(bucket_empty(fx));
    fx_put(fx, B, S("k"), 1, 0);
    assert_false(bucket_empty(fx));
    fx_commit(fx);
    assert_false(bucket_empty(fx));
    struct fx_row *row = fx_row_new(fx, 1, 50);
    fx_add_delete(row, B, S("k"), 1);
    fx_publish(row);
    assert_true(bucket_empty(fx));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_references_follow_manifests),
        T(test_chunk_stored_again_moves_and_keeps_references),
        T(test_references_before_the_chunk),
        T(test_lists_hold_their_members_once),
        T(test_list_that_comes_after_its_reference),
        T(test_underflow_makes_suspect_and_never_dead),
        T(test_upload_parts_hold_references),
        T(test_upload_aborted_in_the_overlay),
        T(test_bucket_empty_sees_versions_not_only_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
