/* Rows in and out of LMDB, with the CRC around their values; LMDB's error codes. */
#include "index_schema.h"

#include <errno.h>

#include "dol_assert.h"
#include "hash.h"
#include "le.h"

enum dol_err schema_err(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return DOL_OK;
    case MDB_NOTFOUND:
        return DOL_ENOTFOUND;
    case MDB_MAP_FULL:
        return DOL_ETOOLARGE;
    case MDB_READERS_FULL:
        return DOL_EBUSY;
    case ENOMEM:
        return DOL_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return DOL_EFULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_DBI:
    case MDB_BAD_VALSIZE:
    case MDB_CURSOR_FULL:
        return DOL_ECORRUPT;
    default:
        return DOL_EIO;
    }
}

enum dol_err table_put(MDB_cursor *mc, enum index_table table, struct bytes key, const struct bytes *parts,
                       unsigned count)
{
    dol_assert(count <= VALUE_PARTS_MAX && key.len <= TABLE_KEY_BYTES_MAX);
    uint32_t crc = value_crc(table, key);
    size_t len = VALUE_CRC_BYTES;
    for (unsigned i = 0; i < count; i++) {
        crc = crc32c(crc, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v = {len, NULL};
    int rc = mdb_cursor_put(mc, &k, &v, MDB_RESERVE);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    struct le32 stored = le32_of(crc);
    uint8_t *out = v.mv_data;
    memcpy(out, &stored, VALUE_CRC_BYTES);
    out += VALUE_CRC_BYTES;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(out, parts[i].data, parts[i].len);
        out += parts[i].len;
    }
    return DOL_OK;
}

enum dol_err table_check(enum index_table table, const MDB_val *key, const MDB_val *value, struct bytes *payload)
{
    return value_check(table, bytes_of(key->mv_data, key->mv_size), bytes_of(value->mv_data, value->mv_size), payload);
}

enum dol_err table_get(MDB_cursor *mc, enum index_table table, struct bytes key, struct bytes *payload)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v;
    int rc = mdb_cursor_get(mc, &k, &v, MDB_SET);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    return table_check(table, &k, &v, payload);
}

enum dol_err table_lookup(MDB_txn *txn, MDB_dbi dbi, enum index_table table, struct bytes key, struct bytes *payload)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v;
    int rc = mdb_get(txn, dbi, &k, &v);
    if (rc != MDB_SUCCESS)
        return schema_err(rc);
    return table_check(table, &k, &v, payload);
}
