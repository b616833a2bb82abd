/*
 * The order of things. Up: directory, pool (created when there is none), store, credentials, S3, listening sockets;
 * only then "ready". The store is opened before anything listens, so whoever can connect is served. Down: no more
 * connections, requests in progress end, the store proves its last rows and closes.
 */
#include "bootstrap.h"
#include "admin.h"
#include "config.h"
#include "iam.h"
#include "log.h"
#include "memory.h"
#include "s3.h"
#include "s3_lifecycle_worker.h"
#include "server.h"
#include "uring.h"
#include <dolmen/store.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define STORE_FIBERS_MAX 512u /* per loop, beside connections */
#define WATCH_PERIOD_NS  (5 * SERVER_SECOND_NS)

/* What was built up, to be taken down in reverse. */
struct appliance {
    struct bootstrap *boot;
    struct store *store;
    struct iam *iam;
    struct s3 *s3;
    struct server *server;
    struct admin *admin;
    struct s3_lifecycle_worker *lifecycle;
};

static enum dol_err fail(struct appliance *a, int exit_code, const struct devdir_why *why)
{
    log_error("dolmend", "%s", why->text);
    a->boot->exit_code = exit_code;
    return DOL_EINVAL;
}

static struct devdir_why explain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct devdir_why explain(const char *format, ...)
{
    struct devdir_why why;
    va_list args;
    va_start(args, format);
    vsnprintf(why.text, sizeof why.text, format, args);
    va_end(args);
    return why;
}

static bool stop_asked(const struct bootstrap *boot)
{
    return __atomic_load_n(&boot->stop_asked, __ATOMIC_ACQUIRE);
}

/* ---- the pool ---- */

static enum dol_err create_pool(struct appliance *a)
{
    const struct options *o = a->boot->options;
    struct devdir *d = &a->boot->site->dir;
    struct devdir_why why;
    const struct devdir_geometry geometry = {
        .drives = o->drives,
        .k = o->k,
        .m = o->m,
        .drive_size_bytes = o->drive_size_bytes,
        .encrypted = true,
    };
    log_info("dolmend", "creating a pool in %s: %u drives of %" PRIu64 " bytes, geometry %u+%u", d->root, o->drives,
             o->drive_size_bytes, o->k, o->m);
    if (devdir_create_pool(d, &geometry, &why) != DOL_OK)
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    log_warn("dolmend",
             "the new pool's key is %s. Losing it loses the pool, and nobody can help: keep a copy elsewhere "
             "(dolmen key export --dev %s FILE).",
             d->key, d->root);
    if (o->m == 0)
        log_warn("dolmend", "geometry %u+0 has no parity: losing one drive loses data.", o->k);
    return DOL_OK;
}

static enum dol_err prepare_pool(struct appliance *a)
{
    struct devdir *d = &a->boot->site->dir;
    struct devdir_why why;
    enum devdir_state state;
    char moved[PATH_MAX];
    if (!a->boot->site->in_directory)
        return DOL_OK;
    if (devdir_state_get(d, &state, &why) != DOL_OK)
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    switch (state) {
    case DEVDIR_POOL:
        return DOL_OK;
    case DEVDIR_BROKEN:
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    case DEVDIR_UNFINISHED:
        if (devdir_move_aside(d, moved, &why) != DOL_OK)
            return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
        log_warn("dolmend",
                 "an earlier creation of a pool in %s was interrupted before anything was stored. What it left is now "
                 "in %s and can be deleted.",
                 d->root, moved);
        return create_pool(a);
    case DEVDIR_NEW:
        return create_pool(a);
    }
    return DOL_EINVAL;
}

static struct devdir_why why_not_open(const struct site *site, enum dol_err err)
{
    switch (err) {
    case DOL_EKEY:
        return explain("the key file %s is missing, damaged, readable by others (chmod 600), or of another pool. "
                       "Restore it from the copy made with "
                       "'dolmen key export'; without it nothing in this pool can be read.",
                       site->key);
    case DOL_EPERM:
        return explain("no permission to read %s or to write %s. The key file must be readable by its owner only.",
                       site->key, site->index);
    case DOL_ENOTPOOL:
        return explain("the drives in %s do not carry a Dolmen pool, or not the same one.%s", site->drives,
                       site->in_directory ? "" : " A pool is made with 'dolmen pool create --config FILE'.");
    case DOL_EINCOMPLETE:
        return explain("too many drives of the pool are missing from %s: fewer are left than its parity can make up "
                       "for. Bring drives back; nothing has been changed.",
                       site->drives);
    case DOL_EFORMAT:
        return explain("the pool in %s was written by a newer Dolmen. Use that version.", site->name);
    case DOL_EINVAL:
        return explain("the drives in %s do not belong to one pool; the line above names the one that does not. Take "
                       "it away from there.",
                       site->drives);
    case DOL_EINUSE:
        return explain("the index %s is in use by another dolmend. Stop it, or give this one an index of its own.",
                       site->index);
    default:
        return explain("cannot open the pool in %s: %s. The log above says more.", site->name, dol_err_text(err));
    }
}

