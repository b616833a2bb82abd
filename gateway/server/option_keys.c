/* The names of all settings, in the file and on the command line, and how their values are read. See options.h. */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#define TIMEOUT_S_MAX 86400u

static bool is_path(const char *value)
{
    return value[0] == '/' && strlen(value) < 4096;
}

static bool set_listen(struct options *o, const char *value)
{
    return option_parse_endpoint(value, o->host, &o->port);
}

static bool set_tls_listen(struct options *o, const char *value)
{
    o->tls_listen_given = true;
    return option_parse_endpoint(value, o->tls_host, &o->tls_port);
}

static bool set_tls_cert(struct options *o, const char *value)
{
    o->tls_cert = value;
    return true;
}

static bool set_tls_key(struct options *o, const char *value)
{
    o->tls_key = value;
    return true;
}

static bool set_domain(struct options *o, const char *value)
{
    o->domain = value;
    return option_is_domain(value);
}

static bool set_region(struct options *o, const char *value)
{
    o->region = value;
    return option_is_region(value);
}

static bool set_admin_socket(struct options *o, const char *value)
{
    o->admin_socket = value;
    return is_path(value) && strlen(value) < sizeof((struct sockaddr_un *)NULL)->sun_path;
}

static bool set_dev(struct options *o, const char *value)
{
    o->dev = value;
    return true;
}

static bool set_drives(struct options *o, const char *value)
{
    o->drives_given = true;
    return option_parse_number(value, 1, OPTIONS_DRIVES_MAX, &o->drives);
}

static bool set_geometry(struct options *o, const char *value)
{
    o->geometry_given = true;
    return option_parse_geometry(value, &o->k, &o->m);
}

static bool set_drive_size(struct options *o, const char *value)
{
    o->drive_size_given = true;
    return option_parse_size(value, &o->drive_size_bytes);
}

static bool add_drive(struct options *o, const char *path)
{
    for (unsigned i = 0; i < o->drive_path_count; i++)
        if (strcmp(o->drive_paths[i], path) == 0)
            return false;
    if (!is_path(path) || o->drive_path_count == OPTIONS_DRIVES_MAX || o->owned_count == OPTIONS_OWNED_MAX)
        return false;
    char *copy = strdup(path);
    if (copy == NULL)
        return false;
    o->owned[o->owned_count++] = copy;
    o->drive_paths[o->drive_path_count++] = copy;
    return true;
}

/* One or several, with blanks between them. */
static bool set_pool_drives(struct options *o, const char *value)
{
    char *copy = strdup(value);
    char *save = NULL;
    bool good = copy != NULL;
    for (char *path = good ? strtok_r(copy, " \t", &save) : NULL; path != NULL && good;
         path = strtok_r(NULL, " \t", &save))
        good = add_drive(o, path);
    free(copy);
    return good;
}

static bool set_index(struct options *o, const char *value)
{
    o->index = value;
    return is_path(value);
}

static bool set_key(struct options *o, const char *value)
{
    o->key = value;
    return is_path(value);
}

static bool set_credentials(struct options *o, const char *value)
{
    o->credentials = value;
    return is_path(value);
}

static bool set_log_level(struct options *o, const char *value)
{
    int level = log_level_parse(value);
    o->log_level = level < 0 ? LOG_LEVEL_INFO : (enum log_level)level;
    return level >= 0;
}

static bool set_log_format(struct options *o, const char *value)
{
    int format = log_format_parse(value);
    o->log_format = format < 0 ? LOG_FORMAT_AUTO : (enum log_format)format;
    return format >= 0;
}

static bool set_connections(struct options *o, const char *value)
{
    return option_parse_number(value, 1, 1u << 20, &o->limits.connections);
}

static bool set_puts(struct options *o, const char *value)
{
    return option_parse_number(value, 1, 1u << 20, &o->limits.puts);
}

static bool set_idle_timeout(struct options *o, const char *value)
{
    return option_parse_number(value, 1, TIMEOUT_S_MAX, &o->limits.idle_timeout_s);
}

static bool set_head_timeout(struct options *o, const char *value)
{
    return option_parse_number(value, 1, TIMEOUT_S_MAX, &o->limits.head_timeout_s);
}

static bool set_body_timeout(struct options *o, const char *value)
{
    return option_parse_number(value, 1, TIMEOUT_S_MAX, &o->limits.body_timeout_s);
}

static bool set_send_timeout(struct options *o, const char *value)
{
    return option_parse_number(value, 1, TIMEOUT_S_MAX, &o->limits.send_timeout_s);
}

static bool set_stop_timeout(struct options *o, const char *value)
{
    return option_parse_number(value, 1, TIMEOUT_S_MAX, &o->limits.stop_timeout_s);
}

static bool set_rate(struct options *o, const char *value)
{
    return option_parse_number(value, 1, 1u << 30, &o->limits.rate_bytes_min);
}

static bool set_cache(struct options *o, const char *value)
{
    o->cache_bytes = 0;
    return strcmp(value, "0") == 0 || option_parse_size(value, &o->cache_bytes);
}

static bool set_scrub_bandwidth(struct options *o, const char *value)
{
    o->scrub_bytes_s = 0;
    return strcmp(value, "0") == 0 || option_parse_size(value, &o->scrub_bytes_s);
}

