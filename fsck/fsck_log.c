/* See fsck_log.h. */
#include "fsck_log.h"

#include <stdlib.h>

#include "hash.h"
#include "le.h"

#define VERSION_NAME_BYTES_MAX (8u + 16u + OBJECT_KEY_BYTES_MAX)

bool fsck_log_counts(const struct fsck_slab *s, const struct fsck_record *r, struct lsn upto)
{
    return r->good && lsn_compare(r->lsn, upto) <= 0 && (!s->freed || lsn_compare(s->freed_lsn, upto) > 0) &&
           (!s->has_limit || r->row < s->limit);
}

/* ---- entries ---- */

static void *slot_value(struct fsck_log *log, struct fsck_map *m, struct bytes key, size_t size)
{
    void **slot = fsck_map_slot(m, key);
    if (slot == NULL || (*slot == NULL && (*slot = calloc(1, size)) == NULL)) {
        log->err = DOL_ENOMEM;
        return NULL;
    }
    return *slot;
}

/* Keys that don't lie in a body are kept here. */
static struct bytes keep_name(struct fsck_log *log, const uint8_t *name, size_t len)
{
    void *have = fsck_map_get(&log->names, bytes_of(name, len));
    if (have != NULL)
        return bytes_of(have, len);
    uint8_t *copy = malloc(len);
    if (copy == NULL) {
        log->err = DOL_ENOMEM;
        return bytes_of(NULL, 0);
    }
    memcpy(copy, name, len);
    void **slot = fsck_map_slot(&log->names, bytes_of(copy, len));
    if (slot == NULL) {
        free(copy);
        log->err = DOL_ENOMEM;
        return bytes_of(NULL, 0);
    }
    *slot = copy;
    return bytes_of(copy, len);
}

static struct fsck_state *state_of(struct fsck_log *log, struct fsck_map *m, const uint8_t *name, size_t len)
{
    struct bytes kept = keep_name(log, name, len);
    return kept.data ? slot_value(log, m, kept, sizeof(struct fsck_state)) : NULL;
}

struct fsck_content *fsck_log_content(struct fsck_log *log, uint8_t kind, const struct sha256 *hash)
{
    struct fsck_map *m = kind == RECORD_CHUNK ? &log->chunks : &log->lists;
    struct fsck_content *c = fsck_map_get(m, bytes_of(hash->b, sizeof hash->b));
    if (c != NULL)
        return c;
    c = calloc(1, sizeof *c);
    void **slot = NULL;
    if (c != NULL) {
        c->hash = *hash;
        slot = fsck_map_slot(m, bytes_of(c->hash.b, sizeof c->hash.b));
    }
    if (slot == NULL) {
        free(c);
        log->err = DOL_ENOMEM;
        return NULL;
    }
    *slot = c;
    return c;
}

struct fsck_state *fsck_log_version(struct fsck_log *log, uint64_t bucket, struct bytes key,
                                    const struct version_id *version)
{
    uint8_t name[VERSION_NAME_BYTES_MAX];
    be64_put(name, bucket);
    memcpy(name + 8, version->b, sizeof version->b);
    memcpy(name + 24, key.data, key.len);
    return state_of(log, &log->versions, name, 24 + key.len);
}

struct fsck_state *fsck_log_bucket(struct fsck_log *log, uint64_t id)
{
    uint8_t name[8];
    be64_put(name, id);
    return state_of(log, &log->buckets, name, sizeof name);
}

struct fsck_state *fsck_log_upload(struct fsck_log *log, const uint8_t id[16])
{
    return state_of(log, &log->uploads, id, 16);
}

struct fsck_state *fsck_log_part(struct fsck_log *log, const uint8_t upload_id[16], uint32_t number)
{
    uint8_t name[20];
    struct le32 n = le32_of(number);
    memcpy(name, upload_id, 16);
    memcpy(name + 16, n.b, sizeof n.b);
    return state_of(log, &log->parts, name, sizeof name);
}

