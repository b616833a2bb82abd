/* The memory of the process: how malloc() keeps it, and how much of it the read cache takes when nobody says. */
#ifndef DOL_MEMORY_H
#define DOL_MEMORY_H

#include <stdint.h>

#define MEMORY_CACHE_PART      8u                  /* of the memory there is */
#define MEMORY_CACHE_BYTES_MAX (UINT64_C(4) << 30) /* more has to be asked for */

/*
 * Chunks and rows are buffers of up to some MiB that come and go many times a second. malloc() by default gives such
 * memory back to the system at once and takes it anew, at the price of a page fault for each 4 KiB. Before threads.
 */
void memory_keep(void);

/* Bytes of memory this process may have: the machine's, or less where its control groups (version 2) say so. */
uint64_t memory_bytes(void);
/* Size of the read cache when none is configured. */
uint64_t memory_cache_bytes(void);

#endif
