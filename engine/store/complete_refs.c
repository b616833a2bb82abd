/*
 * The references of a completed upload. A manifest has chunk references, few, or lists of them, so those of small parts
 * are put together into lists, while the lists of large parts stay as they are. Only when that makes more lists than a
 * manifest may have (thousands of parts with one short list each) all are read and packed anew.
 *
 * Memory: the references of one part, one list being filled, the lists' references.
 */
#include "complete.h"

#include <stdlib.h>

#include "dol_assert.h"
#include "upload_impl.h"

static uint64_t lists_for(uint64_t chunks)
{
    return (chunks + LIST_CHUNKS_MAX - 1) / LIST_CHUNKS_MAX;
}

void complete_refs_count(struct complete *c, const struct upload_part_body *part)
{
    uint64_t inline_count = part->chunk_refs.len / CHUNK_REF_BYTES;
    c->chunks_total += inline_count;
    c->chunks_in_row += inline_count;
    if (part->list_refs.len == 0)
        return;
    c->lists_kept += lists_for(c->chunks_in_row) + part->list_refs.len / LIST_REF_BYTES;
    c->chunks_in_row = 0;
    const uint8_t *ref = part->list_refs.data;
    for (size_t at = 0; at < part->list_refs.len; at += LIST_REF_BYTES)
        c->chunks_total += list_ref_decode(ref + at).chunks;
}

/* ---- gathering ---- */

static enum dol_err flush(struct complete *c)
{
    return c->chunks.count > 0 ? refs_make_list(c->store, &c->pin, &c->chunks, &c->lists) : DOL_OK;
}

static enum dol_err add_chunks(struct complete *c, struct bytes refs)
{
    const uint8_t *p = refs.data;
    enum dol_err err = DOL_OK;
    for (size_t at = 0; at < refs.len && err == DOL_OK; at += CHUNK_REF_BYTES) {
        const struct chunk_ref ref = chunk_ref_decode(p + at);
        err = refs_add_chunk(&c->chunks, &ref);
        if (err == DOL_OK && c->chunks.count == LIST_CHUNKS_MAX)
            err = flush(c);
    }
    return err;
}

/* The members of a list, one by one. */
static enum dol_err add_members(struct complete *c, const struct list_ref *ref)
{
    struct record_read record;
    struct chunk_list_body list;
    enum dol_err err = store_read_chunk(c->store, RECORD_CHUNK_LIST, &ref->hash, &record);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
    err = chunk_list_decode(record.body, &list);
    if (err == DOL_OK)
        err = add_chunks(c, list.refs);
    record_read_free(&record);
    return err;
}

enum packing { PACK_KEEP_LISTS, PACK_ANEW };

static enum dol_err add_part(struct complete *c, const struct upload_part_body *part, enum packing packing)
{
    const uint8_t *p = part->list_refs.data;
    enum dol_err err = add_chunks(c, part->chunk_refs);
    if (part->list_refs.len > 0 && packing == PACK_KEEP_LISTS && err == DOL_OK)
        err = flush(c);
    for (size_t at = 0; at < part->list_refs.len && err == DOL_OK; at += LIST_REF_BYTES) {
        const struct list_ref ref = list_ref_decode(p + at);
        err = packing == PACK_KEEP_LISTS ? refs_add_list(&c->lists, &ref) : add_members(c, &ref);
    }
    return err;
}

/* ---- reading parts ---- */

struct part_copy {
    uint32_t number;
    struct lsn lsn; /* of the record wanted */
    uint8_t *body;  /* owned */
    size_t len;
    enum dol_err err;
};

static bool copy_part(void *arg, const struct index_part *part)
{
    struct part_copy *copy = arg;
    if (part->number != copy->number || lsn_compare(part->lsn, copy->lsn) != 0)
        return false;
    copy->body = malloc(part->body.len);
    if (copy->body == NULL) {
        copy->err = DOL_ENOMEM;
        return false;
    }
    memcpy(copy->body, part->body.data, part->body.len);
    copy->len = part->body.len;
    copy->err = DOL_OK;
    return false;
}

/* The body of the record looked at before, if it is still the part's. */
static enum dol_err read_part(struct complete *c, unsigned i, struct part_copy *copy)
{
    *copy = (struct part_copy){.number = c->req->parts[i].number, .lsn = c->lsns[i], .err = DOL_EPART};
    enum dol_err err = upload_part_each(c->store, c->bucket, &c->req->upload, copy->number - 1, copy_part, copy);
    if (err == DOL_OK)
        err = copy->err;
    if (err == DOL_EPART)
        c->parts = PARTS_CHANGED;
    return err;
}

enum dol_err complete_refs_gather(struct complete *c)
{
    enum packing packing = PACK_KEEP_LISTS;
    enum dol_err err = DOL_OK;
    c->lists_kept += c->lists_kept > 0 || c->chunks_total > MANIFEST_CHUNKS_MAX ? lists_for(c->chunks_in_row) : 0;
    if (c->lists_kept > c->store->lists_max) {
        packing = PACK_ANEW;
        if (lists_for(c->chunks_total) > c->store->lists_max)
            return DOL_ETOOLARGE;
    }
    for (unsigned i = 0; i < c->req->part_count && err == DOL_OK; i++) {
        struct upload_part_body part;
        struct part_copy copy;
        err = read_part(c, i, &copy);
        if (err != DOL_OK)
            break;
        err = upload_part_decode(bytes_of(copy.body, copy.len), &part);
        if (err == DOL_OK)
            err = add_part(c, &part, packing);
        free(copy.body);
        if (i % 64 == 63)
            fiber_yield();
    }
    if (err == DOL_OK && (c->lists.count > 0 || c->chunks.count > MANIFEST_CHUNKS_MAX))
        err = flush(c);
    return err;
}
