/*
 * What the file system gives to the pattern of a store's drives: rows (k+m writes at once, one to each file, O_DIRECT
 * with RWF_DSYNC, the next row when all are durable), and O_DIRECT reads, one after another and several at random.
 * The files are written with zeros first, as file-backed drives are; a thread stands for each write in flight.
 */
#include "ceilings.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bench_content.h"

#define ALIGN            4096u
#define BUFFER_BYTES     (UINT64_C(8) << 20)
#define ROWS_AT_ONCE_MAX 2u
#define READERS_MAX      8u
#define SEQUENTIAL_BYTES (UINT64_C(1) << 20)
#define RANDOM_BYTES     (UINT64_C(72) << 10) /* a record of 70 KiB with its header */
#define THREADS_MAX      (ROWS_AT_ONCE_MAX * CEILINGS_WIDTH_MAX)

struct disk {
    const struct ceilings_options *options;
    int fds[CEILINGS_WIDTH_MAX];
    unsigned width;
    uint8_t *buffer; /* BUFFER_BYTES of anything, aligned */
    uint64_t bytes;  /* of each operation */
    atomic_bool stop, failed;
    double begin;
};

/* A thread that writes its file's unit of each row of its stream, or reads. */
struct hand {
    struct disk *disk;
    pthread_t thread;
    pthread_barrier_t *row; /* the stream's */
    unsigned file;
    bool leads; /* decides when its stream ends */
    bool stops; /* the leader's decision, seen by all behind the barrier */
    const struct hand *leader;
    uint64_t begin, end; /* where in the file */
    uint64_t operations;
    uint8_t *read_buffer; /* BUFFER_BYTES; readers only */
    uint64_t chance;      /* random readers; 0: in order */
};

static bool is_time(const struct disk *d)
{
    return atomic_load(&d->failed) || ceilings_clock(CLOCK_MONOTONIC) - d->begin >= d->options->seconds;
}

static void *write_rows(void *arg)
{
    struct hand *h = arg;
    struct disk *d = h->disk;
    uint64_t at = h->begin;
    for (;;) {
        if (h->leads)
            h->stops = is_time(d);
        pthread_barrier_wait(h->row);
        if (h->leader->stops)
            return NULL;
        struct iovec iov = {.iov_base = d->buffer, .iov_len = (size_t)d->bytes};
        if (pwritev2(d->fds[h->file], &iov, 1, (off_t)at, RWF_DSYNC) != (ssize_t)d->bytes)
            atomic_store(&d->failed, true);
        h->operations++;
        at += d->bytes;
        if (at + d->bytes > h->end)
            at = h->begin;
        pthread_barrier_wait(h->row);
    }
}

static void *read_pieces(void *arg)
{
    struct hand *h = arg;
    struct disk *d = h->disk;
    uint64_t at = h->begin;
    while (!is_time(d)) {
        int fd = d->fds[h->file];
        if (h->chance != 0) {
            h->chance = bench_mix64(h->chance);
            fd = d->fds[h->chance % d->width];
            at = (h->chance >> 8) % ((h->end - d->bytes) / ALIGN) * ALIGN;
        }
        if (pread(fd, h->read_buffer, (size_t)d->bytes, (off_t)at) != (ssize_t)d->bytes)
            atomic_store(&d->failed, true);
        h->operations++;
        at += d->bytes;
        if (at + d->bytes > h->end)
            at = h->begin;
    }
    return NULL;
}

/* Runs the hands; the time they took. */
static double run(struct disk *d, struct hand *hands, unsigned count, void *(*body)(void *))
{
    atomic_store(&d->failed, false);
    d->begin = ceilings_clock(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&hands[i].thread, NULL, body, &hands[i]) != 0) {
            /* the others may wait for it at their barrier for ever */
            fputs("dolmen-ceilings: out of threads\n", stderr);
            exit(1);
        }
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(hands[i].thread, NULL);
    return ceilings_clock(CLOCK_MONOTONIC) - d->begin;
}

/* ---- measures ---- */

