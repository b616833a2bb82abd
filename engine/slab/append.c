/*
 * Appender: packs, writes, publishes, answers. See append.h for the promises and appender.h for the state.
 *
 * One turn of the appender's fiber: take groups while they fit one row -> LSNs (registered as in flight) -> seal
 * records straight into the unit buffers -> parity, checksums, headers -> k + m durable writes -> publish -> LSNs done
 * -> wake. No other flush is in the path.
 */
#include "append.h"

#include <stdlib.h>

#include "appender.h"
#include "dol_assert.h"
#include "log.h"

/* ---- packing ---- */

enum dol_err appender_pack(struct appender *a, struct append_record *record)
{
    if (a->packed_count == a->packed_capacity) {
        unsigned capacity = a->packed_capacity ? a->packed_capacity * 2 : 256;
        struct append_record **grown = realloc(a->packed, capacity * sizeof *grown);
        if (grown == NULL)
            return DOL_ENOMEM;
        a->packed = grown;
        a->packed_capacity = capacity;
    }
    a->packed[a->packed_count++] = record;
    return DOL_OK;
}

static uint32_t packed_bytes(const struct appender *a)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < a->packed_count; i++)
        sum += append_record_stored(a->packed[i]);
    return sum;
}

static void directory_add(struct slab_directory *d, const struct append_record *r)
{
    struct directory_entry e = {.kind = r->kind,
                                .flags = r->flags,
                                .codec = r->codec,
                                .lsn = r->lsn,
                                .place = r->place,
                                .plain_bytes = r->plain_bytes,
                                .payload = r->payload};
    size_t n = directory_entry_encode(&e, d->entries[d->active] + d->len,
                                      DIRECTORY_RECORD_BYTES_MAX - TLV_HEADER_BYTES - d->len);
    dol_assert(n > 0);
    d->len += (uint32_t)n;
    if (d->lsn_min.run == 0 || lsn_compare(r->lsn, d->lsn_min) < 0)
        d->lsn_min = r->lsn;
    if (lsn_compare(r->lsn, d->lsn_max) > 0)
        d->lsn_max = r->lsn;
}

static enum dol_err lay_record(struct appender *a, struct append_record *r)
{
    r->place.slab = a->slab->id;
    r->place.row_block = a->slab->end_block;
    r->place.unit_blocks = a->row.layout.unit_blocks;
    r->place.offset_bytes = a->row.cursor;
    if (r->raw != NULL) {
        static const uint8_t zero[RECORD_ALIGN_BYTES];
        r->place.stored_bytes = r->raw_bytes;
        row_builder_put(&a->row, r->raw, r->raw_bytes);
        row_builder_put(&a->row, zero, append_record_stored(r) - r->raw_bytes);
        return DOL_OK;
    }
    struct record_header h = {
        .kind = r->kind, .flags = r->flags, .codec = r->codec, .lsn = r->lsn, .plain_bytes = r->plain_bytes};
    for (unsigned i = 0; i < r->part_count; i++)
        h.body_bytes += (uint32_t)r->parts[i].len;
    r->place.stored_bytes = RECORD_HEADER_BYTES + h.body_bytes + RECORD_TRAILER_BYTES;
    return sealer_put(a->sealer, &h, r->parts, r->part_count, row_builder_dest, &a->row);
}

enum dol_err appender_ready_row(struct appender *a)
{
    enum dol_err err = row_builder_begin(&a->row, a->slab, packed_bytes(a));
    if (err != DOL_OK)
        return err;
    return appender_prepare(a, a->slab->end_block + a->row.layout.unit_blocks);
}

