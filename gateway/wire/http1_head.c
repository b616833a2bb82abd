/*
 * The request head. The line reader below is stricter than RFC 9112 demands, on purpose: what two implementations
 * could read differently is refused, so that no proxy in front can be made to see other requests than we do.
 *   refused: folded lines, blanks before the colon, several Content-Length (even equal ones), Content-Length together
 * with Transfer-Encoding, any transfer coding but exactly "chunked", several Host, control characters, HTTP/0.9 and 2.
 */
#include "http1_head.h"
#include <llhttp.h>

#define T (HTTP1_TOKEN | HTTP1_VALUE)
#define V HTTP1_VALUE
/* clang-format off */
const uint8_t http1_char_class[256] = {
    ['\t'] = V, [' '] = V, ['!'] = T, ['"'] = V, ['#' ... '\''] = T, ['('] = V, [')'] = V, ['*'] = T, ['+'] = T,
    [','] = V, ['-'] = T, ['.'] = T, ['/'] = V, ['0' ... '9'] = T, [':' ... '@'] = V, ['A' ... 'Z'] = T,
    ['[' ... ']'] = V, ['^'] = T, ['_'] = T, ['`'] = T, ['a' ... 'z'] = T, ['{'] = V, ['|'] = T, ['}'] = V,
    ['~'] = T, [0x80 ... 0xff] = V,
};
/* clang-format on */
#undef T
#undef V

static unsigned char to_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

static bool equal_nocase(struct bytes b, const char *lower)
{
    const unsigned char *s = b.data;
    size_t len = strlen(lower);
    if (b.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (to_lower(s[i]) != (unsigned char)lower[i])
            return false;
    return true;
}

/* ---- request line ---- */

static const struct {
    const char *name;
    enum http1_method method;
    uint8_t llhttp;
} methods[] = {
    {"GET", HTTP1_METHOD_GET, HTTP_GET},          {"HEAD", HTTP1_METHOD_HEAD, HTTP_HEAD},
    {"PUT", HTTP1_METHOD_PUT, HTTP_PUT},          {"POST", HTTP1_METHOD_POST, HTTP_POST},
    {"DELETE", HTTP1_METHOD_DELETE, HTTP_DELETE}, {"OPTIONS", HTTP1_METHOD_OPTIONS, HTTP_OPTIONS},
};

static enum http1_error parse_version(struct http1_head *head, const char *text, size_t len)
{
    if (len != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
        text[7] < '0' || text[7] > '9')
        return HTTP1_ERR_REQUEST_LINE;
    if (text[5] != '1' || text[7] > '1')
        return HTTP1_ERR_VERSION;
    head->minor_version = (unsigned)(text[7] - '0');
    return HTTP1_ERR_NONE;
}

enum http1_error http1_head_request_line(struct http1_head *head, char *line, size_t len)
{
    const char *end = line + len;
    const char *sp = memchr(line, ' ', len);
    if (sp == NULL || sp == line)
        return HTTP1_ERR_REQUEST_LINE;
    head->method_name = bytes_of(line, (size_t)(sp - line));
    for (const char *c = line; c < sp; c++)
        if (!http1_is_token_char((unsigned char)*c))
            return HTTP1_ERR_REQUEST_LINE;

    const char *target = sp + 1;
    const char *target_end = memchr(target, ' ', (size_t)(end - target));
    if (target_end == NULL) /* HTTP/0.9 */
        return HTTP1_ERR_VERSION;
    head->target = bytes_of(target, (size_t)(target_end - target));
    if (head->target.len > HTTP1_TARGET_BYTES_MAX)
        return HTTP1_ERR_TARGET_TOO_LONG;
    if (head->target.len == 0)
        return HTTP1_ERR_REQUEST_LINE;
    for (const char *c = target; c < target_end; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || *c == '#')
            return HTTP1_ERR_TARGET;

    enum http1_error error = parse_version(head, target_end + 1, (size_t)(end - target_end - 1));
    if (error != HTTP1_ERR_NONE)
        return error;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (bytes_equal_str(head->method_name, methods[i].name)) {
            head->method = methods[i].method;
            return HTTP1_ERR_NONE;
        }
    }
    return HTTP1_ERR_METHOD;
}

/* ---- header lines ---- */

