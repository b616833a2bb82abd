/*
 * What an index has to say: see fsck_build.h.
 *
 * L is the highest LSN there is, or what comes before the last row of a slab that nobody has judged and that isn't
 * whole: the server appends that again, or calls it dead, and then tells the index. So all up to L is settled.
 */
#include "fsck_build.h"

#include <stdlib.h>

#include "le.h"

/* ---- L ---- */

/* The last row of a slab without a verdict: is it whole? */
static bool last_is_in_doubt(const struct fsck_slab *s)
{
    return !s->freed && !s->has_limit && s->rows > 0 && s->bad_row_count > 0 &&
           s->bad_rows[s->bad_row_count - 1].row == s->rows - 1;
}

static struct lsn lsn_before(struct lsn lsn)
{
    return lsn.counter > 0 ? (struct lsn){lsn.run, lsn.counter - 1} : (struct lsn){lsn.run - 1, UINT64_MAX};
}

static struct lsn find_upto(const struct fsck *f)
{
    struct lsn upto = {0, 0};
    for (size_t i = 0; i < f->slab_count; i++)
        for (size_t j = 0; j < f->slabs[i]->record_count; j++)
            if (fsck_log_counts(f->slabs[i], &f->slabs[i]->records[j], FSCK_LOG_WHOLE) &&
                lsn_compare(f->slabs[i]->records[j].lsn, upto) > 0)
                upto = f->slabs[i]->records[j].lsn;
    for (size_t i = 0; i < f->slab_count; i++) {
        const struct fsck_slab *s = f->slabs[i];
        for (size_t j = 0; j < s->record_count && last_is_in_doubt(s); j++)
            if (s->records[j].row == s->rows - 1 && lsn_compare(s->records[j].lsn, upto) <= 0)
                upto = lsn_before(s->records[j].lsn);
    }
    return upto;
}

/* ---- records in order ---- */

static int by_lsn(const void *pa, const void *pb)
{
    const struct fsck_entry *a = pa, *b = pb;
    int order = lsn_compare(a->r->lsn, b->r->lsn);
    return order != 0 ? order : lsn_compare(a->arrived, b->arrived);
}

/* Copies before a moved record, from the slab's last entry back, get its LSN; those above `upto` don't count. */
static void mark_copies(const struct fsck_slab *s, size_t moved, struct fsck_entry *entries)
{
    struct moved_body body;
    if (moved_body_decode(fsck_record_body(s, &s->records[moved]), &body) != DOL_OK)
        return;
    for (size_t j = moved; j-- > 0 && body.count > 0 && s->records[j].row == s->records[moved].row;)
        if (s->records[j].kind != RECORD_DIRECTORY) {
            entries[j].arrived = s->records[moved].lsn;
            body.count--;
        }
}

static bool add_entries(struct fsck_build *b, struct fsck_slab *s)
{
    struct fsck_entry *all = calloc(s->record_count + 1, sizeof *all);
    if (all == NULL)
        return false;
    for (size_t j = 0; j < s->record_count; j++) {
        all[j] = (struct fsck_entry){s, &s->records[j], s->records[j].lsn};
        if (s->records[j].good && s->records[j].kind == RECORD_MOVED)
            mark_copies(s, j, all);
    }
    for (size_t j = 0; j < s->record_count; j++)
        if (fsck_log_counts(s, all[j].r, b->upto) && lsn_compare(all[j].arrived, b->upto) <= 0)
            b->entries[b->entry_count++] = all[j];
    free(all);
    return true;
}

static enum dol_err collect(struct fsck_build *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->f->slab_count; i++)
        count += b->f->slabs[i]->record_count;
    b->entries = malloc((count + 1) * sizeof *b->entries);
    if (b->entries == NULL)
        return DOL_ENOMEM;
    for (size_t i = 0; i < b->f->slab_count; i++)
        if (!add_entries(b, b->f->slabs[i]))
            return DOL_ENOMEM;
    if (b->entry_count > 0)
        qsort(b->entries, b->entry_count, sizeof *b->entries, by_lsn);
    return DOL_OK;
}