/* One is enough: a damaged drive may have another size, and must not keep the pool from being served. */
static bool has_drive_of(const struct store_status *s, uint64_t size_bytes)
{
    for (unsigned i = 0; i < s->drive_count; i++)
        if (s->drives[i].size_bytes == size_bytes)
            return true;
    return false;
}

/* Options that were given and say something else than the pool is. */
static enum dol_err check_options(struct appliance *a)
{
    const struct options *o = a->boot->options;
    const char *root = a->boot->site->name;
    struct devdir_why why = {{0}};
    struct store_status *s = calloc(1, sizeof *s);
    if (s == NULL) {
        why = explain("out of memory");
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    }
    store_status_get(a->store, s);
    if (o->geometry_given && (o->k != s->k || o->m != s->m))
        why = explain("--ec %u+%u: the pool in %s has geometry %u+%u, which cannot be changed. Leave the option out.",
                      o->k, o->m, root, s->k, s->m);
    else if (o->drives_given && o->drives != s->drive_count)
        why = explain("--drives %u: the pool in %s has %u drives. Leave the option out.", o->drives, root,
                      s->drive_count);
    else if (o->drive_size_given && !has_drive_of(s, o->drive_size_bytes / 4096 * 4096))
        why = explain("--drive-size: no drive of the pool in %s has %" PRIu64 " bytes. Leave the option out.", root,
                      o->drive_size_bytes);
    if (why.text[0] == '\0' && s->reason[0] != '\0')
        log_warn("pool", "%s%s", s->read_only ? "read-only: " : "", s->reason);
    free(s);
    return why.text[0] == '\0' ? DOL_OK : fail(a, BOOTSTRAP_EXIT_USAGE, &why);
}

static enum dol_err open_store(struct appliance *a)
{
    const struct options *o = a->boot->options;
    const struct site *site = a->boot->site;
    struct drive *drives[DEVDIR_DRIVES_MAX];
    unsigned count = 0;
    struct devdir_why why;
    if (site_open_drives(site, drives, &count, &why) != DOL_OK)
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    const struct store_config config = {
        .drives = drives,
        .drive_count = count,
        .index_dir = site->index,
        .key_file = site_key_file(site),
        .access = STORE_READ_WRITE,
        .puts_max = o->limits.puts,
        .cache_bytes = o->cache_bytes == OPTIONS_CACHE_BYTES ? memory_cache_bytes() : o->cache_bytes,
    };
    enum dol_err err = store_open(&config, &a->store);
    if (err != DOL_OK) {
        for (unsigned i = 0; i < count; i++)
            drive_close(drives[i]);
        why = why_not_open(site, err);
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    }
    return check_options(a);
}

/* ---- the gateway ---- */

static enum dol_err open_iam(struct appliance *a)
{
    const struct site *d = a->boot->site;
    struct devdir_why why;
    if (!d->in_directory && access(d->credentials, F_OK) != 0 && errno == ENOENT) {
        why = explain("%s is missing. 'dolmen pool create' makes it; or write it: two lines, access_key=... and "
                      "secret_key=..., mode 0600.",
                      d->credentials);
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    }
    enum dol_err err = d->in_directory ? iam_credentials_create(d->credentials) : DOL_EEXIST;
    if (err == DOL_OK)
        log_warn("dolmend", "%s was missing: new credentials have been made.", d->credentials);
    if (err == DOL_OK || err == DOL_EEXIST)
        err = iam_open(d->credentials, &a->iam);
    switch (err) {
    case DOL_OK:
        err = iam_load(a->iam, a->store);
        if (err == DOL_OK)
            return DOL_OK;
        why = explain("the users and policies that the pool holds can't be read: %s.", dol_err_text(err));
        break;
    case DOL_EPERM:
        why = explain("%s can be read by others, or not by this user. It must be a file of mode 0600.", d->credentials);
        break;
    case DOL_ESYNTAX:
        why = explain("%s is malformed. It must hold two lines: access_key=... and secret_key=...", d->credentials);
        break;
    default:
        why = explain("cannot read %s: %s.", d->credentials, dol_err_text(err));
        break;
    }
    return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
}

