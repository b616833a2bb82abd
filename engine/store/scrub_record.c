/*
 * The records of a row that is scrubbed: each can be opened, each chunk has the SHA-256 of its name, the index explains
 * each, and what a current one refers to is there. Runs on offload threads.
 */
#include <stdlib.h>

#include "hash.h"
#include "scrub_impl.h"

struct judged_record {
    struct record_check *check;
    struct slab_scrub *scrub;
    struct record_header header;
    struct place place;
    struct bytes body, payload;
    struct sha256 hash; /* of a chunk or list; zero: it is neither */
};

void record_check_fini(struct record_check *c)
{
    free(c->record);
    free(c->plain);
    c->record = c->plain = NULL;
    c->record_bytes = c->plain_bytes = 0;
}

static enum dol_err make_room(uint8_t **buffer, size_t *capacity, size_t len)
{
    if (len <= *capacity)
        return DOL_OK;
    free(*buffer);
    *buffer = malloc(len);
    *capacity = *buffer != NULL ? len : 0;
    return *buffer != NULL ? DOL_OK : DOL_ENOMEM;
}

static void note(const struct judged_record *r, enum store_scrub_kind kind, const struct sha256 *hash)
{
    struct scrub_finding *f = slab_scrub_note(r->scrub, (uint8_t)kind, SCRUB_NO_MEMBER);
    if (f == NULL)
        return;
    f->lsn = r->header.lsn;
    f->hash = *hash;
}

/* ---- what it holds ---- */

/* ECORRUPT: not what its name says. */
static enum dol_err check_chunk(struct judged_record *r)
{
    struct chunk_body chunk;
    struct codec *codec;
    struct record_check *c = r->check;
    size_t len = r->header.plain_bytes;
    enum dol_err err = chunk_body_decode(r->body, &chunk);
    if (err != DOL_OK)
        return err;
    r->hash = chunk.hash;
    r->payload = bytes_of(&r->hash, sizeof r->hash);
    struct bytes plain = chunk.data;
    if (r->header.codec != FORMAT_CODEC_RAW) {
        err = len == 0 || len > CHUNK_BYTES_MAX ? DOL_ECORRUPT : make_room(&c->plain, &c->plain_bytes, len);
        if (err == DOL_OK)
            err = store_codec_take(c->store, &codec);
        if (err != DOL_OK)
            return err;
        err = codec_decode(codec, r->header.codec, chunk.data, c->plain, len);
        store_codec_give(c->store, codec);
        if (err != DOL_OK)
            return err == DOL_EFORMAT ? DOL_ECORRUPT : err;
        plain = bytes_of(c->plain, len);
    }
    struct sha256 hash = sha256_of(plain.data, plain.len);
    return plain.len == len && sha256_equal(&hash, &r->hash) ? DOL_OK : DOL_ECORRUPT;
}

static enum dol_err check_content(struct judged_record *r)
{
    struct chunk_list_body list;
    enum dol_err err;
    r->payload = r->body;
    if (r->header.kind == RECORD_CHUNK)
        return check_chunk(r);
    if (r->header.kind != RECORD_CHUNK_LIST)
        return DOL_OK;
    err = chunk_list_decode(r->body, &list);
    if (err == DOL_OK)
        r->hash = list.hash;
    return err;
}

/* ---- what the index says ---- */

static enum dol_err check_ref(const struct judged_record *r, struct index_view *v, uint8_t kind,
                              const struct sha256 *hash)
{
    struct index_chunk found;
    enum dol_err err = index_chunk_get(v, kind, hash, &found);
    if (err == DOL_ENOTFOUND)
        note(r, SCRUB_REFERENCE, hash);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}

static enum dol_err check_refs(const struct judged_record *r, struct index_view *v, struct bytes chunks,
                               struct bytes lists)
{
    enum dol_err err = DOL_OK;
    const uint8_t *p = chunks.data;
    for (size_t at = 0; at + CHUNK_REF_BYTES <= chunks.len && err == DOL_OK; at += CHUNK_REF_BYTES) {
        struct sha256 hash = chunk_ref_decode(p + at).hash;
        err = check_ref(r, v, RECORD_CHUNK, &hash);
    }
    p = lists.data;
    for (size_t at = 0; at + LIST_REF_BYTES <= lists.len && err == DOL_OK; at += LIST_REF_BYTES) {
        struct sha256 hash = list_ref_decode(p + at).hash;
        err = check_ref(r, v, RECORD_CHUNK_LIST, &hash);
    }
    return err;
}

/* Of a record that is current. */
static enum dol_err check_what_it_refers_to(const struct judged_record *r, struct index_view *v,
                                            const struct index_chunk *known)
{
    struct manifest m;
    struct upload_part_body part;
    struct chunk_list_body list;
    const struct bytes none = {NULL, 0};
    enum dol_err err;
    switch (r->header.kind) {
    case RECORD_MANIFEST:
        err = manifest_decode(r->body, &m);
        return err == DOL_OK ? check_refs(r, v, m.chunk_refs, m.list_refs) : err;
    case RECORD_UPLOAD_PART:
        err = upload_part_decode(r->body, &part);
        return err == DOL_OK ? check_refs(r, v, part.chunk_refs, part.list_refs) : err;
    case RECORD_CHUNK_LIST:
        if (known->refs == 0)
            return DOL_OK; /* its chunks may be gone before it is */
        err = chunk_list_decode(r->body, &list);
        return err == DOL_OK ? check_refs(r, v, list.refs, none) : err;
    default:
        return DOL_OK;
    }
}

