/* See tls_config.h. */
#include "tls_config.h"
#include "dol_assert.h"
#include "log.h"
#include <dolmen/runtime.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define CHAIN_MAX          16
#define RSA_BITS_QUICK_MAX 2048 /* about half a millisecond; 4096 bits take four */

static const char ciphers_tls12[] = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
static const char ciphers_tls13[] = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
/* The first that the library knows: the hybrid with ML-KEM came with OpenSSL 3.5. */
static const char *const group_lists[] = {"X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384"};
static const unsigned char session_context[] = "dolmend";

/* Certificate, chain and key, read and found to belong together. */
struct identity {
    X509 *cert;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

struct tls_config {
    char *cert_file, *key_file;
    pthread_mutex_t mutex; /* of the next three */
    struct identity identity;
    SSL_CTX *context;
    uint64_t made_ns;  /* when context, and with it the key of its tickets, was made */
    int64_t expires_s; /* atomic */
};

static void explain(struct tls_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void explain(struct tls_why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
}

/* What OpenSSL says of its last failure; takes it from its queue. */
static const char *openssl_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text != NULL ? text : "unknown reason";
}

/* ---- reading the files ---- */

static void identity_fini(struct identity *id)
{
    X509_free(id->cert);
    sk_X509_pop_free(id->chain, X509_free);
    EVP_PKEY_free(id->key);
    *id = (struct identity){0};
}

static FILE *open_file(const char *what, const char *path, struct tls_why *why)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        explain(why, "cannot read the TLS %s %s: %s.", what, path, strerror(errno));
    return f;
}

static bool is_end_of_pem(void)
{
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static enum dol_err read_chain(FILE *f, const char *path, struct identity *id, struct tls_why *why)
{
    ERR_clear_error();
    id->cert = PEM_read_X509(f, NULL, NULL, NULL);
    if (id->cert == NULL) {
        if (is_end_of_pem())
            explain(why, "%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).", path);
        else
            explain(why, "the certificate in %s is damaged: %s.", path, openssl_reason());
        ERR_clear_error();
        return DOL_EINVAL;
    }
    id->chain = sk_X509_new_null();
    if (id->chain == NULL)
        return DOL_ENOMEM;
    X509 *next;
    while ((next = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_num(id->chain) >= CHAIN_MAX || sk_X509_push(id->chain, next) == 0) {
            X509_free(next);
            explain(why, "%s holds more than %d certificates.", path, CHAIN_MAX + 1);
            return DOL_EINVAL;
        }
    }
    if (!is_end_of_pem()) {
        explain(why, "certificate %d in %s is damaged: %s.", sk_X509_num(id->chain) + 2, path, openssl_reason());
        return DOL_EINVAL;
    }
    ERR_clear_error();
    return DOL_OK;
}

/* A pem_password_cb: there is nobody to ask. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static enum dol_err read_key(FILE *f, const char *path, struct identity *id, struct tls_why *why)
{
    bool asked = false;
    struct stat st;
    ERR_clear_error();
    id->key = PEM_read_PrivateKey(f, NULL, no_passphrase, &asked);
    if (id->key == NULL) {
        if (asked)
            explain(why,
                    "the TLS key %s is protected by a passphrase, which dolmend cannot ask for. Write it without one: "
                    "openssl pkey -in %s -out NEW",
                    path, path);
        else
            explain(why, "%s holds no private key in PEM form (-----BEGIN PRIVATE KEY-----), or a damaged one: %s.",
                    path, openssl_reason());
        ERR_clear_error();
        return DOL_EINVAL;
    }
    if (fstat(fileno(f), &st) == 0 && (st.st_mode & S_IRWXO) != 0)
        log_warn("tls", "the key %s can be read by everybody on this machine: chmod o= it", path);
    return DOL_OK;
}

static enum dol_err read_identity(const char *cert_file, const char *key_file, struct identity *id, struct tls_why *why)
{
    enum dol_err err = DOL_EINVAL;
    FILE *key = NULL;
    *id = (struct identity){0};
    explain(why, "out of memory");
    FILE *cert = open_file("certificate", cert_file, why);
    if (cert == NULL)
        goto out;
    key = open_file("key", key_file, why);
    if (key == NULL)
        goto out;
    err = read_chain(cert, cert_file, id, why);
    if (err == DOL_OK)
        err = read_key(key, key_file, id, why);
    if (err == DOL_OK && X509_check_private_key(id->cert, id->key) != 1) {
        ERR_clear_error();
        explain(why,
                "the TLS key %s does not match the certificate %s. The server's own certificate has to be the first in "
                "its file, before those of its issuers.",
                key_file, cert_file);
        err = DOL_EINVAL;
    }
out:
    if (cert != NULL)
        fclose(cert);
    if (key != NULL)
        fclose(key);
    if (err != DOL_OK)
        identity_fini(id);
    return err;
}

/* ---- the parameters ---- */

/* An SSL_CTX_alpn_select_cb_func. A client that speaks ALPN, but not this, is told so (RFC 7301, 3.2). */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_groups(SSL_CTX *ctx)
{
    for (size_t i = 0; i < sizeof group_lists / sizeof group_lists[0]; i++) {
        if (SSL_CTX_set1_groups_list(ctx, group_lists[i]) == 1)
            return true;
        ERR_clear_error();
    }
    return false;
}

static bool set_parameters(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    /* Idle connections keep no record buffers; a retried write may come from the same bytes at another place. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, TLS_TICKET_LIFE_S);
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
           SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1) == 1 &&
           SSL_CTX_set_cipher_list(ctx, ciphers_tls12) == 1 && SSL_CTX_set_ciphersuites(ctx, ciphers_tls13) == 1 &&
           set_groups(ctx);
}

static SSL_CTX *context_new(const struct identity *id, struct tls_why *why)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || !set_parameters(ctx)) {
        explain(why, "OpenSSL refuses the TLS parameters: %s.", openssl_reason());
    } else if (SSL_CTX_use_certificate(ctx, id->cert) != 1 || SSL_CTX_set1_chain(ctx, id->chain) != 1 ||
               SSL_CTX_use_PrivateKey(ctx, id->key) != 1) {
        explain(why, "OpenSSL refuses the TLS certificate or its key: %s.", openssl_reason());
    } else {
        return ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

static int64_t expiry_of(const X509 *cert)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return INT64_MAX;
    return (int64_t)timegm(&tm);
}

/* What an operator wants to see in the log, and to be warned of. */
static void report(const char *cert_file, const X509 *cert)
{
    char subject[256];
    char until[32];
    int64_t now_s = clock_realtime_ns() / 1000000000;
    time_t expires = (time_t)expiry_of(cert);
    struct tm tm;
    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
    gmtime_r(&expires, &tm);
    strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &tm);
    log_info("tls", "certificate %s: subject=%s valid_until=%s", cert_file, subject, until);
    if (now_s >= expires)
        log_warn("tls", "the certificate %s expired at %s: clients will refuse it", cert_file, until);
    else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        log_warn("tls", "the certificate %s is not valid yet: clients will refuse it", cert_file);
    else if (expires - now_s < TLS_EXPIRY_WARNING_S)
        log_warn("tls", "the certificate %s expires soon, at %s", cert_file, until);
}

/* ---- the configuration ---- */

/* Reads the files and puts what they hold in the place of what was there. */
static enum dol_err load(struct tls_config *config, struct tls_why *why)
{
    struct identity id;
    enum dol_err err = read_identity(config->cert_file, config->key_file, &id, why);
    if (err != DOL_OK)
        return err;
    SSL_CTX *context = context_new(&id, why);
    if (context == NULL) {
        identity_fini(&id);
        return DOL_EINVAL;
    }
    report(config->cert_file, id.cert);
    __atomic_store_n(&config->expires_s, expiry_of(id.cert), __ATOMIC_RELAXED);
    pthread_mutex_lock(&config->mutex);
    struct identity old_id = config->identity;
    SSL_CTX *old = config->context;
    config->identity = id;
    config->context = context;
    config->made_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&config->mutex);
    identity_fini(&old_id);
    SSL_CTX_free(old);
    return DOL_OK;
}

