/* splitmix64 gives the made-up bytes: word j of stream s is mix(s + (j + 1) * golden), so any offset costs the same. */
#include "bench_payload.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hash.h"

#define GOLDEN      UINT64_C(0x9e3779b97f4a7c15)
#define WALK_FDS    16
#define MAP_FAILS   "dolmen-bench: %s: cannot be read\n"
#define REPEATS_MAX 64u

static uint64_t mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- files ---- */

/* nftw() takes no argument for its callback; the walk happens once, before any thread starts. */
static struct bench_payload *walking;
static size_t walking_root_len;

static bool map_file(struct bench_file *f, const char *path, uint64_t size)
{
    f->size = size;
    if (size == 0)
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        return false;
    f->data = data;
    return true;
}

static int take_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    const char *name = path + walking_root_len;
    while (*name == '/')
        name++;
    if (walking->file_count == BENCH_FILES_MAX || strlen(name) + BENCH_TEXT_MAX + 32 > BENCH_KEY_MAX) {
        fprintf(stderr, "dolmen-bench: %s: too many files, or too long a name\n", path);
        return 1;
    }
    /* doubled at each power of two */
    if ((walking->file_count & (walking->file_count - 1)) == 0) {
        size_t capacity = walking->file_count == 0 ? 1 : (size_t)walking->file_count * 2;
        struct bench_file *grown = realloc(walking->files, capacity * sizeof *grown);
        if (grown == NULL)
            return 1;
        walking->files = grown;
    }
    struct bench_file f = {.name = strdup(name)};
    if (f.name == NULL || !map_file(&f, path, (uint64_t)st->st_size)) {
        fprintf(stderr, MAP_FAILS, path);
        free(f.name);
        return 1;
    }
    walking->files[walking->file_count++] = f;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct bench_file *)a)->name, ((const struct bench_file *)b)->name);
}

bool bench_payload_init(struct bench_payload *p, const struct bench_options *options)
{
    *p = (struct bench_payload){.options = options};
    if (options->files == NULL)
        return true;
    walking = p;
    walking_root_len = strlen(options->files);
    if (nftw(options->files, take_file, WALK_FDS, FTW_PHYS) != 0 || p->file_count == 0) {
        fprintf(stderr, "dolmen-bench: %s: no files, or not readable\n", options->files);
        bench_payload_fini(p);
        return false;
    }
    qsort(p->files, (size_t)p->file_count, sizeof *p->files, compare_names);
    return true;
}

void bench_payload_fini(struct bench_payload *p)
{
    for (uint64_t i = 0; i < p->file_count; i++) {
        if (p->files[i].size > 0)
            munmap((void *)(uintptr_t)p->files[i].data, p->files[i].size);
        free(p->files[i].name);
    }
    free(p->files);
    p->files = NULL;
    p->file_count = 0;
}

/* ---- contents ---- */

/* A duplicate repeats an earlier object, which may itself be one: follow to the original, so that it was truly sent
 * before. */
uint64_t bench_original_of(const struct bench_options *o, uint64_t object)
{
    for (unsigned i = 0; i < REPEATS_MAX && object > 0; i++) {
        uint64_t chance = mix64(o->seed * GOLDEN ^ mix64(object));
        if (chance % 100 >= o->duplicates_percent)
            break;
        object = (chance >> 8) % object;
    }
    return object;
}

struct bench_content bench_content_of(const struct bench_payload *p, uint64_t object)
{
    if (p->file_count > 0) {
        const struct bench_file *f = &p->files[object % p->file_count];
        return (struct bench_content){.size = f->size, .data = f->data != NULL ? f->data : (const uint8_t *)""};
    }
    const struct bench_options *o = p->options;
    uint64_t stream = mix64(o->seed + GOLDEN * (object + 1));
    return (struct bench_content){.size = o->sizes[mix64(stream) % o->size_count], .stream = stream};
}

void bench_content_fill(const struct bench_content *c, uint64_t offset, uint8_t *buf, size_t len)
{
    if (c->data != NULL) {
        memcpy(buf, c->data + offset, len);
        return;
    }
    uint64_t state = c->stream + GOLDEN * (offset / 8 + 1);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = mix64(state);
        memcpy(buf + i, &word, len - i < 8 ? len - i : 8);
        state += GOLDEN;
    }
}

void bench_content_sha256(const struct bench_content *c, char hex[65])
{
    uint8_t digest[HASH_BYTES_MAX];
    uint8_t *piece = malloc(BENCH_PIECE_BYTES);
    struct hash_stream *h = hash_stream_new(HASH_SHA256);
    if (piece == NULL || h == NULL) {
        fputs("dolmen-bench: out of memory\n", stderr);
        exit(1);
    }
    for (uint64_t at = 0; at < c->size; at += BENCH_PIECE_BYTES) {
        size_t len = c->size - at < BENCH_PIECE_BYTES ? (size_t)(c->size - at) : BENCH_PIECE_BYTES;
        bench_content_fill(c, at, piece, len);
        hash_stream_update(h, piece, len);
    }
    hash_stream_final(h, digest);
    hex_encode(digest, 32, hex);
    hash_stream_free(h);
    free(piece);
}

/* ---- keys ---- */

void bench_key_of(const struct bench_payload *p, uint64_t object, char key[BENCH_KEY_MAX + 1])
{
    if (p->file_count > 0)
        snprintf(key, BENCH_KEY_MAX + 1, "%s%llu/%s", p->options->prefix, (unsigned long long)(object / p->file_count),
                 p->files[object % p->file_count].name);
    else
        snprintf(key, BENCH_KEY_MAX + 1, "%s%08llx", p->options->prefix, (unsigned long long)object);
}

void bench_path_of(const char *bucket, const char *key, char path[BENCH_PATH_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = (size_t)snprintf(path, BENCH_PATH_MAX, "/%s%s", bucket, key[0] != '\0' ? "/" : "");
    for (const unsigned char *c = (const unsigned char *)key; *c != '\0' && at + 4 < BENCH_PATH_MAX; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("-._~/", *c) != NULL;
        if (plain) {
            path[at++] = (char)*c;
        } else {
            path[at++] = '%';
            path[at++] = digits[*c >> 4];
            path[at++] = digits[*c & 15];
        }
    }
    path[at] = '\0';
}
