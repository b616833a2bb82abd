/* dolmend's command line. The file of --config is read first, wherever the option stands; the other options go on top
 * of it. See options.h. */
#include "options.h"
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

static const char help[] =
    "dolmend " DOLMEN_VERSION ": the Dolmen server\n"
    "\n"
    "  dolmend --config FILE [options]\n"
    "  dolmend --dev DIR [options]\n"
    "\n"
    "Serves a pool over S3: the one that FILE describes, or the one in DIR. In DIR, what is missing is created: drive\n"
    "files, the key file, credentials, the index. A pool of FILE is made by dolmen pool create.\n"
    "\n"
    "  --config FILE         the configuration; docs/operations.md tells its keys\n"
    "  --check               with --config: say whether FILE is good, and end\n"
    "  --dev DIR             the directory of the pool\n"
    "  --listen ADDR:PORT    where to serve (127.0.0.1:9000); port 0 takes a free one\n"
    "  --tls-cert FILE       certificate chain in PEM; with --tls-key\n"
    "  --tls-key FILE        its private key in PEM\n"
    "  --tls-listen ADDR:PORT  where to serve TLS; --listen then stays plain HTTP\n"
    "  --domain NAME         serve buckets as BUCKET.NAME too\n"
    "  --region NAME         the region that requests are signed for (us-east-1)\n"
    "  --cache-size SIZE     memory for verified chunks that are read again (an eighth of RAM,\n"
    "                        at most 4G); 0: none\n"
    "  --scrub-bandwidth SIZE  bytes a second that scrubbing reads (64M); 0: no limit\n"
    "  --scrub-interval TIME   how often all is scrubbed (7d); like 12h or 30m; 0: not by itself\n"
    "  --lifecycle-day TIME  length of a day of lifecycle rules (1d); shorter for tests only\n"
    "  --log-level LEVEL     error, warn, info (the default) or debug\n"
    "  --log-format FORMAT   text, journal, json, or auto: journal under systemd, else text\n"
    "  --help, --version\n"
    "\n"
    "Of a new pool in DIR:\n"
    "  --drives N            drive files (6)\n"
    "  --ec K+M              geometry: data and parity units (4+2)\n"
    "  --drive-size SIZE     size of each drive file (4G); sparse until used\n"
    "\n"
    "DIR/credentials holds the access key and the secret key. DIR/key opens the pool: losing it loses the pool; keep a "
    "copy\n"
    "elsewhere (dolmen key export --dev DIR FILE).\n"
    "SIGTERM ends the server once the requests in progress are done (30 s at most); a second one ends it at once. "
    "SIGHUP\n"
    "reads the configuration again.\n"
    "\n"
    "Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage or configuration, 70 stopped for safety.\n";

static const char *const flags[] = {"help", "version", "check", NULL};

static enum options_result wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static enum options_result wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("dolmend: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\ndolmend --help shows all options.\n", stderr);
    va_end(args);
    return OPTIONS_WRONG;
}

static enum options_result set_option(struct options *o, const struct option_item *item)
{
    const struct option_key *key = option_key_by_option(item->name);
    if (key == NULL)
        return wrong("--%s: no such option.", item->name);
    return key->set(o, item->value) ? OPTIONS_RUN : wrong("--%s %s: %s", item->name, item->value, key->expects);
}

/* The first look: form, help, and the file. */
static enum options_result load_file(int argc, char **argv, struct options *out)
{
    struct option_cursor cursor = {.argc = argc, .argv = argv, .at = 1};
    struct option_item item;
    struct option_why why;
    const char *config = NULL;
    for (;;) {
        switch (option_next(&cursor, flags, &item)) {
        case OPTION_END:
            if (config == NULL || config_load(config, out, &why) == DOL_OK)
                return OPTIONS_RUN;
            fprintf(stderr, "dolmend: %s\n", why.text);
            return OPTIONS_WRONG;
        case OPTION_WORD:
            return wrong("'%s' is not an option.", item.value);
        case OPTION_NO_VALUE:
            return wrong("--%s: the value is missing, or there is one where none belongs.", item.name);
        case OPTION_NAMED:
            if (strcmp(item.name, "help") == 0) {
                fputs(help, stdout);
                return OPTIONS_SHOWN;
            }
            if (strcmp(item.name, "version") == 0) {
                puts("dolmend " DOLMEN_VERSION);
                return OPTIONS_SHOWN;
            }
            if (strcmp(item.name, "config") == 0) {
                if (config != NULL)
                    return wrong("--config %s: there is another already.", item.value);
                config = item.value;
            }
            break;
        }
    }
}

static enum options_result check(const struct options *o)
{
    struct option_why why;
    if (o->dev == NULL && o->config == NULL)
        return wrong(
            "no pool given. Name its configuration or directory: dolmend --config FILE, or dolmend --dev DIR.");
    if (o->dev != NULL && o->config != NULL)
        return wrong("--dev and --config exclude each other: which pool is it to be?");
    if (o->config != NULL && (o->drives_given || o->geometry_given || o->drive_size_given))
        return wrong(
            "--drives, --ec and --drive-size belong to --dev. A pool of --config is made by dolmen pool create.");
    if (o->check && o->config == NULL)
        return wrong("--check: there is no file to check without --config.");
    if (config_check(o, &why) == DOL_OK)
        return OPTIONS_RUN;
    fprintf(stderr, "dolmend: %s\n", why.text);
    return OPTIONS_WRONG;
}

enum options_result options_parse(int argc, char **argv, struct options *out)
{
    struct option_cursor cursor = {.argc = argc, .argv = argv, .at = 1};
    struct option_item item;
    struct option_why why;
    options_init(out);
    enum options_result result = load_file(argc, argv, out);
    while (result == OPTIONS_RUN && option_next(&cursor, flags, &item) == OPTION_NAMED) {
        if (strcmp(item.name, "check") == 0)
            out->check = true;
        else if (strcmp(item.name, "config") != 0)
            result = set_option(out, &item);
    }
    if (result == OPTIONS_RUN)
        result = check(out);
    if (result == OPTIONS_RUN && out->config != NULL && config_use_credentials(out, &why) != DOL_OK)
        result = wrong("%s", why.text);
    return result;
}
