/*
 * Waiting for input on a socket without a fiber: an idle connection then costs one pending operation in the kernel and
 * not a stack. Real runtime only.
 */
#ifndef DOL_NET_WATCH_H
#define DOL_NET_WATCH_H

#include "io.h"

struct net_watch;

/* Runs once, on the loop that started the watch and outside the watcher's own story: it must not await. */
typedef void net_watch_fn(struct net_watch *watch);

struct net_watch {
    struct uring_op op;
    net_watch_fn *ready;
};

/*
 * Calls ready(watch) when fd has something to receive, or its peer has ended or reset it, or it has been shut down;
 * also when the kernel could not watch it: what is the matter, the next receive says. Until then fd stays open and
 * *watch where it is. On a loop's thread; not [await].
 */
void net_watch_start(struct net_watch *watch, int fd, net_watch_fn *ready);

#endif
