/* Uploads and parts as readers see them, in the overlay, in LMDB and across both; what parts hold when there are many.
 */
#include <stdio.h>
#include <stdlib.h>

#include "index_fixture.h"

#define B FX_BUCKET

static void id_of(uint64_t n, uint8_t id[16])
{
    memset(id, 0, 16);
    id[0] = (uint8_t)(n >> 8);
    id[7] = (uint8_t)n;
    id[15] = 1;
}

static void add_upload(struct fx_row *row, struct bytes key, uint64_t n)
{
    uint8_t template[2048], body[4096];
    struct manifest m = {.bucket = B, .key = key, .owner = S("o")};
    struct tlv_writer w;
    tlv_writer_init(&w, template, sizeof template);
    manifest_template_encode(&m, &w);
    struct upload_body u = {.bucket = B, .key = key, .owner = S("o"), .manifest = bytes_of(template, w.len)};
    id_of(n, u.upload_id);
    tlv_writer_init(&w, body, sizeof body);
    upload_body_encode(&u, &w);
    assert_false(w.overflow);
    fx_add(row, RECORD_UPLOAD, bytes_of(body, w.len));
}

/* A part with `refs` references to one chunk. */
static void add_part(struct fx_row *row, struct bytes key, uint64_t n, uint32_t number, uint64_t chunk, unsigned refs)
{
    uint8_t body[8192], array[MANIFEST_CHUNKS_MAX * CHUNK_REF_BYTES];
    struct chunk_ref ref = {.hash = fx_hash(chunk), .bytes = 1};
    for (unsigned i = 0; i < refs; i++)
        chunk_ref_encode(&ref, array + i * CHUNK_REF_BYTES);
    struct upload_part_body p = {.bucket = B,
                                 .key = key,
                                 .part = {.number = number, .size = refs, .md5 = {(uint8_t)chunk}},
                                 .chunk_refs = bytes_of(array, refs * CHUNK_REF_BYTES)};
    id_of(n, p.upload_id);
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    upload_part_encode(&p, &w);
    assert_false(w.overflow);
    fx_add(row, RECORD_UPLOAD_PART, bytes_of(body, w.len));
}

static void add_end(struct fx_row *row, struct bytes key, uint64_t n, uint8_t completed)
{
    uint8_t body[2048];
    struct upload_end_body e = {.bucket = B, .key = key, .completed = completed};
    id_of(n, e.upload_id);
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    upload_end_encode(&e, &w);
    assert_false(w.overflow);
    fx_add(row, RECORD_UPLOAD_END, bytes_of(body, w.len));
}

static bool upload_is_there(struct fx *fx, struct bytes key, uint64_t n)
{
    struct index_view *v = fx_view(fx);
    struct index_object o;
    struct upload_body u;
    uint8_t id[16];
    id_of(n, id);
    enum dol_err err = index_upload_get(v, B, key, id, &o);
    assert_true(err == DOL_OK || err == DOL_ENOTFOUND);
    if (err == DOL_OK) {
        assert_int_equal(upload_body_decode(o.body, &u), DOL_OK);
        assert_memory_equal(u.upload_id, id, 16);
        assert_true(bytes_equal(u.key, key));
    }
    index_view_end(v);
    return err == DOL_OK;
}

/* The parts as "number=chunk " text. */
struct part_text {
    char text[256];
    size_t len;
    unsigned max;
};

static bool part_text_add(void *arg, const struct index_part *part)
{
    struct part_text *t = arg;
    struct upload_part_body b;
    assert_int_equal(upload_part_decode(part->body, &b), DOL_OK);
    assert_int_equal(b.part.number, part->number);
    t->len += (size_t)snprintf(t->text + t->len, sizeof t->text - t->len, "%u=%u ", part->number, b.part.md5[0]);
    return --t->max > 0;
}

static void expect_parts(struct fx *fx, uint64_t n, uint32_t after, unsigned max, const char *expected)
{
    struct part_text t = {.max = max};
    struct index_view *v = fx_view(fx);
    uint8_t id[16];
    id_of(n, id);
    assert_int_equal(index_part_each(v, B, id, after, part_text_add, &t), DOL_OK);
    index_view_end(v);
    assert_string_equal(t.text, expected);
}

