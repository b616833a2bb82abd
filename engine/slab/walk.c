/* Walking a slab: see walk.h. */
#include "walk.h"

#include <stdlib.h>

#include "log.h"
#include "recovery.h"

void slab_walk_init(struct slab_walk *w, struct pool *pool, struct slab *slab)
{
    *w = (struct slab_walk){.pool = pool, .slab = slab, .block = FIRST_ROW_BLOCK};
}

void slab_walk_fini(struct slab_walk *w)
{
    row_image_free(&w->image);
}

/* One row, with or without records. */
static enum dol_err walk_load(struct slab_walk *w)
{
    struct row_probe probe;
    enum dol_err err = row_probe(w->pool, w->slab, w->block, &probe);
    if (err == DOL_OK && probe.header.row != w->row)
        err = DOL_ECORRUPT;
    if (err == DOL_ENOTFOUND)
        err = probe.unreadable > w->slab->m ? DOL_EINCOMPLETE : DOL_ECORRUPT;
    if (err == DOL_OK && probe.header.record_count > 0)
        err = row_load(w->pool, w->slab, w->block, probe.header.unit_blocks, &w->image);
    if (err != DOL_OK)
        return err;
    if (probe.header.record_count > 0 && !w->image.complete_data)
        return w->image.unreadable > w->slab->m ? DOL_EINCOMPLETE : DOL_ECORRUPT;
    w->bytes_read += (uint64_t)probe.header.unit_blocks * FORMAT_BLOCK_BYTES * (unsigned)(w->slab->k + w->slab->m);
    w->block += probe.header.unit_blocks;
    w->row++;
    return DOL_OK;
}

enum dol_err slab_walk_row(struct slab_walk *w)
{
    enum dol_err err = DOL_OK;
    row_image_free(&w->image);
    w->offset = w->index = 0;
    do {
        if (w->row == w->slab->rows)
            return DOL_ENOTFOUND;
        err = walk_load(w);
    } while (err == DOL_OK && w->image.buffer == NULL);
    if (err == DOL_ECORRUPT || err == DOL_EINCOMPLETE)
        log_error("slab", "row %llu of slab %llx can't be rebuilt", (unsigned long long)w->row,
                  (unsigned long long)w->slab->id);
    return err;
}

enum dol_err slab_walk_record(struct slab_walk *w, struct walk_record *out)
{
    struct opened_record opened;
    if (w->index == w->image.header.record_count)
        return DOL_ENOTFOUND;
    *out = (struct walk_record){.stored = NULL};
    enum dol_err err = row_record_open(w->pool, w->slab, &w->image, &w->offset, &opened, &out->stored);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ECORRUPT : err;
    w->index++;
    out->header = opened.header;
    out->place = opened.place;
    out->payload = opened.payload;
    out->opened = opened.record;
    return DOL_OK;
}

void walk_record_free(struct walk_record *r)
{
    free(r->opened);
    free(r->stored);
    r->opened = r->stored = NULL;
}
