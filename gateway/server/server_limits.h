/*
 * Every limit of the connection layer, by name. An archive's clients are machines that send many small objects or a few
 * huge ones over links from 10 Gbit/s down to a site's VPN: generous with honest slowness, strict with clients that
 * hold a connection and give nothing.
 */
#ifndef DOL_SERVER_LIMITS_H
#define DOL_SERVER_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Sizes that no configuration changes. */
#define SERVER_SMALL_BUFFER_BYTES  4096u              /* on the stack of a connection's fiber */
#define SERVER_BODY_BUFFER_BYTES   (128u << 10)       /* lent to a connection while it reads a body */
#define SERVER_RESPONSE_HEAD_BYTES (16u << 10)        /* status line and headers, 2 KiB of user metadata included */
#define SERVER_ARENA_BYTES_MAX     ((size_t)20 << 20) /* a request's workspace: an 8 MiB list of keys, parsed */
#define SERVER_LOOPS_MAX           64u
#define SERVER_LISTENERS_MAX       4u
#define SERVER_ACCEPTORS           4u  /* fibers that accept, per loop and TCP endpoint: connections of one turn */
#define SERVER_HANDSHAKES_MAX      4u  /* steps of TLS handshakes in one turn of a loop: half a millisecond each */
#define SERVER_RESERVED_MAX        32u /* connections beyond connections_max, for the operator's own listener */

struct server_limits {
    unsigned connections_max;   /* of the server; beyond: 503 SlowDown, closed */
    unsigned refusals_max;      /* per loop: connections being told so; beyond: closed at once */
    unsigned fibers_max;        /* per loop: connections worked on, with fiber and buffers; the next wait in line */
    unsigned requests_max;      /* per loop: requests being answered at once */
    unsigned request_queue_max; /* per loop: requests waiting for their turn; beyond: 503 SlowDown */
    unsigned body_buffers_max;  /* per loop; beyond: bodies come through the small buffer */
    unsigned workspaces_kept;   /* per loop: request workspaces kept for reuse */

    uint64_t request_wait_ns;      /* longest wait for a turn; then 503 SlowDown */
    uint64_t rest_after_ns;        /* without input for so long, a connection gives fiber and buffers back */
    uint64_t hurry_ns;             /* what an unfinished handshake or head gets while others wait in line for a fiber */
    uint64_t handshake_timeout_ns; /* from accept to the end of the TLS handshake */
    uint64_t idle_timeout_ns;      /* kept-alive connection without a request */
    uint64_t head_timeout_ns; /* from a request's first byte to the end of its head; from accept to the first byte */
    uint64_t body_timeout_ns; /* one wait for body bytes */
    uint64_t send_timeout_ns; /* one wait for the client to take bytes */
    uint64_t rate_grace_ns;   /* waiting that is free before the rates below count */
    uint64_t body_rate_min;   /* bytes a second of waiting that a client has to send */
    uint64_t send_rate_min;   /* bytes a second that a client has to take */

    uint64_t drain_bytes_max;  /* of a body the handler left unread, before the connection is closed instead */
    uint64_t drain_timeout_ns; /* for that, and for the lingering close */
    uint64_t sweep_ns;         /* how often deadlines of sends and of resting connections are looked at */
    uint64_t stop_timeout_ns;  /* requests in progress when the server stops */
};

#define SERVER_SECOND_NS UINT64_C(1000000000)

#define SERVER_LIMITS_DEFAULT                                                                                          \
    {                                                                                                                  \
        .connections_max = 12288, .refusals_max = 64, .fibers_max = 1024, .requests_max = 256,                         \
        .request_queue_max = 128, .body_buffers_max = 256, .workspaces_kept = 64, .request_wait_ns = SERVER_SECOND_NS, \
        .rest_after_ns = SERVER_SECOND_NS / 20, .hurry_ns = 2 * SERVER_SECOND_NS,                                      \
        .handshake_timeout_ns = 10 * SERVER_SECOND_NS, .idle_timeout_ns = 75 * SERVER_SECOND_NS,                       \
        .head_timeout_ns = 30 * SERVER_SECOND_NS, .body_timeout_ns = 60 * SERVER_SECOND_NS,                            \
        .send_timeout_ns = 60 * SERVER_SECOND_NS, .rate_grace_ns = 60 * SERVER_SECOND_NS, .body_rate_min = 1024,       \
        .send_rate_min = 1024, .drain_bytes_max = 1u << 20, .drain_timeout_ns = 5 * SERVER_SECOND_NS,                  \
        .sweep_ns = SERVER_SECOND_NS, .stop_timeout_ns = 30 * SERVER_SECOND_NS,                                        \
    }

#endif
