/* Health, readiness, metrics and status over real connections, with a store that only knows its status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin.h"
#include "log.h"
#include "server_fixture.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST "Host: archive\r\n"

/* ---- the store ---- */

static struct store_status status_now;
static pthread_mutex_t status_lock = PTHREAD_MUTEX_INITIALIZER;

/* No users are asked for here: tests/s3 asks for them on a whole appliance. */
enum dol_err store_setting_set(struct store *s, enum store_setting_kind kind, struct bytes name, struct bytes value)
{
    (void)s, (void)kind, (void)name, (void)value;
    return DOL_EREADONLY;
}

enum dol_err store_setting_list(struct store *s, enum store_setting_kind kind, store_setting_fn *fn, void *arg)
{
    (void)s, (void)kind, (void)fn, (void)arg;
    return DOL_OK;
}

void store_status_get(struct store *s, struct store_status *out)
{
    (void)s;
    pthread_mutex_lock(&status_lock);
    *out = status_now;
    pthread_mutex_unlock(&status_lock);
}

static struct store_scrub_status scrub_now; /* status_lock, as what follows */

const char *store_scrub_kind_name(enum store_scrub_kind kind)
{
    static const char *const names[SCRUB_KINDS] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    return names[kind];
}

enum dol_err store_scrub_start(struct store *s, uint64_t bandwidth_bytes_s)
{
    (void)s;
    pthread_mutex_lock(&status_lock);
    enum dol_err err = scrub_now.now.state == SCRUB_RUNNING ? DOL_EBUSY : DOL_OK;
    if (err == DOL_OK)
        scrub_now.now = (struct store_scrub_report){.state = SCRUB_RUNNING, .bandwidth_bytes_s = bandwidth_bytes_s};
    pthread_mutex_unlock(&status_lock);
    return err;
}

bool store_scrub_stop(struct store *s)
{
    (void)s;
    pthread_mutex_lock(&status_lock);
    bool ran = scrub_now.now.state == SCRUB_RUNNING;
    if (ran)
        scrub_now.now.state = SCRUB_STOPPED;
    pthread_mutex_unlock(&status_lock);
    return ran;
}

void store_scrub_status_get(struct store *s, struct store_scrub_status *out)
{
    (void)s;
    pthread_mutex_lock(&status_lock);
    *out = scrub_now;
    pthread_mutex_unlock(&status_lock);
}

/* The server's loop reads it, too. */
static void set_scrub(uint8_t state, const struct store_scrub_report *last)
{
    pthread_mutex_lock(&status_lock);
    scrub_now.now.state = state;
    if (last != NULL)
        scrub_now.last = *last;
    pthread_mutex_unlock(&status_lock);
}

static void expect_scrub(uint8_t state, uint64_t bandwidth_bytes_s)
{
    pthread_mutex_lock(&status_lock);
    uint8_t state_now = scrub_now.now.state;
    uint64_t bandwidth_now = scrub_now.now.bandwidth_bytes_s;
    pthread_mutex_unlock(&status_lock);
    assert_int_equal(state_now, state);
    assert_int_equal(bandwidth_now, bandwidth_bytes_s);
}

static void set_status(bool read_only, const char *reason, const char *drive_state)
{
    pthread_mutex_lock(&status_lock);
    status_now = (struct store_status){
        .pool_uuid = "00112233445566778899aabbccddeeff",
        .label = "we\"ird\\label",
        .k = 1,
        .m = 1,
        .read_only = read_only,
        .usable_bytes = 1u << 30,
        .drive_count = 2,
        .counters = {.puts = 7, .bytes_in = 12345},
    };
    snprintf(status_now.reason, sizeof status_now.reason, "%s", reason);
    for (unsigned i = 0; i < 2; i++) {
        struct store_drive_status *d = &status_now.drives[i];
        snprintf(d->path, sizeof d->path, "/drives/drive-%02u.img", i);
        snprintf(d->uuid, sizeof d->uuid, "%032u", i);
        snprintf(d->state, sizeof d->state, "%s", i == 0 ? "online" : drive_state);
    }
    pthread_mutex_unlock(&status_lock);
}

/* ---- fixture ---- */

static struct server_fixture fixture;
static struct admin *admin;

