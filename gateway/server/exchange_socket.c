/*
 * The exchange over a socket: the request body on its way in, the response on its way out.
 *
 * The response head is kept back until the first bytes of the body, so both leave in one send; bodies are sent from
 * where the handler has them. A response that cannot be completed as announced cuts the connection: no client can take
 * it for whole.
 */
#include "connection.h"
#include "dol_assert.h"
#include "hash.h"
#include "http1_response.h"
#include "log.h"
#include "xml.h"

#include <inttypes.h>
#include <stdio.h>

#define ERROR_BODY_BYTES_MAX 1024u

static struct request *request_of(struct exchange *x)
{
    dol_assert_magic(x, EXCHANGE_MAGIC);
    return (struct request *)(void *)x;
}

/* ---- body ---- */

/* Whether so much waiting for so few bytes is a client that holds the connection for nothing. */
static bool is_too_slow(const struct request *r)
{
    const struct server_limits *limits = &r->conn->loop->server->limits;
    if (r->body_wait_ns <= limits->rate_grace_ns)
        return false;
    uint64_t counted_s = (r->body_wait_ns - limits->rate_grace_ns) / SERVER_SECOND_NS;
    return counted_s > 0 && r->x.bytes_in / counted_s < limits->body_rate_min;
}

static enum dol_err send_continue(struct request *r)
{
    r->continue_sent = true;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)HTTP1_CONTINUE, .iov_len = sizeof HTTP1_CONTINUE - 1};
    return connection_send(r->conn, &iov, 1);
}

/* More input for the body's parser. */
static enum dol_err fill_body(struct request *r)
{
    const struct http1_head *head = &r->ws->parser.head;
    struct server_limits *limits = &r->conn->loop->server->limits;
    /* Not a byte of the next request goes through the body's buffer when the length is known. */
    uint64_t len_max = head->chunked ? UINT64_MAX : head->content_length - r->x.bytes_in;
    uint64_t start_ns = clock_monotonic_ns();
    enum dol_err err = connection_fill(r->conn, INPUT_FOR_BODY, len_max, limits->body_timeout_ns);
    r->body_wait_ns += clock_monotonic_ns() - start_ns;
    if (err == DOL_EPEER)
        return DOL_ELENGTH;
    if (err == DOL_OK && is_too_slow(r))
        return DOL_ETIMEDOUT;
    return err;
}

static enum dol_err read_body(struct request *r, struct bytes *out)
{
    struct connection *c = r->conn;
    for (;;) {
        size_t consumed = 0;
        enum http1_event ev = http1_feed(&r->ws->parser, c->in + c->in_pos, c->in_len - c->in_pos, &consumed, out);
        c->in_pos += consumed;
        switch (ev) {
        case HTTP1_EV_BODY:
            if (out->len == 0)
                break;
            r->x.bytes_in += out->len;
            return DOL_OK;
        case HTTP1_EV_END:
            r->body_done = true;
            *out = bytes_of(NULL, 0);
            return DOL_OK;
        case HTTP1_EV_ERROR:
            return DOL_ESYNTAX;
        case HTTP1_EV_HEAD:
        case HTTP1_EV_MORE:
            break;
        }
        dol_assert(ev != HTTP1_EV_HEAD);
        if (c->in_pos < c->in_len)
            continue;
        enum dol_err err = fill_body(r);
        if (err != DOL_OK)
            return err;
    }
}

static enum dol_err socket_body_read(struct exchange *x, struct bytes *out)
{
    struct request *r = request_of(x);
    *out = bytes_of(NULL, 0);
    if (r->body_done || r->body_err != DOL_OK)
        return r->body_err;
    /*
     * Even when no body follows, or it is here already: clients that asked and get the final status alone are known to
     * read the next response on the connection wrongly.
     */
    if (x->request->expect_continue && !r->continue_sent && !x->response_begun)
        r->body_err = send_continue(r);
    if (r->body_err == DOL_OK)
        r->body_err = read_body(r, out);
    if (r->body_err != DOL_OK) {
        /* The framing is lost: nothing that follows can be understood. */
        x->must_close = true;
        if (r->body_err == DOL_ETIMEDOUT)
            server_count(&r->conn->loop->stats.timed_out, 1);
    }
    return r->body_err;
}

