/*
 * A client in memory: builds the bytes of an HTTP request, signs it (SigV4 by its own code), runs it through http1 and
 * s3_handle(), and keeps the answer. It fails the test when the exchange's contract is broken: two answers, none, more
 * or fewer body bytes than announced without a cut, a body on HEAD.
 */
#ifndef DOL_S3_CLIENT_H
#define DOL_S3_CLIENT_H

#include "fake_store.h"
#include "s3.h"

#define CLIENT_ACCESS_KEY  "AKIDEXAMPLE"
#define CLIENT_SECRET_KEY  "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define CLIENT_HEADERS_MAX 100u

enum client_auth { CLIENT_SIGNED, CLIENT_ANONYMOUS, CLIENT_PRESIGNED };

struct client_header {
    const char *name; /* lower case */
    const char *value;
};

struct client_call {
    const char *method;
    const char *target;  /* path encoded, query in any order */
    const char *body;    /* NULL: none, and no Content-Length */
    size_t body_len;     /* 0 with a body: its strlen */
    const char *payload; /* x-amz-content-sha256; NULL: the digest of the body */
    struct client_header headers[CLIENT_HEADERS_MAX];
    enum client_auth auth;
    /* what a wrong client does; NULL or 0: right */
    const char *access_key;
    const char *secret_key;
    const char *region;
    const char *host;
    int64_t time_offset_s;
    bool no_content_sha256;
    bool no_content_length;
    bool http_chunked;              /* body goes out in HTTP chunks of 5 bytes */
    const char *content_length;     /* a lie */
    size_t body_sent_bytes;         /* then the connection ends */
    size_t piece_bytes;             /* of one exchange_body_read(); 0: all */
    size_t arena_bytes;             /* 0: 4 MiB */
    size_t write_fails_after_bytes; /* of the answer's body; 0: never */
};

struct client_answer {
    unsigned status;
    struct client_header headers[256];
    unsigned header_count;
    uint64_t content_length; /* UINT64_MAX: none */
    char *body;              /* terminated */
    size_t body_len;
    bool cut;
    char operation[64];
    char error_code[64];
    char user[64];
};

struct client {
    struct store *store;
    struct iam *iam;
    struct s3 *s3;
    struct client_answer answer; /* of the last call */
};

/* A server with the root keys above; region and domain may be NULL. */
void client_init(struct client *c, const char *region, const char *domain);
void client_fini(struct client *c);

/* Runs it; the answer stays until the next call. Returns the status, 0 when cut before a response. */
unsigned client_call(struct client *c, const struct client_call *call);
/* A signed call without headers. */
unsigned client_do(struct client *c, const char *method, const char *target, const char *body);
/* Value of the answer's header `name` (any case), or NULL. */
const char *client_header(const struct client *c, const char *name);
/* The answer's text between <name> and </name>, its first; "" when empty, NULL when absent. Valid until the next call.
 */
const char *client_element(struct client *c, const char *name);
unsigned client_count(const struct client *c, const char *text);

/* Asserts status and <Code>; for HEAD the status alone. */
#define client_expect(c, call, status, code) client_expect_at(c, call, status, code, __FILE__, __LINE__)
void client_expect_at(struct client *c, const struct client_call *call, unsigned status, const char *code,
                      const char *file, int line);
#define client_expect_do(c, method_, target_, body_, status, code)                                                     \
    client_expect(c, (&(struct client_call){.method = (method_), .target = (target_), .body = (body_)}), status, code)

#endif
