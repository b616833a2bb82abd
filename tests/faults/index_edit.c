/*
 * Makes an index wrong in one entry, as no damage of bytes would: with the right checksum. For fsck_index.py.
 *
 *     index_edit DIR remove TABLE N           the N-th entry goes
 *     index_edit DIR copy TABLE N             it is there once more, with the last bit of its key turned
 *     index_edit DIR change TABLE N OFFSET    a bit of its payload is turned
 *     index_edit DIR spoil TABLE N OFFSET     the same, and the checksum stays
 *
 *     index_edit DIR dump TABLE 0             nothing is changed: all entries are printed, without their checksums
 *
 * Prints the entry's key in hexadecimal.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "hash.h"
#include "index_row.h"
#include "le.h"

#define MAP_BYTES       (1ull << 30)
#define VALUE_BYTES_MAX (1u << 20)

static void check(int rc, const char *what)
{
    if (rc == MDB_SUCCESS)
        return;
    fprintf(stderr, "index_edit: %s: %s\n", what, mdb_strerror(rc));
    exit(1);
}

static enum index_table table_of(const char *name)
{
    for (int t = TABLE_STATE; t < TABLE_END; t++)
        if (strcmp(table_names[t], name) == 0)
            return (enum index_table)t;
    fprintf(stderr, "index_edit: no table %s\n", name);
    exit(1);
}

static void seal(enum index_table table, const MDB_val *key, uint8_t *value, size_t len)
{
    uint32_t crc =
        crc32c(value_crc(table, bytes_of(key->mv_data, key->mv_size)), value + VALUE_CRC_BYTES, len - VALUE_CRC_BYTES);
    struct le32 stored = le32_of(crc);
    memcpy(value, stored.b, sizeof stored.b);
}

static void print_hex(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
}

static void dump(MDB_cursor *cursor)
{
    MDB_val key, value;
    int rc;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS) {
        print_hex(key.mv_data, key.mv_size);
        putchar(' ');
        print_hex((const uint8_t *)value.mv_data + VALUE_CRC_BYTES, value.mv_size - VALUE_CRC_BYTES);
        putchar('\n');
    }
    check(rc == MDB_NOTFOUND ? MDB_SUCCESS : rc, "the next entry");
}

static void edit(MDB_cursor *cursor, enum index_table table, unsigned long n, const char *how, unsigned long offset)
{
    static uint8_t key_bytes[TABLE_KEY_BYTES_MAX], value_bytes[VALUE_BYTES_MAX];
    MDB_val key, value;
    check(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), "the first entry");
    while (n-- > 0)
        check(mdb_cursor_get(cursor, &key, &value, MDB_NEXT), "the next entry");
    if (key.mv_size > sizeof key_bytes || value.mv_size > sizeof value_bytes ||
        offset + VALUE_CRC_BYTES >= value.mv_size + (strcmp(how, "remove") == 0 ? VALUE_CRC_BYTES + 1 : 0))
        check(MDB_BAD_VALSIZE, "the entry");
    memcpy(key_bytes, key.mv_data, key.mv_size);
    memcpy(value_bytes, value.mv_data, value.mv_size);
    print_hex(key_bytes, key.mv_size);
    putchar('\n');
    if (strcmp(how, "remove") == 0) {
        check(mdb_cursor_del(cursor, 0), how);
        return;
    }
    MDB_val new_key = {key.mv_size, key_bytes}, new_value = {value.mv_size, value_bytes};
    if (strcmp(how, "copy") == 0)
        key_bytes[key.mv_size - 1] ^= 1;
    else
        value_bytes[VALUE_CRC_BYTES + offset] ^= 1;
    if (strcmp(how, "spoil") != 0)
        seal(table, &new_key, value_bytes, value.mv_size);
    check(mdb_cursor_put(cursor, &new_key, &new_value, 0), how);
}

int main(int argc, char **argv)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    if (argc < 5) {
        fprintf(stderr, "index_edit DIR remove|copy|change|spoil|dump TABLE N [OFFSET]\n");
        return 1;
    }
    enum index_table table = table_of(argv[3]);
    check(mdb_env_create(&env), "an environment");
    check(mdb_env_set_mapsize(env, MAP_BYTES), "the map");
    check(mdb_env_set_maxdbs(env, TABLE_END), "the tables");
    check(mdb_env_open(env, argv[1], MDB_NORDAHEAD, 0600), argv[1]);
    check(mdb_txn_begin(env, NULL, 0, &txn), "a transaction");
    check(mdb_dbi_open(txn, table_names[table], 0, &dbi), argv[3]);
    check(mdb_cursor_open(txn, dbi, &cursor), "a cursor");
    if (strcmp(argv[2], "dump") == 0)
        dump(cursor);
    else
        edit(cursor, table, strtoul(argv[4], NULL, 10), argv[2], argc > 5 ? strtoul(argv[5], NULL, 10) : 0);
    mdb_cursor_close(cursor);
    check(mdb_txn_commit(txn), "the commit");
    mdb_env_close(env);
    return 0;
}