bool request_drain(struct request *r)
{
    const struct server_limits *limits = &r->conn->loop->server->limits;
    uint64_t deadline_ns = clock_monotonic_ns() + limits->drain_timeout_ns;
    uint64_t counted = r->x.bytes_in; /* what the handler has read */
    bool whole = false;
    while (!whole) {
        struct bytes piece;
        if (socket_body_read(&r->x, &piece) != DOL_OK)
            break;
        whole = r->body_done;
        if (r->x.bytes_in - counted > limits->drain_bytes_max || clock_monotonic_ns() > deadline_ns)
            break;
    }
    return whole;
}

/* ---- response ---- */

/* Whether what is left of the body makes it cheaper, or necessary, to close: known before it is read. */
static bool body_forbids_reuse(const struct request *r)
{
    const struct http1_head *head = &r->ws->parser.head;
    /* Not told to go on, the client may send the body or not: the next bytes could be either. */
    if (head->expect_continue && !r->continue_sent)
        return true;
    return !r->body_done && !head->chunked &&
           head->content_length - r->x.bytes_in > r->conn->loop->server->limits.drain_bytes_max;
}

static bool keeps_alive(const struct request *r)
{
    return !r->x.must_close && r->ws->parser.head.keep_alive && !server_is_stopping(r->conn->loop->server) &&
           !body_forbids_reuse(r);
}

static void format_id2(const struct request *r, char out[40])
{
    uint8_t id2[2 * REQUEST_ID_BYTES];
    memcpy(id2, r->conn->loop->server->instance, REQUEST_ID_BYTES);
    memcpy(id2 + REQUEST_ID_BYTES, r->id, REQUEST_ID_BYTES);
    base64_encode(id2, sizeof id2, out);
}

static enum dol_err send_pending(struct request *r, const void *data, size_t len)
{
    struct iovec iov[2];
    unsigned count = 0;
    if (r->head_pending.len > 0)
        iov[count++] = (struct iovec){(void *)(uintptr_t)r->head_pending.data, r->head_pending.len};
    if (len > 0)
        iov[count++] = (struct iovec){(void *)(uintptr_t)data, len};
    if (count == 0)
        return DOL_OK;
    r->head_pending = bytes_of(NULL, 0);
    enum dol_err err = r->send_failed ? DOL_EPEER : connection_send(r->conn, iov, count);
    if (err != DOL_OK) {
        r->send_failed = true;
        r->x.must_close = true;
        if (err == DOL_ETIMEDOUT)
            server_count(&r->conn->loop->stats.timed_out, 1);
    }
    return err;
}

static enum dol_err socket_begin(struct exchange *x, unsigned status, const struct exchange_header *headers,
                                 unsigned header_count, uint64_t content_length)
{
    struct request *r = request_of(x);
    dol_assert(!x->response_begun);
    char id2[40];
    format_id2(r, id2);

    struct http1_response out;
    http1_response_begin(&out, r->ws->response_head, sizeof r->ws->response_head, status);
    http1_response_header_str(&out, "x-amz-id-2", id2);
    http1_response_header_str(&out, "x-amz-request-id", x->request_id);
    http1_response_header_str(&out, "Date", server_loop_date(r->conn->loop));
    for (unsigned i = 0; i < header_count; i++)
        http1_response_header_str(&out, headers[i].name, headers[i].value);
    if (content_length != UINT64_MAX)
        http1_response_header_u64(&out, "Content-Length", content_length);
    http1_response_header_str(&out, "Server", SERVER_NAME);
    /* must_close stays the handler's, and the failures': a handler may look at it. */
    r->closes = !keeps_alive(r);
    if (r->closes)
        http1_response_header_str(&out, "Connection", "close");
    else if (r->ws->parser.head.minor_version == 0)
        http1_response_header_str(&out, "Connection", "keep-alive");
    struct bytes head;
    enum dol_err err = http1_response_end(&out, &head);
    if (err != DOL_OK) {
        log_error("http", "response head refused: %s status=%u id=%s", dol_err_text(err), status, x->request_id);
        return err;
    }

    x->response_begun = true;
    x->status = status;
    r->head_pending = head;
    bool has_body = content_length != UINT64_MAX && r->ws->parser.head.method != HTTP1_METHOD_HEAD;
    r->response_left = has_body ? content_length : 0;
    return r->response_left == 0 ? send_pending(r, NULL, 0) : DOL_OK;
}

