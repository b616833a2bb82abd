/*
 * Leveled log lines on standard error, thread-safe, one write(2) a line. Three forms:
 *
 *   text     2026-11-24T06:14:15.123Z info component: message key=value ...
 *   journal  <6>info component: message key=value ...      priorities of sd-daemon(3); the journal adds the time
 *   json     {"time":"2026-11-24T06:14:15.123Z","level":"info","component":"...","message":"...", ...}
 *
 * Unless one was chosen, it is journal when JOURNAL_STREAM is set (systemd sets it), else text. Never pass secrets.
 */
#ifndef DOL_LOG_H
#define DOL_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_OFF = -1, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "error", "warn", "info", "debug"; returns -1 for anything else. */
int log_level_parse(const char *text);

void log_set_format(enum log_format format);
/* Whether lines are JSON: log_fields() then says more than a line of text. */
bool log_is_json(void);
/* "auto", "text", "journal", "json"; returns -1 for anything else. */
int log_format_parse(const char *text);

void log_line(enum log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A value beside the message. */
struct log_field {
    const char *name;
    const char *text; /* NULL: the number is meant */
    uint64_t number;
};
/* A JSON line with members of their own for the fields; in the other forms " name=value" follows the message. */
void log_fields(enum log_level level, const char *component, const char *message, const struct log_field *fields,
                unsigned count);

#define log_error(component, ...) log_line(LOG_LEVEL_ERROR, component, __VA_ARGS__)
#define log_warn(component, ...)  log_line(LOG_LEVEL_WARN, component, __VA_ARGS__)
#define log_info(component, ...)  log_line(LOG_LEVEL_INFO, component, __VA_ARGS__)
#define log_debug(component, ...) log_line(LOG_LEVEL_DEBUG, component, __VA_ARGS__)

#endif
