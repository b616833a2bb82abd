/* TLS over a socket that doesn't wait: OpenSSL's client side. Certificates are not checked: this is a load generator on
 * its own machine. */
#ifndef DOL_BENCH_TLS_H
#define DOL_BENCH_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_tls;      /* shared by all connections and threads */
struct bench_tls_link; /* one connection's */

/* NULL: said why. */
struct bench_tls *bench_tls_new(void);
void bench_tls_free(struct bench_tls *tls);

/* Does not take the descriptor. NULL: out of memory. */
struct bench_tls_link *bench_tls_link_new(struct bench_tls *tls, int fd);
void bench_tls_link_free(struct bench_tls_link *link);

enum bench_tls_result { BENCH_TLS_DONE, BENCH_TLS_AGAIN, BENCH_TLS_FAILED };
enum bench_tls_result bench_tls_connect(struct bench_tls_link *link);
/* Bytes taken; 0: none for now, to be tried again with the same bytes or more behind them; -1: failed. len above 0. */
ssize_t bench_tls_write(struct bench_tls_link *link, const void *data, size_t len);
/* Bytes received; 0: none for now; -1: end or failure. */
ssize_t bench_tls_read(struct bench_tls_link *link, void *buf, size_t len);

#endif
