/* What happens before the clock starts: the bucket, and the connections that do nothing. */
#ifndef DOL_BENCH_SETUP_H
#define DOL_BENCH_SETUP_H

#include "bench_conn.h"

/* Creates the bucket if it isn't there. false: said why. */
bool bench_create_bucket(const struct bench_options *options, struct bench_tls *tls);

struct bench_idle {
    struct bench_conn *conns;
    unsigned count;  /* asked for */
    unsigned opened; /* of those */
};

/* Opens options->idle connections, with TLS if so wished. false: said why. */
bool bench_idle_open(struct bench_idle *idle, const struct bench_options *options, struct bench_tls *tls);
/* How many are still open. */
unsigned bench_idle_alive(const struct bench_idle *idle);
void bench_idle_close(struct bench_idle *idle);

#endif
