/* Memory: see memory.h. */
#include "memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Larger blocks are mapped on their own: 32 MiB is the most that mallopt(3) takes on 64 bits. */
#define MMAP_BYTES_MIN (32 << 20)
/* Free memory at the end of a heap that is given back. Each thread may keep as much. */
#define TRIM_BYTES_MIN (64 << 20)

#define CGROUP_ROOT "/sys/fs/cgroup"

void memory_keep(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES_MIN);
}

/* memory.max of one control group; UINT64_MAX: none, or unlimited ("max"). */
static uint64_t limit_of(const char *group)
{
    char path[4096];
    unsigned long long limit;
    uint64_t result = UINT64_MAX;
    if (snprintf(path, sizeof path, "%s%s/memory.max", CGROUP_ROOT, group) >= (int)sizeof path)
        return result;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return result;
    if (fscanf(f, "%llu", &limit) == 1)
        result = limit;
    fclose(f);
    return result;
}

/* The smallest limit of this process's control group and those above it. */
static uint64_t cgroup_limit(void)
{
    char line[4096];
    uint64_t limit = limit_of("");
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL)
        return limit;
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        char *group = line + 3;
        group[strcspn(group, "\n")] = '\0';
        for (char *slash; (slash = strrchr(group, '/')) != NULL; *slash = '\0') {
            uint64_t own = limit_of(group);
            limit = own < limit ? own : limit;
        }
    }
    fclose(f);
    return limit;
}

uint64_t memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
    uint64_t limit = cgroup_limit();
    return limit < machine ? limit : machine;
}

uint64_t memory_cache_bytes(void)
{
    uint64_t bytes = memory_bytes() / MEMORY_CACHE_PART;
    return bytes < MEMORY_CACHE_BYTES_MAX ? bytes : MEMORY_CACHE_BYTES_MAX;
}
