/*
 * Exchange: one HTTP request and its response, as the handlers see it. The server implements the operations over a
 * socket; tests and fuzzers over memory.
 *
 * A handler reads the body (or leaves it), then answers exactly once: exchange_reply() for small bodies, or
 * exchange_begin(), exchange_write()..., for long ones. What of the request body the handler left unread, the server
 * drains up to a limit or closes the connection for. All functions are [await].
 */
#ifndef DOL_EXCHANGE_H
#define DOL_EXCHANGE_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#include "arena.h"
#include "http1.h"

#define EXCHANGE_RETRY_AFTER_S "1" /* Retry-After of a SlowDown */

struct exchange;

struct exchange_header {
    const char *name;
    const char *value;
};

struct exchange_ops {
    /*
     * Next bytes of the request body, HTTP transfer coding removed, valid until the next call; len 0 at the end. The
     * first call answers "100 Continue" when the client expects it. EPEER, ETIMEDOUT, ESYNTAX (broken chunk framing),
     * ELENGTH (connection closed before Content-Length bytes).
     */
    enum dol_err (*body_read)(struct exchange *x, struct bytes *out);
    /* Status line and headers; the server adds Date, Server, x-amz-request-id, Connection and Content-Length
     * (content_length UINT64_MAX: none, as in 204 and 304). */
    enum dol_err (*begin)(struct exchange *x, unsigned status, const struct exchange_header *headers,
                          unsigned header_count, uint64_t content_length);
    /* Bytes of the response body; together exactly content_length (for HEAD: not called). */
    enum dol_err (*write)(struct exchange *x, const void *data, size_t len);
};

#define EXCHANGE_MAGIC 0x45584348u

struct exchange {
    unsigned magic;
    const struct exchange_ops *ops;
    const struct http1_head *request; /* method, target, headers: valid for the exchange's life */
    struct arena *arena;              /* the request's workspace */
    const char *peer;                 /* "127.0.0.1:51234" */
    bool tls;
    char request_id[17]; /* 16 upper-case hex digits */
    /* what the handlers leave for the log line and the metrics */
    unsigned status;              /* set by begin() */
    const char *operation;        /* "PutObject"; static string; NULL until known */
    const char *error_code;       /* S3 error code; static; NULL when none */
    const char *user;             /* access key id, in the arena; NULL: anonymous or refused before */
    uint64_t bytes_in, bytes_out; /* body bytes */
    bool response_begun;
    bool must_close; /* set to cut the connection after (or in) this response: never a clean end after an error in a
                        body */
};

static inline enum dol_err exchange_body_read(struct exchange *x, struct bytes *out)
{
    return x->ops->body_read(x, out);
}

static inline enum dol_err exchange_begin(struct exchange *x, unsigned status, const struct exchange_header *headers,
                                          unsigned header_count, uint64_t content_length)
{
    return x->ops->begin(x, status, headers, header_count, content_length);
}

static inline enum dol_err exchange_write(struct exchange *x, const void *data, size_t len)
{
    return x->ops->write(x, data, len);
}

#endif
