/* See tls_client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DAY_S 86400L

void tls_files_make(struct tls_files *f)
{
    snprintf(f->dir, sizeof f->dir, "/tmp/dolmen-tls-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert, sizeof f->cert, "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);
}

void tls_files_remove(struct tls_files *f)
{
    (void)unlink(f->cert);
    (void)unlink(f->key);
    (void)rmdir(f->dir);
}

static EVP_PKEY *make_key(enum tls_key_kind kind)
{
    EVP_PKEY *key = kind == TLS_KEY_EC ? EVP_EC_gen("P-256") : EVP_RSA_gen(kind == TLS_KEY_RSA_2048 ? 2048u : 3072u);
    assert_non_null(key);
    return key;
}

static X509 *make_certificate(const struct tls_cert_spec *spec, EVP_PKEY *key)
{
    static long serial;
    bool usual = spec->from_s == 0 && spec->to_s == 0;
    char names[256];
    X509 *cert = X509_new();
    assert_non_null(cert);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), usual ? -DAY_S : spec->from_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), usual ? 100 * DAY_S : spec->to_s));
    X509_NAME *name = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)spec->name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(cert, name), 1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    snprintf(names, sizeof names, "DNS:%s", spec->name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

void tls_files_write(const struct tls_files *f, const struct tls_cert_spec *spec)
{
    EVP_PKEY *key = make_key(spec->kind);
    X509 *cert = make_certificate(spec, key);
    FILE *out = fopen(f->cert, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_X509(out, cert), 1);
    assert_int_equal(fclose(out), 0);
    out = fopen(f->key, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(out), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void tls_client_make(struct tls_client *c, const struct server_fixture *f)
{
    c->fd = client_connect(f);
    c->context = SSL_CTX_new(TLS_client_method());
    assert_non_null(c->context);
    /* What a test wants to try must not fail for the client's own scruples. */
    SSL_CTX_set_security_level(c->context, 0);
    c->ssl = SSL_new(c->context);
    assert_non_null(c->ssl);
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
}

/* io_uring's housekeeping may interrupt any thread of a process that has a ring. */
static bool was_interrupted(const struct tls_client *c, int rc)
{
    return rc <= 0 && errno == EINTR && SSL_get_error(c->ssl, rc) != SSL_ERROR_ZERO_RETURN;
}

bool tls_client_handshake(struct tls_client *c)
{
    int rc;
    do {
        ERR_clear_error();
        errno = 0;
        rc = SSL_connect(c->ssl);
    } while (was_interrupted(c, rc));
    ERR_clear_error();
    return rc == 1;
}

void tls_client_connect(struct tls_client *c, const struct server_fixture *f)
{
    tls_client_make(c, f);
    assert_true(tls_client_handshake(c));
}

void tls_client_drop(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
}

void tls_client_close(struct tls_client *c)
{
    (void)SSL_shutdown(c->ssl);
    ERR_clear_error();
    tls_client_drop(c);
}

bool tls_client_send(struct tls_client *c, const void *data, size_t len)
{
    int rc;
    do {
        ERR_clear_error();
        errno = 0;
        rc = SSL_write(c->ssl, data, (int)len);
    } while (was_interrupted(c, rc));
    return rc == (int)len;
}

bool tls_client_send_text(struct tls_client *c, const char *text)
{
    return tls_client_send(c, text, strlen(text));
}

ssize_t tls_client_receive_some(struct tls_client *c, void *buf, size_t len)
{
    int rc;
    do {
        ERR_clear_error();
        errno = 0;
        rc = SSL_read(c->ssl, buf, (int)len);
    } while (was_interrupted(c, rc));
    return rc;
}

static ssize_t receive(void *from, void *buf, size_t len)
{
    return tls_client_receive_some(from, buf, len);
}

bool tls_client_receive(struct tls_client *c, enum client_expect expect, struct client_response *out)
{
    return client_receive_from(receive, c, expect, out);
}

enum tls_end tls_client_end_of(struct tls_client *c)
{
    char byte;
    int n = (int)receive(c, &byte, 1);
    if (n > 0)
        return TLS_END_NOT;
    return SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN ? TLS_END_CLEAN : TLS_END_CUT;
}

const char *tls_client_peer_name(struct tls_client *c)
{
    static char name[64];
    X509 *cert = SSL_get1_peer_certificate(c->ssl);
    assert_non_null(cert);
    assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name) > 0);
    X509_free(cert);
    return name;
}
