/*
 * Log lines. A line is put together in a buffer on the stack and written by one write(2), so lines of several threads
 * never mix. Values may come from clients: control characters are replaced, so that nobody can forge a line.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Longer lines are cut, and end in "...". */
#define LOG_LINE_BYTES_MAX 2048

static _Atomic int current_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
/* syslog(3) priorities, as sd-daemon(3) wants them. */
static const int level_priorities[] = {3, 4, 6, 7};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

int log_level_parse(const char *text)
{
    for (int i = 0; i < (int)(sizeof level_names / sizeof level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0)
            return i;
    }
    return -1;
}

/* "<6>info component: " under systemd's journal, else "2026-11-24T06:14:15.123Z info component: ". Returns its length.
 */
static int format_head(char *line, size_t size, enum log_level level, const char *component)
{
    if (getenv("JOURNAL_STREAM") != NULL)
        return snprintf(line, size, "<%d>%s %s: ", level_priorities[level], level_names[level], component);
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    return snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s: ", utc.tm_year + 1900, utc.tm_mon + 1,
                    utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(now.tv_nsec / 1000000), level_names[level],
                    component);
}

static void write_all(const char *line, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        line += n;
        len -= (size_t)n;
    }
}

void log_line(enum log_level level, const char *component, const char *format, ...)
{
    char line[LOG_LINE_BYTES_MAX + 1];
    int saved_errno = errno;
    va_list args;

    if (level > log_get_level())
        return;
    int head = format_head(line, LOG_LINE_BYTES_MAX, level, component);
    size_t used = head < 0 ? 0 : (size_t)head;
    if (used >= LOG_LINE_BYTES_MAX)
        used = LOG_LINE_BYTES_MAX - 1;
    va_start(args, format);
    int body = vsnprintf(line + used, LOG_LINE_BYTES_MAX - used, format, args);
    va_end(args);
    size_t len = used + (body < 0 ? 0 : (size_t)body);
    bool cut = len >= LOG_LINE_BYTES_MAX;
    if (cut) {
        len = LOG_LINE_BYTES_MAX - 1;
        memcpy(line + len - 3, "...", 3);
    }
    for (size_t i = used; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';
    write_all(line, len);
    errno = saved_errno;
}