enum http1_error http1_head_header_line(struct http1_head *head, char *line, size_t len)
{
    size_t i = 0;
    if (len > 0 && (line[0] == ' ' || line[0] == '\t'))
        return HTTP1_ERR_OBS_FOLD;
    if (head->header_count == HTTP1_HEADERS_MAX)
        return HTTP1_ERR_TOO_MANY_HEADERS;
    for (; i < len && line[i] != ':'; i++) {
        if (!http1_is_token_char((unsigned char)line[i]))
            return HTTP1_ERR_HEADER_NAME;
        line[i] = (char)to_lower((unsigned char)line[i]);
    }
    if (i == 0 || i == len)
        return HTTP1_ERR_HEADER_NAME;

    size_t from = i + 1, to = len;
    while (from < to && (line[from] == ' ' || line[from] == '\t'))
        from++;
    while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
        to--;
    for (size_t j = from; j < to; j++)
        if (!http1_is_value_char((unsigned char)line[j]))
            return HTTP1_ERR_HEADER_VALUE;
    struct wire_header *h = &head->headers[head->header_count++];
    h->name = bytes_of(line, i);
    h->value = bytes_of(line + from, to - from);
    return HTTP1_ERR_NONE;
}

/* ---- what the headers say about the message ---- */

struct framing {
    unsigned hosts;
    unsigned content_lengths;
    unsigned transfer_encodings;
    bool close;
    bool keep_alive;
};

/*
 * Nothing may follow what frames the message, not even blanks: llhttp 8 reads "chunked" or a length with a tab after it
 * otherwise than RFC 9110 does.
 */
static bool ends_its_line(struct bytes value)
{
    const char *after = (const char *)value.data + value.len; /* within the line, which ends in CR LF */
    return *after == '\r';
}

static enum http1_error take_content_length(struct http1_head *head, struct bytes value)
{
    const char *s = value.data;
    uint64_t n = 0;
    if (value.len == 0 || !ends_its_line(value))
        return HTTP1_ERR_CONTENT_LENGTH;
    for (size_t i = 0; i < value.len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return HTTP1_ERR_CONTENT_LENGTH;
        if (n > (UINT64_MAX - 9) / 10)
            return HTTP1_ERR_CONTENT_LENGTH;
        n = n * 10 + (uint64_t)(s[i] - '0');
    }
    if (n > HTTP1_BODY_BYTES_MAX)
        return HTTP1_ERR_BODY_TOO_LARGE;
    head->content_length = n;
    head->has_content_length = true;
    return HTTP1_ERR_NONE;
}

static void take_connection(struct framing *f, struct bytes value)
{
    const char *s = value.data, *end = s + value.len;
    while (s < end) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *stop = comma != NULL ? comma : end;
        const char *from = s, *to = stop;
        while (from < to && (*from == ' ' || *from == '\t'))
            from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        struct bytes token = bytes_of(from, (size_t)(to - from));
        f->close |= equal_nocase(token, "close");
        f->keep_alive |= equal_nocase(token, "keep-alive");
        s = comma != NULL ? comma + 1 : end;
    }
}