static void serve_public(void *arg, struct exchange *x)
{
    struct appliance *a = arg;
    if (!admin_handle_public(a->admin, x))
        s3_handle(a->s3, x);
}

static void serve_admin(void *arg, struct exchange *x)
{
    struct appliance *a = arg;
    admin_handle(a->admin, x);
}

static bool is_any(void *arg, const struct http1_head *head)
{
    (void)arg;
    (void)head;
    return true;
}

/* Where systemd does not make it. Whether it is there shows when the socket is made. */
static void make_socket_directory(const struct site *site)
{
    char parent[PATH_MAX];
    if (site->in_directory)
        return;
    snprintf(parent, sizeof parent, "%s", site->socket);
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) {
        *slash = '\0';
        (void)mkdir(parent, 0700);
    }
}

static enum dol_err listen_all(struct appliance *a)
{
    const char *socket = a->boot->site->socket;
    const struct server_service public = {.handler = serve_public, .arg = a};
    const struct server_service admin = {.handler = serve_admin, .exempt = is_any, .arg = a};
    struct front_why front_why;
    struct devdir_why why;
    enum dol_err err = front_listen(&a->boot->front, a->server, &public, &front_why);
    if (err != DOL_OK) {
        why = explain("%s", front_why.text);
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    }
    make_socket_directory(a->boot->site);
    err = server_listen_unix(a->server, socket, &admin);
    if (err != DOL_OK) {
        why = explain("cannot make the admin socket %s: %s. Its directory must exist, and be writable by this user.",
                      a->boot->site->in_directory ? "DIR/admin.sock" : socket, dol_err_text(err));
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    }
    return DOL_OK;
}

unsigned bootstrap_fibers_max(const struct options *options, unsigned loops)
{
    return front_limits(options, loops).fibers_max + STORE_FIBERS_MAX;
}

static enum dol_err open_front(struct appliance *a)
{
    struct bootstrap *boot = a->boot;
    struct front_why front_why;
    if (front_open(&boot->front, boot->options, &boot->stop_asked, &front_why) == DOL_OK)
        return DOL_OK;
    struct devdir_why why = explain("%s", front_why.text);
    return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
}

static enum dol_err open_gateway(struct appliance *a)
{
    const struct options *o = a->boot->options;
    struct devdir_why why = explain("out of memory");
    struct runtime *rt = runtime_self();
    const struct s3_config s3_config = {.store = a->store,
                                        .iam = a->iam,
                                        .region = o->region,
                                        .domain = o->domain,
                                        .lifecycle_day_s = (int64_t)o->lifecycle_day_s};
    const struct server_config server_config = {.runtime = rt, .limits = front_limits(o, runtime_loops(rt))};
    if (s3_new(&s3_config, &a->s3) != DOL_OK || server_new(&server_config, &a->server) != DOL_OK)
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    const struct admin_config admin_config = {
        .server = a->server,
        .store = a->store,
        .iam = a->iam,
        .runtime = rt,
        .endpoint = a->boot->front.endpoint,
        .region = o->region,
        .version = DOLMEN_VERSION,
        .key_file = o->key_place != NULL ? o->key_place : a->boot->site->key,
        .scrub_bytes_s = o->scrub_bytes_s,
        .scrub_interval_s = o->scrub_interval_s,
    };
    if (admin_new(&admin_config, &a->admin) != DOL_OK)
        return fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    enum dol_err err = listen_all(a);
    if (err == DOL_OK && (s3_lifecycle_worker_start(a->store, (int64_t)o->lifecycle_day_s, &a->lifecycle) != DOL_OK ||
                          server_start(a->server) != DOL_OK)) {
        why = explain("cannot start the server: too many fibers");
        err = fail(a, BOOTSTRAP_EXIT_FAILED, &why);
    }
    return err;
}

/* ---- life ---- */

