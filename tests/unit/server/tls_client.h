/* A blocking TLS client for the server under test, and certificates made on the spot. */
#ifndef DOL_TEST_TLS_CLIENT_H
#define DOL_TEST_TLS_CLIENT_H

#include "server_fixture.h"

#include <openssl/ssl.h>

/* A folder of its own, with certificates in PEM files. */
struct tls_files {
    char dir[64];
    char cert[96];
    char key[96];
};

enum tls_key_kind { TLS_KEY_EC, TLS_KEY_RSA_2048, TLS_KEY_RSA_3072 };

struct tls_cert_spec {
    enum tls_key_kind kind;
    const char *name;  /* CN, and DNS name */
    long from_s, to_s; /* validity, relative to now; 0, 0: from yesterday for 100 days */
};

void tls_files_make(struct tls_files *f);
void tls_files_remove(struct tls_files *f);
/* Writes a new self-signed certificate and its key in the place of what is there. */
void tls_files_write(const struct tls_files *f, const struct tls_cert_spec *spec);

struct tls_client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

/* Set up and connected, no handshake yet; settings may be made in between. No certificate is verified: tests look at
 * the one they get. */
void tls_client_make(struct tls_client *c, const struct server_fixture *f);
/* false: the handshake was refused. */
bool tls_client_handshake(struct tls_client *c);
/* Both; it has to succeed. */
void tls_client_connect(struct tls_client *c, const struct server_fixture *f);
/* Says goodbye, and frees. */
void tls_client_close(struct tls_client *c);
/* Frees without a word. */
void tls_client_drop(struct tls_client *c);

/* false: the server has closed. */
bool tls_client_send(struct tls_client *c, const void *data, size_t len);
bool tls_client_send_text(struct tls_client *c, const char *text);
/* As SSL_read(). */
ssize_t tls_client_receive_some(struct tls_client *c, void *buf, size_t len);
bool tls_client_receive(struct tls_client *c, enum client_expect expect, struct client_response *out);
/* What comes next: a close_notify, an end without one, or (a failure) more bytes. */
enum tls_end { TLS_END_CLEAN, TLS_END_CUT, TLS_END_NOT };
enum tls_end tls_client_end_of(struct tls_client *c);
/* The CN of the server's certificate. Static buffer. */
const char *tls_client_peer_name(struct tls_client *c);

#endif
