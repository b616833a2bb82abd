/* Between sim_medium.c (what a simulated medium holds) and drive_sim.c (operations on it, and crashes). */
#ifndef DOL_SIM_MEDIUM_H
#define DOL_SIM_MEDIUM_H

#include "drive_sim.h"
#include "list.h"

#define SIM_MEDIUM_MAGIC 0x73696d6du
#define SIM_SECTOR_BYTES 512u
#define SIM_PAGE_BYTES   4096u
#define SIM_SECTORS      (SIM_PAGE_BYTES / SIM_SECTOR_BYTES)
#define SIM_FOLDER_PAGES 512u

struct sim_page {
    uint8_t data[SIM_PAGE_BYTES];
    uint8_t failed; /* bit per sector: reading it gives EIO */
};

/* 2 MiB of medium; made when one of its pages is. */
struct sim_folder {
    struct sim_page *pages[SIM_FOLDER_PAGES]; /* NULL: zeroes */
};

struct sim_medium {
    unsigned magic;
    char name[64];
    uint64_t size_bytes;
    uint64_t folder_count;
    struct sim_folder **folders;

    struct list_node operations; /* struct sim_op in flight, oldest first; owned */
    struct list_node drives;     /* struct drive_sim, open or dead; owned */
    struct drive_sim *opened;    /* the live one, or NULL */
    uint64_t power;              /* raised by each crash: drives of an older one are dead */
    bool crashed;                /* until power_on */
    bool removed;

    uint64_t writes;
    sim_write_hook_fn *on_write;
    void *on_write_arg;
    bool lose_next;
    bool fail_next;
    bool misdirect_next;
    uint64_t misdirect_offset;
};

/* Frees the pages. */
void sim_medium_free_content(struct sim_medium *m);
/* Zeroes for a page never written. */
const struct sim_page *sim_medium_page(const struct sim_medium *m, uint64_t offset);
/* One sector; takes away a sticky failure. */
void sim_medium_store_sector(struct sim_medium *m, uint64_t offset, const uint8_t *data);
void sim_medium_store(struct sim_medium *m, uint64_t offset, const uint8_t *data, size_t len);
/* Whole pages, as prepare() overwrites them. */
void sim_medium_zero(struct sim_medium *m, uint64_t offset, uint64_t len);
/* false: a sector of the range fails. */
bool sim_medium_readable(const struct sim_medium *m, uint64_t offset, size_t len);

#endif