static bool measure_rows(struct ceilings *c, struct disk *d, uint64_t unit_bytes, unsigned rows_at_once)
{
    struct hand hands[THREADS_MAX];
    pthread_barrier_t barriers[ROWS_AT_ONCE_MAX];
    unsigned count = 0;
    uint64_t share = d->options->file_bytes / rows_at_once / ALIGN * ALIGN;
    d->bytes = unit_bytes;
    for (unsigned s = 0; s < rows_at_once; s++) {
        pthread_barrier_init(&barriers[s], NULL, d->width);
        for (unsigned f = 0; f < d->width; f++) {
            hands[count] = (struct hand){
                .disk = d,
                .row = &barriers[s],
                .file = f,
                .leads = f == 0,
                .leader = &hands[s * d->width],
                .begin = s * share,
                .end = (s + 1) * share,
            };
            count++;
        }
    }
    double took = run(d, hands, count, write_rows);
    uint64_t rows = 0;
    for (unsigned s = 0; s < rows_at_once; s++) {
        rows += hands[s * d->width].operations;
        pthread_barrier_destroy(&barriers[s]);
    }
    char name[sizeof c->list[0].name];
    snprintf(name, sizeof name, "disk-rows %llu x%u", (unsigned long long)unit_bytes, rows_at_once);
    ceilings_add(c, name, (double)(rows * unit_bytes * d->width) / took / 1e9, (double)rows / took);
    return !atomic_load(&d->failed);
}

enum reading { READING_IN_ORDER, READING_AT_RANDOM };

static bool measure_reads(struct ceilings *c, struct disk *d, uint64_t bytes, unsigned readers, enum reading how)
{
    struct hand hands[READERS_MAX];
    d->bytes = bytes;
    for (unsigned i = 0; i < readers; i++) {
        hands[i] = (struct hand){
            .disk = d,
            .file = i % d->width,
            .end = d->options->file_bytes,
            .read_buffer = aligned_alloc(ALIGN, BUFFER_BYTES),
            .chance = how == READING_AT_RANDOM ? i + 1 : 0,
        };
        if (hands[i].read_buffer == NULL) {
            fputs("dolmen-ceilings: out of memory\n", stderr);
            exit(1);
        }
    }
    double took = run(d, hands, readers, read_pieces);
    uint64_t operations = 0;
    for (unsigned i = 0; i < readers; i++) {
        operations += hands[i].operations;
        free(hands[i].read_buffer);
    }
    char name[sizeof c->list[0].name];
    snprintf(name, sizeof name, "disk-read-%s %llu x%u", how == READING_IN_ORDER ? "sequential" : "random",
             (unsigned long long)bytes, readers);
    ceilings_add(c, name, (double)(operations * bytes) / took / 1e9, (double)operations / took);
    return !atomic_load(&d->failed);
}

/* ---- the files ---- */

/* Open, zero-filled, without a name: nothing is left behind however this ends. */
static bool open_file(struct disk *d, unsigned number)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/ceilings-%u", d->options->dir, number);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(path);
        return false;
    }
    d->fds[number] = fd;
    d->width++;
    (void)unlink(path);
    for (uint64_t at = 0; at < d->options->file_bytes; at += BUFFER_BYTES) {
        if (pwrite(fd, d->buffer, BUFFER_BYTES, (off_t)at) != (ssize_t)BUFFER_BYTES) {
            perror(path);
            return false;
        }
    }
    return fsync(fd) == 0;
}

static bool open_files(struct disk *d)
{
    d->buffer = aligned_alloc(ALIGN, BUFFER_BYTES);
    if (d->buffer == NULL)
        return false;
    memset(d->buffer, 0, BUFFER_BYTES);
    for (unsigned i = 0; i < d->options->k + d->options->m; i++) {
        if (!open_file(d, i))
            return false;
    }
    for (uint64_t i = 0; i < BUFFER_BYTES; i += sizeof(uint64_t)) {
        uint64_t word = bench_mix64(i + 1);
        memcpy(d->buffer + i, &word, sizeof word);
    }
    return true;
}

bool ceilings_disk(struct ceilings *c)
{
    struct disk d = {.options = c->options};
    bool ok = open_files(&d);
    for (unsigned rows = 1; ok && rows <= ROWS_AT_ONCE_MAX; rows++) {
        for (unsigned u = 0; ok && u < c->options->unit_count; u++)
            ok = measure_rows(c, &d, c->options->unit_bytes[u], rows);
    }
    ok = ok && measure_reads(c, &d, SEQUENTIAL_BYTES, 1, READING_IN_ORDER) &&
         measure_reads(c, &d, SEQUENTIAL_BYTES, READERS_MAX, READING_IN_ORDER) &&
         measure_reads(c, &d, RANDOM_BYTES, 1, READING_AT_RANDOM) &&
         measure_reads(c, &d, RANDOM_BYTES, READERS_MAX, READING_AT_RANDOM);
    if (!ok)
        fprintf(stderr, "dolmen-ceilings: %s could not be measured\n", c->options->dir);
    for (unsigned i = 0; i < d.width; i++)
        close(d.fds[i]);
    free(d.buffer);
    return ok;
}
