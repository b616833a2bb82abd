/*
 * Scrubbing: what is damaged is found, told by its kind, and what can be proven is written again byte for byte; a
 * second pass is clean; what can't be proven is left as it is.
 */
#include "gc.h"
#include "hash.h"
#include "raw_pool.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>

#define BIG (1500u * 1024)

static struct store_scrub_status scrubbed; /* of the last pass */

/* The last rows are proven, and all of them applied: nothing is written by itself any more. */
static void settle(struct fixture *f)
{
    fiber_sleep(1000000000);
    assert_int_equal(store_commit_index(f->store), DOL_OK);
}

static const struct store_scrub_report *scrub(struct fixture *f)
{
    assert_int_equal(store_scrub_start(f->store, 0), DOL_OK);
    do {
        fiber_sleep(1000000);
        store_scrub_status_get(f->store, &scrubbed);
    } while (scrubbed.now.state == SCRUB_RUNNING);
    assert_int_equal(scrubbed.now.state, SCRUB_FINISHED);
    assert_int_equal(scrubbed.last.started_ns, scrubbed.now.started_ns);
    return &scrubbed.last;
}

static uint64_t found_in_all(const struct store_scrub_report *r)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SCRUB_KINDS; i++)
        sum += r->found[i];
    return sum;
}

static void expect_clean(const struct store_scrub_report *r)
{
    for (unsigned i = 0; i < SCRUB_KINDS; i++)
        if (r->found[i] != 0)
            print_error("found %s\n", store_scrub_kind_name((enum store_scrub_kind)i));
    assert_int_equal(found_in_all(r), 0);
    assert_int_equal(r->units_repaired + r->units_unrepaired + r->unrecoverable + r->finding_count, 0);
    assert_int_equal(r->slabs_done, r->slabs);
}

static void put_some(struct fixture *f)
{
    char key[32];
    make_bucket(f);
    for (unsigned i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "small-%u", i);
        put_noise(f, key, 100 + i, 3000);
    }
    for (unsigned i = 0; i < 9 * (f->k + 1); i++) { /* seals slabs */
        snprintf(key, sizeof key, "big-%u", i);
        put_noise(f, key, i, BIG);
        snprintf(key, sizeof key, "between-%u", i);
        put_noise(f, key, 1000 + i, 3000);
    }
    uint8_t *zeros = calloc(1, 400000);
    assert_non_null(zeros);
    put(f, "compressed", zeros, 400000);
    free(zeros);
    remove_object(f, "big-3");
    put_noise(f, "small-1", 500, 2000);
    settle(f);
}

static void expect_some(struct fixture *f)
{
    expect_noise(f, "small-1", 500, 2000);
    expect_noise(f, "small-2", 102, 3000);
    for (unsigned i = 4; i < 14; i++) {
        char key[32];
        snprintf(key, sizeof key, "big-%u", i);
        expect_noise(f, key, i, BIG);
    }
}

/* ---- nothing is wrong ---- */

static void tell_clean(struct fixture *f)
{
    put_some(f);
    struct raw_pool *raw = raw_pool_read(f);
    uint64_t rows = 0, records = 0, bytes = 0;
    for (unsigned i = 0; i < raw->slab_count; i++) {
        for (unsigned j = 0; j < raw->slabs[i].row_count; j++) {
            records += raw->slabs[i].rows[j].header.record_count;
            bytes += (uint64_t)raw->slabs[i].rows[j].layout.unit_blocks * FORMAT_BLOCK_BYTES * f->drives;
        }
        rows += raw->slabs[i].row_count;
    }
    free(raw);
    assert_true(rows > 30);
    struct sim_medium *before[FIXTURE_DRIVES_MAX];
    fixture_clone_media(f, before);
    const struct store_scrub_report *r = scrub(f);
    expect_clean(r);
    assert_int_equal(r->rows, rows);
    assert_int_equal(r->units, rows * f->drives);
    assert_int_equal(r->records, records);
    assert_int_equal(r->bytes, bytes);
    assert_int_equal(r->bytes_done, bytes);
    assert_true(r->bytes_read >= bytes && r->bytes_read < bytes + bytes / 8); /* hardly anything is read twice */
    assert_true(r->chunks > 26);
    for (unsigned i = 0; i < f->drives; i++)
        assert_true(sim_medium_equal(f->media[i], before[i]));
    fixture_free_media(f, before);
    assert_int_equal(scrubbed.passes, 1);
}

