/*
 * Slabs over their lives: opened ahead of need, filled, sealed with directories that list every record and a footer on
 * every member, and rebuilt from those.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "append.h"
#include "hash.h"
#include "store_impl.h"

/* ---- directories ---- */

#define ENTRIES_MAX 4096u

struct listing {
    struct directory_entry entries[ENTRIES_MAX];
    uint8_t *rows[RAW_ROWS_MAX]; /* the entries borrow from them */
    unsigned count, row_count;
};

/* The directory records of one row. */
static void list_row(const struct raw_pool *p, const struct raw_slab *s, unsigned row, struct listing *out)
{
    struct raw_record rec;
    uint32_t offset = 0;
    uint8_t *data = raw_row_data(p, s, &s->rows[row]);
    out->rows[out->row_count++] = data;
    while (raw_record_next(data, &s->rows[row], &offset, &rec)) {
        struct bytes entries;
        if (rec.header.kind != RECORD_DIRECTORY)
            continue;
        assert_int_equal(rec.header.flags, RECORD_FLAG_SKIP);
        assert_int_equal(directory_entries(rec.body, &entries), DOL_OK);
        while (entries.len > 0) {
            assert_true(out->count < ENTRIES_MAX);
            assert_int_equal(directory_next(&entries, &out->entries[out->count]), DOL_OK);
            out->count++;
        }
    }
}

static void check_entry(const struct directory_entry *e, const struct raw_record *rec, const struct raw_row *row)
{
    assert_int_equal(e->kind, rec->header.kind);
    assert_int_equal(e->codec, rec->header.codec);
    assert_int_equal(e->flags, rec->header.flags);
    assert_int_equal(e->plain_bytes, rec->header.plain_bytes);
    assert_int_equal(lsn_compare(e->lsn, rec->header.lsn), 0);
    assert_int_equal(e->place.row_block, row->header.row_block);
    assert_int_equal(e->place.unit_blocks, row->header.unit_blocks);
    assert_int_equal(e->place.offset_bytes, rec->offset);
    assert_int_equal(e->place.stored_bytes, RECORD_HEADER_BYTES + rec->body.len + RECORD_TRAILER_BYTES);
    if (rec->header.kind == RECORD_CHUNK) {
        struct chunk_body chunk;
        assert_int_equal(chunk_body_decode(rec->body, &chunk), DOL_OK);
        assert_true(bytes_equal(e->payload, bytes_of(chunk.hash.b, sizeof chunk.hash.b)));
    } else {
        assert_true(bytes_equal(e->payload, rec->body));
    }
}

/* The directories of a sealed slab say exactly what its rows hold; the footer says where they are. */
static unsigned check_sealed(const struct raw_pool *p, const struct raw_slab *s)
{
    struct listing *l = calloc(1, sizeof *l);
    assert_non_null(l);
    const struct extent_footer *f = &s->footer;
    const struct raw_row *last = &s->rows[s->row_count - 1];
    assert_int_equal(s->footers, s->header.k + s->header.m);
    assert_int_equal(f->rows, s->row_count);
    assert_int_equal(f->end_block, last->header.row_block + last->header.unit_blocks);
    assert_true(sha256_equal(&f->last_table, &last->table));
    assert_true(f->end_block < p->sb.extent_bytes / FORMAT_BLOCK_BYTES);
    assert_true(last->header.flags & UNIT_FLAG_DIRECTORY);

    unsigned directories = 0;
    for (unsigned i = 0; i < s->row_count; i++) {
        if (!(s->rows[i].header.flags & UNIT_FLAG_DIRECTORY))
            continue;
        assert_true(directories < f->directory_count);
        assert_int_equal(f->directory[directories].row_block, s->rows[i].header.row_block);
        assert_int_equal(f->directory[directories].unit_blocks, s->rows[i].header.unit_blocks);
        directories++;
        list_row(p, s, i, l);
    }
    assert_int_equal(directories, f->directory_count);

    unsigned at = 0;
    struct lsn lowest = {UINT64_MAX, 0}, highest = {0, 0};
    for (unsigned i = 0; i < s->row_count; i++) {
        struct raw_record rec;
        uint32_t offset = 0;
        uint8_t *data = raw_row_data(p, s, &s->rows[i]);
        while (raw_record_next(data, &s->rows[i], &offset, &rec)) {
            if (rec.header.kind == RECORD_DIRECTORY)
                continue;
            assert_true(at < l->count);
            check_entry(&l->entries[at++], &rec, &s->rows[i]);
            lowest = lsn_compare(rec.header.lsn, lowest) < 0 ? rec.header.lsn : lowest;
            highest = lsn_compare(rec.header.lsn, highest) > 0 ? rec.header.lsn : highest;
        }
        free(data);
    }
    assert_int_equal(at, l->count);
    assert_int_equal(lsn_compare(f->lsn_min, lowest), 0);
    assert_int_equal(lsn_compare(f->lsn_max, highest), 0);
    for (unsigned i = 0; i < l->row_count; i++)
        free(l->rows[i]);
    free(l);
    return directories;
}