const struct fsck_entry *fsck_build_home(const struct fsck_build *b, struct lsn lsn)
{
    size_t low = 0, high = b->entry_count; /* the first above it */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (lsn_compare(b->entries[middle].r->lsn, lsn) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && lsn_compare(b->entries[low - 1].r->lsn, lsn) == 0 ? &b->entries[low - 1] : NULL;
}

struct place fsck_entry_place(const struct fsck_entry *e)
{
    const struct fsck_row *row = &e->s->row_list[e->r->row];
    return (struct place){e->s->header.slab, row->block, row->unit_blocks, e->r->offset_bytes, e->r->stored_bytes};
}

/* ---- slabs ---- */

struct fsck_build_slab *fsck_build_slab_of(struct fsck_build *b, uint64_t slab)
{
    uint8_t key[8];
    be64_put(key, slab);
    struct fsck_build_slab *found = fsck_map_get(&b->slabs, bytes_of(key, sizeof key));
    if (found != NULL)
        return found;
    found = calloc(1, sizeof *found);
    void **slot = NULL;
    if (found != NULL) {
        memcpy(found->key, key, sizeof key);
        found->end_rows = SLAB_ROWS_UNKNOWN;
        slot = fsck_map_slot(&b->slabs, bytes_of(found->key, sizeof key));
    }
    if (slot == NULL) {
        free(found);
        b->err = DOL_ENOMEM;
        return NULL;
    }
    *slot = found;
    return found;
}

static uint64_t rows_upto(const struct fsck_build *b, const struct fsck_slab *s)
{
    uint64_t rows = s->has_limit && s->limit < s->rows ? s->limit : s->rows - (uint64_t)last_is_in_doubt(s);
    for (size_t j = 0; j < s->record_count; j++)
        if (s->records[j].row < rows && lsn_compare(s->records[j].lsn, b->upto) > 0)
            rows = s->records[j].row;
    return rows;
}

static void add_slabs(struct fsck_build *b)
{
    for (size_t i = 0; i < b->f->slab_count && b->err == DOL_OK; i++) {
        struct fsck_slab *s = b->f->slabs[i];
        struct fsck_build_slab *known = fsck_build_slab_of(b, s->header.slab);
        if (known == NULL)
            return;
        known->s = s;
        known->rows = rows_upto(b, s);
    }
}

/* Verdicts and frees, in order. */
static void hear(struct fsck_build *b, const struct fsck_entry *e)
{
    struct end_body end;
    struct freed_body freed;
    struct bytes body = fsck_record_body(e->s, e->r);
    if (e->r->kind == RECORD_END && end_body_decode(body, &end) == DOL_OK) {
        struct fsck_slab *s = NULL;
        struct fsck_build_slab *known = fsck_build_slab_of(b, end.slab);
        if (known != NULL && (s = known->s) != NULL && uuid_equal(s->header.life, end.life))
            known->end_rows = end.rows;
    }
    if (e->r->kind == RECORD_FREED && freed_body_decode(body, &freed) == DOL_OK && freed.generation > b->generation)
        b->generation = freed.generation;
}

/* ---- what is needed, and what is void ---- */

static void need(struct fsck_build *b, const struct fsck_entry *home)
{
    struct fsck_build_slab *known = fsck_build_slab_of(b, home->s->header.slab);
    struct place place = fsck_entry_place(home);
    if (known == NULL)
        return;
    known->live.bytes += place_row_bytes(&place);
    known->live.records++;
}

static void bury(struct fsck_build *b, const struct fsck_entry *e, struct lsn canceller)
{
    if (b->grave_count == b->grave_capacity) {
        size_t capacity = b->grave_capacity ? b->grave_capacity * 2 : 1024;
        struct fsck_grave *grown = realloc(b->graves, capacity * sizeof *grown);
        if (grown == NULL) {
            b->err = DOL_ENOMEM;
            return;
        }
        b->graves = grown;
        b->grave_capacity = capacity;
    }
    b->graves[b->grave_count++] = (struct fsck_grave){
        .slab = e->s->header.slab, .lsn = e->r->lsn, .kind = e->r->kind, .canceller = canceller, .hash = e->r->hash};
}

/* References of what is void are given back by a record with this LSN. */
static void release(struct fsck_build *b, struct bytes chunk_refs, struct bytes list_refs, struct lsn lsn)
{
    struct chunk_list_body list;
    struct fsck_content *c;
    for (size_t at = 0; at + CHUNK_REF_BYTES <= chunk_refs.len; at += CHUNK_REF_BYTES) {
        struct chunk_ref ref = chunk_ref_decode((const uint8_t *)chunk_refs.data + at);
        c = fsck_map_get(&b->log.chunks, bytes_of(ref.hash.b, sizeof ref.hash.b));
        if (c != NULL && lsn_compare(lsn, c->released) > 0)
            c->released = lsn;
    }
    for (size_t at = 0; at + LIST_REF_BYTES <= list_refs.len; at += LIST_REF_BYTES) {
        struct list_ref ref = list_ref_decode((const uint8_t *)list_refs.data + at);
        c = fsck_map_get(&b->log.lists, bytes_of(ref.hash.b, sizeof ref.hash.b));
        if (c == NULL || lsn_compare(lsn, c->released) <= 0)
            continue;
        c->released = lsn;
        if (c->good && c->refs == 0 && chunk_list_decode(fsck_record_body(c->slab, c->record), &list) == DOL_OK)
            release(b, list.refs, bytes_of(NULL, 0), lsn);
    }
}

/* What a record is: of nothing that is kept, of a thing that it tells, or void. */
enum standing { STANDING_NONE, STANDING_CURRENT, STANDING_VOID };

static enum standing standing_of(bool current)
{
    return current ? STANDING_CURRENT : STANDING_VOID;
}

static enum standing judge_version(struct fsck_build *b, const struct fsck_entry *e, struct lsn *canceller)
{
    struct manifest m;
    if (manifest_decode(fsck_record_body(e->s, e->r), &m) != DOL_OK)
        return STANDING_NONE;
    const struct fsck_state *st = fsck_log_version(&b->log, m.bucket, m.key, &m.version);
    if (st == NULL)
        return STANDING_NONE;
    bool newest = lsn_compare(st->lsn, e->r->lsn) == 0;
    if (newest && fsck_state_is_there(st))
        return STANDING_CURRENT;
    if (newest)
        *canceller = st->gone_first;
    release(b, m.chunk_refs, m.list_refs, newest ? st->gone_first : st->lsn);
    return STANDING_VOID;
}

static enum standing judge_meta(struct fsck_build *b, const struct fsck_entry *e)
{
    struct object_meta_body meta;
    if (object_meta_decode(fsck_record_body(e->s, e->r), &meta) != DOL_OK)
        return STANDING_NONE;
    const struct fsck_state *st = fsck_log_version(&b->log, meta.bucket, meta.key, &meta.version);
    return standing_of(st != NULL && fsck_state_is_there(st) && fsck_state_has_meta(st) &&
                       lsn_compare(st->meta_lsn, e->r->lsn) == 0);
}

static enum standing judge_upload(struct fsck_build *b, const struct fsck_entry *e, struct lsn *canceller)
{
    struct upload_body u;
    if (upload_body_decode(fsck_record_body(e->s, e->r), &u) != DOL_OK)
        return STANDING_NONE;
    const struct fsck_state *st = fsck_log_upload(&b->log, u.upload_id);
    if (st == NULL)
        return STANDING_NONE;
    if (!fsck_state_is_there(st))
        *canceller = st->gone_first;
    return standing_of(fsck_state_is_there(st));
}

static enum standing judge_part(struct fsck_build *b, const struct fsck_entry *e)
{
    struct upload_part_body part, there;
    if (upload_part_decode(fsck_record_body(e->s, e->r), &part) != DOL_OK)
        return STANDING_NONE;
    const struct fsck_state *st = fsck_log_part(&b->log, part.upload_id, part.part.number);
    const struct fsck_state *upload = fsck_log_upload(&b->log, part.upload_id);
    if (st == NULL || upload == NULL)
        return STANDING_NONE;
    bool newest = lsn_compare(st->lsn, e->r->lsn) == 0;
    if (newest && fsck_log_part_is_there(&b->log, st, &there))
        return STANDING_CURRENT;
    release(b, part.chunk_refs, part.list_refs, newest ? upload->gone_first : st->lsn);
    return STANDING_VOID;
}

static enum standing judge_content(struct fsck_build *b, const struct fsck_entry *e)
{
    const struct fsck_content *c = fsck_log_content(&b->log, e->r->kind, &e->r->hash);
    return c == NULL ? STANDING_NONE
                     : standing_of(c->good && c->refs > 0 && lsn_compare(c->record->lsn, e->r->lsn) == 0);
}

static enum standing judge(struct fsck_build *b, const struct fsck_entry *e, struct lsn *canceller)
{
    struct bucket_body bucket;
    struct setting_body setting;
    struct bytes body = fsck_record_body(e->s, e->r);
    const struct fsck_state *st;
    switch (e->r->kind) {
    case RECORD_CHUNK:
    case RECORD_CHUNK_LIST:
        return judge_content(b, e);
    case RECORD_MANIFEST:
        return judge_version(b, e, canceller);
    case RECORD_OBJECT_META:
        return judge_meta(b, e);
    case RECORD_UPLOAD:
        return judge_upload(b, e, canceller);
    case RECORD_UPLOAD_PART:
        return judge_part(b, e);
    case RECORD_BUCKET:
        st = bucket_body_decode(body, &bucket) == DOL_OK ? fsck_log_bucket(&b->log, bucket.id) : NULL;
        return st == NULL ? STANDING_NONE : standing_of(lsn_compare(st->lsn, e->r->lsn) == 0);
    case RECORD_USER:
    case RECORD_ACCESS_KEY:
    case RECORD_POLICY:
    case RECORD_SETTING:
        st = setting_body_decode(body, &setting) == DOL_OK ? fsck_log_setting(&b->log, e->r->kind, setting.name) : NULL;
        return st == NULL ? STANDING_NONE : standing_of(lsn_compare(st->lsn, e->r->lsn) == 0);
    default:
        return STANDING_NONE;
    }
}

/* Each LSN once: the copies of what is needed are no graves, those of what is void are. */
static void judge_all(struct fsck_build *b)
{
    for (size_t i = 0, n; i < b->entry_count && b->err == DOL_OK; i += n) {
        const struct lsn none = {0, 0};
        const struct fsck_entry *e = &b->entries[i];
        struct lsn canceller = none;
        for (n = 1; i + n < b->entry_count && lsn_compare(e[n].r->lsn, e->r->lsn) == 0; n++)
            continue;
        hear(b, e);
        enum standing standing = judge(b, e, &canceller);
        if (standing == STANDING_CURRENT)
            need(b, &e[n - 1]);
        for (size_t j = 0; j < n && standing == STANDING_VOID; j++)
            bury(b, &e[j], canceller);
    }
    if (b->err == DOL_OK)
        b->err = b->log.err;
}

/* ---- cancellers ---- */

static int by_slab(const void *pa, const void *pb)
{
    const struct fsck_grave *a = pa, *b = pb;
    return a->slab != b->slab ? (a->slab < b->slab ? -1 : 1) : lsn_compare(a->lsn, b->lsn);
}

/* A delete that was written in the place of one that has gone names the graves it keeps shut. */
static void inherit(struct fsck_build *b, const struct fsck_entry *e)
{
    struct delete_body gone;
    if (e->r->kind != RECORD_DELETE || delete_body_decode(fsck_record_body(e->s, e->r), &gone) != DOL_OK)
        return;
    for (size_t at = 0; at < gone.graves.len; at += GRAVE_REF_BYTES) {
        struct grave_ref ref = grave_ref_decode((const uint8_t *)gone.graves.data + at);
        const struct fsck_grave wanted = {.slab = ref.slab, .lsn = ref.lsn};
        struct fsck_grave *grave =
            b->grave_count > 0 ? bsearch(&wanted, b->graves, b->grave_count, sizeof wanted, by_slab) : NULL;
        if (grave != NULL)
            grave->canceller = e->r->lsn;
    }
}

static int by_canceller(const void *pa, const void *pb)
{
    const struct fsck_grave *a = *(struct fsck_grave *const *)pa, *b = *(struct fsck_grave *const *)pb;
    int order = lsn_compare(a->canceller, b->canceller);
    return order != 0 ? order : by_slab(a, b);
}

static enum dol_err find_cancellers(struct fsck_build *b)
{
    if (b->grave_count > 0)
        qsort(b->graves, b->grave_count, sizeof *b->graves, by_slab);
    for (size_t i = 0; i < b->entry_count; i++)
        inherit(b, &b->entries[i]);
    b->cancelled = malloc((b->grave_count + 1) * sizeof(struct fsck_grave *));
    if (b->cancelled == NULL)
        return DOL_ENOMEM;
    for (size_t i = 0; i < b->grave_count; i++) {
        const struct fsck_entry *home = fsck_build_home(b, b->graves[i].canceller);
        if (b->graves[i].canceller.run == 0)
            continue;
        if (home == NULL)
            return DOL_ECORRUPT;
        if (home->s->header.slab != b->graves[i].slab) /* else they go together */
            b->cancelled[b->cancelled_count++] = &b->graves[i];
    }
    if (b->cancelled_count > 0)
        qsort(b->cancelled, b->cancelled_count, sizeof(struct fsck_grave *), by_canceller);
    for (size_t i = 0; i < b->cancelled_count; i++) {
        const struct lsn lsn = b->cancelled[i]->canceller;
        if (i > 0 && lsn_compare(b->cancelled[i - 1]->canceller, lsn) == 0)
            continue;
        const struct fsck_entry *home = fsck_build_home(b, lsn);
        struct fsck_build_slab *known = fsck_build_slab_of(b, home->s->header.slab);
        struct place place = fsck_entry_place(home);
        if (known == NULL)
            return DOL_ENOMEM;
        known->live.cancels++;
        known->live.bytes += home->r->kind == RECORD_MANIFEST ? 0 : place_row_bytes(&place);
    }
    return DOL_OK;
}

/* ---- the whole ---- */

void fsck_index_build(struct fsck *f)
{
    struct fsck_build b = {.f = f, .generation = f->sb.generation};
    if (!f->log_whole) {
        fsck_say(f->report, FSCK_LOST, FSCK_INDEX, "none is built: the log can't be read as a whole");
        return;
    }
    if (f->totals.index_lost > 0) {
        fsck_say(f->report, FSCK_LOST, FSCK_INDEX, "none is built: the one that is there knows what the drives don't");
        return;
    }
    b.upto = find_upto(f);
    enum dol_err err = fsck_log_read(f, b.upto, &b.log);
    if (err == DOL_OK)
        err = collect(&b);
    if (err == DOL_OK) {
        fsck_log_count_refs(&b.log);
        add_slabs(&b);
        judge_all(&b);
        err = b.err;
    }
    if (err == DOL_OK)
        err = find_cancellers(&b);
    if (err == DOL_OK)
        err = fsck_build_write(&b);
    f->index_built = err == DOL_OK;
    if (err == DOL_OK)
        fsck_say(f->report, FSCK_REPAIRED, FSCK_INDEX, "it was built from the drives, up to record %llu.%llu",
                 (unsigned long long)b.upto.run, (unsigned long long)b.upto.counter);
    else
        fsck_say(f->report, FSCK_LOST, FSCK_INDEX, "none was built: %s", dol_err_text(err));
    fsck_log_free(&b.log);
    fsck_map_free(&b.slabs, free);
    free(b.entries);
    free(b.graves);
    free(b.cancelled);
}
