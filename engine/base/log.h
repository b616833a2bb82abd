/*
 * Leveled log lines on standard error: "2026-11-24T06:14:15.123Z level component: message key=value ...". Thread-safe,
 * one write(2) a line. With JOURNAL_STREAM set, lines begin with the <N> priority prefix of sd-daemon(3) and carry no
 * time. Never pass secrets.
 */
#ifndef DOL_LOG_H
#define DOL_LOG_H

enum log_level { LOG_LEVEL_OFF = -1, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "error", "warn", "info", "debug"; returns -1 for anything else. */
int log_level_parse(const char *text);

void log_line(enum log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(component, ...) log_line(LOG_LEVEL_ERROR, component, __VA_ARGS__)
#define log_warn(component, ...)  log_line(LOG_LEVEL_WARN, component, __VA_ARGS__)
#define log_info(component, ...)  log_line(LOG_LEVEL_INFO, component, __VA_ARGS__)
#define log_debug(component, ...) log_line(LOG_LEVEL_DEBUG, component, __VA_ARGS__)

#endif