/* ---- sealing ---- */

#define OBJECTS 24u

static size_t object_len(unsigned i)
{
    return 3000 + (i * 7919) % 1500 * 1000;
}

static void object_key(unsigned i, char out[16])
{
    snprintf(out, 16, "object-%u", i);
}

static void tell_fill(struct fixture *f)
{
    make_bucket(f);
    for (unsigned i = 0; i < OBJECTS; i++) {
        char key[16];
        object_key(i, key);
        put_noise(f, key, i, object_len(i));
        if (i % 2 == 1)
            put_setting(f, key, i, 350000);
        if (i % 7 == 6)
            remove_object(f, key);
    }
    assert_true(fixture_status(f)->slabs_sealed >= (f->k == 1 ? 2 : 1));
}

static void tell_filled(struct fixture *f)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        char key[16];
        object_key(i, key);
        if (i % 7 == 6)
            expect_absent(f, key);
        else
            expect_noise(f, key, i, object_len(i));
        if (i % 2 == 1)
            expect_setting(f, key, i, 350000);
    }
}

static void seal_story(unsigned k, unsigned m)
{
    struct fixture f = {.k = k, .m = m, .drives = k + m + 1};
    unsigned sealed = 0, directories = 0;
    fixture_init(&f);
    fixture_write_session(&f, tell_fill);
    struct raw_pool *p = raw_pool_read(&f);
    for (unsigned i = 0; i < p->slab_count; i++) {
        if (p->slabs[i].footers == 0)
            continue;
        sealed++;
        directories += check_sealed(p, &p->slabs[i]);
        for (unsigned j = 0; j < p->slabs[i].row_count; j++)
            raw_row_check(p, &p->slabs[i], j);
    }
    assert_true(sealed >= (k == 1 ? 2 : 1));
    assert_true(directories > sealed); /* one slab at least needed a second one */
    free(p);
    fixture_write_session(&f, tell_filled);
    fixture_drop_index(&f);
    fixture_write_session(&f, tell_filled);
    fixture_fini(&f);
}

static void test_sealed_slabs(void **state)
{
    (void)state;
    seal_story(1, 1);
    seal_story(2, 1);
}

/* A directory that can't be read is made up for by the rows. */
static void test_lost_directory(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_fill);
    struct raw_pool *p = raw_pool_read(&f);
    assert_true(p->slabs[0].footers == 2);
    const struct raw_row *last = &p->slabs[0].rows[p->slabs[0].row_count - 1];
    for (unsigned i = 0; i < 2; i++)
        sim_medium_flip(f.media[p->slabs[0].drives[i]],
                        raw_offset(p, &p->slabs[0], i, last->header.row_block) + last->layout.header_bytes + 80, 1);
    free(p);
    fixture_drop_index(&f);
    assert_int_equal(fixture_session(&f, tell_filled), DOL_OK);
    fixture_fini(&f);
}

