/* TLS connections: what is offered and what refused, bytes through records, ends, pipelining, resumption, slow clients,
 * rest, and the change of the certificate under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"
#include "log.h"
#include "tls.h"
#include "tls_client.h"

#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST        "Host: archive\r\n"
#define MS_NS       1000000ull
#define BIG_BYTES   (3u << 20)
#define PATTERN_MOD 251u

static struct tls_files files;
static struct tls_config *config;
static struct server_fixture fixture;
static uint8_t *big; /* BIG_BYTES of a pattern that no record or buffer size divides */
static bool gate_open;
static bool gate_entered;
static enum dol_err body_result;

/* ---- the handler: what to do is in the path ---- */

static bool target_is(const struct exchange *x, const char *target)
{
    return bytes_equal_str(x->request->target, target);
}

static void reply(struct exchange *x, unsigned status, const char *text)
{
    if (exchange_begin(x, status, NULL, 0, strlen(text)) == DOL_OK)
        (void)exchange_write(x, text, strlen(text));
}

static void digest_body(struct exchange *x)
{
    char text[64];
    uint32_t crc = 0;
    struct bytes piece;
    enum dol_err err;
    while ((err = exchange_body_read(x, &piece)) == DOL_OK && piece.len > 0)
        crc = crc32c(crc, piece.data, piece.len);
    __atomic_store_n(&body_result, err, __ATOMIC_SEQ_CST);
    snprintf(text, sizeof text, "%llu %08x", (unsigned long long)x->bytes_in, crc);
    reply(x, err == DOL_OK ? 200 : 400, err == DOL_OK ? text : dol_err_name(err));
}

/* "/bytes/N/P": N bytes in pieces of P. */
static void send_bytes(struct exchange *x)
{
    char text[64];
    unsigned n = 0;
    unsigned piece = 0;
    assert_true(x->request->target.len < sizeof text);
    memcpy(text, x->request->target.data, x->request->target.len);
    text[x->request->target.len] = '\0';
    assert_int_equal(sscanf(text, "/bytes/%u/%u", &n, &piece), 2);
    if (exchange_begin(x, 200, NULL, 0, n) != DOL_OK)
        return;
    for (unsigned at = 0; at < n; at += piece)
        if (exchange_write(x, big + at, n - at < piece ? n - at : piece) != DOL_OK)
            return;
}

static void send_around_gate(struct exchange *x)
{
    if (exchange_begin(x, 200, NULL, 0, BIG_BYTES) != DOL_OK || exchange_write(x, big, BIG_BYTES / 2) != DOL_OK)
        return;
    __atomic_store_n(&gate_entered, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&gate_open, __ATOMIC_SEQ_CST))
        fiber_sleep(MS_NS);
    (void)exchange_write(x, big + BIG_BYTES / 2, BIG_BYTES - BIG_BYTES / 2);
}

static void send_without_end(struct exchange *x)
{
    if (exchange_begin(x, 200, NULL, 0, UINT64_C(1) << 40) != DOL_OK)
        return;
    while (exchange_write(x, big, BIG_BYTES) == DOL_OK)
        ;
}

static void handler(void *arg, struct exchange *x)
{
    (void)arg;
    x->operation = "Test";
    if (target_is(x, "/digest")) {
        digest_body(x);
    } else if (x->request->target.len > 7 && memcmp(x->request->target.data, "/bytes/", 7) == 0) {
        send_bytes(x);
    } else if (target_is(x, "/gate")) {
        send_around_gate(x);
    } else if (target_is(x, "/endless")) {
        send_without_end(x);
    } else if (target_is(x, "/cut")) {
        if (exchange_begin(x, 200, NULL, 0, 10) == DOL_OK)
            (void)exchange_write(x, "01234", 5);
        x->must_close = true;
    } else {
        reply(x, 200, x->tls ? "tls" : "plain");
    }
}

/* ---- fixture ---- */

static void start_with(const struct server_limits *limits, const struct tls_cert_spec *spec)
{
    struct tls_why why;
    gate_open = gate_entered = false;
    tls_files_make(&files);
    tls_files_write(&files, spec);
    assert_int_equal(tls_config_new(files.cert, files.key, &config, &why), DOL_OK);
    const struct server_service service = {.handler = handler, .tls = config};
    server_fixture_make_service(&fixture, 1, limits, &service);
    server_fixture_run(&fixture);
}

