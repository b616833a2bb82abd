/* Encoding and decoding of the index's rows, and the CRC around their values. Pure. */
#include "index_row.h"

#include "dol_assert.h"
#include "hash.h"
#include "le.h"

#define STATE_MAGIC 0x78646e496c6f44ull /* "DolIndx" */

const char *const table_names[TABLE_END] = {
    [TABLE_STATE] = "state",       [TABLE_SLABS] = "slabs",     [TABLE_BUCKETS] = "buckets",
    [TABLE_NAMES] = "names",       [TABLE_OBJECTS] = "objects", [TABLE_CHUNKS] = "chunks",
    [TABLE_LISTS] = "lists",       [TABLE_MEMBERS] = "members", [TABLE_UPLOADS] = "uploads",
    [TABLE_SETTINGS] = "settings", [TABLE_PARTS] = "parts",     [TABLE_LIVE] = "live",
    [TABLE_GRAVES] = "graves",     [TABLE_CANCELS] = "cancels", [TABLE_MOVES] = "moves",
};

uint32_t value_crc(enum index_table table, struct bytes key)
{
    uint8_t t = (uint8_t)table;
    return crc32c(crc32c(0, &t, 1), key.data, key.len);
}

enum dol_err value_check(enum index_table table, struct bytes key, struct bytes value, struct bytes *payload)
{
    if (value.len < VALUE_CRC_BYTES)
        return DOL_ECORRUPT;
    const uint8_t *data = value.data;
    struct le32 stored;
    memcpy(&stored, data, VALUE_CRC_BYTES);
    *payload = bytes_of(data + VALUE_CRC_BYTES, value.len - VALUE_CRC_BYTES);
    uint32_t crc = crc32c(value_crc(table, key), payload->data, payload->len);
    return crc == le32_get(stored) ? DOL_OK : DOL_ECORRUPT;
}

/* ---- little cursors over value bytes ---- */

static uint8_t *put_u64(uint8_t *out, uint64_t v)
{
    struct le64 le = le64_of(v);
    memcpy(out, &le, sizeof le);
    return out + sizeof le;
}

static uint8_t *put_u32(uint8_t *out, uint32_t v)
{
    struct le32 le = le32_of(v);
    memcpy(out, &le, sizeof le);
    return out + sizeof le;
}

static uint8_t *put_lsn(uint8_t *out, struct lsn lsn)
{
    return put_u64(put_u64(out, lsn.run), lsn.counter);
}

static uint64_t get_u64(const uint8_t **in)
{
    struct le64 le;
    memcpy(&le, *in, sizeof le);
    *in += sizeof le;
    return le64_get(le);
}

static uint32_t get_u32(const uint8_t **in)
{
    struct le32 le;
    memcpy(&le, *in, sizeof le);
    *in += sizeof le;
    return le32_get(le);
}

static struct lsn get_lsn(const uint8_t **in)
{
    uint64_t run = get_u64(in);
    return (struct lsn){run, get_u64(in)};
}

/* ---- state ---- */

void state_encode(const struct index_state *s, uint8_t out[STATE_BYTES])
{
    uint8_t *p = put_u64(out, STATE_MAGIC);
    p = put_u32(p, INDEX_SCHEMA_VERSION);
    p = put_u32(p, 0);
    memcpy(p, s->pool.b, sizeof s->pool.b);
    p = put_lsn(p + sizeof s->pool.b, s->applied);
    p = put_u64(p, s->generation);
    p = put_u64(p, s->next_node);
    p = put_u64(p, s->objects);
    p = put_u64(p, s->buckets);
    p = put_u64(p, s->chunks);
    p = put_u64(p, s->commits);
    p = put_u64(p, s->live_bytes);
    dol_assert(p == out + STATE_BYTES);
}

enum dol_err state_decode(struct bytes payload, struct index_state *out)
{
    const uint8_t *p = payload.data;
    if (payload.len < 16 || get_u64(&p) != STATE_MAGIC)
        return DOL_ECORRUPT;
    if (get_u32(&p) != INDEX_SCHEMA_VERSION)
        return DOL_EFORMAT;
    if (payload.len != STATE_BYTES)
        return DOL_ECORRUPT;
    p += 4;
    memcpy(out->pool.b, p, sizeof out->pool.b);
    p += sizeof out->pool.b;
    out->applied = get_lsn(&p);
    out->generation = get_u64(&p);
    out->next_node = get_u64(&p);
    out->objects = get_u64(&p);
    out->buckets = get_u64(&p);
    out->chunks = get_u64(&p);
    out->commits = get_u64(&p);
    out->live_bytes = get_u64(&p);
    return DOL_OK;
}

/* ---- slabs ---- */

