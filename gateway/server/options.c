/* See options.h. */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>

static const char help[] =
    "dolmend " DOLMEN_VERSION ": the Dolmen server\n"
    "\n"
    "  dolmend --dev DIR [options]\n"
    "\n"
    "Serves the pool in DIR over S3. What is missing in DIR is created: drive files, the key file, credentials, the "
    "index.\n"
    "\n"
    "  --dev DIR             the directory of the pool\n"
    "  --listen ADDR:PORT    where to serve (127.0.0.1:9000); port 0 takes a free one\n"
    "  --drives N            drive files of a new pool (6)\n"
    "  --ec K+M              geometry of a new pool: data and parity units (4+2)\n"
    "  --drive-size SIZE     size of each new drive file (4G); sparse until used\n"
    "  --domain NAME         serve buckets as BUCKET.NAME too\n"
    "  --region NAME         the region that requests are signed for (us-east-1)\n"
    "  --help, --version\n"
    "\n"
    "DIR/credentials holds the access key and the secret key. DIR/key opens the pool: losing it loses the pool; keep a "
    "copy\n"
    "elsewhere (dolmen key export --dev DIR FILE).\n"
    "SIGTERM ends the server once the requests in progress are done (30 s at most); a second one ends it at once.\n"
    "\n"
    "Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage, 70 stopped for safety.\n";

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
    const char *name = item->name;
    const char *value = item->value;
    if (strcmp(name, "dev") == 0) {
        o->dev = value;
    } else if (strcmp(name, "listen") == 0) {
        if (!option_parse_endpoint(value, o->host, &o->port))
            return wrong(
                "--listen %s: not an address and port. Give it like 127.0.0.1:9000, 0.0.0.0:9000 or [::1]:9000.",
                value);
    } else if (strcmp(name, "drives") == 0) {
        if (!option_parse_number(value, 1, 64, &o->drives))
            return wrong("--drives %s: not a number from 1 to 64.", value);
        o->drives_given = true;
    } else if (strcmp(name, "ec") == 0) {
        if (!option_parse_geometry(value, &o->k, &o->m))
            return wrong("--ec %s: not a geometry. Give data and parity units like 4+2, 2+1 or 1+0.", value);
        o->geometry_given = true;
    } else if (strcmp(name, "drive-size") == 0) {
        if (!option_parse_size(value, &o->drive_size_bytes))
            return wrong("--drive-size %s: not a size. Give it like 512M, 4G or 2T.", value);
        o->drive_size_given = true;
    } else if (strcmp(name, "domain") == 0) {
        if (!option_is_domain(value))
            return wrong("--domain %s: not a host name.", value);
        o->domain = value;
    } else if (strcmp(name, "region") == 0) {
        if (!option_is_region(value))
            return wrong("--region %s: not a region. Give it like us-east-1: lower-case letters, digits, hyphens.",
                         value);
        o->region = value;
    } else {
        return wrong("--%s: no such option.", name);
    }
    return OPTIONS_RUN;
}

enum options_result options_parse(int argc, char **argv, struct options *out)
{
    static const char *const flags[] = {"help", "version", NULL};
    struct option_cursor cursor = {.argc = argc, .argv = argv, .at = 1};
    struct option_item item;
    *out = (struct options){
        .host = "127.0.0.1",
        .port = 9000,
        .drives = 6,
        .k = 4,
        .m = 2,
        .drive_size_bytes = 4ull << 30,
        .region = "us-east-1",
    };
    for (;;) {
        enum options_result result = OPTIONS_RUN;
        switch (option_next(&cursor, flags, &item)) {
        case OPTION_END:
            if (out->dev == NULL)
                return wrong("no pool given. Name its directory: dolmend --dev DIR.");
            return OPTIONS_RUN;
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
            result = set_option(out, &item);
            break;
        }
        if (result != OPTIONS_RUN)
            return result;
    }
}
