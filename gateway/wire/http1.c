/* The states of a request on the wire: head, body by length or by chunks, trailer, done. */
#include "http1.h"
#include "http1_head.h"

unsigned http1_error_status(enum http1_error error)
{
    static const uint16_t status[] = {
#define HTTP1_ERROR_STATUS(name, code, text) code,
        HTTP1_ERROR_TABLE(HTTP1_ERROR_STATUS)
#undef HTTP1_ERROR_STATUS
    };
    return (unsigned)error < sizeof status / sizeof status[0] ? status[error] : 400;
}

const char *http1_error_text(enum http1_error error)
{
    static const char *const texts[] = {
#define HTTP1_ERROR_TEXT(name, code, text) text,
        HTTP1_ERROR_TABLE(HTTP1_ERROR_TEXT)
#undef HTTP1_ERROR_TEXT
    };
    return (unsigned)error < sizeof texts / sizeof texts[0] ? texts[error] : "unknown error";
}

void http1_init(struct http1_parser *p, char *buf, size_t buf_bytes)
{
    memset(p, 0, sizeof *p);
    p->buf = buf;
    p->buf_bytes = buf_bytes < HTTP1_HEAD_BYTES_MAX ? buf_bytes : HTTP1_HEAD_BYTES_MAX;
}

bool http1_is_idle(const struct http1_parser *p)
{
    return p->state == HTTP1_IDLE;
}

const struct bytes *http1_header(const struct http1_head *head, const char *name)
{
    const struct wire_header *h = wire_header_find(head->headers, head->header_count, name);
    return h != NULL ? &h->value : NULL;
}

static enum http1_event fail(struct http1_parser *p, enum http1_error error)
{
    p->state = HTTP1_FAILED;
    p->error = error;
    return HTTP1_EV_ERROR;
}

/* ---- head ---- */

static void begin_request(struct http1_parser *p)
{
    struct http1_head *h = &p->head;
    /* not the array of headers: it is large, and count says what is valid */
    memset(h, 0, offsetof(struct http1_head, headers));
    p->len = 0;
    p->line_start = 0;
    p->lines = 0;
    p->left_bytes = 0;
    p->body_bytes = 0;
    p->trailer_bytes = 0;
    p->trailers = 0;
    p->line_bytes = 0;
    p->in_value = false;
    p->last = 0;
}

static enum http1_event end_head(struct http1_parser *p)
{
    enum http1_error error = http1_head_finish(&p->head, p->buf, p->len);
    if (error != HTTP1_ERR_NONE)
        return fail(p, error);
    p->leading_crlf = 0;
    p->left_bytes = p->head.content_length;
    if (p->head.chunked)
        p->state = HTTP1_CHUNK_LINE;
    else
        p->state = p->left_bytes > 0 ? HTTP1_IN_BODY : HTTP1_DONE;
    return HTTP1_EV_HEAD;
}

/* A whole line lies at buf[line_start..len), its LF included. HTTP1_EV_MORE: go on. */
static enum http1_event end_line(struct http1_parser *p)
{
    char *line = p->buf + p->line_start;
    size_t len = p->len - p->line_start;
    if (len < 2 || line[len - 2] != '\r')
        return fail(p, HTTP1_ERR_LINE_ENDING);
    len -= 2;
    if (memchr(line, '\r', len) != NULL)
        return fail(p, HTTP1_ERR_LINE_ENDING);
    if (len == 0 && p->lines > 0)
        return end_head(p);
    if (len == 0) {
        if (++p->leading_crlf > HTTP1_LEADING_CRLF_MAX)
            return fail(p, HTTP1_ERR_REQUEST_LINE);
        p->state = HTTP1_IDLE;
        return HTTP1_EV_MORE;
    }
    enum http1_error error =
        p->lines == 0 ? http1_head_request_line(&p->head, line, len) : http1_head_header_line(&p->head, line, len);
    if (error != HTTP1_ERR_NONE)
        return fail(p, error);
    p->lines++;
    p->line_start = p->len;
    return HTTP1_EV_MORE;
}

