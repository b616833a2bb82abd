/* Private to the server: what one loop owns, and the server that owns the loops. Everything in a struct server_loop
 * belongs to that loop's fibers unless it says atomic. */
#ifndef DOL_SERVER_LOOP_H
#define DOL_SERVER_LOOP_H

#include "http_date.h"
#include "server.h"
#include "workspace.h"

#include <pthread.h>

#define SERVER_NAME            "Dolmen"
#define REQUEST_ID_BYTES       8u
#define REQUEST_ID_BATCH_BYTES 512u

struct listener {
    int fd;             /* -1: closed, or never opened on this loop */
    unsigned acceptors; /* its accepting fibers alive; the last one closes it */
    enum listener_room { LISTENER_SHARED, LISTENER_RESERVED } room; /* RESERVED: has SERVER_RESERVED_MAX of its own */
    struct server_service service;
};

struct server_loop {
    struct server *server;
    unsigned index;
    struct listener listeners[SERVER_LISTENERS_MAX];
    unsigned acceptors;           /* accepting fibers alive, of all listeners */
    struct list_node connections; /* struct connection, refused ones included */
    unsigned refusal_count;
    struct list_node line;  /* struct connection: have input, and wait for a fiber */
    unsigned fibers;        /* connections that have one; at most fibers_max */
    unsigned turns;         /* requests that have one; at most requests_max */
    unsigned turns_waiting; /* requests that wait for one; at most request_queue_max */
    struct waitq turn_line;
    struct gate handshakes;
    uint64_t accept_warned_ns;
    struct fiber *keeper; /* set and cleared under server->mutex */
    struct workspace_pool pool;
    char date[HTTP_DATE_TEXT_MAX]; /* of second date_s */
    int64_t date_s;
    uint8_t ids[REQUEST_ID_BATCH_BYTES];
    size_t ids_used;
    struct server_stats stats;       /* atomic, relaxed */
    struct request_metrics requests; /* atomic, see request_metrics.h */
};

struct server {
    struct runtime *runtime;
    struct server_limits limits;
    uint8_t instance[REQUEST_ID_BYTES]; /* random, in every x-amz-id-2 */
    unsigned listener_count;
    unsigned connection_count; /* served ones; atomic */
    bool started;
    bool stopping;             /* atomic */
    uint64_t stop_deadline_ns; /* valid once stopping is seen */
    pthread_mutex_t mutex;
    unsigned loops_running;     /* keepers alive; mutex */
    struct waiter_list stopped; /* mutex */
    unsigned loop_count;
    struct server_loop loops[];
};

static inline void server_count(uint64_t *counter, int64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + (uint64_t)n, __ATOMIC_RELAXED);
}

/* [await] A request's turn: at most requests_max have one, request_queue_max more wait for it request_wait_ns. false:
 * there are too many. */
DOL_MUST_CHECK bool turn_take(struct server_loop *loop);
void turn_give_back(struct server_loop *loop);

/* The current Date, made once a second. */
const char *server_loop_date(struct server_loop *loop);
/* A new request id. */
void server_loop_request_id(struct server_loop *loop, uint8_t id[REQUEST_ID_BYTES]);

/* Fiber: accepts on one listener until the server stops. Several share one. */
struct accept_args {
    struct server_loop *loop;
    struct listener *listener;
};
void listen_accept_fiber(void *arg);
/* Fiber: ends what is past its deadline; the last one of its loop to end. */
void keeper_fiber(void *arg);

#endif
