/*
 * What the parts of a request cost on this machine when they run alone: the ceilings beside which a server's figures
 * are set. Each measure repeats one call for a bounded time.
 */
#ifndef DOL_CEILINGS_H
#define DOL_CEILINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CEILINGS_MAX       96u
#define CEILINGS_WIDTH_MAX 32u
#define CEILINGS_UNITS_MAX 8u

struct ceilings_options {
    double seconds;   /* of each measure */
    const char *dir;  /* where files are written and read; NULL: no disk is measured */
    const char *json; /* NULL: standard output */
    unsigned k, m;    /* a row is written to k+m files at once */
    uint64_t unit_bytes[CEILINGS_UNITS_MAX];
    unsigned unit_count;
    uint64_t file_bytes; /* of each file */
};

struct ceiling {
    char name[48];
    double gb_per_second;         /* 10^9 bytes; of CPU time for what computes, of elapsed time for what waits */
    double operations_per_second; /* 0: not meant */
};

struct ceilings {
    const struct ceilings_options *options;
    struct ceiling list[CEILINGS_MAX];
    unsigned count;
};

void ceilings_add(struct ceilings *c, const char *name, double gb_per_second, double operations_per_second);
/* false: said why. */
bool ceilings_cpu(struct ceilings *c);
bool ceilings_net(struct ceilings *c);
bool ceilings_disk(struct ceilings *c);

/* Seconds of a clock of clock_gettime(). */
double ceilings_clock(int clock);

#endif