static void test_clean(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_clean);
    fixture_fini(&f);
}

/* ---- one thing is wrong, or two ---- */

struct patient {
    struct raw_pool *raw;
    struct raw_slab *slab; /* the last that is sealed */
    struct raw_row *a, *b; /* two of its rows, with units of one size */
};

static struct sim_medium *medium_of(const struct patient *p, unsigned member)
{
    return p->raw->f->media[p->slab->drives[member]];
}

static void flip(const struct patient *p, const struct raw_row *row, unsigned member, uint32_t at)
{
    sim_medium_flip(medium_of(p, member), raw_offset(p->raw, p->slab, member, row->header.row_block) + at, 0x10);
}

static void poke(const struct patient *p, const struct raw_row *row, unsigned member, const uint8_t *unit)
{
    sim_medium_poke(medium_of(p, member), raw_offset(p->raw, p->slab, member, row->header.row_block), unit,
                    (size_t)row->layout.unit_blocks * FORMAT_BLOCK_BYTES);
}

static void hurt_data(const struct patient *p)
{
    flip(p, p->a, 0, p->a->layout.header_bytes + 77);
}

static void hurt_parity(const struct patient *p)
{
    flip(p, p->a, p->slab->header.k, p->a->layout.header_bytes + 1);
}

static void hurt_header(const struct patient *p)
{
    flip(p, p->a, 1, 70);
}

static void hurt_crc_array(const struct patient *p)
{
    flip(p, p->a, 0, UNIT_HEADER_FIXED_BYTES + 2);
}

static void zero_unit(const struct patient *p)
{
    raw_unit_erase(p->raw, p->slab, p->a, 1);
}

static void fail_unit(const struct patient *p)
{
    raw_unit_fail(p->raw, p->slab, p->a, 1);
}

/* Each went to the other's place. */
static void swap_rows(const struct patient *p)
{
    uint8_t *a = raw_unit(p->raw, p->slab, p->a, 0), *b = raw_unit(p->raw, p->slab, p->b, 0);
    poke(p, p->a, 0, b);
    poke(p, p->b, 0, a);
    free(a);
    free(b);
}

/* What another drive was to get. */
static void misdirect_member(const struct patient *p)
{
    uint8_t *unit = raw_unit(p->raw, p->slab, p->a, 1);
    poke(p, p->a, 0, unit);
    free(unit);
}

/* What lay there in the life before: a whole unit of another slab. */
static void lose_write(const struct patient *p)
{
    struct raw_slab *other = &p->raw->slabs[p->slab == p->raw->slabs];
    size_t len = (size_t)p->a->layout.unit_blocks * FORMAT_BLOCK_BYTES;
    uint8_t *unit = malloc(len);
    assert_non_null(unit);
    sim_medium_peek(p->raw->f->media[other->drives[0]],
                    raw_offset(p->raw, other, 0, EXTENT_HEADER_BYTES / FORMAT_BLOCK_BYTES), unit, len);
    poke(p, p->a, 0, unit);
    free(unit);
}

/* Header and CRCs of a unit over other bytes than were written: right in itself, but not to its siblings. */
static void forge_unit(const struct patient *p)
{
    unsigned members = (unsigned)(p->slab->header.k + p->slab->header.m);
    uint32_t digests[FORMAT_MEMBERS_MAX], crcs[UNIT_CRCS_MAX];
    struct unit_header h;
    uint8_t *unit = raw_unit(p->raw, p->slab, p->a, 1);
    assert_int_equal(unit_header_decode(unit, FORMAT_BLOCK_BYTES, p->slab->header.life, &h, digests, crcs, NULL),
                     DOL_OK);
    assert_true(members > 1);
    unit[p->a->layout.header_bytes] ^= 1;
    unit_payload_crcs(unit + p->a->layout.header_bytes, &p->a->layout, crcs);
    digests[1] = unit_digest(crcs, p->a->layout.crc_count);
    unit_header_encode(&h, digests, crcs, unit);
    poke(p, p->a, 1, unit);
    free(unit);
}

static void hurt_two_rows(const struct patient *p)
{
    hurt_data(p);
    flip(p, p->b, p->slab->header.k, p->b->layout.header_bytes + 5);
}

