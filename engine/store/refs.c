/* See refs.h. A chunk list is claimed like a chunk: equal lists are stored once. */
#include "refs.h"

#include <stdlib.h>

#include "dedup.h"
#include "dol_assert.h"
#include "hash.h"

static enum dol_err refs_slot(struct ref_array *a, size_t ref_bytes, uint8_t **slot)
{
    if (a->count == a->capacity) {
        size_t capacity = a->capacity ? a->capacity * 2 : 4;
        uint8_t *grown = realloc(a->data, capacity * ref_bytes);
        if (grown == NULL)
            return DOL_ENOMEM;
        a->data = grown;
        a->capacity = capacity;
    }
    *slot = a->data + a->count++ * ref_bytes;
    return DOL_OK;
}

void ref_array_free(struct ref_array *a)
{
    free(a->data);
    *a = (struct ref_array){.data = NULL};
}

enum dol_err refs_add_chunk(struct ref_array *chunks, const struct chunk_ref *ref)
{
    uint8_t *slot;
    enum dol_err err = refs_slot(chunks, CHUNK_REF_BYTES, &slot);
    if (err != DOL_OK)
        return err;
    chunk_ref_encode(ref, slot);
    chunks->bytes += ref->bytes;
    return DOL_OK;
}

enum dol_err refs_add_list(struct ref_array *lists, const struct list_ref *ref)
{
    uint8_t *slot;
    enum dol_err err = refs_slot(lists, LIST_REF_BYTES, &slot);
    if (err != DOL_OK)
        return err;
    list_ref_encode(ref, slot);
    lists->bytes += ref->bytes;
    return DOL_OK;
}

static enum dol_err append_list(struct store *s, const struct chunk_list_body *list)
{
    struct tlv_writer w;
    size_t capacity = list->refs.len + 256;
    uint8_t *buf = malloc(capacity);
    if (buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, buf, capacity);
    chunk_list_encode(list, &w);
    dol_assert(!w.overflow);
    enum dol_err err = store_append_body(s, RECORD_CHUNK_LIST, bytes_of(buf, w.len));
    free(buf);
    return err;
}

enum dol_err refs_make_list(struct store *s, struct pin *pin, struct ref_array *chunks, struct ref_array *lists)
{
    struct chunk_list_body list = {.refs = bytes_of(chunks->data, chunks->count * CHUNK_REF_BYTES)};
    enum dedup_verdict verdict;

    dol_assert(chunks->count > 0 && chunks->count <= LIST_CHUNKS_MAX);
    list.hash = sha256_of(list.refs.data, list.refs.len);
    enum dol_err err = dedup_claim_list(s, pin, &list.hash, list.refs, &verdict);
    if (err != DOL_OK)
        return err;
    if (verdict == DEDUP_STORE) {
        err = pool_is_full(s->pool) ? DOL_EFULL : append_list(s, &list);
        dedup_release(s, &list.hash);
    }
    if (err != DOL_OK)
        return err;
    const struct list_ref ref = {list.hash, (uint32_t)chunks->count, chunks->bytes};
    err = refs_add_list(lists, &ref);
    chunks->count = 0;
    chunks->bytes = 0;
    return err;
}
