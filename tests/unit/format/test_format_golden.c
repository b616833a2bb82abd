/*
 * Golden vectors of format version 1: each on-disk structure and each kind of record with fixed content, compared byte
 * by byte with tests/golden/format-v1/. A difference means that data written before can no longer be read, or is
 * written otherwise: a new version, not a new vector.
 *
 * Vectors are text: "offset: up to 32 bytes in hex", all-zero lines left out, the length in the last line. They are
 * written only on request: test_format_golden --write DIR      vectors test_format_golden --corpus DIR     the same
 * bytes as seeds for the fuzzers, in DIR/fuzz_*
 */
#include "body.h"
#include "extent.h"
#include "hash.h"
#include "superblock.h"
#include "unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define VECTOR_BYTES_MAX 16384u
#define VECTORS_MAX      64u

struct vector {
    char name[40];
    const char *fuzzer;  /* whose corpus it seeds */
    uint8_t fuzz_prefix; /* that fuzzer's first byte */
    uint32_t len;
    uint8_t data[VECTOR_BYTES_MAX];
};

static struct vector vectors[VECTORS_MAX];
static unsigned vector_count;

static struct vector *vector_new(const char *name, const char *fuzzer, uint8_t fuzz_prefix, size_t len)
{
    if (vector_count == VECTORS_MAX || len > VECTOR_BYTES_MAX)
        abort();
    struct vector *v = &vectors[vector_count++];
    snprintf(v->name, sizeof v->name, "%s", name);
    v->fuzzer = fuzzer;
    v->fuzz_prefix = fuzz_prefix;
    v->len = (uint32_t)len;
    return v;
}

static struct uuid uuid_of(uint8_t byte)
{
    struct uuid u;
    memset(u.b, byte, sizeof u.b);
    return u;
}

static struct bytes text(const char *s)
{
    return bytes_of(s, strlen(s));
}

/* ---- superblock and extents ---- */

static const struct uuid pool = {{0xd0, 0x17, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}};
static const struct uuid life = {{0x11, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}};
#define SLAB ((3ull << 32) | 2)

static void make_superblock(void)
{
    static struct superblock sb;
    sb.pool = pool;
    sb.drive = uuid_of(0xa2);
    sb.sequence = 41;
    sb.run = 3;
    sb.epoch = 2;
    sb.generation = 17;
    sb.compliance_clock_s = 1795500000;
    sb.compliance_credit_ms = 123456;
    sb.created_s = 1795400000;
    sb.extent_bytes = 64u << 20;
    sb.k = 2;
    sb.m = 1;
    sb.encrypted = 1;
    for (uint8_t i = 0; i < 16; i++)
        sb.key_check[i] = (uint8_t)(0xc0 + i);
    sb.drive_count = 4;
    for (uint8_t i = 0; i < 4; i++)
        sb.drives[i] = (struct superblock_drive){.uuid = uuid_of((uint8_t)(0xa1 + i)),
                                                 .size_bytes = (4ull << 30) + i * 4096u,
                                                 .extents = 63,
                                                 .incarnation = i == 1 ? 2 : 1,
                                                 .state = i == 3 ? DRIVE_STATE_RETIRED : DRIVE_STATE_ACTIVE,
                                                 .joined_epoch = i == 1 ? 2 : 1};
    sb.key_count = 1;
    sb.keys[0] = (struct superblock_key){.id = 1, .wrap_alg = FORMAT_WRAP_AES256KW, .created_s = 1795400000};
    for (uint8_t i = 0; i < 40; i++)
        sb.keys[0].wrapped[i] = (uint8_t)(0x40 + i);
    memcpy(sb.label, "golden", 6);
    superblock_encode(&sb, vector_new("superblock", "fuzz_superblock", 0, SUPERBLOCK_BYTES)->data);
}

