/* The key file's text. What is accepted for any pool is accepted for exactly one. */
#include "dol_assert.h"
#include "keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct uuid any;
    static const struct uuid nobody = {{0xff, 0xfe, 0xfd}};
    struct master_key key = {{0xa5}};
    struct master_key untouched = key;
    enum dol_err err = keyfile_parse(bytes_of(data, size), any, &key);
    dol_assert(err == DOL_OK || err == DOL_ESYNTAX);
    if (err != DOL_OK)
        dol_assert(memcmp(&key, &untouched, sizeof key) == 0);
    struct master_key other = untouched;
    enum dol_err foreign = keyfile_parse(bytes_of(data, size), nobody, &other);
    dol_assert(foreign == (err == DOL_OK ? DOL_EKEY : DOL_ESYNTAX));
    dol_assert(memcmp(&other, &untouched, sizeof other) == 0);
    return 0;
}
