/* dolmend: the process around the appliance. */
#include "bootstrap.h"
#include "log.h"
#include "memory.h"
#include "uring.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOPS_MAX 64u
#define FILES_MAX 1048576u

/* Memory holds keys: no core dumps, no debugger of another user; new files are for this user only. */
static void harden(void)
{
    static const struct rlimit none = {0, 0};
    umask(077);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        log_warn("dolmend", "core dumps could not be turned off; they would hold keys");
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * Before any thread is started, so that all inherit it: signals are taken by bootstrap_signal_fiber(). SIGINT only if
 * it isn't ignored: a shell ignores it for what it runs in the background, and Ctrl-C is then not meant for us.
 */
static void block_signals(struct bootstrap *boot)
{
    static const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction interrupt;
    sigset_t set;
    sigemptyset(&set);
    boot->signals[boot->signal_count++] = SIGTERM;
    boot->signals[boot->signal_count++] = SIGHUP;
    if (sigaction(SIGINT, NULL, &interrupt) == 0 && interrupt.sa_handler != SIG_IGN)
        boot->signals[boot->signal_count++] = SIGINT;
    for (unsigned i = 0; i < boot->signal_count; i++)
        sigaddset(&set, boot->signals[i]);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static unsigned loops_wanted(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    unsigned cpus = (unsigned)CPU_COUNT(&set);
    return cpus < LOOPS_MAX ? cpus : LOOPS_MAX;
}

static int serve(struct bootstrap *boot)
{
    struct runtime *rt = NULL;
    unsigned loops = loops_wanted();
    const struct runtime_config config = {.loops = loops, .fibers_max = bootstrap_fibers_max(boot->options, loops)};
    enum dol_err err = runtime_new_uring(&config, &rt);
    if (err != DOL_OK) {
        log_error("dolmend", "cannot start: %s; the line above says what to do", dol_err_text(err));
        return BOOTSTRAP_EXIT_FAILED;
    }
    err = runtime_spawn(rt, 0, bootstrap_fiber, boot, "main");
    if (err == DOL_OK)
        err = runtime_spawn(rt, 0, bootstrap_signal_fiber, boot, "signals");
    if (err != DOL_OK) {
        log_error("dolmend", "cannot start: %s", dol_err_text(err));
        runtime_free(rt);
        return BOOTSTRAP_EXIT_FAILED;
    }
    runtime_run(rt);
    runtime_free(rt);
    return boot->exit_code;
}

/* What --check says beyond the file itself: things that may still come, so they are no errors. */
static void warn_of_missing(const struct options *o)
{
    for (unsigned i = 0; i < o->drive_path_count; i++)
        if (access(o->drive_paths[i], F_OK) != 0)
            fprintf(stderr, "dolmend: %s: the drive %s is not there.\n", o->config, o->drive_paths[i]);
    const char *const files[] = {o->key, o->credentials, o->tls_cert, o->tls_key};
    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i] != NULL && access(files[i], R_OK) != 0)
            fprintf(stderr, "dolmend: %s: %s cannot be read by this user: %s.\n", o->config, files[i], strerror(errno));
}

static int run(const struct options *options)
{
    struct site site;
    struct devdir_why why;
    log_set_level(options->log_level);
    log_set_format(options->log_format);
    memory_keep();
    if (options->check) {
        warn_of_missing(options);
        printf("%s is good.\n", options->config);
        return 0;
    }
    harden();
    raise_file_limit();
    struct bootstrap boot = {.options = options, .site = &site};
    block_signals(&boot);
    if (site_open(options, DEVDIR_CREATE, &site, &why) != DOL_OK) {
        log_error("dolmend", "%s", why.text);
        return BOOTSTRAP_EXIT_FAILED;
    }
    int exit_code = serve(&boot);
    site_close(&site);
    return exit_code;
}

int main(int argc, char **argv)
{
    struct options options;
    int exit_code = BOOTSTRAP_EXIT_USAGE;
    switch (options_parse(argc, argv, &options)) {
    case OPTIONS_SHOWN:
        exit_code = 0;
        break;
    case OPTIONS_WRONG:
        break;
    case OPTIONS_RUN:
        exit_code = run(&options);
        break;
    }
    options_fini(&options);
    return exit_code;
}
