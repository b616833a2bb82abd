/*
 * Slabs: found from the extent headers of all drives (docs/format.md, sections 4 and 10). One good header makes a slab
 * known; headers that its siblings should have and don't are bad.
 */
#include <stdlib.h>

#include "fsck.h"

const char *fsck_slab_name(const struct fsck_slab *s, char out[FSCK_SLAB_NAME_BYTES])
{
    snprintf(out, FSCK_SLAB_NAME_BYTES, "slab %llu.%llu", (unsigned long long)(s->header.slab >> 32),
             (unsigned long long)(s->header.slab & 0xffffffffu));
    return out;
}

const char *fsck_member_name(const struct fsck *f, const struct fsck_slab *s, unsigned member, char out[PATH_MAX])
{
    if (s->drive[member] >= 0) {
        snprintf(out, PATH_MAX, "%s", f->drives[s->drive[member]].path);
        return out;
    }
    char *at = out + snprintf(out, PATH_MAX, "missing drive ");
    for (unsigned i = 0; i < sizeof s->header.members[member].drive.b; i++)
        at += snprintf(at, 3, "%02x", s->header.members[member].drive.b[i]);
    return out;
}

static struct fsck_slab *find_slab(struct fsck *f, const struct extent_header *h)
{
    for (size_t i = f->slab_count; i-- > 0;)
        if (f->slabs[i]->header.slab == h->slab && uuid_equal(f->slabs[i]->header.life, h->life))
            return f->slabs[i];
    return NULL;
}

static struct fsck_slab *add_slab(struct fsck *f, const struct extent_header *h)
{
    if (f->slab_count == f->slab_capacity) {
        size_t capacity = f->slab_capacity ? f->slab_capacity * 2 : 64;
        struct fsck_slab **grown = realloc(f->slabs, capacity * sizeof(struct fsck_slab *));
        if (grown == NULL)
            return NULL;
        f->slabs = grown;
        f->slab_capacity = capacity;
    }
    struct fsck_slab *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->header = *h;
    for (unsigned i = 0; i < (unsigned)(h->k + h->m); i++) {
        s->drive[i] = fsck_drive_find(f, h->members[i].drive);
        s->header_state[i] = s->drive[i] < 0 ? FSCK_UNIT_ABSENT : FSCK_UNIT_NONE;
    }
    f->slabs[f->slab_count++] = s;
    return s;
}

static enum dol_err scan_drive(struct fsck *f, struct fsck_drive *d, uint8_t *block, struct extent_header *h)
{
    for (uint32_t extent = 0; extent < d->extents; extent++) {
        uint64_t offset = FORMAT_EXTENTS_OFFSET + extent * f->sb.extent_bytes;
        if (!fsck_drive_read(d, offset, block, EXTENT_HEADER_BYTES)) {
            f->totals.headers_unreadable++;
            fsck_say(f->report, FSCK_LOST, FSCK_SLAB, "%s: the header of extent %u can't be read", d->path, extent);
            continue;
        }
        enum dol_err err = extent_header_decode(block, h);
        if (err == DOL_EFORMAT)
            return err;
        if (err != DOL_OK || !uuid_equal(h->pool, f->sb.pool) || h->extent_bytes != f->sb.extent_bytes ||
            !uuid_equal(h->members[h->member].drive, d->sb.drive) || h->members[h->member].extent != extent)
            continue;
        struct fsck_slab *s = find_slab(f, h);
        if (s == NULL)
            s = add_slab(f, h);
        if (s == NULL)
            return DOL_ENOMEM;
        s->header_state[h->member] = FSCK_UNIT_GOOD;
    }
    return DOL_OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct fsck_slab *x = *(struct fsck_slab *const *)a, *y = *(struct fsck_slab *const *)b;
    return x->header.slab < y->header.slab ? 1 : x->header.slab > y->header.slab ? -1 : 0;
}

/* EFORMAT: a newer program wrote it. */
static enum dol_err read_footer(struct fsck *f, struct fsck_slab *s, uint8_t *block, struct extent_footer *footer)
{
    uint32_t last = (uint32_t)(f->sb.extent_bytes / FORMAT_BLOCK_BYTES) - 1;
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m) && !s->has_footer; i++) {
        if (s->drive[i] < 0 ||
            !fsck_drive_read(&f->drives[s->drive[i]], fsck_extent_offset(f, s, i, last), block, EXTENT_FOOTER_BYTES))
            continue;
        enum dol_err err = extent_footer_decode(block, s->header.life, footer);
        if (err == DOL_EFORMAT)
            return err;
        if (err != DOL_OK || footer->slab != s->header.slab)
            continue;
        s->footer = *footer;
        s->has_footer = s->has_limit = true;
        s->limit = footer->rows;
    }
    return DOL_OK;
}

