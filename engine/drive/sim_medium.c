/*
 * The content of a simulated drive: a sparse two-level table of 4 KiB pages, and the faults that rest in it. What has
 * never been written is zero.
 *
 * Memory that can't be had ends the test: media are for tests and simulations only.
 */
#include "sim_medium.h"

#include "dol_assert.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDER_BYTES ((uint64_t)SIM_PAGE_BYTES * SIM_FOLDER_PAGES)

static void *alloc_zeroed(size_t count, size_t bytes)
{
    void *p = calloc(count, bytes);
    dol_assert(p != NULL);
    return p;
}

struct sim_medium *sim_medium_new(uint64_t size_bytes, const char *name)
{
    struct sim_medium *m = alloc_zeroed(1, sizeof *m);
    m->magic = SIM_MEDIUM_MAGIC;
    m->size_bytes = size_bytes / SIM_PAGE_BYTES * SIM_PAGE_BYTES;
    m->folder_count = (m->size_bytes + FOLDER_BYTES - 1) / FOLDER_BYTES;
    m->folders = alloc_zeroed(m->folder_count ? m->folder_count : 1, sizeof m->folders[0]);
    snprintf(m->name, sizeof m->name, "%s", name);
    list_init(&m->operations);
    list_init(&m->drives);
    return m;
}

void sim_medium_free_content(struct sim_medium *m)
{
    for (uint64_t i = 0; i < m->folder_count; i++) {
        if (m->folders[i] == NULL)
            continue;
        for (unsigned j = 0; j < SIM_FOLDER_PAGES; j++)
            free(m->folders[i]->pages[j]);
        free(m->folders[i]);
    }
    free(m->folders);
}

static struct sim_page *page_at(const struct sim_medium *m, uint64_t offset)
{
    dol_assert(offset < m->size_bytes);
    const struct sim_folder *folder = m->folders[offset / FOLDER_BYTES];
    return folder != NULL ? folder->pages[offset % FOLDER_BYTES / SIM_PAGE_BYTES] : NULL;
}

static struct sim_page *page_make(struct sim_medium *m, uint64_t offset)
{
    struct sim_page *page = page_at(m, offset);
    if (page != NULL)
        return page;
    struct sim_folder **folder = &m->folders[offset / FOLDER_BYTES];
    if (*folder == NULL)
        *folder = alloc_zeroed(1, sizeof **folder);
    page = alloc_zeroed(1, sizeof *page);
    (*folder)->pages[offset % FOLDER_BYTES / SIM_PAGE_BYTES] = page;
    return page;
}

const struct sim_page *sim_medium_page(const struct sim_medium *m, uint64_t offset)
{
    static const struct sim_page zeroes;
    const struct sim_page *page = page_at(m, offset);
    return page != NULL ? page : &zeroes;
}

static unsigned sector_of(uint64_t offset)
{
    return (unsigned)(offset % SIM_PAGE_BYTES / SIM_SECTOR_BYTES);
}

void sim_medium_store_sector(struct sim_medium *m, uint64_t offset, const uint8_t *data)
{
    dol_assert(offset % SIM_SECTOR_BYTES == 0);
    struct sim_page *page = page_make(m, offset);
    memcpy(page->data + offset % SIM_PAGE_BYTES, data, SIM_SECTOR_BYTES);
    page->failed &= (uint8_t) ~(1u << sector_of(offset));
}

void sim_medium_store(struct sim_medium *m, uint64_t offset, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len; at += SIM_SECTOR_BYTES)
        sim_medium_store_sector(m, offset + at, data + at);
}

bool sim_medium_readable(const struct sim_medium *m, uint64_t offset, size_t len)
{
    for (size_t at = 0; at < len; at += SIM_SECTOR_BYTES)
        if (sim_medium_page(m, offset + at)->failed >> sector_of(offset + at) & 1)
            return false;
    return true;
}

/* ---- what tests do to a medium ---- */

uint64_t sim_medium_writes(const struct sim_medium *m)
{
    return m->writes;
}

void sim_medium_on_write(struct sim_medium *m, sim_write_hook_fn *fn, void *arg)
{
    m->on_write = fn;
    m->on_write_arg = arg;
}

void sim_medium_remove(struct sim_medium *m)
{
    m->removed = true;
}

