/* Bodies of chunks and chunk lists, buckets, settings, and of the records by which slabs keep their own books. */
#include "body.h"

#include "body_field.h"
#include "dol_assert.h"
#include "hash.h"

#define EXTENT_BLOCKS_MAX (FORMAT_EXTENT_BYTES_MAX / FORMAT_BLOCK_BYTES)

_Static_assert(BUCKET_SETTINGS_BYTES_MAX + 4096 <= BODY_BYTES_MAX, "largest bucket");
_Static_assert(SETTING_VALUE_BYTES_MAX + 4096 <= BODY_BYTES_MAX, "largest setting");
_Static_assert(LIST_CHUNKS_MAX *CHUNK_REF_BYTES + 4096 <= BODY_BYTES_MAX, "largest chunk list");
_Static_assert(CHUNK_BODY_BYTES_MAX <= RECORD_BODY_BYTES_MAX, "largest chunk");
_Static_assert(CHUNK_BODY_PREFIX_BYTES == 2 * TLV_HEADER_BYTES + sizeof(struct sha256), "chunk prefix");

/* ---- chunk ---- */

static const struct body_field chunk_fields[] = {
    BODY_FIELD(CHUNK_T_HASH, FORM_RAW, NEED_ALWAYS, chunk_body, hash, 0, sizeof(struct sha256)),
    BODY_FIELD(CHUNK_T_DATA, FORM_BYTES, NEED_ALWAYS, chunk_body, data, 1, CHUNK_BYTES_MAX),
};

void chunk_body_prefix(const struct sha256 *hash, uint32_t data_bytes, uint8_t out[CHUNK_BODY_PREFIX_BYTES])
{
    /* Only the header of the data's TLV goes here; its value follows from elsewhere. */
    dol_assert(data_bytes >= 1 && data_bytes <= CHUNK_BYTES_MAX);
    struct tlv_writer w;
    tlv_writer_init(&w, out, CHUNK_BODY_PREFIX_BYTES);
    tlv_put(&w, CHUNK_T_HASH, 0, hash->b, sizeof hash->b);
    tlv_put(&w, CHUNK_T_DATA, 0, NULL, 0);
    dol_assert(!w.overflow && w.len == CHUNK_BODY_PREFIX_BYTES);
    struct le32 len = le32_of(data_bytes);
    memcpy(out + CHUNK_BODY_PREFIX_BYTES - sizeof len, &len, sizeof len);
}

enum dol_err chunk_body_decode(struct bytes body, struct chunk_body *out)
{
    memset(out, 0, sizeof *out);
    return BODY_FIELDS_DECODE(chunk_fields, body, out);
}

/* ---- chunk list ---- */

static const struct body_field chunk_list_fields[] = {
    BODY_FIELD(CHUNK_LIST_T_HASH, FORM_RAW, NEED_ALWAYS, chunk_list_body, hash, 0, sizeof(struct sha256)),
    BODY_FIELD(CHUNK_LIST_T_REFS, FORM_BYTES, NEED_ALWAYS, chunk_list_body, refs, CHUNK_REF_BYTES,
               LIST_CHUNKS_MAX *CHUNK_REF_BYTES),
};

void chunk_list_encode(const struct chunk_list_body *b, struct tlv_writer *w)
{
    uint64_t total;
    if (!chunk_refs_are_valid(b->refs, LIST_CHUNKS_MAX, &total))
        w->overflow = true;
    BODY_FIELDS_ENCODE(chunk_list_fields, b, w);
}

enum dol_err chunk_list_decode(struct bytes body, struct chunk_list_body *out)
{
    uint64_t total;
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(chunk_list_fields, body, out);
    if (err != DOL_OK)
        return err;
    if (!chunk_refs_are_valid(out->refs, LIST_CHUNKS_MAX, &total))
        return DOL_ECORRUPT;
    struct sha256 hash = sha256_of(out->refs.data, out->refs.len);
    return sha256_equal(&hash, &out->hash) ? DOL_OK : DOL_ECORRUPT;
}

/* ---- bucket ---- */

