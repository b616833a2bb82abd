/*
 * Repair: units proven bad, in rows that count, are computed from k good ones, written, and read back. Every input is
 * verified again just before: nothing is made from what was good some time ago. A row that is open to doubt (the last
 * one of a slab without a verdict) is left to the server's recovery.
 */
#include <stdlib.h>

#include "fsck.h"

struct repair {
    struct fsck *f;
    struct fsck_slab *s;
    struct row_layout layout;
    struct ec *ec;
    uint8_t *units[FORMAT_MEMBERS_MAX];    /* whole units: header and payload */
    uint8_t *payloads[FORMAT_MEMBERS_MAX]; /* in them */
    bool present[FORMAT_MEMBERS_MAX];
    struct unit_header header; /* a good one's */
    uint32_t digests[FORMAT_MEMBERS_MAX];
    uint32_t *crcs;
};

static void repair_fini(struct repair *r)
{
    for (unsigned i = 0; i < FORMAT_MEMBERS_MAX; i++)
        free(r->units[i]);
    if (r->ec != NULL)
        ec_free(r->ec);
    free(r->crcs);
}

/* Reads a unit the walk found good; it has to be so still. */
static bool load_unit(struct repair *r, unsigned member, const struct fsck_bad_row *bad, size_t len, bool *first)
{
    struct unit_header h;
    uint32_t digests[FORMAT_MEMBERS_MAX];
    unsigned count = r->s->header.k + r->s->header.m;
    if (!fsck_drive_read(&r->f->drives[r->s->drive[member]], fsck_extent_offset(r->f, r->s, member, bad->block),
                         r->units[member], len) ||
        unit_header_decode(r->units[member], FORMAT_BLOCK_BYTES, r->s->header.life, &h, digests, r->crcs, NULL) !=
            DOL_OK ||
        h.row != bad->row || h.member != member || h.unit_blocks != bad->unit_blocks || h.masks.ro_meta != 0 ||
        !unit_payload_ok(r->payloads[member], &r->layout, r->crcs) ||
        unit_digest(r->crcs, r->layout.crc_count) != digests[member])
        return false;
    if (!*first && memcmp(digests, r->digests, count * sizeof digests[0]) != 0)
        return false;
    r->header = h;
    memcpy(r->digests, digests, sizeof digests);
    *first = false;
    return true;
}

static bool load_row(struct repair *r, const struct fsck_bad_row *bad)
{
    size_t len = (size_t)bad->unit_blocks * FORMAT_BLOCK_BYTES;
    bool first = true;
    if (!row_layout_of_unit(bad->unit_blocks, r->s->header.k, r->s->header.m, &r->layout))
        return false;
    for (unsigned i = 0; i < (unsigned)(r->s->header.k + r->s->header.m); i++) {
        free(r->units[i]);
        r->units[i] = aligned_alloc(FORMAT_BLOCK_BYTES, len);
        if (r->units[i] == NULL)
            return false;
        memset(r->units[i], 0, len);
        r->payloads[i] = r->units[i] + r->layout.header_bytes;
        r->present[i] = bad->state[i] == FSCK_UNIT_GOOD && load_unit(r, i, bad, len, &first);
    }
    return !first;
}

/* Header around a computed payload; the siblings' digests say whether it is the right one. */
static bool write_unit(struct repair *r, unsigned member, const struct fsck_bad_row *bad)
{
    struct unit_header h = r->header;
    struct fsck_drive *d = &r->f->drives[r->s->drive[member]];
    h.member = (uint8_t)member;
    h.drive = r->s->header.members[member].drive;
    h.extent = r->s->header.members[member].extent;
    unit_payload_crcs(r->payloads[member], &r->layout, r->crcs);
    if (unit_digest(r->crcs, r->layout.crc_count) != r->digests[member])
        return false;
    unit_header_encode(&h, r->digests, r->crcs, r->units[member]);
    if (!fsck_drive_write(d, fsck_extent_offset(r->f, r->s, member, bad->block), r->units[member],
                          (size_t)bad->unit_blocks * FORMAT_BLOCK_BYTES))
        return false;
    atomic_fetch_add(&d->units_rewritten, 1);
    r->f->totals.units_rewritten++;
    return true;
}

static void repair_row(struct repair *r, const struct fsck_bad_row *bad)
{
    char slab[FSCK_SLAB_NAME_BYTES], name[PATH_MAX];
    unsigned lost[FORMAT_MEMBERS_MAX], lost_count = 0;
    fsck_slab_name(r->s, slab);
    bool ok = load_row(r, bad);
    for (unsigned i = 0; ok && i < (unsigned)(r->s->header.k + r->s->header.m); i++)
        if (!r->present[i])
            lost[lost_count++] = i;
    if (ok && r->ec == NULL)
        ok = ec_new(r->s->header.k, r->s->header.m, &r->ec) == DOL_OK;
    ok = ok && ec_reconstruct(r->ec, r->payloads, r->present, lost, lost_count, r->layout.payload_bytes) == DOL_OK;
    if (!ok) {
        fsck_say(r->f->report, FSCK_LOST, FSCK_ROW, "%s row %llu: it can't be computed any more", slab,
                 (unsigned long long)bad->row);
        return;
    }
    for (unsigned i = 0; i < lost_count; i++) {
        if (r->s->drive[lost[i]] < 0)
            continue;
        ok = write_unit(r, lost[i], bad);
        fsck_say(r->f->report, ok ? FSCK_REPAIRED : FSCK_LOST, FSCK_ROW, "%s row %llu: the unit on %s%s", slab,
                 (unsigned long long)bad->row, fsck_member_name(r->f, r->s, lost[i], name),
                 ok ? "" : " can't be written");
    }
}

static bool wants_repair(const struct fsck_slab *s, const struct fsck_bad_row *bad)
{
    bool counts = s->has_limit ? bad->row < s->limit : bad->row + 1 < s->rows;
    if (!counts || bad->good < s->header.k || bad->unit_blocks == 0)
        return false;
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++)
        if (bad->state[i] != FSCK_UNIT_GOOD && bad->state[i] != FSCK_UNIT_ABSENT)
            return true;
    return false;
}

void fsck_rows_repair(struct fsck *f)
{
    for (size_t i = 0; i < f->slab_count; i++) {
        struct fsck_slab *s = f->slabs[i];
        if (s->freed)
            continue;
        fsck_extents_repair(f, s);
        struct repair r = {.f = f, .s = s, .crcs = malloc(UNIT_CRCS_MAX * sizeof(uint32_t))};
        for (size_t j = 0; j < s->bad_row_count && r.crcs != NULL; j++)
            if (wants_repair(s, &s->bad_rows[j]))
                repair_row(&r, &s->bad_rows[j]);
        repair_fini(&r);
    }
}