static bool set_scrub_interval(struct options *o, const char *value)
{
    o->scrub_interval_s = 0;
    return strcmp(value, "0") == 0 || option_parse_interval(value, &o->scrub_interval_s);
}

static bool set_lifecycle_day(struct options *o, const char *value)
{
    return option_parse_interval(value, &o->lifecycle_day_s);
}

#define ENDPOINT "not an address and port. Give it like 127.0.0.1:9000, 0.0.0.0:9000 or [::1]:9000."
#define PATH     "not an absolute path."
#define SECONDS  "not a number of seconds from 1 to 86400."

const struct option_key option_keys[] = {
    {NULL, NULL, "dev", false, set_dev, ""},
    {NULL, NULL, "drives", false, set_drives, "not a number from 1 to 64."},
    {NULL, NULL, "ec", false, set_geometry, "not a geometry. Give data and parity units like 4+2, 2+1 or 1+0."},
    {NULL, NULL, "drive-size", false, set_drive_size, "not a size. Give it like 512M, 4G or 2T."},
    {"server", "listen", "listen", false, set_listen, ENDPOINT},
    {"server", "tls_listen", "tls-listen", false, set_tls_listen, ENDPOINT},
    {"server", "tls_cert", "tls-cert", false, set_tls_cert, ""},
    {"server", "tls_key", "tls-key", false, set_tls_key, ""},
    {"server", "domain", "domain", false, set_domain, "not a host name."},
    {"server", "region", "region", false, set_region,
     "not a region. Give it like us-east-1: lower-case letters, digits, hyphens."},
    {"server", "admin_socket", NULL, false, set_admin_socket, "not an absolute path of at most 107 characters."},
    {"pool", "drives", NULL, true, set_pool_drives, "not absolute paths of drives, each named once, 64 at most."},
    {"pool", "index", NULL, false, set_index, PATH},
    {"pool", "key", NULL, false, set_key, PATH},
    {"pool", "credentials", NULL, false, set_credentials, PATH},
    {"log", "level", "log-level", false, set_log_level, "not a level. Give error, warn, info or debug."},
    {"log", "format", "log-format", false, set_log_format, "not a format. Give auto, text, journal or json."},
    {"limits", "connections", NULL, false, set_connections, "not a number from 1 to 1048576."},
    {"limits", "puts", NULL, false, set_puts, "not a number from 1 to 1048576."},
    {"limits", "idle_timeout", NULL, false, set_idle_timeout, SECONDS},
    {"limits", "head_timeout", NULL, false, set_head_timeout, SECONDS},
    {"limits", "body_timeout", NULL, false, set_body_timeout, SECONDS},
    {"limits", "send_timeout", NULL, false, set_send_timeout, SECONDS},
    {"limits", "stop_timeout", NULL, false, set_stop_timeout, SECONDS},
    {"limits", "rate_min", NULL, false, set_rate, "not a number of bytes a second from 1 to 1073741824."},
    {"scrub", "bandwidth", "scrub-bandwidth", false, set_scrub_bandwidth,
     "not a size. Give bytes a second like 64M or 1G; 0: no limit."},
    {"scrub", "interval", "scrub-interval", false, set_scrub_interval,
     "not a time. Give it like 7d, 12h, 30m or 90s; 0: no scrub begins by itself."},
    {"lifecycle", "day", "lifecycle-day", false, set_lifecycle_day, "not a time. Give it like 1d, 1h or 10s."},
    {"cache", "size", "cache-size", false, set_cache, "not a size. Give it like 512M or 4G; 0: no cache."},
};
const unsigned option_key_count = sizeof option_keys / sizeof option_keys[0];

const struct option_key *option_key_by_option(const char *option)
{
    for (unsigned i = 0; i < option_key_count; i++)
        if (option_keys[i].option != NULL && strcmp(option_keys[i].option, option) == 0)
            return &option_keys[i];
    return NULL;
}

const struct option_key *option_key_by_name(const char *section, const char *key)
{
    for (unsigned i = 0; i < option_key_count; i++)
        if (option_keys[i].section != NULL && strcmp(option_keys[i].section, section) == 0 &&
            strcmp(option_keys[i].key, key) == 0)
            return &option_keys[i];
    return NULL;
}

bool option_section_exists(const char *section)
{
    for (unsigned i = 0; i < option_key_count; i++)
        if (option_keys[i].section != NULL && strcmp(option_keys[i].section, section) == 0)
            return true;
    return false;
}

void option_explain(struct option_why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
}

void options_init(struct options *o)
{
    *o = (struct options){
        .host = "127.0.0.1",
        .port = 9000,
        .drives = 6,
        .k = 4,
        .m = 2,
        .drive_size_bytes = 4ull << 30,
        .region = "us-east-1",
        .cache_bytes = OPTIONS_CACHE_BYTES,
        .scrub_bytes_s = OPTIONS_SCRUB_BYTES_S,
        .lifecycle_day_s = OPTIONS_LIFECYCLE_DAY_S,
        .scrub_interval_s = OPTIONS_SCRUB_INTERVAL_S,
        .log_level = LOG_LEVEL_INFO,
        .log_format = LOG_FORMAT_AUTO,
    };
}

void options_fini(struct options *o)
{
    while (o->owned_count > 0)
        free(o->owned[--o->owned_count]);
}