enum dol_err fsck_slabs_find(struct fsck *f)
{
    uint8_t *block = aligned_alloc(FORMAT_BLOCK_BYTES, FORMAT_BLOCK_BYTES);
    struct extent_header *h = malloc(sizeof *h);
    struct extent_footer *footer = malloc(sizeof *footer);
    enum dol_err err = block && h && footer ? DOL_OK : DOL_ENOMEM;
    for (unsigned i = 0; i < f->drive_count && err == DOL_OK; i++)
        if (f->drives[i].member)
            err = scan_drive(f, &f->drives[i], block, h);
    if (err == DOL_OK && f->slab_count > 0)
        qsort(f->slabs, f->slab_count, sizeof f->slabs[0], newest_first);
    for (size_t i = 0; i < f->slab_count && err == DOL_OK; i++)
        err = read_footer(f, f->slabs[i], block, footer);
    free(block);
    free(h);
    free(footer);
    return err;
}

void fsck_slabs_free(struct fsck *f)
{
    for (size_t i = 0; i < f->slab_count; i++) {
        free(f->slabs[i]->records);
        free(f->slabs[i]->bodies);
        free(f->slabs[i]->bad_rows);
        free(f->slabs[i]->row_list);
        fsck_lines_say(NULL, &f->slabs[i]->lines);
        free(f->slabs[i]);
    }
    free(f->slabs);
}

/* ---- repair ---- */

static bool repair_header(struct fsck *f, struct fsck_slab *s, unsigned member, uint8_t *block)
{
    struct extent_header h = s->header;
    h.member = (uint8_t)member;
    extent_header_encode(&h, block);
    return fsck_drive_write(&f->drives[s->drive[member]], fsck_extent_offset(f, s, member, 0), block,
                            EXTENT_HEADER_BYTES);
}

/* A sealed slab's footer lies on every member. */
static bool repair_footer(struct fsck *f, struct fsck_slab *s, unsigned member, uint8_t *block, bool *was_bad)
{
    uint32_t last = (uint32_t)(f->sb.extent_bytes / FORMAT_BLOCK_BYTES) - 1;
    struct fsck_drive *d = &f->drives[s->drive[member]];
    struct extent_footer *found = malloc(sizeof *found);
    uint64_t offset = fsck_extent_offset(f, s, member, last);
    *was_bad = found != NULL && !(fsck_drive_read(d, offset, block, EXTENT_FOOTER_BYTES) &&
                                  extent_footer_decode(block, s->header.life, found) == DOL_OK);
    free(found);
    if (!*was_bad)
        return true;
    struct extent_footer footer = s->footer;
    footer.member = (uint8_t)member;
    extent_footer_encode(&footer, block);
    return fsck_drive_write(d, offset, block, EXTENT_FOOTER_BYTES);
}

void fsck_extents_repair(struct fsck *f, struct fsck_slab *s)
{
    char slab[FSCK_SLAB_NAME_BYTES], name[PATH_MAX];
    uint8_t *block = aligned_alloc(FORMAT_BLOCK_BYTES, FORMAT_BLOCK_BYTES);
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m) && block != NULL; i++) {
        bool was_bad = false, ok = true;
        if (s->drive[i] < 0)
            continue;
        fsck_slab_name(s, slab);
        fsck_member_name(f, s, i, name);
        if (s->has_footer)
            ok = repair_footer(f, s, i, block, &was_bad);
        if (was_bad)
            fsck_say(f->report, ok ? FSCK_REPAIRED : FSCK_LOST, FSCK_SLAB, "%s: extent footer on %s", slab, name);
        if (s->header_state[i] == FSCK_UNIT_GOOD)
            continue;
        ok = repair_header(f, s, i, block);
        fsck_say(f->report, ok ? FSCK_REPAIRED : FSCK_LOST, FSCK_SLAB, "%s: extent header on %s", slab, name);
        if (ok)
            s->header_state[i] = FSCK_UNIT_GOOD;
    }
    free(block);
}
