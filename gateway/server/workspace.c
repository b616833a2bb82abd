/* See workspace.h. */
#include "workspace.h"

#include <stdlib.h>

void workspace_pool_init(struct workspace_pool *pool, const struct server_limits *limits)
{
    *pool = (struct workspace_pool){
        .workspaces_kept = limits->workspaces_kept,
        .body_buffers_max = limits->body_buffers_max,
    };
    list_init(&pool->workspaces);
    list_init(&pool->body_buffers);
    list_init(&pool->tls_buffers);
}

static void workspace_free(struct workspace *ws)
{
    arena_fini(&ws->arena);
    free(ws);
}

void workspace_pool_fini(struct workspace_pool *pool)
{
    list_for_each_safe(pos, next, &pool->workspaces) workspace_free(container_of(pos, struct workspace, link));
    list_for_each_safe(pos, next, &pool->body_buffers) free(container_of(pos, struct body_buffer, link));
    list_for_each_safe(pos, next, &pool->tls_buffers) free(container_of(pos, struct tls_buffers, link));
    list_init(&pool->workspaces);
    list_init(&pool->body_buffers);
    list_init(&pool->tls_buffers);
}

struct workspace *workspace_get(struct workspace_pool *pool)
{
    struct list_node *node = list_pop_front(&pool->workspaces);
    struct workspace *ws;
    if (node != NULL) {
        ws = container_of(node, struct workspace, link);
        pool->workspaces_free--;
    } else {
        ws = malloc(sizeof *ws);
        if (ws == NULL)
            return NULL;
        ws->link = (struct list_node){0};
        arena_init(&ws->arena, SERVER_ARENA_BYTES_MAX);
    }
    http1_init(&ws->parser, ws->head, sizeof ws->head);
    return ws;
}

void workspace_put(struct workspace_pool *pool, struct workspace *ws)
{
    if (pool->workspaces_free >= pool->workspaces_kept) {
        workspace_free(ws);
        return;
    }
    arena_reset(&ws->arena);
    list_push_front(&pool->workspaces, &ws->link);
    pool->workspaces_free++;
}

struct body_buffer *body_buffer_get(struct workspace_pool *pool)
{
    struct list_node *node = list_pop_front(&pool->body_buffers);
    if (node != NULL)
        return container_of(node, struct body_buffer, link);
    if (pool->body_buffers_total >= pool->body_buffers_max)
        return NULL;
    struct body_buffer *buf = malloc(sizeof *buf);
    if (buf != NULL)
        pool->body_buffers_total++;
    return buf;
}

void body_buffer_put(struct workspace_pool *pool, struct body_buffer *buf)
{
    list_push_front(&pool->body_buffers, &buf->link);
}

struct tls_buffers *tls_buffers_get(struct workspace_pool *pool)
{
    struct list_node *node = list_pop_front(&pool->tls_buffers);
    if (node == NULL)
        return malloc(sizeof(struct tls_buffers));
    pool->tls_buffers_free--;
    return container_of(node, struct tls_buffers, link);
}

void tls_buffers_put(struct workspace_pool *pool, struct tls_buffers *buffers)
{
    if (pool->tls_buffers_free >= pool->workspaces_kept) {
        free(buffers);
        return;
    }
    list_push_front(&pool->tls_buffers, &buffers->link);
    pool->tls_buffers_free++;
}