/* The footer of one member is enough; without any the rows are followed. */
static void test_lost_footers(void **state)
{
    (void)state;
    for (unsigned lost = 1; lost <= 2; lost++) {
        struct fixture f = {.k = 1, .m = 1};
        fixture_init(&f);
        fixture_write_session(&f, tell_fill);
        struct raw_pool *p = raw_pool_read(&f);
        for (unsigned i = 0; i < p->slab_count; i++)
            for (unsigned j = 0; j < lost; j++)
                sim_medium_erase(f.media[p->slabs[i].drives[j]],
                                 raw_offset(p, &p->slabs[i], j, (uint32_t)(p->sb.extent_bytes / 4096) - 1), 4096);
        free(p);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_filled);
        fixture_fini(&f);
    }
}

/* All footers of the first slab, with these masks. */
static void set_footer_masks(struct fixture *f, const struct format_masks *masks)
{
    uint8_t block[EXTENT_FOOTER_BYTES];
    struct raw_pool *p = raw_pool_read(f);
    struct raw_slab *s = &p->slabs[0];
    assert_true(s->footers == 2);
    s->footer.masks = *masks;
    for (unsigned i = 0; i < 2; i++) {
        s->footer.member = (uint8_t)i;
        extent_footer_encode(&s->footer, block);
        sim_medium_poke(f->media[s->drives[i]], raw_offset(p, s, i, (uint32_t)(p->sb.extent_bytes / 4096) - 1), block,
                        sizeof block);
    }
    free(p);
}

/* A footer with unknown bits isn't taken for one that is lost. */
static void test_newer_footers(void **state)
{
    (void)state;
    static const struct format_masks masks[] = {{.incompat = 1}, {.ro_data = 1}, {.ro_meta = 1}};
    for (unsigned i = 0; i < 3; i++) {
        struct fixture f = {.k = 1, .m = 1};
        fixture_init(&f);
        fixture_write_session(&f, tell_fill);
        set_footer_masks(&f, &masks[i]);
        fixture_drop_index(&f);
        if (masks[i].incompat != 0)
            assert_int_equal(fixture_session(&f, NULL), DOL_EFORMAT);
        else
            fixture_read_session(&f, tell_filled);
        fixture_fini(&f);
    }
}

/* ---- preparing beside sealing ---- */

#define PIECE_BYTES 1000000u

/* A chunk handed to the appender as the store would. */
struct piece {
    struct append_group group;
    struct append_record record;
    uint8_t prefix[CHUNK_BODY_PREFIX_BYTES];
    uint8_t *data;
};

static void piece_start(struct fixture *f, struct piece *p, uint64_t seed)
{
    p->data = noise(seed, PIECE_BYTES);
    struct sha256 hash = sha256_of(p->data, PIECE_BYTES);
    chunk_body_prefix(&hash, PIECE_BYTES, p->prefix);
    p->record = (struct append_record){.kind = RECORD_CHUNK, .plain_bytes = PIECE_BYTES, .part_count = 2};
    p->record.parts[0] = bytes_of(p->prefix, sizeof p->prefix);
    p->record.parts[1] = bytes_of(p->data, PIECE_BYTES);
    p->record.payload = bytes_of(p->prefix + TLV_HEADER_BYTES, sizeof hash);
    p->group = (struct append_group){.records = &p->record, .count = 1};
    append_start(f->store->pool, &p->group);
}

static void piece_wait(struct piece *p)
{
    assert_int_equal(append_wait(&p->group), DOL_OK);
    free(p->data);
}

/* The eleventh row makes the appender prepare the last step of a 16 MiB extent; the next one, of five pieces, no longer
 * fits: the slab is sealed while that step is under way. */
