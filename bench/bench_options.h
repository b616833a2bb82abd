/* What the command line asks of a run. Filled once before the threads start, read-only afterwards. */
#ifndef DOL_BENCH_OPTIONS_H
#define DOL_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench_verb.h"

#define BENCH_WORKERS_MAX 4096u
#define BENCH_THREADS_MAX 64u
#define BENCH_IDLE_MAX    200000u
#define BENCH_SIZES_MAX   16u
#define BENCH_TEXT_MAX    512u

enum bench_mode {
    BENCH_PUT,  /* new objects */
    BENCH_GET,  /* this and the next three: what a put run with the same seed, sizes and prefix has left, the objects */
    BENCH_HEAD, /* 0 .. objects-1 */
    BENCH_LIST, /* pages of the listing, each from a different key on */
    BENCH_DELETE, /* each object once */
    BENCH_MIX,    /* verbs by weight: new objects, and what this run has put */
    BENCH_CHURN,  /* each worker overwrites, deletes and reads its own few keys: the order per key is known */
};

enum bench_on_error {
    BENCH_COUNT_ERRORS,  /* reconnect and go on */
    BENCH_STOP_ON_ERROR, /* the first lost connection ends the run, successfully */
    BENCH_FAIL_ON_ERROR, /* go on; the exit status tells */
};

struct bench_options {
    char host[64]; /* IPv4 address */
    uint16_t port;
    char access_key[BENCH_TEXT_MAX];
    char secret_key[BENCH_TEXT_MAX];
    char region[64];
    char bucket[64];
    char prefix[BENCH_TEXT_MAX];
    enum bench_mode mode;
    enum bench_on_error on_error;
    unsigned weights[BENCH_VERBS]; /* in BENCH_MIX */
    unsigned workers;              /* connections */
    unsigned threads;              /* that share the workers */
    unsigned idle;                 /* connections that are open and do nothing */
    unsigned seconds;              /* that are measured; 0: until `objects` were put or got */
    unsigned warm_up_s;            /* before those, not measured */
    uint64_t objects;              /* 0: until `seconds` have passed */
    double rate; /* operations a second to begin, whatever becomes of them; 0: as fast as answers come */
    uint64_t sizes[BENCH_SIZES_MAX];
    unsigned size_count;
    unsigned duplicates_percent; /* of new objects: content sent before, under another key */
    unsigned slots;              /* keys per worker in BENCH_CHURN */
    unsigned server_pid;         /* whose CPU time is reported; 0: none */
    uint64_t seed;
    const char *files;   /* folder whose files are the objects; NULL: made-up bytes */
    const char *journal; /* file that says what was tried and what was acknowledged; NULL: none */
    const char *json;    /* file for the report, "-" or NULL: standard output */
    bool unique;         /* files get some bytes changed, so that none repeats */
    bool in_order;       /* gets go through the objects in order instead of by chance */
    bool tls;            /* the server's certificate is not checked */
    bool sign_payload;   /* SHA-256 of the body in the signature instead of UNSIGNED-PAYLOAD */
    bool verify;         /* compare what GET returns with what was put */
};

/* Parses the command line. false: said why on standard error (or printed the help: *help). */
bool bench_options_parse(struct bench_options *o, int argc, char **argv, bool *help);

#endif