void slab_row_encode(const struct slab_row *s, uint8_t out[SLAB_ROW_BYTES])
{
    memcpy(out, s->slab.life.b, sizeof s->slab.life.b);
    uint8_t *p = out + sizeof s->slab.life.b;
    *p++ = s->slab.state;
    *p++ = s->slab.complete ? 1 : 0;
    memset(p, 0, 6);
    p = put_u64(p + 6, s->slab.rows);
    p = put_u64(p, s->slab.end_block);
    memcpy(p, s->slab.last_table.b, sizeof s->slab.last_table.b);
    p = put_u64(p + sizeof s->slab.last_table.b, s->end_rows);
    p = put_u64(p, 0);
    dol_assert(p == out + SLAB_ROW_BYTES);
}

enum dol_err slab_row_decode(struct bytes key, struct bytes payload, struct slab_row *out)
{
    if (key.len != 8 || payload.len != SLAB_ROW_BYTES)
        return DOL_ECORRUPT;
    const uint8_t *p = payload.data;
    out->slab.slab = be64_get(key.data);
    memcpy(out->slab.life.b, p, sizeof out->slab.life.b);
    p += sizeof out->slab.life.b;
    out->slab.state = *p++;
    out->slab.complete = *p++ != 0;
    p += 6;
    out->slab.rows = get_u64(&p);
    out->slab.end_block = get_u64(&p);
    memcpy(out->slab.last_table.b, p, sizeof out->slab.last_table.b);
    p += sizeof out->slab.last_table.b;
    out->end_rows = get_u64(&p);
    return DOL_OK;
}

/* ---- chunks and lists ---- */

void ref_row_encode(const struct ref_row *r, uint8_t out[REF_ROW_BYTES])
{
    out[0] = r->flags;
    out[1] = r->codec;
    out[2] = out[3] = 0;
    uint8_t *p = put_u32(out + 4, r->plain_bytes);
    p = put_lsn(p, r->lsn);
    place_encode(&r->place, p);
    p = put_u64(p + PLACE_BYTES, r->refs);
    p = put_lsn(p, r->dead_since);
    dol_assert(p == out + REF_ROW_BYTES);
}

enum dol_err ref_row_decode(struct bytes payload, struct ref_row *out)
{
    if (payload.len != REF_ROW_BYTES)
        return DOL_ECORRUPT;
    const uint8_t *p = payload.data;
    *out = (struct ref_row){.flags = p[0], .codec = p[1]};
    p += 4;
    out->plain_bytes = get_u32(&p);
    out->lsn = get_lsn(&p);
    if ((out->flags & REF_ROW_STORED) != 0 && place_decode(p, &out->place) != DOL_OK)
        return DOL_ECORRUPT;
    p += PLACE_BYTES;
    out->refs = get_u64(&p);
    out->dead_since = get_lsn(&p);
    return DOL_OK;
}

/* ---- rows with bodies ---- */

size_t body_row_encode(const struct body_row *r, uint8_t out[BODY_ROW_BYTES_MAX])
{
    out[0] = r->flags;
    out[1] = out[2] = out[3] = 0;
    uint8_t *p = put_lsn(out + 4, r->lsn);
    place_encode(&r->place, p);
    p += PLACE_BYTES;
    dol_assert(p == out + BODY_ROW_BYTES);
    if ((r->flags & BODY_ROW_META) == 0)
        return BODY_ROW_BYTES;
    p = put_lsn(p, r->meta_lsn);
    place_encode(&r->meta_place, p);
    return BODY_ROW_BYTES_MAX;
}

enum dol_err body_row_decode(struct bytes payload, struct body_row *out)
{
    size_t head = BODY_ROW_BYTES;
    if (payload.len < head)
        return DOL_ECORRUPT;
    const uint8_t *p = payload.data;
    *out = (struct body_row){.flags = p[0]};
    p += 4;
    out->lsn = get_lsn(&p);
    if (place_decode(p, &out->place) != DOL_OK)
        return DOL_ECORRUPT;
    p += PLACE_BYTES;
    if ((out->flags & BODY_ROW_META) != 0) {
        head = BODY_ROW_BYTES_MAX;
        if (payload.len < head)
            return DOL_ECORRUPT;
        out->meta_lsn = get_lsn(&p);
        if (place_decode(p, &out->meta_place) != DOL_OK)
            return DOL_ECORRUPT;
        p += PLACE_BYTES;
    }
    out->body = bytes_of(p, payload.len - head);
    return DOL_OK;
}

void part_key_encode(uint64_t bucket, const uint8_t upload_id[UPLOAD_ID_BYTES], uint32_t part,
                     uint8_t out[PART_KEY_BYTES])
{
    be64_put(out, bucket);
    memcpy(out + 8, upload_id, UPLOAD_ID_BYTES);
    for (unsigned i = 0; i < 4; i++)
        out[24 + i] = (uint8_t)(part >> (24 - 8 * i));
}

