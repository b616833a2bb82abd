/* Extent header (first byte: bit 0 clear) and footer (set); bit 1: the checksum is made good. What is accepted encodes
 * to itself. */
#include "dol_assert.h"
#include "extent.h"
#include "format_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_header(const uint8_t *image)
{
    static uint8_t again[EXTENT_HEADER_BYTES];
    struct extent_header h;
    if (extent_header_decode(image, &h) != DOL_OK)
        return;
    extent_header_encode(&h, again);
    if (h.masks.ro_data == 0 && h.masks.ro_meta == 0)
        dol_assert(memcmp(image, again, sizeof again) == 0);
}

static void fuzz_footer(const uint8_t *image, struct uuid life)
{
    static uint8_t again[EXTENT_FOOTER_BYTES];
    struct extent_footer f;
    if (extent_footer_decode(image, life, &f) != DOL_OK)
        return;
    extent_footer_encode(&f, again);
    if (f.masks.ro_data == 0 && f.masks.ro_meta == 0)
        dol_assert(memcmp(image, again, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t image[EXTENT_HEADER_BYTES];
    struct uuid life;
    if (size < 1)
        return 0;
    size_t len = size - 1 < sizeof image ? size - 1 : sizeof image;
    memset(image, 0, sizeof image);
    memcpy(image, data + 1, len);
    memcpy(life.b, image + 64, sizeof life.b);
    if ((data[0] & 2) != 0)
        format_head_seal(image, sizeof image, bytes_of(life.b, sizeof life.b));
    if ((data[0] & 1) == 0)
        fuzz_header(image);
    else
        fuzz_footer(image, life);
    return 0;
}
