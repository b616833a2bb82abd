/* See tls.h. */
#include "tls.h"
#include "dol_assert.h"
#include <dolmen/net.h>
#include <dolmen/runtime.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TLS_STREAM_MAGIC      0x544c5353u
#define TLS_CONTENT_HANDSHAKE 0x16 /* the first byte of a ClientHello's record: RFC 8446, 5.1 */
#define TLS_ALERT_TIMEOUT_NS  (UINT64_C(5) * 1000000000)

struct tls_stream {
    unsigned magic;
    int fd;
    SSL *ssl; /* NULL before the first bytes of the client */
    struct tls_buffers *buffers;
    size_t in_pos, in_len; /* unread ciphertext: buffers->in[in_pos .. in_len) */
    size_t out_len;
    bool accepted;
    bool broken; /* no more records can be read or written */
    bool slow_key;
    const char *error; /* static text of OpenSSL's; NULL: none */
};

/* ---- OpenSSL's side of the two buffers ---- */

static int bio_read(BIO *bio, char *buf, size_t len, size_t *done)
{
    struct tls_stream *s = BIO_get_data(bio);
    size_t n = s->in_len - s->in_pos;
    BIO_clear_retry_flags(bio);
    *done = 0;
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (n > len)
        n = len;
    memcpy(buf, s->buffers->in + s->in_pos, n);
    s->in_pos += n;
    *done = n;
    return 1;
}

