/*
 * Clocks, chance and panic: what the calling thread's runtime says they are. A thread that serves no runtime gets the
 * kernel's.
 */
#include "clock.h"
#include "dol_assert.h"
#include "log.h"
#include "loop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* EX_SOFTWARE of sysexits.h: systemd shows it, and restarts by it. */
#define PANIC_EXIT_CODE 70

#define PANIC_TEXT_BYTES_MAX 512

int64_t clock_kernel_ns(clockid_t id)
{
    struct timespec ts;
    dol_assert(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void random_kernel(void *buf, size_t len)
{
    uint8_t *out = buf;
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        dol_assert(n > 0);
        out += n;
        len -= (size_t)n;
    }
}

_Noreturn void panic_process(const char *text)
{
    log_error("panic", "%s", text);
    _exit(PANIC_EXIT_CODE);
}

uint64_t clock_monotonic_ns(void)
{
    struct runtime *rt = runtime_self();
    return rt != NULL ? rt->ops->monotonic_ns(rt) : (uint64_t)clock_kernel_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boottime_ns(void)
{
    struct runtime *rt = runtime_self();
    return rt != NULL ? rt->ops->boottime_ns(rt) : (uint64_t)clock_kernel_ns(CLOCK_BOOTTIME);
}

int64_t clock_realtime_ns(void)
{
    struct runtime *rt = runtime_self();
    return rt != NULL ? rt->ops->realtime_ns(rt) : clock_kernel_ns(CLOCK_REALTIME);
}

void random_fill(void *buf, size_t len)
{
    struct runtime *rt = runtime_self();
    if (rt != NULL)
        rt->ops->random(rt, buf, len);
    else
        random_kernel(buf, len);
}

void runtime_panic(const char *format, ...)
{
    char text[PANIC_TEXT_BYTES_MAX];
    struct runtime *rt = runtime_self();
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (rt == NULL)
        panic_process(text);
    rt->ops->panic(rt, text);
}
