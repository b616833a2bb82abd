/* The log line of a request. Nothing that could be used to sign or replay another request is in it. */
#ifndef DOL_REQUEST_LOG_H
#define DOL_REQUEST_LOG_H

#include "exchange.h"

#define REQUEST_LOG_TARGET_BYTES_MAX 1024u

/* Whether the connection ends with the request. */
enum request_log_end { REQUEST_LOG_KEEPS, REQUEST_LOG_CLOSES };
void request_log(const struct exchange *x, enum request_log_end end, uint64_t duration_ns);

/*
 * The target as it may be logged: the path as sent, then each query parameter; values only of parameters known to be
 * harmless, "..." for all others. Cut with "..." at the end when `out` is full. Terminated.
 */
void request_log_target(struct bytes target, char *out, size_t out_bytes);

#endif
