/*
 * The arena: a chain of blocks, newest first, allocated from by bumping. used_bytes counts what callers asked for
 * (rounded to the alignment), and never exceeds max_bytes.
 */
#include "arena.h"
#include "dol_assert.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN_BYTES 16
#define ARENA_BLOCK_BYTES ((size_t)8 << 10)

struct arena_block {
    struct arena_block *next;
    size_t size_bytes;
    size_t used_bytes;
    alignas(ARENA_ALIGN_BYTES) uint8_t data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

static void free_chain(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_fini(struct arena *a)
{
    free_chain(a->blocks);
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    a->used_bytes = 0;
    if (a->blocks == NULL)
        return;
    /* The last block of the chain is the first one made: of the ordinary size, whatever was asked for later. */
    struct arena_block *keep = a->blocks;
    while (keep->next != NULL) {
        struct arena_block *next = keep->next;
        free(keep);
        keep = next;
    }
    keep->used_bytes = 0;
    a->blocks = keep;
}

static struct arena_block *block_new(size_t size_bytes)
{
    if (size_bytes > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block = malloc(sizeof *block + size_bytes);
    if (block == NULL)
        return NULL;
    *block = (struct arena_block){.size_bytes = size_bytes};
    return block;
}

void *arena_alloc(struct arena *a, size_t len)
{
    if (len > a->max_bytes)
        return NULL;
    size_t need = (len + ARENA_ALIGN_BYTES - 1) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
    if (need == 0)
        need = ARENA_ALIGN_BYTES;
    if (need > a->max_bytes - a->used_bytes)
        return NULL;
    struct arena_block *block = a->blocks;
    if (block == NULL || need > block->size_bytes - block->used_bytes) {
        block = block_new(need > ARENA_BLOCK_BYTES ? need : ARENA_BLOCK_BYTES);
        if (block == NULL)
            return NULL;
        block->next = a->blocks;
        a->blocks = block;
    }
    void *p = block->data + block->used_bytes;
    block->used_bytes += need;
    a->used_bytes += need;
    return memset(p, 0, need);
}

char *arena_strndup(struct arena *a, const void *data, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(a, len + 1);
    if (copy != NULL && len > 0)
        memcpy(copy, data, len);
    return copy;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return NULL;
    char *text = arena_alloc(a, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    int written = vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    dol_assert(written == len);
    return text;
}
