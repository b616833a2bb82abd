/*
 * Verdicts on slabs: `end` records decide how many rows of an older slab count, newest slab first; `freed` records take
 * lives away. Then what that makes of rows that aren't whole.
 */
#include "fsck.h"

static bool speaks(const struct fsck_slab *s, const struct fsck_record *r)
{
    return r->good && !s->freed && (!s->has_limit || r->row < s->limit);
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
    if (r->kind == RECORD_END && end_body_decode(fsck_record_body(s, r), &end) == DOL_OK)
        about = slab_of(f, end.slab, end.life);
    if (about != NULL && !about->has_footer) {
        about->has_limit = true;
        about->limit = end.rows;
    }
    if (r->kind == RECORD_FREED && freed_body_decode(fsck_record_body(s, r), &freed) == DOL_OK) {
        about = slab_of(f, freed.slab, freed.life);
        if (about != NULL) {
            about->freed = true;
            about->freed_lsn = r->lsn;
        }
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

void fsck_verdicts(struct fsck *f)
{
    for (size_t i = 0; i < f->slab_count; i++)
        for (size_t j = 0; j < f->slabs[i]->record_count; j++)
            if (speaks(f->slabs[i], &f->slabs[i]->records[j]))
                apply_verdict(f, f->slabs[i], &f->slabs[i]->records[j]);
    for (size_t i = 0; i < f->slab_count; i++)
        judge_slab(f, f->slabs[i]);
}
