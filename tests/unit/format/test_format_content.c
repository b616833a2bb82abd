/* Contents of bodies that cannot be, kind by kind, and the limits: what a decoder would refuse, the encoder refuses,
 * too. */
#include "format_kinds.h"
#include "hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_err(expr, expected) assert_string_equal(dol_err_name(expr), #expected)

static enum dol_err manifest_with(uint16_t type, const void *value, size_t len)
{
    static const uint8_t version[16] = {1};
    struct tlv_writer w;
    tlv_writer_init(&w, body_image, BODY_BYTES_ROOM);
    tlv_put_u64(&w, MANIFEST_T_BUCKET, 1);
    tlv_put(&w, MANIFEST_T_KEY, 0, "k", 1);
    tlv_put(&w, MANIFEST_T_VERSION, 0, version, sizeof version);
    if (type < MANIFEST_T_MTIME)
        tlv_put(&w, type, 0, value, len);
    tlv_put_i64(&w, MANIFEST_T_MTIME, 0);
    tlv_put_u64(&w, MANIFEST_T_SIZE, 0);
    if (type > MANIFEST_T_SIZE)
        tlv_put(&w, type, 0, value, len);
    return body_decode_exact(KIND_MANIFEST, body_image, w.len);
}

/* An optional field that is there, but zero or empty: a second encoding of the same content. */
static void test_explicit_zeros(void **state)
{
    (void)state;
    static const uint8_t zero[64];
    uint8_t image[64] = {0};
    assert_err(manifest_with(60000, zero, 0), OK);
    assert_err(manifest_with(MANIFEST_T_FLAGS, zero, 4), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_REPLACES, zero, 16), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_OWNER, zero, 0), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_ETAG, zero, 20), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_HEADERS, zero, 0), OK);
    assert_err(manifest_with(MANIFEST_T_TAGS, zero, 0), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_RETENTION, zero, 16), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_STORAGE_CLASS, zero, 1), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_CHECKSUM, zero, 36), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_CHUNK_REFS, zero, 0), ECORRUPT);
    /* Sizes that are not the field's. */
    image[0] = 1;
    assert_err(manifest_with(MANIFEST_T_FLAGS, image, 4), OK);
    assert_err(manifest_with(MANIFEST_T_FLAGS, image, 3), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_FLAGS, image, 8), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_ETAG, image, 19), ECORRUPT);
    assert_err(manifest_with(MANIFEST_T_UPLOAD_ID, image, 15), ECORRUPT);
    /* Reserved bytes. */
    memcpy(image, "\2\1\4\0", 4);
    assert_err(manifest_with(MANIFEST_T_CHECKSUM, image, 36), OK);
    image[3] = 1;
    assert_err(manifest_with(MANIFEST_T_CHECKSUM, image, 36), ECORRUPT);
    memset(image, 0, sizeof image);
    image[1] = 1;
    assert_err(manifest_with(MANIFEST_T_RETENTION, image, 16), OK);
    image[7] = 1;
    assert_err(manifest_with(MANIFEST_T_RETENTION, image, 16), ECORRUPT);
}

static void test_chunk(void **state)
{
    (void)state;
    struct sample_rng rng = {36};
    static const uint32_t sizes[] = {1, 4095, 4096, 4097, CHUNK_BYTES_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sha256 hash;
        struct chunk_body out;
        uint8_t *body = malloc(CHUNK_BODY_PREFIX_BYTES + sizes[i]);
        assert_non_null(body);
        sample_fill(&rng, hash.b, sizeof hash.b);
        chunk_body_prefix(&hash, sizes[i], body);
        memset(body + CHUNK_BODY_PREFIX_BYTES, 7, sizes[i]);
        struct bytes whole = bytes_of(body, CHUNK_BODY_PREFIX_BYTES + sizes[i]);
        assert_err(chunk_body_decode(whole, &out), OK);
        assert_true(sha256_equal(&out.hash, &hash));
        assert_ptr_equal(out.data.data, body + CHUNK_BODY_PREFIX_BYTES);
        assert_int_equal(out.data.len, sizes[i]);
        for (size_t cut = 0; cut < whole.len; cut += cut < 100 ? 1 : 997)
            assert_err(chunk_body_decode(bytes_of(body, cut), &out), ECORRUPT);
        free(body);
    }
    uint8_t *large = calloc(1, CHUNK_BODY_BYTES_MAX + 1);
    struct chunk_body out;
    assert_non_null(large);
    chunk_body_prefix(&(struct sha256){{0}}, CHUNK_BYTES_MAX, large);
    assert_err(chunk_body_decode(bytes_of(large, CHUNK_BODY_BYTES_MAX), &out), OK);
    large[44] = 1; /* length 1 MiB + 1 */
    assert_err(chunk_body_decode(bytes_of(large, CHUNK_BODY_BYTES_MAX + 1), &out), ECORRUPT);
    memset(large + 44, 0, 4);
    assert_err(chunk_body_decode(bytes_of(large, CHUNK_BODY_PREFIX_BYTES), &out), ECORRUPT);
    free(large);
}

