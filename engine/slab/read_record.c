/*
 * Reading one record by its place.
 *
 * A record lies in one piece, or in several when it crosses the border of data units. Each piece is read with the
 * blocks around it ("span"), into one buffer; the pieces are then moved together towards the largest, which stays where
 * the drive put it. Sealed records are opened there, in place.
 *
 * A span whose member is missing or fails to read is rebuilt from the same bytes of k other members: Reed-Solomon works
 * byte by byte, so nothing else of the row is needed. These inputs are not judged; what comes out is, by the record's
 * tag or CRC as always, and by whoever asked for it (record_read.rebuilt). If that fails, or bytes that could be read
 * turn out wrong, the row is read whole and judged unit by unit.
 *
 * Bounds: a rebuilding read holds k + 1 times the record's blocks, at most POOL_RANGE_REBUILDS_MAX on a loop; a whole
 * row is held by at most POOL_REBUILDS_MAX.
 */
#include "dol_assert.h"
#include "log.h"
#include "read_impl.h"

#define BLOCK FORMAT_BLOCK_BYTES

struct span {
    unsigned member;
    uint64_t offset; /* in the extent, block aligned */
    size_t len;      /* block aligned */
    size_t skip;     /* bytes before the record's piece */
    size_t piece;    /* bytes of the record in this unit */
};

/* A record being read. */
struct reading {
    struct pool *pool;
    struct slab *slab;
    const struct place *place;
    unsigned count;
    struct span spans[FORMAT_DATA_UNITS_MAX];
    uint64_t failed;     /* bit per member: missing, or failed to read */
    enum dol_err reason; /* of the last that failed */
    uint8_t *buffer;     /* the spans, one behind the other */
    size_t buffer_bytes;
};
_Static_assert(FORMAT_MEMBERS_MAX <= 64, "a bit per member");

static bool has_failed(const struct reading *r, unsigned member)
{
    return (r->failed >> member & 1) != 0;
}

static void set_failed(struct reading *r, unsigned member, enum dol_err reason)
{
    r->failed |= UINT64_C(1) << member;
    r->reason = reason;
}

/* The block ranges the record lies in; at most k. */
static void find_spans(struct reading *r, const struct row_layout *layout)
{
    const struct place *p = r->place;
    uint32_t at = p->offset_bytes;
    uint32_t end = p->offset_bytes + p->stored_bytes;
    while (at < end) {
        struct span *span = &r->spans[r->count++];
        uint32_t unit = at / layout->payload_bytes;
        uint32_t unit_end = (unit + 1) * layout->payload_bytes;
        uint32_t to = end < unit_end ? end : unit_end;
        uint64_t first = (uint64_t)p->row_block * BLOCK + layout->header_bytes + at % layout->payload_bytes;
        span->member = unit;
        span->offset = first / BLOCK * BLOCK;
        span->skip = (size_t)(first - span->offset);
        span->piece = to - at;
        span->len = blocks_round_up(span->skip + span->piece);
        r->buffer_bytes += span->len;
        at = to;
    }
}

/* Starts reading the span's blocks, of its own member or of one whose bytes it is rebuilt from. */
static void start(const struct reading *r, const struct span *span, unsigned member, struct drive_op *op,
                  struct join *join, uint8_t *out)
{
    drive_read_start(member_drive(r->pool, r->slab, member), op, join,
                     pool_extent_offset(r->pool, r->slab->members[member].extent, 0) + span->offset, out, span->len);
}

/* ---- spans that can be read ---- */

/* Reads the spans of members that haven't failed; those that fail now are noted. */
static void read_spans(struct reading *r)
{
    struct drive_op ops[FORMAT_DATA_UNITS_MAX];
    struct join join;
    uint8_t *out = r->buffer;
    uint64_t failed = r->failed;

    join_init(&join);
    for (unsigned i = 0; i < r->count; i++) {
        if (!has_failed(r, r->spans[i].member))
            start(r, &r->spans[i], r->spans[i].member, &ops[i], &join, out);
        out += r->spans[i].len;
    }
    join_wait(&join);
    for (unsigned i = 0; i < r->count; i++)
        if ((failed >> r->spans[i].member & 1) == 0 && ops[i].err != DOL_OK)
            set_failed(r, r->spans[i].member, ops[i].err);
}

