/* getrusage() for ourselves, /proc/PID/stat for the server (proc(5): fields 14 and 15, in clock ticks). */
#include "bench_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define UTIME_FIELD 14u

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* 0 when there is no such process. */
static double cpu_time_of(unsigned pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return 0;
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = '\0';
    /* the second field is a name in parentheses that may hold anything */
    const char *at = strrchr(text, ')');
    for (unsigned field = 2; at != NULL && field < UTIME_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return 0;
    char *next = NULL;
    unsigned long long user = strtoull(at, &next, 10);
    unsigned long long system = strtoull(next, NULL, 10);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

void bench_clock_read(const struct bench_clock *clock, uint64_t now_ns, struct bench_reading *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    *out = (struct bench_reading){
        .taken = true,
        .at_ns = now_ns,
        .user_s = seconds_of(usage.ru_utime),
        .system_s = seconds_of(usage.ru_stime),
        .server_s = clock->server_pid != 0 ? cpu_time_of(clock->server_pid) : 0,
        .switches = (uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw),
    };
}