static bool encodes(size_t kind, const union any_body *b)
{
    struct tlv_writer w;
    tlv_writer_init(&w, body_image, BODY_BYTES_ROOM);
    format_kinds[kind].encode(b, &w);
    return !w.overflow;
}

static void test_chunk_list_content(void **state)
{
    (void)state;
    struct sample_rng rng = {37};
    union any_body b = {0};
    size_t len;
    uint64_t size;
    sample_space.used = 0;
    b.chunk_list.refs = sample_chunk_refs(&rng, &sample_space, LIST_CHUNKS_MAX, &size);
    b.chunk_list.hash = sha256_of(b.chunk_list.refs.data, b.chunk_list.refs.len);
    len = body_encode(KIND_CHUNK_LIST, &b, body_image);
    assert_err(body_decode_exact(KIND_CHUNK_LIST, body_image, len), OK);
    body_image[8] ^= 1; /* the hash */
    assert_err(body_decode_exact(KIND_CHUNK_LIST, body_image, len), ECORRUPT);
    body_image[8] ^= 1;
    body_image[len - 5] ^= 1; /* a reference */
    assert_err(body_decode_exact(KIND_CHUNK_LIST, body_image, len), ECORRUPT);

    b.chunk_list.refs.len -= 1;
    assert_false(encodes(KIND_CHUNK_LIST, &b));
    b.chunk_list.refs.len = 0;
    assert_false(encodes(KIND_CHUNK_LIST, &b));
    sample_space.used = 0;
    b.chunk_list.refs = sample_chunk_refs(&rng, &sample_space, LIST_CHUNKS_MAX + 1, &size);
    assert_false(encodes(KIND_CHUNK_LIST, &b));
    b.chunk_list.refs.len = CHUNK_REF_BYTES;
    assert_true(encodes(KIND_CHUNK_LIST, &b));
    memset(sample_space.b + 32, 0, 4); /* a chunk of no bytes */
    assert_false(encodes(KIND_CHUNK_LIST, &b));
    struct le32 over = le32_of(CHUNK_BYTES_MAX + 1);
    memcpy(sample_space.b + 32, over.b, 4);
    assert_false(encodes(KIND_CHUNK_LIST, &b));
}

/* A manifest with nothing but what must be there, of one chunk of `size` bytes. */
static void plain_manifest(struct manifest *m, uint8_t ref[CHUNK_REF_BYTES], uint32_t size)
{
    struct chunk_ref r = {.bytes = size};
    chunk_ref_encode(&r, ref);
    *m = (struct manifest){.bucket = 1, .key = bytes_of("k", 1), .version = {{1}}, .size = size};
    if (size > 0)
        m->chunk_refs = bytes_of(ref, CHUNK_REF_BYTES);
}

#define assert_manifest_refused(change)                                                                                \
    do {                                                                                                               \
        union any_body b_ = {0};                                                                                       \
        struct manifest *m = &b_.manifest;                                                                             \
        uint8_t ref_[CHUNK_REF_BYTES];                                                                                 \
        plain_manifest(m, ref_, 100);                                                                                  \
        assert_true(encodes(KIND_MANIFEST, &b_));                                                                      \
        change;                                                                                                        \
        assert_false(encodes(KIND_MANIFEST, &b_));                                                                     \
    } while (0)