/* Where the index says that a chunk lies, it lies. */
static enum dol_err check_place(const struct judged_record *r, struct index_view *v, struct index_chunk *known)
{
    if (r->header.kind != RECORD_CHUNK && r->header.kind != RECORD_CHUNK_LIST)
        return DOL_OK;
    enum dol_err err = index_chunk_get(v, r->header.kind, &r->hash, known);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err; /* it was judged to be current */
    if (lsn_compare(known->lsn, r->header.lsn) != 0 || known->place.slab != r->place.slab)
        return DOL_OK; /* a later copy, which isn't applied yet */
    bool same = known->place.row_block == r->place.row_block && known->place.unit_blocks == r->place.unit_blocks &&
                known->place.offset_bytes == r->place.offset_bytes &&
                known->place.stored_bytes == r->place.stored_bytes;
    return same ? DOL_OK : DOL_ECORRUPT;
}

/* ECORRUPT: the index and the record don't fit. */
static enum dol_err check_in_view(const struct judged_record *r, struct index_view *v)
{
    const struct index_record record = {.kind = r->header.kind,
                                        .codec = r->header.codec,
                                        .lsn = r->header.lsn,
                                        .place = r->place,
                                        .plain_bytes = r->header.plain_bytes,
                                        .payload = r->payload};
    const struct lsn never = {0, 0}; /* nothing is void for want of references alone */
    struct index_judgement j;
    struct index_chunk known = {.refs = 0};
    enum dol_err err = index_judge(v, &record, never, &j);
    if (err == DOL_OK && j.verdict == INDEX_UNEXPLAINED)
        err = DOL_ECORRUPT;
    if (err != DOL_OK || j.verdict != INDEX_KEEP)
        return err;
    err = check_place(r, v, &known);
    return err == DOL_OK ? check_what_it_refers_to(r, v, &known) : err;
}

static enum dol_err check_index(const struct judged_record *r)
{
    struct index *index = r->check->store->index;
    struct index_view *v;
    if (index_is_unsure(index))
        return DOL_OK; /* it is known to be wrong, and says nothing any more */
    enum dol_err err = index_view_begin(index, &v);
    if (err != DOL_OK)
        return err;
    err = check_in_view(r, v);
    index_view_end(v);
    if (err != DOL_ECORRUPT)
        return err;
    note(r, SCRUB_INDEX, &r->hash);
    index_doubt(index, "a record in the log isn't what it says");
    return DOL_OK;
}

/* ---- the row ---- */

/* Into memory of the check's own, opened. */
static enum dol_err open_record(struct judged_record *r, const struct row_image *row, uint32_t offset, uint32_t len)
{
    struct record_check *c = r->check;
    enum dol_err err = make_room(&c->record, &c->record_bytes, len);
    if (err != DOL_OK)
        return err;
    row_image_copy(row, offset, c->record, len);
    r->place = (struct place){r->scrub->id, row->header.row_block, row->header.unit_blocks, offset, len};
    err = opener_open(c->store->pool->opener, c->record, len, &r->header, &r->body);
    return err == DOL_EKEY || err == DOL_EFORMAT ? DOL_ECORRUPT : err;
}

static enum dol_err check_record(struct judged_record *r, const struct row_image *row, uint32_t offset, uint32_t len)
{
    enum dol_err err = open_record(r, row, offset, len);
    if (err == DOL_ECORRUPT) {
        note(r, SCRUB_RECORD, &r->hash);
        return DOL_OK;
    }
    if (err != DOL_OK)
        return err;
    err = check_content(r);
    if (err == DOL_ECORRUPT) {
        note(r, r->header.kind == RECORD_CHUNK ? SCRUB_CONTENT : SCRUB_RECORD, &r->hash);
        return DOL_OK;
    }
    r->scrub->counts.records++;
    r->scrub->counts.chunks += r->header.kind == RECORD_CHUNK;
    return err == DOL_OK ? check_index(r) : err;
}

enum dol_err record_check_row(void *arg, struct slab_scrub *w, const struct row_image *row)
{
    struct record_check *c = arg;
    uint32_t offset = 0, end = row->header.data_bytes, count = 0;
    enum dol_err err = DOL_OK;
    while (err == DOL_OK && offset + RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES <= end) {
        struct judged_record r = {.check = c, .scrub = w};
        uint8_t header[RECORD_HEADER_BYTES];
        row_image_copy(row, offset, header, sizeof header);
        if (record_header_decode(header, &r.header) != DOL_OK)
            break;
        uint64_t len = (uint64_t)RECORD_HEADER_BYTES + r.header.body_bytes + RECORD_TRAILER_BYTES;
        if (len > end - offset)
            break;
        err = check_record(&r, row, offset, (uint32_t)len);
        offset += record_stored_bytes(r.header.body_bytes);
        count++;
    }
    if (err == DOL_OK && (count != row->header.record_count || offset < end)) {
        const struct judged_record rest = {.check = c, .scrub = w};
        note(&rest, SCRUB_RECORD, &rest.hash);
    }
    return err;
}