static void make_extent(void)
{
    static struct extent_header h;
    h.pool = pool;
    h.slab = SLAB;
    h.life = life;
    h.run = 3;
    h.epoch = 2;
    h.extent_bytes = 64u << 20;
    h.created_s = 1795500000;
    h.key_id = 1;
    h.k = 2;
    h.m = 1;
    h.member = 1;
    h.ec_alg = FORMAT_EC_RS_CAUCHY;
    for (uint8_t i = 0; i < 3; i++)
        h.members[i] = (struct extent_member){uuid_of((uint8_t)(0xa1 + i)), i == 1 ? 2 : 1, 5u + i};
    extent_header_encode(&h, vector_new("extent-header", "fuzz_extent", 0, EXTENT_HEADER_BYTES)->data);

    static struct extent_footer f;
    f.pool = pool;
    f.slab = SLAB;
    f.life = life;
    f.member = 1;
    f.rows = 100;
    f.end_block = 9000;
    f.lsn_min = (struct lsn){2, 77};
    f.lsn_max = (struct lsn){3, 4711};
    memset(f.last_table.b, 0x7a, sizeof f.last_table.b);
    f.directory_count = 2;
    f.directory[0] = (struct extent_directory_row){8000, 500};
    f.directory[1] = (struct extent_directory_row){8500, 500};
    extent_footer_encode(&f, vector_new("extent-footer", "fuzz_extent", 1, EXTENT_FOOTER_BYTES)->data);
}

/* ---- records, unsealed ---- */

static uint64_t next_lsn;

static void make_record(const char *name, uint8_t kind, uint8_t codec, uint32_t plain_bytes, struct bytes body)
{
    const struct record_header h = {.kind = kind,
                                    .codec = codec,
                                    .lsn = {3, ++next_lsn},
                                    .body_bytes = (uint32_t)body.len,
                                    .plain_bytes = plain_bytes};
    char file[40];
    snprintf(file, sizeof file, "record-%s", name);
    size_t len = RECORD_HEADER_BYTES + body.len + RECORD_TRAILER_BYTES;
    struct vector *v = vector_new(file, "fuzz_record", 0x80, len);
    record_header_encode(&h, v->data);
    memcpy(v->data + RECORD_HEADER_BYTES, body.data, body.len);
    record_trailer_encode(v->data, v->data + RECORD_HEADER_BYTES, h.body_bytes,
                          v->data + RECORD_HEADER_BYTES + body.len);
    /* The body alone seeds the decoder of its kind. */
    snprintf(file, sizeof file, "body-%s", name);
    v = vector_new(file, "fuzz_record", kind, body.len);
    memcpy(v->data, body.data, body.len);
}

static uint8_t body_buf[VECTOR_BYTES_MAX];
static struct tlv_writer body_w;

static struct tlv_writer *body_begin(void)
{
    tlv_writer_init(&body_w, body_buf, sizeof body_buf);
    return &body_w;
}

static void body_end(const char *name, uint8_t kind)
{
    if (body_w.overflow)
        abort();
    make_record(name, kind, 0, 0, bytes_of(body_buf, body_w.len));
}

static void make_chunk(void)
{
    static const char data[] = "the plain bytes of a chunk, stored raw";
    uint32_t len = sizeof data - 1;
    struct sha256 hash = sha256_of(data, len);
    chunk_body_prefix(&hash, len, body_buf);
    memcpy(body_buf + CHUNK_BODY_PREFIX_BYTES, data, len);
    make_record("chunk", RECORD_CHUNK, FORMAT_CODEC_RAW, len, bytes_of(body_buf, CHUNK_BODY_PREFIX_BYTES + len));
}

static uint8_t refs_buf[3 * CHUNK_REF_BYTES];