struct fsck_state *fsck_log_setting(struct fsck_log *log, uint8_t kind, struct bytes name)
{
    uint8_t *full = malloc(1 + name.len);
    if (full == NULL) {
        log->err = DOL_ENOMEM;
        return NULL;
    }
    full[0] = kind;
    memcpy(full + 1, name.data, name.len);
    struct fsck_state *st = state_of(log, &log->settings, full, 1 + name.len);
    free(full);
    return st;
}

/* ---- records ---- */

static void add_content(struct fsck_log *log, const struct fsck_slab *s, struct fsck_record *r)
{
    struct fsck_content *c = fsck_log_content(log, r->kind, &r->hash);
    if (c == NULL || (c->good && lsn_compare(r->lsn, c->record->lsn) <= 0))
        return;
    c->good = true;
    c->plain_bytes = r->plain_bytes;
    c->slab = s;
    c->record = r;
}

static void speak(struct fsck_state *st, const struct fsck_record *r, struct bytes body)
{
    if (st == NULL || (st->body.data != NULL && lsn_compare(r->lsn, st->lsn) <= 0))
        return;
    st->lsn = r->lsn;
    st->kind = r->kind;
    st->body = body;
}

static void cancel(struct fsck_state *st, struct lsn lsn)
{
    if (st == NULL)
        return;
    if (st->gone.run == 0 || lsn_compare(lsn, st->gone_first) < 0)
        st->gone_first = lsn;
    if (lsn_compare(lsn, st->gone) > 0)
        st->gone = lsn;
}

static void add_manifest(struct fsck_log *log, const struct fsck_record *r, struct bytes body)
{
    struct manifest m;
    if (manifest_decode(body, &m) != DOL_OK)
        return;
    speak(fsck_log_version(log, m.bucket, m.key, &m.version), r, body);
    if (!version_id_is_zero(&m.replaces))
        cancel(fsck_log_version(log, m.bucket, m.key, &m.replaces), r->lsn);
}

static void add_object_meta(struct fsck_log *log, const struct fsck_record *r, struct bytes body)
{
    struct object_meta_body meta;
    if (object_meta_decode(body, &meta) != DOL_OK)
        return;
    struct fsck_state *st = fsck_log_version(log, meta.bucket, meta.key, &meta.version);
    if (st == NULL || (st->meta.data != NULL && lsn_compare(r->lsn, st->meta_lsn) <= 0))
        return;
    st->meta_lsn = r->lsn;
    st->meta = body;
}

static void add_upload(struct fsck_log *log, const struct fsck_record *r, struct bytes body)
{
    struct upload_body upload;
    struct upload_part_body part;
    struct upload_end_body end;
    if (r->kind == RECORD_UPLOAD && upload_body_decode(body, &upload) == DOL_OK)
        speak(fsck_log_upload(log, upload.upload_id), r, body);
    if (r->kind == RECORD_UPLOAD_PART && upload_part_decode(body, &part) == DOL_OK)
        speak(fsck_log_part(log, part.upload_id, part.part.number), r, body);
    if (r->kind == RECORD_UPLOAD_END && upload_end_decode(body, &end) == DOL_OK)
        cancel(fsck_log_upload(log, end.upload_id), r->lsn);
}

static void add_bucket(struct fsck_log *log, const struct fsck_record *r, struct bytes body)
{
    struct bucket_body bucket;
    struct bucket_delete_body gone;
    if (r->kind == RECORD_BUCKET && bucket_body_decode(body, &bucket) == DOL_OK)
        speak(fsck_log_bucket(log, bucket.id), r, body);
    if (r->kind == RECORD_BUCKET_DELETE && bucket_delete_decode(body, &gone) == DOL_OK)
        speak(fsck_log_bucket(log, gone.id), r, body);
}