static const struct injury {
    const char *name;
    void (*hurt)(const struct patient *p);
    uint8_t kind;
    unsigned units;
} injuries[] = {
    {"a flipped bit in a data unit", hurt_data, SCRUB_UNIT_PAYLOAD, 1},
    {"a flipped bit in a parity unit", hurt_parity, SCRUB_UNIT_PAYLOAD, 1},
    {"a flipped bit in a header", hurt_header, SCRUB_UNIT_HEADER, 1},
    {"a flipped bit among the CRCs", hurt_crc_array, SCRUB_UNIT_HEADER, 1},
    {"a unit of zeroes", zero_unit, SCRUB_UNIT_HEADER, 1},
    {"a unit that can't be read", fail_unit, SCRUB_UNIT_UNREADABLE, 1},
    {"two units in each other's place", swap_rows, SCRUB_UNIT_HEADER, 2},
    {"a unit of another drive", misdirect_member, SCRUB_UNIT_HEADER, 1},
    {"a lost write", lose_write, SCRUB_UNIT_HEADER, 1},
    {"a unit its siblings don't know", forge_unit, SCRUB_UNIT_PAYLOAD, 1},
    {"two rows", hurt_two_rows, SCRUB_UNIT_PAYLOAD, 2},
};

static void patient_init(struct fixture *f, struct patient *p)
{
    p->raw = raw_pool_read(f);
    p->slab = NULL;
    for (unsigned i = 0; i < p->raw->slab_count; i++)
        if (p->raw->slabs[i].footers > 0)
            p->slab = &p->raw->slabs[i];
    assert_true(p->slab != NULL && p->slab->row_count > 6);
    p->a = p->b = NULL;
    for (unsigned i = 1; i < p->slab->row_count && p->b == NULL; i++) {
        p->a = &p->slab->rows[i];
        for (unsigned j = i + 1; j < p->slab->row_count && p->a->header.record_count > 0 && p->b == NULL; j++)
            if (p->slab->rows[j].layout.unit_blocks == p->a->layout.unit_blocks)
                p->b = &p->slab->rows[j];
    }
    assert_non_null(p->b);
}

static void expect_media(struct fixture *f, struct sim_medium **expected)
{
    for (unsigned i = 0; i < f->drives; i++)
        assert_true(sim_medium_equal(f->media[i], expected[i]));
}

static void treat(struct fixture *f, const struct injury *injury)
{
    struct patient p;
    struct sim_medium *before[FIXTURE_DRIVES_MAX];
    print_message("%s\n", injury->name);
    patient_init(f, &p);
    fixture_clone_media(f, before);
    injury->hurt(&p);
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->found[injury->kind], injury->units);
    assert_int_equal(found_in_all(r), injury->units);
    assert_int_equal(r->units_repaired, injury->units);
    assert_int_equal(r->units_unrepaired + r->unrecoverable, 0);
    assert_int_equal(r->finding_count, injury->units);
    assert_true(r->findings[0].repaired);
    assert_int_equal(r->findings[0].slab, p.slab->header.slab);
    assert_int_equal(r->findings[0].row, p.a->header.row);
    assert_int_equal(strlen(r->findings[0].drive), 32);
    expect_media(f, before);
    expect_clean(scrub(f));
    expect_media(f, before);
    fixture_free_media(f, before);
    free(p.raw);
}

static void tell_injuries(struct fixture *f)
{
    put_some(f);
    for (unsigned i = 0; i < sizeof injuries / sizeof injuries[0]; i++)
        treat(f, &injuries[i]);
    assert_int_equal(scrubbed.units_repaired, 13);
    expect_some(f);
}

static void test_injuries_are_healed(void **state)
{
    (void)state;
    /* with drives to choose from, a slab's extents have different numbers */
    struct fixture f = {.k = 2, .m = 1, .drives = 5, .encrypted = true}, wide = {.k = 4, .m = 2},
                   mirror = {.k = 1, .m = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_injuries);
    fixture_fini(&f);
    fixture_init(&wide);
    fixture_write_session(&wide, tell_injuries);
    fixture_fini(&wide);
    fixture_init(&mirror);
    fixture_write_session(&mirror, tell_injuries);
    fixture_fini(&mirror);
}

