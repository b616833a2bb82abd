/* An object-meta record taken into the manifest it changes: retention, tags and storage class are replaced, all else
 * stays as it was. */
#include "index_impl.h"

#define MERGE_SLACK_BYTES 256u /* TLVs that the manifest did not have */

size_t meta_merge_bytes(struct bytes manifest, struct bytes meta)
{
    return manifest.len + meta.len + MERGE_SLACK_BYTES;
}

bool meta_merge(struct bytes manifest, struct bytes meta, uint8_t *out, size_t capacity, size_t *len)
{
    struct manifest m;
    struct object_meta_body change;
    if (manifest_decode(manifest, &m) != DOL_OK || object_meta_decode(meta, &change) != DOL_OK)
        return false;
    m.retention = change.retention;
    m.tags = change.tags;
    m.storage_class = change.storage_class;
    struct tlv_writer w;
    tlv_writer_init(&w, out, capacity);
    manifest_encode(&m, &w);
    *len = w.len;
    return !w.overflow;
}