static void start(const struct server_limits *limits)
{
    static const struct tls_cert_spec spec = {.kind = TLS_KEY_EC, .name = "first"};
    start_with(limits, &spec);
}

static void start_usual(void)
{
    static const struct server_limits limits = SERVER_LIMITS_DEFAULT;
    start(&limits);
}

static void stop(void)
{
    server_fixture_stop_begin(&fixture);
    server_fixture_stop(&fixture);
    tls_config_free(config);
    tls_files_remove(&files);
}

static struct server_stats stats(void)
{
    struct server_stats s;
    server_stats_get(fixture.server, &s);
    return s;
}

static void expect_response(struct tls_client *c, unsigned status, const char *body)
{
    struct client_response r;
    assert_true(tls_client_receive(c, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, status);
    assert_true(r.complete);
    assert_string_equal((const char *)r.body, body);
    client_response_fini(&r);
}

static void expect_hello(struct tls_client *c)
{
    assert_true(tls_client_send_text(c, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    expect_response(c, 200, "tls");
}

static void expect_digest(struct tls_client *c, const void *data, size_t len)
{
    char text[64];
    snprintf(text, sizeof text, "%zu %08x", len, crc32c(0, data, len));
    expect_response(c, 200, text);
}

/* ---- what is offered ---- */

static void both_versions_are_offered(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    start_usual();
    for (size_t i = 0; i < 2; i++) {
        struct tls_client c;
        tls_client_make(&c, &fixture);
        assert_int_equal(SSL_set_min_proto_version(c.ssl, versions[i]), 1);
        assert_int_equal(SSL_set_max_proto_version(c.ssl, versions[i]), 1);
        assert_true(tls_client_handshake(&c));
        assert_int_equal(SSL_version(c.ssl), versions[i]);
        assert_string_equal(SSL_get_cipher_name(c.ssl),
                            i == 0 ? "ECDHE-ECDSA-AES256-GCM-SHA384" : "TLS_AES_256_GCM_SHA384");
        assert_null(SSL_get_current_compression(c.ssl));
        assert_string_equal(tls_client_peer_name(&c), "first");
        expect_hello(&c);
        tls_client_close(&c);
    }
    assert_int_equal(stats().tls_1_2, 1);
    assert_int_equal(stats().tls_1_3, 1);
    assert_int_equal(stats().tls_failed, 0);
    stop();
}

static void old_versions_and_ciphers_are_refused(void **state)
{
    static const char *const ciphers[] = {"ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "AES256-GCM-SHA384",
                                          "DHE-RSA-AES256-GCM-SHA384"};
    struct tls_client c;
    (void)state;
    start_usual();
    tls_client_make(&c, &fixture);
    assert_int_equal(SSL_set_min_proto_version(c.ssl, TLS1_VERSION), 1);
    assert_int_equal(SSL_set_max_proto_version(c.ssl, TLS1_1_VERSION), 1);
    assert_false(tls_client_handshake(&c));
    tls_client_drop(&c);
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
        tls_client_make(&c, &fixture);
        assert_int_equal(SSL_set_max_proto_version(c.ssl, TLS1_2_VERSION), 1);
        assert_int_equal(SSL_set_cipher_list(c.ssl, ciphers[i]), 1);
        assert_false(tls_client_handshake(&c));
        tls_client_drop(&c);
    }
    WAIT_FOR(stats().tls_failed == 1 + sizeof ciphers / sizeof ciphers[0]);
    assert_int_equal(stats().tls_1_2 + stats().tls_1_3, 0);
    stop();
}

static void protocol_is_http_1_1(void **state)
{
    struct tls_client c;
    const unsigned char *chosen;
    unsigned len;
    (void)state;
    start_usual();
    tls_client_make(&c, &fixture);
    assert_int_equal(SSL_set_alpn_protos(c.ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12), 0);
    assert_true(tls_client_handshake(&c));
    SSL_get0_alpn_selected(c.ssl, &chosen, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    tls_client_close(&c);
    tls_client_make(&c, &fixture);
    assert_int_equal(SSL_set_alpn_protos(c.ssl, (const unsigned char *)"\x02h2", 3), 0);
    assert_false(tls_client_handshake(&c));
    tls_client_drop(&c);
    stop();
}

static void renegotiation_is_refused(void **state)
{
    struct tls_client c;
    (void)state;
    start_usual();
    tls_client_make(&c, &fixture);
    assert_int_equal(SSL_set_max_proto_version(c.ssl, TLS1_2_VERSION), 1);
    assert_true(tls_client_handshake(&c));
    expect_hello(&c);
    assert_int_equal(SSL_renegotiate(c.ssl), 1);
    ERR_clear_error();
    assert_int_not_equal(SSL_do_handshake(c.ssl), 1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    tls_client_drop(&c);
    stop();
}

/* Ticket by ticket: the session is taken after data came, as TLS 1.3 sends tickets after the handshake. */
static void sessions_are_resumed(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    start_usual();
    for (size_t i = 0; i < 2; i++) {
        struct tls_client c;
        tls_client_make(&c, &fixture);
        assert_int_equal(SSL_set_max_proto_version(c.ssl, versions[i]), 1);
        assert_true(tls_client_handshake(&c));
        expect_hello(&c);
        SSL_SESSION *session = SSL_get1_session(c.ssl);
        assert_int_equal(SSL_SESSION_is_resumable(session), 1);
        tls_client_close(&c);
        tls_client_make(&c, &fixture);
        assert_int_equal(SSL_set_max_proto_version(c.ssl, versions[i]), 1);
        assert_int_equal(SSL_set_session(c.ssl, session), 1);
        assert_true(tls_client_handshake(&c));
        assert_int_equal(SSL_session_reused(c.ssl), 1);
        expect_hello(&c);
        tls_client_close(&c);
        SSL_SESSION_free(session);
    }
    assert_int_equal(stats().tls_resumed, 2);
    stop();
}

static void slow_keys_sign_on_another_thread(void **state)
{
    static const struct tls_cert_spec spec = {.kind = TLS_KEY_RSA_3072, .name = "rsa"};
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct tls_client c;
    (void)state;
    start_with(&limits, &spec);
    tls_client_connect(&c, &fixture);
    expect_hello(&c);
    tls_client_close(&c);
    tls_client_make(&c, &fixture);
    assert_int_equal(SSL_set_max_proto_version(c.ssl, TLS1_1_VERSION), 1);
    assert_false(tls_client_handshake(&c));
    tls_client_drop(&c);
    stop();
}

/* ---- bytes ---- */

static void bodies_of_all_sizes_pass_both_ways(void **state)
{
    static const unsigned sizes[] = {1,     2,     4095,   4096,   4097,   16383,          16384,    16385,    65535,
                                     65536, 65537, 131071, 131072, 131073, (1u << 20) - 1, 1u << 20, BIG_BYTES};
    static const unsigned pieces[] = {1000, 16384, 100000, BIG_BYTES};
    char head[128];
    struct tls_client c;
    (void)state;
    start_usual();
    tls_client_connect(&c, &fixture);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(head, sizeof head, "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: %u\r\n\r\n", sizes[i]);
        assert_true(tls_client_send_text(&c, head));
        assert_true(tls_client_send(&c, big, sizes[i]));
        expect_digest(&c, big, sizes[i]);
        for (size_t j = 0; j < sizeof pieces / sizeof pieces[0]; j++) {
            struct client_response r;
            snprintf(head, sizeof head, "GET /bytes/%u/%u HTTP/1.1\r\n" HOST "\r\n", sizes[i], pieces[j]);
            assert_true(tls_client_send_text(&c, head));
            assert_true(tls_client_receive(&c, CLIENT_EXPECT_BODY, &r));
            assert_true(r.complete);
            assert_int_equal(r.body_len, sizes[i]);
            assert_memory_equal(r.body, big, sizes[i]);
            client_response_fini(&r);
        }
    }
    tls_client_close(&c);
    stop();
}

static void full_records_leave_together(void **state)
{
    struct tls_client c;
    uint8_t *buf = malloc(BIG_BYTES);
    unsigned records = 0;
    size_t got = 0;
    (void)state;
    assert_non_null(buf);
    start_usual();
    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "GET /bytes/1000000/1000000 HTTP/1.1\r\n" HOST "\r\n"));
    /* SSL_read() gives one record at a time. Head and body together fill all but the last. */
    while (got < 1000000) {
        int n = (int)tls_client_receive_some(&c, buf, BIG_BYTES);
        assert_true(n > 0);
        got += (size_t)n;
        records++;
        if (got < 1000000)
            assert_int_equal(n, TLS_RECORD_BYTES);
    }
    assert_int_equal(records, got / TLS_RECORD_BYTES + 1);
    free(buf);
    tls_client_close(&c);
    stop();
}

static void small_responses_are_one_record(void **state)
{
    struct tls_client c;
    char text[4096];
    (void)state;
    start_usual();
    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    int n = (int)tls_client_receive_some(&c, text, sizeof text);
    assert_true(n > 10);
    assert_memory_equal(text, "HTTP/1.1 200", 12);
    assert_memory_equal(text + n - 7, "\r\n\r\ntls", 7);
    tls_client_close(&c);
    stop();
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    static const char requests[] = "GET /bytes/5/5 HTTP/1.1\r\n" HOST "\r\n"
                                   "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                                   "GET /bytes/20000/7000 HTTP/1.1\r\n" HOST "\r\n"
                                   "PUT /digest HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                   "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                                   "GET /last HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
                                   "GET /never HTTP/1.1\r\n" HOST "\r\n";
    static const size_t steps[] = {sizeof requests - 1, 100, 7, 1};
    (void)state;
    start_usual();
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct tls_client c;
        struct client_response r;
        tls_client_connect(&c, &fixture);
        for (size_t at = 0; at < sizeof requests - 1; at += steps[i]) {
            size_t n = sizeof requests - 1 - at < steps[i] ? sizeof requests - 1 - at : steps[i];
            (void)tls_client_send(&c, requests + at, n); /* the end may come after the server's close */
        }
        for (unsigned j = 0; j < 3; j += 2) {
            unsigned len = j == 0 ? 5 : 20000;
            assert_true(tls_client_receive(&c, CLIENT_EXPECT_BODY, &r));
            assert_int_equal(r.body_len, len);
            assert_memory_equal(r.body, big, len);
            client_response_fini(&r);
            expect_digest(&c, j == 0 ? "abc" : "def", 3);
        }
        expect_response(&c, 200, "tls");
        assert_int_equal(tls_client_end_of(&c), TLS_END_CLEAN);
        tls_client_drop(&c);
    }
    stop();
}

