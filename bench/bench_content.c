/* One walk over blocks gives the pieces; sending, comparing and hashing go over those. */
#include "bench_content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

uint64_t bench_mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void add_piece(struct bench_pieces *p, const uint8_t *data, uint64_t len)
{
    p->iov[p->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = (size_t)len};
    p->bytes += (size_t)len;
}

/* From the base, which wraps around: at most two pieces, for a block is no longer than the base of made-up content, and
 * a file's base doesn't wrap. */
static void add_base(const struct bench_content *c, uint64_t offset, uint64_t len, struct bench_pieces *p)
{
    uint64_t at = (offset + c->shift) % c->base_len;
    uint64_t first = c->base_len - at < len ? c->base_len - at : len;
    add_piece(p, c->base + at, first);
    if (first < len)
        add_piece(p, c->base, len - first);
}

void bench_content_pieces(const struct bench_content *c, uint64_t offset, uint64_t len, struct bench_pieces *p)
{
    if (c->stamping == BENCH_PLAIN) {
        if (len > 0)
            add_base(c, offset, len, p);
        return;
    }
    for (unsigned used = 0; len > 0 && used < BENCH_BLOCKS_MAX; used++) {
        uint64_t within = offset % BENCH_BLOCK_BYTES;
        uint64_t left = BENCH_BLOCK_BYTES - within < len ? BENCH_BLOCK_BYTES - within : len;
        len -= left;
        if (within < BENCH_STAMP_BYTES) {
            uint64_t stamp = bench_mix64(c->stream + GOLDEN * (offset / BENCH_BLOCK_BYTES + 1));
            uint64_t n = BENCH_STAMP_BYTES - within < left ? BENCH_STAMP_BYTES - within : left;
            memcpy(p->stamps[used], &stamp, BENCH_STAMP_BYTES);
            add_piece(p, p->stamps[used] + within, n);
            offset += n;
            left -= n;
        }
        if (left > 0)
            add_base(c, offset, left, p);
        offset += left;
    }
}

bool bench_content_equals(const struct bench_content *c, uint64_t offset, const uint8_t *data, size_t len)
{
    struct bench_pieces p;
    while (len > 0) {
        p.count = 0;
        p.bytes = 0;
        bench_content_pieces(c, offset, len, &p);
        for (unsigned i = 0; i < p.count; i++) {
            if (memcmp(data, p.iov[i].iov_base, p.iov[i].iov_len) != 0)
                return false;
            data += p.iov[i].iov_len;
        }
        offset += p.bytes;
        len -= p.bytes;
    }
    return true;
}

void bench_content_sha256(const struct bench_content *c, char hex[65])
{
    uint8_t digest[HASH_BYTES_MAX];
    struct bench_pieces p;
    struct hash_stream *h = hash_stream_new(HASH_SHA256);
    if (h == NULL) {
        fputs("dolmen-bench: out of memory\n", stderr);
        exit(2);
    }
    for (uint64_t at = 0; at < c->size; at += p.bytes) {
        p.count = 0;
        p.bytes = 0;
        bench_content_pieces(c, at, c->size - at, &p);
        for (unsigned i = 0; i < p.count; i++)
            hash_stream_update(h, p.iov[i].iov_base, p.iov[i].iov_len);
    }
    hash_stream_final(h, digest);
    hex_encode(digest, 32, hex);
    hash_stream_free(h);
}
