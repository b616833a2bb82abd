/*
 * A part on its way in: an object's way but for the end. Its record goes into one row with the last chunk, under the
 * key's gate, if the upload is still there; it holds references until another part takes its number or the upload ends.
 */
#include <stdlib.h>

#include "checksum_fold.h"
#include "dol_assert.h"
#include "put_impl.h"
#include "upload_impl.h"

#define PART_BODY_SLACK_BYTES 512u /* TLVs beside key and references */

void part_info_fill(const struct upload_part_body *b, struct part_info *out)
{
    *out = (struct part_info){
        .number = b->part.number, .size = b->part.size, .checksum = b->part.checksum, .mtime_ns = b->mtime_ns};
    memcpy(out->md5, b->part.md5, sizeof out->md5);
}

enum dol_err store_part_begin(struct store *s, const struct upload_ref *ref, uint32_t number, uint64_t size_hint,
                              struct put **out)
{
    const struct put_request req = {.bucket = ref->bucket, .key = ref->key, .size_hint = size_hint};
    struct upload_body u;
    void *memory;
    struct put *put;
    if (number == 0 || number > UPLOAD_PARTS_MAX)
        return DOL_EINVAL;
    enum dol_err err = put_open(s, &req, &put);
    if (err != DOL_OK)
        return err;
    put->part_number = number;
    put->upload = ref->id;
    err = upload_load(s, put->bucket, put->request.key, &ref->id, &u, &memory);
    if (err != DOL_OK) {
        put_free(put);
        return err;
    }
    put->upload_alg = u.checksum_alg;
    free(memory);
    *out = put;
    return DOL_OK;
}

/* What is kept: the checksum the client gave, or the CRC that the upload is to have. */
static enum dol_err part_checksum(const struct put *put, const struct object_checksum *given,
                                  struct object_checksum *out)
{
    *out = *given;
    if (given->alg != CHECKSUM_NONE)
        out->type = CHECKSUM_FULL_OBJECT;
    if (put->upload_alg == CHECKSUM_NONE)
        return DOL_OK;
    if (given->alg != CHECKSUM_NONE && given->alg != put->upload_alg)
        return DOL_EINVAL;
    if (!checksum_is_crc(put->upload_alg))
        return DOL_OK;
    struct object_checksum computed = crc_checksum(put->upload_alg, put->crc);
    if (given->alg != CHECKSUM_NONE && !checksum_equal_object(out, &computed))
        return DOL_EDIGEST;
    *out = computed;
    return DOL_OK;
}

/* Takes the gate. body: encoded, borrowed until the row is done. */
static enum dol_err commit(struct put *put, struct put_row *row, struct bytes body)
{
    struct store *s = put->store;
    struct gate_hold gate;
    enum dol_err err = gates_enter_key(s->gates, put->bucket, put->request.key, &gate);
    if (err != DOL_OK)
        return err;
    err = upload_exists(s, put->bucket, put->request.key, &put->upload);
    if (err == DOL_OK) {
        *row->slot =
            (struct append_record){.kind = RECORD_UPLOAD_PART, .parts = {body}, .part_count = 1, .payload = body};
        err = store_append(s, row->group);
    }
    gates_leave(s->gates, &gate);
    return err;
}

static enum dol_err encode_and_commit(struct put *put, struct put_chunk *last, const struct upload_part_body *part)
{
    struct put_row row;
    struct tlv_writer w;
    size_t capacity = part->key.len + part->chunk_refs.len + part->list_refs.len + PART_BODY_SLACK_BYTES;
    uint8_t *body = malloc(capacity);
    enum dol_err err = DOL_ENOMEM;
    put_row_init(&row, last);
    if (body != NULL) {
        tlv_writer_init(&w, body, capacity);
        upload_part_encode(part, &w);
        err = w.overflow ? DOL_ETOOLARGE : commit(put, &row, bytes_of(body, w.len));
    }
    put_row_fini(&row);
    free(body);
    return err;
}

enum dol_err store_part_finish(struct put *put, const struct put_finish *fin, struct part_info *out)
{
    struct put_chunk *last;
    struct upload_part_body part = {
        .bucket = put->bucket, .key = put->request.key, .part = {.number = put->part_number, .size = put->size}};
    dol_assert_magic(put, PUT_MAGIC);
    dol_assert(put->part_number != 0);

    memcpy(part.upload_id, put->upload.b, sizeof part.upload_id);
    if (put->err == DOL_OK)
        put->err = part_checksum(put, &fin->checksum, &part.part.checksum);
    enum dol_err err = put_end_bytes(put, fin, part.part.md5, &last);
    if (err == DOL_OK) {
        part.chunk_refs = refs_chunk_bytes(&put->chunks, &put->lists);
        part.list_refs = refs_list_bytes(&put->lists);
        part.mtime_ns = clock_realtime_ns();
        err = encode_and_commit(put, last, &part);
    }
    if (err == DOL_OK) {
        part_info_fill(&part, out);
        atomic_fetch_add(&put->store->stats.bytes_in, part.part.size);
    }
    put_free(put);
    return err;
}
