/* See fsck_report.h. */
#include "fsck_report.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX       4096u
#define FIGURES_MAX          32u
#define PROGRESS_INTERVAL_NS 500000000ull
#define SEVERITY_COUNT       (FSCK_LOST + 1u)

struct fsck_report {
    pthread_mutex_t lock;
    enum fsck_format format;
    enum fsck_progress progress;
    uint64_t by_severity[SEVERITY_COUNT];
    uint64_t by_subject[FSCK_SUBJECT_COUNT];
    json_t *figures;
    uint64_t progress_ns;
    bool progress_shown;
};

static const char *const subject_names[FSCK_SUBJECT_COUNT] = {
#define FSCK_SUBJECT_NAME(name, text) text,
    FSCK_SUBJECT_TABLE(FSCK_SUBJECT_NAME)
#undef FSCK_SUBJECT_NAME
};

static const char *const severity_names[SEVERITY_COUNT] = {"note", "repairable", "repaired", "lost"};

struct fsck_report *fsck_report_new(enum fsck_format format, enum fsck_progress progress)
{
    struct fsck_report *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->figures = json_object();
    if (r->figures == NULL) {
        free(r);
        return NULL;
    }
    pthread_mutex_init(&r->lock, NULL);
    r->format = format;
    r->progress = progress;
    return r;
}

void fsck_report_free(struct fsck_report *r)
{
    json_decref(r->figures);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void progress_clear(struct fsck_report *r)
{
    if (r->progress_shown)
        fputs("\r\033[K", stderr);
    r->progress_shown = false;
}

static void print_json(json_t *line)
{
    if (line != NULL)
        json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

void fsck_say(struct fsck_report *r, enum fsck_severity severity, enum fsck_subject subject, const char *format, ...)
{
    char text[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    pthread_mutex_lock(&r->lock);
    r->by_severity[severity]++;
    uint64_t count = ++r->by_subject[subject];
    progress_clear(r);
    if (count > FSCK_LINES_MAX)
        snprintf(text, sizeof text, "more of these are not shown, but counted");
    if (count <= FSCK_LINES_MAX + 1 && r->format == FSCK_JSON)
        print_json(json_pack("{s:s, s:s, s:s}", "severity", severity_names[severity], "subject", subject_names[subject],
                             "text", text));
    else if (count <= FSCK_LINES_MAX + 1)
        printf("%-10s  %s: %s\n", severity_names[severity], subject_names[subject], text);
    pthread_mutex_unlock(&r->lock);
}

struct fsck_line {
    enum fsck_severity severity;
    enum fsck_subject subject;
    char *text;
};

void fsck_lines_add(struct fsck_lines *l, enum fsck_severity severity, enum fsck_subject subject, const char *format,
                    ...)
{
    struct fsck_line line = {severity, subject, NULL};
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 16;
        struct fsck_line *grown = realloc(l->lines, capacity * sizeof *grown);
        l->failed = l->failed || grown == NULL;
        if (grown == NULL)
            return;
        l->lines = grown;
        l->capacity = capacity;
    }
    va_list args;
    va_start(args, format);
    if (vasprintf(&line.text, format, args) < 0)
        l->failed = true;
    else
        l->lines[l->count++] = line;
    va_end(args);
}

void fsck_lines_say(struct fsck_report *r, struct fsck_lines *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (r != NULL)
            fsck_say(r, l->lines[i].severity, l->lines[i].subject, "%s", l->lines[i].text);
        free(l->lines[i].text);
    }
    free(l->lines);
    *l = (struct fsck_lines){.failed = l->failed};
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void fsck_progress_show(struct fsck_report *r, const char *what, uint64_t done, uint64_t total)
{
    if (r->progress == FSCK_PROGRESS_OFF)
        return;
    pthread_mutex_lock(&r->lock);
    uint64_t now = now_ns();
    if (now - r->progress_ns >= PROGRESS_INTERVAL_NS) {
        r->progress_ns = now;
        progress_clear(r);
        fprintf(stderr, "%s: %.1f of %.1f GB", what, (double)done / 1e9, (double)total / 1e9);
        fflush(stderr);
        r->progress_shown = true;
    }
    pthread_mutex_unlock(&r->lock);
}

void fsck_figure(struct fsck_report *r, const char *name, uint64_t value)
{
    if (json_object_set_new(r->figures, name, json_integer((json_int_t)value)) != 0)
        fprintf(stderr, "dolmen-fsck: no memory for the figure %s\n", name);
}

void fsck_report_end(struct fsck_report *r, const char *verdict, int status)
{
    progress_clear(r);
    if (r->format == FSCK_JSON) {
        json_t *line = json_pack("{s:s, s:i, s:O}", "verdict", verdict, "status", status, "figures", r->figures);
        for (unsigned i = 0; line != NULL && i < SEVERITY_COUNT; i++)
            json_object_set_new(line, severity_names[i], json_integer((json_int_t)r->by_severity[i]));
        print_json(line);
        return;
    }
    const char *name;
    json_t *value;
    json_object_foreach(r->figures, name, value)
        printf("%22s  %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
    printf("%22s  %s\n", "verdict", verdict);
}

uint64_t fsck_report_count(struct fsck_report *r, enum fsck_severity severity)
{
    pthread_mutex_lock(&r->lock);
    uint64_t count = r->by_severity[severity];
    pthread_mutex_unlock(&r->lock);
    return count;
}

const char *fsck_printable(struct bytes text, char *out, size_t out_bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *from = text.data;
    size_t at = 0;
    for (size_t i = 0; i < text.len && at + 4 < out_bytes; i++) {
        if (from[i] >= 0x21 && from[i] <= 0x7e && from[i] != '%') {
            out[at++] = (char)from[i];
            continue;
        }
        out[at++] = '%';
        out[at++] = digits[from[i] >> 4];
        out[at++] = digits[from[i] & 15];
    }
    out[at] = '\0';
    return out;
}