/* Three chunks of 100, 200 and 1 MiB. */
static struct bytes make_refs(void)
{
    static const uint32_t lengths[] = {100, 200, CHUNK_BYTES_MAX};
    for (uint8_t i = 0; i < 3; i++) {
        struct chunk_ref r = {.bytes = lengths[i]};
        memset(r.hash.b, 0xc1 + i, sizeof r.hash.b);
        chunk_ref_encode(&r, refs_buf + (size_t)i * CHUNK_REF_BYTES);
    }
    return bytes_of(refs_buf, sizeof refs_buf);
}

static const struct version_id version = {
    {0x18, 0xea, 1, 2, 3, 4, 5, 6, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8}};
static const struct version_id older = {{0x17, 0xea, 1, 2, 3, 4, 5, 6, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8}};
#define BUCKET ((1ull << 32) | 1)

static uint8_t meta_buf[256];

static struct manifest sample_object(void)
{
    struct manifest m = {.bucket = BUCKET,
                         .key = text("study/1.2.840/image-\xc3\xa9.dcm"),
                         .owner = text("owner-id"),
                         .mtime_ns = 1795500000123456789,
                         .tags = bytes_of("\3\0who\2\0me\5\0empty\0\0", 18),
                         .retention = {RETENTION_COMPLIANCE, 1, 4000000000},
                         .storage_class = STORAGE_CLASS_GLACIER};
    struct tlv_writer w;
    tlv_writer_init(&w, meta_buf, sizeof meta_buf);
    manifest_meta_put(&w, text("modality"), text("MR"));
    manifest_meta_put(&w, text("note"), text(""));
    m.metadata = bytes_of(meta_buf, w.len);
    m.headers[HEADER_CONTENT_TYPE] = text("application/dicom");
    m.headers[HEADER_WEBSITE_REDIRECT] = text("/elsewhere");
    return m;
}

static void make_manifests(void)
{
    struct manifest m = sample_object();
    m.version = version;
    m.size = 300 + CHUNK_BYTES_MAX;
    m.chunk_refs = make_refs();
    memset(m.etag.md5, 0xe7, sizeof m.etag.md5);
    m.checksum = (struct object_checksum){CHECKSUM_CRC32C, CHECKSUM_FULL_OBJECT, 4, {0xe3, 0x06, 0x92, 0x83}};
    m.sse = text("AES256");
    manifest_encode(&m, body_begin());
    body_end("manifest", RECORD_MANIFEST);

    uint8_t list[LIST_REF_BYTES];
    struct list_ref r = {.chunks = 2, .bytes = 5000};
    memset(r.hash.b, 0x15, sizeof r.hash.b);
    list_ref_encode(&r, list);
    uint8_t parts[2 * MANIFEST_PART_BYTES];
    for (uint32_t i = 0; i < 2; i++) {
        struct manifest_part p = {.number = i + 1, .size = i == 0 ? 4000 : 1000};
        memset(p.md5, (int)(0x50 + i), sizeof p.md5);
        p.checksum = (struct object_checksum){.alg = CHECKSUM_SHA256, .type = CHECKSUM_FULL_OBJECT, .bytes = 32};
        memset(p.checksum.value, (int)(0x60 + i), 32);
        manifest_part_encode(&p, parts + i * MANIFEST_PART_BYTES);
    }
    m = (struct manifest){.bucket = BUCKET,
                          .key = text("large"),
                          .version = version,
                          .flags = MANIFEST_NULL_VERSION,
                          .replaces = older,
                          .size = 5000,
                          .etag = {.parts = 2},
                          .parts = bytes_of(parts, sizeof parts),
                          .upload_id = bytes_of("0123456789abcdef", 16),
                          .list_refs = bytes_of(list, sizeof list)};
    memset(m.etag.md5, 0xe8, sizeof m.etag.md5);
    manifest_encode(&m, body_begin());
    body_end("manifest-multipart", RECORD_MANIFEST);

    m = (struct manifest){.bucket = BUCKET,
                          .key = text("gone"),
                          .version = version,
                          .flags = MANIFEST_DELETE_MARKER,
                          .owner = text("owner-id"),
                          .mtime_ns = -1};
    manifest_encode(&m, body_begin());
    body_end("manifest-delete-marker", RECORD_MANIFEST);
}

