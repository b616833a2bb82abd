/* Response heads. */
#include "http1_response.h"
#include "http1_head.h"

const char *http1_reason(unsigned status)
{
    static const struct {
        uint16_t status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

static void put(struct http1_response *r, const void *data, size_t len)
{
    if (r->err != DOL_OK)
        return;
    if (len > r->buf_bytes - r->len) {
        r->err = DOL_ETOOLARGE;
        return;
    }
    if (len > 0)
        memcpy(r->buf + r->len, data, len);
    r->len += len;
}

static void put_name(struct http1_response *r, const void *data, size_t len)
{
    const unsigned char *s = data;
    for (size_t i = 0; i < len; i++)
        if (!http1_is_token_char(s[i]) && r->err == DOL_OK)
            r->err = DOL_EINVAL;
    put(r, data, len);
}

static void put_value(struct http1_response *r, struct bytes value)
{
    const unsigned char *s = value.data;
    for (size_t i = 0; i < value.len; i++)
        if (!http1_is_value_char(s[i]) && r->err == DOL_OK)
            r->err = DOL_EINVAL;
    put(r, ": ", 2);
    put(r, value.data, value.len);
    put(r, "\r\n", 2);
}

static size_t format_u64(uint64_t value, char out[20])
{
    char tmp[20];
    size_t n = 0;
    do
        tmp[n++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = tmp[n - 1 - i];
    return n;
}

void http1_response_begin(struct http1_response *r, char *buf, size_t buf_bytes, unsigned status)
{
    *r = (struct http1_response){.buf = buf, .buf_bytes = buf_bytes};
    if (status < 100 || status > 999) {
        r->err = DOL_EINVAL;
        return;
    }
    char digits[20];
    const char *reason = http1_reason(status);
    put(r, "HTTP/1.1 ", 9);
    put(r, digits, format_u64(status, digits));
    put(r, " ", 1);
    put(r, reason, strlen(reason));
    put(r, "\r\n", 2);
}

void http1_response_header(struct http1_response *r, const char *name, struct bytes value)
{
    http1_response_header_named(r, name, bytes_of(NULL, 0), value);
}

void http1_response_header_str(struct http1_response *r, const char *name, const char *value)
{
    http1_response_header_named(r, name, bytes_of(NULL, 0), bytes_of(value, strlen(value)));
}

void http1_response_header_u64(struct http1_response *r, const char *name, uint64_t value)
{
    char digits[20];
    size_t len = format_u64(value, digits);
    http1_response_header_named(r, name, bytes_of(NULL, 0), bytes_of(digits, len));
}

void http1_response_header_named(struct http1_response *r, const char *prefix, struct bytes name, struct bytes value)
{
    size_t prefix_len = strlen(prefix);
    if (prefix_len + name.len == 0 && r->err == DOL_OK)
        r->err = DOL_EINVAL;
    put_name(r, prefix, prefix_len);
    put_name(r, name.data, name.len);
    put_value(r, value);
}

enum dol_err http1_response_end(struct http1_response *r, struct bytes *head)
{
    put(r, "\r\n", 2);
    *head = bytes_of(r->buf, r->err == DOL_OK ? r->len : 0);
    return r->err;
}