static void test_parts_across_both(void **state)
{
    struct fx *fx = *state;
    struct fx_row *row = fx_row_new(fx, 1, 1);
    add_upload(row, S("u"), 5);
    add_part(row, S("u"), 5, 1, 1, 1);
    add_part(row, S("u"), 5, 3, 2, 1);
    add_part(row, S("u"), 5, 10000, 3, 1);
    add_upload(row, S("u"), 4); /* neighbours */
    add_part(row, S("u"), 4, 2, 90, 1);
    add_upload(row, S("u"), 6);
    add_part(row, S("u"), 6, 1, 91, 1);
    fx_publish(row);
    expect_parts(fx, 5, 0, 99, "1=1 3=2 10000=3 ");
    fx_commit(fx);
    expect_parts(fx, 5, 0, 99, "1=1 3=2 10000=3 ");
    row = fx_row_new(fx, 1, 2);
    add_part(row, S("u"), 5, 2, 4, 1); /* between */
    add_part(row, S("u"), 5, 3, 5, 1); /* again */
    add_part(row, S("u"), 5, 9999, 6, 1);
    fx_publish(row);
    for (unsigned i = 0; i < 2; i++) {
        expect_parts(fx, 5, 0, 99, "1=1 2=4 3=5 9999=6 10000=3 ");
        expect_parts(fx, 5, 1, 2, "2=4 3=5 ");
        expect_parts(fx, 5, 3, 99, "9999=6 10000=3 ");
        expect_parts(fx, 5, 2, 1, "3=5 ");
        expect_parts(fx, 5, 10000, 99, "");
        expect_parts(fx, 5, UINT32_MAX, 99, "");
        expect_parts(fx, 4, 0, 99, "2=90 ");
        expect_parts(fx, 6, 0, 99, "1=91 ");
        expect_parts(fx, 7, 0, 99, "");
        fx_commit(fx);
    }
    /* a part applied twice, as a row that is published again, changes nothing */
    assert_int_equal(fx_refs_now(fx, 2), UINT64_MAX); /* came and went without the chunk */
    row = fx_row_new(fx, 1, 3);
    fx_add_chunk(row, 5);
    add_part(row, S("u"), 5, 3, 5, 1);
    fx_publish(row);
    fx_commit(fx);
    assert_int_equal(fx_refs_now(fx, 5), 1);
}

static void test_end_hides_at_once(void **state)
{
    struct fx *fx = *state;
    for (uint8_t completed = 0; completed < 2; completed++) {
        for (unsigned applied = 0; applied < 2; applied++) {
            uint64_t n = 10 + completed * 2u + applied;
            struct fx_row *row = fx_row_new(fx, n, 1);
            add_upload(row, S("k"), n);
            add_part(row, S("k"), n, 1, 1, 1);
            fx_publish(row);
            if (applied)
                fx_commit(fx);
            assert_true(upload_is_there(fx, S("k"), n));
            assert_false(upload_is_there(fx, S("l"), n));
            assert_false(upload_is_there(fx, S("k"), n + 100));
            row = fx_row_new(fx, n, 2);
            add_end(row, S("k"), n, completed);
            fx_publish(row);
            assert_false(upload_is_there(fx, S("k"), n));
            fx_commit(fx);
            assert_false(upload_is_there(fx, S("k"), n));
            expect_parts(fx, n, 0, 9, "");
        }
    }
    assert_false(fx_reopen(fx));
    for (uint64_t n = 10; n < 14; n++)
        assert_false(upload_is_there(fx, S("k"), n));
}

/* The end was published before the upload itself, and before its part, as replaying slabs may have it. */
static void test_out_of_order(void **state)
{
    struct fx *fx = *state;
    struct fx_row *upload = fx_row_new(fx, 1, 1), *part = fx_row_new(fx, 2, 1), *end = fx_row_new(fx, 3, 1);
    add_upload(upload, S("k"), 1);
    fx_add_chunk(part, 8);
    add_part(part, S("k"), 1, 1, 8, 1);
    add_end(end, S("k"), 1, 0);
    fx_publish(end);
    fx_publish(part);
    assert_false(upload_is_there(fx, S("k"), 1));
    fx_publish(upload);
    assert_false(upload_is_there(fx, S("k"), 1));
    fx_commit(fx);
    assert_false(upload_is_there(fx, S("k"), 1));
    assert_int_equal(fx_refs_now(fx, 8), 0);
    expect_parts(fx, 1, 0, 9, "");
}

/* ---- order ---- */

static struct bytes long_key(uint8_t *buffer, size_t len, uint8_t last)
{
    memset(buffer, 'k', len);
    buffer[len - 1] = last;
    return bytes_of(buffer, len);
}