static bool host_is_well_formed(struct bytes host)
{
    const unsigned char *s = host.data;
    for (size_t i = 0; i < host.len; i++) {
        bool letter = (s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z';
        bool digit = s[i] >= '0' && s[i] <= '9';
        if (!letter && !digit && (s[i] == 0 || strchr(".-_:[]", s[i]) == NULL))
            return false;
    }
    return host.len > 0;
}

static enum http1_error take_header(struct http1_head *head, const struct wire_header *h, struct framing *f)
{
    switch (h->name.len) {
    case 4:
        if (bytes_equal_str(h->name, "host")) {
            head->host = h->value;
            f->hosts++;
        }
        break;
    case 6:
        if (bytes_equal_str(h->name, "expect") && head->minor_version == 1) {
            if (!equal_nocase(h->value, "100-continue"))
                return HTTP1_ERR_EXPECTATION;
            head->expect_continue = true;
        }
        break;
    case 10:
        if (bytes_equal_str(h->name, "connection"))
            take_connection(f, h->value);
        break;
    case 14:
        if (bytes_equal_str(h->name, "content-length")) {
            f->content_lengths++;
            return take_content_length(head, h->value);
        }
        break;
    case 17:
        if (bytes_equal_str(h->name, "transfer-encoding")) {
            f->transfer_encodings++;
            if (!equal_nocase(h->value, "chunked") || !ends_its_line(h->value))
                return HTTP1_ERR_TRANSFER_ENCODING;
            head->chunked = true;
        }
        break;
    default:
        break;
    }
    return HTTP1_ERR_NONE;
}

/* Absolute form (RFC 9112 section 3.2.2): its authority must be what Host says; what is left is origin form. */
static enum http1_error reduce_target(struct http1_head *head)
{
    const char *s = head->target.data;
    size_t len = head->target.len;
    if (s[0] == '/')
        return HTTP1_ERR_NONE;
    if (len == 1 && s[0] == '*')
        return head->method == HTTP1_METHOD_OPTIONS ? HTTP1_ERR_NONE : HTTP1_ERR_TARGET;
    size_t skip = 0;
    if (len > 7 && equal_nocase(bytes_of(s, 7), "http://"))
        skip = 7;
    else if (len > 8 && equal_nocase(bytes_of(s, 8), "https://"))
        skip = 8;
    else
        return HTTP1_ERR_TARGET;
    const char *authority = s + skip;
    const char *path = memchr(authority, '/', len - skip);
    if (path == NULL)
        return HTTP1_ERR_TARGET;
    size_t authority_len = (size_t)(path - authority);
    const unsigned char *host = head->host.data;
    if (authority_len != head->host.len || authority_len == 0)
        return HTTP1_ERR_HOST;
    for (size_t i = 0; i < authority_len; i++)
        if (to_lower((unsigned char)authority[i]) != to_lower(host[i]))
            return HTTP1_ERR_HOST;
    head->target = bytes_of(path, len - skip - authority_len);
    return HTTP1_ERR_NONE;
}

/* ---- the second reader ---- */

struct second {
    const struct http1_head *head;
    struct bytes target;
    unsigned names;
    bool agrees;
    bool complete;
};

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct second *s = parser->data;
    s->agrees &= at == s->target.data && len == s->target.len;
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct second *s = parser->data;
    if (s->names == s->head->header_count) {
        s->agrees = false;
        return 0;
    }
    const struct wire_header *h = &s->head->headers[s->names++];
    s->agrees &= at == h->name.data && len == h->name.len;
    return 0;
}

/* llhttp leaves blanks at the end of a value in place. */
static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct second *s = parser->data;
    if (s->names == 0) {
        s->agrees = false;
        return 0;
    }
    const struct wire_header *h = &s->head->headers[s->names - 1];
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    s->agrees &= len == h->value.len && (len == 0 || at == h->value.data);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct second *s = parser->data;
    s->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t second_settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

static enum http1_error compare_readers(const struct http1_head *head, struct bytes target, const char *raw,
                                        size_t raw_len)
{
    struct second s = {.head = head, .target = target, .agrees = true};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &second_settings);
    parser.data = &s;
    if (llhttp_execute(&parser, raw, raw_len) != HPE_PAUSED || !s.complete || !s.agrees ||
        s.names != head->header_count)
        return HTTP1_ERR_AMBIGUOUS;
    bool chunked = (parser.flags & F_CHUNKED) != 0;
    uint64_t content_length = (parser.flags & F_CONTENT_LENGTH) != 0 ? parser.content_length : 0;
    uint8_t method = 0;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].method == head->method)
            method = methods[i].llhttp;
    if (parser.method != method || parser.http_major != 1 || parser.http_minor != head->minor_version ||
        chunked != head->chunked || content_length != head->content_length)
        return HTTP1_ERR_AMBIGUOUS;
    return HTTP1_ERR_NONE;
}

enum http1_error http1_head_finish(struct http1_head *head, const char *raw, size_t raw_len)
{
    struct framing f = {0};
    enum http1_error error = HTTP1_ERR_NONE;
    for (unsigned i = 0; i < head->header_count; i++) {
        error = take_header(head, &head->headers[i], &f);
        if (error != HTTP1_ERR_NONE)
            return error;
    }
    if (f.content_lengths > 1)
        return HTTP1_ERR_CONTENT_LENGTH;
    if (f.transfer_encodings > 1 || (f.transfer_encodings == 1 && (f.content_lengths == 1 || head->minor_version == 0)))
        return HTTP1_ERR_FRAMING;
    if (f.hosts > 1 || (f.hosts == 0 && head->minor_version == 1))
        return HTTP1_ERR_HOST;
    if (f.hosts == 1 && !host_is_well_formed(head->host))
        return HTTP1_ERR_HOST;
    head->keep_alive = !f.close && (head->minor_version == 1 || f.keep_alive);

    struct bytes sent_target = head->target;
    error = reduce_target(head);
    if (error != HTTP1_ERR_NONE)
        return error;
    return compare_readers(head, sent_target, raw, raw_len);
}