enum dol_err appender_write_row(struct appender *a, uint8_t row_flags)
{
    struct slab *slab = a->slab;
    struct unit_header h = {.pool = a->pool->sb.pool,
                            .slab = slab->id,
                            .life = slab->life,
                            .row = slab->rows,
                            .run = a->pool->run,
                            .epoch = atomic_load(&a->pool->epoch),
                            .k = slab->k,
                            .m = slab->m,
                            .flags = row_flags,
                            .row_block = slab->end_block,
                            .record_count = a->packed_count,
                            .data_bytes = packed_bytes(a),
                            .prev_table = slab->last_table,
                            .ec_alg = slab->m ? FORMAT_EC_RS_CAUCHY : 0,
                            .crc_alg = FORMAT_CRC_CRC32C};
    enum dol_err err;
    h.unit_blocks = a->row.layout.unit_blocks;
    for (unsigned i = 0; i < a->packed_count; i++) {
        struct append_record *r = a->packed[i];
        if (i == 0 || lsn_compare(r->lsn, h.lsn_first) < 0)
            h.lsn_first = r->lsn;
        if (i == 0 || lsn_compare(r->lsn, h.lsn_last) > 0)
            h.lsn_last = r->lsn;
        err = lay_record(a, r);
        if (err != DOL_OK)
            return err;
    }
    row_builder_finish(&a->row, a->pool, slab, &h);
    size_t unit_bytes = (size_t)h.unit_blocks * FORMAT_BLOCK_BYTES;
    err = slab_write_members(a->pool, slab, slab->end_block, a->row.units, unit_bytes);
    if (err != DOL_OK)
        return err;

    slab->rows++;
    slab->end_block += h.unit_blocks;
    if (row_flags == 0) /* what clients make of it */
        a->unit_blocks_sum += h.unit_blocks - a->unit_blocks_sum / APPEND_UNITS_AVERAGED;
    slab->last_table = a->row.table;
    a->unproven = a->packed_count > 0;
    for (unsigned i = 0; i < a->packed_count; i++)
        if (a->packed[i]->kind != RECORD_DIRECTORY)
            directory_add(&a->directory, a->packed[i]);
    atomic_fetch_add(a->packed_count ? &a->pool->counters.rows : &a->pool->counters.rows_empty, 1);
    atomic_fetch_add(&a->pool->counters.records, a->packed_count);
    atomic_fetch_add(&a->pool->counters.drive_bytes_written, unit_bytes * (unsigned)(slab->k + slab->m));
    return DOL_OK;
}

/* ---- publication ---- */

void appender_publish(struct appender *a)
{
    struct slab *slab = a->slab;
    struct index_record *records = calloc(a->packed_count ? a->packed_count : 1, sizeof *records);
    unsigned n = 0;
    if (records == NULL) {
        runtime_panic("no memory to publish a durable row");
        return;
    }
    for (unsigned i = 0; i < a->packed_count; i++) {
        const struct append_record *r = a->packed[i];
        if (r->kind == RECORD_DIRECTORY)
            continue;
        records[n] = (struct index_record){.kind = r->kind,
                                           .codec = r->codec,
                                           .lsn = r->lsn,
                                           .place = r->place,
                                           .plain_bytes = r->plain_bytes,
                                           .payload = r->payload};
        if (r->kind == RECORD_MOVED) {
            dol_assert(r->moved_count <= n);
            records[n].moved = &records[n - r->moved_count];
            records[n].moved_count = r->moved_count;
        }
        n++;
    }
    struct index_row row = {.after = {.slab = slab->id,
                                      .life = slab->life,
                                      .state = (uint8_t)slab->state,
                                      .rows = slab->rows,
                                      .end_block = slab->end_block,
                                      .last_table = slab->last_table,
                                      .complete = slab->state != SLAB_STATE_OPEN},
                            .records = records,
                            .record_count = n};
    enum dol_err err = index_publish(a->pool->index, &row);
    free(records);
    if (err != DOL_OK)
        runtime_panic("a durable row could not be published: %s", dol_err_text(err));
}

/* ---- sealing ---- */

/* A record that holds the pending entries. Once numbered, directory_swap() makes room for those of the row that carries
 * it. */