/* ---- ends ---- */

static void ends_are_said_and_cuts_are_seen(void **state)
{
    struct tls_client c;
    struct client_response r;
    (void)state;
    start_usual();
    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    expect_response(&c, 200, "tls");
    assert_int_equal(tls_client_end_of(&c), TLS_END_CLEAN);
    tls_client_drop(&c);

    /* A client's close_notify is answered with one. */
    tls_client_connect(&c, &fixture);
    expect_hello(&c);
    assert_int_equal(SSL_shutdown(c.ssl), 0);
    assert_int_equal(tls_client_end_of(&c), TLS_END_CLEAN);
    tls_client_drop(&c);

    /* A response that could not be completed has no clean end. */
    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "GET /cut HTTP/1.1\r\n" HOST "\r\n"));
    if (tls_client_receive(&c, CLIENT_EXPECT_BODY, &r)) {
        assert_false(r.complete);
        client_response_fini(&r);
    }
    assert_int_equal(tls_client_end_of(&c), TLS_END_CUT);
    tls_client_drop(&c);
    stop();
}

static void truncated_bodies_are_errors(void **state)
{
    (void)state;
    start_usual();
    for (unsigned said_goodbye = 0; said_goodbye < 2; said_goodbye++) {
        struct tls_client c;
        __atomic_store_n(&body_result, DOL_OK, __ATOMIC_SEQ_CST);
        tls_client_connect(&c, &fixture);
        assert_true(tls_client_send_text(&c, "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345"));
        if (said_goodbye)
            (void)SSL_shutdown(c.ssl);
        tls_client_drop(&c);
        WAIT_FOR(__atomic_load_n(&body_result, __ATOMIC_SEQ_CST) == DOL_ELENGTH);
    }
    stop();
}

