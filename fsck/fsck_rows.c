/*
 * Walking a slab: row after row, all members side by side through read-ahead windows. Each unit is judged by its own
 * header, its payload's CRCs, and its siblings' digests; the rows are a chain by their table hashes. Data that misses
 * units is computed from parity; where all units are good the parity equation itself is checked.
 */
#include <stdlib.h>

#include "codec.h"
#include "fsck.h"

#define WINDOW_BYTES (4u << 20) /* read ahead of each member */

/* A stretch of one member's extent in memory. */
struct window {
    uint8_t *buf;
    size_t capacity; /* bytes */
    uint32_t block, blocks;
};

struct row_unit {
    struct unit_header header;
    uint32_t digests[FORMAT_MEMBERS_MAX];
    uint32_t *crcs;
    uint8_t state; /* enum fsck_unit */
    const uint8_t *payload;
};

struct fsck_walker {
    struct fsck *fsck;
    struct window windows[FORMAT_MEMBERS_MAX];
    struct row_unit units[FORMAT_MEMBERS_MAX];
    uint8_t *spare[FORMAT_MEMBERS_MAX]; /* computed payloads, made when first needed */
    uint8_t *data;                      /* a row's */
    uint8_t *plain;
    struct codec *codec;
    struct ec *ec;
    unsigned ec_k, ec_m;
};

#define UNIT_BYTES_MAX ((size_t)(FORMAT_ROW_DATA_BYTES_MAX / FORMAT_BLOCK_BYTES + 1) * FORMAT_BLOCK_BYTES)

enum dol_err fsck_walker_new(struct fsck *f, struct fsck_walker **out)
{
    struct fsck_walker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return DOL_ENOMEM;
    w->fsck = f;
    w->data = malloc(FORMAT_DATA_UNITS_MAX * FORMAT_BLOCK_BYTES + FORMAT_ROW_DATA_BYTES_MAX);
    w->plain = malloc(CHUNK_BYTES_MAX);
    enum dol_err err = w->data && w->plain ? codec_new(&w->codec) : DOL_ENOMEM;
    for (unsigned i = 0; i < FORMAT_MEMBERS_MAX && err == DOL_OK; i++) {
        w->units[i].crcs = malloc(UNIT_CRCS_MAX * sizeof(uint32_t));
        if (w->units[i].crcs == NULL)
            err = DOL_ENOMEM;
    }
    if (err == DOL_OK)
        *out = w;
    else
        fsck_walker_free(w);
    return err;
}

void fsck_walker_free(struct fsck_walker *w)
{
    for (unsigned i = 0; i < FORMAT_MEMBERS_MAX; i++) {
        free(w->windows[i].buf);
        free(w->units[i].crcs);
        free(w->spare[i]);
    }
    if (w->codec != NULL)
        codec_free(w->codec);
    if (w->ec != NULL)
        ec_free(w->ec);
    free(w->data);
    free(w->plain);
    free(w);
}

/* ---- windows ---- */

/* Room for `len` bytes, the first of which are the window's last `kept` blocks. */
static bool window_turn(struct window *win, size_t len, uint32_t kept)
{
    const uint8_t *rest = kept > 0 ? win->buf + (size_t)(win->blocks - kept) * FORMAT_BLOCK_BYTES : NULL;
    if (win->capacity >= len) {
        if (kept > 0)
            memmove(win->buf, rest, (size_t)kept * FORMAT_BLOCK_BYTES);
        return true;
    }
    uint8_t *grown = aligned_alloc(FORMAT_BLOCK_BYTES, len);
    if (grown == NULL)
        return false;
    if (kept > 0)
        memcpy(grown, rest, (size_t)kept * FORMAT_BLOCK_BYTES);
    free(win->buf);
    win->buf = grown;
    win->capacity = len;
    return true;
}

/* Turns the window to `blocks` blocks from `block` on; what is there of them isn't read again. */
static bool window_fill(struct fsck_walker *w, const struct fsck_slab *s, unsigned member, uint32_t block,
                        uint32_t blocks)
{
    struct window *win = &w->windows[member];
    bool inside = win->blocks > 0 && block >= win->block && block < win->block + win->blocks;
    uint32_t kept = inside ? win->block + win->blocks - block : 0;
    size_t len = (size_t)(blocks - kept) * FORMAT_BLOCK_BYTES;
    if (!window_turn(win, (size_t)blocks * FORMAT_BLOCK_BYTES, kept))
        return false;
    win->block = block;
    win->blocks = kept;
    if (!fsck_drive_read(&w->fsck->drives[s->drive[member]], fsck_extent_offset(w->fsck, s, member, block + kept),
                         win->buf + (size_t)kept * FORMAT_BLOCK_BYTES, len))
        return false;
    win->blocks = blocks;
    atomic_fetch_add(&w->fsck->bytes_done, len);
    return true;
}