static void make_uploads(void)
{
    uint8_t template_buf[1024];
    struct tlv_writer template_w;
    struct manifest m = sample_object();
    tlv_writer_init(&template_w, template_buf, sizeof template_buf);
    manifest_template_encode(&m, &template_w);
    struct upload_body u = {.bucket = BUCKET,
                            .key = m.key,
                            .upload_id = "0123456789abcde",
                            .owner = text("owner-id"),
                            .initiator = text("initiator-id"),
                            .created_ns = 1795500000000000000,
                            .checksum_alg = CHECKSUM_SHA256,
                            .checksum_type = CHECKSUM_COMPOSITE,
                            .manifest = bytes_of(template_buf, template_w.len)};
    upload_body_encode(&u, body_begin());
    body_end("upload", RECORD_UPLOAD);

    struct upload_part_body p = {.bucket = BUCKET,
                                 .key = m.key,
                                 .upload_id = "0123456789abcde",
                                 .part = {.number = 7, .size = 300 + CHUNK_BYTES_MAX},
                                 .mtime_ns = 1795500000000000001,
                                 .chunk_refs = make_refs()};
    memset(p.part.md5, 0x77, sizeof p.part.md5);
    upload_part_encode(&p, body_begin());
    body_end("upload-part", RECORD_UPLOAD_PART);

    struct upload_end_body e = {.bucket = BUCKET, .key = m.key, .upload_id = "0123456789abcde", .completed = 1};
    upload_end_encode(&e, body_begin());
    body_end("upload-end", RECORD_UPLOAD_END);
}

static void make_objects(void)
{
    struct chunk_list_body list = {.refs = make_refs()};
    list.hash = sha256_of(list.refs.data, list.refs.len);
    chunk_list_encode(&list, body_begin());
    body_end("chunk-list", RECORD_CHUNK_LIST);
    make_manifests();
    struct delete_body del = {.bucket = BUCKET, .key = text("gone"), .version = version};
    delete_body_encode(&del, body_begin());
    body_end("delete", RECORD_DELETE);
    struct object_meta_body meta = {.bucket = BUCKET,
                                    .key = text("large"),
                                    .version = version,
                                    .retention = {RETENTION_GOVERNANCE, 0, 2000000000},
                                    .tags = bytes_of("\1\0t\1\0v", 6),
                                    .storage_class = STORAGE_CLASS_STANDARD,
                                    .restored_until_s = 1800000000};
    object_meta_encode(&meta, body_begin());
    body_end("object-meta", RECORD_OBJECT_META);
    make_uploads();
}

static void make_books(void)
{
    struct bucket_body bucket = {.id = BUCKET,
                                 .name = text("images"),
                                 .owner = text("owner-id"),
                                 .created_ns = 1795400000000000000,
                                 .region = text("us-east-1"),
                                 .versioning = BUCKET_VERSIONING_ENABLED,
                                 .flags = BUCKET_FLAG_OBJECT_LOCK,
                                 .default_retention = {RETENTION_GOVERNANCE, 0, 86400},
                                 .settings = bytes_of("\6\0policy\2\0\0\0{}\4\0cors\0\0\0\0", 24)};
    bucket_body_encode(&bucket, body_begin());
    body_end("bucket", RECORD_BUCKET);
    struct bucket_delete_body gone = {BUCKET};
    bucket_delete_encode(&gone, body_begin());
    body_end("bucket-delete", RECORD_BUCKET_DELETE);
    struct end_body end = {SLAB, life, 12, 345};
    end_body_encode(&end, body_begin());
    body_end("end", RECORD_END);
    struct freed_body freed = {SLAB, life, 18};
    freed_body_encode(&freed, body_begin());
    body_end("freed", RECORD_FREED);
    struct debt_body debt = {uuid_of(0xa3), SLAB, life, 1};
    debt_body_encode(&debt, body_begin());
    body_end("debt", RECORD_DEBT);
    struct setting_body setting = {text("site/name"), text("Rennes")};
    setting_body_encode(&setting, body_begin());
    body_end("setting", RECORD_SETTING);
    setting = (struct setting_body){text("somebody"), {NULL, 0}};
    setting_body_encode(&setting, body_begin());
    body_end("user-removed", RECORD_USER);
    setting = (struct setting_body){text("AKEXAMPLE"), text("{}")};
    setting_body_encode(&setting, body_begin());
    body_end("access-key", RECORD_ACCESS_KEY);
    setting = (struct setting_body){text("readonly"), text("{}")};
    setting_body_encode(&setting, body_begin());
    body_end("policy", RECORD_POLICY);
}

