/*
 * Writer for response heads into a bounded buffer. Errors stick: write all lines, look at the result of the end. A
 * value that contains CR, LF, NUL or another control character is refused, so nothing stored by a user can inject a
 * header.
 */
#ifndef DOL_HTTP1_RESPONSE_H
#define DOL_HTTP1_RESPONSE_H

#include <dolmen/err.h>
#include <dolmen/types.h>

struct http1_response {
    char *buf;
    size_t buf_bytes;
    size_t len;
    enum dol_err err;
};

/* The interim response to "Expect: 100-continue". */
#define HTTP1_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* The reason phrase of a status; "Status" for one that isn't known. */
const char *http1_reason(unsigned status);

/* Writes "HTTP/1.1 <status> <reason>". */
void http1_response_begin(struct http1_response *r, char *buf, size_t buf_bytes, unsigned status);
void http1_response_header(struct http1_response *r, const char *name, struct bytes value);
void http1_response_header_str(struct http1_response *r, const char *name, const char *value);
void http1_response_header_u64(struct http1_response *r, const char *name, uint64_t value);
/* A name that comes from a user, such as x-amz-meta-*: `prefix` and `name` are joined; the result must be a token. */
void http1_response_header_named(struct http1_response *r, const char *prefix, struct bytes name, struct bytes value);
/* Writes the empty line. ETOOLARGE: did not fit; EINVAL: a forbidden byte in a name or value. *head borrows buf. */
DOL_MUST_CHECK enum dol_err http1_response_end(struct http1_response *r, struct bytes *head);

#endif
