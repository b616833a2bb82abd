/*
 * The admin API: JSON for operators' tools on a Unix socket, and what monitoring asks for, health and metrics, on the
 * public listener too.
 *
 *     GET /healthz     200 while the process answers
 *     GET /readyz      200 while objects can at least be read, else 503; JSON says what works, why not more, and alarms
 *     GET /metrics     Prometheus text format 0.0.4
 *     GET /v1/status   socket only, as all below: the pool, its drives, space, counters
 *     GET /v1/scrub    the pass that runs, or the latest, and the last that was finished
 *     POST /v1/scrub/start[?bandwidth=BYTES]   202: a pass has begun; 409: one is under way. 0 bytes a second: no limit
 *     POST /v1/scrub/stop                      200: none runs any more
 *     POST /v1/iam     {"do": "user-create", "name": "alice"} and so on (admin_iam.c): 200, or "error" with 400, 404,
 * 409
 *
 * Who may open the socket (mode 0600) is its access control.
 */
#ifndef DOL_ADMIN_H
#define DOL_ADMIN_H

#include "exchange.h"
#include "iam.h"
#include "server.h"
#include <dolmen/store.h>

struct admin_config {
    struct server *server; /* borrowed, as all here */
    struct store *store;
    struct iam *iam;
    struct runtime *runtime; /* the real one */
    const char *endpoint;    /* "http://127.0.0.1:9000" */
    const char *region;
    const char *version;
    const char *key_file;      /* whose loss is an alarm; NULL: none */
    uint64_t scrub_bytes_s;    /* of passes that don't say; 0: no limit */
    uint64_t scrub_interval_s; /* from the beginning of a pass to the next one's; 0: none begins by itself */
};

struct admin;

DOL_MUST_CHECK enum dol_err admin_new(const struct admin_config *config, struct admin **out);
void admin_free(struct admin *admin);

/* [await] Looks at the pool and writes a line to the log for each alarm (alarm.h) that was raised or cleared since the
 * last call; begins a pass of scrubbing when one is due. One caller, every few seconds. */
void admin_watch(struct admin *admin);

/* [await] A server_handler_fn for the socket; arg is the struct admin. */
void admin_handle(void *arg, struct exchange *x);

/*
 * [await] On the public listener: answers GET or HEAD of exactly /healthz, /readyz and /metrics; false: not one of
 * them. A request that carries a signature is none either: it means a bucket, or with virtual hosts an object, of that
 * name.
 */
DOL_MUST_CHECK bool admin_handle_public(struct admin *admin, struct exchange *x);

#endif
