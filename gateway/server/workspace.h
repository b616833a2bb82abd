/*
 * Memory of requests, pooled per loop. A connection holds a workspace from the first byte of a request to the end of
 * its response, a body buffer only while it reads a body, TLS buffers while a fiber works on it; a resting connection
 * holds none of them. Not thread-safe: each loop has its own pool.
 */
#ifndef DOL_WORKSPACE_H
#define DOL_WORKSPACE_H

#include "arena.h"
#include "http1.h"
#include "list.h"
#include "server_limits.h"
#include "tls.h"

struct workspace {
    struct list_node link;
    struct arena arena;
    struct http1_parser parser;
    char head[HTTP1_HEAD_BYTES_MAX];
    char response_head[SERVER_RESPONSE_HEAD_BYTES];
};

struct body_buffer {
    struct list_node link;
    uint8_t data[SERVER_BODY_BUFFER_BYTES];
};

struct workspace_pool {
    struct list_node workspaces; /* free */
    unsigned workspaces_free;
    unsigned workspaces_kept;
    struct list_node body_buffers; /* free */
    unsigned body_buffers_total;   /* free and lent */
    unsigned body_buffers_max;
    struct list_node tls_buffers; /* free */
    unsigned tls_buffers_free;
};

void workspace_pool_init(struct workspace_pool *pool, const struct server_limits *limits);
/* All that was lent is back. */
void workspace_pool_fini(struct workspace_pool *pool);

/* With a fresh parser and an empty arena. NULL when memory is short. */
struct workspace *workspace_get(struct workspace_pool *pool);
void workspace_put(struct workspace_pool *pool, struct workspace *ws);

/* NULL when all are lent, or memory is short. */
struct body_buffer *body_buffer_get(struct workspace_pool *pool);
void body_buffer_put(struct workspace_pool *pool, struct body_buffer *buf);

/* NULL when memory is short; as many as there are connections with a fiber. */
struct tls_buffers *tls_buffers_get(struct workspace_pool *pool);
void tls_buffers_put(struct workspace_pool *pool, struct tls_buffers *buffers);

#endif
