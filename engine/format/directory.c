/*
 * Directory: what a slab holds, so that a rebuild reads a few rows instead of all. An entry repeats a record's header
 * as far as it is needed, its place, and, for all but chunks, its whole plain body; so an entry says all that the
 * record itself would.
 */
#include "body.h"

#include "body_field.h"
#include "dol_assert.h"

struct directory_entry_disk {
    struct le32 entry_bytes; /* of the whole entry */
    uint8_t kind;
    uint8_t codec;
    uint8_t flags; /* of the record */
    uint8_t reserved;
    struct le64 run;
    struct le64 counter;
    struct le32 row_block;
    struct le32 unit_blocks;
    struct le32 offset_bytes;
    struct le32 stored_bytes;
    struct le32 plain_bytes;
};
_Static_assert(sizeof(struct directory_entry_disk) == DIRECTORY_ENTRY_FIXED_BYTES, "directory entry");
_Static_assert(offsetof(struct directory_entry_disk, run) == 8, "directory entry");
_Static_assert(offsetof(struct directory_entry_disk, row_block) == 24, "directory entry");
_Static_assert(offsetof(struct directory_entry_disk, plain_bytes) == 40, "directory entry");
_Static_assert(DIRECTORY_RECORD_BYTES_MAX <= RECORD_BODY_BYTES_MAX, "directory record");

#define RECORD_OVERHEAD_BYTES (RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES)

static bool directory_entry_is_valid(const struct directory_entry *e)
{
    if (e->kind == 0 || e->kind == RECORD_DIRECTORY || e->lsn.run == 0 || (e->flags & ~RECORD_FLAG_SKIP) != 0 ||
        !place_is_possible(&e->place))
        return false;
    if (e->kind != RECORD_CHUNK)
        return e->place.stored_bytes == RECORD_OVERHEAD_BYTES + e->payload.len &&
               (!record_kind_is_known(e->kind) || (e->codec == 0 && e->plain_bytes == 0));
    if (e->payload.len != sizeof(struct sha256) || e->plain_bytes == 0 || e->plain_bytes > CHUNK_BYTES_MAX)
        return false;
    return e->place.stored_bytes > RECORD_OVERHEAD_BYTES + CHUNK_BODY_PREFIX_BYTES &&
           e->place.stored_bytes <= RECORD_OVERHEAD_BYTES + CHUNK_BODY_BYTES_MAX;
}

size_t directory_entry_encode(const struct directory_entry *e, uint8_t *out, size_t capacity)
{
    dol_assert(directory_entry_is_valid(e) && e->payload.len <= BODY_BYTES_MAX);
    size_t len = DIRECTORY_ENTRY_FIXED_BYTES + e->payload.len;
    if (len > capacity)
        return 0;
    const struct directory_entry_disk d = {
        .entry_bytes = le32_of((uint32_t)len),
        .kind = e->kind,
        .codec = e->codec,
        .flags = e->flags,
        .run = le64_of(e->lsn.run),
        .counter = le64_of(e->lsn.counter),
        .row_block = le32_of(e->place.row_block),
        .unit_blocks = le32_of(e->place.unit_blocks),
        .offset_bytes = le32_of(e->place.offset_bytes),
        .stored_bytes = le32_of(e->place.stored_bytes),
        .plain_bytes = le32_of(e->plain_bytes),
    };
    memcpy(out, &d, sizeof d);
    if (e->payload.len > 0)
        memcpy(out + sizeof d, e->payload.data, e->payload.len);
    return len;
}

struct directory_body {
    struct bytes entries;
};

static const struct body_field directory_fields[] = {
    BODY_FIELD(DIRECTORY_T_ENTRIES, FORM_BYTES, NEED_ALWAYS, directory_body, entries, 0,
               DIRECTORY_RECORD_BYTES_MAX - TLV_HEADER_BYTES),
};

enum dol_err directory_entries(struct bytes body, struct bytes *entries)
{
    struct directory_body d = {0};
    enum dol_err err = BODY_FIELDS_DECODE(directory_fields, body, &d);
    *entries = d.entries;
    return err;
}

enum dol_err directory_next(struct bytes *pos, struct directory_entry *out)
{
    if (pos->len == 0)
        return DOL_ENOTFOUND;
    if (pos->len < DIRECTORY_ENTRY_FIXED_BYTES)
        return DOL_ECORRUPT;
    const uint8_t *b = pos->data;
    const struct directory_entry_disk *d = (const struct directory_entry_disk *)pos->data;
    size_t len = le32_get(d->entry_bytes);
    if (len < DIRECTORY_ENTRY_FIXED_BYTES || len > pos->len || d->reserved != 0)
        return DOL_ECORRUPT;
    *out = (struct directory_entry){
        .kind = d->kind,
        .codec = d->codec,
        .flags = d->flags,
        .lsn = {le64_get(d->run), le64_get(d->counter)},
        .place =
            {
                .row_block = le32_get(d->row_block),
                .unit_blocks = le32_get(d->unit_blocks),
                .offset_bytes = le32_get(d->offset_bytes),
                .stored_bytes = le32_get(d->stored_bytes),
            },
        .plain_bytes = le32_get(d->plain_bytes),
        .payload = bytes_of(b + DIRECTORY_ENTRY_FIXED_BYTES, len - DIRECTORY_ENTRY_FIXED_BYTES),
    };
    if (!directory_entry_is_valid(out))
        return DOL_ECORRUPT;
    *pos = bytes_of(b + len, pos->len - len);
    if (!record_kind_is_known(out->kind))
        return (out->flags & RECORD_FLAG_SKIP) != 0 ? DOL_OK : DOL_EFORMAT;
    return out->codec > FORMAT_CODEC_PLANES ? DOL_EFORMAT : DOL_OK;
}
