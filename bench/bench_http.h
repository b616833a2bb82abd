/*
 * HTTP/1.1 as bytes, without I/O: a request's head is written, a response's head is read. The least that an S3 server
 * needs: kept-alive connections, one request at a time, bodies with Content-Length.
 */
#ifndef DOL_BENCH_HTTP_H
#define DOL_BENCH_HTTP_H

#include "bench_payload.h"
#include "bench_sign.h"

#define BENCH_REQUEST_HEAD_MAX (3 * BENCH_PATH_MAX + 2048u)
#define BENCH_QUERY_MAX        (2 * BENCH_PATH_MAX + 64u)

struct bench_request {
    enum bench_verb verb;
    const char *path;                 /* percent-encoded */
    const char *query;                /* canonical, or "" */
    const struct bench_content *body; /* NULL: none */
};

enum bench_closing { BENCH_KEEP_ALIVE, BENCH_CLOSE };

struct bench_response {
    unsigned status;
    uint64_t body_len; /* that follows the head */
    enum bench_closing closing;
    char error_code[40]; /* S3's, from the body of an error; empty otherwise */
};

/* Returns the length; 0 when it does not fit. */
size_t bench_http_head(struct bench_signer *signer, const struct bench_request *request, char *out, size_t out_len);

enum bench_head_state {
    BENCH_HEAD_PARTIAL, /* goes on */
    BENCH_HEAD_WHOLE,   /* *head_len bytes with the blank line */
    BENCH_HEAD_BAD,     /* not HTTP/1.1, or no length */
};

/* text[0..len) with a terminator behind it; it is written to, but restored. */
enum bench_head_state bench_http_parse(char *text, size_t len, enum bench_verb verb, struct bench_response *response,
                                       size_t *head_len);
/* From the first bytes of an error's body. */
void bench_http_note_error(struct bench_response *response, const uint8_t *body, size_t len);

#endif
