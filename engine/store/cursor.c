/* Cursor: see cursor.h. */
#include "cursor.h"

#include "dol_assert.h"

void cursor_init(struct cursor *c, struct store *store, const struct manifest *manifest)
{
    *c = (struct cursor){.store = store, .manifest = manifest};
}

/* ---- references ---- */

static enum dol_err open_list(struct cursor *c, const struct list_ref *ref)
{
    struct fetch fetch = {.kind = RECORD_CHUNK_LIST, .hash = ref->hash};
    if (ref->chunks > LIST_CHUNKS_MAX)
        return DOL_ECORRUPT;
    fetch.bytes = ref->chunks * CHUNK_REF_BYTES;
    fetch.use.to = fetch.bytes;
    cache_entry_release(c->list);
    c->list = NULL;
    c->refs = bytes_of(NULL, 0);
    c->ref_next = 0;
    enum dol_err err = fetch_read(c->store, &fetch, &c->list);
    if (err == DOL_OK)
        c->refs = cache_entry_bytes(c->list);
    return err;
}

/* The next reference with bytes at or behind `at`; lists are opened as they are reached, or skipped when they end
 * before it. */
static enum dol_err next_ref(struct cursor *c, struct chunk_ref *out)
{
    const struct manifest *m = c->manifest;
    do {
        while (c->ref_next * CHUNK_REF_BYTES >= c->refs.len) {
            if (c->list_next * LIST_REF_BYTES >= m->list_refs.len)
                return DOL_ECORRUPT; /* the references end before the size: manifest_decode() checked the sums */
            struct list_ref ref = list_ref_decode((const uint8_t *)m->list_refs.data + c->list_next++ * LIST_REF_BYTES);
            if (c->ref_at + ref.bytes <= c->at) {
                c->ref_at += ref.bytes;
                continue;
            }
            enum dol_err err = open_list(c, &ref);
            if (err != DOL_OK)
                return err;
        }
        *out = chunk_ref_decode((const uint8_t *)c->refs.data + c->ref_next++ * CHUNK_REF_BYTES);
        c->ref_at += out->bytes;
    } while (c->ref_at <= c->at);
    return DOL_OK;
}

/* ---- the window ---- */

static unsigned *loop_aheads(struct cursor *c)
{
    return &c->store->aheads[loop_index()].now;
}

/* [await] Puts the next chunk of the range at the end of the window, taken from memory if it is there. An error is told
 * when its turn comes. */
static struct cursor_slot *take_next(struct cursor *c)
{
    struct chunk_ref ref;
    dol_assert(c->count < CURSOR_SLOTS && c->at < c->end);
    struct cursor_slot *slot = &c->slots[(c->first + c->count++) % CURSOR_SLOTS];
    *slot = (struct cursor_slot){.cursor = c, .object_from = c->at};
    slot->err = next_ref(c, &ref);
    if (slot->err != DOL_OK) {
        slot->state = SLOT_READY;
        c->at = c->end;
        return slot;
    }
    uint64_t begin = c->ref_at - ref.bytes;
    uint64_t to = c->ref_at < c->end ? c->ref_at : c->end;
    slot->fetch = (struct fetch){
        .kind = RECORD_CHUNK,
        .hash = ref.hash,
        .bytes = ref.bytes,
        .use = {(uint32_t)(c->at - begin), (uint32_t)(to - begin)},
    };
    c->at = to;
    slot->entry = fetch_cached(c->store, &slot->fetch);
    slot->state = slot->entry != NULL ? SLOT_READY : SLOT_NEW;
    return slot;
}

static void read_ahead(void *arg)
{
    struct cursor_slot *slot = arg;
    struct cursor *c = slot->cursor;
    slot->err = fetch_read(c->store, &slot->fetch, &slot->entry);
    slot->state = SLOT_READY;
    c->reading--;
    if (c->waiter != NULL)
        fiber_wake(c->waiter);
}

/* Chunks behind the first of the window, as far as the range, the cursor's reach and the loop's budget go. */
static void extend(struct cursor *c)
{
    while (c->count <= c->reach && c->at < c->end && *loop_aheads(c) < STORE_AHEAD_MAX) {
        struct cursor_slot *slot = take_next(c);
        slot->ahead = true;
        ++*loop_aheads(c);
        if (slot->state != SLOT_NEW)
            continue;
        /* Without a fiber for it, it is read when its turn comes. */
        if (fiber_spawn(read_ahead, slot, "read-ahead") != DOL_OK)
            break;
        slot->state = SLOT_READING;
        c->reading++;
    }
}

static void wait_for(struct cursor *c, const struct cursor_slot *slot)
{
    c->waiter = fiber_self();
    while (slot->state == SLOT_READING)
        fiber_park();
    c->waiter = NULL;
}

static void drop_first(struct cursor *c)
{
    struct cursor_slot *slot = &c->slots[c->first];
    wait_for(c, slot);
    if (slot->ahead)
        --*loop_aheads(c);
    cache_entry_release(slot->entry);
    slot->entry = NULL;
    c->first = (c->first + 1) % CURSOR_SLOTS;
    c->count--;
}

static void drop_all(struct cursor *c)
{
    while (c->count > 0)
        drop_first(c);
    dol_assert(c->reading == 0);
    cache_entry_release(c->current);
    c->current = NULL;
}

void cursor_fini(struct cursor *c)
{
    drop_all(c);
    cache_entry_release(c->list);
    c->list = NULL;
}

void cursor_seek(struct cursor *c, uint64_t offset, uint64_t len)
{
    drop_all(c);
    c->err = DOL_OK;
    c->at = offset;
    c->given = offset;
    c->end = offset + len;
    c->ref_at = 0;
    c->ref_next = 0;
    c->refs = c->manifest->chunk_refs;
    c->list_next = 0;
    c->reach = 1;
}

/* ---- bytes ---- */

static enum dol_err read_next(struct cursor *c, struct bytes *out)
{
    struct cursor_slot *slot = c->count > 0 ? &c->slots[c->first] : take_next(c);
    extend(c);
    if (slot->state == SLOT_NEW) {
        slot->err = fetch_read(c->store, &slot->fetch, &slot->entry);
        slot->state = SLOT_READY;
    }
    wait_for(c, slot);
    enum dol_err err = slot->err;
    if (err == DOL_OK) {
        struct bytes plain = cache_entry_bytes(slot->entry);
        struct cache_use use = slot->fetch.use;
        dol_assert(slot->object_from == c->given && use.from < use.to && use.to <= plain.len);
        *out = bytes_of((const uint8_t *)plain.data + use.from, use.to - use.from);
        c->given += out->len;
        c->current = slot->entry;
        slot->entry = NULL;
        if (c->reach < CURSOR_AHEAD_MAX)
            c->reach++;
    }
    drop_first(c);
    return err;
}

enum dol_err cursor_read(struct cursor *c, struct bytes *out)
{
    cache_entry_release(c->current);
    c->current = NULL;
    *out = bytes_of(NULL, 0);
    if (c->err == DOL_OK && c->given < c->end)
        c->err = read_next(c, out);
    return c->err;
}