static void test_manifest_content(void **state)
{
    (void)state;
    static uint8_t large[MANIFEST_METADATA_BYTES_MAX + 1];
    uint8_t two_refs[2 * CHUNK_REF_BYTES] = {0};
    uint8_t list[LIST_REF_BYTES];
    list_ref_encode(&(struct list_ref){.chunks = 1, .bytes = 100}, list);
    memset(large, 'x', sizeof large);
    assert_manifest_refused(m->bucket = 0);
    assert_manifest_refused(m->key.len = 0);
    assert_manifest_refused(m->key = bytes_of(large, OBJECT_KEY_BYTES_MAX + 1));
    assert_manifest_refused(m->version = (struct version_id){{0}});
    assert_manifest_refused(m->flags = 4);
    assert_manifest_refused(m->flags = MANIFEST_DELETE_MARKER);
    assert_manifest_refused(m->replaces.b[0] = 9); /* not a null version */
    assert_manifest_refused(m->flags = MANIFEST_NULL_VERSION; m->replaces = m->version);
    assert_manifest_refused(m->owner = bytes_of(large, OWNER_BYTES_MAX + 1));
    assert_manifest_refused(m->size = 99);
    assert_manifest_refused(m->size = 101);
    assert_manifest_refused(m->size = 0);
    assert_manifest_refused(m->size = UINT64_MAX);
    assert_manifest_refused(m->chunk_refs = (struct bytes){0});
    assert_manifest_refused(m->chunk_refs.len = 35);
    assert_manifest_refused(m->chunk_refs = bytes_of(two_refs, sizeof two_refs));
    assert_manifest_refused(m->list_refs = bytes_of(list, sizeof list); m->size = 200); /* both */
    assert_manifest_refused(m->headers[HEADER_EXPIRES] = bytes_of(large, MANIFEST_HEADER_BYTES_MAX + 1));
    assert_manifest_refused(m->retention.mode = 3);
    assert_manifest_refused(m->retention.mode = RETENTION_COMPLIANCE); /* until when? */
    assert_manifest_refused(m->retention.until_s = 5);                 /* of what? */
    assert_manifest_refused(m->retention.mode = 1; m->retention.until_s = -5);
    assert_manifest_refused(m->retention.legal_hold = 2);
    assert_manifest_refused(m->storage_class = STORAGE_CLASS_LAST + 1);
    assert_manifest_refused(m->checksum.alg = 6);
    assert_manifest_refused(m->checksum.alg = CHECKSUM_CRC32); /* no type */
    assert_manifest_refused((m->checksum = (struct object_checksum){.alg = 2, .type = 1, .bytes = 8}));
    assert_manifest_refused((m->checksum = (struct object_checksum){.alg = 2, .type = 3, .bytes = 4}));
    assert_manifest_refused((m->checksum = (struct object_checksum){.alg = 2, .type = 1, .bytes = 4, .value[4] = 1}));
    assert_manifest_refused(m->checksum.value[0] = 1);
    assert_manifest_refused(m->upload_id = bytes_of(large, 15));
    assert_manifest_refused(m->sse = bytes_of(large, MANIFEST_SSE_BYTES_MAX + 1));
    assert_manifest_refused(m->etag.parts = MANIFEST_PARTS_MAX + 1);
    assert_manifest_refused(m->metadata = bytes_of(large, 20));
    assert_manifest_refused(m->tags = bytes_of("\1\0a\1\0", 5));           /* value missing */
    assert_manifest_refused(m->tags = bytes_of("\0\0\0\0", 4));            /* no name */
    assert_manifest_refused(m->tags = bytes_of("\1\0a\0\0\1\0a\0\0", 10)); /* twice */
    assert_manifest_refused(m->tags = bytes_of("\1\0a", 3));
    assert_manifest_refused(m->tags = bytes_of("\1", 1));
}

static void test_manifest_sizes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 4095, 4096, 4097, CHUNK_BYTES_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        union any_body b = {0};
        union any_body out;
        uint8_t ref[CHUNK_REF_BYTES];
        plain_manifest(&b.manifest, ref, sizes[i]);
        size_t len = body_encode(KIND_MANIFEST, &b, body_image);
        assert_err(format_kinds[KIND_MANIFEST].decode(bytes_of(body_image, len), &out), OK);
        assert_true(out.manifest.size == sizes[i]);
        assert_int_equal(out.manifest.chunk_refs.len, sizes[i] == 0 ? 0 : CHUNK_REF_BYTES);
        assert_null(out.manifest.headers[0].data);
    }
    /* A header that is there, but empty, stays so. */
    union any_body b = {0};
    union any_body out;
    uint8_t ref[CHUNK_REF_BYTES];
    plain_manifest(&b.manifest, ref, 1);
    b.manifest.headers[HEADER_CONTENT_TYPE] = bytes_of("", 0);
    size_t len = body_encode(KIND_MANIFEST, &b, body_image);
    assert_err(format_kinds[KIND_MANIFEST].decode(bytes_of(body_image, len), &out), OK);
    assert_non_null(out.manifest.headers[HEADER_CONTENT_TYPE].data);
    assert_int_equal(out.manifest.headers[HEADER_CONTENT_TYPE].len, 0);
}