static void directory_record_make(const struct slab_directory *d, struct append_record *r,
                                  uint8_t header[TLV_HEADER_BYTES])
{
    struct le16 type = le16_of(1), flags = le16_of(0);
    struct le32 len = le32_of(d->len);
    memcpy(header, &type, sizeof type);
    memcpy(header + 2, &flags, sizeof flags);
    memcpy(header + 4, &len, sizeof len);
    memset(r, 0, sizeof *r);
    r->kind = RECORD_DIRECTORY;
    r->flags = RECORD_FLAG_SKIP;
    r->parts[0] = bytes_of(header, TLV_HEADER_BYTES);
    r->parts[1] = bytes_of(d->entries[d->active], d->len);
    r->part_count = 2;
}

static void directory_swap(struct slab_directory *d)
{
    d->active ^= 1;
    d->len = 0;
}

static void directory_row_add(struct slab_directory *d, const struct place *place)
{
    d->rows[d->row_count++] = (struct extent_directory_row){place->row_block, place->unit_blocks};
}

static enum dol_err write_footers(struct appender *a)
{
    struct slab *slab = a->slab;
    unsigned members = (unsigned)(slab->k + slab->m);
    struct extent_footer *f = calloc(1, sizeof *f);
    uint8_t *block = aligned_alloc(FORMAT_BLOCK_BYTES, (size_t)EXTENT_FOOTER_BYTES * FORMAT_MEMBERS_MAX);
    uint8_t *buffers[FORMAT_MEMBERS_MAX];
    enum dol_err err = DOL_ENOMEM;
    if (f == NULL || block == NULL)
        goto out;
    f->pool = a->pool->sb.pool;
    f->slab = slab->id;
    f->life = slab->life;
    f->rows = slab->rows;
    f->end_block = slab->end_block;
    f->lsn_min = a->directory.lsn_min;
    f->lsn_max = a->directory.lsn_max;
    f->last_table = slab->last_table;
    f->directory_count = a->directory.row_count;
    memcpy(f->directory, a->directory.rows, sizeof f->directory[0] * f->directory_count);
    for (unsigned i = 0; i < members; i++) {
        f->member = (uint8_t)i;
        buffers[i] = block + (size_t)i * EXTENT_FOOTER_BYTES;
        extent_footer_encode(f, buffers[i]);
    }
    err = slab_write_members(a->pool, slab, pool_extent_blocks(a->pool) - 1, buffers, EXTENT_FOOTER_BYTES);
out:
    free(f);
    free(block);
    return err;
}

static enum dol_err write_last_directory(struct appender *a)
{
    struct append_record directory;
    uint8_t header[TLV_HEADER_BYTES];
    struct append_record **packed = a->packed;
    struct append_record *only[1] = {&directory};
    unsigned kept = a->packed_count;

    directory_record_make(&a->directory, &directory, header);
    a->packed = only;
    a->packed_count = 1;
    enum dol_err err = appender_ready_row(a);
    bool ready = err == DOL_OK;
    if (ready) {
        directory.lsn = pool_lsn_take(a->pool, a->loop, 1);
        directory_swap(&a->directory);
        err = appender_write_row(a, UNIT_FLAG_DIRECTORY);
        if (err == DOL_OK)
            directory_row_add(&a->directory, &directory.place);
        pool_lsn_done(a->pool, a->loop);
    }
    a->packed = packed;
    a->packed_count = kept;
    if (err != DOL_OK && ready)
        a->slab->state = SLAB_STATE_ENDED;
    return err;
}

enum dol_err appender_seal(struct appender *a)
{
    struct slab *slab = a->slab;
    unsigned kept = a->packed_count;
    enum dol_err err = DOL_OK;

    if (a->directory.len > 0)
        err = write_last_directory(a);
    if (err != DOL_OK && slab->state == SLAB_STATE_OPEN)
        return err; /* no space for the row: nothing has changed */
    while (a->preparing)
        waitq_wait(&a->prepared); /* its zeroes may reach to the footer */
    if (err == DOL_OK)
        err = write_footers(a);
    slab->state = err == DOL_OK ? SLAB_STATE_SEALED : SLAB_STATE_ENDED;
    if (err == DOL_OK) {
        atomic_fetch_add(&a->pool->counters.slabs_sealed, 1);
        a->packed_count = 0;
        appender_publish(a);
        a->packed_count = kept;
        appender_drop_slab(a);
    }
    return err;
}

