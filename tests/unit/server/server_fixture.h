/*
 * A server over the real runtime on a loopback port, in a thread of its own, and a blocking client for it. The client's
 * receives are bounded by CLIENT_TIMEOUT_S, so a broken server fails a test instead of hanging it.
 */
#ifndef DOL_TEST_SERVER_FIXTURE_H
#define DOL_TEST_SERVER_FIXTURE_H

#include "server.h"
#include "uring.h"

#include <pthread.h>
#include <sched.h>
#include <sys/types.h>
#include <time.h>

#define CLIENT_TIMEOUT_S 20

/* Polls until the server has come so far; fails the test when it does not. */
#define WAIT_FOR(condition)                                                                                            \
    for (time_t until_s = time(NULL) + CLIENT_TIMEOUT_S; !(condition); sched_yield())                                  \
    assert_true(time(NULL) < until_s)

struct server_fixture {
    struct runtime *runtime;
    struct server *server;
    uint16_t port;
    pthread_t thread;
};

/* Makes the server, for whoever has to know it before it runs; then starts it. server_fixture_start() does both. */
void server_fixture_make_service(struct server_fixture *f, unsigned loops, const struct server_limits *limits,
                                 const struct server_service *service);
void server_fixture_make(struct server_fixture *f, unsigned loops, const struct server_limits *limits,
                         server_handler_fn *handler, void *arg);
void server_fixture_run(struct server_fixture *f);
void server_fixture_start(struct server_fixture *f, unsigned loops, const struct server_limits *limits,
                          server_handler_fn *handler, void *arg);
/* Begins the stop, and does not wait for it. */
void server_fixture_stop_begin(struct server_fixture *f);
/* Waits for the end of the stop, and frees. */
void server_fixture_stop(struct server_fixture *f);

int client_connect(const struct server_fixture *f);
/* With a TCP socket that is there already. */
void client_connect_fd(const struct server_fixture *f, int fd);
/* Sends all; false when the server has closed. */
bool client_send(int fd, const void *data, size_t len);
bool client_send_text(int fd, const char *text);

struct client_response {
    unsigned status;
    char head[8192]; /* terminated */
    uint8_t *body;   /* malloc'd; client_response_fini() */
    size_t body_len;
    bool complete; /* all that Content-Length announced */
};
enum client_expect { CLIENT_EXPECT_BODY, CLIENT_EXPECT_NO_BODY };
/* Reads one response and not a byte more. false: the connection ended before its head was complete. */
bool client_receive(int fd, enum client_expect expect, struct client_response *out);
/* The same from elsewhere: `receive` gives 1..len bytes, 0 or less at the end. */
typedef ssize_t client_receive_fn(void *from, void *buf, size_t len);
bool client_receive_from(client_receive_fn *receive, void *from, enum client_expect expect,
                         struct client_response *out);
void client_response_fini(struct client_response *r);
/* Value of a header as the server wrote its name; NULL when absent. Static buffer. */
const char *client_header(const struct client_response *r, const char *name);
/* What comes next: an orderly end, a reset, or (a failure in every test) more bytes. */
enum client_end { CLIENT_END_CLEAN, CLIENT_END_RESET, CLIENT_END_NOT };
enum client_end client_end_of(int fd);
/* The server has closed, one way or the other, and nothing more came. */
bool client_at_end(int fd);

#endif
