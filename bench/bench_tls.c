/* A link is OpenSSL's own connection object; this file is where it is known as that. */
#include "bench_tls.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* Whole records in few reads of the socket. */
#define READ_AHEAD_BYTES (128u << 10)

static SSL_CTX *context_of(struct bench_tls *tls)
{
    return (SSL_CTX *)(void *)tls;
}

static SSL *ssl_of(struct bench_tls_link *link)
{
    return (SSL *)(void *)link;
}

struct bench_tls *bench_tls_new(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        fputs("dolmen-bench: TLS could not be set up\n", stderr);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
    return (struct bench_tls *)(void *)context;
}

void bench_tls_free(struct bench_tls *tls)
{
    SSL_CTX_free(context_of(tls));
}

struct bench_tls_link *bench_tls_link_new(struct bench_tls *tls, int fd)
{
    SSL *ssl = SSL_new(context_of(tls));
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    return (struct bench_tls_link *)(void *)ssl;
}

void bench_tls_link_free(struct bench_tls_link *link)
{
    SSL_free(ssl_of(link));
}

static enum bench_tls_result result_of(struct bench_tls_link *link, int returned)
{
    int error = SSL_get_error(ssl_of(link), returned);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? BENCH_TLS_AGAIN : BENCH_TLS_FAILED;
}

enum bench_tls_result bench_tls_connect(struct bench_tls_link *link)
{
    int r = SSL_connect(ssl_of(link));
    return r == 1 ? BENCH_TLS_DONE : result_of(link, r);
}

ssize_t bench_tls_write(struct bench_tls_link *link, const void *data, size_t len)
{
    size_t n = 0;
    int r = SSL_write_ex(ssl_of(link), data, len, &n);
    if (r == 1)
        return (ssize_t)n;
    return result_of(link, r) == BENCH_TLS_AGAIN ? 0 : -1;
}

ssize_t bench_tls_read(struct bench_tls_link *link, void *buf, size_t len)
{
    size_t n = 0;
    int r = SSL_read_ex(ssl_of(link), buf, len, &n);
    if (r == 1)
        return (ssize_t)n;
    return result_of(link, r) == BENCH_TLS_AGAIN ? 0 : -1;
}