/* Moves the pieces together; where the record begins. */
static uint8_t *gather(const struct reading *r)
{
    unsigned largest = 0;
    size_t at[FORMAT_DATA_UNITS_MAX] = {0}; /* of the pieces in the buffer */
    size_t offset = 0;
    for (unsigned i = 0; i < r->count; i++) {
        at[i] = offset + r->spans[i].skip;
        offset += r->spans[i].len;
        if (r->spans[i].piece > r->spans[largest].piece)
            largest = i;
    }
    size_t begin = at[largest];
    size_t end = begin + r->spans[largest].piece;
    for (unsigned i = largest; i-- > 0;) {
        begin -= r->spans[i].piece;
        memmove(r->buffer + begin, r->buffer + at[i], r->spans[i].piece);
    }
    for (unsigned i = largest + 1; i < r->count; i++) {
        memmove(r->buffer + end, r->buffer + at[i], r->spans[i].piece);
        end += r->spans[i].piece;
    }
    return r->buffer + begin;
}

/* ---- spans that have to be rebuilt ---- */

/* k members to rebuild from; false when there aren't enough. */
static bool choose_inputs(const struct reading *r, bool *present)
{
    unsigned chosen = 0;
    for (unsigned i = 0; i < (unsigned)(r->slab->k + r->slab->m); i++) {
        present[i] = chosen < r->slab->k && !has_failed(r, i);
        chosen += present[i];
    }
    return chosen == r->slab->k;
}

/* The span's blocks of the chosen members, into `inputs`; false when one of them failed. */
static bool read_inputs(struct reading *r, const struct span *span, const bool *present, uint8_t **units,
                        uint8_t *inputs)
{
    struct drive_op ops[FORMAT_DATA_UNITS_MAX];
    unsigned members[FORMAT_DATA_UNITS_MAX];
    struct join join;
    unsigned n = 0;
    bool good = true;

    join_init(&join);
    for (unsigned i = 0; i < (unsigned)(r->slab->k + r->slab->m); i++) {
        if (!present[i])
            continue;
        units[i] = inputs + n * span->len;
        start(r, span, i, &ops[n], &join, units[i]);
        units[i] += span->skip;
        members[n++] = i;
    }
    join_wait(&join);
    for (unsigned i = 0; i < n; i++) {
        if (ops[i].err == DOL_OK)
            continue;
        set_failed(r, members[i], ops[i].err);
        good = false;
    }
    return good;
}

/* EINCOMPLETE: too many members have failed. ESTOPPED, ENOMEM. */
static enum dol_err rebuild_span(struct reading *r, const struct span *span, uint8_t *out)
{
    bool present[FORMAT_MEMBERS_MAX];
    uint8_t *units[FORMAT_MEMBERS_MAX] = {0};
    uint8_t *inputs = blocks_alloc(span->len * r->slab->k);
    if (inputs == NULL)
        return DOL_ENOMEM;
    enum dol_err err = DOL_EINCOMPLETE;
    /* Each turn but the last finds a member that fails. */
    while (r->reason != DOL_ESTOPPED && choose_inputs(r, present)) {
        if (!read_inputs(r, span, present, units, inputs))
            continue;
        units[span->member] = out + span->skip;
        err = ec_reconstruct(r->slab->ec, units, present, &span->member, 1, span->piece);
        break;
    }
    free(inputs);
    return r->reason == DOL_ESTOPPED ? DOL_ESTOPPED : err;
}

static enum dol_err rebuild_spans(struct reading *r)
{
    struct gate *gate = &r->pool->range_gates[loop_index()];
    uint8_t *out = r->buffer;
    enum dol_err err = DOL_OK;
    uint64_t failed = r->failed; /* members that fail from here on have given their spans already */

    gate_enter(gate);
    for (unsigned i = 0; i < r->count && err == DOL_OK; i++) {
        if ((failed >> r->spans[i].member & 1) != 0)
            err = rebuild_span(r, &r->spans[i], out);
        out += r->spans[i].len;
    }
    gate_leave(gate);
    return err;
}

/* ---- the record ---- */

static enum dol_err open_expected(struct pool *pool, uint8_t *record, const struct place *place, struct lsn lsn,
                                  struct record_read *out)
{
    enum dol_err err = opener_open(pool->opener, record, place->stored_bytes, &out->header, &out->body);
    if (err == DOL_OK && lsn_compare(out->header.lsn, lsn) != 0)
        err = DOL_ECORRUPT;
    return err;
}