static void make_directory(void)
{
    uint8_t entries[512];
    struct sha256 hash;
    memset(hash.b, 0xc1, sizeof hash.b);
    struct directory_entry e = {.kind = RECORD_CHUNK,
                                .codec = FORMAT_CODEC_ZSTD,
                                .lsn = {3, 1},
                                .place = {.row_block = 1, .unit_blocks = 2, .offset_bytes = 0, .stored_bytes = 300},
                                .plain_bytes = 1000,
                                .payload = bytes_of(hash.b, sizeof hash.b)};
    size_t len = directory_entry_encode(&e, entries, sizeof entries);
    uint8_t body[64];
    struct tlv_writer w;
    tlv_writer_init(&w, body, sizeof body);
    bucket_delete_encode(&(struct bucket_delete_body){BUCKET}, &w);
    e = (struct directory_entry){
        .kind = RECORD_BUCKET_DELETE,
        .lsn = {3, 2},
        .place = {.row_block = 1, .unit_blocks = 2, .offset_bytes = 304, .stored_bytes = 80 + (uint32_t)w.len},
        .payload = bytes_of(body, w.len)};
    len += directory_entry_encode(&e, entries + len, sizeof entries - len);
    tlv_put(body_begin(), DIRECTORY_T_ENTRIES, 0, entries, len);
    struct vector *v = vector_new("directory", "fuzz_directory", 0, body_w.len);
    memcpy(v->data, body_buf, body_w.len);
    body_end("directory", RECORD_DIRECTORY);
}

/* What the reclaiming of space writes; defined after the rows, which stay as they were. */
static void make_reclaimed(void)
{
    uint8_t grave[GRAVE_REF_BYTES];
    grave_ref_encode(&(struct grave_ref){SLAB, {2, 99}}, grave);
    struct delete_body del = {
        .bucket = BUCKET, .key = text("gone"), .version = {{0x18, 0xea, 1}}, .graves = bytes_of(grave, sizeof grave)};
    delete_body_encode(&del, body_begin());
    body_end("delete-graves", RECORD_DELETE);
    struct moved_body moved = {SLAB, life, 3};
    moved_body_encode(&moved, body_begin());
    body_end("moved", RECORD_MOVED);
}

/* The header of a sealed record; its body and tag are the seal's affair. */
static void make_sealed_header(void)
{
    const struct record_header h = {.kind = RECORD_CHUNK,
                                    .codec = FORMAT_CODEC_ZSTD,
                                    .seal = FORMAT_SEAL_AES256GCM,
                                    .key_id = 1,
                                    .lsn = {3, 0x0102030405060708},
                                    .body_bytes = 1048,
                                    .plain_bytes = 5000,
                                    .seal_life = life,
                                    .seal_counter = 0x1112131415161718};
    record_header_encode(&h, vector_new("record-header-sealed", "fuzz_record", 0x80, RECORD_HEADER_BYTES)->data);
}

/* ---- a slab's first two rows, 2+1: records, then nothing ---- */

