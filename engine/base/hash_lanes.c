/*
 * Hash jobs, see hash_lanes.h.
 *
 * A way is a set of kernels. Each call works in three moves: what each stream holds of a block is filled up, whole
 * blocks go through the kernels until every job had its share, and a job that has come to its end gets its last bytes
 * and its padding. The two digests of a job may be at different places, by less than a block.
 *
 * Without the SHA extensions a job without company gets its SHA-256 from OpenSSL, in one go.
 */
#include "hash_lanes.h"

#include <pthread.h>

#include "dol_assert.h"
#include "hash_kernels.h"

struct hash_way {
    const char *name;
    const struct hash_kernels *lanes; /* NULL: none */
    bool sha_ni;
};

/* With the SHA extensions: fewer jobs go quicker two by two than through the lanes. */
#define LANES_COUNT_MIN_WITH_NI 12u

#define WAYS_MAX 5u

static struct hash_way ways[WAYS_MAX];
static unsigned way_count;
static unsigned way_forced = HASH_WAY_BEST;
static struct hash_way best;
static pthread_once_t ways_once = PTHREAD_ONCE_INIT;

static void ways_find(void)
{
    const struct hash_kernels *avx2 = hash_kernels_avx2(), *avx512 = hash_kernels_avx512();
    bool ni = hash_sha_ni();
    ways[way_count++] = (struct hash_way){"portable", NULL, false};
    if (ni)
        ways[way_count++] = (struct hash_way){"sha-ni", NULL, true};
    if (avx2 != NULL)
        ways[way_count++] = (struct hash_way){"avx2", avx2, false};
    if (avx512 != NULL)
        ways[way_count++] = (struct hash_way){"avx512", avx512, false};
    /* eight lanes are no quicker than pairs */
    best = (struct hash_way){"best", avx512 != NULL ? avx512 : ni ? NULL : avx2, ni};
}

static void ways_ready(void)
{
    dol_assert(pthread_once(&ways_once, ways_find) == 0);
}

unsigned hash_ways(void)
{
    ways_ready();
    return way_count;
}

const char *hash_way_name(unsigned way)
{
    ways_ready();
    dol_assert(way < way_count);
    return ways[way].name;
}

void hash_ways_use(unsigned way)
{
    ways_ready();
    dol_assert(way < way_count || way == HASH_WAY_BEST);
    way_forced = way;
}

/* ---- one job's share of a call ---- */

struct share {
    struct hash_job *job;
    struct md5 *md5;
    size_t md5_blocks, sha256_blocks; /* still to take in now */
};

static void share_begin(struct share *s, struct hash_job *job, size_t blocks_max)
{
    s->job = job;
    s->md5 = hash_stream_md5(job->md5);
    size_t held = s->md5->bytes % HASH_BLOCK_BYTES;
    if (held > 0) {
        size_t n = HASH_BLOCK_BYTES - held;
        n = n < job->len - job->md5_at ? n : job->len - job->md5_at;
        md5_update(s->md5, job->data + job->md5_at, n);
        job->md5_at += n;
    }
    size_t md5_blocks = (job->len - job->md5_at) / HASH_BLOCK_BYTES;
    size_t sha256_blocks = (job->len - job->sha256_at) / HASH_BLOCK_BYTES;
    s->md5_blocks = md5_blocks < blocks_max ? md5_blocks : blocks_max;
    s->sha256_blocks = sha256_blocks < blocks_max ? sha256_blocks : blocks_max;
}

static const uint8_t *share_md5_data(const struct share *s)
{
    return s->job->data + s->job->md5_at;
}

static const uint8_t *share_sha256_data(const struct share *s)
{
    return s->job->data + s->job->sha256_at;
}

static void share_md5_took(struct share *s, size_t blocks)
{
    s->md5_blocks -= blocks;
    s->md5->bytes += blocks * HASH_BLOCK_BYTES;
    s->job->md5_at += blocks * HASH_BLOCK_BYTES;
}

static void share_sha256_took(struct share *s, size_t blocks)
{
    s->sha256_blocks -= blocks;
    s->job->sha256_at += blocks * HASH_BLOCK_BYTES;
}

static void sha256_run(const struct hash_way *way, uint32_t words[SHA256_WORDS], const uint8_t *data, size_t blocks)
{
    if (way->sha_ni)
        sha256_blocks_ni(&words, &data, 1, blocks);
    else
        sha256_blocks(words, data, blocks);
}

/* The last bytes and the padding, once all blocks are in. */
static void share_end(const struct hash_way *way, struct share *s)
{
    struct hash_job *job = s->job;
    size_t md5_rest = job->len - job->md5_at, rest = job->len - job->sha256_at;
    if (md5_rest >= HASH_BLOCK_BYTES || rest >= HASH_BLOCK_BYTES)
        return;
    md5_update(s->md5, job->data + job->md5_at, md5_rest);
    job->md5_at = job->len;
    uint8_t last[SHA256_LAST_BYTES];
    size_t blocks = sha256_pad(job->data + job->sha256_at, job->len, last);
    sha256_run(way, job->sha256_words, last, blocks);
    sha256_encode(job->sha256_words, job->sha256.b);
    job->done = true;
}

/* ---- one or two at a time ---- */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void run_portable(struct share *s)
{
    struct hash_job *job = s->job;
    md5_blocks(s->md5->words, share_md5_data(s), s->md5_blocks);
    share_md5_took(s, s->md5_blocks);
    sha256_blocks(job->sha256_words, share_sha256_data(s), s->sha256_blocks);
    share_sha256_took(s, s->sha256_blocks);
}