/* From the row as a whole: units are judged by their headers, CRCs and siblings. */
static enum dol_err read_judged(struct pool *pool, struct slab *slab, const struct place *place, struct lsn lsn,
                                struct record_read *out)
{
    struct row_image row;
    struct gate *gate = &pool->rebuild_gates[loop_index()];
    gate_enter(gate);
    enum dol_err err = row_load(pool, slab, place->row_block, place->unit_blocks, &row);
    if (err != DOL_OK) {
        gate_leave(gate);
        return err;
    }
    if (!row.complete_data) {
        err = row.unreadable > slab->m ? DOL_EINCOMPLETE : DOL_ECORRUPT;
        log_error("slab", "row lost slab=%llx block=%u good=%u of %u", (unsigned long long)slab->id, place->row_block,
                  row.good, slab->k);
        goto out;
    }
    for (unsigned i = 0; i < (unsigned)(slab->k + slab->m); i++)
        if (row.read_unit[i] && !row.good_unit[i])
            drive_count_bad_unit(member_drive(pool, slab, i));
    out->buffer_bytes = blocks_round_up(place->stored_bytes);
    out->buffer = blocks_alloc(place->stored_bytes);
    if (out->buffer == NULL) {
        err = DOL_ENOMEM;
        goto out;
    }
    row_image_copy(&row, place->offset_bytes, out->buffer, place->stored_bytes);
    err = open_expected(pool, out->buffer, place, lsn, out);
    if (err != DOL_OK)
        record_read_free(out);
out:
    row_image_free(&row);
    gate_leave(gate);
    return err;
}

/* Without looking at the rest of the row; ECORRUPT and EINCOMPLETE: that is what it takes. */
static enum dol_err read_directly(struct reading *r, struct lsn lsn, struct record_read *out)
{
    for (unsigned i = 0; i < (unsigned)(r->slab->k + r->slab->m); i++)
        if (member_drive(r->pool, r->slab, i) == NULL)
            set_failed(r, i, DOL_EIO);
    r->buffer = blocks_alloc(r->buffer_bytes);
    if (r->buffer == NULL)
        return DOL_ENOMEM;
    read_spans(r);
    for (unsigned i = 0; i < r->count; i++)
        out->rebuilt = out->rebuilt || has_failed(r, r->spans[i].member);
    enum dol_err err = r->reason == DOL_ESTOPPED ? DOL_ESTOPPED : out->rebuilt ? rebuild_spans(r) : DOL_OK;
    if (err == DOL_OK)
        err = open_expected(r->pool, gather(r), r->place, lsn, out);
    if (err != DOL_OK) {
        free(r->buffer);
        return err;
    }
    out->buffer = r->buffer;
    out->buffer_bytes = r->buffer_bytes;
    return DOL_OK;
}

enum dol_err pool_read_record(struct pool *pool, const struct place *place, struct lsn lsn, struct record_read *out)
{
    struct row_layout layout;
    struct reading r = {.pool = pool, .place = place};

    memset(out, 0, sizeof *out);
    r.slab = pool_slab_pin(pool, place->slab);
    if (r.slab == NULL)
        return DOL_ENOTFOUND;
    enum dol_err err = DOL_OK;
    if (!row_layout_of_unit(place->unit_blocks, r.slab->k, r.slab->m, &layout) ||
        (uint64_t)place->offset_bytes + place->stored_bytes > (uint64_t)layout.payload_bytes * r.slab->k ||
        (uint64_t)place->row_block + place->unit_blocks > pool_extent_blocks(pool) || place->stored_bytes == 0) {
        err = DOL_ECORRUPT;
        goto out;
    }
    find_spans(&r, &layout);
    err = read_directly(&r, lsn, out);
    if (err == DOL_ECORRUPT || err == DOL_EINCOMPLETE) {
        memset(out, 0, sizeof *out);
        out->rebuilt = true;
        err = read_judged(pool, r.slab, place, lsn, out);
    }
    if (err == DOL_OK && out->rebuilt)
        atomic_fetch_add(&pool->counters.reads_reconstructed, 1);
out:
    pool_slab_unpin(pool, r.slab);
    return err;
}

void record_read_free(struct record_read *r)
{
    free(r->buffer);
    r->buffer = NULL;
}
