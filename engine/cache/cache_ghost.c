/* Ghosts: see cache_ghost.h. Sets of four; a new name takes the place of an empty or the oldest slot. */
#include "cache_ghost.h"

#include <stdlib.h>

#define SET_SLOTS      4u
#define BYTES_PER_SLOT 4096u
#define SETS_MIN       16u
#define SETS_MAX       (1u << 22)

enum dol_err ghost_init(struct cache_ghost *g, uint64_t window_bytes)
{
    uint32_t sets = SETS_MIN;
    while (sets < SETS_MAX && (uint64_t)sets * SET_SLOTS * BYTES_PER_SLOT < window_bytes)
        sets *= 2;
    uint64_t window_kib = window_bytes / 1024;
    *g = (struct cache_ghost){
        .slots = calloc((size_t)sets * SET_SLOTS, sizeof *g->slots),
        .set_mask = sets - 1,
        .window_kib = window_kib < INT32_MAX ? (uint32_t)window_kib : INT32_MAX,
    };
    return g->slots != NULL ? DOL_OK : DOL_ENOMEM;
}

void ghost_fini(struct cache_ghost *g)
{
    free(g->slots);
    g->slots = NULL;
}

static struct ghost_slot *set_of(const struct cache_ghost *g, uint64_t hash)
{
    return g->slots + (size_t)((uint32_t)hash & g->set_mask) * SET_SLOTS;
}

static uint32_t fingerprint_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32) | 1;
}

void ghost_add(struct cache_ghost *g, uint64_t hash, uint64_t bytes)
{
    struct ghost_slot *set = set_of(g, hash);
    struct ghost_slot *oldest = set;
    for (unsigned i = 0; i < SET_SLOTS; i++) {
        if (set[i].fingerprint == 0 || set[i].fingerprint == fingerprint_of(hash)) {
            oldest = &set[i];
            break;
        }
        if (g->clock_kib - set[i].left_kib > g->clock_kib - oldest->left_kib)
            oldest = &set[i];
    }
    g->clock_kib += (uint32_t)(bytes / 1024) + 1;
    *oldest = (struct ghost_slot){fingerprint_of(hash), g->clock_kib};
}

bool ghost_take(struct cache_ghost *g, uint64_t hash)
{
    struct ghost_slot *set = set_of(g, hash);
    for (unsigned i = 0; i < SET_SLOTS; i++) {
        if (set[i].fingerprint != fingerprint_of(hash))
            continue;
        set[i].fingerprint = 0;
        return g->clock_kib - set[i].left_kib <= g->window_kib;
    }
    return false;
}