/* Gathers one line, or what there is of it. HTTP1_EV_MORE: not the end of the head. */
static enum http1_event feed_line(struct http1_parser *p, const char *data, size_t len, size_t *consumed)
{
    const char *lf = memchr(data, '\n', len);
    size_t take = lf != NULL ? (size_t)(lf - data) + 1 : len;
    size_t room = p->buf_bytes - p->len;
    if (take > room)
        return fail(p, p->lines == 0 ? HTTP1_ERR_TARGET_TOO_LONG : HTTP1_ERR_HEAD_TOO_LARGE);
    memcpy(p->buf + p->len, data, take);
    p->len += take;
    *consumed += take;
    if (lf != NULL)
        return end_line(p);
    /* The method and the version add less than 32 bytes to the target. */
    if (p->lines == 0 && p->len > HTTP1_TARGET_BYTES_MAX + 32)
        return fail(p, HTTP1_ERR_TARGET_TOO_LONG);
    return HTTP1_EV_MORE;
}

static enum http1_event feed_head(struct http1_parser *p, const char *data, size_t len, size_t *consumed)
{
    size_t start = *consumed;
    while (*consumed - start < len) {
        const char *at = data + (*consumed - start);
        if (p->state == HTTP1_IDLE) {
            /* A TLS hello or other noise is refused at its first byte. */
            if ((*at < 'A' || *at > 'Z') && *at != '\r')
                return fail(p, *at == '\n' ? HTTP1_ERR_LINE_ENDING : HTTP1_ERR_REQUEST_LINE);
            begin_request(p);
            p->state = HTTP1_IN_HEAD;
        }
        enum http1_event ev = feed_line(p, at, len - (*consumed - start), consumed);
        if (ev != HTTP1_EV_MORE)
            return ev;
    }
    return HTTP1_EV_MORE;
}

/* ---- chunked bodies (RFC 9112 section 7.1) ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* line[0..line_bytes) with its LF. */
static enum http1_error end_chunk_line(struct http1_parser *p)
{
    size_t len = p->line_bytes;
    uint64_t size = 0;
    size_t i = 0;
    if (len < 2 || p->line[len - 2] != '\r')
        return HTTP1_ERR_CHUNK;
    len -= 2;
    for (; i < len && hex_value(p->line[i]) >= 0; i++) {
        if (i == 16)
            return HTTP1_ERR_CHUNK;
        size = size << 4 | (uint64_t)hex_value(p->line[i]);
    }
    if (i == 0 || (i < len && p->line[i] != ';'))
        return HTTP1_ERR_CHUNK;
    for (; i < len; i++)
        if (!http1_is_value_char((unsigned char)p->line[i]))
            return HTTP1_ERR_CHUNK;
    if (size > HTTP1_BODY_BYTES_MAX - p->body_bytes)
        return HTTP1_ERR_BODY_TOO_LARGE;
    p->body_bytes += size;
    p->left_bytes = size;
    p->line_bytes = 0;
    p->state = size > 0 ? HTTP1_CHUNK_DATA : HTTP1_IN_TRAILER;
    return HTTP1_ERR_NONE;
}

static enum http1_error feed_chunk_line(struct http1_parser *p, const char *data, size_t len, size_t *consumed)
{
    const char *lf = memchr(data, '\n', len);
    size_t take = lf != NULL ? (size_t)(lf - data) + 1 : len;
    if (take > sizeof p->line - p->line_bytes)
        return HTTP1_ERR_CHUNK_LINE_TOO_LONG;
    memcpy(p->line + p->line_bytes, data, take);
    p->line_bytes += take;
    *consumed += take;
    return lf != NULL ? end_chunk_line(p) : HTTP1_ERR_NONE;
}

