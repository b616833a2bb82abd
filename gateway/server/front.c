/* See front.h. */
#include "front.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define FIBERS_TOTAL_MAX   4096u /* connections worked on, shared out among the loops, for memory's sake */
#define FIBERS_LOOP_MIN    256u
#define REQUESTS_TOTAL_MAX 1024u /* requests answered at once, likewise */
#define REQUESTS_LOOP_MIN  64u
#define FILES_RESERVED     512u /* beside connections: drives, index, listeners, rings, tools */
#define CONNECTIONS_MIN    64u
#define ENDPOINT_WAIT_NS   (3 * SERVER_SECOND_NS)
#define ENDPOINT_RETRY_NS  (SERVER_SECOND_NS / 20)

static enum dol_err fail(struct front_why *why, enum dol_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum dol_err fail(struct front_why *why, enum dol_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return err;
}

/* ---- limits ---- */

static unsigned share_of(unsigned total, unsigned loops, unsigned min, unsigned max)
{
    unsigned share = total / loops;
    return share < min ? min : share > max ? max : share;
}

static void set_timeout(uint64_t *timeout_ns, unsigned s)
{
    if (s > 0)
        *timeout_ns = s * SERVER_SECOND_NS;
}

/* Each connection is a file; better fewer connections than drives that cannot be opened. How many files there have to
 * be for limits->connections_max, which is lowered when there are fewer. */
static uint64_t fit_open_files(struct server_limits *limits, unsigned loops)
{
    struct rlimit files;
    uint64_t beside = FILES_RESERVED + SERVER_RESERVED_MAX + (uint64_t)limits->refusals_max * loops;
    uint64_t wanted = beside + limits->connections_max;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return wanted;
    uint64_t left = files.rlim_cur > beside + CONNECTIONS_MIN ? files.rlim_cur - beside : CONNECTIONS_MIN;
    if (left < limits->connections_max)
        limits->connections_max = (unsigned)left;
    return wanted;
}

static struct server_limits limits_wanted(const struct options *options, unsigned loops)
{
    struct server_limits limits = SERVER_LIMITS_DEFAULT;
    const struct option_limits *l = &options->limits;
    limits.fibers_max = share_of(FIBERS_TOTAL_MAX, loops, FIBERS_LOOP_MIN, limits.fibers_max);
    limits.requests_max = share_of(REQUESTS_TOTAL_MAX, loops, REQUESTS_LOOP_MIN, limits.requests_max);
    limits.request_queue_max = limits.requests_max / 2;
    if (l->connections > 0)
        limits.connections_max = l->connections;
    set_timeout(&limits.idle_timeout_ns, l->idle_timeout_s);
    set_timeout(&limits.head_timeout_ns, l->head_timeout_s);
    set_timeout(&limits.body_timeout_ns, l->body_timeout_s);
    set_timeout(&limits.send_timeout_ns, l->send_timeout_s);
    set_timeout(&limits.stop_timeout_ns, l->stop_timeout_s);
    if (l->rate_bytes_min > 0)
        limits.body_rate_min = limits.send_rate_min = l->rate_bytes_min;
    return limits;
}

struct server_limits front_limits(const struct options *options, unsigned loops)
{
    struct server_limits limits = limits_wanted(options, loops);
    (void)fit_open_files(&limits, loops);
    return limits;
}

static void warn_of_open_files(const struct options *options, unsigned loops)
{
    struct server_limits limits = limits_wanted(options, loops);
    unsigned connections = limits.connections_max;
    uint64_t wanted = fit_open_files(&limits, loops);
    if (limits.connections_max < connections)
        log_warn("dolmend",
                 "the limit on open files is too low: %u connections at most instead of %u. Raise it to %llu: "
                 "LimitNOFILE= of the service, or ulimit -n.",
                 limits.connections_max, connections, (unsigned long long)wanted);
}

/* ---- endpoints ---- */

struct endpoint {
    const char *option; /* that names it */
    const char *host;
    uint16_t port;
    bool tls;
};

/* One or two; how many. --listen speaks TLS when there is a certificate and no other endpoint for it. */
static unsigned endpoints_of(const struct options *o, struct endpoint out[2])
{
    bool has_tls = o->tls_cert != NULL;
    out[0] = (struct endpoint){"--listen", o->host, o->port, has_tls && !o->tls_listen_given};
    out[1] = (struct endpoint){"--tls-listen", o->tls_host, o->tls_port, true};
    return has_tls && o->tls_listen_given ? 2 : 1;
}

static enum dol_err fail_to_listen(struct front_why *why, const struct endpoint *e, enum dol_err err)
{
    switch (err) {
    case DOL_EINUSE:
        return fail(why, err, "%s:%u is in use by another program. Stop it, or choose another port with %s.", e->host,
                    e->port, e->option);
    case DOL_EPERM:
        return fail(why, err, "no permission to listen on %s:%u. Ports below 1024 need CAP_NET_BIND_SERVICE.", e->host,
                    e->port);
    default:
        return fail(why, err, "cannot listen on %s:%u: %s. Is it an address of this machine?", e->host, e->port,
                    dol_err_text(err));
    }
}

static enum dol_err await_endpoint(const struct endpoint *e, const bool *stop_asked)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ENDPOINT_WAIT_NS;
    enum dol_err err;
    while ((err = server_probe_tcp(e->host, e->port)) == DOL_EINUSE && clock_monotonic_ns() < deadline_ns &&
           !__atomic_load_n(stop_asked, __ATOMIC_ACQUIRE))
        fiber_sleep(ENDPOINT_RETRY_NS);
    return err;
}

