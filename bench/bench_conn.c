/*
 * epoll is edge-triggered and registered once a connection, so each request costs a send, its share of an epoll_wait
 * and a receive. A short receive or send means that there is no more for now (epoll(7)).
 */
#include "bench_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

bool bench_io_init(struct bench_io *io, const struct bench_options *options, struct bench_tls *tls)
{
    *io = (struct bench_io){
        .options = options,
        .tls = tls,
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .now_ns = 0,
        .scratch = malloc(BENCH_SCRATCH_BYTES),
        .stage = malloc(BENCH_STAGE_BYTES),
    };
    if (io->epoll_fd >= 0 && io->scratch != NULL && io->stage != NULL)
        return true;
    fputs("dolmen-bench: out of memory or descriptors\n", stderr);
    bench_io_fini(io);
    return false;
}

void bench_io_fini(struct bench_io *io)
{
    if (io->epoll_fd >= 0)
        close(io->epoll_fd);
    free(io->scratch);
    free(io->stage);
    *io = (struct bench_io){.epoll_fd = -1};
}

bool bench_conn_init(struct bench_conn *c, void *owner)
{
    *c = (struct bench_conn){
        .fd = -1,
        .owner = owner,
        .head_out = malloc(BENCH_REQUEST_HEAD_MAX),
        .head_in = malloc(BENCH_HEAD_MAX + 1),
    };
    return c->head_out != NULL && c->head_in != NULL;
}

void bench_conn_close(struct bench_conn *c)
{
    bench_tls_link_free(c->link);
    c->link = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->state = BENCH_CONN_CLOSED;
}

void bench_conn_fini(struct bench_conn *c)
{
    bench_conn_close(c);
    free(c->head_out);
    free(c->head_in);
    c->head_out = NULL;
    c->head_in = NULL;
}

static enum bench_progress lost(struct bench_conn *c)
{
    bench_conn_close(c);
    return BENCH_LOST;
}

/* ---- opening ---- */

static bool start_connecting(struct bench_io *io, struct bench_conn *c, uint32_t source_ip)
{
    const int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(io->options->port)};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source_ip)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c->owner};
    if (inet_pton(AF_INET, io->options->host, &to.sin_addr) != 1)
        return false;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (source_ip != 0) {
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0)
            return false;
    }
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        return false;
    return epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

bool bench_conn_open(struct bench_io *io, struct bench_conn *c, uint32_t source_ip)
{
    c->deadline_ns = io->now_ns + BENCH_IO_TIMEOUT_NS;
    if (!start_connecting(io, c, source_ip)) {
        bench_conn_close(c);
        return false;
    }
    c->state = BENCH_CONN_CONNECTING;
    return true;
}

static enum bench_progress shake_hands(struct bench_conn *c)
{
    switch (bench_tls_connect(c->link)) {
    case BENCH_TLS_DONE:
        c->state = BENCH_CONN_READY;
        return BENCH_OPENED;
    case BENCH_TLS_AGAIN:
        return BENCH_WAITS;
    default:
        return lost(c);
    }
}

static enum bench_progress finish_connecting(struct bench_io *io, struct bench_conn *c, uint32_t events)
{
    int error = 0;
    socklen_t len = sizeof error;
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
        return BENCH_WAITS;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
        return lost(c);
    if (io->tls == NULL) {
        c->state = BENCH_CONN_READY;
        return BENCH_OPENED;
    }
    c->link = bench_tls_link_new(io->tls, c->fd);
    if (c->link == NULL)
        return lost(c);
    c->state = BENCH_CONN_HANDSHAKE;
    return shake_hands(c);
}

/* ---- sending ---- */

void bench_conn_begin(struct bench_io *io, struct bench_conn *c, enum bench_verb verb, size_t head_len,
                      const struct bench_content *body, const struct bench_content *expected)
{
    c->state = BENCH_CONN_BUSY;
    c->deadline_ns = io->now_ns + BENCH_IO_TIMEOUT_NS;
    c->verb = verb;
    c->head_out_len = head_len;
    c->body = body;
    c->sent = 0;
    c->to_send = head_len + (body != NULL ? body->size : 0);
    c->send_failed = false;
    c->expected = expected;
    c->head_in_len = 0;
    c->has_head = false;
    c->differs = false;
    c->body_at = 0;
    c->response = (struct bench_response){.status = 0};
}

/* What is to be sent next, as pieces. */
static void collect(const struct bench_conn *c, struct bench_pieces *p)
{
    p->count = 0;
    p->bytes = 0;
    uint64_t at = c->sent;
    if (at < c->head_out_len) {
        p->bytes = c->head_out_len - (size_t)at;
        p->iov[p->count++] = (struct iovec){.iov_base = c->head_out + at, .iov_len = p->bytes};
        at = c->head_out_len;
    }
    if (at < c->to_send)
        bench_content_pieces(c->body, at - c->head_out_len, c->to_send - at, p);
}

/* A small object is sent from one buffer, so that TLS makes few records of it. Returns its length. */
static size_t stage(struct bench_io *io)
{
    size_t len = 0;
    for (unsigned i = 0; i < io->pieces.count && len < BENCH_STAGE_BYTES; i++) {
        size_t n = io->pieces.iov[i].iov_len;
        if (n > BENCH_STAGE_BYTES - len)
            n = BENCH_STAGE_BYTES - len;
        memcpy(io->stage + len, io->pieces.iov[i].iov_base, n);
        len += n;
    }
    return len;
}