/* The CR LF after a chunk's data; line_bytes counts what has been seen of it. */
static enum http1_error feed_data_end(struct http1_parser *p, const char *data, size_t len, size_t *consumed)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != "\r\n"[p->line_bytes])
            return HTTP1_ERR_CHUNK;
        ++*consumed;
        if (++p->line_bytes == 2) {
            p->line_bytes = 0;
            p->state = HTTP1_CHUNK_LINE;
            return HTTP1_ERR_NONE;
        }
    }
    return HTTP1_ERR_NONE;
}

static enum http1_error trailer_byte(struct http1_parser *p, char c)
{
    if (++p->trailer_bytes > HTTP1_TRAILER_BYTES_MAX)
        return HTTP1_ERR_TRAILER_TOO_LARGE;
    if ((p->last == '\r') != (c == '\n'))
        return HTTP1_ERR_TRAILER;
    if (c == '\n') {
        if (p->line_bytes == 0) {
            p->state = HTTP1_DONE;
        } else {
            if (!p->in_value)
                return HTTP1_ERR_TRAILER;
            if (++p->trailers > HTTP1_TRAILERS_MAX)
                return HTTP1_ERR_TRAILER_TOO_LARGE;
        }
        p->line_bytes = 0;
        p->in_value = false;
    } else if (c != '\r') {
        if (!p->in_value && c == ':' && p->line_bytes > 0)
            p->in_value = true;
        else if (p->in_value ? !http1_is_value_char((unsigned char)c) : !http1_is_token_char((unsigned char)c))
            return HTTP1_ERR_TRAILER;
        p->line_bytes++;
    }
    p->last = c;
    return HTTP1_ERR_NONE;
}

/* Checked and dropped: nothing of S3 comes in HTTP's own trailers. */
static enum http1_error feed_trailer(struct http1_parser *p, const char *data, size_t len, size_t *consumed)
{
    for (size_t i = 0; i < len && p->state == HTTP1_IN_TRAILER; i++) {
        enum http1_error error = trailer_byte(p, data[i]);
        if (error != HTTP1_ERR_NONE)
            return error;
        ++*consumed;
    }
    return HTTP1_ERR_NONE;
}

static enum http1_event feed_body(struct http1_parser *p, const char *data, size_t len, size_t *consumed,
                                  struct bytes *body)
{
    size_t take = len < p->left_bytes ? len : (size_t)p->left_bytes;
    *body = bytes_of(data, take);
    *consumed += take;
    p->left_bytes -= take;
    if (p->left_bytes == 0)
        p->state = p->state == HTTP1_IN_BODY ? HTTP1_DONE : HTTP1_CHUNK_DATA_END;
    return HTTP1_EV_BODY;
}

enum http1_event http1_feed(struct http1_parser *p, const void *data, size_t len, size_t *consumed, struct bytes *body)
{
    const char *bytes = data;
    *consumed = 0;
    for (;;) {
        enum http1_error error = HTTP1_ERR_NONE;
        size_t left = len - *consumed;
        if (p->state == HTTP1_FAILED)
            return HTTP1_EV_ERROR;
        if (p->state == HTTP1_DONE) {
            p->state = HTTP1_IDLE;
            return HTTP1_EV_END;
        }
        if (left == 0)
            return HTTP1_EV_MORE;
        const char *at = bytes + *consumed;
        switch (p->state) {
        case HTTP1_IDLE:
        case HTTP1_IN_HEAD:
            return feed_head(p, at, left, consumed);
        case HTTP1_IN_BODY:
        case HTTP1_CHUNK_DATA:
            return feed_body(p, at, left, consumed, body);
        case HTTP1_CHUNK_LINE:
            error = feed_chunk_line(p, at, left, consumed);
            break;
        case HTTP1_CHUNK_DATA_END:
            error = feed_data_end(p, at, left, consumed);
            break;
        case HTTP1_IN_TRAILER:
            error = feed_trailer(p, at, left, consumed);
            break;
        case HTTP1_DONE:
        case HTTP1_FAILED:
            break;
        }
        if (error != HTTP1_ERR_NONE)
            return fail(p, error);
    }
}
