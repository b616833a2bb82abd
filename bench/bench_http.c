/* Sends head and body, reads head and body; whatever is odd closes the connection, and the next request opens another.
 */
#include "bench_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Small bodies travel in the same send as the head. */
#define FIRST_SEND_MAX (256u << 10)

bool bench_http_init(struct bench_http *h, const struct bench_options *options)
{
    *h = (struct bench_http){.options = options, .fd = -1};
    bench_signer_init(&h->signer, options);
    h->piece = malloc(BENCH_PIECE_BYTES);
    h->expected = malloc(BENCH_PIECE_BYTES);
    return h->piece != NULL && h->expected != NULL;
}

static void disconnect(struct bench_http *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
}

void bench_http_fini(struct bench_http *h)
{
    disconnect(h);
    free(h->piece);
    free(h->expected);
}

bool bench_http_connect(struct bench_http *h)
{
    if (h->fd >= 0)
        return true;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(h->options->port)};
    if (inet_pton(AF_INET, h->options->host, &addr.sin_addr) != 1)
        return false;
    h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (h->fd < 0)
        return false;
    const struct timeval limit = {.tv_sec = BENCH_IO_TIMEOUT_S};
    const int on = 1;
    setsockopt(h->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(h->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(h->fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        disconnect(h);
        return false;
    }
    return true;
}

static bool send_all(struct bench_http *h, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = send(h->fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* 0: closed, failed or timed out. */
static size_t receive_some(struct bench_http *h, void *buf, size_t len)
{
    for (;;) {
        ssize_t n = recv(h->fd, buf, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        return n <= 0 ? 0 : (size_t)n;
    }
}

static bool send_request(struct bench_http *h, const char *method, const char *path, const struct bench_content *body)
{
    char payload_hash[65] = "UNSIGNED-PAYLOAD";
    if (body == NULL)
        memcpy(payload_hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 65);
    else if (h->options->sign_payload)
        bench_content_sha256(body, payload_hash);

    char *out = (char *)h->piece;
    int begin = snprintf(out, BENCH_PIECE_BYTES, "%s %s HTTP/1.1\r\n", method, path);
    size_t at = (size_t)begin;
    size_t signed_len = bench_sign(&h->signer, method, path, payload_hash, out + at, BENCH_PIECE_BYTES - at);
    if (signed_len == 0)
        return false;
    at += signed_len;
    uint64_t size = body != NULL ? body->size : 0;
    at += (size_t)snprintf(out + at, BENCH_PIECE_BYTES - at, "Content-Length: %llu\r\n\r\n", (unsigned long long)size);
    if (size == 0)
        return send_all(h, out, at);
    size_t first = size < FIRST_SEND_MAX ? (size_t)size : FIRST_SEND_MAX;
    bench_content_fill(body, 0, h->piece + at, first);
    if (!send_all(h, out, at + first))
        return false;
    for (uint64_t done = first; done < size;) {
        size_t len = size - done < BENCH_PIECE_BYTES ? (size_t)(size - done) : BENCH_PIECE_BYTES;
        bench_content_fill(body, done, h->piece, len);
        if (!send_all(h, h->piece, len))
            return false;
        done += len;
    }
    return true;
}

static const char *header_value(const struct bench_http *h, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *line = strstr(h->head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, name_len) == 0 && line[2 + name_len] == ':')
            return line + 2 + name_len + 1 + strspn(line + 2 + name_len + 1, " ");
    }
    return NULL;
}

static bool read_head(struct bench_http *h, struct bench_response *response, uint64_t *body_len)
{
    h->read_len = 0;
    char *end = NULL;
    while (end == NULL) {
        size_t n = receive_some(h, h->head + h->read_len, BENCH_HEAD_MAX - h->read_len);
        if (n == 0)
            return false;
        h->read_len += n;
        h->head[h->read_len] = '\0';
        end = strstr(h->head, "\r\n\r\n");
    }
    h->head_len = (size_t)(end + 4 - h->head);
    if (strncmp(h->head, "HTTP/1.1 ", 9) != 0)
        return false;
    response->status = (unsigned)strtoul(h->head + 9, NULL, 10);
    /* the headers' search must not run into the body */
    end[2] = '\0';
    const char *length = header_value(h, "content-length");
    *body_len = length != NULL ? strtoull(length, NULL, 10) : 0;
    return length != NULL || response->status == 204 || response->status == 304;
}

static void note_error_code(struct bench_response *response, const uint8_t *body, size_t len)
{
    char text[1024];
    size_t n = len < sizeof text - 1 ? len : sizeof text - 1;
    memcpy(text, body, n);
    text[n] = '\0';
    const char *code = strstr(text, "<Code>");
    const char *end = code != NULL ? strstr(code, "</Code>") : NULL;
    if (end != NULL)
        snprintf(response->error_code, sizeof response->error_code, "%.*s", (int)(end - code - 6), code + 6);
}

/* Fills piece up to len from what came with the head, then from the socket. */
static bool read_piece(struct bench_http *h, size_t *head_at, size_t len)
{
    size_t have = h->read_len - *head_at < len ? h->read_len - *head_at : len;
    memcpy(h->piece, h->head + *head_at, have);
    *head_at += have;
    while (have < len) {
        size_t n = receive_some(h, h->piece + have, len - have);
        if (n == 0)
            return false;
        have += n;
    }
    return true;
}

static enum bench_outcome read_body(struct bench_http *h, uint64_t body_len, const struct bench_content *expected,
                                    struct bench_response *response)
{
    bool same = expected == NULL || expected->size == body_len;
    size_t head_at = h->head_len;
    for (uint64_t at = 0; at < body_len; at += BENCH_PIECE_BYTES) {
        size_t len = body_len - at < BENCH_PIECE_BYTES ? (size_t)(body_len - at) : BENCH_PIECE_BYTES;
        if (!read_piece(h, &head_at, len))
            return BENCH_LOST;
        if (at == 0 && response->status >= 400)
            note_error_code(response, h->piece, len);
        if (expected != NULL && same) {
            bench_content_fill(expected, at, h->expected, len);
            same = memcmp(h->expected, h->piece, len) == 0;
        }
    }
    /* more than the body: the next response would be misread */
    if (head_at != h->read_len)
        return BENCH_LOST;
    return same ? BENCH_ANSWERED : BENCH_MISMATCH;
}

enum bench_outcome bench_http_request(struct bench_http *h, const char *method, const char *path,
                                      const struct bench_content *body, const struct bench_content *expected,
                                      struct bench_response *response)
{
    *response = (struct bench_response){.status = 0};
    /* a server may refuse a body early and answer: when sending fails, look for the answer */
    if (!bench_http_connect(h))
        return BENCH_LOST;
    bool sent = send_request(h, method, path, body);
    if (!read_head(h, response, &response->body_len)) {
        disconnect(h);
        return BENCH_LOST;
    }
    bool closes = header_value(h, "connection") != NULL && strncasecmp(header_value(h, "connection"), "close", 5) == 0;
    enum bench_outcome outcome = read_body(h, response->body_len, response->status == 200 ? expected : NULL, response);
    if (outcome == BENCH_LOST || closes || !sent)
        disconnect(h);
    return outcome;
}