/* The largest of everything together still fits into a directory entry. */
static void test_manifest_largest(void **state)
{
    (void)state;
    static uint8_t lists[MANIFEST_LISTS_MAX * LIST_REF_BYTES];
    static uint8_t parts[MANIFEST_PARTS_MAX * MANIFEST_PART_BYTES];
    static uint8_t text[MANIFEST_METADATA_BYTES_MAX];
    static uint8_t metadata[MANIFEST_METADATA_BYTES_MAX];
    union any_body b = {.manifest = {.bucket = 1, .version = {{1}}}};
    struct manifest *m = &b.manifest;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < MANIFEST_LISTS_MAX; i++) {
        list_ref_encode(&(struct list_ref){.chunks = 4096, .bytes = 4096ull << 20}, lists + i * LIST_REF_BYTES);
        m->size += 4096ull << 20;
    }
    for (uint32_t i = 0; i < MANIFEST_PARTS_MAX; i++) {
        struct manifest_part p = {.number = i + 1, .size = i == 0 ? m->size : 0};
        manifest_part_encode(&p, parts + (size_t)i * MANIFEST_PART_BYTES);
    }
    struct tlv_writer w;
    tlv_writer_init(&w, metadata, sizeof metadata);
    manifest_meta_put(&w, bytes_of("n", 1), bytes_of(text, sizeof text - 11));
    assert_false(w.overflow);
    m->metadata = bytes_of(metadata, w.len);
    assert_int_equal(w.len, MANIFEST_METADATA_BYTES_MAX);
    m->key = bytes_of(text, OBJECT_KEY_BYTES_MAX);
    m->owner = bytes_of(text, OWNER_BYTES_MAX);
    m->sse = bytes_of(text, MANIFEST_SSE_BYTES_MAX);
    for (int i = 0; i < HEADER_COUNT; i++)
        m->headers[i] = bytes_of(text, MANIFEST_HEADER_BYTES_MAX);
    m->list_refs = bytes_of(lists, sizeof lists);
    m->parts = bytes_of(parts, sizeof parts);
    m->etag.parts = MANIFEST_PARTS_MAX;
    size_t len = body_encode(KIND_MANIFEST, &b, body_image);
    assert_true(len <= BODY_BYTES_MAX);
    assert_err(body_decode_exact(KIND_MANIFEST, body_image, len), OK);

    m->etag.parts--;
    assert_false(encodes(KIND_MANIFEST, &b));
    m->etag.parts++;
    parts[0] = 2; /* number 2 twice */
    assert_false(encodes(KIND_MANIFEST, &b));
    parts[0] = 1;
    m->size--;
    assert_false(encodes(KIND_MANIFEST, &b));
}

static void test_metadata(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct tlv_writer w;
    tlv_writer_init(&w, buf, sizeof buf);
    manifest_meta_put(&w, bytes_of("patient", 7), bytes_of("\xc3\xa9", 2));
    manifest_meta_put(&w, bytes_of("empty", 5), bytes_of(NULL, 0));
    assert_false(w.overflow);
    struct bytes pos = bytes_of(buf, w.len);
    struct bytes name;
    struct bytes value;
    assert_true(manifest_meta_next(&pos, &name, &value));
    assert_true(bytes_equal(name, bytes_of("patient", 7)) && bytes_equal(value, bytes_of("\xc3\xa9", 2)));
    assert_true(manifest_meta_next(&pos, &name, &value));
    assert_true(bytes_equal(name, bytes_of("empty", 5)) && value.len == 0);
    assert_false(manifest_meta_next(&pos, &name, &value));
    for (size_t cut = 0; cut <= 19; cut++) {
        pos = bytes_of(buf, cut);
        assert_true(manifest_meta_next(&pos, &name, &value) == (cut == 19));
    }
    manifest_meta_put(&w, bytes_of("", 0), bytes_of("x", 1));
    assert_true(w.overflow);
}