/* ---- what is not TLS ---- */

static void plain_http_is_told(void **state)
{
    struct client_response r;
    (void)state;
    start_usual();
    int fd = client_connect(&fixture);
    assert_true(client_send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_receive(fd, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 400);
    assert_non_null(strstr((const char *)r.body, "This port speaks TLS only"));
    assert_string_equal(client_header(&r, "Connection"), "close");
    assert_non_null(client_header(&r, "x-amz-request-id"));
    client_response_fini(&r);
    assert_true(client_at_end(fd));
    close(fd);
    assert_int_equal(stats().tls_failed, 1);
    stop();
}

static void garbage_ends_the_connection(void **state)
{
    /* No record; a record of another type; a ClientHello's beginning that goes wrong in several ways. */
    static const struct {
        const char *bytes;
        size_t len;
    } garbage[] = {
        {"\0\0\0\0\0\0\0\0", 8},
        {"\x17\x03\x03\x00\x05hello", 10},
        {"\x16\x03\x01\xff\xff\x01", 6},
        {"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10},
        {"\x16\x03\x01\x00\x09\x01\x00\x00\x05\x03\x03\x01\x02\x03", 14},
        {"\x16\x09\x01\x00\x01\x01", 6},
    };
    (void)state;
    start_usual();
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        char byte;
        ssize_t n;
        int fd = client_connect(&fixture);
        assert_true(client_send(fd, garbage[i].bytes, garbage[i].len));
        /* An alert may come, then the end. */
        do
            n = recv(fd, &byte, 1, 0);
        while (n > 0);
        close(fd);
    }
    WAIT_FOR(stats().tls_failed == sizeof garbage / sizeof garbage[0]);
    struct tls_client c;
    tls_client_connect(&c, &fixture);
    expect_hello(&c);
    /* And after the handshake. */
    assert_int_equal(send(c.fd, "\x17\x03\x03\x00\x20 this was never sealed by anyone", 37, MSG_NOSIGNAL), 37);
    assert_int_equal(tls_client_end_of(&c), TLS_END_CUT);
    tls_client_drop(&c);
    stop();
}

/* ---- slow clients ---- */

static void stalled_handshakes_time_out(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    limits.handshake_timeout_ns = 50 * MS_NS;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    int fd = client_connect(&fixture);
    assert_true(client_send(fd, "\x16\x03\x01\x02\x00\x01\x00", 7));
    assert_true(client_at_end(fd));
    close(fd);
    assert_int_equal(stats().tls_failed, 1);
    assert_int_equal(stats().timed_out, 1);

    /* A byte now and then does not help. */
    fd = client_connect(&fixture);
    assert_true(client_send(fd, "\x16\x03\x01\x3f\x00\x01", 6));
    WAIT_FOR(!client_send(fd, "\0", 1) || stats().tls_failed == 2);
    assert_int_equal(stats().timed_out, 2);
    close(fd);

    /* Nothing at all. */
    fd = client_connect(&fixture);
    assert_true(client_at_end(fd));
    close(fd);
    stop();
}

static void slow_heads_and_bodies_time_out(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct tls_client c;
    (void)state;
    limits.head_timeout_ns = 50 * MS_NS;
    limits.body_timeout_ns = 50 * MS_NS;
    limits.rest_after_ns = 5 * MS_NS;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "GET /hello HTTP/1.1\r\nX-A"));
    struct client_response r;
    assert_true(tls_client_receive(&c, CLIENT_EXPECT_BODY, &r));
    assert_int_equal(r.status, 408);
    client_response_fini(&r);
    assert_int_equal(tls_client_end_of(&c), TLS_END_CLEAN);
    tls_client_drop(&c);

    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345"));
    expect_response(&c, 400, "ETIMEDOUT");
    tls_client_drop(&c);

    /* The beginning of a record, which promises more: its time is that of a head. */
    tls_client_connect(&c, &fixture);
    expect_hello(&c);
    WAIT_FOR(stats().fibers == 0);
    assert_int_equal(send(c.fd, "\x17\x03\x03", 3, MSG_NOSIGNAL), 3);
    assert_int_equal(tls_client_end_of(&c), TLS_END_CLEAN);
    tls_client_drop(&c);
    stop();
}

