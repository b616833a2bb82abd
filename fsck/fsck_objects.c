/*
 * What the log as a whole says. First the verdicts: `end` records decide how many rows of an older slab count, newest
 * slab first; `freed` records take lives away. Then every record that counts goes into tables by what it is about, the
 * highest LSN wins, and each version that is there has its references followed: all chunks and lists must have a good
 * copy. What is missing is named by object.
 */
#include <stdlib.h>

#include "fsck.h"
#include "fsck_map.h"
#include "hash.h"

/* A chunk or a list: its copies. */
struct content {
    bool good;
    bool referenced;
    uint32_t plain_bytes;
    const struct fsck_slab *slab; /* of a good copy: lists have their body there */
    const struct fsck_record *record;
};

struct state {
    struct lsn lsn; /* of the record that speaks */
    struct bytes body;
    struct lsn gone; /* highest LSN of what cancels it */
    uint8_t kind;
};

struct objects {
    struct fsck *f;
    struct fsck_map chunks, lists; /* by SHA-256: struct content */
    struct fsck_map versions;      /* by bucket, version, key: struct state */
    struct fsck_map buckets;       /* by id */
    struct fsck_map uploads;       /* by upload id */
    struct fsck_map parts;         /* by upload id and number */
    struct fsck_map names;         /* owned keys of the maps above */
    enum dol_err err;
};

#define VERSION_NAME_BYTES_MAX (8u + 16u + OBJECT_KEY_BYTES_MAX)

/* ---- verdicts ---- */

static bool counts(const struct fsck_slab *s, const struct fsck_record *r)
{
    return r->good && !s->freed && (!s->has_limit || r->row < s->limit);
}

static struct bytes body_of(const struct fsck_slab *s, const struct fsck_record *r)
{
    return bytes_of(s->bodies + r->body_at, r->body_bytes);
}

static struct fsck_slab *slab_of(struct fsck *f, uint64_t id, struct uuid life)
{
    for (size_t i = 0; i < f->slab_count; i++)
        if (f->slabs[i]->header.slab == id && uuid_equal(f->slabs[i]->header.life, life))
            return f->slabs[i];
    return NULL;
}

static void apply_verdict(struct fsck *f, const struct fsck_slab *s, const struct fsck_record *r)
{
    struct end_body end;
    struct freed_body freed;
    struct fsck_slab *about = NULL;
    if (r->kind == RECORD_END && end_body_decode(body_of(s, r), &end) == DOL_OK)
        about = slab_of(f, end.slab, end.life);
    if (about != NULL && !about->has_footer) {
        about->has_limit = true;
        about->limit = end.rows;
    }
    if (r->kind == RECORD_FREED && freed_body_decode(body_of(s, r), &freed) == DOL_OK) {
        about = slab_of(f, freed.slab, freed.life);
        if (about != NULL)
            about->freed = true;
    }
}

/* Enough units are good. false: what isn't good lies on missing drives. */
static bool judge_repairable_row(struct fsck *f, const struct fsck_slab *s, const struct fsck_bad_row *bad, bool last)
{
    char slab[FSCK_SLAB_NAME_BYTES], name[PATH_MAX];
    unsigned long long row = bad->row;
    bool there = false;
    fsck_slab_name(s, slab);
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++) {
        if (bad->state[i] == FSCK_UNIT_GOOD || bad->state[i] == FSCK_UNIT_ABSENT)
            continue;
        if (last) { /* without a verdict: it is made whole before it counts */
            fsck_say(f->report, FSCK_NOTE, FSCK_ROW,
                     "%s row %llu: the last one is not whole; the server appends it again", slab, row);
            return false;
        }
        there = true;
        f->totals.units_bad++;
        atomic_fetch_add(&f->drives[s->drive[i]].units_bad, 1);
        fsck_say(f->report, FSCK_REPAIRABLE, FSCK_ROW, "%s row %llu: the unit on %s is %s", slab, row,
                 fsck_member_name(f, s, i, name),
                 bad->state[i] == FSCK_UNIT_UNREADABLE ? "unreadable"
                 : bad->state[i] == FSCK_UNIT_NONE     ? "not there"
                 : bad->state[i] == FSCK_UNIT_DAMAGED  ? "damaged"
                                                       : "of another row");
    }
    return there;
}

