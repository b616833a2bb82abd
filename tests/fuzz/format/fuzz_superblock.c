/* Superblock. First byte odd: the checksum is made good, so that the fields are reached. What is accepted encodes to
 * itself. */
#include "dol_assert.h"
#include "format_head.h"
#include "superblock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t image[SUPERBLOCK_BYTES];
    static uint8_t again[SUPERBLOCK_BYTES];
    static struct superblock sb;
    if (size < 1)
        return 0;
    size_t len = size - 1 < sizeof image ? size - 1 : sizeof image;
    memset(image, 0, sizeof image);
    memcpy(image, data + 1, len);
    if ((data[0] & 1) != 0)
        format_head_seal(image, sizeof image, bytes_of(NULL, 0));
    if (superblock_decode(image, &sb) != DOL_OK)
        return 0;
    superblock_encode(&sb, again);
    if (sb.masks.ro_data == 0 && sb.masks.ro_meta == 0)
        dol_assert(memcmp(image, again, sizeof image) == 0);
    return 0;
}