/* m units of every row of the first slab, and the last one's of a slab that is open. */
static void tell_many(struct fixture *f)
{
    put_some(f);
    struct raw_pool *raw = raw_pool_read(f);
    struct sim_medium *before[FIXTURE_DRIVES_MAX];
    unsigned units = 0;
    fixture_clone_media(f, before);
    for (unsigned i = 0; i < raw->slabs[0].row_count; i++, units += 2) {
        raw_unit_erase(raw, &raw->slabs[0], &raw->slabs[0].rows[i], i % 4);
        raw_unit_fail(raw, &raw->slabs[0], &raw->slabs[0].rows[i], 4 + i % 2);
    }
    struct raw_slab *last = raw_slab_last(raw);
    assert_true(last->footers == 0);
    raw_unit_erase(raw, last, &last->rows[last->row_count - 1], 2);
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->found[SCRUB_UNIT_HEADER], units / 2 + 1);
    assert_int_equal(r->found[SCRUB_UNIT_UNREADABLE], units / 2);
    assert_int_equal(r->units_repaired, units + 1);
    expect_media(f, before);
    expect_clean(scrub(f));
    fixture_free_media(f, before);
    free(raw);
}

static void test_as_much_as_parity_bears(void **state)
{
    (void)state;
    struct fixture f = {.k = 4, .m = 2, .loops = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_many);
    fixture_fini(&f);
}

/* ---- what can't be proven ---- */

/* Damage to `a` beyond parity: told, and nothing is written; the rows after it are found again. */
static void tell_lost_row(struct fixture *f)
{
    struct patient p;
    struct sim_medium *hurt[FIXTURE_DRIVES_MAX];
    put_some(f);
    patient_init(f, &p);
    uint64_t rows = scrub(f)->rows;
    zero_unit(&p);
    flip(&p, p.a, 0, p.a->layout.header_bytes + 9);
    fixture_clone_media(f, hurt);
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->found[SCRUB_ROW_LOST], 1);
    assert_int_equal(found_in_all(r), 1);
    assert_int_equal(r->unrecoverable, 1);
    assert_int_equal(r->units_repaired + r->units_unrepaired, 0);
    assert_int_equal(r->rows, rows - 1);
    assert_int_equal(r->findings[0].row, p.a->header.row);
    expect_media(f, hurt);
    /* nor is it known where the row after it begins */
    for (unsigned i = 0; i < f->drives; i++)
        raw_unit_erase(p.raw, p.slab, p.a, i);
    raw_unit_erase(p.raw, p.slab, p.a + 1, 0);
    raw_unit_erase(p.raw, p.slab, p.a + 1, 1);
    raw_unit_erase(p.raw, p.slab, p.a + 1, 2);
    flip(&p, p.a + 3, 0, 33);
    r = scrub(f);
    assert_int_equal(r->found[SCRUB_ROW_LOST], 2);
    assert_int_equal(r->found[SCRUB_UNIT_HEADER], 1);
    assert_int_equal(found_in_all(r), 3);
    assert_int_equal(r->units_repaired, 1);
    assert_int_equal(r->rows, rows - 2);
    /* to the end of the slab */
    for (unsigned i = 0; i < p.slab->row_count; i++)
        for (unsigned j = 0; j < f->drives; j++)
            raw_unit_erase(p.raw, p.slab, &p.slab->rows[i], j);
    r = scrub(f);
    assert_int_equal(r->found[SCRUB_ROW_LOST], p.slab->row_count);
    assert_int_equal(r->rows, rows - p.slab->row_count);
    assert_int_equal(r->unrecoverable, p.slab->row_count);
    fixture_free_media(f, hurt);
    free(p.raw);
}

static void test_lost_rows_are_left(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_lost_row);
    fixture_fini(&f);
}

