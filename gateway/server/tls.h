/*
 * TLS over a socket, for a fiber: straight-line receive and send like net.h's, over OpenSSL.
 *
 * OpenSSL never sees the socket. It reads ciphertext from one buffer and writes it to another; when the first is empty
 * or the second full, the fiber waits on the ring, outside of OpenSSL. So no switch of fibers happens inside the
 * library, and its per-thread error queue is ours from each call to the look at its result.
 *
 * A stream belongs to one fiber at a time. Its buffers are lent to it while a fiber works (attach, detach); what stays
 * with a resting stream is OpenSSL's state without record buffers.
 */
#ifndef DOL_TLS_H
#define DOL_TLS_H

#include "list.h"
#include "tls_config.h"
#include <dolmen/runtime.h>
#include <sys/uio.h>

#define TLS_RECORD_BYTES 16384u                                       /* plain bytes of a full record: RFC 8446, 5.1 */
#define TLS_IN_BYTES     (64u << 10)                                  /* one receive */
#define TLS_OUT_RECORDS  8u                                           /* full records of one send */
#define TLS_OUT_BYTES    (TLS_OUT_RECORDS * (TLS_RECORD_BYTES + 64u)) /* with header, nonce and tag of each */

struct tls_buffers {
    struct list_node link;           /* the owner's */
    uint8_t in[TLS_IN_BYTES];        /* ciphertext received */
    uint8_t out[TLS_OUT_BYTES];      /* ciphertext to send */
    uint8_t stage[TLS_RECORD_BYTES]; /* small pieces on their way into one record */
};

struct tls_stream;

/* Over fd, which stays the caller's. NULL: memory is short. */
struct tls_stream *tls_stream_new(int fd);
/* Sends nothing; the buffers are detached. */
void tls_stream_free(struct tls_stream *s);

/* Lends buffers, and takes them back: only when the stream holds nothing in them, or will not be used again. */
void tls_stream_attach(struct tls_stream *s, struct tls_buffers *buffers);
struct tls_buffers *tls_stream_detach(struct tls_stream *s);

enum tls_accept_result {
    TLS_ACCEPT_DONE,
    TLS_ACCEPT_PLAIN_HTTP, /* the client speaks plain HTTP: nothing has been sent */
    TLS_ACCEPT_GARBAGE,    /* neither; nothing has been sent */
    TLS_ACCEPT_FAILED,     /* an alert has been sent where one is due; tls_stream_error() says why */
    TLS_ACCEPT_TIMED_OUT,
    TLS_ACCEPT_LEFT,    /* the client closed in the middle of it */
    TLS_ACCEPT_NOTHING, /* the client closed, or the time was over, before a byte came */
    TLS_ACCEPT_NO_MEMORY,
};
/*
 * [await] The handshake, all of it within timeout_ns. Its steps take so long that other fibers would wait for many of
 * them: each is done inside of `steps`, which is left when the others have had their turn.
 */
DOL_MUST_CHECK enum tls_accept_result tls_stream_accept(struct tls_stream *s, struct tls_config *config,
                                                        struct gate *steps, uint64_t timeout_ns);

/* [await] Receives 1..len bytes, as many as are there. timeout_ns is for the whole call: parts of a record don't
 * prolong it. EPEER: the client has closed, in order or not; ETIMEDOUT; ESYNTAX: broken records; EIO. */
DOL_MUST_CHECK enum dol_err tls_stream_recv(struct tls_stream *s, void *buf, size_t len, uint64_t timeout_ns,
                                            size_t *received);
/* [await] Sends all of iov (which it may modify) in full records, several a send; errors as net_send(). */
DOL_MUST_CHECK enum dol_err tls_stream_send(struct tls_stream *s, struct iovec *iov, unsigned iov_count,
                                            uint64_t timeout_ns);
/* [await] Says that nothing more comes (close_notify), if the stream is in a state to say so. */
void tls_stream_close_notify(struct tls_stream *s, uint64_t timeout_ns);

/* Nothing is buffered, nor has a record begun: whatever comes next has to come through the socket. */
bool tls_stream_is_empty(const struct tls_stream *s);

/* Of an accepted stream: "TLSv1.3", "TLS_AES_256_GCM_SHA384"; whether it resumed an earlier session. */
const char *tls_stream_version(const struct tls_stream *s);
const char *tls_stream_cipher(const struct tls_stream *s);
bool tls_stream_was_resumed(const struct tls_stream *s);
/* Why a handshake or a record was refused, in OpenSSL's words; never NULL. */
const char *tls_stream_error(const struct tls_stream *s);

#endif
