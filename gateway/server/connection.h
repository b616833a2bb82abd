/*
 * A connection: requests read from one socket and answered one after another.
 *
 *     RESTING --input--> READY --a fiber--> [HANDSHAKE -->] HEAD --head complete--> EXCHANGE
 *        ^                                                   ^                          |
 *        '------------- nothing came for a while ---------- IDLE <--- response out, body drained
 *
 * and from anywhere to CLOSING, which lingers so that the client can read the last answer.
 *
 * A resting connection is this struct, its socket, and OpenSSL's state when it speaks TLS: no fiber, no buffers. Input
 * puts it in its loop's line (READY), and the next free fiber takes it up. While a fiber works on it, input goes
 * through one buffer at a time: the small one on the fiber's stack, or a pooled one while a body is read. That is
 * refilled only when empty, so pipelined bytes are never moved or lost; a connection with unread bytes does not rest.
 */
#ifndef DOL_CONNECTION_H
#define DOL_CONNECTION_H

#include "net_watch.h"
#include "server_loop.h"
#include "tls.h"

#include <sys/uio.h>

#define CONNECTION_MAGIC 0x434f4e4eu

enum connection_phase {
    CONNECTION_RESTING,
    CONNECTION_READY,
    CONNECTION_HANDSHAKE,
    CONNECTION_IDLE,
    CONNECTION_HEAD,
    CONNECTION_EXCHANGE,
    CONNECTION_CLOSING,
};

enum connection_admission { CONNECTION_ADMITTED, CONNECTION_REFUSED };

struct connection {
    unsigned magic;
    struct list_node link;  /* in server_loop.connections */
    struct list_node line;  /* in server_loop.line while READY */
    struct net_watch watch; /* while RESTING */
    struct server_loop *loop;
    const struct server_service *service;
    int fd;
    enum connection_phase phase;
    enum connection_admission admission; /* REFUSED: over the maximum; gets a 503 and nothing else */
    bool cancelled;                      /* the keeper shut the socket down */
    bool cut;                            /* ends with a reset */
    uint64_t since_ns;                   /* when the handshake or the head began */
    uint64_t deadline_ns;                /* of the send in progress, or of resting; 0: none */
    struct tls_stream *tls;              /* NULL: plain, or nothing has come yet */
    uint8_t *small;                      /* SERVER_SMALL_BUFFER_BYTES; NULL without a fiber */
    struct body_buffer *large;           /* NULL: input goes through small */
    const uint8_t *in;                   /* unread input: in[in_pos .. in_len) */
    size_t in_pos, in_len;
    char peer[64];
};

/* One request on its connection, while it is being answered; the handlers see its exchange. */
struct request {
    struct exchange x; /* first */
    struct connection *conn;
    struct workspace *ws;
    uint64_t started_ns;
    /* body */
    bool body_done;
    bool continue_sent;
    enum dol_err body_err; /* sticks */
    uint64_t body_wait_ns; /* spent waiting for it */
    /* response */
    struct bytes head_pending; /* written, not yet sent */
    uint64_t response_left;    /* body bytes still owed */
    bool send_failed;          /* then must_close is set too */
    bool closes;               /* the connection ends with this response, and the response says so */
    uint8_t id[REQUEST_ID_BYTES];
};

/* ---- connection_stream.c: bytes in and out, plain or TLS ---- */

enum input_for { INPUT_FOR_HEAD, INPUT_FOR_BODY };

/*
 * [await] Refills the empty input buffer with at most len_max bytes. Errors as net_recv() and tls_stream_recv().
 */
DOL_MUST_CHECK enum dol_err connection_fill(struct connection *c, enum input_for use, uint64_t len_max,
                                            uint64_t timeout_ns);
/* [await] Sends all, within the limits for slow clients. */
DOL_MUST_CHECK enum dol_err connection_send(struct connection *c, struct iovec *iov, unsigned iov_count);

/* Lends the buffers that a fiber works with, and takes them back. false: memory is short. */
DOL_MUST_CHECK bool connection_buffers_take(struct connection *c);
void connection_buffers_return(struct connection *c);
/* [await] Where TLS is spoken: the handshake. CONNECTION_OPEN_PLAIN: a client that speaks plain HTTP instead. */
enum connection_open { CONNECTION_OPEN_DONE, CONNECTION_OPEN_PLAIN, CONNECTION_OPEN_FAILED };
DOL_MUST_CHECK enum connection_open connection_open_tls(struct connection *c);
/* Whether all that came has been read, so that the socket tells when there is more. */
bool connection_input_is_empty(const struct connection *c);
/*
 * [await] Says that nothing more comes, and reads what the client still has to say: closing at once would reset the
 * connection and could take the answer away from a client that is still sending.
 */
void connection_linger(struct connection *c);
/* The close will reset the connection, so that no client takes a cut response for a whole one. */
void connection_cut(struct connection *c);
/* [await] Closes the socket, in order unless it was cut. */
void connection_stream_close(struct connection *c);

/* ---- connection.c ---- */

/* Takes fd in any case: from here on there is a connection, which rests until the client says something, or it has been
 * closed because memory is short. An admitted one has been counted in server.connection_count. */
void connection_start(struct server_loop *loop, const struct listener *listener, int fd, const char *peer,
                      enum connection_admission admission);
/* Gives fibers to connections in line, as far as they go. Not [await]. */
void connection_run_line(struct server_loop *loop);
/* Ends a connection from outside. Its fiber, or the one that it will get, sees to the rest. Not [await]. */
void connection_cancel(struct connection *c);

/* ---- exchange_socket.c: the exchange over this socket ---- */

/* Begins the request whose head ws->parser has just completed; `ws->parser` may also have failed: then only a reply is
 * possible. */
void request_init(struct request *r, struct connection *c, struct workspace *ws);
/*
 * [await] After the handler: sees to it that there was one response, sends what is pending, and drains the body.
 * Returns whether the connection can carry another request.
 */
DOL_MUST_CHECK bool request_finish(struct request *r);
/* [await] An S3 error document of the server's own. */
void request_reply_error(struct request *r, unsigned status, const char *code, const char *message);
/* [await] Reads and drops the rest of the body, up to the limits. false: not all of it. */
DOL_MUST_CHECK bool request_drain(struct request *r);

#endif
