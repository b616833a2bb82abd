/*
 * Row builder. The data of a row is one stream cut at k equal payloads; each payload lies in its unit's buffer at once
 * behind the header, so that a unit is written with one O_DIRECT write from one piece of memory.
 */
#include "row.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "dol_assert.h"

/* Of x86-64 and of aarch64 with 4 KiB pages. The kernel pins a unit's memory for each write: as few pages as possible.
 */
#define ROW_HUGE_PAGE_BYTES ((size_t)2 << 20)

void row_builder_init(struct row_builder *b)
{
    memset(b, 0, sizeof *b);
}

void row_builder_fini(struct row_builder *b)
{
    free(b->buffer);
    memset(b, 0, sizeof *b);
}

enum dol_err row_builder_begin(struct row_builder *b, const struct slab *slab, uint32_t data_bytes)
{
    b->k = slab->k;
    b->m = slab->m;
    b->ec = slab->ec;
    b->cursor = 0;
    b->layout = row_layout_for(data_bytes, b->k, b->m);
    size_t unit_bytes = (size_t)b->layout.unit_blocks * FORMAT_BLOCK_BYTES;
    size_t need = unit_bytes * (b->k + b->m);
    if (need > b->buffer_bytes) {
        free(b->buffer);
        b->buffer_bytes = 0;
        need = (need + ROW_HUGE_PAGE_BYTES - 1) / ROW_HUGE_PAGE_BYTES * ROW_HUGE_PAGE_BYTES;
        b->buffer = aligned_alloc(ROW_HUGE_PAGE_BYTES, need);
        if (b->buffer == NULL)
            return DOL_ENOMEM;
        madvise(b->buffer, need, MADV_HUGEPAGE); /* a wish */
        b->buffer_bytes = need;
    }
    for (unsigned i = 0; i < b->k + b->m; i++)
        b->units[i] = b->buffer + i * unit_bytes;
    return DOL_OK;
}

uint8_t *row_builder_dest(void *arg, size_t *len)
{
    struct row_builder *b = arg;
    uint32_t unit = b->cursor / b->layout.payload_bytes;
    uint32_t at = b->cursor % b->layout.payload_bytes;
    dol_assert(unit < b->k);
    size_t room = b->layout.payload_bytes - at;
    if (*len > room)
        *len = room;
    b->cursor += (uint32_t)*len;
    return b->units[unit] + b->layout.header_bytes + at;
}

void row_builder_put(struct row_builder *b, const void *data, size_t len)
{
    const uint8_t *from = data;
    while (len > 0) {
        size_t n = len;
        uint8_t *to = row_builder_dest(b, &n);
        memcpy(to, from, n);
        from += n;
        len -= n;
    }
}

static void pad_with_zeros(struct row_builder *b)
{
    uint32_t end = b->layout.payload_bytes * b->k;
    while (b->cursor < end) {
        size_t n = end - b->cursor;
        uint8_t *to = row_builder_dest(b, &n);
        memset(to, 0, n);
    }
}

void row_builder_finish(struct row_builder *b, const struct pool *pool, const struct slab *slab, struct unit_header *h)
{
    const uint8_t *data[FORMAT_MEMBERS_MAX];
    uint8_t *parity[FORMAT_MEMBERS_MAX];
    uint32_t digests[FORMAT_MEMBERS_MAX];
    unsigned members = b->k + b->m;

    pad_with_zeros(b);
    for (unsigned i = 0; i < b->k; i++)
        data[i] = b->units[i] + b->layout.header_bytes;
    for (unsigned i = 0; i < b->m; i++)
        parity[i] = b->units[b->k + i] + b->layout.header_bytes;
    ec_encode(b->ec, data, parity, b->layout.payload_bytes);

    for (unsigned i = 0; i < members; i++) {
        unit_payload_crcs(b->units[i] + b->layout.header_bytes, &b->layout, b->crcs[i]);
        digests[i] = unit_digest(b->crcs[i], b->layout.crc_count);
    }
    for (unsigned i = 0; i < members; i++) {
        h->member = (uint8_t)i;
        h->drive = pool->drives[slab->members[i].drive].uuid;
        h->extent = slab->members[i].extent;
        unit_header_encode(h, digests, b->crcs[i], b->units[i]);
    }
    b->table = unit_table_hash(slab->life, h->row, &h->prev_table, digests, members);
}
