/*
 * The bytes of an object, given as pieces of memory that are already there, so that sending costs no making.
 *
 * Made-up content is a window on BENCH_NOISE_BYTES of random bytes, the same for all objects, that begins elsewhere for
 * each and wraps around; the first BENCH_STAMP_BYTES of every BENCH_BLOCK_BYTES are replaced by a stamp of the object
 * and the block. So no two objects, nor two blocks of one, are equal, whatever pieces of BENCH_BLOCK_BYTES and more a
 * server compares; nothing compresses; and any offset is computed at once. A file's bytes are stamped the same way when
 * they are put again and have to be new.
 */
#ifndef DOL_BENCH_CONTENT_H
#define DOL_BENCH_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Larger than a chunk or compression window of the server: within one nothing repeats. */
#define BENCH_NOISE_BYTES (2u << 20)
#define BENCH_BLOCK_BYTES (16u << 10)
#define BENCH_STAMP_BYTES 8u
/* Blocks that one bench_content_pieces() covers. */
#define BENCH_BLOCKS_MAX 64u
#define BENCH_IOVS_MAX   (3 * BENCH_BLOCKS_MAX + 1)

enum bench_stamping { BENCH_PLAIN, BENCH_STAMPED };

struct bench_content {
    uint64_t size;
    const uint8_t *base; /* borrowed: byte i is base[(i + shift) % base_len], but for stamps */
    uint64_t base_len;   /* above 0 */
    uint64_t shift;      /* below base_len */
    uint64_t stream;     /* what the stamps are made of */
    enum bench_stamping stamping;
};

/* Pieces of memory; stamps live in here, so the pieces are good until the next call. One per thread. */
struct bench_pieces {
    struct iovec iov[BENCH_IOVS_MAX + 1]; /* one more, for a request's head */
    unsigned count;
    size_t bytes; /* their sum */
    uint8_t stamps[BENCH_BLOCKS_MAX + 1][BENCH_STAMP_BYTES];
};

/* splitmix64's finisher: a bijection that looks random. */
uint64_t bench_mix64(uint64_t z);

/* Appends the pieces of [offset, offset + len), as far as they fit: the caller looks at p->bytes. */
void bench_content_pieces(const struct bench_content *c, uint64_t offset, uint64_t len, struct bench_pieces *p);
/* True when data is bytes [offset, offset + len) of the content. */
bool bench_content_equals(const struct bench_content *c, uint64_t offset, const uint8_t *data, size_t len);
/* 64 hex digits and a terminator. */
void bench_content_sha256(const struct bench_content *c, char hex[65]);

#endif