static const struct body_field bucket_fields[] = {
    BODY_FIELD(BUCKET_T_ID, FORM_U64, NEED_ALWAYS, bucket_body, id, 1, 0),
    BODY_FIELD(BUCKET_T_NAME, FORM_BYTES, NEED_ALWAYS, bucket_body, name, 1, BUCKET_NAME_BYTES_MAX),
    BODY_FIELD(BUCKET_T_OWNER, FORM_BYTES, NEED_OPTIONAL, bucket_body, owner, 1, OWNER_BYTES_MAX),
    BODY_FIELD(BUCKET_T_CREATED, FORM_I64, NEED_ALWAYS, bucket_body, created_ns, 0, 0),
    BODY_FIELD(BUCKET_T_REGION, FORM_BYTES, NEED_OPTIONAL, bucket_body, region, 1, BUCKET_REGION_BYTES_MAX),
    BODY_FIELD(BUCKET_T_VERSIONING, FORM_U8, NEED_ALWAYS, bucket_body, versioning, 0, BUCKET_VERSIONING_SUSPENDED),
    BODY_FIELD(BUCKET_T_FLAGS, FORM_U32, NEED_OPTIONAL, bucket_body, flags, 0, BUCKET_FLAG_OBJECT_LOCK),
    BODY_FIELD(BUCKET_T_DEFAULT_RETENTION, FORM_RETENTION, NEED_OPTIONAL, bucket_body, default_retention, 0, 0),
    BODY_FIELD(BUCKET_T_SETTINGS, FORM_BYTES, NEED_OPTIONAL, bucket_body, settings, 1, BUCKET_SETTINGS_BYTES_MAX),
    BODY_FIELD(BUCKET_T_DEFAULT_YEARS, FORM_U32, NEED_OPTIONAL, bucket_body, default_years, 0,
               BUCKET_DEFAULT_YEARS_MAX),
};

bool bucket_setting_next(struct bytes *pos, struct bytes *name, struct bytes *value)
{
    struct le16 name_len_le;
    struct le32 value_len_le;
    const uint8_t *b = pos->data;
    size_t left = pos->len;
    if (left < sizeof name_len_le)
        return false;
    memcpy(&name_len_le, b, sizeof name_len_le);
    size_t name_len = le16_get(name_len_le);
    b += sizeof name_len_le;
    left -= sizeof name_len_le;
    if (left < name_len + sizeof value_len_le)
        return false;
    *name = bytes_of(b, name_len);
    memcpy(&value_len_le, b + name_len, sizeof value_len_le);
    b += name_len + sizeof value_len_le;
    left -= name_len + sizeof value_len_le;
    size_t value_len = le32_get(value_len_le);
    if (value_len > left)
        return false;
    *value = bytes_of(b, value_len);
    *pos = bytes_of(b + value_len, left - value_len);
    return true;
}

uint8_t *bucket_setting_put(uint8_t *out, struct bytes name, struct bytes value)
{
    struct le16 name_len = le16_of((uint16_t)name.len);
    struct le32 value_len = le32_of((uint32_t)value.len);
    memcpy(out, &name_len, sizeof name_len);
    memcpy(out + sizeof name_len, name.data, name.len);
    out += sizeof name_len + name.len;
    memcpy(out, &value_len, sizeof value_len);
    if (value.len > 0)
        memcpy(out + sizeof value_len, value.data, value.len);
    return out + sizeof value_len + value.len;
}

/* No name twice. */
static bool bucket_settings_ok(struct bytes settings)
{
    struct bytes names[BUCKET_SETTINGS_MAX];
    struct bytes value;
    size_t count = 0;
    while (settings.len > 0) {
        if (count == BUCKET_SETTINGS_MAX || !bucket_setting_next(&settings, &names[count], &value))
            return false;
        if (names[count].len == 0 || names[count].len > BUCKET_SETTING_NAME_BYTES_MAX)
            return false;
        for (size_t i = 0; i < count; i++)
            if (bytes_equal(names[i], names[count]))
                return false;
        count++;
    }
    return true;
}

static bool bucket_body_is_valid(const struct bucket_body *b)
{
    int64_t years_s = (int64_t)b->default_years * 365 * 86400;
    if (years_s != 0 && years_s != b->default_retention.until_s)
        return false;
    return retention_is_valid(&b->default_retention) && b->default_retention.legal_hold == 0 &&
           bucket_settings_ok(b->settings);
}

void bucket_body_encode(const struct bucket_body *b, struct tlv_writer *w)
{
    if (!bucket_body_is_valid(b))
        w->overflow = true;
    BODY_FIELDS_ENCODE(bucket_fields, b, w);
}

enum dol_err bucket_body_decode(struct bytes body, struct bucket_body *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(bucket_fields, body, out);
    if (err != DOL_OK)
        return err;
    return bucket_body_is_valid(out) ? DOL_OK : DOL_ECORRUPT;
}

static const struct body_field bucket_delete_fields[] = {
    BODY_FIELD(BUCKET_DELETE_T_ID, FORM_U64, NEED_ALWAYS, bucket_delete_body, id, 1, 0),
};

void bucket_delete_encode(const struct bucket_delete_body *b, struct tlv_writer *w)
{
    BODY_FIELDS_ENCODE(bucket_delete_fields, b, w);
}

enum dol_err bucket_delete_decode(struct bytes body, struct bucket_delete_body *out)
{
    memset(out, 0, sizeof *out);
    return BODY_FIELDS_DECODE(bucket_delete_fields, body, out);
}

/* ---- end, freed, debt ---- */

