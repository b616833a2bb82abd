/*
 * What the log as a whole says: each version that is there has its references followed: all chunks and lists must have
 * a good copy. What is missing is named by object.
 */
#include "fsck_log.h"
#include "hash.h"

/* ---- following references ---- */

struct follow {
    struct fsck_log *log;
    unsigned lost;
    struct sha256 first_lost;
};

static void follow_chunks(struct follow *w, struct bytes refs)
{
    for (size_t at = 0; at + CHUNK_REF_BYTES <= refs.len; at += CHUNK_REF_BYTES) {
        struct chunk_ref ref = chunk_ref_decode((const uint8_t *)refs.data + at);
        struct fsck_content *c = fsck_map_get(&w->log->chunks, bytes_of(ref.hash.b, sizeof ref.hash.b));
        if (c != NULL)
            c->referenced = true;
        if (c != NULL && c->good && c->plain_bytes == ref.bytes)
            continue;
        if (w->lost++ == 0)
            w->first_lost = ref.hash;
    }
}

static void follow_lists(struct follow *w, struct bytes refs)
{
    struct chunk_list_body list;
    for (size_t at = 0; at + LIST_REF_BYTES <= refs.len; at += LIST_REF_BYTES) {
        struct list_ref ref = list_ref_decode((const uint8_t *)refs.data + at);
        struct fsck_content *c = fsck_map_get(&w->log->lists, bytes_of(ref.hash.b, sizeof ref.hash.b));
        if (c != NULL)
            c->referenced = true;
        if (c != NULL && chunk_list_decode(fsck_record_body(c->slab, c->record), &list) == DOL_OK) {
            follow_chunks(w, list.refs);
            continue;
        }
        if (w->lost == 0)
            w->first_lost = ref.hash;
        w->lost += ref.chunks;
    }
}

static void say_damaged(const struct fsck_log *log, enum fsck_subject subject, uint64_t bucket, struct bytes key,
                        const char *what, const struct follow *w)
{
    char name[FSCK_OBJECT_NAME_BYTES], hex[65];
    hex_encode(w->first_lost.b, sizeof w->first_lost.b, hex);
    fsck_say(log->f->report, FSCK_LOST, subject, "%s %s: %u chunks have no good copy, the first is %s",
             fsck_log_object_name(log, bucket, key, name), what, w->lost, hex);
}

static void check_version(void *arg, struct fsck_state *st)
{
    struct fsck_log *log = arg;
    struct fsck_totals *t = &log->f->totals;
    struct manifest m;
    char version[FSCK_VERSION_NAME_BYTES];
    if (!fsck_state_is_there(st) || manifest_decode(st->body, &m) != DOL_OK ||
        fsck_log_bucket_there(log, m.bucket) == NULL)
        return;
    if (m.flags & MANIFEST_DELETE_MARKER) {
        t->delete_markers++;
        return;
    }
    struct follow w = {.log = log};
    t->versions++;
    t->object_bytes += m.size;
    follow_chunks(&w, m.chunk_refs);
    follow_lists(&w, m.list_refs);
    if (w.lost == 0)
        return;
    t->versions_damaged++;
    say_damaged(log, FSCK_OBJECT, m.bucket, m.key, fsck_version_name(&m, version), &w);
}

static void check_part(void *arg, struct fsck_state *st)
{
    struct fsck_log *log = arg;
    struct upload_part_body part;
    char what[64];
    if (!fsck_log_part_is_there(log, st, &part))
        return;
    struct follow w = {.log = log};
    follow_chunks(&w, part.chunk_refs);
    follow_lists(&w, part.list_refs);
    snprintf(what, sizeof what, "(part %u of an upload)", part.part.number);
    if (w.lost > 0)
        say_damaged(log, FSCK_UPLOAD, part.bucket, part.key, what, &w);
}

static void count_bucket(void *arg, struct fsck_state *st)
{
    struct fsck_log *log = arg;
    log->f->totals.buckets += st->kind == RECORD_BUCKET;
}

static void count_upload(void *arg, struct fsck_state *st)
{
    struct fsck_log *log = arg;
    log->f->totals.uploads += st->body.data != NULL && st->gone.run == 0;
}

static void count_contents(const struct fsck_log *log)
{
    struct fsck_totals *t = &log->f->totals;
    t->chunks = log->chunks.count;
    t->lists = log->lists.count;
    for (size_t i = 0; i < log->chunks.capacity; i++) {
        const struct fsck_content *c = log->chunks.slots[i].value;
        if (c == NULL)
            continue;
        t->chunk_bytes += c->plain_bytes;
        t->chunks_unreferenced += !c->referenced;
    }
}

static void count_records(struct fsck *f)
{
    for (size_t i = 0; i < f->slab_count; i++)
        for (size_t j = 0; j < f->slabs[i]->record_count; j++)
            f->totals.records += fsck_log_counts(f->slabs[i], &f->slabs[i]->records[j], FSCK_LOG_WHOLE);
}

enum dol_err fsck_objects_check(struct fsck *f)
{
    struct fsck_log log;
    if (!f->can_open)
        return DOL_OK;
    enum dol_err err = fsck_log_read(f, FSCK_LOG_WHOLE, &log);
    if (err == DOL_OK) {
        fsck_log_each(&log.versions, check_version, &log);
        fsck_log_each(&log.parts, check_part, &log);
        fsck_log_each(&log.buckets, count_bucket, &log);
        fsck_log_each(&log.uploads, count_upload, &log);
        count_contents(&log);
        count_records(f);
    }
    fsck_log_free(&log);
    return err;
}