/* Parity that is wrong in a row whose headers all vouch for it. */
static void tell_wrong_parity(struct fixture *f)
{
    struct patient p;
    struct sim_medium *hurt[FIXTURE_DRIVES_MAX];
    uint32_t digests[FORMAT_MEMBERS_MAX], crcs[UNIT_CRCS_MAX];
    put_some(f);
    patient_init(f, &p);
    uint8_t *unit = raw_unit(p.raw, p.slab, p.a, 2);
    unit[p.a->layout.header_bytes] ^= 1;
    unit_payload_crcs(unit + p.a->layout.header_bytes, &p.a->layout, crcs);
    uint32_t digest = unit_digest(crcs, p.a->layout.crc_count);
    for (unsigned i = 0; i < 3; i++) {
        struct unit_header h;
        uint8_t *one = i == 2 ? unit : raw_unit(p.raw, p.slab, p.a, i);
        assert_int_equal(unit_header_decode(one, FORMAT_BLOCK_BYTES, p.slab->header.life, &h, digests, crcs, NULL),
                         DOL_OK);
        digests[2] = digest;
        unit_payload_crcs(one + p.a->layout.header_bytes, &p.a->layout, crcs);
        unit_header_encode(&h, digests, crcs, one);
        poke(&p, p.a, i, one);
        free(one);
    }
    fixture_clone_media(f, hurt);
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->found[SCRUB_ROW_PARITY], 1);
    assert_int_equal(r->found[SCRUB_ROW_CHAIN], 1);
    assert_int_equal(found_in_all(r), 2);
    assert_int_equal(r->units_repaired + r->units_unrepaired + r->unrecoverable, 0);
    expect_media(f, hurt);
    fixture_free_media(f, hurt);
    free(p.raw);
}

static void test_wrong_parity_is_left(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_wrong_parity);
    fixture_fini(&f);
}

/* Stored whole, under the name of other bytes. */
static void tell_wrong_content(struct fixture *f)
{
    static const char data[] = "not what its name says";
    put_some(f);
    struct sha256 hash = sha256_of("something else", 14);
    uint8_t prefix[CHUNK_BODY_PREFIX_BYTES];
    chunk_body_prefix(&hash, sizeof data, prefix);
    struct append_record record = {.kind = RECORD_CHUNK,
                                   .codec = FORMAT_CODEC_RAW,
                                   .plain_bytes = sizeof data,
                                   .parts = {bytes_of(prefix, sizeof prefix), bytes_of(data, sizeof data)},
                                   .part_count = 2,
                                   .payload = bytes_of(hash.b, sizeof hash.b)};
    struct append_group group = {.records = &record, .count = 1};
    assert_int_equal(store_append(f->store, &group), DOL_OK);
    settle(f);
    char hex[65];
    hex_encode(hash.b, sizeof hash.b, hex);
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->found[SCRUB_CONTENT], 1);
    assert_int_equal(found_in_all(r), 1);
    assert_int_equal(r->unrecoverable, 1);
    assert_string_equal(r->findings[0].hash, hex);
    assert_int_equal(r->findings[0].lsn_counter, record.lsn.counter);
    assert_int_equal(r->findings[0].slab, record.place.slab);
}

static void test_wrong_content_is_told(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_wrong_content);
    fixture_fini(&f);
}

/* A manifest, acknowledged and current, of a chunk that was never stored. */
static void tell_dangling(struct fixture *f)
{
    put_some(f);
    const struct chunk_ref ref = {.hash = sha256_of("nowhere", 7), .bytes = 7};
    uint8_t refs[CHUNK_REF_BYTES], body[1024];
    struct tlv_writer w;
    struct manifest m = {.key = text("dangling"),
                         .owner = text("owner"),
                         .flags = MANIFEST_NULL_VERSION,
                         .size = 7,
                         .chunk_refs = bytes_of(refs, sizeof refs)};
    assert_int_equal(store_bucket_id(f->store, text("b"), &m.bucket), DOL_OK);
    memset(m.version.b, 7, sizeof m.version.b);
    chunk_ref_encode(&ref, refs);
    tlv_writer_init(&w, body, sizeof body);
    manifest_encode(&m, &w);
    assert_false(w.overflow);
    assert_int_equal(store_append_body(f->store, RECORD_MANIFEST, bytes_of(body, w.len)), DOL_OK);
    settle(f);
    char hex[65];
    hex_encode(ref.hash.b, sizeof ref.hash.b, hex);
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->found[SCRUB_REFERENCE], 1);
    assert_int_equal(found_in_all(r), 1);
    assert_int_equal(r->unrecoverable, 1);
    assert_string_equal(r->findings[0].hash, hex);
    assert_int_equal(fixture_status(f)->scrub_unrecoverable, 1);
    remove_object(f, "dangling"); /* then nothing refers to it */
    settle(f);
    expect_clean(scrub(f));
    assert_int_equal(fixture_status(f)->scrub_unrecoverable, 0);
}

static void test_dangling_references_are_told(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1, .encrypted = true};
    fixture_init(&f);
    fixture_write_session(&f, tell_dangling);
    fixture_fini(&f);
}

