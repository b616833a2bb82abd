/*
 * A connection: the fiber that reads requests from one socket and answers them one after another.
 *
 *     IDLE --first byte--> HEAD --head complete--> EXCHANGE --response out, body drained--> IDLE
 *       \--- closed, timed out ---/  \--- malformed: answered ---> CLOSING (lingers, so that the client can read the
 * answer)
 *
 * Input goes through one buffer at a time: the small one in the struct, or a pooled one while a body is read. It is
 * refilled only when empty, so pipelined bytes are never moved or lost.
 */
#ifndef DOL_CONNECTION_H
#define DOL_CONNECTION_H

#include "server_loop.h"

#include <sys/uio.h>

#define CONNECTION_MAGIC 0x434f4e4eu

enum connection_phase { CONNECTION_IDLE, CONNECTION_HEAD, CONNECTION_EXCHANGE, CONNECTION_CLOSING };

struct connection {
    unsigned magic;
    struct list_node link; /* in server_loop.connections */
    struct server_loop *loop;
    server_handler_fn *handler;
    void *handler_arg;
    int fd;
    enum connection_phase phase;
    bool refused;              /* over the maximum: gets a 503 and nothing else */
    bool cancelled;            /* the keeper shut the socket down */
    uint64_t deadline_ns;      /* of the send in progress; 0: none */
    struct body_buffer *large; /* NULL: input goes through small[] */
    const uint8_t *in;         /* unread input: in[in_pos .. in_len) */
    size_t in_pos, in_len;
    char peer[64];
    uint8_t small[SERVER_SMALL_BUFFER_BYTES];
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

enum input_for { INPUT_FOR_HEAD, INPUT_FOR_BODY };

/*
 * [await] Refills the empty input buffer with at most len_max bytes. Errors as net_recv().
 */
DOL_MUST_CHECK enum dol_err connection_fill(struct connection *c, enum input_for use, uint64_t len_max,
                                            uint64_t timeout_ns);
/* [await] Sends all, within the limits for slow clients. */
DOL_MUST_CHECK enum dol_err connection_send(struct connection *c, struct iovec *iov, unsigned iov_count);

/* Takes fd in any case: starts the connection's fiber, or closes when that isn't possible. `refused`: tell that there
 * are too many. */
enum connection_admission { CONNECTION_ADMITTED, CONNECTION_REFUSED };
void connection_start(struct server_loop *loop, const struct listener *listener, int fd, const char *peer,
                      enum connection_admission admission);

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