uint32_t part_key_number(const uint8_t key[PART_KEY_BYTES])
{
    return (uint32_t)(be64_get(key + PART_KEY_BYTES - 8) & UINT32_MAX);
}

struct bytes setting_key(uint8_t *out, uint8_t kind, struct bytes name)
{
    /* A name too long for LMDB is cut, and told from others by its hash: nobody asks for settings in order. */
    size_t keep = name.len;
    out[0] = kind;
    if (name.len > TABLE_KEY_BYTES_MAX - 1) {
        keep = TABLE_KEY_BYTES_MAX - 1 - sizeof(struct sha256);
        struct sha256 hash = sha256_of(name.data, name.len);
        memcpy(out + 1 + keep, hash.b, sizeof hash.b);
    }
    memcpy(out + 1, name.data, keep);
    return bytes_of(out, keep == name.len ? 1 + keep : TABLE_KEY_BYTES_MAX);
}

/* ---- tables of keys ---- */

void directory_row_encode(uint64_t child, uint8_t out[DIRECTORY_ROW_BYTES])
{
    out[0] = TREE_DIRECTORY;
    be64_put(out + 1, child);
}

enum dol_err directory_row_decode(struct bytes payload, uint64_t *child)
{
    if (payload.len != DIRECTORY_ROW_BYTES || !row_is_directory(payload))
        return DOL_ECORRUPT;
    *child = be64_get((const uint8_t *)payload.data + 1);
    return (*child & TREE_CHILD_BIT) != 0 ? DOL_OK : DOL_ECORRUPT;
}

/* ---- what of a slab is needed, and what is void ---- */

void live_row_encode(const struct live_row *r, uint8_t out[LIVE_ROW_BYTES])
{
    uint8_t *p = put_u64(out, r->bytes);
    p = put_u64(p, r->records);
    p = put_u64(p, r->cancels);
    dol_assert(p == out + LIVE_ROW_BYTES);
}

enum dol_err live_row_decode(struct bytes payload, struct live_row *out)
{
    if (payload.len != LIVE_ROW_BYTES)
        return DOL_ECORRUPT;
    const uint8_t *p = payload.data;
    out->bytes = get_u64(&p);
    out->records = get_u64(&p);
    out->cancels = get_u64(&p);
    return DOL_OK;
}

void lsn_key_encode(struct lsn lsn, uint8_t out[LSN_KEY_BYTES])
{
    be64_put(out, lsn.run);
    be64_put(out + 8, lsn.counter);
}

struct lsn lsn_key_decode(const uint8_t in[LSN_KEY_BYTES])
{
    return (struct lsn){be64_get(in), be64_get(in + 8)};
}

void grave_key_encode(uint64_t slab, struct lsn lsn, uint8_t out[GRAVE_KEY_BYTES])
{
    be64_put(out, slab);
    lsn_key_encode(lsn, out + 8);
}

void grave_row_encode(const struct grave_row *r, uint8_t out[GRAVE_ROW_BYTES])
{
    out[0] = r->kind;
    out[1] = r->canceller_kind;
    out[2] = out[3] = 0;
    uint8_t *p = put_lsn(out + 4, r->canceller);
    place_encode(&r->canceller_place, p);
    p += PLACE_BYTES;
    memcpy(p, r->hash.b, sizeof r->hash.b);
    dol_assert(p + sizeof r->hash.b == out + GRAVE_ROW_BYTES);
}

enum dol_err grave_row_decode(struct bytes payload, struct grave_row *out)
{
    if (payload.len != GRAVE_ROW_BYTES)
        return DOL_ECORRUPT;
    const uint8_t *p = payload.data;
    *out = (struct grave_row){.kind = p[0], .canceller_kind = p[1]};
    p += 4;
    out->canceller = get_lsn(&p);
    if (out->canceller_kind != 0 && place_decode(p, &out->canceller_place) != DOL_OK)
        return DOL_ECORRUPT;
    p += PLACE_BYTES;
    memcpy(out->hash.b, p, sizeof out->hash.b);
    return DOL_OK;
}

void cancel_row_encode(const struct cancel_row *r, uint8_t out[CANCEL_ROW_BYTES])
{
    out[0] = r->kind;
    out[1] = out[2] = out[3] = 0;
    place_encode(&r->place, out + 4);
}

enum dol_err cancel_row_decode(struct bytes payload, struct cancel_row *out)
{
    if (payload.len < CANCEL_ROW_BYTES || (payload.len - CANCEL_ROW_BYTES) % GRAVE_REF_BYTES != 0)
        return DOL_ECORRUPT;
    const uint8_t *p = payload.data;
    out->kind = p[0];
    if (place_decode(p + 4, &out->place) != DOL_OK)
        return DOL_ECORRUPT;
    out->graves = bytes_of(p + CANCEL_ROW_BYTES, payload.len - CANCEL_ROW_BYTES);
    return DOL_OK;
}
