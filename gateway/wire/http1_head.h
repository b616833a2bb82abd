/* Private to the HTTP reader: the lines of a request head, one at a time, and the judgement on the whole. */
#ifndef DOL_HTTP1_HEAD_H
#define DOL_HTTP1_HEAD_H

#include "http1.h"

/* `line` is without its CR LF. Slices of the results borrow from it; header names are lower-cased in place. */
enum http1_error http1_head_request_line(struct http1_head *head, char *line, size_t len);
enum http1_error http1_head_header_line(struct http1_head *head, char *line, size_t len);

/* After the empty line: framing, Host, Connection, Expect; then llhttp reads `raw` (the whole head) and must agree. */
enum http1_error http1_head_finish(struct http1_head *head, const char *raw, size_t raw_len);

/* What a byte may be part of. */
#define HTTP1_TOKEN 1u /* names: RFC 9110 section 5.6.2 */
#define HTTP1_VALUE 2u /* values: visible characters, blanks, tab, and bytes from 0x80 on */
extern const uint8_t http1_char_class[256];

static inline bool http1_is_token_char(unsigned char c)
{
    return (http1_char_class[c] & HTTP1_TOKEN) != 0;
}

static inline bool http1_is_value_char(unsigned char c)
{
    return (http1_char_class[c] & HTTP1_VALUE) != 0;
}

#endif
