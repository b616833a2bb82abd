/*
 * What dolmen-fsck has to say: problems as they are found, progress, and a summary; for people, or as JSON lines for
 * programs. Thread-safe.
 */
#ifndef DOL_FSCK_REPORT_H
#define DOL_FSCK_REPORT_H

#include <dolmen/err.h>
#include <dolmen/types.h>

enum fsck_severity {
    FSCK_NOTE,       /* worth knowing, nothing is wrong */
    FSCK_REPAIRABLE, /* wrong, and there is enough to make it right */
    FSCK_REPAIRED,
    FSCK_LOST /* wrong, and what is at hand doesn't suffice */
};

/* What a problem is about; the names in JSON. */
#define FSCK_SUBJECT_TABLE(X)                                                                                          \
    X(DRIVE, "drive")                                                                                                  \
    X(SUPERBLOCK, "superblock")                                                                                        \
    X(SLAB, "slab")                                                                                                    \
    X(ROW, "row")                                                                                                      \
    X(PARITY, "parity")                                                                                                \
    X(RECORD, "record")                                                                                                \
    X(CHUNK, "chunk")                                                                                                  \
    X(OBJECT, "object")                                                                                                \
    X(UPLOAD, "upload")                                                                                                \
    X(INDEX, "index")                                                                                                  \
    X(KEY, "key")

enum fsck_subject {
#define FSCK_SUBJECT_ENUM(name, text) FSCK_##name,
    FSCK_SUBJECT_TABLE(FSCK_SUBJECT_ENUM)
#undef FSCK_SUBJECT_ENUM
        FSCK_SUBJECT_COUNT
};

enum fsck_format { FSCK_TEXT, FSCK_JSON };
enum fsck_progress { FSCK_PROGRESS_OFF, FSCK_PROGRESS_ON };

struct fsck_report;
struct fsck_report *fsck_report_new(enum fsck_format format, enum fsck_progress progress);
void fsck_report_free(struct fsck_report *r);

/* One problem, one line. Beyond FSCK_LINES_MAX of one subject they are only counted. */
#define FSCK_LINES_MAX 1000u
void fsck_say(struct fsck_report *r, enum fsck_severity severity, enum fsck_subject subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Lines that wait for their turn: threads find problems in any order, and say them in one. Owns its texts. */
struct fsck_lines {
    struct fsck_line *lines;
    size_t count, capacity;
    bool failed; /* no memory: not all are there */
};
/* As fsck_say(), later. */
void fsck_lines_add(struct fsck_lines *l, enum fsck_severity severity, enum fsck_subject subject, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));
/* Says them, and forgets them. r may be NULL: then it only forgets them. */
void fsck_lines_say(struct fsck_report *r, struct fsck_lines *l);

/* Progress on standard error when it is a terminal or was asked for, at most twice a second. */
void fsck_progress_show(struct fsck_report *r, const char *what, uint64_t done, uint64_t total);

/* One figure of the summary; the last things printed. */
void fsck_figure(struct fsck_report *r, const char *name, uint64_t value);
/* The verdict: ends the summary. */
void fsck_report_end(struct fsck_report *r, const char *verdict, int status);

uint64_t fsck_report_count(struct fsck_report *r, enum fsck_severity severity);

/* Bytes a terminal may not take as they are (names come from clients): %XX. Returns out. */
const char *fsck_printable(struct bytes text, char *out, size_t out_bytes);

#endif
