/*
 * Opening stored records. Input: mode, record. Mode bit 0: the opener has keys; bit 1: the header's CRC is put right
 * first, so that mutated fields get behind it. A record that opens lies within what was given.
 */
#include "dol_assert.h"
#include "hash.h"
#include "seal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Key 7: the data key of RFC 3394 section 4.6, wrapped under the key-encryption key given there. */
static struct keyring *fixed_keyring(void)
{
    struct master_key master;
    struct superblock sb = {.pool = {{1}}, .key_count = 1};
    struct keyring *k;
    for (unsigned i = 0; i < sizeof master.b; i++)
        master.b[i] = (uint8_t)i;
    master_key_check(&master, sb.pool, sb.key_check);
    sb.keys[0] = (struct superblock_key){.id = 7, .wrap_alg = FORMAT_WRAP_AES256KW};
    dol_assert(hex_decode("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21", 80,
                          sb.keys[0].wrapped, sizeof sb.keys[0].wrapped));
    dol_assert(keyring_open(&master, &sb, &k) == DOL_OK);
    return k;
}

static struct opener *opener_once(bool keys)
{
    static struct opener *openers[2];
    if (openers[0] == NULL) {
        dol_assert(opener_new(NULL, &openers[0]) == DOL_OK);
        dol_assert(opener_new(fixed_keyring(), &openers[1]) == DOL_OK);
    }
    return openers[keys];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t mode = data[0];
    size_t len = size - 1;
    uint8_t *record = malloc(len ? len : 1);
    dol_assert(record != NULL);
    memcpy(record, data + 1, len);
    if ((mode & 2) != 0 && len >= RECORD_HEADER_BYTES) {
        struct le32 crc = le32_of(crc32c(0, record + 4, RECORD_HEADER_BYTES - 4));
        memcpy(record, crc.b, sizeof crc.b);
    }
    struct record_header h;
    struct bytes body;
    enum dol_err err = opener_open(opener_once((mode & 1) != 0), record, len, &h, &body);
    if (err == DOL_OK) {
        dol_assert(body.data == record + RECORD_HEADER_BYTES && body.len == h.body_bytes);
        dol_assert(RECORD_HEADER_BYTES + body.len + RECORD_TRAILER_BYTES <= len);
    } else {
        dol_assert(err == DOL_ECORRUPT || err == DOL_EFORMAT || err == DOL_EKEY);
    }
    free(record);
    return 0;
}
