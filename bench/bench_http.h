/*
 * The least HTTP/1.1 client that an S3 server needs: one kept-alive blocking connection, one request at a time, bodies
 * with Content-Length. Owned by one worker. Every wait is bounded by BENCH_IO_TIMEOUT_S.
 */
#ifndef DOL_BENCH_HTTP_H
#define DOL_BENCH_HTTP_H

#include "bench_payload.h"
#include "bench_sign.h"

#define BENCH_IO_TIMEOUT_S 60
#define BENCH_HEAD_MAX     16384u

struct bench_http {
    const struct bench_options *options; /* borrowed */
    struct bench_signer signer;
    int fd;                        /* -1: not connected */
    char head[BENCH_HEAD_MAX + 1]; /* response head, terminated, and what was read past it */
    size_t head_len;               /* with the blank line */
    size_t read_len;               /* bytes in head[] */
    uint8_t *piece;                /* BENCH_PIECE_BYTES */
    uint8_t *expected;             /* BENCH_PIECE_BYTES */
};

enum bench_outcome {
    BENCH_ANSWERED, /* a whole response came */
    BENCH_LOST,     /* not connected, cut off, timed out, or not HTTP */
    BENCH_MISMATCH, /* a whole response came, with other bytes than expected */
};

struct bench_response {
    unsigned status;
    uint64_t body_len;
    char error_code[40]; /* S3's, from the body of an error; empty otherwise */
};

/* false: out of memory. */
bool bench_http_init(struct bench_http *h, const struct bench_options *options);
void bench_http_fini(struct bench_http *h);

/* Connects if not connected. false: refused. */
bool bench_http_connect(struct bench_http *h);

/*
 * One request. body NULL: none. expected not NULL: the content a 200 has to bring; NULL: the body is read and dropped.
 * path is percent-encoded.
 */
enum bench_outcome bench_http_request(struct bench_http *h, const char *method, const char *path,
                                      const struct bench_content *body, const struct bench_content *expected,
                                      struct bench_response *response);

#endif