/* ---- a row that fails ---- */

static void publish_end(struct appender *a, const struct slab *old)
{
    struct index_row row = {.after = {.slab = old->id,
                                      .life = old->life,
                                      .state = SLAB_STATE_ENDED,
                                      .rows = old->rows,
                                      .end_block = old->end_block,
                                      .last_table = old->last_table,
                                      .complete = true}};
    enum dol_err err = index_publish(a->pool->index, &row);
    if (err != DOL_OK)
        runtime_panic("the end of a slab could not be published: %s", dol_err_text(err));
}

/* Slabs that end, the appender's and successors that failed like it, and their verdicts. */
#define CARRY_SLABS_MAX (FORMAT_PARITY_UNITS_MAX + 2u)
struct verdicts {
    struct slab *slabs[CARRY_SLABS_MAX];
    struct append_record records[CARRY_SLABS_MAX];
    uint8_t bodies[CARRY_SLABS_MAX][128];
    unsigned count;
};

/* The appender's slab ends behind its last acknowledged row; the verdict goes before what is packed. */
static enum dol_err end_slab(struct appender *a, struct verdicts *v)
{
    struct slab *old = a->slab;
    struct append_record *verdict = &v->records[v->count];
    struct end_body end = {.slab = old->id, .life = old->life, .rows = old->rows, .end_block = old->end_block};
    struct tlv_writer w;

    old->state = SLAB_STATE_ENDED;
    atomic_fetch_add(&a->pool->counters.slabs_ended, 1);
    appender_drop_slab(a);
    tlv_writer_init(&w, v->bodies[v->count], sizeof v->bodies[0]);
    end_body_encode(&end, &w);
    dol_assert(!w.overflow);
    *verdict = (struct append_record){.kind = RECORD_END, .part_count = 1};
    verdict->parts[0] = verdict->payload = bytes_of(w.buf, w.len);
    verdict->lsn.run = a->pool->run;
    pthread_mutex_lock(&a->pool->lock);
    verdict->lsn.counter = a->pool->lsn_next++; /* above the carried ones, which are in flight: the bound stays below */
    pthread_mutex_unlock(&a->pool->lock);
    v->slabs[v->count++] = old;
    enum dol_err err = appender_pack(a, verdict);
    if (err == DOL_OK) {
        struct append_record *last = a->packed[a->packed_count - 1];
        memmove(a->packed + 1, a->packed, (a->packed_count - 1) * sizeof *a->packed);
        a->packed[0] = last;
    }
    return err;
}

/* One more slab with the verdicts and the packed records in its first row. On error it is the appender's, if it was
 * opened. */
static enum dol_err try_successor(struct appender *a)
{
    struct slab *successor = NULL;
    enum dol_err err = slab_open_new(a->pool, DRIVE_WRITTEN, &successor);
    if (err == DOL_OK)
        err = appender_adopt(a, successor);
    if (err == DOL_OK)
        err = appender_ready_row(a);
    return err == DOL_OK ? appender_write_row(a, UNIT_FLAG_REAPPEND) : err;
}

/*
 * The row in flight failed, or its place: the slab ends before it. The successor's first row says so and carries the
 * same records; it is written once the drive that failed has left the pool (slab_open_new). Should another drive fail
 * under it, the same again.
 */
static enum dol_err carry_over(struct appender *a, enum dol_err cause)
{
    struct verdicts *v = cause == DOL_ESTOPPED ? NULL : calloc(1, sizeof *v);
    enum dol_err err = DOL_EIO;
    if (v == NULL) {
        a->slab->state = SLAB_STATE_ENDED;
        appender_drop_slab(a);
        return cause == DOL_ESTOPPED ? cause : DOL_ENOMEM;
    }
    /* the directory of the slab that ends here is of no use elsewhere */
    if (a->packed_count > 0 && a->packed[a->packed_count - 1]->kind == RECORD_DIRECTORY)
        a->packed_count--;
    while (err == DOL_EIO && a->slab != NULL && v->count < CARRY_SLABS_MAX) {
        err = end_slab(a, v);
        if (err == DOL_OK)
            err = try_successor(a);
    }
    if (err == DOL_OK) {
        log_warn("slab", "a row was carried over to other drives slab=%llx", (unsigned long long)a->slab->id);
        appender_publish(a);
        for (unsigned i = 0; i < v->count; i++)
            publish_end(a, v->slabs[i]);
    } else if (a->slab != NULL) {
        a->slab->state = SLAB_STATE_ENDED;
        appender_drop_slab(a);
    }
    free(v);
    return err;
}