/* What a row that isn't whole means; only the last row of a slab nobody has judged is open to doubt. */
static void judge_bad_row(struct fsck *f, const struct fsck_slab *s, struct fsck_bad_row *bad)
{
    char slab[FSCK_SLAB_NAME_BYTES];
    bool last = !s->has_limit && bad->row + 1 == s->rows;
    unsigned long long row = bad->row;
    if (s->freed || (s->has_limit && bad->row >= s->limit))
        return;
    fsck_slab_name(s, slab);
    if (bad->good >= s->header.k) {
        f->totals.rows_repairable += judge_repairable_row(f, s, bad, last);
        return;
    }
    if (last && bad->unreadable <= s->header.m) {
        fsck_say(f->report, FSCK_NOTE, FSCK_ROW,
                 "%s row %llu: the last one, cut short by a crash before it was acknowledged", slab, row);
        return;
    }
    f->totals.rows_lost++;
    fsck_say(f->report, FSCK_LOST, FSCK_ROW, "%s row %llu: %u of %u units are good, %u are needed%s", slab, row,
             bad->good, s->header.k + s->header.m, s->header.k,
             last ? "; whether it was acknowledged can't be known with these drives" : "");
}

static void judge_slab(struct fsck *f, struct fsck_slab *s)
{
    char slab[FSCK_SLAB_NAME_BYTES], name[PATH_MAX];
    if (s->freed)
        return;
    fsck_slab_name(s, slab);
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++)
        if (s->header_state[i] != FSCK_UNIT_GOOD && s->header_state[i] != FSCK_UNIT_ABSENT)
            fsck_say(f->report, FSCK_REPAIRABLE, FSCK_SLAB, "%s: the extent header on %s is not there", slab,
                     fsck_member_name(f, s, i, name));
    if (s->has_limit && s->rows < s->limit) {
        f->totals.rows_lost += s->limit - s->rows;
        fsck_say(f->report, FSCK_LOST, FSCK_SLAB, "%s: it has %llu rows, %llu were found", slab,
                 (unsigned long long)s->limit, (unsigned long long)s->rows);
    }
    for (size_t i = 0; i < s->bad_row_count; i++)
        judge_bad_row(f, s, &s->bad_rows[i]);
    f->totals.rows += s->has_limit && s->limit < s->rows ? s->limit : s->rows;
}

/* ---- tables ---- */

static void *slot_value(struct objects *o, struct fsck_map *m, struct bytes key, size_t size)
{
    void **slot = fsck_map_slot(m, key);
    if (slot == NULL || (*slot == NULL && (*slot = calloc(1, size)) == NULL)) {
        o->err = DOL_ENOMEM;
        return NULL;
    }
    return *slot;
}

static void add_content(struct objects *o, const struct fsck_slab *s, const struct fsck_record *r)
{
    struct fsck_map *m = r->kind == RECORD_CHUNK ? &o->chunks : &o->lists;
    struct content *c = slot_value(o, m, bytes_of(r->hash.b, sizeof r->hash.b), sizeof *c);
    if (c == NULL || c->good)
        return;
    *c = (struct content){.good = true, .plain_bytes = r->plain_bytes, .slab = s, .record = r};
}

/* Keys that don't lie in a body are kept here. */
static struct bytes keep_name(struct objects *o, const uint8_t *name, size_t len)
{
    void *have = fsck_map_get(&o->names, bytes_of(name, len));
    if (have != NULL)
        return bytes_of(have, len);
    uint8_t *copy = malloc(len);
    if (copy == NULL) {
        o->err = DOL_ENOMEM;
        return bytes_of(NULL, 0);
    }
    memcpy(copy, name, len);
    void **slot = fsck_map_slot(&o->names, bytes_of(copy, len));
    if (slot == NULL) {
        free(copy);
        o->err = DOL_ENOMEM;
        return bytes_of(NULL, 0);
    }
    *slot = copy;
    return bytes_of(copy, len);
}

static struct state *version_state(struct objects *o, uint64_t bucket, struct bytes key,
                                   const struct version_id *version)
{
    uint8_t name[VERSION_NAME_BYTES_MAX];
    be64_put(name, bucket);
    memcpy(name + 8, version->b, sizeof version->b);
    memcpy(name + 24, key.data, key.len);
    struct bytes kept = keep_name(o, name, 24 + key.len);
    return kept.data ? slot_value(o, &o->versions, kept, sizeof(struct state)) : NULL;
}

static void speak(struct state *st, const struct fsck_record *r, struct bytes body)
{
    if (st == NULL || (st->body.data != NULL && lsn_compare(r->lsn, st->lsn) <= 0))
        return;
    st->lsn = r->lsn;
    st->kind = r->kind;
    st->body = body;
}

static void cancel(struct state *st, struct lsn lsn)
{
    if (st != NULL && lsn_compare(lsn, st->gone) > 0)
        st->gone = lsn;
}

static void add_bucket(struct objects *o, const struct fsck_record *r, uint64_t id, struct bytes body)
{
    uint8_t name[8];
    be64_put(name, id);
    struct bytes kept = keep_name(o, name, sizeof name);
    if (kept.data != NULL)
        speak(slot_value(o, &o->buckets, kept, sizeof(struct state)), r, body);
}