static void announce(const struct appliance *a)
{
    const struct site *d = a->boot->site;
    struct store_status *s = calloc(1, sizeof *s);
    if (s != NULL) {
        store_status_get(a->store, s);
        printf("dolmend ready: %s region %s, pool %s %u+%u on %u drives%s, credentials in %s\n",
               a->boot->front.endpoint, a->boot->options->region, s->label, s->k, s->m, s->drive_count,
               s->read_only ? " (READ-ONLY)" : "", d->credentials);
        fflush(stdout);
        free(s);
    }
    sd_notifyf(0, "READY=1\nSTATUS=Serving %s", a->boot->front.endpoint);
}

static void close_all(struct appliance *a)
{
    if (a->server != NULL) {
        server_stop(a->server);
        (void)unlink(a->boot->site->socket);
        server_free(a->server);
    }
    front_close(&a->boot->front);
    s3_lifecycle_worker_stop(a->lifecycle);
    admin_free(a->admin);
    if (a->s3 != NULL)
        s3_free(a->s3);
    if (a->iam != NULL)
        iam_close(a->iam);
    if (a->store != NULL)
        store_close(a->store);
}

void bootstrap_fiber(void *arg)
{
    struct bootstrap *boot = arg;
    struct appliance a = {.boot = boot};
    boot->fiber = fiber_self();
    boot->exit_code = 0;
    enum dol_err err = open_front(&a);
    if (err == DOL_OK && !stop_asked(boot))
        err = prepare_pool(&a);
    if (err == DOL_OK && !stop_asked(boot))
        err = open_store(&a);
    if (err == DOL_OK && !stop_asked(boot))
        err = open_iam(&a);
    if (err == DOL_OK && !stop_asked(boot))
        err = open_gateway(&a);
    if (err == DOL_OK && !stop_asked(boot)) {
        announce(&a);
        while (!stop_asked(boot)) {
            admin_watch(a.admin);
            sd_notify(0, "WATCHDOG=1");
            (void)fiber_park_until(clock_monotonic_ns() + WATCH_PERIOD_NS);
        }
    }
    sd_notify(0, "STOPPING=1");
    close_all(&a);
    log_info("dolmend", "stopped");
    boot->fiber = NULL;
    runtime_stop(runtime_self());
}

/* ---- signals ---- */

struct reload_job {
    const struct options *now;
    struct options next;
    struct option_why why;
    enum dol_err err;
};

/* On an offload thread: it reads a file. */
static void run_reload(void *arg)
{
    struct reload_job *job = arg;
    options_init(&job->next);
    job->err = config_load(job->now->config, &job->next, &job->why);
    if (job->err == DOL_OK)
        job->err = config_check(&job->next, &job->why);
}

static void reload_config(const struct options *now)
{
    struct reload_job *job = now->config != NULL ? calloc(1, sizeof *job) : NULL;
    if (job == NULL)
        return;
    job->now = now;
    offload_run(run_reload, job);
    if (job->err == DOL_OK) {
        log_set_level(job->next.log_level);
        log_set_format(job->next.log_format);
        log_info("dolmend", "SIGHUP: %s read again; [log] is in force, other changes need a restart", now->config);
    } else {
        log_error("dolmend", "SIGHUP: nothing is changed: %s", job->why.text);
    }
    options_fini(&job->next);
    free(job);
}

static void reload(struct bootstrap *boot)
{
    sd_notify(0, "RELOADING=1");
    reload_config(boot->options);
    front_reload(&boot->front);
    sd_notify(0, "READY=1");
}

/* The next signal that asks to stop; what asks to reload is done meanwhile. */
static enum dol_err wait_for_stop(struct bootstrap *boot, int *signo)
{
    enum dol_err err;
    while ((err = signal_wait(boot->signals, boot->signal_count, signo)) == DOL_OK && *signo == SIGHUP)
        reload(boot);
    return err;
}

void bootstrap_signal_fiber(void *arg)
{
    struct bootstrap *boot = arg;
    int signo = 0;
    if (wait_for_stop(boot, &signo) != DOL_OK)
        return;
    log_info("dolmend", "%s: stopping once the requests in progress are done; a second signal ends at once",
             signo == SIGTERM ? "SIGTERM" : "SIGINT");
    __atomic_store_n(&boot->stop_asked, true, __ATOMIC_RELEASE);
    if (boot->fiber != NULL)
        fiber_wake(boot->fiber);
    if (wait_for_stop(boot, &signo) != DOL_OK)
        return;
    log_warn("dolmend", "second signal: ended at once; the next start recovers");
    _exit(BOOTSTRAP_EXIT_FAILED);
}