/* ---- the appender's fiber ---- */

static struct append_group *group_of(struct list_node *node)
{
    return container_of(node, struct append_group, node);
}

static void group_finish(struct append_group *g, enum dol_err err)
{
    struct fiber *fiber = g->fiber;
    g->err = err;
    if (g->on_done != NULL)
        g->on_done(g);
    g->done = true;
    fiber_wake(fiber);
}

uint32_t append_row_bytes_max(const struct pool *pool)
{
    unsigned k_least = pool->sb.m > 0 ? 1 : pool->sb.k; /* it may have to be carried over to few drives */
    uint64_t half = pool->sb.extent_bytes / 2 * k_least;
    uint32_t max = half < FORMAT_ROW_DATA_BYTES_MAX ? (uint32_t)half : FORMAT_ROW_DATA_BYTES_MAX;
    return max - record_stored_bytes(DIRECTORY_RECORD_BYTES_MAX);
}

/* Moves groups that fit one row from the queue to `taken`, their records to a->packed. */
static enum dol_err take_groups(struct appender *a, struct list_node *taken)
{
    uint32_t bytes = 0, directory = 0, max = append_row_bytes_max(a->pool);
    enum dol_err err = DOL_OK;
    a->packed_count = 0;
    while (!list_is_empty(&a->queue) && err == DOL_OK) {
        struct append_group *g = group_of(a->queue.next);
        if (bytes > 0 && (bytes + g->stored_bytes > max || directory + g->directory_bytes > APPEND_ROW_DIRECTORY_MAX))
            break;
        bytes += g->stored_bytes;
        directory += g->directory_bytes;
        list_remove(&g->node);
        list_push_back(taken, &g->node);
        a->queued_bytes -= g->stored_bytes;
        for (unsigned i = 0; i < g->count && err == DOL_OK; i++)
            err = appender_pack(a, &g->records[i]);
    }
    waitq_wake_all(&a->room);
    return err;
}

static uint32_t packed_directory_bytes(const struct appender *a)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < a->packed_count; i++)
        sum += DIRECTORY_ENTRY_FIXED_BYTES + (uint32_t)a->packed[i]->payload.len;
    return sum;
}

/* Records that are moved keep the numbers they have; no row is of such alone. */
static void number_records(struct appender *a)
{
    unsigned count = 0;
    for (unsigned i = 0; i < a->packed_count; i++)
        count += a->packed[i]->raw == NULL;
    struct lsn next = pool_lsn_take(a->pool, a->loop, count);
    for (unsigned i = 0; i < a->packed_count; i++) {
        if (a->packed[i]->raw != NULL)
            continue;
        a->packed[i]->lsn = next;
        next.counter++;
    }
}

static bool directory_overflows(const struct appender *a)
{
    return a->slab != NULL &&
           a->directory.len + packed_directory_bytes(a) > DIRECTORY_RECORD_BYTES_MAX - TLV_HEADER_BYTES;
}

/* A slab with room for the packed records, and for a directory if there has to be one: it is packed last. On error
 * nothing was written of them. */
static enum dol_err find_place(struct appender *a, struct append_record *directory, uint8_t header[TLV_HEADER_BYTES],
                               bool *with_directory)
{
    uint32_t data = packed_bytes(a);
    if (directory_overflows(a))
        data += record_stored_bytes(TLV_HEADER_BYTES + a->directory.len);
    enum dol_err err = appender_slab_for(a, data);
    *with_directory = err == DOL_OK && directory_overflows(a);
    if (*with_directory) {
        directory_record_make(&a->directory, directory, header);
        err = appender_pack(a, directory);
    }
    return err == DOL_OK ? appender_ready_row(a) : err;
}

