/* What the states of a log make together: references, counted; manifests with what a later object-meta changed. */
#include "fsck_log.h"

#define META_SLACK_BYTES 256u /* TLVs that a manifest gets from an object-meta */

static void count_refs(struct fsck_log *log, struct bytes chunk_refs, struct bytes list_refs)
{
    struct fsck_content *c;
    for (size_t at = 0; at + CHUNK_REF_BYTES <= chunk_refs.len; at += CHUNK_REF_BYTES) {
        struct chunk_ref ref = chunk_ref_decode((const uint8_t *)chunk_refs.data + at);
        if ((c = fsck_log_content(log, RECORD_CHUNK, &ref.hash)) != NULL)
            c->refs++;
    }
    for (size_t at = 0; at + LIST_REF_BYTES <= list_refs.len; at += LIST_REF_BYTES) {
        struct list_ref ref = list_ref_decode((const uint8_t *)list_refs.data + at);
        if ((c = fsck_log_content(log, RECORD_CHUNK_LIST, &ref.hash)) != NULL)
            c->refs++;
    }
}

static void count_version(void *arg, struct fsck_state *st)
{
    struct manifest m;
    if (fsck_state_is_there(st) && manifest_decode(st->body, &m) == DOL_OK)
        count_refs(arg, m.chunk_refs, m.list_refs);
}

static void count_part(void *arg, struct fsck_state *st)
{
    struct fsck_log *log = arg;
    struct upload_part_body part;
    if (fsck_log_part_is_there(log, st, &part))
        count_refs(log, part.chunk_refs, part.list_refs);
}

void fsck_log_count_refs(struct fsck_log *log)
{
    struct chunk_list_body list;
    fsck_log_each(&log->versions, count_version, log);
    fsck_log_each(&log->parts, count_part, log);
    for (size_t i = 0; i < log->lists.capacity; i++) {
        const struct fsck_content *c = log->lists.slots[i].value;
        if (c != NULL && c->good && c->refs > 0 &&
            chunk_list_decode(fsck_record_body(c->slab, c->record), &list) == DOL_OK)
            count_refs(log, list.refs, bytes_of(NULL, 0));
    }
}

size_t fsck_state_merge_bytes(const struct fsck_state *st)
{
    return st->body.len + st->meta.len + META_SLACK_BYTES;
}

bool fsck_state_merge(const struct fsck_state *st, struct tlv_writer *w, uint8_t *out, size_t capacity)
{
    struct manifest m;
    struct object_meta_body meta;
    if (manifest_decode(st->body, &m) != DOL_OK || object_meta_decode(st->meta, &meta) != DOL_OK)
        return false;
    m.retention = meta.retention;
    m.tags = meta.tags;
    m.storage_class = meta.storage_class;
    tlv_writer_init(w, out, capacity);
    manifest_encode(&m, w);
    return !w->overflow;
}