/* Parts of a record are no body bytes: they don't prolong the wait. */
static void dripping_records_time_out(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct tls_client c;
    (void)state;
    limits.body_timeout_ns = 50 * MS_NS;
    start(&limits);
    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "PUT /digest HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n"));
    assert_int_equal(send(c.fd, "\x17\x03\x03\x40\x00", 5, MSG_NOSIGNAL), 5);
    WAIT_FOR(send(c.fd, "", 1, MSG_NOSIGNAL) < 0 || stats().timed_out == 1);
    expect_response(&c, 400, "ETIMEDOUT");
    tls_client_drop(&c);
    stop();
}

static void client_that_does_not_read_is_cut(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct tls_client c;
    (void)state;
    limits.send_timeout_ns = 30 * MS_NS;
    start(&limits);
    tls_client_connect(&c, &fixture);
    assert_true(tls_client_send_text(&c, "GET /endless HTTP/1.1\r\n" HOST "\r\n"));
    WAIT_FOR(stats().timed_out == 1 && stats().active == 0);
    tls_client_drop(&c);
    stop();
}

static void idle_connections_are_told_goodbye(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct tls_client c;
    (void)state;
    limits.idle_timeout_ns = 30 * MS_NS;
    limits.rest_after_ns = 5 * MS_NS;
    limits.sweep_ns = 5 * MS_NS;
    start(&limits);
    tls_client_connect(&c, &fixture);
    expect_hello(&c);
    assert_int_equal(tls_client_end_of(&c), TLS_END_CLEAN);
    assert_int_equal(stats().timed_out, 0);
    tls_client_drop(&c);
    stop();
}

