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
#define SERVER_SMALL_BUFFER_BYTES  4096u              /* per connection, always there */
#define SERVER_BODY_BUFFER_BYTES   (128u << 10)       /* lent to a connection while it reads a body */
#define SERVER_RESPONSE_HEAD_BYTES (16u << 10)        /* status line and headers, 2 KiB of user metadata included */
#define SERVER_ARENA_BYTES_MAX     ((size_t)20 << 20) /* a request's workspace: an 8 MiB list of keys, parsed */
#define SERVER_LOOPS_MAX           64u
#define SERVER_LISTENERS_MAX       4u

struct server_limits {
    unsigned connections_max;  /* per loop; beyond: 503 SlowDown, closed */
    unsigned refusals_max;     /* per loop: connections being told so; beyond: closed at once */
    unsigned body_buffers_max; /* per loop; beyond: bodies come through the small buffer */
    unsigned workspaces_kept;  /* per loop: request workspaces kept for reuse */

    uint64_t idle_timeout_ns; /* kept-alive connection without a request */
    uint64_t head_timeout_ns; /* from a request's first byte (or from accept) to the end of its head */
    uint64_t body_timeout_ns; /* one wait for body bytes */
    uint64_t send_timeout_ns; /* one wait for the client to take bytes */
    uint64_t rate_grace_ns;   /* waiting that is free before the rates below count */
    uint64_t body_rate_min;   /* bytes a second of waiting that a client has to send */
    uint64_t send_rate_min;   /* bytes a second that a client has to take */

    uint64_t drain_bytes_max;  /* of a body the handler left unread, before the connection is closed instead */
    uint64_t drain_timeout_ns; /* for that, and for the lingering close */
    uint64_t sweep_ns;         /* how often deadlines of sends are looked at */
    uint64_t stop_timeout_ns;  /* requests in progress when the server stops */
};

#define SERVER_SECOND_NS UINT64_C(1000000000)

#define SERVER_LIMITS_DEFAULT                                                                                          \
    {                                                                                                                  \
        .connections_max = 1024, .refusals_max = 64, .body_buffers_max = 256, .workspaces_kept = 64,                   \
        .idle_timeout_ns = 75 * SERVER_SECOND_NS, .head_timeout_ns = 30 * SERVER_SECOND_NS,                            \
        .body_timeout_ns = 60 * SERVER_SECOND_NS, .send_timeout_ns = 60 * SERVER_SECOND_NS,                            \
        .rate_grace_ns = 60 * SERVER_SECOND_NS, .body_rate_min = 1024, .send_rate_min = 1024,                          \
        .drain_bytes_max = 1u << 20, .drain_timeout_ns = 5 * SERVER_SECOND_NS, .sweep_ns = SERVER_SECOND_NS,           \
        .stop_timeout_ns = 30 * SERVER_SECOND_NS,                                                                      \
    }

#endif