/* `blocks` blocks of a member's extent from `block` on; NULL when they can't be read. Valid until the next call for
 * this member. */
static const uint8_t *window_get(struct fsck_walker *w, const struct fsck_slab *s, unsigned member, uint32_t block,
                                 uint32_t blocks)
{
    struct window *win = &w->windows[member];
    uint32_t all = (uint32_t)(w->fsck->sb.extent_bytes / FORMAT_BLOCK_BYTES);
    if (s->drive[member] < 0 || block >= all || blocks > all - block)
        return NULL;
    if (win->blocks == 0 || block < win->block || block + blocks > win->block + win->blocks) {
        uint32_t ahead = WINDOW_BYTES / FORMAT_BLOCK_BYTES;
        if (ahead < blocks)
            ahead = blocks;
        if (ahead > all - block)
            ahead = all - block;
        if (!window_fill(w, s, member, block, ahead) && !window_fill(w, s, member, block, blocks))
            return NULL;
    }
    return win->buf + (size_t)(block - win->block) * FORMAT_BLOCK_BYTES;
}

/* ---- judging a row ---- */

/* A header of this life that a newer program wrote ends the walk: what it says isn't known. */
static void judge_header(struct fsck_walker *w, struct fsck_slab *s, unsigned member, uint32_t block, uint64_t row)
{
    struct row_unit *u = &w->units[member];
    const struct extent_header *x = &s->header;
    u->state = s->drive[member] < 0 ? FSCK_UNIT_ABSENT : FSCK_UNIT_UNREADABLE;
    const uint8_t *at = window_get(w, s, member, block, 1);
    if (at == NULL)
        return;
    u->state = FSCK_UNIT_NONE;
    struct unit_header *h = &u->header;
    enum dol_err err = unit_header_decode(at, FORMAT_BLOCK_BYTES, x->life, h, u->digests, u->crcs, NULL);
    if (err == DOL_EFORMAT)
        s->err = err;
    if (err != DOL_OK)
        return;
    if (uuid_equal(h->pool, x->pool) && h->slab == x->slab && h->row == row && h->row_block == block && h->k == x->k &&
        h->m == x->m && h->member == member && uuid_equal(h->drive, x->members[member].drive) &&
        h->extent == x->members[member].extent)
        u->state = FSCK_UNIT_GOOD;
}

static bool same_row(const struct fsck_slab *s, const struct row_unit *a, const struct row_unit *b)
{
    return a->header.unit_blocks == b->header.unit_blocks && a->header.data_bytes == b->header.data_bytes &&
           a->header.record_count == b->header.record_count &&
           sha256_equal(&a->header.prev_table, &b->header.prev_table) &&
           memcmp(a->digests, b->digests, (size_t)(s->header.k + s->header.m) * sizeof a->digests[0]) == 0;
}

/* The member whose header speaks for the row: most others agree with it, and it names the row before. -1: none. */
static int spokesman(const struct fsck_walker *w, const struct fsck_slab *s, const struct sha256 *prev)
{
    unsigned count = s->header.k + s->header.m, best_votes = 0;
    int best = -1;
    for (unsigned i = 0; i < count; i++) {
        unsigned votes = 0;
        if (w->units[i].state != FSCK_UNIT_GOOD || (prev && !sha256_equal(&w->units[i].header.prev_table, prev)))
            continue;
        for (unsigned j = 0; j < count; j++)
            votes += w->units[j].state == FSCK_UNIT_GOOD && same_row(s, &w->units[i], &w->units[j]);
        if (votes > best_votes) {
            best_votes = votes;
            best = (int)i;
        }
    }
    return best;
}

static void judge_payload(struct fsck_walker *w, const struct fsck_slab *s, unsigned member,
                          const struct row_unit *lead, const struct row_layout *layout)
{
    struct row_unit *u = &w->units[member];
    if (u->state != FSCK_UNIT_GOOD)
        return;
    if (!same_row(s, u, lead)) {
        u->state = FSCK_UNIT_STRANGE;
        return;
    }
    const uint8_t *unit = window_get(w, s, member, lead->header.row_block, layout->unit_blocks);
    if (unit == NULL) {
        u->state = FSCK_UNIT_UNREADABLE;
        return;
    }
    u->payload = unit + layout->header_bytes;
    if (!unit_payload_ok(u->payload, layout, u->crcs) || unit_digest(u->crcs, layout->crc_count) != u->digests[member])
        u->state = FSCK_UNIT_DAMAGED;
}