static enum dol_err commit_row(struct appender *a)
{
    struct append_record directory;
    uint8_t header[TLV_HEADER_BYTES];
    bool with_directory;

    if (a->dead)
        return DOL_ESTOPPED;
    if (pool_is_read_only(a->pool))
        return DOL_EREADONLY;
    enum dol_err err = find_place(a, &directory, header, &with_directory);
    bool begun = err == DOL_OK;
    bool ended = !begun && a->slab != NULL && (err == DOL_EIO || a->slab->state == SLAB_STATE_ENDED);
    if (!begun && !ended)
        return err == DOL_EIO ? DOL_EREADONLY : err; /* no LSN given */

    number_records(a);
    if (begun && with_directory)
        directory_swap(&a->directory);
    if (begun)
        err = appender_write_row(a, with_directory ? UNIT_FLAG_DIRECTORY : 0);
    if (err == DOL_OK) {
        if (with_directory)
            directory_row_add(&a->directory, &directory.place);
        appender_publish(a);
    } else {
        err = carry_over(a, err);
    }
    if (err != DOL_OK && err != DOL_ESTOPPED && begun)
        runtime_panic("a row could neither be written nor carried over: %s", dol_err_text(err));
    a->dead = err != DOL_OK && (begun || err == DOL_ESTOPPED);
    if (!a->dead)
        pool_lsn_done(a->pool, a->loop); /* else nobody knows: it stays in flight, and the index behind it */
    return err;
}

/* Its rows are acknowledged, and nothing more can be written behind the last: the verdict proves it. */
static void end_unproven(struct appender *a, enum dol_err cause)
{
    a->packed_count = 0;
    (void)pool_lsn_take(a->pool, a->loop, 0);
    enum dol_err err = carry_over(a, cause);
    pool_lsn_done(a->pool, a->loop);
    if (err != DOL_OK && err != DOL_ESTOPPED) /* recovery judges the last row by its units */
        pool_set_read_only(a->pool, "the verdict on a slab could not be written: %s", dol_err_text(err));
}

static void prove_last_row(struct appender *a)
{
    a->packed_count = 0;
    uint32_t need = row_layout_for(0, a->slab->k, a->slab->m).unit_blocks;
    enum dol_err err;
    if (a->slab->end_block + need > slab_rows_limit(a->pool, a->slab)) {
        err = appender_seal(a);
    } else {
        err = appender_ready_row(a);
        if (err == DOL_OK)
            err = appender_write_row(a, UNIT_FLAG_EMPTY);
        if (err == DOL_OK)
            appender_publish(a);
        else if (err != DOL_EFULL && err != DOL_ENOMEM)
            a->slab->state = SLAB_STATE_ENDED;
    }
    if (err == DOL_OK)
        return;
    if (a->slab->state == SLAB_STATE_ENDED)
        end_unproven(a, err);
    else
        log_warn("slab", "the last row of a slab could not be proven: %s", dol_err_text(err));
}

static void appender_wait(struct appender *a)
{
    uint64_t idle_at = clock_monotonic_ns() + APPEND_IDLE_NS;
    while (list_is_empty(&a->queue) && !a->stopping) {
        a->sleeping = true;
        bool woken = true;
        if (a->unproven)
            woken = fiber_park_until(idle_at);
        else
            fiber_park();
        a->sleeping = false;
        if (!woken && list_is_empty(&a->queue)) {
            prove_last_row(a);
            idle_at = UINT64_MAX;
        }
    }
}

/* Waits for background work, which refers to the appender, and lets go of the open slab. */
static void appender_drain(struct appender *a)
{
    while (a->opening_next)
        waitq_wait(&a->next_ready);
    while (a->preparing)
        waitq_wait(&a->prepared);
    if (a->slab != NULL)
        appender_drop_slab(a);
}

