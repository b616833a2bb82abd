/*
 * Log lines. A line is put together in a buffer on the stack and written by one write(2), so lines of several threads
 * never mix. Values may come from clients: in text, control characters are replaced, and in JSON escaped, so that
 * nobody can forge a line; bytes that aren't UTF-8 are replaced in JSON. What is too long is cut, and ends in "...".
 */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_BYTES_MAX 2048
#define LOG_JSON_BYTES_MAX 4096
/* Kept free for the end of a cut JSON line. */
#define LOG_JSON_END_BYTES 16

static _Atomic int current_level = LOG_LEVEL_INFO;
static _Atomic int current_format = LOG_FORMAT_AUTO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const format_names[] = {"auto", "text", "journal", "json"};
/* syslog(3) priorities, as sd-daemon(3) wants them. */
static const int level_priorities[] = {3, 4, 6, 7};

static int find(const char *const *names, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    return -1;
}

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
    return find(level_names, sizeof level_names / sizeof level_names[0], text);
}

void log_set_format(enum log_format format)
{
    atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
}

static enum log_format format_now(void)
{
    enum log_format format = (enum log_format)atomic_load_explicit(&current_format, memory_order_relaxed);
    if (format != LOG_FORMAT_AUTO)
        return format;
    return getenv("JOURNAL_STREAM") != NULL ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
}

bool log_is_json(void)
{
    return format_now() == LOG_FORMAT_JSON;
}

int log_format_parse(const char *text)
{
    return find(format_names, sizeof format_names / sizeof format_names[0], text);
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

/* "2026-11-24T06:14:15.123Z" */
static void format_time(char out[32])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + len, 32 - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

/* ---- text ---- */

static size_t add_text(char *line, size_t used, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Appends; returns the length wanted, which may be more than there is room for. */
static size_t add_text(char *line, size_t used, const char *format, ...)
{
    va_list args;
    if (used >= LOG_LINE_BYTES_MAX)
        return used;
    va_start(args, format);
    int len = vsnprintf(line + used, LOG_LINE_BYTES_MAX - used, format, args);
    va_end(args);
    return used + (len < 0 ? 0 : (size_t)len);
}

static size_t add_head(char *line, enum log_format format, enum log_level level, const char *component)
{
    char now[32];
    if (format == LOG_FORMAT_JOURNAL)
        return add_text(line, 0, "<%d>%s %s: ", level_priorities[level], level_names[level], component);
    format_time(now);
    return add_text(line, 0, "%s %s %s: ", now, level_names[level], component);
}

/* Cuts, replaces what is not printable, ends the line. The buffer has one byte more than LOG_LINE_BYTES_MAX. */
static void write_text(char *line, size_t len)
{
    if (len >= LOG_LINE_BYTES_MAX) {
        len = LOG_LINE_BYTES_MAX - 1;
        memcpy(line + len - 3, "...", 3);
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';
    write_all(line, len);
}

/* ---- JSON ---- */

struct json_line {
    char out[LOG_JSON_BYTES_MAX];
    size_t len;
};

static bool has_room(const struct json_line *j, size_t n)
{
    return j->len + n <= sizeof j->out - LOG_JSON_END_BYTES;
}

static void add_raw(struct json_line *j, const char *text)
{
    size_t n = strlen(text);
    memcpy(j->out + j->len, text, n);
    j->len += n;
}

/* Length of the UTF-8 sequence at s (RFC 3629); 0: none. */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 0;
    if (s[0] >= 0xf0 && s[0] < 0xf5)
        n = 4;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : n;
}

static void add_string(struct json_line *j, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    add_raw(j, "\"");
    while (*s != '\0') {
        char escaped[8];
        size_t n = utf8_length(s);
        if (n > 1)
            snprintf(escaped, sizeof escaped, "%.*s", (int)n, (const char *)s);
        else if (*s == '"' || *s == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            snprintf(escaped, sizeof escaped, "\\u%04x", *s);
        else
            snprintf(escaped, sizeof escaped, "%c", n == 1 ? *s : '?');
        if (!has_room(j, strlen(escaped))) {
            add_raw(j, "...");
            break;
        }
        add_raw(j, escaped);
        s += n > 0 ? n : 1;
    }
    add_raw(j, "\"");
}

/* A member, unless there is no room for its beginning. */
static void add_member(struct json_line *j, const char *name, const char *text, uint64_t number)
{
    char value[24];
    if (!has_room(j, strlen(name) + sizeof value + 8))
        return;
    add_raw(j, j->len == 0 ? "{\"" : ",\"");
    add_raw(j, name);
    add_raw(j, "\":");
    snprintf(value, sizeof value, "%" PRIu64, number);
    if (text != NULL)
        add_string(j, text);
    else
        add_raw(j, value);
}

static void write_json(enum log_level level, const char *component, const char *message, const struct log_field *fields,
                       unsigned count)
{
    struct json_line j = {.len = 0};
    char now[32];
    format_time(now);
    add_member(&j, "time", now, 0);
    add_member(&j, "level", level_names[level], 0);
    add_member(&j, "component", component, 0);
    add_member(&j, "message", message, 0);
    for (unsigned i = 0; i < count; i++)
        add_member(&j, fields[i].name, fields[i].text, fields[i].number);
    add_raw(&j, "}\n");
    write_all(j.out, j.len);
}

/* ---- lines ---- */

void log_line(enum log_level level, const char *component, const char *format, ...)
{
    char line[LOG_LINE_BYTES_MAX + 1];
    int saved_errno = errno;
    va_list args;

    if (level > log_get_level())
        return;
    enum log_format form = format_now();
    size_t used = form == LOG_FORMAT_JSON ? 0 : add_head(line, form, level, component);
    if (used >= LOG_LINE_BYTES_MAX)
        used = LOG_LINE_BYTES_MAX - 1;
    va_start(args, format);
    int body = vsnprintf(line + used, LOG_LINE_BYTES_MAX - used, format, args);
    va_end(args);
    if (form == LOG_FORMAT_JSON) {
        if (body >= LOG_LINE_BYTES_MAX)
            memcpy(line + LOG_LINE_BYTES_MAX - 4, "...", 4);
        write_json(level, component, body < 0 ? "" : line, NULL, 0);
    } else {
        write_text(line, used + (body < 0 ? 0 : (size_t)body));
    }
    errno = saved_errno;
}

void log_fields(enum log_level level, const char *component, const char *message, const struct log_field *fields,
                unsigned count)
{
    char line[LOG_LINE_BYTES_MAX + 1];
    int saved_errno = errno;

    if (level > log_get_level())
        return;
    enum log_format form = format_now();
    if (form == LOG_FORMAT_JSON) {
        write_json(level, component, message, fields, count);
    } else {
        size_t used = add_head(line, form, level, component);
        used = add_text(line, used, "%s", message);
        for (unsigned i = 0; i < count; i++)
            used = fields[i].text != NULL ? add_text(line, used, " %s=%s", fields[i].name, fields[i].text)
                                          : add_text(line, used, " %s=%" PRIu64, fields[i].name, fields[i].number);
        write_text(line, used);
    }
    errno = saved_errno;
}
