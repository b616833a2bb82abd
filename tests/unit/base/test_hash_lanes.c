/* Hash jobs: every way of this processor against OpenSSL, over random lengths, places, companies and steps. */
#include "hash_lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>

#define BUFFER_BYTES  (96u << 10)
#define STREAMS_MAX   HASH_JOBS_MAX
#define SEEDED_ROUNDS 150u

static uint8_t buffer[BUFFER_BYTES];
static uint64_t chance_state = 1;

static uint64_t chance(uint64_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state % below;
}

static int fill_buffer(void **state)
{
    (void)state;
    for (size_t i = 0; i < BUFFER_BYTES; i++)
        buffer[i] = (uint8_t)chance(256);
    return 0;
}

static void openssl_digest(const EVP_MD *md, const void *data, size_t len, uint8_t *out)
{
    assert_int_equal(EVP_Digest(data, len, out, NULL, md, NULL), 1);
}

static void assert_job(const struct hash_job *job)
{
    uint8_t expected[32];
    openssl_digest(EVP_sha256(), job->data, job->len, expected);
    assert_memory_equal(job->sha256.b, expected, 32);
}

static void assert_md5(struct hash_stream *md5, const void *data, size_t len)
{
    uint8_t expected[16], got[16];
    openssl_digest(EVP_md5(), data, len, expected);
    hash_stream_final(md5, got);
    assert_memory_equal(got, expected, 16);
}

static void run_to_end(struct hash_job **jobs, unsigned count, size_t step)
{
    while (count > 0) {
        hash_jobs_advance(jobs, count, step);
        unsigned left = 0;
        for (unsigned i = 0; i < count; i++)
            if (!jobs[i]->done)
                jobs[left++] = jobs[i];
        count = left;
    }
}

/* RFC 1321 A.5 and FIPS 180-2 B: published digests, each alone and fifteen times beside others. */
static void test_known(void **state)
{
    (void)state;
    static const struct {
        const char *text, *md5, *sha256;
    } cases[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a", "f371bc4a311f2b009eef952dd83ca80e2b60026c8e935592d0f9c308453c813e"},
    };
    for (unsigned way = 0; way <= hash_ways(); way++) {
        hash_ways_use(way < hash_ways() ? way : HASH_WAY_BEST);
        for (unsigned c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            for (unsigned count = 1; count <= HASH_JOBS_MAX; count++) {
                struct hash_job all[HASH_JOBS_MAX], *jobs[HASH_JOBS_MAX];
                struct hash_stream *md5[HASH_JOBS_MAX];
                char hex[65];
                uint8_t digest[16];
                for (unsigned i = 0; i < count; i++) {
                    md5[i] = hash_stream_new(HASH_MD5);
                    assert_non_null(md5[i]);
                    hash_job_init(&all[i], md5[i], i == 0 ? cases[c].text : (const char *)buffer,
                                  i == 0 ? strlen(cases[c].text) : (size_t)100 * i);
                    jobs[i] = &all[i];
                }
                run_to_end(jobs, count, 4096);
                hex_encode(all[0].sha256.b, 32, hex);
                assert_string_equal(hex, cases[c].sha256);
                hash_stream_final(md5[0], digest);
                hex_encode(digest, 16, hex);
                assert_string_equal(hex, cases[c].md5);
                for (unsigned i = 0; i < count; i++)
                    hash_stream_free(md5[i]);
            }
        }
    }
    hash_ways_use(HASH_WAY_BEST);
}

/* Sizes around the block and the padding, at every alignment that matters, each with one of another size. */
static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,   1,   55,  56,  57,  63,  64,  65,   119,  120,  127,  128,
                                   129, 191, 192, 193, 256, 511, 512, 1000, 4095, 4096, 4097, 70u << 10};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    for (unsigned way = 0; way <= hash_ways(); way++) {
        hash_ways_use(way < hash_ways() ? way : HASH_WAY_BEST);
        for (unsigned i = 0; i < SIZES; i++) {
            struct hash_job a, b, *jobs[] = {&a, &b};
            struct hash_stream *md5_a = hash_stream_new(HASH_MD5), *md5_b = hash_stream_new(HASH_MD5);
            assert_non_null(md5_a);
            assert_non_null(md5_b);
            hash_job_init(&a, md5_a, buffer + i, sizes[i]);
            hash_job_init(&b, md5_b, buffer + 2 * i + 1, sizes[SIZES - 1 - i]);
            run_to_end(jobs, 2, BUFFER_BYTES);
            assert_job(&a);
            assert_job(&b);
            assert_md5(md5_a, a.data, a.len);
            assert_md5(md5_b, b.data, b.len);
            hash_stream_free(md5_a);
            hash_stream_free(md5_b);
        }
    }
    hash_ways_use(HASH_WAY_BEST);
}

/* One stream: a run of the buffer, handed over in pieces; each piece is a job. */
struct stream {
    struct hash_stream *md5;
    size_t from, to, end; /* of the piece under way, and of the whole */
    size_t begin;
    struct hash_job job;
    bool busy;
};

static void stream_begin(struct stream *s)
{
    s->md5 = hash_stream_new(HASH_MD5);
    assert_non_null(s->md5);
    s->begin = s->from = s->to = chance(200);
    s->end = s->begin + chance(chance(3) == 0 ? 200 : BUFFER_BYTES - 200);
    s->busy = false;
}

/* The next piece, some of it straight into the stream; false at the end. */
static bool stream_next(struct stream *s)
{
    if (s->to == s->end)
        return false;
    if (chance(4) == 0) {
        size_t n = chance(100);
        n = n < s->end - s->to ? n : s->end - s->to;
        hash_stream_update(s->md5, buffer + s->to, n);
        s->to += n;
        if (s->to == s->end)
            return false;
    }
    s->from = s->to;
    s->to += 1 + chance(s->end - s->to);
    hash_job_init(&s->job, s->md5, buffer + s->from, s->to - s->from);
    s->busy = true;
    return true;
}

/* Streams of random pieces come and go; whoever is there advances together by random steps. */
static void test_differential(void **state)
{
    (void)state;
    for (unsigned round = 0; round < SEEDED_ROUNDS; round++) {
        hash_ways_use(round % 2 == 0 ? HASH_WAY_BEST : (unsigned)chance(hash_ways()));
        struct stream streams[STREAMS_MAX];
        unsigned count = 1 + (unsigned)chance(STREAMS_MAX), live = count;
        for (unsigned i = 0; i < count; i++)
            stream_begin(&streams[i]);
        bool over[STREAMS_MAX] = {false};
        while (live > 0) {
            struct hash_job *jobs[STREAMS_MAX];
            unsigned n = 0;
            for (unsigned i = 0; i < count; i++) {
                struct stream *s = &streams[i];
                if (over[i])
                    continue;
                if (s->busy && s->job.done) {
                    assert_job(&s->job);
                    s->busy = false;
                }
                if (!s->busy && !stream_next(s)) {
                    assert_md5(s->md5, buffer + s->begin, s->end - s->begin);
                    hash_stream_free(s->md5);
                    over[i] = true;
                    live--;
                    continue;
                }
                jobs[n++] = &s->job;
            }
            if (n > 0)
                hash_jobs_advance(jobs, n, 64 + chance(20000));
        }
    }
    hash_ways_use(HASH_WAY_BEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_differential),
    };
    return cmocka_run_group_tests(tests, fill_buffer, NULL);
}