static int bio_write(BIO *bio, const char *buf, size_t len, size_t *done)
{
    struct tls_stream *s = BIO_get_data(bio);
    size_t n = TLS_OUT_BYTES - s->out_len;
    BIO_clear_retry_flags(bio);
    *done = 0;
    if (n == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    if (n > len)
        n = len;
    memcpy(s->buffers->out + s->out_len, buf, n);
    s->out_len += n;
    *done = n;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void method_make(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dolmen buffers");
    if (method == NULL)
        return;
    (void)BIO_meth_set_read_ex(method, bio_read);
    (void)BIO_meth_set_write_ex(method, bio_write);
    (void)BIO_meth_set_ctrl(method, bio_ctrl);
}

static BIO *bio_new(struct tls_stream *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, method_make);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio != NULL) {
        BIO_set_data(bio, s);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- what a call of OpenSSL came to ---- */

enum step { STEP_DONE, STEP_NEEDS_INPUT, STEP_NEEDS_ROOM, STEP_CLOSED, STEP_FAILED };

/* Right after the call, in its thread: rc is what it returned. */
static enum step judge(struct tls_stream *s, int rc)
{
    if (rc > 0)
        return STEP_DONE;
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return STEP_NEEDS_INPUT;
    case SSL_ERROR_WANT_WRITE:
        return STEP_NEEDS_ROOM;
    case SSL_ERROR_ZERO_RETURN:
        return STEP_CLOSED;
    default:
        s->error = ERR_reason_error_string(ERR_peek_last_error());
        s->broken = true;
        ERR_clear_error();
        return STEP_FAILED;
    }
}

static enum dol_err flush(struct tls_stream *s, uint64_t timeout_ns)
{
    if (s->out_len == 0)
        return DOL_OK;
    struct iovec iov = {.iov_base = s->buffers->out, .iov_len = s->out_len};
    s->out_len = 0;
    enum dol_err err = net_send(s->fd, &iov, 1, timeout_ns);
    if (err != DOL_OK)
        s->broken = true;
    return err;
}

/* More ciphertext, before deadline_ns. */
static enum dol_err fill(struct tls_stream *s, uint64_t deadline_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    size_t received = 0;
    dol_assert(s->in_pos == s->in_len);
    s->in_pos = s->in_len = 0;
    if (now_ns >= deadline_ns)
        return DOL_ETIMEDOUT;
    enum dol_err err = net_recv(s->fd, s->buffers->in, TLS_IN_BYTES, deadline_ns - now_ns, &received);
    s->in_len = err == DOL_OK ? received : 0;
    return err;
}

static uint64_t deadline_of(uint64_t timeout_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    return timeout_ns != 0 && timeout_ns < UINT64_MAX - now_ns ? now_ns + timeout_ns : UINT64_MAX;
}

/* ---- life ---- */

struct tls_stream *tls_stream_new(int fd)
{
    struct tls_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->magic = TLS_STREAM_MAGIC;
    s->fd = fd;
    return s;
}

void tls_stream_free(struct tls_stream *s)
{
    dol_assert_magic(s, TLS_STREAM_MAGIC);
    dol_assert(s->buffers == NULL);
    SSL_free(s->ssl);
    s->magic = 0;
    free(s);
}

void tls_stream_attach(struct tls_stream *s, struct tls_buffers *buffers)
{
    dol_assert(s->buffers == NULL);
    s->buffers = buffers;
    s->in_pos = s->in_len = s->out_len = 0;
}

struct tls_buffers *tls_stream_detach(struct tls_stream *s)
{
    struct tls_buffers *buffers = s->buffers;
    s->buffers = NULL;
    return buffers;
}

bool tls_stream_is_empty(const struct tls_stream *s)
{
    return s->in_pos == s->in_len && s->out_len == 0 && (s->ssl == NULL || SSL_has_pending(s->ssl) == 0);
}

/* ---- handshake ---- */

static bool session_make(struct tls_stream *s, struct tls_config *config)
{
    SSL_CTX *context = tls_context_get(config);
    s->slow_key = tls_context_signs_slowly(context);
    s->ssl = SSL_new(context);
    tls_context_put(context); /* the session holds its own */
    BIO *bio = s->ssl != NULL ? bio_new(s) : NULL;
    if (bio == NULL)
        return false;
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_accept_state(s->ssl);
    return true;
}

struct handshake_job {
    struct tls_stream *s;
    enum step step;
};

/* An offload_fn, or called. */
static void handshake_step(void *arg)
{
    struct handshake_job *job = arg;
    ERR_clear_error();
    job->step = judge(job->s, SSL_do_handshake(job->s->ssl));
}

static enum tls_accept_result result_of(enum dol_err err)
{
    return err == DOL_ETIMEDOUT ? TLS_ACCEPT_TIMED_OUT : TLS_ACCEPT_LEFT;
}

static void run_step(struct handshake_job *job, struct gate *steps)
{
    if (job->s->slow_key) {
        offload_run(handshake_step, job);
        return;
    }
    gate_enter(steps);
    handshake_step(job);
    fiber_yield();
    gate_leave(steps);
}

static enum tls_accept_result handshake(struct tls_stream *s, struct gate *steps, uint64_t deadline_ns)
{
    for (;;) {
        struct handshake_job job = {.s = s};
        run_step(&job, steps);
        uint64_t now_ns = clock_monotonic_ns();
        enum dol_err err = now_ns < deadline_ns ? flush(s, deadline_ns - now_ns) : DOL_ETIMEDOUT;
        if (job.step == STEP_FAILED || job.step == STEP_CLOSED)
            return TLS_ACCEPT_FAILED;
        if (err == DOL_OK && job.step == STEP_DONE)
            return TLS_ACCEPT_DONE;
        if (err == DOL_OK && job.step == STEP_NEEDS_INPUT)
            err = fill(s, deadline_ns);
        if (err != DOL_OK)
            return result_of(err);
    }
}

enum tls_accept_result tls_stream_accept(struct tls_stream *s, struct tls_config *config, struct gate *steps,
                                         uint64_t timeout_ns)
{
    uint64_t deadline_ns = deadline_of(timeout_ns);
    dol_assert(s->ssl == NULL);
    enum dol_err err = fill(s, deadline_ns);
    if (err != DOL_OK)
        return TLS_ACCEPT_NOTHING;
    uint8_t first = s->buffers->in[0];
    if (first >= 'A' && first <= 'Z')
        return TLS_ACCEPT_PLAIN_HTTP;
    if (first != TLS_CONTENT_HANDSHAKE)
        return TLS_ACCEPT_GARBAGE;
    if (!session_make(s, config))
        return TLS_ACCEPT_NO_MEMORY;
    enum tls_accept_result result = handshake(s, steps, deadline_ns);
    s->accepted = result == TLS_ACCEPT_DONE;
    s->broken |= result != TLS_ACCEPT_DONE;
    return result;
}

/* ---- records ---- */

enum dol_err tls_stream_recv(struct tls_stream *s, void *buf, size_t len, uint64_t timeout_ns, size_t *received)
{
    uint64_t deadline_ns = deadline_of(timeout_ns);
    size_t total = 0;
    if (s->broken)
        return DOL_EPEER;
    for (;;) {
        size_t n = 0;
        ERR_clear_error();
        enum step step = judge(s, SSL_read_ex(s->ssl, (uint8_t *)buf + total, len - total, &n));
        total += n;
        if (step == STEP_DONE && total < len)
            continue;
        /* Answers of the protocol itself (new keys), and the alert about what was wrong. */
        enum dol_err err = step == STEP_DONE ? DOL_OK : flush(s, TLS_ALERT_TIMEOUT_NS);
        if (total > 0) {
            *received = total;
            return DOL_OK;
        }
        if (step == STEP_FAILED)
            return DOL_ESYNTAX;
        if (step == STEP_CLOSED)
            return DOL_EPEER;
        if (err == DOL_OK && step == STEP_NEEDS_INPUT)
            err = fill(s, deadline_ns);
        if (err != DOL_OK)
            return err;
    }
}

/* The plain bytes of the next record: a full one from where they lie, or several pieces put together. */
static struct iovec next_record(struct tls_stream *s, struct iovec **iov, unsigned *iov_count)
{
    struct iovec *first = *iov;
    if (first->iov_len >= TLS_RECORD_BYTES || *iov_count == 1) {
        struct iovec record = {first->iov_base, first->iov_len < TLS_RECORD_BYTES ? first->iov_len : TLS_RECORD_BYTES};
        first->iov_base = (uint8_t *)first->iov_base + record.iov_len;
        first->iov_len -= record.iov_len;
        if (first->iov_len == 0) {
            (*iov)++;
            (*iov_count)--;
        }
        return record;
    }
    struct iovec record = {s->buffers->stage, 0};
    while (*iov_count > 0 && record.iov_len < TLS_RECORD_BYTES) {
        struct iovec *piece = *iov;
        size_t n = TLS_RECORD_BYTES - record.iov_len;
        if (n > piece->iov_len)
            n = piece->iov_len;
        memcpy(s->buffers->stage + record.iov_len, piece->iov_base, n);
        record.iov_len += n;
        piece->iov_base = (uint8_t *)piece->iov_base + n;
        piece->iov_len -= n;
        if (piece->iov_len == 0) {
            (*iov)++;
            (*iov_count)--;
        }
    }
    return record;
}

static enum dol_err write_record(struct tls_stream *s, struct iovec record, uint64_t timeout_ns)
{
    for (;;) {
        size_t n = 0;
        ERR_clear_error();
        enum step step = judge(s, SSL_write_ex(s->ssl, record.iov_base, record.iov_len, &n));
        if (step == STEP_DONE)
            return DOL_OK;
        /* Room is all that a write can lack: there is no renegotiation. */
        enum dol_err err = step == STEP_NEEDS_ROOM ? flush(s, timeout_ns) : DOL_EIO;
        if (err != DOL_OK) {
            s->broken = true;
            return err;
        }
    }
}

enum dol_err tls_stream_send(struct tls_stream *s, struct iovec *iov, unsigned iov_count, uint64_t timeout_ns)
{
    if (s->broken)
        return DOL_EPEER;
    for (;;) {
        while (iov_count > 0 && iov->iov_len == 0) {
            iov++;
            iov_count--;
        }
        if (iov_count == 0)
            return flush(s, timeout_ns);
        enum dol_err err = write_record(s, next_record(s, &iov, &iov_count), timeout_ns);
        if (err != DOL_OK)
            return err;
    }
}

void tls_stream_close_notify(struct tls_stream *s, uint64_t timeout_ns)
{
    if (!s->accepted || s->broken)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
    (void)flush(s, timeout_ns);
    s->broken = true;
}

/* ---- what it is ---- */

const char *tls_stream_version(const struct tls_stream *s)
{
    return SSL_get_version(s->ssl);
}

const char *tls_stream_cipher(const struct tls_stream *s)
{
    return SSL_get_cipher_name(s->ssl);
}

bool tls_stream_was_resumed(const struct tls_stream *s)
{
    return SSL_session_reused(s->ssl) == 1;
}

const char *tls_stream_error(const struct tls_stream *s)
{
    return s->error != NULL ? s->error : "unknown reason";
}
