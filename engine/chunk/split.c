/*
 * Splitter: content-defined cuts by a gear hash, normalised around the target size.
 *
 * hash = (hash << 1) + gear[byte], so the hash speaks of the last 64 bytes and nothing else; a cut follows a byte where
 * the hash masked is zero. The masks take the top bits, which depend on the whole window. Within a chunk of c bytes:
 *
 *     c <  SPLIT_MIN_BYTES                       no cut
 *     c <= SPLIT_TARGET_BYTES                    cut with probability 2^-20 per byte
 *     c >  SPLIT_TARGET_BYTES                    cut with probability 2^-17 per byte
 *     c == SPLIT_MAX_BYTES                       cut
 *
 * and none of them while the object's position is at most SPLIT_WHOLE_BYTES_MAX: the stream's length is not known
 * ahead, so the first cut comes after more than that, and an object of exactly that size is one chunk. A hint cuts
 * anywhere.
 *
 * Cuts depend on the object's bytes and the hints alone, never on the sizes of the pieces given: hashing starts 64
 * bytes ahead of the first position where a cut may be, whatever piece that lies in.
 */
#include "split.h"

#include "dol_assert.h"
#include "split_gear.h"

#define WINDOW_BYTES 64u

/* 20 and 17 bits: chunks average 512 KiB on content without structure. */
#define MASK_EARLY UINT64_C(0xfffff00000000000)
#define MASK_LATE  UINT64_C(0xffff800000000000)

void splitter_init(struct splitter *s)
{
    *s = (struct splitter){.hint = UINT64_MAX};
}

void splitter_hint(struct splitter *s, uint64_t position)
{
    s->hint = position > s->position ? position : UINT64_MAX;
}

/*
 * Advances the hash over data[0..len) until the masked hash is zero; returns the bytes consumed and whether it was.
 * Four bytes a turn, for this loop sees every byte of large objects.
 */
static size_t gear_scan(uint64_t *hash, const uint8_t *data, size_t len, uint64_t mask, bool *found)
{
    uint64_t h = *hash;
    size_t i = 0;
    for (; len - i >= 4; i += 4) {
        uint64_t h1 = (h << 1) + split_gear[data[i]];
        uint64_t h2 = (h1 << 1) + split_gear[data[i + 1]];
        uint64_t h3 = (h2 << 1) + split_gear[data[i + 2]];
        uint64_t h4 = (h3 << 1) + split_gear[data[i + 3]];
        if ((h1 & mask) == 0 || (h2 & mask) == 0 || (h3 & mask) == 0 || (h4 & mask) == 0)
            break; /* one of the next four; the loop below finds it */
        h = h4;
    }
    *found = false;
    while (i < len && !*found) {
        h = (h << 1) + split_gear[data[i++]];
        *found = (h & mask) == 0;
    }
    *hash = h;
    return i;
}

static size_t gear_warm(uint64_t *hash, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *hash = (*hash << 1) + split_gear[data[i]];
    return len;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The size of the current chunk from which on a content-defined cut may follow. */
static uint32_t first_cut_bytes(const struct splitter *s)
{
    uint64_t chunk_start = s->position - s->chunk_bytes;
    uint64_t whole = chunk_start <= SPLIT_WHOLE_BYTES_MAX ? SPLIT_WHOLE_BYTES_MAX + 1 - chunk_start : 0;
    return whole > SPLIT_MIN_BYTES ? (uint32_t)whole : SPLIT_MIN_BYTES;
}

size_t splitter_take(struct splitter *s, const uint8_t *data, size_t len, bool *cut)
{
    dol_assert(s->chunk_bytes < SPLIT_MAX_BYTES && s->hint > s->position);
    uint32_t first_cut = first_cut_bytes(s);
    /* The chunk ends at `end` at the latest. */
    uint64_t end = min_u64(SPLIT_MAX_BYTES, s->chunk_bytes + (s->hint - s->position));
    uint32_t chunk_bytes = s->chunk_bytes;
    uint64_t left = min_u64(len, end - chunk_bytes);
    bool found = false;
    size_t taken = 0;

    while (left > 0 && !found) {
        uint64_t limit;
        size_t n;
        if (chunk_bytes < first_cut - WINDOW_BYTES) {
            limit = first_cut - WINDOW_BYTES;
            n = (size_t)min_u64(left, limit - chunk_bytes);
        } else if (chunk_bytes < first_cut - 1) {
            limit = first_cut - 1;
            n = gear_warm(&s->hash, data + taken, (size_t)min_u64(left, limit - chunk_bytes));
        } else if (chunk_bytes < SPLIT_TARGET_BYTES) {
            limit = SPLIT_TARGET_BYTES;
            n = gear_scan(&s->hash, data + taken, (size_t)min_u64(left, limit - chunk_bytes), MASK_EARLY, &found);
        } else {
            n = gear_scan(&s->hash, data + taken, (size_t)left, MASK_LATE, &found);
        }
        taken += n;
        left -= n;
        chunk_bytes += (uint32_t)n;
    }

    s->position += taken;
    *cut = found || chunk_bytes == end;
    s->chunk_bytes = *cut ? 0 : chunk_bytes;
    if (s->position >= s->hint)
        s->hint = UINT64_MAX;
    return taken;
}
