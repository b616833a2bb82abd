/*
 * Alarms: what an operator should act on, judged from the pool's status. /metrics, /readyz, /v1/status and the log all
 * show this one list. Names stay: alert rules use them.
 */
#ifndef DOL_ALARM_H
#define DOL_ALARM_H

#include <dolmen/store.h>

enum alarm {
    ALARM_DEGRADED,      /* something is wrong, all is served */
    ALARM_READ_ONLY,     /* writes are refused */
    ALARM_NEARLY_FULL,   /* ALARM_NEARLY_FULL_PERCENT of what PUT may take is taken */
    ALARM_FULL,          /* PUT is refused: only the reserve is left */
    ALARM_DRIVE_MISSING, /* some drive is not there */
    ALARM_DRIVE_FAULTED, /* a write to some drive failed */
    ALARM_DRIVE_ERRORS,  /* some drive gave errors, or bytes that were not what was written */
    ALARM_SCRUB_LOSS,    /* scrubbing found what can't be recovered */
    ALARM_KEY_MISSING,   /* the key file is gone: the pool could not be opened again */
    ALARM_COUNT
};

#define ALARM_NEARLY_FULL_PERCENT 85u

/* What is known beside the store's status. */
enum alarm_key { ALARM_KEY_THERE, ALARM_KEY_GONE };

/* A bit for each alarm: 1u << alarm. */
unsigned alarm_evaluate(const struct store_status *status, enum alarm_key key);

struct alarm_text {
    const char *name; /* "drive_missing" */
    const char *meaning;
    const char *action; /* what to do */
};
const struct alarm_text *alarm_text(enum alarm alarm);

#endif