void sim_medium_restore(struct sim_medium *m)
{
    m->removed = false;
}

void sim_medium_flip(struct sim_medium *m, uint64_t offset, uint8_t xor_mask)
{
    page_make(m, offset)->data[offset % SIM_PAGE_BYTES] ^= xor_mask;
}

/* The part of [offset, offset + len) within the first page it touches. */
static size_t within_page(uint64_t offset, uint64_t len)
{
    uint64_t left = SIM_PAGE_BYTES - offset % SIM_PAGE_BYTES;
    return (size_t)(len < left ? len : left);
}

void sim_medium_erase(struct sim_medium *m, uint64_t offset, uint64_t len)
{
    while (len > 0) {
        size_t n = within_page(offset, len);
        struct sim_page *page = page_at(m, offset);
        if (page != NULL)
            memset(page->data + offset % SIM_PAGE_BYTES, 0, n);
        offset += n;
        len -= n;
    }
}

void sim_medium_zero(struct sim_medium *m, uint64_t offset, uint64_t len)
{
    dol_assert((offset | len) % SIM_PAGE_BYTES == 0);
    for (uint64_t end = offset + len; offset < end; offset += SIM_PAGE_BYTES) {
        struct sim_page *page = page_at(m, offset);
        if (page != NULL)
            *page = (struct sim_page){0};
    }
}

void sim_medium_fail_range(struct sim_medium *m, uint64_t offset, uint64_t len)
{
    uint64_t end = offset + len;
    for (uint64_t at = offset / SIM_SECTOR_BYTES * SIM_SECTOR_BYTES; at < end; at += SIM_SECTOR_BYTES)
        page_make(m, at)->failed |= (uint8_t)(1u << sector_of(at));
}

void sim_medium_lose_next_write(struct sim_medium *m)
{
    m->lose_next = true;
}

void sim_medium_fail_next_write(struct sim_medium *m)
{
    m->fail_next = true;
}

void sim_medium_misdirect_next_write(struct sim_medium *m, uint64_t offset)
{
    dol_assert(offset % SIM_PAGE_BYTES == 0);
    m->misdirect_next = true;
    m->misdirect_offset = offset;
}

void sim_medium_peek(const struct sim_medium *m, uint64_t offset, void *buf, size_t len)
{
    uint8_t *out = buf;
    while (len > 0) {
        size_t n = within_page(offset, len);
        memcpy(out, sim_medium_page(m, offset)->data + offset % SIM_PAGE_BYTES, n);
        out += n;
        offset += n;
        len -= n;
    }
}

void sim_medium_poke(struct sim_medium *m, uint64_t offset, const void *buf, size_t len)
{
    const uint8_t *in = buf;
    while (len > 0) {
        size_t n = within_page(offset, len);
        memcpy(page_make(m, offset)->data + offset % SIM_PAGE_BYTES, in, n);
        in += n;
        offset += n;
        len -= n;
    }
}

struct sim_medium *sim_medium_clone(const struct sim_medium *m)
{
    struct sim_medium *copy = sim_medium_new(m->size_bytes, m->name);
    for (uint64_t i = 0; i < m->folder_count; i++) {
        if (m->folders[i] == NULL)
            continue;
        for (unsigned j = 0; j < SIM_FOLDER_PAGES; j++)
            if (m->folders[i]->pages[j] != NULL)
                *page_make(copy, i * FOLDER_BYTES + (uint64_t)j * SIM_PAGE_BYTES) = *m->folders[i]->pages[j];
    }
    return copy;
}

bool sim_medium_equal(const struct sim_medium *a, const struct sim_medium *b)
{
    if (a->size_bytes != b->size_bytes)
        return false;
    for (uint64_t i = 0; i < a->folder_count; i++) {
        if (a->folders[i] == NULL && b->folders[i] == NULL)
            continue;
        for (unsigned j = 0; j < SIM_FOLDER_PAGES; j++) {
            uint64_t offset = i * FOLDER_BYTES + (uint64_t)j * SIM_PAGE_BYTES;
            if (offset < a->size_bytes &&
                memcmp(sim_medium_page(a, offset)->data, sim_medium_page(b, offset)->data, SIM_PAGE_BYTES) != 0)
                return false;
        }
    }
    return true;
}