/* One listener plays both: requests with X-Socket come in as if over the socket. */
static void handler(void *arg, struct exchange *x)
{
    (void)arg;
    if (http1_header(x->request, "x-socket") != NULL) {
        admin_handle(admin, x);
    } else if (!admin_handle_public(admin, x)) {
        x->operation = "Other";
        if (exchange_begin(x, 418, NULL, 0, 0) != DOL_OK)
            x->must_close = true;
    }
}

static int start(void **state)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    (void)state;
    set_status(false, "", "online");
    server_fixture_make(&fixture, 2, &limits, handler, NULL);
    const struct admin_config config = {.server = fixture.server,
                                        .runtime = fixture.runtime,
                                        .endpoint = "http://127.0.0.1:1",
                                        .region = "us-east-1",
                                        .version = "1.2.3",
                                        .scrub_bytes_s = 12345};
    assert_int_equal(admin_new(&config, &admin), DOL_OK);
    server_fixture_run(&fixture);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_fixture_stop_begin(&fixture);
    server_fixture_stop(&fixture);
    admin_free(admin);
    return 0;
}

/* Sends "<method and target> HTTP/1.1" with more header lines; returns the response. */
static struct client_response ask(const char *what, const char *headers)
{
    char request[512];
    struct client_response r;
    int fd = client_connect(&fixture);
    snprintf(request, sizeof request, "%s HTTP/1.1\r\n" HOST "%s\r\n", what, headers);
    assert_true(client_send_text(fd, request));
    assert_true(client_receive(fd, strncmp(what, "HEAD", 4) == 0 ? CLIENT_EXPECT_NO_BODY : CLIENT_EXPECT_BODY, &r));
    assert_true(r.complete);
    close(fd);
    return r;
}

static unsigned status_code_of(const char *what, const char *headers)
{
    struct client_response r = ask(what, headers);
    unsigned status = r.status;
    client_response_fini(&r);
    return status;
}

static json_t *json_of(const struct client_response *r)
{
    json_t *doc = json_loadb((const char *)r->body, r->body_len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    return doc;
}

/* ---- tests ---- */

static void routes(void **state)
{
    (void)state;
    assert_int_equal(status_code_of("GET /healthz", ""), 200);
    assert_int_equal(status_code_of("HEAD /readyz", ""), 200);
    assert_int_equal(status_code_of("GET /metrics", ""), 200);
    /* Not these resources, or not meant for them: buckets and objects may have the same names. */
    assert_int_equal(status_code_of("GET /healthz?list-type=2", ""), 418);
    assert_int_equal(status_code_of("GET /healthz/", ""), 418);
    assert_int_equal(status_code_of("PUT /metrics", ""), 418);
    assert_int_equal(status_code_of("GET /metrics", "Authorization: AWS4-HMAC-SHA256 x\r\n"), 418);
    /* The status is for the socket only. */
    assert_int_equal(status_code_of("GET /v1/status", ""), 418);
    assert_int_equal(status_code_of("GET /v1/status", "X-Socket: 1\r\n"), 200);
    assert_int_equal(status_code_of("DELETE /v1/status", "X-Socket: 1\r\n"), 405);
    assert_int_equal(status_code_of("GET /v1/none", "X-Socket: 1\r\n"), 404);
    assert_int_equal(status_code_of("GET /metrics", "X-Socket: 1\r\n"), 200);
}

static void readiness_says_what_works(void **state)
{
    (void)state;
    set_status(true, "a drive is missing", "missing");
    struct client_response r = ask("GET /readyz", "");
    json_t *doc = json_of(&r);
    assert_int_equal(r.status, 200);
    assert_true(json_is_true(json_object_get(doc, "ready")));
    assert_true(json_is_true(json_object_get(doc, "reads")));
    assert_true(json_is_false(json_object_get(doc, "writes")));
    assert_string_equal(json_string_value(json_object_get(doc, "reason")), "a drive is missing");
    const json_t *alarms = json_object_get(doc, "alarms");
    assert_int_equal(json_array_size(alarms), 3);
    assert_string_equal(json_string_value(json_array_get(alarms, 0)), "degraded");
    assert_string_equal(json_string_value(json_array_get(alarms, 1)), "read_only");
    assert_string_equal(json_string_value(json_array_get(alarms, 2)), "drive_missing");
    json_decref(doc);
    client_response_fini(&r);
    set_status(false, "", "online");
}

static const char *pool_state(void)
{
    static char state[32];
    struct client_response r = ask("GET /v1/status", "X-Socket: 1\r\n");
    json_t *doc = json_of(&r);
    const json_t *pool = json_object_get(doc, "pool");
    snprintf(state, sizeof state, "%s", json_string_value(json_object_get(pool, "state")));
    json_decref(doc);
    client_response_fini(&r);
    return state;
}

static void status_tells_the_state(void **state)
{
    (void)state;
    set_status(false, "", "online");
    assert_string_equal(pool_state(), "online");
    set_status(false, "", "faulted");
    assert_string_equal(pool_state(), "degraded");
    set_status(false, "rebuild owed", "online");
    assert_string_equal(pool_state(), "degraded");
    set_status(true, "x", "missing");
    assert_string_equal(pool_state(), "read-only");
    /* Two of 1+1 are gone: some of the data is. */
    pthread_mutex_lock(&status_lock);
    snprintf(status_now.drives[0].state, sizeof status_now.drives[0].state, "missing");
    pthread_mutex_unlock(&status_lock);
    assert_string_equal(pool_state(), "faulted");
    set_status(false, "", "online");

    struct client_response r = ask("GET /v1/status", "X-Socket: 1\r\n");
    json_t *doc = json_of(&r);
    const json_t *pool = json_object_get(doc, "pool");
    assert_string_equal(json_string_value(json_object_get(pool, "label")), "we\"ird\\label");
    assert_int_equal(json_array_size(json_object_get(doc, "drives")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "counters"), "puts")), 7);
    assert_string_equal(json_string_value(json_object_get(json_object_get(doc, "server"), "version")), "1.2.3");
    json_decref(doc);
    client_response_fini(&r);
}