static void add_record(struct fsck_log *log, const struct fsck_slab *s, struct fsck_record *r)
{
    struct bytes body = fsck_record_body(s, r);
    struct delete_body gone;
    struct setting_body setting;
    switch (r->kind) {
    case RECORD_CHUNK:
    case RECORD_CHUNK_LIST:
        add_content(log, s, r);
        break;
    case RECORD_MANIFEST:
        add_manifest(log, r, body);
        break;
    case RECORD_OBJECT_META:
        add_object_meta(log, r, body);
        break;
    case RECORD_DELETE:
        if (delete_body_decode(body, &gone) == DOL_OK)
            cancel(fsck_log_version(log, gone.bucket, gone.key, &gone.version), r->lsn);
        break;
    case RECORD_BUCKET:
    case RECORD_BUCKET_DELETE:
        add_bucket(log, r, body);
        break;
    case RECORD_UPLOAD:
    case RECORD_UPLOAD_PART:
    case RECORD_UPLOAD_END:
        add_upload(log, r, body);
        break;
    case RECORD_USER:
    case RECORD_ACCESS_KEY:
    case RECORD_POLICY:
    case RECORD_SETTING:
        if (setting_body_decode(body, &setting) == DOL_OK)
            speak(fsck_log_setting(log, r->kind, setting.name), r, body);
        break;
    default:
        break;
    }
}

enum dol_err fsck_log_read(struct fsck *f, struct lsn upto, struct fsck_log *log)
{
    *log = (struct fsck_log){.f = f, .upto = upto};
    for (size_t i = 0; i < f->slab_count; i++)
        for (size_t j = 0; j < f->slabs[i]->record_count && log->err == DOL_OK; j++)
            if (fsck_log_counts(f->slabs[i], &f->slabs[i]->records[j], upto))
                add_record(log, f->slabs[i], &f->slabs[i]->records[j]);
    return log->err;
}

void fsck_log_free(struct fsck_log *log)
{
    fsck_map_free(&log->chunks, free);
    fsck_map_free(&log->lists, free);
    fsck_map_free(&log->versions, free);
    fsck_map_free(&log->buckets, free);
    fsck_map_free(&log->uploads, free);
    fsck_map_free(&log->parts, free);
    fsck_map_free(&log->settings, free);
    fsck_map_free(&log->names, free);
}

/* ---- asking ---- */

const struct fsck_state *fsck_log_bucket_there(const struct fsck_log *log, uint64_t id)
{
    uint8_t name[8];
    be64_put(name, id);
    const struct fsck_state *st = fsck_map_get(&log->buckets, bytes_of(name, sizeof name));
    return st != NULL && st->kind == RECORD_BUCKET ? st : NULL;
}

bool fsck_log_part_is_there(struct fsck_log *log, const struct fsck_state *st, struct upload_part_body *part)
{
    if (st->body.data == NULL || upload_part_decode(st->body, part) != DOL_OK)
        return false;
    const struct fsck_state *upload = fsck_map_get(&log->uploads, bytes_of(part->upload_id, 16));
    return upload != NULL && upload->body.data != NULL && upload->gone.run == 0;
}

const char *fsck_log_object_name(const struct fsck_log *log, uint64_t bucket, struct bytes key,
                                 char out[FSCK_OBJECT_NAME_BYTES])
{
    char bucket_name[3 * BUCKET_NAME_BYTES_MAX + 5] = "?";
    struct bucket_body b;
    const struct fsck_state *st = fsck_log_bucket_there(log, bucket);
    if (st != NULL && bucket_body_decode(st->body, &b) == DOL_OK)
        fsck_printable(b.name, bucket_name, sizeof bucket_name);
    int n = snprintf(out, FSCK_OBJECT_NAME_BYTES, "%s/", bucket_name);
    fsck_printable(key, out + n, FSCK_OBJECT_NAME_BYTES - (size_t)n);
    return out;
}

const char *fsck_version_name(const struct manifest *m, char out[FSCK_VERSION_NAME_BYTES])
{
    int n =
        snprintf(out, FSCK_VERSION_NAME_BYTES, "%s", m->flags & MANIFEST_NULL_VERSION ? "(null version)" : "version ");
    if ((m->flags & MANIFEST_NULL_VERSION) == 0)
        hex_encode(m->version.b, sizeof m->version.b, out + n);
    return out;
}

void fsck_log_each(const struct fsck_map *m, fsck_log_state_fn *fn, void *arg)
{
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].value != NULL)
            fn(arg, m->slots[i].value);
}