static void appender_main(void *arg)
{
    struct appender *a = arg;
    dol_assert_magic(a, APPENDER_MAGIC);
    a->fiber = fiber_self();
    for (;;) {
        struct list_node taken;
        list_init(&taken);
        appender_wait(a);
        if (list_is_empty(&a->queue))
            break;
        enum dol_err err = take_groups(a, &taken);
        if (err == DOL_OK)
            err = commit_row(a);
        struct list_node *node;
        while ((node = list_pop_front(&taken)) != NULL)
            group_finish(group_of(node), err);
    }
    if (a->slab != NULL && a->unproven)
        prove_last_row(a);
    appender_drain(a);
    a->stopped = true;
    if (a->stop_waiter != NULL)
        fiber_wake(a->stop_waiter);
}

/* ---- public ---- */

static void appender_free(struct appender *a)
{
    if (a == NULL)
        return;
    row_builder_fini(&a->row);
    free(a->directory.entries[0]);
    free(a->directory.entries[1]);
    free(a->packed);
    free(a);
}

static struct appender *appender_new(struct pool *pool, unsigned loop)
{
    struct appender *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->magic = APPENDER_MAGIC;
    a->pool = pool;
    a->loop = loop;
    list_init(&a->queue);
    waitq_init(&a->room);
    waitq_init(&a->next_ready);
    waitq_init(&a->prepared);
    row_builder_init(&a->row);
    a->directory.entries[0] = malloc(DIRECTORY_RECORD_BYTES_MAX);
    a->directory.entries[1] = malloc(DIRECTORY_RECORD_BYTES_MAX);
    if (a->directory.entries[0] == NULL || a->directory.entries[1] == NULL) {
        appender_free(a);
        return NULL;
    }
    return a;
}

enum dol_err appenders_start(struct pool *pool, struct index *index)
{
    pool->index = index;
    for (unsigned i = 0; i <= pool->loops; i++) {
        if (pool->appenders[i] == NULL)
            pool->appenders[i] = appender_new(pool, i);
        if (pool->appenders[i] == NULL)
            return DOL_ENOMEM;
        enum dol_err err =
            runtime_spawn(runtime_self(), i % pool->loops, appender_main, pool->appenders[i], "appender");
        if (err != DOL_OK)
            return err;
        pool->appenders[i]->started = true;
    }
    return DOL_OK;
}

struct stop_request {
    struct appender *appender;
    struct fiber *waiter;
    atomic_bool done;
};

/* Runs on the appender's own loop. */
static void stop_run(void *arg)
{
    struct stop_request *s = arg;
    struct appender *a = s->appender;
    a->stopping = true;
    a->stop_waiter = fiber_self();
    if (a->sleeping)
        fiber_wake(a->fiber);
    while (!a->stopped)
        fiber_park();
    struct fiber *waiter = s->waiter;
    atomic_store(&s->done, true);
    fiber_wake(waiter);
}

void appenders_stop(struct pool *pool)
{
    for (unsigned i = 0; i <= pool->loops; i++) {
        struct appender *a = pool->appenders[i];
        if (a == NULL)
            continue;
        if (a->started) {
            struct stop_request stop = {.appender = a, .waiter = fiber_self()};
            while (runtime_spawn(runtime_self(), i % pool->loops, stop_run, &stop, "appender-stop") != DOL_OK)
                fiber_sleep(1000000);
            while (!atomic_load(&stop.done))
                fiber_park();
        } else {
            appender_drain(a); /* of recovery, on this loop */
        }
        appender_free(a);
        pool->appenders[i] = NULL;
    }
}

