/*
 * What computes, by CPU time of one thread: on 70 KiB, an MR slice, where the cost of a call shows, and on 1 MiB, the
 * largest chunk. Through the engine's own functions, so that the figures are those of the code that serves.
 */
#include "ceilings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "bench_content.h"
#include "codec.h"
#include "dol_assert.h"
#include "ec.h"
#include "hash.h"

#define SMALL_BYTES     (70u << 10)
#define LARGE_BYTES     (1u << 20)
#define CRC_BLOCK_BYTES (16u << 10) /* the unit header's */
#define ROW_ALIGN       4096u

struct bench_cpu {
    const struct ceilings_options *options;
    uint8_t *random, *pixels, *packed, *planes, *out; /* LARGE_BYTES, out twice that */
    size_t len, packed_len, planes_len;
    struct hash_stream *md5;
    struct codec *codec;
    struct ec *ec;
    EVP_CIPHER_CTX *cipher;
    uint8_t *units[CEILINGS_WIDTH_MAX]; /* into out */
    volatile uint64_t sink;             /* results go here, so that they are computed */
};

/* ---- one call each ---- */

static void do_memcpy(struct bench_cpu *b)
{
    memcpy(b->out, b->random, b->len);
    b->sink += b->out[b->len - 1];
}

static void do_md5(struct bench_cpu *b)
{
    uint8_t digest[HASH_BYTES_MAX];
    hash_stream_update(b->md5, b->random, b->len);
    hash_stream_final(b->md5, digest);
}

static void do_sha256(struct bench_cpu *b)
{
    b->sink += sha256_of(b->random, b->len).b[0];
}

static void do_crc32c(struct bench_cpu *b)
{
    for (size_t at = 0; at < b->len; at += CRC_BLOCK_BYTES)
        b->sink += crc32c(0, b->random + at, b->len - at < CRC_BLOCK_BYTES ? b->len - at : CRC_BLOCK_BYTES);
}

static void do_crc64(struct bench_cpu *b)
{
    b->sink += crc64_nvme(0, b->random, b->len);
}

static void do_encode_random(struct bench_cpu *b)
{
    size_t len = 0;
    b->sink += codec_encode(b->codec, bytes_of(b->random, b->len), b->out, LARGE_BYTES, &len);
}

static void do_encode_pixels(struct bench_cpu *b)
{
    b->sink += codec_compress(b->codec, FORMAT_CODEC_ZSTD, bytes_of(b->pixels, b->len), b->packed, LARGE_BYTES,
                              &b->packed_len);
}

static void do_decode_pixels(struct bench_cpu *b)
{
    b->sink += codec_decode(b->codec, FORMAT_CODEC_ZSTD, bytes_of(b->packed, b->packed_len), b->out, b->len);
}

/* With the choice that precedes it. */
static void do_encode_planes(struct bench_cpu *b)
{
    dol_assert(codec_encode(b->codec, bytes_of(b->pixels, b->len), b->planes, LARGE_BYTES, &b->planes_len) ==
               FORMAT_CODEC_PLANES);
}

static void do_decode_planes(struct bench_cpu *b)
{
    b->sink += codec_decode(b->codec, FORMAT_CODEC_PLANES, bytes_of(b->planes, b->planes_len), b->out, b->len);
}

static void do_seal(struct bench_cpu *b)
{
    static const uint8_t key[32] = {1};
    static const uint8_t nonce[12] = {2};
    uint8_t tag[16];
    int n = 0;
    EVP_EncryptInit_ex(b->cipher, EVP_aes_256_gcm(), NULL, key, nonce);
    EVP_EncryptUpdate(b->cipher, b->out, &n, b->random, (int)b->len);
    EVP_EncryptFinal_ex(b->cipher, b->out + n, &n);
    EVP_CIPHER_CTX_ctrl(b->cipher, EVP_CTRL_GCM_GET_TAG, sizeof tag, tag);
    b->sink += tag[0];
}

