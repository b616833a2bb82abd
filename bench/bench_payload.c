/* Which object has which bytes, and under which key. */
#include "bench_payload.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GOLDEN      UINT64_C(0x9e3779b97f4a7c15)
#define WALK_FDS    16
#define REPEATS_MAX 64u
/* Objects begin at one, so that copying them is not slower for some. */
#define CACHE_LINE_BYTES 64u

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
        fprintf(stderr, "dolmen-bench: %s: cannot be read\n", path);
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

static bool map_files(struct bench_payload *p, const char *folder)
{
    walking = p;
    walking_root_len = strlen(folder);
    if (nftw(folder, take_file, WALK_FDS, FTW_PHYS) != 0 || p->file_count == 0) {
        fprintf(stderr, "dolmen-bench: %s: no files, or not readable\n", folder);
        return false;
    }
    qsort(p->files, (size_t)p->file_count, sizeof *p->files, compare_names);
    return true;
}

bool bench_payload_init(struct bench_payload *p, const struct bench_options *options)
{
    *p = (struct bench_payload){
        .options = options, .noise = malloc(BENCH_NOISE_BYTES), .salt = bench_mix64(options->seed)};
    for (const char *c = options->prefix; *c != '\0'; c++)
        p->salt = bench_mix64(p->salt + (uint8_t)*c);
    if (p->noise == NULL) {
        fputs("dolmen-bench: out of memory\n", stderr);
        return false;
    }
    for (size_t i = 0; i < BENCH_NOISE_BYTES; i += sizeof(uint64_t)) {
        uint64_t word = bench_mix64(options->seed * GOLDEN + i);
        memcpy(p->noise + i, &word, sizeof word);
    }
    if (options->files == NULL || map_files(p, options->files))
        return true;
    bench_payload_fini(p);
    return false;
}

void bench_payload_fini(struct bench_payload *p)
{
    for (uint64_t i = 0; i < p->file_count; i++) {
        if (p->files[i].size > 0)
            munmap((void *)(uintptr_t)p->files[i].data, p->files[i].size);
        free(p->files[i].name);
    }
    free(p->files);
    free(p->noise);
    *p = (struct bench_payload){.options = p->options};
}

/* ---- contents ---- */

/* A duplicate repeats an earlier object, which may itself be one: follow to the original, so that it was truly sent
 * before. */
uint64_t bench_original_of(const struct bench_options *o, uint64_t object)
{
    for (unsigned i = 0; i < REPEATS_MAX && object > 0; i++) {
        uint64_t chance = bench_mix64(o->seed * GOLDEN ^ bench_mix64(object));
        if (chance % 100 >= o->duplicates_percent)
            break;
        object = (chance >> 8) % object;
    }
    return object;
}

/* With the size, for a larger object must not begin as a smaller one. */
static uint64_t stream_of(const struct bench_payload *p, uint64_t object, uint64_t size)
{
    return bench_mix64(bench_mix64(p->salt + GOLDEN * (object + 1)) + size);
}

static struct bench_content file_content(const struct bench_payload *p, uint64_t object)
{
    const struct bench_file *f = &p->files[object % p->file_count];
    if (f->size == 0)
        return (struct bench_content){.base = p->noise, .base_len = 1};
    return (struct bench_content){
        .size = f->size,
        .base = f->data,
        .base_len = f->size,
        .stream = stream_of(p, object, f->size),
        .stamping = p->options->unique ? BENCH_STAMPED : BENCH_PLAIN,
    };
}

struct bench_content bench_content_of(const struct bench_payload *p, uint64_t object)
{
    const struct bench_options *o = p->options;
    if (p->file_count > 0)
        return file_content(p, object);
    uint64_t size = o->sizes[bench_mix64(p->salt + object) % o->size_count];
    uint64_t stream = stream_of(p, object, size);
    uint64_t chance = bench_mix64(stream);
    return (struct bench_content){
        .size = size,
        .base = p->noise,
        .base_len = BENCH_NOISE_BYTES,
        .shift = (chance >> 20) % (BENCH_NOISE_BYTES / CACHE_LINE_BYTES) * CACHE_LINE_BYTES,
        .stream = stream,
        .stamping = BENCH_STAMPED,
    };
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

/* Percent-encodes text behind out[at); what doesn't fit of BENCH_PATH_MAX is left out. */
static void encode(const char *text, const char *plain_marks, char out[BENCH_PATH_MAX], size_t at)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && at + 4 < BENCH_PATH_MAX; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr(plain_marks, *c) != NULL;
        if (plain) {
            out[at++] = (char)*c;
        } else {
            out[at++] = '%';
            out[at++] = digits[*c >> 4];
            out[at++] = digits[*c & 15];
        }
    }
    out[at] = '\0';
}

void bench_path_of(const char *bucket, const char *key, char path[BENCH_PATH_MAX])
{
    size_t at = (size_t)snprintf(path, BENCH_PATH_MAX, "/%s%s", bucket, key[0] != '\0' ? "/" : "");
    encode(key, "-._~/", path, at);
}

void bench_query_value(const char *text, char value[BENCH_PATH_MAX])
{
    encode(text, "-._~", value, 0);
}