static enum dol_err socket_write(struct exchange *x, const void *data, size_t len)
{
    struct request *r = request_of(x);
    dol_assert(x->response_begun);
    if (r->ws->parser.head.method == HTTP1_METHOD_HEAD)
        return r->send_failed ? DOL_EPEER : DOL_OK;
    /* A handler that says more than it announced is a bug of ours; the client sees a cut, not a longer body. */
    dol_assert(len <= r->response_left);
    enum dol_err err = send_pending(r, data, len);
    if (err != DOL_OK)
        return err;
    r->response_left -= len;
    x->bytes_out += len;
    return DOL_OK;
}

static const struct exchange_ops socket_ops = {
    .body_read = socket_body_read,
    .begin = socket_begin,
    .write = socket_write,
};

void request_reply_error(struct request *r, unsigned status, const char *code, const char *message)
{
    char body[ERROR_BODY_BYTES_MAX];
    struct xml_writer w;
    xml_writer_init(&w, body, sizeof body, NULL, NULL);
    xml_write_declaration(&w);
    xml_write_open(&w, "Error");
    xml_write_str(&w, "Code", code);
    xml_write_str(&w, "Message", message);
    xml_write_str(&w, "RequestId", r->x.request_id);
    xml_write_close(&w, "Error");
    enum dol_err err = xml_writer_finish(&w);
    dol_assert(err == DOL_OK);

    static const struct exchange_header headers[] = {{"Content-Type", "application/xml"},
                                                     {"Retry-After", EXCHANGE_RETRY_AFTER_S}};
    r->x.error_code = code;
    err = socket_begin(&r->x, status, headers, status == 503 ? 2 : 1, w.len);
    if (err == DOL_OK)
        err = socket_write(&r->x, body, w.len);
    if (err != DOL_OK)
        r->x.must_close = true;
}

/* ---- the request as a whole ---- */

void request_init(struct request *r, struct connection *c, struct workspace *ws)
{
    *r = (struct request){
        .x = {.magic = EXCHANGE_MAGIC,
              .ops = &socket_ops,
              .request = &ws->parser.head,
              .arena = &ws->arena,
              .peer = c->peer,
              .tls = c->tls != NULL},
        .conn = c,
        .ws = ws,
        .started_ns = clock_monotonic_ns(),
    };
    server_loop_request_id(c->loop, r->id);
    for (unsigned i = 0; i < REQUEST_ID_BYTES; i++)
        snprintf(r->x.request_id + 2 * i, 3, "%02X", r->id[i]);
}

bool request_finish(struct request *r)
{
    struct exchange *x = &r->x;
    if (!x->response_begun && !x->must_close) {
        log_error("http", "the handler gave no answer: id=%s", x->request_id);
        request_reply_error(r, 500, "InternalError", "We encountered an internal error. Please try again.");
    }
    if (x->response_begun && r->response_left > 0) {
        if (!r->send_failed)
            log_warn("http", "response cut: missing_bytes=%" PRIu64 " id=%s", r->response_left, x->request_id);
        x->must_close = true;
    }
    r->closes |= x->must_close;
    return !r->closes;
}