static size_t unit_bytes(const struct bench_cpu *b)
{
    size_t unit = (b->len + b->options->k - 1) / b->options->k;
    return (unit + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
}

/* Data in `random`, cut at k; parity behind each other in `out`. */
static void do_parity(struct bench_cpu *b)
{
    const uint8_t *data[CEILINGS_WIDTH_MAX];
    size_t unit = b->len / b->options->k;
    for (unsigned i = 0; i < b->options->k; i++)
        data[i] = b->random + i * unit;
    for (unsigned i = 0; i < b->options->m; i++)
        b->units[i] = b->out + i * unit_bytes(b);
    ec_encode(b->ec, data, b->units, unit);
}

/* ---- measuring ---- */

typedef void call_fn(struct bench_cpu *b);

static double gb_per_second(struct bench_cpu *b, call_fn *call)
{
    uint64_t calls = 0;
    uint64_t batch = 1;
    call(b); /* warm */
    double begin = ceilings_clock(CLOCK_THREAD_CPUTIME_ID);
    double took = 0;
    while (took < b->options->seconds) {
        for (uint64_t i = 0; i < batch; i++)
            call(b);
        calls += batch;
        took = ceilings_clock(CLOCK_THREAD_CPUTIME_ID) - begin;
        if (took < b->options->seconds / 10)
            batch *= 2;
    }
    return (double)(calls * b->len) / took / 1e9;
}

static void measure_size(struct ceilings *c, struct bench_cpu *b, size_t len, const char *suffix)
{
    static const struct {
        const char *name;
        call_fn *call;
    } measures[] = {
        {"memcpy", do_memcpy},
        {"md5", do_md5},
        {"sha256", do_sha256},
        {"crc32c", do_crc32c},
        {"crc64nvme", do_crc64},
        {"zstd-encode-random", do_encode_random},
        {"zstd-encode-pixels", do_encode_pixels},
        {"zstd-decode-pixels", do_decode_pixels},
        {"planes-encode-pixels", do_encode_planes},
        {"planes-decode-pixels", do_decode_planes},
        {"aes-256-gcm", do_seal},
        {"parity", do_parity},
    };
    b->len = len;
    for (unsigned i = 0; i < sizeof measures / sizeof measures[0]; i++) {
        char name[sizeof c->list[0].name];
        double rate = gb_per_second(b, measures[i].call);
        snprintf(name, sizeof name, "%s %s", measures[i].name, suffix);
        ceilings_add(c, name, rate, 0);
    }
}

/* ---- inputs ---- */

static void fill_random(uint8_t *out)
{
    for (size_t i = 0; i < LARGE_BYTES; i += sizeof(uint64_t)) {
        uint64_t word = bench_mix64(i + 1);
        memcpy(out + i, &word, sizeof word);
    }
}

/* Noise of pixel `i` that it shares in part with its neighbours, as a scanner's image is never quite sharp: 0 to 60. */
static int pixel_noise(size_t i)
{
    int noise = 0;
    for (size_t k = 0; k < 4; k++)
        noise += (int)(bench_mix64(i + k) & 15);
    return noise;
}

/* Slices of 512 * 512 pixels of 16 bits: a bright disk that fades on black, with noise, as of a scanner. */
static void fill_pixels(uint8_t *out)
{
    const int side = 512;
    for (size_t i = 0; i < LARGE_BYTES / 2; i++) {
        int x = (int)(i % (size_t)side) - side / 2;
        int y = (int)(i / (size_t)side % (size_t)side) - side / 2;
        int square = x * x + y * y;
        int noise = pixel_noise(i);
        int value = square < 200 * 200 ? 1200 - square / 50 + noise : noise / 8;
        out[2 * i] = (uint8_t)(value & 255);
        out[2 * i + 1] = (uint8_t)(value >> 8);
    }
}

static bool prepare(struct bench_cpu *b)
{
    b->random = malloc(LARGE_BYTES);
    b->pixels = malloc(LARGE_BYTES);
    b->packed = malloc(LARGE_BYTES);
    b->planes = malloc(LARGE_BYTES);
    b->out = malloc(CEILINGS_WIDTH_MAX * (size_t)ROW_ALIGN + 8 * (size_t)LARGE_BYTES);
    b->md5 = hash_stream_new(HASH_MD5);
    b->cipher = EVP_CIPHER_CTX_new();
    if (b->random == NULL || b->pixels == NULL || b->packed == NULL || b->planes == NULL || b->out == NULL ||
        b->md5 == NULL || b->cipher == NULL)
        return false;
    if (codec_new(&b->codec) != DOL_OK || ec_new(b->options->k, b->options->m, &b->ec) != DOL_OK)
        return false;
    fill_random(b->random);
    fill_pixels(b->pixels);
    return true;
}

bool ceilings_cpu(struct ceilings *c)
{
    struct bench_cpu b = {.options = c->options};
    bool ok = prepare(&b);
    if (ok) {
        measure_size(c, &b, SMALL_BYTES, "70k");
        measure_size(c, &b, LARGE_BYTES, "1m");
    } else {
        fputs("dolmen-ceilings: out of memory\n", stderr);
    }
    free(b.random);
    free(b.pixels);
    free(b.packed);
    free(b.planes);
    free(b.out);
    hash_stream_free(b.md5);
    codec_free(b.codec);
    ec_free(b.ec);
    EVP_CIPHER_CTX_free(b.cipher);
    return ok;
}