static void test_order(void **state)
{
    struct fx *fx = *state;
    uint8_t a[OBJECT_KEY_BYTES_MAX], b[OBJECT_KEY_BYTES_MAX];
    const struct bytes keys[] = {
        S("a"), S("a\0"), S("a\0\0b"), S("ab"), S("j"), long_key(a, 1000, 'a'), long_key(b, OBJECT_KEY_BYTES_MAX, 'b')};
    const unsigned count = sizeof keys / sizeof keys[0];
    for (unsigned half = 0; half < 2; half++) {
        struct fx_row *row = fx_row_new(fx, 1, half + 1);
        for (unsigned i = count; i-- > 0;)
            for (uint64_t n = half; n < 4; n += 2)
                add_upload(row, keys[i], 300 - n);
        fx_publish(row);
        if (half == 0)
            fx_commit(fx);
    }
    for (unsigned turn = 0; turn < 2; turn++) {
        struct index_view *v = fx_view(fx);
        struct index_object o;
        struct upload_body u;
        struct index_upload_position at = {.key = S(""), .inclusive = true};
        uint8_t key[OBJECT_KEY_BYTES_MAX], id[16];
        for (unsigned i = 0; i < 4 * count; i++) {
            assert_int_equal(index_upload_next(v, B, &at, &o), DOL_OK);
            assert_int_equal(upload_body_decode(o.body, &u), DOL_OK);
            assert_true(bytes_equal(u.key, keys[i / 4]));
            id_of(297 + i % 4, id);
            assert_memory_equal(u.upload_id, id, 16);
            memcpy(key, u.key.data, u.key.len);
            at = (struct index_upload_position){.key = bytes_of(key, u.key.len), .id = id};
        }
        assert_int_equal(index_upload_next(v, B, &at, &o), DOL_ENOTFOUND);
        for (unsigned i = 0; i < count; i++) {
            at = (struct index_upload_position){.key = keys[i], .inclusive = true};
            assert_int_equal(index_upload_next(v, B, &at, &o), DOL_OK);
            assert_int_equal(upload_body_decode(o.body, &u), DOL_OK);
            assert_true(bytes_equal(u.key, keys[i]));
            at.inclusive = false;
            assert_int_equal(index_upload_next(v, B, &at, &o), i + 1 < count ? DOL_OK : DOL_ENOTFOUND);
            memset(id, 0xff, sizeof id); /* the greatest id: behind it come other keys */
            at.id = id;
            assert_int_equal(index_upload_next(v, B, &at, &o), i + 1 < count ? DOL_OK : DOL_ENOTFOUND);
            if (i + 1 < count) {
                assert_int_equal(upload_body_decode(o.body, &u), DOL_OK);
                assert_true(bytes_equal(u.key, keys[i + 1]));
            }
        }
        at = (struct index_upload_position){.key = S(""), .inclusive = true};
        assert_int_equal(index_upload_next(v, B + 1, &at, &o), DOL_ENOTFOUND);
        assert_int_equal(index_upload_next(v, B - 1, &at, &o), DOL_ENOTFOUND);
        index_view_end(v);
        fx_commit(fx);
    }
}

/* ---- many ---- */

/* More references given back by one record than are collected at once; they are exact all the same. */
static void test_many_parts(void **state)
{
    struct fx *fx = *state;
    const unsigned uploads = 2, parts = 10000, slice = 500;
    uint64_t rows = 0;
    struct fx_row *row = fx_row_new(fx, 1, ++rows);
    for (uint64_t chunk = 0; chunk < 7; chunk++)
        fx_add_chunk(row, chunk);
    for (uint64_t n = 0; n < uploads; n++)
        add_upload(row, S("k"), n);
    fx_publish(row);
    for (uint64_t n = 0; n < uploads; n++) {
        for (unsigned i = 0; i < parts; i += slice) {
            row = fx_row_new(fx, 1, ++rows);
            for (unsigned j = i; j < i + slice; j++)
                add_part(row, S("k"), n, j + 1, j % 7, MANIFEST_CHUNKS_MAX);
            fx_publish(row);
        }
        fx_commit(fx);
    }
    /* 10,000 parts, every 7th of chunk 0 */
    assert_int_equal(fx_refs_now(fx, 0), uploads * 1429ull * MANIFEST_CHUNKS_MAX);
    assert_int_equal(fx_refs_now(fx, 6), uploads * 1428ull * MANIFEST_CHUNKS_MAX);
    row = fx_row_new(fx, 1, ++rows);
    for (uint64_t n = 0; n < uploads; n++)
        add_end(row, S("k"), n, 0);
    add_upload(row, S("k"), 9);
    add_part(row, S("k"), 9, 1, 3, 2);
    fx_publish(row);
    fx_commit(fx);
    for (uint64_t chunk = 0; chunk < 7; chunk++)
        assert_int_equal(fx_refs_now(fx, chunk), chunk == 3 ? 2 : 0);
    for (uint64_t n = 0; n < uploads; n++)
        expect_parts(fx, n, 0, 9, "");
    expect_parts(fx, 9, 0, 9, "1=3 ");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_parts_across_both), T(test_end_hides_at_once), T(test_out_of_order), T(test_order), T(test_many_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