/* ---- the certificate: files are read on an offload thread ---- */

struct load_job {
    struct front *front;
    struct tls_why why;
    enum dol_err err;
};

static void run_load(void *arg)
{
    struct load_job *job = arg;
    const struct options *o = job->front->options;
    job->err = tls_config_new(o->tls_cert, o->tls_key, &job->front->tls, &job->why);
}

static void run_reload(void *arg)
{
    struct load_job *job = arg;
    job->err = tls_config_reload(job->front->tls, &job->why);
}

enum dol_err front_open(struct front *f, const struct options *options, const bool *stop_asked, struct front_why *why)
{
    struct endpoint endpoints[2];
    unsigned count = endpoints_of(options, endpoints);
    *f = (struct front){.options = options};
    waitq_init(&f->reloaded);
    warn_of_open_files(options, runtime_loops(runtime_self()));
    if (options->tls_cert != NULL) {
        struct load_job job = {.front = f};
        offload_run(run_load, &job);
        if (job.err != DOL_OK)
            return fail(why, job.err, "%s", job.why.text);
    }
    for (unsigned i = 0; i < count; i++) {
        enum dol_err err = await_endpoint(&endpoints[i], stop_asked);
        if (err != DOL_OK)
            return fail_to_listen(why, &endpoints[i], err);
    }
    return DOL_OK;
}

void front_reload(struct front *f)
{
    if (f->tls == NULL || f->reloading)
        return;
    struct load_job job = {.front = f};
    f->reloading = true;
    offload_run(run_reload, &job);
    f->reloading = false;
    waitq_wake_all(&f->reloaded);
    if (job.err == DOL_OK)
        log_info("tls", "new connections get the certificate that was read just now");
    else
        log_error("tls", "the certificate is not replaced, new connections get the one from before: %s", job.why.text);
}

void front_close(struct front *f)
{
    while (f->reloading)
        waitq_wait(&f->reloaded);
    tls_config_free(f->tls);
    f->tls = NULL;
}

/* ---- listening ---- */

/* What watches over the server must get its answer just when there is too much to do. A signed request means a bucket
 * of that name. */
static bool is_health_check(void *arg, const struct http1_head *head)
{
    (void)arg;
    return (bytes_equal_str(head->target, "/healthz") || bytes_equal_str(head->target, "/readyz") ||
            bytes_equal_str(head->target, "/metrics")) &&
           http1_header(head, "authorization") == NULL;
}

enum dol_err front_listen(struct front *f, struct server *server, const struct server_service *service,
                          struct front_why *why)
{
    struct endpoint endpoints[2];
    unsigned count = endpoints_of(f->options, endpoints);
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct endpoint *e = &endpoints[i];
        struct server_service with = *service;
        uint16_t port = 0;
        with.exempt = is_health_check;
        with.tls = e->tls ? f->tls : NULL;
        enum dol_err err = server_listen_tcp(server, e->host, e->port, &with, &port);
        if (err != DOL_OK)
            return fail_to_listen(why, e, err);
        bool v6 = strchr(e->host, ':') != NULL;
        len += (size_t)snprintf(f->endpoint + len, sizeof f->endpoint - len, "%s%s://%s%s%s:%u", i > 0 ? ", " : "",
                                e->tls ? "https" : "http", v6 ? "[" : "", e->host, v6 ? "]" : "", port);
    }
    return DOL_OK;
}