/* One sample: a name, optional labels with escaped values, one blank, a number. Returns the length of the name. */
static size_t check_sample(const char *line)
{
    size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    const char *at = line + name;
    assert_true(name > 0);
    if (*at == '{') {
        do {
            at++;
            size_t label = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
            assert_true(label > 0 && at[label] == '=' && at[label + 1] == '"');
            for (at += label + 2; *at != '"'; at++) {
                assert_true(*at != '\0' && *at != '\n');
                if (*at == '\\')
                    at++;
            }
            at++;
        } while (*at == ',');
        assert_int_equal(*at, '}');
        at++;
    }
    assert_int_equal(*at, ' ');
    char *end;
    (void)strtod(at + 1, &end);
    assert_true(end > at + 1 && *end == '\0');
    return name;
}

static unsigned long long number_after(const struct client_response *r, const char *text)
{
    const char *at = strstr((const char *)r->body, text);
    assert_non_null(at);
    return strtoull(at + strlen(text), NULL, 10);
}

/* Each family: HELP, TYPE, then its samples and nothing else; no family twice. */
static void metrics_are_well_formed(void **state)
{
    char family[128] = "";
    char seen[16384] = "\n";
    unsigned samples = 0;
    (void)state;
    assert_int_equal(status_code_of("GET /healthz", ""), 200);
    struct client_response r = ask("GET /metrics", "");
    assert_string_equal(client_header(&r, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_int_equal(r.body[r.body_len - 1], '\n');
    assert_non_null(strstr((const char *)r.body, "\ndolmen_http_requests_total{operation=\"Health\",code=\"200\"} "));
    assert_non_null(strstr((const char *)r.body, "\ndolmen_store_puts_total 7\n"));
    assert_non_null(strstr((const char *)r.body, "label=\"we\\\"ird\\\\label\""));
    assert_non_null(strstr((const char *)r.body, "\ndolmen_alarm{alarm=\"degraded\"} 0\n"));
    /* A histogram is cumulative: its last bucket is its count. */
    unsigned long long last =
        number_after(&r, "\ndolmen_http_request_duration_seconds_bucket{operation=\"Health\",le=\"+Inf\"} ");
    assert_true(last > 0);
    assert_int_equal(last, number_after(&r, "\ndolmen_http_request_duration_seconds_count{operation=\"Health\"} "));
    assert_int_equal(last, number_after(&r, "\ndolmen_http_requests_total{operation=\"Health\",code=\"200\"} "));
    for (char *save, *line = strtok_r((char *)r.body, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char name[128];
        char mark[140];
        if (sscanf(line, "# HELP %127s ", name) == 1) {
            snprintf(mark, sizeof mark, "\n%s\n", name);
            assert_null(strstr(seen, mark));
            size_t used = strlen(seen);
            snprintf(seen + used, sizeof seen - used, "%s\n", name);
            snprintf(family, sizeof family, "%s", name);
        } else if (sscanf(line, "# TYPE %127s ", name) == 1) {
            assert_string_equal(name, family);
        } else {
            size_t len = check_sample(line);
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            const char *suffix = line + strlen(family);
            assert_true(len == strlen(family) || strncmp(suffix, "_bucket{", 8) == 0 ||
                        strncmp(suffix, "_sum{", 5) == 0 || strncmp(suffix, "_count{", 7) == 0);
            samples++;
        }
    }
    assert_true(samples > 60);
    client_response_fini(&r);
}

static void scrubbing(void **state)
{
    (void)state;
    const char *socket = "X-Socket: 1\r\nContent-Length: 0\r\n";
    set_scrub(SCRUB_NEVER, NULL);
    assert_int_equal(status_code_of("POST /v1/scrub/start", "Content-Length: 0\r\n"), 418); /* not of the public */
    assert_int_equal(status_code_of("GET /v1/scrub/start", socket), 405);
    assert_int_equal(status_code_of("GET /v1/scrub/stop", socket), 405);
    assert_int_equal(status_code_of("POST /v1/scrub", socket), 405);
    static const char *const wrong[] = {
        "?", "?bandwidth=", "?bandwidth=x", "?bandwidth=1x", "?rate=1", "s", "?bandwidth=1234567890123456789"};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char what[96];
        snprintf(what, sizeof what, "POST /v1/scrub/start%s", wrong[i]);
        assert_int_equal(status_code_of(what, socket), 400);
    }
    expect_scrub(SCRUB_NEVER, 0);
    assert_int_equal(status_code_of("POST /v1/scrub/start", socket), 202);
    expect_scrub(SCRUB_RUNNING, 12345);
    assert_int_equal(status_code_of("POST /v1/scrub/start", socket), 409);
    assert_int_equal(status_code_of("POST /v1/scrub/stop", socket), 200);
    assert_int_equal(status_code_of("POST /v1/scrub/stop", socket), 200);
    assert_int_equal(status_code_of("POST /v1/scrub/start?bandwidth=0", socket), 202);
    expect_scrub(SCRUB_RUNNING, 0);
    assert_int_equal(status_code_of("POST /v1/scrub/stop", socket), 200);
    assert_int_equal(status_code_of("POST /v1/scrub/start?bandwidth=67108864", socket), 202);
    expect_scrub(SCRUB_RUNNING, 67108864);

    const struct store_scrub_report last_report = {
        .state = SCRUB_FINISHED,
        .started_ns = 1000000000,
        .ended_ns = 2000000000,
        .units = 77,
        .found = {[SCRUB_ROW_LOST] = 3},
        .unrecoverable = 3,
        .finding_count = 1,
        .findings = {{.kind = SCRUB_ROW_LOST, .slab = 0x10000002a, .row = 9}}};
    set_scrub(SCRUB_RUNNING, &last_report);
    struct client_response r = ask("GET /v1/scrub", "X-Socket: 1\r\n");
    assert_int_equal(r.status, 200);
    json_t *doc = json_of(&r);
    json_t *now = json_object_get(doc, "now"), *last = json_object_get(doc, "last");
    assert_string_equal(json_string_value(json_object_get(now, "state")), "running");
    assert_true(json_is_null(json_object_get(now, "started")));
    assert_string_equal(json_string_value(json_object_get(last, "state")), "finished");
    assert_string_equal(json_string_value(json_object_get(last, "ended")), "1970-01-01T00:00:02.000Z");
    assert_int_equal(json_integer_value(json_object_get(last, "units")), 77);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(last, "found"), "d")), 3);
    json_t *finding = json_array_get(json_object_get(last, "findings"), 0);
    assert_string_equal(json_string_value(json_object_get(finding, "slab")), "10000002a");
    assert_int_equal(json_integer_value(json_object_get(finding, "row")), 9);
    assert_null(json_object_get(finding, "drive"));
    json_decref(doc);
    client_response_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes),
        cmocka_unit_test(readiness_says_what_works),
        cmocka_unit_test(status_tells_the_state),
        cmocka_unit_test(metrics_are_well_formed),
        cmocka_unit_test(scrubbing),
    };
    log_set_level(LOG_LEVEL_WARN);
    return cmocka_run_group_tests(tests, start, stop);
}
