/* Unit: header, and the payload if it is all there. First byte odd: the header's checksum is made good. What is
 * accepted encodes to itself. */
#include "dol_assert.h"
#include "format_head.h"
#include "unit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As unit.c seals: life, row and member that the header names. */
static void unit_reseal(uint8_t *image, size_t len)
{
    uint8_t seed[25];
    struct le32 header_bytes;
    if (len < UNIT_HEADER_FIXED_BYTES)
        return;
    memcpy(&header_bytes, image + 132, sizeof header_bytes);
    if (le32_get(header_bytes) < UNIT_HEADER_FIXED_BYTES || le32_get(header_bytes) > len)
        return;
    memcpy(seed, image + 64, 24); /* life and row lie side by side */
    seed[24] = image[218];
    format_head_seal(image, le32_get(header_bytes), bytes_of(seed, sizeof seed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[FORMAT_BLOCK_BYTES];
    uint32_t digests[FORMAT_MEMBERS_MAX];
    uint32_t crcs[UNIT_CRCS_MAX];
    struct unit_header h;
    struct uuid life = {{0}};
    size_t needed = 0;
    if (size < 1)
        return 0;
    size_t len = size - 1;
    uint8_t *image = malloc(len > 0 ? len : 1);
    dol_assert(image != NULL);
    memcpy(image, data + 1, len);
    if ((data[0] & 1) != 0)
        unit_reseal(image, len);
    if (len >= 80)
        memcpy(life.b, image + 64, sizeof life.b);
    enum dol_err err = unit_header_decode(image, len, life, &h, digests, crcs, &needed);
    dol_assert((err == DOL_ERANGE) == (len < FORMAT_BLOCK_BYTES));
    if (err == DOL_OK) {
        struct row_layout layout;
        dol_assert(row_layout_of_unit(h.unit_blocks, h.k, h.m, &layout));
        unit_header_encode(&h, digests, crcs, again);
        if (h.masks.ro_data == 0 && h.masks.ro_meta == 0)
            dol_assert(memcmp(image, again, layout.header_bytes) == 0);
        if ((size_t)h.unit_blocks * FORMAT_BLOCK_BYTES <= len)
            (void)unit_payload_ok(image + layout.header_bytes, &layout, crcs);
    }
    free(image);
    return 0;
}
