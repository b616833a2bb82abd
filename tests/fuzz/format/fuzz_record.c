/*
 * Records. First byte 0x80: a row's data is walked, each record's header, trailer and body; 0xc0: header CRCs are made
 * good on the way. Else: the rest is a body of the kind that the first byte names. A body that is accepted encodes
 * again, and to itself if no unknown TLV was skipped.
 */
#include "body.h"
#include "dol_assert.h"
#include "hash.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t again[RECORD_BODY_BYTES_MAX];

static void check_again(struct bytes body, const struct tlv_writer *w)
{
    dol_assert(!w->overflow && w->len <= body.len);
    if (w->len == body.len)
        dol_assert(memcmp(body.data, again, body.len) == 0);
}

#define FUZZ_BODY(type, name)                                                                                          \
    do {                                                                                                               \
        struct type b;                                                                                                 \
        if (name##_decode(body, &b) == DOL_OK) {                                                                       \
            name##_encode(&b, &w);                                                                                     \
            check_again(body, &w);                                                                                     \
        }                                                                                                              \
    } while (0)

static void fuzz_manifest(struct bytes body, struct tlv_writer *w)
{
    struct manifest m;
    if (manifest_decode(body, &m) == DOL_OK) {
        struct bytes pos = m.metadata;
        struct bytes name;
        struct bytes value;
        while (manifest_meta_next(&pos, &name, &value))
            dol_assert(name.len > 0);
        dol_assert(pos.len == 0);
        manifest_encode(&m, w);
        check_again(body, w);
    } else if (manifest_template_decode(body, &m) == DOL_OK) {
        manifest_template_encode(&m, w);
        check_again(body, w);
    }
}

/* The hash of a list is over its references; without help no input would ever pass. */
static void fuzz_chunk_list(uint8_t *mutable_body, struct bytes body, struct tlv_writer *w)
{
    struct chunk_list_body b;
    if (body.len > 48 && chunk_list_decode(body, &b) == DOL_ECORRUPT) {
        struct sha256 hash = sha256_of(mutable_body + 48, body.len - 48);
        memcpy(mutable_body + 8, hash.b, sizeof hash.b);
    }
    if (chunk_list_decode(body, &b) == DOL_OK) {
        chunk_list_encode(&b, w);
        check_again(body, w);
    }
}

static void fuzz_directory(struct bytes body)
{
    struct bytes pos;
    struct directory_entry e;
    if (directory_entries(body, &pos) == DOL_OK)
        while (directory_next(&pos, &e) == DOL_OK)
            dol_assert(e.kind != RECORD_DIRECTORY);
}

static void fuzz_body(unsigned kind, uint8_t *image, size_t len)
{
    struct bytes body = bytes_of(image, len);
    struct tlv_writer w;
    struct chunk_body chunk;
    tlv_writer_init(&w, again, sizeof again);
    switch (kind) {
    case RECORD_CHUNK:
        if (chunk_body_decode(body, &chunk) == DOL_OK)
            dol_assert(chunk.data.len >= 1 && chunk.data.len <= CHUNK_BYTES_MAX);
        break;
    case RECORD_CHUNK_LIST:
        fuzz_chunk_list(image, body, &w);
        break;
    case RECORD_MANIFEST:
        fuzz_manifest(body, &w);
        break;
    case RECORD_DELETE:
        FUZZ_BODY(delete_body, delete_body);
        break;
    case RECORD_OBJECT_META:
        FUZZ_BODY(object_meta_body, object_meta);
        break;
    case RECORD_BUCKET:
        FUZZ_BODY(bucket_body, bucket_body);
        break;
    case RECORD_BUCKET_DELETE:
        FUZZ_BODY(bucket_delete_body, bucket_delete);
        break;
    case RECORD_UPLOAD:
        FUZZ_BODY(upload_body, upload_body);
        break;
    case RECORD_UPLOAD_PART:
        FUZZ_BODY(upload_part_body, upload_part);
        break;
    case RECORD_UPLOAD_END:
        FUZZ_BODY(upload_end_body, upload_end);
        break;
    case RECORD_END:
        FUZZ_BODY(end_body, end_body);
        break;
    case RECORD_FREED:
        FUZZ_BODY(freed_body, freed_body);
        break;
    case RECORD_DEBT:
        FUZZ_BODY(debt_body, debt_body);
        break;
    case RECORD_DIRECTORY:
        fuzz_directory(body);
        break;
    case RECORD_USER:
    case RECORD_ACCESS_KEY:
    case RECORD_POLICY:
    case RECORD_SETTING:
        FUZZ_BODY(setting_body, setting_body);
        break;
    default:
        break;
    }
}

enum crc_help { CRC_AS_IS, CRC_MADE_GOOD };

static void fuzz_row(uint8_t *row, size_t len, enum crc_help help)
{
    size_t at = 0;
    while (len - at >= RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES) {
        struct record_header h;
        uint8_t header_again[RECORD_HEADER_BYTES];
        uint8_t *header = row + at;
        if (help == CRC_MADE_GOOD) {
            struct le32 crc = le32_of(crc32c(0, header + 4, RECORD_HEADER_BYTES - 4));
            memcpy(header, crc.b, sizeof crc.b);
        }
        if (record_header_decode(header, &h) != DOL_OK)
            return;
        record_header_encode(&h, header_again);
        dol_assert(memcmp(header, header_again, sizeof header_again) == 0);
        uint32_t stored = record_stored_bytes(h.body_bytes);
        if (stored > len - at)
            return;
        uint8_t *body = header + RECORD_HEADER_BYTES;
        if (h.seal == FORMAT_SEAL_NONE) {
            (void)!record_trailer_ok(header, body, h.body_bytes, body + h.body_bytes);
            fuzz_body(h.kind, body, h.body_bytes);
        }
        at += stored;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > RECORD_BODY_BYTES_MAX)
        return 0;
    size_t len = size - 1;
    uint8_t *image = malloc(len > 0 ? len : 1);
    dol_assert(image != NULL);
    memcpy(image, data + 1, len);
    if ((data[0] & 0x80) != 0)
        fuzz_row(image, len, (data[0] & 0x40) != 0 ? CRC_MADE_GOOD : CRC_AS_IS);
    else
        fuzz_body(data[0], image, len);
    free(image);
    return 0;
}
