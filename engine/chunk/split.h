/*
 * Splitter: where an object's stream is cut into chunks, so that equal content gives equal chunks. Content-defined cuts
 * (a rolling gear hash, normalised around the target size); the DICOM-aware cuts plug in here: split_hint() forces a
 * cut at a position the scanner names.
 *
 * An object up to SPLIT_WHOLE_BYTES_MAX is one chunk. Parameters are part of the format only in so far as changing them
 * loses dedup against older data.
 */
#ifndef DOL_SPLIT_H
#define DOL_SPLIT_H

#include <dolmen/types.h>

#define SPLIT_WHOLE_BYTES_MAX (256u << 10)
#define SPLIT_MIN_BYTES       (128u << 10)
#define SPLIT_TARGET_BYTES    (512u << 10)
#define SPLIT_MAX_BYTES       (1u << 20)

struct splitter {
    uint64_t hash;
    uint64_t position;    /* bytes of the object consumed */
    uint32_t chunk_bytes; /* bytes in the chunk being filled */
    uint64_t hint;        /* forced cut at this object position; UINT64_MAX: none */
};

void splitter_init(struct splitter *s);
/* Forces a cut at `position` (absolute in the object), however small the chunk gets. One not ahead of what was consumed
 * is ignored. The last hint wins. */
void splitter_hint(struct splitter *s, uint64_t position);
/*
 * How many of the next `len` bytes belong to the current chunk; *cut is set when the chunk ends with them. A chunk
 * never exceeds SPLIT_MAX_BYTES. No content-defined cut happens at an object position of SPLIT_WHOLE_BYTES_MAX or less.
 * How the object is divided into pieces has no influence.
 */
size_t splitter_take(struct splitter *s, const uint8_t *data, size_t len, bool *cut);

#endif
