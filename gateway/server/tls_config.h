/*
 * What new TLS connections are given: certificate, key, and the parameters offered. Replaced as a whole by a reload;
 * connections keep what they began with.
 *
 * Offered: TLS 1.2 and 1.3; ephemeral elliptic-curve key exchange and AEAD ciphers only, AES-256 first (images stay
 * confidential for a lifetime, so what is recorded today must not be read later); ALPN http/1.1; resumption by
 * stateless tickets, whose key lives TLS_TICKET_KEY_LIFE_NS at most. No compression, no renegotiation, no early data.
 */
#ifndef DOL_TLS_CONFIG_H
#define DOL_TLS_CONFIG_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#define TLS_TICKET_KEY_LIFE_NS (UINT64_C(12) * 3600 * 1000000000)
#define TLS_TICKET_LIFE_S      7200
#define TLS_EXPIRY_WARNING_S   (INT64_C(14) * 86400) /* how long before its end a certificate is warned of */

struct ssl_ctx_st;
struct tls_config;

/* What is wrong and what to do, for a person. */
struct tls_why {
    char text[1024];
};

/*
 * Reads the PEM files: the server's certificate first, then the chain; the key without a passphrase. The paths are
 * copied. Blocks. An expired certificate, or a key file that others can read, is a warning in the log; any error has
 * been explained: EINVAL, ENOMEM.
 */
DOL_MUST_CHECK enum dol_err tls_config_new(const char *cert_file, const char *key_file, struct tls_config **out,
                                           struct tls_why *why);
/* No connection is being accepted with it; connections that were live on. */
void tls_config_free(struct tls_config *config);

/* Reads the files again; when anything is wrong, what was loaded before stays. Blocks. Any thread. */
DOL_MUST_CHECK enum dol_err tls_config_reload(struct tls_config *config, struct tls_why *why);

/* The end of the certificate's validity, seconds since 1970. Any thread. */
int64_t tls_config_expires_s(const struct tls_config *config);

/* The present parameters, with a reference that the caller returns. Any thread. */
struct ssl_ctx_st *tls_context_get(struct tls_config *config);
void tls_context_put(struct ssl_ctx_st *context);
/* Whether a signature with this key takes so long that it belongs on an offload thread. */
bool tls_context_signs_slowly(const struct ssl_ctx_st *context);

#endif
