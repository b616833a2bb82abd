/* The index's rows about slabs, against the slabs that were walked; and where records lie. */
#include <stdlib.h>

#include "fsck_index.h"
#include "le.h"

struct fsck_index_slab *fsck_index_slab_of(struct fsck_index *ix, uint64_t slab)
{
    uint8_t key[8];
    be64_put(key, slab);
    return fsck_index_slot(ix, &ix->slabs, bytes_of(key, sizeof key), sizeof(struct fsck_index_slab));
}

struct fsck_slab *fsck_slab_find(const struct fsck *f, uint64_t id)
{
    size_t low = 0, high = f->slab_count; /* newest first */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (f->slabs[middle]->header.slab > id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->slab_count && f->slabs[low]->header.slab == id ? f->slabs[low] : NULL;
}

/* ---- places ---- */

static bool row_find(const struct fsck_slab *s, uint32_t block, uint64_t *row)
{
    uint64_t low = 0, high = s->rows; /* rows that weren't found have block 0, and lie in gaps */
    while (low < high) {
        uint64_t middle = (low + high) / 2, at = middle;
        while (at < high && s->row_list[at].unit_blocks == 0)
            at++;
        if (at == high)
            high = middle;
        else if (s->row_list[at].block < block)
            low = at + 1;
        else
            high = middle;
    }
    while (low < s->rows && s->row_list[low].unit_blocks == 0)
        low++;
    *row = low;
    return low < s->rows && s->row_list[low].block == block;
}

struct fsck_record *fsck_record_find(const struct fsck *f, const struct place *place, struct fsck_slab **slab)
{
    struct fsck_slab *s = *slab = fsck_slab_find(f, place->slab);
    uint64_t row;
    if (s == NULL || !row_find(s, place->row_block, &row) || s->row_list[row].unit_blocks != place->unit_blocks)
        return NULL;
    size_t low = 0, high = s->record_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct fsck_record *r = &s->records[middle];
        if (r->row < row || (r->row == row && r->offset_bytes < place->offset_bytes))
            low = middle + 1;
        else
            high = middle;
    }
    struct fsck_record *r = low < s->record_count ? &s->records[low] : NULL;
    return r != NULL && r->row == row && r->offset_bytes == place->offset_bytes &&
                   r->stored_bytes == place->stored_bytes
               ? r
               : NULL;
}

const char *fsck_index_place(struct fsck_index *ix, const struct place *place, uint8_t kind, struct lsn lsn)
{
    struct fsck_slab *s;
    struct fsck_record *r = fsck_record_find(ix->f, place, &s);
    struct fsck_index_slab *known = fsck_index_slab_of(ix, place->slab);
    if (known == NULL)
        return NULL;
    known->live.bytes += place_row_bytes(place);
    known->live.records++;
    if (s == NULL)
        return "it is said to lie in a slab that the drives don't have";
    if (r == NULL || r->kind != kind || lsn_compare(r->lsn, lsn) != 0)
        return "it doesn't lie where the index says";
    if (!fsck_log_counts(s, r, ix->state.applied))
        return "it is said to lie in a row that doesn't count";
    r->indexed = true;
    return NULL;
}

/* ---- rows of slabs ---- */

static void check_position(struct fsck_index *ix, const struct fsck_slab *s, const struct slab_row *row)
{
    char name[FSCK_SLAB_NAME_BYTES];
    const struct index_slab *said = &row->slab;
    uint64_t counting = s->has_limit && s->limit < s->rows ? s->limit : s->rows;
    fsck_slab_name(s, name);
    if (said->rows > s->rows) {
        fsck_index_say(ix, FSCK_LOST, "%s: the index has applied %llu rows, the drives have %llu", name,
                       (unsigned long long)said->rows, (unsigned long long)s->rows);
        return;
    }
    if (said->rows > counting || (said->complete && said->rows < counting) ||
        (row->end_rows != SLAB_ROWS_UNKNOWN && !s->has_footer && row->end_rows != s->limit))
        fsck_index_say(ix, FSCK_REPAIRABLE, "%s: the index has applied %llu rows%s, %llu count", name,
                       (unsigned long long)said->rows, said->complete ? " and calls that all" : "",
                       (unsigned long long)counting);
    if (said->rows == 0)
        return;
    const struct fsck_row *last = &s->row_list[said->rows - 1];
    if (said->end_block != (uint64_t)last->block + last->unit_blocks || !sha256_equal(&said->last_table, &last->table))
        fsck_index_say(ix, FSCK_REPAIRABLE, "%s: row %llu, the last one applied, isn't the one that the index knows",
                       name, (unsigned long long)(said->rows - 1));
}

void fsck_index_on_slab(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct slab_row row;
    bool good = slab_row_decode(key, payload, &row) == DOL_OK;
    if (good && row.slab.slab == 0 && row.slab.rows == 0)
        return; /* of parts of rows that recovery has published */
    if (!good || row.slab.state < SLAB_STATE_OPEN || row.slab.state > SLAB_STATE_FREED) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table slabs is none");
        return;
    }
    struct fsck_index_slab *known = fsck_index_slab_of(ix, row.slab.slab);
    if (known == NULL)
        return;
    known->known = true;
    known->row = row;
    bool freed = row.slab.state == SLAB_STATE_FREED;
    ix->freed += freed;
    struct fsck_slab *s = fsck_slab_find(ix->f, row.slab.slab);
    if (s == NULL || !uuid_equal(s->header.life, row.slab.life)) {
        if (!freed && row.slab.rows > 0)
            fsck_index_say(ix, FSCK_LOST,
                           "slab %llu.%llu, of which the index has applied %llu rows, is not on the drives",
                           (unsigned long long)(row.slab.slab >> 32), (unsigned long long)(row.slab.slab & UINT32_MAX),
                           (unsigned long long)row.slab.rows);
        return;
    }
    char name[FSCK_SLAB_NAME_BYTES];
    bool freed_there = s->freed && lsn_compare(s->freed_lsn, ix->state.applied) <= 0;
    if (freed != freed_there)
        fsck_index_say(ix, FSCK_REPAIRABLE, "%s: the index says that it is %s, the log that it is %s",
                       fsck_slab_name(s, name), freed ? "freed" : "in use", freed_there ? "freed" : "in use");
    check_position(ix, s, &row);
}

void fsck_index_on_move(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    if (key.len != MOVE_KEY_BYTES || payload.len != 0) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table moves is none");
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct fsck_index_slab *known = fsck_index_slab_of(ix, be64_get((const uint8_t *)key.data + 8 * i));
        if (known != NULL)
            known->moving = true;
    }
}
