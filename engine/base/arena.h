/* Bump allocator with a fixed maximum: one per request. Freed as a whole; nothing is freed singly. */
#ifndef DOL_ARENA_H
#define DOL_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used_bytes;
    size_t max_bytes;
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_fini(struct arena *a);
/* Frees all, keeps one block for reuse. */
void arena_reset(struct arena *a);
/* 16-byte aligned, zeroed; NULL when max_bytes would be exceeded or memory is short. */
void *arena_alloc(struct arena *a, size_t len);
/* A terminated copy of `len` bytes; NULL as arena_alloc(). */
char *arena_strndup(struct arena *a, const void *data, size_t len);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
