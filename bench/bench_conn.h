/*
 * A connection without waiting: it is stepped when epoll has something to say, sends the request's head and body from
 * where they lie (one sendmsg for a small object), and throws away what comes back unless somebody wants to look at it
 * (MSG_TRUNC: the kernel doesn't copy it). Plain or TLS.
 */
#ifndef DOL_BENCH_CONN_H
#define DOL_BENCH_CONN_H

#include "bench_http.h"
#include "bench_tls.h"

#define BENCH_IO_TIMEOUT_NS (UINT64_C(60) * 1000000000u)
#define BENCH_HEAD_MAX      16384u
#define BENCH_SCRATCH_BYTES (1u << 20)
/* What one TLS write is made of. */
#define BENCH_STAGE_BYTES (64u << 10)

/* What the connections of one thread share. */
struct bench_io {
    const struct bench_options *options; /* borrowed */
    struct bench_tls *tls;               /* borrowed; NULL: plain */
    int epoll_fd;
    uint64_t now_ns; /* the caller keeps it up to date */
    struct bench_pieces pieces;
    uint8_t *scratch; /* BENCH_SCRATCH_BYTES: what was received and is looked at */
    uint8_t *stage;   /* BENCH_STAGE_BYTES: plain bytes for TLS */
};

enum bench_conn_state {
    BENCH_CONN_CLOSED,
    BENCH_CONN_CONNECTING,
    BENCH_CONN_HANDSHAKE,
    BENCH_CONN_READY, /* for a request */
    BENCH_CONN_BUSY,  /* with one */
};

struct bench_conn {
    enum bench_conn_state state;
    int fd;                      /* -1 when closed */
    struct bench_tls_link *link; /* NULL: plain */
    void *owner;                 /* what epoll gives back */
    uint64_t deadline_ns;        /* without any progress the connection is lost then */

    /* the request */
    enum bench_verb verb;
    char *head_out; /* BENCH_REQUEST_HEAD_MAX, filled by the caller */
    size_t head_out_len;
    const struct bench_content *body; /* NULL: none */
    uint64_t sent, to_send;           /* head and body */
    bool send_failed;

    /* the response */
    const struct bench_content *expected; /* what a 200 has to bring; NULL: anything */
    char *head_in;                        /* BENCH_HEAD_MAX and a terminator */
    size_t head_in_len;
    bool has_head;
    bool differs;
    uint64_t body_at;
    struct bench_response response;
};

enum bench_progress {
    BENCH_WAITS,    /* for epoll */
    BENCH_OPENED,   /* ready for a request */
    BENCH_ANSWERED, /* a whole response came */
    BENCH_MISMATCH, /* a whole response came, with other bytes than expected */
    BENCH_LOST,     /* not connected, cut off, timed out, or not HTTP; closed now */
    BENCH_ENDED,    /* closed by the server while it had nothing to do */
};

/* false: out of memory or of descriptors; said why. */
bool bench_io_init(struct bench_io *io, const struct bench_options *options, struct bench_tls *tls);
void bench_io_fini(struct bench_io *io);

/* For requests; false: out of memory. Without it a connection can only be opened and closed. */
bool bench_conn_init(struct bench_conn *c, void *owner);
void bench_conn_fini(struct bench_conn *c);
void bench_conn_close(struct bench_conn *c);

/* Begins to connect. source_ip in host order, 0: any. false: BENCH_LOST at once. */
bool bench_conn_open(struct bench_io *io, struct bench_conn *c, uint32_t source_ip);
/* A request whose head is in c->head_out; then the first bench_conn_step() with events 0. */
void bench_conn_begin(struct bench_io *io, struct bench_conn *c, enum bench_verb verb, size_t head_len,
                      const struct bench_content *body, const struct bench_content *expected);
/* As far as it goes. events: of epoll; 0: none yet. */
enum bench_progress bench_conn_step(struct bench_io *io, struct bench_conn *c, uint32_t events);

#endif
