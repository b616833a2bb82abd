/*
 * HTTP/1.1 requests, read incrementally (RFC 9112). Bytes go in, events come out; no I/O, no allocation.
 *
 * The head (request line and header section) is gathered in a buffer of the caller, so that every slice of
 * struct http1_head borrows from one contiguous place. Two readers look at it: a strict line reader of ours, which
 * refuses whatever other implementations are known to read differently (request smuggling), and llhttp; a request goes
 * on only if both read the same. Bodies are never copied: a body event is a span of the bytes fed.
 *
 *     http1_init(&p, buf, sizeof buf);
 *     loop: ev = http1_feed(&p, data, len, &consumed, &body); advance data by consumed;
 *         HTTP1_EV_MORE   all consumed, nothing to report: receive more
 *         HTTP1_EV_HEAD   p.head is complete; it stays valid until HTTP1_EV_END has been returned and more is fed
 *         HTTP1_EV_BODY   `body` is the next span of the (de-chunked) body
 *         HTTP1_EV_END    the request is complete; unconsumed bytes belong to the next one (pipelining)
 *         HTTP1_EV_ERROR  p.error says why; answer http1_error_status() and close: the framing is lost
 * HTTP1_EV_END comes for requests without a body too, from a further call (len may be 0).
 */
#ifndef DOL_HTTP1_H
#define DOL_HTTP1_H

#include "wire_header.h"
#include <dolmen/err.h>

/* The limits, all in one place. */
#define HTTP1_HEAD_BYTES_MAX       (32u << 10) /* request line and header section together; S3 itself allows 8 KiB */
#define HTTP1_TARGET_BYTES_MAX     (8u << 10)  /* a 1,024-byte key, each byte escaped, and a presigned query */
#define HTTP1_HEADERS_MAX          128u
#define HTTP1_LEADING_CRLF_MAX     2u   /* empty lines before a request line, RFC 9112 section 2.2 */
#define HTTP1_CHUNK_LINE_BYTES_MAX 256u /* chunk size with its extensions */
#define HTTP1_TRAILER_BYTES_MAX    (4u << 10)
#define HTTP1_TRAILERS_MAX         32u
#define HTTP1_BODY_BYTES_MAX       (1ull << 50)

/* X(name, HTTP status, what a person reads) */
#define HTTP1_ERROR_TABLE(X)                                                                                           \
    X(NONE, 200, "no error")                                                                                           \
    X(REQUEST_LINE, 400, "malformed request line")                                                                     \
    X(METHOD, 501, "method not implemented")                                                                           \
    X(VERSION, 505, "HTTP version not supported")                                                                      \
    X(TARGET, 400, "malformed request target")                                                                         \
    X(TARGET_TOO_LONG, 414, "request target too long")                                                                 \
    X(LINE_ENDING, 400, "a line does not end in CR LF, or contains a bare CR")                                         \
    X(HEADER_NAME, 400, "malformed header name")                                                                       \
    X(HEADER_VALUE, 400, "control character in a header value")                                                        \
    X(OBS_FOLD, 400, "folded header line")                                                                             \
    X(TOO_MANY_HEADERS, 431, "too many headers")                                                                       \
    X(HEAD_TOO_LARGE, 431, "request head too large")                                                                   \
    X(HOST, 400, "missing, repeated or malformed Host header")                                                         \
    X(CONTENT_LENGTH, 400, "malformed or conflicting Content-Length")                                                  \
    X(BODY_TOO_LARGE, 413, "request body too large")                                                                   \
    X(TRANSFER_ENCODING, 501, "transfer coding other than chunked")                                                    \
    X(FRAMING, 400, "Content-Length together with Transfer-Encoding, or Transfer-Encoding where it is not allowed")    \
    X(EXPECTATION, 417, "unknown expectation")                                                                         \
    X(CHUNK, 400, "malformed chunk")                                                                                   \
    X(CHUNK_LINE_TOO_LONG, 400, "chunk extensions too long")                                                           \
    X(TRAILER, 400, "malformed trailer")                                                                               \
    X(TRAILER_TOO_LARGE, 431, "trailer too large")                                                                     \
    X(AMBIGUOUS, 400, "request head can be read in more than one way")

enum http1_error {
#define HTTP1_ERROR_ENUM(name, status, text) HTTP1_ERR_##name,
    HTTP1_ERROR_TABLE(HTTP1_ERROR_ENUM)
#undef HTTP1_ERROR_ENUM
};

unsigned http1_error_status(enum http1_error error);
const char *http1_error_text(enum http1_error error);

enum http1_method {
    HTTP1_METHOD_GET,
    HTTP1_METHOD_HEAD,
    HTTP1_METHOD_PUT,
    HTTP1_METHOD_POST,
    HTTP1_METHOD_DELETE,
    HTTP1_METHOD_OPTIONS,
};

struct http1_head {
    enum http1_method method;
    struct bytes method_name;
    /* Origin form, or "*" for OPTIONS. Absolute form is accepted if its authority is that of Host, and cut to origin
     * form. */
    struct bytes target;
    struct bytes host; /* empty when an HTTP/1.0 request has none */
    unsigned minor_version;
    bool keep_alive;
    bool chunked;            /* then content_length is 0 */
    bool has_content_length; /* false without chunked: no body */
    bool expect_continue;    /* wants "100 Continue" before it sends the body */
    uint64_t content_length;
    unsigned header_count;
    struct wire_header headers[HTTP1_HEADERS_MAX]; /* in the order of arrival, names lower-cased */
};

enum http1_event { HTTP1_EV_MORE, HTTP1_EV_HEAD, HTTP1_EV_BODY, HTTP1_EV_END, HTTP1_EV_ERROR };

enum http1_state {
    HTTP1_IDLE, /* before the first byte of a request */
    HTTP1_IN_HEAD,
    HTTP1_IN_BODY,
    HTTP1_CHUNK_LINE,
    HTTP1_CHUNK_DATA,
    HTTP1_CHUNK_DATA_END,
    HTTP1_IN_TRAILER,
    HTTP1_DONE,
    HTTP1_FAILED,
};

struct http1_parser {
    enum http1_state state;
    enum http1_error error;
    struct http1_head head;
    /* private */
    char *buf; /* the head */
    size_t buf_bytes;
    size_t len;
    size_t line_start;
    unsigned lines;
    unsigned leading_crlf;
    uint64_t left_bytes; /* of the body, or of the chunk */
    uint64_t body_bytes; /* declared by the chunks so far */
    size_t trailer_bytes;
    unsigned trailers;
    size_t line_bytes;
    char line[HTTP1_CHUNK_LINE_BYTES_MAX]; /* chunk line */
    char last;                             /* previous byte of a trailer line */
    bool in_value;
};

/* `buf` is borrowed for the parser's life; its size (at most HTTP1_HEAD_BYTES_MAX is used) bounds the head. */
void http1_init(struct http1_parser *p, char *buf, size_t buf_bytes);

/* See above. *consumed <= len. `body` is set with HTTP1_EV_BODY only. After HTTP1_EV_ERROR every call returns it again.
 */
DOL_MUST_CHECK enum http1_event http1_feed(struct http1_parser *p, const void *data, size_t len, size_t *consumed,
                                           struct bytes *body);

/* true between requests: the peer may close here without having lost anything. */
bool http1_is_idle(const struct http1_parser *p);

/* The value of the first header `name` (lower case); NULL when absent. */
const struct bytes *http1_header(const struct http1_head *head, const char *name);

#endif