static uint8_t gf_multiply(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    for (unsigned bit = 0; bit < 8; bit++)
        if ((b >> bit & 1) != 0)
            product ^= (unsigned)a << bit;
    for (unsigned bit = 15; bit >= 8; bit--)
        if ((product >> bit & 1) != 0)
            product ^= 0x11du << (bit - 8);
    return (uint8_t)product;
}

static uint8_t gf_inverse(uint8_t a)
{
    uint8_t b = 1;
    while (gf_multiply(a, b) != 1)
        b++;
    return b;
}

static struct sha256 make_row(uint64_t row, uint32_t row_block, const struct sha256 *prev_table, struct bytes data,
                              uint32_t records)
{
    enum { K = 2, M = 1 };
    struct row_layout layout = row_layout_for((uint32_t)data.len, K, M);
    uint8_t payload[K + M][2 * FORMAT_BLOCK_BYTES] = {{0}};
    uint32_t crcs[K + M][UNIT_CRCS_MAX];
    uint32_t digests[K + M];
    for (size_t i = 0; i < data.len; i++)
        payload[i / layout.payload_bytes][i % layout.payload_bytes] = ((const uint8_t *)data.data)[i];
    for (unsigned j = 0; j < K; j++)
        for (uint32_t i = 0; i < layout.payload_bytes; i++)
            payload[K][i] ^= gf_multiply(payload[j][i], gf_inverse((uint8_t)(K ^ j)));
    for (int i = 0; i < K + M; i++) {
        unit_payload_crcs(payload[i], &layout, crcs[i]);
        digests[i] = unit_digest(crcs[i], layout.crc_count);
    }
    for (unsigned i = 0; i < K + M; i++) {
        struct unit_header h = {.pool = pool,
                                .slab = SLAB,
                                .life = life,
                                .row = row,
                                .run = 3,
                                .epoch = 2,
                                .drive = uuid_of((uint8_t)(0xa1 + i)),
                                .extent = 5u + i,
                                .k = K,
                                .m = M,
                                .member = (uint8_t)i,
                                .flags = records == 0 ? UNIT_FLAG_EMPTY : 0,
                                .row_block = row_block,
                                .unit_blocks = layout.unit_blocks,
                                .data_bytes = (uint32_t)data.len,
                                .record_count = records,
                                .prev_table = *prev_table,
                                .ec_alg = FORMAT_EC_RS_CAUCHY,
                                .crc_alg = FORMAT_CRC_CRC32C};
        if (records > 0) {
            h.lsn_first = (struct lsn){3, 1};
            h.lsn_last = (struct lsn){3, records};
        }
        char name[40];
        snprintf(name, sizeof name, "row%d-unit%u", (int)row, i);
        struct vector *v = vector_new(name, "fuzz_unit", 0, (size_t)layout.unit_blocks * FORMAT_BLOCK_BYTES);
        unit_header_encode(&h, digests, crcs[i], v->data);
        memcpy(v->data + layout.header_bytes, payload[i], layout.payload_bytes);
    }
    return unit_table_hash(life, row, prev_table, digests, K + M);
}

/* All record vectors so far, in the order they were made (their LSNs ascend), are the first row. */
static void make_rows(void)
{
    static uint8_t data[VECTOR_BYTES_MAX];
    struct sha256 table = {{0}};
    uint32_t len = 0;
    uint32_t records = 0;
    for (unsigned i = 0; i < vector_count; i++) {
        if (strncmp(vectors[i].name, "record-", 7) != 0 || vectors[i].len == RECORD_HEADER_BYTES)
            continue;
        memcpy(data + len, vectors[i].data, vectors[i].len);
        len += (vectors[i].len + RECORD_ALIGN_BYTES - 1) & ~(RECORD_ALIGN_BYTES - 1);
        records++;
    }
    uint32_t blocks = row_layout_for(len, 2, 1).unit_blocks;
    table = make_row(0, 1, &table, bytes_of(data, len), records);
    table = make_row(1, 1 + blocks, &table, bytes_of(NULL, 0), 0);
    struct vector *v = vector_new("row1-table-hash", NULL, 0, sizeof table.b);
    memcpy(v->data, table.b, sizeof table.b);
}