static void add_manifest(struct objects *o, const struct fsck_record *r, struct bytes body)
{
    struct manifest m;
    if (manifest_decode(body, &m) != DOL_OK)
        return;
    speak(version_state(o, m.bucket, m.key, &m.version), r, body);
    if (!version_id_is_zero(&m.replaces))
        cancel(version_state(o, m.bucket, m.key, &m.replaces), r->lsn);
}

static struct state *upload_state(struct objects *o, struct fsck_map *m, const uint8_t id[16], uint32_t part)
{
    uint8_t name[20];
    struct le32 number = le32_of(part);
    memcpy(name, id, 16);
    memcpy(name + 16, number.b, sizeof number.b);
    struct bytes kept = keep_name(o, name, sizeof name);
    return kept.data ? slot_value(o, m, kept, sizeof(struct state)) : NULL;
}

static void add_upload(struct objects *o, const struct fsck_record *r, struct bytes body)
{
    struct upload_body upload;
    struct upload_part_body part;
    struct upload_end_body end;
    if (r->kind == RECORD_UPLOAD && upload_body_decode(body, &upload) == DOL_OK)
        speak(upload_state(o, &o->uploads, upload.upload_id, 0), r, body);
    if (r->kind == RECORD_UPLOAD_PART && upload_part_decode(body, &part) == DOL_OK)
        speak(upload_state(o, &o->parts, part.upload_id, part.part.number), r, body);
    if (r->kind == RECORD_UPLOAD_END && upload_end_decode(body, &end) == DOL_OK)
        cancel(upload_state(o, &o->uploads, end.upload_id, 0), r->lsn);
}

static void add_record(struct objects *o, const struct fsck_slab *s, const struct fsck_record *r)
{
    struct bytes body = body_of(s, r);
    struct delete_body gone;
    struct bucket_body bucket;
    struct bucket_delete_body bucket_gone;
    o->f->totals.records++;
    switch (r->kind) {
    case RECORD_CHUNK:
    case RECORD_CHUNK_LIST:
        add_content(o, s, r);
        break;
    case RECORD_MANIFEST:
        add_manifest(o, r, body);
        break;
    case RECORD_DELETE:
        if (delete_body_decode(body, &gone) == DOL_OK)
            cancel(version_state(o, gone.bucket, gone.key, &gone.version), r->lsn);
        break;
    case RECORD_BUCKET:
        if (bucket_body_decode(body, &bucket) == DOL_OK)
            add_bucket(o, r, bucket.id, body);
        break;
    case RECORD_BUCKET_DELETE:
        if (bucket_delete_decode(body, &bucket_gone) == DOL_OK)
            add_bucket(o, r, bucket_gone.id, body);
        break;
    case RECORD_UPLOAD:
    case RECORD_UPLOAD_PART:
    case RECORD_UPLOAD_END:
        add_upload(o, r, body);
        break;
    default:
        break;
    }
}

/* ---- following references ---- */

struct follow {
    struct objects *o;
    unsigned lost;
    struct sha256 first_lost;
};

static void follow_chunks(struct follow *w, struct bytes refs)
{
    for (size_t at = 0; at + CHUNK_REF_BYTES <= refs.len; at += CHUNK_REF_BYTES) {
        struct chunk_ref ref = chunk_ref_decode((const uint8_t *)refs.data + at);
        struct content *c = fsck_map_get(&w->o->chunks, bytes_of(ref.hash.b, sizeof ref.hash.b));
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
        struct content *c = fsck_map_get(&w->o->lists, bytes_of(ref.hash.b, sizeof ref.hash.b));
        if (c != NULL)
            c->referenced = true;
        if (c != NULL && chunk_list_decode(body_of(c->slab, c->record), &list) == DOL_OK) {
            follow_chunks(w, list.refs);
            continue;
        }
        if (w->lost == 0)
            w->first_lost = ref.hash;
        w->lost += ref.chunks;
    }
}

static const struct state *bucket_of(const struct objects *o, uint64_t id)
{
    uint8_t name[8];
    be64_put(name, id);
    const struct state *st = fsck_map_get(&o->buckets, bytes_of(name, sizeof name));
    return st != NULL && st->kind == RECORD_BUCKET ? st : NULL;
}