/* Both digests of 1 or 2 jobs as far as all can go together, at most `blocks`. */
static void run_together(struct share *shares, unsigned count, size_t blocks)
{
    struct hash_pair pairs[2];
    for (unsigned i = 0; i < count; i++) {
        struct share *s = &shares[i];
        blocks = min_size(blocks, min_size(s->md5_blocks, s->sha256_blocks));
        pairs[i] = (struct hash_pair){s->md5->words, share_md5_data(s), s->job->sha256_words, share_sha256_data(s)};
    }
    if (blocks == 0)
        return;
    md5_sha256_blocks_ni(pairs, count, blocks);
    for (unsigned i = 0; i < count; i++) {
        share_md5_took(&shares[i], blocks);
        share_sha256_took(&shares[i], blocks);
    }
}

/* Two by two; of an odd number the last three take turns, so that nobody goes alone. */
static void run_pairs(struct share *shares, unsigned count)
{
    unsigned i = 0;
    for (; i + 2 <= count && count - i != 3; i += 2)
        run_together(&shares[i], 2, SIZE_MAX);
    if (count - i == 3) {
        struct share *three = &shares[i];
        size_t half = min_size(three[0].md5_blocks, min_size(three[1].md5_blocks, three[2].md5_blocks)) / 2;
        run_together(three, 2, half);
        run_together(three + 1, 2, half);
        struct share ends[2] = {three[0], three[2]};
        run_together(ends, 2, SIZE_MAX);
        three[0] = ends[0];
        three[2] = ends[1];
    }
}

static void run_ni(struct share *shares, unsigned count)
{
    run_pairs(shares, count);
    for (unsigned i = 0; i < count; i++) {
        struct share *s = &shares[i];
        run_together(s, 1, SIZE_MAX);
        md5_blocks(s->md5->words, share_md5_data(s), s->md5_blocks);
        share_md5_took(s, s->md5_blocks);
        if (s->sha256_blocks > 0) {
            uint32_t *words = s->job->sha256_words;
            const uint8_t *data = share_sha256_data(s);
            sha256_blocks_ni(&words, &data, 1, s->sha256_blocks);
            share_sha256_took(s, s->sha256_blocks);
        }
    }
}

/* ---- side by side ---- */

enum digest { DIGEST_MD5, DIGEST_SHA256 };

/* Puts all shares with blocks left side by side, again and again until fewer than count_min have any. */
static void run_lanes(const struct hash_kernels *k, enum digest digest, struct share *shares, unsigned count)
{
    unsigned count_min = digest == DIGEST_MD5 ? k->md5_count_min : k->sha256_count_min;
    for (;;) {
        uint32_t *states[HASH_KERNEL_LANES_MAX];
        const uint8_t *data[HASH_KERNEL_LANES_MAX];
        struct share *in[HASH_KERNEL_LANES_MAX];
        size_t blocks = SIZE_MAX;
        unsigned n = 0;
        for (unsigned i = 0; i < count && n < k->lanes; i++) {
            struct share *s = &shares[i];
            size_t left = digest == DIGEST_MD5 ? s->md5_blocks : s->sha256_blocks;
            if (left == 0)
                continue;
            blocks = min_size(blocks, left);
            states[n] = digest == DIGEST_MD5 ? s->md5->words : s->job->sha256_words;
            data[n] = digest == DIGEST_MD5 ? share_md5_data(s) : share_sha256_data(s);
            in[n++] = s;
        }
        if (n < count_min || n == 0)
            return;
        (digest == DIGEST_MD5 ? k->md5 : k->sha256)(states, data, n, blocks);
        for (unsigned i = 0; i < n; i++) {
            if (digest == DIGEST_MD5)
                share_md5_took(in[i], blocks);
            else
                share_sha256_took(in[i], blocks);
        }
    }
}

static void run(const struct hash_way *way, struct share *shares, unsigned count)
{
    if (way->lanes != NULL && (!way->sha_ni || count >= LANES_COUNT_MIN_WITH_NI)) {
        run_lanes(way->lanes, DIGEST_MD5, shares, count);
        run_lanes(way->lanes, DIGEST_SHA256, shares, count);
    }
    if (way->sha_ni) {
        run_ni(shares, count);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        run_portable(&shares[i]);
}

/* ---- public ---- */

void hash_job_init(struct hash_job *job, struct hash_stream *md5, const void *data, size_t len)
{
    *job = (struct hash_job){.data = data, .len = len, .md5 = md5};
    memcpy(job->sha256_words, sha256_initial, sizeof job->sha256_words);
}

/* Whole, where neither SHA extensions nor enough company make another way quicker. */
static void finish_by_openssl(struct hash_job *job)
{
    hash_stream_update(job->md5, job->data, job->len);
    job->md5_at = job->sha256_at = job->len;
    job->sha256 = sha256_of(job->data, job->len);
    job->done = true;
}

void hash_jobs_advance(struct hash_job *const *jobs, unsigned count, size_t bytes_max)
{
    struct share shares[HASH_JOBS_MAX];
    unsigned n = 0;
    dol_assert(count > 0 && count <= HASH_JOBS_MAX && bytes_max >= HASH_BLOCK_BYTES);
    ways_ready();
    const struct hash_way *way = way_forced == HASH_WAY_BEST ? &best : &ways[way_forced];
    bool alone = way->lanes == NULL || count < way->lanes->sha256_count_min;
    for (unsigned i = 0; i < count; i++) {
        dol_assert(!jobs[i]->done);
        if (way == &best && !way->sha_ni && alone && jobs[i]->md5_at == 0)
            finish_by_openssl(jobs[i]);
        else
            share_begin(&shares[n++], jobs[i], bytes_max / HASH_BLOCK_BYTES);
    }
    run(way, shares, n);
    for (unsigned i = 0; i < n; i++)
        share_end(way, &shares[i]);
}
