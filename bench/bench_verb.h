/* What a request does. */
#ifndef DOL_BENCH_VERB_H
#define DOL_BENCH_VERB_H

enum bench_verb { BENCH_VERB_PUT, BENCH_VERB_GET, BENCH_VERB_HEAD, BENCH_VERB_LIST, BENCH_VERB_DELETE, BENCH_VERBS };

/* "put", as on the command line and in the report. */
const char *bench_verb_name(enum bench_verb verb);
/* "PUT". */
const char *bench_verb_method(enum bench_verb verb);

#endif