/* Bytes sent; 0: none for now; -1: the connection takes no more. *len: what was offered. */
static ssize_t send_pieces(struct bench_io *io, struct bench_conn *c, size_t *len)
{
    if (c->link != NULL) {
        *len = stage(io);
        return bench_tls_write(c->link, io->stage, *len);
    }
    struct msghdr message = {.msg_iov = io->pieces.iov, .msg_iovlen = io->pieces.count};
    ssize_t n;
    *len = io->pieces.bytes;
    do {
        n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

/* A server may refuse a body early and answer: when sending fails, the answer is still looked for. */
static void send_some(struct bench_io *io, struct bench_conn *c)
{
    while (c->sent < c->to_send && !c->send_failed) {
        size_t len = 0;
        collect(c, &io->pieces);
        ssize_t n = send_pieces(io, c, &len);
        if (n < 0)
            c->send_failed = true;
        if (n <= 0)
            return;
        c->sent += (uint64_t)n;
        c->deadline_ns = io->now_ns + BENCH_IO_TIMEOUT_NS;
        if (c->link == NULL && (size_t)n < len)
            return;
    }
}

/* ---- receiving ---- */

enum received { RECEIVED_SOME, RECEIVED_NONE, RECEIVED_END };

static enum received receive(struct bench_conn *c, void *buf, size_t len, int flags, size_t *got)
{
    if (c->link != NULL) {
        ssize_t n = bench_tls_read(c->link, buf, len);
        *got = n > 0 ? (size_t)n : 0;
        return n > 0 ? RECEIVED_SOME : n == 0 ? RECEIVED_NONE : RECEIVED_END;
    }
    ssize_t n;
    do {
        n = recv(c->fd, buf, len, flags);
    } while (n < 0 && errno == EINTR);
    *got = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return RECEIVED_SOME;
    return n < 0 && errno == EAGAIN ? RECEIVED_NONE : RECEIVED_END;
}

/* data: the next bytes of the body. */
static void look_at(struct bench_conn *c, const uint8_t *data, size_t len)
{
    if (c->response.status >= 400 && c->body_at == 0)
        bench_http_note_error(&c->response, data, len);
    if (c->expected != NULL && !c->differs)
        c->differs = !bench_content_equals(c->expected, c->body_at, data, len);
}

/* The head, and what of the body came with it. false: not what HTTP allows. */
static bool take_head(struct bench_conn *c)
{
    size_t head_len = 0;
    switch (bench_http_parse(c->head_in, c->head_in_len, c->verb, &c->response, &head_len)) {
    case BENCH_HEAD_PARTIAL:
        return c->head_in_len < BENCH_HEAD_MAX;
    case BENCH_HEAD_BAD:
        return false;
    case BENCH_HEAD_WHOLE:
        break;
    }
    size_t more = c->head_in_len - head_len;
    /* more than the body: the next response would be misread */
    if (more > c->response.body_len)
        return false;
    c->has_head = true;
    if (c->response.status != 200)
        c->expected = NULL;
    if (c->expected != NULL)
        c->differs = c->expected->size != c->response.body_len;
    look_at(c, (const uint8_t *)c->head_in + head_len, more);
    c->body_at = more;
    return true;
}

static bool is_answered(const struct bench_conn *c)
{
    return c->has_head && c->body_at == c->response.body_len;
}

static enum received receive_some(struct bench_io *io, struct bench_conn *c, size_t *asked, size_t *got)
{
    if (!c->has_head) {
        *asked = BENCH_HEAD_MAX - c->head_in_len;
        return receive(c, c->head_in + c->head_in_len, *asked, 0, got);
    }
    uint64_t left = c->response.body_len - c->body_at;
    bool is_looked_at = c->expected != NULL || c->response.status >= 400;
    *asked = left < BENCH_SCRATCH_BYTES ? (size_t)left : BENCH_SCRATCH_BYTES;
    return receive(c, io->scratch, *asked, is_looked_at ? 0 : MSG_TRUNC, got);
}

static enum bench_progress finish(struct bench_conn *c)
{
    c->state = BENCH_CONN_READY;
    if (c->response.closing == BENCH_CLOSE || c->sent < c->to_send)
        bench_conn_close(c);
    return c->differs ? BENCH_MISMATCH : BENCH_ANSWERED;
}

static enum bench_progress receive_all(struct bench_io *io, struct bench_conn *c)
{
    for (;;) {
        size_t asked = 0;
        size_t got = 0;
        enum received r = receive_some(io, c, &asked, &got);
        if (r == RECEIVED_END)
            return lost(c);
        if (r == RECEIVED_NONE)
            return BENCH_WAITS;
        c->deadline_ns = io->now_ns + BENCH_IO_TIMEOUT_NS;
        if (c->has_head) {
            if (c->expected != NULL || c->response.status >= 400)
                look_at(c, io->scratch, got);
            c->body_at += got;
        } else {
            c->head_in_len += got;
            if (!take_head(c))
                return lost(c);
        }
        if (is_answered(c))
            return finish(c);
        if (c->link == NULL && got < asked)
            return BENCH_WAITS;
    }
}

enum bench_progress bench_conn_step(struct bench_io *io, struct bench_conn *c, uint32_t events)
{
    switch (c->state) {
    case BENCH_CONN_CONNECTING:
        return finish_connecting(io, c, events);
    case BENCH_CONN_HANDSHAKE:
        return shake_hands(c);
    case BENCH_CONN_BUSY:
        send_some(io, c);
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            return receive_all(io, c);
        return BENCH_WAITS;
    case BENCH_CONN_READY:
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            bench_conn_close(c);
            return BENCH_ENDED;
        }
        return BENCH_WAITS;
    case BENCH_CONN_CLOSED:
        break;
    }
    return BENCH_WAITS;
}