/* An index that is doubted is told of in every pass. */
static void tell_doubt(struct fixture *f)
{
    put_some(f);
    expect_clean(scrub(f));
    index_doubt(f->store->index, "the test");
    for (unsigned i = 0; i < 2; i++) {
        const struct store_scrub_report *r = scrub(f);
        assert_int_equal(r->found[SCRUB_INDEX], 1);
        assert_int_equal(found_in_all(r), 1);
        assert_int_equal(r->unrecoverable, 0);
    }
}

static void tell_after_doubt(struct fixture *f)
{
    settle(f);
    expect_clean(scrub(f)); /* it was made anew */
}

static void test_doubted_index(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_doubt);
    fixture_write_session(&f, tell_after_doubt);
    fixture_fini(&f);
}

/* ---- drives that are missing, or don't write ---- */

static struct sim_medium *with_damage[FIXTURE_DRIVES_MAX];

static void tell_put_and_hurt(struct fixture *f)
{
    struct patient p;
    put_some(f);
    patient_init(f, &p);
    hurt_data(&p);
    free(p.raw);
}

static void tell_without_drive(struct fixture *f)
{
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->found[SCRUB_UNIT_PAYLOAD], 1);
    assert_int_equal(found_in_all(r), 1);
    assert_int_equal(r->units_unrepaired, 1);
    assert_int_equal(r->units_repaired + r->unrecoverable + r->rows_unverified, 0);
    assert_int_equal(r->units_unverified, r->rows);
    assert_true(r->rows > 30);
    expect_media(f, with_damage);
}

/* With more of them missing than parity makes up for there is nothing to be said. */
static void tell_without_three(struct fixture *f)
{
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(found_in_all(r) + r->units + r->rows + r->unrecoverable, 0);
    assert_true(r->rows_unverified > 30);
}

static void tell_with_all(struct fixture *f)
{
    assert_int_equal(scrub(f)->units_repaired, 1);
    expect_clean(scrub(f));
    expect_some(f);
}

static void test_missing_drives(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 2};
    fixture_init(&f);
    fixture_write_session(&f, tell_put_and_hurt);
    fixture_clone_media(&f, with_damage);
    f.given = 0xe & ~(1u << 3); /* not the first, nor the last */
    f.given |= 1u << 0;
    fixture_read_session(&f, tell_without_drive);
    f.given = 1u << 1;
    fixture_read_session(&f, tell_without_three);
    f.given = 0xf;
    fixture_write_session(&f, tell_with_all);
    fixture_free_media(&f, with_damage);
    fixture_fini(&f);
}

static void tell_failing_write(struct fixture *f)
{
    struct patient p;
    put_some(f);
    patient_init(f, &p);
    hurt_data(&p);
    sim_medium_fail_next_write(medium_of(&p, 0));
    const struct store_scrub_report *r = scrub(f);
    assert_int_equal(r->units_repaired, 0);
    assert_int_equal(r->units_unrepaired, 1);
    assert_false(r->findings[0].repaired);
    /* reported as written, and it wasn't */
    raw_unit_erase(p.raw, p.slab, p.a, 0);
    sim_medium_lose_next_write(medium_of(&p, 0));
    r = scrub(f);
    assert_int_equal(r->found[SCRUB_UNIT_HEADER], 1);
    assert_int_equal(r->units_unrepaired, 1);
    assert_int_equal(scrub(f)->units_repaired, 1);
    expect_clean(scrub(f));
    free(p.raw);
}

static void test_failing_writes(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_failing_write);
    fixture_fini(&f);
}

/* ---- beside everything else ---- */

static void key_of(unsigned i, char out[32])
{
    snprintf(out, 32, "object-%03u", i);
}

struct churn {
    struct fixture *f;
    bool done;
};

static void churn_main(void *arg)
{
    struct churn *c = arg;
    char key[32];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 16; i++) {
            key_of(i, key);
            put_noise(c->f, key, round * 100 + i, BIG);
            fiber_sleep(fixture_dice(c->f, 20000000));
        }
        for (unsigned i = 0; i < 16; i++) {
            key_of(i, key);
            if (i % 4 != 0 || round < 2)
                remove_object(c->f, key);
            fiber_sleep(fixture_dice(c->f, 20000000));
        }
    }
    c->done = true;
    fixture_leave(c->f);
}

