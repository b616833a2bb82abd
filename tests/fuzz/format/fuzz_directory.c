/* Directory: first byte even, a whole body; odd, bare entries. Each entry that is accepted encodes to itself. */
#include "body.h"
#include "dol_assert.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_entries(struct bytes pos)
{
    uint8_t *again = malloc(pos.len + 1);
    dol_assert(again != NULL);
    for (;;) {
        struct directory_entry e;
        struct bytes before = pos;
        enum dol_err err = directory_next(&pos, &e);
        if (err != DOL_OK && err != DOL_EFORMAT) {
            dol_assert((err == DOL_ENOTFOUND) == (pos.len == 0));
            break;
        }
        size_t used = before.len - pos.len;
        dol_assert(used >= DIRECTORY_ENTRY_FIXED_BYTES);
        if (e.payload.len <= BODY_BYTES_MAX) {
            dol_assert(directory_entry_encode(&e, again, used) == used);
            dol_assert(memcmp(before.data, again, used) == 0);
        }
    }
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *image = malloc(size);
    dol_assert(image != NULL);
    memcpy(image, data + 1, size - 1);
    struct bytes entries = bytes_of(image, size - 1);
    if ((data[0] & 1) != 0)
        fuzz_entries(entries);
    else if (directory_entries(bytes_of(image, size - 1), &entries) == DOL_OK)
        fuzz_entries(entries);
    free(image);
    return 0;
}