static void vectors_make(void)
{
    make_superblock();
    make_extent();
    make_chunk();
    make_objects();
    make_books();
    make_directory();
    make_sealed_header();
    make_rows();
    make_reclaimed();
}

/* ---- text form ---- */

static char *vector_text(const struct vector *v)
{
    size_t capacity = v->len / 32 * 76 + 256;
    char *out = malloc(capacity);
    if (out == NULL)
        abort();
    size_t n = 0;
    for (uint32_t at = 0; at < v->len; at += 32) {
        uint32_t len = v->len - at < 32 ? v->len - at : 32;
        char hex[65];
        hex_encode(v->data + at, len, hex);
        if (strspn(hex, "0") == 2 * (size_t)len)
            continue;
        n += (size_t)snprintf(out + n, capacity - n, "%08x: %s\n", at, hex);
    }
    snprintf(out + n, capacity - n, "%08x\n", v->len);
    return out;
}

static void test_vectors(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vector_count; i++) {
        if (strncmp(vectors[i].name, "body-", 5) == 0)
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.hex", GOLDEN_DIR, vectors[i].name);
        FILE *f = fopen(path, "r");
        if (f == NULL)
            fail_msg("%s: missing", path);
        char *expected = vector_text(&vectors[i]);
        size_t len = strlen(expected);
        char *stored = calloc(1, len + 2);
        assert_non_null(stored);
        assert_int_equal(fread(stored, 1, len + 1, f), len);
        fclose(f);
        assert_string_equal(stored, expected);
        free(stored);
        free(expected);
    }
}

static int write_file(const char *path, const void *data, size_t len, const void *more, size_t more_len)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    bool ok = fwrite(data, 1, len, f) == len && fwrite(more, 1, more_len, f) == more_len;
    if (fclose(f) != 0 || !ok) {
        perror(path);
        return 1;
    }
    return 0;
}

static int vectors_write(const char *dir)
{
    for (unsigned i = 0; i < vector_count; i++) {
        if (strncmp(vectors[i].name, "body-", 5) == 0)
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.hex", dir, vectors[i].name);
        char *s = vector_text(&vectors[i]);
        int rc = write_file(path, s, strlen(s), "", 0);
        free(s);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* As it is, and once more with the bit by which that fuzzer makes checksums good. */
static int seed_write(const char *dir, const struct vector *v, uint8_t prefix, const char *suffix)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, v->fuzzer);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s%s", dir, v->fuzzer, v->name, suffix);
    return write_file(path, &prefix, 1, v->data, v->len);
}

static int corpus_write(const char *dir)
{
    static const struct {
        const char *fuzzer;
        uint8_t help;
    } helps[] = {{"fuzz_superblock", 1}, {"fuzz_extent", 2}, {"fuzz_unit", 1}};
    int rc = 0;
    for (unsigned i = 0; i < vector_count && rc == 0; i++) {
        const struct vector *v = &vectors[i];
        if (v->fuzzer == NULL)
            continue;
        rc = seed_write(dir, v, v->fuzz_prefix, "");
        for (size_t j = 0; j < sizeof helps / sizeof helps[0] && rc == 0; j++)
            if (strcmp(v->fuzzer, helps[j].fuzzer) == 0)
                rc = seed_write(dir, v, v->fuzz_prefix | helps[j].help, "-resealed");
        if (rc == 0 && v->fuzz_prefix == 0x80)
            rc = seed_write(dir, v, 0xc0, "-resealed");
    }
    return rc;
}

int main(int argc, char **argv)
{
    vectors_make();
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return vectors_write(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
        return corpus_write(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