static void tell_busy(struct fixture *f)
{
    put_some(f);
    struct churn churn = {f, false};
    unsigned passes = 0, freed = 0, all = 0;
    fixture_spawn(f, f->loops - 1, churn_main, &churn);
    while (!churn.done || passes < 5) {
        assert_int_equal(store_scrub_start(f->store, 0), DOL_OK);
        do {
            assert_int_equal(gc_run(f->store, &freed), DOL_OK);
            all += freed;
            fiber_sleep(1000000);
            store_scrub_status_get(f->store, &scrubbed);
        } while (scrubbed.now.state == SCRUB_RUNNING);
        assert_int_equal(scrubbed.now.state, SCRUB_FINISHED);
        expect_clean(&scrubbed.now);
        passes++;
    }
    fixture_join(f);
    assert_true(all > 2);
    assert_false(index_is_unsure(f->store->index));
    for (unsigned i = 0; i < 16; i += 4) {
        char key[32];
        key_of(i, key);
        expect_noise(f, key, 200 + i, BIG);
    }
    settle(f);
    expect_clean(scrub(f));
    expect_some(f);
}

static void test_beside_puts_and_reclaiming(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct fixture f = {.k = 2, .m = 1, .loops = 2, .seed = seed, .encrypted = true};
        fixture_init(&f);
        fixture_write_session(&f, tell_busy);
        fixture_fini(&f);
    }
}

/* ---- begun and ended ---- */

static void tell_stop(struct fixture *f)
{
    put_some(f);
    store_scrub_status_get(f->store, &scrubbed);
    assert_int_equal(scrubbed.now.state, SCRUB_NEVER);
    assert_false(store_scrub_stop(f->store));
    assert_int_equal(store_scrub_start(f->store, 1u << 20), DOL_OK);
    assert_int_equal(store_scrub_start(f->store, 0), DOL_EBUSY);
    fiber_sleep(3000000000);
    store_scrub_status_get(f->store, &scrubbed);
    assert_int_equal(scrubbed.now.state, SCRUB_RUNNING);
    assert_true(scrubbed.now.bytes_done > 0 && scrubbed.now.bytes_done < scrubbed.now.bytes / 4);
    uint64_t before = clock_monotonic_ns();
    assert_true(store_scrub_stop(f->store));
    assert_true(clock_monotonic_ns() - before < 1000000000);
    store_scrub_status_get(f->store, &scrubbed);
    assert_int_equal(scrubbed.now.state, SCRUB_STOPPED);
    assert_int_equal(scrubbed.last.state, SCRUB_NEVER);
    assert_int_equal(scrubbed.passes, 0);
    assert_false(store_scrub_stop(f->store));
    expect_clean(scrub(f));
    assert_int_equal(store_scrub_start(f->store, 1u << 20), DOL_OK); /* the store is closed over it */
}

static void test_stop_and_close(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_stop);
    fixture_fini(&f);
}

/* Never faster than it was told to be, and not much slower. */
static void tell_rate(struct fixture *f)
{
    const uint64_t rate = 8u << 20;
    put_some(f);
    assert_int_equal(store_scrub_start(f->store, rate), DOL_OK);
    do {
        fiber_sleep(10000000);
        store_scrub_status_get(f->store, &scrubbed);
    } while (scrubbed.now.state == SCRUB_RUNNING);
    expect_clean(&scrubbed.now);
    uint64_t least_ns = scrubbed.now.bytes_read * 1000000000ull / rate;
    assert_true(scrubbed.now.duration_ns >= least_ns);
    assert_true(scrubbed.now.duration_ns < least_ns + 1000000000);
    assert_true(least_ns > 3000000000ull);
}

static void test_rate(void **state)
{
    (void)state;
    struct fixture f = {.k = 2, .m = 1};
    fixture_init(&f);
    fixture_write_session(&f, tell_rate);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_injuries_are_healed),
        cmocka_unit_test(test_as_much_as_parity_bears),
        cmocka_unit_test(test_lost_rows_are_left),
        cmocka_unit_test(test_wrong_parity_is_left),
        cmocka_unit_test(test_wrong_content_is_told),
        cmocka_unit_test(test_dangling_references_are_told),
        cmocka_unit_test(test_doubted_index),
        cmocka_unit_test(test_missing_drives),
        cmocka_unit_test(test_failing_writes),
        cmocka_unit_test(test_beside_puts_and_reclaiming),
        cmocka_unit_test(test_stop_and_close),
        cmocka_unit_test(test_rate),
    };
    fixture_choose(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
