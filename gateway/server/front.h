/*
 * dolmend's public side: where it listens, with TLS or without, how many clients it takes. From options to listeners of
 * the server; the requests themselves are the caller's.
 */
#ifndef DOL_FRONT_H
#define DOL_FRONT_H

#include "options.h"
#include "server.h"

struct front {
    const struct options *options; /* borrowed */
    struct tls_config *tls;        /* NULL: plain HTTP only */
    bool reloading;
    struct waitq reloaded;
    char endpoint[2 * (OPTION_HOST_BYTES_MAX + 32)]; /* "http://127.0.0.1:9000", or two with ", " between */
};

struct front_why {
    char text[1024];
};

/* What so many loops serve: shares of the totals, what the options say, what the limit on open files allows. */
struct server_limits front_limits(const struct options *options, unsigned loops);

/*
 * [await] Says what the limit on open files takes away, reads the certificate, and waits until the endpoints are free,
 * as long as *stop_asked (atomic) is false: before a pool is created or opened for nothing. A server that was just
 * killed may hold its sockets for a moment longer, while the kernel takes its rings down. An error has been explained.
 */
DOL_MUST_CHECK enum dol_err front_open(struct front *f, const struct options *options, const bool *stop_asked,
                                       struct front_why *why);
/* Opens the listeners: `service` without its TLS. Health checks among its requests are exempt from waiting for a turn.
 * Errors as server_listen_tcp(), explained. */
DOL_MUST_CHECK enum dol_err front_listen(struct front *f, struct server *server, const struct server_service *service,
                                         struct front_why *why);
/* [await] On loop 0, where it was opened: reads the certificate again for new connections. What is wrong with it goes
 * to the log, and the old one stays. */
void front_reload(struct front *f);
/* [await] After the server has stopped. */
void front_close(struct front *f);

#endif