enum dol_err tls_config_new(const char *cert_file, const char *key_file, struct tls_config **out, struct tls_why *why)
{
    struct tls_config *config = calloc(1, sizeof *config);
    explain(why, "out of memory");
    if (config == NULL)
        return DOL_ENOMEM;
    pthread_mutex_init(&config->mutex, NULL);
    config->cert_file = strdup(cert_file);
    config->key_file = strdup(key_file);
    enum dol_err err = config->cert_file == NULL || config->key_file == NULL ? DOL_ENOMEM : load(config, why);
    if (err != DOL_OK) {
        tls_config_free(config);
        return err;
    }
    *out = config;
    return DOL_OK;
}

void tls_config_free(struct tls_config *config)
{
    if (config == NULL)
        return;
    identity_fini(&config->identity);
    SSL_CTX_free(config->context);
    pthread_mutex_destroy(&config->mutex);
    free(config->cert_file);
    free(config->key_file);
    free(config);
}

enum dol_err tls_config_reload(struct tls_config *config, struct tls_why *why)
{
    return load(config, why);
}

int64_t tls_config_expires_s(const struct tls_config *config)
{
    return __atomic_load_n(&config->expires_s, __ATOMIC_RELAXED);
}

/* A new context for the same certificate: the key of tickets is as old as its context. Under the mutex. */
static void renew(struct tls_config *config)
{
    struct tls_why why;
    SSL_CTX *context = context_new(&config->identity, &why);
    config->made_ns = clock_monotonic_ns();
    if (context == NULL)
        return; /* tried again when this much time has passed once more */
    SSL_CTX_free(config->context);
    config->context = context;
}

SSL_CTX *tls_context_get(struct tls_config *config)
{
    pthread_mutex_lock(&config->mutex);
    if (clock_monotonic_ns() - config->made_ns > TLS_TICKET_KEY_LIFE_NS)
        renew(config);
    SSL_CTX *context = config->context;
    int rc = SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&config->mutex);
    dol_assert(rc == 1);
    return context;
}

void tls_context_put(SSL_CTX *context)
{
    SSL_CTX_free(context);
}

bool tls_context_signs_slowly(const SSL_CTX *context)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(context);
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) > RSA_BITS_QUICK_MAX;
}