static void start_on(struct appender *a, struct append_group *group)
{
    group->done = false;
    group->err = DOL_OK;
    group->fiber = fiber_self();
    group->stored_bytes = 0;
    group->directory_bytes = 0;
    for (unsigned i = 0; i < group->count; i++) {
        group->stored_bytes += append_record_stored(&group->records[i]);
        group->directory_bytes += DIRECTORY_ENTRY_FIXED_BYTES + (uint32_t)group->records[i].payload.len;
    }
    dol_assert(group->stored_bytes <= append_row_bytes_max(a->pool));
    while (a->queued_bytes > 0 && a->queued_bytes + group->stored_bytes > APPEND_QUEUE_BYTES_MAX)
        waitq_wait(&a->room);
    a->queued_bytes += group->stored_bytes;
    list_push_back(&a->queue, &group->node);
    if (a->sleeping)
        fiber_wake(a->fiber);
}

void append_start(struct pool *pool, struct append_group *group)
{
    start_on(pool->appenders[loop_index()], group);
}

void append_start_copies(struct pool *pool, struct append_group *group)
{
    dol_assert(loop_index() == 0);
    start_on(pool->appenders[pool->loops], group);
}

enum dol_err append_wait(struct append_group *group)
{
    while (!group->done)
        fiber_park();
    return group->err;
}

/* Directory entries are not written out by recovery rows: they must fit what is pending. */
static bool recovery_row_fits(const struct appender *a, uint32_t data_bytes)
{
    uint32_t need = row_layout_for(data_bytes, a->slab->k, a->slab->m).unit_blocks;
    uint32_t empty = row_layout_for(0, a->slab->k, a->slab->m).unit_blocks;
    return a->slab->end_block + need + empty <= slab_rows_limit(a->pool, a->slab) &&
           a->directory.len + packed_directory_bytes(a) <= DIRECTORY_RECORD_BYTES_MAX - TLV_HEADER_BYTES;
}

/* Proves the last row of a full recovery slab, which is not sealed since nothing of it is published yet. */
static enum dol_err recovery_slab_end(struct appender *a)
{
    unsigned kept = a->packed_count;
    a->packed_count = 0;
    enum dol_err err = appender_ready_row(a);
    if (err == DOL_OK)
        err = appender_write_row(a, UNIT_FLAG_EMPTY);
    a->packed_count = kept;
    a->slab->state = SLAB_STATE_ENDED;
    while (a->preparing)
        waitq_wait(&a->prepared);
    appender_drop_slab(a);
    return err;
}

static enum dol_err recovery_slab_for(struct appender *a, uint32_t data_bytes)
{
    struct slab *slab = NULL;
    enum dol_err err = DOL_OK;
    if (a->slab != NULL && recovery_row_fits(a, data_bytes))
        return DOL_OK;
    if (a->slab != NULL)
        err = recovery_slab_end(a);
    if (err == DOL_OK)
        err = slab_open_new(a->pool, DRIVE_WRITTEN, &slab);
    return err == DOL_OK ? appender_adopt(a, slab) : err;
}

static enum dol_err try_recovery_row(struct appender *a)
{
    enum dol_err err = recovery_slab_for(a, packed_bytes(a));
    if (err == DOL_OK)
        err = appender_ready_row(a);
    if (err == DOL_OK)
        err = appender_write_row(a, UNIT_FLAG_REAPPEND);
    if (err != DOL_OK && a->slab != NULL) {
        /* what lies there is judged by the next recovery; nothing more is written behind it */
        a->slab->state = SLAB_STATE_ENDED;
        while (a->preparing)
            waitq_wait(&a->prepared);
        appender_drop_slab(a);
    }
    return err;
}

enum dol_err append_recovery_row(struct pool *pool, struct append_record *records, unsigned count)
{
    struct appender *a = pool->appenders[0];
    enum dol_err err = DOL_OK;
    dol_assert(loop_index() == 0);
    if (a == NULL)
        a = pool->appenders[0] = appender_new(pool, 0);
    if (a == NULL)
        return DOL_ENOMEM;
    a->packed_count = 0;
    for (unsigned i = 0; i < count && err == DOL_OK; i++)
        err = appender_pack(a, &records[i]);
    if (err == DOL_OK)
        err = try_recovery_row(a);
    while (err == DOL_EIO && !pool_is_read_only(pool)) /* on what is left when the drive that failed has left */
        err = try_recovery_row(a);
    return err;
}