static void say_damaged(struct objects *o, enum fsck_subject subject, uint64_t bucket_id, struct bytes key,
                        const char *what, const struct follow *w)
{
    char name[3 * OBJECT_KEY_BYTES_MAX + 5], bucket_name[3 * BUCKET_NAME_BYTES_MAX + 5] = "?", hex[65];
    struct bucket_body bucket;
    const struct state *st = bucket_of(o, bucket_id);
    if (st != NULL && bucket_body_decode(st->body, &bucket) == DOL_OK)
        fsck_printable(bucket.name, bucket_name, sizeof bucket_name);
    hex_encode(w->first_lost.b, sizeof w->first_lost.b, hex);
    fsck_say(o->f->report, FSCK_LOST, subject, "%s/%s %s: %u chunks have no good copy, the first is %s", bucket_name,
             fsck_printable(key, name, sizeof name), what, w->lost, hex);
}

static void check_version(struct objects *o, const struct state *st)
{
    struct manifest m;
    char what[64] = "version ";
    if (st->body.data == NULL || lsn_compare(st->gone, st->lsn) > 0 || manifest_decode(st->body, &m) != DOL_OK)
        return;
    if (bucket_of(o, m.bucket) == NULL)
        return;
    if (m.flags & MANIFEST_DELETE_MARKER) {
        o->f->totals.delete_markers++;
        return;
    }
    struct follow w = {.o = o};
    o->f->totals.versions++;
    o->f->totals.object_bytes += m.size;
    follow_chunks(&w, m.chunk_refs);
    follow_lists(&w, m.list_refs);
    if (w.lost == 0)
        return;
    o->f->totals.versions_damaged++;
    hex_encode(m.version.b, sizeof m.version.b, what + 8);
    say_damaged(o, FSCK_OBJECT, m.bucket, m.key, m.flags & MANIFEST_NULL_VERSION ? "(null version)" : what, &w);
}

static void check_part(struct objects *o, const struct state *st)
{
    struct upload_part_body part;
    char what[64];
    if (st->body.data == NULL || upload_part_decode(st->body, &part) != DOL_OK)
        return;
    const struct state *upload = upload_state(o, &o->uploads, part.upload_id, 0);
    if (upload == NULL || upload->body.data == NULL || upload->gone.run != 0)
        return;
    struct follow w = {.o = o};
    follow_chunks(&w, part.chunk_refs);
    follow_lists(&w, part.list_refs);
    snprintf(what, sizeof what, "(part %u of an upload)", part.part.number);
    if (w.lost > 0)
        say_damaged(o, FSCK_UPLOAD, part.bucket, part.key, what, &w);
}

static void each(struct objects *o, const struct fsck_map *m, void (*fn)(struct objects *, const struct state *))
{
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].value != NULL)
            fn(o, m->slots[i].value);
}

static void count_bucket(struct objects *o, const struct state *st)
{
    o->f->totals.buckets += st->kind == RECORD_BUCKET;
}

static void count_upload(struct objects *o, const struct state *st)
{
    o->f->totals.uploads += st->body.data != NULL && st->gone.run == 0;
}

static void count_contents(struct objects *o)
{
    struct fsck_totals *t = &o->f->totals;
    t->chunks = o->chunks.count;
    t->lists = o->lists.count;
    for (size_t i = 0; i < o->chunks.capacity; i++) {
        const struct content *c = o->chunks.slots[i].value;
        if (c == NULL)
            continue;
        t->chunk_bytes += c->plain_bytes;
        t->chunks_unreferenced += !c->referenced;
    }
}

enum dol_err fsck_objects_check(struct fsck *f)
{
    struct objects o = {.f = f};
    for (size_t i = 0; i < f->slab_count; i++)
        for (size_t j = 0; j < f->slabs[i]->record_count; j++)
            if (counts(f->slabs[i], &f->slabs[i]->records[j]))
                apply_verdict(f, f->slabs[i], &f->slabs[i]->records[j]);
    for (size_t i = 0; i < f->slab_count; i++)
        judge_slab(f, f->slabs[i]);
    for (size_t i = 0; i < f->slab_count && f->can_open; i++)
        for (size_t j = 0; j < f->slabs[i]->record_count && o.err == DOL_OK; j++)
            if (counts(f->slabs[i], &f->slabs[i]->records[j]))
                add_record(&o, f->slabs[i], &f->slabs[i]->records[j]);
    if (o.err == DOL_OK) {
        each(&o, &o.versions, check_version);
        each(&o, &o.parts, check_part);
        each(&o, &o.buckets, count_bucket);
        each(&o, &o.uploads, count_upload);
        count_contents(&o);
    }
    fsck_map_free(&o.chunks, free);
    fsck_map_free(&o.lists, free);
    fsck_map_free(&o.versions, free);
    fsck_map_free(&o.buckets, free);
    fsck_map_free(&o.uploads, free);
    fsck_map_free(&o.parts, free);
    fsck_map_free(&o.names, free);
    return o.err;
}