static const struct body_field end_fields[] = {
    BODY_FIELD(END_T_SLAB, FORM_U64, NEED_ALWAYS, end_body, slab, 1, 0),
    BODY_FIELD(END_T_LIFE, FORM_RAW, NEED_ALWAYS, end_body, life, 1, sizeof(struct uuid)),
    BODY_FIELD(END_T_ROWS, FORM_U64, NEED_ALWAYS, end_body, rows, 0, 0),
    BODY_FIELD(END_T_END_BLOCK, FORM_U64, NEED_ALWAYS, end_body, end_block, 1, 0),
};

/* Rows lie behind the extent header's block and take at least one block each; the footer's block stays free. */
static bool end_body_is_valid(const struct end_body *b)
{
    if (b->rows == 0)
        return b->end_block == 1;
    return b->end_block < EXTENT_BLOCKS_MAX && b->rows < b->end_block;
}

void end_body_encode(const struct end_body *b, struct tlv_writer *w)
{
    if (!end_body_is_valid(b))
        w->overflow = true;
    BODY_FIELDS_ENCODE(end_fields, b, w);
}

enum dol_err end_body_decode(struct bytes body, struct end_body *out)
{
    memset(out, 0, sizeof *out);
    enum dol_err err = BODY_FIELDS_DECODE(end_fields, body, out);
    if (err != DOL_OK)
        return err;
    return end_body_is_valid(out) ? DOL_OK : DOL_ECORRUPT;
}

static const struct body_field freed_fields[] = {
    BODY_FIELD(FREED_T_SLAB, FORM_U64, NEED_ALWAYS, freed_body, slab, 1, 0),
    BODY_FIELD(FREED_T_LIFE, FORM_RAW, NEED_ALWAYS, freed_body, life, 1, sizeof(struct uuid)),
    BODY_FIELD(FREED_T_GENERATION, FORM_U64, NEED_ALWAYS, freed_body, generation, 1, 0),
};

void freed_body_encode(const struct freed_body *b, struct tlv_writer *w)
{
    BODY_FIELDS_ENCODE(freed_fields, b, w);
}

enum dol_err freed_body_decode(struct bytes body, struct freed_body *out)
{
    memset(out, 0, sizeof *out);
    return BODY_FIELDS_DECODE(freed_fields, body, out);
}

static const struct body_field debt_fields[] = {
    BODY_FIELD(DEBT_T_DRIVE, FORM_RAW, NEED_ALWAYS, debt_body, drive, 1, sizeof(struct uuid)),
    BODY_FIELD(DEBT_T_SLAB, FORM_U64, NEED_ALWAYS, debt_body, slab, 1, 0),
    BODY_FIELD(DEBT_T_LIFE, FORM_RAW, NEED_ALWAYS, debt_body, life, 1, sizeof(struct uuid)),
    BODY_FIELD(DEBT_T_SETTLED, FORM_U8, NEED_ALWAYS, debt_body, settled, 0, 1),
};

void debt_body_encode(const struct debt_body *b, struct tlv_writer *w)
{
    BODY_FIELDS_ENCODE(debt_fields, b, w);
}

enum dol_err debt_body_decode(struct bytes body, struct debt_body *out)
{
    memset(out, 0, sizeof *out);
    return BODY_FIELDS_DECODE(debt_fields, body, out);
}

static const struct body_field moved_fields[] = {
    BODY_FIELD(MOVED_T_SLAB, FORM_U64, NEED_ALWAYS, moved_body, slab, 1, 0),
    BODY_FIELD(MOVED_T_LIFE, FORM_RAW, NEED_ALWAYS, moved_body, life, 1, sizeof(struct uuid)),
    BODY_FIELD(MOVED_T_COUNT, FORM_U32, NEED_ALWAYS, moved_body, count, 1, MOVED_RECORDS_MAX),
};

void moved_body_encode(const struct moved_body *b, struct tlv_writer *w)
{
    BODY_FIELDS_ENCODE(moved_fields, b, w);
}

enum dol_err moved_body_decode(struct bytes body, struct moved_body *out)
{
    memset(out, 0, sizeof *out);
    return BODY_FIELDS_DECODE(moved_fields, body, out);
}

/* ---- setting ---- */

static const struct body_field setting_fields[] = {
    BODY_FIELD(SETTING_T_NAME, FORM_BYTES, NEED_ALWAYS, setting_body, name, 1, SETTING_NAME_BYTES_MAX),
    BODY_FIELD(SETTING_T_VALUE, FORM_BYTES, NEED_OPTIONAL, setting_body, value, 0, SETTING_VALUE_BYTES_MAX),
};

void setting_body_encode(const struct setting_body *b, struct tlv_writer *w)
{
    BODY_FIELDS_ENCODE(setting_fields, b, w);
}

enum dol_err setting_body_decode(struct bytes body, struct setting_body *out)
{
    memset(out, 0, sizeof *out);
    return BODY_FIELDS_DECODE(setting_fields, body, out);
}
