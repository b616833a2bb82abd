/*
 * The gear table: gear[b] is output b (counted from 0) of splitmix64 seeded with 0x646f6c6d656e2031 ("dolmen 1" in
 * ASCII). The compiler derives it from that rule. Another table would cut elsewhere and lose dedup against all that was
 * stored before.
 */
#ifndef DOL_SPLIT_GEAR_H
#define DOL_SPLIT_GEAR_H

#include <stdint.h>

extern const uint64_t split_gear[256];

#endif
