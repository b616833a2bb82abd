/* Valid structures with random content from a fixed seed, for round trips. */
#ifndef DOL_TEST_FORMAT_SAMPLES_H
#define DOL_TEST_FORMAT_SAMPLES_H

#include "body.h"
#include "extent.h"
#include "superblock.h"
#include "unit.h"

struct sample_rng {
    uint64_t state;
};

uint64_t sample_u64(struct sample_rng *rng);
/* lo .. hi, both included. */
uint64_t sample_range(struct sample_rng *rng, uint64_t lo, uint64_t hi);
void sample_fill(struct sample_rng *rng, void *buf, size_t len);
/* Never zero. */
struct uuid sample_uuid(struct sample_rng *rng);

void sample_superblock(struct sample_rng *rng, struct superblock *sb);
void sample_extent_header(struct sample_rng *rng, struct extent_header *h);
void sample_extent_footer(struct sample_rng *rng, struct extent_footer *f);

/* One row's header with tables that agree with it. */
struct sample_unit {
    struct unit_header header;
    struct row_layout layout;
    uint32_t digests[FORMAT_MEMBERS_MAX];
    uint32_t crcs[UNIT_CRCS_MAX];
};
void sample_unit_header(struct sample_rng *rng, struct sample_unit *u);

void sample_record_header(struct sample_rng *rng, struct record_header *h);

/* Decoded bodies whose bytes lie in `space`. */
struct sample_space {
    uint8_t b[1 << 20];
    size_t used;
};
struct bytes sample_bytes(struct sample_rng *rng, struct sample_space *space, size_t len);
/* References that add up to *size. */
struct bytes sample_chunk_refs(struct sample_rng *rng, struct sample_space *space, uint32_t count, uint64_t *size);
struct bytes sample_list_refs(struct sample_rng *rng, struct sample_space *space, uint32_t count, uint64_t *size);
struct bytes sample_tags(struct sample_rng *rng, struct sample_space *space, unsigned count);
void sample_manifest(struct sample_rng *rng, struct sample_space *space, struct manifest *m);
struct retention sample_retention(struct sample_rng *rng);
struct object_checksum sample_checksum(struct sample_rng *rng);

#endif