/* ---- rest ---- */

static void resting_connections_hold_no_buffers(void **state)
{
    enum { CLIENTS = 20 };
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct tls_client c[CLIENTS];
    (void)state;
    limits.rest_after_ns = 10 * MS_NS;
    start(&limits);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (round == 0)
                tls_client_connect(&c[i], &fixture);
            expect_hello(&c[i]);
        }
        WAIT_FOR(stats().fibers == 0);
        assert_int_equal(stats().active, CLIENTS);
        assert_int_equal(stats().tls_buffers, 0);
        assert_int_equal(stats().workspaces, 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        tls_client_close(&c[i]);
    WAIT_FOR(stats().active == 0);
    stop();
}

/* ---- the certificate ---- */

static void new_certificate_comes_without_a_break(void **state)
{
    static const struct tls_cert_spec second = {.kind = TLS_KEY_EC, .name = "second"};
    struct tls_client old;
    struct tls_client fresh;
    struct tls_why why;
    (void)state;
    start_usual();
    tls_client_connect(&old, &fixture);
    assert_true(tls_client_send_text(&old, "GET /gate HTTP/1.1\r\n" HOST "\r\n"));
    /* The head, and some of the body, so that the handler gets to the gate. */
    uint8_t *body = malloc(BIG_BYTES + 8192);
    assert_non_null(body);
    size_t got = 0;
    while (got < BIG_BYTES / 2) {
        ssize_t n = tls_client_receive_some(&old, body + got, BIG_BYTES / 2 - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    WAIT_FOR(__atomic_load_n(&gate_entered, __ATOMIC_SEQ_CST));

    tls_files_write(&files, &second);
    assert_int_equal(tls_config_reload(config, &why), DOL_OK);
    tls_client_connect(&fresh, &fixture);
    assert_string_equal(tls_client_peer_name(&fresh), "second");
    expect_hello(&fresh);
    tls_client_close(&fresh);

    /* One that is no good changes nothing. */
    FILE *f = fopen(files.cert, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(tls_config_reload(config, &why), DOL_EINVAL);
    assert_non_null(strstr(why.text, "holds no certificate"));
    tls_client_connect(&fresh, &fixture);
    assert_string_equal(tls_client_peer_name(&fresh), "second");
    tls_client_close(&fresh);

    __atomic_store_n(&gate_open, true, __ATOMIC_SEQ_CST);
    size_t head = (size_t)((uint8_t *)strstr((char *)body, "\r\n\r\n") + 4 - body);
    while (got < BIG_BYTES + head) {
        ssize_t n = tls_client_receive_some(&old, body + got, BIG_BYTES + 8192 - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_int_equal(got, BIG_BYTES + head);
    assert_memory_equal(body + head, big, BIG_BYTES);
    free(body);
    assert_string_equal(tls_client_peer_name(&old), "first");
    expect_hello(&old);
    tls_client_close(&old);
    stop();
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void expect_refused(const struct tls_files *f, const char *why_part)
{
    struct tls_config *none = NULL;
    struct tls_why why;
    assert_int_equal(tls_config_new(f->cert, f->key, &none, &why), DOL_EINVAL);
    if (strstr(why.text, why_part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, why_part);
}

static void bad_files_are_explained(void **state)
{
    static const struct tls_cert_spec spec = {.kind = TLS_KEY_EC, .name = "first"};
    struct tls_files f;
    struct tls_files other;
    (void)state;
    tls_files_make(&f);
    tls_files_make(&other);
    expect_refused(&f, "cannot read the TLS certificate");
    tls_files_write(&f, &spec);
    tls_files_write(&other, &spec);

    struct tls_files mixed = f;
    memcpy(mixed.key, other.key, sizeof mixed.key);
    expect_refused(&mixed, "does not match the certificate");
    snprintf(mixed.key, sizeof mixed.key, "%s/none", f.dir);
    expect_refused(&mixed, "cannot read the TLS key");
    memcpy(mixed.key, f.cert, sizeof mixed.key);
    expect_refused(&mixed, "holds no private key");
    memcpy(mixed.cert, f.key, sizeof mixed.cert);
    expect_refused(&mixed, "holds no certificate");

    write_text(f.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect_refused(&f, "is damaged");
    tls_files_write(&f, &spec);
    write_text(f.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    expect_refused(&f, "or a damaged one");

    /* With a passphrase. */
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *out = fopen(f.key, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
    assert_int_equal(fclose(out), 0);
    EVP_PKEY_free(key);
    expect_refused(&f, "protected by a passphrase");
    tls_files_remove(&f);
    tls_files_remove(&other);
}

static void expired_certificate_is_served(void **state)
{
    static const struct tls_cert_spec spec = {.kind = TLS_KEY_RSA_2048, .name = "old", .from_s = -7200, .to_s = -3600};
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    struct tls_client c;
    (void)state;
    start_with(&limits, &spec);
    int64_t now_s = (int64_t)time(NULL);
    assert_true(tls_config_expires_s(config) <= now_s - 3599 && tls_config_expires_s(config) >= now_s - 3700);
    tls_client_connect(&c, &fixture);
    expect_hello(&c);
    tls_client_close(&c);
    stop();
}

static int make_pattern(void **state)
{
    (void)state;
    big = malloc(BIG_BYTES);
    if (big == NULL)
        return -1;
    for (size_t i = 0; i < BIG_BYTES; i++)
        big[i] = (uint8_t)(i % PATTERN_MOD + i / 65536);
    return 0;
}

static int free_pattern(void **state)
{
    (void)state;
    free(big);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_are_offered),
        cmocka_unit_test(old_versions_and_ciphers_are_refused),
        cmocka_unit_test(protocol_is_http_1_1),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(slow_keys_sign_on_another_thread),
        cmocka_unit_test(bodies_of_all_sizes_pass_both_ways),
        cmocka_unit_test(full_records_leave_together),
        cmocka_unit_test(small_responses_are_one_record),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(ends_are_said_and_cuts_are_seen),
        cmocka_unit_test(truncated_bodies_are_errors),
        cmocka_unit_test(plain_http_is_told),
        cmocka_unit_test(garbage_ends_the_connection),
        cmocka_unit_test(stalled_handshakes_time_out),
        cmocka_unit_test(slow_heads_and_bodies_time_out),
        cmocka_unit_test(dripping_records_time_out),
        cmocka_unit_test(client_that_does_not_read_is_cut),
        cmocka_unit_test(idle_connections_are_told_goodbye),
        cmocka_unit_test(resting_connections_hold_no_buffers),
        cmocka_unit_test(new_certificate_comes_without_a_break),
        cmocka_unit_test(bad_files_are_explained),
        cmocka_unit_test(expired_certificate_is_served),
    };
    static const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL); /* OpenSSL writes to sockets that the server has closed */
    log_set_level(LOG_LEVEL_OFF);
    return cmocka_run_group_tests(tests, make_pattern, free_pattern);
}
