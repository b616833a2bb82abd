/*
 * What TCP over the loopback interface costs: a thread sends, another receives, and each one's own CPU time counts. The
 * kernel does most of the receiving in the sender's time; a server that receives over a real card pays more there.
 */
#include "ceilings.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES   (256u << 10)
#define REQUEST_BYTES (70u << 10)

struct half {
    int fd;
    size_t message_bytes; /* answered with one byte; 0: one way only */
    double seconds;       /* the sender's */
    uint64_t bytes;
    double cpu_seconds;
    bool failed;
};

static bool receive_message(const struct half *h, uint8_t *piece, uint64_t *bytes)
{
    size_t wanted = h->message_bytes != 0 ? h->message_bytes : PIECE_BYTES;
    for (size_t have = 0; have < wanted;) {
        ssize_t n = recv(h->fd, piece, PIECE_BYTES < wanted - have ? PIECE_BYTES : wanted - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
        *bytes += (uint64_t)n;
    }
    return h->message_bytes == 0 || send(h->fd, "", 1, MSG_NOSIGNAL) == 1;
}

static void *receive_until_end(void *arg)
{
    struct half *h = arg;
    uint8_t *piece = malloc(PIECE_BYTES);
    double begin = ceilings_clock(CLOCK_THREAD_CPUTIME_ID);
    while (piece != NULL && receive_message(h, piece, &h->bytes))
        continue;
    h->cpu_seconds = ceilings_clock(CLOCK_THREAD_CPUTIME_ID) - begin;
    h->failed = piece == NULL;
    free(piece);
    return NULL;
}

static bool send_message(const struct half *h, const uint8_t *piece)
{
    uint8_t answer;
    size_t len = h->message_bytes != 0 ? h->message_bytes : PIECE_BYTES;
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(h->fd, piece + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return h->message_bytes == 0 || recv(h->fd, &answer, 1, 0) == 1;
}

static void send_for_a_while(struct half *h)
{
    uint8_t *piece = calloc(1, PIECE_BYTES);
    double end = ceilings_clock(CLOCK_MONOTONIC) + h->seconds;
    double begin = ceilings_clock(CLOCK_THREAD_CPUTIME_ID);
    while (piece != NULL && ceilings_clock(CLOCK_MONOTONIC) < end && send_message(h, piece))
        h->bytes += h->message_bytes != 0 ? h->message_bytes : PIECE_BYTES;
    h->cpu_seconds = ceilings_clock(CLOCK_THREAD_CPUTIME_ID) - begin;
    h->failed = piece == NULL || h->bytes == 0;
    free(piece);
}

static bool connect_pair(int *sender, int *receiver)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = listener >= 0 && bind(listener, (struct sockaddr *)&addr, len) == 0 &&
              getsockname(listener, (struct sockaddr *)&addr, &len) == 0 && listen(listener, 1) == 0;
    *sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *receiver = -1;
    if (ok && *sender >= 0 && connect(*sender, (struct sockaddr *)&addr, len) == 0)
        *receiver = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (listener >= 0)
        close(listener);
    return *receiver >= 0;
}

static bool measure(struct ceilings *c, size_t message_bytes, const char *suffix)
{
    struct half from = {.fd = -1, .message_bytes = message_bytes, .seconds = c->options->seconds};
    struct half to = {.fd = -1, .message_bytes = message_bytes};
    pthread_t thread;
    bool ok = connect_pair(&from.fd, &to.fd) && pthread_create(&thread, NULL, receive_until_end, &to) == 0;
    if (ok) {
        char name[sizeof c->list[0].name];
        send_for_a_while(&from);
        shutdown(from.fd, SHUT_WR);
        pthread_join(thread, NULL);
        ok = !from.failed && !to.failed;
        snprintf(name, sizeof name, "tcp-send %s", suffix);
        ceilings_add(c, name, (double)from.bytes / from.cpu_seconds / 1e9, 0);
        snprintf(name, sizeof name, "tcp-receive %s", suffix);
        ceilings_add(c, name, (double)to.bytes / to.cpu_seconds / 1e9, 0);
    }
    if (from.fd >= 0)
        close(from.fd);
    if (to.fd >= 0)
        close(to.fd);
    return ok;
}

bool ceilings_net(struct ceilings *c)
{
    if (measure(c, REQUEST_BYTES, "70k") && measure(c, 0, "1m"))
        return true;
    fputs("dolmen-ceilings: the loopback interface could not be measured\n", stderr);
    return false;
}