static void test_other_contents(void **state)
{
    (void)state;
    struct sample_rng rng = {38};
    union any_body b;
    body_sample(KIND_BUCKET, &rng, &b); /* bucket */
    static const struct bytes bad_settings[] = {
        {"\1", 1},
        {"\0\0\0\0\0\0", 6},
        {"\1\0a\1\0\0\0", 7},
        {"\1\0a\0\0\0\0\1\0a\0\0\0\0", 14},
        {"\5\0a\0\0\0\0", 7},
        {"\1\0a\xff\xff\xff\xff", 7},
    };
    for (size_t i = 0; i < sizeof bad_settings / sizeof bad_settings[0]; i++) {
        b.bucket.settings = bad_settings[i];
        assert_false(encodes(KIND_BUCKET, &b));
    }
    b.bucket.settings = (struct bytes){0};
    assert_true(encodes(KIND_BUCKET, &b));
    b.bucket.versioning = 3;
    assert_false(encodes(KIND_BUCKET, &b));
    b.bucket.versioning = 0;
    b.bucket.default_retention = (struct retention){.legal_hold = 1};
    assert_false(encodes(KIND_BUCKET, &b));
    b.bucket.default_retention = (struct retention){.mode = RETENTION_COMPLIANCE, .until_s = 100ll * 365 * 86400};
    b.bucket.default_years = 100;
    assert_true(encodes(KIND_BUCKET, &b));
    b.bucket.default_years = 99;
    assert_false(encodes(KIND_BUCKET, &b));
    b.bucket.default_retention.until_s = 101ll * 365 * 86400;
    b.bucket.default_years = 101;
    assert_false(encodes(KIND_BUCKET, &b));
    b.bucket.default_years = 0;
    assert_true(encodes(KIND_BUCKET, &b));

    body_sample(KIND_UPLOAD, &rng, &b); /* upload */
    b.upload.bucket++;
    assert_false(encodes(KIND_UPLOAD, &b));
    b.upload.bucket--;
    b.upload.checksum_alg = CHECKSUM_SHA1;
    b.upload.checksum_type = 0;
    assert_false(encodes(KIND_UPLOAD, &b));
    b.upload.checksum_type = CHECKSUM_COMPOSITE;
    assert_true(encodes(KIND_UPLOAD, &b));
    b.upload.manifest.len--;
    assert_false(encodes(KIND_UPLOAD, &b));

    body_sample(KIND_UPLOAD_PART, &rng, &b); /* part */
    b.upload_part.part.size++;
    assert_false(encodes(KIND_UPLOAD_PART, &b));
    b.upload_part.part.size--;
    b.upload_part.part.number = 0;
    assert_false(encodes(KIND_UPLOAD_PART, &b));
    b.upload_part.part.number = MANIFEST_PARTS_MAX + 1;
    assert_false(encodes(KIND_UPLOAD_PART, &b));

    const struct end_body ends[] = {{1, {{1}}, 0, 2},         {1, {{1}}, 2, 2}, {1, {{1}}, 1, 262144},
                                    {1, {{0}}, 0, 1},         {0, {{1}}, 0, 1}, {1, {{1}}, UINT64_MAX, 5},
                                    {1, {{1}}, 1, UINT64_MAX}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        b.end = ends[i];
        assert_false(encodes(KIND_END, &b));
    }
    b.end = (struct end_body){1, {{1}}, 262142, 262143};
    assert_true(encodes(KIND_END, &b));
    b.freed = (struct freed_body){1, {{1}}, 0};
    assert_false(encodes(KIND_FREED, &b));
    b.debt = (struct debt_body){{{1}}, 1, {{1}}, 2};
    assert_false(encodes(KIND_DEBT, &b));
    b.setting = (struct setting_body){{"", 0}, {NULL, 0}};
    assert_false(encodes(KIND_SETTING, &b));
}

/* Removed and empty are two things. */
static void test_setting_removed(void **state)
{
    (void)state;
    union any_body b = {.setting = {{"n", 1}, {NULL, 0}}};
    union any_body out;
    size_t len = body_encode(KIND_SETTING, &b, body_image);
    assert_err(format_kinds[KIND_SETTING].decode(bytes_of(body_image, len), &out), OK);
    assert_null(out.setting.value.data);
    b.setting.value = bytes_of("", 0);
    len = body_encode(KIND_SETTING, &b, body_image);
    assert_err(format_kinds[KIND_SETTING].decode(bytes_of(body_image, len), &out), OK);
    assert_non_null(out.setting.value.data);
    assert_int_equal(out.setting.value.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explicit_zeros),     cmocka_unit_test(test_chunk),
        cmocka_unit_test(test_chunk_list_content), cmocka_unit_test(test_manifest_content),
        cmocka_unit_test(test_manifest_sizes),     cmocka_unit_test(test_manifest_largest),
        cmocka_unit_test(test_metadata),           cmocka_unit_test(test_other_contents),
        cmocka_unit_test(test_setting_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