/* ---- computing what is missing ---- */

static bool spare_get(struct fsck_walker *w, unsigned member)
{
    if (w->spare[member] == NULL)
        w->spare[member] = malloc(UNIT_BYTES_MAX);
    return w->spare[member] != NULL;
}

static bool code_for(struct fsck_walker *w, const struct fsck_slab *s)
{
    if (w->ec != NULL && w->ec_k == s->header.k && w->ec_m == s->header.m)
        return true;
    if (w->ec != NULL)
        ec_free(w->ec);
    w->ec = NULL;
    w->ec_k = s->header.k;
    w->ec_m = s->header.m;
    return ec_new(w->ec_k, w->ec_m, &w->ec) == DOL_OK;
}

/* All data payloads in w->data, one behind the other; at least k units are good. */
static bool gather(struct fsck_walker *w, const struct fsck_slab *s, const struct row_layout *layout)
{
    unsigned k = s->header.k, count = k + s->header.m, bad[FORMAT_MEMBERS_MAX], bad_count = 0;
    uint8_t *units[FORMAT_MEMBERS_MAX];
    bool present[FORMAT_MEMBERS_MAX];
    for (unsigned i = 0; i < count; i++) {
        present[i] = w->units[i].state == FSCK_UNIT_GOOD;
        units[i] = w->data + (size_t)i * layout->payload_bytes; /* data units */
        if (i >= k) {
            if (!present[i])
                units[i] = NULL;
            else if (spare_get(w, i))
                units[i] = memcpy(w->spare[i], w->units[i].payload, layout->payload_bytes);
            else
                return false;
        } else if (present[i]) {
            memcpy(units[i], w->units[i].payload, layout->payload_bytes);
        } else {
            bad[bad_count++] = i;
        }
    }
    return bad_count == 0 ||
           (code_for(w, s) && ec_reconstruct(w->ec, units, present, bad, bad_count, layout->payload_bytes) == DOL_OK);
}

/* With every unit good: does parity fit the data? CRCs can't tell when a writer computed it wrong. */
static bool parity_fits(struct fsck_walker *w, const struct fsck_slab *s, const struct row_layout *layout)
{
    const uint8_t *data[FORMAT_MEMBERS_MAX];
    uint8_t *parity[FORMAT_MEMBERS_MAX];
    for (unsigned i = 0; i < s->header.k; i++)
        data[i] = w->units[i].payload;
    for (unsigned i = 0; i < s->header.m; i++) {
        if (!spare_get(w, s->header.k + i))
            return true;
        parity[i] = w->spare[s->header.k + i];
    }
    if (s->header.m == 0 || !code_for(w, s))
        return true;
    ec_encode(w->ec, data, parity, layout->payload_bytes);
    for (unsigned i = 0; i < s->header.m; i++)
        if (memcmp(parity[i], w->units[s->header.k + i].payload, layout->payload_bytes) != 0)
            return false;
    return true;
}

/* ---- rows ---- */

static bool keep_bad_row(struct fsck_walker *w, struct fsck_slab *s, uint64_t row, uint32_t block, uint32_t unit_blocks)
{
    if (s->bad_row_count == s->bad_row_capacity) {
        size_t capacity = s->bad_row_capacity ? s->bad_row_capacity * 2 : 16;
        struct fsck_bad_row *grown = realloc(s->bad_rows, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        s->bad_rows = grown;
        s->bad_row_capacity = capacity;
    }
    struct fsck_bad_row *bad = &s->bad_rows[s->bad_row_count++];
    *bad = (struct fsck_bad_row){.row = row, .block = block, .unit_blocks = unit_blocks};
    for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++) {
        bad->state[i] = w->units[i].state;
        bad->good = (uint8_t)(bad->good + (bad->state[i] == FSCK_UNIT_GOOD));
        bad->unreadable =
            (uint8_t)(bad->unreadable + (bad->state[i] == FSCK_UNIT_ABSENT || bad->state[i] == FSCK_UNIT_UNREADABLE));
    }
    return true;
}