static void tell_sealed_while_preparing(struct fixture *f)
{
    struct piece pieces[16];
    for (unsigned i = 0; i < 11; i++) {
        piece_start(f, &pieces[i], i);
        if (i < 10)
            piece_wait(&pieces[i]);
    }
    fiber_sleep(20000);
    for (unsigned i = 11; i < 16; i++)
        piece_start(f, &pieces[i], i);
    for (unsigned i = 10; i < 16; i++)
        piece_wait(&pieces[i]);
    assert_int_equal(fixture_status(f)->slabs_sealed, 1);
}

static void test_footers_survive_preparation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct fixture f = {.k = 1, .m = seed % 4 == 0, .seed = seed, .extent_bytes = 16u << 20};
        fixture_init(&f);
        fixture_write_session(&f, tell_sealed_while_preparing);
        struct raw_pool *p = raw_pool_read(&f);
        check_sealed(p, &p->slabs[0]);
        assert_int_equal(p->slabs[1].rows[0].header.record_count, 5);
        free(p);
        fixture_fini(&f);
    }
}

/* ---- ahead of need ---- */

static void tell_half(struct fixture *f)
{
    make_bucket(f);
    struct raw_pool *p = raw_pool_read(f);
    assert_int_equal(p->slab_count, 1);
    free(p);
    /* one block past the middle of an 8 MiB extent */
    for (unsigned i = 0; i < 5; i++) {
        char key[16];
        object_key(i, key);
        put_noise(f, key, i, 1000000);
    }
    fiber_sleep(50 * 1000000ull);
    p = raw_pool_read(f);
    assert_int_equal(p->slab_count, 2);
    assert_int_equal(p->slabs[1].headers, 2);
    assert_int_equal(p->slabs[1].row_count, 0);
    assert_true(p->slabs[0].footers == 0);
    free(p);
    for (unsigned i = 5; i < 9; i++) {
        char key[16];
        object_key(i, key);
        put_noise(f, key, i, 1000000);
    }
    p = raw_pool_read(f);
    assert_int_equal(p->slabs[0].footers, 2);
    assert_true(p->slabs[1].row_count > 0);
    free(p);
}

static void tell_ahead_gone(struct fixture *f)
{
    for (unsigned i = 0; i < 9; i++) {
        char key[16];
        object_key(i, key);
        expect_noise(f, key, i, 1000000);
    }
}

static void test_opened_ahead(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_half);
    fixture_write_session(&f, tell_ahead_gone);
    fixture_fini(&f);
}

/* A slab that was opened and never written to gives its extents back at the next open. */
static void tell_half_only(struct fixture *f)
{
    make_bucket(f);
    for (unsigned i = 0; i < 5; i++) {
        char key[16];
        object_key(i, key);
        put_noise(f, key, i, 1000000);
    }
    fiber_sleep(50 * 1000000ull);
    assert_int_equal(fixture_status(f)->drives[0].used_bytes, 2 * f->extent_bytes);
}

static void tell_given_back(struct fixture *f)
{
    /* the old slab, and the one that holds the verdict */
    assert_int_equal(fixture_status(f)->drives[0].used_bytes, 2 * f->extent_bytes);
    for (unsigned i = 0; i < 5; i++) {
        char key[16];
        object_key(i, key);
        expect_noise(f, key, i, 1000000);
    }
}

static void test_unused_slab_is_given_back(void **state)
{
    (void)state;
    struct fixture f = {.k = 1, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_half_only);
    fixture_write_session(&f, tell_given_back);
    struct raw_pool *p = raw_pool_read(&f);
    assert_int_equal(p->slab_count, 2);
    free(p);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_slabs),
        cmocka_unit_test(test_lost_directory),
        cmocka_unit_test(test_lost_footers),
        cmocka_unit_test(test_newer_footers),
        cmocka_unit_test(test_footers_survive_preparation),
        cmocka_unit_test(test_opened_ahead),
        cmocka_unit_test(test_unused_slab_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
