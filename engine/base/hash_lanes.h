/*
 * Hash jobs: the MD5 of a stream and the SHA-256 of a piece of it, wanted together, of several streams at once.
 *
 * MD5 is a chain of dependent steps, so one stream leaves a core idle most of the time, and several streams cost hardly
 * more than one: two in turn with the SHA extensions, up to sixteen in the lanes of the widest vectors. Which way is
 * taken depends on the processor and on how many jobs come together; the digests don't.
 */
#ifndef DOL_HASH_LANES_H
#define DOL_HASH_LANES_H

#include "hash.h"

#define HASH_JOBS_MAX 16u /* in one call; more gain nothing */

struct hash_job {
    const uint8_t *data; /* borrowed */
    size_t len;
    struct hash_stream *md5; /* HASH_MD5; takes in the data. Not touched elsewhere until the job is done */
    struct sha256 sha256;    /* of the data alone; valid when done */
    bool done;
    /* private */
    size_t md5_at, sha256_at; /* bytes taken in */
    uint32_t sha256_words[8];
};

void hash_job_init(struct hash_job *job, struct hash_stream *md5, const void *data, size_t len);

/*
 * Takes each of the jobs (none of them done, at most HASH_JOBS_MAX, no two of one stream) up to about bytes_max bytes
 * further, so that a caller with other duties can stop in between. bytes_max >= 64.
 */
void hash_jobs_advance(struct hash_job *const *jobs, unsigned count, size_t bytes_max);

/* For tests and measurements: the ways this processor offers, from 0; hash_ways_use() with a number makes
 * hash_jobs_advance() take only that one, HASH_WAY_BEST what is quickest. */
#define HASH_WAY_BEST UINT32_MAX
unsigned hash_ways(void);
const char *hash_way_name(unsigned way);
void hash_ways_use(unsigned way);

#endif