static bool keep_row(struct fsck_slab *s, uint64_t row, const struct fsck_row *found)
{
    if (row >= s->row_capacity) {
        size_t capacity = s->row_capacity ? s->row_capacity : 64;
        while (capacity <= row)
            capacity *= 2;
        struct fsck_row *grown = realloc(s->row_list, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        memset(grown + s->row_capacity, 0, (capacity - s->row_capacity) * sizeof *grown);
        s->row_list = grown;
        s->row_capacity = capacity;
    }
    s->row_list[row] = *found;
    return true;
}

struct cursor {
    uint64_t row;
    uint32_t block;
    struct sha256 prev;
    bool prev_known;
};

/* One row. false: there is none here. */
static bool walk_row(struct fsck_walker *w, struct fsck_slab *s, struct cursor *c)
{
    struct row_layout layout;
    char name[FSCK_SLAB_NAME_BYTES];
    unsigned count = s->header.k + s->header.m, good = 0;
    for (unsigned i = 0; i < count; i++)
        judge_header(w, s, i, c->block, c->row);
    int speaks = spokesman(w, s, c->prev_known ? &c->prev : NULL);
    if (speaks < 0)
        return false;
    const struct row_unit *lead = &w->units[speaks];
    if (!row_layout_of_unit(lead->header.unit_blocks, s->header.k, s->header.m, &layout))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (i != (unsigned)speaks)
            judge_payload(w, s, i, lead, &layout);
    judge_payload(w, s, (unsigned)speaks, lead, &layout);
    for (unsigned i = 0; i < count; i++)
        good += w->units[i].state == FSCK_UNIT_GOOD;

    if (good < count && !keep_bad_row(w, s, c->row, c->block, layout.unit_blocks))
        s->err = DOL_ENOMEM;
    if (good == count && !parity_fits(w, s, &layout))
        fsck_lines_add(&s->lines, FSCK_LOST, FSCK_PARITY,
                       "%s row %llu: every unit is as it was written, and parity does not fit the data",
                       fsck_slab_name(s, name), (unsigned long long)c->row);
    if (good >= s->header.k && gather(w, s, &layout))
        fsck_records_walk(w->fsck, s, w->codec, w->plain, (uint32_t)c->row, w->data, lead->header.data_bytes);
    s->data_bytes += lead->header.data_bytes;
    c->prev = unit_table_hash(s->header.life, c->row, &lead->header.prev_table, lead->digests, count);
    c->prev_known = true;
    const struct fsck_row found = {c->block, layout.unit_blocks, c->prev};
    if (!keep_row(s, c->row, &found))
        s->err = DOL_ENOMEM;
    c->row++;
    c->block += layout.unit_blocks;
    return true;
}

/* Past a row without any good header: the next good one of this life. */
static bool skip_gap(struct fsck_walker *w, struct fsck_slab *s, struct cursor *c)
{
    uint32_t all = (uint32_t)(w->fsck->sb.extent_bytes / FORMAT_BLOCK_BYTES);
    struct unit_header h;
    for (uint32_t block = c->block; block < all; block++) {
        for (unsigned i = 0; i < (unsigned)(s->header.k + s->header.m); i++) {
            const uint8_t *at = window_get(w, s, i, block, 1);
            if (at == NULL ||
                unit_header_decode(at, FORMAT_BLOCK_BYTES, s->header.life, &h, NULL, NULL, NULL) != DOL_OK ||
                h.row <= c->row || h.member != i || h.row_block != block)
                continue;
            for (unsigned m = 0; m < FORMAT_MEMBERS_MAX; m++)
                w->units[m].state =
                    m < (unsigned)(s->header.k + s->header.m) && s->drive[m] < 0 ? FSCK_UNIT_ABSENT : FSCK_UNIT_NONE;
            for (uint64_t row = c->row; row < h.row; row++)
                if (!keep_bad_row(w, s, row, c->block, 0))
                    s->err = DOL_ENOMEM;
            *c = (struct cursor){.row = h.row, .block = block};
            return true;
        }
    }
    return false;
}

void fsck_slab_walk(struct fsck_walker *w, struct fsck_slab *s)
{
    struct cursor c = {.block = 1, .prev_known = true};
    for (unsigned i = 0; i < FORMAT_MEMBERS_MAX; i++)
        w->windows[i].blocks = 0;
    while (s->err == DOL_OK && (!s->has_limit || c.row < s->limit))
        if (!walk_row(w, s, &c) && !skip_gap(w, s, &c))
            break;
    s->rows = c.row;
    if (s->lines.failed)
        s->err = DOL_ENOMEM;
}
